package store

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/rules"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// rule saves a rule.
func (h *house) rule(c account.Connection, group string, role account.Role) rules.Rule {
	h.Helper()
	return h.saved(rules.Definition{Name: string(role) + " for " + group, Connection: c.ID, Groups: []string{group},
		Targets: []rules.Target{{Roles: []account.Role{role}}}})
}

// ruled is acme with a connection, its domain, and one activated rule.
func (h *house) ruled() account.Connection {
	h.Helper()
	c := h.connect("okta", samlSettings())
	d := h.proves(h.acme.ID, "acme.example")
	h.ok(h.TieDomain(h.ctx(), theOperator, d.ID, c.ID))
	h.signedIn(h.login(c, "first", "first@acme.example", "everybody")) // the group claim has been seen
	h.rule(c, "eng", "registry:writer")
	h.activated(true)
	return c
}

// REQ L-12 L-16 L-21 T-05
func TestRolesFollowTheGroupsOfEachSignIn(t *testing.T) {
	each(t, func(h *house) {
		c := h.ruled()
		h.rule(c, "ops", "registry:admin") // stays a draft
		in := h.signedIn(h.login(c, "ana", "ana@acme.example", "eng", "ops"))
		if !in.Created || in.NoRoles || in.Several || len(in.Change.Grant) != 2 {
			h.Fatalf("%+v", in)
		}
		p, err := h.Presence(h.ctx(), in.Session.Token)
		h.ok(err)
		w := slices.IndexFunc(p.Roles, func(r account.Held) bool { return r.Role == "registry:writer" })
		if w < 0 || p.Roles[w].Sources[0].Group != "eng" || p.Rules[p.Roles[w].Sources[0].Rule] != "registry:writer for eng" {
			h.Errorf("writer, by the rule that gave it: %+v %v", p.Roles, p.Rules)
		}
		if account.HasRole(p.Roles, h.whole(), "registry:admin") || p.Tenancy.Role != account.Member {
			h.Errorf("%+v", p)
		}
		if !slices.Equal(p.Groups.Values, []string{"eng", "ops"}) || p.Groups.State != account.GroupsComplete {
			h.Errorf("groups last seen: %+v", p.Groups)
		}

		unknown := h.login(c, "ana", "ana@acme.example")
		unknown.Groups = account.GroupSet{State: account.GroupsUnknown, Why: "overage"}
		if kept := h.signedIn(unknown); !kept.Change.Empty() || kept.NoRoles || kept.Change.Skipped != rules.SkippedGroups {
			h.Errorf("unknown groups take nothing: %+v", kept.Change)
		}
		partial := h.login(c, "ana", "ana@acme.example", "ops")
		partial.Groups.State = account.GroupsIncomplete
		if kept := h.signedIn(partial); !kept.Change.Empty() {
			h.Errorf("incomplete groups take nothing: %+v", kept.Change)
		}
		absent := h.login(c, "ana", "ana@acme.example")
		absent.Groups = account.GroupSet{State: account.GroupsUnknown, Absent: true}
		out := h.signedIn(absent)
		if !out.NoRoles || len(out.Change.Revoke) != 2 {
			h.Errorf("no claim where one was seen before is no groups: %+v", out.Change)
		}
		again, err := h.Presence(h.ctx(), in.Session.Token)
		h.ok(err)
		if account.HasRole(again.Roles, h.whole(), "registry:writer") {
			h.Error("the older session still holds what was taken away")
		}
	})
}

// REQ K-23 T-05
func TestAMistypedClaimNameTakesNobodysRolesAway(t *testing.T) {
	each(t, func(h *house) {
		c := h.ruled()
		h.signedIn(h.login(c, "ana", "ana@acme.example", "eng"))
		s := samlSettings()
		s.Mapping.Groups = []string{"gruops"}
		_, err := h.SaveDraft(h.ctx(), theOperator, h.acme.ID, c.ID, "", s)
		h.ok(err)
		_, err = h.Promote(h.ctx(), theOperator, c.ID, true)
		h.ok(err)
		absent := h.login(c, "ana", "ana@acme.example")
		absent.Groups = account.GroupSet{State: account.GroupsUnknown, Absent: true}
		if in := h.signedIn(absent); in.NoRoles || !in.Change.Empty() {
			h.Errorf("%+v", in.Change)
		}
	})
}

// REQ L-14 L-19
func TestWhoMatchesNoRuleComesInAndHoldsNothing(t *testing.T) {
	each(t, func(h *house) {
		c := h.ruled()
		for range 2 {
			in := h.signedIn(h.login(c, "bob", "bob@acme.example", "everybody"))
			if !in.NoRoles {
				h.Errorf("%+v", in)
			}
			if d, err := h.Diagnosis(h.ctx(), theOperator, in.Diagnosis); err != nil || d.Outcome != account.OutcomePassed || d.Email != "bob@acme.example" {
				h.Errorf("the id that they quote leads to their sign-in: %+v %v", d, err)
			}
			p, err := h.Presence(h.ctx(), in.Session.Token)
			h.ok(err)
			if len(p.Roles) != 1 || p.Tenancy.Role != account.Member || p.Tenancy.Sources[0].Kind != account.SourceSignIn {
				h.Errorf("%+v", p)
			}
		}
	})
}

// REQ L-15 T-06
func TestASignInNeverChangesAnOwner(t *testing.T) {
	each(t, func(h *house) {
		c := h.ruled()
		h.owner("ana@acme.example")
		in := h.signedIn(h.login(c, "ana", "ana@acme.example", "eng"))
		p, err := h.Presence(h.ctx(), in.Session.Token)
		h.ok(err)
		if in.Change.Skipped != rules.SkippedOwner || !account.HasRole(p.Roles, h.whole(), account.Owner) || !account.HasRole(p.Roles, h.whole(), "registry:admin") ||
			account.HasRole(p.Roles, h.whole(), "registry:writer") {
			h.Errorf("%+v %+v", in.Change, p.Roles)
		}
		if l := h.auditHas(h.acme.ID, "user.signed_in", "done"); l.Detail["skipped"] != "owner" {
			h.Errorf("%+v", l)
		}
	})
}

// REQ H-07 K-01
func TestAPersonIsTheSameWhicheverConnectionTheyUse(t *testing.T) {
	each(t, func(h *house) {
		saml, oidc := h.ruled(), h.connect("entra", oidcSettings())
		added := h.person("ana@acme.example", account.Member)
		one := h.signedIn(h.login(saml, "00u1", "ana@acme.example"))
		two := h.signedIn(h.login(oidc, "tid/oid", "ana@acme.example"))
		if one.User.ID != added.ID || two.User.ID != added.ID || one.Created || two.Created {
			h.Errorf("%s %s %s", added.ID, one.User.ID, two.User.ID)
		}
		moved := h.signedIn(h.login(saml, "00u1", "ana.smith@acme.example")) // married
		if moved.User.ID != added.ID || moved.User.Email != "ana.smith@acme.example" {
			h.Errorf("a changed address keeps the person: %+v", moved.User)
		}
		h.person("bob@acme.example", account.Member)
		taken := h.signedIn(h.login(saml, "00u1", "bob@acme.example"))
		if taken.User.ID != added.ID || taken.User.Email != "ana.smith@acme.example" {
			h.Errorf("somebody else's address is not taken over: %+v", taken.User)
		}
		silent := h.login(saml, "00u1", "")
		if in := h.signedIn(silent); in.User.ID != added.ID {
			h.Errorf("%+v", in.User)
		}
	})
}

// THREAT OIDC-N2 OIDC-N3
func TestAnotherSubjectWithAnExistingAddressIsRefused(t *testing.T) {
	each(t, func(h *house) {
		s := samlSettings()
		c := h.connect("okta", s)
		h.proves(h.acme.ID, "acme.example")
		ana := h.signedIn(h.login(c, "00u1", "ana@acme.example"))
		_, err := h.comesIn(h.login(c, "00u2", "ana@acme.example"))
		h.turnsAway(err, "subject_changed")

		s.RelinkByEmail = true
		_, err = h.SaveDraft(h.ctx(), theOperator, h.acme.ID, c.ID, "", s)
		h.ok(err)
		_, err = h.Promote(h.ctx(), theOperator, c.ID, true)
		h.ok(err)
		unsaid := h.login(c, "00u2", "ana@acme.example")
		unsaid.EmailVerified = account.VerifiedUnsaid
		_, err = h.comesIn(unsaid)
		h.turnsAway(err, "subject_changed")
		again := h.signedIn(h.login(c, "00u2", "ana@acme.example"))
		if again.User.ID != ana.User.ID || again.Created {
			h.Errorf("%+v", again)
		}
		h.refuses(last(h.Presence(h.ctx(), ana.Session.Token)), account.Unauthorized, "")
		h.auditHas(h.acme.ID, "user.relinked", "done")
		_, err = h.comesIn(h.login(c, "00u9", ""))
		h.turnsAway(err, "email_missing")
		no := h.login(c, "00u9", "new@acme.example")
		no.EmailVerified = account.VerifiedNo
		_, err = h.comesIn(no)
		h.turnsAway(err, "email_unverified")
	})
}

// REQ K-08
// THREAT SAML-T1 SAML-T2 OIDC-X2
func TestNobodySpeaksForAnothersPeople(t *testing.T) {
	each(t, func(h *house) {
		c := h.ruled()
		globex, _, err := h.CreateAccount(h.ctx(), theOperator, "globex", "globex", "", account.Enterprise)
		h.ok(err)
		theirs := h.connectIn(globex.ID, "okta", samlSettings())
		ana := h.signedIn(h.login(c, "ana", "ana@acme.example"))
		_, err = h.comesIn(h.login(theirs, "ana", "ana@acme.example"))
		r := h.turnsAway(err, "domain_not_verified")
		if r.Step != account.StepDomains || r.Received != "acme.example" {
			h.Errorf("%+v", r)
		}
		claimed, err := h.ClaimDomain(h.ctx(), theOperator, globex.ID, "acme.example") // claiming is not holding
		h.ok(err)
		_, err = h.comesIn(h.login(theirs, "ana", "ana@acme.example"))
		h.turnsAway(err, "domain_not_verified")
		h.refuses(h.VouchDomain(h.ctx(), theOperator, claimed.ID), account.Conflict, "domain_held")
		for _, email := range []string{"ana@eu.acme.example", "ana@notacme.example", "ana@acme.example.globex.example"} {
			_, err = h.comesIn(h.login(c, "x", email))
			h.turnsAway(err, "domain_not_verified")
		}
		h.refuses(last(h.PersonByEmail(h.ctx(), theOperator, globex.ID, "ana@acme.example")), account.NotFound, "")
		dx, err := h.Diagnoses(h.ctx(), theOperator, c.ID, 10)
		h.ok(err)
		if len(dx) < 4 || dx[0].Outcome != account.OutcomeRefused || dx[0].Code != "domain_not_verified" || len(dx[0].Checks) == 0 {
			h.Errorf("the administrator sees why: %+v", dx)
		}
		if l := h.auditHas(h.acme.ID, "user.signed_in", "refused"); l.Reason != "domain_not_verified" || l.IP != "192.0.2.9" || l.Connection != c.ID {
			h.Errorf("%+v", l)
		}
		if _, err := h.Presence(h.ctx(), ana.Session.Token); err != nil {
			h.Errorf("ana is not bothered: %v", err)
		}
	})
}

// THREAT SAML-R4 SAML-R5 OIDC-F7
func TestEightCopiesOfOneResponseMakeOneSession(t *testing.T) {
	each(t, func(h *house) {
		c := h.ruled()
		replica := h.reopen()
		f, err := h.StartFlow(h.ctx(), account.Flow{Connection: c.ID, Which: account.Live, RequestID: "_1"})
		h.ok(err)
		login := h.login(c, "ana", "ana@acme.example", "eng")
		both := []*Ledger{h.Ledger, replica}
		errs := together(8, func(i int) error {
			_, err := both[i%2].SignIn(h.ctx(), Entry{Login: login, Flow: f})
			return err
		})
		if countNil(errs) != 1 {
			h.Fatalf("%d sessions: %v", countNil(errs), errs)
		}
		for _, err := range errs {
			if err != nil {
				h.turnsAway(err, "already_used")
			}
		}
		// Another flow does not make the same message new, and neither does none.
		_, err = h.comesIn(login)
		h.turnsAway(err, "already_used")
		_, err = h.reopen().SignIn(h.ctx(), Entry{Login: login})
		h.turnsAway(err, "already_used")
		// A second answer to one request is refused, too.
		_, err = h.SignIn(h.ctx(), Entry{Login: h.login(c, "ana", "ana@acme.example"), Flow: f})
		h.turnsAway(err, "already_used")

		g, err := h.StartFlow(h.ctx(), account.Flow{Connection: c.ID, Which: account.Live, Nonce: "n", Verifier: account.NewSecret("pkce")})
		h.ok(err)
		errs = together(8, func(i int) error { return last(both[i%2].TakeFlow(h.ctx(), c.ID, g.Handle, g.Browser)) })
		if countNil(errs) != 1 {
			h.Errorf("%d takers: %v", countNil(errs), errs)
		}
	})
}

// THREAT SAML-R4
func TestTheFirstSignInOfOnePersonTwiceAtOnceMakesOnePerson(t *testing.T) {
	each(t, func(h *house) {
		c := h.ruled()
		ids := make([]account.UserID, 8)
		replica := h.reopen()
		errs := together(8, func(i int) error {
			l := []*Ledger{h.Ledger, replica}[i%2]
			in, err := l.SignIn(h.ctx(), Entry{Login: h.login(c, "ana", "ana@acme.example", "eng", fmt.Sprintf("team-%d", i), "everybody")})
			ids[i] = in.User.ID
			return err
		})
		if countNil(errs) != 8 {
			h.Fatalf("%v", errs)
		}
		if slices.Sort(ids); len(slices.Compact(ids)) != 1 {
			h.Errorf("%q", ids)
		}
		people, err := h.People(h.ctx(), theOperator, h.acme.ID, "", 10)
		h.ok(err)
		if len(people) != 2 { // first and ana
			h.Errorf("%+v", people)
		}
	})
}

// THREAT SAML-M4 SES-6
func TestASwitchedOffConnectionRefusesAtOnce(t *testing.T) {
	each(t, func(h *house) {
		c := h.ruled()
		in := h.signedIn(h.login(c, "ana", "ana@acme.example"))
		f, err := h.StartFlow(h.ctx(), account.Flow{Connection: c.ID, Which: account.Live, RequestID: "_1"})
		h.ok(err)
		h.ok(h.EnableConnection(h.ctx(), theOperator, c.ID, false))
		h.refuses(last(h.Presence(h.ctx(), in.Session.Token)), account.Unauthorized, "")
		h.refuses(last(h.Flow(h.ctx(), c.ID, f.Handle, "", f.Browser)), account.NotFound, "no_flow")
		h.refuses(last(h.TakeFlow(h.ctx(), c.ID, f.Handle, f.Browser)), account.NotFound, "no_flow")
		h.refuses(last(h.StartFlow(h.ctx(), account.Flow{Connection: c.ID, Which: account.Live})), account.Conflict, "connection_disabled")
		_, err = h.SignIn(h.ctx(), Entry{Login: h.login(c, "ana", "ana@acme.example"), Flow: f})
		h.turnsAway(err, "connection_disabled")
		if _, _, found, err := h.ConnectionFor(h.ctx(), "ana@acme.example"); found || err != nil {
			h.Errorf("found %v, %v", found, err)
		}
		h.ok(h.EnableConnection(h.ctx(), theOperator, c.ID, true))
		h.refuses(last(h.Presence(h.ctx(), in.Session.Token)), account.Unauthorized, "")
		h.signedIn(h.login(c, "ana", "ana@acme.example"))
	})
}

// THREAT SAML-R1 SAML-R2 SAML-R3
func TestAFlowBelongsToItsBrowserItsConnectionAndItsTime(t *testing.T) {
	each(t, func(h *house) {
		c, other := h.ruled(), h.connect("entra", oidcSettings())
		in := account.Flow{Connection: c.ID, Which: account.Live, RequestID: "_req", Nonce: "n", Verifier: account.NewSecret("pkce"), Issuer: "https://idp.acme.example", Next: "/home", LoginHint: "ana@acme.example"}
		f, err := h.StartFlow(h.ctx(), in)
		h.ok(err)
		two, err := h.StartFlow(h.ctx(), account.Flow{Connection: c.ID, Which: account.Live, RequestID: "_two", Browser: f.Browser})
		h.ok(err)
		if len(f.Handle) < 22 || len(f.Browser) < 22 || two.Browser != f.Browser || two.Handle == f.Handle || f.ExpiresAt.Sub(f.CreatedAt) > 15*time.Minute {
			h.Errorf("%+v %+v", f, two)
		}
		got, err := h.reopen().Flow(h.ctx(), c.ID, f.Handle, "", f.Browser)
		h.ok(err)
		if got != f || got.Verifier.Reveal() != "pkce" {
			h.Errorf("got %+v, want %+v", got, f)
		}
		byID, err := h.Flow(h.ctx(), c.ID, "", "_req", f.Browser)
		h.ok(err)
		if byID.ID != f.ID {
			h.Errorf("%+v", byID)
		}
		var messages []string
		for name, err := range map[string]error{
			"another browser":    last(h.Flow(h.ctx(), c.ID, f.Handle, "", "else")),
			"no browser":         last(h.Flow(h.ctx(), c.ID, f.Handle, "", "")),
			"another connection": last(h.Flow(h.ctx(), other.ID, f.Handle, "", f.Browser)),
			"unknown":            last(h.Flow(h.ctx(), c.ID, "nonsense", "", f.Browser)),
			"no handle at all":   last(h.Flow(h.ctx(), c.ID, "", "", f.Browser)),
			"taking it":          last(h.TakeFlow(h.ctx(), c.ID, f.Handle, "else")),
		} {
			if account.KindOf(err) != account.NotFound {
				h.Errorf("%s: %v", name, err)
				continue
			}
			messages = append(messages, err.Error())
		}
		if slices.Sort(messages); len(slices.Compact(messages)) != 1 {
			h.Errorf("a stranger can tell them apart: %q", messages)
		}
		h.clock.turn(16 * time.Minute)
		h.refuses(last(h.Flow(h.ctx(), c.ID, f.Handle, "", f.Browser)), account.NotFound, "no_flow")
		_, err = h.SignIn(h.ctx(), Entry{Login: h.login(c, "ana", "ana@acme.example"), Flow: f})
		h.turnsAway(err, "already_used")

		strict := samlSettings()
		strict.SAML.AllowIdPInitiated = false
		_, err = h.SaveDraft(h.ctx(), theOperator, h.acme.ID, c.ID, "", strict)
		h.ok(err)
		_, err = h.Promote(h.ctx(), theOperator, c.ID, true)
		h.ok(err)
		_, err = h.SignIn(h.ctx(), Entry{Login: h.login(c, "ana", "ana@acme.example")})
		h.turnsAway(err, "unsolicited")
	})
}

// THREAT AUD-1
func TestARefusedAttemptIsRememberedAndEndsItsFlow(t *testing.T) {
	each(t, func(h *house) {
		c := h.ruled()
		f, err := h.StartFlow(h.ctx(), account.Flow{Connection: c.ID, Which: account.Live, RequestID: "_1"})
		h.ok(err)
		j := account.Judgement{Refusal: account.Refuse(account.Check{Step: account.StepAudience, Code: "audience_mismatch", Verdict: account.Fail, Expected: "us", Received: "them"}),
			Checks: []account.Check{{Step: account.StepSignature, Code: "signature", Verdict: account.Pass}}, Raw: strings.Repeat("x", maxRaw+10)}
		id, err := h.RecordRefusal(h.ctx(), account.Actor{Kind: account.ActorConnection, IP: "192.0.2.9"}, c.ID, f, j)
		h.ok(err)
		h.refuses(last(h.Flow(h.ctx(), c.ID, f.Handle, "", f.Browser)), account.NotFound, "no_flow")
		d, err := h.Diagnosis(h.ctx(), theOperator, id)
		h.ok(err)
		if d.Code != "audience_mismatch" || d.Step != account.StepAudience || len(d.Checks) != 2 || d.Account != h.acme.ID || len(d.Raw) > maxRaw+4 {
			h.Errorf("%+v", d.Checks)
		}
		bob := h.signedIn(h.login(c, "bob", "bob@acme.example"))
		h.refuses(last(h.Diagnosis(h.ctx(), asUser(bob.User), id)), account.Forbidden, "")
		if l := h.auditHas(h.acme.ID, "user.signed_in", "refused"); l.Reason != "audience_mismatch" || l.Actor != "connection:"+string(c.ID) {
			h.Errorf("%+v", l)
		}
	})
}

func TestMoreGroupsThanTheLimitAreRefusedAndNotCut(t *testing.T) {
	each(t, func(h *house) {
		c := h.ruled()
		groups := make([]string, 2001)
		for i := range groups {
			groups[i] = fmt.Sprint("g", i)
		}
		_, err := h.comesIn(h.login(c, "ana", "ana@acme.example", groups...))
		if r := h.turnsAway(err, "too_many_groups"); r.Step != account.StepGroups {
			h.Errorf("%+v", r)
		}
		h.signedIn(h.login(c, "ana", "ana@acme.example", groups[:2000]...))
		seen, err := h.IdPGroups(h.ctx(), theOperator, h.acme.ID)
		h.ok(err)
		if len(seen) < 2000 {
			h.Errorf("%d values are remembered as seen", len(seen))
		}
	})
}

// A revision number that was rolled back is given out again: what came with it the first time must not be remembered.
func TestSettingsOfAPromotionThatWasRolledBackAreForgotten(t *testing.T) {
	h := newHouse(t, "sqlite:"+t.TempDir()+"/house.db") // where changes share a transaction
	c := h.ruled()
	strict := samlSettings()
	strict.SAML.AllowIdPInitiated = false
	// A change that sees a promotion and is then rolled back with it, as a batch is when one of its changes fails.
	err := h.db.Write(h.ctx(), func(tx *table.Tx) error {
		row, _, err := tx.Connection(c.ID)
		h.ok(err)
		row.LiveRevision++
		h.ok(tx.PutConnection(row))
		s, err := h.newSignIn(Entry{Login: h.login(c, "ana", "ana@acme.example")})
		h.ok(err)
		_, err = s.enter(tx)
		h.ok(err)
		return errDryRun
	})
	if err != errDryRun {
		t.Fatal(err)
	}
	h.ok(last(h.SaveDraft(h.ctx(), theOperator, h.acme.ID, c.ID, "", strict)))
	live, err := h.Promote(h.ctx(), theOperator, c.ID, true)
	h.ok(err)
	if live.LiveRevision != 2 {
		t.Fatalf("revision %d", live.LiveRevision)
	}
	_, err = h.SignIn(h.ctx(), Entry{Login: h.login(c, "ana", "ana@acme.example")})
	h.turnsAway(err, "unsolicited")
}
