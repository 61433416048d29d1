package account

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// An Entitlement is somebody's right to activate a product in one account, once: an invitation that the operator sent to a person, or a
// certificate of a purchase, which is good for whoever knows its number.
type Entitlement struct {
	ID        EntitlementID
	Source    EntitlementSource // FromPlatform or FromCertificate
	Product   string            // id in the catalogue
	Label     string            // what it was called then
	Term      time.Duration     // how long the subscription runs; 0: no end
	Email     string            // whom it was sent to
	Holder    string            // whom a certificate names: a company or a person
	Tail      string            // the end of a certificate's number, for people who compare
	Note      string            // of whoever approved it, shown to the person; may be empty
	Previous  EntitlementID     // the one that was transferred to make this one; empty: none
	Account   AccountID         // where it was activated, or is to be after a transfer; empty: wherever its holder likes
	CreatedAt time.Time
	By        string // who gave it, as Actor.String says
	EndedAt   time.Time
	EndedBy   string
	Link      Link
}

// LinkTransferred is the state of the link of an activation that was handed on to the owner of another account.
const LinkTransferred LinkState = "transferred"

// A Product is what an operator sells or gives: services for a time (catalogue data).
type Product struct {
	ID           string        `yaml:"id"` // [a-z0-9_]+
	Label        string        `yaml:"label"`
	Details      string        `yaml:"details"`      // for people who are about to activate it
	Services     []string      `yaml:"services"`     // ids of the services that it carries, at least one
	Term         time.Duration `yaml:"term"`         // of a subscription; 0: no end
	LaunchURL    string        `yaml:"launch_url"`   // where its services open that have no address of their own; may be empty
	Premium      bool          `yaml:"premium"`      // for enterprise orgs: an activation converts an individual one (B-06, B-07)
	Instructions string        `yaml:"instructions"` // printed on its certificates
}

// PlainTerm says how long a subscription runs, for people.
func PlainTerm(d time.Duration) string {
	const year = 365 * 24 * time.Hour
	switch {
	case d == 0:
		return "without an end"
	case d == year:
		return "1 year"
	case d%year == 0:
		return fmt.Sprintf("%d years", d/year)
	}
	return PlainLength(d)
}

// A Registration is what somebody says about themselves who registers a certificate (G-19).
type Registration struct {
	FirstName string `json:"first_name"`
	LastName  string `json:"last_name"`
	Email     string `json:"email"`
	Country   string `json:"country"`
	Address   string `json:"address"`
	Phone     string `json:"phone"`
	JobRole   string `json:"job_role"`
	Company   string `json:"company,omitempty"`
}

// A Business is what somebody says about their company who activates codes (G-23).
type Business struct {
	Company string `json:"company"`
	Address string `json:"address"` // of the headquarters
	Country string `json:"country"`
}

// Check names each field that is missing, or cannot be kept, by its pointer.
func (r Registration) Check() error {
	wrong := []error{
		said("/first_name", "Your first name", r.FirstName, true, false), said("/last_name", "Your last name", r.LastName, true, false),
		said("/email", "Your e-mail address", r.Email, true, false), said("/country", "Your country", r.Country, true, false),
		said("/address", "Your address", r.Address, true, true), said("/phone", "Your phone number", r.Phone, true, false),
		said("/job_role", "Your job role", r.JobRole, true, false), said("/company", "Your company", r.Company, false, false),
	}
	if wrong[2] == nil {
		if _, err := NormalEmail(r.Email); err != nil {
			wrong[2] = Errorf(Invalid, "Expected an e-mail address, received %q.", clip(r.Email, 80)).At("/email").Fix("Type it as in ana@acme.example.")
		}
	}
	return errors.Join(wrong...)
}

// Check names each field that is missing, or cannot be kept, by its pointer.
func (b Business) Check() error {
	return errors.Join(said("/company", "The name of your company", b.Company, true, false),
		said("/address", "The address of its headquarters", b.Address, true, true), said("/country", "The country of its headquarters", b.Country, true, false))
}

// said says what is wrong with one field that people fill in.
func said(at, what, s string, required, lines bool) error {
	switch {
	case required && strings.TrimSpace(s) == "":
		return Errorf(Invalid, "%s is missing.", what).Coded("missing").At(at).Fix("Fill it in.")
	case len(s) > 500 || !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return isControl(r) && !(lines && (r == '\n' || r == '\r')) }):
		return Errorf(Invalid, "%s has at most 500 bytes, and no control characters.", what).Coded("malformed").At(at)
	}
	return nil
}
