package saml

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"io"
	"net/url"
	"time"

	"github.com/beevik/etree"
	crewjam "github.com/crewjam/saml"

	"github.com/drawbridge-id/drawbridge/account"
)

// An AuthnRequest asks a provider to sign somebody in.
type AuthnRequest struct {
	ID         string // from NewRequestID; the pending flow is found by it
	Now        time.Time
	RelayState string // opaque handle, at most 80 bytes; empty: none
	// LoginHint is the address that was typed. It goes as the login_hint parameter, which providers
	// know or ignore; a Subject in the request would make some of them refuse another spelling.
	LoginHint  string
	ForceAuthn bool // beside what the connection asks for always
}

// Start builds the request (SC §3.4.1, SP §4.1.4.1) for the provider's Redirect endpoint, or for its POST endpoint
// when it has no other. It is signed when the connection says so. No format and no authentication
// context are asked for by default: AD FS and Entra refuse people over either (INTEROP §1).
func Start(sp SP, s account.SAMLSettings, r AuthnRequest) (Outgoing, error) {
	yes := true
	request := crewjam.AuthnRequest{
		ID:                          r.ID,
		Version:                     "2.0",
		IssueInstant:                r.Now.UTC(),
		Issuer:                      &crewjam.Issuer{Value: sp.EntityID},
		AssertionConsumerServiceURL: sp.ACS,
		ProtocolBinding:             bindingPOST,
	}
	if request.Destination = s.SSORedirect; request.Destination == "" {
		request.Destination = s.SSOPost
	}
	if r.ForceAuthn || s.ForceAuthn {
		request.ForceAuthn = &yes
	}
	if s.NameIDFormat != "" { // SC §3.4.1.1
		request.NameIDPolicy = &crewjam.NameIDPolicy{Format: &s.NameIDFormat, AllowCreate: &yes}
	}
	element := request.Element()
	if len(s.AuthnContext) > 0 {
		// The library's type holds one class, the schema any number (SC §3.3.2.2.1).
		context := element.CreateElement("samlp:RequestedAuthnContext")
		context.CreateAttr("Comparison", "exact")
		for _, class := range s.AuthnContext {
			context.CreateElement("saml:AuthnContextClassRef").SetText(class)
		}
	}
	message, err := serialize(element)
	if err != nil {
		return Outgoing{}, err
	}
	var extra url.Values
	if r.LoginHint != "" {
		extra = url.Values{"login_hint": {r.LoginHint}}
	}
	return sp.send(s.SSORedirect, s.SSOPost, "SAMLRequest", message, r.RelayState, s.SignRequests, extra)
}

func serialize(e *etree.Element) ([]byte, error) {
	return etree.NewDocumentWithRoot(e).WriteToBytes()
}

// errNoPeek is why Peek found nothing; the message is judged later anyway.
var errNoPeek = errors.New("saml: not a SAML response")

// peekBytes is how far Peek reads: a start tag with its namespaces.
const peekBytes = 16 << 10

// Peek reads InResponseTo from the start of a response (the form value, base64) and believes nothing
// else. The door finds the pending flow by it when a provider dropped RelayState; Judge then checks
// the message against that flow. "" is an unsolicited response.
func Peek(raw string) (inResponseTo string, err error) {
	text := squeeze(raw[:min(len(raw), peekBytes)])
	if len(text) < len(raw) {
		text = text[:len(text)/4*4]
	}
	head, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, bytes.NewReader([]byte(text))))
	if err != nil && len(head) == 0 {
		return "", errNoPeek
	}
	d := xml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(head, []byte("\uFEFF"))))
	for {
		t, err := d.RawToken()
		if err != nil {
			return "", errNoPeek
		}
		start, ok := t.(xml.StartElement)
		if !ok {
			continue
		}
		if start.Name.Local != "Response" {
			return "", errNoPeek
		}
		for _, a := range start.Attr {
			if a.Name.Space == "" && a.Name.Local == "InResponseTo" {
				return a.Value, nil
			}
		}
		return "", nil
	}
}

// MayBeEncrypted reports whether a response (the form value, base64) may hold anything that was encrypted for us, so that judging
// it needs our keys. The names of all elements that are begin with the same word, and XML has one spelling for a name.
func MayBeEncrypted(raw string) bool {
	b, err := base64.StdEncoding.DecodeString(squeeze(raw))
	return err == nil && bytes.Contains(b, []byte("Encrypted"))
}
