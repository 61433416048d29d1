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
	ByAccountOwner  Caller = "account_owner"   // of the account
	ByGroupMember   Caller = "group_member"    // of an external group of the org, without a place in the account
	ByGroupAdmin    Caller = "group_admin"     // admin of an external group; its operators as far as its members are concerned
	ByOperator      Caller = "operator"        // a token of the operator
)

// Who may, most often.
var (
	everybody = []Caller{ByMember, ByTeamUserAdmin, ByUserAdmin, ByAccountAdmin, ByOwner}
	managers  = []Caller{ByUserAdmin, ByOwner}
	owners    = []Caller{ByOwner}
	ofTeams   = []Caller{ByTeamUserAdmin, ByUserAdmin, ByOwner} // a team's user admin within that team
	persons   = []Caller{ByPerson}

	accountAdmins = []Caller{ByAccountAdmin, ByOwner, ByAccountOwner} // an owner of the org is an administrator of its account
	accountOwner  = []Caller{ByAccountOwner}
	groupAdmins   = []Caller{ByGroupAdmin}
	groupWide     = []Caller{ByUserAdmin, ByOwner, ByGroupAdmin}

	operators = []Caller{ByOperator}
	visible   = append([]Caller{ByOperator}, everybody...)
	inOrg     = []Caller{ByMember, ByTeamUserAdmin, ByUserAdmin, ByOwner} // with a role there: to whom the org exists
)

// mayCall is the whole policy at the door, a line per operation: TestEveryOperationServesWhomItSays walks all of it as everybody. Finer
// decisions (one's own things, one's own team, which role) are the ledger's, and said in each operation's description.
var mayCall = map[string][]Caller{
	"get-org": append([]Caller{ByOperator}, inOrg...), "list-teams": inOrg, "create-team": managers,
	"list-people": managers, "get-person": everybody, "grant-role": ofTeams, "withdraw-role": ofTeams,
	"remove-person": managers, "disable-person": managers, "enable-person": managers, "list-receipts": managers,
	"mint-key": everybody, "list-keys": everybody, "revoke-key": everybody,
	"list-drift": managers, "repair-drift": managers,

	"list-connections": managers, "get-connection": managers, "promote-connection": owners, "restore-connection": owners,
	"start-login-test": managers, "get-login-test": managers, "record-sync-decision": owners,
	"list-domains": managers, "claim-domain": owners, "list-groups": managers, "add-group": managers,
	"list-rules": managers, "create-rule": managers, "save-rule": managers, "delete-rule": managers, "plan-rules": managers, "activate-rules": managers,

	"mint-scim-token": owners, "list-scim-tokens": owners, "revoke-scim-token": owners, "get-scim-options": managers, "set-scim-options": owners,
	"list-scim-requests": managers, "list-unmet": managers, "replay-scim-request": managers,
	"get-breaker": managers, "set-breaker": owners, "resume-removals": owners,

	"list-streams": managers, "add-stream": owners, "get-stream": managers, "save-stream": owners, "remove-stream": owners, "resume-stream-removals": owners,
	"mint-push-credential": owners, "list-push-credentials": owners, "revoke-push-credential": owners, "list-stream-events": managers, "replay-event": owners,
	"list-feeds": owners, "add-feed": owners, "change-feed": owners, "remove-feed": owners, "rotate-feed-secret": owners,
	"list-deliveries": owners, "replay-deliveries": owners,

	"list-audit": managers, "export-audit": managers,
	"get-account": everybody, "save-account": accountAdmins, "get-billing": accountOwner, "save-billing": accountOwner, "get-checklist": accountAdmins,
	"transfer-account": accountOwner, "list-account-people": accountAdmins, "set-account-role": accountAdmins,
	"get-access": everybody, "convert-org": operators, "get-member-domains": everybody, "set-member-domains": owners, "set-org-title": owners,
	"list-service-roles": visible, "effect-of-roles": visible,
	"get-team": inOrg, "describe-team": managers, "remove-team": owners, "list-team-people": ofTeams,

	"list-invitations": managers, "invite-person": managers, "get-invitation": managers, "resend-invitation": managers, "revoke-invitation": managers,
	"add-invited-roles": ofTeams, "drop-invited-roles": ofTeams, "assign-roles": ofTeams,

	"get-recovery": {ByAccountAdmin, ByOwner}, "set-recovery": owners, "remove-recovery": owners, "rehearse-recovery": owners, "waive-recovery": owners,
	"retract-recovery-waiver": owners, "set-owner-address": owners,

	"list-external-groups": managers, "create-external-group": managers, "list-external-roles": managers, "list-external-users": managers,
	"get-external-group": {ByUserAdmin, ByOwner, ByGroupMember, ByGroupAdmin}, "save-external-group": managers, "delete-external-group": managers, "adopt-external-group": owners,
	"list-external-invitations": groupWide, "list-external-members": groupWide, "get-external-templates": groupWide,
	"invite-external-users": groupAdmins, "resend-external-invitation": groupAdmins, "revoke-external-invitation": groupAdmins,
	"remove-external-member": {ByGroupMember, ByGroupAdmin}, "set-external-role": groupAdmins, "expel-external-member": managers,
	"add-external-permission": managers, "remove-external-permission": managers,

	"list-subscriptions": inOrg, "list-my-entitlements": persons, "get-my-entitlement": persons, "activate-entitlement": persons, "transfer-entitlement": persons,
	"check-certificate": persons, "register-certificate": persons, "check-codes": persons, "activate-codes": persons,
	"contact-owners": everybody, "list-letter-templates": visible, "get-notifications": persons, "set-notifications": persons,
	"list-tickets": managers, "get-ticket": managers, "reassign-ticket": managers, "list-native-users": owners, "tell-native-users": owners,

	"who-am-i": {ByPerson, ByOperator}, "list-my-accounts": persons, "open-account": persons, "switch-account": persons, "list-my-invitations": persons, "accept-invitation": persons,
	"list-factors": persons, "enrol-totp": persons, "confirm-factor": persons, "remove-factor": persons, "make-recovery-codes": persons,
	"list-my-external-groups": persons, "list-my-external-orgs": persons, "list-my-external-keys": persons, "mint-external-key": persons, "revoke-external-key": persons,

	"list-accounts": operators, "create-account": operators, "set-service": operators,
}

// outside are operations that reach beyond the database, or work in transactions of their own: they cannot be rehearsed, and If-Match is
// checked right before them instead of together with them.
var outside = map[string]bool{
	"switch-account": true, // it renews the session
	// what is tried in vain is counted, and must not be taken back with the refusal
	"confirm-factor": true, "check-codes": true, "activate-codes": true, "check-certificate": true, "register-certificate": true,
	"start-login-test": true, "replay-scim-request": true, "activate-rules": true, "replay-event": true,
}

func reachesOut(o *huma.Operation) bool { return outside[o.OperationID] }
