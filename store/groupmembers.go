package store

import (
	"context"
	"errors"
	"slices"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// GroupMembers lists the confirmed people of a group by user id, behind one, at most n (up to 1,000). Its admins and operators may, and those
// who manage the org (F-25, F-29).
func (l *Ledger) GroupMembers(ctx context.Context, by account.Actor, g account.GroupID, after account.UserID, n int) (out []account.GroupMember, err error) {
	err = l.lookInGroup(ctx, by, g, groupSeers, func(h *groupHand) error {
		out, err = h.Tx.GroupMembers(h.Account.ID, g, after, min(max(n, 1), 1000))
		return err
	})
	return out, err
}

// SetGroupRole gives somebody in a group another role there. Admins of the group may (F-18). Its last admin stays one (Conflict with code last_admin).
func (l *Ledger) SetGroupRole(ctx context.Context, by account.Actor, g account.GroupID, u account.UserID, r account.Role) (m account.GroupMember, err error) {
	if err := account.CheckGroupRole(r); err != nil {
		return m, err
	}
	err = l.inGroup(ctx, by, g, "external_member.role_changed", groupPeople, func(h *groupHand) (*note, error) {
		if m, err = h.member(u); err != nil {
			return nil, err
		}
		if err := errors.Join(managesRole(m.Role)(h), managesRole(r)(h)); err != nil {
			return nil, err
		}
		if m.Role == r {
			return nil, nil
		}
		if err := h.sparesAdmin(m); err != nil {
			return nil, err
		}
		was := m.Role
		m.Role = r
		h.Shut(table.OfUser(u))
		return &note{Target: string(u), Detail: map[string]any{"group": g, "role": r, "was": was}}, h.PutGroupMember(h.Account.ID, g, u, r, m.By, h.now)
	})
	return m, err
}

// member reads somebody of the group. To whoever may not see who is in it, nobody else is.
func (h *groupHand) member(u account.UserID) (account.GroupMember, error) {
	if u != h.by.User || h.by.Kind != account.ActorUser {
		if err := groupSeers(h); err != nil {
			return account.GroupMember{}, err
		}
	}
	m, found, err := h.GroupMember(h.Account.ID, h.Group.ID, u)
	if err == nil && !found {
		err = account.Errorf(account.NotFound, "No such person in the group %s.", h.Group.Name).Fix("Its list of confirmed users has their ids.")
	}
	return m, err
}

// sparesAdmin keeps a group from losing its last admin, without whom nobody can manage its people.
func (h *groupHand) sparesAdmin(m account.GroupMember) error {
	if m.Role != account.Admin {
		return nil
	}
	all, err := h.GroupAdmins(h.Account.ID, h.Group.ID)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(all, func(o account.GroupMember) bool { return o.User.ID != m.User.ID }) {
		return nil
	}
	return account.Errorf(account.Conflict, "The last admin of a group stays.").Coded("last_admin").Fix("Make somebody else an admin of it first.")
}

// LeaveGroup takes somebody out of a group: themselves, or those whom the actor manages in it (F-18, F-19). What they held through it is gone at
// their next request; with their last group of the org their sessions there end, and their keys for it are revoked for good (F-32). The last admin
// stays (Conflict with code last_admin).
func (l *Ledger) LeaveGroup(ctx context.Context, by account.Actor, g account.GroupID, u account.UserID) (r account.Receipt, err error) {
	err = l.inGroup(ctx, by, g, "external_member.removed", groupPeople, func(h *groupHand) (*note, error) {
		r = account.Receipt{}
		m, err := h.member(u)
		if err != nil {
			return nil, err
		}
		why := "removed from the external group"
		if by.Kind == account.ActorUser && by.User == u {
			why = "left the external group"
		} else if err := managesRole(m.Role)(h); err != nil {
			return nil, err
		}
		if err := h.sparesAdmin(m); err != nil {
			return nil, err
		}
		return h.out(m, why, &r)
	})
	return r, err
}

// ExpelFromGroup takes somebody out of a group in an emergency, its last admin too: who manages the org may (T-02). The admins of the group are
// told by mail, and the owners of the org when it has none left.
func (l *Ledger) ExpelFromGroup(ctx context.Context, by account.Actor, g account.GroupID, u account.UserID, reason string) (r account.Receipt, err error) {
	if len(reason) > 500 {
		return r, account.Errorf(account.Invalid, "A reason has at most 500 bytes.").At("/reason")
	}
	err = l.inGroup(ctx, by, g, "external_member.expelled", groupOwners, func(h *groupHand) (*note, error) {
		r = account.Receipt{}
		m, err := h.member(u)
		if err != nil {
			return nil, err
		}
		n, err := h.out(m, "removed by the org that owns the external group", &r)
		if err != nil {
			return nil, err
		}
		n.Reason = reason
		who, err := h.actorWords()
		if err != nil {
			return nil, err
		}
		admins, err := h.GroupAdmins(h.Account.ID, g)
		if err != nil {
			return nil, err
		}
		if reason == "" {
			reason = "No reason was given."
		}
		for _, a := range admins {
			if err := h.write(a.User.Email, "group_member_expelled", map[string]string{"Group": h.Group.Name, "Org": h.Org.Name, "Email": m.User.Email, "By": who, "Reason": reason, "GroupID": string(g)}); err != nil {
				return nil, err
			}
		}
		if m.Role == account.Admin && len(admins) == 0 {
			return n, h.orphaned(h.Group, m.User)
		}
		return n, nil
	})
	return r, err
}

// actorWords names the actor for people.
func (h *hand) actorWords() (string, error) {
	if h.by.Kind != account.ActorUser {
		return h.by.String(), nil
	}
	u, _, err := h.User(h.by.User)
	return u.Email, err
}

// out takes somebody out of the group and ends what they have no more right to.
func (h *groupHand) out(m account.GroupMember, why string, r *account.Receipt) (*note, error) {
	a, u := h.Account.ID, m.User.ID
	before, err := h.externalHeld(u)
	if err != nil {
		return nil, err
	}
	h.Shut(table.OfUser(u))
	if _, err := h.DropGroupMember(a, h.Group.ID, u); err != nil {
		return nil, err
	}
	after, err := h.externalHeld(u)
	if err != nil {
		return nil, err
	}
	out := h.receiptFor(m.User, removal{User: u, Source: account.SourceOf(h.by), Why: why})
	sessions, keys, err := h.EndStrays(a, u, why, h.now)
	if err != nil {
		return nil, err
	}
	out.Sessions, out.Keys = int(sessions), int(keys)
	if err := h.announceExternal(m.User, before, after, out); err != nil {
		return nil, err
	}
	h.handBack(out, r)
	return &note{Target: string(u), Detail: map[string]any{"group": h.Group.ID, "email": m.User.Email, "role": m.Role, "sessions": sessions, "keys": keys, "receipt": out.ID}}, h.handOut(out)
}

// AdoptGroup makes an owner of the org the admin of a group that has none left who may come in: otherwise nobody could be invited to it ever
// again. Conflict with code has_admin while there is one.
func (l *Ledger) AdoptGroup(ctx context.Context, by account.Actor, g account.GroupID) error {
	return l.inGroup(ctx, by, g, "external_group.adopted", func(h *groupHand) error { return owners(h.hand) }, func(h *groupHand) (*note, error) {
		admins, err := h.GroupAdmins(h.Account.ID, g)
		if err != nil {
			return nil, err
		}
		if len(admins) > 0 {
			return nil, account.Errorf(account.Conflict, "%s has an admin: %s.", h.Group.Name, admins[0].User.Email).Coded("has_admin").Fix("Ask them to invite you.")
		}
		if by.Kind != account.ActorUser {
			return nil, account.Errorf(account.Forbidden, "A group is adopted by an owner of its org.")
		}
		h.Gain(table.OfUser(by.User))
		return &note{Target: string(g)}, h.PutGroupMember(h.Account.ID, g, by.User, account.Admin, by.String(), h.now)
	})
}

// orphaned tells the owners of the org that a group has no admin left.
func (h *hand) orphaned(g account.ExternalGroup, gone account.User) error {
	return h.writeOwners("group_orphaned", map[string]string{"Group": g.Name, "Org": h.Org.Name, "Email": gone.Email, "GroupID": string(g.ID)})
}

// orphans tells the owners of orgs whose groups have no admin left, now that somebody was shut out of an account, or of all when a is "".
func (h *hand) orphans(gone account.User, a account.AccountID) error {
	places, err := h.GroupPlaces(gone.ID)
	if err != nil {
		return err
	}
	for _, p := range places {
		if p.Role != account.Admin || a != "" && p.House.Account.ID != a {
			continue
		}
		left, err := h.GroupAdmins(p.House.Account.ID, p.Group.ID)
		if err != nil {
			return err
		}
		if len(left) > 0 {
			continue
		}
		there := &hand{Tx: h.Tx, House: p.House, l: h.l, by: h.by, now: h.now}
		if err := there.orphaned(p.Group, gone); err != nil {
			return err
		}
	}
	return nil
}

// leaveGroups takes somebody out of every external group of the account, because their place in the account or org ended: a way in from
// the side would be left open otherwise. Owners are told of groups that it leaves without an admin.
func (h *hand) leaveGroups(u account.User) (int, error) {
	places, err := h.GroupPlaces(u.ID)
	if err != nil {
		return 0, err
	}
	left, err := h.LeaveGroups(h.Account.ID, u.ID)
	if err != nil || len(left) == 0 {
		return 0, err
	}
	h.Shut(table.OfUser(u.ID))
	for _, p := range places {
		if p.House.Account.ID != h.Account.ID || p.Role != account.Admin {
			continue
		}
		admins, err := h.GroupAdmins(h.Account.ID, p.Group.ID)
		if err != nil {
			return 0, err
		}
		if len(admins) == 0 {
			if err := h.orphaned(p.Group, u); err != nil {
				return 0, err
			}
		}
	}
	return len(left), nil
}
