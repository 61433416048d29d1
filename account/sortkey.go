package account

import (
	"strings"
	"unicode"

	"golang.org/x/text/runes"
	"golang.org/x/text/transform"
	"golang.org/x/text/unicode/norm"
)

// maxFolded bounds what lists are sorted and searched by, in bytes: databases index no rows of any length.
const maxFolded = 400

// Fold brings what people type and are called to one form: lower case, without accents, blanks joined. "José  Núñez" is "jose nunez".
func Fold(s string) string {
	plain, _, err := transform.String(transform.Chain(norm.NFKD, runes.Remove(runes.In(unicode.Mn)), norm.NFC), s)
	if err != nil {
		plain = s
	}
	plain = strings.Join(strings.Fields(strings.ToLower(strings.ToValidUTF8(plain, ""))), " ")
	if len(plain) > maxFolded {
		plain = strings.ToValidUTF8(plain[:maxFolded], "")
	}
	return plain
}

// SortKeys are what a person is listed by, name before address, and what is searched for a part of either.
func SortKeys(email, name string) (key, search string) {
	name, email = Fold(name), Fold(email)
	key = name
	if key == "" {
		key = email
	}
	return key, name + " " + email
}
