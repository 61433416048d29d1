package test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/test/world"
)

// fetchToken asks the token endpoint of a connection, as a form; basic is "id:secret" or empty.
func fetchToken(w *world.World, c account.ConnectionID, basic string, form url.Values) (status int, header http.Header, body map[string]any) {
	w.Helper()
	r, err := http.NewRequestWithContext(w.Context(), "POST", w.URL+"/scim/"+string(c)+"/oauth/token", strings.NewReader(form.Encode()))
	if err != nil {
		w.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if id, secret, ok := strings.Cut(basic, ":"); ok {
		r.SetBasicAuth(id, secret)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		w.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err == nil {
		err = json.Unmarshal(raw, &body)
	}
	if err != nil || res.Header.Get("Cache-Control") != "no-store" {
		w.Fatalf("the token endpoint answers %d %s, %v", res.StatusCode, raw, err)
	}
	return res.StatusCode, res.Header, body
}

// An identity provider that speaks OAuth fetches tokens of an hour with its client, and loses them all with it (RFC 6749 §4.4).
// THREAT KEY-2, KEY-3
func TestAProviderFetchesItsTokens(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme, globex := w.Acme().Connection, w.Globex().Connection
		l := w.House.Ledger
		client, secret, err := l.MintSCIMClient(w.Context(), world.Operator, acme.ID, 24*time.Hour)
		if err != nil {
			w.Fatal(err)
		}
		grant := url.Values{"grant_type": {"client_credentials"}}
		post := url.Values{"grant_type": {"client_credentials"}, "client_id": {string(client.ID)}, "client_secret": {secret.Reveal()}}
		basic := string(client.ID) + ":" + secret.Reveal()
		status, _, got := fetchToken(w, acme.ID, basic, grant)
		if status != 200 || got["token_type"] != "Bearer" || got["expires_in"] != 3600.0 {
			w.Fatalf("answered %d %v", status, got)
		}
		p := &pusher{World: w, base: w.URL + "/scim/" + string(acme.ID) + "/v2", token: fmt.Sprint(got["access_token"])}
		p.send("POST", "/Users", aUser("ana@acme.example", "a")).is(201)
		if config := p.send("GET", "/ServiceProviderConfig", nil).is(200); !strings.Contains(config.raw, `"oauth2"`) || !strings.Contains(config.raw, "/oauth/token") {
			w.Errorf("the token endpoint is not declared: %s", config.raw)
		}
		if status, _, again := fetchToken(w, acme.ID, "", post); status != 200 || again["access_token"] == got["access_token"] {
			w.Errorf("in the form: %d %v", status, again)
		}
		// A secret is no token, a token is no secret, and neither opens another connection.
		(&pusher{World: w, base: p.base, token: secret.Reveal()}).send("GET", "/Users", nil).is(401)
		(&pusher{World: w, base: w.URL + "/scim/" + string(globex.ID) + "/v2", token: p.token}).send("GET", "/Users", nil).is(401)
		changed := func(name, value string) url.Values {
			out := url.Values{}
			for k, v := range post {
				out[k] = v
			}
			out.Set(name, value)
			return out
		}
		for name, c := range map[string]struct {
			of     account.ConnectionID
			basic  string
			form   url.Values
			status int
			code   string
		}{
			"no client":         {acme.ID, "", grant, 401, "invalid_client"},
			"wrong secret":      {acme.ID, string(client.ID) + ":" + flipped(secret.Reveal()), grant, 401, "invalid_client"},
			"a token as one":    {acme.ID, string(client.ID) + ":" + p.token, grant, 401, "invalid_client"},
			"unknown client":    {acme.ID, "", changed("client_id", "scc_nobody"), 401, "invalid_client"},
			"elsewhere":         {globex.ID, basic, grant, 401, "invalid_client"},
			"no grant":          {acme.ID, basic, url.Values{}, 400, "invalid_request"},
			"another grant":     {acme.ID, "", changed("grant_type", "password"), 400, "unsupported_grant_type"},
			"both ways":         {acme.ID, basic, post, 400, "invalid_request"},
			"twice":             {acme.ID, "", url.Values{"grant_type": {"client_credentials", "client_credentials"}, "client_id": post["client_id"], "client_secret": post["client_secret"]}, 400, "invalid_request"},
			"two names for one": {acme.ID, basic, url.Values{"grant_type": {"client_credentials"}, "client_id": {"other"}}, 400, "invalid_request"},
		} {
			status, header, got := fetchToken(w, c.of, c.basic, c.form)
			if status != c.status || got["error"] != c.code || got["error_description"] == "" || (status == 401) != (header.Get("WWW-Authenticate") != "") {
				w.Errorf("%s: answered %d %v", name, status, got)
			}
		}
		if tokens, err := l.SCIMTokens(w.Context(), world.Operator, acme.ID); err != nil || len(tokens) != 0 {
			w.Errorf("fetched tokens stand among those minted by hand: %+v, %v", tokens, err)
		}
		w.Clock.Turn(61 * time.Minute)
		p.send("GET", "/Users", nil).is(401) // run out
		_, _, got = fetchToken(w, acme.ID, basic, grant)
		p.token = fmt.Sprint(got["access_token"])
		p.send("GET", "/Users", nil).is(200)
		if _, _, err := l.MintSCIMClient(w.Context(), world.Operator, acme.ID, time.Hour); err != nil {
			w.Fatal(err)
		}
		if _, _, err := l.MintSCIMClient(w.Context(), world.Operator, acme.ID, time.Hour); account.KindOf(err) != account.Conflict {
			w.Errorf("a third client: %v", err)
		}
		all, err := l.SCIMClients(w.Context(), world.Operator, acme.ID)
		if err != nil || len(all) != 2 || all[0].Last4 != secret.Reveal()[len(secret.Reveal())-4:] || all[0].UsedAt.IsZero() {
			w.Errorf("clients %+v, %v", all, err)
		}
		if err := l.RevokeSCIMClient(w.Context(), world.Operator, acme.ID, client.ID); err != nil {
			w.Fatal(err)
		}
		p.send("GET", "/Users", nil).is(401)
		if status, _, got := fetchToken(w, acme.ID, basic, grant); status != 401 {
			w.Errorf("a revoked client: %d %v", status, got)
		}
		w.Audit("acme", "scim.client_revoked")
		if line := w.Audit("acme", "scim.token_fetched"); line.Detail["client"] != string(client.ID) {
			w.Errorf("the audit line is %+v", line)
		}
	})
}

// requestTo finds the newest line of the request log about a method and path.
func requestTo(w *world.World, c account.ConnectionID, method, path string) account.SCIMRequest {
	w.Helper()
	log, err := w.House.Ledger.SCIMRequests(w.Context(), world.Operator, c, "", 100)
	if err != nil {
		w.Fatal(err)
	}
	for _, r := range log {
		if r.Method == method && r.Path == path {
			return r
		}
	}
	w.Fatalf("the log has no %s %s: %+v", method, path, log)
	return account.SCIMRequest{}
}

// An administrator asks what a logged request would do now, without its doing it.
func TestALoggedRequestIsReplayedWithoutChangingAnything(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		c := acme.Connection.ID
		p := pusherOf(w, acme.Connection)
		b := acme.As("ana@acme.example")
		ana := p.send("POST", "/Users", aUser("ana@acme.example", "a")).is(201).text("id")
		p.send("PATCH", "/Users/"+ana, patch(op("replace", "active", false))).is(200)
		if s := b.Session(); s.Status != 401 {
			w.Fatalf("the session answers %d", s.Status)
		}
		shut := requestTo(w, c, "PATCH", "/Users/"+ana)
		p.send("PATCH", "/Users/"+ana+"?back", patch(op("replace", "active", true))).is(200)
		b = acme.As("ana@acme.example")

		replay := func(id account.SCIMRequestID) (int, string, string) {
			w.Helper()
			r, err := w.House.Scim.Replay(w.Context(), world.Operator, c, id)
			if err != nil {
				w.Fatal(err)
			}
			return r.Status, r.Body, fmt.Sprintf("%+v", r.Changes)
		}
		status, body, changes := replay(shut.ID)
		if status != 200 || !strings.Contains(body, `"active":false`) || !strings.Contains(changes, "was shut out, 1 sessions ended") {
			w.Errorf("answered %d %s: %s", status, body, changes)
		}
		if s := b.Session(); s.Status != 200 {
			w.Errorf("a replay ended a session: %d", s.Status)
		}
		if u := p.send("GET", "/Users/"+ana, nil).is(200); u.at("active") != true || u.text("meta.version") != `W/"3"` {
			w.Errorf("a replay changed the user: %s", u.raw)
		}
		if status, body, changes := replay(requestTo(w, c, "POST", "/Users").ID); status != 409 || !strings.Contains(body, "uniqueness") || changes != "[]" {
			w.Errorf("the creation, again: %d %s %s", status, body, changes)
		}
		// A bulk request as a whole: what fails in it undoes nothing else.
		p.send("POST", "/Bulk", bulk(bulkOp("POST", "/Users", "1", aUser("new@acme.example", "n")), bulkOp("POST", "/Groups", "2", aGroup("G", "bulkId:1")))).is(200)
		many := requestTo(w, c, "POST", "/Bulk").ID
		if status, body, _ := replay(many); status != 200 || strings.Count(body, `"409"`) < 2 {
			w.Errorf("the bulk request, again: %d %s", status, body)
		}
		g := ids(p.send("GET", "/Groups", nil))[0]
		p.send("DELETE", "/Groups/"+g, nil).is(204)
		p.send("DELETE", "/Users/"+ids(p.send("GET", `/Users?filter=userName sw "new"`, nil))[0], nil).is(204)
		if status, body, changes := replay(many); status != 200 || strings.Count(body, `"201"`) != 2 || !strings.Contains(changes, "was made") {
			w.Errorf("the bulk request once more: %d %s %s", status, body, changes)
		}
		p.send("GET", "/Groups/"+g, nil).is(404)
		// What the log does not have all of is not replayed.
		secret := aUser("ben@acme.example", "b")
		secret["password"] = "hunter2hunter2"
		p.send("POST", "/Users?secret", secret).is(201)
		long := aUser("cleo@acme.example", "c")
		long["title"] = strings.Repeat("x", 9000)
		p.send("POST", "/Users?long", long).is(201)
		p.send("POST", "/Users?junk", "{").is(400)
		for path, word := range map[string]string{"/Users?secret": "password", "/Users?long": "end of its body", "/Users?junk": "does not read"} {
			if _, err := w.House.Scim.Replay(w.Context(), world.Operator, c, requestTo(w, c, "POST", path).ID); account.KindOf(err) != account.Invalid || !strings.Contains(err.Error(), word) {
				w.Errorf("%s: %v", path, err)
			}
		}
		if _, err := w.House.Scim.Replay(w.Context(), world.Operator, c, "scr_nothing"); account.KindOf(err) != account.NotFound {
			w.Errorf("a request that is not there: %v", err)
		}
		by := account.Actor{Kind: account.ActorUser, User: acme.As("ana@acme.example").Session().User.ID}
		if _, err := w.House.Scim.Replay(w.Context(), by, c, shut.ID); account.KindOf(err) == "" {
			w.Error("a member replays requests")
		}
	})
}

// Where provisioning and sign-in do not meet, the administrator reads why, whichever of the two came first.
// REQ T-10
func TestWhoIsPushedAndSignsInDifferentlyIsListed(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		c := acme.Connection.ID
		p := pusherOf(w, acme.Connection)
		unmet := func() map[string]account.Unmet {
			w.Helper()
			all, err := w.House.Ledger.Unmet(w.Context(), world.Operator, c)
			if err != nil {
				w.Fatal(err)
			}
			out := map[string]account.Unmet{}
			for _, u := range all {
				out[u.ID] = u
			}
			return out
		}
		ana := acme.As("ana@acme.example").Session().User.ID // signs in first
		first := p.send("POST", "/Users", aUser("ana@acme.example", "mailnickname-ana")).is(201).text("id")
		second := p.send("POST", "/Users", aUser("ben@acme.example", "mailnickname-ben")).is(201).text("id") // is pushed first
		stranger := p.send("POST", "/Users", aUser("dora@elsewhere.example", "d")).is(201).text("id")
		if got := unmet(); got[first].Person != ana || !strings.Contains(got[first].Why, "mailnickname-ana") || got[second].ID != "" || got[stranger].Person != "" || !strings.Contains(got[stranger].Why, "not proved") {
			w.Errorf("listed %+v", got)
		}
		acme.As("ben@acme.example")
		if got := unmet(); got[second].Person == "" || !strings.Contains(got[second].Why, "mailnickname-ben") || !strings.Contains(got[second].Why, "externalId") {
			w.Errorf("after the sign-in: %+v", got)
		}
		// Mapped to what the sign-in brings, they meet.
		subject := "ana@acme.example"
		p.send("PATCH", "/Users/"+first, patch(op("replace", "externalId", subject))).is(200)
		if got := unmet(); got[first].ID != "" {
			w.Errorf("still listed: %+v", got[first])
		}
		g := p.send("POST", "/Groups", aGroup("Early", "00u-late")).is(201).text("id")
		if got := unmet()[g]; got.Kind != "Group" || !strings.Contains(got.Why, "00u-late") {
			w.Errorf("the group is %+v", got)
		}
		globex := w.Globex().As("olaf@globex.example").Session()
		if _, err := w.House.Ledger.Unmet(w.Context(), account.Actor{Kind: account.ActorUser, User: globex.User.ID}, c); account.KindOf(err) != account.NotFound {
			w.Errorf("a stranger reads who is pushed: %v", err)
		}
	})
}

// The request log says whose habits a request has; one that shows none has those of the token's last that did.
func TestDialectsAreRecognised(t *testing.T) {
	world.Each(t, func(w *world.World) {
		okta := w.Acme().Connection
		pusherOf(w, okta).send("GET", "/Users?n=0", nil).is(200) // says nothing, but the connection is set up for Okta
		if r := requestTo(w, okta.ID, "GET", "/Users?n=0"); r.Dialect != account.DialectOkta {
			w.Errorf("a connection for Okta has the dialect %q", r.Dialect)
		}
		c := w.Initech().Connection
		p := pusherOf(w, c)
		as := func(agent, method, path string, body any, want account.SCIMDialect) {
			w.Helper()
			p.send(method, path, body, "User-Agent", agent)
			if r := requestTo(w, c.ID, method, path); r.Dialect != want {
				w.Errorf("%s %s by %q has the dialect %q, want %q", method, path, agent, r.Dialect, want)
			}
		}
		as("curl/8", "GET", "/Users?n=1", nil, account.DialectUnknown)
		as("", "GET", "/Users?n=2", nil, account.DialectOneLogin)
		as("Okta SCIM Client 1.0.0", "GET", "/Users?n=3", nil, account.DialectOkta)
		as("curl/8", "GET", "/Users?n=4", nil, account.DialectOkta)
		as("x", "PATCH", "/Users/nobody?n=5", patch(op("Replace", "active", "False")), account.DialectEntra)
		as("x", "GET", "/Users?aadOptscim062020", nil, account.DialectEntra)
		as("JumpCloud", "GET", "/Users?n=6", nil, account.DialectJumpCloud)
		as("PingOne/1", "POST", "/Users?n=7", aUser("ana@acme.example", "a"), account.DialectPing)
		g := aGroup("G")
		g["schemas"] = []string{groupSchema, "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"}
		as("x", "POST", "/Groups?n=8", g, account.DialectEntra)
		as("Google-Apps-SCIM", "GET", "/Users?n=9", nil, account.DialectGoogle)
	})
}
