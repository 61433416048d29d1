package saml

import (
	"slices"
	"strings"
)

// audience judges who speaks, and to whom.
func (j *judge) audience(response, assertion *node) {
	j.issuer(response, assertion)
	destination, present := response.attribute("Destination")
	switch {
	case present && destination != "" && destination != j.sp.ACS:
		j.fail("destination", "destination_mismatch", j.sp.ACS, clip(destination, 300))
	case destination == "" && j.sealed:
		j.fail("destination", "destination_missing", j.sp.ACS, "none in a signed response") // SB §3.5.5.2
	default:
		j.pass("destination", j.sp.ACS, orNone(destination))
	}
	j.audiences(assertion)
	if f := j.answers(response); f != nil {
		j.fail("in_response_to", f.code, f.expected, f.received)
	} else {
		j.pass("in_response_to", orNone(j.expect.RequestID), orNone(response.attr("InResponseTo")))
	}
}

// issuer compares byte for byte (SC §2.2.5, SAML-I1): the assertion's is required, the response's optional.
func (j *judge) issuer(response, assertion *node) {
	want := j.settings.EntityID
	got, _ := assertion.child(nsSAML, "Issuer").content()
	if got != want {
		j.fail("issuer", "issuer_mismatch", want, orNone(got))
		return
	}
	if i := response.child(nsSAML, "Issuer"); i != nil {
		if outer, _ := i.content(); outer != want {
			j.fail("issuer", "issuer_mismatch", want, orNone(outer)+" on the response")
			return
		}
	}
	j.pass("issuer", want, got)
}

// audiences wants every restriction to name us, in any position (SC §2.5.1.4, SAML-C2, INTEROP M3).
func (j *judge) audiences(assertion *node) {
	conditions := assertion.child(nsSAML, "Conditions")
	var restrictions []*node
	if conditions != nil {
		restrictions = conditions.children(nsSAML, "AudienceRestriction")
	}
	if len(restrictions) == 0 {
		if j.settings.AllowNoAudience {
			j.warn("audience", "audience_missing", j.sp.EntityID, "none, which this connection allows")
		} else {
			j.fail("audience", "audience_missing", j.sp.EntityID, "none")
		}
		return
	}
	for _, r := range restrictions {
		var named []string
		for _, a := range r.children(nsSAML, "Audience") {
			text, _ := a.content()
			named = append(named, strings.Trim(text, " \t\r\n")) // xs:anyURI collapses white space
		}
		if !slices.Contains(named, j.sp.EntityID) {
			j.fail("audience", "audience_mismatch", j.sp.EntityID, clip(strings.Join(named, " or "), 300))
			return
		}
	}
	j.pass("audience", j.sp.EntityID, j.sp.EntityID)
}
