package account

import (
	"strings"
)

// MostCodes is how many activation codes one request may carry.
const MostCodes = 100

// longest and shortest plain spelling of a code.
const (
	shortestCode = 2
	longestCode  = 64
)

// A Code is an activation code or serial number as somebody typed it.
type Code struct {
	Typed string
	Plain string // as it is compared: upper case, without blanks and hyphens; empty: it cannot be one
}

// A CodeVerdict is what is known of one code before it is used (G-24).
type CodeVerdict struct {
	Code
	State   CodeState
	Product string // of a good one
	Label   string
}

// CodeState says whether a code can be used.
type CodeState string

// The states of a code.
const (
	CodeGood      CodeState = "good"
	CodeUnknown   CodeState = "unknown"
	CodeUsed      CodeState = "used"
	CodeRepeated  CodeState = "repeated"  // stands there twice
	CodeMalformed CodeState = "malformed" // cannot be a code
)

// Words say the verdict to people.
func (v CodeVerdict) Words() string {
	switch v.State {
	case CodeGood:
		return v.Label
	case CodeUsed:
		return "It has been used already."
	case CodeRepeated:
		return "It stands there twice."
	case CodeMalformed:
		return "Expected letters, digits and hyphens."
	}
	return "Nobody here knows it. Check its spelling."
}

// ParseCodes reads codes that are parted by commas or line breaks, in their order; what is empty between them is passed over (G-23). TooLarge
// with code too_many_codes when there are more than MostCodes, Invalid when there is none.
func ParseCodes(text string) ([]Code, error) {
	var codes []Code
	for typed := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == ';' || r == '\n' || r == '\r' }) {
		typed = strings.TrimSpace(typed)
		if typed == "" {
			continue
		}
		if len(codes) == MostCodes {
			return nil, Errorf(TooLarge, "At most %d codes are activated at once.", MostCodes).Coded("too_many_codes").At("/codes").Fix("Send the rest afterwards.")
		}
		codes = append(codes, Code{Typed: clip(strings.ToValidUTF8(typed, "\uFFFD"), 2*longestCode), Plain: PlainCode(typed)})
	}
	if len(codes) == 0 {
		return nil, Errorf(Invalid, "Expected at least one code or serial number.").Coded("missing").At("/codes").Fix("Type them with commas in between.")
	}
	return codes, nil
}

// PlainCode is how a code, or the number of a certificate, is compared: upper case, without blanks and hyphens. It is empty when the text
// cannot be one.
func PlainCode(typed string) string {
	var b strings.Builder
	for _, r := range typed {
		switch {
		case r >= 'a' && r <= 'z':
			r -= 'a' - 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '.', r == '/', r == ':':
		case r == '-', r == ' ', r == '\t', r == '\u00a0', r == '\u2010', r == '\u2011', r == '\u2013':
			continue
		default:
			return ""
		}
		b.WriteRune(r)
	}
	if b.Len() < shortestCode || b.Len() > longestCode {
		return ""
	}
	return b.String()
}
