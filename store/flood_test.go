package store

import (
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// THREAT RATE-1: whoever knows a connection's address can send it garbage, and fills no disk with that.
func TestAFloodOfUnsignedMessagesIsCountedAndNotKept(t *testing.T) {
	each(t, func(h *house) {
		c := h.connect("okta", samlSettings())
		garbage := account.Judgement{Raw: strings.Repeat("<", maxRaw), Refusal: account.Refuse(account.Check{Step: account.StepResponse, Code: "response_malformed", Verdict: account.Fail})}
		kept := func() (n, bytes int) {
			dx, err := h.Diagnoses(h.ctx(), theOperator, c.ID, 1000)
			h.ok(err)
			for _, d := range dx {
				bytes += len(d.Raw)
				if strings.HasPrefix(d.Raw, "<") {
					n++
				}
			}
			return n, bytes
		}
		send := func(times int) {
			for range times {
				h.ok(last(h.RecordRefusal(h.ctx(), account.Actor{Kind: account.ActorConnection}, c.ID, account.Flow{}, garbage)))
			}
		}
		send(unverifiedBurst + 20)
		if n, bytes := kept(); n != unverifiedBurst || bytes > unverifiedBurst*(maxUnverified+100)+20*200 {
			h.Errorf("%d kept, %d bytes", n, bytes)
		}
		h.clock.turn(unverifiedEvery + time.Second)
		send(2)
		if n, _ := kept(); n != unverifiedBurst+1 {
			h.Errorf("%d kept", n)
		}
		h.clock.turn(time.Second)
		login := h.login(c, "ana", "ana@nobody.example")
		said := account.Judgement{Raw: strings.Repeat("<", maxUnverified+1), Login: &login, Refusal: garbage.Refusal}
		h.ok(last(h.RecordRefusal(h.ctx(), account.Actor{Kind: account.ActorConnection}, c.ID, account.Flow{}, said)))
		if dx, err := h.Diagnoses(h.ctx(), theOperator, c.ID, 1); err != nil || len(dx[0].Raw) != maxUnverified+1 {
			h.Errorf("what the provider signed is kept in full: %v", err)
		}
	})
}
