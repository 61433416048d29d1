package test

import (
	"context"
	"encoding/base64"
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	crewjam "github.com/crewjam/saml"
	"golang.org/x/oauth2"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/federation/session"
	"github.com/drawbridge-id/drawbridge/test/sim"
	"github.com/drawbridge-id/drawbridge/test/world"
)

// A cost is what something took of the clock and of the processor. On a machine that others use as well, the processor's time is the one to
// compare; it counts the client and, for what asks a provider, the provider too.
type cost struct{ clock, processor time.Duration }

func (c *cost) add(o cost) { c.clock, c.processor = c.clock+o.clock, c.processor+o.processor }

// report prints how often c fits into reference.
func (c cost) report(b *testing.B, reference cost, name string) {
	b.ReportMetric(float64(b.N)/c.clock.Seconds(), "sign-ins/s")
	b.ReportMetric(reference.clock.Seconds()/c.clock.Seconds(), name)
	b.ReportMetric(reference.processor.Seconds()/c.processor.Seconds(), name+"-cpu")
}

func processor() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // RUSAGE_SELF is always there
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// share runs do for every index below n on as many goroutines as a benchmark would, and says what it cost.
func share(b *testing.B, n int, do func(i int) error) cost {
	b.Helper()
	return among(b, 32*runtime.GOMAXPROCS(0), n, do)
}

// among is share for a number of clients.
func among(b *testing.B, clients, n int, do func(i int) error) cost {
	b.Helper()
	var next atomic.Int64
	var wg sync.WaitGroup
	runtime.GC() // garbage of the preparation is not theirs
	began, used := time.Now(), processor()
	for range clients {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := do(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return cost{time.Since(began), processor() - used}
}

func client() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: 64},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       time.Minute,
	}
}

// A SAML response through the whole door (socket, coat, flow, verifier, ledger with a durable commit, session) against
// the library's bare ParseXMLResponse of the same response, in the same run.
func BenchmarkSAMLDoor(b *testing.B) {
	w := world.New(b, "sqlite:"+filepath.Join(b.TempDir(), "house.db"))
	acme := w.Acme()
	at := w.URL + "/saml/" + string(acme.Connection.ID)
	type attempt struct{ form, browser, id, raw string }
	attempts := make([]attempt, b.N)
	share(b, b.N, func(i int) error {
		f, err := w.House.Ledger.StartFlow(b.Context(), account.Flow{Connection: acme.Connection.ID, Which: account.Live, RequestID: "_" + base64.RawURLEncoding.EncodeToString([]byte(time.Now().String()))[:20] + string(rune('a'+i%26)) + itoa(i)})
		if err != nil {
			return err
		}
		m, err := acme.IdP.SAMLResponse("ana@acme.example", sim.SAMLRequest{RequestID: f.RequestID, App: at + "/metadata", ACS: at + "/acs"})
		attempts[i] = attempt{url.Values{"SAMLResponse": {m.Base64}, "RelayState": {f.Handle}}.Encode(), f.Browser, f.RequestID, string(m.XML)}
		return err
	})
	c, sp := client(), crewjamSP(b, acme, at)
	var door, library cost
	b.ResetTimer()
	const round = 250 // by turns, so that what else goes on on the machine meets both
	for from := 0; from < b.N; from += round {
		turn := attempts[from:min(from+round, b.N)]
		b.StartTimer()
		door.add(share(b, len(turn), func(i int) error {
			r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, at+"/acs", strings.NewReader(turn[i].form))
			if err != nil {
				return err
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.AddCookie(&http.Cookie{Name: session.FlowCookie, Value: turn[i].browser})
			return expect(c, r, http.StatusOK, http.StatusSeeOther)
		}))
		b.StopTimer()
		library.add(share(b, len(turn), func(i int) error {
			_, err := sp.ParseXMLResponse([]byte(turn[i].raw), []string{turn[i].id}, sp.AcsURL)
			return err
		}))
	}
	door.report(b, library, "x-crewjam")
}

func itoa(i int) string {
	return string(rune('a'+i/17576%26)) + string(rune('a'+i/676%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i%26))
}

// expect sends r and holds the answer against the accepted statuses.
func expect(c *http.Client, r *http.Request, accepted ...int) error {
	resp, err := c.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	for _, status := range accepted {
		if resp.StatusCode == status && (status != http.StatusOK || resp.Header.Get("Set-Cookie") != "") {
			return nil
		}
	}
	return &unexpected{resp.Status, string(body)}
}

type unexpected struct{ status, body string }

func (u *unexpected) Error() string { return u.status + ": " + u.body }

func crewjamSP(b *testing.B, acme *world.Company, at string) *crewjam.ServiceProvider {
	b.Helper()
	raw, err := acme.IdP.Metadata()
	if err != nil {
		b.Fatal(err)
	}
	var md crewjam.EntityDescriptor
	if err := xml.Unmarshal(raw, &md); err != nil {
		b.Fatal(err)
	}
	acs, err := url.Parse(at + "/acs")
	if err != nil {
		b.Fatal(err)
	}
	return &crewjam.ServiceProvider{EntityID: at + "/metadata", AcsURL: *acs, IDPMetadata: &md}
}

// An OpenID Connect callback through the whole door against the bare libraries: code exchange and Verify, at the same
// provider, in the same run.
func BenchmarkOIDCDoor(b *testing.B) {
	w := world.New(b, "sqlite:"+filepath.Join(b.TempDir(), "house.db"))
	globex := w.Globex()
	app, _ := globex.IdP.OIDCApp("drawbridge")
	app.Alg = "ES256"
	app.RedirectURIs = append(app.RedirectURIs, w.URL+"/bare")
	app.AllowNoPKCE = true
	if err := globex.IdP.PutOIDCApp(app); err != nil {
		b.Fatal(err)
	}
	bare := bareClient(b, globex, w.URL+"/bare")
	c := client()
	ctx := oidc.ClientContext(b.Context(), &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}})
	verifier := bareVerifier(ctx, b, globex, w.Clock.Now)
	var door, library cost
	b.ResetTimer()
	const batch = 32 // codes live for a minute of the clock, which every sign-in turns a little
	for done := 0; done < b.N; done += batch {
		n := min(batch, b.N-done)
		b.StopTimer()
		callbacks, browsers, codes := make([]string, n), make([]string, n), make([]string, n)
		for i := range n {
			br := w.Browser("gus@globex.example")
			br.StopBefore = w.URL + "/oidc/"
			callbacks[i] = br.SignIn(globex.Connection).URL
			browsers[i], _ = br.Cookie(w.URL, session.FlowCookie)
			br.StopBefore = w.URL + "/bare"
			p, err := br.Go(b.Context(), bare.AuthCodeURL("s", oidc.Nonce("n")))
			if err != nil {
				b.Fatal(err)
			}
			u, err := url.Parse(p.URL)
			if err != nil {
				b.Fatal(err)
			}
			codes[i] = u.Query().Get("code")
		}
		b.StartTimer()
		door.add(share(b, n, func(i int) error {
			r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, callbacks[i], nil)
			if err != nil {
				return err
			}
			r.AddCookie(&http.Cookie{Name: session.FlowCookie, Value: browsers[i]})
			return expect(c, r, http.StatusOK, http.StatusSeeOther)
		}))
		b.StopTimer()
		library.add(share(b, n, func(i int) error {
			token, err := bare.Exchange(ctx, codes[i])
			if err != nil {
				return err
			}
			_, err = verifier.Verify(ctx, token.Extra("id_token").(string))
			return err
		}))
		b.StartTimer()
	}
	door.report(b, library, "x-bare")
}

func bareClient(b *testing.B, c *world.Company, redirect string) *oauth2.Config {
	b.Helper()
	d := c.IdP.Discovery()
	return &oauth2.Config{ClientID: "drawbridge", ClientSecret: "between-us", RedirectURL: redirect, Scopes: []string{"openid", "email", "profile"},
		Endpoint: oauth2.Endpoint{AuthURL: d["authorization_endpoint"].(string), TokenURL: d["token_endpoint"].(string), AuthStyle: oauth2.AuthStyleInHeader}}
}

func bareVerifier(ctx context.Context, b *testing.B, c *world.Company, now func() time.Time) *oidc.IDTokenVerifier {
	b.Helper()
	keys := oidc.NewRemoteKeySet(ctx, c.IdP.Discovery()["jwks_uri"].(string))
	return oidc.NewVerifier(c.IdP.Issuer(), keys, &oidc.Config{ClientID: "drawbridge", SupportedSigningAlgs: []string{"ES256"}, Now: now})
}
