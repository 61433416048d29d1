package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

const (
	callAge      = 24 * time.Hour // for which an answer is kept
	callsAtOnce  = 10_000         // of one caller
	largestCall  = 1 << 20        // bytes of an answer that is kept
	longestCall  = time.Minute    // after which a call without an end is one that crashed; no request takes that long
	callAnswered = "answer"
)

// A Call is a change that a caller of the API named with a key of their own, so that it is made once (draft-ietf-httpapi-idempotency-key-header).
type Call struct {
	Caller  string // who may hear the answer again
	Key     string
	Request []byte // all that makes the change what it is
	begun   time.Time
}

// An Answer is what a call was answered with.
type Answer struct {
	Status int                 `json:"status"`
	Header map[string][]string `json:"header"`
	Body   []byte              `json:"body"`
}

func (c Call) row() table.Call {
	key, asked := sha256.Sum256([]byte(c.Key)), sha256.Sum256(c.Request)
	return table.Call{Caller: c.Caller, Key: key[:], Fingerprint: asked[:], BegunAt: c.begun}
}

func (c *Call) parts() []string {
	row := c.row()
	return []string{row.Caller, hex.EncodeToString(row.Key), callAnswered}
}

// BeginCall notes durably that a call begins, or gives the answer to an earlier one of the same key, which is kept for a day. Invalid with code
// idempotency_key_reused when the key named another request; Conflict with code idempotency_running while the first is under way, and
// idempotency_unknown when it is not known what came of it: the process ended within it, or it failed in a way that leaves that open; TooMany
// with code idempotency_keys when a caller has 10,000 of them.
func (l *Ledger) BeginCall(ctx context.Context, c *Call) (answered *Answer, err error) {
	c.begun = l.now()
	err = l.db.Write(ctx, func(tx *table.Tx) error {
		answered = nil
		row := c.row()
		before, found, err := tx.Call(row.Caller, row.Key)
		switch {
		case err != nil:
			return err
		case found && c.begun.Sub(before.BegunAt) < callAge:
			answered, err = l.answered(c, before)
			return err
		case found:
			if err := tx.DropCall(row.Caller, row.Key); err != nil {
				return err
			}
		}
		n, err := tx.Calls(row.Caller, callsAtOnce)
		if err != nil {
			return err
		}
		if n >= callsAtOnce {
			return account.Errorf(account.TooMany, "The last day has brought %d changes with an Idempotency-Key of yours.", n).Coded("idempotency_keys").
				Fix("Leave the header out, or go on tomorrow.")
		}
		return tx.InsertCall(row)
	})
	return answered, err
}

// answered is what an earlier call of the same key came to.
func (l *Ledger) answered(c *Call, before table.Call) (*Answer, error) {
	look := "Look whether it was made. If it was not, send it with a new key."
	switch {
	case string(before.Fingerprint) != string(c.row().Fingerprint):
		return nil, account.Errorf(account.Invalid, "This Idempotency-Key has named another request.").Coded("idempotency_key_reused").At("/header/Idempotency-Key").
			Fix("Give each change a key of its own.")
	case before.EndedAt.IsZero() && c.begun.Sub(before.BegunAt) < longestCall:
		return nil, account.Errorf(account.Conflict, "The first request with this Idempotency-Key is still being answered.").Coded("idempotency_running").
			Fix("Ask again in a few seconds.")
	case len(before.Sealed) == 0:
		return nil, account.Errorf(account.Conflict, "It is not known what came of the first request with this Idempotency-Key.").Coded("idempotency_unknown").Fix("%s", look)
	}
	plain, err := l.opt.Keyring.open(before.Sealed, c.parts()...)
	if err != nil {
		return nil, err
	}
	var a Answer
	return &a, json.Unmarshal([]byte(plain.Reveal()), &a)
}

// EndCall keeps what a call was answered with, sealed: it may hold what is shown once. A nil answer, or one of more than a megabyte, says that
// the call is over and nothing more.
func (l *Ledger) EndCall(ctx context.Context, c *Call, a *Answer) error {
	row := c.row()
	row.EndedAt, row.Sealed = l.now(), []byte{}
	if a != nil && len(a.Body) <= largestCall {
		text, err := json.Marshal(a)
		if err != nil {
			return err
		}
		if row.Sealed, err = l.opt.Keyring.seal(account.NewSecret(string(text)), c.parts()...); err != nil {
			return err
		}
	}
	return l.db.Write(ctx, func(tx *table.Tx) error { return tx.EndCall(row) })
}
