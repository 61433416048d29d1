package store

import (
	"crypto/rand"
	"strings"
	"testing"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/estate"
	"github.com/drawbridge-id/drawbridge/keys"
)

const signals = `
    streams:
      - name: signals
        connection: entra
        issuer: https://id.globex.example
        audience: [https://login.globex.example]
        keys: '{"keys":[]}'
        credentials: [{credential: CREDENTIAL}]
        subject_issuers: [next]
        gtr_keys: suspend
        transmitter: {configuration: "https://id.globex.example/.well-known/ssf-configuration", bearer: between-us}
`

// Streams of security events are in the file too, with what their transmitters show; a credential is replaced as a SCIM token is.
func TestAnEstateFileBringsTheStreamsOfSecurityEvents(t *testing.T) {
	each(t, func(h *house) {
		first, second := keys.Mint(keys.Push, rand.Reader), keys.Mint(keys.Push, rand.Reader)
		text := globexFile + strings.Replace(signals, "CREDENTIAL", first, 1)
		d := h.applied(text)
		acct := d.Accounts[0]
		all, err := h.Streams(h.ctx(), theOperator, acct.Account.ID)
		h.ok(err)
		if len(all) != 1 {
			h.Fatalf("%d streams", len(all))
		}
		s, err := h.OpenStream(h.ctx(), all[0].ID)
		h.ok(err)
		if s.Connection != acct.Connections[0].ID || len(s.SubjectIssuers) != 1 || s.SubjectIssuers[0] != acct.Connections[1].ID || !s.Enabled ||
			s.Method != account.StreamPush || s.GTRKeys != account.GTRSuspend || s.Transmitter.Bearer.Reveal() != "between-us" {
			h.Errorf("%+v", s)
		}
		good := func(raw string) bool {
			_, err := h.StreamFor(h.ctx(), s.ID, account.NewSecret(raw), false)
			return err == nil
		}
		if !good(first) {
			h.Error("the transmitter is not let in")
		}
		if again := h.applied(text); !again.Empty() {
			h.Errorf("applied again: %v", again.Changes)
		}

		// What was agreed with the transmitter since then is not in the file, and stays.
		_, err = h.UpdateStream(h.ctx(), theOperator, s.ID, func(s *account.Stream) error { s.Transmitter.Stream = "str-7"; return nil })
		h.ok(err)
		if again := h.applied(text); !again.Empty() {
			h.Errorf("applied once the stream was made: %v", again.Changes)
		}

		both := globexFile + strings.Replace(signals, "CREDENTIAL}", first+"}, {path: true, credential: "+second+"}", 1)
		if d := h.applied(both); len(d.Changes) != 1 || !good(first) || good(second) {
			h.Errorf("the successor is part of the address: %v", d.Changes)
		}
		if _, err := h.StreamFor(h.ctx(), s.ID, account.NewSecret(second), true); err != nil {
			h.Error(err)
		}
		off := globexFile + strings.Replace(strings.Replace(signals, "CREDENTIAL", first, 1), "name: signals", "name: signals\n        enabled: false", 1)
		if d := h.applied(off); len(d.Changes) != 2 || good(first) {
			h.Errorf("it was switched off, and the successor not listed any more: %v", d.Changes)
		}
		if left := h.applied(globexFile); !left.Empty() {
			h.Errorf("a file that says nothing leaves everything alone: %v", left.Changes)
		}
	})
}

func TestAStreamThatCannotWorkIsRefusedWithItsLine(t *testing.T) {
	each(t, func(h *house) {
		credential := keys.Mint(keys.Push, rand.Reader)
		good := globexFile + strings.Replace(signals, "CREDENTIAL", credential, 1)
		from := strings.Count(globexFile, "\n") + 1
		for _, c := range []struct{ old, new, want string }{
			{"https://id.globex.example\n        audience", "''\n        audience", "issuer"},
			{"connection: entra\n        issuer", "connection: nobody\n        issuer", `no connection "nobody"`},
			{"[next]", "[nobody]", `no connection "nobody"`},
			{`'{"keys":[]}'`, "env:NOPE_KEYS", "NOPE_KEYS is not set"},
			{`'{"keys":[]}'`, "", "either the address of a JWK Set or the keys"},
			{"suspend", "forget", "nothing that a global token revocation does"},
			{credential, "dbe_mistyped", "checksum"},
			{"credentials: [{", "credentials: [{credential: " + credential + "}, {", "listed twice"},
			{"gtr_keys: suspend", "method: poll", "polled says where"},
			{"gtr_keys: suspend", "algorithms: [HS256]", "no algorithm that can be allowed"},
		} {
			text := strings.Replace(good, c.old, c.new, 1)
			if text == good {
				h.Fatalf("%q is not in the file", c.old)
			}
			_, err := estate.ParseWith(h.Catalogue(), []byte(text), nil, func(string) string { return "" })
			problems := estate.Problems(err)
			if len(problems) == 0 || problems[0].Line < from || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), credential) {
				h.Errorf("%s: %v", c.new, err)
			}
		}
		other := strings.Replace(good, "streams:", "streams:\n      - {name: other, issuer: x, audience: [y], keys: '{}', credentials: [{credential: "+credential+"}]}", 1)
		_, _, err := h.Apply(h.ctx(), theOperator, h.file(other), ApplyOptions{})
		h.refuses(err, account.Conflict, "token_taken")
	})
}
