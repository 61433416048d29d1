package saml

import (
	"fmt"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
)

// identity reads who it is.
func (j *judge) identity(assertion *node) {
	list := readAttributes(assertion)
	id, f := j.nameID(assertion)
	if f != nil {
		j.fail("subject", f.code, f.expected, f.received)
		return
	}
	j.claims(list, id)
	j.login.NameID = id
	subject, how := list.subject(j.mapping, id)
	switch {
	case subject == "":
		j.fail("subject", "subject_missing", "a stable Name ID or subject attribute", how)
	case len(subject) > 2*maxNameID || strings.ContainsFunc(subject, control): // a key of the ledger holds no more
		j.fail("subject", "subject_invalid", "a subject of at most 2 kB without control characters", "another")
	case j.kind == account.KindEntra && how != "tenant id and object id" && len(j.mapping.Subject) == 0:
		j.warn("subject", "subject_unstable", "the tenantid and objectidentifier claims", how+" alone")
	default:
		j.pass("subject", "a stable subject", how+": "+clip(subject, 200))
	}
	j.login.Subject = subject
	email, bad := list.email(j.mapping, id)
	switch {
	case bad != "":
		j.fail("email", "email_invalid", "one plain e-mail address", bad)
	case email == "":
		j.warn("email", "email_missing", "an e-mail address", "none")
	default:
		j.pass("email", "an e-mail address", email)
	}
	j.login.Email, j.login.Name = email, list.displayName(j.mapping)
	more, _, _ := list.find([]string{entraMethods})
	j.login.Methods = append(j.login.Methods, more[:min(len(more), 16)]...)
	j.groups(list)
	j.unread(assertion)
}

// unread tells of attributes that are encrypted one by one. The groups may be among them, so that a set
// which seems to be absent is unknown for another reason (promise 6: missing data strips nobody).
func (j *judge) unread(assertion *node) {
	for _, s := range assertion.children(nsSAML, "AttributeStatement") {
		if closed := len(s.children(nsSAML, "EncryptedAttribute")); closed > 0 {
			j.warn("groups", "attributes_encrypted", "attributes that can be read", fmt.Sprintf("%d encrypted ones, which are left out", closed))
			if g := &j.login.Groups; g.Absent {
				g.Absent, g.Why = false, "The assertion has encrypted attributes, and the groups may be among them."
			}
		}
	}
}

func control(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 }

// nameID reads the identifier of the subject: at most one, opened if it is encrypted, never blank
// (SC §1.3.1, SC §2.2.3, SAML-N1, INTEROP M2). nil: the subject has none.
func (j *judge) nameID(assertion *node) (*account.NameID, *fault) {
	subject := assertion.child(nsSAML, "Subject")
	if subject == nil {
		return nil, &fault{"subject_missing", "a Subject", "none"}
	}
	if subject.child(nsSAML, "BaseID") != nil {
		return nil, &fault{"subject_invalid", "a NameID", "a BaseID"}
	}
	n := subject.child(nsSAML, "NameID")
	if e := subject.child(nsSAML, "EncryptedID"); e != nil {
		var f *fault
		if n, f = openID(e, j.sp, j.settings.AllowCBC); f != nil {
			return nil, f
		}
	}
	if n == nil {
		return nil, nil
	}
	return nameIDOf(n)
}

func nameIDOf(n *node) (*account.NameID, *fault) {
	text, ok := n.content()
	text = strings.Trim(text, " \t\r\n")
	if !ok || text == "" || len(text) > maxNameID || strings.ContainsFunc(text, control) {
		return nil, &fault{"subject_invalid", "a NameID of 1 to 1,024 bytes without control characters", "another"}
	}
	id := &account.NameID{Value: text, Format: n.attr("Format"), NameQualifier: n.attr("NameQualifier"), SPNameQualifier: n.attr("SPNameQualifier")}
	if len(id.Format) > maxNameID || len(id.NameQualifier) > maxNameID || len(id.SPNameQualifier) > maxNameID {
		return nil, &fault{"subject_invalid", "qualifiers of at most 1,024 bytes", "longer ones"}
	}
	return id, nil
}

// openID opens an EncryptedID (SC §2.2.4), whose place the signature has vouched for.
func openID(e *node, sp SP, cbc bool) (*node, *fault) {
	envelope, f := unwrapEnvelope(e, cbc)
	if f != nil {
		return nil, f
	}
	plain, err := envelope.open(sp.Keys)
	if err != nil {
		return nil, closed()
	}
	d, f := parse([]byte(strings.Trim(string(plain), " \t\r\n")), responseLimits, e.inScope(), nil)
	if f != nil || !d.root.is(nsSAML, "NameID") {
		return nil, closed()
	}
	return d.root, nil
}

func (j *judge) claims(list attributes, id *account.NameID) {
	j.out.Claims = make([]account.Claim, 0, len(list)+1)
	if id != nil {
		j.out.Claims = append(j.out.Claims, account.Claim{Name: "NameID", Values: []string{id.Value}, Source: "assertion"})
	}
	for _, a := range list {
		j.out.Claims = append(j.out.Claims, account.Claim{Name: a.name, Values: a.people(), Source: "assertion"})
	}
}

// groups never refuses anybody: what a set that is not complete may do is the ledger's decision.
func (j *judge) groups(list attributes) {
	g := list.groups(j.mapping, j.kind)
	j.login.Groups = g
	count := fmt.Sprintf("%d groups", len(g.Values))
	switch {
	case g.State == account.GroupsComplete:
		j.pass("groups", "the group attribute", count)
	case g.Absent:
		j.warn("groups", "groups_absent", "the group attribute", "none")
	case g.State == account.GroupsUnknown:
		j.warn("groups", "groups_overage", "the group attribute", "a link in its place")
	default:
		j.warn("groups", "groups_cut", "all groups", count+"; others are missing")
	}
}
