package scim

import (
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
	view                      directory.View
}

// listOf is RFC 7644 §3.4.2.
func listOf(resources []any, total, start int) map[string]any {
	if resources == nil {
		resources = []any{}
	}
	return map[string]any{"schemas": []string{listURN}, "totalResults": total, "startIndex": start, "itemsPerPage": len(resources), "Resources": resources}
}

func (x *exchange) list(k directory.Kind) error {
	w := wish{filter: x.query.Get("filter"), sortBy: x.query.Get("sortBy"), sortOrder: x.query.Get("sortOrder"), view: x.view(k)}
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
	return x.find(k, w)
}

// search is RFC 7644 §3.4.3.
func (x *exchange) search(k directory.Kind) error {
	m, err := x.message()
	if err != nil {
		return err
	}
	if yes, _ := says(m, searchURN); !yes {
		return badSyntax("schemas has to name %s.", searchURN)
	}
	w := wish{}
	var only, without []string
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
			only, ok = names(v)
		case "excludedattributes":
			without, ok = names(v)
		}
		if !ok {
			return account.Errorf(account.Invalid, "%s has the wrong type.", clip(key)).Coded(directory.CodeValue)
		}
	}
	w.view = view(k, only, without)
	return x.find(k, w)
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

func (x *exchange) find(k directory.Kind, w wish) error {
	q := directory.Query{Count: usualPage, Members: w.view.Shows(beside(k))}
	if w.count != nil {
		// RFC 7644 §3.4.2.4: below 0 counts as 0.
		q.Count = min(max(*w.count, 0), longestPage)
	}
	if w.start != nil {
		q.Start = max(*w.start-1, 0)
	}
	if w.filter != "" {
		c, err := conditionOf(k, w.filter)
		if err != nil {
			return err
		}
		q.Where = c
	}
	if err := w.sort(k, &q); err != nil {
		return err
	}
	if w.cursor != nil {
		return x.page(k, w, q)
	}
	found, total, err := x.opt.Ledger.FindProvisioned(x.r.Context(), x.pusher, k, q)
	if err != nil {
		return err
	}
	x.answer(http.StatusOK, listOf(x.shown(found, w.view), total, q.Start+1))
	return nil
}

func (x *exchange) shown(found []directory.Resource, v directory.View) []any {
	out := make([]any, len(found))
	for i, r := range found {
		out[i] = show(r, x.base, v)
	}
	return out
}

func (w wish) sort(k directory.Kind, q *directory.Query) error {
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
	ref, found := directory.Named(k, w.sortBy)
	if !found || ref.Attr == nil {
		return account.Errorf(account.Invalid, "%q is no attribute to sort by.", clip(w.sortBy)).Coded(directory.CodeValue)
	}
	q.SortBy = &ref
	return nil
}

// page answers with one page of RFC 9865. A cursor is sealed together with the search that it belongs to, and holds where the next
// page begins: behind an id, or, when sorted, at a place.
func (x *exchange) page(k directory.Kind, w wish, q directory.Query) error {
	scope := []string{string(x.pusher.Connection), string(k), w.filter, w.sortBy, strings.ToLower(w.sortOrder)}
	now := x.opt.Now()
	q.Start = 0
	if *w.cursor != "" {
		at, from, ok := strings.Cut(x.opt.Ledger.OpenCursor(*w.cursor, scope...), " ")
		made, err := strconv.ParseInt(at, 10, 64)
		if !ok || err != nil {
			return account.Errorf(account.Invalid, "The cursor is none of this search.").Coded("invalid_cursor").Fix("Begin again with an empty cursor.")
		}
		if now.Sub(time.Unix(made, 0)) > cursorAge {
			return account.Errorf(account.Invalid, "The cursor is older than an hour.").Coded("expired_cursor").Fix("Begin again with an empty cursor.")
		}
		if q.SortBy == nil {
			q.After = from
		} else if q.Start, err = strconv.Atoi(from); err != nil {
			return err
		}
	}
	wanted := q.Count
	if wanted > 0 {
		q.Count++ // one more tells whether there is a next page
	}
	found, total, err := x.opt.Ledger.FindProvisioned(x.r.Context(), x.pusher, k, q)
	if err != nil {
		return err
	}
	next := ""
	if wanted > 0 && len(found) > wanted {
		found = found[:wanted]
		next = found[wanted-1].ID
		if q.SortBy != nil {
			next = strconv.Itoa(q.Start + wanted)
		}
	}
	resources := x.shown(found, w.view)
	out := map[string]any{"schemas": []string{listURN}, "totalResults": total, "itemsPerPage": len(resources), "Resources": resources}
	if next != "" {
		if out["nextCursor"], err = x.opt.Ledger.SealCursor(strconv.FormatInt(now.Unix(), 10)+" "+next, scope...); err != nil {
			return err
		}
	}
	x.answer(http.StatusOK, out)
	return nil
}
