package oidc

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// THREAT OIDC-G1
// INTEROP groups as string, array, array of {name}, JSON text in a string, numbers, null
// INTEROP SecureAuth, IBM: comma-joined and space-joined, by setting
// INTEROP Keycloak: groups start with a slash
func TestGroupShapes(t *testing.T) {
	list := func(s ...any) []any { return append([]any{}, s...) }
	for name, tc := range map[string]struct {
		value             any
		delimiter, prefix string
		want              []string
		state             account.GroupState
	}{
		"control characters":       {list("a\x00b", "eng"), "", "", []string{"eng"}, account.GroupsIncomplete},
		"list":                     {list("b", "a", "b"), "", "", []string{"b", "a"}, account.GroupsComplete},
		"empty list":               {list(), "", "", nil, account.GroupsComplete},
		"text":                     {"eng", "", "", []string{"eng"}, account.GroupsComplete},
		"empty text":               {"", "", "", nil, account.GroupsComplete},
		"commas are not split":     {"Sales, EMEA", "", "", []string{"Sales, EMEA"}, account.GroupsComplete},
		"commas in a list":         {list("Sales, EMEA", "eng"), "", "", []string{"Sales, EMEA", "eng"}, account.GroupsComplete},
		"comma delimiter":          {"eng, ops,,eng", ",", "", []string{"eng", "ops"}, account.GroupsComplete},
		"space delimiter":          {"eng  ops", " ", "", []string{"eng", "ops"}, account.GroupsComplete},
		"delimiter in a list":      {list("a;b", "c"), ";", "", []string{"a", "b", "c"}, account.GroupsComplete},
		"case and blanks are kept": {list("Eng", "eng", " eng "), "", "", []string{"Eng", "eng", " eng "}, account.GroupsComplete},
		"paths":                    {list("/eng/core", "ops", "/"), "", "/", []string{"eng/core", "ops"}, account.GroupsComplete},
		"objects by name":          {list(map[string]any{"id": "1", "name": "eng"}, map[string]any{"name": "ops"}), "", "", []string{"eng", "ops"}, account.GroupsComplete},
		"objects by value":         {list(map[string]any{"value": "eng", "type": "x"}), "", "", []string{"eng"}, account.GroupsComplete},
		"one object":               {map[string]any{"name": "eng"}, "", "", []string{"eng"}, account.GroupsComplete},
		"object of groups":         {map[string]any{"ops": map[string]any{"o": "x"}, "eng": true, "old": false, "gone": nil}, "", "", []string{"eng", "ops"}, account.GroupsComplete},
		"JSON in a text":           {`["eng","ops"]`, "", "", []string{"eng", "ops"}, account.GroupsComplete},
		"JSON objects in a text":   {`[{"name":"eng"}]`, "", "", []string{"eng"}, account.GroupsComplete},
		"empty JSON list":          {`[]`, "", "", nil, account.GroupsComplete},
		"text in brackets":         {`[eng]`, "", "", []string{"[eng]"}, account.GroupsComplete},
		"number in brackets":       {`[1]`, "", "", []string{"[1]"}, account.GroupsComplete},
		"numbers":                  {list(101, 102), "", "", []string{"101", "102"}, account.GroupsComplete},
		"large number":             {json.RawMessage(`[12345678901234567890]`), "", "", []string{"12345678901234567890"}, account.GroupsComplete},
		"one number":               {7, "", "", []string{"7"}, account.GroupsComplete},
		"null":                     {json.RawMessage("null"), "", "", nil, account.GroupsUnknown},
		"boolean":                  {true, "", "", nil, account.GroupsUnknown},
		"odd elements":             {list("eng", nil, list("x"), map[string]any{"id": "1"}), "", "", []string{"eng"}, account.GroupsIncomplete},
		"only odd elements":        {list(nil, false), "", "", nil, account.GroupsUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, account.KindGeneric)
			w.claims["groups"] = tc.value
			w.s.Mapping.Delimiter, w.s.Mapping.StripPrefix = tc.delimiter, tc.prefix
			g := w.login().Groups
			if g.State != tc.state || g.Absent || (g.State != account.GroupsComplete) != (g.Why != "") {
				t.Errorf("%+v", g)
			}
			wants(t, name, g.Values, tc.want)
		})
	}
}

// REQ L-04: group values arrive as the provider spells them, whatever the claim.
// INTEROP Entra: the rule source is groups, roles or wids
func TestClaimOfGroupsIsChosen(t *testing.T) {
	w := newWorld(t, account.KindEntra)
	w.set("roles", []any{"Registry.Writer"}, "wids", []any{"62e90394-69f5-4237-9190-012177145e10"})
	for claim, want := range map[string]string{"roles": "Registry.Writer", "wids": "62e90394-69f5-4237-9190-012177145e10", "/groups": "eng"} {
		w.s.Mapping.Groups = []string{claim}
		if l := w.login(); l.Groups.Values[0] != want {
			t.Errorf("%s: %+v", claim, l.Groups)
		}
	}
	w.set("_claim_names", map[string]any{"groups": "src1"}, "groups", nil) // overage of groups is none of roles
	w.s.Mapping.Groups = []string{"roles"}
	if l := w.login(); l.Groups.State != account.GroupsComplete {
		t.Errorf("%+v", l.Groups)
	}
}

// REQ L-21: an absent claim is kept apart from an empty one.
func TestAbsentIsNotEmpty(t *testing.T) {
	w := newWorld(t, account.KindGeneric)
	w.set("groups", nil)
	j := w.judge()
	w.sane(j)
	if g := j.Login.Groups; g.State != account.GroupsUnknown || !g.Absent {
		t.Errorf("%+v", g)
	}
	wants(t, "warnings", codes(j, account.Warn), []string{"groups_absent"})
	w.claims["groups"] = []any{}
	if g := w.login().Groups; g.State != account.GroupsComplete || g.Absent || len(g.Values) != 0 {
		t.Errorf("%+v", g)
	}
}

// overage makes an Entra world whose token has a marker instead of groups.
func overage(t *testing.T) *world {
	w := newWorld(t, account.KindEntra)
	w.set("groups", nil, "_claim_names", map[string]any{"groups": "src1"},
		"_claim_sources", map[string]any{"src1": map[string]any{"endpoint": w.srv.URL + "/evil", "access_token": "access-of-the-source"}})
	w.handle["/evil"] = func(http.ResponseWriter, *http.Request) { t.Error("_claim_sources was fetched") }
	return w
}

// graph adds a Graph at /graph/v1.0 to an overage world.
func graph(t *testing.T, action, list http.HandlerFunc) *world {
	w := overage(t)
	w.s.OIDC.Graph = &account.GraphSettings{BaseURL: w.srv.URL + "/graph/v1.0", TokenURL: w.srv.URL + "/app-token"}
	w.handle["/app-token"] = func(rw http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		if r.PostForm.Get("grant_type") != "client_credentials" || r.PostForm.Get("scope") != w.srv.URL+"/.default" {
			t.Errorf("token request %v", r.PostForm)
		}
		_ = json.NewEncoder(rw).Encode(map[string]any{"access_token": fmt.Sprint("app-", w.count("/app-token")), "token_type": "Bearer", "expires_in": 3600})
	}
	guard := func(h http.HandlerFunc) http.HandlerFunc {
		return func(rw http.ResponseWriter, r *http.Request) {
			if !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer app-") {
				t.Errorf("Graph was asked with %q", r.Header.Get("Authorization"))
			}
			h(rw, r)
		}
	}
	w.handle["/graph/v1.0/users/0b1d-ana/getMemberObjects"] = guard(action)
	w.handle["/graph/v1.0/users/0b1d-ana/transitiveMemberOf"] = guard(list)
	return w
}

func says(status int, body any, header ...string) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			rw.Header().Set(header[i], header[i+1])
		}
		rw.WriteHeader(status)
		_ = json.NewEncoder(rw).Encode(body)
	}
}

func ids(from, to int) (out []any) {
	for i := from; i < to; i++ {
		out = append(out, fmt.Sprintf("id-%04d", i))
	}
	return out
}

// THREAT OIDC-G2
// INTEROP Entra overage: markers are recognised in every form and the token's address is never called
func TestOverageMarkersWithoutGraph(t *testing.T) {
	for name, change := range map[string]func(*world){
		"with sources":    func(*world) {},
		"without sources": func(w *world) { w.set("_claim_sources", nil) },
		"empty sources":   func(w *world) { w.set("_claim_sources", map[string]any{}) },
		"empty source":    func(w *world) { w.set("_claim_names", map[string]any{"groups": ""}) },
		"hasgroups":       func(w *world) { w.set("_claim_names", nil, "_claim_sources", nil, "hasgroups", true) },
		"hasgroups text":  func(w *world) { w.set("_claim_names", nil, "_claim_sources", nil, "hasgroups", "true") },
		"groups as well":  func(w *world) { w.set("groups", []any{"some"}) },
	} {
		t.Run(name, func(t *testing.T) {
			w := overage(t)
			change(w)
			j := w.judge()
			w.sane(j)
			if j.Login == nil {
				t.Fatal(j.Refusal, j.Refusal.Unwrap())
			}
			if g := j.Login.Groups; g.State != account.GroupsUnknown || g.Absent || len(g.Values) != 0 || g.Why == "" {
				t.Errorf("%+v", g)
			}
			if strings.Contains(j.Raw, "access-of-the-source") || !strings.Contains(fmt.Sprint(codes(j, account.Warn)), "groups_unknown") {
				t.Error(j.Raw, codes(j, account.Warn))
			}
		})
	}
}

// THREAT OIDC-G2
// INTEROP Graph: getMemberObjects at a URL that we build
func TestOverageIsReadFromGraph(t *testing.T) {
	w := graph(t, func(rw http.ResponseWriter, r *http.Request) {
		if body := string(must(io.ReadAll(r.Body))); r.Method != "POST" || body != `{"securityEnabledOnly":false}` {
			t.Errorf("%s %s", r.Method, body)
		}
		says(200, map[string]any{"value": ids(0, 300)})(rw, r)
	}, nil)
	g := w.login().Groups
	if g.State != account.GroupsComplete || g.Source != "graph" || len(g.Values) != 300 {
		t.Errorf("%+v", g)
	}
	w.login()
	if w.count("/app-token") != 1 {
		t.Error("the app token is not kept")
	}
	w.turn(time.Hour)
	w.login()
	if w.count("/app-token") != 2 {
		t.Error("an expired app token is used")
	}
}

// INTEROP Graph: the action is capped, the list is read to the end by nextLink
func TestGraphIsPagedToTheEnd(t *testing.T) {
	for name, action := range map[string]http.HandlerFunc{
		"at the cap":    says(200, map[string]any{"value": ids(0, graphCap)}),
		"too many":      says(400, map[string]any{"error": map[string]any{"code": graphTooMany}}),
		"too many, 403": says(403, map[string]any{"error": map[string]any{"code": graphTooMany}}),
		"no action":     says(404, map[string]any{}),
	} {
		t.Run(name, func(t *testing.T) {
			var w *world
			w = graph(t, action, func(rw http.ResponseWriter, r *http.Request) {
				from := 0
				_, _ = fmt.Sscan(r.URL.Query().Get("$skiptoken"), &from)
				page := map[string]any{"value": append(objects(ids(from, from+999)), map[string]any{"@odata.type": "#microsoft.graph.directoryRole", "id": "a-role"})}
				if from < 2500 {
					page["@odata.nextLink"] = fmt.Sprintf("%s/graph/v1.0/users/0b1d-ana/transitiveMemberOf?$skiptoken=%d", w.srv.URL, from+999)
				}
				says(200, page)(rw, r)
			})
			g := w.login().Groups
			if g.State != account.GroupsComplete || len(g.Values) != 4*999 || slices.Contains(g.Values, "a-role") {
				t.Errorf("%s, %d groups: %s", g.State, len(g.Values), g.Why)
			}
		})
	}
}

func objects(ids []any) (out []any) {
	for _, id := range ids {
		out = append(out, map[string]any{"@odata.type": "#microsoft.graph.group", "id": id})
	}
	return out
}

// THREAT OIDC-G2: a next page elsewhere is not followed, our token stays with Graph.
func TestGraphCannotSendUsElsewhere(t *testing.T) {
	for _, next := range []string{"http://127.0.0.1:1/graph/v1.0/x", "%s/evil", "%s/graph/v1.0/../../evil", "%s/graph/v1.0x/evil", "//evil.example/graph/v1.0/x", "https://evil.example/graph/v1.0/x"} {
		var w *world
		w = graph(t, says(404, nil), func(rw http.ResponseWriter, r *http.Request) {
			says(200, map[string]any{"value": objects(ids(0, 5)), "@odata.nextLink": strings.Replace(next, "%s", w.srv.URL, 1)})(rw, r)
		})
		if g := w.login().Groups; g.State != account.GroupsUnknown || len(g.Values) != 0 {
			t.Errorf("%s: %+v", next, g)
		}
	}
	w := graph(t, says(404, nil), nil)
	w.handle["/graph/v1.0/users/0b1d-ana/transitiveMemberOf"] = func(rw http.ResponseWriter, r *http.Request) { // pages for ever
		says(200, map[string]any{"value": []any{}, "@odata.nextLink": w.srv.URL + r.URL.Path + "?x=1"})(rw, r)
	}
	if g := w.login().Groups; g.State != account.GroupsUnknown {
		t.Errorf("%+v", g)
	}
}

// INTEROP Graph: outage, 429 with Retry-After, missing consent; never strip
func TestGraphFailures(t *testing.T) {
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		says   string
	}{
		"missing consent": {says(403, map[string]any{"error": map[string]any{"code": "Authorization_RequestDenied"}}), "consent"},
		"down":            {says(503, nil), "503"},
		"busy for long":   {says(429, nil, "Retry-After", "3600"), "429"},
		"no list":         {says(200, map[string]any{"value": "x"}), "list"},
		"not JSON":        {func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, "<html>") }, "JSON"},
		"a list":          {says(200, []any{1}), "JSON object"},
	} {
		t.Run(name, func(t *testing.T) {
			w := graph(t, tc.answer, tc.answer)
			j := w.judge()
			w.sane(j)
			if g := j.Login.Groups; g.State != account.GroupsUnknown || g.Absent || !strings.Contains(g.Why, tc.says) || g.Source != "" {
				t.Errorf("%+v", g)
			}
			wants(t, "warnings", codes(j, account.Warn), []string{"graph", "groups_unknown"})
			w.s.OIDC.Graph.OnFailure = "last"
			if g := w.login().Groups; g.State != account.GroupsUnknown || g.Source != "last" {
				t.Errorf("%+v", g)
			}
			w.s.OIDC.Graph.OnFailure = "refuse"
			w.refused("graph")
		})
	}
	w := graph(t, nil, nil)
	w.handle["/app-token"] = says(401, map[string]any{"error": "invalid_client", "error_description": "AADSTS7000222 s3cret-of-the-client"})
	if g := w.login().Groups; g.State != account.GroupsUnknown || !strings.Contains(g.Why, "AADSTS7000222") {
		t.Errorf("%+v", g)
	}
}

// INTEROP Graph: 429 with Retry-After is waited for
func TestGraphIsWaitedFor(t *testing.T) {
	busy := 2
	w := graph(t, func(rw http.ResponseWriter, r *http.Request) {
		if busy--; busy >= 0 {
			says(429, nil, "Retry-After", "3")(rw, r)
			return
		}
		says(200, map[string]any{"value": ids(0, 201)})(rw, r)
	}, nil)
	var waited time.Duration
	w.rp.pause = func(_ context.Context, d time.Duration) error { waited += d; return nil }
	if g := w.login().Groups; g.State != account.GroupsComplete || waited != 6*time.Second {
		t.Errorf("%+v after %s", g, waited)
	}
}

// INTEROP Graph: consent granted since the kept token was made
func TestConsentGrantedLaterIsSeenAtOnce(t *testing.T) {
	w := graph(t, func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer app-1" {
			says(403, nil)(rw, r)
			return
		}
		says(200, map[string]any{"value": ids(0, 201)})(rw, r)
	}, nil)
	if g := w.login().Groups; g.State != account.GroupsUnknown {
		t.Errorf("%+v", g)
	}
	if g := w.login().Groups; g.State != account.GroupsComplete {
		t.Errorf("%+v", g)
	}
}

// INTEROP sovereign clouds: base URLs from the issuer
func TestGraphBaseFollowsTheCloud(t *testing.T) {
	for issuer, want := range map[string]string{
		"https://login.microsoftonline.com/" + tenantID + "/v2.0":          "https://graph.microsoft.com/v1.0",
		"https://login.microsoftonline.us/" + tenantID + "/v2.0":           "https://graph.microsoft.us/v1.0",
		"https://login.partner.microsoftonline.cn/" + tenantID + "/v2.0":   "https://microsoftgraph.chinacloudapi.cn/v1.0",
		"https://login.microsoftonline.com.evil.example/" + tenantID + "/": "https://graph.microsoft.com/v1.0",
	} {
		j := &judge{o: account.OIDCSettings{Issuer: issuer, Graph: &account.GraphSettings{}}}
		if got := j.graphBase(); got != want {
			t.Errorf("%s: %s", issuer, got)
		}
	}
}

func okta(t *testing.T, n int) *world {
	w := newWorld(t, account.KindOkta)
	w.claims["groups"] = ids(0, n)
	return w
}

// INTEROP Okta: groups claim cut at 100 silently
func TestOktaCutAtAHundred(t *testing.T) {
	for n, want := range map[int]account.GroupState{99: account.GroupsComplete, 100: account.GroupsIncomplete, 101: account.GroupsComplete} {
		if g := okta(t, n).login().Groups; g.State != want || len(g.Values) != n {
			t.Errorf("%d groups: %+v", n, g.State)
		}
	}
	w := newWorld(t, account.KindGeneric)
	w.claims["groups"] = ids(0, 100)
	if g := w.login().Groups; g.State != account.GroupsComplete {
		t.Error("elsewhere a hundred is a number like others")
	}
}

// INTEROP Okta: /api/v1/users/{id}/groups with Link paging
func TestOktaAPICompletesTheList(t *testing.T) {
	w := okta(t, 100)
	w.s.OIDC.OktaGroups = &account.OktaGroups{Token: account.NewSecret("api-token")}
	page := func(from, to int) (out []any) {
		for _, id := range ids(from, to) {
			out = append(out, map[string]any{"id": "00g", "profile": map[string]any{"name": id}})
		}
		return out
	}
	next := w.srv.URL + "/api/v1/users/ana-1/groups?after=b,c&limit=200"
	w.handle["/api/v1/users/ana-1/groups"] = func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "SSWS api-token" {
			t.Errorf("asked with %q", r.Header.Get("Authorization"))
		}
		if r.URL.Query().Get("after") == "" {
			rw.Header().Add("Link", `<`+w.srv.URL+`/api/v1/users/ana-1/groups?limit=200>; rel="self", <`+next+`>; rel="next"`)
			_ = json.NewEncoder(rw).Encode(page(0, 200))
			return
		}
		rw.Header().Add("Link", `<`+next+`>; rel="self"`)
		_ = json.NewEncoder(rw).Encode(page(200, 250))
	}
	if g := w.login().Groups; g.State != account.GroupsComplete || g.Source != "okta-api" || len(g.Values) != 250 {
		t.Errorf("%s %s %d", g.State, g.Source, len(g.Values))
	}
	evil := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		t.Error("our API token went elsewhere")
		_, _ = io.WriteString(rw, "[]")
	}))
	defer evil.Close()
	for name, h := range map[string]http.HandlerFunc{
		"next page elsewhere": func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Link", `<`+evil.URL+`/api/v1/users/ana-1/groups>; rel="next"`)
			_ = json.NewEncoder(rw).Encode(page(0, 200))
		},
		"refused":       says(401, map[string]any{"errorCode": "E0000011"}),
		"group unnamed": says(200, []any{map[string]any{"profile": map[string]any{}}}),
		"no list":       says(200, map[string]any{}),
	} {
		w.handle["/api/v1/users/ana-1/groups"] = h
		if g := w.login().Groups; g.State != account.GroupsIncomplete || len(g.Values) != 100 {
			t.Errorf("%s: %s, %d groups", name, g.State, len(g.Values))
		}
	}
}

func TestLinkHeaders(t *testing.T) {
	for header, want := range map[string]string{
		`<https://a/x>; rel="next"`: "https://a/x", `<https://a/x>; rel=next`: "https://a/x", `<https://a/1>; rel="self", <https://a/2>; title="t"; rel="next"`: "https://a/2",
		`<https://a/x,y;z>; rel="next"`: "https://a/x,y;z", `<https://a/x>; rel="prev"`: "", `rel="next"`: "", `<`: "", `<>`: "", "": "", `<a>; rel="next"; <`: "a",
	} {
		if got := nextLink([]string{header}); got != want {
			t.Errorf("%s: %q", header, got)
		}
	}
}

func TestBelow(t *testing.T) {
	base := "https://graph.example/v1.0"
	for target, want := range map[string]bool{base + "/x": true, base + "/x?y#z": true, "https://GRAPH.example/v1.0/x": true, base: false, base + "x": false,
		"http://graph.example/v1.0/x": false, "https://graph.example:444/v1.0/x": false, "https://u@graph.example/v1.0/x": false, base + "/../x": false, base + "/..": false, "/v1.0/x": false, "::": false} {
		if got := below(base, target); got != want {
			t.Errorf("%s: %v", target, got)
		}
	}

}
