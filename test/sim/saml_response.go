package sim

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/beevik/etree"
)

// A SAMLRequest is what a response answers. Empty fields come from the application registered first.
type SAMLRequest struct {
	RequestID    string // ID of the AuthnRequest; empty: IdP-initiated
	App          string // entity id of the registered application; empty: Audience, or the first
	ACS          string // Destination and Recipient; empty: the application's default
	Audience     string // empty: the application's entity id
	NameIDFormat string // format the request asked for; only AD FS refuses one it has no rule for
	RelayState   string
	SessionIndex string // empty: made up as the dialect does
	Victim       string // whom forged assertions name; empty: victim@{domain}
	// Encryption overrides the application's.
	Encryption *Encryption
}

// A SAMLMessage is a response ready to be posted.
type SAMLMessage struct {
	XML          []byte
	Base64       string // of XML, wrapped at 76 columns by the dialects that do so
	ACS          string // where it is to be posted
	RelayState   string
	ResponseID   string
	AssertionID  string // empty when the status is not Success
	SessionIndex string
	NameID       string
	NameIDFormat string
}

// SAMLResponse makes the response a user (e-mail, UPN or id) would bring from this provider: signed,
// encrypted and shaped as the dialect and the application want it, with the tenant's faults and the
// given ones. An unknown user or fault, or an application that was never registered when neither ACS
// nor Audience says where to go, is an error.
func (t *Tenant) SAMLResponse(who string, in SAMLRequest, faults ...Fault) (SAMLMessage, error) {
	u, ok := t.User(who)
	if !ok {
		return SAMLMessage{}, fmt.Errorf("sim: tenant %q has no user %q", t.name, who)
	}
	f, err := t.faultSet(faults...)
	if err != nil {
		return SAMLMessage{}, err
	}
	app, err := t.appFor(&in)
	if err != nil {
		return SAMLMessage{}, err
	}
	t.mu.RLock()
	last, again := t.last[app.EntityID]
	t.mu.RUnlock()
	if again && f.has(Replay) {
		return last, nil
	}
	m := t.newMaker(u, app, in, f)
	out, err := m.response()
	if err != nil {
		return SAMLMessage{}, err
	}
	t.mu.Lock()
	t.last[app.EntityID] = out
	t.mu.Unlock()
	t.record(Event{What: "saml.response", Who: u.Email, App: app.EntityID, Note: f.String()})
	return out, nil
}

func (t *Tenant) appFor(in *SAMLRequest) (SAMLApp, error) {
	app, ok := t.SAMLApp(or(in.App, in.Audience))
	if !ok {
		if in.Audience == "" || in.ACS == "" {
			return SAMLApp{}, fmt.Errorf("sim: tenant %q has no SAML application %q", t.name, or(in.App, in.Audience))
		}
		app = SAMLApp{EntityID: in.Audience, ACS: []string{in.ACS}}
	}
	in.ACS, in.Audience = or(in.ACS, app.ACS[0]), or(in.Audience, app.EntityID)
	return app, nil
}

// A samlMaker makes one response.
type samlMaker struct {
	t    *Tenant
	d    samlDialect
	u    User
	app  SAMLApp
	in   SAMLRequest
	f    faultSet
	now  time.Time // what the provider's clock says
	base time.Time // what validity windows are counted from

	responseID, assertionID, issuer string
	nid                             nameID
	key                             Key
}

func (t *Tenant) newMaker(u User, app SAMLApp, in SAMLRequest, f faultSet) *samlMaker {
	m := &samlMaker{t: t, d: samlDialects[t.cfg.Dialect], u: u, app: app, in: in, f: f, issuer: t.EntityID()}
	m.now = t.sim.now().UTC().Add(f.duration(ClockSkew))
	m.base = m.now
	switch {
	case f.has(Expired):
		m.base = m.now.Add(-m.d.after - time.Hour)
	case f.has(NotYetValid):
		m.base = m.now.Add(m.d.before + time.Hour)
	}
	m.responseID, m.assertionID = m.d.id(t.sim), m.d.id(t.sim)
	if f.has(DuplicateID) {
		m.assertionID = m.responseID
	}
	if f.has(WrongIssuer) {
		m.issuer = "https://evil.example/idp"
	}
	if f.has(NoEmail) {
		m.u.NoEmail = true
	}
	if f.has(OtherDomain) {
		local, _, _ := strings.Cut(u.Email, "@")
		m.u.Email, m.u.UPN = local+"@elsewhere.example", local+"@elsewhere.example"
	}
	m.in.Victim = or(in.Victim, "victim@"+t.cfg.Domain)
	if m.in.SessionIndex == "" {
		switch m.d.sessionIndex {
		case "assertion":
			m.in.SessionIndex = m.assertionID
		case "request":
			m.in.SessionIndex = or(in.RequestID, m.d.id(t.sim)) + "." + t.sim.token(4)
		default:
			m.in.SessionIndex = t.sim.guid() + "::" + t.sim.guid()
		}
	}
	m.nid = m.chooseNameID()
	return m
}

func (m *samlMaker) chooseNameID() nameID {
	n := m.d.nameID(m.t, m.u)
	switch m.app.NameID {
	case "email":
		n = nameID{format: nameIDEmail, value: m.u.Email}
	case "upn":
		n = nameID{format: nameIDUnspecified, value: m.u.UPN}
	case "login":
		n = nameID{format: nameIDUnspecified, value: m.u.Login}
	case "persistent":
		n = nameID{format: nameIDPersistent, value: stableHex(32, "persistent", m.t.name, m.app.EntityID, m.u.ID), qualified: true}
	case "transient":
		n = nameID{format: nameIDTransient, value: "_" + m.t.sim.token(16)}
	}
	switch {
	case m.f.has(TransientNameID):
		n = nameID{format: nameIDTransient, value: "_" + m.t.sim.token(16)}
	case m.f.has(EmptyNameID):
		n.value = ""
	}
	return n
}

func (m *samlMaker) response() (SAMLMessage, error) {
	var err error
	if m.key, err = m.t.samlKey(); err != nil {
		return SAMLMessage{}, err
	}
	resp := m.envelope("Response")
	if m.in.RequestID == "" && m.f.has(FixedInResponseTo) {
		resp.CreateAttr("InResponseTo", "_fixed-by-the-provider")
	}
	out := SAMLMessage{ACS: m.in.ACS, RelayState: m.in.RelayState, ResponseID: m.responseID}
	switch {
	case m.f.has(StatusDenied):
		m.status(resp, "urn:oasis:names:tc:SAML:2.0:status:Responder", "urn:oasis:names:tc:SAML:2.0:status:AuthnFailed", "The user is not assigned to this application.")
	case m.d.strictNameIDPolicy && m.refusesFormat():
		m.status(resp, "urn:oasis:names:tc:SAML:2.0:status:Requester", "urn:oasis:names:tc:SAML:2.0:status:InvalidNameIDPolicy", "")
	default:
		m.status(resp, "urn:oasis:names:tc:SAML:2.0:status:Success", "", "")
		if err := m.addAssertion(resp); err != nil {
			return SAMLMessage{}, err
		}
		out.AssertionID, out.SessionIndex, out.NameID, out.NameIDFormat = m.assertionID, m.in.SessionIndex, m.nid.value, m.nid.format
	}
	if signs(m.signed(), "response") {
		if err := m.sign(resp); err != nil {
			return SAMLMessage{}, err
		}
	}
	if resp, err = m.forge(resp); err != nil {
		return SAMLMessage{}, err
	}
	if out.XML, err = m.serialise(resp); err != nil {
		return SAMLMessage{}, err
	}
	out.Base64 = base64.StdEncoding.EncodeToString(out.XML)
	if m.d.wrap {
		out.Base64 = wrap76(out.Base64, "\r\n")
	}
	if m.f.has(WrongState) {
		out.RelayState += "x"
	}
	if m.f.has(DropRelayState) {
		out.RelayState = ""
	}
	return out, nil
}

func (m *samlMaker) refusesFormat() bool {
	return m.in.NameIDFormat != "" && m.in.NameIDFormat != nameIDUnspecified && m.in.NameIDFormat != m.nid.format
}

// signed is what gets a signature, after the application's wish and the faults.
func (m *samlMaker) signed() string {
	switch {
	case m.f.has(Unsigned):
		return "none"
	case m.f.has(XSW1), m.f.has(XSW2):
		return "response"
	case m.f.wraps():
		return "assertion"
	}
	return or(m.app.Sign, m.d.sign)
}

func signs(what, element string) bool { return what == element || what == "both" }

// envelope is a protocol message with the attributes all of them have and its Issuer.
func (m *samlMaker) envelope(tag string) *etree.Element {
	resp := etree.NewElement(qname(m.d.protocol, tag))
	resp.CreateAttr(xmlns(m.d.protocol), nsProtocol)
	if m.d.declareOnRoot {
		resp.CreateAttr(xmlns(m.d.assertion), nsAssertion)
	}
	destination := m.in.ACS
	if m.f.has(WrongDestination) {
		destination = "https://other.example/acs"
	}
	if !m.f.has(NoDestination) {
		resp.CreateAttr("Destination", destination)
	}
	resp.CreateAttr("ID", m.responseID)
	m.inResponseTo(resp)
	resp.CreateAttr("IssueInstant", m.now.Format(m.d.layout))
	resp.CreateAttr("Version", "2.0")
	if m.d.consent {
		resp.CreateAttr("Consent", "urn:oasis:names:tc:SAML:2.0:consent:unspecified")
	}
	if m.d.inclusive == "xs" {
		resp.CreateAttr("xmlns:xs", nsXS)
	}
	m.addIssuer(resp, !m.d.declareOnRoot)
	return resp
}

func (m *samlMaker) inResponseTo(el *etree.Element) {
	if m.in.RequestID == "" || m.f.has(NoInResponseTo) {
		return
	}
	id := m.in.RequestID
	if m.f.has(WrongInResponseTo) {
		id = "_nobody-asked"
	}
	el.CreateAttr("InResponseTo", id)
}

func (m *samlMaker) addIssuer(parent *etree.Element, declare bool) {
	issuer := parent.CreateElement(qname(m.d.assertion, "Issuer"))
	if declare {
		issuer.CreateAttr(xmlns(m.d.assertion), nsAssertion)
	}
	if m.d.issuerFormat != "" {
		issuer.CreateAttr("Format", m.d.issuerFormat)
	}
	issuer.SetText(m.issuer)
}

func (m *samlMaker) status(resp *etree.Element, code, second, message string) {
	status := resp.CreateElement(qname(m.d.protocol, "Status"))
	outer := status.CreateElement(qname(m.d.protocol, "StatusCode"))
	outer.CreateAttr("Value", code)
	if second != "" {
		outer.CreateElement(qname(m.d.protocol, "StatusCode")).CreateAttr("Value", second)
	}
	if message != "" {
		status.CreateElement(qname(m.d.protocol, "StatusMessage")).SetText(message)
	}
}

func (m *samlMaker) addAssertion(resp *etree.Element) error {
	a := m.assertion()
	resp.AddChild(a)
	if signs(m.signed(), "assertion") {
		if err := m.sign(a); err != nil {
			return err
		}
	}
	enc := m.in.Encryption
	if enc == nil {
		enc = m.app.Encryption
	}
	if enc == nil {
		return nil
	}
	if m.f.has(Tampered) && signs(m.signed(), "assertion") {
		tamper(a)
	}
	resp.RemoveChild(a)
	sealed, err := m.encrypt(a, *enc)
	if err != nil {
		return err
	}
	resp.AddChild(sealed)
	return nil
}

// assertion builds the assertion without a signature. It declares every namespace it uses, so that it
// can be signed, encrypted and moved as it is.
func (m *samlMaker) assertion() *etree.Element {
	a := etree.NewElement(qname(m.d.assertion, "Assertion"))
	a.CreateAttr(xmlns(m.d.assertion), nsAssertion)
	if m.d.inclusive == "xs" {
		a.CreateAttr("xmlns:xs", nsXS)
	}
	a.CreateAttr("ID", m.assertionID)
	a.CreateAttr("IssueInstant", m.now.Format(m.d.layout))
	a.CreateAttr("Version", "2.0")
	m.addIssuer(a, false)
	if !m.f.has(NoSubject) {
		m.addSubject(a)
	}
	if !m.f.has(NoConditions) {
		m.addConditions(a)
	}
	steps := []func(*etree.Element){m.addAuthnStatement, m.addAttributes}
	if m.d.attributesFirst {
		slices.Reverse(steps)
	}
	for _, step := range steps {
		step(a)
	}
	return a
}

func (m *samlMaker) addSubject(a *etree.Element) {
	subject := a.CreateElement(m.tag("Subject"))
	if m.app.NameID != "none" && !m.f.has(NoNameID) {
		m.addNameID(subject)
	}
	if m.f.has(NoSubjectConfirmation) {
		return
	}
	confirmation := subject.CreateElement(m.tag("SubjectConfirmation"))
	method := "urn:oasis:names:tc:SAML:2.0:cm:bearer"
	if m.f.has(HolderOfKey) {
		method = "urn:oasis:names:tc:SAML:2.0:cm:holder-of-key"
	}
	confirmation.CreateAttr("Method", method)
	if m.f.has(NoConfirmationData) {
		return
	}
	data := confirmation.CreateElement(m.tag("SubjectConfirmationData"))
	m.inResponseTo(data)
	if !m.f.has(NoConfirmationExpiry) {
		data.CreateAttr("NotOnOrAfter", m.base.Add(m.d.confirm).Format(m.d.layout))
	}
	recipient := m.in.ACS
	if m.f.has(WrongRecipient) {
		recipient = "https://other.example/acs"
	}
	if !m.f.has(NoRecipient) {
		data.CreateAttr("Recipient", recipient)
	}
}

func (m *samlMaker) addNameID(subject *etree.Element) {
	n := subject.CreateElement(m.tag("NameID"))
	if m.nid.format != "" {
		n.CreateAttr("Format", m.nid.format)
	}
	if m.nid.qualified {
		n.CreateAttr("NameQualifier", m.issuer)
		n.CreateAttr("SPNameQualifier", m.in.Audience)
	}
	if m.f.has(CommentInNameID) {
		n.CreateText(m.in.Victim)
		n.CreateComment("")
		n.CreateText(".evil.example")
		return
	}
	n.SetText(m.nid.value)
}

func (m *samlMaker) addConditions(a *etree.Element) {
	c := a.CreateElement(m.tag("Conditions"))
	c.CreateAttr("NotBefore", m.base.Add(-m.d.before).Format(m.d.layout))
	c.CreateAttr("NotOnOrAfter", m.base.Add(m.d.after).Format(m.d.layout))
	restrict := func(audiences ...string) {
		r := c.CreateElement(m.tag("AudienceRestriction"))
		for _, audience := range audiences {
			r.CreateElement(m.tag("Audience")).SetText(audience)
		}
	}
	other := "https://other.example/saml"
	switch {
	case m.f.has(NoAudience):
	case m.f.has(WrongAudience):
		restrict(other)
	case m.f.has(TwoAudiences):
		restrict(m.in.Audience, other)
	case m.f.has(TwoRestrictions):
		restrict(m.in.Audience)
		restrict(other)
	default:
		restrict(m.in.Audience)
	}
}

func (m *samlMaker) addAuthnStatement(a *etree.Element) {
	if m.f.has(NoAuthnStatement) {
		return
	}
	s := a.CreateElement(m.tag("AuthnStatement"))
	s.CreateAttr("AuthnInstant", m.now.Add(-time.Second).Format(m.d.layout))
	s.CreateAttr("SessionIndex", m.in.SessionIndex)
	switch {
	case m.f.has(SessionOver):
		s.CreateAttr("SessionNotOnOrAfter", m.now.Add(-time.Hour).Format(m.d.layout))
	case m.d.sessionLife > 0:
		s.CreateAttr("SessionNotOnOrAfter", m.now.Add(m.d.sessionLife).Format(m.d.layout))
	}
	ctx := s.CreateElement(m.tag("AuthnContext"))
	ctx.CreateElement(m.tag("AuthnContextClassRef")).SetText(m.d.authnContext)
	if m.d.authority {
		ctx.CreateElement(m.tag("AuthenticatingAuthority")).SetText(m.issuer)
	}
}

// attributes lists what is said about the user, groups last.
func (m *samlMaker) attributes() []attribute {
	out := m.d.attributes(m.t, m.u)
	for _, name := range sortedKeys(m.u.Attributes) {
		out = append(out, attribute{name: name, values: m.u.Attributes[name]})
	}
	// A directory that has no value sends no attribute.
	out = slices.DeleteFunc(out, func(a attribute) bool { return len(a.values) == 0 })
	name := or(m.app.GroupsAttribute, m.d.groups)
	groups := m.t.memberships(m.u, m.f)
	switch {
	case name == "-" || m.f.has(NoGroups):
	case m.f.has(EmptyGroups):
		out = append(out, attribute{name: name})
	case len(groups) == 0: // providers leave the attribute out for a user without groups
	case m.t.cfg.Dialect == Entra && len(groups) > EntraSAMLGroupLimit:
		out = append(out, attribute{name: claimLink, values: []string{
			"https://graph.windows.net/" + m.t.cfg.TenantID + "/users/" + m.u.ID + "/getMemberObjects"}})
	default:
		values := groupValues(groups, m.d.groupValue)
		if join := or(m.app.Join, m.d.join); join != "" && join != "-" {
			values = []string{strings.Join(values, join)}
		}
		out = append(out, attribute{name: name, values: values, repeat: m.d.groupsRepeat})
	}
	return out
}

func (m *samlMaker) addAttributes(a *etree.Element) {
	all := m.attributes()
	if len(all) == 0 {
		return
	}
	statement := a.CreateElement(m.tag("AttributeStatement"))
	for _, attr := range all {
		if !attr.repeat {
			m.addAttribute(statement, attr, attr.values...)
			continue
		}
		for _, v := range attr.values {
			m.addAttribute(statement, attr, v)
		}
	}
}

func (m *samlMaker) addAttribute(statement *etree.Element, attr attribute, values ...string) {
	el := statement.CreateElement(m.tag("Attribute"))
	if attr.friendly != "" {
		el.CreateAttr("FriendlyName", attr.friendly)
	}
	el.CreateAttr("Name", attr.name)
	if m.d.nameFormat != "" {
		el.CreateAttr("NameFormat", m.d.nameFormat)
	}
	for _, value := range values {
		v := el.CreateElement(m.tag("AttributeValue"))
		if m.d.xsiType != "" {
			v.CreateAttr("xmlns:xs", nsXS)
			v.CreateAttr("xmlns:xsi", nsXSI)
			v.CreateAttr("xsi:type", m.d.xsiType)
		}
		v.SetText(value)
	}
}

func (m *samlMaker) tag(local string) string { return qname(m.d.assertion, local) }

func qname(prefix, local string) string {
	if prefix == "" {
		return local
	}
	return prefix + ":" + local
}

func xmlns(prefix string) string {
	if prefix == "" {
		return "xmlns"
	}
	return "xmlns:" + prefix
}

// serialise writes the tree without touching white space, which signatures cover.
func (m *samlMaker) serialise(root *etree.Element) ([]byte, error) {
	var b bytes.Buffer
	if m.d.xmlHeader != "" {
		b.WriteString("<?xml " + m.d.xmlHeader + "?>")
	}
	if m.f.has(Doctype) {
		b.WriteString(`<!DOCTYPE Response [<!ENTITY who "` + m.in.Victim + `">]>`)
	}
	body, err := writeXML(root)
	if err != nil {
		return nil, err
	}
	b.Write(body)
	return b.Bytes(), nil
}

func writeXML(root *etree.Element) ([]byte, error) {
	doc := etree.NewDocument()
	doc.SetRoot(root)
	// A carriage return must leave as &#xD;, or the reader's parser turns it into a line feed and the digest breaks.
	doc.WriteSettings = etree.WriteSettings{CanonicalText: true, CanonicalAttrVal: true}
	out, err := doc.WriteToBytes()
	if err != nil {
		return nil, fmt.Errorf("sim: writing XML: %w", err)
	}
	return out, nil
}

// find is the first element with that local name, in document order.
func find(root *etree.Element, local string) *etree.Element {
	if root.Tag == local {
		return root
	}
	for _, c := range root.ChildElements() {
		if el := find(c, local); el != nil {
			return el
		}
	}
	return nil
}

func wrap76(s, newline string) string {
	var b strings.Builder
	for len(s) > 76 {
		b.WriteString(s[:76] + newline)
		s = s[76:]
	}
	b.WriteString(s)
	return b.String()
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
