package oidc

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/strict"
)

// THREAT OIDC-U1
// INTEROP Okta: thin ID tokens, claims only in userinfo
func TestMissingClaimsComeFromUserinfo(t *testing.T) {
	w := newWorld(t, account.KindOkta)
	w.set("email", nil, "email_verified", nil, "name", nil, "groups", nil)
	w.userinfo = map[string]any{"sub": "ana-1", "email": "ana@acme.example", "email_verified": "true", "given_name": "Ana", "family_name": "Ruiz", "groups": []any{"eng"}}
	l := w.login()
	if l.Email != "ana@acme.example" || l.EmailVerified != account.VerifiedYes || l.Name != "Ana Ruiz" || l.Groups.Source != "userinfo" || l.Groups.State != account.GroupsComplete {
		t.Errorf("%+v", l)
	}
	for _, missing := range []string{"email", "name", "groups"} { // any one of them is reason enough
		v := newWorld(t, account.KindOkta)
		v.set(missing, nil)
		v.userinfo = w.userinfo
		v.login()
		if v.count("/userinfo") != 1 {
			t.Errorf("userinfo was not asked for %s", missing)
		}
	}
	w.s.OIDC.Userinfo = "never"
	if l := w.login(); l.Email != "" || !l.Groups.Absent || l.Groups.State != account.GroupsUnknown {
		t.Errorf("%+v", l)
	}
	full := newWorld(t, account.KindGeneric)
	full.s.OIDC.Userinfo = "always"
	full.userinfo["email"] = "other@acme.example" // the ID token goes first
	if l := full.login(); full.count("/userinfo") != 1 || l.Email != "ana.ruiz@acme.example" {
		t.Errorf("%+v", l)
	}
}

// THREAT OIDC-U2
func TestUserinfoAboutSomebodyElse(t *testing.T) {
	w := newWorld(t, account.KindGeneric)
	w.set("email", nil)
	for _, sub := range []any{"bob-2", "", nil, 7, "ANA-1"} {
		w.userinfo["sub"] = sub
		w.refused("userinfo_subject")
	}
	w.userinfo = map[string]any{"email": "ana@acme.example"}
	w.refused("userinfo_subject")
}

// THREAT G-3: PostgreSQL keeps no text with a NUL, and nobody is called so.
func TestControlCharactersInASubjectAreRefused(t *testing.T) {
	w := newWorld(t, account.KindGeneric)
	for _, sub := range []string{"ana\x00", "\x00", "ana\n", "ana\u0085"} {
		w.set("sub", sub)
		w.refused("subject")
	}
	if sessionOf(object{"sid": "s\x00"}) != "" {
		t.Error("a session with a NUL")
	}
}

// THREAT OIDC-U2
func TestSignedUserinfoIsVerified(t *testing.T) {
	w := newWorld(t, account.KindGeneric)
	w.set("email", nil)
	info := map[string]any{"sub": "ana-1", "iss": w.s.OIDC.Issuer, "aud": clientID, "email": "ana@acme.example"}
	var token string
	w.handle["/userinfo"] = func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "application/jwt; charset=utf-8")
		_, _ = io.WriteString(rw, token)
	}
	mint := func(k key, change func(map[string]any)) string {
		c := map[string]any{}
		for n, v := range info {
			c[n] = v
		}
		change(c)
		return sign(k.private, k.alg, map[string]any{"kid": k.id}, c)
	}
	token = mint(keyOne(), func(map[string]any) {})
	if l := w.login(); l.Email != "ana@acme.example" {
		t.Errorf("%+v", l)
	}
	for name, bad := range map[string]string{
		"other key":   mint(key{"key-1", "RS256", rsaTwo()}, func(map[string]any) {}),
		"other aud":   mint(keyOne(), func(c map[string]any) { c["aud"] = "client-2" }),
		"other iss":   mint(keyOne(), func(c map[string]any) { c["iss"] = "https://evil.example" }),
		"no iss":      mint(keyOne(), func(c map[string]any) { delete(c, "iss") }),
		"expired":     mint(keyOne(), func(c map[string]any) { c["exp"] = 1 }),
		"unsigned":    "eyJhbGciOiJub25lIn0.e30.",
		"not a token": "x",
	} {
		token = bad
		if l := w.login(); l.Email != "" {
			t.Errorf("%s: believed %q", name, l.Email)
		}
	}
	token = mint(keyOne(), func(c map[string]any) { c["sub"] = "bob-2" })
	w.refused("userinfo_subject")
}

// THREAT OIDC-U1: what userinfo does not say is unknown, never empty.
func TestUserinfoOutageStripsNobody(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"down": func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(503) },
		"HTML": func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, "<html>") },
		"too big": func(rw http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(rw, `{"sub":"ana-1","x":"`+strings.Repeat("x", maxUserinfo)+`"}`)
		},
		"too deep": func(rw http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(rw, `{"sub":"ana-1","x":`+strings.Repeat("[", 65)+strings.Repeat("]", 65)+`}`)
		},
		"redirect": func(rw http.ResponseWriter, r *http.Request) { http.Redirect(rw, r, "/token", 302) },
	} {
		w := newWorld(t, account.KindGeneric)
		w.set("groups", nil)
		w.handle["/userinfo"] = h
		if l := w.login(); l.Groups.State != account.GroupsUnknown || l.Groups.Absent {
			t.Errorf("%s: %+v", name, l.Groups)
		}
	}
}

// THREAT OIDC-N3
// INTEROP email_verified missing or the string "true"
func TestEmailVerified(t *testing.T) {
	for _, tc := range []struct {
		value any
		want  account.Verified
	}{
		{true, account.VerifiedYes}, {"true", account.VerifiedYes}, {"True", account.VerifiedYes}, {json.Number("1"), account.VerifiedYes}, {nil, account.VerifiedUnsaid},
		{"maybe", account.VerifiedUnsaid}, {[]any{true}, account.VerifiedUnsaid}, {false, account.VerifiedNo}, {"false", account.VerifiedNo}, {"FALSE", account.VerifiedNo},
	} {
		w := newWorld(t, account.KindGeneric)
		w.set("email_verified", tc.value)
		if tc.want == account.VerifiedNo {
			w.refused("email_unverified")
			w.s.OIDC.SkipEmailVerified = true
		}
		if l := w.login(); l.EmailVerified != tc.want {
			t.Errorf("%v: %q", tc.value, l.EmailVerified)
		}
	}
	w := newWorld(t, account.KindGeneric) // a no in either place wins
	w.s.OIDC.Userinfo, w.userinfo["email_verified"] = "always", false
	w.refused("email_unverified")
	w = newWorld(t, account.KindGeneric) // a yes is about its own claim only
	w.set("mail", "boss@acme.example")
	w.s.Mapping.Email = []string{"mail"}
	if l := w.login(); l.Email != "boss@acme.example" || l.EmailVerified != account.VerifiedUnsaid {
		t.Errorf("%+v", l)
	}
	w = newWorld(t, account.KindGeneric) // userinfo's yes is about userinfo's address
	w.set("email_verified", nil)
	w.s.OIDC.Userinfo, w.userinfo["email"], w.userinfo["email_verified"] = "always", "other@acme.example", true
	if l := w.login(); l.EmailVerified != account.VerifiedUnsaid {
		t.Errorf("%+v", l)
	}
}

// INTEROP Entra: xms_edov in four forms
func TestEntraEmailDomainOwnerVerified(t *testing.T) {
	for value, want := range map[any]account.Verified{true: account.VerifiedYes, 1: account.VerifiedYes, "1": account.VerifiedYes, "true": account.VerifiedYes,
		false: account.VerifiedUnsaid, "0": account.VerifiedUnsaid, "yes": account.VerifiedUnsaid} {
		w := newWorld(t, account.KindEntra)
		w.set("xms_edov", value)
		if l := w.login(); l.EmailVerified != want {
			t.Errorf("xms_edov %v: %q", value, l.EmailVerified)
		}
	}
	w := newWorld(t, account.KindGeneric)
	w.set("email_verified", nil, "xms_edov", true)
	if l := w.login(); l.EmailVerified != account.VerifiedUnsaid {
		t.Error("xms_edov means something at Entra only")
	}
}

// THREAT OIDC-N3: the address is one string.
func TestEmailForms(t *testing.T) {
	for _, bad := range []any{[]any{"ana@acme.example"}, []any{"ana@acme.example", "bob@acme.example"}, "ana@acme.example,bob@acme.example", "Ana <ana@acme.example>", "ana", 7, map[string]any{"value": "ana@acme.example"}} {
		w := newWorld(t, account.KindGeneric)
		w.set("email", bad)
		w.refused("email_form")
	}
	w := newWorld(t, account.KindGeneric)
	w.set("email", nil)
	j := w.judge()
	w.sane(j)
	if j.Login == nil || j.Login.Email != "" {
		t.Error(j.Refusal)
	}
	wants(t, "warnings", codes(j, account.Warn), []string{"email_missing"})
}

// INTEROP ADFS: email missing, upn instead
// INTEROP Entra: email is optional, the user name is in a proved domain
func TestUserNameStandsInForAMissingAddress(t *testing.T) {
	for kind, claim := range map[account.IdPKind]string{account.KindADFS: "upn", account.KindEntra: "preferred_username"} {
		w := newWorld(t, kind)
		w.set("email", nil, "email_verified", nil, claim, "ANA@acme.example")
		if l := w.login(); l.Email != "ana@acme.example" || l.EmailVerified != account.VerifiedUnsaid {
			t.Errorf("%s: %+v", kind, l)
		}
		w.set(claim, `ACME\ana`)
		if l := w.login(); l.Email != "" {
			t.Errorf("%s: %q", kind, l.Email)
		}
	}
	w := newWorld(t, account.KindGeneric)
	w.set("email", nil, "preferred_username", "ana@acme.example")
	if l := w.login(); l.Email != "" {
		t.Error("elsewhere anybody may choose a user name")
	}
}

// INTEROP ADFS: sid is the person's Windows identifier, not a session
func TestSessionIDs(t *testing.T) {
	w := newWorld(t, account.KindADFS)
	w.set("sid", "S-1-5-21-1004336348-1177238915-682003330-512")
	if l := w.login(); l.ProviderSession != "" {
		t.Error(l.ProviderSession)
	}
}

// THREAT OIDC-G1
// INTEROP Auth0: custom claims are URLs with dots and slashes
// INTEROP Keycloak: roles lie deep
func TestPointersAndURLNamedClaims(t *testing.T) {
	w := newWorld(t, account.KindGeneric)
	w.set("groups", nil, "https://acme.example/v1.0/groups", []any{"url"}, "realm_access", map[string]any{"roles": []any{"deep"}, "a/b~c": []any{"odd"}}, "list", []any{map[string]any{"g": "in-list"}})
	for where, want := range map[string]string{"https://acme.example/v1.0/groups": "url", "/realm_access/roles": "deep", "/realm_access/a~1b~0c": "odd", "/list/0/g": "in-list", "/https:~1~1acme.example~1v1.0~1groups/0": "url"} {
		w.s.Mapping.Groups = []string{"nowhere", "/no/where", where}
		if l := w.login(); len(l.Groups.Values) != 1 || l.Groups.Values[0] != want {
			t.Errorf("%s: %+v", where, l.Groups)
		}
	}
	for _, nowhere := range []string{"realm_access.roles", "/realm_access.roles", "/list/1/g", "/list/00/g", "/list/-/g", "/list/-1/g", "/realm_access/roles/x", "/", ""} {
		w.s.Mapping.Groups = []string{nowhere}
		if l := w.login(); !l.Groups.Absent || l.Groups.State != account.GroupsUnknown {
			t.Errorf("%q: %+v", nowhere, l.Groups)
		}
	}
}

// FuzzPointer: a lookup never panics, and a plain name only ever finds its own member.
func FuzzPointer(f *testing.F) {
	f.Add([]byte(`{"a":{"b":[1,{"c":"d"}]},"a/b":2,"":3}`), "/a/b/1/c")
	f.Add([]byte(`{"a":[[[]]]}`), "/a/0/0/0")
	f.Add([]byte(`{"~1":1}`), "/~01")
	f.Fuzz(func(t *testing.T, doc []byte, where string) {
		o, err := readObject(doc)
		if err != nil {
			return
		}
		v, ok := lookup(o, where)
		if !strings.HasPrefix(where, "/") {
			if _, has := o[where]; has != ok {
				t.Fatalf("%q found %v", where, v)
			}
		}
		if !ok && v != nil {
			t.Fatal("a value without being found")
		}
	})
}

// FuzzIDToken: whatever claims a provider signs, reading them neither panics nor breaks what must hold.
func FuzzIDToken(f *testing.F) {
	w := newWorld(f, account.KindGeneric)
	good := string(must(json.Marshal(w.claims)))
	f.Add(good, ",", "/")
	f.Add(`{"groups":"[\"a\",\"b\"]","email":["x"],"sub":""}`, "", "")
	f.Add(`{"groups":[{"name":"a"},{"value":"b"},7,null,{}],"_claim_names":{"groups":"s"},"hasgroups":true}`, ";", "x")
	f.Add(`{"groups":{"a":true,"b":null},"exp":1e400,"iat":-1}`, " ", "")
	f.Fuzz(func(t *testing.T, claims, delimiter, prefix string) {
		o, err := readObject([]byte(claims))
		if err != nil {
			return
		}
		withoutClaimNames([]byte(claims))
		read := readGroups(o["groups"], delimiter, prefix)
		seen := map[string]bool{}
		for _, g := range read.values {
			if g == "" || seen[g] {
				t.Fatalf("group %q is empty or there twice", g)
			}
			seen[g] = true
		}
		for name := range o {
			strict.NumericDate(o[name])
			looseBool(o[name])
			spell(name, o[name])
		}
		j := &judge{rp: w.rp, c: w.c, s: w.s, o: *w.s.OIDC, cb: w.cb, now: w.clock, p: &provider{Discovered: Discovered{Issuer: w.s.OIDC.Issuer}}, header: object{"alg": "RS256"}, claims: o}
		for _, step := range []func() error{j.checkKind, j.checkTimes, j.checkAudience, j.checkNonce, func() error { return j.checkHashes(tokens{}) }, j.checkTenant} {
			if step() != nil {
				return
			}
		}
		login, err := j.identify(t.Context(), tokens{id: "x"})
		if err == nil && (login.Subject == "" || strings.ContainsAny(login.Email, " \n,") || text(o, "iss") != w.s.OIDC.Issuer || text(o, "nonce") != w.cb.Flow.Nonce) {
			t.Fatalf("%+v", login)
		}
	})
}
