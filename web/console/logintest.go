package console

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/federation/session"
	"github.com/drawbridge-id/drawbridge/web/page"
)

// recent is how many earlier tests the start page lists.
const recent = 10

// LoginTest is GET /login-test: the versions of the account's connections that can be tested, and what
// earlier tests came to (K-12). Owners and user admins see it. With ?diagnosis= it leads to that sign-in
// or test, when this person may see it.
func (c *Console) LoginTest(w http.ResponseWriter, r *http.Request) error {
	return c.signedIn(w, r, func(w http.ResponseWriter, r *http.Request, p account.Presence) error {
		start, err := c.startPage(r, p)
		if err != nil {
			return err
		}
		asked := strings.TrimSpace(r.URL.Query().Get("diagnosis"))
		if asked == "" {
			return page.Render(w, r, http.StatusOK, start)
		}
		if id, ok := account.ParseID[account.DiagnosisID](asked); ok {
			_, err := c.ledger.Diagnosis(r.Context(), actor(r, p), id)
			if err == nil {
				return see(w, r, path("/login-test/", id))
			}
			if !hidden(err) {
				return err
			}
		}
		start.Lookup, start.Error = asked, &page.FieldError{Field: "diagnosis", Message: "There is no sign-in with this diagnosis id.", Fix: "Copy it from the letter, dx_ included."}
		return page.Render(w, r, http.StatusUnprocessableEntity, start)
	})
}

// hidden reports whether err says that something does not exist for this person.
func hidden(err error) bool {
	kind := account.KindOf(err)
	return kind == account.NotFound || kind == account.Forbidden
}

// StartLoginTest is POST /login-test with target ("con_…:draft" or "con_…:live"): it answers with the link
// of the test, to be opened here or sent to somebody else.
func (c *Console) StartLoginTest(w http.ResponseWriter, r *http.Request) error {
	return c.posted(w, r, func(w http.ResponseWriter, r *http.Request, p account.Presence) error {
		id, which, ok := parseTarget(r.PostForm.Get("target"))
		if !ok {
			start, err := c.startPage(r, p)
			if err != nil {
				return err
			}
			start.Error = &page.FieldError{Field: "target", Message: "Choose a connection.", Fix: "Then start the test."}
			return page.Render(w, r, http.StatusUnprocessableEntity, start)
		}
		test, err := c.door.StartTest(r.Context(), actor(r, p), id, which)
		if err != nil {
			return err
		}
		con, err := c.ledger.Connection(r.Context(), id) // StartTest has asked whether this person may
		if err != nil {
			return err
		}
		return page.Render(w, r, http.StatusOK, page.LoginTestLink{Who: who(r, p), Connection: con.Name, Kind: kind(con, which), Which: which,
			URL: test.URL, Until: test.Until, Diagnosis: test.Diagnosis})
	})
}

// LoginTestResult is GET /login-test/{diagnosis}: everything that was found out in a test or a real sign-in,
// for owners and user admins of the account; for everybody else, signed in or not, that the test is over.
func (c *Console) LoginTestResult(w http.ResponseWriter, r *http.Request) error {
	id, ok := account.ParseID[account.DiagnosisID](r.PathValue("diagnosis"))
	if !ok {
		return account.Errorf(account.NotFound, "There is no such test.").Fix("Check the diagnosis id.")
	}
	p, err := session.FromRequest(c.ledger, r)
	if account.KindOf(err) == account.Unauthorized {
		return page.Render(w, r, http.StatusOK, page.LoginTestDone{Diagnosis: id})
	}
	if err != nil {
		return err
	}
	d, err := c.ledger.Diagnosis(r.Context(), actor(r, p), id)
	if hidden(err) {
		return page.Render(w, r, http.StatusOK, page.LoginTestDone{Diagnosis: id})
	}
	if err != nil {
		return err
	}
	return c.show(w, r, p, d)
}

// ConfirmLoginTest is POST /login-test/{diagnosis}/confirm: the draft that passed becomes live (K-14).
func (c *Console) ConfirmLoginTest(w http.ResponseWriter, r *http.Request) error {
	return c.posted(w, r, func(w http.ResponseWriter, r *http.Request, p account.Presence) error {
		id, ok := account.ParseID[account.DiagnosisID](r.PathValue("diagnosis"))
		if !ok {
			return account.Errorf(account.NotFound, "There is no such test.").Fix("Check the diagnosis id.")
		}
		d, err := c.ledger.Diagnosis(r.Context(), actor(r, p), id)
		if err != nil {
			return err
		}
		if d.Which != account.Draft || d.Outcome != account.OutcomePassed {
			return account.Errorf(account.Conflict, "This test did not pass for a draft.").Coded("test_needed").
				Fix("Test the draft again, and confirm when every service passes.")
		}
		if _, err := c.ledger.Promote(r.Context(), actor(r, p), d.Connection, false); err != nil {
			return err
		}
		return see(w, r, path("/login-test/", id))
	})
}

func (c *Console) startPage(r *http.Request, p account.Presence) (page.LoginTestStart, error) {
	start := page.LoginTestStart{Who: who(r, p), Org: org(p.Org)}
	by := actor(r, p)
	connections, err := c.ledger.Connections(r.Context(), by, p.Account.ID)
	if err != nil {
		return start, err
	}
	for _, con := range connections {
		for _, which := range []account.Which{account.Draft, account.Live} {
			s := con.Version(which)
			if s == nil {
				continue
			}
			target := makeTarget(con.ID, which)
			start.Choices = append(start.Choices, page.TestChoice{Value: target, Name: con.Name, Kind: s.Kind, Protocol: s.Protocol, Which: which,
				Selected: target == r.FormValue("target")})
		}
		tests, err := c.ledger.Diagnoses(r.Context(), by, con.ID, 5*recent) // sign-ins are among them
		if err != nil {
			return start, err
		}
		for _, d := range tests {
			if d.Test && d.Outcome != account.OutcomePending {
				start.Recent = append(start.Recent, page.TestRun{Diagnosis: d.ID, Name: con.Name, Which: d.Which, Verdict: worst(d), At: d.At})
			}
		}
	}
	if len(start.Choices) == 1 {
		start.Choices[0].Selected = true
	}
	slices.SortStableFunc(start.Recent, func(a, b page.TestRun) int { return b.At.Compare(a.At) })
	start.Recent = start.Recent[:min(recent, len(start.Recent))]
	return start, nil
}

func makeTarget(id account.ConnectionID, which account.Which) string {
	return string(id) + ":" + string(which)
}

func parseTarget(s string) (account.ConnectionID, account.Which, bool) {
	left, right, _ := strings.Cut(s, ":")
	id, ok := account.ParseID[account.ConnectionID](left)
	which := account.Which(right)
	return id, which, ok && (which == account.Draft || which == account.Live)
}

// kind is whose provider a connection is.
func kind(con account.Connection, which account.Which) account.IdPKind {
	for _, s := range []*account.Settings{con.Version(which), con.Live, con.Draft} {
		if s != nil {
			return cmp.Or(s.Kind, account.KindGeneric)
		}
	}
	return account.KindGeneric
}

func worst(d account.Diagnosis) account.Verdict {
	v := account.Pass
	if d.Outcome == account.OutcomeRefused {
		v = account.Fail
	}
	for _, c := range d.Checks {
		v = page.Worst(v, c.Verdict)
	}
	return v
}
