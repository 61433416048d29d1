package sim

import (
	"bytes"
	"encoding/base64"
	"time"

	"github.com/beevik/etree"
)

const (
	bindingRedirect = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
	bindingPOST     = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
)

// SSOURL is where authentication requests go, MetadataURL where the metadata is, SLOURL where logout
// messages go, StartURL where an IdP-initiated sign-in to an application begins.
func (t *Tenant) SSOURL() string      { return t.URL() + "/saml/sso" }
func (t *Tenant) SLOURL() string      { return t.URL() + "/saml/slo" }
func (t *Tenant) MetadataURL() string { return t.URL() + "/saml/metadata" }

// StartURL is where an IdP-initiated sign-in to the application with this entity id begins.
func (t *Tenant) StartURL(entityID string) string {
	return t.URL() + "/saml/start?app=" + queryEscape(entityID)
}

// DiscoveryURL is where the OpenID Connect discovery document is.
func (t *Tenant) DiscoveryURL() string { return trimSlash(t.Issuer()) + discoveryPath }

// Metadata is the tenant's SAML metadata (SAML metadata §2): every published key, in the dialect's
// company of other roles. AD FS and Entra sign it.
func (t *Tenant) Metadata(faults ...Fault) ([]byte, error) {
	f, err := t.faultSet(faults...)
	if err != nil {
		return nil, err
	}
	m := t.newMaker(User{}, SAMLApp{}, SAMLRequest{}, f)
	if m.key, err = t.samlKey(); err != nil {
		return nil, err
	}
	root := etree.NewElement("EntityDescriptor")
	root.CreateAttr("xmlns", nsMetadata)
	root.CreateAttr("ID", m.responseID)
	root.CreateAttr("entityID", m.issuer)
	if m.d.metadataYears > 0 {
		root.CreateAttr("validUntil", m.now.AddDate(m.d.metadataYears, 0, 0).Format(time.RFC3339))
	}
	certs := t.Certificates()
	if f.has(MetadataOtherKey) {
		stray, err := t.strayKey("RS256")
		if err != nil {
			return nil, err
		}
		certs = certs[:0]
		certs = append(certs, stray.Cert)
	}
	if m.d.wsFed {
		wsFederation(root, m.issuer, certs[0].Raw)
	}
	role := root.CreateElement("IDPSSODescriptor")
	role.CreateAttr("protocolSupportEnumeration", nsProtocol)
	if m.d.wantSigned {
		role.CreateAttr("WantAuthnRequestsSigned", "true")
	}
	for _, c := range certs {
		keyDescriptor(role, c.Raw)
	}
	endpoint := func(tag, binding, location string) {
		el := role.CreateElement(tag)
		el.CreateAttr("Binding", binding)
		el.CreateAttr("Location", location)
	}
	endpoint("SingleLogoutService", bindingRedirect, t.SLOURL())
	endpoint("SingleLogoutService", bindingPOST, t.SLOURL())
	for _, format := range m.d.metadataFormats {
		role.CreateElement("NameIDFormat").SetText(format)
	}
	if !m.d.postOnly {
		endpoint("SingleSignOnService", bindingRedirect, t.SSOURL())
	}
	endpoint("SingleSignOnService", bindingPOST, t.SSOURL())
	if m.d.wsFed && !f.has(Unsigned) {
		if err := m.sign(root); err != nil {
			return nil, err
		}
	}
	body, err := writeXML(root)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>`)
	b.Write(body)
	return b.Bytes(), nil
}

func keyDescriptor(role *etree.Element, der []byte) {
	kd := role.CreateElement("KeyDescriptor")
	kd.CreateAttr("use", "signing")
	info := kd.CreateElement("ds:KeyInfo")
	info.CreateAttr("xmlns:ds", nsDS)
	info.CreateElement("ds:X509Data").CreateElement("ds:X509Certificate").SetText(wrap76(base64.StdEncoding.EncodeToString(der), "\n"))
}

// wsFederation adds the role of another protocol that Microsoft's metadata carries, with a key of its own.
func wsFederation(root *etree.Element, issuer string, der []byte) {
	role := root.CreateElement("RoleDescriptor")
	role.CreateAttr("xmlns:xsi", nsXSI)
	role.CreateAttr("xmlns:fed", "http://docs.oasis-open.org/wsfed/federation/200706")
	role.CreateAttr("xsi:type", "fed:SecurityTokenServiceType")
	role.CreateAttr("protocolSupportEnumeration", "http://docs.oasis-open.org/wsfed/federation/200706")
	keyDescriptor(role, der)
	types := role.CreateElement("fed:TokenTypesOffered")
	types.CreateElement("fed:TokenType").CreateAttr("Uri", nsAssertion)
	role.CreateElement("fed:PassiveRequestorEndpoint").CreateElement("EndpointReference").CreateElement("Address").SetText(issuer)
}
