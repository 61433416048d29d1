package store

import (
	"context"
	"errors"
	"slices"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/rules"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// Grant gives a role by hand. Granting what is held by hand already changes nothing.
//
// Who may: org owners everywhere, and only they (or the operator) make owners (D-02); org user admins everywhere
// else; team user admins in their team, to whom another team does not exist (C-05). Nobody makes account admins
// without being one (ADM-2). Refused with Conflict: a limit of owners reached (D-01, A-05), a second user of an
// individual org (code individual_org, B-04), a service that is not enabled (code service_not_enabled, B-09), an owner
// without account role admin (code account_admin_needed, D-04); with Invalid: an owner of another e-mail domain (D-03).
func (l *Ledger) Grant(ctx context.Context, by account.Actor, a account.AccountID, u account.UserID, s account.Scope, r account.Role) error {
	_, err := l.GrantAll(ctx, by, a, u, s, []account.Role{r})
	return err
}

// GrantAll is Grant for several roles in one scope: all of them or none.
func (l *Ledger) GrantAll(ctx context.Context, by account.Actor, a account.AccountID, u account.UserID, s account.Scope, roles []account.Role) (Assigned, error) {
	var out Assigned
	err := l.change(ctx, by, a, "role.granted", grantableAll(s, roles), func(h *hand) (*note, error) {
		var err error
		if out, err = h.assigning(s, roles); err != nil {
			return nil, err
		}
		t, found, err := h.Tenant(a, u)
		if err != nil || !found {
			return nil, orNoPerson(err, h.Org)
		}
		return nil, h.grantAll(t.User, s, roles, &out)
	})
	return out, err
}

// grantAll gives roles to somebody of the account by hand, and writes an audit line for each that is new.
func (h *hand) grantAll(u account.User, s account.Scope, roles []account.Role, out *Assigned) error {
	a := h.Account.ID
	before, err := h.Held(a, u.ID)
	if err != nil {
		return err
	}
	held, given := before, rules.Change{}
	for _, r := range roles {
		if err := h.l.Catalogue().CheckRole(s, r); err != nil {
			return err
		}
		if heldByHand(held, s, r) {
			continue
		}
		if err := h.admits(u, held, s, r); err != nil {
			return err
		}
		source := h.byHand(s, r)
		if _, err := h.AddSource(a, u.ID, source); err != nil {
			return err
		}
		if err := h.audit("role.granted", *granted(u.ID, s, r)); err != nil {
			return err
		}
		given.Grant = append(given.Grant, source)
		held = given.After(before)
	}
	role, _ := accountRole(held)
	out.User, out.AccountRole, out.Warnings = u, role, weakAdmin(u.Email, role, s, roles)
	if given.Empty() {
		return nil
	}
	h.Gain(table.OfUser(u.ID))
	return h.announceMove(u.ID, before, given)
}

// Withdraw takes away what somebody gave of a role, by hand or with an invitation; roles with other sources stay held. The other owners are told by mail of one who is gone (D-06). The last owner of an org and of an
// account stays (code last_owner), and an org owner stays account admin (D-04). Withdrawing what is not held by hand is
// NotFound, with the sources it is held by.
func (l *Ledger) Withdraw(ctx context.Context, by account.Actor, a account.AccountID, u account.UserID, s account.Scope, r account.Role) error {
	return l.WithdrawAll(ctx, by, a, u, s, []account.Role{r})
}

// WithdrawAll is Withdraw for several roles in one scope: all of them or none.
func (l *Ledger) WithdrawAll(ctx context.Context, by account.Actor, a account.AccountID, u account.UserID, s account.Scope, roles []account.Role) error {
	return l.change(ctx, by, a, "role.withdrawn", grantableAll(s, roles), func(h *hand) (*note, error) {
		t, found, err := h.Tenant(a, u)
		if err != nil || !found {
			return nil, orNoPerson(err, h.Org)
		}
		for _, r := range roles {
			if err := h.withdraw(t.User, s, r); err != nil {
				return nil, err
			}
		}
		return nil, nil // each has its audit line
	})
}

func (h *hand) withdraw(u account.User, s account.Scope, r account.Role) error {
	a := h.Account.ID
	held, err := h.Held(a, u.ID)
	if err != nil {
		return err
	}
	if !heldByHand(held, s, r) {
		return h.notByHand(held, s, r)
	}
	if err := h.spares(u.ID, held, s, r); err != nil {
		return err
	}
	h.Shut(table.OfUser(u.ID))
	gone := rules.Change{Revoke: handsSources(held, s, r)}
	if err := h.ApplyChange(a, u.ID, gone); err != nil {
		return err
	}
	if r == account.Owner && s.Org != "" {
		if err := h.mournOwner(u); err != nil {
			return err
		}
	}
	return errors.Join(h.audit("role.withdrawn", *granted(u.ID, s, r)), h.announceMove(u.ID, held, gone))
}

// mournOwner tells the owners who are left that another is none any more (D-06).
func (h *hand) mournOwner(gone account.User) error {
	by, err := h.callsItself()
	if err != nil {
		return err
	}
	return h.writeOwners("owner_removed", map[string]string{"Org": h.Org.Name, "Email": gone.Email, "By": by}, gone.ID)
}

// mournIfOwner is mournOwner for somebody who held this.
func (h *hand) mournIfOwner(gone account.User, held []account.Held) error {
	if !account.HasRole(held, account.Scope{Org: h.Org.ID}, account.Owner) {
		return nil
	}
	return h.mournOwner(gone)
}

func granted(u account.UserID, s account.Scope, r account.Role) *note {
	detail := map[string]any{"role": r}
	if s.Org != "" {
		detail["org"] = s.Org
	}
	if s.Team != "" {
		detail["team"] = s.Team
	}
	return &note{Target: string(u), Detail: detail}
}

// grantable is the right to give and take role in a scope.
func grantable(s account.Scope, r account.Role) need {
	return func(h *hand) error {
		if s.Org != "" && s.Org != h.Org.ID {
			return account.Errorf(account.NotFound, "No such org in this account.")
		}
		if s.Team != "" {
			if err := h.seesTeam(s.Team); err != nil {
				return err
			}
			if account.HasRole(h.held, s, account.UserAdmin) {
				return nil
			}
		}
		if r == account.Owner {
			if s.Org == "" {
				return operator(h)
			}
			return owners(h)
		}
		if err := userAdmins(h); err != nil {
			return err
		}
		if mine, _ := accountRole(h.held); s.Org == "" && r == account.Admin && !h.master && !h.holds(account.Owner) && account.Admin.Stronger(mine) {
			return account.Errorf(account.Forbidden, "Nobody gives more than they hold: you are no administrator of this account.").Fix("Ask an owner.")
		}
		return nil
	}
}

// seesTeam: a team of another org does not exist, and neither does any other team to somebody who manages users
// of one team only (C-05).
func (h *hand) seesTeam(id account.TeamID) error {
	_, found, err := h.Team(h.Account.ID, id)
	if err != nil {
		return err
	}
	teamAdmin := slices.ContainsFunc(h.held, func(o account.Held) bool { return o.Scope.Team != "" && o.Role == account.UserAdmin })
	hidden := teamAdmin && !account.HasRole(h.held, account.Scope{Org: h.Org.ID, Team: id}, account.UserAdmin) &&
		!h.holds(account.Owner) && !h.holds(account.UserAdmin)
	if !found || hidden {
		return account.Errorf(account.NotFound, "%s has no such team.", h.Org.Name).At("/team")
	}
	return nil
}

// admits asks everything beside the actor's right.
func (h *hand) admits(u account.User, held []account.Held, s account.Scope, r account.Role) error {
	if s.Org == "" {
		if r == account.Owner {
			return h.seatForAccountOwner(u.ID)
		}
		return nil
	}
	limits := h.l.Catalogue().Limits
	if h.Org.Type == account.Individual {
		others, err := h.OrgUsers(h.Account.ID, h.Org.ID, u.ID)
		if err != nil {
			return err
		}
		if others >= max(limits.UsersIndividual, 1) {
			return individualOrg("%s is an individual org: its one user is its owner.", h.Org.Name)
		}
	}
	if service := r.Service(); service != "" && !slices.Contains(h.Org.Services, service) {
		ended, err := h.l.ended(h.Tx, h.House, service)
		if err != nil {
			return err
		}
		if ended != nil {
			return ended
		}
		known, _ := h.l.Catalogue().Service(service)
		return account.Errorf(account.Conflict, "%s (%s) is not enabled on %s.", known.Label, service, h.Org.Name).Coded("service_not_enabled").
			Fix("Enable %s on the org first.", service)
	}
	if r == account.Owner {
		return h.seatForOrgOwner(u, held)
	}
	return nil
}

func (h *hand) seatForOrgOwner(u account.User, held []account.Held) error {
	if role, _ := accountRole(held); account.Admin.Stronger(role) {
		return account.Errorf(account.Conflict, "An owner of an org is an administrator of its account too, and %s is a %s.", u.Email, role).
			Coded("account_admin_needed").Fix("Give the account role admin first.")
	}
	all, err := h.Holders(h.Account.ID, h.Org.ID, account.Owner)
	if err != nil {
		return err
	}
	others := slices.DeleteFunc(all, func(o account.User) bool { return o.ID == u.ID })
	if limit := max(h.l.Catalogue().Limits.OwnersPerOrg, 1); len(others) >= limit {
		return account.Errorf(account.Conflict, "%s has its limit of %d owners.", h.Org.Name, limit).Coded("owner_limit").Fix("Remove one of them first.")
	}
	for _, o := range others {
		if theirs, proposed := account.EmailDomain(o.Email), account.EmailDomain(u.Email); theirs != proposed {
			return ownersOfOneDomain(theirs, proposed)
		}
	}
	return nil
}

func ownersOfOneDomain(theirs, proposed string) error {
	return account.Errorf(account.Invalid, "All owners of an org have addresses of one domain: %s, and not %s.", theirs, proposed).
		Coded("owner_domain").At("/role").Fix("Propose somebody whose address ends in @%s.", theirs)
}

func (h *hand) seatForAccountOwner(u account.UserID) error {
	all, err := h.Holders(h.Account.ID, "", account.Owner)
	if err != nil {
		return err
	}
	others := slices.DeleteFunc(all, func(o account.User) bool { return o.ID == u })
	if limit := max(h.l.Catalogue().Limits.OwnersPerAccount, 1); len(others) >= limit {
		return account.Errorf(account.Conflict, "Account %s has its owner.", h.Account.Name).Coded("owner_limit").Fix("Use the account role admin.")
	}
	return nil
}

// spares keeps an org from losing what it cannot do without.
func (h *hand) spares(u account.UserID, held []account.Held, s account.Scope, r account.Role) error {
	after := rules.Change{Revoke: handsSources(held, s, r)}.After(held)
	if r == account.Owner && !account.HasRole(after, s, r) {
		all, err := h.Holders(h.Account.ID, s.Org, account.Owner)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(all, func(o account.User) bool { return o.ID != u }) {
			return account.Errorf(account.Conflict, "The last owner stays.").Coded("last_owner").Fix("Make somebody else an owner first.")
		}
	}
	owner := account.HasRole(after, account.Scope{Org: h.Org.ID}, account.Owner)
	if role, _ := accountRole(after); owner && account.Admin.Stronger(role) {
		return account.Errorf(account.Conflict, "An owner of an org is an administrator of its account too.").Coded("account_admin_needed").
			Fix("Withdraw the role of owner first.")
	}
	return nil
}

// byAHand reports whether a person gave it: who granted the role, or who invited.
func byAHand(o account.Source) bool {
	return o.Kind == account.SourceManual || o.Kind == account.SourceInvitation
}

func heldByHand(held []account.Held, s account.Scope, r account.Role) bool {
	return len(handsSources(held, s, r)) > 0
}

// handsSources are the reasons for which a role is held that a person gave.
func handsSources(held []account.Held, s account.Scope, r account.Role) (out []rules.Sourced) {
	for _, h := range held {
		if h.Scope != s || h.Role != r {
			continue
		}
		for _, o := range h.Sources {
			if byAHand(o) {
				out = append(out, rules.Sourced{Scope: s, Role: r, Source: o})
			}
		}
	}
	return out
}

func (h *hand) notByHand(held []account.Held, s account.Scope, r account.Role) error {
	for _, o := range h.l.resolved(h.Org, held) {
		if o.Scope == s && o.Role == r {
			if account.HasRole(held, s, r) {
				return account.Errorf(account.NotFound, "%s is not held by hand but by %s.", r, o.Sources[0].Kind).Fix("Change the rule or group that gives it.")
			}
			if o.Sources[0].Kind == account.SourceMember {
				return account.Errorf(account.NotFound, "%s follows from a place in the account.", r).Fix("Whoever is in the account holds it.")
			}
			return account.Errorf(account.NotFound, "%s follows from being an owner.", r).Fix("Withdraw the role of owner.")
		}
	}
	return account.Errorf(account.NotFound, "%s is not held there.", r)
}
