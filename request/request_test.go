package request

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/drawbridge-id/drawbridge/account"
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
	if by := As(ctx, account.Actor{Kind: account.ActorOperator}); ID(ctx) != "req_1" || by.IP != "192.0.2.7" || by.Request != "req_1" || by.Kind != account.ActorOperator {
		t.Errorf("id %q, ip %q", ID(ctx), IP(ctx))
	}
}

func TestOutsideOfARequestNothingIsKnownAndNothingBreaks(t *testing.T) {
	ctx := context.Background()
	Note(ctx, slog.String("verb", "user.signed_in"))
	if ID(ctx) != "" || IP(ctx).IsValid() || As(ctx, account.Actor{}) != (account.Actor{}) {
		t.Errorf("id %q, ip %q", ID(ctx), IP(ctx))
	}
}

const policy = "default-src 'none'; form-action 'self'; base-uri 'none'"

func TestAFormMayLeadToTheIdentityProviderThatItIsFor(t *testing.T) {
	for target, want := range map[string]string{
		"https://idp.acme.example:8443/sso/saml?x=1": "form-action 'self' https:;",
		"http://localhost:9000/sso":                  "form-action 'self' http:;",
		"javascript:alert(1)":                        "form-action 'self';",
		"/sso":                                       "form-action 'self';",
		"":                                           "form-action 'self';",
	} {
		w := httptest.NewRecorder()
		w.Header().Set("Content-Security-Policy", policy)
		AllowForm(w, target)
		if got := w.Header().Get("Content-Security-Policy"); !strings.Contains(got, want) {
			t.Errorf("%q: policy is %q", target, got)
		}
	}
}

// THREAT SES-3: an administrator's URL cannot widen the policy beyond that.
func FuzzAllowFormAddsASchemeAtMost(f *testing.F) {
	for _, s := range []string{"https://a.example/x", "https://a.example; script-src *", "http://[::1]:80", "//x", "https://a b", "https://u:p@h/", "https://*.example"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, target string) {
		w := httptest.NewRecorder()
		w.Header().Set("Content-Security-Policy", policy)
		AllowForm(w, target)
		switch got := w.Header().Get("Content-Security-Policy"); got {
		case policy, strings.Replace(policy, "'self'", "'self' https:", 1), strings.Replace(policy, "'self'", "'self' http:", 1):
		default:
			t.Errorf("AllowForm(%q) made the policy %q", target, got)
		}
	})
}
