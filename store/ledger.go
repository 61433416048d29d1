// Package store is the ledger: the only room that knows a database. Each exported method that changes
// something is a verb: it asks whether the actor may, makes the change in one transaction together with
// its audit line, and answers only when the change is durable.
package store

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// Options say which database, under which key, by whose clock.
type Options struct {
	URL       string            // "sqlite:PATH" or "postgres://…"
	Keyring   *Keyring          // seals secrets at rest; lives outside the database
	Catalogue account.Catalogue // services, roles, limits; what an estate file brought wins over it
	Now       func() time.Time  // the one clock; nil: time.Now
	Random    io.Reader         // nil: crypto/rand.Reader
	Log       *slog.Logger      // nil: silent
	Sessions  SessionLimits
	FlowAge   time.Duration       // how long a started sign-in may take; at most 15 minutes, the default
	Lease     time.Duration       // how long checks may be answered from memory without having asked; 250 ms to 10 s, default 1 s
	Waited    func(time.Duration) // told how long each change that took power away waited for other replicas; may be nil
	SCIM      SCIMReader          // reads the SCIM messages that security events carry; empty: such events cannot take effect
	Event     func(account.Event) // told of each security event once it has taken effect; may be nil
	Passwords PasswordKeeping
	Removed   func(account.Receipt) // told of each removal once it is in force everywhere; may be nil
}

// SessionLimits bound how long a browser stays signed in.
type SessionLimits struct {
	Idle     time.Duration // default 8 h
	Absolute time.Duration // default 24 h
}

const maxFlowAge = 15 * time.Minute // SAML-R1

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Sessions.Idle <= 0 {
		o.Sessions.Idle = 8 * time.Hour
	}
	if o.Sessions.Absolute <= 0 {
		o.Sessions.Absolute = 24 * time.Hour
	}
	if o.FlowAge <= 0 || o.FlowAge > maxFlowAge {
		o.FlowAge = maxFlowAge
	}
	if o.Lease <= 0 {
		o.Lease = time.Second
	}
	o.Lease = min(max(o.Lease, minLease), maxLease)
	o.Passwords = o.Passwords.withDefaults()
	return o
}

// A Ledger is an open store. It is safe for concurrent use.
type Ledger struct {
	db        *table.DB
	opt       Options
	catalogue atomic.Pointer[account.Catalogue]
	memory
	hasher *hasher
	newKey func(time.Time) (account.SPKey, error) // newSPKey; tests have it faster
	heard  func(account.AuditLine)                // told of each audit line, by Apply; may be nil
	pushed func(account.SCIMRequest)              // told of each push that changes something, by ReplaySCIM; may be nil
	lease  lease
	visits memos[*visit]
	keys   memos[*KeyHolder]
	stamps waiting[account.Receipt] // whose last two times are known
	uses   waiting[keyUse]
	jots   waiting[jotted] // of the request log
}

// Open connects, migrates, and checks that the keyring opens what is sealed, so that a lost master key
// is noticed at start and not at the first sign-in (SEC-2).
func Open(ctx context.Context, o Options) (*Ledger, error) {
	if o.Keyring == nil {
		return nil, account.Errorf(account.Invalid, "The ledger needs a keyring to seal secrets with.").
			Fix("Make one with drawbridge init, and keep it outside of the database.")
	}
	o = o.withDefaults()
	l := &Ledger{opt: o, memory: newMemory(), hasher: newHasher(o.Passwords, o.Random), newKey: newSPKey,
		visits: newMemos[*visit](sessionsRemembered), keys: newMemos[*KeyHolder](keysRemembered)}
	db, err := table.Open(ctx, o.URL, l.now)
	if err != nil {
		return nil, err
	}
	l.db = db
	db.Waited(l.opt.Waited)
	l.catalogue.Store(&l.opt.Catalogue)
	if err = db.Migrate(ctx); err == nil {
		err = l.checkKeyring(ctx)
	}
	if err == nil {
		err = l.loadCatalogue(ctx)
	}
	if err != nil {
		db.Close()
		return nil, err
	}
	return l, nil
}

// Close waits for the writes under way.
func (l *Ledger) Close() error {
	return errors.Join(l.flushRequests(context.Background()), l.flushStamps(context.Background()), l.flushUses(context.Background()), l.db.Close())
}

// Ready answers whether the store can serve: reachable and migrated, and while it works (Work) in possession of its lease.
func (l *Ledger) Ready(ctx context.Context) error {
	if l.lease.serving.Load() && !l.lease.current.Load().at(time.Now()) {
		return account.Errorf(account.Unavailable, "This replica holds no lease: it cannot tell who has been shut out.")
	}
	if err := l.db.Ping(ctx); err != nil {
		return account.Errorf(account.Unavailable, "The database does not answer.").Because(err)
	}
	return nil
}

// Catalogue is the data of this installation: what an estate file brought, or else that of Options.
func (l *Ledger) Catalogue() account.Catalogue { return *l.catalogue.Load() }

func (l *Ledger) now() time.Time { return l.opt.Now().UTC().Truncate(time.Microsecond) }
