package test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/federation/session"
	"github.com/drawbridge-id/drawbridge/test/post"
	"github.com/drawbridge-id/drawbridge/test/world"
	"github.com/drawbridge-id/drawbridge/web/api"
)

// linkIn is the path of the one link to accept in a letter.
func linkIn(w *world.World, l post.Letter) string {
	w.Helper()
	at := w.URL + "/invitation/"
	if n := strings.Count(l.Text, at); n != 1 {
		w.Fatalf("the letter has %d links:\n%s", n, l.Text)
	}
	_, rest, _ := strings.Cut(l.Text, at)
	token := strings.Fields(rest)[0]
	if !strings.Contains(l.HTML, at+token) {
		w.Fatalf("the letter's other form has another link:\n%s", l.HTML)
	}
	return "/invitation/" + token
}

// pushes sends a form of ours, with the token of the browser's session.
func pushes(w *world.World, b *world.Browser, path string, form url.Values) reply {
	w.Helper()
	if form == nil {
		form = url.Values{}
	}
	if b != nil {
		token, _ := b.Cookie(w.URL, session.Cookie)
		form.Set(session.FormField, session.FormToken(account.NewSecret(token)))
	}
	return ask(w, b, "POST", path, form.Encode(), "Content-Type", "application/x-www-form-urlencoded", "Accept", "text/html")
}

// look opens a page.
func look(w *world.World, b *world.Browser, path string) reply {
	w.Helper()
	return ask(w, b, "GET", path, nil, "Accept", "text/html")
}

type invite struct {
	Email       string `json:"email"`
	AccountRole string `json:"account_role"`
	Message     string `json:"message,omitempty"`
	ExpiresIn   string `json:"expires_in,omitempty"`
}

func invited(w *world.World, b *world.Browser, org string, in invite) api.Invited {
	w.Helper()
	return read[api.Invited](ask(w, b, "POST", "/api/v1/orgs/"+org+"/invitations", in).is(201))
}

// REQ B-02 D-08 D-09 D-10 D-11 E-01 E-02 E-07 K-22
func TestAnInvitedPersonComesInThroughTheirProvider(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		olga := acme.As("olga@acme.example")
		at := "/api/v1/orgs/acme/invitations"
		i := invited(w, olga, "acme", invite{Email: "Cleo@acme.example", AccountRole: "member", Message: "Hello <b>Cleo</b>,\n\nsee <https://acme.example>."})
		if i.State != "pending" || i.Email != "cleo@acme.example" || i.ExpiresAt.Sub(i.SentAt) != 6*time.Hour || len(i.Warnings) != 0 {
			w.Errorf("%+v", i)
		}
		// Step 2, in the org and in a team.
		teams := read[teamsList](ask(w, olga, "GET", "/api/v1/orgs/acme/teams", nil).is(200)).Teams
		given := read[api.Assigned](ask(w, olga, "POST", at+"/"+string(i.ID)+"/roles", api.RolesIn{Roles: []account.Role{"registry:writer", "catalog:reader"}}).is(200))
		if given.Invitation != i.ID || given.User != "" || given.Message != "cleo@acme.example will be Registry Writer, Catalog Reader in acme once they accept the invitation." {
			w.Errorf("%+v", given)
		}
		given = read[api.Assigned](ask(w, olga, "POST", "/api/v1/orgs/acme/people/roles", map[string]any{"email": "cleo@acme.example", "team": teams[0].ID, "roles": []string{"functions:user"}}).is(200))
		if given.Team != teams[0].ID {
			w.Errorf("%+v", given)
		}
		ask(w, olga, "POST", "/api/v1/orgs/acme/people/roles", map[string]any{"email": "dora@acme.example", "roles": []string{"functions:user"}}).refuses(409, "step_one_needed")

		letter, err := w.Post.Wait(w.Context(), "cleo@acme.example", 1)
		ok(w, err)
		if letter.Subject != "You've been invited to acme" || letter.From != "house@drawbridge.example" {
			w.Errorf("%q from %q", letter.Subject, letter.From)
		}
		if !strings.Contains(letter.Text, "Hello <b>Cleo</b>,") || strings.Contains(letter.HTML, "<b>Cleo</b>") || !strings.Contains(letter.HTML, "Hello &lt;b&gt;Cleo&lt;/b&gt;,") {
			w.Errorf("the message is\n%s\n%s", letter.Text, letter.HTML)
		}
		link := linkIn(w, letter)

		// A scanner opens the link, often, and posts nothing.
		for range 5 {
			look(w, nil, link).is(200).says("You are invited to acme", "olga@acme.example", "Registry Writer", "Functions User")
			ask(w, nil, "HEAD", link, nil)
		}
		pushes(w, nil, link, nil).is(401)
		page := look(w, nil, link).says("/signin?login_hint=cleo%40acme.example&amp;next="+url.QueryEscape(link), "/signup?email=cleo%40acme.example&amp;next=")
		if page.header.Get("Cache-Control") != "no-store" {
			w.Error("the page may be stored")
		}

		// Somebody else is told so.
		ben := acme.As("ben@acme.example")
		look(w, ben, link).is(200).says("You are signed in as somebody else", "cleo@acme.example", "ben@acme.example")
		pushes(w, ben, link, nil).is(409).says("This invitation is for cleo@acme.example")

		cleo := w.Browser("cleo@acme.example")
		cleo.StopBefore = w.URL + link // or the driver would press the button
		arrived := cleo.Open("/login/" + string(acme.Connection.ID) + "?next=" + url.QueryEscape(link))
		cleo.StopBefore = ""
		if !arrived.Stopped || arrived.URL != w.URL+link {
			w.Fatalf("Cleo arrived at %s:\n%s", arrived.URL, arrived.Body)
		}
		look(w, cleo, link).is(200).says("Accept invitation")
		if got := cleo.Session().RoleNames(); slices.Contains(got, "registry:writer") {
			w.Errorf("before accepting Cleo holds %v", got)
		}
		ask(w, cleo, "POST", link, "token=forged", "Content-Type", "application/x-www-form-urlencoded").is(403)
		pushes(w, cleo, link, nil).is(303)
		want := []string{"catalog:reader", "registry:writer", "functions:user@" + teams[0].Name}
		holds := func() {
			w.Helper()
			s := cleo.Session()
			if got := s.RoleNames(); !slices.Equal(got, want) {
				w.Errorf("Cleo holds %v, not %v", got, want)
			}
			for _, r := range s.Roles {
				if byInvitation := func(i int) bool { return r.Sources[i].Kind == account.SourceInvitation }; r.Scope.Org != "" && !byInvitation(0) && !byInvitation(len(r.Sources)-1) {
					w.Errorf("%+v", r)
				}
			}
		}
		holds()
		// Again is the same; for others it is used.
		pushes(w, cleo, link, nil).is(303)
		look(w, cleo, link).is(200).says("You are in acme")
		look(w, ben, link).is(200).says("This invitation has been used")
		if line := w.Audit("acme", "invitation.accepted"); line.Target != string(i.ID) || !strings.HasPrefix(fmt.Sprint(line.Detail["by"]), "user:usr_") {
			w.Errorf("%+v", line)
		}
		// Her groups give and take nothing of it.
		acme.As("cleo@acme.example")
		holds()
	})
}

// REQ A-08 D-17
func TestWhoIsAddedIsAmongThePeopleAtOnce(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		olga := acme.As("olga@acme.example")
		i := invited(w, olga, "acme", invite{Email: "nadia@acme.example", AccountRole: "admin"})
		type list struct {
			People []api.Person `json:"people"`
			Next   string       `json:"next"`
			Total  int          `json:"total"`
		}
		found := read[list](ask(w, olga, "GET", "/api/v1/orgs/acme/people?q=NADI", nil).is(200))
		if found.Total != 1 || len(found.People) != 1 || found.People[0].Place != "invited" || found.People[0].AccountRole != account.Admin || found.People[0].Invitation != i.ID {
			w.Errorf("%+v", found)
		}
		first := read[list](ask(w, olga, "GET", "/api/v1/orgs/acme/people?limit=1", nil).is(200))
		second := read[list](ask(w, olga, "GET", "/api/v1/orgs/acme/people?limit=1&after="+first.Next, nil).is(200))
		if first.Total != 2 || len(first.People) != 1 || first.Next == "" || len(second.People) != 1 || second.Next != "" || second.People[0].Email == first.People[0].Email {
			w.Errorf("%+v, %+v", first, second)
		}
		ask(w, olga, "GET", "/api/v1/orgs/acme/people?after=nonsense", nil).is(422)
	})
}

// REQ D-15 E-03 T-01~ T-11
func TestWhoInvitesIsWarnedAboutAnotherDomain(t *testing.T) {
	world.Each(t, func(w *world.World) {
		olga := w.Acme().As("olga@acme.example")
		i := invited(w, olga, "acme", invite{Email: "eve@partner.example", AccountRole: "member", ExpiresIn: "1mo"})
		if len(i.Warnings) != 1 || i.Warnings[0].Code != "other_domain" || !strings.Contains(i.Warnings[0].Fix, "external user group") || i.ExpiresAt.Sub(i.SentAt) != 720*time.Hour {
			w.Errorf("%+v", i)
		}
		at := "/api/v1/orgs/acme/invitations"
		for _, length := range []string{"59m", "31d", "2mo", "soon"} {
			ask(w, olga, "POST", at, invite{Email: "ed@acme.example", AccountRole: "member", ExpiresIn: length}).refuses(422, "bad_expiry")
		}
		ask(w, olga, "PUT", "/api/v1/orgs/acme/member-domains", api.MemberDomains{VerifiedOnly: true}).is(200)
		ask(w, olga, "POST", at, invite{Email: "ed@partner.example", AccountRole: "member"}).refuses(422, "member_domain")
		invited(w, olga, "acme", invite{Email: "ed@acme.example", AccountRole: "member"})
	})
}

// REQ E-07
func TestAnExpiredLinkOffersToAskForANewOne(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		olga := acme.As("olga@acme.example")
		i := invited(w, olga, "acme", invite{Email: "ana@acme.example", AccountRole: "member", ExpiresIn: "1h"})
		letter, err := w.Post.Wait(w.Context(), "ana@acme.example", 1)
		ok(w, err)
		link := linkIn(w, letter)
		w.Clock.Turn(time.Hour)
		look(w, nil, link).is(200).says("This invitation has run out", "Ask for a new one")
		ana := acme.As("ana@acme.example")
		pushes(w, ana, link, nil).is(409).says("run out")
		for range 3 {
			pushes(w, nil, link+"/ask", nil).is(303)
		}
		look(w, nil, link).is(200).says("olga@acme.example has been asked for a new one")
		asked, err := w.Post.Wait(w.Context(), "olga@acme.example", 1)
		ok(w, err)
		if !strings.Contains(asked.Text, "ana@acme.example to acme ran out") || !strings.Contains(asked.Text, string(i.ID)) {
			w.Errorf("%s\n%s", asked.Subject, asked.Text)
		}
		olga = acme.As("olga@acme.example")
		shown := read[api.Invitation](ask(w, olga, "GET", "/api/v1/orgs/acme/invitations/"+string(i.ID), nil).is(200))
		if shown.State != "expired" || shown.AskedAt == nil {
			w.Errorf("%+v", shown)
		}
		again := read[api.Invitation](ask(w, olga, "POST", "/api/v1/orgs/acme/invitations/"+string(i.ID)+"/resend", nil).is(200))
		if again.State != "pending" || again.ExpiresAt.Sub(again.SentAt) != time.Hour {
			w.Errorf("%+v", again)
		}
		letter, err = w.Post.Wait(w.Context(), "ana@acme.example", 2)
		ok(w, err)
		second := linkIn(w, letter)
		look(w, nil, link).is(404)
		look(w, ana, second).is(200)
		// A sign-in of long ago does not accept.
		w.Clock.Turn(31 * time.Minute)
		look(w, ana, second).is(200).says("Sign in again", "/signin/confirm?next=")
		pushes(w, ana, second, nil).is(303)
		if read[api.Invitation](ask(w, olga, "GET", "/api/v1/orgs/acme/invitations/"+string(i.ID), nil).is(200)).State != "pending" {
			w.Error("an old sign-in accepted it")
		}
		pushes(w, acme.As("ana@acme.example"), second, nil).is(303)
		if n := len(w.Post.To("olga@acme.example")); n != 1 {
			w.Errorf("Olga was asked %d times", n)
		}
	})
}

// THREAT ADM-1
func TestInvitationsAreNoBusinessOfOthers(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme, globex := w.Acme(), w.Globex()
		olga, olaf, ben := acme.As("olga@acme.example"), globex.As("olaf@globex.example"), acme.As("ben@acme.example")
		i := invited(w, olga, "acme", invite{Email: "nadia@acme.example", AccountRole: "member"})
		at := "/api/v1/orgs/acme/invitations/" + string(i.ID)
		ask(w, olaf, "GET", at, nil).refuses(404, "no_account")
		ask(w, olaf, "GET", "/api/v1/orgs/globex/invitations/"+string(i.ID), nil).refuses(404, "no_invitation")
		for _, do := range []string{"/resend", "/revoke"} {
			ask(w, olaf, "POST", at+do, nil).is(404)
			ask(w, olaf, "POST", "/api/v1/orgs/globex/invitations/"+string(i.ID)+do, nil).is(404)
			ask(w, ben, "POST", at+do, nil).is(403)
		}
		ask(w, ben, "GET", "/api/v1/orgs/acme/invitations", nil).is(403)
		ask(w, ben, "POST", "/api/v1/me/invitations/"+string(i.ID)+"/accept", nil).refuses(404, "no_link")
		ask(w, olga, "POST", at+"/revoke", nil).is(204)
		letter, err := w.Post.Wait(w.Context(), "nadia@acme.example", 1)
		ok(w, err)
		look(w, nil, linkIn(w, letter)).is(200).says("taken back")
		look(w, nil, "/invitation/none").is(404)
	})
}

// REQ E-07
func TestOfTwoBrowsersOneAccepts(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme, globex := w.Acme(), w.Globex()
		olga, gus := acme.As("olga@acme.example"), globex.As("gus@globex.example")
		i := invited(w, olga, "acme", invite{Email: "gus@globex.example", AccountRole: "member"})
		ask(w, olga, "POST", "/api/v1/orgs/acme/invitations/"+string(i.ID)+"/roles", api.RolesIn{Roles: []account.Role{"registry:reader"}}).is(200)
		mine := read[struct {
			Invitations []api.MyInvitation `json:"invitations"`
		}](ask(w, gus, "GET", "/api/v1/me/invitations", nil).is(200))
		if len(mine.Invitations) != 1 || mine.Invitations[0].Org != "acme" || mine.Invitations[0].By != "olga@acme.example" {
			w.Errorf("%+v", mine)
		}
		answers := make([]reply, 8)
		var all sync.WaitGroup
		for n := range answers {
			all.Go(func() {
				answers[n] = ask(w, gus, "POST", "/api/v1/me/invitations/"+string(i.ID)+"/accept", nil)
			})
		}
		all.Wait()
		for _, a := range answers {
			a.is(http.StatusOK)
			if got := read[api.Accepted](a); got.Org != "acme" || len(got.Roles) != 1 {
				w.Errorf("%s", a.body)
			}
		}
		// The page of the same link brings his session there.
		letter, err := w.Post.Wait(w.Context(), "gus@globex.example", 1)
		ok(w, err)
		pushes(w, gus, linkIn(w, letter), nil).is(303)
		accepted := 0
		a, _ := w.Account("acme")
		lines, err := w.House.Ledger.Audit(w.Context(), world.Operator, a.ID, "", 100)
		ok(w, err)
		for _, line := range lines {
			if line.Verb == "invitation.accepted" {
				accepted++
			}
		}
		if accepted != 1 {
			w.Errorf("it was accepted %d times", accepted)
		}
	})
}

// REQ D-06
func TestOwnersHearOfEveryWayInWhichOneIsRemoved(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		olga := acme.As("olga@acme.example")
		l, ctx := w.House.Ledger, w.Context()
		acct, org := w.Account("acme")
		for n, scope := range []string{"org", "account"} {
			email := fmt.Sprintf("o%d@acme.example", n)
			u, err := l.AddPerson(ctx, world.Operator, acct.ID, email, "", account.Admin)
			ok(w, err)
			ok(w, l.Grant(ctx, world.Operator, acct.ID, u.ID, account.Scope{Org: org.ID}, account.Owner))
			ask(w, olga, "DELETE", "/api/v1/orgs/acme/people/"+string(u.ID)+"?scope="+scope, nil).is(200)
			letter, err := w.Post.Wait(ctx, "olga@acme.example", n+1)
			ok(w, err)
			if letter.Subject != "acme: "+email+" is no longer an owner" || !strings.Contains(letter.Text, "olga@acme.example removed "+email) {
				w.Errorf("%s\n%s", letter.Subject, letter.Text)
			}
		}
		if n := len(w.Post.To("")); n != 2 {
			w.Errorf("%d letters were sent", n)
		}
	})
}

// REQ D-18 D-19 D-20
func TestAMembershipIsEditedByThoseWhoMay(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		olga, ben := acme.As("olga@acme.example"), acme.As("ben@acme.example")
		ana := acme.As("ana@acme.example").Session().User.ID
		teams := read[teamsList](ask(w, olga, "GET", "/api/v1/orgs/acme/teams", nil).is(200)).Teams
		at := "/api/v1/orgs/acme/people/" + string(ana)
		given := read[api.Assigned](ask(w, olga, "POST", at+"/roles", map[string]any{"team": teams[1].ID, "roles": []string{"registry:admin", "user_admin"}}).is(200))
		if want := "ana@acme.example is Registry Administrator, User admin in team " + teams[1].Name + " of acme now."; given.Message != want {
			w.Errorf("%q, want %q", given.Message, want)
		}
		// All of them or none.
		ask(w, olga, "POST", at+"/roles", map[string]any{"roles": []string{"registry:admin", "endpoints:user"}}).refuses(409, "service_not_enabled")
		held := func() []api.Held { return read[api.Person](ask(w, olga, "GET", at, nil).is(200)).Roles }
		before := len(held())
		// The user admin of a team removes nobody from the org.
		someone := ben.Session().User.ID
		for _, scope := range []string{"org", "account"} {
			ask(w, acme.As("ana@acme.example"), "DELETE", "/api/v1/orgs/acme/people/"+string(someone)+"?scope="+scope, nil).is(403)
		}
		ask(w, olga, "POST", at+"/roles/withdraw", map[string]any{"team": teams[1].ID, "role": "registry:admin"}).is(204)
		if after := len(held()); after != before-1 {
			w.Errorf("%d roles, then %d", before, after)
		}
		// What a user admin who is a member of the account should think of.
		given = read[api.Assigned](ask(w, olga, "POST", at+"/roles", map[string]any{"role": "user_admin"}).is(200))
		if len(given.Warnings) != 1 || given.Warnings[0].Code != "account_role_low" {
			w.Errorf("%+v", given)
		}
		given = read[api.Assigned](ask(w, olga, "POST", at+"/roles", map[string]any{"role": "admin", "account": true}).is(200))
		if given.Message != "ana@acme.example is Administrator in the account of acme now." {
			w.Errorf("%+v", given)
		}
	})
}
