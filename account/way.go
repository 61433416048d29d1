package account

// A Way is how somebody came to have access: the audit line that makes it says so under "way" (B-02).
type Way string

// The ways in.
const (
	WayPortal      Way = "portal"          // they signed up and named an account
	WayEntitlement Way = "entitlement"     // a purchase, trial or other offer, by message
	WayInvitation  Way = "invitation"      // somebody of the account invited them
	WayRule        Way = "membership rule" // a membership rule, by the groups of their identity provider
	WayOperator    Way = "operator"        // whoever runs this installation
)
