package store

import (
	"database/sql"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/directory"
)

// tables that grow with the people of a tenant, and the columns that all of its rows share.
var (
	growing  = regexp.MustCompile(`\b(SCAN|SEARCH) (users|tenancies|role_sources|login_identities|sessions|personal_keys|receipts|audit|r|m|v|d|u|t|scim_(?:resources|values|members|pending|requests))\b(.*)`)
	narrowed = regexp.MustCompile(`\((?:account_id=\?(?: AND )?|connection_id=\?(?: AND )?|kind=\?(?: AND )?)*\)$`)
)

// What a provider asks of one person or group touches their rows and not everybody's.
func TestPushesDoNotWalkThroughEverybody(t *testing.T) {
	h := newHouse(t, "sqlite:"+t.TempDir()+"/house.db")
	c := h.connect("okta", samlSettings())
	h.proves(h.acme.ID, "acme.example")
	push := Push{Pusher: Pusher{Account: h.acme.ID, Connection: c.ID, Options: account.DefaultSCIMOptions}}
	reading := func(name string) directory.Reading {
		return directory.Reading{Document: directory.Document{"userName": name, "externalId": "ext-" + name, "active": true,
			"emails": []any{map[string]any{"value": name, "type": "work"}}}}
	}
	statements := map[string]bool{}
	h.db.Traced = func(text string) { statements[text] = true }
	ana, err := h.Provision(h.ctx(), push, directory.User, reading("ana@acme.example"))
	h.ok(err)
	eng, err := h.Provision(h.ctx(), push, directory.Group, directory.Reading{Document: directory.Document{"displayName": "eng"}, Members: []string{ana.ID, "nobody-yet"}})
	h.ok(err)
	becomes := func(active bool) func(directory.Document) (directory.Patched, []string, error) {
		return func(d directory.Document) (directory.Patched, []string, error) {
			d = d.Clone()
			d["active"], d["externalId"] = active, fmt.Sprint("ext", active)
			return directory.Patched{Document: d}, nil, nil
		}
	}
	for _, active := range []bool{false, true} {
		_, err = h.Amend(h.ctx(), push, directory.User, ana.ID, becomes(active))
		h.ok(err)
	}
	_, err = h.Amend(h.ctx(), push, directory.Group, eng.ID, func(d directory.Document) (directory.Patched, []string, error) {
		return directory.Patched{Document: d, Members: []directory.MemberStep{{Op: directory.MembersRemove, IDs: []string{ana.ID}}, {Op: directory.MembersAdd, IDs: []string{ana.ID}}}}, nil, nil
	})
	h.ok(err)
	_, err = h.Provisioned(h.ctx(), push.Pusher, directory.User, ana.ID, true)
	h.ok(err)
	h.signedIn(h.login(c, "ext-true", "ana@acme.example", "eng"))
	h.ok(h.Deprovision(h.ctx(), push, directory.User, ana.ID))
	h.ok(h.Deprovision(h.ctx(), push, directory.Group, eng.ID))

	for _, attribute := range []string{"userName", "externalId", "id", "emails.value", "meta.lastModified"} {
		ref, found := pushedUsers.Named(attribute)
		if !found {
			t.Fatal(attribute)
		}
		where, err := directory.Compare(ref, map[bool]directory.Op{false: directory.Eq, true: directory.Gt}[attribute == "meta.lastModified"], "2030-01-01T00:00:00Z")
		h.ok(err)
		_, err = h.FindProvisioned(h.ctx(), push.Pusher, directory.Query{Parts: []directory.Part{{Kind: directory.User, Where: where}}, Count: 10})
		h.ok(err)
	}
	if len(statements) < 30 {
		t.Fatalf("only %d statements were made", len(statements))
	}
	db, err := sql.Open("sqlite", strings.TrimPrefix(h.url, "sqlite:"))
	h.ok(err)
	defer db.Close()
	h.db.Traced = nil
	for text := range statements {
		for _, step := range h.plan(db, text) {
			if m := growing.FindStringSubmatch(step); m != nil && (m[1] == "SCAN" || narrowed.MatchString(m[3])) {
				t.Errorf("%s\n%s", step, text)
			}
		}
	}
}

func (h *house) plan(db *sql.DB, text string) (steps []string) {
	h.Helper()
	if !regexp.MustCompile(`(?i)^\s*(select|insert|update|delete)`).MatchString(text) {
		return nil
	}
	statement, err := db.Prepare("EXPLAIN QUERY PLAN " + text)
	h.ok(err)
	defer statement.Close()
	rows, err := statement.Query(make([]any, strings.Count(text, "$"))...)
	h.ok(err)
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var step string
		h.ok(rows.Scan(&id, &parent, &unused, &step))
		steps = append(steps, step)
	}
	h.ok(rows.Err())
	return steps
}
