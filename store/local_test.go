package store

import (
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// local signs somebody in by themselves, as the right password does.
func (h *house) local(u account.UserID) account.Session {
	h.Helper()
	var s account.Session
	h.ok(h.db.Write(h.ctx(), func(tx *table.Tx) (err error) {
		s, _, err = h.localSession(tx, account.Actor{IP: "192.0.2.7"}, u, account.ByPassword, h.now())
		return err
	}))
	return s
}

// nobodys makes a person who has a place nowhere.
func (h *house) nobodys(email string) account.User {
	h.Helper()
	u := account.User{ID: account.NewID[account.UserID](h.now(), h.opt.Random), Email: email, State: account.UserActive, CreatedAt: h.now()}
	h.ok(h.db.Write(h.ctx(), func(tx *table.Tx) error { return tx.InsertUser(u) }))
	return u
}

func TestWhoHasNoAccountIsSignedInAllTheSame(t *testing.T) {
	each(t, func(h *house) {
		ana := h.nobodys("ana@home.example")
		s := h.local(ana.ID)
		p, err := h.Presence(h.ctx(), s.Token)
		h.ok(err)
		if p.User.Email != "ana@home.example" || p.Account.ID != "" || len(p.Tenancies) != 0 || len(p.Roles) != 0 || p.Session.Method != account.ByPassword || !p.Session.Local() {
			t.Fatalf("%+v", p)
		}
		by := account.Actor{Kind: account.ActorUser, User: ana.ID, Account: account.WorkingIn(p.Account.ID)}
		_, err = h.People(h.ctx(), by, h.acme.ID, "", 10)
		h.refuses(err, account.NotFound, "no_account")

		// She is invited to two places, may go to both from this session, and to no third.
		globex, _, err := h.CreateAccount(h.ctx(), theOperator, "globex", "globex", "", account.Enterprise)
		h.ok(err)
		other, _, err := h.CreateAccount(h.ctx(), theOperator, "initech", "initech", "", account.Enterprise)
		h.ok(err)
		for _, a := range []account.AccountID{h.acme.ID, globex.ID} {
			_, err := h.AddPerson(h.ctx(), theOperator, a, ana.Email, "", account.Member)
			h.ok(err)
		}
		p, err = h.Presence(h.ctx(), s.Token)
		h.ok(err)
		if len(p.Tenancies) != 2 || p.Account.ID != "" {
			t.Fatalf("she may go to %+v", p.Tenancies)
		}
		_, err = h.Choose(h.ctx(), by, s.Token, other.ID)
		h.refuses(err, account.NotFound, "no_account")
		moved, err := h.Choose(h.ctx(), by, s.Token, globex.ID)
		h.ok(err)
		p, err = h.Presence(h.ctx(), moved.Token)
		h.ok(err)
		if p.Account.ID != globex.ID || p.Session.Method != account.ByPassword {
			t.Errorf("%+v", p)
		}
		_, err = h.Presence(h.ctx(), s.Token)
		h.refuses(err, account.Unauthorized, "")
		moved, err = h.Choose(h.ctx(), by, moved.Token, h.acme.ID)
		h.ok(err)
		if next := h.local(ana.ID); next.Account != h.acme.ID {
			t.Errorf("the next session works in %q", next.Account)
		}

		// Removed from one, the session there is over.
		_, err = h.RemoveFromAccount(h.ctx(), theOperator, h.acme.ID, ana.ID)
		h.ok(err)
		_, err = h.Presence(h.ctx(), moved.Token)
		h.refuses(err, account.Unauthorized, "")
		if left, err := h.SignOut(h.ctx(), by, h.local(ana.ID).Token); err != nil || left.Session.User != ana.ID {
			t.Errorf("%+v, %v", left, err)
		}
	})
}

// THREAT SES-6, SCIM-3: being disabled ends what works in no account, and being enabled does not bring it back.
func TestWhoIsDisabledIsOutOfNoAccountToo(t *testing.T) {
	each(t, func(h *house) {
		ana := h.nobodys("ana@home.example")
		s := h.local(ana.ID)
		_, err := h.Presence(h.ctx(), s.Token)
		h.ok(err)
		h.ok(h.SetUserState(h.ctx(), theOperator, ana.ID, account.UserDisabled))
		_, err = h.Presence(h.ctx(), s.Token)
		h.refuses(err, account.Unauthorized, "")
		err = h.db.Write(h.ctx(), func(tx *table.Tx) error {
			_, _, err := h.localSession(tx, account.Actor{}, ana.ID, account.ByPassword, h.now())
			return err
		})
		h.refuses(err, account.Forbidden, "user_disabled")
		h.ok(h.SetUserState(h.ctx(), theOperator, ana.ID, account.UserActive))
		_, err = h.Presence(h.ctx(), s.Token)
		h.refuses(err, account.Unauthorized, "")
	})
}

// REQ K-19, K-21
func TestCuttingOverADomainEndsItsNativeSessions(t *testing.T) {
	each(t, func(h *house) {
		c, d := h.connect("okta", samlSettings()), h.proves(h.acme.ID, "acme.example")
		h.ok(h.TieDomain(h.ctx(), theOperator, d.ID, c.ID))
		olga, ana, eve := h.owner("olga@acme.example"), h.nobodys("ana@acme.example"), h.nobodys("eve@notacme.example")
		his, hers, elsewhere := h.local(olga.ID), h.local(ana.ID), h.local(eve.ID)
		for _, s := range []account.Session{his, hers, elsewhere} {
			_, err := h.Presence(h.ctx(), s.Token)
			h.ok(err)
		}
		h.clock.turn(time.Second)
		_, err := h.WaiveRecovery(h.ctx(), asUser(olga), h.acme.ID, "The operator lets us in.")
		h.ok(err)
		h.ok(h.CutOver(h.ctx(), account.Actor{Kind: account.ActorUser, User: olga.ID, Account: h.acme.ID}, d.ID, true))
		_, err = h.Presence(h.ctx(), hers.Token)
		h.refuses(err, account.Unauthorized, "")
		for _, s := range []account.Session{his, elsewhere} {
			_, err := h.Presence(h.ctx(), s.Token)
			h.ok(err)
		}
	})
}
