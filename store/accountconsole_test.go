package store

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// accountOwnerOf makes somebody owner of acme and its org.
func (h *house) accountOwnerOf(email string) account.User {
	h.Helper()
	u := h.person(email, account.Owner)
	h.ok(h.Grant(h.ctx(), theOperator, h.acme.ID, u.ID, h.whole(), account.Owner))
	return u
}

// REQ A-05
func TestAnAccountHasOneOwnerAndAdministrators(t *testing.T) {
	each(t, func(h *house) {
		olga, ana, bob := h.accountOwnerOf("olga@acme.example"), h.person("ana@acme.example", account.Member), h.person("bob@acme.example", account.Member)
		set := func(by account.User, u account.User, r account.Role) error {
			return h.SetAccountRole(h.ctx(), asUser(by), h.acme.ID, u.ID, r)
		}
		if e := h.refuses(set(olga, ana, account.Owner), account.Conflict, "owner_limit"); !strings.Contains(e.Help, "admin") {
			h.Errorf("%+v", e)
		}
		h.refuses(set(bob, ana, account.Admin), account.Forbidden, "")
		h.ok(set(olga, ana, account.Admin))
		h.ok(set(ana, bob, account.Admin))
		h.ok(set(ana, bob, account.Admin)) // twice changes nothing
		h.refuses(set(ana, olga, account.Member), account.Conflict, "account_owner")
		h.ok(h.Grant(h.ctx(), theOperator, h.acme.ID, bob.ID, h.whole(), account.Owner))
		h.refuses(set(ana, bob, account.Member), account.Conflict, "account_admin_needed")
		h.ok(h.Withdraw(h.ctx(), theOperator, h.acme.ID, bob.ID, h.whole(), account.Owner))
		h.clock.turn(time.Second) // so that its line is the newest
		h.ok(set(ana, bob, account.Member))
		if held := h.held(bob); account.HasRole(held, account.Scope{}, account.Admin) || !account.HasRole(held, account.Scope{}, account.Member) {
			h.Errorf("%+v", held)
		}
		h.refuses(set(bob, ana, account.Member), account.Forbidden, "")
		h.refuses(h.SetAccountRole(h.ctx(), asUser(olga), h.acme.ID, "usr_nobody", account.Admin), account.NotFound, "")
		h.refuses(set(olga, ana, account.UserAdmin), account.Invalid, "")
		if l := h.auditHas(h.acme.ID, "account_role.changed", "done"); l.Target != string(bob.ID) || l.Detail["to"] != "member" {
			h.Errorf("%+v", l)
		}
	})
}

// REQ A-05 T-15
func TestTheSeatOfTheAccountOwnerIsTakenOnce(t *testing.T) {
	each(t, func(h *house) {
		other := h.reopen()
		emails := []string{"a@acme.example", "b@acme.example", "c@acme.example", "d@acme.example"}
		errs := together(len(emails), func(i int) error {
			_, err := []*Ledger{h.Ledger, other}[i%2].AddPerson(h.ctx(), theOperator, h.acme.ID, emails[i], "", account.Owner)
			return err
		})
		if countNil(errs) != 1 {
			h.Errorf("%v", errs)
		}
	})
}

// REQ T-15
func TestOwnershipMovesByTransferAlone(t *testing.T) {
	each(t, func(h *house) {
		olga, ana, bob := h.accountOwnerOf("olga@acme.example"), h.person("ana@acme.example", account.Member), h.owner("bob@acme.example")
		give := func(by, to account.User) error { return h.TransferOwnership(h.ctx(), asUser(by), h.acme.ID, to.ID) }
		h.refuses(give(olga, ana), account.Conflict, "account_admin_needed")
		h.ok(h.SetAccountRole(h.ctx(), asUser(olga), h.acme.ID, ana.ID, account.Admin))
		h.refuses(give(olga, ana), account.Conflict, "org_owner_needed")
		h.ok(h.Grant(h.ctx(), asUser(olga), h.acme.ID, ana.ID, h.whole(), account.Owner))
		h.refuses(give(bob, ana), account.Forbidden, "") // an org owner is not the account's
		h.refuses(h.TransferOwnership(h.ctx(), asUser(olga), h.acme.ID, "usr_nobody"), account.NotFound, "")
		h.ok(h.SetUserState(h.ctx(), theOperator, ana.ID, account.UserDisabled))
		h.refuses(give(olga, ana), account.Conflict, "not_active")
		h.ok(h.SetUserState(h.ctx(), theOperator, ana.ID, account.UserActive))
		// Two at once: one wins, and the account has one owner.
		other := h.reopen()
		errs := together(2, func(i int) error {
			return []*Ledger{h.Ledger, other}[i].TransferOwnership(h.ctx(), asUser(olga), h.acme.ID, []account.User{ana, bob}[i].ID)
		})
		if countNil(errs) != 1 {
			h.Fatalf("%v", errs)
		}
		winner, loser := ana, bob
		if errs[0] != nil {
			winner, loser = bob, ana
		}
		p, err := h.AccountProfile(h.ctx(), asUser(loser), h.acme.ID)
		h.ok(err)
		if p.Owner.ID != winner.ID {
			h.Errorf("the owner is %+v", p.Owner)
		}
		if held := h.held(olga); account.HasRole(held, account.Scope{}, account.Owner) || !account.HasRole(held, account.Scope{}, account.Admin) ||
			!account.HasRole(held, h.whole(), account.Owner) {
			h.Errorf("who stepped down holds %+v", held)
		}
		letters, err := h.Letters(h.ctx(), theOperator, h.acme.ID, "", "", 10)
		h.ok(err)
		var told []string
		for _, l := range letters {
			if l.Name == "ownership_transferred" {
				told = append(told, l.To)
			}
		}
		slices.Sort(told)
		want := []string{winner.Email, "olga@acme.example"}
		slices.Sort(want)
		if !slices.Equal(told, want) {
			h.Errorf("told: %q", told)
		}
		if l := h.auditHas(h.acme.ID, "account.ownership_transferred", "done"); l.Target != string(winner.ID) || l.Actor != "user:"+string(olga.ID) {
			h.Errorf("%+v", l)
		}
		h.refuses(give(olga, loser), account.Forbidden, "")
		h.ok(h.TransferOwnership(h.ctx(), theOperator, h.acme.ID, loser.ID))
	})
}

// REQ A-09 A-10
func TestAnAccountIsDescribedAndBilled(t *testing.T) {
	each(t, func(h *house) {
		olga, ana, bob := h.accountOwnerOf("olga@acme.example"), h.person("ana@acme.example", account.Admin), h.person("bob@acme.example", account.Member)
		done := func() map[account.TaskID]bool {
			h.Helper()
			tasks, err := h.Checklist(h.ctx(), asUser(olga), h.acme.ID)
			h.ok(err)
			out, recommended := map[account.TaskID]bool{}, 0
			for _, t := range tasks {
				out[t.ID] = t.Done
				if t.Recommended {
					recommended++
				}
			}
			if len(tasks) != 4 || recommended != 2 {
				h.Errorf("%+v", tasks)
			}
			return out
		}
		if d := done(); d[account.TaskRecovery] || !d[account.TaskAdmins] || d[account.TaskCompany] || !d[account.TaskTenancies] {
			h.Errorf("%+v", d)
		}
		_, err := h.Checklist(h.ctx(), asUser(bob), h.acme.ID)
		h.refuses(err, account.Forbidden, "")
		company := account.Company{Name: "Acme Ltd", Country: "GB"}
		h.refuses(h.SaveAccountProfile(h.ctx(), asUser(bob), h.acme.ID, "", company), account.Forbidden, "")
		h.ok(h.SaveAccountProfile(h.ctx(), asUser(ana), h.acme.ID, "What we make", company))
		p, err := h.AccountProfile(h.ctx(), asUser(bob), h.acme.ID)
		h.ok(err)
		if p.Company != company || p.Description != "What we make" || p.Owner.Email != "olga@acme.example" {
			h.Errorf("%+v", p)
		}
		if !done()[account.TaskCompany] {
			h.Error("company information counts for nothing")
		}
		bill := account.Billing{Name: "Acme Ltd", Email: "invoices@acme.example", Reference: "PO 7"}
		h.refuses(h.SaveBilling(h.ctx(), asUser(ana), h.acme.ID, bill), account.Forbidden, "")
		h.ok(h.SaveBilling(h.ctx(), asUser(olga), h.acme.ID, bill))
		got, found, err := h.Billing(h.ctx(), asUser(olga), h.acme.ID)
		h.ok(err)
		if !found || got != bill {
			h.Errorf("%+v", got)
		}
		_, _, err = h.Billing(h.ctx(), asUser(bob), h.acme.ID)
		h.refuses(err, account.Forbidden, "")
		bill.Reference = "4111 1111 1111 1111"
		h.refuses(h.SaveBilling(h.ctx(), asUser(olga), h.acme.ID, bill), account.Invalid, "card_number")
		if strings.Contains(h.dump(), "4111") {
			h.Error("the database holds a card number")
		}
		stranger, _, err := h.CreateAccount(h.ctx(), theOperator, "globex", "globex", "", account.Enterprise)
		h.ok(err)
		eve, err := h.AddPerson(h.ctx(), theOperator, stranger.ID, "eve@globex.example", "", account.Owner)
		h.ok(err)
		_, _, err = h.Billing(h.ctx(), asUser(eve), h.acme.ID)
		h.refuses(err, account.NotFound, "no_account")
		_, err = h.Tenants(h.ctx(), asUser(eve), h.acme.ID, "", 10)
		h.refuses(err, account.NotFound, "no_account")
	})
}

// REQ A-07
func TestAnAccountAdminWithoutARoleInTheOrgDoesNotSeeIt(t *testing.T) {
	each(t, func(h *house) {
		h.sells("catalog")
		h.ok(h.EnableService(h.ctx(), theOperator, h.acme.ID, "catalog", true))
		h.owner("olga@acme.example")
		ana, bob := h.person("ana@acme.example", account.Admin), h.person("bob@acme.example", account.Member)
		_, err := h.OrgProfile(h.ctx(), asUser(ana), "acme")
		h.refuses(err, account.NotFound, "no_account")
		_, err = h.Team(h.ctx(), asUser(ana), h.acme.ID, string(h.team("x").ID))
		h.refuses(err, account.NotFound, "no_account")
		for _, s := range []account.Scope{h.whole()} {
			h.refuses(h.Grant(h.ctx(), asUser(ana), h.acme.ID, bob.ID, s, "registry:reader"), account.Forbidden, "")
			h.refuses(h.Grant(h.ctx(), asUser(ana), h.acme.ID, bob.ID, s, account.Owner), account.Forbidden, "")
		}
		tenants, err := h.Tenants(h.ctx(), asUser(ana), h.acme.ID, "", 10)
		h.ok(err)
		if len(tenants) != 3 {
			h.Errorf("%+v", tenants)
		}
		h.ok(h.Grant(h.ctx(), theOperator, h.acme.ID, ana.ID, h.whole(), "registry:reader"))
		p, err := h.OrgProfile(h.ctx(), asUser(ana), "acme")
		h.ok(err)
		if p.Owners != 1 || p.OwnerLimit != 3 {
			h.Errorf("%+v", p)
		}
	})
}

// REQ A-12
func TestAccountMembersHoldWhatTheCatalogueGivesEverybody(t *testing.T) {
	each(t, func(h *house) {
		h.sells("catalog")
		bob := h.person("bob@acme.example", account.Member)
		may := func(a account.AccountID, u account.User) bool {
			h.Helper()
			ok, err := h.MayReach(h.ctx(), a, u.ID, "", "catalog")
			h.ok(err)
			return ok
		}
		if may(h.acme.ID, bob) {
			h.Error("a service that the org does not have is reached")
		}
		h.ok(h.EnableService(h.ctx(), theOperator, h.acme.ID, "catalog", true))
		if !may(h.acme.ID, bob) {
			h.Error("a member does not reach the catalog")
		}
		held := h.held(bob)
		i := slices.IndexFunc(held, func(o account.Held) bool { return o.Role == "catalog:reader" })
		if i < 0 || held[i].Scope != h.whole() || len(held[i].Sources) != 1 || held[i].Sources[0].Kind != account.SourceMember || account.HasRole(held, h.whole(), "catalog:admin") {
			h.Errorf("%+v", held)
		}
		h.refuses(h.Withdraw(h.ctx(), theOperator, h.acme.ID, bob.ID, h.whole(), "catalog:reader"), account.NotFound, "")
		// It ends with the place in the account, and in an individual org its one user alone has it (B-04).
		_, err := h.RemoveFromAccount(h.ctx(), theOperator, h.acme.ID, bob.ID)
		h.ok(err)
		if may(h.acme.ID, bob) {
			h.Error("somebody without a place in the account reaches the catalog")
		}
		ana := h.person("ana@acme.example", account.Member)
		solo, _, err := h.OpenAccount(h.ctx(), asUser(ana), "solo")
		h.ok(err)
		cleo, err := h.AddPerson(h.ctx(), theOperator, solo.ID, "cleo@solo.example", "", account.Member)
		h.ok(err)
		if !may(solo.ID, ana) || may(solo.ID, cleo) {
			h.Error("in an individual org its one user reaches the catalog, and nobody else")
		}
	})
}
