package sim

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	codeLife   = time.Minute
	accessLife = time.Hour
	graphScope = "https://graph.microsoft.com/.default"
)

// oidcState is what a tenant remembers about clients.
type oidcState struct {
	codes   capped[*grant]
	access  capped[access]
	refresh capped[*grant]
	jtis    capped[time.Time] // of client assertions
}

// An authRequest is an authorization request that waits for a user (RFC 6749 §4.1.1).
type authRequest struct {
	Client, Redirect, Scope, State, Nonce, Challenge string
	FormPost, Offline                                bool
}

// A grant is what an authorization code or a refresh token stands for.
type grant struct {
	authRequest
	User    string
	Session string
	At      time.Time
	used    bool
	tokens  []string // handed out, to be taken back when the code comes twice
}

// An access is what an access token opens. An empty User is an application acting for itself.
type access struct {
	User, Client, Scope string
	Expires             time.Time
}

func (t *Tenant) serveDiscovery(w http.ResponseWriter, r *http.Request, at string, f faultSet) {
	switch {
	case f.has(DiscoveryDown):
		http.Error(w, "the provider is down", http.StatusServiceUnavailable)
		return
	case f.has(DiscoveryRedirect):
		http.Redirect(w, r, f.text(DiscoveryRedirect), http.StatusFound)
		return
	}
	issuer := t.Issuer()
	own := t.URL() + at
	if own != trimSlash(issuer) {
		if t.cfg.Dialect != Entra {
			http.NotFound(w, r)
			return
		}
		switch at {
		case "/common/v2.0", "/organizations/v2.0", "/consumers/v2.0":
			issuer = t.URL() + "/{tenantid}/v2.0" // the template that these documents really hold
		case "/" + t.cfg.TenantID + "/v2.0", "/" + t.cfg.TenantID:
		default:
			http.NotFound(w, r)
			return
		}
	}
	doc := t.Discovery()
	doc["issuer"] = issuer
	if f.has(DiscoveryWrongIssuer) {
		doc["issuer"] = "https://evil.example"
	}
	t.writePadded(w, doc, f)
}

// Discovery is the provider's metadata (OpenID Connect Discovery §3).
func (t *Tenant) Discovery() map[string]any {
	d := oidcDialects[t.cfg.Dialect]
	algs := []string{t.Config().SigningAlg}
	for _, a := range t.Config().OIDC {
		if a.Alg != "" && !slices.Contains(algs, a.Alg) {
			algs = append(algs, a.Alg)
		}
	}
	doc := map[string]any{
		"issuer": t.Issuer(), "authorization_endpoint": t.endpoint(d.authorize), "token_endpoint": t.endpoint(d.token),
		"userinfo_endpoint": t.endpoint(d.userinfo), "jwks_uri": t.endpoint(d.jwks),
		"response_types_supported": []string{"code"}, "response_modes_supported": []string{"query", "form_post"},
		"grant_types_supported": []string{"authorization_code", "refresh_token", "client_credentials"}, "subject_types_supported": []string{"public"},
		"id_token_signing_alg_values_supported": algs, "token_endpoint_auth_methods_supported": d.authMethods,
		"token_endpoint_auth_signing_alg_values_supported": []string{"RS256", "PS256", "ES256"},
		"scopes_supported": append([]string{"openid", "profile", "email", "offline_access"}, d.scopes...), "code_challenge_methods_supported": []string{"S256"},
	}
	if d.endSession != "" {
		doc["end_session_endpoint"] = t.endpoint(d.endSession)
	}
	if d.backchannel {
		doc["backchannel_logout_supported"], doc["backchannel_logout_session_supported"] = true, true
	}
	if d.issParameter {
		doc["authorization_response_iss_parameter_supported"] = true
	}
	return doc
}

func (t *Tenant) serveJWKS(w http.ResponseWriter, _ *http.Request, f faultSet) {
	if f.has(JWKSDown) {
		http.Error(w, "the provider is down", http.StatusServiceUnavailable)
		return
	}
	t.record(Event{What: "oidc.jwks", Note: f.String()})
	t.writePadded(w, map[string]any{"keys": t.JWKS().Keys}, f)
}

// writePadded writes JSON, blown up when the big-response fault is on.
func (t *Tenant) writePadded(w http.ResponseWriter, doc map[string]any, f faultSet) {
	if n := f.number(BigResponse, 0); n > 0 {
		doc["padding"] = strings.Repeat("x", n)
	}
	writeJSON(w, http.StatusOK, doc)
}

// serveAuthorize is the authorization endpoint (RFC 6749 §4.1.1, OpenID Connect Core §3.1.2).
func (t *Tenant) serveAuthorize(w http.ResponseWriter, r *http.Request, f faultSet) {
	if err := r.ParseForm(); err != nil {
		t.fail(w, http.StatusBadRequest, "That is no sign-in request", err.Error())
		return
	}
	q := r.Form
	for name, values := range q {
		if len(values) > 1 {
			t.fail(w, http.StatusBadRequest, "That is no sign-in request", "The parameter "+name+" is there twice.")
			return
		}
	}
	app, ok := t.OIDCApp(q.Get("client_id"))
	if !ok || q.Get("client_id") == "" {
		t.fail(w, http.StatusBadRequest, "Unknown application", "No application has the client id "+q.Get("client_id")+".")
		return
	}
	if !slices.Contains(app.RedirectURIs, q.Get("redirect_uri")) {
		t.fail(w, http.StatusBadRequest, "That reply address is not registered", "The request wants the answer at "+q.Get("redirect_uri")+", the application has "+app.RedirectURIs[0]+".")
		return
	}
	req := authRequest{Client: app.ClientID, Redirect: q.Get("redirect_uri"), Scope: q.Get("scope"), State: q.Get("state"), Nonce: q.Get("nonce"),
		Challenge: q.Get("code_challenge"), FormPost: q.Get("response_mode") == "form_post", Offline: q.Get("access_type") == "offline"}
	if code, why := faultyRequest(q, app, f); code != "" {
		t.answer(w, r, req, f, field{"error", code}, field{"error_description", why})
		return
	}
	prompt := strings.Fields(q.Get("prompt"))
	u, here := t.whoIsHere(r, q.Get("login_hint"), slices.Contains(prompt, "login") || slices.Contains(prompt, "select_account"))
	switch {
	case here:
		t.finishOIDC(w, r, req, u)
	case slices.Contains(prompt, "none"):
		t.answer(w, r, req, f, field{"error", "login_required"}, field{"error_description", "Nobody is signed in."})
	default:
		t.ask(w, r, flow{oidc: &req}, app.ClientID, q.Get("login_hint"))
	}
}

func faultyRequest(q url.Values, app OIDCApp, f faultSet) (code, why string) {
	switch {
	case f.has(AuthorizeError):
		return f.text(AuthorizeError), "The provider said no."
	case q.Get("response_type") != "code":
		return "unsupported_response_type", "Only the code flow is spoken here."
	case !slices.Contains(strings.Fields(q.Get("scope")), "openid"):
		return "invalid_scope", "The scope openid is missing."
	case !slices.Contains([]string{"", "query", "form_post"}, q.Get("response_mode")):
		return "invalid_request", "response_mode is query or form_post."
	case q.Get("code_challenge") == "" && !app.AllowNoPKCE:
		return "invalid_request", "PKCE is required: code_challenge is missing."
	case q.Get("code_challenge") != "" && q.Get("code_challenge_method") != "S256":
		return "invalid_request", "code_challenge_method must be S256."
	}
	return "", ""
}

func (t *Tenant) finishOIDC(w http.ResponseWriter, r *http.Request, req authRequest, u User) {
	f, err := t.faultSet()
	if err != nil {
		t.fail(w, http.StatusInternalServerError, "No answer could be made", err.Error())
		return
	}
	s := t.enter(w, r, u)
	code := "code_" + t.sim.token(20)
	g := &grant{authRequest: req, User: u.Email, Session: s.ID, At: t.sim.now()}
	t.mu.Lock()
	if !slices.Contains(s.OIDC, req.Client) {
		s.OIDC = append(s.OIDC, req.Client)
	}
	t.oidc.codes.put(code, g)
	t.mu.Unlock()
	t.record(Event{What: "oidc.code", Who: u.Email, App: req.Client, Note: f.String()})
	t.answer(w, r, req, f, field{"code", code})
}

// answer sends an authorization response the way the client asked for.
func (t *Tenant) answer(w http.ResponseWriter, r *http.Request, req authRequest, f faultSet, fields ...field) {
	d := oidcDialects[t.cfg.Dialect]
	if f.has(WrongState) {
		req.State += "x"
	}
	fields = append(fields, field{"state", req.State})
	if d.issParameter || f.has(WrongIssParameter) { // RFC 9207 §2
		iss := t.Issuer()
		if f.has(WrongIssParameter) {
			iss = "https://evil.example"
		}
		fields = append(fields, field{"iss", iss})
	}
	if s := t.session(r); d.sessionState && s != nil {
		fields = append(fields, field{"session_state", s.ID})
	}
	if fields[0].Name == "error" {
		t.record(Event{What: "oidc.error", App: req.Client, Note: fields[0].Value})
	}
	if req.FormPost {
		t.post(w, req.Redirect, fields...)
		return
	}
	to, err := url.Parse(req.Redirect)
	if err != nil {
		t.fail(w, http.StatusBadRequest, "That reply address is no URL", err.Error())
		return
	}
	q := to.Query()
	for _, fl := range fields {
		if fl.Value != "" {
			q.Set(fl.Name, fl.Value)
		}
	}
	to.RawQuery = q.Encode()
	http.Redirect(w, r, to.String(), http.StatusFound)
}

// An oauthError is the body of RFC 6749 §5.2.
type oauthError struct {
	Code string `json:"error"`
	Text string `json:"error_description,omitempty"`
}

func (e oauthError) Error() string { return e.Code + ": " + e.Text }

func (t *Tenant) serveToken(w http.ResponseWriter, r *http.Request, f faultSet) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		http.Error(w, "POST only", http.StatusMethodNotAllowed)
		return
	}
	if d := f.duration(SlowToken); d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
			return
		}
	}
	if f.has(TokenHTML) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, "<!doctype html><title>Sorry</title><p>Our proxy has a bad day.")
		return
	}
	if err := r.ParseForm(); err != nil {
		writeJSON(w, http.StatusBadRequest, oauthError{"invalid_request", err.Error()})
		return
	}
	body, err := t.token(r, f)
	if f.has(TokenError) {
		err = oauthError{f.text(TokenError), "The provider said no."}
	}
	if err != nil {
		t.record(Event{What: "oidc.refused", App: r.PostForm.Get("client_id"), Note: err.Error()})
		var e oauthError
		if !errors.As(err, &e) {
			e = oauthError{"server_error", err.Error()}
		}
		status := http.StatusBadRequest
		if e.Code == "invalid_client" {
			status = http.StatusUnauthorized
			w.Header().Set("WWW-Authenticate", `Basic realm="sim"`)
		}
		writeJSON(w, status, e)
		return
	}
	t.writePadded(w, body, f)
}

func (t *Tenant) token(r *http.Request, f faultSet) (map[string]any, error) {
	app, err := t.authenticate(r)
	if err != nil {
		return nil, err
	}
	form := r.PostForm
	switch form.Get("grant_type") {
	case "authorization_code":
		g, err := t.redeem(form, app)
		if err != nil {
			return nil, err
		}
		return t.tokens(g, app, form.Get("code"), f)
	case "refresh_token":
		t.mu.RLock()
		g, ok := t.oidc.refresh.get(form.Get("refresh_token"))
		t.mu.RUnlock()
		if !ok || g.Client != app.ClientID {
			return nil, oauthError{"invalid_grant", "The refresh token is not known."}
		}
		return t.tokens(g, app, "", f)
	case "client_credentials":
		// Entra's application tokens for Graph: the scope is the resource's name with /.default.
		scope := form.Get("scope")
		token := t.remember(access{Client: app.ClientID, Scope: scope})
		t.record(Event{What: "oidc.app-token", App: app.ClientID, Note: scope})
		return map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": int(accessLife.Seconds())}, nil
	}
	return nil, oauthError{"unsupported_grant_type", "grant_type is " + form.Get("grant_type")}
}

// redeem spends an authorization code. One that comes twice takes back what it gave (RFC 6749 §4.1.2).
func (t *Tenant) redeem(form url.Values, app OIDCApp) (*grant, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	g, ok := t.oidc.codes.get(form.Get("code"))
	switch {
	case !ok || g.Client != app.ClientID || t.sim.now().Sub(g.At) > codeLife:
		return nil, oauthError{"invalid_grant", "The code is not known or too old."}
	case g.used:
		for _, token := range g.tokens {
			t.oidc.access.take(token)
			t.oidc.refresh.take(token)
		}
		return nil, oauthError{"invalid_grant", "The code was used before."}
	case g.Redirect != form.Get("redirect_uri"):
		return nil, oauthError{"invalid_grant", "redirect_uri is not the one of the request."}
	}
	if g.Challenge != "" {
		sum := sha256.Sum256([]byte(form.Get("code_verifier")))
		if subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(g.Challenge)) != 1 {
			return nil, oauthError{"invalid_grant", "code_verifier does not fit code_challenge."} // RFC 7636 §4.6
		}
	} else if form.Get("code_verifier") != "" {
		return nil, oauthError{"invalid_grant", "There was no code_challenge."} // RFC 9700 §2.1.1
	}
	g.used = true
	return g, nil
}

func (t *Tenant) tokens(g *grant, app OIDCApp, code string, f faultSet) (map[string]any, error) {
	d := oidcDialects[t.cfg.Dialect]
	u, ok := t.User(g.User)
	if !ok {
		return nil, oauthError{"invalid_grant", "The user is gone."}
	}
	a := access{User: g.User, Client: app.ClientID, Scope: g.Scope}
	token, err := t.accessToken(u, app, a)
	if err != nil {
		return nil, err
	}
	body := map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": int(accessLife.Seconds()), "scope": g.Scope}
	given := []string{token}
	offline := d.offlineAccess == "scope" && slices.Contains(strings.Fields(g.Scope), "offline_access") || d.offlineAccess == "parameter" && g.Offline
	if offline && code != "" {
		refresh := "refresh_" + t.sim.token(20)
		t.mu.Lock()
		t.oidc.refresh.put(refresh, g)
		t.mu.Unlock()
		body["refresh_token"] = refresh
		given = append(given, refresh)
	}
	t.mu.Lock()
	g.tokens = append(g.tokens, given...)
	t.mu.Unlock()
	if f.has(NoIDToken) {
		return body, nil
	}
	in := IDTokenRequest{ClientID: app.ClientID, Nonce: g.Nonce, AccessToken: token, SessionID: g.Session, Scope: g.Scope, AuthTime: g.At}
	if code == "" {
		in.Nonce = "" // OpenID Connect Core §12.2
	}
	if body["id_token"], err = t.IDToken(g.User, in); err != nil {
		return nil, err
	}
	t.record(Event{What: "oidc.token", Who: g.User, App: app.ClientID, Note: f.String()})
	return body, nil
}

func (t *Tenant) remember(a access) string {
	token := "access_" + t.sim.token(24)
	t.rememberAs(token, a)
	return token
}

func (t *Tenant) rememberAs(token string, a access) {
	a.Expires = t.sim.now().Add(accessLife)
	t.mu.Lock()
	t.oidc.access.put(token, a)
	t.mu.Unlock()
}

// accessToken is opaque everywhere but in Entra, whose tokens show in scp what was consented to.
func (t *Tenant) accessToken(u User, app OIDCApp, a access) (string, error) {
	if t.cfg.Dialect != Entra {
		return t.remember(a), nil
	}
	now := t.sim.now()
	scopes := []string{"openid", "profile", "email", "User.Read"}
	if consented(app) {
		scopes = append(scopes, "GroupMember.Read.All")
	}
	token, err := t.sign("RS256", "JWT", claims{"iss": t.Issuer(), "aud": "00000003-0000-0000-c000-000000000000", "appid": app.ClientID, "oid": u.ID,
		"tid": t.cfg.TenantID, "scp": strings.Join(scopes, " "), "iat": now.Unix(), "exp": now.Add(accessLife).Unix(), "uti": t.sim.token(11)}, faultSet{})
	if err == nil {
		t.rememberAs(token, a)
	}
	return token, err
}

// bearer finds what the request's access token opens.
func (t *Tenant) bearer(r *http.Request) (access, bool) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return access{}, false
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	a, ok := t.oidc.access.get(strings.TrimSpace(token))
	return a, ok && t.sim.now().Before(a.Expires)
}

func (t *Tenant) serveUserinfo(w http.ResponseWriter, r *http.Request, f faultSet) {
	if f.has(UserinfoDown) {
		http.Error(w, "the provider is down", http.StatusServiceUnavailable)
		return
	}
	a, ok := t.bearer(r)
	u, known := t.User(a.User)
	if !ok || !known {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`) // RFC 6750 §3
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	app, _ := t.OIDCApp(a.Client)
	t.record(Event{What: "oidc.userinfo", Who: u.Email, App: a.Client, Note: f.String()})
	t.writePadded(w, t.userinfo(u, app, a.Scope, f), f)
}

// authenticate finds out which client calls the token endpoint, by exactly one method (RFC 6749 §2.3).
func (t *Tenant) authenticate(r *http.Request) (OIDCApp, error) {
	form := r.PostForm
	bad := func(why string) (OIDCApp, error) { return OIDCApp{}, oauthError{"invalid_client", why} }
	id, secret, basic := r.BasicAuth()
	method := "none"
	switch {
	case basic && (form.Get("client_secret") != "" || form.Get("client_assertion") != ""):
		return OIDCApp{}, oauthError{"invalid_request", "The client authenticates in two ways."}
	case basic && form.Get("client_id") != "" && oidcDialects[t.cfg.Dialect].strictClient:
		return OIDCApp{}, oauthError{"invalid_request", "Cannot supply multiple client credentials. Use one of the following: credentials in the Authorization header, credentials in the post body."}
	case basic:
		method = "client_secret_basic"
		var err error
		if id, err = url.QueryUnescape(id); err != nil {
			return bad("the client id is not form-encoded")
		}
		if secret, err = url.QueryUnescape(secret); err != nil {
			return bad("the secret is not form-encoded")
		}
	case form.Get("client_assertion") != "":
		method = "private_key_jwt"
	case form.Get("client_secret") != "":
		method, id, secret = "client_secret_post", form.Get("client_id"), form.Get("client_secret")
	default:
		id = form.Get("client_id")
	}
	if method == "private_key_jwt" {
		return t.authenticateByKey(form)
	}
	app, ok := t.OIDCApp(id)
	if !ok || id == "" {
		return bad("no such client")
	}
	if !app.takes(method) {
		return bad("this client may not use " + method)
	}
	if subtle.ConstantTimeCompare([]byte(secret), []byte(app.ClientSecret)) != 1 {
		return bad("wrong secret")
	}
	return app, nil
}

func (a OIDCApp) takes(method string) bool {
	if len(a.AuthMethods) > 0 {
		return slices.Contains(a.AuthMethods, method)
	}
	switch method {
	case "none":
		return a.ClientSecret == "" && a.PublicKey == ""
	case "private_key_jwt":
		return a.PublicKey != ""
	}
	return a.ClientSecret != ""
}

// authenticateByKey checks a client assertion (RFC 7523 §3, OpenID Connect Core §9).
func (t *Tenant) authenticateByKey(form url.Values) (OIDCApp, error) {
	bad := func(why string) (OIDCApp, error) { return OIDCApp{}, oauthError{"invalid_client", why} }
	if form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
		return bad("client_assertion_type")
	}
	tok, err := jwt.ParseSigned(form.Get("client_assertion"), []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256, jose.ES384, jose.EdDSA})
	if err != nil {
		return bad(err.Error())
	}
	var named jwt.Claims
	if err := tok.UnsafeClaimsWithoutVerification(&named); err != nil {
		return bad(err.Error())
	}
	app, ok := t.OIDCApp(named.Subject)
	if !ok || named.Subject == "" || !app.takes("private_key_jwt") || app.PublicKey == "" {
		return bad("no such client, or it has no public key")
	}
	pub, err := parsePublicKey(app.PublicKey)
	if err != nil {
		return bad(err.Error())
	}
	var c jwt.Claims
	if err := tok.Claims(pub, &c); err != nil {
		return bad("the signature does not verify")
	}
	endpoint := t.endpoint(oidcDialects[t.cfg.Dialect].token)
	now := t.sim.now()
	switch {
	case c.Issuer != app.ClientID || c.ID == "" || c.Expiry == nil:
		return bad("iss must be the client id; jti and exp are required")
	case c.ValidateWithLeeway(jwt.Expected{Time: now}, time.Minute) != nil || c.Expiry.Time().Sub(now) > time.Hour:
		return bad("exp has passed or is too far ahead")
	case !c.Audience.Contains(endpoint) && !c.Audience.Contains(t.Issuer()):
		return bad("aud must be " + endpoint)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, seen := t.oidc.jtis.get(app.ClientID + "\x00" + c.ID); seen {
		return bad("the assertion was used before")
	}
	t.oidc.jtis.put(app.ClientID+"\x00"+c.ID, now)
	return app, nil
}

// serveEndSession is RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0 §2).
func (t *Tenant) serveEndSession(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		t.fail(w, http.StatusBadRequest, "That is no logout request", err.Error())
		return
	}
	client, sid := r.Form.Get("client_id"), ""
	if hint := r.Form.Get("id_token_hint"); hint != "" {
		c, err := t.readHint(hint)
		if err != nil {
			t.fail(w, http.StatusBadRequest, "id_token_hint is not ours", err.Error())
			return
		}
		client, sid = or(client, c.Audience), c.SID
	} else if t.cfg.Dialect == Okta {
		t.fail(w, http.StatusBadRequest, "id_token_hint is missing", "This provider insists on it.")
		return
	}
	to := r.Form.Get("post_logout_redirect_uri")
	app, known := t.OIDCApp(client)
	if to != "" && (!known || client == "" || !slices.Contains(app.PostLogoutURIs, to)) {
		t.fail(w, http.StatusBadRequest, "That address is not registered", "post_logout_redirect_uri "+to)
		return
	}
	own := t.session(r)
	ended := t.endSessions(func(s *browserSession) bool { return own != nil && s.ID == own.ID || sid != "" && s.ID == sid })
	t.tellClients(r.Context(), ended, client)
	http.SetCookie(w, &http.Cookie{Name: t.cookieName(), Path: "/" + t.name + "/", MaxAge: -1})
	t.record(Event{What: "oidc.logout", App: client})
	if to == "" {
		t.render(w, http.StatusOK, "message", errorPage{"Signed out", "The session at " + t.cfg.Title + " is over."})
		return
	}
	u, err := url.Parse(to)
	if err != nil {
		t.fail(w, http.StatusBadRequest, "That address is no URL", err.Error())
		return
	}
	if state := r.Form.Get("state"); state != "" {
		q := u.Query()
		q.Set("state", state)
		u.RawQuery = q.Encode()
	}
	http.Redirect(w, r, u.String(), http.StatusFound)
}

type hintClaims struct {
	SID      string `json:"sid"`
	Audience string `json:"-"`
}

// readHint reads an ID token of ours; an expired one is fine (RP-Initiated Logout §2).
func (t *Tenant) readHint(token string) (hintClaims, error) {
	var out hintClaims
	tok, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA})
	if err != nil {
		return out, err
	}
	for _, k := range t.Keys() {
		var c jwt.Claims
		if tok.Claims(k.Signer.Public(), &c, &out) != nil {
			continue
		}
		if c.Issuer != t.Issuer() || len(c.Audience) == 0 {
			return out, errors.New("another provider issued it")
		}
		out.Audience = c.Audience[0]
		return out, nil
	}
	return out, errors.New("the signature does not verify")
}

// A LogoutResult is what a client answered to a logout token.
type LogoutResult struct {
	Client string `json:"client"`
	Status int    `json:"status,omitempty"` // HTTP status; 0 when it could not be reached
	Error  string `json:"error,omitempty"`
}

// SignOutEverywhere ends every session of a user and tells the OIDC clients on the back channel, whether they
// had a session or not when all is true.
func (t *Tenant) SignOutEverywhere(ctx context.Context, who string) ([]LogoutResult, error) {
	u, ok := t.User(who)
	if !ok {
		return nil, fmt.Errorf("sim: tenant %q has no user %q", t.name, who)
	}
	ended := t.endSessions(func(s *browserSession) bool { return s.User == u.Email })
	return t.tellClients(ctx, ended, ""), nil
}

// SendLogoutToken posts a logout token about a user to a client, session or not. An empty sid means all sessions.
func (t *Tenant) SendLogoutToken(ctx context.Context, who, clientID, sid string, faults ...Fault) LogoutResult {
	result := LogoutResult{Client: clientID}
	app, ok := t.OIDCApp(clientID)
	if !ok || app.BackchannelLogoutURI == "" {
		result.Error = "the client has no backchannel_logout_uri"
		return result
	}
	result.Client = app.ClientID
	token, err := t.LogoutToken(who, app.ClientID, sid, faults...)
	if err != nil {
		result.Error = err.Error()
		return result
	}
	body := strings.NewReader(url.Values{"logout_token": {token}}.Encode())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, app.BackchannelLogoutURI, body)
	if err != nil {
		result.Error = err.Error()
		return result
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := t.sim.client.Do(req)
	if err != nil {
		result.Error = err.Error()
		return result
	}
	defer resp.Body.Close()
	result.Status = resp.StatusCode
	if resp.StatusCode >= 300 {
		var e oauthError
		if json.NewDecoder(http.MaxBytesReader(nil, resp.Body, 64<<10)).Decode(&e) == nil {
			result.Error = e.Error()
		}
	}
	t.record(Event{What: "oidc.logout-token", Who: who, App: app.ClientID, Note: fmt.Sprint(result.Status, " ", result.Error)})
	return result
}

// tellClients sends logout tokens for ended sessions to the clients they went to, but for the one that asked.
func (t *Tenant) tellClients(ctx context.Context, ended []*browserSession, except string) []LogoutResult {
	var out []LogoutResult
	for _, s := range ended {
		for _, client := range s.OIDC {
			if app, ok := t.OIDCApp(client); !ok || client == except || app.BackchannelLogoutURI == "" {
				continue
			}
			out = append(out, t.SendLogoutToken(ctx, s.User, client, s.ID))
		}
	}
	return out
}
