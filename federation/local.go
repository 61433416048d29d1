package federation

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/federation/session"
	"github.com/drawbridge-id/drawbridge/passwords"
	"github.com/drawbridge-id/drawbridge/request"
	"github.com/drawbridge-id/drawbridge/store"
	"github.com/drawbridge-id/drawbridge/web/page"
)

// stranger is whoever fills in a form without being signed in.
func stranger(ctx context.Context) account.Actor {
	return request.As(ctx, account.Actor{Kind: account.ActorUser})
}

// elsewhere is the connection at which the people of an address sign in; found is false when none does. Only what is cut over has to go there.
func (d *Door) elsewhere(ctx context.Context, email string) (c account.Connection, cutOver, found bool, err error) {
	c, domain, found, err := d.ledger.ConnectionFor(ctx, email)
	return c, found && domain.CutOver, found, err
}

// toProvider sends whoever fills in a form of ours to their company's provider.
func (d *Door) toProvider(w http.ResponseWriter, r *http.Request, c account.Connection, email, next string) error {
	start := startOf(c, email, next)
	return follow(w, r, start, page.Continue{Email: email, Provider: provider(c), URL: start, ChangePath: "/signin" + suffix(query("next", next))})
}

func startOf(c account.Connection, email, next string) string {
	return "/login/" + string(c.ID) + "?" + query("login_hint", email, "next", next)
}

// asked reads where a form wants to go, and sends an address whose people sign in at their provider there. gone says that it has answered.
func (d *Door) asked(w http.ResponseWriter, r *http.Request) (email, next string, gone bool, err error) {
	noStore(w)
	if err := d.form(w, r); err != nil {
		return "", "", true, err
	}
	next = Next(d.ledger.Catalogue(), r.PostForm.Get("next"))
	email = strings.TrimSpace(r.PostForm.Get("email"))
	normal, err := account.NormalEmail(email)
	if err != nil {
		return email, next, false, nil // the verb says what is wrong with it
	}
	c, cut, _, err := d.elsewhere(r.Context(), normal)
	if err != nil {
		return normal, next, true, err
	}
	if cut {
		return normal, next, true, d.toProvider(w, r, c, normal, next)
	}
	return normal, next, false, nil
}

// PasswordPage asks for the password of an address: GET /signin/password?email=&next=. It is the same for every address.
func (d *Door) PasswordPage(w http.ResponseWriter, r *http.Request) error {
	noStore(w)
	next := Next(d.ledger.Catalogue(), r.URL.Query().Get("next"))
	email, err := account.NormalEmail(r.URL.Query().Get("email"))
	if err != nil {
		return see(w, r, "/signin"+suffix(query("next", next)))
	}
	p, err := d.passwordPage(r.Context(), email, next)
	if err != nil {
		return err
	}
	return page.Render(w, r, http.StatusOK, p)
}

func (d *Door) passwordPage(ctx context.Context, email, next string) (page.Password, error) {
	p := page.Password{Email: email, Next: next}
	c, _, found, err := d.elsewhere(ctx, email)
	if found {
		p.Provider, p.URL = provider(c), startOf(c, email, next)
	}
	return p, err
}

// SignInByPassword takes address and password: POST /signin/password. Whoever is known and whoever is not are answered alike (RATE-2).
func (d *Door) SignInByPassword(w http.ResponseWriter, r *http.Request) error {
	email, next, gone, err := d.asked(w, r)
	if gone || err != nil {
		return err
	}
	e, err := d.ledger.PasswordSignIn(r.Context(), stranger(r.Context()), email, account.NewSecret(r.PostForm.Get("password")), next)
	wrong, status := fieldErrors(err, "password")
	if len(wrong) > 0 {
		p, err := d.passwordPage(r.Context(), email, next)
		if err != nil {
			return err
		}
		p.Errors = wrong
		request.Note(r.Context(), slog.String("verb", "user.signed_in"), slog.String("outcome", "refused"))
		return page.Render(w, r, status, p)
	}
	if err != nil {
		return err
	}
	return d.enterLocally(w, r, e)
}

// enterLocally gives the browser its session, or sends it to its second factor.
func (d *Door) enterLocally(w http.ResponseWriter, r *http.Request, e store.LocalEntrance) error {
	session.ClearPending(w)
	if !e.Half.IsZero() {
		session.SetPending(w, e.Half.Reveal())
		return see(w, r, "/second-factor")
	}
	d.forget(r, e.Session.User)
	session.Set(w, e.Session, d.now())
	request.Note(r.Context(), slog.String("verb", "user.signed_in"), slog.String("outcome", "done"), slog.String("actor", "user:"+string(e.Session.User)))
	if e.Several {
		return see(w, r, "/choose"+suffix(query("next", e.Next)))
	}
	return see(w, r, onward(e.Next))
}

// forget ends the session that this browser had before a sign-in of u (SES-2). It may belong to somebody else or to nobody; if it cannot be
// ended now it ends by its own limits.
func (d *Door) forget(r *http.Request, u account.UserID) {
	old := session.Token(r)
	if old.IsZero() {
		return
	}
	if _, err := d.ledger.SignOut(r.Context(), person(r.Context(), u), old); err != nil {
		d.log.InfoContext(r.Context(), "the former session of a browser was not ended", "error", err)
	}
}

// fieldErrors are the parts of an error that a form shows, and the status of the page with them; those without a field are shown at one that
// is given. None: the error is no concern of the form.
func fieldErrors(err error, at string) (all page.FieldErrors, status int) {
	for _, e := range account.Errors(err) {
		switch e.Kind {
		case account.Invalid, account.Forbidden, account.Conflict, account.TooMany:
			all = append(all, page.FieldError{Field: cmp.Or(strings.TrimPrefix(e.Pointer, "/"), at), Message: e.Message, Fix: e.Help})
			status = max(status, map[account.ErrorKind]int{account.Invalid: http.StatusUnprocessableEntity, account.Forbidden: http.StatusForbidden,
				account.Conflict: http.StatusConflict, account.TooMany: http.StatusTooManyRequests}[e.Kind])
		default:
			return nil, 0
		}
	}
	return all, status
}

// SignUpPage asks for address, password and agreement: GET /signup?email=&next=.
func (d *Door) SignUpPage(w http.ResponseWriter, r *http.Request) error {
	noStore(w)
	email, err := account.NormalEmail(r.URL.Query().Get("email"))
	if err != nil {
		email = ""
	}
	return page.Render(w, r, http.StatusOK, d.signUpPage(email, Next(d.ledger.Catalogue(), r.URL.Query().Get("next")), nil))
}

func (d *Door) signUpPage(email, next string, accepted []account.Acceptance) page.SignUp {
	cat := d.ledger.Catalogue()
	return page.SignUp{Email: email, Next: next, Rule: passwords.Spell(cat.Limits.Password), Terms: termsOf(cat.Terms, accepted)}
}

func termsOf(documents []account.Document, accepted []account.Acceptance) (all []page.Term) {
	for _, doc := range documents {
		t := page.TermOf(doc)
		t.Checked = slices.ContainsFunc(accepted, func(a account.Acceptance) bool { return a.Of(doc) })
		all = append(all, t)
	}
	return all
}

// agreed reads the boxes that were ticked, each "document version".
func agreed(r *http.Request) (all []account.Acceptance) {
	for _, v := range r.PostForm["accept"] {
		document, version, _ := strings.Cut(v, " ")
		all = append(all, account.Acceptance{Document: document, Version: version})
	}
	return all
}

// SignUp begins a sign-up: POST /signup.
func (d *Door) SignUp(w http.ResponseWriter, r *http.Request) error {
	email, next, gone, err := d.asked(w, r)
	if gone || err != nil {
		return err
	}
	in := store.SignUp{Email: email, Password: account.NewSecret(r.PostForm.Get("password")), Confirmation: account.NewSecret(r.PostForm.Get("confirmation")),
		Accepted: agreed(r), Next: next}
	token, err := d.ledger.BeginSignUp(r.Context(), stranger(r.Context()), in)
	wrong, status := fieldErrors(err, "email")
	if len(wrong) > 0 {
		p := d.signUpPage(clip(email, 320), next, in.Accepted)
		p.Errors = wrong
		return page.Render(w, r, status, p)
	}
	if err != nil {
		return err
	}
	session.SetPending(w, token.Reveal())
	return see(w, r, "/verify")
}

// lookAgain is how often the first tab looks whether the link was pressed in another one (H-04).
const lookAgain = "5"

// VerifyPage waits for code or link: GET /verify. Once the link was pressed it goes on by itself.
func (d *Door) VerifyPage(w http.ResponseWriter, r *http.Request) error {
	noStore(w)
	p, err := d.ledger.SignUpOf(r.Context(), session.Pending(r))
	if account.KindOf(err) == account.NotFound {
		if _, err := session.FromRequest(d.ledger, r); err == nil {
			return see(w, r, "/")
		}
		return see(w, r, "/signin")
	}
	if err != nil {
		return err
	}
	if p.Verified {
		e, err := d.ledger.FinishSignUp(r.Context(), stranger(r.Context()), session.Pending(r))
		if err != nil {
			return err
		}
		return d.welcome(w, r, e)
	}
	w.Header().Set("Refresh", lookAgain)
	return page.Render(w, r, http.StatusOK, verifyPage(p))
}

func verifyPage(p store.PendingSignUp) page.Verify {
	return page.Verify{Email: p.Email, Next: p.Next, TriesLeft: p.TriesLeft, LettersLeft: p.LettersLeft, ExpiresAt: p.ExpiresAt}
}

// welcome signs a new identity in and asks for what it wants to hear of.
func (d *Door) welcome(w http.ResponseWriter, r *http.Request, e store.LocalEntrance) error {
	if e.Several {
		e.Next = "/choose" + suffix(query("next", e.Next))
	}
	e.Next, e.Several = "/welcome"+suffix(query("next", e.Next)), false
	return d.enterLocally(w, r, e)
}

// Verify takes the code: POST /verify.
func (d *Door) Verify(w http.ResponseWriter, r *http.Request) error {
	noStore(w)
	if err := d.form(w, r); err != nil {
		return err
	}
	token := session.Pending(r)
	e, err := d.ledger.VerifySignUp(r.Context(), stranger(r.Context()), token, r.PostForm.Get("code"))
	if wrong, status := fieldErrors(err, "code"); len(wrong) > 0 {
		p, err := d.ledger.SignUpOf(r.Context(), token)
		if err != nil {
			return err
		}
		shown := verifyPage(p)
		shown.Error = &wrong[0]
		shown.Error.Field = "code"
		return page.Render(w, r, status, shown)
	}
	if err != nil {
		return err
	}
	return d.welcome(w, r, e)
}

// ResendVerification sends another code: POST /verify/resend.
func (d *Door) ResendVerification(w http.ResponseWriter, r *http.Request) error {
	noStore(w)
	token := session.Pending(r)
	if err := d.ledger.ResendSignUp(r.Context(), stranger(r.Context()), token); err != nil {
		return err
	}
	p, err := d.ledger.SignUpOf(r.Context(), token)
	if err != nil {
		return err
	}
	shown := verifyPage(p)
	shown.Sent = true
	return page.Render(w, r, http.StatusOK, shown)
}

// VerifyLinkPage is behind the link in the letter: GET /verify/{token}. Looking uses nothing up: mail scanners do.
func (d *Door) VerifyLinkPage(w http.ResponseWriter, r *http.Request) error {
	noStore(w)
	p, err := d.ledger.SignUpByLink(r.Context(), account.NewSecret(r.PathValue("token")), session.Pending(r))
	if err != nil {
		return err
	}
	if p.Verified {
		return page.Render(w, r, http.StatusOK, page.Verified{Email: p.Email})
	}
	return page.Render(w, r, http.StatusOK, page.VerifyLink{Email: p.Email, Path: r.URL.EscapedPath(), Mine: p.Mine})
}

// VerifyByLink presses its button: POST /verify/{token}.
func (d *Door) VerifyByLink(w http.ResponseWriter, r *http.Request) error {
	noStore(w)
	if err := d.form(w, r); err != nil {
		return err
	}
	link, browser := account.NewSecret(r.PathValue("token")), session.Pending(r)
	p, err := d.ledger.SignUpByLink(r.Context(), link, browser)
	if err != nil {
		return err
	}
	err = d.ledger.VerifySignUpByLink(r.Context(), stranger(r.Context()), link, browser, account.NewSecret(r.PostForm.Get("password")))
	if wrong, status := fieldErrors(err, "password"); len(wrong) > 0 && !p.Mine {
		return page.Render(w, r, status, page.VerifyLink{Email: p.Email, Path: r.URL.EscapedPath(), Errors: wrong})
	}
	if err != nil {
		return err
	}
	return page.Render(w, r, http.StatusOK, page.Verified{Email: p.Email})
}

// signedIn serves h for whoever is signed in.
func (d *Door) signedIn(w http.ResponseWriter, r *http.Request, h session.Handler) error {
	return session.Require(d.ledger, h)(w, r)
}

// ownPost is signedIn for forms, which have to carry the session's token (SES-5).
func (d *Door) ownPost(w http.ResponseWriter, r *http.Request, h func(p account.Presence, by account.Actor, next string) error) error {
	return d.signedIn(w, r, func(w http.ResponseWriter, r *http.Request, p account.Presence) error {
		if err := d.ownForm(w, r); err != nil {
			return err
		}
		return h(p, session.Actor(r.Context(), p), Next(d.ledger.Catalogue(), r.PostForm.Get("next")))
	})
}

func whoIs(r *http.Request, p account.Presence) page.Who {
	return page.Who{Email: p.User.Email, Name: p.User.Name, Token: session.FormToken(session.Token(r))}
}

// WelcomePage asks what somebody wants to hear of: GET /welcome?next= (H-05).
func (d *Door) WelcomePage(w http.ResponseWriter, r *http.Request) error {
	return d.signedIn(w, r, func(w http.ResponseWriter, r *http.Request, p account.Presence) error {
		return page.Render(w, r, http.StatusOK, page.Welcome{Who: whoIs(r, p), Next: Next(d.ledger.Catalogue(), r.URL.Query().Get("next"))})
	})
}

// Welcome notes it and leads on: to where the person wanted to go, or to an account of their own when they have none.
func (d *Door) Welcome(w http.ResponseWriter, r *http.Request) error {
	return d.ownPost(w, r, func(p account.Presence, by account.Actor, next string) error {
		if err := d.ledger.Welcome(r.Context(), by, r.PostForm.Get("news") != ""); err != nil {
			return err
		}
		if next == "" && len(p.Tenancies) == 0 {
			next = "/account/new"
		}
		return see(w, r, onward(next))
	})
}

// ForgotPage asks for an address: GET /password/forgot?email=.
func (d *Door) ForgotPage(w http.ResponseWriter, r *http.Request) error {
	noStore(w)
	email, err := account.NormalEmail(r.URL.Query().Get("email"))
	if err != nil {
		email = ""
	}
	return page.Render(w, r, http.StatusOK, page.Forgot{Email: email})
}

// Forgot sends a link to a new password: POST /password/forgot. The answer is the same for every address (RATE-2).
func (d *Door) Forgot(w http.ResponseWriter, r *http.Request) error {
	email, _, gone, err := d.asked(w, r)
	if gone || err != nil {
		return err
	}
	err = d.ledger.AskReset(r.Context(), stranger(r.Context()), email)
	if wrong, status := fieldErrors(err, "email"); len(wrong) > 0 {
		return page.Render(w, r, status, page.Forgot{Email: clip(email, 320), Error: &wrong[0]})
	}
	if err != nil {
		return err
	}
	return page.Render(w, r, http.StatusOK, page.Forgot{Email: email, Sent: true})
}

// ResetPage is behind the link in the letter: GET /password/reset/{token}.
func (d *Door) ResetPage(w http.ResponseWriter, r *http.Request) error {
	noStore(w)
	p, err := d.resetPage(r)
	if err != nil {
		return err
	}
	return page.Render(w, r, http.StatusOK, p)
}

func (d *Door) resetPage(r *http.Request) (page.NewPassword, error) {
	email, err := d.ledger.ResetLink(r.Context(), account.NewSecret(r.PathValue("token")))
	return page.NewPassword{Email: email, Path: r.URL.EscapedPath(), Rule: passwords.Spell(d.ledger.Catalogue().Limits.Password)}, err
}

// Reset saves a new password: POST /password/reset/{token}. The person signs in with it afterwards.
func (d *Door) Reset(w http.ResponseWriter, r *http.Request) error {
	noStore(w)
	if err := d.form(w, r); err != nil {
		return err
	}
	p, err := d.resetPage(r)
	if err != nil {
		return err
	}
	err = d.ledger.ResetPassword(r.Context(), stranger(r.Context()), account.NewSecret(r.PathValue("token")),
		account.NewSecret(r.PostForm.Get("password")), account.NewSecret(r.PostForm.Get("confirmation")))
	if account.KindOf(err) == account.Invalid {
		var status int
		if p.Errors, status = fieldErrors(err, "password"); len(p.Errors) > 0 {
			return page.Render(w, r, status, p)
		}
	}
	if err != nil {
		return err
	}
	session.Clear(w)
	return page.Render(w, r, http.StatusOK, page.Password{Email: p.Email, Notice: "Your password is changed, and you are signed out everywhere. Sign in with the new one."})
}

// ConfirmPage asks again who somebody is: GET /signin/confirm?next=. Whoever signed in at a provider goes there, where their credentials are
// asked for; the first owner's link proves nothing twice, so its owner chooses a password first.
func (d *Door) ConfirmPage(w http.ResponseWriter, r *http.Request) error {
	return d.signedIn(w, r, func(w http.ResponseWriter, r *http.Request, p account.Presence) error {
		next := Next(d.ledger.Catalogue(), r.URL.Query().Get("next"))
		if p.Session.Connection != "" {
			c, err := d.ledger.Connection(r.Context(), p.Session.Connection)
			if err != nil {
				return err
			}
			return d.start(w, r, c, account.Flow{Connection: c.ID, Which: account.Live, Next: next, LoginHint: p.User.Email, Forced: true})
		}
		if p.Session.Method == "" {
			return see(w, r, "/password/forgot"+suffix(query("email", p.User.Email)))
		}
		return page.Render(w, r, http.StatusOK, page.ConfirmPassword{Who: whoIs(r, p), Next: next})
	})
}

// Confirm takes the password once more: POST /signin/confirm.
func (d *Door) Confirm(w http.ResponseWriter, r *http.Request) error {
	return d.ownPost(w, r, func(p account.Presence, by account.Actor, next string) error {
		s, err := d.ledger.ConfirmPassword(r.Context(), by, session.Token(r), account.NewSecret(r.PostForm.Get("password")))
		if wrong, status := fieldErrors(err, "password"); len(wrong) > 0 {
			for i := range wrong {
				wrong[i].Field = "password"
			}
			return page.Render(w, r, status, page.ConfirmPassword{Who: whoIs(r, p), Next: next, Errors: wrong})
		}
		if err != nil {
			return err
		}
		session.Set(w, s, d.now())
		return see(w, r, onward(next))
	})
}

// TermsPage asks a signed-in person to agree to what is new to them: GET /terms?next= (H-10).
func (d *Door) TermsPage(w http.ResponseWriter, r *http.Request) error {
	return d.signedIn(w, r, func(w http.ResponseWriter, r *http.Request, p account.Presence) error {
		next := Next(d.ledger.Catalogue(), r.URL.Query().Get("next"))
		due, err := d.due(r.Context(), session.Actor(r.Context(), p))
		if err != nil {
			return err
		}
		if len(due) == 0 {
			return see(w, r, onward(next))
		}
		return page.Render(w, r, http.StatusOK, page.AgreeTerms{Who: whoIs(r, p), Next: next, Terms: due})
	})
}

func (d *Door) due(ctx context.Context, by account.Actor) (due []page.Term, err error) {
	all, err := d.ledger.Terms(ctx, by)
	for _, t := range all {
		if t.AcceptedAt.IsZero() {
			shown := page.TermOf(t.Document)
			shown.Before = t.Before
			due = append(due, shown)
		}
	}
	return due, err
}

// AgreeTerms notes what they agree to: POST /terms. Nobody goes on before they have agreed to all of it.
func (d *Door) AgreeTerms(w http.ResponseWriter, r *http.Request) error {
	return d.ownPost(w, r, func(p account.Presence, by account.Actor, next string) error {
		err := d.ledger.AcceptTerms(r.Context(), by, agreed(r)...)
		var known *account.Error
		if err != nil && !(errors.As(err, &known) && known.Kind == account.Conflict) {
			return err
		}
		due, err := d.due(r.Context(), by)
		if err != nil {
			return err
		}
		if len(due) == 0 {
			return see(w, r, onward(next))
		}
		wrong := page.FieldErrors{}
		for _, t := range due {
			wrong = append(wrong, page.FieldError{Field: "terms", Message: "Agree to the " + t.Label + " first."})
		}
		return page.Render(w, r, http.StatusUnprocessableEntity, page.AgreeTerms{Who: whoIs(r, p), Next: next, Terms: due, Errors: wrong})
	})
}
