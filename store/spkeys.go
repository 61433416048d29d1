package store

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"slices"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

const spKeyPrefix = "sp_key/"

// newSPKey makes a key pair with a self-signed certificate. Providers take the key and do not look at who
// signed it; ten years keep the certificate from running out before the key is replaced.
func newSPKey(now time.Time) (account.SPKey, error) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return account.SPKey{}, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return account.SPKey{}, err
	}
	template := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: "Drawbridge service provider"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(10, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return account.SPKey{}, err
	}
	key, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return account.SPKey{}, err
	}
	return account.SPKey{
		ID:          spKeyID(der),
		Certificate: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		Private:     account.NewSecret(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))),
		CreatedAt:   now,
	}, nil
}

// spKeyID names a key after its certificate, so that the same pair has the same id wherever it is entered.
func spKeyID(der []byte) string {
	sum := sha256.Sum256(der)
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

// checkSPKey reads a key pair that was made elsewhere and gives it its id.
func checkSPKey(k account.SPKey) (account.SPKey, error) {
	cert, err := account.ParseCertificate(k.Certificate)
	if err != nil {
		return k, err
	}
	bad := account.Errorf(account.Invalid, "Expected the private key of the certificate as PKCS #8 PEM.").At("/private").Fix("openssl pkcs8 -topk8 -nocrypt writes it.")
	block, _ := pem.Decode([]byte(k.Private.Reveal()))
	if block == nil {
		return k, bad
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return k, bad // the cause could quote the key
	}
	private, ok := parsed.(*rsa.PrivateKey)
	if !ok || private.N.BitLen() < 2048 {
		return k, account.Errorf(account.Invalid, "Expected an RSA key of at least 2,048 bits: identity providers encrypt to nothing else.").At("/private")
	}
	if !private.PublicKey.Equal(cert.PublicKey) {
		return k, bad
	}
	k.ID, k.Certificate = spKeyID(cert.Raw), account.PEM(cert)
	return k, nil
}

func (l *Ledger) addSPKey(h *hand, c *table.Connection, k account.SPKey) error {
	if err := h.InsertSPKey(c.Account, c.ID, k); err != nil {
		return err
	}
	return l.putSecret(h, c, spKeyPrefix+k.ID, k.Private)
}

// SPKeys are our key pairs for a connection with their private halves, the active one first, for the doors.
func (l *Ledger) SPKeys(ctx context.Context, id account.ConnectionID) ([]account.SPKey, error) {
	var keys []account.SPKey
	err := l.db.Read(ctx, func(tx *table.Tx) error {
		c, found, err := tx.Outline(id)
		if err != nil {
			return err
		}
		if !found {
			return noConnection()
		}
		if keys, err = tx.SPKeys(c.Account, id); err != nil {
			return err
		}
		sealed, err := tx.Secrets(c.Account, string(id), spKeyPrefix)
		if err != nil {
			return err
		}
		for i, k := range keys {
			name := spKeyPrefix + k.ID
			if keys[i].Private, err = l.opt.Keyring.open(sealed[name], string(c.Account), string(id), name); err != nil {
				return err
			}
		}
		return nil
	})
	return keys, err
}

// RotateSPKey adds a second key pair; the old one still signs. A zero k has one made. Adding a pair that is there
// changes nothing. Its id is given back, for the next two. At most three exist at a time. Owners and the operator may.
func (l *Ledger) RotateSPKey(ctx context.Context, by account.Actor, id account.ConnectionID, k account.SPKey) (string, error) {
	var err error
	if k.Certificate == "" && k.Private.IsZero() {
		k, err = l.newKey(l.now())
	} else {
		k, err = checkSPKey(k)
	}
	if err != nil {
		return "", err
	}
	return k.ID, l.changeConnection(ctx, by, id, "sp_key.added", owners, func(h *hand, c *table.Connection) (*note, error) {
		keys, err := h.SPKeys(c.Account, id)
		if err != nil || slices.ContainsFunc(keys, func(o account.SPKey) bool { return o.ID == k.ID }) {
			return nil, err
		}
		if len(keys) >= 3 {
			return nil, account.Errorf(account.Conflict, "Connection %q has %d key pairs already.", c.Name, len(keys)).Coded("key_limit").Fix("Drop one that the provider no longer uses.")
		}
		k.Active, k.CreatedAt = len(keys) == 0, h.now
		return &note{Target: string(id), Detail: map[string]any{"key": k.ID}}, l.addSPKey(h, c, k)
	})
}

// ActivateSPKey makes one the key that signs.
func (l *Ledger) ActivateSPKey(ctx context.Context, by account.Actor, id account.ConnectionID, key string) error {
	return l.changeSPKey(ctx, by, id, key, "sp_key.activated", func(h *hand, c *table.Connection, k account.SPKey) (*note, error) {
		if k.Active {
			return nil, nil
		}
		return &note{Target: string(id), Detail: map[string]any{"key": key}}, h.ActivateSPKey(c.Account, id, key)
	})
}

// DropSPKey removes one that is not active.
func (l *Ledger) DropSPKey(ctx context.Context, by account.Actor, id account.ConnectionID, key string) error {
	return l.changeSPKey(ctx, by, id, key, "sp_key.dropped", func(h *hand, c *table.Connection, k account.SPKey) (*note, error) {
		if k.Active {
			return nil, account.Errorf(account.Conflict, "This key pair signs.").Coded("key_active").Fix("Activate another one first.")
		}
		if err := h.DeleteSPKey(c.Account, id, key); err != nil {
			return nil, err
		}
		return &note{Target: string(id), Detail: map[string]any{"key": key}}, h.DropSecrets(c.Account, string(id), spKeyPrefix+key)
	})
}

func (l *Ledger) changeSPKey(ctx context.Context, by account.Actor, id account.ConnectionID, key, verb string,
	do func(*hand, *table.Connection, account.SPKey) (*note, error)) error {
	return l.changeConnection(ctx, by, id, verb, owners, func(h *hand, c *table.Connection) (*note, error) {
		keys, err := h.SPKeys(c.Account, id)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(keys, func(k account.SPKey) bool { return k.ID == key })
		if i < 0 {
			return nil, account.Errorf(account.Conflict, "Connection %q has no key pair %q.", c.Name, key).Coded("no_key")
		}
		return do(h, c, keys[i])
	})
}
