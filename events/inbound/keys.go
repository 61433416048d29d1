package inbound

import (
	"context"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/events/set"
	"github.com/drawbridge-id/drawbridge/published"
)

// keyAge is how old a key set gets before it is fetched again: a key that was withdrawn dies no later.
const keyAge = 15 * time.Minute

// keysOf are the keys of a stream's transmitter: those at its URL, whoever else names it, or those that were handed over.
func (d *Door) keysOf(s account.Stream) (set.Keys, error) {
	name := s.JWKSURL
	if name == "" {
		name = s.Keys
	}
	if k, ok := d.keys.Get(name); ok {
		return k, nil
	}
	var k set.Keys
	if s.JWKSURL != "" {
		k = published.NewLiveKeys(d.o.Now, keyAge, func(ctx context.Context) ([]jose.JSONWebKey, error) { return d.fetchKeys(ctx, s.JWKSURL) })
	} else {
		fixed, err := published.ReadKeys([]byte(s.Keys))
		if err != nil {
			return nil, err
		}
		k = published.FixedKeys(fixed)
	}
	if old, loaded, _ := d.keys.PeekOrAdd(name, k); loaded {
		k = old
	}
	return k, nil
}

func (d *Door) fetchKeys(ctx context.Context, url string) ([]jose.JSONWebKey, error) {
	keys, err := published.GetKeys(ctx, d.o.Fetch, url)
	if err != nil {
		d.o.Metrics.Keys("failed")
		d.o.Log.WarnContext(ctx, "a key set could not be fetched", "url", url, "error", err)
		return nil, err
	}
	d.o.Metrics.Keys("done")
	return keys, nil
}

// judge verifies a token of a stream. Errors are as those of set.Verify.
func (d *Door) judge(ctx context.Context, s account.Stream, raw string) (account.SET, error) {
	keys, err := d.keysOf(s)
	if err != nil {
		return account.SET{}, account.Errorf(account.Unavailable, "The stream's keys cannot be read.").Because(err)
	}
	return set.Verify(ctx, raw, set.Of(s, keys, d.o.Now()))
}

// receive hands a token that was judged to the ledger. When it answers without an error, what the token says is in force
// everywhere and durable.
func (d *Door) receive(ctx context.Context, by account.Actor, s account.Stream, token account.SET) error {
	by.Kind, by.Stream = account.ActorStream, s.ID
	if by.Received.IsZero() {
		by.Received = d.o.Now()
	}
	if _, err := d.o.Ledger.Receive(ctx, by, s.ID, token); err != nil {
		return err
	}
	d.o.Metrics.Applied(d.o.Now().Sub(by.Received))
	return nil
}
