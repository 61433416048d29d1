package scim

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// A kindOf is whose product a connection is, as far as it was looked up a moment ago.
type kindOf struct {
	kind  account.IdPKind
	until time.Time
}

// kindFor is how long a connection's kind is believed without looking again; it is for figures only.
const kindFor = time.Minute

// dialect says whose client asks, for figures: as its User-Agent says, or else as the connection is set up. It is one of a
// short list; "other" when neither tells.
func (d *Door) dialect(ctx context.Context, c account.ConnectionID, r *http.Request) string {
	agent := strings.ToLower(r.UserAgent())
	for _, name := range []string{"okta", "onelogin", "jumpcloud", "google", "ping"} {
		if strings.HasPrefix(agent, name) { // "Okta SCIM Client 1.0.0"
			return name
		}
	}
	switch k := d.kind(ctx, c); k {
	case account.KindOkta, account.KindEntra, account.KindGoogle, account.KindPing:
		return string(k)
	}
	return "other"
}

func (d *Door) kind(ctx context.Context, c account.ConnectionID) account.IdPKind {
	now := d.opt.Now()
	if known, ok := d.kinds.Get(c); ok && now.Before(known.until) {
		return known.kind
	}
	var kind account.IdPKind
	if conn, err := d.opt.Ledger.Connection(ctx, c); err == nil {
		switch {
		case conn.Live != nil:
			kind = conn.Live.Kind
		case conn.Draft != nil:
			kind = conn.Draft.Kind
		}
	}
	d.kinds.Add(c, kindOf{kind, now.Add(kindFor)})
	return kind
}
