package store

import (
	"strings"
	"sync"
	"testing"

	"github.com/drawbridge-id/drawbridge/account"
)

// proved is a connection of acme that signs in the people of acme.example.
func (h *house) proved() account.Connection {
	h.Helper()
	h.proves(h.acme.ID, "acme.example")
	return h.connect("okta", samlSettings())
}

// replica is another process on the same database; SQLite has one.
func (h *house) replica() *Ledger {
	if strings.HasPrefix(h.url, "sqlite:") {
		return h.Ledger
	}
	return h.reopen()
}

// ends are the ways to take somebody out of an account by hand.
func (h *house) ends() map[string]func(*Ledger, account.User) error {
	return map[string]func(*Ledger, account.User) error{
		"set to disabled": func(l *Ledger, u account.User) error {
			return l.SetUserState(h.ctx(), theOperator, u.ID, account.UserDisabled)
		},
		"disabled": func(l *Ledger, u account.User) error {
			_, err := l.Disable(h.ctx(), theOperator, h.acme.ID, u.ID)
			return err
		},
		"removed": func(l *Ledger, u account.User) error {
			_, err := l.RemoveFromAccount(h.ctx(), theOperator, h.acme.ID, u.ID)
			return err
		},
	}
}

// REQ M-03, M-08
// THREAT SES-6
func TestNoKeyMintedWhileSomebodyIsShutOutWorksAfterwards(t *testing.T) {
	each(t, func(h *house) {
		c := h.proved()
		other := h.replica()
		for way, end := range h.ends() {
			login := h.login(c, "sub-"+h.random(6), strings.ToLower(h.random(6))+"@acme.example", "eng")
			u := h.signedIn(login).User
			var made []account.Secret
			var minting sync.WaitGroup
			started := make(chan struct{})
			minting.Go(func() {
				for i := 0; ; i++ {
					k, secret, err := h.MintKey(h.ctx(), asUser(u), h.acme.ID, "loop", 0)
					if account.KindOf(err) == account.NotFound { // shut out
						break
					}
					if err != nil {
						h.Errorf("%s: minting: %v", way, err)
						break
					}
					made = append(made, secret)
					if i == 3 {
						close(started)
					}
					if i > 3 { // makes room for the next one
						if _, err := h.RevokeKey(h.ctx(), asUser(u), h.acme.ID, k.ID); err != nil && account.KindOf(err) != account.NotFound {
							h.Errorf("%s: revoking: %v", way, err)
						}
					}
				}
			})
			<-started
			h.ok(end(other, u))
			minting.Wait()
			for _, l := range []*Ledger{h.Ledger, other} {
				for _, k := range made {
					if holder, err := l.VerifyKey(h.ctx(), k); account.KindOf(err) != account.Unauthorized {
						h.Errorf("%s: of %d keys one works afterwards: %+v %v", way, len(made), holder, err)
					}
				}
			}
			// Nor does any come back to life with its holder.
			if way != "removed" {
				h.ok(h.Enable(h.ctx(), theOperator, h.acme.ID, u.ID))
			} else {
				login.Replay = h.random(16)
				if back := h.signedIn(login).User; back.ID != u.ID {
					h.Errorf("came back as %s", back.ID)
				}
			}
			for _, k := range made {
				if _, err := h.VerifyKey(h.ctx(), k); account.KindOf(err) != account.Unauthorized {
					h.Errorf("%s: a key works again: %v", way, err)
				}
			}
		}
	})
}

// REQ A-01
// THREAT SES-6
func TestNoSessionMadeWhileSomebodyIsTakenOutWorksAfterwards(t *testing.T) {
	each(t, func(h *house) {
		c := h.proved()
		other := h.replica()
		for way, end := range h.ends() {
			login := h.login(c, "sub-"+h.random(6), strings.ToLower(h.random(6))+"@acme.example", "eng")
			u := h.signedIn(login).User
			const tries = 12
			entrances := make([]Entrance, tries)
			errs := together(tries+1, func(i int) error {
				if i == tries {
					return end(other, u)
				}
				again := login
				again.Replay = h.random(16)
				f, err := h.StartFlow(h.ctx(), account.Flow{Connection: c.ID, Which: account.Live, RequestID: "_" + h.random(16)})
				if err == nil {
					entrances[i], err = h.SignIn(h.ctx(), Entry{By: account.Actor{Kind: account.ActorConnection}, Login: again, Flow: f})
				}
				return err
			})
			h.ok(errs[tries])
			p, err := h.Person(h.ctx(), theOperator, h.acme.ID, u.ID)
			here := err == nil && p.User.State == account.UserActive && p.Tenancy.Status == account.TenancyActive // came back after a removal
			live := 0
			for _, e := range entrances {
				if e.Session.Token.IsZero() {
					continue
				}
				for _, l := range []*Ledger{h.Ledger, other} {
					if _, err := l.Presence(h.ctx(), e.Session.Token); err == nil {
						live++
					} else if account.KindOf(err) != account.Unauthorized {
						h.Error(err)
					}
				}
			}
			if (live > 0) != here || way != "removed" && live > 0 {
				h.Errorf("%s: %d sessions live, and the person is here: %t", way, live, here)
			}
		}
	})
}

// REQ T-06
func TestTwoOwnersCannotRemoveEachOther(t *testing.T) {
	each(t, func(h *house) {
		one, two := h.owner("one@acme.example"), h.owner("two@acme.example")
		errs := together(2, func(i int) error {
			by, of := one, two
			if i == 1 {
				by, of = two, one
			}
			_, err := h.RemoveFromAccount(h.ctx(), asUser(by), h.acme.ID, of.ID)
			return err
		})
		if countNil(errs) != 1 {
			h.Fatalf("of two owners %d were removed: %v", countNil(errs), errs)
		}
		last := one
		if errs[0] != nil {
			last = two
		}
		for _, by := range []account.Actor{asUser(last), theOperator} {
			_, err := h.RemoveFromOrg(h.ctx(), by, h.acme.ID, last.ID)
			h.refuses(err, account.Conflict, "last_owner")
		}
		// An owner who is disabled does not count: nobody could work with what is left.
		three := h.owner("three@acme.example")
		h.ok(h.SetUserState(h.ctx(), theOperator, three.ID, account.UserDisabled))
		_, err := h.RemoveFromAccount(h.ctx(), theOperator, h.acme.ID, last.ID)
		h.refuses(err, account.Conflict, "last_owner")
	})
}
