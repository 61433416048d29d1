package test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/drawbridge-id/drawbridge/federation/session"
	"github.com/drawbridge-id/drawbridge/test/world"
)

var (
	shownKey  = regexp.MustCompile(`Key: <code>([A-Z2-7 ]+)</code>`)
	shownID   = regexp.MustCompile(`fac_\w+`)
	shownCode = regexp.MustCompile(`[a-z2-7]{4}(?:-[a-z2-7]{4}){3}`)
)

// An owner is reminded, sets up an app behind their password, and is asked for its code from then on.
//
// REQ H-08 H-09
func TestAnOwnerSetsUpASecondFactor(t *testing.T) {
	world.Each(t, func(w *world.World) {
		b := identity(w, "olga@home.example")
		b.post("/welcome").is(w, 303, "/account/new")
		if made := b.post("/account/new", "name", "olgas"); made.status != 303 {
			t.Fatalf("%d %s", made.status, made.body)
		}
		b.get("/").is(w, 200, "", "Protect your ownership with a second factor", "/account/security")
		b.post("/account/security/later").is(w, 303, "/")
		if strings.Contains(b.get("/").is(w, 200, "").body, "Protect your ownership") {
			t.Error("a dismissed reminder nags")
		}

		w.Clock.Turn(11 * time.Minute) // a live session, and a stranger may sit at the keyboard by now
		again := "/signin/confirm?next=%2Faccount%2Fsecurity"
		b.get("/account/security").is(w, 303, again)
		b.post("/account/security/begin", "name", "phone").is(w, 303, again)
		b.post("/signin/confirm", "next", "/account/security", "password", "Wr0ng-guess!").is(w, 403, "", "not your password")
		b.post("/signin/confirm", "next", "/account/security", "password", good).is(w, 303, "/account/security")
		b.get("/account/security").is(w, 200, "", "None so far")
		b.post("/account/security/begin", "name", "").is(w, 422, "", "1 to 100 printable characters")
		shown := b.post("/account/security/begin", "name", "phone").is(w, 200, "", "<svg", "Scan this").body
		key := strings.ReplaceAll(shownKey.FindStringSubmatch(shown)[1], " ", "")
		code := func() string {
			c, err := totp.GenerateCode(key, w.Clock.Now())
			ok(w, err)
			return c
		}
		id := shownID.FindString(shown)
		b.post("/account/security/confirm", "factor", id, "code", "000000").is(w, 422, "", "not the code of this moment")
		codes := shownCode.FindAllString(b.post("/account/security/confirm", "factor", id, "code", code()).is(w, 200, "", "shown this once").body, -1)
		if len(codes) != 10 {
			t.Fatalf("%d recovery codes", len(codes))
		}
		if _, _, subject := letterTo(w, "olga@home.example", len(w.Post.To("olga@home.example"))); subject == "" {
			t.Error("nobody was told")
		}
		b.get("/account/security").is(w, 200, "", "phone", "10 of your codes are left")

		// The password alone lets nobody in any more.
		b.post("/signout").is(w, 303, "/signed-out")
		w.Clock.Turn(time.Minute)
		b.get("/second-factor").is(w, 303, "/signin")
		b.post("/signin/password", "email", "olga@home.example", "password", good).is(w, 303, "/second-factor")
		if b.cookies[session.Cookie] != "" {
			t.Fatal("half a sign-in is a session")
		}
		b.get("/").is(w, 303, "/signin")
		b.get("/second-factor").is(w, 200, "", "olga@home.example")
		b.post("/second-factor", "code", "123 456").is(w, 403, "", "not the code of this moment")
		thief := newTab(w) // who has not given the password has no half sign-in, whatever code they know
		if answer := thief.post("/second-factor", "code", code()); answer.status != 401 {
			t.Errorf("a code alone is answered %d", answer.status)
		}
		used := code()
		b.post("/second-factor", "code", used).is(w, 303, "/")
		b.get("/").is(w, 200, "", "olgas")
		b.post("/signout").is(w, 303, "/signed-out")
		b.post("/signin/password", "email", "olga@home.example", "password", good).is(w, 303, "/second-factor")
		b.post("/second-factor", "code", used).is(w, 403, "") // over the shoulder
		b.post("/second-factor", "code", " "+strings.ToUpper(codes[0])+" ").is(w, 303, "/")
		w.Clock.Turn(16 * time.Minute)

		// Removing it needs the password too, and ends the codes.
		b.post("/account/security/remove", "factor", id).is(w, 303, again)
		b.post("/signin/confirm", "next", "/account/security", "password", good).is(w, 303, "/account/security")
		b.post("/account/security/remove", "factor", id).is(w, 303, "/account/security")
		b.post("/signout").is(w, 303, "/signed-out")
		b.post("/signin/password", "email", "olga@home.example", "password", good).is(w, 303, "/")
	})
}
