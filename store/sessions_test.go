package store

import (
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// THREAT SES-1
func TestASessionEndsByWhicheverLimitComesFirst(t *testing.T) {
	each(t, func(h *house) {
		s := samlSettings()
		s.MaxSession = 10 * time.Hour
		c := h.connect("okta", s)
		h.proves(h.acme.ID, "acme.example")
		lives := func(in Entrance) bool {
			_, err := h.Presence(h.ctx(), in.Session.Token)
			if err != nil {
				h.refuses(err, account.Unauthorized, "")
			}
			return err == nil
		}
		byConnection := h.signedIn(h.login(c, "ana", "ana@acme.example"))
		capped := h.login(c, "bob", "bob@acme.example")
		capped.SessionUntil = h.clock.now().Add(time.Hour)
		byProvider := h.signedIn(capped)
		idle := h.signedIn(h.login(c, "cleo", "cleo@acme.example"))
		if len(byConnection.Session.Token.Reveal()) != 43 || byConnection.Session.ExpiresAt.Sub(byConnection.Session.CreatedAt) != 10*time.Hour {
			h.Errorf("%+v", byConnection.Session)
		}
		h.clock.turn(59 * time.Minute)
		if !lives(byProvider) {
			h.Error("ended before the provider's limit")
		}
		h.clock.turn(2 * time.Minute)
		if lives(byProvider) {
			h.Error("outlived the provider's limit")
		}
		for range 2 {
			h.clock.turn(4 * time.Hour)
			if !lives(byConnection) {
				h.Fatal("a session in use ended as idle")
			}
		}
		if lives(idle) {
			h.Error("an idle session lives on")
		}
		h.clock.turn(time.Hour)
		if lives(byConnection) {
			h.Error("outlived the connection's limit")
		}
		past := h.login(c, "bob", "bob@acme.example")
		past.SessionUntil = h.clock.now().Add(-time.Minute)
		_, err := h.comesIn(past)
		h.turnsAway(err, "session_over")
	})
}

// THREAT SES-1 SES-2
func TestOnlyTheDigestOfATokenIsKept(t *testing.T) {
	each(t, func(h *house) {
		c := h.ruled()
		in := h.signedIn(h.login(c, "ana", "ana@acme.example"))
		for _, planted := range []string{"", "planted", string(in.Session.ID), in.Session.Token.Reveal() + "x"} {
			h.refuses(last(h.Presence(h.ctx(), account.NewSecret(planted))), account.Unauthorized, "")
		}
		again := h.signedIn(h.login(c, "ana", "ana@acme.example"))
		if again.Session.Token == in.Session.Token || again.Session.ID == in.Session.ID {
			h.Error("a sign-in makes a new session")
		}
		if dump := h.dump(); strings.Contains(dump, in.Session.Token.Reveal()) {
			h.Error("a token is in the database")
		}
	})
}

// REQ A-14
// THREAT SES-2
func TestAPersonOfTwoAccountsChoosesOneAndGetsANewToken(t *testing.T) {
	each(t, func(h *house) {
		c := h.ruled()
		globex, _, err := h.CreateAccount(h.ctx(), theOperator, "globex", "globex", "", account.Enterprise)
		h.ok(err)
		ana, err := h.AddPerson(h.ctx(), theOperator, globex.ID, "ana@acme.example", "", account.Owner)
		h.ok(err)
		in := h.signedIn(h.login(c, "ana", "ana@acme.example"))
		if in.User.ID != ana.ID || !in.Several {
			h.Fatalf("%+v", in)
		}
		p, err := h.Presence(h.ctx(), in.Session.Token)
		h.ok(err)
		if len(p.Tenancies) != 2 || p.Tenancies[0].Role != account.Member || p.Tenancies[1].Role != account.Owner || p.Account.ID != h.acme.ID {
			h.Errorf("%+v", p.Tenancies)
		}
		moved, err := h.Choose(h.ctx(), account.Actor{IP: "192.0.2.9"}, in.Session.Token, globex.ID)
		h.ok(err)
		h.refuses(last(h.Presence(h.ctx(), in.Session.Token)), account.Unauthorized, "")
		p, err = h.Presence(h.ctx(), moved.Token)
		h.ok(err)
		if p.Account.ID != globex.ID || p.Tenancy.Role != account.Owner || p.Session.ID != in.Session.ID {
			h.Errorf("%+v", p)
		}
		other, _, err := h.CreateAccount(h.ctx(), theOperator, "initech", "initech", "", account.Enterprise)
		h.ok(err)
		h.refuses(last(h.Choose(h.ctx(), account.Actor{}, moved.Token, other.ID)), account.NotFound, "")
		h.ok(h.EnableConnection(h.ctx(), theOperator, c.ID, false))
		h.refuses(last(h.Presence(h.ctx(), moved.Token)), account.Unauthorized, "")
	})
}

// REQ A-01
// THREAT SES-6
func TestAnEndedTenancyEndsItsSessions(t *testing.T) {
	each(t, func(h *house) {
		c := h.ruled()
		bob := h.person("bob@acme.example", account.Member)
		in := h.signedIn(h.login(c, "bob", "bob@acme.example"))
		h.ok(h.Withdraw(h.ctx(), theOperator, h.acme.ID, bob.ID, account.Scope{}, account.Member))
		h.refuses(last(h.Presence(h.ctx(), in.Session.Token)), account.Unauthorized, "")
	})
}

func TestSigningOutGivesWhatTheProviderHasToHear(t *testing.T) {
	each(t, func(h *house) {
		c := h.ruled()
		login := h.login(c, "ana", "ana@acme.example")
		login.NameID = &account.NameID{Value: "ana", Format: "persistent", NameQualifier: "idp", SPNameQualifier: "sp"}
		login.IDToken = account.NewSecret("header.payload.signature")
		in := h.signedIn(login)
		if strings.Contains(h.dump(), "header.payload") {
			h.Error("the id token is in the clear")
		}
		out, err := h.SignOut(h.ctx(), account.Actor{}, in.Session.Token)
		h.ok(err)
		if out.Session.ID != in.Session.ID || *out.NameID != *login.NameID || out.IDToken != login.IDToken || out.Session.ProviderSession != login.ProviderSession {
			h.Errorf("%+v", out)
		}
		h.refuses(last(h.Presence(h.ctx(), in.Session.Token)), account.Unauthorized, "")
		again, err := h.SignOut(h.ctx(), account.Actor{}, in.Session.Token)
		if err != nil || again.Session.ID != "" {
			h.Errorf("ending it twice: %+v %v", again, err)
		}
	})
}

func TestAProvidersLogoutEndsTheSessionsItNamesOnce(t *testing.T) {
	each(t, func(h *house) {
		c, other := h.ruled(), h.connect("entra", oidcSettings())
		login := func(c account.Connection, who, session string) Entrance {
			l := h.login(c, who, who+"@acme.example")
			l.ProviderSession = session
			return h.signedIn(l)
		}
		one, two, three := login(c, "ana", "s1"), login(c, "ana", "s2"), login(c, "bob", "s3")
		far := login(other, "ana", "s1")
		until := h.clock.now().Add(time.Hour)
		end := func(subject, session, message string) int {
			n, err := h.EndSessions(h.ctx(), account.Actor{Kind: account.ActorConnection}, c.ID, subject, session, message, until)
			h.ok(err)
			return n
		}
		if n := end("ana", "s1", "m1"); n != 1 {
			h.Errorf("%d ended", n)
		}
		_, err := h.EndSessions(h.ctx(), account.Actor{Kind: account.ActorConnection}, c.ID, "ana", "", "m1", until)
		h.refuses(err, account.Conflict, "already_used")
		if n := end("ana", "", "m2"); n != 1 {
			h.Errorf("%d ended", n)
		}
		if n := end("nobody", "", "m3"); n != 0 {
			h.Errorf("%d ended", n)
		}
		_, err = h.EndSessions(h.ctx(), account.Actor{Kind: account.ActorConnection}, c.ID, "", "", "m4", until)
		h.refuses(err, account.Invalid, "")
		for _, e := range []struct {
			in    Entrance
			lives bool
		}{{one, false}, {two, false}, {three, true}, {far, true}} {
			if _, err := h.Presence(h.ctx(), e.in.Session.Token); (err == nil) != e.lives {
				h.Errorf("%s: %v", e.in.Session.ProviderSession, err)
			}
		}
		if n := end("", "s3", "m5"); n != 1 {
			h.Errorf("%d ended", n)
		}
	})
}
