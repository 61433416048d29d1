package store

import (
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/drawbridge-id/drawbridge/account"
)

// showsAt is what an app with that secret shows.
func (h *house) showsAt(secret account.Secret, at time.Time) string {
	h.Helper()
	code, err := totp.GenerateCode(secret.Reveal(), at)
	h.ok(err)
	return code
}

// REQ H-08~
func TestASecondFactorIsAskedForOnceItWorked(t *testing.T) {
	each(t, func(h *house) {
		ana := h.person("ana@acme.example", account.Member)
		by := asUser(ana)
		h.ok(h.passFactor(h.ctx(), ana.ID, "")) // who has none passes
		abandoned, _, err := h.EnrolTOTP(h.ctx(), by, "old phone")
		h.ok(err)
		f, secret, err := h.EnrolTOTP(h.ctx(), by, "phone")
		h.ok(err)
		h.ok(h.passFactor(h.ctx(), ana.ID, "")) // begun, and never shown to work
		h.refuses(last(h.ConfirmFactor(h.ctx(), by, f.ID, "000 000")), account.Invalid, "wrong_code")
		h.refuses(last(h.ConfirmFactor(h.ctx(), by, abandoned.ID, h.showsAt(secret, h.clock.now()))), account.NotFound, "")
		codes, err := h.ConfirmFactor(h.ctx(), by, f.ID, h.showsAt(secret, h.clock.now()))
		h.ok(err)
		if len(codes) != recoveryCodes {
			h.Fatalf("%d recovery codes", len(codes))
		}
		h.refuses(h.passFactor(h.ctx(), ana.ID, ""), account.Unauthorized, "second_factor")
		h.refuses(h.passFactor(h.ctx(), ana.ID, h.showsAt(secret, h.clock.now())), account.Unauthorized, "second_factor") // taken already
		h.clock.turn(time.Minute)
		h.ok(h.passFactor(h.ctx(), ana.ID, h.showsAt(secret, h.clock.now())))
		h.clock.turn(2 * time.Minute)
		late := h.showsAt(secret, h.clock.now().Add(-30*time.Second))
		h.ok(h.passFactor(h.ctx(), ana.ID, late[:3]+" "+late[3:]))
		h.refuses(h.passFactor(h.ctx(), ana.ID, h.showsAt(secret, h.clock.now().Add(5*time.Minute))), account.Unauthorized, "second_factor") // a clock five minutes off
		h.ok(h.passFactor(h.ctx(), ana.ID, strings.ToUpper(codes[3].Reveal())))
		h.refuses(h.passFactor(h.ctx(), ana.ID, codes[3].Reveal()), account.Unauthorized, "second_factor")
		if all, left, err := h.Factors(h.ctx(), by); err != nil || len(all) != 1 || left != recoveryCodes-1 {
			h.Errorf("%+v, %d codes, %v", all, left, err)
		}

		h.clock.turn(time.Hour)
		h.ok(h.RemoveFactor(h.ctx(), by, f.ID))
		h.ok(h.RemoveFactor(h.ctx(), by, f.ID))
		h.ok(h.passFactor(h.ctx(), ana.ID, ""))
		if _, left, err := h.Factors(h.ctx(), by); err != nil || left != 0 {
			h.Errorf("%d codes outlive the last factor, %v", left, err)
		}
		h.refuses(last(h.NewRecoveryCodes(h.ctx(), by)), account.Conflict, "")
	})
}

// Of many who show one code at once, one passes, and guesses are counted although each of them is refused.
func TestACodePassesOnceAndGuessesAreCounted(t *testing.T) {
	each(t, func(h *house) {
		ana := h.person("ana@acme.example", account.Member)
		by := asUser(ana)
		f, secret, err := h.EnrolTOTP(h.ctx(), by, "phone")
		h.ok(err)
		codes, err := h.ConfirmFactor(h.ctx(), by, f.ID, h.showsAt(secret, h.clock.now()))
		h.ok(err)
		h.clock.turn(time.Minute)
		now, passed := h.showsAt(secret, h.clock.now()), 0
		for _, err := range together(4, func(int) error { return h.passFactor(h.ctx(), ana.ID, now) }) {
			if err == nil {
				passed++
			}
		}
		if passed != 1 {
			h.Errorf("%d of four passed with one code", passed)
		}
		for range 5 { // one try to confirm, four at once, five now
			h.refuses(h.passFactor(h.ctx(), ana.ID, "not-a-code"), account.Unauthorized, "second_factor")
		}
		h.refuses(h.passFactor(h.ctx(), ana.ID, codes[0].Reveal()), account.TooMany, "rate_limited")
		h.clock.turn(factorsOf.every)
		h.ok(h.passFactor(h.ctx(), ana.ID, codes[0].Reveal()))
	})
}
