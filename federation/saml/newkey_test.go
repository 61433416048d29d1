package saml

import (
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"io"
	"math/big"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// NewKey makes an RSA-2048 key (it signs and opens encrypted assertions) with a certificate signed by
// itself, ten years from now. It errs when random does.
func NewKey(random io.Reader, now time.Time, cn string) (account.SPKey, error) {
	private, err := rsa.GenerateKey(random, 2048)
	if err != nil {
		return account.SPKey{}, err
	}
	serial := make([]byte, 16)
	if _, err := io.ReadFull(random, serial); err != nil {
		return account.SPKey{}, err
	}
	serial[0] = serial[0]&0x7f | 0x01 // positive and of full length (RFC 5280 §4.1.2.2)
	template := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial),
		Subject:      pkix.Name{CommonName: cn},
		NotBefore:    now.Add(-time.Hour).UTC(),
		NotAfter:     now.AddDate(10, 0, 0).UTC(),
		KeyUsage:     x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
	}
	der, err := x509.CreateCertificate(random, template, template, private.Public(), private)
	if err != nil {
		return account.SPKey{}, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return account.SPKey{}, err
	}
	id := sha256.Sum256(der)
	return account.SPKey{
		ID:          hex.EncodeToString(id[:8]),
		Certificate: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		Private:     account.NewSecret(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))),
		Active:      true,
		CreatedAt:   now,
	}, nil
}
