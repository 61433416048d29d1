package directory

import (
	"maps"
	"slices"
)

// A Target is what an operation of a PATCH is about: a whole extension (Ref.Attr nil), an attribute, a part of it, or
// those values of a multi-valued one that meet Where.
type Target struct {
	Ref   Ref
	Where *Condition // about one element
}

// An Operation is one step of a PATCH.
type Operation struct {
	Op     PatchOp
	Target *Target // nil for a remove that names none
	Value  any     // decoded JSON
	Given  bool    // there was a value, if only null
	// Loose marks an operation that stood for one key of an object without a path: what only we may write is then
	// skipped instead of refused, since providers send whole resources back.
	Loose bool
}

// PatchOp is the verb of an operation.
type PatchOp string

// The verbs (RFC 7644 §3.5.2).
const (
	OpAdd     PatchOp = "add"
	OpReplace PatchOp = "replace"
	OpRemove  PatchOp = "remove"
)

// A MemberStep is what a PATCH does to the members of a group, in order. The members themselves are rows of the
// ledger, so that a change costs what it changes.
type MemberStep struct {
	Op  MemberOp
	IDs []string
}

// MemberOp is what a step does.
type MemberOp string

// The steps.
const (
	MembersAdd    MemberOp = "add"
	MembersRemove MemberOp = "remove"
	MembersSet    MemberOp = "set" // these and no others
)

// A Patched is what came of a PATCH.
type Patched struct {
	Document Document
	Members  []MemberStep
}

// Apply runs the operations in order on a copy of d; either all of them take or none does (RFC 7644 §3.5.2).
func (t Type) Apply(d Document, operations []Operation) (Patched, error) {
	p := patch{of: t, doc: d.Clone()}
	if p.doc == nil {
		p.doc = Document{}
	}
	for _, o := range operations {
		if err := p.apply(o); err != nil {
			return Patched{}, err
		}
	}
	if err := t.Check(p.doc); err != nil {
		return Patched{}, err
	}
	return Patched{Document: p.doc, Members: p.members}, nil
}

type patch struct {
	of      Type
	doc     Document
	members []MemberStep
}

func (p *patch) apply(o Operation) error {
	switch {
	case o.Target == nil && o.Op == OpRemove:
		// RFC 7644 §3.5.2.2
		return wrong(CodeTarget, "A remove needs a path.")
	case o.Target == nil:
		return wrong(CodeValue, "Without a path the value is an object.")
	case o.Op != OpRemove && !o.Given:
		return wrong(CodeValue, "An %s needs a value.", o.Op)
	}
	t := *o.Target
	if t.Ref.Attr == nil {
		return p.extension(o)
	}
	if p.of.Kind == Group && t.Ref.Attr.Name == "members" && t.Ref.Schema == "" {
		return p.memberStep(o)
	}
	if t.Ref.Attr.Mutability == ReadOnly || t.Ref.Sub != nil && t.Ref.Sub.Mutability == ReadOnly {
		if o.Loose {
			return nil
		}
		return wrong(CodeMutability, "%s is ours to write.", t.Ref.Key())
	}
	// A replace by null clears (RFC 7643 §2.5).
	if o.Op == OpReplace && empty(o.Value) {
		o.Op, o.Value = OpRemove, nil
	}
	if o.Op == OpAdd && empty(o.Value) {
		return nil
	}
	in := p.container(t.Ref.Schema)
	var err error
	if o.Op == OpRemove {
		err = p.remove(in, o)
	} else {
		err = put(in, o)
	}
	p.close(t.Ref.Schema, in)
	return err
}

func empty(v any) bool {
	list, ok := v.([]any)
	return v == nil || ok && len(list) == 0
}

// container is where the attributes of a schema are.
func (p *patch) container(urn string) map[string]any {
	if urn == "" {
		return p.doc
	}
	if ext, ok := p.doc[urn].(map[string]any); ok {
		return ext
	}
	return map[string]any{}
}

// close takes an extension over that may have been empty before, or be so now.
func (p *patch) close(urn string, in map[string]any) {
	switch {
	case urn == "":
	case len(in) == 0:
		delete(p.doc, urn)
	default:
		p.doc[urn] = in
	}
}

func (p *patch) extension(o Operation) error {
	urn := o.Target.Ref.Schema
	if o.Op == OpRemove || o.Value == nil {
		delete(p.doc, urn)
		return nil
	}
	body, ok := o.Value.(map[string]any)
	if !ok {
		return wrong(CodeValue, "%s is an object with the attributes of that schema.", urn)
	}
	for _, name := range slices.Sorted(maps.Keys(body)) {
		ref, found := p.of.Resolve(urn, name, "")
		if !found {
			continue
		}
		if err := p.apply(Operation{Op: o.Op, Target: &Target{Ref: ref}, Value: body[name], Given: true, Loose: true}); err != nil {
			return err
		}
	}
	return nil
}

func (p *patch) remove(in map[string]any, o Operation) error {
	t := *o.Target
	a := t.Ref.Attr
	if a.Required && t.Ref.Sub == nil && t.Where == nil {
		// RFC 7644 §3.5.2.2
		return wrong(CodeMutability, "%s cannot be removed, since it is required.", t.Ref.Key())
	}
	if !a.Multi {
		if m, ok := in[a.Name].(map[string]any); ok && t.Ref.Sub != nil {
			if delete(m, t.Ref.Sub.Name); len(m) > 0 {
				return nil
			}
		}
		if t.Ref.Sub == nil || in[a.Name] == nil || len(in[a.Name].(map[string]any)) == 0 {
			delete(in, a.Name)
		}
		return nil
	}
	list, _ := in[a.Name].([]any)
	if a.Type != Complex {
		v, err := coerce(a, o.Value, t.Ref.Key(), true)
		named, _ := v.([]any)
		setList(in, a, slices.DeleteFunc(list, func(e any) bool { return len(named) == 0 || slices.Contains(named, e) }))
		return err
	}
	hit, err := elements(t, o.Value, in)
	if err != nil {
		return err
	}
	var left []any
	for _, e := range list {
		m, _ := e.(map[string]any)
		if !hit(m) {
			left = append(left, e)
			continue
		}
		if t.Ref.Sub == nil {
			continue
		}
		if delete(m, t.Ref.Sub.Name); len(m) > 0 {
			left = append(left, m)
		}
	}
	setList(in, a, left)
	return nil
}

// elements tells which elements a remove is about: those that meet the filter; those that a value names, as Entra sends
// it; else all.
func elements(t Target, value any, in map[string]any) (func(map[string]any) bool, error) {
	if t.Where != nil {
		return t.Where.meets, nil
	}
	if empty(value) || t.Ref.Sub != nil {
		return func(map[string]any) bool { return true }, nil
	}
	v, err := coerce(t.Ref.Attr, value, t.Ref.Key(), true)
	if err != nil {
		return nil, err
	}
	named, _ := v.([]any)
	return func(m map[string]any) bool {
		return slices.ContainsFunc(named, func(e any) bool {
			n, _ := e.(map[string]any)
			if n["value"] == nil {
				return maps.Equal(n, m)
			}
			return n["value"] == m["value"] && (n["type"] == nil || n["type"] == m["type"])
		})
	}, nil
}

func setList(in map[string]any, a *Attribute, list []any) {
	if len(list) == 0 {
		delete(in, a.Name)
		return
	}
	in[a.Name] = list
}

// put is add and replace.
func put(in map[string]any, o Operation) error {
	t := *o.Target
	a := t.Ref.Attr
	switch {
	case a.Multi && (t.Where != nil || t.Ref.Sub != nil):
		return putElements(in, o)
	case a.Multi:
		return putList(in, o)
	case t.Ref.Sub != nil:
		v, err := coerceOne(t.Ref.Sub, o.Value, t.Ref.Key())
		if err != nil || v == nil {
			return err
		}
		m, ok := in[a.Name].(map[string]any)
		if !ok {
			m = map[string]any{}
		}
		m[t.Ref.Sub.Name] = v
		in[a.Name] = m
		return nil
	}
	v, err := coerce(a, o.Value, t.Ref.Key(), true)
	if err != nil || v == nil || a.Mutability == WriteOnly {
		return err
	}
	if m, ok := v.(map[string]any); ok {
		// Parts that are not named stay (RFC 7644 §3.5.2.1, §3.5.2.3); parts that are null go.
		if old, ok := in[a.Name].(map[string]any); ok {
			maps.Copy(old, m)
			v = old
		}
		named, _ := o.Value.(map[string]any)
		for name, part := range named {
			if sub := find(a.Sub, name); sub != nil && part == nil {
				delete(v.(map[string]any), sub.Name)
			}
		}
	}
	in[a.Name] = v
	return nil
}

// putList adds to a multi-valued attribute or replaces all of it.
func putList(in map[string]any, o Operation) error {
	a := o.Target.Ref.Attr
	v, err := coerce(a, o.Value, o.Target.Ref.Key(), true)
	if err != nil {
		return err
	}
	fresh, _ := v.([]any)
	old, _ := in[a.Name].([]any)
	if o.Op == OpReplace {
		setList(in, a, fresh)
		return nil
	}
	if primaries(fresh) > 0 {
		demote(old, -1)
	}
	for _, e := range fresh {
		old = appendElement(old, e)
	}
	if len(old) > maxElements {
		return wrong(CodeValue, "%s has at most %d values.", a.Name, maxElements)
	}
	setList(in, a, old)
	return nil
}

// demote makes all elements but one, by its place, not the primary one (RFC 7644 §3.5.2).
func demote(list []any, but int) {
	for i, e := range list {
		if m, _ := e.(map[string]any); i != but && m["primary"] == true {
			m["primary"] = false
		}
	}
}

// putElements changes the elements that meet a filter, or a part of all elements.
func putElements(in map[string]any, o Operation) error {
	t := *o.Target
	a := t.Ref.Attr
	var part any
	var whole map[string]any
	if t.Ref.Sub != nil {
		v, err := coerceOne(t.Ref.Sub, o.Value, t.Ref.Key())
		if err != nil {
			return err
		}
		part = v
	} else {
		v, err := coerceOne(&Attribute{Name: a.Name, Type: a.Type, Sub: a.Sub}, o.Value, t.Ref.Key())
		if err != nil {
			return err
		}
		whole, _ = v.(map[string]any)
	}
	list, _ := in[a.Name].([]any)
	hits := 0
	for i, e := range list {
		m, _ := e.(map[string]any)
		if t.Where != nil && !t.Where.meets(m) {
			continue
		}
		hits++
		switch {
		case t.Ref.Sub != nil && part == nil:
			delete(m, t.Ref.Sub.Name)
		case t.Ref.Sub != nil:
			m[t.Ref.Sub.Name] = part
		case o.Op == OpAdd:
			maps.Copy(m, whole)
		default:
			m = maps.Clone(whole)
			list[i] = m
		}
		if m["primary"] == true {
			demote(list, i)
		}
	}
	if hits > 0 {
		setList(in, a, slices.DeleteFunc(list, func(e any) bool { m, _ := e.(map[string]any); return len(m) == 0 }))
		return nil
	}
	if t.Where != nil && o.Op == OpReplace {
		// RFC 7644 §3.5.2.3
		return wrong(CodeTarget, "No value of %s meets the filter.", a.Name)
	}
	// Entra adds emails[type eq "work"].value before there is a work address: the filter says what the element is like.
	m := map[string]any{}
	if t.Where != nil && !likeness(t.Where, m) {
		return wrong(CodeTarget, "No value of %s meets the filter.", a.Name)
	}
	maps.Copy(m, whole)
	if part != nil {
		m[t.Ref.Sub.Name] = part
	}
	if m["primary"] == true {
		demote(list, -1)
	}
	if len(list) >= maxElements {
		return wrong(CodeValue, "%s has at most %d values.", a.Name, maxElements)
	}
	if len(m) > 0 {
		in[a.Name] = append(list, m)
	}
	return nil
}

// likeness makes an element that meets a filter of equalities; ok is false for any other filter.
func likeness(c *Condition, m map[string]any) (ok bool) {
	switch c.Op {
	case And:
		for _, a := range c.Args {
			if !likeness(a, m) {
				return false
			}
		}
		return true
	case Eq:
		leaf := c.Ref.Leaf()
		switch {
		case leaf.Type == Boolean:
			m[leaf.Name] = c.Value == "true"
		case leaf.numeric():
			m[leaf.Name] = c.Number
		default:
			m[leaf.Name] = c.Raw
		}
		return true
	}
	return false
}

// memberStep turns an operation on members into a step.
func (p *patch) memberStep(o Operation) error {
	t := *o.Target
	add := func(op MemberOp, ids []string) error {
		p.members = append(p.members, MemberStep{Op: op, IDs: ids})
		return nil
	}
	if t.Ref.Sub != nil {
		// RFC 7643 §8.7.1: the parts of a member are immutable.
		return wrong(CodeMutability, "A member is removed and another one added; its %s does not change.", t.Ref.Sub.Name)
	}
	if t.Where != nil {
		if o.Op != OpRemove {
			return wrong(CodeMutability, "A member is removed and another one added; it does not change.")
		}
		ids, ok := namedMembers(t.Where)
		if !ok {
			return wrong(CodeFilter, "Members are named by value, as in members[value eq \"…\"].")
		}
		return add(MembersRemove, ids)
	}
	ids, err := memberIDs(o.Value, true)
	if err != nil {
		return err
	}
	switch {
	case o.Op == OpAdd:
		return add(MembersAdd, ids)
	case o.Op == OpRemove && !empty(o.Value):
		return add(MembersRemove, ids) // Entra names those to remove in the value
	case o.Op == OpRemove && o.Given && o.Value != nil:
		return nil // an empty list names nobody
	}
	return add(MembersSet, ids)
}

// namedMembers are the ids of a filter that names members one by one.
func namedMembers(c *Condition) ([]string, bool) {
	switch {
	case c.Op == Eq && c.Ref.Leaf().Name == "value":
		return []string{c.Value}, true
	case c.Op == Or:
		var all []string
		for _, a := range c.Args {
			ids, ok := namedMembers(a)
			if !ok {
				return nil, false
			}
			all = append(all, ids...)
		}
		return all, true
	}
	return nil, false
}
