package store

import (
	"context"
	"slices"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// typeRevoked is how a global token revocation is kept in the log of events.
const typeRevoked = "global-token-revocation"

// gtrFormats are the subjects that a global token revocation may have.
var gtrFormats = []string{account.SubjectEmail, account.SubjectIssSub, account.SubjectOpaque, account.SubjectAccount, account.SubjectPhone, account.SubjectURI,
	account.SubjectDID, account.SubjectAliases, account.SubjectSCIM}

// RevokeTokens is Global Token Revocation (draft-parecki-oauth-global-token-revocation): all sessions of a person in the stream's account end,
// their keys follow as the stream has it, and their provider has to ask for their credentials before they come in again. message names the
// request, so that it counts once (Conflict with code already_used); "" when nothing does. Invalid with code invalid_request for a subject
// that cannot be one, NotFound when nobody of the account is meant, Conflict with code ambiguous_subject when several are.
func (l *Ledger) RevokeTokens(ctx context.Context, by account.Actor, id account.StreamID, subject account.SubjectID, message string) (account.Event, error) {
	if !slices.Contains(gtrFormats, subject.Format) {
		return account.Event{}, badSET("Nobody can be named by a subject of that format.")
	}
	by.Kind = account.ActorStream
	var row account.Event
	err := l.db.Write(ctx, func(tx *table.Tx) error {
		r, err := l.enterStream(tx, by, id)
		if err != nil {
			return err
		}
		if !r.stream.Enabled {
			return account.Errorf(account.Forbidden, "Stream %q is switched off.", r.stream.Name).Fix("An owner can enable it.")
		}
		row, err = r.revokeTokens(subject, message)
		return err
	})
	if err == nil {
		l.tell([]account.Event{row})
	}
	return row, err
}

func (r *reception) revokeTokens(subject account.SubjectID, message string) (account.Event, error) {
	in := account.SET{Issuer: r.stream.Issuer, JTI: message, IssuedAt: r.now, Txn: r.by.Request, Claims: []byte("{}"),
		Events: []account.SETEvent{{Type: typeRevoked, Subject: &subject, Body: map[string]any{}}}}
	r.by.Txn = in.Txn
	row, err := r.newEvent(in, 0)
	if err != nil {
		return row, err
	}
	if message == "" {
		row.JTI = string(row.ID)
	} else if row.JTI = typeRevoked + " " + message; len(row.JTI) > longestJTI+len(typeRevoked)+1 {
		return row, badSET("The name of the request is too long.")
	}
	first, err := r.TakeSET(r.Account.ID, r.stream.ID, r.stream.Issuer, row.JTI, "{}", r.now)
	if err != nil {
		return row, err
	}
	if !first {
		return row, account.Errorf(account.Conflict, "This request was used before.").Coded(codeUsed)
	}
	t := &turn{reception: r, row: &row}
	if t.whom, err = r.resolve(subject); err != nil {
		return row, err
	}
	switch {
	case t.whom.conflict != "":
		return row, account.Errorf(account.Conflict, "%s", t.whom.conflict).Coded("ambiguous_subject")
	case t.whom.user == "":
		return row, account.Errorf(account.NotFound, "Nobody of this account is meant.").Because(account.Errorf(account.NotFound, "%s", t.whom.why))
	}
	t.whom.sessions, t.whom.partial = nil, false // a person is meant, by whatever they were named
	row.User, row.Outcome = t.whom.user, account.EventApplied
	if err := t.askAnew(); err != nil {
		return row, err
	}
	if err := t.followKeys(); err != nil {
		return row, err
	}
	if err := r.StreamHeard(r.Account.ID, r.stream.ID, r.now); err != nil {
		return row, err
	}
	if err := r.InsertEvent(row); err != nil {
		return row, err
	}
	return row, r.noted(row)
}

// followKeys does with a person's keys what the stream says about global token revocations.
func (t *turn) followKeys() error {
	a, u := t.Account.ID, t.whom.user
	switch t.stream.GTRKeys {
	case account.GTRSuspend:
		n, err := t.SuspendKeys(a, u, typeRevoked)
		if n > 0 {
			t.Shut(table.OfUser(u))
			t.did("%d keys are out of use until they sign in again.", n)
		}
		return err
	case account.GTRRevoke:
		user, found, err := t.User(u)
		if err != nil || !found {
			return err
		}
		n, err := t.RevokeKeys(a, u, typeRevoked, t.now)
		if err != nil {
			return err
		}
		r := t.receiptFor(user, removal{User: u, Source: account.FromEvent, Why: typeRevoked, Txn: t.row.Txn})
		r.Keys = int(n)
		t.Shut(table.OfUser(u))
		return t.finish(r)
	}
	return nil
}
