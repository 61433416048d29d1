package page

import (
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// Activate is what is behind the link of an activation: the product, and where it can become active. Looking at it uses nothing up.
type Activate struct {
	Who     *Who   // who is signed in; nil: nobody
	Path    string // our own path, with the link's token
	Offer   OfferView
	State   account.LinkState // pending, or why it is over; LinkTransferred among them
	EndedAt time.Time
	Wrong   bool   // somebody else is signed in
	SignIn  string // where nobody goes
	SignUp  string // where nobody goes who has no identity
	Places  OfferPlaces
	Error   *FieldError // of the name, or of the choice
}

func (p Activate) frame() frame { return frame{Title: "Activate " + p.Offer.Label, Who: p.Who} }

// An OfferView says what can be activated.
type OfferView struct {
	Label   string
	Details string // may be empty
	Term    string // "1 year"
	Note    string // of whoever approved it
	Email   string // whom it was sent to
	Holder  string // of a certificate: whom it names
	Until   time.Time
}

// OfferPlaces are the accounts that something can go to, and the form for a new one.
type OfferPlaces struct {
	Verb   string // what the buttons do: "Activate Product"
	Owned  []OfferPlace
	Others []OfferPlace
	All    bool   // others are shown
	More   string // where they are shown; empty: nowhere
	New    string // name for a new account, kept
}

// An OfferPlace is one account that something could go to.
type OfferPlace struct {
	Account       account.AccountID
	Name          string
	Org           Org
	Owner         bool     // theirs: gets the owner tag
	OwnerEmail    string   // of others
	Subscriptions []string // active ones
	Why           string   // why it cannot be activated there; empty: it can
	Transfer      string   // where it is transferred to the owner; empty: it cannot be
	Ask           string   // where the owner is asked instead; empty: nowhere
}

// Transfer asks whether an activation is to be handed on for good, with the letter that goes with it.
type Transfer struct {
	Who     Who
	Path    string // where the form goes
	Back    string
	Offer   OfferView
	Account account.AccountID
	Name    string // of the account
	Owner   string // address
	Message string
	Error   *FieldError
}

func (p Transfer) frame() frame { return frame{Title: "Transfer product activation", Who: &p.Who} }

// Transferred confirms it.
type Transferred struct {
	Who   Who
	Offer OfferView
	Name  string
	Owner string
}

func (p Transferred) frame() frame { return frame{Title: "Transferred", Who: &p.Who} }

// Activated confirms an activation to somebody whose session cannot go to the account.
type Activated struct {
	Who   Who
	Label string
	Org   Org
}

func (p Activated) frame() frame { return frame{Title: p.Label + " is active", Who: &p.Who} }

// Register shows the two doors to the registration of a certificate (G-14).
type Register struct {
	SignIn, SignUp string // where each leads
}

func (Register) frame() frame { return frame{Title: "Register an entitlement"} }

// RegisterCertificate asks for the number of a certificate, and who registers it (G-19).
type RegisterCertificate struct {
	Who    Who
	Number string
	Fields []FormField
	Errors []FieldError
}

func (p RegisterCertificate) frame() frame {
	return frame{Title: "Register a certificate", Who: &p.Who}
}

// A FormField is one input of a form.
type FormField struct {
	Name, Label, Value string
	Type               string // of the input; "lines" is a text area
	Complete           string // autocomplete token (HTML section 4.10.18.7)
	Hint               string
	Optional           bool
	Error              *FieldError
}

// RegisterAccount is the choice of the account that a certificate goes to: options A, B and C.
type RegisterAccount struct {
	Who    Who
	Offer  OfferView
	Places OfferPlaces
	Kept   []Field // of the form before
	Error  *FieldError
}

func (p RegisterAccount) frame() frame { return frame{Title: "Choose an account", Who: &p.Who} }

// ActivateCode asks for activation codes and the company that has them (G-22, G-23).
type ActivateCode struct {
	Who    Who
	Fields []FormField
	Errors []FieldError
}

func (p ActivateCode) frame() frame { return frame{Title: "Activate subscription", Who: &p.Who} }

// ReviewCodes shows what is known of each code, before they are used (G-24).
type ReviewCodes struct {
	Who    Who
	Codes  []CodeRow
	Bad    int     // how many cannot be used
	Kept   []Field // of the form before
	Places OfferPlaces
	Error  *FieldError
}

func (p ReviewCodes) frame() frame { return frame{Title: "Review the codes", Who: &p.Who, Wide: true} }

// A CodeRow is one code with its verdict.
type CodeRow struct {
	Code    string
	Good    bool
	Verdict string
}

// Subscriptions lists what an org holds and held.
type Subscriptions struct {
	Who       Who
	Org       Org
	Active    []SubscriptionRow
	Past      []SubscriptionRow
	Services  []ServiceCard
	Activated bool // one has just been activated
	Owner     bool // may add people and set the recovery e-mail
}

func (p Subscriptions) frame() frame {
	return frame{Title: "Subscriptions · " + p.Org.Called(), Wide: true, Who: &p.Who}
}

// A SubscriptionRow is one subscription.
type SubscriptionRow struct {
	Label    string
	Services []string // for people
	From     time.Time
	Until    time.Time // zero: no end
	Quantity int
	Source   string // for people
	State    string // for people
}

// A ServiceCard is one service that an org has.
type ServiceCard struct {
	ID, Label string
	Premium   bool
	Launch    string // where it opens; empty: nowhere
	Brought   string // the subscription that brought it; empty: the operator
}

// Services shows a card for each active service of an org (G-20).
type Services struct {
	Who      Who
	Org      Org
	Services []ServiceCard
}

func (p Services) frame() frame {
	return frame{Title: "Services · " + p.Org.Called(), Wide: true, Who: &p.Who}
}
