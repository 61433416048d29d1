package rules

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// Seen is the group set that one connection last said about a person (T-03).
type Seen struct {
	Connection account.ConnectionID
	Groups     account.GroupSet
	At         time.Time
}

// A PersonView is what a dry run needs to know of one person of the account.
type PersonView struct {
	User  account.UserID
	Email string
	Name  string
	Owner bool           // of the org or the account
	Held  []account.Held // in the account and its org
	Seen  []Seen         // at most one per connection
}

// Swap is what activating ix does to one person, as one change (L-17, T-04): with the groups last seen,
// roles are given and taken away as at a sign-in; who maps to a rule by a complete group set has the
// manual and invitation sources replaced by those of the rules; sources of rules that no longer give the
// role go whatever is known of the groups. People who map to no rule keep what was given by hand (L-18).
func Swap(p PersonView, org account.OrgID, ix *Index, now time.Time) Change {
	if p.Owner {
		return Change{Skipped: SkippedOwner}
	}
	revoke := map[key]bool{}
	var c Change
	take := func(from []Sourced) {
		for _, s := range from {
			if k := s.key(); !revoke[k] {
				revoke[k], c.Revoke = true, append(c.Revoke, s)
			}
		}
	}
	c.Skipped = SkippedGroups
	for _, seen := range p.Seen {
		d := ix.Evaluate(seen.Connection, seen.Groups)
		one := Diff(p.Held, org, false, d, seen.Connection, now)
		if one.Skipped == NotSkipped {
			c.Skipped = NotSkipped
		}
		c.Grant = append(c.Grant, one.Grant...)
		take(one.Revoke)
		if d.Mapped() && d.Authority == Full && c.Replaced == nil {
			c.Replaced = collect(p.Held, org, func(s Sourced) bool {
				return s.Role != account.Owner && (s.Source.Kind == account.SourceManual || s.Source.Kind == account.SourceInvitation)
			})
			take(c.Replaced)
		}
	}
	take(collect(p.Held, org, func(s Sourced) bool {
		return s.Source.Kind == account.SourceRule && !ix.earns(s.Source, s.Scope, s.Role)
	}))
	return c
}

// Outcome is what an activation means for one person, in one word.
type Outcome string

// The outcomes. Who gains one role and loses another counts as lost, since that is what needs a look.
const (
	Gained    Outcome = "gained"
	Lost      Outcome = "lost"
	Unchanged Outcome = "unchanged"
	Unknown   Outcome = "unknown" // groups not known, or not all: decided at the next sign-in
	OwnerKept Outcome = "owner"   // rules never touch owners
)

// A PersonReview is one line of a plan.
type PersonReview struct {
	User     account.UserID `json:"user"`
	Email    string         `json:"email"`
	Name     string         `json:"name,omitempty"`
	Outcome  Outcome        `json:"outcome"`
	Before   []account.Held `json:"before"`
	After    []account.Held `json:"after"`
	Gained   []Place        `json:"gained,omitempty"`
	Lost     []Place        `json:"lost,omitempty"`
	Unmapped bool           `json:"unmapped,omitempty"` // a complete group set, and no rule matches (L-18)
	Change   Change         `json:"-"`
	Reasons  []string       `json:"reasons"` // sentences for people
}

// Counts add up: All is the sum of the others (L-20).
type Counts struct {
	Gained    int `json:"gained"`
	Lost      int `json:"lost"`
	Unchanged int `json:"unchanged"`
	Unknown   int `json:"unknown"`
	Owners    int `json:"owners"`
	All       int `json:"all"`
}

// A Plan is the dry run of an activation.
type Plan struct {
	People []PersonReview `json:"people"` // in the order they were given
	Counts Counts         `json:"counts"`
}

// LossShare is the share of all people, 0 to 1, who would lose a role.
func (p Plan) LossShare() float64 {
	if p.Counts.All == 0 {
		return 0
	}
	return float64(p.Counts.Lost) / float64(p.Counts.All)
}

// Review says, per person, what replacing the rules before by after would do and why. Nothing is changed.
func Review(people []PersonView, org account.OrgID, before, after *Index, now time.Time) Plan {
	plan := Plan{People: make([]PersonReview, 0, len(people))}
	for _, p := range people {
		r := review(p, org, before, after, now)
		plan.People = append(plan.People, r)
		plan.Counts.add(r.Outcome)
	}
	return plan
}

func (c *Counts) add(o Outcome) {
	c.All++
	switch o {
	case Gained:
		c.Gained++
	case Lost:
		c.Lost++
	case Unchanged:
		c.Unchanged++
	case Unknown:
		c.Unknown++
	case OwnerKept:
		c.Owners++
	}
}

// Plus adds up the counts of two batches.
func (c Counts) Plus(o Counts) Counts {
	return Counts{c.Gained + o.Gained, c.Lost + o.Lost, c.Unchanged + o.Unchanged, c.Unknown + o.Unknown, c.Owners + o.Owners, c.All + o.All}
}

func review(p PersonView, org account.OrgID, before, after *Index, now time.Time) PersonReview {
	c := Swap(p, org, after, now)
	r := PersonReview{User: p.User, Email: p.Email, Name: p.Name, Before: p.Held, After: c.After(p.Held), Change: c}
	r.Gained, r.Lost = Compare(r.Before, r.After)
	unsure := "" // why the groups are not fully known
	mapped, complete := false, false
	for _, s := range p.Seen {
		d := after.Evaluate(s.Connection, s.Groups)
		mapped = mapped || d.Mapped()
		if d.Authority == Full {
			complete = true
		} else if unsure == "" {
			unsure = cmpOr(d.Why, "the group list is "+string(s.Groups.State))
		}
	}
	switch {
	case c.Skipped == SkippedOwner:
		r.Outcome, r.Reasons = OwnerKept, []string{"Owner: rules never change an owner's roles."}
		return r
	case len(r.Lost) > 0:
		r.Outcome = Lost
	case len(r.Gained) > 0:
		r.Outcome = Gained
	case len(p.Seen) == 0:
		r.Outcome, r.Reasons = Unknown, []string{"No groups known yet; decided at the next sign-in."}
		return r
	case unsure != "" && !mapped:
		r.Outcome, r.Reasons = Unknown, []string{"Groups not fully known (" + unsure + "); decided at the next sign-in."}
		return r
	default:
		r.Outcome = Unchanged
	}
	r.Unmapped = complete && !mapped && unsure == ""
	r.Reasons = reasons(r, before, after)
	return r
}

func reasons(r PersonReview, before, after *Index) []string {
	var out []string
	say := func(format string, args ...any) {
		if s := fmt.Sprintf(format, args...); !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	for _, g := range r.Change.Grant {
		say("%s by rule %q, for being in %q.", roleWords(g.Scope, g.Role), after.name(g.Source.Rule), g.Source.Group)
	}
	for _, s := range r.Change.Revoke {
		what, rule := roleWords(s.Scope, s.Role), s.Source.Rule
		switch {
		case s.Source.Kind != account.SourceRule:
			say("%s was given by hand or invitation; the rules replace it.", what)
		case !after.has(rule):
			say("%s came by rule %q, which is removed.", what, before.name(rule))
		case !after.earns(s.Source, s.Scope, s.Role):
			say("%s came by rule %q, which no longer gives it for %q.", what, after.name(rule), s.Source.Group)
		default:
			say("%s came by rule %q; %q is no longer among the groups.", what, after.name(rule), s.Source.Group)
		}
	}
	switch {
	case r.Unmapped:
		say("Matches no rule; what was given by hand stays.")
	case len(out) == 0:
		say("Holds already what the rules give.")
	}
	return out
}

func (ix *Index) has(id account.RuleID) bool { _, ok := ix.byID[id]; return ok }

func roleWords(scope account.Scope, role account.Role) string {
	switch {
	case scope.Org == "":
		return "Account role " + string(role)
	case scope.Team == "":
		return string(role) + " in the org"
	}
	return string(role) + " in a team"
}

func cmpOr(a, b string) string {
	if strings.TrimSpace(a) != "" {
		return a
	}
	return b
}
