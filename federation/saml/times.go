package saml

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// instant reads xs:dateTime in UTC, with a fraction of any length (SC §1.3.3, SAML-C4).
func instant(s string) (time.Time, bool) {
	local, utc := strings.CutSuffix(s, "Z")
	if !utc {
		if local, utc = strings.CutSuffix(s, "+00:00"); !utc {
			return time.Time{}, false
		}
	}
	if len(local) > 64 || strings.ContainsRune(local, ',') {
		return time.Time{}, false
	}
	t, err := time.Parse("2006-01-02T15:04:05", local)
	return t, err == nil
}

func (j *judge) times(assertion *node) {
	now := j.expect.Now
	issued, ok := instant(assertion.attr("IssueInstant"))
	if !ok {
		j.fail("clock", "time_unreadable", "IssueInstant as a UTC time", fmt.Sprintf("%q", clip(assertion.attr("IssueInstant"), 40)))
	} else {
		j.clock(issued)
	}
	if j.expect.RequestID == "" && ok && issued.Add(unsolicitedLife+j.skew).Before(now) {
		j.fail("validity", "unsolicited_too_old", "an assertion at most 5 minutes old, as it answers no request of ours", "one issued "+stamp(issued))
	}
	j.conditions(assertion)
	j.confirmations(assertion)
	j.session(assertion)
}

// clock compares the provider's clock with ours; only the future is refused, age is the validity's
// business (INTEROP M4).
func (j *judge) clock(issued time.Time) {
	off := issued.Sub(j.expect.Now)
	j.out.Skew = off
	expected := fmt.Sprintf("within %s of %s", j.skew, stamp(j.expect.Now))
	received := fmt.Sprintf("%s (%+.1f seconds)", stamp(issued), off.Seconds())
	switch {
	case off > j.skew:
		j.fail("clock", "issued_in_future", expected, received)
	case off.Abs() > time.Minute:
		j.warn("clock", "clock_off", "within a minute", received)
	default:
		j.pass("clock", expected, received)
	}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// period checks NotBefore and NotOnOrAfter of an element (SC §2.5.1.2), each way with the skew. code is empty when
// they hold. Absent ones hold; whether they may be absent is the caller's business.
func (j *judge) period(n *node) (code, expected, received string) {
	now := j.expect.Now
	if v, present := n.attribute("NotBefore"); present {
		t, ok := instant(v)
		switch {
		case !ok:
			return "time_unreadable", "NotBefore as a UTC time", fmt.Sprintf("%q", clip(v, 40))
		case now.Add(j.skew).Before(t):
			return "not_yet_valid", "valid at " + stamp(now), "valid from " + stamp(t)
		}
	}
	v, present := n.attribute("NotOnOrAfter")
	if !present {
		return "", "", ""
	}
	t, ok := instant(v)
	switch {
	case !ok:
		return "time_unreadable", "NotOnOrAfter as a UTC time", fmt.Sprintf("%q", clip(v, 40))
	case !now.Add(-j.skew).Before(t):
		return "expired", "valid at " + stamp(now), "valid until " + stamp(t)
	}
	if t.After(j.lasts) {
		j.lasts = t
	}
	return "", "", v
}

func (j *judge) conditions(assertion *node) {
	conditions := assertion.child(nsSAML, "Conditions")
	if conditions == nil { // SAML-C1
		j.fail("validity", "conditions_missing", "Conditions", "none")
		return
	}
	code, expected, received := j.period(conditions)
	if code != "" {
		j.fail("validity", code, expected, received)
		return
	}
	if received == "" {
		received = "no end"
	}
	j.pass("validity", "valid at "+stamp(j.expect.Now), received)
}

// confirmations wants one bearer confirmation that passes as a whole; others are ignored (SC §2.4.1.1,
// SP §3.3, SP §4.1.4.2, SAML-C3, C5, C6, INTEROP M2). Recipient and InResponseTo have checks of their own for the
// administrator; they are reported for the confirmation that came furthest.
func (j *judge) confirmations(assertion *node) {
	var best *fault
	bestLook, rank := "confirmation", -1
	subject := assertion.child(nsSAML, "Subject")
	if subject != nil {
		for _, c := range subject.children(nsSAML, "SubjectConfirmation") {
			if c.attr("Method") != methodBearer {
				continue
			}
			look, r, f := j.bearer(c.child(nsSAML, "SubjectConfirmationData"))
			if f == nil {
				j.pass("confirmation", "a bearer confirmation in time", "one")
				j.pass("recipient", j.sp.ACS, j.sp.ACS)
				return
			}
			if r > rank {
				best, bestLook, rank = f, look, r
			}
		}
	}
	if best == nil {
		best = &fault{"confirmation_missing", "a bearer SubjectConfirmation", "none"}
	}
	j.fail(bestLook, best.code, best.expected, best.received)
}

// bearer checks one confirmation (SC §2.4.1.2, SP §4.1.4.3) and says how far it came. Address is not
// looked at: people change networks while they sign in.
func (j *judge) bearer(data *node) (look string, rank int, f *fault) {
	if data == nil {
		return "confirmation", 0, &fault{"confirmation_incomplete", "SubjectConfirmationData", "none"}
	}
	recipient, present := data.attribute("Recipient")
	switch {
	case !present:
		return "recipient", 1, &fault{"recipient_missing", j.sp.ACS, "no Recipient"}
	case recipient != j.sp.ACS:
		return "recipient", 1, &fault{"recipient_mismatch", j.sp.ACS, clip(recipient, 300)}
	}
	if data.attr("NotOnOrAfter") == "" {
		return "confirmation", 2, &fault{"confirmation_incomplete", "NotOnOrAfter on the bearer confirmation", "none"}
	}
	lasts := j.lasts
	if code, expected, received := j.period(data); code != "" {
		return "confirmation", 3, &fault{code, expected, received}
	}
	if f := j.answers(data); f != nil {
		j.lasts = lasts
		return "in_response_to", 4, f
	}
	return "", 0, nil
}

// answers compares InResponseTo of the response or of a confirmation with the pending request (SC §3.4.1.4). A value
// of another request is never taken, unsolicited sign-in allowed or not (SAML-R1, R2, INTEROP M10).
func (j *judge) answers(n *node) *fault {
	got, present := n.attribute("InResponseTo")
	want := j.expect.RequestID
	switch {
	case want != "" && got == want:
		return nil
	case want != "":
		return &fault{"in_response_to_mismatch", want, orNone(got)}
	case !present, slices.Contains(j.settings.IgnoreInResponseTo, got):
		if j.settings.AllowIdPInitiated {
			return nil
		}
		return &fault{"unsolicited", "an answer to a sign-in that was started here", "a sign-in that started at the provider"}
	}
	return &fault{"in_response_to_unknown", "an answer to a sign-in that is still pending", "one to " + clip(got, 80) + ", which is answered, too old, or not ours"}
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return clip(s, 300)
}

// session reads the AuthnStatements (SC §2.7.2): one at least, its end in the future (SAML-C7).
func (j *judge) session(assertion *node) {
	statements := assertion.children(nsSAML, "AuthnStatement")
	if len(statements) == 0 {
		j.fail("login", "authn_statement_missing", "an AuthnStatement", "none")
		return
	}
	good := true
	for _, s := range statements {
		good = j.statement(s) && good
	}
	if !good {
		return
	}
	until := "no end"
	if !j.login.SessionUntil.IsZero() {
		until = stamp(j.login.SessionUntil)
	}
	j.pass("login", "an AuthnStatement", "signed in "+stamp(j.login.AuthenticatedAt))
	j.pass("session", "a session that has not ended", until)
}

func (j *judge) statement(s *node) (good bool) {
	at, good := instant(s.attr("AuthnInstant"))
	if !good {
		j.fail("login", "time_unreadable", "AuthnInstant as a UTC time", fmt.Sprintf("%q", clip(s.attr("AuthnInstant"), 40)))
	}
	if at.After(j.login.AuthenticatedAt) {
		j.login.AuthenticatedAt = at
	}
	if v, present := s.attribute("SessionNotOnOrAfter"); present {
		t, ok := instant(v)
		switch {
		case !ok:
			good = false
			j.fail("session", "time_unreadable", "SessionNotOnOrAfter as a UTC time", fmt.Sprintf("%q", clip(v, 40)))
		case !j.expect.Now.Add(-j.skew).Before(t):
			good = false
			j.fail("session", "session_over", "a session that has not ended", "over since "+stamp(t))
		case j.login.SessionUntil.IsZero() || t.Before(j.login.SessionUntil):
			j.login.SessionUntil = t
		}
	}
	if j.login.ProviderSession == "" {
		j.login.ProviderSession = clip(s.attr("SessionIndex"), 512)
	}
	// SC §2.7.2.2
	if class := s.child(nsSAML, "AuthnContext").child(nsSAML, "AuthnContextClassRef"); class != nil {
		if text, ok := class.content(); ok {
			j.login.Methods = append(j.login.Methods, strings.Trim(text, " \t\r\n"))
		}
	}
	return good
}
