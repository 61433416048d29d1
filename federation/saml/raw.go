package saml

import (
	"fmt"
	"strings"
)

// maxRaw bounds what an administrator is shown of a message.
const maxRaw = 256 << 10

// folded are elements whose text is bytes: of no use to people, and long.
var folded = map[string]bool{"SignatureValue": true, "X509Certificate": true, "CipherValue": true, "Modulus": true}

// pretty writes a tree with an element a line, long binary values folded.
func pretty(n *node) string {
	var b strings.Builder
	b.Grow(8 << 10)
	prettyNode(&b, n, 0)
	return cut(b.String())
}

func cut(s string) string {
	if len(s) <= maxRaw {
		return s
	}
	return strings.ToValidUTF8(s[:maxRaw], "") + "\n… (cut)"
}

const blanks = "                                                                                                                                "

func prettyNode(b *strings.Builder, n *node, depth int) {
	if b.Len() > maxRaw {
		return
	}
	b.WriteString(blanks[:min(2*depth, len(blanks))])
	tag(b, n)
	text, plain := n.content()
	switch {
	case len(n.kids) == 0:
		b.WriteString("/>\n")
		return
	case plain && folded[n.local]:
		b.WriteByte('>')
		fmt.Fprintf(b, "… (%d characters)", len(text))
	case plain:
		b.WriteByte('>')
		escapeText(b, text)
	default:
		b.WriteString(">\n")
		for _, k := range n.kids {
			switch {
			case k.kind == elementNode:
				prettyNode(b, k, depth+1)
			case strings.TrimSpace(k.text) == "":
			case k.kind == commentNode:
				b.WriteString(blanks[:min(2*depth+2, len(blanks))])
				b.WriteString("<!--" + k.text + "-->\n")
			default:
				b.WriteString(blanks[:min(2*depth+2, len(blanks))])
				escapeText(b, k.text)
				b.WriteByte('\n')
			}
		}
		b.WriteString(blanks[:min(2*depth, len(blanks))])
	}
	b.WriteString("</")
	qualified(b, n.prefix, n.local)
	b.WriteString(">\n")
}

func tag(b *strings.Builder, n *node) {
	b.WriteByte('<')
	qualified(b, n.prefix, n.local)
	for _, d := range n.decls {
		b.WriteString(" xmlns")
		if d.prefix != "" {
			b.WriteByte(':')
			b.WriteString(d.prefix)
		}
		b.WriteString(`="`)
		escapeText(b, d.uri)
		b.WriteByte('"')
	}
	for _, a := range n.attrs {
		b.WriteByte(' ')
		qualified(b, a.prefix, a.local)
		b.WriteString(`="`)
		escapeText(b, a.value)
		b.WriteByte('"')
	}
}

func qualified(b *strings.Builder, prefix, local string) {
	if prefix != "" {
		b.WriteString(prefix)
		b.WriteByte(':')
	}
	b.WriteString(local)
}

var textEscaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "\r", "&#xD;")

func escapeText(b *strings.Builder, s string) {
	if !strings.ContainsAny(s, "&<>\"\r") {
		b.WriteString(s)
		return
	}
	b.WriteString(textEscaper.Replace(s))
}

// markup writes what an element holds, as XML on one line.
func markup(n *node) string {
	var b strings.Builder
	for _, k := range n.kids {
		switch k.kind {
		case elementNode:
			prettyNode(&b, k, 0)
		case textNode:
			escapeText(&b, k.text)
		}
	}
	return clip(strings.ReplaceAll(b.String(), "\n", ""), 4096)
}
