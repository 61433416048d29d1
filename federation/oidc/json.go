package oidc

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxDepth is how deeply a provider's JSON may nest (OIDC-D1).
const maxDepth = 64

// object is a JSON object as a provider sent it: numbers are json.Number, arrays []any.
type object = map[string]any

// readObject reads exactly one JSON object. Unlike encoding/json alone it refuses a repeated member
// (RFC 7519 §4 leaves the choice; two readers must not see two tokens in one) and bounds the depth.
func readObject(data []byte) (object, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	first, err := d.Token()
	if err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if first != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	o, err := readMembers(d, 1)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON object")
	}
	return o, nil
}

func readMembers(d *json.Decoder, depth int) (object, error) {
	o := object{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		key, _ := name.(string)
		if _, twice := o[key]; twice {
			return nil, fmt.Errorf("member %q is there twice", clip(key, 60))
		}
		if o[key], err = readValue(d, depth); err != nil {
			return nil, err
		}
	}
	_, err := d.Token()
	return o, err
}

func readValue(d *json.Decoder, depth int) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	open, nested := t.(json.Delim)
	switch {
	case !nested:
		return t, nil
	case depth >= maxDepth:
		return nil, fmt.Errorf("nested deeper than %d", maxDepth)
	case open == '{':
		return readMembers(d, depth+1)
	}
	list := []any{}
	for d.More() {
		v, err := readValue(d, depth+1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	_, err = d.Token()
	return list, err
}

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

// texts reads a member that is a string or an array of strings, as aud and amr may be; ok is false for
// every other shape, and for an absent member.
func texts(v any) (list []string, ok bool) {
	switch v := v.(type) {
	case string:
		return []string{v}, true
	case []any:
		for _, e := range v {
			s, isText := e.(string)
			if !isText {
				return nil, false
			}
			list = append(list, s)
		}
		return list, true
	}
	return nil, false
}

// clip makes a stranger's text fit for a page or a log line: at most n bytes, no control characters.
func clip(s string, n int) string {
	cut := len(s) > n
	if cut {
		s = s[:n]
	}
	s = strings.Map(func(r rune) rune {
		if r < 0x20 || (r >= 0x7f && r < 0xa0) || r == '\u2028' || r == '\u2029' || (r >= 0x202a && r <= 0x202e) || (r >= 0x2066 && r <= 0x2069) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	if cut {
		s += "…"
	}
	return s
}

// rawURL is base64url without padding, as JOSE writes it (RFC 7515 §2).
var rawURL = base64.RawURLEncoding.Strict()
