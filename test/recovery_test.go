package test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
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

// backup is an address that no owner has.
const backup = "rescue@backup.example"

// linked is the path of the link in a letter.
func linked(w *world.World, l post.Letter, prefix string) string {
	w.Helper()
	at := regexp.MustCompile(regexp.QuoteMeta(w.URL) + `(` + prefix + `[A-Za-z0-9_-]+)`).FindStringSubmatch(l.Text)
	if at == nil {
		w.Fatalf("the letter %q has no link to %s:\n%s", l.Subject, prefix, l.Text)
	}
	return at[1]
}

// letter is the nth one to an address.
func letter(w *world.World, to string, n int) post.Letter {
	w.Helper()
	ctx, stop := context.WithTimeout(w.Context(), 20*time.Second)
	defer stop()
	l, err := w.Post.Wait(ctx, to, n)
	if err != nil {
		w.Fatalf("%s has %d letters, not %d: %v", to, len(w.Post.To(to)), n, err)
	}
	return l
}

// press is the button behind a link, pressed by b or by somebody who is not signed in.
func press(w *world.World, b *world.Browser, path string, form ...string) reply {
	w.Helper()
	values := url.Values{}
	for i := 0; i+1 < len(form); i += 2 {
		values.Set(form[i], form[i+1])
	}
	if b != nil {
		token, _ := b.Cookie(w.URL, session.Cookie)
		values.Set(session.FormField, session.FormToken(account.NewSecret(token)))
	}
	return ask(w, b, "POST", path, values.Encode(), "Content-Type", "application/x-www-form-urlencoded", "Accept", "text/html")
}

// rescued sets and verifies a recovery e-mail of an org.
func rescued(w *world.World, org, email string) {
	w.Helper()
	acct, _ := w.Account(org)
	had := len(w.Post.To(email))
	_, err := w.House.Ledger.SetRecovery(w.Context(), world.Operator, acct.ID, email)
	ok(w, err)
	press(w, nil, linked(w, letter(w, email, had+1), "/recovery/")).is(200)
}

// REQ I-01, I-02, I-03
func TestARecoveryEmailCountsOnceItIsVerified(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		olga := acme.As("olga@acme.example")
		const path = "/api/v1/orgs/acme/recovery"
		state := func() api.Recovery { return read[api.Recovery](ask(w, olga, "GET", path, nil).is(200)) }
		if got := state(); got.Status != account.RecoveryNone || got.Email != "" {
			w.Errorf("at first it is %+v", got)
		}
		ask(w, olga, "PUT", path, map[string]string{"email": "Olga@ACME.example"}).refuses(422, "same_address")
		got := read[api.Recovery](ask(w, olga, "PUT", path, map[string]string{"email": "Rescue@Backup.example"}).is(200))
		if got.Status != account.RecoveryPending || got.Pending != backup || got.Email != "" {
			w.Errorf("once saved it is %+v", got)
		}
		mail := letter(w, backup, 1)
		if !strings.Contains(mail.HTML, ">Verify<") {
			w.Errorf("no button: %s", mail.HTML)
		}
		if told := letter(w, "olga@acme.example", 1); !strings.Contains(told.Text, backup) || !strings.Contains(told.Text, "olga@acme.example") {
			w.Errorf("the owners are told %s", told.Text)
		}
		at := linked(w, mail, "/recovery/")
		for range 3 { // as mail scanners do
			ask(w, nil, "GET", at, nil, "Accept", "text/html").is(200).says("Verify this recovery e-mail", backup)
		}
		if state().Status != account.RecoveryPending {
			w.Error("looking at the link used it up")
		}
		press(w, nil, at).is(200).says("is the recovery e-mail")
		if got := state(); got.Status != account.RecoveryVerified || got.Email != backup || got.VerifiedAt == nil {
			w.Errorf("once verified it is %+v", got)
		}
		press(w, nil, at).is(409)
		ask(w, nil, "GET", at, nil).refuses(409, "link_used")
		ask(w, nil, "GET", "/recovery/"+strings.Repeat("A", 43), nil).refuses(404, "no_link")
		letter(w, "olga@acme.example", 2)

		// Another one: the first counts until it is verified, and hears of it.
		ask(w, olga, "PUT", path, map[string]string{"email": "board@acme.example"}).is(200).says(`"code":"same_domain"`)
		if got := state(); got.Status != account.RecoveryPending || got.Email != backup || got.Pending != "board@acme.example" {
			w.Errorf("while another one waits it is %+v", got)
		}
		letter(w, "olga@acme.example", 3)
		if told := letter(w, backup, 2); !strings.Contains(told.Text, "board@acme.example") {
			w.Errorf("the address that counts is told %s", told.Text)
		}
		first := linked(w, letter(w, "board@acme.example", 1), "/recovery/")
		ask(w, olga, "PUT", path, map[string]string{"email": "board@acme.example"}).is(200) // once more, please
		second := linked(w, letter(w, "board@acme.example", 2), "/recovery/")
		press(w, nil, first).is(404)
		w.Clock.Turn(49 * time.Hour)
		press(w, nil, second).is(409)

		// It is not taken away from under active rules, unless that is on record.
		olga = acme.As("olga@acme.example")
		ask(w, olga, "DELETE", path, nil).refuses(409, "recovery_needed")
		ask(w, olga, "PUT", path+"/waiver", map[string]string{"reason": "short"}).is(422)
		ask(w, olga, "PUT", path+"/waiver", map[string]string{"reason": "The operator sits next door."}).is(200).says("next door")
		ask(w, olga, "DELETE", path, nil).is(204)
		if got := state(); got.Status != account.RecoveryNone || got.Waiver == nil {
			w.Errorf("once removed it is %+v", got)
		}
		if told := letter(w, backup, 4); !strings.Contains(told.Text, "was removed") {
			w.Errorf("the address that counted is told %s", told.Text)
		}
		ben := acme.As("ben@acme.example")
		ask(w, ben, "GET", path, nil).is(403)
		ask(w, ben, "PUT", path, map[string]string{"email": backup}).is(403)
	})
}

// REQ I-03
func TestOfManyWhoPressOneLinkOneIsServed(t *testing.T) {
	world.Each(t, func(w *world.World) {
		w.Acme()
		rescued(w, "acme", backup)
		press(w, nil, "/recover", "account", "acme").is(200)
		at := linked(w, letter(w, backup, 2), "/recovery/")
		var mu sync.Mutex
		var wg sync.WaitGroup
		got := map[int]int{}
		for range 8 {
			wg.Go(func() {
				res, err := http.DefaultTransport.RoundTrip(formPost(w, at))
				if err != nil {
					w.Error(err)
					return
				}
				_ = res.Body.Close()
				mu.Lock()
				defer mu.Unlock()
				got[res.StatusCode]++
			})
		}
		wg.Wait()
		if got[303] != 1 || got[409] != 7 {
			w.Errorf("eight presses were answered %v", got)
		}
	})
}

func formPost(w *world.World, path string) *http.Request {
	r, err := http.NewRequestWithContext(w.Context(), "POST", w.URL+path, strings.NewReader(""))
	if err != nil {
		w.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

func TestARehearsalShowsThatRecoveryWorksAndLetsNobodyIn(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		olga := acme.As("olga@acme.example")
		const path = "/api/v1/orgs/acme/recovery"
		ask(w, olga, "POST", path+"/rehearsals", nil).refuses(409, "no_recovery")
		rescued(w, "acme", backup)
		ask(w, olga, "POST", path+"/rehearsals", nil).is(202)
		mail := letter(w, backup, 2)
		if !strings.Contains(mail.Text, "olga@acme.example wants to know") {
			w.Errorf("the letter reads %s", mail.Text)
		}
		done := press(w, nil, linked(w, mail, "/recovery/")).is(200).says("Nobody was signed in")
		if done.header.Get("Set-Cookie") != "" {
			w.Error("a rehearsal signed somebody in")
		}
		if got := read[api.Recovery](ask(w, olga, "GET", path, nil).is(200)); got.RehearsedAt == nil || !got.RehearsedAt.Equal(w.Clock.Now()) {
			w.Errorf("the last rehearsal is %+v", got)
		}
		ask(w, olga, "GET", "/account/recovery", nil, "Accept", "text/html").is(200).says("Last rehearsal", backup)
	})
}

// breakGlass asks for emergency access and opens it.
func breakGlass(w *world.World, what, email string) *world.Browser {
	w.Helper()
	had := len(w.Post.To(email))
	press(w, nil, "/recover", "account", what).is(200)
	at := linked(w, letter(w, email, had+1), "/recovery/")
	ask(w, nil, "GET", at, nil, "Accept", "text/html").is(200).says("Emergency access to")
	b := w.Browser("")
	opened := press(w, nil, at).is(303)
	for _, c := range (&http.Response{Header: opened.header}).Cookies() {
		b.Plant(w.URL, c)
	}
	return b
}

// REQ I-05, I-06
func TestTheOwnerGetsBackInWhileTheProviderIsDownAndRepairsTheConnection(t *testing.T) {
	world.Each(t, func(w *world.World) {
		globex := w.Globex() // whose people can only go to their provider: the domain is cut over
		l, ctx := w.House.Ledger, w.Context()
		acct, _ := w.Account("globex")
		someone(w, "globex", "adam@globex.example", account.Admin)
		rescued(w, "globex", backup)
		group := read[api.ExternalGroup](ask(w, globex.As("olaf@globex.example"), "POST", "/api/v1/orgs/globex/external-groups", api.GroupSettings{Name: "Partners"}).is(201))

		// Somebody replaces the connection by one that does not work, and then nothing can be reached at all.
		broken := *w.Connection("globex", "entra").Live
		settings := *broken.OIDC
		settings.ClientID, settings.ClientSecret = "mistyped", account.NewSecret("nonsense")
		broken.OIDC = &settings
		_, err := l.SaveDraft(ctx, world.Operator, acct.ID, globex.Connection.ID, "", broken)
		ok(w, err)
		_, err = l.Promote(ctx, world.Operator, globex.Connection.ID, true)
		ok(w, err)
		if p := w.Browser("olaf@globex.example").SignIn(globex.Connection); p.Status < 400 {
			w.Fatalf("the broken connection signs in: %d", p.Status)
		}
		w.Down(true)

		olaf := breakGlass(w, acct.Number, backup)
		s := olaf.Session()
		if s.Status != 200 || s.User.Email != "olaf@globex.example" || s.Org.Name != "globex" {
			w.Fatalf("emergency access is %+v", s)
		}
		for _, page := range []string{"/", "/account/recovery", "/login-test"} {
			ask(w, olaf, "GET", page, nil, "Accept", "text/html").is(200).says(`role="alert"`, "Emergency access")
		}
		line := w.Audit("globex", "recovery.used")
		if line.Detail["break_glass"] != true || line.Actor != "user:"+string(s.User.ID) {
			w.Errorf("the audit log says %+v", line)
		}
		for _, to := range []string{"olaf@globex.example", "adam@globex.example"} {
			told := false
			for range 2 {
				for _, m := range w.Post.To(to) {
					told = told || m.Subject == "globex: emergency access is in use"
				}
				if !told {
					letter(w, to, len(w.Post.To(to))+1)
				}
			}
			if !told {
				w.Errorf("%s is not told: %+v", to, w.Post.To(to))
			}
		}

		// It repairs sign-in, and does nothing else.
		for path, body := range map[string]any{"/orgs/globex/keys": map[string]any{"name": "mine"}, "/orgs/globex/teams": map[string]string{"name": "mine"}} {
			ask(w, olaf, "POST", "/api/v1"+path, body).refuses(403, "emergency_access")
		}
		ask(w, olaf, "POST", "/api/v1/me/factors", map[string]string{"name": "phone"}).refuses(403, "emergency_access")
		press(w, olaf, "/account/security/begin", "name", "phone").is(403)
		ask(w, olaf, "PUT", "/api/v1/groups/"+string(group.ID), api.GroupSettings{Name: "Mine"}).refuses(403, "emergency_access")
		w.Down(false)
		ask(w, olaf, "POST", fmt.Sprintf("/api/v1/connections/%s/restore", globex.Connection.ID), map[string]int{"revision": 1}).is(200)
		if line := w.Audit("globex", "connection.restored"); line.Detail["break_glass"] != true {
			w.Errorf("the repair is audited as %+v", line)
		}
		if s := globex.As("olaf@globex.example").Session(); s.Status != 200 {
			w.Errorf("the repaired connection signs nobody in: %+v", s)
		}
		w.Clock.Turn(61 * time.Minute)
		if s := olaf.Session(); s.Status != 401 {
			w.Errorf("emergency access goes on after an hour: %d", s.Status)
		}
	})
}

// REQ I-05, I-06
func TestEmergencyAccessTellsStrangersNothingAndIsSlowedDown(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		w.Globex() // has no recovery e-mail
		rescued(w, "acme", backup)
		acct, _ := w.Account("acme")
		known := press(w, nil, "/recover", "account", acct.Number).is(200)
		for i, what := range []string{"acme", "olga@acme.example", "globex", "nobody", "ana@acme.example", "0000000000"} {
			if got := press(w, nil, "/recover", "account", what); got.status != known.status || stripped(got.body) != stripped(known.body) {
				w.Errorf("%d: asked for %q, it says %s", i, what, got.brief())
			}
		}
		letter(w, backup, 4)      // the link of the address itself, and three
		w.Clock.Turn(time.Second) // so that its line is the newest
		press(w, nil, "/recover", "account", "acme").is(200)
		if line := w.Audit("acme", "recovery.asked"); line.Outcome != "refused" || line.Reason != "rate_limited" {
			w.Errorf("the fourth time is audited as %+v", line)
		}
		ask(w, acme.As("olga@acme.example"), "GET", "/api/v1/orgs/acme/recovery", nil).is(200) // letters are through
		if n := len(w.Post.To(backup)); n != 4 {
			w.Errorf("%d letters went out", n)
		}
		// From one network, too.
		for range 2 {
			press(w, nil, "/recover", "account", "nobody").is(200)
		}
		press(w, nil, "/recover", "account", "nobody").is(429)
		w.Clock.Turn(61 * time.Minute)
		press(w, nil, "/recover", "account", "acme").is(200)
		// A link that is older than the last letter opens nothing; one that is too old neither.
		old, newest := linked(w, letter(w, backup, 4), "/recovery/"), linked(w, letter(w, backup, 5), "/recovery/")
		press(w, nil, old).is(404)
		w.Clock.Turn(31 * time.Minute)
		press(w, nil, newest).is(409)
	})
}

// stripped is a page without what differs from request to request.
func stripped(body string) string {
	return regexp.MustCompile(`req_[a-z0-9]+`).ReplaceAllString(body, "")
}

// REQ T-06, M-11
func TestTheSeatOfALastOwnerWakesUpByRecoveryAndNobodyElses(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		l, ctx := w.House.Ledger, w.Context()
		acct, org := w.Account("acme")
		p := pusherOf(w, acme.Connection)
		olga := acme.As("olga@acme.example")
		id := p.send("POST", "/Users", aUser("olga@acme.example", "ext-olga")).is(201).text("id")
		rescued(w, "acme", backup)
		p.send("PATCH", "/Users/"+id, patch(op("replace", "active", false))).is(200)
		if s := olga.Session(); s.Status != http.StatusUnauthorized {
			w.Fatalf("the removed owner's session answers %d", s.Status)
		}
		if got := w.Browser("olga@acme.example").SignIn(acme.Connection); got.Status != http.StatusForbidden {
			w.Fatalf("the removed owner signs in: %d", got.Status)
		}

		in := breakGlass(w, "olga@acme.example", backup)
		if s := in.Session(); s.Status != 200 || s.User.Email != "olga@acme.example" {
			w.Fatalf("the last owner is not let in: %+v", s)
		}
		ask(w, in, "GET", "/api/v1/orgs/acme/people", nil).is(200)
		if line := w.Audit("acme", "recovery.used"); line.Detail["woken"] != true {
			w.Errorf("the seat that woke up is audited as %+v", line)
		}
		if s := acme.As("olga@acme.example").Session(); s.Status != 200 {
			w.Errorf("the seat is not open: %+v", s)
		}

		// Removed again, when somebody else owns the org by then: she stays out, by an older link as well.
		w.Clock.Turn(2 * time.Hour)
		ben, err := l.AddPerson(ctx, world.Operator, acct.ID, "ben@acme.example", "", account.Admin)
		ok(w, err)
		ok(w, l.Grant(ctx, world.Operator, acct.ID, ben.ID, account.Scope{Org: org.ID}, account.Owner))
		press(w, nil, "/recover", "account", "acme").is(200)
		out := linked(w, letter(w, backup, 3), "/recovery/")
		p.send("PATCH", "/Users/"+id, patch(op("replace", "active", true))).is(200)
		p.send("PATCH", "/Users/"+id, patch(op("replace", "active", false))).is(200)
		if got := press(w, nil, out); got.status != 403 && got.status != 404 {
			w.Errorf("a removed owner who is not the last came in: %d %s", got.status, got.brief())
		}
		w.Clock.Turn(time.Second) // so that its line is the newest
		press(w, nil, "/recover", "account", "acme").is(200)
		if line := w.Audit("acme", "recovery.asked"); line.Outcome != "refused" || line.Reason != "owner_removed" {
			w.Errorf("it is audited as %+v", line)
		}
	})
}

// REQ I-04
func TestAnOwnerWhoseMailboxIsGoneSetsANewAddress(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		w.Globex()
		rescued(w, "acme", backup)
		ask(w, acme.As("olga@acme.example"), "POST", "/api/v1/orgs/acme/recovery/address", map[string]string{"email": "olga.holm@acme.example"}).refuses(403, "not_in_emergency")
		olga := breakGlass(w, "acme", backup)
		const path = "/api/v1/orgs/acme/recovery/address"
		for email, code := range map[string]string{backup: "same_address", "ana@acme.example": "email_taken", "olga@globex.example": "domain_held"} {
			if code == "email_taken" {
				someone(w, "acme", email, account.Member)
			}
			if got := ask(w, olga, "POST", path, map[string]string{"email": email}); !strings.Contains(got.body, code) {
				w.Errorf("%s is answered %d %s", email, got.status, got.brief())
			}
		}
		press(w, olga, "/account/recovery", "do", "address", "address", "holm@elsewhere.example").is(200).says("is on its way")
		at := linked(w, letter(w, "holm@elsewhere.example", 1), "/recovery/")
		if s := olga.Session(); s.User.Email != "olga@acme.example" {
			w.Errorf("before it is confirmed the address is %s", s.User.Email)
		}
		press(w, nil, at).is(200).says("is your address")
		if s := olga.Session(); s.User.Email != "holm@elsewhere.example" {
			w.Errorf("the address is %s", s.User.Email)
		}
		for _, to := range []string{"holm@elsewhere.example", "olga@acme.example"} {
			if n := len(w.Post.To(to)); n == 0 {
				letter(w, to, 1)
			}
		}
		if line := w.Audit("acme", "user.email_changed"); line.Detail["break_glass"] != true || line.Detail["from"] != "olga@acme.example" {
			w.Errorf("it is audited as %+v", line)
		}
	})
}

// REQ I-07
func TestAnOrgIsNotMadeToDependOnItsProviderWithoutAWayBack(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		olga := acme.As("olga@acme.example")
		def := api.Definition{Name: "Everybody", Connection: acme.Connection.ID, Groups: []string{"everyone"}, Targets: []api.Target{{Roles: []account.Role{"catalog:reader"}}}}
		ask(w, olga, "POST", "/api/v1/orgs/acme/rules", def).is(201)
		refused := ask(w, olga, "POST", "/api/v1/orgs/acme/rules/activate", map[string]string{}).refuses(409, "recovery_needed")
		for _, choice := range []string{"Set a recovery e-mail", "record that you do without"} {
			if !strings.Contains(refused.Detail+fmt.Sprint(refused), choice) {
				w.Errorf("the refusal does not offer %q: %+v", choice, refused)
			}
		}
		l, ctx := w.House.Ledger, w.Context()
		acct, _ := w.Account("acme")
		domains, err := l.Domains(ctx, world.Operator, acct.ID)
		ok(w, err)
		by := account.Actor{Kind: account.ActorUser, User: olga.Session().User.ID}
		if err := l.CutOver(ctx, by, domains[0].ID, true); account.KindOf(err) != account.Conflict {
			w.Errorf("the domain is cut over with no way back: %v", err)
		}
		ask(w, olga, "PUT", "/api/v1/orgs/acme/recovery", map[string]string{"email": backup}).is(200)
		ask(w, olga, "POST", "/api/v1/orgs/acme/rules/activate", map[string]string{}).refuses(409, "recovery_needed") // pending is not enough
		press(w, nil, linked(w, letter(w, backup, 1), "/recovery/")).is(200)
		ask(w, olga, "POST", "/api/v1/orgs/acme/rules/activate", map[string]string{}).is(200)
		ok(w, l.CutOver(ctx, by, domains[0].ID, true))
		if line := w.Audit("acme", "rules.activated"); line.Detail["recovery"] != "recovery e-mail" {
			w.Errorf("it is audited as %+v", line)
		}

		// The other choice is on record, with who and why.
		globex := w.Globex()
		globex.As("gus@globex.example") // whose groups are the first to arrive
		olaf := globex.As("olaf@globex.example")
		def.Connection = globex.Connection.ID
		ask(w, olaf, "POST", "/api/v1/orgs/globex/rules", def).is(201)
		ask(w, olaf, "POST", "/api/v1/orgs/globex/rules/activate", map[string]string{}).refuses(409, "recovery_needed")
		press(w, olaf, "/account/recovery", "do", "waive", "reason", "The operator can let us in.").is(200)
		ask(w, olaf, "POST", "/api/v1/orgs/globex/rules/activate", map[string]string{"confirm": "globex"}).is(200)
		if line := w.Audit("globex", "recovery.waived"); line.Reason != "The operator can let us in." || line.Actor != "user:"+string(olaf.Session().User.ID) {
			w.Errorf("the waiver is audited as %+v", line)
		}
		if line := w.Audit("globex", "rules.activated"); !strings.HasPrefix(fmt.Sprint(line.Detail["recovery"]), "waived by user:") {
			w.Errorf("it is audited as %+v", line)
		}
	})
}
