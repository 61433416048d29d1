package store

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/drawbridge-id/drawbridge/account"
)

// invites sends an invitation and gives it with the token of its letter.
func (h *house) invites(by account.Actor, in Invite) (Invited, account.Secret) {
	h.Helper()
	out, err := h.Invite(h.ctx(), by, h.acme.ID, in)
	h.ok(err)
	return out, h.mailed(out.Email)
}

// mailed is the token of the newest invitation to an address.
func (h *house) mailed(to string) account.Secret {
	h.Helper()
	token := ""
	for _, l := range h.written() {
		if l.To == to && l.Name == "invitation" {
			token = l.Data["Token"]
		}
	}
	if token == "" {
		h.Fatalf("no invitation was written to %s", to)
	}
	return account.NewSecret(token)
}

// written are all letters that wait, oldest first, as they are.
func (h *house) written() []account.Letter {
	h.Helper()
	all, err := h.ClaimLetters(h.ctx(), 1000)
	h.ok(err)
	h.clock.turn(letterLease + time.Second) // the next look may have them too
	return all
}

// aUser is somebody with a proved address who has a place nowhere.
func (h *house) aUser(email string) account.User {
	h.Helper()
	other, _, err := h.OrgByName(h.ctx(), theOperator, "elsewhere")
	if account.KindOf(err) == account.NotFound {
		other, _, err = h.CreateAccount(h.ctx(), theOperator, "elsewhere", "elsewhere", "", account.Enterprise)
	}
	h.ok(err)
	u, err := h.AddPerson(h.ctx(), theOperator, other.ID, email, "", account.Member)
	h.ok(err)
	return u
}

// REQ D-11 E-03
func TestAnInvitationGivesWhatItSaysOnceItIsAccepted(t *testing.T) {
	each(t, func(h *house) {
		ana, bob := h.owner("ana@acme.example"), h.aUser("bob@acme.example")
		team := h.team("research")
		invited, token := h.invites(asUser(ana), Invite{Email: "Bob@acme.example", Role: account.Admin, Message: "Hello"})
		if invited.Until != invited.CreatedAt.Add(6*time.Hour) || invited.Email != "bob@acme.example" {
			t.Errorf("%+v", invited)
		}
		_, err := h.AddInvitedRoles(h.ctx(), asUser(ana), h.acme.ID, invited.ID, h.whole(), []account.Role{account.Owner, "registry:writer"})
		h.ok(err)
		_, err = h.Assign(h.ctx(), asUser(ana), h.acme.ID, "bob@acme.example", h.in(team), []account.Role{"registry:reader"})
		h.ok(err)
		if p, err := h.Person(h.ctx(), theOperator, h.acme.ID, bob.ID); account.KindOf(err) != account.NotFound {
			t.Errorf("who is only invited holds something: %+v, %v", p, err)
		}
		w, err := h.LookAtInvitation(h.ctx(), token)
		h.ok(err)
		if w.Org.Name != "acme" || w.Inviter != "ana@acme.example" || w.Status != account.LinkPending || w.Teams[team.ID] != "research" || len(w.Roles) != 3 {
			t.Errorf("%+v", w)
		}
		_, err = h.AcceptInvitation(h.ctx(), asUser(ana), token)
		h.refuses(err, account.Forbidden, "wrong_person")
		_, err = h.AcceptInvitation(h.ctx(), asUser(bob), token)
		h.ok(err)
		held := h.held(bob)
		for _, want := range []struct {
			s account.Scope
			r account.Role
		}{{account.Scope{}, account.Admin}, {h.whole(), account.Owner}, {h.whole(), "registry:writer"}, {h.in(team), "registry:reader"}} {
			i := slices.IndexFunc(held, func(o account.Held) bool { return o.Scope == want.s && o.Role == want.r })
			if i < 0 || held[i].Sources[0].Kind != account.SourceInvitation || held[i].Sources[0].By != asUser(ana).String() {
				t.Errorf("%v in %v: %+v", want.r, want.s, held)
			}
		}
		// Once more is the same; for anybody else it is used.
		_, err = h.AcceptInvitation(h.ctx(), asUser(bob), token)
		h.ok(err)
		_, err = h.ResendInvitation(h.ctx(), asUser(ana), h.acme.ID, invited.ID)
		h.refuses(err, account.Conflict, "invitation_over")
		h.refuses(h.RevokeInvitation(h.ctx(), asUser(ana), h.acme.ID, invited.ID), account.Conflict, "invitation_over")
		// What an invitation gave is taken back by hand.
		h.ok(h.Withdraw(h.ctx(), asUser(ana), h.acme.ID, bob.ID, h.in(team), "registry:reader"))
		if account.HasRole(h.held(bob), h.in(team), "registry:reader") {
			t.Error("the role stayed")
		}
		line := h.auditHas(h.acme.ID, "invitation.accepted", "done")
		if line.Detail["user"] != string(bob.ID) || line.Actor != asUser(bob).String() || line.Detail["by"] != asUser(ana).String() {
			t.Errorf("%+v", line)
		}
		if strings.Contains(h.dump(), token.Reveal()) {
			t.Error("the token stands in the database")
		}
	})
}

// REQ A-11 T-19~
func TestMorePeopleTakeASubscription(t *testing.T) {
	each(t, func(h *house) {
		solo, _, err := h.CreateAccount(h.ctx(), theOperator, "solo", "solo", "", account.Individual)
		h.ok(err)
		_, err = h.Invite(h.ctx(), theOperator, solo.ID, Invite{Email: "bob@acme.example", Role: account.Member})
		if e := h.refuses(err, account.Conflict, "subscription_required"); !strings.Contains(e.Message, "subscription") || e.Help == "" {
			t.Errorf("%+v", e)
		}
	})
}

// REQ E-03 E-07~ T-11
func TestALinkRunsOutAndIsSentAgainForAsLong(t *testing.T) {
	each(t, func(h *house) {
		ana, bob := h.owner("ana@acme.example"), h.aUser("bob@acme.example")
		for _, d := range []time.Duration{time.Hour - 1, 30*24*time.Hour + 1, -1} {
			_, err := h.Invite(h.ctx(), asUser(ana), h.acme.ID, Invite{Email: "bob@acme.example", Role: account.Member, Validity: d})
			h.refuses(err, account.Invalid, "bad_expiry")
		}
		invited, first := h.invites(asUser(ana), Invite{Email: "bob@acme.example", Role: account.Member, Validity: 2 * time.Hour})
		nobody := account.Actor{Kind: account.ActorSystem, Job: "invitation"}
		h.refuses(h.AskForInvitation(h.ctx(), nobody, first), account.Conflict, "link_open")
		h.clock.turn(2 * time.Hour)
		_, err := h.AcceptInvitation(h.ctx(), asUser(bob), first)
		h.refuses(err, account.Conflict, "link_expired")
		before := len(h.written())
		for range 3 {
			h.ok(h.AskForInvitation(h.ctx(), nobody, first))
		}
		all := h.written()
		if asked := all[len(all)-1]; len(all) != before+1 || asked.Name != "invitation_expired_asked" || asked.To != "ana@acme.example" {
			t.Errorf("%d letters, then %d: %+v", before, len(all), asked)
		}
		again, err := h.ResendInvitation(h.ctx(), asUser(ana), h.acme.ID, invited.ID)
		h.ok(err)
		if again.Until != h.clock.now().Add(2*time.Hour) || !again.AskedAt.IsZero() {
			t.Errorf("%+v at %v", again, h.clock.now())
		}
		_, err = h.ResendInvitation(h.ctx(), asUser(ana), h.acme.ID, invited.ID)
		h.refuses(err, account.TooMany, "")
		second := h.mailed("bob@acme.example")
		_, err = h.AcceptInvitation(h.ctx(), asUser(bob), first)
		h.refuses(err, account.NotFound, "no_link")
		_, err = h.AcceptInvitation(h.ctx(), asUser(bob), second)
		h.ok(err)
	})
}

// REQ T-01
func TestAnOrgMayWantPeopleOfItsOwnDomainsOnly(t *testing.T) {
	each(t, func(h *house) {
		ana, eve := h.owner("ana@acme.example"), h.aUser("eve@partner.example")
		h.proves(h.acme.ID, "acme.example")
		invited, token := h.invites(asUser(ana), Invite{Email: "eve@partner.example", Role: account.Member})
		if len(invited.Warnings) != 1 || invited.Warnings[0].Code != "other_domain" || !strings.Contains(invited.Warnings[0].Fix, "external user group") {
			t.Errorf("%+v", invited.Warnings)
		}
		own, _ := h.invites(asUser(ana), Invite{Email: "bob@acme.example", Role: account.Member})
		if len(own.Warnings) != 0 {
			t.Errorf("%+v", own.Warnings)
		}
		h.ok(h.SetMembersFromVerifiedDomainsOnly(h.ctx(), asUser(ana), h.acme.ID, true))
		_, err := h.Invite(h.ctx(), asUser(ana), h.acme.ID, Invite{Email: "ed@partner.example", Role: account.Member})
		h.refuses(err, account.Invalid, "member_domain")
		_, err = h.AcceptInvitation(h.ctx(), asUser(eve), token)
		h.refuses(err, account.Invalid, "member_domain")
		h.ok(h.SetMembersFromVerifiedDomainsOnly(h.ctx(), asUser(ana), h.acme.ID, false))
		_, err = h.AcceptInvitation(h.ctx(), asUser(eve), token)
		h.ok(err)
	})
}

// REQ D-01 D-02 D-03 D-04
func TestInvitedOwnersKeepToTheRulesOfOwners(t *testing.T) {
	each(t, func(h *house) {
		ana := h.owner("ana@acme.example")
		admin := h.person("ada@acme.example", account.Admin)
		h.ok(h.Grant(h.ctx(), theOperator, h.acme.ID, admin.ID, h.whole(), account.UserAdmin))
		_, _ = h.invites(asUser(admin), Invite{Email: "bob@acme.example", Role: account.Member})
		owner := func(by account.User, email string) (Assigned, error) {
			return h.Assign(h.ctx(), asUser(by), h.acme.ID, email, h.whole(), []account.Role{account.Owner})
		}
		_, err := owner(admin, "bob@acme.example")
		h.refuses(err, account.Forbidden, "")
		given, err := owner(ana, "bob@acme.example")
		h.ok(err)
		if given.AccountRole != account.Admin || len(given.Warnings) != 1 || given.Warnings[0].Code != "account_role_raised" {
			t.Errorf("%+v", given)
		}
		h.refuses(h.RevokeInvitation(h.ctx(), asUser(admin), h.acme.ID, given.Invitation), account.Forbidden, "")
		_, _ = h.invites(asUser(ana), Invite{Email: "eve@partner.example", Role: account.Admin})
		_, err = owner(ana, "eve@partner.example")
		if e := h.refuses(err, account.Invalid, "owner_domain"); !strings.Contains(e.Message, "acme.example") || !strings.Contains(e.Message, "partner.example") {
			t.Errorf("%+v", e)
		}
	})
}

// REQ D-01
func TestNoMoreOwnersAreInvitedThanThereMayBe(t *testing.T) {
	each(t, func(h *house) {
		ana := h.owner("ana@acme.example")
		var invited []Invited
		for i := range 6 {
			one, _ := h.invites(asUser(ana), Invite{Email: fmt.Sprintf("u%d@acme.example", i), Role: account.Admin})
			invited = append(invited, one)
		}
		errs := together(6, func(i int) error {
			_, err := h.AddInvitedRoles(h.ctx(), asUser(ana), h.acme.ID, invited[i].ID, h.whole(), []account.Role{account.Owner})
			return err
		})
		if n := countNil(errs); n != 2 {
			t.Errorf("%d owners are promised beside one that is there", n)
		}
		for _, err := range errs {
			if err != nil {
				h.refuses(err, account.Conflict, "owner_limit")
			}
		}
	})
}

// REQ D-01 D-05
func TestOfManyAcceptingAtOnceNoMoreBecomeOwnersThanThereMayBe(t *testing.T) {
	each(t, func(h *house) {
		ana := h.owner("ana@acme.example")
		var users []account.User
		var tokens []account.Secret
		for i := range 2 {
			email := fmt.Sprintf("u%d@acme.example", i)
			users = append(users, h.aUser(email))
			one, token := h.invites(asUser(ana), Invite{Email: email, Role: account.Admin})
			_, err := h.AddInvitedRoles(h.ctx(), asUser(ana), h.acme.ID, one.ID, h.whole(), []account.Role{account.Owner})
			h.ok(err)
			tokens = append(tokens, token)
		}
		third := h.person("third@acme.example", account.Admin)
		h.ok(h.Grant(h.ctx(), asUser(ana), h.acme.ID, third.ID, h.whole(), account.Owner)) // meanwhile
		errs := together(6, func(i int) error {
			_, err := h.AcceptInvitation(h.ctx(), asUser(users[i%2]), tokens[i%2])
			return err
		})
		refused := 0
		for i, err := range errs {
			if err != nil {
				h.refuses(err, account.Conflict, "owner_limit")
				refused = i % 2
			}
		}
		if n := countNil(errs); n != 3 { // one person, whose three browsers are told the same
			t.Errorf("%d of 6 went well", n)
		}
		// The link still opens, once there is a seat.
		_, err := h.RemoveFromOrg(h.ctx(), asUser(ana), h.acme.ID, third.ID)
		h.ok(err)
		_, err = h.AcceptInvitation(h.ctx(), asUser(users[refused]), tokens[refused])
		h.ok(err)
		if !account.HasRole(h.held(users[refused]), h.whole(), account.Owner) {
			t.Error("the replacement is no owner")
		}
	})
}

func TestWhoeverIsThereOrInvitedIsNotInvitedAgain(t *testing.T) {
	each(t, func(h *house) {
		ana, bob := h.owner("ana@acme.example"), h.person("bob@acme.example", account.Member)
		h.ok(h.Grant(h.ctx(), asUser(ana), h.acme.ID, bob.ID, h.whole(), "registry:writer"))
		_, err := h.Invite(h.ctx(), asUser(ana), h.acme.ID, Invite{Email: "bob@acme.example", Role: account.Admin})
		h.refuses(err, account.Conflict, "already_member")
		if !account.HasRole(h.held(bob), h.whole(), "registry:writer") {
			t.Error("the role is gone")
		}
		errs := together(5, func(int) error {
			_, err := h.Invite(h.ctx(), asUser(ana), h.acme.ID, Invite{Email: "new@acme.example", Role: account.Member})
			return err
		})
		if countNil(errs) != 1 {
			t.Errorf("%v", errs)
		}
		for _, err := range errs {
			if err != nil {
				h.refuses(err, account.Conflict, "already_invited")
			}
		}
		for _, role := range []account.Role{account.Owner, "", "registry:writer"} {
			_, err := h.Invite(h.ctx(), asUser(ana), h.acme.ID, Invite{Email: "x@acme.example", Role: role})
			h.refuses(err, account.Invalid, "")
		}
		_, err = h.Invite(h.ctx(), asUser(ana), h.acme.ID, Invite{Email: "x@acme.example", Role: account.Member, Message: "a\x00b"})
		h.refuses(err, account.Invalid, "")
	})
}

// REQ D-09
func TestRolesAreChosenOnlyForWhoHasBeenAdded(t *testing.T) {
	each(t, func(h *house) {
		ana := h.owner("ana@acme.example")
		_, err := h.Assign(h.ctx(), asUser(ana), h.acme.ID, "bob@acme.example", h.whole(), []account.Role{"registry:writer"})
		h.refuses(err, account.Conflict, "step_one_needed")
		one, _ := h.invites(asUser(ana), Invite{Email: "bob@acme.example", Role: account.Member})
		_, err = h.Assign(h.ctx(), asUser(ana), h.acme.ID, "bob@acme.example", h.whole(), []account.Role{"registry:writer", "studio:viewer"})
		h.refuses(err, account.Conflict, "service_not_enabled") // and nothing of it
		i, err := h.Invitation(h.ctx(), asUser(ana), h.acme.ID, one.ID)
		h.ok(err)
		if len(i.Roles) != 0 {
			t.Errorf("%+v", i.Roles)
		}
		h.ok(h.RevokeInvitation(h.ctx(), asUser(ana), h.acme.ID, one.ID))
		h.ok(h.RevokeInvitation(h.ctx(), asUser(ana), h.acme.ID, one.ID))
		_, err = h.AddInvitedRoles(h.ctx(), asUser(ana), h.acme.ID, one.ID, h.whole(), []account.Role{"registry:writer"})
		h.refuses(err, account.Conflict, "invitation_over")
	})
}

// REQ D-13
func TestAUserAdminWhoIsAMemberOfTheAccountIsWarnedAbout(t *testing.T) {
	each(t, func(h *house) {
		ana, bob := h.owner("ana@acme.example"), h.person("bob@acme.example", account.Member)
		given, err := h.GrantAll(h.ctx(), asUser(ana), h.acme.ID, bob.ID, h.whole(), []account.Role{account.UserAdmin})
		h.ok(err)
		if len(given.Warnings) != 1 || given.Warnings[0].Code != "account_role_low" || !strings.Contains(given.Warnings[0].Fix, "account role admin") {
			t.Errorf("%+v", given)
		}
		h.ok(h.Grant(h.ctx(), asUser(ana), h.acme.ID, bob.ID, account.Scope{}, account.Admin))
		if given, err = h.GrantAll(h.ctx(), asUser(ana), h.acme.ID, bob.ID, h.whole(), []account.Role{account.UserAdmin}); err != nil || len(given.Warnings) != 0 {
			t.Errorf("%+v, %v", given, err)
		}
	})
}

func TestAnInvitationOfWhoIsShutOutIsBurnt(t *testing.T) {
	each(t, func(h *house) {
		ana, bob := h.owner("ana@acme.example"), h.person("bob@globex.example", account.Member)
		globex, _, err := h.CreateAccount(h.ctx(), theOperator, "globex", "globex", "", account.Enterprise)
		h.ok(err)
		h.proves(globex.ID, "globex.example")
		_, err = h.AddPerson(h.ctx(), theOperator, globex.ID, "bob@globex.example", "", account.Member)
		h.ok(err)
		third, _, err := h.CreateAccount(h.ctx(), theOperator, "third", "third", "", account.Enterprise)
		h.ok(err)
		waiting := func(a account.AccountID) account.LinkState {
			all, err := h.Invitations(h.ctx(), theOperator, a, "", "", 10)
			h.ok(err)
			return all[0].At(h.clock.now())
		}
		_, err = h.Invite(h.ctx(), theOperator, third.ID, Invite{Email: "bob@globex.example", Role: account.Member})
		h.ok(err)
		token := h.mailed("bob@globex.example")
		// An account that has no say over the address ends what is its own.
		_, err = h.RemoveFromAccount(h.ctx(), asUser(ana), h.acme.ID, bob.ID)
		h.ok(err)
		if s := waiting(third.ID); s != account.LinkPending {
			t.Errorf("acme's removal left it %s", s)
		}
		// The company of the address ends everything.
		_, err = h.RemoveFromAccount(h.ctx(), theOperator, globex.ID, bob.ID)
		h.ok(err)
		if s := waiting(third.ID); s != account.LinkRevoked {
			t.Errorf("it is %s", s)
		}
		_, err = h.AcceptInvitation(h.ctx(), asUser(bob), token)
		h.refuses(err, account.Conflict, "link_revoked")
		if line := h.auditHas(third.ID, "invitation.revoked", "done"); line.Reason == "" {
			t.Errorf("%+v", line)
		}
	})
}

func TestARoleOfATeamOrServiceThatIsGoneIsLeftOut(t *testing.T) {
	each(t, func(h *house) {
		ana, bob := h.owner("ana@acme.example"), h.aUser("bob@acme.example")
		one, token := h.invites(asUser(ana), Invite{Email: "bob@acme.example", Role: account.Member})
		h.ok(h.EnableService(h.ctx(), theOperator, h.acme.ID, "studio", true))
		_, err := h.AddInvitedRoles(h.ctx(), asUser(ana), h.acme.ID, one.ID, h.whole(), []account.Role{"registry:writer", "studio:viewer"})
		h.ok(err)
		h.ok(h.EnableService(h.ctx(), theOperator, h.acme.ID, "studio", false))
		w, err := h.AcceptInvitation(h.ctx(), asUser(bob), token)
		h.ok(err)
		if len(w.Left) != 1 || w.Left[0].Role != "studio:viewer" || account.HasRole(h.held(bob), h.whole(), "studio:viewer") || !account.HasRole(h.held(bob), h.whole(), "registry:writer") {
			t.Errorf("%+v, holds %+v", w.Left, h.held(bob))
		}
	})
}

// REQ A-08 D-17~
func TestPeopleAreListedByNameAndFoundByAPartOfIt(t *testing.T) {
	each(t, func(h *house) {
		ana := h.owner("ana@acme.example")
		want := []string{}
		for i := range 23 {
			u, err := h.AddPerson(h.ctx(), theOperator, h.acme.ID, fmt.Sprintf("u%02d@acme.example", 22-i), fmt.Sprintf("Person %02d", i), account.Member)
			h.ok(err)
			want = append(want, u.Email)
		}
		_, err := h.AddPerson(h.ctx(), theOperator, h.acme.ID, "jn@acme.example", "José  NÚÑEZ", account.Member)
		h.ok(err)
		h.invites(asUser(ana), Invite{Email: "new_one@acme.example", Role: account.Admin})
		list := func(part string, size int) (emails []string, total int) {
			for after := ""; ; {
				page, err := h.FindPeople(h.ctx(), asUser(ana), h.acme.ID, PeopleQuery{Part: part, After: after, Limit: size})
				h.ok(err)
				for _, p := range page.People {
					emails = append(emails, p.User.Email)
				}
				if after, total = page.Next, page.Total; after == "" {
					return emails, total
				}
			}
		}
		for _, size := range []int{1, 4, 100} {
			got, total := list("", size)
			if whole := slices.Concat([]string{"ana@acme.example", "jn@acme.example", "new_one@acme.example"}, want); !slices.Equal(got, whole) || total != 26 {
				t.Errorf("by %d: %d, %v", size, total, got)
			}
		}
		for part, one := range map[string]string{"nunez": "jn@acme.example", "NÚÑ": "jn@acme.example", "new_": "new_one@acme.example", "jose nu": "jn@acme.example", "person 07": want[7]} {
			if got, total := list(part, 10); !slices.Equal(got, []string{one}) || total != 1 {
				t.Errorf("%q finds %v", part, got)
			}
		}
		for _, part := range []string{"%", "u__", "nobody", "!"} {
			if got, _ := list(part, 10); len(got) != 0 {
				t.Errorf("%q finds %v", part, got)
			}
		}
		page, err := h.FindPeople(h.ctx(), asUser(ana), h.acme.ID, PeopleQuery{Part: "new_one", Limit: 5})
		h.ok(err)
		if p := page.People[0]; p.Tenancy.Status != account.TenancyInvited || p.Tenancy.Role != account.Admin || p.Invitation == "" || p.User.ID != "" {
			t.Errorf("%+v", p)
		}
		for _, after := range []string{"%%", "bm9ibGFuaw", "AAAgAA"} {
			_, err := h.FindPeople(h.ctx(), asUser(ana), h.acme.ID, PeopleQuery{After: after})
			h.refuses(err, account.Invalid, "")
		}
		bob := h.person("bob@acme.example", account.Member)
		_, err = h.FindPeople(h.ctx(), asUser(bob), h.acme.ID, PeopleQuery{})
		h.refuses(err, account.Forbidden, "")
	})
}

// A page of a large list is read where the one before ended, by the index that holds all it goes by.
func TestAPageOfPeopleIsReadFromWhereTheLastOneEnded(t *testing.T) {
	h := newHouse(t, "sqlite:"+t.TempDir()+"/house.db")
	ana := h.owner("ana@acme.example")
	var asked string
	h.db.Traced = func(text string) {
		if strings.Contains(text, "everybody ORDER BY") {
			asked = text
		}
	}
	_, err := h.FindPeople(h.ctx(), asUser(ana), h.acme.ID, PeopleQuery{Limit: 10})
	h.ok(err)
	db, err := sql.Open("sqlite", strings.TrimPrefix(h.url, "sqlite:"))
	h.ok(err)
	defer db.Close()
	plan := strings.Join(h.plan(db, asked), "\n")
	if !strings.Contains(plan, "SEARCH t USING COVERING INDEX tenancies_list (account_id=? AND (sort_key,user_id)>(?,?))") &&
		!strings.Contains(plan, "SEARCH t USING INDEX tenancies_list (account_id=? AND (sort_key,user_id)>(?,?))") {
		t.Errorf("it is read so:\n%s", plan)
	}
}

func FuzzReadPeopleCursor(f *testing.F) {
	f.Add(peopleCursor("ana ruiz", "usr_1"))
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, s string) {
		key, id, err := readPeopleCursor(s)
		if err != nil || s == "" {
			return
		}
		if k, i, err := readPeopleCursor(peopleCursor(key, id)); k != key || i != id || err != nil {
			t.Errorf("%q %q comes back as %q %q, %v", key, id, k, i, err)
		}
		if strings.ContainsRune(key+id, 0) || !utf8.ValidString(key+id) {
			t.Errorf("a database cannot take %q %q", key, id)
		}
	})
}

// REQ D-07
func TestOnlyOwnersAndUserAdminsOfTheOrgManagePeople(t *testing.T) {
	each(t, func(h *house) {
		ana, ben := h.owner("ana@acme.example"), h.person("ben@acme.example", account.Member)
		team := h.team("research")
		i, _ := h.invites(asUser(ana), Invite{Email: "new@acme.example", Role: account.Member})
		boss := h.person("boss@acme.example", account.Member)
		h.ok(h.Grant(h.ctx(), asUser(ana), h.acme.ID, boss.ID, h.whole(), account.UserAdmin))
		for name, give := range map[string]struct {
			s account.Scope
			r account.Role
		}{"account-admin": {account.Scope{}, account.Admin}, "service-admin": {h.whole(), "registry:admin"}, "team-admin": {h.in(team), account.UserAdmin}} {
			u := h.person(name+"@acme.example", account.Member)
			h.ok(h.Grant(h.ctx(), asUser(ana), h.acme.ID, u.ID, give.s, give.r))
			by := asUser(u)
			all := map[string]error{}
			_, all["invite"] = h.Invite(h.ctx(), by, h.acme.ID, Invite{Email: "x@acme.example", Role: account.Member})
			_, all["resend"] = h.ResendInvitation(h.ctx(), by, h.acme.ID, i.ID)
			all["revoke"] = h.RevokeInvitation(h.ctx(), by, h.acme.ID, i.ID)
			_, all["invitations"] = h.Invitations(h.ctx(), by, h.acme.ID, "", "", 1)
			_, all["roles of an invitation"] = h.AddInvitedRoles(h.ctx(), by, h.acme.ID, i.ID, h.whole(), []account.Role{"registry:reader"})
			_, all["roles"] = h.Assign(h.ctx(), by, h.acme.ID, "ben@acme.example", h.whole(), []account.Role{"registry:reader"})
			_, all["people"] = h.FindPeople(h.ctx(), by, h.acme.ID, PeopleQuery{})
			_, all["remove"] = h.RemoveFromOrg(h.ctx(), by, h.acme.ID, ben.ID)
			_, all["remove from account"] = h.RemoveFromAccount(h.ctx(), by, h.acme.ID, ben.ID)
			_, all["disable"] = h.Disable(h.ctx(), by, h.acme.ID, ben.ID)
			for what, err := range all {
				if account.KindOf(err) != account.Forbidden {
					t.Errorf("%s may %s: %v", name, what, err)
				}
			}
		}
		_, err := h.FindPeople(h.ctx(), asUser(boss), h.acme.ID, PeopleQuery{})
		h.ok(err)
		_, err = h.Invite(h.ctx(), asUser(boss), h.acme.ID, Invite{Email: "y@acme.example", Role: account.Admin})
		h.refuses(err, account.Forbidden, "") // nobody gives more than they hold
	})
}
