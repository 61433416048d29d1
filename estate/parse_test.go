package estate

import (
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/drawbridge-id/drawbridge/account"
)

func noFile(name string) ([]byte, error) { return nil, errors.New("no file " + name) }
func noEnv(string) string                { return "" }

const start = `accounts:
  - name: acme
    services: [registry]
    owners: [olga@acme.example]
`

// Every problem comes with its line and says what would be right.
func TestAProblemComesWithItsLine(t *testing.T) {
	for _, c := range []struct {
		name string
		text string
		line int
		want string
	}{
		{"unknown field", start + "    colour: red\n", 5, `no field "colour"`},
		{"unknown field far down", start + "    connections:\n      - name: a\n        saml:\n          entityid: x\n", 8, `no field "entityid" here. Known are: allow_cbc`},
		{"a list is expected", start + "    rules: many\n", 5, "Expected a list here, found a text"},
		{"a duration is expected", start + "    connections:\n      - name: a\n        max_session: [1]\n", 7, "duration"},
		{"the same field twice", start + "    title: a\n    title: b\n", 6, "title"},
		{"broken YAML", start + "    title: [a\n", 5, "not the YAML"},
		{"two documents", "accounts: []\n---\naccounts: []\n", 1, "expected one"},
		{"account name with a space", "accounts:\n  - name: acme inc\n    org: acme\n    owners: [o@acme.example]\n", 2, `Use "acme-inc"`},
		{"no owner", "accounts:\n  - name: acme\n", 2, "needs an owner"},
		{"owners of two domains", start + "  - name: two\n    owners:\n      - a@a.example\n      - b@b.example\n", 8, "one e-mail domain"},
		{"too many owners", "accounts:\n  - name: acme\n    owners: [a@a.example, b@a.example, c@a.example, d@a.example]\n", 3, "at most 3 owners"},
		{"two owners of an individual org", "accounts:\n  - name: acme\n    type: individual\n    owners: [a@a.example, b@a.example]\n", 4, "at most 1"},
		{"an address that is none", start + "    people:\n      - email: amy\n", 6, "one e-mail address"},
		{"a service nobody knows", "accounts:\n  - name: acme\n    owners: [a@a.example]\n    services: [catalog, magic]\n", 4, `no service "magic"`},
		{"a role of a service that is off", start + "    people:\n      - email: amy@acme.example\n        roles: [functions:user]\n", 7, "functions is not enabled"},
		{"a role nobody knows", start + "    people:\n      - email: amy@acme.example\n        roles: [registry:boss]\n", 7, `no role "registry:boss"`},
		{"a team nobody made", start + "    people:\n      - email: amy@acme.example\n        teams: {x: [user_admin]}\n", 7, `no team "x"`},
		{"a public mail domain", start + "    domains:\n      - name: gmail.com\n", 6, "public mail"},
		{"one domain in two accounts", start + "    domains: [{name: a.example}]\n  - name: b\n    owners: [x@a.example]\n    domains: [{name: A.example}]\n", 8, "already, on line 5"},
		{"cut over without proof", start + "    domains:\n      - name: a.example\n        cut_over: true\n", 7, "once the domain is proved"},
		{"a connection nobody made", start + "    domains:\n      - name: a.example\n        connection: okta\n", 7, `no connection "okta"`},
		{"neither protocol", start + "    connections:\n      - name: okta\n", 6, "either a saml or an oidc"},
		{"no secret", start + "    connections:\n      - name: okta\n        oidc: {issuer: 'https://a.example', client_id: c}\n", 7, "client secret is missing"},
		{"an unset variable", start + "    connections:\n      - name: okta\n        oidc: {issuer: 'https://a.example', client_id: c, client_secret: 'env:NOPE'}\n", 7, "variable NOPE is not set"},
		{"a file that is not there", start + "    connections:\n      - name: okta\n        saml:\n          metadata: file:nope.xml\n", 8, `"nope.xml" cannot be read`},
		{"metadata that is a word", start + "    connections:\n      - name: okta\n        saml:\n          metadata: okta\n", 8, "the XML itself"},
		{"plain http", start + "    connections:\n      - name: okta\n        oidc:\n          issuer: http://a.example\n          client_id: c\n          client_secret: s\n", 8, "https"},
		{"a rule without a name", start + "    connections: [{name: o, oidc: {issuer: 'https://a.example', client_id: c, client_secret: s}}]\n    rules:\n      - groups: [a]\n        org: [registry:reader]\n", 7, "needs a name"},
		{"a rule that makes owners", start + "    connections: [{name: o, oidc: {issuer: 'https://a.example', client_id: c, client_secret: s}}]\n    rules:\n      - name: r\n        groups: [a]\n        account_role: owner\n", 9, "owner"},
		{"a rule without connections", start + "    rules:\n      - {name: r, groups: [a]}\n", 6, "0 connections"},
		{"rules in an individual org", "accounts:\n  - name: a\n    type: individual\n    owners: [x@a.example]\n    connections: [{name: o, oidc: {issuer: 'https://a.example', client_id: c, client_secret: s}}]\n    rules: [{name: r, groups: [a]}]\n", 6, "individual org"},
		{"a limit of nothing", "catalogue:\n  limits:\n    owners_per_org: -1\n", 3, "positive number"},
		{"a service id with capitals", "catalogue:\n  services:\n    - {id: Big, label: Big}\n", 3, "lower-case"},
		{"aliases within aliases", "accounts:\n  - &a {name: x}\n  - &b [*a, *a]\n", 3, "anchor"},
		{"brackets without end", strings.Repeat("[", 100_000), 1, "nested"},
		{"dashes without end", strings.Repeat("- ", 100_000), 1, "nested"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse([]byte(c.text), noFile, noEnv)
			problems := Problems(err)
			if len(problems) == 0 {
				t.Fatalf("accepted, or not a Problem: %v", err)
			}
			for _, p := range problems {
				if strings.Contains(p.Error(), c.want) {
					if p.Line != c.line {
						t.Errorf("%v; want line %d", p, c.line)
					}
					return
				}
			}
			t.Errorf("%v; want %q", err, c.want)
		})
	}
}

// All problems are told at once, in the order of lines.
func TestAllProblemsAreToldAtOnce(t *testing.T) {
	_, err := Parse([]byte(start+`    type: huge
    domains: [{name: gmail.com}]
    teams: [{name: Research}]
`), noFile, noEnv)
	var lines []int
	for _, p := range Problems(err) {
		lines = append(lines, p.Line)
	}
	if !reflect.DeepEqual(lines, []int{5, 6, 7}) {
		t.Errorf("problems on lines %v: %v", lines, err)
	}
}

// A secret in the file must not come back in an error.
func TestProblemsDoNotRepeatSecrets(t *testing.T) {
	text := start + `    connections:
      - name: o
        sp_keys: [{certificate: hunter2hunter2, private_key: hunter2hunter2}]
        oidc: {issuer: "ftp://x", client_id: "", client_secret: hunter2hunter2, okta_groups: {token: hunter2hunter2}}
`
	_, err := Parse([]byte(text), noFile, noEnv)
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Error(err)
	}
}

func TestAnEmptyEstateAsksForNothing(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "accounts: []\n"} {
		e, err := Parse([]byte(text), noFile, noEnv)
		if err != nil || len(e.Accounts) != 0 || e.Catalogue != nil {
			t.Errorf("%q: %+v, %v", text, e, err)
		}
	}
}

// REQ L-13 T-10
func TestARuleOfTheFileIsADefinitionWithIDs(t *testing.T) {
	r := Rule{Name: "r", Groups: []string{"b", "a"}, Org: []account.Role{"registry:reader"},
		Teams: map[string][]account.Role{"x": {"user_admin"}}}
	d := r.Definition("con_1", func(name string) account.TeamID { return account.TeamID("team_" + name) })
	if d.Connection != "con_1" || d.AccountRole != account.Member || len(d.Targets) != 2 || d.Targets[0].Team != "" || d.Targets[1].Team != "team_x" {
		t.Errorf("%+v", d)
	}
}

// docs/estate.md names every field that the file can have, and no struct has a field it does not name.
func TestTheManualNamesEveryField(t *testing.T) {
	manual, err := os.ReadFile("../docs/estate.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[reflect.Type]bool{}
	var walk func(reflect.Type)
	walk = func(typ reflect.Type) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice || typ.Kind() == reflect.Map {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || seen[typ] {
			return
		}
		seen[typ] = true
		for name, of := range fields(typ) {
			if !strings.Contains(string(manual), "`"+name+"`") {
				t.Errorf("docs/estate.md does not name %s of %s", name, typ.Name())
			}
			walk(of)
		}
	}
	walk(reflect.TypeFor[file]())
}

// Whatever the bytes, there is an estate or a list of problems, and never both.
func FuzzParse(f *testing.F) {
	f.Add([]byte(start))
	entries, err := os.ReadDir("../docs/examples")
	if err != nil {
		f.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".yaml") {
			data, err := os.ReadFile("../docs/examples/" + e.Name())
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := Parse(data, noFile, noEnv)
		if err != nil && (len(e.Accounts) > 0 || err.Error() == "") {
			t.Errorf("both an estate and %v", err)
		}
		for _, a := range e.Accounts {
			if account.CheckAccountName(a.Name) != nil || len(a.Owners) == 0 {
				t.Errorf("accepted %+v", a)
			}
		}
		if cat, err := ParseCatalogue(data); err == nil && cat.Limits.OwnersPerOrg < 1 {
			t.Errorf("accepted %+v", cat.Limits)
		}
	})
}
