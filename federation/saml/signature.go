package saml

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	_ "crypto/sha1" // by policy of a connection only
	"crypto/sha256"
	_ "crypto/sha512"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
)

const (
	transformEnveloped = nsDS + "enveloped-signature"
	moreDSig           = "http://www.w3.org/2001/04/xmldsig-more#"
	algRSASHA256       = moreDSig + "rsa-sha256"
	algECDSASHA256     = moreDSig + "ecdsa-sha256"
	digestSHA256       = nsXENC + "sha256"
)

// An algorithm is a signature method; the type of the trusted key decides whether it applies (SAML-S8).
type algorithm struct {
	name  string
	ecdsa bool
	hash  crypto.Hash
}

// signatureMethods are all that are ever accepted (DS §6.4, DS §4.4.2); the SHA-1 one only where a connection allows it.
var signatureMethods = map[string]algorithm{
	algRSASHA256:              {"RSA-SHA256", false, crypto.SHA256},
	moreDSig + "rsa-sha384":   {"RSA-SHA384", false, crypto.SHA384},
	moreDSig + "rsa-sha512":   {"RSA-SHA512", false, crypto.SHA512},
	algECDSASHA256:            {"ECDSA-SHA256", true, crypto.SHA256},
	moreDSig + "ecdsa-sha384": {"ECDSA-SHA384", true, crypto.SHA384},
	moreDSig + "ecdsa-sha512": {"ECDSA-SHA512", true, crypto.SHA512},
	nsDS + "rsa-sha1":         {"RSA-SHA1", false, crypto.SHA1},
}

// digestMethods likewise (DS §6.2, DS §4.4.3.5).
var digestMethods = map[string]crypto.Hash{
	digestSHA256:        crypto.SHA256,
	moreDSig + "sha384": crypto.SHA384,
	nsXENC + "sha512":   crypto.SHA512,
	nsDS + "sha1":       crypto.SHA1,
}

// maxKeys bounds how many trusted keys are tried per signature (SAML-K3).
const maxKeys = 5

// A trust is what a connection lets a signature be made with.
type trust struct {
	keys     []*x509.Certificate
	sha1     bool
	shortRSA bool
}

func trustOf(s *account.SAMLSettings) trust {
	good, _ := s.Keys()
	return trust{good[:min(len(good), maxKeys)], s.AllowSHA1, s.AllowRSA1024}
}

// A seal is a signature that verified.
type seal struct {
	canonical []byte // what the digest covers
	method    string // for people, for instance "RSA-SHA256"
	sha1      bool
	signer    *x509.Certificate // the trusted certificate whose key verified
}

// verify checks the one signature that stands directly in el, and gives the bytes that it covers. It
// accepts what SAML has of XML signature and nothing else: enveloped (SC §5.4.1), one Reference to el by
// its ID (SC §5.4.2), the enveloped-signature transform and one canonicalization (SC §5.4.3, SC §5.4.4),
// algorithms that fit the key. Keys come from t alone; KeyInfo is not read (SC §5.4.5, SAML-K1).
//
// The signature over SignedInfo is validated first (DS §3.2.2), then the digest over what is used
// afterwards (DS §3.2.1): nobody without a key has us canonicalize an assertion.
func (t trust) verify(el, signature *node) (*seal, *fault) {
	info, value, f := signatureParts(signature)
	if f != nil {
		return nil, f
	}
	canonical, si, f := signedInfo(info)
	if f != nil {
		return nil, f
	}
	alg, f := t.algorithm(si.method)
	if f != nil {
		return nil, f
	}
	hash, f := t.digest(si.digest)
	if f != nil {
		return nil, f
	}
	if id := el.attr("ID"); id == "" || si.uri != "#"+id {
		return nil, &fault{"signature_malformed", fmt.Sprintf("a reference to the signed element, %q", "#"+clip(id, 80)), fmt.Sprintf("%q", clip(si.uri, 80))}
	}
	signer, f := t.check(alg, canonical, value)
	if f != nil {
		if f.code == "signer_unknown" {
			f = t.explain(f, signature)
		}
		return nil, f
	}
	covered, f := si.transform.write(el, signature)
	if f != nil {
		return nil, f
	}
	if subtle.ConstantTimeCompare(sum(hash, covered), si.value) != 1 {
		return nil, &fault{"digest_mismatch", "the content as it was signed", "content that was changed after signing"}
	}
	return &seal{covered, alg.name, alg.hash == crypto.SHA1 || hash == crypto.SHA1, signer}, nil
}

func sum(h crypto.Hash, b []byte) []byte {
	if h == crypto.SHA256 {
		s := sha256.Sum256(b)
		return s[:]
	}
	d := h.New()
	d.Write(b)
	return d.Sum(nil)
}

func badSignature(expected, format string, args ...any) *fault {
	return &fault{"signature_malformed", expected, fmt.Sprintf(format, args...)}
}

// signatureParts takes a Signature apart: one SignedInfo, one SignatureValue, at most one KeyInfo
// (SAML-S2). The value may be broken by white space (INTEROP M8).
func signatureParts(s *node) (info *node, value []byte, f *fault) {
	if f := s.follow(slot{nsDS, "SignedInfo", 1, 1}, slot{nsDS, "SignatureValue", 1, 1}, slot{nsDS, "KeyInfo", 0, 1}); f != nil {
		f.code = "signature_malformed"
		return nil, nil, f
	}
	if value = binary(s.child(nsDS, "SignatureValue")); len(value) == 0 {
		return nil, nil, badSignature("base64 in SignatureValue", "something else")
	}
	return s.child(nsDS, "SignedInfo"), value, nil
}

// binary decodes an element's base64 text; nil when it is none.
func binary(n *node) []byte {
	if n == nil {
		return nil
	}
	s, ok := n.content()
	if !ok {
		return nil
	}
	b, err := base64.StdEncoding.DecodeString(squeeze(s))
	if err != nil {
		return nil
	}
	return b
}

// squeeze takes XML white space out; line breaks the decoder skips by itself.
func squeeze(s string) string {
	if !strings.ContainsAny(s, " \t") {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r == ' ' || r == '\t' || r == '\r' || r == '\n' {
			return -1
		}
		return r
	}, s)
}

// A reference is what a SignedInfo says, read from its canonical form.
type reference struct {
	method    string
	uri       string
	transform c14n
	digest    string
	value     []byte
}

// signedInfo canonicalizes a SignedInfo and reads it again from those bytes, so that what is obeyed is
// what was signed (SAML-S4).
func signedInfo(info *node) (canonical []byte, r reference, f *fault) {
	if f := checkSignedInfo(info); f != nil {
		return nil, r, f
	}
	method, f := canonicalization(info.child(nsDS, "CanonicalizationMethod"))
	if f != nil {
		return nil, r, f
	}
	if canonical, f = method.write(info, nil); f != nil {
		return nil, r, f
	}
	again, f := parse(canonical, responseLimits, nil, nil)
	if f != nil {
		return nil, r, f
	}
	info = again.root
	if f := checkSignedInfo(info); f != nil {
		return nil, r, f
	}
	ref := info.child(nsDS, "Reference")
	r.method = info.child(nsDS, "SignatureMethod").attr("Algorithm")
	r.uri = ref.attr("URI")
	r.digest = ref.child(nsDS, "DigestMethod").attr("Algorithm")
	r.value = binary(ref.child(nsDS, "DigestValue"))
	r.transform, f = transforms(ref.child(nsDS, "Transforms"))
	return canonical, r, f
}

// checkSignedInfo checks the skeleton: one Reference (DS §4.4.3.1) with at most two transforms (SAML-S4, S5, D3).
func checkSignedInfo(n *node) *fault {
	f := n.follow(slot{nsDS, "CanonicalizationMethod", 1, 1}, slot{nsDS, "SignatureMethod", 1, 1}, slot{nsDS, "Reference", 1, 1})
	if f == nil {
		ref := n.child(nsDS, "Reference")
		f = ref.follow(slot{nsDS, "Transforms", 1, 1}, slot{nsDS, "DigestMethod", 1, 1}, slot{nsDS, "DigestValue", 1, 1})
		if f == nil {
			f = ref.child(nsDS, "Transforms").follow(slot{nsDS, "Transform", 1, 2})
		}
	}
	if f != nil {
		f.code = "signature_malformed"
	}
	return f
}

// transforms reads the allow-list (DS §4.4.3.4): enveloped-signature, then at most one canonicalization. Without one
// Canonical XML 1.0 applies (DS §4.4.3.2). A "#ID" reference never covers comments, whatever the
// method says (DS §4.4.3.3), which is how xmlsec and Santuario sign.
func transforms(n *node) (c14n, *fault) {
	list := n.children(nsDS, "Transform")
	if got := list[0].attr("Algorithm"); got != transformEnveloped {
		return c14n{}, badSignature("enveloped-signature as the first transform", "%q", clip(got, 80))
	}
	if f := list[0].follow(); f != nil {
		return c14n{}, badSignature("an enveloped-signature transform without parameters", "some")
	}
	if len(list) == 1 {
		return c14n{}, nil
	}
	c, f := canonicalization(list[1])
	c.comments = false
	return c, f
}

// canonicalization reads a method (DS §4.4.1) with its optional InclusiveNamespaces (SAML-S9).
func canonicalization(n *node) (c14n, *fault) {
	name := n.attr("Algorithm")
	c, ok := methods[name]
	if !ok {
		return c, badSignature("a canonicalization method", "%q", clip(name, 80))
	}
	if !c.exclusive {
		if n.follow() != nil {
			return c, badSignature("no parameters for inclusive canonicalization", "some")
		}
		return c, nil
	}
	if n.follow(slot{nsExcC, "InclusiveNamespaces", 0, 1}) != nil {
		return c, badSignature("InclusiveNamespaces as the only parameter", "something else")
	}
	if p := n.child(nsExcC, "InclusiveNamespaces"); p != nil {
		c.prefixes = strings.Fields(p.attr("PrefixList"))
		if len(c.prefixes) > 64 {
			return c, badSignature("at most 64 prefixes in PrefixList", "%d", len(c.prefixes))
		}
		for i, prefix := range c.prefixes {
			if prefix == "#default" {
				c.prefixes[i] = ""
			}
		}
	}
	return c, nil
}

func (t trust) algorithm(name string) (algorithm, *fault) {
	alg, ok := signatureMethods[name]
	if !ok {
		return alg, &fault{"algorithm_refused", "RSA or ECDSA with SHA-256, SHA-384 or SHA-512", fmt.Sprintf("%q", clip(name, 80))}
	}
	if alg.hash == crypto.SHA1 && !t.sha1 {
		return alg, &fault{"sha1_refused", "a signature with SHA-256 or better", alg.name}
	}
	return alg, nil
}

func (t trust) digest(name string) (crypto.Hash, *fault) {
	h, ok := digestMethods[name]
	if !ok {
		return h, &fault{"algorithm_refused", "a SHA-256, SHA-384 or SHA-512 digest", fmt.Sprintf("%q", clip(name, 80))}
	}
	if h == crypto.SHA1 && !t.sha1 {
		return h, &fault{"sha1_refused", "a digest with SHA-256 or better", "SHA-1"}
	}
	return h, nil
}

// check tries every trusted key that fits the algorithm (SAML-K3, INTEROP M6).
func (t trust) check(alg algorithm, signed, value []byte) (*x509.Certificate, *fault) {
	digest := sum(alg.hash, signed)
	fitting, short := 0, 0
	for _, c := range t.keys {
		switch k := c.PublicKey.(type) {
		case *rsa.PublicKey:
			if alg.ecdsa {
				continue
			}
			if bits := k.N.BitLen(); bits < 1024 || bits < 2048 && !t.shortRSA {
				short = bits
				continue
			}
			fitting++
			if rsa.VerifyPKCS1v15(k, alg.hash, digest, value) == nil {
				return c, nil
			}
		case *ecdsa.PublicKey:
			if !alg.ecdsa {
				continue
			}
			fitting++
			if verifyECDSA(k, digest, value) {
				return c, nil
			}
		}
	}
	if fitting == 0 && short > 0 {
		return nil, &fault{"key_too_short", "an RSA key of at least 2048 bits", fmt.Sprintf("%d bits", short)}
	}
	if fitting == 0 {
		return nil, &fault{"signer_unknown", "a signature by one of the certificates of this connection", "an " + alg.name + " signature, which none of their keys can make"}
	}
	return nil, &fault{"signer_unknown", "a signature by one of the certificates of this connection", "a signature that none of their keys verifies"}
}

// verifyECDSA reads the value as r and s side by side, each as long as the curve's order (DS §6.4.3);
// the ASN.1 form of other protocols is refused.
func verifyECDSA(k *ecdsa.PublicKey, digest, value []byte) bool {
	size := (k.Params().N.BitLen() + 7) / 8
	if len(value) != 2*size {
		return false
	}
	return ecdsa.Verify(k, digest, new(big.Int).SetBytes(value[:size]), new(big.Int).SetBytes(value[size:]))
}

// explain adds to an unverified signature what KeyInfo claims. It is for people and trusts nothing: a
// rotated certificate and a changed message need different hands.
func (t trust) explain(f *fault, signature *node) *fault {
	claimed := claimedCertificate(signature)
	names := make([]string, len(t.keys))
	for i, c := range t.keys {
		names[i] = fingerprint(c)
		if claimed != nil && bytes.Equal(c.RawSubjectPublicKeyInfo, claimed.RawSubjectPublicKeyInfo) {
			return &fault{"signature_invalid", "a signature value that its key verifies", "one that does not fit: the message was changed, or signed by another key than it names"}
		}
	}
	f.expected = "a signature by a certificate of this connection, SHA-256 " + strings.Join(names, " or ")
	if claimed != nil {
		f.received = fmt.Sprintf("one that claims the certificate with SHA-256 %s (%s)", fingerprint(claimed), clip(claimed.Subject.String(), 120))
	}
	return f
}

func claimedCertificate(signature *node) *x509.Certificate {
	info := signature.child(nsDS, "KeyInfo")
	if info == nil {
		return nil
	}
	data := info.child(nsDS, "X509Data")
	if data == nil {
		return nil
	}
	c, err := x509.ParseCertificate(binary(data.child(nsDS, "X509Certificate")))
	if err != nil {
		return nil
	}
	return c
}

// fingerprint is the start of a certificate's SHA-256, as consoles show it.
func fingerprint(c *x509.Certificate) string {
	s := sha256.Sum256(c.Raw)
	return hex.EncodeToString(s[:8]) + "…"
}
