package store

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// When a catalogue does not say.
const (
	groupsPerOrg  = 500
	usersPerGroup = 1000
)

// A groupHand is a change, or a look, under way in one external group: a hand in its account, and what the actor is to the group. Who manages
// the org and who manages the group are two things (T-02).
type groupHand struct {
	*hand
	Group account.ExternalGroup
	mine  account.Role // the actor's own in the group; empty: none
	over  bool         // they manage the org that owns it
}

// inGroup is the frame of every verb about one external group, as change is for accounts. A group that does not exist and one that is not the
// actor's business look alike.
func (l *Ledger) inGroup(ctx context.Context, by account.Actor, g account.GroupID, verb string, may func(*groupHand) error, do func(*groupHand) (*note, error)) error {
	now := l.now()
	var a account.AccountID
	err := l.db.Write(ctx, func(tx *table.Tx) error {
		group, found, err := tx.Group(g)
		if err != nil || !found {
			return orNoGroup(err)
		}
		a = group.Account
		house, _, err := tx.LockHouse(a)
		if err != nil {
			return err
		}
		h, err := l.groupHand(tx, by, house, g)
		if err != nil {
			return err
		}
		return h.make(verb, table.OfGroup(g), func() error { return may(h) }, func() (*note, error) { return do(h) })
	})
	if account.KindOf(err) == account.Forbidden {
		l.recordRefused(ctx, by, a, verb, now)
	}
	return err
}

// lookInGroup is inGroup for verbs that only read.
func (l *Ledger) lookInGroup(ctx context.Context, by account.Actor, g account.GroupID, may func(*groupHand) error, do func(*groupHand) error) error {
	return l.db.Read(ctx, func(tx *table.Tx) error {
		group, found, err := tx.Group(g)
		if err != nil || !found {
			return orNoGroup(err)
		}
		house, _, err := tx.House(group.Account)
		if err != nil {
			return err
		}
		h, err := l.groupHand(tx, by, house, g)
		if err != nil {
			return err
		}
		if err := may(h); err != nil {
			return err
		}
		return do(h)
	})
}

// groupHand finds out what the actor is to a group. A key speaks for its holder in one org, and in no group.
func (l *Ledger) groupHand(tx *table.Tx, by account.Actor, house table.House, g account.GroupID) (*groupHand, error) {
	group, found, err := tx.Group(g) // anew: the account is locked by now
	if err != nil || !found {
		return nil, orNoGroup(err)
	}
	h := &groupHand{Group: group}
	h.hand, err = l.hand(tx, by, house, true, l.now())
	switch {
	case err == nil:
		h.over = userAdmins(h.hand) == nil
	case account.KindOf(err) == account.NotFound:
		h.hand = &hand{Tx: tx, House: house, l: l, by: by, now: l.now()}
	default:
		return nil, err
	}
	if by.Kind == account.ActorUser && by.Key == "" {
		m, err := h.memberWhoMay(by.User)
		if err != nil {
			return nil, err
		}
		h.mine = m.Role
	}
	if h.mine == "" && !h.over {
		return nil, noGroup()
	}
	return h, nil
}

// memberWhoMay reads somebody's place in the group, empty unless it counts: they are not disabled, nor shut out of the account, and sign in
// through a connection that the group takes.
func (h *groupHand) memberWhoMay(u account.UserID) (account.GroupMember, error) {
	m, found, err := h.GroupMember(h.Account.ID, h.Group.ID, u)
	if err != nil || !found || m.User.State != account.UserActive {
		return account.GroupMember{}, err
	}
	t, found, err := h.Tenancy(h.Account.ID, u)
	if err != nil || found && t.Status != account.TenancyActive {
		return account.GroupMember{}, err
	}
	if len(h.Group.Connections) > 0 {
		through, err := h.KnownThrough(u)
		if err != nil || !slices.ContainsFunc(through, h.Group.Takes) {
			return account.GroupMember{}, err
		}
	}
	return m, nil
}

func orNoGroup(err error) error {
	if err != nil {
		return err
	}
	return noGroup()
}

func noGroup() *account.Error {
	return account.Errorf(account.NotFound, "No such external user group.").Coded("no_group").Fix("Check the identifier, and that you are in the group, or manage the org that owns it.")
}

// groupOwners lets those who manage the org that owns the group (T-02).
func groupOwners(h *groupHand) error {
	if h.over {
		return nil
	}
	return account.Errorf(account.Forbidden, "Only an owner or a user admin of %s may do this to the group %s.", h.Org.Name, h.Group.Name).Fix("Ask one of its owners.")
}

// groupSeers lets everybody who may see who is in the group.
func groupSeers(h *groupHand) error {
	if h.over || h.mine.ManagesGroup() {
		return nil
	}
	return account.Errorf(account.Forbidden, "Members use what the group %s gives; its admins and operators see who is in it.", h.Group.Name).Coded("group_role_needed").
		Fix("Ask an admin of the group.")
}

// groupPeople lets everybody who has anything to do with the group.
func groupPeople(*groupHand) error { return nil }

// managesRole lets those of the group's own admins and operators who manage people of a role. Managing the org is not enough (F-08).
func managesRole(r account.Role) func(*groupHand) error {
	return func(h *groupHand) error {
		switch {
		case h.master, h.mine.ManagesMember(r):
			return nil
		case h.mine == account.Operator:
			return account.Errorf(account.Forbidden, "An operator of a group manages its members, and nobody who is %s.", r).Coded("group_role_needed").Fix("Ask an admin of the group.")
		case h.mine == account.Member:
			return account.Errorf(account.Forbidden, "A member of a group manages nobody in it.").Coded("group_role_needed").Fix("Ask an admin of the group.")
		}
		return account.Errorf(account.Forbidden, "Who manages %s does not manage its group %s: its own admins and operators do.", h.Org.Name, h.Group.Name).Coded("group_role_needed").
			Fix("Ask an admin of the group to invite you as one.")
	}
}

// GroupSettings are what can be said of a group.
type GroupSettings struct {
	Name        string
	Description string
	Connections []account.ConnectionID // see account.ExternalGroup
}

func (h *hand) checkGroup(s *GroupSettings, itself account.GroupID) error {
	if err := account.CheckLabel("A group's", s.Name, "Project Alpha"); err != nil {
		return err
	}
	if len(s.Description) > 1000 {
		return account.Errorf(account.Invalid, "A group's description has at most 1,000 bytes.").At("/description")
	}
	if len(s.Connections) > 20 {
		return account.Errorf(account.Invalid, "A group is limited to at most 20 identity providers.").At("/connections")
	}
	slices.Sort(s.Connections)
	s.Connections = slices.Compact(s.Connections)
	for _, c := range s.Connections {
		if _, found, err := h.Outline(c); err != nil {
			return err
		} else if !found {
			return account.Errorf(account.Invalid, "There is no connection %q.", c).At("/connections").
				Fix("Its id stands in the address at which its people sign in: /login/con_….")
		}
	}
	other, taken, err := h.GroupNamed(h.Account.ID, s.Name)
	if err == nil && taken && other.ID != itself {
		err = account.Errorf(account.Conflict, "%s has a group called %q already.", h.Org.Name, s.Name).Coded("name_taken").At("/name").Fix("Choose another name.")
	}
	return err
}

// CreateGroup makes an external user group, whose first admin is who makes it (F-09), or another person of the account when first is not "" and
// the operator does. Org owners, org user admins and the operator may (F-06). Conflict with code group_limit when the org has as many as the
// catalogue's external_groups_per_org, and individual_org for an org of one user.
func (l *Ledger) CreateGroup(ctx context.Context, by account.Actor, a account.AccountID, s GroupSettings, first account.UserID) (account.ExternalGroup, error) {
	var g account.ExternalGroup
	err := l.change(ctx, by, a, "external_group.created", userAdmins, func(h *hand) (*note, error) {
		admin := by.User
		if h.master {
			admin = first
		}
		if h.Org.Type == account.Individual {
			return nil, account.Errorf(account.Conflict, "%s is an individual org: it has one user and no groups.", h.Org.Name).Coded("individual_org").
				Fix("Convert it to an enterprise org first.")
		}
		if err := h.checkGroup(&s, ""); err != nil {
			return nil, err
		}
		if _, found, err := h.Tenant(a, admin); err != nil || !found {
			return nil, orNoPerson(err, h.Org)
		}
		n, err := h.CountGroups(a)
		if err != nil {
			return nil, err
		}
		if limit := cmp.Or(l.Catalogue().Limits.GroupsPerOrg, groupsPerOrg); n >= limit {
			return nil, account.Errorf(account.Conflict, "%s has %d external user groups, which is the limit.", h.Org.Name, n).Coded("group_limit").Fix("Delete one that is no longer used.")
		}
		g = account.ExternalGroup{ID: account.NewID[account.GroupID](h.now, l.opt.Random), Account: a, Name: s.Name, Description: s.Description, Connections: s.Connections,
			CreatedAt: h.now, CreatedBy: by.String()}
		if err := h.InsertGroup(g); err != nil {
			return nil, err
		}
		h.Gain(table.OfUser(admin))
		return &note{Target: string(g.ID), Detail: map[string]any{"name": s.Name, "admin": admin}}, h.PutGroupMember(a, g.ID, admin, account.Admin, by.String(), h.now)
	})
	return g, err
}

// A GroupView is a group as somebody sees it.
type GroupView struct {
	account.ExternalGroup
	Org     account.Org
	Members int
	Pending int          // seats that invitations hold
	Seats   int          // that there may be of both
	Role    account.Role // of who looks; empty: none, they manage the org
	Manages bool         // who looks manages the org that owns it
	Gives   []GroupGives
	Teams   map[account.TeamID]account.Team // that Gives names
}

// A GroupGives is a permission of a group, and why it is of no use at the moment; Denied is nil when it is of use.
type GroupGives struct {
	account.GroupPermission
	Denied *account.Error
}

// Group reads one. Everybody who is in it may, those who manage the org that owns it, and the operator. How many are in it is left out for
// members.
func (l *Ledger) Group(ctx context.Context, by account.Actor, g account.GroupID) (v GroupView, err error) {
	err = l.lookInGroup(ctx, by, g, groupPeople, func(h *groupHand) error { v, err = h.view(); return err })
	return v, err
}

func (h *groupHand) view() (GroupView, error) {
	v := GroupView{ExternalGroup: h.Group, Org: h.Org, Role: h.mine, Manages: h.over, Seats: h.seatLimit()}
	if groupSeers(h) == nil {
		s, err := h.Seats(h.Group.ID, h.now)
		if err != nil {
			return v, err
		}
		v.Members, v.Pending = s.Members, s.Pending
	}
	all, err := h.GroupPermissions(h.Account.ID, h.Group.ID)
	if err != nil {
		return v, err
	}
	for _, p := range all {
		denied, err := h.l.denies(h.Tx, h.House, p.Role)
		if err != nil {
			return v, err
		}
		v.Gives = append(v.Gives, GroupGives{p, denied})
	}
	v.Teams, err = teamsOf(h.Tx, h.Account.ID, slices.ContainsFunc(all, func(p account.GroupPermission) bool { return p.Team != "" }))
	return v, err
}

// teamsOf are the teams of an account, when they are wanted.
func teamsOf(tx *table.Tx, a account.AccountID, wanted bool) (map[account.TeamID]account.Team, error) {
	m := map[account.TeamID]account.Team{}
	if !wanted {
		return m, nil
	}
	all, err := tx.Teams(a)
	for _, t := range all {
		m[t.ID] = t
	}
	return m, err
}

// Groups lists the external groups of an org by id, behind one ("" from the first), at most n (up to 1,000). Org owners, org user admins and the
// operator may.
func (l *Ledger) Groups(ctx context.Context, by account.Actor, a account.AccountID, after account.GroupID, n int) (out []GroupView, err error) {
	err = l.look(ctx, by, a, userAdmins, func(h *hand) error {
		rows, err := h.Tx.Groups(a, after, h.now, min(max(n, 1), 1000))
		for _, r := range rows {
			out = append(out, GroupView{ExternalGroup: r.ExternalGroup, Org: h.Org, Members: r.Members, Pending: r.Pending, Seats: h.seatLimit(), Manages: true})
		}
		return err
	})
	return out, err
}

// MyGroups lists the groups that the actor is in, with their part in each.
func (l *Ledger) MyGroups(ctx context.Context, by account.Actor) (out []GroupView, err error) {
	err = l.lookPersonally(ctx, by, func(s *self) error {
		places, err := s.GroupPlaces(s.User.ID)
		if err != nil || len(places) == 0 {
			return err
		}
		through, err := s.KnownThrough(s.User.ID)
		for _, p := range places {
			if !p.Shut && (len(p.Group.Connections) == 0 || slices.ContainsFunc(through, p.Group.Takes)) {
				out = append(out, GroupView{ExternalGroup: p.Group, Org: p.House.Org, Role: p.Role})
			}
		}
		return err
	})
	return out, err
}

// SaveGroup changes name, description and the connections that a group is limited to. Who manages the org may.
func (l *Ledger) SaveGroup(ctx context.Context, by account.Actor, g account.GroupID, s GroupSettings) (v GroupView, err error) {
	err = l.inGroup(ctx, by, g, "external_group.changed", groupOwners, func(h *groupHand) (*note, error) {
		if err := h.checkGroup(&s, g); err != nil {
			return nil, err
		}
		before := h.Group
		h.Group.Name, h.Group.Description, h.Group.Connections = s.Name, s.Description, s.Connections
		if err := h.SetGroup(h.Group); err != nil {
			return nil, err
		}
		if v, err = h.view(); err != nil {
			return nil, err
		}
		return &note{Target: string(g), Detail: map[string]any{"name": s.Name, "was": before.Name, "connections": s.Connections}}, nil
	})
	return v, err
}

// DeleteGroup removes a group with all that is its own. What its people held through it ends with it, and so do their sessions in the org and
// their keys for it, unless they are in another group of it. Who manages the org may.
func (l *Ledger) DeleteGroup(ctx context.Context, by account.Actor, g account.GroupID) error {
	return l.inGroup(ctx, by, g, "external_group.deleted", groupOwners, func(h *groupHand) (*note, error) {
		h.Shut(table.OfGroup(g))
		a := h.Account.ID
		members, err := h.Tx.DeleteGroup(a, g)
		if err != nil {
			return nil, err
		}
		sessions, keys, err := h.EndStrays(a, "", "the external group was deleted", h.now)
		return &note{Target: string(g), Detail: map[string]any{"name": h.Group.Name, "members": members, "sessions": sessions, "keys": keys}}, err
	})
}

// Permit gives a role to everybody in a group: in the whole org, or in one team (F-11). Who manages the org may. Only services of the catalogue
// that groups may use (F-03; Invalid with code service_not_for_groups), and that are enabled (Conflict with code service_not_enabled).
func (l *Ledger) Permit(ctx context.Context, by account.Actor, g account.GroupID, team account.TeamID, r account.Role) error {
	return l.inGroup(ctx, by, g, "external_group.permission_added", groupOwners, func(h *groupHand) (*note, error) {
		s, _, known := l.Catalogue().Role(r)
		if !known || !s.Groups {
			return nil, account.Errorf(account.Invalid, "%q is no role that an external group can give.", r).Coded("service_not_for_groups").At("/role").
				Fix("It can give: %s.", strings.Join(groupRoles(l.Catalogue(), h.Org), ", "))
		}
		if team != "" {
			if _, found, err := h.Team(h.Account.ID, team); err != nil {
				return nil, err
			} else if !found {
				return nil, account.Errorf(account.NotFound, "%s has no such team.", h.Org.Name).At("/team")
			}
		}
		if err := h.enabled(s.ID); err != nil {
			return nil, err
		}
		added, err := h.AddGroupPermission(h.Account.ID, g, account.GroupPermission{Team: team, Role: r, By: by.String(), At: h.now})
		if err != nil || !added {
			return nil, err
		}
		h.Gain(table.OfGroup(g))
		return permitted(g, team, r), nil
	})
}

// Forbid takes a role back that a group gives; the next request of its people goes without (F-13). Who manages the org may.
func (l *Ledger) Forbid(ctx context.Context, by account.Actor, g account.GroupID, team account.TeamID, r account.Role) error {
	return l.inGroup(ctx, by, g, "external_group.permission_removed", groupOwners, func(h *groupHand) (*note, error) {
		dropped, err := h.DropGroupPermission(h.Account.ID, g, team, r)
		if err != nil || !dropped {
			return nil, err
		}
		return permitted(g, team, r), nil
	})
}

func permitted(g account.GroupID, team account.TeamID, r account.Role) *note {
	detail := map[string]any{"role": r}
	if team != "" {
		detail["team"] = team
	}
	return &note{Target: string(g), Detail: detail}
}

// GroupRoles lists the roles that external groups of an org can give (F-03). Org owners, org user admins and the operator may.
func (l *Ledger) GroupRoles(ctx context.Context, by account.Actor, a account.AccountID) (out []account.Role, err error) {
	err = l.look(ctx, by, a, userAdmins, func(h *hand) error {
		for _, r := range groupRoles(l.Catalogue(), h.Org) {
			out = append(out, account.Role(r))
		}
		return nil
	})
	return out, err
}

func groupRoles(cat account.Catalogue, org account.Org) (roles []string) {
	for _, s := range cat.Services {
		if !s.Groups || !slices.Contains(org.Services, s.ID) {
			continue
		}
		for _, r := range s.Roles {
			roles = append(roles, s.ID+":"+r.ID)
		}
	}
	return roles
}

func (h *hand) seatLimit() int { return cmp.Or(h.l.Catalogue().Limits.UsersPerGroup, usersPerGroup) }
