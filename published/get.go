package published

import (
	"context"
	"mime"
	"net/http"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/egress"
	"github.com/drawbridge-id/drawbridge/strict"
)

// maxKeySet bounds the document of a key set, in bytes (OIDC-S1).
const maxKeySet = 256 << 10

// Get fetches a JSON document of at most limit bytes with a client of package egress. what names it in the codes of
// errors, which are *account.Error for people: what_status, what_document, or one of egress.Explain.
func Get(ctx context.Context, client *http.Client, target string, limit int64, what string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, account.Errorf(account.Invalid, "%q is no URL that can be fetched.", strict.Clip(target, 200)).Coded("url_host").Because(err)
	}
	req.Header.Set("Accept", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return nil, egress.Explain(target, err)
	}
	if resp.StatusCode != http.StatusOK {
		_ = resp.Body.Close()
		return nil, account.Errorf(account.Unavailable, "%s answers with status %s.", strict.Clip(target, 200), strict.Clip(resp.Status, 60)).
			Coded(what + "_status").Fix("Open it in a browser. If it works there, a firewall may stand in between.")
	}
	body, err := egress.Read(resp, limit)
	if err != nil {
		return nil, egress.Explain(target, err)
	}
	if t, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); t == "text/html" {
		return nil, account.Errorf(account.Invalid, "%s answers with a web page.", strict.Clip(target, 200)).Coded(what + "_document").
			Fix("Check the address: it has to answer with a JSON document.")
	}
	return body, nil
}

// GetKeys fetches a JWK set; see ReadKeys.
func GetKeys(ctx context.Context, client *http.Client, target string) ([]jose.JSONWebKey, error) {
	body, err := Get(ctx, client, target, maxKeySet, "jwks")
	if err != nil {
		return nil, err
	}
	return ReadKeys(body)
}
