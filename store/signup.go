package store

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"
	"unicode"

	"crypto/rand"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// A SignUp is what somebody fills in who wants an identity here.
type SignUp struct {
	Email                  string
	Password, Confirmation account.Secret
	Accepted               []account.Acceptance // documents that they have agreed to
	Next                   string               // a path of ours, checked by the door
}

// A PendingSignUp is a sign-up whose address is not verified yet, or whose first tab has not gone on.
type PendingSignUp struct {
	Email       string
	Next        string
	TriesLeft   int  // codes that may still be typed
	LettersLeft int  // letters that may still be sent
	Verified    bool // by the link, maybe in another tab
	Mine        bool // the link is looked at by the browser that signs up
	ExpiresAt   time.Time
}

func noSignUp() *account.Error {
	return account.Errorf(account.NotFound, "Nobody is signing up in this browser.").Coded("no_signup").Fix("Start again: codes and links are good for an hour.")
}

// BeginSignUp takes note of somebody who wants an identity, and writes them a letter with a code and a link of which either verifies their
// address once (T-09). The token is for the cookie of their browser. Nothing of them exists before that: no user, and no claim to the address.
// An address with an identity is answered alike, and a letter says so. Invalid with all that is wrong: /email, /password, /confirmation, /terms.
// Forbidden with code cut_over for a domain whose people sign in at their provider.
func (l *Ledger) BeginSignUp(ctx context.Context, by account.Actor, in SignUp) (account.Secret, error) {
	email, wrong := account.NormalEmail(in.Email)
	normal, weak := l.newPassword(in.Password, in.Confirmation, email)
	if err := errors.Join(wrong, weak, l.missingTerms(in.Accepted)); err != nil {
		return account.Secret{}, err
	}
	if err := l.attempt(ctx, lettersFrom.network(by.IP), lettersTo.address(email)); err != nil {
		return account.Secret{}, err
	}
	phc, err := l.hasher.hash(ctx, normal)
	if err != nil {
		return account.Secret{}, err
	}
	now, token := l.now(), l.random(32)
	err = l.db.Write(ctx, func(tx *table.Tx) error {
		if err := nativeWay(tx, email); err != nil {
			return err
		}
		row := table.SignUp{Browser: digest(token), Email: email, Password: phc, Terms: in.Accepted, Next: in.Next, CreatedAt: now}
		if err := l.writeVerification(tx, &row, token, now); err != nil {
			return err
		}
		if err := tx.InsertSignUp(row); err != nil {
			return err
		}
		return l.audit(tx, by, "", "signup.started", note{Detail: map[string]any{"email": email}}, now)
	})
	return account.NewSecret(token), err
}

// writeVerification makes code and link of a sign-up anew, and puts the letter on its way.
func (l *Ledger) writeVerification(tx *table.Tx, row *table.SignUp, token string, now time.Time) error {
	link, code := l.random(32), l.code()
	row.Link, row.Code, row.ExpiresAt = digest(link), codeDigest(token, code), now.Add(signUpValidity)
	_, known, err := tx.LocalIdentityByEmail(row.Email)
	if err != nil {
		return err
	}
	if known {
		row.Code = nil
		return l.writeLetter(tx, "", row.Email, "already_known", map[string]string{"Email": row.Email}, now)
	}
	return l.writeLetter(tx, "", row.Email, "verify_address", map[string]string{"Email": row.Email, "Code": code[:4] + " " + code[4:], "Token": link,
		"Within": account.PlainLength(signUpValidity)}, now)
}

const codeLength = 8

// code is a number for people to copy.
func (l *Ledger) code() string {
	n, err := rand.Int(l.opt.Random, big.NewInt(100_000_000))
	if err != nil {
		panic(err) // crypto/rand never fails; a test's reader has to hold enough
	}
	return fmt.Sprintf("%0*d", codeLength, n)
}

// codeDigest hangs on the browser's token too, which is not in the database: a code alone would be guessed from its digest.
func codeDigest(token, code string) []byte { return digest(token + "\x00" + code) }

// typedCode is a code without what people copy along: spaces and dashes of any kind (H-03).
func typedCode(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.Is(unicode.Pd, r) || unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, s)
}

// SignUpOf is the sign-up of the browser that holds the token. NotFound with code no_signup.
func (l *Ledger) SignUpOf(ctx context.Context, token account.Secret) (p PendingSignUp, err error) {
	err = l.db.Look(ctx, func(tx *table.Tx) error {
		row, found, err := tx.SignUp(digest(token.Reveal()), l.now())
		if err == nil && !found {
			err = noSignUp()
		}
		p = pendingSignUp(row)
		return err
	})
	return p, err
}

func pendingSignUp(row table.SignUp) PendingSignUp {
	return PendingSignUp{Email: row.Email, Next: row.Next, TriesLeft: max(0, codeTriesAtMost-row.Tries), LettersLeft: max(0, codeLettersMost-row.Letters),
		Verified: row.User != "", ExpiresAt: row.ExpiresAt}
}

// ResendSignUp writes the letter again, with another code and link; the ones before are worth nothing then. TooMany after five letters.
func (l *Ledger) ResendSignUp(ctx context.Context, by account.Actor, token account.Secret) error {
	p, err := l.SignUpOf(ctx, token)
	if err != nil {
		return err
	}
	if err := l.attempt(ctx, lettersFrom.network(by.IP), lettersTo.address(p.Email)); err != nil {
		return err
	}
	now, d := l.now(), digest(token.Reveal())
	return l.db.Write(ctx, func(tx *table.Tx) error {
		row, found, err := tx.SignUp(d, now)
		if err != nil {
			return err
		}
		if !found {
			return noSignUp()
		}
		if err := l.writeVerification(tx, &row, token.Reveal(), now); err != nil {
			return err
		}
		renewed, err := tx.RenewSignUp(row, codeLettersMost)
		if err != nil {
			return err
		}
		if !renewed {
			return account.Errorf(account.TooMany, "No more letters are sent for this sign-up.").Coded("too_many_attempts").Fix("Start again in a while.")
		}
		return l.audit(tx, by, "", "signup.renewed", note{Detail: map[string]any{"email": row.Email}}, now)
	})
}

// VerifySignUp takes the code from the letter, in the browser that signs up: the identity is made and signed in. Each code counts before it is
// looked at; after five in vain only another letter helps. Invalid at /code with code wrong_code; Conflict with code identity_exists when
// another sign-up was faster.
func (l *Ledger) VerifySignUp(ctx context.Context, by account.Actor, token account.Secret, code string) (LocalEntrance, error) {
	p, err := l.SignUpOf(ctx, token)
	if err != nil {
		return LocalEntrance{}, err
	}
	if p.Verified {
		return l.FinishSignUp(ctx, by, token)
	}
	now, d := l.now(), digest(token.Reveal())
	room := false
	if err := l.db.Write(ctx, func(tx *table.Tx) (err error) {
		if err := attempt(tx, now, codesFor.address(p.Email)); err != nil {
			return err
		}
		room, err = tx.TrySignUp(d, codeTriesAtMost)
		return err
	}); err != nil {
		return LocalEntrance{}, err
	}
	if !room {
		return LocalEntrance{}, account.Errorf(account.Invalid, "This code was tried too often.").Coded("code_used_up").At("/code").Fix("Have a new one sent.")
	}
	var out LocalEntrance
	err = l.db.Write(ctx, func(tx *table.Tx) error {
		row, found, err := tx.SignUp(d, now)
		if err != nil {
			return err
		}
		if !found || row.User != "" {
			return noSignUp()
		}
		if subtle.ConstantTimeCompare(row.Code, codeDigest(token.Reveal(), typedCode(code))) != 1 {
			left := max(0, codeTriesAtMost-row.Tries)
			e := account.Errorf(account.Invalid, "This is not the code of the newest letter.").Coded("wrong_code").At("/code")
			if left == 0 {
				return e.Fix("Have a new one sent.")
			}
			return e.Fix("You can try %s more.", times(left))
		}
		u, err := l.verify(tx, by, row, now)
		if err != nil {
			return err
		}
		if _, err := tx.TakeSignUp(d); err != nil {
			return err
		}
		out, err = l.admit(tx, by, u, account.ByPassword, row.Next, now)
		return err
	})
	return out, err
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// SignUpByLink is what the link in a letter is about, for the page that asks whether it is meant; looking uses nothing up (mail scanners do).
// browser is the token of the browser that looks, if it signs up. NotFound with code no_link.
func (l *Ledger) SignUpByLink(ctx context.Context, link, browser account.Secret) (p PendingSignUp, err error) {
	err = l.db.Look(ctx, func(tx *table.Tx) error {
		row, found, err := tx.SignUpByLink(digest(link.Reveal()), l.now())
		if err == nil && !found {
			err = noLink()
		}
		p = pendingSignUp(row)
		p.Mine = found && mine(row, browser)
		return err
	})
	return p, err
}

func mine(row table.SignUp, browser account.Secret) bool {
	return !browser.IsZero() && subtle.ConstantTimeCompare(row.Browser, digest(browser.Reveal())) == 1
}

// VerifySignUpByLink takes the link from the letter. In the browser that signs up, pressing a button is enough; anywhere else the password
// chosen there is asked for, so that nobody confirms what somebody else has begun with their address. The first tab goes on by itself
// (FinishSignUp). Forbidden with code wrong_password; Conflict with code identity_exists.
func (l *Ledger) VerifySignUpByLink(ctx context.Context, by account.Actor, link, browser, password account.Secret) error {
	now, d := l.now(), digest(link.Reveal())
	var row table.SignUp
	err := l.db.Look(ctx, func(tx *table.Tx) error {
		var found bool
		var err error
		if row, found, err = tx.SignUpByLink(d, now); err == nil && !found {
			err = noLink()
		}
		return err
	})
	if err != nil || row.User != "" { // pressed twice
		return err
	}
	if !mine(row, browser) {
		if err := l.attempt(ctx, codesFor.address(row.Email)); err != nil {
			return err
		}
		right, _, err := l.hasher.check(ctx, row.Password, normalPassword(password))
		if err != nil {
			return err
		}
		if !right {
			return account.Errorf(account.Forbidden, "This is not the password that was chosen when signing up.").Coded("wrong_password").At("/password").
				Fix("Type the password you chose, or type the code from the letter where you signed up. If you did not sign up, close this page: nothing happens.")
		}
	}
	return l.db.Write(ctx, func(tx *table.Tx) error {
		again, found, err := tx.SignUpByLink(d, now)
		if err != nil {
			return err
		}
		if !found || again.User != "" {
			return nil // another tab was faster, with the code or the link
		}
		u, err := l.verify(tx, by, again, now)
		if err != nil {
			return err
		}
		_, err = tx.VerifySignUp(again.Browser, u, now.Add(firstTabValidity))
		return err
	})
}

// verify makes the identity of somebody whose address is verified: a new person, or a password for somebody who is known already by an
// invitation or a provider, and has now proved that the mailbox is theirs.
func (l *Ledger) verify(tx *table.Tx, by account.Actor, row table.SignUp, now time.Time) (account.UserID, error) {
	if err := nativeWay(tx, row.Email); err != nil {
		return "", err
	}
	u, known, err := tx.UserByEmail(row.Email)
	if err != nil {
		return "", err
	}
	if !known {
		u = account.User{ID: account.NewID[account.UserID](now, l.opt.Random), Email: row.Email, State: account.UserActive, CreatedAt: now}
		if err := tx.InsertUser(u); err != nil {
			return "", err
		}
	}
	if u.State != account.UserActive {
		return "", account.Errorf(account.Forbidden, "%s is disabled here.", u.Email).Coded("user_disabled").Fix("An owner or user admin of your company can enable you.")
	}
	first, err := tx.InsertLocalIdentity(u.ID, row.Password, now)
	if err != nil {
		return "", err
	}
	if !first {
		return "", account.Errorf(account.Conflict, "%s has an identity here already.", u.Email).Coded("identity_exists").Fix("Sign in with its password, or have a link sent by which you choose a new one.")
	}
	for _, a := range row.Terms {
		if _, err := tx.Accept(u.ID, a, row.CreatedAt); err != nil {
			return "", err
		}
	}
	tx.Gain(table.OfUser(u.ID))
	by.Kind, by.User = account.ActorUser, u.ID
	return u.ID, l.audit(tx, by, "", "user.signed_up", note{Target: string(u.ID), Detail: map[string]any{"email": u.Email, "known": known, "terms": row.Terms}}, now)
}

// FinishSignUp signs in the browser that signed up, once the link was pressed somewhere. NotFound with code no_signup; Conflict with code
// not_verified before.
func (l *Ledger) FinishSignUp(ctx context.Context, by account.Actor, token account.Secret) (LocalEntrance, error) {
	now, d := l.now(), digest(token.Reveal())
	var out LocalEntrance
	err := l.db.Write(ctx, func(tx *table.Tx) error {
		row, found, err := tx.SignUp(d, now)
		switch {
		case err != nil:
			return err
		case !found:
			return noSignUp()
		case row.User == "":
			return account.Errorf(account.Conflict, "The address is not verified yet.").Coded("not_verified").Fix("Use the code or the link in the letter.")
		}
		taken, err := tx.TakeSignUp(d)
		if err != nil {
			return err
		}
		if !taken {
			return noSignUp()
		}
		if err := nativeWay(tx, row.Email); err != nil {
			return err
		}
		out, err = l.admit(tx, by, row.User, account.ByPassword, row.Next, now)
		return err
	})
	return out, err
}

// Welcome notes what somebody wants to hear of (H-05); nothing is as good as anything.
func (l *Ledger) Welcome(ctx context.Context, by account.Actor, news bool) error {
	return l.personally(ctx, by, "user.welcomed", func(s *self) (*note, error) {
		return &note{Target: string(s.User.ID), Detail: map[string]any{"news": news}}, s.Tx.Welcome(s.User.ID, news, s.now)
	})
}
