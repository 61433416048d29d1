package account

import (
	"strings"
	"time"
	"unicode/utf8"
)

// An Invitation asks somebody into an account by mail. Until they accept it they are listed among its people as invited; Role and Roles
// are what they hold from then on.
type Invitation struct {
	Link
	ID        InvitationID
	Account   AccountID
	Email     string   // addressee, as NormalEmail makes them
	Role      Role     // in the account: Admin or Member
	Roles     []RoleAt // in the org and its teams; chosen after the invitation went out (D-09)
	Message   string   // plain text; may be empty
	By        string   // Actor.String
	Inviter   UserID   // empty: the operator
	CreatedAt time.Time
	SentAt    time.Time // the last sending
	EndedAt   time.Time // accepted or revoked; zero: neither
	User      UserID    // who accepted it
	AskedAt   time.Time // when the addressee asked for a new link after SentAt; zero: they did not
}

// InviteExpiry is how long an invitation is good for where a catalogue does not say (E-03).
const InviteExpiry = 6 * time.Hour

const maxMessage = 2000

// CheckMessage says whether a text can go into a letter to somebody who asked for none: at most 2,000 bytes of text, line ends and tabs.
func CheckMessage(s string) error {
	bad := func(r rune) bool { return isControl(r) && r != '\n' && r != '\r' && r != '\t' }
	if len(s) > maxMessage || !utf8.ValidString(s) || strings.ContainsFunc(s, bad) {
		return Errorf(Invalid, "A message is plain text of at most %d bytes.", maxMessage).At("/message").Fix("Shorten it, and leave out control characters.")
	}
	return nil
}

// A Warning belongs to an answer that something was done: it should make people think.
type Warning struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Fix     string `json:"fix,omitempty"`
}
