package store

import (
	"context"
	"encoding/hex"
	"net/netip"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// A bucket is how often something may be tried: burst times at once, and once more after every.
type bucket struct {
	what  string
	every time.Duration
	burst int
}

// What strangers may try. All are counted whether or not anybody has the address, so that nobody learns it from them, and by one address
// and network together first, so that whoever tries in vain from one place locks nobody out elsewhere.
var (
	passwordsHere    = bucket{"password here", time.Minute, 10}       // of one address from one network
	passwordsOf      = bucket{"password", 30 * time.Second, 100}      // of one address
	passwordsFrom    = bucket{"passwords from", 2 * time.Second, 200} // from one network
	lettersTo        = bucket{"letters to", 10 * time.Minute, 6}      // that somebody has us send to one address
	lettersFrom      = bucket{"letters from", 30 * time.Second, 60}   // from one network
	codesFor         = bucket{"codes for", 5 * time.Minute, 30}       // to verify one address with
	recoveriesFrom   = bucket{"recoveries from", 6 * time.Minute, 10} // emergency access, asked for from one network
	recoveriesOf     = bucket{"recoveries of", 20 * time.Minute, 3}   // emergency access to one account
	codeTriesAtMost  = 5                                              // of one letter
	codeLettersMost  = 5                                              // of one sign-up
	factorTriesMost  = 5                                              // of one half sign-in
	resetKept        = 7 * 24 * time.Hour                             // so long a link that has run out says so
	signUpValidity   = time.Hour                                      // of a code and a link
	firstTabValidity = 15 * time.Minute                               // how long the first tab may take up what a link has verified
	resetValidity    = time.Hour
	halfValidity     = 10 * time.Minute
)

// What people may try who are signed in, and what is tried at something of theirs.
var (
	guessesBy       = bucket{"guesses by", 3 * time.Minute, 30}         // codes and numbers that nobody knows; people mistype, and a serial number can be short
	factorsOf       = bucket{"factors of", 90 * time.Second, 10}        // codes of one person's second factor, right ones included
	recoveryLetters = bucket{"recovery letters", 144 * time.Minute, 10} // that the owners of one account send to its recovery e-mail
	contactsBy      = bucket{"contacts by", 12 * time.Minute, 5}        // letters of one person to the owners of their orgs
	nativesTold     = bucket{"natives told", 24 * time.Hour, 1}         // of one domain
)

// A knock is one try counted in one bucket.
type knock struct {
	bucket
	whom string
}

func digested16(s string) string { return hex.EncodeToString(digest(s)[:16]) }

// address counts for an e-mail address, which is kept as a digest: most of them are nobody's.
func (b bucket) address(email string) knock { return knock{b, digested16(email)} }

// network counts for what one subscriber holds: an IPv4 address, or 64 bits of IPv6.
func (b bucket) network(ip string) knock { return knock{b, digested16(networkOf(ip))} }

// both counts for an address from a network.
func (b bucket) both(email, ip string) knock {
	return knock{b, digested16(email + "\x00" + networkOf(ip))}
}

func networkOf(ip string) string {
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return ip
	}
	return account.Network(a.Unmap()).String()
}

// of counts for something that has an id.
func of[ID ~string](b bucket, id ID) knock { return knock{b, string(id)} }

// pour counts n at once; it is false, and counts none, when the bucket is full.
func (k knock) pour(tx *table.Tx, n int, now time.Time) (bool, error) {
	return tx.Attempt(k.what, k.whom, k.every, k.burst, n, now)
}

// attempt counts a try in each bucket before it is made, so that whoever hangs up has used it. TooMany with code too_many_attempts when one
// of them is full.
func (l *Ledger) attempt(ctx context.Context, knocks ...knock) error {
	now := l.now()
	return l.db.Write(ctx, func(tx *table.Tx) error { return attempt(tx, now, knocks...) })
}

func attempt(tx *table.Tx, now time.Time, knocks ...knock) error {
	for _, k := range knocks {
		room, err := k.pour(tx, 1, now)
		if err != nil {
			return err
		}
		if !room {
			return account.Errorf(account.TooMany, "This was tried too often.").Coded("too_many_attempts").Fix("Wait for %s, then try again.", account.PlainLength(max(k.every, time.Minute)))
		}
	}
	return nil
}
