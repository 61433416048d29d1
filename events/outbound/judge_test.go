package outbound

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store"
)

func TestWhatFollowsFromAnAnswer(t *testing.T) {
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, tc := range []struct {
		name     string
		kind     account.FeedKind
		answer   answer
		failures int
		age      time.Duration
		verdict  store.Verdict
		after    time.Duration
	}{
		{"taken", account.Webhook, answer{status: 204}, 0, 0, store.Delivered, 0},
		{"taken late", account.SSF, answer{status: 202}, 7, 100 * time.Hour, store.Delivered, 0},
		{"no answer", account.Webhook, answer{err: errors.New("reset")}, 0, 0, store.TryAgain, 5 * time.Second},
		{"broken", account.Webhook, answer{status: 500}, 1, 0, store.TryAgain, 5 * time.Minute},
		{"broken for long", account.Webhook, answer{status: 500}, 8, 50 * time.Hour, store.TryAgain, 24 * time.Hour},
		{"broken to the end", account.Webhook, answer{status: 500}, 9, 75 * time.Hour, store.GiveUp, 0},
		{"behind something hopeless", account.Webhook, answer{status: 500}, 1, 120 * time.Hour, store.GiveUp, 0},
		{"the first try of something old", account.Webhook, answer{status: 500}, 0, 120 * time.Hour, store.TryAgain, 5 * time.Second},
		{"asked to wait", account.Webhook, answer{status: 429, retry: "120"}, 0, 0, store.TryAgain, 2 * time.Minute},
		{"asked to wait until", account.SSF, answer{status: 503, retry: now.Add(3 * time.Minute).Format(http.TimeFormat)}, 0, 0, store.TryAgain, 3 * time.Minute},
		{"asked to wait for ever", account.SSF, answer{status: 503, retry: "999999"}, 0, 0, store.TryAgain, time.Hour},
		{"a bad request to a webhook", account.Webhook, answer{status: 400}, 0, 0, store.TryAgain, 5 * time.Second},
		{"gone", account.Webhook, answer{status: 410}, 0, 0, store.DisableFeed, 0},
		{"a stream that is gone", account.SSF, answer{status: 410}, 0, 0, store.TryAgain, time.Second},
		{"not let in", account.Webhook, answer{status: 403}, 0, 0, store.PauseFeed, 0},
		{"not let in to a stream", account.SSF, answer{status: 401}, 0, 0, store.PauseFeed, 0},
		{"not let in, as RFC 8935 says it", account.SSF, answer{status: 400, body: []byte(`{"err":"authentication_failed"}`)}, 0, 0, store.PauseFeed, 0},
		{"a token that is no good", account.SSF, answer{status: 400, body: []byte(`{"err":"invalid_key"}`)}, 0, 0, store.GiveUp, 0},
		{"eight tries of a token", account.SSF, answer{status: 503}, 7, time.Hour, store.GiveUp, 0},
		{"a redirect", account.SSF, answer{status: 302}, 0, 0, store.TryAgain, time.Second},
	} {
		o := judge(tc.kind, tc.answer, tc.failures, tc.age, now, func() float64 { return 0.5 })
		if o.Verdict != tc.verdict || o.After != tc.after {
			t.Errorf("%s: %s after %s, want %s after %s", tc.name, o.Verdict, o.After, tc.verdict, tc.after)
		}
		if (o.Error == "") != (o.Verdict == store.Delivered) {
			t.Errorf("%s: it says %q", tc.name, o.Error)
		}
	}
}

func TestTriesAreNotAllAtOneInstant(t *testing.T) {
	early := judge(account.SSF, answer{status: 500}, 6, 0, time.Now(), func() float64 { return 0 })
	late := judge(account.SSF, answer{status: 500}, 6, 0, time.Now(), func() float64 { return 1 })
	if early.After != 54*time.Minute || late.After != 66*time.Minute {
		t.Errorf("between %s and %s", early.After, late.After)
	}
}
