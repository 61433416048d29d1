package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/directory"
	"github.com/drawbridge-id/drawbridge/rules"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// A Removal is what came of taking somebody out by hand.
type Removal struct {
	Receipt account.Receipt // ID empty: there was nothing left to end
	Active  []Remains       // what they still may use, as far as the actor may know (M-06)
	Again   []Again         // what a provider would give them again; empty: nothing comes back by itself
}

// Remains is a place that a removal did not end.
type Remains struct {
	Org      string       // empty: other accounts, which the actor is not told the names of
	Role     account.Role // in the account; empty: they are external to it
	Sessions int
	Keys     int
}

// An Again says that a connection still lets somebody in.
type Again struct {
	Connection account.ConnectionID
	Name       string
	By         AgainBy
	Roles      []account.RoleAt // what active rules give them by the groups last heard of
}

// AgainBy is how somebody comes back.
type AgainBy string

// The ways back.
const (
	BySignIn AgainBy = "sign-in" // they need only sign in
	ByPush   AgainBy = "scim"    // the provider pushes them as active; its next change of them or their groups counts too
)

// Notes tell in sentences what a removal leaves.
func (r Removal) Notes() []string {
	notes := []string{}
	for _, m := range r.Active {
		where := "in the account of " + m.Org
		if m.Org == "" {
			where = "in other accounts"
		}
		notes = append(notes, fmt.Sprintf("They may still use %s and %s %s.", count(m.Sessions, "session"), count(m.Keys, "key"), where))
	}
	for _, g := range r.Again {
		what := "nothing in the org"
		if len(g.Roles) > 0 {
			names := make([]string, len(g.Roles))
			for i, at := range g.Roles {
				names[i] = string(at.Role)
			}
			what = strings.Join(sorted(names), ", ")
		}
		how := "they need only sign in"
		if g.By == ByPush {
			how = "it pushes them as active"
		}
		notes = append(notes, fmt.Sprintf("The provider still lets them in: %s, %s. They would hold %s.", g.Name, how, what))
	}
	return notes
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// RemoveFromOrg takes all that somebody holds in the org and its teams, from whatever source, its external groups too, and revokes their keys of it (M-04). Their
// place in the account stays (M-05). Owners and user admins may, of owners only owners, and the operator; the last owner stays
// (Conflict with code last_owner).
func (l *Ledger) RemoveFromOrg(ctx context.Context, by account.Actor, a account.AccountID, u account.UserID) (Removal, error) {
	var out Removal
	err := l.change(ctx, by, a, "user.removed_from_org", manages(u), func(h *hand) (*note, error) {
		out = Removal{}
		user, held, err := h.removable(u, h.Org.ID)
		if err != nil {
			return nil, err
		}
		gone := rules.Change{Revoke: sourcesIn(held, func(s account.Scope) bool { return s.Org == h.Org.ID })}
		r := h.receiptFor(user, removal{User: u, Source: account.SourceOf(by), Why: "removed from the org"})
		if err := h.endInOrg(&r); err != nil {
			return nil, err
		}
		groups, err := h.leaveGroups(user)
		if err != nil {
			return nil, err
		}
		if out.Active, err = h.remains(user, ""); err != nil {
			return nil, err
		}
		if out.Again, err = h.comesBack(user); err != nil || gone.Empty() && r.Keys == 0 && groups == 0 {
			return nil, err
		}
		if err := h.ApplyChange(a, u, gone); err != nil {
			return nil, err
		}
		if err := l.announceMove(h.Tx, h.House, by, h.now, u, held, gone); err != nil {
			return nil, err
		}
		if err := h.mournIfOwner(user, held); err != nil {
			return nil, err
		}
		h.handBack(r, &out.Receipt)
		return &note{Target: string(u), Detail: map[string]any{"roles": len(gone.Revoke), "keys": r.Keys, "external_groups": groups, "receipt": r.ID}}, h.handOut(r)
	})
	return out, err
}

// RemoveFromAccount takes somebody's place in the account and all they hold there, and ends every session and key of theirs in it;
// everywhere, when their address is in a domain of the account (M-07). A place that a provider has closed stays closed. Who may: as for
// RemoveFromOrg, and of account admins only those who could make one.
func (l *Ledger) RemoveFromAccount(ctx context.Context, by account.Actor, a account.AccountID, u account.UserID) (Removal, error) {
	var out Removal
	err := l.change(ctx, by, a, "user.removed_from_account", manages(u), func(h *hand) (*note, error) {
		out = Removal{}
		user, held, err := h.removable(u, h.Org.ID, "")
		if err != nil {
			return nil, err
		}
		if account.HasRole(held, account.Scope{}, account.Admin) {
			if err := grantable(account.Scope{}, account.Admin)(h); err != nil {
				return nil, err
			}
		}
		if err := h.ApplyChange(a, u, rules.Change{Revoke: sourcesIn(held, func(account.Scope) bool { return true })}); err != nil {
			return nil, err
		}
		open, err := h.DropTenancy(a, u)
		if err != nil {
			return nil, err
		}
		if _, err := h.leaveGroups(user); err != nil {
			return nil, err
		}
		own, err := h.hasSay(user.Email)
		if err != nil {
			return nil, err
		}
		r := h.receiptFor(user, removal{User: u, Source: account.SourceOf(by), Why: "removed from the account"})
		if err := h.endAll(&r, own); err != nil {
			return nil, err
		}
		if out.Active, err = h.remains(user, a); err != nil {
			return nil, err
		}
		if open && user.State == account.UserActive {
			if out.Again, err = h.comesBack(user); err != nil {
				return nil, err
			}
		}
		if err := errors.Join(h.announceRemoval(account.WordRemoved, r), h.mournIfOwner(user, held)); err != nil {
			return nil, err
		}
		h.handBack(r, &out.Receipt)
		return &note{Target: string(u), Detail: map[string]any{"sessions": r.Sessions, "keys": r.Keys, "receipt": r.ID}}, h.handOut(r)
	})
	return out, err
}

// Disable shuts somebody out by hand until they are let in by hand: everywhere when their address is in a domain of the account or the
// operator asks, else in this account (M-08). Roles stay, and count for nothing meanwhile. Who may, and who stays: as for RemoveFromOrg.
func (l *Ledger) Disable(ctx context.Context, by account.Actor, a account.AccountID, u account.UserID) (Removal, error) {
	var out Removal
	err := l.change(ctx, by, a, "user.disabled", manages(u), func(h *hand) (*note, error) {
		out = Removal{}
		user, _, err := h.removable(u, h.Org.ID, "")
		if err != nil {
			return nil, err
		}
		own, err := h.hasSay(user.Email)
		if err != nil {
			return nil, err
		}
		var r account.Receipt
		if own || h.master {
			r, err = l.setUserState(h.Tx, by, user, account.UserDisabled, a, h.now)
		} else {
			r, err = h.shutOut(removal{User: u, Source: account.SourceOf(by), Why: whyDisabled})
		}
		if err != nil {
			return nil, err
		}
		if r.ID != "" {
			h.handBack(r, &out.Receipt)
		}
		out.Active, err = h.remains(user, a)
		return nil, err // the audit lines are written
	})
	return out, err
}

// Enable lets somebody in again who was disabled, by hand or by a provider. What ended stays ended. Conflict with code
// disabled_elsewhere when the company that their address belongs to has disabled them.
func (l *Ledger) Enable(ctx context.Context, by account.Actor, a account.AccountID, u account.UserID) error {
	return l.change(ctx, by, a, "user.enabled", manages(u), func(h *hand) (*note, error) {
		t, found, err := h.Tenant(a, u)
		if err != nil || !found {
			return nil, orNoPerson(err, h.Org)
		}
		own, err := h.hasSay(t.User.Email)
		if err != nil {
			return nil, err
		}
		resumed, err := h.ResumeIn(a, u)
		if err != nil {
			return nil, err
		}
		if resumed {
			h.Gain(table.OfUser(u))
		}
		switch {
		case t.User.State == account.UserActive:
		case own || h.master:
			_, err := l.setUserState(h.Tx, by, t.User, account.UserActive, a, h.now)
			return nil, err
		case !resumed:
			return nil, account.Errorf(account.Conflict, "%s is disabled by the company that the address belongs to.", t.User.Email).Coded("disabled_elsewhere").
				Fix("Ask that company, or the operator of this installation.")
		}
		if !resumed {
			return nil, nil
		}
		return &note{Target: string(u)}, h.announce(account.Announcement{What: account.WordReactivated, User: u})
	})
}

// manages is the right to take somebody out and let them in.
func manages(u account.UserID) need {
	return func(h *hand) error {
		held, err := h.Held(h.Account.ID, u)
		if err != nil {
			return err
		}
		if isOwner(held, h.Org.ID) {
			return owners(h)
		}
		return userAdmins(h)
	}
}

func orNoPerson(err error, org account.Org) error {
	if err != nil {
		return err
	}
	return noPerson(org)
}

// removable reads somebody of the account. The last active owner of any of scopes (an org, or "" for the account) is not (T-06).
func (h *hand) removable(u account.UserID, scopes ...account.OrgID) (account.User, []account.Held, error) {
	t, found, err := h.Tenant(h.Account.ID, u)
	if err != nil || !found {
		return account.User{}, nil, orNoPerson(err, h.Org)
	}
	held, err := h.Held(h.Account.ID, u)
	if err != nil {
		return t.User, held, err
	}
	for _, org := range scopes {
		if !account.HasRole(held, account.Scope{Org: org}, account.Owner) {
			continue
		}
		all, err := h.Holders(h.Account.ID, org, account.Owner)
		if err != nil {
			return t.User, held, err
		}
		if !slices.ContainsFunc(all, func(o account.User) bool { return o.ID != u && o.State == account.UserActive }) {
			return t.User, held, account.Errorf(account.Conflict, "%s is the last owner, and the last owner stays.", t.User.Email).Coded("last_owner").
				Fix("Make somebody else an owner first.")
		}
	}
	return t.User, held, nil
}

func sourcesIn(held []account.Held, in func(account.Scope) bool) (out []rules.Sourced) {
	for _, r := range held {
		if !in(r.Scope) {
			continue
		}
		for _, s := range r.Sources {
			out = append(out, rules.Sourced{Scope: r.Scope, Role: r.Role, Source: s})
		}
	}
	return out
}

// endInOrg ends what somebody may use in the org alone, of every kind there is. Their sessions are the account's, and stay.
func (h *hand) endInOrg(r *account.Receipt) error {
	n, err := h.RevokeKeys(h.Account.ID, r.User, r.Why, h.now)
	r.Keys = int(n)
	h.Shut(table.OfUser(r.User))
	return errors.Join(err, h.burnInvitations(*r, false), h.burnGroupInvitations(*r, false))
}

// handBack gives a verb's caller the receipt, with the times that are known once it is in force everywhere.
func (h *hand) handBack(r account.Receipt, to *account.Receipt) {
	*to = r
	h.Settled(func(committed, everywhere time.Time) { to.Committed, to.Everywhere = committed, everywhere })
}

// remains lists what somebody may still use, except in one account. The operator is told where, and a company that has a say over the
// address how much; what somebody does in other companies' accounts is no business of anybody else's (ADM-1).
func (h *hand) remains(u account.User, except account.AccountID) ([]Remains, error) {
	all, err := h.LiveCredentials(u.ID, h.now)
	if err != nil {
		return nil, err
	}
	own, err := h.hasSay(u.Email)
	if err != nil {
		return nil, err
	}
	var out []Remains
	var others Remains
	for _, c := range all {
		switch {
		case c.Account == except:
		case c.Account == h.Account.ID, h.master:
			held, err := h.Held(c.Account, u.ID)
			if err != nil {
				return nil, err
			}
			if role, _ := accountRole(held); role != "" || c.Sessions+c.Keys > 0 { // without a role: as an external user
				out = append(out, Remains{c.Org, role, c.Sessions, c.Keys})
			}
		case own:
			others.Sessions, others.Keys = others.Sessions+c.Sessions, others.Keys+c.Keys
		}
	}
	if others.Sessions+others.Keys > 0 {
		out = append(out, others)
	}
	return out, nil
}

// comesBack lists what would let somebody in again.
func (h *hand) comesBack(u account.User) ([]Again, error) {
	a := h.Account.ID
	all, err := h.Connections(a)
	if err != nil {
		return nil, err
	}
	known, err := h.KnownAt(a, u.ID)
	if err != nil {
		return nil, err
	}
	domain, _, err := h.DomainNamed(a, account.EmailDomain(u.Email))
	if err != nil {
		return nil, err
	}
	var out []Again
	for _, c := range all {
		if !c.Enabled || c.Live == nil {
			continue
		}
		pushed, found, err := h.PushedFor(a, c.ID, u.ID)
		if err != nil {
			return nil, err
		}
		again := Again{Connection: c.ID, Name: c.Name}
		switch {
		case found && pushed.Kind == directory.User && !pushed.Document.Active():
			continue
		case found:
			again.By = ByPush
		case slices.Contains(known, c.ID), domain.Counts() && domain.Connection == c.ID:
			again.By = BySignIn
		default:
			continue
		}
		decision, err := h.earns(u.ID, c.ID)
		if err != nil {
			return nil, err
		}
		for _, g := range decision.Grants {
			at := g.Scope(h.Org.ID)
			again.Roles = append(again.Roles, account.RoleAt{Role: g.Role, Org: at.Org, Team: at.Team})
		}
		out = append(out, again)
	}
	return out, nil
}

// earns is what the active rules give somebody by the groups that a connection last told of.
func (h *hand) earns(u account.UserID, c account.ConnectionID) (rules.Decision, error) {
	groups, err := h.groupsOf(u, c)
	if err != nil {
		return rules.Decision{}, err
	}
	set, err := h.RuleSet(h.Account.ID)
	if err != nil {
		return rules.Decision{}, err
	}
	active, err := h.l.activeRules(h.Tx, h.Account.ID, set.Revision)
	if err != nil {
		return rules.Decision{}, err
	}
	return active.index.Evaluate(c, groups), nil
}

// groupsOf are the groups that a connection last told of, by sign-in and by push.
func (h *hand) groupsOf(u account.UserID, c account.ConnectionID) (account.GroupSet, error) {
	a := h.Account.ID
	groups, err := h.LastClaims(a, c, u)
	if err != nil {
		return groups, err
	}
	options, found, err := h.SCIMOptions(a, c)
	if err != nil {
		return groups, err
	}
	if !found {
		options = account.DefaultSCIMOptions
	}
	if pushes, err := h.PushesGroups(a, c); err != nil || !pushes {
		return groups, err
	}
	pushed, found, err := h.PushedGroups(a, c, u)
	if err != nil || !found {
		return groups, err
	}
	return rules.Merge(groups, pushed, options.Groups), nil
}
