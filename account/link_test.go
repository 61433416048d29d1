package account

import (
	"testing"
	"time"
)

// REQ T-11~
func TestALengthIsSpelledAsPeopleDo(t *testing.T) {
	const day = 24 * time.Hour
	for s, want := range map[string]time.Duration{"": 0, "1h": time.Hour, "90m": 90 * time.Minute, "14d": 14 * day, "2w": 14 * day, "1mo": 30 * day} {
		if got, err := ParseLength(s); got != want || err != nil {
			t.Errorf("%q is %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"h", "6", "-1h", "1.5h", "6H", "1mo1d", "99999999999999999999d", "1000000h", " 6h"} {
		if got, err := ParseLength(s); KindOf(err) != Invalid {
			t.Errorf("%q is %v, %v", s, got, err)
		}
	}
}

func TestALengthIsSaidAsPeopleDo(t *testing.T) {
	for d, want := range map[time.Duration]string{time.Hour: "1 hour", 6 * time.Hour: "6 hours", 24 * time.Hour: "1 day", 720 * time.Hour: "30 days", 90 * time.Minute: "90 minutes"} {
		if got := PlainLength(d); got != want {
			t.Errorf("%v is said %q", d, got)
		}
	}
}

func TestALinkExpiresByTheClock(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	k := Link{State: LinkPending, Validity: time.Hour, Until: now.Add(time.Hour)}
	for at, want := range map[time.Time]LinkState{now: LinkPending, k.Until.Add(-1): LinkPending, k.Until: LinkExpired} {
		if got := k.At(at); got != want {
			t.Errorf("at %v it is %s", at, got)
		}
	}
	for _, s := range []LinkState{LinkAccepted, LinkRevoked} {
		k.State = s
		if got := k.At(k.Until.Add(time.Hour)); got != s {
			t.Errorf("one that is %s became %s", s, got)
		}
	}
}
