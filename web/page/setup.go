package page

// Setup makes whoever opens the first owner's link the owner of the first account.
type Setup struct {
	Path  string // where the form goes: our own path, with the link's token
	Name  string // of the account, kept
	Email string // kept
	Error *FieldError
}

func (Setup) frame() frame { return frame{Title: "Set up"} }
