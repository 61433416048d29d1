package store

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// digest is how a value that only has to be compared is kept. The values have at least 128 random bits, so that
// nothing slower is needed.
func digest(value string) []byte {
	sum := sha256.Sum256([]byte(value))
	return sum[:]
}

// StartFlow remembers a started sign-in. The caller fills Connection, Which, RequestID, Nonce, Verifier, Issuer,
// Next, LoginHint, Test, TestBy and Browser ("" makes a fresh one); the answer has ID, Handle, Browser and times too.
// A disabled connection (code connection_disabled) or one without that version (not_live, no_draft) is refused with Conflict. In a test
// a pending diagnosis is made as well, unless Diagnosis names one already.
func (l *Ledger) StartFlow(ctx context.Context, f account.Flow) (account.Flow, error) {
	if f.Which == account.Draft && !f.Test {
		return f, account.Errorf(account.Invalid, "A draft can only be tested.")
	}
	now := l.now()
	f.ID, f.Handle = account.NewID[account.FlowID](now, l.opt.Random), l.random(16)
	if f.Browser == "" {
		f.Browser = l.random(16)
	}
	begins := f.Test && f.Diagnosis == "" // otherwise a test under way goes on in the browser that opened its link
	if begins {
		f.Diagnosis = account.NewID[account.DiagnosisID](now, l.opt.Random)
	}
	f.CreatedAt, f.ExpiresAt = now, now.Add(l.opt.FlowAge)
	err := l.db.Write(ctx, func(tx *table.Tx) error {
		c, found, err := tx.Outline(f.Connection)
		if err != nil {
			return err
		}
		if !found {
			return noConnection()
		}
		if err := startable(c, f.Which); err != nil {
			return err
		}
		row := table.Flow{Flow: f, Account: c.Account, HandleDigest: digest(f.Handle), BrowserDigest: digest(f.Browser)}
		if !f.Verifier.IsZero() {
			if row.Sealed, err = l.opt.Keyring.seal(f.Verifier, string(c.Account), string(f.ID), "verifier"); err != nil {
				return err
			}
		}
		if err := tx.InsertFlow(row); err != nil || !begins {
			return err
		}
		edition := ""
		if f.Which == account.Draft {
			edition = c.DraftEdition
		}
		return tx.InsertDiagnosis(account.Diagnosis{ID: f.Diagnosis, Account: c.Account, Connection: f.Connection, Which: f.Which, Test: true,
			AskedBy: f.TestBy, Outcome: account.OutcomePending, At: now}, edition)
	})
	return f, err
}

func startable(c table.Outline, w account.Which) error {
	switch {
	case !c.Enabled:
		return account.Errorf(account.Conflict, "This way to sign in is switched off.").Coded("connection_disabled").Fix("Ask your administrator.")
	case w == account.Draft && c.Draft, w != account.Draft && c.Live:
		return nil
	case w == account.Draft:
		return account.Errorf(account.Conflict, "Connection %q has no draft to test.", c.Name).Coded("no_draft").Fix("Save one first.")
	}
	return account.Errorf(account.Conflict, "This way to sign in is not ready yet.").Coded("not_live").Fix("An owner has to test it and make it live.")
}

// Flow reads a pending flow without taking it: by handle, or when handle is "" by request id (SAML, RelayState lost).
// The connection must be the one of the URL and be enabled, and browser the value of the browser's flow cookie; otherwise NotFound,
// which looks the same whatever was wrong.
func (l *Ledger) Flow(ctx context.Context, c account.ConnectionID, handle, requestID, browser string) (account.Flow, error) {
	var f account.Flow
	err := l.db.Look(ctx, func(tx *table.Tx) (err error) {
		f, err = l.pending(tx, c, handle, requestID, browser)
		return err
	})
	return f, err
}

func (l *Ledger) pending(tx *table.Tx, c account.ConnectionID, handle, requestID, browser string) (account.Flow, error) {
	var row table.Flow
	var found bool
	var err error
	if handle != "" {
		row, found, err = tx.FlowByHandle(c, digest(handle), l.now())
	} else {
		row, found, err = tx.FlowByRequest(c, requestID, l.now())
	}
	if err != nil {
		return account.Flow{}, err
	}
	same := subtle.ConstantTimeCompare(row.BrowserDigest, digest(browser)) == 1
	if !found || !same || browser == "" {
		return account.Flow{}, account.Errorf(account.NotFound, "This sign-in is not known in this browser.").Coded("no_flow").
			Fix("It may have been finished, taken longer than %s, or been started in another browser. Start again.", l.opt.FlowAge)
	}
	f := row.Flow
	f.Handle, f.Browser = handle, browser
	f.Verifier, err = l.opt.Keyring.open(row.Sealed, string(row.Account), string(f.ID), "verifier")
	return f, err
}

// TakeFlow is Flow and uses it up, in one atomic write: of eight simultaneous takers one succeeds (OIDC-F7).
func (l *Ledger) TakeFlow(ctx context.Context, c account.ConnectionID, handle, browser string) (account.Flow, error) {
	var f account.Flow
	err := l.db.Write(ctx, func(tx *table.Tx) (err error) {
		if f, err = l.pending(tx, c, handle, "", browser); err != nil {
			return err
		}
		taken, err := tx.TakeFlow(f.Connection, f.ID, l.now())
		if err == nil && !taken {
			err = account.Errorf(account.NotFound, "This sign-in is not known in this browser.").Coded("no_flow").Fix("It has been finished already. Start again.")
		}
		return err
	})
	if err != nil {
		return account.Flow{}, err
	}
	return f, nil
}
