package scim

import (
	"encoding/json"
	"log/slog"
	"mime"
	"net/http"
	"net/url"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/request"
)

// An oauthError is RFC 6749 §5.2.
type oauthError struct {
	Code string `json:"error"`
	Text string `json:"error_description"`
}

// Token is the token endpoint of one connection (RFC 6749 §3.2, §4.4): an identity provider that has an OAuth client fetches its bearer
// token here. Clients show their secret by Basic or in the form.
func (d *Door) Token(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	id, _ := account.ParseID[account.ConnectionID](r.PathValue("connection"))
	request.Note(ctx, slog.String("connection", string(id)), slog.String("verb", "scim.token"))
	w.Header().Set("Cache-Control", "no-store")
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/x-www-form-urlencoded" {
		return oauthRefuse(w, http.StatusBadRequest, "invalid_request", "The body is a form: application/x-www-form-urlencoded.")
	}
	if err := r.ParseForm(); err != nil {
		return oauthRefuse(w, http.StatusBadRequest, "invalid_request", "The form does not parse.")
	}
	for name, values := range r.PostForm {
		if len(values) > 1 {
			return oauthRefuse(w, http.StatusBadRequest, "invalid_request", name+" is there twice.")
		}
	}
	client, secret, problem := clientOf(r)
	switch {
	case problem != "":
		return oauthRefuse(w, http.StatusBadRequest, "invalid_request", problem)
	case client == "":
		return oauthRefuse(w, http.StatusUnauthorized, "invalid_client", "The client shows its id and secret, by Basic or in the form.")
	case r.PostForm.Get("grant_type") == "":
		return oauthRefuse(w, http.StatusBadRequest, "invalid_request", "grant_type is missing.")
	case r.PostForm.Get("grant_type") != "client_credentials":
		return oauthRefuse(w, http.StatusBadRequest, "unsupported_grant_type", "grant_type is client_credentials.")
	}
	token, life, err := d.opt.Ledger.FetchSCIMToken(ctx, request.As(ctx, account.Actor{Kind: account.ActorConnection, Connection: id}), id, account.SCIMClientID(client), account.NewSecret(secret))
	switch account.KindOf(err) {
	case account.Unauthorized:
		return oauthRefuse(w, http.StatusUnauthorized, "invalid_client", "The client and its secret are no valid ones of this connection.")
	case account.Forbidden:
		return oauthRefuse(w, http.StatusBadRequest, "unauthorized_client", "The connection is switched off; an owner can enable it.")
	}
	if err != nil {
		return err
	}
	// RFC 6749 §5.1
	return oauthAnswer(w, http.StatusOK, map[string]any{"access_token": token.Reveal(), "token_type": "Bearer", "expires_in": int(life.Seconds())})
}

// clientOf reads who asks (RFC 6749 §2.3.1), by one way only.
func clientOf(r *http.Request) (id, secret, problem string) {
	id, secret, basic := r.BasicAuth()
	if !basic {
		return r.PostForm.Get("client_id"), r.PostForm.Get("client_secret"), ""
	}
	if r.PostForm.Has("client_secret") {
		return "", "", "The secret came twice: use Basic or the form."
	}
	var err [2]error
	id, err[0] = url.QueryUnescape(id)
	secret, err[1] = url.QueryUnescape(secret)
	if err[0] != nil || err[1] != nil {
		return "", "", "The Basic credentials are not encoded as a form."
	}
	if other := r.PostForm.Get("client_id"); other != "" && other != id {
		return "", "", "The form names another client than Basic."
	}
	return id, secret, ""
}

func oauthRefuse(w http.ResponseWriter, status int, code, text string) error {
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="SCIM"`)
	}
	return oauthAnswer(w, status, oauthError{code, text})
}

func oauthAnswer(w http.ResponseWriter, status int, body any) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(raw)
	return nil
}
