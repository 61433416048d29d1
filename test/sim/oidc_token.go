package sim

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/cryptosigner"
)

// An IDTokenRequest says what an ID token answers. The zero value is a token for the client registered
// first, without a nonce.
type IDTokenRequest struct {
	ClientID    string
	Nonce       string
	AccessToken string // gives at_hash
	Code        string // gives c_hash
	Alg         string // empty: the client's, then the tenant's
	SessionID   string // sid; empty: none
	Scope       string // empty: everything
	AuthTime    time.Time
	Extra       map[string]any // written last, over everything; nil values delete a claim
}

// IDToken makes a signed ID token about a user (e-mail, UPN or id) as the dialect writes it, with the
// tenant's faults and the given ones. An unknown user, client, algorithm or fault is an error.
func (t *Tenant) IDToken(who string, in IDTokenRequest, faults ...Fault) (string, error) {
	u, ok := t.User(who)
	if !ok {
		return "", fmt.Errorf("sim: tenant %q has no user %q", t.name, who)
	}
	app, ok := t.OIDCApp(in.ClientID)
	if !ok {
		if in.ClientID == "" {
			return "", fmt.Errorf("sim: tenant %q has no OIDC application", t.name)
		}
		app = OIDCApp{ClientID: in.ClientID}
	}
	f, err := t.faultSet(faults...)
	if err != nil {
		return "", err
	}
	alg := or(in.Alg, app.Alg, t.Config().SigningAlg)
	if f.has(LogoutAsIDToken) {
		return t.logoutToken(u, app, in.SessionID, f)
	}
	return t.sign(alg, "JWT", t.idClaims(u, app, in, alg, f), f)
}

// Userinfo is what the userinfo endpoint says about a user to a client.
func (t *Tenant) Userinfo(who, clientID string, faults ...Fault) (map[string]any, error) {
	u, ok := t.User(who)
	if !ok {
		return nil, fmt.Errorf("sim: tenant %q has no user %q", t.name, who)
	}
	app, ok := t.OIDCApp(clientID)
	if !ok {
		app = OIDCApp{ClientID: clientID}
	}
	f, err := t.faultSet(faults...)
	if err != nil {
		return nil, err
	}
	return t.userinfo(u, app, "", f), nil
}

// LogoutToken makes a back-channel logout token (OpenID Connect Back-Channel Logout 1.0 §2.4) for a client.
func (t *Tenant) LogoutToken(who, clientID, sessionID string, faults ...Fault) (string, error) {
	u, ok := t.User(who)
	if !ok {
		return "", fmt.Errorf("sim: tenant %q has no user %q", t.name, who)
	}
	app, ok := t.OIDCApp(clientID)
	if !ok {
		app = OIDCApp{ClientID: clientID}
	}
	f, err := t.faultSet(faults...)
	if err != nil {
		return "", err
	}
	return t.logoutToken(u, app, sessionID, f)
}

const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

func (t *Tenant) logoutToken(u User, app OIDCApp, sid string, f faultSet) (string, error) {
	now := t.sim.now().Add(f.duration(ClockSkew))
	c := claims{"iss": t.Issuer(), "aud": app.ClientID, "iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(), "jti": t.sim.guid(),
		"sub": t.subject(u, app.ClientID), "events": map[string]any{logoutEvent: map[string]any{}}}
	c.set("sid", sid)
	window(c, now, f)
	misdirect(c, f)
	if f.has(WrongNonce) {
		c["nonce"] = "a-logout-token-has-none"
	}
	return t.sign(or(app.Alg, t.Config().SigningAlg), "logout+jwt", c, f)
}

func (t *Tenant) subject(u User, clientID string) string {
	return oidcDialects[t.cfg.Dialect].subject(t, u, clientID)
}

// idClaims builds the payload of an ID token (OpenID Connect Core §2, §3.1.3.6).
func (t *Tenant) idClaims(u User, app OIDCApp, in IDTokenRequest, alg string, f faultSet) claims {
	d := oidcDialects[t.cfg.Dialect]
	now := t.sim.now().Add(f.duration(ClockSkew))
	if in.AuthTime.IsZero() {
		in.AuthTime = now
	}
	c := claims{"iss": t.Issuer(), "aud": app.ClientID, "sub": t.subject(u, app.ClientID), "iat": now.Unix(),
		"exp": now.Unix() + int64(d.lifetime), "auth_time": in.AuthTime.Unix()}
	if d.nbf {
		c["nbf"] = now.Unix()
	}
	c.set("nonce", in.Nonce)
	c.set("sid", in.SessionID)
	if in.AccessToken != "" {
		c["at_hash"] = halfHash(alg, in.AccessToken)
	}
	if in.Code != "" {
		c["c_hash"] = halfHash(alg, in.Code)
	}
	if d.base != nil {
		d.base(t, u, c, app.ClientID)
	}
	if !d.thin || app.ThickIDToken {
		t.identity(u, app, in.Scope, c, f)
		t.groupClaims(u, app, c, f)
	}
	window(c, now, f)
	misdirect(c, f)
	t.misclaim(c, f)
	for k, v := range in.Extra {
		if v == nil {
			delete(c, k)
			continue
		}
		c[k] = v
	}
	return c
}

// identity adds who the user is, as far as the scope allows.
func (t *Tenant) identity(u User, app OIDCApp, scope string, c claims, f faultSet) {
	if f.has(NoEmail) {
		u.NoEmail = true
	}
	if f.has(EmailUnverified) {
		u.Unproved = true
	}
	if f.has(OtherDomain) {
		local, _, _ := strings.Cut(u.Email, "@")
		u.Email, u.UPN = local+"@elsewhere.example", local+"@elsewhere.example"
	}
	p := claims{}
	oidcDialects[t.cfg.Dialect].profile(t, u, p, app.ClientID)
	for name, values := range u.Attributes {
		var v any = values
		if len(values) == 1 {
			v = values[0]
		}
		p[name] = v
	}
	if scope != "" && !slices.Contains(strings.Fields(scope), "email") {
		delete(p, "email")
		delete(p, "email_verified")
	}
	if scope != "" && !slices.Contains(strings.Fields(scope), "profile") {
		for _, name := range []string{"name", "given_name", "family_name", "preferred_username", "picture", "locale", "zoneinfo"} {
			delete(p, name)
		}
	}
	maps.Copy(c, p)
}

// groupClaims adds the groups, or what the provider sends in their place.
func (t *Tenant) groupClaims(u User, app OIDCApp, c claims, f faultSet) {
	d := oidcDialects[t.cfg.Dialect]
	name, shape := or(app.GroupsClaim, d.groups), or(app.GroupsShape, d.groupsShape, "array")
	groups := t.memberships(u, f)
	switch {
	case name == "" || name == "-" || f.has(NoGroups):
		return
	case f.has(EmptyGroups):
		groups = nil
	case t.cfg.Dialect == Entra && len(groups) > EntraOIDCGroupLimit:
		c["_claim_names"] = map[string]any{"groups": "src1"}
		c["_claim_sources"] = map[string]any{"src1": map[string]any{"endpoint": groupsEndpoint(t, u)}}
		return
	case t.cfg.Dialect == Entra && len(groups) == 0:
		return // Entra leaves the claim out
	}
	slices.SortFunc(groups, func(a, b Group) int { return strings.Compare(a.Name, b.Name) })
	values := groupValues(groups, d.groupValue)
	if t.cfg.Dialect == Okta && len(values) > OktaGroupLimit {
		values, groups = values[:OktaGroupLimit], groups[:OktaGroupLimit]
	}
	c.put(name, shapeGroups(shape, values, groups))
}

func (t *Tenant) userinfo(u User, app OIDCApp, scope string, f faultSet) claims {
	d := oidcDialects[t.cfg.Dialect]
	c := claims{"sub": t.subject(u, app.ClientID)}
	if !d.subOnlyInfo {
		t.identity(u, app, scope, c, f)
		delete(c, "xms_edov")
		delete(c, "roles")
		if !d.bareUserinfo {
			t.groupClaims(u, app, c, f)
		}
	}
	if f.has(UserinfoWrongSub) {
		c["sub"] = "somebody-else"
	}
	return c
}

// window applies the faults of time.
func window(c claims, now time.Time, f faultSet) {
	switch {
	case f.has(Expired):
		c["iat"], c["exp"] = now.Add(-2*time.Hour).Unix(), now.Add(-time.Hour).Unix()
		if _, has := c["nbf"]; has {
			c["nbf"] = c["iat"]
		}
	case f.has(NotYetValid):
		c["nbf"] = now.Add(time.Hour).Unix()
		c["iat"], c["exp"] = c["nbf"], now.Add(2*time.Hour).Unix()
	}
	if f.has(NoExp) {
		delete(c, "exp")
	}
	if f.has(NoIat) {
		delete(c, "iat")
	}
}

// misdirect applies the faults of issuer and audience.
func misdirect(c claims, f faultSet) {
	own := c["aud"]
	if f.has(WrongIssuer) {
		c["iss"] = "https://evil.example"
	}
	if f.has(WrongAudience) {
		c["aud"] = "another-client"
	}
	if f.has(ExtraAudience) {
		c["aud"] = []any{own, "another-client"}
		delete(c, "azp")
	}
	if f.has(WrongAZP) {
		c["azp"] = "another-client"
	}
	if f.has(NoSub) {
		delete(c, "sub")
	}
}

// misclaim applies the faults of an ID token's other claims.
func (t *Tenant) misclaim(c claims, f faultSet) {
	if f.has(WrongNonce) {
		c["nonce"] = "nonce-of-another-sign-in"
	}
	if f.has(NoNonce) {
		delete(c, "nonce")
	}
	if f.has(WrongAtHash) {
		c["at_hash"] = halfHash("RS256", "another access token")
	}
	if f.has(WrongTenantID) {
		c["tid"] = stableGUID("tenant", "somebody-else")
	}
	if f.has(WrongHD) {
		c["hd"] = "elsewhere.example"
	}
}

// halfHash is the left half of the hash that belongs to alg (OpenID Connect Core §3.1.3.6). EdDSA over Ed25519 hashes with SHA-512.
func halfHash(alg, value string) string {
	var sum []byte
	switch {
	case strings.HasSuffix(alg, "384"):
		s := sha512.Sum384([]byte(value))
		sum = s[:]
	case strings.HasSuffix(alg, "512"), alg == "EdDSA":
		s := sha512.Sum512([]byte(value))
		sum = s[:]
	default:
		s := sha256.Sum256([]byte(value))
		sum = s[:]
	}
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}

// sign makes a compact JWS (RFC 7515 §7.1) and applies the faults of signing.
func (t *Tenant) sign(alg, typ string, c claims, f faultSet) (string, error) {
	payload, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("sim: token: %w", err)
	}
	key, err := t.signingKey(alg)
	if err != nil {
		return "", err
	}
	header := map[jose.HeaderKey]any{"typ": typ, "kid": key.ID}
	if f.has(AccessTokenType) {
		header["typ"] = "at+jwt"
	}
	if f.has(UnknownKid) {
		header["kid"] = "unknown-" + t.sim.token(6)
	}
	if f.has(NoKid) {
		delete(header, "kid")
	}
	signer := key.Signer
	if f.has(WrongKey) || f.has(HeaderJWK) {
		stray, err := t.strayKey(alg)
		if err != nil {
			return "", err
		}
		signer = stray.Signer
		if f.has(HeaderJWK) {
			header["jwk"] = jose.JSONWebKey{Key: signer.Public(), KeyID: key.ID, Use: "sig"}
		}
	}
	if f.has(CritHeader) {
		header["crit"], header["http://sim.example/unknown"] = []string{"http://sim.example/unknown"}, true
	}
	switch {
	case f.has(AlgNone):
		header["alg"] = "none"
		return encodeJWS(header, payload, nil)
	case f.has(HS256):
		return hmacToken(key, header, payload)
	}
	opaque := jose.SigningKey{Algorithm: jose.SignatureAlgorithm(alg), Key: cryptosigner.Opaque(signer)}
	s, err := jose.NewSigner(opaque, &jose.SignerOptions{ExtraHeaders: header})
	if err != nil {
		return "", fmt.Errorf("sim: token: %w", err)
	}
	signed, err := s.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sim: token: %w", err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		return "", fmt.Errorf("sim: token: %w", err)
	}
	if f.has(Tampered) {
		return tamperToken(token), nil
	}
	return token, nil
}

// hmacToken plays the confusion of public key and shared secret (RFC 8725 §2.1).
func hmacToken(key Key, header map[jose.HeaderKey]any, payload []byte) (string, error) {
	secret, err := x509.MarshalPKIXPublicKey(key.Signer.Public())
	if err != nil {
		return "", fmt.Errorf("sim: token: %w", err)
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: secret}, &jose.SignerOptions{ExtraHeaders: header})
	if err != nil {
		return "", fmt.Errorf("sim: token: %w", err)
	}
	signed, err := s.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sim: token: %w", err)
	}
	return signed.CompactSerialize()
}

func encodeJWS(header map[jose.HeaderKey]any, payload, signature []byte) (string, error) {
	h, err := json.Marshal(header)
	if err != nil {
		return "", fmt.Errorf("sim: token: %w", err)
	}
	e := base64.RawURLEncoding
	return e.EncodeToString(h) + "." + e.EncodeToString(payload) + "." + e.EncodeToString(signature), nil
}

// tamperToken changes the payload and keeps the signature.
func tamperToken(token string) string {
	parts := strings.Split(token, ".")
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return token
	}
	var c map[string]any
	if json.Unmarshal(payload, &c) != nil {
		return token
	}
	c["sub"] = fmt.Sprint(c["sub"]) + "x"
	return parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(mustJSON(c))) + "." + parts[2]
}

func mustJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // only values of this package get here
	}
	return string(b)
}
