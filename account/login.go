package account

import (
	"fmt"
	"time"
)

// A Login is what an identity provider said about a person, after every check of the protocol has
// passed. The doors fill it; the ledger decides what it means.
type Login struct {
	Connection ConnectionID
	Subject    string // stable and opaque; see docs/decisions/subjects.md
	Email      string // normal form (NormalEmail); empty when the provider sent none
	// EmailVerified is what the provider says; "" when it says nothing.
	EmailVerified Verified
	Name          string
	Groups        GroupSet
	// AuthenticatedAt is the provider's AuthnInstant or auth_time; zero when unsaid.
	AuthenticatedAt time.Time
	// SessionUntil is SessionNotOnOrAfter; zero when unsaid.
	SessionUntil time.Time
	// ProviderSession is SessionIndex or sid, for logout; NameID is what SAML single logout has to quote.
	ProviderSession string
	NameID          *NameID
	// TokenID names the message itself, as security events may: jti of the ID token, ID of the assertion. Empty when it has none.
	TokenID string
	// IDToken is kept sealed for RP-initiated logout (id_token_hint); zero for SAML.
	IDToken Secret `json:"-"`
	// Replay is what must be remembered so that the message counts once: assertion id or token hash,
	// with the instant until which a copy could still be valid.
	Replay      string
	ReplayUntil time.Time
	Methods     []string // AuthnContextClassRef, amr, authnmethodsreferences
}

// Verified is what a provider says about an e-mail address.
type Verified string

// The answers.
const (
	VerifiedUnsaid Verified = ""
	VerifiedYes    Verified = "yes"
	VerifiedNo     Verified = "no"
)

// A NameID is a SAML name identifier with its qualifiers.
type NameID struct {
	Value, Format, NameQualifier, SPNameQualifier string
}

// A GroupSet is what a login says about groups. Only a complete set may take roles away (promise 6).
type GroupSet struct {
	State  GroupState `json:"state"`
	Values []string   `json:"values,omitempty"` // as the provider spells them, in its order, without repetition
	Why    string     `json:"why,omitempty"`    // for incomplete and unknown: a sentence for people
	Source string     `json:"source,omitempty"` // where they come from: "assertion", "id_token", "userinfo", "graph", "okta-api"
	// Absent, for an unknown set: there was neither a group claim nor a marker that stands for one. On a
	// connection that has sent the claim before, that reads as "in no group" (T-05, rules.Settle).
	Absent bool `json:"absent,omitempty"`
}

// GroupState is how much a group set can be trusted to be all.
type GroupState string

// The states of a group set.
const (
	GroupsComplete   GroupState = "complete"
	GroupsIncomplete GroupState = "incomplete" // some are missing: overage, silent cut
	GroupsUnknown    GroupState = "unknown"    // no claim, or a marker instead of one
)

// A Step is a stage of judging a sign-in, in flow order.
type Step string

// The steps, in the order in which the login test shows them.
const (
	StepRequest   Step = "request"   // what we sent
	StepResponse  Step = "response"  // arrived, well-formed, status
	StepSignature Step = "signature" // keys, algorithms, coverage
	StepTimes     Step = "times"     // clocks, validity
	StepAudience  Step = "audience"  // issuer, audience, destination, recipient
	StepIdentity  Step = "identity"  // subject, e-mail
	StepDomains   Step = "domains"   // may this connection speak for that address?
	StepGroups    Step = "groups"    // claim present, readable, complete
	StepRules     Step = "rules"     // what the groups earn
	StepRelying   Step = "relying"   // per relying service
)

// Verdict is how a check came out.
type Verdict string

// The verdicts.
const (
	Pass Verdict = "pass"
	Warn Verdict = "warn"
	Fail Verdict = "fail"
)

// A Check is one thing that was looked at while judging a sign-in. The login test shows all of
// them; a refusal is the first that failed.
type Check struct {
	Step     Step               `json:"step"`
	Code     string             `json:"code"` // stable machine word, for instance "audience_mismatch"
	Title    string             `json:"title"`
	Verdict  Verdict            `json:"verdict"`
	Expected string             `json:"expected,omitempty"`
	Received string             `json:"received,omitempty"`
	Fix      map[IdPKind]string `json:"fix,omitempty"` // what to do in that provider; KindGeneric is always there on Warn and Fail
}

// A Claim is one value that a provider sent, for people.
type Claim struct {
	Name   string   `json:"name"`
	Values []string `json:"values"`
	Source string   `json:"source"` // "assertion", "id_token", "userinfo"
}

// A Judgement is everything a protocol room found out about one response. Exactly one of Login and
// Refusal is set.
type Judgement struct {
	Login   *Login
	Refusal *Refusal
	Checks  []Check
	Claims  []Claim
	Raw     string        // for the administrator: the decoded message, signature values folded, secrets removed
	Skew    time.Duration // measured: provider's clock minus ours, by IssueInstant or iat
}

// A Refusal says why a sign-in is refused. The person sees three lines and a diagnosis id; the
// administrator sees all of it.
type Refusal struct {
	Connection ConnectionID
	Step       Step
	Code       string
	Expected   string
	Received   string
	Hint       map[IdPKind]string
	cause      error
}

// Refuse makes a refusal from a failed check.
func Refuse(c Check) *Refusal {
	return &Refusal{Step: c.Step, Code: c.Code, Expected: c.Expected, Received: c.Received, Hint: c.Fix}
}

// Because keeps the cause for the operator's log.
func (r *Refusal) Because(err error) *Refusal { r.cause = err; return r }

// Unwrap gives the cause.
func (r *Refusal) Unwrap() error { return r.cause }

// Error is the administrator's sentence.
func (r *Refusal) Error() string {
	return fmt.Sprintf("sign-in refused at %s (%s): expected %s, received %s", r.Step, r.Code, r.Expected, r.Received)
}
