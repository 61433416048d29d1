package test

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/federation/session"
	"github.com/drawbridge-id/drawbridge/test/sim"
	"github.com/drawbridge-id/drawbridge/test/world"
	"github.com/drawbridge-id/drawbridge/web/api"
)

func simUser(email string, groups ...string) sim.User { return sim.User{Email: email, Groups: groups} }

// A document is what a reader of /api/v1/openapi.json looks for.
type document struct {
	OpenAPI string                          `json:"openapi"`
	Paths   map[string]map[string]operation `json:"paths"`
}

type operation struct {
	ID        string         `json:"operationId"`
	Summary   string         `json:"summary"`
	Responses map[string]any `json:"responses"`
	Inputs    []parameter    `json:"parameters"`
}

type parameter struct {
	Name string `json:"name"`
	In   string `json:"in"`
}

// visitors are who walks: an owner of acme and one of globex, a member of acme, and things of acme to reach for.
type visitors struct {
	acme                    *world.Company
	owner, stranger, member *world.Browser
	connection              account.ConnectionID
	diagnosis               account.DiagnosisID
	rule                    account.RuleID
	user                    account.UserID
	key                     account.KeyID
	token                   account.SCIMTokenID
	stream                  account.StreamID
	credential              account.PushID
	feed                    account.FeedID
	invitation              account.InvitationID
	ticket                  account.TicketID
	account                 account.AccountID
	team                    account.TeamID
	group                   account.GroupID
}

func gather(w *world.World) visitors {
	w.Helper()
	acme, globex := w.Acme(), w.Globex()
	v := visitors{acme: acme, owner: acme.As("olga@acme.example"), stranger: globex.As("olaf@globex.example"), member: acme.As("ben@acme.example"), connection: acme.Connection.ID}
	v.user = acme.As("ana@acme.example").Session().User.ID
	v.token = read[api.SCIMToken](ask(w, v.owner, "POST", "/api/v1/connections/"+string(v.connection)+"/scim/tokens", map[string]int{"days": 30}).is(201)).ID
	v.stream = read[api.Stream](ask(w, v.owner, "POST", "/api/v1/orgs/acme/streams", aStream("theirs")).is(201)).ID
	v.credential = read[api.MintedPushCredential](ask(w, v.owner, "POST", "/api/v1/streams/"+string(v.stream)+"/credentials", map[string]bool{}).is(201)).ID
	v.feed = read[api.AddedFeed](ask(w, v.owner, "POST", "/api/v1/orgs/acme/feeds", api.FeedSettings{Name: "polled", Kind: account.SSF}).is(201)).ID
	v.key = minted(w, v.owner, "acme", "owner's").ID
	v.invitation = invited(w, v.owner, "acme", invite{Email: "waiting@acme.example", AccountRole: "member"}).ID
	v.group = read[api.ExternalGroup](ask(w, v.owner, "POST", "/api/v1/orgs/acme/external-groups", api.GroupSettings{Name: "Theirs"}).is(201)).ID
	v.ticket = ticketed(w, "acme", v.owner.Session().User.ID).ID
	v.rule = read[[]api.Rule](ask(w, v.owner, "GET", "/api/v1/orgs/acme/rules", nil).is(200))[0].ID
	test := read[api.Test](ask(w, v.owner, "POST", "/api/v1/connections/"+string(v.connection)+"/login-tests", map[string]string{"version": "live"}).is(201))
	v.diagnosis = test.Diagnosis
	acct, _ := w.Account("acme")
	v.account, v.team = acct.ID, team(w, "acme", "research")
	w.Browser("ana@acme.example").Open(strings.TrimPrefix(test.URL, w.URL))
	return v
}

// fill puts acme's things into a path.
func (v visitors) fill(path string) string {
	return strings.NewReplacer("{org}", "acme", "{account}", string(v.account), "{team}", string(v.team), "{service}", "registry", "{connection}", string(v.connection), "{diagnosis}", string(v.diagnosis),
		"{rule}", string(v.rule), "{user}", string(v.user), "{key}", string(v.key), "{token}", string(v.token),
		"{stream}", string(v.stream), "{credential}", string(v.credential), "{feed}", string(v.feed), "{group}", string(v.group), "{factor}", "fac_01kkp3v8m2q7r4c9tdyz5x6w1n", "{invitation}", string(v.invitation), "{ticket}", string(v.ticket), "{domain}", "acme.example", "{entitlement}", "ent_01kkp3v8m2q7r4c9tdyz5x6w1n", "{request}", "scr_01kkp3v8m2q7r4c9tdyz5x6w1n", "{event}", "evt_01kkp3v8m2q7r4c9tdyz5x6w1n").Replace(path)
}

// sent is what an operation is sent, and how every member of the org who may do it is answered; 0: they may not.
type sent struct {
	body    any
	members int
}

// bodies says for each operation what it is sent.
func (v visitors) bodies() map[string]sent {
	def := api.Definition{Name: "Theirs", Connection: v.connection, Groups: []string{"everyone"}, Targets: []api.Target{}}
	return map[string]sent{
		"get-org": {members: 200}, "list-teams": {members: 200}, "create-team": {body: map[string]string{"name": "theirs"}},
		"get-team": {members: 200}, "describe-team": {body: map[string]string{"description": "theirs"}}, "remove-team": {}, "list-team-people": {},
		"set-org-title": {body: map[string]string{"title": "Theirs"}}, "convert-org": {}, "get-access": {members: 200},
		"list-my-accounts": {members: 200}, "open-account": {body: map[string]string{"name": "two words"}, members: 422}, "switch-account": {body: map[string]string{"account": "acc_none"}, members: 404},
		"get-account": {members: 200}, "save-account": {body: map[string]string{"description": "theirs"}}, "get-checklist": {}, "get-billing": {},
		"save-billing": {body: map[string]string{"name": "Theirs", "email": "invoices@elsewhere.example"}}, "list-account-people": {},
		"set-account-role": {body: map[string]string{"role": "admin"}}, "transfer-account": {body: map[string]string{"user": string(v.user)}},
		"list-people": {}, "grant-role": {body: grant{Role: "registry:reader"}}, "withdraw-role": {body: grant{Role: "registry:writer"}},
		"invite-person": {body: invite{Email: "theirs@acme.example", AccountRole: "member"}}, "list-invitations": {}, "get-invitation": {}, "resend-invitation": {}, "revoke-invitation": {},
		"add-invited-roles": {body: api.RolesIn{Roles: []account.Role{"registry:reader"}}}, "drop-invited-roles": {body: api.RolesIn{Roles: []account.Role{"registry:reader"}}},
		"assign-roles": {body: map[string]any{"email": "waiting@acme.example", "roles": []string{"registry:reader"}}}, "get-member-domains": {members: 200},
		"set-member-domains": {body: api.MemberDomains{VerifiedOnly: true}}, "list-my-invitations": {members: 200}, "accept-invitation": {members: 404},
		"list-service-roles": {members: 200}, "effect-of-roles": {members: 200},
		"get-person": {}, "remove-person": {}, "disable-person": {}, "enable-person": {}, "list-receipts": {},
		"mint-key": {body: map[string]any{"name": "theirs"}, members: 201}, "list-keys": {members: 200}, "revoke-key": {},
		"list-tickets": {}, "get-ticket": {}, "reassign-ticket": {body: map[string]string{"email": "theirs@acme.example"}}, "list-native-users": {}, "tell-native-users": {body: map[string]string{"message": "Theirs.", "contact": "theirs@acme.example"}},
		"list-drift": {}, "repair-drift": {body: map[string]string{"user": string(v.user)}},
		"get-connection": {}, "record-sync-decision": {body: api.SyncDecided{Decision: account.SyncNone, AcknowledgedBy: "them", Evidence: "theirs"}},
		"mint-scim-token": {body: map[string]int{}}, "list-scim-tokens": {}, "revoke-scim-token": {}, "get-scim-options": {},
		"set-scim-options": {body: api.SCIMOptions{Subject: account.SubjectUserName, Groups: account.GroupsIgnore}}, "list-scim-requests": {}, "list-unmet": {}, "replay-scim-request": {},
		"list-streams": {}, "add-stream": {body: aStream("another")}, "get-stream": {}, "save-stream": {body: aStream("changed")}, "remove-stream": {},
		"resume-stream-removals": {body: api.Allowance{}}, "mint-push-credential": {body: map[string]bool{}}, "list-push-credentials": {}, "revoke-push-credential": {},
		"list-stream-events": {}, "replay-event": {}, "list-feeds": {}, "add-feed": {body: api.FeedSettings{Name: "another", Kind: account.SSF}},
		"change-feed": {body: map[string]string{"name": "changed"}}, "remove-feed": {}, "rotate-feed-secret": {}, "list-deliveries": {}, "replay-deliveries": {body: map[string]string{}},
		"get-breaker": {}, "set-breaker": {body: api.BreakerSettings{Share: 1, Within: 1}}, "resume-removals": {body: api.Allowance{}},
		"list-rules": {}, "create-rule": {body: def}, "save-rule": {body: def}, "delete-rule": {}, "plan-rules": {}, "activate-rules": {body: map[string]string{}},
		"list-subscriptions": {members: 200}, "list-my-entitlements": {members: 200}, "get-my-entitlement": {members: 404},
		"activate-entitlement": {body: map[string]string{"new_account": "theirs"}, members: 404}, "transfer-entitlement": {body: map[string]string{"account": "acc_none"}, members: 404},
		"check-certificate": {body: map[string]string{"number": aNumber}, members: 404}, "check-codes": {body: map[string]string{"codes": "B2"}, members: 200},
		"register-certificate": {body: map[string]any{"number": aNumber, "new_account": "theirs", "registrant": aRegistrant("ben@acme.example")}, members: 404},
		"activate-codes":       {body: map[string]any{"codes": "B2", "new_account": "theirs", "business": aBusiness}, members: 409},
		"get-notifications":    {members: 200}, "set-notifications": {body: map[string]any{"sections": []string{}}, members: 200},
		"list-letter-templates": {members: 200}, "contact-owners": {body: map[string]string{"subject": "Hello", "text": "A word."}, members: 200},
		"get-recovery": {}, "set-recovery": {body: map[string]string{"email": "theirs@elsewhere.example"}}, "remove-recovery": {}, "rehearse-recovery": {},
		"waive-recovery": {body: map[string]string{"reason": "theirs to waive"}}, "retract-recovery-waiver": {}, "set-owner-address": {body: map[string]string{"email": "theirs@elsewhere.example"}},
		"list-connections": {}, "promote-connection": {}, "restore-connection": {body: map[string]int{"revision": 1}},
		"start-login-test": {body: map[string]string{}}, "get-login-test": {},
		"list-domains": {}, "claim-domain": {body: map[string]string{"name": "claimed.example"}}, "list-groups": {},
		"list-audit": {}, "export-audit": {}, "who-am-i": {members: 200}, "list-factors": {members: 200}, "enrol-totp": {body: map[string]string{"name": "phone"}, members: 201},
		"confirm-factor": {body: map[string]string{"code": "000000"}, members: 404}, "remove-factor": {members: 204}, "make-recovery-codes": {members: 409},
		"list-external-groups": {}, "create-external-group": {body: api.GroupSettings{Name: "Another"}}, "list-external-roles": {}, "list-external-users": {},
		"get-external-group": {}, "save-external-group": {body: api.GroupSettings{Name: "Theirs"}}, "delete-external-group": {}, "adopt-external-group": {},
		"add-external-permission": {body: grant{Role: "catalog:reader"}}, "remove-external-permission": {body: grant{Role: "catalog:reader"}},
		"list-external-members": {}, "set-external-role": {body: map[string]string{"role": "admin"}}, "remove-external-member": {}, "expel-external-member": {body: map[string]string{}},
		"list-external-invitations": {}, "invite-external-users": {body: api.GroupInvite{Emails: []string{"theirs@elsewhere.example"}, Role: account.Member}},
		"resend-external-invitation": {}, "revoke-external-invitation": {}, "get-external-templates": {},
		"list-my-external-groups": {members: 200}, "list-my-external-orgs": {members: 200}, "list-my-external-keys": {members: 404},
		"mint-external-key": {body: map[string]string{"name": "theirs", "user_org": "acme"}, members: 404}, "revoke-external-key": {members: 404},
		"list-accounts": {}, "create-account": {body: map[string]string{"name": "theirs", "org": "theirs", "type": "enterprise"}}, "set-service": {body: map[string]bool{"enabled": true}},
		"add-group": {body: api.Group{Connection: v.connection, Value: "theirs"}},
	}
}

// REQ B-08
// THREAT ADM-1, ADM-3: every operation of the document, asked by nobody, by another company's owner, and by a member.
func TestNoOperationServesSomebodyElse(t *testing.T) {
	world.Each(t, func(w *world.World) {
		v := gather(w)
		operations := v.bodies()
		doc := read[document](ask(w, nil, "GET", "/api/v1/openapi.json", nil).is(200))
		if !strings.HasPrefix(doc.OpenAPI, "3.1") || len(doc.Paths) == 0 {
			w.Fatalf("the document is of version %q with %d paths", doc.OpenAPI, len(doc.Paths))
		}
		ask(w, nil, "GET", "/api/v1/openapi.yaml", nil).is(200).says("openapi: 3.1", "/api/v1/orgs/{org}/rules/activate")
		walked := 0
		for path, methods := range doc.Paths {
			for method, o := range methods {
				method = strings.ToUpper(method)
				known, ok := operations[o.ID]
				if !ok {
					w.Errorf("%s %s (%s) is new: say here what it is sent and who may", method, path, o.ID)
					continue
				}
				walked++
				if o.Summary == "" || o.Responses["403"] == nil || o.Responses["401"] == nil {
					w.Errorf("%s is described without a summary or its refusals: %+v", o.ID, o)
				}
				for _, name := range regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(path, -1) {
					if !slices.ContainsFunc(o.Inputs, func(p parameter) bool { return p.In == "path" && p.Name == name[1] }) {
						w.Errorf("%s does not read {%s} from its path: %+v", o.ID, name[1], o.Inputs)
					}
				}
				at := v.fill(path)
				if strings.Contains(at, "{") {
					w.Fatalf("%s: what is %s?", o.ID, at)
				}
				ask(w, nil, method, at, known.body).refuses(401, "signed_out")
				ask(w, planted(w), method, at, known.body).is(401)
				if strings.HasPrefix(path, "/api/v1/operator/") { // for tokens of the operator alone
					ask(w, v.stranger, method, at, known.body).is(403)
					ask(w, v.member, method, at, known.body).is(403)
					continue
				}
				if path == "/api/v1/me" || strings.HasPrefix(path, "/api/v1/me/") { // whoever asks is answered about themselves
					ask(w, v.stranger, method, at, known.body).is(known.members)
					mine := ask(w, v.member, method, at, known.body)
					if o.ID == "mint-external-key" && mine.status == 403 { // the walk may have made a key of acme's for them by then
						continue
					}
					mine.is(known.members)
					continue
				}
				if foreign := ask(w, v.stranger, method, at, known.body).is(404); strings.Contains(foreign.body, "example") {
					w.Errorf("%s tells a stranger: %s", o.ID, foreign.body)
				}
				if known.members != 0 {
					ask(w, v.member, method, at, known.body).is(known.members)
				} else if refused := ask(w, v.member, method, at, known.body); refused.status != 403 && refused.status != 404 {
					w.Errorf("%s serves a member: %d %s", o.ID, refused.status, refused.body)
				}
				if method == "GET" {
					noSecrets(ask(w, v.owner, method, at, nil).is(200))
				}
			}
		}
		if walked != len(operations) {
			w.Errorf("walked %d of %d operations", walked, len(operations))
		}
		// Nothing of it happened.
		for _, team := range read[teamsList](ask(w, v.owner, "GET", "/api/v1/orgs/acme/teams", nil).is(200)).Teams {
			if team.Name == "theirs" {
				w.Error("somebody else made a team")
			}
		}
		ask(w, v.owner, "GET", "/api/v1/orgs/globex", nil).refuses(404, "no_account")
		// Its owner may do whatever there is to do in an org, but what only the operator may (B-08).
		for path, methods := range doc.Paths {
			if !strings.HasPrefix(path, "/api/v1/orgs/{org}") {
				continue
			}
			for method, o := range methods {
				r := ask(w, v.owner, strings.ToUpper(method), v.fill(path), operations[o.ID].body)
				if byOperator := o.ID == "convert-org" || o.ID == "set-owner-address" || o.ID == "set-service"; (r.status == 403) != byOperator || r.status == 401 || strings.Contains(r.body, "no_account") {
					w.Errorf("%s answers the owner %d: %s", o.ID, r.status, r.brief())
				}
			}
		}
	})
}

// planted is a browser with a session cookie of its own making (SES-2).
func planted(w *world.World) *world.Browser {
	w.Helper()
	b := w.Browser("")
	b.Plant(w.URL, &http.Cookie{Name: session.Cookie, Value: strings.Repeat("A", 43), Path: "/", Secure: true})
	return b
}

// noSecrets checks that an answer holds nothing that could be used (ADM-3).
func noSecrets(r reply) {
	r.w.Helper()
	for _, secret := range []string{"PRIVATE KEY", "between-us", "SignatureValue>M"} {
		if strings.Contains(r.body, secret) {
			r.w.Errorf("%s answers with %q", r.call, secret)
		}
	}
}

// THREAT ADM-1, SES-3: every route of the table, asked by nobody, by another company's owner, and by a member.
func TestEveryRouteKnowsWhomItServes(t *testing.T) {
	world.Each(t, func(w *world.World) {
		v := gather(w)
		target := url.Values{"target": {string(v.connection) + ":live"}}
		const anybody = 0 // the answer does not depend on who asks
		routes := map[string]struct {
			nobody, stranger, member int
			form                     url.Values
		}{
			"GET /static/{file}": {}, "GET /healthz": {}, "GET /readyz": {}, "POST /signin": {}, "GET /login/{connection}": {}, "GET /signed-out": {},
			"GET /saml/{connection}/metadata": {}, "POST /saml/{connection}/acs": {}, "GET /saml/{connection}/slo": {}, "POST /saml/{connection}/slo": {},
			"GET /oidc/{connection}/initiate": {}, "POST /oidc/{connection}/initiate": {}, "GET /oidc/{connection}/callback": {},
			"POST /oidc/{connection}/callback": {}, "POST /oidc/{connection}/backchannel-logout": {},
			"GET /ticket/{token}": {nobody: 303, stranger: 404, member: 404}, "POST /ticket/{token}": {nobody: 401, stranger: 404, member: 404},
			"GET /recover": {}, "POST /recover": {form: url.Values{"account": {"nobody"}}}, "GET /recovery/{token}": {}, "POST /recovery/{token}": {},
			"GET /o/{org}/contact": {nobody: 401, stranger: 404, member: 200}, "POST /o/{org}/contact": {nobody: 401, stranger: 404, member: 200, form: url.Values{"subject": {"Hello"}, "text": {"A word."}}},
			"GET /account/notifications": {nobody: 401, stranger: 200, member: 200}, "POST /account/notifications": {nobody: 401, stranger: 303, member: 303, form: url.Values{"later": {"1"}}},
			"GET /unsubscribe/{token}": {}, "POST /unsubscribe/{token}": {},
			"GET /account/recovery": {nobody: 401, stranger: 200, member: 403}, "POST /account/recovery": {nobody: 401, stranger: 400, member: 403, form: url.Values{"do": {"nothing"}}},
			"GET /login-test/start/{connection}/{ticket}": {}, "GET /setup/{token}": {}, "POST /setup/{token}": {}, "/api/v1/": {},
			"POST /scim/{connection}/oauth/token": {}, // a client of the connection, and no browser: TestAProviderFetchesItsTokens
			"/scim/{connection}/v2/{rest...}":     {}, // a token of the connection, and no browser: TestTwoTenantsNeverSeeEachOther
			// a credential of the stream, or a token of the transmitter, and no browser: TestTheDoorOfEventsRefuses
			"/events/{stream}": {}, "/events/{stream}/{credential}": {}, "/events/{stream}/global-token-revocation": {},
			"POST /keys/verify": {}, // whoever has a key may ask about it
			// a transmitter's documents; and what a receiver does with a token of its own, and no browser: TestAStreamIsManagedByItsReceiverAlone
			"GET /.well-known/ssf-configuration/ssf/{account}": {}, "GET /.well-known/risc-configuration/ssf/{account}": {}, "GET /ssf/{account}/jwks": {},
			"GET /.well-known/oauth-authorization-server/ssf/{account}": {}, "GET /.well-known/oauth-protected-resource/ssf/{account}": {},
			"POST /ssf/{account}/token":  {nobody: 400, stranger: 400, member: 400},
			"POST /ssf/{account}/stream": {nobody: 401, stranger: 401, member: 401}, "GET /ssf/{account}/stream": {nobody: 401, stranger: 401, member: 401},
			"PATCH /ssf/{account}/stream": {nobody: 401, stranger: 401, member: 401}, "PUT /ssf/{account}/stream": {nobody: 401, stranger: 401, member: 401},
			"DELETE /ssf/{account}/stream": {nobody: 401, stranger: 401, member: 401}, "GET /ssf/{account}/status": {nobody: 401, stranger: 401, member: 401},
			"POST /ssf/{account}/status": {nobody: 401, stranger: 401, member: 401}, "POST /ssf/{account}/verify": {nobody: 401, stranger: 401, member: 401},
			"POST /ssf/{account}/subjects:add": {nobody: 401, stranger: 401, member: 401}, "POST /ssf/{account}/subjects:remove": {nobody: 401, stranger: 401, member: 401},
			"POST /ssf/{account}/poll/{stream}": {nobody: 401, stranger: 401, member: 401},
			// one's own
			"GET /activate/{token}": {nobody: 404, stranger: 404, member: 404}, "POST /activate/{token}": {nobody: 401, stranger: 404, member: 404},
			"GET /activate/{token}/transfer": {nobody: 401, stranger: 404, member: 404}, "POST /activate/{token}/transfer": {nobody: 401, stranger: 404, member: 404},
			"GET /register": {nobody: 200, stranger: 303, member: 303}, "GET /register/certificate": {nobody: 401, stranger: 200, member: 200},
			"POST /register/certificate": {nobody: 401, stranger: 422, member: 422}, "POST /register/account": {nobody: 401, stranger: 422, member: 422},
			"GET /activate-code": {nobody: 401, stranger: 200, member: 200}, "POST /activate-code": {nobody: 401, stranger: 422, member: 422},
			"POST /activate-code/request": {nobody: 401, stranger: 422, member: 422}, "GET /services": {nobody: 401, stranger: 303, member: 303},
			"GET /o/{org}/services": {nobody: 401, stranger: 404, member: 200}, "GET /o/{org}/subscriptions": {nobody: 401, stranger: 404, member: 200},
			"GET /invitation/{token}": {}, "POST /invitation/{token}": {nobody: 401, stranger: 404, member: 404}, "POST /invitation/{token}/ask": {},
			"GET /group-invitation/{token}": {}, "POST /group-invitation/{token}": {nobody: 401, stranger: 404, member: 404},
			"GET /groups": {nobody: 401, stranger: 200, member: 200}, "GET /groups/{group}": {nobody: 401, stranger: 404, member: 404},
			"POST /groups/{group}/invite":                   {nobody: 401, stranger: 404, member: 404, form: url.Values{"emails": {"x@elsewhere.example"}, "role": {"member"}}},
			"POST /groups/{group}/invitations/{invitation}": {nobody: 401, stranger: 404, member: 404}, "POST /groups/{group}/members/{user}": {nobody: 401, stranger: 404, member: 404},
			"GET /o/{org}/groups": {nobody: 401, stranger: 404, member: 403},
			// whoever wants an identity, or has one and a password
			"GET /signin/password": {}, "POST /signin/password": {}, "GET /signup": {}, "POST /signup": {}, "POST /verify": {}, "POST /verify/resend": {},
			"GET /verify/{token}": {}, "POST /verify/{token}": {}, "GET /password/forgot": {}, "POST /password/forgot": {},
			"GET /password/reset/{token}": {}, "POST /password/reset/{token}": {}, "GET /verify": {nobody: 303, stranger: 303, member: 303},
			"GET /signin/confirm": {nobody: 401, stranger: 303, member: 303}, "POST /signin/confirm": {nobody: 401, stranger: 409, member: 409},
			"GET /welcome": {nobody: 401, stranger: 200, member: 200}, "POST /welcome": {nobody: 401, stranger: 303, member: 303},
			"GET /second-factor": {nobody: 303, stranger: 303, member: 303}, "POST /second-factor": {nobody: 401, stranger: 401, member: 401},
			"GET /account/security": {nobody: 401, stranger: 200, member: 200}, "POST /account/security/begin": {nobody: 401, stranger: 422, member: 422},
			"POST /account/security/confirm": {nobody: 401, stranger: 404, member: 404}, "POST /account/security/remove": {nobody: 401, stranger: 303, member: 303},
			"POST /account/security/codes": {nobody: 401, stranger: 409, member: 409}, "POST /account/security/later": {nobody: 401, stranger: 303, member: 303},
			"GET /terms": {nobody: 401, stranger: 303, member: 303}, "POST /terms": {nobody: 401, stranger: 303, member: 303},
			"GET /signin": {nobody: 200, stranger: 303, member: 303}, "GET /session": {nobody: 401, stranger: 200, member: 200},
			"GET /signout": {nobody: 303, stranger: 303, member: 303}, "GET /{$}": {nobody: 303, stranger: 200, member: 200},
			"GET /choose": {nobody: 401, stranger: 303, member: 303}, "GET /no-access": {nobody: 401, stranger: 303, member: 303},
			"POST /choose":      {nobody: 401, stranger: 404, member: 404, form: url.Values{"account": {"acc_01kkp3v8m2q7r4c9tdyz5x6w1n"}}},
			"POST /signout":     {nobody: 303, stranger: 403, member: 403, form: url.Values{session.FormField: {"forged"}}},
			"GET /account/new":  {nobody: 401, stranger: 200, member: 200},
			"POST /account/new": {nobody: 401, stranger: 422, member: 422, form: url.Values{"name": {"two words"}}},
			// for those who manage acme; the stranger manages globex
			"GET /login-test":                      {nobody: 401, stranger: 200, member: 403},
			"POST /login-test":                     {nobody: 401, stranger: 404, member: 403, form: target},
			"GET /login-test/{diagnosis}":          {nobody: 200, stranger: 200, member: 200}, // that the test is over
			"POST /login-test/{diagnosis}/confirm": {nobody: 401, stranger: 404, member: 403},
		}
		var patterns []string
		for _, rt := range w.House.Routes() {
			patterns = append(patterns, rt.Pattern)
			want, known := routes[rt.Pattern]
			if !known {
				w.Errorf("%s is new: say here whom it serves", rt.Pattern)
				continue
			}
			method, path, found := strings.Cut(rt.Pattern, " ")
			if !found {
				continue // the API has a walk of its own
			}
			path = strings.NewReplacer("{$}", "", "{ticket}", "none.none", "{token}", "none", "{file}", "none").Replace(v.fill(path))
			visit := func(b *world.Browser) reply {
				w.Helper()
				if method == "GET" {
					return ask(w, b, method, path, nil)
				}
				form := url.Values{}
				for k, values := range want.form {
					form[k] = values
				}
				if b != nil && !form.Has(session.FormField) {
					token, _ := b.Cookie(w.URL, session.Cookie)
					form.Set(session.FormField, session.FormToken(account.NewSecret(token)))
				}
				return ask(w, b, method, path, form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
			}
			answers := []reply{visit(nil), visit(v.stranger), visit(v.member)}
			for i, status := range []int{want.nobody, want.stranger, want.member} {
				if status == anybody {
					status = answers[0].status
				}
				answers[i].is(status)
				noSecrets(answers[i])
				if strings.Contains(answers[i].body, "Ana Ruiz") || strings.Contains(answers[i].body, "Engineering") {
					w.Errorf("%s tells visitor %d: %s", rt.Pattern, i, answers[i].brief())
				}
			}
		}
		for p := range routes {
			if !slices.Contains(patterns, p) {
				w.Errorf("%s is not in the route table any more", p)
			}
		}
	})
}
