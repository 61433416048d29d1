package store

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"io"
	"strings"
	"sync"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	tinkpb "github.com/tink-crypto/tink-go/v2/proto/tink_go_proto"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// A Keyring seals secrets with its primary key and opens with any of its keys: a Tink keyset of
// AES-256-GCM keys. It is safe for concurrent use.
type Keyring struct {
	mu     sync.RWMutex
	handle *keyset.Handle
	aead   tink.AEAD
}

// NewKeyring makes a keyring with one fresh key.
func NewKeyring() (*Keyring, error) {
	h, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, err
	}
	return keyringOf(h)
}

// ReadKeyring reads what Write wrote.
func ReadKeyring(r io.Reader) (*Keyring, error) {
	h, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(r))
	if err != nil {
		return nil, account.Errorf(account.Invalid, "The keyring file does not read.").
			Fix("Expected the JSON keyset that drawbridge init wrote. Restore it from its backup.").Because(err)
	}
	return keyringOf(h)
}

func keyringOf(h *keyset.Handle) (*Keyring, error) {
	k := new(Keyring)
	return k, k.set(h)
}

func (k *Keyring) set(h *keyset.Handle) error {
	a, err := aead.New(h)
	if err != nil {
		return account.Errorf(account.Invalid, "The keyring holds no usable AES-GCM keys.").Because(err)
	}
	k.mu.Lock()
	k.handle, k.aead = h, a
	k.mu.Unlock()
	return nil
}

// Write writes the keys in the clear, as a JSON keyset, for a file of mode 0600 outside the database.
func (k *Keyring) Write(w io.Writer) error {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return insecurecleartextkeyset.Write(k.handle, keyset.NewJSONWriter(w))
}

// Rotate adds a fresh primary key; the old ones still open.
func (k *Keyring) Rotate() error {
	return k.change(func(m *keyset.Manager) error {
		id, err := m.Add(aead.AES256GCMKeyTemplate())
		if err != nil {
			return err
		}
		return m.SetPrimary(id)
	})
}

// Forget drops all keys but the primary one. Call it after Reseal has answered.
func (k *Keyring) Forget() error {
	info := k.info()
	return k.change(func(m *keyset.Manager) error {
		for _, key := range info.GetKeyInfo() {
			if id := key.GetKeyId(); id != info.GetPrimaryKeyId() {
				if err := m.Delete(id); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (k *Keyring) change(do func(*keyset.Manager) error) error {
	k.mu.RLock()
	m := keyset.NewManagerFromHandle(k.handle)
	k.mu.RUnlock()
	if err := do(m); err != nil {
		return err
	}
	h, err := m.Handle()
	if err != nil {
		return err
	}
	return k.set(h)
}

func (k *Keyring) info() *tinkpb.KeysetInfo {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.handle.KeysetInfo()
}

// sealContext is the associated data of a sealed value. Its parts come from identifiers and column names,
// none of which contains a zero byte.
func sealContext(parts ...string) []byte { return []byte(strings.Join(parts, "\x00")) }

// seal seals plain for the place that parts name; it opens nowhere else.
func (k *Keyring) seal(plain account.Secret, parts ...string) ([]byte, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.aead.Encrypt([]byte(plain.Reveal()), sealContext(parts...))
}

// open opens what was sealed for that place. Nothing sealed gives the zero secret.
func (k *Keyring) open(sealed []byte, parts ...string) (account.Secret, error) {
	if len(sealed) == 0 {
		return account.Secret{}, nil
	}
	k.mu.RLock()
	defer k.mu.RUnlock()
	plain, err := k.aead.Decrypt(sealed, sealContext(parts...))
	if err != nil {
		return account.Secret{}, account.Errorf(account.Unavailable, "The keyring does not open %s.", strings.Join(parts, " ")).
			Fix("It was sealed with a key that this keyring lacks, or moved from another row. Restore the keyring file.").Because(err)
	}
	return account.NewSecret(string(plain)), nil
}

// current reports whether a value is sealed under the primary key. Tink's wire format begins with a
// version byte and the key's id, big-endian.
func (k *Keyring) current(sealed []byte) bool {
	prefix := binary.BigEndian.AppendUint32([]byte{1}, k.info().GetPrimaryKeyId())
	return bytes.HasPrefix(sealed, prefix)
}

const (
	checkName = "keyring_check"
	checkText = "drawbridge"
)

// checkKeyring opens the value that was sealed when the database was made.
func (l *Ledger) checkKeyring(ctx context.Context) error {
	var text string
	var found bool
	err := l.db.Read(ctx, func(tx *table.Tx) (err error) {
		text, found, err = tx.Meta(checkName)
		return err
	})
	if err != nil {
		return err
	}
	if found {
		return l.opensCheck(text)
	}
	return l.db.Write(ctx, func(tx *table.Tx) error {
		text, found, err := tx.Meta(checkName) // another replica may have been faster
		if err != nil {
			return err
		}
		if found {
			return l.opensCheck(text)
		}
		return l.putCheck(tx)
	})
}

func (l *Ledger) opensCheck(text string) error {
	sealed, err := base64.StdEncoding.DecodeString(text)
	if err == nil {
		_, err = l.opt.Keyring.open(sealed, "meta", checkName)
	}
	if err != nil {
		return account.Errorf(account.Unavailable, "The keyring does not belong to this database.").Coded("keyring_mismatch").
			Fix("Expected the keyring file that was in use when this database was last written. Restore it from its backup; without it, every client secret has to be entered anew.").Because(err)
	}
	return nil
}

func (l *Ledger) putCheck(tx *table.Tx) error {
	sealed, err := l.opt.Keyring.seal(account.NewSecret(checkText), "meta", checkName)
	if err != nil {
		return err
	}
	return tx.PutMeta(checkName, base64.StdEncoding.EncodeToString(sealed))
}
