package test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/test/world"
)

// A listener is somebody's server to which announcements are sent.
type listener struct {
	*world.World
	at    string // its address
	mu    sync.Mutex
	heard []heard
	reply func(heard) int // 0: 204
}

// heard is one request as it came.
type heard struct {
	header http.Header
	body   []byte
	Type   string         `json:"type"`
	Data   map[string]any `json:"data"`
	status int
}

func listen(w *world.World) *listener {
	l := &listener{World: w}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		h := heard{header: r.Header.Clone(), body: body}
		_ = json.Unmarshal(body, &h)
		l.mu.Lock()
		reply := l.reply
		l.mu.Unlock()
		if h.status = http.StatusNoContent; reply != nil {
			if s := reply(h); s != 0 {
				h.status = s
			}
		}
		l.mu.Lock()
		l.heard = append(l.heard, h)
		l.mu.Unlock()
		rw.WriteHeader(h.status)
	}))
	w.Cleanup(server.Close)
	l.at = server.URL
	return l
}

func (l *listener) replies(f func(heard) int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reply = f
}

// all is everything that came with that type, "" for all types.
func (l *listener) all(kind string) []heard {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(l.heard), func(h heard) bool { return kind != "" && h.Type != kind })
}

// until waits for a condition for a while.
func until(w testing.TB, what string, is func() bool) {
	w.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			w.Fatalf("this did not come: %s", what)
		}
	}
}

// comes waits for so many requests of a type that were taken and gives them.
func (l *listener) comes(kind string, n int) []heard {
	l.Helper()
	var all []heard
	until(l.World, fmt.Sprintf("%d of %s", n, kind), func() bool {
		all = slices.DeleteFunc(l.all(kind), func(h heard) bool { return h.status >= 300 })
		return len(all) >= n
	})
	return all
}

// hook adds a webhook to an org and gives it with its secret.
func hook(w *world.World, org, url string, events ...string) (account.Feed, account.Secret) {
	w.Helper()
	a, _ := w.Account(org)
	f, secret, err := w.House.Ledger.AddFeed(w.Context(), world.Operator, a.ID, account.Feed{Name: "hook " + strconv.Itoa(len(url)) + strings.Join(events, ""), Kind: account.Webhook, URL: url, Events: events}, account.Secret{})
	if err != nil {
		w.Fatal(err)
	}
	return f, secret
}

// deliveries are those of a feed in a state, newest first.
func deliveries(w *world.World, f account.Feed, s account.DeliveryState) []account.Delivery {
	w.Helper()
	all, err := w.House.Ledger.Deliveries(w.Context(), world.Operator, f.Account, f.ID, s, "", 1000)
	if err != nil {
		w.Fatal(err)
	}
	return all
}

func feedNow(w *world.World, f account.Feed) account.Feed {
	w.Helper()
	all, err := w.House.Ledger.Feeds(w.Context(), world.Operator, f.Account)
	if err != nil {
		w.Fatal(err)
	}
	for _, o := range all {
		if o.ID == f.ID {
			return o
		}
	}
	w.Fatalf("the feed %s is gone", f.ID)
	return account.Feed{}
}

// taken checks a request with the specification's own library.
func taken(w *world.World, h heard, secret account.Secret) {
	w.Helper()
	verifier, err := standardwebhooks.NewWebhook(secret.Reveal())
	if err != nil {
		w.Fatal(err)
	}
	if err := verifier.Verify(h.body, h.header); err != nil {
		w.Errorf("the library of the specification refuses it: %v", err)
	}
}

func TestAWebhookHearsThatSomebodyIsOut(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		l := listen(w)
		_, secret := hook(w, "acme", l.at)
		p := pusherOf(w, acme.Connection)
		ana := acme.As("ana@acme.example").Session()
		id := p.send("POST", "/Users", aUser("ana@acme.example", "ext-ana")).is(201).text("id")
		p.send("PATCH", "/Users/"+id, patch(op("replace", "active", false))).is(200, 204)
		got := l.comes(account.WordDeactivated, 1)[0]
		taken(w, got, secret)
		user, _ := got.Data["user"].(map[string]any)
		if user["id"] != string(ana.User.ID) || user["email"] != "ana@acme.example" || got.Data["sessions_ended"] != 1.0 || got.Data["everywhere"] != true ||
			got.Data["actor"] != "connection:"+string(acme.Connection.ID) || got.Data["receipt"] == nil || got.Data["txn"] == "" {
			w.Errorf("it hears %s", got.body)
		}
		p.send("PATCH", "/Users/"+id, patch(op("replace", "active", true))).is(200, 204)
		taken(w, l.comes(account.WordReactivated, 1)[0], secret)

		// Roles, one by hand.
		_, org := w.Account("acme")
		if err := w.House.Ledger.Grant(w.Context(), world.Operator, ana.Account.ID, ana.User.ID, account.Scope{Org: org.ID}, "functions:developer"); err != nil {
			w.Fatal(err)
		}
		granted := l.comes(account.WordRoleGranted, 1)
		last := granted[len(granted)-1]
		if !strings.Contains(string(last.body), `"role":"functions:developer"`) {
			w.Errorf("it hears %s", last.body)
		}
		if n := len(l.all(account.WordSessionStarted)); n != 0 {
			w.Errorf("it hears of %d sign-ins, and did not ask for them", n)
		}
	})
}

func TestBothSecretsOfAWebhookSignWhileItChangesOver(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		l := listen(w)
		f, first := hook(w, "acme", l.at, account.WordSessionStarted)
		second, err := w.House.Ledger.RotateFeedSecret(w.Context(), world.Operator, f.Account, f.ID)
		if err != nil {
			w.Fatal(err)
		}
		acme.As("ana@acme.example")
		got := l.comes(account.WordSessionStarted, 1)[0]
		taken(w, got, first)
		taken(w, got, second)
		w.Clock.Turn(25 * time.Hour)
		acme.As("ben@acme.example")
		got = l.comes(account.WordSessionStarted, 2)[1]
		for i, s := range []account.Secret{first, second} {
			v, _ := standardwebhooks.NewWebhook(s.Reveal())
			if err := v.VerifyIgnoringTimestamp(got.body, got.header); (err == nil) != (i == 1) {
				w.Errorf("a day later, secret %d: %v", i+1, err)
			}
		}
	})
}

func TestOfOneSubjectTheLaterEventWaitsForTheEarlierOne(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		l := listen(w)
		failing := true
		var mu sync.Mutex
		l.replies(func(h heard) int {
			mu.Lock()
			defer mu.Unlock()
			if failing && h.Type == account.WordDeactivated {
				return http.StatusInternalServerError
			}
			return 0
		})
		f, _ := hook(w, "acme", l.at, account.WordDeactivated, account.WordReactivated)
		p := pusherOf(w, acme.Connection)
		ana := p.send("POST", "/Users", aUser("ana@acme.example", "ext-ana")).is(201).text("id")
		ben := p.send("POST", "/Users", aUser("ben@acme.example", "ext-ben")).is(201).text("id")
		p.send("PATCH", "/Users/"+ana, patch(op("replace", "active", false))).is(200, 204)
		p.send("PATCH", "/Users/"+ana, patch(op("replace", "active", true))).is(200, 204)
		until(w, "a refused try", func() bool { return len(l.all(account.WordDeactivated)) > 0 })
		// Another subject does not wait.
		mu.Lock()
		failing = false
		mu.Unlock()
		p.send("PATCH", "/Users/"+ben, patch(op("replace", "active", false))).is(200, 204)
		l.comes(account.WordDeactivated, 1)
		if got := l.all(account.WordReactivated); len(got) != 0 {
			w.Fatalf("the later event came first: %s", got[0].body)
		}
		w.Clock.Turn(10 * time.Second) // the first retry is due
		l.comes(account.WordReactivated, 1)
		tries := l.all("")
		ids := map[string]int{}
		var order []string
		for _, h := range tries {
			if user, _ := h.Data["user"].(map[string]any); user["email"] == "ana@acme.example" {
				ids[h.header.Get("webhook-id")]++
				order = append(order, fmt.Sprintf("%s %d", h.Type, h.status))
			}
		}
		if want := []string{"user.deactivated 500", "user.deactivated 204", "user.reactivated 204"}; !slices.Equal(order, want) {
			w.Errorf("they came as %v", order)
		}
		if len(ids) != 2 {
			w.Errorf("one event has one id over all tries, here are %v", ids)
		}
		until(w, "all to be done", func() bool { return len(deliveries(w, f, account.DeliveryDone)) == 3 })
	})
}

func TestWhatWasCommittedIsDeliveredAfterACrash(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		l := listen(w)
		l.replies(func(heard) int { return http.StatusServiceUnavailable })
		f, secret := hook(w, "acme", l.at, account.WordSessionEnded)
		onPage(w, acme.As("ana@acme.example"), "/signout", url.Values{})
		until(w, "a refused try", func() bool { return len(l.all("")) > 0 })
		w.Stop()
		l.replies(nil)
		w.Clock.Turn(2 * time.Minute)
		w.Start()
		got := l.comes(account.WordSessionEnded, 1)[0]
		taken(w, got, secret)
		until(w, "it to be done", func() bool { return len(deliveries(w, f, account.DeliveryDone)) == 1 })
	})
}

// THREAT NET-1
func TestAWebhookDoesNotReachInside(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		f, _ := hook(w, "acme", "https://169.254.169.254/latest", account.WordSessionStarted)
		other := listen(w)
		hook(w, "acme", other.at, account.WordFeedPaused)
		acme.As("ana@acme.example")
		until(w, "the feed to be paused", func() bool { return feedNow(w, f).Status == account.FeedPaused })
		if why := feedNow(w, f).Reason; !strings.Contains(why, "metadata service") {
			w.Errorf("the reason is %q", why)
		}
		// It is said, and what was announced is held.
		other.comes(account.WordFeedPaused, 1)
		if w.Audit("acme", account.WordFeedPaused).Target != string(f.ID) {
			w.Error("the audit log is silent")
		}
		if held := deliveries(w, f, account.DeliveryWaiting); len(held) != 1 || held[0].Attempts != 0 {
			w.Errorf("held are %+v", held)
		}
	})
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		l := listen(w)
		away := httptest.NewServer(http.RedirectHandler(l.at, http.StatusTemporaryRedirect))
		defer away.Close()
		f, _ := hook(w, "acme", away.URL, account.WordSessionStarted)
		acme.As("ana@acme.example")
		until(w, "the feed to be paused", func() bool { return feedNow(w, f).Status == account.FeedPaused })
		if len(l.all("")) != 0 {
			w.Error("the redirect was followed")
		}
	})
}

func TestAReceiverThatRefusesUsIsPausedAndOneThatIsGoneDisabled(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		strict, gone := listen(w), listen(w)
		strict.replies(func(heard) int { return http.StatusUnauthorized })
		gone.replies(func(heard) int { return http.StatusGone })
		s, _ := hook(w, "acme", strict.at, account.WordSessionStarted)
		g, _ := hook(w, "acme", gone.at+"/other", account.WordSessionStarted)
		acme.As("ana@acme.example")
		until(w, "one to be paused, one disabled", func() bool {
			return feedNow(w, s).Status == account.FeedPaused && feedNow(w, g).Status == account.FeedDisabled
		})
		acme.As("ben@acme.example")
		if held := deliveries(w, s, account.DeliveryWaiting); len(held) != 2 {
			w.Errorf("the paused one holds %d", len(held))
		}
		if held := deliveries(w, g, ""); len(held) != 1 || held[0].State != account.DeliveryDead {
			w.Errorf("the disabled one holds %+v", held)
		}
		// Mended, it flows.
		strict.replies(nil)
		if _, err := w.House.Ledger.UpdateFeed(w.Context(), world.Operator, s.Account, s.ID, func(f *account.Feed) { f.Status = account.FeedEnabled }); err != nil {
			w.Fatal(err)
		}
		strict.comes(account.WordSessionStarted, 2)
	})
}

func TestWhatIsGivenUpIsSeenAndCanBeReplayed(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		l := listen(w)
		l.replies(func(heard) int { return http.StatusInternalServerError })
		f, _ := hook(w, "acme", l.at, account.WordSessionStarted)
		acme.As("ana@acme.example")
		for tries := 1; tries <= 10; tries++ {
			until(w, fmt.Sprintf("try %d", tries), func() bool { return len(l.all("")) >= tries })
			until(w, "it to be noted", func() bool {
				all := deliveries(w, f, "")
				return len(all) == 1 && all[0].Attempts == tries
			})
			if wait := deliveries(w, f, "")[0].DueAt.Sub(w.Clock.Now()); tries < 10 {
				w.Clock.Turn(wait)
			}
		}
		dead := deliveries(w, f, account.DeliveryDead)
		if len(dead) != 1 || dead[0].Answer != 500 || dead[0].Error == "" {
			w.Fatalf("given up are %+v", dead)
		}
		l.replies(nil)
		if n, err := w.House.Ledger.Replay(w.Context(), world.Operator, f.Account, f.ID, dead[0].ID); n != 1 || err != nil {
			w.Fatalf("replayed %d, %v", n, err)
		}
		got := l.comes(account.WordSessionStarted, 1)[0]
		if got.header.Get("webhook-id") != string(dead[0].ID) {
			w.Errorf("a replay has another id")
		}
		if _, err := w.House.Ledger.Replay(w.Context(), world.Operator, f.Account, f.ID, dead[0].ID); account.KindOf(err) != account.NotFound {
			w.Errorf("replaying what is done: %v", err)
		}
	})
}

func TestASlowReceiverHoldsUpNobodyElse(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme := w.Acme()
		slow, quick := listen(w), listen(w)
		release := make(chan struct{})
		slow.replies(func(heard) int { <-release; return 0 })
		hook(w, "acme", slow.at, account.WordAdded)
		hook(w, "acme", quick.at+"/q", account.WordAdded)
		p := pusherOf(w, acme.Connection)
		const burst = 100
		for i := range burst {
			email := fmt.Sprintf("p%03d@acme.example", i)
			p.send("POST", "/Users", aUser(email, "ext-"+email)).is(201)
		}
		quick.comes(account.WordAdded, burst)
		close(release)
		slow.comes(account.WordAdded, burst)
		seen := map[string]bool{}
		for _, h := range quick.all("") {
			seen[h.header.Get("webhook-id")] = true
		}
		if len(seen) != burst {
			w.Errorf("%d different events came", len(seen))
		}
	})
}
