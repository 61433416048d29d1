package store

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// open makes the registry usable in external groups, as the shipped catalogue has it.
func (h *house) openRegistry() {
	cat := catalogue
	cat.Services = append([]account.Service{}, catalogue.Services...)
	cat.Services[0].Groups = true
	cat.Relying = []account.Relying{{ID: "platform", Label: "Platform", Origins: []string{"https://platform.example"}}}
	h.Ledger.catalogue.Store(&cat)
}

// alpha is a group whose admin is the owner who made it.
func (h *house) alpha(owner account.User) account.ExternalGroup {
	h.Helper()
	h.openRegistry()
	g, err := h.CreateGroup(h.ctx(), asUser(owner), h.acme.ID, GroupSettings{Name: "Project Alpha"}, "")
	h.ok(err)
	return g
}

// outsider is somebody with no place in acme.
func (h *house) outsider(email string) account.User {
	h.Helper()
	u := account.User{ID: account.NewID[account.UserID](h.clock.now(), h.opt.Random), Email: email, State: account.UserActive, CreatedAt: h.clock.now()}
	h.ok(h.db.Write(h.ctx(), func(tx *table.Tx) error { return tx.InsertUser(u) }))
	return u
}

// seat puts somebody into a group as if they had accepted an invitation.
func (h *house) seat(g account.ExternalGroup, email string, r account.Role) account.User {
	h.Helper()
	u := h.outsider(email)
	h.ok(h.db.Write(h.ctx(), func(tx *table.Tx) error {
		tx.Gain(table.OfUser(u.ID))
		return tx.PutGroupMember(g.Account, g.ID, u.ID, r, "test", h.clock.now())
	}))
	return u
}

// REQ F-04
func TestTheLastFreeGroupOfAnOrgIsMadeOnce(t *testing.T) {
	each(t, func(h *house) {
		ana := h.owner("ana@acme.example")
		h.alpha(ana)
		h.ok(h.db.Write(h.ctx(), func(tx *table.Tx) error {
			for i := 1; i < groupsPerOrg-1; i++ {
				g := account.ExternalGroup{ID: account.NewID[account.GroupID](h.clock.now(), h.opt.Random), Account: h.acme.ID, Name: fmt.Sprintf("group %d", i), CreatedAt: h.clock.now()}
				if err := tx.InsertGroup(g); err != nil {
					return err
				}
			}
			return nil
		}))
		made := h.atOnce(8, func(i int) error {
			_, err := h.CreateGroup(h.ctx(), asUser(ana), h.acme.ID, GroupSettings{Name: fmt.Sprintf("one of eight, %d", i)}, "")
			return err
		}, account.Conflict, "group_limit")
		if made != 1 {
			h.Errorf("%d groups were made where one was left", made)
		}
	})
}

// atOnce runs do n times at the same moment, and says how often it went well; whatever else happened has to be a refusal of that kind.
func (h *house) atOnce(n int, do func(int) error, kind account.ErrorKind, code string) (well int) {
	h.Helper()
	for _, err := range together(n, do) {
		if err == nil {
			well++
			continue
		}
		h.refuses(err, kind, code)
	}
	return well
}

// REQ F-05
func TestTheLastSeatOfAGroupIsTakenOnce(t *testing.T) {
	each(t, func(h *house) {
		ana := h.owner("ana@acme.example")
		g := h.alpha(ana)
		now := h.clock.now()
		h.ok(h.db.Write(h.ctx(), func(tx *table.Tx) error {
			for i := range usersPerGroup - 101 { // Ana has one, too
				u := account.User{ID: account.NewID[account.UserID](now, h.opt.Random), Email: fmt.Sprintf("p%d@partner.example", i), State: account.UserActive, CreatedAt: now}
				if err := tx.InsertUser(u); err != nil {
					return err
				}
				if err := tx.PutGroupMember(h.acme.ID, g.ID, u.ID, account.Member, "test", now); err != nil {
					return err
				}
			}
			return nil
		}))
		var emails []string
		for i := range 99 {
			emails = append(emails, fmt.Sprintf("asked%d@partner.example", i))
		}
		pending, err := h.InviteToGroup(h.ctx(), asUser(ana), g.ID, GroupInvite{Emails: emails, Role: account.Member, Validity: time.Hour})
		h.ok(err)
		invite := func(i int) error {
			_, err := h.InviteToGroup(h.ctx(), asUser(ana), g.ID, GroupInvite{Emails: []string{fmt.Sprintf("late%d@partner.example", i)}, Role: account.Member})
			return err
		}
		if n := h.atOnce(8, invite, account.Conflict, "group_full"); n != 1 {
			h.Errorf("%d were invited where one seat was left", n)
		}
		full := h.refuses(invite(9), account.Conflict, "group_full")
		if want := "Project Alpha has 1000 seats: 900 are taken, and pending invitations hold 100."; full.Message != want {
			h.Errorf("it says %q", full.Message)
		}
		h.clock.turn(time.Hour) // what has run out holds no seat: only the late one's, which is good for a week
		if n := h.atOnce(4, func(i int) error { return invite(20 + i) }, account.Conflict, "group_full"); n != 4 {
			h.Errorf("%d of 4 were invited", n)
		}
		for _, i := range pending[:95] {
			_, err := h.ResendGroupInvitation(h.ctx(), asUser(ana), g.ID, i.ID)
			h.ok(err)
		}
		// All 1000 are taken again, and an invitation that ran out is not sent again until one is free.
		again := func(int) error {
			_, err := h.ResendGroupInvitation(h.ctx(), asUser(ana), g.ID, pending[98].ID)
			return err
		}
		h.refuses(again(0), account.Conflict, "group_full")
		h.ok(h.RevokeGroupInvitation(h.ctx(), asUser(ana), g.ID, pending[0].ID))
		h.ok(again(0))
	})
}

// REQ T-02, F-06, F-08, F-18, F-19, F-20
func TestWhoManagesAnOrgDoesNotManageWhoIsInItsGroups(t *testing.T) {
	each(t, func(h *house) {
		ana, olga := h.owner("ana@acme.example"), h.owner("olga@acme.example")
		plain := h.person("ben@acme.example", account.Member)
		g := h.alpha(ana)
		admin, operator := h.seat(g, "ada@partner.example", account.Admin), h.seat(g, "otto@partner.example", account.Operator)
		member, other := h.seat(g, "mia@partner.example", account.Member), h.seat(g, "max@partner.example", account.Member)
		stranger := h.outsider("sam@elsewhere.example")

		_, err := h.CreateGroup(h.ctx(), asUser(plain), h.acme.ID, GroupSettings{Name: "Theirs"}, "")
		h.refuses(err, account.Forbidden, "")
		invite := func(by account.User, r account.Role) error {
			_, err := h.InviteToGroup(h.ctx(), asUser(by), g.ID, GroupInvite{Emails: []string{fmt.Sprintf("%s.%s@partner.example", by.ID[4:], r)}, Role: r})
			return err
		}
		remove := func(by, who account.User) error {
			_, err := h.LeaveGroup(h.ctx(), asUser(by), g.ID, who.ID)
			return err
		}
		role := func(by, who account.User, r account.Role) error {
			_, err := h.SetGroupRole(h.ctx(), asUser(by), g.ID, who.ID, r)
			return err
		}
		for _, r := range []account.Role{account.Admin, account.Operator, account.Member} {
			h.refuses(invite(olga, r), account.Forbidden, "group_role_needed")
			h.refuses(invite(member, r), account.Forbidden, "group_role_needed")
			h.refuses(invite(stranger, r), account.NotFound, "no_group")
			h.refuses(invite(plain, r), account.NotFound, "no_group")
			h.ok(invite(admin, r))
		}
		h.ok(invite(operator, account.Member))
		h.refuses(invite(operator, account.Operator), account.Forbidden, "group_role_needed")
		h.refuses(invite(operator, account.Admin), account.Forbidden, "group_role_needed")

		h.refuses(remove(olga, member), account.Forbidden, "group_role_needed")
		h.refuses(remove(member, other), account.Forbidden, "group_role_needed")
		h.refuses(remove(operator, admin), account.Forbidden, "group_role_needed")
		h.refuses(role(operator, member, account.Operator), account.Forbidden, "group_role_needed")
		h.refuses(role(olga, member, account.Operator), account.Forbidden, "group_role_needed")
		h.ok(remove(operator, other))
		h.ok(role(admin, member, account.Operator))
		h.ok(remove(admin, ana)) // who made the group is an admin like any other
		h.refuses(remove(admin, admin), account.Conflict, "last_admin")
		h.refuses(role(admin, admin, account.Member), account.Conflict, "last_admin")

		// Ana is an owner still: she changes what the group gives, and removes in an emergency, the last admin too.
		for _, by := range []account.User{admin, operator, member} {
			h.refuses(h.Permit(h.ctx(), asUser(by), g.ID, "", "registry:reader"), account.Forbidden, "")
			h.refuses(h.DeleteGroup(h.ctx(), asUser(by), g.ID), account.Forbidden, "")
			_, err := h.ExpelFromGroup(h.ctx(), asUser(by), g.ID, member.ID, "")
			h.refuses(err, account.Forbidden, "")
		}
		h.ok(h.Permit(h.ctx(), asUser(ana), g.ID, "", "registry:reader"))
		h.refuses(h.AdoptGroup(h.ctx(), asUser(olga), g.ID), account.Conflict, "has_admin")
		_, err = h.ExpelFromGroup(h.ctx(), asUser(olga), g.ID, admin.ID, "their laptop was stolen")
		h.ok(err)
		h.refuses(h.AdoptGroup(h.ctx(), asUser(admin), g.ID), account.NotFound, "no_group")
		h.ok(h.AdoptGroup(h.ctx(), asUser(olga), g.ID))
		h.ok(invite(olga, account.Admin))
	})
}

// REQ F-01, F-03, F-11, F-12, F-13
func TestAGroupGivesWhatItGivesAndNothingElse(t *testing.T) {
	each(t, func(h *house) {
		ana := h.owner("ana@acme.example")
		g, research := h.alpha(ana), h.team("research")
		mia := h.seat(g, "mia@partner.example", account.Member)
		may := func(team account.TeamID, r account.Role) bool {
			h.Helper()
			ok, err := h.May(h.ctx(), h.acme.ID, mia.ID, team, r)
			h.ok(err)
			return ok
		}
		h.refuses(h.Permit(h.ctx(), asUser(ana), g.ID, "", "studio:viewer"), account.Invalid, "service_not_for_groups")
		h.refuses(h.Permit(h.ctx(), asUser(ana), g.ID, "", account.UserAdmin), account.Invalid, "service_not_for_groups")
		offered, err := h.GroupRoles(h.ctx(), asUser(ana), h.acme.ID)
		h.ok(err)
		if fmt.Sprint(offered) != "[registry:reader registry:writer registry:admin]" {
			h.Errorf("offered are %v", offered)
		}
		h.ok(h.Permit(h.ctx(), asUser(ana), g.ID, research.ID, "registry:writer"))
		if may("", "registry:writer") || !may(research.ID, "registry:writer") || may(research.ID, "registry:reader") {
			h.Error("a permission in a team holds in it alone")
		}
		h.ok(h.EnableService(h.ctx(), theOperator, h.acme.ID, "registry", false))
		if may(research.ID, "registry:writer") {
			h.Error("the org does not have the service any more")
		}
		h.refuses(h.MayExternally(h.ctx(), h.acme.ID, mia.ID, research.ID, "registry:writer"), account.Forbidden, "service_not_enabled")
		// It came with a subscription, and goes with it: that is named (F-12).
		h.ok(h.db.Write(h.ctx(), func(tx *table.Tx) error {
			tx.Gain(table.OfAccount(h.acme.ID))
			if err := tx.SetSubscribed(h.acme.ID, []string{"registry"}); err != nil {
				return err
			}
			return tx.InsertSubscription(account.Subscription{ID: account.NewID[account.SubscriptionID](h.clock.now(), h.opt.Random), Account: h.acme.ID, Product: "starter", Label: "Starter",
				Services: []string{"registry"}, State: account.SubscriptionActive, From: h.clock.now(), Until: h.clock.now().Add(time.Hour), Source: account.FromCertificate, By: "test"})
		}))
		if !may(research.ID, "registry:writer") {
			h.Error("the subscription carries the service")
		}
		h.clock.turn(time.Hour)
		h.ok(h.ExpireSubscriptions(h.ctx()))
		if why := h.refuses(h.MayExternally(h.ctx(), h.acme.ID, mia.ID, research.ID, "registry:writer"), "conflict", "subscription_required"); !strings.Contains(why.Message, "Starter") {
			h.Errorf("it says %q", why.Message)
		}
		h.ok(h.EnableService(h.ctx(), theOperator, h.acme.ID, "registry", true))
		h.ok(h.Forbid(h.ctx(), asUser(ana), g.ID, research.ID, "registry:writer"))
		if may(research.ID, "registry:writer") {
			h.Error("the permission was taken back")
		}
		h.refuses(h.MayExternally(h.ctx(), h.acme.ID, mia.ID, research.ID, "registry:writer"), account.Forbidden, "role_missing")
		// She is nobody's colleague.
		_, err = h.People(h.ctx(), asUser(mia), h.acme.ID, "", 10)
		h.refuses(err, account.NotFound, "no_account")
		people, err := h.People(h.ctx(), asUser(ana), h.acme.ID, "", 10)
		h.ok(err)
		for _, p := range people {
			if p.User.ID == mia.ID {
				h.Error("she is in the list of the account's people")
			}
		}
	})
}

// REQ F-16, F-23
func TestAnInvitationSaysWhatItMay(t *testing.T) {
	each(t, func(h *house) {
		ana := h.owner("ana@acme.example")
		g := h.alpha(ana)
		for _, c := range []struct {
			in   GroupInvite
			code string
		}{
			{GroupInvite{Role: account.Member, Validity: 59 * time.Minute}, "bad_expiry"},
			{GroupInvite{Role: account.Member, Validity: 31 * 24 * time.Hour}, "bad_expiry"},
			{GroupInvite{Role: account.Operator, ServiceURL: "https://platform.example/signin", Seamless: true}, "no_redirection"},
			{GroupInvite{Role: account.Admin, Seamless: true}, "no_redirection"},
			{GroupInvite{Role: account.Member, Seamless: true}, "no_redirection"},
			{GroupInvite{Role: account.Member, ServiceURL: "https://platform.example/signin"}, "no_redirection"},
			{GroupInvite{Role: account.Member, ServiceURL: "https://evil.example/signin", Seamless: true}, "unknown_origin"},
			{GroupInvite{Role: account.Member, ServiceURL: "https://platform.example@evil.example/", Seamless: true}, "unknown_origin"},
			{GroupInvite{Role: account.Member, ServiceURL: "javascript:alert(1)", Seamless: true}, "unknown_origin"},
			{GroupInvite{Role: account.Owner}, ""},
		} {
			c.in.Emails = []string{"mia@partner.example"}
			_, err := h.InviteToGroup(h.ctx(), asUser(ana), g.ID, c.in)
			h.refuses(err, account.Invalid, c.code)
		}
		all, err := h.InviteToGroup(h.ctx(), asUser(ana), g.ID, GroupInvite{Emails: []string{"Mia@partner.example", "mia@partner.example", "max@partner.example"}, Role: account.Member,
			Validity: 30 * 24 * time.Hour, ServiceURL: "https://platform.example/signin", Seamless: true})
		h.ok(err)
		if len(all) != 2 || all[0].Email != "max@partner.example" || all[1].Role != account.Member || !all[1].Until.Equal(h.clock.now().Add(30*24*time.Hour)) {
			h.Errorf("invited are %+v", all)
		}
		_, err = h.InviteToGroup(h.ctx(), asUser(ana), g.ID, GroupInvite{Emails: []string{"new@partner.example", "mia@partner.example"}, Role: account.Admin})
		h.refuses(err, account.Conflict, "already_invited")
		left, err := h.GroupInvitations(h.ctx(), asUser(ana), g.ID, "", 10)
		h.ok(err)
		if len(left) != 2 {
			h.Errorf("of a refused invitation somebody was invited: %+v", left)
		}
	})
}

// Whoever is shut out by another company keeps what is theirs here only while they may come in; an account whose own people leave it does not
// leave them a way in from the side.
func TestShutOutMeansOutOfGroupsToo(t *testing.T) {
	each(t, func(h *house) {
		ana, ben := h.owner("ana@acme.example"), h.person("ben@acme.example", account.Member)
		g := h.alpha(ana)
		h.ok(h.Permit(h.ctx(), asUser(ana), g.ID, "", "registry:reader"))
		h.ok(h.db.Write(h.ctx(), func(tx *table.Tx) error {
			return tx.PutGroupMember(h.acme.ID, g.ID, ben.ID, account.Member, "test", h.clock.now())
		}))
		mia := h.seat(g, "mia@partner.example", account.Member)
		may := func(u account.User) bool {
			h.Helper()
			ok, err := h.May(h.ctx(), h.acme.ID, u.ID, "", "registry:reader")
			h.ok(err)
			return ok
		}
		if !may(ben) || !may(mia) {
			h.Fatal("the group gives nothing")
		}
		h.ok(h.SetUserState(h.ctx(), theOperator, mia.ID, account.UserDisabled))
		if may(mia) {
			h.Error("who is disabled may use what a group gives")
		}
		h.ok(h.SetUserState(h.ctx(), theOperator, mia.ID, account.UserActive))
		if !may(mia) {
			h.Error("a place in a group was lost")
		}
		_, err := h.Disable(h.ctx(), asUser(ana), h.acme.ID, ben.ID)
		h.ok(err)
		if may(ben) {
			h.Error("whose place is suspended may use what a group of the account gives")
		}
		h.ok(h.Enable(h.ctx(), asUser(ana), h.acme.ID, ben.ID))
		_, err = h.RemoveFromAccount(h.ctx(), asUser(ana), h.acme.ID, ben.ID)
		h.ok(err)
		if may(ben) {
			h.Error("who was removed from the account came back through its group")
		}
		people, err := h.GroupMembers(h.ctx(), asUser(ana), g.ID, "", 10)
		h.ok(err)
		if len(people) != 2 {
			h.Errorf("in the group are %+v", people)
		}
	})
}
