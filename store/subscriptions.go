package store

import (
	"context"
	"slices"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// Subscriptions lists what an account holds or held, newest first. Whoever holds a role in its org may, and the operator.
func (l *Ledger) Subscriptions(ctx context.Context, by account.Actor, a account.AccountID) (out []account.Subscription, err error) {
	err = l.look(ctx, by, a, orgPeople, func(h *hand) error { out, err = h.Subscriptions(a); return err })
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

// ExpireSubscriptions closes what has ended, and takes away what it carried; owners are told. It is a job of the house.
func (l *Ledger) ExpireSubscriptions(ctx context.Context) error {
	by := account.Actor{Kind: account.ActorSystem, Job: "expire-subscriptions"}
	for {
		var over []account.AccountID
		err := l.db.Look(ctx, func(tx *table.Tx) (err error) {
			over, err = tx.SubscriptionsOver(l.now(), subscriptionsAtOnce)
			return err
		})
		if err != nil {
			return err
		}
		for _, a := range over {
			if err := l.change(ctx, by, a, "subscription.expired", operator, (*hand).expire); err != nil {
				return err
			}
		}
		if len(over) < subscriptionsAtOnce {
			return nil
		}
	}
}

const subscriptionsAtOnce = 100 // accounts

func (h *hand) expire() (*note, error) {
	all, err := h.Subscriptions(h.Account.ID)
	if err != nil {
		return nil, err
	}
	for _, s := range all {
		if s.State != account.SubscriptionActive || s.Until.IsZero() || h.now.Before(s.Until) {
			continue
		}
		if err := h.ExpireSubscription(h.Account.ID, s.ID); err != nil {
			return nil, err
		}
		if err := h.audit("subscription.expired", note{Target: string(s.ID), Detail: map[string]any{"product": s.Product, "services": s.Services}}); err != nil {
			return nil, err
		}
		if err := h.writeOwners("subscription_expired", map[string]string{"Org": h.Org.Name, "Item": s.Label}); err != nil {
			return nil, err
		}
	}
	return nil, h.carry()
}

// ended names the subscription that carried a service which an org does not have any more; nil when none ever did.
func (l *Ledger) ended(tx *table.Tx, house table.House, service string) (*account.Error, error) {
	all, err := tx.Subscriptions(house.Account.ID)
	if err != nil {
		return nil, err
	}
	for _, s := range all {
		if s.State == account.SubscriptionExpired && s.Carries(service) {
			known, _ := l.Catalogue().Service(service)
			return account.Errorf(account.Conflict, "%s (%s) came to %s with the subscription %s, which ended on %s.", known.Label, service, house.Org.Name, s.Label,
				s.Until.Format("2 January 2006")).Coded("subscription_required").Fix("Renew the subscription."), nil
		}
	}
	return nil, nil
}

// count keeps what counts of the roles that somebody holds: those of services which the org has. What does not is kept beside, with the reason.
func (l *Ledger) count(tx *table.Tx, house table.House, held []account.Held) (counts []account.Held, denied []account.Denied, err error) {
	for _, h := range held {
		service := h.Role.Service()
		if service == "" || slices.Contains(house.Org.Services, service) {
			counts = append(counts, h)
			continue
		}
		why, err := l.ended(tx, house, service)
		if err != nil {
			return nil, nil, err
		}
		if why == nil {
			why = account.Errorf(account.Conflict, "%s is not enabled on %s.", service, house.Org.Name).Coded("service_not_enabled").Fix("Ask an owner of %s.", house.Org.Name)
		}
		denied = append(denied, account.Denied{Held: h, Why: why})
	}
	return counts, denied, nil
}
