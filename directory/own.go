package directory

import (
	"encoding/json"
	"slices"
	"strings"
)

// An Extension is a schema that one connection declares for its resources beside those that everybody has.
type Extension struct {
	Of     Kind
	Schema *Schema
}

// Bounds of what a connection may declare.
const (
	MostExtensions = 10
	mostAttributes = 200
	longestURN     = 200
)

// A declared is a schema document as RFC 7643 §7 writes it.
type declared struct {
	ID          string      `json:"id"`
	Name        string      `json:"name,omitempty"`
	Description string      `json:"description,omitempty"`
	Attributes  []attribute `json:"attributes"`
}

type attribute struct {
	Name          string      `json:"name"`
	Type          Holds       `json:"type"`
	Multi         bool        `json:"multiValued"`
	Description   string      `json:"description,omitempty"`
	Required      bool        `json:"required"`
	Exact         bool        `json:"caseExact"`
	Mutability    string      `json:"mutability,omitempty"`
	Returned      string      `json:"returned,omitempty"`
	Uniqueness    string      `json:"uniqueness,omitempty"`
	Canonical     []string    `json:"canonicalValues,omitempty"`
	Refers        []string    `json:"referenceTypes,omitempty"`
	SubAttributes []attribute `json:"subAttributes,omitempty"`
}

func bad(format string, args ...any) error { return wrong("", format, args...) }

// ReadExtension reads a schema document (RFC 7643 §7) that a connection is to have for a kind. What would not be enforced is refused:
// its attributes are optional, readWrite, returned by default and not unique.
func ReadExtension(k Kind, document []byte) (Extension, error) {
	if k != User && k != Group {
		return Extension{}, bad("%q is no kind of resource: a schema extends User or Group.", clip(string(k)))
	}
	var d declared
	if err := json.Unmarshal(document, &d); err != nil {
		return Extension{}, bad("The schema is no JSON as RFC 7643 writes it: %v.", err)
	}
	known := append([]*Schema{&user, &group}, Type{Kind: User}.Extensions()...)
	strange := func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("\"[]()", r) }
	switch {
	case len(d.ID) > longestURN, !strings.HasPrefix(strings.ToLower(d.ID), "urn:"), strings.ContainsFunc(d.ID, strange):
		return Extension{}, bad("The id of a schema is a URN of at most %d characters, such as urn:acme.example:scim:2.0:User.", longestURN)
	case slices.ContainsFunc(known, func(s *Schema) bool { return strings.EqualFold(s.URN, d.ID) }):
		return Extension{}, bad("%s is there already, for everybody.", d.ID)
	}
	s := &Schema{URN: d.ID, Name: d.Name, About: d.Description}
	var err error
	if s.Attributes, err = readAttributes(d.Attributes, true); err != nil {
		return Extension{}, err
	}
	return Extension{Of: k, Schema: s}, nil
}

func readAttributes(in []attribute, outer bool) ([]*Attribute, error) {
	if len(in) == 0 || len(in) > mostAttributes {
		return nil, bad("A schema, and a complex attribute, has between 1 and %d attributes.", mostAttributes)
	}
	var out []*Attribute
	for _, d := range in {
		switch {
		case !isName(d.Name):
			return nil, bad("%q is no name of an attribute: a letter, then letters, digits, - and _.", clip(d.Name))
		case find(out, d.Name) != nil:
			return nil, bad("The attribute %s is there twice.", d.Name)
		case d.Required, d.Mutability != "" && d.Mutability != "readWrite", d.Returned != "" && d.Returned != "default", d.Uniqueness != "" && d.Uniqueness != "none":
			return nil, bad("The attribute %s asks for more than is enforced: required is false, mutability readWrite, returned default, uniqueness none.", d.Name)
		case d.Multi && !outer:
			return nil, bad("%s is part of a complex attribute and has one value.", d.Name)
		}
		a := &Attribute{Name: d.Name, Type: d.Type, Multi: d.Multi, Exact: d.Exact, About: d.Description, Canonical: d.Canonical, Refers: d.Refers}
		switch d.Type {
		case Reference, Binary:
			a.Exact = true
		case String, Boolean, DateTime, Integer, Decimal:
		case Complex:
			if outer {
				var err error
				if a.Sub, err = readAttributes(d.SubAttributes, false); err != nil {
					return nil, err
				}
				break
			}
			fallthrough
		default:
			return nil, bad("%s has the type %q; use string, boolean, decimal, integer, dateTime, reference, binary or, on top, complex.", d.Name, clip(string(d.Type)))
		}
		out = append(out, a)
	}
	return out, nil
}

func isName(s string) bool {
	for i, c := range s {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c != '-' && c != '_' && (c < '0' || c > '9')) {
			return false
		}
	}
	return s != "" && len(s) <= 100
}

// MarshalJSON writes the kind and the schema document that ReadExtension reads.
func (e Extension) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Of     Kind     `json:"resource"`
		Schema declared `json:"schema"`
	}{e.Of, declared{ID: e.Schema.URN, Name: e.Schema.Name, Description: e.Schema.About, Attributes: declare(e.Schema.Attributes)}})
}

func declare(in []*Attribute) (out []attribute) {
	for _, a := range in {
		out = append(out, attribute{Name: a.Name, Type: a.Type, Multi: a.Multi, Description: a.About, Exact: a.Exact, Mutability: "readWrite", Returned: "default", Uniqueness: "none",
			Canonical: a.Canonical, Refers: a.Refers, SubAttributes: declare(a.Sub)})
	}
	return out
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (e *Extension) UnmarshalJSON(text []byte) (err error) {
	var in struct {
		Of     Kind            `json:"resource"`
		Schema json.RawMessage `json:"schema"`
	}
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	*e, err = ReadExtension(in.Of, in.Schema)
	return err
}
