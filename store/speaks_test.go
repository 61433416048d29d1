package store

import (
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// checked proves a domain by its record, so that it can be lost.
func (h *house) checked(a account.AccountID, name string) account.Domain {
	h.Helper()
	d, err := h.ClaimDomain(h.ctx(), theOperator, a, name)
	h.ok(err)
	h.ok(last(h.RecordDomainCheck(h.ctx(), theOperator, d.ID, true, "there")))
	return d
}

// loses takes a domain away, as a record does that stays away for a week.
func (h *house) loses(d account.Domain) {
	h.Helper()
	h.ok(last(h.RecordDomainCheck(h.ctx(), theOperator, d.ID, false, "gone")))
	h.clock.turn(8 * 24 * time.Hour)
	lost, err := h.RecordDomainCheck(h.ctx(), theOperator, d.ID, false, "gone")
	h.ok(err)
	if lost.State != account.DomainLost {
		h.Fatalf("%+v", lost)
	}
}

// globex is another customer, with a connection that is live.
func (h *house) globex() (account.Account, account.Connection) {
	h.Helper()
	a, _, err := h.CreateAccount(h.ctx(), theOperator, "globex", "globex", "", account.Enterprise)
	h.ok(err)
	return a, h.connectIn(a.ID, "okta", samlSettings())
}

// THREAT SAML-T2 OIDC-X2: who buys a domain that a company has given up speaks for new people of it, and opens nothing of that company.
func TestAnotherHolderOfADomainDoesNotComeIntoTheFormerOnesAccount(t *testing.T) {
	each(t, func(h *house) {
		c := h.connect("okta", samlSettings())
		d := h.checked(h.acme.ID, "old.example")
		ana := h.owner("ana@old.example")
		h.signedIn(h.login(c, "ana", "ana@old.example"))
		h.loses(d)
		globex, theirs := h.globex()
		h.checked(globex.ID, "old.example")
		in := h.signedIn(h.login(theirs, "x", "ana@old.example"))
		if in.User.ID != ana.ID || in.Several {
			h.Errorf("%+v", in)
		}
		h.refuses(last(h.Choose(h.ctx(), account.Actor{}, in.Session.Token, h.acme.ID)), account.NotFound, "")
		p, err := h.Presence(h.ctx(), in.Session.Token)
		h.ok(err)
		if len(p.Tenancies) != 1 || p.Tenancies[0].Account.ID != globex.ID {
			h.Errorf("accounts that are not open are not offered: %+v", p.Tenancies)
		}
	})
}

// THREAT SAML-T2 OIDC-X2: and the former holder's subject does not open what the person has with the new one.
func TestASubjectOutlivesNoDomainThatAnotherAccountHolds(t *testing.T) {
	each(t, func(h *house) {
		c := h.connect("okta", samlSettings())
		h.proves(h.acme.ID, "acme.example")
		d := h.checked(h.acme.ID, "old.example")
		ana := h.signedIn(h.login(c, "ana", "ana@old.example")).User
		h.loses(d)
		globex, theirs := h.globex()
		h.checked(globex.ID, "old.example")
		if in := h.signedIn(h.login(theirs, "x", "ana@old.example")); in.User.ID != ana.ID {
			h.Fatalf("%+v", in)
		}
		_, err := h.comesIn(h.login(c, "ana", "mallory@acme.example"))
		if r := h.turnsAway(err, "domain_not_verified"); r.Received != "old.example" {
			h.Errorf("%+v", r)
		}
		_, err = h.Preview(h.ctx(), theOperator, h.login(c, "ana", "mallory@acme.example"))
		h.turnsAway(err, "domain_not_verified")
	})
}

// A company that moves to a new domain keeps its people, and they take the new address along.
func TestACompanyThatMovesToANewDomainKeepsItsPeople(t *testing.T) {
	each(t, func(h *house) {
		c := h.connect("okta", samlSettings())
		d := h.checked(h.acme.ID, "old.example")
		ana := h.signedIn(h.login(c, "ana", "ana@old.example")).User
		h.loses(d)
		h.proves(h.acme.ID, "new.example")
		in := h.signedIn(h.login(c, "ana", "ana@new.example"))
		if in.User.ID != ana.ID || in.User.Email != "ana@new.example" {
			h.Errorf("%+v", in.User)
		}
		globex, theirs := h.globex()
		h.checked(globex.ID, "old.example")
		if in := h.signedIn(h.login(theirs, "x", "ana@old.example")); in.User.ID == ana.ID || !in.Created {
			h.Errorf("the old address leads to somebody new: %+v", in.User)
		}
	})
}

// THREAT SAML-T2: an address that its own company's provider cannot speak for any more opens no second account.
func TestASessionGoesToAnotherAccountOnlyWhileItsConnectionSpeaksForTheAddress(t *testing.T) {
	each(t, func(h *house) {
		c := h.connect("okta", samlSettings())
		d := h.checked(h.acme.ID, "acme.example")
		globex, _ := h.globex()
		_, err := h.AddPerson(h.ctx(), theOperator, globex.ID, "ana@acme.example", "", account.Owner)
		h.ok(err)
		in := h.signedIn(h.login(c, "ana", "ana@acme.example"))
		if !in.Several {
			h.Fatalf("%+v", in)
		}
		h.ok(last(h.RecordDomainCheck(h.ctx(), theOperator, d.ID, false, "gone")))
		h.clock.turn(7*24*time.Hour + time.Minute)
		in = h.signedIn(h.login(c, "ana", "ana@acme.example")) // failing still counts
		h.ok(last(h.RecordDomainCheck(h.ctx(), theOperator, d.ID, false, "gone")))
		h.refuses(last(h.Choose(h.ctx(), account.Actor{}, in.Session.Token, globex.ID)), account.NotFound, "")
	})
}

// THREAT SAML-T2 SES-2: the link for the first owner proves no address to any other account.
func TestTheFirstOwnersLinkOpensNoOtherAccount(t *testing.T) {
	each(t, func(h *house) {
		h.owner("ana@acme.example")
		token, err := h.InviteFirstOwner(h.ctx(), theOperator)
		h.ok(err)
		s, err := h.BecomeFirstOwner(h.ctx(), account.Actor{}, token, "mallory", "ana@acme.example")
		h.ok(err)
		h.refuses(last(h.Choose(h.ctx(), account.Actor{}, s.Token, h.acme.ID)), account.NotFound, "")
		p, err := h.Presence(h.ctx(), s.Token)
		h.ok(err)
		if len(p.Tenancies) != 1 || p.Tenancies[0].Account.ID != s.Account {
			h.Errorf("%+v", p.Tenancies)
		}
	})
}

// THREAT ADM-1: what is done in a session is done in the account that it works in, whatever else the person holds elsewhere.
func TestASessionActsInItsOwnAccountAlone(t *testing.T) {
	each(t, func(h *house) {
		ana := h.owner("ana@acme.example")
		globex, _ := h.globex()
		_, err := h.AddPerson(h.ctx(), theOperator, globex.ID, "ana@acme.example", "", account.Owner)
		h.ok(err)
		there := asUser(ana)
		there.Account = globex.ID
		h.refuses(last(h.Domains(h.ctx(), there, h.acme.ID)), account.NotFound, "")
		h.refuses(last(h.ClaimDomain(h.ctx(), there, h.acme.ID, "evil.example")), account.NotFound, "")
		here := asUser(ana)
		here.Account = h.acme.ID
		h.ok(last(h.Domains(h.ctx(), here, h.acme.ID)))
	})
}

// THREAT OIDC-N2: only issuer and subject together name a person, so another provider's subject 7 is not who was 7 before.
func TestAnotherProvidersSubjectsAreOtherPeople(t *testing.T) {
	each(t, func(h *house) {
		h.proves(h.acme.ID, "acme.example")
		c := h.connect("idp", oidcSettings())
		goes := func(s account.Settings) {
			h.Helper()
			h.ok(last(h.SaveDraft(h.ctx(), theOperator, h.acme.ID, c.ID, "", s)))
			h.ok(last(h.Promote(h.ctx(), theOperator, c.ID, true)))
		}
		ana := h.signedIn(h.login(c, "7", "ana@acme.example", "eng")).User
		s := oidcSettings()
		s.Mapping.Name = []string{"nick"}
		goes(s)
		if in := h.signedIn(h.login(c, "7", "ana.ruiz@acme.example")); in.User.ID != ana.ID {
			h.Errorf("the same provider's subject stays: %+v", in.User)
		}
		s.OIDC.Issuer = "https://new.acme.example"
		goes(s)
		bob := h.signedIn(h.login(c, "7", "bob@acme.example"))
		if bob.User.ID == ana.ID || !bob.Created {
			h.Errorf("bob is %+v", bob.User)
		}
		again := h.signedIn(h.login(c, "12", "ana.ruiz@acme.example"))
		if again.User.ID != ana.ID {
			h.Errorf("ana is known by her address: %+v", again.User)
		}
		_, err := h.comesIn(h.login(c, "13", "ana.ruiz@acme.example"))
		h.turnsAway(err, "subject_changed")
		h.auditHas(h.acme.ID, "connection.provider_changed", "done")
		goes(samlSettings())
		if in := h.signedIn(h.login(c, "7", "cleo@acme.example")); in.User.ID == bob.User.ID || !in.Created {
			h.Errorf("cleo is %+v", in.User)
		}
		planted := h.login(c, table.Retired+"2"+table.Retired+"7", "mallory@acme.example")
		if _, err := h.comesIn(planted); account.KindOf(err) != account.Invalid {
			h.Errorf("a retired subject comes in: %v", err)
		}
	})
}
