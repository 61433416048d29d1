package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/directory"
	"github.com/drawbridge-id/drawbridge/rules"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

const (
	driftBatch = 200  // people that are looked at together
	driftMost  = 5000 // and in one call
)

// Drift lists what the providers of an account and this house do not agree about: people by id, then pushed users who have no place here. It
// begins after a cursor ("" at the start) and gives about n rows (up to 1,000) and the cursor of the next page, "" at the end; a page may be
// short or empty before that. Owners, user admins and the operator may.
func (l *Ledger) Drift(ctx context.Context, by account.Actor, a account.AccountID, after string, n int) (rows []account.Drift, next string, err error) {
	n = min(max(n, 1), 1000)
	err = l.look(ctx, by, a, userAdmins, func(h *hand) error {
		d, err := h.drifting()
		if err != nil {
			return err
		}
		rows, next, err = d.list(after, n)
		return err
	})
	return rows, next, err
}

// drifting is a look at what is not agreed about, with what is the same for everybody.
type drifting struct {
	*hand
	pushing []account.ConnectionID // connections that push people
	rules   *rules.Index
}

func (h *hand) drifting() (*drifting, error) {
	d := &drifting{hand: h}
	var err error
	if d.pushing, err = h.PushingUsers(h.Account.ID); err != nil {
		return nil, err
	}
	set, err := h.RuleSet(h.Account.ID)
	if err != nil {
		return nil, err
	}
	active, err := h.l.activeRules(h.Tx, h.Account.ID, set.Revision)
	if err != nil {
		return nil, err
	}
	d.rules = active.index
	return d, nil
}

// list reads one page. Cursors are "usr_…" among people and "con_…/scu_…" after them.
func (d *drifting) list(after string, n int) (rows []account.Drift, next string, err error) {
	looked := 0
	for !strings.Contains(after, "/") {
		page, err := d.people(account.UserID(after), driftBatch)
		if err != nil {
			return nil, "", err
		}
		if len(page) == 0 {
			after = "/"
			break
		}
		for _, p := range page {
			rows = append(rows, p.rows...)
			if after = string(p.user.ID); len(rows) >= n {
				return rows, after, nil
			}
		}
		if looked += len(page); looked >= driftMost {
			return rows, after, nil
		}
	}
	from, id, _ := strings.Cut(after, "/")
	for _, c := range d.pushing {
		if string(c) < from {
			continue
		}
		if string(c) != from {
			id = ""
		}
		want := n - len(rows)
		strays, err := d.Strays(d.Account.ID, c, id, want)
		if err != nil {
			return nil, "", err
		}
		for _, s := range strays {
			row, drifts, err := d.stray(s)
			if err != nil {
				return nil, "", err
			}
			if drifts {
				rows = append(rows, row)
			}
			id = s.ID
		}
		if len(strays) == want { // there may be more
			return rows, string(c) + "/" + id, nil
		}
	}
	return rows, "", nil
}

// A drifter is one person with all that is not agreed about them.
type drifter struct {
	user   account.User
	rows   []account.Drift
	held   []account.Held
	change rules.Change // by the active rules
}

// people looks at the next n people after one.
func (d *drifting) people(after account.UserID, n int) ([]drifter, error) {
	a := d.Account.ID
	tenants, err := d.Tenants(a, after, n)
	if err != nil || len(tenants) == 0 {
		return nil, err
	}
	last := tenants[len(tenants)-1].User.ID
	pushed, err := d.PushedUsersBetween(a, after, last)
	if err != nil {
		return nil, err
	}
	claims, err := d.SeenBetween(a, after, last)
	if err != nil {
		return nil, err
	}
	sets, err := d.PushedBetween(a, after, last)
	if err != nil {
		return nil, err
	}
	groups := map[account.UserID][]table.PushedSet{}
	for _, s := range sets {
		groups[s.User] = append(groups[s.User], s)
	}
	views, err := d.hand.people(after, n)
	if err != nil {
		return nil, err
	}
	out := make([]drifter, 0, len(views))
	for i, v := range views {
		t := tenants[i]
		p := drifter{user: t.User, held: v.Held}
		if err := d.places(&p, t, pushed[v.User]); err != nil {
			return nil, err
		}
		d.known(&p, claims[v.User], pushed[v.User])
		d.groups(&p, claims[v.User], groups[v.User])
		if t.Tenancy.Status == account.TenancyActive && t.User.State == account.UserActive {
			d.roles(&p, v)
		}
		out = append(out, p)
	}
	return out, nil
}

func (p *drifter) add(k account.DriftKind, c account.ConnectionID, r account.DriftRepair, format string, args ...any) *account.Drift {
	p.rows = append(p.rows, account.Drift{Kind: k, User: p.user.ID, Email: p.user.Email, Connection: c, Repair: r, Detail: fmt.Sprintf(format, args...)})
	return &p.rows[len(p.rows)-1]
}

// places compares whether somebody may be here.
func (d *drifting) places(p *drifter, t table.Tenant, pushed []table.Pushed) error {
	here := t.Tenancy.Status == account.TenancyActive && t.User.State == account.UserActive
	for _, r := range pushed {
		switch active := r.Document.Active(); {
		case !active && here:
			p.add(account.DriftInactive, r.Connection, account.RepairShutOut, "The provider says that they are inactive, and they may come in.").Resource = r.ID
		case active && !here:
			place, _, err := d.PlaceOf(d.Account.ID, p.user.ID)
			if err != nil {
				return err
			}
			seal := account.Actor{Kind: account.ActorConnection, Connection: r.Connection}.String()
			if place.SuspendedBy == seal || place.DisabledBy == seal { // who was shut out by hand, or by an event since, is meant to be
				p.add(account.DriftKeptOut, r.Connection, account.RepairLetIn, "The provider says that they are active again, and they are still shut out.").Resource = r.ID
			}
		}
	}
	return nil
}

// known finds people who come in through a connection that pushes people, and not them, and what is held for a push that is not there.
func (d *drifting) known(p *drifter, claims []rules.Seen, pushed []table.Pushed) {
	for _, c := range d.pushing {
		if slices.ContainsFunc(pushed, func(r table.Pushed) bool { return r.Connection == c }) {
			continue
		}
		if slices.ContainsFunc(claims, func(s rules.Seen) bool { return s.Connection == c }) {
			p.add(account.DriftUnknown, c, "", "They signed in through a connection that pushes people, and the provider has not pushed them: it would not tell when they leave.")
		}
	}
	var lost []account.RoleAt
	for _, s := range d.sourceless(p.held, pushed) {
		lost = append(lost, account.RoleAt{Role: s.Role, Org: s.Scope.Org, Team: s.Scope.Team})
	}
	if len(lost) > 0 {
		p.add(account.DriftSourceless, "", account.RepairDrop, "They hold roles because a provider pushed them, and it has not.").Lose = lost
	}
}

func (d *drifting) sourceless(held []account.Held, pushed []table.Pushed) (out []rules.Sourced) {
	for _, s := range sourcesIn(held, func(account.Scope) bool { return true }) {
		if s.Source.Kind == account.SourceSCIM && !slices.ContainsFunc(pushed, func(r table.Pushed) bool { return r.Connection == s.Source.Connection }) {
			out = append(out, s)
		}
	}
	return out
}

// groups compares pushed groups with those of the last sign-in, as far as rules read them.
func (d *drifting) groups(p *drifter, claims []rules.Seen, pushed []table.PushedSet) {
	for _, set := range pushed {
		i := slices.IndexFunc(claims, func(s rules.Seen) bool { return s.Connection == set.Connection })
		if i < 0 || claims[i].Groups.State != account.GroupsComplete {
			continue
		}
		only := func(some, others []string) (out []string) {
			for _, v := range some {
				if !slices.Contains(others, v) && d.rules.Reads(set.Connection, v) {
					out = append(out, v)
				}
			}
			return out
		}
		there, claimed := only(set.Values, claims[i].Groups.Values), only(claims[i].Groups.Values, set.Values)
		if len(there)+len(claimed) > 0 {
			row := p.add(account.DriftGroups, set.Connection, "", "Pushed groups and those of the last sign-in differ; which of them count is the option \"groups\" of the connection.")
			row.Pushed, row.Claimed = there, claimed
		}
	}
}

// roles asks what the active rules would give and take now, as a sign-in would.
func (d *drifting) roles(p *drifter, v rules.PersonView) {
	c := rules.Swap(v, d.Org.ID, d.rules, d.now)
	c.Revoke = slices.DeleteFunc(c.Revoke, func(s rules.Sourced) bool { // what was given by hand is replaced when rules are activated, and not by a sign-in
		return s.Source.Kind == account.SourceManual || s.Source.Kind == account.SourceInvitation
	})
	c.Replaced = nil
	p.change = c
	after := c.After(v.Held)
	gain, lose := missing(after, v.Held), missing(v.Held, after)
	if len(gain)+len(lose) == 0 {
		return
	}
	row := p.add(account.DriftRoles, "", account.RepairEvaluate, "By the groups last heard of, the active rules give other roles than are held.")
	row.Gain, row.Lose = gain, lose
}

// stray says why a pushed user has no place here; that somebody inactive has none is as it should be.
func (d *drifting) stray(r table.Pushed) (account.Drift, bool, error) {
	row := account.Drift{Connection: r.Connection, Resource: r.ID, User: r.Person, Email: cmp.Or(r.Document.Email(), r.Document.Name(directory.User))}
	if r.Person != "" {
		u, found, err := d.User(r.Person)
		if err != nil {
			return row, false, err
		}
		if found {
			row.Email = u.Email
		}
		row.Kind, row.Repair = account.DriftNoPlace, account.RepairLetIn
		row.Detail = "The provider pushes them as active, and they have no place in the account."
		return row, r.Document.Active(), nil
	}
	row.Kind, row.Repair = account.DriftNobody, account.RepairMeet
	row.Detail = "The provider pushes somebody who is nobody here: no sign-in brought their subject, and their address is in no proved domain."
	return row, r.Document.Active(), nil
}

// RepairDrift does about one row of Drift what its Repair says, as things are now: about a person, or about a pushed user that has no place
// here. It gives the rows that were repaired; none is no error. Shutting out is what the provider said, and it can let them in again by itself;
// the last owner stays (code last_owner). Who may: as for RemoveFromOrg.
func (l *Ledger) RepairDrift(ctx context.Context, by account.Actor, a account.AccountID, row account.Drift) (done []account.Drift, err error) {
	if row.User == "" && row.Resource == "" {
		return nil, account.Errorf(account.Invalid, "Name a person or a pushed user.").At("/user")
	}
	err = l.change(ctx, by, a, "drift.repaired", manages(row.User), func(h *hand) (*note, error) {
		done = nil
		d, err := h.drifting()
		if err != nil {
			return nil, err
		}
		p, found, err := d.one(row.User)
		if err != nil {
			return nil, err
		}
		if found {
			done, err = d.repair(p)
		} else {
			done, err = d.repairStray(row.Connection, row.Resource)
		}
		if err != nil || len(done) == 0 {
			return nil, err
		}
		target := string(row.User)
		if target == "" {
			target = row.Resource
		}
		var kinds []string
		for _, r := range done {
			kinds = append(kinds, string(r.Kind))
		}
		return &note{Target: target, Detail: map[string]any{"kinds": kinds}}, nil
	})
	return done, err
}

// one looks at one person.
func (d *drifting) one(u account.UserID) (drifter, bool, error) {
	if u == "" {
		return drifter{}, false, nil
	}
	// All but its last letter sorts before an id; others between the two share all of its time and nearly all of its chance.
	page, err := d.people(u[:len(u)-1], 32)
	i := slices.IndexFunc(page, func(p drifter) bool { return p.user.ID == u })
	if err != nil || i < 0 {
		return drifter{}, false, err
	}
	return page[i], true, nil
}

func (d *drifting) repair(p drifter) (done []account.Drift, err error) {
	u := p.user.ID
	for _, row := range p.rows {
		switch row.Repair {
		case account.RepairShutOut:
			if _, _, err = d.removable(u, d.Org.ID, ""); err != nil {
				return nil, err
			}
			_, err = d.shutOut(removal{User: u, Source: account.SourceOf(d.by), Why: "inactive at the provider", Seal: sealOf(row.Connection)})
		case account.RepairLetIn:
			_, err = d.letIn(u, sealOf(row.Connection))
		case account.RepairDrop:
			pushed, e := d.PushedUsersBetween(d.Account.ID, u[:len(u)-1], u)
			if e != nil {
				return nil, e
			}
			d.Shut(table.OfUser(u))
			err = d.ApplyChange(d.Account.ID, u, rules.Change{Revoke: d.sourceless(p.held, pushed[u])})
		case account.RepairEvaluate:
			d.Shut(table.OfUser(u))
			err = d.move(u, p.held, p.change)
		default:
			continue
		}
		if err != nil {
			return nil, err
		}
		done = append(done, row)
		if row.Repair == account.RepairShutOut {
			break // roles count for nothing meanwhile
		}
	}
	return done, nil
}

func sealOf(c account.ConnectionID) string {
	return account.Actor{Kind: account.ActorConnection, Connection: c}.String()
}

// repairStray looks again whom a pushed user stands for, and gives them a place.
func (d *drifting) repairStray(c account.ConnectionID, id string) ([]account.Drift, error) {
	a := d.Account.ID
	row, found, err := d.Pushed(a, c, directory.User, id, true)
	if err != nil || !found {
		return nil, errors.Join(err, errorIf(!found, noResource(directory.User, id)))
	}
	drift, drifts, err := d.stray(row)
	if err != nil || !drifts {
		return nil, err
	}
	options, found, err := d.SCIMOptions(a, c)
	if err != nil {
		return nil, err
	}
	if !found {
		options = account.DefaultSCIMOptions
	}
	p := &provision{hand: d.hand, Push: Push{Pusher: Pusher{Account: a, Connection: c, Options: options}}, locked: true}
	if row.Person == "" {
		if err := p.meet(&row); err != nil || row.Person == "" {
			return nil, err // still nobody
		}
		if err := d.StandFor(row); err != nil {
			return nil, err
		}
	} else {
		if _, err := d.PutTenancy(a, row.Person, d.now); err != nil {
			return nil, err
		}
		if _, err := d.AddSource(a, row.Person, rules.Sourced{Role: account.Member, Source: account.Source{Kind: account.SourceSCIM, Connection: c, By: d.by.String(), At: d.now}}); err != nil {
			return nil, err
		}
		d.Gain(table.OfUser(row.Person))
	}
	drift.User = row.Person
	return []account.Drift{drift}, p.reconsider(row.Person)
}
