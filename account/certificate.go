package account

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"strings"
)

// ParseCertificate reads one X.509 certificate as administrators paste it: PEM, or base64 with any
// white space.
func ParseCertificate(text string) (*x509.Certificate, error) {
	der := []byte(nil)
	if block, _ := pem.Decode([]byte(strings.TrimSpace(text))); block != nil {
		if block.Type != "CERTIFICATE" {
			return nil, Errorf(Invalid, "Expected a CERTIFICATE, received a %s.", clip(block.Type, 40)).At("/certificates")
		}
		der = block.Bytes
	} else {
		var err error
		if der, err = base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), "")); err != nil {
			return nil, Errorf(Invalid, "Expected a certificate as PEM or base64.").At("/certificates").Because(err)
		}
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, Errorf(Invalid, "The certificate does not parse.").At("/certificates").Because(err)
	}
	return c, nil
}

// PEM writes a certificate as PEM.
func PEM(c *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
}

func parseCertificates(texts []string) (good []*x509.Certificate, bad []error) {
	for i, t := range texts {
		c, err := ParseCertificate(t)
		if err != nil {
			bad = append(bad, fmt.Errorf("certificate %d: %w", i+1, err))
			continue
		}
		good = append(good, c)
	}
	return good, bad
}
