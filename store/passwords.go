package store

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/passwords"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// A LocalEntrance is what comes of a sign-in without a connection.
type LocalEntrance struct {
	Session account.Session // Token is set, this once; zero while a second factor is owed
	Several bool            // more than one account to choose from
	Half    account.Secret  // a second factor is owed: the token by which this browser goes on; else zero
	Next    string          // where the person wanted to go
}

// wrongPassword is the answer to an address that nobody has, one without a password, and a wrong password alike.
func wrongPassword() *account.Error {
	return account.Errorf(account.Forbidden, "This address and this password do not belong together.").Coded("wrong_password").
		Fix("Try again, or have a link sent by which you choose a new password.")
}

// cutOver is the answer to whoever wants to use a password of a domain that signs in at its own provider (K-21).
func cutOver(domain string) *account.Error {
	return account.Errorf(account.Forbidden, "People of %s sign in at their own identity provider.", domain).Coded("cut_over").Fix("Start from the sign-in page with your address.")
}

// nativeWay asks that an address may be used without its company's provider. The account that holds the domain is held meanwhile, so that a
// cut-over comes before or after.
func nativeWay(tx *table.Tx, email string) error {
	domain := domainOf(email)
	d, held, err := tx.HeldDomain(domain)
	if err != nil || !held {
		return err
	}
	if err := tx.ShareAccount(d.Account); err != nil {
		return err
	}
	if d, held, err = tx.HeldDomain(domain); err != nil || !held {
		return err
	}
	if d.Counts() && d.CutOver {
		return cutOver(domain)
	}
	return nil
}

// domainOf is the name under which the domain of an address is held.
func domainOf(email string) string {
	if domain, err := account.NormalDomain(account.EmailDomain(email)); err == nil {
		return domain
	}
	return account.EmailDomain(email)
}

// normalPassword is the spelling of a password that somebody typed to sign in. What cannot be a password is like any wrong one.
func normalPassword(p account.Secret) string {
	n, err := passwords.Normal(p.Reveal())
	if err != nil {
		return ""
	}
	return n
}

// newPassword judges a password that somebody wants to have, and its confirmation: each unmet rule is an error of its own at /password (H-02).
func (l *Ledger) newPassword(p, confirmation account.Secret, email string) (string, error) {
	normal, err := passwords.Normal(p.Reveal())
	if err != nil {
		return "", err
	}
	bad := func(code, format string, args ...any) error {
		return account.Errorf(account.Invalid, format, args...).Coded(code).At("/password")
	}
	var wrong []error
	for _, unmet := range passwords.Unmet(l.Catalogue().Limits.Password, normal) {
		wrong = append(wrong, bad("password_rule", "The password needs %s.", unmet))
	}
	if len(wrong) == 0 {
		breached, err := l.opt.Passwords.Breached.Has(normal)
		switch {
		case err != nil:
			return "", err
		case breached, email != "" && strings.EqualFold(normal, email):
			wrong = append(wrong, bad("password_breached", "This password is one of those that attackers try first. Choose another one."))
		}
	}
	if p.Reveal() != confirmation.Reveal() {
		wrong = append(wrong, account.Errorf(account.Invalid, "The two passwords differ.").Coded("password_mismatch").At("/confirmation").Fix("Type the same one twice."))
	}
	return normal, errors.Join(wrong...)
}

// PasswordSignIn signs somebody in who has a password here (H-07). An address that nobody has, one without a password and a wrong password are
// answered alike and after the same work: Forbidden with code wrong_password. Forbidden with code cut_over when the address's domain signs in
// at its provider, user_disabled when the password is right and the person disabled; TooMany when it was tried too often.
func (l *Ledger) PasswordSignIn(ctx context.Context, by account.Actor, email string, password account.Secret, next string) (LocalEntrance, error) {
	email, err := account.NormalEmail(email)
	if err != nil {
		return LocalEntrance{}, err
	}
	here := passwordsHere.both(email, by.IP)
	if err := l.attempt(ctx, passwordsFrom.network(by.IP), here, passwordsOf.address(email)); err != nil {
		return LocalEntrance{}, err
	}
	known, rehashed, err := l.knownByPassword(ctx, email, password)
	if account.KindOf(err) == account.Forbidden {
		l.recordNotIn(ctx, by, email)
	}
	if err != nil {
		return LocalEntrance{}, err
	}
	now := l.now()
	var out LocalEntrance
	err = l.db.Write(ctx, func(tx *table.Tx) error {
		if err := nativeWay(tx, email); err != nil {
			return err
		}
		i, found, err := tx.LocalIdentity(known.User)
		if err != nil {
			return err
		}
		if !found || i.Password != known.Password { // changed or taken away meanwhile
			return wrongPassword()
		}
		if rehashed != "" {
			if err := tx.Rehash(i.User, i.Password, rehashed); err != nil {
				return err
			}
		}
		if err := tx.Forgive(here.what, here.whom); err != nil {
			return err
		}
		out, err = l.admit(tx, by, i.User, account.ByPassword, next, now)
		return err
	})
	return out, err
}

// knownByPassword finds who has an address and a password; rehashed is the same password's hash where it has to be made anew.
func (l *Ledger) knownByPassword(ctx context.Context, email string, password account.Secret) (i table.LocalIdentity, rehashed string, err error) {
	err = l.db.Look(ctx, func(tx *table.Tx) (err error) { i, _, err = tx.LocalIdentityByEmail(email); return err })
	if err != nil {
		return i, "", err
	}
	normal := normalPassword(password)
	right, stale, err := l.hasher.check(ctx, i.Password, normal)
	switch {
	case err != nil:
		return i, "", err
	case !right || normal == "":
		return i, "", wrongPassword()
	case stale:
		rehashed, err = l.hasher.hash(ctx, normal)
	}
	return i, rehashed, err
}

// recordNotIn leaves a line about a password that was refused (AUD-1). Failing to write it does not change the answer.
func (l *Ledger) recordNotIn(ctx context.Context, by account.Actor, email string) {
	now := l.now()
	line := l.line(by, "", "user.signed_in", note{Reason: "wrong_password", Detail: map[string]any{"email": email, "method": account.ByPassword}}, now)
	line.Outcome = "refused"
	if err := l.db.Write(ctx, func(tx *table.Tx) error { return tx.InsertAudit(line, now) }); err != nil {
		l.opt.Log.ErrorContext(ctx, "a refused sign-in could not be audited", "error", err)
	}
}

// admit lets somebody in who has proved who they are by a method, or lets them go on to their second factor.
func (l *Ledger) admit(tx *table.Tx, by account.Actor, u account.UserID, m account.Method, next string, now time.Time) (LocalEntrance, error) {
	owed, err := tx.HasFactor(u)
	if err != nil {
		return LocalEntrance{}, err
	}
	if owed {
		return l.halfSignIn(tx, u, m, next, now)
	}
	s, several, err := l.localSession(tx, by, u, m, now)
	return LocalEntrance{Session: s, Several: several, Next: next}, err
}

// ConfirmPassword asks whoever holds a session for their password once more; the session counts as fresh from then on, and gets another
// token (SES-2). Conflict with code no_password when they have none, who sign in elsewhere. Otherwise as PasswordSignIn.
func (l *Ledger) ConfirmPassword(ctx context.Context, by account.Actor, token, password account.Secret) (account.Session, error) {
	email, old, err := l.checkOwn(ctx, by, password)
	if err != nil {
		return account.Session{}, err
	}
	fresh := account.NewSecret(l.random(32))
	var out account.Session
	err = l.personally(ctx, by, "user.confirmed", func(s *self) (*note, error) {
		if err := s.unchanged(old); err != nil {
			return nil, err
		}
		v, err := liveVisit(s.Tx, digest(token.Reveal()), s.now)
		if err != nil {
			return nil, err
		}
		if v.User.ID != s.User.ID {
			return nil, nobody()
		}
		moved, err := s.ConfirmSession(v.Digest, digest(fresh.Reveal()), s.now)
		if err != nil {
			return nil, err
		}
		if !moved {
			return nil, nobody()
		}
		s.Shut(table.OfSession(v.Session.ID))
		out = v.Session.Session
		out.Token, out.ConfirmedAt = fresh, s.now
		return &note{Target: string(s.User.ID), Detail: map[string]any{"session": out.ID}}, s.forgive(email)
	})
	return out, err
}

// checkOwn asks a signed-in person for their password, and says what its hash is.
func (l *Ledger) checkOwn(ctx context.Context, by account.Actor, password account.Secret) (email, phc string, err error) {
	var user account.User
	var i table.LocalIdentity
	err = l.lookPersonally(ctx, by, func(s *self) error {
		var found bool
		user = s.User
		if i, found, err = s.LocalIdentity(s.User.ID); err == nil && !found {
			err = noPassword()
		}
		return err
	})
	if err != nil {
		return "", "", err
	}
	if err := l.attempt(ctx, passwordsFrom.network(by.IP), passwordsHere.both(user.Email, by.IP), passwordsOf.address(user.Email)); err != nil {
		return "", "", err
	}
	right, _, err := l.hasher.check(ctx, i.Password, normalPassword(password))
	if err == nil && !right {
		l.recordNotIn(ctx, by, user.Email)
		err = account.Errorf(account.Forbidden, "This is not your password.").Coded("wrong_password").Fix("Try again.").At("/current")
	}
	return user.Email, i.Password, err
}

func noPassword() *account.Error {
	return account.Errorf(account.Conflict, "You have no password here.").Coded("no_password").Fix("Sign in at your identity provider, or have a link sent by which you choose a password.")
}

// unchanged asks that the password whose hash was checked before the transaction is still the one.
func (s *self) unchanged(phc string) error {
	i, found, err := s.LocalIdentity(s.User.ID)
	if err == nil && (!found || i.Password != phc) {
		err = account.Errorf(account.Conflict, "Your password was changed meanwhile.").Coded("password_changed").Fix("Sign in with the new one.")
	}
	return err
}

func (s *self) forgive(email string) error {
	k := passwordsHere.both(email, s.by.IP)
	return s.Forgive(k.what, k.whom)
}

// ChangePassword gives the person another password. All of their sessions end but that of token, everything that is under way with the old one
// ends too, and a letter tells them. Invalid at /password, /confirmation or /current.
func (l *Ledger) ChangePassword(ctx context.Context, by account.Actor, token, current, password, confirmation account.Secret) error {
	var user account.User
	if err := l.lookPersonally(ctx, by, func(s *self) error { user = s.User; return nil }); err != nil {
		return err
	}
	normal, err := l.newPassword(password, confirmation, user.Email)
	if err != nil {
		return err
	}
	email, old, err := l.checkOwn(ctx, by, current)
	if err != nil {
		return err
	}
	phc, err := l.hasher.hash(ctx, normal)
	if err != nil {
		return err
	}
	return l.personally(ctx, by, "password.changed", func(s *self) (*note, error) {
		if err := nativeWay(s.Tx, s.User.Email); err != nil {
			return nil, err
		}
		if err := s.unchanged(old); err != nil {
			return nil, err
		}
		if _, err := s.SetPassword(s.User.ID, phc, s.now); err != nil {
			return nil, err
		}
		ended, err := s.l.passwordChanged(s.Tx, s.by, s.User, digest(token.Reveal()), s.now)
		if err != nil {
			return nil, err
		}
		return &note{Target: string(s.User.ID), Detail: map[string]any{"sessions": ended}}, s.forgive(email)
	})
}

// passwordChanged ends every session of a person but that of a digest (nil: of none), and all that is under way with the old password; the
// person is told by mail, and each account that a session worked in has a receipt. It says how many ended.
func (l *Ledger) passwordChanged(tx *table.Tx, by account.Actor, u account.User, but []byte, now time.Time) (int, error) {
	hands, err := l.handsOf(tx, by, u.ID, now) // sign-ins under way have ended
	if err != nil {
		return 0, err
	}
	where, err := tx.EndSessionsBut(u.ID, but)
	if err != nil {
		return 0, err
	}
	in := map[account.AccountID]int{}
	for _, a := range where {
		in[a]++
	}
	for _, h := range hands {
		if n := in[h.Account.ID]; n > 0 {
			r := h.receiptFor(u, removal{User: u.ID, Source: account.SourceOf(by), Why: "password changed"})
			r.Sessions = n
			if err := h.handOut(r); err != nil {
				return 0, err
			}
		}
	}
	if err := tx.DropUnderWay(u.ID); err != nil {
		return 0, err
	}
	tx.Shut(table.OfUser(u.ID))
	return len(where), l.writeLetter(tx, "", u.Email, "password_changed", map[string]string{"Email": u.Email, "At": now.Format("2 January 2006, 15:04 UTC"), "From": by.IP}, now)
}
