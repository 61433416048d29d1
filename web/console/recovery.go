package console

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/federation/session"
	"github.com/drawbridge-id/drawbridge/request"
	"github.com/drawbridge-id/drawbridge/web/page"
)

// RecoverPage is GET /recover: emergency access, for whoever is signed in or not (I-05).
func (c *Console) RecoverPage(w http.ResponseWriter, r *http.Request) error {
	return page.Render(w, r, http.StatusOK, page.Recover{})
}

// Recover is POST /recover with account: its number, its name, or its owner's address. The answer is the same whatever there is.
func (c *Console) Recover(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return account.Errorf(account.Invalid, "The form does not parse.").Because(err)
	}
	what := strings.TrimSpace(r.PostForm.Get("account"))
	if what == "" || len(what) > 320 {
		return page.Render(w, r, http.StatusUnprocessableEntity, page.Recover{
			Error: &page.FieldError{Field: "account", Message: "Say which account.", Fix: "Type its number, its name, or your address."}})
	}
	if err := c.ledger.AskRecovery(r.Context(), request.As(r.Context(), account.Actor{}), what); err != nil {
		return err
	}
	return page.Render(w, r, http.StatusOK, page.Recover{Asked: true})
}

// RecoveryLink is GET /recovery/{token}: what the link of a letter is about. Looking uses nothing up.
func (c *Console) RecoveryLink(w http.ResponseWriter, r *http.Request) error {
	_, view, err := c.recoveryLink(r)
	if err != nil {
		return err
	}
	return page.Render(w, r, http.StatusOK, view)
}

func (c *Console) recoveryLink(r *http.Request) (account.Secret, page.RecoveryLink, error) {
	token := account.NewSecret(r.PathValue("token"))
	link, err := c.ledger.RecoveryLink(r.Context(), token)
	return token, page.RecoveryLink{Path: "/recovery/" + token.Reveal(), Purpose: link.Purpose, Org: org(link.Org), Email: link.Email}, err
}

// UseRecoveryLink is POST /recovery/{token}: the button. Emergency access sets a session.
func (c *Console) UseRecoveryLink(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return account.Errorf(account.Invalid, "The form does not parse.").Because(err)
	}
	token, view, err := c.recoveryLink(r)
	if err != nil {
		return err
	}
	by := request.As(r.Context(), account.Actor{})
	switch view.Purpose {
	case account.RecoveryVerify:
		err = c.ledger.VerifyRecovery(r.Context(), by, token)
	case account.RecoveryRehearse:
		err = c.ledger.FinishRehearsal(r.Context(), by, token)
	case account.RecoveryAddress:
		err = c.ledger.ConfirmAddress(r.Context(), by, token)
	default:
		return c.breakGlass(w, r, by, token, view)
	}
	if err != nil {
		return err
	}
	view.Done = true
	return page.Render(w, r, http.StatusOK, view)
}

func (c *Console) breakGlass(w http.ResponseWriter, r *http.Request, by account.Actor, token account.Secret, view page.RecoveryLink) error {
	code := strings.TrimSpace(r.PostForm.Get("code"))
	s, err := c.ledger.EnterByRecovery(r.Context(), by, token, code)
	var asks *account.Error
	if errors.As(err, &asks) && asks.Code == "second_factor" {
		view.Factor = true
		if code != "" {
			view.Error = &page.FieldError{Field: "code", Message: asks.Message, Fix: asks.Help}
		}
		return page.Render(w, r, http.StatusUnprocessableEntity, view)
	}
	if err != nil {
		return err
	}
	if old := session.Token(r); !old.IsZero() { // it replaces whatever session this browser had (SES-2)
		if _, err := c.ledger.SignOut(r.Context(), account.Actor{Kind: account.ActorUser, User: s.User}, old); err != nil {
			return err
		}
	}
	session.Set(w, s, c.now())
	return see(w, r, "/account/recovery")
}

// Recovery is GET /account/recovery: how the owner of the account gets back in (A-09, I-01).
func (c *Console) Recovery(w http.ResponseWriter, r *http.Request) error {
	return c.signedIn(w, r, func(w http.ResponseWriter, r *http.Request, p account.Presence) error {
		view, err := c.recovery(r, p)
		if err != nil {
			return err
		}
		return page.Render(w, r, http.StatusOK, view)
	})
}

func (c *Console) recovery(r *http.Request, p account.Presence) (page.Recovery, error) {
	v := page.Recovery{Who: who(r, p), Org: org(p.Org), MayChange: account.HasRole(p.Roles, account.Scope{Org: p.Org.ID}, account.Owner),
		Emergency: p.Session.Method == account.ByRecovery}
	have, err := c.ledger.Recovery(r.Context(), actor(r, p), p.Account.ID)
	if err != nil {
		return v, err
	}
	v.State, v.Email, v.Pending, v.Verified, v.Rehearsed, v.Used, v.Waived = have.State(), have.Email, have.Pending, have.VerifiedAt, have.RehearsedAt, have.UsedAt, have.Waived
	v.Owner, err = c.ledger.AccountOwner(r.Context(), actor(r, p), p.Account.ID)
	return v, err
}

// freshness is how long ago somebody may have proved who they are who changes how an owner gets in.
const freshness = 30 * time.Minute

// SetRecovery is POST /account/recovery with do (set, rehearse, remove, waive, address) and what that needs.
func (c *Console) SetRecovery(w http.ResponseWriter, r *http.Request) error {
	return c.posted(w, r, func(w http.ResponseWriter, r *http.Request, p account.Presence) error {
		if err := session.Fresh(p, freshness, c.now()); err != nil && p.Session.Method != account.ByRecovery {
			return err
		}
		said, field, err := c.changeRecovery(r, p)
		view, errView := c.recovery(r, p)
		if errView != nil {
			return errView
		}
		var wrong *account.Error
		if errors.As(err, &wrong) && field != "" {
			view.Typed = r.PostForm.Get("email")
			view.Error = &page.FieldError{Field: field, Message: wrong.Message, Fix: wrong.Help}
			return page.Render(w, r, http.StatusUnprocessableEntity, view)
		}
		if err != nil {
			return err
		}
		view.Said = said
		return page.Render(w, r, http.StatusOK, view)
	})
}

// changeRecovery does what the form asks for, and says so; field is where its error belongs.
func (c *Console) changeRecovery(r *http.Request, p account.Presence) (said, field string, err error) {
	ctx, by, a := r.Context(), actor(r, p), p.Account.ID
	switch email := strings.TrimSpace(r.PostForm.Get("email")); r.PostForm.Get("do") {
	case "set":
		_, err = c.ledger.SetRecovery(ctx, by, a, email)
		return "A letter is on its way to " + email + ". It counts once somebody there has pressed Verify.", "email", err
	case "rehearse":
		return "A letter is on its way. Open it, and finish the rehearsal there.", "email", c.ledger.RehearseRecovery(ctx, by, a)
	case "remove":
		return "The recovery e-mail was removed. All owners are told.", "email", c.ledger.RemoveRecovery(ctx, by, a)
	case "waive":
		_, err = c.ledger.WaiveRecovery(ctx, by, a, r.PostForm.Get("reason"))
		return "It is on record that you do without a recovery e-mail. All owners are told.", "reason", err
	case "address":
		to := strings.TrimSpace(r.PostForm.Get("address"))
		return "A letter is on its way to " + to + ". The address is yours once its link was pressed.", "address", c.ledger.AskAddress(ctx, by, a, to)
	}
	return "", "", account.Errorf(account.Invalid, "The form does not say what to do.")
}
