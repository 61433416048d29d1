package inbound

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/events/set"
	"github.com/drawbridge-id/drawbridge/request"
	"github.com/drawbridge-id/drawbridge/strict"
)

// Revoke ends everything of one person at /events/{stream}/global-token-revocation (Global Token Revocation §3, Okta's
// Universal Logout): 204 when it is in force, 400 for a body that names nobody by a format we know, 401, 404 for somebody
// who is nobody here, 422 for somebody who may be several. The sender proves itself by a signed token of its own, or by
// the stream's credential.
func (d *Door) Revoke(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	id, _ := account.ParseID[account.StreamID](r.PathValue("stream"))
	request.Note(ctx, slog.String("stream", string(id)), slog.String("verb", "tokens.revoked"))
	by := actor(r, d.o.Now())
	var s account.Stream
	var message string
	var err error
	if wait := waitFor(d, d.knocks, knock{id, account.Network(request.IP(ctx))}); wait > 0 { // signatures cost more than they cost to send
		err = &refusal{status: http.StatusTooManyRequests, retry: wait}
	} else {
		s, message, err = d.authenticate(r, id)
	}
	var body []byte
	if err == nil {
		request.Note(ctx, slog.String("actor", account.Actor{Kind: account.ActorStream, Stream: id}.String()))
		body, err = d.admit(w, r, s, "application/json", 64<<10)
	}
	var subject account.SubjectID
	if err == nil {
		subject, err = readRevocation(body)
	}
	if err == nil {
		_, err = d.o.Ledger.RevokeTokens(ctx, by, id, subject, message)
	}
	w.Header().Set("Cache-Control", "no-store")
	if err != nil {
		d.refuseRevocation(w, r, err)
		return nil
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// authenticate finds out who asks. message is the jti of a token that counts once; empty for a credential.
func (d *Door) authenticate(r *http.Request, id account.StreamID) (s account.Stream, message string, err error) {
	ctx := r.Context()
	credential, _ := shown(r)
	raw := credential.Reveal()
	if strings.Count(raw, ".") != 2 {
		s, err = d.o.Ledger.StreamFor(ctx, id, credential, false)
		return s, "", err
	}
	s, err = d.o.Ledger.OpenStream(ctx, id)
	if account.KindOf(err) == account.NotFound {
		err = account.Errorf(account.Unauthorized, "There is no such stream.")
	}
	if err != nil {
		return s, "", err
	}
	keys, err := d.keysOf(s)
	if err != nil {
		return s, "", account.Errorf(account.Unavailable, "The stream's keys cannot be read.").Because(err)
	}
	x := set.Of(s, keys, d.o.Now())
	x.Audience = []string{d.Address(id) + "/global-token-revocation"}
	client := ""
	if s.Transmitter != nil {
		client = s.Transmitter.ClientID
	}
	b, err := set.VerifyBearer(ctx, raw, x, client)
	if account.KindOf(err) == "" && err != nil { // whatever is wrong with it, it lets nobody in
		err = account.Errorf(account.Unauthorized, "The bearer token is not one of this stream.").Because(err)
	}
	return s, b.JTI, err
}

// readRevocation reads whom the request is about: sub_id, or subject as Okta sends it too. Two that differ are none.
func readRevocation(body []byte) (account.SubjectID, error) {
	o, err := strict.Object(body, 16)
	bad := &refusal{status: http.StatusBadRequest, code: set.InvalidRequest, text: "The body has to name one subject as sub_id.", err: err}
	if err != nil {
		return account.SubjectID{}, bad
	}
	subject, has := o["sub_id"]
	if other, too := o["subject"]; too {
		if has && !reflect.DeepEqual(subject, other) {
			return account.SubjectID{}, bad
		}
		subject, has = other, true
	}
	if !has {
		return account.SubjectID{}, bad
	}
	return set.Subject(subject)
}

// refuseRevocation answers with an error. A sender looks at the status only; a person at the description.
func (d *Door) refuseRevocation(w http.ResponseWriter, r *http.Request, err error) {
	a := judged(err)
	var e *account.Error
	switch kind := account.KindOf(err); {
	case kind == account.Unauthorized, kind == account.Conflict && errors.As(err, &e) && e.Code == "already_used":
		a.status, a.code, a.text = http.StatusUnauthorized, "invalid_token", "The bearer token is not one of this stream."
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
	case a.code == set.AccessDenied:
		a.status = http.StatusForbidden
	case kind == account.NotFound:
		a.status, a.code, a.text = http.StatusNotFound, "not_found", "Nobody here is meant."
	case kind == account.Conflict:
		a.status, a.code, a.text = http.StatusUnprocessableEntity, "ambiguous_subject", "The subject names more than one."
	}
	request.Note(r.Context(), slog.String("outcome", "refused"), slog.String("code", a.code), slog.String("error", err.Error()))
	h := w.Header()
	if a.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(seconds(a.retry)))
	}
	if a.code == "" {
		w.WriteHeader(a.status)
		return
	}
	h.Set("Content-Type", "application/json")
	h.Set("Content-Language", "en")
	w.WriteHeader(a.status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": a.code, "error_description": a.text}) // the sender has gone
}
