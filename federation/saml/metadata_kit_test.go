package saml

import (
	"encoding/base64"
)

// idpMetadata is a provider's metadata with these signing keys.
func idpMetadata(entity string, keys ...idpKey) string {
	s := `<md:EntityDescriptor xmlns:md="` + nsMD + `" xmlns:ds="` + nsDS + `" ID="_metadata1" entityID="` + entity + `"><md:IDPSSODescriptor WantAuthnRequestsSigned="true" protocolSupportEnumeration="` + nsSAMLP + `">`
	for _, k := range keys {
		s += `<md:KeyDescriptor use="signing"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>` + base64.StdEncoding.EncodeToString(k.cert.Raw) + `</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>`
	}
	return s + `<md:SingleLogoutService Binding="` + bindingRedirect + `" Location="https://idp.acme.example/slo"/>` +
		`<md:SingleSignOnService Binding="` + bindingPOST + `" Location="https://idp.acme.example/sso/post"/>` +
		`<md:SingleSignOnService Binding="` + bindingRedirect + `" Location="https://idp.acme.example/sso"/></md:IDPSSODescriptor></md:EntityDescriptor>`
}
