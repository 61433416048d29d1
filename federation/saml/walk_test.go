package saml

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"
)

// THREAT SAML-X1
// THREAT SAML-X4
// THREAT SAML-X5
// THREAT SAML-D2
func TestWhatTwoParsersCouldReadDifferentlyIsRefused(t *testing.T) {
	for name, xml := range map[string]string{
		"empty":                  ``,
		"text":                   `hello`,
		"doctype":                `<!DOCTYPE a><a/>`,
		"doctype with entity":    `<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>`,
		"external entity":        `<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>`,
		"unknown entity":         `<a>&x;</a>`,
		"directive inside":       `<a><!ELEMENT b></a>`,
		"instruction":            `<a><?php ?></a>`,
		"stylesheet":             `<?xml-stylesheet href="x"?><a/>`,
		"late declaration":       ` <?xml version="1.0"?><a/>`,
		"declaration inside":     `<a><?xml version="1.0"?></a>`,
		"version 1.1":            `<?xml version="1.1"?><a/>`,
		"latin-1":                `<?xml version="1.0" encoding="ISO-8859-1"?><a/>`,
		"utf-16":                 "\xff\xfe<\x00a\x00/\x00>\x00",
		"invalid UTF-8":          "<a>\xff</a>",
		"NUL":                    "<a>\x00</a>",
		"NUL by reference":       `<a>&#0;</a>`,
		"control":                "<a>\x01</a>",
		"text before":            `x<a/>`,
		"text after":             `<a/>x`,
		"two roots":              `<a/><b/>`,
		"unclosed":               `<a><b></b>`,
		"closed twice":           `<a></a></a>`,
		"crossed":                `<a><b></a></b>`,
		"crossed prefixes":       `<p:a xmlns:p="urn:x" xmlns:q="urn:x"></q:a>`,
		"unbound prefix":         `<p:a/>`,
		"unbound attribute":      `<a p:b="c"/>`,
		"prefix out of scope":    `<a><b xmlns:p="urn:x"/><p:c/></a>`,
		"two colons":             `<a:b:c xmlns:a="urn:x"/>`,
		"colon first":            `<:a/>`,
		"colon last":             `<a: xmlns:a="urn:x"/>`,
		"local name with digit":  `<p:1a xmlns:p="urn:x"/>`,
		"attribute twice":        `<a b="1" b="2"/>`,
		"twice by prefixes":      `<a xmlns:p="urn:x" xmlns:q="urn:x" p:b="1" q:b="2"/>`,
		"declaration twice":      `<a xmlns:p="urn:x" xmlns:p="urn:y"/>`,
		"default twice":          `<a xmlns="urn:x" xmlns="urn:y"/>`,
		"prefix undeclared":      `<a xmlns:p=""/>`,
		"xmlns redeclared":       `<a xmlns:xmlns="urn:x"/>`,
		"xml redeclared":         `<a xmlns:xml="urn:x"/>`,
		"xml by another prefix":  `<a xmlns:p="http://www.w3.org/XML/1998/namespace"/>`,
		"xml as default":         `<a xmlns="http://www.w3.org/XML/1998/namespace"/>`,
		"xmlns as a namespace":   `<a xmlns:p="http://www.w3.org/2000/xmlns/"/>`,
		"relative namespace":     `<a xmlns="here/there"/>`,
		"long namespace":         `<a xmlns="urn:` + strings.Repeat("x", 1100) + `"/>`,
		"unquoted attribute":     `<a b=c/>`,
		"attribute without":      `<a b/>`,
		"less-than in attribute": `<a b="<"/>`,
		"cdata end in text":      `<a>]]></a>`,
		"dashes in comment":      `<a><!-- -- --></a>`,
		"ID twice":               `<a ID="x"><b ID="x"/></a>`,
		"ID and Id":              `<a ID="x"><b Id="x"/></a>`,
		"ID and id":              `<a ID="x"><b id="x"/></a>`,
		"ID and xml:id":          `<a ID="x"><b xml:id="x"/></a>`,
		"ID in a namespace":      `<a ID="x" xmlns:p="urn:x"><b p:ID="x"/></a>`,
		"empty ID":               `<a ID=""/>`,
		"ID with a digit":        `<a ID="1"/>`,
		"ID with a colon":        `<a ID="a:b"/>`,
		"ID with a blank":        `<a ID="a b"/>`,
		"too deep":               strings.Repeat("<a>", 65) + strings.Repeat("</a>", 65),
		"too many elements":      "<a>" + strings.Repeat("<b/>", 20_000) + "</a>",
		"too many comments":      "<a>" + strings.Repeat("<!---->", 20_000) + "</a>",
		"too many attributes":    "<a" + numbered(` a%d=""`, 257) + "/>",
		"too many namespaces":    "<a" + numbered(` xmlns:a%d="urn:x"`, 200) + "><b" + numbered(` xmlns:b%d="urn:x"`, 100) + "/></a>",
	} {
		if d, f := parse([]byte(xml), responseLimits, nil, nil); f == nil {
			t.Errorf("%s: read as %q", name, d.root.local)
		} else if f.code == "" || f.expected == "" || f.received == "" {
			t.Errorf("%s: refused without words: %+v", name, f)
		}
	}
}

func numbered(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// THREAT SAML-X6
// THREAT SAML-X7
func TestWhatXMLAllowsIsRead(t *testing.T) {
	for name, xml := range map[string]string{
		"declaration":        `<?xml version="1.0" encoding="utf-8" standalone="yes"?>` + "\n<a/>\n",
		"byte order mark":    "\uFEFF<a/>",
		"comments around":    `<!-- x --><a/><!-- y -->`,
		"default undeclared": `<a xmlns="urn:x"><b xmlns=""/></a>`,
		"predefined":         `<a>&amp;&lt;&gt;&quot;&apos;&#xD;&#13;</a>`,
		"cdata":              `<a><![CDATA[<b>]]></a>`,
		"letters":            `<Ünïcödé:ñ xmlns:Ünïcödé="urn:x"/>`,
		"xml prefix":         `<a xml:lang="en" xmlns:xml="http://www.w3.org/XML/1998/namespace"/>`,
		"64 deep":            strings.Repeat("<a>", 64) + strings.Repeat("</a>", 64),
	} {
		if _, f := parse([]byte(xml), responseLimits, nil, nil); f != nil {
			t.Errorf("%s: refused: %v", name, f)
		}
	}
}

// THREAT SAML-X6
func TestPrefixesMeanNothing(t *testing.T) {
	w := newWorld()
	for name, xml := range map[string]string{
		"other prefixes":       strings.NewReplacer("samlp:", "a:", "xmlns:samlp", "xmlns:a", "saml:", "b:", "xmlns:saml=", "xmlns:b=").Replace(responseXML),
		"swapped prefixes":     strings.NewReplacer("samlp:", "saml:", "xmlns:samlp", "xmlns:saml", "saml:", "samlp:", "xmlns:saml=", "xmlns:samlp=").Replace(responseXML),
		"default namespaces":   strings.NewReplacer("samlp:", "", "xmlns:samlp", "xmlns", "saml:", "", "xmlns:saml=", "xmlns=").Replace(strings.NewReplacer("<samlp:Status>", "<samlp:Status xmlns=\"urn:oasis:names:tc:SAML:2.0:protocol\">").Replace(responseXML)),
		"all declared on top":  strings.Replace(strings.ReplaceAll(responseXML, ` xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"`, ""), "<samlp:Response ", `<samlp:Response xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" `, 1),
		"useless declarations": strings.Replace(responseXML, "<samlp:Response ", `<samlp:Response xmlns:x="urn:x" xmlns:y="urn:y" `, 1),
	} {
		t.Run(name, func(t *testing.T) {
			w.accepted(t, stamper{}.sign(xml, "_assertion1"))
			w.accepted(t, stamper{}.sign(xml, "_response1"))
		})
	}
	// The right prefix in the wrong namespace.
	w.refused(t, strings.Replace(signedResponse(), "SAML:2.0:protocol", "SAML:1.1:protocol", 1), "response_malformed")
}

// THREAT SAML-D1
// THREAT SAML-D2
// THREAT SAML-X7
func TestFloodsAreRefusedAtOnce(t *testing.T) {
	w := newWorld()
	for name, field := range map[string]string{
		"a field beyond 1 MiB": strings.Repeat("A", MaxResponse+1),
		"350 kB of nesting":    b64(strings.Repeat("<a>", 116_000)),
		"a million elements":   b64("<a>" + strings.Repeat("<b/>", 190_000)),
		"1000 encrypted":       b64(`<samlp:Response xmlns:samlp="` + nsSAMLP + `" ID="a" Version="2.0">` + statusXML + strings.Repeat(`<saml:EncryptedAssertion xmlns:saml="`+nsSAML+`"/>`, 1000) + `</samlp:Response>`),
		"a canonical bomb":     b64(bomb()),
		"1 MB of attributes":   b64("<a" + numbered(` a%d=""`, 60_000) + "/>"),
	} {
		began := time.Now()
		j := w.judgeField(field)
		if j.Login != nil {
			t.Fatalf("%s: accepted", name)
		}
		if took := time.Since(began); took > 5*time.Second && !testing.Short() { // milliseconds on a machine of its own
			t.Errorf("%s: took %s", name, took)
		}
		if len(j.Raw) > maxRaw+100 {
			t.Errorf("%s: %d bytes to show", name, len(j.Raw))
		}
	}
}

// bomb is a message whose SignedInfo has a long namespace used by many elements: canonical form would
// be thousands of times its size.
func bomb() string {
	x := stamper{}.sign(responseXML, "_assertion1")
	long := `xmlns:p="urn:` + strings.Repeat("x", 1000) + `"`
	x = strings.Replace(x, "<samlp:Response ", "<samlp:Response "+long+" ", 1)
	return strings.Replace(x, "<ds:SignedInfo", `<ds:SignedInfo `+numbered(` p:a%d=""`, 200)+" ", 1)
}

// THREAT SAML-X7
func TestOnlyTheFormOfThePOSTBindingIsRead(t *testing.T) {
	w := newWorld()
	whole := b64(signedResponse())
	var lines strings.Builder
	for i := 0; i < len(whole); i += 76 {
		lines.WriteString(whole[i:min(i+76, len(whole))] + "\r\n")
	}
	if j := w.judgeField(lines.String()); j.Refusal != nil {
		t.Errorf("wrapped base64: %v", j.Refusal)
	}
	if j := w.judgeField(" \t" + whole[:100] + " \t " + whole[100:]); j.Refusal != nil {
		t.Errorf("blanks in base64: %v", j.Refusal)
	}
	for name, c := range map[string][2]string{
		"nothing":  {"", "response_missing"},
		"blanks":   {" \r\n", "response_missing"},
		"raw XML":  {signedResponse(), "response_not_base64"},
		"JSON":     {`{"SAMLResponse":"x"}`, "response_not_base64"},
		"deflated": {deflate([]byte(signedResponse())), "response_malformed"},
		"cut":      {whole[:len(whole)/8*4], "response_malformed"},
		"garbage":  {base64.StdEncoding.EncodeToString([]byte("\x1f\x8b\x08garbage")), "response_malformed"},
	} {
		t.Run(name, func(t *testing.T) { checkRefusal(t, w.judgeField(c[0]), c[1]) })
	}
	w.accepted(t, `<?xml version="1.0" encoding="UTF-8"?>`+"\n"+signedResponse())
	indented := strings.ReplaceAll(responseXML, "><saml", ">\n  <saml")
	w.accepted(t, stamper{}.sign(indented, "_assertion1"))
}
