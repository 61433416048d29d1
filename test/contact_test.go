package test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/test/world"
	"github.com/drawbridge-id/drawbridge/web/api"
)

// REQ J-01, J-02, J-03, J-04, J-05
func TestAMemberWritesToTheOwners(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		ben := acme.As("ben@acme.example")
		ask(w, ben, "GET", "/", nil, "Accept", "text/html").is(200).says("/o/acme/contact", "Contact admin")
		ask(w, ben, "GET", "/o/acme/contact", nil, "Accept", "text/html").is(200).says("owners of acme", "Product request for acme", "[product]")
		ask(w, ben, "GET", "/o/acme/contact?template=team_access&team=research", nil, "Accept", "text/html").is(200).says("Access to team research of acme")
		templates := read[[]api.LetterTemplate](ask(w, ben, "GET", "/api/v1/orgs/acme/contact?team=sales", nil).is(200))
		if len(templates) != 2 || !strings.Contains(templates[0].Text, "[product]") || !strings.Contains(templates[1].Text, "team sales of acme") {
			w.Errorf("the templates are %+v", templates)
		}
		ask(w, ben, "GET", "/api/v1/orgs/acme/contact?team=nothing", nil).is(404)

		// What was edited arrives, from the platform's address, to be answered to the writer's.
		press(w, ben, "/o/acme/contact", "subject", "Registry, please", "text", "Hello Olga,\r\n\r\nI need the <registry>.\r\n").is(200).says("on its way to 1 owner")
		mail := letter(w, "olga@acme.example", 1)
		if mail.Subject != "acme: Registry, please" || mail.From != "house@drawbridge.example" || mail.Header.Get("Reply-To") != "<ben@acme.example>" {
			w.Errorf("the letter is %q from %s, to be answered to %q", mail.Subject, mail.From, mail.Header.Get("Reply-To"))
		}
		for _, text := range []string{"ben@acme.example writes to the owners of acme", "Hello Olga,", "I need the <registry>."} {
			if !strings.Contains(mail.Text, text) {
				w.Errorf("the letter lacks %q:\n%s", text, mail.Text)
			}
		}
		if strings.Contains(mail.HTML, "<registry>") {
			w.Errorf("markup got through: %s", mail.HTML)
		}

		// Nobody adds a header by a line break, or writes without end.
		for _, subject := range []string{"Hello\r\nBcc: eve@evil.example", "Hello\nX: y", "Hello\u2028X"} {
			refused := ask(w, ben, "POST", "/api/v1/orgs/acme/contact", map[string]string{"subject": subject, "text": "x"})
			if refused.status != 400 && refused.status != 422 || !strings.Contains(refused.body, "bad_subject") {
				w.Errorf("%q is answered %d %s", subject, refused.status, refused.brief())
			}
		}
		for range 4 {
			ask(w, ben, "POST", "/api/v1/orgs/acme/contact", map[string]string{"subject": "Again", "text": "x"}).is(200)
		}
		ask(w, ben, "POST", "/api/v1/orgs/acme/contact", map[string]string{"subject": "Again", "text": "x"}).refuses(429, "rate_limited")
		letter(w, "olga@acme.example", 5)
		if all := w.Post.To(""); len(all) != 5 {
			w.Errorf("%d letters went out", len(all))
		}
	})
}

// REQ P-01, P-02, P-04, P-05, P-06, P-07
func TestWhoWishesForMailAboutTheirServicesGetsItOnce(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		l, ctx := w.House.Ledger, w.Context()
		ana, ben, olga := acme.As("ana@acme.example"), acme.As("ben@acme.example"), acme.As("olga@acme.example")
		const path = "/api/v1/me/notifications"
		seen := func(b *world.Browser) (out []string) {
			for _, s := range read[api.Notifications](ask(w, b, "GET", path, nil).is(200)).Sections {
				out = append(out, s.Service)
			}
			return out
		}
		for b, want := range map[*world.Browser]string{ana: "[portal catalog registry functions]", ben: "[portal catalog]", olga: "[portal catalog registry functions]"} {
			if got := fmt.Sprint(seen(b)); got != want {
				w.Errorf("%s sees %s, want %s", b.User, got, want)
			}
		}
		wish := func(b *world.Browser, service string, kinds ...account.NotificationKind) reply {
			return ask(w, b, "PUT", path, map[string]any{"sections": []map[string]any{{"service": service, "kinds": kinds}}})
		}
		wish(ben, "registry", account.SecurityNews).is(404)
		wish(ben, "catalog", "gossip").is(422)
		wish(ana, "registry", account.SecurityNews).is(200)
		press(w, olga, "/account/notifications", "want", "registry/security").is(200).says(`role="status"`, "choices are saved")

		published := func(w2 account.Wish, subject string) {
			_, err := l.Publish(ctx, world.Operator, w2, subject, "Read this.\n\nThen update.")
			ok(w, err)
			ok(w, l.SendPublications(ctx))
			ok(w, l.SendPublications(ctx)) // as the job does, again and again
		}
		published(account.Wish{Service: "registry", Kind: account.SecurityNews}, "A hole")
		published(account.Wish{Service: "registry", Kind: account.ReleaseNotes}, "News nobody wants")
		for _, to := range []string{"ana@acme.example", "olga@acme.example"} {
			mail := letter(w, to, 1)
			if mail.Subject != w.House.Ledger.Catalogue().Services[1].Label+": A hole" && !strings.HasSuffix(mail.Subject, ": A hole") || !strings.Contains(mail.Text, "Then update.") {
				w.Errorf("%s reads %q:\n%s", to, mail.Subject, mail.Text)
			}
		}
		if n := len(w.Post.To("")); n != 2 {
			w.Errorf("%d letters went out", n)
		}

		// One click in a mail program ends it (RFC 8058), and looking does not.
		header := letter(w, "ana@acme.example", 1).Header
		at := strings.TrimSuffix(strings.TrimPrefix(header.Get("List-Unsubscribe"), "<"+w.URL), ">")
		if header.Get("List-Unsubscribe-Post") != "List-Unsubscribe=One-Click" || !strings.HasPrefix(at, "/unsubscribe/") {
			w.Fatalf("the headers are %v", header)
		}
		ask(w, nil, "GET", at, nil, "Accept", "text/html").is(200).says("End letters about")
		for range 2 {
			ask(w, nil, "POST", at, "List-Unsubscribe=One-Click", "Content-Type", "application/x-www-form-urlencoded", "Origin", "https://mail.example").is(200).says("unsubscribed")
		}
		ask(w, nil, "POST", "/unsubscribe/nothing", "List-Unsubscribe=One-Click", "Content-Type", "application/x-www-form-urlencoded").is(404)

		// Olga still wishes for it; Ben wishes for what he may see, and loses it with his role.
		wish(ben, "catalog", account.EndOfLife, account.Maintenance).is(200)
		acct, _ := w.Account("acme")
		published(account.Wish{Service: "registry", Kind: account.SecurityNews}, "Another hole")
		published(account.Wish{Service: "catalog", Kind: account.EndOfLife}, "Gone soon")
		letter(w, "olga@acme.example", 2)
		letter(w, "ben@acme.example", 1)
		if _, err := l.Disable(ctx, world.Operator, acct.ID, ben.Session().User.ID); err != nil {
			w.Fatal(err)
		}
		published(account.Wish{Service: "catalog", Kind: account.EndOfLife}, "Gone now")
		published(account.Wish{Service: account.Portal, Kind: account.Maintenance}, "Down on Sunday") // nobody wishes for it
		ask(w, olga, "GET", "/session", nil).is(200)
		if n := len(w.Post.To("")); n != 4 {
			w.Errorf("%d letters went out: %+v", n, w.Post.To(""))
		}
		if _, err := l.Publish(ctx, account.Actor{Kind: account.ActorUser, User: olga.Session().User.ID}, account.Wish{Service: "catalog", Kind: account.EndOfLife}, "x", "y"); account.KindOf(err) != account.Forbidden {
			w.Errorf("an owner publishes: %v", err)
		}
	})
}

// REQ P-03
func TestTheQuestionAboutMailIsAskedOnce(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		const question = "Do you want mail about your services?"
		ben := acme.As("ben@acme.example")
		ask(w, ben, "GET", "/", nil, "Accept", "text/html").is(200).says(question)
		press(w, ben, "/account/notifications", "later", "1").is(http.StatusSeeOther)
		for _, b := range []*world.Browser{ben, acme.As("ben@acme.example")} {
			if home := ask(w, b, "GET", "/", nil, "Accept", "text/html").is(200); strings.Contains(home.body, question) {
				w.Error("it is asked again")
			}
		}
		ask(w, ben, "GET", "/account/notifications", nil, "Accept", "text/html").is(200).says("Release notes")
	})
}
