package store

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/rules"
)

// REQ C-03 C-05 C-06 C-07
func TestATeamExistsForThoseWhoHaveToDoWithIt(t *testing.T) {
	each(t, func(h *house) {
		x, y, z := h.team("x"), h.team("y"), h.team("z")
		give := func(email string, s account.Scope, r account.Role) account.User {
			h.Helper()
			u := h.person(email, account.Member)
			h.ok(h.Grant(h.ctx(), theOperator, h.acme.ID, u.ID, s, r))
			return u
		}
		bob := give("bob@acme.example", h.in(x), "registry:reader")
		h.ok(h.Grant(h.ctx(), theOperator, h.acme.ID, bob.ID, h.in(z), "registry:reader"))
		cleo := give("cleo@acme.example", h.whole(), "registry:reader")
		dan := give("dan@acme.example", h.in(x), account.UserAdmin)
		h.ok(h.Grant(h.ctx(), theOperator, h.acme.ID, dan.ID, h.whole(), "registry:reader"))
		eve := give("eve@acme.example", h.whole(), account.UserAdmin)
		for _, c := range []struct {
			who  account.User
			sees string
		}{{bob, "x z"}, {cleo, "x y z"}, {dan, "x"}, {eve, "x y z"}} {
			all, err := h.Teams(h.ctx(), asUser(c.who), h.acme.ID)
			h.ok(err)
			var names []string
			for _, team := range all {
				names = append(names, team.Name)
			}
			if got := strings.Join(names, " "); got != c.sees {
				h.Errorf("%s sees %q, want %q", c.who.Email, got, c.sees)
			}
			for _, team := range []account.Team{x, y, z} {
				for _, by := range []string{string(team.ID), team.Name} {
					_, err := h.Team(h.ctx(), asUser(c.who), h.acme.ID, by)
					if visible := strings.Contains(c.sees, team.Name); visible != (err == nil) || err != nil && account.KindOf(err) != account.NotFound {
						h.Errorf("%s asks for %s: %v", c.who.Email, by, err)
					}
				}
			}
		}
		// What belongs to a team is reached by its own people and by those of the whole org.
		for _, c := range []struct {
			who     account.User
			reaches string
		}{{bob, "x z"}, {cleo, " x y z"}, {dan, " x y z"}, {eve, ""}} {
			for _, team := range []account.Team{{}, x, y, z} {
				may, err := h.MayReach(h.ctx(), h.acme.ID, c.who.ID, team.ID, "registry")
				h.ok(err)
				want := slices.Contains(strings.Split(c.reaches, " "), team.Name) && c.reaches != ""
				if may != want {
					h.Errorf("%s in %q: %v", c.who.Email, team.Name, may)
				}
			}
		}
		if may, err := h.MayReach(h.ctx(), h.acme.ID, cleo.ID, "", "nothing"); may || err != nil {
			h.Error("a service that is not in the catalogue is reached", err)
		}
		// Its people are shown to who manages them, with what they hold in it alone.
		people, err := h.TeamPeople(h.ctx(), asUser(dan), h.acme.ID, "x", "", 10)
		h.ok(err)
		if len(people) != 2 {
			h.Errorf("%+v", people)
		}
		for _, p := range people {
			if len(p.Roles) != 1 || p.Roles[0].Scope != h.in(x) {
				h.Errorf("%s is shown with %+v", p.User.Email, p.Roles)
			}
		}
		page, err := h.TeamPeople(h.ctx(), asUser(eve), h.acme.ID, "x", people[0].User.ID, 10)
		h.ok(err)
		if len(page) != 1 || page[0].User.ID != people[1].User.ID {
			h.Errorf("%+v", page)
		}
		_, err = h.TeamPeople(h.ctx(), asUser(dan), h.acme.ID, "y", "", 10)
		h.refuses(err, account.NotFound, "no_team")
		_, err = h.TeamPeople(h.ctx(), asUser(bob), h.acme.ID, "x", "", 10)
		h.refuses(err, account.Forbidden, "")
		// And it is described by who manages the org.
		_, err = h.DescribeTeam(h.ctx(), asUser(dan), h.acme.ID, "y", "mine")
		h.refuses(err, account.NotFound, "no_team")
		_, err = h.DescribeTeam(h.ctx(), asUser(dan), h.acme.ID, "x", "mine")
		h.refuses(err, account.Forbidden, "")
		described, err := h.DescribeTeam(h.ctx(), asUser(eve), h.acme.ID, "x", "What comes next")
		h.ok(err)
		if described.Description != "What comes next" {
			h.Errorf("%+v", described)
		}
	})
}

// REQ B-02~ C-08
func TestATeamGoesWithAllThatHangsOnIt(t *testing.T) {
	each(t, func(h *house) {
		h.proves(h.acme.ID, "acme.example")
		okta := h.connect("okta", samlSettings())
		x, y := h.team("x"), h.team("y")
		olga, bob, cleo := h.owner("olga@acme.example"), h.person("bob@acme.example", account.Member), h.person("cleo@acme.example", account.Member)
		h.ok(h.Grant(h.ctx(), theOperator, h.acme.ID, bob.ID, h.in(x), "registry:writer"))
		h.ok(h.Grant(h.ctx(), theOperator, h.acme.ID, bob.ID, h.in(y), "registry:writer"))
		h.ok(h.Grant(h.ctx(), theOperator, h.acme.ID, cleo.ID, h.whole(), account.UserAdmin))
		ana := h.signedIn(h.login(okta, "ana", "ana@acme.example", "eng"))
		rule, err := h.SaveRule(h.ctx(), asUser(olga), h.acme.ID, "", rules.Definition{Name: "Engineering", Connection: okta.ID, Groups: []string{"eng"},
			Targets: []rules.Target{{Roles: []account.Role{"registry:reader"}}, {Team: x.ID, Roles: []account.Role{"registry:writer", account.UserAdmin}}}})
		h.ok(err)
		_, err = h.WaiveRecovery(h.ctx(), asUser(olga), h.acme.ID, "The operator lets us in.")
		h.ok(err)
		_, err = h.ActivateRules(h.ctx(), asUser(olga), h.acme.ID, true)
		h.ok(err)
		if may, err := h.MayReach(h.ctx(), h.acme.ID, ana.User.ID, x.ID, "registry"); !may || err != nil {
			h.Fatal("the rule gives nothing", err)
		}
		for by, kind := range map[account.UserID]account.ErrorKind{cleo.ID: account.Forbidden, bob.ID: account.Forbidden, ana.User.ID: account.Forbidden} {
			_, err := h.DeleteTeam(h.ctx(), account.Actor{Kind: account.ActorUser, User: by}, h.acme.ID, "x", "x")
			h.refuses(err, kind, "")
		}
		_, err = h.DeleteTeam(h.ctx(), asUser(olga), h.acme.ID, "x", "X")
		h.refuses(err, account.Invalid, "confirm_needed")
		_, err = h.DeleteTeam(h.ctx(), asUser(olga), h.acme.ID, "z", "z")
		h.refuses(err, account.NotFound, "no_team")

		gone, err := h.DeleteTeam(h.ctx(), asUser(olga), h.acme.ID, "x", "x")
		h.ok(err)
		if gone.People != 2 || gone.Roles != 3 || !slices.Equal(gone.Rules, []string{"Engineering"}) {
			h.Errorf("%+v", gone)
		}
		line := h.auditHas(h.acme.ID, "team.removed", "done")
		said := fmt.Sprint(line.Detail)
		for _, part := range []string{"Engineering", string(bob.ID) + " registry:writer", string(ana.User.ID) + " registry:writer", string(ana.User.ID) + " user_admin", "name:x"} {
			if !strings.Contains(said, part) {
				h.Errorf("the audit line does not say %q: %s", part, said)
			}
		}
		for _, u := range []account.UserID{bob.ID, ana.User.ID} {
			p, err := h.Person(h.ctx(), theOperator, h.acme.ID, u)
			h.ok(err)
			if slices.ContainsFunc(p.Roles, func(o account.Held) bool { return o.Scope.Team == x.ID }) {
				h.Errorf("%+v", p.Roles)
			}
		}
		if may, _ := h.MayReach(h.ctx(), h.acme.ID, bob.ID, y.ID, "registry"); !may {
			h.Error("another team's roles went too")
		}
		// Neither a sign-in nor an activation brings it back, and a team of the same name begins with nothing.
		h.clock.turn(time.Minute)
		again := h.signedIn(h.login(okta, "ana", "ana@acme.example", "eng"))
		fresh := h.team("x")
		if may, _ := h.MayReach(h.ctx(), h.acme.ID, again.User.ID, fresh.ID, "registry"); !may { // by the role in the whole org
			h.Error("the rest of the rule does not apply any more")
		}
		// What it still gives is named as what let the next person in (B-02).
		h.clock.turn(time.Minute)
		h.signedIn(h.login(okta, "zoe", "zoe@acme.example", "eng"))
		if l := h.auditHas(h.acme.ID, "user.signed_in", "done"); l.Detail["way"] != "membership rule" {
			h.Errorf("%+v", l.Detail)
		}
		plan, err := h.PlanRules(h.ctx(), asUser(olga), h.acme.ID)
		h.ok(err)
		if plan.Counts.Gained+plan.Counts.Lost != 0 {
			h.Errorf("%+v", plan.Counts)
		}
		all, err := h.Rules(h.ctx(), asUser(olga), h.acme.ID)
		h.ok(err)
		if len(all) != 1 || all[0].ID != rule.ID || all[0].State() != rules.Active || len(all[0].Active.Targets) != 1 {
			h.Errorf("%+v", all)
		}
	})
}

// REQ B-05 B-07~ T-19~
func TestAnIndividualOrgBecomesEnterpriseAndKeepsAllItHas(t *testing.T) {
	each(t, func(h *house) {
		h.sells("catalog")
		ana := h.person("ana@acme.example", account.Member)
		solo, org, err := h.OpenAccount(h.ctx(), asUser(ana), "solo")
		h.ok(err)
		key, secret, err := h.MintKey(h.ctx(), asUser(ana), solo.ID, "laptop", 0)
		h.ok(err)
		bob, err := h.AddPerson(h.ctx(), theOperator, solo.ID, "bob@solo.example", "", account.Member)
		h.ok(err)
		whole := account.Scope{Org: org.ID}
		before, err := h.Person(h.ctx(), theOperator, solo.ID, ana.ID)
		h.ok(err)
		_, err = h.CreateTeam(h.ctx(), asUser(ana), solo.ID, "research", "")
		for _, err := range []error{err, h.Grant(h.ctx(), asUser(ana), solo.ID, bob.ID, whole, "catalog:reader")} {
			if e := h.refuses(err, account.Conflict, "individual_org"); !strings.Contains(e.Help, "subscription") {
				h.Errorf("the way to convert is not said: %+v", e)
			}
		}
		h.refuses(h.ConvertOrg(h.ctx(), asUser(ana), solo.ID), account.Forbidden, "")
		h.ok(h.ConvertOrg(h.ctx(), theOperator, solo.ID))
		h.ok(h.ConvertOrg(h.ctx(), theOperator, solo.ID)) // twice changes nothing
		_, now, err := h.OrgByName(h.ctx(), asUser(ana), "solo")
		h.ok(err)
		org.Type = account.Enterprise
		if fmt.Sprint(now) != fmt.Sprint(org) {
			h.Errorf("%+v became %+v", org, now)
		}
		after, err := h.Person(h.ctx(), theOperator, solo.ID, ana.ID)
		h.ok(err)
		if fmt.Sprint(before) != fmt.Sprint(after) {
			h.Errorf("%+v became %+v", before, after)
		}
		if k, err := h.VerifyKey(h.ctx(), secret); err != nil || k.Key.ID != key.ID {
			h.Errorf("the key says %v", err)
		}
		_, err = h.CreateTeam(h.ctx(), asUser(ana), solo.ID, "research", "")
		h.ok(err)
		h.ok(h.Grant(h.ctx(), asUser(ana), solo.ID, bob.ID, whole, "catalog:reader"))
		if l := h.auditHas(solo.ID, "org.converted", "done"); l.Detail["to"] != "enterprise" || l.Detail["way"] != "operator" {
			h.Errorf("%+v", l)
		}
	})
}

// REQ B-04
func TestTheOneSeatOfAnIndividualOrgIsTakenOnce(t *testing.T) {
	each(t, func(h *house) {
		solo, org, err := h.CreateAccount(h.ctx(), theOperator, "solo", "solo", "", account.Individual)
		h.ok(err)
		h.ok(h.EnableService(h.ctx(), theOperator, solo.ID, "registry", true))
		var users []account.User
		for i := range 6 {
			u, err := h.AddPerson(h.ctx(), theOperator, solo.ID, fmt.Sprintf("u%d@solo.example", i), "", account.Member)
			h.ok(err)
			users = append(users, u)
		}
		other := h.reopen()
		errs := together(len(users), func(i int) error {
			return []*Ledger{h.Ledger, other}[i%2].Grant(h.ctx(), theOperator, solo.ID, users[i].ID, account.Scope{Org: org.ID}, "registry:reader")
		})
		if countNil(errs) != 1 {
			h.Errorf("%v", errs)
		}
	})
}
