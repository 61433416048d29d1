package set

import (
	"slices"

	"github.com/drawbridge-id/drawbridge/account"
)

// shape is what a format of RFC 9493 and its neighbours consists of: members that have to be there, and members that may.
type shape struct{ must, may []string }

// shapes are the simple formats: RFC 9493 §3.2, SSF 1.0 §3.2 (jwt_id, saml_assertion_id), RFC 9967 §2.1 (scim), and Google's.
var shapes = map[string]shape{
	account.SubjectAccount:       {must: []string{"uri"}},
	account.SubjectEmail:         {must: []string{"email"}},
	account.SubjectIssSub:        {must: []string{"iss", "sub"}},
	account.SubjectOpaque:        {must: []string{"id"}},
	account.SubjectPhone:         {must: []string{"phone_number"}},
	account.SubjectDID:           {must: []string{"url"}},
	account.SubjectURI:           {must: []string{"uri"}},
	account.SubjectJWTID:         {must: []string{"iss", "jti"}},
	account.SubjectSAMLAssertion: {must: []string{"issuer", "assertion_id"}},
	account.SubjectSCIM:          {must: []string{"uri"}, may: []string{"externalId", "id"}},
	account.SubjectIDTokenClaims: {may: []string{"iss", "sub", "email"}},
	account.SubjectOAuthToken:    {must: []string{"token"}, may: []string{"token_type", "token_identifier_alg"}},
}

// members are those of a complex subject that we know (SSF 1.0 §3.3); others are ignored.
var members = []string{"user", "device", "session", "application", "tenant", "org_unit", "group"}

const (
	maxValue       = 4096 // bytes of one member
	maxIdentifiers = 64
)

// Subject reads one subject identifier (RFC 9493 §3), with the habits of senders: subject_type for format, hyphens in
// iss-sub, and complex subjects without a format. A format that is not known is kept by its name alone. Errors are *Error.
func Subject(v any) (account.SubjectID, error) { return readSubject(v, false) }

func badSubject() *Error {
	return refuse(InvalidRequest, "A subject lacks what its format needs, or holds something else.")
}

func readSubject(v any, nested bool) (account.SubjectID, error) {
	o, ok := v.(map[string]any)
	if !ok {
		return account.SubjectID{}, badSubject()
	}
	format, ok := formatOf(o)
	if !ok {
		return account.SubjectID{}, badSubject()
	}
	s := account.SubjectID{Format: format}
	var err error
	switch form, simple := shapes[format]; {
	case simple:
		s.Values, err = form.read(o)
		if err == nil && len(s.Values) == 0 {
			err = badSubject()
		}
	case nested && (format == account.SubjectAliases || format == account.SubjectComplex): // RFC 9493 §3.2.8: no nesting
		err = badSubject()
	case format == account.SubjectAliases:
		s.Identifiers, err = readIdentifiers(o["identifiers"])
	case format == account.SubjectComplex:
		s.Members, err = readMembers(o)
	case format == account.SubjectIPs:
		s.Addresses, err = readAddresses(o[account.SubjectIPs])
	}
	return s, err
}

// formatOf is a subject's format in today's spelling. What has none and only members that are objects is complex.
func formatOf(o map[string]any) (string, bool) {
	v, has := o["format"]
	if !has {
		v, has = o["subject_type"]
	}
	if !has {
		return account.SubjectComplex, slices.ContainsFunc(members, func(name string) bool { _, ok := o[name].(map[string]any); return ok })
	}
	format, ok := v.(string)
	switch format {
	case "iss-sub":
		format = account.SubjectIssSub
	case "id-token-claims":
		format = account.SubjectIDTokenClaims
	case "oauth-token":
		format = account.SubjectOAuthToken
	case "phone", "phone-number":
		format = account.SubjectPhone
	case "jwt-id":
		format = account.SubjectJWTID
	case "saml-assertion-id":
		format = account.SubjectSAMLAssertion
	}
	return format, ok && format != "" && len(format) <= 128 && printable(format)
}

func (f shape) read(o map[string]any) (map[string]string, error) {
	values := map[string]string{}
	for i, name := range slices.Concat(f.must, f.may) {
		v, has := o[name]
		if !has && i >= len(f.must) {
			continue
		}
		// Google spells the phone number of its old format phone.
		if !has && name == "phone_number" {
			v = o["phone"]
		}
		text, ok := v.(string)
		if !ok || text == "" || len(text) > maxValue || !printable(text) {
			return nil, badSubject()
		}
		values[name] = text
	}
	return values, nil
}

func readIdentifiers(v any) ([]account.SubjectID, error) {
	list, _ := v.([]any)
	if len(list) == 0 || len(list) > maxIdentifiers {
		return nil, badSubject()
	}
	var out []account.SubjectID
	for _, e := range list {
		s, err := readSubject(e, true)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

func readMembers(o map[string]any) (map[string]account.SubjectID, error) {
	out := map[string]account.SubjectID{}
	for _, name := range members {
		v, has := o[name]
		if !has {
			continue
		}
		s, err := readSubject(v, true)
		if err != nil {
			return nil, err
		}
		out[name] = s
	}
	if len(out) == 0 {
		return nil, badSubject()
	}
	return out, nil
}

func readAddresses(v any) ([]string, error) {
	list, _ := v.([]any)
	if len(list) == 0 || len(list) > maxIdentifiers {
		return nil, badSubject()
	}
	var out []string
	for _, e := range list {
		text, ok := e.(string)
		if !ok || text == "" || len(text) > 64 || !printable(text) {
			return nil, badSubject()
		}
		out = append(out, text)
	}
	return out, nil
}

// SubjectClaims writes a subject identifier as JSON members, the inverse of Subject.
func SubjectClaims(s account.SubjectID) map[string]any {
	o := map[string]any{"format": s.Format}
	for name, v := range s.Values {
		o[name] = v
	}
	for name, m := range s.Members {
		o[name] = SubjectClaims(m)
	}
	if len(s.Identifiers) > 0 {
		var list []any
		for _, i := range s.Identifiers {
			list = append(list, SubjectClaims(i))
		}
		o["identifiers"] = list
	}
	if len(s.Addresses) > 0 {
		var list []any
		for _, a := range s.Addresses {
			list = append(list, a)
		}
		o[account.SubjectIPs] = list
	}
	return o
}
