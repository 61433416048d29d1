package inbound

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/events/set"
	"github.com/drawbridge-id/drawbridge/store"
)

// What is not the token's fault is never a 400, because it would not be sent again.
func TestRefusalsInTheSendersWords(t *testing.T) {
	for _, tc := range []struct {
		err    error
		status int
		code   string
		retry  bool
	}{
		{&set.Error{Code: set.InvalidKey, Description: "d"}, 400, "invalid_key", false},
		{account.Errorf(account.Unauthorized, "x"), 400, "authentication_failed", false},
		{account.Errorf(account.NotFound, "removed meanwhile"), 400, "authentication_failed", false},
		{account.Errorf(account.Forbidden, "off"), 400, "access_denied", false},
		{account.Errorf(account.Invalid, "x").Coded(store.CodeInvalidState), 400, "invalid_state", false},
		{account.Errorf(account.Invalid, "our own"), 503, "", true},
		{account.Errorf(account.Unavailable, "x"), 503, "", true},
		{errors.New("anything"), 503, "", true},
		{&refusal{status: 429, retry: time.Minute}, 429, "", true},
	} {
		got := judged(tc.err)
		if got.status != tc.status || got.code != tc.code || (got.retry > 0) != tc.retry || (got.code == "") != (got.text == "") {
			t.Errorf("%v: %+v", tc.err, got)
		}
	}
}

// THREAT SET-6
func TestEachStreamHasItsOwnRate(t *testing.T) {
	now := time.Unix(1767225600, 0)
	d := New(Options{Now: func() time.Time { return now }, Rate: 2, Burst: 3})
	for range 3 {
		if wait := d.wait("str_a"); wait != 0 {
			t.Fatal("the burst is not let in")
		}
	}
	for range 10 { // those that were refused cost nothing
		if wait := d.wait("str_a"); wait <= 0 || wait > 500*time.Millisecond {
			t.Fatalf("waits %s", wait)
		}
	}
	if d.wait("str_b") != 0 {
		t.Error("one stream slows another")
	}
	now = now.Add(500 * time.Millisecond)
	if d.wait("str_a") != 0 {
		t.Error("it does not come back")
	}
}

func TestWellKnownAddresses(t *testing.T) {
	for issuer, want := range map[string]string{
		"https://tr.example.com":                   "https://tr.example.com/.well-known/ssf-configuration",
		"https://tr.example.com/":                  "https://tr.example.com/.well-known/ssf-configuration",
		"https://tr.example.com/issuer1":           "https://tr.example.com/.well-known/ssf-configuration/issuer1",
		"https://tr.example.com/a/b/":              "https://tr.example.com/.well-known/ssf-configuration/a/b",
		"https://tr.example.com:8443/a%2Fb":        "https://tr.example.com:8443/.well-known/ssf-configuration/a%2Fb",
		"ftp://tr.example.com":                     "",
		"https://tr.example.com/?x=1":              "",
		"https://user@tr.example.com":              "",
		"":                                         "",
		"tr.example.com":                           "",
		"https://":                                 "",
		"https://tr.example.com/issuer1#fragments": "",
	} {
		got, err := wellKnown(issuer)
		if want == "" {
			if err == nil {
				t.Errorf("%s: %v", issuer, got)
			}
			continue
		}
		if err != nil || got[0] != want || got[1] != strings.Replace(want, "ssf-", "risc-", 1) {
			t.Errorf("%s: %v, %v", issuer, got, err)
		}
	}
}

func TestTransmitterDocument(t *testing.T) {
	good := map[string]any{"issuer": "https://tr.example.com", "jwks_uri": "https://tr.example.com/jwks", "configuration_endpoint": "https://tr.example.com/stream"}
	read := func(change func(map[string]any)) error {
		doc := map[string]any{}
		for k, v := range good {
			doc[k] = v
		}
		change(doc)
		raw, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		_, err = readTransmitter(raw, "https://tr.example.com/.well-known/ssf-configuration", "https://tr.example.com")
		return err
	}
	if err := read(func(map[string]any) {}); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(map[string]any){
		"other issuer":     func(d map[string]any) { d["issuer"] = "https://tr.example.com/" },
		"no issuer":        func(d map[string]any) { delete(d, "issuer") },
		"no keys":          func(d map[string]any) { delete(d, "jwks_uri") },
		"plain http":       func(d map[string]any) { d["jwks_uri"] = "http://tr.example.com/jwks" },
		"a script":         func(d map[string]any) { d["configuration_endpoint"] = "javascript:alert(1)" },
		"a user name":      func(d map[string]any) { d["status_endpoint"] = "https://me@tr.example.com/" },
		"a relative place": func(d map[string]any) { d["verification_endpoint"] = "/verify" },
	} {
		if read(change) == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func TestRevocationNamesOneSubject(t *testing.T) {
	for body, ok := range map[string]bool{
		`{"sub_id":{"format":"email","email":"a@acme.example"}}`:                                                       true,
		`{"subject":{"format":"email","email":"a@acme.example"}}`:                                                      true,
		`{"sub_id":{"format":"email","email":"a@acme.example"},"subject":{"format":"email","email":"a@acme.example"}}`: true,
		`{"sub_id":{"format":"email","email":"a@acme.example"},"subject":{"format":"email","email":"b@acme.example"}}`: false,
		`{"sub_id":{"format":"email"}}`: false,
		`{}`:                            false,
		`[]`:                            false,
		``:                              false,
		`{"sub_id":{"format":"email","email":"a@acme.example"},"sub_id":{"format":"email","email":"b@acme.example"}}`: false,
	} {
		if _, err := readRevocation([]byte(body)); (err == nil) != ok {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// FuzzPolled: no answer of a transmitter makes us panic, or gives more tokens than it may.
func FuzzPolled(f *testing.F) {
	f.Add([]byte(`{"sets":{"a":"x.y.z"},"moreAvailable":true}`))
	f.Add([]byte(`{"sets":[],"moreAvailable":1}`))
	f.Add(bytes.Repeat([]byte(`{"sets":`), 20))
	f.Fuzz(func(t *testing.T, raw []byte) {
		answer, err := readPolled(raw)
		if err == nil && (answer.Sets == nil || len(answer.Sets) > 10*maxPolled) {
			t.Fatal(answer)
		}
	})
}

// FuzzTransmitter: whatever a document says, only https addresses come out of one for an https issuer.
func FuzzTransmitter(f *testing.F) {
	f.Add([]byte(`{"issuer":"https://tr.example.com","jwks_uri":"https://tr.example.com/jwks"}`))
	f.Add([]byte(`{"issuer":"https://tr.example.com","jwks_uri":"http://x","authorization_schemes":[{"spec_urn":1}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := readTransmitter(raw, "https://tr.example.com/x", "https://tr.example.com")
		if err != nil {
			return
		}
		for _, address := range []string{got.JWKSURL, got.Streams, got.Status, got.AddSubject, got.RemoveSubject, got.Verification} {
			if address != "" && !strings.HasPrefix(strings.ToLower(address), "https://") {
				t.Fatal(address)
			}
		}
	})
}

// FuzzRevocation: a body names one subject of a known form, or is refused.
func FuzzRevocation(f *testing.F) {
	f.Add([]byte(`{"sub_id":{"format":"iss_sub","iss":"i","sub":"s"}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, err := readRevocation(raw)
		if err == nil && s.Format == "" {
			t.Fatal(s)
		}
		if err != nil && judged(err).status != http.StatusBadRequest {
			t.Fatal(err)
		}
	})
}

// THREAT SET-2
func TestNoResourceIsFetchedFromOutsideOfItsBase(t *testing.T) {
	const base = "https://scim.example/tenants/7/v2"
	for uri, want := range map[string]string{
		"/Users/5f0c9a":                base + "/Users/5f0c9a",
		"Groups/ml-admins":             base + "/Groups/ml-admins",
		"/Users/jane%40acme.example":   base + "/Users/jane@acme.example",
		"/Users/Jane Roe":              base + "/Users/Jane%20Roe",
		"/Users/a..b":                  base + "/Users/a..b",
		"/Users/":                      "",
		"":                             "",
		"/Users/../../8/v2/Users/1":    "",
		"/Users/%2e%2e/%2e%2e/8":       "",
		"/Users/%2e%2e%2f%2e%2e%2f8":   "",
		"/Users/..%2f..%2f8":           "",
		"/Users/%2E%2E":                "",
		"/Users/%252e%252e%252f8":      "",
		"/Users/a%2fb":                 "",
		"/Users/a%5c..%5cb":            "",
		"/Users/a\\b":                  "",
		"//evil.example/Users/1":       "",
		"/Users//1":                    "",
		"/Users/./1":                   "",
		"/Users/1?x=y":                 "",
		"/Users/1%3fx=y":               base + "/Users/1%3Fx=y",
		"/Users/1#x":                   "",
		"/Users/1%23x":                 base + "/Users/1%23x",
		"/Users/%zz":                   "",
		"/Users/%00":                   "",
		"https://evil.example/Users/1": "",
	} {
		got, err := resourceAddress(base, uri)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q is fetched from %q (%v), want %q", uri, got, err, want)
		}
	}
}
