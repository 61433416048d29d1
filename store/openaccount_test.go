package store

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// REQ A-03 A-04 A-06 A-13 B-02~ B-03
func TestWhoSignsUpOwnsAnAccountAndItsIndividualOrg(t *testing.T) {
	each(t, func(h *house) {
		h.sells("catalog")
		ana := h.person("ana@acme.example", account.Member)
		_, _, err := h.OpenAccount(h.ctx(), asUser(ana), "Ana Labs")
		if e := h.refuses(err, account.Invalid, ""); e.Pointer != "/name" || !strings.Contains(e.Help, "Ana-Labs") {
			h.Errorf("%+v", e)
		}
		a, o, err := h.OpenAccount(h.ctx(), asUser(ana), "Ana-Labs")
		h.ok(err)
		if a.Number == "" || a.Number != o.Number || o.Name != "ana-labs" || o.Type != account.Individual || !slices.Equal(o.Services, []string{"catalog"}) {
			h.Errorf("%+v %+v", a, o)
		}
		p, err := h.Person(h.ctx(), theOperator, a.ID, ana.ID)
		h.ok(err)
		if !account.HasRole(p.Roles, account.Scope{}, account.Owner) || !account.HasRole(p.Roles, account.Scope{Org: o.ID}, account.Owner) {
			h.Errorf("%+v", p.Roles)
		}
		if l := h.auditHas(a.ID, "account.created", "done"); l.Detail["way"] != "portal" || l.Actor != "user:"+string(ana.ID) {
			h.Errorf("%+v", l)
		}
		letters, err := h.Letters(h.ctx(), theOperator, a.ID, "", "", 10)
		h.ok(err)
		if len(letters) != 1 || letters[0].Name != "account_welcome" || letters[0].To != "ana@acme.example" {
			h.Errorf("%+v", letters)
		}
		_, _, err = h.OpenAccount(h.ctx(), asUser(ana), "ana-labs") // another account, whose org would be called alike
		if e := h.refuses(err, account.Conflict, "name_taken"); e.Pointer != "/name" || !strings.Contains(e.Help, "ana-labs-2") {
			h.Errorf("%+v", e)
		}
		_, _, err = h.OpenAccount(h.ctx(), asUser(ana), "公司")
		h.refuses(err, account.Invalid, "")
		_, _, err = h.OpenAccount(h.ctx(), account.Actor{Kind: account.ActorUser, User: ana.ID, Key: "key_x"}, "mine")
		h.refuses(err, account.Forbidden, "session_needed")
		_, _, err = h.OpenAccount(h.ctx(), theOperator, "mine")
		h.refuses(err, account.Unauthorized, "")
		nowhere := asUser(ana)
		nowhere.Account = account.Nowhere
		_, _, err = h.OpenAccount(h.ctx(), nowhere, "from-nowhere")
		h.ok(err)
	})
}

// sells adds a service of the catalogue that orgs have which people open by themselves, and that every account member may read.
func (h *house) sells(id string) {
	h.Helper()
	cat := h.Catalogue()
	cat.Services = append(slices.Clone(cat.Services), account.Service{ID: id, Label: "Catalog", OnSignUp: true, DefaultForMembers: true,
		Roles: []account.ServiceRole{{ID: "admin", Admin: true}, {ID: "reader"}}})
	h.catalogue.Store(&cat)
}

// Two tabs, a double click, a script: nobody comes to own more accounts than they may.
func TestAccountsOfAnOwnerAreLimitedUnderRaces(t *testing.T) {
	each(t, func(h *house) {
		cat := h.Catalogue()
		cat.Limits.AccountsPerOwner = 3
		h.catalogue.Store(&cat)
		ana, bob := h.owner("ana@acme.example"), h.owner("bob@acme.example")
		other := h.reopen()
		other.catalogue.Store(&cat)
		errs := together(8, func(i int) error {
			l := []*Ledger{h.Ledger, other}[i%2]
			_, _, err := l.OpenAccount(h.ctx(), asUser(ana), fmt.Sprintf("ana-%d", i))
			return err
		})
		if n := countNil(errs); n != 3 {
			h.Errorf("%d accounts were opened: %v", n, errs)
		}
		for _, err := range errs {
			if err != nil {
				h.refuses(err, account.Conflict, "account_limit")
			}
		}
		// Handing them on makes no room before the day is over.
		mine, err := h.MyAccounts(h.ctx(), asUser(ana), "ana-", "", 10)
		h.ok(err)
		for _, p := range mine {
			_, err := h.AddPerson(h.ctx(), theOperator, p.Account.ID, bob.Email, "", account.Admin)
			h.ok(err)
			h.ok(h.ConvertOrg(h.ctx(), theOperator, p.Account.ID))
			h.ok(h.Grant(h.ctx(), asUser(ana), p.Account.ID, bob.ID, account.Scope{Org: p.Org.ID}, account.Owner))
			h.ok(h.TransferOwnership(h.ctx(), asUser(ana), p.Account.ID, bob.ID))
		}
		_, _, err = h.OpenAccount(h.ctx(), asUser(ana), "more")
		h.refuses(err, account.TooMany, "account_limit")
		_, _, err = h.OpenAccount(h.ctx(), asUser(bob), "more")
		h.refuses(err, account.Conflict, "account_limit")
		h.clock.turn(25 * time.Hour)
		_, _, err = h.OpenAccount(h.ctx(), asUser(ana), "more")
		h.ok(err)
	})
}

// THREAT SES-2
func TestASessionMovesToTheAccountThatWasOpened(t *testing.T) {
	each(t, func(h *house) {
		h.proves(h.acme.ID, "acme.example")
		in := h.signedIn(h.login(h.connect("okta", samlSettings()), "ana", "ana@acme.example"))
		before := in.Session.Token
		by := asUser(in.User)
		_, err := h.OpenAccountHere(h.ctx(), by, account.NewSecret("another"), "ana")
		h.refuses(err, account.Unauthorized, "")
		if _, _, err := h.OrgByName(h.ctx(), theOperator, "ana"); account.KindOf(err) != account.NotFound {
			h.Errorf("an account is there without its session: %v", err)
		}
		s, err := h.OpenAccountHere(h.ctx(), by, before, "ana")
		h.ok(err)
		p, err := h.Presence(h.ctx(), s.Token)
		h.ok(err)
		if p.Account.Name != "ana" || p.Tenancy.Role != account.Owner || len(p.Tenancies) != 2 {
			h.Errorf("%+v", p)
		}
		_, err = h.Presence(h.ctx(), before)
		h.refuses(err, account.Unauthorized, "")
		_, err = h.Choose(h.ctx(), by, s.Token, h.acme.ID) // and back
		h.ok(err)
	})
}

// REQ A-14 Q-02~
func TestAPersonsAccountsAreListedAndSearched(t *testing.T) {
	each(t, func(h *house) {
		ana := h.person("ana@acme.example", account.Member)
		other, org, err := h.CreateAccount(h.ctx(), theOperator, "Globex", "globex", "100% Globex", account.Enterprise)
		h.ok(err)
		_, err = h.AddPerson(h.ctx(), theOperator, other.ID, ana.Email, "", account.Admin)
		h.ok(err)
		h.ok(h.Grant(h.ctx(), theOperator, other.ID, ana.ID, account.Scope{Org: org.ID}, account.Owner))
		_, _, err = h.OpenAccount(h.ctx(), asUser(ana), "mine")
		h.ok(err)
		list := func(q, after string, n int) (names []string) {
			h.Helper()
			all, err := h.MyAccounts(h.ctx(), asUser(ana), q, after, n)
			h.ok(err)
			for _, p := range all {
				names = append(names, fmt.Sprintf("%s %s %s %s", p.Org.Name, p.Role, p.Org.Type, p.Status))
			}
			slices.Sort(names)
			return names
		}
		if got := list("", "", 10); !slices.Equal(got, []string{"acme member enterprise active", "globex admin enterprise active", "mine owner individual active"}) {
			h.Errorf("%q", got)
		}
		for q, n := range map[string]int{"GLOB": 1, "%": 1, "_": 0, "m": 2, "0% g": 1, "nothing": 0, `\`: 0} {
			if got := list(q, "", 10); len(got) != n {
				h.Errorf("%q finds %q", q, got)
			}
		}
		walked, after := 0, ""
		for {
			page, err := h.MyAccounts(h.ctx(), asUser(ana), "", after, 1)
			h.ok(err)
			if len(page) == 0 {
				break
			}
			walked, after = walked+1, page[0].Account.Name
		}
		if walked != 3 {
			h.Errorf("walked %d", walked)
		}
		_, err = h.MyAccounts(h.ctx(), account.Actor{Kind: account.ActorUser, User: ana.ID, Account: h.acme.ID, Key: "key_x"}, "", "", 10)
		h.refuses(err, account.Forbidden, "session_needed")
		_, err = h.Accounts(h.ctx(), asUser(ana), "", "", 10)
		h.refuses(err, account.Forbidden, "")
		all, err := h.Accounts(h.ctx(), theOperator, "glob", "", 10)
		h.ok(err)
		if len(all) != 1 || all[0].Org.Name != "globex" {
			h.Errorf("%+v", all)
		}
	})
}
