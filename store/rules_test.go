package store

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/rules"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// connected gives acme a live connection whose people may come in.
func (h *house) connected() account.Connection {
	h.Helper()
	c := h.connect("okta", samlSettings())
	h.proves(h.acme.ID, "acme.example")
	return c
}

func writers(c account.Connection, groups ...string) rules.Definition {
	return rules.Definition{Name: "Writers", Connection: c.ID, Groups: groups, Targets: []rules.Target{{Roles: []account.Role{"registry:writer"}}}}
}

func (h *house) saved(d rules.Definition) rules.Rule {
	h.Helper()
	h.clock.turn(time.Millisecond) // ids of one millisecond come in any order
	r, err := h.SaveRule(h.ctx(), theOperator, h.acme.ID, "", d)
	h.ok(err)
	return r
}

func (h *house) activated(confirmed bool) rules.Plan {
	h.Helper()
	plan, err := h.ActivateRules(h.ctx(), theOperator, h.acme.ID, confirmed)
	h.ok(err)
	return plan
}

func (h *house) sources(u account.User, r account.Role) (kinds []account.SourceKind) {
	h.Helper()
	for _, held := range h.held(u) {
		if held.Role == r {
			for _, s := range held.Sources {
				kinds = append(kinds, s.Kind)
			}
		}
	}
	return kinds
}

// REQ L-01 L-03 L-05 L-10 L-13
func TestOnlyOwnersAndUserAdminsManageRules(t *testing.T) {
	each(t, func(h *house) {
		c := h.connected()
		olga, uma, max := h.owner("olga@acme.example"), h.person("uma@acme.example", account.Member), h.person("max@acme.example", account.Member)
		h.ok(h.Grant(h.ctx(), theOperator, h.acme.ID, uma.ID, h.whole(), account.UserAdmin))
		for _, u := range []account.User{olga, uma} {
			d := writers(c, "eng")
			d.Name = "By " + u.Email
			r, err := h.SaveRule(h.ctx(), asUser(u), h.acme.ID, "", d)
			h.ok(err)
			if r.State() != rules.Draft || r.ID == "" {
				h.Errorf("%+v", r)
			}
		}
		member := asUser(max)
		_, err := h.SaveRule(h.ctx(), member, h.acme.ID, "", writers(c, "eng"))
		h.refuses(err, account.Forbidden, "")
		h.auditHas(h.acme.ID, "rule.saved", "refused")
		_, err = h.SaveRule(h.ctx(), asUser(olga), h.acme.ID, "", writers(account.Connection{ID: "con_nowhere"}, "eng"))
		h.refuses(err, account.NotFound, "") // without a connection there is nothing to read groups from
		_, err = h.Rules(h.ctx(), member, h.acme.ID)
		h.refuses(err, account.Forbidden, "")
		_, err = h.PlanRules(h.ctx(), member, h.acme.ID)
		h.refuses(err, account.Forbidden, "")
		_, err = h.ActivateRules(h.ctx(), member, h.acme.ID, true)
		h.refuses(err, account.Forbidden, "")
		h.auditHas(h.acme.ID, "rules.activated", "refused")
		h.refuses(h.AddIdPGroup(h.ctx(), member, account.IdPGroup{Account: h.acme.ID, Connection: c.ID, Value: "eng"}), account.Forbidden, "")
		all, err := h.Rules(h.ctx(), asUser(uma), h.acme.ID)
		h.ok(err)
		h.refuses(h.DeleteRule(h.ctx(), member, h.acme.ID, all[0].ID), account.Forbidden, "")

		// Nobody gives more than they hold: a user admin who is a member of the account makes no administrators.
		d := writers(c, "eng")
		d.AccountRole = account.Admin
		_, err = h.SaveRule(h.ctx(), asUser(uma), h.acme.ID, "", d)
		h.refuses(err, account.Forbidden, "")

		d = writers(c, "eng")
		d.Name = ""
		_, err = h.SaveRule(h.ctx(), asUser(olga), h.acme.ID, "", d)
		if e := h.refuses(err, account.Invalid, ""); e.Pointer != "/name" {
			h.Errorf("%+v", e)
		}
		d = writers(c, "eng")
		d.Name = "By " + olga.Email
		_, err = h.SaveRule(h.ctx(), asUser(olga), h.acme.ID, "", d)
		h.refuses(err, account.Conflict, "name_taken")
		globex, _, err := h.CreateAccount(h.ctx(), theOperator, "globex", "globex", "", account.Enterprise)
		h.ok(err)
		theirs := h.connectIn(globex.ID, "entra", oidcSettings())
		_, err = h.SaveRule(h.ctx(), asUser(olga), h.acme.ID, "", writers(theirs, "eng"))
		h.refuses(err, account.NotFound, "")
		_, err = h.Rules(h.ctx(), asUser(olga), globex.ID)
		h.refuses(err, account.NotFound, "")
	})
}

// REQ L-10 L-11 L-12 L-16
func TestARuleAppliesToNobodyBeforeItsActivation(t *testing.T) {
	each(t, func(h *house) {
		c := h.connected()
		rule := h.saved(writers(c, "eng"))
		amy := h.signedIn(h.login(c, "amy", "amy@acme.example", "eng")).User
		if got := h.sources(amy, "registry:writer"); len(got) != 0 {
			h.Errorf("a draft gives %v", got)
		}
		plan, err := h.PlanRules(h.ctx(), theOperator, h.acme.ID)
		h.ok(err)
		if plan.Counts.Gained != 1 || len(h.sources(amy, "registry:writer")) != 0 {
			h.Errorf("a dry run changes nothing and says what would: %+v", plan.Counts)
		}
		h.activated(false)
		if got := h.sources(amy, "registry:writer"); len(got) != 1 || got[0] != account.SourceRule {
			h.Errorf("after activation: %v", got)
		}
		line := h.auditHas(h.acme.ID, "rules.activated", "done")
		if fmt.Sprint(line.Detail["new"]) != "[Writers]" || fmt.Sprint(line.Detail["gained"]) != "1" {
			h.Errorf("audit %v", line.Detail)
		}
		h.auditHas(h.acme.ID, "person.roles_by_rules", "done")

		if again := h.activated(false); again.Counts.Gained+again.Counts.Lost != 0 {
			h.Errorf("activating twice: %+v", again.Counts)
		}
		// Removing waits for an activation as well.
		h.ok(h.DeleteRule(h.ctx(), theOperator, h.acme.ID, rule.ID))
		h.ok(h.DeleteRule(h.ctx(), theOperator, h.acme.ID, rule.ID))
		all, err := h.Rules(h.ctx(), theOperator, h.acme.ID)
		h.ok(err)
		if len(all) != 1 || all[0].State() != rules.Removed || len(h.sources(amy, "registry:writer")) != 1 {
			h.Errorf("%+v", all)
		}
		h.activated(true)
		all, err = h.Rules(h.ctx(), theOperator, h.acme.ID)
		h.ok(err)
		if len(all) != 0 || len(h.sources(amy, "registry:writer")) != 0 {
			h.Errorf("the removed rule still gives: %+v", all)
		}
		if got := h.sources(amy, account.Member); len(got) != 1 || got[0] != account.SourceSignIn {
			h.Errorf("who loses the last account role by an activation stays a bare member: %v", got)
		}
	})
}

// REQ L-17 L-18 L-15 T-03 T-04 T-06
func TestActivationReplacesWhatWasGivenByHandToWhomTheRulesMap(t *testing.T) {
	each(t, func(h *house) {
		c := h.connected()
		olga, amy, bob := h.owner("olga@acme.example"), h.person("amy@acme.example", account.Member), h.person("bob@acme.example", account.Member)
		for _, u := range []account.User{amy, bob} {
			h.ok(h.Grant(h.ctx(), theOperator, h.acme.ID, u.ID, h.whole(), "registry:writer"))
		}
		h.signedIn(h.login(c, "amy", "amy@acme.example", "eng"))
		h.signedIn(h.login(c, "olga", "olga@acme.example", "eng"))
		h.saved(writers(c, "eng"))
		plan := h.activated(false)
		if n := plan.Counts; n.All != 3 || n.Unchanged != 1 || n.Owners != 1 || n.Unknown != 1 {
			h.Errorf("counts %+v", n)
		}
		if got := h.sources(amy, "registry:writer"); len(got) != 1 || got[0] != account.SourceRule {
			h.Errorf("amy is mapped: one membership remains, by rule; has %v", got)
		}
		if got := h.sources(bob, "registry:writer"); len(got) != 1 || got[0] != account.SourceManual {
			h.Errorf("bob maps to nothing and keeps what he has; has %v", got)
		}
		if got := h.sources(olga, "registry:writer"); len(got) != 0 || !account.HasRole(h.held(olga), h.whole(), account.Owner) {
			h.Errorf("rules never touch owners: %v", h.held(olga))
		}
		if e := h.signedIn(h.login(c, "olga", "olga@acme.example", "eng")); e.Change.Skipped != rules.SkippedOwner {
			h.Errorf("skipped %q", e.Change.Skipped)
		}

		// What was given by hand since is part of the next plan, and of the next activation.
		h.ok(h.Grant(h.ctx(), theOperator, h.acme.ID, amy.ID, h.whole(), "registry:reader"))
		plan, err := h.PlanRules(h.ctx(), theOperator, h.acme.ID)
		h.ok(err)
		if plan.Counts.Lost != 1 {
			h.Errorf("plan %+v", plan.Counts)
		}
		h.activated(true)
		if got := h.sources(amy, "registry:reader"); len(got) != 0 {
			h.Errorf("the plan said that amy loses it; she has it by %v", got)
		}
	})
}

// REQ T-05 L-21
func TestActivationNeedsTheGroupClaimSeenOnce(t *testing.T) {
	each(t, func(h *house) {
		c := h.connected()
		h.saved(writers(c, "eng"))
		_, err := h.ActivateRules(h.ctx(), theOperator, h.acme.ID, true)
		if e := h.refuses(err, account.Conflict, "groups_never_seen"); !strings.Contains(e.Message, `"okta"`) || e.Help == "" {
			h.Errorf("%+v", e)
		}
		login := h.login(c, "amy", "amy@acme.example")
		login.Groups = account.GroupSet{State: account.GroupsUnknown, Absent: true}
		h.signedIn(login)
		_, err = h.ActivateRules(h.ctx(), theOperator, h.acme.ID, true)
		h.refuses(err, account.Conflict, "groups_never_seen")
		h.signedIn(h.login(c, "bob", "bob@acme.example", "ops"))
		h.activated(false)
	})
}

// REQ L-20
func TestALossOfRolesForManyNeedsAConfirmation(t *testing.T) {
	each(t, func(h *house) {
		c := h.connected()
		rule := h.saved(writers(c, "eng"))
		var people []account.User
		for _, name := range []string{"amy", "bob", "cem", "dee"} {
			people = append(people, h.signedIn(h.login(c, name, name+"@acme.example", "eng")).User)
		}
		h.activated(false)
		changed := writers(c, "engineering") // a typo, or a rename at the provider
		_, err := h.SaveRule(h.ctx(), theOperator, h.acme.ID, rule.ID, changed)
		h.ok(err)
		_, err = h.ActivateRules(h.ctx(), theOperator, h.acme.ID, false)
		if e := h.refuses(err, account.Conflict, "loss_needs_confirmation"); !strings.Contains(e.Message, "4 of 4 people would lose a role") {
			h.Errorf("%q", e.Message)
		}
		if got := h.sources(people[0], "registry:writer"); len(got) != 1 {
			h.Errorf("refused, and nothing changed: %v", got)
		}
		plan := h.activated(true)
		if plan.Counts.Lost != 4 || len(h.sources(people[0], "registry:writer")) != 0 {
			h.Errorf("confirmed: %+v", plan.Counts)
		}
	})
}

// REQ L-06 L-07 T-10
func TestGroupsAreTenantsAndSeenValuesAreOffered(t *testing.T) {
	each(t, func(h *house) {
		c := h.connected()
		add := func(value, alias string) {
			h.ok(h.AddIdPGroup(h.ctx(), theOperator, account.IdPGroup{Account: h.acme.ID, Connection: c.ID, Value: value, Alias: alias}))
		}
		add("eng", "")
		add("eng", "Engineering")
		add("eng", "Engineering")
		h.signedIn(h.login(c, "amy", "amy@acme.example", "eng", "ops"))
		all, err := h.IdPGroups(h.ctx(), theOperator, h.acme.ID)
		h.ok(err)
		if len(all) != 2 || all[0].Value != "eng" || all[0].Alias != "Engineering" || all[0].AccountRole != account.Member || all[0].LastSeen.IsZero() ||
			all[1].Value != "ops" || all[1].AccountRole != "" {
			h.Errorf("%+v", all)
		}
		h.ok(h.RemoveIdPGroup(h.ctx(), theOperator, h.acme.ID, c.ID, "eng"))
		h.ok(h.RemoveIdPGroup(h.ctx(), theOperator, h.acme.ID, c.ID, "eng"))
		all, err = h.IdPGroups(h.ctx(), theOperator, h.acme.ID)
		h.ok(err)
		if all[0].AccountRole != "" || all[0].LastSeen.IsZero() {
			h.Errorf("removed from the tenants, still known as seen: %+v", all[0])
		}
		h.refuses(h.AddIdPGroup(h.ctx(), theOperator, account.IdPGroup{Account: h.acme.ID, Connection: c.ID}), account.Invalid, "")

		near, why, ok, err := h.LookAlike(h.ctx(), theOperator, h.acme.ID, c.ID, "Ops ")
		h.ok(err)
		if !ok || near != "ops" || why == "" {
			h.Errorf("%q, %q, %v", near, why, ok)
		}
		if _, _, ok, err := h.LookAlike(h.ctx(), theOperator, h.acme.ID, c.ID, "ops"); ok || err != nil {
			h.Errorf("a value that was seen needs no help: %v", err)
		}
	})
}

// REQ L-09 B-09
func TestADraftThatWentStaleIsNotActivated(t *testing.T) {
	each(t, func(h *house) {
		c := h.connected()
		h.signedIn(h.login(c, "amy", "amy@acme.example", "eng"))
		h.saved(writers(c, "eng"))
		h.ok(h.EnableService(h.ctx(), theOperator, h.acme.ID, "registry", false))
		_, err := h.ActivateRules(h.ctx(), theOperator, h.acme.ID, true)
		h.refuses(err, account.Conflict, "service_not_enabled")
	})
}

// More people than one transaction takes are moved in batches, and a stop in between is made good.
func TestALargeActivationIsResumed(t *testing.T) {
	each(t, func(h *house) {
		c := h.connected()
		const crowd = atOnce + 2*pageOfPeople/4
		h.ok(h.db.Write(h.ctx(), func(tx *table.Tx) error { return h.crowd(tx, c, crowd) }))
		h.saved(writers(c, "eng"))

		plan := h.activateAndDie()
		if plan.Counts.All != crowd || plan.Counts.Gained != crowd {
			h.Fatalf("plan %+v", plan.Counts)
		}
		before := h.holdersOf("registry:writer")
		if before >= crowd {
			h.Fatalf("all %d were moved at once", before)
		}
		h.ok(h.reopen().ResumeActivations(h.ctx()))
		if got := h.holdersOf("registry:writer"); got != crowd {
			h.Errorf("%d of %d hold the role after the resumption", got, crowd)
		}
		h.ok(h.ResumeActivations(h.ctx()))
		h.nothingRuns()
	})
}

// crowd writes people who have all been seen in group eng.
func (h *house) crowd(tx *table.Tx, c account.Connection, n int) error {
	now := h.clock.now()
	for i := range n {
		u := account.User{ID: account.NewID[account.UserID](now, h.opt.Random), Email: fmt.Sprintf("p%d@acme.example", i), State: account.UserActive, CreatedAt: now}
		if err := tx.InsertUser(u); err != nil {
			return err
		}
		if _, err := tx.PutTenancy(h.acme.ID, u.ID, now); err != nil {
			return err
		}
		member := rules.Sourced{Role: account.Member, Source: account.Source{Kind: account.SourceSignIn, Connection: c.ID, At: now}}
		if _, err := tx.AddSource(h.acme.ID, u.ID, member); err != nil {
			return err
		}
		id := table.Identity{Account: h.acme.ID, Connection: c.ID, Subject: fmt.Sprintf("s%d", i), User: u.ID, At: now,
			Groups: account.GroupSet{State: account.GroupsComplete}, GroupsText: `["eng"]`}
		if err := tx.PutIdentity(id); err != nil {
			return err
		}
	}
	return tx.SawGroups(h.acme.ID, c.ID, now)
}

// activateAndDie is a replica that dies after the rules have become active and one batch of people was moved.
func (h *house) activateAndDie() rules.Plan {
	h.Helper()
	plan, err := h.Ledger.activate(h.ctx(), theOperator, h.acme.ID, activation{later: true})
	h.ok(err)
	job := account.Actor{Kind: account.ActorSystem, Job: "rules"}
	h.ok(h.change(h.ctx(), job, h.acme.ID, "rules.applied", operator, func(h *hand) (*note, error) {
		_, err := h.moveBatch()
		return nil, err
	}))
	return plan
}

func (h *house) holdersOf(r account.Role) (n int) {
	h.Helper()
	h.ok(h.db.Read(h.ctx(), func(tx *table.Tx) error {
		all, err := tx.Holders(h.acme.ID, h.org.ID, r)
		n = len(all)
		return err
	}))
	return n
}

func (h *house) nothingRuns() {
	h.Helper()
	h.ok(h.db.Read(h.ctx(), func(tx *table.Tx) error {
		running, err := tx.RunningActivations()
		if len(running) > 0 {
			h.Errorf("still running: %v", running)
		}
		return err
	}))
}
