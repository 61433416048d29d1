package page

import (
	"fmt"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// LoginTestStart lets an administrator choose which version of which connection to test (K-12).
type LoginTestStart struct {
	Who     Who
	Org     Org
	Choices []TestChoice
	Error   *FieldError
	Recent  []TestRun // latest first; may be empty
	Lookup  string    // a diagnosis id that was looked up and does not exist, kept
}

// A TestChoice is one version of one connection.
type TestChoice struct {
	Value    string // sent back as "target"
	Name     string // of the connection
	Kind     account.IdPKind
	Protocol account.Protocol
	Which    account.Which
	Selected bool
}

// A TestRun is an earlier test.
type TestRun struct {
	Diagnosis account.DiagnosisID
	Name      string // of the connection
	Which     account.Which
	Verdict   account.Verdict
	At        time.Time
}

func (p LoginTestStart) frame() frame { return frame{Title: "Login test", Wide: true, Who: &p.Who} }

// LoginTestLink is a test that has been started: the administrator opens it, or sends it to somebody
// whose sign-in should be tried, with or without an account here.
type LoginTestLink struct {
	Who        Who
	Connection string
	Kind       account.IdPKind
	Which      account.Which
	URL        string    // absolute; opens the test in whatever browser it is opened in
	Until      time.Time // the link works until then
	Diagnosis  account.DiagnosisID
}

func (p LoginTestLink) frame() frame {
	return frame{Title: "Login test · " + p.Connection, Who: &p.Who}
}

// LoginTestWaiting stands where the result will be, until an answer of the provider has come.
type LoginTestWaiting struct {
	Who        Who
	Connection string
	Kind       account.IdPKind
	Diagnosis  account.DiagnosisID
	Started    time.Time
	Again      string // "target" of the same test
}

func (p LoginTestWaiting) frame() frame {
	return frame{Title: "Login test · " + p.Connection, Who: &p.Who}
}

// LoginTestDone meets everybody at the end of a test who may not read its result. It says the same for
// every id.
type LoginTestDone struct {
	Diagnosis account.DiagnosisID
}

func (LoginTestDone) frame() frame { return frame{Title: "Login test finished"} }

// LoginTestResult shows everything a test sign-in found out, in the order in which it was judged; or a
// real sign-in, when a person has quoted its diagnosis id.
type LoginTestResult struct {
	Who        Who
	Real       bool // a real sign-in and no test
	Diagnosis  account.DiagnosisID
	Connection string
	Which      account.Which
	Protocol   account.Protocol
	Kind       account.IdPKind // whose fix is shown first
	At         time.Time
	Person     string          // name or address that was received; empty: none
	Outcome    account.Verdict // the worst of all checks
	Sentence   string          // the verdict: "Ana Ruiz would sign in and hold 2 roles."
	Checks     []CheckGroup    // in flow order
	Claims     []account.Claim
	Raw        string // decoded message, secrets removed; empty: nothing arrived
	Groups     GroupResult
	Rules      []RuleResult
	Roles      []RoleResult
	RolesNote  string // for instance "Owner, rules skipped" (L-15); may be empty
	Relying    []RelyingResult
	Again      string   // "target" of the same test; empty: no button
	Confirm    *Confirm // nil: nothing to confirm
}

// A CheckGroup is the checks of one step.
type CheckGroup struct {
	Title   string
	Verdict account.Verdict // the worst in the group
	Checks  []account.Check
}

// GroupResult is the group set that was received.
type GroupResult struct {
	State  account.GroupState
	Why    string
	Source string
	Values []GroupValue
}

// A GroupValue is one received group with the rules that ask for it (K-13).
type GroupValue struct {
	Value  string
	Alias  string   // what people call it, where Value is an id (T-10)
	UsedBy []string // rule names
}

// A RuleResult is one rule and why it matched, or did not.
type RuleResult struct {
	Name    string
	Active  bool // otherwise a draft
	Matched bool
	Reason  string   // "needs eng-admins, received Eng-Admins: letter case differs"
	Gives   []string // role labels with their scope
}

// A RoleResult is one role that would be held.
type RoleResult struct {
	Label string
	Scope string // "acme" or "acme / build"
	Why   []string
	// Change compares with what an existing person holds: "new", "kept", "lost"; empty: a new person.
	Change string
}

// A RelyingResult is the verdict for one service that uses the identity (K-14, T-20).
type RelyingResult struct {
	Label   string
	Verdict account.Verdict
	Missing []string // what it needs and did not get
}

// Confirm makes the tested draft live, when every relying service passed (K-14).
type Confirm struct {
	Action  string // path to post to
	Allowed bool
	Why     string // when not allowed: the sentence that names what failed
}

func (p LoginTestResult) frame() frame {
	return frame{Title: p.What() + " · " + p.Connection, Wide: true, Who: &p.Who}
}

// What it is that is shown.
func (p LoginTestResult) What() string {
	if p.Real {
		return "Sign-in"
	}
	return "Login test"
}

// Fixes are the ways to mend c, the connection's own provider first, then by name; empty when there
// is nothing to mend.
func (p LoginTestResult) Fixes(c account.Check) []Fix {
	var fixes []Fix
	add := func(k account.IdPKind) {
		if text, ok := c.Fix[k]; ok {
			fixes = append(fixes, Fix{Kind: k, Text: text})
		}
	}
	add(p.Kind)
	for _, k := range kinds {
		if k != p.Kind {
			add(k)
		}
	}
	return fixes
}

// A Fix is what to do in one identity provider.
type Fix struct {
	Kind account.IdPKind
	Text string
}

// Failed counts the checks that failed.
func (p LoginTestResult) Failed() int { return p.count(account.Fail) }

// Total counts all checks.
func (p LoginTestResult) Total() int { return p.count("") }

// Tally is "23 of 24 checks passed, 1 warning".
func (p LoginTestResult) Tally() string {
	s := fmt.Sprintf("%d of %d checks passed", p.count(account.Pass), p.Total())
	if n := p.Failed(); n > 0 {
		s += fmt.Sprintf(", %d failed", n)
	}
	switch n := p.count(account.Warn); {
	case n == 1:
		s += ", 1 warning"
	case n > 1:
		s += fmt.Sprintf(", %d warnings", n)
	}
	return s
}

func (p LoginTestResult) count(v account.Verdict) (n int) {
	for _, g := range p.Checks {
		for _, c := range g.Checks {
			if v == "" || c.Verdict == v {
				n++
			}
		}
	}
	return n
}

// kinds in the order in which their fixes are offered.
var kinds = []account.IdPKind{
	account.KindOkta, account.KindEntra, account.KindGoogle, account.KindADFS, account.KindPing, account.KindGeneric,
}

// KindName is what people call an identity provider of kind k.
func KindName(k account.IdPKind) string {
	switch k {
	case account.KindOkta:
		return "Okta"
	case account.KindEntra:
		return "Microsoft Entra ID"
	case account.KindGoogle:
		return "Google Workspace"
	case account.KindADFS:
		return "AD FS"
	case account.KindPing:
		return "Ping"
	}
	return "Other provider"
}

var stepTitles = map[account.Step]string{
	account.StepRequest: "Request sent", account.StepResponse: "Response received", account.StepSignature: "Signature",
	account.StepTimes: "Times", account.StepAudience: "Audience and destination", account.StepIdentity: "Identity",
	account.StepDomains: "Domains", account.StepGroups: "Groups", account.StepRules: "Rules", account.StepRelying: "Relying services",
}

var stepOrder = []account.Step{
	account.StepRequest, account.StepResponse, account.StepSignature, account.StepTimes, account.StepAudience,
	account.StepIdentity, account.StepDomains, account.StepGroups, account.StepRules, account.StepRelying,
}

// GroupChecks sorts checks into their steps, in flow order; steps without checks are left out.
func GroupChecks(checks []account.Check) []CheckGroup {
	var groups []CheckGroup
	for _, s := range stepOrder {
		g := CheckGroup{Title: stepTitles[s], Verdict: account.Pass}
		for _, c := range checks {
			if c.Step == s {
				g.Checks = append(g.Checks, c)
				g.Verdict = Worst(g.Verdict, c.Verdict)
			}
		}
		if len(g.Checks) > 0 {
			groups = append(groups, g)
		}
	}
	return groups
}

// Worst is the graver of two verdicts.
func Worst(a, b account.Verdict) account.Verdict {
	switch {
	case a == account.Fail || b == account.Fail:
		return account.Fail
	case a == account.Warn || b == account.Warn:
		return account.Warn
	}
	return account.Pass
}
