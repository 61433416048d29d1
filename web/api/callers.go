package api

import "github.com/danielgtaylor/huma/v2"

// A Caller is a kind of visitor, as x-drawbridge-callers has it. Whoever acts in an org does so with what they hold in that org.
type Caller string

// The kinds of caller.
const (
	ByAnybody       Caller = "anybody"         // nobody has to be signed in
	ByPerson        Caller = "person"          // whoever is signed in, for what is their own
	ByMember        Caller = "member"          // has a place in the account
	ByTeamUserAdmin Caller = "team_user_admin" // user_admin of one team, for that team
	ByUserAdmin     Caller = "user_admin"      // user_admin of the org
	ByAccountAdmin  Caller = "account_admin"   // administrator of the account, without a role in the org
	ByOwner         Caller = "owner"           // of the org
	ByGroupMember   Caller = "group_member"    // of an external group of the org, without a place in the account
	ByOperator      Caller = "operator"        // a token of the operator
)

// Who may, most often.
var (
	everybody = []Caller{ByMember, ByTeamUserAdmin, ByUserAdmin, ByAccountAdmin, ByOwner}
	managers  = []Caller{ByUserAdmin, ByOwner}
	owners    = []Caller{ByOwner}
	ofTeams   = []Caller{ByTeamUserAdmin, ByUserAdmin, ByOwner} // a team's user admin within that team
	persons   = []Caller{ByPerson, ByMember, ByTeamUserAdmin, ByUserAdmin, ByAccountAdmin, ByOwner, ByGroupMember}
	operators = []Caller{ByOperator}
	visible   = append([]Caller{ByOperator}, everybody...)
)

// mayCall is the whole policy at the door, a line per operation: TestEveryOperationServesWhomItSays walks all of it as everybody. Finer
// decisions (one's own things, one's own team, which role) are the ledger's, and said in each operation's description.
var mayCall = map[string][]Caller{
	"get-org": visible, "list-teams": everybody, "create-team": managers,
	"list-people": managers, "get-person": everybody, "grant-role": ofTeams, "withdraw-role": ofTeams,
	"remove-person": managers, "disable-person": managers, "enable-person": managers, "list-receipts": managers,
	"mint-key": everybody, "list-keys": everybody, "revoke-key": everybody,
	"list-drift": managers, "repair-drift": managers,

	"list-connections": managers, "get-connection": managers, "promote-connection": owners, "restore-connection": owners,
	"start-login-test": managers, "get-login-test": managers, "record-sync-decision": managers,
	"list-domains": managers, "claim-domain": owners, "list-groups": managers, "add-group": managers,
	"list-rules": managers, "create-rule": managers, "save-rule": managers, "delete-rule": managers, "plan-rules": managers, "activate-rules": managers,

	"mint-scim-token": owners, "list-scim-tokens": managers, "revoke-scim-token": owners, "get-scim-options": managers, "set-scim-options": owners,
	"list-scim-requests": managers, "list-unmet": managers, "replay-scim-request": managers,
	"get-breaker": managers, "set-breaker": owners, "resume-removals": managers,

	"list-streams": managers, "add-stream": owners, "get-stream": managers, "save-stream": owners, "remove-stream": owners, "resume-stream-removals": managers,
	"mint-push-credential": owners, "list-push-credentials": managers, "revoke-push-credential": owners, "list-stream-events": managers, "replay-event": managers,
	"list-feeds": managers, "add-feed": owners, "change-feed": owners, "remove-feed": owners, "rotate-feed-secret": owners,
	"list-deliveries": managers, "replay-deliveries": owners,

	"list-audit": managers, "export-audit": managers,
	"list-accounts": operators, "create-account": operators, "set-service": operators,
}

// outside are operations that reach beyond the database, or work in transactions of their own: they cannot be rehearsed, and If-Match is
// checked right before them instead of together with them.
var outside = map[string]bool{
	"start-login-test": true, "replay-scim-request": true, "activate-rules": true, "replay-event": true,
}

func reachesOut(o *huma.Operation) bool { return outside[o.OperationID] }
