package directory

// A Query is a search over resources of a connection.
type Query struct {
	Parts      []Part // one for each kind of resource
	Sorted     bool   // by what each part says, else by id
	Descending bool
	Start      int    // first result, from 0
	Count      int    // at most so many; 0 gives totals alone
	After      *Place // instead of Start: what stands behind it
}

// A Part is what a query asks of one kind of resource.
type Part struct {
	Kind   Kind
	Where  *Condition // nil: all
	SortBy *Ref       // nil: they have no order, and stand where those without a value do
	Beside bool       // read the members of groups and the groups of users
}

// A Place is where a resource stands in the order of a query.
type Place struct {
	ID  string
	Key any // what it is sorted by: bytes, an integer, or nil
}

// A Page is what a query found.
type Page struct {
	Resources []Resource
	Places    []Place // of each
	Total     int     // how many it would find in all
}
