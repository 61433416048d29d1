package store

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/rules"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// at is an event's own time, in seconds.
func at(t time.Time) map[string]any { return map[string]any{"event_timestamp": float64(t.Unix())} }

// THREAT SET-6
func TestEventsOnlyLetInWhomEventsShutOut(t *testing.T) {
	inTown(t, func(w *town) {
		jane, omar := w.jane(), w.omar()
		key := w.key(jane.User.ID)
		w.is(w.hears(risc+"account-disabled", email("jane@acme.example"), nil), account.EventApplied)
		w.is(w.hears(risc+"account-enabled", email("jane@acme.example"), nil), account.EventApplied)
		if p := w.place(jane.User.ID); p.Status != account.TenancyActive || p.State != account.UserActive {
			t.Errorf("%+v", p)
		}
		if w.lives(jane) || w.keyOf(key).State != account.KeyRevoked {
			t.Error("what had ended came back")
		}
		w.jane()
		// An administrator's word stands against every event.
		w.ok(w.SetUserState(w.ctx(), theOperator, omar.User.ID, account.UserDisabled))
		e := w.hears(risc+"account-enabled", email("omar@acme.example"), nil)
		w.is(e, account.EventRecorded)
		if p := w.place(omar.User.ID); p.State != account.UserDisabled || !strings.Contains(e.Detail, "by hand") {
			t.Errorf("%+v %q", p, e.Detail)
		}
		// Nothing else that is said of somebody lets them in.
		for _, uri := range []string{risc + "opt-in", risc + "recovery-activated", risc + "opt-out-cancelled", caep + "session-established", caep + "session-presented"} {
			w.is(w.hears(uri, email("omar@acme.example"), nil), account.EventRecorded)
		}
	})
}

// REQ M-08
// THREAT SET-6
func TestWhoIsDisabledByHandStaysOutThoughTheProviderHadDoneItBefore(t *testing.T) {
	inTown(t, func(w *town) {
		jane, omar := w.jane(), w.omar()
		for _, address := range []string{"jane@acme.example", "omar@acme.example"} {
			w.is(w.hears(risc+"account-disabled", email(address), nil), account.EventApplied)
		}
		_, err := w.Disable(w.ctx(), theOperator, w.acme.ID, jane.User.ID)
		w.ok(err)
		w.ok(w.SetUserState(w.ctx(), theOperator, omar.User.ID, account.UserDisabled))
		w.clock.turn(time.Minute)
		for _, in := range []Entrance{jane, omar} {
			w.is(w.hears(risc+"account-enabled", email(in.User.Email), nil), account.EventApplied) // of their place, which is open again
			if p := w.place(in.User.ID); p.State != account.UserDisabled || p.DisabledBy != "" {
				t.Errorf("%s: the provider let in whom an administrator had disabled: %+v", in.User.Email, p)
			}
		}
		// The place alone, of somebody whose address is another company's.
		w.ok(w.db.Write(w.ctx(), func(tx *table.Tx) error {
			_, err := tx.Suspend(w.acme.ID, jane.User.ID, "stream:of-theirs")
			if err == nil {
				_, err = tx.Suspend(w.acme.ID, jane.User.ID, "")
			}
			return err
		}))
		if p := w.place(jane.User.ID); p.Status != account.TenancySuspended || p.SuspendedBy != "" {
			t.Errorf("%+v", p)
		}
	})
}

func TestAnotherStreamOfTheAccountLiftsASuspension(t *testing.T) {
	inTown(t, func(w *town) {
		jane := w.jane()
		w.is(w.hears(risc+"account-disabled", email("jane@acme.example"), nil), account.EventApplied)
		s := w.streamOf("tool")
		s.Issuer = "https://tool.example"
		tool, err := w.AddStream(w.ctx(), theOperator, w.acme.ID, s)
		w.ok(err)
		in := w.token(risc+"account-enabled", email("jane@acme.example"), nil)
		in.Issuer, in.IssuedAt = tool.Issuer, in.IssuedAt.Add(time.Second)
		out, err := w.Receive(w.ctx(), account.Actor{}, tool.ID, in)
		w.ok(err)
		w.is(out.Events[0], account.EventApplied)
		if p := w.place(jane.User.ID); p.State != account.UserActive {
			t.Errorf("%+v", p)
		}
	})
}

// tool is a stream of a security tool that belongs to no provider, and may name the people of the town's.
func (w *town) tool() account.Stream {
	w.Helper()
	s := w.streamOf("tool")
	s.Issuer, s.Connection, s.SubjectIssuers = "https://tool.example", "", []account.ConnectionID{w.connection.ID}
	s, err := w.AddStream(w.ctx(), theOperator, w.acme.ID, s)
	w.ok(err)
	return s
}

// through hears an event that another stream than the town's sends.
func (w *town) through(s account.Stream, uri string, subject *account.SubjectID, body map[string]any) account.Event {
	w.Helper()
	in := w.token(uri, subject, body)
	in.Issuer = s.Issuer
	w.clock.turn(time.Millisecond)
	out, err := w.Receive(w.ctx(), account.Actor{}, s.ID, in)
	w.ok(err)
	return out.Events[0]
}

// THREAT SET-6
func TestOnlyTheProvidersOwnStreamGivesRoles(t *testing.T) {
	inTown(t, func(w *town) {
		w.signedIn(w.login(w.connection, "00uomar8", "omar@acme.example", "staff")) // so that the connection has sent groups
		for group, role := range map[string]account.Role{"leads": "registry:admin", "staff": "registry:reader"} {
			w.saved(rules.Definition{Name: group, Connection: w.connection.ID, Groups: []string{group}, Targets: []rules.Target{{Roles: []account.Role{role}}}})
		}
		w.activated(true)
		jane := w.signedIn(w.login(w.connection, "00ujane7", "jane@acme.example", "staff"))
		tool, subject := w.tool(), issSub("https://idp.acme.example", "00ujane7")
		says := func(s account.Stream, groups ...any) account.Event {
			w.Helper()
			w.clock.turn(2 * time.Second)
			body := at(w.clock.now())
			body["claims"] = map[string]any{"groups": groups}
			return w.through(s, caep+"token-claims-change", subject, body)
		}
		has := func(r account.Role) bool {
			w.Helper()
			return account.HasRole(w.held(jane.User), w.whole(), r)
		}
		w.is(says(tool, "staff", "leads"), account.EventHeld)
		if has("registry:admin") || !has("registry:reader") {
			t.Errorf("a tool gave roles: %+v", w.held(jane.User))
		}
		w.is(says(w.stream, "staff", "leads"), account.EventApplied)
		if !has("registry:admin") {
			t.Error("the provider's own word counts for nothing")
		}
		w.is(says(tool, "staff"), account.EventApplied)
		if has("registry:admin") || !has("registry:reader") {
			t.Errorf("a tool may take away: %+v", w.held(jane.User))
		}
		w.is(says(tool, "staff", "leads"), account.EventHeld) // nor back
		w.is(says(tool), account.EventApplied)
		if w.lives(jane) || has("registry:reader") {
			t.Error("who lost their last role is still here")
		}
	})
}

// THREAT SET-6
func TestAToolLetsInNobodyWhomTheProviderShutOut(t *testing.T) {
	inTown(t, func(w *town) {
		jane, tool, subject := w.jane(), w.tool(), issSub("https://idp.acme.example", "00ujane7")
		w.is(w.hears(risc+"account-disabled", subject, nil), account.EventApplied)
		w.clock.turn(time.Second)
		w.is(w.through(tool, risc+"account-enabled", subject, nil), account.EventRecorded)
		if p := w.place(jane.User.ID); p.State != account.UserDisabled {
			t.Errorf("%+v", p)
		}
		w.clock.turn(time.Second)
		w.is(w.hears(risc+"account-enabled", subject, nil), account.EventApplied)
		// Its own word it takes back.
		w.clock.turn(time.Second)
		w.is(w.through(tool, risc+"account-disabled", subject, nil), account.EventApplied)
		w.clock.turn(time.Second)
		w.is(w.through(tool, risc+"account-enabled", subject, nil), account.EventApplied)
		if p := w.place(jane.User.ID); p.State != account.UserActive || p.Status != account.TenancyActive {
			t.Errorf("%+v", p)
		}
	})
}

func TestTheNewestWordAboutSomebodyStands(t *testing.T) {
	inTown(t, func(w *town) {
		jane, began := w.jane(), w.clock.now()
		w.clock.turn(time.Hour)
		now := w.clock.now()
		subject := email("jane@acme.example")
		w.is(w.hears(risc+"account-enabled", subject, at(now)), account.EventRecorded)
		w.is(w.hears(risc+"account-disabled", subject, at(now.Add(-time.Minute))), account.EventSuperseded)
		if !w.lives(jane) {
			t.Error("what was said before counted")
		}
		// Of two at the same time the stricter stands, whichever comes first.
		w.is(w.hears(risc+"account-disabled", subject, at(now)), account.EventApplied)
		w.is(w.hears(risc+"account-enabled", subject, at(now)), account.EventSuperseded)
		// What an administrator did stands against what was said before.
		w.clock.turn(time.Hour)
		w.ok(w.SetUserState(w.ctx(), theOperator, jane.User.ID, account.UserActive))
		w.is(w.hears(risc+"account-disabled", subject, at(now.Add(time.Minute))), account.EventSuperseded)
		w.is(w.hears(risc+"account-disabled", subject, at(began.Add(-25*time.Hour))), account.EventSuperseded)
		w.clock.turn(time.Second)
		w.is(w.hears(risc+"account-disabled", subject, at(w.clock.now())), account.EventApplied)
	})
}

func TestAnEventFromTheFutureHappensNow(t *testing.T) {
	inTown(t, func(w *town) {
		w.jane()
		w.is(w.hears(risc+"account-disabled", email("jane@acme.example"), at(w.clock.now().Add(time.Hour))), account.EventApplied)
		w.clock.turn(time.Minute)
		w.is(w.hears(risc+"account-enabled", email("jane@acme.example"), at(w.clock.now())), account.EventApplied)
	})
}

func TestADeletedAccountNeverComesBackByAnEvent(t *testing.T) {
	inTown(t, func(w *town) {
		jane := w.jane()
		w.is(w.hears(risc+"account-purged", issSub("https://idp.acme.example", "00ujane7"), nil), account.EventApplied)
		w.clock.turn(time.Minute)
		for _, s := range []*account.SubjectID{email("jane@acme.example"), issSub("https://idp.acme.example", "00ujane7")} {
			w.is(w.hears(risc+"account-enabled", s, nil), account.EventNoSubject)
		}
		_, err := w.comesIn(w.login(w.connection, "00ujane7", "jane@acme.example"))
		w.turnsAway(err, "user_disabled")
		w.ok(w.SetUserState(w.ctx(), theOperator, jane.User.ID, account.UserActive))
		w.signedIn(w.login(w.connection, "00ujane8", "jane@acme.example")) // the provider knows her anew
		w.is(w.hears(caep+"session-revoked", email("jane@acme.example"), nil), account.EventApplied)
	})
}

// REQ T-06
func TestTheLastOwnersSeatStays(t *testing.T) {
	inTown(t, func(w *town) {
		owner := w.owner("olga@acme.example")
		w.is(w.hears(risc+"account-purged", email("olga@acme.example"), nil), account.EventApplied)
		if !account.HasRole(w.held(owner), w.whole(), account.Owner) || w.place(owner.ID).Status != account.TenancySuspended {
			t.Errorf("%+v", w.held(owner))
		}
	})
}

// THREAT SET-2 SET-5
func TestAStreamSpeaksOfItsOwnAccountOnly(t *testing.T) {
	inTown(t, func(w *town) {
		jane := w.jane()
		other, _, err := w.CreateAccount(w.ctx(), theOperator, "globex", "globex", "", account.Enterprise)
		w.ok(err)
		guest, err := w.AddPerson(w.ctx(), theOperator, other.ID, "jane@acme.example", "", account.Member)
		w.ok(err)
		s := w.streamOf("events")
		s.Connection = w.connectIn(other.ID, "theirs", issuedBy("https://idp.globex.example")).ID
		theirs, err := w.AddStream(w.ctx(), theOperator, other.ID, s)
		w.ok(err)
		for _, subject := range []account.SubjectID{*email("jane@acme.example"), opaque(string(jane.Session.ID)), opaque("idp-session-of-00ujane7"),
			*issSub("https://idp.acme.example", "00ujane7"), *email("gus@nowhere.example"), opaque("usr_01hzzzzzzzzzzzzzzzzzzzzzzz")} {
			in := w.token(risc+"account-disabled", &subject, nil)
			in.JTI += "theirs"
			out, err := w.Receive(w.ctx(), account.Actor{}, theirs.ID, in)
			w.ok(err)
			w.is(out.Events[0], account.EventNoSubject)
		}
		// By the id of a person it may speak of their place in its account, and of nothing else.
		subject := opaque(string(guest.ID))
		out, err := w.Receive(w.ctx(), account.Actor{}, theirs.ID, w.token(risc+"account-disabled", &subject, nil))
		w.ok(err)
		w.is(out.Events[0], account.EventApplied)
		if !w.lives(jane) || w.place(jane.User.ID).State != account.UserActive {
			t.Error("another company ended what is not its own")
		}
		// A connection of another account cannot be named at all.
		s.SubjectIssuers = []account.ConnectionID{w.connection.ID}
		s.Name = "more"
		_, err = w.AddStream(w.ctx(), theOperator, other.ID, s)
		w.refuses(err, account.NotFound, "")
	})
}

func TestOneSessionOrDeviceIsMeant(t *testing.T) {
	inTown(t, func(w *town) {
		sign := func(sid string) Entrance {
			login := w.login(w.connection, "00ujane7", "jane@acme.example")
			login.ProviderSession, login.TokenID = sid, "token-"+sid
			return w.signedIn(login)
		}
		a, b, c, d := sign("a"), sign("b"), sign("c"), sign("d")
		jane := *email("jane@acme.example")
		w.hears(caep+"session-established", complexOf(map[string]account.SubjectID{"session": opaque("b"), "device": opaque("phone")}), nil)
		w.is(w.hears(caep+"session-revoked", complexOf(map[string]account.SubjectID{"user": jane, "session": opaque("a")}), nil), account.EventApplied)
		w.is(w.hears(caep+"device-compliance-change", complexOf(map[string]account.SubjectID{"user": jane, "device": opaque("phone")}), map[string]any{"current_status": "not-compliant"}), account.EventApplied)
		w.is(w.hears(caep+"session-revoked", &account.SubjectID{Format: account.SubjectJWTID, Values: map[string]string{"iss": "https://idp.acme.example", "jti": "token-c"}}, nil), account.EventApplied)
		if w.lives(a) || w.lives(b) || w.lives(c) || !w.lives(d) {
			t.Errorf("%v %v %v %v", w.lives(a), w.lives(b), w.lives(c), w.lives(d))
		}
		omar := w.omar()
		s := complexOf(map[string]account.SubjectID{"user": jane, "session": opaque("idp-session-of-00uomar8")})
		w.is(w.hears(caep+"session-revoked", s, nil), account.EventDeadLetter)
		if !w.lives(d) || !w.lives(omar) {
			t.Error("members that do not agree ended something")
		}
		// A session that began after the event is another one.
		before := w.clock.now()
		w.clock.turn(2 * time.Minute)
		late := sign("late")
		w.is(w.hears(caep+"session-revoked", &jane, at(before)), account.EventApplied)
		if w.lives(d) || !w.lives(late) {
			t.Error("a session that began after the event ended")
		}
	})
}

func TestWiderSubjectsAreHeldUnlessTheStreamMay(t *testing.T) {
	inTown(t, func(w *town) {
		jane, omar := w.jane(), w.omar()
		tenant := complexOf(map[string]account.SubjectID{"tenant": opaque("acme")})
		held := w.hears(caep+"session-revoked", tenant, nil)
		w.is(held, account.EventHeld)
		w.is(w.hears(risc+"account-disabled", tenant, nil), account.EventHeld)
		if !w.lives(jane) {
			t.Error("held, and yet applied")
		}
		w.set(func(s *account.Stream) { s.WideSubjects = true })
		w.is(w.hears(risc+"account-disabled", tenant, nil), account.EventHeld) // nobody shuts a whole company out
		again, err := w.ReplayEvent(w.ctx(), theOperator, w.stream.ID, held.ID)
		w.ok(err)
		w.is(again, account.EventApplied)
		if w.lives(jane) || w.lives(omar) || again.Sessions != 2 {
			t.Errorf("%+v", again)
		}
		_, err = w.ReplayEvent(w.ctx(), theOperator, w.stream.ID, held.ID)
		w.refuses(err, account.Conflict, "")
		w.is(w.hears(caep+"session-revoked", complexOf(map[string]account.SubjectID{"tenant": opaque("globex")}), nil), account.EventNoSubject)
	})
}

func TestKeysFollowAsTheStreamHasIt(t *testing.T) {
	inTown(t, func(w *town) {
		jane := w.jane()
		old := w.key(jane.User.ID)
		w.clock.turn(31 * 24 * time.Hour)
		fresh := w.key(jane.User.ID)
		w.is(w.hears(risc+"credential-compromise", email("jane@acme.example"), map[string]any{"credential_type": "password"}), account.EventApplied)
		if !w.keyOf(old).FlaggedAt.IsZero() || w.keyOf(fresh).FlaggedAt.IsZero() || w.keyOf(fresh).State != account.KeyActive {
			t.Errorf("%+v %+v", w.keyOf(old), w.keyOf(fresh))
		}
		w.set(func(s *account.Stream) { s.CompromisedKeys = account.CompromiseRevoke })
		e := w.hears(risc+"credential-compromise", email("jane@acme.example"), map[string]any{"credential_type": "password"})
		if e.Keys != 1 || w.keyOf(fresh).State != account.KeyRevoked || w.keyOf(old).State != account.KeyActive {
			t.Errorf("%+v", e)
		}
		w.set(func(s *account.Stream) { s.KeysFollowSessions = true })
		e = w.hears(caep+"session-revoked", email("jane@acme.example"), nil)
		if e.Keys != 1 || w.keyOf(old).State != account.KeyRevoked {
			t.Errorf("%+v", e)
		}
	})
}

func TestWhoHasToProveAnewIsSentToTheProvider(t *testing.T) {
	inTown(t, func(w *town) {
		w.jane()
		w.is(w.hears(risc+"account-credential-change-required", email("jane@acme.example"), nil), account.EventApplied)
		login := w.login(w.connection, "00ujane7", "jane@acme.example")
		login.AuthenticatedAt = w.clock.now().Add(-time.Hour) // the provider's own session goes on
		_, err := w.comesIn(login)
		w.turnsAway(err, CodeReauth)
		_, err = w.comesIn(w.login(w.connection, "00ujane7", "jane@acme.example")) // it does not say when
		w.turnsAway(err, CodeReauth)
		login = w.login(w.connection, "00ujane7", "jane@acme.example")
		f, err := w.StartFlow(w.ctx(), account.Flow{Connection: w.connection.ID, Which: account.Live, RequestID: "_forced", Forced: true})
		w.ok(err)
		_, err = w.SignIn(w.ctx(), Entry{By: account.Actor{Kind: account.ActorConnection}, Login: login, Flow: f})
		w.ok(err)
		w.jane() // once is enough
		w.is(w.hears(risc+"account-credential-change-required", email("jane@acme.example"), nil), account.EventApplied)
		w.clock.turn(time.Minute)
		login = w.login(w.connection, "00ujane7", "jane@acme.example")
		login.AuthenticatedAt = w.clock.now()
		w.signedIn(login)
	})
}

func TestGlobalTokenRevocation(t *testing.T) {
	inTown(t, func(w *town) {
		jane, omar := w.jane(), w.omar()
		key := w.key(jane.User.ID)
		w.set(func(s *account.Stream) { s.GTRKeys = account.GTRSuspend })
		e, err := w.RevokeTokens(w.ctx(), account.Actor{}, w.stream.ID, *email("jane@acme.example"), "m1")
		w.ok(err)
		if w.is(e, account.EventApplied); w.lives(jane) || !w.lives(omar) || w.keyOf(key).State != account.KeySuspended {
			t.Errorf("%+v", e)
		}
		_, err = w.RevokeTokens(w.ctx(), account.Actor{}, w.stream.ID, *email("jane@acme.example"), "m1")
		w.refuses(err, account.Conflict, codeUsed)
		login := w.login(w.connection, "00ujane7", "jane@acme.example")
		login.AuthenticatedAt = w.clock.now().Add(time.Second)
		jane = w.signedIn(login)
		if w.keyOf(key).State != account.KeyActive {
			t.Error("the key stays out of use after the sign-in")
		}
		w.set(func(s *account.Stream) { s.GTRKeys = account.GTRRevoke })
		_, err = w.RevokeTokens(w.ctx(), account.Actor{}, w.stream.ID, opaque(string(jane.Session.ID)), "")
		w.ok(err)
		if w.lives(jane) || w.keyOf(key).State != account.KeyRevoked {
			t.Error("a key outlived it")
		}
		_, err = w.RevokeTokens(w.ctx(), account.Actor{}, w.stream.ID, *email("nobody@acme.example"), "")
		w.refuses(err, account.NotFound, "")
		_, err = w.RevokeTokens(w.ctx(), account.Actor{}, w.stream.ID, account.SubjectID{Format: "badge"}, "")
		w.refuses(err, account.Invalid, CodeInvalidRequest)
		log, err := w.StreamEvents(w.ctx(), theOperator, w.stream.ID, "", "", 10)
		w.ok(err)
		if len(log) != 2 || log[0].Type != typeRevoked {
			t.Errorf("%+v", log)
		}
	})
}

func TestAnAddressMovesWithinProvedDomainsOnly(t *testing.T) {
	inTown(t, func(w *town) {
		jane := w.jane()
		w.omar()
		move := func(to string) account.Event {
			return w.hears(risc+"identifier-changed", email("jane@acme.example"), map[string]any{"new-value": to})
		}
		w.is(move("jane@elsewhere.example"), account.EventHeld)
		w.is(move("omar@acme.example"), account.EventHeld)
		w.is(move("Jane.Doe@acme.example"), account.EventApplied)
		u, err := w.PersonByEmail(w.ctx(), theOperator, w.acme.ID, "jane.doe@acme.example")
		w.ok(err)
		if u.User.ID != jane.User.ID {
			t.Errorf("%+v", u)
		}
		w.auditHas(w.acme.ID, "user.email_changed", "done")
		w.set(func(s *account.Stream) { s.Connection = "" }) // a tool that no provider stands behind
		w.is(w.hears(risc+"identifier-changed", email("jane.doe@acme.example"), map[string]any{"new-value": "j@acme.example"}), account.EventHeld)
	})
}

func TestARecycledAddressLeadsToANewPerson(t *testing.T) {
	inTown(t, func(w *town) {
		jane := w.jane()
		w.is(w.hears(risc+"identifier-recycled", email("jane@acme.example"), nil), account.EventApplied)
		if w.lives(jane) {
			t.Error("a session outlived the address")
		}
		fresh := w.signedIn(w.login(w.connection, "00ujane8", "jane@acme.example"))
		if !fresh.Created || fresh.User.ID == jane.User.ID {
			t.Errorf("%+v", fresh.User)
		}
	})
}

func TestADisableThatOvertakesTheSignInCounts(t *testing.T) {
	inTown(t, func(w *town) {
		for i, subject := range []*account.SubjectID{email("new@acme.example"), issSub("https://idp.acme.example", "00unew1")} {
			e := w.hears(risc+"account-disabled", subject, nil)
			w.is(e, account.EventNoSubject)
			if i == 0 {
				continue
			}
			w.clock.turn(time.Hour)
			_, err := w.comesIn(w.login(w.connection, "00unew1", "new@acme.example"))
			w.turnsAway(err, "user_disabled")
			e, err = w.event(e.ID)
			w.ok(err)
			w.is(e, account.EventRecorded) // the first of the two has shut them out
			_, err = w.comesIn(w.login(w.connection, "00unew1", "new@acme.example"))
			w.turnsAway(err, "user_disabled")
		}
		w.hears(risc+"account-disabled", email("late@acme.example"), nil)
		w.clock.turn(25 * time.Hour)
		w.signedIn(w.login(w.connection, "00ulate1", "late@acme.example")) // whoever let them in knew of it
	})
}

func (w *town) event(id account.EventID) (e account.Event, err error) {
	return e, w.db.Read(w.ctx(), func(tx *table.Tx) (err error) { e, _, err = tx.Event(w.acme.ID, id); return err })
}

func TestAFailedEffectIsTriedAgainAndThenADeadLetter(t *testing.T) {
	inTown(t, func(w *town) {
		jane := w.jane()
		broken := errors.New("a part of the house is on fire")
		const uri = "urn:test:broken"
		eventKinds[uri] = eventKind{do: func(t *turn) error {
			if err := t.endSessions(); err != nil {
				return err
			}
			return broken
		}}
		defer delete(eventKinds, uri)
		in := w.token(uri, email("jane@acme.example"), nil)
		in.Events = append(in.Events, account.SETEvent{Type: caep + "credential-change", Subject: email("jane@acme.example"), Body: map[string]any{"change_type": "create"}})
		e := w.takes(in)
		w.is(e, account.EventRetrying)
		if !w.lives(jane) {
			t.Error("half of a failed effect stays")
		}
		for range eventAttempts {
			w.clock.turn(2 * time.Hour)
			w.ok(w.retryEvents(w.ctx()))
		}
		e, err := w.event(e.ID)
		w.ok(err)
		w.is(e, account.EventDeadLetter)
		if e.Attempts != eventAttempts {
			t.Errorf("%d attempts", e.Attempts)
		}
		dead, err := w.DeadLetters(w.ctx(), theOperator, w.stream.ID, "", 10)
		w.ok(err)
		if len(dead) != 1 || !strings.Contains(dead[0].Detail, "on fire") {
			t.Errorf("%+v", dead)
		}
		broken = nil // mended
		e, err = w.ReplayEvent(w.ctx(), theOperator, w.stream.ID, e.ID)
		w.ok(err)
		w.is(e, account.EventApplied)
		if w.lives(jane) {
			t.Error("the replay did nothing")
		}
		st, err := w.StreamStatus(w.ctx(), theOperator, w.stream.ID)
		w.ok(err)
		if st.Outcomes[account.EventApplied] != 1 || st.Outcomes[account.EventRecorded] != 1 || st.LastEvent.IsZero() || st.Lag.Events != 2 {
			t.Errorf("%+v", st)
		}
	})
}

// THREAT SET-7
func TestATokenOfFailuresCostsTwoRuns(t *testing.T) {
	inTown(t, func(w *town) {
		jane, ran := w.jane(), 0
		const uri = "urn:test:broken"
		eventKinds[uri] = eventKind{do: func(t *turn) error {
			ran++
			if err := t.endSessions(); err != nil {
				return err
			}
			return errors.New("a part of the house is on fire")
		}}
		defer delete(eventKinds, uri)
		in := w.token(uri, email("jane@acme.example"), nil)
		for range 62 {
			in.Events = append(in.Events, in.Events[0])
		}
		in.Events = append(in.Events, account.SETEvent{Type: risc + "account-disabled", Subject: email("omar@acme.example"), Body: map[string]any{}})
		omar := w.omar()
		out, err := w.Receive(w.ctx(), account.Actor{}, w.stream.ID, in)
		w.ok(err)
		if ran > 2*len(in.Events) {
			t.Errorf("%d events took %d runs", len(in.Events), ran)
		}
		for i, e := range out.Events[:63] {
			if w.is(e, account.EventRetrying); e.Sessions != 0 || e.Attempts != 1 {
				t.Errorf("%d: %+v", i, e)
			}
		}
		w.is(out.Events[63], account.EventApplied)
		if !w.lives(jane) || w.lives(omar) {
			t.Error("half of a failed effect stays, or one that did not fail is undone")
		}
		if r, err := w.Receipts(w.ctx(), theOperator, w.acme.ID, jane.User.ID, "", 10); err != nil || len(r) > 0 {
			t.Errorf("%+v %v", r, err)
		}
	})
}

func TestADryRunChangesNothing(t *testing.T) {
	inTown(t, func(w *town) {
		jane := w.jane()
		in := w.token(risc+"account-disabled", email("jane@acme.example"), nil)
		events, err := w.DryRunEvent(w.ctx(), theOperator, w.stream.ID, in)
		w.ok(err)
		if w.is(events[0], account.EventApplied); !strings.Contains(events[0].Detail, "1 sessions ended") || !w.lives(jane) {
			t.Errorf("%+v", events[0])
		}
		log, err := w.StreamEvents(w.ctx(), theOperator, w.stream.ID, "", "", 10)
		w.ok(err)
		if r, err := w.Receipts(w.ctx(), theOperator, w.acme.ID, "", "", 10); err != nil || len(r) > 0 || len(log) > 0 {
			t.Errorf("%+v %+v %v", log, r, err)
		}
		w.is(w.takes(in), account.EventApplied) // the token has not been used up
		_, err = w.DryRunEvent(w.ctx(), asUser(w.person("bob@acme.example", account.Member)), w.stream.ID, in)
		w.refuses(err, account.Forbidden, "")
	})
}

func TestARefusedTokenIsNotUsedUp(t *testing.T) {
	inTown(t, func(w *town) {
		state, err := w.AskVerification(w.ctx(), theOperator, w.stream.ID)
		w.ok(err)
		in := w.token(ssf+"verification", nil, map[string]any{"state": "another"})
		_, err = w.Receive(w.ctx(), account.Actor{}, w.stream.ID, in)
		w.refuses(err, account.Invalid, CodeInvalidState)
		in.Events[0].Body = map[string]any{"state": state}
		w.is(w.takes(in), account.EventApplied)
		st, err := w.StreamStatus(w.ctx(), theOperator, w.stream.ID)
		w.ok(err)
		if st.VerifiedAt.IsZero() || st.Pending != "" {
			t.Errorf("%+v", st)
		}
		w.is(w.hears(ssf+"verification", nil, map[string]any{"state": "another"}), account.EventRecorded) // nobody waits any more
		for _, bad := range []account.SET{{}, {JTI: "x"}, {JTI: strings.Repeat("x", 600), Events: in.Events},
			{JTI: "y", Events: []account.SETEvent{{Type: caep + "session-revoked"}}}} {
			_, err := w.Receive(w.ctx(), account.Actor{}, w.stream.ID, bad)
			w.refuses(err, account.Invalid, CodeInvalidRequest)
		}
	})
}

func TestALogoutOfTheProviderLeavesReceipts(t *testing.T) {
	inTown(t, func(w *town) {
		jane := w.jane()
		n, err := w.EndSessions(w.ctx(), account.Actor{Kind: account.ActorConnection}, w.connection.ID, "00ujane7", "", "m", w.clock.now().Add(time.Hour))
		w.ok(err)
		r, err := w.Receipts(w.ctx(), theOperator, w.acme.ID, jane.User.ID, "", 10)
		w.ok(err)
		if n != 1 || len(r) != 1 || r[0].Source != account.FromLogout || r[0].Sessions != 1 || w.lives(jane) {
			t.Errorf("%d %+v", n, r)
		}
	})
}

func TestTokensAreForgottenWhenTheyAreOld(t *testing.T) {
	inTown(t, func(w *town) {
		in := w.token(caep+"session-revoked", email("jane@acme.example"), nil)
		w.takes(in)
		w.clock.turn(setAge - time.Hour)
		w.ok(w.purge(context.Background()))
		out, err := w.Receive(w.ctx(), account.Actor{}, w.stream.ID, in)
		w.ok(err)
		if !out.Repeat {
			t.Error("a token was forgotten too early")
		}
		w.clock.turn(2 * time.Hour)
		w.ok(w.purge(context.Background()))
		log, err := w.StreamEvents(w.ctx(), theOperator, w.stream.ID, "", "", 10)
		w.ok(err)
		if len(log) > 0 {
			t.Errorf("%+v", log)
		}
	})
}

func TestTheEventsOfAStreamThatIsGoneHoldNobodyUp(t *testing.T) {
	inTown(t, func(w *town) {
		const uri = "urn:test:broken"
		eventKinds[uri] = eventKind{do: func(*turn) error { return errors.New("on fire") }}
		defer delete(eventKinds, uri)
		w.jane()
		failed := w.hears(uri, email("jane@acme.example"), nil)
		w.hears(risc+"account-disabled", email("new@acme.example"), nil)
		w.set(func(s *account.Stream) { s.Enabled = false })
		w.signedIn(w.login(w.connection, "00unew1", "new@acme.example")) // what is switched off says nothing
		w.ok(w.RemoveStream(w.ctx(), theOperator, w.stream.ID))
		w.clock.turn(time.Hour)
		w.ok(w.retryEvents(w.ctx()))
		e, err := w.event(failed.ID)
		w.ok(err)
		w.is(e, account.EventDeadLetter)
		w.signedIn(w.login(w.connection, "00unew2", "newer@acme.example"))
	})
}

// What was done is answered so: a provider that is told otherwise does it again, and finds it taken.
func TestWhoAppearsIsMadeThoughAnEventThatWaitedForThemFails(t *testing.T) {
	inTown(t, func(w *town) {
		const uri = "urn:test:gone"
		away := error(account.Errorf(account.Unavailable, "Not now."))
		eventKinds[uri] = eventKind{shutsOut: true, do: func(t *turn) error {
			if away != nil {
				return away
			}
			return t.disable()
		}}
		defer delete(eventKinds, uri)
		early := w.hears(uri, email("nina@acme.example"), nil)
		w.is(early, account.EventNoSubject)
		made := w.hears(prov+"create:full", scimSubject("/Users/n1"), map[string]any{"data": nina(true)})
		w.is(made, account.EventApplied)
		if w.place(made.User).State != account.UserActive {
			t.Fatal("the effect did not fail")
		}
		away = nil
		w.clock.turn(putOff)
		w.ok(w.retryEvents(w.ctx()))
		early, err := w.event(early.ID)
		w.ok(err)
		if w.is(early, account.EventApplied); w.place(made.User).State != account.UserDisabled {
			t.Error("the disable that came too early is lost")
		}
	})
}

func TestAnEventThatCannotBeTriedHoldsNoOtherUp(t *testing.T) {
	inTown(t, func(w *town) {
		const uri, other = "urn:test:away", "urn:test:broken"
		away, broken := account.Errorf(account.Unavailable, "Not now."), errors.New("on fire")
		var first, second error = broken, broken
		eventKinds[uri] = eventKind{do: func(*turn) error { return first }}
		eventKinds[other] = eventKind{do: func(t *turn) error {
			if second == nil {
				return t.endSessions()
			}
			return second
		}}
		defer delete(eventKinds, uri)
		defer delete(eventKinds, other)
		jane := w.jane()
		a, b := w.hears(uri, email("jane@acme.example"), nil), w.hears(other, email("jane@acme.example"), nil)
		first, second = away, nil
		w.clock.turn(time.Minute)
		w.ok(w.retryEvents(w.ctx()))
		if a, err := w.event(a.ID); err != nil || a.Outcome != account.EventRetrying || a.Attempts != 1 || w.lives(jane) {
			t.Errorf("%+v %v", a, err)
		}
		if b, err := w.event(b.ID); err != nil || b.Outcome != account.EventApplied {
			t.Errorf("%+v %v", b, err)
		}
		first = nil
		w.clock.turn(putOff)
		w.ok(w.retryEvents(w.ctx()))
		if a, err := w.event(a.ID); err != nil || a.Outcome != account.EventRecorded {
			t.Errorf("%+v %v", a, err)
		}
	})
}
