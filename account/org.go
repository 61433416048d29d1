package account

import (
	"regexp"
	"strings"
	"time"
	"unicode/utf8"
)

// An Org holds teams, roles, rules, keys and subscriptions of one account.
type Org struct {
	ID        OrgID
	Account   AccountID
	Number    string // the account's number
	Name      string // exact name, unique on this installation, a path segment: lower-case, [a-z0-9-]
	Title     string // what people call it; may be empty
	Type      OrgType
	Services  []string // ids of enabled catalogue services
	CreatedAt time.Time
}

// OrgType is individual (one user, its owner) or enterprise (users, teams, rules).
type OrgType string

// The types of an org (B-01).
const (
	Individual OrgType = "individual"
	Enterprise OrgType = "enterprise"
)

// WayToConvert says to people how an individual org becomes an enterprise org (B-05, B-07).
const WayToConvert = "Activate a subscription for the org: it becomes an enterprise org and keeps all that it has."

// A Team is a lower-case namespace in an enterprise org.
type Team struct {
	ID          TeamID
	Org         OrgID
	Name        string
	Description string
	CreatedAt   time.Time
}

var slug = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$`)

// CheckOrgName says whether name can be an org's exact name, and proposes one when it cannot.
func CheckOrgName(name string) error { return checkSlug("An org", name) }

// CheckTeamName says whether name can be a team's name (C-02), and proposes one when it cannot.
func CheckTeamName(name string) error { return checkSlug("A team", name) }

func checkSlug(what, name string) error {
	if slug.MatchString(name) {
		return nil
	}
	err := Errorf(Invalid, "%s name is lower-case letters, digits and hyphens, 1 to 64 of them; %q is not.", what, name).At("/name")
	if s := Slug(name); s != "" {
		err = err.Fix("Use %q.", s)
	}
	return err
}

// CheckLabel says whether name can be what a person calls a thing of theirs: 1 to 100 printable characters, with no blanks at its ends. what
// begins the sentence, like is an example.
func CheckLabel(what, name, like string) error {
	if name == "" || len(name) > 100 || !utf8.ValidString(name) || strings.TrimSpace(name) != name || strings.ContainsFunc(name, isControl) {
		return Errorf(Invalid, "%s name has 1 to 100 printable characters, with no blanks at its ends.", what).At("/name").Fix("For instance %q.", like)
	}
	return nil
}

// Slug turns a name into one that can stand in a path; empty when nothing of it can.
func Slug(name string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() == 64 {
			break
		}
	}
	return strings.Trim(b.String(), "-")
}

func isSpace(r rune) bool   { return r == ' ' || (r >= 9 && r <= 13) || r == 0x85 || r == 0xA0 }
func isControl(r rune) bool { return r < 0x20 || r == 0x7F || (r >= 0x80 && r < 0xA0) }
