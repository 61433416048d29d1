package api

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/web"
)

// A failure is an RFC 9457 problem on its way out; huma asks it for its status and media type.
type failure struct {
	web.Problem
	cause error
}

func (f *failure) Error() string             { return f.Detail }
func (f *failure) Unwrap() error             { return f.cause }
func (f *failure) GetStatus() int            { return f.Status }
func (f *failure) ContentType(string) string { return "application/problem+json" }

// problem turns a verb's error into the answer.
func problem(ctx context.Context, err error) error {
	return &failure{Problem: web.ProblemOf(ctx, err), cause: err}
}

// Input that does not fit the document is refused in the same form as everything else, with a pointer per field.
func init() {
	huma.NewErrorWithContext = func(c huma.Context, status int, message string, errs ...error) huma.StatusError {
		return refusal(c.Context(), status, message, errs)
	}
	huma.NewError = func(status int, message string, errs ...error) huma.StatusError {
		return refusal(context.Background(), status, message, errs)
	}
}

func refusal(ctx context.Context, status int, message string, errs []error) huma.StatusError {
	var known *account.Error
	if len(errs) == 1 && errors.As(errs[0], &known) {
		return &failure{Problem: web.ProblemOf(ctx, errs[0]), cause: errs[0]}
	}
	var all []error
	for _, err := range errs {
		var detail *huma.ErrorDetail
		if errors.As(err, &detail) {
			all = append(all, misfit(detail))
			continue
		}
		all = append(all, err)
	}
	// Side by side and not as its causes, which nobody is shown.
	p := web.ProblemOf(ctx, errors.Join(append([]error{account.Errorf(kindOf(status), "%s", sentence(message))}, all...)...))
	p.Status = status
	return &failure{Problem: p, cause: errors.Join(all...)}
}

// misfit is a part of the input that does not fit the document.
func misfit(d *huma.ErrorDetail) error {
	at := pointer(d.Location)
	e := account.Errorf(account.Invalid, "%s", sentence(d.Message)).Fix("Send it as /api/v1/openapi.yaml describes it.")
	if _, rest, ok := strings.Cut(d.Message, "expected required property "); ok {
		name, _, _ := strings.Cut(rest, " ")
		at = strings.TrimSuffix(at, "/") + "/" + name
		e.Fix("Add %s.", name)
	}
	if d.Message == "unexpected property" {
		e.Fix("Leave it out, or check its spelling.")
	}
	return e.At(at)
}

func kindOf(status int) account.ErrorKind {
	switch status {
	case http.StatusUnauthorized:
		return account.Unauthorized
	case http.StatusForbidden:
		return account.Forbidden
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return account.NotFound
	case http.StatusRequestEntityTooLarge:
		return account.TooLarge
	}
	return account.Invalid
}

// pointer turns huma's "body.targets[0].roles" into RFC 6901; parameters keep their place in front.
func pointer(location string) string {
	path := strings.NewReplacer(".", "/", "[", "/", "]", "").Replace(strings.TrimPrefix(location, "body"))
	return "/" + strings.TrimPrefix(path, "/")
}

func sentence(s string) string {
	if s == "" {
		return "The request is not understood."
	}
	return strings.ToUpper(s[:1]) + strings.TrimSuffix(s[1:], ".") + "."
}
