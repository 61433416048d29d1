package test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/mod/semver"
)

// The walls of docs/architecture.md: which room may lean on what. A wall is moved here and there in
// one change, with the reason.

const module = "github.com/drawbridge-id/drawbridge"

// oneRoom is where a library, or a part of the standard library, may be imported. test/ and the
// tests of a room may import what they like of a neighbour's, but not of another's library.
var oneRoom = []struct {
	library string // a path, and all below it
	rooms   []string
}{
	{"github.com/crewjam/saml", []string{"federation/saml"}},
	{"github.com/russellhaering/goxmldsig", []string{"federation/saml"}},
	{"github.com/beevik/etree", []string{"federation/saml"}},
	{"github.com/coreos/go-oidc", []string{"federation/oidc"}},
	{"golang.org/x/oauth2", []string{"federation/oidc", "events/inbound"}},
	{"github.com/elimity-com/scim", []string{"scim"}},
	{"github.com/scim2/filter-parser", []string{"scim"}},
	{"github.com/prometheus/client_golang", []string{"web"}},
	{"modernc.org/sqlite", []string{"store/internal/table"}},
	{"github.com/jackc/pgx", []string{"store/internal/table"}},
	{"database/sql", []string{"store", "store/internal/table", "store/schema", "cmd"}},
	{"github.com/wneessen/go-mail", []string{"events/mail"}},
	{"github.com/emersion/go-smtp", nil},
	{"golang.org/x/crypto/argon2", []string{"passwords"}},
	{"codeberg.org/go-pdf/fpdf", []string{"events/mail"}},
	{"github.com/boombuler/barcode", []string{"web/page"}},
	{module + "/config", []string{"config", "cmd"}},
	{"github.com/chromedp/chromedp", nil},
}

// ground is the ground floor: nouns and pure thinking, without I/O and without a clock.
var ground = []string{"account", "audit", "rules", "keys", "shares", "estate", "directory", "strict", "events/set"}

// doors speak one foreign language each and know nothing of one another.
var doors = []string{"federation", "scim", "events", "issuer"}

// throughTheWall are the imports between doors that the design has.
var throughTheWall = map[string][]string{
	"issuer": {"federation/session"},
}

// A pkg is what go list says about a package, as far as it matters here.
type pkg struct {
	ImportPath, Dir, Name string
	GoFiles               []string
	Imports               []string
	TestImports           []string
	XTestImports          []string
	Standard              bool
	Module                *struct {
		Path, Version string
		Main          bool
	}
	Error *struct{ Err string }
}

func (p pkg) ours() bool { return p.Module != nil && p.Module.Main }

// room is the package's folder below the root.
func (p pkg) room() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
}

// list asks go list once for everything that is built.
var list = sync.OnceValues(func() ([]pkg, error) {
	cmd := exec.Command("go", "list", "-e", "-deps", "-json=ImportPath,Dir,Name,GoFiles,Imports,TestImports,XTestImports,Standard,Module,Error", "./...")
	cmd.Dir = ".."
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %v: %s", err, &stderr)
	}
	var all []pkg
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
})

func packages(t *testing.T) (all, ours []pkg) {
	t.Helper()
	all, err := list()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if p.ours() {
			ours = append(ours, p)
		}
	}
	if len(ours) < 5 {
		t.Fatalf("go list found only %d packages of the house", len(ours))
	}
	return all, ours
}

func below(path, parent string) bool { return path == parent || strings.HasPrefix(path, parent+"/") }

func TestEachLibraryHasOneRoom(t *testing.T) {
	_, ours := packages(t)
	for _, p := range ours {
		if below(p.room(), "test") {
			continue
		}
		for _, i := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			for _, wall := range oneRoom {
				in := func(room string) bool { return room == p.room() || room == "cmd" && below(p.room(), "cmd") }
				if below(i, wall.library) && !slices.ContainsFunc(wall.rooms, in) {
					t.Errorf("%s imports %s, which belongs in %q", p.room(), i, wall.rooms)
				}
			}
		}
	}
}

func TestTheGroundFloorDoesNoInputOrOutputAndReadsNoClock(t *testing.T) {
	_, ours := packages(t)
	for _, p := range ours {
		if !slices.Contains(ground, p.room()) {
			continue
		}
		for _, forbidden := range []string{"net/http", "database/sql"} {
			// By itself: the public suffix list brings net/http along for a cookie jar that nobody uses.
			if slices.Contains(p.Imports, forbidden) {
				t.Errorf("%s imports %s", p.room(), forbidden)
			}
		}
		inspect(t, p, func(at token.Position, n ast.Node) {
			s, ok := n.(*ast.SelectorExpr)
			if !ok {
				return
			}
			if x, ok := s.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains([]string{"Now", "Since", "Until", "After", "Tick", "NewTimer", "Sleep"}, s.Sel.Name) {
				t.Errorf("%s: time.%s: times come in as arguments", at, s.Sel.Name)
			}
		})
	}
}

// statement matches what can only be SQL.
var statement = regexp.MustCompile(`(?is)^\s*(select\s.+\sfrom\s|insert\s+into\s|update\s+\w+\s+set\s|delete\s+from\s|(create|alter|drop)\s+(unique\s+)?(table|index|schema)\s)`)

func TestSQLStandsInOneRoom(t *testing.T) {
	_, ours := packages(t)
	for _, p := range ours {
		if r := p.room(); below(r, "test") || r == "store/internal/table" || r == "store/schema" {
			continue
		}
		inspect(t, p, func(at token.Position, n ast.Node) {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if text, err := strconv.Unquote(lit.Value); err == nil && statement.MatchString(text) {
					t.Errorf("%s: SQL belongs in store/internal/table: %.60q", at, text)
				}
			}
		})
	}
}

func TestDoorsDoNotKnowOneAnother(t *testing.T) {
	_, ours := packages(t)
	doorOf := func(room string) string {
		i := slices.IndexFunc(doors, func(d string) bool { return below(room, d) })
		if i < 0 {
			return ""
		}
		return doors[i]
	}
	for _, p := range ours {
		from := doorOf(p.room())
		if from == "" {
			continue
		}
		for _, i := range p.Imports {
			room, ok := strings.CutPrefix(i, module+"/")
			if to := doorOf(room); ok && to != "" && to != from && !slices.Contains(throughTheWall[from], room) {
				t.Errorf("%s imports %s: doors do not know one another", p.room(), room)
			}
		}
	}
}

// The nouns lean on nothing above them, and the languages of the sign-in door know nothing of each
// other or of the door around them: their input is all they need to be tested and fuzzed.
func TestRoomsThatLeanOnLittle(t *testing.T) {
	_, ours := packages(t)
	may := map[string][]string{
		"account":         {},
		"rules":           {"account"},
		"estate":          {"account", "keys", "rules"},
		"directory":       {"account"},
		"request":         {"account"},
		"keys":            {},
		"audit":           {"account"},
		"events/mail":     {"account", "store"},
		"egress":          {"account"},
		"federation/saml": {"account"},
		"strict":          {},
		"published":       {"account", "egress", "strict"},
		"events/set":      {"account", "published", "strict"},
		"federation/oidc": {"account", "egress", "published", "strict"},
	}
	for _, p := range ours {
		allowed, ok := may[p.room()]
		if !ok {
			continue
		}
		for _, i := range p.Imports {
			if room, ours := strings.CutPrefix(i, module+"/"); ours && !slices.Contains(allowed, room) {
				t.Errorf("%s imports %s; of the house it may import %q", p.room(), room, allowed)
			}
		}
	}
}

func TestPackagesSayWhatTheyAreFor(t *testing.T) {
	_, ours := packages(t)
	for _, p := range ours {
		if slices.Contains([]string{"util", "utils", "common", "helper", "helpers", "types", "manager", "misc", "base"}, p.Name) {
			t.Errorf("%s is called %s: what is it for?", p.room(), p.Name)
		}
		if len(p.GoFiles) == 0 {
			continue // tests only
		}
		if !documented(t, p) {
			t.Errorf("%s has no sentence above its package clause", p.room())
		}
	}
}

func documented(t *testing.T, p pkg) bool {
	t.Helper()
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil {
			t.Fatal(err)
		}
		if f.Doc != nil {
			return true
		}
	}
	return false
}

// inspect walks the syntax of a package's files, without its tests.
func inspect(t *testing.T, p pkg, visit func(at token.Position, n ast.Node)) {
	t.Helper()
	files := token.NewFileSet()
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(files, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if n != nil {
				visit(files.Position(n.Pos()), n)
			}
			return true
		})
	}
}

// floors are the versions below which a library has a hole that is known, and that matters here. The
// vulnerability database does not know all of them.
var floors = map[string]string{
	"github.com/russellhaering/goxmldsig": "v1.6.1", // CVE-2026-33487: the wrong reference was used; 1.6.1 bounds nodes
	"github.com/beevik/etree":             "v1.8.1", // GHSA-qm2r-qg5g-crr3: deep documents end the process
	"github.com/go-jose/go-jose/v4":       "v4.1.4",
	"golang.org/x/oauth2":                 "v0.27.0",
	"github.com/jackc/pgx/v5":             "v5.9.2",
	"github.com/go-chi/chi/v5":            "v5.3.0", // RealIP believed anybody
	"github.com/wneessen/go-mail":         "v0.7.1",
	"github.com/expr-lang/expr":           "v1.17.7",
	"github.com/google/cel-go":            "v0.30.0",
}

func TestNoLibraryIsOlderThanItsLastKnownHole(t *testing.T) {
	all, _ := packages(t)
	seen := map[string]bool{}
	for _, p := range all {
		if p.Module == nil || seen[p.Module.Path] {
			continue
		}
		seen[p.Module.Path] = true
		if floor, ok := floors[p.Module.Path]; ok && semver.Compare(p.Module.Version, floor) < 0 {
			t.Errorf("%s is %s, and must be %s at least", p.Module.Path, p.Module.Version, floor)
		}
	}
	for path := range floors {
		if strings.HasPrefix(path, "github.com/beevik/") && !seen[path] && seen["github.com/crewjam/saml"] {
			t.Errorf("crewjam/saml is linked, and %s was not seen: the floors are not being read", path)
		}
	}
}

// What was written on one machine must not speak of it.
func TestNoFileSpeaksOfTheMachineItWasWrittenOn(t *testing.T) {
	places := regexp.MustCompile(`/wo` + `rk/|\bsha` + `red/[a-z]|/tmp/bri` + `ef`)
	root := ".."
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() {
			if path != root && (name == ".git" || name == ".cache" || name == ".demo" || name == "bin") {
				return filepath.SkipDir
			}
			return nil
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if found := places.Find(raw); found != nil {
			t.Errorf("%s mentions %q", path, found)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
