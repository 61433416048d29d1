package saml

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	xrv "github.com/mattermost/xml-roundtrip-validator"

	"github.com/drawbridge-id/drawbridge/account"
)

// FuzzJudge changes signed messages in every way: nothing panics, nothing takes long, and whatever is
// still accepted says what the provider signed.
func FuzzJudge(f *testing.F) {
	for _, xml := range []string{
		signedResponse(), stamper{}.sign(responseXML, "_response1"), stamper{}.sign(signedResponse(), "_response1"),
		encryptedResponse(encrypter{}), encryptedResponse(encrypter{content: nsXENC + "aes128-cbc", beside: true}),
		stamper{c14n: "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"}.sign(responseXML, "_assertion1"),
		stamper{prefixes: "xs #default"}.sign(responseXML, "_assertion1"),
		edit(attributesXML, attributeXML(entraOverage, "x")), responseXML, hard, bomb(),
	} {
		f.Add([]byte(xml))
	}
	w := newWorld()
	w.settings.SAML.AllowCBC, w.settings.SAML.AllowSHA1, w.settings.SAML.AllowNoAudience = true, true, true
	f.Fuzz(func(t *testing.T, xml []byte) {
		began := time.Now()
		j := w.judge(string(xml))
		if took := time.Since(began); took > 10*time.Second {
			t.Fatalf("took %s", took)
		}
		if (j.Login == nil) == (j.Refusal == nil) {
			t.Fatal("neither a login nor a refusal, or both")
		}
		if j.Refusal != nil {
			if j.Refusal.Code == "internal" {
				t.Fatal(j.Refusal.Unwrap())
			}
			if j.Refusal.Hint[account.KindGeneric] == "" {
				t.Fatalf("no remedy for %v", j.Refusal)
			}
			return
		}
		if j.Login.Subject != "u-4711" || j.Login.Replay != "_assertion1" || j.Login.Email != "ana@acme.example" && j.Login.Email != "" {
			t.Fatalf("signed in as %+v by\n%s", j.Login, xml)
		}
		for _, g := range j.Login.Groups.Values {
			if g != "eng-admins" && g != "Eng Ops" {
				t.Fatalf("in group %q by\n%s", g, xml)
			}
		}
	})
}

// FuzzPrecheck holds the walk against the standard library: what it takes, the library's own decoder
// takes too, with the same elements, and its canonical form is a fixed point that survives a round trip.
func FuzzPrecheck(f *testing.F) {
	f.Add([]byte(hard))
	f.Add([]byte(signedResponse()))
	f.Add([]byte(`<a xmlns="urn:x"><b xmlns=""/><!-- c --><![CDATA[d]]></a>`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, fault := parse(raw, responseLimits, nil, nil)
		if fault != nil {
			return
		}
		if ours, theirs := names(d.root), decoded(t, raw); ours != theirs {
			t.Fatalf("read as\n%s\nby the standard library as\n%s", ours, theirs)
		}
		once, fault := c14n{exclusive: true}.write(d.root, nil)
		if fault != nil {
			return
		}
		if err := xrv.Validate(bytes.NewReader(once)); err != nil {
			t.Fatalf("%v in\n%s", err, once)
		}
		again, fault := parse(once, limits{1 << 20, 1 << 30, 1 << 20, 1 << 20}, nil, nil)
		if fault != nil {
			t.Fatalf("%v in\n%s", fault, once)
		}
		if names(again.root) != names(d.root) {
			t.Fatalf("canonical form reads differently:\n%s\n%s", names(again.root), names(d.root))
		}
		twice, _ := c14n{exclusive: true}.write(again.root, nil)
		if !bytes.Equal(once, twice) {
			t.Fatalf("once  %s\ntwice %s", once, twice)
		}
		pretty(d.root)
	})
}

// names writes the elements, attributes and text of a tree with their namespaces.
func names(n *node) string {
	var b strings.Builder
	var walk func(n *node)
	walk = func(n *node) {
		b.WriteString("<" + n.space + " " + n.local)
		for _, a := range n.attrs {
			b.WriteString("|" + a.space + " " + a.local + "=" + a.value)
		}
		b.WriteByte('>')
		for _, k := range n.kids {
			switch k.kind {
			case elementNode:
				walk(k)
			case textNode:
				b.WriteString(k.text)
			}
		}
		b.WriteString("</>")
	}
	walk(n)
	return b.String()
}

func decoded(t *testing.T, raw []byte) string {
	var b strings.Builder
	d := xml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(raw, []byte("\uFEFF"))))
	depth := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return b.String()
		}
		if err != nil {
			t.Fatalf("the standard library refuses: %v", err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			depth++
			b.WriteString("<" + token.Name.Space + " " + token.Name.Local)
			var attrs []attr
			for _, a := range token.Attr {
				if a.Name.Space != "xmlns" && (a.Name.Space != "" || a.Name.Local != "xmlns") {
					if a.Name.Space == "xml" {
						a.Name.Space = nsXML
					}
					attrs = append(attrs, attr{"", a.Name.Local, a.Name.Space, a.Value})
				}
			}
			for len(attrs) > 0 { // in canonical order
				least := 0
				for i := range attrs {
					if compareAttrs(attrs[i], attrs[least]) < 0 {
						least = i
					}
				}
				b.WriteString("|" + attrs[least].space + " " + attrs[least].local + "=" + attrs[least].value)
				attrs = append(attrs[:least], attrs[least+1:]...)
			}
			b.WriteByte('>')
		case xml.EndElement:
			depth--
			b.WriteString("</>")
		case xml.CharData:
			if depth > 0 {
				b.Write(token)
			}
		}
	}
}

func FuzzReadMetadata(f *testing.F) {
	f.Add([]byte(idpMetadata(idpEntity, theIdP(), curvedIdP())), "")
	f.Add([]byte(signedMetadata(theIdP(), theIdP())), pinOf(theIdP()))
	f.Add([]byte(`<md:EntitiesDescriptor xmlns:md="`+nsMD+`">`+idpMetadata(idpEntity, theIdP())+`</md:EntitiesDescriptor>`), "")
	signed := idpMetadata(idpEntity, theIdP())
	f.Fuzz(func(t *testing.T, raw []byte, pin string) {
		p, err := ReadMetadata(raw, "", pin, noon)
		if err != nil {
			if account.KindOf(err) != account.Invalid || strings.Contains(err.Error(), "panic") {
				t.Fatal(err)
			}
			return
		}
		if p.EntityID == "" || len(p.Certificates) == 0 || p.SSORedirect+p.SSOPost == "" || len(p.Certificates) > maxKeys {
			t.Fatalf("half a provider: %+v", p)
		}
		for _, u := range []string{p.SSORedirect, p.SSOPost, p.SLORedirect, p.SLOPost} {
			if u != "" && !endpointURL(u) {
				t.Fatalf("the address %q", u)
			}
		}
		if pin == pinOf(theIdP()) && (!p.Signed || p.EntityID != idpEntity || !strings.Contains(signed, p.SSORedirect)) {
			t.Fatalf("under the pin: %+v", p)
		}
		Refresh(account.SAMLSettings{}, p)
	})
}

func FuzzLogout(f *testing.F) {
	w := newWorld()
	f.Add([]byte(stamper{}.sign(logoutXML, "_l1")), "")
	f.Add([]byte(logoutXML), "")
	out, err := StartLogout(idpSide(), ourSide(false), LogoutRequest{ID: "_l1", Now: noon, NameID: account.NameID{Value: "u-4711"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(nil), incoming(out).RawQuery)
	f.Fuzz(func(t *testing.T, posted []byte, query string) {
		in := Incoming{RawQuery: query}
		if query == "" {
			in.Form = url.Values{"SAMLRequest": {b64(string(posted))}}
		}
		request, answer, err := ReadLogout(w.sp, *w.settings.SAML, in, noon)
		if err != nil {
			var r *account.Refusal
			if !errors.As(err, &r) || r.Code == "internal" {
				t.Fatal(err)
			}
			return
		}
		if answer != nil || request.NameID.Value != "u-4711" || request.ID != "_l1" {
			t.Fatalf("%+v, %+v", request, answer)
		}
	})
}

func FuzzPeek(f *testing.F) {
	f.Add(b64(signedResponse()))
	f.Fuzz(func(t *testing.T, raw string) {
		if id, err := Peek(raw); err != nil && id != "" {
			t.Fatal(id)
		}
	})
}
