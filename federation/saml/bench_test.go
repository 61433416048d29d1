package saml

import (
	"encoding/xml"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	crewjam "github.com/crewjam/saml"
	dsig "github.com/russellhaering/goxmldsig"
)

// groupsXML is a group attribute with n values.
func groupsXML(n int) string {
	var b strings.Builder
	b.WriteString(`<saml:Attribute Name="groups">`)
	for i := range n {
		fmt.Fprintf(&b, `<saml:AttributeValue>g%d</saml:AttributeValue>`, i)
	}
	b.WriteString(`</saml:Attribute>`)
	return b.String()
}

// typicalResponse is what providers send: about 5 kB, 20 typed group values, the assertion signed by RSA-2048.
func typicalResponse() string {
	const head = `<saml:Attribute Name="groups" NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:unspecified">`
	var b strings.Builder
	b.WriteString(head)
	for i := range 20 {
		fmt.Fprintf(&b, `<saml:AttributeValue xsi:type="xs:string">engineering-%02d</saml:AttributeValue>`, i)
	}
	b.WriteString(`</saml:Attribute>`)
	return edit(`<saml:Attribute Name="groups"><saml:AttributeValue>eng-admins</saml:AttributeValue><saml:AttributeValue>Eng Ops</saml:AttributeValue></saml:Attribute>`, b.String(),
		`<saml:AttributeStatement>`, `<saml:AttributeStatement xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">`)
}

// library is crewjam's service provider for the same connection. Its settings are package globals.
func library(tb testing.TB, keys ...idpKey) *crewjam.ServiceProvider {
	if len(keys) == 0 {
		keys = []idpKey{theIdP()}
	}
	was, clock, delay := crewjam.TimeNow, crewjam.Clock, crewjam.MaxIssueDelay
	crewjam.TimeNow = func() time.Time { return noon }
	crewjam.Clock = dsig.NewFakeClockAt(noon)
	crewjam.MaxIssueDelay = 10 * time.Minute
	tb.Cleanup(func() { crewjam.TimeNow, crewjam.Clock, crewjam.MaxIssueDelay = was, clock, delay })
	metadata := idpMetadata(idpEntity, keys...)
	sp := &crewjam.ServiceProvider{EntityID: spEntity, IDPMetadata: &crewjam.EntityDescriptor{}}
	if err := xml.Unmarshal([]byte(metadata), sp.IDPMetadata); err != nil {
		tb.Fatal(err)
	}
	acs, _ := url.Parse(spACS)
	sp.AcsURL = *acs
	key, err := privateKey(ourKey())
	if err != nil {
		tb.Fatal(err)
	}
	sp.Key = key
	return sp
}

var spACSURL = func() url.URL { u, _ := url.Parse(spACS); return *u }()

// BenchmarkJudge prints, beside its own time, how often it fits into the library's bare parse of the
// same response, measured in the same run.
func BenchmarkJudge(b *testing.B) {
	response := typicalResponse()
	w, field := newWorld(), b64(response)
	sp := library(b)
	if j := w.judgeField(field); j.Refusal != nil {
		b.Fatal(j.Refusal)
	}
	const rounds = 100
	began := time.Now()
	for range rounds {
		if _, err := sp.ParseXMLResponse([]byte(response), []string{requestID}, spACSURL); err != nil {
			b.Fatal(err.(*crewjam.InvalidResponseError).PrivateErr)
		}
	}
	bare := time.Since(began) / rounds
	b.SetBytes(int64(len(response)))
	b.ReportAllocs()
	for b.Loop() {
		w.judgeField(field)
	}
	b.ReportMetric(float64(bare)/(float64(b.Elapsed())/float64(b.N)), "x-faster-than-library")
}

func BenchmarkCrewjamParse(b *testing.B) {
	response := []byte(typicalResponse())
	sp := library(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := sp.ParseXMLResponse(response, []string{requestID}, spACSURL); err != nil {
			b.Fatal(err.(*crewjam.InvalidResponseError).PrivateErr)
		}
	}
}

func BenchmarkJudge15000Groups(b *testing.B) {
	w, field := newWorld(), b64(edit(`<saml:Attribute Name="groups"><saml:AttributeValue>eng-admins</saml:AttributeValue><saml:AttributeValue>Eng Ops</saml:AttributeValue></saml:Attribute>`, groupsXML(15_000)))
	for b.Loop() {
		if j := w.judgeField(field); j.Refusal != nil {
			b.Fatal(j.Refusal)
		}
	}
}

func BenchmarkJudgeEncrypted(b *testing.B) {
	w, field := newWorld(), b64(encryptedResponse(encrypter{}))
	for b.Loop() {
		if j := w.judgeField(field); j.Refusal != nil {
			b.Fatal(j.Refusal)
		}
	}
}

func BenchmarkStart(b *testing.B) {
	w := newWorld()
	for b.Loop() {
		if _, err := Start(w.sp, *w.settings.SAML, AuthnRequest{ID: requestID, Now: noon, RelayState: "abc"}); err != nil {
			b.Fatal(err)
		}
	}
}
