package drive_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/drawbridge-id/drawbridge/test/drive"
)

// A house with a door and an identity provider on another site, joined as SAML joins them: a
// redirect there, a login form, and a form posted back.
type house struct {
	app, idp string // origins
	posts    []http.Header
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{}
	idp := http.NewServeMux()
	idp.HandleFunc("GET /sso", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `<!doctype html><form method=post action="/check?back=%s"><input name=username>
			<input type=password name=pw><input type=hidden name=token value=t1><button>Log in</button></form>`,
			url.QueryEscape(r.URL.Query().Get("back")))
	})
	idp.HandleFunc("POST /check", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("username") != "amy" || r.FormValue("pw") != "open" || r.FormValue("token") != "t1" {
			http.Redirect(w, r, "/sso?back="+url.QueryEscape(r.FormValue("back")), http.StatusSeeOther)
			return
		}
		fmt.Fprintf(w, `<!doctype html><form method=post action="%s"><input type=hidden name=SAMLResponse value="a+b/=">
			<noscript><input type=submit value=Continue></noscript></form><script>document.forms[0].submit()</script>`, r.FormValue("back"))
	})
	app := http.NewServeMux()
	app.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "__Host-flow", Value: "f", Path: "/", Secure: true, SameSite: http.SameSiteNoneMode})
		http.SetCookie(w, &http.Cookie{Name: "lax", Value: "l", Path: "/", SameSite: http.SameSiteLaxMode})
		http.Redirect(w, r, h.idp+"/sso?back="+url.QueryEscape(h.app+"/acs"), http.StatusFound)
	})
	app.HandleFunc("POST /acs", func(w http.ResponseWriter, r *http.Request) {
		h.posts = append(h.posts, r.Header)
		if _, err := r.Cookie("__Host-flow"); err != nil || r.FormValue("SAMLResponse") != "a+b/=" {
			http.Error(w, "no flow", http.StatusForbidden)
			return
		}
		http.Redirect(w, r, "/home", http.StatusSeeOther)
	})
	app.HandleFunc("GET /home", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `<!doctype html><h1>Welcome</h1><form method=post action=/signout><button>Sign out</button></form>`)
	})
	serve := func(mux http.Handler, name string) string {
		s := httptest.NewServer(mux)
		t.Cleanup(s.Close)
		return "http://" + name + strings.TrimPrefix(s.URL, "http://127.0.0.1")
	}
	h.idp, h.app = serve(idp, "idp.localhost"), serve(app, "app.localhost")
	return h
}

func TestAWholeSignInEndsOnThePageThatAsksForNothing(t *testing.T) {
	h := newHouse(t)
	d := drive.Driver{User: "amy", Password: "open", Trace: t.Logf}
	page, err := d.Go(t.Context(), h.app+"/login")
	if err != nil {
		t.Fatal(err)
	}
	if page.URL != h.app+"/home" || !strings.Contains(page.Body, "Welcome") {
		t.Fatalf("ended at %s with status %d: %s", page.URL, page.Status, page.Body)
	}
	post := h.posts[0]
	if got := post.Get("Sec-Fetch-Site") + " " + post.Get("Origin"); got != "cross-site "+h.idp {
		t.Errorf("the form from another site arrived as %q", got)
	}
	if got := post.Get("Cookie"); strings.Contains(got, "lax") {
		t.Errorf("a SameSite=Lax cookie came with a form from another site: %q", got)
	}
	if _, ok := d.Cookie(h.app+"/", "lax"); !ok {
		t.Error("the Lax cookie is lost for the site itself")
	}
}

func TestAWrongPasswordComesToAnEnd(t *testing.T) {
	h := newHouse(t)
	page, err := (&drive.Driver{User: "amy", Password: "wrong"}).Go(t.Context(), h.app+"/login")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(page.URL, h.idp+"/sso") || len(h.posts) != 0 {
		t.Fatalf("ended at %s after %d posts", page.URL, len(h.posts))
	}
}

func TestStoppedBeforeAnAddressTheMessageCanBeChangedAndSentOn(t *testing.T) {
	h := newHouse(t)
	d := drive.Driver{User: "amy", Password: "open", StopBefore: h.app + "/acs"}
	page, err := d.Go(t.Context(), h.app+"/login")
	if err != nil {
		t.Fatal(err)
	}
	if !page.Stopped || page.Method != http.MethodPost || page.Fields.Get("SAMLResponse") != "a+b/=" || len(h.posts) != 0 {
		t.Fatalf("stopped %v with %s %s %v after %d posts", page.Stopped, page.Method, page.URL, page.Fields, len(h.posts))
	}
	good := page.Fields.Get("SAMLResponse")
	page.Fields.Set("SAMLResponse", "forged")
	if refused, err := d.Resume(t.Context(), page); err != nil || refused.Status != http.StatusForbidden {
		t.Fatalf("forged: %+v, %v", refused, err)
	}
	page.Fields.Set("SAMLResponse", good)
	if home, err := d.Resume(t.Context(), page); err != nil || home.URL != h.app+"/home" {
		t.Fatalf("sent on: %+v, %v", home, err)
	}
}

func TestCookiesThatABrowserWouldRefuseAreRefused(t *testing.T) {
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, c := range []string{
			"__Host-a=1; Path=/",                           // not Secure
			"__Host-b=1; Path=/x; Secure",                  // not for the whole host
			"__Host-c=1; Path=/; Secure; Domain=127.0.0.1", // wider than the host
			"__Secure-d=1; Path=/",                         // not Secure
			"e=1; SameSite=None",                           // not Secure
			"good=1; Path=/; Secure; HttpOnly",
			"gone=1; Path=/",
			"gone=; Path=/; Max-Age=0",
			"deep=1; Path=/deep",
		} {
			w.Header().Add("Set-Cookie", c)
		}
	}))
	defer app.Close()
	var d drive.Driver
	if _, err := d.Go(t.Context(), app.URL); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"__Host-a", "__Host-b", "__Host-c", "__Secure-d", "e", "gone", "deep"} {
		if _, ok := d.Cookie(app.URL+"/", name); ok {
			t.Errorf("%s was kept", name)
		}
	}
	for name, at := range map[string]string{"good": "/", "deep": "/deep/er"} {
		if _, ok := d.Cookie(app.URL+at, name); !ok {
			t.Errorf("%s is not sent to %s", name, at)
		}
	}
	if _, ok := d.Cookie(app.URL+"/deeper", "deep"); ok {
		t.Error("/deep was taken for a part of /deeper")
	}
}

func TestTheDriverStaysOnLoopbackAndWithinItsBounds(t *testing.T) {
	var d drive.Driver
	if _, err := d.Go(t.Context(), "http://idp.example/"); err == nil || !strings.Contains(err.Error(), "not a loopback address") {
		t.Errorf("a host elsewhere: %v", err)
	}
	for host, want := range map[string]bool{"localhost": true, "a.localhost": true, "127.0.0.1": true, "::1": true,
		"notlocalhost": false, "127.0.0.1.example": false, "10.0.0.1": false, "localhost.example": false} {
		if drive.Loopback(host) != want {
			t.Errorf("Loopback(%q) is %v", host, !want)
		}
	}
	round := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/again", http.StatusFound)
	}))
	defer round.Close()
	if _, err := d.Go(t.Context(), round.URL); err == nil || !strings.Contains(err.Error(), "still travelling") {
		t.Errorf("redirects without end: %v", err)
	}
}

func TestAFormOfEveryKindOfControl(t *testing.T) {
	var got url.Values
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ParseForm(); r.Method == http.MethodPost {
			got = r.PostForm
			fmt.Fprint(w, `<!doctype html><meta http-equiv=refresh content="0; url='/end'">`)
			return
		}
		if r.URL.Path == "/end" {
			fmt.Fprint(w, "arrived")
			return
		}
		fmt.Fprint(w, `<!doctype html><form method=POST>
			<input name=email type=email><input type=password name=p><input name=note value=kept>
			<select name=lang><option>de<option selected value=en>English</select><textarea name=t>text</textarea>
			<input type=checkbox name=c1 checked><input type=checkbox name=c2 value=x><input name=off disabled value=1>
			<button name=do value=cancel>Cancel</button><button name=do value=go>Continue</button></form>`)
	}))
	defer app.Close()
	d := drive.Driver{User: "amy@acme.example", Password: "s", Fields: map[string]string{"extra": "1"}}
	page, err := d.Go(t.Context(), app.URL)
	if err != nil || page.Body != "arrived" {
		t.Fatalf("%+v, %v", page, err)
	}
	want := url.Values{"email": {"amy@acme.example"}, "p": {"s"}, "note": {"kept"}, "lang": {"en"}, "t": {"text"},
		"c1": {"on"}, "do": {"go"}, "extra": {"1"}}
	if got.Encode() != want.Encode() {
		t.Errorf("sent %s\nwant %s", got.Encode(), want.Encode())
	}
}
