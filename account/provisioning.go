package account

import "time"

// A SCIMToken lets an identity provider push people and groups through one connection. The token itself is shown once; the
// ledger keeps its digest.
type SCIMToken struct {
	ID         SCIMTokenID
	Connection ConnectionID
	Last4      string // its last four characters, for people who compare
	CreatedAt  time.Time
	CreatedBy  string // as Actor.String says
	ExpiresAt  time.Time
	UsedAt     time.Time    // zero: never; renewed at most once a minute
	Client     SCIMClientID // the OAuth client that fetched it; empty: it was minted by hand
}

// A SCIMClient is an OAuth client (RFC 6749 §4.4) with which an identity provider fetches tokens of an hour, instead of holding one of
// years. Its secret is shown once; the ledger keeps the digest.
type SCIMClient struct {
	ID         SCIMClientID // the client_id
	Connection ConnectionID
	Last4      string // of the secret
	CreatedAt  time.Time
	CreatedBy  string // as Actor.String says
	ExpiresAt  time.Time
	UsedAt     time.Time // when it last fetched a token; zero: never
}

// An Unmet is a pushed resource in which provisioning and sign-in do not meet.
type Unmet struct {
	Kind   string // User, or Group: it names members that are nobody yet
	ID     string
	Name   string // userName or displayName
	Person UserID // who it is here; empty: nobody
	Why    string // and what to do
}

// A SCIMDialect is whose habits a request has.
type SCIMDialect string

// The dialects.
const (
	DialectOkta      SCIMDialect = "okta"
	DialectEntra     SCIMDialect = "entra"
	DialectOneLogin  SCIMDialect = "onelogin"
	DialectJumpCloud SCIMDialect = "jumpcloud"
	DialectPing      SCIMDialect = "ping"
	DialectGoogle    SCIMDialect = "google"
	DialectUnknown   SCIMDialect = "unknown"
)

// SCIMOptions are how a connection's pushed people and groups meet those that sign in.
type SCIMOptions struct {
	// Subject is which attribute of a pushed user is the subject that a sign-in brings. A person whom it does not
	// find is found by their address, inside the proved domains of the account.
	Subject SCIMSubject
	Groups  PushedGroups
}

// SCIMSubject names an attribute of a pushed user.
type SCIMSubject string

// The attributes that can be a subject. For Entra ID the externalId is an object id, and the subject is made of the
// directory's id and it, as at sign-in.
const (
	SubjectExternalID SCIMSubject = "externalId"
	SubjectUserName   SCIMSubject = "userName"
)

// PushedGroups is what pushed groups count for.
type PushedGroups string

// What pushed groups count for. Replace gives groups that come with a sign-in no say once a group has been pushed.
const (
	GroupsMerge   PushedGroups = "merge"
	GroupsReplace PushedGroups = "replace"
	GroupsIgnore  PushedGroups = "ignore"
)

// DefaultSCIMOptions hold for a connection that says nothing.
var DefaultSCIMOptions = SCIMOptions{Subject: SubjectExternalID, Groups: GroupsMerge}

// Check says what is wrong with them.
func (o SCIMOptions) Check() error {
	if o.Subject != SubjectExternalID && o.Subject != SubjectUserName {
		return Errorf(Invalid, "%q is no attribute that can be a subject.", o.Subject).At("/scim/subject").Fix("Use externalId or userName.")
	}
	switch o.Groups {
	case GroupsMerge, GroupsReplace, GroupsIgnore:
		return nil
	}
	return Errorf(Invalid, "%q is nothing that pushed groups can count for.", o.Groups).At("/scim/groups").Fix("Use merge, replace or ignore.")
}

// A SCIMRequest is one request of an identity provider, as its administrator may read it afterwards.
type SCIMRequest struct {
	ID       SCIMRequestID
	At       time.Time
	Token    SCIMTokenID
	Method   string
	Path     string // with its query
	Status   int
	SCIMType string // scimType of an error
	Detail   string
	Changed  string // what it changed, in words
	Body     string // without passwords; clipped
	Agent    string // User-Agent
	Dialect  SCIMDialect
	Lacks    string // what was sent and is not kept, in words; empty: it can be replayed
	Took     time.Duration
}
