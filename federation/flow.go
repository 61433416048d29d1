package federation

import (
	"fmt"
	"net/http"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/federation/session"
)

// maxHandle bounds RelayState and state, in bytes (SAML bindings §3.5.3).
const maxHandle = 80

// noFlow meets an answer that no pending sign-in of this browser waits for: used already, too late,
// started in another browser, or never started. The person is told apart only by their own cookie.
func (d *Door) noFlow(w http.ResponseWriter, r *http.Request, c account.Connection) error {
	code := codeUnknown
	if session.Browser(r) != "" {
		code = codeUsed // a browser that signs in here: most likely Back or Reload
	}
	return d.refuse(w, r, c, account.Flow{}, refusal(account.Check{
		Step: account.StepRequest, Code: code, Title: "The answer belongs to a pending sign-in of this browser",
		Expected: "a sign-in started in this browser less than 15 minutes ago", Received: "none, or one that was used already",
		Fix: generic("Start from the sign-in page here. If people start at the identity provider, allow that on the connection."),
	}))
}

// switchedOff refuses a sign-in that was pending when its connection was switched off or lost the version
// that it began with (SAML-M4).
func (d *Door) switchedOff(w http.ResponseWriter, r *http.Request, c account.Connection, f account.Flow) error {
	j := refusal(account.Check{
		Step: account.StepRequest, Code: codeDisabled, Title: "The connection is switched on",
		Expected: "a connection that is on and has live settings", Received: "one that is switched off",
		Fix: generic("Switch the connection on, then sign in again."),
	})
	if f.Test {
		return d.finishTest(w, r, c, f, j)
	}
	return d.refuse(w, r, c, f, j)
}

// notStarted refuses a sign-in whose provider could not be asked: settings that do not hold, or a discovery
// document that cannot be had.
func (d *Door) notStarted(w http.ResponseWriter, r *http.Request, c account.Connection, f account.Flow, err error) error {
	check := account.Check{Step: account.StepRequest, Code: codeStart, Title: "The sign-in can be started", Expected: "a request to the identity provider", Received: "an error"}
	if e, ok := errorIn(err); ok {
		check.Received, check.Fix = e.Message, generic(e.Help)
	}
	j := refusal(check)
	j.Refusal.Because(err)
	if f.Test {
		return d.finishTest(w, r, c, f, j)
	}
	return d.refuse(w, r, c, f, j)
}

// generic is a fix that is the same for every provider.
func generic(text string) map[account.IdPKind]string {
	return map[account.IdPKind]string{account.KindGeneric: text}
}

func count(n int, what string) string {
	if n == 0 {
		return "none"
	}
	return fmt.Sprintf("%d × %s", n, what)
}
