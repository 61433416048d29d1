// Package strict reads what strangers send as JSON and as compact JWS, so that no two readers can see two
// things in one: a member that is there twice, a second spelling of the same bytes, and unbounded depth are refused.
package strict

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Object reads exactly one JSON object: numbers are json.Number, arrays []any. Unlike encoding/json alone it
// refuses a repeated member (RFC 7519 §4 leaves the choice; two readers must not see two tokens in one) and what is
// nested deeper than depth; an object without objects or arrays in it has depth 1.
func Object(data []byte, depth int) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	first, err := d.Token()
	if err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if first != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	o, err := readMembers(d, depth)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON object")
	}
	return o, nil
}

// left is how deep the object may be, itself included.
func readMembers(d *json.Decoder, left int) (map[string]any, error) {
	o := map[string]any{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, err
		}
		key, _ := name.(string)
		if _, twice := o[key]; twice {
			return nil, fmt.Errorf("member %q is there twice", Clip(key, 60))
		}
		if o[key], err = readValue(d, left); err != nil {
			return nil, err
		}
	}
	_, err := d.Token()
	return o, err
}

func readValue(d *json.Decoder, left int) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	open, nested := t.(json.Delim)
	switch {
	case !nested:
		return t, nil
	case left <= 1:
		return nil, errors.New("nested too deeply")
	case open == '{':
		return readMembers(d, left-1)
	}
	list := []any{}
	for d.More() {
		v, err := readValue(d, left-1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	_, err = d.Token()
	return list, err
}

// Texts reads a member that is a string or an array of strings, as aud and amr may be; ok is false for
// every other shape, and for an absent member.
func Texts(v any) (list []string, ok bool) {
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

// Clip makes a stranger's text fit for a page or a log line: at most n bytes, no control characters.
func Clip(s string, n int) string {
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
