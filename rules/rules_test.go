package rules

import (
	"errors"
	"strings"
	"testing"

	"github.com/drawbridge-id/drawbridge/account"
)

var (
	catalogue = account.Catalogue{Services: []account.Service{
		{ID: "registry", Label: "Registry", Roles: []account.ServiceRole{{ID: "reader"}, {ID: "writer"}, {ID: "admin", Admin: true}}},
		{ID: "functions", Label: "Functions", Roles: []account.ServiceRole{{ID: "user"}}},
	}}
	acme  = account.Org{ID: "org_acme", Name: "acme", Type: account.Enterprise, Services: []string{"registry"}}
	teams = map[account.TeamID]account.Team{"team_x": {ID: "team_x", Org: "org_acme", Name: "x"}, "team_y": {ID: "team_y", Org: "org_globex"}}
)

func writers() Definition {
	return Definition{Name: "Writers", Connection: "con_a", Groups: []string{"eng"},
		Targets: []Target{{Roles: []account.Role{"registry:writer"}}}}
}

// REQ L-05 L-08 L-09 B-05 B-09
func TestADefinitionThatCannotBeSavedSaysWhyAndWhere(t *testing.T) {
	for _, c := range []struct {
		name, want, pointer string
		kind                account.ErrorKind
		org                 account.Org
		change              func(*Definition)
	}{
		{"without a name", "needs a name", "/name", account.Invalid, acme, func(d *Definition) { d.Name = " " }},
		{"without a connection", "one connection", "/connection", account.Invalid, acme, func(d *Definition) { d.Connection = "" }},
		{"without a group", "at least one group", "/groups", account.Invalid, acme, func(d *Definition) { d.Groups = nil }},
		{"with an empty group", "1 to 1,024", "/groups", account.Invalid, acme, func(d *Definition) { d.Groups = []string{""} }},
		{"making account owners", "owner", "/account_role", account.Invalid, acme, func(d *Definition) { d.AccountRole = account.Owner }},
		{"with an org role as account role", "no account role", "/account_role", account.Invalid, acme, func(d *Definition) { d.AccountRole = "user_admin" }},
		{"making org owners", "owner", "/targets", account.Invalid, acme, func(d *Definition) { d.Targets[0].Roles = []account.Role{account.Owner} }},
		{"with a role nobody knows", `"registry:boss"`, "/targets", account.Invalid, acme, func(d *Definition) { d.Targets[0].Roles = []account.Role{"registry:boss"} }},
		{"with a service that is off", "Functions (functions) is not enabled on acme", "/targets", account.Conflict, acme, func(d *Definition) { d.Targets[0].Roles = []account.Role{"functions:user"} }},
		{"with a target that gives nothing", "gives nothing", "/targets", account.Invalid, acme, func(d *Definition) { d.Targets[0].Roles = nil }},
		{"with a team of somebody else", "no such team", "/targets", account.NotFound, acme, func(d *Definition) { d.Targets[0].Team = "team_y" }},
		{"in an individual org", "individual org", "", account.Conflict, account.Org{ID: "org_acme", Name: "acme", Type: account.Individual, Services: acme.Services}, func(*Definition) {}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := writers()
			c.change(&d)
			err := d.Check(catalogue, c.org, teams)
			var e *account.Error
			if !errors.As(err, &e) {
				t.Fatalf("accepted: %v", err)
			}
			if e.Kind != c.kind || e.Pointer != c.pointer || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %s at %q: %v; want %s at %q with %q", e.Kind, e.Pointer, err, c.kind, c.pointer, c.want)
			}
		})
	}
	good := writers()
	good.AccountRole = account.Admin
	good.Targets = append(good.Targets, Target{Team: "team_x", Roles: []account.Role{account.UserAdmin, "registry:admin"}})
	if err := good.Check(catalogue, acme, teams); err != nil {
		t.Errorf("a good definition is refused: %v", err)
	}
}

// REQ L-10 L-11
func TestARuleSaysWhatWaitsForActivation(t *testing.T) {
	a, b, same := writers(), writers(), writers()
	b.Groups = []string{"ops"}
	same.AccountRole, same.Groups = account.Member, []string{"eng", "eng"}
	for _, c := range []struct {
		rule Rule
		want State
	}{
		{Rule{Draft: &a}, Draft},
		{Rule{Draft: &a, Active: &same}, Active},
		{Rule{Draft: &a, Active: &b}, Changed},
		{Rule{Active: &a}, Removed},
	} {
		if got := c.rule.State(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	all := []Rule{{ID: "rul_1", Draft: &a}, {ID: "rul_2", Active: &b}}
	if draft, active := CompileDraft(all), CompileActive(all); !draft.has("rul_1") || draft.has("rul_2") || active.has("rul_1") || !active.has("rul_2") {
		t.Error("drafts and active rules are mixed up")
	}
}

func complete(values ...string) account.GroupSet {
	return account.GroupSet{State: account.GroupsComplete, Values: values}
}

// REQ L-04 L-13 T-10
func TestGroupsEarnTheUnionOfAllMatchingRulesEachNamed(t *testing.T) {
	second := Definition{Name: "Admins of x", Connection: "con_a", Groups: []string{"leads", "eng"}, AccountRole: account.Admin,
		Targets: []Target{{Team: "team_x", Roles: []account.Role{"registry:admin"}}, {Roles: []account.Role{"registry:writer"}}}}
	other := writers()
	other.Connection = "con_b"
	ix := Compile(map[account.RuleID]Definition{"rul_1": writers(), "rul_2": second, "rul_3": other})

	d := ix.Evaluate("con_a", complete("all-staff", "eng", "Leads", "eng"))
	want := []Grant{
		{Account: true, Role: account.Admin, Rule: "rul_2", Name: "Admins of x", Group: "eng"},
		{Account: true, Role: account.Member, Rule: "rul_1", Name: "Writers", Group: "eng"},
		{Role: "registry:writer", Rule: "rul_1", Name: "Writers", Group: "eng"},
		{Role: "registry:writer", Rule: "rul_2", Name: "Admins of x", Group: "eng"},
		{Team: "team_x", Role: "registry:admin", Rule: "rul_2", Name: "Admins of x", Group: "eng"},
	}
	if len(d.Grants) != len(want) {
		t.Fatalf("grants %+v", d.Grants)
	}
	for i := range want {
		if d.Grants[i] != want[i] {
			t.Errorf("grant %d is %+v, want %+v", i, d.Grants[i], want[i])
		}
	}
	if d.AccountRole != account.Admin || d.Authority != Full {
		t.Errorf("account role %q, authority %q", d.AccountRole, d.Authority)
	}
	if strings.Join(d.Unused, ",") != "all-staff,Leads" { // letter case counts
		t.Errorf("unused %q", d.Unused)
	}
}

// REQ T-05 L-21
func TestAMissingClaimMeansNoGroupsOnlyWhereTheClaimWasSeen(t *testing.T) {
	absent := account.GroupSet{State: account.GroupsUnknown, Absent: true}
	marker := account.GroupSet{State: account.GroupsUnknown, Why: "too many groups"}
	partial := account.GroupSet{State: account.GroupsIncomplete, Values: []string{"eng"}}
	for _, c := range []struct {
		name string
		in   account.GroupSet
		seen bool
		want account.GroupState
	}{
		{"absent, never seen", absent, false, account.GroupsUnknown},
		{"absent, seen before", absent, true, account.GroupsComplete},
		{"overage marker, seen before", marker, true, account.GroupsUnknown},
		{"incomplete", partial, true, account.GroupsIncomplete},
		{"empty claim, never seen", complete(), false, account.GroupsComplete},
	} {
		got := Settle(c.in, c.seen)
		if got.State != c.want {
			t.Errorf("%s: %s, want %s", c.name, got.State, c.want)
		}
		if c.want == account.GroupsComplete && len(got.Values) > 0 {
			t.Errorf("%s: has groups %q", c.name, got.Values)
		}
	}
}

// REQ L-06 T-10
func TestALookAlikeIsPointedOutInWords(t *testing.T) {
	const id = "0b5fbd2a-4f0e-4b1c-9d2e-3a6b1f3c9e11"
	for _, c := range []struct {
		wanted string
		seen   []string
		value  string
		why    string
	}{
		{"eng-admins", []string{"ops", "Eng-Admins"}, "Eng-Admins", "letter case differs"},
		{"Eng ", []string{"Eng"}, "Eng", "trailing space"},
		{"Eng", []string{"Eng "}, "Eng ", "provider sends a trailing space"},
		{"eng", []string{"/eng"}, "/eng", "leading slash"},
		{"/eng", []string{"eng"}, "eng", "leading slash"},
		{"eng", []string{"CN=eng,OU=Groups,DC=acme"}, "CN=eng,OU=Groups,DC=acme", "distinguished name"},
		{"eng", []string{`ACME\eng`}, `ACME\eng`, "domain in front"},
		{"eng", []string{"eng@acme.example"}, "eng@acme.example", "address"},
		{"caf\u00e9", []string{"cafe\u0301"}, "cafe\u0301", "Unicode form"},
		{"Eng Admins", []string{"eng  admins"}, "eng  admins", "white space or letter case"},
		{"engineering", []string{"enginering"}, "enginering", "one character"},
		{"eng", []string{id}, id, "object ids"},
		{id, []string{"eng"}, "eng", "names, not object ids"},
	} {
		value, why, ok := LookAlike(c.wanted, c.seen)
		if !ok || value != c.value || !strings.Contains(why, c.why) {
			t.Errorf("%q among %q: %q, %q, %v; want %q", c.wanted, c.seen, value, why, ok, c.why)
		}
	}
	for _, c := range []struct {
		wanted string
		seen   []string
	}{{"eng", []string{"eng", "Eng"}}, {"eng", nil}, {"eng", []string{"sales"}}, {"", []string{""}}} {
		if v, why, ok := LookAlike(c.wanted, c.seen); ok {
			t.Errorf("%q among %q: %q (%s)", c.wanted, c.seen, v, why)
		}
	}
}

// REQ K-13 L-04
func TestTheLoginTestHearsOfEveryRuleWhyItDidOrDidNotMatch(t *testing.T) {
	near, none, elsewhere := writers(), writers(), writers()
	near.Name, near.Groups = "Near", []string{"Ops"}
	none.Name, none.Groups = "None", []string{"board"}
	elsewhere.Connection = "con_b"
	ix := Compile(map[account.RuleID]Definition{"rul_1": writers(), "rul_2": near, "rul_3": none, "rul_4": elsewhere})
	got := ix.Explain("con_a", complete("all", "ops", "eng"))
	if len(got) != 3 {
		t.Fatalf("%d explanations", len(got))
	}
	if e := got[0]; !e.Matched || e.Group != "eng" || len(e.Grants) != 2 {
		t.Errorf("match: %+v", e)
	}
	if e := got[1]; e.Matched || e.Near != "ops" || e.Why != `needs "Ops", received "ops": letter case differs` {
		t.Errorf("look-alike: %+v", e)
	}
	if e := got[2]; e.Matched || !strings.Contains(e.Why, `needs "board", which is not among the 3 groups`) {
		t.Errorf("miss: %+v", e)
	}
	unknown := ix.Explain("con_a", account.GroupSet{State: account.GroupsUnknown, Values: []string{"eng"}, Why: "overage"})
	if unknown[0].Matched || !strings.Contains(unknown[0].Why, "unknown (overage)") {
		t.Errorf("unknown: %+v", unknown[0])
	}
}
