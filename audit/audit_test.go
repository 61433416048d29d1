package audit

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

var private = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))

// export writes blocks of two lines each, and one line more.
func export(t *testing.T, blocks int) []string {
	t.Helper()
	var b bytes.Buffer
	write := func(r Record) {
		if err := r.Write(&b); err != nil {
			t.Fatal(err)
		}
	}
	line := func(i int) json.RawMessage {
		return json.RawMessage(fmt.Sprintf(`{"id":"aud_%03d","account":"acc_1","verb":"user.signed_in"}`, i))
	}
	write(Record{Key: Hex(private.Public().(ed25519.PublicKey))})
	var before []byte
	for n := 1; n <= blocks; n++ {
		block := Begin("acc_1", int64(n), before)
		for i := range 2 {
			l := line(2*n + i)
			block.Add(l)
			write(Record{Block: int64(n), Line: l})
		}
		s := block.Close(time.UnixMicro(int64(n)*1000), private)
		before = s.Hash
		write(Record{Seal: &s})
	}
	write(Record{Line: line(999)})
	return strings.SplitAfter(strings.TrimSuffix(b.String(), "\n"), "\n")
}

func verify(lines []string) (Report, error) {
	return Verify(strings.NewReader(strings.Join(lines, "")), "")
}

// THREAT AUD-2
func TestWhateverIsDoneToASealedLogShows(t *testing.T) {
	whole := export(t, 3)
	r, err := verify(whole)
	if err != nil || r.Blocks != 3 || r.Lines != 6 || r.Open != 1 || r.Account != "acc_1" || r.Key != KeyID(private.Public().(ed25519.PublicKey)) {
		t.Fatalf("%+v, %v", r, err)
	}
	sealed := len(whole) - 1
	for i := range sealed { // every line removed, every character of it changed
		cut := append(append([]string{}, whole[:i]...), whole[i+1:]...)
		if _, err := verify(cut); account.KindOf(err) != account.Invalid {
			t.Errorf("without line %d: %v", i, err)
		}
		for at := range len(whole[i]) - 1 {
			bent := append([]string{}, whole...)
			c := []byte(bent[i])
			if c[at] ^= 1; bytes.EqualFold([]byte(bent[i]), c) {
				continue // the case of a member's name means nothing to JSON
			}
			bent[i] = string(c)
			if _, err := verify(bent); account.KindOf(err) != account.Invalid {
				t.Errorf("line %d with another character at %d is taken: %s", i, at, c)
			}
		}
	}
	for i := 1; i < sealed; i++ {
		twice := append(append(append([]string{}, whole[:i]...), whole[i]), whole[i:]...)
		if _, err := verify(twice); account.KindOf(err) != account.Invalid {
			t.Errorf("line %d twice: %v", i, err)
		}
	}
	short, err := verify(export(t, 2))
	if err != nil || short.Blocks == r.Blocks || bytes.Equal(short.Hash, r.Hash) {
		t.Errorf("a log that was cut cannot be told: %+v, %v", short, err)
	}
	if _, err := Verify(strings.NewReader(strings.Join(whole, "")), "0011223344556677"); account.KindOf(err) != account.Invalid {
		t.Errorf("another key than the expected one: %v", err)
	}
}

func FuzzVerify(f *testing.F) {
	f.Add([]byte(`{"key":"AAAA"}`))
	f.Add([]byte(`{"block":1,"line":{}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := Verify(bytes.NewReader(b), ""); err == nil && r.Blocks > 0 {
			t.Errorf("bytes of nobody are sealed: %+v", r)
		}
	})
}
