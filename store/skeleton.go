package store

// This file is the agreed interface of the ledger while it is being built. Each group moves to the file named
// above it as it gets its body; when the last has moved, this file is gone.

import (
	"context"
	"errors"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/rules"
)

var errUnbuilt = errors.New("store: not built yet")

// --- jobs.go (River, if its SQLite driver holds; otherwise our own table with leases) ----------------

// Work runs the jobs of the house until ctx ends: purging what has expired, resuming rule activation, and the periodic tasks handed in.
func (l *Ledger) Work(ctx context.Context, tasks ...Task) error { return errUnbuilt }

// A Task is periodic work that needs the outside world (metadata refresh, DNS re-check); on several replicas one runs it at a time.
type Task struct {
	Name  string
	Every time.Duration
	Run   func(context.Context) error
}

// --- rules.go, apply.go ----------------------------------------------------------------------------

func (l *Ledger) Rules(ctx context.Context, by account.Actor, a account.AccountID) ([]rules.Rule, error) {
	return nil, errUnbuilt
}
func (l *Ledger) SaveRule(ctx context.Context, by account.Actor, a account.AccountID, id account.RuleID, d rules.Definition) (rules.Rule, error) {
	return rules.Rule{}, errUnbuilt
}
func (l *Ledger) DeleteRule(ctx context.Context, by account.Actor, a account.AccountID, id account.RuleID) error {
	return errUnbuilt
}

// PlanRules is the dry run of the drafts over everybody with the groups last seen (L-20, T-03).
func (l *Ledger) PlanRules(ctx context.Context, by account.Actor, a account.AccountID) (rules.Plan, error) {
	return rules.Plan{}, errUnbuilt
}

// ActivateRules makes the drafts active and applies them. confirmed answers the guard against large losses.
func (l *Ledger) ActivateRules(ctx context.Context, by account.Actor, a account.AccountID, confirmed bool) (rules.Plan, error) {
	return rules.Plan{}, errUnbuilt
}
func (l *Ledger) AddIdPGroup(ctx context.Context, by account.Actor, g account.IdPGroup) error {
	return errUnbuilt
}
func (l *Ledger) IdPGroups(ctx context.Context, by account.Actor, a account.AccountID) ([]account.IdPGroup, error) {
	return nil, errUnbuilt
}
