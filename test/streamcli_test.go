package test

import (
	"regexp"
	"strconv"
	"testing"
	"time"
)

func TestAStreamIsAddedTriedAndEndedByCommand(t *testing.T) {
	typed(t, func(t *testing.T, sh *shell) {
		sh.write("estate.yaml", typedEstate)
		sh.env = append(sh.env, "ACME_SECRET=between-us")
		sh.run("drawbridge apply -f estate.yaml").exits(0)
		sh.write("keys.json", `{"keys":[]}`)
		add := "drawbridge stream add acme tool --issuer https://events.acme.example --audience https://bridge.example --keys keys.json --connection idp"
		sh.run(add).exits(0).says("str_", "/events/str_", "drawbridge stream credential mint acme/tool")
		sh.run(add).exits(1).complains(`There is a stream "tool" already.`)
		sh.run("drawbridge stream add acme bad --issuer x --audience y --keys keys.json --algorithm HS256").exits(1).complains("HS256", "RS256")
		sh.run("drawbridge stream list acme").exits(0).says("tool", "push", "https://events.acme.example", "never")
		minted := sh.run("drawbridge stream credential mint acme/tool").exits(0).says("Bearer dbe_", "psh_", "not shown again")
		sh.run("drawbridge stream credential mint acme/tool --path").exits(0).says("/events/str_", "/dbe_")
		sh.run("drawbridge stream credential mint acme/tool").exits(1).complains("two credentials")
		sh.run("drawbridge stream show acme/tool").exits(0).says("https://bridge.example", "psh_", "bearer", "path")
		id := regexp.MustCompile(`psh_\w+`).FindString(minted.out)
		sh.run("drawbridge stream credential revoke acme/tool " + id).exits(0).says("revoked")

		iat := time.Now().UTC().Unix()
		claims := func(event string) string {
			return sh.write("claims.json", `{"iss":"https://events.acme.example","aud":"https://bridge.example","iat":`+strconv.FormatInt(iat, 10)+`,"jti":"j1",
				"sub_id":{"format":"email","email":"ben@acme.example"},"events":{"`+event+`":{}}}`)
		}
		claims("https://schemas.openid.net/secevent/risc/event-type/account-disabled")
		sh.run("drawbridge stream try acme/tool claims.json").exits(0).says("applied", "ben@acme.example was shut out", "Nothing was changed")
		sh.run("drawbridge org show acme").exits(0).says("ben@acme.example")
		claims("https://example.com/something-else")
		sh.run("drawbridge stream try acme/tool claims.json").exits(0).says("ignored")
		sh.write("claims.json", `{"iss":"https://evil.example"}`)
		sh.run("drawbridge stream try acme/tool claims.json").exits(1).complains("invalid_issuer")
		if out := sh.run("drawbridge stream events acme/tool").exits(0).out; out != "" {
			t.Errorf("a dry run is in the log: %s", out)
		}
		sh.run("drawbridge stream replay acme/tool evt_none").exits(1).complains("no such event")
		sh.run("drawbridge stream show acme/none").exits(1).complains(`no stream called "none"`, "It has: tool")
		sh.run("drawbridge stream remove acme/tool").exits(0).says("removed")
		sh.run("drawbridge stream show acme/tool").exits(1)
	})
}
