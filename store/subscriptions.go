package store

import (
	"context"
	"slices"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// Subscriptions lists what an account holds or held, newest first. Its people and the operator may.
func (l *Ledger) Subscriptions(ctx context.Context, by account.Actor, a account.AccountID) (out []account.Subscription, err error) {
	err = l.look(ctx, by, a, members, func(h *hand) error { out, err = h.Subscriptions(a); return err })
	return out, err
}

// subscribed reports whether the account holds an active subscription that carries a service; "" is any. What the operator enabled counts as
// subscribed to, and so does an enterprise org that never had a subscription: the operator made it. What comes free with every org does not (T-19).
func (h *hand) subscribed(service string) (bool, error) {
	if service != "" && slices.Contains(h.ByHand, service) {
		return true, nil
	}
	all, err := h.Subscriptions(h.Account.ID)
	if err != nil {
		return false, err
	}
	if slices.ContainsFunc(all, func(s account.Subscription) bool { return s.Live(h.now) && s.Carries(service) }) {
		return true, nil
	}
	if service != "" || h.Org.Type != account.Enterprise {
		return false, nil
	}
	cat := h.l.Catalogue()
	return len(all) == 0 || slices.ContainsFunc(h.ByHand, func(id string) bool {
		s, _ := cat.Service(id)
		return !s.DefaultForMembers && !s.OnSignUp
	}), nil
}

// carry works out anew which services subscriptions carry to the org.
func (h *hand) carry() error {
	all, err := h.Subscriptions(h.Account.ID)
	if err != nil {
		return err
	}
	var services []string
	for _, s := range all {
		if s.Live(h.now) {
			services = append(services, s.Services...)
		}
	}
	slices.Sort(services)
	services = slices.Compact(services)
	h.Shut(table.OfAccount(h.Account.ID))
	if err := h.SetSubscribed(h.Account.ID, services); err != nil {
		return err
	}
	house, _, err := h.Tx.House(h.Account.ID)
	h.House = house
	return err
}
