package page

// AccountNew lets somebody who is signed in open an account of their own.
type AccountNew struct {
	Who   Who
	Name  string // kept
	Next  string // where the person wanted to go
	Error *FieldError
}

func (p AccountNew) frame() frame { return frame{Title: "Name your account", Who: &p.Who} }
