package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// CodePaused is the code of the error by which a removal is kept back; it is Unavailable, and to be sent again.
const CodePaused = "removals_paused"

// PausedRetry is how long a provider is asked to wait before it sends a removal again that was kept back.
const PausedRetry = 5 * time.Minute

// A trip says that a removal would be one too many. The transaction that asked for it ends without it; Ledger.tripped writes it down.
type trip struct {
	refusal *account.Error
	account account.AccountID
	source  string
	by      account.Actor
	removed int
	people  int
}

func (t *trip) Error() string { return t.refusal.Error() }
func (t *trip) Unwrap() error { return t.refusal }

func keptBack(removed, people int) *account.Error {
	return account.Errorf(account.Unavailable, "Removals are paused: %d of %d people went in a short time.", removed, people).Coded(CodePaused).
		Fix("An owner looks at it and resumes; send it again until then.")
}

// sourceOf is what an actor's removals are counted by: a connection, or a stream that belongs to none.
func sourceOf(by account.Actor) string {
	if by.Connection != "" {
		return string(by.Connection)
	}
	return string(by.Stream)
}

// mayRemove counts a removal that a provider asks for, and refuses it when there were too many (docs/decisions/breaker.md). The account has to be
// locked. Who is out already is not counted.
func (h *hand) mayRemove(u account.UserID) error {
	a, source := h.Account.ID, sourceOf(h.by)
	if t, found, err := h.Tenancy(a, u); err != nil || !found || t.Status != account.TenancyActive {
		return err
	}
	b, err := h.breaker(source)
	switch {
	case err != nil || b.Off:
		return err
	case b.Paused():
		return keptBack(b.Removed, b.People)
	case h.now.Before(b.AllowUntil):
		return nil
	case b.AllowLeft > 0:
		b.AllowLeft--
		return h.PutBreaker(a, source, b)
	}
	since := h.now.Add(-b.Within)
	if err := h.ForgetRemoved(a, source, since); err != nil {
		return err
	}
	n, err := h.Removed(a, source, since)
	if err != nil {
		return err
	}
	if n++; 100*n > b.Share*b.Least { // below that it does not matter how many people there are
		if h.now.Sub(b.CountedAt) >= b.Within {
			if b.People, err = h.peopleOf(source); err != nil {
				return err
			}
			b.People, b.CountedAt = b.People+n-1, h.now
			if err := h.PutBreaker(a, source, b); err != nil {
				return err
			}
		}
		if b.People >= b.Least && 100*n > b.Share*b.People {
			return &trip{keptBack(n-1, b.People), a, source, h.by, n - 1, b.People}
		}
	}
	return h.NoteRemoved(a, source, u, h.now)
}

func (h *hand) breaker(source string) (table.Breaker, error) {
	b, found, err := h.Breaker(h.Account.ID, source)
	if !found {
		b.Breaker = account.DefaultBreaker
	}
	return b, err
}

func (h *hand) peopleOf(source string) (int, error) {
	if c, is := account.ParseID[account.ConnectionID](source); is {
		return h.PeopleOfConnection(h.Account.ID, c)
	}
	return h.PeopleOfAccount(h.Account.ID)
}

// tripped writes down that a breaker has tripped, if that is what err says, and tells the owners. It gives err back, or why that failed.
func (l *Ledger) tripped(ctx context.Context, err error) error {
	var t *trip
	if !errors.As(err, &t) {
		return err
	}
	now := l.now()
	failed := l.db.Write(ctx, func(tx *table.Tx) error {
		house, found, err := tx.LockHouse(t.account)
		if err != nil || !found {
			return err
		}
		h := &hand{Tx: tx, House: house, l: l, by: t.by, now: now, master: true}
		b, err := h.breaker(t.source)
		if err != nil || b.Paused() {
			return err
		}
		b.PausedAt, b.Removed, b.People = now, t.removed, t.people
		if err := h.PutBreaker(t.account, t.source, b); err != nil {
			return err
		}
		name, err := h.sourceName(t.source)
		if err != nil {
			return err
		}
		why := fmt.Sprintf("%d of %d people removed within %s", t.removed, t.people, b.Within)
		if err := h.announce(account.Announcement{What: account.WordConnectionPaused, Connection: t.by.Connection, Reason: why}); err != nil {
			return err
		}
		if err := h.writeOwners("connection_paused", map[string]string{"Connection": name, "Org": house.Org.Name, "Removed": strconv.Itoa(t.removed),
			"People": strconv.Itoa(t.people), "Share": strconv.Itoa(b.Share), "Within": b.Within.String()}); err != nil {
			return err
		}
		return h.audit("connection.removals_paused", note{Target: t.source, Reason: why,
			Detail: map[string]any{"name": name, "removed": t.removed, "people": t.people, "share": b.Share, "within": b.Within.String()}})
	})
	if failed != nil {
		return failed
	}
	l.opt.Log.WarnContext(ctx, "removals are paused", "account", t.account, "source", t.source, "removed", t.removed, "people", t.people)
	return err
}

func (h *hand) sourceName(source string) (string, error) {
	if c, is := account.ParseID[account.ConnectionID](source); is {
		o, _, err := h.Outline(c)
		return o.Name, err
	}
	s, _, err := h.Stream(account.StreamID(source))
	return s.Name, err
}

// An Allowance lets removals go through uncounted after a breaker has tripped: so many, or for so long. With neither, counting begins anew.
type Allowance struct {
	Removals int
	For      time.Duration // at most a day
}

// ResumeRemovals lets a source remove people again: a connection, or a stream that belongs to none. What was kept back comes when the provider
// sends it again. Conflict with code not_paused when nothing is kept back and nothing is allowed. Owners and the operator may.
func (l *Ledger) ResumeRemovals(ctx context.Context, by account.Actor, source string, allow Allowance) (account.BreakerState, error) {
	if allow.Removals < 0 || allow.For < 0 || allow.For > 24*time.Hour || allow.Removals > 0 && allow.For > 0 {
		return account.BreakerState{}, account.Errorf(account.Invalid, "Allow a number of removals, or a time of at most a day, or neither.").At("/removals")
	}
	return l.changeBreaker(ctx, by, source, "connection.removals_resumed", func(h *hand, b *table.Breaker) (*note, error) {
		if !b.Paused() && allow == (Allowance{}) {
			return nil, account.Errorf(account.Conflict, "No removal is kept back.").Coded("not_paused")
		}
		b.PausedAt, b.Removed, b.CountedAt, b.AllowLeft, b.AllowUntil = time.Time{}, 0, time.Time{}, allow.Removals, time.Time{}
		if allow.For > 0 {
			b.AllowUntil = h.now.Add(allow.For)
		}
		if err := h.ForgetRemoved(h.Account.ID, source, h.now); err != nil {
			return nil, err
		}
		c, _ := account.ParseID[account.ConnectionID](source)
		detail := map[string]any{"removals": allow.Removals}
		if allow.For > 0 {
			detail["for"] = allow.For.String()
		}
		return &note{Target: source, Detail: detail}, h.announce(account.Announcement{What: account.WordConnectionResumed, Connection: c})
	})
}

// SetBreaker says how many people a source may remove. Owners and the operator may.
func (l *Ledger) SetBreaker(ctx context.Context, by account.Actor, source string, want account.Breaker) (account.BreakerState, error) {
	if err := want.Check(); err != nil {
		return account.BreakerState{}, err
	}
	return l.changeBreaker(ctx, by, source, "connection.breaker_changed", func(_ *hand, b *table.Breaker) (*note, error) {
		if b.Breaker == want {
			return nil, nil
		}
		b.Breaker = want
		if want.Off {
			b.PausedAt, b.Removed = time.Time{}, 0
		}
		return &note{Target: source, Detail: map[string]any{"off": want.Off, "share": want.Share, "within": want.Within.String(), "least": want.Least}}, nil
	})
}

func (l *Ledger) changeBreaker(ctx context.Context, by account.Actor, source, verb string, do func(*hand, *table.Breaker) (*note, error)) (account.BreakerState, error) {
	a, unseen, err := l.accountOfSource(ctx, source)
	if err != nil {
		return account.BreakerState{}, err
	}
	var out account.BreakerState
	err = l.change(ctx, by, a, verb, owners, func(h *hand) (*note, error) {
		b, err := h.breaker(source)
		if err != nil {
			return nil, err
		}
		n, err := do(h, &b)
		if err != nil {
			return nil, err
		}
		if n != nil {
			if err := h.PutBreaker(a, source, b); err != nil {
				return nil, err
			}
		}
		out, err = h.breakerState(source, b)
		return n, err
	})
	return out, hide(err, unseen)
}

// Breaker says how the breaker of a source stands. Owners, user admins and the operator may.
func (l *Ledger) Breaker(ctx context.Context, by account.Actor, source string) (out account.BreakerState, err error) {
	a, unseen, err := l.accountOfSource(ctx, source)
	if err != nil {
		return out, err
	}
	err = l.look(ctx, by, a, userAdmins, func(h *hand) error {
		b, err := h.breaker(source)
		if err != nil {
			return err
		}
		out, err = h.breakerState(source, b)
		return err
	})
	return out, hide(err, unseen)
}

func (h *hand) breakerState(source string, b table.Breaker) (account.BreakerState, error) {
	var err error
	if !b.Paused() {
		b.Removed, err = h.Removed(h.Account.ID, source, h.now.Add(-b.Within))
	}
	return b.BreakerState, err
}

func (l *Ledger) accountOfSource(ctx context.Context, source string) (account.AccountID, *account.Error, error) {
	if id, is := account.ParseID[account.StreamID](source); is {
		a, err := l.accountOfStream(ctx, id)
		return a, noStream(), err
	}
	a, err := l.accountOfConnection(ctx, account.ConnectionID(source))
	return a, noConnection(), err
}
