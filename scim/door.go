// Package scim is the door for identity providers that push people and groups: SCIM 2.0 (RFC 7643, RFC 7644) with cursor
// paging (RFC 9865), once per connection, at /scim/{connection}/v2. A request comes in, one verb of the ledger is called, its result
// goes out in SCIM's words. Habits of real providers are understood and named where they are.
package scim

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/directory"
	"github.com/drawbridge-id/drawbridge/request"
	"github.com/drawbridge-id/drawbridge/store"
)

// Limit is how many bytes a body may have: 2 MB, enough for a group of 20,000 members.
const Limit = 2 << 20

// What of a request the log keeps, in bytes.
const (
	longestLine = 1000
	longestBody = 8000
)

// longestURL is less than the server takes as a header, so that who goes beyond it is told in SCIM's words.
const longestURL = 12 << 10

// Options are what the door needs.
type Options struct {
	Ledger    *store.Ledger
	PublicURL string // without a slash at the end
	Now       func() time.Time
	// Answered is told of each request, and of each operation of a bulk request: whose habits it has, its status, how long it took. It may be nil.
	Answered func(dialect string, status int, took time.Duration)
	Rate     float64 // requests a second of one connection, sustained
	Burst    float64 // and at once
}

// A Door answers SCIM requests. It is safe for concurrent use.
type Door struct {
	opt      Options
	buckets  *lru.Cache[account.ConnectionID, *bucket]
	dialects *lru.Cache[account.SCIMTokenID, account.SCIMDialect] // that the requests of a token were recognised by
	kinds    *lru.Cache[account.ConnectionID, kindOf]
}

// New makes a door.
func New(o Options) *Door {
	d := &Door{opt: o}
	d.buckets, _ = lru.New[account.ConnectionID, *bucket](4096) // an error means a size below 1
	d.kinds, _ = lru.New[account.ConnectionID, kindOf](4096)
	d.dialects, _ = lru.New[account.SCIMTokenID, account.SCIMDialect](4096)
	return d
}

// Tidy lets requests with stray slashes through to the door, which the mux would answer with a redirect that providers do
// not follow (SC-H14).
func Tidy(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/scim/") && (strings.Contains(r.URL.EscapedPath(), "//") || strings.HasSuffix(r.URL.Path, "/v2")) {
			u := *r.URL
			u.RawPath = squeeze(u.EscapedPath())
			if strings.HasSuffix(u.RawPath, "/v2") {
				u.RawPath += "/"
			}
			if path, err := url.PathUnescape(u.RawPath); err == nil {
				u.Path = path
				r = r.Clone(r.Context())
				r.URL = &u
			}
		}
		next.ServeHTTP(w, r)
	})
}

func squeeze(path string) string {
	for strings.Contains(path, "//") {
		path = strings.ReplaceAll(path, "//", "/")
	}
	return path
}

// An exchange is one request being answered.
type exchange struct {
	*Door
	w      http.ResponseWriter
	r      *http.Request
	pusher store.Pusher
	base   string // the connection's base URL
	query  url.Values
	line   account.SCIMRequest
	logged bool           // the request log has it with what it changed
	data   map[string]any // the body of one operation of a bulk request; nil: r's own
	// unmakes says that it takes back what an operation of a bulk request has made.
	unmakes bool
}

// begin begins the line of the request log.
func (x *exchange) begin(path string) {
	x.line = account.SCIMRequest{At: x.opt.Now().UTC(), Method: x.r.Method, Path: clipTo(path, longestLine), Agent: clipTo(x.r.UserAgent(), 200)}
	if len(path) > longestLine {
		x.lacks("the end of its path")
	}
}

// Serve answers everything below /scim/{connection}/v2/. Errors are SCIM's, whatever the request asked for.
func (d *Door) Serve(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	id, _ := account.ParseID[account.ConnectionID](r.PathValue("connection"))
	x := &exchange{Door: d, w: w, r: r, base: d.opt.PublicURL + "/scim/" + string(id) + "/v2"}
	x.begin(strings.TrimPrefix(r.URL.RequestURI(), "/scim/"+string(id)+"/v2"))
	var err error
	x.pusher, err = d.admit(ctx, id, r)
	x.recognise(byHeader(r.UserAgent(), r.URL.RawQuery))
	if err != nil {
		x.fail(err)
		x.count()
		return nil
	}
	request.Note(ctx, slog.String("connection", string(id)), slog.String("actor", x.by().String()), slog.String("verb", "scim"))
	x.run()
	return nil
}

// run answers a request that was let in, and has it in the request log.
func (x *exchange) run() {
	if err := x.serve(); err != nil {
		x.fail(err)
	}
	x.count()
	if x.logged && x.line.Status < 400 {
		return
	}
	x.line.Token = x.pusher.Token.ID
	ctx := x.r.Context()
	if err := x.opt.Ledger.JotRequest(ctx, x.pusher, x.line); err != nil {
		request.Note(ctx, slog.String("error", err.Error()))
	}
}

// count tells how a request ended, and how long it took.
func (x *exchange) count() {
	x.line.Took = x.opt.Now().Sub(x.line.At)
	if x.opt.Answered != nil {
		x.opt.Answered(string(x.line.Dialect), x.line.Status, x.line.Took)
	}
}

func clipTo(s string, n int) string {
	if len(s) > n {
		return strings.ToValidUTF8(s[:n], "") + "…"
	}
	return s
}

// admit reads the bearer token (RFC 6750 §2.1), before anything else is read.
func (d *Door) admit(ctx context.Context, c account.ConnectionID, r *http.Request) (store.Pusher, error) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	refused := account.Errorf(account.Unauthorized, "A bearer token of this connection is needed.")
	if !strings.EqualFold(scheme, "Bearer") || token == "" || c == "" {
		return store.Pusher{}, refused
	}
	// Who pastes "Bearer dbc_…" where the provider adds the word itself sends it twice (SC-A12).
	if word, _, ok := strings.Cut(strings.TrimSpace(token), " "); ok && strings.EqualFold(word, "Bearer") {
		return store.Pusher{}, refused.Fix("The word Bearer arrived twice: give the provider the token alone.")
	}
	p, err := d.opt.Ledger.Pusher(ctx, c, account.NewSecret(strings.TrimSpace(token)))
	if err != nil {
		return p, err
	}
	if wait := d.take(c); wait > 0 {
		return p, account.Errorf(account.TooMany, "This connection asks more than %g times a second.", d.opt.Rate).Fix("Wait %d seconds.", int(wait.Seconds())+1)
	}
	return p, nil
}

func (x *exchange) by() account.Actor {
	return request.As(x.r.Context(), account.Actor{Kind: account.ActorConnection, Connection: x.pusher.Connection})
}

// serve finds the endpoint (RFC 7644 §3.2).
func (x *exchange) serve() error {
	var err error
	// What does not parse must not count as absent: without its filter a search would answer with everything.
	if x.query, err = url.ParseQuery(x.r.URL.RawQuery); err != nil {
		return badFilter("The query does not parse: %v.", err)
	}
	if len(x.r.URL.RequestURI()) > longestURL {
		// RFC 9110 §15.5.15
		return &refusal{status: http.StatusRequestURITooLong, detail: "The URL has more than " + strconv.Itoa(longestURL) + " bytes.", header: http.Header{}}
	}
	path := strings.Trim(x.r.PathValue("rest"), "/")
	head, rest, _ := strings.Cut(path, "/")
	if k, ok := kinds[strings.ToLower(head)]; ok {
		switch {
		case rest == "":
			return x.byMethod(map[string]func() error{"GET": func() error { return x.list(k) }, "POST": func() error { return x.create(k) }})
		case rest == ".search":
			return x.byMethod(map[string]func() error{"POST": func() error { return x.search(k) }})
		}
		if strings.ContainsRune(rest, 0) || !utf8.ValidString(rest) {
			return account.Errorf(account.NotFound, "There is no such %s.", k)
		}
		return x.byMethod(map[string]func() error{
			"GET": func() error { return x.read(k, rest) }, "PUT": func() error { return x.replace(k, rest) },
			"PATCH": func() error { return x.patch(k, rest) }, "DELETE": func() error { return x.remove(k, rest) }})
	}
	switch strings.ToLower(head) {
	case "serviceproviderconfig":
		return x.discover(rest, serviceProviderConfig(x.base), nil)
	case "resourcetypes":
		return x.discover(rest, nil, x.resourceTypes())
	case "schemas":
		return x.discover(rest, nil, x.schemaDocuments())
	case "bulk":
		if rest == "" {
			return x.byMethod(map[string]func() error{"POST": x.bulk})
		}
	case "":
		return x.byMethod(map[string]func() error{"GET": func() error { return x.list(directory.User, directory.Group) }})
	case ".search":
		if rest == "" {
			return x.byMethod(map[string]func() error{"POST": func() error { return x.search(directory.User, directory.Group) }})
		}
	case "me":
		// RFC 7644 §3.11: a provider's token stands for no person.
		return &refusal{status: http.StatusNotImplemented, detail: head + " is not offered here; /ServiceProviderConfig says what is."}
	}
	return account.Errorf(account.NotFound, "There is no endpoint /%s.", clip(path)).Fix("Use /Users, /Groups, /Bulk, /ServiceProviderConfig, /ResourceTypes or /Schemas.")
}

func (x *exchange) byMethod(do map[string]func() error) error {
	method := x.r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	if f, ok := do[method]; ok {
		return f()
	}
	allowed := slices.Sorted(maps.Keys(do))
	return &refusal{status: http.StatusMethodNotAllowed, detail: "This endpoint takes " + strings.Join(allowed, ", ") + ".", header: http.Header{"Allow": {strings.Join(allowed, ", ")}}}
}

// discover answers with a document, or with one of a list (RFC 7644 §4).
func (x *exchange) discover(id string, single any, all []any) error {
	return x.byMethod(map[string]func() error{"GET": func() error {
		if x.query.Has("filter") {
			return account.Errorf(account.Forbidden, "This endpoint cannot be filtered.")
		}
		switch {
		case id == "" && single != nil:
			x.answer(http.StatusOK, single)
		case id == "":
			x.answer(http.StatusOK, listOf(all, len(all), 1))
		default:
			d, ok := one(all, id)
			if !ok {
				return account.Errorf(account.NotFound, "There is no %q here.", clip(id))
			}
			x.answer(http.StatusOK, d)
		}
		return nil
	}})
}

// message reads a body that is one JSON object, and keeps it for the request log without passwords.
func (x *exchange) message() (map[string]any, error) {
	if x.data != nil {
		x.keep(x.data)
		return x.data, nil
	}
	if ct := x.r.Header.Get("Content-Type"); ct != "" {
		media, _, err := mime.ParseMediaType(ct)
		if err != nil || media != mediaType && media != "application/json" {
			x.lacks("its body, which was not read")
			return nil, &refusal{status: http.StatusUnsupportedMediaType, detail: "The body is of type application/scim+json or application/json."}
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(x.w, x.r.Body, Limit))
	if err == nil {
		var m map[string]any
		if m, err = object(body); err == nil {
			x.keep(m)
			return m, nil
		}
	}
	x.lacks("its body, which does not read")
	return nil, err
}

func (x *exchange) lacks(what string) {
	if x.line.Lacks != "" {
		x.line.Lacks += " and "
	}
	x.line.Lacks += what
}

// keep takes a body into the request log, without passwords.
func (x *exchange) keep(m map[string]any) {
	x.recognise(byBody(m))
	masked := false
	raw, err := json.Marshal(redact(m, &masked))
	if err != nil {
		return
	}
	x.line.Body = clipTo(string(raw), longestBody)
	if masked {
		x.lacks("a password")
	}
	if len(raw) > longestBody {
		x.lacks("the end of its body")
	}
}

func (x *exchange) push() store.Push {
	p := store.Push{Pusher: x.pusher, By: x.by(), Request: x.line, Unmakes: x.unmakes}
	// RFC 7644 §3.14, RFC 9110 §13.1.1
	if match := x.r.Header.Get("If-Match"); match != "" {
		p.Matches = func(version int64) error {
			if matches(match, version) {
				return nil
			}
			return account.Errorf(account.Stale, "The resource was changed meanwhile; its version is %s.", tag(version)).Fix("Read it again.")
		}
	}
	return p
}

// matches compares entity tags weakly (RFC 9110 §8.8.3.2).
func matches(header string, version int64) bool {
	want := strings.TrimPrefix(tag(version), "W/")
	for t := range strings.SplitSeq(header, ",") {
		if t = strings.TrimSpace(t); t == "*" || strings.TrimPrefix(t, "W/") == want {
			return true
		}
	}
	return false
}

// view reads attributes and excludedAttributes (RFC 7644 §3.9); the first wins. Unknown names are ignored.
func view(t directory.Type, only, without []string) directory.View {
	var v directory.View
	read := func(names []string) (out []directory.Ref) {
		for _, list := range names {
			for name := range strings.SplitSeq(list, ",") {
				if ref, ok := t.Named(strings.TrimSpace(name)); ok {
					out = append(out, ref)
				}
			}
		}
		return out
	}
	if v.Only = read(only); len(v.Only) == 0 {
		v.Without = read(without)
		if len(only) > 0 && strings.TrimSpace(strings.Join(only, "")) != "" {
			id, _ := t.Named("id")
			v.Only, v.Without = []directory.Ref{id}, nil // asked for unknown ones alone
		}
	}
	return v
}

func (x *exchange) view(k directory.Kind) directory.View {
	return view(x.pusher.Type(k), x.query["attributes"], x.query["excludedAttributes"])
}

// beside is what of a resource the ledger keeps apart from its document.
func beside(k directory.Kind) string {
	if k == directory.User {
		return "groups"
	}
	return "members"
}

func (x *exchange) present(status int, r directory.Resource, v directory.View) {
	x.w.Header().Set("ETag", tag(r.Version))
	if status == http.StatusCreated {
		// RFC 7644 §3.3
		x.w.Header().Set("Location", location(x.base, r.Kind, r.ID))
	}
	x.answer(status, show(x.pusher.Type(r.Kind), r, x.base, v))
}

func (x *exchange) read(k directory.Kind, id string) error {
	v := x.view(k)
	r, err := x.opt.Ledger.Provisioned(x.r.Context(), x.pusher, k, id, v.Shows(beside(k)))
	if err != nil {
		return err
	}
	if none := x.r.Header.Get("If-None-Match"); none != "" && matches(none, r.Version) {
		x.w.Header().Set("ETag", tag(r.Version))
		x.answer(http.StatusNotModified, nil)
		return nil
	}
	x.present(http.StatusOK, r, v)
	return nil
}

func (x *exchange) create(k directory.Kind) error {
	m, err := x.message()
	if err != nil {
		return err
	}
	in, err := readResource(x.pusher.Type(k), m)
	if err != nil {
		return err
	}
	out, err := x.opt.Ledger.Provision(x.r.Context(), x.push(), k, in)
	if err != nil {
		return err
	}
	return x.changed(http.StatusCreated, out)
}

// changed answers with a resource as it is after a change.
func (x *exchange) changed(status int, out store.Result) error {
	x.logged = true
	v := x.view(out.Kind)
	if out.Kind == directory.Group && v.Shows("members") {
		r, err := x.opt.Ledger.Provisioned(x.r.Context(), x.pusher, out.Kind, out.ID, true)
		if err != nil {
			return err
		}
		out.Resource = r
	}
	x.present(status, out.Resource, v)
	return nil
}

func (x *exchange) replace(k directory.Kind, id string) error {
	m, err := x.message()
	if err != nil {
		return err
	}
	out, err := x.opt.Ledger.Amend(x.r.Context(), x.push(), k, id, func(directory.Document) (directory.Patched, []string, error) {
		in, err := readResource(x.pusher.Type(k), m)
		p := directory.Patched{Document: in.Document}
		if k == directory.Group {
			// RFC 7644 §3.5.1: what is left out is cleared, members too.
			p.Members = []directory.MemberStep{{Op: directory.MembersSet, IDs: in.Members}}
		}
		return p, in.Notes, err
	})
	if err != nil {
		return err
	}
	return x.changed(http.StatusOK, out)
}

func (x *exchange) patch(k directory.Kind, id string) error {
	m, err := x.message()
	if err != nil {
		return err
	}
	out, err := x.opt.Ledger.Amend(x.r.Context(), x.push(), k, id, func(d directory.Document) (directory.Patched, []string, error) {
		operations, notes, err := readPatch(x.pusher.Type(k), m)
		if err != nil {
			return directory.Patched{}, nil, err
		}
		p, err := x.pusher.Type(k).Apply(d, operations)
		return p, notes, err
	})
	if err != nil {
		return err
	}
	// RFC 7644 §3.5.2: 204 unless attributes are asked for. A group's members need not travel with each change of them.
	if k == directory.Group && !x.query.Has("attributes") {
		x.logged = true
		x.w.Header().Set("ETag", tag(out.Version))
		x.answer(http.StatusNoContent, nil)
		return nil
	}
	return x.changed(http.StatusOK, out)
}

func (x *exchange) remove(k directory.Kind, id string) error {
	if err := x.opt.Ledger.Deprovision(x.r.Context(), x.push(), k, id); err != nil {
		return err
	}
	x.logged = true
	x.answer(http.StatusNoContent, nil)
	return nil
}
