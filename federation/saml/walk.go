package saml

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// limits bound a document while it is read, before anything costs more than the reading.
type limits struct {
	depth, elements, attributes, scope int
}

// responseLimits hold 15,000 group values and answer well under a second at their edge (SAML-D2).
// Text is bounded by the number of elements and by MaxResponse.
var responseLimits = limits{depth: 64, elements: 20_000, attributes: 256, scope: 256}

// metadataLimits hold a federation's aggregate of some hundred entities.
var metadataLimits = limits{depth: 64, elements: 200_000, attributes: 256, scope: 256}

// maxNamespace bounds a namespace name: canonical form repeats it at every element that uses it.
const maxNamespace = 1024

// A fault is why a message is refused, in the words of a check: a code for machines, and for the
// administrator what was expected and what came. received never holds decrypted or secret text.
type fault struct {
	code, expected, received string
}

func (f *fault) Error() string {
	return fmt.Sprintf("%s: expected %s, received %s", f.code, f.expected, f.received)
}

func malformed(expected, format string, args ...any) *fault {
	return &fault{"response_malformed", expected, fmt.Sprintf(format, args...)}
}

type nodeKind uint8

const (
	elementNode nodeKind = iota
	textNode
	commentNode
)

// A node is an element, a run of text, or a comment. Names are resolved: space is the namespace, prefix
// only what it was written with (canonical form repeats it).
type node struct {
	parent               *node
	kids                 []*node
	prefix, local, space string
	text                 string    // of textNode and commentNode
	attrs                []attr    // without namespace declarations
	decls                []binding // namespace declarations of this element
	kind                 nodeKind
}

type attr struct{ prefix, local, space, value string }

type binding struct{ prefix, uri string }

// A document is a tree that passed the walk, with what the structure checks ask for.
type document struct {
	root       *node
	assertions []*node // Assertion, EncryptedAssertion and Response elements below the root, anywhere
	signatures []*node // Signature elements, anywhere
	ids        map[string]bool
}

// parse reads a whole document under limits. It refuses what two XML parsers could read differently:
// DOCTYPE, processing instructions, entities, other encodings than UTF-8 and versions than 1.0, text
// outside the root, several roots, names with stray colons, unbound or reserved prefixes, relative
// namespace names, attributes given twice (also through two prefixes) and IDs given twice
// (SAML-X1, X3, X4, X5, D2). A declaration is read only as the very first thing.
//
// context are namespace bindings in scope around the document, for decrypted fragments; taken are the
// IDs of the document around it.
func parse(raw []byte, lim limits, context []binding, taken map[string]bool) (*document, *fault) {
	w := walker{lim: lim, scope: append([]binding{{"xml", nsXML}}, context...)}
	w.doc.ids = make(map[string]bool, 4+len(taken))
	for id := range taken {
		w.doc.ids[id] = true
	}
	raw = bytes.TrimPrefix(raw, []byte("\uFEFF"))
	// Strict (the default) refuses entities beyond the predefined five, invalid UTF-8, characters
	// outside the XML range, "]]>" in text and "--" in comments.
	d := xml.NewDecoder(bytes.NewReader(raw))
	for {
		at := d.InputOffset()
		t, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, malformed("well-formed XML 1.0 in UTF-8", "%s", clip(err.Error(), 200))
		}
		if f := w.token(t, at); f != nil {
			return nil, f
		}
	}
	if w.doc.root == nil || w.at != nil {
		return nil, malformed("one XML element", "a document that ends before its root element does")
	}
	return &w.doc, nil
}

type walker struct {
	lim      limits
	doc      document
	at       *node // the open element
	scope    []binding
	marks    []int // scope length before each open element
	elements int
	arena    []node
}

func (w *walker) token(t xml.Token, at int64) *fault {
	switch t := t.(type) {
	case xml.StartElement:
		return w.open(t)
	case xml.EndElement:
		return w.close(t)
	case xml.CharData:
		if w.at == nil {
			if len(bytes.Trim(t, " \t\r\n")) > 0 {
				return malformed("nothing but white space around the root element", "text %q", clip(string(t), 40))
			}
			return nil
		}
		n := w.node(textNode)
		n.text = string(t)
		w.add(n)
	case xml.Comment:
		if w.elements++; w.elements > w.lim.elements {
			return w.tooMany()
		}
		if w.at != nil {
			n := w.node(commentNode)
			n.text = string(t)
			w.add(n)
		}
	case xml.ProcInst:
		if t.Target != "xml" || at != 0 {
			return malformed("no processing instructions", "<?%s", clip(t.Target, 40))
		}
	case xml.Directive:
		return malformed("no DOCTYPE", "<!%s", clip(string(t), 40))
	}
	return nil
}

func (w *walker) tooMany() *fault {
	return malformed(fmt.Sprintf("at most %d elements", w.lim.elements), "more")
}

// node takes from an arena: a response is a few hundred nodes that live and die together.
func (w *walker) node(k nodeKind) *node {
	if len(w.arena) == 0 {
		w.arena = make([]node, min(128, w.elements+16))
	}
	n := &w.arena[0]
	w.arena = w.arena[1:]
	n.kind, n.parent = k, w.at
	return n
}

func (w *walker) add(n *node) {
	if w.at != nil {
		w.at.kids = append(w.at.kids, n)
	}
}

func (w *walker) open(t xml.StartElement) *fault {
	w.elements++
	switch {
	case w.at == nil && w.doc.root != nil:
		return malformed("one root element", "a second one, %s", clip(t.Name.Local, 40))
	case w.elements > w.lim.elements:
		return w.tooMany()
	case len(w.marks) >= w.lim.depth:
		return malformed(fmt.Sprintf("at most %d levels of elements", w.lim.depth), "more")
	case len(t.Attr) > w.lim.attributes:
		return malformed(fmt.Sprintf("at most %d attributes on an element", w.lim.attributes), "%d", len(t.Attr))
	}
	n := w.node(elementNode)
	w.marks = append(w.marks, len(w.scope))
	if f := w.declare(n, t.Attr); f != nil {
		return f
	}
	n.prefix, n.local = t.Name.Space, t.Name.Local
	var f *fault
	if n.space, f = w.resolve(n.prefix, n.local); f != nil {
		return f
	}
	if f := w.attributes(n, t.Attr); f != nil {
		return f
	}
	if f := w.note(n); f != nil {
		return f
	}
	w.add(n)
	if w.doc.root == nil {
		w.doc.root = n
	}
	w.at = n
	return nil
}

func (w *walker) close(t xml.EndElement) *fault {
	if w.at == nil || w.at.prefix != t.Name.Space || w.at.local != t.Name.Local {
		return malformed("every element closed by its own end tag", "</%s>", clip(t.Name.Local, 40))
	}
	last := len(w.marks) - 1
	w.scope, w.marks = w.scope[:w.marks[last]], w.marks[:last]
	w.at = w.at.parent
	return nil
}

// declare puts the namespace declarations of an element into scope (XML Names 1.0 §3).
func (w *walker) declare(n *node, attrs []xml.Attr) *fault {
	for _, a := range attrs {
		b := binding{a.Name.Local, a.Value}
		switch {
		case a.Name.Space == "xmlns":
			if !ncName(b.prefix) || b.uri == "" || b.prefix == "xmlns" || (b.prefix == "xml") != (b.uri == nsXML) {
				return malformed("namespace declarations as XML Names has them", "xmlns:%s=%q", clip(b.prefix, 40), clip(b.uri, 80))
			}
		case a.Name.Space == "" && a.Name.Local == "xmlns":
			b.prefix = ""
			if b.uri == nsXML {
				return malformed("namespace declarations as XML Names has them", "xmlns=%q", nsXML)
			}
		default:
			continue
		}
		if b.uri == nsXMLNS || b.uri != "" && !absolute(b.uri) || len(b.uri) > maxNamespace {
			return malformed("absolute namespace names", "%q", clip(b.uri, 80))
		}
		if slices.ContainsFunc(n.decls, func(o binding) bool { return o.prefix == b.prefix }) {
			return malformed("each attribute once", "xmlns:%s twice", clip(b.prefix, 40))
		}
		n.decls = append(n.decls, b)
		w.scope = append(w.scope, b)
	}
	if len(w.scope) > w.lim.scope {
		return malformed(fmt.Sprintf("at most %d namespace declarations in scope", w.lim.scope), "%d", len(w.scope))
	}
	return nil
}

// resolve finds the namespace of a prefix; an empty prefix without a declaration is no namespace.
func (w *walker) resolve(prefix, local string) (string, *fault) {
	if !ncName(local) || prefix != "" && !ncName(prefix) {
		return "", malformed("names with at most one colon, between two names", "%s:%s", clip(prefix, 40), clip(local, 40))
	}
	for i := len(w.scope) - 1; i >= 0; i-- {
		if w.scope[i].prefix == prefix {
			return w.scope[i].uri, nil
		}
	}
	if prefix == "" {
		return "", nil
	}
	return "", malformed("every prefix declared", "%s:%s", clip(prefix, 40), clip(local, 40))
}

func (w *walker) attributes(n *node, attrs []xml.Attr) *fault {
	if plain := len(attrs) - len(n.decls); plain > 0 {
		n.attrs = make([]attr, 0, plain)
	}
	for _, a := range attrs {
		if a.Name.Space == "xmlns" || a.Name.Space == "" && a.Name.Local == "xmlns" {
			continue
		}
		at := attr{prefix: a.Name.Space, local: a.Name.Local, value: a.Value}
		var space string
		var f *fault
		if at.prefix != "" { // unprefixed attributes are in no namespace
			space, f = w.resolve(at.prefix, at.local)
		} else if !ncName(at.local) {
			f = malformed("names with at most one colon, between two names", "%s", clip(at.local, 40))
		}
		if f != nil {
			return f
		}
		at.space = space
		n.attrs = append(n.attrs, at)
	}
	// Canonical order; it also brings attributes given twice side by side.
	slices.SortFunc(n.attrs, compareAttrs)
	for i := 1; i < len(n.attrs); i++ {
		if compareAttrs(n.attrs[i-1], n.attrs[i]) == 0 {
			return malformed("each attribute once", "%s twice", clip(n.attrs[i].local, 40))
		}
	}
	return nil
}

// compareAttrs is the canonical order: by namespace name, then by local name.
func compareAttrs(a, b attr) int {
	if c := strings.Compare(a.space, b.space); c != 0 {
		return c
	}
	return strings.Compare(a.local, b.local)
}

// note keeps what signature wrapping plays with: IDs in every spelling, and where the elements stand
// that mean something. IDs are unique across ID, Id, id and xml:id (SAML-X5, SAML-W1).
func (w *walker) note(n *node) *fault {
	for _, a := range n.attrs {
		if len(a.local) != 2 || !strings.EqualFold(a.local, "id") {
			continue
		}
		if a.local != "id" && a.space == "" && !ncName(a.value) {
			return malformed("IDs that are XML names", "%q", clip(a.value, 80))
		}
		if w.doc.ids[a.value] {
			return malformed("each ID once", "%q twice", clip(a.value, 80))
		}
		w.doc.ids[a.value] = true
	}
	switch {
	case n.space == nsDS && n.local == "Signature":
		w.doc.signatures = append(w.doc.signatures, n)
	case w.doc.root == nil:
	case n.space == nsSAML && (n.local == "Assertion" || n.local == "EncryptedAssertion"),
		n.space == nsSAMLP && n.local == "Response":
		w.doc.assertions = append(w.doc.assertions, n)
	}
	return nil
}

// absolute reports whether a namespace name starts with a scheme (canonical form is not defined for relative ones).
func absolute(uri string) bool {
	for i := range len(uri) {
		c := uri[i]
		switch {
		case c == ':':
			return i > 0
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
		case i > 0 && (c >= '0' && c <= '9' || c == '+' || c == '-' || c == '.'):
		default:
			return false
		}
	}
	return false
}

// ncName reports whether s is a name without a colon (XML Names §4). For characters beyond ASCII the
// decoder's own table has already decided; IDs are checked as strictly as names need.
func ncName(s string) bool {
	for i, r := range s {
		switch {
		case r == '_', r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= 0xC0:
		case i > 0 && (r == '-' || r == '.' || r >= '0' && r <= '9' || r == 0xB7):
		default:
			return false
		}
	}
	return s != ""
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// is reports whether the node is that element.
func (n *node) is(space, local string) bool {
	return n.kind == elementNode && n.local == local && n.space == space
}

// attr gives an attribute without namespace; "" when it is absent.
func (n *node) attr(local string) string {
	v, _ := n.attribute(local)
	return v
}

func (n *node) attribute(local string) (string, bool) {
	for _, a := range n.attrs {
		if a.local == local && a.space == "" {
			return a.value, true
		}
	}
	return "", false
}

// child gives the first child element of that name; nil when there is none.
func (n *node) child(space, local string) *node {
	for _, k := range n.kids {
		if k.is(space, local) {
			return k
		}
	}
	return nil
}

// children gives all child elements of that name.
func (n *node) children(space, local string) []*node {
	var out []*node
	for _, k := range n.kids {
		if k.is(space, local) {
			out = append(out, k)
		}
	}
	return out
}

// content joins the text of an element; ok is false when an element stands between, because such text
// has no one reading. Comments do not shorten it (SAML-X2).
func (n *node) content() (s string, ok bool) {
	if len(n.kids) == 1 && n.kids[0].kind == textNode {
		return n.kids[0].text, true
	}
	var b strings.Builder
	for _, k := range n.kids {
		switch k.kind {
		case textNode:
			b.WriteString(k.text)
		case elementNode:
			return "", false
		}
	}
	return b.String(), true
}

// inScope lists the namespace bindings around and on n, innermost first, each prefix once.
func (n *node) inScope() []binding {
	var out []binding
	for p := n; p != nil; p = p.parent {
		for _, b := range p.decls {
			if !slices.ContainsFunc(out, func(o binding) bool { return o.prefix == b.prefix }) {
				out = append(out, b)
			}
		}
	}
	return out
}
