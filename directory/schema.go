package directory

import "strings"

// Holds is the type of an attribute.
type Holds string

// The types of RFC 7643 §2.3 that occur here.
const (
	String    Holds = "string"
	Boolean   Holds = "boolean"
	DateTime  Holds = "dateTime"
	Reference Holds = "reference"
	Binary    Holds = "binary"
	Integer   Holds = "integer"
	Decimal   Holds = "decimal"
	Complex   Holds = "complex"
)

// Mutability is who may change an attribute (RFC 7643 §7).
type Mutability string

// The mutabilities. The empty one is readWrite.
const (
	ReadWrite Mutability = ""
	ReadOnly  Mutability = "readOnly"
	Immutable Mutability = "immutable"
	WriteOnly Mutability = "writeOnly"
)

// An Attribute is the definition of one attribute or sub-attribute.
type Attribute struct {
	Name       string
	Type       Holds
	Multi      bool
	Required   bool
	Exact      bool // caseExact
	Unique     bool // per connection
	Mutability Mutability
	Always     bool // returned always
	About      string
	Canonical  []string
	Refers     []string // referenceTypes
	Sub        []*Attribute
}

func (a *Attribute) numeric() bool { return a.Type == Integer || a.Type == Decimal }

// A Schema is a set of attributes under a URN.
type Schema struct {
	URN, Name, About string
	Attributes       []*Attribute
}

// The URNs of the schemas (RFC 7643 §8.7.1).
const (
	UserURN       = "urn:ietf:params:scim:schemas:core:2.0:User"
	GroupURN      = "urn:ietf:params:scim:schemas:core:2.0:Group"
	EnterpriseURN = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
)

func text(name, about string) *Attribute { return &Attribute{Name: name, Type: String, About: about} }

func flag(name, about string) *Attribute { return &Attribute{Name: name, Type: Boolean, About: about} }

func ref(name, about string, to ...string) *Attribute {
	return &Attribute{Name: name, Type: Reference, Exact: true, About: about, Refers: to}
}

func complexOf(name, about string, sub ...*Attribute) *Attribute {
	return &Attribute{Name: name, Type: Complex, About: about, Sub: sub}
}

func many(a *Attribute) *Attribute { a.Multi = true; return a }

func readOnly(a *Attribute) *Attribute {
	a.Mutability = ReadOnly
	for _, s := range a.Sub {
		s.Mutability = ReadOnly
	}
	return a
}

// plural is the usual multi-valued attribute: value, display, type, primary (RFC 7643 §2.4).
func plural(name, about string, value *Attribute, types ...string) *Attribute {
	kind := text("type", "What the value is for.")
	kind.Canonical = types
	return many(complexOf(name, about, value, text("display", "The value for people."), kind, flag("primary", "Whether this is the preferred value.")))
}

var (
	common = []*Attribute{
		{Name: "id", Type: String, Exact: true, Mutability: ReadOnly, Always: true, About: "Our identifier of the resource."},
		{Name: "externalId", Type: String, Exact: true, About: "The client's identifier of the resource."},
		readOnly(complexOf("meta", "What we know about the resource.",
			text("resourceType", "The kind of resource."), &Attribute{Name: "created", Type: DateTime, About: "When it was made."},
			&Attribute{Name: "lastModified", Type: DateTime, About: "When it was last changed."}, ref("location", "Its address.", "uri"),
			&Attribute{Name: "version", Type: String, Exact: true, About: "Its entity tag."})),
		{Name: "schemas", Type: Reference, Multi: true, Exact: true, Always: true, Mutability: ReadOnly, About: "The schemas it uses.", Refers: []string{"uri"}},
	}
	user = Schema{URN: UserURN, Name: "User", About: "A person.", Attributes: []*Attribute{
		{Name: "userName", Type: String, Required: true, Unique: true, About: "The name by which the provider knows the person, unique without regard to case."},
		complexOf("name", "The parts of the person's name.", text("formatted", "The whole name."), text("familyName", "The family name."), text("givenName", "The given name."),
			text("middleName", "The middle names."), text("honorificPrefix", "What stands before the name."), text("honorificSuffix", "What stands behind the name.")),
		text("displayName", "The name that is shown."), text("nickName", "The casual name."), ref("profileUrl", "A page about the person.", "external"),
		text("title", "The person's position."), text("userType", "The relation to the company."), text("preferredLanguage", "As in Accept-Language."),
		text("locale", "For formatting."), text("timezone", "As in the Olson database."), flag("active", "Whether the person may come in; false ends sessions at once."),
		{Name: "password", Type: String, Exact: true, Mutability: WriteOnly, About: "Accepted and not kept: people sign in at their provider."},
		plural("emails", "E-mail addresses.", text("value", "The address."), "work", "home", "other"),
		plural("phoneNumbers", "Telephone numbers.", text("value", "The number."), "work", "home", "mobile", "fax", "pager", "other"),
		plural("ims", "Instant messaging addresses.", text("value", "The address.")),
		plural("photos", "Pictures of the person.", ref("value", "Where the picture is.", "external"), "photo", "thumbnail"),
		many(complexOf("addresses", "Postal addresses.", text("formatted", "The whole address."), text("streetAddress", "Street and number."), text("locality", "City."),
			text("region", "State or region."), text("postalCode", "Postal code."), text("country", "Country."),
			&Attribute{Name: "type", Type: String, About: "What the address is for.", Canonical: []string{"work", "home", "other"}}, flag("primary", "Whether this is the preferred address."))),
		readOnly(many(complexOf("groups", "The groups that list the person.", text("value", "The group's id."), ref("$ref", "The group's address.", "Group"),
			text("display", "The group's name."), &Attribute{Name: "type", Type: String, About: "How the person belongs to it.", Canonical: []string{"direct", "indirect"}}))),
		plural("entitlements", "Things the person is entitled to. They give nothing here.", text("value", "The entitlement.")),
		plural("roles", "Roles as the provider calls them. They give nothing here; rules do.", text("value", "The role.")),
		plural("x509Certificates", "Certificates of the person.", &Attribute{Name: "value", Type: Binary, Exact: true, About: "The certificate, base64."}),
	}}
	enterprise = Schema{URN: EnterpriseURN, Name: "EnterpriseUser", About: "A person in a company.", Attributes: []*Attribute{
		text("employeeNumber", "The number of the employee."), text("costCenter", "The cost center."), text("organization", "The organization."),
		text("division", "The division."), text("department", "The department."),
		complexOf("manager", "The person's manager.", text("value", "The manager's id."), ref("$ref", "The manager's address.", "User"),
			&Attribute{Name: "displayName", Type: String, Mutability: ReadOnly, About: "The manager's name."}),
	}}
	group = Schema{URN: GroupURN, Name: "Group", About: "A group of people, which rules may give roles to.", Attributes: []*Attribute{
		{Name: "displayName", Type: String, Required: true, Unique: true, About: "The group's name, unique without regard to case."},
		many(complexOf("members", "Who is in the group.",
			&Attribute{Name: "value", Type: String, Mutability: Immutable, About: "The member's id."},
			&Attribute{Name: "$ref", Type: Reference, Exact: true, Mutability: Immutable, Refers: []string{"User", "Group"}, About: "The member's address."},
			&Attribute{Name: "type", Type: String, Mutability: Immutable, Canonical: []string{"User", "Group"}, About: "What the member is."},
			&Attribute{Name: "display", Type: String, Mutability: ReadOnly, About: "The member's name."})),
	}}
)

// SchemaOf is the core schema of a kind.
func SchemaOf(k Kind) *Schema {
	if k == Group {
		return &group
	}
	return &user
}

// Common are the attributes of every resource (RFC 7643 §3.1).
func Common() []*Attribute { return common }

// find looks for a definition by name, whose letter case does not matter (RFC 7643 §2.1).
func find(in []*Attribute, name string) *Attribute {
	for _, a := range in {
		if strings.EqualFold(a.Name, name) {
			return a
		}
	}
	return nil
}

// A Ref names an attribute or one of its sub-attributes. An empty Attr is a whole extension.
type Ref struct {
	Schema string // URN of an extension; empty for the core schema and common attributes
	Attr   *Attribute
	Sub    *Attribute
}

// Key is the canonical spelling, under which values are indexed: "emails.value", "urn:…:User:department".
func (r Ref) Key() string {
	key := r.Schema
	if r.Attr != nil {
		if key != "" {
			key += ":"
		}
		key += r.Attr.Name
	}
	if r.Sub != nil {
		key += "." + r.Sub.Name
	}
	return key
}

// Leaf is the definition of what is named.
func (r Ref) Leaf() *Attribute {
	if r.Sub != nil {
		return r.Sub
	}
	return r.Attr
}

// Within names a sub-attribute of r.
func (r Ref) Within(sub *Attribute) Ref { r.Sub = sub; return r }
