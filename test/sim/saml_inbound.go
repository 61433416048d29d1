package sim

import (
	"bytes"
	"compress/flate"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"strings"

	"github.com/beevik/etree"
	"github.com/crewjam/saml"
	dsig "github.com/russellhaering/goxmldsig"
)

// What a service provider may send us.
const (
	maxRequestXML      = 64 << 10
	maxRequestElements = 300
	maxRequestDepth    = 16
)

// An inbound is a SAML message from a service provider, unpacked.
type inbound struct {
	raw        []byte
	parameter  string // "SAMLRequest" or "SAMLResponse"
	relayState string
	query      url.Values // of the redirect binding; nil for POST
	rawQuery   string
}

// readSAML takes a message out of a request in either binding (SAML bindings §3.4, §3.5).
func readSAML(r *http.Request) (inbound, error) {
	var in inbound
	values := r.URL.Query()
	if r.Method == http.MethodPost {
		if err := r.ParseForm(); err != nil {
			return in, fmt.Errorf("the form cannot be read: %w", err)
		}
		values = r.PostForm
	} else {
		in.query, in.rawQuery = values, r.URL.RawQuery
	}
	in.parameter = "SAMLRequest"
	if values.Has("SAMLResponse") {
		in.parameter = "SAMLResponse"
	}
	packed := spaces.ReplaceAllString(values.Get(in.parameter), "")
	if packed == "" {
		return in, errors.New("there is no SAMLRequest")
	}
	raw, err := base64.StdEncoding.DecodeString(packed)
	if err != nil {
		return in, fmt.Errorf("%s is not base64: %w", in.parameter, err)
	}
	if in.query != nil {
		if raw, err = io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(raw)), maxRequestXML+1)); err != nil {
			return in, fmt.Errorf("%s is not deflated: %w", in.parameter, err)
		}
	}
	in.raw, in.relayState = raw, values.Get("RelayState")
	return in, bounded(raw)
}

// bounded walks the raw tokens before anything builds a tree of them.
func bounded(raw []byte) error {
	if len(raw) > maxRequestXML {
		return fmt.Errorf("the message is larger than %d bytes", maxRequestXML)
	}
	d := xml.NewDecoder(bytes.NewReader(raw))
	depth, elements := 0, 0
	for {
		tok, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("the message is not XML: %w", err)
		}
		switch tok.(type) {
		case xml.StartElement:
			depth++
			elements++
		case xml.EndElement:
			depth--
		case xml.Directive:
			return errors.New("the message has a DOCTYPE")
		}
		if depth > maxRequestDepth || elements > maxRequestElements {
			return errors.New("the message is too deep or too long")
		}
	}
	if elements == 0 || depth != 0 {
		return errors.New("the message is not XML")
	}
	return nil
}

// authnRequest is what we use of an AuthnRequest (SAML core §3.4.1).
func (in inbound) authnRequest() (saml.AuthnRequest, error) {
	var req saml.AuthnRequest
	if err := xml.Unmarshal(in.raw, &req); err != nil {
		return req, fmt.Errorf("not an AuthnRequest: %w", err)
	}
	if req.ID == "" || req.Issuer == nil || req.Version != "2.0" {
		return req, errors.New("an AuthnRequest needs ID, Issuer and Version 2.0")
	}
	return req, nil
}

func (in inbound) logoutRequest() (saml.LogoutRequest, error) {
	var req saml.LogoutRequest
	if err := xml.Unmarshal(in.raw, &req); err != nil {
		return req, fmt.Errorf("not a LogoutRequest: %w", err)
	}
	if req.ID == "" || req.Issuer == nil || req.NameID == nil || req.Version != "2.0" {
		return req, errors.New("a LogoutRequest needs ID, Issuer, NameID and Version 2.0")
	}
	return req, nil
}

// signed says whether the message carries a signature at all.
func (in inbound) signed() bool {
	if in.query != nil {
		return in.query.Has("Signature")
	}
	doc := etree.NewDocument()
	return doc.ReadFromBytes(in.raw) == nil && doc.Root() != nil && childByTag(doc.Root(), "Signature") != nil
}

// verify checks the signature against any of the certificates an application registered.
func (in inbound) verify(certificates []string) error {
	var last error = errors.New("no certificate is registered for this application")
	for _, text := range certificates {
		cert, err := parseCertificate(text)
		if err != nil {
			return err
		}
		if in.query != nil {
			last = in.verifyQuery(cert)
		} else {
			last = in.verifyXML(cert)
		}
		if last == nil {
			return nil
		}
	}
	return last
}

// verifyQuery checks the redirect binding's signature over the query as it was sent.
func (in inbound) verifyQuery(cert *x509.Certificate) error {
	var signed []string
	for _, name := range []string{in.parameter, "RelayState", "SigAlg"} {
		for _, pair := range strings.Split(in.rawQuery, "&") {
			if strings.HasPrefix(pair, name+"=") {
				signed = append(signed, pair)
			}
		}
	}
	sig, err := base64.StdEncoding.DecodeString(spaces.ReplaceAllString(in.query.Get("Signature"), ""))
	if err != nil {
		return fmt.Errorf("the signature is not base64: %w", err)
	}
	h := crypto.SHA256.New()
	h.Write([]byte(strings.Join(signed, "&")))
	sum := h.Sum(nil)
	switch pub := cert.PublicKey.(type) {
	case *rsa.PublicKey:
		if in.query.Get("SigAlg") != rsaSHA256.signature {
			return fmt.Errorf("signature algorithm %q is not one we take", in.query.Get("SigAlg"))
		}
		return rsa.VerifyPKCS1v15(pub, crypto.SHA256, sum, sig)
	case *ecdsa.PublicKey:
		half := len(sig) / 2
		if in.query.Get("SigAlg") == ecdsaSHA256.signature && half > 0 &&
			ecdsa.Verify(pub, sum, new(big.Int).SetBytes(sig[:half]), new(big.Int).SetBytes(sig[half:])) {
			return nil
		}
		return errors.New("the signature does not verify")
	}
	return errors.New("the certificate's key is neither RSA nor ECDSA")
}

func (in inbound) verifyXML(cert *x509.Certificate) error {
	doc := etree.NewDocument()
	if err := doc.ReadFromBytes(in.raw); err != nil {
		return err
	}
	v := dsig.NewDefaultValidationContext(&dsig.MemoryX509CertificateStore{Roots: []*x509.Certificate{cert}})
	// A certificate carries a key here and nothing else; its dates are the application's affair.
	v.Clock = dsig.NewFakeClockAt(cert.NotBefore)
	_, err := v.Validate(doc.Root())
	return err
}
