package saml

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

const groupsAttribute = `<saml:Attribute Name="groups"><saml:AttributeValue>eng-admins</saml:AttributeValue><saml:AttributeValue>Eng Ops</saml:AttributeValue></saml:Attribute>`

func withGroups(t testing.TB, m account.Mapping, kind account.IdPKind, xml string) account.GroupSet {
	t.Helper()
	w := newWorld()
	w.settings.Mapping, w.settings.Kind = m, kind
	return w.accepted(t, edit(groupsAttribute, xml)).Groups
}

func attributeXML(name string, values ...string) string {
	s := `<saml:Attribute Name="` + name + `">`
	for _, v := range values {
		s += `<saml:AttributeValue>` + v + `</saml:AttributeValue>`
	}
	return s + `</saml:Attribute>`
}

// THREAT SAML-A2
// REQ L-04
// REQ L-21
// REQ T-10
func TestGroupsAreReadAsTheyAreSpelled(t *testing.T) {
	for name, c := range map[string]struct {
		mapping account.Mapping
		kind    account.IdPKind
		xml     string
		state   account.GroupState
		values  []string
	}{
		"many values":            {xml: attributeXML("groups", "a", "b"), state: account.GroupsComplete, values: []string{"a", "b"}},
		"many elements":          {xml: attributeXML("groups", "a") + attributeXML("groups", "b"), state: account.GroupsComplete, values: []string{"a", "b"}},
		"two statements":         {xml: attributeXML("groups", "a") + `</saml:AttributeStatement><saml:AttributeStatement>` + attributeXML("groups", "b"), state: account.GroupsComplete, values: []string{"a", "b"}},
		"repeated values":        {xml: attributeXML("groups", "a", "b", "a"), state: account.GroupsComplete, values: []string{"a", "b"}},
		"exact spelling":         {xml: attributeXML("groups", " A;b, c ", "a;b, c", "CN=Eng\\, Ops,DC=acme"), state: account.GroupsComplete, values: []string{" A;b, c ", "a;b, c", "CN=Eng\\, Ops,DC=acme"}},
		"present and empty":      {xml: attributeXML("groups"), state: account.GroupsComplete},
		"an empty value":         {xml: attributeXML("groups", ""), state: account.GroupsComplete},
		"a nil value":            {xml: `<saml:Attribute Name="groups"><saml:AttributeValue xmlns:xsi="` + nsXSI + `" xsi:nil="true"/></saml:Attribute>`, state: account.GroupsComplete},
		"absent":                 {xml: attributeXML("other", "a"), state: account.GroupsUnknown},
		"letter case of name":    {xml: attributeXML("Groups", "a"), state: account.GroupsComplete, values: []string{"a"}},
		"friendly name":          {xml: `<saml:Attribute Name="urn:oid:9.9" FriendlyName="Groups"><saml:AttributeValue>a</saml:AttributeValue></saml:Attribute>`, state: account.GroupsComplete, values: []string{"a"}},
		"AD FS":                  {xml: attributeXML("http://schemas.xmlsoap.org/claims/Group", "a"), kind: account.KindADFS, state: account.GroupsComplete, values: []string{"a"}},
		"Entra":                  {xml: attributeXML(entraGroups, "6b2e…"), kind: account.KindEntra, state: account.GroupsComplete, values: []string{"6b2e…"}},
		"Entra, roles only":      {xml: attributeXML(entraRole, "Admin"), kind: account.KindEntra, state: account.GroupsUnknown},
		"Entra, over 150":        {xml: attributeXML(entraOverage, "https://graph.windows.net/x/users/y/getMemberObjects"), kind: account.KindEntra, state: account.GroupsUnknown},
		"link beside groups":     {xml: attributeXML(entraOverage, "https://graph.windows.net/x") + attributeXML(entraGroups, "a"), kind: account.KindEntra, state: account.GroupsIncomplete, values: []string{"a"}},
		"mapped name":            {mapping: account.Mapping{Groups: []string{"teams", "departments"}}, xml: attributeXML("departments", "a") + attributeXML("groups", "b"), state: account.GroupsComplete, values: []string{"a"}},
		"mapped and absent":      {mapping: account.Mapping{Groups: []string{"teams"}}, xml: attributeXML("groups", "b"), state: account.GroupsUnknown},
		"delimiter":              {mapping: account.Mapping{Delimiter: ";"}, xml: attributeXML("groups", "a; b;;c"), state: account.GroupsComplete, values: []string{"a", "b", "c"}},
		"prefix":                 {mapping: account.Mapping{StripPrefix: "/"}, xml: attributeXML("groups", "/a/b", "c"), state: account.GroupsComplete, values: []string{"a/b", "c"}},
		"XML value":              {xml: `<saml:Attribute Name="groups"><saml:AttributeValue><x xmlns="urn:x">a</x></saml:AttributeValue><saml:AttributeValue>b</saml:AttributeValue></saml:Attribute>`, state: account.GroupsComplete, values: []string{"b"}},
		"more than 150, generic": {xml: groupsXML(200), state: account.GroupsComplete},
		"Google's limit":         {xml: groupsXML(75), kind: account.KindGoogle, state: account.GroupsIncomplete},
		"below Google's limit":   {xml: groupsXML(74), kind: account.KindGoogle, state: account.GroupsComplete},
	} {
		t.Run(name, func(t *testing.T) {
			g := withGroups(t, c.mapping, c.kind, c.xml)
			if g.State != c.state || c.values != nil && !slices.Equal(g.Values, c.values) || (g.State != account.GroupsComplete) != (g.Why != "") {
				t.Errorf("groups are %+v", g)
			}
			if g.Absent != strings.Contains(name, "absent") && !strings.Contains(name, "roles only") {
				t.Errorf("absent is %v", g.Absent)
			}
		})
	}
}

// THREAT SAML-A2
// THREAT SAML-D2
func TestFifteenThousandGroupsHold(t *testing.T) {
	for _, n := range []int{1000, 1200, 15_000} {
		began := time.Now()
		g := withGroups(t, account.Mapping{}, account.KindGeneric, groupsXML(n))
		if len(g.Values) != n || g.Values[n-1] != fmt.Sprintf("g%d", n-1) || g.State != account.GroupsComplete {
			t.Errorf("%d of %d groups", len(g.Values), n)
		}
		// The race detector, which runs the short tests, makes it fifty times as long.
		if took := time.Since(began); took > 10*time.Second && !testing.Short() {
			t.Errorf("%d groups took %s", n, took)
		}
	}
}

// THREAT SAML-N1
// THREAT SAML-N2
func TestTheAddressIsFoundWhereProvidersPutIt(t *testing.T) {
	const mail = `<saml:Attribute Name="email"><saml:AttributeValue xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="xs:string">Ana@acme.example</saml:AttributeValue></saml:Attribute>`
	for name, c := range map[string]struct {
		mapping account.Mapping
		nameID  string
		xml     string
		email   string
	}{
		"emailaddress claim":  {xml: attributeXML(claimsXMLSoap+"emailaddress", "a@acme.example"), email: "a@acme.example"},
		"mail":                {xml: attributeXML("mail", "a@acme.example"), email: "a@acme.example"},
		"oid":                 {xml: attributeXML("urn:oid:0.9.2342.19200300.100.1.3", "a@acme.example"), email: "a@acme.example"},
		"User.email":          {xml: attributeXML("User.email", "a@acme.example"), email: "a@acme.example"},
		"upn":                 {xml: attributeXML(claimsXMLSoap+"upn", "a@acme.example"), email: "a@acme.example"},
		"mail beside upn":     {xml: attributeXML(claimsXMLSoap+"upn", "b@acme.example") + attributeXML("mail", "a@acme.example"), email: "a@acme.example"},
		"name id":             {nameID: "A@ACME.example", email: "a@acme.example"},
		"blank then name id":  {nameID: "a@acme.example", xml: attributeXML("mail", " "), email: "a@acme.example"},
		"guest of Entra":      {nameID: "a_globex.example#EXT#@acme.example"},
		"domain account":      {nameID: `ACME\ana`},
		"mapped":              {mapping: account.Mapping{Email: []string{"work"}}, xml: attributeXML("mail", "b@acme.example") + attributeXML("Work", "a@acme.example"), email: "a@acme.example"},
		"mapped, absent":      {mapping: account.Mapping{Email: []string{"work"}}, xml: attributeXML("mail", "b@acme.example")},
		"no Unicode folding":  {xml: attributeXML("mail", "\u212Aim@acme.example"), email: "\u212Aim@acme.example"},
		"in two statements":   {xml: attributeXML("x", "y") + `</saml:AttributeStatement><saml:AttributeStatement>` + attributeXML("mail", "a@acme.example"), email: "a@acme.example"},
		"NameFormat whatever": {xml: `<saml:Attribute Name="mail" NameFormat="urn:x"><saml:AttributeValue>a@acme.example</saml:AttributeValue></saml:Attribute>`, email: "a@acme.example"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.settings.Mapping = c.mapping
			pairs := []string{mail, c.xml}
			if c.nameID != "" {
				pairs = append(pairs, nameIDXML, `<saml:NameID>`+c.nameID+`</saml:NameID>`)
			}
			if login := w.accepted(t, edit(pairs...)); login.Email != c.email {
				t.Errorf("the address is %q, expected %q", login.Email, c.email)
			}
		})
	}
}

func TestTheSubjectIsWhatStaysTheSame(t *testing.T) {
	entra := attributeXML(entraTenant, "B1A2-TENANT") + attributeXML(entraObject, "6B2E-OBJECT")
	for name, c := range map[string]struct {
		kind    account.IdPKind
		mapping account.Mapping
		nameID  string
		xml     string
		subject string
	}{
		"persistent":            {nameID: nameIDXML, subject: "u-4711"},
		"qualified":             {nameID: `<saml:NameID Format="` + formatPersistent + `" NameQualifier="https://idp" SPNameQualifier="https://sp">x</saml:NameID>`, subject: "https://idp!https://sp!x"},
		"half qualified":        {nameID: `<saml:NameID Format="` + formatPersistent + `" SPNameQualifier="https://sp">x</saml:NameID>`, subject: "!https://sp!x"},
		"address":               {nameID: `<saml:NameID Format="` + formatEmail + `">Ana@ACME.example</saml:NameID>`, subject: "ana@acme.example"},
		"no format":             {nameID: `<saml:NameID>6b2e</saml:NameID>`, subject: "6b2e"},
		"white space around":    {nameID: "<saml:NameID>\n  6b2e\n</saml:NameID>", subject: "6b2e"},
		"Entra":                 {kind: account.KindEntra, nameID: nameIDXML, xml: entra, subject: "b1a2-tenant/6b2e-object"},
		"Entra, mapped":         {kind: account.KindEntra, mapping: account.Mapping{Subject: []string{"employee"}}, nameID: nameIDXML, xml: entra + attributeXML("employee", "7"), subject: "7"},
		"Entra by another kind": {kind: account.KindGeneric, nameID: nameIDXML, xml: entra, subject: "b1a2-tenant/6b2e-object"},
		"mapped":                {mapping: account.Mapping{Subject: []string{"employee"}}, nameID: nameIDXML, xml: entra + attributeXML("employee", "7"), subject: "7"},
		"mapped, no name id":    {mapping: account.Mapping{Subject: []string{"employee"}}, xml: attributeXML("employee", "7"), subject: "7"},
		"mapped, transient":     {mapping: account.Mapping{Subject: []string{"employee"}}, nameID: `<saml:NameID Format="` + formatTransient + `">x</saml:NameID>`, xml: attributeXML("employee", "7"), subject: "7"},
		"mapped, absent":        {mapping: account.Mapping{Subject: []string{"employee"}}, nameID: nameIDXML},
		"mapped, several":       {mapping: account.Mapping{Subject: []string{"employee"}}, nameID: nameIDXML, xml: attributeXML("employee", "7", "8")},
		"Entra, two tenants":    {kind: account.KindEntra, xml: entra + attributeXML(entraTenant, "other")},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.settings.Kind, w.settings.Mapping = c.kind, c.mapping
			xml := edit(nameIDXML, c.nameID, groupsAttribute, groupsAttribute+c.xml)
			if c.subject == "" {
				w.refused(t, xml, "subject_missing")
				return
			}
			if login := w.accepted(t, xml); login.Subject != c.subject {
				t.Errorf("the subject is %q, expected %q", login.Subject, c.subject)
			}
		})
	}
}

// SC §2.7.3.2
func TestEncryptedAttributesAreLeftOutAndSaidSo(t *testing.T) {
	j := newWorld().judge(edit("</saml:AttributeStatement>", encrypter{}.element("EncryptedAttribute", attributeXML("groups", "x"))+"</saml:AttributeStatement>"))
	if j.Login == nil || find(j, "attributes_encrypted") == nil || len(j.Login.Groups.Values) != 2 {
		t.Errorf("%v, %+v", j.Refusal, j.Checks)
	}
	if g := withGroups(t, account.Mapping{}, account.KindGeneric, encrypter{}.element("EncryptedAttribute", attributeXML("groups", "x"))); g.State != account.GroupsUnknown || g.Absent {
		t.Errorf("groups that may be encrypted are %+v", g)
	}
}

// THREAT SAML-A1
func TestNamesAndOddValuesAreShown(t *testing.T) {
	w := newWorld()
	xml := edit(attributeXML("displayName", "Ana Ruiz"), attributeXML("givenName", "Ana")+attributeXML("sn", "Ruiz")+
		`<saml:Attribute Name="token"><saml:AttributeValue><x xmlns="urn:x" a="&lt;b&gt;">1 &lt; 2</x></saml:AttributeValue></saml:Attribute>`)
	j := w.judge(xml)
	if j.Login == nil || j.Login.Name != "Ana Ruiz" {
		t.Fatalf("login is %+v, %v", j.Login, j.Refusal)
	}
	i := slices.IndexFunc(j.Claims, func(c account.Claim) bool { return c.Name == "token" })
	if want := `<x xmlns="urn:x" a="&lt;b&gt;">1 &lt; 2</x>`; len(j.Claims[i].Values) != 1 || j.Claims[i].Values[0] != want {
		t.Errorf("the value is shown as %q", j.Claims[i].Values)
	}
}

// THREAT SAML-D2: thousands of attributes under one friendly name are read in one pass.
func TestManyAttributesOfOneFriendlyNameCostNoSquare(t *testing.T) {
	var list attributes
	for i := range 4000 {
		list = append(list, &attribute{name: fmt.Sprint("a", i), friendly: "groups", values: []string{fmt.Sprint("g", i)}})
	}
	first := list[0].values
	var values []string
	grown := testing.AllocsPerRun(1, func() { values, _, _ = list.find([]string{"groups"}) })
	if len(values) != 4000 || grown > 100 {
		t.Errorf("%d values, %.0f allocations", len(values), grown)
	}
	if len(first) != 1 || first[0] != "g0" {
		t.Errorf("%q", first)
	}
}
