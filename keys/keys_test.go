package keys

import (
	"crypto/rand"
	"regexp"
	"strings"
	"testing"
)

// THREAT KEY-1
// REQ N-49
func TestAMintedKeyIsOfItsKindAndAMistypedOneIsNoKey(t *testing.T) {
	spelling := regexp.MustCompile(`^db[pslcero]_[0-9A-Za-z]{38}$`)
	seen := map[string]bool{}
	for _, k := range []Kind{Personal, Service, Legacy, Directory, Push, Receive, Operator} {
		for range 50 {
			s := Mint(k, rand.Reader)
			if !spelling.MatchString(s) || seen[s] {
				t.Fatalf("%q", s)
			}
			seen[s] = true
			if got, ok := Parse(s); !ok || got != k || !Is(k, s) {
				t.Fatalf("%q is %q, %v", s, got, ok)
			}
			for i := range s {
				wrong := []byte(s)
				wrong[i] = 'x'
				if wrong[i] == s[i] {
					wrong[i] = 'y'
				}
				if _, ok := Parse(string(wrong)); ok {
					t.Fatalf("%q with a wrong character at %d is taken", s, i)
				}
			}
			if Is(Service, s) != (k == Service) {
				t.Fatalf("%q passes for a service key", s)
			}
		}
	}
	for _, s := range []string{"", "dbp_", "dbx_" + strings.Repeat("a", 38), strings.Repeat("a", 42)} {
		if k, ok := Parse(s); ok {
			t.Errorf("%q is a %q", s, k)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(Mint(Personal, rand.Reader))
	f.Add("dbp_")
	f.Fuzz(func(t *testing.T, s string) {
		if k, ok := Parse(s); ok && !strings.HasPrefix(s, string(k)) {
			t.Errorf("%q is a %q", s, k)
		}
	})
}
