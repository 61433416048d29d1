package account

import "testing"

// THREAT SAML-N1 G-3: what is no text is no address, before a database says so.
func TestAnAddressIsText(t *testing.T) {
	for _, bad := range []string{"ana\xff@acme.example", "ana@acme\xff.example", "ana@\xc3.example", "a\x00na@acme.example", "ana@acme.example\n", "@acme.example", "ana@", "a@b@acme.example"} {
		if got, err := NormalEmail(bad); err == nil {
			t.Errorf("%q passes as %q", bad, got)
		}
	}
	if got, err := NormalEmail("Änne@ACME.example"); err != nil || got != "Änne@acme.example" {
		t.Errorf("%q %v", got, err)
	}
}
