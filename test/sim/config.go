package sim

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"regexp"
	"strings"
)

// A Dialect names whose habits a tenant has.
type Dialect string

// The dialects. Generic follows the specifications to the letter with short attribute names;
// Shibboleth stands for the university federations (OpenAthens too).
const (
	Okta       Dialect = "okta"
	Entra      Dialect = "entra"
	Google     Dialect = "google"
	ADFS       Dialect = "adfs"
	Ping       Dialect = "ping"
	Keycloak   Dialect = "keycloak"
	OneLogin   Dialect = "onelogin"
	JumpCloud  Dialect = "jumpcloud"
	Shibboleth Dialect = "shibboleth"
	Generic    Dialect = "generic"
)

// Dialects lists every dialect, in the order of the documentation.
func Dialects() []Dialect {
	return []Dialect{Okta, Entra, Google, ADFS, Ping, Keycloak, OneLogin, JumpCloud, Shibboleth, Generic}
}

// TenantConfig is what a tenant starts with, as written in the file of drawbridge-sim or sent to the
// control API. Empty fields get values derived from Name, the same in every run.
type TenantConfig struct {
	Name    string  `json:"name" yaml:"name"`       // path segment: a-z, 0-9, dashes
	Dialect Dialect `json:"dialect" yaml:"dialect"` // empty: generic
	Title   string  `json:"title,omitempty" yaml:"title,omitempty"`
	Domain  string  `json:"domain,omitempty" yaml:"domain,omitempty"` // empty: {name}.example; Google's hd, Entra's tenant domain

	TenantID string `json:"tenant_id,omitempty" yaml:"tenant_id,omitempty"` // Entra's tid, Ping's environment
	EntityID string `json:"entity_id,omitempty" yaml:"entity_id,omitempty"` // SAML issuer; empty: as the dialect spells it

	Users  []User  `json:"users,omitempty" yaml:"users,omitempty"`
	Groups []Group `json:"groups,omitempty" yaml:"groups,omitempty"` // only those whose id matters; others are made by name

	SAML []SAMLApp `json:"saml,omitempty" yaml:"saml,omitempty"`
	OIDC []OIDCApp `json:"oidc,omitempty" yaml:"oidc,omitempty"`

	// SigningAlg is the JOSE algorithm of tokens: RS256 (default), RS384, RS512, PS256, PS384, PS512, ES256,
	// ES384, ES512 or EdDSA. SAMLKey is "rsa" (default) or "ecdsa".
	SigningAlg string `json:"signing_alg,omitempty" yaml:"signing_alg,omitempty"`
	SAMLKey    string `json:"saml_key,omitempty" yaml:"saml_key,omitempty"`

	// EntraV1 makes an Entra tenant issue version 1 tokens (issuer of the sts.windows.net kind).
	EntraV1 bool `json:"entra_v1,omitempty" yaml:"entra_v1,omitempty"`
	// OktaCustomServer makes an Okta tenant use its custom authorization server (/oauth2/default).
	OktaCustomServer bool `json:"okta_custom_server,omitempty" yaml:"okta_custom_server,omitempty"`
	// APIToken opens Okta's user API ("Authorization: SSWS token"); empty closes it.
	APIToken string `json:"api_token,omitempty" yaml:"api_token,omitempty"`

	// Auto signs this user (e-mail) in without a page; "hint" takes login_hint or the request's Subject.
	Auto string `json:"auto,omitempty" yaml:"auto,omitempty"`
	// Remember makes the provider sign a known browser in silently, as real ones do; off by default so
	// that a person trying things out can choose somebody else.
	Remember bool `json:"remember,omitempty" yaml:"remember,omitempty"`

	Faults map[Fault]string `json:"faults,omitempty" yaml:"faults,omitempty"` // fault → its value, "" when it takes none
}

// A User is a person in a tenant's directory.
type User struct {
	Email       string `json:"email" yaml:"email"`
	ID          string `json:"id,omitempty" yaml:"id,omitempty"`       // object id; empty: derived from tenant and Email
	UPN         string `json:"upn,omitempty" yaml:"upn,omitempty"`     // empty: Email, or Entra's #EXT# form for guests
	Login       string `json:"login,omitempty" yaml:"login,omitempty"` // account name (DOMAIN\login, preferred_username); empty: local part of Email
	GivenName   string `json:"given_name,omitempty" yaml:"given_name,omitempty"`
	FamilyName  string `json:"family_name,omitempty" yaml:"family_name,omitempty"`
	DisplayName string `json:"display_name,omitempty" yaml:"display_name,omitempty"`

	Groups   []string `json:"groups" yaml:"groups,omitempty"`                               // by name (or by id of a configured group)
	Roles    []string `json:"roles,omitempty" yaml:"roles,omitempty"`                       // app roles (Entra), realm roles (Keycloak)
	MFA      bool     `json:"mfa,omitempty" yaml:"mfa,omitempty"`                           // signed in with a second factor
	Guest    bool     `json:"guest,omitempty" yaml:"guest,omitempty"`                       // Entra guest; Google: a personal account without hd
	Unproved bool     `json:"email_unverified,omitempty" yaml:"email_unverified,omitempty"` // email_verified is false
	NoEmail  bool     `json:"no_email,omitempty" yaml:"no_email,omitempty"`                 // the directory holds no mail attribute

	Attributes map[string][]string `json:"attributes,omitempty" yaml:"attributes,omitempty"` // further SAML attributes and OIDC claims
}

// A Group gives a group name a fixed id. AD FS, Okta, Google and the rest send the name; Entra the id.
type Group struct {
	ID   string `json:"id,omitempty" yaml:"id,omitempty"`
	Name string `json:"name" yaml:"name"`
}

// A SAMLApp is a service provider as its administrator registered it.
type SAMLApp struct {
	EntityID string   `json:"entity_id" yaml:"entity_id"`
	ACS      []string `json:"acs" yaml:"acs"` // the first is the default
	SLO      string   `json:"slo,omitempty" yaml:"slo,omitempty"`
	// SLOBinding is how this provider answers and starts logout: "redirect" (default) or "post".
	SLOBinding string `json:"slo_binding,omitempty" yaml:"slo_binding,omitempty"`

	// Certificates (PEM or bare base64) that the service provider signs requests with.
	Certificates []string `json:"certificates,omitempty" yaml:"certificates,omitempty"`
	// RequireSigned refuses requests that no certificate above verifies.
	RequireSigned bool        `json:"require_signed,omitempty" yaml:"require_signed,omitempty"`
	Encryption    *Encryption `json:"encryption,omitempty" yaml:"encryption,omitempty"`

	// Sign overrides what the dialect signs: "response", "assertion", "both" or "none".
	Sign string `json:"sign,omitempty" yaml:"sign,omitempty"`
	// NameID overrides the dialect: "email", "upn", "persistent", "transient", "login", "none".
	NameID string `json:"name_id,omitempty" yaml:"name_id,omitempty"`
	// GroupsAttribute overrides the attribute name of groups; "-" leaves groups out.
	GroupsAttribute string `json:"groups_attribute,omitempty" yaml:"groups_attribute,omitempty"`
	// Join joins several group values into one with this separator (OneLogin's ";").
	Join string `json:"join,omitempty" yaml:"join,omitempty"`
	// RelayState is what an IdP-initiated start sends along.
	RelayState string `json:"relay_state,omitempty" yaml:"relay_state,omitempty"`
}

// Encryption says how assertions are encrypted for an application.
type Encryption struct {
	Certificate string `json:"certificate" yaml:"certificate"` // PEM or bare base64
	// Content is aes128-gcm, aes192-gcm, aes256-gcm (default), aes128-cbc, aes192-cbc, aes256-cbc or, to be
	// refused, tripledes-cbc.
	Content string `json:"content,omitempty" yaml:"content,omitempty"`
	// KeyTransport is oaep-mgf1p (default), oaep-xmlenc11 or, to be refused, rsa-1_5. Digest is sha1 (default), sha256 or sha512; MGF, for
	// xmlenc11 only, likewise (default: sha1).
	KeyTransport string `json:"key_transport,omitempty" yaml:"key_transport,omitempty"`
	Digest       string `json:"digest,omitempty" yaml:"digest,omitempty"`
	MGF          string `json:"mgf,omitempty" yaml:"mgf,omitempty"`
	// KeyBeside puts EncryptedKey next to EncryptedData, with a RetrievalMethod pointing at it.
	KeyBeside bool `json:"key_beside,omitempty" yaml:"key_beside,omitempty"`
}

// An OIDCApp is a client as its administrator registered it.
type OIDCApp struct {
	ClientID       string   `json:"client_id" yaml:"client_id"`
	ClientSecret   string   `json:"client_secret,omitempty" yaml:"client_secret,omitempty"`
	RedirectURIs   []string `json:"redirect_uris" yaml:"redirect_uris"`
	PostLogoutURIs []string `json:"post_logout_uris,omitempty" yaml:"post_logout_uris,omitempty"`
	// BackchannelLogoutURI gets a logout token when a session ends.
	BackchannelLogoutURI string `json:"backchannel_logout_uri,omitempty" yaml:"backchannel_logout_uri,omitempty"`
	// PublicKey (PEM certificate or public key) verifies private_key_jwt assertions.
	PublicKey string `json:"public_key,omitempty" yaml:"public_key,omitempty"`
	// AuthMethods restricts what the token endpoint takes from this client; empty: client_secret_basic,
	// client_secret_post and, with a PublicKey, private_key_jwt.
	AuthMethods []string `json:"auth_methods,omitempty" yaml:"auth_methods,omitempty"`
	// AllowNoPKCE accepts authorization requests without a code_challenge.
	AllowNoPKCE bool `json:"allow_no_pkce,omitempty" yaml:"allow_no_pkce,omitempty"`
	// Alg overrides the tenant's SigningAlg for this client.
	Alg string `json:"alg,omitempty" yaml:"alg,omitempty"`

	// GroupsClaim overrides the claim's name; "-" leaves groups out. A name that begins with a slash is a JSON
	// pointer ("/realm_access/roles").
	GroupsClaim string `json:"groups_claim,omitempty" yaml:"groups_claim,omitempty"`
	// GroupsShape overrides how groups are written; see GroupShapes.
	GroupsShape string `json:"groups_shape,omitempty" yaml:"groups_shape,omitempty"`
	// ThickIDToken puts userinfo's claims into the ID token too, where the dialect would not.
	ThickIDToken bool `json:"thick_id_token,omitempty" yaml:"thick_id_token,omitempty"`
	// Consented lists Graph permissions an administrator granted; empty means all that are needed.
	Consented []string `json:"consented,omitempty" yaml:"consented,omitempty"`
}

var (
	nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)
	spaces   = regexp.MustCompile(`\s+`)
)

func (c *TenantConfig) fill() error {
	if !nameForm.MatchString(c.Name) {
		return fmt.Errorf("sim: tenant name %q is not a lowercase path segment", c.Name)
	}
	if c.Dialect == "" {
		c.Dialect = Generic
	}
	if _, ok := samlDialects[c.Dialect]; !ok {
		return fmt.Errorf("sim: tenant %q: unknown dialect %q", c.Name, c.Dialect)
	}
	c.Domain = or(c.Domain, c.Name+".example")
	c.Title = or(c.Title, strings.ToUpper(c.Name[:1])+c.Name[1:])
	c.TenantID = or(c.TenantID, stableGUID("tenant", c.Name))
	c.SigningAlg = or(c.SigningAlg, "RS256")
	if _, ok := algKeys[c.SigningAlg]; !ok {
		return fmt.Errorf("sim: tenant %q: unknown signing_alg %q", c.Name, c.SigningAlg)
	}
	for f, v := range c.Faults {
		if err := f.With(v).check(); err != nil {
			return err
		}
	}
	for i := range c.SAML {
		if err := c.SAML[i].check(); err != nil {
			return fmt.Errorf("sim: tenant %q: %w", c.Name, err)
		}
	}
	for i := range c.OIDC {
		if err := c.OIDC[i].check(); err != nil {
			return fmt.Errorf("sim: tenant %q: %w", c.Name, err)
		}
	}
	return nil
}

func (a *SAMLApp) check() error {
	if a.EntityID == "" || len(a.ACS) == 0 {
		return fmt.Errorf("SAML application %q needs an entity_id and an acs", a.EntityID)
	}
	for _, c := range a.Certificates {
		if _, err := parseCertificate(c); err != nil {
			return fmt.Errorf("SAML application %q: %w", a.EntityID, err)
		}
	}
	if a.Encryption != nil {
		if err := a.Encryption.check(); err != nil {
			return fmt.Errorf("SAML application %q: %w", a.EntityID, err)
		}
	}
	return oneOf("sign", a.Sign, "", "response", "assertion", "both", "none")
}

func (a *OIDCApp) check() error {
	if a.ClientID == "" || len(a.RedirectURIs) == 0 {
		return fmt.Errorf("OIDC application %q needs a client_id and redirect_uris", a.ClientID)
	}
	if a.PublicKey != "" {
		if _, err := parsePublicKey(a.PublicKey); err != nil {
			return fmt.Errorf("OIDC application %q: %w", a.ClientID, err)
		}
	}
	if a.Alg != "" {
		if _, ok := algKeys[a.Alg]; !ok {
			return fmt.Errorf("OIDC application %q: unknown alg %q", a.ClientID, a.Alg)
		}
	}
	return oneOf("groups_shape", a.GroupsShape, append([]string{""}, GroupShapes()...)...)
}

func oneOf(field, value string, allowed ...string) error {
	for _, a := range allowed {
		if value == a {
			return nil
		}
	}
	return fmt.Errorf("%s %q is not one of %s", field, value, strings.Join(allowed, ", "))
}

func or(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// parseCertificate reads PEM, or base64 with any white space, as people paste it.
func parseCertificate(text string) (*x509.Certificate, error) {
	if block, _ := pem.Decode([]byte(strings.TrimSpace(text))); block != nil {
		return x509.ParseCertificate(block.Bytes)
	}
	der, err := base64.StdEncoding.DecodeString(spaces.ReplaceAllString(text, ""))
	if err != nil {
		return nil, fmt.Errorf("certificate is neither PEM nor base64: %w", err)
	}
	return x509.ParseCertificate(der)
}

func parsePublicKey(text string) (any, error) {
	if block, _ := pem.Decode([]byte(strings.TrimSpace(text))); block != nil && block.Type == "PUBLIC KEY" {
		return x509.ParsePKIXPublicKey(block.Bytes)
	}
	cert, err := parseCertificate(text)
	if err != nil {
		return nil, err
	}
	return cert.PublicKey, nil
}
