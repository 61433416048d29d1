package oidc

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/strict"
)

// view collects what an administrator may see of an exchange: everything decoded, nothing that opens a
// door. It is the judgement's Raw.
type view struct {
	Callback  map[string]string `json:"callback,omitempty"`
	Header    object            `json:"id_token_header,omitempty"`
	Claims    object            `json:"id_token_claims,omitempty"`
	Note      string            `json:"note,omitempty"`
	Signature string            `json:"id_token_signature,omitempty"`
	Userinfo  object            `json:"userinfo,omitempty"`

	payload string // of a token that did not verify so far
}

// shown are the callback parameters that hold nothing secret; others are there by length alone.
var shown = []string{"iss", "error", "error_description", "error_uri", "session_state", "scope", "hd", "prompt", "authuser"}

func (v *view) callback(values url.Values) {
	v.Callback = map[string]string{}
	for name := range values {
		if len(v.Callback) == 30 {
			return
		}
		if slices.Contains(shown, name) {
			v.Callback[name] = clip(values.Get(name), 400)
			continue
		}
		v.Callback[clip(name, 60)] = fmt.Sprintf("(%d characters)", len(values.Get(name)))
	}
}

// token keeps a token whose signature has not been looked at yet; String says so if it stays that way.
func (v *view) token(header object, raw string) {
	parts := strings.Split(raw, ".")
	v.Header, v.Signature, v.payload = header, fmt.Sprintf("(%d characters)", len(parts[2])), parts[1]
}

func (v *view) claims(c object) { v.Claims, v.payload = withoutSecrets(c), "" }

func (v *view) unverified() {
	v.Note = "not verified: these claims are what was received and count for nothing"
	if data, err := strict.RawURL.DecodeString(v.payload); err == nil {
		if o, err := readObject(data); err == nil {
			v.Claims = withoutSecrets(o)
		}
	}
}

func (v *view) userinfo(c object) { v.Userinfo = withoutSecrets(c) }

func (v *view) String() string {
	if v.payload != "" {
		v.unverified()
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return "{}"
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// secretNames are members whose values let somebody in, wherever they stand.
var secretNames = []string{"access_token", "refresh_token", "id_token", "code", "client_secret", "client_assertion", "password"}

// withoutSecrets copies an object with the values of secret members replaced.
func withoutSecrets(o object) object {
	out := maps.Clone(o)
	for k, v := range out {
		out[k] = withoutSecret(k, v)
	}
	return out
}

func withoutSecret(name string, v any) any {
	switch v := v.(type) {
	case object:
		return withoutSecrets(v)
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = withoutSecret(name, v[i])
		}
		return list
	}
	if slices.Contains(secretNames, name) {
		return "••••"
	}
	return v
}

// listClaims writes what a source said for people, by name. Claims are at most 512 with 200 values each
// here; a group list that is longer counts in full all the same.
func (j *judge) listClaims(o object, source string) {
	for i, name := range slices.Sorted(keysOf(o)) {
		if i == 512 {
			return
		}
		c := account.Claim{Name: clip(name, 200), Source: source}
		list, isList := o[name].([]any)
		if !isList {
			list = []any{o[name]}
		}
		for n, v := range list {
			if n == 200 {
				c.Values = append(c.Values, fmt.Sprintf("… and %d more", len(list)-n))
				break
			}
			c.Values = append(c.Values, spell(name, v))
		}
		j.out.Claims = append(j.out.Claims, c)
	}
}

// spell writes one value: texts as they are, everything else as JSON.
func spell(name string, v any) string {
	v = withoutSecret(name, v)
	if s, isText := v.(string); isText {
		return clip(s, 1000)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	return clip(string(b), 1000)
}

func keysOf[V any](m map[string]V) iter.Seq[string] { return maps.Keys(m) }
