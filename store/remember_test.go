package store

import (
	"cmp"
	"fmt"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/directory"
	"github.com/drawbridge-id/drawbridge/estate"
	"github.com/drawbridge-id/drawbridge/keys"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// trusting lets a ledger answer from memory as if it held a lease for as long as the test takes.
func (l *Ledger) trusting() {
	l.lease.current.Store(&held{until: time.Now().Add(time.Hour)})
}

// keyOf writes a key of somebody into the ledger.
func (h *house) keyOf(u account.UserID, until time.Time) account.Secret {
	h.Helper()
	raw := keys.Mint(keys.Personal, h.opt.Random)
	k := account.Key{ID: account.NewID[account.KeyID](h.clock.now(), h.opt.Random), Account: h.acme.ID, Org: h.org.ID, User: u,
		Name: "ci", Last4: keys.Last4(raw), State: account.KeyActive, CreatedAt: h.clock.now(), ExpiresAt: until}
	h.ok(h.db.Write(h.ctx(), func(tx *table.Tx) error { return tx.InsertKey(k, digest(raw)) }))
	return account.NewSecret(raw)
}

// asked is what a ledger answers about a session and a key: memory, if it may, or the database.
func asked(h *house, l *Ledger, session, key account.Secret) string {
	h.Helper()
	p, err := l.Presence(h.ctx(), session)
	if err != nil {
		h.refuses(err, account.Unauthorized, "")
		p = account.Presence{}
	}
	k, bad := l.VerifyKey(h.ctx(), key)
	if bad != nil {
		h.refuses(bad, account.Unauthorized, "bad_key")
		k = &KeyHolder{}
	}
	return fmt.Sprintf("session %v %+v\nkey %v %+v %+v %+v", err, p, bad, k.User, k.Account, k.Org)
}

// A stage is a person with a session and a key, and what may happen to them.
type stage struct {
	c   account.Connection
	in  Entrance
	key account.Secret
	by  *Pusher

	email string         // of the person; ana@acme.example when empty
	token account.Secret // of by
}

func (s *stage) push(h *house) Push {
	h.Helper()
	if s.by == nil {
		_, token, err := h.MintSCIMToken(h.ctx(), theOperator, s.c.ID, 30*24*time.Hour)
		h.ok(err)
		s.token = token
		p, err := h.Pusher(h.ctx(), s.c.ID, token)
		h.ok(err)
		s.by = &p
	}
	return Push{Pusher: *s.by, Request: account.SCIMRequest{At: h.clock.now()}}
}

// pushed makes the person known to their provider's pushes.
func (s *stage) pushed(h *house) string {
	h.Helper()
	in, err := directory.Type{Kind: directory.User}.Read(map[string]any{"userName": "ana", "externalId": "ana", "displayName": "ANA", "active": true,
		"emails": []any{map[string]any{"value": cmp.Or(s.email, "ana@acme.example"), "primary": true}}})
	h.ok(err)
	r, err := h.Provision(h.ctx(), s.push(h), directory.User, in)
	h.ok(err)
	asked(h, h.Ledger, s.in.Session.Token, s.key)
	return r.ID
}

func (s *stage) group(h *house, name string, members ...string) string {
	h.Helper()
	r, err := h.Provision(h.ctx(), s.push(h), directory.Group, directory.Reading{Document: directory.Document{"displayName": name}, Members: members})
	h.ok(err)
	// The provider's claims do not name the group any more.
	got(h.comesIn(h.login(s.c, "ana", "ana@acme.example")))
	return r.ID
}

func (s *stage) patched(h *house, id, attribute string, value any) error {
	h.Helper()
	return s.patchedBy(h, h.Ledger, id, attribute, value)
}

func (s *stage) patchedBy(h *house, l *Ledger, id, attribute string, value any) error {
	h.Helper()
	asked(h, l, s.in.Session.Token, s.key)
	return last(l.Amend(h.ctx(), s.push(h), directory.User, id, func(d directory.Document) (directory.Patched, []string, error) {
		d = d.Clone()
		d[attribute] = value
		return directory.Patched{Document: d}, nil, nil
	}))
}

// revoke revokes the key.
func (s *stage) revoke(h *house, l *Ledger) error {
	h.Helper()
	k, err := l.VerifyKey(h.ctx(), s.key)
	h.ok(err)
	return last(l.RevokeKey(h.ctx(), theOperator, h.acme.ID, k.Key.ID))
}

// elsewhere gives the person a place in another account too.
func (s *stage) elsewhere(h *house) account.Account {
	h.Helper()
	other, _, err := h.CreateAccount(h.ctx(), theOperator, "globex", "globex", "", account.Enterprise)
	h.ok(err)
	got(h.AddPerson(h.ctx(), theOperator, other.ID, "ana@acme.example", "", account.Member))
	return other
}

func got[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// DESIGN promise 1: whatever a verb does to somebody, memory says afterwards what the database says. Every verb that touches people,
// connections, domains, rules or the catalogue is a row; a new one belongs here.
func TestMemorySaysWhatTheDatabaseSaysAfterEveryVerb(t *testing.T) {
	rows := []struct {
		verb string
		do   func(h *house, s *stage) error
	}{
		{"sign out", func(h *house, s *stage) error {
			_, err := h.SignOut(h.ctx(), theOperator, s.in.Session.Token)
			return err
		}},
		{"logout by the provider", func(h *house, s *stage) error {
			_, err := h.EndSessions(h.ctx(), account.Actor{}, s.c.ID, "ana", "", "m", h.clock.now().Add(time.Hour))
			return err
		}},
		{"disable", func(h *house, s *stage) error {
			return h.SetUserState(h.ctx(), theOperator, s.in.User.ID, account.UserDisabled)
		}},
		{"disable and enable", func(h *house, s *stage) error {
			h.ok(h.SetUserState(h.ctx(), theOperator, s.in.User.ID, account.UserDisabled))
			return h.SetUserState(h.ctx(), theOperator, s.in.User.ID, account.UserActive)
		}},
		{"switch the connection off", func(h *house, s *stage) error { return h.EnableConnection(h.ctx(), theOperator, s.c.ID, false) }},
		{"grant", func(h *house, s *stage) error {
			return h.Grant(h.ctx(), theOperator, h.acme.ID, s.in.User.ID, h.whole(), "registry:admin")
		}},
		{"withdraw", func(h *house, s *stage) error {
			h.ok(h.Grant(h.ctx(), theOperator, h.acme.ID, s.in.User.ID, h.whole(), "registry:admin"))
			asked(h, h.Ledger, s.in.Session.Token, s.key)
			return h.Withdraw(h.ctx(), theOperator, h.acme.ID, s.in.User.ID, h.whole(), "registry:admin")
		}},
		{"sign in with fewer groups", func(h *house, s *stage) error {
			_, err := h.comesIn(h.login(s.c, "ana", "ana@acme.example"))
			return err
		}},
		{"sign in with more groups", func(h *house, s *stage) error {
			_, err := h.comesIn(h.login(s.c, "ana", "ana@acme.example", "eng", "ops"))
			return err
		}},
		{"sign in under a new name", func(h *house, s *stage) error {
			login := h.login(s.c, "ana", "ana@acme.example", "eng")
			login.Name = "Ana Maria"
			_, err := h.comesIn(login)
			return err
		}},
		{"activate rules that give nothing any more", func(h *house, s *stage) error {
			for _, r := range got(h.Rules(h.ctx(), theOperator, h.acme.ID)) {
				h.ok(h.DeleteRule(h.ctx(), theOperator, h.acme.ID, r.ID))
			}
			_, err := h.ActivateRules(h.ctx(), theOperator, h.acme.ID, true)
			return err
		}},
		{"rename a rule", func(h *house, s *stage) error {
			r := got(h.Rules(h.ctx(), theOperator, h.acme.ID))[0]
			d := *r.Draft
			d.Name = "Everybody who builds"
			got(h.SaveRule(h.ctx(), theOperator, h.acme.ID, r.ID, d))
			_, err := h.ActivateRules(h.ctx(), theOperator, h.acme.ID, true)
			return err
		}},
		{"take a service away", func(h *house, s *stage) error {
			return h.EnableService(h.ctx(), theOperator, h.acme.ID, "registry", false)
		}},
		{"make a team", func(h *house, s *stage) error { h.team("research"); return nil }},
		{"lose the domain", func(h *house, s *stage) error {
			d := got(h.Domains(h.ctx(), theOperator, h.acme.ID))[0]
			got(h.RecordDomainCheck(h.ctx(), theOperator, d.ID, true, "there"))
			s.elsewhere(h)
			asked(h, h.Ledger, s.in.Session.Token, s.key)
			got(h.RecordDomainCheck(h.ctx(), theOperator, d.ID, false, "gone"))
			h.clock.turn(8 * 24 * time.Hour)
			s.in = h.signedIn(h.login(s.c, "ana", "ana@acme.example", "eng"))
			asked(h, h.Ledger, s.in.Session.Token, s.key)
			return last(h.RecordDomainCheck(h.ctx(), theOperator, d.ID, false, "gone"))
		}},
		{"another provider", func(h *house, s *stage) error {
			settings := samlSettings()
			settings.SAML.EntityID = "https://other.acme.example"
			got(h.SaveDraft(h.ctx(), theOperator, h.acme.ID, s.c.ID, "", settings))
			_, err := h.Promote(h.ctx(), theOperator, s.c.ID, true)
			return err
		}},
		{"work in another account", func(h *house, s *stage) error {
			other := s.elsewhere(h)
			asked(h, h.Ledger, s.in.Session.Token, s.key)
			return last(h.Choose(h.ctx(), theOperator, s.in.Session.Token, other.ID))
		}},
		{"be added to another account", func(h *house, s *stage) error { s.elsewhere(h); return nil }},
		{"be pushed into a group, and out of it", func(h *house, s *stage) error {
			g := s.group(h, "eng", s.pushed(h))
			asked(h, h.Ledger, s.in.Session.Token, s.key)
			return last(h.Amend(h.ctx(), s.push(h), directory.Group, g, func(d directory.Document) (directory.Patched, []string, error) {
				return directory.Patched{Document: d, Members: []directory.MemberStep{{Op: directory.MembersSet}}}, nil, nil
			}))
		}},
		{"a pushed group goes", func(h *house, s *stage) error {
			g := s.group(h, "eng", s.pushed(h))
			asked(h, h.Ledger, s.in.Session.Token, s.key)
			return h.Deprovision(h.ctx(), s.push(h), directory.Group, g)
		}},
		{"a new address by SCIM", func(h *house, s *stage) error {
			return s.patched(h, s.pushed(h), "emails", []any{map[string]any{"value": "ana.maria@acme.example", "primary": true}})
		}},
		{"a new name by SCIM", func(h *house, s *stage) error { return s.patched(h, s.pushed(h), "displayName", "Ana Maria") }},
		{"another catalogue", func(h *house, s *stage) error {
			got(h.AddPerson(h.ctx(), theOperator, h.acme.ID, "ana@acme.example", "", account.Admin))
			h.ok(h.Grant(h.ctx(), theOperator, h.acme.ID, s.in.User.ID, h.whole(), account.Owner))
			asked(h, h.Ledger, s.in.Session.Token, s.key)
			less := catalogue
			less.Services = less.Services[1:]
			return second(h.Apply(h.ctx(), theOperator, estate.Estate{Catalogue: &less}, ApplyOptions{}))
		}},
		{"provision the person", func(h *house, s *stage) error { s.pushed(h); return nil }},
		{"deactivate by SCIM", func(h *house, s *stage) error { return s.patched(h, s.pushed(h), "active", false) }},
		{"deactivate and reactivate by SCIM", func(h *house, s *stage) error {
			id := s.pushed(h)
			h.ok(s.patched(h, id, "active", false))
			return s.patched(h, id, "active", true)
		}},
		{"delete by SCIM", func(h *house, s *stage) error { return h.Deprovision(h.ctx(), s.push(h), directory.User, s.pushed(h)) }},
	}
	for _, row := range rows {
		t.Run(row.verb, func(t *testing.T) {
			h := newHouse(t, "sqlite:"+t.TempDir()+"/house.db")
			s := &stage{c: h.ruled()}
			s.in = h.signedIn(h.login(s.c, "ana", "ana@acme.example", "eng"))
			s.key = h.keyOf(s.in.User.ID, time.Time{})
			h.trusting()
			before := asked(h, h.Ledger, s.in.Session.Token, s.key)
			if again := asked(h, h.Ledger, s.in.Session.Token, s.key); again != before {
				t.Fatalf("memory:\n%s\ndatabase:\n%s", again, before)
			}
			if _, ok := h.RecallKey(s.key); !ok {
				t.Fatal("nothing was remembered")
			}
			h.ok(row.do(h, s))
			memory, database := asked(h, h.Ledger, s.in.Session.Token, s.key), asked(h, h.reopen(), s.in.Session.Token, s.key)
			if memory != database {
				t.Errorf("memory:\n%s\ndatabase:\n%s", memory, database)
			}
		})
	}
}
