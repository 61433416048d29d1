package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What "drawbridge config" prints is itself a configuration, with a manual for every field.
func TestPrintedConfigurationReadsBack(t *testing.T) {
	var b strings.Builder
	want := Default()
	want.PublicURL, want.TrustedProxies = "https://login.acme.example", []string{"10.0.0.0/8", "192.0.2.1"}
	if err := Print(&b, want); err != nil {
		t.Fatal(err)
	}
	var got Config
	if err := Parse([]byte(b.String()), &got); err != nil {
		t.Fatalf("%v in\n%s", err, b.String())
	}
	var again strings.Builder
	if err := Print(&again, got); err != nil {
		t.Fatal(err)
	}
	if again.String() != b.String() {
		t.Errorf("read back as\n%s\nwant\n%s", again.String(), b.String())
	}
	flat := strings.Join(strings.Fields(strings.ReplaceAll(b.String(), "#", "")), " ")
	for _, say := range []string{"Every absolute URL is made from it", "[DRAWBRIDGE_SIGN_IN_FLOW_AGE]", "idle: 8h", "recheck: 1d"} {
		if !strings.Contains(flat, say) {
			t.Errorf("%q is not in\n%s", say, b.String())
		}
	}
}

func TestEveryFieldHasAManual(t *testing.T) {
	var b strings.Builder
	if err := Print(&b, Default()); err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(b.String(), "\n") {
		if strings.Contains(line, "#  [") || strings.HasSuffix(line, "# ") {
			t.Errorf("line %d has no manual: %q", i+1, line)
		}
	}
}

func TestUnknownFieldsAreRefusedWithTheirLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(path, []byte("listen: 127.0.0.1:0\nsessions:\n  idel: 2h\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Load(path, nil)
	if err == nil || !strings.Contains(err.Error(), "[3:") || !strings.Contains(err.Error(), "idel") {
		t.Fatalf("want the line and the field, got %v", err)
	}
}

func TestTheEnvironmentWinsOverTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(path, []byte("listen: 127.0.0.1:1\nsessions: {idle: 2h}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(path, []string{"DRAWBRIDGE_LISTEN=127.0.0.1:2", "DRAWBRIDGE_EGRESS_ALLOW=127.0.0.1, 10.0.0.0/8", "DRAWBRIDGE_SIGN_IN_RATE=9.5"})
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen != "127.0.0.1:2" || len(c.Egress.Allow) != 2 || c.SignIn.Rate != 9.5 || time.Duration(c.Sessions.Idle) != 2*time.Hour {
		t.Errorf("read %+v", c)
	}
}

func TestWhatIsWrongIsSaidAllAtOnce(t *testing.T) {
	c := Default()
	c.PublicURL, c.Log.Level, c.SignIn.FlowAge, c.TrustedProxies = "http://login.acme.example", "loud", Duration(time.Hour), []string{"proxy"}
	err := c.Check()
	for _, say := range []string{"public_url", "log.level", "sign_in.flow_age", "trusted_proxies"} {
		if err == nil || !strings.Contains(err.Error(), say) {
			t.Errorf("%s is missing from %v", say, err)
		}
	}
}

func TestPasswordsAreNotPrinted(t *testing.T) {
	c := Default()
	c.Database = "postgres://amy:secret@db.acme.example/drawbridge"
	c.Mail.Password = "hush-hush"
	var b strings.Builder
	if err := Print(&b, c); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "hush-hush") || strings.Contains(b.String(), "secret@") || !strings.Contains(b.String(), "amy:…@db") {
		t.Error(b.String())
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("listen: a\nsessions: {idle: 1h}\n"))
	f.Add([]byte("public_url: [1,2]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 64<<10 {
			return
		}
		c := Default()
		if Parse(data, &c) == nil {
			_ = c.Check()
		}
	})
}
