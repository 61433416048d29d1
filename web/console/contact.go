package console

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/request"
	"github.com/drawbridge-id/drawbridge/store"
	"github.com/drawbridge-id/drawbridge/web/page"
)

// Contact is GET /o/{org}/contact?template=&team=: a letter to the org's owners, filled in to begin with (J-01..J-03).
func (c *Console) Contact(w http.ResponseWriter, r *http.Request) error {
	return c.signedIn(w, r, func(w http.ResponseWriter, r *http.Request, p account.Presence) error {
		_, view, err := c.contact(r, p)
		if err != nil {
			return err
		}
		return page.Render(w, r, http.StatusOK, view)
	})
}

// contact is the editor with what the address of the page chose.
func (c *Console) contact(r *http.Request, p account.Presence) (account.Account, page.Contact, error) {
	v := page.Contact{Who: who(r, p), Template: r.URL.Query().Get("template"), Team: r.URL.Query().Get("team")}
	acct, theOrg, err := c.ledger.OrgByName(r.Context(), actor(r, p), r.PathValue("org"))
	if err != nil {
		return acct, v, err
	}
	v.Org = org(theOrg)
	teams, err := c.ledger.Teams(r.Context(), actor(r, p), acct.ID)
	if err != nil {
		return acct, v, err
	}
	for _, t := range teams {
		v.Teams = append(v.Teams, t.Name)
	}
	if !slices.Contains(v.Teams, v.Team) {
		v.Team = ""
	}
	v.Templates = account.ContactTemplates(theOrg, v.Team)
	i := max(0, slices.IndexFunc(v.Templates, func(t account.LetterTemplate) bool { return t.ID == v.Template }))
	v.Template, v.Subject, v.Text = v.Templates[i].ID, v.Templates[i].Subject, v.Templates[i].Text
	return acct, v, nil
}

// SendContact is POST /o/{org}/contact with subject and text, as they were edited (J-04).
func (c *Console) SendContact(w http.ResponseWriter, r *http.Request) error {
	return c.posted(w, r, func(w http.ResponseWriter, r *http.Request, p account.Presence) error {
		acct, view, err := c.contact(r, p)
		if err != nil {
			return err
		}
		view.Subject, view.Text = strings.TrimSpace(r.PostForm.Get("subject")), strings.TrimSpace(r.PostForm.Get("text"))
		view.Sent, err = c.ledger.ContactOwners(r.Context(), actor(r, p), acct.ID, view.Subject, view.Text)
		var wrong *account.Error
		if errors.As(err, &wrong) && (wrong.Pointer == "/subject" || wrong.Pointer == "/text") {
			view.Error = &page.FieldError{Field: wrong.Pointer[1:], Message: wrong.Message, Fix: wrong.Help}
			return page.Render(w, r, http.StatusUnprocessableEntity, view)
		}
		if err != nil {
			return err
		}
		return page.Render(w, r, http.StatusOK, view)
	})
}

// Notifications is GET /account/notifications (P-05..P-07).
func (c *Console) Notifications(w http.ResponseWriter, r *http.Request) error {
	return c.signedIn(w, r, func(w http.ResponseWriter, r *http.Request, p account.Presence) error {
		n, err := c.ledger.Notifications(r.Context(), actor(r, p))
		if err != nil {
			return err
		}
		return page.Render(w, r, http.StatusOK, page.Notifications{Who: who(r, p), Sections: sections(n)})
	})
}

func sections(n store.Notifications) (out []page.NotificationSection) {
	for _, s := range n.Sections {
		section := page.NotificationSection{Service: s.Service, Label: s.Label, Orgs: s.Orgs}
		for _, k := range account.NotificationKinds {
			section.Kinds = append(section.Kinds, page.NotificationKind{Value: s.Service + "/" + string(k), Label: k.Label(), Wanted: slices.Contains(s.Wanted, k)})
		}
		out = append(out, section)
	}
	return out
}

// SetNotifications is POST /account/notifications with a want per kind that was ticked, or later when somebody does not want to choose now
// (P-03, P-04).
func (c *Console) SetNotifications(w http.ResponseWriter, r *http.Request) error {
	return c.posted(w, r, func(w http.ResponseWriter, r *http.Request, p account.Presence) error {
		by := actor(r, p)
		if r.PostForm.Get("later") != "" {
			if err := c.ledger.PutOffNotifications(r.Context(), by); err != nil {
				return err
			}
			return see(w, r, "/")
		}
		var wishes []account.Wish
		for _, v := range r.PostForm["want"] {
			service, kind, _ := strings.Cut(v, "/")
			wishes = append(wishes, account.Wish{Service: service, Kind: account.NotificationKind(kind)})
		}
		n, err := c.ledger.SetNotifications(r.Context(), by, wishes)
		if err != nil {
			return err
		}
		return page.Render(w, r, http.StatusOK, page.Notifications{Who: who(r, p), Sections: sections(n), Saved: true})
	})
}

// UnsubscribePage is GET /unsubscribe/{token}: looking ends nothing, because mail scanners look.
func (c *Console) UnsubscribePage(w http.ResponseWriter, r *http.Request) error {
	wish, label, wanted, err := c.ledger.Unsubscribing(r.Context(), r.PathValue("token"))
	if err != nil {
		return err
	}
	return page.Render(w, r, http.StatusOK, page.Unsubscribe{Path: r.URL.Path, Service: label, Kind: wish.Kind.Label(), Done: !wanted})
}

// Unsubscribe is POST /unsubscribe/{token}, by the page's button or by a mail program (RFC 8058 section 3.2), which brings no cookies.
func (c *Console) Unsubscribe(w http.ResponseWriter, r *http.Request) error {
	if err := c.ledger.Unsubscribe(r.Context(), request.As(r.Context(), account.Actor{}), r.PathValue("token")); err != nil {
		return err
	}
	return c.UnsubscribePage(w, r)
}
