package sim

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/beevik/etree"
)

// A LogoutMessage is a SAML logout request or response in both bindings.
type LogoutMessage struct {
	ID       string
	XML      []byte // with an enveloped signature, as the POST binding wants it
	Base64   string // of XML
	Redirect string // absolute URL with a query signature (SAML bindings §3.4.4.1)
	To       string // where the POST goes
}

// A Logout says what a logout message is about.
type Logout struct {
	App          string // entity id; empty: the application registered first
	SessionIndex string // as sent at sign-in; empty: all sessions
	NameID       string // as sent at sign-in; empty: as the dialect names the user to this application
	NameIDFormat string // of NameID
	RequestID    string // what a LogoutResponse answers
	RelayState   string
}

// LogoutRequest asks an application to end a user's session (SAML core §3.7.1). The application needs a
// logout address.
func (t *Tenant) LogoutRequest(who string, l Logout, faults ...Fault) (LogoutMessage, error) {
	u, ok := t.User(who)
	if !ok {
		return LogoutMessage{}, fmt.Errorf("sim: tenant %q has no user %q", t.name, who)
	}
	l.RequestID = ""
	return t.logout(u, "LogoutRequest", l, func(m *samlMaker, el *etree.Element) {
		el.CreateAttr("NotOnOrAfter", m.base.Add(5*time.Minute).Format(m.d.layout))
		if l.NameID != "" {
			m.nid.value, m.nid.format = l.NameID, l.NameIDFormat
		}
		n := el.CreateElement(m.tag("NameID"))
		if !m.d.declareOnRoot {
			n.CreateAttr(xmlns(m.d.assertion), nsAssertion)
		}
		if m.nid.format != "" {
			n.CreateAttr("Format", m.nid.format)
		}
		if m.nid.qualified {
			n.CreateAttr("NameQualifier", m.issuer)
			n.CreateAttr("SPNameQualifier", m.app.EntityID)
		}
		n.SetText(m.nid.value)
		if l.SessionIndex != "" {
			el.CreateElement(qname(m.d.protocol, "SessionIndex")).SetText(l.SessionIndex)
		}
	}, faults...)
}

// LogoutResponse answers an application's logout request (SAML core §3.7.2).
func (t *Tenant) LogoutResponse(l Logout, faults ...Fault) (LogoutMessage, error) {
	return t.logout(User{}, "LogoutResponse", l, func(m *samlMaker, el *etree.Element) {
		if m.f.has(StatusDenied) {
			m.status(el, "urn:oasis:names:tc:SAML:2.0:status:Responder", "urn:oasis:names:tc:SAML:2.0:status:PartialLogout", "")
			return
		}
		m.status(el, "urn:oasis:names:tc:SAML:2.0:status:Success", "", "")
	}, faults...)
}

func (t *Tenant) logout(u User, tag string, l Logout, fill func(*samlMaker, *etree.Element), faults ...Fault) (LogoutMessage, error) {
	app, ok := t.SAMLApp(l.App)
	if !ok || app.SLO == "" {
		return LogoutMessage{}, fmt.Errorf("sim: tenant %q has no SAML application %q with a logout address", t.name, l.App)
	}
	f, err := t.faultSet(faults...)
	if err != nil {
		return LogoutMessage{}, err
	}
	m := t.newMaker(u, app, SAMLRequest{RequestID: l.RequestID, ACS: app.SLO, Audience: app.EntityID}, f)
	if m.key, err = t.samlKey(); err != nil {
		return LogoutMessage{}, err
	}
	el := m.envelope(tag)
	fill(m, el)
	// The redirect binding carries its signature in the query and none in the message.
	bare, err := writeXML(el.Copy())
	if err != nil {
		return LogoutMessage{}, err
	}
	unsigned := f.has(UnsignedLogout) || f.has(Unsigned)
	if !unsigned {
		if err := m.sign(el); err != nil {
			return LogoutMessage{}, err
		}
	}
	if f.has(Tampered) {
		if n := find(el, "NameID"); n != nil {
			n.SetText("x" + n.Text())
		} else {
			el.CreateAttr("InResponseTo", "_tampered")
		}
	}
	out := LogoutMessage{ID: m.responseID, To: app.SLO}
	if out.XML, err = writeXML(el); err != nil {
		return LogoutMessage{}, err
	}
	out.Base64 = base64.StdEncoding.EncodeToString(out.XML)
	parameter := "SAMLRequest"
	if tag == "LogoutResponse" {
		parameter = "SAMLResponse"
	}
	out.Redirect, err = m.redirect(app.SLO, parameter, bare, l.RelayState, unsigned)
	t.record(Event{What: "saml." + strings.ToLower(tag), Who: u.Email, App: app.EntityID, Note: f.String()})
	return out, err
}

// redirect writes a message into a query and signs the query as it stands there (SAML bindings §3.4.4.1).
func (m *samlMaker) redirect(to, parameter string, raw []byte, relayState string, unsigned bool) (string, error) {
	var packed bytes.Buffer
	w, err := flate.NewWriter(&packed, flate.DefaultCompression)
	if err != nil {
		return "", err
	}
	if _, err := w.Write(raw); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	query := parameter + "=" + url.QueryEscape(base64.StdEncoding.EncodeToString(packed.Bytes()))
	if relayState != "" {
		query += "&RelayState=" + url.QueryEscape(relayState)
	}
	if !unsigned {
		key := m.key
		if m.f.has(WrongKey) {
			if key, err = m.t.strayKey("RS256"); err != nil {
				return "", err
			}
		}
		method := methodFor(key.Signer, m.f.has(SHA1))
		query += "&SigAlg=" + url.QueryEscape(method.signature)
		h := method.hash.New()
		h.Write([]byte(query))
		sig, err := rawSignature(key.Signer, h.Sum(nil), method.hash)
		if err != nil {
			return "", err
		}
		query += "&Signature=" + url.QueryEscape(base64.StdEncoding.EncodeToString(sig))
	}
	sep := "?"
	if strings.Contains(to, "?") {
		sep = "&"
	}
	return to + sep + query, nil
}
