// Package audit makes an audit log tell when it was tampered with (AUD-2): lines are sealed in blocks, each block's hash goes on from
// the one before, and each is signed with a key that is not in the database. An export holds what it takes to check it anywhere.
package audit

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// A Seal closes a block of lines of one account.
type Seal struct {
	Account   account.AccountID `json:"account"`
	Block     int64             `json:"block"` // from 1, without gaps
	Lines     int               `json:"lines"`
	Hash      Hex               `json:"hash"` // SHA-256; see Block
	At        time.Time         `json:"at"`   // microseconds
	Signature Hex               `json:"signature"`
}

// Hex is bytes that are written as hexadecimal digits.
type Hex []byte

// MarshalText writes them.
func (h Hex) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h), nil }

// UnmarshalText reads them.
func (h *Hex) UnmarshalText(text []byte) (err error) {
	*h, err = hex.AppendDecode(nil, text)
	return err
}

// A Block works out the hash of the lines of one block: SHA-256 over the hash of the block before, the account, the number, and the
// SHA-256 of each line in the order of their identifiers.
type Block struct {
	account account.AccountID
	number  int64
	lines   int
	sum     hash.Hash
}

// Begin starts the block after one whose hash is before; nil for the first.
func Begin(a account.AccountID, number int64, before []byte) *Block {
	b := &Block{account: a, number: number, sum: sha256.New()}
	fmt.Fprintf(b.sum, "drawbridge audit block v1\n%s\n%d\n%x\n", a, number, before)
	return b
}

// Add takes one line, as it is exported.
func (b *Block) Add(line []byte) {
	b.lines++
	one := sha256.Sum256(line)
	b.sum.Write(one[:])
}

// Close signs the block.
func (b *Block) Close(at time.Time, key ed25519.PrivateKey) Seal {
	s := Seal{Account: b.account, Block: b.number, Lines: b.lines, Hash: b.sum.Sum(nil), At: at.UTC().Truncate(time.Microsecond)}
	s.Signature = ed25519.Sign(key, s.signed())
	return s
}

func (s Seal) signed() []byte {
	b := fmt.Appendf(nil, "drawbridge audit seal v1\n%s\n%d\n%d\n%x\n", s.Account, s.Block, s.Lines, s.Hash)
	return binary.BigEndian.AppendUint64(b, uint64(s.At.UnixMicro()))
}

// KeyID names a public key by its digest.
func KeyID(k ed25519.PublicKey) string {
	sum := sha256.Sum256(k)
	return fmt.Sprintf("%x", sum[:8])
}

// A Record is one line of an export, a JSON object with one of these members: first the key, then per block its lines and its seal, last
// the lines that no block holds yet.
type Record struct {
	Key   Hex             `json:"key,omitempty"` // Ed25519 public key
	Block int64           `json:"block,omitempty"`
	Line  json.RawMessage `json:"line,omitempty"`
	Seal  *Seal           `json:"seal,omitempty"`
}

// A Report is what checking an export found.
type Report struct {
	Account account.AccountID
	Key     string // KeyID of the key it is signed with
	Blocks  int64
	Lines   int
	Open    int    // lines that are not sealed yet
	Hash    []byte // of the last block: keep it elsewhere, and a shorter log can be told
	Last    time.Time
}

const longestLine = 4 << 20

// Verify checks an export from its first line to its last: no line of a block was changed, added or removed, no block is missing between
// two others, and each was signed by the key. A cut at the end shows in Report.Blocks and Report.Hash. key pins the public key that is
// expected, by its KeyID; with "" the one in the export is believed.
func Verify(r io.Reader, key string) (Report, error) {
	var out Report
	var public ed25519.PublicKey
	var before []byte
	var block *Block
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 64<<10), longestLine)
	for n := 1; in.Scan(); n++ {
		wrong := func(format string, args ...any) (Report, error) {
			return out, account.Errorf(account.Invalid, "Line %d of the export: %s", n, fmt.Sprintf(format, args...))
		}
		if len(bytes.TrimSpace(in.Bytes())) == 0 {
			continue
		}
		var rec Record
		strict := json.NewDecoder(bytes.NewReader(in.Bytes()))
		strict.DisallowUnknownFields()
		if err := strict.Decode(&rec); err != nil || strict.More() {
			return wrong("it is no JSON object of an export.")
		}
		switch {
		case rec.Key != nil:
			if public != nil || len(rec.Key) != ed25519.PublicKeySize {
				return wrong("expected one Ed25519 public key, on the first line.")
			}
			public = ed25519.PublicKey(rec.Key)
			if out.Key = KeyID(public); key != "" && key != out.Key {
				return wrong("it is signed with the key %s, and %s is expected.", out.Key, key)
			}
		case public == nil:
			return wrong("the first line is not the public key.")
		case rec.Line != nil && rec.Block == 0:
			out.Open++
		case rec.Line != nil:
			if rec.Block != out.Blocks+1 {
				return wrong("it belongs to block %d, and block %d comes next.", rec.Block, out.Blocks+1)
			}
			if block == nil {
				var about struct{ Account account.AccountID }
				if err := json.Unmarshal(rec.Line, &about); err != nil {
					return wrong("its line does not read.")
				}
				block = Begin(about.Account, rec.Block, before)
			}
			block.Add(rec.Line)
		case rec.Seal != nil:
			s := *rec.Seal
			if block == nil || s.Block != block.number {
				return wrong("the seal of block %d closes no block.", s.Block)
			}
			if out.Blocks > 0 && s.Account != out.Account || s.Account != block.account {
				return wrong("the seal is one of another account.")
			}
			if s.Lines != block.lines || !bytes.Equal(s.Hash, block.sum.Sum(nil)) {
				return wrong("block %d is not what was sealed: a line in it was changed, added or removed, or a block before it.", s.Block)
			}
			if !ed25519.Verify(public, s.signed(), s.Signature) {
				return wrong("the seal of block %d is not signed by the key %s.", s.Block, out.Key)
			}
			out.Account, out.Blocks, out.Lines, out.Hash, out.Last = s.Account, s.Block, out.Lines+s.Lines, s.Hash, s.At
			before, block = s.Hash, nil
		default:
			return wrong("it is neither key, line nor seal.")
		}
	}
	if err := in.Err(); err != nil {
		return out, account.Errorf(account.Invalid, "The export does not read.").Because(err)
	}
	if block != nil {
		return out, account.Errorf(account.Invalid, "The export ends within block %d, without its seal.", block.number)
	}
	if public == nil {
		return out, account.Errorf(account.Invalid, "The export is empty.")
	}
	return out, nil
}

// Write writes one record.
func (r Record) Write(w io.Writer) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = w.Write(append(text, '\n'))
	return err
}
