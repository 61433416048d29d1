package store

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/keys"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// An external is what somebody has in one org through its external groups, worked out when it is asked for: a group of a thousand people and a
// hundred roles is one row per person and one per role.
type external struct {
	In     []account.ExternalGroup // groups that count
	Held   []account.Held
	Denied []DeniedRole
}

// A DeniedRole is one that a group gives, and that is of no use at the moment.
type DeniedRole struct {
	Scope account.Scope
	Role  account.Role
	Why   *account.Error // code service_not_enabled or subscription_required
}

// on are the targets that it hangs on.
func (e external) on() (targets []table.Target) {
	for _, g := range e.In {
		targets = append(targets, table.OfGroup(g.ID))
	}
	return targets
}

// external works out what the groups of an account that takes say yes to give somebody.
func (l *Ledger) external(tx *table.Tx, house table.House, u account.UserID, takes func(account.ExternalGroup) bool) (out external, err error) {
	rows, err := tx.ExternalRoles(house.Account.ID, u)
	if err != nil {
		return out, err
	}
	for _, r := range rows {
		if !takes(r.Group) {
			continue
		}
		if n := len(out.In); n == 0 || out.In[n-1].ID != r.Group.ID {
			out.In = append(out.In, r.Group)
		}
		if r.Role == "" {
			continue
		}
		scope := account.Scope{Org: house.Org.ID, Team: r.Team}
		denied, err := l.denies(tx, house, r.Role)
		if err != nil {
			return out, err
		}
		if denied != nil {
			out.Denied = append(out.Denied, DeniedRole{scope, r.Role, denied})
			continue
		}
		since := r.Since
		if r.At.After(since) {
			since = r.At
		}
		out.Held = hold(out.Held, scope, r.Role, account.Source{Kind: account.SourceExternal, Group: r.Group.Name, By: r.By, At: since})
	}
	account.SortHeld(out.Held)
	return out, nil
}

// hold adds a reason to hold a role.
func hold(held []account.Held, s account.Scope, r account.Role, why ...account.Source) []account.Held {
	for i := range held {
		if held[i].Scope == s && held[i].Role == r {
			held[i].Sources = append(slices.Clip(held[i].Sources), why...)
			return held
		}
	}
	return append(held, account.Held{Scope: s, Role: r, Sources: why})
}

// and is what somebody holds in all, who is a tenant as well.
func (e external) and(held []account.Held) []account.Held {
	for _, h := range e.Held {
		held = hold(held, h.Scope, h.Role, h.Sources...)
	}
	account.SortHeld(held)
	return held
}

// through takes groups that are open to a session's connection; a group without a limit is open to all (F-10).
func through(c account.ConnectionID) func(account.ExternalGroup) bool {
	return func(g account.ExternalGroup) bool { return g.Takes(c) }
}

// throughAny is through without a session: it goes by all connections that know the person.
func throughAny(tx *table.Tx, u account.UserID) (func(account.ExternalGroup) bool, error) {
	known, err := tx.KnownThrough(u)
	return func(g account.ExternalGroup) bool {
		return len(g.Connections) == 0 || slices.ContainsFunc(known, g.Takes)
	}, err
}

// externalNow is external for who has no session at hand. It is empty for who is disabled, or shut out of the account.
func (l *Ledger) externalNow(tx *table.Tx, house table.House, u account.UserID) (external, error) {
	user, _, err := tx.User(u)
	if err != nil || user.State != account.UserActive {
		return external{}, err
	}
	if t, found, err := tx.Tenancy(house.Account.ID, u); err != nil || found && t.Status != account.TenancyActive {
		return external{}, err
	}
	takes, err := throughAny(tx, u)
	if err != nil {
		return external{}, err
	}
	return l.external(tx, house, u, takes)
}

func (h *hand) externalHeld(u account.UserID) ([]account.Held, error) {
	e, err := h.l.externalNow(h.Tx, h.House, u)
	return e.Held, err
}

// denies says why a role is of no use in an org whatever group gives it: nil when it is of use. The subscription that carried the service is
// named (F-12).
func (l *Ledger) denies(tx *table.Tx, house table.House, r account.Role) (*account.Error, error) {
	service, _, known := l.Catalogue().Role(r)
	switch {
	case !known || !service.Groups:
		return account.Errorf(account.Forbidden, "%s is for no external group.", r).Coded("service_not_for_groups"), nil
	case slices.Contains(house.Org.Services, service.ID):
		return nil, nil
	}
	if why, err := l.ended(tx, house, service.ID); err != nil || why != nil {
		return why, err
	}
	return account.Errorf(account.Forbidden, "%s (%s) is not enabled on %s.", service.Label, service.ID, house.Org.Name).Coded("service_not_enabled").
		Fix("An owner of %s can have it enabled.", house.Org.Name), nil
}

// enabled refuses a service that the org does not have.
func (h *hand) enabled(service string) error {
	if slices.Contains(h.Org.Services, service) {
		return nil
	}
	known, _ := h.l.Catalogue().Service(service)
	return account.Errorf(account.Conflict, "%s (%s) is not enabled on %s.", known.Label, service, h.Org.Name).Coded("service_not_enabled").
		Fix("Enable %s on the org first.", service)
}

// announceExternal tells what joining or leaving a group gave somebody or took from them; r is the receipt of who has left for good.
func (h *hand) announceExternal(u account.User, before, after []account.Held, r account.Receipt) error {
	if h.House.Feeds == 0 {
		return nil
	}
	gained, lost := missing(after, before), missing(before, after)
	if len(gained)+len(lost) > 0 {
		if err := h.announce(account.Announcement{What: account.RolesChanged, User: u.ID, Email: u.Email, Granted: gained, Withdrawn: lost, Holds: missing(after, nil), Receipt: r.ID}); err != nil {
			return err
		}
	}
	if r.Sessions+r.Keys == 0 {
		return nil
	}
	return h.announce(account.Announcement{What: account.WordSessionEnded, User: u.ID, Email: u.Email, Sessions: r.Sessions, Keys: r.Keys, Reason: r.Why, Receipt: r.ID})
}

// externalPlaces lists the orgs in which a live session may work through groups: those of accounts of which the person is no tenant, and which
// have not shut them out. home is the account whose connection made the session, speaks whether it has a say over the person's address: as in
// openPlaces, whose session is another company's word about an address that is not its own goes nowhere with it.
func externalPlaces(tx *table.Tx, v table.Visit) (out []account.Place, err error) {
	all, err := tx.GroupPlaces(v.User.ID)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	if home := v.Connection.Account; home != "" && !v.Session.Local() {
		d, _, err := tx.DomainNamed(home, account.EmailDomain(v.User.Email))
		if err != nil || !d.Counts() {
			return nil, err
		}
	}
	for _, p := range all {
		if p.Own || p.Shut || !p.Group.Takes(v.Session.Connection) {
			continue
		}
		if n := len(out); n == 0 || out[n-1].Account.ID != p.House.Account.ID {
			out = append(out, account.Place{Account: p.House.Account, Org: p.House.Org})
		}
	}
	return out, nil
}

// An ExternalOrg is an org in which the actor is external, with what its groups give.
type ExternalOrg struct {
	Account account.Account
	Org     account.Org
	Groups  []GroupView // id, name and role
	Held    []account.Held
	Denied  []DeniedRole
	Teams   map[account.TeamID]account.Team
}

// ExternalOrgs lists the orgs in which the actor is an external user, and what they hold there.
func (l *Ledger) ExternalOrgs(ctx context.Context, by account.Actor) (out []ExternalOrg, err error) {
	err = l.lookPersonally(ctx, by, func(s *self) error {
		places, err := s.GroupPlaces(s.User.ID)
		if err != nil || len(places) == 0 {
			return err
		}
		takes, err := throughAny(s.Tx, s.User.ID)
		if err != nil {
			return err
		}
		for _, p := range places {
			if p.Own || p.Shut || !takes(p.Group) {
				continue
			}
			if n := len(out); n == 0 || out[n-1].Account.ID != p.House.Account.ID {
				e, err := l.external(s.Tx, p.House, s.User.ID, takes)
				if err != nil {
					return err
				}
				teams, err := teamsOf(s.Tx, p.House.Account.ID, len(e.Held)+len(e.Denied) > 0)
				if err != nil {
					return err
				}
				out = append(out, ExternalOrg{Account: p.House.Account, Org: p.House.Org, Held: e.Held, Denied: e.Denied, Teams: teams})
			}
			last := &out[len(out)-1]
			last.Groups = append(last.Groups, GroupView{ExternalGroup: p.Group, Org: p.House.Org, Role: p.Role})
		}
		return nil
	})
	return out, err
}

// An ExternalUser is somebody in the external groups of an org, as those who manage the org watch them (F-30).
type ExternalUser struct {
	User   account.User
	Groups int
	Keys   int       // active ones, for the org
	UsedAt time.Time // when one of them was last used; zero: never
}

// ExternalUsers lists the people in the external groups of an org by user id, behind one, at most n (up to 1,000). Org owners, org user admins
// and the operator may.
func (l *Ledger) ExternalUsers(ctx context.Context, by account.Actor, a account.AccountID, after account.UserID, n int) (out []ExternalUser, err error) {
	err = l.look(ctx, by, a, userAdmins, func(h *hand) error {
		rows, err := h.Tx.ExternalUsers(a, after, h.now, min(max(n, 1), 1000))
		for _, r := range rows {
			out = append(out, ExternalUser(r))
		}
		return err
	})
	return out, err
}

// MintExternalKey makes a personal key for the acting person in an org that they are external to, at most as many as MintKey allows. userOrg is
// an org in which they have an active place: its account stands behind the key, which ends with their place there (N-30, N-31). NotFound when
// the org is none of theirs; Forbidden with code not_in_group when it was, and their groups have ended (F-32), and home_needed when userOrg is
// not theirs.
func (l *Ledger) MintExternalKey(ctx context.Context, by account.Actor, org, userOrg, name string, life time.Duration) (k account.Key, secret account.Secret, err error) {
	if err := checkKey(name, life); err != nil {
		return k, secret, err
	}
	secret = account.NewSecret(keys.Mint(keys.Personal, l.opt.Random))
	err = l.personally(ctx, by, "", func(s *self) (*note, error) {
		h, err := s.asExternal(org)
		if err != nil {
			return nil, err
		}
		home, err := s.standsBehind(userOrg, h.Account.ID)
		if err != nil {
			return nil, err
		}
		a := h.Account.ID
		have, err := h.Tx.Keys(a, s.User.ID)
		if err != nil {
			return nil, err
		}
		if n, limit := countActive(have, h.now), cmp.Or(l.Catalogue().Limits.KeysPerUser, keysPerUser); n >= limit {
			return nil, account.Errorf(account.Conflict, "You have %d active keys in %s, which is the limit.", n, h.Org.Name).Coded("key_limit").Fix("Revoke one that is no longer used.")
		}
		raw := secret.Reveal()
		k = account.Key{ID: account.NewID[account.KeyID](h.now, l.opt.Random), Account: a, Org: h.Org.ID, Home: home, User: s.User.ID, Name: name,
			Last4: keys.Last4(raw), State: account.KeyActive, CreatedAt: h.now}
		if life > 0 {
			k.ExpiresAt = h.now.Add(life)
		}
		if err := h.InsertKey(k, digest(raw)); err != nil {
			return nil, err
		}
		h.Gain(table.OfKey(k.ID))
		if err := h.announce(account.Announcement{What: account.WordKeyMinted, User: s.User.ID, Key: k.ID, KeyName: name}); err != nil {
			return nil, err
		}
		return nil, h.audit("key.minted", note{Target: string(k.ID), Detail: map[string]any{"name": name, "home": home, "external": true}})
	})
	if err != nil {
		return account.Key{}, account.Secret{}, err
	}
	return k, secret, nil
}

// asExternal locks the account of an org that the person is external to.
func (s *self) asExternal(org string) (*hand, error) {
	house, found, err := s.HouseByOrg(org)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, noAccount()
	}
	h, _, err := s.enter(house.Account.ID)
	if err != nil {
		return nil, err
	}
	e, err := s.l.externalNow(s.Tx, h.House, s.User.ID)
	if err != nil {
		return nil, err
	}
	if len(e.In) > 0 {
		return h, nil
	}
	had, err := h.Tx.Keys(h.Account.ID, s.User.ID)
	if err != nil || len(had) == 0 {
		return nil, cmp.Or[error](err, noAccount())
	}
	return nil, account.Errorf(account.Forbidden, "You are in no external user group of %s any more.", h.Org.Name).Coded("not_in_group").Fix("Ask an admin of the group that you were in.")
}

// standsBehind finds the account of an org in which the person has an active place, other than the one a key is for (N-28, N-30).
func (s *self) standsBehind(org string, other account.AccountID) (account.AccountID, error) {
	places, err := s.Places(s.User.ID)
	if err != nil {
		return "", err
	}
	for _, p := range places {
		if p.Org.Name == org && p.Account.ID != other {
			return p.Account.ID, nil
		}
	}
	return "", account.Errorf(account.Forbidden, "A key for an org that you are external to needs an org of your own behind it.").Coded("home_needed").At("/user_org").
		Fix("Name an org in which you have an active place; make an account of your own first if you have none.")
}

// ExternalKeys lists the actor's own keys for an org that they are or were external to, oldest first, revoked ones included.
func (l *Ledger) ExternalKeys(ctx context.Context, by account.Actor, org string) (out []account.Key, err error) {
	err = l.lookPersonally(ctx, by, func(s *self) error {
		house, found, err := s.HouseByOrg(org)
		if err != nil || !found {
			return cmp.Or[error](err, noAccount())
		}
		all, err := s.Tx.Keys(house.Account.ID, s.User.ID)
		if err != nil {
			return err
		}
		for _, k := range all {
			if k.Home != "" {
				out = append(out, k)
			}
		}
		if len(out) > 0 {
			return nil
		}
		in, err := s.IsExternal(house.Account.ID, s.User.ID)
		if err == nil && !in {
			err = noAccount()
		}
		return err
	})
	return out, err
}

// RevokeExternalKey makes one of the actor's own keys for an org that they are external to worthless, for good. Twice changes nothing.
func (l *Ledger) RevokeExternalKey(ctx context.Context, by account.Actor, org string, id account.KeyID) (k account.Key, err error) {
	err = l.personally(ctx, by, "", func(s *self) (*note, error) {
		house, found, err := s.HouseByOrg(org)
		if err != nil || !found {
			return nil, cmp.Or[error](err, noAccount())
		}
		h, _, err := s.enter(house.Account.ID)
		if err != nil {
			return nil, err
		}
		if k, found, err = h.Tx.Key(house.Account.ID, id); err != nil {
			return nil, err
		}
		if !found || k.User != s.User.ID || k.Home == "" {
			return nil, account.Errorf(account.NotFound, "No such key.").Fix("The list of keys has their ids.")
		}
		n, err := h.revokeKey(&k)
		if err != nil || n == nil {
			return nil, err
		}
		return nil, h.audit("key.revoked", *n)
	})
	return k, err
}

// MayExternally answers why an external user may not use a role for something of a team (or of the org as a whole when team is ""); nil when
// they may. It is what May answers for everybody, with the reason (F-12).
func (l *Ledger) MayExternally(ctx context.Context, a account.AccountID, u account.UserID, team account.TeamID, r account.Role) error {
	return l.db.Read(ctx, func(tx *table.Tx) error {
		house, found, err := tx.House(a)
		if err != nil || !found {
			return cmp.Or[error](err, noAccount())
		}
		e, err := l.externalNow(tx, house, u)
		if err != nil {
			return err
		}
		if account.Reaches(e.Held, house.Org.ID, team, r) {
			return nil
		}
		for _, d := range e.Denied {
			if d.Role == r && (d.Scope.Team == "" || d.Scope.Team == team) {
				return d.Why
			}
		}
		return account.Errorf(account.Forbidden, "No external group gives you %s there.", r).Coded("role_missing").Fix("Ask an admin of a group of %s.", house.Org.Name)
	})
}
