package set

import (
	"context"
	"slices"
	"time"

	"github.com/drawbridge-id/drawbridge/strict"
)

// A Bearer is a verified token with which a sender authenticates a global token revocation, as Okta's Universal Logout does.
type Bearer struct {
	Issuer string
	JTI    string    // has to be remembered until Until
	Until  time.Time // from here on the token is refused anyway
}

const maxBearerLife = time.Hour

// VerifyBearer judges such a token: typ global-token-revocation+jwt, signed by the keys of x, iss and aud as x says (aud is
// the exact address of the endpoint), exp, iat, jti. client, when not empty, has to be its sub: our client id there. Errors
// are as those of Verify.
func VerifyBearer(ctx context.Context, raw string, x Expect, client string) (Bearer, error) {
	header, err := readHeader(raw, x.Algorithms, "global-token-revocation+jwt")
	if err != nil {
		return Bearer{}, err
	}
	_, claims, err := verified(ctx, raw, header, x)
	if err != nil {
		return Bearer{}, err
	}
	b := Bearer{}
	b.Issuer, _ = claims["iss"].(string)
	b.JTI, _ = claims["jti"].(string)
	sub, _ := claims["sub"].(string)
	aud, _ := strict.Texts(claims["aud"])
	exp, okExp := strict.NumericDate(claims["exp"])
	iat, okIat := strict.NumericDate(claims["iat"])
	_, events := claims["events"]
	switch {
	case !slices.ContainsFunc(aud, func(a string) bool { return slices.Contains(x.Audience, a) }):
		return b, refuse(InvalidAudience, "The token is for another receiver.")
	case client != "" && sub != client:
		return b, refuse(AuthenticationFailed, "The token is for another client.")
	case !okExp || !okIat || !exp.After(x.Now) || iat.After(x.Now.Add(maxAhead)) || exp.Sub(iat) > maxBearerLife:
		return b, refuse(AuthenticationFailed, "The token has run out, or has no times.")
	case b.JTI == "" || len(b.JTI) > maxJTI || !printable(b.JTI) || events:
		return b, refuse(AuthenticationFailed, "The token needs a jti, and is no security event token.")
	}
	b.Until = exp
	return b, nil
}
