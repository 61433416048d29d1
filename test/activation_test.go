package test

import (
	"bytes"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ledongthuc/pdf"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/federation/session"
	"github.com/drawbridge-id/drawbridge/store"
	"github.com/drawbridge-id/drawbridge/test/drive"
	"github.com/drawbridge-id/drawbridge/test/post"
	"github.com/drawbridge-id/drawbridge/test/world"
	"github.com/drawbridge-id/drawbridge/web/api"
)

const aNumber = "00000-11111-22222-33333"

var aBusiness = account.Business{Company: "Acme", Address: "1 Main St", Country: "Germany"}

func aRegistrant(email string) account.Registration {
	return account.Registration{FirstName: "Ana", LastName: "Ruiz", Email: email, Country: "Spain", Address: "1 Main St\nMadrid", Phone: "+34 91 1", JobRole: "Engineer"}
}

// linkTo is where a letter leads, as a path of the house.
func linkTo(w *world.World, letter, begins string) string {
	w.Helper()
	link := regexp.MustCompile(regexp.QuoteMeta(w.URL+begins) + `\S*`).FindString(letter)
	if link == "" {
		w.Fatalf("no link to %s in\n%s", begins, letter)
	}
	return strings.TrimPrefix(link, w.URL)
}

func (r reply) lacks(texts ...string) reply {
	r.w.Helper()
	for _, t := range texts {
		if strings.Contains(r.body, t) {
			r.w.Errorf("%s says %q:\n%s", r.call, t, r.body)
		}
	}
	return r
}

func approved(w *world.World, email string, nth int) string {
	w.Helper()
	_, err := w.House.Ledger.Approve(w.Context(), world.Operator, store.Award{Product: "enterprise_suite", Email: email, Note: "Early access"})
	ok(w, err)
	letter := newest(w, email, "Welcome to Enterprise suite", nth)
	if !strings.Contains(letter.Text, "Accept invitation and sign in") {
		w.Errorf("%+v", letter)
	}
	return linkTo(w, letter.Text, "/activate/")
}

// newest waits for the nth letter to somebody with a subject.
func newest(w *world.World, email, subject string, nth int) post.Letter {
	w.Helper()
	for n, found := 1, 0; ; n++ {
		letter, err := w.Post.Wait(w.Context(), email, n)
		ok(w, err)
		if letter.Subject == subject {
			if found++; found == nth {
				return letter
			}
		}
	}
}

// sends is pushes for a form that moves the session: the browser keeps its cookies, and goes where it is led.
func sends(w *world.World, b *world.Browser, path string, form url.Values) *drive.Page {
	w.Helper()
	token, _ := b.Cookie(w.URL, session.Cookie)
	form.Set(session.FormField, session.FormToken(account.NewSecret(token)))
	p, err := b.Post(w.Context(), w.URL+path, form)
	ok(w, err)
	return p
}

// REQ G-01~, G-02, G-03, B-02
func TestANewPersonActivatesAProductInANewAccount(t *testing.T) {
	world.Each(t, func(w *world.World) {
		link := approved(w, "amy@initech.example", 1)
		look(w, nil, link).is(200).says("Activate Enterprise suite", "Early access", "Accept invitation and sign in", "/signup?email=amy%40initech.example")
		amy := newTab(w)
		code, _ := amy.signUp("amy@initech.example", good, link, 2)
		if verified := amy.post("/verify", "code", code); verified.status != 303 {
			w.Fatalf("%+v", verified)
		}
		amy.get(link).is(w, 200, "", "Activate with a new account")
		done := amy.post(link, "new", "1", "name", "initech")
		done.is(w, 303, "/o/initech/subscriptions?activated=1")
		amy.get("/o/initech/subscriptions?activated=1").is(w, 200, "", "Your subscription is active", "Enterprise suite", "Launch", "https://suite.example/", "Add people", "Set recovery e-mail", "Enterprise software")
		amy.get("/o/initech/services").is(w, 200, "", "Enterprise software", "Launch")
		amy.get(link).is(w, 200, "", "has been activated")
		line := w.Audit("initech", "account.created")
		if line.Detail["way"] != string(account.WayEntitlement) || w.Audit("initech", "subscription.activated").Detail["way"] != string(account.WayEntitlement) {
			w.Errorf("the audit log does not say by which way: %+v", line)
		}
	})
}

// REQ G-04, G-05, G-06, G-07, G-08, G-09, G-10, G-11, G-21
func TestAnActivationIsTransferredToTheOwnerOfAnotherAccount(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		ana, olga := acme.As("ana@acme.example"), acme.As("olga@acme.example")
		// With an account of her own beside the one that she joined.
		own := read[api.Activated](ask(w, ana, "POST", "/api/v1/me/entitlements/"+string(mineNewest(w, ana, approved(w, "ana@acme.example", 1)))+"/activate", api.Destination{NewAccount: "anas"}).is(200))
		if !own.New || own.Org != "anas" || own.Subscriptions[0].State != "active" {
			w.Errorf("%+v", own)
		}
		link := approved(w, "ana@acme.example", 2)
		look(w, ana, link).is(200).says("anas", ">Owner<", "View all accounts", "Activate Product").lacks("Transfer Product Activation")
		all := look(w, ana, link+"?all=1").is(200).says("Transfer Product Activation", "owned by olga@acme.example")
		if strings.Count(all.body, ">Owner<") != 1 {
			w.Errorf("an account that is not hers has the owner tag:\n%s", all.body)
		}
		acct, _ := w.Account("acme")
		to := string(acct.ID)
		pushes(w, ana, link, url.Values{"account": {to}}).is(422).says("You do not own the account acme", "Transfer the activation")
		look(w, ana, link+"/transfer?account="+to).is(200).says("This cannot be undone", "Cancel", "Transfer activation to olga@acme.example", "I was invited to activate Enterprise suite")
		look(w, ana, link).is(200).says("Activate Product") // cancelled: nothing has changed
		look(w, olga, link).is(200).says("You are signed in as somebody else")

		pushes(w, ana, link+"/transfer", url.Values{"account": {to}, "message": {"Please <b>take</b> it."}}).is(200).says("Transferred")
		letter, err := w.Post.Wait(w.Context(), "olga@acme.example", 1)
		ok(w, err)
		if !strings.Contains(letter.Text, "Please <b>take</b> it.") || strings.Contains(letter.HTML, "<b>take</b>") || !strings.HasPrefix(letter.Subject, "ana@acme.example asks you") {
			w.Errorf("%+v", letter)
		}
		look(w, ana, link).is(200).says("This activation was transferred")
		pushes(w, ana, link, url.Values{"new": {"1"}, "name": {"another"}}).is(409)
		next := linkTo(w, letter.Text, "/activate/")
		look(w, ana, next).is(200).says("signed in as somebody else")
		pushes(w, olga, next, url.Values{"account": {to}}).is(303)
		look(w, olga, "/o/acme/subscriptions?activated=1").is(200).says("Enterprise suite", "Your subscription is active", "Skip")
		ask(w, acme.As("ben@acme.example"), "GET", "/api/v1/orgs/acme/subscriptions", nil).is(200).says(`"enterprise_suite"`)
	})
}

// mineNewest is the id of the newest entitlement of somebody's.
func mineNewest(w *world.World, b *world.Browser, _ string) account.EntitlementID {
	w.Helper()
	all := read[struct{ Entitlements []api.Entitlement }](ask(w, b, "GET", "/api/v1/me/entitlements", nil).is(200)).Entitlements
	if len(all) == 0 {
		w.Fatal("there is no entitlement")
	}
	return all[0].ID
}

// REQ G-12, G-13, G-14, G-16, G-17, G-18, G-19, G-20
func TestACertificateComesAsPaperAndIsRegistered(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		_, number, err := w.House.Ledger.IssueCertificate(w.Context(), world.Operator, store.Award{Product: "enterprise_suite", Email: "buyer@acme.example", Holder: "Acme Ltd"})
		ok(w, err)
		letter, err := w.Post.Wait(w.Context(), "buyer@acme.example", 1)
		ok(w, err)
		paper := ""
		for name, file := range letter.Files {
			if strings.HasSuffix(name, ".pdf") {
				paper = readPaper(w, file)
			}
		}
		for _, says := range []string{number.Reveal(), "Enterprisesuite", "AcmeLtd", "Registerthiscertificateonce", w.URL + "/register"} {
			if !strings.Contains(paper, says) {
				w.Errorf("the certificate does not say %q:\n%s", says, paper)
			}
		}
		if !strings.HasPrefix(letter.Subject, "Drawbridge entitlement certificate - ref ") || strings.Contains(letter.Text, number.Reveal()) {
			w.Errorf("%+v", letter)
		}
		look(w, nil, "/register").is(200).says("Already have an entitlement", "/signin?next=%2Fregister%2Fcertificate", "/signup?next=%2Fregister%2Fcertificate")

		ana := acme.As("ana@acme.example")
		form := url.Values{"number": {number.Reveal()}, "first_name": {"Ana"}, "last_name": {"Ruiz"}, "email": {"ana@acme.example"}, "country": {"Spain"}, "address": {"1 Main St"}, "job_role": {"Engineer"}}
		look(w, ana, "/register").is(303)
		bad := pushes(w, ana, "/register/certificate", clone(form)).is(422).says(`href="#phone"`, `id="phone-error"`, "Your phone number is missing.")
		if n := strings.Count(bad.body, "is missing"); n != 2 {
			w.Errorf("%d things are missing:\n%s", n, bad.body)
		}
		form.Set("phone", "+34 91 1")
		options := pushes(w, ana, "/register/certificate", clone(form)).is(200).says("Option A", "Option B", "Option C", "Acme Ltd", "Contact Admin", "Cancel the registration", "/o/acme/contact?template=product_request")
		options.lacks("Transfer Product Activation")
		acct, _ := w.Account("acme")
		there := clone(form)
		there.Set("account", string(acct.ID))
		pushes(w, ana, "/register/account", there).is(422).says("You do not own the account acme", "only platform invitations can be transferred")
		fresh := clone(form)
		fresh.Set("new", "1")
		fresh.Set("name", "anas")
		if p := sends(w, ana, "/register/account", fresh); p.Status != 200 || !strings.HasSuffix(p.URL, "/o/anas/subscriptions?activated=1") {
			w.Fatalf("ended with %d at %s:\n%s", p.Status, p.URL, p.Body)
		}
		look(w, ana, "/o/anas/subscriptions").is(200).says("Enterprise suite", "a certificate")
		registered := newest(w, "ana@acme.example", "Enterprise suite is registered", 1)
		look(w, ana, linkTo(w, registered.Text, "/o/")).is(200).says("Enterprise software", "Launch")
		again := pushes(w, ana, "/register/certificate", clone(form)).is(422)
		again.says("has been activated already")
	})
}

func clone(v url.Values) url.Values {
	out := url.Values{}
	for k := range v {
		out[k] = append([]string(nil), v[k]...)
	}
	return out
}

func readPaper(w *world.World, file []byte) string {
	w.Helper()
	r, err := pdf.NewReader(bytes.NewReader(file), int64(len(file)))
	ok(w, err)
	plain, err := r.GetPlainText()
	ok(w, err)
	var b bytes.Buffer
	_, err = b.ReadFrom(plain)
	ok(w, err)
	return strings.Join(strings.Fields(b.String()), "")
}

// REQ G-15
func TestWhoRegistersThroughACompanySignsInThere(t *testing.T) {
	world.Each(t, func(w *world.World) {
		w.Acme()
		look(w, nil, "/register/certificate").is(303).says("/signin?next=%2Fregister%2Fcertificate")
		b := w.Browser("ana@acme.example")
		found := ask(w, b, "POST", "/signin", url.Values{"email": {"ana@acme.example"}, "next": {"/register/certificate"}}.Encode(), "Content-Type", "application/x-www-form-urlencoded", "Accept", "text/html").is(200)
		at := regexp.MustCompile(`/login/con_[^"]*`).FindString(found.body)
		if at == "" {
			w.Fatalf("it leads to no provider:\n%s", found.body)
		}
		if p := b.Open(strings.ReplaceAll(at, "&amp;", "&")); !strings.HasSuffix(p.URL, "/register/certificate") || !strings.Contains(p.Body, "Certificate number") {
			w.Errorf("ended at %s", p.URL)
		}
	})
}

// REQ G-22, G-23, G-24, G-25
func TestCodesAreReviewedAndActivated(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		_, err := w.House.Ledger.ImportCodes(w.Context(), world.Operator, "enterprise_suite", "spring", 0, []string{"A1", "C3", "D4"})
		ok(w, err)
		look(w, nil, "/activate-code").is(303) // to sign in, and back
		olga := acme.As("olga@acme.example")
		look(w, olga, "/activate-code").is(200).says("Serial numbers or activation codes", "Address of the headquarters")
		form := url.Values{"company": {"Acme"}, "address": {"1 Main St"}, "country": {"Spain"}, "codes": {"A1, B2,,C3"}}
		review := pushes(w, olga, "/activate-code", clone(form)).is(200).says("<code>A1</code>", "<code>B2</code>", "<code>C3</code>", "1 code cannot be used", "Change the codes")
		if strings.Count(review.body, ">Failed<") != 1 && strings.Count(review.body, "Nobody here knows it") != 1 {
			w.Errorf("more than one code is flagged:\n%s", review.body)
		}
		form.Set("codes", "a1, c3")
		pushes(w, olga, "/activate-code", clone(form)).is(200).says("Request Activation", "acme")
		acct, _ := w.Account("acme")
		form.Set("account", string(acct.ID))
		// Two browsers at once: the codes are used once.
		other := acme.As("olga@acme.example")
		var wg sync.WaitGroup
		answers := make([]int, 2)
		for i, b := range []*world.Browser{olga, other} {
			wg.Go(func() { answers[i] = pushes(w, b, "/activate-code/request", clone(form)).status })
		}
		wg.Wait()
		if answers[0]+answers[1] != 303+422 && answers[0]+answers[1] != 303+200 {
			w.Errorf("they were answered %v", answers)
		}
		page := look(w, olga, "/o/acme/subscriptions").is(200).says("Enterprise suite", "× 2", "activation codes")
		if !regexp.MustCompile(`(?s)<nav[^>]*>.*Enterprise software.*</nav>`).MatchString(page.body) {
			w.Errorf("the enterprise software is not in the navigation:\n%s", page.body)
		}
	})
}

// What a subscription brought ends with it, for whoever holds it, on the clock of the house.
func TestAServiceEndsWithItsSubscription(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		acct, org := w.Account("acme")
		s, err := w.House.Ledger.ApplySubscription(w.Context(), world.Operator, acct.ID, "enterprise_suite", 24*time.Hour)
		ok(w, err)
		ana := acme.As("ana@acme.example")
		ok(w, w.House.Ledger.Grant(w.Context(), world.Operator, acct.ID, ana.Session().User.ID, account.Scope{Org: org.ID}, "enterprise:viewer"))
		if !strings.Contains(strings.Join(ana.Session().RoleNames(), " "), "enterprise:viewer") {
			w.Fatalf("Ana holds %v", ana.Session().RoleNames())
		}
		ok(w, w.House.Ledger.EndSubscription(w.Context(), world.Operator, acct.ID, s.ID))
		if got := strings.Join(ana.Session().RoleNames(), " "); strings.Contains(got, "enterprise:viewer") || !strings.Contains(got, "registry:writer") {
			w.Errorf("Ana holds %v", got)
		}
	})
}
