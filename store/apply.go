package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/estate"
	"github.com/drawbridge-id/drawbridge/rules"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// ApplyOptions say how an estate is applied.
type ApplyOptions struct {
	DryRun    bool // say what would change, and change nothing
	Confirmed bool // answers the guard of ActivateRules against large losses
}

// A Diff is what Apply changed, or would change in a dry run.
type Diff struct {
	Changes  []Changed             `json:"changes"`
	Plans    map[string]rules.Plan `json:"plans,omitempty"` // by account name: what activating its rules does to people
	Accounts []Applied             `json:"accounts"`        // those of the file, in its order, as they are afterwards
}

// Empty reports whether nothing changes.
func (d Diff) Empty() bool { return len(d.Changes) == 0 }

// Changed is one change, told as the audit log tells it.
type Changed struct {
	Account string         `json:"account,omitempty"` // name; empty for the installation itself
	Verb    string         `json:"verb"`              // for instance "connection.promoted"
	Target  string         `json:"target,omitempty"`
	Detail  map[string]any `json:"detail,omitempty"`
}

// String is one line for people, for instance: acme: team.created team_01… name=research.
func (c Changed) String() string {
	var b strings.Builder
	if c.Account != "" {
		b.WriteString(c.Account + ": ")
	}
	b.WriteString(c.Verb)
	if c.Target != "" {
		b.WriteString(" " + c.Target)
	}
	for _, k := range slices.Sorted(maps.Keys(c.Detail)) {
		if v := reflect.ValueOf(c.Detail[k]); v.IsValid() && !v.IsZero() && !(v.Kind() == reflect.Slice && v.Len() == 0) {
			fmt.Fprintf(&b, " %s=%v", k, c.Detail[k])
		}
	}
	return b.String()
}

// Applied is one account of the file, with what has to be copied into identity providers and DNS.
type Applied struct {
	Account     account.Account      `json:"account"`
	Org         account.Org          `json:"org"`
	Connections []account.Connection `json:"connections"` // those of the file, without secrets
	Domains     []account.Domain     `json:"domains"`     // those of the file
	Streams     []account.Stream     `json:"streams"`     // those of the file, without secrets
}

// errDryRun takes a dry run back.
var errDryRun = errors.New("store: dry run")

// Apply brings the installation to what an estate file says, in one transaction: all of it or nothing (docs/estate.md says what it
// means for things that are there already). Applying twice changes nothing the second time. Each change is made by the verb that
// a person would use, and leaves that verb's audit line; connections go live without a login test, since the operator vouches for
// them. The map holds generated secrets by name, shown this once. Only the operator may.
func (l *Ledger) Apply(ctx context.Context, by account.Actor, e estate.Estate, o ApplyOptions) (Diff, map[string]account.Secret, error) {
	if !by.AtConsole() && by.Kind != account.ActorSystem {
		return Diff{}, nil, account.Errorf(account.Forbidden, "Only the operator of this installation applies estate files.")
	}
	if left := e.Unresolved(); len(left) > 0 {
		return Diff{}, nil, account.Errorf(account.Invalid, "The metadata of %s has not been read yet.", strings.Join(left, ", "))
	}
	var a *applying
	err := l.db.Write(ctx, func(tx *table.Tx) error {
		a = l.applying(ctx, tx, by, o)
		if err := a.estate(e); err != nil {
			return err
		}
		if o.DryRun {
			return errDryRun
		}
		return nil
	})
	if err != nil && !(o.DryRun && errors.Is(err, errDryRun)) {
		return Diff{}, nil, err
	}
	if !o.DryRun {
		if e.Catalogue != nil {
			l.goBy(e.Catalogue)
		}
		for _, id := range a.large {
			if err := l.moveRest(ctx, id); err != nil {
				return a.diff, nil, err
			}
		}
	}
	return a.diff, a.secrets, nil
}

// applying is one run of Apply: a ledger whose verbs all take part in one transaction.
type applying struct {
	*Ledger
	ctx   context.Context
	tx    *table.Tx
	by    account.Actor
	o     ApplyOptions
	diff  Diff
	names map[account.AccountID]string
	large []account.AccountID

	secrets map[string]account.Secret // generated
}

func (l *Ledger) applying(ctx context.Context, tx *table.Tx, by account.Actor, o ApplyOptions) *applying {
	a := &applying{ctx: ctx, tx: tx, by: by, o: o, names: map[account.AccountID]string{}, secrets: map[string]account.Secret{}, diff: Diff{Changes: []Changed{}, Plans: map[string]rules.Plan{}}}
	// Its memory is its own: what it caches by revision may never be committed.
	a.Ledger = &Ledger{db: l.db.Within(tx), opt: l.opt, memory: newMemory(), newKey: l.newKey, heard: a.hear}
	a.catalogue.Store(l.catalogue.Load())
	return a
}

// hear collects the audit lines of the run; those about single people belong to the plan.
func (a *applying) hear(line account.AuditLine) {
	if line.Verb != verbRolesByRules {
		a.diff.Changes = append(a.diff.Changes, Changed{Account: a.names[line.Account], Verb: line.Verb, Target: line.Target, Detail: line.Detail})
	}
}

func (a *applying) estate(e estate.Estate) error {
	if e.Catalogue != nil {
		if err := a.putCatalogue(*e.Catalogue); err != nil {
			return err
		}
	}
	for _, want := range e.Accounts {
		if err := a.account(want); err != nil {
			return about(want.Name, err)
		}
	}
	return nil
}

// about says which account an error is about.
func about(name string, err error) error { return fmt.Errorf("account %q: %w", name, err) }

const metaCatalogue = "catalogue"

func (a *applying) putCatalogue(cat account.Catalogue) error {
	if reflect.DeepEqual(cat, a.Catalogue()) {
		return nil
	}
	text, err := json.Marshal(cat)
	if err != nil {
		return err
	}
	if err := a.tx.PutMeta(metaCatalogue, string(text)); err != nil {
		return err
	}
	a.catalogue.Store(&cat)
	a.tx.Shut(table.Target{Kind: table.TargetAll}) // what owners hold follows from it
	ids := make([]string, len(cat.Services))
	for i, s := range cat.Services {
		ids[i] = s.ID
	}
	return a.audit(a.tx, a.by, "", "catalogue.changed", note{Detail: map[string]any{"services": ids}}, a.now())
}

// loadCatalogue takes over the catalogue that an estate file brought, if one did; it wins over the one of Options.
func (l *Ledger) loadCatalogue(ctx context.Context) error {
	return l.db.Read(ctx, func(tx *table.Tx) error {
		text, found, err := tx.Meta(metaCatalogue)
		if err != nil || !found {
			return err
		}
		var cat account.Catalogue
		if err := json.Unmarshal([]byte(text), &cat); err != nil {
			return fmt.Errorf("the catalogue in the database does not read: %w", err)
		}
		l.goBy(&cat)
		return nil
	})
}

// goBy takes over a catalogue, and forgets what followed from another one.
func (l *Ledger) goBy(cat *account.Catalogue) {
	if reflect.DeepEqual(*cat, l.Catalogue()) {
		return
	}
	l.catalogue.Store(cat)
	l.db.Marks().Forget()
}

// catalogueLook is how long a replica may go by a catalogue that another one has replaced.
const catalogueLook = 10 * time.Second

// keepCatalogue follows the catalogue until ctx ends.
func (l *Ledger) keepCatalogue(ctx context.Context) {
	for ctx.Err() == nil {
		if err := l.loadCatalogue(ctx); err != nil && ctx.Err() == nil {
			l.opt.Log.ErrorContext(ctx, "the catalogue could not be looked at", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(catalogueLook):
		}
	}
}

func (a *applying) account(want estate.Account) error {
	house, err := a.house(want)
	if err != nil {
		return err
	}
	one := &applyingAccount{applying: a, want: want, House: house, id: house.Account.ID,
		teams: map[string]account.TeamID{}, connections: map[string]account.Connection{}}
	for _, step := range []func() error{one.services, one.doTeams, one.owners, one.people, one.doConnections, one.domains, one.groups, one.rules, one.streams, one.webhooks} {
		if err := step(); err != nil {
			return err
		}
	}
	return one.finish()
}

// house finds the account by its org, or makes both.
func (a *applying) house(want estate.Account) (table.House, error) {
	house, found, err := a.tx.HouseByOrg(want.Org)
	if err != nil {
		return house, err
	}
	if !found {
		acct, org, err := a.CreateAccount(a.ctx, a.by, want.Name, want.Org, want.Title, want.Type)
		if err != nil {
			return house, err
		}
		a.names[acct.ID] = acct.Name
		if n := len(a.diff.Changes); n > 0 {
			a.diff.Changes[n-1].Account = acct.Name
		}
		return table.House{Account: acct, Org: org}, nil
	}
	a.names[house.Account.ID] = house.Account.Name
	switch {
	case house.Account.Name != want.Name:
		return house, account.Errorf(account.Conflict, "Org %q belongs to account %q.", want.Org, house.Account.Name).Coded("name_taken").Fix("Give the account's name, or another org.")
	case house.Org.Type != want.Type:
		return house, account.Errorf(account.Conflict, "Org %q is an %s org.", want.Org, house.Org.Type).Coded("org_type").Fix("Give that type; a file does not convert an org.")
	}
	return house, nil
}

// applyingAccount is the part of a run that concerns one account.
type applyingAccount struct {
	*applying
	table.House
	want        estate.Account
	id          account.AccountID
	teams       map[string]account.TeamID
	connections map[string]account.Connection
}

func (a *applyingAccount) services() error {
	if a.want.Title != "" && a.want.Title != a.Org.Title {
		err := a.change(a.ctx, a.by, a.id, "org.titled", operator, func(h *hand) (*note, error) {
			return &note{Target: string(h.Org.ID), Detail: map[string]any{"title": a.want.Title}}, h.SetTitle(a.id, a.want.Title)
		})
		if err != nil {
			return err
		}
	}
	for _, s := range a.want.Services {
		if err := a.EnableService(a.ctx, a.by, a.id, s, true); err != nil {
			return err
		}
	}
	return nil
}

func (a *applyingAccount) doTeams() error {
	for _, t := range a.want.Teams {
		have, found, err := a.tx.TeamNamed(a.id, t.Name)
		switch {
		case err != nil:
			return err
		case !found:
			have, err = a.CreateTeam(a.ctx, a.by, a.id, t.Name, t.Description)
		case t.Description != "" && t.Description != have.Description:
			err = a.change(a.ctx, a.by, a.id, "team.described", operator, func(h *hand) (*note, error) {
				return &note{Target: string(have.ID), Detail: map[string]any{"name": t.Name}}, h.SetTeamDescription(a.id, have.ID, t.Description)
			})
		}
		if err != nil {
			return err
		}
		a.teams[t.Name] = have.ID
	}
	return nil
}

func (a *applyingAccount) owners() error {
	for i, email := range a.want.Owners {
		role := account.Admin // D-04
		if i == 0 {
			role = account.Owner
		}
		user, err := a.person(email, "", role)
		if err != nil {
			return err
		}
		if err := a.gives(user, account.Scope{Org: a.Org.ID}, account.Owner); err != nil {
			return err
		}
	}
	return nil
}

func (a *applyingAccount) people() error {
	for _, p := range a.want.People {
		user, err := a.person(p.Email, p.Name, p.AccountRole)
		if err != nil {
			return err
		}
		for _, r := range p.Roles {
			if err := a.gives(user, account.Scope{Org: a.Org.ID}, r); err != nil {
				return err
			}
		}
		for _, team := range slices.Sorted(maps.Keys(p.Teams)) {
			for _, r := range p.Teams[team] {
				if err := a.gives(user, account.Scope{Org: a.Org.ID, Team: a.teams[team]}, r); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// person finds or adds somebody with at least an account role, from whatever source they hold it.
func (a *applyingAccount) person(email, name string, r account.Role) (account.User, error) {
	user, found, err := a.tx.UserByEmail(email)
	if err != nil {
		return user, err
	}
	if found {
		held, err := a.tx.Held(a.id, user.ID)
		if err != nil {
			return user, err
		}
		if has, _ := accountRole(held); !r.Stronger(has) {
			return user, nil
		}
	}
	return a.AddPerson(a.ctx, a.by, a.id, email, name, r)
}

// gives grants a role that is not held yet. One that a rule gives already is not given by hand as well: an activation may just
// have replaced the one by the other (L-17).
func (a *applyingAccount) gives(u account.User, s account.Scope, r account.Role) error {
	held, err := a.tx.Held(a.id, u.ID)
	if err != nil || account.HasRole(held, s, r) {
		return err
	}
	return a.Grant(a.ctx, a.by, a.id, u.ID, s, r)
}

func (a *applyingAccount) doConnections() error {
	for _, want := range a.want.Connections {
		if err := want.Settings.Check(); err != nil {
			return err
		}
		row, found, err := a.tx.ConnectionNamed(a.id, want.Name)
		if err != nil {
			return err
		}
		c := row.Connection
		if !found {
			c, err = a.newConnection(want)
		} else {
			err = a.settle(c, want)
		}
		if err == nil {
			err = a.spKeys(c.ID, want.SPKeys)
		}
		if err == nil {
			err = a.scim(c.ID, want.SCIM)
		}
		if err == nil {
			err = a.removals(c.ID, want)
		}
		if err == nil {
			err = a.EnableConnection(a.ctx, a.by, c.ID, want.Enabled)
		}
		if err != nil {
			return fmt.Errorf("connection %q: %w", want.Name, err)
		}
		a.connections[want.Name] = c
	}
	return nil
}

func (a *applyingAccount) newConnection(want estate.Connection) (account.Connection, error) {
	c, err := a.SaveDraft(a.ctx, a.by, a.id, "", want.Name, want.Settings)
	if err != nil || want.Which == account.Draft {
		return c, err
	}
	return a.Promote(a.ctx, a.by, c.ID, true)
}

// settle brings a connection that is there to the settings of the file. A draft that somebody works on survives a new live version.
func (a *applyingAccount) settle(c account.Connection, want estate.Connection) error {
	if want.Which == account.Draft {
		have, err := a.openConnection(a.tx, c.ID)
		if err != nil || sameSettings(have.Draft, &want.Settings) || have.Draft == nil && sameSettings(have.Live, &want.Settings) {
			return err
		}
		_, err = a.SaveDraft(a.ctx, a.by, a.id, c.ID, "", want.Settings)
		return err
	}
	return a.changeConnection(a.ctx, a.by, c.ID, "connection.promoted", operator, func(h *hand, c *table.Connection) (*note, error) {
		if sameSettings(c.Live, &want.Settings) {
			return nil, nil
		}
		if err := a.goLive(h, c, cloneSettings(want.Settings)); err != nil {
			return nil, err
		}
		return &note{Target: string(c.ID), Detail: map[string]any{"forced": true, "revision": c.LiveRevision, "relaxations": relaxations(c.Live)}}, nil
	})
}

// sameSettings compares settings as they are stored, and their secrets.
func sameSettings(have, want *account.Settings) bool {
	if have == nil {
		return false
	}
	a, errA := table.SettingsText(have)
	b, errB := table.SettingsText(want)
	if errA != nil || errB != nil || a != b {
		return false
	}
	mine, theirs := secretFields(have), secretFields(want)
	for name, secret := range theirs {
		if mine[name] == nil || mine[name].Reveal() != secret.Reveal() {
			return false
		}
	}
	return true
}

// spKeys makes the key pairs of the file those of the connection, the first of them the one that signs.
func (a *applyingAccount) spKeys(c account.ConnectionID, want []account.SPKey) error {
	if len(want) == 0 {
		return nil
	}
	for i, k := range want {
		k, err := checkSPKey(k)
		if err != nil {
			return err
		}
		if _, err := a.RotateSPKey(a.ctx, a.by, c, k); err != nil {
			return err
		}
		if i == 0 {
			if err := a.ActivateSPKey(a.ctx, a.by, c, k.ID); err != nil {
				return err
			}
			if err := a.dropOtherKeys(c, want); err != nil { // makes room: a connection has three at most
				return err
			}
		}
	}
	return nil
}

func (a *applyingAccount) dropOtherKeys(c account.ConnectionID, want []account.SPKey) error {
	keep := map[string]bool{}
	for _, k := range want {
		k, err := checkSPKey(k)
		if err != nil {
			return err
		}
		keep[k.ID] = true
	}
	have, err := a.tx.SPKeys(a.id, c)
	if err != nil {
		return err
	}
	for _, k := range have {
		if !keep[k.ID] {
			if err := a.DropSPKey(a.ctx, a.by, c, k.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *applyingAccount) domains() error {
	for _, want := range a.want.Domains {
		d, err := a.ClaimDomain(a.ctx, a.by, a.id, want.Name)
		if err == nil && want.Proved {
			err = a.VouchDomain(a.ctx, a.by, d.ID)
		}
		if err == nil && want.Connection != "" {
			err = a.TieDomain(a.ctx, a.by, d.ID, a.connections[want.Connection].ID)
		}
		if err == nil && want.CutOver {
			err = a.CutOver(a.ctx, a.by, d.ID, true)
		}
		if err != nil {
			return fmt.Errorf("domain %s: %w", want.Name, err)
		}
	}
	return nil
}

func (a *applyingAccount) groups() error {
	type name struct {
		c     account.ConnectionID
		value string
	}
	listed := map[name]bool{}
	for _, want := range a.want.Groups {
		g := account.IdPGroup{Account: a.id, Connection: a.connections[want.Connection].ID, Value: want.Value, Alias: want.Alias, AccountRole: want.AccountRole}
		listed[name{g.Connection, g.Value}] = true
		if err := a.AddIdPGroup(a.ctx, a.by, g); err != nil {
			return err
		}
	}
	if len(listed) == 0 {
		return nil
	}
	all, err := a.tx.IdPGroups(a.id)
	if err != nil {
		return err
	}
	for _, g := range all {
		if g.AccountRole != "" && !listed[name{g.Connection, g.Value}] {
			if err := a.RemoveIdPGroup(a.ctx, a.by, a.id, g.Connection, g.Value); err != nil {
				return err
			}
		}
	}
	return nil
}

// rules saves the rules of the file, takes away those that it does not list, and activates what it says is active.
func (a *applyingAccount) rules() error {
	if len(a.want.Rules) == 0 {
		return nil
	}
	all, err := a.tx.Rules(a.id)
	if err != nil {
		return err
	}
	byName := map[string]account.RuleID{}
	for _, r := range all {
		if _, taken := byName[ruleName(r)]; !taken || r.Draft != nil {
			byName[ruleName(r)] = r.ID
		}
	}
	active, listed := map[account.RuleID]bool{}, map[account.RuleID]bool{}
	for _, want := range a.want.Rules {
		if id, ok := byName[want.Name]; ok {
			listed[id] = true
		}
	}
	for _, r := range all { // first, so that they make room under the limit
		if !listed[r.ID] {
			active[r.ID] = true
			if err := a.DeleteRule(a.ctx, a.by, a.id, r.ID); err != nil {
				return err
			}
		}
	}
	err = a.change(a.ctx, a.by, a.id, verbRuleSaved, operator, func(h *hand) (*note, error) {
		book, err := h.rulebook() // once for all: SaveRule reads every rule, and there may be 10,000
		if err != nil {
			return nil, err
		}
		for _, want := range a.want.Rules {
			d := want.Definition(a.connections[want.Connection].ID, func(team string) account.TeamID { return a.teams[team] })
			r, n, err := book.save(byName[want.Name], d)
			if err == nil && n != nil {
				err = h.audit(verbRuleSaved, *n)
			}
			if err != nil {
				return nil, fmt.Errorf("rule %q: %w", want.Name, err)
			}
			if want.Active {
				active[r.ID] = true
			}
		}
		return nil, nil
	})
	if err != nil {
		return err
	}
	return a.activateRules(active)
}

func (a *applyingAccount) activateRules(only map[account.RuleID]bool) error {
	all, err := a.tx.Rules(a.id)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(all, func(r rules.Rule) bool { return only[r.ID] && r.State() != rules.Active }) {
		return nil
	}
	// The operator vouches for what the provider will send; a login without the claim changes nothing anyhow (T-05).
	plan, err := a.activate(a.ctx, a.by, a.id, activation{confirmed: a.o.Confirmed, unseen: true, only: only, later: true})
	if err != nil {
		return err
	}
	if plan.Counts.All > 0 {
		a.diff.Plans[a.want.Name] = plan
	}
	set, err := a.tx.RuleSet(a.id)
	if set.Running {
		a.large = append(a.large, a.id)
	}
	return err
}

// finish notes the account as it is now.
func (a *applyingAccount) finish() error {
	house, _, err := a.tx.House(a.id)
	if err != nil {
		return err
	}
	out := Applied{Account: house.Account, Org: house.Org, Connections: []account.Connection{}, Domains: []account.Domain{}, Streams: []account.Stream{}}
	for _, want := range a.want.Connections {
		row, _, err := a.tx.ConnectionNamed(a.id, want.Name)
		if err != nil {
			return err
		}
		out.Connections = append(out.Connections, row.Connection)
	}
	for _, want := range a.want.Domains {
		row, _, err := a.tx.DomainNamed(a.id, want.Name)
		if err != nil {
			return err
		}
		out.Domains = append(out.Domains, row.Domain)
	}
	for _, want := range a.want.Streams {
		s, _, err := a.tx.StreamNamed(a.id, want.Settings.Name)
		if err != nil {
			return err
		}
		out.Streams = append(out.Streams, s)
	}
	a.diff.Accounts = append(a.diff.Accounts, out)
	return nil
}
