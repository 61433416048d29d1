package main

import (
	"errors"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store"
)

// findConnection reads "org/connection name" or a connection id, as people type it.
func findConnection(a *app, l *store.Ledger, arg string) (account.Connection, error) {
	if id, ok := account.ParseID[account.ConnectionID](arg); ok {
		return l.Connection(a.ctx, id)
	}
	org, name, ok := strings.Cut(arg, "/")
	if !ok {
		return account.Connection{}, usageError{account.Errorf(account.Invalid, "Expected a connection as org/name or as an id, received %q.", arg)}
	}
	acct, _, err := l.OrgByName(a.ctx, operator(), org)
	if err != nil {
		return account.Connection{}, err
	}
	all, err := l.Connections(a.ctx, operator(), acct.ID)
	if err != nil {
		return account.Connection{}, err
	}
	var names []string
	for _, c := range all {
		if c.Name == name {
			return c, nil
		}
		names = append(names, c.Name)
	}
	return account.Connection{}, account.Errorf(account.NotFound, "%s has no connection called %q.", org, name).
		Fix("It has: %s.", strings.Join(names, ", "))
}

// findOrg reads an org by its exact name.
func findOrg(a *app, l *store.Ledger, name string) (account.Account, account.Org, error) {
	return l.OrgByName(a.ctx, operator(), name)
}

// in opens the ledger and finds the account of an org by its exact name. The caller closes the ledger.
func (a *app) in(org string) (*store.Ledger, account.Account, error) {
	l, _, err := a.ledger()
	if err != nil {
		return nil, account.Account{}, err
	}
	acct, _, err := findOrg(a, l, org)
	if err != nil {
		return nil, acct, errors.Join(err, l.Close())
	}
	return l, acct, nil
}

// teamNames are what people call the teams of an account.
func teamNames(a *app, l *store.Ledger, acct account.AccountID) (map[account.TeamID]string, error) {
	teams, err := l.Teams(a.ctx, operator(), acct)
	if account.KindOf(err) == account.NotFound { // a dry run tells of accounts that do not exist yet
		err = nil
	}
	names := map[account.TeamID]string{}
	for _, t := range teams {
		names[t.ID] = t.Name
	}
	return names, err
}
