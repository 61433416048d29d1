package saml

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// MaxResponse is the longest SAMLResponse field, in base64 characters, that is looked at (SAML-D1).
const MaxResponse = 1 << 20

// maxNameID bounds a Name ID in bytes (SAML-D1).
const maxNameID = 1024

// unsolicitedLife is how old an assertion may be that answers no request of ours (SAML-R2): there is
// no pending flow whose end would bound it.
const unsolicitedLife = 5 * time.Minute

// Expect is what the door knows about the message it hands in.
type Expect struct {
	Now       time.Time
	RequestID string          // of the pending flow that this answers; "": none is pending, the response is unsolicited
	Kind      account.IdPKind // whose fixes stand first; empty: the connection's own
}

// Judge decides about one response: samlResponse is the form value as it came. It checks size, form,
// structure, every signature, decryption, and then what the signed bytes say; the first check that
// fails is the Refusal. It never panics and never errs otherwise: a defect of ours becomes a refusal
// with code "internal". The judged message counts once; the ledger remembers Login.Replay for that.
//
// On success Checks hold passes and warnings, on refusal everything that could be checked: values are
// read only where a signature covers them, so nothing follows a failed signature.
func Judge(sp SP, c account.Connection, s account.Settings, samlResponse string, e Expect) (verdict account.Judgement) {
	j := judge{sp: sp, connection: c.ID, mapping: s.Mapping, kind: s.Kind, expect: e}
	if e.Kind != "" {
		j.kind = e.Kind
	}
	defer func() {
		if p := recover(); p != nil {
			j.fail("internal", "internal", "a verdict", "a defect of ours")
			verdict = j.refused(fmt.Errorf("saml: judging panicked: %v", p))
		}
	}()
	if s.SAML == nil {
		j.fail("internal", "not_saml", "a SAML connection", string(s.Protocol))
		return j.refused(nil)
	}
	j.settings, j.skew = s.SAML, s.SAML.ClockSkew()
	if f := j.judge(samlResponse); f != nil && f != stopped {
		j.fault(f)
	}
	if slices.ContainsFunc(j.out.Checks, failed) {
		return j.refused(nil)
	}
	j.sort()
	j.out.Login = &j.login
	return j.out
}

func failed(c account.Check) bool { return c.Verdict == account.Fail }

// stopped ends the flow after a failed check that has been written down.
var stopped = &fault{}

type judge struct {
	sp         SP
	connection account.ConnectionID
	settings   *account.SAMLSettings
	mapping    account.Mapping
	kind       account.IdPKind
	expect     Expect
	skew       time.Duration

	sealed bool // the response itself is signed
	out    account.Judgement
	login  account.Login
	lasts  time.Time // the latest instant at which a copy could still pass
}

func (j *judge) check(look, code string, v account.Verdict, expected, received string) {
	l := looks[look]
	c := account.Check{Step: l.step, Code: code, Title: l.title, Verdict: v, Expected: expected, Received: received}
	if v != account.Pass {
		c.Fix = remedy(look, code)
	}
	j.out.Checks = append(j.out.Checks, c)
}

func (j *judge) pass(look, expected, received string) {
	j.check(look, look, account.Pass, expected, received)
}

func (j *judge) warn(look, code, expected, received string) {
	j.check(look, code, account.Warn, expected, received)
}

func (j *judge) fail(look, code, expected, received string) {
	j.check(look, code, account.Fail, expected, received)
}

func (j *judge) fault(f *fault) {
	look := findings[f.code]
	if look == "" {
		look = "response"
	}
	j.fail(look, f.code, f.expected, f.received)
}

func (j *judge) refused(cause error) account.Judgement {
	j.sort()
	r := account.Refuse(j.out.Checks[slices.IndexFunc(j.out.Checks, failed)])
	r.Connection = j.connection
	if cause != nil {
		r = r.Because(cause)
	}
	j.out.Login, j.out.Refusal = nil, r
	return j.out
}

// flow is the order in which people are shown the steps.
var flow = []account.Step{account.StepResponse, account.StepSignature, account.StepTimes, account.StepAudience, account.StepIdentity, account.StepGroups}

func (j *judge) sort() {
	slices.SortStableFunc(j.out.Checks, func(a, b account.Check) int {
		return slices.Index(flow, a.Step) - slices.Index(flow, b.Step)
	})
}

// judge goes through the flow; a fault ends it, failed checks of values do not, so that an
// administrator sees all of them at once.
func (j *judge) judge(samlResponse string) *fault {
	raw, f := decode(samlResponse)
	if f != nil {
		return f
	}
	d, f := parse(raw, responseLimits, nil, nil)
	if f != nil {
		j.out.Raw = cut(strings.ToValidUTF8(string(raw), "\uFFFD"))
		return f
	}
	j.out.Raw = pretty(d.root)
	// A refusal by the provider comes without an assertion and often unsigned: it is told as such.
	if f := message(d.root, "Response"); f != nil {
		return f
	}
	if f := j.status(d.root); f != nil {
		return f
	}
	assertion, f := checkResponse(d)
	if f != nil {
		return f
	}
	j.pass("response", "one well-formed response with one assertion", "one")
	response, assertion, f := j.signed(d, assertion)
	if f != nil {
		return f
	}
	j.values(response, assertion)
	return nil
}

func decode(text string) ([]byte, *fault) {
	switch {
	case strings.Trim(text, " \t\r\n") == "":
		return nil, &fault{"response_missing", "a SAMLResponse field", "none, or an empty one"}
	case len(text) > MaxResponse:
		return nil, &fault{"response_too_large", "at most 1 MiB", "more"}
	}
	raw, err := base64.StdEncoding.DecodeString(squeeze(text))
	if err != nil {
		return nil, &fault{"response_not_base64", "base64, as the POST binding has it", "something else"}
	}
	return raw, nil
}

// status looks for the top-level code alone (SC §3.2.2, SAML-C8). What the provider says of a failure
// is unsigned as often as not; it is shown to administrators as text.
func (j *judge) status(response *node) *fault {
	code, said := statusOf(response)
	if code != statusSuccess {
		j.fail("status", "status_failed", statusSuccess, said)
		return stopped
	}
	return nil
}

func statusOf(response *node) (code, said string) {
	status := response.child(nsSAMLP, "Status")
	if status == nil {
		return "", "no status"
	}
	var words []string
	for c := status.child(nsSAMLP, "StatusCode"); c != nil; c = c.child(nsSAMLP, "StatusCode") {
		if len(words) == 0 {
			code = c.attr("Value")
		}
		words = append(words, clip(c.attr("Value"), 120))
	}
	if m := status.child(nsSAMLP, "StatusMessage"); m != nil {
		if text, ok := m.content(); ok {
			words = append(words, clip(text, 300))
		}
	}
	return code, strings.Join(words, ", ")
}

// signed verifies every signature in the message (SAML-S7) and gives the response and the assertion to
// read: parsed again from the bytes that a digest covered. An unsigned response around a signed
// assertion is given as it came; nothing about the person is read from it.
func (j *judge) signed(d *document, assertion *node) (response, verified *node, f *fault) {
	t := trustOf(j.settings)
	if len(t.keys) == 0 {
		j.fail("certificate", "no_certificate", "a signing certificate of the provider in this connection", "none that can be read")
		return nil, nil, stopped
	}
	response = d.root
	var seals []*seal
	if s := d.root.child(nsDS, "Signature"); s != nil {
		seal, f := t.verify(d.root, s)
		if f != nil {
			return nil, nil, f
		}
		seals, j.sealed = append(seals, seal), true
		if response, f = again(seal); f != nil {
			return nil, nil, f
		}
	}
	if assertion.local == "EncryptedAssertion" {
		seal, inner, f := j.decrypted(t, d, response.child(nsSAML, "EncryptedAssertion"))
		if f != nil {
			return nil, nil, f
		}
		verified = inner
		if seal != nil {
			seals = append(seals, seal)
		}
	} else {
		if j.settings.RequireEncrypted {
			return nil, nil, &fault{"encryption_required", "an encrypted assertion", "a readable one"}
		}
		if s := assertion.child(nsDS, "Signature"); s != nil {
			seal, f := t.verify(assertion, s)
			if f != nil {
				return nil, nil, f
			}
			seals = append(seals, seal)
			if verified, f = again(seal); f != nil {
				return nil, nil, f
			}
		} else {
			verified = response.child(nsSAML, "Assertion")
		}
	}
	if len(seals) == 0 {
		return nil, nil, &fault{"unsigned", "a signature on the assertion or on the response", "none"}
	}
	j.seals(seals)
	return response, verified, nil
}

// again parses the bytes under a digest; what is read comes from here.
func again(s *seal) (*node, *fault) {
	d, f := parse(s.canonical, responseLimits, nil, nil)
	if f != nil {
		return nil, f
	}
	return d.root, nil
}

// closed is the one answer to every failure behind the encryption: decryption, parsing, structure,
// inner signature (SAML-E3).
func closed() *fault {
	return &fault{"decryption_failed", "an assertion that one of our keys opens and one of the connection's certificates signed", "one that does not"}
}

// decrypted opens the assertion. Unless the response was signed the assertion has to be signed inside:
// encryption proves nothing about its sender (SAML-E2).
func (j *judge) decrypted(t trust, d *document, encrypted *node) (*seal, *node, *fault) {
	envelope, f := unwrapEnvelope(encrypted, j.settings.AllowCBC)
	if f != nil {
		return nil, nil, f
	}
	if len(j.sp.Keys) == 0 {
		return nil, nil, &fault{"encryption_algorithm", "an assertion that is not encrypted, as this connection has no key to open it", "an encrypted one"}
	}
	plain, err := envelope.open(j.sp.Keys)
	if err != nil {
		return nil, nil, closed()
	}
	inner, f := parse([]byte(strings.Trim(string(plain), " \t\r\n")), responseLimits, encrypted.inScope(), d.ids)
	if f != nil {
		return nil, nil, closed()
	}
	inner.root.parent = encrypted // inclusive canonical form takes in what stands around it
	if f := checkDecrypted(inner); f != nil {
		return nil, nil, closed()
	}
	assertion, s := inner.root, inner.root.child(nsDS, "Signature")
	if s == nil && !j.sealed {
		return nil, nil, closed()
	}
	var sealed *seal
	if s != nil {
		if sealed, f = t.verify(inner.root, s); f != nil {
			return nil, nil, closed()
		}
		if assertion, f = again(sealed); f != nil {
			return nil, nil, closed()
		}
	}
	j.pass("encryption", "an encrypted assertion that we can open", "opened")
	j.out.Raw = cut(j.out.Raw + "\nDecrypted:\n" + pretty(inner.root))
	return sealed, assertion, nil
}

// seals reports on signatures that verified.
func (j *judge) seals(seals []*seal) {
	what := "the assertion"
	switch {
	case len(seals) > 1:
		what = "the response and the assertion"
	case j.sealed:
		what = "the response"
	}
	j.pass("signature", "a signature on the assertion or on the response", "a signature on "+what)
	s := seals[len(seals)-1]
	j.pass("certificate", "a certificate of this connection", "SHA-256 "+fingerprint(s.signer))
	weak := slices.ContainsFunc(seals, func(s *seal) bool { return s.sha1 })
	if weak {
		j.warn("algorithm", "sha1_allowed", "SHA-256 or better", "SHA-1, which this connection allows")
	} else {
		j.pass("algorithm", "SHA-256 or better", s.method)
	}
	for _, s := range seals {
		if j.dates(s) {
			return
		}
	}
	j.pass("certificate_dates", "a certificate within its dates", "until "+seals[0].signer.NotAfter.UTC().Format(time.DateOnly))
}

// dates treats a certificate as the carrier of a key: outside its dates it warns, unless the connection
// is strict (INTEROP M5, SAML-K3). It reports whether there was something to say.
func (j *judge) dates(s *seal) bool {
	from, to := s.signer.NotBefore, s.signer.NotAfter
	now := j.expect.Now
	expected := "a certificate within its dates"
	outside := "valid from " + from.UTC().Format(time.RFC3339) + " to " + to.UTC().Format(time.RFC3339)
	early, late := now.Add(j.skew).Before(from), now.Add(-j.skew).After(to)
	switch {
	case (early || late) && j.settings.StrictDates:
		j.fail("certificate_dates", "certificate_outside_dates", expected, outside)
	case early || late:
		j.warn("certificate_dates", "certificate_outside_dates", expected, outside)
	case now.Add(30 * 24 * time.Hour).After(to):
		j.warn("certificate_dates", "certificate_expires_soon", "a certificate that lives for 30 days more", outside)
	default:
		return false
	}
	return true
}

// values judges what the signed bytes say.
func (j *judge) values(response, assertion *node) {
	j.login = account.Login{Connection: j.connection}
	j.times(assertion)
	j.audience(response, assertion)
	j.identity(assertion)
	j.login.Replay = assertion.attr("ID")
	j.login.ReplayUntil = j.lasts.Add(j.skew)
}

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

// period checks NotBefore and NotOnOrAfter of an element, each way with the skew. code is empty when
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

// confirmations wants one bearer confirmation that passes as a whole; others are ignored (SP §4.1.4.2,
// SAML-C3, C5, C6, INTEROP M2). Recipient and InResponseTo have checks of their own for the
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

// answers compares InResponseTo of the response or of a confirmation with the pending request. A value
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

// session reads the AuthnStatements: one at least, its end in the future (SP §4.1.4.2, SAML-C7).
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
	if class := s.child(nsSAML, "AuthnContext").child(nsSAML, "AuthnContextClassRef"); class != nil {
		if text, ok := class.content(); ok {
			j.login.Methods = append(j.login.Methods, strings.Trim(text, " \t\r\n"))
		}
	}
	return good
}

// audience judges who speaks, and to whom.
func (j *judge) audience(response, assertion *node) {
	j.issuer(response, assertion)
	destination, present := response.attribute("Destination")
	switch {
	case present && destination != "" && destination != j.sp.ACS:
		j.fail("destination", "destination_mismatch", j.sp.ACS, clip(destination, 300))
	case destination == "" && j.sealed:
		j.fail("destination", "destination_missing", j.sp.ACS, "none in a signed response") // SB §3.5.5.2
	default:
		j.pass("destination", j.sp.ACS, orNone(destination))
	}
	j.audiences(assertion)
	if f := j.answers(response); f != nil {
		j.fail("in_response_to", f.code, f.expected, f.received)
	} else {
		j.pass("in_response_to", orNone(j.expect.RequestID), orNone(response.attr("InResponseTo")))
	}
}

// issuer compares byte for byte (SAML-I1): the assertion's is required, the response's optional.
func (j *judge) issuer(response, assertion *node) {
	want := j.settings.EntityID
	got, _ := assertion.child(nsSAML, "Issuer").content()
	if got != want {
		j.fail("issuer", "issuer_mismatch", want, orNone(got))
		return
	}
	if i := response.child(nsSAML, "Issuer"); i != nil {
		if outer, _ := i.content(); outer != want {
			j.fail("issuer", "issuer_mismatch", want, orNone(outer)+" on the response")
			return
		}
	}
	j.pass("issuer", want, got)
}

// audiences wants every restriction to name us, in any position (SC §2.5.1.4, SAML-C2, INTEROP M3).
func (j *judge) audiences(assertion *node) {
	conditions := assertion.child(nsSAML, "Conditions")
	var restrictions []*node
	if conditions != nil {
		restrictions = conditions.children(nsSAML, "AudienceRestriction")
	}
	if len(restrictions) == 0 {
		if j.settings.AllowNoAudience {
			j.warn("audience", "audience_missing", j.sp.EntityID, "none, which this connection allows")
		} else {
			j.fail("audience", "audience_missing", j.sp.EntityID, "none")
		}
		return
	}
	for _, r := range restrictions {
		var named []string
		for _, a := range r.children(nsSAML, "Audience") {
			text, _ := a.content()
			named = append(named, strings.Trim(text, " \t\r\n")) // xs:anyURI collapses white space
		}
		if !slices.Contains(named, j.sp.EntityID) {
			j.fail("audience", "audience_mismatch", j.sp.EntityID, clip(strings.Join(named, " or "), 300))
			return
		}
	}
	j.pass("audience", j.sp.EntityID, j.sp.EntityID)
}

// identity reads who it is.
func (j *judge) identity(assertion *node) {
	list := readAttributes(assertion)
	id, f := j.nameID(assertion)
	if f != nil {
		j.fail("subject", f.code, f.expected, f.received)
		return
	}
	j.claims(list, id)
	j.login.NameID = id
	subject, how := list.subject(j.mapping, j.kind, id)
	switch {
	case subject == "":
		j.fail("subject", "subject_missing", "a stable Name ID or subject attribute", how)
	case len(subject) > 3*maxNameID || strings.ContainsFunc(subject, control):
		j.fail("subject", "subject_invalid", "a subject of at most 3 kB without control characters", "another")
	case j.kind == account.KindEntra && how != "tenant id and object id" && len(j.mapping.Subject) == 0:
		j.warn("subject", "subject_unstable", "the tenantid and objectidentifier claims", how+" alone")
	default:
		j.pass("subject", "a stable subject", how+": "+clip(subject, 200))
	}
	j.login.Subject = subject
	email, bad := list.email(j.mapping, id)
	switch {
	case bad != "":
		j.fail("email", "email_invalid", "one plain e-mail address", bad)
	case email == "":
		j.warn("email", "email_missing", "an e-mail address", "none")
	default:
		j.pass("email", "an e-mail address", email)
	}
	j.login.Email, j.login.Name = email, list.displayName(j.mapping)
	more, _, _ := list.find([]string{entraMethods})
	j.login.Methods = append(j.login.Methods, more[:min(len(more), 16)]...)
	j.groups(list)
}

func control(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 }

// nameID reads the identifier of the subject: at most one, opened if it is encrypted, never blank
// (SC §2.2.3, SAML-N1, INTEROP M2). nil: the subject has none.
func (j *judge) nameID(assertion *node) (*account.NameID, *fault) {
	subject := assertion.child(nsSAML, "Subject")
	if subject == nil {
		return nil, &fault{"subject_missing", "a Subject", "none"}
	}
	if subject.child(nsSAML, "BaseID") != nil {
		return nil, &fault{"subject_invalid", "a NameID", "a BaseID"}
	}
	n := subject.child(nsSAML, "NameID")
	if e := subject.child(nsSAML, "EncryptedID"); e != nil {
		var f *fault
		if n, f = openID(e, j.sp, j.settings.AllowCBC); f != nil {
			return nil, f
		}
	}
	if n == nil {
		return nil, nil
	}
	return nameIDOf(n)
}

func nameIDOf(n *node) (*account.NameID, *fault) {
	text, ok := n.content()
	text = strings.Trim(text, " \t\r\n")
	if !ok || text == "" || len(text) > maxNameID || strings.ContainsFunc(text, control) {
		return nil, &fault{"subject_invalid", "a NameID of 1 to 1,024 bytes without control characters", "another"}
	}
	id := &account.NameID{Value: text, Format: n.attr("Format"), NameQualifier: n.attr("NameQualifier"), SPNameQualifier: n.attr("SPNameQualifier")}
	if len(id.Format) > maxNameID || len(id.NameQualifier) > maxNameID || len(id.SPNameQualifier) > maxNameID {
		return nil, &fault{"subject_invalid", "qualifiers of at most 1,024 bytes", "longer ones"}
	}
	return id, nil
}

// openID opens an EncryptedID (SC §2.2.4), whose place the signature has vouched for.
func openID(e *node, sp SP, cbc bool) (*node, *fault) {
	envelope, f := unwrapEnvelope(e, cbc)
	if f != nil {
		return nil, f
	}
	plain, err := envelope.open(sp.Keys)
	if err != nil {
		return nil, closed()
	}
	d, f := parse([]byte(strings.Trim(string(plain), " \t\r\n")), responseLimits, e.inScope(), nil)
	if f != nil || !d.root.is(nsSAML, "NameID") {
		return nil, closed()
	}
	return d.root, nil
}

func (j *judge) claims(list attributes, id *account.NameID) {
	j.out.Claims = make([]account.Claim, 0, len(list)+1)
	if id != nil {
		j.out.Claims = append(j.out.Claims, account.Claim{Name: "NameID", Values: []string{id.Value}, Source: "assertion"})
	}
	for _, a := range list {
		j.out.Claims = append(j.out.Claims, account.Claim{Name: a.name, Values: a.people(), Source: "assertion"})
	}
}

// groups never refuses anybody: what a set that is not complete may do is the ledger's decision.
func (j *judge) groups(list attributes) {
	g := list.groups(j.mapping, j.kind)
	j.login.Groups = g
	count := fmt.Sprintf("%d groups", len(g.Values))
	switch {
	case g.State == account.GroupsComplete:
		j.pass("groups", "the group attribute", count)
	case g.Absent:
		j.warn("groups", "groups_absent", "the group attribute", "none")
	case g.State == account.GroupsUnknown:
		j.warn("groups", "groups_overage", "the group attribute", "a link in its place")
	default:
		j.warn("groups", "groups_cut", "all groups", count+"; others are missing")
	}
}
