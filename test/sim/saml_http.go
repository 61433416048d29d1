package sim

import (
	"encoding/base64"
	"net/http"
	"slices"
)

// A samlFlow is an authentication request (or an IdP-initiated start) that waits for a user.
type samlFlow struct {
	in    SAMLRequest
	force bool
}

func (t *Tenant) serveMetadata(w http.ResponseWriter, _ *http.Request, f faultSet) {
	if f.has(MetadataDown) {
		http.Error(w, "the provider is down", http.StatusServiceUnavailable)
		return
	}
	raw, err := t.Metadata()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/samlmetadata+xml")
	w.Write(raw)
}

// serveSSO takes an AuthnRequest in either binding (SAML profiles §4.1).
func (t *Tenant) serveSSO(w http.ResponseWriter, r *http.Request, f faultSet) {
	in, err := readSAML(r)
	if err != nil {
		t.fail(w, http.StatusBadRequest, "That is no sign-in request", err.Error())
		return
	}
	if in.query != nil && samlDialects[t.cfg.Dialect].postOnly {
		t.fail(w, http.StatusMethodNotAllowed, "Only POST is taken here", "This provider declares no redirect endpoint.")
		return
	}
	req, err := in.authnRequest()
	if err != nil {
		t.fail(w, http.StatusBadRequest, "That is no sign-in request", err.Error())
		return
	}
	app, ok := t.SAMLApp(req.Issuer.Value)
	if !ok || req.Issuer.Value == "" {
		// Okta knows the application by its URL and does not look at the Issuer.
		if app, ok = t.SAMLApp(""); !ok || t.cfg.Dialect != Okta {
			t.unknownApp(w, req.Issuer.Value)
			return
		}
	}
	if err := checkSignature(in, app, samlDialects[t.cfg.Dialect].wantSigned); err != nil {
		t.fail(w, http.StatusForbidden, "The request's signature is not good", err.Error())
		return
	}
	acs := or(req.AssertionConsumerServiceURL, app.ACS[0])
	if !slices.Contains(app.ACS, acs) {
		t.fail(w, http.StatusForbidden, "That reply address is not registered", "The request wants the answer at "+acs+", the application has "+app.ACS[0]+".")
		return
	}
	flow := samlFlow{in: SAMLRequest{RequestID: req.ID, App: app.EntityID, ACS: acs, Audience: app.EntityID, RelayState: in.relayState},
		force: req.ForceAuthn != nil && *req.ForceAuthn}
	if req.NameIDPolicy != nil && req.NameIDPolicy.Format != nil {
		flow.in.NameIDFormat = *req.NameIDPolicy.Format
	}
	hint := ""
	if req.Subject != nil && req.Subject.NameID != nil {
		hint = req.Subject.NameID.Value
	}
	t.startSAML(w, r, flow, hint, req.IsPassive != nil && *req.IsPassive)
}

func (t *Tenant) unknownApp(w http.ResponseWriter, issuer string) {
	switch t.cfg.Dialect {
	case Google:
		t.fail(w, http.StatusForbidden, "403 app_not_configured_for_user", "No application has the entity id "+issuer+". Case and slashes count.")
	case Entra:
		t.fail(w, http.StatusBadRequest, "AADSTS700016", "Application with identifier '"+issuer+"' was not found in the directory '"+t.cfg.Title+"'.")
	default:
		t.fail(w, http.StatusForbidden, "Unknown application", "No application has the entity id "+issuer+".")
	}
}

func checkSignature(in inbound, app SAMLApp, wanted bool) error {
	if len(app.Certificates) == 0 || !in.signed() && !app.RequireSigned && !wanted {
		return nil
	}
	return in.verify(app.Certificates)
}

// serveStart begins an IdP-initiated sign-in, as a click on the application's tile does.
func (t *Tenant) serveStart(w http.ResponseWriter, r *http.Request) {
	app, ok := t.SAMLApp(r.URL.Query().Get("app"))
	if !ok {
		t.unknownApp(w, r.URL.Query().Get("app"))
		return
	}
	relay := or(r.URL.Query().Get("RelayState"), app.RelayState)
	t.startSAML(w, r, samlFlow{in: SAMLRequest{App: app.EntityID, RelayState: relay}}, "", false)
}

func (t *Tenant) startSAML(w http.ResponseWriter, r *http.Request, flow0 samlFlow, hint string, passive bool) {
	if u, here := t.whoIsHere(r, hint, flow0.force); here {
		t.finishSAML(w, r, flow0, u)
		return
	}
	if passive {
		t.answerNoPassive(w, flow0)
		return
	}
	t.ask(w, r, flow{saml: &flow0}, flow0.in.App, hint)
}

// answerNoPassive: nobody is signed in and the request forbade asking (SAML core §3.4.1).
func (t *Tenant) answerNoPassive(w http.ResponseWriter, flow0 samlFlow) {
	app, err := t.appFor(&flow0.in)
	if err != nil {
		t.fail(w, http.StatusBadRequest, "Unknown application", err.Error())
		return
	}
	f, _ := t.faultSet()
	m := t.newMaker(User{}, app, flow0.in, f)
	resp := m.envelope("Response")
	m.status(resp, "urn:oasis:names:tc:SAML:2.0:status:Responder", "urn:oasis:names:tc:SAML:2.0:status:NoPassive", "")
	if m.key, err = t.samlKey(); err == nil {
		err = m.sign(resp)
	}
	raw, werr := writeXML(resp)
	if err != nil || werr != nil {
		t.fail(w, http.StatusInternalServerError, "No answer could be made", "signing failed")
		return
	}
	t.post(w, flow0.in.ACS, field{"SAMLResponse", base64.StdEncoding.EncodeToString(raw)}, field{"RelayState", flow0.in.RelayState})
}

func (t *Tenant) finishSAML(w http.ResponseWriter, r *http.Request, flow samlFlow, u User) {
	m, err := t.SAMLResponse(u.Email, flow.in)
	if err != nil {
		t.fail(w, http.StatusBadRequest, "No answer could be made", err.Error())
		return
	}
	s := t.enter(w, r, u)
	t.mu.Lock()
	s.SAML = append(s.SAML, samlSeat{or(flow.in.App, flow.in.Audience), m.SessionIndex, m.NameID, m.NameIDFormat})
	t.mu.Unlock()
	t.post(w, m.ACS, field{"SAMLResponse", m.Base64}, field{"RelayState", m.RelayState})
}

// serveSLO takes an application's LogoutRequest and answers it, or the answer to one of ours (SAML profiles §4.4).
func (t *Tenant) serveSLO(w http.ResponseWriter, r *http.Request) {
	in, err := readSAML(r)
	if err != nil {
		t.fail(w, http.StatusBadRequest, "That is no logout message", err.Error())
		return
	}
	if in.parameter == "SAMLResponse" {
		t.record(Event{What: "saml.logout-answered", Note: in.relayState})
		t.render(w, http.StatusOK, "message", errorPage{"Signed out", "The application has answered; the session is over on both sides."})
		return
	}
	req, err := in.logoutRequest()
	if err != nil {
		t.fail(w, http.StatusBadRequest, "That is no logout message", err.Error())
		return
	}
	app, ok := t.SAMLApp(req.Issuer.Value)
	if !ok {
		t.unknownApp(w, req.Issuer.Value)
		return
	}
	// Logout ends other people's sessions, so a registered certificate makes its signature compulsory.
	if len(app.Certificates) > 0 {
		if err := in.verify(app.Certificates); err != nil {
			t.fail(w, http.StatusForbidden, "The request's signature is not good", err.Error())
			return
		}
	}
	ended := t.endSessions(func(s *browserSession) bool {
		return slices.ContainsFunc(s.SAML, func(seat samlSeat) bool {
			return seat.App == app.EntityID && seat.NameID == req.NameID.Value && (req.SessionIndex == nil || seat.SessionIndex == req.SessionIndex.Value)
		})
	})
	t.tellClients(r.Context(), ended, "")
	m, err := t.LogoutResponse(Logout{App: app.EntityID, RequestID: req.ID, RelayState: in.relayState})
	if err != nil {
		t.fail(w, http.StatusBadRequest, "No answer could be made", err.Error())
		return
	}
	t.sendLogout(w, r, app, m, "SAMLResponse", in.relayState)
}

func (t *Tenant) sendLogout(w http.ResponseWriter, r *http.Request, app SAMLApp, m LogoutMessage, parameter, relayState string) {
	if app.SLOBinding == "post" {
		t.post(w, m.To, field{parameter, m.Base64}, field{"RelayState", relayState})
		return
	}
	http.Redirect(w, r, m.Redirect, http.StatusSeeOther)
}

// serveLogout signs the browser out here and at one SAML application, through the browser; OIDC clients are
// told on the back channel.
func (t *Tenant) serveLogout(w http.ResponseWriter, r *http.Request) {
	s := t.session(r)
	if s == nil {
		t.render(w, http.StatusOK, "message", errorPage{"Signed out", "Nobody was signed in at " + t.cfg.Title + " in this browser."})
		return
	}
	ended := t.endSessions(func(o *browserSession) bool { return o.ID == s.ID })
	t.tellClients(r.Context(), ended, "")
	http.SetCookie(w, &http.Cookie{Name: t.cookieName(), Path: "/" + t.name + "/", MaxAge: -1})
	var seats []samlSeat
	for _, e := range ended {
		seats = append(seats, e.SAML...)
	}
	for _, seat := range slices.Backward(seats) {
		app, ok := t.SAMLApp(seat.App)
		if !ok || app.SLO == "" {
			continue
		}
		m, err := t.LogoutRequest(s.User, Logout{App: seat.App, SessionIndex: seat.SessionIndex, NameID: seat.NameID, NameIDFormat: seat.Format})
		if err != nil {
			t.fail(w, http.StatusBadRequest, "The application cannot be told", err.Error())
			return
		}
		t.sendLogout(w, r, app, m, "SAMLRequest", "")
		return
	}
	t.render(w, http.StatusOK, "message", errorPage{"Signed out", "The session at " + t.cfg.Title + " is over."})
}

// endSessions forgets the sessions that match and returns them.
func (t *Tenant) endSessions(match func(*browserSession) bool) []*browserSession {
	t.mu.Lock()
	candidates := make([]*browserSession, 0, len(t.web.sessions.m))
	for _, s := range t.web.sessions.m {
		copied := *s
		copied.SAML, copied.OIDC = slices.Clone(s.SAML), slices.Clone(s.OIDC)
		candidates = append(candidates, &copied)
	}
	t.mu.Unlock()
	var ended []*browserSession
	for _, s := range candidates { // match may ask for users, which locks
		if match(s) {
			ended = append(ended, s)
		}
	}
	t.mu.Lock()
	for _, s := range ended {
		t.web.sessions.take(s.ID)
	}
	t.mu.Unlock()
	slices.SortFunc(ended, func(a, b *browserSession) int { return a.Started.Compare(b.Started) })
	return ended
}

// SignedIn lists the people with a session here.
func (t *Tenant) SignedIn() []string {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var out []string
	for _, s := range t.web.sessions.m {
		out = append(out, s.User)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
