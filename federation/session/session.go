// Package session is how a browser is recognised: the session cookie of somebody who is signed in, the
// flow cookie of a browser that has a sign-in under way, and the form token against forged requests. A
// request comes in; an account.Presence, a browser value or a refusal goes out. What a session may do,
// and when it ends, is the ledger's knowledge.
package session

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/request"
)

// The cookies. The __Host- prefix makes browsers keep them to this one host, over a secure connection
// (plain http to loopback counts as one), so that no neighbour can plant them (SES-1, SES-2).
const (
	Cookie     = "__Host-drawbridge"      // the session's token
	FlowCookie = "__Host-drawbridge-flow" // the browser that pending sign-ins are bound to
)

// PendingCookie is known to the browser that signs up, or owes a second factor.
const PendingCookie = "__Host-drawbridge-pending"

// FlowAge is how long a browser keeps the flow cookie after it was last used to start a sign-in.
const FlowAge = 15 * time.Minute

// maxToken bounds what is taken for a token, in bytes; ours have 43.
const maxToken = 128

// A Ledger knows which tokens are live; *store.Ledger does.
type Ledger interface {
	Presence(ctx context.Context, token account.Secret) (account.Presence, error)
}

// FromRequest is who is signed in. Without a cookie, or with one that names no live session, the error
// is of kind account.Unauthorized; a token that was planted is worth nothing, because tokens are only
// ever made by the ledger.
func FromRequest(ledger Ledger, r *http.Request) (account.Presence, error) {
	token := Token(r)
	if token.IsZero() {
		return account.Presence{}, account.Errorf(account.Unauthorized, "Nobody is signed in.").
			Coded("signed_out").Fix("Sign in first.")
	}
	return ledger.Presence(r.Context(), token)
}

// Actor is the signed-in person as the one who makes something happen.
func Actor(ctx context.Context, p account.Presence) account.Actor {
	return request.As(ctx, account.Actor{Kind: account.ActorUser, User: p.User.ID, Account: account.WorkingIn(p.Account.ID), BreakGlass: p.Session.Method == account.ByRecovery})
}

// A Handler serves a request of somebody who is signed in.
type Handler func(w http.ResponseWriter, r *http.Request, p account.Presence) error

// Require lets only requests of a live session through; others get the Unauthorized error of FromRequest.
// The answer is never stored (SES-3).
func Require(ledger Ledger, h Handler) request.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Cache-Control", "no-store")
		p, err := FromRequest(ledger, r)
		if err != nil {
			return err
		}
		return h(w, r, p)
	}
}

// Token is what the session cookie holds; zero without exactly one cookie of that name.
func Token(r *http.Request) account.Secret { return account.NewSecret(only(r, Cookie)) }

// Set gives the browser the token of a session that has just been made or rotated.
func Set(w http.ResponseWriter, s account.Session, now time.Time) {
	http.SetCookie(w, CookieOf(s, now))
}

// CookieOf is the cookie that Set sends.
func CookieOf(s account.Session, now time.Time) *http.Cookie {
	return &http.Cookie{
		Name: Cookie, Value: s.Token.Reveal(), Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Expires: s.ExpiresAt, MaxAge: max(1, int(s.ExpiresAt.Sub(now)/time.Second)),
	}
}

// Clear takes the session cookie away.
func Clear(w http.ResponseWriter) {
	http.SetCookie(w, &http.Cookie{Name: Cookie, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: -1})
}

// Browser is what the flow cookie holds: empty when this browser has no sign-in under way.
func Browser(r *http.Request) string { return only(r, FlowCookie) }

// Pending is what the pending cookie holds: zero when this browser has neither a sign-up nor half a sign-in under way.
func Pending(r *http.Request) account.Secret { return account.NewSecret(only(r, PendingCookie)) }

// SetPending gives the browser the token of a sign-up or of half a sign-in. The ledger knows how long it is good for; the browser forgets it
// when it is closed. It is sent along with links in letters that are opened in a mail page, so it is SameSite=Lax.
func SetPending(w http.ResponseWriter, token string) {
	http.SetCookie(w, &http.Cookie{Name: PendingCookie, Value: token, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

// ClearPending takes it away.
func ClearPending(w http.ResponseWriter) {
	http.SetCookie(w, &http.Cookie{Name: PendingCookie, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: -1})
}

// SetBrowser gives the browser its flow cookie, or lets the one it has live on. It is sent along with
// the provider's cross-site POST (SAML-R3, OIDC-F3), so it is SameSite=None; it opens nothing by itself.
func SetBrowser(w http.ResponseWriter, browser string) {
	http.SetCookie(w, &http.Cookie{
		Name: FlowCookie, Value: browser, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteNoneMode,
		MaxAge: int(FlowAge / time.Second),
	})
}

// Fresh asks that whoever holds the session of p proved who they are at most within ago, by signing in or since: the step-up before something dangerous (KEY-5).
// Its refusal is account.Forbidden with code "sign_in_again".
func Fresh(p account.Presence, within time.Duration, now time.Time) error {
	if age := now.Sub(p.Session.ProvedAt()); age <= within && age >= -time.Minute {
		return nil
	}
	return account.Errorf(account.Forbidden, "This needs a sign-in within the last %s.", within).
		Coded("sign_in_again").Fix("Sign in again, then repeat it.")
}

// FormToken is what every form of a signed-in page sends back in FormField. It follows from the session's
// token, so that it needs no storage and changes with every sign-in.
func FormToken(token account.Secret) string {
	sum := sha256.Sum256([]byte("drawbridge form token\x00" + token.Reveal()))
	return base64.RawURLEncoding.EncodeToString(sum[:18])
}

// FormField is the name of the input that carries the form token.
const FormField = "token"

// CheckForm refuses a form that was not drawn for this session (SES-5). The form has to be parsed.
func CheckForm(r *http.Request) error {
	token := Token(r)
	want, got := FormToken(token), r.PostForm.Get(FormField)
	if token.IsZero() || subtle.ConstantTimeCompare([]byte(want), []byte(got)) != 1 {
		return account.Errorf(account.Forbidden, "This form belongs to another session.").
			Coded("form_token").Fix("Load the page again, then repeat it.")
	}
	return nil
}

// only is the value of the one cookie with that name. Two of them can only come from somebody who
// meddles, since a browser keeps one __Host- cookie per host.
func only(r *http.Request, name string) string {
	cookies := r.CookiesNamed(name)
	if len(cookies) != 1 || len(cookies[0].Value) > maxToken {
		return ""
	}
	return cookies[0].Value
}

// laterCookie says that a browser's person does not want to be reminded of a second factor.
const (
	laterCookie = "__Host-drawbridge-later"
	laterAge    = 30 * 24 * time.Hour
)

// Later notes in the browser that somebody does not want to be reminded for a month; Reminded reports whether they may be.
func Later(w http.ResponseWriter) {
	http.SetCookie(w, &http.Cookie{Name: laterCookie, Value: "1", Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: int(laterAge / time.Second)})
}

// Reminded reports whether the person of a browser may be reminded.
func Reminded(r *http.Request) bool { return only(r, laterCookie) == "" }
