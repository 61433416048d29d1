package federation

import (
	"errors"
	"log/slog"
	"net/http"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/federation/session"
	"github.com/drawbridge-id/drawbridge/request"
	"github.com/drawbridge-id/drawbridge/web/page"
)

// refuse remembers a refused attempt for the administrator and tells the person as much as helps them.
func (d *Door) refuse(w http.ResponseWriter, r *http.Request, c account.Connection, f account.Flow, j account.Judgement) error {
	id, err := d.ledger.RecordRefusal(r.Context(), actor(r.Context(), c.ID), c.ID, f, j)
	if err != nil {
		return err
	}
	return d.turnedAway(w, r, c, f, j.Refusal, id)
}

// turnedAway shows a refusal that has been recorded. The reason stays with the administrator (SAML-O1).
func (d *Door) turnedAway(w http.ResponseWriter, r *http.Request, c account.Connection, f account.Flow, ref *account.Refusal, id account.DiagnosisID) error {
	noStore(w)
	tell(d.metrics.Refused, ref.Step)
	d.ended(c, account.OutcomeRefused)
	request.Note(r.Context(), slog.String("verb", "user.signed_in"), slog.String("outcome", "refused"),
		slog.String("step", string(ref.Step)), slog.String("code", ref.Code), slog.String("diagnosis", string(id)))
	d.log.InfoContext(r.Context(), "sign-in refused", "connection", c.ID, "step", ref.Step, "code", ref.Code, "diagnosis", id, "cause", errors.Unwrap(ref))
	if ref.Code == codeUsed {
		return d.usedUp(w, r)
	}
	status := http.StatusForbidden
	if account.KindOf(ref) == account.Unavailable {
		status = http.StatusServiceUnavailable // the provider, or the way to it, is down
	}
	return page.Render(w, r, status, page.Refused{What: what(ref), Diagnosis: id, Again: d.again(c, f)})
}

// again is where the person can try once more: at the same provider, unless it is switched off.
func (d *Door) again(c account.Connection, f account.Flow) string {
	if !c.Enabled || c.Live == nil {
		return "/signin"
	}
	return "/login/" + string(c.ID) + suffix(query("next", f.Next))
}

// usedUp meets people who come back or reload: who is signed in goes home, others learn what happened.
func (d *Door) usedUp(w http.ResponseWriter, r *http.Request) error {
	if _, err := session.FromRequest(d.ledger, r); err == nil {
		return see(w, r, "/")
	}
	return page.Render(w, r, http.StatusForbidden, page.AlreadyUsed{})
}

// Codes of refusals that the door itself makes or treats apart.
const (
	codeUsed        = "already_used"
	codeForm        = "form"
	codeUnsolicited = "unsolicited"
	codeUnknown     = "unknown_request"
	codeDisabled    = "connection_disabled"
	codeStart       = "not_started"
)

// what is the one sentence that the person sees. Decryption, form and signature share one sentence, so
// that nobody can ask the page which of them failed (SAML-E3).
func what(ref *account.Refusal) string {
	switch ref.Code {
	case codeDisabled:
		return "Signing in through this identity provider is switched off at the moment."
	case codeUnsolicited, codeUnknown:
		return "This answer does not belong to a sign-in that was started in this browser. Start again from the sign-in page."
	case codeStart:
		return "Your identity provider could not be asked. Try again in a few minutes."
	case "subject_changed":
		return "Your identity provider names you differently than before, so your administrator has to confirm the change."
	case "user_disabled":
		return "Your access here has ended."
	}
	switch ref.Step {
	case account.StepRequest:
		return "This answer does not belong to a sign-in that was started in this browser. Start again from the sign-in page."
	case account.StepTimes:
		return "The answer of your identity provider was not valid at this time."
	case account.StepIdentity:
		return "Your identity provider did not say clearly who you are."
	case account.StepDomains:
		return "Your identity provider may not sign in people with your e-mail address."
	case account.StepGroups, account.StepRules, account.StepRelying:
		return "What your identity provider says about your groups could not be used."
	}
	return "The answer of your identity provider was not accepted."
}

// refusal is a judgement that the door makes itself, before or instead of a protocol room's.
func refusal(c account.Check) account.Judgement {
	c.Verdict = account.Fail
	return account.Judgement{Refusal: account.Refuse(c), Checks: []account.Check{c}}
}

// formError says what is wrong with a form that could not be read.
func formError(err error) error {
	var big *http.MaxBytesError
	if errors.As(err, &big) {
		return account.Errorf(account.TooLarge, "The form is larger than %d bytes.", big.Limit).Because(err)
	}
	return account.Errorf(account.Invalid, "The form does not parse.").Because(err)
}
