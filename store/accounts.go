package store

import (
	"context"
	"crypto/rand"
	"math/big"
	"slices"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// CreateAccount makes an account and its org, one number for both. Only the operator may.
func (l *Ledger) CreateAccount(ctx context.Context, by account.Actor, name, orgName, title string, t account.OrgType) (account.Account, account.Org, error) {
	if by.Kind != account.ActorOperator && by.Kind != account.ActorSystem {
		return account.Account{}, account.Org{}, account.Errorf(account.Forbidden, "Only the operator of this installation makes accounts.")
	}
	if err := account.CheckAccountName(name); err != nil {
		return account.Account{}, account.Org{}, err
	}
	if err := account.CheckOrgName(orgName); err != nil {
		return account.Account{}, account.Org{}, err
	}
	if t != account.Individual && t != account.Enterprise {
		return account.Account{}, account.Org{}, account.Errorf(account.Invalid, "%q is no type of org.", t).At("/type").Fix("Use individual or enterprise.")
	}
	now := l.now()
	var house table.House
	err := l.db.Write(ctx, func(tx *table.Tx) error {
		var err error
		if house, err = l.newHouse(tx, name, orgName, title, t, now); err != nil {
			return err
		}
		return l.audit(tx, by, house.Account.ID, "account.created", note{Target: string(house.Account.ID), Detail: map[string]any{"name": name, "org": orgName, "type": t}}, now)
	})
	return house.Account, house.Org, err
}

// newHouse makes an account and its org, one number for both. Names have been checked.
func (l *Ledger) newHouse(tx *table.Tx, name, orgName, title string, t account.OrgType, now time.Time) (table.House, error) {
	number, err := freeNumber(tx, name)
	if err != nil {
		return table.House{}, err
	}
	if _, taken, err := tx.HouseByOrg(orgName); err != nil {
		return table.House{}, err
	} else if taken {
		return table.House{}, account.Errorf(account.Conflict, "There is an org called %q already.", orgName).Coded("name_taken").At("/org").Fix("Choose another name.")
	}
	a := account.Account{ID: account.NewID[account.AccountID](now, l.opt.Random), Number: number, Name: name, CreatedAt: now}
	house := table.House{Account: a, Org: account.Org{ID: account.NewID[account.OrgID](now, l.opt.Random), Account: a.ID, Number: number,
		Name: orgName, Title: title, Type: t, CreatedAt: now}}
	return house, tx.InsertHouse(house)
}

// freeNumber draws ten digits that no account has, and refuses a name that one has.
func freeNumber(tx *table.Tx, name string) (string, error) {
	for {
		n, err := rand.Int(rand.Reader, big.NewInt(9_000_000_000))
		if err != nil {
			return "", err
		}
		number := n.Add(n, big.NewInt(1_000_000_000)).String()
		byName, byNumber, err := tx.NameTaken(name, number)
		if err != nil {
			return "", err
		}
		if byName {
			return "", account.Errorf(account.Conflict, "There is an account called %q already.", name).Coded("name_taken").At("/name").Fix("Choose another name.")
		}
		if !byNumber {
			return number, nil
		}
	}
}

// Account reads an account and its org. Its people and the operator may.
func (l *Ledger) Account(ctx context.Context, by account.Actor, id account.AccountID) (account.Account, account.Org, error) {
	var house table.House
	err := l.look(ctx, by, id, anyone, func(h *hand) error { house = h.House; return nil })
	return house.Account, house.Org, err
}

// OrgByName is Account, found by the org's exact name.
func (l *Ledger) OrgByName(ctx context.Context, by account.Actor, name string) (account.Account, account.Org, error) {
	var id account.AccountID
	err := l.db.Read(ctx, func(tx *table.Tx) error {
		house, _, err := tx.HouseByOrg(name)
		id = house.Account.ID
		return err
	})
	if err != nil {
		return account.Account{}, account.Org{}, err
	}
	return l.Account(ctx, by, id)
}

// EnableService turns a service of the catalogue on or off for an account's org. Only the operator may.
func (l *Ledger) EnableService(ctx context.Context, by account.Actor, a account.AccountID, service string, on bool) error {
	verb := "service.enabled"
	if !on {
		verb = "service.disabled"
	}
	return l.change(ctx, by, a, verb, operators, func(h *hand) (*note, error) {
		s, known := l.Catalogue().Service(service)
		switch has := slices.Contains(h.ByHand, service); {
		case has == on:
			return nil, nil
		case on && !known:
			return nil, account.Errorf(account.Invalid, "The catalogue has no service %q.", service).At("/service").Fix("Add it to the catalogue, or check its id.")
		case on && s.Premium && h.Org.Type == account.Individual:
			return nil, individualOrg("%s is for enterprise orgs, and %s is an individual org.", s.Label, h.Org.Name)
		}
		services := slices.DeleteFunc(slices.Clone(h.ByHand), func(s string) bool { return s == service })
		if on {
			services = append(services, service)
		}
		slices.Sort(services)
		return &note{Target: service}, h.SetServices(a, services)
	})
}
