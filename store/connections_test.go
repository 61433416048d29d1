package store

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// fill gives every field of v a value, so that one that does not survive is noticed.
func fill(v reflect.Value, path string) {
	switch {
	case v.Type() == reflect.TypeFor[account.Secret]():
		v.Set(reflect.ValueOf(account.NewSecret("secret of " + path)))
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), path)
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), path+"/"+v.Type().Field(i).Name)
		}
	case v.Kind() == reflect.String:
		v.SetString("text of " + path)
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.Kind() == reflect.Int64:
		v.SetInt(int64(time.Duration(len(path)) * time.Second))
	case v.Kind() == reflect.Slice:
		v.Set(reflect.ValueOf([]string{path + "/0", path + "/1"}))
	default:
		panic(fmt.Sprintf("a new kind of field at %s: %s", path, v.Kind()))
	}
}

// THREAT SEC-1 ADM-3
func TestEveryFieldOfSettingsIsKeptAndEverySecretIsSealedApart(t *testing.T) {
	var full account.Settings
	fill(reflect.ValueOf(&full).Elem(), "")
	text, err := json.Marshal(full)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "secret of") {
		t.Fatalf("a secret has a JSON form: %s", text)
	}
	var back account.Settings
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	for name, field := range secretFields(&full) {
		*secretFields(&back)[name] = *field
	}
	if !reflect.DeepEqual(full, back) {
		t.Errorf("got  %+v\nwant %+v", back, full)
	}
}

// THREAT SEC-1 ADM-3
func TestClientSecretsAndPrivateKeysAreOnlyReadableWithTheKeyring(t *testing.T) {
	each(t, func(h *house) {
		s := oidcSettings()
		s.OIDC.OktaGroups = &account.OktaGroups{BaseURL: "https://acme.okta.example", Token: account.NewSecret("0kta-t0ken")}
		c := h.connect("okta", s)
		h.ok(last(h.SaveDraft(h.ctx(), theOperator, h.acme.ID, c.ID, "", s)))
		got, err := h.reopen().Connection(h.ctx(), c.ID)
		h.ok(err)
		if got.Live.OIDC.ClientSecret.Reveal() != "s3cret-client" || got.Draft.OIDC.OktaGroups.Token.Reveal() != "0kta-t0ken" || !reflect.DeepEqual(*got.Live, s) {
			h.Errorf("%+v", got)
		}
		keys, err := h.SPKeys(h.ctx(), c.ID)
		h.ok(err)
		if len(keys) != 1 || !keys[0].Active || !strings.Contains(keys[0].Private.Reveal(), "PRIVATE KEY") {
			h.Errorf("%+v", keys)
		}
		listed, err := h.Connections(h.ctx(), theOperator, h.acme.ID)
		h.ok(err)
		if !listed[0].Live.OIDC.ClientSecret.IsZero() {
			h.Error("a list carries secrets")
		}
		dump := h.dump()
		for _, secret := range []string{"s3cret-client", "0kta-t0ken", "PRIVATE KEY"} {
			if strings.Contains(dump, secret) {
				h.Errorf("%s is in the clear", secret)
			}
		}
		if strings.Contains(fmt.Sprintf("%+v %v", got, keys), "s3cret-client") {
			h.Error("a secret prints")
		}
	})
}

// THREAT SEC-1
func TestASealedValueOpensInItsOwnPlaceOnly(t *testing.T) {
	k, err := NewKeyring()
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := k.seal(account.NewSecret("s"), "acc_1", "con_1", "live/client_secret")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := k.open(sealed, "acc_1", "con_1", "live/client_secret"); err != nil || got.Reveal() != "s" {
		t.Errorf("%v %v", got, err)
	}
	for _, place := range [][]string{{"acc_2", "con_1", "live/client_secret"}, {"acc_1", "con_2", "live/client_secret"}, {"acc_1", "con_1", "draft/client_secret"}, {"acc_1con_1", "live/client_secret"}, {}} {
		if _, err := k.open(sealed, place...); err == nil {
			t.Errorf("opens at %q", place)
		}
	}
}

// THREAT ADM-3
func TestASecretLeftEmptyStaysButNeverGoesToAnotherAddress(t *testing.T) {
	each(t, func(h *house) {
		c := h.connect("okta", oidcSettings())
		again := oidcSettings()
		again.OIDC.ClientSecret, again.OIDC.Scopes = account.Secret{}, []string{"groups"}
		saved, err := h.SaveDraft(h.ctx(), theOperator, h.acme.ID, c.ID, "", again)
		h.ok(err)
		if saved.Draft.OIDC.ClientSecret.Reveal() != "s3cret-client" {
			h.Error("the secret is lost")
		}
		again.OIDC.Issuer = "https://evil.example"
		_, err = h.SaveDraft(h.ctx(), theOperator, h.acme.ID, c.ID, "", again)
		h.refuses(err, account.Invalid, "")
		if got, _ := h.Connection(h.ctx(), c.ID); got.Draft.OIDC.Issuer == "https://evil.example" {
			h.Error("saved all the same")
		}
	})
}

// REQ K-12 K-14 K-23
func TestADraftGoesLiveOnceItsTestHasPassed(t *testing.T) {
	each(t, func(h *house) {
		c := h.ruled()
		ana := asUser(h.owner("ana@acme.example"))
		next := samlSettings()
		next.SAML.EntityID = "https://new.acme.example"
		saved, err := h.SaveDraft(h.ctx(), ana, h.acme.ID, c.ID, "", next)
		h.ok(err)
		if saved.Live.SAML.EntityID != "https://idp.acme.example" || saved.LiveRevision != 1 {
			h.Errorf("a draft changes nothing for anybody: %+v", saved.Live.SAML)
		}
		h.signedIn(h.login(c, "bob", "bob@acme.example"))
		test := func(pass bool, meanwhile func()) error {
			f, err := h.StartFlow(h.ctx(), account.Flow{Connection: c.ID, Which: account.Draft, Test: true, TestBy: ana.String()})
			h.ok(err)
			pending, err := h.Diagnosis(h.ctx(), ana, f.Diagnosis)
			h.ok(err)
			if pending.Outcome != account.OutcomePending || pending.AskedBy != ana.String() {
				h.Errorf("%+v", pending)
			}
			meanwhile()
			h.ok(h.FinishTest(h.ctx(), ana, f, account.Diagnosis{Outcome: account.OutcomePassed, Email: "bob@acme.example",
				Groups:  account.GroupSet{State: account.GroupsComplete, Values: []string{"tested"}},
				Relying: []account.RelyingResult{{ID: "platform", Pass: true}, {ID: "registration", Pass: pass, Missing: []string{"name"}}}}))
			h.refuses(h.FinishTest(h.ctx(), ana, f, account.Diagnosis{Outcome: account.OutcomePassed}), account.NotFound, "no_test")
			h.refuses(last(h.Flow(h.ctx(), c.ID, f.Handle, "", f.Browser)), account.NotFound, "")
			return last(h.Promote(h.ctx(), ana, c.ID, false))
		}
		h.refuses(last(h.Promote(h.ctx(), ana, c.ID, false)), account.Conflict, "test_needed")
		h.refuses(last(h.Promote(h.ctx(), ana, c.ID, true)), account.Forbidden, "")
		h.refuses(test(false, func() {}), account.Conflict, "test_needed")
		h.refuses(test(true, func() { // the draft that passed is not the one that is there
			next.SAML.ForceAuthn = true
			h.ok(last(h.SaveDraft(h.ctx(), ana, h.acme.ID, c.ID, "", next)))
		}), account.Conflict, "test_needed")
		people, err := h.People(h.ctx(), ana, h.acme.ID, "", 100)
		h.ok(err)
		h.ok(test(true, func() {}))
		if after, _ := h.People(h.ctx(), ana, h.acme.ID, "", 100); len(after) != len(people) {
			h.Error("a login test made somebody")
		}
		live, err := h.Connection(h.ctx(), c.ID)
		h.ok(err)
		if live.Live.SAML.EntityID != "https://new.acme.example" || live.Draft != nil || live.LiveRevision != 2 || live.GroupsSeen.IsZero() {
			h.Errorf("%+v", live)
		}
		h.ok(last(h.Restore(h.ctx(), ana, c.ID, 1)))
		back, err := h.Connection(h.ctx(), c.ID)
		h.ok(err)
		if back.Live.SAML.EntityID != "https://idp.acme.example" || back.LiveRevision != 3 {
			h.Errorf("%+v", back.Live.SAML)
		}
		h.refuses(last(h.Restore(h.ctx(), ana, c.ID, 9)), account.Conflict, "no_revision")
		history, err := h.Revisions(h.ctx(), ana, c.ID, 10)
		h.ok(err)
		if len(history) != 2 || history[0].Revision != 2 || history[0].ReplacedBy != ana.String() {
			h.Errorf("%+v", history)
		}
		seen, err := h.IdPGroups(h.ctx(), ana, h.acme.ID)
		h.ok(err)
		if !strings.Contains(fmt.Sprint(seen), "tested") {
			h.Errorf("group values of a test are offered for rules: %+v", seen)
		}
	})
}

// REQ K-23
func TestRestoringBringsTheSecretsBackToo(t *testing.T) {
	each(t, func(h *house) {
		c := h.connect("idp", oidcSettings())
		s := oidcSettings()
		s.OIDC.ClientSecret = account.NewSecret("second")
		h.ok(last(h.SaveDraft(h.ctx(), theOperator, h.acme.ID, c.ID, "", s)))
		live, err := h.Promote(h.ctx(), theOperator, c.ID, true)
		h.ok(err)
		if live.Live.OIDC.ClientSecret.Reveal() != "second" {
			h.Error(live.Live.OIDC.ClientSecret.Reveal())
		}
		h.ok(last(h.Restore(h.ctx(), theOperator, c.ID, 1)))
		back, err := h.Connection(h.ctx(), c.ID)
		h.ok(err)
		if back.Live.OIDC.ClientSecret.Reveal() != "s3cret-client" {
			h.Error(back.Live.OIDC.ClientSecret.Reveal())
		}
	})
}

func TestSavingTheSameDraftAgainKeepsItsTest(t *testing.T) {
	each(t, func(h *house) {
		c, err := h.SaveDraft(h.ctx(), theOperator, h.acme.ID, "", "okta", samlSettings())
		h.ok(err)
		f, err := h.StartFlow(h.ctx(), account.Flow{Connection: c.ID, Which: account.Draft, Test: true})
		h.ok(err)
		h.ok(h.FinishTest(h.ctx(), theOperator, f, account.Diagnosis{Outcome: account.OutcomePassed}))
		h.ok(last(h.SaveDraft(h.ctx(), theOperator, h.acme.ID, c.ID, "okta", samlSettings())))
		h.refuses(last(h.Promote(h.ctx(), theOperator, c.ID, false)), account.Conflict, "sync_decision_needed")
		h.ok(last(h.RecordSyncDecision(h.ctx(), theOperator, c.ID, account.SyncDecision{Decision: account.SyncNone, AcknowledgedBy: "olga@acme.example", Evidence: "<1@acme.example>"})))
		h.ok(last(h.Promote(h.ctx(), theOperator, c.ID, false)))
		_, err = h.SaveDraft(h.ctx(), theOperator, h.acme.ID, "", "okta", samlSettings())
		h.refuses(err, account.Conflict, "name_taken")
		bad := samlSettings()
		bad.SAML.Certificates = nil
		_, err = h.SaveDraft(h.ctx(), theOperator, h.acme.ID, c.ID, "", bad)
		h.refuses(err, account.Invalid, "")
	})
}

func TestAKeyPairIsReplacedWhileBothArePublished(t *testing.T) {
	each(t, func(h *house) {
		c := h.connect("okta", samlSettings())
		old, err := h.SPKeys(h.ctx(), c.ID)
		h.ok(err)
		mine, err := newSPKey(h.clock.now())
		h.ok(err)
		wrong := account.SPKey{Certificate: mine.Certificate, Private: old[0].Private}
		h.refuses(last(h.RotateSPKey(h.ctx(), theOperator, c.ID, wrong)), account.Invalid, "")
		for range 2 { // the second one changes nothing
			id, err := h.RotateSPKey(h.ctx(), theOperator, c.ID, account.SPKey{Certificate: mine.Certificate, Private: mine.Private})
			h.ok(err)
			if id != mine.ID {
				h.Fatalf("the new key is called %s, its caller was told %s", mine.ID, id)
			}
		}
		both, err := h.SPKeys(h.ctx(), c.ID)
		h.ok(err)
		if len(both) != 2 || both[0].ID != old[0].ID || both[1].Private != mine.Private {
			h.Fatalf("%+v", both)
		}
		h.refuses(h.DropSPKey(h.ctx(), theOperator, c.ID, both[0].ID), account.Conflict, "key_active")
		h.ok(h.ActivateSPKey(h.ctx(), theOperator, c.ID, both[1].ID))
		h.ok(h.DropSPKey(h.ctx(), theOperator, c.ID, both[0].ID))
		one, err := h.SPKeys(h.ctx(), c.ID)
		h.ok(err)
		if len(one) != 1 || !one[0].Active || one[0].ID != both[1].ID {
			h.Errorf("%+v", one)
		}
	})
}

func TestNewMetadataIsAppliedUnlessItNeedsApproval(t *testing.T) {
	each(t, func(h *house) {
		s := samlSettings()
		s.SAML.MetadataURL = "https://idp.acme.example/metadata"
		c := h.connect("okta", s)
		h.connect("plain", samlSettings())
		job := account.Actor{Kind: account.ActorSystem, Job: "refresh"}
		due := func() int {
			all, err := h.MetadataDue(h.ctx(), time.Hour)
			h.ok(err)
			return len(all)
		}
		if due() != 1 {
			h.Fatalf("%d due", due())
		}
		next := *s.SAML
		next.SSOPost = "https://idp.acme.example/post"
		h.ok(h.RecordRefresh(h.ctx(), job, account.Refresh{Connection: c.ID, Hash: "h1", Settings: &next, Changes: []string{"SSO POST address added"}}))
		live, err := h.Connection(h.ctx(), c.ID)
		h.ok(err)
		if live.Live.SAML.SSOPost != next.SSOPost || live.LiveRevision != 2 || due() != 0 {
			h.Errorf("%+v, %d due", live.Live.SAML, due())
		}
		other := next
		other.EntityID = "https://evil.example"
		h.ok(h.RecordRefresh(h.ctx(), job, account.Refresh{Connection: c.ID, Hash: "h2", Settings: &other}))
		if live, err = h.Connection(h.ctx(), c.ID); err != nil || live.Live.SAML.EntityID != s.SAML.EntityID {
			h.Errorf("a new entity id never comes by itself: %+v", live.Live.SAML)
		}
		h.ok(h.RecordRefresh(h.ctx(), job, account.Refresh{Connection: c.ID, Err: fmt.Errorf("connection refused")}))
		h.ok(h.ApproveRefresh(h.ctx(), theOperator, c.ID))
		if live, err = h.Connection(h.ctx(), c.ID); err != nil || live.Live.SAML.EntityID != other.EntityID {
			h.Errorf("%+v", live.Live.SAML)
		}
		h.refuses(h.ApproveRefresh(h.ctx(), theOperator, c.ID), account.Conflict, "nothing_waiting")
		h.clock.turn(2 * time.Hour)
		if due() != 1 {
			h.Errorf("%d due", due())
		}
	})
}

// REQ K-13
func TestAPreviewSaysWhatASignInWouldLeadToAndChangesNothing(t *testing.T) {
	each(t, func(h *house) {
		c := h.ruled()
		h.rule(c, "ops", "registry:admin")
		by := account.Actor{Kind: account.ActorConnection, Connection: c.ID}
		p, err := h.Preview(h.ctx(), by, h.login(c, "ana", "ana@acme.example", "eng", "ops"))
		h.ok(err)
		if p.Existing || !account.HasRole(p.Roles, h.whole(), "registry:writer") || account.HasRole(p.Roles, h.whole(), "registry:admin") ||
			!account.HasRole(p.WithDrafts, h.whole(), "registry:admin") || p.AccountRole != account.Member {
			h.Errorf("%+v", p)
		}
		if len(p.Rules) != 2 || p.Rules[0].State != "active" || !p.Rules[0].Matched || p.Rules[1].State != "draft" || p.Rules[1].Group != "ops" || len(p.Rules[1].Gives) != 2 {
			h.Errorf("%+v", p.Rules)
		}
		h.refuses(last(h.PersonByEmail(h.ctx(), theOperator, h.acme.ID, "ana@acme.example")), account.NotFound, "")
		h.signedIn(h.login(c, "ana", "ana@acme.example", "eng"))
		p, err = h.Preview(h.ctx(), by, h.login(c, "ana", "ana@acme.example"))
		h.ok(err)
		if !p.Existing || !account.HasRole(p.Before, h.whole(), "registry:writer") || account.HasRole(p.Roles, h.whole(), "registry:writer") {
			h.Errorf("%+v", p)
		}
	})
}
