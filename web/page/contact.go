package page

import "github.com/drawbridge-id/drawbridge/account"

// Contact is the mail editor for letters to an org's owners (J-01).
type Contact struct {
	Who       Who
	Org       Org
	Templates []account.LetterTemplate
	Teams     []string // that access can be asked for
	Template  string   // id of the one that was chosen
	Team      string
	Subject   string // of the letter, to be edited
	Text      string
	Sent      int // to how many owners it went; 0: not sent
	Error     *FieldError
}

func (p Contact) frame() frame {
	return frame{Title: "Contact admin · " + p.Org.Called(), Who: &p.Who}
}

// Path is where the letter goes.
func (p Contact) Path() string { return "/o/" + p.Org.Name + "/contact" }

// Notifications lets somebody choose what they have mail about (P-05).
type Notifications struct {
	Who      Who
	Sections []NotificationSection
	Saved    bool
	Error    *FieldError
}

// A NotificationSection is one service (P-06).
type NotificationSection struct {
	Service string
	Label   string
	Orgs    []string
	Kinds   []NotificationKind
}

// A NotificationKind is a box to tick.
type NotificationKind struct {
	Value  string // service/kind
	Label  string
	Wanted bool
}

func (p Notifications) frame() frame { return frame{Title: "Notifications", Who: &p.Who} }

// Unsubscribe is behind the link in a letter that somebody subscribed to.
type Unsubscribe struct {
	Path    string
	Service string
	Kind    string
	Done    bool
}

func (p Unsubscribe) frame() frame { return frame{Title: "Unsubscribe"} }
