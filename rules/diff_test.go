package rules

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/drawbridge-id/drawbridge/account"
)

var now = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

const org = account.OrgID("org_acme")

func manual(scope account.Scope, role account.Role) account.Held {
	return account.Held{Scope: scope, Role: role, Sources: []account.Source{{Kind: account.SourceManual, By: "user:usr_owner"}}}
}

func show(held []account.Held) string {
	var out []string
	for _, h := range held {
		for _, s := range h.Sources {
			out = append(out, fmt.Sprintf("%s/%s %s by %s %s %q", h.Scope.Org, h.Scope.Team, h.Role, s.Kind, s.Rule, s.Group))
		}
	}
	return strings.Join(out, "\n")
}

// REQ L-12 L-13 L-15 L-16
func TestASignInMovesOnlyTheRolesOfItsOwnRules(t *testing.T) {
	ix := Compile(map[account.RuleID]Definition{"rul_1": writers()})
	byHand := manual(account.Scope{Org: org}, "registry:reader")
	otherConn := account.Held{Scope: account.Scope{Org: org}, Role: "registry:writer",
		Sources: []account.Source{{Kind: account.SourceRule, Rule: "rul_9", Group: "eng", Connection: "con_b"}}}
	held := []account.Held{byHand, otherConn}

	in := Diff(held, org, false, ix.Evaluate("con_a", complete("eng")), "con_a", now)
	if len(in.Grant) != 2 || len(in.Revoke) != 0 {
		t.Fatalf("joining the group: %+v", in)
	}
	if s := in.Grant[1]; s.Scope.Org != org || s.Role != "registry:writer" || s.Source.Rule != "rul_1" || s.Source.Group != "eng" ||
		s.Source.Connection != "con_a" || !s.Source.At.Equal(now) || s.Source.By != "connection:con_a" {
		t.Errorf("provenance: %+v", s)
	}
	after := in.After(held)

	out := Diff(after, org, false, ix.Evaluate("con_a", complete()), "con_a", now)
	if got := show(out.After(after)); got != show(held) {
		t.Errorf("after leaving the group:\n%s\nwant what was there before:\n%s", got, show(held))
	}
	if _, lost := Compare(after, out.After(after)); len(lost) != 1 || lost[0].Role != account.Member {
		t.Errorf("writer stays by the other connection, only the tenancy by rule goes: lost %v", lost)
	}
	for state, why := range map[account.GroupState]Skip{account.GroupsIncomplete: NotSkipped, account.GroupsUnknown: SkippedGroups} {
		c := Diff(after, org, false, ix.Evaluate("con_a", account.GroupSet{State: state}), "con_a", now)
		if !c.Empty() || c.Skipped != why {
			t.Errorf("%s groups: %+v", state, c)
		}
	}
	if c := Diff(after, org, true, ix.Evaluate("con_a", complete()), "con_a", now); !c.Empty() || c.Skipped != SkippedOwner {
		t.Errorf("owner: %+v", c)
	}
}

// REQ L-17 L-18 T-03 T-04 T-06
func TestActivationSwapsWhatWasGivenByHandForWhatTheRulesGive(t *testing.T) {
	ix := Compile(map[account.RuleID]Definition{"rul_1": writers()})
	elsewhere := manual(account.Scope{Org: "org_globex"}, "registry:admin")
	held := []account.Held{
		{Scope: account.Scope{}, Role: account.Member, Sources: []account.Source{{Kind: account.SourceInvitation}}},
		manual(account.Scope{Org: org}, "registry:writer"), manual(account.Scope{Org: org, Team: "team_x"}, "registry:reader"),
		elsewhere,
	}
	seen := func(g account.GroupSet) []Seen { return []Seen{{Connection: "con_a", Groups: g}} }
	person := PersonView{User: "usr_1", Held: held}

	person.Seen = seen(complete("eng"))
	c := Swap(person, org, ix, now)
	after := c.After(held)
	want := `/ member by rule rul_1 "eng"
org_acme/ registry:writer by rule rul_1 "eng"
org_globex/ registry:admin by manual  ""`
	if show(after) != want || len(c.Replaced) != 3 {
		t.Errorf("mapped:\n%s\nreplaced %d", show(after), len(c.Replaced))
	}
	person.Held = after
	if again := Swap(person, org, ix, now); !again.Empty() {
		t.Errorf("activating twice changes: %+v", again)
	}
	person.Held = held

	person.Seen = seen(complete("sales"))
	if c := Swap(person, org, ix, now); !c.Empty() {
		t.Errorf("unmapped people keep what they have: %+v", c)
	}
	person.Seen = seen(account.GroupSet{State: account.GroupsIncomplete, Values: []string{"eng"}})
	if c := Swap(person, org, ix, now); len(c.Grant) != 2 || len(c.Revoke) != 0 {
		t.Errorf("an incomplete list only adds: %+v", c)
	}
	person.Seen = nil
	if c := Swap(person, org, ix, now); !c.Empty() || c.Skipped != SkippedGroups {
		t.Errorf("never seen: %+v", c)
	}
	person.Seen, person.Owner = seen(complete("eng")), true
	if c := Swap(person, org, ix, now); !c.Empty() || c.Skipped != SkippedOwner {
		t.Errorf("owner: %+v", c)
	}
}

// REQ L-20
func TestARemovedRuleTakesItsRolesAwayEvenFromPeopleWhoseGroupsAreUnknown(t *testing.T) {
	before := Compile(map[account.RuleID]Definition{"rul_1": writers()})
	held := Diff(nil, org, false, before.Evaluate("con_a", complete("eng")), "con_a", now).After(nil)
	people := []PersonView{{User: "usr_1", Held: held, Seen: []Seen{{Connection: "con_a", Groups: account.GroupSet{State: account.GroupsUnknown}}}}}
	plan := Review(people, org, before, Compile(nil), now)
	if p := plan.People[0]; p.Outcome != Lost || len(p.After) != 0 || !strings.Contains(strings.Join(p.Reasons, " "), `rule "Writers", which is removed`) {
		t.Errorf("%+v", p)
	}
	if plan.LossShare() != 1 {
		t.Errorf("loss share %v", plan.LossShare())
	}
}

// REQ L-20 T-03
func TestADryRunSaysForEachPersonWhatAndWhy(t *testing.T) {
	before := Compile(nil)
	after := Compile(map[account.RuleID]Definition{"rul_1": writers()})
	seen := func(g account.GroupSet) []Seen { return []Seen{{Connection: "con_a", Groups: g}} }
	admin := []account.Held{manual(account.Scope{Org: org}, "registry:admin")}
	byRule := Diff(nil, org, false, after.Evaluate("con_a", complete("eng")), "con_a", now).After(nil)
	for _, c := range []struct {
		name   string
		person PersonView
		want   Outcome
		reason string
	}{
		{"gains", PersonView{Seen: seen(complete("eng"))}, Gained, `registry:writer in the org by rule "Writers", for being in "eng"`},
		{"loses", PersonView{Held: admin, Seen: seen(complete("eng"))}, Lost, "registry:admin in the org was given by hand or invitation; the rules replace it"},
		{"leaves", PersonView{Held: byRule, Seen: seen(complete("ops"))}, Lost, `"eng" is no longer among the groups`},
		{"stays", PersonView{Held: byRule, Seen: seen(complete("eng"))}, Unchanged, "Holds already"},
		{"unmapped", PersonView{Held: admin, Seen: seen(complete("ops"))}, Unchanged, "Matches no rule"},
		{"never seen", PersonView{Held: admin}, Unknown, "No groups known yet"},
		{"overage", PersonView{Held: admin, Seen: seen(account.GroupSet{State: account.GroupsUnknown, Why: "too many"})}, Unknown, "too many"},
		{"owner", PersonView{Owner: true, Held: admin, Seen: seen(complete("eng"))}, OwnerKept, "never change an owner"},
	} {
		p := Review([]PersonView{c.person}, org, before, after, now).People[0]
		if p.Outcome != c.want || !strings.Contains(strings.Join(p.Reasons, " "), c.reason) {
			t.Errorf("%s: %s %q, want %s with %q", c.name, p.Outcome, p.Reasons, c.want, c.reason)
		}
		if p.Unmapped != (c.name == "unmapped" || c.name == "leaves") {
			t.Errorf("%s: unmapped is %v", c.name, p.Unmapped)
		}
	}
}

// Generators for the properties below: few names, so that they collide often.
var (
	conns  = rapid.SampledFrom([]account.ConnectionID{"con_a", "con_b"})
	values = rapid.SliceOf(rapid.SampledFrom([]string{"eng", "ops", "Eng", "all", "/x"}))
	places = rapid.SampledFrom([]account.TeamID{"", "team_x", "team_z"})
	roles  = rapid.SampledFrom([]account.Role{"registry:reader", "registry:writer", account.UserAdmin})
)

func someDefs(t *rapid.T, label string) map[account.RuleID]Definition {
	def := rapid.Custom(func(t *rapid.T) Definition {
		d := Definition{Name: "r", Connection: conns.Draw(t, "connection"), Groups: values.Draw(t, "groups"),
			AccountRole: rapid.SampledFrom([]account.Role{"", account.Member, account.Admin}).Draw(t, "account role")}
		for range rapid.IntRange(0, 2).Draw(t, "targets") {
			d.Targets = append(d.Targets, Target{Team: places.Draw(t, "team"), Roles: rapid.SliceOfN(roles, 1, 2).Draw(t, "roles")})
		}
		return d
	})
	return rapid.MapOfN(rapid.SampledFrom([]account.RuleID{"rul_1", "rul_2", "rul_3", "rul_4"}), def, 0, 4).Draw(t, label)
}

func someGroups(t *rapid.T) account.GroupSet {
	return account.GroupSet{
		State:  rapid.SampledFrom([]account.GroupState{account.GroupsComplete, account.GroupsIncomplete, account.GroupsUnknown}).Draw(t, "state"),
		Values: values.Draw(t, "values"),
	}
}

func someHeld(t *rapid.T) []account.Held {
	kinds := []account.SourceKind{account.SourceManual, account.SourceInvitation, account.SourceRule, account.SourceSCIM}
	sourced := rapid.Custom(func(t *rapid.T) Sourced {
		s := Sourced{Scope: account.Scope{Org: rapid.SampledFrom([]account.OrgID{org, "org_globex"}).Draw(t, "org"), Team: places.Draw(t, "team")},
			Role: roles.Draw(t, "role"), Source: account.Source{Kind: rapid.SampledFrom(kinds).Draw(t, "kind")}}
		if rapid.Bool().Draw(t, "account role") {
			s.Scope, s.Role = account.Scope{}, account.Member
		}
		if s.Source.Kind == account.SourceRule {
			s.Source.Rule = rapid.SampledFrom([]account.RuleID{"rul_1", "rul_2", "rul_gone"}).Draw(t, "rule")
			s.Source.Group = rapid.SampledFrom([]string{"eng", "ops"}).Draw(t, "group")
			s.Source.Connection = conns.Draw(t, "source connection")
		}
		return s
	})
	var unique []Sourced
	for _, s := range rapid.SliceOf(sourced).Draw(t, "held") {
		if !slices.ContainsFunc(unique, func(u Sourced) bool { return u.key() == s.key() }) {
			unique = append(unique, s)
		}
	}
	return Change{Grant: unique}.After(nil)
}

func sourcesOf(held []account.Held) []Sourced {
	var out []Sourced
	for _, h := range held {
		for _, s := range h.Sources {
			out = append(out, Sourced{h.Scope, h.Role, s})
		}
	}
	return out
}

// REQ L-13
func TestEvaluateIsTheUnionOfItsRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		defs, conn, groups := someDefs(t, "rules"), conns.Draw(t, "connection"), someGroups(t)
		got := Compile(defs).Evaluate(conn, groups)
		var want []Grant
		for id, d := range defs {
			want = append(want, Compile(map[account.RuleID]Definition{id: d}).Evaluate(conn, groups).Grants...)
			matches := slices.ContainsFunc(d.Groups, func(g string) bool { return slices.Contains(groups.Values, g) })
			granted := slices.ContainsFunc(got.Grants, func(g Grant) bool { return g.Rule == id })
			if granted != (matches && d.Connection == conn && groups.State != account.GroupsUnknown) {
				t.Fatalf("rule %s: granted %v", id, granted)
			}
		}
		slices.SortFunc(want, compareGrants)
		if !slices.Equal(got.Grants, want) {
			t.Fatalf("got %+v, want %+v", got.Grants, want)
		}
	})
}

// REQ L-15 T-05 T-06
func TestADiffTakesNothingThatIsNotItsOwnAndIsDoneOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		held, conn, groups, owner := someHeld(t), conns.Draw(t, "connection"), someGroups(t), rapid.Bool().Draw(t, "owner")
		d := Compile(someDefs(t, "rules")).Evaluate(conn, groups)
		c := Diff(held, org, owner, d, conn, now)
		if (owner || groups.State != account.GroupsComplete) && len(c.Revoke) > 0 {
			t.Fatalf("revoked %+v", c.Revoke)
		}
		if (owner || groups.State == account.GroupsUnknown) && !c.Empty() {
			t.Fatalf("changed %+v", c)
		}
		for _, s := range c.Revoke {
			if s.Source.Kind != account.SourceRule || s.Source.Connection != conn || s.Scope.Org == "org_globex" {
				t.Fatalf("revoked %+v", s)
			}
		}
		after := c.After(held)
		if again := Diff(after, org, owner, d, conn, now.Add(time.Hour)); !again.Empty() {
			t.Fatalf("asked again: %+v", again)
		}
		if !owner && d.Authority == Full {
			var mine []Sourced
			for _, s := range sourcesOf(after) {
				if s.Source.Kind == account.SourceRule && s.Source.Connection == conn && s.Scope.Org != "org_globex" {
					mine = append(mine, s)
				}
			}
			if len(mine) != len(d.Grants) {
				t.Fatalf("holds %d sources by rules, the decision has %d", len(mine), len(d.Grants))
			}
		}
	})
}

// REQ L-17 L-18 L-20 T-04
func TestActivationIsDoneOnceAndItsCountsAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before, after := Compile(someDefs(t, "before")), Compile(someDefs(t, "after"))
		var people []PersonView
		for range rapid.IntRange(0, 4).Draw(t, "people") {
			p := PersonView{Owner: rapid.Bool().Draw(t, "owner"), Held: someHeld(t)}
			for _, c := range []account.ConnectionID{"con_a", "con_b"} {
				if rapid.Bool().Draw(t, "seen") {
					p.Seen = append(p.Seen, Seen{Connection: c, Groups: someGroups(t)})
				}
			}
			people = append(people, p)
		}
		plan := Review(people, org, before, after, now)
		n := plan.Counts
		if n.All != len(people) || n.Gained+n.Lost+n.Unchanged+n.Unknown+n.Owners != n.All {
			t.Fatalf("counts %+v for %d people", n, len(people))
		}
		for i, r := range plan.People {
			checkSwapped(t, people[i], r, after)
		}
	})
}

func checkSwapped(t *rapid.T, p PersonView, r PersonReview, ix *Index) {
	if p.Owner && (!r.Change.Empty() || r.Outcome != OwnerKept) {
		t.Fatalf("owner: %+v", r)
	}
	mapped := false
	for _, s := range p.Seen {
		d := ix.Evaluate(s.Connection, s.Groups)
		mapped = mapped || d.Mapped() && d.Authority == Full
	}
	byHand := func(s Sourced) bool {
		return s.Scope.Org != "org_globex" && (s.Source.Kind == account.SourceManual || s.Source.Kind == account.SourceInvitation)
	}
	if p.Owner {
		return
	}
	kept := slices.DeleteFunc(sourcesOf(r.After), func(s Sourced) bool { return !byHand(s) })
	had := slices.DeleteFunc(sourcesOf(p.Held), func(s Sourced) bool { return !byHand(s) })
	if mapped && len(kept) > 0 || !mapped && len(kept) != len(had) {
		t.Fatalf("mapped %v: had %d by hand, keeps %d", mapped, len(had), len(kept))
	}
	for _, s := range sourcesOf(r.After) {
		if s.Source.Kind == account.SourceRule && s.Scope.Org != "org_globex" && !ix.earns(s.Source, s.Scope, s.Role) {
			t.Fatalf("holds %+v, which no rule gives", s)
		}
	}
	p.Held = r.After
	if again := Swap(p, org, ix, now); !again.Empty() {
		t.Fatalf("activated again: %+v", again)
	}
}

// What is said about a person must not depend on the order of maps.
func TestADecisionReadsTheSameEachTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		defs, conn, groups := someDefs(t, "rules"), conns.Draw(t, "connection"), someGroups(t)
		a, b := Compile(defs).Evaluate(conn, groups), Compile(maps.Clone(defs)).Evaluate(conn, groups)
		if !reflect.DeepEqual(a, b) {
			t.Fatalf("%+v\n%+v", a, b)
		}
	})
}

// REQ L-13: the cost must not follow the number of rules that do not match.
func BenchmarkEvaluate(b *testing.B) {
	groups := account.GroupSet{State: account.GroupsComplete}
	for i := range 500 {
		groups.Values = append(groups.Values, fmt.Sprintf("group-%d", i*7))
	}
	for _, n := range []int{10, 1_000, 10_000} {
		defs := map[account.RuleID]Definition{}
		for i := range n {
			d := writers()
			d.Groups = []string{fmt.Sprintf("other-%d", i)}
			if i < 5 {
				d.Groups = []string{groups.Values[i*50]} // five match, whatever n is
			}
			defs[account.RuleID(fmt.Sprintf("rul_%d", i))] = d
		}
		ix := Compile(defs)
		b.Run(fmt.Sprintf("rules=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if d := ix.Evaluate("con_a", groups); len(d.Grants) != 10 {
					b.Fatal(len(d.Grants))
				}
			}
		})
	}
}
