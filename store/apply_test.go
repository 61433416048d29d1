package store

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/estate"
	"github.com/drawbridge-id/drawbridge/keys"
	"github.com/drawbridge-id/drawbridge/rules"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

const globexFile = `
accounts:
  - name: globex
    title: Globex Corporation
    services: [registry]
    owners: [olaf@globex.example, odd@globex.example]
    teams: [{name: research, description: Models}]
    people:
      - {email: hana@globex.example, name: Hana, account_role: admin, roles: [registry:reader], teams: {research: [user_admin]}}
    domains:
      - {name: globex.example, connection: entra, proved: true, cut_over: true}
      - {name: globex.test.example, connection: entra}
    connections:
      - name: entra
        oidc: {issuer: "https://id.globex.example", client_id: drawbridge, client_secret: between-us}
      - name: next
        state: draft
        oidc: {issuer: "https://next.globex.example", client_id: drawbridge, client_secret: between-us}
    groups:
      - {connection: entra, value: g-1, alias: Engineering}
    rules:
      - {name: Engineers, connection: entra, groups: [g-1], org: [registry:writer], teams: {research: [registry:reader]}, state: active}
      - {name: Later, connection: entra, groups: [g-2], org: [registry:admin]}
`

func (h *house) file(text string) estate.Estate {
	h.Helper()
	e, err := estate.ParseWith(h.Catalogue(), []byte(text), func(name string) ([]byte, error) { return nil, errors.New("no file " + name) }, os.Getenv)
	h.ok(err)
	return e
}

func (h *house) applied(text string) Diff {
	h.Helper()
	d, _, err := h.Apply(h.ctx(), theOperator, h.file(text), ApplyOptions{})
	h.ok(err)
	return d
}

func (d Diff) has(verb string) bool {
	for _, c := range d.Changes {
		if c.Verb == verb {
			return true
		}
	}
	return false
}

// REQ D-01 D-03 D-04 K-08 K-21 L-07 L-10
func TestAnEstateFileSetsUpAnAccountAndApplyingItAgainChangesNothing(t *testing.T) {
	each(t, func(h *house) {
		dry, _, err := h.Apply(h.ctx(), theOperator, h.file(globexFile), ApplyOptions{DryRun: true})
		h.ok(err)
		if _, _, err := h.OrgByName(h.ctx(), theOperator, "globex"); account.KindOf(err) != account.NotFound {
			h.Fatalf("a dry run made the account: %v", err)
		}
		d := h.applied(globexFile)
		if len(dry.Changes) != len(d.Changes) || len(d.Changes) < 15 {
			h.Errorf("the dry run told of %d changes, there were %d", len(dry.Changes), len(d.Changes))
		}
		for i := range d.Changes {
			if d.Changes[i].Verb != dry.Changes[i].Verb || d.Changes[i].Account != "globex" {
				h.Errorf("change %d: %s; dry run %s", i, d.Changes[i], dry.Changes[i])
			}
		}
		h.checkGlobex(d)

		if again := h.applied(globexFile); !again.Empty() {
			h.Errorf("applied again: %v", again.Changes)
		}
		l := h.reopen()
		if again, _, err := l.Apply(h.ctx(), theOperator, h.file(globexFile), ApplyOptions{}); err != nil || !again.Empty() {
			h.Errorf("applied again after a restart: %v, %v", again.Changes, err)
		}
	})
}

func (h *house) checkGlobex(d Diff) {
	h.Helper()
	a, org, err := h.OrgByName(h.ctx(), theOperator, "globex")
	h.ok(err)
	if org.Title != "Globex Corporation" || org.Services[0] != "registry" {
		h.Errorf("%+v", org)
	}
	whole := account.Scope{Org: org.ID}
	for email, role := range map[string]account.Role{"olaf@globex.example": account.Owner, "odd@globex.example": account.Admin, "hana@globex.example": account.Admin} {
		p, err := h.PersonByEmail(h.ctx(), theOperator, a.ID, email)
		h.ok(err)
		if p.Tenancy.Role != role || account.HasRole(p.Roles, whole, account.Owner) != strings.HasPrefix(email, "o") {
			h.Errorf("%s is %s: %v", email, p.Tenancy.Role, p.Roles)
		}
	}
	conns := d.Accounts[0].Connections
	if len(conns) != 2 || conns[0].Live == nil || conns[0].Draft != nil || conns[1].Live != nil || conns[1].Draft == nil {
		h.Fatalf("%+v", conns)
	}
	full, err := h.Connection(h.ctx(), conns[0].ID)
	h.ok(err)
	if full.Live.OIDC.ClientSecret.Reveal() != "between-us" {
		h.Error("the client secret is not the file's")
	}
	domains := d.Accounts[0].Domains
	if !domains[0].Counts() || !domains[0].CutOver || domains[0].Connection != conns[0].ID || domains[1].State != account.DomainPending || domains[1].Token == "" {
		h.Errorf("%+v", domains)
	}
	all, err := h.Rules(h.ctx(), theOperator, a.ID)
	h.ok(err)
	slices.SortFunc(all, func(a, b rules.Rule) int { return strings.Compare(ruleName(a), ruleName(b)) })
	if len(all) != 2 || all[0].State() != rules.Active || all[1].State() != rules.Draft || len(all[0].Active.Targets) != 2 {
		h.Errorf("%+v", all)
	}
	h.auditHas(a.ID, "connection.promoted", "done")
}

// What the file does not mention stays; what it says of rules and groups is all there is.
func TestAChangedFileChangesWhatItMentions(t *testing.T) {
	each(t, func(h *house) {
		h.applied(globexFile)
		a, org, err := h.OrgByName(h.ctx(), theOperator, "globex")
		h.ok(err)
		u, err := h.AddPerson(h.ctx(), theOperator, a.ID, "gus@globex.example", "", account.Member)
		h.ok(err)
		h.ok(h.Grant(h.ctx(), theOperator, a.ID, u.ID, account.Scope{Org: org.ID}, "registry:reader"))

		changed := strings.NewReplacer("value: g-1", "value: g-9", "client_secret: between-us}\n      - name: next", "client_secret: rotated}\n      - name: next",
			"      - {name: Later, connection: entra, groups: [g-2], org: [registry:admin]}\n", "",
			"title: Globex Corporation", "title: Globex").Replace(globexFile)
		d := h.applied(changed)
		for _, verb := range []string{"org.titled", "connection.promoted", "group.added", "group.removed", "rule.deleted"} {
			if !d.has(verb) {
				h.Errorf("no %s among %v", verb, d.Changes)
			}
		}
		if strings.Contains(strings.Join(lines(d), "\n"), "rotated") {
			h.Error("a secret is in the diff")
		}
		p, err := h.PersonByEmail(h.ctx(), theOperator, a.ID, "gus@globex.example")
		h.ok(err)
		if !account.HasRole(p.Roles, account.Scope{Org: org.ID}, "registry:reader") {
			h.Error("a role that the file does not mention is gone")
		}
		all, err := h.Rules(h.ctx(), theOperator, a.ID)
		h.ok(err)
		if len(all) != 1 || all[0].State() != rules.Active {
			h.Errorf("%+v", all)
		}
	})
}

func lines(d Diff) (out []string) {
	for _, c := range d.Changes {
		out = append(out, c.String())
	}
	return out
}

// A file that cannot be applied as a whole is not applied at all.
func TestAnEstateIsAppliedAsAWholeOrNotAtAll(t *testing.T) {
	each(t, func(h *house) {
		h.proves(h.acme.ID, "globex.example") // somebody else holds it: found out only in the middle
		_, _, err := h.Apply(h.ctx(), theOperator, h.file(globexFile), ApplyOptions{})
		h.refuses(err, account.Conflict, "domain_held")
		if _, _, err := h.OrgByName(h.ctx(), theOperator, "globex"); account.KindOf(err) != account.NotFound {
			h.Errorf("half of the file was applied: %v", err)
		}
		if _, found, err := h.userByEmail("olaf@globex.example"); found || err != nil {
			h.Errorf("a person of a file that was refused: %v", err)
		}
		_, _, err = h.Apply(h.ctx(), asUser(h.owner("olga@acme.example")), h.file(globexFile), ApplyOptions{})
		h.refuses(err, account.Forbidden, "")
	})
}

func (h *house) userByEmail(email string) (u account.User, found bool, err error) {
	err = h.db.Read(h.ctx(), func(tx *table.Tx) error { u, found, err = tx.UserByEmail(email); return err })
	return u, found, err
}

// REQ L-16 L-20
func TestAFileDoesNotTakeRolesFromManyWithoutAConfirmation(t *testing.T) {
	each(t, func(h *house) {
		d := h.applied(globexFile)
		c := d.Accounts[0].Connections[0]
		h.signedIn(h.login(c, "gus", "gus@globex.example", "g-1"))
		typo := strings.Replace(globexFile, "groups: [g-1]", "groups: [g-l]", 1)
		_, _, err := h.Apply(h.ctx(), theOperator, h.file(typo), ApplyOptions{})
		h.refuses(err, account.Conflict, "loss_needs_confirmation")
		dry, _, err := h.Apply(h.ctx(), theOperator, h.file(typo), ApplyOptions{DryRun: true, Confirmed: true})
		h.ok(err)
		if dry.Plans["globex"].Counts.Lost != 1 {
			h.Errorf("plan %+v", dry.Plans["globex"].Counts)
		}
		// What a dry run compiled must not be what sign-ins go by.
		if e := h.signedIn(h.login(c, "gus", "gus@globex.example", "g-1")); len(e.Decision.Grants) == 0 {
			h.Error("a dry run changed the rules")
		}
		_, _, err = h.Apply(h.ctx(), theOperator, h.file(typo), ApplyOptions{Confirmed: true})
		h.ok(err)
		if e := h.signedIn(h.login(c, "gus", "gus@globex.example", "g-1")); len(e.Decision.Grants) != 0 {
			h.Errorf("the new rules do not apply: %v", e.Decision.Grants)
		}
	})
}

// A catalogue that a file brings is the installation's from then on.
func TestAFileBringsACatalogue(t *testing.T) {
	each(t, func(h *house) {
		text := "catalogue:\n  services:\n    - {id: forge, label: Forge, roles: [{id: smith, label: Smith}]}\n"
		dry, _, err := h.Apply(h.ctx(), theOperator, h.file(text), ApplyOptions{DryRun: true})
		h.ok(err)
		if _, ok := h.Catalogue().Service("forge"); ok || !dry.has("catalogue.changed") {
			h.Error("a dry run changed the catalogue")
		}
		other := h.reopen()
		h.applied(text)
		if _, ok := h.Catalogue().Service("forge"); !ok {
			h.Error("the catalogue is not the file's")
		}
		h.ok(other.loadCatalogue(h.ctx()))
		for _, l := range []*Ledger{other, h.reopen()} {
			if s, _ := l.Catalogue().Service("forge"); s.Label != "Forge" || l.Catalogue().Limits.RulesLossShare != catalogue.Limits.RulesLossShare {
				h.Errorf("another replica has %+v", l.Catalogue())
			}
		}
		if again := h.applied(text); !again.Empty() {
			h.Errorf("applied again: %v", again.Changes)
		}
	})
}

// Each example of the manual can be applied as it stands.
func TestEveryExampleOfTheManualApplies(t *testing.T) {
	files, err := filepath.Glob("../docs/examples/*.yaml")
	if err != nil || len(files) < 11 {
		t.Fatal(files, err)
	}
	key, err := sharedKey()
	if err != nil {
		t.Fatal(err)
	}
	token, credential := keys.Mint(keys.Directory, rand.Reader), keys.Mint(keys.Push, rand.Reader)
	environment := func(name string) string {
		switch {
		case strings.HasSuffix(name, "_SCIM_TOKEN"):
			return token
		case strings.HasSuffix(name, "_EVENTS_CREDENTIAL"):
			return credential
		}
		return "value of " + name
	}
	read := func(name string) ([]byte, error) {
		switch name {
		case "sp-certificate.pem":
			return []byte(key.Certificate), nil
		case "sp-private-key.pem":
			return []byte(key.Private.Reveal()), nil
		case "entra-client-secret.txt":
			return []byte("s3cret"), nil
		case "entra-scim-token.txt":
			return []byte(token), nil
		}
		return os.ReadFile("../docs/examples/" + name)
	}
	metadata := func([]byte) (account.SAMLSettings, error) { return *samlSettings().SAML, nil }
	fetch := func(string) ([]byte, error) { return []byte("<EntityDescriptor/>"), nil }
	for _, file := range files {
		if filepath.Base(file) == "ngc.yaml" {
			continue
		}
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			h := &house{TB: t, clock: newClock(), url: "sqlite:" + t.TempDir() + "/house.db"}
			k, err := sharedKeyring()
			h.ok(err)
			h.Ledger, err = Open(h.ctx(), Options{URL: h.url, Keyring: k, Catalogue: estate.DefaultCatalogue(), Now: h.clock.now})
			h.ok(err)
			defer h.Close()
			data, err := os.ReadFile(file)
			h.ok(err)
			apply := func() Diff {
				e, err := estate.Parse(data, read, environment)
				h.ok(err)
				h.ok(e.Resolve(fetch, metadata))
				d, _, err := h.Apply(h.ctx(), theOperator, e, ApplyOptions{})
				h.ok(err)
				return d
			}
			if d := apply(); d.Empty() || d.Accounts[0].Connections[0].ID == "" {
				t.Errorf("%+v", d)
			}
			if d := apply(); !d.Empty() {
				t.Errorf("applied again: %v", d.Changes)
			}
		})
	}
}
