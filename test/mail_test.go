package test

import (
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/test/post"
	"github.com/drawbridge-id/drawbridge/test/world"
)

// REQ D-06
func TestOwnersHearByMailThatAnotherIsGone(t *testing.T) {
	world.Each(t, func(w *world.World) {
		w.Acme()
		l, ctx := w.House.Ledger, w.Context()
		acct, theOrg := w.Account("acme")
		org := account.Scope{Org: theOrg.ID}
		olga, err := l.PersonByEmail(ctx, world.Operator, acct.ID, "olga@acme.example")
		ok(w, err)
		var others []account.User
		for _, email := range []string{"ana@acme.example", "ben@acme.example"} {
			u, err := l.AddPerson(ctx, world.Operator, acct.ID, email, "", account.Admin)
			ok(w, err)
			ok(w, l.Grant(ctx, world.Operator, acct.ID, u.ID, org, account.Owner))
			others = append(others, u)
		}
		by := account.Actor{Kind: account.ActorUser, User: others[0].ID}
		ok(w, l.Withdraw(ctx, by, acct.ID, olga.User.ID, org, account.Owner))

		for _, email := range []string{"ana@acme.example", "ben@acme.example"} {
			letter, err := w.Post.Wait(ctx, email, 1)
			ok(w, err)
			if letter.Subject != "acme: olga@acme.example is no longer an owner" || letter.From != "house@drawbridge.example" || letter.Header.Get("Auto-Submitted") != "auto-generated" {
				w.Errorf("%+v", letter)
			}
			for _, text := range []string{letter.Text, letter.HTML} {
				if !strings.Contains(text, "ana@acme.example removed olga@acme.example, an owner of acme.") || !strings.Contains(text, w.URL) {
					w.Errorf("%s is told\n%s", email, text)
				}
			}
		}
		if n := len(w.Post.To("")); n != 2 {
			w.Errorf("%d letters were sent", n)
		}
	})
}

func TestALetterIsTriedAgainAndGivenUpWhenNobodyIsThere(t *testing.T) {
	world.Each(t, func(w *world.World) {
		w.Acme()
		l, ctx := w.House.Ledger, w.Context()
		acct, theOrg := w.Account("acme")
		org := account.Scope{Org: theOrg.ID}
		var users []account.User
		for _, email := range []string{"ana@acme.example", "ben@acme.example"} {
			u, err := l.AddPerson(ctx, world.Operator, acct.ID, email, "", account.Admin)
			ok(w, err)
			users = append(users, u)
		}
		state := func(to string, s account.DeliveryState, attempts int) account.Letter {
			var found account.Letter
			for tries := 0; found.ID == ""; tries++ {
				all, err := l.Letters(ctx, world.Operator, acct.ID, "", "", 100)
				ok(w, err)
				for _, o := range all {
					if o.To == to && o.State == s && o.Attempts == attempts {
						found = o
					}
				}
				if tries == 1000 {
					w.Fatalf("the letter to %s never was %s: %+v", to, s, all)
				}
				<-time.After(10 * time.Millisecond)
			}
			return found
		}
		w.Post.Refuse(func(to string) error {
			if to == "olga@acme.example" {
				return post.Gone
			}
			return post.Temporary
		})
		for _, u := range users {
			ok(w, l.Grant(ctx, world.Operator, acct.ID, u.ID, org, account.Owner))
		}
		ok(w, l.Withdraw(ctx, world.Operator, acct.ID, users[1].ID, org, account.Owner)) // to Olga and to Ana
		gone := state("olga@acme.example", account.DeliveryDead, 1)
		if !strings.Contains(gone.Error, "No such mailbox") {
			w.Errorf("%+v", gone)
		}
		late := state("ana@acme.example", account.DeliveryWaiting, 1)
		if wait := late.DueAt.Sub(w.Clock.Now()); wait <= 0 || wait > time.Minute {
			w.Errorf("it is tried again in %s", wait)
		}
		w.Post.Refuse(nil)
		w.Clock.Turn(2 * time.Minute)
		ok(w, l.ReplayLetter(ctx, world.Operator, acct.ID, gone.ID)) // wakes the postman, too
		for _, to := range []string{"ana@acme.example", "olga@acme.example"} {
			letter, err := w.Post.Wait(ctx, to, 1)
			ok(w, err)
			if !strings.Contains(letter.Text, "operator of this installation removed ben@acme.example") {
				w.Errorf("%s reads %s", to, letter.Text)
			}
		}
	})
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
