package store

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/estate"
	"github.com/drawbridge-id/drawbridge/keys"
)

// pushedFile is globexFile with a way to push people through "entra".
func pushedFile(scim string) string {
	at := `client_secret: between-us}
      - name: next`
	return strings.Replace(globexFile, at, "client_secret: between-us}\n        scim:\n"+scim+"      - name: next", 1)
}

// Whoever keeps the installation in a file replaces a provider's token there: the successor is listed, then the first one is not.
func TestAnEstateFileBringsTheTokensOfAProvider(t *testing.T) {
	each(t, func(h *house) {
		first, second := keys.Mint(keys.Directory, rand.Reader), keys.Mint(keys.Directory, rand.Reader)
		line := func(token, end string) string { return "            - {token: " + token + ", expires: " + end + "}\n" }
		only := pushedFile("          subject: userName\n          groups: replace\n          tokens:\n" + line(first, "2030-12-31"))
		d := h.applied(only)
		c := d.Accounts[0].Connections[0].ID
		good := func(raw string) bool {
			_, err := h.Pusher(h.ctx(), c, account.NewSecret(raw))
			return err == nil
		}
		p, err := h.Pusher(h.ctx(), c, account.NewSecret(first))
		h.ok(err)
		if p.Options != (account.SCIMOptions{Subject: account.SubjectUserName, Groups: account.GroupsReplace}) {
			h.Errorf("options %+v", p.Options)
		}
		if want := time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC); !p.Token.ExpiresAt.Equal(want) || p.Token.CreatedBy != theOperator.String() {
			h.Errorf("%+v, want it to end at %s", p.Token, want)
		}
		for _, change := range d.Changes {
			if strings.Contains(change.String(), first) {
				h.Errorf("the audit log holds the token: %s", change)
			}
		}
		if again := h.applied(only); !again.Empty() {
			h.Errorf("applied again: %v", again.Changes)
		}

		both := pushedFile("          subject: userName\n          groups: replace\n          tokens:\n" + line(first, "2030-12-31") + line(second, "2031-06-30T12:00:00Z"))
		dry, _, err := h.Apply(h.ctx(), theOperator, h.file(both), ApplyOptions{DryRun: true})
		h.ok(err)
		if len(dry.Changes) != 1 || good(second) {
			h.Errorf("the dry run told of %v; the token works: %v", dry.Changes, good(second))
		}
		h.applied(both)
		if !good(first) || !good(second) {
			h.Error("while it is replaced, both work")
		}
		h.applied(pushedFile("          subject: userName\n          groups: replace\n          tokens:\n" + line(second, "2031-06-30T12:00:00Z")))
		if good(first) || !good(second) {
			h.Error("the one that is not listed any more still works")
		}
		if left := h.applied(globexFile); !left.Empty() || !good(second) {
			h.Errorf("a file that says nothing leaves everything alone: %v", left.Changes)
		}
		longer := h.applied(pushedFile("          subject: userName\n          groups: replace\n          tokens:\n" + line(second, "2032-06-30")))
		if len(longer.Changes) != 1 {
			h.Errorf("a later end: %v", longer.Changes)
		}
		h.clock.turn(2 * 365 * 24 * time.Hour)
		if !good(second) {
			h.Error("its end was moved, and it ends at the old one")
		}
	})
}

func TestAnEstateFileWithATokenThatCannotWorkIsRefusedWhole(t *testing.T) {
	each(t, func(h *house) {
		token := keys.Mint(keys.Directory, rand.Reader)
		apply := func(text string) error {
			_, _, err := h.Apply(h.ctx(), theOperator, h.file(text), ApplyOptions{})
			return err
		}
		for _, end := range []string{"2029-12-31", "2040-01-01"} {
			h.refuses(apply(pushedFile("          tokens: [{token: "+token+", expires: "+end+"}]\n")), account.Invalid, "")
		}
		twice := strings.Replace(pushedFile("          tokens: [{token: "+token+", expires: 2031-01-01}]\n"),
			"state: draft\n", "state: draft\n        scim: {tokens: [{token: "+token+", expires: 2031-01-01}]}\n", 1)
		h.refuses(apply(twice), account.Conflict, "token_taken")
		if _, _, err := h.OrgByName(h.ctx(), theOperator, "globex"); account.KindOf(err) != account.NotFound {
			h.Errorf("a part of it was applied: %v", err)
		}
		for _, text := range []string{
			"          tokens: [{token: dbc_mistyped, expires: 2031-01-01}]\n",
			"          tokens: [{token: " + token + "}]\n",
			"          tokens: [{token: " + token + ", expires: soon}]\n",
			"          tokens: [{token: " + token + ", expires: 2031-01-01}, {token: " + token + ", expires: 2031-01-01}]\n",
			"          subject: email\n",
			"          groups: both\n",
		} {
			_, err := estate.ParseWith(h.Catalogue(), []byte(pushedFile(text)), nil, nil)
			if p := estate.Problems(err); len(p) != 1 || p[0].Line != 17 || strings.Contains(err.Error(), token) {
				h.Errorf("%s: %v", text, err)
			}
		}
	})
}

// What a provider may remove, and what its company decided about removals, is in the file (K-18).
func TestAnEstateFileSaysWhatAProviderMayRemove(t *testing.T) {
	each(t, func(h *house) {
		text := strings.Replace(globexFile, "client_secret: between-us}\n      - name: next", `client_secret: between-us}
        breaker: {share: 5, within: 1h}
        sync_decision: {decision: none, acknowledged_by: Olaf Nyman, evidence: "<4711@globex.example>"}
      - name: next`, 1)
		d := h.applied(text)
		c := d.Accounts[0].Connections[0].ID
		have, err := h.Detection(h.ctx(), theOperator, c)
		h.ok(err)
		if want := (account.Breaker{Share: 5, Within: time.Hour, Least: account.DefaultBreaker.Least}); have.Breaker.Breaker != want {
			h.Errorf("breaker %+v", have.Breaker)
		}
		if have.Decision == nil || have.Decision.Decision != account.SyncNone || have.Decision.AcknowledgedBy != "Olaf Nyman" || have.Decision.RecordedBy != theOperator.String() {
			h.Errorf("decision %+v", have.Decision)
		}
		if again := h.applied(text); !again.Empty() {
			h.Errorf("applied again: %v", again.Changes)
		}
		if left := h.applied(globexFile); !left.Empty() {
			h.Errorf("a file that says nothing leaves everything alone: %v", left.Changes)
		}
		if off := h.applied(strings.Replace(text, "share: 5, within: 1h", "off: true", 1)); !off.has("connection.breaker_changed") || len(off.Changes) != 1 {
			h.Errorf("switched off: %v", off.Changes)
		}
		for old, bad := range map[string]string{"share: 5": "share: 500", "decision: none": "decision: maybe", "Olaf Nyman": "''"} {
			_, err := estate.ParseWith(h.Catalogue(), []byte(strings.Replace(text, old, bad, 1)), nil, nil)
			if p := estate.Problems(err); len(p) != 1 || p[0].Line < 16 || p[0].Line > 17 {
				h.Errorf("%s: %v", bad, err)
			}
		}
	})
}

// A webhook of the file is made once, with a secret that is shown once.
func TestAnEstateFileBringsWebhooks(t *testing.T) {
	each(t, func(h *house) {
		text := globexFile + "\n    webhooks: [{name: hr, url: \"https://hr.globex.example/hook\", events: [user.deactivated]}]\n"
		if _, secrets, err := h.Apply(h.ctx(), theOperator, h.file(text), ApplyOptions{DryRun: true}); err != nil || len(secrets) != 0 {
			h.Errorf("a dry run shows %v (%v)", secrets, err)
		}
		d, secrets, err := h.Apply(h.ctx(), theOperator, h.file(text), ApplyOptions{})
		h.ok(err)
		if secret := secrets["secret of webhook globex/hr"]; len(secrets) != 1 || secret.IsZero() {
			h.Errorf("secrets %v", secrets)
		}
		if again, secrets, err := h.Apply(h.ctx(), theOperator, h.file(text), ApplyOptions{}); err != nil || !again.Empty() || len(secrets) != 0 {
			h.Errorf("applied again: %v, %v, %v", again.Changes, secrets, err)
		}
		h.applied(strings.Replace(text, "/hook", "/people", 1))
		all, err := h.Feeds(h.ctx(), theOperator, d.Accounts[0].Account.ID)
		h.ok(err)
		if len(all) != 1 || all[0].URL != "https://hr.globex.example/people" || all[0].Kind != account.Webhook {
			h.Errorf("%+v", all)
		}
	})
}
