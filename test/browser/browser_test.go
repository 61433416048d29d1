package browser_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/drawbridge-id/drawbridge/test/browser"
)

func TestABrowserFillsInAFormAndComplainsAboutWhatThePolicyBlocks(t *testing.T) {
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		switch {
		case r.URL.Path == "/favicon.ico":
			w.WriteHeader(http.StatusNoContent)
		case r.Method == http.MethodPost:
			fmt.Fprintf(w, `<!doctype html><title>Hall</title><p id=out>Welcome, %s</p>`, r.FormValue("who"))
		case r.URL.Path == "/strict":
			w.Header().Set("Content-Security-Policy", "default-src 'none'")
			fmt.Fprint(w, `<!doctype html><title>Strict</title><script>document.title = "ran"</script><p id=out>quiet</p>`)
		default:
			fmt.Fprint(w, `<!doctype html><title>Door</title><style>@media (prefers-color-scheme: dark) { p { color: rgb(1, 2, 3) } }</style>
				<p>Who is there?</p><form method=post><input name=who value=nobody><button>Enter</button></form>`)
		}
	}))
	defer app.Close()

	shots := t.TempDir()
	t.Setenv(browser.Screenshots, shots)
	b := browser.New(t)
	b.Open(app.URL)
	b.Dark(true)
	if got := browser.Eval[string](b, `getComputedStyle(document.querySelector("p")).color`); got != "rgb(1, 2, 3)" {
		t.Errorf("in the dark the text is %s", got)
	}
	b.Type("input[name=who]", "Amy")
	b.Click("button")
	b.WaitFor("#out")
	if got := b.Title() + ": " + b.Text("#out"); got != "Hall: Welcome, Amy" {
		t.Errorf("read %q", got)
	}
	if got := b.URL(); !strings.HasPrefix(got, app.URL) {
		t.Errorf("at %s", got)
	}
	if c := b.Complaints(); len(c) != 0 {
		t.Errorf("complaints about good pages: %q", c)
	}
	b.Screenshot("hall")
	if png, err := os.ReadFile(filepath.Join(shots, "hall.png")); err != nil || !bytes.HasPrefix(png, []byte("\x89PNG")) {
		t.Errorf("screenshot: %v", err)
	}

	b.Open(app.URL + "/strict")
	b.WaitFor("#out")
	if c := b.Complaints(); b.Title() != "Strict" || len(c) != 1 || !strings.Contains(c[0], "Content Security Policy") {
		t.Errorf("title %q, complaints %q", b.Title(), c)
	}
}
