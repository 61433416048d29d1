package outbound

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/egress"
	"github.com/drawbridge-id/drawbridge/store"
)

// What a webhook is given time for, as Standard Webhooks recommends: the first try at once, and nine more over three days.
var webhookAgain = []time.Duration{5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour}

// And a stream: eight tries, a second to an hour apart.
var streamAgain = []time.Duration{time.Second, 5 * time.Second, 20 * time.Second, 90 * time.Second, 6 * time.Minute, 20 * time.Minute, time.Hour}

// longest is how old what is still tried may be, whatever it had to wait for before its first try: as long as all tries take and half of
// that, so that what waits behind something hopeless does not wait for as long again.
func longest(again []time.Duration) (sum time.Duration) {
	for _, d := range again {
		sum += d
	}
	return sum * 3 / 2
}

// An answer is what a receiver said to one try.
type answer struct {
	status int
	retry  string // Retry-After
	body   []byte
	err    error // nothing was said
}

const answerSize = 16 << 10 // all that an error needs

func (d *Door) send(r *http.Request) answer {
	resp, err := d.o.Fetch.Do(r)
	if err != nil {
		return answer{err: err}
	}
	body, err := egress.Read(resp, answerSize)
	if err != nil {
		body = nil // the status says enough
	}
	return answer{status: resp.StatusCode, retry: resp.Header.Get("Retry-After"), body: body}
}

// judge says what follows from an answer after so many failures, for something that is so old. chance is between 0 and 1.
func judge(k account.FeedKind, a answer, failures int, age time.Duration, now time.Time, chance func() float64) store.Outcome {
	o := store.Outcome{Answer: a.status, Error: said(a)}
	switch {
	case a.err != nil && egress.Refused(a.err):
		o.Verdict = store.PauseFeed // an address that may not be reached is not going to be
		return o
	case a.status >= 200 && a.status < 300:
		o.Verdict, o.Error = store.Delivered, ""
		return o
	case a.status == http.StatusUnauthorized, a.status == http.StatusForbidden:
		o.Verdict = store.PauseFeed
		return o
	case a.status == http.StatusGone && k == account.Webhook:
		o.Verdict = store.DisableFeed
		return o
	case a.status == http.StatusBadRequest && k == account.SSF:
		switch problemOf(a).Err {
		case "authentication_failed", "access_denied": // RFC 8935 §2.4 has no other status for them
			o.Verdict = store.PauseFeed
		default: // RFC 8935 §2.4: what is wrong with a token does not get better
			o.Verdict = store.GiveUp
		}
		return o
	}
	again := webhookAgain
	if k == account.SSF {
		again = streamAgain
	}
	if failures >= len(again) || age > longest(again) && failures > 0 {
		o.Verdict = store.GiveUp
		return o
	}
	wait := again[failures]
	o.Verdict, o.After = store.TryAgain, wait*9/10+time.Duration(chance()*float64(wait)/5) // not all at one instant
	if asked := retryAfter(a.retry, now); asked > o.After {
		o.After = min(asked, time.Hour)
	}
	return o
}

func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(strings.TrimSpace(value)); err == nil && seconds > 0 && seconds < 1<<20 {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return at.Sub(now)
	}
	return 0
}

// A problem is how a receiver says what is wrong with a token.
type problem struct {
	Err         string `json:"err"`
	Description string `json:"description"`
}

func problemOf(a answer) (p problem) {
	_ = json.Unmarshal(a.body, &p) // whatever else it says is not for us
	return p
}

// said is what an administrator is told about an answer: never the body, but for the code of an error.
func said(a answer) string {
	switch {
	case a.err != nil:
		e := egress.Explain("the receiver", a.err)
		if e.Help == "" {
			return e.Message
		}
		return e.Message + " " + e.Help
	case a.status >= 200 && a.status < 300:
		return ""
	}
	text := fmt.Sprintf("It answers %d %s.", a.status, http.StatusText(a.status))
	if p := problemOf(a); p.Err != "" {
		text = fmt.Sprintf("It answers %d with %s.", a.status, clip(p.Err, 60))
	}
	switch a.status {
	case http.StatusUnauthorized, http.StatusForbidden:
		text += " Check what it expects of us, then enable the feed."
	case http.StatusGone:
		text += " It wants no more; remove the feed, or enable it when it does."
	}
	return text
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
