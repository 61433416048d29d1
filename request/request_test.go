package request

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

func TestNotesOfARequestKeepTheLastValueOfEachName(t *testing.T) {
	f := &Facts{ID: "req_1", IP: netip.MustParseAddr("192.0.2.7")}
	ctx := With(t.Context(), f)
	Note(ctx, slog.String("connection", "con_1"), slog.String("outcome", "done"))
	Note(ctx, slog.String("outcome", "refused"))

	notes := f.Notes()
	if len(notes) != 2 || notes[0].Key != "connection" || notes[1].Value.String() != "refused" {
		t.Errorf("notes are %v", notes)
	}
	if ID(ctx) != "req_1" || IPString(ctx) != "192.0.2.7" {
		t.Errorf("id %q, ip %q", ID(ctx), IPString(ctx))
	}
}

func TestOutsideOfARequestNothingIsKnownAndNothingBreaks(t *testing.T) {
	ctx := context.Background()
	Note(ctx, slog.String("verb", "user.signed_in"))
	if ID(ctx) != "" || IP(ctx).IsValid() || IPString(ctx) != "" {
		t.Errorf("id %q, ip %q", ID(ctx), IPString(ctx))
	}
}

const policy = "default-src 'none'; form-action 'self'; base-uri 'none'"

func TestAFormMayLeadToTheIdentityProviderThatItIsFor(t *testing.T) {
	w := httptest.NewRecorder()
	w.Header().Set("Content-Security-Policy", policy)
	AllowForm(w, "https://idp.acme.example:8443/sso/saml?x=1", "javascript:alert(1)", "not a url", "")
	got := w.Header().Get("Content-Security-Policy")
	if want := "default-src 'none'; form-action 'self' https://idp.acme.example:8443; base-uri 'none'"; got != want {
		t.Errorf("policy is %q", got)
	}
}

// THREAT SES-3: an administrator's URL cannot widen the policy beyond one origin.
func FuzzAllowFormAddsOriginsOnly(f *testing.F) {
	for _, s := range []string{"https://a.example/x", "https://a.example; script-src *", "http://[::1]:80", "//x", "https://a b", "https://u:p@h/", "https://*.example"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, target string) {
		w := httptest.NewRecorder()
		w.Header().Set("Content-Security-Policy", policy)
		AllowForm(w, target)
		got := w.Header().Get("Content-Security-Policy")
		rest, found := strings.CutPrefix(got, "default-src 'none'; form-action 'self'")
		added, ok := strings.CutSuffix(rest, "; base-uri 'none'")
		if !found || !ok || strings.ContainsAny(added, ";,*'\n\r") || strings.Count(added, " ") > 1 {
			t.Errorf("AllowForm(%q) made the policy %q", target, got)
		}
	})
}
