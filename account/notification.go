package account

import (
	"strings"
	"time"
)

// A NotificationKind is a kind of mail about services that people subscribe to (P-02).
type NotificationKind string

// The kinds.
const (
	ReleaseNotes NotificationKind = "release_notes"
	SecurityNews NotificationKind = "security"
	EndOfLife    NotificationKind = "end_of_life"
	Maintenance  NotificationKind = "maintenance"
)

// NotificationKinds are all kinds, in the order in which people see them.
var NotificationKinds = []NotificationKind{ReleaseNotes, SecurityNews, EndOfLife, Maintenance}

// Label is what people call a kind; empty for what is none.
func (k NotificationKind) Label() string {
	switch k {
	case ReleaseNotes:
		return "Release notes"
	case SecurityNews:
		return "Security vulnerabilities and scan reports"
	case EndOfLife:
		return "End of life"
	case Maintenance:
		return "Scheduled maintenance"
	}
	return ""
}

// Portal stands for the service of publications about the installation itself, which concern everybody.
const Portal = "portal"

// A Wish is a kind of mail about one service.
type Wish struct {
	Service string // id in the catalogue, or Portal
	Kind    NotificationKind
}

// A Publication is a mail of the operator to everybody who wishes for its kind, each once.
type Publication struct {
	ID      PublicationID
	Wish    Wish
	Subject string
	Text    string
	At      time.Time
	By      string // Actor.String
	Sent    int    // letters written so far
	Done    bool   // all are
}

// CheckLetter says whether people may write this subject and text: one line of at most 150 bytes, and a text of at most 10,000. A subject with
// a line break would be a header more.
func CheckLetter(subject, text string) error {
	switch {
	case strings.TrimSpace(subject) == "" || len(subject) > 150:
		return Errorf(Invalid, "A subject has 1 to 150 bytes.").At("/subject")
	case strings.ContainsFunc(subject, func(r rune) bool { return isControl(r) || r == '\u2028' || r == '\u2029' }):
		return Errorf(Invalid, "A subject is one line without control characters.").At("/subject").Coded("bad_subject").Fix("Take the line breaks out.")
	case strings.TrimSpace(text) == "" || len(text) > 10_000:
		return Errorf(Invalid, "A text has 1 to 10,000 bytes.").At("/text")
	case strings.ContainsFunc(text, func(r rune) bool { return isControl(r) && r != '\n' && r != '\r' && r != '\t' }):
		return Errorf(Invalid, "A text has no control characters but line breaks and tabs.").At("/text")
	}
	return nil
}

// A LetterTemplate is a letter to an org's owners to begin with; all of it may be edited (J-02..J-04).
type LetterTemplate struct {
	ID      string
	Label   string
	Subject string
	Text    string
}

// ContactTemplates are the letters that somebody may begin with in an org; team is the one they want access to, empty: the whole org.
func ContactTemplates(org Org, team string) []LetterTemplate {
	where := "the organization " + org.Name
	if team != "" {
		where = "team " + team + " of " + org.Name
	}
	return []LetterTemplate{
		{"product_request", "Product request", "Product request for " + org.Name,
			"Hello,\n\nplease make [product] available to " + org.Name + ".\n\nI need it for:\n"},
		{"team_access", "Team access request", "Access to " + where,
			"Hello,\n\nplease give me access to " + where + ".\n\nI need it for:\n"},
	}
}
