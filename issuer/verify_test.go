package issuer

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/request"
	"github.com/drawbridge-id/drawbridge/store"
)

// book is a ledger with one good key.
type book struct {
	asked  int
	recall bool
	err    error
}

const good = "dbp_good"

func holder() *store.KeyHolder {
	return &store.KeyHolder{Key: account.Key{ID: "key_1"}, User: account.User{ID: "usr_1"}, Account: account.Account{ID: "acc_1"}, Org: account.Org{ID: "org_1"}}
}

func (b *book) VerifyKey(_ context.Context, key account.Secret) (*store.KeyHolder, error) {
	b.asked++
	switch {
	case b.err != nil:
		return nil, b.err
	case key.Reveal() == good:
		return holder(), nil
	}
	return nil, account.Errorf(account.Unauthorized, "The key is not a valid one.")
}

func (b *book) RecallKey(key account.Secret) (*store.KeyHolder, bool) {
	return holder(), b.recall && key.Reveal() == good
}

func knock(d *Door, from, body string) (*httptest.ResponseRecorder, error) {
	r := httptest.NewRequest(http.MethodPost, "/keys/verify", strings.NewReader(body))
	r = r.WithContext(request.With(r.Context(), &request.Facts{IP: netip.MustParseAddr(from)}))
	w := httptest.NewRecorder()
	return w, d.VerifyKey(w, r)
}

// THREAT KEY-3
func TestAKeyIsGoodOrNotAndNothingMoreIsSaid(t *testing.T) {
	b := &book{}
	d := New(Options{Ledger: b, Now: time.Now})
	for body, want := range map[string]string{
		`{"key":"dbp_good"}`:               `{"active":true,"user":"usr_1","account":"acc_1","org":"org_1","key":"key_1"}`,
		` {"key":"dbp_good","for":"x"} `:   `{"active":true,"user":"usr_1","account":"acc_1","org":"org_1","key":"key_1"}`,
		`{"key":"dbp_bad"}`:                `{"active":false}`,
		`{"key":""}`:                       `{"active":false}`,
		`{"key":"` + good + `\u0000more"}`: `{"active":false}`,
	} {
		w, err := knock(d, "192.0.2.1", body)
		if err != nil || strings.TrimSpace(w.Body.String()) != want || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v %s", body, err, w.Body)
		}
	}
	for _, body := range []string{``, `null`, `[]`, `{}`, `{"key":7}`, `{"key":null}`, `{"key":"a"`, `dbp_good`} {
		if _, err := knock(d, "192.0.2.1", body); account.KindOf(err) != account.Invalid {
			t.Errorf("%q: %v", body, err)
		}
	}
}

// A flood of guesses costs the database little, and keeps no good key from its app.
//
// THREAT KEY-1
func TestWhoAsksInVainIsSlowedDown(t *testing.T) {
	b := &book{}
	now := time.Now()
	d := New(Options{Ledger: b, Now: func() time.Time { return now }, Rate: 1, Burst: 5})
	slowed := 0
	for i := range 20 {
		w, err := knock(d, "2001:db8::1", fmt.Sprintf(`{"key":"dbp_%d"}`, i))
		if account.KindOf(err) == account.TooMany && w.Header().Get("Retry-After") == "1" {
			slowed++
		}
	}
	if slowed != 15 || b.asked != 5 {
		t.Errorf("%d of 20 were slowed down, the ledger was asked %d times", slowed, b.asked)
	}
	if _, err := knock(d, "2001:db8::2", `{"key":"dbp_x"}`); account.KindOf(err) != account.TooMany {
		t.Errorf("a neighbour of the same subscriber: %v", err)
	}
	if _, err := knock(d, "192.0.2.1", `{"key":"dbp_x"}`); err != nil {
		t.Errorf("somebody else: %v", err)
	}
	b.recall = true
	if w, err := knock(d, "2001:db8::1", `{"key":"dbp_good"}`); err != nil || !strings.Contains(w.Body.String(), `"active":true`) {
		t.Errorf("a key that is known to be good: %v %s", err, w.Body)
	}
	now = now.Add(2 * time.Second)
	if _, err := knock(d, "2001:db8::1", `{"key":"dbp_x"}`); err != nil {
		t.Errorf("later: %v", err)
	}
}

// Not knowing is no answer about the key.
func TestWhoCannotKnowDoesNotSayInactive(t *testing.T) {
	d := New(Options{Ledger: &book{err: account.Errorf(account.Unavailable, "The database does not answer.")}, Now: time.Now})
	if w, err := knock(d, "192.0.2.1", `{"key":"dbp_good"}`); account.KindOf(err) != account.Unavailable || w.Body.Len() > 0 {
		t.Errorf("%v %s", err, w.Body)
	}
}

func FuzzVerifyKey(f *testing.F) {
	f.Add(`{"key":"dbp_good"}`)
	f.Add(`{"key":"dbp_bad","key":"dbp_good"}`)
	f.Fuzz(func(t *testing.T, body string) {
		w, err := knock(New(Options{Ledger: &book{}, Now: time.Now}), "192.0.2.1", body)
		if err != nil {
			if account.KindOf(err) != account.Invalid {
				t.Fatal(err)
			}
			return
		}
		var v struct{ Active *bool }
		if json.Unmarshal(w.Body.Bytes(), &v) != nil || v.Active == nil {
			t.Fatalf("%q is answered %s", body, w.Body)
		}
		if *v.Active && !strings.Contains(strings.ToLower(body), "key") {
			t.Fatalf("%q is active", body)
		}
	})
}
