package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/drawbridge-id/drawbridge/test/drive"
	"github.com/drawbridge-id/drawbridge/test/sim"
)

// What the simulated Okta pushes: three people with names, for the story, and the rest of the company.
const (
	pushedPeople = 200
	byPatch      = "dana@acme.example" // leaves by a SCIM PATCH
	byEvent      = "emil@acme.example" // leaves by a security event
	byHand       = "fay@acme.example"  // for whoever watches
)

// staff are the people who are pushed, with their groups.
func staff() []sim.User {
	people := []sim.User{
		{Email: byPatch, GivenName: "Dana", FamilyName: "Kim"},
		{Email: byEvent, GivenName: "Emil", FamilyName: "Roth"},
		{Email: byHand, GivenName: "Fay", FamilyName: "Moreau"},
	}
	for i := len(people) + 1; i <= pushedPeople; i++ {
		people = append(people, sim.User{Email: fmt.Sprintf("person-%03d@acme.example", i), GivenName: "Person", FamilyName: fmt.Sprint(i)})
	}
	for i := range people {
		people[i].Groups = []string{"registry-users", []string{"lab-north", "lab-south", "lab-west"}[i%3]}
	}
	return people
}

// provision pushes the staff and their groups as Okta does: it looks for each, creates who is not there, then fills the groups.
func (d *demo) provision(ctx context.Context) error {
	began := time.Now()
	d.pusher = &sim.Pusher{Dialect: sim.Okta, BaseURL: d.public + "/scim/" + d.conns["okta"].ID + "/v2", Token: d.scimToken}
	d.okta.PutSCIM(d.pusher)
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	members := map[string][]string{}
	for _, u := range staff() {
		u, _ := d.okta.User(u.Email)
		for _, g := range u.Groups {
			members[g] = append(members[g], u.Email)
		}
		group.Go(func() error { _, err := d.pusher.User(gctx, u); return err })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for name, emails := range members {
		if err := d.pusher.Group(ctx, sim.Group{Name: name}); err != nil {
			return err
		}
		if err := d.pusher.Join(ctx, name, emails...); err != nil {
			return err
		}
	}
	d.told = append(d.told, fmt.Sprintf("The simulated Okta has pushed %d people and %d groups over SCIM in %s.", pushedPeople, len(members), round(time.Since(began))))
	return nil
}

// A leaver is somebody who has signed in and made a key, and is about to leave.
type leaver struct {
	email, cookie, key string
}

// enters signs somebody in through the simulated Okta and makes them a key, and checks that both open something.
func (d *demo) enters(ctx context.Context, email string) (leaver, error) {
	cookie, err := d.signIn(ctx, email)
	if err != nil {
		return leaver{}, err
	}
	l := leaver{email: email, cookie: cookie}
	var minted struct {
		Secret string `json:"secret"`
	}
	if err := d.ask(ctx, http.MethodPost, "/api/v1/orgs/acme/keys", l.cookie, map[string]string{"name": "laptop"}, &minted); err != nil {
		return l, err
	}
	l.key = minted.Secret
	if session, key := d.opens(ctx, l); session != http.StatusOK || key != http.StatusOK {
		return l, fmt.Errorf("the session of %s is answered %d, the key %d", email, session, key)
	}
	return l, nil
}

const sessionCookie = "__Host-drawbridge"

// signIn is a browser's way in, through the simulated Okta; the session's cookie is left.
func (d *demo) signIn(ctx context.Context, email string) (string, error) {
	d.okta.Auto(email)
	defer d.okta.Auto("")
	browser := &drive.Driver{}
	page, err := browser.Go(ctx, d.public+"/login/"+d.conns["okta"].ID)
	if err != nil {
		return "", err
	}
	cookie, ok := browser.Cookie(d.public, sessionCookie)
	if !ok {
		return "", fmt.Errorf("%s is not signed in, but ends on %s: %d", email, page.URL, page.Status)
	}
	return sessionCookie + "=" + cookie, nil
}

// opens asks with the session, and with the key.
func (d *demo) opens(ctx context.Context, l leaver) (session, key int) {
	return d.status(ctx, "/session", "Cookie", l.cookie), d.status(ctx, "/api/v1/orgs/acme", "Authorization", "Bearer "+l.key)
}

// removals shows what "shut means shut" is worth: two people leave, and what they held opens nothing when the provider has its answer.
func (d *demo) removals(ctx context.Context) error {
	owner, err := d.signIn(ctx, "olga@acme.example")
	if err != nil {
		return err
	}
	for _, way := range []struct {
		email string
		leave func(ctx context.Context) (said string, took time.Duration, err error)
	}{
		{byPatch, d.leavesByPatch},
		{byEvent, d.leavesByEvent},
	} {
		l, err := d.enters(ctx, way.email)
		if err != nil {
			return err
		}
		said, took, err := way.leave(ctx)
		if err != nil {
			return err
		}
		session, key := d.opens(ctx, l)
		if session != http.StatusUnauthorized || key != http.StatusUnauthorized {
			return fmt.Errorf("%s is out, but the session is answered %d and the key %d", l.email, session, key)
		}
		r, err := d.receiptOf(ctx, owner, l.email)
		if err != nil {
			return err
		}
		d.told = append(d.told, r.text(l, said, took, session, key, d.public))
	}
	return nil
}

func (d *demo) leavesByPatch(ctx context.Context) (string, time.Duration, error) {
	push, err := d.pusher.SetActive(ctx, byPatch, false)
	return fmt.Sprintf("%s %s  %s  answered %d", push.Method, shorten(push.Path), push.Body, push.Status), push.Took, err
}

const accountDisabled = "https://schemas.openid.net/secevent/risc/event-type/account-disabled"

// leavesByEvent has the simulated transmitter sign a security event token (RFC 8417) of RISC 1.0, and push it (RFC 8935).
func (d *demo) leavesByEvent(ctx context.Context) (string, time.Duration, error) {
	token := d.sender.Token("drawbridge-demo", "jti-demo-1", accountDisabled, map[string]any{"format": "email", "email": byEvent},
		map[string]any{"reason": "hijacking"})
	began := time.Now()
	status, _, body, err := d.sender.Push(ctx, d.stream, "Bearer "+d.eventsKey, token)
	took := time.Since(began)
	if err == nil && status != http.StatusAccepted {
		err = fmt.Errorf("the security event token is answered %d %s", status, body)
	}
	return fmt.Sprintf("POST /events/%s…  a signed %s about %s  answered %d", d.stream[strings.LastIndexByte(d.stream, '/')+1:][:8],
		accountDisabled[strings.LastIndexByte(accountDisabled, '/')+1:], byEvent, status), took, err
}

// shorten cuts the id in a path, which is long and says nothing.
func shorten(path string) string {
	dir, id, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return "/" + dir + "/" + id[:min(8, len(id))] + "…"
}

// A receipt is what the house wrote down about a removal.
type receipt struct {
	ID         string    `json:"id"`
	Email      string    `json:"email"`
	Source     string    `json:"source"`
	Why        string    `json:"why"`
	Received   time.Time `json:"received_at"`
	Committed  time.Time `json:"committed_at"`
	Everywhere time.Time `json:"everywhere_at"`
	Sessions   int       `json:"sessions"`
	Keys       int       `json:"keys"`
}

func (d *demo) receiptOf(ctx context.Context, cookie, email string) (receipt, error) {
	var page struct {
		Receipts []receipt `json:"receipts"`
	}
	if err := d.ask(ctx, http.MethodGet, "/api/v1/orgs/acme/receipts", cookie, nil, &page); err != nil {
		return receipt{}, err
	}
	for _, r := range page.Receipts {
		if r.Email == email {
			return r, nil
		}
	}
	return receipt{}, fmt.Errorf("there is no receipt about %s", email)
}

func (r receipt) text(l leaver, said string, took time.Duration, session, key int, public string) string {
	after := func(t time.Time) string { return "+" + round(t.Sub(r.Received)) }
	return fmt.Sprintf(`%[1]s had signed in and made a key, and left (%[2]s, %[3]s):
    %[4]s in %[5]s
    receipt %[6]s: received %[7]s, committed %[8]s, in force everywhere %[9]s; %[10]d session ended, %[11]d key revoked
    asked at once: session %[12]d, key %[13]d. Try it:
      curl -i -H 'Cookie: %[14]s' %[16]s/session
      curl -i -H 'Authorization: Bearer %[15]s' %[16]s/api/v1/orgs/acme`,
		l.email, r.Source, r.Why, said, round(took), r.ID, r.Received.Format("15:04:05.000"), after(r.Committed), after(r.Everywhere), r.Sessions, r.Keys,
		session, key, l.cookie, l.key, public)
}

func round(d time.Duration) string {
	if d > time.Second {
		return d.Round(10 * time.Millisecond).String()
	}
	return d.Round(10 * time.Microsecond).String()
}

// ask calls the JSON API with a session.
func (d *demo) ask(ctx context.Context, method, path, cookie string, body, into any) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, method, d.public+path, bytes.NewReader(raw))
	if err != nil {
		return err
	}
	r.Header.Set("Cookie", cookie)
	r.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	said, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil || res.StatusCode >= 300 {
		return errors.Join(fmt.Errorf("%s %s: %d %s", method, path, res.StatusCode, said), err)
	}
	return json.Unmarshal(said, into)
}

// status is what a request is answered with; 0 when it is not.
func (d *demo) status(ctx context.Context, path, header, value string) int {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, d.public+path, nil)
	if err != nil {
		return 0
	}
	r.Header.Set(header, value)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0
	}
	_ = res.Body.Close()
	return res.StatusCode
}
