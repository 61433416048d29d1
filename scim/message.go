package scim

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/directory"
)

// The URNs of messages (RFC 7644 §8.2).
const (
	listURN   = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
	patchURN  = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
	searchURN = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"

	bulkURN         = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
	bulkResponseURN = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"
)

const mostOperations = 1000

func badSyntax(format string, args ...any) *account.Error {
	return account.Errorf(account.Invalid, format, args...).Coded(directory.CodeSyntax)
}

// object reads a body that is one JSON object.
func object(body []byte) (map[string]any, error) {
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		return nil, badSyntax("The body is no JSON: %v.", err)
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, badSyntax("The body is a JSON object.")
	}
	return m, nil
}

// get reads a member of a message, whose name is read without regard to letter case (RFC 7643 §2.1).
func get(m map[string]any, name string) (v any, given bool) {
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if strings.EqualFold(key, name) {
			return m[key], true
		}
	}
	return nil, false
}

// says reports whether a message names a schema; given is whether it names any.
func says(m map[string]any, urn string) (yes, given bool) {
	v, _ := get(m, "schemas")
	list, _ := v.([]any)
	for _, e := range list {
		if s, ok := e.(string); ok && strings.EqualFold(s, urn) {
			yes = true
		}
	}
	return yes, len(list) > 0
}

// readResource reads the body of a POST or PUT.
func readResource(t directory.Type, m map[string]any) (directory.Reading, error) {
	body := maps.Clone(m)
	for key := range body {
		if strings.EqualFold(key, "schemas") {
			delete(body, key)
		}
	}
	// RFC 7643 §3: schemas is required.
	if yes, _ := says(m, directory.SchemaOf(t.Kind).URN); !yes {
		return directory.Reading{}, badSyntax("schemas has to name %s.", directory.SchemaOf(t.Kind).URN)
	}
	return t.Read(body)
}

// readPatch reads the message of a PATCH (RFC 7644 §3.5.2) into operations that all have a path: an object without one stands for one
// operation per key, which may be dotted or begin with a URN, as Entra sends them.
func readPatch(t directory.Type, m map[string]any) (out []directory.Operation, notes []string, err error) {
	switch yes, given := says(m, patchURN); {
	case !given:
		notes = append(notes, "The message names no schema.")
	case !yes:
		return nil, nil, badSyntax("schemas has to name %s.", patchURN)
	}
	v, _ := get(m, "Operations")
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		return nil, nil, badSyntax("A PATCH has a list of Operations that is not empty.")
	}
	if len(list) > mostOperations {
		return nil, nil, badSyntax("A PATCH has at most %d operations.", mostOperations)
	}
	for i, e := range list {
		op, ok := e.(map[string]any)
		if !ok {
			return nil, nil, badSyntax("Operation %d is no object.", i+1)
		}
		some, more, err := readOperation(t, op)
		if err != nil {
			return nil, nil, err
		}
		out, notes = append(out, some...), append(notes, more...)
	}
	return out, notes, nil
}

func readOperation(t directory.Type, m map[string]any) ([]directory.Operation, []string, error) {
	word, _ := get(m, "op")
	name, _ := word.(string)
	o := directory.Operation{Op: directory.PatchOp(strings.ToLower(name))}
	switch o.Op {
	case directory.OpAdd, directory.OpReplace, directory.OpRemove:
	default:
		return nil, nil, badSyntax("op is add, replace or remove, and not %q.", clip(fmt.Sprint(word)))
	}
	o.Value, o.Given = get(m, "value")
	path, given := get(m, "path")
	text, ok := path.(string)
	if given && path != nil && !ok {
		return nil, nil, account.Errorf(account.Invalid, "path is a string.").Coded(directory.CodePath)
	}
	if text != "" {
		to, err := targetOf(t, text)
		o.Target = &to
		return []directory.Operation{o}, nil, err
	}
	if o.Op == directory.OpRemove {
		return []directory.Operation{o}, nil, nil
	}
	body, ok := o.Value.(map[string]any)
	if !ok {
		return nil, nil, account.Errorf(account.Invalid, "Without a path the value is an object.").Coded(directory.CodeValue)
	}
	return spread(t, o.Op, body)
}

// spread makes an operation of each key. Unknown keys are noted and left out, since one of them should not keep the known ones from
// being applied.
func spread(t directory.Type, op directory.PatchOp, body map[string]any) (out []directory.Operation, notes []string, err error) {
	for _, key := range slices.Sorted(maps.Keys(body)) {
		value := body[key]
		to, err := targetOf(t, key)
		if err != nil {
			if account.KindOf(err) != account.Invalid {
				return nil, nil, err
			}
			notes = append(notes, fmt.Sprintf("%q is no attribute of a %s and was ignored.", clip(key), t.Kind))
			continue
		}
		out = append(out, directory.Operation{Op: op, Target: &to, Value: value, Given: true, Loose: true})
	}
	return out, notes, nil
}

// redact is a body as the request log keeps it: passwords are masked wherever they stand, and masked says that there were some.
func redact(v any, was *bool) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, e := range v {
			path, _ := e.(string)
			if strings.Contains(strings.ToLower(key), "password") {
				out[key], *was = "••••", true
				continue
			}
			if strings.EqualFold(key, "path") && strings.Contains(strings.ToLower(path), "password") {
				masked := map[string]any{}
				for other := range v {
					masked[other] = v[other]
					if strings.EqualFold(other, "value") {
						masked[other], *was = "••••", true
					}
				}
				return masked
			}
			out[key] = redact(e, was)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = redact(e, was)
		}
		return out
	}
	return v
}
