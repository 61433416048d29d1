package page

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/drawbridge-id/drawbridge/test/browser"
)

// WCAG 2.2: 1.4.10 (nothing is cut off or scrolls sideways at 320 pixels), 2.5.8 (what is clicked is at
// least 24 by 24 pixels, links in running text apart); and nothing on a page is blocked by the policy.
func TestEveryPageFitsANarrowScreenInARealBrowser(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc(AssetPattern, Assets)
	mux.HandleFunc("GET /sample/{n}", func(w http.ResponseWriter, r *http.Request) {
		var n int
		if _, err := fmt.Sscan(r.PathValue("n"), &n); err != nil || n >= len(samples) {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "+
			"connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
		p := samples[n].page
		if f, ok := p.(AutoPost); ok {
			f.Action = "/sample/here" // the form is looked at, not sent to a host that does not exist
			p = f
		}
		if err := Render(w, r, http.StatusOK, p); err != nil {
			t.Error(err)
		}
	})
	mux.HandleFunc("POST /sample/here", func(w http.ResponseWriter, r *http.Request) { _ = Render(w, r, http.StatusOK, SignedOut{}) })
	server := httptest.NewServer(mux)
	defer server.Close()

	b := browser.New(t)
	b.Width(320)
	for i, s := range samples {
		b.Dark(i%2 == 1)
		b.Open(fmt.Sprintf("%s/sample/%d", server.URL, i))
		if _, leaves := s.page.(AutoPost); leaves {
			continue
		}
		if wide := browser.Eval[float64](b, `document.documentElement.scrollWidth`); wide > 320 {
			t.Errorf("%s is %.0f pixels wide: %s", s.name, wide, browser.Eval[string](b, tooWide))
		}
		if small := browser.Eval[string](b, tooSmall); small != "" {
			t.Errorf("%s has targets that are too small: %s", s.name, small)
		}
		if got := browser.Eval[float64](b, `document.querySelectorAll("button.copy[hidden]").length`); got > 0 {
			t.Errorf("%s: %.0f copy buttons stay hidden where script runs", s.name, got)
		}
		b.Screenshot(s.name)
	}
	for _, c := range b.Complaints() {
		if !strings.Contains(c, "net::ERR_ABORTED") {
			t.Errorf("the browser complains: %s", c)
		}
	}
}

const tooWide = `[...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > 320).map(e => e.tagName + "." + e.className).join(" ")`

const tooSmall = `[...document.querySelectorAll("button, input:not([type=hidden]), summary, a.button, .jump a, .brand")].filter(e => {
	const r = e.getBoundingClientRect();
	return e.checkVisibility({opacityProperty: true}) && r.width > 0 && (r.width < 24 || r.height < 24) && e.type !== "radio";
}).map(e => e.tagName + "." + e.className + " " + e.textContent.trim()).join("; ")`
