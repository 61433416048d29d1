package published

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/drawbridge-id/drawbridge/account"
)

const (
	// between is the least time between two fetches of a LiveKeys set.
	between = time.Second
	// afterFailure is how long a set that got too old is used before fetching it is tried again.
	afterFailure = 30 * time.Second
	fetchTime    = 10 * time.Second
)

// LiveKeys are the keys behind one URL for a door at which a wrong refusal loses the message: what does not verify is judged
// by a set whose fetch began after the message came, or not at all. That costs at most one fetch a second; a KeySet spares
// the far side more and believes for a while that a key is not there.
type LiveKeys struct {
	load  func(context.Context) ([]jose.JSONWebKey, error)
	now   func() time.Time
	age   time.Duration
	pause func(context.Context, time.Duration) error

	turn sync.Mutex // one fetch at a time

	mu    sync.Mutex
	keys  []jose.JSONWebKey
	at    time.Time // of the last good fetch; zero: none so far
	began time.Time // the last fetch
	retry time.Time // an old set is not fetched again before
	next  *flight   // has not begun yet: whoever comes now may share it
}

// flight is one fetch and those who wait for it.
type flight struct {
	done chan struct{}
	keys []jose.JSONWebKey
	err  error
}

// NewLiveKeys makes the set that load reads, fetched again at the latest at age. Known keys outlive a failing far side by a day.
func NewLiveKeys(now func() time.Time, age time.Duration, load func(context.Context) ([]jose.JSONWebKey, error)) *LiveKeys {
	return &LiveKeys{load: load, now: now, age: age, pause: pause}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// Verify checks a JWS of exactly one signature and returns its payload. ErrUnknownKey, ErrNoFittingKey and ErrSignature are
// about the token; an *account.Error of kind Unavailable says that the keys cannot be had, so that nothing is known about it.
func (k *LiveKeys) Verify(ctx context.Context, jws *jose.JSONWebSignature) ([]byte, error) {
	keys, fresh, err := k.current(ctx)
	if err != nil {
		return nil, err
	}
	payload, err := try(keys, jws)
	if err == nil || fresh || !k.worthAsking(err) {
		return payload, err
	}
	again, fetchErr := k.fetch(ctx)
	switch {
	case fetchErr == nil:
		return try(again, jws)
	case errors.Is(err, ErrUnknownKey):
		return nil, fetchErr
	}
	return nil, err
}

// worthAsking is whether newer keys could change the answer: always for a key that is not there, and for a signature that a
// known key did not make only when the set is not brand new.
func (k *LiveKeys) worthAsking(err error) bool {
	if errors.Is(err, ErrUnknownKey) {
		return true
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.now().Sub(k.at) >= youngSet
}

// current gives the keys as they are known; fresh says that they were fetched for this call.
func (k *LiveKeys) current(ctx context.Context) (keys []jose.JSONWebKey, fresh bool, err error) {
	k.mu.Lock()
	keys, now := k.keys, k.now()
	known := !k.at.IsZero() && now.Sub(k.at) <= max(KeepLastGood, k.age)
	young := known && (now.Sub(k.at) < k.age || now.Before(k.retry))
	k.mu.Unlock()
	if young {
		return keys, false, nil
	}
	got, err := k.fetch(ctx)
	if err != nil && known {
		return keys, false, nil
	}
	return got, err == nil, err
}

// fetch gives keys whose fetch began after the call.
func (k *LiveKeys) fetch(ctx context.Context) ([]jose.JSONWebKey, error) {
	k.mu.Lock()
	f := k.next
	if f == nil {
		f = &flight{done: make(chan struct{})}
		k.next = f
		go k.fly(context.WithoutCancel(ctx), f)
	}
	k.mu.Unlock()
	select {
	case <-ctx.Done():
		return nil, account.Errorf(account.Unavailable, "The keys did not come in time.").Because(ctx.Err())
	case <-f.done:
		return f.keys, f.err
	}
}

func (k *LiveKeys) fly(ctx context.Context, f *flight) {
	defer close(f.done)
	k.turn.Lock()
	defer k.turn.Unlock()
	k.mu.Lock()
	wait := k.began.Add(between).Sub(k.now())
	k.mu.Unlock()
	if wait > 0 {
		_ = k.pause(ctx, min(wait, between))
	}
	k.mu.Lock()
	k.next, k.began = nil, k.now()
	began := k.began
	k.mu.Unlock()

	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	f.keys, f.err = k.loadSafely(ctx)

	k.mu.Lock()
	defer k.mu.Unlock()
	if f.err != nil {
		k.retry = k.now().Add(afterFailure)
		return
	}
	k.keys, k.at = f.keys, began
}

// loadSafely makes every failure one of kind Unavailable, also a panic over a stranger's bytes (G-3).
func (k *LiveKeys) loadSafely(ctx context.Context) (keys []jose.JSONWebKey, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
		if err != nil && account.KindOf(err) != account.Unavailable {
			err = account.Errorf(account.Unavailable, "The keys cannot be had.").Because(err)
		}
	}()
	return k.load(ctx)
}

// FixedKeys are keys that were handed over once.
type FixedKeys []jose.JSONWebKey

// Verify is as that of LiveKeys.
func (k FixedKeys) Verify(_ context.Context, jws *jose.JSONWebSignature) ([]byte, error) {
	return try(k, jws)
}
