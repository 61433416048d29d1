package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/cmd/drawbridge/house"
	"github.com/drawbridge-id/drawbridge/federation"
)

// loginTestCmd starts a test that the running daemon answers, waits for somebody to sign in, and prints the result.
type loginTestCmd struct {
	Connection string        `arg:"" help:"Connection as org/name or id."`
	Draft      bool          `help:"Test the draft instead of the live version."`
	Browser    string        `enum:"open,none" default:"open" help:"open: open the default browser; none: only print the link."`
	Wait       time.Duration `default:"5m" help:"How long to wait for the sign-in."`
	Replay     string        `type:"existingfile" help:"Judge a saved result or SAML response again instead of signing in; works offline."`
	Save       string        `type:"path" help:"Write the whole result to this file, for --replay and for support."`
	JSON       bool          `name:"json" help:"Print the result as JSON."`
}

func (c loginTestCmd) Run(a *app) (err error) {
	h, _, err := a.house()
	if err != nil {
		return err
	}
	defer h.Close()
	conn, err := findConnection(a, h.Ledger, c.Connection)
	if err != nil {
		return err
	}
	which := account.Live
	if c.Draft {
		which = account.Draft
	}
	d, err := c.result(a, h, conn, which)
	if err != nil {
		return err
	}
	if c.Save != "" {
		if err := save(c.Save, d); err != nil {
			return err
		}
	}
	if c.JSON {
		err = printJSON(a, d)
	} else {
		kind := account.KindGeneric
		if s := conn.Version(which); s != nil {
			kind = s.Kind
		}
		_, err = fmt.Fprint(a.out, federation.Report(d, h.Ledger.Catalogue(), kind))
	}
	if err == nil && d.Outcome != account.OutcomePassed {
		return account.Errorf(account.Invalid, "The login test did not pass.")
	}
	return err
}

// result is that of a fresh sign-in, or of a saved one.
func (c loginTestCmd) result(a *app, h *house.House, conn account.Connection, which account.Which) (account.Diagnosis, error) {
	if c.Replay != "" {
		saved, err := os.ReadFile(c.Replay)
		if err != nil {
			return account.Diagnosis{}, err
		}
		return h.Door.Replay(a.ctx, operator(), conn.ID, which, saved)
	}
	test, err := h.Door.StartTest(a.ctx, operator(), conn.ID, which)
	if err != nil {
		return account.Diagnosis{}, err
	}
	fmt.Fprintf(a.errOut, "Open this link and sign in; it works until %s:\n%s\n", test.Until.Local().Format(time.TimeOnly), test.URL)
	if c.Browser == "open" {
		openBrowser(test.URL)
	}
	return c.wait(a, h, test.Diagnosis)
}

// wait looks for the result once a second, as the daemon may be another process on another machine.
func (c loginTestCmd) wait(a *app, h *house.House, id account.DiagnosisID) (account.Diagnosis, error) {
	deadline := time.NewTimer(c.Wait)
	defer deadline.Stop()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		d, err := h.Ledger.Diagnosis(a.ctx, operator(), id)
		if err != nil || d.Outcome != account.OutcomePending {
			return d, err
		}
		select {
		case <-tick.C:
		case <-a.ctx.Done():
			return d, account.Errorf(account.Invalid, "Interrupted. The link still works; the result will be %s.", id)
		case <-deadline.C:
			return d, account.Errorf(account.Invalid, "Nobody signed in within %s.", c.Wait).
				Fix("If the identity provider showed an error, check the addresses it has for us (\"drawbridge connection show\") and that the person is assigned.")
		}
	}
}

// openBrowser tries the desktop's opener; the link has been printed in any case.
func openBrowser(url string) {
	opener := map[string]string{"linux": "xdg-open", "darwin": "open"}[runtime.GOOS]
	if path, err := exec.LookPath(opener); opener != "" && err == nil {
		_ = exec.Command(path, url).Start()
	}
}

func save(path string, d account.Diagnosis) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return account.Errorf(account.Invalid, "%s cannot be written.", path).Because(err)
	}
	if err := printJSON(&app{out: f}, d); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
