package console

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/rules"
	"github.com/drawbridge-id/drawbridge/web/page"
)

var (
	noon      = time.Date(2026, 3, 14, 9, 12, 0, 0, time.UTC)
	whole     = account.Scope{Org: "org_1"}
	inBuild   = account.Scope{Org: "org_1", Team: "team_1"}
	catalogue = account.Catalogue{Services: []account.Service{{ID: "registry", Label: "Registry", Roles: []account.ServiceRole{
		{ID: "admin", Label: "Admin", Help: "Everything in the registry."}, {ID: "writer", Label: "Writer"}}}}}
)

func ana() account.Presence {
	byRule := account.Source{Kind: account.SourceRule, Rule: "rul_1", Group: "eng-admins", Connection: "con_1", At: noon}
	byHand := account.Source{Kind: account.SourceManual, By: "user:usr_9", At: noon}
	return account.Presence{
		Session: account.Session{CreatedAt: noon, ExpiresAt: noon.Add(time.Hour), Connection: "con_1"},
		User:    account.User{ID: "usr_1", Email: "ana@acme.example", Name: "Ana Ruiz"},
		Account: account.Account{ID: "acc_1", Number: "117", Name: "acme"},
		Org:     account.Org{ID: "org_1", Name: "acme", Title: "Acme Robotics", Type: account.Enterprise},
		Tenancy: account.Tenancy{Role: account.Member, Sources: []account.Source{byRule}},
		Roles: []account.Held{
			{Role: account.Member, Sources: []account.Source{byRule}},
			{Scope: inBuild, Role: "registry:writer", Sources: []account.Source{byRule}},
			{Scope: whole, Role: "registry:admin", Sources: []account.Source{byRule, byHand}},
		},
		Teams: map[account.TeamID]account.Team{"team_1": {ID: "team_1", Name: "build"}},
		Rules: map[account.RuleID]string{"rul_1": "Engineering admins"}, Connection: account.Connection{ID: "con_1", Name: "Okta"},
		Tenancies: []account.Place{
			{Account: account.Account{ID: "acc_1", Name: "acme"}, Org: account.Org{Name: "acme"}, Role: account.Member},
			{Account: account.Account{ID: "acc_2", Name: "ruiz"}, Org: account.Org{Name: "ruiz"}, Role: account.Owner},
		},
		Groups: account.GroupSet{State: account.GroupsComplete, Values: []string{"eng-admins"}},
	}
}

func TestHomeSaysWhatIsHeldWhereAndWhy(t *testing.T) {
	h := home(ana(), catalogue, page.Who{})
	if len(h.Scopes) != 2 || h.Scopes[0].Team != "" || h.Scopes[1].Team != "build" {
		t.Fatalf("scopes %+v", h.Scopes)
	}
	admin := h.Scopes[0].Roles[0]
	if admin.Label != "Registry Admin" || admin.Help != "Everything in the registry." {
		t.Errorf("role %+v", admin)
	}
	want := []string{"rule “Engineering admins”, because Okta says eng-admins", "granted by hand on 14 Mar 2026"}
	if !slices.Equal(admin.Why, want) {
		t.Errorf("because %q, want %q", admin.Why, want)
	}
	if h.AccountRole != "Member" || h.Number != "117" || h.Connection != "Okta" || h.MayTest {
		t.Errorf("%+v", h)
	}
}

// REQ A-14: owned accounts carry the owner tag, others do not.
func TestOnlyOwnedAccountsGetTheOwnerTag(t *testing.T) {
	all := places(ana(), catalogue)
	if len(all) != 2 || all[0].Owner || !all[0].Current || !all[1].Owner || all[1].Current {
		t.Errorf("%+v", all)
	}
	if others := home(ana(), catalogue, page.Who{}).Places; len(others) != 1 || others[0].Name != "ruiz" {
		t.Errorf("other accounts %+v", others)
	}
}

// REQ L-14: a seat in the account alone is no access.
func TestASeatAloneIsNoAccess(t *testing.T) {
	p := ana()
	if !holdsRoles(p) {
		t.Error("Ana holds roles")
	}
	p.Roles = p.Roles[:1]
	if holdsRoles(p) {
		t.Error("membership in the account counts as a role")
	}
	p.Tenancy.Role = account.Admin
	if !holdsRoles(p) {
		t.Error("an account administrator can do something")
	}
}

func TestEverySourceHasItsWords(t *testing.T) {
	for want, s := range map[string]account.Source{
		"granted by the operator on 14 Mar 2026": {Kind: account.SourceManual, By: "operator", At: noon},
		"granted by hand":                        {Kind: account.SourceManual, By: "user:usr_1"},
		"came with an invitation on 14 Mar 2026": {Kind: account.SourceInvitation, At: noon},
		"pushed by Okta on 14 Mar 2026":          {Kind: account.SourceSCIM, At: noon},
		"through the external user group Alpha":  {Kind: account.SourceExternal, Group: "Alpha"},
		"rule “rul_7”, because Okta says x":      {Kind: account.SourceRule, Rule: "rul_7", Group: "x"},
	} {
		if got := because(s, "", "Okta"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func tested() (account.Diagnosis, names) {
	held := func(s account.Scope, r account.Role) account.Held {
		return account.Held{Scope: s, Role: r, Sources: []account.Source{{Kind: account.SourceRule, Rule: "rul_1", Group: "eng-admins"}}}
	}
	d := account.Diagnosis{
		ID: "dx_1", Account: "acc_1", Connection: "con_1", Which: account.Draft, Test: true, Outcome: account.OutcomePassed, At: noon,
		Email: "ana@acme.example", Name: "Ana Ruiz", Groups: account.GroupSet{State: account.GroupsComplete, Values: []string{"eng-admins", "g-17"}, Source: "id_token"},
		Checks: []account.Check{{Step: account.StepRules, Verdict: account.Pass}, {Step: account.StepRequest, Verdict: account.Pass}},
		Preview: &account.Preview{
			Existing:   true,
			Before:     []account.Held{held(whole, "registry:admin"), held(inBuild, "registry:admin")},
			Roles:      []account.Held{held(whole, "registry:admin"), held(whole, "registry:writer")},
			WithDrafts: []account.Held{held(whole, "registry:admin"), held(whole, "registry:writer"), held(inBuild, "registry:writer")},
			Rules: []account.RuleResult{
				{Rule: "rul_1", Name: "Engineering admins", State: "active", Matched: true, Reason: "received eng-admins", Gives: []account.Held{held(whole, "registry:admin")}},
				{Rule: "rul_2", Name: "Viewers", State: "draft", Reason: "needs Viewers"},
			},
		},
		Relying: []account.RelyingResult{{ID: "console", Label: "Console", Pass: true}},
	}
	n := names{
		connection: account.Connection{ID: "con_1", Name: "Okta", Draft: &account.Settings{Protocol: account.OIDC, Kind: account.KindOkta}},
		org:        account.Org{Name: "acme"}, teams: map[account.TeamID]string{"team_1": "build"},
		aliases: map[string]string{"g-17": "Build team"}, usedBy: map[string][]string{"eng-admins": {"Engineering admins"}},
	}
	return d, n
}

// REQ K-12
func TestTheResultSaysWhatWouldChange(t *testing.T) {
	v := shown()
	if v.Sentence != "Ana Ruiz would sign in and hold 2 roles." || v.Outcome != account.Pass {
		t.Errorf("%q, %s", v.Sentence, v.Outcome)
	}
	var got []string
	for _, r := range v.Roles {
		got = append(got, r.Label+" in "+r.Scope+": "+r.Change)
	}
	want := []string{"Registry Admin in acme: kept", "Registry Writer in acme: new", "Registry Writer in acme / build: once the draft rules are active",
		"Registry Admin in acme / build: lost"}
	if !slices.Equal(got, want) {
		t.Errorf("roles\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if v.Roles[0].Why[0] != "rule “Engineering admins”, because Okta says eng-admins" {
		t.Errorf("because %q", v.Roles[0].Why)
	}
	if len(v.Rules) != 2 || !v.Rules[0].Active || v.Rules[1].Active || v.Rules[0].Gives[0] != "Registry Admin in acme" {
		t.Errorf("rules %+v", v.Rules)
	}
	if v.Checks[0].Title != "Request sent" {
		t.Errorf("checks begin with %q", v.Checks[0].Title)
	}
}

// shown is the result page of the test as it is.
func shown() page.LoginTestResult {
	d, n := tested()
	return result(d, n, catalogue)
}

// REQ K-13 T-10: the values stand there as the provider spells them, with what people call them.
func TestGroupsShowTheirValueTheirNameAndTheRulesThatAskForThem(t *testing.T) {
	g := shown().Groups
	if g.Source != "the ID token" {
		t.Errorf("from %q", g.Source)
	}
	if g.Values[0].Value != "eng-admins" || !slices.Equal(g.Values[0].UsedBy, []string{"Engineering admins"}) || g.Values[1].Alias != "Build team" || g.Values[1].UsedBy != nil {
		t.Errorf("%+v", g)
	}
	used := usedBy([]rules.Rule{
		{Active: &rules.Definition{Name: "A", Connection: "con_1", Groups: []string{"x"}}, Draft: &rules.Definition{Name: "A", Connection: "con_1", Groups: []string{"x", "y"}}},
		{Draft: &rules.Definition{Name: "B", Connection: "con_2", Groups: []string{"x"}}},
	}, "con_1")
	if !slices.Equal(used["x"], []string{"A"}) || !slices.Equal(used["y"], []string{"A"}) {
		t.Errorf("used by %v", used)
	}
}

// REQ K-14 T-20: one service that is not served keeps the draft from going live, and is named.
func TestADraftGoesLiveOnlyWhenEveryServiceIsServed(t *testing.T) {
	d, n := tested()
	if v := result(d, n, catalogue); v.Confirm == nil || !v.Confirm.Allowed {
		t.Errorf("confirm %+v", v.Confirm)
	}
	d.Outcome, d.Step = account.OutcomeRefused, account.StepRelying
	d.Relying = append(d.Relying, account.RelyingResult{Label: "Artifact registry", Missing: []string{"groups"}})
	v := result(d, n, catalogue)
	if v.Confirm == nil || v.Confirm.Allowed || !strings.Contains(v.Confirm.Why, "Artifact registry") {
		t.Errorf("confirm %+v", v.Confirm)
	}
	if v.Sentence != "Sign-in would work, but not for Artifact registry." || v.Outcome != account.Fail {
		t.Errorf("%q, %s", v.Sentence, v.Outcome)
	}
	d.Which = account.Live
	if v := result(d, n, catalogue); v.Confirm != nil {
		t.Error("a live version cannot be made live")
	}
}

func TestADiagnosisOfARealSignInSaysWhatHappened(t *testing.T) {
	d, n := tested()
	d.Test, d.Which = false, account.Live
	if v := result(d, n, catalogue); v.Sentence != "Ana Ruiz was let in." || !v.Real {
		t.Errorf("%q", v.Sentence)
	}
	d.Outcome, d.Name = account.OutcomeRefused, ""
	d.Checks = append(d.Checks, account.Check{Step: account.StepAudience, Verdict: account.Fail})
	if v := result(d, n, catalogue); v.Sentence != "ana@acme.example was not let in: 1 of 3 checks failed." || v.Confirm != nil {
		t.Errorf("%q %+v", v.Sentence, v.Confirm)
	}
}

func TestRolesOfARefusedTestAreSaidToWait(t *testing.T) {
	d, n := tested()
	d.Outcome, d.Step = account.OutcomeRefused, account.StepDomains
	if v := result(d, n, catalogue); !strings.Contains(v.RolesNote, "once every check passes") {
		t.Errorf("note %q", v.RolesNote)
	}
}

// REQ L-15
func TestAnOwnersRolesAreSaidToBeSkipped(t *testing.T) {
	d, n := tested()
	d.Preview.Skipped = "owner"
	if v := result(d, n, catalogue); !strings.Contains(v.RolesNote, "Owner, rules skipped") {
		t.Errorf("note %q", v.RolesNote)
	}
}

func TestTargetsAreReadAsTheyAreWritten(t *testing.T) {
	id := account.NewID[account.ConnectionID](noon, strings.NewReader("0123456789"))
	for _, which := range []account.Which{account.Draft, account.Live} {
		got, w, ok := parseTarget(makeTarget(id, which))
		if got != id || w != which || !ok {
			t.Errorf("%s %s %v", got, w, ok)
		}
	}
	for _, s := range []string{"", ":", "con_1:live", string(id), string(id) + ":", string(id) + ":dead", "usr_" + string(id[4:]) + ":live"} {
		if _, _, ok := parseTarget(s); ok {
			t.Errorf("%q is taken for a target", s)
		}
	}
}
