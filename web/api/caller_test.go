package api

import (
	"context"
	"testing"

	"github.com/drawbridge-id/drawbridge/account"
)

// THREAT ADM-1: the account is the session's, whichever org the path names.
func TestWhatIsAskedForIsDoneInTheSessionsAccount(t *testing.T) {
	p := account.Presence{User: account.User{ID: "usr_1"}, Account: account.Account{ID: "acc_1"}}
	if by := caller(context.WithValue(t.Context(), presenceKey{}, p)); by.User != "usr_1" || by.Account != "acc_1" {
		t.Errorf("%+v", by)
	}
}
