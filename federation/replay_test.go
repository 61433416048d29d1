package federation

import (
	"encoding/json"
	"testing"

	"github.com/drawbridge-id/drawbridge/account"
)

// Files that somebody hands to --replay are read without a panic, and a diagnosis never becomes more than it was: a
// refused one stays refused, and one without a subject is no login.
func FuzzSavedResponses(f *testing.F) {
	good, _ := json.Marshal(account.Diagnosis{Subject: "s", Email: "ana@acme.example", Checks: []account.Check{{Step: account.StepTimes, Verdict: account.Pass}}})
	bad, _ := json.Marshal(account.Diagnosis{Subject: "s", Checks: []account.Check{{Step: account.StepSignature, Verdict: account.Fail, Code: "x"}}})
	for _, s := range []string{string(good), string(bad), "{}", "<Response/>", "PFJlc3BvbnNlLz4=", "SAMLResponse=PFI%2BPC9SPg%3D%3D&RelayState=x", "%zz", "\xef\xbb\xbf<x/>"} {
		f.Add([]byte(s))
	}
	c := account.Connection{ID: "con_x"}
	f.Fuzz(func(t *testing.T, saved []byte) {
		savedResponse(saved)
		j, err := recalled(c, saved)
		if err != nil {
			return
		}
		if (j.Login == nil) == (j.Refusal == nil) {
			t.Fatalf("a login and a refusal, or neither: %+v", j)
		}
		for _, k := range j.Checks {
			if k.Verdict == account.Fail && j.Login != nil {
				t.Fatalf("a failed check became a login: %+v", k)
			}
		}
		if j.Login != nil && j.Login.Subject == "" {
			t.Fatal("a login without a subject")
		}
	})
}
