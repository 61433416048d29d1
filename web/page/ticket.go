package page

// Ticket is behind the link by which a colleague takes the onboarding of a connection over (K-16).
type Ticket struct {
	Who        Who
	Path       string
	ID         string
	Connection string
	Done       bool
}

func (p Ticket) frame() frame { return frame{Title: "Connect " + p.Connection, Who: &p.Who} }
