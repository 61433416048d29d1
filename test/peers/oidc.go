package peers

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// OIDCUsers maps a user name, which is also the subject, to claims. Any password is right.
type OIDCUsers map[string]map[string]any

// OIDCOptions says how the provider behaves; the zero value with one redirect URI is a usual one.
type OIDCOptions struct {
	ClientID     string   `json:"client_id"`     // empty: drawbridge
	ClientSecret string   `json:"client_secret"` // empty: drawbridge-secret
	RedirectURIs []string `json:"redirect_uris"`
	// Client overrides or adds registered metadata of the client, in the spelling of RFC 7591:
	// token_endpoint_auth_method, jwks, backchannel_logout_uri, ...
	Client map[string]any `json:"client"`
	// Users; nil: alice (groups eng, admins) and bob (ops) of acme.example.
	Users OIDCUsers `json:"users"`
	// ClaimsAtUserinfo leaves all but the subject out of the ID token. Scope groups gives groups.
	ClaimsAtUserinfo bool `json:"claims_at_userinfo"`
	RequirePKCE      bool `json:"require_pkce"`
}

// An OIDCPeer is a running OpenID provider.
type OIDCPeer struct {
	Issuer       string
	ClientID     string
	ClientSecret string

	t       testing.TB
	dir     string
	port    int
	options OIDCOptions
	process *process
}

// OIDCProvider starts oidc-provider. It needs Node 20.
func OIDCProvider(t testing.TB, o OIDCOptions) *OIDCPeer {
	t.Helper()
	if o.ClientID == "" {
		o.ClientID = "drawbridge"
	}
	if o.ClientSecret == "" {
		o.ClientSecret = "drawbridge-secret"
	}
	if o.Users == nil {
		o.Users = OIDCUsers{
			"alice": {"email": "alice@acme.example", "email_verified": true, "name": "Alice A", "groups": []string{"eng", "admins"}},
			"bob":   {"email": "bob@acme.example", "email_verified": true, "name": "Bob B", "groups": []string{"ops"}},
		}
	}
	p := &OIDCPeer{ClientID: o.ClientID, ClientSecret: o.ClientSecret, t: t, dir: tempDir(t), options: o}
	p.process = running(t, func(port int) (*process, error) {
		p.port, p.Issuer = port, fmt.Sprintf("http://127.0.0.1:%d", port)
		return p.start("")
	})
	return p
}

// Rotate restarts the provider at the same address with new signing keys, which come first in its
// key set; the old ones stay behind them when keepOld is true. Sessions and codes are lost.
func (p *OIDCPeer) Rotate(keepOld bool) {
	p.t.Helper()
	p.process.stop()
	rotate := "drop"
	if keepOld {
		rotate = "keep"
	}
	next, err := p.start(rotate)
	if err != nil {
		p.t.Fatal(err)
	}
	p.process = next
	p.t.Cleanup(next.stop)
}

func (p *OIDCPeer) start(rotate string) (*process, error) {
	p.t.Helper()
	module := filepath.Join(Dir(), "oidcprovider", "node_modules", "oidc-provider", "lib", "index.js")
	if _, err := os.Stat(module); err != nil {
		absent(p.t, "oidc-provider", "there is no "+module)
	}
	node := p.node()
	config, err := json.Marshal(p.options)
	if err != nil {
		return nil, err
	}
	return start("oidc-provider", "listening on "+p.Issuer, []string{
		"PEER_DIR=" + p.dir, "PEER_MODULE=" + module, "PEER_ISSUER=" + p.Issuer, fmt.Sprintf("PEER_PORT=%d", p.port),
		"PEER_ROTATE=" + rotate, "PEER_OPTIONS=" + string(config), "NODE_ENV=production", "NODE_NO_WARNINGS=1",
	}, p.dir, node, filepath.Join(here(), "oidcprovider", "provider.mjs"))
}

// node is the interpreter: the one that install.sh brought where the system's is too old, else the
// system's.
func (p *OIDCPeer) node() string {
	p.t.Helper()
	brought, err := filepath.Glob(filepath.Join(Dir(), "node", "node_modules", "node-linux-*", "bin", "node"))
	if err == nil && len(brought) > 0 {
		return brought[0]
	}
	node, err := exec.LookPath("node")
	if err != nil {
		absent(p.t, "oidc-provider", "there is no node in PATH")
	}
	return node
}
