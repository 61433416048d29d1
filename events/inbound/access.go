package inbound

import (
	"context"
	"net/http"
	"strings"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/egress"
)

// manageScopes are asked for when a stream names none (CAEP interoperability profile §2.7.2).
var manageScopes = []string{"ssf.manage"}

// authorize puts onto a request what its transmitter lets us in by: own when there is one, else the token that was given
// out for its stream API, else one that our client gets there (RFC 6749 §4.4).
func (d *Door) authorize(ctx context.Context, s account.Stream, own account.Secret, r *http.Request) error {
	t := s.Transmitter
	switch {
	case !own.IsZero():
		r.Header.Set("Authorization", "Bearer "+own.Reveal())
		return nil
	case t == nil:
		return nil
	case !t.Bearer.IsZero():
		r.Header.Set("Authorization", "Bearer "+t.Bearer.Reveal())
		return nil
	case t.TokenURL == "":
		return nil
	}
	token, err := d.tokenSource(s).Token()
	if err != nil {
		return account.Errorf(account.Unavailable, "The transmitter gives us no token at %s.", t.TokenURL).Coded("transmitter_token").
			Fix("Check the client id, its secret and its scopes.").Because(egress.Explain(t.TokenURL, err))
	}
	r.Header.Set("Authorization", "Bearer "+token.AccessToken)
	return nil
}

// tokenSource keeps a token until it runs out. It outlives the request that asks first.
func (d *Door) tokenSource(s account.Stream) oauth2.TokenSource {
	t := s.Transmitter
	scopes := t.Scopes
	if len(scopes) == 0 {
		scopes = manageScopes
	}
	made := strings.Join(append([]string{t.TokenURL, t.ClientID, t.ClientSecret.Reveal()}, scopes...), "\x00")
	if source, ok := d.tokens.Get(s.ID); ok && source.made == made {
		return source
	}
	c := clientcredentials.Config{ClientID: t.ClientID, ClientSecret: t.ClientSecret.Reveal(), TokenURL: t.TokenURL, Scopes: scopes}
	ctx := context.WithValue(context.Background(), oauth2.HTTPClient, d.o.Fetch)
	source := tokenSource{TokenSource: c.TokenSource(ctx), made: made}
	d.tokens.Add(s.ID, source)
	return source
}

// tokenSource is for the settings that it was made from.
type tokenSource struct {
	oauth2.TokenSource
	made string
}

// forgetToken drops a token that is no longer taken; false when there is none to drop.
func (d *Door) forgetToken(s account.Stream) bool { return d.tokens.Remove(s.ID) }
