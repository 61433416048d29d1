package store

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/directory"
	"pgregory.net/rapid"
)

func (h *house) pusher() Pusher {
	h.Helper()
	c := h.connected().ID
	_, token, err := h.MintSCIMToken(h.ctx(), theOperator, c, time.Hour)
	h.ok(err)
	p, err := h.Pusher(h.ctx(), c, token)
	h.ok(err)
	return p
}

var pushedUsers = directory.Type{Kind: directory.User}

func word() *rapid.Generator[string] {
	return rapid.SampledFrom([]string{"", "a", "A", "ab", "B", "Ä", "ä", "%", "_", "a%b", "'", `"`, "work", "Work", "home", "É", "ZZ", "straße", "STRASSE", "a@acme.example"})
}

func someUser(n int) *rapid.Generator[map[string]any] {
	return rapid.Custom(func(t *rapid.T) map[string]any {
		u := map[string]any{"userName": fmt.Sprintf("%s%d", word().Draw(t, "userName"), n)}
		for _, a := range []string{"title", "displayName", "externalId"} {
			if s := word().Draw(t, a); s != "" {
				u[a] = s
			}
		}
		if rapid.Bool().Draw(t, "has active") {
			u["active"] = rapid.Bool().Draw(t, "active")
		} else {
			u["active"] = true
		}
		u["name"] = map[string]any{"givenName": word().Draw(t, "given")}
		var emails []any
		for range rapid.IntRange(0, 3).Draw(t, "emails") {
			emails = append(emails, map[string]any{"value": word().Draw(t, "value"), "type": word().Draw(t, "type")})
		}
		u["emails"] = emails
		u[directory.EnterpriseURN] = map[string]any{"department": word().Draw(t, "department"), "manager": map[string]any{"value": word().Draw(t, "manager")}}
		return u
	})
}

func someCondition(depth int) *rapid.Generator[*directory.Condition] {
	leaf := func(t *rapid.T, names []string) *directory.Condition {
		ref, ok := pushedUsers.Named(rapid.SampledFrom(names).Draw(t, "attribute"))
		if !ok {
			t.Fatal("no such attribute")
		}
		op := rapid.SampledFrom([]directory.Op{directory.Eq, directory.Ne, directory.Co, directory.Sw, directory.Ew, directory.Gt, directory.Ge, directory.Lt, directory.Le, directory.Pr}).Draw(t, "op")
		var value any = word().Draw(t, "value")
		if ref.Leaf().Type == directory.Boolean {
			op, value = rapid.SampledFrom([]directory.Op{directory.Eq, directory.Ne}).Draw(t, "op"), rapid.Bool().Draw(t, "value")
		}
		c, err := directory.Compare(ref, op, value)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	return rapid.Custom(func(t *rapid.T) *directory.Condition {
		kind := 0
		if depth > 0 {
			kind = rapid.IntRange(0, 4).Draw(t, "kind")
		}
		sub := func(names []string) *directory.Condition { return leaf(t, names) }
		switch kind {
		case 1, 2:
			op := directory.And
			if kind == 2 {
				op = directory.Or
			}
			return &directory.Condition{Op: op, Args: []*directory.Condition{someCondition(depth-1).Draw(t, "left"), someCondition(depth-1).Draw(t, "right")}}
		case 3:
			return &directory.Condition{Op: directory.Not, Args: []*directory.Condition{someCondition(depth-1).Draw(t, "inner")}}
		case 4:
			emails, _ := pushedUsers.Named("emails")
			parts := []string{"emails.value", "emails.type"}
			inner := &directory.Condition{Op: rapid.SampledFrom([]directory.Op{directory.And, directory.Or}).Draw(t, "op"), Args: []*directory.Condition{sub(parts), sub(parts)}}
			if rapid.Bool().Draw(t, "not") {
				inner = &directory.Condition{Op: directory.Not, Args: []*directory.Condition{inner}}
			}
			return &directory.Condition{Op: directory.Any, Ref: emails, Args: []*directory.Condition{inner}}
		}
		return sub([]string{"userName", "externalId", "title", "displayName", "active", "name.givenName", "emails", "emails.type", directory.EnterpriseURN + ":department", directory.EnterpriseURN + ":manager"})
	})
}

// A search means the same to SQLite, to PostgreSQL, and to the document itself.
func TestASearchFindsWhatTheDocumentsSay(t *testing.T) {
	each(t, func(h *house) {
		p := h.pusher()
		all := map[string]directory.Document{}
		for n := range 60 {
			body := someUser(n).Example(n)
			in, err := pushedUsers.Read(body)
			h.ok(err)
			r, err := h.Provision(h.ctx(), Push{Pusher: p, Request: account.SCIMRequest{At: h.clock.now()}}, directory.User, in)
			h.ok(err)
			all[r.ID] = r.Document
		}
		rapid.Check(t, func(rt *rapid.T) {
			c := someCondition(3).Draw(rt, "condition")
			found, err := h.FindProvisioned(h.ctx(), p, directory.Query{Parts: []directory.Part{{Kind: directory.User, Where: c}}, Count: 1000})
			if err != nil {
				rt.Fatal(err)
			}
			var got, want []string
			for _, r := range found.Resources {
				got = append(got, r.ID)
			}
			for id, d := range all {
				if c.Matches(pushedUsers, d) {
					want = append(want, id)
				}
			}
			slices.Sort(want)
			if !slices.Equal(got, want) || found.Total != len(want) {
				rt.Fatalf("found %d of %d (%d counted)\ngot  %v\nwant %v", len(got), len(want), found.Total, got, want)
			}
		})
	})
}

// Pages of any order hold each resource once; who has no value comes last, and first when descending.
func TestPagesDoNotOverlap(t *testing.T) {
	each(t, func(h *house) {
		p := h.pusher()
		for n := range 23 {
			in, err := pushedUsers.Read(someUser(n).Example(n + 100))
			h.ok(err)
			_, err = h.Provision(h.ctx(), Push{Pusher: p, Request: account.SCIMRequest{At: h.clock.now()}}, directory.User, in)
			h.ok(err)
		}
		for _, by := range []string{"userName", "title", "emails", "externalId", "meta.created", "name.givenName", directory.EnterpriseURN + ":department"} {
			for _, down := range []bool{false, true} {
				ref, _ := pushedUsers.Named(by)
				seen := map[string]bool{}
				var keys []string
				take := func(page directory.Page) {
					if page.Total != 23 {
						h.Fatalf("%s: %d in all", by, page.Total)
					}
					for _, r := range page.Resources {
						seen[r.ID] = true
						if by == "title" || by == "userName" {
							keys = append(keys, directory.Fold(r.Document.Text(by)))
						}
					}
				}
				q := directory.Query{Parts: []directory.Part{{Kind: directory.User, SortBy: &ref}}, Sorted: true, Descending: down, Count: 5}
				for ; q.Start < 23; q.Start += 5 {
					page, err := h.FindProvisioned(h.ctx(), p, q)
					h.ok(err)
					take(page)
				}
				// The same pages by their places.
				byStart := seen
				seen, q.Start = map[string]bool{}, 0
				for n := 0; n < 23; n += 5 {
					page, err := h.FindProvisioned(h.ctx(), p, q)
					h.ok(err)
					take(page)
					if len(page.Places) == 0 {
						h.Fatalf("%s (descending %t): nothing stands behind %+v", by, down, q.After)
					}
					q.After = &page.Places[len(page.Places)-1]
				}
				if len(byStart) != 23 || len(keys)%2 != 0 || !slices.Equal(keys[:len(keys)/2], keys[len(keys)/2:]) {
					h.Errorf("%s: by places another order than by numbers", by)
				}
				keys = keys[:len(keys)/2]
				if len(seen) != 23 {
					h.Errorf("%s: %d of 23 seen", by, len(seen))
				}
				for i := 1; i < len(keys); i++ {
					a, b := keys[i-1], keys[i]
					if down {
						a, b = b, a
					}
					if a == "" && b != "" || b != "" && strings.Compare(a, b) > 0 {
						h.Errorf("%s (descending %t): %q stands before %q", by, down, keys[i-1], keys[i])
					}
				}
			}
		}
	})
}
