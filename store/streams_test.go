package store

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

func TestOwnersManageTheStreamsOfTheirAccount(t *testing.T) {
	inTown(t, func(w *town) {
		owner, admin := asUser(w.owner("olga@acme.example")), w.person("uma@acme.example", account.Member)
		w.ok(w.Grant(w.ctx(), theOperator, w.acme.ID, admin.ID, w.whole(), account.UserAdmin))
		uma := asUser(admin)
		s := w.streamOf("tool")
		_, err := w.AddStream(w.ctx(), uma, w.acme.ID, s)
		w.refuses(err, account.Forbidden, "")
		w.auditHas(w.acme.ID, "stream.added", "refused")
		s, err = w.AddStream(w.ctx(), owner, w.acme.ID, s)
		w.ok(err)
		if len(s.Algorithms) != 1 || s.Algorithms[0] != "RS256" || s.Method != account.StreamPush || s.GTRKeys != account.GTRKeep || s.CompromisedKeys != account.CompromiseFlag {
			t.Errorf("%+v", s)
		}
		_, err = w.AddStream(w.ctx(), owner, w.acme.ID, w.streamOf("tool"))
		w.refuses(err, account.Conflict, "name_taken")
		all, err := w.Streams(w.ctx(), uma, w.acme.ID)
		w.ok(err)
		if len(all) != 2 || all[0].Name != "events" || all[1].ID != s.ID {
			t.Errorf("%+v", all)
		}
		_, err = w.UpdateStream(w.ctx(), uma, s.ID, func(s *account.Stream) error { s.Enabled = false; return nil })
		w.refuses(err, account.Forbidden, "")
		// To somebody of another account it does not exist.
		other, org, err := w.CreateAccount(w.ctx(), theOperator, "globex", "globex", "", account.Enterprise)
		w.ok(err)
		gus, err := w.AddPerson(w.ctx(), theOperator, other.ID, "gus@globex.example", "", account.Admin)
		w.ok(err)
		w.ok(w.Grant(w.ctx(), theOperator, other.ID, gus.ID, account.Scope{Org: org.ID}, account.Owner))
		for _, err := range []error{
			w.RemoveStream(w.ctx(), asUser(gus), s.ID),
			errOf(w.Stream(w.ctx(), asUser(gus), s.ID)),
			errOf(w.StreamStatus(w.ctx(), asUser(gus), s.ID)),
			errOf(w.StreamEvents(w.ctx(), asUser(gus), s.ID, "", "", 1)),
			errOf(w.ReplayEvent(w.ctx(), asUser(gus), s.ID, "evt_01")),
			w.RemoveStream(w.ctx(), asUser(gus), "str_01hzzzzzzzzzzzzzzzzzzzzzzz"),
		} {
			w.refuses(err, account.NotFound, "")
		}
		w.ok(w.RemoveStream(w.ctx(), owner, s.ID))
		_, err = w.Stream(w.ctx(), owner, s.ID)
		w.refuses(err, account.NotFound, "")
	})
}

func errOf[T any](_ T, err error) error { return err }

func TestAStreamThatMakesNoSenseIsRefused(t *testing.T) {
	inTown(t, func(w *town) {
		for at, spoil := range map[string]func(*account.Stream){
			"/name":             func(s *account.Stream) { s.Name = "" },
			"/issuer":           func(s *account.Stream) { s.Issuer = "" },
			"/audience":         func(s *account.Stream) { s.Audience = nil },
			"/jwks_url":         func(s *account.Stream) { s.JWKSURL = "https://keys.example" }, // and keys too
			"/keys":             func(s *account.Stream) { s.Keys = "{" },
			"/algorithms":       func(s *account.Stream) { s.Algorithms = []string{"HS256"} },
			"/method":           func(s *account.Stream) { s.Method = "pigeon" },
			"/poll/endpoint":    func(s *account.Stream) { s.Method = account.StreamPoll },
			"/gtr_keys":         func(s *account.Stream) { s.GTRKeys = "melt" },
			"/compromised_keys": func(s *account.Stream) { s.CompromisedKeys = "melt" },
		} {
			s := w.streamOf("bad")
			spoil(&s)
			_, err := w.AddStream(w.ctx(), theOperator, w.acme.ID, s)
			if e := w.refuses(err, account.Invalid, ""); e.Pointer != at {
				t.Errorf("%s: %s", at, e.Pointer)
			}
		}
	})
}

// THREAT SEC-1
func TestTheSecretsOfAStreamAreSealedAndStayWhereTheyBelong(t *testing.T) {
	inTown(t, func(w *town) {
		w.set(func(s *account.Stream) {
			s.Method, s.Poll = account.StreamPoll, &account.Poll{Endpoint: "https://poll.example", Bearer: account.NewSecret("s3cret-poll")}
			s.Transmitter = &account.Transmitter{Configuration: "https://ssf.example/.well-known/ssf-configuration", TokenURL: "https://token.example", ClientID: "c",
				ClientSecret: account.NewSecret("s3cret-client-of-ours"), Bearer: account.NewSecret("s3cret-bearer")}
		})
		_, path, err := w.MintPushCredential(w.ctx(), theOperator, w.stream.ID, true)
		w.ok(err)
		if all := w.dump(); strings.Contains(all, "s3cret-") || strings.Contains(all, path.Reveal()) {
			t.Error("a secret is in the database")
		}
		s, err := w.OpenStream(w.ctx(), w.stream.ID)
		w.ok(err)
		if s.Poll.Bearer.Reveal() != "s3cret-poll" || s.Transmitter.ClientSecret.Reveal() != "s3cret-client-of-ours" || s.Transmitter.Bearer.Reveal() != "s3cret-bearer" {
			t.Errorf("%+v", s)
		}
		open, err := w.AllStreams(w.ctx())
		w.ok(err)
		if len(open) != 1 || open[0].Poll.Bearer.Reveal() != "s3cret-poll" {
			t.Errorf("%+v", open)
		}
		shown, err := w.Stream(w.ctx(), theOperator, w.stream.ID)
		w.ok(err)
		if !shown.Poll.Bearer.IsZero() {
			t.Error("people are shown a secret")
		}
		// Whoever changes where a secret goes has to know it.
		w.set(func(s *account.Stream) {
			s.Poll.Endpoint, s.Transmitter.TokenURL = "https://elsewhere.example", "https://elsewhere.example"
		})
		s, err = w.OpenStream(w.ctx(), w.stream.ID)
		w.ok(err)
		if !s.Poll.Bearer.IsZero() || !s.Transmitter.ClientSecret.IsZero() || s.Transmitter.Bearer.IsZero() {
			t.Errorf("%+v %+v", s.Poll, s.Transmitter)
		}
		if err := w.opt.Keyring.Rotate(); err != nil {
			t.Fatal(err)
		}
		_, err = w.Reseal(w.ctx(), theOperator)
		w.ok(err)
		s, err = w.OpenStream(w.ctx(), w.stream.ID)
		w.ok(err)
		if s.Transmitter.Bearer.Reveal() != "s3cret-bearer" {
			t.Error("resealed, a secret no longer opens")
		}
	})
}

// THREAT SET-1
func TestATransmitterIsKnownByItsCredential(t *testing.T) {
	inTown(t, func(w *town) {
		mint := func(id account.StreamID, path bool) (account.PushCredential, account.Secret) {
			w.clock.turn(time.Millisecond)
			c, secret, err := w.MintPushCredential(w.ctx(), theOperator, id, path)
			w.ok(err)
			return c, secret
		}
		comes := func(id account.StreamID, secret account.Secret, path bool) error {
			return errOf(w.StreamFor(w.ctx(), id, secret, path))
		}
		old, oldSecret := mint(w.stream.ID, false)
		_, inPath := mint(w.stream.ID, true)
		_, _, err := w.MintPushCredential(w.ctx(), theOperator, w.stream.ID, false)
		w.refuses(err, account.Conflict, "token_limit")
		w.ok(comes(w.stream.ID, oldSecret, false))
		w.ok(comes(w.stream.ID, inPath, true))
		other, err := w.AddStream(w.ctx(), theOperator, w.acme.ID, w.streamOf("other"))
		w.ok(err)
		_, foreign := mint(other.ID, false)
		for _, err := range []error{
			comes(w.stream.ID, account.Secret{}, false),
			comes(w.stream.ID, account.NewSecret("dbe_nonsense"), false),
			comes(w.stream.ID, foreign, false),
			comes(w.stream.ID, inPath, false), // what stands in logs is no bearer token
			comes(w.stream.ID, oldSecret, true),
			comes("str_01hzzzzzzzzzzzzzzzzzzzzzzz", oldSecret, false),
		} {
			w.refuses(err, account.Unauthorized, "")
		}
		all, err := w.PushCredentials(w.ctx(), theOperator, w.stream.ID)
		w.ok(err)
		if len(all) != 2 || all[0].ID != old.ID || all[0].UsedAt.IsZero() || all[0].Last4 != oldSecret.Reveal()[len(oldSecret.Reveal())-4:] || !all[1].Path {
			t.Errorf("%+v", all)
		}
		w.ok(w.RevokePushCredential(w.ctx(), theOperator, w.stream.ID, old.ID))
		w.refuses(comes(w.stream.ID, oldSecret, false), account.Unauthorized, "")
		w.refuses(w.RevokePushCredential(w.ctx(), theOperator, w.stream.ID, old.ID), account.NotFound, "")
		w.set(func(s *account.Stream) { s.Enabled = false })
		w.refuses(comes(w.stream.ID, inPath, true), account.Forbidden, "")
		in := w.token(caep+"session-revoked", email("jane@acme.example"), nil)
		_, err = w.Receive(w.ctx(), account.Actor{}, w.stream.ID, in)
		w.refuses(err, account.Forbidden, "")
	})
}

// scimSubject names a resource as its transmitter does.
func scimSubject(uri string) *account.SubjectID {
	return &account.SubjectID{Format: account.SubjectSCIM, Values: map[string]string{"uri": uri}}
}

func nina(active bool) map[string]any {
	return map[string]any{"schemas": []any{"urn:ietf:params:scim:schemas:core:2.0:User"}, "id": "n1", "externalId": "e-1009", "userName": "nina", "active": active,
		"emails": []any{map[string]any{"value": "nina@acme.example", "primary": true}}}
}

func TestPeopleAreProvisionedByEvents(t *testing.T) {
	inTown(t, func(w *town) {
		u := scimSubject("/Users/n1")
		// The end overtakes the beginning.
		end := &account.SubjectID{Format: account.SubjectSCIM, Values: map[string]string{"uri": "/Users/n1", "externalId": "e-1009"}}
		early := w.hears(prov+"deactivate", end, nil)
		w.is(early, account.EventNoSubject)
		w.is(w.hears(prov+"create:full", u, map[string]any{"data": nina(true)}), account.EventApplied)
		early, err := w.event(early.ID)
		w.ok(err)
		w.is(early, account.EventApplied)
		p, err := w.PersonByEmail(w.ctx(), theOperator, w.acme.ID, "nina@acme.example")
		w.ok(err)
		if w.place(p.User.ID).State != account.UserDisabled {
			t.Error("the disable that came too early is lost")
		}
		w.clock.turn(time.Minute)
		w.is(w.hears(prov+"activate", u, nil), account.EventApplied)
		login := w.login(w.connection, "e-1009", "nina@acme.example")
		in := w.signedIn(login)
		if in.User.ID != p.User.ID {
			t.Error("sign-in and provisioning do not meet")
		}
		w.is(w.hears(prov+"put:full", u, map[string]any{"data": nina(true)}), account.EventRecorded)
		w.is(w.hears(prov+"put:full", u, map[string]any{"data": nina(false)}), account.EventApplied)
		if w.lives(in) {
			t.Error("inactive, and still in")
		}
		r, err := w.Receipts(w.ctx(), theOperator, w.acme.ID, p.User.ID, "", 1)
		w.ok(err)
		if len(r) != 1 || r[0].Source != account.FromEvent || r[0].Sessions != 1 {
			t.Errorf("%+v", r)
		}
		w.clock.turn(time.Minute)
		w.is(w.hears(prov+"delete", u, nil), account.EventApplied)
		w.is(w.hears(prov+"activate", u, nil), account.EventNoSubject)
		w.set(func(s *account.Stream) { s.Connection = "" })
		e := w.hears(prov+"create:full", u, map[string]any{"data": nina(true)})
		w.is(e, account.EventDeadLetter)
		w.set(func(s *account.Stream) { s.Connection = w.connection.ID })
		e, err = w.ReplayEvent(w.ctx(), theOperator, w.stream.ID, e.ID)
		w.ok(err)
		w.is(e, account.EventApplied)
	})
}

func TestAResourceThatAnEventOnlyNamesIsFetched(t *testing.T) {
	inTown(t, func(w *town) {
		u := scimSubject("/Users/n1")
		notice := map[string]any{"attributes": []any{"emails"}}
		e := w.hears(prov+"create:notice", u, notice)
		w.is(e, account.EventApplied)
		due, err := w.Fetches(w.ctx(), 10)
		w.ok(err)
		if len(due) != 1 || due[0].ID != e.ID || due[0].Fetch != "/Users/n1" {
			t.Fatalf("%+v", due)
		}
		away := account.Errorf(account.Unavailable, "The transmitter does not answer.")
		_, err = w.Fetched(w.ctx(), due[0], nil, away)
		w.ok(err)
		if due, err = w.Fetches(w.ctx(), 10); err != nil || len(due) != 0 {
			t.Fatalf("it is not put off: %+v %v", due, err)
		}
		w.clock.turn(time.Hour)
		if due, err = w.Fetches(w.ctx(), 10); err != nil || len(due) != 1 {
			t.Fatalf("%+v %v", due, err)
		}
		got, err := w.Fetched(w.ctx(), due[0], nina(true), nil)
		w.ok(err)
		w.is(got, account.EventApplied)
		if due, err = w.Fetches(w.ctx(), 10); err != nil || len(due) != 0 || got.User == "" || got.Fetch != "" {
			t.Errorf("%+v %+v %v", got, due, err)
		}
		_, err = w.PersonByEmail(w.ctx(), theOperator, w.acme.ID, "nina@acme.example")
		w.ok(err)
		e = w.hears(prov+"put:notice", u, notice)
		for range eventAttempts {
			if due, err = w.Fetches(w.ctx(), 10); err != nil || len(due) != 1 {
				t.Fatalf("%+v %v", due, err)
			}
			_, err = w.Fetched(w.ctx(), due[0], nil, away)
			w.ok(err)
			w.clock.turn(2 * time.Hour)
		}
		e, err = w.event(e.ID)
		w.ok(err)
		w.is(e, account.EventDeadLetter)
		// Replaying it fetches once more.
		_, err = w.ReplayEvent(w.ctx(), theOperator, w.stream.ID, e.ID)
		w.ok(err)
		if due, err = w.Fetches(w.ctx(), 10); err != nil || len(due) != 1 {
			t.Errorf("%+v %v", due, err)
		}
	})
}

func TestAFetchThatCannotTakeEffectHoldsNoOtherUp(t *testing.T) {
	inTown(t, func(w *town) {
		made := w.hears(prov+"create:full", scimSubject("/Users/n1"), map[string]any{"data": nina(true)})
		w.is(made, account.EventApplied)
		e := w.hears(prov+"put:notice", scimSubject("/Users/n1"), map[string]any{"attributes": []any{"active"}})
		due, err := w.Fetches(w.ctx(), 10)
		w.ok(err)
		if len(due) != 1 {
			t.Fatalf("%+v", due)
		}
		// Removals are paused: it waits, and comes again.
		w.ok(w.db.Write(w.ctx(), func(tx *table.Tx) error {
			return tx.PutBreaker(w.acme.ID, string(w.connection.ID), table.Breaker{BreakerState: account.BreakerState{Breaker: account.DefaultBreaker, PausedAt: w.clock.now(), Removed: 9, People: 10}})
		}))
		_, err = w.Fetched(w.ctx(), due[0], nina(false), nil)
		w.refuses(err, account.Unavailable, CodePaused)
		if due, err = w.Fetches(w.ctx(), 10); err != nil || len(due) != 0 {
			t.Fatalf("it is not put off: %+v %v", due, err)
		}
		w.clock.turn(time.Hour)
		if due, err = w.Fetches(w.ctx(), 10); err != nil || len(due) != 1 {
			t.Fatalf("it is lost: %+v %v", due, err)
		}
		// Its stream is gone: it waits no longer.
		w.ok(w.RemoveStream(w.ctx(), theOperator, w.stream.ID))
		_, err = w.Fetched(w.ctx(), due[0], nil, account.Errorf(account.NotFound, "No such stream."))
		w.ok(err)
		w.clock.turn(time.Hour)
		if due, err = w.Fetches(w.ctx(), 10); err != nil || len(due) != 0 {
			t.Errorf("%+v %v", due, err)
		}
		e, err = w.event(e.ID)
		w.ok(err)
		w.is(e, account.EventDeadLetter)
	})
}

// THREAT ADM-3
func TestTheHeaderOfAFeedDoesNotGoToAnotherAddress(t *testing.T) {
	inTown(t, func(w *town) {
		f, _, err := w.AddFeed(w.ctx(), theOperator, w.acme.ID, account.Feed{Name: "siem", Kind: account.SSF, URL: "https://siem.example/in"}, account.NewSecret("Bearer s3cret"))
		w.ok(err)
		header := func() (s account.Secret) {
			w.ok(w.db.Read(w.ctx(), func(tx *table.Tx) (err error) { s, err = w.feedAuthorization(tx, table.Feed{Feed: f}); return err }))
			return s
		}
		_, err = w.UpdateFeed(w.ctx(), theOperator, w.acme.ID, f.ID, func(f *account.Feed) { f.Name = "the siem" })
		w.ok(err)
		if header().Reveal() != "Bearer s3cret" {
			t.Error("another name took the header away")
		}
		_, err = w.UpdateFeed(w.ctx(), theOperator, w.acme.ID, f.ID, func(f *account.Feed) { f.URL = "https://elsewhere.example/in" })
		w.ok(err)
		if !header().IsZero() {
			t.Error("whoever changes the address is sent the header")
		}
	})
}

func TestAnAccountHasAtMostSoManyStreams(t *testing.T) {
	inTown(t, func(w *town) {
		var err error
		for i := 0; err == nil && i <= streamsPerAccount; i++ {
			_, err = w.AddStream(w.ctx(), theOperator, w.acme.ID, w.streamOf(fmt.Sprintf("stream %d", i)))
		}
		w.refuses(err, account.Conflict, "stream_limit")
	})
}

// THREAT SET-6
func TestARoutineChangeOfAResourceLetsNobodyInWhomAnEventShutOut(t *testing.T) {
	inTown(t, func(w *town) {
		u := scimSubject("/Users/n1")
		made := w.hears(prov+"create:full", u, map[string]any{"data": nina(true)})
		w.is(made, account.EventApplied)
		w.is(w.hears(risc+"account-disabled", email("nina@acme.example"), map[string]any{"reason": "hijacking"}), account.EventApplied)
		w.clock.turn(time.Minute)
		w.hears(prov+"put:full", u, map[string]any{"data": nina(true)})
		if p := w.place(made.User); p.Status != account.TenancySuspended || p.State != account.UserDisabled {
			t.Errorf("%+v", p)
		}
		w.clock.turn(time.Minute)
		w.hears(prov+"activate", u, nil)
		if p := w.place(made.User); p.Status != account.TenancyActive || p.State != account.UserActive {
			t.Errorf("%+v", p)
		}
	})
}
