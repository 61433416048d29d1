package sim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const (
	graphMemberLimit = 2046 // above which getMemberObjects refuses (Directory_ResultSizeLimitExceeded)
	graphByIDsLimit  = 1000
	graphPage        = 100 // when $top is not given; at most 999
	oktaPage         = 100
)

func consented(a OIDCApp) bool {
	return len(a.Consented) == 0 || slices.Contains(a.Consented, "GroupMember.Read.All") || slices.Contains(a.Consented, "Directory.Read.All")
}

func graphError(w http.ResponseWriter, status int, code, text string) {
	writeJSON(w, status, map[string]any{"error": map[string]any{"code": code, "message": text}})
}

// serveGraph answers the part of Microsoft Graph that group overage needs: memberships of /me and of
// /users/{id}, names of groups, and groups by id.
func (t *Tenant) serveGraph(w http.ResponseWriter, r *http.Request, path string, f faultSet) {
	if t.throttled(w, f) {
		return
	}
	a, ok := t.bearer(r)
	if !ok {
		graphError(w, http.StatusUnauthorized, "InvalidAuthenticationToken", "Access token is empty or invalid.")
		return
	}
	app, _ := t.OIDCApp(a.Client)
	if f.has(GraphForbidden) || !consented(app) {
		graphError(w, http.StatusForbidden, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
		return
	}
	parts := strings.Split(strings.Trim(path, "/"), "/")
	t.record(Event{What: "graph", Who: a.User, App: a.Client, Note: r.Method + " " + path})
	switch {
	case parts[0] == "me" && a.User == "":
		graphError(w, http.StatusBadRequest, "BadRequest", "/me request is only valid with delegated authentication flow.")
	case parts[0] == "me":
		u, _ := t.User(a.User)
		t.graphUser(w, r, u, parts[1:], f)
	case parts[0] == "users" && len(parts) > 1:
		name, _ := url.PathUnescape(parts[1])
		u, found := t.User(name)
		if !found {
			graphError(w, http.StatusNotFound, "Request_ResourceNotFound", "Resource '"+name+"' does not exist.")
			return
		}
		t.graphUser(w, r, u, parts[2:], f)
	case path == "directoryObjects/getByIds" && r.Method == http.MethodPost:
		t.graphByIDs(w, r, f)
	case parts[0] == "groups" && len(parts) == 2:
		t.graphGroup(w, parts[1])
	default:
		graphError(w, http.StatusNotFound, "BadRequest", "Resource not found for the segment '"+parts[0]+"'.")
	}
}

func (t *Tenant) throttled(w http.ResponseWriter, f faultSet) bool {
	switch {
	case f.has(GraphThrottled):
		w.Header().Set("Retry-After", strconv.Itoa(f.number(GraphThrottled, 3)))
		w.Header().Set("X-Rate-Limit-Reset", strconv.FormatInt(t.sim.now().Unix()+int64(f.number(GraphThrottled, 3)), 10))
		graphError(w, http.StatusTooManyRequests, "TooManyRequests", "Please retry later.")
	case f.has(GraphDown):
		graphError(w, http.StatusServiceUnavailable, "ServiceUnavailable", "The service is unavailable.")
	default:
		return false
	}
	return true
}

func (t *Tenant) graphUser(w http.ResponseWriter, r *http.Request, u User, rest []string, f faultSet) {
	groups := t.memberships(u, f)
	switch verb := strings.Join(rest, "/"); {
	case verb == "" && r.Method == http.MethodGet:
		writeJSON(w, http.StatusOK, map[string]any{"id": u.ID, "displayName": u.DisplayName, "givenName": u.GivenName, "surname": u.FamilyName,
			"mail": u.Email, "userPrincipalName": u.UPN})
	case (verb == "getMemberObjects" || verb == "getMemberGroups") && r.Method == http.MethodPost:
		t.graphMemberObjects(w, r, groups)
	case r.Method == http.MethodGet && (strings.HasPrefix(verb, "transitiveMemberOf") || strings.HasPrefix(verb, "memberOf")):
		t.graphMemberOf(w, r, groups)
	default:
		graphError(w, http.StatusBadRequest, "BadRequest", "Resource not found for the segment.")
	}
}

func (t *Tenant) graphMemberObjects(w http.ResponseWriter, r *http.Request, groups []Group) {
	var body struct {
		SecurityEnabledOnly *bool `json:"securityEnabledOnly"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body.SecurityEnabledOnly == nil {
		graphError(w, http.StatusBadRequest, "Request_BadRequest", "The parameter 'securityEnabledOnly' is missing.")
		return
	}
	if len(groups) > graphMemberLimit {
		graphError(w, http.StatusForbidden, "Directory_ResultSizeLimitExceeded", "The specified directory object is a member of too many groups.")
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"@odata.context": t.GraphURL() + "/v1.0/$metadata#Collection(Edm.String)", "value": groupValues(groups, groupID)})
}

func graphObject(g Group) map[string]any {
	return map[string]any{"@odata.type": "#microsoft.graph.group", "id": g.ID, "displayName": g.Name, "securityEnabled": true}
}

// graphMemberOf pages by an opaque $skiptoken in @odata.nextLink.
func (t *Tenant) graphMemberOf(w http.ResponseWriter, r *http.Request, groups []Group) {
	q := r.URL.Query()
	if q.Get("$count") == "true" && r.Header.Get("ConsistencyLevel") != "eventual" {
		graphError(w, http.StatusBadRequest, "Request_UnsupportedQuery", "$count needs the header ConsistencyLevel: eventual.")
		return
	}
	size := graphPage
	if top := q.Get("$top"); top != "" {
		n, err := strconv.Atoi(top)
		if err != nil || n < 1 || n > 999 {
			graphError(w, http.StatusBadRequest, "Request_UnsupportedQuery", "Invalid page size specified: '"+top+"'. Must be between 1 and 999 inclusive.")
			return
		}
		size = n
	}
	from, err := strconv.Atoi(or(strings.TrimPrefix(q.Get("$skiptoken"), "RFNwdAIAAQ"), "0"))
	if err != nil || from < 0 || from > len(groups) {
		graphError(w, http.StatusBadRequest, "Request_BadRequest", "Invalid skiptoken.")
		return
	}
	to := min(from+size, len(groups))
	value := make([]map[string]any, 0, to-from)
	for _, g := range groups[from:to] {
		value = append(value, graphObject(g))
	}
	body := map[string]any{"@odata.context": t.GraphURL() + "/v1.0/$metadata#directoryObjects", "value": value}
	if to < len(groups) {
		q.Set("$skiptoken", fmt.Sprintf("RFNwdAIAAQ%d", to))
		body["@odata.nextLink"] = t.sim.BaseURL() + r.URL.Path + "?" + q.Encode()
	}
	if q.Get("$count") == "true" {
		body["@odata.count"] = len(groups)
	}
	writeJSON(w, http.StatusOK, body)
}

func (t *Tenant) graphByIDs(w http.ResponseWriter, r *http.Request, f faultSet) {
	var body struct {
		IDs []string `json:"ids"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || len(body.IDs) == 0 {
		graphError(w, http.StatusBadRequest, "Request_BadRequest", "ids is missing.")
		return
	}
	if len(body.IDs) > graphByIDsLimit {
		graphError(w, http.StatusBadRequest, "Request_BadRequest", "At most 1000 ids in a request.")
		return
	}
	value := []map[string]any{}
	for _, g := range append(t.Groups(), t.memberships(User{}, f)...) { // unknown ids are left out, as Graph does
		if slices.Contains(body.IDs, g.ID) {
			value = append(value, graphObject(g))
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{"@odata.context": t.GraphURL() + "/v1.0/$metadata#directoryObjects", "value": value})
}

func (t *Tenant) graphGroup(w http.ResponseWriter, id string) {
	for _, g := range t.Groups() {
		if g.ID == id {
			writeJSON(w, http.StatusOK, graphObject(g))
			return
		}
	}
	graphError(w, http.StatusNotFound, "Request_ResourceNotFound", "Resource '"+id+"' does not exist.")
}

// serveOktaAPI answers users/{id or login} and users/{id}/groups with Link paging (RFC 8288), for the
// tenant's API token.
func (t *Tenant) serveOktaAPI(w http.ResponseWriter, r *http.Request, path string, f faultSet) {
	fail := func(status int, code, text string) {
		writeJSON(w, status, map[string]any{"errorCode": code, "errorSummary": text, "errorLink": code, "errorId": "oae" + t.sim.token(8), "errorCauses": []any{}})
	}
	if t.throttled(w, f) {
		return
	}
	token := t.Config().APIToken
	if token == "" || r.Header.Get("Authorization") != "SSWS "+token {
		fail(http.StatusUnauthorized, "E0000011", "Invalid token provided")
		return
	}
	parts := strings.Split(strings.Trim(path, "/"), "/")
	if parts[0] != "users" || len(parts) < 2 || len(parts) > 3 || len(parts) == 3 && parts[2] != "groups" || r.Method != http.MethodGet {
		fail(http.StatusNotFound, "E0000022", "The endpoint does not support the provided HTTP method")
		return
	}
	who, _ := url.PathUnescape(parts[1])
	u, ok := t.User(who)
	for _, candidate := range t.Users() {
		if oktaUserID(t, candidate) == who {
			u, ok = candidate, true
		}
	}
	if !ok {
		fail(http.StatusNotFound, "E0000007", "Not found: Resource not found: "+who+" (User)")
		return
	}
	t.record(Event{What: "okta.api", Who: u.Email, Note: path})
	if len(parts) == 2 {
		writeJSON(w, http.StatusOK, map[string]any{"id": oktaUserID(t, u), "status": "ACTIVE",
			"profile": map[string]any{"login": u.UPN, "email": u.Email, "firstName": u.GivenName, "lastName": u.FamilyName}})
		return
	}
	t.oktaGroups(w, r, t.memberships(u, f), fail)
}

func (t *Tenant) oktaGroups(w http.ResponseWriter, r *http.Request, groups []Group, fail func(int, string, string)) {
	q := r.URL.Query()
	size, err := strconv.Atoi(or(q.Get("limit"), strconv.Itoa(oktaPage)))
	if err != nil || size < 1 || size > 200 {
		fail(http.StatusBadRequest, "E0000001", "Api validation failed: limit")
		return
	}
	from := 0
	if after := q.Get("after"); after != "" {
		from = slices.IndexFunc(groups, func(g Group) bool { return oktaGroupID(t, g) == after }) + 1
		if from == 0 {
			fail(http.StatusBadRequest, "E0000001", "Api validation failed: after")
			return
		}
	}
	to := min(from+size, len(groups))
	out := make([]map[string]any, 0, to-from)
	for _, g := range groups[from:to] {
		out = append(out, map[string]any{"id": oktaGroupID(t, g), "type": "OKTA_GROUP", "profile": map[string]any{"name": g.Name, "description": ""}})
	}
	self := t.sim.BaseURL() + r.URL.Path
	w.Header().Add("Link", "<"+self+"?"+q.Encode()+`>; rel="self"`)
	if to < len(groups) {
		q.Set("after", oktaGroupID(t, groups[to-1]))
		q.Set("limit", strconv.Itoa(size))
		w.Header().Add("Link", "<"+self+"?"+q.Encode()+`>; rel="next"`)
	}
	writeJSON(w, http.StatusOK, out)
}

func oktaGroupID(t *Tenant, g Group) string { return "00g" + stableHex(17, "okta-group", t.name, g.ID) }
