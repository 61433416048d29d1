package store

import (
	"context"
	"errors"
	"slices"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/rules"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// accountAdmins lets who runs an account: its owner and its administrators, whatever they hold in its org, and the operator.
func accountAdmins(h *hand) error {
	if role, _ := accountRole(h.held); h.master || role.Stronger(account.Member) {
		return nil
	}
	return account.Errorf(account.Forbidden, "Only the owner or an administrator of account %s may do this.", h.Account.Name).Fix("Ask one of them.")
}

// accountOwner lets the owner of an account, and the operator.
func accountOwner(h *hand) error {
	if role, _ := accountRole(h.held); h.master || role == account.Owner {
		return nil
	}
	return account.Errorf(account.Forbidden, "Only the owner of account %s may do this.", h.Account.Name).Fix("Ask its owner.")
}

// AccountProfile is what an account says about itself. Its people and the operator may read it.
func (l *Ledger) AccountProfile(ctx context.Context, by account.Actor, a account.AccountID) (out account.Profile, err error) {
	err = l.look(ctx, by, a, members, func(h *hand) error {
		p, err := h.Profile(a)
		if err != nil {
			return err
		}
		owners, err := h.Holders(a, "", account.Owner)
		out = account.Profile{Account: h.Account, Org: h.Org, Description: p.Description, Company: p.Company}
		if len(owners) > 0 {
			out.Owner = owners[0]
		}
		return err
	})
	return out, err
}

// SaveAccountProfile replaces description and company information. The owner and the administrators of the account may, and the operator.
func (l *Ledger) SaveAccountProfile(ctx context.Context, by account.Actor, a account.AccountID, description string, company account.Company) error {
	return l.change(ctx, by, a, "account.described", accountAdmins, func(h *hand) (*note, error) {
		if err := errors.Join(account.CheckDescription(description), company.Check()); err != nil {
			return nil, err
		}
		next := table.Profile{Description: description, Company: company}
		if before, err := h.Profile(a); err != nil || before == next {
			return nil, err
		}
		h.Gain(table.OfAccount(a))
		return &note{Target: string(a), Detail: map[string]any{"company": company.Name}}, h.PutProfile(a, next)
	})
}

// Billing says where the account's invoices go; found is false when nothing was said. Its owner and the operator may read it.
func (l *Ledger) Billing(ctx context.Context, by account.Actor, a account.AccountID) (b account.Billing, found bool, err error) {
	err = l.look(ctx, by, a, accountOwner, func(h *hand) error { b, found, err = h.Billing(a); return err })
	return b, found, err
}

// SaveBilling replaces it. The owner of the account may, and the operator. What looks like the number of a payment card is refused, wherever it
// stands (Invalid, card_number).
func (l *Ledger) SaveBilling(ctx context.Context, by account.Actor, a account.AccountID, b account.Billing) error {
	return l.change(ctx, by, a, "account.billing_changed", accountOwner, func(h *hand) (*note, error) {
		if err := b.Check(); err != nil {
			return nil, err
		}
		if before, found, err := h.Billing(a); err != nil || found && before == b {
			return nil, err
		}
		h.Gain(table.OfAccount(a))
		return &note{Target: string(a)}, h.PutBilling(a, b) // what it says is nobody else's business
	})
}

// Checklist says which of the four tasks of the account console are done. The owner and the administrators of the account may read it, and
// the operator.
func (l *Ledger) Checklist(ctx context.Context, by account.Actor, a account.AccountID) (tasks []account.Task, err error) {
	err = l.look(ctx, by, a, accountAdmins, func(h *hand) error {
		recovery, err := h.Tx.Recovery(a)
		if err != nil {
			return err
		}
		admins, err := h.Holders(a, "", account.Admin)
		if err != nil {
			return err
		}
		owners, err := h.Holders(a, "", account.Owner)
		if err != nil {
			return err
		}
		beside := 0
		for _, u := range admins {
			if !slices.ContainsFunc(owners, func(o account.User) bool { return o.ID == u.ID }) {
				beside++
			}
		}
		p, err := h.Profile(a)
		if err != nil {
			return err
		}
		suspended, err := h.CountSuspended(a)
		tasks = []account.Task{
			{ID: account.TaskRecovery, Done: recovery.Email != "", Recommended: true},
			{ID: account.TaskAdmins, Done: beside > 0, Recommended: true, Count: beside},
			{ID: account.TaskCompany, Done: p.Company != account.Company{}},
			{ID: account.TaskTenancies, Done: suspended == 0, Count: suspended},
		}
		return err
	})
	return tasks, err
}

// A Tenant is somebody's place in an account, as who runs the account sees it: what they hold in the org is not their business.
type Tenant struct {
	User    account.User
	Tenancy account.Tenancy
}

// Tenants lists the people of an account with their place in it, by user id: after "" starts, at most n (up to 1,000). The owner and the
// administrators of the account may, and the operator.
func (l *Ledger) Tenants(ctx context.Context, by account.Actor, a account.AccountID, after account.UserID, n int) (out []Tenant, err error) {
	err = l.look(ctx, by, a, accountAdmins, func(h *hand) error {
		rows, err := h.Tenants(a, after, min(max(n, 1), 1000))
		if err != nil || len(rows) == 0 {
			return err
		}
		held, err := h.HeldBetween(a, after, rows[len(rows)-1].User.ID)
		if err != nil {
			return err
		}
		out = nil
		for _, t := range rows {
			t.Tenancy.Role, t.Tenancy.Sources = accountRole(held[t.User.ID])
			out = append(out, Tenant{t.User, t.Tenancy})
		}
		return nil
	})
	return out, err
}

// SetAccountRole makes somebody of the account an administrator or a member of it, by hand. The owner and the administrators of the account may,
// and the operator. Refused with Conflict: the role owner (owner_limit, A-05) and any change of the owner's place (account_owner), for ownership
// moves by TransferOwnership alone (T-15); a member who owns the org (account_admin_needed, D-04) or whom something else makes an administrator
// (role_elsewhere).
func (l *Ledger) SetAccountRole(ctx context.Context, by account.Actor, a account.AccountID, u account.UserID, r account.Role) error {
	return l.change(ctx, by, a, "account_role.changed", accountAdmins, func(h *hand) (*note, error) {
		if err := l.Catalogue().CheckRole(account.Scope{}, r); err != nil {
			return nil, err
		}
		t, found, err := h.Tenant(a, u)
		if err != nil || !found {
			return nil, orNoPerson(err, h.Org)
		}
		held, err := h.Held(a, u)
		if err != nil {
			return nil, err
		}
		was, _ := accountRole(held)
		switch {
		case was == r:
			return nil, nil
		case r == account.Owner:
			return nil, account.Errorf(account.Conflict, "Account %s has its owner.", h.Account.Name).Coded("owner_limit").At("/role").
				Fix("Use the account role admin. Ownership moves when the owner transfers it.")
		case was == account.Owner:
			return nil, account.Errorf(account.Conflict, "%s owns the account.", t.User.Email).Coded("account_owner").At("/role").Fix("Transfer the ownership first.")
		}
		move := rules.Change{Grant: []rules.Sourced{h.byHand(account.Scope{}, r)}}
		for _, o := range held {
			if o.Scope.Org != "" || !o.Role.Stronger(r) {
				continue
			}
			for _, s := range o.Sources {
				if s.Kind != account.SourceManual && s.Kind != account.SourceInvitation {
					return nil, account.Errorf(account.Conflict, "%s is an administrator by %s.", t.User.Email, s.Kind).Coded("role_elsewhere").At("/role").
						Fix("Change the rule or group that gives it.")
				}
				move.Revoke = append(move.Revoke, rules.Sourced{Scope: o.Scope, Role: o.Role, Source: s})
			}
		}
		if account.HasRole(held, h.whole(), account.Owner) && account.Admin.Stronger(r) {
			return nil, account.Errorf(account.Conflict, "An owner of an org is an administrator of its account too.").Coded("account_admin_needed").At("/role").
				Fix("Withdraw the role of owner first.")
		}
		h.Shut(table.OfUser(u))
		if err := h.ApplyChange(a, u, move); err != nil {
			return nil, err
		}
		return &note{Target: string(u), Detail: map[string]any{"from": was, "to": r}}, h.announceMove(u, held, move)
	})
}

// whole is the scope of the org.
func (h *hand) whole() account.Scope { return account.Scope{Org: h.Org.ID} }

// TransferOwnership makes somebody else the owner of an account; who was it stays as an administrator, and both are written to (T-15). The owner
// may, and the operator. Refused with Conflict: somebody who is no administrator of the account (account_admin_needed), does not own its org
// (org_owner_needed), or cannot come in (not_active). Of two transfers at once one is made: who made the other owns the account no more.
func (l *Ledger) TransferOwnership(ctx context.Context, by account.Actor, a account.AccountID, to account.UserID) error {
	return l.change(ctx, by, a, "account.ownership_transferred", accountOwner, func(h *hand) (*note, error) {
		t, found, err := h.Tenant(a, to)
		if err != nil || !found {
			return nil, orNoPerson(err, h.Org)
		}
		held, err := h.Held(a, to)
		if err != nil {
			return nil, err
		}
		role, _ := accountRole(held)
		switch {
		case role == account.Owner:
			return nil, nil
		case t.User.State != account.UserActive || t.Tenancy.Status != account.TenancyActive:
			return nil, account.Errorf(account.Conflict, "%s is shut out at the moment.", t.User.Email).Coded("not_active").At("/user").Fix("Let them in again first.")
		case role != account.Admin:
			return nil, account.Errorf(account.Conflict, "%s is no administrator of account %s.", t.User.Email, h.Account.Name).Coded("account_admin_needed").At("/user").
				Fix("Give them the account role admin first.")
		case !account.HasRole(held, h.whole(), account.Owner):
			return nil, account.Errorf(account.Conflict, "%s is no owner of org %s.", t.User.Email, h.Org.Name).Coded("org_owner_needed").At("/user").
				Fix("Make them an owner of the org first.")
		}
		before, err := h.Holders(a, "", account.Owner)
		if err != nil {
			return nil, err
		}
		from := []string{}
		for _, o := range before {
			if err := h.stepDown(o); err != nil {
				return nil, err
			}
			from = append(from, o.Email)
		}
		move := rules.Change{Grant: []rules.Sourced{h.byHand(account.Scope{}, account.Owner)}}
		if err := errors.Join(h.ApplyChange(a, to, move), h.announceMove(to, held, move)); err != nil {
			return nil, err
		}
		h.Shut(table.OfUser(to))
		for _, o := range append(before, t.User) {
			data := map[string]string{"Account": h.Account.Name, "Org": h.Org.Name, "Number": h.Account.Number, "Email": t.User.Email}
			if err := h.write(o.Email, "ownership_transferred", data); err != nil {
				return nil, err
			}
		}
		return &note{Target: string(to), Detail: map[string]any{"from": from, "to": t.User.Email}}, nil
	})
}

// stepDown makes the owner of the account an administrator of it.
func (h *hand) stepDown(o account.User) error {
	held, err := h.Held(h.Account.ID, o.ID)
	if err != nil {
		return err
	}
	move := rules.Change{Grant: []rules.Sourced{h.byHand(account.Scope{}, account.Admin)},
		Revoke: sourcesOf(held, account.Scope{}, account.Owner)}
	h.Shut(table.OfUser(o.ID))
	return errors.Join(h.ApplyChange(h.Account.ID, o.ID, move), h.announceMove(o.ID, held, move))
}

// sourcesOf are all reasons for which a role is held.
func sourcesOf(held []account.Held, s account.Scope, r account.Role) (all []rules.Sourced) {
	for _, o := range held {
		if o.Scope != s || o.Role != r {
			continue
		}
		for _, source := range o.Sources {
			all = append(all, rules.Sourced{Scope: s, Role: r, Source: source})
		}
	}
	return all
}
