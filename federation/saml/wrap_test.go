package saml

import (
	"strings"
	"testing"
)

// forged is an unsigned assertion that names the attacker's victim.
func forged(id string) string {
	return strings.NewReplacer("_assertion1", id, "u-4711", "victim", "Ana@acme.example", "victim@acme.example").Replace(assertionXML)
}

// THREAT SAML-W1
// THREAT SAML-W2
// THREAT SAML-X5
func TestNoWayOfWrappingASignedAssertionWorks(t *testing.T) {
	signed := signedResponse()
	from, to := strings.Index(signed, "<saml:Assertion"), strings.Index(signed, "</saml:Assertion>")+len("</saml:Assertion>")
	before, good, after := signed[:from], signed[from:to], signed[to:]
	sigFrom, sigTo := strings.Index(good, "<ds:Signature "), strings.Index(good, "</ds:Signature>")+len("</ds:Signature>")
	signature, bare := good[sigFrom:sigTo], good[:sigFrom]+good[sigTo:]
	evil := forged("_evil")
	within := func(xml, tag, what string) string { return replaced(xml, tag, tag+what) }

	whole := stamper{}.sign(responseXML, "_response1")
	wFrom, wTo := strings.Index(whole, "<ds:Signature "), strings.Index(whole, "</ds:Signature>")+len("</ds:Signature>")
	wSignature, wBare := whole[wFrom:wTo], whole[:wFrom]+whole[wTo:]
	evilResponse := strings.NewReplacer("_response1", "_evilresponse", "_assertion1", "_evil", "u-4711", "victim").Replace(responseXML)
	object := func(what string) string { return `<ds:Object>` + what + `</ds:Object>` }

	w := newWorld()
	for name, xml := range map[string]string{
		// The eight families of Somorovsky et al., "On Breaking SAML" (2012).
		"xsw1": within(evilResponse, "</saml:Issuer>", strings.Replace(wSignature, "</ds:Signature>", object(wBare)+"</ds:Signature>", 1)),
		"xsw2": within(evilResponse, "</saml:Issuer>", wBare+wSignature),
		"xsw3": before + evil + good + after,
		"xsw4": before + strings.Replace(evil, "</saml:Assertion>", good+"</saml:Assertion>", 1) + after,
		"xsw5": before + within(evil, "</saml:Issuer>", signature) + bare + after,
		"xsw6": before + within(evil, "</saml:Issuer>", strings.Replace(signature, "</ds:Signature>", object(bare)+"</ds:Signature>", 1)) + after,
		"xsw7": replaced(signed, statusXML, `<samlp:Extensions>`+evil+`</samlp:Extensions>`+statusXML),
		"xsw8": before + within(evil, "</saml:Issuer>", strings.Replace(signature, "</ds:Signature>", object(good)+"</ds:Signature>", 1)) + after,

		"forged after":                               before + good + evil + after,
		"two signed ones":                            before + good + stamper{}.sign(strings.ReplaceAll(responseXML, "_assertion1", "_assertion2"), "_assertion2")[from:],
		"same ID":                                    before + forged("_assertion1") + good + after,
		"same ID, other spelling":                    before + strings.Replace(good, "<saml:Subject>", `<saml:Subject Id="_assertion1">`, 1) + after,
		"ID in another namespace":                    before + strings.Replace(good, "<saml:Subject>", `<saml:Subject xmlns:x="urn:x" x:ID="_assertion1">`, 1) + after,
		"in StatusDetail":                            replaced(signed, "</samlp:Status>", `<samlp:StatusDetail>`+evil+`</samlp:StatusDetail></samlp:Status>`),
		"in Advice":                                  before + strings.Replace(good, "<saml:AuthnStatement", `<saml:Advice>`+evil+`</saml:Advice><saml:AuthnStatement`, 1) + after,
		"in KeyInfo":                                 replaced(signed, "<ds:KeyInfo>", "<ds:KeyInfo>"+evil),
		"in an attribute value":                      replaced(signed, "<saml:AttributeValue>Ana Ruiz", "<saml:AttributeValue>"+evil),
		"an encrypted one beside":                    before + encrypter{}.element("EncryptedAssertion", evil) + good + after,
		"assertion as the root":                      good,
		"wrapped in another root":                    `<x>` + signed + `</x>`,
		"a response in the response":                 replaced(signed, statusXML, `<samlp:Extensions>`+signed[:0]+strings.ReplaceAll(responseXML, "1\"", "9\"")+`</samlp:Extensions>`+statusXML),
		"signature moved to Subject":                 before + strings.Replace(bare, "<saml:Subject>", "<saml:Subject>"+signature, 1) + after,
		"signature in Extensions":                    replaced(before+bare+after, statusXML, `<samlp:Extensions>`+signature+`</samlp:Extensions>`+statusXML),
		"two signatures":                             before + strings.Replace(good, "</ds:Signature>", "</ds:Signature>"+signature, 1) + after,
		"third signature in Advice":                  before + strings.Replace(good, "<saml:AuthnStatement", `<saml:Advice>`+strings.ReplaceAll(signature, "xx", "")+`</saml:Advice><saml:AuthnStatement`, 1) + after,
		"assertion before the status":                replaced(strings.Replace(signed, good, "", 1), statusXML, good+statusXML),
		"element between":                            replaced(signed, statusXML, `<samlp:Evil/>`+statusXML),
		"text between":                               replaced(signed, statusXML, `evil`+statusXML),
		"signature of the response on the assertion": before + within(evil, "</saml:Issuer>", wSignature) + after,
	} {
		t.Run(name, func(t *testing.T) {
			j := w.judge(xml)
			if j.Login != nil {
				t.Fatalf("accepted as %q", j.Login.Subject)
			}
			if j.Refusal.Code == "internal" {
				t.Fatal(j.Refusal.Unwrap())
			}
		})
	}
}

// Another document that the provider signed is no sign-in.
//
// THREAT SAML-W1
func TestOtherSignedDocumentsAreNoSignIn(t *testing.T) {
	w := newWorld()
	logout := strings.NewReplacer("samlp:Response", "samlp:LogoutResponse", assertionXML, "").Replace(responseXML)
	w.refused(t, stamper{}.sign(logout, "_response1"), "response_malformed")
	// Metadata has no Issuer; the signature goes in front of everything.
	metadata := idpMetadata(idpEntity, theIdP())
	metadata = stamper{place: func(xml, sig string) string { return strings.Replace(xml, "<md:IDPSSO", sig+"<md:IDPSSO", 1) }}.sign(metadata, "_metadata1")
	w.refused(t, metadata, "response_malformed")
}

// THREAT SAML-X2
func TestACommentNeverShortensAValue(t *testing.T) {
	w := newWorld()
	// Comments are not under the digest: whoever carries the message can put them in.
	for _, c := range [][2]string{
		{"u-4711", "u-47<!-- x -->11"},
		{"u-4711", "<!---->u-4711"},
		{"Ana@acme.example", "Ana@acme.exa<!---->mple"},
		{"eng-admins", "eng<!-- -->-admins"},
	} {
		login := w.accepted(t, replaced(signedResponse(), c[0], c[1]))
		if login.Subject != "u-4711" || login.Email != "ana@acme.example" || login.Groups.Values[0] != "eng-admins" {
			t.Errorf("%s read as %+v", c[1], login)
		}
	}
	w.refused(t, replaced(signedResponse(), "u-4711", "u-47<?x?>11"), "response_malformed")
	w.refused(t, edit("u-4711", "u-47<x/>11"), "subject_invalid")
	login := w.accepted(t, edit("u-4711", "<![CDATA[u-47]]>11"))
	if login.Subject != "u-4711" {
		t.Errorf("CDATA read as %q", login.Subject)
	}
}
