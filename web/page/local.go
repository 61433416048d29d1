package page

import (
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// FieldErrors are what is wrong in a form with several fields; each is shown at its field and in the summary on top.
type FieldErrors []FieldError

// At are those of one field.
func (all FieldErrors) At(field string) FieldErrors {
	var some FieldErrors
	for _, e := range all {
		if e.Field == field {
			some = append(some, e)
		}
	}
	return some
}

// Password asks for the password of an address that no provider has to sign in.
type Password struct {
	Email    string
	Next     string
	Provider string // the company's provider, which signs them in as well; empty: none does
	URL      string // our own path that starts that sign-in
	Errors   FieldErrors
	Notice   string
}

func (Password) frame() frame { return frame{Title: "Sign in"} }

// A Term is a document to agree to.
type Term struct {
	ID, Label, Version, URL string
	Checked                 bool // kept
	Before                  string
}

// SignUp asks for address, password and agreement (H-01).
type SignUp struct {
	Email  string
	Next   string
	Rule   []string // what a password needs, in words
	Terms  []Term
	Errors FieldErrors
}

func (SignUp) frame() frame { return frame{Title: "Create an identity"} }

// Verify waits for the code from the letter, or for the link in another tab (H-03, H-04). It looks again by itself.
type Verify struct {
	Email       string
	Next        string
	TriesLeft   int
	LettersLeft int
	ExpiresAt   time.Time
	Sent        bool // again, just now
	Error       *FieldError
}

func (Verify) frame() frame { return frame{Title: "Verify your e-mail"} }

// VerifyLink is behind the link in the letter. Only its button verifies: looking uses nothing up.
type VerifyLink struct {
	Email  string
	Path   string // where the form goes
	Mine   bool   // opened in the browser that signs up; otherwise the password chosen there is asked for
	Errors FieldErrors
}

func (VerifyLink) frame() frame { return frame{Title: "Verify your e-mail"} }

// Verified says that it is done; the first tab goes on by itself.
type Verified struct{ Email string }

func (Verified) frame() frame { return frame{Title: "E-mail verified"} }

// Welcome asks what somebody wants to hear of (H-05). Nothing has to be chosen.
type Welcome struct {
	Who  Who
	Next string
}

func (p Welcome) frame() frame { return frame{Title: "Almost done", Who: &p.Who} }

// Forgot asks for the address that a link to a new password goes to.
type Forgot struct {
	Email string
	Next  string
	Error *FieldError
	Sent  bool // the answer, which is the same for every address
}

func (p Forgot) frame() frame { return frame{Title: "Choose a new password"} }

// NewPassword is behind the link to a new password.
type NewPassword struct {
	Email  string
	Path   string
	Rule   []string
	Errors FieldErrors
}

func (NewPassword) frame() frame { return frame{Title: "Choose a new password"} }

// ConfirmPassword asks for the password again, before something that matters.
type ConfirmPassword struct {
	Who    Who
	Next   string
	Errors FieldErrors
}

func (p ConfirmPassword) frame() frame { return frame{Title: "Confirm it is you", Who: &p.Who} }

// AgreeTerms asks a signed-in person to agree to documents that are new to them (H-10).
type AgreeTerms struct {
	Who    Who
	Next   string
	Terms  []Term
	Errors FieldErrors
}

func (p AgreeTerms) frame() frame { return frame{Title: "Terms and privacy", Who: &p.Who} }

// TermOf is a document for a page.
func TermOf(d account.Document) Term {
	return Term{ID: d.ID, Label: d.Label, Version: d.Version, URL: d.URL}
}
