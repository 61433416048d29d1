package set

import (
	"slices"

	"github.com/drawbridge-id/drawbridge/account"
)

// Unsigned reads the payload of a token whose signature nobody has checked, for those who only ask what it would do. What it says counts for
// nothing. Errors are *Error.
func Unsigned(payload []byte, x Expect) (account.SET, error) {
	if len(payload) > MaxToken {
		return account.SET{}, refuse(InvalidRequest, "The token is too large.")
	}
	claims, err := readClaims(payload)
	if err != nil {
		return account.SET{}, err
	}
	if iss, _ := claims["iss"].(string); iss == "" || iss != x.Issuer && !slices.Contains(x.Aliases, iss) {
		return account.SET{}, refuse(InvalidIssuer, "The token is from another issuer.")
	}
	return x.read(payload, claims)
}
