package saml

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	crewjam "github.com/crewjam/saml"

	"github.com/drawbridge-id/drawbridge/account"
)

// THREAT SAML-M1
func TestOurMetadataNamesBothKeysAndWhatWeOpen(t *testing.T) {
	w := newWorld()
	w.sp.Keys = []account.SPKey{ourOtherKey(), ourKey()}
	raw, err := Metadata(w.sp, &account.SAMLSettings{SignRequests: true}, noon)
	if err != nil {
		t.Fatal(err)
	}
	var m crewjam.EntityDescriptor
	if err := xml.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	role := m.SPSSODescriptors[0]
	if m.EntityID != spEntity || !*role.WantAssertionsSigned || !*role.AuthnRequestsSigned || role.AssertionConsumerServices[0].Location != spACS ||
		role.AssertionConsumerServices[0].Binding != bindingPOST || len(role.SingleLogoutServices) != 2 || len(role.NameIDFormats) != 0 {
		t.Errorf("metadata is %s", raw)
	}
	if len(role.KeyDescriptors) != 4 || role.KeyDescriptors[0].Use != "signing" || role.KeyDescriptors[2].Use != "encryption" {
		t.Fatalf("keys are %+v", role.KeyDescriptors)
	}
	first, err := account.ParseCertificate(role.KeyDescriptors[0].KeyInfo.X509Data.X509Certificates[0].Data)
	if err != nil || account.PEM(first) != ourKey().Certificate {
		t.Error("the active key does not stand first")
	}
	if !strings.Contains(string(raw), "aes256-gcm") || strings.Contains(string(raw), "-cbc") || strings.Contains(string(raw), "PRIVATE") {
		t.Errorf("metadata is %s", raw)
	}
	raw, err = Metadata(SP{EntityID: spEntity, ACS: spACS, Keys: []account.SPKey{spKeyOf(curvedIdP())}}, &account.SAMLSettings{NameIDFormat: formatPersistent, AllowCBC: true}, noon)
	if err != nil || strings.Contains(string(raw), "SingleLogout") || !strings.Contains(string(raw), formatPersistent) || strings.Contains(string(raw), `use="encryption"`) {
		t.Errorf("%v: %s", err, raw)
	}
	if _, err := Metadata(SP{EntityID: spEntity, ACS: spACS}, nil, noon); err != nil {
		t.Error(err)
	}
}

func pinOf(k idpKey) string {
	s := sha256.Sum256(k.cert.Raw)
	return hex.EncodeToString(s[:])
}

func signedMetadata(k, by idpKey) string {
	return stamper{key: by, place: func(xml, sig string) string { return strings.Replace(xml, "<md:IDPSSO", sig+"<md:IDPSSO", 1) }}.sign(idpMetadata(idpEntity, k), "_metadata1")
}

func TestAProviderIsReadFromItsMetadata(t *testing.T) {
	p, err := ReadMetadata([]byte(idpMetadata(idpEntity, theIdP(), otherIdP())), "", "", noon)
	if err != nil {
		t.Fatal(err)
	}
	if p.EntityID != idpEntity || p.SSORedirect != "https://idp.acme.example/sso" || p.SSOPost != "https://idp.acme.example/sso/post" ||
		p.SLORedirect != "https://idp.acme.example/slo" || p.SLOPost != "" || len(p.Certificates) != 2 || !p.WantsSignedRequests || len(p.Hash) != 64 || p.Signed {
		t.Errorf("provider is %+v", p)
	}
}

// THREAT SAML-M2
func TestMetadataThatNobodyShouldTrustIsRefused(t *testing.T) {
	good := idpMetadata(idpEntity, theIdP())
	aggregate := func(entities string) string {
		return `<md:EntitiesDescriptor xmlns:md="` + nsMD + `">` + entities + `</md:EntitiesDescriptor>`
	}
	globex := strings.ReplaceAll(idpMetadata("https://idp.globex.example", otherIdP()), "_metadata1", "_metadata2")
	sp, _ := Metadata(newWorld().sp, nil, noon)
	for name, c := range map[string]struct {
		xml, entity, pin string
		ok               bool
	}{
		"usual":                               {good, "", "", true},
		"wanted":                              {good, idpEntity, "", true},
		"another one":                         {good, "https://idp.globex.example", "", false},
		"wanted of an aggregate":              {aggregate(globex + good), idpEntity, "", true},
		"nested aggregate":                    {aggregate(aggregate(globex) + good), idpEntity, "", true},
		"ambiguous":                           {aggregate(globex + good), "", "", false},
		"the same twice":                      {aggregate(good + strings.ReplaceAll(good, "_metadata1", "_metadata3")), idpEntity, "", false},
		"one provider beside an SP":           {aggregate(good + string(sp)), "", "", true},
		"a service provider's":                {string(sp), "", "", false},
		"not metadata":                        {signedResponse(), "", "", false},
		"HTML":                                {"<!DOCTYPE html><html></html>", "", "", false},
		"empty":                               {"", "", "", false},
		"doctype":                             {"<!DOCTYPE x [<!ENTITY y SYSTEM 'file:///etc/passwd'>]>" + good, "", "", false},
		"no key":                              {idpMetadata(idpEntity), "", "", false},
		"encryption key only":                 {strings.ReplaceAll(good, `use="signing"`, `use="encryption"`), "", "", false},
		"key without use":                     {strings.ReplaceAll(good, ` use="signing"`, ``), "", "", true},
		"javascript":                          {strings.ReplaceAll(good, "https://idp.acme.example/sso", "javascript:alert(1)//"), "", "", false},
		"http":                                {strings.ReplaceAll(good, "https://idp.acme.example/sso", "http://idp.acme.example/sso"), "", "", false},
		"http on this machine":                {strings.ReplaceAll(good, "https://idp.acme.example/sso", "http://127.0.0.1:8080/sso"), "", "", true},
		"credentials in the address":          {strings.ReplaceAll(good, "https://idp.acme.example/sso", "https://a:b@idp.acme.example/sso"), "", "", false},
		"no address":                          {strings.ReplaceAll(good, "SingleSignOnService", "NameIDMappingService"), "", "", false},
		"another protocol":                    {strings.ReplaceAll(good, nsSAMLP, "urn:oasis:names:tc:SAML:1.1:protocol"), "", "", false},
		"still valid":                         {strings.Replace(good, `entityID=`, `validUntil="2026-05-04T12:00:01Z" entityID=`, 1), "", "", true},
		"over":                                {strings.Replace(good, `entityID=`, `validUntil="2026-05-04T12:00:00Z" entityID=`, 1), "", "", false},
		"aggregate over":                      {strings.Replace(aggregate(good), `<md:EntitiesDescriptor `, `<md:EntitiesDescriptor validUntil="2026-05-04T11:00:00Z" `, 1), "", "", false},
		"unreadable end":                      {strings.Replace(good, `entityID=`, `validUntil="tomorrow" entityID=`, 1), "", "", false},
		"one bad certificate":                 {strings.Replace(idpMetadata(idpEntity, theIdP(), otherIdP()), "<ds:X509Certificate>MII", "<ds:X509Certificate>XXX", 1), "", "", true},
		"only bad certificates":               {strings.ReplaceAll(good, "<ds:X509Certificate>MII", "<ds:X509Certificate>XXX"), "", "", false},
		"pinned and signed":                   {signedMetadata(theIdP(), theIdP()), "", pinOf(theIdP()), true},
		"pinned with colons":                  {signedMetadata(theIdP(), theIdP()), "", strings.ToUpper(pinOf(theIdP())[:2] + ":" + pinOf(theIdP())[2:]), true},
		"pinned and unsigned":                 {good, "", pinOf(theIdP()), false},
		"pinned, another signer":              {signedMetadata(theIdP(), otherIdP()), "", pinOf(theIdP()), false},
		"pinned and changed":                  {strings.Replace(signedMetadata(theIdP(), theIdP()), "acme.example/sso", "evil.example/sso", 1), "", pinOf(theIdP()), false},
		"unpinned and changed":                {strings.Replace(signedMetadata(theIdP(), theIdP()), "acme.example/slo", "acme.example/bye", 1), "", "", true},
		"pinned entity in a forged aggregate": {aggregate(globex + signedMetadata(theIdP(), theIdP())), "https://idp.globex.example", pinOf(theIdP()), false},
	} {
		p, err := ReadMetadata([]byte(c.xml), c.entity, c.pin, noon)
		if (err == nil) != c.ok {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
		if err != nil && account.KindOf(err) != account.Invalid {
			t.Errorf("%s: the kind of %v", name, err)
		}
		if err == nil && p.Signed != (strings.Contains(c.xml, "SignatureValue") && !strings.Contains(name, "changed")) {
			t.Errorf("%s: signed is %v", name, p.Signed)
		}
	}
}

func TestOnlySignedMetadataCountsUnderAPin(t *testing.T) {
	signed := stamper{place: func(xml, sig string) string { return strings.Replace(xml, "<md:Entity", sig+"<md:Entity", 1) }}.sign(
		`<md:EntitiesDescriptor xmlns:md="`+nsMD+`" ID="_all" validUntil="2026-06-01T00:00:00Z">`+idpMetadata(idpEntity, theIdP())+`</md:EntitiesDescriptor>`, "_all")
	p, err := ReadMetadata([]byte(signed), idpEntity, pinOf(theIdP()), noon)
	if err != nil || !p.Signed || p.ValidUntil.Month() != time.June {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestMetadataIsFetchedWithinBounds(t *testing.T) {
	var answer func(http.ResponseWriter)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w) }))
	defer server.Close()
	get := func() ([]byte, error) { return FetchMetadata(context.Background(), server.Client(), server.URL) }
	answer = func(w http.ResponseWriter) { fmt.Fprint(w, idpMetadata(idpEntity, theIdP())) }
	if b, err := get(); err != nil || len(b) == 0 {
		t.Error(err)
	}
	answer = func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) }
	if _, err := get(); account.KindOf(err) != account.Unavailable {
		t.Errorf("503 gives %v", err)
	}
	answer = func(w http.ResponseWriter) {
		for range 9 {
			_, _ = w.Write(make([]byte, 1<<20))
		}
	}
	if _, err := get(); account.KindOf(err) != account.Invalid {
		t.Errorf("9 MiB give %v", err)
	}
	server.Close()
	if _, err := get(); account.KindOf(err) != account.Unavailable {
		t.Errorf("nobody there gives %v", err)
	}
	for _, bad := range []string{"http://idp.acme.example/x", "file:///etc/passwd", "javascript:x", "", "https://"} {
		if _, err := FetchMetadata(context.Background(), http.DefaultClient, bad); account.KindOf(err) != account.Invalid {
			t.Errorf("%q gives %v", bad, err)
		}
	}
}

// THREAT SAML-K3
// THREAT SAML-M2
func TestRefreshRollsKeysOverAndAsksForTheRest(t *testing.T) {
	a, b, c := account.PEM(theIdP().cert), account.PEM(otherIdP().cert), account.PEM(curvedIdP().cert)
	renewed := account.PEM(selfSigned(theIdP().key, noon, noon.AddDate(9, 0, 0)).cert)
	old := account.SAMLSettings{EntityID: idpEntity, SSORedirect: "https://idp.acme.example/sso", AllowSHA1: true}
	fresh := Provider{EntityID: idpEntity, SSORedirect: "https://idp.acme.example/sso"}
	for name, t2 := range map[string]struct {
		old, published, kept []string
		approval             bool
		changes              int
	}{
		"nothing new":       {[]string{a}, []string{a}, []string{a}, false, 0},
		"a second one":      {[]string{a}, []string{a, b}, []string{a, b}, false, 1},
		"the old one goes":  {[]string{a, b}, []string{b}, []string{b}, false, 1},
		"old kept a while":  {[]string{a, b}, []string{b, c}, []string{b, c, a}, false, 1},
		"wholly replaced":   {[]string{a}, []string{b}, []string{b, a}, true, 1},
		"renewed, same key": {[]string{a}, []string{renewed}, []string{renewed}, false, 0},
		"the first":         {nil, []string{a}, []string{a}, false, 1},
	} {
		old.Certificates, fresh.Certificates = t2.old, t2.published
		updated, changes, approval := Refresh(old, fresh)
		if strings.Join(updated.Certificates, "") != strings.Join(t2.kept, "") || approval != t2.approval || len(changes) != t2.changes {
			t.Errorf("%s: kept %d, approval %v, changes %q", name, len(updated.Certificates), approval, changes)
		}
		if !updated.AllowSHA1 {
			t.Errorf("%s: our own settings are lost", name)
		}
	}
	old.Certificates, fresh.Certificates = []string{a}, []string{a}
	for name, c := range map[string]struct {
		change   func(*Provider)
		approval bool
	}{
		"another entity":     {func(p *Provider) { p.EntityID = "https://evil.example" }, true},
		"another host":       {func(p *Provider) { p.SSORedirect = "https://evil.example/sso" }, true},
		"logout on another":  {func(p *Provider) { p.SLOPost = "https://evil.example/slo" }, true},
		"another path":       {func(p *Provider) { p.SSORedirect = "https://idp.acme.example/sso/2" }, false},
		"one more, own host": {func(p *Provider) { p.SSOPost = "https://idp.acme.example/post" }, false},
	} {
		p := fresh
		c.change(&p)
		if updated, changes, approval := Refresh(old, p); approval != c.approval || len(changes) != 1 || updated.EntityID != p.EntityID || updated.SSOPost != p.SSOPost {
			t.Errorf("%s: approval %v, changes %q", name, approval, changes)
		}
	}
	five := account.SAMLSettings{EntityID: idpEntity, SSORedirect: fresh.SSORedirect}
	for range 5 {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		five.Certificates = append(five.Certificates, account.PEM(selfSigned(k, noon, noon.AddDate(1, 0, 0)).cert))
	}
	fresh.Certificates = []string{b, five.Certificates[4]}
	if updated, _, _ := Refresh(five, fresh); len(updated.Certificates) != 5 || updated.Certificates[0] != b {
		t.Errorf("kept %d", len(updated.Certificates))
	}
}

// A connection with nothing in it takes metadata without questions.
func TestTheFirstMetadataNeedsNoApproval(t *testing.T) {
	p, err := ReadMetadata([]byte(idpMetadata(idpEntity, theIdP())), "", "", noon)
	if err != nil {
		t.Fatal(err)
	}
	updated, changes, approval := Refresh(account.SAMLSettings{}, p)
	if approval || len(changes) == 0 || updated.SSOPost == "" {
		t.Errorf("%+v, %q, %v", updated, changes, approval)
	}
}
