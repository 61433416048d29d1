package store

import (
	"context"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// individualOrg refuses what only enterprise orgs have, and says how to become one (B-05).
func individualOrg(format string, args ...any) *account.Error {
	return account.Errorf(account.Conflict, format, args...).Coded("individual_org").Fix("%s", account.WayToConvert)
}

// orgPeople lets who holds something in the org that somebody gave them, and the operator. To whoever has a place in the account alone the org does
// not exist.
func orgPeople(h *hand) error {
	if h.master || account.InOrg(h.held) {
		return nil
	}
	return noAccount()
}

// An OrgProfile is an org as its people see it.
type OrgProfile struct {
	Org        account.Org
	Owners     int
	OwnerLimit int
}

// OrgProfile reads an org by its exact name. Whoever holds a role in it may, and the operator, by a token too; to anybody else of the account it does
// not exist.
func (l *Ledger) OrgProfile(ctx context.Context, by account.Actor, name string) (out OrgProfile, err error) {
	acct, _, err := l.OrgByName(ctx, by, name)
	if err != nil {
		return out, err
	}
	may := orgPeople
	if by.Kind == account.ActorOperator { // it says nothing of the customer's users but how many owners there are
		may = operators
	}
	err = l.look(ctx, by, acct.ID, may, func(h *hand) error {
		owners, err := h.Holders(acct.ID, h.Org.ID, account.Owner)
		out = OrgProfile{h.Org, len(owners), max(l.Catalogue().Limits.OwnersPerOrg, 1)}
		return err
	})
	return out, err
}

// SetOrgTitle changes what people call an org; its exact name stays. Its owners and the operator may.
func (l *Ledger) SetOrgTitle(ctx context.Context, by account.Actor, a account.AccountID, title string) error {
	return l.change(ctx, by, a, "org.titled", owners, func(h *hand) (*note, error) {
		if err := account.CheckTitle(title); err != nil || h.Org.Title == title {
			return nil, err
		}
		h.Gain(table.OfAccount(a))
		return &note{Target: string(h.Org.ID), Detail: map[string]any{"from": h.Org.Title, "to": title}}, h.SetTitle(a, title)
	})
}

// ConvertOrg makes an individual org an enterprise org. Only the operator may, by a token too; its own people activate a subscription (B-07). An enterprise org
// stays what it is.
func (l *Ledger) ConvertOrg(ctx context.Context, by account.Actor, a account.AccountID) error {
	return l.change(ctx, by, a, "org.converted", operators, func(h *hand) (*note, error) {
		return nil, h.convert(account.WayOperator)
	})
}

// convert makes the individual org of an account an enterprise org, which keeps its name, number, services, roles, keys and everything else (B-07).
// The audit line says by which way. One that is an enterprise org already stays so.
func (h *hand) convert(way account.Way) error {
	if h.Org.Type == account.Enterprise {
		return nil
	}
	was := h.Org.Type
	h.Org.Type = account.Enterprise
	h.Shut(table.OfAccount(h.Account.ID)) // every session and key is read anew, with what it is now
	if err := h.SetOrgType(h.Account.ID, account.Enterprise); err != nil {
		return err
	}
	return h.audit("org.converted", note{Target: string(h.Org.ID), Detail: map[string]any{"from": was, "to": account.Enterprise, "way": way}})
}
