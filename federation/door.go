package federation

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/federation/oidc"
	"github.com/drawbridge-id/drawbridge/request"
	"github.com/drawbridge-id/drawbridge/store"
	"github.com/drawbridge-id/drawbridge/web/page"
)

// Options say what the door opens on to. Ledger, RP, Fetch and PublicURL are needed.
type Options struct {
	Ledger *store.Ledger
	RP     *oidc.RP
	Fetch  *http.Client // from package egress: metadata
	// PublicURL is the origin that browsers and providers see, for instance "https://id.acme.example".
	// Every absolute URL is made from it and none from a Host header (SES-4).
	PublicURL string
	Resolvers []Resolver // for domain proofs; empty: the system's
	Now       func() time.Time
	Random    io.Reader
	Log       *slog.Logger
	Metrics   Metrics
	Limits    Limits
}

// Limits bound what a stranger can make the door do; zero fields take the defaults.
type Limits struct {
	Body        int64         // bytes of a form; default 1 MiB
	MetadataAge time.Duration // after which a provider's metadata is read again; default 24 h
	Parallel    int           // SAML responses judged at the same time, so that a flood costs time and not memory; default two per core
}

// Metrics are told what happened, in words from short lists. Fields may be nil.
type Metrics struct {
	SignedIn  func(account.Protocol, account.IdPKind, account.Outcome) // every sign-in that ended, refused ones too
	Refused   func(account.Step)
	Tested    func(account.Outcome)
	Refreshed func(outcome string) // "unchanged", "updated", "waiting", "failed"
}

// A Door serves the sign-in of all connections. It is safe for concurrent use.
type Door struct {
	ledger    *store.Ledger
	rp        *oidc.RP
	fetch     *http.Client
	public    string
	resolvers []Resolver
	now       func() time.Time
	random    io.Reader
	log       *slog.Logger
	metrics   Metrics
	limits    Limits
	dns       backOff
	judging   *semaphore.Weighted
}

// New makes a door.
func New(o Options) *Door {
	d := &Door{
		ledger: o.Ledger, rp: o.RP, fetch: o.Fetch, public: strings.TrimSuffix(o.PublicURL, "/"),
		resolvers: o.Resolvers, now: o.Now, random: o.Random, log: o.Log, metrics: o.Metrics, limits: o.Limits,
	}
	if d.now == nil {
		d.now = time.Now
	}
	if d.random == nil {
		d.random = rand.Reader
	}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	if d.limits.Body <= 0 {
		d.limits.Body = 1 << 20
	}
	if d.limits.MetadataAge <= 0 {
		d.limits.MetadataAge = 24 * time.Hour
	}
	if d.limits.Parallel <= 0 {
		d.limits.Parallel = 2 * runtime.GOMAXPROCS(0)
	}
	d.judging = semaphore.NewWeighted(int64(d.limits.Parallel))
	if len(d.resolvers) == 0 {
		d.resolvers = Resolvers(nil)
	}
	return d
}

// URLs are the addresses that a connection has on our side: what an administrator types into the
// identity provider.
type URLs struct {
	Start              string // begins a sign-in
	EntityID, ACS, SLO string // SAML; the entity id is where the metadata is
	Callback, Initiate string // OIDC: redirect URI, third-party initiated login
	BackchannelLogout  string
	SignedOut          string // post-logout redirect URI
}

// URLs of a connection. They name it, so that no answer can be taken for another connection's
// (SAML-T1, OIDC-F5).
func (d *Door) URLs(c account.ConnectionID) URLs {
	s, o := d.public+"/saml/"+string(c), d.public+"/oidc/"+string(c)
	return URLs{
		Start:    d.public + "/login/" + string(c),
		EntityID: s + "/metadata", ACS: s + "/acs", SLO: s + "/slo",
		Callback: o + "/callback", Initiate: o + "/initiate", BackchannelLogout: o + "/backchannel-logout",
		SignedOut: d.public + "/signed-out",
	}
}

// connection is the one that the URL names. Unknown ones, malformed ids and connections of the other
// protocol look alike: account.NotFound.
func (d *Door) connection(r *http.Request, speaks account.Protocol) (account.Connection, error) {
	id, ok := account.ParseID[account.ConnectionID](r.PathValue("connection"))
	if !ok {
		return account.Connection{}, noConnection()
	}
	c, err := d.ledger.Connection(r.Context(), id)
	if account.KindOf(err) == account.NotFound {
		return c, noConnection()
	}
	if err != nil {
		return c, err
	}
	request.Note(r.Context(), slog.String("connection", string(c.ID)))
	if speaks == "" || protocolOf(c, account.Live) == speaks || protocolOf(c, account.Draft) == speaks {
		return c, nil
	}
	return c, noConnection()
}

func noConnection() error {
	return account.Errorf(account.NotFound, "There is no such sign-in here.").
		Fix("Start from the sign-in page with your e-mail address.")
}

func protocolOf(c account.Connection, which account.Which) account.Protocol {
	if s := c.Version(which); s != nil {
		return s.Protocol
	}
	return ""
}

// ended counts one sign-in.
func (d *Door) ended(c account.Connection, o account.Outcome) {
	if s := c.Live; s != nil && d.metrics.SignedIn != nil {
		d.metrics.SignedIn(s.Protocol, s.Kind, o)
	}
}

// actor is a connection as the one who makes something happen.
func actor(ctx context.Context, c account.ConnectionID) account.Actor {
	return request.As(ctx, account.Actor{Kind: account.ActorConnection, Connection: c})
}

// person is a signed-in person as the one who makes something happen.
func person(ctx context.Context, u account.UserID) account.Actor {
	return request.As(ctx, account.Actor{Kind: account.ActorUser, User: u})
}

// system is a job of the house.
func system(job string) account.Actor { return account.Actor{Kind: account.ActorSystem, Job: job} }

// token is 256 random bits, base64url.
func (d *Door) token() string {
	b := make([]byte, 32)
	if _, err := io.ReadFull(d.random, b); err != nil {
		panic(err) // crypto/rand never fails; a test's reader has to hold enough
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// provider is what people call the identity provider of a connection.
func provider(c account.Connection) string { return c.Name }

// noStore keeps answers of the entrance out of every cache (SES-3), redirects and forms that carry a message
// above all (SB §3.4.5.1, SB §3.5.5.1).
func noStore(w http.ResponseWriter) { w.Header().Set("Cache-Control", "no-store") }

// see sends the browser on with GET.
func see(w http.ResponseWriter, r *http.Request, to string) error {
	noStore(w)
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// follow draws a page that leads the browser on by itself. A redirect would not do after a form: browsers
// hold the form's policy (form-action) against every redirect that follows it.
func follow(w http.ResponseWriter, r *http.Request, to string, p page.Page) error {
	noStore(w)
	w.Header().Set("Refresh", "0; url="+to)
	return page.Render(w, r, http.StatusOK, p)
}

func tell[T any](hook func(T), what T) {
	if hook != nil {
		hook(what)
	}
}

// refusalIn finds the refusal in a chain of errors.
func refusalIn(err error) (*account.Refusal, bool) {
	var ref *account.Refusal
	ok := errors.As(err, &ref)
	return ref, ok
}

// errorIn finds the account.Error in a chain of errors.
func errorIn(err error) (*account.Error, bool) {
	var e *account.Error
	ok := errors.As(err, &e)
	return e, ok
}
