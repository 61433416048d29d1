package account

import "time"

// A Session is a signed-in browser. Token is the cookie's value and exists only at creation and
// rotation; the ledger keeps its SHA-256.
type Session struct {
	ID              SessionID
	Token           Secret
	User            UserID
	Account         AccountID    // the account the person works in; may be changed among their tenancies; empty: none
	Connection      ConnectionID // that signed them in; empty: none did, see Method
	Method          Method       // without a connection: how they signed in
	Subject         string
	CreatedAt       time.Time // the sign-in
	ConfirmedAt     time.Time // when they last proved again who they are; zero: not since
	SeenAt          time.Time // last use, written at most once a minute
	ExpiresAt       time.Time // absolute: the least of our limit, the connection's, the provider's
	IdleUntil       time.Time
	ProviderSession string
}

// ProvedAt is when whoever holds the session last proved who they are.
func (s Session) ProvedAt() time.Time {
	if s.ConfirmedAt.After(s.CreatedAt) {
		return s.ConfirmedAt
	}
	return s.CreatedAt
}

// Local reports whether the person signed in by themselves, with what they have here, and not through a connection.
func (s Session) Local() bool {
	return s.Connection == "" && (s.Method == ByPassword || s.Method == ByPasskey)
}

// A Method is a way to sign in without a connection.
type Method string

// The methods. A session without a connection and a method came in by the first owner's link.
const (
	ByPassword Method = "password"
	ByPasskey  Method = "passkey"
	ByRecovery Method = "recovery" // the way in when the identity provider fails
)

// A Presence is who is signed in, with what they hold at this moment: the answer of GET /session and
// what pages are drawn from. Somebody with a local identity may work in no account: Account, Org and all that hangs on them are zero then.
type Presence struct {
	Session    Session
	User       User
	Account    Account
	Org        Org
	Tenancy    Tenancy
	Roles      []Held   // in the account and its org, with sources
	Denied     []Denied // held, and of no use: the org does not have the service
	Teams      map[TeamID]Team
	Rules      map[RuleID]string // names of the rules that Roles came by
	Connection Connection        // without settings
	Tenancies  []Place           // all active ones of the person, for the chooser
	Groups     GroupSet          // last seen at this connection
	TermsDue   bool              // they have not agreed to what the catalogue asks for now (H-10)

	// External is a session that works in Account without a place in it: Tenancy is empty, and Roles are what ExternalGroups give (F-01, F-07).
	External       bool
	ExternalGroups []ExternalGroup // of Account, that the person is in; of tenants too
	ExternalIn     []Place         // accounts that the person may work in as external, for the chooser's own section (F-27); without a role
}

// A Place is one account a person can work in.
type Place struct {
	Account Account
	Org     Org
	Role    Role // account role
	Status  TenancyStatus
}
