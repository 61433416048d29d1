package sim_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/drawbridge-id/drawbridge/test/sim"
)

// check lets go-oidc judge an ID token.
func check(tn *sim.Tenant, token string) (*oidc.IDToken, error) {
	var set oidc.StaticKeySet
	for _, k := range tn.Keys() {
		if k.Published {
			set.PublicKeys = append(set.PublicKeys, k.Signer.Public())
		}
	}
	v := oidc.NewVerifier(tn.Issuer(), &set, &oidc.Config{ClientID: "drawbridge", Now: func() time.Time { return at },
		SupportedSigningAlgs: []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}})
	return v.Verify(context.Background(), token)
}

func idToken(t testing.TB, tn *sim.Tenant, in sim.IDTokenRequest, faults ...sim.Fault) (string, map[string]any) {
	t.Helper()
	token, err := tn.IDToken("amy@acme.example", in, faults...)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var c map[string]any
	if err := json.Unmarshal(payload, &c); err != nil {
		t.Fatal(err)
	}
	return token, c
}

func TestEveryAlgorithmVerifies(t *testing.T) {
	tn := company(t, sim.Generic)
	for _, alg := range []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"} {
		token, _ := idToken(t, tn, sim.IDTokenRequest{Alg: alg, Nonce: "n-1", AccessToken: "at"})
		got, err := check(tn, token)
		if err != nil {
			t.Errorf("%s: %v", alg, err)
			continue
		}
		if got.Nonce != "n-1" || alg != "EdDSA" && got.VerifyAccessToken("at") != nil {
			t.Errorf("%s: nonce %q, at_hash %q", alg, got.Nonce, got.AccessTokenHash)
		}
	}
}

func TestTokenFaultsAreRefusedByGoOIDC(t *testing.T) {
	tn := company(t, sim.Generic)
	for _, f := range []sim.Fault{sim.WrongIssuer, sim.WrongAudience, sim.Expired, sim.NotYetValid, sim.WrongKey, sim.Tampered, sim.AlgNone, sim.HS256,
		sim.HeaderJWK, sim.CritHeader, sim.NoExp} {
		token, _ := idToken(t, tn, sim.IDTokenRequest{}, f)
		if _, err := check(tn, token); err == nil {
			t.Errorf("%s was accepted", f)
		}
	}
}

func TestTokenFaultsChangeWhatTheySay(t *testing.T) {
	claim := func(d sim.Dialect, f sim.Fault, name string) string {
		_, c := idToken(t, company(t, d), sim.IDTokenRequest{Nonce: "n", AccessToken: "at"}, f)
		if v, ok := c[name]; ok {
			return fmt.Sprint(v)
		}
		return "(none)"
	}
	for _, c := range []struct {
		dialect     sim.Dialect
		fault       sim.Fault
		claim, want string
	}{
		{sim.Generic, sim.WrongNonce, "nonce", "nonce-of-another-sign-in"},
		{sim.Generic, sim.NoNonce, "nonce", "(none)"},
		{sim.Generic, sim.NoSub, "sub", "(none)"},
		{sim.Generic, sim.NoIat, "iat", "(none)"},
		{sim.Generic, sim.WrongAZP, "azp", "another-client"},
		{sim.Generic, sim.ExtraAudience, "aud", "[drawbridge another-client]"},
		{sim.Generic, sim.NoGroups, "groups", "(none)"},
		{sim.Generic, sim.EmptyGroups, "groups", "[]"},
		{sim.Generic, sim.NoEmail, "email", "(none)"},
		{sim.Generic, sim.OtherDomain, "email", "amy@elsewhere.example"},
		{sim.Generic, sim.EmailUnverified, "email_verified", "false"},
		{sim.Google, sim.WrongHD, "hd", "elsewhere.example"},
		{sim.Generic, sim.LogoutAsIDToken, "events", "map[http://schemas.openid.net/event/backchannel-logout:map[]]"},
	} {
		if got := claim(c.dialect, c.fault, c.claim); got != c.want {
			t.Errorf("%s: %s is %q, want %q", c.fault, c.claim, got, c.want)
		}
	}
	if claim(sim.Generic, sim.WrongAtHash, "at_hash") == claim(sim.Generic, sim.NoGroups, "at_hash") {
		t.Error("wrong-at-hash left at_hash as it was")
	}
	if claim(sim.Entra, sim.WrongTenantID, "tid") == claim(sim.Entra, sim.NoGroups, "tid") {
		t.Error("wrong-tid left tid as it was")
	}
}

func TestTokenHabits(t *testing.T) {
	claims := func(d sim.Dialect, n string, change ...func(*sim.TenantConfig)) (*sim.Tenant, map[string]any) {
		tn := company(t, d, change...)
		var faults []sim.Fault
		if n != "" {
			faults = append(faults, sim.ManyGroups.With(n))
		}
		_, c := idToken(t, tn, sim.IDTokenRequest{}, faults...)
		return tn, c
	}
	t.Run("Entra", func(t *testing.T) {
		tn, c := claims(sim.Entra, "")
		u, _ := tn.User("amy@acme.example")
		if c["oid"] != u.ID || c["sub"] == u.ID || c["tid"] != tn.Config().TenantID || c["ver"] != "2.0" || c["xms_edov"] != true {
			t.Errorf("%v", c)
		}
		if _, has := c["email_verified"]; has {
			t.Error("Entra sends no email_verified")
		}
		if !strings.HasSuffix(tn.Issuer(), "/v2.0") {
			t.Error(tn.Issuer())
		}
		v1, c := claims(sim.Entra, "", func(c *sim.TenantConfig) { c.EntraV1 = true })
		if c["ver"] != "1.0" || c["upn"] != "amy@acme.example" || !strings.HasSuffix(v1.Issuer(), "/") {
			t.Errorf("version 1: %v", c)
		}
		for n, overage := range map[string]bool{"198": false, "199": true} {
			_, c := claims(sim.Entra, n)
			_, names := c["_claim_names"]
			_, groups := c["groups"]
			if names != overage || groups == overage {
				t.Errorf("with %s more: _claim_names %v, groups %v", n, names, groups)
			}
		}
	})
	t.Run("Okta", func(t *testing.T) {
		tn, c := claims(sim.Okta, "")
		if c["email"] != nil || c["groups"] != nil {
			t.Errorf("the ID token is not thin: %v", c)
		}
		info, err := tn.Userinfo("amy@acme.example", "drawbridge", sim.ManyGroups.With("200"))
		if err != nil || len(info["groups"].([]string)) != sim.OktaGroupLimit || info["sub"] != c["sub"] {
			t.Errorf("userinfo %v, %v", info, err)
		}
	})
	t.Run("Google", func(t *testing.T) {
		_, c := claims(sim.Google, "")
		if c["hd"] != "acme.example" || c["groups"] != nil {
			t.Errorf("%v", c)
		}
	})
	t.Run("Keycloak", func(t *testing.T) {
		_, c := claims(sim.Keycloak, "")
		if !reflect.DeepEqual(c["groups"], []any{"/eng", "/registry <admins>"}) || c["realm_access"] == nil {
			t.Errorf("%v", c)
		}
	})
	t.Run("AD FS", func(t *testing.T) {
		_, c := claims(sim.ADFS, "")
		if c["email"] != nil || c["upn"] != "amy@acme.example" {
			t.Errorf("%v", c)
		}
	})
	t.Run("Ping", func(t *testing.T) {
		if _, c := claims(sim.Ping, ""); c["email_verified"] != "true" {
			t.Errorf("%v", c)
		}
	})
}

func TestGroupShapes(t *testing.T) {
	want := map[string]string{
		"array": `["eng","ops"]`, "single": `["eng","ops"]`, "string": `"eng"`, "comma": `"eng,ops"`, "space": `"eng ops"`,
		"json": `"[\"eng\",\"ops\"]"`, "null": `null`, "object": `{"eng":true,"ops":true}`,
	}
	for _, shape := range sim.GroupShapes() {
		tn := company(t, sim.Generic, func(c *sim.TenantConfig) {
			c.Users[0].Groups = []string{"ops", "eng"}
			c.OIDC[0].GroupsShape, c.OIDC[0].GroupsClaim = shape, "/https:~1~1acme.example~1claims/teams"
		})
		_, c := idToken(t, tn, sim.IDTokenRequest{})
		nested, _ := c["https://acme.example/claims"].(map[string]any)
		got, err := json.Marshal(nested["teams"])
		if err != nil {
			t.Fatal(err)
		}
		if w, ok := want[shape]; ok && string(got) != w {
			t.Errorf("%s: %s, want %s", shape, got, w)
		}
		if strings.Count(string(got), ",") == 0 && (shape == "numbers" || shape == "objects") {
			t.Errorf("%s: %s", shape, got)
		}
	}
}
