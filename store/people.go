package store

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/rules"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// A Person is one row of the users list.
type Person struct {
	User       account.User
	Tenancy    account.Tenancy
	Roles      []account.Held       // in the account and its org; an owner's include what follows from being one
	Invitation account.InvitationID // of who is only invited, and has no id as a user; otherwise empty
}

// AddPerson puts a person with a proved address into an account. The operator may (estate file); invitations
// are another story. Somebody who is there already gets the role as well.
func (l *Ledger) AddPerson(ctx context.Context, by account.Actor, a account.AccountID, email, name string, r account.Role) (account.User, error) {
	email, err := account.NormalEmail(email)
	if err != nil {
		return account.User{}, err
	}
	if err := l.Catalogue().CheckRole(account.Scope{}, r); err != nil {
		return account.User{}, err
	}
	var user account.User
	err = l.change(ctx, by, a, "person.added", operator, func(h *hand) (*note, error) {
		var found bool
		if user, found, err = h.UserByEmail(email); err != nil {
			return nil, err
		}
		if !found {
			user = account.User{ID: account.NewID[account.UserID](h.now, l.opt.Random), Email: email, Name: name, State: account.UserActive, CreatedAt: h.now}
			if err := h.InsertUser(user); err != nil {
				return nil, err
			}
		}
		if r == account.Owner {
			if err := h.seatForAccountOwner(user.ID); err != nil {
				return nil, err
			}
		}
		first, err := h.PutTenancy(a, user.ID, h.now)
		if err != nil {
			return nil, err
		}
		added, err := h.AddSource(a, user.ID, h.byHand(account.Scope{}, r))
		if err != nil || !added {
			return nil, err
		}
		if first {
			if err := h.announce(account.Announcement{What: account.WordAdded, User: user.ID, Email: email}); err != nil {
				return nil, err
			}
		}
		h.Gain(table.OfUser(user.ID))
		return &note{Target: string(user.ID), Detail: map[string]any{"email": email, "role": r, "new": !found}}, nil
	})
	return user, err
}

// byHand is a role with the acting person as its source.
func (h *hand) byHand(s account.Scope, r account.Role) rules.Sourced {
	return rules.Sourced{Scope: s, Role: r, Source: account.Source{Kind: account.SourceManual, By: h.by.String(), At: h.now}}
}

// People lists an account's people, keyset-paged by user id: after "" starts, at most n (up to 1,000).
// Owners, user admins and the operator may.
func (l *Ledger) People(ctx context.Context, by account.Actor, a account.AccountID, after account.UserID, n int) ([]Person, error) {
	var people []Person
	err := l.look(ctx, by, a, userAdmins, func(h *hand) error {
		tenants, err := h.Tenants(a, after, min(max(n, 1), 1000))
		if err != nil || len(tenants) == 0 {
			return err
		}
		held, err := h.HeldBetween(a, after, tenants[len(tenants)-1].User.ID)
		if err != nil {
			return err
		}
		people = make([]Person, len(tenants))
		for i, t := range tenants {
			people[i] = l.person(h.House, t, held[t.User.ID])
		}
		return nil
	})
	return people, err
}

func (l *Ledger) person(house table.House, t table.Tenant, held []account.Held) Person {
	t.Tenancy.Role, t.Tenancy.Sources = accountRole(held)
	return Person{User: t.User, Tenancy: t.Tenancy, Roles: l.resolved(house.Org, held)}
}

// Person reads one. Owners, user admins and the operator may, and everybody may see themselves.
func (l *Ledger) Person(ctx context.Context, by account.Actor, a account.AccountID, u account.UserID) (Person, error) {
	return l.onePerson(ctx, by, a, func(*hand) (account.UserID, error) { return u, nil })
}

// PersonByEmail is Person, found by address.
func (l *Ledger) PersonByEmail(ctx context.Context, by account.Actor, a account.AccountID, email string) (Person, error) {
	return l.onePerson(ctx, by, a, func(h *hand) (account.UserID, error) {
		email, err := account.NormalEmail(email)
		if err != nil {
			return "", err
		}
		u, _, err := h.UserByEmail(email)
		return u.ID, err
	})
}

func (l *Ledger) onePerson(ctx context.Context, by account.Actor, a account.AccountID, find func(*hand) (account.UserID, error)) (p Person, err error) {
	err = l.look(ctx, by, a, members, func(h *hand) error {
		u, err := find(h)
		if err != nil {
			return err
		}
		if by.Kind != account.ActorUser || by.User != u {
			if err := userAdmins(h); err != nil {
				return err
			}
		}
		t, found, err := h.Tenant(a, u)
		if err != nil {
			return err
		}
		if !found {
			return noPerson(h.Org)
		}
		held, err := h.Held(a, u)
		p = l.person(h.House, t, held)
		return err
	})
	return p, err
}

func noPerson(org account.Org) *account.Error {
	return account.Errorf(account.NotFound, "No such person in the account of %s.", org.Name).Fix("Add them to the account first.")
}

// May answers whether a person may use role for something of team (or of the org as a whole when team is ""),
// now: an org-scoped role reaches everything, a team-scoped one its team (C-06, C-07). It is false for a disabled
// person, an ended or suspended tenancy, another account's team, and a service that is not enabled (B-09).
func (l *Ledger) May(ctx context.Context, a account.AccountID, u account.UserID, team account.TeamID, r account.Role) (bool, error) {
	may := false
	err := l.db.Read(ctx, func(tx *table.Tx) error {
		house, found, err := tx.House(a)
		if err != nil || !found {
			return err
		}
		user, found, err := tx.User(u)
		if err != nil || !found || user.State != account.UserActive {
			return err
		}
		t, held, found, err := l.tenancy(tx, house, u)
		if err != nil || found && t.Status != account.TenancyActive {
			return err
		}
		e, err := l.externalNow(tx, house, u)
		if err != nil {
			return err
		}
		if !found {
			held = nil
		}
		held = e.and(held)
		if team != "" {
			if _, found, err := tx.Team(a, team); err != nil || !found {
				return err
			}
		}
		if s := r.Service(); s != "" && !slices.Contains(house.Org.Services, s) {
			return nil
		}
		may = account.Reaches(held, house.Org.ID, team, r)
		return nil
	})
	return may, err
}

// SetUserState disables or enables a person everywhere; disabling ends their sessions and keys in the same transaction (M-08).
// The operator may, and the owners and user admins of the account whose proved domain the address is in; of
// owners, owners only. Setting the state that is there already changes nothing.
func (l *Ledger) SetUserState(ctx context.Context, by account.Actor, u account.UserID, s account.UserState) error {
	if s != account.UserActive && s != account.UserDisabled {
		return account.Errorf(account.Invalid, "%q is no state of a user.", s).At("/state").Fix("Use active or disabled.")
	}
	now := l.now()
	return l.db.Write(ctx, func(tx *table.Tx) error {
		user, found, err := tx.User(u)
		if err != nil {
			return err
		}
		if !found {
			return account.Errorf(account.NotFound, "No such person.")
		}
		if err := l.maySetState(tx, by, user, now); err != nil {
			return err
		}
		_, err = l.setUserState(tx, by, user, s, "", now)
		return err
	})
}

// setUserState is SetUserState without asking who may. It gives the receipt of one account, whose ID is empty when nothing changed.
func (l *Ledger) setUserState(tx *table.Tx, by account.Actor, user account.User, s account.UserState, in account.AccountID, now time.Time) (out account.Receipt, err error) {
	u := user.ID
	hands, err := l.handsOf(tx, by, u, now)
	if err != nil {
		return out, err
	}
	changed, err := tx.SetUserState(u, s)
	if err != nil || !changed {
		return out, err
	}
	if s == account.UserDisabled {
		tx.Shut(table.OfUser(u))
	}
	if s == account.UserActive {
		tx.Gain(table.OfUser(u))
		// By hand counts more than what a provider said: its suspensions go too (M-11).
		if err := tx.ResumeAll(u, now); err != nil {
			return out, err
		}
	}
	for _, h := range hands {
		if s == account.UserActive {
			err = errors.Join(h.announce(account.Announcement{What: account.WordReactivated, User: u, Everywhere: true}), h.audit("user.enabled", note{Target: string(u)}))
		} else {
			var r account.Receipt
			if r, err = h.disabled(user); r.Account == in {
				out = r
			}
		}
		if err != nil {
			return out, err
		}
	}
	if s == account.UserDisabled { // and what works in none of their accounts
		_, err = tx.EndSessionsOfUser(u)
		err = errors.Join(err, tx.DropLocal(u))
	}
	return out, err
}

// handsOf locks every account that a person has a place in, so that sign-ins under way end first and none of them makes a session
// afterwards. The actor's right was asked before.
func (l *Ledger) handsOf(tx *table.Tx, by account.Actor, u account.UserID, now time.Time) ([]*hand, error) {
	accounts, err := tx.AccountsOf(u)
	if err != nil {
		return nil, err
	}
	var hands []*hand
	for _, a := range accounts {
		house, found, err := tx.LockHouse(a)
		if err != nil {
			return nil, err
		}
		if found {
			hands = append(hands, &hand{Tx: tx, House: house, l: l, by: by, now: now, master: true})
		}
	}
	return hands, nil
}

// whyDisabled is what receipts and revoked keys say of who was disabled by hand.
const whyDisabled = "user disabled"

// disabled ends in this account what somebody holds who was disabled everywhere (M-08).
func (h *hand) disabled(u account.User) (account.Receipt, error) {
	r := h.receiptFor(u, removal{User: u.ID, Source: account.SourceOf(h.by), Why: whyDisabled})
	r.Disabled = true
	if err := h.endAll(&r, false); err != nil {
		return r, err
	}
	if err := h.orphans(u, h.Account.ID); err != nil {
		return r, err
	}
	if err := errors.Join(h.handOut(r), h.announceRemoval(account.WordDeactivated, r)); err != nil {
		return r, err
	}
	return r, h.audit("user.disabled", note{Target: string(u.ID), Detail: map[string]any{"sessions": r.Sessions, "keys": r.Keys, "receipt": r.ID}})
}

// maySetState: a person belongs to the company that owns the domain of their address, whoever else let them in.
func (l *Ledger) maySetState(tx *table.Tx, by account.Actor, u account.User, now time.Time) error {
	if by.AtConsole() || by.Kind == account.ActorSystem {
		return nil
	}
	unseen := account.Errorf(account.NotFound, "No such person.")
	d, found, err := tx.HeldDomain(account.EmailDomain(u.Email))
	if err != nil {
		return err
	}
	if !found {
		return unseen
	}
	house, found, err := tx.LockHouse(d.Account)
	if err != nil {
		return err
	}
	h, err := l.hand(tx, by, house, found, now)
	if err != nil {
		return unseen
	}
	held, err := tx.Held(d.Account, u.ID)
	if err != nil {
		return err
	}
	if len(held) == 0 {
		return unseen
	}
	if account.HasRole(held, account.Scope{Org: house.Org.ID}, account.Owner) {
		return owners(h)
	}
	return userAdmins(h)
}
