package saml

import (
	"slices"
	"strings"
	"time"
)

// signed verifies every signature in the message (SC §5.2, SP §4.1.4.5, SAML-S7) and gives the response and the assertion to
// read: parsed again from the bytes that a digest covered. An unsigned response around a signed
// assertion is given as it came; nothing about the person is read from it.
func (j *judge) signed(d *document, assertion *node) (response, verified *node, f *fault) {
	t := trustOf(j.settings)
	if len(t.keys) == 0 {
		j.fail("certificate", "no_certificate", "a signing certificate of the provider in this connection", "none that can be read")
		return nil, nil, stopped
	}
	response = d.root
	var seals []*seal
	if s := d.root.child(nsDS, "Signature"); s != nil {
		seal, f := t.verify(d.root, s)
		if f != nil {
			return nil, nil, f
		}
		seals, j.sealed = append(seals, seal), true
		if response, f = again(seal); f != nil {
			return nil, nil, f
		}
	}
	if assertion.local == "EncryptedAssertion" {
		seal, inner, f := j.decrypted(t, d, response.child(nsSAML, "EncryptedAssertion"))
		if f != nil {
			return nil, nil, f
		}
		verified = inner
		if seal != nil {
			seals = append(seals, seal)
		}
	} else {
		if j.settings.RequireEncrypted {
			return nil, nil, &fault{"encryption_required", "an encrypted assertion", "a readable one"}
		}
		if s := assertion.child(nsDS, "Signature"); s != nil {
			seal, f := t.verify(assertion, s)
			if f != nil {
				return nil, nil, f
			}
			seals = append(seals, seal)
			if verified, f = again(seal); f != nil {
				return nil, nil, f
			}
		} else {
			verified = response.child(nsSAML, "Assertion")
		}
	}
	if len(seals) == 0 {
		return nil, nil, &fault{"unsigned", "a signature on the assertion or on the response", "none"}
	}
	j.seals(seals)
	return response, verified, nil
}

// again parses the bytes under a digest; what is read comes from here.
func again(s *seal) (*node, *fault) {
	d, f := parse(s.canonical, responseLimits, nil, nil)
	if f != nil {
		return nil, f
	}
	return d.root, nil
}

// closed is the one answer to every failure behind the encryption: decryption, parsing, structure,
// inner signature (SAML-E3).
func closed() *fault {
	return &fault{"decryption_failed", "an assertion that one of our keys opens and one of the connection's certificates signed", "one that does not"}
}

// decrypted opens the assertion, which was signed before it was encrypted (SC §6.2). Unless the response was signed the assertion has to be signed inside:
// encryption proves nothing about its sender (SAML-E2).
func (j *judge) decrypted(t trust, d *document, encrypted *node) (*seal, *node, *fault) {
	envelope, f := unwrapEnvelope(encrypted, j.settings.AllowCBC)
	if f != nil {
		return nil, nil, f
	}
	if len(j.sp.Keys) == 0 {
		return nil, nil, &fault{"encryption_algorithm", "an assertion that is not encrypted, as this connection has no key to open it", "an encrypted one"}
	}
	plain, err := envelope.open(j.sp.Keys)
	if err != nil {
		return nil, nil, closed()
	}
	inner, f := parse([]byte(strings.Trim(string(plain), " \t\r\n")), responseLimits, encrypted.inScope(), d.ids)
	if f != nil {
		return nil, nil, closed()
	}
	inner.root.parent = encrypted // inclusive canonical form takes in what stands around it
	if f := checkDecrypted(inner); f != nil {
		return nil, nil, closed()
	}
	assertion, s := inner.root, inner.root.child(nsDS, "Signature")
	if s == nil && !j.sealed {
		return nil, nil, closed()
	}
	var sealed *seal
	if s != nil {
		if sealed, f = t.verify(inner.root, s); f != nil {
			return nil, nil, closed()
		}
		if assertion, f = again(sealed); f != nil {
			return nil, nil, closed()
		}
	}
	j.pass("encryption", "an encrypted assertion that we can open", "opened")
	j.out.Raw = cut(j.out.Raw + "\nDecrypted:\n" + pretty(inner.root))
	return sealed, assertion, nil
}

// seals reports on signatures that verified.
func (j *judge) seals(seals []*seal) {
	what := "the assertion"
	switch {
	case len(seals) > 1:
		what = "the response and the assertion"
	case j.sealed:
		what = "the response"
	}
	j.pass("signature", "a signature on the assertion or on the response", "a signature on "+what)
	s := seals[len(seals)-1]
	j.pass("certificate", "a certificate of this connection", "SHA-256 "+fingerprint(s.signer))
	weak := slices.ContainsFunc(seals, func(s *seal) bool { return s.sha1 })
	if weak {
		j.warn("algorithm", "sha1_allowed", "SHA-256 or better", "SHA-1, which this connection allows")
	} else {
		j.pass("algorithm", "SHA-256 or better", s.method)
	}
	for _, s := range seals {
		if j.dates(s) {
			return
		}
	}
	j.pass("certificate_dates", "a certificate within its dates", "until "+seals[0].signer.NotAfter.UTC().Format(time.DateOnly))
}

// dates treats a certificate as the carrier of a key: outside its dates it warns, unless the connection
// is strict (INTEROP M5, SAML-K3). It reports whether there was something to say.
func (j *judge) dates(s *seal) bool {
	from, to := s.signer.NotBefore, s.signer.NotAfter
	now := j.expect.Now
	expected := "a certificate within its dates"
	outside := "valid from " + from.UTC().Format(time.RFC3339) + " to " + to.UTC().Format(time.RFC3339)
	early, late := now.Add(j.skew).Before(from), now.Add(-j.skew).After(to)
	switch {
	case (early || late) && j.settings.StrictDates:
		j.fail("certificate_dates", "certificate_outside_dates", expected, outside)
	case early || late:
		j.warn("certificate_dates", "certificate_outside_dates", expected, outside)
	case now.Add(30 * 24 * time.Hour).After(to):
		j.warn("certificate_dates", "certificate_expires_soon", "a certificate that lives for 30 days more", outside)
	default:
		return false
	}
	return true
}
