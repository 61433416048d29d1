package oidc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/egress"
	"github.com/drawbridge-id/drawbridge/published"
	"github.com/drawbridge-id/drawbridge/strict"
)

// Options are what a relying party takes from outside. Only Client is needed.
type Options struct {
	Client *http.Client     // from package egress; nil: one that reaches public addresses only
	Now    func() time.Time // nil: time.Now
	Log    *slog.Logger     // nil: none
	// KeyAge is how old discovery documents and key sets get before they are fetched again; a key that
	// was withdrawn dies no later. Zero: one hour.
	KeyAge time.Duration
	// Leeway is how far iat and nbf may lie ahead of our clock; zero: 60 s, at most 5 min (OIDC-T5).
	Leeway time.Duration
	// Providers bounds how many providers are remembered; zero: 4096.
	Providers int
}

// RP is the relying party of the whole house. It is safe for concurrent use.
type RP struct {
	client *http.Client
	now    func() time.Time
	log    *slog.Logger
	keyAge time.Duration
	leeway time.Duration
	pause  func(context.Context, time.Duration) error // waits before a retry that a directory asked for

	mu        sync.Mutex // makes get-or-add on the caches one step
	providers *lru.Cache[string, *published.Document[*provider]]
	keys      *lru.Cache[string, *published.KeySet]
	methods   *lru.Cache[string, string]        // issuer and client id: the client authentication to use
	apps      *lru.Cache[string, directoryPass] // access tokens of our own, for Graph
}

// New makes a relying party. It fetches nothing: a provider that is down now is asked when it is needed.
func New(o Options) *RP {
	rp := &RP{client: o.Client, now: o.Now, log: o.Log, keyAge: o.KeyAge, leeway: min(o.Leeway, 5*time.Minute), pause: pause}
	if rp.client == nil {
		rp.client = egress.New(egress.Options{Log: o.Log})
	}
	if rp.now == nil {
		rp.now = time.Now
	}
	if rp.log == nil {
		rp.log = slog.New(slog.DiscardHandler)
	}
	if rp.keyAge <= 0 {
		rp.keyAge = time.Hour
	}
	if rp.leeway <= 0 {
		rp.leeway = time.Minute
	}
	if o.Providers <= 0 {
		o.Providers = 4096
	}
	rp.providers = newLRU[*published.Document[*provider]](o.Providers)
	rp.keys = newLRU[*published.KeySet](o.Providers)
	rp.methods = newLRU[string](o.Providers)
	rp.apps = newLRU[directoryPass](o.Providers)
	return rp
}

func newLRU[V any](n int) *lru.Cache[string, V] {
	c, err := lru.New[string, V](n)
	if err != nil {
		panic(err) // only for n < 1
	}
	return c
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// Discovered is what a provider says about itself (OD §3), as far as the
// wizard shows it, and which keys it has.
type Discovered struct {
	Issuer                string
	AuthorizationEndpoint string
	TokenEndpoint         string
	UserinfoEndpoint      string // empty: none
	JWKSURL               string
	EndSessionEndpoint    string   // OL §2.1; empty: no RP-initiated logout
	AuthMethods           []string // of the token endpoint; empty: it does not say
	Algorithms            []string // of ID tokens; empty: it does not say
	ResponseModes         []string
	Scopes                []string
	Claims                []string
	IssParameter          bool // RFC 9207 §3
	BackchannelLogout     bool
	KeyIDs                []string // of the keys that can verify an ID token; "" for one without a kid
}

// provider is a discovery document that passed every check.
type provider struct {
	Discovered
	assertionAlgs []string // accepted for private_key_jwt; empty: it does not say
}

// Size of what a provider may answer (OIDC-S1).
const (
	maxDiscovery = 512 << 10
	maxUserinfo  = 512 << 10
	maxToken     = 1 << 20
)

// Discover reads a provider's discovery document and keys now, past the memory, and says what it found or
// exactly why it could not: the status, what TLS said, which two issuers differ. Errors are *account.Error
// with Code one of those of egress.Explain, or issuer_url, discovery_status, discovery_document,
// issuer_mismatch, endpoint_missing, endpoint_refused, jwks_status, jwks_document, jwks_empty.
func (rp *RP) Discover(ctx context.Context, issuer string) (Discovered, error) {
	p, err := rp.fetchProvider(ctx, issuer, "", "")
	if err != nil {
		return Discovered{}, err
	}
	keys, err := rp.fetchKeys(ctx, p.JWKSURL)
	if err != nil {
		return Discovered{}, err
	}
	d := p.Discovered
	for _, k := range keys {
		d.KeyIDs = append(d.KeyIDs, k.KeyID)
	}
	return d, nil
}

// provider is the remembered discovery document of an issuer; appID asks Entra for the keys of one
// application (its custom signing keys are in no other set).
func (rp *RP) provider(ctx context.Context, s account.OIDCSettings, appID string) (*provider, error) {
	name := s.Issuer + "\x00" + s.EntraTenant + "\x00" + appID
	rp.mu.Lock()
	doc, ok := rp.providers.Get(name)
	if !ok {
		doc = published.NewDocument(rp.now, rp.keyAge, func(ctx context.Context) (*provider, error) {
			return rp.fetchProvider(ctx, s.Issuer, s.EntraTenant, appID)
		})
		rp.providers.Add(name, doc)
	}
	rp.mu.Unlock()
	p, _, err := doc.Get(ctx)
	return p, err
}

func (rp *RP) fetchProvider(ctx context.Context, issuer, tenant, appID string) (*provider, error) {
	if err := checkIssuer(issuer); err != nil {
		return nil, err
	}
	// OD §4.1: a trailing slash of the issuer is removed first.
	target := strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration"
	if appID != "" {
		target += "?appid=" + url.QueryEscape(appID)
	}
	body, err := rp.get(ctx, target, maxDiscovery, "discovery")
	if err != nil {
		return nil, err
	}
	doc, err := readObject(body)
	if err != nil {
		return nil, account.Errorf(account.Invalid, "%s answers with something that is no discovery document.", clip(target, 200)).
			Coded("discovery_document").At("/oidc/issuer").Fix("Open it in a browser: it has to be a JSON document.").Because(err)
	}
	return readProvider(doc, issuer, tenant)
}

// readProvider checks a discovery document (OD §4.2) against the issuer that was configured (OD §4.3).
func readProvider(doc object, issuer, tenant string) (*provider, error) {
	said := text(doc, "issuer")
	// Entra's shared documents name a template; it is the pinned tenant's issuer only when filled with it.
	filled := said
	if tenant != "" {
		filled = strings.ReplaceAll(said, "{tenantid}", tenant)
	}
	if filled != issuer {
		return nil, issuerMismatch(issuer, said)
	}
	p := &provider{Discovered: Discovered{
		Issuer:                issuer,
		AuthorizationEndpoint: text(doc, "authorization_endpoint"),
		TokenEndpoint:         text(doc, "token_endpoint"),
		UserinfoEndpoint:      text(doc, "userinfo_endpoint"),
		JWKSURL:               text(doc, "jwks_uri"),
		EndSessionEndpoint:    text(doc, "end_session_endpoint"),
	}}
	p.AuthMethods, _ = strict.Texts(doc["token_endpoint_auth_methods_supported"])
	p.Algorithms, _ = strict.Texts(doc["id_token_signing_alg_values_supported"])
	p.assertionAlgs, _ = strict.Texts(doc["token_endpoint_auth_signing_alg_values_supported"])
	p.ResponseModes, _ = strict.Texts(doc["response_modes_supported"])
	p.Scopes, _ = strict.Texts(doc["scopes_supported"])
	p.Claims, _ = strict.Texts(doc["claims_supported"])
	p.IssParameter, _ = doc["authorization_response_iss_parameter_supported"].(bool)
	p.BackchannelLogout, _ = doc["backchannel_logout_supported"].(bool)
	for _, e := range []struct {
		name, url string
		needed    bool
	}{
		{"authorization_endpoint", p.AuthorizationEndpoint, true},
		{"token_endpoint", p.TokenEndpoint, true},
		{"jwks_uri", p.JWKSURL, true},
		{"userinfo_endpoint", p.UserinfoEndpoint, false},
		{"end_session_endpoint", p.EndSessionEndpoint, false},
	} {
		if err := checkEndpoint(e.name, e.url, e.needed, issuer); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func issuerMismatch(want, got string) error {
	e := account.Errorf(account.Invalid, "Expected the issuer %q, but its discovery document says %q.", clip(want, 200), clip(got, 200)).
		Coded("issuer_mismatch").At("/oidc/issuer")
	switch {
	case got == "":
		return e.Fix("The document at that address is no discovery document of an OpenID provider.")
	case strings.Contains(got, "{tenantid}"):
		return e.Fix("Use the issuer of your own tenant: replace %q by your directory (tenant) id.", "{tenantid}")
	case strings.TrimSuffix(want, "/") == strings.TrimSuffix(got, "/"):
		return e.Fix("They differ in the trailing slash. Use %q.", clip(got, 200))
	}
	return e.Fix("If that provider is the one you mean, use %q.", clip(got, 200))
}

func checkIssuer(issuer string) error {
	refuse := func(format string, args ...any) error {
		return account.Errorf(account.Invalid, format, args...).Coded("issuer_url").At("/oidc/issuer").
			Fix("Copy the issuer from your provider, for instance https://acme.okta.com.")
	}
	u, err := url.Parse(issuer)
	switch {
	case issuer == "":
		return refuse("An OpenID connection needs an issuer.")
	case err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http"):
		return refuse("Expected the issuer as an https URL, received %q.", clip(issuer, 200))
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.User != nil: // OD §3
		return refuse("An issuer has no query, fragment or user name, %q has.", clip(u.Redacted(), 200))
	case strings.Contains(u.Path, "/.well-known/"):
		return refuse("That is the address of the discovery document. The issuer is the part before %q.", "/.well-known/")
	}
	return nil
}

// checkEndpoint allows https, and http only beside an http issuer, which egress reaches only when the
// operator lists it. The browser is sent to two of these: javascript: and the like end here.
func checkEndpoint(name, raw string, needed bool, issuer string) error {
	if raw == "" && !needed {
		return nil
	}
	if raw == "" {
		return account.Errorf(account.Invalid, "The discovery document of %s names no %s.", clip(issuer, 200), name).Coded("endpoint_missing")
	}
	u, err := url.Parse(raw)
	if err == nil && u.Host != "" && u.User == nil && u.Fragment == "" &&
		(u.Scheme == "https" || u.Scheme == "http" && strings.HasPrefix(issuer, "http://")) {
		return nil
	}
	return account.Errorf(account.Invalid, "The discovery document of %s names %q as %s, which is no https URL.", clip(issuer, 200), clip(raw, 200), name).
		Coded("endpoint_refused")
}

// get fetches a JSON document. what names it in codes and messages.
func (rp *RP) get(ctx context.Context, target string, limit int64, what string) ([]byte, error) {
	return published.Get(ctx, rp.client, target, limit, what)
}

// shared are the names that Microsoft gives to endpoints for everybody; a tenant's connection must
// not trust them (OIDC-X1).
var shared = []string{"common", "organizations", "consumers"}

// Check says what is wrong with OpenID settings before anything is sent anywhere: a missing issuer or
// client id, an Entra connection without its tenant, an unknown method. The result is an *account.Error
// with a Pointer, or nil.
func Check(s account.OIDCSettings, kind account.IdPKind) error {
	if err := checkIssuer(s.Issuer); err != nil {
		return err
	}
	invalid := func(pointer, format string, args ...any) *account.Error {
		return account.Errorf(account.Invalid, format, args...).At(pointer)
	}
	if s.ClientID == "" {
		return invalid("/oidc/client_id", "An OpenID connection needs a client id.")
	}
	segments := issuerSegments(s.Issuer)
	if slices.ContainsFunc(segments, func(seg string) bool { return slices.Contains(shared, seg) }) && (kind == account.KindEntra || microsoft(s.Issuer)) {
		return invalid("/oidc/issuer", "The issuer %q is shared by all of Entra's tenants.", clip(s.Issuer, 200)).Coded("entra_shared_issuer").
			Fix("Use the issuer of your own tenant: put your directory (tenant) id in its place.")
	}
	if kind == account.KindEntra {
		if s.EntraTenant == "" {
			return invalid("/oidc/entra_tenant", "An Entra connection needs the directory (tenant) id.").Coded("entra_tenant_missing").
				Fix("It is on the Overview page of your app registration.")
		}
		if !slices.Contains(segments, strings.ToLower(s.EntraTenant)) {
			return invalid("/oidc/issuer", "The issuer %q is not that of tenant %s.", clip(s.Issuer, 200), clip(s.EntraTenant, 60)).Coded("entra_tenant_mismatch").
				Fix("Use https://login.microsoftonline.com/%s/v2.0.", clip(s.EntraTenant, 60))
		}
	}
	for _, e := range []struct {
		pointer, value string
		known          []string
	}{
		{"/oidc/auth_method", s.AuthMethod, []string{"", methodBasic, methodPost, methodJWT, methodNone}},
		{"/oidc/response_mode", s.ResponseMode, []string{"", "query", "form_post"}},
		{"/oidc/userinfo", s.Userinfo, []string{"", "missing", "always", "never"}},
	} {
		if !slices.Contains(e.known, e.value) {
			return invalid(e.pointer, "Expected one of %s, received %q.", strings.Join(e.known[1:], ", "), clip(e.value, 60))
		}
	}
	for i, a := range s.Algorithms {
		if !slices.Contains(algorithms, a) {
			return invalid(fmt.Sprintf("/oidc/algorithms/%d", i), "Expected one of %s, received %q.", strings.Join(algorithms, ", "), clip(a, 60))
		}
	}
	if g := s.Graph; g != nil && !slices.Contains([]string{"", "unknown", "last", "refuse"}, g.OnFailure) {
		return invalid("/oidc/graph/on_failure", "Expected last, refuse or unknown, received %q.", clip(g.OnFailure, 60))
	}
	return nil
}

func issuerSegments(issuer string) []string {
	u, err := url.Parse(strings.ToLower(issuer))
	if err != nil {
		return nil
	}
	return strings.Split(u.Path, "/")
}

func microsoft(issuer string) bool {
	u, err := url.Parse(issuer)
	return err == nil && slices.ContainsFunc([]string{"login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn", "login.windows.net", "sts.windows.net"},
		func(h string) bool { return strings.EqualFold(u.Hostname(), h) })
}

// asError is err as an *account.Error, which everything this package returns is.
func asError(err error) *account.Error {
	var e *account.Error
	if errors.As(err, &e) {
		return e
	}
	return account.Errorf(account.Unavailable, "The provider could not be asked.").Coded("fetch_failed").Because(err)
}
