package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store"
	"github.com/drawbridge-id/drawbridge/test/sim"
	"github.com/drawbridge-id/drawbridge/test/world"
)

// A recording is one recorded message of a transmitter, with what has to come of it at the door. Package store plays the same
// ones for all that they change inside.
type recording struct {
	ID, Kind, Sender, Tenant string
	Header, Claims           map[string]any
	Request                  struct {
		ContentType    string `json:"content_type"`
		Parameter      string
		Auth           string
		Header, Claims map[string]any
		Body           map[string]any
	}
	Needs struct {
		Accounts     map[string]any
		PendingState string `json:"pending_state"`
		Rule         string
	}
	Expect struct {
		Status  int
		Err     string
		Outcome string
		After   struct {
			Sessions []string            `json:"sessions_ended"`
			Keys     []string            `json:"keys_revoked"`
			Flagged  []string            `json:"keys_flagged"`
			Accounts map[string]string   `json:"accounts"`
			Roles    map[string][]string `json:"roles"`
			Emails   map[string][]string `json:"emails"`
			Streams  map[string]string   `json:"streams"`
			Verified []string            `json:"stream_verified"`
			Fetch    []string            `json:"fetch"`
			Created  []string            `json:"created"`
		}
	}
}

func recordings(t *testing.T) (out []recording) {
	t.Helper()
	files, err := filepath.Glob("../events/testdata/transcripts/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if filepath.Base(f) == "_world.json" {
			continue
		}
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		var one recording
		if err := d.Decode(&one); err != nil {
			t.Fatal(f, err)
		}
		out = append(out, one)
	}
	if len(out) < 157 {
		t.Fatalf("only %d transcripts", len(out))
	}
	return out
}

// The instants of the recorded world, in seconds: when its people signed in, were suspended, signed in again, and when every message is
// received.
const (
	firstThen, suspendedThen, secondThen, receivedThen = 1767218400, 1767222000, 1767223800, 1767225660
)

// A stage is the account of the recorded world, its streams and whoever is the same in all deliveries.
type stage struct {
	*world.World
	far         *sim.Transmitter // signs for every sender, and is the OpenID provider
	account     account.AccountID
	connections map[string]account.Connection
	streams     map[string]account.Stream
	bearers     map[string]string
	shift       int64 // seconds from the record's clock to ours
	n           int
}

func newStage(w *world.World, casts []*cast) *stage {
	s := &stage{World: w, far: w.Transmitter("/okta"), connections: map[string]account.Connection{}, streams: map[string]account.Stream{}, bearers: map[string]string{},
		shift: w.Clock.Now().Unix() - firstThen}
	s.far.Publish("okta-2026", "google-2026", "caepdev-2026", "apple-2026", "scim-2026")
	teams, rules := "", ""
	for _, c := range casts {
		if c.rule {
			teams += fmt.Sprintf("{name: ml%s}, ", c.mark)
			rules += fmt.Sprintf("\n      - {name: ML%[1]s, connection: %[2]s, groups: [ml-admins%[1]s], teams: {ml%[1]s: [registry:admin]}, state: active}", c.mark, c.adminBy())
		}
	}
	w.Apply(fmt.Sprintf(`
accounts:
  - name: acme
    services: [registry]
    owners: [owner@acme.example]
    teams: [%s{name: other}]
    domains:
      - {name: acme.example, proved: true} # tied to no connection, so that each of them may move an address
    connections:
      - {name: okta, kind: generic, oidc: {issuer: %q, client_id: client-acme, client_secret: between-us}}
      - {name: google, kind: generic, oidc: {issuer: "https://accounts.google.com", client_id: c, client_secret: between-us}}
      - {name: caepdev, kind: generic, oidc: {issuer: "https://ssf.caep.example", client_id: c, client_secret: between-us}}
    rules:
      - {name: Base, connection: google, groups: [eng], org: [registry:reader], state: active}%s
`, teams, s.far.Issuer, rules))
	a, _ := w.Account("acme")
	s.account = a.ID
	for _, name := range []string{"okta", "google", "caepdev"} {
		s.connections[name] = w.Connection("acme", name)
		off := account.DefaultBreaker // so many removals at once are the story here
		off.Off = true
		_, err := w.House.Ledger.SetBreaker(w.Context(), world.Operator, string(s.connections[name].ID), off)
		s.must(err)
	}
	s.addStreams()
	return s
}

func (s *stage) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *stage) addStreams() {
	for _, x := range []struct{ name, iss, aud, id, connection string }{
		{"okta", s.far.Issuer, "https://bridge.example.com/ssf/acme-okta", "str-okta-1", "okta"},
		{"google", "https://accounts.google.com/", "814-web.apps.example", "str-goog-1", "google"},
		{"caepdev", "https://ssf.caep.example", "https://bridge.example.com/ssf/acme-caep", "str-caep-1", "caepdev"},
		{"apple", "https://idp.acme.example/ssf", "https://federation.apple.example/feeds/business/caep", "str-appl-1", "okta"},
		{"scim", "https://scim.acme.example", "https://bridge.example.com/feeds/acme", "str-scim-1", "okta"},
	} {
		in := account.Stream{Name: x.name, Enabled: true, Issuer: x.iss, Audience: []string{x.aud, "814-ios.apps.example"}, JWKSURL: s.far.Issuer + "/jwks",
			Connection: s.connections[x.connection].ID, Transmitter: &account.Transmitter{Stream: x.id}}
		if x.name == "caepdev" {
			in.SubjectIssuers = []account.ConnectionID{s.connections["okta"].ID}
		}
		out, err := s.House.Ledger.AddStream(s.Context(), world.Operator, s.account, in)
		s.must(err)
		_, secret, err := s.House.Ledger.MintPushCredential(s.Context(), world.Operator, out.ID, x.name == "google")
		s.must(err)
		s.streams[x.name], s.bearers[x.name] = out, secret.Reveal()
	}
}

// A cast is jane, omar and sven once more, marked so that many of them can be on one stage.
type cast struct {
	*stage
	recording
	mark     string
	rule     bool
	people   map[string]account.UserID
	sessions map[string]account.Session
	keys     map[string]account.Secret
	ids      map[account.KeyID]string
	names    []string // what the record calls things, and what they are called here
}

func newCast(n int, r recording) *cast {
	c := &cast{recording: r, mark: fmt.Sprint("-", n), rule: r.Needs.Rule != "", people: map[string]account.UserID{}, sessions: map[string]account.Session{},
		keys: map[string]account.Secret{}, ids: map[account.KeyID]string{}}
	for _, name := range []string{"00ujane7", "00uomar8", "00usven9", "107700000000000000001", "jane-9", "okta-sid-77", "okta-sid-78", "okta-sid-90", "dev-42", "dev-43",
		"dev-50", "IDT.jane.1", "_a75adf55", "5f0c9a", "e-1001", "new1", "e-1009", "nina", "jane.roe", "jane.doe", "lo-1", "ml-admins"} {
		c.names = append(c.names, name, name+c.mark)
	}
	c.names = append(c.names, "JANE.ROE@", strings.ToUpper("jane.roe"+c.mark)+"@", "omar@", "omar"+c.mark+"@", "sven@", "sven"+c.mark+"@")
	return c
}

// quiet is whether nothing comes of it that another delivery could notice.
func (r recording) quiet() bool {
	a := r.Expect.After
	return len(a.Sessions)+len(a.Keys)+len(a.Flagged)+len(a.Accounts)+len(a.Roles)+len(a.Emails)+len(a.Fetch)+len(a.Created) == 0 && r.Needs.Accounts == nil && r.Needs.Rule == ""
}

// ours is a recorded text with our names in it.
func (c *cast) ours(text string) string { return strings.NewReplacer(c.names...).Replace(text) }

// adminBy is the connection whose sign-ins, or whose pushed group, make jane an admin of the team.
func (c *cast) adminBy() string {
	if strings.Contains(fmt.Sprint(c.Claims), "jane-9") {
		return "caepdev"
	}
	return "okta"
}

// signIn is a sign-in that a connection has judged. Without a name its session ends at once: the connection knows the person then.
func (c *cast) signIn(session, connection, sub, who, sid, token string) {
	c.Helper()
	c.n++
	login := account.Login{Connection: c.connections[connection].ID, Subject: c.ours(sub), Email: c.ours(who + "@acme.example"), EmailVerified: account.VerifiedYes,
		ProviderSession: c.ours(sid), TokenID: c.ours(token), Replay: fmt.Sprint("sign-in ", c.n), ReplayUntil: c.Clock.Now().Add(time.Hour),
		Groups: account.GroupSet{State: account.GroupsComplete, Values: []string{"eng"}, Source: "id_token"}}
	if c.rule && c.Sender != "scim" && c.adminBy() == connection && who == "jane.roe" {
		login.Groups.Values = []string{"eng", c.ours("ml-admins")}
	}
	by := account.Actor{Kind: account.ActorConnection, Connection: login.Connection}
	flow, err := c.House.Ledger.StartFlow(c.Context(), account.Flow{Connection: login.Connection, Which: account.Live})
	c.must(err)
	e, err := c.House.Ledger.SignIn(c.Context(), store.Entry{By: by, Login: login, Flow: flow})
	c.must(err)
	c.people[strings.Split(who, ".")[0]] = e.User.ID
	if session == "" {
		_, err := c.House.Ledger.SignOut(c.Context(), by, e.Session.Token)
		c.must(err)
		return
	}
	c.sessions[session] = e.Session
}

func (c *cast) key(name, who string) {
	c.Helper()
	k, secret, err := c.House.Ledger.MintKey(c.Context(), account.Actor{Kind: account.ActorUser, User: c.people[who]}, c.account, name, 0)
	c.must(err)
	c.keys[name], c.ids[k.ID] = secret, name
}

func (c *cast) first() {
	c.signIn("s_jane_1", "okta", "00ujane7", "jane.roe", "okta-sid-77", "IDT.jane.1")
	c.signIn("s_omar_1", "okta", "00uomar8", "omar", "okta-sid-90", "")
	c.signIn("", "google", "107700000000000000001", "jane.roe", "", "")
	c.signIn("", "caepdev", "jane-9", "jane.roe", "", "")
	c.signIn("", "okta", "00usven9", "sven", "", "")
	c.key("k_jane_1", "jane")
	c.key("k_jane_2", "jane")
	c.key("k_omar_1", "omar")
	if c.Sender == "scim" {
		c.resource("/Users/5f0c9a", map[string]any{"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:User"}, "id": c.ours("5f0c9a"), "externalId": c.ours("e-1001"), "userName": c.ours("jane.roe"),
			"active": true, "emails": []any{map[string]any{"value": c.ours("jane.roe@acme.example"), "primary": true}}})
	}
	if c.rule && c.Sender == "scim" {
		c.resource("/Groups/ml-admins", map[string]any{"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:Group"}, "id": c.ours("ml-admins"),
			"displayName": c.ours("ml-admins"), "members": []any{map[string]any{"value": c.ours("5f0c9a")}}})
	}
}

func (c *cast) resource(uri string, data map[string]any) {
	c.hear("scim", "urn:ietf:params:scim:event:prov:create:full", map[string]any{"format": "scim", "uri": c.ours(uri)}, map[string]any{"data": data})
}

// hear has a sender say something that nobody recorded.
func (s *stage) hear(sender, event string, subject, payload map[string]any) {
	s.Helper()
	s.n++
	if payload == nil {
		payload = map[string]any{}
	}
	stream := s.streams[sender]
	status, body := s.push(sender, map[string]any{"alg": "RS256", "typ": "secevent+jwt", "kid": sender + "-2026"}, map[string]any{"iss": stream.Issuer, "aud": stream.Audience[0],
		"iat": s.Clock.Now().Unix(), "jti": fmt.Sprint("needs-", s.n), "sub_id": subject, "events": map[string]any{event: payload}})
	if status != http.StatusAccepted {
		s.Fatalf("%s is answered with %d %s", event, status, body)
	}
}

func (s *stage) push(sender string, header, claims map[string]any) (int, string) {
	s.Helper()
	address, authorization := s.House.Events.Address(s.streams[sender].ID), "Bearer "+s.bearers[sender]
	if sender == "google" {
		address, authorization = address+"/"+s.bearers[sender], ""
	}
	status, h, body, err := s.far.Push(s.Context(), address, authorization, s.far.Compact(header, claims))
	s.must(err)
	if status == http.StatusAccepted && body != "" || status == http.StatusBadRequest && h.Get("Content-Language") != "en" {
		s.Errorf("%v: answered %d with %q in language %q", claims["jti"], status, body, h.Get("Content-Language"))
	}
	return status, body
}

func (c *cast) suspended() {
	c.hear("caepdev", "https://schemas.openid.net/secevent/risc/event-type/account-disabled",
		map[string]any{"format": "iss_sub", "iss": c.far.Issuer, "sub": c.ours("00usven9")}, nil)
}

func (c *cast) second() {
	c.signIn("s_jane_2", "okta", "00ujane7", "jane.roe", "okta-sid-78", "_a75adf55")
	for session, device := range map[string]string{"okta-sid-77": "dev-42", "okta-sid-78": "dev-43", "okta-sid-90": "dev-50"} {
		c.hear("okta", "https://schemas.openid.net/secevent/caep/event-type/session-established", map[string]any{"format": "complex",
			"session": map[string]any{"format": "opaque", "id": c.ours(session)}, "device": map[string]any{"format": "opaque", "id": c.ours(device)}}, nil)
	}
	c.names = append(c.names, "https://acme.okta.example", c.far.Issuer, "acc_01JANE", string(c.people["jane"]), "ses_J1", string(c.sessions["s_jane_1"].ID))
}

// needs makes what a delivery needs beyond the world.
func (c *cast) needs() {
	if c.Needs.PendingState != "" {
		state, err := c.House.Ledger.AskVerification(c.Context(), world.Operator, c.streams[c.Sender].ID)
		c.must(err)
		c.names = append(c.names, c.Needs.PendingState, state)
	}
	if c.Needs.Accounts == nil {
		return
	}
	event := "account-purged"
	if c.Needs.Accounts["jane"] == "suspended" {
		event = "account-disabled"
	}
	c.hear("okta", "https://schemas.openid.net/secevent/risc/event-type/"+event, map[string]any{"format": "iss_sub", "iss": c.far.Issuer, "sub": c.ours("00ujane7")},
		map[string]any{"event_timestamp": 1767225000 + c.shift})
}

// here is a recorded value as it is called here, with its times on our clock.
func (c *cast) here(name string, v any) any {
	switch v := v.(type) {
	case string:
		return c.ours(v)
	case []any:
		out := []any{}
		for _, e := range v {
			out = append(out, c.here("", e))
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			out[k] = c.here(k, e)
		}
		return out
	case json.Number:
		n, err := strconv.ParseInt(v.String(), 10, 64)
		if err != nil || !slices.Contains([]string{"iat", "exp", "toe", "event_timestamp"}, name) {
			return v
		}
		if n > 1e11 {
			return n + 1000*c.shift
		}
		return n + c.shift
	}
	return v
}

func (c *cast) object(v map[string]any) map[string]any {
	out, _ := c.here("", v).(map[string]any)
	return out
}

// play sends the message and gives the answer, with the RFC 8935 code of a refusal.
func (c *cast) play() (status int, code string) {
	switch c.Kind {
	case "backchannel_logout":
		token := c.far.Compact(c.Request.Header, c.object(c.Request.Claims))
		return c.post(c.URL+"/oidc/"+string(c.connections["okta"].ID)+"/backchannel-logout", c.Request.ContentType, "", url.Values{c.Request.Parameter: {token}}.Encode()), ""
	case "global_token_revocation":
		raw, err := json.Marshal(c.object(c.Request.Body))
		c.must(err)
		authorization := ""
		if c.Request.Auth == "ok" {
			authorization = "Bearer " + c.bearers["okta"]
		}
		return c.post(c.House.Events.Address(c.streams["okta"].ID)+"/global-token-revocation", c.Request.ContentType, authorization, string(raw)), ""
	}
	status, body := c.push(c.Sender, c.Header, c.object(c.Claims))
	var e struct{ Err, Description string }
	_ = json.Unmarshal([]byte(body), &e)
	if (e.Err == "") != (e.Description == "") {
		c.Errorf("%s: %s", c.ID, body)
	}
	return status, e.Err
}

func (c *cast) post(address, media, authorization, body string) int {
	c.Helper()
	r, err := http.NewRequestWithContext(c.Context(), http.MethodPost, address, strings.NewReader(body))
	c.must(err)
	r.Header.Set("Content-Type", media)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	resp, err := http.DefaultClient.Do(r)
	c.must(err)
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// A sight is what can be seen of a stage from outside.
type sight struct {
	sessions, keys, flagged []string
	states, emails, streams map[string]string
	admin, verified         bool
}

func (c *cast) look() (out sight) {
	c.Helper()
	out.states, out.emails, out.streams = map[string]string{}, map[string]string{}, map[string]string{}
	l, ctx := c.House.Ledger, c.Context()
	for name, session := range c.sessions {
		if _, err := l.Presence(ctx, session.Token); err == nil {
			out.sessions = append(out.sessions, name)
		}
	}
	for name, key := range c.keys {
		if _, err := l.VerifyKey(ctx, key); err == nil {
			out.keys = append(out.keys, name)
		}
	}
	for who, id := range c.people {
		p, err := l.Person(ctx, world.Operator, c.account, id)
		if account.KindOf(err) == account.NotFound { // who was deleted at the provider has no place here
			out.states[who] = "gone"
			continue
		}
		c.must(err)
		out.states[who], out.emails[who] = string(p.Tenancy.Status), p.User.Email
		all, err := l.Keys(ctx, world.Operator, c.account, id)
		c.must(err)
		for _, k := range all {
			if !k.FlaggedAt.IsZero() {
				out.flagged = append(out.flagged, c.ids[k.ID])
			}
		}
	}
	for name, stream := range c.streams {
		status, err := l.StreamStatus(ctx, world.Operator, stream.ID)
		c.must(err)
		out.streams[name] = status.Status
		out.verified = out.verified || !status.VerifiedAt.IsZero()
	}
	teams, err := l.Teams(ctx, world.Operator, c.account)
	c.must(err)
	for _, t := range teams {
		if t.Name == "ml"+c.mark {
			out.admin, err = l.May(ctx, c.account, c.people["jane"], t.ID, "registry:admin")
			c.must(err)
		}
	}
	slices.Sort(out.sessions)
	slices.Sort(out.keys)
	slices.Sort(out.flagged)
	return out
}

// gone are the names that are in before and not in after, without the service key, which the house has no equal of here.
func gone(before, after []string) (out []string) {
	for _, name := range before {
		if !slices.Contains(after, name) {
			out = append(out, name)
		}
	}
	return out
}

// check compares the answer and what changed with the record.
func (c *cast) check() {
	c.Helper()
	before := c.look()
	status, code := c.play()
	after := c.look()
	want := c.Expect
	if status != want.Status {
		c.Errorf("%s: answered %d %s, want %d %s", c.ID, status, code, want.Status, want.Err)
	}
	if code != want.Err {
		c.Errorf("%s: refused with %q, want %q", c.ID, code, want.Err)
	}
	compare := func(what string, got, want any) {
		c.Helper()
		if fmt.Sprint(got) != fmt.Sprint(want) {
			c.Errorf("%s: %s %v, want %v", c.ID, what, got, want)
		}
	}
	compare("sessions ended", gone(before.sessions, after.sessions), want.After.Sessions)
	compare("keys revoked", gone(before.keys, after.keys), want.After.Keys)
	compare("keys flagged", gone(after.flagged, before.flagged), want.After.Flagged)
	compare("verified", after.verified && !before.verified, len(want.After.Verified) > 0)
	for who := range c.people {
		state := before.states[who]
		switch want.After.Accounts[who] {
		case "deleted":
			state = after.states[who]
			compare(who+" may come in", state == string(account.TenancyActive), false)
			continue
		case "suspended":
			state = string(account.TenancySuspended)
		case "active":
			state = string(account.TenancyActive)
		}
		compare("the state of "+who, after.states[who], state)
		email := before.emails[who]
		if list, changed := want.After.Emails[who]; changed {
			email = string(c.people[who]) + "@recycled.invalid"
			if len(list) > 0 {
				email = c.ours(list[0])
			}
		}
		compare("the address of "+who, after.emails[who], email)
	}
	if roles, changed := want.After.Roles["jane"]; changed {
		compare("jane was an admin", before.admin, true)
		compare("jane is an admin", after.admin, slices.Contains(roles, "team-ml:admin"))
	} else if after.states["jane"] == before.states["jane"] {
		compare("jane is an admin", after.admin, before.admin)
	}
	c.checkStreams(before, after)
	c.checkLog()
}

func (c *cast) checkStreams(before, after sight) {
	c.Helper()
	for name := range c.streams {
		want := before.streams[name]
		if name == c.Sender {
			for _, status := range c.Expect.After.Streams {
				want = status
			}
		}
		if after.streams[name] != want {
			c.Errorf("%s: the stream %s is %q, want %q", c.ID, name, after.streams[name], want)
		}
	}
}

// checkLog looks for the recorded outcome in the log of events, where an administrator would.
func (c *cast) checkLog() {
	c.Helper()
	if c.Kind != "" {
		return
	}
	jti, _ := c.Claims["jti"].(string)
	events, err := c.House.Ledger.StreamEvents(c.Context(), world.Operator, c.streams[c.Sender].ID, "", "", 100)
	c.must(err)
	var outcomes, fetches []string
	for _, e := range events {
		if e.JTI == jti && jti != "" {
			outcomes = append(outcomes, string(e.Outcome))
			if e.Fetch != "" {
				fetches = append(fetches, e.Fetch)
			}
		}
	}
	if c.Expect.Status != http.StatusAccepted {
		if len(outcomes) > 0 {
			c.Errorf("%s: a refused token is in the log as %v", c.ID, outcomes)
		}
		return
	}
	if !slices.Contains(outcomes, c.Expect.Outcome) {
		c.Errorf("%s: the log has %v, want %s", c.ID, outcomes, c.Expect.Outcome)
	}
	if want := c.ours(fmt.Sprint(c.Expect.After.Fetch)); fmt.Sprint(fetches) != want {
		c.Errorf("%s: fetches %v, want %v", c.ID, fetches, want)
	}
}

// Every recorded delivery, at the door, on both databases: the answer, what it changes, and that it changes nothing else. Those that change
// nothing share a cast.
//
// REQ M-02, M-03
// THREAT SET-1, SET-2, SET-4, SET-5
func TestRecordedDeliveries(t *testing.T) {
	all := recordings(t)
	world.Each(t, func(w *world.World) {
		shared := newCast(0, recording{Sender: "scim"})
		casts := []*cast{shared}
		var plays []*cast
		for n, r := range all {
			switch {
			case r.Tenant == "globex": // a story of its own: TestAnEventReachesNobodyOfAnotherAccount
			case r.quiet():
				c := *shared
				c.recording = r
				plays = append(plays, &c)
			default:
				c := newCast(n+1, r)
				casts, plays = append(casts, c), append(plays, c)
			}
		}
		s := newStage(w, casts)
		at := int64(firstThen)
		each := func(then int64, do func(*cast)) {
			w.Clock.Turn(time.Duration(then-at) * time.Second)
			at = then
			for _, c := range casts {
				c.stage = s
				do(c)
			}
		}
		each(firstThen, (*cast).first)
		each(suspendedThen, (*cast).suspended)
		each(secondThen, (*cast).second)
		w.Clock.Turn((receivedThen - secondThen) * time.Second)
		for _, c := range plays {
			c.stage = s
			if c.mark == shared.mark {
				c.names = shared.names
			}
			c.needs()
			c.check()
		}
	})
}
