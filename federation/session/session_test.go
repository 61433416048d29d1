package session_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/federation/session"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// one is a ledger with one live session; the real one is behind the door's tests.
type one struct {
	token string
	asked *int
}

func (l one) Presence(_ context.Context, t account.Secret) (account.Presence, error) {
	*l.asked++
	if t.Reveal() != l.token {
		return account.Presence{}, account.Errorf(account.Unauthorized, "No such session.")
	}
	return account.Presence{User: account.User{Email: "ana@acme.example"}}, nil
}

func with(cookies ...string) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header["Cookie"] = []string{strings.Join(cookies, "; ")}
	return r
}

// THREAT SES-1
func TestTheSessionCookieIsKeptToThisHostAndAwayFromScripts(t *testing.T) {
	w := httptest.NewRecorder()
	session.Set(w, account.Session{Token: account.NewSecret("tok"), ExpiresAt: noon.Add(8 * time.Hour)}, noon)
	got := w.Result().Header.Get("Set-Cookie")
	for _, part := range []string{"__Host-drawbridge=tok", "Path=/", "Secure", "HttpOnly", "SameSite=Lax", "Max-Age=28800"} {
		if !strings.Contains(got, part) {
			t.Errorf("%q lacks %q", got, part)
		}
	}
	if strings.Contains(got, "Domain") {
		t.Errorf("%q names a domain, which the prefix forbids", got)
	}
	w = httptest.NewRecorder()
	session.Clear(w)
	if got := w.Result().Header.Get("Set-Cookie"); !strings.Contains(got, "Max-Age=0") || !strings.Contains(got, "Secure") {
		t.Errorf("clearing sends %q", got)
	}
}

// THREAT SAML-R3
func TestTheFlowCookieTravelsWithACrossSitePost(t *testing.T) {
	w := httptest.NewRecorder()
	session.SetBrowser(w, "brw")
	got := w.Result().Header.Get("Set-Cookie")
	for _, part := range []string{"__Host-drawbridge-flow=brw", "Path=/", "Secure", "HttpOnly", "SameSite=None", "Max-Age=900"} {
		if !strings.Contains(got, part) {
			t.Errorf("%q lacks %q", got, part)
		}
	}
}

// THREAT SES-2
func TestPlantedAndDoubledCookiesAreWorthNothing(t *testing.T) {
	var asked int
	ledger := one{"live", &asked}
	for _, tc := range []struct {
		cookies []string
		in      bool
	}{
		{[]string{"__Host-drawbridge=live"}, true},
		{[]string{"__Host-drawbridge=planted"}, false},
		{[]string{"__Host-drawbridge=planted", "__Host-drawbridge=live"}, false},
		{[]string{"drawbridge=live"}, false},
		{[]string{"__Host-drawbridge=" + strings.Repeat("x", 5000)}, false},
		{nil, false},
	} {
		p, err := session.FromRequest(ledger, with(tc.cookies...))
		if (err == nil) != tc.in || (p.User.Email != "") != tc.in {
			t.Errorf("%.60q: %v, %v", tc.cookies, p.User, err)
		}
		if err != nil && account.KindOf(err) != account.Unauthorized {
			t.Errorf("%.60q: refused as %q", tc.cookies, account.KindOf(err))
		}
	}
	if asked != 2 {
		t.Errorf("the ledger was asked %d times; cookies that cannot be ours should not reach it", asked)
	}
}

// THREAT SES-3
func TestRequireAnswersNobodyElseAndIsNeverStored(t *testing.T) {
	var asked int
	h := session.Require(one{"live", &asked}, func(w http.ResponseWriter, _ *http.Request, p account.Presence) error {
		_, err := w.Write([]byte(p.User.Email))
		return err
	})
	w := httptest.NewRecorder()
	if err := h(w, with()); account.KindOf(err) != account.Unauthorized || w.Body.Len() > 0 {
		t.Errorf("nobody: %v, %q", err, w.Body)
	}
	w = httptest.NewRecorder()
	if err := h(w, with("__Host-drawbridge=live")); err != nil || w.Body.String() != "ana@acme.example" {
		t.Errorf("ana: %v, %q", err, w.Body)
	}
	if w.Header().Get("Cache-Control") != "no-store" {
		t.Error("the answer may be stored")
	}
}

// THREAT KEY-5
func TestFreshLooksAtTheSignInAndNotAtTheLastUse(t *testing.T) {
	for age, ok := range map[time.Duration]bool{0: true, 5 * time.Minute: true, 6 * time.Minute: false, -time.Hour: false} {
		p := account.Presence{Session: account.Session{CreatedAt: noon.Add(-age), SeenAt: noon}}
		if err := session.Fresh(p, 5*time.Minute, noon); (err == nil) != ok {
			t.Errorf("%s ago: %v", age, err)
		}
	}
}

// THREAT SES-5
func TestAFormOfAnotherSessionIsRefused(t *testing.T) {
	post := func(cookie, token string) error {
		r := with("__Host-drawbridge=" + cookie)
		r.PostForm = url.Values{session.FormField: {token}}
		return session.CheckForm(r)
	}
	mine := session.FormToken(account.NewSecret("mine"))
	if err := post("mine", mine); err != nil {
		t.Error(err)
	}
	for _, token := range []string{"", "x", session.FormToken(account.NewSecret("yours"))} {
		if err := post("mine", token); account.KindOf(err) != account.Forbidden {
			t.Errorf("token %q: %v", token, err)
		}
	}
	if err := post("", session.FormToken(account.NewSecret(""))); account.KindOf(err) != account.Forbidden {
		t.Errorf("without a session: %v", err)
	}
	if strings.Contains(mine, "mine") {
		t.Error("the form token gives the session's token away")
	}
}
