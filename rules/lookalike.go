package rules

import (
	"strings"
	"unicode"

	"github.com/google/uuid"
	"golang.org/x/text/unicode/norm"
)

// LookAlike finds, among the values a provider really sends, the one that was probably meant by
// wanted, and says how they differ. ok is false when wanted itself was seen, or nothing is close.
func LookAlike(wanted string, seen []string) (value, why string, ok bool) {
	return newLookup(seen).near(wanted)
}

// lookup answers many look-alike questions about one list of values.
type lookup struct {
	exact map[string]int // value to its place in values
	core  map[string]string
	ids   int // how many values are object ids
	list  []string
}

func newLookup(values []string) *lookup {
	l := &lookup{exact: make(map[string]int, len(values)), core: make(map[string]string, len(values)), list: values}
	for i, v := range values {
		if _, twice := l.exact[v]; twice {
			continue
		}
		l.exact[v] = i
		for _, form := range []string{fold(v), fold(core(v))} {
			if _, taken := l.core[form]; !taken && form != "" {
				l.core[form] = v
			}
		}
		if isObjectID(v) {
			l.ids++
		}
	}
	return l
}

func (l *lookup) near(wanted string) (value, why string, ok bool) {
	if _, seen := l.exact[wanted]; seen || wanted == "" {
		return "", "", false
	}
	for _, form := range []string{fold(wanted), fold(core(wanted))} {
		if v, found := l.core[form]; found {
			return v, difference(wanted, v), true
		}
	}
	for _, v := range l.list {
		if len(wanted) > 3 && oneEdit(wanted, v) {
			return v, "one character differs", true
		}
	}
	switch {
	case len(l.list) == 0:
	case !isObjectID(wanted) && l.ids == len(l.list):
		return l.list[0], "the provider sends object ids, not names; use the id and give it an alias", true
	case isObjectID(wanted) && l.ids == 0:
		return l.list[0], "the provider sends names, not object ids", true
	}
	return "", "", false
}

// fold removes what people overlook: letter case, surrounding and repeated white space, the normal form.
func fold(s string) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || r == 0x200B || r == 0xFEFF }), " ")
	return strings.ToLower(norm.NFC.String(s))
}

// core is the name inside a path, a distinguished name, a domain-qualified name or an address.
func core(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > 3 && strings.EqualFold(s[:3], "cn=") {
		s, _, _ = strings.Cut(s[3:], ",")
	}
	s = strings.Trim(s, "/")
	if i := strings.LastIndexByte(s, '\\'); i >= 0 {
		s = s[i+1:]
	}
	if name, _, isAddress := strings.Cut(s, "@"); isAddress {
		s = name
	}
	return s
}

// difference puts into words how wanted and seen differ.
func difference(wanted, seen string) string {
	switch {
	case strings.EqualFold(wanted, seen):
		return "letter case differs"
	case strings.TrimSpace(wanted) == seen:
		return "the rule has " + blankWhere(wanted) + " that the provider does not send"
	case strings.TrimSpace(seen) == wanted:
		return "the provider sends " + blankWhere(seen)
	case strings.Trim(seen, "/") == wanted:
		return "the provider sends a leading slash"
	case strings.Trim(wanted, "/") == seen:
		return "the rule has a leading slash that the provider does not send"
	case norm.NFC.String(wanted) == norm.NFC.String(seen):
		return "the same letters in another Unicode form"
	case fold(wanted) == fold(seen):
		return "white space or letter case differs"
	case strings.HasPrefix(strings.ToLower(seen), "cn="):
		return "the provider sends a distinguished name"
	case strings.Contains(seen, "@") && !strings.Contains(wanted, "@"):
		return "the provider sends the group's address"
	case strings.Contains(seen, `\`) && !strings.Contains(wanted, `\`):
		return "the provider puts a domain in front"
	case strings.Contains(seen, "/"):
		return "the provider sends a path"
	}
	return "the same name, spelled another way"
}

func blankWhere(s string) string {
	if strings.TrimRightFunc(s, unicode.IsSpace) != s {
		return "a trailing space"
	}
	return "a leading space"
}

func isObjectID(s string) bool {
	return len(s) == 36 && uuid.Validate(s) == nil
}

// oneEdit reports whether one rune inserted, removed or replaced turns a into b.
func oneEdit(a, b string) bool {
	if d := len(a) - len(b); d > 4 || d < -4 {
		return false
	}
	if commonEnds(a, b) < min(len(a), len(b))-4 {
		return false // cheap, and nearly always the answer
	}
	x, y := []rune(a), []rune(b)
	if len(x) > len(y) {
		x, y = y, x
	}
	if len(y)-len(x) > 1 {
		return false
	}
	i := 0
	for i < len(x) && x[i] == y[i] {
		i++
	}
	if len(x) == len(y) {
		i++
		return i <= len(x) && string(x[i:]) == string(y[i:])
	}
	return string(x[i:]) == string(y[i+1:])
}

// commonEnds counts the bytes that a and b share at the front and, after those, at the end.
func commonEnds(a, b string) int {
	n, p, s := min(len(a), len(b)), 0, 0
	for p < n && a[p] == b[p] {
		p++
	}
	for s < n-p && a[len(a)-1-s] == b[len(b)-1-s] {
		s++
	}
	return p + s
}
