package saml

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"time"

	crewjam "github.com/crewjam/saml"

	"github.com/drawbridge-id/drawbridge/account"
)

// logoutLife bounds logout messages that do not say how long they last.
const logoutLife = 5 * time.Minute

// A LogoutRequest of ours tells the provider that somebody leaves.
type LogoutRequest struct {
	ID           string
	Now          time.Time
	NameID       account.NameID // as the login had it
	SessionIndex string         // empty: every session of the person
	RelayState   string
}

// StartLogout builds a signed LogoutRequest (SC §3.7.1, SP §4.4.4.1) for the provider's Redirect or POST endpoint.
// It errs with code "no_endpoint" when the provider has none, "no_signing_key" when we have no key.
func StartLogout(sp SP, s account.SAMLSettings, r LogoutRequest) (Outgoing, error) {
	until := r.Now.Add(logoutLife).UTC()
	request := crewjam.LogoutRequest{
		ID: r.ID, Version: "2.0", IssueInstant: r.Now.UTC(), NotOnOrAfter: &until,
		Destination: preferred(s),
		Issuer:      &crewjam.Issuer{Value: sp.EntityID},
		NameID: &crewjam.NameID{Value: r.NameID.Value, Format: r.NameID.Format,
			NameQualifier: r.NameID.NameQualifier, SPNameQualifier: r.NameID.SPNameQualifier},
	}
	if r.SessionIndex != "" {
		request.SessionIndex = &crewjam.SessionIndex{Value: r.SessionIndex}
	}
	message, err := serialize(request.Element())
	if err != nil {
		return Outgoing{}, err
	}
	return sp.send(s.SLORedirect, s.SLOPost, "SAMLRequest", message, r.RelayState, true, nil)
}

func preferred(s account.SAMLSettings) string {
	if s.SLORedirect != "" {
		return s.SLORedirect
	}
	return s.SLOPost
}

// A LogoutReply of ours answers a provider's LogoutRequest.
type LogoutReply struct {
	ID           string
	Now          time.Time
	InResponseTo string // Logout.ID
	RelayState   string // Logout.RelayState, given back as it came (SB §3.4.3)
	Failed       bool   // the sessions are not all ended
}

// AnswerLogout builds a signed LogoutResponse (SC §3.7.2, SP §4.4.4.2).
func AnswerLogout(sp SP, s account.SAMLSettings, r LogoutReply) (Outgoing, error) {
	status := statusSuccess
	if r.Failed {
		status = "urn:oasis:names:tc:SAML:2.0:status:Responder"
	}
	response := crewjam.LogoutResponse{
		ID: r.ID, Version: "2.0", IssueInstant: r.Now.UTC(), InResponseTo: r.InResponseTo,
		Destination: preferred(s),
		Issuer:      &crewjam.Issuer{Value: sp.EntityID},
		Status:      crewjam.Status{StatusCode: crewjam.StatusCode{Value: status}},
	}
	message, err := serialize(response.Element())
	if err != nil {
		return Outgoing{}, err
	}
	return sp.send(s.SLORedirect, s.SLOPost, "SAMLResponse", message, r.RelayState, true, nil)
}

// A Logout is a provider's request to end sessions, verified.
type Logout struct {
	ID             string
	Issuer         string
	NameID         account.NameID
	SessionIndexes []string // empty: every session of the person
	IssueInstant   time.Time
	NotOnOrAfter   time.Time // as said, else five minutes after IssueInstant; remember ID until then plus the skew
	RelayState     string    // opaque, at most 80 bytes; goes back with the answer
}

// A LogoutAnswer is a provider's answer to our LogoutRequest, verified. The caller compares
// InResponseTo with the request it sent.
type LogoutAnswer struct {
	ID           string
	Issuer       string
	InResponseTo string
	Success      bool
	Status       string // for people
	RelayState   string
}

// An Incoming message came by redirect (RawQuery as it stood in the URL, because its octets are what
// was signed) or by POST (Form).
type Incoming struct {
	RawQuery string
	Form     url.Values
}

// ReadLogout reads whichever logout message came; exactly one of request and answer is set without an
// error. It must be signed by a key of the connection: the query of a redirect (SB §3.4.4.1), the
// message of a POST. Issuer, Destination and times are judged as those of a response (SAML-M3). Errors
// are *account.Refusal.
func ReadLogout(sp SP, s account.SAMLSettings, in Incoming, now time.Time) (request *Logout, answer *LogoutAnswer, err error) {
	defer func() {
		if p := recover(); p != nil {
			r := refusal(&fault{"internal", "a verdict", "a defect of ours"}).Because(fmt.Errorf("saml: reading a logout message panicked: %v", p))
			request, answer, err = nil, nil, r
		}
	}()
	root, relayState, f := receive(s, in)
	if f == nil {
		f = checkLogout(sp, s, root, now)
	}
	if f == nil && len(relayState) > 80 {
		f = malformed("a RelayState of at most 80 bytes", "more")
	}
	if f == nil && root.local == "LogoutRequest" {
		request, f = logoutOf(sp, s, root, now)
	}
	if f != nil {
		return nil, nil, refusal(f)
	}
	if request != nil {
		request.RelayState = relayState
		return request, nil, nil
	}
	code, said := statusOf(root)
	issuer, _ := root.child(nsSAML, "Issuer").content()
	return nil, &LogoutAnswer{ID: root.attr("ID"), Issuer: issuer, InResponseTo: root.attr("InResponseTo"),
		Success: code == statusSuccess, Status: said, RelayState: relayState}, nil
}

func refusal(f *fault) *account.Refusal {
	name := findings[f.code]
	if name == "" {
		name = "response"
	}
	return account.Refuse(account.Check{Step: looks[name].step, Code: f.code, Expected: f.expected, Received: f.received, Fix: remedy(name, f.code)})
}

// receive gives the root of the message as the signature covers it.
func receive(s account.SAMLSettings, in Incoming) (root *node, relayState string, f *fault) {
	t := trustOf(&s)
	if len(t.keys) == 0 {
		return nil, "", &fault{"no_certificate", "a signing certificate of the provider in this connection", "none that can be read"}
	}
	var raw []byte
	redirect := in.RawQuery != ""
	if redirect {
		if raw, relayState, f = t.query(in.RawQuery); f != nil {
			return nil, "", f
		}
	} else if raw, relayState, f = posted(in.Form); f != nil {
		return nil, "", f
	}
	d, f := parse(raw, responseLimits, nil, nil)
	if f != nil {
		return nil, "", f
	}
	signature := d.root.child(nsDS, "Signature")
	if len(d.assertions) > 0 || len(d.signatures) > 1 || len(d.signatures) == 1 && signature == nil {
		return nil, "", &fault{"signature_malformed", "at most one signature, directly in the message", "another one, or an assertion"}
	}
	if f := message(d.root, "LogoutRequest", "LogoutResponse"); f != nil {
		return nil, "", f
	}
	if signature == nil {
		if !redirect {
			return nil, "", &fault{"unsigned", "a signature on the message", "none"}
		}
		return d.root, relayState, nil
	}
	seal, f := t.verify(d.root, signature)
	if f != nil {
		return nil, "", f
	}
	root, f = again(seal)
	return root, relayState, f
}

func posted(form url.Values) (raw []byte, relayState string, f *fault) {
	var all []string
	all = append(append(all, form["SAMLRequest"]...), form["SAMLResponse"]...)
	if len(all) != 1 || len(form["RelayState"]) > 1 {
		return nil, "", &fault{"response_missing", "one SAMLRequest or SAMLResponse field", fmt.Sprintf("%d", len(all))}
	}
	if len(all[0]) > MaxResponse {
		return nil, "", &fault{"response_too_large", "at most 1 MiB", "more"}
	}
	raw, err := base64.StdEncoding.DecodeString(squeeze(all[0]))
	if err != nil {
		return nil, "", &fault{"response_not_base64", "base64, as the POST binding has it", "something else"}
	}
	return raw, form.Get("RelayState"), nil
}

// query verifies the signature of the Redirect binding: over the parameters as they were encoded, in
// the order of SB §3.4.4.1, whatever order they came in.
func (t trust) query(raw string) (message []byte, relayState string, f *fault) {
	if len(raw) > 2*maxInflated {
		return nil, "", &fault{"response_too_large", "a query of at most 128 kB", "more"}
	}
	got := map[string]string{} // still encoded
	for pair := range strings.SplitSeq(raw, "&") {
		name, value, _ := strings.Cut(pair, "=")
		switch name {
		case "SAMLRequest", "SAMLResponse", "RelayState", "SigAlg", "Signature", "SAMLEncoding":
			if _, twice := got[name]; twice {
				return nil, "", malformed("each parameter once", "%s twice", name)
			}
			got[name] = value
		}
	}
	field := "SAMLRequest"
	_, isRequest := got[field]
	if _, isResponse := got["SAMLResponse"]; isResponse == isRequest {
		return nil, "", &fault{"response_missing", "one SAMLRequest or SAMLResponse parameter", "none, or both"}
	} else if isResponse {
		field = "SAMLResponse"
	}
	clear := map[string]string{}
	for name, value := range got {
		text, err := url.QueryUnescape(value)
		if err != nil {
			return nil, "", malformed("percent encoding", "something else in %s", name)
		}
		clear[name] = text
	}
	if e, given := clear["SAMLEncoding"]; given && e != "urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE" {
		return nil, "", malformed("DEFLATE encoding", "another one")
	}
	signed := field + "=" + got[field]
	if encoded, given := got["RelayState"]; given {
		signed += "&RelayState=" + encoded
	}
	signed += "&SigAlg=" + got["SigAlg"]
	if clear["Signature"] == "" || clear["SigAlg"] == "" {
		return nil, "", &fault{"unsigned", "a signature on the query", "none"}
	}
	alg, f := t.algorithm(clear["SigAlg"])
	if f != nil {
		return nil, "", f
	}
	value, err := base64.StdEncoding.DecodeString(squeeze(clear["Signature"]))
	if err != nil {
		return nil, "", badSignature("base64 in Signature", "something else")
	}
	if _, f := t.check(alg, []byte(signed), value); f != nil {
		return nil, "", f
	}
	message, f = inflate(clear[field])
	return message, clear["RelayState"], f
}

// checkLogout judges what both messages have in common.
func checkLogout(sp SP, s account.SAMLSettings, root *node, now time.Time) *fault {
	slots := []slot{{nsSAML, "Issuer", 1, 1}, {nsDS, "Signature", 0, 1}, {nsSAMLP, "Extensions", 0, 1}}
	if root.local == "LogoutRequest" {
		slots = append(slots, slot{nsSAML, "BaseID NameID EncryptedID", 1, 1}, slot{nsSAMLP, "SessionIndex", 0, many})
	} else {
		slots = append(slots, slot{nsSAMLP, "Status", 1, 1})
	}
	if f := root.follow(slots...); f != nil {
		return f
	}
	if issuer, _ := root.child(nsSAML, "Issuer").content(); issuer != s.EntityID {
		return &fault{"issuer_mismatch", s.EntityID, orNone(issuer)}
	}
	if d := root.attr("Destination"); d != sp.SLO { // SB §3.4.5.2, SB §3.5.5.2
		return &fault{"destination_mismatch", sp.SLO, orNone(d)}
	}
	issued, ok := instant(root.attr("IssueInstant"))
	skew := s.ClockSkew()
	switch {
	case !ok:
		return &fault{"time_unreadable", "IssueInstant as a UTC time", fmt.Sprintf("%q", clip(root.attr("IssueInstant"), 40))}
	case issued.After(now.Add(skew)):
		return &fault{"issued_in_future", "issued by " + stamp(now), stamp(issued)}
	case root.attr("NotOnOrAfter") == "" && now.Add(-skew).After(issued.Add(logoutLife)):
		return &fault{"expired", "a message of the last five minutes", "one issued " + stamp(issued)}
	}
	return nil
}

func logoutOf(sp SP, s account.SAMLSettings, root *node, now time.Time) (*Logout, *fault) {
	issuer, _ := root.child(nsSAML, "Issuer").content()
	issued, _ := instant(root.attr("IssueInstant"))
	l := &Logout{ID: root.attr("ID"), Issuer: issuer, IssueInstant: issued, NotOnOrAfter: issued.Add(logoutLife)}
	if v, present := root.attribute("NotOnOrAfter"); present {
		t, ok := instant(v)
		if !ok {
			return nil, &fault{"time_unreadable", "NotOnOrAfter as a UTC time", fmt.Sprintf("%q", clip(v, 40))}
		}
		if !now.Add(-s.ClockSkew()).Before(t) {
			return nil, &fault{"expired", "valid at " + stamp(now), "valid until " + stamp(t)}
		}
		l.NotOnOrAfter = t
	}
	n := root.child(nsSAML, "NameID")
	if e := root.child(nsSAML, "EncryptedID"); e != nil {
		var f *fault
		if n, f = openID(e, sp, s.AllowCBC); f != nil {
			return nil, f
		}
	}
	if n == nil {
		return nil, &fault{"subject_invalid", "a NameID", "a BaseID"}
	}
	id, f := nameIDOf(n)
	if f != nil {
		return nil, f
	}
	l.NameID = *id
	for _, e := range root.children(nsSAMLP, "SessionIndex") {
		if text, ok := e.content(); ok && text != "" {
			l.SessionIndexes = append(l.SessionIndexes, text)
		}
	}
	return l, nil
}
