package scim

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/directory"
)

// mostBulk is how many operations a bulk request may have; each is a transaction of its own.
const mostBulk = 500

// reference marks a value that stands for the id of what another operation makes (RFC 7644 §3.7.2).
const reference = "bulkId:"

// A bulk is a bulk request being answered. What one operation refers to is made before it; who refer to each other in a circle are made
// without those references first and completed afterwards.
type bulk struct {
	*exchange
	operations []*operation
	named      map[string]*operation // the POST of each bulkId
	most       int                   // errors after which nothing more is run; 0: all are run
	errors     int
	depth      int
	owing      []*operation
}

type state int

const (
	waiting state = iota
	running
	done
)

// An operation is one of a bulk request, and what came of it.
type operation struct {
	method, path, bulkID, version string
	data                          map[string]any
	refs                          []string // bulkIds in path and data
	bad                           error    // why it cannot be run at all

	state  state
	status int
	id     string // of what a POST made
	answer map[string]any
	unmake bool // what it made is taken back
}

// bulk is RFC 7644 §3.7: each operation has the rights, checks and effects that it has when it is sent alone, and its failure leaves
// the others as they are. A token that is revoked meanwhile, or a connection that is switched off, ends those that are left.
func (x *exchange) bulk() error {
	m, err := x.message()
	if err != nil {
		return err
	}
	b := &bulk{exchange: x, named: map[string]*operation{}}
	if err := b.read(m); err != nil {
		return err
	}
	x.spend(x.pusher.Connection, len(b.operations)-1)
	answers := []any{}
	for _, o := range b.operations {
		b.run(o)
	}
	for _, o := range b.operations {
		if o.state == done {
			answers = append(answers, o.answer)
		}
	}
	x.answer(http.StatusOK, map[string]any{"schemas": []string{bulkResponseURN}, "Operations": answers})
	return nil
}

func (b *bulk) read(m map[string]any) error {
	if yes, _ := says(m, bulkURN); !yes {
		return badSyntax("schemas has to name %s.", bulkURN)
	}
	if v, given := get(m, "failOnErrors"); given && v != nil {
		n, ok := v.(float64)
		if !ok || n < 1 || n != float64(int(n)) {
			return account.Errorf(account.Invalid, "failOnErrors is a number of errors, from 1.").Coded(directory.CodeValue)
		}
		b.most = int(n)
	}
	v, _ := get(m, "Operations")
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		return badSyntax("A bulk request has a list of Operations that is not empty.")
	}
	if len(list) > mostBulk {
		// RFC 7644 §3.7.4: nothing of it is run.
		return account.Errorf(account.TooLarge, "A bulk request has at most %d operations; this one has %d.", mostBulk, len(list))
	}
	for _, e := range list {
		o := readBulkOperation(e)
		if o.bad == nil && o.method == http.MethodPost {
			if b.named[o.bulkID] != nil {
				o.bad = account.Errorf(account.Invalid, "The bulkId %q is that of an earlier operation.", clip(o.bulkID)).Coded(directory.CodeValue)
			} else {
				b.named[o.bulkID] = o
			}
		}
		b.operations = append(b.operations, o)
	}
	return nil
}

func readBulkOperation(e any) *operation {
	o := &operation{}
	m, ok := e.(map[string]any)
	if !ok {
		o.bad = badSyntax("An operation is an object.")
		return o
	}
	text := func(name string) string { v, _ := get(m, name); s, _ := v.(string); return s }
	o.method, o.path, o.bulkID, o.version = strings.ToUpper(text("method")), text("path"), text("bulkId"), text("version")
	v, given := get(m, "data")
	o.data, ok = v.(map[string]any)
	o.refs = references(map[string]any{"path": strings.Split(o.path, "/"), "data": o.data})
	kind, id, found := bulkPath(o.path)
	switch {
	case !found:
		o.bad = account.Errorf(account.NotFound, "There is no %q for operations; paths are those below /Users and /Groups.", clip(o.path))
	case o.method == http.MethodPost && id != "", id == "" && o.method != http.MethodPost:
		o.bad = &refusal{status: http.StatusMethodNotAllowed, detail: "POST is for /" + kind + ", PUT, PATCH and DELETE are for one of them."}
	case o.method == http.MethodPost && o.bulkID == "":
		o.bad = badSyntax("A POST needs a bulkId.")
	case o.method == http.MethodDelete:
	case o.method != http.MethodPost && o.method != http.MethodPut && o.method != http.MethodPatch:
		o.bad = &refusal{status: http.StatusMethodNotAllowed, detail: "Operations are POST, PUT, PATCH and DELETE."}
	case !given || !ok:
		o.bad = badSyntax("A %s needs data that is an object.", o.method)
	}
	return o
}

// bulkPath reads /Users, /Groups, or either with an id.
func bulkPath(path string) (endpoint, id string, ok bool) {
	rest, rooted := strings.CutPrefix(path, "/")
	endpoint, id, below := strings.Cut(rest, "/")
	_, ok = kinds[strings.ToLower(endpoint)]
	ok = ok && rooted && below == (id != "") && !strings.ContainsAny(id, "/?#%\\\x00") && strings.Trim(id, ".") == id
	return endpoint, id, ok
}

// references lists the bulkIds that stand in a value, each once.
func references(v any) (out []string) {
	seen := map[string]bool{}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			if id, ok := strings.CutPrefix(v, reference); ok && !seen[id] {
				seen[id], out = true, append(out, id)
			}
		case []string:
			for _, e := range v {
				walk(e)
			}
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for _, name := range slices.Sorted(maps.Keys(v)) {
				walk(v[name])
			}
		}
	}
	walk(v)
	return out
}

func (b *bulk) stopped() bool { return b.most > 0 && b.errors >= b.most }

// run runs an operation after what it refers to.
func (b *bulk) run(o *operation) {
	if o.state != waiting || b.stopped() {
		return
	}
	o.state = running
	b.depth++
	circle := false
	for _, ref := range o.refs {
		if t := b.named[ref]; t != nil && o.bad == nil {
			b.run(t)
			circle = circle || t.state == running && t.id == ""
		}
	}
	b.depth--
	if b.stopped() {
		o.state = waiting
	} else {
		b.try(o, circle)
	}
	switch {
	case o.state == waiting:
	case circle && o.status < 400:
		b.owing = append(b.owing, o)
	default:
		b.finish(o)
	}
	if b.depth == 0 {
		b.settle()
	}
}

// try runs an operation whose references are resolved, but for those that lead back to itself.
func (b *bulk) try(o *operation, circle bool) {
	if o.bad == nil {
		o.bad = b.unresolved(o, circle)
	}
	if o.bad != nil {
		b.failed(o, o.bad)
		return
	}
	b.send(o, o.method, b.fillPath(o.path), b.filled(o.data))
}

// unresolved says which reference leads nowhere.
func (b *bulk) unresolved(o *operation, circle bool) error {
	for _, ref := range o.refs {
		switch t := b.named[ref]; {
		case t == nil:
			return account.Errorf(account.Invalid, "No operation makes %q.", clip(reference+ref)).Coded(directory.CodeValue)
		case t.id == "" && !(circle && t.state == running):
			// RFC 7644 §3.7.1
			return account.Errorf(account.Conflict, "%q was not made.", clip(reference+ref))
		}
	}
	return nil
}

// settle completes who refer to each other. Who cannot be is taken away again.
func (b *bulk) settle() {
	owing := b.owing
	b.owing = nil
	for _, o := range owing {
		path := o.path + "/" + o.id
		if err := b.unresolved(o, false); err != nil {
			b.failed(o, err)
		} else if b.send(o, http.MethodPut, path, b.filled(o.data)); o.status < 400 {
			o.status = http.StatusCreated
		}
		if o.status >= 400 {
			why, status := o.answer, o.status
			o.unmake = true
			b.send(o, http.MethodDelete, path, nil)
			o.id, o.answer, o.status = "", why, status
		}
	}
	for _, o := range owing {
		b.finish(o)
	}
}

// finish writes down what came of an operation.
func (b *bulk) finish(o *operation) {
	o.state = done
	if o.status >= 400 {
		b.errors++
	}
	o.answer["method"], o.answer["status"] = o.method, strconv.Itoa(o.status)
	if o.bulkID != "" {
		o.answer["bulkId"] = o.bulkID
	}
	switch {
	case o.method == http.MethodPost && o.id != "":
		o.answer["location"] = b.base + o.path + "/" + o.id
	case o.method != http.MethodPost:
		o.answer["location"] = b.base + b.fillPath(o.path)
	}
}

func (b *bulk) failed(o *operation, err error) {
	e := translate(err)
	o.status, o.answer = e.Status, map[string]any{"response": e}
}

func (b *bulk) fillPath(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		if id, ok := strings.CutPrefix(p, reference); ok && b.named[id] != nil {
			parts[i] = b.named[id].id
		}
	}
	return strings.Join(parts, "/")
}

// filled is data with the ids in place of references. What is not made yet is left out: the value, and the object that it is part of.
func (b *bulk) filled(data map[string]any) map[string]any {
	if data == nil {
		return nil
	}
	out := make(map[string]any, len(data))
	for name, v := range data {
		if v, whole := b.fill(v); whole {
			out[name] = v
		}
	}
	return out
}

func (b *bulk) fill(v any) (filled any, whole bool) {
	switch v := v.(type) {
	case string:
		id, is := strings.CutPrefix(v, reference)
		if !is {
			return v, true
		}
		t := b.named[id]
		return t.id, t.id != ""
	case []any:
		out := make([]any, 0, len(v))
		for _, e := range v {
			if e, whole := b.fill(e); whole {
				out = append(out, e)
			}
		}
		return out, true
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, e := range v {
			e, whole := b.fill(e)
			if !whole {
				return nil, false
			}
			out[name] = e
		}
		return out, true
	}
	return v, true
}

// send runs one request as if it had come alone.
func (b *bulk) send(o *operation, method, path string, data map[string]any) {
	w := &captured{header: http.Header{}}
	r, err := http.NewRequestWithContext(b.r.Context(), method, path, nil)
	if err != nil {
		b.failed(o, account.Errorf(account.NotFound, "There is no %q.", clip(path)).Because(err))
		return
	}
	r.SetPathValue("rest", path)
	r.Header.Set("User-Agent", b.r.UserAgent())
	if o.version != "" && method == o.method {
		r.Header.Set("If-Match", o.version) // SC-B08
	}
	if data == nil {
		data = map[string]any{}
	}
	y := &exchange{Door: b.Door, w: w, r: r, pusher: b.pusher, base: b.base, data: data, unmakes: o.unmake}
	y.begin(path)
	y.line.Dialect = b.line.Dialect
	y.run()
	o.status, o.answer = w.status, map[string]any{}
	if tag := w.header.Get("ETag"); tag != "" {
		o.answer["version"] = tag
	}
	if w.status >= 400 {
		o.answer["response"] = json.RawMessage(w.body)
	} else if at := w.header.Get("Location"); method == http.MethodPost {
		o.id = at[strings.LastIndexByte(at, '/')+1:]
	}
}

// A captured is an answer that goes into another one.
type captured struct {
	header http.Header
	status int
	body   []byte
}

// Header implements http.ResponseWriter.
func (c *captured) Header() http.Header { return c.header }

// WriteHeader implements http.ResponseWriter.
func (c *captured) WriteHeader(status int) { c.status = status }

// Write implements io.Writer.
func (c *captured) Write(b []byte) (int, error) {
	if c.status == 0 {
		return 0, errors.New("scim: a body before its status")
	}
	c.body = append(c.body, b...)
	return len(b), nil
}
