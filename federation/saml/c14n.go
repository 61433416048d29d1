package saml

import (
	"slices"
	"strings"
)

// maxCanonical bounds canonical output. Exclusive form repeats namespace declarations, so that a small
// document can have a large one.
const maxCanonical = 8 << 20

// A c14n is one canonicalization method with its parameters.
type c14n struct {
	exclusive bool
	comments  bool
	v11       bool     // Canonical XML 1.1: xml:id is not inherited
	prefixes  []string // InclusiveNamespaces PrefixList (C14N §3); "" stands for #default
}

// methods by their identifiers (DS §6.5). Each has a form with comments.
var methods = map[string]c14n{
	"http://www.w3.org/2001/10/xml-exc-c14n#":                      {exclusive: true},
	"http://www.w3.org/2001/10/xml-exc-c14n#WithComments":          {exclusive: true, comments: true},
	"http://www.w3.org/TR/2001/REC-xml-c14n-20010315":              {},
	"http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments": {comments: true},
	"http://www.w3.org/2006/12/xml-c14n11":                         {v11: true},
	"http://www.w3.org/2006/12/xml-c14n11#WithComments":            {v11: true, comments: true},
}

// write gives the canonical form (C14N §2) of the element n, leaving out the element skip (the enveloped
// signature; nil leaves nothing out).
func (c c14n) write(n, skip *node) ([]byte, *fault) {
	w := canonicalWriter{c14n: c, skip: skip, out: make([]byte, 0, 4096)}
	var inherited []attr
	var apex []binding
	if !c.exclusive {
		var f *fault
		if inherited, f = c.inherited(n); f != nil {
			return nil, f
		}
	}
	for _, b := range n.inScope() {
		if b.prefix != "xml" && (!c.exclusive || slices.Contains(c.prefixes, b.prefix)) {
			apex = append(apex, b)
		}
	}
	w.element(n, apex, inherited)
	if len(w.out) > maxCanonical {
		return nil, malformed("a canonical form of at most 8 MiB", "more")
	}
	return w.out, nil
}

// inherited are the attributes in the xml namespace that the apex takes from its ancestors. 1.1 would have xml:base joined; nobody sends it, so it is refused.
func (c c14n) inherited(n *node) ([]attr, *fault) {
	var out []attr
	for p := n.parent; p != nil; p = p.parent {
		for _, a := range p.attrs {
			if a.space != nsXML || c.v11 && a.local == "id" {
				continue
			}
			if c.v11 && a.local == "base" {
				return nil, malformed("no xml:base around a signed element", "one")
			}
			same := func(o attr) bool { return compareAttrs(o, a) == 0 }
			if !slices.ContainsFunc(out, same) && !slices.ContainsFunc(n.attrs, same) {
				out = append(out, a)
			}
		}
	}
	return out, nil
}

type canonicalWriter struct {
	c14n
	skip     *node
	out      []byte
	rendered []binding // what the output has declared so far, innermost last
}

// element writes one element. more are bindings to render here beyond those the method asks for;
// inherited are attributes that the apex takes over.
func (w *canonicalWriter) element(n *node, more []binding, inherited []attr) {
	if len(w.out) > maxCanonical {
		return // write reports it
	}
	mark := len(w.rendered)
	w.out = append(w.out, '<')
	w.name(n.prefix, n.local)
	w.namespaces(n, more)
	attrs := n.attrs
	if len(inherited) > 0 {
		attrs = append(slices.Clone(attrs), inherited...)
		slices.SortFunc(attrs, compareAttrs)
	}
	for _, a := range attrs {
		w.out = append(w.out, ' ')
		w.name(a.prefix, a.local)
		w.out = append(w.out, '=', '"')
		w.escape(a.value, true)
		w.out = append(w.out, '"')
	}
	w.out = append(w.out, '>')
	for _, k := range n.kids {
		switch {
		case k == w.skip:
		case k.kind == elementNode:
			w.element(k, nil, nil)
		case k.kind == textNode:
			w.escape(k.text, false)
		case w.comments:
			w.out = append(w.out, "<!--"...)
			w.out = append(w.out, k.text...)
			w.out = append(w.out, "-->"...)
		}
	}
	w.out = append(w.out, '<', '/')
	w.name(n.prefix, n.local)
	w.out = append(w.out, '>')
	w.rendered = w.rendered[:mark]
}

func (w *canonicalWriter) name(prefix, local string) {
	if prefix != "" {
		w.out = append(append(w.out, prefix...), ':')
	}
	w.out = append(w.out, local...)
}

// namespaces renders the declarations due at n: those it visibly uses (exclusive), those it makes that
// are treated inclusively, and more; each only where the output does not hold it already.
func (w *canonicalWriter) namespaces(n *node, more []binding) {
	var due []binding
	add := func(b binding) {
		if b.prefix == "xml" || w.holds(b) || slices.Contains(due, b) {
			return
		}
		due = append(due, b)
	}
	for _, b := range more {
		add(b)
	}
	for _, b := range n.decls {
		if !w.exclusive || slices.Contains(w.prefixes, b.prefix) {
			add(b)
		}
	}
	if w.exclusive {
		add(binding{n.prefix, n.space})
		for _, a := range n.attrs {
			if a.prefix != "" {
				add(binding{a.prefix, a.space})
			}
		}
	}
	slices.SortFunc(due, func(a, b binding) int { return strings.Compare(a.prefix, b.prefix) })
	for _, b := range due {
		w.out = append(w.out, " xmlns"...)
		if b.prefix != "" {
			w.out = append(append(w.out, ':'), b.prefix...)
		}
		w.out = append(w.out, '=', '"')
		w.escape(b.uri, true)
		w.out = append(w.out, '"')
		w.rendered = append(w.rendered, b)
	}
}

// holds reports whether the output already binds the prefix to that name; without a declaration the
// default namespace is none.
func (w *canonicalWriter) holds(b binding) bool {
	for i := len(w.rendered) - 1; i >= 0; i-- {
		if w.rendered[i].prefix == b.prefix {
			return w.rendered[i].uri == b.uri
		}
	}
	return b.prefix == "" && b.uri == ""
}

// escape writes text or an attribute value as canonical form spells it.
func (w *canonicalWriter) escape(s string, attribute bool) {
	from := 0
	for i := range len(s) {
		var with string
		switch c := s[i]; {
		case c == '&':
			with = "&amp;"
		case c == '<':
			with = "&lt;"
		case c == '\r':
			with = "&#xD;"
		case c == '>' && !attribute:
			with = "&gt;"
		case c == '"' && attribute:
			with = "&quot;"
		case c == '\t' && attribute:
			with = "&#x9;"
		case c == '\n' && attribute:
			with = "&#xA;"
		default:
			continue
		}
		w.out = append(w.out, s[from:i]...)
		w.out = append(w.out, with...)
		from = i + 1
	}
	w.out = append(w.out, s[from:]...)
}
