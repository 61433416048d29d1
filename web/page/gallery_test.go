package page

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files")

// TestGallery writes every sample as a file that a browser can open and photograph:
//
//	DRAWBRIDGE_GALLERY=/tmp/gallery go test ./web/page -run TestGallery
func TestGallery(t *testing.T) {
	dir := os.Getenv("DRAWBRIDGE_GALLERY")
	if dir == "" {
		dir = t.TempDir() // nobody wants to look; that all of them can be written is checked all the same
	}
	if err := os.MkdirAll(filepath.Join(dir, "static"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, f := range byHash {
		write(t, filepath.Join(dir, "static", name), f.bytes)
	}
	for _, s := range samples {
		w, _ := render(t, s)
		// A photograph shall show the form, not what comes after it.
		html := strings.ReplaceAll(w.Body.String(), "data-auto-submit", "")
		write(t, filepath.Join(dir, s.name+".html"), []byte(strings.ReplaceAll(html, `"/static/`, `"static/`)))
	}
}

func write(t *testing.T, file string, b []byte) {
	t.Helper()
	if err := os.WriteFile(file, b, 0o644); err != nil {
		t.Fatal(err)
	}
}
