package console

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/federation/session"
	"github.com/drawbridge-id/drawbridge/request"
	"github.com/drawbridge-id/drawbridge/store"
	"github.com/drawbridge-id/drawbridge/web/page"
)

// Invitation is GET /invitation/{token}: what is behind the link, to whoever opens it. Looking uses nothing up (E-07).
func (c *Console) Invitation(w http.ResponseWriter, r *http.Request) error {
	found, err := c.ledger.LookAtInvitation(r.Context(), account.NewSecret(r.PathValue("token")))
	if err != nil {
		return err
	}
	p, err := session.FromRequest(c.ledger, r)
	if err != nil && account.KindOf(err) != account.Unauthorized {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	return page.Render(w, r, http.StatusOK, c.invitation(r, found, p))
}

// invitation draws it for whoever is there; p is zero for nobody.
func (c *Console) invitation(r *http.Request, found store.Welcome, p account.Presence) page.Invitation {
	cat, path := c.ledger.Catalogue(), invitationPath(r)
	out := page.Invitation{Path: path, Org: org(found.Org), Inviter: found.Inviter, Email: found.Email, Role: cat.Label(found.Role),
		Scopes: promised(found.Roles, found.Teams, cat), Message: found.Message, Until: found.Until, State: found.Status, Asked: !found.AskedAt.IsZero(),
		Left:   promised(found.Left, found.Teams, cat),
		SignIn: "/signin?" + url.Values{"next": {path}, "login_hint": {found.Email}}.Encode(),
		SignUp: "/signup?" + url.Values{"next": {path}, "email": {found.Email}}.Encode()}
	if p.User.ID == "" {
		return out
	}
	top := who(r, p)
	out.Who = &top
	out.Mine = found.State == account.LinkAccepted && found.User == p.User.ID
	out.Wrong = p.User.Email != found.Email
	if out.Again = session.Fresh(p, acceptFreshness, c.now()) != nil; out.Again {
		out.SignIn = "/signin/confirm?" + url.Values{"next": {path}}.Encode()
	}
	return out
}

// promised are roles by where they will hold, the org first.
func promised(all []account.RoleAt, teams map[account.TeamID]string, cat account.Catalogue) (out []page.Scope) {
	at := map[string]int{}
	for _, whole := range []bool{true, false} {
		for _, r := range all {
			if (r.Team == "") != whole {
				continue
			}
			team := teams[r.Team]
			i, known := at[team]
			if !known {
				i = len(out)
				at[team], out = i, append(out, page.Scope{Team: team})
			}
			out[i].Roles = append(out[i].Roles, page.Role{Label: cat.Label(r.Role), Role: string(r.Role), Help: help(r.Role, cat)})
		}
	}
	return out
}

// acceptFreshness is how long ago somebody may have signed in who accepts: the password is entered again for it (E-04).
const acceptFreshness = freshness

// AcceptInvitation is POST /invitation/{token}: the signed-in person accepts, and goes on to the org.
func (c *Console) AcceptInvitation(w http.ResponseWriter, r *http.Request) error {
	return c.posted(w, r, func(w http.ResponseWriter, r *http.Request, p account.Presence) error {
		token := account.NewSecret(r.PathValue("token"))
		if err := session.Fresh(p, acceptFreshness, c.now()); err != nil {
			return see(w, r, invitationPath(r)) // which says so, and where to
		}
		accepted, err := c.ledger.AcceptInvitation(r.Context(), actor(r, p), token)
		var refused *account.Error
		if errors.As(err, &refused) && (refused.Kind == account.Conflict || refused.Kind == account.Invalid || refused.Kind == account.Forbidden) {
			return c.notAccepted(w, r, p, refused)
		}
		if err != nil {
			return err
		}
		request.Note(r.Context(), slog.String("verb", "invitation.accepted"), slog.String("org", accepted.Org.Name))
		if p.Account.ID != accepted.Account {
			moved, err := c.ledger.Choose(r.Context(), actor(r, p), session.Token(r), accepted.Account)
			if account.KindOf(err) == account.NotFound { // this session may not go there: another way in leads there
				return page.Render(w, r, http.StatusOK, c.invitation(r, accepted, p))
			}
			if err != nil {
				return err
			}
			session.Set(w, moved, c.now())
		}
		if len(accepted.Left) > 0 {
			return page.Render(w, r, http.StatusOK, c.invitation(r, accepted, p))
		}
		return see(w, r, "/")
	})
}

// notAccepted shows the invitation again with what stands in the way.
func (c *Console) notAccepted(w http.ResponseWriter, r *http.Request, p account.Presence, why *account.Error) error {
	found, err := c.ledger.LookAtInvitation(r.Context(), account.NewSecret(r.PathValue("token")))
	if err != nil {
		return err
	}
	shown := c.invitation(r, found, p)
	shown.Refusal, shown.Fix = why.Message, why.Help
	return page.Render(w, r, http.StatusConflict, shown)
}

// AskForInvitation is POST /invitation/{token}/ask: whoever holds an expired link asks its sender for a new one.
func (c *Console) AskForInvitation(w http.ResponseWriter, r *http.Request) error {
	by := request.As(r.Context(), account.Actor{Kind: account.ActorSystem, Job: "invitation"})
	err := c.ledger.AskForInvitation(r.Context(), by, account.NewSecret(r.PathValue("token")))
	if err != nil && account.KindOf(err) != account.Conflict { // the page says what it is instead
		return err
	}
	return see(w, r, invitationPath(r))
}

func invitationPath(r *http.Request) string {
	return "/invitation/" + url.PathEscape(r.PathValue("token"))
}
