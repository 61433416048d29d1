package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// XML namespaces and the names this package writes most (SAML core, bindings, metadata; XML signature).
const (
	nsProtocol  = "urn:oasis:names:tc:SAML:2.0:protocol"
	nsAssertion = "urn:oasis:names:tc:SAML:2.0:assertion"
	nsMetadata  = "urn:oasis:names:tc:SAML:2.0:metadata"
	nsDS        = "http://www.w3.org/2000/09/xmldsig#"
	nsXS        = "http://www.w3.org/2001/XMLSchema"
	nsXSI       = "http://www.w3.org/2001/XMLSchema-instance"

	nameIDEmail       = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"
	nameIDUnspecified = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"
	nameIDUnspec10    = "urn:oasis:names:tc:SAML:1.0:nameid-format:unspecified" // JumpCloud's spelling, which no standard has
	nameIDPersistent  = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
	nameIDTransient   = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"
	nameIDEntity      = "urn:oasis:names:tc:SAML:2.0:nameid-format:entity"

	formatUnspecified = "urn:oasis:names:tc:SAML:2.0:attrname-format:unspecified"
	formatBasic       = "urn:oasis:names:tc:SAML:2.0:attrname-format:basic"
	formatURI         = "urn:oasis:names:tc:SAML:2.0:attrname-format:uri"

	acPassword    = "urn:oasis:names:tc:SAML:2.0:ac:classes:Password"
	acProtected   = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
	acUnspecified = "urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified"

	claims05   = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/"
	claimsMS   = "http://schemas.microsoft.com/identity/claims/"
	claimAMR   = "http://schemas.microsoft.com/claims/authnmethodsreferences"
	claimLink  = "http://schemas.microsoft.com/claims/groups.link"
	claimGroup = "http://schemas.microsoft.com/ws/2008/06/identity/claims/groups"
	claimRole  = "http://schemas.microsoft.com/ws/2008/06/identity/claims/role"
)

// EntraSAMLGroupLimit is the number of groups above which Entra ID leaves them out of an assertion and
// sends a link instead.
const EntraSAMLGroupLimit = 150

type nameID struct {
	format    string // "": no Format attribute
	value     string
	qualified bool // NameQualifier and SPNameQualifier (persistent ids)
}

type attribute struct {
	name, friendly string
	values         []string
	repeat         bool // one Attribute element per value (Keycloak)
}

type groupValue int

const (
	groupName groupValue = iota
	groupID
	groupPath // "/name"
)

// A samlDialect is everything in which one provider's SAML differs from another's.
type samlDialect struct {
	sign                        string // "response", "assertion", "both"
	protocol, assertion, ds     string // prefixes; "" is the default namespace
	declareOnRoot               bool   // both namespaces on Response instead of where they are used
	xmlHeader                   string
	issuer                      func(t *Tenant) string
	issuerFormat                string
	id                          func(s *Sim) string // Entra's "_"+GUID, Okta's "id"+digits
	nameID                      func(t *Tenant, u User) nameID
	attributes                  func(t *Tenant, u User) []attribute
	groups                      string // attribute name of groups
	groupValue                  groupValue
	groupsRepeat                bool
	join                        string
	nameFormat                  string // of every attribute; "": none
	xsiType                     string // "": untyped values
	inclusive                   string // PrefixList of the signature's c14n transform
	keyInfo                     string // "x509", "x509-subject", "keyname", "rsa", "none"
	wrap                        bool   // base64 in lines of 76
	before, after, confirm      time.Duration
	layout                      string // of times
	sessionIndex                string // "assertion": equals its ID; "": random
	sessionLife                 time.Duration
	authnContext                string
	consent, authority          bool
	attributesFirst             bool // AttributeStatement before AuthnStatement
	metadataFormats             []string
	metadataYears               int // validUntil; 0: none
	wantSigned, wsFed, postOnly bool
	strictNameIDPolicy          bool // a format asked for that is not ours is InvalidNameIDPolicy (AD FS)
}

const (
	millis  = "2006-01-02T15:04:05.000Z"
	seconds = "2006-01-02T15:04:05Z"
)

func underscoreGUID(s *Sim) string { return "_" + s.guid() }
func underscoreHex(s *Sim) string  { return "_" + s.token(16) }

func oktaID(s *Sim) string {
	var b strings.Builder
	b.WriteString("id")
	for _, c := range s.bytes(19) {
		fmt.Fprintf(&b, "%d", c%10)
	}
	return b.String()
}

func emailNameID(_ *Tenant, u User) nameID { return nameID{format: nameIDEmail, value: u.Email} }

// mail is the user's address as a list: empty for those the directory has none for.
func mail(u User) []string {
	if u.NoEmail {
		return nil
	}
	return []string{u.Email}
}

func profile(names ...string) func(*Tenant, User) []attribute {
	return func(_ *Tenant, u User) []attribute {
		values := [][]string{mail(u), {u.GivenName}, {u.FamilyName}, {u.DisplayName}}
		var out []attribute
		for i, n := range names {
			if n != "" && i < len(values) {
				out = append(out, attribute{name: n, values: values[i]})
			}
		}
		return out
	}
}

var samlDialects = map[Dialect]samlDialect{
	Okta: {
		sign: "both", protocol: "saml2p", assertion: "saml2", ds: "ds", xmlHeader: `version="1.0" encoding="UTF-8"`,
		issuer:       func(t *Tenant) string { return "http://www.okta.com/exk" + stableHex(17, "okta", t.name) },
		issuerFormat: nameIDEntity, id: oktaID, nameID: emailNameID,
		attributes: profile("email", "firstName", "lastName"), groups: "groups", nameFormat: formatUnspecified, xsiType: "xs:string",
		inclusive: "xs", keyInfo: "x509", before: 5 * time.Minute, after: 5 * time.Minute, confirm: 5 * time.Minute, layout: millis,
		sessionIndex: "request", authnContext: acProtected, metadataFormats: []string{nameIDUnspecified, nameIDEmail},
	},
	Entra: {
		sign: "assertion", protocol: "samlp", id: underscoreGUID,
		issuer:     func(t *Tenant) string { return "https://sts.windows.net/" + t.cfg.TenantID + "/" },
		nameID:     func(_ *Tenant, u User) nameID { return nameID{format: nameIDEmail, value: u.UPN} },
		attributes: entraAttributes, groups: claimGroup, groupValue: groupID,
		keyInfo: "x509", before: 5 * time.Minute, after: time.Hour, confirm: time.Hour, layout: millis, sessionIndex: "assertion",
		authnContext: acPassword, attributesFirst: true, wsFed: true,
	},
	Google: {
		sign: "assertion", protocol: "saml2p", assertion: "saml2", ds: "ds", xmlHeader: `version="1.0" encoding="UTF-8" standalone="no"`,
		issuer: func(t *Tenant) string {
			return "https://accounts.google.com/o/saml2?idpid=C0" + stableHex(7, "google", t.name)
		},
		id: underscoreHex, nameID: func(_ *Tenant, u User) nameID { return nameID{format: nameIDUnspecified, value: u.Email} },
		attributes: profile("email", "firstName", "lastName"), groups: "groups", xsiType: "xs:anyType",
		keyInfo: "x509-subject", wrap: true, before: 5 * time.Minute, after: 5 * time.Minute, confirm: 5 * time.Minute, layout: millis,
		sessionIndex: "assertion", authnContext: acUnspecified, metadataFormats: []string{nameIDEmail}, metadataYears: 5,
	},
	ADFS: {
		sign: "assertion", protocol: "samlp", ds: "ds", id: underscoreGUID,
		issuer:     func(t *Tenant) string { return "http://adfs." + t.cfg.Domain + "/adfs/services/trust" },
		nameID:     func(t *Tenant, u User) nameID { return nameID{value: netbios(t) + `\` + u.Login} },
		attributes: adfsAttributes, groups: "http://schemas.xmlsoap.org/claims/Group",
		keyInfo: "x509", after: time.Hour, confirm: 5 * time.Minute, layout: millis, sessionIndex: "assertion", authnContext: acProtected,
		consent: true, attributesFirst: true, strictNameIDPolicy: true, wsFed: true,
		metadataFormats: []string{nameIDEmail, nameIDPersistent, nameIDTransient},
	},
	Ping: {
		sign: "assertion", protocol: "samlp", assertion: "saml", ds: "ds", id: (*Sim).pingID,
		issuer:     func(t *Tenant) string { return "https://auth.pingone.com/" + t.cfg.TenantID },
		nameID:     func(_ *Tenant, u User) nameID { return nameID{value: u.ID} },
		attributes: pingAttributes, groups: "memberOf", nameFormat: formatBasic, xsiType: "xs:string",
		keyInfo: "rsa", before: time.Minute, after: 5 * time.Minute, confirm: 5 * time.Minute, layout: millis, sessionLife: 5 * time.Minute,
		authnContext: acUnspecified, authority: true, metadataFormats: []string{nameIDUnspecified, nameIDEmail},
	},
	Keycloak: {
		sign: "response", protocol: "samlp", assertion: "saml", ds: "dsig", declareOnRoot: true,
		issuer:     func(t *Tenant) string { return t.URL() + "/realms/" + t.name },
		id:         func(s *Sim) string { return "ID_" + s.guid() },
		nameID:     func(_ *Tenant, u User) nameID { return nameID{format: nameIDUnspecified, value: u.Login} },
		attributes: keycloakAttributes, groups: "member", groupValue: groupPath, groupsRepeat: true, nameFormat: formatBasic, xsiType: "xs:string",
		keyInfo: "keyname", after: 58 * time.Second, confirm: 58 * time.Second, before: 2 * time.Second, layout: millis, sessionLife: 10 * time.Hour,
		authnContext: acUnspecified, wantSigned: true, metadataFormats: []string{nameIDPersistent, nameIDTransient, nameIDUnspecified, nameIDEmail},
	},
	OneLogin: {
		sign: "response", protocol: "samlp", assertion: "saml", ds: "ds", declareOnRoot: true,
		issuer: func(t *Tenant) string {
			return "https://app.onelogin.com/saml/metadata/" + stableGUID("onelogin", t.name)
		},
		id: func(s *Sim) string { return "pfx" + s.guid() }, nameID: emailNameID,
		attributes: profile("User.email", "User.FirstName", "User.LastName"), groups: "memberOf", join: ";", nameFormat: formatBasic, xsiType: "xs:string",
		keyInfo: "x509", before: 3 * time.Minute, after: 3 * time.Minute, confirm: 3 * time.Minute, layout: seconds, sessionLife: 24 * time.Hour,
		authnContext: acProtected, metadataFormats: []string{nameIDEmail},
	},
	JumpCloud: {
		sign: "assertion", protocol: "samlp", assertion: "saml", ds: "ds",
		issuer:     func(*Tenant) string { return "JumpCloud" }, // free text typed by an administrator, often left at its placeholder
		id:         func(s *Sim) string { return strings.ToUpper("_" + s.token(12)) },
		nameID:     func(_ *Tenant, u User) nameID { return nameID{format: nameIDUnspec10, value: u.Email} },
		attributes: profile("email", "firstname", "lastname"), groups: "memberOf", nameFormat: formatUnspecified, xsiType: "xs:string",
		keyInfo: "x509", before: time.Minute, after: 10 * time.Minute, confirm: 10 * time.Minute, layout: millis,
		authnContext: acProtected, consent: true, postOnly: true, metadataFormats: []string{nameIDUnspec10},
	},
	Shibboleth: {
		sign: "response", protocol: "saml2p", assertion: "saml2", ds: "ds", xmlHeader: `version="1.0" encoding="UTF-8"`,
		issuer: func(t *Tenant) string { return "https://idp." + t.cfg.Domain + "/idp/shibboleth" },
		id:     underscoreHex, nameID: func(t *Tenant, u User) nameID {
			return nameID{format: nameIDPersistent, value: stableHex(32, "shibboleth", t.name, u.ID), qualified: true}
		},
		attributes: oidAttributes, groups: "urn:oid:1.3.6.1.4.1.5923.1.5.1.1", nameFormat: formatURI, xsiType: "",
		keyInfo: "x509", wrap: true, after: 5 * time.Minute, confirm: 5 * time.Minute, layout: millis, sessionLife: 8 * time.Hour,
		authnContext: acProtected, metadataFormats: []string{nameIDTransient, nameIDPersistent}, metadataYears: 20,
	},
	Generic: {
		sign: "assertion", protocol: "samlp", assertion: "saml", ds: "ds", id: underscoreHex,
		issuer: func(t *Tenant) string { return t.URL() + "/saml/metadata" }, nameID: emailNameID,
		attributes: profile("email", "given_name", "family_name", "name"), groups: "groups", nameFormat: formatBasic, xsiType: "xs:string",
		inclusive: "xs", keyInfo: "x509", before: time.Minute, after: 5 * time.Minute, confirm: 5 * time.Minute, layout: seconds,
		authnContext: acProtected, metadataFormats: []string{nameIDEmail, nameIDPersistent},
	},
}

// EntityID is the issuer of the tenant's SAML messages, as the dialect spells it unless configured.
func (t *Tenant) EntityID() string {
	t.mu.RLock()
	set, d := t.cfg.EntityID, t.cfg.Dialect
	t.mu.RUnlock()
	return or(set, samlDialects[d].issuer(t))
}

// pingID is a random id of letters, as PingOne makes them.
func (s *Sim) pingID() string {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	b := s.bytes(24)
	for i := range b {
		b[i] = letters[int(b[i])%len(letters)]
	}
	return string(b)
}

func netbios(t *Tenant) string { return strings.ToUpper(strings.ReplaceAll(t.name, "-", "")) }

func entraAttributes(t *Tenant, u User) []attribute {
	amr := []string{"http://schemas.microsoft.com/ws/2008/06/identity/authenticationmethod/password"}
	if u.MFA {
		amr = append(amr, "http://schemas.microsoft.com/claims/multipleauthn")
	}
	provider := "https://sts.windows.net/" + t.cfg.TenantID + "/"
	if u.Guest {
		provider = "live.com"
	}
	out := []attribute{
		{name: claimsMS + "tenantid", values: []string{t.cfg.TenantID}},
		{name: claimsMS + "objectidentifier", values: []string{u.ID}},
		{name: claimsMS + "displayname", values: []string{u.DisplayName}},
		{name: claimsMS + "identityprovider", values: []string{provider}},
		{name: claimAMR, values: amr},
		{name: claims05 + "givenname", values: []string{u.GivenName}},
		{name: claims05 + "surname", values: []string{u.FamilyName}},
		{name: claims05 + "emailaddress", values: mail(u)},
		{name: claims05 + "name", values: []string{u.UPN}},
	}
	if len(u.Roles) > 0 {
		out = append(out, attribute{name: claimRole, values: u.Roles})
	}
	return out
}

func adfsAttributes(_ *Tenant, u User) []attribute {
	return []attribute{
		{name: claims05 + "upn", values: []string{u.UPN}},
		{name: claims05 + "emailaddress", values: mail(u)},
		{name: claims05 + "givenname", values: []string{u.GivenName}},
		{name: claims05 + "surname", values: []string{u.FamilyName}},
	}
}

func pingAttributes(_ *Tenant, u User) []attribute {
	return []attribute{
		{name: "saml_subject", values: []string{u.ID}},
		{name: "email", values: mail(u)},
		{name: "given_name", values: []string{u.GivenName}},
		{name: "family_name", values: []string{u.FamilyName}},
	}
}

func keycloakAttributes(_ *Tenant, u User) []attribute {
	roles := append([]string{"offline_access", "uma_authorization"}, u.Roles...)
	return []attribute{
		{name: "urn:oid:1.2.840.113549.1.9.1", friendly: "email", values: mail(u)},
		{name: "urn:oid:2.5.4.42", friendly: "givenName", values: []string{u.GivenName}},
		{name: "urn:oid:2.5.4.4", friendly: "surname", values: []string{u.FamilyName}},
		{name: "Role", values: roles, repeat: true},
	}
}

func oidAttributes(t *Tenant, u User) []attribute {
	return []attribute{
		{name: "urn:oid:0.9.2342.19200300.100.1.3", friendly: "mail", values: mail(u)},
		{name: "urn:oid:2.5.4.42", friendly: "givenName", values: []string{u.GivenName}},
		{name: "urn:oid:2.5.4.4", friendly: "sn", values: []string{u.FamilyName}},
		{name: "urn:oid:2.16.840.1.113730.3.1.241", friendly: "displayName", values: []string{u.DisplayName}},
		{name: "urn:oid:1.3.6.1.4.1.5923.1.1.1.6", friendly: "eduPersonPrincipalName", values: []string{u.Login + "@" + t.cfg.Domain}},
	}
}

// groupValues spells groups the way a dialect does.
func groupValues(groups []Group, v groupValue) []string {
	out := make([]string, len(groups))
	for i, g := range groups {
		switch v {
		case groupID:
			out[i] = g.ID
		case groupPath:
			out[i] = "/" + strings.TrimPrefix(g.Name, "/")
		default:
			out[i] = g.Name
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
