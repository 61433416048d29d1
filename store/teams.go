package store

import (
	"context"
	"slices"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/rules"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// CreateTeam makes a team (C-01, C-02). Org owners, org user admins and the operator may.
func (l *Ledger) CreateTeam(ctx context.Context, by account.Actor, a account.AccountID, name, description string) (account.Team, error) {
	var team account.Team
	err := l.change(ctx, by, a, "team.created", userAdmins, func(h *hand) (*note, error) {
		if err := account.CheckTeamName(name); err != nil {
			return nil, err
		}
		if h.Org.Type == account.Individual {
			return nil, individualOrg("%s is an individual org: it has one user and no teams.", h.Org.Name)
		}
		if err := account.CheckDescription(description); err != nil {
			return nil, err
		}
		if _, taken, err := h.TeamNamed(a, name); err != nil {
			return nil, err
		} else if taken {
			return nil, account.Errorf(account.Conflict, "%s has a team called %q already.", h.Org.Name, name).Coded("name_taken").At("/name").Fix("Choose another name.")
		}
		team = account.Team{ID: account.NewID[account.TeamID](h.now, l.opt.Random), Org: h.Org.ID, Name: name, Description: description, CreatedAt: h.now}
		return &note{Target: string(team.ID), Detail: map[string]any{"name": name}}, h.InsertTeam(a, team)
	})
	return team, err
}

// Teams lists the teams of an account's org by name: all of them to the operator and to whoever holds a role in the whole org, to others those
// that they hold a role in (C-03). To who holds none at all the org does not exist.
func (l *Ledger) Teams(ctx context.Context, by account.Actor, a account.AccountID) (teams []account.Team, err error) {
	err = l.look(ctx, by, a, orgPeople, func(h *hand) error {
		all, err := h.Teams(a)
		teams = slices.DeleteFunc(all, func(t account.Team) bool { return !h.sees(t.ID) })
		return err
	})
	return teams, err
}

// Team reads one, by id or name. NotFound for a team that its reader has nothing to do with (C-03, C-05).
func (l *Ledger) Team(ctx context.Context, by account.Actor, a account.AccountID, team string) (t account.Team, err error) {
	err = l.look(ctx, by, a, orgPeople, func(h *hand) error { t, err = h.team(team); return err })
	return t, err
}

// team finds one that exists for the actor, by id or name. A name has no underscore, and an id has one.
func (h *hand) team(of string) (account.Team, error) {
	find := func() (account.Team, bool, error) { return h.TeamNamed(h.Account.ID, of) }
	if id, ok := account.ParseID[account.TeamID](of); ok {
		find = func() (account.Team, bool, error) { return h.Team(h.Account.ID, id) }
	}
	t, found, err := find()
	if err == nil && (!found || !h.sees(t.ID)) {
		err = noTeam(h.Org)
	}
	return t, err
}

func noTeam(org account.Org) *account.Error {
	return account.Errorf(account.NotFound, "%s has no such team.", org.Name).Coded("no_team").At("/team").Fix("The list of teams has their names and ids.")
}

// sees reports whether a team exists for the actor. To who administers the users of one team no other exists, whatever else they hold (C-05).
func (h *hand) sees(id account.TeamID) bool {
	if h.master || h.holds(account.Owner) || h.holds(account.UserAdmin) || account.HasRole(h.held, h.within(id), account.UserAdmin) {
		return true
	}
	elsewhere := slices.ContainsFunc(h.held, func(o account.Held) bool { return o.Scope.Team != "" && o.Role == account.UserAdmin })
	if elsewhere {
		return slices.ContainsFunc(h.held, func(o account.Held) bool { return o.Scope == h.within(id) })
	}
	return account.SeesTeam(h.held, h.Org.ID, id)
}

// within is the scope of a team.
func (h *hand) within(id account.TeamID) account.Scope { return account.Scope{Org: h.Org.ID, Team: id} }

// DescribeTeam changes what a team says about itself; its name, which stands in paths, stays. Org owners, org user admins and the operator may.
func (l *Ledger) DescribeTeam(ctx context.Context, by account.Actor, a account.AccountID, team, description string) (account.Team, error) {
	var t account.Team
	err := l.change(ctx, by, a, "team.described", orgPeople, func(h *hand) (*note, error) {
		var err error
		if t, err = h.team(team); err != nil {
			return nil, err
		}
		if err := userAdmins(h); err != nil {
			return nil, err
		}
		if err := account.CheckDescription(description); err != nil || t.Description == description {
			return nil, err
		}
		t.Description = description
		h.Gain(table.OfAccount(a))
		return &note{Target: string(t.ID), Detail: map[string]any{"name": t.Name}}, h.SetTeamDescription(a, t.ID, description)
	})
	return t, err
}

// TeamPeople lists who holds a role in a team, with those roles alone, by user id: after "" starts, at most n (up to 1,000). Org owners, org user
// admins, the team's own user admins and the operator may (C-04, C-05).
func (l *Ledger) TeamPeople(ctx context.Context, by account.Actor, a account.AccountID, team string, after account.UserID, n int) (people []Person, err error) {
	err = l.look(ctx, by, a, orgPeople, func(h *hand) error {
		t, err := h.team(team)
		if err != nil {
			return err
		}
		if !account.HasRole(h.held, h.within(t.ID), account.UserAdmin) {
			if err := userAdmins(h); err != nil {
				return err
			}
		}
		tenants, err := h.TeamTenants(a, t.ID, after, min(max(n, 1), 1000))
		if err != nil || len(tenants) == 0 {
			return err
		}
		people = nil
		for _, tenant := range tenants {
			held, err := h.Held(a, tenant.User.ID)
			if err != nil {
				return err
			}
			p := l.person(h.House, tenant, held)
			p.Roles = slices.DeleteFunc(held, func(o account.Held) bool { return o.Scope.Team != t.ID })
			people = append(people, p)
		}
		return nil
	})
	return people, err
}

// A TeamRemoval is what went with a team.
type TeamRemoval struct {
	Team        account.Team
	People      int      // who held a role in it
	Roles       int      // that they held
	Rules       []string // names of membership rules that gave roles in it
	Invitations int      // that waited and would have given some
	Groups      int      // permissions of external user groups
}

// listed is how many of its roles the audit line of a removed team names.
const listed = 500

// DeleteTeam removes a team for good, when confirm is its name: with every role in it, and as a target of rules, invitations and external user
// groups, in one transaction; the audit line lists them (C-08). Personal keys may from then on what their holders may. Org owners and the operator
// may. Refused with Invalid: another word than the name (confirm_needed).
func (l *Ledger) DeleteTeam(ctx context.Context, by account.Actor, a account.AccountID, team, confirm string) (TeamRemoval, error) {
	var out TeamRemoval
	err := l.change(ctx, by, a, "team.removed", orgPeople, func(h *hand) (*note, error) {
		t, err := h.team(team)
		if err != nil {
			return nil, err
		}
		if err := owners(h); err != nil {
			return nil, err
		}
		out = TeamRemoval{Team: t}
		if confirm != t.Name {
			return nil, account.Errorf(account.Invalid, "Removing a team takes every role in it away, for good.").Coded("confirm_needed").At("/confirm").
				Fix("Confirm it with the team's name, %s.", t.Name)
		}
		h.Shut(table.OfAccount(a))
		roles, err := h.endRolesIn(t, &out)
		if err != nil {
			return nil, err
		}
		if err := h.dropTargets(t, &out); err != nil {
			return nil, err
		}
		if err := h.dropPromises(t, &out); err != nil {
			return nil, err
		}
		if out.Groups, err = h.DropTeamPermissions(a, t.ID); err != nil {
			return nil, err
		}
		return &note{Target: string(t.ID), Detail: map[string]any{"name": t.Name, "people": out.People, "roles": out.Roles, "held": roles, "rules": out.Rules,
			"invitations": out.Invitations, "group_permissions": out.Groups}}, h.Tx.DeleteTeam(a, t.ID)
	})
	return out, err
}

// endRolesIn takes all roles in a team away, tells listeners so person by person, and spells the first of them for the audit line.
func (h *hand) endRolesIn(t account.Team, out *TeamRemoval) ([]string, error) {
	before := map[account.UserID][]account.Held{}
	for after := account.UserID(""); h.House.Feeds > 0; { // what somebody held is told to listeners alone
		page, err := h.TeamTenants(h.Account.ID, t.ID, after, pageOfPeople)
		if err != nil {
			return nil, err
		}
		for _, p := range page {
			if before[p.User.ID], err = h.Held(h.Account.ID, p.User.ID); err != nil {
				return nil, err
			}
			after = p.User.ID
		}
		if len(page) < pageOfPeople {
			break
		}
	}
	gone, err := h.DropTeamSources(h.Account.ID, t.ID)
	if err != nil {
		return nil, err
	}
	moves := map[account.UserID]rules.Change{}
	var order []account.UserID
	held := map[string]bool{}
	spelled := []string{}
	for _, g := range gone {
		m, known := moves[g.User]
		if !known {
			order = append(order, g.User)
		}
		m.Revoke = append(m.Revoke, g.Sourced)
		moves[g.User] = m
		name := string(g.User) + " " + string(g.Role)
		if !held[name] {
			if held[name] = true; len(spelled) < listed {
				spelled = append(spelled, name)
			}
		}
	}
	out.People, out.Roles = len(order), len(held)
	for _, u := range order {
		if err := h.announceMove(u, before[u], moves[u]); err != nil {
			return nil, err
		}
	}
	return spelled, nil
}

// dropTargets takes a team out of the rules that name it, in both their versions, so that neither a sign-in nor an activation gives roles in it.
func (h *hand) dropTargets(t account.Team, out *TeamRemoval) error {
	all, err := h.Rules(h.Account.ID)
	if err != nil {
		return err
	}
	active := false
	for _, r := range all {
		draft, drafted := without(r.Draft, t.ID)
		now, acted := without(r.Active, t.ID)
		if !drafted && !acted {
			continue
		}
		out.Rules = append(out.Rules, ruleName(r))
		active = active || acted
		r.Draft, r.Active = draft, now
		if err := h.PutRule(h.Account.ID, r, h.now); err != nil {
			return err
		}
	}
	if !active {
		return nil
	}
	set, err := h.RuleSet(h.Account.ID)
	if err != nil {
		return err
	}
	set.Revision++ // what is remembered of the active rules is made anew
	return h.PutRuleSet(h.Account.ID, set)
}

// without is a definition without a team among its targets; whether it was one.
func without(d *rules.Definition, team account.TeamID) (*rules.Definition, bool) {
	names := func(t rules.Target) bool { return t.Team == team }
	if d == nil || !slices.ContainsFunc(d.Targets, names) {
		return d, false
	}
	next := *d
	next.Targets = slices.DeleteFunc(slices.Clone(d.Targets), names)
	return &next, true
}

// dropPromises takes the roles in a team out of the invitations that wait.
func (h *hand) dropPromises(t account.Team, out *TeamRemoval) error {
	names := func(r account.RoleAt) bool { return r.Team == t.ID }
	for before := account.InvitationID(""); ; {
		page, err := h.Tx.Invitations(h.Account.ID, "", h.now, before, pageOfPeople)
		if err != nil {
			return err
		}
		for _, i := range page {
			before = i.ID
			if i.State != account.LinkPending || !slices.ContainsFunc(i.Roles, names) { // one that ran out can be sent again
				continue
			}
			out.Invitations++
			i.Roles = slices.DeleteFunc(i.Roles, names)
			if err := h.SaveInvitation(i); err != nil {
				return err
			}
		}
		if len(page) < pageOfPeople {
			return nil
		}
	}
}

// MayReach answers whether a person may use anything of a service that belongs to a team, or to the org as a whole when team is "", at this
// moment: they hold a role of it in that team or in the whole org (C-03, C-06, C-07). It is false for whoever Ledger.May refuses.
func (l *Ledger) MayReach(ctx context.Context, a account.AccountID, u account.UserID, team account.TeamID, service string) (bool, error) {
	s, known := l.Catalogue().Service(service)
	if !known {
		return false, nil
	}
	for _, r := range s.Roles {
		may, err := l.May(ctx, a, u, team, account.Role(s.ID+":"+r.ID))
		if err != nil || may {
			return may, err
		}
	}
	return false, nil
}

// Reaching lists the roles of a service by which the acting person may use something that belongs to a team, or to the org as a whole when team is
// "", with the reasons for which they hold each; none says that they may not (C-06, C-07, A-12). NotFound for a team that is not theirs to see.
func (l *Ledger) Reaching(ctx context.Context, by account.Actor, a account.AccountID, org account.OrgID, team account.TeamID, service string) (out []account.Held, err error) {
	err = l.look(ctx, by, a, members, func(h *hand) error {
		out = nil
		if team != "" {
			if _, err := h.team(string(team)); err != nil {
				return err
			}
		}
		if !slices.Contains(h.Org.Services, service) {
			return nil
		}
		for _, o := range h.held {
			if o.Role.Service() == service && (o.Scope.Team == "" || o.Scope.Team == team) && o.Scope.Org == org {
				out = append(out, o)
			}
		}
		return nil
	})
	return out, err
}
