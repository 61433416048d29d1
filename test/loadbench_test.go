package test

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/keys"
	"github.com/drawbridge-id/drawbridge/test/sim"
)

const loadedEstate = `
accounts:
  - name: acme
    services: [catalog]
    owners: [olga@acme.example]
    domains: [{name: acme.example, connection: idp, proved: true}]
    connections:
      - name: idp
        kind: okta
        oidc: {issuer: "https://acme.example", client_id: drawbridge, client_secret: between-us}
        scim: {tokens: [{token: "env:ACME_TOKEN", expires: 2030-12-31}]}
    rules:
      - {name: Some, groups: [group-0001], org: [catalog:reader], state: active}
`

// A company's first full load, as Okta pushes it to the daemon: each of a hundred thousand people is looked for and then made, and a
// thousand groups get a hundred members each, eight requests at a time. Peak is the daemon's largest resident size.
func BenchmarkSCIMFirstLoad(b *testing.B) {
	people := throngsOf(b) / 10
	for b.Loop() {
		firstLoad(b, people, max(people/100, 1))
	}
}

func firstLoad(b *testing.B, people, groups int) {
	sh := newShell(b)
	address := freeAddress(b)
	sh.env = append(sh.env, "ACME_TOKEN="+keys.Mint(keys.Directory, rand.Reader), "DRAWBRIDGE_OPERATOR_LISTEN=", "DRAWBRIDGE_SCIM_RATE=100000", "DRAWBRIDGE_SCIM_BURST=100000")
	sh.run("drawbridge init house --public-url http://" + address + " --listen " + address).exits(0)
	sh.env = append(sh.env, "DRAWBRIDGE_CONFIG="+filepath.Join(sh.dir, "house", "drawbridge.yaml"))
	sh.write("estate.yaml", loadedEstate)
	base := regexp.MustCompile(`http\S+/scim/con_\w+/v2`).FindString(sh.run("drawbridge apply -f estate.yaml").exits(0).out)
	if base == "" {
		b.Fatal("apply does not say where the provider pushes to")
	}
	d := sh.serve()
	_, token, _ := strings.Cut(sh.env[0], "=")
	push := &sim.Pusher{Dialect: sim.Okta, BaseURL: base, Token: token, Client: &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 8}}}
	email := func(n int) string { return fmt.Sprintf("p%06d@acme.example", n) }
	users := pour(b, people, func(n int) error {
		_, err := push.User(b.Context(), sim.User{Email: email(n), GivenName: "Somebody", FamilyName: fmt.Sprint(n), DisplayName: fmt.Sprint("Somebody ", n)})
		return err
	})
	joined := pour(b, groups, func(n int) error {
		name := fmt.Sprintf("group-%04d", n)
		if err := push.Group(b.Context(), sim.Group{Name: name}); err != nil {
			return err
		}
		var members []string
		for i := range min(100, people) {
			members = append(members, email((n*97+i*31)%people))
		}
		return push.Join(b.Context(), name, members...)
	})
	b.ReportMetric((users + joined).Seconds(), "load-s")
	b.ReportMetric(float64(people)/users.Seconds(), "users/s")
	b.ReportMetric(float64(groups)/joined.Seconds(), "groups/s")
	b.ReportMetric(float64(peak(b, d.cmd.Process.Pid))/1024, "peak-MB")
	if code := d.stop(); code != 0 {
		b.Errorf("the daemon ended with %d:\n%s", code, d.log.String())
	}
}

// pour does all of n things, eight at a time.
func pour(b *testing.B, n int, do func(int) error) time.Duration {
	b.Helper()
	began := time.Now()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(n) && !b.Failed(); i = next.Add(1) - 1 {
				if err := do(int(i)); err != nil {
					b.Errorf("%d: %v", i, err)
				}
			}
		})
	}
	wg.Wait()
	return time.Since(began)
}

// peak is the largest resident size of a process so far, in kB.
func peak(b *testing.B, pid int) int {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	found := regexp.MustCompile(`VmHWM:\s*(\d+) kB`).FindSubmatch(status)
	if found == nil {
		b.Fatal("the system does not tell how large the daemon was")
	}
	n, err := strconv.Atoi(string(found[1]))
	if err != nil {
		b.Fatal(err)
	}
	return n
}
