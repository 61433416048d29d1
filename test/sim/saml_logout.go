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

// LogoutRequest asks an application (entity id; empty: the first) to end a user's session. NameID and
// SessionIndex are what the application got at sign-in; an empty sessionIndex means all sessions.
func (t *Tenant) LogoutRequest(who, entityID, sessionIndex, relayState string, faults ...Fault) (LogoutMessage, error) {
	u, ok := t.User(who)
	if !ok {
		return LogoutMessage{}, fmt.Errorf("sim: tenant %q has no user %q", t.name, who)
	}
	return t.logout(u, entityID, "LogoutRequest", "", relayState, func(m *samlMaker, el *etree.Element) {
		el.CreateAttr("NotOnOrAfter", m.base.Add(5*time.Minute).Format(m.d.layout))
		n := el.CreateElement(m.tag("NameID"))
		declareAssertion(m, n)
		if m.nid.format != "" {
			n.CreateAttr("Format", m.nid.format)
		}
		if m.nid.qualified {
			n.CreateAttr("NameQualifier", m.issuer)
			n.CreateAttr("SPNameQualifier", m.app.EntityID)
		}
		n.SetText(m.nid.value)
		if sessionIndex != "" {
			el.CreateElement(qname(m.d.protocol, "SessionIndex")).SetText(sessionIndex)
		}
	}, faults...)
}

// LogoutResponse answers an application's logout request.
func (t *Tenant) LogoutResponse(entityID, requestID, relayState string, faults ...Fault) (LogoutMessage, error) {
	return t.logout(User{}, entityID, "LogoutResponse", requestID, relayState, func(m *samlMaker, el *etree.Element) {
		if m.f.has(StatusDenied) {
			m.status(el, "urn:oasis:names:tc:SAML:2.0:status:Responder", "urn:oasis:names:tc:SAML:2.0:status:PartialLogout", "")
			return
		}
		m.status(el, "urn:oasis:names:tc:SAML:2.0:status:Success", "", "")
	}, faults...)
}

func declareAssertion(m *samlMaker, el *etree.Element) {
	if !m.d.declareOnRoot {
		el.CreateAttr(xmlns(m.d.assertion), nsAssertion)
	}
}

func (t *Tenant) logout(u User, entityID, tag, requestID, relayState string, fill func(*samlMaker, *etree.Element), faults ...Fault) (LogoutMessage, error) {
	app, ok := t.SAMLApp(entityID)
	if !ok || app.SLO == "" {
		return LogoutMessage{}, fmt.Errorf("sim: tenant %q has no SAML application %q with a logout address", t.name, entityID)
	}
	f, err := t.faultSet(faults...)
	if err != nil {
		return LogoutMessage{}, err
	}
	m := t.newMaker(u, app, SAMLRequest{RequestID: requestID, ACS: app.SLO, Audience: app.EntityID}, f)
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
	out.Redirect, err = m.redirect(app.SLO, parameter, bare, relayState, unsigned)
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
