package store

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/drawbridge-id/drawbridge/account"
)

// REQ A-02 A-03 B-01
func TestAnAccountAndItsOrgShowOneNumber(t *testing.T) {
	each(t, func(h *house) {
		if h.acme.Number == "" || strings.Trim(h.acme.Number, "0123456789") != "" || h.acme.Number != h.org.Number {
			h.Errorf("account %q, org %q", h.acme.Number, h.org.Number)
		}
		a, o, err := h.OrgByName(h.ctx(), theOperator, "acme")
		h.ok(err)
		if a.ID != h.acme.ID || a.Number != o.Number || o.Type != account.Enterprise || o.Title != "Acme Ltd" || !slices.Equal(o.Services, []string{"registry"}) {
			h.Errorf("%+v %+v", a, o)
		}
		_, _, err = h.CreateAccount(h.ctx(), theOperator, "acme", "other", "", account.Enterprise)
		h.refuses(err, account.Conflict, "name_taken")
		_, _, err = h.CreateAccount(h.ctx(), theOperator, "other", "acme", "", account.Enterprise)
		h.refuses(err, account.Conflict, "name_taken")
		_, _, err = h.CreateAccount(h.ctx(), asUser(h.owner("ana@acme.example")), "mine", "mine", "", account.Enterprise)
		h.refuses(err, account.Forbidden, "")
	})
}

// REQ B-04 B-06
func TestAnIndividualOrgHasOneUser(t *testing.T) {
	each(t, func(h *house) {
		solo, org, err := h.CreateAccount(h.ctx(), theOperator, "solo", "solo", "", account.Individual)
		h.ok(err)
		h.ok(h.EnableService(h.ctx(), theOperator, solo.ID, "registry", true))
		h.refuses(h.EnableService(h.ctx(), theOperator, solo.ID, "studio", true), account.Conflict, "individual_org")
		whole := account.Scope{Org: org.ID}
		ana, err := h.AddPerson(h.ctx(), theOperator, solo.ID, "ana@solo.example", "Ana", account.Admin)
		h.ok(err)
		h.ok(h.Grant(h.ctx(), theOperator, solo.ID, ana.ID, whole, account.Owner))
		bob, err := h.AddPerson(h.ctx(), theOperator, solo.ID, "bob@solo.example", "Bob", account.Member)
		h.ok(err)
		e := h.refuses(h.Grant(h.ctx(), theOperator, solo.ID, bob.ID, whole, "registry:reader"), account.Conflict, "individual_org")
		if !strings.Contains(e.Message, "individual org") || e.Help == "" {
			h.Errorf("%q %q", e.Message, e.Help)
		}
		h.ok(h.Grant(h.ctx(), theOperator, solo.ID, ana.ID, whole, "registry:reader"))
		_, err = h.CreateTeam(h.ctx(), theOperator, solo.ID, "research", "")
		h.refuses(err, account.Conflict, "individual_org")
	})
}

// REQ C-01 C-02
func TestTeamNamesAreLowerCaseAndSuggested(t *testing.T) {
	each(t, func(h *house) {
		ana, bob := h.owner("ana@acme.example"), h.person("bob@acme.example", account.Member)
		_, err := h.CreateTeam(h.ctx(), asUser(ana), h.acme.ID, "Research", "")
		if e := h.refuses(err, account.Invalid, ""); !strings.Contains(e.Help, `"research"`) {
			h.Errorf("help %q", e.Help)
		}
		team, err := h.CreateTeam(h.ctx(), asUser(ana), h.acme.ID, "research", "What comes next")
		h.ok(err)
		_, err = h.CreateTeam(h.ctx(), asUser(ana), h.acme.ID, "research", "")
		h.refuses(err, account.Conflict, "name_taken")
		_, err = h.CreateTeam(h.ctx(), asUser(bob), h.acme.ID, "sales", "")
		h.refuses(err, account.Forbidden, "")
		if l := h.auditHas(h.acme.ID, "team.created", "refused"); l.Actor != "user:"+string(bob.ID) {
			h.Errorf("the attempt is audited: %+v", l)
		}
		_, err = h.Teams(h.ctx(), asUser(bob), h.acme.ID) // who holds nothing in the org
		h.refuses(err, account.NotFound, "no_account")
		h.ok(h.Grant(h.ctx(), theOperator, h.acme.ID, bob.ID, h.whole(), "registry:reader"))
		all, err := h.Teams(h.ctx(), asUser(bob), h.acme.ID)
		h.ok(err)
		if len(all) != 1 || all[0] != team {
			h.Errorf("%+v, want %+v", all, team)
		}
	})
}

// REQ C-05
func TestATeamUserAdminDoesNotSeeOtherTeams(t *testing.T) {
	each(t, func(h *house) {
		x, y := h.team("x"), h.team("y")
		cleo, bob := h.person("cleo@acme.example", account.Member), h.person("bob@acme.example", account.Member)
		h.ok(h.Grant(h.ctx(), theOperator, h.acme.ID, cleo.ID, h.in(x), account.UserAdmin))
		h.ok(h.Grant(h.ctx(), asUser(cleo), h.acme.ID, bob.ID, h.in(x), "registry:reader"))
		h.refuses(h.Grant(h.ctx(), asUser(cleo), h.acme.ID, bob.ID, h.in(y), "registry:reader"), account.NotFound, "")
		h.refuses(h.Grant(h.ctx(), asUser(cleo), h.acme.ID, bob.ID, h.whole(), "registry:reader"), account.Forbidden, "")
		h.refuses(h.Grant(h.ctx(), asUser(bob), h.acme.ID, bob.ID, h.in(x), "registry:writer"), account.Forbidden, "")
		h.ok(h.Withdraw(h.ctx(), asUser(cleo), h.acme.ID, bob.ID, h.in(x), "registry:reader"))
		h.refuses(h.Withdraw(h.ctx(), asUser(cleo), h.acme.ID, bob.ID, h.in(x), "registry:reader"), account.NotFound, "")
	})
}

// REQ A-01 C-06 C-07 B-09
func TestATeamRoleReachesItsTeamOnly(t *testing.T) {
	each(t, func(h *house) {
		x, y, z := h.team("x"), h.team("y"), h.team("z")
		bob, org := h.person("bob@acme.example", account.Member), h.person("cleo@acme.example", account.Member)
		h.ok(h.Grant(h.ctx(), theOperator, h.acme.ID, bob.ID, h.in(x), "registry:reader"))
		h.ok(h.Grant(h.ctx(), theOperator, h.acme.ID, bob.ID, h.in(z), "registry:reader"))
		h.ok(h.Grant(h.ctx(), theOperator, h.acme.ID, org.ID, h.whole(), "registry:reader"))
		may := func(u account.User, team account.TeamID) bool {
			ok, err := h.May(h.ctx(), h.acme.ID, u.ID, team, "registry:reader")
			h.ok(err)
			return ok
		}
		for _, c := range []struct {
			who  account.User
			team account.TeamID
			want bool
		}{{bob, x.ID, true}, {bob, z.ID, true}, {bob, y.ID, false}, {bob, "", false}, {org, "", true}, {org, y.ID, true}, {org, "team_none", false}} {
			if may(c.who, c.team) != c.want {
				h.Errorf("%s in %q: %v", c.who.Email, c.team, !c.want)
			}
		}
		h.refuses(h.Grant(h.ctx(), theOperator, h.acme.ID, bob.ID, h.whole(), "studio:viewer"), account.Conflict, "service_not_enabled")
		h.ok(h.EnableService(h.ctx(), theOperator, h.acme.ID, "registry", false))
		if may(org, "") {
			h.Error("a role of a service that is not enabled holds")
		}
		h.ok(h.EnableService(h.ctx(), theOperator, h.acme.ID, "registry", true))
		h.ok(h.Withdraw(h.ctx(), theOperator, h.acme.ID, org.ID, account.Scope{}, account.Member))
		if may(org, "") {
			h.Error("a role outlives the tenancy")
		}
		h.ok(h.SetUserState(h.ctx(), theOperator, bob.ID, account.UserDisabled))
		if may(bob, x.ID) {
			h.Error("a disabled person may")
		}
	})
}

// REQ D-01 D-04
func TestThreeOwnersAreTheMostEvenWhenSixAreMadeAtOnce(t *testing.T) {
	each(t, func(h *house) {
		first := h.owner("ana@acme.example")
		var people []account.User
		for i := range 6 {
			people = append(people, h.person(fmt.Sprintf("p%d@acme.example", i), account.Admin))
		}
		errs := together(6, func(i int) error {
			return h.Grant(h.ctx(), asUser(first), h.acme.ID, people[i].ID, h.whole(), account.Owner)
		})
		if countNil(errs) != 2 {
			h.Errorf("%d became owners beside the first, want 2: %v", countNil(errs), errs)
		}
		for _, err := range errs {
			if err != nil {
				if e := h.refuses(err, account.Conflict, "owner_limit"); !strings.Contains(e.Message, "3") {
					h.Errorf("the limit is named: %q", e.Message)
				}
			}
		}
		bob := h.person("bob@acme.example", account.Member)
		h.refuses(h.Grant(h.ctx(), theOperator, h.acme.ID, bob.ID, h.whole(), account.Owner), account.Conflict, "account_admin_needed")
	})
}

// REQ D-02 L-15
// THREAT ADM-2
func TestOnlyOwnersMakeOwnersAndTheLastOneStays(t *testing.T) {
	each(t, func(h *house) {
		ana, cleo := h.owner("ana@acme.example"), h.person("cleo@acme.example", account.Member)
		dan := h.person("dan@acme.example", account.Admin)
		h.ok(h.Grant(h.ctx(), theOperator, h.acme.ID, cleo.ID, h.whole(), account.UserAdmin))
		h.refuses(h.Grant(h.ctx(), asUser(cleo), h.acme.ID, dan.ID, h.whole(), account.Owner), account.Forbidden, "")
		h.refuses(h.Grant(h.ctx(), asUser(cleo), h.acme.ID, cleo.ID, h.whole(), account.Owner), account.Forbidden, "")
		h.refuses(h.Grant(h.ctx(), asUser(cleo), h.acme.ID, cleo.ID, account.Scope{}, account.Admin), account.Forbidden, "")
		h.refuses(h.Grant(h.ctx(), asUser(ana), h.acme.ID, dan.ID, account.Scope{}, account.Owner), account.Forbidden, "")
		h.refuses(h.Withdraw(h.ctx(), asUser(cleo), h.acme.ID, ana.ID, h.whole(), account.Owner), account.Forbidden, "")
		h.refuses(h.Withdraw(h.ctx(), asUser(ana), h.acme.ID, ana.ID, h.whole(), account.Owner), account.Conflict, "last_owner")
		h.ok(h.Grant(h.ctx(), asUser(ana), h.acme.ID, dan.ID, h.whole(), account.Owner))
		h.refuses(h.Withdraw(h.ctx(), asUser(dan), h.acme.ID, dan.ID, account.Scope{}, account.Admin), account.Conflict, "account_admin_needed")
		if !account.HasRole(h.held(dan), h.whole(), "registry:admin") {
			h.Error("an owner holds admin on every enabled service")
		}
		h.refuses(h.Withdraw(h.ctx(), asUser(ana), h.acme.ID, dan.ID, h.whole(), "registry:admin"), account.NotFound, "")
		errs := together(2, func(i int) error {
			return h.Withdraw(h.ctx(), theOperator, h.acme.ID, []account.User{ana, dan}[i].ID, h.whole(), account.Owner)
		})
		if countNil(errs) != 1 {
			h.Errorf("of two owners who remove each other one stays: %v", errs)
		}
	})
}

// REQ D-03
func TestOwnersShareOneDomainExactly(t *testing.T) {
	each(t, func(h *house) {
		h.owner("ana@acme.example")
		for _, email := range []string{"x@globex.example", "x@eu.acme.example"} {
			x := h.person(email, account.Admin)
			e := h.refuses(h.Grant(h.ctx(), theOperator, h.acme.ID, x.ID, h.whole(), account.Owner), account.Invalid, "owner_domain")
			if !strings.Contains(e.Message, "acme.example") || !strings.Contains(e.Message, account.EmailDomain(email)) {
				h.Errorf("both domains are named: %q", e.Message)
			}
		}
	})
}

// REQ D-07
// THREAT ADM-1
func TestAnotherAccountDoesNotExist(t *testing.T) {
	each(t, func(h *house) {
		ana := h.owner("ana@acme.example")
		globex, globexOrg, err := h.CreateAccount(h.ctx(), theOperator, "globex", "globex", "", account.Enterprise)
		h.ok(err)
		gus, err := h.AddPerson(h.ctx(), theOperator, globex.ID, "gus@globex.example", "", account.Admin)
		h.ok(err)
		theirs := account.Scope{Org: globexOrg.ID}
		h.ok(h.Grant(h.ctx(), theOperator, globex.ID, gus.ID, theirs, account.Owner))
		con := h.connectIn(globex.ID, "okta", samlSettings())
		dom := h.proves(globex.ID, "globex.example")
		by := asUser(ana)
		f, err := h.StartFlow(h.ctx(), account.Flow{Connection: con.ID, Which: account.Live, Test: true})
		h.ok(err)
		for name, err := range map[string]error{
			"account":  second(h.Account(h.ctx(), by, globex.ID)),
			"org":      second(h.OrgByName(h.ctx(), by, "globex")),
			"team":     last(h.CreateTeam(h.ctx(), by, globex.ID, "x", "")),
			"teams":    last(h.Teams(h.ctx(), by, globex.ID)),
			"grant":    h.Grant(h.ctx(), by, globex.ID, ana.ID, theirs, account.UserAdmin),
			"grant 2":  h.Grant(h.ctx(), by, h.acme.ID, gus.ID, h.whole(), "registry:reader"),
			"grant 3":  h.Grant(h.ctx(), by, h.acme.ID, ana.ID, theirs, "registry:reader"),
			"withdraw": h.Withdraw(h.ctx(), by, globex.ID, gus.ID, theirs, account.Owner),
			"people":   last(h.People(h.ctx(), by, globex.ID, "", 10)),
			"person":   last(h.Person(h.ctx(), by, h.acme.ID, gus.ID)),
			"by email": last(h.PersonByEmail(h.ctx(), by, h.acme.ID, gus.Email)),
			"state":    h.SetUserState(h.ctx(), by, gus.ID, account.UserDisabled),
			"audit":    last(h.Audit(h.ctx(), by, globex.ID, "", 10)),
			"install":  last(h.Audit(h.ctx(), by, "", "", 10)),
			"draft":    last(h.SaveDraft(h.ctx(), by, globex.ID, "", "mine", samlSettings())),
			"draft 2":  last(h.SaveDraft(h.ctx(), by, h.acme.ID, con.ID, "", samlSettings())),
			"promote":  last(h.Promote(h.ctx(), by, con.ID, false)),
			"restore":  last(h.Restore(h.ctx(), by, con.ID, 1)),
			"enable":   h.EnableConnection(h.ctx(), by, con.ID, false),
			"rotate":   last(h.RotateSPKey(h.ctx(), by, con.ID, account.SPKey{})),
			"history":  last(h.Revisions(h.ctx(), by, con.ID, 10)),
			"dx":       last(h.Diagnosis(h.ctx(), by, f.Diagnosis)),
			"dx list":  last(h.Diagnoses(h.ctx(), by, con.ID, 10)),
			"preview":  last(h.Preview(h.ctx(), by, h.login(con, "s", "s@globex.example"))),
			"approve":  h.ApproveRefresh(h.ctx(), by, con.ID),
			"claim":    last(h.ClaimDomain(h.ctx(), by, globex.ID, "mine.example")),
			"domains":  last(h.Domains(h.ctx(), by, globex.ID)),
			"check":    last(h.RecordDomainCheck(h.ctx(), by, dom.ID, true, "")),
			"tie":      h.TieDomain(h.ctx(), by, dom.ID, con.ID),
			"tie 2":    h.TieDomain(h.ctx(), by, h.proves(h.acme.ID, "acme.example").ID, con.ID),
			"cut over": h.CutOver(h.ctx(), by, dom.ID, true),
		} {
			if account.KindOf(err) != account.NotFound {
				h.Errorf("%s: %v", name, err)
			}
		}
	})
}

func last[T any](_ T, err error) error           { return err }
func second[T, U any](_ T, _ U, err error) error { return err }

// REQ D-07 D-17
func TestPeopleArePagedWithWhatTheyHold(t *testing.T) {
	each(t, func(h *house) {
		ana := h.owner("ana@acme.example")
		for i := range 6 {
			h.clock.turn(1000000)
			u := h.person(fmt.Sprintf("p%d@acme.example", i), account.Member)
			h.ok(h.Grant(h.ctx(), theOperator, h.acme.ID, u.ID, h.whole(), "registry:reader"))
			h.refuses(last(h.People(h.ctx(), asUser(u), h.acme.ID, "", 10)), account.Forbidden, "")
			me, err := h.Person(h.ctx(), asUser(u), h.acme.ID, u.ID)
			h.ok(err)
			if me.Tenancy.Role != account.Member || !account.HasRole(me.Roles, h.whole(), "registry:reader") {
				h.Errorf("everybody may see themselves: %+v", me)
			}
			h.refuses(last(h.Person(h.ctx(), asUser(u), h.acme.ID, ana.ID)), account.Forbidden, "")
		}
		var emails []string
		after := account.UserID("")
		for {
			page, err := h.People(h.ctx(), asUser(ana), h.acme.ID, after, 3)
			h.ok(err)
			if len(page) == 0 {
				break
			}
			for _, p := range page {
				emails = append(emails, p.User.Email)
				if len(p.Roles) < 2 || p.Tenancy.Role == "" {
					h.Errorf("%+v", p)
				}
			}
			after = page[len(page)-1].User.ID
		}
		if len(emails) != 7 || emails[0] != "ana@acme.example" || emails[6] != "p5@acme.example" {
			h.Errorf("%q", emails)
		}
	})
}

// THREAT SES-6
func TestADisabledPersonIsOutAtOnceAndSaysWho(t *testing.T) {
	each(t, func(h *house) {
		con := h.connect("okta", samlSettings())
		h.proves(h.acme.ID, "acme.example")
		ana := h.owner("ana@acme.example")
		bob := h.signedIn(h.login(con, "bob", "bob@acme.example"))
		h.refuses(h.SetUserState(h.ctx(), asUser(bob.User), ana.ID, account.UserDisabled), account.Forbidden, "")
		h.ok(h.SetUserState(h.ctx(), asUser(ana), bob.User.ID, account.UserDisabled))
		h.refuses(last(h.Presence(h.ctx(), bob.Session.Token)), account.Unauthorized, "")
		_, err := h.comesIn(h.login(con, "bob", "bob@acme.example"))
		h.turnsAway(err, "user_disabled")
		h.ok(h.SetUserState(h.ctx(), asUser(ana), bob.User.ID, account.UserDisabled)) // providers and people repeat themselves
		if l := h.auditHas(h.acme.ID, "user.disabled", "done"); l.Target != string(bob.User.ID) || l.Detail["sessions"] != float64(1) {
			h.Errorf("%+v", l)
		}
		h.ok(h.SetUserState(h.ctx(), asUser(ana), bob.User.ID, account.UserActive))
		h.refuses(last(h.Presence(h.ctx(), bob.Session.Token)), account.Unauthorized, "")
		h.signedIn(h.login(con, "bob", "bob@acme.example"))
	})
}
