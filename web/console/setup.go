package console

import (
	"errors"
	"net/http"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/federation/session"
	"github.com/drawbridge-id/drawbridge/request"
	"github.com/drawbridge-id/drawbridge/web/page"
)

// Setup is GET /setup/{token}: the form behind the first owner's link. Looking uses nothing up.
func (c *Console) Setup(w http.ResponseWriter, r *http.Request) error {
	if err := c.ledger.FirstOwnerInvited(r.Context(), account.NewSecret(r.PathValue("token"))); err != nil {
		return err
	}
	return page.Render(w, r, http.StatusOK, page.Setup{Path: setupPath(r)})
}

// BecomeFirstOwner is POST /setup/{token} with name and email: the link is used up, the account made, and its owner
// signed in.
func (c *Console) BecomeFirstOwner(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return account.Errorf(account.Invalid, "The form does not parse.").Because(err)
	}
	if err := c.ledger.FirstOwnerInvited(r.Context(), account.NewSecret(r.PathValue("token"))); err != nil {
		return err // before anything is said about the form
	}
	name, email := strings.TrimSpace(r.PostForm.Get("name")), strings.TrimSpace(r.PostForm.Get("email"))
	by := request.As(r.Context(), account.Actor{Kind: account.ActorOperator})
	s, err := c.ledger.BecomeFirstOwner(r.Context(), by, account.NewSecret(r.PathValue("token")), name, email)
	var wrong *account.Error
	if errors.As(err, &wrong) && (wrong.Pointer == "/name" || wrong.Pointer == "/org" || wrong.Pointer == "/email") {
		field := "name"
		if wrong.Pointer == "/email" {
			field = "email"
		}
		return page.Render(w, r, http.StatusUnprocessableEntity, page.Setup{Path: setupPath(r), Name: name, Email: email,
			Error: &page.FieldError{Field: field, Message: wrong.Message, Fix: wrong.Help}})
	}
	if err != nil {
		return err
	}
	session.Set(w, s, c.now())
	return see(w, r, "/")
}

func setupPath(r *http.Request) string { return "/setup/" + r.PathValue("token") }
