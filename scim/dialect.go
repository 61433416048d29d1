package scim

import (
	"context"
	"strings"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// agents are what User-Agents say.
var agents = []struct {
	word string
	who  account.SCIMDialect
}{{"okta", account.DialectOkta}, {"azure", account.DialectEntra}, {"microsoft", account.DialectEntra}, {"entra", account.DialectEntra}, {"onelogin", account.DialectOneLogin},
	{"jumpcloud", account.DialectJumpCloud}, {"ping", account.DialectPing}, {"google", account.DialectGoogle}}

// byHeader recognises who asks by the User-Agent and the query, empty when they do not say.
func byHeader(agent, query string) account.SCIMDialect {
	agent, query = strings.ToLower(agent), strings.ToLower(query)
	for _, a := range agents {
		if strings.Contains(agent, a.word) && !strings.HasPrefix(agent, "mozilla/") {
			return a.who
		}
	}
	if strings.Contains(query, "aadoptscim") || strings.Contains(query, "azureadscimpatch") {
		return account.DialectEntra
	}
	return ""
}

// byBody recognises who writes like this, empty when anybody might. Entra names a schema of its own in groups, and writes the verbs of a
// PATCH with a capital.
func byBody(m map[string]any) account.SCIMDialect {
	schemas, _ := get(m, "schemas")
	list, _ := schemas.([]any)
	for _, e := range list {
		if s, _ := e.(string); strings.HasPrefix(strings.ToLower(s), "http://schemas.microsoft.com/") {
			return account.DialectEntra
		}
	}
	operations, _ := get(m, "Operations")
	list, _ = operations.([]any)
	for _, e := range list {
		o, _ := e.(map[string]any)
		switch o["op"] {
		case "Add", "Replace", "Remove":
			return account.DialectEntra
		}
	}
	return ""
}

// recognise notes whose habits the request has. What a token's requests have once shown holds for those that show nothing, then what kind of
// provider the connection is set up for; an empty User-Agent is OneLogin's, for want of anything better.
func (x *exchange) recognise(sure account.SCIMDialect) {
	token := x.pusher.Token.ID
	switch before, known := x.dialects.Get(token); {
	case sure != "":
		x.line.Dialect = sure
		if before != sure && token != "" {
			x.dialects.Add(token, sure)
		}
	case x.line.Dialect != "":
	case known:
		x.line.Dialect = before
	default:
		x.line.Dialect = x.byKind(x.r.Context(), x.pusher.Connection)
		if x.line.Dialect == account.DialectUnknown && x.r.UserAgent() == "" {
			x.line.Dialect = account.DialectOneLogin
		}
	}
}

// A kindOf is what a connection is set up for, as far as it was looked up a moment ago.
type kindOf struct {
	dialect account.SCIMDialect
	until   time.Time
}

// kindFor is how long a connection's kind is believed without looking again.
const kindFor = time.Minute

func (d *Door) byKind(ctx context.Context, c account.ConnectionID) account.SCIMDialect {
	now := d.opt.Now()
	if known, ok := d.kinds.Get(c); ok && now.Before(known.until) {
		return known.dialect
	}
	out := account.DialectUnknown
	if conn, err := d.opt.Ledger.Connection(ctx, c); err == nil {
		for _, s := range []*account.Settings{conn.Draft, conn.Live} {
			if s == nil {
				continue
			}
			switch s.Kind {
			case account.KindOkta, account.KindEntra, account.KindGoogle, account.KindPing:
				out = account.SCIMDialect(s.Kind)
			default:
				out = account.DialectUnknown
			}
		}
	}
	d.kinds.Add(c, kindOf{out, now.Add(kindFor)})
	return out
}
