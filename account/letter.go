package account

import "time"

// A Letter is a mail to one person, on its way. Its words are made when it is sent, from data.
type Letter struct {
	ID       LetterID // also its Message-ID, so that one sent twice can be told
	Account  AccountID
	To       string            // address, as NormalEmail makes them
	Name     string            // which one: connection_paused, invitation…
	Data     map[string]string // what its words are made from; never a secret that outlives its use
	At       time.Time
	State    DeliveryState
	DueAt    time.Time // waiting: the next try
	Attempts int       // tries that failed
	Error    string    // what went wrong last
	EndedAt  time.Time
}

// Names in a letter's data that become headers and are no words.
const (
	LetterReplyTo     = "ReplyTo"     // an address for Reply-To
	LetterUnsubscribe = "Unsubscribe" // our own path that ends mail of this kind with one click (RFC 8058)
)
