// Command report reads the output of go test -json and prints what a person wants to know: a line
// per package, the whole output of what failed, and each skipped test with its reason. It ends with
//
//	tests: N passed, N failed, N skipped
//
// and with status 1 when a test or a package failed, when nothing was tested, or, with CI=true,
// when something was skipped.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

func main() {
	lines := flag.String("lines", "", "also write the packages' lines and the closing line to this `file`")
	flag.Parse()
	r := newReport(os.Stdout)
	if err := r.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
	closing := r.close()
	if *lines != "" {
		if err := os.WriteFile(*lines, []byte(closing), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, "report:", err)
			os.Exit(1)
		}
	}
	if !r.good(os.Getenv("CI") == "true") {
		os.Exit(1)
	}
}

// An event is one line of go test -json (go doc test2json).
type event struct {
	Action     string
	Package    string
	ImportPath string
	Test       string
	Output     string
}

type report struct {
	out                     io.Writer
	output                  map[string][]string // by package and test, until it is known how it ended
	packages                []string            // the lines "ok ...", "FAIL ..." and "? ..."
	skips                   []string
	passed, failed, skipped int
	broken                  bool // a package failed: a test in it, its build, or its time-out
}

func newReport(out io.Writer) *report {
	return &report{out: out, output: map[string][]string{}}
}

func (r *report) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			r.line(line)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *report) line(line string) {
	var e event
	if json.Unmarshal([]byte(line), &e) != nil || e.Action == "" {
		fmt.Fprint(r.out, line) // not from go test: the database's start, a panic of the go command
		return
	}
	key := e.Package + " " + e.Test
	switch e.Action {
	case "build-output":
		fmt.Fprint(r.out, e.Output)
	case "output":
		r.keep(key, e)
	case "pass", "fail", "skip":
		r.ended(key, e)
	}
}

// keep stores a line of output, and prints a package's own line at once.
func (r *report) keep(key string, e event) {
	if e.Test == "" && (strings.HasPrefix(e.Output, "ok  \t") || strings.HasPrefix(e.Output, "FAIL\t") || strings.HasPrefix(e.Output, "?   \t")) {
		r.packages = append(r.packages, e.Output)
		fmt.Fprint(r.out, e.Output)
		return
	}
	r.output[key] = append(r.output[key], e.Output)
}

func (r *report) ended(key string, e event) {
	said := r.output[key]
	delete(r.output, key)
	if e.Test == "" {
		if e.Action == "fail" {
			r.broken = true
			fmt.Fprint(r.out, strings.Join(said, "")) // a panic or a time-out belongs to no test
		}
		return
	}
	switch e.Action {
	case "pass":
		r.passed++
	case "fail":
		r.failed++
		fmt.Fprint(r.out, strings.Join(said, ""))
	case "skip":
		r.skipped++
		r.skips = append(r.skips, fmt.Sprintf("skipped  %s %s: %s", short(e.Package), e.Test, reason(said)))
	}
}

// reason is what a test said before it was skipped, without go test's own lines.
func reason(said []string) string {
	said = slices.DeleteFunc(slices.Clone(said), func(line string) bool {
		line = strings.TrimSpace(line)
		return strings.HasPrefix(line, "===") || strings.HasPrefix(line, "---")
	})
	return strings.Join(strings.Fields(strings.Join(said, " ")), " ")
}

func short(pkg string) string {
	return strings.TrimPrefix(pkg, "github.com/drawbridge-id/drawbridge/")
}

// close prints the skipped tests and the closing lines, and returns the latter.
func (r *report) close() string {
	// A test that neither passed nor failed was running when its package died: its last words matter.
	for _, key := range slices.Sorted(maps.Keys(r.output)) {
		if _, test, _ := strings.Cut(key, " "); test != "" && r.broken {
			fmt.Fprintf(r.out, "still running at the end: %s\n%s", key, strings.Join(r.output[key], ""))
		}
	}
	for _, s := range r.skips {
		fmt.Fprintln(r.out, s)
	}
	return strings.Join(r.packages, "") + fmt.Sprintf("tests: %d passed, %d failed, %d skipped\n", r.passed, r.failed, r.skipped)
}

func (r *report) good(ci bool) bool {
	return !r.broken && r.failed == 0 && r.passed > 0 && (!ci || r.skipped == 0)
}
