package scim

import (
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	filter "github.com/scim2/filter-parser/v2"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/directory"
)

var seeds = []string{
	`userName eq "ana"`, `USERNAME Eq "a\"b\\c"`, `title pr and (userType eq "Employee" or not (active eq true))`, `not(title pr)`,
	`emails[type eq "work" and value co "@acme.example"]`, `urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value eq "x"`,
	`meta.lastModified gt "2026-01-02T03:04:05Z"`, `a eq 5`, `a eq -1.5e3`, `a eq null`, `a eq true and b eq false or c pr`, `emails[type eq "a"] and b pr`,
	`a`, `a eq`, `a xx "b"`, `a eq "b`, `(a pr`, `a pr)`, `()`, `a pr "x"`, `not a pr`, `a eq "b" and`, `emails[`, `emails[type eq "x"`, `a.b.c pr`, `$ref eq "x"`, `a-b_1 pr`, ``,
}

// The library's parser is the oracle, within the sizes that it stands: what both take means the same, and what it takes we take.
func FuzzTheFilterMeansWhatTheLibrarySays(f *testing.F) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ours, err := parseFilter(s)
		if len(s) > 200 || strings.Count(s, "(") > 20 || strings.Count(s, "[") > 20 || strings.ContainsAny(s, "\\\x00") || !utf8.ValidString(s) {
			return // the library keeps escapes as they are, and ends the process when nested too deep
		}
		theirs, theirErr := libraryParse(s)
		if theirErr != nil || err != nil {
			if theirErr == nil && !acceptedDifference(s) {
				t.Fatalf("%q: the library takes it, we say %v", s, err)
			}
			return
		}
		if a, b := plain(ours), plain(theirs); !reflect.DeepEqual(a, b) {
			t.Fatalf("%q:\n  ours   %v\n  theirs %v", s, a, b)
		}
	})
}

// libraryParse guards against its panics.
func libraryParse(s string) (e filter.Expression, err error) {
	defer func() {
		if recover() != nil {
			err = badFilter("panic")
		}
	}()
	return filter.ParseFilter([]byte(s))
}

// acceptedDifference: what the library takes and JSON or RFC 7643 does not.
func acceptedDifference(s string) bool {
	for _, r := range s {
		if r < ' ' || r > '~' {
			return true // control characters in strings, and bytes that are no text
		}
	}
	for _, number := range strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(" ()[]", r) }) {
		if c := number[0]; c == '-' || c >= '0' && c <= '9' {
			return true // numbers too large for JSON's readers
		}
	}
	return strings.Contains(s, ":") || strings.Contains(strings.ToLower(s), "not") // its URNs may be anything; its attribute may be called not
}

// plain is a tree without pointers, numbers as one type.
func plain(e filter.Expression) any {
	switch e := e.(type) {
	case *filter.LogicalExpression:
		return []any{string(e.Operator), plain(e.Left), plain(e.Right)}
	case *filter.NotExpression:
		return []any{"not", plain(e.Expression)}
	case *filter.ValuePath:
		return []any{"[]", e.AttributePath.String(), plain(e.ValueFilter)}
	case *filter.AttributeExpression:
		v := e.CompareValue
		if n, ok := v.(int); ok {
			v = float64(n)
		}
		return []any{e.AttributePath.String(), string(e.Operator), v}
	}
	return nil
}

var people = directory.Type{Kind: directory.User}

func FuzzAPathNeverEndsTheProcess(f *testing.F) {
	for _, s := range append(seeds, `members[value eq "]"]`, `emails[type eq "work"].value`, `name.givenName`, `urn:ietf:params:scim:schemas:extension:enterprise:2.0:User`) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, k := range []directory.Type{people, {Kind: directory.Group}} {
			if _, err := targetOf(k, s); err != nil && account.KindOf(err) != account.Invalid {
				t.Fatalf("%q: %v", s, err)
			}
			if _, err := conditionOf(k, s); err != nil && account.KindOf(err) != account.Invalid {
				t.Fatalf("%q: %v", s, err)
			}
		}
	})
}

// FuzzAPatchNeverEndsTheProcess reads whole messages and applies them.
func FuzzAPatchNeverEndsTheProcess(f *testing.F) {
	f.Add(`{"Operations":[{"op":"Add","path":"emails[type eq \"work\"].value","value":"x"},{"op":"replace","value":{"name.givenName":"a","active":"False"}}]}`)
	f.Add(`{"Operations":[{"op":"remove","path":"name.givenName"},{"op":"add","path":"roles[primary eq \"True\"].value","value":"r"}]}`)
	f.Add(`{"Operations":[{"op":"add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User","value":{"manager":[{"value":"x"}]}},{"op":"remove","path":"emails.type"}]}`)
	before := directory.Document{"userName": "a", "name": map[string]any{"givenName": "x"}, "emails": []any{map[string]any{"value": "v", "type": "work"}}}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := object([]byte(s))
		if err != nil {
			return
		}
		ops, _, err := readPatch(people, m)
		if err != nil {
			return
		}
		p, err := people.Apply(before, ops)
		if err != nil {
			return
		}
		for _, v := range people.Values(p.Document) {
			if v.Key == "" {
				t.Fatalf("a value without a key: %+v", v)
			}
		}
		again, err := people.Read(p.Document.Clone())
		if err != nil || !again.Document.Equal(p.Document) {
			t.Fatalf("what a patch makes does not read back: %v\n%v\n%v", err, p.Document, again.Document)
		}
	})
}

// INTEROP M12: filters that the library's own server refuses.
func TestFiltersThatProvidersSend(t *testing.T) {
	for _, s := range []string{`externalId eq "x"`, `id eq "x"`, `meta.lastModified ge "2026-01-01T00:00:00.123+02:00"`, `emails[type eq "work"].value eq "x"`, `roles[primary eq "True"].value eq "x"`,
		`userName eq "a" and urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department co "b"`, `schemas eq "u"`, `userName eq "\u00e9"`, `groups.value eq "g"`, `userName eq null`} {
		if _, err := conditionOf(people, s); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
	for _, s := range []string{`id eq "g" and members eq "u"`, `members[value eq "u"]`, `displayName eq "and ] ( not"`} {
		if _, err := conditionOf(directory.Type{Kind: directory.Group}, s); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
}
