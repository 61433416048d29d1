package sim

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

const (
	// EntraOIDCGroupLimit is the number of groups above which an Entra token carries _claim_names instead.
	EntraOIDCGroupLimit = 200
	// OktaGroupLimit is where Okta cuts the groups claim without a word.
	OktaGroupLimit = 100
)

// An oidcDialect is everything in which one provider's OpenID Connect differs from another's.
type oidcDialect struct {
	issuer      func(t *Tenant) string // absolute
	authorize   string                 // these are paths below the tenant's URL
	token       string
	userinfo    string
	jwks        string
	endSession  string // "": no RP-initiated logout
	backchannel bool   // announces back-channel logout
	authMethods []string
	scopes      []string

	subject       func(t *Tenant, u User, clientID string) string
	profile       func(t *Tenant, u User, c claims, clientID string) // identity claims
	base          func(t *Tenant, u User, c claims, clientID string) // in the ID token only
	thin          bool                                               // profile in userinfo only
	bareUserinfo  bool                                               // userinfo holds no groups
	subOnlyInfo   bool                                               // AD FS: userinfo holds sub alone
	groups        string                                             // claim; "": none, as in Google
	groupValue    groupValue
	groupsShape   string
	issParameter  bool // RFC 9207
	sessionState  bool // Keycloak's session_state in the answer
	lifetime      int  // of the ID token, seconds
	strictClient  bool // Okta: client id in the body besides basic is an error
	nbf           bool
	offlineAccess string // "scope": refresh token for offline_access; "parameter": Google's access_type=offline
}

type claims map[string]any

// set writes a claim unless the value is empty.
func (c claims) set(name, value string) {
	if value != "" {
		c[name] = value
	}
}

func (c claims) names(u User) {
	c.set("name", u.DisplayName)
	c.set("given_name", u.GivenName)
	c.set("family_name", u.FamilyName)
}

func (c claims) email(u User, verified any) {
	if u.NoEmail {
		return
	}
	c.set("email", u.Email)
	if verified != nil {
		c["email_verified"] = verified
	}
}

var basicAndPost = []string{"client_secret_basic", "client_secret_post", "private_key_jwt"}

func plainSubject(t *Tenant, u User, _ string) string { return u.ID }

// pairwise is the kind of subject that differs per application (OpenID Connect Core §8.1).
func pairwise(t *Tenant, u User, clientID string) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{t.name, u.ID, clientID}, "\x00")))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// digits is a stable number of n decimals, as Google and OneLogin use for subjects.
func digits(n int, parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	s := "1" + strconv.FormatUint(binary.BigEndian.Uint64(sum[:]), 10) + strconv.FormatUint(binary.BigEndian.Uint64(sum[8:]), 10)
	return s[:n]
}

func standardProfile(_ *Tenant, u User, c claims, _ string) {
	c.names(u)
	c.set("preferred_username", u.Email)
	c.email(u, !u.Unproved)
}

var oidcDialects = map[Dialect]oidcDialect{
	Generic: {
		issuer: func(t *Tenant) string { return t.URL() }, authorize: "/oauth2/authorize", token: "/oauth2/token", userinfo: "/oauth2/userinfo",
		jwks: "/oauth2/jwks", endSession: "/oauth2/logout", backchannel: true, authMethods: basicAndPost, scopes: []string{"groups"},
		subject: plainSubject, profile: standardProfile, groups: "groups", issParameter: true, lifetime: 3600, offlineAccess: "scope",
	},
	Shibboleth: {
		issuer: func(t *Tenant) string { return t.URL() }, authorize: "/idp/profile/oidc/authorize", token: "/idp/profile/oidc/token",
		userinfo: "/idp/profile/oidc/userinfo", jwks: "/idp/profile/oidc/keyset", authMethods: basicAndPost,
		subject: pairwise, profile: standardProfile, groups: "is_member_of", thin: true, lifetime: 3600,
	},
	Okta: {
		issuer: oktaIssuer, authorize: "/v1/authorize", token: "/v1/token", userinfo: "/v1/userinfo", jwks: "/v1/keys", endSession: "/v1/logout",
		backchannel: true, authMethods: basicAndPost, scopes: []string{"groups", "address", "phone"},
		subject: func(t *Tenant, u User, _ string) string { return oktaUserID(t, u) },
		base: func(t *Tenant, u User, c claims, _ string) {
			c["ver"], c["jti"], c["idp"], c["amr"] = 1, "ID."+stableHex(24, t.name, u.ID), "00o"+stableHex(17, t.name), amr(u)
		},
		profile: func(t *Tenant, u User, c claims, _ string) {
			c.names(u)
			c.set("preferred_username", u.UPN)
			c.set("locale", "en-US")
			c.set("zoneinfo", "America/Los_Angeles")
			c.email(u, !u.Unproved)
		},
		thin: true, groups: "groups", lifetime: 3600, strictClient: true, offlineAccess: "scope",
	},
	Entra: {
		issuer: entraIssuer, authorize: "/oauth2/v2.0/authorize", token: "/oauth2/v2.0/token", userinfo: "/graph/oidc/userinfo",
		jwks: "/discovery/v2.0/keys", endSession: "/oauth2/v2.0/logout", authMethods: []string{"client_secret_post", "private_key_jwt", "client_secret_basic"},
		subject: pairwise, base: entraBase, profile: entraProfile, bareUserinfo: true, groups: "groups", groupValue: groupID, lifetime: 3900, nbf: true, offlineAccess: "scope",
	},
	Google: {
		issuer: func(t *Tenant) string { return t.URL() }, authorize: "/o/oauth2/v2/auth", token: "/token", userinfo: "/v1/userinfo", jwks: "/oauth2/v3/certs",
		authMethods: []string{"client_secret_post", "client_secret_basic"},
		subject:     func(t *Tenant, u User, _ string) string { return digits(21, t.name, u.ID) },
		base:        func(_ *Tenant, _ User, c claims, clientID string) { c["azp"] = clientID },
		profile: func(t *Tenant, u User, c claims, _ string) {
			c.names(u)
			c.email(u, !u.Unproved)
			c.set("picture", "https://lh3.googleusercontent.com/a/"+stableHex(20, u.ID))
			if !u.Guest { // a personal account has no hd
				c.set("hd", t.cfg.Domain)
			}
		},
		lifetime: 3600, offlineAccess: "parameter",
	},
	ADFS: {
		issuer: func(t *Tenant) string { return t.URL() + "/adfs" }, authorize: "/adfs/oauth2/authorize/", token: "/adfs/oauth2/token/",
		userinfo: "/adfs/userinfo", jwks: "/adfs/discovery/keys", endSession: "/adfs/oauth2/logout",
		authMethods: basicAndPost, scopes: []string{"allatclaims"}, subject: pairwise,
		base: func(t *Tenant, u User, c claims, _ string) { c["ver"], c["appid"] = "1.0", stableGUID("appid", t.name) },
		profile: func(t *Tenant, u User, c claims, _ string) {
			c.set("upn", u.UPN)
			c.set("unique_name", netbios(t)+`\`+u.Login)
			c.set("sid", "S-1-5-21-"+digits(9, t.name)+"-"+digits(4, u.ID))
		},
		subOnlyInfo: true, groups: "group", groupsShape: "single", lifetime: 3600, nbf: true,
	},
	Ping: {
		issuer: func(t *Tenant) string { return t.URL() + "/as" }, authorize: "/as/authorize", token: "/as/token", userinfo: "/as/userinfo", jwks: "/as/jwks",
		endSession: "/as/signoff", authMethods: basicAndPost, scopes: []string{"p1:read:user"}, subject: plainSubject,
		base: func(t *Tenant, _ User, c claims, _ string) {
			c["env"], c["org"], c["acr"] = t.cfg.TenantID, stableGUID("org", t.name), "Single_Factor"
		},
		profile: func(_ *Tenant, u User, c claims, _ string) {
			c.names(u)
			c.set("preferred_username", u.Login)
			c.email(u, strconv.FormatBool(!u.Unproved)) // the string "true"
		},
		groups: "p1.memberOfGroupNames", lifetime: 3600, offlineAccess: "scope",
	},
	Keycloak: {
		issuer: func(t *Tenant) string { return t.URL() + "/realms/" + t.name }, authorize: "/protocol/openid-connect/auth",
		token: "/protocol/openid-connect/token", userinfo: "/protocol/openid-connect/userinfo", jwks: "/protocol/openid-connect/certs",
		endSession: "/protocol/openid-connect/logout", backchannel: true, authMethods: append(basicAndPost[:2:2], "private_key_jwt", "client_secret_jwt", "tls_client_auth"),
		scopes: []string{"roles", "web-origins", "microprofile-jwt"}, subject: plainSubject,
		base: func(_ *Tenant, _ User, c claims, clientID string) { c["typ"], c["azp"], c["acr"] = "ID", clientID, "1" },
		profile: func(_ *Tenant, u User, c claims, clientID string) {
			c.names(u)
			c.set("preferred_username", u.Login)
			c.email(u, !u.Unproved)
			c["realm_access"] = map[string]any{"roles": append([]string{"offline_access", "uma_authorization"}, u.Roles...)}
			c["resource_access"] = map[string]any{"account": map[string]any{"roles": []string{"manage-account", "view-profile"}}, clientID: map[string]any{"roles": orEmpty(u.Roles)}}
		},
		groups: "groups", groupValue: groupPath, issParameter: true, sessionState: true, lifetime: 300, offlineAccess: "scope",
	},
	OneLogin: {
		issuer: func(t *Tenant) string { return t.URL() + "/oidc/2" }, authorize: "/oidc/2/auth", token: "/oidc/2/token", userinfo: "/oidc/2/me", jwks: "/oidc/2/certs",
		endSession: "/oidc/2/logout", authMethods: []string{"client_secret_basic", "client_secret_post"}, scopes: []string{"groups", "params"},
		subject: func(t *Tenant, u User, _ string) string { return digits(9, t.name, u.ID) },
		profile: func(_ *Tenant, u User, c claims, _ string) {
			c.names(u)
			c.set("preferred_username", u.Email)
			c.email(u, nil)
		},
		groups: "groups", lifetime: 7200, offlineAccess: "scope",
	},
	JumpCloud: {
		issuer:    func(t *Tenant) string { return t.URL() + "/" }, // with a trailing slash, as oauth.id.jumpcloud.com/ has
		authorize: "/oauth2/auth", token: "/oauth2/token", userinfo: "/userinfo", jwks: "/.well-known/jwks.json", endSession: "/oauth2/sessions/logout",
		authMethods: []string{"client_secret_basic", "client_secret_post"}, subject: plainSubject, profile: standardProfile, groups: "memberOf", lifetime: 3600,
	},
}

func orEmpty(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

func amr(u User) []string {
	if u.MFA {
		return []string{"pwd", "mfa", "otp"}
	}
	return []string{"pwd"}
}

func oktaUserID(t *Tenant, u User) string { return "00u" + stableHex(17, "okta", t.name, u.ID) }

// oktaIssuer: the org authorization server is the org's URL itself, a custom one has its own path.
func oktaIssuer(t *Tenant) string {
	if t.cfg.OktaCustomServer {
		return t.URL() + "/oauth2/default"
	}
	return t.URL()
}

// entraIssuer: version 1 tokens have an issuer of the sts.windows.net kind with a trailing slash.
func entraIssuer(t *Tenant) string {
	if t.cfg.EntraV1 {
		return t.URL() + "/sts/" + t.cfg.TenantID + "/"
	}
	return t.URL() + "/" + t.cfg.TenantID + "/v2.0"
}

func entraBase(t *Tenant, u User, c claims, clientID string) {
	c["tid"], c["oid"] = t.cfg.TenantID, u.ID
	c["uti"], c["rh"] = stableHex(22, t.name, u.ID, clientID), "0."+stableHex(30, t.name)
	if t.cfg.EntraV1 {
		c["ver"], c["amr"] = "1.0", amr(u)
		c.set("upn", u.UPN)
		c.set("unique_name", u.UPN)
		return
	}
	c["ver"] = "2.0"
	c.set("preferred_username", u.UPN)
}

// entraProfile has no email_verified: Entra does not say; xms_edov is the optional claim that does.
func entraProfile(t *Tenant, u User, c claims, _ string) {
	c.names(u)
	c.email(u, nil)
	if !u.NoEmail && !u.Unproved && strings.HasSuffix(strings.ToLower(u.Email), "@"+t.cfg.Domain) {
		c["xms_edov"] = true
	}
	if len(u.Roles) > 0 {
		c["roles"] = u.Roles
	}
}

// GroupShapes lists the ways groups are written in a claim:
//
//	array    ["a","b"]                  objects  [{"id":"…","name":"a"},…]
//	single   "a" when there is one      json     "[\"a\",\"b\"]"
//	string   always "a" (the first)     numbers  [101,102]
//	comma    "a,b"                      null     null
//	space    "a b"                      object   {"a":true,"b":true}
func GroupShapes() []string {
	return []string{"array", "single", "string", "comma", "space", "objects", "json", "numbers", "null", "object"}
}

func shapeGroups(shape string, values []string, groups []Group) any {
	switch shape {
	case "single":
		if len(values) == 1 {
			return values[0]
		}
	case "string":
		if len(values) == 0 {
			return ""
		}
		return values[0]
	case "comma":
		return strings.Join(values, ",")
	case "space":
		return strings.Join(values, " ")
	case "objects":
		out := make([]map[string]string, len(groups))
		for i, g := range groups {
			out[i] = map[string]string{"id": g.ID, "name": g.Name}
		}
		return out
	case "json":
		return mustJSON(values)
	case "numbers":
		out := make([]int, len(values))
		for i, v := range values {
			out[i], _ = strconv.Atoi(digits(6, v))
		}
		return out
	case "null":
		return nil
	case "object":
		out := map[string]bool{}
		for _, v := range values {
			out[v] = true
		}
		return out
	}
	return values
}

// put writes a claim by name, or by JSON pointer (RFC 6901) when the name begins with a slash.
func (c claims) put(name string, value any) {
	if !strings.HasPrefix(name, "/") {
		c[name] = value
		return
	}
	parts := strings.Split(name[1:], "/")
	at := map[string]any(c)
	for i, part := range parts {
		part = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		if i == len(parts)-1 {
			at[part] = value
			return
		}
		next, ok := at[part].(map[string]any)
		if !ok {
			next = map[string]any{}
			at[part] = next
		}
		at = next
	}
}

// Issuer is the tenant's OpenID Connect issuer, byte for byte as in its tokens.
func (t *Tenant) Issuer() string { return oidcDialects[t.cfg.Dialect].issuer(t) }

// endpoint is the absolute URL of one of the dialect's paths.
func (t *Tenant) endpoint(path string) string {
	d := t.cfg.Dialect
	switch {
	case d == Okta:
		prefix := "/oauth2"
		if t.cfg.OktaCustomServer {
			prefix = "/oauth2/default"
		}
		return t.URL() + prefix + path
	case d == Keycloak:
		return t.URL() + "/realms/" + t.name + path
	case d == Entra && !strings.HasPrefix(path, "/graph/"):
		return t.URL() + "/" + t.cfg.TenantID + path
	}
	return t.URL() + path
}

// GraphURL is the base of the tenant's directory API, in the place of https://graph.microsoft.com.
func (t *Tenant) GraphURL() string { return t.URL() + "/graph" }

func groupsEndpoint(t *Tenant, u User) string {
	return fmt.Sprintf("https://graph.windows.net/%s/users/%s/getMemberObjects", t.cfg.TenantID, u.ID)
}
