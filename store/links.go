package store

import (
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// newLink makes a one-time link: its token goes into the letter and nowhere else, what is kept of it into the row of what it is for. Sending
// again is a new link of the same validity in the same row, which kills the one before.
func (l *Ledger) newLink(validity time.Duration, now time.Time) (token string, k table.Link) {
	token = l.random(32)
	return token, table.NewLink(digest(token), validity, now)
}

// linkLength says whether links may be good for that long; zero stands for ordinary.
func linkLength(d, ordinary, least, most time.Duration) (time.Duration, error) {
	switch {
	case d == 0:
		return ordinary, nil
	case d < least, d > most:
		return 0, account.Errorf(account.Invalid, "A link is good for %s to %s.", account.PlainLength(least), account.PlainLength(most)).Coded("bad_expiry").At("/expires_in").
			Fix("Choose an expiry in between, or leave it out for %s.", account.PlainLength(ordinary))
	}
	return d.Truncate(time.Second), nil
}

// openLink says why a link can be used no more; nil while it can. An unknown token is noLink.
func openLink(k account.Link, now time.Time) error {
	switch k.At(now) {
	case account.LinkPending:
		return nil
	case account.LinkAccepted:
		return account.Errorf(account.Conflict, "This link has been used already.").Coded("link_used").Fix("It opens once. Sign in as usual.")
	case account.LinkExpired:
		return account.Errorf(account.Conflict, "This link has run out.").Coded("link_expired").Fix("Ask for a new one.")
	}
	return account.Errorf(account.Conflict, "This link has been taken back.").Coded("link_revoked").Fix("Ask whoever sent it.")
}

// noLink is the answer to a token that nobody knows, or knows no more.
func noLink() *account.Error {
	return account.Errorf(account.NotFound, "There is no such link.").Coded("no_link").Fix("Use the newest letter, and copy the whole address from it.")
}
