package saml

import (
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/beevik/etree"

	"github.com/drawbridge-id/drawbridge/account"
)

// Metadata is our side of a connection as a document for the provider (SM §2.4.4, SP §4.1.6, SP §4.4.5): every key, the
// active one first, so that two are known while one is being replaced; encryption methods we open; a
// Name ID format only when the connection asks for one. s may be nil while the provider is unknown.
func Metadata(sp SP, s *account.SAMLSettings, now time.Time) ([]byte, error) {
	if s == nil {
		s = &account.SAMLSettings{}
	}
	root := etree.NewElement("md:EntityDescriptor")
	root.CreateAttr("xmlns:md", nsMD)
	root.CreateAttr("xmlns:ds", nsDS)
	root.CreateAttr("entityID", sp.EntityID)
	// Long, because it is saved as a file as often as it is fetched.
	root.CreateAttr("validUntil", now.AddDate(1, 0, 0).UTC().Format(time.RFC3339))
	root.CreateAttr("cacheDuration", "PT24H")
	role := root.CreateElement("md:SPSSODescriptor")
	role.CreateAttr("AuthnRequestsSigned", fmt.Sprint(s.SignRequests))
	role.CreateAttr("WantAssertionsSigned", "true")
	role.CreateAttr("protocolSupportEnumeration", nsSAMLP)
	keys := slices.Clone(sp.Keys)
	slices.SortStableFunc(keys, func(a, b account.SPKey) int { return rank(a) - rank(b) })
	for _, use := range []string{"signing", "encryption"} {
		for _, k := range keys {
			if err := keyDescriptor(role, use, k, s.AllowCBC); err != nil {
				return nil, err
			}
		}
	}
	if sp.SLO != "" {
		for _, b := range []string{bindingRedirect, bindingPOST} {
			endpoint(role, "md:SingleLogoutService", b, sp.SLO)
		}
	}
	if s.NameIDFormat != "" {
		role.CreateElement("md:NameIDFormat").SetText(s.NameIDFormat)
	}
	acs := endpoint(role, "md:AssertionConsumerService", bindingPOST, sp.ACS)
	acs.CreateAttr("index", "0") // SM §2.2.2
	acs.CreateAttr("isDefault", "true")
	doc := etree.NewDocumentWithRoot(root)
	doc.Indent(2)
	return doc.WriteToBytes()
}

func rank(k account.SPKey) int {
	if k.Active {
		return 0
	}
	return 1
}

func endpoint(role *etree.Element, name, binding, location string) *etree.Element {
	e := role.CreateElement(name)
	e.CreateAttr("Binding", binding)
	e.CreateAttr("Location", location)
	return e
}

func keyDescriptor(role *etree.Element, use string, k account.SPKey, cbc bool) error {
	c, err := account.ParseCertificate(k.Certificate)
	if err != nil {
		return err
	}
	if _, isRSA := c.PublicKey.(*rsa.PublicKey); use == "encryption" && !isRSA {
		return nil
	}
	d := role.CreateElement("md:KeyDescriptor")
	d.CreateAttr("use", use)
	d.CreateElement("ds:KeyInfo").CreateElement("ds:X509Data").CreateElement("ds:X509Certificate").
		SetText(base64.StdEncoding.EncodeToString(c.Raw))
	if use != "encryption" {
		return nil
	}
	names := []string{nsXENC1 + "aes256-gcm", nsXENC1 + "aes192-gcm", nsXENC1 + "aes128-gcm"}
	if cbc {
		names = append(names, nsXENC+"aes256-cbc", nsXENC+"aes192-cbc", nsXENC+"aes128-cbc")
	}
	for _, name := range append(names, nsXENC+"rsa-oaep-mgf1p", nsXENC1+"rsa-oaep") {
		d.CreateElement("md:EncryptionMethod").CreateAttr("Algorithm", name)
	}
	return nil
}

// A Provider is what a provider's metadata says about it.
type Provider struct {
	EntityID            string
	SSORedirect         string // https URLs; empty where there is none
	SSOPost             string
	SLORedirect         string
	SLOPost             string
	Certificates        []string  // PEM, signing, at most 5, in the document's order
	ValidUntil          time.Time // zero when unsaid
	WantsSignedRequests bool
	Hash                string // SHA-256 of the document, hex; equal hashes need no second look
	// Signed: it carries a signature that verifies; by the pinned certificate when there is one, else only
	// by the certificate it brings itself, which shows that it is whole and nothing more.
	Signed bool
}

// maxMetadata bounds a metadata document.
const maxMetadata = 8 << 20

func badMetadata(format string, args ...any) *account.Error {
	return account.Errorf(account.Invalid, format, args...).Coded("metadata").At("/metadata")
}

// ReadMetadata reads a provider from its metadata. Of an aggregate (SM §2.3.1) it takes the entity with
// entityID; "" means the only provider in it. With keyPin, the SHA-256 (hex) of a certificate, the
// document or the entity must be signed by that certificate, and only what it signed is read. Keys
// without a use count as signing; certificates that do not parse are skipped; a provider without a
// signing key or a sign-in address is refused, as is a document past its validUntil (SAML-M2). Errors
// are account.Invalid with code "metadata".
func ReadMetadata(xml []byte, entityID, keyPin string, now time.Time) (p Provider, err error) {
	defer func() {
		if r := recover(); r != nil {
			p, err = Provider{}, badMetadata("The metadata could not be read.").Because(fmt.Errorf("saml: reading metadata panicked: %v", r))
		}
	}()
	if len(xml) > maxMetadata {
		return p, badMetadata("Expected metadata of at most 8 MiB.")
	}
	d, f := parse(xml, metadataLimits, nil, nil)
	if f != nil {
		return p, badMetadata("Expected SAML metadata, received something else: expected %s, received %s.", f.expected, f.received)
	}
	entity, err := provider(d.root, entityID)
	if err != nil {
		return p, err
	}
	entity, signed, err := vouched(d.root, entity, keyPin)
	if err != nil {
		return p, err
	}
	if p.ValidUntil, err = validUntil(entity, now); err != nil {
		return p, err
	}
	if err := p.read(entity); err != nil {
		return p, err
	}
	hash := sha256.Sum256(xml)
	p.Hash, p.Signed = hex.EncodeToString(hash[:]), signed
	return p, nil
}

// provider finds the wanted entity below n.
func provider(n *node, entityID string) (*node, error) {
	if !n.is(nsMD, "EntityDescriptor") && !n.is(nsMD, "EntitiesDescriptor") {
		return nil, badMetadata("Expected SAML metadata (EntityDescriptor), received %s.", clip(n.local, 40))
	}
	var found []*node
	var look func(n *node)
	look = func(n *node) {
		for _, k := range n.kids {
			if k.is(nsMD, "EntitiesDescriptor") || k.is(nsMD, "EntityDescriptor") {
				look(k)
			}
		}
		if n.is(nsMD, "EntityDescriptor") && (entityID == "" || n.attr("entityID") == entityID) && roleOf(n) != nil {
			found = append(found, n)
		}
	}
	look(n)
	switch {
	case len(found) == 1 && found[0].attr("entityID") != "":
		return found[0], nil
	case len(found) > 1 && entityID == "":
		return nil, badMetadata("The metadata names %d identity providers.", len(found)).Fix("Say which one by its entity id.")
	case len(found) > 1:
		return nil, badMetadata("The metadata names the entity id %q more than once.", clip(entityID, 200))
	case entityID != "":
		return nil, badMetadata("The metadata has no SAML 2.0 identity provider with the entity id %q.", clip(entityID, 200))
	}
	return nil, badMetadata("The metadata has no SAML 2.0 identity provider (IDPSSODescriptor).").
		Fix("Take the metadata of the identity provider, not that of the service provider.")
}

// roleOf gives the identity provider role (SM §2.4.3) of an entity that speaks SAML 2.0 (SM §2.4.1).
func roleOf(entity *node) *node {
	for _, r := range entity.children(nsMD, "IDPSSODescriptor") {
		if slices.Contains(strings.Fields(r.attr("protocolSupportEnumeration")), nsSAMLP) {
			return r
		}
	}
	return nil
}

// vouched looks for the signature over the entity or the whole document (SM §3), and gives the entity as it
// stands under it.
func vouched(root, entity *node, keyPin string) (*node, bool, error) {
	pin := strings.ToLower(strings.NewReplacer(":", "", " ", "").Replace(keyPin))
	for _, n := range []*node{entity, root} {
		s := n.child(nsDS, "Signature")
		if s == nil {
			continue
		}
		c := claimedCertificate(s)
		if c == nil {
			continue
		}
		sum := sha256.Sum256(c.Raw)
		if pin != "" && hex.EncodeToString(sum[:]) != pin {
			continue
		}
		seal, f := trust{keys: []*x509.Certificate{c}}.verify(n, s)
		if f != nil {
			continue
		}
		d, f := parse(seal.canonical, metadataLimits, nil, nil)
		if f != nil {
			continue
		}
		if again, err := provider(d.root, entity.attr("entityID")); err == nil {
			again.outlive(entity)
			return again, true, nil
		}
	}
	if pin != "" {
		return nil, false, badMetadata("The metadata is not signed by the pinned certificate (SHA-256 %s).", clip(pin, 64)).
			Fix("Check the pin, and that the metadata was not changed on its way.")
	}
	return entity, false, nil
}

// outlive hangs the verified copy of an entity where the original stood, so that an aggregate's
// validUntil still bounds it when only the entity was signed.
func (n *node) outlive(original *node) {
	if n.parent == nil {
		n.parent = original.parent
	}
}

// validUntil is the earliest one on the entity, its role and what they stand in (SM §4.3).
func validUntil(entity *node, now time.Time) (time.Time, error) {
	var until time.Time
	places := []*node{roleOf(entity)}
	for n := entity; n != nil; n = n.parent {
		places = append(places, n)
	}
	for _, n := range places {
		v, present := n.attribute("validUntil")
		if !present {
			continue
		}
		t, ok := instant(v)
		if !ok {
			return until, badMetadata("Expected validUntil as a UTC time, received %q.", clip(v, 40))
		}
		if until.IsZero() || t.Before(until) {
			until = t
		}
	}
	if !until.IsZero() && !now.Before(until) {
		return until, badMetadata("The metadata was valid until %s.", stamp(until)).Fix("Fetch it from the provider again.")
	}
	return until, nil
}

func (p *Provider) read(entity *node) error {
	role := roleOf(entity)
	p.EntityID = entity.attr("entityID")
	if len(p.EntityID) > 1024 {
		return badMetadata("Expected an entity id of at most 1,024 bytes.") // SM §2.3.2
	}
	w := role.attr("WantAuthnRequestsSigned")
	p.WantsSignedRequests = w == "true" || w == "1"
	var refused string
	take := func(service, binding string) string { // SM §2.2.1
		for _, e := range role.children(nsMD, service) {
			if e.attr("Binding") != binding {
				continue
			}
			if location := e.attr("Location"); endpointURL(location) {
				return location
			} else {
				refused = location
			}
		}
		return ""
	}
	p.SSORedirect, p.SSOPost = take("SingleSignOnService", bindingRedirect), take("SingleSignOnService", bindingPOST)
	if p.SSORedirect == "" && p.SSOPost == "" {
		if refused != "" {
			return badMetadata("Expected an https address for sign-in, received %q.", clip(refused, 200))
		}
		return badMetadata("The metadata has no sign-in address for the Redirect or POST binding.")
	}
	// SM §2.4.2
	p.SLORedirect, p.SLOPost = take("SingleLogoutService", bindingRedirect), take("SingleLogoutService", bindingPOST)
	for _, k := range role.children(nsMD, "KeyDescriptor") { // SM §2.4.1.1
		if use := k.attr("use"); use == "signing" || use == "" {
			p.certificates(k)
		}
	}
	if len(p.Certificates) == 0 {
		return badMetadata("The metadata has no signing certificate that can be read.")
	}
	return nil
}

// certificates takes the first certificate of each X509Data; what follows it there is its chain.
func (p *Provider) certificates(descriptor *node) {
	info := descriptor.child(nsDS, "KeyInfo")
	if info == nil {
		return
	}
	for _, data := range info.children(nsDS, "X509Data") {
		c, err := x509.ParseCertificate(binary(data.child(nsDS, "X509Certificate")))
		if err != nil {
			continue
		}
		if text := account.PEM(c); len(p.Certificates) < maxKeys && !slices.Contains(p.Certificates, text) {
			p.Certificates = append(p.Certificates, text)
		}
	}
}

// endpointURL accepts https, and http on this very machine for trying things out (SAML-M2).
func endpointURL(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || len(s) > 2048 {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname())
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// FetchMetadata gets a metadata document of at most 8 MiB. client is the egress client, which knows
// where we may go; ctx bounds the time.
func FetchMetadata(ctx context.Context, client *http.Client, address string) ([]byte, error) {
	if !endpointURL(address) {
		return nil, badMetadata("Expected an https address of metadata, received %q.", clip(address, 200))
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, badMetadata("Expected an https address of metadata.").Because(err)
	}
	request.Header.Set("Accept", "application/samlmetadata+xml, application/xml;q=0.9, text/xml;q=0.8, */*;q=0.1")
	response, err := client.Do(request)
	if err != nil {
		return nil, account.Errorf(account.Unavailable, "The metadata address does not answer.").Because(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, account.Errorf(account.Unavailable, "The metadata address answered %d where 200 was expected.", response.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxMetadata+1))
	if err != nil {
		return nil, account.Errorf(account.Unavailable, "The metadata address broke off its answer.").Because(err)
	}
	if len(body) > maxMetadata {
		return nil, badMetadata("Expected metadata of at most 8 MiB.")
	}
	return body, nil
}

// Settings are what the metadata says about a provider; how strict to be with it is the administrator's choice.
func (p Provider) Settings() account.SAMLSettings {
	return account.SAMLSettings{
		EntityID: p.EntityID, SSORedirect: p.SSORedirect, SSOPost: p.SSOPost, SLORedirect: p.SLORedirect, SLOPost: p.SLOPost,
		Certificates: p.Certificates, SignRequests: p.WantsSignedRequests,
	}
}
