package directory

import "strings"

// A Type is a kind of resource as one connection has it: with the extensions that everybody has and those of its own.
type Type struct {
	Kind Kind
	Own  []*Schema
}

// Extensions are the schemas that the type can be extended by.
func (t Type) Extensions() []*Schema {
	if t.Kind == Group {
		return t.Own
	}
	return append([]*Schema{&enterprise}, t.Own...)
}

// Resolve finds what a client calls an attribute: name or name.sub of a schema, whose URN may be empty. Letter case
// does not matter. found is false for what no schema of the type has.
func (t Type) Resolve(urn, name, sub string) (r Ref, found bool) {
	in := SchemaOf(t.Kind).Attributes
	switch {
	case urn == "" || strings.EqualFold(urn, SchemaOf(t.Kind).URN):
		if a := find(common, name); a != nil {
			r.Attr = a
		}
	default:
		in = nil
		for _, s := range t.Extensions() {
			if strings.EqualFold(urn, s.URN) {
				in, r.Schema = s.Attributes, s.URN
			}
		}
	}
	if r.Attr == nil {
		r.Attr = find(in, name)
	}
	if r.Attr == nil {
		return r, false
	}
	if sub != "" {
		r.Sub = find(r.Attr.Sub, sub)
		return r, r.Sub != nil
	}
	return r, true
}

// Extension finds an extension of the type by its URN.
func (t Type) Extension(urn string) (string, bool) {
	for _, s := range t.Extensions() {
		if strings.EqualFold(urn, s.URN) {
			return s.URN, true
		}
	}
	return "", false
}

// Named resolves what a client wrote: an attribute, a part, or a whole extension.
func (t Type) Named(s string) (Ref, bool) {
	urn, name, sub := t.parseName(s)
	if name == "" {
		ext, ok := t.Extension(urn)
		return Ref{Schema: ext}, ok
	}
	return t.Resolve(urn, name, sub)
}

// parseName splits "name", "name.sub", "urn:…:name.sub" into its parts. The URN is the longest one known to the type; an extension's URN
// alone gives an empty name.
func (t Type) parseName(s string) (urn, name, sub string) {
	for _, schema := range append([]*Schema{SchemaOf(t.Kind)}, t.Extensions()...) {
		n := len(schema.URN)
		if n > len(urn) && len(s) >= n && strings.EqualFold(s[:n], schema.URN) && (len(s) == n || s[n] == ':') {
			urn = schema.URN
		}
	}
	if urn != "" {
		s = strings.TrimPrefix(s[len(urn):], ":")
	}
	name, sub, _ = strings.Cut(s, ".")
	return urn, name, sub
}

// Schemas are the URNs of the schemas that a document uses: its own, and those extensions that hold data (RFC 7643 §3).
func (t Type) Schemas(d Document) []string {
	out := []string{SchemaOf(t.Kind).URN}
	for _, s := range t.Extensions() {
		if ext, ok := d[s.URN].(map[string]any); ok && len(ext) > 0 {
			out = append(out, s.URN)
		}
	}
	return out
}
