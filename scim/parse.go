package scim

import (
	"encoding/json"
	"strings"

	filter "github.com/scim2/filter-parser/v2"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/directory"
)

// Bounds of what a stranger may have parsed (SCIM-4). The library's own parser ends the process at 90,000 parentheses.
const (
	longestFilter = 8 << 10
	deepestFilter = 24
	mostTerms     = 256
)

// parseFilter reads the grammar of RFC 7644 §3.4.2.2 (figure 1) into the library's tree, and beside it what Entra writes:
// emails[type eq "work"].value eq "x". Strings are unescaped. Errors are Invalid with code invalid_filter.
func parseFilter(s string) (filter.Expression, error) {
	p, err := newParser(s)
	if err != nil {
		return nil, err
	}
	e, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.blanks(); p.at != len(p.s) {
		return nil, p.fail("nothing more")
	}
	return e, nil
}

// parsePath reads the path of a PATCH operation (RFC 7644 §3.5.2, figure 7). Errors are Invalid with code invalid_path.
func parsePath(s string) (filter.Path, error) {
	path, err := readPath(s)
	if err != nil {
		return path, account.Errorf(account.Invalid, "The path %q does not parse: %s", clip(s), err).Coded(directory.CodePath)
	}
	return path, nil
}

func readPath(s string) (out filter.Path, err error) {
	p, err := newParser(s)
	if err != nil {
		return out, err
	}
	if out.AttributePath, err = p.attribute(); err != nil {
		return out, err
	}
	if p.next('[') {
		if out.ValueExpression, err = p.group(']'); err != nil {
			return out, err
		}
		if p.next('.') {
			p.at++
			name := p.word()
			if !isName(name) {
				return out, p.fail("the name of a part")
			}
			out.SubAttribute = &name
		}
	}
	if p.at != len(p.s) {
		return out, p.fail("nothing more")
	}
	return out, nil
}

type filterParser struct {
	s     string
	at    int
	depth int
	terms int
}

func newParser(s string) (*filterParser, error) {
	if len(s) > longestFilter {
		return nil, account.Errorf(account.Invalid, "A filter has at most %d bytes.", longestFilter).Coded(directory.CodeFilter)
	}
	return &filterParser{s: s}, nil
}

func (p *filterParser) fail(wanted string) error {
	return account.Errorf(account.Invalid, "Expected %s at position %d of %q.", wanted, p.at+1, clip(p.s)).Coded(directory.CodeFilter)
}

func clip(s string) string {
	if len(s) > 120 {
		return strings.ToValidUTF8(s[:120], "") + "…"
	}
	return s
}

func (p *filterParser) next(c byte) bool { return p.at < len(p.s) && p.s[p.at] == c }

func (p *filterParser) blanks() (some bool) {
	for p.next(' ') {
		p.at++
		some = true
	}
	return some
}

// word reads up to a blank or a sign.
func (p *filterParser) word() string {
	from := p.at
	for p.at < len(p.s) && !strings.ContainsRune(` ()[]"`, rune(p.s[p.at])) {
		p.at++
	}
	return p.s[from:p.at]
}

// keyword takes w, in any letter case, when it stands here as a whole word.
func (p *filterParser) keyword(w string) bool {
	end := p.at + len(w)
	if end > len(p.s) || !strings.EqualFold(p.s[p.at:end], w) || end < len(p.s) && p.s[end] != ' ' && p.s[end] != '(' {
		return false
	}
	p.at = end
	return true
}

// chain reads terms joined by a word, which binds them from the left.
func (p *filterParser) chain(word string, op filter.LogicalOperator, term func() (filter.Expression, error)) (filter.Expression, error) {
	left, err := term()
	for err == nil {
		back := p.at
		if !p.blanks() && !strings.HasSuffix(p.s[:p.at], ")") && !strings.HasSuffix(p.s[:p.at], "]") || !p.keyword(word) {
			p.at = back
			return left, nil
		}
		var right filter.Expression
		if right, err = term(); err == nil {
			left = &filter.LogicalExpression{Left: left, Right: right, Operator: op}
		}
	}
	return nil, err
}

func (p *filterParser) or() (filter.Expression, error) { return p.chain("or", filter.OR, p.and) }

func (p *filterParser) and() (filter.Expression, error) { return p.chain("and", filter.AND, p.term) }

// group reads what stands between brackets, the opening one being next.
func (p *filterParser) group(closing byte) (filter.Expression, error) {
	if p.depth++; p.depth > deepestFilter {
		return nil, account.Errorf(account.Invalid, "A filter nests at most %d deep.", deepestFilter).Coded(directory.CodeFilter)
	}
	defer func() { p.depth-- }()
	p.at++
	e, err := p.or()
	if err != nil {
		return nil, err
	}
	p.blanks()
	if !p.next(closing) {
		return nil, p.fail("a closing " + string(closing))
	}
	p.at++
	return e, nil
}

func (p *filterParser) term() (filter.Expression, error) {
	p.blanks()
	if p.terms++; p.terms > mostTerms {
		return nil, account.Errorf(account.Invalid, "A filter has at most %d terms.", mostTerms).Coded(directory.CodeFilter)
	}
	if p.next('(') {
		return p.group(')')
	}
	if back := p.at; p.keyword("not") {
		if p.blanks(); p.next('(') {
			e, err := p.group(')')
			return &filter.NotExpression{Expression: e}, err
		}
		p.at = back
	}
	path, err := p.attribute()
	if err != nil {
		return nil, err
	}
	if !p.next('[') {
		return p.comparison(path)
	}
	inner, err := p.group(']')
	if err != nil {
		return nil, err
	}
	if !p.next('.') {
		return &filter.ValuePath{AttributePath: path, ValueFilter: inner}, nil
	}
	// Entra: emails[type eq "work"].value eq "x" asks both of one element.
	p.at++
	name := p.word()
	if !isName(name) {
		return nil, p.fail("the name of a part")
	}
	last, err := p.comparison(filter.AttributePath{AttributeName: name})
	return &filter.ValuePath{AttributePath: path, ValueFilter: &filter.LogicalExpression{Left: inner, Right: last, Operator: filter.AND}}, err
}

// attribute reads "name", "name.sub" or either behind a URN.
func (p *filterParser) attribute() (path filter.AttributePath, err error) {
	from := p.at
	word := p.word()
	if colon := strings.LastIndexByte(word, ':'); colon >= 0 {
		urn := word[:colon]
		if !strings.EqualFold(urn[:min(4, len(urn))], "urn:") {
			p.at = from
			return path, p.fail("a URN before the colon")
		}
		path.URIPrefix, word = &urn, word[colon+1:]
	}
	name, sub, dotted := strings.Cut(word, ".")
	if !isName(name) || dotted && !isName(sub) {
		p.at = from
		return path, p.fail("the name of an attribute")
	}
	path.AttributeName = name
	if dotted {
		path.SubAttribute = &sub
	}
	return path, nil
}

func isName(s string) bool {
	s = strings.TrimPrefix(s, "$")
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c != '-' && c != '_' && (c < '0' || c > '9')) {
			return false
		}
	}
	return s != ""
}

var compareOps = map[string]filter.CompareOperator{"eq": filter.EQ, "ne": filter.NE, "co": filter.CO, "sw": filter.SW, "ew": filter.EW,
	"gt": filter.GT, "ge": filter.GE, "lt": filter.LT, "le": filter.LE}

func (p *filterParser) comparison(path filter.AttributePath) (filter.Expression, error) {
	if !p.blanks() {
		return nil, p.fail("an operator")
	}
	from := p.at
	word := strings.ToLower(p.word())
	if word == "pr" {
		return &filter.AttributeExpression{AttributePath: path, Operator: filter.PR}, nil
	}
	op, known := compareOps[word]
	if !known || !p.blanks() {
		p.at = from
		return nil, p.fail("an operator (eq, ne, co, sw, ew, gt, ge, lt, le, pr) and a value")
	}
	value, err := p.value()
	return &filter.AttributeExpression{AttributePath: path, Operator: op, CompareValue: value}, err
}

// value reads a JSON string, number, true, false or null.
func (p *filterParser) value() (v any, err error) {
	from := p.at
	if !p.next('"') {
		switch word := p.word(); strings.ToLower(word) {
		case "true":
			return true, nil
		case "false":
			return false, nil
		case "null":
			return nil, nil
		default:
			var n float64
			if json.Unmarshal([]byte(word), &n) != nil {
				p.at = from
				return nil, p.fail("a value in quotes, a number, true, false or null")
			}
			return n, nil
		}
	}
	for p.at++; p.at < len(p.s) && p.s[p.at] != '"'; p.at++ {
		if p.s[p.at] == '\\' {
			p.at++
		}
	}
	if p.at >= len(p.s) {
		p.at = from
		return nil, p.fail("a closing quote")
	}
	p.at++
	var s string
	if json.Unmarshal([]byte(p.s[from:p.at]), &s) != nil {
		p.at = from
		return nil, p.fail("a string as JSON writes it")
	}
	return s, nil
}
