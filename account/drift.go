package account

// A Drift is something that an identity provider and this house do not agree about: what was pushed last, what sign-ins said, and what is
// held here.
type Drift struct {
	Kind       DriftKind
	User       UserID // empty: the pushed user stands for nobody
	Email      string
	Connection ConnectionID // empty: the roles follow from several
	Resource   string       // of the pushed user, scu_…; empty: there is none
	Detail     string       // in a sentence
	Gain, Lose []RoleAt     // roles_differ: what the active rules would give and take
	Pushed     []string     // groups_differ: those pushed that no sign-in named, and that rules read
	Claimed    []string     // groups_differ: those of the last sign-in that are not pushed
	Repair     DriftRepair
}

// DriftKind is what is not agreed about.
type DriftKind string

// The kinds.
const (
	DriftInactive   DriftKind = "inactive_there" // the provider says inactive, and the place is active
	DriftKeptOut    DriftKind = "active_there"   // the provider says active, and what it once closed is closed
	DriftNoPlace    DriftKind = "no_place"       // it pushes them as active, and they were removed here
	DriftNobody     DriftKind = "nobody"         // a pushed user who is nobody here
	DriftUnknown    DriftKind = "unknown_there"  // somebody who comes in through a connection that pushes people, and not them
	DriftGroups     DriftKind = "groups_differ"  // pushed groups and those of the last sign-in
	DriftRoles      DriftKind = "roles_differ"   // the active rules would give or take roles now
	DriftSourceless DriftKind = "without_source" // a role is held for a push that is not there
)

// DriftRepair is what repairing does about it.
type DriftRepair string

// The repairs; the empty one is none: somebody has to decide.
const (
	RepairShutOut  DriftRepair = "shut_out"
	RepairLetIn    DriftRepair = "let_in"
	RepairEvaluate DriftRepair = "evaluate" // the active rules, anew
	RepairMeet     DriftRepair = "meet"     // look again who it is
	RepairDrop     DriftRepair = "drop"     // the role
)
