package mail

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"maps"
	"slices"
	"strings"
	"text/template"
	"unicode"

	"github.com/goccy/go-yaml"

	"github.com/drawbridge-id/drawbridge/account"
)

//go:embed letters.yaml
var shipped []byte

//go:embed layout.html
var layout string

// Words are the texts of all letters, compiled.
type Words struct {
	footer  *template.Template
	letters map[string]letter
	html    *htmltemplate.Template
}

type letter struct{ subject, body, link, label, second, secondLabel *template.Template }

// spelled is how a file of letters looks.
type spelled struct {
	Footer  string                   `yaml:"footer"`
	Letters map[string]spelledLetter `yaml:"letters"`
}

type spelledLetter struct {
	Subject string `yaml:"subject"`
	Body    string `yaml:"body"`
	Link    string `yaml:"link"`
	Label   string `yaml:"label"`

	// Second is another way to go on, for letters that have two (F-28).
	Second      string `yaml:"second"`
	SecondLabel string `yaml:"second_label"`
}

// ReadWords compiles the shipped letters, with those of an operator's file over them, field by field (E-06); own may be empty. A letter
// that does not exist, and a field that does not compile, are refused by name.
func ReadWords(own []byte) (*Words, error) {
	var all, over spelled
	if err := yaml.UnmarshalWithOptions(shipped, &all, yaml.Strict()); err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(own)) > 0 {
		if err := yaml.UnmarshalWithOptions(own, &over, yaml.Strict()); err != nil {
			return nil, account.Errorf(account.Invalid, "The file of letters is not understood:\n%s", yaml.FormatError(err, false, true))
		}
	}
	pick := func(into *string, with string) {
		if with != "" {
			*into = with
		}
	}
	pick(&all.Footer, over.Footer)
	for name, o := range over.Letters {
		l, known := all.Letters[name]
		if !known {
			return nil, account.Errorf(account.Invalid, "There is no letter %q.", name).Fix("Use some of: %s.", strings.Join(slices.Sorted(maps.Keys(all.Letters)), ", "))
		}
		pick(&l.Subject, o.Subject)
		pick(&l.Body, o.Body)
		pick(&l.Link, o.Link)
		pick(&l.Label, o.Label)
		pick(&l.Second, o.Second)
		pick(&l.SecondLabel, o.SecondLabel)
		all.Letters[name] = l
	}
	w := &Words{letters: map[string]letter{}}
	var wrong []error
	compile := func(name, text string) *template.Template {
		t, err := template.New(name).Option("missingkey=error").Parse(text)
		if err != nil {
			wrong = append(wrong, err)
		}
		return t
	}
	w.footer = compile("footer", all.Footer)
	for name, l := range all.Letters {
		w.letters[name] = letter{compile(name+".subject", l.Subject), compile(name+".body", l.Body), compile(name+".link", l.Link), compile(name+".label", l.Label),
			compile(name+".second", l.Second), compile(name+".second_label", l.SecondLabel)}
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, account.Errorf(account.Invalid, "The letters do not compile: %v", err)
	}
	w.html = htmltemplate.Must(htmltemplate.New("layout").Parse(layout))
	return w, nil
}

// Names lists the letters there are.
func (w *Words) Names() []string { return slices.Sorted(maps.Keys(w.letters)) }

// A Draft is a letter in words, in both forms.
type Draft struct{ Subject, Text, HTML string }

// Write puts a letter into words. What data says is text: it cannot add headers, markup or lines of its own to a subject.
func (w *Words) Write(name string, data map[string]string) (Draft, error) {
	l, ok := w.letters[name]
	if !ok {
		return Draft{}, fmt.Errorf("mail: there is no letter %q", name)
	}
	var failed error
	say := func(t *template.Template) string {
		var b strings.Builder
		if err := t.Execute(&b, data); err != nil && failed == nil {
			failed = err
		}
		return strings.TrimSpace(b.String())
	}
	subject, link, label, footer := oneLine(say(l.subject)), say(l.link), oneLine(say(l.label)), oneLine(say(w.footer))
	second, secondLabel := say(l.second), oneLine(say(l.secondLabel))
	body := paragraphs(say(l.body))
	if failed != nil {
		return Draft{}, failed
	}
	var page bytes.Buffer
	err := w.html.Execute(&page, map[string]any{"Subject": subject, "Body": body, "Link": link, "Label": label, "Second": second, "SecondLabel": secondLabel, "Footer": footer})
	text := slices.Clone(body)
	if link != "" {
		text = append(text, label+":\n"+link)
	}
	if second != "" {
		text = append(text, secondLabel+":\n"+second)
	}
	return Draft{subject, strings.Join(append(text, "-- \n"+footer), "\n\n") + "\n", page.String()}, err
}

// oneLine keeps a line one line: a subject with a line break in it would be a header more.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsControl(r) || r == ' ' || r == '\u2028' || r == '\u2029' }), " ")
}

func paragraphs(s string) []string {
	var out []string
	for p := range strings.SplitSeq(strings.ReplaceAll(s, "\r\n", "\n"), "\n\n") {
		if p = strings.TrimSpace(p); p != "" {
			out = append(out, p)
		}
	}
	return out
}
