package directory

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// An Op is what a condition asks.
type Op string

// The operators. Any asks for one element of a multi-valued attribute that meets its one argument as a whole.
const (
	And Op = "and"
	Or  Op = "or"
	Not Op = "not"
	Any Op = "any"

	Eq Op = "eq"
	Ne Op = "ne"
	Co Op = "co"
	Sw Op = "sw"
	Ew Op = "ew"
	Gt Op = "gt"
	Ge Op = "ge"
	Lt Op = "lt"
	Le Op = "le"
	Pr Op = "pr" // has a value that is not empty
)

// A Condition is what a resource is searched by, as a tree. An And of nothing always holds, an Or of nothing never does. Comparisons hold when one value of the attribute meets
// them; Ne holds when none is equal, so for an absent attribute too.
type Condition struct {
	Op   Op
	Args []*Condition // Not and Any: one
	Ref  Ref          // comparisons and Any
	// Value is what is compared with, folded when the attribute is not case-exact; "true" or "false" for a boolean, and for a number a text
	// that sorts as numbers do.
	Value  string
	Raw    string    // Value as it was spelled
	Number float64   // what Value stands for
	Time   time.Time // instead of Value, for a dateTime
}

// Compare makes a comparison after asking whether it makes sense. value is a string, a bool, a float64 or nil.
func Compare(ref Ref, op Op, value any) (*Condition, error) {
	if ref.Attr != nil && ref.Attr.Mutability == WriteOnly {
		return nil, wrong(CodeFilter, "%s cannot be searched.", ref.Key())
	}
	// emails co "x" means emails.value (RFC 7644 §3.4.2.2).
	if ref.Leaf().Type == Complex && op != Pr {
		sub := find(ref.Attr.Sub, "value")
		if sub == nil || value == nil {
			if value == nil && (op == Eq || op == Ne) {
				return absent(ref, op), nil
			}
			return nil, wrong(CodeFilter, "%s is compared by one of its parts.", ref.Key())
		}
		ref.Sub = sub
	}
	c := &Condition{Op: op, Ref: ref}
	if op == Pr {
		return c, nil
	}
	if value == nil {
		if op == Eq || op == Ne {
			return absent(ref, op), nil
		}
		return nil, wrong(CodeFilter, "null cannot be compared with %s.", op)
	}
	leaf := ref.Leaf()
	ordered := op == Gt || op == Ge || op == Lt || op == Le
	switch v := value.(type) {
	case bool:
		if leaf.Type != Boolean || op != Eq && op != Ne {
			return nil, wrong(CodeFilter, "%s cannot be compared with true or false by %s.", ref.Key(), op)
		}
		c.Value = boolText(v)
	case float64:
		if !leaf.numeric() || op == Co || op == Sw || op == Ew {
			return nil, wrong(CodeFilter, "%s cannot be compared with a number by %s.", ref.Key(), op)
		}
		c.Value, c.Number = numberText(v), v
	case string:
		if strings.ContainsRune(v, 0) {
			return nil, wrong(CodeFilter, "A value has no NUL in it.")
		}
		switch leaf.Type {
		case Integer, Decimal:
			return nil, wrong(CodeFilter, "%s is a number.", ref.Key())
		case Boolean:
			b, err := looseBool(v, ref.Key())
			if err != nil || op != Eq && op != Ne {
				return nil, wrong(CodeFilter, "%s is true or false.", ref.Key())
			}
			c.Value = boolText(b.(bool))
		case DateTime:
			at, err := time.Parse(time.RFC3339Nano, v)
			if err != nil || op == Co || op == Sw || op == Ew {
				return nil, wrong(CodeFilter, "%s is an instant such as 2026-01-02T03:04:05Z.", ref.Key())
			}
			c.Time = at
		default:
			if leaf.Type == Binary && ordered {
				return nil, wrong(CodeFilter, "%s has no order.", ref.Key())
			}
			c.Value, c.Raw = v, v
			if !leaf.Exact {
				c.Value = Fold(v)
			}
		}
	default:
		return nil, wrong(CodeFilter, "%s cannot be compared with that.", ref.Key())
	}
	return c, nil
}

// absent is eq null and ne null.
func absent(ref Ref, op Op) *Condition {
	present := &Condition{Op: Pr, Ref: ref}
	if op == Ne {
		return present
	}
	return &Condition{Op: Not, Args: []*Condition{present}}
}

func boolText(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

// indexed is how a value is compared.
func indexed(a *Attribute, v any) string {
	switch v := v.(type) {
	case bool:
		return boolText(v)
	case float64:
		return numberText(v)
	case string:
		if a.Exact {
			return v
		}
		return Fold(v)
	}
	return ""
}

// numberText is a text that sorts as numbers do, and is the same for equal ones.
func numberText(f float64) string {
	bits := math.Float64bits(f + 0) // no -0
	if bits>>63 == 1 {
		bits = ^bits
	} else {
		bits |= 1 << 63
	}
	return fmt.Sprintf("%016x", bits)
}

// meets asks a condition of one element of a multi-valued attribute, whose parts the condition names.
func (c *Condition) meets(element map[string]any) bool {
	switch c.Op {
	case And:
		for _, a := range c.Args {
			if !a.meets(element) {
				return false
			}
		}
		return true
	case Or:
		for _, a := range c.Args {
			if a.meets(element) {
				return true
			}
		}
		return false
	case Not:
		return !c.Args[0].meets(element)
	case Any:
		return false
	}
	v, has := element[c.Ref.Leaf().Name]
	if !has {
		return c.Op == Ne
	}
	return c.holds(indexed(c.Ref.Leaf(), v))
}

// holds compares one value with that of the condition.
func (c *Condition) holds(v string) bool {
	switch c.Op {
	case Eq:
		return v == c.Value
	case Ne:
		return v != c.Value
	case Co:
		return strings.Contains(v, c.Value)
	case Sw:
		return strings.HasPrefix(v, c.Value)
	case Ew:
		return strings.HasSuffix(v, c.Value)
	case Gt:
		return v > c.Value
	case Ge:
		return v >= c.Value
	case Lt:
		return v < c.Value
	case Le:
		return v <= c.Value
	case Pr:
		return v != ""
	}
	return false
}

// Matches asks a condition of a document. What the ledger knows by itself (id, meta, groups, members) is not part of it
// and counts as absent.
func (c *Condition) Matches(t Type, d Document) bool {
	switch c.Op {
	case And:
		for _, a := range c.Args {
			if !a.Matches(t, d) {
				return false
			}
		}
		return true
	case Or:
		for _, a := range c.Args {
			if a.Matches(t, d) {
				return true
			}
		}
		return false
	case Not:
		return !c.Args[0].Matches(t, d)
	case Any:
		in := map[string]any(d)
		if c.Ref.Schema != "" {
			in, _ = d[c.Ref.Schema].(map[string]any)
		}
		list, _ := in[c.Ref.Attr.Name].([]any)
		for _, e := range list {
			if m, ok := e.(map[string]any); ok && c.Args[0].meets(m) {
				return true
			}
		}
		return false
	}
	test, some := c, false
	if c.Op == Ne {
		equal := *c
		equal.Op = Eq
		test = &equal
	}
	keys := map[string]bool{}
	for _, ref := range c.Ref.Leaves() {
		keys[ref.Key()] = true
	}
	for _, v := range t.Values(d) {
		some = some || keys[v.Key] && test.holds(v.Value)
	}
	return some != (c.Op == Ne)
}

// Leaves are the simple attributes below r; r itself when it is one.
func (r Ref) Leaves() []Ref {
	leaf := r.Leaf()
	if leaf == nil || leaf.Type != Complex {
		return []Ref{r}
	}
	out := make([]Ref, len(leaf.Sub))
	for i, s := range leaf.Sub {
		out[i] = r.Within(s)
	}
	return out
}

// A Value is one simple value of a document, as it is searched and sorted by.
type Value struct {
	Key     string // Ref.Key
	Element int    // which value of a multi-valued attribute it is part of
	Value   string // folded when the attribute is not case-exact
	Primary bool   // the element is the primary one
}

// Values lists the simple values of a document in the order of its schemas.
func (t Type) Values(d Document) []Value {
	var out []Value
	for _, s := range append([]*Schema{SchemaOf(t.Kind)}, t.Extensions()...) {
		in, urn := map[string]any(d), ""
		if s.URN != SchemaOf(t.Kind).URN {
			urn = s.URN
			in, _ = d[urn].(map[string]any)
		}
		for _, a := range s.Attributes {
			v, has := in[a.Name]
			if !has {
				continue
			}
			list, multi := v.([]any)
			if !multi {
				list = []any{v}
			}
			for i, e := range list {
				out = valuesOf(out, Ref{Schema: urn, Attr: a}, i, e)
			}
		}
	}
	if id := d.Text("externalId"); id != "" {
		out = append(out, Value{Key: "externalId", Value: id})
	}
	for i, urn := range t.Schemas(d) {
		out = append(out, Value{Key: "schemas", Element: i, Value: urn})
	}
	return out
}

func valuesOf(out []Value, ref Ref, element int, v any) []Value {
	m, ok := v.(map[string]any)
	if !ok {
		return append(out, Value{Key: ref.Key(), Element: element, Value: indexed(ref.Attr, v)})
	}
	for _, s := range ref.Attr.Sub {
		if p, has := m[s.Name]; has {
			out = append(out, Value{Key: ref.Within(s).Key(), Element: element, Value: indexed(s, p), Primary: m["primary"] == true})
		}
	}
	return out
}
