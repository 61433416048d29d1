package console

import (
	"net/http/httptest"
	"testing"

	"github.com/drawbridge-id/drawbridge/account"
)

// THREAT ADM-1: a page acts in the account that the session works in.
func TestAPageActsInTheSessionsAccount(t *testing.T) {
	p := account.Presence{User: account.User{ID: "usr_1"}, Account: account.Account{ID: "acc_1"}}
	if by := actor(httptest.NewRequest("GET", "/", nil), p); by.User != "usr_1" || by.Account != "acc_1" {
		t.Errorf("%+v", by)
	}
}
