package test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/federation/session"
	"github.com/drawbridge-id/drawbridge/test/world"
)

// A tab is somebody's browser that goes where it is told and nowhere by itself.
type tab struct {
	w       *world.World
	cookies map[string]string
}

func newTab(w *world.World) *tab { return &tab{w, map[string]string{}} }

// A sheet is what a tab was answered.
type sheet struct {
	status int
	to     string // Location
	header http.Header
	body   string
}

func (b *tab) do(method, path string, form url.Values) sheet {
	b.w.Helper()
	r, err := http.NewRequestWithContext(b.w.Context(), method, b.w.URL+path, strings.NewReader(form.Encode()))
	ok(b.w, err)
	r.Header.Set("Accept", "text/html")
	if method == "POST" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	ok(b.w, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	ok(b.w, err)
	for _, c := range answer.Cookies() {
		if b.cookies[c.Name] = c.Value; c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		}
	}
	return sheet{answer.StatusCode, answer.Header.Get("Location"), answer.Header, string(body)}
}

func (b *tab) get(path string) sheet { b.w.Helper(); return b.do("GET", path, nil) }

// post sends a form, with the session's token if there is one.
func (b *tab) post(path string, pairs ...string) sheet {
	b.w.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	if token := b.cookies[session.Cookie]; token != "" {
		form.Set(session.FormField, session.FormToken(account.NewSecret(token)))
	}
	return b.do("POST", path, form)
}

// is checks status and, of a redirect, where it leads; says what the body says.
func (s sheet) is(w *world.World, status int, to string, says ...string) sheet {
	w.Helper()
	if s.status != status || to != s.to {
		w.Fatalf("answered %d to %q, expected %d to %q:\n%s", s.status, s.to, status, to, s.body)
	}
	for _, want := range says {
		if !strings.Contains(s.body, want) {
			w.Fatalf("the page does not say %q:\n%s", want, s.body)
		}
	}
	return s
}

const good = "Tr0ub4dor&3"

var (
	mailedCode = regexp.MustCompile(`\b\d{4} \d{4}\b`)
	mailedLink = regexp.MustCompile(`/(verify|password/reset)/[A-Za-z0-9_-]{43}`)
)

// letterTo waits for the nth letter to an address, and reads code and link from it.
func letterTo(w *world.World, address string, n int) (code, link, subject string) {
	w.Helper()
	bounded, cancel := context.WithTimeout(w.Context(), 20*time.Second)
	defer cancel()
	l, err := w.Post.Wait(bounded, address, n)
	ok(w, err)
	return mailedCode.FindString(l.Text), mailedLink.FindString(l.Text), l.Subject
}

// signUp fills in the form, and gives the code and link of the letter.
func (b *tab) signUp(address, password, next string, nth int) (code, link string) {
	b.w.Helper()
	b.post("/signup", "email", address, "password", password, "confirmation", password, "next", next).is(b.w, 303, "/verify")
	code, link, _ = letterTo(b.w, address, nth)
	return code, link
}

// identity signs somebody up, all the way.
func identity(w *world.World, address string) *tab {
	w.Helper()
	b := newTab(w)
	code, _ := b.signUp(address, good, "", 1)
	b.post("/verify", "code", code).is(w, 303, "/welcome")
	return b
}

// REQ H-01, H-02, H-03, H-05, H-07
func TestSomebodySignsUp(t *testing.T) {
	world.Each(t, func(w *world.World) {
		b := newTab(w)
		b.get("/signup?email=ana@home.example").is(w, 200, "", "ana@home.example", "at least 9 characters", "a digit")
		// What is wrong is said at its field, and nothing is made of it.
		b.post("/signup", "email", "ana@home.example", "password", "short", "confirmation", "other").is(w, 422, "",
			"needs at least 9 characters", "needs an upper-case letter", "needs a digit", "needs a special character", "The two passwords differ.")
		b.post("/signup", "email", "ana@", "password", good, "confirmation", good).is(w, 422, "", "Expected one e-mail address")
		if b.cookies[session.PendingCookie] != "" || len(w.Post.To("ana@home.example")) != 0 {
			t.Fatal("something was begun")
		}
		code, _ := b.signUp("ana@home.example", good, "/choose", 1)
		waiting := b.get("/verify").is(w, 200, "", "ana@home.example", "5 times")
		if waiting.header.Get("Refresh") == "" {
			t.Error("the first tab does not look again by itself")
		}
		b.get("/").is(w, 303, "/signin")
		b.post("/verify", "code", "0000 0000").is(w, 422, "", "not the code", "4 times")
		b.post("/verify", "code", " \t"+code+"\u00a0\n").is(w, 303, "/welcome?next=%2Fchoose")
		b.get("/welcome?next=%2Fchoose").is(w, 200, "", "Almost done")
		b.post("/welcome", "next", "/choose").is(w, 303, "/choose") // nothing chosen is fine
		b.post("/welcome").is(w, 303, "/account/new")
		b.get("/").is(w, 200, "", "You have no account yet", "/account/new")

		// The same identity signs in again, and is the same one (H-07).
		first := b.get("/session").body
		b.post("/signout").is(w, 303, "/signed-out")
		b.get("/").is(w, 303, "/signin")
		b.post("/signin", "email", "ana@home.example").is(w, 200, "", "Password")
		b.post("/signin/password", "email", "ana@home.example", "password", good).is(w, 303, "/")
		id := regexp.MustCompile(`usr_\w+`)
		if again := b.get("/session").body; id.FindString(again) == "" || id.FindString(again) != id.FindString(first) {
			t.Errorf("%s\n%s", first, again)
		}
	})
}

// REQ H-04, T-09
// THREAT SES-2
func TestALinkVerifiesAnAddressOnce(t *testing.T) {
	world.Each(t, func(w *world.World) {
		first, scanner, phone := newTab(w), newTab(w), newTab(w)
		code, link := first.signUp("ana@home.example", good, "/account/new", 1)
		for range 3 {
			scanner.get(link).is(w, 200, "", "ana@home.example")
		}
		first.get("/verify").is(w, 200, "")
		// Elsewhere only who chose the password can confirm: nobody confirms what somebody else has begun with their address.
		phone.post(link).is(w, 403, "", "not the password")
		phone.post(link, "password", "Wr0ng-guess!").is(w, 403, "", "not the password")
		if _, found := phone.cookies[session.Cookie]; found {
			t.Fatal("a guess is signed in")
		}
		phone.post(link, "password", good).is(w, 200, "", "Your address is verified", "close this one")
		phone.post(link, "password", "again").is(w, 200, "")
		phone.get("/").is(w, 303, "/signin")
		first.get("/verify").is(w, 303, "/welcome?next=%2Faccount%2Fnew") // by itself
		first.get("/session").is(w, 200, "", "ana@home.example")
		phone.get(link).is(w, 404, "")
		first.post("/verify", "code", code).is(w, 404, "")

		// In the same browser the button alone will do.
		same := newTab(w)
		_, link = same.signUp("ben@home.example", good, "", 1)
		same.get(link).is(w, 200, "", "Press the button")
		same.post(link).is(w, 200, "", "Your address is verified")
		same.get("/verify").is(w, 303, "/welcome")
	})
}

// THREAT RATE-1
func TestCodesAreNotGuessed(t *testing.T) {
	world.Each(t, func(w *world.World) {
		b := newTab(w)
		code, old := b.signUp("ana@home.example", good, "", 1)
		for range 5 {
			b.post("/verify", "code", "00000000").is(w, 422, "", "not the code")
		}
		b.post("/verify", "code", code).is(w, 422, "", "tried too often")
		b.post("/verify/resend").is(w, 200, "", "new letter")
		next, _, _ := letterTo(w, "ana@home.example", 2)
		b.post("/verify", "code", code).is(w, 422, "", "not the code")
		b.get(old).is(w, 404, "")
		b.post("/verify", "code", next).is(w, 303, "/welcome")

		// How many letters somebody can have us send to one mailbox is bounded, whoever asks.
		sent := 0
		for range 10 {
			if newTab(w).post("/signup", "email", "eve@home.example", "password", good, "confirmation", good).status == 303 {
				sent++
			}
		}
		if sent != 6 {
			t.Errorf("%d letters were sent to one address", sent)
		}
		// It runs out.
		late := newTab(w)
		code, _ = late.signUp("late@home.example", good, "", 1)
		w.Clock.Turn(time.Hour)
		late.post("/verify", "code", code).is(w, 404, "")
	})
}

// Nobody blocks an address: of many sign-ups with one address the first that verifies it has it, and only that one.
func TestManySignUpsWithOneAddressMakeOneIdentity(t *testing.T) {
	world.Each(t, func(w *world.World) {
		var tabs []*tab
		for range 4 {
			tabs = append(tabs, newTab(w))
		}
		codes := map[int]string{}
		for i, b := range tabs {
			codes[i], _ = b.signUp("ana@home.example", good+string(rune('a'+i)), "", i+1)
		}
		var all sync.WaitGroup
		answers := make([]sheet, len(tabs))
		for i, b := range tabs {
			all.Go(func() { answers[i] = b.post("/verify", "code", codes[i]) })
		}
		all.Wait()
		in := -1
		for i, s := range answers {
			switch {
			case s.status == 303 && in < 0:
				in = i
			case s.status != 409:
				t.Errorf("sign-up %d is answered %d to %s", i, s.status, s.to)
			}
		}
		if in < 0 {
			t.Fatal("nobody has the address")
		}
		for i := range tabs {
			want := 403
			if i == in {
				want = 303
			}
			if got := newTab(w).post("/signin/password", "email", "ana@home.example", "password", good+string(rune('a'+i))); got.status != want {
				t.Errorf("the password of sign-up %d is answered %d", i, got.status)
			}
		}
		// Who has an identity is told so by mail, and nobody else is told anything.
		known, fresh := newTab(w), newTab(w)
		a := known.post("/signup", "email", "ana@home.example", "password", good, "confirmation", good)
		b := fresh.post("/signup", "email", "new@home.example", "password", good, "confirmation", good)
		if a.status != b.status || a.to != b.to || a.body != b.body {
			t.Errorf("%+v\n%+v", a, b)
		}
		if _, _, subject := letterTo(w, "ana@home.example", 5); !strings.Contains(subject, "You have an identity") {
			t.Error(subject)
		}
		known.get("/verify").is(w, 200, "", "5 times")
		known.post("/verify", "code", "12345678").is(w, 422, "", "not the code")
	})
}

// THREAT RATE-1, RATE-2
func TestWhoIsKnownAndWhoIsNotAreAnsweredAlike(t *testing.T) {
	world.Each(t, func(w *world.World) {
		identity(w, "ana@home.example")
		w.Acme()
		same := func(path string, pairs ...string) {
			t.Helper()
			var answers []string
			for _, address := range []string{"ana@home.example", "bob@home.example", "cyd@acme.example"} { // known, unknown, known elsewhere or not
				s := newTab(w).post(path, append(pairs, "email", address)...)
				body := strings.ReplaceAll(strings.ReplaceAll(s.body, address, "somebody"), url.QueryEscape(address), "somebody")
				if address == "cyd@acme.example" {
					continue // another domain may have a provider, which its page may say
				}
				answers = append(answers, http.StatusText(s.status)+s.to+regexp.MustCompile(`req_\w+|<footer>.*</footer>`).ReplaceAllString(body, ""))
			}
			if answers[0] != answers[1] {
				t.Errorf("%s tells them apart:\n%s\n%s", path, answers[0], answers[1])
			}
		}
		same("/signin")
		same("/signin/password", "password", "Wr0ng-guess!")
		same("/signin/password", "password", "")
		same("/password/forgot")
		// Guesses are counted, and the right password does not help whoever has used up theirs.
		for _, address := range []string{"ana@home.example", "bob@home.example"} {
			last := 0
			for range 12 {
				last = newTab(w).post("/signin/password", "email", address, "password", "Wr0ng-guess!").status
			}
			if last != 429 {
				t.Errorf("guess after guess at %s is answered %d", address, last)
			}
		}
		newTab(w).post("/signin/password", "email", "ana@home.example", "password", good).is(w, 429, "")
		w.Clock.Turn(2 * time.Minute)
		newTab(w).post("/signin/password", "email", "ana@home.example", "password", good).is(w, 303, "/")
	})
}

// THREAT SES-6
func TestANewPasswordEndsEverySession(t *testing.T) {
	world.Each(t, func(w *world.World) {
		b := identity(w, "ana@home.example")
		newTab(w).post("/password/forgot", "email", "nobody@home.example").is(w, 200, "", "a letter with a link is on its way")
		thief := newTab(w)
		thief.post("/password/forgot", "email", "ana@home.example").is(w, 200, "", "a letter with a link is on its way")
		_, link, _ := letterTo(w, "ana@home.example", 2)
		if len(w.Post.To("nobody@home.example")) != 0 {
			t.Error("a stranger got a letter")
		}
		for range 2 {
			thief.get(link).is(w, 200, "", "ana@home.example")
		}
		other := newTab(w)
		other.post(link, "password", "weak", "confirmation", "weak").is(w, 422, "", "needs a digit")
		b.get("/").is(w, 200, "")
		other.post(link, "password", "N3w-passphrase", "confirmation", "N3w-passphrase").is(w, 200, "", "Your password is changed")
		b.get("/").is(w, 303, "/signin?next=%2F")
		other.post(link, "password", "An0ther-one!", "confirmation", "An0ther-one!").is(w, 409, "", "used already")
		if _, _, subject := letterTo(w, "ana@home.example", 3); !strings.Contains(subject, "was changed") {
			t.Error(subject)
		}
		other.post("/signin/password", "email", "ana@home.example", "password", good).is(w, 403, "")
		other.post("/signin/password", "email", "ana@home.example", "password", "N3w-passphrase").is(w, 303, "/")

		// Asked again for something that matters, the session is fresh and has another token.
		token := other.cookies[session.Cookie]
		other.get("/signin/confirm?next=/choose").is(w, 200, "", "Confirm it is you")
		other.post("/signin/confirm", "password", good).is(w, 403, "", "not your password")
		other.post("/signin/confirm", "password", "N3w-passphrase", "next", "/choose").is(w, 303, "/choose")
		if other.cookies[session.Cookie] == token {
			t.Error("the session kept its token")
		}
		other.get("/session").is(w, 200, "")
	})
}

// REQ K-19, K-21, E-05
func TestACutOverDomainLocksPasswordsOut(t *testing.T) {
	world.Each(t, func(w *world.World) {
		// Ana is known by her provider; her mailbox proves that she may have a password too, and she is the same person.
		acme := w.Acme()
		known := acme.As("ana@acme.example").Session().User.ID
		b := identity(w, "ana@acme.example")
		if s := b.get("/session").is(w, 200, "", string(known), "password"); !strings.Contains(s.body, "acme") {
			t.Error(s.body)
		}
		b.post("/signin", "email", "ana@acme.example").is(w, 200, "", "Use a password instead")
		a, _ := w.Account("acme")
		domains, err := w.House.Ledger.Domains(w.Context(), world.Operator, a.ID)
		ok(w, err)
		if err := w.House.Ledger.CutOver(w.Context(), world.Operator, domains[0].ID, true); err != nil {
			t.Fatal(err)
		}
		b.get("/session").is(w, 401, "")
		for _, path := range []string{"/signin", "/signin/password", "/signup", "/password/forgot"} {
			s := newTab(w).post(path, "email", "ana@acme.example", "password", good, "confirmation", good).is(w, 200, "")
			if !strings.Contains(s.header.Get("Refresh"), "/login/"+string(acme.Connection.ID)) {
				t.Errorf("%s does not lead to the provider: %v", path, s.header)
			}
		}
		_, err = w.House.Ledger.PasswordSignIn(w.Context(), account.Actor{Kind: account.ActorUser}, "ana@acme.example", account.NewSecret(good), "")
		if account.KindOf(err) != account.Forbidden {
			t.Error(err)
		}
	})
}

// REQ H-10
func TestTermsAreAskedForAgainWhenThereIsANewVersion(t *testing.T) {
	world.Each(t, func(w *world.World) {
		terms := func(version string) {
			w.Apply("catalogue:\n  terms:\n    - {id: terms, label: terms of use, version: \"" + version + "\", url: \"https://acme.example/terms\"}\n")
		}
		terms("1")
		b := newTab(w)
		b.post("/signup", "email", "ana@home.example", "password", good, "confirmation", good).is(w, 422, "", "Agree to the terms of use first")
		b.post("/signup", "email", "ana@home.example", "password", good, "confirmation", good, "accept", "terms 1").is(w, 303, "/verify")
		code, _, _ := letterTo(w, "ana@home.example", 1)
		b.post("/verify", "code", code).is(w, 303, "/welcome")
		b.get("/").is(w, 200, "")
		terms("2")
		b = newTab(w)
		b.post("/signin/password", "email", "ana@home.example", "password", good, "next", "/choose").is(w, 303, "/choose")
		b.get("/choose").is(w, 303, "/terms?next=%2Fchoose")
		b.get("/terms?next=%2Fchoose").is(w, 200, "", "version 2", "You agreed to version 1 before")
		b.post("/terms", "next", "/choose").is(w, 422, "", "Agree to the terms of use first")
		b.post("/terms", "next", "/choose", "accept", "terms 1").is(w, 422, "")
		b.post("/terms", "next", "/choose", "accept", "terms 2").is(w, 303, "/choose")
		b.get("/").is(w, 200, "")
		all, err := w.House.Ledger.Terms(w.Context(), account.Actor{Kind: account.ActorUser, User: userOf(w, b)})
		ok(w, err)
		if len(all) != 1 || all[0].AcceptedAt.IsZero() || all[0].Before != "1" || all[0].Version != "2" {
			t.Errorf("%+v", all)
		}
	})
}

func userOf(w *world.World, b *tab) account.UserID {
	w.Helper()
	return account.UserID(regexp.MustCompile(`usr_\w+`).FindString(b.get("/session").body))
}
