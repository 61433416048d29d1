package account

import (
	"errors"
	"fmt"
)

// ErrorKind is what code branches on; each door turns it into its own tongue once.
type ErrorKind string

// The kinds of error.
const (
	Invalid      ErrorKind = "invalid"      // malformed or against a rule: 400 or 422
	Unauthorized ErrorKind = "unauthorized" // nobody is signed in, or the credential is no good: 401
	Forbidden    ErrorKind = "forbidden"    // the actor may see it but not do this: 403
	NotFound     ErrorKind = "not_found"    // does not exist, or is not the actor's business: 404
	Conflict     ErrorKind = "conflict"     // limit reached, name taken, wrong state: 409
	Stale        ErrorKind = "stale"        // changed since it was read: 412
	TooLarge     ErrorKind = "too_large"    // 413
	TooMany      ErrorKind = "too_many"     // rate limit: 429
	Unavailable  ErrorKind = "unavailable"  // a dependency does not answer: 503
)

// An Error has three readers: code branches on Kind (and Code), the person reads Message and Help, the
// operator reads the cause in the log.
type Error struct {
	Kind    ErrorKind
	Code    string   // stable machine word for a particular case, for instance "individual_org"; may be empty
	Message string   // a sentence that says what was expected
	Help    string   // a sentence that says how to mend it; may be empty
	Pointer string   // JSON pointer to the offending field; may be empty
	Missing []string // what would have helped, for programs: "role:owner", "subscription:registry"; may be empty
	cause   error
}

// Errorf makes an Error with a message for people.
func Errorf(kind ErrorKind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// Fix adds the sentence that says how to mend it.
func (e *Error) Fix(format string, args ...any) *Error {
	e.Help = fmt.Sprintf(format, args...)
	return e
}

// At names the field by JSON pointer.
func (e *Error) At(pointer string) *Error { e.Pointer = pointer; return e }

// Coded sets the stable machine word.
func (e *Error) Coded(code string) *Error { e.Code = code; return e }

// Lacks names what is missing, for programs: a role, a scope, an entity, a subscription (N-50).
func (e *Error) Lacks(what ...string) *Error { e.Missing = what; return e }

// Because keeps the cause for the log; people never see it.
func (e *Error) Because(err error) *Error { e.cause = err; return e }

// Error is the operator's text: message, help and cause.
func (e *Error) Error() string {
	s := e.Message
	if e.Help != "" {
		s += " " + e.Help
	}
	if e.cause != nil {
		s += " (" + e.cause.Error() + ")"
	}
	return s
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.cause }

// KindOf is the kind of the first Error in err's chain; empty when there is none, which doors
// answer as an internal error.
func KindOf(err error) ErrorKind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return ""
}

// Errors are all of the Errors that err was joined from, the outermost of each chain.
func Errors(err error) (all []*Error) {
	switch e := err.(type) { //nolint:errorlint // the tree is walked by hand
	case nil:
	case *Error:
		return []*Error{e}
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			all = append(all, Errors(inner)...)
		}
	case interface{ Unwrap() error }:
		return Errors(e.Unwrap())
	}
	return all
}
