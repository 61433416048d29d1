package store

import (
	"cmp"
	"context"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

const (
	finaliseTarget = 24 * time.Hour // when a catalogue does not say
	handoverFor    = 7 * 24 * time.Hour
)

// FinaliseTarget is how soon the operator finalises what a customer has confirmed (K-17).
func (l *Ledger) FinaliseTarget() time.Duration {
	return cmp.Or(l.Catalogue().Limits.FinaliseTarget, finaliseTarget)
}

// openTicket begins the onboarding of a connection that a person has just made. What the operator sets up needs none.
func (h *hand) openTicket(c account.ConnectionID) error {
	if h.by.Kind != account.ActorUser {
		return nil
	}
	t := account.Ticket{ID: account.NewID[account.TicketID](h.now, h.l.opt.Random), Account: h.Account.ID, Connection: c, State: account.TicketRequested,
		OpenedAt: h.now, OpenedBy: h.by.User, Assignee: h.by.User}
	if err := h.PutTicket(t); err != nil {
		return err
	}
	return h.audit("ticket.opened", note{Target: string(t.ID), Detail: map[string]any{"connection": c}})
}

// configurers lets whoever configures a connection: as long as its ticket is open the one whom it is assigned to, then the owners. For other
// owners it is read-only (Forbidden, code ticket_reassigned, K-16). The operator and emergency access may.
func configurers(c account.ConnectionID) need {
	return func(h *hand) error {
		t, found, err := h.TicketOf(c)
		if err != nil {
			return err
		}
		if !found || t.State == account.TicketFinalised || h.master || h.by.BreakGlass || t.Account != h.Account.ID {
			return owners(h)
		}
		if h.by.Kind == account.ActorUser && h.by.User == t.Assignee {
			return userAdmins(h)
		}
		if err := owners(h); err != nil {
			return err
		}
		u, _, err := h.User(t.Assignee)
		if err != nil {
			return err
		}
		return account.Errorf(account.Forbidden, "%s configures this connection (ticket %s); for you it is read-only.", u.Email, t.ID).Coded("ticket_reassigned").
			Fix("Ask them, or take the ticket over: reassign it to yourself.")
	}
}

// confirm notes that the customer is done, when the connection would go live for the first time and the operator finalises it (T-16). It is
// false when it goes live at once: there is no open ticket, or the catalogue says auto_finalise.
func (h *hand) confirm(c *table.Connection) (bool, error) {
	if c.Live != nil || h.by.Kind != account.ActorUser {
		return false, nil
	}
	t, found, err := h.TicketOf(c.ID)
	if err != nil || !found || t.State == account.TicketFinalised {
		return false, err
	}
	if t.State == account.TicketRequested {
		t.State, t.ConfirmedAt, t.ConfirmedBy = account.TicketConfirmed, h.now, h.by.User
		if err := h.PutTicket(t); err != nil {
			return false, err
		}
		if err := h.audit("ticket.confirmed", note{Target: string(t.ID), Detail: map[string]any{"connection": c.ID}}); err != nil {
			return false, err
		}
	}
	if !h.l.Catalogue().Limits.AutoFinalise {
		return true, nil
	}
	if err := h.domainsShown(c.ID); err != nil {
		return false, err
	}
	return false, h.finalised(t)
}

// domainsShown asks that the domains whose people the connection signs in count (K-08), and that there is one.
func (h *hand) domainsShown(c account.ConnectionID) error {
	all, err := h.Domains(h.Account.ID)
	if err != nil {
		return err
	}
	tied := false
	for _, d := range all {
		if d.Connection != c {
			continue
		}
		tied = true
		if !d.Counts() {
			return account.Errorf(account.Conflict, "It has not been shown that %s is yours.", d.Name).Coded("domain_unproved").
				Fix("Set the TXT record %s to %s, and have it checked.", d.ChallengeName(), d.ChallengeValue())
		}
	}
	if !tied {
		return account.Errorf(account.Conflict, "No domain is tied to the connection yet.").Coded("domain_untied").Fix("Claim the e-mail domain of its people, and tie it to the connection.")
	}
	return nil
}

// finalised closes a ticket, and tells whoever asked for it (K-17).
func (h *hand) finalised(t account.Ticket) error {
	t.State, t.FinalisedAt, t.FinalisedBy = account.TicketFinalised, h.now, h.by.String()
	if err := h.PutTicket(t); err != nil {
		return err
	}
	if err := h.DropHandovers(t.Account, t.ID); err != nil {
		return err
	}
	c, _, err := h.Outline(t.Connection)
	if err != nil {
		return err
	}
	data := map[string]string{"Org": h.Org.Name, "Connection": c.Name, "Ticket": string(t.ID)}
	told := map[account.UserID]bool{}
	for _, id := range []account.UserID{t.OpenedBy, t.Assignee, t.ConfirmedBy} {
		u, found, err := h.User(id)
		if err != nil {
			return err
		}
		if !found || told[id] || u.State != account.UserActive {
			continue
		}
		told[id] = true
		if err := h.write(u.Email, "ticket_finalised", data); err != nil {
			return err
		}
	}
	return h.audit("ticket.finalised", note{Target: string(t.ID), Detail: map[string]any{"connection": t.Connection, "took": t.Age(h.now).String()}})
}

// FinaliseTicket is the operator's half of an onboarding: the draft that the customer confirmed goes live (K-17, T-16). Federating does not by
// itself send anybody to the provider (K-19). Conflict with codes not_confirmed, test_needed (the draft was changed since), domain_unproved,
// domain_untied and sync_decision_needed (K-18). Only the operator may.
func (l *Ledger) FinaliseTicket(ctx context.Context, by account.Actor, id account.TicketID) (account.Ticket, error) {
	t, err := l.ticket(ctx, id)
	if err != nil {
		return t, err
	}
	err = l.changeConnection(ctx, by, t.Connection, "connection.promoted", operator, func(h *hand, c *table.Connection) (*note, error) {
		now, found, err := h.Tx.Ticket(id)
		if err != nil || !found {
			return nil, orNoTicket(err)
		}
		if t = now; t.State == account.TicketFinalised {
			return nil, nil
		}
		if t.State != account.TicketConfirmed {
			return nil, account.Errorf(account.Conflict, "The customer has not confirmed ticket %s yet.", id).Coded("not_confirmed").Fix("Wait until the login test has passed and they have pressed Confirm.")
		}
		if err := h.domainsShown(c.ID); err != nil {
			return nil, err
		}
		n, err := l.promote(h, c, false)
		if err != nil {
			return nil, err
		}
		return n, h.finalised(t)
	})
	if err == nil {
		t, err = l.ticket(ctx, id)
	}
	return t, err
}

func (l *Ledger) ticket(ctx context.Context, id account.TicketID) (t account.Ticket, err error) {
	err = l.db.Look(ctx, func(tx *table.Tx) error {
		var found bool
		if t, found, err = tx.Ticket(id); err == nil && !found {
			err = orNoTicket(nil)
		}
		return err
	})
	return t, err
}

func orNoTicket(err error) error {
	if err != nil {
		return err
	}
	return account.Errorf(account.NotFound, "There is no such ticket.").Fix("The list of tickets has their ids.")
}

// Ticket reads one. Owners, user admins and the operator may.
func (l *Ledger) Ticket(ctx context.Context, by account.Actor, id account.TicketID) (account.Ticket, error) {
	t, err := l.ticket(ctx, id)
	if err != nil {
		return t, err
	}
	return t, hide(l.look(ctx, by, t.Account, userAdmins, func(*hand) error { return nil }), orNoTicket(nil).(*account.Error))
}

// Tickets lists those of an account, newest first, from before one ("" from the newest), at most n (up to 1,000). Owners, user admins and the
// operator may; with an empty account the operator is told of all.
func (l *Ledger) Tickets(ctx context.Context, by account.Actor, a account.AccountID, before account.TicketID, n int) (out []account.Ticket, err error) {
	n = min(max(n, 1), 1000)
	if a == "" {
		if !by.AtConsole() {
			return nil, noAccount()
		}
		err = l.db.Look(ctx, func(tx *table.Tx) (err error) { out, err = tx.Tickets("", before, n); return err })
		return out, err
	}
	err = l.look(ctx, by, a, userAdmins, func(h *hand) error { out, err = h.Tx.Tickets(a, before, n); return err })
	return out, err
}

// ReassignTicket hands an onboarding to a colleague: they are written to, and configure from when they accept; until then nothing changes
// (K-16). Whoever it is assigned to may, and every owner. The colleague owns the org or is a user admin of it (Conflict, code
// no_user_admin). An owner who reassigns to themselves has it at once.
func (l *Ledger) ReassignTicket(ctx context.Context, by account.Actor, id account.TicketID, email string) (account.Ticket, error) {
	email, err := account.NormalEmail(email)
	if err != nil {
		return account.Ticket{}, err
	}
	t, err := l.ticket(ctx, id)
	if err != nil {
		return t, err
	}
	err = l.change(ctx, by, t.Account, "ticket.reassigned", userAdmins, func(h *hand) (*note, error) {
		var found bool
		if t, found, err = h.Tx.Ticket(id); err != nil || !found {
			return nil, orNoTicket(err)
		}
		if by.User != t.Assignee {
			if err := owners(h); err != nil {
				return nil, err
			}
		}
		if t.State == account.TicketFinalised {
			return nil, account.Errorf(account.Conflict, "Ticket %s is finalised.", id).Coded("ticket_finalised").Fix("Owners change the connection from now on.")
		}
		to, err := h.colleague(email)
		if err != nil || to.ID == t.Assignee {
			return nil, err
		}
		h.Gain(table.OfAccount(t.Account))
		n := &note{Target: string(id), Detail: map[string]any{"to": to.ID}}
		if to.ID == by.User {
			t.Assignee = to.ID
			n.Detail["accepted"] = true
			if err := h.DropHandovers(t.Account, id); err != nil {
				return nil, err
			}
			return n, h.PutTicket(t)
		}
		called, err := h.actorCalled()
		if err != nil {
			return nil, err
		}
		c, _, err := h.Outline(t.Connection)
		if err != nil {
			return nil, err
		}
		token, link := l.newLink(handoverFor, h.now)
		if err := h.PutHandover(table.Handover{Account: t.Account, Ticket: id, To: to.ID, By: by.User, Link: link}); err != nil {
			return nil, err
		}
		return n, h.write(to.Email, "ticket_reassigned", map[string]string{"Org": h.Org.Name, "By": called, "Connection": c.Name, "Ticket": string(id), "Token": token, "Good": account.PlainLength(handoverFor)})
	})
	return t, hide(err, orNoTicket(nil).(*account.Error))
}

// colleague finds somebody of the account who may run login tests and read their results.
func (h *hand) colleague(email string) (account.User, error) {
	u, found, err := h.UserByEmail(email)
	if err != nil {
		return u, err
	}
	needs := account.Errorf(account.Conflict, "%s neither owns %s nor is a user admin of it.", email, h.Org.Name).Coded("no_user_admin").At("/email").Fix("Make them a user admin first; they read what login tests receive.")
	if !found {
		return u, needs
	}
	t, held, found, err := h.l.tenancy(h.Tx, h.House, u.ID)
	if err != nil {
		return u, err
	}
	whole := account.Scope{Org: h.Org.ID}
	if !found || t.Status != account.TenancyActive || !account.HasRole(held, whole, account.Owner) && !account.HasRole(held, whole, account.UserAdmin) {
		return u, needs
	}
	return u, nil
}

// HandedOver says which ticket a link hands over, to whoever is signed in; looking uses nothing up. NotFound for anybody else's link.
func (l *Ledger) HandedOver(ctx context.Context, by account.Actor, token account.Secret) (t account.Ticket, connection string, err error) {
	now := l.now()
	err = l.lookPersonally(ctx, by, func(s *self) error {
		o, found, err := s.Handover(digest(token.Reveal()))
		if err != nil || !found || o.To != s.User.ID {
			return orNoLink(err)
		}
		if err := openLink(o.Link.Link, now); err != nil {
			return err
		}
		if t, _, err = s.Ticket(o.Ticket); err != nil {
			return err
		}
		c, _, err := s.Outline(t.Connection)
		connection = c.Name
		return err
	})
	return t, connection, err
}

// AcceptTicket is the button of the letter that ReassignTicket sent, pressed by whom it went to: they resume where the other one was (K-16).
func (l *Ledger) AcceptTicket(ctx context.Context, by account.Actor, token account.Secret) (account.Ticket, error) {
	t, _, err := l.HandedOver(ctx, by, token)
	if err != nil {
		return t, err
	}
	d := digest(token.Reveal())
	err = l.change(ctx, by, t.Account, "ticket.accepted", userAdmins, func(h *hand) (*note, error) {
		used, err := h.UseHandover(d, h.now)
		if err != nil {
			return nil, err
		}
		if !used {
			o, found, err := h.Handover(d)
			if err != nil || !found {
				return nil, orNoLink(err)
			}
			return nil, openLink(o.Link.Link, h.now)
		}
		var found bool
		if t, found, err = h.Tx.Ticket(t.ID); err != nil || !found {
			return nil, orNoTicket(err)
		}
		h.Gain(table.OfAccount(t.Account))
		from := t.Assignee
		t.Assignee = by.User
		return &note{Target: string(t.ID), Detail: map[string]any{"from": from}}, h.PutTicket(t)
	})
	return t, err
}
