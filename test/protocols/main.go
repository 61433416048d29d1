// Command protocols holds the pages of docs/protocols to the code. Each page has a row per clause of a
// standard:
//
//	| SC §2.4.1.2 | what it asks, in our words | done | where, or why not |
//
// with the state done, partly, no, or on purpose. The code cites a clause in a comment in the same
// spelling, or with the document's longer name, which the page gives:
//
//	| SC | SAML core | saml-core-2.0-os |
//
// The command fails, saying what to do, when a row that is done or partly done is cited from no code,
// when the code cites a clause that has no row in the pages of that document, when a clause has two
// rows, and when a row that is partly, no or on purpose says nothing about it. Simulators and tests
// below test/ do not count as code.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
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
		fmt.Fprintln(os.Stderr, "protocols:", err)
		os.Exit(1)
	}
	lines := strings.Split(strings.TrimSpace(table), "\n")
	if *quiet {
		lines = lines[len(lines)-1:]
	}
	fmt.Println(strings.Join(lines, "\n"))
	for _, w := range wrong {
		fmt.Println("wrong:", w)
	}
	if len(wrong) > 0 {
		os.Exit(1)
	}
}

type clause struct {
	name, state, note string
	cites             []string // file:line
}

var states = []string{"done", "partly", "no", "on purpose"}

var (
	rowOfClause   = regexp.MustCompile(`^\| ((?:[A-Z0-9]+|RFC \d+) §[0-9A-Z][0-9A-Za-z.]*) \| (.+) \| ([a-z ]+) \| (.*?) ?\|$`)
	rowOfDocument = regexp.MustCompile(`^\| ([A-Z0-9]+) \|([^|]*)\|[^|]*\|$`)
	// number follows a document's name in a citation; further ones of the same document may follow it.
	number  = `[, ]*§([0-9A-Z][0-9A-Za-z.]*)`
	further = regexp.MustCompile(`^(?:,| and| to)? §([0-9A-Z][0-9A-Za-z.]*)`)
)

type pages struct {
	clauses []*clause
	byName  map[string]*clause
	names   map[string]string // a document's names, as the code may spell them, to its short one
	wrong   []string
}

// check reads the pages and the code below root, and returns a table and what is wrong.
func check(root string) (table string, wrong []string, err error) {
	p, err := read(root)
	if err != nil {
		return "", nil, err
	}
	comments, err := source.Comments(root, func(path string) bool { return !strings.HasPrefix(path, "test/") })
	if err != nil {
		return "", nil, err
	}
	p.cite(comments)
	count := map[string]int{}
	var b strings.Builder
	for _, c := range p.clauses {
		count[c.state]++
		fmt.Fprintf(&b, "%-10s  %s  %s\n", c.state, c.name, strings.Join(c.cites, " "))
		switch {
		case !slices.Contains(states, c.state):
			p.wrong = append(p.wrong, fmt.Sprintf("%s is %q, which is none of %s", c.name, c.state, strings.Join(states, ", ")))
		case (c.state == "done" || c.state == "partly") && len(c.cites) == 0:
			p.wrong = append(p.wrong, fmt.Sprintf("%s is %s, but no code cites it: add // %s where it is obeyed", c.name, c.state, c.name))
		case c.state != "done" && c.note == "":
			p.wrong = append(p.wrong, fmt.Sprintf("%s is %q without a word about it", c.name, c.state))
		}
	}
	fmt.Fprintf(&b, "%d clauses: %d done, %d partly, %d no, %d on purpose\n",
		len(p.clauses), count["done"], count["partly"], count["no"], count["on purpose"])
	return b.String(), p.wrong, nil
}

func read(root string) (*pages, error) {
	files, err := filepath.Glob(filepath.Join(root, "docs", "protocols", "*.md"))
	if err != nil {
		return nil, err
	}
	p := &pages{byName: map[string]*clause{}, names: map[string]string{}}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(raw)) {
			p.line(filepath.Base(file), strings.TrimSpace(line))
		}
	}
	if len(p.clauses) == 0 {
		return nil, fmt.Errorf("there are no rows in docs/protocols")
	}
	return p, nil
}

func (p *pages) line(file, line string) {
	if m := rowOfClause.FindStringSubmatch(line); m != nil {
		c := &clause{name: m[1], state: m[3], note: m[4]}
		if p.byName[c.name] != nil {
			p.wrong = append(p.wrong, fmt.Sprintf("%s: %s has two rows", file, c.name))
		}
		p.byName[c.name] = c
		p.clauses = append(p.clauses, c)
		document, _, _ := strings.Cut(c.name, " §")
		p.names[document] = document
		return
	}
	if m := rowOfDocument.FindStringSubmatch(line); m != nil {
		p.names[m[1]] = m[1]
		for long := range strings.SplitSeq(m[2], ",") {
			if long = strings.TrimSpace(long); long != "" {
				p.names[long] = m[1]
			}
		}
		return
	}
	if strings.HasPrefix(line, "| ") && strings.Contains(line, "§") {
		p.wrong = append(p.wrong, fmt.Sprintf("%s: not a row that can be read: %s", file, line))
	}
}

// cite notes where which clause is cited.
func (p *pages) cite(comments []source.Comment) {
	var spelled []string
	for name := range p.names {
		spelled = append(spelled, regexp.QuoteMeta(name))
	}
	// The longest name first, so that "OpenID Connect Core 1.0" is not read as "OpenID Connect Core".
	slices.SortFunc(spelled, func(a, b string) int { return len(b) - len(a) })
	citation := regexp.MustCompile(`(?:^|[^A-Za-z0-9])(` + strings.Join(spelled, "|") + `)` + number)
	for _, c := range comments {
		at := fmt.Sprintf("%s:%d", c.File, c.Line)
		for _, m := range citation.FindAllStringSubmatchIndex(c.Text, -1) {
			document, rest := p.names[c.Text[m[2]:m[3]]], c.Text[m[1]:]
			p.note(document, c.Text[m[4]:m[5]], at)
			for {
				f := further.FindStringSubmatch(rest)
				if f == nil {
					break
				}
				p.note(document, f[1], at)
				rest = rest[len(f[0]):]
			}
		}
	}
}

func (p *pages) note(document, section, at string) {
	name := document + " §" + strings.TrimRight(section, ".")
	c := p.byName[name]
	if c == nil {
		p.wrong = append(p.wrong, fmt.Sprintf("%s cites %s, which has no row: add | %s | ... | done | | to docs/protocols", at, name, name))
		return
	}
	c.cites = append(c.cites, at)
}
