package federation

import (
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/federation/saml"
	"github.com/drawbridge-id/drawbridge/federation/session"
	"github.com/drawbridge-id/drawbridge/web/page"
)

// startSAML remembers the request's id on our side and sends the request to the provider.
func (d *Door) startSAML(w http.ResponseWriter, r *http.Request, c account.Connection, f account.Flow) error {
	s := c.Version(f.Which)
	sp, err := d.sp(r, c)
	if err != nil {
		return err
	}
	f.RequestID = saml.NewRequestID(d.random)
	if f, err = d.begin(w, r, f); err != nil {
		return err
	}
	out, err := saml.Start(sp, *s.SAML, saml.AuthnRequest{ID: f.RequestID, Now: d.now(), RelayState: f.Handle, LoginHint: f.LoginHint, ForceAuthn: f.Forced})
	if err != nil {
		return d.notStarted(w, r, c, f, err)
	}
	return send(w, r, out, "Continue to "+provider(c))
}

// send puts a SAML message on its way through the browser.
func send(w http.ResponseWriter, r *http.Request, out saml.Outgoing, title string) error {
	if out.URL != "" {
		return see(w, r, out.URL)
	}
	noStore(w)
	p := page.AutoPost{Title: title, Action: out.Action}
	for _, f := range out.Fields {
		p.Fields = append(p.Fields, page.Field{Name: f[0], Value: f[1]})
	}
	return page.Render(w, r, http.StatusOK, p)
}

// sp is our side of a connection with its keys.
func (d *Door) sp(r *http.Request, c account.Connection) (sp saml.SP, err error) {
	sp = d.side(c)
	sp.Keys, err = d.ledger.SPKeys(r.Context(), c.ID)
	return sp, err
}

// side is our side of a connection. Audience and recipient carry its id, so that no tenant's assertion fits
// another's door (SAML-T1).
func (d *Door) side(c account.Connection) saml.SP {
	u := d.URLs(c.ID)
	return saml.SP{EntityID: u.EntityID, ACS: u.ACS, SLO: u.SLO}
}

// ACS takes a response by the POST binding: POST /saml/{connection}/acs.
func (d *Door) ACS(w http.ResponseWriter, r *http.Request) error {
	noStore(w)
	c, err := d.connection(r, account.SAML)
	if err != nil {
		return err
	}
	if !c.Enabled {
		return d.switchedOff(w, r, c, account.Flow{})
	}
	in, bad := d.message(w, r, "SAMLResponse")
	if bad != nil {
		return d.refuse(w, r, c, account.Flow{}, refusal(*bad))
	}
	f, answers, err := d.pending(r, c, in)
	if err != nil {
		return err
	}
	if answers != "" && f.ID == "" {
		return d.noFlow(w, r, c)
	}
	if f.ID == "" {
		f.Which = account.Live
	}
	s := c.Version(f.Which)
	if s == nil || s.SAML == nil {
		return d.switchedOff(w, r, c, f)
	}
	sp := d.side(c)
	if saml.MayBeEncrypted(in.text) { // most are not, and our keys cost two reads and their unsealing
		if sp, err = d.sp(r, c); err != nil {
			return err
		}
	}
	if err := d.judging.Acquire(r.Context(), 1); err != nil {
		return account.Errorf(account.Unavailable, "Too many sign-ins are under way.").Fix("Try again in a minute.").Because(err)
	}
	j := saml.Judge(sp, c, *s, in.text, saml.Expect{Now: d.now(), RequestID: f.RequestID, Kind: s.Kind})
	d.judging.Release(1)
	return d.settle(w, r, c, f, false, j)
}

// pending finds the sign-in that a response answers: by our handle in RelayState, or, where a provider lost
// that, by the request id in the message, which Judge then compares under the signature. Both only in the
// browser that began it (SAML-R3). answers is not empty when the response claims to answer a request, which is asked
// when the handle leads nowhere; without one it is unsolicited, and Judge asks the connection's settings about that.
func (d *Door) pending(r *http.Request, c account.Connection, in message) (f account.Flow, answers string, err error) {
	browser := session.Browser(r)
	if browser != "" && in.relayState != "" {
		f, err = d.ledger.Flow(r.Context(), c.ID, in.relayState, "", browser)
		if account.KindOf(err) != account.NotFound {
			return f, f.RequestID, err
		}
	}
	answers, err = saml.Peek(in.text)
	if err != nil {
		answers = "" // malformed: Judge says how
	}
	if c.Live != nil && c.Live.SAML != nil && slices.Contains(c.Live.SAML.IgnoreInResponseTo, answers) {
		answers = ""
	}
	if browser == "" || answers == "" {
		return account.Flow{}, answers, nil
	}
	f, err = d.ledger.Flow(r.Context(), c.ID, "", answers, browser)
	if account.KindOf(err) == account.NotFound {
		return account.Flow{}, answers, nil
	}
	return f, answers, err
}

// A message is what a form of the POST binding carries.
type message struct {
	text       string // base64, as it came
	relayState string
}

// message reads the form of the POST binding (SAML bindings §3.5): one message in the body and nowhere else,
// at most one RelayState of at most 80 bytes (SAML-X7, SAML-D1). The second result is the failed check.
func (d *Door) message(w http.ResponseWriter, r *http.Request, field string) (message, *account.Check) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return message{}, badForm("application/x-www-form-urlencoded", clip(r.Header.Get("Content-Type"), 80))
	}
	if err := d.form(w, r); err != nil {
		e, _ := errorIn(err)
		return message{}, badForm(fmt.Sprintf("a form of at most %d bytes", d.limits.Body), e.Message)
	}
	texts, states := r.PostForm[field], r.PostForm["RelayState"]
	query, err := url.ParseQuery(r.URL.RawQuery)
	switch {
	case err != nil, query.Has("SAMLResponse"), query.Has("SAMLRequest"), query.Has("RelayState"):
		return message{}, badForm("the message in the body", "one in the query")
	case len(texts) != 1:
		return message{}, badForm("one "+field, count(len(texts), field))
	case len(states) > 1:
		return message{}, badForm("at most one RelayState", count(len(states), "RelayState"))
	case len(states) == 1 && len(states[0]) > maxHandle:
		return message{}, badForm("a RelayState of at most 80 bytes", fmt.Sprintf("one of %d bytes", len(states[0])))
	}
	m := message{text: texts[0]}
	if len(states) == 1 {
		m.relayState = states[0]
	}
	return m, nil
}

func badForm(expected, received string) *account.Check {
	return &account.Check{
		Step: account.StepResponse, Code: codeForm, Title: "The message comes as the POST binding asks", Expected: expected, Received: received,
		Fix: generic("Have the provider use the HTTP-POST binding for its response, without changing the form."),
	}
}

// Metadata describes our side of one connection: GET /saml/{connection}/metadata, which is the entity id, too
// (SM §4.1). It holds nothing private
// and says nothing that differs between enabled and disabled connections.
func (d *Door) Metadata(w http.ResponseWriter, r *http.Request) error {
	c, err := d.connection(r, account.SAML)
	if err != nil {
		return err
	}
	sp, err := d.sp(r, c)
	if err != nil {
		return err
	}
	s := c.Live
	if s == nil || s.SAML == nil {
		s = c.Draft
	}
	xml, err := saml.Metadata(sp, s.SAML, d.now())
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/samlmetadata+xml")
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(xml) // the client went away: nobody is left to be told
	return nil
}
