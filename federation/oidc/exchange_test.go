package oidc

import (
	"crypto"
	"crypto/rand"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/strict"
)

func spKey(private crypto.Signer) account.SPKey {
	der := must(x509.MarshalPKCS8PrivateKey(private))
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "con_1"}, NotAfter: time.Now().Add(time.Hour)}
	cert := must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, tmpl, tmpl, private.Public(), private))))
	return account.SPKey{ID: "sp-1", Active: true, Certificate: account.PEM(cert),
		Private: account.NewSecret(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))}
}

// THREAT OIDC-F1: with a key of ours no secret travels at all.
func TestPrivateKeyJWT(t *testing.T) {
	for name, tc := range map[string]struct {
		private   crypto.Signer
		announced []any
		alg       string
	}{
		"RSA": {rsaTwo(), nil, "RS256"}, "RSA with PSS": {rsaTwo(), []any{"PS256"}, "PS256"}, "RSA, both": {rsaTwo(), []any{"PS256", "RS256"}, "RS256"},
		"P-256": {ecOne(), nil, "ES256"}, "P-384": {ec384(), nil, "ES384"}, "Ed25519": {edOne(), nil, "EdDSA"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, account.KindEntra)
			w.s.OIDC.AuthMethod, w.s.OIDC.ClientSecret = "private_key_jwt", account.Secret{}
			w.doc["token_endpoint_auth_signing_alg_values_supported"] = tc.announced
			w.cb.Key = spKey(tc.private)
			w.login()
			if w.auth != "" || w.sent.Has("client_secret") || w.sent.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
				t.Fatalf("%q %v", w.auth, w.sent)
			}
			first := w.sent.Get("client_assertion")
			jws := must(jose.ParseSignedCompact(first, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(tc.alg)}))
			claims := must(readObject(must(jws.Verify(tc.private.Public()))))
			exp, _ := strict.NumericDate(claims["exp"])
			if claims["iss"] != clientID || claims["sub"] != clientID || claims["aud"] != w.srv.URL+"/token" || exp.Sub(w.clock) != time.Minute || text(claims, "jti") == "" {
				t.Errorf("%v", claims)
			}
			head := must(tokenHeader(first))
			cert := must(account.ParseCertificate(w.cb.Key.Certificate))
			sum := sha1.Sum(cert.Raw)
			if head["kid"] != "sp-1" || head["typ"] != "JWT" || head["x5t"] != strict.RawURL.EncodeToString(sum[:]) {
				t.Errorf("%v", head)
			}
			w.login()
			if w.sent.Get("client_assertion") == first {
				t.Error("an assertion is used twice")
			}
		})
	}
	w := newWorld(t, account.KindGeneric)
	w.s.OIDC.AuthMethod = "private_key_jwt"
	w.refused("client_key")
	w.cb.Key = account.SPKey{Private: account.NewSecret("not PEM")}
	w.refused("client_key")
	w.s.OIDC.AuthMethod, w.s.OIDC.ClientSecret, w.cb.Key = "", account.Secret{}, spKey(ecOne())
	w.login() // a key and no secret: the key it is
	if !w.sent.Has("client_assertion") {
		t.Error(w.sent)
	}
}
