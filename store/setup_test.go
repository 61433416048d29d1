package store

import (
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// What the first sign-up will do too: one owner, in both.
func TestTheFirstOwnersLinkWorksOnceAndMakesOneOwnerOfBoth(t *testing.T) {
	each(t, func(h *house) {
		token, err := h.InviteFirstOwner(h.ctx(), theOperator)
		h.ok(err)
		h.ok(h.FirstOwnerInvited(h.ctx(), token)) // looking uses nothing up
		h.refuses(last(h.BecomeFirstOwner(h.ctx(), account.Actor{}, token, "with spaces", "ana@ruiz.example")), account.Invalid, "")
		h.refuses(last(h.BecomeFirstOwner(h.ctx(), account.Actor{}, token, "ruiz", "no address")), account.Invalid, "")
		h.refuses(last(h.BecomeFirstOwner(h.ctx(), account.Actor{}, token, "acme", "ana@ruiz.example")), account.Conflict, "name_taken")
		s, err := h.BecomeFirstOwner(h.ctx(), account.Actor{}, token, "ruiz", "Ana@Ruiz.example")
		h.ok(err)
		p, err := h.Presence(h.ctx(), s.Token)
		h.ok(err)
		if p.User.Email != "ana@ruiz.example" || p.Tenancy.Role != account.Owner || p.Org.Type != account.Enterprise ||
			!account.HasRole(p.Roles, account.Scope{Org: p.Org.ID}, account.Owner) || p.Org.Number != p.Account.Number {
			h.Errorf("%+v", p)
		}
		h.refuses(last(h.BecomeFirstOwner(h.ctx(), account.Actor{}, token, "again", "ana@ruiz.example")), account.NotFound, "")
	})
}

func TestTheFirstOwnersLinkEnds(t *testing.T) {
	each(t, func(h *house) {
		old, err := h.InviteFirstOwner(h.ctx(), theOperator)
		h.ok(err)
		token, err := h.InviteFirstOwner(h.ctx(), theOperator)
		h.ok(err)
		h.refuses(h.FirstOwnerInvited(h.ctx(), old), account.NotFound, "")
		h.refuses(h.FirstOwnerInvited(h.ctx(), account.NewSecret("")), account.NotFound, "")
		h.clock.turn(24 * time.Hour)
		h.refuses(last(h.BecomeFirstOwner(h.ctx(), account.Actor{}, token, "ruiz", "ana@ruiz.example")), account.NotFound, "")
		h.refuses(last(h.InviteFirstOwner(h.ctx(), account.Actor{Kind: account.ActorUser})), account.Forbidden, "")
	})
}
