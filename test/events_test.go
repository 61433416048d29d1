package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/events/set"
	"github.com/drawbridge-id/drawbridge/test/sim"
	"github.com/drawbridge-id/drawbridge/test/world"
)

// A line is a stream that a simulated transmitter sends over.
type line struct {
	*world.World
	far    *sim.Transmitter
	stream account.Stream
	bearer string
	n      int
}

// openLine gives acme a stream that belongs to its connection.
func openLine(w *world.World, c account.Connection, change func(*account.Stream)) *line {
	w.Helper()
	far := w.Transmitter("/acme")
	a, _ := w.Account("acme")
	in := account.Stream{Name: "signals", Enabled: true, Connection: c.ID, Issuer: far.Issuer, Audience: []string{"us"}, JWKSURL: far.Issuer + "/jwks",
		Transmitter: &account.Transmitter{TokenURL: far.Issuer + "/token", ClientID: far.ClientID, ClientSecret: account.NewSecret("between-us")}}
	if change != nil {
		change(&in)
	}
	l := &line{World: w, far: far}
	var err error
	l.stream, err = w.House.Ledger.AddStream(w.Context(), world.Operator, a.ID, in)
	l.ok(err)
	_, secret, err := w.House.Ledger.MintPushCredential(w.Context(), world.Operator, l.stream.ID, in.Compat.NoBearer)
	l.ok(err)
	l.bearer = secret.Reveal()
	return l
}

func (l *line) ok(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

func (l *line) address() string { return l.House.Events.Address(l.stream.ID) }

// about is a token about somebody's address.
func (l *line) about(email, event string) string {
	l.n++
	return l.far.Token(l.stream.Audience[0], fmt.Sprint("jti-", l.n), event, map[string]any{"format": "email", "email": email}, nil)
}

// push sends a token and gives status, error code and headers.
func (l *line) push(token string) (int, string, http.Header) {
	l.Helper()
	status, header, body, err := l.far.Push(l.Context(), l.address(), "Bearer "+l.bearer, token)
	l.ok(err)
	var e struct{ Err string }
	_ = json.Unmarshal([]byte(body), &e)
	return status, e.Err, header
}

func (l *line) taken(token string) {
	l.Helper()
	if status, code, _ := l.push(token); status != http.StatusAccepted {
		l.Fatalf("answered %d %s", status, code)
	}
}

// until waits for something that another goroutine brings about.
func (l *line) until(what string, is func() bool) {
	l.Helper()
	for range 400 {
		if is() {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	l.Fatalf("it never came that %s", what)
}

// REQ M-02
// THREAT SET-1, SET-3
func TestAnEventEndsSessionsBeforeItIsAnswered(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		l := openLine(w, acme.Connection, nil)
		b := acme.As("ana@acme.example")
		token := l.about("ana@acme.example", set.SessionRevoked)
		l.taken(token)
		if s := b.Session(); s.Status != http.StatusUnauthorized {
			w.Errorf("the session answers %d", s.Status)
		}
		again := acme.As("ana@acme.example")
		l.taken(token) // a repeat is answered alike, and does nothing
		if s := again.Session(); s.Status != http.StatusOK {
			w.Errorf("a repeat ended the next session: %d", s.Status)
		}
		l.taken(l.about("ana@acme.example", set.AccountDisabled))
		if s := again.Session(); s.Status != http.StatusUnauthorized {
			w.Errorf("the session answers %d", s.Status)
		}
		if page := w.Browser("ana@acme.example").SignIn(acme.Connection); page.Status != http.StatusForbidden {
			w.Errorf("a sign-in answers %d", page.Status)
		}
	})
}

// THREAT SET-2, SET-5
func TestAnEventReachesNobodyOfAnotherAccount(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme, globex := w.Acme(), w.Globex()
		l := openLine(w, acme.Connection, nil)
		hana := globex.As("hana@globex.example")
		who := hana.Session().User.ID
		l.taken(l.about("hana@globex.example", set.AccountDisabled))
		l.n++
		l.taken(l.far.Token("us", fmt.Sprint("jti-", l.n), set.AccountDisabled, map[string]any{"format": "opaque", "id": string(who)}, nil))
		if s := hana.Session(); s.Status != http.StatusOK {
			w.Errorf("the session of another company answers %d", s.Status)
		}
		for _, e := range l.events() {
			if e.Outcome != account.EventNoSubject {
				w.Errorf("%s %s", e.Outcome, e.Detail)
			}
		}
	})
}

func (l *line) events() []account.Event {
	l.Helper()
	all, err := l.House.Ledger.StreamEvents(l.Context(), world.Operator, l.stream.ID, "", "", 100)
	l.ok(err)
	return all
}

// Whoever cannot show the credential learns nothing, and whatever is no token is told so in RFC 8935's words.
//
// THREAT SET-1, SET-7
func TestPushedTokensThatAreRefused(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		l := openLine(w, acme.Connection, nil)
		other := openLineNamed(w, acme.Connection, "other")
		good := l.about("ana@acme.example", set.SessionRevoked)
		send := func(method, address, authorization, media, body string, more ...string) *http.Response {
			w.Helper()
			r, err := http.NewRequestWithContext(w.Context(), method, address, strings.NewReader(body))
			l.ok(err)
			r.Header.Set("Content-Type", media)
			if authorization != "" {
				r.Header.Set("Authorization", authorization)
			}
			for i := 0; i+1 < len(more); i += 2 {
				r.Header.Set(more[i], more[i+1])
			}
			resp, err := http.DefaultClient.Do(r)
			l.ok(err)
			w.Cleanup(func() { _ = resp.Body.Close() })
			return resp
		}
		const media = "application/secevent+jwt"
		bearer := "Bearer " + l.bearer
		for name, tc := range map[string]struct {
			resp   *http.Response
			status int
			code   string
		}{
			"no credential":          {send("POST", l.address(), "", media, good), 400, "authentication_failed"},
			"wrong credential":       {send("POST", l.address(), "Bearer x", media, good), 400, "authentication_failed"},
			"of another stream":      {send("POST", l.address(), "Bearer "+other.bearer, media, good), 400, "authentication_failed"},
			"in the path":            {send("POST", l.address()+"/"+l.bearer, "", media, good), 400, "authentication_failed"},
			"no such stream":         {send("POST", w.URL+"/events/str_nobody", bearer, media, good), 400, "authentication_failed"},
			"GET":                    {send("GET", l.address(), bearer, media, ""), 405, ""},
			"JSON":                   {send("POST", l.address(), bearer, "application/json", good), 415, ""},
			"compressed":             {send("POST", l.address(), bearer, media, good, "Content-Encoding", "gzip"), 415, ""},
			"nothing":                {send("POST", l.address(), bearer, media, ""), 400, "invalid_request"},
			"too large":              {send("POST", l.address(), bearer, media, strings.Repeat("x", 256<<10+1)), 413, ""},
			"for another audience":   {send("POST", l.address(), bearer, media, l.far.Token("them", "j", set.SessionRevoked, nil, nil)), 400, "invalid_audience"},
			"of another transmitter": {send("POST", l.address(), bearer, media, other.about("ana@acme.example", set.SessionRevoked)), 400, "invalid_issuer"},
		} {
			var e struct{ Err, Description string }
			_ = json.NewDecoder(tc.resp.Body).Decode(&e)
			if tc.resp.StatusCode != tc.status || e.Err != tc.code || (e.Description == "") != (tc.code == "") || (tc.code != "") != (tc.resp.Header.Get("Content-Language") == "en") {
				w.Errorf("%s: %d %+v", name, tc.resp.StatusCode, e)
			}
		}
		if n := len(l.events()); n != 0 {
			w.Errorf("%d events came of tokens that were refused", n)
		}
		l.taken(good) // none of it burnt the jti
	})
}

func openLineNamed(w *world.World, c account.Connection, name string) *line {
	w.Helper()
	return openLine(w, c, func(s *account.Stream) { s.Name = name })
}

// Keys rotate without a lost token, and a key set that is away costs time and no token.
func TestKeysRotateWithoutALostToken(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		l := openLine(w, acme.Connection, nil)
		l.taken(l.about("ana@acme.example", set.SessionRevoked))
		l.far.Publish("key-2", "key-1")
		l.taken(l.about("ana@acme.example", set.SessionRevoked))
		l.far.Publish("key-2")
		l.taken(l.about("ana@acme.example", set.SessionRevoked))
		l.far.Down(true)
		l.far.Publish("key-3")
		status, _, header := l.push(l.about("ana@acme.example", set.SessionRevoked))
		if status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" {
			w.Errorf("answered %d", status)
		}
		l.far.Publish("key-2")
		l.taken(l.about("ana@acme.example", set.SessionRevoked)) // known keys go on
		l.far.Down(false)
		l.far.Publish("key-3")
		l.taken(l.about("ana@acme.example", set.SessionRevoked))
	})
}

// The stream is made at the transmitter, verified by our own state, watched, paused and taken away.
func TestAStreamIsMadeAtItsTransmitter(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		l := openLine(w, acme.Connection, nil)
		door, ctx, id := w.House.Events, w.Context(), l.stream.ID
		found, err := door.Discover(ctx, l.far.Issuer)
		l.ok(err)
		if found.SpecVersion != "1_0" || found.Streams != l.far.Issuer+"/stream" || !slices.Equal(found.KeyIDs, []string{"key-1"}) {
			w.Errorf("found %+v", found)
		}
		for _, c := range l.credentials() { // the two places are for the transmitter
			l.ok(w.House.Ledger.RevokePushCredential(ctx, world.Operator, id, c.ID))
		}
		if l.stream, err = door.Connect(ctx, world.Operator, id); err != nil {
			w.Fatal(err)
		}
		far := l.far.Stream(l.stream.Transmitter.Stream)
		if far == nil || far.Endpoint != l.address() || far.Method != "urn:ietf:rfc:8935" || !strings.HasPrefix(far.Authorization, "Bearer ") || !slices.Contains(far.Requested, set.AccountDisabled) {
			w.Fatalf("the transmitter has %+v", far)
		}
		l.ok(door.Verify(ctx, world.Operator, id))
		status, err := w.House.Ledger.StreamStatus(ctx, world.Operator, id)
		l.ok(err)
		if status.VerifiedAt.IsZero() {
			w.Error("the stream is not verified")
		}
		l.far.ForgetTokens() // one that ran out is replaced
		subject := account.SubjectID{Format: account.SubjectEmail, Values: map[string]string{"email": "ana@acme.example"}}
		l.ok(door.WatchSubject(ctx, world.Operator, id, subject, true))
		if far = l.far.Stream(far.ID); len(far.Subjects) != 1 || !strings.Contains(far.Subjects[0], "ana@acme.example") {
			w.Errorf("it watches %v", far.Subjects)
		}
		if s, why, err := door.SetFarStatus(ctx, world.Operator, id, "paused", "lunch"); err != nil || s != "paused" || why != "lunch" {
			w.Error(s, why, err)
		}
		if s, _, err := door.FarStatus(ctx, world.Operator, id); err != nil || s != "paused" {
			w.Error(s, err)
		}
		if _, err := door.Connect(ctx, world.Operator, id); account.KindOf(err) != account.Conflict {
			w.Errorf("a second time: %v", err)
		}
		ana := account.Actor{Kind: account.ActorUser, User: acme.As("ana@acme.example").Session().User.ID}
		if err := door.Disconnect(ctx, ana, id); err == nil {
			w.Error("anybody may take a stream away")
		}
		l.ok(door.Disconnect(ctx, world.Operator, id))
		if l.far.Stream(far.ID) != nil {
			w.Error("the transmitter still has the stream")
		}
		l.ok(door.Disconnect(ctx, world.Operator, id))
		if n := l.far.Tokens(); n != 2 {
			w.Errorf("%d access tokens were asked for", n)
		}
	})
}

func (l *line) credentials() []account.PushCredential {
	l.Helper()
	all, err := l.House.Ledger.PushCredentials(l.Context(), world.Operator, l.stream.ID)
	l.ok(err)
	return all
}

// Polled tokens count like pushed ones: what is in force is acknowledged, what is no good is reported.
func TestATransmitterIsPolled(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		b := acme.As("ana@acme.example")
		l := openLine(w, acme.Connection, func(s *account.Stream) {
			s.Method, s.Poll = account.StreamPoll, &account.Poll{Endpoint: s.Issuer + "/poll/none-yet"}
		})
		var err error
		if l.stream, err = w.House.Events.Connect(w.Context(), world.Operator, l.stream.ID); err != nil {
			w.Fatal(err)
		}
		name := l.stream.Transmitter.Stream
		if l.stream.Poll.Endpoint != l.far.Issuer+"/poll/"+name || l.stream.Audience[0] != "receiver-"+name {
			w.Fatalf("%+v", l.stream)
		}
		l.far.Queue(name, "jti-1", l.about("ana@acme.example", set.SessionRevoked))
		l.far.Queue(name, "stolen", l.about("ben@acme.example", set.AccountDisabled))
		l.far.Queue(name, "bad", "no token")
		l.until("all are dealt with", func() bool {
			far := l.far.Stream(name)
			return slices.Contains(far.Acked, "jti-1") && len(far.Errs) == 2
		})
		far := l.far.Stream(name)
		if far.Errs["bad"]["err"] != set.InvalidRequest || far.Errs["stolen"]["err"] != set.InvalidRequest || far.Errs["bad"]["description"] == "" {
			w.Errorf("it was told %v", far.Errs)
		}
		if s := b.Session(); s.Status != http.StatusUnauthorized {
			w.Errorf("the session answers %d", s.Status)
		}
		if n := len(l.events()); n != 1 {
			w.Errorf("%d events", n)
		}
		l.ok(w.House.Events.Verify(w.Context(), world.Operator, l.stream.ID))
		l.until("the stream is verified", func() bool {
			status, err := w.House.Ledger.StreamStatus(w.Context(), world.Operator, l.stream.ID)
			return err == nil && !status.VerifiedAt.IsZero()
		})
	})
}

// Okta proves itself with a token of its own: once, for this address, and for nobody of another company.
func TestUniversalLogout(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		w.Globex().As("hana@globex.example")
		l := openLine(w, acme.Connection, nil)
		ana := acme.As("ana@acme.example")
		address := l.address() + "/global-token-revocation"
		bearer := func(change func(map[string]any)) string {
			now := w.Clock.Now().Unix()
			l.n++
			claims := map[string]any{"iss": l.far.Issuer, "aud": address, "sub": l.far.ClientID, "jti": fmt.Sprint("gtr-", l.n), "iat": now, "exp": now + 300}
			change(claims)
			return l.far.Compact(map[string]any{"alg": "RS256", "typ": "global-token-revocation+jwt", "kid": "key-1"}, claims)
		}
		same := func(map[string]any) {}
		revoke := func(token, email string) int {
			w.Helper()
			r, err := http.NewRequestWithContext(w.Context(), "POST", address, strings.NewReader(`{"sub_id":{"format":"email","email":"`+email+`"}}`))
			l.ok(err)
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Authorization", "Bearer "+token)
			resp, err := http.DefaultClient.Do(r)
			l.ok(err)
			_ = resp.Body.Close()
			return resp.StatusCode
		}
		for name, token := range map[string]string{
			"other address": bearer(func(c map[string]any) { c["aud"] = w.URL }),
			"other client":  bearer(func(c map[string]any) { c["sub"] = "somebody" }),
			"run out":       bearer(func(c map[string]any) { c["exp"] = c["iat"] }),
			"event token":   l.about("ana@acme.example", set.SessionRevoked),
			"no credential": "x",
		} {
			if status := revoke(token, "ana@acme.example"); status != http.StatusUnauthorized {
				w.Errorf("%s: %d", name, status)
			}
		}
		if status := revoke(bearer(same), "hana@globex.example"); status != http.StatusNotFound {
			w.Errorf("somebody of another company: %d", status)
		}
		if s := ana.Session(); s.Status != http.StatusOK {
			w.Fatalf("the session answers %d", s.Status)
		}
		once := bearer(same)
		if status := revoke(once, "ana@acme.example"); status != http.StatusNoContent {
			w.Fatalf("answered %d", status)
		}
		if s := ana.Session(); s.Status != http.StatusUnauthorized {
			w.Errorf("the session answers %d", s.Status)
		}
		if status := revoke(once, "ben@acme.example"); status != http.StatusUnauthorized {
			w.Errorf("the same token again: %d", status)
		}
	})
}

// THREAT SET-6
func TestAStreamThatSendsTooMuchIsToldToWait(t *testing.T) {
	w := world.New(t, "sqlite:"+t.TempDir()+"/house.db")
	acme := w.Acme()
	w.Stop()
	w.Cfg.Scim.Rate, w.Cfg.Scim.Burst = 1, 5
	w.Start()
	l := openLine(w, acme.Connection, nil)
	token := l.about("ana@acme.example", set.SessionRevoked)
	for range 5 {
		l.taken(token)
	}
	status, code, header := l.push(token)
	if status != http.StatusTooManyRequests || code != "" || header.Get("Retry-After") != "1" {
		w.Errorf("answered %d %s, wait %q", status, code, header.Get("Retry-After"))
	}
	w.Clock.Turn(time.Second)
	l.taken(token)
}

// THREAT SET-6
func TestSignaturesOfStrangersAreNotJudgedWithoutEnd(t *testing.T) {
	w := world.New(t, "sqlite:"+t.TempDir()+"/house.db")
	acme := w.Acme()
	w.Stop()
	w.Cfg.Scim.Rate, w.Cfg.Scim.Burst = 1, 5
	w.Start()
	l := openLine(w, acme.Connection, nil)
	forged := func() *http.Response {
		r, err := http.NewRequestWithContext(w.Context(), "POST", l.address()+"/global-token-revocation", strings.NewReader(`{"sub_id":{"format":"email","email":"ana@acme.example"}}`))
		l.ok(err)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+l.about("ana@acme.example", set.SessionRevoked)) // well made, and no revocation
		resp, err := http.DefaultClient.Do(r)
		l.ok(err)
		_ = resp.Body.Close()
		return resp
	}
	for range 5 {
		if resp := forged(); resp.StatusCode != http.StatusUnauthorized {
			w.Fatalf("answered %d", resp.StatusCode)
		}
	}
	if resp := forged(); resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") != "1" {
		w.Errorf("answered %d, wait %q", resp.StatusCode, resp.Header.Get("Retry-After"))
	}
	l.taken(l.about("ana@acme.example", set.SessionRevoked)) // what the stream itself may send is not used up by them
	w.Clock.Turn(time.Second)
	if resp := forged(); resp.StatusCode != http.StatusUnauthorized {
		w.Errorf("answered %d", resp.StatusCode)
	}
}
