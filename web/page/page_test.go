package page

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jba/templatecheck"
	"golang.org/x/net/html"

	"github.com/drawbridge-id/drawbridge/request"
)

func TestTemplatesFitTheirStructs(t *testing.T) {
	fits := func(d drawing, data any) {
		tmpl, err := d()
		if err == nil {
			err = templatecheck.CheckHTML(tmpl, data)
		}
		if err != nil {
			t.Errorf("%T: %v", data, err)
		}
	}
	for _, p := range all {
		fits(drawings[reflect.TypeOf(p)], p)
	}
	fits(layout, frame{})
}

func TestStaticFilesSayWhatTheyAre(t *testing.T) {
	for name, f := range byHash {
		r := httptest.NewRequest(http.MethodGet, f.url, nil)
		r.SetPathValue("file", name)
		w := httptest.NewRecorder()
		Assets(w, r)
		if kind := w.Header().Get("Content-Type"); !strings.Contains(kind, "/") || strings.HasPrefix(kind, "application/octet-stream") {
			t.Errorf("%s is served as %q", name, kind)
		}
	}
}

func TestEveryPageHasASample(t *testing.T) {
	seen := map[reflect.Type]bool{}
	for _, s := range samples {
		seen[reflect.TypeOf(s.page)] = true
	}
	for _, p := range all {
		if !seen[reflect.TypeOf(p)] {
			t.Errorf("%T has no sample", p)
		}
	}
}

func render(t *testing.T, s sample) (*httptest.ResponseRecorder, *html.Node) {
	t.Helper()
	w := httptest.NewRecorder()
	w.Header().Set("Content-Security-Policy", "form-action 'self'")
	r := httptest.NewRequest("GET", "/", nil)
	r = r.WithContext(request.With(r.Context(), &request.Facts{ID: "req_sample"}))
	if err := Render(w, r, s.status, s.page); err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	doc, err := html.Parse(strings.NewReader(w.Body.String()))
	if err != nil {
		t.Fatal(err)
	}
	return w, doc
}

func walk(n *html.Node, visit func(*html.Node)) {
	visit(n)
	for c := n.FirstChild; c != nil; c = c.NextSibling {
		walk(c, visit)
	}
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// What WCAG 2.2 AA and the content security policy ask of every page, as far as markup can show it.
func TestEveryPageIsAccessibleAndNeedsNothingFromElsewhere(t *testing.T) {
	for _, s := range samples {
		t.Run(s.name, func(t *testing.T) {
			w, doc := render(t, s)
			if w.Code != s.status {
				t.Errorf("status %d", w.Code)
			}
			h1, ids, labels, title, lang, skip := 0, map[string]int{}, map[string]bool{}, "", "", false
			var inputs, refs []string
			var level = 1
			walk(doc, func(n *html.Node) {
				if n.Type != html.ElementNode {
					return
				}
				if id := attr(n, "id"); id != "" {
					ids[id]++
				}
				for _, a := range n.Attr {
					if a.Key == "style" || strings.HasPrefix(a.Key, "on") {
						t.Errorf("<%s %s=…> needs 'unsafe-inline'", n.Data, a.Key)
					}
					if (a.Key == "src" || a.Key == "href" && n.Data == "link") && !strings.HasPrefix(a.Val, "/static/") {
						t.Errorf("<%s> loads %q", n.Data, a.Val)
					}
					if a.Key == "aria-describedby" || a.Key == "aria-labelledby" {
						refs = append(refs, strings.Fields(a.Val)...)
					}
				}
				switch n.Data {
				case "html":
					lang = attr(n, "lang")
				case "title":
					title = n.FirstChild.Data
				case "h1", "h2", "h3", "h4":
					if n.Data == "h1" {
						h1++
					}
					if l := int(n.Data[1] - '0'); l > level+1 {
						t.Errorf("<%s> follows a heading of level %d", n.Data, level)
					} else {
						level = l
					}
				case "label":
					labels[attr(n, "for")] = true
				case "input":
					if attr(n, "type") != "hidden" {
						inputs = append(inputs, attr(n, "id"))
					}
				case "style":
					t.Error("inline <style>")
				case "script":
					if n.FirstChild != nil {
						t.Error("inline <script>")
					}
				case "a":
					if attr(n, "class") == "skip" && attr(n, "href") == "#main" {
						skip = true
					}
					if h := attr(n, "href"); strings.HasPrefix(h, "#") {
						refs = append(refs, h[1:])
					}
				case "form":
					if m := attr(n, "method"); m != "post" && attr(n, "class") != "panel lookup" && attr(n, "class") != "prefill" {
						t.Errorf("a form with method %q", m)
					}
				case "svg":
					if attr(n, "aria-hidden") != "true" {
						t.Error("a drawing that a screen reader would stumble over")
					}
				}
			})
			if h1 != 1 || lang == "" || !skip {
				t.Errorf("h1 %d times, lang %q, skip link %v", h1, lang, skip)
			}
			if !strings.HasSuffix(title, " · Drawbridge") || strings.HasPrefix(title, " ") {
				t.Errorf("title is %q", title)
			}
			for id, n := range ids {
				if n > 1 {
					t.Errorf("id %q is there %d times", id, n)
				}
			}
			for _, id := range inputs {
				if id == "" || !labels[id] {
					t.Errorf("input %q has no label", id)
				}
			}
			for _, id := range refs {
				if ids[id] == 0 {
					t.Errorf("something points at #%s, which is not on the page", id)
				}
			}
		})
	}
}

var blanks = regexp.MustCompile(`\s+`)

// seen is the text of the page as a reader sees it.
func seen(t *testing.T, s sample) string {
	t.Helper()
	_, doc := render(t, s)
	var b strings.Builder
	var read func(*html.Node)
	read = func(n *html.Node) {
		hidden := slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == "hidden" })
		if hidden || n.Data == "script" || n.Data == "title" {
			return // without script, copy buttons are not there
		}
		if n.Type == html.TextNode {
			b.WriteString(n.Data + " ")
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			read(c)
		}
	}
	read(doc)
	return strings.TrimSpace(blanks.ReplaceAllString(b.String(), " "))
}

// TestWhatReadersSee compares the text of every sample with testdata/NAME.txt; -update writes it.
func TestWhatReadersSee(t *testing.T) {
	for _, s := range samples {
		t.Run(s.name, func(t *testing.T) {
			got := seen(t, s) + "\n"
			file := filepath.Join("testdata", s.name+".txt")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("the page reads\n%s\nand should read\n%s", got, want)
			}
		})
	}
}

// THREAT SAML-O1: the person sees what happened, an id and whom to send it to; never a claim.
func TestARefusedPersonSeesThreeLines(t *testing.T) {
	s := sample{page: Refused{What: "Contoso’s answer was not accepted here.", Diagnosis: dx, MailTo: "it@acme.example"}, status: 403}
	_, doc := render(t, s)
	lines, mail := 0, ""
	walk(doc, func(n *html.Node) {
		if n.Data == "li" {
			lines++
		}
		if h := attr(n, "href"); strings.HasPrefix(h, "mailto:") {
			mail = h
		}
	})
	if lines != 3 {
		t.Errorf("%d lines", lines)
	}
	if !strings.HasPrefix(mail, "mailto:it@acme.example?subject=") || !strings.Contains(mail, string(dx)) || strings.Contains(mail, "+") {
		t.Errorf("the letter is %q", mail)
	}
}

// THREAT SES-3: what an identity provider or a stranger wrote is text, wherever it stands.
func TestWhatStrangersWriteStaysText(t *testing.T) {
	const evil = `"><script>alert(1)</script>`
	for _, p := range []Page{
		SignIn{Email: evil, Next: evil, Notice: evil, Error: &FieldError{Field: "email", Message: evil, Fix: evil}},
		Continue{Email: evil, Provider: evil, URL: "javascript:alert(1)"},
		AutoPost{Title: evil, Action: "javascript:alert(1)", Fields: []Field{{evil, evil}}},
		Refused{What: evil, Quote: evil, Diagnosis: dx, MailTo: evil},
		Problem{Title: evil, Detail: evil, Help: evil},
	} {
		w, doc := render(t, sample{page: p, status: 200})
		if strings.Contains(w.Body.String(), "<script>alert") {
			t.Errorf("%T lets a script through", p)
		}
		walk(doc, func(n *html.Node) {
			for _, name := range []string{"href", "action"} {
				if strings.HasPrefix(attr(n, name), "javascript:") {
					t.Errorf("%T: <%s %s=%q>", p, n.Data, name, attr(n, name))
				}
			}
		})
	}
}

func TestAFormForAnIdentityProviderMayLeadThere(t *testing.T) {
	w, _ := render(t, sample{page: AutoPost{Title: "Continue to Contoso", Action: "https://idp.contoso.example/sso?x=1"}, status: 200})
	if got, want := w.Header().Get("Content-Security-Policy"), "form-action 'self' https:"; got != want {
		t.Errorf("policy %q, want %q", got, want)
	}
}

func TestHeadGetsTheHeadersOnly(t *testing.T) {
	w := httptest.NewRecorder()
	if err := Render(w, httptest.NewRequest("HEAD", "/signin", nil), 200, SignIn{}); err != nil {
		t.Fatal(err)
	}
	if w.Body.Len() > 0 || w.Header().Get("Content-Length") == "0" {
		t.Errorf("%d bytes, length %s", w.Body.Len(), w.Header().Get("Content-Length"))
	}
}
