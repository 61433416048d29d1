package set

import (
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/published"
	"github.com/drawbridge-id/drawbridge/strict"
)

var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

// compact signs with any header, also with ones that nobody should send.
func compact(t testing.TB, header, claims map[string]any) string {
	t.Helper()
	part := func(v any) string {
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return strict.RawURL.EncodeToString(raw)
	}
	signed := part(header) + "." + part(claims)
	return signed + "." + strict.RawURL.EncodeToString(signature(t, header["alg"], signed))
}

func signature(t testing.TB, alg any, signed string) []byte {
	t.Helper()
	switch alg {
	case "none":
		return nil
	case "HS256":
		mac := hmac.New(sha256.New, rsaKey().N.Bytes())
		mac.Write([]byte(signed))
		return mac.Sum(nil)
	}
	sum := sha256.Sum256([]byte(signed))
	sig, err := rsa.SignPKCS1v15(nil, rsaKey(), crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

// transcript is one recorded delivery with what has to come of it.
type transcript struct {
	ID     string
	Kind   string
	Sender string
	Tenant string
	Header map[string]any
	Claims map[string]any
	Expect struct {
		Status  int
		Err     string
		Outcome string
	}
}

type testWorld struct {
	Now     int64
	Tenants map[string]struct {
		Streams map[string]struct {
			Iss string
			Aud any
		}
	}
}

func transcripts(t testing.TB) (testWorld, []transcript) {
	t.Helper()
	var world testWorld
	var all []transcript
	files, err := filepath.Glob("../testdata/transcripts/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Base(f) == "_world.json" {
			err = json.Unmarshal(raw, &world)
		} else {
			var one transcript
			err = json.Unmarshal(raw, &one)
			all = append(all, one)
		}
		if err != nil {
			t.Fatal(f, err)
		}
	}
	if len(all) < 150 {
		t.Fatalf("only %d transcripts", len(all))
	}
	return world, all
}

func (w testWorld) expect(t testing.TB, tenant, sender string) Expect {
	t.Helper()
	s := w.Tenants[tenant].Streams[sender]
	x := Expect{Issuer: s.Iss, Now: time.Unix(w.Now, 0), Keys: published.FixedKeys{{Key: rsaKey().Public(), KeyID: sender + "-2026", Use: "sig"}}}
	switch aud := s.Aud.(type) {
	case string:
		x.Audience = []string{aud}
	case []any:
		for _, a := range aud {
			x.Audience = append(x.Audience, fmt.Sprint(a))
		}
	}
	return x
}

// THREAT SET-1, SET-4: every recorded delivery is taken or refused with the right code.
func TestRecordedTokens(t *testing.T) {
	world, all := transcripts(t)
	for _, tc := range all {
		if tc.Kind != "" || tc.Expect.Err == InvalidState { // what was asked for is the ledger's knowledge
			continue
		}
		t.Run(tc.ID, func(t *testing.T) {
			got, err := Verify(t.Context(), compact(t, tc.Header, tc.Claims), world.expect(t, tc.Tenant, tc.Sender))
			if tc.Expect.Status == 202 {
				if err != nil {
					t.Fatal(err)
				}
				if len(got.Events) == 0 || got.JTI == "" || got.IssuedAt.IsZero() {
					t.Errorf("%+v", got)
				}
				return
			}
			var e *Error
			if !errors.As(err, &e) || e.Code != tc.Expect.Err {
				t.Errorf("%v, want %s", err, tc.Expect.Err)
			}
		})
	}
}

func good() (header, claims map[string]any) {
	return map[string]any{"alg": "RS256", "typ": "secevent+jwt", "kid": "k"}, map[string]any{
		"iss": "https://idp.acme.example", "aud": []any{"other", "us"}, "iat": 1767225600, "jti": "one",
		"sub_id": map[string]any{"format": "opaque", "id": "u1"},
		"events": map[string]any{SessionRevoked: map[string]any{}},
	}
}

func expected() Expect {
	return Expect{Issuer: "https://idp.acme.example", Audience: []string{"us"}, Now: time.Unix(1767225660, 0),
		Keys: published.FixedKeys{{Key: rsaKey().Public(), KeyID: "k", Use: "sig"}}}
}

func TestToleratedSpellings(t *testing.T) {
	for name, change := range map[string]func(h, c map[string]any, x *Expect){
		"type with its tree": func(h, _ map[string]any, _ *Expect) { h["typ"] = "application/SecEvent+JWT" },
		"alias": func(_, c map[string]any, x *Expect) {
			c["iss"] = "https://idp.acme.example/"
			x.Aliases = []string{"https://idp.acme.example/"}
		},
		"no kid":         func(h, _ map[string]any, _ *Expect) { delete(h, "kid") },
		"old":            func(_, c map[string]any, _ *Expect) { c["iat"] = 1000000000 },
		"one audience":   func(_, c map[string]any, _ *Expect) { c["aud"] = "us" },
		"unknown claims": func(_, c map[string]any, _ *Expect) { c["nbf"], c["x"] = "odd", nil },
		"unknown event": func(_, c map[string]any, _ *Expect) {
			delete(c, "sub_id")
			c["events"] = map[string]any{"https://a.example/x": map[string]any{"subject": map[string]any{"format": "x"}}}
		},
		"odd payload, lax": func(_, c map[string]any, x *Expect) {
			c["events"] = map[string]any{TokenClaimsChange: map[string]any{}}
			x.LaxPayload = true
		},
	} {
		t.Run(name, func(t *testing.T) {
			h, c := good()
			x := expected()
			change(h, c, &x)
			if _, err := Verify(t.Context(), compact(t, h, c), x); err != nil {
				t.Error(err)
			}
		})
	}
}

// THREAT SET-1, SET-2, SET-4, SET-7
func TestRefusedTokens(t *testing.T) {
	many := map[string]any{}
	for i := range MaxEvents + 1 {
		many[fmt.Sprint("https://a.example/", i)] = map[string]any{}
	}
	deep := any("x")
	for range 40 {
		deep = []any{deep}
	}
	for name, tc := range map[string]struct {
		code   string
		change func(h, c map[string]any, x *Expect)
	}{
		"algorithm that is not this stream's": {InvalidKey, func(_, _ map[string]any, x *Expect) { x.Algorithms = []string{"ES256"} }},
		"HMAC although it is allowed":         {InvalidKey, func(h, _ map[string]any, x *Expect) { h["alg"] = "HS256"; x.Algorithms = []string{"HS256"} }},
		"key for encryption": {InvalidKey, func(_, _ map[string]any, x *Expect) {
			x.Keys = published.FixedKeys{{Key: rsaKey().Public(), KeyID: "k", Algorithm: "RSA-OAEP"}}
		}},
		"nonce":           {InvalidRequest, func(_, c map[string]any, _ *Expect) { c["nonce"] = "n" }},
		"too many events": {InvalidRequest, func(_, c map[string]any, _ *Expect) { c["events"] = many }},
		"too deep":        {InvalidRequest, func(_, c map[string]any, _ *Expect) { c["x"] = deep }},
		"too large":       {InvalidRequest, func(_, c map[string]any, _ *Expect) { c["x"] = strings.Repeat("x", MaxToken) }},
		"iat as text":     {InvalidRequest, func(_, c map[string]any, _ *Expect) { c["iat"] = "1767225600" }},
		"jti as number":   {InvalidRequest, func(_, c map[string]any, _ *Expect) { c["jti"] = 7 }},
		"null subject":    {InvalidRequest, func(_, c map[string]any, _ *Expect) { c["sub_id"] = nil }},
		"aliases in aliases": {InvalidRequest, func(_, c map[string]any, _ *Expect) {
			c["sub_id"] = map[string]any{"format": "aliases", "identifiers": []any{map[string]any{"format": "aliases", "identifiers": []any{map[string]any{"format": "opaque", "id": "x"}}}}}
		}},
		"no such audience": {InvalidAudience, func(_, c map[string]any, _ *Expect) { c["aud"] = []any{"us", 7} }},
	} {
		t.Run(name, func(t *testing.T) {
			h, c := good()
			x := expected()
			tc.change(h, c, &x)
			_, err := Verify(t.Context(), compact(t, h, c), x)
			var e *Error
			if !errors.As(err, &e) || e.Code != tc.code {
				t.Errorf("%v, want %s", err, tc.code)
			}
		})
	}
}

// THREAT SET-1: two readers see the same token, or none.
func TestOneTokenHasOneReading(t *testing.T) {
	h, c := good()
	raw := compact(t, h, c)
	parts := strings.Split(raw, ".")
	twice := strict.RawURL.EncodeToString([]byte(`{"iss":"https://idp.acme.example","iss":"https://evil.example"}`))
	for name, bad := range map[string]string{
		"member twice":    parts[0] + "." + twice + "." + parts[2],
		"padding":         raw + "=",
		"line end":        parts[0] + "." + parts[1][:4] + "\n" + parts[1][4:] + "." + parts[2],
		"encrypted":       raw + "." + parts[1] + "." + parts[2],
		"JSON form":       `{"payload":"` + parts[1] + `"}`,
		"empty":           "",
		"other signature": parts[0] + "." + parts[1] + "." + strict.RawURL.EncodeToString(make([]byte, 256)),
	} {
		t.Run(name, func(t *testing.T) {
			var e *Error
			if _, err := Verify(t.Context(), bad, expected()); !errors.As(err, &e) {
				t.Error(err)
			}
		})
	}
}

type noKeys struct{ err error }

func (n noKeys) Verify(context.Context, *jose.JSONWebSignature) ([]byte, error) { return nil, n.err }

func TestKeysThatCannotBeHadAreOurTrouble(t *testing.T) {
	h, c := good()
	x := expected()
	for _, err := range []error{account.Errorf(account.Unavailable, "down"), account.Errorf(account.Invalid, "no JSON"), context.DeadlineExceeded} {
		x.Keys = noKeys{err}
		if _, got := Verify(t.Context(), compact(t, h, c), x); account.KindOf(got) != account.Unavailable {
			t.Errorf("%v becomes %v", err, got)
		}
	}
}

func TestTimeOfAToken(t *testing.T) {
	for toe, want := range map[any]int64{1767225590: 1767225590, 1767225590500: 1767225590, 1767225590000000: 1767225590, "yesterday": -1} {
		h, c := good()
		c["toe"] = toe
		got, err := Verify(t.Context(), compact(t, h, c), expected())
		if err != nil {
			t.Fatal(err)
		}
		if want < 0 && !got.TOE.IsZero() || want >= 0 && got.TOE.Unix() != want {
			t.Errorf("%v becomes %s", toe, got.TOE)
		}
	}
}

func TestOwnTokensAreGoodTokens(t *testing.T) {
	for _, subject := range []account.SubjectID{
		{Format: "email", Values: map[string]string{"email": "amy@acme.example"}},
		{Format: "aliases", Identifiers: []account.SubjectID{{Format: "iss_sub", Values: map[string]string{"iss": "i", "sub": "s"}}, {Format: "opaque", Values: map[string]string{"id": "x"}}}},
		{Format: "complex", Members: map[string]account.SubjectID{"user": {Format: "opaque", Values: map[string]string{"id": "x"}}, "tenant": {Format: "opaque", Values: map[string]string{"id": "y"}}}},
		{Format: "ip-addresses", Addresses: []string{"192.0.2.1"}},
	} {
		raw, err := Sign(rsaKey(), "k", Claims{Issuer: "https://idp.acme.example", Audience: []string{"us"}, JTI: "j", IssuedAt: time.Unix(1767225600, 0), Txn: "t",
			Subject: subject, Type: CredentialChange, Payload: map[string]any{"credential_type": "password", "change_type": "update"}, SubjectInEvent: true})
		if err != nil {
			t.Fatal(err)
		}
		got, err := Verify(t.Context(), raw, expected())
		if err != nil {
			t.Fatal(err)
		}
		if e := got.Events[0]; got.Txn != "t" || fmt.Sprint(*e.Subject) != fmt.Sprint(subject) || e.Body["change_type"] != "update" || e.Body["subject"] == nil {
			t.Errorf("%+v", got)
		}
	}
}

// REQ Global Token Revocation: every claim of the bearer is looked at.
func TestBearerOfGlobalTokenRevocation(t *testing.T) {
	const here = "https://bridge.example.com/events/str_1/global-token-revocation"
	for name, tc := range map[string]struct {
		change func(h, c map[string]any)
		code   string // empty: it is good
	}{
		"good":            {func(_, _ map[string]any) {}, ""},
		"other type":      {func(h, _ map[string]any) { h["typ"] = "JWT" }, InvalidRequest},
		"other issuer":    {func(_, c map[string]any) { c["iss"] = "https://evil.example" }, InvalidIssuer},
		"other endpoint":  {func(_, c map[string]any) { c["aud"] = here + "/" }, InvalidAudience},
		"other client":    {func(_, c map[string]any) { c["sub"] = "other" }, AuthenticationFailed},
		"run out":         {func(_, c map[string]any) { c["exp"] = 1767225600 }, AuthenticationFailed},
		"from the future": {func(_, c map[string]any) { c["iat"], c["exp"] = 1767229999, 1767230000 }, AuthenticationFailed},
		"lives too long":  {func(_, c map[string]any) { c["exp"] = 1767999999 }, AuthenticationFailed},
		"no jti":          {func(_, c map[string]any) { delete(c, "jti") }, AuthenticationFailed},
		"an event token":  {func(_, c map[string]any) { c["events"] = map[string]any{} }, AuthenticationFailed},
		"unsigned":        {func(h, _ map[string]any) { h["alg"] = "none" }, InvalidKey},
	} {
		t.Run(name, func(t *testing.T) {
			h := map[string]any{"alg": "RS256", "typ": "global-token-revocation+jwt", "kid": "k"}
			c := map[string]any{"iss": "https://idp.acme.example", "aud": here, "sub": "client-1", "jti": "j", "iat": 1767225600, "exp": 1767225900}
			tc.change(h, c)
			x := expected()
			x.Audience = []string{here}
			b, err := VerifyBearer(t.Context(), compact(t, h, c), x, "client-1")
			var e *Error
			switch {
			case tc.code == "" && (err != nil || b.JTI != "j" || b.Until.Unix() != 1767225900):
				t.Error(b, err)
			case tc.code != "" && (!errors.As(err, &e) || e.Code != tc.code):
				t.Errorf("%v, want %s", err, tc.code)
			}
		})
	}
}

// FuzzVerify: whatever the claims hold, the answer is a set with events or one of our errors, and no event is about
// nobody without being unknown or about the stream.
func FuzzVerify(f *testing.F) {
	_, all := transcripts(f)
	for _, tc := range all {
		if raw, err := json.Marshal(tc.Claims); err == nil {
			f.Add(raw)
		}
	}
	x := expected()
	f.Fuzz(func(t *testing.T, payload []byte) {
		claims, err := readClaims(payload)
		if err == nil {
			var s account.SET
			if s, err = x.read(payload, claims); err == nil {
				for _, e := range s.Events {
					if e.Subject == nil && Known(e.Type) && !aboutStream(e.Type) {
						t.Fatalf("%+v", e)
					}
				}
				if len(s.Events) == 0 || s.JTI == "" {
					t.Fatalf("%+v", s)
				}
				return
			}
		}
		var e *Error
		if !errors.As(err, &e) || e.Code == "" || e.Description == "" {
			t.Fatal(err)
		}
	})
}

// FuzzSubject: what is read can be written and read again, to the same.
func FuzzSubject(f *testing.F) {
	_, all := transcripts(f)
	for _, tc := range all {
		if raw, err := json.Marshal(tc.Claims["sub_id"]); err == nil {
			f.Add(raw)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		o, err := strict.Object(raw, maxDepth)
		if err != nil {
			return
		}
		s, err := Subject(o)
		if err != nil {
			return
		}
		again, err := Subject(SubjectClaims(s))
		if _, known := shapes[s.Format]; err != nil && (known || s.Format == account.SubjectComplex) {
			t.Fatalf("%+v: %v", s, err)
		}
		if err == nil && fmt.Sprint(s) != fmt.Sprint(again) {
			t.Fatalf("%+v becomes %+v", s, again)
		}
	})
}

// FuzzHeader: no header makes us panic, and none without our type and an allowed algorithm passes.
func FuzzHeader(f *testing.F) {
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	h, c := good()
	f.Add(compact(f, h, c))
	f.Fuzz(func(t *testing.T, raw string) {
		h, err := readHeader(raw, nil, "secevent+jwt")
		if err == nil && (h["alg"] != "RS256" || h["crit"] != nil) {
			t.Fatal(h)
		}
		if _, err := Verify(t.Context(), raw, expected()); err == nil && !strings.HasPrefix(raw, "ey") {
			t.Fatal("a token that nobody signed")
		}
	})
}
