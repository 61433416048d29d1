package account

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Link is what is known of a one-time link that went out in a letter. Whoever holds its token may use it once, until it runs out; sending
// it again makes another token, and the one before is nothing any more.
type Link struct {
	State    LinkState     // LinkPending, LinkAccepted or LinkRevoked; see At for the fourth
	Validity time.Duration // how long each sending is good for
	Until    time.Time     // when this sending runs out
}

// LinkState is what became of a one-time link.
type LinkState string

// The states of a link.
const (
	LinkPending  LinkState = "pending"
	LinkAccepted LinkState = "accepted" // used up
	LinkRevoked  LinkState = "revoked"  // taken back
	LinkExpired  LinkState = "expired"  // pending, and too late; by the clock and not kept
)

// At is the state at an instant: a pending link has expired from Until on.
func (k Link) At(now time.Time) LinkState {
	if k.State == LinkPending && !now.Before(k.Until) {
		return LinkExpired
	}
	return k.State
}

// How long letters with a link to accept may be good for: invitations of people and of external groups alike (T-11).
const (
	LeastLinkLength = time.Hour
	MostLinkLength  = 30 * 24 * time.Hour
)

var lengthUnits = map[string]time.Duration{"m": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour, "mo": 30 * 24 * time.Hour}

// ParseLength reads how long something lasts: a whole number of m, h, d, w or mo (30 days), for instance "6h", "14d" or "1mo"; empty is 0.
func ParseLength(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	digits := len(s) - len(strings.TrimLeft(s, "0123456789"))
	n, err := strconv.Atoi(s[:digits])
	unit := lengthUnits[s[digits:]]
	if err != nil || unit == 0 || n > int(10*365*24*time.Hour/unit) {
		return 0, Errorf(Invalid, "Expected a length of time such as 6h, 14d or 1mo, received %q.", clip(s, 40)).Coded("bad_expiry").At("/expires_in").Fix("Use a whole number of m, h, d, w or mo.")
	}
	return time.Duration(n) * unit, nil
}

// PlainLength says how long something lasts, for people: "6 hours", "1 day", "90 minutes".
func PlainLength(d time.Duration) string {
	n, word := int64(d/time.Minute), "minute"
	switch {
	case d >= 24*time.Hour && d%(24*time.Hour) == 0:
		n, word = int64(d/(24*time.Hour)), "day"
	case d >= time.Hour && d%time.Hour == 0:
		n, word = int64(d/time.Hour), "hour"
	}
	if n != 1 {
		word += "s"
	}
	return fmt.Sprintf("%d %s", n, word)
}
