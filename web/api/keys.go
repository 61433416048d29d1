package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/drawbridge-id/drawbridge/account"
)

// Key is a personal key, without the key itself.
type Key struct {
	ID      account.KeyID    `json:"id"`
	User    account.UserID   `json:"user"`
	Name    string           `json:"name"`
	Last4   string           `json:"last4" doc:"Its last four characters, to compare."`
	State   account.KeyState `json:"state" enum:"active,expired,revoked,suspended" doc:"A suspended one works again once its holder has signed in."`
	Reason  string           `json:"reason,omitempty" doc:"Why it is no longer active."`
	Created time.Time        `json:"created_at"`
	Expires *time.Time       `json:"expires_at,omitempty" doc:"Absent: it does not end by itself."`
	Used    *time.Time       `json:"used_at,omitempty" doc:"Renewed at most once a minute. Absent: never."`
	Ended   *time.Time       `json:"ended_at,omitempty"`
	Flagged *time.Time       `json:"flagged_at,omitempty" doc:"When an identity provider reported that its holder's credentials are compromised."`
}

// keyExpired is how the API shows a key whose time has run out.
const keyExpired account.KeyState = "expired"

func (a *API) key(k account.Key) Key {
	out := Key{ID: k.ID, User: k.User, Name: k.Name, Last4: k.Last4, State: k.State, Reason: k.Reason, Created: k.CreatedAt,
		Expires: when(k.ExpiresAt), Used: when(k.UsedAt), Ended: when(k.EndedAt), Flagged: when(k.FlaggedAt)}
	if k.State == account.KeyActive && !k.ExpiresAt.IsZero() && !a.opt.Now().Before(k.ExpiresAt) {
		out.State = keyExpired
	}
	return out
}

// when is nil for the zero time.
func when(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// MintedKey is a new key, the one time that it is shown.
type MintedKey struct {
	Key
	Secret string `json:"secret" doc:"The key. It is not shown again."`
}

const day = 24 * time.Hour

func (a *API) keys(h huma.API) {
	huma.Register(h, inPerson(created("/orgs/{org}/keys", "mint-key", "Make a personal key for oneself; it needs a sign-in within the last half hour")),
		func(ctx context.Context, in *struct {
			OrgPath
			Body struct {
				Name string `json:"name" maxLength:"100" doc:"What people call it, for instance where it is used."`
				Days int    `json:"days,omitempty" minimum:"0" maximum:"730" doc:"How long it lives; 0: it does not end by itself."`
			}
		}) (*body[MintedKey], error) {
			acct, _, err := a.in(ctx, in.Org)
			if err == nil {
				err = a.fresh(ctx)
			}
			if err != nil {
				return nil, problem(ctx, err)
			}
			k, secret, err := a.opt.Ledger.MintKey(ctx, caller(ctx), acct.ID, in.Body.Name, time.Duration(in.Body.Days)*day)
			return answer(ctx, MintedKey{a.key(k), secret.Reveal()}, err)
		})
	huma.Register(h, op(http.MethodGet, "/orgs/{org}/keys", "list-keys", "One's own keys, or those of somebody whom one manages"),
		func(ctx context.Context, in *struct {
			OrgPath
			User account.UserID `query:"user" maxLength:"64" doc:"Whose. Absent: one's own."`
		}) (*body[[]Key], error) {
			acct, _, err := a.in(ctx, in.Org)
			if err != nil {
				return nil, problem(ctx, err)
			}
			if in.User == "" {
				in.User = caller(ctx).User
			}
			all, err := a.opt.Ledger.Keys(ctx, caller(ctx), acct.ID, in.User)
			out := make([]Key, len(all))
			for i, k := range all {
				out[i] = a.key(k)
			}
			return answer(ctx, out, err)
		})
	huma.Register(h, op(http.MethodPost, "/orgs/{org}/keys/{key}/revoke", "revoke-key", "Make a key worthless at once, for good"),
		func(ctx context.Context, in *struct {
			OrgPath
			Key account.KeyID `path:"key" maxLength:"64"`
		}) (*body[Key], error) {
			acct, _, err := a.in(ctx, in.Org)
			if err != nil {
				return nil, problem(ctx, err)
			}
			k, err := a.opt.Ledger.RevokeKey(ctx, caller(ctx), acct.ID, in.Key)
			return answer(ctx, a.key(k), err)
		})
}
