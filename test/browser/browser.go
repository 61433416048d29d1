// Package browser drives a real Chromium, for what only a browser can tell: that a page's content
// security policy lets the page work, that cookies come back across sites, that a person with
// nothing but a keyboard gets through. What goes without one is driven by package drive.
package browser

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience bounds each step, so that a page on which nothing happens fails its test and not the run.
const patience = 30 * time.Second

// Screenshots names the environment variable with the folder that Screenshot writes to.
const Screenshots = "DRAWBRIDGE_SCREENSHOTS"

// A Browser is one Chromium with a fresh profile and one tab. Its methods fail the test when a step
// does not succeed within half a minute. Selectors are CSS; the first match counts.
type Browser struct {
	t   testing.TB
	ctx context.Context

	mu         sync.Mutex
	complaints []string
}

// New starts a browser that ends with the test. Where there is no Chromium the test is skipped with
// the reason, or fails when CI=true.
func New(t testing.TB) *Browser {
	t.Helper()
	path := find()
	if path == "" {
		absent(t)
	}
	b := &Browser{t: t}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(path),
		chromedp.NoSandbox, // root has none, and nothing but our own pages is opened
		chromedp.DisableGPU,
		chromedp.WindowSize(1200, 900),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE *.localhost, EXCLUDE 127.0.0.1"),
	)
	allocator, stopAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, _ := chromedp.NewContext(allocator, chromedp.WithListener(b.hear))
	b.ctx = ctx
	t.Cleanup(func() {
		// Cancel waits until the browser has gone and its profile is deleted.
		closing, stop := context.WithTimeout(ctx, patience)
		defer stop()
		_ = chromedp.Cancel(closing)
		stopAllocator()
	})
	// The browser lives as long as the context of the first call, which is therefore not a bounded one.
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("chromium does not start: %v", err)
	}
	return b
}

func find() string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

func absent(t testing.TB) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal("Chromium is not available: there is none in PATH. A test may not be skipped when CI=true.")
	}
	t.Skip("Chromium is not available: there is none in PATH. As root on Debian, test/peers/install.sh installs it.")
}

// hear keeps what the page complains about.
func (b *Browser) hear(ev any) {
	var said string
	switch ev := ev.(type) {
	case *runtime.EventExceptionThrown:
		said = fmt.Sprint("exception: ", ev.ExceptionDetails.Text)
		if ev.ExceptionDetails.Exception != nil {
			said += " " + ev.ExceptionDetails.Exception.Description
		}
	case *log.EventEntryAdded:
		if ev.Entry.Level != log.EntryLevelError {
			return
		}
		said = fmt.Sprintf("%s: %s (%s)", ev.Entry.Source, ev.Entry.Text, ev.Entry.URL)
	default:
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.complaints = append(b.complaints, said)
}

// Complaints are the errors of the browser's console so far: exceptions, what the content security
// policy blocked, what did not load. A page of ours has none.
func (b *Browser) Complaints() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.complaints)
}

// Do runs chromedp's own actions, for what has no method here.
func (b *Browser) Do(what string, actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, stop := context.WithTimeout(b.ctx, patience)
	defer stop()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.fail(what, err)
	}
}

// Get runs an action that answers something.
func Get[T any](b *Browser, what string, action chromedp.Action[T]) T {
	b.t.Helper()
	ctx, stop := context.WithTimeout(b.ctx, patience)
	defer stop()
	answer, err := chromedp.Run(ctx, action)
	if err != nil {
		b.fail(what, err)
	}
	return answer
}

// fail says where the browser stood, which is what one wants to know first.
func (b *Browser) fail(what string, err error) {
	b.t.Helper()
	ctx, stop := context.WithTimeout(b.ctx, patience)
	defer stop()
	at, _ := chromedp.Run(ctx, chromedp.Location())
	text, _ := chromedp.Run(ctx, chromedp.Text(chromedp.CSS("body")))
	b.t.Fatalf("browser: %s: %v\nat %s:\n%s\ncomplaints: %s", what, err, at, text, strings.Join(b.Complaints(), "\n"))
}

// Open loads an address and waits until it is loaded.
func (b *Browser) Open(address string) {
	b.t.Helper()
	b.Do("open "+address, chromedp.Navigate(address))
}

// Type replaces what is in a field.
func (b *Browser) Type(field, text string) {
	b.t.Helper()
	b.Do("type into "+field, chromedp.Clear(chromedp.CSS(field)), chromedp.SendKeys(chromedp.CSS(field), text))
}

// Click clicks what is visible. It does not wait for the page that may follow: WaitFor does.
func (b *Browser) Click(selector string) {
	b.t.Helper()
	b.Do("click "+selector, chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// WaitFor waits until something is visible, on this page or on one that is still to come.
func (b *Browser) WaitFor(selector string) {
	b.t.Helper()
	b.Do("wait for "+selector, chromedp.WaitVisible(chromedp.CSS(selector)))
}

// Text is the text of an element as it is shown.
func (b *Browser) Text(selector string) string {
	b.t.Helper()
	return Get(b, "text of "+selector, chromedp.Text(chromedp.CSS(selector)))
}

// URL is the address the browser is at.
func (b *Browser) URL() string {
	b.t.Helper()
	return Get(b, "location", chromedp.Location())
}

// Title is the title of the page.
func (b *Browser) Title() string {
	b.t.Helper()
	return Get(b, "title", chromedp.Title())
}

// Eval is the value of a JavaScript expression.
func Eval[T any](b *Browser, expression string) T {
	b.t.Helper()
	return Get(b, expression, chromedp.Evaluate[T](expression))
}

// Dark makes the browser prefer dark pages, or light ones, and no motion: a page is looked at when its colours have arrived.
func (b *Browser) Dark(dark bool) {
	b.t.Helper()
	scheme := map[bool]string{true: "dark", false: "light"}[dark]
	b.Do("prefer "+scheme, func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}},
		})
		return chromedp.Void{}, err
	})
}

// Width makes the page as wide as that many CSS pixels; 320 is what WCAG 2.2 asks pages to fit (reflow, 1.4.10).
func (b *Browser) Width(pixels int64) {
	b.t.Helper()
	b.Do(fmt.Sprintf("be %d pixels wide", pixels), func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: pixels, Height: 900, DeviceScaleFactor: 1})
		return chromedp.Void{}, err
	})
}

// Screenshot writes the whole page to $DRAWBRIDGE_SCREENSHOTS/name.png; without that variable it
// does nothing.
func (b *Browser) Screenshot(name string) {
	b.t.Helper()
	dir := os.Getenv(Screenshots)
	if dir == "" {
		return
	}
	png := Get(b, "screenshot "+name, chromedp.FullScreenshot(100))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}
