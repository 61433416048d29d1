package table

import (
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

const ticketColumns = `account_id, id, connection_id, state, opened_at, opened_by, assignee, confirmed_at, confirmed_by, finalised_at, finalised_by`

func scanTicket(s scanner) (t account.Ticket, err error) {
	var opened, confirmed, finalised int64
	err = s.Scan(&t.Account, &t.ID, &t.Connection, &t.State, &opened, &t.OpenedBy, &t.Assignee, &confirmed, &t.ConfirmedBy, &finalised, &t.FinalisedBy)
	t.OpenedAt, t.ConfirmedAt, t.FinalisedAt = instant(opened), instant(confirmed), instant(finalised)
	return t, err
}

// PutTicket writes a ticket, or what has changed of it.
func (tx *Tx) PutTicket(t account.Ticket) error {
	_, err := tx.exec(`
		INSERT INTO tickets (`+ticketColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		    ON CONFLICT (account_id, id) DO UPDATE
		   SET state = excluded.state, assignee = excluded.assignee, confirmed_at = excluded.confirmed_at, confirmed_by = excluded.confirmed_by,
		       finalised_at = excluded.finalised_at, finalised_by = excluded.finalised_by`,
		t.Account, t.ID, t.Connection, t.State, micros(t.OpenedAt), t.OpenedBy, t.Assignee, micros(t.ConfirmedAt), t.ConfirmedBy, micros(t.FinalisedAt), t.FinalisedBy)
	return err
}

// Ticket reads one.
func (tx *Tx) Ticket(id account.TicketID) (account.Ticket, bool, error) {
	return one(tx, scanTicket, `SELECT `+ticketColumns+` FROM tickets WHERE id = $1`, id)
}

// TicketOf reads that of a connection.
func (tx *Tx) TicketOf(c account.ConnectionID) (account.Ticket, bool, error) {
	return one(tx, scanTicket, `SELECT `+ticketColumns+` FROM tickets WHERE connection_id = $1`, c)
}

// Tickets lists those of an account, of all accounts with "", newest first, from before one ("" from the newest), at most n.
func (tx *Tx) Tickets(a account.AccountID, before account.TicketID, n int) ([]account.Ticket, error) {
	return list(tx, scanTicket, `
		SELECT `+ticketColumns+` FROM tickets WHERE ($1 = '' OR account_id = $1) AND ($2 = '' OR id < $2) ORDER BY id DESC LIMIT $3`, a, before, n)
}

// A Handover is a ticket on its way to a colleague.
type Handover struct {
	Account account.AccountID
	Ticket  account.TicketID
	To, By  account.UserID
	Link
}

// PutHandover writes one in place of the one before.
func (tx *Tx) PutHandover(o Handover) error {
	_, err := tx.exec(`
		INSERT INTO ticket_handovers (account_id, ticket_id, to_user, by_user, `+linkColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		    ON CONFLICT (account_id, ticket_id) DO UPDATE
		   SET to_user = excluded.to_user, by_user = excluded.by_user, link_digest = excluded.link_digest, link_state = excluded.link_state,
		       link_validity = excluded.link_validity, link_until = excluded.link_until`, o.values(o.Account, o.Ticket, o.To, o.By)...)
	return err
}

// Handover finds one by the digest of its token.
func (tx *Tx) Handover(digest []byte) (Handover, bool, error) {
	return one(tx, func(s scanner) (o Handover, err error) {
		return o, linkInto(s, &o.Link, &o.Account, &o.Ticket, &o.To, &o.By)
	}, `
		SELECT account_id, ticket_id, to_user, by_user, `+linkColumns+` FROM ticket_handovers WHERE link_digest = $1`, digest)
}

// UseHandover uses one up; of several at once one is told true.
func (tx *Tx) UseHandover(digest []byte, at time.Time) (bool, error) {
	n, err := tx.exec(`UPDATE ticket_handovers SET link_state = 'accepted' WHERE link_digest = $1 AND link_state = 'pending' AND link_until > $2`, digest, micros(at))
	return n > 0, err
}

// DropHandovers forgets those of a ticket.
func (tx *Tx) DropHandovers(a account.AccountID, t account.TicketID) error {
	_, err := tx.exec(`DELETE FROM ticket_handovers WHERE account_id = $1 AND ticket_id = $2`, a, t)
	return err
}

// NativeUsers pages through the people with an address of a domain (in normal form, which has no wildcards) who sign in with a password, by user id.
func (tx *Tx) NativeUsers(domain string, after account.UserID, n int) ([]account.User, error) {
	return list(tx, scanUser, `
		SELECT u.id, u.email, u.name, u.state, u.created_at
		  FROM identities i JOIN users u ON u.id = i.user_id
		 WHERE u.id > $2 AND u.email LIKE $1 ORDER BY u.id LIMIT $3`, "%@"+domain, after, n)
}
