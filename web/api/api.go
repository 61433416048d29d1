// Package api is the JSON API under /api/v1 for people, by their browser session or a personal key, and for the operator's programs, by a token:
// each operation reads its input, calls one verb of the ledger and writes what came of it. The OpenAPI document is made from these handlers. Errors are
// RFC 9457 problems. Who may do what is the ledger's decision; what exists but is not the caller's business is
// a 404.
package api

import (
	"context"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/federation/session"
	"github.com/drawbridge-id/drawbridge/keys"
	"github.com/drawbridge-id/drawbridge/request"
	"github.com/drawbridge-id/drawbridge/store"
	"github.com/drawbridge-id/drawbridge/web"
)

// Options say what the API stands on.
type Options struct {
	Ledger *store.Ledger
	Now    func() time.Time
	// Replay runs a request of a connection's SCIM log again and changes nothing; the SCIM door's.
	Replay func(ctx context.Context, by account.Actor, c account.ConnectionID, id account.SCIMRequestID) (status int, body string, changes []account.SCIMRequest, err error)
	// StartTest begins a login test and answers with the address to open; the sign-in door's.
	StartTest func(ctx context.Context, by account.Actor, c account.ConnectionID, which account.Which) (url string, d account.DiagnosisID, err error)
}

// API is the JSON API.
type API struct {
	opt Options
	mux *http.ServeMux
}

// Version is the API's: its first number changes with what breaks a client, the second with what it adds (docs/api.md).
const Version = "1.0.0"

func init() { huma.DefaultArrayNullable = false } // lists are never null

// Handler serves /api/v1/…, its document at /api/v1/openapi.yaml and .json included. The table of operations is made when the first of them is
// asked for: it takes a quarter of the start and megabytes that a daemon nobody asks has no use for.
func Handler(o Options) http.Handler {
	table := sync.OnceValue(func() http.Handler {
		a, _ := build(o)
		return web.Mux(a.mux)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { table().ServeHTTP(w, r) })
}

// Document is the description of the API, in OpenAPI 3.1.
func Document() *huma.OpenAPI {
	_, h := build(Options{})
	return h.OpenAPI()
}

func build(o Options) (*API, huma.API) {
	mux := http.NewServeMux()
	cfg := huma.DefaultConfig("Drawbridge", Version)
	cfg.OpenAPIPath = "/api/v1/openapi"
	cfg.DocsPath, cfg.SchemasPath = "", ""
	cfg.Components.Schemas = huma.NewMapRegistry("#/components/schemas/", schemaName)
	cfg.CreateHooks = nil // no $schema links in answers
	cfg.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"session":  {Type: "apiKey", In: "cookie", Name: session.Cookie, Description: "The browser session of somebody who signed in."},
		"key":      {Type: "http", Scheme: "bearer", BearerFormat: "dbp_…", Description: "A personal key. It acts for its holder, in its org alone, and makes no other credential."},
		"operator": {Type: "http", Scheme: "bearer", BearerFormat: "dbo_…", Description: "A token of the operator. It runs the installation, and manages nobody's users."},
	}
	cfg.Security = []map[string][]string{{"session": {}}, {"key": {}}}
	a := &API{opt: o, mux: mux}
	h := humago.New(mux, cfg)
	h.UseMiddleware(a.signedIn(h), a.careful(h))
	a.orgs(h)
	a.accounts(h)
	a.people(h)
	a.invitations(h)
	a.rules(h)
	a.connections(h)
	a.keys(h)
	a.removal(h)
	a.breaker(h)
	a.drift(h)
	a.scim(h)
	a.streams(h)
	a.feeds(h)
	a.groups(h)
	a.recovery(h)
	a.contact(h)
	a.tickets(h)
	a.factors(h)
	a.me(h)
	a.entitlements(h)
	a.audit(h)
	a.operator(h)
	describe(h)
	return a, h
}

// schemaName keeps a word of the house and the API's view of it apart: both may be called Held.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	if strings.HasSuffix(t.PkgPath(), "/account") {
		return "Word" + name
	}
	return name
}

// A visitor is who makes a request.
type visitor struct {
	user    account.UserID
	account account.AccountID       // Nowhere when their session works in none
	key     account.KeyID           // that spoke for them; empty: a browser session
	since   time.Time               // when they last proved who they are; zero with a key
	token   account.OperatorTokenID // an operator's program; all else is empty
	places  []account.Place         // where their session may work

	emergency bool // their session is one of emergency access
}

// name is who may hear again what they were answered.
func (v visitor) name() string {
	switch {
	case v.token != "":
		return "operator:" + string(v.token)
	case v.key != "":
		return "key:" + string(v.key)
	}
	return "user:" + string(v.user) + "@" + string(v.account)
}

type visitorKey struct{}

// signedIn lets only requests of a live session or with a good key through, and what is done in person by a session alone. A request that shows a bearer token is judged by that
// alone: what the browser adds to it by itself counts for nothing then.
func (a *API) signedIn(h huma.API) func(huma.Context, func(huma.Context)) {
	return func(c huma.Context, next func(huma.Context)) {
		r, _ := humago.Unwrap(c)
		c.SetHeader("Cache-Control", "no-store")
		if _, known := c.Context().Value(visitorKey{}).(visitor); known { // the GET before a change, see ifMatch
			next(c)
			return
		}
		v, err := a.visitor(r)
		if err != nil {
			c.SetHeader("WWW-Authenticate", `Bearer realm="drawbridge"`) // RFC 9110 section 11.6.1
			known := web.ProblemOf(r.Context(), err)                     // a store that does not answer is no reason to sign in again
			_ = huma.WriteErr(h, c, known.Status, known.Detail, err)
			return
		}
		if inSession(c.Operation()) && (v.key != "" || v.token != "") {
			err := account.Errorf(account.Forbidden, "This is done in person: neither a key nor a token will do.").Coded("session_needed").Fix("Sign in with a browser, and do it there.")
			_ = huma.WriteErr(h, c, http.StatusForbidden, err.Error(), err)
			return
		}
		next(huma.WithValue(c, visitorKey{}, v))
	}
}

func (a *API) visitor(r *http.Request) (visitor, error) {
	if shown := r.Header.Get("Authorization"); shown != "" {
		scheme, token, _ := strings.Cut(shown, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			token = "" // as good as a mistyped key
		}
		secret := account.NewSecret(strings.TrimSpace(token))
		if keys.Is(keys.Operator, secret.Reveal()) {
			t, err := a.opt.Ledger.VerifyOperatorToken(r.Context(), secret)
			return visitor{token: t.ID}, err
		}
		k, err := a.opt.Ledger.VerifyKey(r.Context(), secret)
		if err != nil {
			return visitor{}, err
		}
		return visitor{user: k.User.ID, account: k.Account.ID, key: k.Key.ID}, nil
	}
	p, err := session.FromRequest(a.opt.Ledger, r)
	return visitor{user: p.User.ID, account: account.WorkingIn(p.Account.ID), since: p.Session.ProvedAt(), emergency: p.Session.Method == account.ByRecovery, places: p.Tenancies}, err
}

// caller is who makes the request, as verbs want it.
func caller(ctx context.Context) account.Actor {
	v, _ := ctx.Value(visitorKey{}).(visitor)
	if v.token != "" {
		return request.As(ctx, account.Actor{Kind: account.ActorOperator, Token: v.token})
	}
	return request.As(ctx, account.Actor{Kind: account.ActorUser, User: v.user, Account: v.account, Key: v.key, BreakGlass: v.emergency})
}

// freshness is how long ago the sign-in of somebody may be who makes a credential (KEY-5).
const freshness = 30 * time.Minute

// fresh asks for a recent sign-in in a browser; a key makes no other credential.
func (a *API) fresh(ctx context.Context) error {
	v, _ := ctx.Value(visitorKey{}).(visitor)
	if v.key != "" {
		return account.Errorf(account.Forbidden, "A key makes no other credential.").Coded("session_needed").Fix("Sign in with a browser, and make it there.")
	}
	return session.Fresh(account.Presence{Session: account.Session{CreatedAt: v.since}}, freshness, a.opt.Now())
}

// inPerson marks an operation that a key cannot do; signedIn sees to it.
func inPerson(o huma.Operation) huma.Operation {
	o.Security = []map[string][]string{{"session": {}}}
	return o
}

// An OrgPath names the org that an operation works in, by its exact name. It is exported because huma passes over
// what an input embeds under a lower-case name.
type OrgPath struct {
	Org string `path:"org" maxLength:"64" doc:"Exact name of the org."`
}

// in finds the org for the caller; another tenant's org does not exist for them.
func (a *API) in(ctx context.Context, org string) (account.Account, account.Org, error) {
	return a.opt.Ledger.OrgByName(ctx, caller(ctx), org)
}

// op describes one operation; every one of them can answer with a problem.
func op(method, path, id, summary string) huma.Operation {
	return huma.Operation{Method: method, Path: "/api/v1" + path, OperationID: id, Summary: summary, MaxBodyBytes: 64 << 10,
		Errors: []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity}}
}

// created is op for what makes something.
func created(path, id, summary string) huma.Operation {
	o := op(http.MethodPost, path, id, summary)
	o.DefaultStatus = http.StatusCreated
	return o
}

// A body wraps what an operation answers with.
type body[T any] struct{ Body T }

func answer[T any](ctx context.Context, v T, err error) (*body[T], error) {
	if err != nil {
		return nil, problem(ctx, err)
	}
	return &body[T]{Body: v}, nil
}

// nothing is a 204.
func nothing(ctx context.Context, err error) (*struct{}, error) {
	if err != nil {
		return nil, problem(ctx, err)
	}
	return nil, nil
}
