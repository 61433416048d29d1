package scim

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/directory"
)

const (
	usualPage   = 100
	longestPage = 500
	cursorAge   = time.Hour
)

// A wish is what a list request asks for, by query or by message.
type wish struct {
	filter, sortBy, sortOrder string
	start, count              *int
	cursor                    *string // "" asks for the first page (RFC 9865 §2)
	only, without             []string
}

// listOf is RFC 7644 §3.4.2.
func listOf(resources []any, total, start int) map[string]any {
	if resources == nil {
		resources = []any{}
	}
	return map[string]any{"schemas": []string{listURN}, "totalResults": total, "startIndex": start, "itemsPerPage": len(resources), "Resources": resources}
}

// list answers with resources of one kind, or from the root with those of all (RFC 7644 §3.4.2.1).
func (x *exchange) list(of ...directory.Kind) error {
	w := wish{filter: x.query.Get("filter"), sortBy: x.query.Get("sortBy"), sortOrder: x.query.Get("sortOrder"), only: x.query["attributes"], without: x.query["excludedAttributes"]}
	if x.query.Has("filter") && strings.TrimSpace(w.filter) == "" {
		return badFilter("The filter is empty.")
	}
	if x.query.Has("cursor") {
		c := x.query.Get("cursor")
		w.cursor = &c
	}
	code := directory.CodeValue
	if w.cursor != nil {
		code = "invalid_count"
	}
	for name, into := range map[string]**int{"startIndex": &w.start, "count": &w.count} {
		text := strings.TrimSpace(x.query.Get(name))
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil {
			return account.Errorf(account.Invalid, "%s is a number.", name).Coded(code)
		}
		*into = &n
	}
	return x.find(of, w)
}

// search is RFC 7644 §3.4.3.
func (x *exchange) search(of ...directory.Kind) error {
	m, err := x.message()
	if err != nil {
		return err
	}
	if yes, _ := says(m, searchURN); !yes {
		return badSyntax("schemas has to name %s.", searchURN)
	}
	w := wish{}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		v := m[key]
		if v == nil {
			continue
		}
		text, isText := v.(string)
		number, isNumber := v.(float64)
		n := int(number)
		ok := true
		switch strings.ToLower(key) {
		case "filter":
			w.filter, ok = text, isText
		case "sortby":
			w.sortBy, ok = text, isText
		case "sortorder":
			w.sortOrder, ok = text, isText
		case "cursor":
			w.cursor, ok = &text, isText
		case "startindex":
			w.start, ok = &n, isNumber
		case "count":
			w.count, ok = &n, isNumber
		case "attributes":
			w.only, ok = names(v)
		case "excludedattributes":
			w.without, ok = names(v)
		}
		if !ok {
			return account.Errorf(account.Invalid, "%s has the wrong type.", clip(key)).Coded(directory.CodeValue)
		}
	}
	return x.find(of, w)
}

// names reads a list of strings, or one string.
func names(v any) (out []string, ok bool) {
	if s, ok := v.(string); ok {
		return []string{s}, true
	}
	list, ok := v.([]any)
	for _, e := range list {
		s, text := e.(string)
		ok = ok && text
		out = append(out, s)
	}
	return out, ok
}

func (x *exchange) find(of []directory.Kind, w wish) error {
	q := directory.Query{Count: usualPage}
	if w.count != nil {
		// RFC 7644 §3.4.2.4: below 0 counts as 0.
		q.Count = min(max(*w.count, 0), longestPage)
	}
	if w.start != nil {
		q.Start = max(*w.start-1, 0)
	}
	types, views := make([]directory.Type, len(of)), map[directory.Kind]directory.View{}
	for i, k := range of {
		types[i] = x.pusher.Type(k)
		views[k] = view(types[i], w.only, w.without)
		q.Parts = append(q.Parts, directory.Part{Kind: k, Beside: views[k].Shows(beside(k))})
	}
	if w.filter != "" {
		conditions, err := conditionsOf(types, w.filter)
		if err != nil {
			return err
		}
		for i, c := range conditions {
			q.Parts[i].Where = c
		}
	}
	if err := w.sort(types, &q); err != nil {
		return err
	}
	if w.cursor != nil {
		return x.page(of, w, q, views)
	}
	found, err := x.opt.Ledger.FindProvisioned(x.r.Context(), x.pusher, q)
	if err != nil {
		return err
	}
	x.answer(http.StatusOK, listOf(x.shown(found.Resources, views), found.Total, q.Start+1))
	return nil
}

func (x *exchange) shown(found []directory.Resource, views map[directory.Kind]directory.View) []any {
	out := make([]any, len(found))
	for i, r := range found {
		out[i] = show(x.pusher.Type(r.Kind), r, x.base, views[r.Kind])
	}
	return out
}

func (w wish) sort(types []directory.Type, q *directory.Query) error {
	switch strings.ToLower(w.sortOrder) {
	case "", "ascending":
	case "descending":
		q.Descending = true
	default:
		return account.Errorf(account.Invalid, "sortOrder is ascending or descending.").Coded(directory.CodeValue)
	}
	if w.sortBy == "" {
		q.Descending = false
		return nil
	}
	for i, t := range types {
		if ref, found := t.Named(w.sortBy); found && ref.Attr != nil {
			q.Sorted, q.Parts[i].SortBy = true, &ref
		}
	}
	if !q.Sorted {
		return account.Errorf(account.Invalid, "%q is no attribute to sort by.", clip(w.sortBy)).Coded(directory.CodeValue)
	}
	return nil
}

// A cursor is where the next page begins: behind a place. It is sealed together with the search that it belongs to.
type cursor struct {
	Made   int64  `json:"t"`
	ID     string `json:"i"`
	Bytes  []byte `json:"b,omitempty"` // of what is sorted by
	Number *int64 `json:"n,omitempty"`
	Null   bool   `json:"0,omitempty"`
}

func cursorAt(p directory.Place, now time.Time) cursor {
	c := cursor{Made: now.Unix(), ID: p.ID}
	switch key := p.Key.(type) {
	case []byte:
		c.Bytes = key
	case int64:
		c.Number = &key
	default:
		c.Null = true
	}
	return c
}

func (c cursor) place() *directory.Place {
	switch {
	case c.Number != nil:
		return &directory.Place{ID: c.ID, Key: *c.Number}
	case c.Null:
		return &directory.Place{ID: c.ID}
	}
	return &directory.Place{ID: c.ID, Key: append([]byte{}, c.Bytes...)}
}

// page answers with one page of RFC 9865, and has one more read to see whether there is a next one.
func (x *exchange) page(of []directory.Kind, w wish, q directory.Query, views map[directory.Kind]directory.View) error {
	scope := []string{string(x.pusher.Connection), w.filter, w.sortBy, strings.ToLower(w.sortOrder)}
	for _, k := range of {
		scope = append(scope, string(k))
	}
	now := x.opt.Now()
	q.Start = 0
	if *w.cursor != "" {
		var c cursor
		if json.Unmarshal([]byte(x.opt.Ledger.OpenCursor(*w.cursor, scope...)), &c) != nil {
			return account.Errorf(account.Invalid, "The cursor is none of this search.").Coded("invalid_cursor").Fix("Begin again with an empty cursor.")
		}
		if now.Sub(time.Unix(c.Made, 0)) > cursorAge {
			return account.Errorf(account.Invalid, "The cursor is older than an hour.").Coded("expired_cursor").Fix("Begin again with an empty cursor.")
		}
		q.After = c.place()
	}
	wanted := q.Count
	if wanted > 0 {
		q.Count++
	}
	found, err := x.opt.Ledger.FindProvisioned(x.r.Context(), x.pusher, q)
	if err != nil {
		return err
	}
	more := wanted > 0 && len(found.Resources) > wanted
	if more {
		found.Resources = found.Resources[:wanted]
	}
	resources := x.shown(found.Resources, views)
	out := map[string]any{"schemas": []string{listURN}, "totalResults": found.Total, "itemsPerPage": len(resources), "Resources": resources}
	if more {
		next, err := json.Marshal(cursorAt(found.Places[wanted-1], now))
		if err == nil {
			out["nextCursor"], err = x.opt.Ledger.SealCursor(string(next), scope...)
		}
		if err != nil {
			return err
		}
	}
	x.answer(http.StatusOK, out)
	return nil
}
