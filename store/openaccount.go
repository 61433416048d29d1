package store

import (
	"cmp"
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

const accountsPerOwner = 10 // when a catalogue does not say

// OpenAccount makes an account with an individual org for somebody who is signed in: they own both, the org has the services that the
// catalogue gives on sign-up, and a letter welcomes them (A-03, A-06, A-13, B-03). They give the name alone; the org's is made from it.
// Refused with Conflict: a name that is taken (name_taken), more accounts than somebody may own (account_limit, the catalogue's
// accounts_per_owner); with TooMany: as many opened within a day (account_limit).
func (l *Ledger) OpenAccount(ctx context.Context, by account.Actor, name string) (account.Account, account.Org, error) {
	var house table.House
	err := l.personally(ctx, by, "account.opened", func(s *self) (*note, error) {
		h, err := s.openAccount(name, account.WayPortal)
		if err != nil {
			return nil, err
		}
		house = h.House
		return &note{Target: string(house.Account.ID), Detail: map[string]any{"name": name}}, nil
	})
	return house.Account, house.Org, err
}

// OpenAccountHere is OpenAccount for a browser: its session moves to the new account, and has a new token then (SES-2).
func (l *Ledger) OpenAccountHere(ctx context.Context, by account.Actor, token account.Secret, name string) (account.Session, error) {
	fresh := account.NewSecret(l.random(32))
	var out account.Session
	err := l.personally(ctx, by, "account.opened", func(s *self) (*note, error) {
		h, err := s.openAccount(name, account.WayPortal)
		if err != nil {
			return nil, err
		}
		old := digest(token.Reveal())
		row, found, err := s.SessionByDigest(old)
		if err != nil {
			return nil, err
		}
		if !found || row.User != s.User.ID || !s.now.Before(row.ExpiresAt) || !s.now.Before(row.IdleUntil) {
			return nil, nobody()
		}
		if _, err := s.MoveSession(old, digest(fresh.Reveal()), h.Account.ID); err != nil {
			return nil, err
		}
		s.Shut(table.OfSession(row.ID))
		out = row.Session
		if err := h.audit("session.account_chosen", note{Target: string(out.ID), Detail: map[string]any{"from": out.Account}}); err != nil {
			return nil, err
		}
		out.Account, out.Token = h.Account.ID, fresh
		return &note{Target: string(h.Account.ID), Detail: map[string]any{"name": name}}, nil
	})
	return out, err
}

// openAccount makes an account with an individual org for a person, who owns both. The audit line in it says by which way they came.
func (s *self) openAccount(name string, way account.Way) (*hand, error) {
	if err := account.CheckAccountName(name); err != nil {
		return nil, err
	}
	org := account.Slug(name)
	if org == "" {
		return nil, account.Errorf(account.Invalid, "The org is called like its account, in lower-case letters a to z and digits, and %q has none of them.", name).
			At("/name").Fix("For instance \"acme\".")
	}
	if err := s.mayOpen(); err != nil {
		return nil, err
	}
	house, err := s.l.newHouse(s.Tx, name, org, "", account.Individual, s.now)
	if err != nil {
		return nil, s.another(err, name)
	}
	h := &hand{Tx: s.Tx, House: house, l: s.l, by: s.by, now: s.now}
	services := s.l.Catalogue().OnSignUp()
	h.Org.Services, h.ByHand = services, services
	if err := errors.Join(h.SetServices(h.Account.ID, services), h.OpenedBy(h.Account.ID, s.User.ID, s.now)); err != nil {
		return nil, err
	}
	if _, _, err := h.ownerOfBoth(s.User.Email); err != nil {
		return nil, err
	}
	if err := h.welcome(s.User.Email); err != nil {
		return nil, err
	}
	return h, h.audit("account.created", note{Target: string(h.Account.ID), Detail: map[string]any{"name": name, "org": org, "type": account.Individual, "way": way, "services": services}})
}

// mayOpen counts what somebody owns and has opened, while no other change of theirs does.
func (s *self) mayOpen() error {
	u, found, err := s.LockUser(s.User.ID)
	if err != nil {
		return err
	}
	if !found || u.State != account.UserActive {
		return nobody()
	}
	limit := cmp.Or(s.l.Catalogue().Limits.AccountsPerOwner, accountsPerOwner)
	owned, err := s.CountOwned(u.ID)
	if err != nil {
		return err
	}
	if owned >= limit {
		return account.Errorf(account.Conflict, "You own %d accounts, which is the limit.", owned).Coded("account_limit").
			Fix("Use one of them, or hand the ownership of one to somebody else.")
	}
	opened, err := s.CountOpened(u.ID, s.now.Add(-24*time.Hour))
	if err == nil && opened >= limit {
		err = account.Errorf(account.TooMany, "You opened %d accounts within a day, which is the limit.", opened).Coded("account_limit").Fix("Try again tomorrow.")
	}
	return err
}

// another proposes a name that is free in place of one that is taken.
func (s *self) another(err error, name string) error {
	var e *account.Error
	if !errors.As(err, &e) || e.Code != "name_taken" {
		return err
	}
	e.At("/name").Message = "There is an account or org called like that already."
	for n := 2; n < 10; n++ {
		proposed := name + "-" + strconv.Itoa(n)
		if account.CheckAccountName(proposed) != nil {
			break
		}
		taken, _, err := s.NameTaken(proposed, "")
		if err != nil {
			return err
		}
		if !taken {
			if _, taken, err = s.HouseByOrg(account.Slug(proposed)); err != nil {
				return err
			}
		}
		if !taken {
			return e.Fix("Use %q, for instance.", proposed)
		}
	}
	return e
}

// welcome writes to the owner of a new account.
func (h *hand) welcome(to string) error {
	return h.write(to, "account_welcome", map[string]string{"Account": h.Account.Name, "Org": h.Org.Name, "Number": h.Account.Number})
}

// MyAccounts lists the accounts that somebody has a place in, suspended ones included, by name: after one, at most n (up to 500), with like
// as a part of the name of the account or of its org, whatever the case ("" for all).
func (l *Ledger) MyAccounts(ctx context.Context, by account.Actor, like, after string, n int) (places []account.Place, err error) {
	if by.Key != "" {
		return nil, account.Errorf(account.Forbidden, "A key knows of no other account than its own.").Coded("session_needed").Fix("Sign in with a browser.")
	}
	err = l.lookPersonally(ctx, by, func(s *self) error {
		places, err = s.PlacesLike(s.User.ID, like, after, min(max(n, 1), 500))
		return err
	})
	return places, err
}

// Accounts pages through all accounts of the installation by name, as MyAccounts does. Only the operator may.
func (l *Ledger) Accounts(ctx context.Context, by account.Actor, like, after string, n int) (places []account.Place, err error) {
	if by.Kind != account.ActorOperator && by.Kind != account.ActorSystem {
		return nil, account.Errorf(account.Forbidden, "Only the operator of this installation may do this.").Fix("Ask the operator.")
	}
	err = l.db.Read(ctx, func(tx *table.Tx) error {
		houses, err := tx.Houses(like, after, min(max(n, 1), 500))
		places = nil
		for _, h := range houses {
			places = append(places, account.Place{Account: h.Account, Org: h.Org})
		}
		return err
	})
	return places, err
}
