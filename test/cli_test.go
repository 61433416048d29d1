package test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/test/pg"
	"github.com/drawbridge-id/drawbridge/test/world"
)

// typed is a shell in a folder that "drawbridge init" has made ready, on either database.
func typed(t *testing.T, story func(t *testing.T, sh *shell)) {
	t.Helper()
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			sh := newShell(t)
			line := "drawbridge init ."
			if kind == "postgres" {
				url := pg.URL(t)
				line += " --database " + url
				sh.env = append(sh.env, "DRAWBRIDGE_DATABASE="+url)
			}
			sh.run(line+" --public-url http://127.0.0.1:1 --listen "+freeAddress(t)).exits(0).says("drawbridge.keys", "/setup/", "drawbridge serve")
			sh.env = append(sh.env, "DRAWBRIDGE_OPERATOR_LISTEN=")
			story(t, sh)
		})
	}
}

const typedEstate = `
accounts:
  - name: acme
    title: Acme Incorporated
    services: [catalog, registry]
    owners: [olga@acme.example]
    people:
      - {email: ben@acme.example, roles: [registry:reader]}
    teams: [{name: research}]
    domains: [{name: acme.example, connection: idp, proved: true}]
    connections:
      - {name: idp, kind: okta, oidc: {issuer: "https://acme.example", client_id: drawbridge, client_secret: "env:ACME_SECRET"}}
    rules:
      - {name: Engineering, groups: [eng], org: [registry:writer], teams: {research: [user_admin]}, state: active}
      - {name: Everybody, groups: [all], org: [catalog:reader]}
`

// REQ B-01, C-02, L-20
func TestAnEstateIsTriedAppliedAndLookedAt(t *testing.T) {
	typed(t, func(t *testing.T, sh *shell) {
		sh.write("estate.yaml", typedEstate)
		sh.run("drawbridge apply -f estate.yaml").exits(1).complains("estate.yaml:12:", "ACME_SECRET")
		sh.env = append(sh.env, "ACME_SECRET=between-us")

		sh.run("drawbridge apply -f estate.yaml --dry-run").exits(0).says("dry run", "account.created", "connection.", "rule.saved")
		sh.run("drawbridge org show acme").exits(1).complains("No such")
		applied := sh.run("drawbridge apply -f estate.yaml").exits(0).says("changes made", "/oidc/con_", "/callback")
		if strings.Contains(applied.out+applied.err, "between-us") {
			t.Error("apply prints a client secret")
		}
		sh.run("drawbridge apply -f estate.yaml").exits(0).says("nothing to change")
		sh.run("drawbridge apply -f estate.yaml --json").exits(0).says(`"changes": []`, `"redirect_uri": "http://127.0.0.1:1/oidc/con_`)

		shown := sh.run("drawbridge org show acme").exits(0).says("acme (enterprise)", "olga@acme.example", "Owner", "ben@acme.example", "Registry Reader", "manual by operator")
		if !regexp.MustCompile(`(?m)^number +\d{6,}$`).MatchString(shown.out) {
			t.Errorf("no number is shown:\n%s", shown.out)
		}
		sh.run("drawbridge rules list acme").exits(0).says("active", "Engineering", "eng", "draft", "Everybody", "in team research")
		sh.run("drawbridge rules test acme/idp --groups eng,All").exits(0).says(`+ active   "Engineering"`, `- draft    "Everybody"`, "case", "Registry Writer", "team research")
		sh.run("drawbridge rules plan acme").exits(0).says("2 people", "1 unknown", "1 owners skipped")
		sh.run("drawbridge rules plan acme --json").exits(0).says(`"all": 2`, `"kind": "manual"`)
		sh.run("drawbridge rules activate acme").exits(1).says("2 people").complains("Nothing was changed", "--yes")
		sh.run("drawbridge rules activate acme --yes").exits(1).complains("group claim") // nobody has seen one (T-05)
		sh.run("drawbridge domain list acme").exits(0).says("acme.example", "proved", "TXT")
		sh.run("drawbridge domain cut-over acme acme.example").exits(0).says("sent to their identity provider")
		sh.run("drawbridge domain claim acme gmail.com").exits(1).complains("public")
		sh.run("drawbridge connection show acme/idp").exits(0).says("con_", "https://acme.example", "/backchannel-logout", "active true")
		sh.run("drawbridge connection disable acme/idp").exits(0).says("enabled: false")
		sh.run("drawbridge connection list acme").exits(0).says("idp", "false", "oidc okta")
		sh.run("drawbridge audit acme --json -n 5").exits(0).says(`"verb":"connection.`, `"actor":"operator"`)
		log := sh.run("drawbridge audit export acme").exits(0).says(`{"key":"`, `"block":1`, `{"seal":{"account":"acc_`).out
		sh.write("audit.jsonl", log)
		key := regexp.MustCompile(`key +([0-9a-f]{16})`).FindStringSubmatch(sh.run("drawbridge audit verify audit.jsonl").exits(0).says("intact", "in 1 blocks").out)[1]
		sh.run("drawbridge audit verify audit.jsonl --key " + key).exits(0)
		sh.run("drawbridge audit verify audit.jsonl --key 0011223344556677").exits(1).complains("is expected")
		sh.write("bent.jsonl", strings.Replace(log, "connection.disabled", "connection.enabled", 1))
		sh.run("drawbridge audit verify bent.jsonl").exits(1).complains("is not what was sealed")

		// What is wrong is said with its line, all of it, before anything changes.
		sh.write("wrong.yaml", strings.NewReplacer("{name: research}", "{name: Research}", "registry:reader", "registry:king").Replace(typedEstate))
		sh.run("drawbridge apply -f wrong.yaml").exits(1).complains("wrong.yaml:8:", "registry:king", "wrong.yaml:9:", `"research"`, "nothing was changed")
		sh.write("wrong.yaml", strings.Replace(typedEstate, "title:", "titel:", 1))
		sh.run("drawbridge apply -f wrong.yaml").exits(1).complains("wrong.yaml:4:", "titel")
		sh.run("drawbridge apply -f nothing.yaml").exits(1).complains("nothing.yaml")
	})
}

// THREAT SEC-1, SEC-2: the key is outside of the database, can be changed, and is missed at start when it is lost.
func TestSecretsAreSealedAnew(t *testing.T) {
	typed(t, func(t *testing.T, sh *shell) {
		sh.env = append(sh.env, "ACME_SECRET=between-us")
		sh.write("estate.yaml", typedEstate)
		sh.run("drawbridge apply -f estate.yaml").exits(0)
		keys := filepath.Join(sh.dir, "drawbridge.keys")
		old, err := os.ReadFile(keys)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(keys); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the keyring is %v (%v)", info.Mode(), err)
		}
		files, err := filepath.Glob(filepath.Join(sh.dir, "drawbridge.db*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if raw, err := os.ReadFile(f); err != nil || strings.Contains(string(raw), "between-us") || strings.Contains(string(raw), "PRIVATE KEY") {
				t.Errorf("%s holds a secret in the clear (%v)", f, err)
			}
		}
		sh.run("drawbridge reseal --keep").exits(0).says("under a new key", "still in the keyring")
		sh.run("drawbridge reseal").exits(0).says("forgotten")
		sh.run("drawbridge apply -f estate.yaml").exits(0).says("nothing to change") // which compares the secret that it opens

		changed, err := os.ReadFile(keys)
		if err != nil || string(changed) == string(old) {
			t.Fatalf("the keyring is what it was (%v)", err)
		}
		if err := os.WriteFile(keys, old, 0o600); err != nil {
			t.Fatal(err)
		}
		sh.run("drawbridge serve").exits(3).complains("keyring does not belong to this database") // not at the first sign-in
		if err := os.WriteFile(keys, changed, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(keys, 0o644); err != nil {
			t.Fatal(err)
		}
		sh.run("drawbridge org show acme").exits(1).complains("chmod 600")
		if err := os.Chmod(keys, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(keys, keys+".away"); err != nil {
			t.Fatal(err)
		}
		sh.run("drawbridge org show acme").exits(1).complains("There is no keyring")
	})
}

// The configuration explains itself, and a mistake in it names its line.
func TestTheConfigurationExplainsItself(t *testing.T) {
	sh := newShell(t)
	printed := sh.run("drawbridge config --default").exits(0).says("public_url:", "DRAWBRIDGE_PUBLIC_URL", "flow_age: 15m", "idle: 8h", "allow: []")
	for _, line := range strings.Split(printed.out, "\n") {
		if name, _, found := strings.Cut(strings.TrimSpace(line), ":"); found && regexp.MustCompile(`^[a-z_]+$`).MatchString(name) && !strings.Contains(printed.out, "# ") {
			t.Errorf("%s stands without its manual", name)
		}
	}
	// What is printed can be read again, and says the same.
	sh.write("all.yaml", printed.out)
	if again := sh.run("drawbridge config --config all.yaml").exits(0); again.out != printed.out {
		t.Errorf("read again it says\n%s", again.out)
	}
	sh.write("wrong.yaml", "public_url: https://login.acme.example\nlisten: 127.0.0.1:8080\nsesions: {idle: 8h}\n")
	sh.run("drawbridge config --config wrong.yaml").exits(1).complains("sesions", "3")
	sh.write("wrong.yaml", "public_url: http://login.acme.example\nsign_in: {rate: -1}\negress: {allow: [\"not a host\"]}\n")
	sh.run("drawbridge serve --config wrong.yaml").exits(1).complains("public_url", "egress.allow")
	sh.env = append(sh.env, "DRAWBRIDGE_SESSIONS_IDLE=soon")
	sh.run("drawbridge config").exits(1).complains("DRAWBRIDGE_SESSIONS_IDLE", "soon")
}

// Exit codes: 0 done, 1 refused, 2 usage, 3 network or store.
func TestCommandsSayHowTheyEnded(t *testing.T) {
	typed(t, func(t *testing.T, sh *shell) {
		sh.run("drawbridge version").exits(0).says("drawbridge ", "go1.")
		sh.run("drawbridge --help").exits(0).says("login-test", "apply", "reseal")
		sh.run("drawbridge nonsense").exits(2)
		sh.run("drawbridge apply").exits(2).complains("file")
		sh.run("drawbridge login-test acme --browser none").exits(2).complains("org/name")
		sh.run("drawbridge init .").exits(1).complains("exists already")
		sh.run("drawbridge health").exits(3).complains("does not answer")
		link := firstOwnersLink(t, sh.run("drawbridge first-owner").exits(0))
		if again := firstOwnersLink(t, sh.run("drawbridge first-owner").exits(0)); again == link {
			t.Error("two links are the same")
		}
		d := sh.serve()
		sh.run("drawbridge health").exits(0)
		sh.run("drawbridge serve").exits(3).complains("Nothing can listen")
		if code := d.stop(); code != 0 {
			t.Errorf("SIGTERM ends the daemon with %d:\n%s", code, d.log.String())
		}
		sh.env = append(sh.env, "DRAWBRIDGE_DATABASE=postgres://nobody@127.0.0.1:1/nothing?connect_timeout=2")
		sh.run("drawbridge org show acme").exits(3)
	})
}

// REQ K-23: what was live comes back by a command.
func TestACommandBringsTheOldSettingsBack(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		sh := shellFor(w)
		draft(w, "acme", acme.Connection, func(s *account.SAMLSettings) { s.AllowIdPInitiated = true })
		sh.run("drawbridge connection promote acme/okta").exits(1).complains("login test")
		sh.run("drawbridge connection promote acme/okta --force").exits(0).says("revision 2")
		if line := w.Audit("acme", "connection.promoted"); line.Detail["forced"] != true {
			w.Errorf("the audit log says %+v", line)
		}
		sh.run("drawbridge connection restore acme/okta --revision 1").exits(0).says("revision 1 is live again")
		if w.Connection("acme", "okta").Live.SAML.AllowIdPInitiated {
			w.Error("the old settings did not come back")
		}
		acme.As("ana@acme.example") // the daemon goes by them at once

		key := regexp.MustCompile(`--activate[ =](\S+)`)
		added := sh.run("drawbridge connection rotate-key acme/okta").exits(0)
		id := key.FindStringSubmatch(added.out)
		if id == nil {
			w.Fatalf("no key is named:\n%s", added.out)
		}
		if metadata := ask(w, nil, "GET", "/saml/"+string(acme.Connection.ID)+"/metadata", nil).is(200); strings.Count(metadata.body, "X509Certificate>") < 2*2*2 {
			w.Errorf("the metadata does not name both keys for both uses:\n%s", metadata.body)
		}
		keys, err := w.House.Ledger.SPKeys(w.Context(), acme.Connection.ID)
		if err != nil || len(keys) != 2 {
			w.Fatalf("%d keys (%v)", len(keys), err)
		}
		sh.run("drawbridge connection rotate-key acme/okta --activate=" + id[1]).exits(0)
		sh.run("drawbridge connection rotate-key acme/okta --drop=" + keys[0].ID).exits(0)
		if keys, err := w.House.Ledger.SPKeys(w.Context(), acme.Connection.ID); err != nil || len(keys) != 1 || keys[0].ID != id[1] {
			w.Errorf("keys are %v (%v)", keys, err)
		}
		acme.As("ana@acme.example")
	})
}
