// Package saml is the SAML 2.0 service provider of one connection. Requests, logout messages and our
// metadata go out; a response comes in and becomes an account.Judgement: a Login, or a Refusal with
// every check that was made on the way.
//
// The package keeps nothing and reads no clock: time and randomness are arguments. What a stranger sends
// is read by one parser (walk.go) and believed only where a signature covers it: the bytes under the
// digest are parsed again and every value is taken from that copy (docs/decisions/saml-verifier.md).
//
// Clauses are cited, and kept in docs/protocols/saml.md, as SC (saml-core-2.0-os), SB (saml-bindings), SP (saml-profiles), SM (saml-metadata),
// DS (xmldsig-core1), XE (xmlenc-core1), C14N (xml-c14n, xml-exc-c14n).
package saml

// Namespaces, by their usual prefix.
const (
	nsSAML  = "urn:oasis:names:tc:SAML:2.0:assertion"
	nsSAMLP = "urn:oasis:names:tc:SAML:2.0:protocol"
	nsMD    = "urn:oasis:names:tc:SAML:2.0:metadata"
	nsDS    = "http://www.w3.org/2000/09/xmldsig#"
	nsXENC  = "http://www.w3.org/2001/04/xmlenc#"
	nsXENC1 = "http://www.w3.org/2009/xmlenc11#"
	nsXML   = "http://www.w3.org/XML/1998/namespace"
	nsXMLNS = "http://www.w3.org/2000/xmlns/"
	nsXSI   = "http://www.w3.org/2001/XMLSchema-instance"
	nsExcC  = "http://www.w3.org/2001/10/xml-exc-c14n#"
)

const (
	bindingRedirect = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
	bindingPOST     = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
	statusSuccess   = "urn:oasis:names:tc:SAML:2.0:status:Success"
	methodBearer    = "urn:oasis:names:tc:SAML:2.0:cm:bearer"

	formatEmail      = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"
	formatPersistent = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
	formatTransient  = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"
)
