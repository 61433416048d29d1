package console

import (
	"cmp"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/federation"
	"github.com/drawbridge-id/drawbridge/federation/session"
	"github.com/drawbridge-id/drawbridge/request"
	"github.com/drawbridge-id/drawbridge/web/page"
)

// NewAccount is GET /account/new?next=: the form for an account of one's own.
func (c *Console) NewAccount(w http.ResponseWriter, r *http.Request) error {
	return c.signedIn(w, r, func(w http.ResponseWriter, r *http.Request, p account.Presence) error {
		next := federation.Next(c.ledger.Catalogue(), r.URL.Query().Get("next"))
		return page.Render(w, r, http.StatusOK, page.AccountNew{Who: who(r, p), Next: next})
	})
}

// OpenAccount is POST /account/new with name and next: the account is made, and the session works in it from then on, under a new token (SES-2).
func (c *Console) OpenAccount(w http.ResponseWriter, r *http.Request) error {
	return c.posted(w, r, func(w http.ResponseWriter, r *http.Request, p account.Presence) error {
		name, next := strings.TrimSpace(r.PostForm.Get("name")), federation.Next(c.ledger.Catalogue(), r.PostForm.Get("next"))
		s, err := c.ledger.OpenAccountHere(r.Context(), actor(r, p), session.Token(r), name)
		var wrong *account.Error
		if errors.As(err, &wrong) && (wrong.Pointer == "/name" || wrong.Code == "account_limit") {
			return page.Render(w, r, http.StatusUnprocessableEntity, page.AccountNew{Who: who(r, p), Name: name, Next: next,
				Error: &page.FieldError{Field: "name", Message: wrong.Message, Fix: wrong.Help}})
		}
		if err != nil {
			return err
		}
		session.Set(w, s, c.now())
		request.Note(r.Context(), slog.String("verb", "account.opened"))
		return see(w, r, cmp.Or(next, "/"))
	})
}
