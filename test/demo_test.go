package test

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/test/drive"
	"github.com/drawbridge-id/drawbridge/test/world"
)

// demoRoles are what /session says that somebody holds: "role" in the org, "role@team" in a team.
func demoRoles(t *testing.T, house string, b *drive.Driver) []string {
	t.Helper()
	p, err := b.Go(t.Context(), house+"/session")
	if err != nil || p.Status != http.StatusOK {
		t.Fatalf("/session is answered %v (%v)", p, err)
	}
	var s world.Session
	if err := json.Unmarshal([]byte(p.Body), &s); err != nil {
		t.Fatal(err)
	}
	names := s.RoleNames()
	slices.Sort(names)
	return names
}

// The whole product in one command: it says when it is ready, people sign in at both companies, a changed group changes the roles,
// and Ctrl-C leaves nothing behind.
//
// REQ K-01, L-12
func TestTheDemoShowsTheMainJobAndLeavesNothing(t *testing.T) {
	sh := newShell(t)
	temp := filepath.Join(sh.dir, "tmp")
	if err := os.Mkdir(temp, 0o700); err != nil {
		t.Fatal(err)
	}
	sh.env = append(sh.env, "TMPDIR="+temp)
	cmd := sh.command(t.Context(), "drawbridge-sim", "demo", "--drawbridge", filepath.Join(sh.bin, "drawbridge"))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var errs strings.Builder
	cmd.Stderr = &errs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said, ready := make(chan string, 1), make(chan string, 1)
	go func() {
		var all strings.Builder
		for lines := bufio.NewScanner(out); lines.Scan(); {
			all.WriteString(lines.Text() + "\n")
			if strings.HasPrefix(lines.Text(), "ready: ") {
				ready <- all.String()
			}
		}
		said <- all.String()
	}()
	var explained string
	select {
	case explained = <-ready:
	case all := <-said:
		t.Fatalf("the demo ended before it was ready:\n%s%s", all, errs.String())
	case <-time.After(2 * time.Minute):
		t.Fatal("the demo is not ready after two minutes")
	}
	house := regexp.MustCompile(`(?m)^ready: (http://\S+)$`).FindStringSubmatch(explained)[1]
	providers := regexp.MustCompile(`(http://localhost:\d+)/acme/ui`).FindStringSubmatch(explained)[1]

	// signIn goes the way of the page that the demo tells of: the address first, then the provider.
	signIn := func(user, company string) *drive.Driver {
		t.Helper()
		control(t, "PUT", providers+"/_control/tenants/"+company+"/auto", map[string]string{"user": user})
		b := &drive.Driver{Trace: t.Logf}
		asked, err := b.Post(t.Context(), house+"/signin", url.Values{"email": {user}})
		if err != nil {
			t.Fatal(err)
		}
		start := regexp.MustCompile(`/login/con_[0-9a-z]+`).FindString(asked.Body + asked.Header.Get("Refresh"))
		if start == "" {
			t.Fatalf("%s is led nowhere:\n%s", user, asked.Body)
		}
		if _, err := b.Go(t.Context(), house+start); err != nil {
			t.Fatal(err)
		}
		return b
	}
	same := func(who string, b *drive.Driver, want ...string) {
		t.Helper()
		slices.Sort(want)
		if got := demoRoles(t, house, b); !slices.Equal(got, want) {
			t.Errorf("%s holds %v, want %v", who, got, want)
		}
	}
	same("Ana", signIn("ana@acme.example", "acme"), "catalog:reader", "registry:writer", "functions:developer@research")
	same("Hana", signIn("hana@globex.example", "globex"), "catalog:reader", "registry:writer", "user_admin@research", "registry:admin@research")
	control(t, "PUT", providers+"/_control/tenants/acme/users/ana@acme.example/groups", []string{"viewers"})
	same("Ana, moved to viewers,", signIn("ana@acme.example", "acme"), "catalog:reader")
	control(t, "PUT", providers+"/_control/tenants/acme/auto", map[string]string{"user": "mallory@globex.example"})
	mallory := &drive.Driver{}
	con := regexp.MustCompile(`/login/con_[0-9a-z]+`)
	asked, err := mallory.Post(t.Context(), house+"/signin", url.Values{"email": {"ana@acme.example"}})
	if err != nil {
		t.Fatal(err)
	}
	if p, err := mallory.Go(t.Context(), house+con.FindString(asked.Body+asked.Header.Get("Refresh"))); err != nil || p.Status != http.StatusForbidden {
		t.Errorf("Mallory, whose address is Globex's, is answered %v (%v)", p, err)
	}
	// Whoever left opens nothing with what the demo shows of them, and the receipts say when.
	receipts := regexp.MustCompile(`(\S+) had signed in and made a key, and left \((\w+), .*\n.*answered \d+ in (\S+)\n`+
		`.*received \S+, committed \+(\S+), in force everywhere \+(\S+); 1 session ended, 1 key revoked\n.*session 401, key 401`).FindAllStringSubmatch(explained, -1)
	left := map[string]string{}
	for _, r := range receipts {
		left[r[1]] = r[2]
		answered, err1 := time.ParseDuration(r[3])
		committed, err2 := time.ParseDuration(r[4])
		everywhere, err3 := time.ParseDuration(r[5])
		if err := errors.Join(err1, err2, err3); err != nil || committed <= 0 || everywhere < committed || answered < everywhere {
			t.Errorf("%s: committed after %s, in force after %s, answered after %s (%v)", r[1], committed, everywhere, answered, err)
		}
	}
	if want := map[string]string{"dana@acme.example": "scim", "emil@acme.example": "event"}; !maps.Equal(left, want) {
		t.Errorf("the receipts tell of %v, want %v:\n%s", left, want, explained)
	}
	tries := regexp.MustCompile(`curl -i -H '(\w+): (.*)' (\S+)`).FindAllStringSubmatch(explained, -1)
	if len(tries) != 2*len(left) {
		t.Errorf("%d calls to try:\n%s", len(tries), explained)
	}
	for _, c := range tries {
		if status := answers(t, c[3], c[1], c[2]); status != http.StatusUnauthorized {
			t.Errorf("%s with %s is answered %d", c[3], c[1], status)
		}
	}
	// And whoever watches sees it happen: a pushed person signs in, holds what pushed groups earn, and is out.
	fay := signIn("fay@acme.example", "acme")
	same("Fay, whom Okta pushed,", fay, "registry:reader")
	control(t, "PUT", regexp.MustCompile(`curl -X PUT (\S+/active) -d false`).FindStringSubmatch(explained)[1], false)
	if p, err := fay.Go(t.Context(), house+"/session"); err != nil || p.Status != http.StatusUnauthorized {
		t.Errorf("Fay is deactivated, and her session is answered %v (%v)", p, err)
	}
	// The commands that it tells of work as they stand there.
	settings := regexp.MustCompile(`DRAWBRIDGE_CONFIG=(\S+) DRAWBRIDGE_EGRESS_ALLOW=(\S+)`).FindStringSubmatch(explained)
	sh.env = append(sh.env, "DRAWBRIDGE_CONFIG="+settings[1], "DRAWBRIDGE_EGRESS_ALLOW="+settings[2])
	sh.run("drawbridge rules test acme/okta --groups eng,Viewers").exits(0).says("Engineering", "case")
	sh.run("drawbridge org show acme").exits(0).says("ana@acme.example")

	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	select {
	case <-said:
	case <-time.After(time.Minute):
		t.Fatal("the demo is still there a minute after SIGINT")
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v:\n%s", err, errs.String())
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) != 0 {
		t.Errorf("it left %v (%v)", left, err)
	}
	for _, address := range []string{house, providers} {
		if c, err := net.Dial("tcp", strings.TrimPrefix(address, "http://")); err == nil {
			c.Close()
			t.Errorf("%s still answers", address)
		}
	}
	for _, exe := range running(t) {
		if strings.HasPrefix(exe, sh.bin) {
			t.Errorf("%s still runs", exe)
		}
	}
}

// answers is the status of a request with one header.
func answers(t *testing.T, address, header, value string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set(header, value)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode
}

// running lists the programs of all processes, where the system tells (/proc).
func running(t *testing.T) (exes []string) {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		if exe, err := os.Readlink(l); err == nil {
			exes = append(exes, exe)
		}
	}
	return exes
}

// control drives a simulator that runs in another process.
func control(t *testing.T, method, address string, body any) {
	t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(string(raw)))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if said, _ := io.ReadAll(res.Body); res.StatusCode >= 300 {
		t.Fatalf("%s %s: %d %s", method, address, res.StatusCode, said)
	}
}
