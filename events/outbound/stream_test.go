package outbound

import (
	"encoding/json"
	"testing"

	"github.com/drawbridge-id/drawbridge/account"
)

// What a receiver sends makes a feed that checks, or is refused; and it is never given a delivery method that there is not.
func FuzzConfiguration(f *testing.F) {
	for _, seed := range []string{`{}`, `{"delivery":{"method":"urn:ietf:rfc:8935","endpoint_url":"https://x.example","authorization_header":"Bearer x"}}`,
		`{"delivery":{"method":"urn:ietf:rfc:8936"},"events_requested":["https://schemas.openid.net/secevent/caep/event-type/session-revoked"],"aud":["a","b"]}`,
		`{"stream_id":"x","aud":1,"min_verification_interval":-1}`, `{"delivery":{"method":"https://schemas.openid.net/secevent/risc/delivery-method/push","endpoint_url":"javascript:x"}}`} {
		f.Add([]byte(seed))
	}
	d := New(Options{PublicURL: "https://login.example"})
	f.Fuzz(func(t *testing.T, body []byte) {
		var c configuration
		if json.Unmarshal(body, &c) != nil {
			return
		}
		feed := account.Feed{Name: "x", Kind: account.SSF}
		if c.apply(&feed, true) != nil || feed.Check() != nil {
			return
		}
		shown := d.show(feed)
		if shown.Delivery.Authorization != nil {
			t.Fatal("the authorization is shown")
		}
		switch shown.Delivery.Method {
		case methodPush, methodLegacyPush:
			if feed.URL == "" {
				t.Fatal("it is pushed to nowhere")
			}
		case methodPoll, methodLegacyPoll:
			if feed.URL != "" {
				t.Fatal("it is polled at somebody else's address")
			}
		default:
			t.Fatalf("a method %q", shown.Delivery.Method)
		}
	})
}
