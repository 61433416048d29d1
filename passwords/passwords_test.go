package passwords

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // as in the lists
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/drawbridge-id/drawbridge/account"
)

// cheap is for tests: what is tried does not hang on the cost.
var cheap = Cost{Memory: 64, Passes: 1, Threads: 1}

// REQ H-02, T-17
func TestEachUnmetRuleIsASentence(t *testing.T) {
	shipped := account.PasswordRule{}
	for password, unmet := range map[string][]string{
		"Abcdef1!x":     {},
		"Abcdef1!":      {"at least 9 characters"},
		"abcdefgh1!":    {"an upper-case letter"},
		"ABCDEFGH1!":    {"a lower-case letter"},
		"Abcdefgh!!":    {"a digit"},
		"Abcdefgh11":    {"a special character, such as ! or #"},
		"Abcdefgh1 ":    {"a special character, such as ! or #"},
		"abc":           {"at least 9 characters", "an upper-case letter", "a digit", "a special character, such as ! or #"},
		"Ünïcödé1€":     {}, // characters are counted, not bytes
		"ÄÖÜß1!äöü":     {},
		"日本語日本語日本語A1!a": {},
	} {
		if got := Unmet(shipped, password); !slices.Equal(got, unmet) {
			t.Errorf("%q misses %q, expected %q", password, got, unmet)
		}
	}
	if all := Spell(shipped); len(all) != 5 {
		t.Errorf("the shipped rule is %q", all)
	}
	phrases := account.PasswordRule{MinLength: 12, Require: []account.PasswordClass{}, Passphrase: 20}
	if got := Unmet(phrases, "correct horse"); len(got) != 0 {
		t.Errorf("%q", got)
	}
	phrases.Require = nil
	if got := Unmet(phrases, "correct horse battery"); len(got) != 0 {
		t.Errorf("a long passphrase misses %q", got)
	}
	if got := Unmet(phrases, "correct horse"); len(got) != 3 {
		t.Errorf("a short one misses %q", got)
	}
}

func TestOnePasswordHasOneSpelling(t *testing.T) {
	composed, err := Normal("Caf\u00e9 1!")
	if err != nil {
		t.Fatal(err)
	}
	decomposed, err := Normal("Cafe\u0301\u00a01!") // and a space of another kind (RFC 8265 §4.2.2)
	if err != nil || composed != decomposed {
		t.Errorf("%q and %q, %v", composed, decomposed, err)
	}
	for _, bad := range []string{"", "a\x00b", "tab\there", strings.Repeat("a", Longest+1)} {
		if _, err := Normal(bad); account.KindOf(err) != account.Invalid {
			t.Errorf("%.20q: %v", bad, err)
		}
	}
}

func TestAHashKnowsItsPasswordAndItsCost(t *testing.T) {
	phc := cheap.Hash("Abcdef1!x", []byte("0123456789abcdef"))
	if phc != "$argon2id$v=19$m=64,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$"+strings.Split(phc, "$")[5] {
		t.Error(phc)
	}
	if ok, c, err := Check(phc, "Abcdef1!x"); !ok || c != cheap || err != nil {
		t.Error(ok, c, err)
	}
	if ok, _, err := Check(phc, "Abcdef1!y"); ok || err != nil {
		t.Error("another password is as good", err)
	}
	// As the reference implementation spells it: echo -n password | argon2 somesalt -id -t 2 -m 16 -p 4
	if ok, _, err := Check("$argon2id$v=19$m=65536,t=2,p=4$c29tZXNhbHQ$GpZ3sK/oH9p7VIiV56G/64Zo/8GaUw434IimaPqxwCo", "password"); !ok || err != nil {
		t.Error("the reference implementation's hash does not hold:", err)
	}
	for _, bad := range []string{"", "x", "$argon2i$v=19$m=64,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA", "$argon2id$v=18$m=64,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=64,t=1,p=0$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA", "$argon2id$v=19$m=99999999,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=64,t=1,p=1 $c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA", "$argon2id$v=19$m=64,t=1,p=1$!$AAAAAAAAAAAAAAAAAAAAAA", "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$AAAA"} {
		if ok, _, err := Check(bad, "x"); ok || err == nil {
			t.Errorf("%q is taken for a hash", bad)
		}
	}
}

// REQ T-17
func TestBreachedPasswordsAreFoundInEveryKindOfList(t *testing.T) {
	has := func(b *Breached, password string, want bool) {
		t.Helper()
		if got, err := b.Has(password); got != want || err != nil {
			t.Errorf("%q: %v, %v", password, got, err)
		}
	}
	has(nil, "Password1!", false)
	has(Common(), "Password1!", true)
	has(Common(), "pASSWORD1!", true)
	has(Common(), "Tr0ub4dor&3", false)

	plain := "# ours\nGlobex2030!\nCaf\u00e9-1234\n"
	b, err := ReadBreached(strings.NewReader(plain), int64(len(plain)))
	if err != nil {
		t.Fatal(err)
	}
	has(b, "globex2030!", true)
	has(b, "Globex2031!", false)

	var lines []string
	for i := range 2000 {
		lines = append(lines, fmt.Sprintf("%X:%d", sha1.Sum(fmt.Appendf(nil, "Password%d!", i)), i+1)) //nolint:gosec // as in the lists
	}
	slices.Sort(lines)
	for name, end := range map[string]string{"unix": "\n", "dos": "\r\n"} {
		for _, last := range []string{"", end} {
			file := []byte(strings.Join(lines, end) + last)
			b, err := ReadBreached(bytes.NewReader(file), int64(len(file)))
			if err != nil {
				t.Fatal(err)
			}
			for i := range 2000 {
				if ok, err := b.Has(fmt.Sprintf("Password%d!", i)); !ok || err != nil {
					t.Fatalf("%s: number %d is missing: %v", name, i, err)
				}
			}
			for i := 2000; i < 3000; i++ {
				if ok, err := b.Has(fmt.Sprintf("Password%d!", i)); ok || err != nil {
					t.Fatalf("%s: number %d is there: %v", name, i, err)
				}
			}
		}
	}
	broken := []byte(lines[0] + "\nwhat is this\n" + lines[1] + "\n")
	if b, err := ReadBreached(bytes.NewReader(broken), int64(len(broken))); err == nil {
		if _, err := b.Has("Password77!"); err == nil {
			t.Error("a broken list is trusted")
		}
	}
}

func FuzzCheck(f *testing.F) {
	f.Add(cheap.Hash("x", []byte("0123456789abcdef")), "x")
	f.Add("$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA", "y")
	f.Fuzz(func(t *testing.T, phc, password string) {
		if c, _, _, err := parse(phc); err == nil && (c.Memory > 1<<10 || c.Passes > 2 || c.Threads > 4) {
			return // too dear to try
		}
		_, _, _ = Check(phc, password)
	})
}
