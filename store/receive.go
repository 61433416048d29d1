package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

const (
	setAge        = 30 * 24 * time.Hour // tokens are remembered so long, so that a repeat changes nothing (SET-3)
	clockAhead    = 5 * time.Minute     // the time of an event may be so far ahead of our clock
	waitsFor      = 24 * time.Hour      // an event that shuts out waits so long for somebody who is not here yet
	eventAttempts = 5                   // after so many failures an effect is a dead letter
	longestJTI    = 512
)

// CodeInvalidRequest and CodeInvalidState are the codes of the errors by which Receive refuses a token (RFC 8935 §2.4, SSF 1.0 §8.1.4).
const (
	CodeInvalidRequest = "invalid_request"
	CodeInvalidState   = "invalid_state"
)

func badSET(format string, args ...any) *account.Error {
	return account.Errorf(account.Invalid, format, args...).Coded(CodeInvalidRequest)
}

// Received is what came of a token.
type Received struct {
	Repeat bool            // it was here before; nothing was changed
	Events []account.Event // in the order of the token, as they are in the log

	appeared []string // names of people who were made, and for whom events may have waited
}

// Receive takes a token that a stream has sent, after every check of the token itself. It is one transaction: the token counts once, by
// issuer and jti; what its events do is in force everywhere when Receive answers. A repeat is answered like the first. An event about
// nobody, of an unknown type, or whose effect fails is no error: its outcome says so. Invalid with code invalid_request or invalid_state
// for what its type does not allow, which changes nothing and burns no jti; Unavailable when the token should be sent again.
func (l *Ledger) Receive(ctx context.Context, by account.Actor, id account.StreamID, in account.SET) (Received, error) {
	if err := vet(in); err != nil {
		return Received{}, err
	}
	by.Kind = account.ActorStream
	var out Received
	err := l.untilSettled(func(wary bool) error {
		return l.db.Write(ctx, func(tx *table.Tx) (err error) {
			out, err = l.receive(tx, by, id, in, wary)
			return err
		})
	})
	if err != nil {
		return Received{}, l.tripped(ctx, err)
	}
	if out.Repeat {
		return out, nil
	}
	l.tell(out.Events)
	l.catchUp(ctx, out.Events[0].Account, out.appeared...)
	return out, nil
}

// DryRunEvent says what a token would do, and changes nothing. A token that was received before is looked at as if it were new. Owners,
// user admins and the operator may.
func (l *Ledger) DryRunEvent(ctx context.Context, by account.Actor, id account.StreamID, in account.SET) ([]account.Event, error) {
	if err := vet(in); err != nil {
		return nil, err
	}
	if _, err := l.Stream(ctx, by, id); err != nil {
		return nil, err
	}
	in.JTI = "dry run " + l.random(16)
	var out Received
	undone := errors.New("a dry run")
	err := l.untilSettled(func(wary bool) error {
		return l.db.Write(ctx, func(tx *table.Tx) (err error) {
			if out, err = l.receive(tx, account.Actor{}, id, in, wary); err == nil {
				err = undone
			}
			return err
		})
	})
	if errors.Is(err, undone) {
		err = nil
	}
	return out.Events, err
}

// tell hands events to whoever measures.
func (l *Ledger) tell(events []account.Event) {
	if l.opt.Event != nil {
		for _, e := range events {
			l.opt.Event(e)
		}
	}
}

// An effectError is the failure of one event's effect, and not of its whole token.
type effectError struct{ error }

func (e *effectError) Unwrap() error { return e.error }

// untilSettled runs a transaction, and when the effect of an event fails in it, once more with a step of its own for each event: however
// many of them fail, the work is done twice at most (SET-7). Without a failure there are no steps, which cost.
func (l *Ledger) untilSettled(run func(wary bool) error) error {
	err := run(false)
	var bad *effectError
	if errors.As(err, &bad) {
		err = run(true)
	}
	return err
}

// vet refuses what needs no look at the account. That payloads are as their types define is the door's to see.
func vet(in account.SET) error {
	if in.JTI == "" || len(in.JTI) > longestJTI || strings.ContainsFunc(in.JTI, func(r rune) bool { return r < ' ' || r == '\uFFFD' }) {
		return badSET("A token has a jti of at most %d bytes.", longestJTI)
	}
	if len(in.Events) == 0 {
		return badSET("A token has at least one event.")
	}
	for _, e := range in.Events {
		k, known := eventKinds[e.Type]
		if !known {
			continue
		}
		if e.Subject == nil && !k.ofStream {
			return badSET("The event has no subject.")
		}
	}
	return nil
}

// A reception is the transaction around one token.
type reception struct {
	*hand
	stream   account.Stream
	appeared []string // names of people who were made here
}

// enterStream locks the account of a stream: sign-ins under way end before their sessions are looked for, and events of one account do not
// overtake one another.
func (l *Ledger) enterStream(tx *table.Tx, by account.Actor, id account.StreamID) (*reception, error) {
	s, found, err := tx.Stream(id)
	if err != nil || !found {
		return nil, errors.Join(err, errorIf(!found, noStream()))
	}
	house, found, err := tx.LockHouse(s.Account)
	if err != nil || !found {
		return nil, errors.Join(err, errorIf(!found, noStream()))
	}
	if s, found, err = tx.Stream(id); err != nil || !found {
		return nil, errors.Join(err, errorIf(!found, noStream()))
	}
	if by.Kind == "" {
		by.Kind = account.ActorStream
	}
	by.Stream, by.Connection, by.Issuer = id, s.Connection, s.Issuer
	return &reception{hand: &hand{Tx: tx, House: house, l: l, by: by, now: l.now(), master: true}, stream: s}, nil
}

func (l *Ledger) receive(tx *table.Tx, by account.Actor, id account.StreamID, in account.SET, wary bool) (Received, error) {
	r, err := l.enterStream(tx, by, id)
	if err != nil {
		return Received{}, err
	}
	if !r.stream.Enabled {
		return Received{}, account.Errorf(account.Forbidden, "Stream %q is switched off.", r.stream.Name).Fix("An owner can enable it.")
	}
	a := r.Account.ID
	r.by.Txn = in.Txn
	claims := strings.ToValidUTF8(string(in.Claims), "\uFFFD")
	first, err := r.TakeSET(a, id, in.Issuer, in.JTI, claims, r.now)
	if err != nil {
		return Received{}, err
	}
	if !first {
		events, err := r.EventsOf(a, in.Issuer, in.JTI)
		return Received{Repeat: true, Events: events}, err
	}
	if err := r.StreamHeard(a, id, r.now); err != nil {
		return Received{}, err
	}
	var out Received
	for i, e := range in.Events {
		row, err := r.newEvent(in, i)
		if err != nil {
			return out, err
		}
		if err := r.attempt(&row, wary, func() error { return r.apply(&row, e.Body, false) }); err != nil {
			return out, err
		}
		if err := r.InsertEvent(row); err != nil {
			return out, err
		}
		if err := r.noted(row); err != nil {
			return out, err
		}
		out.Events = append(out.Events, row)
	}
	out.appeared = r.appeared
	return out, nil
}

// attempt does what an event asks for. A failure is the event's own trouble, which row notes when the transaction is a wary one; before that
// it ends the transaction.
func (r *reception) attempt(row *account.Event, wary bool, do func() error) error {
	if !wary {
		return asEffect(do())
	}
	before, appeared := *row, len(r.appeared)
	err := asEffect(r.Step(func(*table.Tx) error {
		*row, r.appeared = before, r.appeared[:appeared]
		return do()
	}))
	var bad *effectError
	if errors.As(err, &bad) {
		*row, r.appeared = before, r.appeared[:appeared]
		r.failed(row, bad.error)
		return nil
	}
	return err
}

// asEffect tells a failed effect from a refused token and from a database that does not answer.
func asEffect(err error) error {
	var e *account.Error
	if err == nil || errors.As(err, &e) && (e.Code == CodeInvalidRequest || e.Code == CodeInvalidState || e.Kind == account.Unavailable) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &effectError{err}
}

// newEvent makes the row of an event. Those of one token are numbered by time, so that they keep their order.
func (r *reception) newEvent(in account.SET, i int) (account.Event, error) {
	e := in.Events[i]
	body, err := json.Marshal(e.Body)
	if err != nil {
		return account.Event{}, badSET("The event is no JSON object.")
	}
	received := r.by.Received
	if received.IsZero() || received.After(r.now) {
		received = r.now
	}
	return account.Event{ID: account.NewID[account.EventID](r.now.Add(time.Duration(i)*time.Millisecond), r.l.opt.Random), Account: r.Account.ID, Stream: r.stream.ID, Issuer: in.Issuer,
		JTI: in.JTI, Txn: cleanText(in.Txn, 200), Type: cleanText(e.Type, 300), At: timeOf(in, e.Body, r.now), Received: received,
		Subject: e.Subject, Body: body}, nil
}

// cleanText is what strangers write as a column can hold it.
func cleanText(s string, n int) string {
	return strings.ReplaceAll(strings.ToValidUTF8(clip(s, n), "\uFFFD"), "\x00", "\uFFFD")
}

// timeOf is when an event happened: event_timestamp, else toe, else iat. Values beyond 10^11 are milliseconds, as Okta sends them. What lies
// further ahead than clocks differ is not believed.
func timeOf(in account.SET, body map[string]any, now time.Time) time.Time {
	at := in.IssuedAt
	if !in.TOE.IsZero() {
		at = in.TOE
	}
	if n, ok := number(body["event_timestamp"]); ok && n > 0 && n < 1e15 {
		if n > 1e11 {
			n /= 1000
		}
		at = time.UnixMicro(int64(n * 1e6)).UTC()
	}
	if at.IsZero() || at.After(now.Add(clockAhead)) {
		at = in.IssuedAt
	}
	if at.IsZero() || at.After(now.Add(clockAhead)) {
		at = now
	}
	return at.Truncate(time.Microsecond)
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case json.Number:
		f, err := v.Float64()
		return f, err == nil
	case int:
		return float64(v), true
	}
	return 0, false
}

// apply does what an event asks for and notes it in row.
func (r *reception) apply(row *account.Event, body map[string]any, late bool) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in the effect of %s: %v\n%s", row.Type, p, debug.Stack())
		}
	}()
	row.Outcome, row.Detail, row.Fetch, row.RetryAt, row.Sessions, row.Keys = account.EventRecorded, "", "", time.Time{}, 0, 0
	k, known := eventKinds[row.Type]
	if !known {
		row.Outcome, row.Detail = account.EventIgnored, "The type of the event is unknown here."
		return nil
	}
	t := &turn{reception: r, row: row, body: body, kind: k, late: late}
	if k.ofStream {
		return k.do(t)
	}
	if t.whom, err = r.resolve(*row.Subject); err != nil {
		return err
	}
	row.User = t.whom.user
	switch w := t.whom; {
	case w.conflict != "":
		row.Outcome, row.Detail = account.EventDeadLetter, w.conflict
		return nil
	case w.wide != "" && !(k.wide && r.stream.WideSubjects):
		row.Outcome, row.Detail = account.EventHeld, "It is about "+w.wide+", and not about one person."
		return nil
	case w.wide != "":
		return k.do(t)
	case k.anybody:
		return k.do(t)
	case !w.known():
		row.Outcome, row.Detail = account.EventNoSubject, w.why
		if row.Detail == "" {
			row.Detail = "Nobody of this account is meant."
		}
		if k.shutsOut && !late {
			return t.await()
		}
		return nil
	}
	return k.do(t)
}

// failed notes that the effect of an event failed. What an administrator has to mend is not tried again by itself.
func (r *reception) failed(row *account.Event, why error) {
	row.Attempts++
	row.Detail, row.Outcome, row.RetryAt = cleanText(why.Error(), 500), account.EventDeadLetter, time.Time{}
	mends := []account.ErrorKind{"", account.Unavailable, account.TooMany, account.Conflict} // by itself, perhaps
	if slices.Contains(mends, account.KindOf(why)) && row.Attempts < eventAttempts {
		row.Outcome, row.RetryAt = account.EventRetrying, r.now.Add(backOff(row.Attempts-1, time.Hour))
	}
	r.l.opt.Log.Error("an event could not take effect", "stream", row.Stream, "event", row.ID, "type", row.Type, "attempts", row.Attempts, "error", why)
}

// noted writes the audit line of an event that did something, or should have.
func (r *reception) noted(row account.Event) error {
	switch row.Outcome {
	case account.EventApplied, account.EventHeld, account.EventRetrying, account.EventDeadLetter:
	default:
		return nil
	}
	detail := map[string]any{"stream": row.Stream, "type": row.Type, "jti": row.JTI, "event": row.ID, "sessions": row.Sessions, "keys": row.Keys}
	if row.Txn != "" {
		detail["txn"] = row.Txn
	}
	if row.Subject != nil {
		detail["subject"] = row.Subject.String()
	}
	return r.audit("event."+string(row.Outcome), note{Target: string(row.User), Reason: row.Detail, Detail: detail})
}

// rerun does what an event of the log asks for once more, in a transaction of its own.
func (l *Ledger) rerun(ctx context.Context, by account.Actor, e account.Event, late bool) (out account.Event, err error) {
	var body map[string]any
	if err := json.Unmarshal(e.Body, &body); err != nil {
		return e, err
	}
	err = l.untilSettled(func(wary bool) error {
		return l.db.Write(ctx, func(tx *table.Tx) error {
			r, err := l.enterStream(tx, by, e.Stream)
			if account.KindOf(err) == account.NotFound {
				out = e
				return giveUp(tx, &out)
			}
			if err != nil {
				return err
			}
			row, found, err := r.Event(e.Account, e.ID)
			if err != nil || !found {
				return errors.Join(err, errorIf(!found, noEvent()))
			}
			if by.Kind == "" && !r.stream.Enabled { // nobody asked for it, and nothing comes through it any more
				out = row
				return giveUp(tx, &out)
			}
			if row.Outcome != e.Outcome || row.Attempts != e.Attempts { // somebody else was faster
				out = row
				return nil
			}
			r.by.Txn = row.Txn
			if err := r.attempt(&row, wary, func() error { return r.apply(&row, body, late) }); err != nil {
				return err
			}
			out = row
			if err := r.SetEvent(row); err != nil {
				return err
			}
			return r.noted(row)
		})
	})
	if err == nil {
		l.tell([]account.Event{out})
	}
	return out, l.tripped(ctx, err)
}

// giveUp lets an event wait no longer: its stream was removed or switched off.
func giveUp(tx *table.Tx, e *account.Event) error {
	e.RetryAt = time.Time{}
	if e.Outcome == account.EventRetrying {
		e.Outcome, e.Detail = account.EventDeadLetter, "The stream is gone or switched off. "+e.Detail
	}
	return tx.SetEvent(*e)
}

// ReplayEvent does once more what a dead letter, or an event that was held or about nobody, asks for: an administrator has mended what kept
// it from taking effect. Conflict when it has had its effect already. Owners and the operator may.
func (l *Ledger) ReplayEvent(ctx context.Context, by account.Actor, id account.StreamID, event account.EventID) (out account.Event, err error) {
	err = l.lookStream(ctx, by, id, owners, func(h *hand) error {
		var found bool
		if out, found, err = h.Event(h.Account.ID, event); err != nil || !found || out.Stream != id {
			return errors.Join(err, errorIf(err == nil, noEvent()))
		}
		return nil
	})
	if err != nil {
		return out, err
	}
	again := []account.EventOutcome{account.EventDeadLetter, account.EventRetrying, account.EventHeld, account.EventNoSubject}
	if !slices.Contains(again, out.Outcome) {
		return out, account.Errorf(account.Conflict, "The event is %s; there is nothing to replay.", out.Outcome)
	}
	return l.rerun(ctx, by, out, false)
}

// putOff is how long a retry waits that could not even be tried.
const putOff = 5 * time.Minute

// retryEvents tries effects again that failed, as they become due.
func (l *Ledger) retryEvents(ctx context.Context) error {
	for {
		var due []account.Event
		err := l.db.Read(ctx, func(tx *table.Tx) (err error) { due, err = tx.DueEvents(l.now(), 100); return err })
		if err != nil || len(due) == 0 {
			return err
		}
		for _, e := range due {
			if _, err := l.rerun(ctx, account.Actor{}, e, false); err == nil {
				continue
			} else if ctx.Err() != nil {
				return err
			}
			// Something beside the event stands in its way, such as removals that are paused. Those of others go on.
			e.RetryAt = l.now().Add(putOff)
			if err := l.db.Write(ctx, func(tx *table.Tx) error { return tx.SetEvent(e) }); err != nil {
				return err
			}
		}
	}
}

// retryAwaited tries events again that were about somebody who was not here yet. It is called when somebody appears, before they are told so.
func (l *Ledger) retryAwaited(ctx context.Context, a account.AccountID, names ...string) (tried bool, err error) {
	if len(names) == 0 {
		return false, nil
	}
	var waiting []account.Event
	err = l.db.Look(ctx, func(tx *table.Tx) (err error) { waiting, err = tx.Awaited(a, names, l.now()); return err })
	if err != nil || len(waiting) == 0 {
		return false, err
	}
	for _, e := range waiting {
		if _, err := l.rerun(ctx, account.Actor{}, e, true); err != nil {
			return true, err
		}
	}
	return true, l.db.Write(ctx, func(tx *table.Tx) error { return tx.ForgetAwaited(a, names) })
}

// catchUp is retryAwaited after something that is done whatever comes of it, and is not answered with an error: what fails is tried again
// by itself, soon.
func (l *Ledger) catchUp(ctx context.Context, a account.AccountID, names ...string) {
	_, err := l.retryAwaited(ctx, a, names...)
	if err == nil {
		return
	}
	l.opt.Log.ErrorContext(ctx, "an event that waited for somebody could not take effect when they appeared", "account", a, "error", err)
	err = l.db.Write(context.WithoutCancel(ctx), func(tx *table.Tx) error {
		waiting, err := tx.Awaited(a, names, l.now())
		for _, e := range waiting {
			e.RetryAt = l.now().Add(putOff)
			err = errors.Join(err, tx.SetEvent(e))
		}
		return err
	})
	if err != nil {
		l.opt.Log.ErrorContext(ctx, "and is tried again only as they sign in", "account", a, "error", err)
	}
}
