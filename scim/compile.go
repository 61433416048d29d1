package scim

import (
	filter "github.com/scim2/filter-parser/v2"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/directory"
)

func badFilter(format string, args ...any) error {
	return account.Errorf(account.Invalid, format, args...).Coded(directory.CodeFilter)
}

// conditionOf reads a filter about resources of a kind.
func conditionOf(k directory.Kind, s string) (*directory.Condition, error) {
	e, err := parseFilter(s)
	if err != nil {
		return nil, err
	}
	return compile(k, e, nil)
}

// compile turns the library's tree into ours, whose attributes are known. within is the multi-valued attribute whose parts the
// tree speaks of; nil for that of a whole resource.
func compile(k directory.Kind, e filter.Expression, within *directory.Ref) (*directory.Condition, error) {
	switch e := e.(type) {
	case *filter.LogicalExpression:
		op := directory.And
		if e.Operator == filter.OR {
			op = directory.Or
		}
		return compileAll(k, op, within, e.Left, e.Right)
	case *filter.NotExpression:
		return compileAll(k, directory.Not, within, e.Expression)
	case *filter.ValuePath:
		if within != nil {
			return nil, badFilter("A filter in brackets holds no other brackets.")
		}
		ref, err := resolve(k, e.AttributePath)
		if err != nil {
			return nil, err
		}
		if !ref.Attr.Multi || ref.Sub != nil || len(ref.Attr.Sub) == 0 {
			return nil, badFilter("%s has no values to choose from.", ref.Key())
		}
		c, err := compile(k, e.ValueFilter, &ref)
		return &directory.Condition{Op: directory.Any, Ref: ref, Args: []*directory.Condition{c}}, err
	case *filter.AttributeExpression:
		ref, err := resolveWithin(k, e.AttributePath, within)
		if err != nil {
			return nil, err
		}
		return directory.Compare(ref, directory.Op(e.Operator), e.CompareValue)
	}
	return nil, badFilter("The filter does not parse.")
}

func compileAll(k directory.Kind, op directory.Op, within *directory.Ref, parts ...filter.Expression) (*directory.Condition, error) {
	out := &directory.Condition{Op: op, Args: make([]*directory.Condition, len(parts))}
	for i, part := range parts {
		var err error
		if out.Args[i], err = compile(k, part, within); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func resolve(k directory.Kind, path filter.AttributePath) (directory.Ref, error) {
	ref, found := directory.Resolve(k, path.URI(), path.AttributeName, path.SubAttributeName())
	if !found {
		return ref, badFilter("%q is no attribute of a %s.", clip(path.String()), k)
	}
	return ref, nil
}

func resolveWithin(k directory.Kind, path filter.AttributePath, within *directory.Ref) (directory.Ref, error) {
	if within == nil {
		return resolve(k, path)
	}
	if path.URIPrefix == nil && path.SubAttribute == nil {
		if ref, found := directory.Resolve(k, within.Schema, within.Attr.Name, path.AttributeName); found {
			return ref, nil
		}
	}
	return directory.Ref{}, badFilter("%q is no part of %s.", clip(path.String()), within.Key())
}

// targetOf reads the path of a PATCH operation on a kind. An unknown attribute is Invalid with code invalid_path.
func targetOf(k directory.Kind, s string) (directory.Target, error) {
	if urn, ok := directory.Extension(k, s); ok {
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
	ref, found := directory.Resolve(k, path.AttributePath.URI(), path.AttributePath.AttributeName, sub)
	if !found {
		return directory.Target{}, bad("%q is no attribute of a %s.", clip(s), k)
	}
	t := directory.Target{Ref: ref}
	if path.ValueExpression != nil {
		if !ref.Attr.Multi {
			return t, bad("%s has no values to choose from.", ref.Attr.Name)
		}
		whole := directory.Ref{Schema: ref.Schema, Attr: ref.Attr}
		t.Where, err = compile(k, path.ValueExpression, &whole)
	}
	return t, err
}
