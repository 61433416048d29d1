package store

import (
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// REQ K-02 K-08
// THREAT NET-2
func TestADomainIsProvedWarnedLostAndProvedAgain(t *testing.T) {
	each(t, func(h *house) {
		ana := asUser(h.owner("ana@acme.example"))
		d, err := h.ClaimDomain(h.ctx(), ana, h.acme.ID, "Acme.Example.")
		h.ok(err)
		if d.Name != "acme.example" || len(d.Token) != 22 || d.State != account.DomainPending {
			h.Errorf("%+v", d)
		}
		again, err := h.ClaimDomain(h.ctx(), ana, h.acme.ID, "acme.example")
		if err != nil || again.Token != d.Token {
			h.Errorf("claiming again gives what is there: %+v %v", again, err)
		}
		_, err = h.ClaimDomain(h.ctx(), ana, h.acme.ID, "gmail.com")
		h.refuses(err, account.Invalid, "")
		check := func(found bool, want account.DomainState) {
			h.Helper()
			got, err := h.RecordDomainCheck(h.ctx(), account.Actor{Kind: account.ActorSystem, Job: "dns"}, d.ID, found, "answer")
			h.ok(err)
			if got.State != want || got.LastAnswer != "answer" {
				h.Errorf("%s, want %s", got.State, want)
			}
		}
		due := func(want int) {
			h.Helper()
			all, err := h.DomainsDue(h.ctx())
			h.ok(err)
			if len(all) != want {
				h.Errorf("%d due, want %d", len(all), want)
			}
		}
		due(1)
		check(false, account.DomainPending)
		due(0)
		h.clock.turn(2 * time.Minute)
		due(1)
		check(true, account.DomainProved)
		h.clock.turn(23 * time.Hour)
		due(0)
		h.clock.turn(2 * time.Hour)
		due(1)
		check(false, account.DomainFailing)
		h.clock.turn(61 * time.Minute)
		due(1)
		h.clock.turn(6 * 24 * time.Hour)
		check(false, account.DomainFailing)
		check(true, account.DomainProved)
		check(false, account.DomainFailing)
		h.clock.turn(7*24*time.Hour + time.Second)
		check(false, account.DomainLost)
		check(true, account.DomainProved)
		h.auditHas(h.acme.ID, "domain.checked", "done")
	})
}

// THREAT NET-2
func TestADomainBelongsToOneAccountEvenWhenTwoProveItAtOnce(t *testing.T) {
	each(t, func(h *house) {
		globex, _, err := h.CreateAccount(h.ctx(), theOperator, "globex", "globex", "", account.Enterprise)
		h.ok(err)
		var claims [2]account.Domain
		for i, a := range []account.AccountID{h.acme.ID, globex.ID} {
			claims[i], err = h.ClaimDomain(h.ctx(), theOperator, a, "shared.example")
			h.ok(err)
		}
		if claims[0].Token == claims[1].Token {
			h.Error("a token is bound to its account")
		}
		replica := h.reopen()
		errs := together(8, func(i int) error {
			return last([]*Ledger{h.Ledger, replica}[i/2%2].RecordDomainCheck(h.ctx(), theOperator, claims[i%2].ID, true, ""))
		})
		held := 0
		for i, a := range []account.AccountID{h.acme.ID, globex.ID} {
			all, err := h.Domains(h.ctx(), theOperator, a)
			h.ok(err)
			if all[0].Counts() {
				held++
				if errs[i] != nil {
					h.Errorf("the holder heard %v", errs[i])
				}
			} else {
				h.refuses(errs[i], account.Conflict, "domain_held")
			}
		}
		if held != 1 {
			h.Errorf("%d accounts hold the domain: %v", held, errs)
		}
	})
}

func TestAVouchedDomainIsNotLostForWantOfARecord(t *testing.T) {
	each(t, func(h *house) {
		d := h.proves(h.acme.ID, "acme.example")
		h.clock.turn(30 * 24 * time.Hour)
		if all, err := h.DomainsDue(h.ctx()); err != nil || len(all) != 0 {
			h.Errorf("%+v %v", all, err)
		}
		got, err := h.RecordDomainCheck(h.ctx(), theOperator, d.ID, false, "no such record")
		h.ok(err)
		if got.State != account.DomainProved || got.ProvedBy != "operator" {
			h.Errorf("%+v", got)
		}
		ana := h.owner("ana@acme.example")
		h.refuses(h.VouchDomain(h.ctx(), asUser(ana), d.ID), account.Forbidden, "")
	})
}

// REQ K-08 K-19 K-21
func TestOnlyACutOverSendsPeopleToTheProvider(t *testing.T) {
	each(t, func(h *house) {
		ana := asUser(h.owner("ana@acme.example"))
		c, err := h.SaveDraft(h.ctx(), ana, h.acme.ID, "", "okta", samlSettings())
		h.ok(err)
		d, err := h.ClaimDomain(h.ctx(), ana, h.acme.ID, "acme.example")
		h.ok(err)
		finds := func(email string, want, cutOver bool) {
			h.Helper()
			got, dom, found, err := h.ConnectionFor(h.ctx(), email)
			h.ok(err)
			if found != want || found && (got.ID != c.ID || dom.CutOver != cutOver || dom.Name != "acme.example") {
				h.Errorf("%s: found %v, %+v", email, found, dom)
			}
		}
		finds("bob@acme.example", false, false)
		h.refuses(h.CutOver(h.ctx(), ana, d.ID, true), account.Conflict, "domain_unproved")
		h.ok(h.VouchDomain(h.ctx(), theOperator, d.ID))
		h.refuses(h.CutOver(h.ctx(), ana, d.ID, true), account.Conflict, "domain_untied")
		h.ok(h.TieDomain(h.ctx(), ana, d.ID, c.ID))
		finds("bob@acme.example", false, false)
		h.refuses(h.CutOver(h.ctx(), ana, d.ID, true), account.Conflict, "not_live")
		c, err = h.Promote(h.ctx(), theOperator, c.ID, true)
		h.ok(err)
		finds("Bob@ACME.example", true, false) // federated, not cut over: the native way still works
		finds("bob@eu.acme.example", false, false)
		finds("bob@nobody.example", false, false)
		h.signedIn(h.login(c, "bob", "bob@acme.example")) // and so does the connection's own address
		h.refuses(h.CutOver(h.ctx(), ana, d.ID, true), account.Conflict, "recovery_needed")
		_, err = h.WaiveRecovery(h.ctx(), ana, h.acme.ID, "The operator lets us in.")
		h.ok(err)
		h.ok(h.CutOver(h.ctx(), ana, d.ID, true))
		finds("bob@acme.example", true, true)
		h.signedIn(h.login(c, "bob", "bob@acme.example"))
		h.ok(h.CutOver(h.ctx(), ana, d.ID, false))
		finds("bob@acme.example", true, false)
		if _, _, _, err := h.ConnectionFor(h.ctx(), "not an address"); account.KindOf(err) != account.Invalid {
			h.Error(err)
		}
	})
}
