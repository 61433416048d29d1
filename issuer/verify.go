// Package issuer is the door for apps that ask about credentials: is this key good, and whose is it? An app sends what somebody showed
// it; what goes out says whom it speaks for at this moment, or that it is good for nothing, without a reason.
package issuer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/request"
	"github.com/drawbridge-id/drawbridge/store"
)

// Limit is how many bytes a question about a key may have.
const Limit = 4 << 10

// A Ledger knows keys; *store.Ledger does.
type Ledger interface {
	VerifyKey(ctx context.Context, key account.Secret) (*store.KeyHolder, error)
	RecallKey(key account.Secret) (*store.KeyHolder, bool)
}

// Options are what the door needs.
type Options struct {
	Ledger Ledger
	Now    func() time.Time
	Rate   float64 // keys a second that one address may ask about in vain, sustained; default 10
	Burst  int     // and at once; default 300
}

// A Door answers apps. It is safe for concurrent use.
type Door struct {
	opt     Options
	buckets *lru.Cache[netip.Addr, *rate.Limiter] // of addresses that asked in vain
}

// New makes a door.
func New(o Options) *Door {
	if o.Rate <= 0 {
		o.Rate = 10
	}
	if o.Burst <= 0 {
		o.Burst = 300
	}
	d := &Door{opt: o}
	d.buckets, _ = lru.New[netip.Addr, *rate.Limiter](16384) // an error means a size below 1
	return d
}

// inactive is the answer about every key that is good for nothing: mistyped, unknown, revoked, run out, of somebody who was shut out (KEY-3).
var inactive = []byte(`{"active":false}` + "\n")

// A verdict is the answer about a good key.
type verdict struct {
	Active  bool              `json:"active"`
	User    account.UserID    `json:"user"`
	Account account.AccountID `json:"account"`
	Org     account.OrgID     `json:"org"`
	Key     account.KeyID     `json:"key"`
	Expires *time.Time        `json:"expires_at,omitempty"` // absent: it does not run out by itself

	// External holders are nobody's colleagues: they may what roles says, and nothing that is for members (F-01). Denied is what their groups
	// give, and the org does not have at the moment (F-12).
	External bool         `json:"external,omitempty"`
	Roles    []roleAt     `json:"roles,omitempty"`
	Denied   []deniedRole `json:"denied,omitempty"`
}

type roleAt struct {
	Role account.Role   `json:"role"`
	Team account.TeamID `json:"team,omitempty"` // absent: in the whole org
}

type deniedRole struct {
	roleAt
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// external tells an app what an external user may.
func (v *verdict) external(h *store.KeyHolder) {
	v.External = true
	for _, r := range h.Roles {
		v.Roles = append(v.Roles, roleAt{r.Role, r.Scope.Team})
	}
	for _, d := range h.Denied {
		v.Denied = append(v.Denied, deniedRole{roleAt{d.Role, d.Scope.Team}, d.Why.Code, d.Why.Message})
	}
}

// VerifyKey answers POST /keys/verify, a JSON object with the key as "key". 200 with active true or false (as RFC 7662 §2.2 answers about
// tokens); 503 with Retry-After when that cannot be known at the moment: whoever asks should ask again, and neither let the caller in nor
// throw the key away. Who asks about many keys in vain gets 429; keys that are known to be good are answered all the same.
func (d *Door) VerifyKey(w http.ResponseWriter, r *http.Request) error {
	key, err := readKey(r.Body)
	if err != nil {
		return err
	}
	h, ok := d.opt.Ledger.RecallKey(key)
	if !ok {
		if h, err = d.ask(w, r, key); err != nil {
			return err
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	answer := inactive
	if h != nil {
		v := verdict{Active: true, User: h.User.ID, Account: h.Account.ID, Org: h.Org.ID, Key: h.Key.ID}
		if !h.Key.ExpiresAt.IsZero() {
			v.Expires = &h.Key.ExpiresAt
		}
		if h.External {
			v.external(h)
		}
		if answer, err = json.Marshal(v); err != nil {
			return err
		}
	}
	_, _ = w.Write(answer) // the client went away: nobody is left to be told
	return nil
}

// ask asks the ledger about a key that is not in its memory; nil when it is good for nothing.
func (d *Door) ask(w http.ResponseWriter, r *http.Request, key account.Secret) (*store.KeyHolder, error) {
	now, from := d.opt.Now(), account.Network(request.IP(r.Context()))
	bucket, known := d.buckets.Get(from)
	if known && bucket.TokensAt(now) < 1 {
		wait := max(1, int(1/d.opt.Rate))
		w.Header().Set("Retry-After", strconv.Itoa(wait))
		return nil, account.Errorf(account.TooMany, "Too many keys were asked about in vain from your network.").Coded("rate_limited").
			Fix("Try again in %d s.", wait)
	}
	h, err := d.opt.Ledger.VerifyKey(r.Context(), key)
	if account.KindOf(err) != account.Unauthorized {
		return h, err
	}
	if !known {
		bucket = rate.NewLimiter(rate.Limit(d.opt.Rate), d.opt.Burst)
		if old, loaded, _ := d.buckets.PeekOrAdd(from, bucket); loaded {
			bucket = old
		}
	}
	bucket.AllowN(now, 1)
	return nil, nil
}

// readKey reads the question. Members it does not know are left alone, so that apps may say more to later releases.
func readKey(body io.Reader) (account.Secret, error) {
	raw, err := io.ReadAll(body)
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return account.Secret{}, err
	}
	var asked struct {
		Key *string `json:"key"`
	}
	if err == nil {
		err = json.Unmarshal(bytes.TrimSpace(raw), &asked)
	}
	if err != nil || asked.Key == nil {
		return account.Secret{}, account.Errorf(account.Invalid, "Expected a JSON object with the key.").Fix(`Send {"key": "dbp_…"}.`)
	}
	return account.NewSecret(*asked.Key), nil
}
