package saml

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base32"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
)

// An SP is our side of one connection. EntityID and ACS carry the connection's id, so that audience and
// recipient keep tenants apart.
type SP struct {
	EntityID string
	ACS      string // https URL at which responses arrive
	SLO      string // https URL of single logout; empty: none offered
	// Keys open what was encrypted for us, each of them; the first with Active set signs.
	Keys []account.SPKey
}

// NewRequestID makes an XML name from 160 random bits (SC §1.3.4 asks for at least 128). It panics when
// random fails, as crypto/rand.Reader never does.
func NewRequestID(random io.Reader) string {
	var b [20]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		panic("saml: no randomness: " + err.Error())
	}
	return "_" + strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))
}

func privateKey(k account.SPKey) (crypto.Signer, error) {
	block, _ := pem.Decode([]byte(k.Private.Reveal()))
	if block == nil {
		return nil, errors.New("saml: the private key is not PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("saml: the private key does not parse: %w", err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("saml: the private key cannot sign")
	}
	return signer, nil
}

// A signer is our signing key, ready.
type signer struct {
	key         crypto.Signer
	method      string // SignatureMethod
	certificate string // base64 DER
}

func (sp SP) signer() (signer, error) {
	for _, k := range sp.Keys {
		if !k.Active {
			continue
		}
		key, err := privateKey(k)
		if err != nil {
			return signer{}, err
		}
		s := signer{key: key}
		switch key.(type) {
		case *rsa.PrivateKey:
			s.method = algRSASHA256
		case *ecdsa.PrivateKey:
			s.method = algECDSASHA256
		default:
			return signer{}, errors.New("saml: the signing key is neither RSA nor ECDSA")
		}
		c, err := account.ParseCertificate(k.Certificate)
		if err != nil {
			return signer{}, err
		}
		s.certificate = base64.StdEncoding.EncodeToString(c.Raw)
		return s, nil
	}
	return signer{}, account.Errorf(account.Conflict, "This connection has no active key to sign with.").Coded("no_signing_key")
}

// sign gives the signature value of DS §6.4 over b, by SHA-256.
func (s signer) sign(b []byte) ([]byte, error) {
	digest := sha256.Sum256(b)
	private, ok := s.key.(*ecdsa.PrivateKey)
	if !ok {
		return s.key.Sign(rand.Reader, digest[:], crypto.SHA256)
	}
	r, t, err := ecdsa.Sign(rand.Reader, private, digest[:])
	if err != nil {
		return nil, err
	}
	size := (private.Params().N.BitLen() + 7) / 8
	value := make([]byte, 2*size)
	r.FillBytes(value[:size])
	t.FillBytes(value[size:])
	return value, nil
}

// seal signs a message of ours by an enveloped signature placed after its Issuer, where the schema
// wants it. The message is written in canonical form, so that what is sent is what was digested.
func (s signer) seal(message []byte) ([]byte, error) {
	d, f := parse(message, responseLimits, nil, nil)
	if f != nil {
		return nil, f
	}
	exclusive := c14n{exclusive: true}
	canonical, f := exclusive.write(d.root, nil)
	if f != nil {
		return nil, f
	}
	digest := sha256.Sum256(canonical)
	info := `<ds:SignedInfo xmlns:ds="` + nsDS + `"><ds:CanonicalizationMethod Algorithm="` + nsExcC + `"></ds:CanonicalizationMethod>` +
		`<ds:SignatureMethod Algorithm="` + s.method + `"></ds:SignatureMethod><ds:Reference URI="#` + d.root.attr("ID") + `"><ds:Transforms>` +
		`<ds:Transform Algorithm="` + transformEnveloped + `"></ds:Transform><ds:Transform Algorithm="` + nsExcC + `"></ds:Transform></ds:Transforms>` +
		`<ds:DigestMethod Algorithm="` + digestSHA256 + `"></ds:DigestMethod><ds:DigestValue>` + base64.StdEncoding.EncodeToString(digest[:]) +
		`</ds:DigestValue></ds:Reference></ds:SignedInfo>`
	value, err := s.sign([]byte(info))
	if err != nil {
		return nil, err
	}
	signature := `<ds:Signature xmlns:ds="` + nsDS + `">` + info + `<ds:SignatureValue>` + base64.StdEncoding.EncodeToString(value) +
		`</ds:SignatureValue><ds:KeyInfo><ds:X509Data><ds:X509Certificate>` + s.certificate + `</ds:X509Certificate></ds:X509Data></ds:KeyInfo></ds:Signature>`
	const end = "</saml:Issuer>" // escaped wherever it could stand in text
	before, after, found := strings.Cut(string(canonical), end)
	if !found {
		return nil, errors.New("saml: a message without an Issuer cannot be signed")
	}
	return []byte(before + end + signature + after), nil
}
