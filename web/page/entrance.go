package page

import (
	"cmp"
	"net/url"

	"github.com/drawbridge-id/drawbridge/account"
)

// A FieldError is shown at the field and in the summary on top of the form.
type FieldError struct {
	Field   string // id of the input, for the link in the summary
	Message string // what was expected
	Fix     string // what to type instead; may be empty
}

// SignIn asks for the e-mail address. It is the answer of GET /signin, and of POST /signin when the
// address leads nowhere.
type SignIn struct {
	Email  string // what was typed, kept
	Next   string // where to go afterwards; the door has checked it
	Token  string // form token; empty: none
	Error  *FieldError
	Notice string // a sentence above the form, for instance after a session ended; may be empty
}

func (SignIn) frame() frame { return frame{Title: "Sign in"} }

// Continue says which identity provider signs the person in. It leads on by a link and not by a form,
// because browsers hold form-action against the redirects that follow a form.
type Continue struct {
	Email      string
	Provider   string // what the person knows it as: the connection's or the account's name
	URL        string // our own path that starts the sign-in
	ChangePath string // back to the address; empty: /signin

	PasswordPath string // where a password is taken as well (K-19); empty: nowhere
}

func (c Continue) frame() frame { return frame{Title: "Continue to " + c.Provider} }

// Back is where another address can be given.
func (c Continue) Back() string {
	return cmp.Or(c.ChangePath, "/signin")
}

// AutoPost carries a SAML message to the identity provider by a form that submits itself, or by its
// button where there is no script.
type AutoPost struct {
	Title  string  // "Continue to Contoso"
	Action string  // absolute URL of the provider; Render widens the form policy for it
	Fields []Field // hidden inputs, in order
}

// A Field is one hidden input.
type Field struct{ Name, Value string }

func (p AutoPost) frame() frame { return frame{Title: p.Title} }

// Refused tells a person that the sign-in was refused: what happened, the diagnosis id, whom to send
// it to. It never shows claims or the reason in detail; those are for the administrator (SAML-O1).
type Refused struct {
	Title     string // default "Sign-in refused"
	What      string // one sentence
	Quote     string // the provider's own error text, shown as a quotation; may be empty
	Diagnosis account.DiagnosisID
	Request   string // quoted when there is no diagnosis; empty too: no id is shown
	MailTo    string // the administrator's address; empty: the person fills it in
	Again     string // where to try again; empty: /signin
}

func (p Refused) frame() frame { return frame{Title: p.Heading(), OwnID: true} }

// Heading is Title or its default.
func (p Refused) Heading() string {
	return cmp.Or(p.Title, "Sign-in refused")
}

// Mail is the link that opens a letter to the administrator with the diagnosis id filled in.
func (p Refused) Mail() string {
	return mailto(p.MailTo, "Sign-in refused: "+p.ID(), "My sign-in was refused. The "+p.IDName()+" is "+p.ID()+".\n\n"+p.What)
}

// ID is what the administrator finds the attempt by.
func (p Refused) ID() string { return cmp.Or(string(p.Diagnosis), p.Request) }

// IDName says which kind of id ID is.
func (p Refused) IDName() string {
	if p.Diagnosis != "" {
		return "diagnosis id"
	}
	return "request id"
}

// Retry is where the person can try again.
func (p Refused) Retry() string {
	return cmp.Or(p.Again, "/signin")
}

func mailto(to, subject, body string) string {
	return "mailto:" + url.PathEscape(to) + "?subject=" + url.PathEscape(subject) + "&body=" + url.PathEscape(body)
}

// AlreadyUsed meets a person who came back, or reloaded, to an answer that counts once.
type AlreadyUsed struct {
	Next     string // where they wanted to go; empty: /
	SignedIn bool   // their browser holds a session
}

func (AlreadyUsed) frame() frame { return frame{Title: "This sign-in was already used"} }

// Onward is where the page leads.
func (p AlreadyUsed) Onward() string {
	return cmp.Or(p.Next, "/")
}

// SignedOut confirms the end of the session.
type SignedOut struct {
	Provider     string // identity provider that may still hold a session; empty: none known
	ProviderDone bool   // it has ended its session too
}

func (SignedOut) frame() frame { return frame{Title: "Signed out"} }

// Problem is an error of any kind: not found, forbidden, too many requests, our own fault.
type Problem struct {
	Status  int
	Title   string // for instance "Page not found"
	Detail  string // one sentence: what happened
	Help    string // one sentence: what to do; may be empty
	Request string // the request id, to be quoted
}

func (p Problem) frame() frame { return frame{Title: p.Title, OwnID: true} }
