package store

import (
	"context"
	"reflect"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/directory"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// SetSCIMSchemas says which schemas a connection has beside those that everybody has: what is pushed under them is kept, answered and
// searched from then on. What was pushed under one that is taken away is shown no more. Owners and the operator may.
func (l *Ledger) SetSCIMSchemas(ctx context.Context, by account.Actor, c account.ConnectionID, own []directory.Extension) error {
	if len(own) > directory.MostExtensions {
		return account.Errorf(account.Invalid, "A connection has at most %d schemas of its own.", directory.MostExtensions).At("/scim/schemas")
	}
	names := []string{}
	seen := map[string]bool{}
	for _, e := range own {
		key := strings.ToLower(e.Schema.URN)
		if seen[key] {
			return account.Errorf(account.Invalid, "The schema %s is there twice.", e.Schema.URN).At("/scim/schemas")
		}
		seen[key], names = true, append(names, e.Schema.URN)
	}
	return l.changeConnection(ctx, by, c, "scim.schemas_changed", owners, func(h *hand, _ *table.Connection) (*note, error) {
		have, err := h.Extensions(h.Account.ID, c)
		if err != nil || len(have)+len(own) == 0 || reflect.DeepEqual(have, own) {
			return nil, err
		}
		o, found, err := h.SCIMOptions(h.Account.ID, c)
		if err != nil {
			return nil, err
		}
		if !found {
			o = account.DefaultSCIMOptions
		}
		return &note{Target: string(c), Detail: map[string]any{"schemas": names}}, h.PutExtensions(h.Account.ID, c, o, own)
	})
}

// SCIMSchemas lists the schemas that a connection declares. Owners, user admins and the operator may.
func (l *Ledger) SCIMSchemas(ctx context.Context, by account.Actor, c account.ConnectionID) (out []directory.Extension, err error) {
	a, err := l.accountOfConnection(ctx, c)
	if err != nil {
		return nil, err
	}
	err = l.look(ctx, by, a, userAdmins, func(h *hand) error { out, err = h.Extensions(a, c); return err })
	return out, hide(err, noConnection())
}
