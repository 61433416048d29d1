package saml

import (
	"strings"
	"testing"

	"github.com/drawbridge-id/drawbridge/account"
)

// THREAT SAML-S1
func TestAnyOfTheThreeShapesOfSigningIsEnough(t *testing.T) {
	w := newWorld()
	response := stamper{}.sign(responseXML, "_response1")
	w.accepted(t, response)
	both := stamper{}.sign(signedResponse(), "_response1")
	w.accepted(t, both)
	w.refused(t, responseXML, "unsigned")
}

// THREAT SAML-S7
func TestABadSignatureIsNotOutvotedByAGoodOne(t *testing.T) {
	w := newWorld()
	strange := stamper{key: otherIdP()}
	w.refused(t, strange.sign(signedResponse(), "_response1"), "signer_unknown")
	w.refused(t, stamper{}.sign(strange.sign(responseXML, "_assertion1"), "_response1"), "signer_unknown")
	// The response's signature still holds, the assertion's does not.
	broken := stamper{value: func(v string) string { return "AAAA" + v[4:] }}.sign(responseXML, "_assertion1")
	w.refused(t, stamper{}.sign(broken, "_response1"), "signature_invalid")
}

// THREAT SAML-S8
// THREAT SAML-S9
// INTEROP M6
// INTEROP M8
// INTEROP M9
func TestAlgorithmsAreTheKeysOwnAndStrong(t *testing.T) {
	const rec, v11 = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315", "http://www.w3.org/2006/12/xml-c14n11"
	for name, c := range map[string]struct {
		stamper
		expect string
	}{
		"rsa-sha384":           {stamper{method: moreDSig + "rsa-sha384", digest: moreDSig + "sha384"}, ""},
		"rsa-sha512":           {stamper{method: moreDSig + "rsa-sha512", digest: nsXENC + "sha512"}, ""},
		"ecdsa-sha256":         {stamper{key: curvedIdP()}, ""},
		"ecdsa-sha512":         {stamper{key: curvedIdP(), method: moreDSig + "ecdsa-sha512"}, ""},
		"ecdsa as ASN.1":       {stamper{key: curvedIdP(), asn1: true}, "signature_invalid"},
		"rsa name, ec key":     {stamper{key: curvedIdP(), method: algRSASHA256}, "signature_invalid"},
		"rsa-sha1":             {stamper{method: nsDS + "rsa-sha1"}, "sha1_refused"},
		"sha1 digest":          {stamper{digest: nsDS + "sha1"}, "sha1_refused"},
		"hmac":                 {stamper{info: swap(algRSASHA256, nsDS+"hmac-sha1")}, "algorithm_refused"},
		"md5 digest":           {stamper{info: swap(digestSHA256, moreDSig+"md5")}, "algorithm_refused"},
		"no method":            {stamper{info: swap(algRSASHA256, "")}, "algorithm_refused"},
		"exclusive, comments":  {stamper{c14n: nsExcC + "WithComments", infoC14N: nsExcC + "WithComments"}, ""},
		"inclusive 1.0":        {stamper{c14n: rec, infoC14N: rec}, ""},
		"inclusive 1.1":        {stamper{c14n: v11, infoC14N: v11}, ""},
		"1.1 with comments":    {stamper{c14n: v11 + "#WithComments", infoC14N: v11 + "#WithComments"}, ""},
		"differing methods":    {stamper{c14n: rec, infoC14N: nsExcC}, ""},
		"prefix list":          {stamper{prefixes: "xs saml #default"}, ""},
		"no canonicalization":  {stamper{c14n: rec, transforms: `<ds:Transform Algorithm="` + transformEnveloped + `"></ds:Transform>`}, ""},
		"no KeyInfo":           {stamper{noKeyInfo: true}, ""},
		"KeyName":              {stamper{keyInfo: `<ds:KeyInfo><ds:KeyName>k</ds:KeyName></ds:KeyInfo>`}, ""},
		"white space in value": {stamper{value: func(v string) string { return " " + v[:40] + " \n\t" + v[40:] + "\r\n" }}, ""},
		"another key":          {stamper{key: otherIdP()}, "signer_unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(theIdP(), curvedIdP())
			xml := c.sign(responseXML, "_assertion1")
			if c.expect == "" {
				w.accepted(t, xml)
			} else {
				w.refused(t, xml, c.expect)
			}
		})
	}
}

func swap(from, to string) func(string) string {
	return func(s string) string { return replaced(s, from, to) }
}

func TestSHA1AndShortKeysNeedTheConnectionsLeave(t *testing.T) {
	w := newWorld(shortIdP())
	xml := stamper{key: shortIdP()}.sign(responseXML, "_assertion1")
	w.refused(t, xml, "key_too_short")
	w.settings.SAML.AllowRSA1024 = true
	w.accepted(t, xml)

	w = newWorld()
	w.settings.SAML.AllowSHA1 = true
	j := w.judge(stamper{method: nsDS + "rsa-sha1", digest: nsDS + "sha1"}.sign(responseXML, "_assertion1"))
	if j.Login == nil || find(j, "sha1_allowed") == nil {
		t.Errorf("allowed SHA-1 gives %v without its warning", j.Refusal)
	}
}

func find(j account.Judgement, code string) *account.Check {
	for i, c := range j.Checks {
		if c.Code == code {
			return &j.Checks[i]
		}
	}
	return nil
}

// THREAT SAML-S2
// THREAT SAML-S3
// THREAT SAML-S4
// THREAT SAML-S5
// THREAT SAML-S6
// THREAT SAML-D3
// THREAT SAML-K2
func TestASignatureOfAnyOtherShapeIsRefused(t *testing.T) {
	again := func(part string) func(string) string {
		return func(info string) string {
			from, to := strings.Index(info, "<ds:"+part), strings.Index(info, "</ds:"+part+">")+len("</ds:"+part+">")
			return info[:to] + info[from:to] + info[to:]
		}
	}
	transform := func(algorithm string) string { return `<ds:Transform Algorithm="` + algorithm + `"></ds:Transform>` }
	env, exc := transform(transformEnveloped), transform(nsExcC)
	place := func(from, to string) func(xml, sig string) string {
		return func(xml, sig string) string { return insert(xml, "_assertion1", replaced(sig, from, to)) }
	}
	for name, s := range map[string]stamper{
		"two references":          {info: again("Reference")},
		"two methods":             {info: again("SignatureMethod")},
		"two digest values":       {info: again("DigestValue")},
		"empty URI":               {info: swap(`URI="#_assertion1"`, `URI=""`)},
		"no URI":                  {info: swap(` URI="#_assertion1"`, ``)},
		"XPointer":                {info: swap(`URI="#_assertion1"`, `URI="#xpointer(id('_assertion1'))"`)},
		"outside URI":             {info: swap(`URI="#_assertion1"`, `URI="https://evil.example/a"`)},
		"the response":            {info: swap(`URI="#_assertion1"`, `URI="#_response1"`)},
		"no enveloped":            {transforms: exc},
		"three transforms":        {transforms: env + exc + exc},
		"two canonicalizations":   {transforms: exc + exc},
		"the other order":         {transforms: exc + env},
		"xpath":                   {transforms: env + transform("http://www.w3.org/TR/1999/REC-xpath-19991116")},
		"xslt":                    {transforms: env + transform("http://www.w3.org/TR/1999/REC-xslt-19991116")},
		"base64":                  {transforms: env + transform(nsDS+"base64")},
		"decryption":              {transforms: env + transform("http://www.w3.org/2002/07/decrypt#XML")},
		"no transforms":           {info: swap(env+exc, "")},
		"a parameter":             {transforms: `<ds:Transform Algorithm="` + transformEnveloped + `"><ds:XPath>true()</ds:XPath></ds:Transform>` + exc},
		"no such method":          {info: swap(`<ds:CanonicalizationMethod Algorithm="`+nsExcC, `<ds:CanonicalizationMethod Algorithm="urn:none`)},
		"empty value":             {value: func(string) string { return "" }},
		"no base64":               {value: func(string) string { return "***" }},
		"no SignatureValue":       {place: place("<ds:SignatureValue>", "<ds:KeyName>"), value: func(string) string { return "</ds:KeyName><ds:KeyName>" }, noKeyInfo: true},
		"an Object":               {place: place("</ds:Signature>", "<ds:Object></ds:Object></ds:Signature>")},
		"two SignedInfo":          {place: func(xml, sig string) string { return insert(xml, "_assertion1", doubled(sig, "SignedInfo")) }},
		"two SignatureValue":      {place: func(xml, sig string) string { return insert(xml, "_assertion1", doubled(sig, "SignatureValue")) }},
		"two KeyInfo":             {place: func(xml, sig string) string { return insert(xml, "_assertion1", doubled(sig, "KeyInfo")) }},
		"a comment in the digest": {info: func(s string) string { return s }, place: place("<ds:DigestValue>", "<ds:DigestValue><ds:X/>")},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			j := w.judge(s.sign(responseXML, "_assertion1"))
			if j.Login != nil {
				t.Fatal("accepted")
			}
			switch j.Refusal.Code {
			case "signature_malformed", "signature_invalid", "response_malformed":
			default:
				t.Errorf("refused with %v", j.Refusal)
			}
		})
	}
}

func doubled(xml, part string) string {
	from, to := strings.Index(xml, "<ds:"+part), strings.Index(xml, "</ds:"+part+">")+len("</ds:"+part+">")
	return xml[:to] + xml[from:to] + xml[to:]
}

// THREAT SAML-S2
func TestChangedContentIsRefused(t *testing.T) {
	w := newWorld()
	j := w.refused(t, replaced(signedResponse(), "u-4711", "u-4712"), "digest_mismatch")
	if len(j.Claims) > 0 {
		t.Error("claims were read without a signature over them")
	}
	w.refused(t, replaced(signedResponse(), "<ds:DigestValue>", "<ds:DigestValue>AAAA"), "signature_invalid")
}

// THREAT SAML-S3
func TestSigningOnlyAPartIsNotEnough(t *testing.T) {
	w := newWorld()
	xml := replaced(responseXML, "<saml:Subject>", `<saml:Subject ID="_subject1"><saml:Issuer></saml:Issuer>`)
	w.refused(t, stamper{}.sign(xml, "_subject1"), "signature_malformed")
}

// THREAT SAML-K1
func TestAKeyInTheMessageIsNeverTrusted(t *testing.T) {
	w := newWorld()
	// Same subject and serial number as the trusted one, another key: and it says so itself.
	j := w.refused(t, stamper{key: otherIdP()}.sign(responseXML, "_assertion1"), "signer_unknown")
	if !strings.Contains(j.Refusal.Received, fingerprint(otherIdP().cert)) || !strings.Contains(j.Refusal.Expected, fingerprint(theIdP().cert)) {
		t.Errorf("the administrator cannot tell the certificates apart: %v", j.Refusal)
	}
}

// THREAT SAML-K3
// INTEROP M5
// INTEROP M6
// INTEROP M7
func TestCertificatesAreCarriersOfKeys(t *testing.T) {
	expired := selfSigned(theIdP().key, noon.AddDate(-3, 0, 0), noon.AddDate(-1, 0, 0))
	soon := selfSigned(theIdP().key, noon.AddDate(-3, 0, 0), noon.AddDate(0, 0, 10))
	unborn := selfSigned(theIdP().key, noon.Add(113e9), noon.AddDate(1, 0, 0))

	rollover := newWorld(otherIdP(), theIdP())
	rollover.accepted(t, stamper{noKeyInfo: true}.sign(responseXML, "_assertion1"))
	rollover.settings.SAML.Certificates = rollover.settings.SAML.Certificates[:1]
	rollover.refused(t, signedResponse(), "signer_unknown") // a removed one is dead at once

	renewed := newWorld(expired)
	j := renewed.judge(signedResponse()) // whose KeyInfo has another certificate of the key
	if j.Login == nil || find(j, "certificate_outside_dates") == nil {
		t.Errorf("an expired certificate gives %v without its warning", j.Refusal)
	}
	renewed.settings.SAML.StrictDates = true
	renewed.refused(t, signedResponse(), "certificate_outside_dates")

	j = newWorld(soon).judge(signedResponse())
	if j.Login == nil || find(j, "certificate_expires_soon") == nil {
		t.Errorf("a certificate of ten days more gives %v without its warning", j.Refusal)
	}
	strict := newWorld(unborn)
	strict.settings.SAML.StrictDates = true
	strict.accepted(t, signedResponse()) // 113 s old by a clock two minutes off: within the skew

	bad := newWorld()
	bad.settings.SAML.Certificates = append([]string{"no certificate"}, bad.settings.SAML.Certificates...)
	bad.accepted(t, signedResponse())
	bad.settings.SAML.Certificates = bad.settings.SAML.Certificates[:1]
	bad.refused(t, signedResponse(), "no_certificate")
}
