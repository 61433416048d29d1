package account

import (
	"slices"
	"testing"
)

var tools = Catalogue{Services: []Service{
	{ID: "ai_enterprise", Label: "AI Enterprise", Roles: []ServiceRole{{ID: "viewer", Label: "Viewer", Actions: []string{"View the catalogue", "Pull the catalogue"}}}},
	{ID: "private_registry", Label: "Private Registry", Roles: []ServiceRole{
		{ID: "user", Label: "User", Actions: []string{"Push to the org's registry", "Pull from the org's registry"}},
		{ID: "admin", Label: "Admin", Admin: true, Actions: []string{"Push to the org's registry", "Pull from the org's registry", "Delete from the org's registry"}}}},
	{ID: "api_endpoints", Label: "Endpoints", KeyRole: "user", Roles: []ServiceRole{{ID: "user", Label: "User"}, {ID: "viewer", Label: "Viewer"}, {ID: "admin", Label: "Admin", Admin: true}}},
}}

// REQ D-12
func TestABundleOfRolesIsWhatItsRolesLetDo(t *testing.T) {
	for _, c := range []struct{ roles, actions []string }{
		{[]string{"private_registry:user", "ai_enterprise:viewer"}, []string{"View the catalogue", "Pull the catalogue", "Push to the org's registry", "Pull from the org's registry"}},
		{[]string{"private_registry:admin", "private_registry:user"}, []string{"Push to the org's registry", "Pull from the org's registry", "Delete from the org's registry"}},
		{[]string{"owner", "nothing:user"}, []string{}},
		{nil, []string{}},
	} {
		var roles []Role
		for _, r := range c.roles {
			roles = append(roles, Role(r))
		}
		if got := tools.Actions(roles...); !slices.Equal(got, c.actions) {
			t.Errorf("%v let do %v", c.roles, got)
		}
	}
}

// REQ D-14
func TestAServiceWithAKeyRoleIsNotForEverybodysKeys(t *testing.T) {
	org := Org{ID: "org_1", Services: []string{"private_registry", "api_endpoints"}}
	for _, c := range []struct {
		held    []Held
		allowed bool
	}{
		{nil, false},
		{[]Held{{Scope: Scope{Org: "org_1"}, Role: "private_registry:admin"}}, false},
		{[]Held{{Scope: Scope{Org: "org_1"}, Role: "api_endpoints:viewer"}}, false},
		{[]Held{{Scope: Scope{Org: "org_2"}, Role: "api_endpoints:user"}}, false},
		{[]Held{{Scope: Scope{Org: "org_1"}, Role: "api_endpoints:user"}}, true},
		{[]Held{{Scope: Scope{Org: "org_1", Team: "team_1"}, Role: "api_endpoints:user"}}, true},
		{[]Held{{Scope: Scope{Org: "org_1"}, Role: "api_endpoints:admin"}}, true},
	} {
		got := tools.KeyServices(org, c.held)
		if len(got) != 2 || !got[0].Allowed || got[0].Service.ID != "private_registry" || got[1].Allowed != c.allowed || (got[1].Reason == "") != c.allowed {
			t.Errorf("%+v: %+v", c.held, got)
		}
	}
}

func TestNamesAreFoldedAsTheyAreSearched(t *testing.T) {
	for s, want := range map[string]string{"José  NÚÑEZ": "jose nunez", " Ana\tRuiz ": "ana ruiz", "Łódź": "łodz", "ＡＢ": "ab", "": "", "\xff": "\uFFFD"} {
		if got := Fold(s); got != want {
			t.Errorf("%q is folded to %q", s, got)
		}
	}
	if key, search := SortKeys("ana@acme.example", ""); key != "ana@acme.example" || search != " ana@acme.example" {
		t.Errorf("%q %q", key, search)
	}
}

func FuzzFold(f *testing.F) {
	f.Add("José")
	f.Fuzz(func(t *testing.T, s string) {
		once := Fold(s)
		if len(once) > maxFolded {
			t.Errorf("%q stays %d bytes long", s, len(once))
		}
		_, _ = SortKeys(s, s)
	})
}
