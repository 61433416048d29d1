// Package console is what signed-in people see of the house: their home with the roles they hold and why,
// the choice between their accounts, and the login test. Each handler reads its input, asks the ledger for
// one thing and fills a page struct; who may see what is the ledger's decision.
package console

import (
	"cmp"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/federation"
	"github.com/drawbridge-id/drawbridge/federation/session"
	"github.com/drawbridge-id/drawbridge/request"
	"github.com/drawbridge-id/drawbridge/store"
	"github.com/drawbridge-id/drawbridge/web/page"
)

// Options are the rooms behind the console. Ledger and Door are needed.
type Options struct {
	Ledger *store.Ledger
	Door   *federation.Door // starts login tests
	Now    func() time.Time // default: time.Now
}

// A Console serves the pages. It is safe for concurrent use.
type Console struct {
	ledger *store.Ledger
	door   *federation.Door
	now    func() time.Time
}

// New makes a console.
func New(o Options) *Console {
	c := &Console{ledger: o.Ledger, door: o.Door, now: o.Now}
	if c.now == nil {
		c.now = time.Now
	}
	return c
}

// signedIn serves h for whoever is signed in, and notes them in the log line.
func (c *Console) signedIn(w http.ResponseWriter, r *http.Request, h session.Handler) error {
	return session.Require(c.ledger, func(w http.ResponseWriter, r *http.Request, p account.Presence) error {
		request.Note(r.Context(), slog.String("actor", "user:"+string(p.User.ID)), slog.String("org", p.Org.Name))
		if p.TermsDue && r.Method == http.MethodGet { // H-10
			return see(w, r, "/terms?next="+url.QueryEscape(r.URL.RequestURI()))
		}
		return h(w, r, p)
	})(w, r)
}

// posted is signedIn for forms: the form is read and has to carry the session's token (SES-5).
func (c *Console) posted(w http.ResponseWriter, r *http.Request, h session.Handler) error {
	return c.signedIn(w, r, func(w http.ResponseWriter, r *http.Request, p account.Presence) error {
		if err := r.ParseForm(); err != nil {
			return account.Errorf(account.Invalid, "The form does not parse.").Because(err)
		}
		if err := session.CheckForm(r); err != nil {
			return err
		}
		return h(w, r, p)
	})
}

// Home is GET /: what the person holds, where, and why. Whoever is not signed in goes to /signin.
func (c *Console) Home(w http.ResponseWriter, r *http.Request) error {
	if session.Token(r).IsZero() {
		http.Redirect(w, r, "/signin", http.StatusSeeOther)
		return nil
	}
	return c.signedIn(w, r, func(w http.ResponseWriter, r *http.Request, p account.Presence) error {
		switch {
		case p.Account.ID != "":
			view := home(p, c.ledger.Catalogue(), who(r, p))
			if !actor(r, p).BreakGlass {
				n, err := c.ledger.Notifications(r.Context(), actor(r, p))
				if err != nil {
					return err
				}
				view.Ask = !n.Asked
				if view.Remind, err = c.remind(r, p); err != nil {
					return err
				}
			}
			return page.Render(w, r, http.StatusOK, view)
		case len(p.Tenancies) > 0:
			return see(w, r, "/choose")
		}
		return page.Render(w, r, http.StatusOK, page.NoAccount{Who: who(r, p)})
	})
}

// ChoosePage is GET /choose?next=: the accounts of the person. With only one there is nothing to choose.
func (c *Console) ChoosePage(w http.ResponseWriter, r *http.Request) error {
	return c.signedIn(w, r, func(w http.ResponseWriter, r *http.Request, p account.Presence) error {
		next := federation.Next(c.ledger.Catalogue(), r.URL.Query().Get("next"))
		if len(p.ExternalIn) == 0 && (len(p.Tenancies) == 1 && p.Account.ID != "" || len(p.Tenancies) == 0) {
			return see(w, r, cmp.Or(next, "/"))
		}
		top := who(r, p)
		top.Org = ""
		return page.Render(w, r, http.StatusOK, page.Choose{Who: top, Places: places(p, c.ledger.Catalogue()), External: externalIn(p), Next: next})
	})
}

// Choose is POST /choose with account and next: the session moves there and gets a new token (SES-2).
func (c *Console) Choose(w http.ResponseWriter, r *http.Request) error {
	return c.posted(w, r, func(w http.ResponseWriter, r *http.Request, p account.Presence) error {
		to, ok := account.ParseID[account.AccountID](r.PostForm.Get("account"))
		if !ok {
			return account.Errorf(account.NotFound, "You have no such account.").Fix("Choose one of the list.")
		}
		moved, err := c.ledger.Choose(r.Context(), actor(r, p), session.Token(r), to)
		if err != nil {
			return err
		}
		session.Set(w, moved, c.now())
		request.Note(r.Context(), slog.String("verb", "session.moved"))
		return see(w, r, cmp.Or(federation.Next(c.ledger.Catalogue(), r.PostForm.Get("next")), "/"))
	})
}

// NoAccess is GET /no-access?diagnosis=: what was received from somebody who holds no role (L-14). Whoever
// holds one by now goes home.
func (c *Console) NoAccess(w http.ResponseWriter, r *http.Request) error {
	return c.signedIn(w, r, func(w http.ResponseWriter, r *http.Request, p account.Presence) error {
		if p.Account.ID == "" || holdsRoles(p) {
			return see(w, r, "/")
		}
		diagnosis, _ := account.ParseID[account.DiagnosisID](r.URL.Query().Get("diagnosis"))
		return page.Render(w, r, http.StatusOK, page.NoAccess{
			Who: who(r, p), Org: org(p.Org), Provider: p.Connection.Name, Groups: groups(p.Groups), Diagnosis: diagnosis,
		})
	})
}

// see sends the browser on with GET.
func see(w http.ResponseWriter, r *http.Request, to string) error {
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// actor is the signed-in person as the one who makes something happen.
func actor(r *http.Request, p account.Presence) account.Actor {
	return session.Actor(r.Context(), p)
}

// who is the top bar.
func who(r *http.Request, p account.Presence) page.Who {
	top := page.Who{Email: p.User.Email, Name: p.User.Name, Org: org(p.Org).Called(), Token: session.FormToken(session.Token(r))}
	if p.Session.Method == account.ByRecovery {
		top.BreakGlass = p.Session.ExpiresAt
	}
	if p.Org.Name != "" {
		top.Contact = "/o/" + p.Org.Name + "/contact"
	}
	return top
}

func org(o account.Org) page.Org { return page.Org{Name: o.Name, Title: o.Title, Type: o.Type} }

func groups(g account.GroupSet) page.Groups {
	return page.Groups{State: g.State, Values: g.Values, Why: g.Why}
}

// places are the person's accounts in the ledger's order, last used first; only owned ones get the owner tag.
func places(p account.Presence, cat account.Catalogue) []page.Place {
	var out []page.Place
	for _, t := range p.Tenancies {
		out = append(out, page.Place{Account: t.Account.ID, Name: t.Account.Name, Org: org(t.Org), Role: cat.Label(t.Role),
			Owner: t.Role == account.Owner, Current: t.Account.ID == p.Account.ID})
	}
	return out
}

// externalIn are the orgs in which the person is an external user.
func externalIn(p account.Presence) (out []page.Place) {
	for _, t := range p.ExternalIn {
		out = append(out, page.Place{Account: t.Account.ID, Name: t.Account.Name, Org: org(t.Org), Current: t.Account.ID == p.Account.ID})
	}
	return out
}

// holdsRoles reports whether the person holds anything beyond a seat in the account and what comes with it.
func holdsRoles(p account.Presence) bool {
	return p.Tenancy.Role.Stronger(account.Member) || account.InOrg(p.Roles)
}

// path joins a path of ours with an id from the ledger.
func path(prefix string, id account.DiagnosisID) string { return prefix + url.PathEscape(string(id)) }
