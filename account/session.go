package account

import "time"

// A Session is a signed-in browser. Token is the cookie's value and exists only at creation and
// rotation; the ledger keeps its SHA-256.
type Session struct {
	ID              SessionID
	Token           Secret
	User            UserID
	Account         AccountID    // the account the person works in; may be changed among their tenancies
	Connection      ConnectionID // that signed them in
	Subject         string
	CreatedAt       time.Time // the sign-in
	SeenAt          time.Time // last use, written at most once a minute
	ExpiresAt       time.Time // absolute: the least of our limit, the connection's, the provider's
	IdleUntil       time.Time
	ProviderSession string
}

// A Presence is who is signed in, with what they hold at this moment: the answer of GET /session and
// what pages are drawn from.
type Presence struct {
	Session    Session
	User       User
	Account    Account
	Org        Org
	Tenancy    Tenancy
	Roles      []Held // in the account and its org, with sources
	Teams      map[TeamID]Team
	Rules      map[RuleID]string // names of the rules that Roles came by
	Connection Connection        // without settings
	Tenancies  []Place           // all active ones of the person, for the chooser
	Groups     GroupSet          // last seen at this connection
}

// A Place is one account a person can work in.
type Place struct {
	Account Account
	Org     Org
	Role    Role // account role
}
