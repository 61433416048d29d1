package federation

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/federation/session"
	"github.com/drawbridge-id/drawbridge/web/page"
)

// SecondFactorPage asks whoever has given the right password for more: GET /second-factor.
func (d *Door) SecondFactorPage(w http.ResponseWriter, r *http.Request) error {
	noStore(w)
	h, err := d.ledger.HalfSignIn(r.Context(), session.Pending(r))
	if account.KindOf(err) == account.Unauthorized {
		return see(w, r, "/signin")
	}
	if err != nil {
		return err
	}
	return page.Render(w, r, http.StatusOK, page.SecondFactor{Email: h.User.Email})
}

// SecondFactor takes it: POST /second-factor.
func (d *Door) SecondFactor(w http.ResponseWriter, r *http.Request) error {
	noStore(w)
	if err := d.form(w, r); err != nil {
		return err
	}
	half := session.Pending(r)
	h, err := d.ledger.HalfSignIn(r.Context(), half)
	if err != nil {
		return err
	}
	e, err := d.ledger.FinishSignIn(r.Context(), stranger(r.Context()), half, r.PostForm.Get("code"))
	if wrong, status := codeErrors(err); len(wrong) > 0 {
		return page.Render(w, r, status, page.SecondFactor{Email: h.User.Email, Errors: wrong})
	}
	if err != nil {
		return err
	}
	return d.enterLocally(w, r, e)
}

// codeErrors are what a form shows about a code; a refused one is the form's concern although nobody is signed in.
func codeErrors(err error) (page.FieldErrors, int) {
	if all := account.Errors(err); len(all) == 1 && all[0].Code == "second_factor" {
		return page.FieldErrors{{Field: "code", Message: all[0].Message, Fix: all[0].Help}}, http.StatusForbidden
	}
	return fieldErrors(err, "code")
}

// recently is how long ago somebody may have proved who they are who changes what they sign in with (H-08).
const recently = 10 * time.Minute

// proved serves h for whoever has proved of late who they are; others do so first, and come back to the settings.
func (d *Door) proved(w http.ResponseWriter, r *http.Request, h func(p account.Presence, by account.Actor) error) error {
	return d.signedIn(w, r, func(w http.ResponseWriter, r *http.Request, p account.Presence) error {
		if session.Fresh(p, recently, d.now()) != nil {
			return see(w, r, "/signin/confirm?next="+url.QueryEscape("/account/security"))
		}
		if r.Method == http.MethodPost {
			if err := d.ownForm(w, r); err != nil {
				return err
			}
		}
		return h(p, session.Actor(r.Context(), p))
	})
}

// SecurityPage is GET /account/security.
func (d *Door) SecurityPage(w http.ResponseWriter, r *http.Request) error {
	return d.proved(w, r, func(p account.Presence, by account.Actor) error { return d.security(w, r, p, by, http.StatusOK, nil) })
}

func (d *Door) security(w http.ResponseWriter, r *http.Request, p account.Presence, by account.Actor, status int, wrong page.FieldErrors) error {
	all, codes, err := d.ledger.Factors(r.Context(), by)
	if err != nil {
		return err
	}
	return page.Render(w, r, status, page.Security{Who: whoIs(r, p), Factors: all, Codes: codes, Errors: wrong})
}

// EnrolFactor begins to set an app up: POST /account/security/begin.
func (d *Door) EnrolFactor(w http.ResponseWriter, r *http.Request) error {
	return d.proved(w, r, func(p account.Presence, by account.Actor) error {
		f, secret, err := d.ledger.EnrolTOTP(r.Context(), by, strings.TrimSpace(r.PostForm.Get("name")))
		if wrong, status := fieldErrors(err, "name"); len(wrong) > 0 {
			return d.security(w, r, p, by, status, wrong)
		}
		if err != nil {
			return err
		}
		return page.Render(w, r, http.StatusOK, page.EnrolFactor{Who: whoIs(r, p), ID: f.ID, Secret: fours(secret.Reveal()), URI: otpauth(r.Host, p.User.Email, secret)})
	})
}

// ConfirmFactor takes an app's first code: POST /account/security/confirm.
func (d *Door) ConfirmFactor(w http.ResponseWriter, r *http.Request) error {
	return d.proved(w, r, func(p account.Presence, by account.Actor) error {
		id, _ := account.ParseID[account.FactorID](r.PostForm.Get("factor"))
		codes, err := d.ledger.ConfirmFactor(r.Context(), by, id, r.PostForm.Get("code"))
		if wrong, status := fieldErrors(err, "code"); len(wrong) > 0 {
			return page.Render(w, r, status, page.EnrolFactor{Who: whoIs(r, p), ID: id, Errors: wrong})
		}
		if err != nil {
			return err
		}
		return d.showCodes(w, r, p, codes)
	})
}

// showCodes shows new recovery codes, or the settings when there are none.
func (d *Door) showCodes(w http.ResponseWriter, r *http.Request, p account.Presence, codes []account.Secret) error {
	if len(codes) == 0 {
		return see(w, r, "/account/security")
	}
	view := page.RecoveryCodes{Who: whoIs(r, p)}
	for _, c := range codes {
		view.Codes = append(view.Codes, c.Reveal())
	}
	return page.Render(w, r, http.StatusOK, view)
}

// RemoveFactor is POST /account/security/remove.
func (d *Door) RemoveFactor(w http.ResponseWriter, r *http.Request) error {
	return d.proved(w, r, func(_ account.Presence, by account.Actor) error {
		id, _ := account.ParseID[account.FactorID](r.PostForm.Get("factor"))
		if err := d.ledger.RemoveFactor(r.Context(), by, id); err != nil {
			return err
		}
		return see(w, r, "/account/security")
	})
}

// NewRecoveryCodes is POST /account/security/codes.
func (d *Door) NewRecoveryCodes(w http.ResponseWriter, r *http.Request) error {
	return d.proved(w, r, func(p account.Presence, by account.Actor) error {
		codes, err := d.ledger.NewRecoveryCodes(r.Context(), by)
		if err != nil {
			return err
		}
		return d.showCodes(w, r, p, codes)
	})
}

// otpauth is how apps are told a secret, by the form that all of them read.
func otpauth(issuer, email string, secret account.Secret) string {
	return (&url.URL{Scheme: "otpauth", Host: "totp", Path: "/" + issuer + ":" + email,
		RawQuery: url.Values{"secret": {secret.Reveal()}, "issuer": {issuer}}.Encode()}).String()
}

// fours parts what people type into groups of four.
func fours(s string) string {
	var b strings.Builder
	for i, c := range s {
		if i > 0 && i%4 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(c)
	}
	return b.String()
}

// LaterFactor is POST /account/security/later: an owner does not want to be reminded for a while (H-09).
func (d *Door) LaterFactor(w http.ResponseWriter, r *http.Request) error {
	return d.ownPost(w, r, func(account.Presence, account.Actor, string) error {
		session.Later(w)
		return see(w, r, "/")
	})
}
