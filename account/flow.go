package account

import "time"

// A Flow is a sign-in that has been started and waits for the provider's answer. It is kept in the
// ledger, found by its handle (RelayState or state) or, for SAML, by its request id, and taken once.
type Flow struct {
	ID         FlowID
	Connection ConnectionID
	Which      Which  // Live, or Draft for a login test of the draft
	Handle     string // 128 random bits, base64url; only its digest is kept
	Browser    string // random value in the browser's flow cookie; only its digest is kept
	RequestID  string // SAML AuthnRequest ID; empty for OIDC
	Nonce      string // OIDC
	Verifier   Secret `json:"-"` // OIDC PKCE code verifier, sealed
	Issuer     string // OIDC: the issuer that was asked (mix-up defence)
	Next       string // local path or registered origin to go to afterwards
	LoginHint  string
	Forced     bool        // the provider is asked for the person's credentials anew, whatever session they have there
	Test       bool        // a login test: creates nothing
	TestBy     string      // who asked for the test, as Actor.String
	Diagnosis  DiagnosisID // for a test: where its result goes
	CreatedAt  time.Time
	ExpiresAt  time.Time // at most 15 minutes later
}
