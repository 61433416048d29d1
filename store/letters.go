package store

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

const (
	letterLease = 2 * time.Minute // longer than sending one may take
	letterAge   = 30 * 24 * time.Hour
)

// letterTries are the pauses after each failed try; after the last a letter is given up.
var letterTries = []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 4 * time.Hour, 12 * time.Hour, 24 * time.Hour}

// write puts a letter on its way, in the transaction of what it tells about. Its words are made from data when it is sent.
func (h *hand) write(to, name string, data map[string]string) error {
	return h.l.writeLetter(h.Tx, h.Account.ID, to, name, data, h.now)
}

// writeLetter is write for a transaction of any kind; a is "" for a letter that belongs to no account.
func (l *Ledger) writeLetter(tx *table.Tx, a account.AccountID, to, name string, data map[string]string, now time.Time) error {
	letter := account.Letter{ID: account.NewID[account.LetterID](now, l.opt.Random), Account: a, To: to, Name: name, At: now, State: account.DeliveryWaiting, DueAt: now}
	text, err := json.Marshal(data)
	if err != nil {
		return err
	}
	sealed, err := l.opt.Keyring.seal(account.NewSecret(string(text)), letterParts(letter)...)
	if err != nil {
		return err
	}
	tx.Settled(func(_, _ time.Time) { l.bell.ring(lettersBell) })
	return tx.InsertLetter(table.Letter{Letter: letter, Sealed: sealed})
}

// writeOwners tells every owner of the account's org, but those left out.
func (h *hand) writeOwners(name string, data map[string]string, but ...account.UserID) error {
	all, err := h.Holders(h.Account.ID, h.Org.ID, account.Owner)
	if err != nil {
		return err
	}
next:
	for _, o := range all {
		for _, b := range but {
			if o.ID == b {
				continue next
			}
		}
		if o.State != account.UserActive {
			continue
		}
		if err := h.write(o.Email, name, data); err != nil {
			return err
		}
	}
	return nil
}

func letterParts(l account.Letter) []string {
	return []string{string(l.Account), string(l.ID), l.To, l.Name}
}

// lettersBell is under what letters ring the bell, beside the feeds.
const lettersBell account.FeedID = "letters"

// LettersPosted gives what is closed when the next letter is written in this process.
func (l *Ledger) LettersPosted() <-chan struct{} { return l.bell.wait(lettersBell) }

// ClaimLetters takes at most n letters that are due, with their data. Nobody else is given them for two minutes; LetterSent says what came
// of each. Whatever ends this process in between, they are due again after that: at least once.
func (l *Ledger) ClaimLetters(ctx context.Context, n int) ([]account.Letter, error) {
	now := l.now()
	var due []table.Letter
	err := l.db.Look(ctx, func(tx *table.Tx) (err error) { due, err = tx.LettersDue(now, n); return err })
	if err != nil || len(due) == 0 {
		return nil, err
	}
	until := now.Add(letterLease)
	var mine []account.Letter
	err = l.db.Write(ctx, func(tx *table.Tx) error {
		mine = nil
		for _, d := range due {
			ok, err := tx.ClaimLetter(d, until)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			text, err := l.opt.Keyring.open(d.Sealed, letterParts(d.Letter)...)
			if err == nil {
				err = json.Unmarshal([]byte(text.Reveal()), &d.Data)
			}
			if err != nil { // it holds up no other
				l.opt.Log.ErrorContext(ctx, "a letter does not open", "letter", d.ID, "account", d.Account, "error", err)
				dead := d
				dead.State, dead.EndedAt, dead.Error = account.DeliveryDead, now, "what it is made from does not open under the keyring"
				if _, err := tx.FinishLetter(dead, until); err != nil {
					return err
				}
				continue
			}
			d.DueAt = until
			mine = append(mine, d.Letter)
		}
		return nil
	})
	return mine, err
}

// LetterSent notes what came of a letter that ClaimLetters gave out: failure is nil when it was taken; final says that trying again cannot
// help. What is tried in vain for two days is given up.
func (l *Ledger) LetterSent(ctx context.Context, letter account.Letter, failure error, final bool) error {
	now := l.now()
	next := table.Letter{Letter: letter}
	switch {
	case failure == nil:
		next.State, next.EndedAt, next.Error = account.DeliveryDone, now, ""
	case final || letter.Attempts >= len(letterTries):
		next.State, next.EndedAt = account.DeliveryDead, now
	default:
		next.DueAt = now.Add(letterTries[letter.Attempts])
	}
	if failure != nil {
		next.Attempts, next.Error = letter.Attempts+1, clip(strings.ToValidUTF8(failure.Error(), "\uFFFD"), 500)
	}
	by := account.Actor{Kind: account.ActorSystem, Job: "letters"}
	return l.db.Write(ctx, func(tx *table.Tx) error {
		noted, err := tx.FinishLetter(next, letter.DueAt)
		if err != nil || !noted || next.State != account.DeliveryDead {
			return err
		}
		return l.audit(tx, by, letter.Account, "letter.given_up", note{Target: string(letter.ID), Reason: next.Error, Detail: map[string]any{"name": letter.Name, "to": letter.To}}, now)
	})
}

// Letters lists an account's mail, newest first and without its words, from before one ("" from the newest), at most n (up to 1,000); in
// one state when s is not "". Owners and the operator may.
func (l *Ledger) Letters(ctx context.Context, by account.Actor, a account.AccountID, s account.DeliveryState, before account.LetterID, n int) (out []account.Letter, err error) {
	err = l.look(ctx, by, a, owners, func(h *hand) error {
		rows, err := h.Tx.Letters(a, s, before, min(max(n, 1), 1000))
		for _, r := range rows {
			out = append(out, r.Letter)
		}
		return err
	})
	return out, err
}

// ReplayLetter sends again what was given up. Owners and the operator may.
func (l *Ledger) ReplayLetter(ctx context.Context, by account.Actor, a account.AccountID, id account.LetterID) error {
	return l.change(ctx, by, a, "letter.replayed", owners, func(h *hand) (*note, error) {
		revived, err := h.ReviveLetter(a, id, h.now)
		if err != nil {
			return nil, err
		}
		if !revived {
			return nil, account.Errorf(account.NotFound, "There is no such letter that was given up.")
		}
		h.Gain(table.OfAccount(a))
		h.Settled(func(_, _ time.Time) { l.bell.ring(lettersBell) })
		return &note{Target: string(id)}, nil
	})
}
