package account

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// An Account is the tenancy boundary. It is linked one to one to an Org that shows the same Number,
// has one owner, and holds connections, domains and the tenancies of people and IdP groups.
type Account struct {
	ID        AccountID
	Number    string // decimal digits, shown to people, equal on the linked org
	Name      string // unique on this installation; no white space
	CreatedAt time.Time
}

// CheckAccountName says why a name is refused and proposes one that is not.
func CheckAccountName(name string) error {
	switch {
	case name == "":
		return Errorf(Invalid, "An account needs a name.").At("/name").Fix("Give a short name, for instance \"acme\".")
	case strings.ContainsFunc(name, unicode.IsSpace):
		return Errorf(Invalid, "An account name has no spaces, %q has.", name).At("/name").
			Fix("Use %q.", strings.Join(strings.Fields(name), "-"))
	case len(name) > 64 || !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return Errorf(Invalid, "An account name has at most 64 printable characters.").At("/name")
	}
	return nil
}

// A Tenancy is a user's place in an account. Its effective role is the strongest one that has a
// source; a tenancy without any source has ended.
type Tenancy struct {
	Account AccountID
	User    UserID
	Role    Role // Owner, Admin or Member
	Sources []Source
	Status  TenancyStatus
	Since   time.Time
}

// TenancyStatus is whether a person's place in an account counts.
type TenancyStatus string

// The states of a tenancy.
const (
	TenancyActive    TenancyStatus = "active"
	TenancySuspended TenancyStatus = "suspended" // kept, but signs nobody in
	TenancyInvited   TenancyStatus = "invited"   // of a list alone: they have not accepted yet, and have no place
)

// An IdPGroup is a group of an identity provider that was added to the account as a tenant, so that
// rules can name it (L-06, L-07). Value is compared byte for byte with what the provider sends.
type IdPGroup struct {
	Account     AccountID
	Connection  ConnectionID
	Value       string // as the provider spells it: a name, an object id, a path
	Alias       string // what people call it, where Value is an id (T-10); never compared
	AccountRole Role   // Admin or Member
	FirstSeen   time.Time
	LastSeen    time.Time // zero: never asserted so far
}
