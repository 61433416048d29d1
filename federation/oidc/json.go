package oidc

import (
	"strings"

	"github.com/drawbridge-id/drawbridge/strict"
)

// maxDepth is how deeply a provider's JSON may nest (OIDC-D1).
const maxDepth = 64

// object is a JSON object as a provider sent it: numbers are json.Number, arrays []any.
type object = map[string]any

func readObject(data []byte) (object, error) { return strict.Object(data, maxDepth) }

// tokenHeader reads the header of a token of at most maxIDToken bytes.
func tokenHeader(raw string) (object, error) { return strict.JWSHeader(raw, maxIDToken, maxDepth) }

// lookup finds a value by claim name or, when where begins with a slash, by JSON pointer (RFC 6901).
// A name may hold dots and slashes elsewhere: https://acme.example/groups is a name.
func lookup(o object, where string) (any, bool) {
	if !strings.HasPrefix(where, "/") {
		v, ok := o[where]
		return v, ok
	}
	var at any = o
	for _, step := range strings.Split(where[1:], "/") {
		step = unescape.Replace(step)
		switch node := at.(type) {
		case object:
			next, ok := node[step]
			if !ok {
				return nil, false
			}
			at = next
		case []any:
			i, ok := index(step, len(node))
			if !ok {
				return nil, false
			}
			at = node[i]
		default:
			return nil, false
		}
	}
	return at, true
}

// RFC 6901 §4: ~1 first, then ~0; a replacer never looks at its own output.
var unescape = strings.NewReplacer("~1", "/", "~0", "~")

// index reads an array index as RFC 6901 §4 writes it: digits without leading zeros.
func index(s string, n int) (int, bool) {
	if s == "" || len(s) > 6 || (len(s) > 1 && s[0] == '0') {
		return 0, false
	}
	i := 0
	for _, c := range s {
		if c < '0' || c > '9' {
			return 0, false
		}
		i = i*10 + int(c-'0')
	}
	return i, i < n
}

func text(o object, name string) string { s, _ := o[name].(string); return s }

// clip makes a stranger's text fit for a page or a log line: at most n bytes, no control characters.
func clip(s string, n int) string { return strict.Clip(s, n) }
