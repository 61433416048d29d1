package store

import (
	"context"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// ContactOwners sends what somebody wrote to the owners of their org, from the platform's address, with theirs to reply to (J-05). It says to
// how many. Everybody with a place in the account may, signed in with a browser; at most a few times an hour (TooMany).
func (l *Ledger) ContactOwners(ctx context.Context, by account.Actor, a account.AccountID, subject, text string) (int, error) {
	if err := account.CheckLetter(subject, text); err != nil {
		return 0, err
	}
	told := 0
	err := l.change(ctx, by, a, "owners.contacted", signedIn, func(h *hand) (*note, error) {
		room, err := of(contactsBy, by.User).pour(h.Tx, 1, h.now)
		if err != nil {
			return nil, err
		}
		if !room {
			return nil, account.Errorf(account.TooMany, "You wrote %d letters to owners within an hour, which is the limit.", contactsBy.burst).Coded("rate_limited").Fix("Try again later.")
		}
		me, _, err := h.User(by.User)
		if err != nil {
			return nil, err
		}
		all, err := h.Holders(a, h.Org.ID, account.Owner)
		if err != nil {
			return nil, err
		}
		h.Gain(table.OfAccount(a))
		told = 0
		for _, o := range all {
			if o.State != account.UserActive {
				continue
			}
			told++
			if err := h.write(o.Email, "contact_admin", map[string]string{"Org": h.Org.Name, "From": me.Email, "Subject": subject,
				"Text": strings.ReplaceAll(text, "\r\n", "\n"), account.LetterReplyTo: me.Email}); err != nil {
				return nil, err
			}
		}
		if told == 0 {
			return nil, account.Errorf(account.Conflict, "Nobody who owns %s can be reached at the moment.", h.Org.Name).Coded("no_owner").Fix("Ask the operator of this installation.")
		}
		return &note{Target: string(h.Org.ID), Detail: map[string]any{"subject": subject, "owners": told}}, nil
	})
	return told, err
}

// signedIn lets everybody of the account who is there in person, and no key.
func signedIn(h *hand) error {
	if h.by.Kind == account.ActorUser && h.by.Key == "" {
		return nil
	}
	return account.Errorf(account.Forbidden, "Letters to owners are written by people, signed in with a browser.").Coded("session_needed").Fix("Sign in, and write it there.")
}
