package published

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"sync"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/drawbridge-id/drawbridge/account"
)

// shelf is a far side that publishes keys, with a clock that is turned by hand.
type shelf struct {
	t     *testing.T
	mu    sync.Mutex
	now   time.Time
	keys  map[string]*ecdsa.PrivateKey
	shown []string
	down  bool
	asked int
	waits []time.Duration
	gate  chan struct{} // when set, a fetch waits here
	began chan struct{} // told of each fetch
}

func newShelf(t *testing.T, kids ...string) (*shelf, *LiveKeys) {
	s := &shelf{t: t, now: time.Unix(1767225600, 0), keys: map[string]*ecdsa.PrivateKey{}, began: make(chan struct{}, 1000)}
	s.show(kids...)
	k := NewLiveKeys(s.clock, 15*time.Minute, s.load)
	k.pause = func(_ context.Context, d time.Duration) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.waits = append(s.waits, d)
		s.now = s.now.Add(d)
		return nil
	}
	return s, k
}

func (s *shelf) clock() time.Time { s.mu.Lock(); defer s.mu.Unlock(); return s.now }

func (s *shelf) turn(d time.Duration) { s.mu.Lock(); defer s.mu.Unlock(); s.now = s.now.Add(d) }

func (s *shelf) show(kids ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shown = kids
	for _, kid := range kids {
		if s.keys[kid] == nil {
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			if err != nil {
				s.t.Fatal(err)
			}
			s.keys[kid] = key
		}
	}
}

func (s *shelf) fetches() int { s.mu.Lock(); defer s.mu.Unlock(); return s.asked }

func (s *shelf) load(context.Context) ([]jose.JSONWebKey, error) {
	s.mu.Lock()
	s.asked++
	down, gate := s.down, s.gate
	var out []jose.JSONWebKey
	for _, kid := range s.shown { // what is published at the moment of the fetch
		out = append(out, jose.JSONWebKey{Key: s.keys[kid].Public(), KeyID: kid})
	}
	s.mu.Unlock()
	s.began <- struct{}{}
	if gate != nil {
		<-gate
	}
	if down {
		return nil, errors.New("503")
	}
	return out, nil
}

func (s *shelf) token(signer, kid string) *jose.JSONWebSignature {
	s.t.Helper()
	j, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: s.keys[signer], KeyID: kid}}, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	jws, err := j.Sign([]byte("hello"))
	if err != nil {
		s.t.Fatal(err)
	}
	raw, err := jws.CompactSerialize()
	if err != nil {
		s.t.Fatal(err)
	}
	parsed, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		s.t.Fatal(err)
	}
	return parsed
}

// A key that was published a moment ago signs at once, also twice within a second.
func TestNewKeyIsFoundAtOnce(t *testing.T) {
	s, k := newShelf(t, "a")
	for _, kid := range []string{"a", "b", "c"} {
		s.show(kid)
		if _, err := k.Verify(t.Context(), s.token(kid, kid)); err != nil {
			t.Fatal(kid, err)
		}
	}
	if s.fetches() != 3 || len(s.waits) != 2 || s.waits[0] != between {
		t.Errorf("%d fetches, waits %v", s.fetches(), s.waits)
	}
	if _, err := k.Verify(t.Context(), s.token("a", "a")); !errors.Is(err, ErrUnknownKey) {
		t.Error("a key that is gone from a fresh set verifies", err)
	}
}

// A fetch that was under way before the message came proves nothing about its key.
func TestMessageWaitsForAFetchThatBeganAfterIt(t *testing.T) {
	s, k := newShelf(t, "a", "b")
	s.show("a")
	if _, err := k.Verify(t.Context(), s.token("a", "a")); err != nil {
		t.Fatal(err)
	}
	<-s.began
	s.mu.Lock()
	s.gate = make(chan struct{})
	s.mu.Unlock()
	first := make(chan error, 1)
	go func() { _, err := k.Verify(t.Context(), s.token("a", "ghost")); first <- err }()
	<-s.began // it has read the set without b
	s.show("a", "b")
	second := make(chan error, 1)
	jws := s.token("b", "b")
	go func() { _, err := k.Verify(t.Context(), jws); second <- err }()
	close(s.gate)
	if err := <-first; !errors.Is(err, ErrUnknownKey) {
		t.Error(err)
	}
	if err := <-second; err != nil {
		t.Error("b was published before the message came:", err)
	}
}

// THREAT OIDC-K4
func TestFloodOfUnknownKeysCostsOneFetchASecond(t *testing.T) {
	s, k := newShelf(t, "a")
	begin := s.clock()
	for range 20 {
		var wg sync.WaitGroup
		for range 8 {
			jws := s.token("a", "ghost")
			wg.Go(func() {
				if _, err := k.Verify(t.Context(), jws); !errors.Is(err, ErrUnknownKey) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	if most := int(s.clock().Sub(begin)/between) + 1; s.fetches() > most {
		t.Errorf("%d fetches in %s", s.fetches(), s.clock().Sub(begin))
	}
}

func TestKnownKeysOutliveAnOutageByADay(t *testing.T) {
	s, k := newShelf(t, "a")
	verify := func(kid string) error { _, err := k.Verify(t.Context(), s.token("a", kid)); return err }
	if err := verify("a"); err != nil {
		t.Fatal(err)
	}
	s.down = true
	s.turn(20 * time.Minute)
	if err := verify("a"); err != nil {
		t.Error(err)
	}
	asked := s.fetches()
	if err := verify("a"); err != nil || s.fetches() != asked {
		t.Error("each message knocks at a door that is shut", err)
	}
	if err := verify("new"); account.KindOf(err) != account.Unavailable {
		t.Errorf("a key that may be new: %v", err)
	}
	s.turn(24 * time.Hour)
	if err := verify("a"); account.KindOf(err) != account.Unavailable {
		t.Errorf("after a day: %v", err)
	}
	s.down = false
	if err := verify("a"); err != nil {
		t.Error(err)
	}
}

func TestWithdrawnKeyDiesAtTheNextFetch(t *testing.T) {
	s, k := newShelf(t, "a", "b")
	if _, err := k.Verify(t.Context(), s.token("a", "a")); err != nil {
		t.Fatal(err)
	}
	s.show("b")
	s.turn(15 * time.Minute)
	if _, err := k.Verify(t.Context(), s.token("a", "a")); !errors.Is(err, ErrUnknownKey) {
		t.Error(err)
	}
}

// Whoever gives up waiting does not take the fetch away from the others.
func TestOneCallerGivesUp(t *testing.T) {
	s, k := newShelf(t, "a")
	s.gate = make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	gone, stays := make(chan error, 1), make(chan error, 1)
	jws := s.token("a", "a")
	go func() { _, err := k.Verify(ctx, jws); gone <- err }()
	<-s.began
	go func() { _, err := k.Verify(t.Context(), jws); stays <- err }()
	cancel()
	if err := <-gone; account.KindOf(err) != account.Unavailable {
		t.Error(err)
	}
	close(s.gate)
	if err := <-stays; err != nil {
		t.Error(err)
	}
}

func TestPanicOverKeysIsAnError(t *testing.T) {
	k := NewLiveKeys(time.Now, time.Hour, func(context.Context) ([]jose.JSONWebKey, error) { panic("a stranger's bytes") })
	s, _ := newShelf(t, "a")
	if _, err := k.Verify(t.Context(), s.token("a", "a")); account.KindOf(err) != account.Unavailable {
		t.Error(err)
	}
}

func TestFixedKeys(t *testing.T) {
	s, _ := newShelf(t, "a", "b")
	k := FixedKeys{{Key: s.keys["a"].Public(), KeyID: "a"}}
	if _, err := k.Verify(t.Context(), s.token("a", "a")); err != nil {
		t.Error(err)
	}
	for _, bad := range []*jose.JSONWebSignature{s.token("b", "b"), s.token("b", "a")} {
		if _, err := k.Verify(t.Context(), bad); err == nil {
			t.Error("a stranger's signature verifies")
		}
	}
}
