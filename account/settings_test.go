package account

import (
	"strings"
	"testing"
	"time"
)

func TestSettingsThatCannotWorkAreRefusedWithWhatIsMissing(t *testing.T) {
	oidc := func(change func(*Settings)) Settings {
		s := Settings{Protocol: OIDC, Kind: KindGeneric, OIDC: &OIDCSettings{Issuer: "https://idp.example", ClientID: "c", ClientSecret: NewSecret("s")}}
		change(&s)
		return s
	}
	saml := func(change func(*Settings)) Settings {
		s := Settings{Protocol: SAML, Kind: KindOkta, SAML: &SAMLSettings{EntityID: "x", SSORedirect: "https://idp.example/sso"}}
		change(&s)
		return s
	}
	for _, c := range []struct {
		name string
		s    Settings
		want string // empty: accepted
	}{
		{"complete OIDC", oidc(func(*Settings) {}), ""},
		{"on this very machine", oidc(func(s *Settings) { s.OIDC.Issuer = "http://127.0.0.1:9000/idp" }), ""},
		{"key instead of secret", oidc(func(s *Settings) { s.OIDC.ClientSecret, s.OIDC.AuthMethod = Secret{}, "private_key_jwt" }), ""},
		{"plain http", oidc(func(s *Settings) { s.OIDC.Issuer = "http://idp.example" }), "https"},
		{"credentials in the address", oidc(func(s *Settings) { s.OIDC.Issuer = "https://a:b@idp.example" }), "no address"},
		{"no secret", oidc(func(s *Settings) { s.OIDC.ClientSecret = Secret{} }), "client secret is missing"},
		{"shared secrets as signatures", oidc(func(s *Settings) { s.OIDC.Algorithms = []string{"HS256"} }), "HS256"},
		{"any tenant", oidc(func(s *Settings) { s.Kind, s.OIDC.EntraTenant = KindEntra, "common" }), "one tenant"},
		{"another tenant's issuer", oidc(func(s *Settings) {
			s.Kind, s.OIDC.EntraTenant, s.OIDC.Issuer = KindEntra, "t1", "https://login.microsoftonline.com/t2/v2.0"
		}), "not that of tenant"},
		{"nobody's kind", oidc(func(s *Settings) { s.Kind = "acme" }), "no kind"},
		{"both protocols", oidc(func(s *Settings) { s.SAML = &SAMLSettings{} }), "either saml or oidc"},
		{"no certificate", saml(func(*Settings) {}), "certificate"},
		{"a broken certificate", saml(func(s *Settings) { s.SAML.Certificates = []string{"AAAA"} }), "does not parse"},
		{"clocks far apart", saml(func(s *Settings) { s.SAML.Skew = time.Hour }), "5 minutes"},
	} {
		err := c.s.Check()
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}
