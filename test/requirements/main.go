// Command requirements holds docs/requirements.md to the tests: it prints each requirement with the
// tests that name it in a comment, // REQ L-12, and the surfaces it can be seen on. It fails, saying
// what to do, when
//
//   - a requirement has no test and is not in docs/requirements-later.txt,
//   - one in that list has a test; L-12~ there says that it has, and that more of it is to come,
//   - a comment names a requirement that does not exist, or stands outside of a test.
package main

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/drawbridge-id/drawbridge/test/source"
)

func main() {
	quiet := flag.Bool("quiet", false, "print only the count and what is wrong")
	root := flag.String("root", ".", "the `folder` of the checkout")
	flag.Parse()
	table, wrong, err := check(*root)
	if err != nil {
		fmt.Fprintln(os.Stderr, "requirements:", err)
		os.Exit(1)
	}
	if !*quiet {
		fmt.Print(table)
	} else {
		lines := strings.Split(strings.TrimSpace(table), "\n")
		fmt.Println(lines[len(lines)-1])
	}
	for _, w := range wrong {
		fmt.Println("wrong:", w)
	}
	if len(wrong) > 0 {
		os.Exit(1)
	}
}

type requirement struct {
	id, text, surfaces string
	later              bool
	partly             bool     // later, with tests of what is there
	tests              []string // folder.Test, without repeats
}

// check reads the documents and the tests below root, and returns the table and what is wrong.
func check(root string) (table string, wrong []string, err error) {
	requirements, err := read(root)
	if err != nil {
		return "", nil, err
	}
	byID := map[string]*requirement{}
	for _, r := range requirements {
		if byID[r.id] != nil {
			wrong = append(wrong, fmt.Sprintf("%s stands twice in docs/requirements.md", r.id))
		}
		byID[r.id] = r
	}
	later, err := os.ReadFile(path.Join(root, "docs/requirements-later.txt"))
	if err != nil {
		return "", nil, err
	}
	for line := range strings.Lines(string(later)) {
		line, _, _ = strings.Cut(line, "#")
		for _, id := range strings.Fields(line) {
			id, partly := strings.CutSuffix(id, "~")
			if r := byID[id]; r != nil {
				r.later, r.partly = true, partly
			} else {
				wrong = append(wrong, fmt.Sprintf("docs/requirements-later.txt names %s, which docs/requirements.md does not have", id))
			}
		}
	}
	cited, err := cite(root, byID)
	if err != nil {
		return "", nil, err
	}
	wrong = append(wrong, cited...)
	for _, r := range requirements {
		switch {
		case len(r.tests) == 0 && (!r.later || r.partly):
			wrong = append(wrong, fmt.Sprintf("%s has no test: %s", r.id, r.text))
		case len(r.tests) > 0 && r.later && !r.partly:
			wrong = append(wrong, fmt.Sprintf("%s is held by %s: take it out of docs/requirements-later.txt, or write %s~ for a part of it", r.id, r.tests[0], r.id))
		}
	}
	return print(requirements), wrong, nil
}

// row is a row of the table: | A-01 | text | surfaces |
var row = regexp.MustCompile(`^\| ([A-Z]-\d\d) \| (.+) \| ([a-z ]+) \|$`)

func read(root string) ([]*requirement, error) {
	raw, err := os.ReadFile(path.Join(root, "docs/requirements.md"))
	if err != nil {
		return nil, err
	}
	var out []*requirement
	lines := bufio.NewScanner(bytes.NewReader(raw))
	for lines.Scan() {
		if m := row.FindStringSubmatch(lines.Text()); m != nil {
			out = append(out, &requirement{id: m[1], text: m[2], surfaces: m[3]})
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("docs/requirements.md has no rows")
	}
	return out, nil
}

var (
	mark     = regexp.MustCompile(`^REQ\b`)
	ids      = regexp.MustCompile(`\b[A-Z]-\d\d\b`)
	testName = regexp.MustCompile(`^(Test|Fuzz|Benchmark|Example)`)
)

// cite notes which tests name which requirement.
func cite(root string, byID map[string]*requirement) (wrong []string, err error) {
	comments, err := source.Comments(root, func(p string) bool { return strings.HasSuffix(p, "_test.go") })
	if err != nil {
		return nil, err
	}
	for _, c := range comments {
		if !mark.MatchString(c.Text) {
			continue
		}
		at := fmt.Sprintf("%s:%d", c.File, c.Line)
		if !testName.MatchString(c.Func) {
			wrong = append(wrong, at+": // REQ belongs above a test or into it")
			continue
		}
		for _, id := range ids.FindAllString(c.Text, -1) {
			r, test := byID[id], path.Dir(c.File)+"."+c.Func
			if r == nil {
				wrong = append(wrong, fmt.Sprintf("%s: there is no requirement %s", at, id))
			} else if !slices.Contains(r.tests, test) {
				r.tests = append(r.tests, test)
			}
		}
	}
	return wrong, nil
}

func print(requirements []*requirement) string {
	var b strings.Builder
	held, partly, later := 0, 0, 0
	for _, r := range requirements {
		state := strings.Join(r.tests, " ")
		switch {
		case r.partly:
			partly++
			state = "(partly) " + state
		case len(r.tests) > 0:
			held++
		case r.later:
			later++
			state = "(later)"
		default:
			state = "(no test)"
		}
		fmt.Fprintf(&b, "%s  [%s]  %s\n      %s\n", r.id, r.surfaces, r.text, state)
	}
	fmt.Fprintf(&b, "%d requirements: %d held by tests, %d in part, %d later, %d without a test\n",
		len(requirements), held, partly, later, len(requirements)-held-partly-later)
	return b.String()
}
