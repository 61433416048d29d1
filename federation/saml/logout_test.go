package saml

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	crewjam "github.com/crewjam/saml"

	"github.com/drawbridge-id/drawbridge/account"
)

// idpSide is the provider as a service provider of ours would see it: it signs for it with the same
// code that signs our requests.
func idpSide() SP {
	return SP{EntityID: idpEntity, SLO: "https://idp.acme.example/slo", Keys: []account.SPKey{spKeyOf(theIdP())}}
}

// ourSide are the settings that the provider has of us, by redirect or by POST.
func ourSide(post bool) account.SAMLSettings {
	s := account.SAMLSettings{EntityID: spEntity, Certificates: []string{ourKey().Certificate}}
	if post {
		s.SLOPost = spSLO
	} else {
		s.SLORedirect = spSLO
	}
	return s
}

func incoming(out Outgoing) Incoming {
	if out.URL != "" {
		_, query, _ := strings.Cut(out.URL, "?")
		return Incoming{RawQuery: query}
	}
	form := url.Values{}
	for _, f := range out.Fields {
		form.Add(f[0], f[1])
	}
	return Incoming{Form: form}
}

var somebody = account.NameID{Value: "u-4711", Format: formatPersistent, NameQualifier: "q", SPNameQualifier: "sq"}

// THREAT SAML-M3
func TestLogoutGoesBothWaysByBothBindings(t *testing.T) {
	w := newWorld()
	for _, post := range []bool{false, true} {
		out, err := StartLogout(idpSide(), ourSide(post), LogoutRequest{ID: "_l1", Now: noon, NameID: somebody, SessionIndex: "s-1", RelayState: "r"})
		if err != nil {
			t.Fatal(err)
		}
		request, answer, err := ReadLogout(w.sp, *w.settings.SAML, incoming(out), noon)
		if err != nil || answer != nil {
			t.Fatalf("post %v: %v", post, err)
		}
		if request.ID != "_l1" || request.NameID != somebody || len(request.SessionIndexes) != 1 || request.SessionIndexes[0] != "s-1" ||
			request.Issuer != idpEntity || request.RelayState != "r" || !request.NotOnOrAfter.Equal(noon.Add(5*time.Minute)) {
			t.Errorf("post %v: request is %+v", post, request)
		}
		for _, failed := range []bool{false, true} {
			out, err = AnswerLogout(idpSide(), ourSide(post), LogoutReply{ID: "_a1", Now: noon, InResponseTo: "_ours", Failed: failed})
			if err != nil {
				t.Fatal(err)
			}
			request, answer, err = ReadLogout(w.sp, *w.settings.SAML, incoming(out), noon)
			if err != nil || request != nil || answer.InResponseTo != "_ours" || answer.Success == failed {
				t.Errorf("post %v: answer is %+v, %v", post, answer, err)
			}
		}
	}
}

func TestOurLogoutRequestIsWhatTheLibraryReads(t *testing.T) {
	w := newWorld()
	out, err := StartLogout(w.sp, *w.settings.SAML, LogoutRequest{ID: "_l1", Now: noon, NameID: somebody, SessionIndex: "s-1"})
	if err != nil {
		t.Fatal(err)
	}
	request, raw, values := opened[crewjam.LogoutRequest](t, out, "SAMLRequest")
	if request.NameID.Value != "u-4711" || request.SessionIndex.Value != "s-1" || request.Destination != w.settings.SAML.SLORedirect || values.Get("Signature") == "" {
		t.Errorf("request is %s", raw)
	}
	if _, err := StartLogout(w.sp, account.SAMLSettings{}, LogoutRequest{ID: "_l1", Now: noon}); err == nil {
		t.Error("a logout without an address goes out")
	}
	w.sp.Keys = nil
	if _, err := StartLogout(w.sp, *w.settings.SAML, LogoutRequest{ID: "_l1", Now: noon}); err == nil {
		t.Error("an unsigned logout goes out")
	}
}

const logoutXML = `<samlp:LogoutRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_l1" Version="2.0" IssueInstant="2026-05-04T12:00:00Z" NotOnOrAfter="2026-05-04T12:05:00Z" Destination="` + spSLO + `"><saml:Issuer>` + idpEntity + `</saml:Issuer>` + nameIDXML + `<samlp:SessionIndex>s-1</samlp:SessionIndex></samlp:LogoutRequest>`

// THREAT SAML-M3
func TestLogoutMessagesObeyTheSameRules(t *testing.T) {
	edited := func(pairs ...string) string { return stamper{}.sign(replaced(logoutXML, pairs...), "_l1") }
	for name, c := range map[string]struct{ xml, code string }{
		"usual":           {edited(), ""},
		"several indexes": {edited("</samlp:LogoutRequest>", "<samlp:SessionIndex>s-2</samlp:SessionIndex></samlp:LogoutRequest>"), ""},
		"encrypted id":    {edited(nameIDXML, encrypter{}.element("EncryptedID", strings.Replace(nameIDXML, "<saml:NameID", `<saml:NameID xmlns:saml="`+nsSAML+`"`, 1))), ""},
		"unsigned":        {logoutXML, "unsigned"},
		"another key":     {stamper{key: otherIdP()}.sign(logoutXML, "_l1"), "signer_unknown"},
		"sha1":            {stamper{method: nsDS + "rsa-sha1"}.sign(logoutXML, "_l1"), "sha1_refused"},
		"changed":         {replaced(edited(), "u-4711", "u-4712"), "digest_mismatch"},
		"other issuer":    {edited(">"+idpEntity, ">https://evil.example"), "issuer_mismatch"},
		"no issuer":       {edited("<saml:Issuer>"+idpEntity+"</saml:Issuer>", "<saml:Issuer></saml:Issuer>"), "issuer_mismatch"},
		"elsewhere":       {edited(spSLO, "https://other.example/slo"), "destination_mismatch"},
		"nowhere":         {edited(` Destination="`+spSLO+`"`, ""), "destination_mismatch"},
		"over":            {edited(`NotOnOrAfter="2026-05-04T12:05:00Z"`, `NotOnOrAfter="2026-05-04T11:50:00Z"`), "expired"},
		"old, no end":     {edited(` NotOnOrAfter="2026-05-04T12:05:00Z"`, ``, "12:00:00Z", "11:50:00Z"), "expired"},
		"young, no end":   {edited(` NotOnOrAfter="2026-05-04T12:05:00Z"`, ``), ""},
		"future":          {edited("12:00:00Z", "12:10:00Z"), "issued_in_future"},
		"no time":         {edited("2026-05-04T12:00:00Z", "now"), "time_unreadable"},
		"bad end":         {edited("2026-05-04T12:05:00Z", "later"), "time_unreadable"},
		"empty name":      {edited("u-4711", ""), "subject_invalid"},
		"no name":         {edited(nameIDXML, ""), "response_malformed"},
		"base id":         {edited(nameIDXML, "<saml:BaseID/>"), "subject_invalid"},
		"version":         {edited(`Version="2.0"`, `Version="1.1"`), "response_malformed"},
		"an assertion":    {stamper{}.sign(replaced(logoutXML, nameIDXML, "<samlp:Extensions>"+assertionXML+"</samlp:Extensions>"+nameIDXML), "_l1"), "signature_malformed"},
		"a response":      {signedResponse(), "signature_malformed"},
		"doctype":         {"<!DOCTYPE x>" + edited(), "response_malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			request, _, err := ReadLogout(w.sp, *w.settings.SAML, Incoming{Form: url.Values{"SAMLRequest": {b64(c.xml)}}}, noon)
			refusedWith(t, err, c.code)
			if c.code == "" && (request.NameID.Value != "u-4711" || len(request.SessionIndexes) == 0) {
				t.Errorf("request is %+v", request)
			}
		})
	}
}

func refusedWith(t *testing.T, err error, code string) {
	t.Helper()
	var r *account.Refusal
	switch {
	case code == "" && err != nil:
		t.Fatalf("refused with %v", err)
	case code != "" && !errors.As(err, &r):
		t.Fatalf("not refused: %v", err)
	case code != "" && (r.Code != code || r.Hint[account.KindGeneric] == "" || r.Step == ""):
		t.Errorf("refused with %+v, expected %s", r, code)
	}
}

// THREAT SAML-M3
// THREAT SAML-D4
func TestTheSignatureOfARedirectCoversItsVeryOctets(t *testing.T) {
	w := newWorld()
	out, err := StartLogout(idpSide(), ourSide(false), LogoutRequest{ID: "_l1", Now: noon, NameID: somebody, RelayState: "a b/c"})
	if err != nil {
		t.Fatal(err)
	}
	good := incoming(out).RawQuery
	parts := strings.Split(good, "&")
	drop := func(i int) string {
		return strings.Join(append(append([]string{}, parts[:i]...), parts[i+1:]...), "&")
	}
	// Lower-case escapes, as .NET writes them: the signature covers them as they stand.
	lower := func() string {
		var b strings.Builder
		unsigned := strings.Join(parts[:3], "&")
		for i := 0; i < len(unsigned); i++ {
			if unsigned[i] == '%' {
				b.WriteString(strings.ToLower(unsigned[i : i+3]))
				i += 2
				continue
			}
			b.WriteByte(unsigned[i])
		}
		value, err := signer{key: theIdP().key}.sign([]byte(b.String()))
		if err != nil {
			t.Fatal(err)
		}
		return b.String() + "&Signature=" + url.QueryEscape(b64(string(value)))
	}()
	bomb := strings.Replace(good, parts[0], "SAMLRequest="+url.QueryEscape(deflate([]byte(strings.Repeat("a", 1<<20)))), 1)
	for name, c := range map[string]struct{ query, code string }{
		"usual":              {good, ""},
		"another order":      {strings.Join([]string{parts[3], parts[2], parts[1], parts[0]}, "&"), ""},
		"something beside":   {good + "&utm=1", ""},
		"lower-case escapes": {lower, ""},
		"other escapes":      {strings.Replace(good, "RelayState=a+b", "RelayState=a%20b", 1), "signer_unknown"},
		"other RelayState":   {strings.Replace(good, "RelayState=a", "RelayState=x", 1), "signer_unknown"},
		"no RelayState":      {drop(1), "signer_unknown"},
		"no algorithm":       {drop(2), "unsigned"},
		"no signature":       {drop(3), "unsigned"},
		"sha1":               {strings.Replace(good, "SigAlg=", "SigAlg="+url.QueryEscape(nsDS+"rsa-sha1")+"&x=", 1), "sha1_refused"},
		"two messages":       {good + "&SAMLResponse=x", "response_missing"},
		"twice":              {good + "&" + parts[0], "response_malformed"},
		"no message":         {strings.Join(parts[1:], "&"), "response_missing"},
		"another encoding":   {good + "&SAMLEncoding=urn%3Ax", "response_malformed"},
		"bad escape":         {strings.Replace(good, "Signature=", "Signature=%zz", 1), "response_malformed"},
		"bad base64":         {drop(3) + "&Signature=!", "signature_malformed"},
		"a bomb":             {bomb, "signer_unknown"},
		"too long":           {good + "&x=" + strings.Repeat("x", 1<<18), "response_too_large"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := ReadLogout(w.sp, *w.settings.SAML, Incoming{RawQuery: c.query}, noon)
			refusedWith(t, err, c.code)
		})
	}
}

func TestAPostedLogoutIsOneField(t *testing.T) {
	w := newWorld()
	good := b64(stamper{}.sign(logoutXML, "_l1"))
	for name, c := range map[string]struct {
		form url.Values
		code string
	}{
		"none":       {url.Values{}, "response_missing"},
		"two":        {url.Values{"SAMLRequest": {good, good}}, "response_missing"},
		"both":       {url.Values{"SAMLRequest": {good}, "SAMLResponse": {good}}, "response_missing"},
		"no base64":  {url.Values{"SAMLRequest": {"<x/>"}}, "response_not_base64"},
		"too large":  {url.Values{"SAMLRequest": {strings.Repeat("A", MaxResponse+1)}}, "response_too_large"},
		"long relay": {url.Values{"SAMLRequest": {good}, "RelayState": {strings.Repeat("x", 81)}}, "response_malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := ReadLogout(w.sp, *w.settings.SAML, Incoming{Form: c.form}, noon)
			refusedWith(t, err, c.code)
		})
	}
	w.settings.SAML.Certificates = nil
	_, _, err := ReadLogout(w.sp, *w.settings.SAML, Incoming{Form: url.Values{"SAMLRequest": {good}}}, noon)
	refusedWith(t, err, "no_certificate")
}
