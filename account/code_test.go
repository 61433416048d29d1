package account

import (
	"slices"
	"strings"
	"testing"
)

// REQ G-23
func TestCodesAreReadOneByOne(t *testing.T) {
	for text, want := range map[string][]string{
		"A1, B2,,C3":            {"A1", "B2", "C3"},
		" a1 ":                  {"A1"},
		"a-1 2\nb2;c3\r\n,,, ":  {"A12", "B2", "C3"},
		"A1,A1":                 {"A1", "A1"},
		"x":                     {""}, // too short
		"ok1, ü, <b>":           {"OK1", "", ""},
		strings.Repeat("9", 65): {""},
	} {
		got, err := ParseCodes(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		var plain []string
		for _, c := range got {
			plain = append(plain, c.Plain)
		}
		if !slices.Equal(plain, want) {
			t.Errorf("%q is read as %q, want %q", text, plain, want)
		}
	}
	if _, err := ParseCodes(" , ,\n"); KindOf(err) != Invalid {
		t.Errorf("nothing is read as something: %v", err)
	}
	if _, err := ParseCodes(strings.Repeat("A1,", MostCodes)); err != nil {
		t.Errorf("as many as may be: %v", err)
	}
	if _, err := ParseCodes(strings.Repeat("A1,", MostCodes+1)); KindOf(err) != TooLarge {
		t.Errorf("too many: %v", err)
	}
}

func FuzzParseCodes(f *testing.F) {
	f.Add("A1, B2,,C3")
	f.Add("\x00,\xff;\u2013 a\u00a0b")
	f.Fuzz(func(t *testing.T, text string) {
		codes, err := ParseCodes(text)
		if err != nil && codes != nil {
			t.Errorf("%q: %v and %v", text, codes, err)
		}
		if len(codes) > MostCodes {
			t.Errorf("%d codes", len(codes))
		}
		for _, c := range codes {
			if c.Typed == "" || len(c.Typed) > 2*longestCode+len("…") || c.Plain != "" && PlainCode(c.Plain) != c.Plain {
				t.Errorf("%q: %+v", text, c)
			}
		}
	})
}
