package scim

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	scimerrors "github.com/elimity-com/scim/errors"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/directory"
	"github.com/drawbridge-id/drawbridge/request"
	"github.com/drawbridge-id/drawbridge/store"
)

// mediaType is what bodies are (RFC 7644 §3.8).
const mediaType = "application/scim+json"

// scimTypes are our codes in SCIM's words (RFC 7644 §3.12, table 9; RFC 9865 §2.1).
var scimTypes = map[string]scimerrors.ScimType{
	directory.CodeSyntax: "invalidSyntax", directory.CodeValue: "invalidValue", directory.CodePath: "invalidPath", directory.CodeTarget: "noTarget",
	directory.CodeMutability: "mutability", directory.CodeFilter: "invalidFilter", directory.CodeUniqueness: "uniqueness",
	"invalid_cursor": "invalidCursor", "expired_cursor": "expiredCursor", "invalid_count": "invalidCount",
}

var statuses = map[account.ErrorKind]int{
	account.Invalid: http.StatusBadRequest, account.Unauthorized: http.StatusUnauthorized, account.Forbidden: http.StatusForbidden,
	account.NotFound: http.StatusNotFound, account.Conflict: http.StatusConflict, account.Stale: http.StatusPreconditionFailed,
	account.TooLarge: http.StatusRequestEntityTooLarge, account.TooMany: http.StatusTooManyRequests, account.Unavailable: http.StatusServiceUnavailable,
}

// A refusal is an error with a status that no kind of error has.
type refusal struct {
	status int
	detail string
	header http.Header
}

func (r *refusal) Error() string { return r.detail }

// translate turns an error into SCIM's form (RFC 7644 §3.12). What has no kind is told to the log and not to the provider.
func translate(err error) scimerrors.ScimError {
	var r *refusal
	if errors.As(err, &r) {
		return scimerrors.ScimError{Status: r.status, Detail: r.detail}
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return scimerrors.ScimError{Status: http.StatusRequestEntityTooLarge, Detail: "The body has at most " + strconv.FormatInt(tooLarge.Limit, 10) + " bytes."}
	}
	var e *account.Error
	if !errors.As(err, &e) {
		return scimerrors.ScimError{Status: http.StatusInternalServerError, Detail: "Something went wrong here; the log has it under this request's id."}
	}
	out := scimerrors.ScimError{Status: statuses[e.Kind], Detail: e.Message}
	if e.Help != "" {
		out.Detail += " " + e.Help
	}
	if out.Status == http.StatusBadRequest || out.Status == http.StatusConflict {
		out.ScimType = scimTypes[e.Code]
		if out.ScimType == "" && out.Status == http.StatusBadRequest {
			out.ScimType = "invalidValue"
		}
	}
	return out
}

// fail answers with an error.
func (x *exchange) fail(err error) {
	e := translate(err)
	var r *refusal
	if errors.As(err, &r) {
		for name, values := range r.header {
			x.w.Header()[name] = values
		}
	}
	switch e.Status {
	case http.StatusUnauthorized:
		// RFC 7644 §2, RFC 6750 §3
		x.w.Header().Set("WWW-Authenticate", `Bearer realm="SCIM"`)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		wait := 5 * time.Second
		var known *account.Error
		if errors.As(err, &known) && known.Code == store.CodePaused {
			wait = store.PausedRetry // somebody has to look first
		}
		if x.w.Header().Get("Retry-After") == "" {
			x.w.Header().Set("Retry-After", strconv.Itoa(int(wait.Seconds())))
		}
	}
	request.Note(x.r.Context(), slog.String("error", err.Error()), slog.String("code", string(e.ScimType)))
	x.line.SCIMType, x.line.Detail = string(e.ScimType), e.Detail
	x.answer(e.Status, e)
}

// answer writes a body in SCIM's media type; nil is none.
func (x *exchange) answer(status int, body any) {
	x.line.Status = status
	if body == nil {
		x.w.WriteHeader(status)
		return
	}
	raw, err := json.Marshal(body)
	if err != nil {
		request.Note(x.r.Context(), slog.String("error", err.Error()))
		status, raw = http.StatusInternalServerError, []byte(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"500"}`)
	}
	x.w.Header().Set("Content-Type", mediaType)
	x.w.WriteHeader(status)
	_, _ = x.w.Write(raw)
}
