package api

import (
	"context"
	"testing"
)

// THREAT ADM-1: the account is the session's, whichever org the path names.
func TestWhatIsAskedForIsDoneInTheSessionsAccount(t *testing.T) {
	v := visitor{user: "usr_1", account: "acc_1", key: "key_1"}
	if by := caller(context.WithValue(t.Context(), visitorKey{}, v)); by.User != "usr_1" || by.Account != "acc_1" || by.Key != "key_1" {
		t.Errorf("%+v", by)
	}
}
