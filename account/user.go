package account

import (
	"strings"
	"time"
	"unicode/utf8"
)

// A User is one person with one proved e-mail address.
type User struct {
	ID        UserID
	Email     string // lower-cased ASCII; see NormalEmail
	Name      string // as the identity provider says it; may be empty
	State     UserState
	CreatedAt time.Time
}

// UserState says whether a person may come in at all.
type UserState string

// The states of a user.
const (
	UserActive   UserState = "active"
	UserDisabled UserState = "disabled" // signs in by no method; every credential is refused
)

// NormalEmail lower-cases the ASCII letters of one bare address (no Unicode folding, so that two
// addresses that look alike stay two) and refuses what is not exactly one address of at most 320
// bytes: blanks, control characters, bytes that are no UTF-8, several addresses, display names.
func NormalEmail(s string) (string, error) {
	at := strings.LastIndexByte(s, '@')
	bad := len(s) > 320 || at < 1 || at == len(s)-1 || !utf8.ValidString(s) ||
		strings.ContainsFunc(s, func(r rune) bool { return isSpace(r) || isControl(r) }) ||
		strings.ContainsAny(s, `,;<>"()[]\:`) || strings.Count(s, "@") != 1
	if bad {
		return "", Errorf(Invalid, "Expected one e-mail address such as ana@acme.example, received %q.", clip(s, 80)).At("/email")
	}
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b), nil
}

// EmailDomain is what follows the last @ of a normal address; empty when there is none.
func EmailDomain(email string) string {
	return email[strings.LastIndexByte(email, '@')+1:]
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
