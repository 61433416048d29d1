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

// unsolicitedLife is how old an assertion may be that answers no request of ours (SP §4.1.5, SAML-R2): there is
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
			verdict = j.recovered(p)
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

// recovered is the verdict after a panic with p.
func (j *judge) recovered(p any) account.Judgement {
	j.fail("internal", "internal", "a verdict", "a defect of ours")
	// Whatever else failed before, the defect is what has to be mended.
	j.out.Checks = append([]account.Check{j.out.Checks[len(j.out.Checks)-1]}, j.out.Checks[:len(j.out.Checks)-1]...)
	return j.refused(fmt.Errorf("saml: judging panicked: %v", p))
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

// decode reads the form field of the POST binding (SB §3.5.4).
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

// status looks for the top-level code alone (SC §3.2.2, SC §3.2.2.2, SAML-C8). What the provider says of a failure
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

// values judges what the signed bytes say.
func (j *judge) values(response, assertion *node) {
	j.login = account.Login{Connection: j.connection}
	j.times(assertion)
	j.audience(response, assertion)
	j.identity(assertion)
	j.login.TokenID = clip(assertion.attr("ID"), 512)
	j.login.Replay = assertion.attr("ID") // SC §2.5.1.5: every assertion counts once, asked for or not
	j.login.ReplayUntil = j.lasts.Add(j.skew)
}
