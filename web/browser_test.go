package web_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/drawbridge-id/drawbridge/test/browser"
	"github.com/drawbridge-id/drawbridge/web"
	"github.com/drawbridge-id/drawbridge/web/page"
)

// served is a house with the given routes and the assets, on loopback.
func served(t *testing.T, routes ...web.Route) string {
	t.Helper()
	mux := http.NewServeMux()
	server := httptest.NewUnstartedServer(nil)
	public := &url.URL{Scheme: "http", Host: server.Listener.Addr().String()}
	coat := web.New(web.Options{PublicURL: public, Log: slog.New(slog.DiscardHandler)})
	coat.Mount(mux, append(routes, web.Route{Pattern: page.AssetPattern, Handler: web.Plain(page.Assets)})...)
	server.Config.Handler = coat.Wrap(mux)
	server.Start()
	t.Cleanup(server.Close)
	return server.URL
}

func shows(p page.Page) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error { return page.Render(w, r, http.StatusOK, p) }
}

// THREAT SES-3: the policy is strict, and a SAML message still reaches an identity provider that sends
// the browser on to another host of its own, by script and by button.
func TestASAMLFormReachesTheIdentityProviderUnderThePolicy(t *testing.T) {
	login := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `<!doctype html><title>IdP</title><link rel=icon href="data:,"><p id=arrived>Sign in at the provider</p>`)
	}))
	defer login.Close()
	idp := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.FormValue("SAMLRequest") != "PHNhbWw+" {
			http.Error(w, "no request", http.StatusBadRequest)
			return
		}
		http.Redirect(w, r, strings.Replace(login.URL, "127.0.0.1", "localhost", 1)+"/login", http.StatusFound)
	}))
	defer idp.Close()
	base := served(t, web.Route{Pattern: "GET /go", Handler: shows(page.AutoPost{
		Title: "Continue to Contoso", Action: idp.URL + "/sso", Fields: []page.Field{{Name: "SAMLRequest", Value: "PHNhbWw+"}}})})

	b := browser.New(t)
	b.Open(base + "/go")
	b.WaitFor("#arrived")
	if c := b.Complaints(); len(c) > 0 {
		t.Errorf("the browser complains: %q", c)
	}
}

// THREAT SES-5 SES-3: a form on our own page passes the coat in a real browser.
func TestAFormOfOurOwnPassesInARealBrowser(t *testing.T) {
	base := served(t,
		web.Route{Pattern: "GET /signin", Handler: shows(page.SignIn{})},
		web.Route{Pattern: "POST /signin", Handler: func(w http.ResponseWriter, r *http.Request) error {
			return page.Render(w, r, http.StatusOK, page.Continue{Email: r.PostFormValue("email"), Provider: "Contoso", URL: "/login/x"})
		}})
	b := browser.New(t)
	b.Open(base + "/signin")
	b.Type("#email", "ana@acme.example")
	b.Click("button.primary")
	b.WaitFor("a.primary")
	if got := b.Text(".identity"); !strings.Contains(got, "ana@acme.example") {
		t.Errorf("read %q", got)
	}
	if c := b.Complaints(); len(c) > 0 {
		t.Errorf("the browser complains: %q", c)
	}
}
