package outbound

import (
	"crypto/x509"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/request"
	"github.com/drawbridge-id/drawbridge/store"
)

// The scopes of receivers (CAEP interoperability profile §2.7.2).
const (
	scopeManage = "ssf.manage"
	scopeRead   = "ssf.read"
)

// issuer is what an account's transmitter is called; every address of it begins so.
func (d *Door) issuer(a account.AccountID) string {
	return strings.TrimSuffix(d.o.PublicURL, "/") + "/ssf/" + string(a)
}

func accountOf(r *http.Request) account.AccountID { return account.AccountID(r.PathValue("account")) }

// Configuration is the transmitter's document (SSF §7). The issuer's path stands behind the well-known part.
func (d *Door) Configuration(w http.ResponseWriter, r *http.Request) error {
	a := accountOf(r)
	if _, err := d.o.Ledger.SigningKeys(r.Context(), a); err != nil {
		return err
	}
	base := d.issuer(a)
	return write(w, http.StatusOK, map[string]any{
		"spec_version": "1_0", "issuer": base, "jwks_uri": base + "/jwks",
		"delivery_methods_supported": []string{methodPush, methodPoll},
		"configuration_endpoint":     base + "/stream", "status_endpoint": base + "/status",
		"add_subject_endpoint": base + "/subjects:add", "remove_subject_endpoint": base + "/subjects:remove",
		"verification_endpoint": base + "/verify", "critical_subject_members": []string{"tenant", "user"},
		"authorization_schemes": []any{map[string]any{"spec_urn": "urn:ietf:rfc:6749"}, map[string]any{"spec_urn": "urn:ietf:rfc:6750"}},
		"default_subjects":      "ALL",
	})
}

// AuthorizationServer is where a receiver finds the token endpoint (RFC 8414 §3).
func (d *Door) AuthorizationServer(w http.ResponseWriter, r *http.Request) error {
	a := accountOf(r)
	if _, err := d.o.Ledger.SigningKeys(r.Context(), a); err != nil {
		return err
	}
	base := d.issuer(a)
	return write(w, http.StatusOK, map[string]any{
		"issuer": base, "token_endpoint": base + "/token", "grant_types_supported": []string{"client_credentials"}, "response_types_supported": []string{},
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post"}, "scopes_supported": []string{scopeManage, scopeRead},
	})
}

// ProtectedResource says who gives out tokens for the transmitter (RFC 9728 §2).
func (d *Door) ProtectedResource(w http.ResponseWriter, r *http.Request) error {
	a := accountOf(r)
	if _, err := d.o.Ledger.SigningKeys(r.Context(), a); err != nil {
		return err
	}
	base := d.issuer(a)
	return write(w, http.StatusOK, map[string]any{"resource": base, "authorization_servers": []string{base},
		"scopes_supported": []string{scopeManage, scopeRead}, "bearer_methods_supported": []string{"header"}})
}

// Keys are the public keys of an account's transmitter (RFC 7517 §5).
func (d *Door) Keys(w http.ResponseWriter, r *http.Request) error {
	all, err := d.o.Ledger.SigningKeys(r.Context(), accountOf(r))
	if err != nil {
		return err
	}
	var out jose.JSONWebKeySet
	for _, k := range all {
		public, err := x509.ParsePKIXPublicKey(k.Public)
		if err != nil {
			return err
		}
		out.Keys = append(out.Keys, jose.JSONWebKey{Key: public, KeyID: k.ID, Algorithm: string(jose.RS256), Use: "sig"})
	}
	w.Header().Set("Cache-Control", "public, max-age=300") // a new key is published long before it signs
	return write(w, http.StatusOK, out)
}

// Token gives a receiver a token for its credential (RFC 6749 §4.4), for less than an hour.
func (d *Door) Token(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Cache-Control", "no-store")
	if err := r.ParseForm(); err != nil {
		return oauthError(w, http.StatusBadRequest, "invalid_request")
	}
	id, secret, basic := r.BasicAuth()
	if !basic {
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	if r.PostForm.Get("grant_type") != "client_credentials" {
		return oauthError(w, http.StatusBadRequest, "unsupported_grant_type")
	}
	asked := strings.Fields(r.PostForm.Get("scope"))
	manage := len(asked) == 0
	for _, s := range asked {
		switch s {
		case scopeManage:
			manage = true
		case scopeRead:
		default:
			return oauthError(w, http.StatusBadRequest, "invalid_scope")
		}
	}
	token, g, err := d.o.Ledger.ReceiverToken(r.Context(), accountOf(r), account.ReceiverID(id), account.NewSecret(secret), manage)
	if account.KindOf(err) == account.Unauthorized {
		if basic {
			w.Header().Set("WWW-Authenticate", `Basic realm="drawbridge"`)
		}
		return oauthError(w, http.StatusUnauthorized, "invalid_client")
	} else if err != nil {
		return err
	}
	scope := scopeRead
	if g.Manage {
		scope = scopeManage + " " + scopeRead
	}
	return write(w, http.StatusOK, map[string]any{"access_token": token.Reveal(), "token_type": "Bearer", "expires_in": int(store.ReceiverTokenAge.Seconds()), "scope": scope})
}

func oauthError(w http.ResponseWriter, status int, code string) error {
	return write(w, status, map[string]any{"error": code})
}

// receiver lets in who shows a token (RFC 6750 §2.1: in the header, and nowhere else). What is refused is said as RFC 6750 §3 has it.
func (d *Door) receiver(w http.ResponseWriter, r *http.Request, manage bool) (store.Grant, error) {
	resource := `, resource_metadata="` + strings.TrimSuffix(d.o.PublicURL, "/") + "/.well-known/oauth-protected-resource/ssf/" + r.PathValue("account") + `"`
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		w.Header().Set("WWW-Authenticate", `Bearer realm="drawbridge"`+quoted(resource))
		return store.Grant{}, account.Errorf(account.Unauthorized, "A bearer token of a receiver is needed.")
	}
	g, err := d.o.Ledger.Receiver(r.Context(), accountOf(r), account.NewSecret(strings.TrimSpace(token)))
	switch {
	case account.KindOf(err) == account.Unauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer realm="drawbridge", error="invalid_token"`+quoted(resource))
		return g, err
	case err != nil:
		return g, err
	case manage && !g.Manage:
		w.Header().Set("WWW-Authenticate", `Bearer realm="drawbridge", error="insufficient_scope", scope="`+scopeManage+`"`)
		return g, account.Errorf(account.Forbidden, "The token may read, but not manage.").Fix("Ask for the scope %s.", scopeManage)
	}
	request.Note(r.Context(), slog.String("actor", "receiver:"+string(g.ID)))
	return g, nil
}

// quoted keeps a path that a stranger wrote from ending the parameter early.
func quoted(parameter string) string {
	if strings.ContainsAny(strings.TrimSuffix(strings.TrimPrefix(parameter, `, resource_metadata="`), `"`), "\"\\\r\n") {
		return ""
	}
	return parameter
}

func write(w http.ResponseWriter, status int, v any) error {
	if w.Header().Get("Cache-Control") == "" {
		w.Header().Set("Cache-Control", "no-store")
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client went away: nobody is left to be told
	return nil
}
