package test

import (
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/federation/session"
)

// fetched is what a plain GET is answered.
func fetched(t *testing.T, address string) (int, string) {
	t.Helper()
	client := http.Client{Timeout: 10 * time.Second}
	res, err := client.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(raw)
}

// What the operator sees: one JSON line per decision, metrics on a listener of their own, and nowhere a secret or a message.
//
// THREAT AUD-1, KEY-2
func TestTheOperatorSeesWhatHappensAndNoSecret(t *testing.T) {
	sh := newShell(t)
	address, staff := freeAddress(t), freeAddress(t)
	house := "http://" + address
	sh.env = append(sh.env, "DRAWBRIDGE_OPERATOR_LISTEN="+staff, "DRAWBRIDGE_EGRESS_ALLOW=localhost,127.0.0.1", "DRAWBRIDGE_LOG_LEVEL=debug")
	sh.run("drawbridge init house --public-url " + house + " --listen " + address).exits(0)
	sh.env = append(sh.env, "DRAWBRIDGE_CONFIG="+filepath.Join(sh.dir, "house", "drawbridge.yaml"))
	gates := openGates(t, sh, providers(t), 2)
	d := sh.serve()
	secrets := []string{"between-us", "PRIVATE KEY"}
	for _, g := range gates {
		a, err := g.arrive(t.Context(), house)
		if err != nil || !a.in {
			t.Fatalf("%s did not come in: %v", a.user, err)
		}
		token, _ := a.browser.Cookie(house, session.Cookie)
		flow, _ := a.browser.Cookie(house, session.FlowCookie)
		secrets = append(secrets, token, flow)
		if response := a.message.Fields.Get("SAMLResponse"); response != "" {
			secrets = append(secrets, response[:200], a.message.Fields.Get("RelayState"))
		} else {
			secrets = append(secrets, regexp.MustCompile(`code=([^&]+)`).FindStringSubmatch(a.message.URL)[1], regexp.MustCompile(`state=([^&]+)`).FindStringSubmatch(a.message.URL)[1])
		}
	}
	// A name that would forge a second line of the log, and one of the audit log.
	fetched(t, house+"/login/con_%0a%7B%22level%22:%22INFO%22,%22msg%22:%22forged%22%7D")

	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/metrics": 404, "/debug/pprof/": 404} {
		if status, _ := fetched(t, house+path); status != want {
			t.Errorf("the public listener answers %s with %d, want %d", path, status, want)
		}
	}
	status, metrics := fetched(t, "http://"+staff+"/metrics")
	for _, want := range []string{`drawbridge_sign_ins_total{`, `protocol="saml"`, `protocol="oidc"`, `drawbridge_build_info`} {
		if status != 200 || !strings.Contains(metrics, want) {
			t.Errorf("/metrics (%d) does not say %s", status, want)
		}
	}
	if strings.Contains(metrics, "company0") || strings.Contains(metrics, "con_") {
		t.Error("a metric names a customer, of whom there can be any number")
	}
	if code := d.stop(); code != 0 {
		t.Errorf("the daemon ended with %d", code)
	}
	signIns := 0
	for line := range strings.Lines(d.log.String()) {
		var said map[string]any
		if err := json.Unmarshal([]byte(line), &said); err != nil {
			t.Errorf("a line of the log is no JSON: %v\n%s", err, line)
		}
		if said["msg"] == "forged" {
			t.Errorf("somebody else wrote into the log: %s", line)
		}
		if said["verb"] == "user.signed_in" && said["outcome"] == "done" {
			signIns++
			if said["connection"] == nil || said["request"] == nil || said["ip"] == nil || said["ms"] == nil || said["actor"] == nil {
				t.Errorf("a sign-in is logged as %s", line)
			}
		}
	}
	if signIns != len(gates) {
		t.Errorf("%d sign-ins are in the log, want %d:\n%s", signIns, len(gates), d.log.String())
	}
	audit := ""
	for _, g := range gates {
		audit += sh.run("drawbridge audit " + g.conn.Account + " --json -n 1000").exits(0).out
	}
	for _, s := range secrets {
		if strings.Contains(d.log.String(), s) {
			t.Errorf("the log holds %q", s)
		}
		if strings.Contains(audit, s) {
			t.Errorf("the audit log holds %q", s)
		}
	}
}
