package saml

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"net/url"
	"slices"

	"github.com/drawbridge-id/drawbridge/account"
)

// Refresh merges freshly read metadata into the settings of a connection. changes are sentences for the
// administrator; none means that nothing changed.
//
// A rollover goes by itself: while at least one known key is still published, new certificates are
// added and the old ones kept; they go with a later refresh that brings nothing new, so that what was
// signed just before still counts. At most five are kept, newest first. Another entity id, an address
// on another host, or keys of which none was known wait for an administrator (needsApproval): that is
// what a poisoned document would bring (SAML-M2). updated is what approval would make of it.
func Refresh(old account.SAMLSettings, p Provider) (updated account.SAMLSettings, changes []string, needsApproval bool) {
	updated = old
	say := func(format string, args ...any) { changes = append(changes, fmt.Sprintf(format, args...)) }
	if p.EntityID != old.EntityID {
		needsApproval = needsApproval || old.EntityID != ""
		say("The entity id changes from %q to %q.", old.EntityID, p.EntityID)
		updated.EntityID = p.EntityID
	}
	hosts := hostsOf(old.SSORedirect, old.SSOPost, old.SLORedirect, old.SLOPost)
	for _, e := range []struct {
		what string
		to   *string
		from string
	}{
		{"Redirect address for sign-in", &updated.SSORedirect, p.SSORedirect},
		{"POST address for sign-in", &updated.SSOPost, p.SSOPost},
		{"Redirect address for logout", &updated.SLORedirect, p.SLORedirect},
		{"POST address for logout", &updated.SLOPost, p.SLOPost},
	} {
		if *e.to == e.from {
			continue
		}
		say("The %s changes from %q to %q.", e.what, *e.to, e.from)
		*e.to = e.from
		if e.from != "" && len(hosts) > 0 && !slices.Contains(hosts, hostsOf(e.from)[0]) {
			needsApproval = true
		}
	}
	certificates, said, replaced := rollover(old.Certificates, p.Certificates)
	updated.Certificates = certificates
	return updated, append(changes, said...), needsApproval || replaced
}

func hostsOf(urls ...string) []string {
	var hosts []string
	for _, s := range urls {
		if u, err := url.Parse(s); err == nil && s != "" {
			hosts = append(hosts, u.Host)
		}
	}
	return hosts
}

// rollover decides which certificates are kept. replaced: none of the known keys is published any more.
func rollover(old, published []string) (kept, changes []string, replaced bool) {
	known, _ := account.SAMLSettings{Certificates: old}.Keys()
	now, _ := account.SAMLSettings{Certificates: published}.Keys()
	added, overlap := 0, false
	for _, c := range now {
		if has(known, c) {
			overlap = true
		} else {
			added++
			changes = append(changes, "New signing certificate "+describe(c)+".")
		}
		kept = append(kept, account.PEM(c))
	}
	for _, c := range known {
		switch {
		case has(now, c):
		case added == 0:
			changes = append(changes, "The provider no longer publishes the certificate "+describe(c)+"; it is dropped.")
		case len(kept) < maxKeys:
			kept = append(kept, account.PEM(c))
		default:
			changes = append(changes, "The certificate "+describe(c)+" makes room for newer ones.")
		}
	}
	return kept, changes, len(known) > 0 && !overlap
}

// has compares keys, not certificates: a renewed certificate of the same key is no new key (INTEROP M7).
func has(list []*x509.Certificate, c *x509.Certificate) bool {
	return slices.ContainsFunc(list, func(o *x509.Certificate) bool {
		return bytes.Equal(o.RawSubjectPublicKeyInfo, c.RawSubjectPublicKeyInfo)
	})
}

func describe(c *x509.Certificate) string {
	return fmt.Sprintf("%s (%s, until %s)", fingerprint(c), clip(c.Subject.String(), 80), c.NotAfter.UTC().Format("2006-01-02"))
}
