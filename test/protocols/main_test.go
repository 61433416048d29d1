package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPagesAreHeldToTheCode(t *testing.T) {
	const head = "| cited as | also written | document |\n|---|---|---|\n| XA | Example Assertions, Example Assertions 1.0 | x-1.0 |\n\n| clause | what | state | where |\n|---|---|---|---|\n"
	for _, c := range []struct {
		name, rows, code string
		wrong            []string // nothing else is wrong
	}{
		{"all is well", "| XA §1.2 | a | done | |\n| XA §2 | b | no | not needed |\n| RFC 9999 §4.1 | c | partly | half |\n",
			"// XA §1.2: so it is (RFC 9999 §4.1).\n", nil},
		{"long names, and several clauses at once", "| XA §1.2 | a | done | |\n| XA §2 | b | done | |\n| XA §3.B | c | done | |\n",
			"// Example Assertions 1.0 §1.2, §2 and §3.B. And so on.\n", nil},
		{"inside of a longer number", "| XA §1.2 | a | done | |\n| XA §1.2.3 | b | done | |\n", "// XA §1.2.3\n",
			[]string{"XA §1.2 is done, but no code cites it"}},
		{"not cited", "| XA §1.2 | a | partly | half |\n", "", []string{"XA §1.2 is partly, but no code cites it"}},
		{"no row", "| XA §1.2 | a | done | |\n| RFC 9999 §4.1 | c | no | x |\n", "// XA §1.2 and RFC 9999 §4\n", []string{"room/x.go:2 cites RFC 9999 §4, which has no row"}},
		{"a document that has no page", "| XA §1.2 | a | done | |\n", "// XA §1.2, RFC 1 §4, EXA §3\n", nil},
		{"no word", "| XA §1.2 | a | on purpose | |\n", "", []string{`XA §1.2 is "on purpose" without a word`}},
		{"no such state", "| XA §1.2 | a | mostly | |\n", "", []string{`XA §1.2 is "mostly"`}},
		{"two rows", "| XA §1.2 | a | no | x |\n| XA §1.2 | b | no | y |\n", "", []string{"XA §1.2 has two rows"}},
		{"a row that is broken", "| XA §1.2 | a | no | x |\n| XA §1.3 | a | no |\n", "", []string{"not a row that can be read: | XA §1.3"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			for name, content := range map[string]string{
				"docs/protocols/x.md": head + c.rows,
				"room/x.go":           "package room\n" + c.code,
				"test/sim/sim.go":     "package sim // XA §1.2\n",
			} {
				path := filepath.Join(root, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			_, wrong, err := check(root)
			if err != nil {
				t.Fatal(err)
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
