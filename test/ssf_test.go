package test

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store"
	"github.com/drawbridge-id/drawbridge/test/world"
)

const (
	caepType = "https://schemas.openid.net/secevent/caep/event-type/"
	riscType = "https://schemas.openid.net/secevent/risc/event-type/"
	ssfType  = "https://schemas.openid.net/secevent/ssf/event-type/"
)

// A receiver speaks to an account's transmitter as its owner would.
type receiver struct {
	*world.World
	issuer string
	token  string
	id     account.ReceiverID
}

func receiverOf(w *world.World, org, name string, compat bool) *receiver {
	w.Helper()
	a, _ := w.Account(org)
	r, secret, err := w.House.Ledger.AddReceiver(w.Context(), world.Operator, a.ID, account.Receiver{Name: name, Audience: "https://receiver.example/" + name, Compat: compat})
	if err != nil {
		w.Fatal(err)
	}
	return &receiver{World: w, issuer: w.URL + "/ssf/" + string(a.ID), token: secret.Reveal(), id: r.ID}
}

// asked is what a transmitter answered.
type asked struct {
	w      testing.TB
	status int
	header http.Header
	raw    string
	body   any
}

// ask sends one request; body is JSON, a string as it is, or nothing.
func (r *receiver) ask(method, path string, body any) asked {
	r.Helper()
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(b)
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			r.Fatal(err)
		}
		reader = bytes.NewReader(raw)
	}
	at := r.issuer + path
	if strings.HasPrefix(path, "http") {
		at = path
	}
	q, err := http.NewRequestWithContext(r.Context(), method, at, reader)
	if err != nil {
		r.Fatal(err)
	}
	q.Header.Set("Content-Type", "application/json")
	if r.token != "" {
		q.Header.Set("Authorization", "Bearer "+r.token)
	}
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		r.Fatal(err)
	}
	defer resp.Body.Close()
	raw, _ := io.ReadAll(resp.Body)
	a := asked{w: r.TB, status: resp.StatusCode, header: resp.Header, raw: string(raw)}
	_ = json.Unmarshal(raw, &a.body)
	return a
}

func (a asked) is(status int) asked {
	a.w.Helper()
	if a.status != status {
		a.w.Fatalf("want %d, got %d %s", status, a.status, a.raw)
	}
	return a
}

func (a asked) at(path string) any { return lookUp(a.body, path) }

func (a asked) text(path string) string { s, _ := a.at(path).(string); return s }

// opened checks a token's signature against the published keys, without any code of the house, and gives header and claims.
func (r *receiver) opened(token string) (header, claims map[string]any) {
	r.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		r.Fatalf("no compact JWS: %s", token)
	}
	part := func(i int) []byte {
		raw, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			r.Fatal(err)
		}
		return raw
	}
	if json.Unmarshal(part(0), &header) != nil || json.Unmarshal(part(1), &claims) != nil {
		r.Fatalf("no JSON in %s", token)
	}
	var keys struct {
		Keys []struct{ Kid, Kty, Alg, Use, N, E string }
	}
	_ = json.Unmarshal([]byte(r.ask("GET", "/jwks", nil).is(200).raw), &keys)
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	for _, k := range keys.Keys {
		n, _ := base64.RawURLEncoding.DecodeString(k.N)
		e, _ := base64.RawURLEncoding.DecodeString(k.E)
		if k.Kid != header["kid"] || k.Kty != "RSA" || k.Alg != "RS256" || k.Use != "sig" || len(n) < 256 {
			continue
		}
		public := rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
		if err := rsa.VerifyPKCS1v15(&public, crypto.SHA256, sum[:], part(2)); err != nil {
			r.Fatal(err)
		}
		if header["typ"] != "secevent+jwt" || header["alg"] != "RS256" || claims["iss"] != r.issuer || claims["txn"] == nil || claims["sub"] != nil || claims["exp"] != nil {
			r.Errorf("header %v, claims %v", header, claims)
		}
		return header, claims
	}
	r.Fatalf("no published key fits %v", header)
	return nil, nil
}

// event is the one event of a token.
func event(w testing.TB, claims map[string]any) (kind string, payload map[string]any) {
	w.Helper()
	events, _ := claims["events"].(map[string]any)
	if len(events) != 1 {
		w.Fatalf("one event in a token, here are %v", events)
	}
	for kind, body := range events {
		payload, _ = body.(map[string]any)
		return kind, payload
	}
	return "", nil
}

// A collector is a plain receiver of pushed tokens.
type collector struct {
	*httptest.Server
	mu     sync.Mutex
	tokens []string
	reply  func(n int) (int, string)
}

func collect(w *world.World, authorization string) *collector {
	c := &collector{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		if q.Header.Get("Content-Type") != "application/secevent+jwt" || q.Header.Get("Accept") != "application/json" || q.Header.Get("Authorization") != authorization {
			rw.WriteHeader(http.StatusUnauthorized)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		status, text := http.StatusAccepted, ""
		if c.reply != nil {
			status, text = c.reply(len(c.tokens))
		}
		c.tokens = append(c.tokens, string(body))
		rw.WriteHeader(status)
		_, _ = io.WriteString(rw, text)
	}))
	w.Cleanup(c.Close)
	return c
}

func (c *collector) all() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.tokens...)
}

// of waits for a token with an event of a kind, and gives its claims.
func (c *collector) of(r *receiver, kind string) map[string]any {
	r.Helper()
	var found map[string]any
	until(r.World, kind, func() bool {
		for _, token := range c.all() {
			_, claims := r.opened(token)
			if k, _ := event(r.World, claims); k == kind {
				found = claims
				return true
			}
		}
		return false
	})
	return found
}

func TestAReceiverMakesAStreamAndIsPushedWhatHappens(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		r := receiverOf(w, "acme", "edr", false)
		doc := (&receiver{World: w}).ask("GET", strings.Replace(r.issuer, "/ssf/", "/.well-known/ssf-configuration/ssf/", 1), nil).is(200)
		if doc.text("issuer") != r.issuer || doc.text("spec_version") != "1_0" || doc.text("default_subjects") != "ALL" || strings.Contains(doc.raw, "[]") {
			w.Errorf("the document is %s", doc.raw)
		}
		// By the client credentials grant.
		form := url.Values{"grant_type": {"client_credentials"}, "scope": {"ssf.manage"}, "client_id": {string(r.id)}, "client_secret": {r.token}}
		resp, err := http.PostForm(r.issuer+"/token", form)
		if err != nil {
			w.Fatal(err)
		}
		var got struct {
			Token   string `json:"access_token"`
			Type    string `json:"token_type"`
			Expires int    `json:"expires_in"`
		}
		if json.NewDecoder(resp.Body).Decode(&got); resp.StatusCode != 200 || got.Token == "" || got.Type != "Bearer" || got.Expires > 3600 {
			w.Fatalf("%d %+v", resp.StatusCode, got)
		}
		resp.Body.Close()
		r.token = got.Token

		c := collect(w, "Bearer theirs")
		made := r.ask("POST", doc.text("configuration_endpoint"), map[string]any{
			"delivery":         map[string]any{"method": "urn:ietf:rfc:8935", "endpoint_url": c.URL, "authorization_header": "Bearer theirs"},
			"events_requested": []string{caepType + "session-revoked", riscType + "account-disabled", caepType + "device-compliance-change"},
		}).is(201)
		id := made.text("stream_id")
		if made.text("aud") != "https://receiver.example/edr" || made.text("iss") != r.issuer || strings.Contains(made.raw, "theirs") {
			w.Errorf("the stream is %s", made.raw)
		}
		if delivered, _ := made.at("events_delivered").([]any); len(delivered) != 2 {
			w.Errorf("delivered are %v", delivered)
		}
		r.ask("POST", "/verify", map[string]any{"stream_id": id, "state": "VGhpcyBpcyBhbg"}).is(204)
		claims := c.of(r, ssfType+"verification")
		if _, payload := event(w, claims); payload["state"] != "VGhpcyBpcyBhbg" || lookUp(claims, "sub_id.format") != "opaque" || lookUp(claims, "sub_id.id") != id {
			w.Errorf("the verification is %v", claims)
		}
		again := r.ask("POST", "/verify", map[string]any{"stream_id": id}).is(429)
		if again.header.Get("Retry-After") == "" {
			w.Error("no Retry-After")
		}

		p := pusherOf(w, acme.Connection)
		ana := p.send("POST", "/Users", aUser("ana@acme.example", "ext-ana")).is(201).text("id")
		p.send("PATCH", "/Users/"+ana, patch(op("replace", "active", false))).is(200, 204)
		disabled, revoked := c.of(r, riscType+"account-disabled"), c.of(r, caepType+"session-revoked")
		for _, claims := range []map[string]any{disabled, revoked} {
			_, payload := event(w, claims)
			if claims["aud"] != "https://receiver.example/edr" || lookUp(claims, "sub_id.format") != "email" || lookUp(claims, "sub_id.email") != "ana@acme.example" ||
				payload["initiating_entity"] != "policy" || lookUp(payload, "reason_admin.en") == "" || payload["subject"] != nil {
				w.Errorf("the event is %v", claims)
			}
		}
		if disabled["txn"] != revoked["txn"] {
			w.Error("two events of one cause have two txn")
		}
		p.send("PATCH", "/Users/"+ana, patch(op("replace", "active", true))).is(200, 204)
		p.send("DELETE", "/Users/"+ana, nil).is(204)
		until(w, "the second removal", func() bool { return len(c.all()) >= 5 })
		for _, token := range c.all() {
			_, claims := r.opened(token)
			if kind, _ := event(w, claims); kind == riscType+"account-enabled" {
				w.Error("an event came that was not asked for")
			}
		}
	})
}

// The negative cases of the OpenID conformance suite's stream control module among them.
func TestAStreamIsManagedByItsReceiverAlone(t *testing.T) {
	world.Each(t, func(w *world.World) {
		w.Acme()
		w.Globex()
		r, g := receiverOf(w, "acme", "edr", false), receiverOf(w, "globex", "edr", false)
		push := map[string]any{"delivery": map[string]any{"method": "urn:ietf:rfc:8935", "endpoint_url": "https://receiver.example/events"}, "description": "ours"}
		bad := &receiver{World: w, issuer: r.issuer, token: "dbr_0000000000000000000000000000000000000000"}
		for _, broken := range []any{`{"delivery"`, `[]`, `"x"`, ``, `{"delivery":"push"}`, `{"events_requested":{}}`,
			map[string]any{"delivery": map[string]any{"method": "urn:ietf:rfc:8935"}},
			map[string]any{"delivery": map[string]any{"method": "urn:ietf:rfc:9999", "endpoint_url": "https://x.example"}},
			map[string]any{"delivery": map[string]any{"method": "urn:ietf:rfc:8935", "endpoint_url": "http://receiver.example/plain"}},
			map[string]any{"delivery": map[string]any{"method": "urn:ietf:rfc:8935", "endpoint_url": "file:///etc/passwd"}},
			map[string]any{"delivery": map[string]any{"method": "urn:ietf:rfc:8935", "endpoint_url": "https://x.example", "authorization_header": "a\r\nHost: b"}},
			map[string]any{"events_requested": []string{"https://unknown.example/event"}},
		} {
			r.ask("POST", "/stream", broken).is(400)
		}
		r.ask("GET", "/stream", nil).is(200)
		if list := r.ask("GET", "/stream", nil).is(200); strings.TrimSpace(list.raw) != "[]" {
			w.Errorf("without a stream the list is %s", list.raw)
		}
		made := r.ask("POST", "/stream", push).is(201)
		id := made.text("stream_id")
		r.ask("POST", "/stream", push).is(409)
		if list, _ := r.ask("GET", "/stream", nil).is(200).body.([]any); len(list) != 1 {
			w.Errorf("the list is %v", list)
		}
		if one := r.ask("GET", "/stream?stream_id="+id, nil).is(200); one.text("description") != "ours" || one.at("delivery.endpoint_url") != "https://receiver.example/events" {
			w.Errorf("the stream is %s", one.raw)
		}
		// Each call without a good token, for a stream that there is not, and by somebody else.
		for _, call := range []struct {
			method, path string
			body         map[string]any
		}{
			{"GET", "/stream?stream_id=" + id, nil}, {"PATCH", "/stream", map[string]any{"stream_id": id, "description": "x"}},
			{"PUT", "/stream", map[string]any{"stream_id": id}}, {"DELETE", "/stream?stream_id=" + id, nil}, {"GET", "/status?stream_id=" + id, nil},
			{"POST", "/status", map[string]any{"stream_id": id, "status": "paused"}}, {"POST", "/verify", map[string]any{"stream_id": id}},
			{"POST", "/subjects:add", map[string]any{"stream_id": id, "subject": map[string]any{"format": "email", "email": "ana@acme.example"}}},
			{"POST", "/subjects:remove", map[string]any{"stream_id": id, "subject": map[string]any{"format": "email", "email": "ana@acme.example"}}},
			{"POST", "/poll/" + id, map[string]any{"returnImmediately": true}},
		} {
			if got := bad.ask(call.method, call.path, call.body).is(401); !strings.Contains(got.header.Get("WWW-Authenticate"), `error="invalid_token"`) {
				w.Errorf("%s %s says %q", call.method, call.path, got.header.Get("WWW-Authenticate"))
			}
			nobody := &receiver{World: w, issuer: r.issuer}
			if got := nobody.ask(call.method, call.path, call.body).is(401).header.Get("WWW-Authenticate"); !strings.HasPrefix(got, "Bearer ") || strings.Contains(got, "error=") {
				w.Errorf("%s %s without a token says %q", call.method, call.path, got)
			}
			unknown := "fed_01hzzzzzzzzzzzzzzzzzzzzzzz"
			other := map[string]any{}
			for k, v := range call.body {
				if other[k] = v; k == "stream_id" {
					other[k] = unknown
				}
			}
			var body any
			if call.body != nil {
				body = other
			}
			r.ask(call.method, strings.Replace(call.path, id, unknown, 1), body).is(404)
			// Another tenant's token opens nothing here, and this stream does not exist there.
			(&receiver{World: w, issuer: r.issuer, token: g.token}).ask(call.method, call.path, call.body).is(401)
			var mine any
			if call.body != nil {
				mine = call.body
			}
			g.ask(call.method, call.path, mine).is(404)
		}
		for _, broken := range []asked{
			r.ask("PATCH", "/stream", `{`), r.ask("PUT", "/stream", `{`), r.ask("PATCH", "/stream", map[string]any{"description": "x"}), r.ask("DELETE", "/stream", nil),
			r.ask("PATCH", "/stream", map[string]any{"stream_id": id, "iss": "https://other.example"}), r.ask("PATCH", "/stream", map[string]any{"stream_id": id, "aud": "x"}),
			r.ask("PATCH", "/stream", map[string]any{"stream_id": id, "events_delivered": []string{"x"}}), r.ask("PUT", "/stream", map[string]any{"stream_id": id, "min_verification_interval": 1}),
			r.ask("GET", "/status", nil), r.ask("POST", "/status", map[string]any{"stream_id": id, "status": "asleep"}), r.ask("POST", "/status", `{`), r.ask("POST", "/verify", `{`),
			r.ask("POST", "/subjects:add", map[string]any{"stream_id": id}), r.ask("POST", "/subjects:add", map[string]any{"stream_id": id, "subject": map[string]any{"format": "email"}}),
		} {
			broken.is(400)
		}
		changed := r.ask("PATCH", "/stream", map[string]any{"stream_id": id, "events_requested": []string{caepType + "session-revoked"}}).is(200)
		if changed.text("description") != "ours" || changed.at("delivery.endpoint_url") != "https://receiver.example/events" {
			w.Errorf("PATCH leaves %s", changed.raw)
		}
		whole := r.ask("PUT", "/stream", map[string]any{"stream_id": id}).is(200)
		if whole.at("description") != nil || whole.text("delivery.method") != "urn:ietf:rfc:8936" || whole.text("delivery.endpoint_url") != r.issuer+"/poll/"+id {
			w.Errorf("PUT leaves %s", whole.raw)
		}
		for _, s := range []string{"paused", "disabled", "enabled"} {
			r.ask("POST", "/status", map[string]any{"stream_id": id, "status": s, "reason": "because"}).is(200)
			if got := r.ask("GET", "/status?stream_id="+id, nil).is(200); got.text("status") != s {
				w.Errorf("the status is %s", got.raw)
			}
		}
		r.ask("DELETE", "/stream?stream_id="+id, nil).is(204)
		r.ask("GET", "/stream?stream_id="+id, nil).is(404)
	})
}

func TestAReceiverThatMayOnlyReadManagesNothing(t *testing.T) {
	world.Each(t, func(w *world.World) {
		w.Acme()
		a, _ := w.Account("acme")
		f, secret, err := w.House.Ledger.AddFeed(w.Context(), world.Operator, a.ID, account.Feed{Name: "siem", Kind: account.SSF}, account.Secret{})
		if err != nil {
			w.Fatal(err)
		}
		r := &receiver{World: w, issuer: w.URL + "/ssf/" + string(a.ID), token: secret.Reveal()}
		r.ask("GET", "/stream?stream_id="+string(f.ID), nil).is(200)
		r.ask("POST", "/poll/"+string(f.ID), map[string]any{"returnImmediately": true}).is(200)
		got := r.ask("DELETE", "/stream?stream_id="+string(f.ID), nil).is(403).header.Get("WWW-Authenticate")
		if !strings.Contains(got, `error="insufficient_scope"`) || !strings.Contains(got, `scope="ssf.manage"`) {
			w.Errorf("it says %q", got)
		}
		// Rotated, both credentials are good; removed, none.
		next, err := w.House.Ledger.RotateFeedSecret(w.Context(), world.Operator, a.ID, f.ID)
		if err != nil {
			w.Fatal(err)
		}
		for _, s := range []account.Secret{secret, next} {
			(&receiver{World: w, issuer: r.issuer, token: s.Reveal()}).ask("GET", "/stream", nil).is(200)
		}
		w.Clock.Turn(25 * time.Hour)
		r.ask("GET", "/stream", nil).is(401)
		r.token = next.Reveal()
		r.ask("GET", "/stream", nil).is(200)
		if err := w.House.Ledger.RemoveFeed(w.Context(), world.Operator, a.ID, f.ID); err != nil {
			w.Fatal(err)
		}
		r.ask("GET", "/stream", nil).is(401)
	})
}

func TestATokenOfAReceiverEndsInTimeAndWithItsCredential(t *testing.T) {
	world.Each(t, func(w *world.World) {
		w.Acme()
		r := receiverOf(w, "acme", "edr", false)
		fetch := func(id, secret string) (int, string) {
			q, _ := http.NewRequestWithContext(w.Context(), "POST", r.issuer+"/token", strings.NewReader("grant_type=client_credentials"))
			q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			q.SetBasicAuth(id, secret)
			resp, err := http.DefaultClient.Do(q)
			if err != nil {
				w.Fatal(err)
			}
			defer resp.Body.Close()
			var got struct {
				Token string `json:"access_token"`
			}
			_ = json.NewDecoder(resp.Body).Decode(&got)
			return resp.StatusCode, got.Token
		}
		status, token := fetch(string(r.id), r.token)
		if status != 200 {
			w.Fatalf("%d", status)
		}
		for _, wrong := range [][2]string{{string(r.id), "x"}, {"rcv_other", r.token}, {"", ""}, {string(r.id), token}} {
			if status, _ := fetch(wrong[0], wrong[1]); status != 401 {
				w.Errorf("%v gives %d", wrong, status)
			}
		}
		mine := &receiver{World: w, issuer: r.issuer, token: token}
		mine.ask("GET", "/stream", nil).is(200)
		w.Clock.Turn(store.ReceiverTokenAge)
		mine.ask("GET", "/stream", nil).is(401)
		_, mine.token = fetch(string(r.id), r.token)
		mine.ask("GET", "/stream", nil).is(200)
		a, _ := w.Account("acme")
		if err := w.House.Ledger.RemoveReceiver(w.Context(), world.Operator, a.ID, r.id); err != nil {
			w.Fatal(err)
		}
		mine.ask("GET", "/stream", nil).is(401)
	})
}

// poll asks once and gives what came, opened.
func (r *receiver) poll(stream string, body map[string]any) (ids []string, claims []map[string]any, more bool) {
	r.Helper()
	got := r.ask("POST", "/poll/"+stream, body).is(200)
	sets, ok := got.at("sets").(map[string]any)
	if !ok {
		r.Fatalf("no sets in %s", got.raw)
	}
	for id, token := range sets {
		_, c := r.opened(fmt.Sprint(token))
		if c["jti"] != id {
			r.Errorf("%s is called %s", c["jti"], id)
		}
		ids, claims = append(ids, id), append(claims, c)
	}
	more, _ = got.at("moreAvailable").(bool)
	return ids, claims, more
}

func TestAReceiverPolls(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		r := receiverOf(w, "acme", "edr", false)
		id := r.ask("POST", "/stream", map[string]any{"events_requested": []string{riscType + "account-disabled", riscType + "account-enabled"}}).is(201).text("stream_id")
		now := map[string]any{"returnImmediately": true}
		if ids, _, _ := r.poll(id, now); len(ids) != 0 {
			w.Fatalf("nothing happened, and %v came", ids)
		}
		// A long poll is answered by what happens.
		waiting := make(chan []map[string]any, 1)
		go func() { _, claims, _ := r.poll(id, map[string]any{}); waiting <- claims }()
		p := pusherOf(w, acme.Connection)
		ana := p.send("POST", "/Users", aUser("ana@acme.example", "ext-ana")).is(201).text("id")
		enabled := <-waiting // a place in the account is an account that is enabled
		if len(enabled) != 1 {
			w.Fatalf("%v came", enabled)
		}
		kind, _ := event(w, enabled[0])
		if kind != riscType+"account-enabled" {
			w.Errorf("%s came", kind)
		}
		p.send("PATCH", "/Users/"+ana, patch(op("replace", "active", false))).is(200, 204)
		// What was not acknowledged is given again, and the later one of the same subject waits for it.
		ids, claims, _ := r.poll(id, now)
		if len(ids) != 1 || claims[0]["jti"] != enabled[0]["jti"] {
			w.Fatalf("unacknowledged, %v came", claims)
		}
		next, claims, _ := r.poll(id, map[string]any{"returnImmediately": true, "ack": ids})
		if kind, _ := event(w, claims[0]); len(next) != 1 || kind != riscType+"account-disabled" {
			w.Fatalf("then %v came", claims)
		}
		// Acknowledging only; and an identifier that nobody knows.
		if ids, _, _ := r.poll(id, map[string]any{"maxEvents": 0, "ack": []string{"evt_unknown"}}); len(ids) != 0 {
			w.Errorf("maxEvents 0 gives %v", ids)
		}
		if ids, _, _ := r.poll(id, map[string]any{"returnImmediately": true, "setErrs": map[string]any{next[0]: map[string]any{"err": "invalid_audience", "description": "not\nours"}}}); len(ids) != 0 {
			w.Errorf("after the last, %v came", ids)
		}
		a, _ := w.Account("acme")
		dead, err := w.House.Ledger.Deliveries(w.Context(), world.Operator, a.ID, account.FeedID(id), account.DeliveryDead, "", 10)
		if err != nil || len(dead) != 1 || dead[0].Error != "invalid_audience: not ours" {
			w.Errorf("given up are %+v, %v", dead, err)
		}
		// Pages.
		for i := range 3 {
			email := fmt.Sprintf("p%d@acme.example", i)
			p.send("POST", "/Users", aUser(email, "ext-"+email)).is(201)
		}
		seen := 0
		ack := []string{}
		for more := true; more; {
			var ids []string
			ids, _, more = r.poll(id, map[string]any{"returnImmediately": true, "maxEvents": 2, "ack": ack})
			if seen += len(ids); len(ids) > 2 {
				w.Errorf("%d came at once", len(ids))
			}
			ack = ids
		}
		if seen != 3 {
			w.Errorf("%d came in pages", seen)
		}
		// Paused, nothing comes and nothing is lost; disabled, it is.
		r.poll(id, map[string]any{"maxEvents": 0, "ack": ack})
		r.ask("POST", "/status", map[string]any{"stream_id": id, "status": "paused"}).is(200)
		p.send("PATCH", "/Users/"+ana, patch(op("replace", "active", true))).is(200, 204)
		if ids, _, _ := r.poll(id, now); len(ids) != 0 {
			w.Errorf("paused, %v came", ids)
		}
		r.ask("POST", "/status", map[string]any{"stream_id": id, "status": "enabled"}).is(200)
		if ids, _, _ := r.poll(id, now); len(ids) != 1 {
			w.Errorf("enabled again, %v came", ids)
		}
		r.ask("POST", "/status", map[string]any{"stream_id": id, "status": "disabled"}).is(200)
		r.ask("POST", "/status", map[string]any{"stream_id": id, "status": "enabled"}).is(200)
		if ids, _, _ := r.poll(id, now); len(ids) != 0 {
			w.Errorf("disabled in between, %v came", ids)
		}
		for _, broken := range []any{`{`, `[]`, map[string]any{"maxEvents": -1}, map[string]any{"ack": "x"}} {
			r.ask("POST", "/poll/"+id, broken).is(400)
		}
	})
}

// THREAT RATE-1
func TestOnlyAFewPollsOfAStreamWait(t *testing.T) {
	w := world.New(t, "sqlite:"+t.TempDir()+"/house.db")
	acme := w.Acme()
	r := receiverOf(w, "acme", "edr", false)
	id := r.ask("POST", "/stream", map[string]any{"events_requested": []string{riscType + "account-enabled"}}).is(201).text("stream_id")
	answers := make(chan []string, 5)
	for range cap(answers) {
		go func() { ids, _, _ := r.poll(id, map[string]any{}); answers <- ids }()
	}
	soon := time.After(10 * time.Second) // half of how long a poll waits
	for range 3 {
		select {
		case ids := <-answers:
			if len(ids) != 0 {
				w.Fatalf("%v came", ids)
			}
		case <-soon:
			w.Fatal("more than two polls of one stream wait")
		}
	}
	select {
	case <-answers:
		w.Fatal("none waits any more")
	default:
	}
	pusherOf(w, acme.Connection).send("POST", "/Users", aUser("ana@acme.example", "ext-ana")).is(201)
	for range 2 { // who waited hears of it at once
		if ids := <-answers; len(ids) != 1 {
			w.Errorf("%v came", ids)
		}
	}
}

func TestAReceiverDoesNotHearOfWhomItRemoved(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		r := receiverOf(w, "acme", "edr", false)
		id := r.ask("POST", "/stream", map[string]any{"events_requested": []string{riscType + "account-disabled"}}).is(201).text("stream_id")
		p := pusherOf(w, acme.Connection)
		ana := p.send("POST", "/Users", aUser("ana@acme.example", "ext-ana")).is(201).text("id")
		subject := map[string]any{"stream_id": id, "subject": map[string]any{"format": "email", "email": "Ana@acme.example"}}
		r.ask("POST", "/subjects:remove", subject).is(204)
		// Whom nobody knows is answered the same.
		r.ask("POST", "/subjects:remove", map[string]any{"stream_id": id, "subject": map[string]any{"format": "email", "email": "nobody@nowhere.example"}}).is(204)
		p.send("PATCH", "/Users/"+ana, patch(op("replace", "active", false))).is(200, 204)
		if ids, _, _ := r.poll(id, map[string]any{"returnImmediately": true}); len(ids) != 0 {
			w.Errorf("%v came", ids)
		}
		r.ask("POST", "/subjects:add", subject).is(200)
		p.send("PATCH", "/Users/"+ana, patch(op("replace", "active", true))).is(200, 204)
		p.send("PATCH", "/Users/"+ana, patch(op("replace", "active", false))).is(200, 204)
		if ids, _, _ := r.poll(id, map[string]any{"returnImmediately": true}); len(ids) != 1 {
			w.Errorf("%v came", ids)
		}
	})
}

func TestATransmitterSaysWhenItPausesAStream(t *testing.T) {
	world.Each(t, func(w *world.World) {
		w.Acme()
		r := receiverOf(w, "acme", "edr", false)
		c := collect(w, "")
		id := r.ask("POST", "/stream", map[string]any{"delivery": map[string]any{"method": "urn:ietf:rfc:8935", "endpoint_url": c.URL}}).is(201).text("stream_id")
		a, _ := w.Account("acme")
		if _, err := w.House.Ledger.UpdateFeed(w.Context(), world.Operator, a.ID, account.FeedID(id), func(f *account.Feed) {
			f.Status, f.Reason = account.FeedPaused, "maintenance"
		}); err != nil {
			w.Fatal(err)
		}
		_, payload := event(w, c.of(r, ssfType+"stream-updated"))
		if payload["status"] != "paused" || payload["reason"] != "maintenance" {
			w.Errorf("it says %v", payload)
		}
		if got := r.ask("GET", "/status?stream_id="+id, nil).is(200); got.text("status") != "paused" || got.text("reason") != "maintenance" {
			w.Errorf("the status is %s", got.raw)
		}
	})
}

func TestAnOlderReceiverFindsTheSubjectInTheEvent(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		r := receiverOf(w, "acme", "business-manager", true)
		c := collect(w, "")
		made := r.ask("POST", "/stream", map[string]any{"delivery": map[string]any{"method": "https://schemas.openid.net/secevent/risc/delivery-method/push", "endpoint_url": c.URL}}).is(201)
		if made.text("delivery.method") != "https://schemas.openid.net/secevent/risc/delivery-method/push" {
			w.Errorf("the method is spelled %s", made.text("delivery.method"))
		}
		c.of(r, ssfType+"verification") // without being asked for
		onPage(w, acme.As("ana@acme.example"), "/signout", url.Values{})
		claims := c.of(r, caepType+"session-revoked")
		_, payload := event(w, claims)
		for at, subject := range map[string]any{"sub_id": claims["sub_id"], "the event": payload["subject"]} {
			if lookUp(subject, "format") != "complex" || lookUp(subject, "user.email") != "ana@acme.example" || !strings.HasPrefix(fmt.Sprint(lookUp(subject, "session.id")), "ses_") {
				w.Errorf("the subject in %s is %v", at, subject)
			}
		}
		if payload["initiating_entity"] != "user" {
			w.Errorf("it was %v", payload["initiating_entity"])
		}
	})
}

func TestATokenThatIsRefusedIsNotSentAgain(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		a, _ := w.Account("acme")
		c := collect(w, "")
		c.reply = func(n int) (int, string) {
			if n == 0 {
				return 400, `{"err":"invalid_audience","description":"not for us"}`
			}
			return 202, ""
		}
		f, _, err := w.House.Ledger.AddFeed(w.Context(), world.Operator, a.ID, account.Feed{Name: "edr", Kind: account.SSF, URL: c.URL, Events: []string{account.SignalSessionRevoked}}, account.Secret{})
		if err != nil {
			w.Fatal(err)
		}
		onPage(w, acme.As("ana@acme.example"), "/signout", url.Values{})
		until(w, "it to be given up", func() bool { return len(deliveries(w, f, account.DeliveryDead)) == 1 })
		if d := deliveries(w, f, account.DeliveryDead)[0]; d.Answer != 400 || !strings.Contains(d.Error, "invalid_audience") {
			w.Errorf("it is noted as %+v", d)
		}
		onPage(w, acme.As("ana@acme.example"), "/signout", url.Values{})
		until(w, "the next one", func() bool { return len(deliveries(w, f, account.DeliveryDone)) == 1 })
		if n := len(c.all()); n != 2 {
			w.Errorf("%d came", n)
		}
	})
}

func TestAKeyIsPublishedBeforeItSigns(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		r := receiverOf(w, "acme", "edr", false)
		c := collect(w, "")
		r.ask("POST", "/stream", map[string]any{"delivery": map[string]any{"method": "urn:ietf:rfc:8935", "endpoint_url": c.URL}, "events_requested": []string{caepType + "session-revoked"}}).is(201)
		a, _ := w.Account("acme")
		signedBy := func(n int) any {
			until(w, "a token", func() bool { return len(c.all()) >= n })
			header, _ := r.opened(c.all()[n-1])
			return header["kid"]
		}
		before, err := w.House.Ledger.SigningKeys(w.Context(), a.ID)
		if err != nil || len(before) != 2 {
			w.Fatalf("%d keys, %v", len(before), err)
		}
		onPage(w, acme.As("ana@acme.example"), "/signout", url.Values{})
		if kid := signedBy(1); kid != before[0].ID {
			w.Errorf("signed by %v", kid)
		}
		if err := w.House.Ledger.RotateSigningKey(w.Context(), world.Operator, a.ID, false); account.KindOf(err) != account.Conflict {
			w.Errorf("a key that is just published signs: %v", err)
		}
		w.Clock.Turn(25 * time.Hour)
		if err := w.House.Ledger.RotateSigningKey(w.Context(), world.Operator, a.ID, false); err != nil {
			w.Fatal(err)
		}
		onPage(w, acme.As("ana@acme.example"), "/signout", url.Values{})
		if kid := signedBy(2); kid != before[1].ID {
			w.Errorf("signed by %v", kid)
		}
		r.opened(c.all()[0]) // still published
	})
}

// Two houses: what ends in the first ends in the second, and does not come back to the first.
func TestOneHouseTellsAnother(t *testing.T) {
	for _, method := range []account.StreamMethod{account.StreamPush, account.StreamPoll} {
		t.Run(string(method), func(t *testing.T) {
			world.Each(t, func(w *world.World) {
				there := world.New(t, "sqlite:"+t.TempDir()+"/there.db")
				here, far := w.Acme(), there.Acme()
				r := receiverOf(w, "acme", "there", false)
				a, _ := there.Account("acme")
				s, err := there.House.Ledger.AddStream(there.Context(), world.Operator, a.ID, account.Stream{
					Name: "here", Enabled: true, Connection: far.Connection.ID, Issuer: r.issuer, JWKSURL: r.issuer + "/jwks", Audience: []string{"https://receiver.example/there"}, Method: method, Poll: &account.Poll{Endpoint: r.issuer + "/poll/to-be-said"},
					Transmitter: &account.Transmitter{TokenURL: r.issuer + "/token", ClientID: string(r.id), ClientSecret: account.NewSecret(r.token), Scopes: []string{"ssf.manage"}},
				})
				if err != nil {
					w.Fatal(err)
				}
				if s, err = there.House.Events.Connect(there.Context(), world.Operator, s.ID); err != nil {
					w.Fatal(err)
				}
				// The second house announces to the first, and its ear there has the first house's name.
				listening := listen(there)
				if _, _, err := there.House.Ledger.AddFeed(there.Context(), world.Operator, a.ID, account.Feed{Name: "back", Kind: account.Webhook, URL: listening.at, Peer: r.issuer}, account.Secret{}); err != nil {
					w.Fatal(err)
				}
				other := listen(there)
				_, secret := hook(there, "acme", other.at+"/other", account.WordDeactivated)

				b := far.As("ana@acme.example")
				p := pusherOf(w, here.Connection)
				ana := p.send("POST", "/Users", aUser("ana@acme.example", "ext-ana")).is(201).text("id")
				p.send("PATCH", "/Users/"+ana, patch(op("replace", "active", false))).is(200, 204)
				until(w, "the session there to end", func() bool { return b.Session().Status == http.StatusUnauthorized })
				got := other.comes(account.WordDeactivated, 1)[0]
				taken(there, got, secret)
				if txn := got.Data["txn"]; txn != deactivationTxn(w) {
					w.Errorf("there it has txn %v, here %s", txn, deactivationTxn(w))
				}
				if n := len(listening.all(account.WordDeactivated)); n != 0 {
					w.Errorf("it was told back %d times", n)
				}
			})
		})
	}
}

// deactivationTxn is what the first house calls the cause of its last deactivation.
func deactivationTxn(w *world.World) string {
	w.Helper()
	return w.Audit("acme", "user.deactivated").Request
}
