package store

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// An Assigned is what came of giving roles to somebody who is in the account, or invited to it.
type Assigned struct {
	User        account.User         // of the account; its ID is empty for who is only invited
	Invitation  account.InvitationID // of who is only invited: the roles hold once they accept (D-11)
	AccountRole account.Role
	Scope       account.Scope
	Where       string // the org or team by name
	Roles       []account.Role
	Warnings    []account.Warning
}

// Words say who holds what, and where (D-18).
func (a Assigned) Words(cat account.Catalogue) string {
	labels := make([]string, len(a.Roles))
	for i, r := range a.Roles {
		labels[i] = cat.Label(r)
	}
	what := strings.Join(labels, ", ") + " in " + a.Where
	if a.Invitation != "" {
		return a.User.Email + " will be " + what + " once they accept the invitation."
	}
	return a.User.Email + " is " + what + " now."
}

// assigning begins to give roles in a scope, which exists.
func (h *hand) assigning(s account.Scope, roles []account.Role) (Assigned, error) {
	out := Assigned{Scope: s, Roles: roles, Where: h.Org.Name}
	if s.Org == "" {
		out.Where = "the account of " + h.Org.Name
	}
	if s.Team == "" {
		return out, nil
	}
	t, _, err := h.Team(h.Account.ID, s.Team)
	out.Where = "team " + t.Name + " of " + h.Org.Name
	return out, err
}

// Assign is step 2 of adding somebody to an account: roles in the org or in one team of it, by address (D-09, D-10). Who is in the account
// gets them at once, who is invited when they accept; who is neither has to be invited first (Conflict with code step_one_needed).
// Who may, and what is refused: as for Grant, for each of the roles, and all of them or none are given. An invited owner becomes account admin
// as well, with a warning that says so (D-04).
func (l *Ledger) Assign(ctx context.Context, by account.Actor, a account.AccountID, email string, s account.Scope, roles []account.Role) (Assigned, error) {
	email, err := account.NormalEmail(email)
	if err != nil {
		return Assigned{}, err
	}
	var out Assigned
	err = l.change(ctx, by, a, "role.granted", grantableAll(s, roles), func(h *hand) (*note, error) {
		var err error
		if out, err = h.assigning(s, roles); err != nil {
			return nil, err
		}
		u, found, err := h.UserByEmail(email)
		if err != nil {
			return nil, err
		}
		if found {
			if t, here, err := h.Tenant(a, u.ID); err != nil {
				return nil, err
			} else if here {
				return nil, h.grantAll(t.User, s, roles, &out)
			}
		}
		row, found, err := h.PendingInvitation(a, email)
		if err != nil {
			return nil, err
		}
		if !found {
			return nil, account.Errorf(account.Conflict, "%s is not in the account, and not invited to it.", email).Coded("step_one_needed").At("/email").
				Fix("Add them first: step 1 sends the invitation, step 2 chooses roles.")
		}
		return nil, h.promise(&row, s, roles, &out)
	})
	return out, err
}

// AddInvitedRoles is Assign for an invitation by its id.
func (l *Ledger) AddInvitedRoles(ctx context.Context, by account.Actor, a account.AccountID, id account.InvitationID, s account.Scope, roles []account.Role) (Assigned, error) {
	var out Assigned
	err := l.change(ctx, by, a, "invitation.roles_added", grantableAll(s, roles), func(h *hand) (*note, error) {
		var err error
		if out, err = h.assigning(s, roles); err != nil {
			return nil, err
		}
		row, err := h.invitation(id)
		if err != nil {
			return nil, err
		}
		return nil, h.promise(&row, s, roles, &out)
	})
	return out, err
}

// DropInvitedRoles takes roles out of an invitation that waits. Who may: as for Grant. NotFound for one that it does not give.
func (l *Ledger) DropInvitedRoles(ctx context.Context, by account.Actor, a account.AccountID, id account.InvitationID, s account.Scope, roles []account.Role) error {
	return l.change(ctx, by, a, "invitation.roles_dropped", grantableAll(s, roles), func(h *hand) (*note, error) {
		row, err := h.invitation(id)
		if err != nil {
			return nil, err
		}
		if row.State != account.LinkPending {
			return nil, invitationOver(row.Invitation)
		}
		for _, r := range roles {
			i := slices.Index(row.Roles, account.RoleAt{Role: r, Org: s.Org, Team: s.Team})
			if i < 0 {
				return nil, account.Errorf(account.NotFound, "The invitation of %s does not give %s there.", row.Email, r)
			}
			row.Roles = slices.Delete(row.Roles, i, i+1)
		}
		h.Gain(table.OfAccount(a))
		return promised(row, s, roles), h.SaveInvitation(row)
	})
}

// promise adds roles to an invitation that waits.
func (h *hand) promise(row *table.Invitation, s account.Scope, roles []account.Role, out *Assigned) error {
	if row.State != account.LinkPending {
		return invitationOver(row.Invitation)
	}
	out.Invitation, out.User.Email = row.ID, row.Email
	before := row.Role
	for _, r := range roles {
		if err := h.l.Catalogue().CheckRole(s, r); err != nil {
			return err
		}
		at := account.RoleAt{Role: r, Org: s.Org, Team: s.Team}
		if slices.Contains(row.Roles, at) {
			continue
		}
		if r == account.Owner && row.Role == account.Member {
			row.Role = account.Admin
			out.Warnings = append(out.Warnings, account.Warning{Code: "account_role_raised",
				Message: "An owner of an org is an administrator of its account too, so that " + row.Email + " is invited as one now."})
		}
		if err := h.admits(account.User{Email: row.Email}, row.Held(), s, r); err != nil {
			return err
		}
		if r == account.Owner {
			if err := h.seatAwaited(*row); err != nil {
				return err
			}
		}
		row.Roles = append(row.Roles, at)
	}
	out.AccountRole = row.Role
	out.Warnings = append(out.Warnings, weakAdmin(row.Email, row.Role, s, roles)...)
	h.Gain(table.OfAccount(h.Account.ID))
	n := promised(*row, s, roles)
	if before != row.Role {
		n.Detail["account_role"] = row.Role
	}
	return errors.Join(h.SaveInvitation(*row), h.audit("invitation.roles_added", *n))
}

// seatAwaited keeps the invitations that wait from promising more owners than there may be, and owners of two domains.
func (h *hand) seatAwaited(row table.Invitation) error {
	waiting, err := h.AwaitedOwners(h.Account.ID, h.now)
	if err != nil {
		return err
	}
	all, err := h.Holders(h.Account.ID, h.Org.ID, account.Owner)
	if err != nil {
		return err
	}
	waiting = slices.DeleteFunc(waiting, func(w table.Invitation) bool { return w.ID == row.ID })
	if limit := max(h.l.Catalogue().Limits.OwnersPerOrg, 1); len(all)+len(waiting) >= limit {
		return account.Errorf(account.Conflict, "%s has its limit of %d owners, %d of them invited.", h.Org.Name, limit, len(waiting)).Coded("owner_limit").
			Fix("Remove one of them first, or revoke an invitation.")
	}
	for _, w := range waiting {
		if theirs, proposed := account.EmailDomain(w.Email), account.EmailDomain(row.Email); theirs != proposed {
			return ownersOfOneDomain(theirs, proposed)
		}
	}
	return nil
}

func promised(row table.Invitation, s account.Scope, roles []account.Role) *note {
	detail := map[string]any{"email": row.Email, "roles": roles}
	if s.Team != "" {
		detail["team"] = s.Team
	}
	return &note{Target: string(row.ID), Detail: detail}
}

// weakAdmin warns that a user admin of the org who is but a member of the account cannot manage all of it (D-13).
func weakAdmin(email string, r account.Role, s account.Scope, roles []account.Role) []account.Warning {
	if s.Team != "" || r.Stronger(account.Member) || !slices.Contains(roles, account.UserAdmin) {
		return nil
	}
	return []account.Warning{{Code: "account_role_low", Message: email + " manages the org's users now, and is a member of its account.",
		Fix: "Give the account role admin too."}}
}

// grantableAll is grantable for several roles.
func grantableAll(s account.Scope, roles []account.Role) need {
	return func(h *hand) error {
		if len(roles) == 0 || len(roles) > 100 {
			return account.Errorf(account.Invalid, "Between 1 and 100 roles are given at once.").At("/roles").Fix("Name at least one.")
		}
		for _, r := range roles {
			if err := grantable(s, r)(h); err != nil {
				return err
			}
		}
		return nil
	}
}
