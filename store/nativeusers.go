package store

import (
	"context"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// A NativeUser is somebody with an address of a domain who signs in here with a password of their own, and what they hold, before their people
// are sent to the company's provider (K-20).
type NativeUser struct {
	User         account.UserID         `json:"user"`
	Email        string                 `json:"email"`
	Name         string                 `json:"name,omitempty"`
	State        account.UserState      `json:"state"`
	Orgs         []NativePlace          `json:"orgs"`
	Elsewhere    int                    `json:"elsewhere,omitempty"` // places in accounts of others, which the reader is not told of
	Entitlements []NativeEntitled       `json:"entitlements"`
	Known        []account.ConnectionID `json:"known_at,omitempty"` // connections that know them already
}

// A NativePlace is what they hold in one org.
type NativePlace struct {
	Org   string         `json:"org"`
	Roles []account.Role `json:"roles"`
	Keys  int            `json:"keys"` // active
}

// A NativeEntitled is something that they were given the right to activate.
type NativeEntitled struct {
	ID      account.EntitlementID `json:"id"`
	Product string                `json:"product"`
	State   string                `json:"state"`
}

// NativeUsers lists the people of a domain who still sign in by themselves, after one ("" from the first), at most n (up to 1,000): to the
// operator with all that they hold, to the owners of the account that holds the domain with what they hold there.
func (l *Ledger) NativeUsers(ctx context.Context, by account.Actor, domain string, after account.UserID, n int) (out []NativeUser, err error) {
	name, err := account.NormalDomain(domain)
	if err != nil {
		return nil, err
	}
	n = min(max(n, 1), 1000)
	if by.AtConsole() {
		err = l.db.Read(ctx, func(tx *table.Tx) (err error) { out, err = l.nativeUsers(tx, name, "", after, n); return err })
		return out, err
	}
	a, err := l.holderOf(ctx, name)
	if err != nil {
		return nil, err
	}
	err = l.look(ctx, by, a, owners, func(h *hand) (err error) { out, err = l.nativeUsers(h.Tx, name, a, after, n); return err })
	return out, hide(err, account.Errorf(account.NotFound, "No such domain."))
}

// holderOf is the account that holds a domain.
func (l *Ledger) holderOf(ctx context.Context, name string) (a account.AccountID, err error) {
	err = l.db.Read(ctx, func(tx *table.Tx) error {
		d, found, err := tx.HeldDomain(name)
		if err == nil && !found {
			err = account.Errorf(account.NotFound, "No such domain.").Fix("Claim it, and show that it is yours.")
		}
		a = d.Account
		return err
	})
	return a, err
}

// nativeUsers reads what is there of them; in one account when a is not "".
func (l *Ledger) nativeUsers(tx *table.Tx, domain string, a account.AccountID, after account.UserID, n int) ([]NativeUser, error) {
	people, err := tx.NativeUsers(domain, after, n)
	if err != nil {
		return nil, err
	}
	out := make([]NativeUser, len(people))
	for i, u := range people {
		out[i] = NativeUser{User: u.ID, Email: u.Email, Name: u.Name, State: u.State, Orgs: []NativePlace{}, Entitlements: []NativeEntitled{}}
		if err := l.nativePlaces(tx, &out[i], a); err != nil {
			return nil, err
		}
		all, err := tx.EntitlementsOf(u.Email)
		if err != nil {
			return nil, err
		}
		for _, e := range all {
			out[i].Entitlements = append(out[i].Entitlements, NativeEntitled{e.ID, e.Label, string(e.Link.At(l.now()))})
		}
	}
	return out, nil
}

func (l *Ledger) nativePlaces(tx *table.Tx, out *NativeUser, a account.AccountID) error {
	places, err := tx.Places(out.User)
	if err != nil {
		return err
	}
	for _, p := range places {
		if a != "" && p.Account.ID != a {
			out.Elsewhere++
			continue
		}
		held, err := tx.Held(p.Account.ID, out.User)
		if err != nil {
			return err
		}
		place := NativePlace{Org: p.Org.Name, Roles: []account.Role{}}
		for _, h := range held {
			if h.Scope.Org != "" {
				place.Roles = append(place.Roles, h.Role)
			}
		}
		keys, err := tx.Keys(p.Account.ID, out.User)
		if err != nil {
			return err
		}
		place.Keys = countActive(keys, l.now())
		out.Orgs = append(out.Orgs, place)
		known, err := tx.KnownAt(p.Account.ID, out.User)
		if err != nil {
			return err
		}
		out.Known = append(out.Known, known...)
	}
	return nil
}

// TellNativeUsers writes to everybody whom NativeUsers lists of a domain what will change for them: message, with contact for questions (K-20).
// It says to how many. Owners of the account that holds the domain may, and the operator; once a day for a domain (TooMany).
func (l *Ledger) TellNativeUsers(ctx context.Context, by account.Actor, domain, message, contact string) (int, error) {
	name, err := account.NormalDomain(domain)
	if err == nil {
		err = account.CheckLetter("told", message)
	}
	if err == nil {
		contact, err = account.NormalEmail(contact)
	}
	if err != nil {
		return 0, err
	}
	a, err := l.holderOf(ctx, name)
	if err != nil {
		return 0, err
	}
	told := 0
	err = l.change(ctx, by, a, "native_users.told", owners, func(h *hand) (*note, error) {
		told = 0
		room, err := of(nativesTold, name).pour(h.Tx, 1, h.now)
		if err != nil {
			return nil, err
		}
		if !room {
			return nil, account.Errorf(account.TooMany, "The people of %s have been told within a day.", name).Coded("rate_limited").Fix("Write again tomorrow.")
		}
		h.Gain(table.OfAccount(a))
		for after := account.UserID(""); ; {
			people, err := h.Tx.NativeUsers(name, after, 500)
			if err != nil {
				return nil, err
			}
			for _, u := range people {
				after = u.ID
				if u.State != account.UserActive {
					continue
				}
				told++
				if err := h.write(u.Email, "native_users_told", map[string]string{"Org": h.Org.Name, "Domain": name, "Email": u.Email, "Message": message, "Contact": contact,
					account.LetterReplyTo: contact}); err != nil {
					return nil, err
				}
			}
			if len(people) < 500 {
				break
			}
		}
		return &note{Target: name, Detail: map[string]any{"told": told}}, nil
	})
	return told, hide(err, account.Errorf(account.NotFound, "No such domain."))
}
