package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/rules"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// Rules lists an account's rules, both versions of each, in the order they were made. Owners, user admins and the
// operator may (L-03).
func (l *Ledger) Rules(ctx context.Context, by account.Actor, a account.AccountID) (all []rules.Rule, err error) {
	err = l.look(ctx, by, a, userAdmins, func(h *hand) error { all, err = h.Rules(a); return err })
	return all, err
}

// SaveRule saves the draft of a rule; an empty id makes a new one. Nothing applies before ActivateRules (L-10). Saving what is
// there already changes nothing. Owners, user admins and the operator may (L-03); an account role of admin can be given by
// those who hold it (ADM-2). Refused beside what Definition.Check finds: another rule of that name (Conflict, name_taken), more
// rules than the limit (Conflict, rule_limit), a connection of another account (NotFound).
func (l *Ledger) SaveRule(ctx context.Context, by account.Actor, a account.AccountID, id account.RuleID, d rules.Definition) (rules.Rule, error) {
	var rule rules.Rule
	d = d.Normal()
	err := l.change(ctx, by, a, verbRuleSaved, userAdmins, func(h *hand) (*note, error) {
		book, err := h.rulebook()
		if err != nil {
			return nil, err
		}
		var n *note
		rule, n, err = book.save(id, d)
		return n, err
	})
	return rule, err
}

const verbRuleSaved = "rule.saved"

// A rulebook is all rules of an account while some of them are being saved.
type rulebook struct {
	*hand
	all   []rules.Rule
	check func(rules.Definition) error
}

func (h *hand) rulebook() (*rulebook, error) {
	all, err := h.Rules(h.Account.ID)
	if err != nil {
		return nil, err
	}
	check, err := h.checker()
	return &rulebook{h, all, check}, err
}

// save writes d as the draft of a rule; the note is nil when that is what it was.
func (b *rulebook) save(id account.RuleID, d rules.Definition) (rules.Rule, *note, error) {
	i, err := b.place(id, d)
	if err != nil {
		return rules.Rule{}, nil, err
	}
	if b.all[i].Draft != nil && b.all[i].Draft.Equal(d) {
		return b.all[i], nil, nil
	}
	b.all[i].Draft = &d
	r := b.all[i]
	return r, &note{Target: string(r.ID), Detail: map[string]any{"name": d.Name, "groups": d.Groups, "state": r.State()}}, b.PutRule(b.Account.ID, r, b.now)
}

// place finds or makes the rule that d goes to, when d can be saved there.
func (b *rulebook) place(id account.RuleID, d rules.Definition) (int, error) {
	if err := b.check(d); err != nil {
		return 0, err
	}
	if d.AccountRole == account.Admin {
		if err := grantable(account.Scope{}, account.Admin)(b.hand); err != nil {
			return 0, err
		}
	}
	kept := 0
	for _, r := range b.all {
		if r.ID == id || r.Draft == nil {
			continue
		}
		kept++
		if r.Draft.Name == d.Name {
			return 0, account.Errorf(account.Conflict, "There is a rule called %q already.", d.Name).Coded("name_taken").At("/name").Fix("Change that one, or choose another name.")
		}
	}
	if limit := b.l.Catalogue().Limits.RulesPerAccount; limit > 0 && kept >= limit {
		return 0, account.Errorf(account.Conflict, "An account has at most %d rules.", limit).Coded("rule_limit").Fix("One rule can name several groups and targets.")
	}
	if id == "" {
		b.all = append(b.all, rules.Rule{ID: account.NewID[account.RuleID](b.now, b.l.opt.Random)})
		return len(b.all) - 1, nil
	}
	i := slices.IndexFunc(b.all, func(r rules.Rule) bool { return r.ID == id })
	if i < 0 {
		return 0, noRule()
	}
	return i, nil
}

// checker is Definition.Check against what the account is at this moment.
func (h *hand) checker() (func(rules.Definition) error, error) {
	list, err := h.Teams(h.Account.ID)
	if err != nil {
		return nil, err
	}
	teams := make(map[account.TeamID]account.Team, len(list))
	for _, t := range list {
		teams[t.ID] = t
	}
	connections, err := h.Connections(h.Account.ID)
	cat := h.l.Catalogue()
	return func(d rules.Definition) error {
		if err := d.Check(cat, h.Org, teams); err != nil {
			return err
		}
		if !slices.ContainsFunc(connections, func(c table.Connection) bool { return c.ID == d.Connection }) {
			return noConnection()
		}
		return nil
	}, err
}

func noRule() *account.Error {
	return account.Errorf(account.NotFound, "No such rule in this account.")
}

// DeleteRule takes a rule away: one that was never activated at once, an active one at the next activation, and until then
// it goes on giving roles (state removed). Owners, user admins and the operator may.
func (l *Ledger) DeleteRule(ctx context.Context, by account.Actor, a account.AccountID, id account.RuleID) error {
	return l.change(ctx, by, a, "rule.deleted", userAdmins, func(h *hand) (*note, error) {
		r, found, err := h.Rule(a, id)
		switch {
		case err != nil:
			return nil, err
		case !found:
			return nil, noRule()
		case r.Draft == nil:
			return nil, nil
		}
		n := &note{Target: string(id), Detail: map[string]any{"name": r.Draft.Name, "waits": r.Active != nil}}
		if r.Active == nil {
			return n, h.DeleteRule(a, id)
		}
		r.Draft = nil
		return n, h.PutRule(a, r, h.now)
	})
}

// AddIdPGroup adds a group of an identity provider to the account as a tenant, or changes its alias and account role (L-06,
// L-07, T-10). Owners, user admins and the operator may.
func (l *Ledger) AddIdPGroup(ctx context.Context, by account.Actor, g account.IdPGroup) error {
	if g.AccountRole == "" {
		g.AccountRole = account.Member
	}
	return l.change(ctx, by, g.Account, "group.added", userAdmins, func(h *hand) (*note, error) {
		switch {
		case g.Value == "" || len(g.Value) > 1024:
			return nil, account.Errorf(account.Invalid, "A group has a value of 1 to 1,024 bytes, exactly as the identity provider sends it.").At("/value")
		case len(g.Alias) > 200:
			return nil, account.Errorf(account.Invalid, "An alias has at most 200 bytes.").At("/alias")
		case g.AccountRole != account.Admin && g.AccountRole != account.Member:
			return nil, account.Errorf(account.Invalid, "%q is no account role for a group.", g.AccountRole).At("/account_role").Fix("Use admin or member.")
		}
		if g.AccountRole == account.Admin {
			if err := grantable(account.Scope{}, account.Admin)(h); err != nil {
				return nil, err
			}
		}
		c, found, err := h.Connection(g.Connection)
		if err != nil {
			return nil, err
		}
		if !found || c.Account != g.Account {
			return nil, noConnection()
		}
		all, err := h.IdPGroups(g.Account)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(all, func(o account.IdPGroup) bool {
			return o.Connection == g.Connection && o.Value == g.Value && o.Alias == g.Alias && o.AccountRole == g.AccountRole
		}) {
			return nil, nil
		}
		return &note{Target: g.Value, Detail: map[string]any{"connection": g.Connection, "alias": g.Alias, "account_role": g.AccountRole}}, h.PutIdPGroup(g)
	})
}

// RemoveIdPGroup takes a group off the account's tenants. Rules that name it stay as they are. Owners, user admins and the operator may.
func (l *Ledger) RemoveIdPGroup(ctx context.Context, by account.Actor, a account.AccountID, c account.ConnectionID, value string) error {
	return l.change(ctx, by, a, "group.removed", userAdmins, func(h *hand) (*note, error) {
		all, err := h.IdPGroups(a)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(all, func(o account.IdPGroup) bool { return o.Connection == c && o.Value == value && o.AccountRole != "" }) {
			return nil, nil
		}
		return &note{Target: value, Detail: map[string]any{"connection": c}}, h.DropIdPGroup(a, c, value)
	})
}

// IdPGroups lists the groups of an account that were added as tenants, and those that were only seen (AccountRole is empty), for
// pickers and look-alike help. Owners, user admins and the operator may.
func (l *Ledger) IdPGroups(ctx context.Context, by account.Actor, a account.AccountID) (all []account.IdPGroup, err error) {
	err = l.look(ctx, by, a, userAdmins, func(h *hand) error { all, err = h.IdPGroups(a); return err })
	return all, err
}

// LookAlike compares a group value that somebody types with those that the connection was really seen to send: ok is true when it
// was never seen and one that was is close, with how they differ in words (L-06). Owners, user admins and the operator may.
func (l *Ledger) LookAlike(ctx context.Context, by account.Actor, a account.AccountID, c account.ConnectionID, value string) (near, why string, ok bool, err error) {
	found, err := l.LookAlikes(ctx, by, a, c, []string{value})
	if err != nil || len(found) == 0 {
		return "", "", false, err
	}
	return found[0].Seen, found[0].Why, true, nil
}

// A Near is a group value that was never seen with one that was and is close.
type Near struct{ Value, Seen, Why string }

// LookAlikes is LookAlike for several values; those about which there is nothing to say are left out.
func (l *Ledger) LookAlikes(ctx context.Context, by account.Actor, a account.AccountID, c account.ConnectionID, values []string) (found []Near, err error) {
	err = l.look(ctx, by, a, userAdmins, func(h *hand) error {
		all, err := h.IdPGroups(a)
		if err != nil {
			return err
		}
		var seen []string
		for _, g := range all {
			if g.Connection == c && !g.LastSeen.IsZero() {
				seen = append(seen, g.Value)
			}
		}
		for _, v := range values {
			if near, why, ok := rules.LookAlike(v, seen); ok {
				found = append(found, Near{v, near, why})
			}
		}
		return nil
	})
	return found, err
}

// PlanRules is the dry run of the drafts over everybody with the groups last seen (L-20, T-03): who would gain, lose or keep what,
// and why. Nothing changes. Owners, user admins and the operator may.
func (l *Ledger) PlanRules(ctx context.Context, by account.Actor, a account.AccountID) (plan rules.Plan, err error) {
	err = l.look(ctx, by, a, userAdmins, func(h *hand) error {
		p, err := h.plan(activation{})
		plan = p.Plan
		return err
	})
	return plan, err
}

// planned is a plan with what it was made from.
type planned struct {
	rules.Plan
	rules []rules.Rule
	after *rules.Index
	set   table.RuleSet
}

// pageOfPeople is how many people are read, and in a large activation changed, at a time.
const pageOfPeople = 500

func (h *hand) plan(o activation) (planned, error) {
	all, err := h.Rules(h.Account.ID)
	if err != nil {
		return planned{}, err
	}
	set, err := h.RuleSet(h.Account.ID)
	if err != nil {
		return planned{}, err
	}
	before := rules.CompileActive(all)
	p := planned{rules: all, set: set, after: rules.Compile(o.next(all))}
	for after := account.UserID(""); ; {
		people, err := h.people(after, pageOfPeople)
		if err != nil || len(people) == 0 {
			return p, err
		}
		page := rules.Review(people, h.Org.ID, before, p.after, h.now)
		p.People, p.Counts = append(p.People, page.People...), p.Counts.Plus(page.Counts)
		after = people[len(people)-1].User
	}
}

// people reads the next n people of the account as a dry run sees them.
func (h *hand) people(after account.UserID, n int) ([]rules.PersonView, error) {
	tenants, err := h.Tenants(h.Account.ID, after, n)
	if err != nil || len(tenants) == 0 {
		return nil, err
	}
	last := tenants[len(tenants)-1].User.ID
	held, err := h.HeldBetween(h.Account.ID, after, last)
	if err != nil {
		return nil, err
	}
	seen, err := h.SeenBetween(h.Account.ID, after, last)
	if err != nil {
		return nil, err
	}
	pushed, err := h.PushedBetween(h.Account.ID, after, last)
	if err != nil {
		return nil, err
	}
	for _, p := range pushed {
		seen[p.User] = withPushed(seen[p.User], p, h.now)
	}
	people := make([]rules.PersonView, len(tenants))
	for i, t := range tenants {
		u := t.User
		people[i] = rules.PersonView{User: u.ID, Email: u.Email, Name: u.Name, Owner: isOwner(held[u.ID], h.Org.ID), Held: held[u.ID], Seen: seen[u.ID]}
	}
	return people, nil
}

// withPushed joins the groups that a connection has pushed with those of its last sign-in.
func withPushed(seen []rules.Seen, p table.PushedSet, now time.Time) []rules.Seen {
	for i, s := range seen {
		if s.Connection == p.Connection {
			seen[i].Groups = rules.Merge(s.Groups, p.Values, p.How)
			return seen
		}
	}
	return append(seen, rules.Seen{Connection: p.Connection, Groups: rules.Merge(account.GroupSet{}, p.Values, p.How), At: now})
}

// atOnce is how many people are moved in the transaction that activates rules; more are moved in batches behind it.
const atOnce = 1000

// ActivateRules makes the drafts active and applies them to everybody whose groups are known (L-11, L-17); it answers with the
// plan that it followed. Refused with Conflict: a loss of roles for a larger share of people than the limit rules_loss_share
// allows, unless confirmed (code loss_needs_confirmation); a rule for a connection that has never sent a group claim (code
// groups_never_seen, T-05); neither a recovery e-mail nor a waiver (code recovery_needed, I-07); another change of rules between plan and activation (code rules_changed). Up to 1,000 people are
// moved in the one transaction. For more, the rules are active at once and people follow in batches; when ctx ends before the last
// one, ResumeActivations goes on. Activating what is active already changes nothing. Owners, user admins and the operator may.
func (l *Ledger) ActivateRules(ctx context.Context, by account.Actor, a account.AccountID, confirmed bool) (rules.Plan, error) {
	return l.activate(ctx, by, a, activation{confirmed: confirmed})
}

// activation says how far to go. Its zero value is the cautious activation of all drafts.
type activation struct {
	confirmed bool
	unseen    bool                    // the operator vouches for group claims that were never seen (estate file)
	only      map[account.RuleID]bool // rules whose drafts become active; nil: all
	later     bool                    // people of a large account are left to ResumeActivations
}

func (o activation) takes(r rules.Rule) bool { return o.only == nil || o.only[r.ID] }

// next are the definitions that will be active.
func (o activation) next(all []rules.Rule) map[account.RuleID]rules.Definition {
	next := make(map[account.RuleID]rules.Definition, len(all))
	for _, r := range all {
		d := r.Active
		if o.takes(r) {
			d = r.Draft
		}
		if d != nil {
			next[r.ID] = *d
		}
	}
	return next
}

func (l *Ledger) activate(ctx context.Context, by account.Actor, a account.AccountID, o activation) (rules.Plan, error) {
	var p planned
	large := false
	const verb = "rules.activated"
	err := l.look(ctx, by, a, members, func(h *hand) error {
		n, err := h.CountTenants(a)
		large = n > atOnce
		return err
	})
	if err == nil && large { // planned on a snapshot, so that sign-ins go on meanwhile
		err = l.look(ctx, by, a, userAdmins, func(h *hand) error { p, err = h.plan(o); return err })
	}
	if account.KindOf(err) == account.Forbidden {
		l.recordRefused(ctx, by, a, verb, l.now())
	}
	if err != nil {
		return rules.Plan{}, err
	}
	err = l.change(ctx, by, a, verb, userAdmins, func(h *hand) (*note, error) {
		if large {
			if err := h.unchangedSince(p); err != nil {
				return nil, err
			}
		} else if p, err = h.plan(o); err != nil {
			return nil, err
		}
		return h.activatePlanned(p, o, large)
	})
	if err != nil {
		return p.Plan, err
	}
	if large && !o.later {
		err = l.moveRest(ctx, a)
	}
	return p.Plan, err
}

// unchangedSince asks whether the rules are still those that were planned with.
func (h *hand) unchangedSince(p planned) error {
	now, err := h.Rules(h.Account.ID)
	if err != nil {
		return err
	}
	same := func(a, b *rules.Definition) bool { return a == nil && b == nil || a != nil && b != nil && a.Equal(*b) }
	if !slices.EqualFunc(now, p.rules, func(a, b rules.Rule) bool {
		return a.ID == b.ID && same(a.Draft, b.Draft) && same(a.Active, b.Active)
	}) {
		return account.Errorf(account.Conflict, "The rules were changed while the activation was being prepared.").Coded("rules_changed").Fix("Look at the new plan, and activate again.")
	}
	return nil
}

func (h *hand) activatePlanned(p planned, o activation, large bool) (*note, error) {
	waiting := map[rules.State][]string{}
	for _, r := range p.rules {
		if s := r.State(); s != rules.Active && o.takes(r) {
			waiting[s] = append(waiting[s], ruleName(r))
		}
	}
	moves := slices.ContainsFunc(p.People, func(r rules.PersonReview) bool { return !r.Change.Empty() })
	if len(waiting) == 0 && !moves {
		return nil, nil
	}
	way, err := h.recoverable()
	if err != nil {
		return nil, err
	}
	if err := h.guard(p, o); err != nil {
		return nil, err
	}
	if err := h.promote(p.rules, o); err != nil {
		return nil, err
	}
	set := table.RuleSet{Revision: p.set.Revision + 1, ActivatedAt: h.now, ActivatedBy: h.by.String(), Running: large}
	if err := h.PutRuleSet(h.Account.ID, set); err != nil {
		return nil, err
	}
	if !large {
		for i := range p.People {
			if err := h.move(p.People[i].User, p.People[i].Before, p.People[i].Change); err != nil {
				return nil, err
			}
		}
	}
	c := p.Counts
	return &note{Target: string(h.Account.ID), Detail: map[string]any{"revision": set.Revision, "people": c.All, "gained": c.Gained, "lost": c.Lost,
		"unchanged": c.Unchanged, "unknown": c.Unknown, "owners": c.Owners, "confirmed": o.confirmed, "recovery": way,
		"new": waiting[rules.Draft], "changed": waiting[rules.Changed], "removed": waiting[rules.Removed]}}, nil
}

// promote makes the drafts that an activation takes the active versions.
func (h *hand) promote(all []rules.Rule, o activation) error {
	for _, r := range all {
		if !o.takes(r) || r.State() == rules.Active {
			continue
		}
		var err error
		if r.Draft == nil {
			err = h.DeleteRule(h.Account.ID, r.ID)
		} else {
			r.Active = r.Draft
			err = h.PutRule(h.Account.ID, r, h.now)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func ruleName(r rules.Rule) string {
	if r.Draft != nil {
		return r.Draft.Name
	}
	return r.Active.Name
}

// guard asks whether the plan may be carried out.
func (h *hand) guard(p planned, o activation) error {
	check, err := h.checker()
	if err != nil {
		return err
	}
	var problems []error
	for _, r := range p.rules {
		if r.Draft == nil || !o.takes(r) {
			continue
		}
		if err := check(*r.Draft); err != nil { // a team or service may have gone since it was saved
			problems = append(problems, fmt.Errorf("rule %q: %w", r.Draft.Name, err))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	for _, id := range p.after.Connections() {
		c, _, err := h.Connection(id)
		if err != nil {
			return err
		}
		pushes, err := h.PushesGroups(h.Account.ID, id)
		if err != nil {
			return err
		}
		if c.GroupsSeen.IsZero() && !pushes && !o.unseen {
			return account.Errorf(account.Conflict, "Connection %q has never sent a group claim, so nobody could match a rule.", c.Name).Coded("groups_never_seen").
				Fix("Have somebody sign in, and see in its login test that groups arrive.")
		}
	}
	limit := h.l.Catalogue().Limits.RulesLossShare
	if share := p.LossShare(); share > limit && !o.confirmed {
		c := p.Counts
		return account.Errorf(account.Conflict, "%d of %d people would lose a role (%d gain, %d unchanged, %d unknown, %d owners skipped).",
			c.Lost, c.All, c.Gained, c.Unchanged, c.Unknown, c.Owners).Coded("loss_needs_confirmation").
			Fix("Look at the plan; if it is what you mean, confirm it.")
	}
	return nil
}

// verbRolesByRules is the audit line of a person whose roles an activation moved.
const verbRolesByRules = "person.roles_by_rules"

// move applies what an activation does to one person. Somebody who came in through their provider and whose last account role
// goes stays in the account as a bare member, as they would be after their next sign-in (L-14).
func (h *hand) move(u account.UserID, before []account.Held, c rules.Change) error {
	if c.Empty() {
		return nil
	}
	if err := h.ApplyChange(h.Account.ID, u, c); err != nil {
		return err
	}
	if role, _ := accountRole(c.After(before)); role == "" {
		bare := rules.Sourced{Role: account.Member, Source: account.Source{Kind: account.SourceSignIn, Connection: connectionOf(c.Revoke), By: h.by.String(), At: h.now}}
		if _, err := h.AddSource(h.Account.ID, u, bare); err != nil {
			return err
		}
	}
	if err := h.announceMove(u, before, c); err != nil {
		return err
	}
	detail := map[string]any{"granted": roleLines(c.Grant), "revoked": roleLines(c.Revoke)}
	if len(c.Replaced) > 0 {
		detail["replaced"] = roleLines(c.Replaced)
	}
	return h.audit(verbRolesByRules, note{Target: string(u), Detail: detail})
}

func connectionOf(revoked []rules.Sourced) account.ConnectionID {
	for _, s := range revoked {
		if s.Source.Connection != "" {
			return s.Source.Connection
		}
	}
	return ""
}

// ResumeActivations goes on with activations that were cut off, until all people have been moved or ctx ends.
func (l *Ledger) ResumeActivations(ctx context.Context) error {
	var accounts []account.AccountID
	err := l.db.Read(ctx, func(tx *table.Tx) (err error) { accounts, err = tx.RunningActivations(); return err })
	for _, a := range accounts {
		err = errors.Join(err, l.moveRest(ctx, a))
	}
	return err
}

// moveRest moves people in batches, each a transaction that begins where the last one ended. Several may run at once: they share
// the cursor, and a batch that finds nothing to do ends.
func (l *Ledger) moveRest(ctx context.Context, a account.AccountID) error {
	by := account.Actor{Kind: account.ActorSystem, Job: "rules"}
	for done := false; !done; {
		err := l.change(ctx, by, a, "rules.applied", operator, func(h *hand) (*note, error) {
			var err error
			done, err = h.moveBatch()
			return nil, err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (h *hand) moveBatch() (done bool, err error) {
	a := h.Account.ID
	set, err := h.RuleSet(a)
	if err != nil || !set.Running {
		return true, err
	}
	people, err := h.people(set.Cursor, pageOfPeople)
	if err != nil {
		return false, err
	}
	active, err := h.l.activeRules(h.Tx, a, set.Revision)
	if err != nil {
		return false, err
	}
	h.Shut(table.OfAccount(a))
	for _, p := range people {
		if err := h.move(p.User, p.Held, rules.Swap(p, h.Org.ID, active.index, h.now)); err != nil {
			return false, err
		}
		set.Cursor = p.User
	}
	if done = len(people) < pageOfPeople; done {
		set.Running, set.Cursor = false, ""
	}
	return done, h.PutRuleSet(a, set)
}
