package account

import (
	"strings"
	"time"
)

// A SyncDecision is what a company decided about telling us of people who leave, and its written acknowledgment that removals at the
// provider are not detected otherwise (K-18).
type SyncDecision struct {
	Decision       SyncChoice
	AcknowledgedBy string // who, on the company's side: a name or an address
	Evidence       string // where the acknowledgment is kept: a message id, a link, a ticket
	Note           string
	RecordedAt     time.Time
	RecordedBy     string // Actor.String
}

// SyncChoice is how a company tells us of people who leave.
type SyncChoice string

// The choices.
const (
	SyncSCIM   SyncChoice = "scim"
	SyncEvents SyncChoice = "events"
	SyncNone   SyncChoice = "none" // not at all: removals are not detected
)

// Check says what is wrong with a decision.
func (d SyncDecision) Check() error {
	var c checker
	switch d.Decision {
	case SyncSCIM, SyncEvents, SyncNone:
	default:
		c.bad("/decision", "%q is no decision.", clip(string(d.Decision), 60)).Fix("Use scim, events or none.")
	}
	if strings.TrimSpace(d.AcknowledgedBy) == "" || len(d.AcknowledgedBy) > 200 {
		c.bad("/acknowledged_by", "Say who acknowledged it, in at most 200 characters.")
	}
	if strings.TrimSpace(d.Evidence) == "" || len(d.Evidence) > 500 {
		c.bad("/evidence", "Say where the acknowledgment is kept, in at most 500 characters.").Fix("An e-mail suffices: its Message-ID or a link to it.")
	}
	if len(d.Note) > 2000 {
		c.bad("/note", "A note has at most 2,000 characters.")
	}
	if len(c.problems) == 0 {
		return nil
	}
	return c.problems[0]
}

// A Detection says whether we hear of it when somebody leaves (M-01).
type Detection struct {
	Detected    bool      // an integration exists, and has been used
	SCIMTokens  int       // valid ones
	SCIMUsed    time.Time // when the provider last pushed with one; zero: never
	Streams     int       // enabled ones
	StreamHeard time.Time // the last token of one; zero: never
	Decision    *SyncDecision
	Breaker     BreakerState
}

// Integrated reports whether there is an integration, used or not.
func (d Detection) Integrated() bool { return d.SCIMTokens+d.Streams > 0 }

// Words say it in a sentence.
func (d Detection) Words() string {
	switch {
	case d.Detected && d.Breaker.Paused():
		return "Removals at the provider are detected, and paused: too many came in a short time."
	case d.Detected:
		return "Removals at the provider are detected."
	case d.Integrated():
		return "Removals are not detected: the integration is set up, and the provider has not used it yet."
	}
	return "Removals are not detected: the provider pushes no people (SCIM) and sends no security events."
}
