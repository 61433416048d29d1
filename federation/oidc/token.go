package oidc

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	goidc "github.com/coreos/go-oidc/v3/oidc"
	jose "github.com/go-jose/go-jose/v4"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/published"
	"github.com/drawbridge-id/drawbridge/strict"
)

const (
	// maxIDToken bounds a token in bytes. Tokens of 64 kB are real, with thousands of groups (OIDC-D1).
	maxIDToken = 192 << 10
	// maxIssued is how old iat may be: the token was made for the code that we have just redeemed.
	maxIssued = time.Hour
	// maxLife is how far ahead exp may lie; some providers allow thirty days.
	maxLife = 366 * 24 * time.Hour
)

// verify judges the ID token (OC §3.1.3.7) and leaves its claims in j.claims. go-oidc verifies first; then
// each check is made again in our own words, because the library leaves some out (nonce, azp, iat, typ) and
// an administrator needs to hear which one failed. Both have to agree.
func (j *judge) verify(ctx context.Context, t tokens) error {
	if err := j.readHeader(t.id); err != nil {
		return err
	}
	libraryErr, err := j.signature(ctx, t.id)
	if err != nil {
		return err
	}
	for _, step := range []func() error{j.checkKind, j.checkTimes, j.checkAudience, j.checkNonce, func() error { return j.checkHashes(t) }, j.checkTenant} {
		if err := step(); err != nil {
			return err
		}
	}
	if libraryErr != nil { // G-2: whoever of the two refuses is right
		return j.because(libraryErr, check(account.StepSignature, "token_refused", "The ID token holds", "a valid ID token", clip(libraryErr.Error(), 200), fixes("Tell the operator, with the diagnosis id.")))
	}
	return nil
}

// readHeader checks the token's form and header before anything is computed (G-4): alg is one of our
// list (RFC 7515 §4.1.1, RFC 8725 §3.2).
func (j *judge) readHeader(raw string) error {
	header, err := tokenHeader(raw)
	if err != nil {
		return j.because(err, check(account.StepSignature, "token_form", "The ID token is a signed JWT", "three base64url parts", err.Error(),
			fixes("The provider has to send a signed, unencrypted ID token in compact form.")))
	}
	j.header = header
	j.view.token(header, raw)
	if crit, has := header["crit"]; has { // RFC 7515 §4.1.11; we understand no extension
		return j.fail(check(account.StepSignature, "token_critical", "The token needs no extension that we do not know", "no crit header", clip(fmt.Sprint(crit), 100), fixes("Turn off the extension in your provider.")))
	}
	allowed := allowedAlgorithms(j.o, j.p)
	alg := text(header, "alg")
	if !slices.Contains(allowed, alg) {
		return j.fail(check(account.StepSignature, "algorithm", "The signature algorithm is accepted", or(strings.Join(allowed, ", "), "none that this provider announces and we accept"), clip(fmt.Sprint(header["alg"]), 40),
			fixes("Set the ID token's signature to RS256 in your provider.",
				account.KindOkta, "Sign On > OpenID Connect ID Token: RS256.")))
	}
	// RFC 8725 §3.11: a token that says it is of another kind is not an ID token. The header is optional.
	typ, isText := header["typ"].(string)
	if _, has := header["typ"]; has && (!isText || strings.HasSuffix(strings.ToLower(typ), "+jwt")) {
		return j.fail(check(account.StepSignature, "token_type", "The token is an ID token", "JWT", clip(fmt.Sprint(header["typ"]), 40), fixes("The token endpoint has to put an ID token into id_token.")))
	}
	return nil
}

// allowedAlgorithms is the connection's list, or ours, cut down to what the provider announces.
func allowedAlgorithms(o account.OIDCSettings, p *provider) []string {
	list := o.Algorithms
	if len(list) == 0 {
		list = algorithms
	}
	var out []string
	for _, a := range list {
		if slices.Contains(algorithms, a) && (len(p.Algorithms) == 0 || slices.Contains(p.Algorithms, a)) {
			out = append(out, a)
		}
	}
	return out
}

// signature verifies the token (OC §10.1, RFC 7515 §5.2). libraryErr is what go-oidc dislikes about a token whose signature is good.
func (j *judge) signature(ctx context.Context, raw string) (libraryErr, err error) {
	pin, libraryErr := j.rp.verifyToken(ctx, j.o, j.p, raw, j.now, 0)
	ownKeys := false
	if pin.payload == nil && errors.Is(pin.err, published.ErrUnknownKey) && j.s.Kind == account.KindEntra {
		// An application with custom claims has signing keys of its own, which only a discovery document asked
		// for with its id leads to.
		if app, appErr := j.rp.provider(ctx, j.o, j.o.ClientID); appErr == nil && app.JWKSURL != j.p.JWKSURL {
			j.p, ownKeys = app, true
			pin, libraryErr = j.rp.verifyToken(ctx, j.o, app, raw, j.now, 0)
		}
	}
	if pin.payload == nil {
		return nil, j.keyError(pin.err)
	}
	j.keys = pin.set
	if j.claims, err = readObject(pin.payload); err != nil {
		return nil, j.because(err, check(account.StepSignature, "token_claims", "The token's claims can be read", "one JSON object", clip(err.Error(), 100), fixes("The provider has to send the claims as one JSON object, each once, nested at most 64 deep.")))
	}
	j.view.claims(j.claims)
	j.listClaims(j.claims, "id_token")
	received := text(j.header, "alg") + ", key " + or(clip(text(j.header, "kid"), 80), "without id")
	if ownKeys {
		j.warn(check(account.StepSignature, "signature_app_key", "Signed with the application's own key", "a key of the tenant", received, fixes("Nothing to do: the keys were found by asking for this application.",
			account.KindEntra, "The application has custom claims and so its own signing key. It is accepted.")))
		return libraryErr, nil
	}
	j.pass(account.StepSignature, "signature", "Signature and key", received)
	return libraryErr, nil
}

// verifyToken runs go-oidc over a token with our key set. The result's payload is nil when the signature is
// not good, whatever else is wrong.
func (rp *RP) verifyToken(ctx context.Context, o account.OIDCSettings, p *provider, raw string, now time.Time, spare float64) (*pinned, error) {
	allowed := allowedAlgorithms(o, p)
	pin := rp.pin(p, allowed, spare)
	v := goidc.NewVerifier(o.Issuer, pin, &goidc.Config{ClientID: o.ClientID, SupportedSigningAlgs: allowed, Now: func() time.Time { return now }})
	_, err := v.Verify(ctx, raw)
	if err != nil && pin.err == nil && pin.payload == nil {
		pin.err = err // refused before it came to the signature
	}
	return pin, err
}

func (rp *RP) pin(p *provider, allowed []string, spare float64) *pinned {
	pin := &pinned{set: rp.keySet(p.JWKSURL), spare: spare}
	for _, a := range allowed {
		pin.allowed = append(pin.allowed, jose.SignatureAlgorithm(a))
	}
	return pin
}

func (j *judge) keyError(err error) error {
	kid := or(clip(text(j.header, "kid"), 80), "none")
	var e *account.Error
	switch {
	case errors.As(err, &e):
		return j.because(err, check(account.StepSignature, "keys_unavailable", "The provider's keys can be read", j.p.JWKSURL, e.Message, fixes(or(e.Help, "Check that the provider is up, then try again."))))
	case errors.Is(err, published.ErrUnknownKey):
		return j.because(err, check(account.StepSignature, "key_unknown", "The key is one that the provider publishes", "a key in "+j.p.JWKSURL, "key id "+kid,
			fixes("The provider signs with a key that it does not publish. Wait for its key rotation to finish, or check that the issuer is the right one.",
				account.KindOkta, "Check that the issuer is that of the authorization server which makes the token: org and custom servers have different keys.")))
	case errors.Is(err, published.ErrNoFittingKey):
		return j.because(err, check(account.StepSignature, "key_mismatch", "The key is of the kind that the algorithm needs", "a signing key for "+text(j.header, "alg"), "key id "+kid, fixes("Set the provider to an algorithm that its published key is for.")))
	}
	return j.because(err, check(account.StepSignature, "signature", "The signature verifies", "a signature by the provider's key", "one that does not verify, key id "+kid, fixes("The token was changed on its way, or another provider signed it. Check that the issuer is the right one.")))
}

// checkTimes reads exp, nbf and iat (RFC 7519 §4.1.4, §4.1.5, §4.1.6).
func (j *judge) checkTimes() error {
	now, leeway := j.now, j.rp.leeway
	clocks := fixes(fmt.Sprintf("Compare the clocks of the provider and of this installation; %s of difference are accepted.", leeway))
	exp, ok := strict.NumericDate(j.claims["exp"])
	if !ok || exp.Sub(now) > maxLife {
		return j.fail(check(account.StepTimes, "expiry_missing", "The token says how long it is good", "exp, a number of seconds", clip(fmt.Sprint(j.claims["exp"]), 40), fixes("The provider has to send exp as a number.")))
	}
	iat, ok := strict.NumericDate(j.claims["iat"])
	if !ok {
		return j.fail(check(account.StepTimes, "issued_missing", "The token says when it was made", "iat, a number of seconds", clip(fmt.Sprint(j.claims["iat"]), 40), fixes("The provider has to send iat as a number.")))
	}
	j.out.Skew, j.expires = iat.Sub(now).Truncate(time.Second), exp
	switch {
	case !exp.After(now):
		return j.fail(check(account.StepTimes, "expired", "The token is still good", "exp after "+stamp(now), stamp(exp), clocks))
	case iat.After(now.Add(leeway)):
		return j.fail(check(account.StepTimes, "issued_ahead", "The token was not made in the future", "iat by "+stamp(now.Add(leeway)), stamp(iat), clocks))
	case iat.Before(now.Add(-maxIssued)):
		return j.fail(check(account.StepTimes, "issued_long_ago", "The token was made for this sign-in", "iat after "+stamp(now.Add(-maxIssued)), stamp(iat), clocks))
	}
	if v, has := j.claims["nbf"]; has {
		if nbf, ok := strict.NumericDate(v); !ok || nbf.After(now.Add(leeway)) {
			return j.fail(check(account.StepTimes, "not_yet", "The token is good already", "nbf by "+stamp(now.Add(leeway)), clip(fmt.Sprint(v), 40), clocks))
		}
	}
	if err := j.checkAuthTime(); err != nil {
		return err
	}
	if d := j.out.Skew.Abs(); d > 30*time.Second {
		j.warn(check(account.StepTimes, "clock", "Clocks agree", "within 30 s", j.out.Skew.String(), clocks))
		return nil
	}
	j.pass(account.StepTimes, "clock", "Times", fmt.Sprintf("made %s, good until %s, clock difference %s", stamp(iat), stamp(exp), j.out.Skew))
	return nil
}

// checkAuthTime obeys max_age (OC §3.1.2.1, §3.1.3.7 step 13).
func (j *judge) checkAuthTime() error {
	if j.o.MaxAge <= 0 {
		return nil
	}
	at, ok := strict.NumericDate(j.claims["auth_time"])
	if ok && !at.Before(j.now.Add(-j.o.MaxAge-j.rp.leeway)) && !at.After(j.now.Add(j.rp.leeway)) {
		return nil
	}
	return j.fail(check(account.StepTimes, "auth_time", "The person authenticated recently", "auth_time within "+j.o.MaxAge.String(), clip(fmt.Sprint(j.claims["auth_time"]), 40),
		fixes("The provider has to honour max_age and send auth_time; otherwise take the age limit off the connection.")))
}

// checkAudience reads iss, aud and azp (RFC 7519 §4.1.3, §7.2; RFC 8725 §3.8, §3.9).
func (j *judge) checkAudience() error {
	if iss := text(j.claims, "iss"); iss != j.o.Issuer {
		return j.fail(check(account.StepAudience, "issuer", "The token comes from the provider that was asked", j.o.Issuer, clip(fmt.Sprint(j.claims["iss"]), 200),
			fixes("Set the connection's issuer to the received value, if that is your provider.",
				account.KindEntra, "Version 1 and 2 issuers differ: use https://login.microsoftonline.com/{tenant id}/v2.0.",
				account.KindOkta, "Sign On > OpenID Connect ID Token > Issuer; a custom server has its own, ending in /oauth2/….")))
	}
	aud, ok := strict.Texts(j.claims["aud"])
	if !ok || !slices.Contains(aud, j.o.ClientID) {
		return j.fail(check(account.StepAudience, "audience", "The token is for this connection", j.o.ClientID, clip(fmt.Sprint(j.claims["aud"]), 200),
			fixes("Set the connection's client id to that of the application in your provider.",
				account.KindOkta, "Applications > the application > General > Client ID has to equal the connection's client id.",
				account.KindEntra, "App registrations > Overview > Application (client) ID has to equal the connection's client id.")))
	}
	azp, hasAZP := j.claims["azp"]
	if (hasAZP && azp != j.o.ClientID) || (!hasAZP && len(aud) > 1) { // OC §3.1.3.7 steps 4 and 5, both as MUST
		return j.fail(check(account.StepAudience, "authorized_party", "The token was made at this connection's request", "azp "+j.o.ClientID, clip(fmt.Sprint("azp ", or(text(j.claims, "azp"), "none"), ", aud ", aud), 200),
			fixes("Register an application of its own for this connection.")))
	}
	j.pass(account.StepAudience, "audience", "Issuer and audience", j.o.Issuer+" for "+j.o.ClientID)
	return nil
}

func (j *judge) checkNonce() error {
	nonce, want := text(j.claims, "nonce"), j.cb.Flow.Nonce
	if subtle.ConstantTimeCompare([]byte(nonce), []byte(want)) == 1 { // OC §3.1.3.7 step 11
		j.pass(account.StepAudience, "nonce", "Nonce", "the one that was sent")
		return nil
	}
	received := "another one"
	if nonce == "" {
		received = "none"
	}
	return j.fail(check(account.StepAudience, "nonce", "The token answers this sign-in", "the nonce that was sent", received, fixes("Start again from the sign-in page. If it stays, the provider does not return the nonce, which it must.")))
}

// checkHashes compares the hashes that tie the token to what came with it (OC §3.1.3.6,
// OC §3.1.3.8).
func (j *judge) checkHashes(t tokens) error {
	for claim, value := range map[string]string{"at_hash": t.access, "c_hash": j.cb.Values.Get("code"), "s_hash": j.cb.Values.Get("state")} {
		got, has := j.claims[claim]
		if has && got != halfHash(text(j.header, "alg"), value) {
			return j.fail(check(account.StepAudience, claim, "The token belongs to what came with it", claim+" of this answer", "another one", fixes("Start again from the sign-in page: parts of two answers were mixed.")))
		}
	}
	return nil
}

// halfHash is the left half of the hash that goes with alg (OC §3.1.3.6); Ed25519's is SHA-512.
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
	return strict.RawURL.EncodeToString(sum[:len(sum)/2])
}

// checkTenant pins Entra's tenant and Google's customer (OIDC-X1).
func (j *judge) checkTenant() error {
	switch j.s.Kind {
	case account.KindEntra:
		if tid := text(j.claims, "tid"); !strings.EqualFold(tid, j.o.EntraTenant) {
			return j.fail(check(account.StepAudience, "tenant", "The person belongs to the tenant", j.o.EntraTenant, clip(or(tid, "no tid"), 80), fixes("Sign in with an account of the company's own tenant.",
				account.KindEntra, "Overview > Directory (tenant) ID has to equal the connection's.")))
		}
		j.pass(account.StepAudience, "tenant", "Tenant", j.o.EntraTenant)
	case account.KindGoogle:
		hd, want := text(j.claims, "hd"), j.o.GoogleDomain
		if want == "" { // a personal account may have a company address, but no hd
			want = account.EmailDomain(text(j.claims, "email"))
		}
		if hd == "" || want != "" && !strings.EqualFold(hd, want) {
			return j.fail(check(account.StepAudience, "hosted_domain", "The account belongs to the company", or(want, "an account of a Google Workspace"), clip(or(hd, "a personal account"), 80),
				fixes("Sign in with the company's Google account.", account.KindGoogle, "The connection's domain has to be the primary domain of your Workspace.")))
		}
		j.pass(account.StepAudience, "hosted_domain", "Hosted domain", hd)
	}
	return nil
}

// checkKind refuses what is a JWT of another kind in spite of its header (RFC 8725 §3.12).
func (j *judge) checkKind() error {
	if _, has := j.claims["events"]; has {
		return j.fail(check(account.StepSignature, "token_type", "The token is an ID token", "no events claim", "a security event or logout token", fixes("The token endpoint has to put an ID token into id_token.")))
	}
	return nil
}
