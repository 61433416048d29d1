package account

import "cmp"

// A PasswordRule says what a password has to be like. Zero fields are those of the shipped rule; require: [] asks for no class.
type PasswordRule struct {
	MinLength  int             `yaml:"min_length"` // characters
	Require    []PasswordClass `yaml:"require"`    // of each at least one character
	Passphrase int             `yaml:"passphrase"` // from so many characters on, length alone is enough; 0: never
}

// PasswordClass is a class of characters.
type PasswordClass string

// The classes.
const (
	UpperCase PasswordClass = "upper"
	LowerCase PasswordClass = "lower"
	Digit     PasswordClass = "digit"
	Special   PasswordClass = "special" // neither letter nor digit nor space
)

// PasswordClasses are all there are, in the order in which people are told of them.
var PasswordClasses = []PasswordClass{UpperCase, LowerCase, Digit, Special}

// Whole is the rule with what it leaves out.
func (r PasswordRule) Whole() PasswordRule {
	r.MinLength = cmp.Or(r.MinLength, 9)
	if r.Require == nil {
		r.Require = PasswordClasses
	}
	return r
}

// A Document is something that people agree to before they are let in: terms of use, a privacy policy.
type Document struct {
	ID      string `yaml:"id"`      // [a-z0-9_]+
	Label   string `yaml:"label"`   // as people know it
	Version string `yaml:"version"` // a new one is asked for at the next sign-in
	URL     string `yaml:"url"`     // where it can be read
}

// An Acceptance is somebody's agreement to one version of a document.
type Acceptance struct {
	Document string `json:"document"`
	Version  string `json:"version"`
}

// Of reports whether it is that of a document as it is now.
func (a Acceptance) Of(d Document) bool { return a.Document == d.ID && a.Version == d.Version }
