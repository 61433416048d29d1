package saml

import "github.com/drawbridge-id/drawbridge/account"

// SubjectOf is the account.Login.Subject of a person whom a logout request names, as far as a name id alone
// says it. It is empty on connections that tell people apart by an attribute, and for name ids that change
// at every sign-in; such requests have to name sessions.
func SubjectOf(s account.Settings, id account.NameID) string {
	if s.Kind == account.KindEntra {
		return "" // tenant id and object id, which a logout request does not carry
	}
	subject, _ := attributes(nil).subject(s.Mapping, &id)
	return subject
}
