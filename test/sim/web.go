package sim

import (
	"bytes"
	"embed"
	"encoding/json"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	maxBody       = 1 << 20
	maxRemembered = 4096 // sessions, flows, codes, tokens of each kind
	discoveryPath = "/.well-known/openid-configuration"
)

//go:embed pages/*.html
var pageFiles embed.FS

var pages = template.Must(template.New("").Funcs(template.FuncMap{"join": strings.Join, "clock": func(t time.Time) string { return t.UTC().Format("15:04:05") }}).ParseFS(pageFiles, "pages/*.html"))

// A capped is a map that forgets its oldest entries.
type capped[V any] struct {
	m     map[string]V
	order []string
}

func (c *capped[V]) put(key string, v V) {
	if c.m == nil {
		c.m = map[string]V{}
	}
	if _, have := c.m[key]; !have {
		c.order = append(c.order, key)
		if len(c.order) > maxRemembered {
			delete(c.m, c.order[0])
			c.order = slices.Delete(c.order, 0, 1)
		}
	}
	c.m[key] = v
}

func (c *capped[V]) get(key string) (V, bool) { v, ok := c.m[key]; return v, ok }

func (c *capped[V]) take(key string) (V, bool) {
	v, ok := c.m[key]
	if ok {
		delete(c.m, key)
		c.order = slices.DeleteFunc(c.order, func(k string) bool { return k == key })
	}
	return v, ok
}

// webState is what a tenant remembers about browsers.
type webState struct {
	sessions capped[*browserSession]
	flows    capped[flow]
}

// A browserSession is one signed-in browser and the applications it went to.
type browserSession struct {
	ID      string
	User    string // e-mail
	Started time.Time
	SAML    []samlSeat
	OIDC    []string // client ids
}

type samlSeat struct{ App, SessionIndex, NameID, Format string }

// A flow is a sign-in that waits for somebody to be chosen.
type flow struct {
	saml    *samlFlow
	oidc    *authRequest
	created time.Time
}

const flowLife = 15 * time.Minute

// routes hangs everything in one table. Pages and the control API refuse other origins, so that a web page
// somewhere cannot drive a simulator on this machine; sign-in endpoints take cross-site posts by design.
func (s *Sim) routes() http.Handler {
	own := http.NewCrossOriginProtection()
	control := own.Handler(s.controlRoutes())
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.index)
	mux.Handle("/{tenant}/ui", own.Handler(s.forTenant((*Tenant).serveUI)))
	mux.Handle("/{tenant}/ui/", own.Handler(s.forTenant((*Tenant).serveUI)))
	mux.Handle("POST /{tenant}/login", own.Handler(s.forTenant((*Tenant).serveLogin)))
	mux.Handle("/{tenant}/{rest...}", s.forTenant((*Tenant).serveProtocol))
	mux.HandleFunc("GET /{tenant}", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/"+url.PathEscape(r.PathValue("tenant"))+"/ui", http.StatusSeeOther)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		if strings.HasPrefix(r.URL.Path, "/_control/") { // no tenant can be called that
			control.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func (s *Sim) forTenant(serve func(*Tenant, http.ResponseWriter, *http.Request)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t := s.Tenant(r.PathValue("tenant"))
		if t == nil {
			http.NotFound(w, r)
			return
		}
		serve(t, w, r)
	})
}

// serveProtocol finds the endpoint of the tenant's dialect that a path means.
func (t *Tenant) serveProtocol(w http.ResponseWriter, r *http.Request) {
	f, err := t.faultSet()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	path := "/" + r.PathValue("rest")
	own := func(absolute string) string { return strings.TrimPrefix(absolute, t.URL()) }
	d := oidcDialects[t.cfg.Dialect]
	switch {
	case path == "/saml/metadata":
		t.serveMetadata(w, r, f)
	case path == "/saml/sso":
		t.serveSSO(w, r, f)
	case path == "/saml/start":
		t.serveStart(w, r)
	case path == "/saml/slo":
		t.serveSLO(w, r)
	case path == "/logout":
		t.serveLogout(w, r)
	case strings.HasSuffix(path, discoveryPath):
		t.serveDiscovery(w, r, strings.TrimSuffix(path, discoveryPath), f)
	case path == own(t.endpoint(d.authorize)):
		t.serveAuthorize(w, r, f)
	case path == own(t.endpoint(d.token)):
		t.serveToken(w, r, f)
	case path == own(t.endpoint(d.userinfo)):
		t.serveUserinfo(w, r, f)
	case path == own(t.endpoint(d.jwks)):
		t.serveJWKS(w, r, f)
	case d.endSession != "" && path == own(t.endpoint(d.endSession)):
		t.serveEndSession(w, r)
	case strings.HasPrefix(path, "/graph/v1.0/"):
		t.serveGraph(w, r, strings.TrimPrefix(path, "/graph/v1.0/"), f)
	case strings.HasPrefix(path, "/api/v1/") && t.cfg.Dialect == Okta:
		t.serveOktaAPI(w, r, strings.TrimPrefix(path, "/api/v1/"), f)
	default:
		http.NotFound(w, r)
	}
}

func (t *Tenant) cookieName() string { return "sim_" + t.name }

// session is the browser's session; nil if it has none.
func (t *Tenant) session(r *http.Request) *browserSession {
	c, err := r.Cookie(t.cookieName())
	if err != nil {
		return nil
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	s, _ := t.web.sessions.get(c.Value)
	return s
}

// enter signs a browser in as a user, keeping its session when it is that user's already.
func (t *Tenant) enter(w http.ResponseWriter, r *http.Request, u User) *browserSession {
	if s := t.session(r); s != nil && s.User == u.Email {
		return s
	}
	s := &browserSession{ID: t.sim.guid(), User: u.Email, Started: t.sim.now()}
	t.mu.Lock()
	t.web.sessions.put(s.ID, s)
	t.mu.Unlock()
	http.SetCookie(w, &http.Cookie{Name: t.cookieName(), Value: s.ID, Path: "/" + t.name + "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	return s
}

// whoIsHere says who signs in without being asked: the auto setting, ?auto=, a hint, or a remembered browser.
func (t *Tenant) whoIsHere(r *http.Request, hint string, force bool) (User, bool) {
	t.mu.RLock()
	auto, remember := t.cfg.Auto, t.cfg.Remember
	t.mu.RUnlock()
	if q := r.URL.Query().Get("auto"); q != "" {
		auto = q
	}
	if auto == "hint" {
		auto = hint
	}
	if auto != "" {
		return t.User(auto)
	}
	if s := t.session(r); s != nil && remember && !force {
		return t.User(s.User)
	}
	return User{}, false
}

// ask shows the sign-in page for a flow.
func (t *Tenant) ask(w http.ResponseWriter, r *http.Request, f flow, app, hint string) {
	id := t.sim.guid()
	f.created = t.sim.now()
	t.mu.Lock()
	t.web.flows.put(id, f)
	t.mu.Unlock()
	page := loginPage{Tenant: t.view(), Flow: id, App: app, Hint: hint}
	if s := t.session(r); s != nil {
		page.Current = s.User
	}
	t.render(w, http.StatusOK, "login", page)
}

// serveLogin takes the choice made on the sign-in page.
func (t *Tenant) serveLogin(w http.ResponseWriter, r *http.Request) {
	t.mu.Lock()
	f, ok := t.web.flows.take(r.PostFormValue("flow"))
	t.mu.Unlock()
	if !ok || t.sim.now().Sub(f.created) > flowLife {
		t.fail(w, http.StatusBadRequest, "This sign-in is over", "It was used already, or the page stood open for too long. Start again at the application.")
		return
	}
	u, ok := t.User(r.PostFormValue("user"))
	if !ok {
		t.fail(w, http.StatusBadRequest, "Nobody of that name", "The directory holds no such user.")
		return
	}
	if f.saml != nil {
		t.finishSAML(w, r, *f.saml, u)
		return
	}
	t.finishOIDC(w, r, *f.oidc, u)
}

// A postPage is a form that submits itself: how SAML's POST binding and OAuth's form_post travel.
type postPage struct {
	To     string
	Fields []field
	Nonce  string
}

type field struct{ Name, Value string }

func (t *Tenant) post(w http.ResponseWriter, to string, fields ...field) {
	t.render(w, http.StatusOK, "post", postPage{To: to, Nonce: t.sim.token(12), Fields: slices.DeleteFunc(fields, func(f field) bool { return f.Value == "" })})
}

type errorPage struct{ Title, Text string }

func (t *Tenant) fail(w http.ResponseWriter, status int, title, text string) {
	t.record(Event{What: "refused", Note: title + ": " + text})
	t.render(w, status, "message", errorPage{title, text})
}

func (t *Tenant) render(w http.ResponseWriter, status int, name string, data any) {
	t.sim.render(w, status, name, data)
}

func (s *Sim) render(w http.ResponseWriter, status int, name string, data any) {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, name+".html", data); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	script := "'none'"
	if p, ok := data.(postPage); ok {
		script = "'nonce-" + p.Nonce + "'"
	}
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; script-src "+script+"; base-uri 'none'; frame-ancestors 'none'")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	w.Write(b.Bytes())
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.Encode(v)
}

func queryEscape(s string) string { return url.QueryEscape(s) }
func trimSlash(s string) string   { return strings.TrimSuffix(s, "/") }
