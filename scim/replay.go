package scim

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store"
)

// A Replayed is how a logged request would be answered now.
type Replayed struct {
	Request account.SCIMRequest // as the log has it
	Status  int
	Body    string                // JSON; empty when there is none
	Changes []account.SCIMRequest // the lines that the log would have of what it changes, in order
}

// Replay runs a request of the log again without changing anything. A condition on the version (If-Match) is not asked again, since the
// version has moved on.
func (d *Door) Replay(ctx context.Context, by account.Actor, c account.ConnectionID, id account.SCIMRequestID) (out Replayed, err error) {
	out.Changes, err = d.opt.Ledger.ReplaySCIM(ctx, by, c, id, func(l *store.Ledger, p store.Pusher, r account.SCIMRequest) error {
		base := d.opt.PublicURL + "/scim/" + string(c) + "/v2"
		u, err := url.Parse(base + r.Path)
		if err != nil {
			return account.Errorf(account.Invalid, "The logged path is no URL.").Because(err)
		}
		w := &captured{header: http.Header{}}
		again, err := http.NewRequestWithContext(ctx, r.Method, u.String(), strings.NewReader(r.Body))
		if err != nil {
			return account.Errorf(account.Invalid, "The logged request is none.").Because(err)
		}
		again.Header.Set("User-Agent", r.Agent)
		root, err := url.Parse(base)
		if err != nil {
			return err
		}
		again.SetPathValue("rest", strings.TrimPrefix(u.Path, root.Path))
		x := &exchange{Door: New(Options{Ledger: l, PublicURL: d.opt.PublicURL, Now: d.opt.Now, Rate: d.opt.Rate, Burst: d.opt.Burst}), w: w, r: again, pusher: p, base: base}
		x.begin(r.Path)
		x.run()
		out.Request, out.Status, out.Body = r, w.status, string(w.body)
		return nil
	})
	return out, err
}
