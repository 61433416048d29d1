package saml

import (
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

func TestASignedAssertionIsALogin(t *testing.T) {
	w := newWorld()
	login := w.accepted(t, signedResponse())
	if login.Subject != "u-4711" || login.Email != "ana@acme.example" || login.Name != "Ana Ruiz" || login.Connection != "con_1" {
		t.Errorf("login is %+v", login)
	}
	if g := login.Groups; g.State != account.GroupsComplete || len(g.Values) != 2 || g.Values[1] != "Eng Ops" || g.Source != "assertion" {
		t.Errorf("groups are %+v", g)
	}
	if !login.AuthenticatedAt.Equal(noon.Add(-1500*time.Millisecond)) || login.ProviderSession != "s-1" || len(login.Methods) != 1 {
		t.Errorf("authentication is %+v", login)
	}
	if login.NameID == nil || login.NameID.Format != formatPersistent {
		t.Errorf("name id is %+v", login.NameID)
	}
}

// THREAT SAML-R4
func TestALoginSaysUntilWhenACopyCouldPass(t *testing.T) {
	w := newWorld()
	login := w.accepted(t, edit(`NotOnOrAfter="2026-05-04T12:05:00Z" Recipient`, `NotOnOrAfter="2026-05-04T12:09:00Z" Recipient`))
	if login.Replay != "_assertion1" || !login.ReplayUntil.Equal(noon.Add(9*time.Minute+account.DefaultSkew)) {
		t.Errorf("remember %q until %s", login.Replay, login.ReplayUntil)
	}
}

// Every check with its remedy, in the order of the flow, and a claim for everything received.
//
// REQ K-12
// REQ K-13
func TestAJudgementShowsEveryCheckAndValue(t *testing.T) {
	j := newWorld().judge(signedResponse())
	steps := map[account.Step]int{}
	for i, c := range j.Checks {
		steps[c.Step]++
		if c.Title == "" || c.Code == "" || c.Verdict != account.Pass || c.Fix != nil {
			t.Errorf("check %d is %+v", i, c)
		}
		if i > 0 && flowIndex(c.Step) < flowIndex(j.Checks[i-1].Step) {
			t.Errorf("%s stands after %s", c.Step, j.Checks[i-1].Step)
		}
	}
	for _, s := range flow {
		if steps[s] == 0 {
			t.Errorf("no check of step %s", s)
		}
	}
	if len(j.Claims) != 4 || j.Claims[3].Name != "groups" || j.Claims[3].Values[0] != "eng-admins" || j.Claims[0].Name != "NameID" {
		t.Errorf("claims are %+v", j.Claims)
	}
	if strings.Contains(j.Raw, "SignatureValue>A") || !strings.Contains(j.Raw, "characters)") || !strings.Contains(j.Raw, "u-4711") {
		t.Errorf("raw is %s", j.Raw)
	}
	if j.Skew != 123*time.Millisecond {
		t.Errorf("skew is %s", j.Skew)
	}
}

func flowIndex(s account.Step) int {
	for i, f := range flow {
		if f == s {
			return i
		}
	}
	return -1
}

func TestAnAdministratorSeesAllThatIsWrongAtOnce(t *testing.T) {
	w := newWorld()
	w.settings.Kind = account.KindOkta
	j := w.judge(edit("<saml:Audience>"+spEntity, "<saml:Audience>https://other.example", `Recipient="`+spACS, `Recipient="https://other.example/acs`))
	if j.Refusal == nil || j.Refusal.Code != "recipient_mismatch" {
		t.Fatalf("refused with %v", j.Refusal)
	}
	c := find(j, "audience_mismatch")
	if c == nil || c.Expected != spEntity || c.Received != "https://other.example" || c.Fix[account.KindOkta] == "" || c.Fix[account.KindEntra] == "" || c.Fix[account.KindGeneric] == "" {
		t.Errorf("the audience check is %+v", c)
	}
}

func TestEveryRemedyHasAWordForEverybody(t *testing.T) {
	for name, l := range looks {
		if l.title == "" || l.step == "" || l.fix[account.KindGeneric] == "" {
			t.Errorf("%s is %+v", name, l)
		}
	}
	for code, f := range remedies {
		if f[account.KindGeneric] == "" {
			t.Errorf("%s has no remedy for other providers", code)
		}
	}
	for code, name := range findings {
		if looks[name].title == "" {
			t.Errorf("%s stands under %q", code, name)
		}
	}
}

const (
	signedIn = ""
	bearer   = `<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">`
)

// THREAT SAML-C1
// THREAT SAML-C2
// THREAT SAML-C3
// THREAT SAML-C4
// THREAT SAML-C5
// THREAT SAML-C6
// THREAT SAML-C7
// THREAT SAML-C8
// THREAT SAML-I1
// THREAT SAML-N1
// THREAT SAML-R1
// THREAT SAML-X7
// INTEROP M1
// INTEROP M2
// INTEROP M3
// INTEROP M4
func TestWhatTheSignedBytesHaveToSay(t *testing.T) {
	audience := `<saml:Audience>` + spEntity + `</saml:Audience>`
	other := `<saml:Audience>https://other.example</saml:Audience>`
	restriction := func(s string) string { return `<saml:AudienceRestriction>` + s + `</saml:AudienceRestriction>` }
	holder := `<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:holder-of-key"><saml:SubjectConfirmationData/></saml:SubjectConfirmation>`
	elsewhere := strings.Replace(confirmationXML, spACS, "https://other.example/acs", 1)
	for name, c := range map[string]struct {
		expect string
		edits  []string
	}{
		"no Conditions":             {"conditions_missing", []string{conditionsXML, ""}},
		"unknown condition":         {"condition_unknown", []string{"<saml:AudienceRestriction>", `<saml:Condition xmlns:xsi="` + nsXSI + `" xsi:type="x"/><saml:AudienceRestriction>`}},
		"OneTimeUse, proxy":         {signedIn, []string{"</saml:Conditions>", `<saml:OneTimeUse/><saml:ProxyRestriction Count="0"/></saml:Conditions>`}},
		"no times in Conditions":    {signedIn, []string{` NotBefore="2026-05-04T11:55:00Z" NotOnOrAfter="2026-05-04T12:05:00Z"`, ""}},
		"no audience":               {"audience_missing", []string{restriction(audience), ""}},
		"ours first":                {signedIn, []string{audience, audience + other}},
		"ours last":                 {signedIn, []string{audience, other + audience}},
		"ours nowhere":              {"audience_mismatch", []string{audience, other}},
		"two restrictions, one not": {"audience_mismatch", []string{restriction(audience), restriction(audience) + restriction(other)}},
		"two restrictions, both":    {signedIn, []string{restriction(audience), restriction(audience) + restriction(other+audience)}},
		"slash at its end":          {"audience_mismatch", []string{audience, `<saml:Audience>` + spEntity + `/</saml:Audience>`}},
		"other case":                {"audience_mismatch", []string{audience, `<saml:Audience>` + strings.ToUpper(spEntity) + `</saml:Audience>`}},
		"other issuer":              {"issuer_mismatch", []string{`Version="2.0"><saml:Issuer>` + idpEntity, `Version="2.0"><saml:Issuer>` + idpEntity + `/`}},
		"other outer issuer":        {"issuer_mismatch", []string{`assertion">` + idpEntity, `assertion">https://evil.example`}},
		"no outer issuer":           {signedIn, []string{`<saml:Issuer xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">` + idpEntity + `</saml:Issuer><samlp:Status>`, `<samlp:Status>`}},
		"other destination":         {"destination_mismatch", []string{`Destination="` + spACS, `Destination="https://other.example/acs`}},
		"no destination":            {signedIn, []string{` Destination="` + spACS + `"`, ``}},
		"other recipient":           {"recipient_mismatch", []string{`Recipient="` + spACS, `Recipient="https://other.example/acs`}},
		"no recipient":              {"recipient_missing", []string{` Recipient="` + spACS + `"`, ``}},
		"endless bearer":            {"confirmation_incomplete", []string{` NotOnOrAfter="2026-05-04T12:05:00Z" Recipient`, ` Recipient`}},
		"bearer over":               {"expired", []string{`NotOnOrAfter="2026-05-04T12:05:00Z" Recipient`, `NotOnOrAfter="2026-05-04T11:57:00Z" Recipient`}},
		"bearer over, within skew":  {signedIn, []string{`NotOnOrAfter="2026-05-04T12:05:00Z" Recipient`, `NotOnOrAfter="2026-05-04T11:57:01Z" Recipient`}},
		"no confirmation":           {"confirmation_missing", []string{confirmationXML, ""}},
		"no data":                   {"confirmation_incomplete", []string{confirmationXML, bearer + `</saml:SubjectConfirmation>`}},
		"holder of key alone":       {"confirmation_missing", []string{confirmationXML, holder}},
		"sender vouches alone":      {"confirmation_missing", []string{"cm:bearer", "cm:sender-vouches"}},
		"others beside bearer":      {signedIn, []string{confirmationXML, holder + elsewhere + confirmationXML}},
		"never mixed":               {"recipient_mismatch", []string{confirmationXML, elsewhere + strings.Replace(holder, "<saml:SubjectConfirmationData/>", `<saml:SubjectConfirmationData Recipient="`+spACS+`" NotOnOrAfter="2026-05-04T12:05:00Z" InResponseTo="_request1"/>`, 1)}},
		"other confirmation answer": {"in_response_to_mismatch", []string{`InResponseTo="_request1" NotOnOrAfter`, `InResponseTo="_request2" NotOnOrAfter`}},
		"no confirmation answer":    {"in_response_to_mismatch", []string{`InResponseTo="_request1" NotOnOrAfter`, `NotOnOrAfter`}},
		"other response answer":     {"in_response_to_mismatch", []string{`InResponseTo="_request1">`, `InResponseTo="_request2">`}},
		"no response answer":        {"in_response_to_mismatch", []string{` InResponseTo="_request1">`, `>`}},
		"early":                     {"not_yet_valid", []string{`NotBefore="2026-05-04T11:55:00Z"`, `NotBefore="2026-05-04T12:03:01Z"`}},
		"early, within skew":        {signedIn, []string{`NotBefore="2026-05-04T11:55:00Z"`, `NotBefore="2026-05-04T12:03:00Z"`}},
		"stale":                     {"expired", []string{`NotOnOrAfter="2026-05-04T12:05:00Z"><saml:Aud`, `NotOnOrAfter="2026-05-04T11:57:00Z"><saml:Aud`}},
		"stale, within skew":        {signedIn, []string{`NotOnOrAfter="2026-05-04T12:05:00Z"><saml:Aud`, `NotOnOrAfter="2026-05-04T11:57:00.001Z"><saml:Aud`}},
		"issued in the future":      {"issued_in_future", []string{`IssueInstant="2026-05-04T12:00:00.123Z" Version="2.0"><saml:I`, `IssueInstant="2026-05-05T12:00:00Z" Version="2.0"><saml:I`}},
		"issued two minutes ago":    {signedIn, []string{`IssueInstant="2026-05-04T12:00:00.123Z" Version="2.0"><saml:I`, `IssueInstant="2026-05-04T11:58:00Z" Version="2.0"><saml:I`}},
		"long fraction":             {signedIn, []string{`IssueInstant="2026-05-04T12:00:00.123Z" Version="2.0"><saml:I`, `IssueInstant="2026-05-04T12:00:00.12345678901234567890Z" Version="2.0"><saml:I`}},
		"no zone":                   {"time_unreadable", []string{`NotBefore="2026-05-04T11:55:00Z"`, `NotBefore="2026-05-04T11:55:00"`}},
		"another zone":              {"time_unreadable", []string{`NotBefore="2026-05-04T11:55:00Z"`, `NotBefore="2026-05-04T13:55:00+02:00"`}},
		"no time at all":            {"time_unreadable", []string{`NotBefore="2026-05-04T11:55:00Z"`, `NotBefore="yesterday"`}},
		"empty time":                {"time_unreadable", []string{`NotBefore="2026-05-04T11:55:00Z"`, `NotBefore=""`}},
		"no statement":              {"authn_statement_missing", []string{authnXML, ""}},
		"session over":              {"session_over", []string{`SessionIndex="s-1"`, `SessionNotOnOrAfter="2026-05-04T11:56:00Z"`}},
		"version 1.1":               {"response_malformed", []string{`Version="2.0"><saml:I`, `Version="1.1"><saml:I`}},
		"no version":                {"response_malformed", []string{`Version="2.0" IssueInstant`, `IssueInstant`}},
		"no subject":                {"confirmation_missing", []string{`<saml:Subject>` + nameIDXML + confirmationXML + `</saml:Subject>`, ""}},
		"no name id":                {"subject_missing", []string{nameIDXML, ""}},
		"empty name id":             {"subject_invalid", []string{"u-4711", ""}},
		"blank name id":             {"subject_invalid", []string{"u-4711", " \n "}},
		"control in name id":        {"subject_invalid", []string{"u-4711", "u\t4711"}},
		"long name id":              {"subject_invalid", []string{"u-4711", strings.Repeat("u", 1025)}},
		"transient":                 {"subject_missing", []string{"nameid-format:persistent", "nameid-format:transient"}},
		"two name ids":              {"response_malformed", []string{nameIDXML, nameIDXML + nameIDXML}},
		"no format":                 {signedIn, []string{` Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"`, ""}},
		"two addresses":             {"email_invalid", []string{"Ana@acme.example", "ana@acme.example,eve@acme.example"}},
		"two address values":        {"email_invalid", []string{"Ana@acme.example</saml:AttributeValue>", "Ana@acme.example</saml:AttributeValue><saml:AttributeValue>eve@acme.example</saml:AttributeValue>"}},
		"one address twice":         {signedIn, []string{"Ana@acme.example</saml:AttributeValue>", "Ana@acme.example</saml:AttributeValue><saml:AttributeValue>ana@acme.example</saml:AttributeValue>"}},
		"a display name":            {"email_invalid", []string{"Ana@acme.example", "Ana &lt;ana@acme.example&gt;"}},
		"a long address":            {"email_invalid", []string{"Ana@acme.example", strings.Repeat("a", 310) + "@acme.example"}},
		"no address":                {signedIn, []string{"Ana@acme.example", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			if c.expect == signedIn {
				w.accepted(t, edit(c.edits...))
				return
			}
			j := w.refused(t, edit(c.edits...), c.expect)
			if j.Refusal.Received == "" {
				t.Error("nothing is said to have been received")
			}
		})
	}
}

// THREAT SAML-C3
func TestASignedResponseHasADestination(t *testing.T) {
	w := newWorld()
	w.refused(t, stamper{}.sign(replaced(responseXML, ` Destination="`+spACS+`"`, ""), "_response1"), "destination_missing")
}

// THREAT SAML-C7
func TestTheProvidersSessionCapsOurs(t *testing.T) {
	login := newWorld().accepted(t, edit(`SessionIndex="s-1"`, `SessionIndex="s-1" SessionNotOnOrAfter="2026-05-04T12:30:00Z"`))
	if !login.SessionUntil.Equal(noon.Add(30 * time.Minute)) {
		t.Errorf("the session lasts until %s", login.SessionUntil)
	}
}

// THREAT SAML-C8
func TestAFailedStatusIsToldAsTheProviderSaysIt(t *testing.T) {
	w := newWorld()
	failed := strings.NewReplacer(assertionXML, "", `<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/>`,
		`<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Responder"><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:AuthnFailed"/></samlp:StatusCode><samlp:StatusMessage>Not assigned.</samlp:StatusMessage>`).Replace(responseXML)
	j := w.refused(t, failed, "status_failed")
	if !strings.Contains(j.Refusal.Received, "AuthnFailed") || !strings.Contains(j.Refusal.Received, "Not assigned.") {
		t.Errorf("received %q", j.Refusal.Received)
	}
	// A signed assertion inside a failed response is no sign-in either, nor is success one level down.
	w.refused(t, edit("status:Success", "status:Responder"), "status_failed")
	w.refused(t, edit(`<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/>`, `<samlp:StatusCode Value="urn:x"><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:StatusCode>`), "status_failed")
	w.refused(t, edit(statusXML, ""), "status_failed")
}

// THREAT SAML-R1
// THREAT SAML-R2
// INTEROP M10
func TestUnsolicitedResponsesNeedLeaveAndAnswerNothing(t *testing.T) {
	unsolicited := edit(` InResponseTo="_request1">`, `>`, `InResponseTo="_request1" NotOnOrAfter`, `NotOnOrAfter`)
	w := newWorld()
	w.expect.RequestID = ""
	w.refused(t, unsolicited, "unsolicited")
	w.settings.SAML.AllowIdPInitiated = true
	w.accepted(t, unsolicited)
	// With the switch on, an answer to somebody's request is still no unsolicited response.
	w.refused(t, signedResponse(), "in_response_to_unknown")
	w.refused(t, edit(` InResponseTo="_request1">`, `>`), "in_response_to_unknown")
	w.refused(t, edit(`InResponseTo="_request1" NotOnOrAfter`, `NotOnOrAfter`), "in_response_to_unknown")
	// Some providers send a fixed, meaningless value (Rippling).
	w.settings.SAML.IgnoreInResponseTo = []string{requestID}
	w.accepted(t, signedResponse())
	w.settings.SAML.AllowIdPInitiated = false
	w.refused(t, signedResponse(), "unsolicited")
	// Nothing that is still good for an hour lies around to be used.
	w.settings.SAML.AllowIdPInitiated = true
	w.refused(t, edit(`ID="_assertion1" IssueInstant="2026-05-04T12:00:00.123Z"`, `ID="_assertion1" IssueInstant="2026-05-04T11:51:00Z"`), "unsolicited_too_old")
	// A pending request is never answered by something unsolicited.
	w.expect.RequestID = "_request2"
	w.settings.SAML.IgnoreInResponseTo = nil
	w.refused(t, unsolicited, "in_response_to_mismatch")
}

// THREAT SAML-T1
func TestAnotherConnectionsProviderSaysNothingHere(t *testing.T) {
	globex := stamper{key: otherIdP()}.sign(responseXML, "_assertion1")
	theirs := newWorld(otherIdP())
	theirs.accepted(t, globex)
	newWorld().refused(t, globex, "signer_unknown")
	// Same key, as Entra has for all apps of a tenant: audience and recipient keep connections apart.
	mine := newWorld()
	mine.sp.ACS, mine.sp.EntityID = "https://drawbridge.example/saml/con_2/acs", "https://drawbridge.example/saml/con_2/metadata"
	mine.refused(t, signedResponse(), "recipient_mismatch")
}

func TestSkewIsTheConnectionsOwn(t *testing.T) {
	w := newWorld()
	late := edit(`NotOnOrAfter="2026-05-04T12:05:00Z"><saml:Aud`, `NotOnOrAfter="2026-05-04T11:59:00Z"><saml:Aud`)
	w.accepted(t, late)
	w.settings.SAML.Skew = -1
	w.expect.Now = noon.Add(time.Second)
	w.refused(t, late, "expired")
	w.settings.SAML.Skew = 30 * time.Second
	w.refused(t, late, "expired")
}

// THREAT SAML-C2
func TestAMissingAudienceNeedsLeave(t *testing.T) {
	w := newWorld()
	xml := edit(`<saml:AudienceRestriction><saml:Audience>`+spEntity+`</saml:Audience></saml:AudienceRestriction>`, "")
	w.refused(t, xml, "audience_missing")
	w.settings.SAML.AllowNoAudience = true
	j := w.judge(xml)
	if j.Login == nil || find(j, "audience_missing").Verdict != account.Warn {
		t.Errorf("allowed, it gives %v", j.Refusal)
	}
}

// A defect of ours is a refusal, and the operator can read what it was.
//
// INTEROP M1
func TestAPanicIsARefusal(t *testing.T) {
	w := newWorld()
	j := Judge(w.sp, account.Connection{ID: "con_1"}, account.Settings{Protocol: account.OIDC}, "", w.expect)
	checkRefusal(t, j, "not_saml")
	v := func() (v account.Judgement) {
		j := judge{connection: "con_1", settings: w.settings.SAML, expect: w.expect}
		defer func() { v = j.recovered(recover()) }()
		j.times(nil)
		return
	}()
	checkRefusal(t, v, "internal")
	if v.Refusal.Unwrap() == nil || !strings.Contains(v.Refusal.Unwrap().Error(), "nil pointer") {
		t.Errorf("the cause is %v", v.Refusal.Unwrap())
	}
}
