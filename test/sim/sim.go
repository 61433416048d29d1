// Package sim is the world outside in miniature: identity providers that speak SAML 2.0 and OpenID
// Connect the way Okta, Entra ID, Google Workspace, AD FS, PingOne, Keycloak, OneLogin, JumpCloud and
// Shibboleth really do, with switchable faults.
//
// A [Sim] serves many tenants under /{tenant}/… as one [http.Handler]. A [Tenant] is one company's
// identity provider: users with groups, applications, signing keys, faults. Messages can also be had
// without HTTP, for a test of a verifier:
//
//	okta := sim.MustTenant(sim.TenantConfig{Name: "acme", Dialect: sim.Okta, Users: …, SAML: …})
//	answer, err := okta.SAMLResponse("amy@acme.example", sim.SAMLRequest{RequestID: "id-1"}, sim.WrongAudience)
//
// The package imports nothing of the product on purpose: what it sends comes from the specifications
// and from recordings of real providers, so that an error of ours cannot hide on both sides.
// It is a test tool. It signs for anybody who asks and belongs on the loopback interface only.
package sim

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Options says what a Sim takes from outside. The zero value works.
type Options struct {
	// BaseURL is the absolute URL the Sim is reached at, without a trailing slash. Empty means
	// http://idp.example, which is right when messages are made without HTTP; a server sets it with
	// SetBaseURL once it knows its port.
	BaseURL string
	// Now is the provider's clock; nil means time.Now.
	Now func() time.Time
	// Rand feeds ids, codes, nonces and generated elliptic-curve keys; nil means crypto/rand. RSA keys
	// come from a fixed pool of published test keys, so a seeded reader makes a run repeatable.
	Rand io.Reader
	// Client sends back-channel logout tokens; nil means a client with a five second limit.
	Client *http.Client
	// Log gets one line per message sent; nil discards.
	Log *slog.Logger
}

// A Sim is a set of simulated identity providers behind one handler. It is safe for concurrent use.
type Sim struct {
	now    func() time.Time
	client *http.Client
	log    *slog.Logger

	randMu sync.Mutex
	rand   io.Reader

	mu       sync.RWMutex
	base     string
	tenants  map[string]*Tenant
	poolUsed map[int]bool // which pool keys are taken, so that no two tenants of a Sim share one

	handler http.Handler
}

// New makes a Sim without tenants.
func New(o Options) *Sim {
	s := &Sim{now: o.Now, rand: o.Rand, client: o.Client, log: o.Log,
		base: strings.TrimSuffix(o.BaseURL, "/"), tenants: map[string]*Tenant{}, poolUsed: map[int]bool{}}
	if s.base == "" {
		s.base = "http://idp.example"
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.rand == nil {
		s.rand = rand.Reader
	}
	if s.client == nil {
		s.client = &http.Client{Timeout: 5 * time.Second}
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.handler = s.routes()
	return s
}

// ServeHTTP serves every tenant, the control API and the pages.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// BaseURL is the absolute URL the Sim is reached at, without a trailing slash.
func (s *Sim) BaseURL() string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.base
}

// SetBaseURL tells a Sim where it is served. Call it before the first request: issuers are made of it.
func (s *Sim) SetBaseURL(u string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.base = strings.TrimSuffix(u, "/")
}

// AddTenant opens a tenant. Its name must be a lowercase path segment that is not taken.
func (s *Sim) AddTenant(c TenantConfig) (*Tenant, error) {
	t, err := newTenant(s, c)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.tenants[c.Name]; taken {
		return nil, fmt.Errorf("sim: tenant %q is there already", c.Name)
	}
	s.tenants[c.Name] = t
	return t, nil
}

// Tenant finds a tenant by name; nil if there is none.
func (s *Sim) Tenant(name string) *Tenant {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.tenants[name]
}

// Tenants lists the tenants by name.
func (s *Sim) Tenants() []*Tenant {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make([]*Tenant, 0, len(s.tenants))
	for _, t := range s.tenants {
		out = append(out, t)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].name < out[j].name })
	return out
}

// RemoveTenant closes a tenant; its URLs answer 404 from then on.
func (s *Sim) RemoveTenant(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tenants, name)
}

// MustTenant makes a tenant in a Sim of its own, for tests that need messages and no server. It
// panics when the configuration is wrong.
func MustTenant(c TenantConfig, o ...Options) *Tenant {
	if len(o) == 0 {
		o = []Options{{}}
	}
	t, err := New(o[0]).AddTenant(c)
	if err != nil {
		panic(err)
	}
	return t
}

// bytes reads n random bytes; a reader that runs dry is a mistake of the test that passed it.
func (s *Sim) bytes(n int) []byte {
	s.randMu.Lock()
	defer s.randMu.Unlock()
	b := make([]byte, n)
	if _, err := io.ReadFull(s.rand, b); err != nil {
		panic(fmt.Sprintf("sim: Options.Rand: %v", err))
	}
	return b
}

// token is a random hexadecimal string of 2n characters.
func (s *Sim) token(n int) string { return hex.EncodeToString(s.bytes(n)) }

// guid is a random version 4 UUID.
func (s *Sim) guid() string {
	id, err := uuid.FromBytes(s.bytes(16))
	if err != nil {
		panic(err)
	}
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return id.String()
}

// stableGUID derives a UUID from names, so that a user keeps an object id across runs.
func stableGUID(parts ...string) string {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("drawbridge-sim:"+strings.Join(parts, "\x00"))).String()
}

// stableHex derives n hexadecimal characters (at most 32) from names.
func stableHex(n int, parts ...string) string {
	return strings.ReplaceAll(stableGUID(parts...), "-", "")[:n]
}
