package console

import (
	"net/http"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/web/page"
)

// Ticket is GET /ticket/{token}: the link of a letter, for whom it went to (K-16). Whoever is not signed in does that first.
func (c *Console) Ticket(w http.ResponseWriter, r *http.Request) error {
	err := c.signedIn(w, r, func(w http.ResponseWriter, r *http.Request, p account.Presence) error {
		t, name, err := c.ledger.HandedOver(r.Context(), actor(r, p), account.NewSecret(r.PathValue("token")))
		if err != nil {
			return err
		}
		return page.Render(w, r, http.StatusOK, page.Ticket{Who: who(r, p), Path: r.URL.Path, ID: string(t.ID), Connection: name})
	})
	if account.KindOf(err) == account.Unauthorized {
		return see(w, r, "/signin?next="+r.URL.Path)
	}
	return err
}

// AcceptTicket is POST /ticket/{token}.
func (c *Console) AcceptTicket(w http.ResponseWriter, r *http.Request) error {
	return c.posted(w, r, func(w http.ResponseWriter, r *http.Request, p account.Presence) error {
		token := account.NewSecret(r.PathValue("token"))
		_, name, err := c.ledger.HandedOver(r.Context(), actor(r, p), token)
		if err != nil {
			return err
		}
		t, err := c.ledger.AcceptTicket(r.Context(), actor(r, p), token)
		if err != nil {
			return err
		}
		return page.Render(w, r, http.StatusOK, page.Ticket{Who: who(r, p), ID: string(t.ID), Connection: name, Done: true})
	})
}
