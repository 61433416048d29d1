// Package passwords is what the house knows about passwords: how one is spelled, what a rule finds wanting in it, how it is hashed, and
// whether it is one of those that attackers try first. It is pure: salts, files and rules come in as arguments.
package passwords

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/secure/precis"

	"github.com/drawbridge-id/drawbridge/account"
)

// Longest is how many bytes of a password are looked at. Whoever sends more gets an error, not a shorter password.
const Longest = 1024

// Normal is the one spelling of a password that is hashed: the OpaqueString profile of PRECIS (RFC 8265 §4.2), by which the same keys give
// the same password on every keyboard and system. What it does not allow, control characters and nothing at all, is account.Invalid.
func Normal(s string) (string, error) {
	if len(s) > Longest {
		return "", account.Errorf(account.Invalid, "A password has at most %d bytes.", Longest).At("/password")
	}
	n, err := precis.OpaqueString.String(s)
	if err != nil {
		return "", account.Errorf(account.Invalid, "A password has at least one character, and no control characters.").At("/password")
	}
	return n, nil
}

// Unmet lists what a normal password misses of a rule, each as a sentence; empty when it is good.
func Unmet(r account.PasswordRule, password string) []string {
	r = r.Whole()
	length := utf8.RuneCountInString(password)
	if r.Passphrase > 0 && length >= r.Passphrase {
		return nil
	}
	unmet := []string{}
	for _, want := range requirements(r) {
		if !want.met(password, length) {
			unmet = append(unmet, want.says)
		}
	}
	return unmet
}

// Spell lists what a rule asks for, as Unmet words it.
func Spell(r account.PasswordRule) []string {
	var all []string
	for _, want := range requirements(r.Whole()) {
		all = append(all, want.says)
	}
	return all
}

type requirement struct {
	says string
	met  func(password string, length int) bool
}

func requirements(r account.PasswordRule) []requirement {
	all := []requirement{{says: "at least " + plural(r.MinLength, "character"), met: func(_ string, n int) bool { return n >= r.MinLength }}}
	for _, c := range account.PasswordClasses {
		for _, wanted := range r.Require {
			if wanted == c {
				all = append(all, requirement{classes[c].says, func(p string, _ int) bool { return strings.ContainsFunc(p, classes[c].holds) }})
				break
			}
		}
	}
	return all
}

var classes = map[account.PasswordClass]struct {
	says  string
	holds func(rune) bool
}{
	account.UpperCase: {"an upper-case letter", unicode.IsUpper},
	account.LowerCase: {"a lower-case letter", unicode.IsLower},
	account.Digit:     {"a digit", unicode.IsDigit},
	account.Special: {"a special character, such as ! or #", func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsSpace(r) && !unicode.IsMark(r)
	}},
}
