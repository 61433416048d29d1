package store

import (
	"fmt"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/estate"
	"github.com/drawbridge-id/drawbridge/keys"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// scim brings the way in which a provider pushes people to what the file says.
func (a *applyingAccount) scim(c account.ConnectionID, want *estate.SCIM) error {
	if want == nil {
		return nil
	}
	if err := a.SetSCIMOptions(a.ctx, a.by, c, want.Options); err != nil {
		return err
	}
	return a.scimTokens(c, want.Tokens)
}

// removals brings what a connection may remove, and what its company decided about it, to what the file says.
func (a *applyingAccount) removals(c account.ConnectionID, want estate.Connection) error {
	if want.Breaker != nil {
		if _, err := a.SetBreaker(a.ctx, a.by, string(c), *want.Breaker); err != nil {
			return err
		}
	}
	if want.SyncDecision == nil {
		return nil
	}
	_, err := a.RecordSyncDecision(a.ctx, a.by, c, *want.SyncDecision)
	return err
}

// scimTokens makes the tokens of the file those of the connection; the others are worthless from then on.
func (a *applyingAccount) scimTokens(c account.ConnectionID, want []estate.SCIMToken) error {
	if len(want) == 0 {
		return nil
	}
	kept := map[account.SCIMTokenID]bool{}
	for _, w := range want {
		t, err := a.takeSCIMToken(c, w)
		if err != nil {
			return err
		}
		kept[t] = true
	}
	have, err := a.SCIMTokens(a.ctx, a.by, c)
	if err != nil {
		return err
	}
	for _, t := range have {
		if !kept[t.ID] {
			if err := a.RevokeSCIMToken(a.ctx, a.by, c, t.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// takeSCIMToken is MintSCIMToken for a token that was drawn elsewhere. One that is known already keeps its id, and ends when the
// file says.
func (a *applyingAccount) takeSCIMToken(c account.ConnectionID, want estate.SCIMToken) (id account.SCIMTokenID, err error) {
	raw := want.Token.Reveal()
	err = a.changeConnection(a.ctx, a.by, c, "scim.token_minted", operator, func(h *hand, conn *table.Connection) (*note, error) {
		if !want.Expires.After(h.now) || want.Expires.After(h.now.Add(longestToken)) {
			return nil, account.Errorf(account.Invalid, "The SCIM token …%s is to end on %s; a token ends in the future, and within five years.",
				keys.Last4(raw), want.Expires.Format(time.RFC3339)).Fix("List its successor in its place, or move its end.")
		}
		have, found, err := h.SCIMTokenByDigest(digest(raw))
		switch {
		case err != nil:
			return nil, err
		case found && have.Connection != c:
			return nil, account.Errorf(account.Conflict, "The SCIM token …%s belongs to another connection.", have.Last4).Coded("token_taken").
				Fix("Draw one for each connection, so that it is known which one speaks.")
		case found && have.ExpiresAt.Equal(want.Expires):
			id = have.ID
			return nil, nil
		}
		said := &note{Detail: map[string]any{"connection": c, "expires": want.Expires.Format(time.RFC3339)}}
		if found {
			id, said.Target = have.ID, string(have.ID)
			return said, h.SetSCIMTokenEnd(h.Account.ID, c, id, want.Expires)
		}
		id = account.NewID[account.SCIMTokenID](h.now, a.opt.Random)
		said.Target = string(id)
		return said, h.InsertSCIMToken(h.Account.ID, account.SCIMToken{ID: id, Connection: c, Last4: keys.Last4(raw), CreatedAt: h.now,
			CreatedBy: a.by.String(), ExpiresAt: want.Expires}, digest(raw))
	})
	if err != nil {
		return "", fmt.Errorf("scim: %w", err)
	}
	return id, nil
}
