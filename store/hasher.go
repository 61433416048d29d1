package store

import (
	"cmp"
	"context"
	"io"
	"runtime"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/passwords"
)

// PasswordKeeping is how passwords are kept, and which are refused although the rule of the catalogue allows them.
type PasswordKeeping struct {
	Cost     passwords.Cost      // of new hashes; others are made anew at the next sign-in. Default passwords.Usual
	Parallel int                 // hashes worked on at the same time; default: half of the cores
	Breached *passwords.Breached // passwords that attackers try first; nil: none are known
}

func (k PasswordKeeping) withDefaults() PasswordKeeping {
	if k.Cost == (passwords.Cost{}) {
		k.Cost = passwords.Usual
	}
	k.Parallel = cmp.Or(k.Parallel, max(1, runtime.GOMAXPROCS(0)/2))
	return k
}

// hashWait is how long a password waits for its turn. A flood of them then costs those who come last, and nobody else.
const hashWait = 5 * time.Second

// A hasher works on few passwords at a time: each takes memory, and a core for tens of milliseconds.
type hasher struct {
	PasswordKeeping
	random  io.Reader
	turn    *semaphore.Weighted
	nobodys string // the hash of a password that nobody has, of the same cost
}

func newHasher(k PasswordKeeping, random io.Reader) *hasher {
	h := &hasher{PasswordKeeping: k, turn: semaphore.NewWeighted(int64(k.Parallel)), random: random}
	// Hashing it would slow down the start of every command; that it is nobody's is certain enough with a random sum.
	h.nobodys = k.Cost.Nobodys(h.bytes(passwords.SaltLength), h.bytes(passwords.SumLength))
	return h
}

func (h *hasher) bytes(n int) []byte {
	b := make([]byte, n)
	if _, err := io.ReadFull(h.random, b); err != nil {
		panic(err) // crypto/rand never fails; a test's reader has to hold enough
	}
	return b
}

// in waits for a turn. Unavailable with code busy when none comes.
func (h *hasher) in(ctx context.Context, do func()) error {
	bounded, cancel := context.WithTimeout(ctx, hashWait)
	defer cancel()
	if err := h.turn.Acquire(bounded, 1); err != nil {
		return account.Errorf(account.Unavailable, "Too many passwords are being checked.").Coded("busy").Fix("Try again in a minute.").Because(err)
	}
	defer h.turn.Release(1)
	do()
	return nil
}

// hash gives the PHC string of a normal password.
func (h *hasher) hash(ctx context.Context, password string) (phc string, err error) {
	err = h.in(ctx, func() { phc = h.Cost.Hash(password, h.bytes(passwords.SaltLength)) })
	return phc, err
}

// check reports whether a normal password is the one of phc, "" being nobody's, and whether its hash is of another cost than new ones. It
// takes as long for nobody as for somebody (RATE-2).
func (h *hasher) check(ctx context.Context, phc, password string) (ok, stale bool, err error) {
	var cost passwords.Cost
	var unread error
	if wait := h.in(ctx, func() { ok, cost, unread = passwords.Check(cmp.Or(phc, h.nobodys), password) }); wait != nil {
		return false, false, wait
	}
	return ok && phc != "", cost != h.Cost, unread
}
