package account

import "time"

// A Diagnosis is a remembered sign-in attempt or login test: what the administrator sees when a person
// quotes its id.
type Diagnosis struct {
	ID         DiagnosisID     `json:"id"`
	Account    AccountID       `json:"account"`
	Connection ConnectionID    `json:"connection"`
	Which      Which           `json:"which"`
	Test       bool            `json:"test"`
	AskedBy    string          `json:"asked_by,omitempty"`
	Outcome    Outcome         `json:"outcome"`
	Step       Step            `json:"step,omitempty"` // of the first failed check
	Code       string          `json:"code,omitempty"`
	At         time.Time       `json:"at"`
	Email      string          `json:"email,omitempty"`
	Subject    string          `json:"subject,omitempty"`
	Name       string          `json:"name,omitempty"`
	Checks     []Check         `json:"checks"`
	Claims     []Claim         `json:"claims,omitempty"`
	Raw        string          `json:"raw,omitempty"`
	Groups     GroupSet        `json:"groups"`
	Preview    *Preview        `json:"preview,omitempty"`
	Skew       time.Duration   `json:"skew_ns,omitempty"`
	Relying    []RelyingResult `json:"relying,omitempty"`
}

// Outcome is how an attempt ended.
type Outcome string

// The outcomes.
const (
	OutcomePending Outcome = "pending"
	OutcomePassed  Outcome = "passed"
	OutcomeRefused Outcome = "refused"
)

// A RelyingResult is a login test judged for one relying service (T-20).
type RelyingResult struct {
	ID      string   `json:"id"`
	Label   string   `json:"label"`
	Pass    bool     `json:"pass"`
	Missing []string `json:"missing,omitempty"` // of email, name, groups
}

// A Preview is what a login would lead to: rules with reasons, and the roles that would result.
type Preview struct {
	Rules       []RuleResult `json:"rules"`
	AccountRole Role         `json:"account_role,omitempty"`
	Roles       []Held       `json:"roles"`             // after a sign-in with the active rules
	WithDrafts  []Held       `json:"with_drafts"`       // after a sign-in once the drafts are activated
	Before      []Held       `json:"before,omitempty"`  // an existing person's roles now
	Skipped     string       `json:"skipped,omitempty"` // "owner", "groups unknown"
	Existing    bool         `json:"existing"`
}

// A RuleResult says whether one rule matched a login, and why.
type RuleResult struct {
	Rule    RuleID `json:"rule"`
	Name    string `json:"name"`
	State   string `json:"state"` // draft, active, changed, removed
	Matched bool   `json:"matched"`
	Group   string `json:"group,omitempty"` // the value that matched
	Reason  string `json:"reason"`
	Gives   []Held `json:"gives,omitempty"`
}

// A Refresh is what came of looking at a provider's metadata.
type Refresh struct {
	Connection    ConnectionID
	Hash          string        // SHA-256 hex of the document; empty when it could not be read
	Settings      *SAMLSettings // updated; nil when unchanged or failed
	Changes       []string      // for people
	NeedsApproval bool
	Err           error
}
