package world

import (
	"fmt"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/test/sim"
)

// A Company is one customer: an account whose people sign in at a simulated provider.
type Company struct {
	w          *World
	Org        string
	IdP        *sim.Tenant
	Connection account.Connection
}

// EntraTenant is the directory id of Globex.
const EntraTenant = "6f0c1d7e-2b5a-4a55-9a53-0d5b8a0c4e11"

// Object ids of Globex's groups.
const (
	GlobexEngineering = "5d0f6c2e-3a61-4c0b-9e3c-0b1a2f3c4d5e"
	GlobexLeads       = "9b8a7c6d-1e2f-4a3b-8c4d-5e6f7a8b9c0d"
)

// Acme signs in over SAML at an Okta: Ana is in eng, Ben in viewers, Cleo in no group, Olga owns the org, and
// Mallory has an address of somebody else's domain. saml is added to the connection's saml settings, for instance
// "idp_initiated: true".
func (w *World) Acme(saml ...string) *Company {
	w.Helper()
	idp := w.tenant(sim.TenantConfig{
		Name: "acme", Dialect: sim.Okta, Domain: "acme.example",
		Users: []sim.User{
			{Email: "ana@acme.example", GivenName: "Ana", FamilyName: "Ruiz", Groups: []string{"eng", "everyone"}},
			{Email: "ben@acme.example", GivenName: "Ben", FamilyName: "Okoye", Groups: []string{"viewers", "everyone"}},
			{Email: "cleo@acme.example", GivenName: "Cleo", FamilyName: "Lind", Groups: []string{"everyone"}},
			{Email: "olga@acme.example", GivenName: "Olga", FamilyName: "Holm", Groups: []string{"viewers"}},
			{Email: "mallory@globex.example", GivenName: "Mallory", FamilyName: "Outsider", Groups: []string{"eng"}},
		},
	})
	more := ""
	for _, line := range saml {
		more += "\n          " + line
	}
	w.Apply(fmt.Sprintf(`
accounts:
  - name: acme
    services: [catalog, registry, functions]
    owners: [olga@acme.example]
    teams: [{name: research}, {name: sales}]
    domains:
      - {name: acme.example, connection: okta, proved: true}
    connections:
      - name: okta
        kind: okta
        saml:
          metadata: %q%s
    rules:
      - {name: Engineering, groups: [eng], org: [catalog:reader, registry:writer], teams: {research: [functions:developer]}, state: active}
      - {name: Viewers, groups: [viewers], org: [catalog:reader], state: active}
`, w.metadata(idp), more))
	c := &Company{w: w, Org: "acme", IdP: idp, Connection: w.Connection("acme", "okta")}
	at := w.URL + "/saml/" + string(c.Connection.ID)
	w.must(idp.PutSAMLApp(sim.SAMLApp{EntityID: at + "/metadata", ACS: []string{at + "/acs"}, SLO: at + "/slo"}))
	return c
}

// Globex signs in over OpenID Connect at an Entra, which sends object ids: Gus is in engineering, Hana also leads
// research, Olaf owns the org.
func (w *World) Globex(oidc ...string) *Company {
	w.Helper()
	idp := w.tenant(sim.TenantConfig{
		Name: "globex", Dialect: sim.Entra, Domain: "globex.example", TenantID: EntraTenant,
		Groups: []sim.Group{{ID: GlobexEngineering, Name: "Engineering"}, {ID: GlobexLeads, Name: "Research leads"}},
		Users: []sim.User{
			{Email: "gus@globex.example", GivenName: "Gus", FamilyName: "Berg", Groups: []string{"Engineering"}},
			{Email: "hana@globex.example", GivenName: "Hana", FamilyName: "Sato", Groups: []string{"Engineering", "Research leads"}},
			{Email: "olaf@globex.example", GivenName: "Olaf", FamilyName: "Nyman"},
		},
	})
	more := ""
	for _, line := range oidc {
		more += "\n          " + line
	}
	w.Apply(fmt.Sprintf(`
accounts:
  - name: globex
    services: [catalog, registry]
    owners: [olaf@globex.example]
    teams: [{name: research}]
    domains:
      - {name: globex.example, connection: entra, proved: true, cut_over: true}
    connections:
      - name: entra
        kind: entra
        oidc:
          issuer: %s
          entra_tenant: %s
          client_id: drawbridge
          client_secret: between-us%s
    groups:
      - {value: %[4]s, alias: Engineering}
    rules:
      - {name: Engineers, groups: [%[4]s], org: [catalog:reader, registry:writer], state: active}
      - {name: Leads, groups: [%[5]s], account_role: admin, teams: {research: [user_admin, registry:admin]}, state: active}
`, idp.Issuer(), EntraTenant, more, GlobexEngineering, GlobexLeads))
	c := &Company{w: w, Org: "globex", IdP: idp, Connection: w.Connection("globex", "entra")}
	at := w.URL + "/oidc/" + string(c.Connection.ID)
	w.must(idp.PutOIDCApp(sim.OIDCApp{ClientID: "drawbridge", ClientSecret: "between-us", RedirectURIs: []string{at + "/callback"},
		PostLogoutURIs: []string{w.URL + "/signed-out"}, BackchannelLogoutURI: at + "/backchannel-logout"}))
	return c
}

// Initech signs in over OpenID Connect at a Keycloak, which says whether it has verified an address and names groups by their path:
// Ivy is in /staff, Otto owns the org. oidc is added to the connection's oidc settings.
func (w *World) Initech(oidc ...string) *Company {
	w.Helper()
	idp := w.tenant(sim.TenantConfig{
		Name: "initech", Dialect: sim.Keycloak, Domain: "initech.example",
		Users: []sim.User{
			{Email: "ivy@initech.example", GivenName: "Ivy", FamilyName: "Lang", Groups: []string{"staff"}},
			{Email: "otto@initech.example", GivenName: "Otto", FamilyName: "Kern"},
		},
	})
	more := ""
	for _, line := range oidc {
		more += "\n          " + line
	}
	w.Apply(fmt.Sprintf(`
accounts:
  - name: initech
    services: [catalog]
    owners: [otto@initech.example]
    domains:
      - {name: initech.example, connection: keycloak, proved: true}
    connections:
      - name: keycloak
        kind: generic
        oidc:
          issuer: %s
          client_id: drawbridge
          client_secret: between-us%s
    rules:
      - {name: Staff, groups: [/staff], org: [catalog:reader], state: active}
`, idp.Issuer(), more))
	c := &Company{w: w, Org: "initech", IdP: idp, Connection: w.Connection("initech", "keycloak")}
	at := w.URL + "/oidc/" + string(c.Connection.ID)
	w.must(idp.PutOIDCApp(sim.OIDCApp{ClientID: "drawbridge", ClientSecret: "between-us", RedirectURIs: []string{at + "/callback"},
		PostLogoutURIs: []string{w.URL + "/signed-out"}, BackchannelLogoutURI: at + "/backchannel-logout"}))
	return c
}

func (w *World) tenant(c sim.TenantConfig) *sim.Tenant {
	w.Helper()
	t, err := w.Sim.AddTenant(c)
	w.must(err)
	return t
}

func (w *World) metadata(t *sim.Tenant) string {
	w.Helper()
	xml, err := w.fetch(t.URL() + "/saml/metadata")
	w.must(err)
	return string(xml)
}

// As is a fresh browser in which user has signed in to the company.
func (c *Company) As(user string) *Browser {
	c.w.Helper()
	b := c.w.Browser(user)
	b.SignIn(c.Connection)
	if s := b.Session(); s.Status != 200 || s.User.Email != user {
		c.w.Fatalf("%s is not signed in: %+v", user, s)
	}
	return b
}
