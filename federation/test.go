package federation

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// A Test is a login test that has been started. Whoever opens URL, with or without an account here, signs
// in at the provider; nothing is created, and the result is read under Diagnosis (K-12).
type Test struct {
	URL       string
	Diagnosis account.DiagnosisID
	Until     time.Time // the link works until then
}

// StartTest makes a test link for one version of a connection. Owners and user admins of its account may,
// and the operator.
func (d *Door) StartTest(ctx context.Context, by account.Actor, id account.ConnectionID, which account.Which) (Test, error) {
	c, err := d.administered(ctx, by, id)
	if err != nil {
		return Test{}, err
	}
	if c.Version(which) == nil {
		return Test{}, account.Errorf(account.NotFound, "The connection %q has no %s settings to test.", c.Name, which)
	}
	f, err := d.ledger.StartFlow(ctx, account.Flow{Connection: c.ID, Which: which, Test: true, TestBy: by.String()})
	if err != nil {
		return Test{}, err
	}
	// The link holds both secrets of a flow of its own, which can do nothing but begin the real one in the
	// browser that opens it. It is not used up: mail scanners open links before people do.
	link := d.public + "/login-test/start/" + string(c.ID) + "/" + f.Handle + "." + f.Browser
	return Test{URL: link, Diagnosis: f.Diagnosis, Until: f.ExpiresAt}, nil
}

// administered reads a connection with its settings, if by may see those of its account.
func (d *Door) administered(ctx context.Context, by account.Actor, id account.ConnectionID) (account.Connection, error) {
	c, err := d.ledger.Connection(ctx, id)
	if err != nil {
		return c, err
	}
	if _, err := d.ledger.Connections(ctx, by, c.Account); err != nil {
		return account.Connection{}, err
	}
	return c, nil
}

// OpenTest begins the test in the browser that opened the link: GET /login-test/start/{connection}/{ticket}.
func (d *Door) OpenTest(w http.ResponseWriter, r *http.Request) error {
	noStore(w)
	c, err := d.connection(r, "")
	if err != nil {
		return err
	}
	handle, browser, _ := strings.Cut(r.PathValue("ticket"), ".")
	f, err := d.ledger.Flow(r.Context(), c.ID, handle, "", browser)
	if handle == "" || account.KindOf(err) == account.NotFound || err == nil && !f.Test {
		return account.Errorf(account.NotFound, "This test link is not valid any more.").
			Fix("Test links work for 15 minutes. Ask your administrator for a new one.")
	}
	if err != nil {
		return err
	}
	return d.start(w, r, c, account.Flow{Connection: c.ID, Which: f.Which, Test: true, TestBy: f.TestBy, Diagnosis: f.Diagnosis})
}

// finishTest ends a test where a sign-in would begin: everything that was found out is stored, and nothing
// else.
func (d *Door) finishTest(w http.ResponseWriter, r *http.Request, c account.Connection, f account.Flow, j account.Judgement) error {
	found, err := d.evaluate(r.Context(), c, f.Which, j)
	if err != nil {
		return err
	}
	found.ID, found.AskedBy = f.Diagnosis, f.TestBy
	err = d.ledger.FinishTest(r.Context(), actor(r.Context(), c.ID), f, found)
	switch {
	case account.KindOf(err) == account.NotFound: // somebody else who had the link was first: their result stands
	case err != nil:
		return err
	default:
		tell(d.metrics.Tested, found.Outcome)
	}
	return see(w, r, "/login-test/"+string(f.Diagnosis))
}
