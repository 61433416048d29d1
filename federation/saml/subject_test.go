package saml

import (
	"testing"

	"github.com/drawbridge-id/drawbridge/account"
)

// THREAT SAML-M3: a logout request ends the sessions of the person it names, and of nobody else.
func TestALogoutRequestNamesTheSubjectOfTheSignIn(t *testing.T) {
	for _, tc := range []struct {
		s    account.Settings
		id   account.NameID
		want string
	}{
		{account.Settings{}, account.NameID{Value: "Ana@Acme.example", Format: formatEmail}, "ana@acme.example"},
		{account.Settings{}, account.NameID{Value: "u-1", Format: formatPersistent}, "u-1"},
		{account.Settings{}, account.NameID{Value: "u-1", Format: formatPersistent, NameQualifier: "idp", SPNameQualifier: "sp"}, "idp!sp!u-1"},
		{account.Settings{}, account.NameID{Value: "_once", Format: formatTransient}, ""},
		{account.Settings{Kind: account.KindEntra}, account.NameID{Value: "ana@acme.example", Format: formatEmail}, ""},
		{account.Settings{Mapping: account.Mapping{Subject: []string{"employee"}}}, account.NameID{Value: "ana@acme.example"}, ""},
	} {
		if got := SubjectOf(tc.s, tc.id); got != tc.want {
			t.Errorf("%+v, %+v: %q, want %q", tc.s, tc.id, got, tc.want)
		}
	}
}
