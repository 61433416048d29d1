package drive

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// A document is what the driver reads of a page.
type document struct {
	forms   []*form
	refresh string // target of a meta refresh
}

type form struct {
	action, method string
	fields         []field
	buttons        []field
}

type field struct{ name, value, kind string }

var (
	// asksWho matches the names of fields that a person types their name into.
	asksWho = regexp.MustCompile(`(?i)user|login|mail|ident|account|^name$`)
	// agrees matches what stands on the button of a consent page. "Sign out" is not among it: a
	// signed-in home page must be a place where the journey ends.
	agrees = regexp.MustCompile(`(?i)\b(accept|agree|allow|approve|authorize|grant|continue|confirm|yes|submit)\b`)
)

func read(page string) (*document, error) {
	// Without scripts, what stands in <noscript> is part of the page.
	root, err := html.ParseWithOptions(strings.NewReader(page), html.ParseOptionEnableScripting(false))
	if err != nil {
		return nil, err
	}
	doc := &document{}
	doc.walk(root, nil)
	return doc, nil
}

func (doc *document) walk(n *html.Node, in *form) {
	if n.Type == html.ElementNode {
		switch n.DataAtom {
		case atom.Meta:
			if strings.EqualFold(attr(n, "http-equiv"), "refresh") {
				if _, to, ok := strings.Cut(attr(n, "content"), "="); ok {
					doc.refresh = strings.Trim(strings.TrimSpace(to), `'"`)
				}
			}
		case atom.Form:
			in = &form{action: attr(n, "action"), method: strings.ToUpper(cmp.Or(attr(n, "method"), http.MethodGet))}
			doc.forms = append(doc.forms, in)
		case atom.Input, atom.Button, atom.Select, atom.Textarea:
			if in != nil && !has(n, "disabled") {
				in.control(n)
			}
		}
	}
	for c := range n.ChildNodes() {
		doc.walk(c, in)
	}
}

// control adds an input, button, select or textarea to the form.
func (f *form) control(n *html.Node) {
	c := field{name: attr(n, "name"), value: attr(n, "value"), kind: strings.ToLower(attr(n, "type"))}
	switch n.DataAtom {
	case atom.Button:
		if c.kind == "" || c.kind == "submit" {
			f.buttons = append(f.buttons, field{c.name, c.value, text(n)})
		}
		return
	case atom.Select:
		c.kind, c.value = "select", chosen(n)
	case atom.Textarea:
		c.kind, c.value = "textarea", text(n)
	default:
		c.kind = cmp.Or(c.kind, "text")
	}
	switch c.kind {
	case "submit", "image":
		f.buttons = append(f.buttons, field{c.name, c.value, c.value})
	case "button", "reset", "file":
	case "checkbox", "radio":
		if has(n, "checked") {
			c.value = cmp.Or(c.value, "on")
			f.fields = append(f.fields, c)
		}
	default:
		if c.name != "" {
			f.fields = append(f.fields, c)
		}
	}
}

// chosen is the value of a select element: of its selected option, else of its first.
func chosen(n *html.Node) string {
	first, found := "", false
	for o := range n.Descendants() {
		if o.DataAtom != atom.Option {
			continue
		}
		value := text(o)
		if has(o, "value") {
			value = attr(o, "value")
		}
		if has(o, "selected") {
			return value
		}
		if !found {
			first, found = value, true
		}
	}
	return first
}

// choose picks the form to submit: one that passes a message on, else a login form, else one that
// only asks for agreement. nil when there is none.
func (doc *document) choose(canType bool) *form {
	for _, wanted := range []func(*form) bool{
		(*form).isRelay,
		func(f *form) bool { return canType && f.isLogin() },
		(*form).isConsent,
	} {
		if i := slices.IndexFunc(doc.forms, wanted); i >= 0 {
			return doc.forms[i]
		}
	}
	return nil
}

func (f *form) has(names ...string) bool {
	return slices.ContainsFunc(f.fields, func(c field) bool { return slices.Contains(names, c.name) })
}

func (f *form) visible(kinds ...string) bool {
	return slices.ContainsFunc(f.fields, func(c field) bool { return slices.Contains(kinds, c.kind) })
}

// isRelay says whether the form carries a message from one party to another by way of the
// browser: SAML's HTTP-POST binding, or OAuth 2.0 Form Post Response Mode.
func (f *form) isRelay() bool {
	return f.method == http.MethodPost && !f.visible("text", "email", "password", "textarea", "select") &&
		(f.has("SAMLResponse", "SAMLRequest") || f.has("state") && f.has("code", "id_token", "error"))
}

func (f *form) isLogin() bool {
	return slices.ContainsFunc(f.fields, func(c field) bool {
		return c.kind == "password" || (c.kind == "text" || c.kind == "email") && asksWho.MatchString(c.name)
	})
}

func (f *form) isConsent() bool {
	return f.method == http.MethodPost && !f.visible("text", "email", "password", "textarea") && f.agreeing() >= 0
}

// agreeing is the index of the button that says yes, -1 when there is none.
func (f *form) agreeing() int {
	return slices.IndexFunc(f.buttons, func(b field) bool { return agrees.MatchString(b.kind + " " + b.value) })
}

// submit fills the form in and makes the request of it.
func (f *form) submit(here *url.URL, d *Driver) (*Page, error) {
	to, err := here.Parse(f.action)
	if err != nil {
		return nil, fmt.Errorf("form action %q: %w", f.action, err)
	}
	values := url.Values{}
	named := false
	for _, c := range f.fields {
		if f.isLogin() {
			switch {
			case c.kind == "password":
				c.value = d.Password
			case (c.kind == "text" || c.kind == "email") && !named && asksWho.MatchString(c.name):
				c.value, named = d.User, true
			}
		}
		values.Add(c.name, c.value)
	}
	if f.isLogin() {
		for name, value := range d.Fields {
			values.Set(name, value)
		}
	}
	if !f.isRelay() && len(f.buttons) > 0 {
		if b := f.buttons[max(f.agreeing(), 0)]; b.name != "" {
			values.Set(b.name, b.value)
		}
	}
	d.trace("  form to %s with %d fields", to, len(values))
	to.Fragment = ""
	next := &Page{Method: f.method, URL: to.String(), from: &origin{page: here}}
	if f.method == http.MethodPost {
		next.Fields = values
		return next, nil
	}
	to.RawQuery = values.Encode()
	next.Method, next.URL = http.MethodGet, to.String()
	return next, nil
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, name string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == name })
}

func text(n *html.Node) string {
	var b strings.Builder
	for c := range n.Descendants() {
		if c.Type == html.TextNode {
			b.WriteString(c.Data)
		}
	}
	return strings.TrimSpace(b.String())
}
