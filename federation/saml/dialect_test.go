package saml_test

import (
	"context"
	"crypto/rand"
	mathrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/federation/saml"
	"github.com/drawbridge-id/drawbridge/test/sim"
)

var at = time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)

const (
	entity = "https://sp.example/saml/con_1"
	acs    = "https://sp.example/saml/con_1/acs"
)

func seeded() *mathrand.ChaCha8 { return mathrand.NewChaCha8([32]byte{1}) }

// company is a simulated provider and our connection to it, set up from its metadata as an
// administrator would.
func company(t testing.TB, d sim.Dialect, change ...func(*sim.TenantConfig)) (*sim.Tenant, saml.SP, account.Settings) {
	t.Helper()
	key, err := saml.NewKey(rand.Reader, at, "drawbridge")
	if err != nil {
		t.Fatal(err)
	}
	c := sim.TenantConfig{
		Name: "acme", Dialect: d, Domain: "acme.example",
		Users: []sim.User{
			{Email: "amy@acme.example", GivenName: "Amy", FamilyName: "Åkesson & Söhne", Groups: []string{"eng", "registry <admins>"}, MFA: true},
			{Email: "bob@acme.example"},
		},
		SAML: []sim.SAMLApp{{EntityID: entity, ACS: []string{acs}, Certificates: []string{key.Certificate}}},
	}
	for _, f := range change {
		f(&c)
	}
	house := sim.New(sim.Options{Now: func() time.Time { return at }, Rand: seeded(), BaseURL: "https://idp.example"})
	tenant, err := house.AddTenant(c)
	if err != nil {
		t.Fatal(err)
	}
	houses[tenant] = house
	return tenant, saml.SP{EntityID: entity, ACS: acs, Keys: []account.SPKey{key}}, connect(t, tenant, d)
}

func connect(t testing.TB, tenant *sim.Tenant, d sim.Dialect) account.Settings {
	t.Helper()
	xml, err := tenant.Metadata()
	if err != nil {
		t.Fatal(err)
	}
	p, err := saml.ReadMetadata(xml, "", "", at)
	if err != nil {
		t.Fatal(err)
	}
	if p.EntityID != tenant.EntityID() {
		t.Fatalf("metadata says %q, the tenant is %q", p.EntityID, tenant.EntityID())
	}
	settings := account.Settings{Protocol: account.SAML, Kind: kindOf(d), SAML: &account.SAMLSettings{}}
	*settings.SAML, _, _ = saml.Refresh(*settings.SAML, p)
	return settings
}

func kindOf(d sim.Dialect) account.IdPKind {
	kind := account.IdPKind(d)
	if !slices.Contains([]account.IdPKind{account.KindOkta, account.KindEntra, account.KindGoogle, account.KindADFS, account.KindPing}, kind) {
		return account.KindGeneric
	}
	return kind
}

func judge(sp saml.SP, s account.Settings, m sim.SAMLMessage) account.Judgement {
	return saml.Judge(sp, account.Connection{ID: "con_1"}, s, m.Base64, saml.Expect{Now: at, RequestID: "id-request"})
}

func response(t testing.TB, tenant *sim.Tenant, faults ...sim.Fault) sim.SAMLMessage {
	t.Helper()
	m, err := tenant.SAMLResponse("amy@acme.example", sim.SAMLRequest{RequestID: "id-request"}, faults...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// THREAT SAML-N2
// THREAT SAML-S1
// THREAT SAML-X6
// REQ L-04
// REQ T-10
func TestEveryDialectSignsPeopleInWithTheirGroups(t *testing.T) {
	for _, d := range sim.Dialects() {
		t.Run(string(d), func(t *testing.T) {
			tenant, sp, settings := company(t, d)
			if d == sim.OneLogin { // joins several roles into one value
				settings.Mapping.Delimiter = ";"
			}
			j := judge(sp, settings, response(t, tenant))
			if j.Refusal != nil {
				t.Fatalf("%v\n%s", j.Refusal, j.Raw)
			}
			if j.Login.Email != "amy@acme.example" || j.Login.Subject == "" {
				t.Errorf("login is %+v", j.Login)
			}
			if g := j.Login.Groups; g.State != account.GroupsComplete || len(g.Values) < 2 {
				t.Errorf("groups are %+v\n%s", g, j.Raw)
			}
		})
	}
}

// What a fault of the provider has to come to: a refusal's code, or "" for a sign-in.
var verdicts = map[sim.Fault]string{
	sim.WrongIssuer:           "issuer_mismatch",
	sim.WrongAudience:         "audience_mismatch",
	sim.Expired:               "expired",
	sim.NotYetValid:           "not_yet_valid",
	sim.WrongKey:              "signature_invalid",
	sim.Tampered:              "digest_mismatch",
	sim.NoGroups:              "",
	sim.EmptyGroups:           "",
	sim.ManyGroups:            "",
	sim.OtherDomain:           "",
	sim.NoAudience:            "audience_missing",
	sim.TwoAudiences:          "",
	sim.TwoRestrictions:       "audience_mismatch",
	sim.WrongRecipient:        "recipient_mismatch",
	sim.NoRecipient:           "recipient_missing",
	sim.WrongDestination:      "destination_mismatch",
	sim.WrongInResponseTo:     "in_response_to_mismatch",
	sim.NoInResponseTo:        "in_response_to_mismatch",
	sim.Unsigned:              "unsigned",
	sim.SHA1:                  "sha1_refused",
	sim.NoKeyInfo:             "",
	sim.RSAKeyValue:           "",
	sim.SpacesInSignature:     "",
	sim.ExpiredCertificate:    "",
	sim.RenewedCertificate:    "",
	sim.ExtraAssertion:        "assertion_count",
	sim.XSW1:                  "assertion_count",
	sim.XSW2:                  "assertion_count",
	sim.XSW3:                  "assertion_count",
	sim.XSW4:                  "assertion_count",
	sim.XSW5:                  "assertion_count",
	sim.XSW6:                  "assertion_count",
	sim.XSW7:                  "assertion_count",
	sim.XSW8:                  "assertion_count",
	sim.DuplicateID:           "response_malformed",
	sim.Doctype:               "response_malformed",
	sim.EmptyNameID:           "subject_invalid",
	sim.NoSubject:             "confirmation_missing",
	sim.NoSubjectConfirmation: "confirmation_missing",
	sim.NoConfirmationData:    "confirmation_incomplete",
	sim.NoConfirmationExpiry:  "confirmation_incomplete",
	sim.HolderOfKey:           "confirmation_missing",
	sim.NoConditions:          "conditions_missing",
	sim.NoAuthnStatement:      "authn_statement_missing",
	sim.SessionOver:           "session_over",
	sim.StatusDenied:          "status_failed",
	sim.CommentInNameID:       "",
}

// THREAT SAML-W1
// THREAT SAML-W2
// THREAT SAML-C1
// THREAT SAML-C2
// THREAT SAML-C3
// THREAT SAML-C4
// THREAT SAML-C5
// THREAT SAML-C6
// THREAT SAML-C7
// THREAT SAML-C8
// THREAT SAML-I1
// THREAT SAML-K1
// INTEROP M1
// INTEROP M2
// INTEROP M3
// INTEROP M5
// INTEROP M6
// INTEROP M7
// INTEROP M8
// INTEROP M9
func TestEveryFaultOfAProviderComesToItsVerdict(t *testing.T) {
	for _, d := range []sim.Dialect{sim.Okta, sim.Entra, sim.Generic} {
		tenant, sp, settings := company(t, d)
		for _, info := range sim.Faults() {
			want, judged := verdicts[info.Fault]
			if !judged {
				continue
			}
			t.Run(string(d)+"/"+string(info.Fault), func(t *testing.T) {
				j := judge(sp, settings, response(t, tenant, info.Fault))
				got := ""
				if j.Refusal != nil {
					got = j.Refusal.Code
				}
				if got != want {
					t.Errorf("the verdict is %q (%v), expected %q\n%s", got, j.Refusal, want, j.Raw)
				}
				if strings.Contains(string(info.Fault), "comment") && j.Login != nil && !strings.HasSuffix(j.Login.NameID.Value, ".evil.example") {
					t.Errorf("a comment cut the name short: %q", j.Login.NameID.Value)
				}
			})
		}
	}
}

// The same fault means different things at providers that sign and name differently.
func TestSomeFaultsDependOnTheProvider(t *testing.T) {
	for _, c := range []struct {
		dialect sim.Dialect
		fault   sim.Fault
		expect  string
	}{
		{sim.Okta, sim.NoDestination, "destination_missing"}, // the response is signed
		{sim.Entra, sim.NoDestination, ""},
		{sim.Generic, sim.NoNameID, "subject_missing"},
		{sim.Entra, sim.NoNameID, ""}, // known by tenant and object id
		{sim.Generic, sim.TransientNameID, "subject_missing"},
		{sim.Entra, sim.TransientNameID, ""},
		{sim.Generic, sim.NoEmail, ""},
		{sim.Generic, sim.ClockSkew.With("4m"), "issued_in_future"},
		{sim.Generic, sim.ClockSkew.With("2m"), ""},
		{sim.Generic, sim.ClockSkew.With("-2m"), ""},
	} {
		tenant, sp, settings := company(t, c.dialect)
		j := judge(sp, settings, response(t, tenant, c.fault))
		got := ""
		if j.Refusal != nil {
			got = j.Refusal.Code
		}
		if got != c.expect {
			t.Errorf("%s, %s: the verdict is %q (%v), expected %q", c.dialect, c.fault, got, j.Refusal, c.expect)
		}
	}
}

// THREAT SAML-E1
// THREAT SAML-E2
func TestEveryWayOfEncryptingComesToItsVerdict(t *testing.T) {
	for _, c := range []struct {
		name string
		sim.Encryption
		cbc    bool
		fault  sim.Fault
		expect string
	}{
		{"gcm 128", sim.Encryption{Content: "aes128-gcm"}, false, "", ""},
		{"gcm 192", sim.Encryption{Content: "aes192-gcm"}, false, "", ""},
		{"gcm 256, key beside", sim.Encryption{KeyBeside: true}, false, "", ""},
		{"oaep sha256, sha1 mask", sim.Encryption{Digest: "sha256"}, false, "", ""},
		{"xmlenc11 sha256 both", sim.Encryption{KeyTransport: "oaep-xmlenc11", Digest: "sha256", MGF: "sha256"}, false, "", ""},
		{"cbc allowed", sim.Encryption{Content: "aes256-cbc"}, true, "", ""},
		{"cbc 128 allowed", sim.Encryption{Content: "aes128-cbc"}, true, "", ""},
		{"cbc not allowed", sim.Encryption{Content: "aes256-cbc"}, false, "", "encryption_algorithm"},
		{"3des", sim.Encryption{Content: "tripledes-cbc"}, true, "", "encryption_algorithm"},
		{"rsa 1.5", sim.Encryption{KeyTransport: "rsa-1_5"}, true, "", "encryption_algorithm"},
		{"bad ciphertext, gcm", sim.Encryption{}, false, sim.BadCiphertext, "decryption_failed"},
		{"bad ciphertext, cbc", sim.Encryption{Content: "aes256-cbc"}, true, sim.BadCiphertext, "decryption_failed"},
		{"unsigned inside", sim.Encryption{}, false, sim.Unsigned, "decryption_failed"},
		{"other key inside", sim.Encryption{}, false, sim.WrongKey, "decryption_failed"},
		{"a plain one beside", sim.Encryption{}, false, sim.EncryptedAndPlain, "assertion_count"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tenant, sp, settings := company(t, sim.Generic)
			settings.SAML.AllowCBC = c.cbc
			c.Encryption.Certificate = sp.Keys[0].Certificate
			var faults []sim.Fault
			if c.fault != "" {
				faults = append(faults, c.fault)
			}
			m, err := tenant.SAMLResponse("amy@acme.example", sim.SAMLRequest{RequestID: "id-request", Encryption: &c.Encryption}, faults...)
			if err != nil {
				t.Fatal(err)
			}
			j := judge(sp, settings, m)
			got := ""
			if j.Refusal != nil {
				got = j.Refusal.Code
			}
			if got != c.expect {
				t.Errorf("the verdict is %q (%v), expected %q", got, j.Refusal, c.expect)
			}
		})
	}
}

// The link in place of the groups is no empty set, and neither is silence (promise 6).
func TestEntraOverageLeavesGroupsUnknown(t *testing.T) {
	tenant, sp, settings := company(t, sim.Entra)
	over := judge(sp, settings, response(t, tenant, sim.ManyGroups)).Login.Groups
	if over.State != account.GroupsUnknown || over.Absent || over.Why == "" {
		t.Errorf("overage gives %+v", over)
	}
	none := judge(sp, settings, response(t, tenant, sim.NoGroups)).Login.Groups
	if none.State != account.GroupsUnknown || !none.Absent || none.Why == "" {
		t.Errorf("absence gives %+v", none)
	}
}

func TestEntraPeopleAreKnownByTenantAndObjectID(t *testing.T) {
	tenant, sp, settings := company(t, sim.Entra)
	login := judge(sp, settings, response(t, tenant)).Login
	tid, oid, ok := strings.Cut(login.Subject, "/")
	if !ok || len(tid) != 36 || len(oid) != 36 {
		t.Errorf("the subject is %q", login.Subject)
	}
	if !slices.Contains(login.Methods, "http://schemas.microsoft.com/claims/multipleauthn") {
		t.Errorf("the methods are %q", login.Methods)
	}
}

// A request of ours goes to the simulated provider over a socket, by both bindings, signed, and its
// answer signs somebody in.
func TestARequestIsAnsweredByTheProviderOverSockets(t *testing.T) {
	for _, d := range []sim.Dialect{sim.Okta, sim.Entra, sim.Keycloak} {
		t.Run(string(d), func(t *testing.T) {
			tenant, sp, settings := company(t, d, func(c *sim.TenantConfig) { c.SAML[0].RequireSigned = true })
			settings.SAML.SignRequests = true
			handler := httptest.NewServer(houses[tenant])
			defer handler.Close()
			for _, post := range []bool{false, true} {
				s := *settings.SAML
				if post {
					s.SSORedirect = ""
				}
				if post && s.SSOPost == "" {
					continue
				}
				id := saml.NewRequestID(rand.Reader)
				out, err := saml.Start(sp, s, saml.AuthnRequest{ID: id, Now: at, RelayState: "handle-1", LoginHint: "amy@acme.example"})
				if err != nil {
					t.Fatal(err)
				}
				status, body := visit(t, handler.URL, out)
				if status != http.StatusOK {
					t.Errorf("post %v: the provider answers %d: %s", post, status, body)
				}
			}
		})
	}
}

// houses are the simulators that tenants live in, for the tests that need a socket.
var houses = map[*sim.Tenant]*sim.Sim{}

func visit(t *testing.T, base string, out saml.Outgoing) (int, string) {
	t.Helper()
	var r *http.Request
	var err error
	if out.URL != "" {
		r, err = http.NewRequestWithContext(context.Background(), http.MethodGet, strings.Replace(out.URL, "https://idp.example", base, 1), nil)
	} else {
		form := make([]string, 0, 2)
		for _, f := range out.Fields {
			form = append(form, f[0]+"="+strings.NewReplacer("+", "%2B", "/", "%2F", "=", "%3D").Replace(f[1]))
		}
		r, err = http.NewRequestWithContext(context.Background(), http.MethodPost, strings.Replace(out.Action, "https://idp.example", base, 1), strings.NewReader(strings.Join(form, "&")))
		if r != nil {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body := make([]byte, 600)
	n, _ := resp.Body.Read(body)
	return resp.StatusCode, string(body[:n])
}
