package estate

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/drawbridge-id/drawbridge/account"
)

// MaxSize bounds an estate or catalogue file, in bytes.
const MaxSize = 8 << 20

// maxDepth bounds nesting: the files have a handful of levels.
const maxDepth = 40

// document knows on which line of a YAML text each value stands, and collects problems.
type document struct {
	lines    map[string]int // by path, "$.accounts[0].name"
	problems []error
}

// bad records a problem at a path; the line is that of the deepest part of it that exists.
func (d *document) bad(path, format string, args ...any) *account.Error {
	e := account.Errorf(account.Invalid, format, args...)
	d.add(path, e)
	return e
}

// add records e, and every error joined in it, with the line of path.
func (d *document) add(path string, err error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			d.add(path, e)
		}
		return
	}
	d.problems = append(d.problems, &Problem{Line: d.line(path), Path: path, Err: err})
}

func (d *document) line(path string) int {
	for path != "" {
		if n, ok := d.lines[path]; ok {
			return n
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
	return 1
}

// A Problem is one thing that is wrong with a file, with the line to look at.
type Problem struct {
	Line int
	Path string // for instance "$.accounts[0].rules[2].groups"
	Err  error
}

func (p *Problem) Error() string { return fmt.Sprintf("line %d: %v", p.Line, p.Err) }

// Unwrap gives the *account.Error.
func (p *Problem) Unwrap() error { return p.Err }

// Problems lists what Parse, Resolve or ParseCatalogue found, in the order of lines.
func Problems(err error) []*Problem {
	var out []*Problem
	var walk func(error)
	walk = func(err error) {
		if p, ok := err.(*Problem); ok {
			out = append(out, p)
			return
		}
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			for _, e := range joined.Unwrap() {
				walk(e)
			}
		}
	}
	walk(err)
	slices.SortStableFunc(out, func(a, b *Problem) int { return a.Line - b.Line })
	return out
}

// key builds a path: names become ".name", numbers "[n]".
func key(path string, parts ...any) string {
	for _, p := range parts {
		switch p := p.(type) {
		case int:
			path += "[" + strconv.Itoa(p) + "]"
		case string:
			path += "." + p
		}
	}
	return path
}

// decode reads exactly one YAML document into into, strictly: unknown and repeated fields are
// refused, all of them at once, with their lines.
func decode(data []byte, into any) (d *document, err error) {
	defer func() {
		// A fuzzer found panics in the library; a file must not end the program that reads it.
		if r := recover(); r != nil {
			e := account.Errorf(account.Invalid, "The YAML library gave up on this file.").Because(fmt.Errorf("panic: %v", r))
			d, err = nil, &Problem{Line: 1, Path: "$", Err: e}
		}
	}()
	if len(data) > MaxSize {
		return nil, account.Errorf(account.TooLarge, "The file has more than %d bytes.", MaxSize)
	}
	if deep(data) {
		return nil, &Problem{Line: 1, Path: "$", Err: account.Errorf(account.Invalid, "The file is nested more than %d levels deep.", maxDepth)}
	}
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, plain(err)
	}
	if len(file.Docs) > 1 {
		return nil, &Problem{Line: 1, Path: "$", Err: account.Errorf(account.Invalid, "The file has %d YAML documents (separated by ---); expected one.", len(file.Docs))}
	}
	d = &document{lines: map[string]int{}}
	if len(file.Docs) == 1 && file.Docs[0].Body != nil {
		d.walk(file.Docs[0].Body, reflect.TypeOf(into), "$")
	}
	if len(d.problems) > 0 {
		return nil, errors.Join(d.problems...)
	}
	if err := yaml.UnmarshalWithOptions(data, into, yaml.Strict()); err != nil {
		return nil, plain(err)
	}
	return d, nil
}

// deep is a cheap guard before a recursive parser: nesting by brackets, dashes or indentation.
func deep(data []byte) bool {
	depth := 0
	for line := range strings.Lines(string(data)) {
		body := strings.TrimLeft(line, " \t-?:")
		lead := line[:len(line)-len(body)]
		if len(lead)-strings.Count(lead, " ") > maxDepth || len(lead) > 20*maxDepth {
			return true
		}
		for _, b := range body {
			switch b {
			case '[', '{':
				depth++
			case ']', '}':
				depth = max(0, depth-1)
			}
			if depth > maxDepth {
				return true
			}
		}
	}
	return false
}

var position = regexp.MustCompile(`^\[(\d+):\d+\] (.*)`)

// plain turns the library's error, which shows the source around it, into one line with its number.
func plain(err error) error {
	var mismatch *yaml.TypeError
	if errors.As(err, &mismatch) && mismatch.Token != nil && mismatch.DstType != nil {
		e := account.Errorf(account.Invalid, "Expected %s here, found %s.", inWords(mismatch.DstType), inWords(mismatch.SrcType))
		return &Problem{Line: mismatch.Token.Position.Line, Path: "$", Err: e}
	}
	var shape *yaml.UnexpectedNodeTypeError
	if errors.As(err, &shape) && shape.Token != nil {
		e := account.Errorf(account.Invalid, "Expected %s here, found %s.", nodeInWords(shape.Expected), nodeInWords(shape.Actual))
		return &Problem{Line: shape.Token.Position.Line, Path: "$", Err: e}
	}
	text, _, _ := strings.Cut(yaml.FormatError(err, false, false), "\n")
	line := 1
	if m := position.FindStringSubmatch(text); m != nil {
		line, _ = strconv.Atoi(m[1])
		text = m[2]
	}
	e := account.Errorf(account.Invalid, "This is not the YAML that was expected: %s.", strings.TrimSuffix(text, "."))
	return &Problem{Line: line, Path: "$", Err: e}
}

// walk notes lines and reports unknown fields, following type t where it is known.
func (d *document) walk(n ast.Node, t reflect.Type, path string) {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	d.note(n, path)
	switch n := n.(type) {
	case *ast.AnchorNode:
		if n.Value != nil && len(ast.Filter(ast.AliasType, n.Value)) > 0 {
			d.bad(path, "An anchor (&) that itself holds an alias (*) is not accepted.").Fix("Spell the inner one out.")
			return
		}
		d.walk(n.Value, t, path)
	case *ast.TagNode:
		// The library panics on some tags of its own making, and this file needs none.
		d.bad(path, "A tag (!…) is not accepted here.").Fix("Put the value into quotes if it begins with an exclamation mark.")
	case *ast.MappingNode:
		for _, v := range n.Values {
			d.field(v, t, path)
		}
	case *ast.MappingValueNode:
		d.field(n, t, path)
	case *ast.SequenceNode:
		var elem reflect.Type
		if t != nil && t.Kind() == reflect.Slice {
			elem = t.Elem()
		}
		for i, v := range n.Values {
			d.walk(v, elem, key(path, i))
		}
	}
}

func (d *document) note(n ast.Node, path string) {
	if n == nil || n.GetToken() == nil || n.GetToken().Position == nil {
		return
	}
	if _, known := d.lines[path]; !known {
		d.lines[path] = n.GetToken().Position.Line
	}
}

func (d *document) field(v *ast.MappingValueNode, t reflect.Type, path string) {
	if v.Key == nil || v.Key.IsMergeKey() || v.Key.GetToken() == nil {
		return
	}
	name := v.Key.GetToken().Value
	at := key(path, name)
	d.note(v.Key, at)
	var of reflect.Type
	if t != nil {
		switch t.Kind() {
		case reflect.Map:
			of = t.Elem()
		case reflect.Struct:
			known := fields(t)
			var ok bool
			if of, ok = known[name]; !ok && len(known) > 0 {
				e := d.bad(at, "There is no field %q here.", name)
				e.Fix("Known are: %s.", strings.Join(names(known), ", "))
				return
			}
		}
	}
	d.walk(v.Value, of, at)
}

// fields are the YAML names of a struct, inlined ones included.
func fields(t reflect.Type) map[string]reflect.Type {
	out := map[string]reflect.Type{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case options == "inline":
			for n, inner := range fields(f.Type) {
				out[n] = inner
			}
		case name != "" && name != "-":
			out[name] = f.Type
		}
	}
	return out
}

func names(m map[string]reflect.Type) []string {
	out := make([]string, 0, len(m))
	for n := range m {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

// inWords says what a Go type looks like in the file.
func inWords(t reflect.Type) string {
	if t == nil {
		return "something else"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return inWords(t.Elem())
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Map, reflect.Struct:
		return "fields with values"
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a text"
	case reflect.Int64:
		if t == reflect.TypeFor[time.Duration]() {
			return "a duration such as 3m or 12h"
		}
	}
	return "a number"
}

func nodeInWords(t ast.NodeType) string {
	switch t {
	case ast.SequenceType:
		return "a list"
	case ast.MappingType, ast.MappingValueType:
		return "fields with values"
	case ast.StringType, ast.LiteralType:
		return "a text"
	case ast.BoolType:
		return "true or false"
	}
	return "a " + strings.ToLower(t.String())
}
