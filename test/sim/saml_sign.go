package sim

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1" // the sha1 fault
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/asn1"
	"encoding/base64"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
)

const (
	algExclusive = "http://www.w3.org/2001/10/xml-exc-c14n#"
	algEnveloped = nsDS + "enveloped-signature"
)

// A signature method: XML signature's names for it and the hash behind.
type sigMethod struct {
	signature, digest string
	hash              crypto.Hash
}

var (
	rsaSHA1     = sigMethod{nsDS + "rsa-sha1", nsDS + "sha1", crypto.SHA1}
	rsaSHA256   = sigMethod{"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "http://www.w3.org/2001/04/xmlenc#sha256", crypto.SHA256}
	ecdsaSHA256 = sigMethod{"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256", "http://www.w3.org/2001/04/xmlenc#sha256", crypto.SHA256}
	ecdsaSHA1   = sigMethod{"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha1", nsDS + "sha1", crypto.SHA1}
)

func methodFor(k crypto.Signer, weak bool) sigMethod {
	_, isEC := k.Public().(*ecdsa.PublicKey)
	switch {
	case isEC && weak:
		return ecdsaSHA1
	case isEC:
		return ecdsaSHA256
	case weak:
		return rsaSHA1
	}
	return rsaSHA256
}

// sign puts an enveloped signature over el behind its Issuer (XML signature §4; SAML core §5.4). It is
// written over goxmldsig's canonicaliser and not over its signing context, because providers differ in
// prefixes, PrefixList, KeyInfo and line breaks, and tests want 15,000 group values.
func (m *samlMaker) sign(el *etree.Element) error {
	key := m.key
	if m.f.has(WrongKey) {
		var err error
		alg := "RS256"
		if keyType(key.Signer) != "rsa" {
			alg = "ES256"
		}
		if key, err = m.t.strayKey(alg); err != nil {
			return err
		}
	}
	method := methodFor(key.Signer, m.f.has(SHA1))
	digest, err := canonicalHash(el, m.d.inclusive, method.hash)
	if err != nil {
		return err
	}
	sig := etree.NewElement(qname(m.d.ds, "Signature"))
	sig.CreateAttr(xmlns(m.d.ds), nsDS)
	info := m.signedInfo(sig, el.SelectAttrValue("ID", ""), method, digest)
	at := 0
	if issuer := childByTag(el, "Issuer"); issuer != nil {
		at = issuer.Index() + 1
	}
	el.InsertChildAt(at, sig)
	sum, err := canonicalHash(info, "", method.hash)
	if err != nil {
		return err
	}
	value, err := rawSignature(key.Signer, sum, method.hash)
	if err != nil {
		return err
	}
	text := base64.StdEncoding.EncodeToString(value)
	switch {
	case m.f.has(SpacesInSignature):
		text = text[:10] + " " + text[10:20] + "\t" + text[20:]
	case m.d.wrap:
		text = "\n" + wrap76(text, "\n") + "\n"
	}
	sig.CreateElement(qname(m.d.ds, "SignatureValue")).SetText(text)
	return m.keyInfo(sig)
}

func (m *samlMaker) signedInfo(sig *etree.Element, id string, method sigMethod, digest []byte) *etree.Element {
	ds := func(parent *etree.Element, local string) *etree.Element {
		return parent.CreateElement(qname(m.d.ds, local))
	}
	info := ds(sig, "SignedInfo")
	ds(info, "CanonicalizationMethod").CreateAttr("Algorithm", algExclusive)
	ds(info, "SignatureMethod").CreateAttr("Algorithm", method.signature)
	ref := ds(info, "Reference")
	ref.CreateAttr("URI", "#"+id)
	transforms := ds(ref, "Transforms")
	ds(transforms, "Transform").CreateAttr("Algorithm", algEnveloped)
	c14n := ds(transforms, "Transform")
	c14n.CreateAttr("Algorithm", algExclusive)
	if m.d.inclusive != "" {
		inc := c14n.CreateElement("ec:InclusiveNamespaces")
		inc.CreateAttr("xmlns:ec", algExclusive)
		inc.CreateAttr("PrefixList", m.d.inclusive)
	}
	ds(ref, "DigestMethod").CreateAttr("Algorithm", method.digest)
	ds(ref, "DigestValue").SetText(base64.StdEncoding.EncodeToString(digest))
	return info
}

// keyInfo names the key the receiver should expect, in the dialect's form.
func (m *samlMaker) keyInfo(sig *etree.Element) error {
	form := m.d.keyInfo
	if m.f.has(RSAKeyValue) {
		form = "rsa"
	}
	if m.f.has(NoKeyInfo) || form == "none" {
		return nil
	}
	ds := func(parent *etree.Element, local string) *etree.Element {
		return parent.CreateElement(qname(m.d.ds, local))
	}
	info := ds(sig, "KeyInfo")
	pub, isRSA := m.key.Signer.Public().(*rsa.PublicKey)
	if form == "rsa" && isRSA {
		value := ds(ds(info, "KeyValue"), "RSAKeyValue")
		ds(value, "Modulus").SetText(base64.StdEncoding.EncodeToString(pub.N.Bytes()))
		ds(value, "Exponent").SetText(base64.StdEncoding.EncodeToString(big.NewInt(int64(pub.E)).Bytes()))
		return nil
	}
	if form == "keyname" {
		ds(info, "KeyName").SetText(m.key.ID)
	}
	cert := m.key.Cert
	now := m.t.sim.now()
	var err error
	switch {
	case m.f.has(ExpiredCertificate):
		cert, err = m.t.certificate(m.key.Signer, KeyOptions{NotBefore: now.AddDate(-2, 0, 0), NotAfter: now.AddDate(-1, 0, 0)})
	case m.f.has(RenewedCertificate):
		cert, err = m.t.certificate(m.key.Signer, KeyOptions{NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(5, 0, 0)})
	}
	if err != nil {
		return err
	}
	data := ds(info, "X509Data")
	if form == "x509-subject" {
		ds(data, "X509SubjectName").SetText(cert.Subject.String())
	}
	text := base64.StdEncoding.EncodeToString(cert.Raw)
	if m.d.wrap {
		text = wrap76(text, "\n")
	}
	ds(data, "X509Certificate").SetText(text)
	return nil
}

// canonicalHash is the digest of el's exclusive canonical form in its place in the document.
func canonicalHash(el *etree.Element, inclusive string, hash crypto.Hash) ([]byte, error) {
	out, err := dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList(inclusive).Canonicalize(withContext(el))
	if err != nil {
		return nil, fmt.Errorf("sim: canonicalising %s: %w", el.Tag, err)
	}
	h := hash.New()
	h.Write(out)
	return h.Sum(nil), nil
}

// withContext copies el and gives the copy the namespace declarations of its ancestors.
func withContext(el *etree.Element) *etree.Element {
	c := el.Copy()
	have := map[string]bool{}
	declared := func(a etree.Attr) bool { return a.Space == "xmlns" || a.Space == "" && a.Key == "xmlns" }
	for _, a := range c.Attr {
		if declared(a) {
			have[a.FullKey()] = true
		}
	}
	for p := el.Parent(); p != nil; p = p.Parent() {
		for _, a := range p.Attr {
			if declared(a) && !have[a.FullKey()] {
				have[a.FullKey()] = true
				c.CreateAttr(a.FullKey(), a.Value)
			}
		}
	}
	return c
}

// rawSignature signs a digest; ECDSA as the two numbers side by side (RFC 4050, XML signature 1.1 §6.4.3).
func rawSignature(k crypto.Signer, sum []byte, hash crypto.Hash) ([]byte, error) {
	der, err := k.Sign(rand.Reader, sum, hash)
	if err != nil {
		return nil, fmt.Errorf("sim: signing: %w", err)
	}
	pub, isEC := k.Public().(*ecdsa.PublicKey)
	if !isEC {
		return der, nil
	}
	var rs struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &rs); err != nil {
		return nil, fmt.Errorf("sim: signing: %w", err)
	}
	size := (pub.Curve.Params().BitSize + 7) / 8
	out := make([]byte, 2*size)
	rs.R.FillBytes(out[:size])
	rs.S.FillBytes(out[size:])
	return out, nil
}

func childByTag(el *etree.Element, local string) *etree.Element {
	for _, c := range el.ChildElements() {
		if strings.EqualFold(c.Tag, local) {
			return c
		}
	}
	return nil
}
