package saml

import (
	"testing"

	"github.com/drawbridge-id/drawbridge/account"
)

func TestASignedAssertionIsALogin(t *testing.T) {
	w := newWorld()
	login := w.accepted(t, signedResponse())
	if login.Subject != "u-4711" || login.Email != "ana@acme.example" || login.Name != "Ana Ruiz" || login.Connection != "con_1" {
		t.Errorf("login is %+v", login)
	}
	if g := login.Groups; g.State != account.GroupsComplete || len(g.Values) != 2 || g.Values[1] != "Eng Ops" {
		t.Errorf("groups are %+v", g)
	}
}
