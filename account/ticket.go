package account

import "time"

// A Ticket is the onboarding of a connection, from its first draft until the operator has finalised it; people quote it in support.
type Ticket struct {
	ID          TicketID
	Account     AccountID
	Connection  ConnectionID
	State       TicketState
	OpenedAt    time.Time
	OpenedBy    UserID
	Assignee    UserID // who configures; for others the draft is read-only (K-16)
	ConfirmedAt time.Time
	ConfirmedBy UserID
	FinalisedAt time.Time
	FinalisedBy string // Actor.String
}

// TicketState is how far an onboarding has got.
type TicketState string

// The states of a ticket (T-16: the customer confirms, the operator finalises).
const (
	TicketRequested TicketState = "requested"
	TicketConfirmed TicketState = "confirmed"
	TicketFinalised TicketState = "finalised"
)

// Age is how long the operator has had to finalise it, or took; zero before it was confirmed (K-17).
func (t Ticket) Age(now time.Time) time.Duration {
	switch {
	case t.ConfirmedAt.IsZero():
		return 0
	case !t.FinalisedAt.IsZero():
		return t.FinalisedAt.Sub(t.ConfirmedAt)
	}
	return now.Sub(t.ConfirmedAt)
}
