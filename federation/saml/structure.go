package saml

import (
	"fmt"
	"strings"
)

// A slot is a place in an element's content: which elements may stand there, and how many.
type slot struct {
	space    string
	names    string // separated by spaces; "*" is any element of space, or of any namespace when space is empty
	min, max int
}

const many = 1 << 30

// follow checks that the child elements of n fill the slots in order, and that nothing but white space
// stands between them. Content models are those of the SAML 2.0 schemas (SAML-W2).
func (n *node) follow(slots ...slot) *fault {
	i, count := 0, 0
	for _, k := range n.kids {
		switch k.kind {
		case textNode:
			if strings.Trim(k.text, " \t\r\n") != "" {
				return malformed("only elements in "+n.local, "text %q", clip(k.text, 40))
			}
			continue
		case commentNode:
			continue
		}
		for i < len(slots) && (!slots[i].takes(k) || count == slots[i].max) {
			if count < slots[i].min {
				return malformed(fmt.Sprintf("%s in %s", slots[i].names, n.local), "%s in its place", clip(k.local, 40))
			}
			i, count = i+1, 0
		}
		if i == len(slots) {
			return malformed("the elements of "+n.local+" as the SAML schema has them", "%s out of place", clip(k.local, 40))
		}
		count++
	}
	for ; i < len(slots); i, count = i+1, 0 {
		if count < slots[i].min {
			return malformed(fmt.Sprintf("%s in %s", slots[i].names, n.local), "none")
		}
	}
	return nil
}

func (s slot) takes(n *node) bool {
	if s.space != "" && n.space != s.space {
		return false
	}
	if s.names == "*" {
		return true
	}
	for rest := s.names; rest != ""; {
		var name string
		if name, rest, _ = strings.Cut(rest, " "); name == n.local {
			return true
		}
	}
	return false
}

// first gives the first fault.
func first(faults ...*fault) *fault {
	for _, f := range faults {
		if f != nil {
			return f
		}
	}
	return nil
}

// message checks what all SAML messages have in common: root, version, an ID (SC §3.2.1, SC §4.1, SAML-X7).
func message(n *node, names ...string) *fault {
	for _, name := range names {
		if !n.is(nsSAMLP, name) {
			continue
		}
		return versioned(n)
	}
	return malformed("samlp:"+strings.Join(names, " or samlp:"), "%s in namespace %q", clip(n.local, 40), clip(n.space, 80))
}

func versioned(n *node) *fault {
	if v := n.attr("Version"); v != "2.0" {
		return malformed("Version 2.0 on "+n.local, "%q", clip(v, 20))
	}
	if n.attr("ID") == "" {
		return malformed("an ID on "+n.local, "none")
	}
	return nil
}

// checkResponse checks the skeleton of a response (SC §3.3.3): exactly one assertion, as a child of the root,
// signatures only where they mean something, elements in schema order. A failed status comes without
// an assertion; the caller has looked at the status before.
func checkResponse(d *document) (assertion *node, f *fault) {
	root := d.root
	if f := message(root, "Response"); f != nil {
		return nil, f
	}
	if len(d.assertions) == 1 && d.assertions[0].parent == root {
		assertion = d.assertions[0]
	}
	if assertion == nil || assertion.local == "Response" {
		return nil, &fault{"assertion_count", "exactly one assertion, directly in the response",
			fmt.Sprintf("%d assertions or responses in it", len(d.assertions))}
	}
	for i, s := range d.signatures {
		if s.parent != root && s.parent != assertion || i > 1 {
			return nil, &fault{"signature_malformed", "signatures only directly in Response and Assertion", "one elsewhere"}
		}
	}
	f = root.follow(slot{nsSAML, "Issuer", 0, 1}, slot{nsDS, "Signature", 0, 1}, slot{nsSAMLP, "Extensions", 0, 1},
		slot{nsSAMLP, "Status", 1, 1}, slot{nsSAML, "Assertion EncryptedAssertion", 1, 1})
	if f == nil && assertion.local == "Assertion" {
		f = checkAssertion(assertion)
	}
	return assertion, f
}

// checkDecrypted checks the one assertion that an EncryptedAssertion held.
func checkDecrypted(d *document) *fault {
	if !d.root.is(nsSAML, "Assertion") || len(d.assertions) > 0 {
		return malformed("one Assertion in EncryptedAssertion", "something else")
	}
	for i, s := range d.signatures {
		if s.parent != d.root || i > 0 {
			return malformed("one Signature, directly in the Assertion", "another one")
		}
	}
	return checkAssertion(d.root)
}

// checkAssertion checks an assertion's skeleton (SC §2.3.3). Values are looked at once a signature
// covers them.
func checkAssertion(n *node) *fault {
	f := first(versioned(n), n.follow(slot{nsSAML, "Issuer", 1, 1}, slot{nsDS, "Signature", 0, 1}, slot{nsSAML, "Subject", 0, 1},
		slot{nsSAML, "Conditions", 0, 1}, slot{nsSAML, "Advice", 0, 1},
		slot{nsSAML, "Statement AuthnStatement AuthzDecisionStatement AttributeStatement", 0, many}))
	if f != nil {
		return f
	}
	for _, k := range n.kids {
		if k.kind != elementNode || k.space != nsSAML {
			continue
		}
		switch k.local {
		case "Subject":
			f = checkSubject(k)
		case "Conditions":
			f = checkConditions(k)
		case "AuthnStatement":
			f = k.follow(slot{nsSAML, "SubjectLocality", 0, 1}, slot{nsSAML, "AuthnContext", 1, 1})
		case "AttributeStatement":
			f = checkAttributes(k)
		}
		if f != nil {
			return f
		}
	}
	return nil
}

// checkSubject checks a Subject with its confirmations (SC §2.4.1).
func checkSubject(n *node) *fault {
	identifier := slot{nsSAML, "BaseID NameID EncryptedID", 0, 1}
	if f := n.follow(identifier, slot{nsSAML, "SubjectConfirmation", 0, many}); f != nil {
		return f
	}
	for _, k := range n.children(nsSAML, "SubjectConfirmation") {
		if f := k.follow(identifier, slot{nsSAML, "SubjectConfirmationData", 0, 1}); f != nil {
			return f
		}
	}
	return nil
}

// checkConditions also refuses a condition that we do not understand (SC §2.5.1, SAML-C1).
func checkConditions(n *node) *fault {
	if n.child(nsSAML, "Condition") != nil {
		return &fault{"condition_unknown", "AudienceRestriction, OneTimeUse or ProxyRestriction", "a Condition of another type"}
	}
	if f := n.follow(slot{nsSAML, "AudienceRestriction OneTimeUse ProxyRestriction", 0, many}); f != nil {
		return f
	}
	for _, k := range n.children(nsSAML, "AudienceRestriction") {
		if f := k.follow(slot{nsSAML, "Audience", 1, many}); f != nil {
			return f
		}
	}
	return nil
}

// checkAttributes checks an AttributeStatement (SC §2.7.3). An EncryptedAttribute may stand there and is
// not opened.
func checkAttributes(n *node) *fault {
	if f := n.follow(slot{nsSAML, "Attribute EncryptedAttribute", 0, many}); f != nil {
		return f
	}
	for _, k := range n.children(nsSAML, "Attribute") {
		if f := k.follow(slot{nsSAML, "AttributeValue", 0, many}); f != nil {
			return f
		}
	}
	return nil
}
