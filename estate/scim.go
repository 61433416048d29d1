package estate

import (
	"strings"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/keys"
)

// SCIM is how a provider pushes people and groups through a connection.
type SCIM struct {
	Options account.SCIMOptions
	Tokens  []SCIMToken // all that are to be valid, at most two; nil leaves them alone
}

// A SCIMToken was drawn before the file was written, and is given to the provider by whoever wrote it.
type SCIMToken struct {
	Token   account.Secret // well spelled
	Expires time.Time
}

type scimSection struct {
	Subject string             `yaml:"subject"`
	Groups  string             `yaml:"groups"`
	Tokens  []scimTokenSection `yaml:"tokens"`
}

type scimTokenSection struct {
	Token   string `yaml:"token"`
	Expires string `yaml:"expires"`
}

// tokensAtOnce is how many SCIM tokens of a connection are valid at a time: one, and its successor.
const tokensAtOnce = 2

func (p *reading) scim(at string, s *scimSection) *SCIM {
	if s == nil {
		return nil
	}
	out := &SCIM{Options: account.DefaultSCIMOptions}
	if s.Subject != "" {
		out.Options.Subject = account.SCIMSubject(s.Subject)
	}
	if s.Groups != "" {
		out.Options.Groups = account.PushedGroups(s.Groups)
	}
	p.pointed(strings.TrimSuffix(at, ".scim"), out.Options.Check())
	if len(s.Tokens) > tokensAtOnce {
		p.bad(key(at, "tokens"), "A connection has at most two SCIM tokens at a time, here are %d.", len(s.Tokens)).
			Fix("List the one in use and the one that follows it.")
	}
	listed := map[account.Secret]bool{}
	for i, t := range s.Tokens {
		at := key(at, "tokens", i)
		token := p.credential(key(at, "token"), t.Token, keys.Directory)
		if listed[token] && !token.IsZero() {
			p.bad(key(at, "token"), "This token is listed twice.") // and not which one: problems are printed
		}
		listed[token] = true
		out.Tokens = append(out.Tokens, SCIMToken{Token: token, Expires: p.instant(key(at, "expires"), t.Expires)})
	}
	return out
}

// credential is a secret of our own spelling.
func (p *reading) credential(at, text string, kind keys.Kind) account.Secret {
	before := len(p.problems)
	s := p.secret(at, text)
	if len(p.problems) == before && !keys.Is(kind, s.Reveal()) {
		p.bad(at, "This is no credential that begins with %s and ends with its checksum.", kind).
			Fix("Draw one with drawbridge credential, keep it in a file or variable, and refer to that.")
	}
	return s
}

// instant is a day, which ends with it (UTC), or a time.
func (p *reading) instant(at, text string) time.Time {
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		return day.AddDate(0, 0, 1)
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		p.bad(at, "%q is neither a day such as 2031-12-31 nor a time such as 2031-12-31T12:00:00Z.", text)
	}
	return t.UTC()
}
