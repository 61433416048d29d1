package account

import (
	"encoding/hex"
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Check says everything that keeps the settings from being used, as errors.Join of *Error with JSON
// pointers: missing endpoints and keys, addresses that are not https, words nobody knows. It looks at
// the settings alone; whether the provider agrees is found out by a login test.
func (s Settings) Check() error {
	var c checker
	switch s.Kind {
	case KindOkta, KindEntra, KindGoogle, KindADFS, KindPing, KindGeneric:
	default:
		c.bad("/kind", "%q is no kind of identity provider that we know.", s.Kind).Fix("Use okta, entra, google, adfs, ping or generic.")
	}
	switch {
	case s.Protocol == SAML && s.SAML != nil && s.OIDC == nil:
		s.SAML.check(&c)
	case s.Protocol == OIDC && s.OIDC != nil && s.SAML == nil:
		s.OIDC.check(&c, s.Kind)
	default:
		c.bad("/protocol", "A connection speaks either saml or oidc, and has the settings of that one.")
	}
	if s.MaxSession < 0 {
		c.bad("/max_session", "The longest session is a positive duration.").Fix("Leave it out for the installation's limit.")
	}
	return errors.Join(c.problems...)
}

// checker collects problems.
type checker struct{ problems []error }

func (c *checker) bad(at, format string, args ...any) *Error {
	e := Errorf(Invalid, format, args...).At(at)
	c.problems = append(c.problems, e)
	return e
}

// oneOf accepts the empty word, which stands for the default.
func (c *checker) oneOf(at, word string, known ...string) {
	if word != "" && !slices.Contains(known, word) {
		c.bad(at, "%q is not known here.", clip(word, 60)).Fix("Use one of: %s.", strings.Join(known, ", "))
	}
}

// url accepts an absolute https address; plain http only to this very machine.
func (c *checker) url(at, text string) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "":
		c.bad(at, "%q is no address such as https://idp.acme.example/sso.", clip(text, 120))
	case u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())):
		c.bad(at, "%q does not start with https://.", clip(text, 120)).Fix("Ask the provider for its https address; what travels here lets people in.")
	}
}

func (c *checker) optionalURL(at, text string) {
	if text != "" {
		c.url(at, text)
	}
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

const maxCertificates = 5

func (s SAMLSettings) check(c *checker) {
	if s.EntityID == "" {
		c.bad("/saml/entity_id", "The provider's entity id is missing.").Fix("Give its metadata, or copy the entity id (issuer) from there.")
	}
	if s.SSORedirect == "" && s.SSOPost == "" {
		c.bad("/saml/sso_redirect", "The provider's sign-in address is missing.").Fix("Give its metadata, or the SingleSignOnService location.")
	}
	c.optionalURL("/saml/sso_redirect", s.SSORedirect)
	c.optionalURL("/saml/sso_post", s.SSOPost)
	c.optionalURL("/saml/slo_redirect", s.SLORedirect)
	c.optionalURL("/saml/slo_post", s.SLOPost)
	c.optionalURL("/saml/metadata_url", s.MetadataURL)
	good, bad := s.Keys()
	for _, err := range bad {
		c.bad("/saml/certificates", "%s.", strings.TrimSuffix(err.Error(), "."))
	}
	switch {
	case len(good) == 0 && len(bad) == 0:
		c.bad("/saml/certificates", "A SAML connection needs the certificate that the provider signs with.")
	case len(s.Certificates) > maxCertificates:
		c.bad("/saml/certificates", "At most %d certificates are trusted at once, here are %d.", maxCertificates, len(s.Certificates)).
			Fix("Leave out those the provider no longer signs with.")
	}
	if s.Skew > 5*time.Minute {
		c.bad("/saml/skew", "A clock difference of at most 5 minutes is tolerated, not %s.", s.Skew).Fix("Have the clocks set by NTP.")
	}
	if pin, err := hex.DecodeString(s.MetadataKeyPin); s.MetadataKeyPin != "" && (err != nil || len(pin) != 32) {
		c.bad("/saml/metadata_key_pin", "A key pin is the SHA-256 of a certificate in 64 hexadecimal digits.")
	}
}

func (s OIDCSettings) check(c *checker, kind IdPKind) {
	switch u, err := url.Parse(s.Issuer); {
	case s.Issuer == "":
		c.bad("/oidc/issuer", "The issuer is missing.").Fix("Copy it from the provider, byte for byte; discovery is read from below it.")
	case err == nil && u.RawQuery != "":
		c.bad("/oidc/issuer", "An issuer has no query, %q has.", clip(s.Issuer, 120))
	default:
		c.url("/oidc/issuer", s.Issuer)
	}
	if s.ClientID == "" {
		c.bad("/oidc/client_id", "The client id is missing.").Fix("Copy it from the application that was registered for us at the provider.")
	}
	if s.ClientSecret.IsZero() && s.AuthMethod != "private_key_jwt" {
		c.bad("/oidc/client_secret", "The client secret is missing.").Fix("Copy its value, or set auth_method to private_key_jwt and register our key.")
	}
	c.oneOf("/oidc/auth_method", s.AuthMethod, "client_secret_basic", "client_secret_post", "private_key_jwt")
	c.oneOf("/oidc/response_mode", s.ResponseMode, "query", "form_post")
	c.oneOf("/oidc/userinfo", s.Userinfo, "missing", "always", "never")
	for _, a := range s.Algorithms {
		c.oneOf("/oidc/algorithms", a, "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
	}
	if s.MaxAge < 0 {
		c.bad("/oidc/max_age", "The longest age of a sign-in is a positive duration.")
	}
	if kind == KindEntra {
		switch t := s.EntraTenant; {
		case t == "" || t == "common" || t == "organizations" || t == "consumers" || strings.Contains(t, "{"):
			c.bad("/oidc/entra_tenant", "An Entra connection names the one tenant whose people may come in.").
				Fix("Give the Directory (tenant) ID from the app's overview page.")
		case s.Issuer != "" && !strings.Contains(s.Issuer, t) && strings.Contains(s.Issuer, "microsoft"):
			c.bad("/oidc/issuer", "The issuer %q is not that of tenant %s.", clip(s.Issuer, 120), clip(t, 60)).
				Fix("Use https://login.microsoftonline.com/%s/v2.0.", clip(t, 60))
		}
	}
	if g := s.Graph; g != nil {
		c.oneOf("/oidc/graph/on_failure", g.OnFailure, "unknown", "last", "refuse")
		c.optionalURL("/oidc/graph/base_url", g.BaseURL)
		c.optionalURL("/oidc/graph/token_url", g.TokenURL)
	}
	if o := s.OktaGroups; o != nil {
		c.optionalURL("/oidc/okta_groups/base_url", o.BaseURL)
		if o.Token.IsZero() {
			c.bad("/oidc/okta_groups/token", "Reading groups from Okta needs an API token.")
		}
	}
}
