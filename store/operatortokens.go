package store

import (
	"context"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/keys"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

const (
	operatorTokenLife    = 90 * 24 * time.Hour // when nobody says
	longestOperatorToken = 365 * 24 * time.Hour
)

// MintOperatorToken makes a token for a program that does the operator's work over HTTP. It ends after life (at most a year; 0: 90 days) and is
// shown this once. The operator may, at this installation's console; no token makes another.
func (l *Ledger) MintOperatorToken(ctx context.Context, by account.Actor, name string, life time.Duration) (account.OperatorToken, account.Secret, error) {
	var none account.OperatorToken
	if !by.AtConsole() {
		return none, account.Secret{}, onlyAtConsole()
	}
	if err := checkKey(name, 0); err != nil {
		return none, account.Secret{}, err
	}
	if life == 0 {
		life = operatorTokenLife
	}
	if life < 0 || life > longestOperatorToken {
		return none, account.Secret{}, account.Errorf(account.Invalid, "An operator's token lives at most a year.").At("/days").Fix("Give it fewer days.")
	}
	now := l.now()
	secret := account.NewSecret(keys.Mint(keys.Operator, l.opt.Random))
	t := account.OperatorToken{ID: account.NewID[account.OperatorTokenID](now, l.opt.Random), Name: name, Last4: keys.Last4(secret.Reveal()), CreatedAt: now, ExpiresAt: now.Add(life)}
	err := l.db.Write(ctx, func(tx *table.Tx) error {
		if err := tx.InsertOperatorToken(t, digest(secret.Reveal())); err != nil {
			return err
		}
		return l.audit(tx, by, "", "operator_token.minted", note{Target: string(t.ID), Detail: map[string]any{"name": name, "expires": t.ExpiresAt.Format(time.RFC3339)}}, now)
	})
	if err != nil {
		return none, account.Secret{}, err
	}
	return t, secret, nil
}

// OperatorTokens lists all tokens of the installation, oldest first, those that are over included. The operator may, at the console.
func (l *Ledger) OperatorTokens(ctx context.Context, by account.Actor) (out []account.OperatorToken, err error) {
	if !by.AtConsole() {
		return nil, onlyAtConsole()
	}
	err = l.db.Look(ctx, func(tx *table.Tx) error { out, err = tx.OperatorTokens(); return err })
	return out, err
}

// RevokeOperatorToken makes a token worthless at once, for good. The operator may, at the console.
func (l *Ledger) RevokeOperatorToken(ctx context.Context, by account.Actor, id account.OperatorTokenID) (t account.OperatorToken, err error) {
	if !by.AtConsole() {
		return t, onlyAtConsole()
	}
	now := l.now()
	err = l.db.Write(ctx, func(tx *table.Tx) error {
		var found bool
		if t, found, err = tx.RevokeOperatorToken(id, now); err != nil {
			return err
		}
		if !found {
			return account.Errorf(account.NotFound, "There is no token %s that is not revoked.", clip(string(id), 60)).Fix("drawbridge operator-token list shows all of them.")
		}
		return l.audit(tx, by, "", "operator_token.revoked", note{Target: string(id), Detail: map[string]any{"name": t.Name}}, now)
	})
	return t, err
}

// VerifyOperatorToken finds the token that is shown. Unauthorized, and nothing more, when it is mistyped, unknown, revoked or has run out. The
// database is asked each time, so that a revoked one is worthless at once.
func (l *Ledger) VerifyOperatorToken(ctx context.Context, shown account.Secret) (t account.OperatorToken, err error) {
	if !keys.Is(keys.Operator, shown.Reveal()) {
		return t, badKey()
	}
	now := l.now()
	var found bool
	err = l.db.Look(ctx, func(tx *table.Tx) error { t, found, err = tx.OperatorToken(digest(shown.Reveal())); return err })
	if err != nil {
		return t, err
	}
	if !found || !t.Live(now) {
		return account.OperatorToken{}, badKey()
	}
	if now.Sub(t.UsedAt) >= touchEvery {
		if err := l.db.Write(ctx, func(tx *table.Tx) error { return tx.TouchOperatorToken(t.ID, now) }); err != nil {
			l.opt.Log.ErrorContext(ctx, "the use of an operator's token could not be noted", "token", t.ID, "error", err)
		}
	}
	return t, nil
}

func onlyAtConsole() *account.Error {
	return account.Errorf(account.Forbidden, "Only the operator may do this, at the console of this installation.").Fix("Use the drawbridge command there.")
}
