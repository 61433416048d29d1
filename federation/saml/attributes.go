package saml

import (
	"slices"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
)

const (
	claimsXMLSoap = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/"
	claimsEntra   = "http://schemas.microsoft.com/identity/claims/"

	entraTenant  = claimsEntra + "tenantid"
	entraObject  = claimsEntra + "objectidentifier"
	entraMethods = "http://schemas.microsoft.com/claims/authnmethodsreferences"
	entraOverage = "http://schemas.microsoft.com/claims/groups.link"
	entraGroups  = "http://schemas.microsoft.com/ws/2008/06/identity/claims/groups"
	entraRole    = "http://schemas.microsoft.com/ws/2008/06/identity/claims/role"
)

// Where values stand without configuration (SAML-N2, INTEROP §1): Okta, Entra, AD FS, Google, OneLogin,
// JumpCloud, Ping, Keycloak, Shibboleth.
var (
	defaultEmail = []string{claimsXMLSoap + "emailaddress", "email", "mail", "emailaddress", "user.email",
		"urn:oid:0.9.2342.19200300.100.1.3", "urn:oid:1.2.840.113549.1.9.1", "http://schemas.xmlsoap.org/claims/EmailAddress", "email_address", "Email Address"}
	// The user principal name looks like an address and often is one; it comes after everything that says e-mail.
	defaultUPN  = []string{claimsXMLSoap + "upn", "http://schemas.xmlsoap.org/claims/UPN", "upn"}
	defaultName = []string{claimsEntra + "displayname", "displayName", "urn:oid:2.16.840.1.113730.3.1.241",
		"http://schemas.xmlsoap.org/claims/CommonName", "cn", "urn:oid:2.5.4.3", "fullName", "full_name"}
	defaultGiven   = []string{claimsXMLSoap + "givenname", "givenName", "firstName", "first_name", "urn:oid:2.5.4.42", "User.FirstName"}
	defaultSurname = []string{claimsXMLSoap + "surname", "surname", "sn", "lastName", "last_name", "urn:oid:2.5.4.4", "User.LastName"}
	defaultGroups  = []string{entraGroups, "http://schemas.xmlsoap.org/claims/Group", "groups", "group", "memberOf",
		"urn:oid:1.2.840.113556.1.2.102", "isMemberOf", "urn:oid:1.3.6.1.4.1.5923.1.5.1.1", "roles", "role"}
)

// An attribute is everything a name was given in all statements. Values written as one element with
// many values and as many elements with one mean the same (SAML-A2).
type attribute struct {
	name, friendly string
	values         []string // exact, in order, empty and nil ones left out
	shown          []string // for people: also those that are XML
}

type attributes []*attribute

// readAttributes collects the attributes (SC §2.7.3.1) of all statements of an assertion. Values may be
// untyped, xs:string, xs:anyType, empty or nil (SC §2.7.3.1.1, SAML-A1); a value that holds elements is shown and not used.
func readAttributes(assertion *node) attributes {
	var list attributes
	byName := map[string]*attribute{}
	for _, statement := range assertion.children(nsSAML, "AttributeStatement") {
		for _, e := range statement.children(nsSAML, "Attribute") {
			name := e.attr("Name")
			a := byName[name]
			if a == nil {
				a = &attribute{name: name}
				byName[name] = a
				list = append(list, a)
			}
			if a.friendly == "" {
				a.friendly = e.attr("FriendlyName")
			}
			a.read(e)
		}
	}
	return list
}

func (a *attribute) read(e *node) {
	a.values = slices.Grow(a.values, len(e.kids))
	for _, v := range e.kids {
		if !v.is(nsSAML, "AttributeValue") || isNil(v) {
			continue
		}
		s, ok := v.content()
		switch {
		case ok && s != "":
			a.values = append(a.values, s)
			if a.shown != nil {
				a.shown = append(a.shown, s)
			}
		case !ok:
			if a.shown == nil {
				a.shown = slices.Clone(a.values)
			}
			a.shown = append(a.shown, markup(v))
		}
	}
}

// people are the values as the login test shows them.
func (a *attribute) people() []string {
	if a.shown != nil {
		return a.shown
	}
	return a.values
}

func isNil(v *node) bool {
	for _, a := range v.attrs {
		if a.space == nsXSI && a.local == "nil" {
			return a.value == "true" || a.value == "1"
		}
	}
	return false
}

// find gives the values of the first wanted name that is present, by Name or FriendlyName, letter case
// ignored (SP §8.1, SP §8.2). Several attributes with one such name are taken together. which is the Name as it was sent.
func (list attributes) find(wanted []string) (values []string, which string, present bool) {
	for _, w := range wanted {
		for _, a := range list {
			if !strings.EqualFold(a.name, w) && (a.friendly == "" || !strings.EqualFold(a.friendly, w)) {
				continue
			}
			if !present {
				values, which, present = slices.Clip(a.values), a.name, true // so that appending copies them, once
				continue
			}
			values = append(values, a.values...)
		}
		if present {
			return values, which, true
		}
	}
	return nil, "", false
}

// one gives the single non-blank value of the first wanted name that has any. more is set when it has
// several that differ.
func (list attributes) one(wanted []string) (value string, more bool) {
	for _, w := range wanted {
		values, _, _ := list.find([]string{w})
		for _, v := range values {
			v = strings.Trim(v, " \t\r\n")
			switch {
			case v == "":
			case value == "":
				value = v
			case lowerASCII(v) != lowerASCII(value): // no Unicode folding: look-alikes are two values
				more = true
			}
		}
		if value != "" {
			return value, more
		}
	}
	return "", false
}

func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// groups reads the group set (L-04). Values stay exactly as the provider spells them (T-10), but for the
// delimiter and prefix that the connection's mapping names. Absent is not empty (T-05).
func (list attributes) groups(m account.Mapping, kind account.IdPKind) account.GroupSet {
	wanted := m.Groups
	if len(wanted) == 0 {
		wanted = defaultGroups
		if kind == account.KindEntra { // its role claim is app roles, not groups
			wanted = []string{entraGroups, "groups"}
		}
	}
	values, _, present := list.find(wanted)
	g := account.GroupSet{State: account.GroupsComplete, Source: "assertion", Values: tidy(values, m)}
	_, _, overage := list.find([]string{entraOverage})
	switch {
	case overage && len(g.Values) == 0:
		g.State, g.Values = account.GroupsUnknown, nil
		g.Why = "The person is in more groups than the provider sends; it sent a link in their place."
	case overage:
		g.State = account.GroupsIncomplete
		g.Why = "The provider sent some groups and a link in place of the others."
	case !present:
		g.State, g.Absent = account.GroupsUnknown, true
		g.Why = "The assertion has no group attribute."
	case kind == account.KindGoogle && len(values) >= googleCap:
		g.State = account.GroupsIncomplete
		g.Why = "The provider sends at most 75 groups, and sent that many: others may be missing."
	}
	return g
}

// googleCap is how many groups Google Workspace sends at most (INTEROP §1).
const googleCap = 75

func tidy(values []string, m account.Mapping) []string {
	out := make([]string, 0, len(values))
	seen := make(map[string]struct{}, len(values))
	add := func(v string) {
		v = strings.TrimPrefix(v, m.StripPrefix)
		if _, ok := seen[v]; ok || v == "" {
			return
		}
		seen[v] = struct{}{}
		out = append(out, v)
	}
	for _, v := range values {
		if m.Delimiter == "" {
			add(v)
			continue
		}
		for part := range strings.SplitSeq(v, m.Delimiter) {
			add(strings.TrimSpace(part))
		}
	}
	return out
}

// subject composes the stable name of the person on this connection (docs/decisions/subjects.md); how
// says where it was found. It is empty when nothing stable was sent: a transient identifier is another
// each time (SC §8.3.8). A persistent one is only unique together with its qualifiers (SC §2.2.2,
// SC §8.3.7); an address is one whatever its letter case (SC §8.3.2).
func (list attributes) subject(m account.Mapping, id *account.NameID) (subject, how string) {
	tenant, t := list.one([]string{entraTenant})
	object, o := list.one([]string{entraObject})
	entra := tenant != "" && object != "" && !t && !o && !strings.Contains(tenant+object, "/")
	if len(m.Subject) > 0 {
		v, more := list.one(m.Subject)
		if more {
			return "", "several values"
		}
		return v, "attribute"
	}
	switch {
	case entra:
		return strings.ToLower(tenant) + "/" + strings.ToLower(object), "tenant id and object id"
	case id == nil:
		return "", "nothing"
	case id.Format == formatTransient:
		return "", "a transient Name ID, which changes at every sign-in"
	case id.Format == formatPersistent && id.NameQualifier+id.SPNameQualifier != "":
		return id.NameQualifier + "!" + id.SPNameQualifier + "!" + id.Value, "persistent Name ID"
	case id.Format == formatPersistent:
		return id.Value, "persistent Name ID"
	}
	if email, err := account.NormalEmail(id.Value); err == nil {
		return email, "Name ID"
	}
	return id.Value, "Name ID"
}

// email finds the address: the mapped or usual attributes, then an e-mail-shaped Name ID, then the user
// principal name. bad is what stood there instead of one plain address (SAML-N1).
func (list attributes) email(m account.Mapping, id *account.NameID) (email, bad string) {
	wanted := m.Email
	if len(wanted) == 0 {
		wanted = defaultEmail
	}
	found, more := list.one(wanted)
	if more {
		return "", "several addresses"
	}
	if found != "" {
		normal, err := account.NormalEmail(found)
		if err != nil {
			return "", clip(found, 80)
		}
		return normal, ""
	}
	candidates := []string{""}
	if id != nil && id.Format != formatPersistent && id.Format != formatTransient {
		candidates[0] = id.Value
	}
	if len(m.Email) == 0 {
		upn, _ := list.one(defaultUPN)
		candidates = append(candidates, upn)
	}
	for _, c := range candidates {
		// A guest's principal name has the shape of an address and is none (INTEROP §1, Entra).
		if strings.Contains(c, "#EXT#") {
			continue
		}
		if normal, err := account.NormalEmail(c); err == nil {
			return normal, ""
		}
	}
	return "", ""
}

// displayName is for people; empty when the provider sends none.
func (list attributes) displayName(m account.Mapping) string {
	wanted := m.Name
	if len(wanted) == 0 {
		wanted = defaultName
	}
	name, _ := list.one(wanted)
	if name == "" && len(m.Name) == 0 {
		given, _ := list.one(defaultGiven)
		last, _ := list.one(defaultSurname)
		name = strings.TrimSpace(given + " " + last)
	}
	return clip(name, 200)
}
