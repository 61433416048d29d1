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

type letter struct {
	from, subject, body, link, label, second, secondLabel *template.Template
	sheet                                                 *sheet // nil: nothing goes with it
}

// A sheet is what a Sheet is made from.
type sheet struct{ file, title, facts, body *template.Template }

// spelled is how a file of letters looks.
type spelled struct {
	Footer  string                   `yaml:"footer"`
	Letters map[string]spelledLetter `yaml:"letters"`
}

type spelledLetter struct {
	From    string `yaml:"from"` // address, with or without a name; empty: that of the installation (E-06)
	Subject string `yaml:"subject"`
	Body    string `yaml:"body"`
	Link    string `yaml:"link"`
	Label   string `yaml:"label"`

	// Second is another way to go on, for letters that have two (F-28).
	Second      string `yaml:"second"`
	SecondLabel string `yaml:"second_label"`

	PDF *spelledSheet `yaml:"pdf"` // goes with it as an attachment
}

type spelledSheet struct {
	File  string `yaml:"file"`
	Title string `yaml:"title"`
	Facts string `yaml:"facts"` // a line each, "what: value"
	Body  string `yaml:"body"`
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
		pick(&l.From, o.From)
		pick(&l.Subject, o.Subject)
		pick(&l.Body, o.Body)
		pick(&l.Link, o.Link)
		pick(&l.Label, o.Label)
		pick(&l.Second, o.Second)
		pick(&l.SecondLabel, o.SecondLabel)
		switch {
		case o.PDF == nil:
		case l.PDF == nil:
			return nil, account.Errorf(account.Invalid, "Nothing goes with the letter %q.", name).Fix("Leave out pdf.")
		default:
			pick(&l.PDF.File, o.PDF.File)
			pick(&l.PDF.Title, o.PDF.Title)
			pick(&l.PDF.Facts, o.PDF.Facts)
			pick(&l.PDF.Body, o.PDF.Body)
		}
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
		t := letter{compile(name+".from", l.From), compile(name+".subject", l.Subject), compile(name+".body", l.Body), compile(name+".link", l.Link), compile(name+".label", l.Label),
			compile(name+".second", l.Second), compile(name+".second_label", l.SecondLabel), nil}
		if p := l.PDF; p != nil {
			t.sheet = &sheet{compile(name+".pdf.file", p.File), compile(name+".pdf.title", p.Title), compile(name+".pdf.facts", p.Facts), compile(name+".pdf.body", p.Body)}
		}
		w.letters[name] = t
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
type Draft struct {
	Subject, Text, HTML string
	From                string // whose letter it is; empty: the installation's
	Sheet               *Sheet // goes with it; nil: nothing does
}

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
	body, from := paragraphs(say(l.body)), oneLine(say(l.from))
	var with *Sheet
	if l.sheet != nil {
		with = &Sheet{oneLine(say(l.sheet.file)), oneLine(say(l.sheet.title)), facts(say(l.sheet.facts)), paragraphs(say(l.sheet.body))}
	}
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
	return Draft{subject, strings.Join(append(text, "-- \n"+footer), "\n\n") + "\n", page.String(), from, with}, err
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
