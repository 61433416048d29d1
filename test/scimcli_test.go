package test

import (
	"regexp"
	"testing"
)

func TestProvisioningIsSetUpByHand(t *testing.T) {
	typed(t, func(t *testing.T, sh *shell) {
		sh.write("estate.yaml", typedEstate)
		sh.env = append(sh.env, "ACME_SECRET=between-us")
		sh.run("drawbridge apply -f estate.yaml").exits(0)

		made := sh.run("drawbridge scim client mint acme/idp").exits(0).says("/scim/con_", "/oauth/token", "client id      scc_", "client secret  dbc_", "not shown again")
		client := regexp.MustCompile(`scc_\w+`).FindString(made.out)
		sh.run("drawbridge scim client list acme/idp").exits(0).says(client, "never")
		sh.run("drawbridge scim client revoke acme/idp " + client).exits(0).says("revoked")
		sh.run("drawbridge scim client revoke acme/idp " + client).exits(1).complains("no such SCIM client")

		sh.write("badge.json", badgeSchema)
		sh.run("drawbridge scim schema add acme/idp badge.json").exits(0).says("User now has 5 attributes of " + badge)
		sh.run("drawbridge scim schema list acme/idp").exits(0).says(badge, "number, colour")
		sh.write("bad.json", `{"id":"badge"}`)
		sh.run("drawbridge scim schema add acme/idp bad.json").exits(1).complains("URN")
		sh.run("drawbridge scim schema remove acme/idp " + badge).exits(0).says("removed")
		sh.run("drawbridge scim schema remove acme/idp " + badge).exits(1).complains("no schema")

		sh.run("drawbridge scim unmet acme/idp").exits(0).says("meets their sign-in")
		sh.run("drawbridge scim replay acme/idp scr_nothing").exits(1).complains("no request", "scim log")
	})
}
