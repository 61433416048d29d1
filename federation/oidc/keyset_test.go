package oidc

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/published"
)

// THREAT OIDC-K1
// INTEROP JWKS rotated
func TestRotationIsFollowedAtOnce(t *testing.T) {
	w := newWorld(t, account.KindGeneric)
	w.login()
	for i := range 4 {
		k := key{fmt.Sprint("rotated-", i), "RS256", rsaTwo()}
		w.keys, w.signer = []key{k}, k
		w.login()
	}
	if n := w.count("/jwks"); n != 5 {
		t.Errorf("%d fetches for five key sets", n)
	}
	w.login()
	if n := w.count("/jwks"); n != 5 {
		t.Error("a known key was fetched again")
	}
}

// THREAT OIDC-K2
func TestWeakKeysVerifyNothing(t *testing.T) {
	w := newWorld(t, account.KindGeneric)
	weak := key{"weak", "RS256", rsaWeak()}
	w.keys, w.signer = []key{keyOne(), weak}, weak
	w.refused("key_unknown")
}

// A caller who saw an older value gets the newer one that somebody else has fetched since.
func TestOneFetchServesWhoeverSawTheOldValue(t *testing.T) {
	w := newWorld(t, account.KindGeneric)
	n := 0
	d := published.NewDocument(w.now, time.Hour, func(context.Context) (int, error) { n++; return n, nil })
	for _, tc := range []struct {
		seen uint64
		want int
	}{{0, 1}, {0, 1}, {1, 2}, {0, 2}, {1, 2}, {2, 3}} {
		if v, _, err := d.Renew(t.Context(), tc.seen, 0); v != tc.want || err != nil {
			t.Errorf("seen %d: %d, want %d (%v)", tc.seen, v, tc.want, err)
		}
	}
}

func TestWithdrawnKeyDiesAtTheNextRefresh(t *testing.T) {
	w := newWorld(t, account.KindGeneric)
	w.login()
	w.keys = []key{keyTwo()}
	w.login() // within the age of the set nobody has said that the key is gone
	w.turn(61 * time.Minute)
	w.refused("key_unknown")
	w.signer = keyTwo()
	w.login()
}

func TestLastGoodSetSurvivesAnOutage(t *testing.T) {
	w := newWorld(t, account.KindGeneric)
	w.login()
	down := func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(503) }
	w.handle["/jwks"] = down
	w.turn(2 * time.Hour)
	w.login()
	w.turn(23 * time.Hour)
	w.refused("keys_unavailable")
	delete(w.handle, "/jwks")
	w.turn(10 * time.Second)
	w.login()
	for _, broken := range []string{`{"keys":[]}`, `{}`, `[]`, `<html>`, `{"keys":"x"}`} { // never an empty trust
		w.handle["/jwks"] = func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte(broken)) }
		w.turn(61 * time.Minute)
		w.login()
	}
}

// INTEROP provider down at start
func TestProviderDownAtStartIsAskedAgain(t *testing.T) {
	w := newWorld(t, account.KindGeneric)
	down := func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(503) }
	w.handle["/.well-known/openid-configuration"], w.handle["/jwks"] = down, down
	w.refused("discovery")
	delete(w.handle, "/.well-known/openid-configuration")
	w.refused("keys_unavailable")
	delete(w.handle, "/jwks")
	w.login()
	w.handle["/.well-known/openid-configuration"] = down
	w.turn(2 * time.Hour)
	w.login()
}

// THREAT OIDC-K2
func TestStrangeKeysAreLeftOut(t *testing.T) {
	w := newWorld(t, account.KindGeneric)
	strange := []any{
		map[string]any{"kty": "quantum", "kid": "q"}, map[string]any{"kty": "EC", "crv": "secp256k1", "kid": "k", "x": "AA", "y": "AA", "alg": "ES256K"},
		map[string]any{"kty": "OKP", "crv": "Ed448", "kid": "o", "x": "AA"}, map[string]any{"kty": "RSA", "kid": "key-1"}, map[string]any{"kty": "RSA", "kid": "key-1", "n": "!!", "e": "AQAB"},
		map[string]any{"kid": "key-1"}, map[string]any{}, "text", nil, 7, map[string]any{"kty": "oct", "k": "c2VjcmV0", "kid": "key-1"},
		key{"key-1", "RS256", rsaWeak()}.jwk(),
	}
	good := keyOne().jwk()
	good["x5c"] = []any{"not a certificate"} // spoils the label, not the key
	w.jwks = func() any { return map[string]any{"keys": append(strange, good)} }
	w.login()
	w.header = map[string]any{"kid": nil}
	w.login() // no kid, one key fits
	w.keys = []key{keyTwo(), keyOne(), {"e", "ES256", ecOne()}}
	w.jwks = func() any { return map[string]any{"keys": []any{keyTwo().jwk(), keyOne().jwk(), w.keys[2].jwk()}} }
	w.rp = w.newRP(Options{})
	w.login() // no kid, several of the kind: each is tried
	w.signer.private = rsaWeak()
	w.refused("signature")
}

// THREAT OIDC-K3
func TestLabelsOfKeysAreObeyed(t *testing.T) {
	for name, label := range map[string]map[string]any{
		"for encryption": {"use": "enc"}, "for other operations": {"key_ops": []any{"encrypt"}}, "odd use": {"use": "both"},
		"other algorithm": {"alg": "RS512"}, "encryption algorithm": {"alg": "RSA-OAEP"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, account.KindGeneric)
			marked := keyOne().jwk()
			delete(marked, "use")
			for k, v := range label {
				marked[k] = v
			}
			w.jwks = func() any { return map[string]any{"keys": []any{marked, key{"other", "ES256", ecOne()}.jwk()}} }
			if j := w.judge(); j.Refusal == nil || j.Refusal.Code != "key_unknown" && j.Refusal.Code != "key_mismatch" {
				t.Errorf("%v", j.Refusal)
			}
		})
	}
	w := newWorld(t, account.KindGeneric)
	bare := keyOne().jwk()
	delete(bare, "use")
	delete(bare, "alg")
	bare["key_ops"] = []any{"verify"}
	w.jwks = func() any { return map[string]any{"keys": []any{bare}} }
	w.login()
}

// THREAT OIDC-K4
func TestKeyFloodCostsFewFetches(t *testing.T) {
	w := newWorld(t, account.KindGeneric)
	w.login()
	var wg sync.WaitGroup
	for i := range 64 {
		token := sign(rsaTwo(), "RS256", map[string]any{"kid": fmt.Sprint("flood-", i)}, w.claims)
		wg.Add(1)
		go func() {
			defer wg.Done()
			if _, err := w.rp.Logout(t.Context(), w.c, w.s, token); err == nil {
				t.Error("a forged token counts")
			}
		}()
	}
	wg.Wait()
	if n := w.count("/jwks"); n > published.Burst-published.Spare {
		t.Errorf("%d fetches at the door where anybody may knock", n)
	}
	for i := range 200 {
		w.signer = key{fmt.Sprint("unknown-", i), "RS256", rsaTwo()}
		w.refused("key_unknown")
	}
	if n := w.count("/jwks"); n > published.Burst {
		t.Errorf("%d fetches in an instant", n)
	}
	w.turn(time.Minute)
	for i := range 200 {
		w.signer = key{fmt.Sprint("unknown-again-", i), "RS256", rsaTwo()}
		w.refused("key_unknown")
	}
	if n := w.count("/jwks"); n > 15 {
		t.Errorf("%d fetches within a minute", n)
	}
}

// THREAT OIDC-K4: one bad key id and one bad signature are not reasons to knock twice.
func TestBadKeyIsRemembered(t *testing.T) {
	w := newWorld(t, account.KindGeneric)
	w.login()
	w.signer = key{"ghost", "RS256", rsaTwo()}
	for range 10 {
		w.refused("key_unknown")
	}
	if n := w.count("/jwks"); n != 2 {
		t.Errorf("%d fetches for one unknown key", n)
	}
	w.keys = []key{keyOne(), w.signer} // published late
	w.turn(published.Absent + time.Second)
	w.login()
	w.signer = key{"key-1", "RS256", rsaTwo()}
	for range 10 {
		w.refused("signature")
	}
	if n := w.count("/jwks"); n > 4 {
		t.Errorf("%d fetches for bad signatures", n)
	}
}

func TestKeyChangedUnderTheSameIDIsFound(t *testing.T) {
	w := newWorld(t, account.KindGeneric)
	w.login()
	w.turn(time.Minute)
	changed := key{"key-1", "RS256", rsaTwo()}
	w.keys, w.signer = []key{changed}, changed
	w.login()
}

func TestConcurrentSignInsShareOneFetch(t *testing.T) {
	w := newWorld(t, account.KindGeneric)
	release := make(chan struct{})
	arrived := make(chan struct{}, 64)
	w.handle["/jwks"] = func(rw http.ResponseWriter, _ *http.Request) {
		arrived <- struct{}{}
		<-release
		_ = json.NewEncoder(rw).Encode(w.jwks())
	}
	var wg sync.WaitGroup
	for range 16 {
		wg.Add(1)
		go func() { defer wg.Done(); w.login() }()
	}
	<-arrived
	close(release)
	wg.Wait()
	if n := w.count("/jwks"); n != 1 {
		t.Errorf("%d fetches", n)
	}
}

func TestAgeingSetIsRenewedBehindThePersonsBack(t *testing.T) {
	w := newWorld(t, account.KindGeneric)
	w.login()
	asked := make(chan struct{})
	w.handle["/jwks"] = func(rw http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(rw).Encode(w.jwks())
		close(asked)
	}
	w.turn(59 * time.Minute)
	w.login()
	select {
	case <-asked:
	case <-time.After(5 * time.Second):
		t.Error("nobody renewed the set")
	}
}

// THREAT OIDC-S1
func TestKeySetIsBounded(t *testing.T) {
	w := newWorld(t, account.KindGeneric)
	var many []any
	for i := range published.MaxKeys + 1 {
		many = append(many, key{fmt.Sprint(i), "ES256", ecOne()}.jwk())
	}
	w.jwks = func() any { return map[string]any{"keys": many} }
	w.refused("keys_unavailable")
	w = newWorld(t, account.KindGeneric)
	w.jwks = func() any { return map[string]any{"keys": []any{keyOne().jwk()}, "x": strings.Repeat("x", 256<<10)} }
	w.refused("keys_unavailable")
}

func TestKeySetIsSharedByURL(t *testing.T) {
	w := newWorld(t, account.KindGeneric)
	a, b, again := w.rp.keySet("https://a.example/keys"), w.rp.keySet("https://b.example/keys"), w.rp.keySet("https://a.example/keys")
	if a != again || a == b {
		t.Error("sets do not follow URLs")
	}
	small := w.newRP(Options{Providers: 2})
	first := small.keySet("a")
	for i := range 3 {
		small.keySet(fmt.Sprint(i))
	}
	if small.keys.Len() != 2 || small.keySet("a") == first {
		t.Error("the memory of providers is not bounded")
	}
}

// FuzzJWKS: no key set makes us panic, and no symmetric, private or weak key comes out of one.
func FuzzJWKS(f *testing.F) {
	for _, k := range everyKey() {
		f.Add(must(json.Marshal(map[string]any{"keys": []any{k.jwk()}})))
	}
	f.Add([]byte(`{"keys":[{"kty":"oct","k":"c2VjcmV0"},{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB","use":"sig"}]}`))
	f.Add(bytes.Repeat([]byte("["), 2000))
	f.Fuzz(func(t *testing.T, body []byte) {
		keys, err := published.ReadKeys(body)
		if (err == nil) == (len(keys) == 0) {
			t.Fatalf("%d keys, %v", len(keys), err)
		}
		if len(keys) > published.MaxKeys {
			t.Fatal("too many keys")
		}
		for _, k := range keys {
			if !k.IsPublic() || !k.Valid() || k.Use == "enc" {
				t.Fatalf("unfit key %+v", k)
			}
			for _, alg := range []string{"HS256", "none", ""} {
				if published.Fits(k, alg) {
					t.Fatalf("a key fits %q", alg)
				}
			}
		}
	})
}
