// Package keys is how the credentials of scripts and providers are spelled: a prefix that says of which kind one is and by which
// secret scanners find it, 190 bits of chance, and a checksum, so that a mistyped one is refused without asking the database (N-49).
package keys

import (
	"encoding/base64"
	"hash/crc32"
	"io"
	"strings"
)

// A Kind is what a credential opens, by the prefix of its spelling.
type Kind string

// The kinds.
const (
	Personal  Kind = "dbp_" // a person's, for an org
	Service   Kind = "dbs_" // an org's own
	Legacy    Kind = "dbl_" // a person's, across orgs
	Directory Kind = "dbc_" // lets an identity provider push people through one connection
	Push      Kind = "dbe_" // lets a transmitter push security events into one stream
	Receive   Kind = "dbr_" // lets a receiver manage and read a stream of our security events
	Operator  Kind = "dbo_" // lets a program do the operator's work, and manage nobody's users
)

const (
	chance   = 32 // characters of 62: 190 bits
	checksum = 6
	base62   = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// Mint draws a credential: kind, 32 characters of chance, checksum over both. It panics when random fails, as crypto/rand.Reader
// never does.
func Mint(k Kind, random io.Reader) string {
	body := append(make([]byte, 0, len(k)+chance), k...)
	raw := make([]byte, 36)
	for len(body) < len(k)+chance {
		if _, err := io.ReadFull(random, raw); err != nil {
			panic("keys: no randomness: " + err.Error())
		}
		// Random bytes in base64: letters and digits are taken as they are, which keeps them equally likely.
		for _, b := range []byte(base64.RawURLEncoding.EncodeToString(raw)) {
			if strings.IndexByte(base62, b) >= 0 && len(body) < len(k)+chance {
				body = append(body, b)
			}
		}
	}
	return string(body) + sum(string(body))
}

// Parse says of which kind a credential is; ok is false for what cannot have been minted.
func Parse(s string) (k Kind, ok bool) {
	if len(s) != len(Personal)+chance+checksum {
		return "", false
	}
	body, check := s[:len(s)-checksum], s[len(s)-checksum:]
	k = Kind(s[:len(Personal)])
	switch k {
	case Personal, Service, Legacy, Directory, Push, Receive, Operator:
		return k, sum(body) == check
	}
	return "", false
}

// Is reports whether a credential is well spelled and of kind k.
func Is(k Kind, s string) bool {
	is, ok := Parse(s)
	return ok && is == k
}

// Last4 is the end of a credential, by which people tell theirs apart.
func Last4(s string) string { return s[max(0, len(s)-4):] }

func sum(body string) string {
	n := crc32.ChecksumIEEE([]byte(body))
	out := make([]byte, checksum)
	for i := range out {
		out[len(out)-1-i] = base62[n%62]
		n /= 62
	}
	return string(out)
}
