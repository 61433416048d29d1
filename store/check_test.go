package store

import (
	"database/sql"
	"strings"
	"testing"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/directory"
)

// What verbs leave passes the check; what somebody else did to a row is found.
func TestACheckFindsWhatNoVerbLeaves(t *testing.T) {
	each(t, func(h *house) {
		p := h.pusher()
		h.proves(h.acme.ID, "acme.example")
		push := Push{Pusher: p}
		user := func(name string) Result {
			r, err := h.Provision(h.ctx(), push, directory.User, directory.Reading{Document: directory.Document{"userName": name, "externalId": name, "active": true,
				"displayName": "Somebody", "emails": []any{map[string]any{"value": name, "type": "work"}}}})
			h.ok(err)
			return r
		}
		ana, ben := user("ana@acme.example"), user("ben@acme.example")
		_, err := h.Provision(h.ctx(), push, directory.Group, directory.Reading{Document: directory.Document{"displayName": "eng"}, Members: []string{ana.ID, "cleo@acme.example"}})
		h.ok(err)
		h.signedIn(h.login(account.Connection{ID: p.Connection}, "ana@acme.example", "ana@acme.example"))
		h.ok(h.Deprovision(h.ctx(), push, directory.User, ben.ID))
		check := func() []string {
			h.Helper()
			found, err := h.Check(h.ctx(), theOperator)
			h.ok(err)
			if found.Resources != 2 || found.Invariants < 10 {
				h.Errorf("checked %+v", found)
			}
			return found.Faults
		}
		if faults := check(); len(faults) > 0 {
			h.Fatalf("of its own making: %q", faults)
		}
		driver, source := "pgx", h.url
		if path, file := strings.CutPrefix(h.url, "sqlite:"); file {
			driver, source = "sqlite", path
		}
		db, err := sql.Open(driver, source)
		h.ok(err)
		defer db.Close()
		for _, harm := range []struct{ do, undo, says string }{
			{`UPDATE users SET state = 'disabled' WHERE email = 'ana@acme.example'`, `UPDATE users SET state = 'active' WHERE email = 'ana@acme.example'`, "disabled has no session"},
			{`UPDATE tenancies SET status = 'suspended' WHERE status = 'active'`, `UPDATE tenancies SET status = 'active' WHERE suspended_by = ''`, "suspended has no session"},
			{`UPDATE scim_members SET member_id = 'nobody'`, `UPDATE scim_members SET member_id = '` + ana.ID + `'`, "members are pushed resources"},
			{`UPDATE scim_values SET resource_id = 'nobody' WHERE resource_id = '` + ana.ID + `'`, `UPDATE scim_values SET resource_id = '` + ana.ID + `' WHERE resource_id = 'nobody'`, "values are those of a pushed resource"},
			{`UPDATE scim_values SET element = 7 WHERE path = 'displayName'`, `UPDATE scim_values SET element = 0 WHERE path = 'displayName'`, "searched by what its document says"},
			{`UPDATE scim_pending SET member_id = '` + ana.ID + `'`, `UPDATE scim_pending SET member_id = 'cleo@acme.example'`, "waits for nobody who is there"},
		} {
			_, err := db.Exec(harm.do)
			h.ok(err)
			if faults := strings.Join(check(), "\n"); !strings.Contains(faults, harm.says) {
				h.Errorf("%s: the check says %q", harm.do, faults)
			}
			_, err = db.Exec(harm.undo)
			h.ok(err)
		}
		if faults := check(); len(faults) > 0 {
			h.Errorf("afterwards: %q", faults)
		}
		if _, err := h.Check(h.ctx(), account.Actor{Kind: account.ActorSystem}); account.KindOf(err) != account.Forbidden {
			h.Errorf("somebody else: %v", err)
		}
	})
}
