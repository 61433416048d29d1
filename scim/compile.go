package scim

import (
	filter "github.com/scim2/filter-parser/v2"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/directory"
)

func badFilter(format string, args ...any) error {
	return account.Errorf(account.Invalid, format, args...).Coded(directory.CodeFilter)
}

// conditionOf reads a filter about resources of a type.
func conditionOf(t directory.Type, s string) (*directory.Condition, error) {
	all, err := conditionsOf([]directory.Type{t}, s)
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// conditionsOf reads a filter about resources of several types. An attribute that only some of them have counts as absent in the others
// (RFC 7644 §3.4.2.1).
func conditionsOf(types []directory.Type, s string) ([]*directory.Condition, error) {
	e, err := parseFilter(s)
	if err != nil {
		return nil, err
	}
	out := make([]*directory.Condition, len(types))
	lacking := map[string]int{}
	for i, t := range types {
		c := compiler{Type: t, lacks: map[string]bool{}}
		if out[i], err = c.compile(e, nil); err != nil {
			return nil, err
		}
		for name := range c.lacks {
			if lacking[name]++; lacking[name] == len(types) {
				return nil, badFilter("%q is no attribute of a %s.", clip(name), t.Kind)
			}
		}
	}
	return out, nil
}

// A compiler turns the library's tree into ours, whose attributes are known.
type compiler struct {
	directory.Type
	lacks map[string]bool // attributes that the type has not
}

// compile does so. within is the multi-valued attribute whose parts the tree speaks of; nil for that of a whole resource.
func (c compiler) compile(e filter.Expression, within *directory.Ref) (*directory.Condition, error) {
	switch e := e.(type) {
	case *filter.LogicalExpression:
		op := directory.And
		if e.Operator == filter.OR {
			op = directory.Or
		}
		return c.all(op, within, e.Left, e.Right)
	case *filter.NotExpression:
		return c.all(directory.Not, within, e.Expression)
	case *filter.ValuePath:
		if within != nil {
			return nil, badFilter("A filter in brackets holds no other brackets.")
		}
		ref, found := c.resolve(e.AttributePath)
		if !found {
			return &directory.Condition{Op: directory.Or}, nil
		}
		if !ref.Attr.Multi || ref.Sub != nil || len(ref.Attr.Sub) == 0 {
			return nil, badFilter("%s has no values to choose from.", ref.Key())
		}
		inner, err := c.compile(e.ValueFilter, &ref)
		return &directory.Condition{Op: directory.Any, Ref: ref, Args: []*directory.Condition{inner}}, err
	case *filter.AttributeExpression:
		op := directory.Op(e.Operator)
		if within != nil {
			ref, err := c.part(e.AttributePath, *within)
			if err != nil {
				return nil, err
			}
			return directory.Compare(ref, op, e.CompareValue)
		}
		ref, found := c.resolve(e.AttributePath)
		if found {
			return directory.Compare(ref, op, e.CompareValue)
		}
		// Of an absent attribute: eq null, and ne to any value.
		if none := e.CompareValue == nil; op == directory.Eq && none || op == directory.Ne && !none {
			return &directory.Condition{Op: directory.And}, nil
		}
		return &directory.Condition{Op: directory.Or}, nil
	}
	return nil, badFilter("The filter does not parse.")
}

func (c compiler) all(op directory.Op, within *directory.Ref, parts ...filter.Expression) (*directory.Condition, error) {
	out := &directory.Condition{Op: op, Args: make([]*directory.Condition, len(parts))}
	for i, part := range parts {
		var err error
		if out.Args[i], err = c.compile(part, within); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (c compiler) resolve(path filter.AttributePath) (directory.Ref, bool) {
	ref, found := c.Resolve(path.URI(), path.AttributeName, path.SubAttributeName())
	if !found {
		c.lacks[path.String()] = true
	}
	return ref, found
}

func (c compiler) part(path filter.AttributePath, within directory.Ref) (directory.Ref, error) {
	if path.URIPrefix == nil && path.SubAttribute == nil {
		if ref, found := c.Resolve(within.Schema, within.Attr.Name, path.AttributeName); found {
			return ref, nil
		}
	}
	return directory.Ref{}, badFilter("%q is no part of %s.", clip(path.String()), within.Key())
}

// targetOf reads the path of a PATCH operation on a kind. An unknown attribute is Invalid with code invalid_path.
func targetOf(t directory.Type, s string) (directory.Target, error) {
	if urn, ok := t.Extension(s); ok {
		return directory.Target{Ref: directory.Ref{Schema: urn}}, nil
	}
	path, err := parsePath(s)
	if err != nil {
		return directory.Target{}, err
	}
	bad := func(format string, args ...any) error {
		return account.Errorf(account.Invalid, format, args...).Coded(directory.CodePath)
	}
	sub := path.AttributePath.SubAttributeName()
	if path.SubAttribute != nil {
		if sub != "" {
			return directory.Target{}, bad("The path %q names a part twice.", clip(s))
		}
		sub = *path.SubAttribute
	}
	ref, found := t.Resolve(path.AttributePath.URI(), path.AttributePath.AttributeName, sub)
	if !found {
		return directory.Target{}, bad("%q is no attribute of a %s.", clip(s), t.Kind)
	}
	out := directory.Target{Ref: ref}
	if path.ValueExpression != nil {
		if !ref.Attr.Multi {
			return out, bad("%s has no values to choose from.", ref.Attr.Name)
		}
		whole := directory.Ref{Schema: ref.Schema, Attr: ref.Attr}
		out.Where, err = compiler{Type: t, lacks: map[string]bool{}}.compile(path.ValueExpression, &whole)
	}
	return out, err
}
