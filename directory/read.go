package directory

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// longestName is how many bytes a userName or a group's displayName may have; they are looked up by index.
const longestName = 512

// longestSecret is how many bytes a password may have, though none is kept.
const longestSecret = 1024

// maxElements bounds the values of one multi-valued attribute of a document; members are not among them.
const maxElements = 1000

// A Reading is a document as a client sent it.
type Reading struct {
	Document Document
	Members  []string // of a group, each once, in their order
	Notes    []string // what was ignored, for the request log
}

// Read brings a resource that a client sent into canonical form. Names are read without regard to case, null and
// empty count as unassigned (RFC 7643 §2.5), what only we may write is ignored (RFC 7644 §3.3), unknown attributes are
// ignored and noted. Habits of real providers are understood: "True" for true, a manager as a bare id or in a
// list. Values of a wrong type are refused.
func (t Type) Read(body map[string]any) (Reading, error) {
	r := Reading{Document: Document{}}
	if err := r.readSchema(t, "", r.Document, body); err != nil {
		return r, err
	}
	return r, t.Check(r.Document)
}

func (r *Reading) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

func (r *Reading) readSchema(t Type, urn string, into map[string]any, body map[string]any) error {
	seen := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(body)) {
		value := body[name]
		if ext, ok := t.Extension(name); ok && urn == "" {
			if err := r.readExtension(t, ext, into, value); err != nil {
				return err
			}
			continue
		}
		ref, found := t.Resolve(urn, name, "")
		if !found {
			r.note("%q is no attribute of a %s and was ignored", clip(name), t.Kind)
			continue
		}
		if other, twice := seen[ref.Attr.Name]; twice {
			return wrong(CodeSyntax, "The attribute %s is there twice, as %q and as %q.", ref.Attr.Name, other, name)
		}
		seen[ref.Attr.Name] = name
		if t.Kind == Group && ref.Attr.Name == "members" {
			ids, err := memberIDs(value, false)
			if err != nil {
				return err
			}
			r.Members = ids
			continue
		}
		if ref.Attr.Mutability == ReadOnly {
			continue
		}
		v, err := coerce(ref.Attr, value, ref.Key(), false)
		if err != nil {
			return err
		}
		if v != nil && ref.Attr.Mutability != WriteOnly {
			into[ref.Attr.Name] = v
		}
	}
	return nil
}

func (r *Reading) readExtension(t Type, urn string, into map[string]any, value any) error {
	if value == nil {
		return nil
	}
	body, ok := value.(map[string]any)
	if !ok {
		return wrong(CodeValue, "%s is an object with the attributes of that schema.", urn)
	}
	ext := map[string]any{}
	if err := r.readSchema(t, urn, ext, body); err != nil {
		return err
	}
	if len(ext) > 0 {
		into[urn] = ext
	}
	return nil
}

// Check asks what must hold for a whole document: required attributes are there, and no longer than can be indexed.
func (t Type) Check(d Document) error {
	for _, a := range SchemaOf(t.Kind).Attributes {
		if !a.Required {
			continue
		}
		switch s := d.Text(a.Name); {
		case strings.TrimSpace(s) == "":
			return wrong(CodeValue, "A %s needs a %s that is not empty.", t.Kind, a.Name)
		case len(s) > longestName:
			return wrong(CodeValue, "%s has at most %d bytes.", a.Name, longestName)
		}
	}
	if len(d.Text("externalId")) > longestName {
		return wrong(CodeValue, "externalId has at most %d bytes.", longestName)
	}
	return nil
}

// coerce brings one value into the form that its attribute has; nil when it is unassigned. lenient takes one
// value for a list, as PATCH does.
func coerce(a *Attribute, v any, path string, lenient bool) (any, error) {
	if v == nil {
		return nil, nil
	}
	if !a.Multi {
		// Entra sends a manager as [{"value": …}].
		if list, ok := v.([]any); ok && a.Type == Complex && len(list) == 1 {
			v = list[0]
		}
		return coerceOne(a, v, path)
	}
	list, ok := v.([]any)
	if !ok {
		if _, object := v.(map[string]any); !lenient || !object {
			return nil, wrong(CodeValue, "%s is a list.", path)
		}
		list = []any{v}
	}
	if len(list) > maxElements {
		return nil, wrong(CodeValue, "%s has at most %d values.", path, maxElements)
	}
	var out []any
	for _, e := range list {
		one, err := coerceOne(a, e, path)
		if err != nil {
			return nil, err
		}
		if one != nil {
			out = appendElement(out, one)
		}
	}
	if len(out) == 0 {
		return nil, nil
	}
	if n := primaries(out); n > 1 {
		return nil, wrong(CodeValue, "%s has %d values that are primary; at most one can be.", path, n)
	}
	return out, nil
}

func coerceOne(a *Attribute, v any, path string) (any, error) {
	if v == nil {
		return nil, nil
	}
	switch a.Type {
	case Complex:
		return coerceComplex(a, v, path)
	case Boolean:
		return looseBool(v, path)
	case Integer, Decimal:
		f, ok := v.(float64)
		if !ok || a.Type == Integer && (f != math.Trunc(f) || math.Abs(f) > 1<<53) {
			return nil, wrong(CodeValue, "%s is a number of the type %s.", path, a.Type)
		}
		return f, nil
	}
	s, ok := v.(string)
	if !ok {
		return nil, wrong(CodeValue, "%s is a string.", path)
	}
	if a.Mutability == WriteOnly && len(s) > longestSecret {
		return nil, wrong(CodeValue, "%s has at most %d bytes.", path, longestSecret)
	}
	if strings.ContainsRune(s, 0) {
		return nil, wrong(CodeValue, "%s has a NUL in it, which not every database keeps.", path)
	}
	return s, nil
}

// looseBool reads a boolean. Entra ID sends the strings "True" and "False" unless it is told otherwise; other words
// are refused.
func looseBool(v any, path string) (any, error) {
	switch v := v.(type) {
	case bool:
		return v, nil
	case string:
		switch strings.ToLower(v) {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
	}
	return nil, wrong(CodeValue, "%s is true or false.", path)
}

func coerceComplex(a *Attribute, v any, path string) (any, error) {
	// Entra sends a manager as the bare id.
	if s, ok := v.(string); ok && !a.Multi && find(a.Sub, "value") != nil {
		v = map[string]any{"value": s}
	}
	body, ok := v.(map[string]any)
	if !ok {
		return nil, wrong(CodeValue, "%s is an object.", path)
	}
	out := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(body)) {
		sub := find(a.Sub, name)
		if sub == nil || sub.Mutability == ReadOnly {
			continue
		}
		one, err := coerceOne(sub, body[name], path+"."+sub.Name)
		if err != nil {
			return nil, err
		}
		if one == nil {
			continue
		}
		if _, twice := out[sub.Name]; twice {
			return nil, wrong(CodeSyntax, "%s.%s is there twice.", path, sub.Name)
		}
		out[sub.Name] = one
	}
	if len(out) == 0 {
		return nil, nil
	}
	return out, nil
}

// appendElement adds a value to a list. The same pair of type and value is kept once (RFC 7643 §2.4); what the new one
// says beside it wins.
func appendElement(list []any, e any) []any {
	m, ok := e.(map[string]any)
	if !ok {
		if slices.Contains(list, e) {
			return list
		}
		return append(list, e)
	}
	for _, old := range list {
		o, _ := old.(map[string]any)
		if o != nil && sameValue(o, m) {
			maps.Copy(o, m)
			return list
		}
	}
	return append(list, m)
}

func sameValue(a, b map[string]any) bool {
	if _, has := a["value"]; has {
		return a["value"] == b["value"] && a["type"] == b["type"]
	}
	if _, has := b["value"]; has || len(a) != len(b) {
		return false
	}
	return maps.Equal(a, b)
}

func primaries(list []any) (n int) {
	for _, e := range list {
		if m, ok := e.(map[string]any); ok && m["primary"] == true {
			n++
		}
	}
	return n
}

// memberIDs reads the values of members, each once. lenient takes one object for a list.
func memberIDs(v any, lenient bool) ([]string, error) {
	if v == nil {
		return nil, nil
	}
	list, ok := v.([]any)
	if !ok {
		if _, object := v.(map[string]any); !lenient || !object {
			return nil, wrong(CodeValue, "members is a list of objects.")
		}
		list = []any{v}
	}
	out := make([]string, 0, len(list))
	seen := make(map[string]bool, len(list))
	for _, e := range list {
		m, ok := e.(map[string]any)
		if !ok {
			return nil, wrong(CodeValue, "A member is an object with the id in value.")
		}
		id := ""
		for name, v := range m {
			if strings.EqualFold(name, "value") {
				id, _ = v.(string)
			}
		}
		if id == "" || strings.ContainsRune(id, 0) {
			return nil, wrong(CodeValue, "A member needs its id in value.")
		}
		if !seen[id] {
			seen[id], out = true, append(out, id)
		}
	}
	return out, nil
}

func clip(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}
