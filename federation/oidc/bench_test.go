package oidc

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	goidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/drawbridge-id/drawbridge/account"
)

// BenchmarkCallback measures Judge over loopback against what the libraries do at the least: a code
// exchange by x/oauth2 and a go-oidc Verify. "of-bare" is how many callbacks we judge in the time of one
// bare one; both run interleaved, so that other load on the machine hits both.
func BenchmarkCallback(b *testing.B) {
	w := newWorld(b, account.KindGeneric)
	w.rp = w.newRP(Options{})
	w.set("at_hash", halfHash("RS256", "access-1"))
	token := w.token()
	w.idToken = func() string { return token }
	now := w.clock
	if j := w.judge(); j.Login == nil {
		b.Fatal(j.Refusal)
	}
	ctx := context.WithValue(context.Background(), oauth2.HTTPClient, &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()})
	p, err := goidc.NewProvider(ctx, w.s.OIDC.Issuer)
	if err != nil {
		b.Fatal(err)
	}
	verifier := p.Verifier(&goidc.Config{ClientID: clientID, Now: func() time.Time { return now }})
	conf := oauth2.Config{ClientID: clientID, ClientSecret: "s3cret-of-the-client", RedirectURL: w.cb.RedirectURI, Endpoint: oauth2.Endpoint{TokenURL: w.srv.URL + "/token", AuthStyle: oauth2.AuthStyleInHeader}}
	bare := func() {
		t, err := conf.Exchange(ctx, "the-code-0123456789", oauth2.VerifierOption(strings.Repeat("v", 43)))
		if err != nil {
			b.Fatal(err)
		}
		raw, _ := t.Extra("id_token").(string)
		if _, err := verifier.Verify(ctx, raw); err != nil {
			b.Fatal(err)
		}
	}
	bare()
	var ours, theirs time.Duration
	b.ResetTimer()
	for range b.N {
		start := time.Now()
		if j := w.rp.Judge(ctx, w.c, w.s, w.cb); j.Login == nil {
			b.Fatal(j.Refusal)
		}
		middle := time.Now()
		bare()
		ours, theirs = ours+middle.Sub(start), theirs+time.Since(middle)
	}
	b.ReportMetric(float64(theirs)/float64(ours), "of-bare")
	b.ReportMetric(float64(ours.Microseconds())/float64(b.N), "µs/callback")
}
