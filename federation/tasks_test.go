package federation_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/federation"
	"github.com/drawbridge-id/drawbridge/test/sim"
)

// zone is a name server with TXT records; nil values mean that it does not answer.
type zone struct {
	name    string
	records map[string][]string
	silent  bool
	asked   int
}

func (z *zone) String() string { return z.name }

func (z *zone) LookupTXT(_ context.Context, name string) ([]string, error) {
	z.asked++
	if z.silent {
		return nil, errors.New("timeout")
	}
	if v, ok := z.records[name]; ok {
		return v, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

// REQ K-08
// THREAT NET-2
func TestADomainIsProvedWhenTwoNameServersAgree(t *testing.T) {
	one, two := &zone{name: "ns1"}, &zone{name: "ns2"}
	w := newWorld(t, one, two)
	acme := w.saml("acme", sim.Okta)
	d, err := w.ledger.ClaimDomain(t.Context(), operator, acme.account.ID, "acme.test-domain.example")
	w.must(err)
	record := map[string][]string{d.ChallengeName(): {"v=spf1 -all", d.ChallengeValue()}}
	state := func() account.Domain {
		all, err := w.ledger.Domains(t.Context(), operator, acme.account.ID)
		w.must(err)
		for _, x := range all {
			if x.ID == d.ID {
				return x
			}
		}
		t.Fatal("the domain is gone")
		return d
	}
	check := func() account.Domain {
		w.clock.turn(25 * time.Hour)
		w.must(w.door.CheckDomains(t.Context()))
		return state()
	}

	if got := check(); got.State != account.DomainPending || !strings.Contains(got.LastAnswer, "ns1 has no such record") {
		t.Errorf("without a record: %s, %q", got.State, got.LastAnswer)
	}
	one.records = record
	if got := check(); got.State != account.DomainPending {
		t.Errorf("one of two servers proved it")
	}
	two.records = record
	if got := check(); got.State != account.DomainProved || got.ProvedBy != "dns" {
		t.Errorf("both servers: %s by %q", got.State, got.ProvedBy)
	}
	one.silent, two.silent = true, true
	if got := check(); got.State != account.DomainProved {
		t.Errorf("silence made it %s", got.State)
	}
	asked := one.asked
	w.must(w.door.CheckDomains(t.Context()))
	if one.asked != asked {
		t.Error("a silent server is asked again at once")
	}
	one.silent, two.silent, two.records = false, false, nil
	if got := check(); got.State != account.DomainProved {
		t.Errorf("one server still has it, yet it is %s", got.State)
	}
	one.records = nil
	if got := check(); got.State != account.DomainFailing || !got.Counts() {
		t.Errorf("without the record: %s", got.State)
	}
	for range 8 {
		check()
	}
	if got := state(); got.State != account.DomainLost || got.Counts() {
		t.Errorf("after a week: %s", got.State)
	}
	one.records, two.records = record, record
	if got := check(); got.State != account.DomainProved {
		t.Errorf("the record is back, and it is %s", got.State)
	}
}

// THREAT SAML-K3, SAML-M2
func TestNewCertificatesComeByMetadataAndStrangersWait(t *testing.T) {
	w := newWorld(t)
	acme := w.saml("acme", sim.Okta, func(s *account.Settings) {
		s.SAML.MetadataURL = strings.TrimSuffix(s.SAML.SSORedirect, "/sso") + "/metadata"
	})
	if acme.con.Live.SAML.MetadataURL != acme.idp.MetadataURL() {
		t.Fatalf("metadata is at %s", acme.idp.MetadataURL())
	}
	refresh := func() string {
		w.clock.turn(25 * time.Hour)
		w.seen.refreshed = nil
		w.must(w.door.RefreshMetadata(t.Context()))
		return strings.Join(w.seen.refreshed, " ")
	}
	w.must(w.door.RefreshMetadata(t.Context()))
	if got := refresh(); got != "unchanged" && got != "updated" {
		t.Errorf("first look: %q", got)
	}
	w.must(acme.idp.Rotate(true)) // both published, the new one signs
	if got := refresh(); got != "updated" {
		t.Errorf("a rollover: %q", got)
	}
	if b, end := acme.signIn("ana"); end.Status != 200 {
		t.Errorf("signing in with the new key: %d", end.Status)
	} else if _, in := b.whoami(); !in {
		t.Error("nobody is signed in")
	}
	w.must(acme.idp.Break(sim.MetadataDown))
	if got := refresh(); got != "failed" {
		t.Errorf("metadata down: %q", got)
	}
	acme.idp.Mend(sim.MetadataDown)
	w.must(acme.idp.Rotate(false)) // a key that nobody here has seen, and none of the known ones published
	for _, k := range acme.idp.Keys() {
		if !k.Signing {
			acme.idp.RemoveKey(k.ID)
		}
	}
	if got := refresh(); got != "waiting" {
		t.Errorf("all keys replaced: %q", got)
	}
	b, end := acme.signIn("ana")
	acme.isRefused(b, end, account.StepSignature, "")
	w.must(w.ledger.ApproveRefresh(t.Context(), operator, acme.con.ID))
	if _, end := acme.signIn("ana"); end.Status != 200 {
		t.Errorf("approved, signing in got %d", end.Status)
	}
}

func TestTheDoorNamesItsTasks(t *testing.T) {
	w := newWorld(t)
	for _, task := range w.door.Tasks() {
		if task.Name == "" || task.Every <= 0 {
			t.Errorf("task %+v", task)
		}
		w.must(task.Run(t.Context()))
	}
	if len(federation.Resolvers(nil)) != 1 || len(federation.Resolvers([]string{"192.0.2.1", "192.0.2.2:5353"})) != 2 {
		t.Error("resolvers")
	}
	if r := federation.Resolvers([]string{"192.0.2.1"})[0]; r.String() != "192.0.2.1:53" {
		t.Errorf("resolver at %s", r)
	}
}
