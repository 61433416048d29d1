package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/test/sim"
)

// start runs the command until the test ends and returns its base URL.
func start(t *testing.T, c command) string {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := c.run(ctx, strings.NewReader(""), w, io.Discard)
		w.CloseWithError(io.EOF)
		ended <- err
	}()
	line, err := bufio.NewReader(r).ReadString('\n')
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "ready: ")
	if !ok {
		t.Fatalf("printed %q (%v), ended with %v", line, err, <-ended)
	}
	t.Cleanup(func() {
		stop()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("stopping: %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("it does not stop")
		}
	})
	return url
}

func TestServesTheDocumentedFile(t *testing.T) {
	doc, err := os.ReadFile("../../docs/simulators.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(doc), "```yaml\n")
	example, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("docs/simulators.md has no YAML example")
	}
	name := filepath.Join(t.TempDir(), "idps.yaml")
	if err := os.WriteFile(name, []byte(example), 0o600); err != nil {
		t.Fatal(err)
	}
	base := start(t, command{Config: name, Listen: "127.0.0.1:0", Seed: "7"})
	for _, path := range []string{"/", "/acme/ui", "/acme/saml/metadata", "/globex/ui", "/_control/tenants"} {
		resp, err := http.Get(base + path)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %v %v", path, resp, err)
			continue
		}
		resp.Body.Close()
	}
}

func TestEveryFaultIsDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/simulators.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range sim.Faults() {
		if !strings.Contains(string(doc), "| `"+string(f.Fault)+"` |") {
			t.Errorf("docs/simulators.md does not list %s", f.Fault)
		}
	}
}

func TestWithoutAFileThereIsATenantPerDialect(t *testing.T) {
	base := start(t, command{Listen: "127.0.0.1:0"})
	for _, d := range sim.Dialects() {
		resp, err := http.Get(base + "/" + string(d) + "/saml/metadata")
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %v %v", d, resp, err)
			continue
		}
		resp.Body.Close()
	}
}

func TestRefusesWhatItShould(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, c := range map[string]struct {
		command command
		says    string
	}{
		"an address others reach": {command{Listen: "0.0.0.0:0"}, "loopback"},
		"no port":                 {command{Listen: "127.0.0.1"}, "port"},
		"an unknown field":        {command{Listen: "127.0.0.1:0", Config: file("a.yaml", "tenants:\n- name: acme\n  dialekt: okta\n")}, "[3:"},
		"an unknown dialect":      {command{Listen: "127.0.0.1:0", Config: file("b.yaml", "tenants:\n- name: acme\n  dialect: octa\n")}, `unknown dialect "octa"`},
		"an unknown fault":        {command{Listen: "127.0.0.1:0", Config: file("c.yaml", "tenants:\n- name: acme\n  faults: {nonsense: ''}\n")}, `unknown fault "nonsense"`},
		"an empty file":           {command{Listen: "127.0.0.1:0", Config: file("d.yaml", "tenants: []\n")}, "no tenants"},
	} {
		err := c.command.run(context.Background(), strings.NewReader(""), io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q in it", name, err, c.says)
		}
	}
}
