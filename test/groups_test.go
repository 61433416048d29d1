package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/federation/session"
	"github.com/drawbridge-id/drawbridge/test/world"
	"github.com/drawbridge-id/drawbridge/web/api"
)

// groupMade is an external group of an org that b makes.
func groupMade(w *world.World, b *world.Browser, org, name string) api.ExternalGroup {
	w.Helper()
	return read[api.ExternalGroup](ask(w, b, "POST", "/api/v1/orgs/"+org+"/external-groups", api.GroupSettings{Name: name}).is(201))
}

func groupPath(g api.ExternalGroup, more string) string {
	return "/api/v1/groups/" + string(g.ID) + more
}

type givenRole struct {
	Team account.TeamID `json:"team,omitempty"`
	Role account.Role   `json:"role"`
}

// groupLinks are the paths of the links in the nth letter to somebody, the one to the portal last.
func groupLinks(w *world.World, to string, n int) []string {
	w.Helper()
	letter, err := w.Post.Wait(w.Context(), to, n)
	ok(w, err)
	links := regexp.MustCompile(regexp.QuoteMeta(w.URL)+`(/group-invitation/\S+)`).FindAllStringSubmatch(letter.Text, -1)
	var out []string
	for _, l := range links {
		if !strings.Contains(letter.HTML, w.URL+l[1]) {
			w.Errorf("the other form of the letter lacks %s", l[1])
		}
		out = append(out, l[1])
	}
	if len(out) == 0 {
		w.Fatalf("no link in\n%s", letter.Text)
	}
	return out
}

// joined is the address that accepting leads to; b has to be signed in already, or signs in on the way.
func joined(w *world.World, b *world.Browser, link string) string {
	w.Helper()
	path, query, _ := strings.Cut(link, "?")
	form := url.Values{}
	if query != "" {
		form.Set("portal", "1")
	}
	return pushes(w, b, path, form).is(http.StatusSeeOther).header.Get("Location")
}

// enters moves a session to an org that the person is external to, by the page where one chooses.
func enters(w *world.World, b *world.Browser, org string) {
	w.Helper()
	a, _ := w.Account(org)
	token, _ := b.Cookie(w.URL, session.Cookie)
	_, err := b.Post(w.Context(), w.URL+"/choose", url.Values{"account": {string(a.ID)}, session.FormField: {session.FormToken(account.NewSecret(token))}})
	ok(w, err)
}

// verified asks what a key is good for, as an app does.
type verified struct {
	Active   bool `json:"active"`
	External bool `json:"external"`
	Roles    []struct {
		Role account.Role   `json:"role"`
		Team account.TeamID `json:"team"`
	} `json:"roles"`
	Denied []struct {
		Role   account.Role `json:"role"`
		Code   string       `json:"code"`
		Detail string       `json:"detail"`
	} `json:"denied"`
}

func verify(w *world.World, key string) (v verified) {
	w.Helper()
	ok(w, json.Unmarshal([]byte(ask(w, nil, "POST", "/keys/verify", map[string]string{"key": key}).is(200).body), &v))
	return v
}

// REQ F-01 F-03 F-05 F-07 F-09 F-11 F-13 F-17 F-24 F-25 F-27 F-28 F-29
func TestAnOutsiderUsesWhatAGroupGivesAndNothingElse(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme, globex := w.Acme(), w.Globex()
		olga := acme.As("olga@acme.example")
		g := groupMade(w, olga, "acme", "Project Alpha")
		if g.Role != account.Admin || *g.Members != 1 || g.Seats != 1000 {
			w.Errorf("who makes a group is its admin: %+v", g)
		}
		ask(w, olga, "GET", "/api/v1/orgs/acme/external-groups/roles", nil).is(200).says("registry:writer", "catalog:reader")
		ask(w, olga, "POST", groupPath(g, "/permissions"), givenRole{Role: "functions:user"}).refuses(422, "service_not_for_groups")
		research := team(w, "acme", "research")
		ask(w, olga, "POST", groupPath(g, "/permissions"), givenRole{Role: "registry:reader"}).is(204)
		ask(w, olga, "POST", groupPath(g, "/permissions"), givenRole{Role: "registry:writer", Team: research}).is(204)

		// Three addressees, one role; the letter says what the template says.
		sent := read[struct{ Invitations []api.GroupInvitation }](ask(w, olga, "POST", groupPath(g, "/invitations"), api.GroupInvite{
			Emails: []string{"gus@globex.example", "hana@globex.example"}, Role: account.Operator, Expires: "3h"}).is(201)).Invitations
		if len(sent) != 2 || sent[0].Role != account.Operator || sent[1].Role != account.Operator || sent[0].Expires.Sub(w.Clock.Now()) != 3*time.Hour {
			w.Errorf("sent were %+v", sent)
		}
		ask(w, olga, "POST", groupPath(g, "/invitations"), api.GroupInvite{Emails: []string{"olaf@globex.example"}, Role: account.Member}).is(201)
		letter, err := w.Post.Wait(w.Context(), "olaf@globex.example", 1)
		ok(w, err)
		if letter.Subject != "Invitation to join Project Alpha of acme" || !strings.Contains(letter.Text, "Access Org") || !strings.Contains(letter.Text, "spam folder") {
			w.Errorf("the letter says %q\n%s", letter.Subject, letter.Text)
		}
		if links := groupLinks(w, "olaf@globex.example", 1); len(links) != 1 {
			w.Errorf("a member's letter has %d links", len(links))
		}
		two := groupLinks(w, "gus@globex.example", 1)
		if len(two) != 2 || two[1] != two[0]+"?portal=1" {
			w.Fatalf("an operator's letter has the links %v", two)
		}

		// Nobody is signed in: looking uses nothing up, and says how to go on.
		for range 3 {
			look(w, nil, two[0]).is(200).says("Project Alpha", "olga@acme.example", "Sign in to accept", "Create an identity", "spam folder")
		}
		// Somebody else is.
		ben := acme.As("ben@acme.example")
		look(w, ben, two[0]).is(200).says("signed in as somebody else")
		pushes(w, ben, two[0], nil).is(403).says("for another address")

		// The second link first; then the first works too (F-28).
		gus := globex.As("gus@globex.example")
		look(w, gus, two[1]).is(200).says("Access Org")
		if to := joined(w, gus, two[1]); to != "/groups/"+string(g.ID) {
			w.Errorf("the portal's link leads to %s", to)
		}
		if to := look(w, gus, two[0]).is(303).header.Get("Location"); to != "/choose" {
			w.Errorf("the other link leads to %s", to)
		}
		look(w, ben, two[0]).is(200).says("has been used")

		members := read[struct{ Members []api.GroupMember }](ask(w, olga, "GET", groupPath(g, "/members"), nil).is(200)).Members
		waiting := read[struct{ Invitations []api.GroupInvitation }](ask(w, olga, "GET", groupPath(g, "/invitations"), nil).is(200)).Invitations
		if len(members) != 2 || len(waiting) != 2 {
			w.Errorf("confirmed are %+v, pending %+v", members, waiting)
		}

		// The portal: an operator sees users and roles and invites; a member sees no control.
		look(w, gus, "/groups").is(200).says("Project Alpha")
		portal := look(w, gus, "/groups/"+string(g.ID)).is(200).says("Pending Invitations", "Confirmed Users", "Invite Users", "hana@globex.example", "olga@acme.example")
		if strings.Contains(portal.body, `value="admin"`) {
			w.Error("an operator is offered to invite admins")
		}
		olaf := globex.As("olaf@globex.example")
		if to := joined(w, olaf, groupLinks(w, "olaf@globex.example", 1)[0]); to != "/choose" {
			w.Errorf("a member comes to %s", to)
		}
		seen := look(w, olaf, "/groups/"+string(g.ID)).is(200).says("Registry Reader")
		for _, control := range []string{"Invite Users", "Confirmed Users", "gus@globex.example", "<textarea"} {
			if strings.Contains(seen.body, control) {
				w.Errorf("a member is shown %q", control)
			}
		}
		pushes(w, olaf, "/groups/"+string(g.ID)+"/invite", url.Values{"emails": {"x@elsewhere.example"}, "role": {"member"}}).is(403)
		ask(w, olaf, "GET", groupPath(g, "/members"), nil).refuses(403, "group_role_needed")

		// The org is under External User In, and the session holds what the group gives.
		look(w, olaf, "/choose").is(200).says("External User In", "acme")
		enters(w, olaf, "acme")
		s := olaf.Session()
		if fmt.Sprint(s.RoleNames()) != "[registry:reader registry:writer@research]" || s.Org.Name != "acme" {
			w.Errorf("the session is %+v", s)
		}
		look(w, olaf, "/").is(200).says("External user", "Project Alpha")
		ask(w, olaf, "GET", "/api/v1/orgs/acme/people", nil).refuses(404, "no_account")

		// A permission taken back is gone at the next request (F-13).
		ask(w, olga, "POST", groupPath(g, "/permissions/withdraw"), givenRole{Role: "registry:reader"}).is(204)
		if s := olaf.Session(); fmt.Sprint(s.RoleNames()) != "[registry:writer@research]" {
			w.Errorf("the session holds %v", s.RoleNames())
		}
		// And so is a member.
		ask(w, gus, "DELETE", groupPath(g, "/members/"+string(s.User.ID)), nil).is(204)
		if s := olaf.Session(); s.Status != 401 {
			w.Errorf("who was removed works on: %+v", s)
		}
	})
}

// REQ F-12 F-30 F-31 F-32~ N-30 N-31
func TestKeysOfExternalUsersAreWatchedAndEndWithTheGroup(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme, globex := w.Acme(), w.Globex()
		olga := acme.As("olga@acme.example")
		g := groupMade(w, olga, "acme", "Project Alpha")
		ask(w, olga, "POST", groupPath(g, "/permissions"), givenRole{Role: "registry:reader"}).is(204)
		ask(w, olga, "POST", groupPath(g, "/invitations"), api.GroupInvite{Emails: []string{"gus@globex.example"}, Role: account.Member}).is(201)
		gus := globex.As("gus@globex.example")
		const at = "/api/v1/me/external-orgs/acme/keys"
		mint := func(name, home string) reply {
			w.Helper()
			return ask(w, gus, "POST", at, map[string]any{"name": name, "user_org": home})
		}
		mint("early", "globex").refuses(404, "no_account")
		joined(w, gus, groupLinks(w, "gus@globex.example", 1)[0])
		mint("none", "").refuses(403, "home_needed")
		mint("of theirs", "acme").refuses(403, "home_needed")
		first := read[api.MintedKey](mint("laptop", "globex").is(201))
		second := read[api.MintedKey](mint("server", "globex").is(201))
		if v := verify(w, first.Secret); !v.Active || !v.External || len(v.Roles) != 1 || v.Roles[0].Role != "registry:reader" {
			w.Errorf("the key is good for %+v", v)
		}
		with(w, first.Secret, "GET", "/api/v1/orgs/acme", nil).refuses(404, "no_account")
		with(w, first.Secret, "GET", "/api/v1/orgs/globex", nil).refuses(404, "no_account")
		with(w, first.Secret, "GET", groupPath(g, ""), nil).refuses(404, "no_group")

		// Owners watch: state and last use, in the list and per user.
		users := read[struct{ Users []api.ExternalUser }](ask(w, olga, "GET", "/api/v1/orgs/acme/external-users", nil).is(200)).Users
		var theirs api.ExternalUser
		for _, u := range users {
			if u.Email == "gus@globex.example" {
				theirs = u
			}
		}
		if theirs.Keys != 2 {
			w.Errorf("external users are %+v", users)
		}
		keys := read[[]api.Key](ask(w, olga, "GET", "/api/v1/orgs/acme/keys?user="+string(theirs.ID), nil).is(200))
		if len(keys) != 2 || keys[0].State != account.KeyActive {
			w.Errorf("the keys are %+v", keys)
		}
		ask(w, olga, "POST", "/api/v1/orgs/acme/keys/"+string(second.ID)+"/revoke", nil).is(200)
		if verify(w, second.Secret).Active {
			w.Error("a revoked key is good")
		}
		with(w, second.Secret, "GET", "/api/v1/orgs/acme", nil).is(401)

		// The org loses the service: the key says which.
		a, _ := w.Account("acme")
		ok(w, w.House.Ledger.EnableService(w.Context(), world.Operator, a.ID, "registry", false))
		if v := verify(w, first.Secret); !v.Active || len(v.Roles) != 0 || len(v.Denied) != 1 || v.Denied[0].Code != "service_not_enabled" || !strings.Contains(v.Denied[0].Detail, "Registry") {
			w.Errorf("without the service the key is good for %+v", v)
		}
		ok(w, w.House.Ledger.EnableService(w.Context(), world.Operator, a.ID, "registry", true))

		// Out of the group: the key is worthless, and no other is made.
		ask(w, olga, "DELETE", groupPath(g, "/members/"+string(theirs.ID)), nil).is(204)
		if verify(w, first.Secret).Active {
			w.Error("the key of somebody in no group is good")
		}
		mint("again", "globex").refuses(403, "not_in_group")
		if ended := read[[]api.Key](ask(w, gus, "GET", at, nil).is(200)); len(ended) != 2 || ended[0].State != account.KeyRevoked {
			w.Errorf("their keys are %+v", ended)
		}

		// Back in, and out of the company whose org stands behind the key.
		ask(w, olga, "POST", groupPath(g, "/invitations"), api.GroupInvite{Emails: []string{"gus@globex.example"}, Role: account.Member}).is(201)
		joined(w, gus, groupLinks(w, "gus@globex.example", 2)[0])
		third := read[api.MintedKey](mint("third", "globex").is(201))
		if verify(w, first.Secret).Active || !verify(w, third.Secret).Active {
			w.Error("a key that ended came back, or a new one is no good")
		}
		b, _ := w.Account("globex")
		_, err := w.House.Ledger.RemoveFromAccount(w.Context(), world.Operator, b.ID, theirs.ID)
		ok(w, err)
		if verify(w, third.Secret).Active {
			w.Error("the key outlived the place at home")
		}
	})
}

// REQ F-02~ F-08 F-10 F-14 F-16 F-18 F-19 F-20 F-21 F-22 F-23 F-26 T-02
func TestManagersOfGroupsAreLedToWhereTheyManage(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme, globex := w.Acme(), w.Globex()
		olga := acme.As("olga@acme.example")
		g := groupMade(w, olga, "acme", "Project Alpha")
		invite := func(r account.Role, to ...string) {
			w.Helper()
			ask(w, olga, "POST", groupPath(g, "/invitations"), api.GroupInvite{Emails: to, Role: r, Expires: "3h"}).is(201)
		}
		// Ana manages users of acme, but nobody in the group until she is asked.
		ana := acme.As("ana@acme.example")
		a, o := w.Account("acme")
		ok(w, w.House.Ledger.Grant(w.Context(), world.Operator, a.ID, ana.Session().User.ID, account.Scope{Org: o.ID}, account.UserAdmin))
		look(w, ana, "/o/acme/groups").is(200).says("Project Alpha", "of 1000", "Users")
		look(w, ana, "/groups/"+string(g.ID)).is(200).says("ask a group admin")
		ask(w, ana, "POST", groupPath(g, "/invitations"), api.GroupInvite{Emails: []string{"x@elsewhere.example"}, Role: account.Member}).refuses(403, "group_role_needed")
		invite(account.Admin, "ana@acme.example")
		if to := joined(w, ana, groupLinks(w, "ana@acme.example", 1)[0]); to != "/o/acme/groups" {
			w.Errorf("who manages the org is led to %s", to)
		}
		ask(w, ana, "POST", groupPath(g, "/invitations"), api.GroupInvite{Emails: []string{"x@elsewhere.example"}, Role: account.Member, Expires: "59m"}).refuses(422, "bad_expiry")
		ask(w, ana, "POST", groupPath(g, "/invitations"), api.GroupInvite{Emails: []string{"x@elsewhere.example"}, Role: account.Operator, ServiceURL: "https://a.example/", Seamless: true}).
			refuses(422, "no_redirection")

		// The group is limited to globex's provider: Ben, invited, comes through acme's and is refused with the reason; Hana comes in.
		ask(w, ana, "PUT", groupPath(g, ""), api.GroupSettings{Name: "Project Omega", Connections: []account.ConnectionID{globex.Connection.ID, acme.Connection.ID}}).is(200)
		look(w, ana, "/groups/"+string(g.ID)).is(200).says("Project Omega")
		ask(w, ana, "PUT", groupPath(g, ""), api.GroupSettings{Name: "Project Omega", Connections: []account.ConnectionID{globex.Connection.ID}}).is(200)
		ask(w, ana, "GET", groupPath(g, "/members"), nil).is(200) // she manages the org that owns it
		ask(w, ana, "POST", groupPath(g, "/invitations"), api.GroupInvite{Emails: []string{"x@elsewhere.example"}, Role: account.Member}).refuses(403, "group_role_needed")
		ask(w, ana, "PUT", groupPath(g, ""), api.GroupSettings{Name: "Project Omega", Connections: []account.ConnectionID{globex.Connection.ID, acme.Connection.ID}}).is(200)
		invite(account.Operator, "ben@acme.example", "hana@globex.example")
		ask(w, ana, "PUT", groupPath(g, ""), api.GroupSettings{Name: "Project Omega", Connections: []account.ConnectionID{globex.Connection.ID}}).is(200)
		ben := acme.As("ben@acme.example")
		pushes(w, ben, groupLinks(w, "ben@acme.example", 1)[0], nil).is(403).says("entra")
		hana := globex.As("hana@globex.example")
		if to := joined(w, hana, groupLinks(w, "hana@globex.example", 1)[1]); to != "/groups/"+string(g.ID) {
			w.Errorf("an operator is led to %s", to)
		}
		ask(w, ana, "PUT", groupPath(g, ""), api.GroupSettings{Name: "Project Omega"}).is(200)

		// Ben's has run out; sent again it is good for three hours more, and the first link is nothing.
		old := groupLinks(w, "ben@acme.example", 1)[0]
		w.Clock.Turn(3 * time.Hour)
		olga, ana, hana = acme.As("olga@acme.example"), acme.As("ana@acme.example"), globex.As("hana@globex.example")
		look(w, nil, old).is(200).says("has run out")
		waiting := read[struct{ Invitations []api.GroupInvitation }](ask(w, olga, "GET", groupPath(g, "/invitations"), nil).is(200)).Invitations
		if len(waiting) != 1 || waiting[0].State != account.LinkExpired {
			w.Fatalf("pending are %+v", waiting)
		}
		again := read[api.GroupInvitation](ask(w, olga, "POST", groupPath(g, "/invitations/"+string(waiting[0].ID)+"/resend"), nil).is(200))
		if again.Expires.Sub(w.Clock.Now()) != 3*time.Hour || again.State != account.LinkPending {
			w.Errorf("sent again it is %+v", again)
		}
		ben = acme.As("ben@acme.example")
		look(w, ben, old).is(404)
		joined(w, ben, groupLinks(w, "ben@acme.example", 2)[0])

		// An operator manages members, and no operator or admin.
		id := ben.Session().User.ID
		ask(w, hana, "DELETE", groupPath(g, "/members/"+string(id)), nil).refuses(403, "group_role_needed")
		ask(w, hana, "PUT", groupPath(g, "/members/"+string(id)+"/role"), map[string]string{"role": "member"}).refuses(403, "group_role_needed")
		ask(w, ana, "PUT", groupPath(g, "/members/"+string(id)+"/role"), map[string]string{"role": "member"}).is(200)
		ask(w, hana, "DELETE", groupPath(g, "/members/"+string(id)), nil).is(204)

		// The admins leave one by one; the last one stays, and goes only in an emergency, of which the owners hear.
		ask(w, olga, "DELETE", groupPath(g, "/members/"+string(olga.Session().User.ID)), nil).is(204)
		ask(w, ana, "DELETE", groupPath(g, "/members/"+string(ana.Session().User.ID)), nil).refuses(409, "last_admin")
		before := len(w.Post.To("olga@acme.example"))
		ask(w, olga, "POST", groupPath(g, "/members/"+string(ana.Session().User.ID)+"/expel"), map[string]string{"reason": "lost laptop"}).is(204)
		letter, err := w.Post.Wait(w.Context(), "olga@acme.example", before+1)
		ok(w, err)
		if letter.Subject != "acme: the group Project Omega has no admin left" || !strings.Contains(letter.Text, "/groups/"+string(g.ID)) {
			w.Errorf("the owners read %q\n%s", letter.Subject, letter.Text)
		}
		if line := w.Audit("acme", "external_member.expelled"); line.Reason != "lost laptop" || line.Target != string(ana.Session().User.ID) {
			w.Errorf("the audit line is %+v", line)
		}
		ask(w, ana, "POST", groupPath(g, "/adopt"), nil).is(403)
		ask(w, olga, "POST", groupPath(g, "/adopt"), nil).is(204)
		invite(account.Member, "gus@globex.example")
		ask(w, olga, "DELETE", groupPath(g, ""), nil).is(204)
		look(w, nil, groupLinks(w, "gus@globex.example", 1)[0]).is(404)
		ask(w, hana, "GET", groupPath(g, ""), nil).refuses(404, "no_group")
	})
}

// Who was expelled, the admins who stay hear of.
//
// REQ T-02
func TestAdminsHearWhomTheOrgRemoved(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme, globex := w.Acme(), w.Globex()
		olga := acme.As("olga@acme.example")
		g := groupMade(w, olga, "acme", "Project Alpha")
		ask(w, olga, "POST", groupPath(g, "/invitations"), api.GroupInvite{Emails: []string{"gus@globex.example"}, Role: account.Admin}).is(201)
		gus := globex.As("gus@globex.example")
		joined(w, gus, groupLinks(w, "gus@globex.example", 1)[0])
		ask(w, olga, "POST", groupPath(g, "/members/"+string(olga.Session().User.ID)+"/expel"), map[string]string{"reason": "a test"}).is(204)
		letter, err := w.Post.Wait(w.Context(), "gus@globex.example", 2)
		ok(w, err)
		if letter.Subject != "Project Alpha: olga@acme.example was removed by acme" || !strings.Contains(letter.Text, "a test") {
			w.Errorf("the admins read %q\n%s", letter.Subject, letter.Text)
		}
		// Globex's provider says that Gus is gone: the group has no admin, and acme's owners hear of that.
		b, _ := w.Account("globex")
		before := len(w.Post.To("olga@acme.example"))
		_, err = w.House.Ledger.Disable(w.Context(), world.Operator, b.ID, gus.Session().User.ID)
		ok(w, err)
		letter, err = w.Post.Wait(w.Context(), "olga@acme.example", before+1)
		ok(w, err)
		if letter.Subject != "acme: the group Project Alpha has no admin left" {
			w.Errorf("the owners read %q", letter.Subject)
		}
		if s := gus.Session(); s.Status != 401 {
			w.Errorf("who is disabled works on: %+v", s)
		}
	})
}

// REQ F-15 F-24
func TestTheInviteFormFollowsTheRole(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		olga := acme.As("olga@acme.example")
		g := groupMade(w, olga, "acme", "Project Alpha")
		at := "/groups/" + string(g.ID)
		words := read[map[account.Role]api.GroupWords](ask(w, olga, "GET", groupPath(g, "/templates"), nil).is(200))
		look(w, olga, at).is(200).says("Invite Users", words[account.Member].Subject)
		// The member's words were left alone, and the role was changed.
		pushes(w, olga, at+"/invite", url.Values{"emails": {"gus@globex.example\r\nhana@globex.example"}, "role": {"operator"}, "expires": {"7d"},
			"subject": {words[account.Member].Subject}, "message": {words[account.Member].Message}}).is(303)
		letter, err := w.Post.Wait(w.Context(), "gus@globex.example", 1)
		ok(w, err)
		if !strings.Contains(letter.Text, words[account.Operator].Message) || strings.Contains(letter.Text, words[account.Member].Message) {
			w.Errorf("the letter says\n%s", letter.Text)
		}
		pushes(w, olga, at+"/invite", url.Values{"emails": {"olaf@globex.example"}, "role": {"member"}, "expires": {"7d"}, "subject": {"Hello <b>you</b>"}, "message": {"Come <script>in</script>."}}).is(303)
		letter, err = w.Post.Wait(w.Context(), "olaf@globex.example", 1)
		ok(w, err)
		if letter.Subject != "Hello <b>you</b>" || strings.Contains(letter.HTML, "<script>") || !strings.Contains(letter.HTML, "&lt;script&gt;") {
			w.Errorf("the letter says %q\n%s", letter.Subject, letter.HTML)
		}
		pushes(w, olga, at+"/invite", url.Values{"emails": {"late@globex.example"}, "role": {"member"}, "expires": {"10m"}}).is(422).says("good for 1 hour to 30 days", "late@globex.example")
	})
}
