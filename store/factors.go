package store

import (
	"context"
	"encoding/base32"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

const (
	factorsPerUser = 5
	totpStep       = 30 // seconds
	totpDrift      = 1  // steps that a phone's clock may be off, each way (RFC 6238 section 5.2)
	recoveryCodes  = 10
)

var totpForm = hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1}

// Factors lists the second factors of the acting person, oldest first, and how many recovery codes they have left.
func (l *Ledger) Factors(ctx context.Context, by account.Actor) (out []account.Factor, codes int, err error) {
	err = l.lookPersonally(ctx, by, func(s *self) error {
		rows, err := s.Tx.Factors(s.User.ID)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if r.Confirmed {
				out = append(out, r.Factor)
			}
		}
		codes, err = s.RecoveryCodes(s.User.ID)
		return err
	})
	return out, codes, err
}

// EnrolTOTP begins to set up an app for the acting person, in place of one that was begun and never shown to work. The secret is base32, for
// the app; it counts once ConfirmFactor has seen a code of it. Conflict with code factor_limit when there are five.
func (l *Ledger) EnrolTOTP(ctx context.Context, by account.Actor, name string) (account.Factor, account.Secret, error) {
	if err := account.CheckLabel("A second factor's", name, "phone"); err != nil {
		return account.Factor{}, account.Secret{}, err
	}
	secret := account.NewSecret(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(l.bytes(20))) // as long as SHA-1 (RFC 4226 section 4)
	var f account.Factor
	err := l.personally(ctx, by, "factor.begun", func(s *self) (*note, error) {
		rows, err := s.Tx.Factors(s.User.ID)
		if err != nil {
			return nil, err
		}
		counts := 0
		for _, r := range rows {
			if r.Confirmed {
				counts++
			} else if err := s.dropFactor(r.ID); err != nil {
				return nil, err
			}
		}
		if counts >= factorsPerUser {
			return nil, account.Errorf(account.Conflict, "You have %d second factors, which is the limit.", counts).Coded("factor_limit").Fix("Remove one first.")
		}
		f = account.Factor{ID: account.NewID[account.FactorID](s.now, l.opt.Random), User: s.User.ID, Kind: account.TOTP, Name: name, CreatedAt: s.now}
		sealed, err := l.opt.Keyring.seal(secret, factorParts(f)...)
		if err != nil {
			return nil, err
		}
		if err := s.PutSecret(table.Secret{Owner: string(f.User), Name: factorSecret(f.ID), Sealed: sealed}, s.now); err != nil {
			return nil, err
		}
		s.Gain(table.OfUser(s.User.ID))
		return &note{Target: string(f.ID), Detail: map[string]any{"kind": f.Kind, "name": name}}, s.InsertFactor(table.Factor{Factor: f})
	})
	return f, secret, err
}

// ConfirmFactor takes the first code of an app that EnrolTOTP began: it is asked for at every sign-in from then on. With the first factor of a
// person come ten recovery codes, shown this once. The person is told by mail. Invalid with code wrong_code; TooMany as in passFactor.
func (l *Ledger) ConfirmFactor(ctx context.Context, by account.Actor, id account.FactorID, code string) ([]account.Secret, error) {
	if err := l.countTry(ctx, by.User); err != nil {
		return nil, err
	}
	var codes []account.Secret
	err := l.personally(ctx, by, "factor.confirmed", func(s *self) (*note, error) {
		codes = nil
		rows, err := s.Tx.Factors(s.User.ID)
		if err != nil {
			return nil, err
		}
		first := true
		var mine *table.Factor
		for _, r := range rows {
			first = first && !r.Confirmed
			if r.ID == id && !r.Confirmed {
				mine = &r
			}
		}
		if mine == nil {
			return nil, account.Errorf(account.NotFound, "There is no such second factor that waits for its first code.").Fix("Begin again.")
		}
		ok, err := l.takeTOTP(s.Tx, *mine, strings.Join(strings.Fields(code), ""), s.now)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, account.Errorf(account.Invalid, "That is not the code of this moment.").Coded("wrong_code").At("/code").
				Fix("Type the six digits that the app shows now. If they stay wrong, the clock of the phone is off by more than half a minute.")
		}
		if first {
			if codes, err = s.newRecoveryCodes(); err != nil {
				return nil, err
			}
		}
		return &note{Target: string(id), Detail: map[string]any{"name": mine.Name}},
			s.write(s.User.Email, "factor_changed", map[string]string{"Email": s.User.Email, "Factor": mine.Name, "What": "added", "IP": by.IP})
	})
	return codes, err
}

// RemoveFactor takes one of the acting person's second factors away; with the last go their recovery codes. They are told by mail. Removing
// what is not there changes nothing.
func (l *Ledger) RemoveFactor(ctx context.Context, by account.Actor, id account.FactorID) error {
	return l.personally(ctx, by, "factor.removed", func(s *self) (*note, error) {
		rows, err := s.Tx.Factors(s.User.ID)
		if err != nil {
			return nil, err
		}
		var gone *table.Factor
		left := 0
		for _, r := range rows {
			if r.ID == id {
				gone = &r
			} else if r.Confirmed {
				left++
			}
		}
		if gone == nil {
			return nil, nil
		}
		if err := s.dropFactor(id); err != nil {
			return nil, err
		}
		if left == 0 {
			if err := s.PutRecoveryCodes(s.User.ID, nil); err != nil {
				return nil, err
			}
		}
		s.Gain(table.OfUser(s.User.ID))
		return &note{Target: string(id), Detail: map[string]any{"name": gone.Name, "left": left}},
			s.write(s.User.Email, "factor_changed", map[string]string{"Email": s.User.Email, "Factor": gone.Name, "What": "removed", "IP": by.IP})
	})
}

// NewRecoveryCodes makes ten new ones for the acting person in place of all before, shown this once. Conflict without a second factor.
func (l *Ledger) NewRecoveryCodes(ctx context.Context, by account.Actor) ([]account.Secret, error) {
	var codes []account.Secret
	err := l.personally(ctx, by, "recovery_codes.made", func(s *self) (*note, error) {
		has, err := s.HasFactor(s.User.ID)
		if err != nil {
			return nil, err
		}
		if !has {
			return nil, account.Errorf(account.Conflict, "Recovery codes stand in for a second factor, and you have none.").Fix("Set one up first.")
		}
		s.Gain(table.OfUser(s.User.ID))
		codes, err = s.newRecoveryCodes()
		return &note{Target: string(s.User.ID)}, err
	})
	return codes, err
}

func (s *self) newRecoveryCodes() ([]account.Secret, error) {
	var codes []account.Secret
	var digests [][]byte
	for range recoveryCodes {
		c := strings.ToLower(base32.StdEncoding.EncodeToString(s.l.bytes(10))) // 80 bits: too many to try, even against the digests
		digests = append(digests, recoveryDigest(s.User.ID, c))
		codes = append(codes, account.NewSecret(c[:4]+"-"+c[4:8]+"-"+c[8:12]+"-"+c[12:]))
	}
	return codes, s.PutRecoveryCodes(s.User.ID, digests)
}

func recoveryDigest(u account.UserID, code string) []byte { return digest(string(u) + "\x00" + code) }

func (s *self) dropFactor(id account.FactorID) error {
	if _, err := s.DropFactor(s.User.ID, id); err != nil {
		return err
	}
	return s.DropSecrets("", string(s.User.ID), factorSecret(id))
}

func factorSecret(id account.FactorID) string { return "totp/" + string(id) }
func factorParts(f account.Factor) []string   { return []string{"", string(f.User), factorSecret(f.ID)} }
func secondFactor(format, fix string) *account.Error {
	return account.Errorf(account.Unauthorized, "%s", format).Coded("second_factor").At("/code").Fix("%s", fix)
}

// passFactor asks for the second factor of somebody who has set one, in a transaction of its own, so that a wrong try is counted whatever comes
// after; whoever has none passes. Code is what an app shows at this moment, or a recovery code; what was taken does not work again. Unauthorized
// with code second_factor; TooMany when more than ten are tried at once, or one every minute and a half.
func (l *Ledger) passFactor(ctx context.Context, u account.UserID, code string) error {
	var has bool
	err := l.db.Look(ctx, func(tx *table.Tx) (err error) { has, err = tx.HasFactor(u); return err })
	if err != nil || !has {
		return err
	}
	code = strings.ToLower(strings.Join(strings.FieldsFunc(code, func(r rune) bool { return r == ' ' || r == '-' }), ""))
	if code == "" {
		return secondFactor("This needs your second factor too.", "Type the six digits that your app shows now, or one of your recovery codes.")
	}
	if err := l.countTry(ctx, u); err != nil {
		return err
	}
	now, ok := l.now(), false
	err = l.db.Write(ctx, func(tx *table.Tx) error {
		tx.Gain(table.OfUser(u))
		ok, err = tx.UseRecoveryCode(u, recoveryDigest(u, code))
		if err != nil || ok {
			return err
		}
		rows, err := tx.Factors(u)
		if err != nil {
			return err
		}
		for _, f := range rows {
			if !f.Confirmed {
				continue
			}
			if ok, err = l.takeTOTP(tx, f, code, now); err != nil || ok {
				return err
			}
		}
		return nil
	})
	if err == nil && !ok {
		err = secondFactor("That is not the code of this moment.", "Type the six digits that your app shows now; each works once. Or use one of your recovery codes.")
	}
	return err
}

// countTry counts a try at somebody's second factor before it is made.
func (l *Ledger) countTry(ctx context.Context, u account.UserID) error {
	room := false
	err := l.db.Write(ctx, func(tx *table.Tx) (err error) {
		tx.Gain(table.OfUser(u))
		room, err = of(factorsOf, u).pour(tx, 1, l.now())
		return err
	})
	if err == nil && !room {
		err = account.Errorf(account.TooMany, "Too many codes were tried.").Coded("rate_limited").Fix("Wait a few minutes, then try again.")
	}
	return err
}

// takeTOTP reports whether code is that of this moment, or of the step beside it, and has not been taken before.
func (l *Ledger) takeTOTP(tx *table.Tx, f table.Factor, code string, now time.Time) (bool, error) {
	sealed, err := tx.Secrets("", string(f.User), factorSecret(f.ID))
	if err != nil {
		return false, err
	}
	secret, err := l.opt.Keyring.open(sealed[factorSecret(f.ID)], factorParts(f.Factor)...)
	if err != nil {
		return false, err
	}
	step := now.Unix() / totpStep
	for at := step - totpDrift; at <= step+totpDrift; at++ {
		if at <= f.LastCounter {
			continue
		}
		right, err := hotp.ValidateCustom(code, uint64(at), secret.Reveal(), totpForm)
		if err != nil { // not six digits
			return false, nil
		}
		if right {
			return tx.UseFactor(f, at, now)
		}
	}
	return false, nil
}
