package sim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// controlRoutes is the JSON API that scripts drive a running simulator with; docs/simulators.md lists it.
func (s *Sim) controlRoutes() http.Handler {
	mux := http.NewServeMux()
	reply := func(pattern string, do func(*Sim, *http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			v, err := do(s, r)
			var missing notThere
			switch {
			case errors.As(err, &missing):
				writeJSON(w, http.StatusNotFound, map[string]string{"error": err.Error()})
			case err != nil:
				writeJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
			case v == nil:
				w.WriteHeader(http.StatusNoContent)
			default:
				writeJSON(w, http.StatusOK, v)
			}
		})
	}
	tenant := func(pattern string, do func(*Tenant, *http.Request) (any, error)) {
		reply(pattern, func(s *Sim, r *http.Request) (any, error) {
			t := s.Tenant(r.PathValue("tenant"))
			if t == nil {
				return nil, notThere("tenant " + r.PathValue("tenant"))
			}
			return do(t, r)
		})
	}
	reply("GET /_control/faults", func(*Sim, *http.Request) (any, error) { return Faults(), nil })
	reply("GET /_control/tenants", func(s *Sim, _ *http.Request) (any, error) {
		out := []State{}
		for _, t := range s.Tenants() {
			out = append(out, t.State())
		}
		return out, nil
	})
	reply("POST /_control/tenants", func(s *Sim, r *http.Request) (any, error) {
		var c TenantConfig
		if err := readJSON(r, &c); err != nil {
			return nil, err
		}
		t, err := s.AddTenant(c)
		if err != nil {
			return nil, err
		}
		return t.State(), nil
	})
	const one = "/_control/tenants/{tenant}"
	tenant("GET "+one, func(t *Tenant, _ *http.Request) (any, error) { return t.State(), nil })
	tenant("DELETE "+one, func(t *Tenant, _ *http.Request) (any, error) { t.sim.RemoveTenant(t.name); return nil, nil })
	tenant("GET "+one+"/log", func(t *Tenant, _ *http.Request) (any, error) { return t.Log(), nil })
	tenant("PUT "+one+"/users/{email}", (*Tenant).controlPutUser)
	tenant("DELETE "+one+"/users/{email}", func(t *Tenant, r *http.Request) (any, error) { t.RemoveUser(r.PathValue("email")); return nil, nil })
	tenant("PUT "+one+"/users/{email}/groups", (*Tenant).controlPutGroups)
	tenant("PUT "+one+"/users/{email}/active", (*Tenant).controlPutActive)
	tenant("PUT "+one+"/scim", (*Tenant).controlPutSCIM)
	tenant("PUT "+one+"/faults", (*Tenant).controlPutFaults)
	tenant("PUT "+one+"/auto", (*Tenant).controlPutAuto)
	tenant("PUT "+one+"/saml-apps", (*Tenant).controlPutSAMLApp)
	tenant("PUT "+one+"/oidc-apps", (*Tenant).controlPutOIDCApp)
	tenant("POST "+one+"/keys", (*Tenant).controlKeys)
	tenant("POST "+one+"/logout", (*Tenant).controlLogout)
	tenant("POST "+one+"/saml-response", (*Tenant).controlSAMLResponse)
	tenant("POST "+one+"/id-token", (*Tenant).controlIDToken)
	return mux
}

type notThere string

func (n notThere) Error() string { return "there is no " + string(n) }

// readJSON reads one JSON value and nothing after it, refusing fields that do not exist.
func readJSON(r *http.Request, into any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fmt.Errorf("body: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("body: more than one JSON value")
	}
	return nil
}

// A State is what the control API shows of a tenant.
type State struct {
	Config    TenantConfig      `json:"config"`
	EntityID  string            `json:"entity_id"`
	Issuer    string            `json:"issuer"`
	Endpoints map[string]string `json:"endpoints"`
	Keys      []KeyState        `json:"keys"`
	SignedIn  []string          `json:"signed_in,omitempty"`
}

// A KeyState is a key without its private half.
type KeyState struct {
	ID        string    `json:"id"`
	Type      string    `json:"type"`
	Published bool      `json:"published"`
	Signing   bool      `json:"signing"`
	NotAfter  time.Time `json:"not_after"`
}

// State is a snapshot of the tenant.
func (t *Tenant) State() State {
	d := oidcDialects[t.cfg.Dialect]
	st := State{Config: t.Config(), EntityID: t.EntityID(), Issuer: t.Issuer(), SignedIn: t.SignedIn(), Endpoints: map[string]string{
		"metadata": t.MetadataURL(), "sso": t.SSOURL(), "slo": t.SLOURL(), "start": t.URL() + "/saml/start", "discovery": t.DiscoveryURL(),
		"authorize": t.endpoint(d.authorize), "token": t.endpoint(d.token), "jwks": t.endpoint(d.jwks), "userinfo": t.endpoint(d.userinfo), "graph": t.GraphURL(), "ui": t.URL() + "/ui",
	}}
	for _, k := range t.Keys() {
		st.Keys = append(st.Keys, KeyState{k.ID, keyType(k.Signer), k.Published, k.Signing, k.Cert.NotAfter})
	}
	return st
}

func (t *Tenant) controlPutUser(r *http.Request) (any, error) {
	u := User{Email: r.PathValue("email")}
	if err := readJSON(r, &u); err != nil {
		return nil, err
	}
	if err := t.PutUser(u); err != nil {
		return nil, err
	}
	out, _ := t.User(u.Email)
	return out, nil
}

func (t *Tenant) controlPutGroups(r *http.Request) (any, error) {
	var groups []string
	if err := readJSON(r, &groups); err != nil {
		return nil, err
	}
	if err := t.SetGroups(r.PathValue("email"), groups...); err != nil {
		return nil, notThere("user " + r.PathValue("email"))
	}
	u, _ := t.User(r.PathValue("email"))
	return u, nil
}

// controlPutActive: true or false, pushed to the SCIM service at once.
func (t *Tenant) controlPutActive(r *http.Request) (any, error) {
	var active bool
	if err := readJSON(r, &active); err != nil {
		return nil, err
	}
	push, err := t.SetActive(r.Context(), r.PathValue("email"), active)
	if err != nil {
		return nil, err
	}
	return map[string]any{"method": push.Method, "path": push.Path, "body": json.RawMessage(push.Body), "status": push.Status, "ms": float64(push.Took.Microseconds()) / 1000}, nil
}

// controlPutSCIM: {"base_url": …, "token": …}.
func (t *Tenant) controlPutSCIM(r *http.Request) (any, error) {
	var body struct {
		BaseURL string `json:"base_url"`
		Token   string `json:"token"`
	}
	if err := readJSON(r, &body); err != nil {
		return nil, err
	}
	t.PutSCIM(&Pusher{Dialect: t.cfg.Dialect, BaseURL: body.BaseURL, Token: body.Token, Client: t.sim.client})
	return nil, nil
}

// controlPutFaults replaces the faults that are on: {"expired": "", "clock-skew": "5m"}.
func (t *Tenant) controlPutFaults(r *http.Request) (any, error) {
	wanted := map[Fault]string{}
	if err := readJSON(r, &wanted); err != nil {
		return nil, err
	}
	if err := t.setFaults(wanted); err != nil {
		return nil, err
	}
	return t.Broken(), nil
}

func (t *Tenant) setFaults(wanted map[Fault]string) error {
	var faults []Fault
	for f, v := range wanted {
		faults = append(faults, f.With(v))
		if err := f.With(v).check(); err != nil {
			return err
		}
	}
	t.Mend()
	return t.Break(faults...)
}

func (t *Tenant) controlPutAuto(r *http.Request) (any, error) {
	var body struct {
		User string `json:"user"`
	}
	if err := readJSON(r, &body); err != nil {
		return nil, err
	}
	if _, ok := t.User(body.User); !ok && body.User != "" && body.User != "hint" {
		return nil, notThere("user " + body.User)
	}
	t.Auto(body.User)
	return nil, nil
}

func (t *Tenant) controlPutSAMLApp(r *http.Request) (any, error) {
	var a SAMLApp
	if err := readJSON(r, &a); err != nil {
		return nil, err
	}
	return nil, t.PutSAMLApp(a)
}

func (t *Tenant) controlPutOIDCApp(r *http.Request) (any, error) {
	var a OIDCApp
	if err := readJSON(r, &a); err != nil {
		return nil, err
	}
	return nil, t.PutOIDCApp(a)
}

// controlKeys: {"do":"rotate","keep_old":true}, {"do":"add","type":"p256"}, {"do":"sign","id":…},
// {"do":"publish"|"hide"|"remove","id":…}.
func (t *Tenant) controlKeys(r *http.Request) (any, error) {
	var body struct {
		Do      string `json:"do"`
		ID      string `json:"id"`
		Type    string `json:"type"`
		KeepOld bool   `json:"keep_old"`
	}
	if err := readJSON(r, &body); err != nil {
		return nil, err
	}
	err := fmt.Errorf("do is rotate, add, sign, publish, hide or remove")
	switch body.Do {
	case "rotate":
		err = t.Rotate(body.KeepOld)
	case "add":
		_, err = t.AddKey(KeyOptions{Type: body.Type})
	case "sign":
		err = t.SignWith(body.ID)
	case "publish", "hide":
		err = t.Publish(body.ID, body.Do == "publish")
	case "remove":
		t.RemoveKey(body.ID)
		err = nil
	}
	if err != nil {
		return nil, err
	}
	return t.State().Keys, nil
}

// controlLogout ends a user's sessions here and posts logout tokens: to the clients that had a session, or to
// the one named.
func (t *Tenant) controlLogout(r *http.Request) (any, error) {
	var body struct {
		User   string `json:"user"`
		Client string `json:"client"`
	}
	if err := readJSON(r, &body); err != nil {
		return nil, err
	}
	if body.Client != "" {
		return []LogoutResult{t.SendLogoutToken(r.Context(), body.User, body.Client, "")}, nil
	}
	out, err := t.SignOutEverywhere(r.Context(), body.User)
	if out == nil {
		out = []LogoutResult{}
	}
	return out, err
}

func (t *Tenant) controlSAMLResponse(r *http.Request) (any, error) {
	var body struct {
		User       string  `json:"user"`
		App        string  `json:"app"`
		RequestID  string  `json:"request_id"`
		RelayState string  `json:"relay_state"`
		Faults     []Fault `json:"faults"`
	}
	if err := readJSON(r, &body); err != nil {
		return nil, err
	}
	m, err := t.SAMLResponse(body.User, SAMLRequest{App: body.App, RequestID: body.RequestID, RelayState: body.RelayState}, body.Faults...)
	if err != nil {
		return nil, err
	}
	return map[string]string{"acs": m.ACS, "SAMLResponse": m.Base64, "RelayState": m.RelayState, "xml": string(m.XML)}, nil
}

func (t *Tenant) controlIDToken(r *http.Request) (any, error) {
	var body struct {
		User   string  `json:"user"`
		Client string  `json:"client"`
		Nonce  string  `json:"nonce"`
		Faults []Fault `json:"faults"`
	}
	if err := readJSON(r, &body); err != nil {
		return nil, err
	}
	token, err := t.IDToken(body.User, IDTokenRequest{ClientID: body.Client, Nonce: body.Nonce}, body.Faults...)
	if err != nil {
		return nil, err
	}
	return map[string]string{"id_token": token}, nil
}
