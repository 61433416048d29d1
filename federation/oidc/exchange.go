package oidc

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" // x5t names a certificate, it protects nothing (RFC 7515 §4.1.7)
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"golang.org/x/oauth2"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/egress"
	"github.com/drawbridge-id/drawbridge/strict"
)

// How we authenticate at the token endpoint (OC §9). none is a public client, which PKCE alone protects.
const (
	methodBasic = "client_secret_basic"
	methodPost  = "client_secret_post"
	methodJWT   = "private_key_jwt"
	methodNone  = "none"
)

// tokens are what the token endpoint gave for a code.
type tokens struct {
	id     string
	access string
}

// exchange redeems the code (OC §3.1.3.1, RFC 6749 §4.1.3) and reads the answer (OC §3.1.3.3, §3.1.3.5). The secret goes by exactly one method: x/oauth2's own probing sends a
// one-time code twice (OIDC-F1).
func (j *judge) exchange(ctx context.Context) (tokens, error) {
	method := j.rp.method(j.p, j.o, j.cb.Key)
	conf := oauth2.Config{ClientID: j.o.ClientID, RedirectURL: j.cb.RedirectURI, Endpoint: oauth2.Endpoint{TokenURL: j.p.TokenEndpoint}}
	params, err := authenticate(&conf, method, j.o, j.cb.Key, j.p, j.now)
	if err != nil {
		return tokens{}, j.because(err, check(account.StepResponse, "client_key", "The connection has a key to authenticate with", "a private key for "+methodJWT, "none that can be used",
			fixes("Make a key for the connection, or set its method to "+methodBasic+".")))
	}
	opts := []oauth2.AuthCodeOption{oauth2.VerifierOption(j.cb.Flow.Verifier.Reveal())} // RFC 7636 §4.5, RFC 9700 §4.5
	for name := range params {
		opts = append(opts, oauth2.SetAuthURLParam(name, params.Get(name)))
	}
	code := j.cb.Values.Get("code")
	t, err := conf.Exchange(context.WithValue(ctx, oauth2.HTTPClient, j.rp.tokenClient()), code, opts...)
	if err != nil {
		j.rp.learn(j.p, j.o, method, err)
		return tokens{}, j.exchangeError(err, method, code, j.cb.Flow.Verifier.Reveal(), j.o.ClientSecret.Reveal())
	}
	j.rp.learn(j.p, j.o, method, nil)
	if t.TokenType != "" && !strings.EqualFold(t.TokenType, "bearer") { // RFC 6749 §5.1: case-insensitive
		return tokens{}, j.fail(check(account.StepResponse, "token_type", "The token is of a type that we know", "Bearer", clip(t.TokenType, 40), fixes("Set the application in your provider to bearer tokens.")))
	}
	id, _ := t.Extra("id_token").(string)
	if id == "" {
		return tokens{}, j.fail(check(account.StepResponse, "id_token_missing", "The token endpoint gives an ID token", "id_token", "none",
			fixes("Register the application as an OpenID Connect one: the scope openid has to give an ID token.")))
	}
	j.pass(account.StepResponse, "token_endpoint", "Code exchanged for tokens", method)
	return tokens{id: id, access: t.AccessToken}, nil
}

// NeedsKey reports whether we may have to sign for ourselves at the token endpoint.
func NeedsKey(o account.OIDCSettings) bool {
	return o.AuthMethod == methodJWT || o.ClientSecret.IsZero()
}

// method chooses how to authenticate: the setting, then what is known to work, then what the provider
// announces (OD §3, RFC 8414 §2: basic when it says nothing).
func (rp *RP) method(p *provider, o account.OIDCSettings, key account.SPKey) string {
	switch {
	case o.AuthMethod != "":
		return o.AuthMethod
	case o.ClientSecret.IsZero() && !key.Private.IsZero():
		return methodJWT
	case o.ClientSecret.IsZero():
		return methodNone
	}
	if known, ok := rp.methods.Get(methodKey(o)); ok {
		return known
	}
	if slices.Contains(p.AuthMethods, methodBasic) || !slices.Contains(p.AuthMethods, methodPost) {
		return methodBasic
	}
	return methodPost
}

// learn remembers the method that worked. Some providers announce a method and refuse it; then the next
// sign-in, with its own code, tries the other one that they announce.
func (rp *RP) learn(p *provider, o account.OIDCSettings, used string, err error) {
	if o.AuthMethod != "" || (used != methodBasic && used != methodPost) {
		return
	}
	if err == nil {
		rp.methods.Add(methodKey(o), used)
		return
	}
	other := map[string]string{methodBasic: methodPost, methodPost: methodBasic}[used]
	var re *oauth2.RetrieveError
	if errors.As(err, &re) && re.ErrorCode == "invalid_client" && (len(p.AuthMethods) == 0 || slices.Contains(p.AuthMethods, other)) {
		rp.methods.Add(methodKey(o), other)
	}
}

func methodKey(o account.OIDCSettings) string { return o.Issuer + "\x00" + o.ClientID }

// authenticate sets conf up for one method (RFC 6749 §2.3.1, RFC 9700 §2.5) and returns the parameters that go with it.
func authenticate(conf *oauth2.Config, method string, o account.OIDCSettings, key account.SPKey, p *provider, now time.Time) (url.Values, error) {
	conf.Endpoint.AuthStyle = oauth2.AuthStyleInParams
	switch method {
	case methodBasic:
		conf.Endpoint.AuthStyle = oauth2.AuthStyleInHeader
		conf.ClientSecret = o.ClientSecret.Reveal()
	case methodPost:
		conf.ClientSecret = o.ClientSecret.Reveal()
	case methodJWT:
		assertion, err := clientAssertion(key, o.ClientID, conf.Endpoint.TokenURL, p.assertionAlgs, now)
		if err != nil {
			return nil, err
		}
		return url.Values{ // RFC 7523 §2.2
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
			"client_assertion":      {assertion},
		}, nil
	}
	return nil, nil
}

// clientAssertion makes the JWT that stands for a client secret (OC §9, RFC 7523 §3): one minute long, used
// once. Entra finds our certificate by x5t, others our key by kid.
func clientAssertion(key account.SPKey, clientID, audience string, algs []string, now time.Time) (string, error) {
	block, _ := pem.Decode([]byte(key.Private.Reveal()))
	if block == nil {
		return "", errors.New("the connection has no private key in PEM")
	}
	private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return "", err
	}
	opts := (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", key.ID)
	if cert, err := account.ParseCertificate(key.Certificate); err == nil {
		one, two := sha1.Sum(cert.Raw), sha256.Sum256(cert.Raw)
		opts = opts.WithHeader("x5t", strict.RawURL.EncodeToString(one[:])).WithHeader("x5t#S256", strict.RawURL.EncodeToString(two[:]))
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: assertionAlg(private, algs), Key: private}, opts)
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(map[string]any{"iss": clientID, "sub": clientID, "aud": audience, "jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(time.Minute).Unix()})
	if err != nil {
		return "", err
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return jws.CompactSerialize()
}

func assertionAlg(private any, announced []string) jose.SignatureAlgorithm {
	switch k := private.(type) {
	case *ecdsa.PrivateKey:
		return map[int]jose.SignatureAlgorithm{256: jose.ES256, 384: jose.ES384, 521: jose.ES512}[k.Curve.Params().BitSize]
	case ed25519.PrivateKey:
		return jose.EdDSA
	case *rsa.PrivateKey:
		if len(announced) > 0 && !slices.Contains(announced, "RS256") && slices.Contains(announced, "PS256") {
			return jose.PS256
		}
	}
	return jose.RS256
}

// exchangeError says what the token endpoint complained of (RFC 6749 §5.2). The provider's own words are quoted without
// anything secret that they might echo; its body is never kept.
func (j *judge) exchangeError(err error, method string, secrets ...string) error {
	var re *oauth2.RetrieveError
	if !errors.As(err, &re) {
		e := egress.Explain(j.p.TokenEndpoint, err)
		if e.Code == "fetch_failed" { // x/oauth2's own words for an answer that it cannot use
			e = account.Errorf(account.Unavailable, "The answer has no usable token.")
		}
		return j.because(e, check(account.StepResponse, "token_endpoint", "The token endpoint answers with tokens", "a token response", hide(e.Message, secrets), fixes(or(e.Help, "Try again; if it stays, look at the provider's log."))))
	}
	status := 0
	if re.Response != nil {
		status = re.Response.StatusCode
	}
	code, description := clip(hide(re.ErrorCode, secrets), 60), clip(hide(re.ErrorDescription, secrets), 400)
	received := code
	switch {
	case code == "":
		received = fmt.Sprintf("status %d", status)
	case description != "":
		received += ": " + description
	}
	cause := errors.New("token endpoint: " + received) // in place of err, whose text holds the body
	switch code {
	case "invalid_client", "unauthorized_client":
		return j.because(cause, check(account.StepResponse, "client_refused", "The provider accepts our client credentials", "client accepted by "+method, received, secretFixes(code, description)))
	case "invalid_grant":
		return j.because(cause, check(account.StepResponse, "code_refused", "The provider accepts the code", "tokens", received,
			fixes("Start again from the sign-in page: a code works once and for a minute. If it stays, compare the redirect URI with the one in your provider.")))
	}
	return j.because(cause, check(account.StepResponse, "token_endpoint", "The token endpoint answers with tokens", "a token response", received, providerFixes(code, description)))
}

func secretFixes(code, description string) map[account.IdPKind]string {
	m := providerFixes(code, description)
	m[account.KindGeneric] = "Compare client id and secret with your provider; the secret may have expired. If they are right, set the method of the token endpoint to what the provider wants."
	m[account.KindOkta] = "General > Client Credentials: compare the client id, make a new secret."
	if !strings.Contains(description, "AADSTS") {
		m[account.KindEntra] = "Certificates & secrets: make a new secret and paste its Value, not its Secret ID."
	}
	return m
}

func hide(s string, secrets []string) string {
	for _, secret := range secrets {
		if len(secret) >= 4 {
			s = strings.ReplaceAll(s, secret, "••••")
		}
	}
	return s
}

// tokenClient is our client for token endpoints: it hands x/oauth2 nothing but JSON objects of bounded
// size and depth, whatever Content-Type they came with.
func (rp *RP) tokenClient() *http.Client {
	c := *rp.client
	c.Transport = jsonOnly{c.Transport}
	return &c
}

type jsonOnly struct{ base http.RoundTripper }

func (t jsonOnly) RoundTrip(r *http.Request) (*http.Response, error) {
	base := t.base
	if base == nil {
		base = http.DefaultTransport
	}
	r = r.Clone(r.Context())
	r.Header.Set("Accept", "application/json")
	resp, err := base.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	good := resp.StatusCode >= 200 && resp.StatusCode <= 299
	body, err := egress.Read(resp, maxToken)
	if err == nil {
		if _, jsonErr := readObject(body); jsonErr != nil {
			err = account.Errorf(account.Invalid, "The token endpoint answers with something that is no JSON object.").Coded("token_document").Because(jsonErr)
		}
	}
	if err != nil && good {
		return nil, err
	}
	if err != nil {
		body = nil // an error page says nothing beyond its status
	}
	resp.Header.Set("Content-Type", "application/json")
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}
