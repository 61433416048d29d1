package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// checkout writes a small checkout and returns its folder.
func checkout(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestRequirementsAreHeldToTheTests(t *testing.T) {
	const document = "| id | requirement | surfaces |\n|---|---|---|\n| A-01 | One. | api con |\n| A-02 | Two. | cli |\n| A-03 | Three. | api |\n"
	// Spelled in two pieces, so that the tool does not read this test as naming them.
	const req = "// R" + "EQ "
	for _, c := range []struct {
		name, later, tests string
		wrong              []string // nothing else is wrong
	}{
		{"all is well", "A-03", req + "A-01, A-02: both\nfunc TestX(t *testing.T) {}\n", nil},
		{"inside of a test", "# later\nA-03 # so far", "func TestX(t *testing.T) {\n\t" + req + "A-01\n\t" + req + "A-02\n}\n", nil},
		{"no test", "A-02 A-03", "", []string{"A-01 has no test: One."}},
		{"stale", "A-01 A-02 A-03", req + "A-02\nfunc TestX(t *testing.T) {}\n", []string{"A-02 is held by room.TestX"}},
		{"in part", "A-01~ A-02~ A-03", req + "A-02\nfunc TestX(t *testing.T) {}\n", []string{"A-01 has no test: One."}},
		{"unknown", "A-01 A-02 A-03 A-09", req + "B-07\nfunc FuzzX(f *testing.F) {}\n", []string{"names A-09", "x_test.go:4: there is no requirement B-07"}},
		{"not a test", "A-01 A-02 A-03", req + "A-01\nfunc help(t *testing.T) {}\n", []string{"x_test.go:4: // REQ belongs above a test"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := checkout(t, map[string]string{
				"docs/requirements.md":        document,
				"docs/requirements-later.txt": c.later + "\n",
				"room/x_test.go":              "package room\n\nimport \"testing\"\n" + c.tests,
			})
			table, wrong, err := check(root)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(table, "A-01  [api con]  One.") || !strings.Contains(table, "3 requirements: ") {
				t.Errorf("the table is\n%s", table)
			}
			if len(wrong) != len(c.wrong) {
				t.Fatalf("wrong: %q, want %q", wrong, c.wrong)
			}
			for i, want := range c.wrong {
				if !strings.Contains(wrong[i], want) {
					t.Errorf("wrong: %q, want %q", wrong[i], want)
				}
			}
		})
	}
}
