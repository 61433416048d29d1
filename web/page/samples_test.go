package page

import (
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// A sample is one state of a page that somebody can meet; tests read it and TestGallery photographs it.
type sample struct {
	name   string
	status int
	page   Page
}

var noon = time.Date(2026, 3, 14, 9, 12, 40, 0, time.UTC)

const dx = account.DiagnosisID("dx_01kkp3v8m2q7r4c9tdyz5x6w1n")

var (
	ana  = Who{Email: "ana.ruiz@acme.example", Name: "Ana Ruiz", Org: "Acme Robotics", Token: "t0k3n"}
	acme = Org{Name: "acme", Title: "Acme Robotics", Type: account.Enterprise}
)

var (
	suite = OfferView{Label: "Enterprise suite", Details: "The enterprise software, a private registry and private functions, for a year.", Term: "1 year",
		Note: "Early access, until the summer.", Email: "ana.ruiz@acme.example", Until: noon}
	cards = []ServiceCard{{ID: "catalog", Label: "Catalog"}, {ID: "enterprise", Label: "Enterprise software", Premium: true, Launch: "https://suite.example/", Brought: "Enterprise suite"}}
)

func offered(all bool) OfferPlaces {
	return OfferPlaces{Verb: "Activate Product", All: all, More: "/activate/t0k3n?all=1",
		Owned: []OfferPlace{{Account: "acc_2", Name: "ruiz", Org: Org{Name: "ruiz", Type: account.Individual}, Owner: true},
			{Account: "acc_4", Name: "acme", Org: acme, Owner: true, Subscriptions: []string{"Registry trial"}, Why: "Enterprise suite is active on acme already, without an end. Choose another account."}},
		Others: []OfferPlace{{Account: "acc_3", Name: "globex", Org: Org{Name: "globex", Type: account.Enterprise}, OwnerEmail: "olaf@globex.example", Transfer: "/activate/t0k3n/transfer?account=acc_3"},
			{Account: "acc_5", Name: "initech", Org: Org{Name: "initech", Type: account.Enterprise}, OwnerEmail: "ida@initech.example", Ask: "/contact?account=acc_5"}}}
}

var someTerms = []Term{{ID: "terms", Label: "terms of use", Version: "2030-01", URL: "https://acme.example/terms", Before: "2029-06"},
	{ID: "privacy", Label: "privacy policy", Version: "3", URL: "https://acme.example/privacy", Checked: true}}

var samples = []sample{
	{"sign-in", 200, SignIn{Next: "/o/acme/teams"}},
	{"sign-in-notice", 200, SignIn{Email: "ana.ruiz@acme.example", Notice: "Your session ended after 12 hours. Sign in again to go on."}},
	{"sign-in-error", 422, SignIn{Email: "ana.ruiz@", Error: &FieldError{
		Field: "email", Message: "Expected one e-mail address such as ana@acme.example, received “ana.ruiz@”.", Fix: "Add what follows the @."}}},
	{"continue", 200, Continue{Email: "ana.ruiz@acme.example", Provider: "Contoso", URL: "/login/con_01kkp3v8m2q7r4c9tdyz5x6w1n?next=%2F"}},
	{"auto-post", 200, AutoPost{Title: "Continue to Contoso", Action: "https://idp.contoso.example/sso/saml",
		Fields: []Field{{"SAMLRequest", "PHNhbWxwOkF1dGhuUmVxdWVzdC8+"}, {"RelayState", "r3lay"}}}},
	{"refused", 403, Refused{What: "Contoso signed you in, but its answer was not accepted here.", Diagnosis: dx, MailTo: "it@acme.example"}},
	{"refused-quote", 403, Refused{What: "Contoso did not sign you in. It says:", Diagnosis: dx,
		Quote: "AADSTS50105: The signed in user is not assigned to a role for the application."}},
	{"already-used", 409, AlreadyUsed{SignedIn: true}},
	{"already-used-signed-out", 409, AlreadyUsed{}},
	{"setup", 200, Setup{Path: "/setup/t0k3n"}},
	{"setup-error", 422, Setup{Path: "/setup/t0k3n", Name: "Acme Robotics", Email: "ana.ruiz@acme.example", Error: &FieldError{
		Field: "name", Message: "An account name has no spaces, “Acme Robotics” has.", Fix: "Use “Acme-Robotics”."}}},
	{"account-new", 200, AccountNew{Who: ana}},
	{"account-new-error", 422, AccountNew{Who: ana, Name: "Acme Robotics", Next: "/choose", Error: &FieldError{
		Field: "name", Message: "An account name has no spaces, “Acme Robotics” has.", Fix: "Use “Acme-Robotics”."}}},
	{"invitation", 200, Invitation{Path: "/invitation/t0k3n", Org: acme, Inviter: "olga.holm@acme.example", Email: "ana.ruiz@acme.example", Role: "Administrator",
		Message: "Hello Ana,\n\nthis is for the <b>registry</b> of the new robots.", State: account.LinkPending, Until: noon.Add(6 * time.Hour),
		Scopes: []Scope{{Roles: []Role{{Label: "User admin"}, {Label: "Registry Writer"}}}, {Team: "build", Roles: []Role{{Label: "Functions Developer"}}}},
		SignIn: "/signin?next=%2Finvitation%2Ft0k3n", SignUp: "/signup?next=%2Finvitation%2Ft0k3n"}},
	{"invitation-accept", 200, Invitation{Who: &ana, Path: "/invitation/t0k3n", Org: acme, Email: "ana.ruiz@acme.example", Role: "Member", State: account.LinkPending, Until: noon}},
	{"invitation-again", 200, Invitation{Who: &ana, Path: "/invitation/t0k3n", Org: acme, Email: "ana.ruiz@acme.example", Role: "Member", State: account.LinkPending, Until: noon,
		Again: true, SignIn: "/signin/confirm?next=%2Finvitation%2Ft0k3n"}},
	{"invitation-wrong", 200, Invitation{Who: &ana, Path: "/invitation/t0k3n", Org: acme, Email: "ben.okoye@acme.example", Role: "Member", State: account.LinkPending, Until: noon, Wrong: true}},
	{"invitation-refused", 409, Invitation{Who: &ana, Path: "/invitation/t0k3n", Org: acme, Email: "ana.ruiz@acme.example", Role: "Administrator", State: account.LinkPending, Until: noon,
		Refusal: "acme has its limit of 3 owners.", Fix: "Remove one of them first."}},
	{"invitation-expired", 200, Invitation{Path: "/invitation/t0k3n", Org: acme, Inviter: "olga.holm@acme.example", State: account.LinkExpired, Until: noon}},
	{"invitation-asked", 200, Invitation{Path: "/invitation/t0k3n", Org: acme, Inviter: "olga.holm@acme.example", State: account.LinkExpired, Until: noon, Asked: true}},
	{"invitation-mine", 200, Invitation{Who: &ana, Path: "/invitation/t0k3n", Org: acme, Role: "Member", State: account.LinkAccepted, Mine: true,
		Left: []Scope{{Roles: []Role{{Label: "Functions Developer"}}}}}},
	{"invitation-used", 200, Invitation{Path: "/invitation/t0k3n", Org: acme, State: account.LinkAccepted}},
	{"invitation-revoked", 200, Invitation{Path: "/invitation/t0k3n", Org: acme, Inviter: "olga.holm@acme.example", State: account.LinkRevoked}},
	{"group-invitation", 200, GroupInvitation{Path: "/group-invitation/t0k3n", Org: acme, Group: "Project Alpha", Inviter: "olga@acme.example", Email: "gus@globex.example", Role: account.Operator,
		Message: "Acme Robotics asks you to look after its members in the group Project Alpha.", Until: noon, State: account.LinkPending, SignIn: "/signin", SignUp: "/signup"}},
	{"group-invitation-accept", 200, GroupInvitation{Who: &ana, Path: "/group-invitation/t0k3n", Org: acme, Group: "Project Alpha", Inviter: "olga@acme.example", Email: ana.Email, Role: account.Member,
		Until: noon, State: account.LinkPending}},
	{"group-invitation-refused", 403, GroupInvitation{Who: &ana, Path: "/group-invitation/t0k3n", Org: acme, Group: "Project Alpha", Inviter: "olga@acme.example", Email: "gus@globex.example", Role: account.Member,
		Until: noon, State: account.LinkPending, Wrong: true, Refusal: "This invitation is for another address than ana.ruiz@acme.example.", Fix: "Sign out, and sign in with the address that it was sent to."}},
	{"group-invitation-expired", 200, GroupInvitation{Path: "/group-invitation/t0k3n", Org: acme, Group: "Project Alpha", Inviter: "olga@acme.example", Email: "gus@globex.example", Role: account.Member, Until: noon, State: account.LinkExpired}},
	{"external-groups", 200, ExternalGroups{Who: ana, Groups: []GroupRow{{ID: "grp_1", Name: "Project Alpha", Org: Org{Name: "globex", Type: account.Enterprise}, Role: account.Operator}}}},
	{"external-groups-org", 200, ExternalGroups{Who: ana, Org: &acme, Groups: []GroupRow{{ID: "grp_1", Name: "Project Alpha", Org: acme, Role: account.Admin, Taken: 12, Pending: 3, Seats: 1000},
		{ID: "grp_2", Name: "A partner with quite a long name of several words", Org: acme, Taken: 998, Pending: 2, Seats: 1000}}}},
	{"external-groups-none", 200, ExternalGroups{Who: ana}},
	{"external-group", 200, ExternalGroup{Who: ana, Path: "/groups/grp_1", Name: "Project Alpha", Description: "Partners who work on Alpha.", Org: acme, Role: account.Admin, Manages: true, Sees: true, Invites: true,
		Roles:  []GroupRole{{account.Member, "Uses what the group gives.", true}, {account.Operator, "Invites and removes members.", false}, {account.Admin, "Invites and removes admins, operators and members.", false}},
		Scopes: []Scope{{Roles: []Role{{Label: "Registry Reader", Role: "registry:reader"}}}, {Team: "research", Roles: []Role{{Label: "Registry Writer", Role: "registry:writer"}}}},
		Denied: []string{"Catalog Reader is of no use now. Catalog needs the subscription Starter, which acme holds no longer."}, Taken: 2, Pending: 1, Seats: 1000,
		Invitations: []GroupAsked{{ID: "giv_1", Email: "hana@globex.example", Role: account.Member, Until: noon, Mine: true}, {ID: "giv_2", Email: "max@partner.example", Role: account.Operator, Until: noon.Add(-time.Hour), Expired: true, Mine: true}},
		Members:     []GroupMember{{ID: "usr_1", Email: ana.Email, Name: "Ana Ruiz", Role: account.Admin, Since: noon, Mine: true}, {ID: "usr_2", Email: "gus@globex.example", Role: account.Member, Since: noon, Shut: true, Mine: true}},
		Form:        GroupForm{Subject: "Invitation to join Project Alpha of Acme Robotics", Message: "Acme Robotics gives you access to what it shares with Project Alpha.", Expires: "7d"}, Said: "The invitation is on its way again."}},
	{"external-group-error", 422, ExternalGroup{Who: ana, Path: "/groups/grp_1", Name: "Project Alpha", Org: acme, Role: account.Operator, Sees: true, Invites: true, Seats: 1000,
		Roles: []GroupRole{{account.Member, "Uses what the group gives.", true}}, Form: GroupForm{Emails: "x@partner.example", Expires: "10m"},
		Error: &FieldError{Field: "expires", Message: "A link is good for 1 hour to 30 days.", Fix: "Choose an expiry in between."}}},
	{"external-group-owner", 200, ExternalGroup{Who: ana, Path: "/groups/grp_1", Name: "Project Alpha", Org: acme, Manages: true, Sees: true, Seats: 1000}},
	{"external-group-member", 200, ExternalGroup{Who: ana, Path: "/groups/grp_1", Name: "Project Alpha", Org: acme, Role: account.Member,
		Scopes: []Scope{{Roles: []Role{{Label: "Registry Reader", Role: "registry:reader"}}}}}},
	{"signed-out", 200, SignedOut{Provider: "Contoso"}},
	{"recover", 200, Recover{}},
	{"ticket", 200, Ticket{Who: ana, Path: "/ticket/t0k3n", ID: "tkt_01kkp3v8m2q7r4c9tdyz5x6w1n", Connection: "okta"}},
	{"ticket-taken", 200, Ticket{Who: ana, ID: "tkt_01kkp3v8m2q7r4c9tdyz5x6w1n", Connection: "okta", Done: true}},
	{"contact", 200, Contact{Who: ana, Org: acme, Templates: account.ContactTemplates(account.Org{Name: "acme"}, "build"), Teams: []string{"build", "research"}, Template: "team_access", Team: "build",
		Subject: "Access to team build of acme", Text: "Hello,\n\nplease give me access."}},
	{"contact-error", 422, Contact{Who: ana, Org: acme, Templates: account.ContactTemplates(account.Org{Name: "acme"}, ""), Template: "product_request", Text: "Hello",
		Error: &FieldError{Field: "subject", Message: "A subject has 1 to 150 bytes."}}},
	{"contact-sent", 200, Contact{Who: ana, Org: acme, Sent: 2}},
	{"notifications", 200, Notifications{Who: ana, Saved: true, Sections: []NotificationSection{
		{Service: "portal", Label: "This portal", Kinds: []NotificationKind{{"portal/maintenance", "Scheduled maintenance", true}}},
		{Service: "registry", Label: "Private Registry", Orgs: []string{"acme"}, Kinds: []NotificationKind{{"registry/release_notes", "Release notes", false}, {"registry/security", "Security vulnerabilities and scan reports", true}}},
	}}},
	{"unsubscribe", 200, Unsubscribe{Path: "/unsubscribe/t0k3n", Service: "Private Registry", Kind: "Release notes"}},
	{"unsubscribed", 200, Unsubscribe{Service: "Private Registry", Kind: "Release notes", Done: true}},
	{"recover-error", 422, Recover{Error: &FieldError{Field: "account", Message: "Say which account.", Fix: "Type its number, its name, or your address."}}},
	{"recover-asked", 200, Recover{Asked: true}},
	{"recovery-link", 200, RecoveryLink{Path: "/recovery/t0k3n", Purpose: account.RecoveryEnter, Org: acme, Email: "rescue@backup.example"}},
	{"recovery-link-factor", 422, RecoveryLink{Path: "/recovery/t0k3n", Purpose: account.RecoveryEnter, Org: acme, Factor: true,
		Error: &FieldError{Field: "code", Message: "This is not the code.", Fix: "Wait for the next one."}}},
	{"recovery-verify", 200, RecoveryLink{Path: "/recovery/t0k3n", Purpose: account.RecoveryVerify, Org: acme, Email: "rescue@backup.example"}},
	{"recovery-verified", 200, RecoveryLink{Purpose: account.RecoveryVerify, Org: acme, Email: "rescue@backup.example", Done: true}},
	{"recovery-rehearsed", 200, RecoveryLink{Purpose: account.RecoveryRehearse, Org: acme, Done: true}},
	{"recovery-none", 200, Recovery{Who: ana, Org: acme, Owner: "ana.ruiz@acme.example", State: account.RecoveryNone, MayChange: true}},
	{"recovery-pending", 422, Recovery{Who: ana, Org: acme, Owner: "ana.ruiz@acme.example", State: account.RecoveryPending, Email: "rescue@backup.example", Verified: noon, Rehearsed: noon,
		Pending: "board@acme.example", MayChange: true, Typed: "ana.ruiz@acme.example", Error: &FieldError{Field: "email", Message: "This is an owner’s own address.", Fix: "Choose another one."}}},
	{"recovery-emergency", 200, Recovery{Who: Who{Email: "ana.ruiz@acme.example", Org: "Acme Robotics", Token: "t0k3n", BreakGlass: noon.Add(time.Hour)}, Org: acme,
		Owner: "ana.ruiz@acme.example", State: account.RecoveryVerified, Email: "rescue@backup.example", Verified: noon, Used: noon, MayChange: true, Emergency: true,
		Said: "A letter is on its way."}},
	{"home", 200, Home{
		Who: ana, Account: "acme", Number: "204817356", Org: acme,
		AccountRole: "Administrator", AccountWhy: []string{"granted by hand on 2 Feb 2026"},
		Scopes: []Scope{
			{Roles: []Role{
				{Label: "User admin", Role: "user_admin", Help: "Invites people and gives roles.", Why: []string{"rule “People team”, because Okta says people-ops"}},
				{Label: "Private Registry Admin", Role: "private_registry:admin", Help: "Everything in the registry.", Why: []string{
					"rule “Engineering admins”, because Okta says eng-admins", "granted by hand on 11 Jan 2026"}},
			}},
			{Team: "build", Roles: []Role{{Label: "Private Registry Writer", Role: "private_registry:writer", Help: "Pushes and pulls images.",
				Why: []string{"rule “Build team”, because Okta says team-build"}}}},
		},
		Groups:     Groups{State: account.GroupsComplete, Values: []string{"everyone", "eng-admins", "people-ops", "team-build", "vpn-users-madrid"}},
		Connection: "Okta", SignedInAt: noon, ExpiresAt: noon.Add(12 * time.Hour),
		Places:  []Place{{Account: "acc_2", Name: "ruiz", Org: Org{Name: "ruiz", Type: account.Individual}, Role: "Owner", Owner: true}},
		MayTest: true,
	}},
	{"home-bare", 200, Home{
		Who: Who{Email: "a.very.long.address.of.somebody.with.a.long.name@engineering.globex.example", Org: "globex"}, Account: "globex", Number: "117",
		Org: Org{Name: "globex", Type: account.Individual}, AccountRole: "Member",
		Groups: Groups{State: account.GroupsUnknown, Why: "The groups claim was absent."}, Connection: "Entra", SignedInAt: noon, ExpiresAt: noon.Add(time.Hour),
	}},
	{"choose", 200, Choose{Who: Who{Email: "ana.ruiz@acme.example", Name: "Ana Ruiz", Token: "t0k3n"}, Next: "/o/acme", Places: []Place{
		{Account: "acc_1", Name: "acme", Org: acme, Role: "Administrator", Current: true},
		{Account: "acc_2", Name: "ruiz", Org: Org{Name: "ruiz", Type: account.Individual}, Role: "Owner", Owner: true},
		{Account: "acc_3", Name: "globex", Org: Org{Name: "globex-international-manufacturing", Title: "Globex International Manufacturing and Logistics", Type: account.Enterprise}, Role: "Member"},
	}}},
	{"activate", 200, Activate{Path: "/activate/t0k3n", Offer: suite, State: account.LinkPending, SignIn: "/signin", SignUp: "/signup"}},
	{"activate-wrong", 200, Activate{Who: &ana, Path: "/activate/t0k3n", Offer: suite, State: account.LinkPending, Wrong: true}},
	{"activate-choose", 200, Activate{Who: &ana, Path: "/activate/t0k3n", Offer: suite, State: account.LinkPending, Places: offered(true)}},
	{"activate-error", 422, Activate{Who: &ana, Path: "/activate/t0k3n", Offer: suite, State: account.LinkPending, Places: offered(false),
		Error: &FieldError{Field: "name", Message: "There is an account or org called like that already.", Fix: "Use “ruiz-2”, for instance."}}},
	{"activate-used", 200, Activate{Offer: suite, State: account.LinkAccepted, EndedAt: noon}},
	{"activate-transferred", 200, Activate{Who: &ana, Offer: suite, State: account.LinkTransferred, EndedAt: noon}},
	{"activate-expired", 200, Activate{Offer: suite, State: account.LinkExpired}},
	{"transfer", 200, Transfer{Who: ana, Path: "/x", Back: "/y", Offer: suite, Account: "acc_3", Name: "globex", Owner: "olaf@globex.example",
		Message: "I was invited to activate Enterprise suite, and would like to use it in the account globex, which you own. Please activate it there."}},
	{"transferred", 200, Transferred{Who: ana, Offer: suite, Name: "globex", Owner: "olaf@globex.example"}},
	{"activated", 200, Activated{Who: ana, Label: "Enterprise suite", Org: Org{Name: "ruiz", Type: account.Enterprise}}},
	{"register", 200, Register{SignIn: "/signin?next=%2Fregister%2Fcertificate", SignUp: "/signup?next=%2Fregister%2Fcertificate"}},
	{"register-certificate", 422, RegisterCertificate{Who: ana, Fields: []FormField{
		{Name: "number", Label: "Certificate number", Type: "text", Hint: "20 letters and digits, as the certificate shows it.", Value: "AB12C-9KQ2M-00000-ZZZZ9"},
		{Name: "phone", Label: "Phone", Type: "tel", Complete: "tel", Error: &FieldError{Field: "phone", Message: "Your phone number is missing.", Fix: "Fill it in."}},
		{Name: "address", Label: "Address", Type: "lines", Complete: "street-address", Error: &FieldError{Field: "address", Message: "Your address is missing.", Fix: "Fill it in."}},
		{Name: "company", Label: "Company", Type: "text", Optional: true}},
		Errors: []FieldError{{Field: "phone", Message: "Your phone number is missing."}, {Field: "address", Message: "Your address is missing."}}}},
	{"register-account", 200, RegisterAccount{Who: ana, Offer: suite, Places: offered(true), Kept: []Field{{"number", "AB12C-9KQ2M-00000-ZZZZ9"}}}},
	{"register-account-none", 200, RegisterAccount{Who: ana, Offer: suite, Places: OfferPlaces{Verb: "Activate"}}},
	{"activate-code", 200, ActivateCode{Who: ana, Fields: []FormField{{Name: "company", Label: "Company", Type: "text", Complete: "organization"},
		{Name: "codes", Label: "Serial numbers or activation codes", Type: "lines", Hint: "One or more, with commas in between."}}}},
	{"review-codes", 200, ReviewCodes{Who: ana, Codes: []CodeRow{{"GPU-1", true, "Enterprise suite"}, {"B2", false, "Nobody here knows it. Check its spelling."}}, Bad: 1,
		Kept: []Field{{"codes", "GPU-1, B2"}}}},
	{"review-codes-good", 200, ReviewCodes{Who: ana, Codes: []CodeRow{{"GPU-1", true, "Enterprise suite"}, {"GPU-2", true, "Enterprise suite"}}, Places: offered(false)}},
	{"subscriptions", 200, Subscriptions{Who: ana, Org: acme, Activated: true, Owner: true, Services: cards, Active: []SubscriptionRow{
		{Label: "Enterprise suite", Services: []string{"Enterprise software", "Registry"}, From: noon, Until: noon.AddDate(1, 0, 0), Quantity: 8, Source: "activation codes", State: "Active"}},
		Past: []SubscriptionRow{{Label: "Registry trial", Services: []string{"Registry"}, From: noon.AddDate(0, -6, 0), Until: noon.AddDate(0, -3, 0), Quantity: 1, Source: "an invitation", State: "Ended"}}}},
	{"subscriptions-none", 200, Subscriptions{Who: ana, Org: Org{Name: "ruiz", Type: account.Individual}}},
	{"services", 200, Services{Who: ana, Org: acme, Services: cards}},
	{"password", 200, Password{Email: "ana.ruiz@acme.example", Next: "/o/acme", Provider: "Okta", URL: "/login/con_01kkp3v8m2q7r4c9tdyz5x6w1n"}},
	{"password-wrong", 403, Password{Email: "ana.ruiz@acme.example", Errors: FieldErrors{{Field: "password", Message: "This address and this password do not belong together.",
		Fix: "Try again, or have a link sent by which you choose a new password."}}}},
	{"sign-up", 200, SignUp{Rule: []string{"at least 9 characters", "an upper-case letter", "a digit"}, Terms: someTerms}},
	{"sign-up-wrong", 422, SignUp{Email: "ana.ruiz@", Next: "/account/new", Rule: []string{"at least 9 characters", "an upper-case letter", "a digit"}, Terms: someTerms, Errors: FieldErrors{
		{Field: "email", Message: "Expected one e-mail address such as ana@acme.example."}, {Field: "password", Message: "The password needs a digit."},
		{Field: "password", Message: "The password needs an upper-case letter."}, {Field: "confirmation", Message: "The two passwords differ.", Fix: "Type the same one twice."},
		{Field: "terms", Message: "Agree to the terms of use first."}}}},
	{"verify", 200, Verify{Email: "ana.ruiz@acme.example", TriesLeft: 5, LettersLeft: 4, ExpiresAt: noon}},
	{"verify-wrong", 422, Verify{Email: "ana.ruiz@acme.example", TriesLeft: 1, LettersLeft: 4, ExpiresAt: noon, Error: &FieldError{Field: "code", Message: "This is not the code of the newest letter.", Fix: "You can try once more."}}},
	{"verify-sent", 200, Verify{Email: "ana.ruiz@acme.example", ExpiresAt: noon, Sent: true}},
	{"verify-link", 200, VerifyLink{Email: "ana.ruiz@acme.example", Path: "/verify/t0k3n", Mine: true}},
	{"verify-link-elsewhere", 403, VerifyLink{Email: "ana.ruiz@acme.example", Path: "/verify/t0k3n", Errors: FieldErrors{{Field: "password", Message: "This is not the password that was chosen when signing up."}}}},
	{"verified", 200, Verified{Email: "ana.ruiz@acme.example"}},
	{"welcome", 200, Welcome{Who: Who{Email: "ana.ruiz@acme.example", Token: "t0k3n"}, Next: "/account/new"}},
	{"forgot", 200, Forgot{Email: "ana.ruiz@acme.example"}},
	{"forgot-wrong", 422, Forgot{Email: "ana.ruiz@", Error: &FieldError{Field: "email", Message: "Expected one e-mail address."}}},
	{"forgot-sent", 200, Forgot{Email: "ana.ruiz@acme.example", Sent: true}},
	{"new-password", 200, NewPassword{Email: "ana.ruiz@acme.example", Path: "/password/reset/t0k3n", Rule: []string{"at least 9 characters", "a digit"}}},
	{"new-password-wrong", 422, NewPassword{Email: "ana.ruiz@acme.example", Path: "/password/reset/t0k3n", Rule: []string{"at least 9 characters", "a digit"},
		Errors: FieldErrors{{Field: "password", Message: "The password needs a digit."}}}},
	{"confirm", 200, ConfirmPassword{Who: ana, Next: "/setup/api-keys"}},
	{"confirm-wrong", 403, ConfirmPassword{Who: ana, Errors: FieldErrors{{Field: "password", Message: "This is not your password.", Fix: "Try again."}}}},
	{"terms", 200, AgreeTerms{Who: ana, Next: "/o/acme", Terms: someTerms}},
	{"terms-wrong", 422, AgreeTerms{Who: ana, Terms: someTerms, Errors: FieldErrors{{Field: "terms", Message: "Agree to the terms of use first."}}}},
	{"second-factor", 200, SecondFactor{Email: "ana.ruiz@acme.example"}},
	{"second-factor-wrong", 403, SecondFactor{Email: "ana.ruiz@acme.example", Errors: FieldErrors{{Field: "code", Message: "That is not the code of this moment.", Fix: "Each works once."}}}},
	{"security", 200, Security{Who: ana}},
	{"security-set", 200, Security{Who: ana, Factors: []account.Factor{{ID: "fac_1", Kind: account.TOTP, Name: "phone", CreatedAt: noon, UsedAt: noon}}, Codes: 9,
		Errors: FieldErrors{{Field: "name", Message: "A second factor's name has 1 to 100 printable characters.", Fix: "For instance \"phone\"."}}}},
	{"enrol-factor", 200, EnrolFactor{Who: ana, ID: "fac_1", Secret: "JBSW Y3DP EHPK 3PXP", URI: "otpauth://totp/login.acme.example:ana.ruiz@acme.example?issuer=login.acme.example&secret=JBSWY3DPEHPK3PXP"}},
	{"enrol-factor-wrong", 422, EnrolFactor{Who: ana, ID: "fac_1", Errors: FieldErrors{{Field: "code", Message: "That is not the code of this moment."}}}},
	{"recovery-codes", 200, RecoveryCodes{Who: ana, Codes: []string{"abcd-efgh-ijkl-mnop", "qrst-uvwx-yz23-4567"}}},
	{"no-account", 200, NoAccount{Who: Who{Email: "ana.ruiz@acme.example", Token: "t0k3n"}}},
	{"no-access", 200, NoAccess{Who: ana, Org: acme, Provider: "Okta", Diagnosis: dx, Contact: "it@acme.example",
		Groups: Groups{State: account.GroupsComplete, Values: []string{"everyone", "vpn-users-madrid"}}}},
	{"no-access-no-claim", 200, NoAccess{Who: ana, Org: acme, Provider: "Okta", Diagnosis: dx,
		Groups: Groups{State: account.GroupsUnknown, Why: "The groups claim was absent."}}},
	{"login-test", 200, LoginTestStart{Who: ana, Org: acme, Choices: []TestChoice{
		{Value: "con_1:draft", Name: "Okta", Kind: account.KindOkta, Protocol: account.OIDC, Which: account.Draft, Selected: true},
		{Value: "con_1:live", Name: "Okta", Kind: account.KindOkta, Protocol: account.OIDC, Which: account.Live},
		{Value: "con_2:live", Name: "Entra for contractors", Kind: account.KindEntra, Protocol: account.SAML, Which: account.Live},
	}, Recent: []TestRun{
		{Diagnosis: dx, Name: "Okta", Which: account.Draft, Verdict: account.Fail, At: noon},
		{Diagnosis: "dx_01kkp2aaaaaaaaaaaaaaaaaaaa", Name: "Okta", Which: account.Live, Verdict: account.Pass, At: noon.Add(-26 * time.Hour)},
	}}},
	{"login-test-link", 200, LoginTestLink{Who: ana, Connection: "Okta", Kind: account.KindOkta, Which: account.Draft, Diagnosis: dx, Until: noon.Add(15 * time.Minute),
		URL: "https://sso.acme.example/login-test/start/con_01kkp3v8m2q7r4c9tdyz5x6w1n/Zm9vYmFyYmF6cXV1eA.d2hhdGV2ZXJlbHNlaXM"}},
	{"login-test-waiting", 200, LoginTestWaiting{Who: ana, Connection: "Entra for contractors", Kind: account.KindEntra, Diagnosis: dx, Started: noon, Again: "con_2:live"}},
	{"login-test-done", 200, LoginTestDone{Diagnosis: dx}},
	{"login-test-unknown-id", 422, LoginTestStart{Who: ana, Org: acme, Lookup: "dx_nothing", Error: &FieldError{
		Field: "diagnosis", Message: "There is no sign-in with this diagnosis id.", Fix: "Copy it from the letter, dx_ included."}}},
	{"login-test-empty", 200, LoginTestStart{Who: ana, Org: acme}},
	{"login-test-passed", 200, passedTest()},
	{"login-test-failed", 200, failedTest()},
	{"sign-in-diagnosis", 200, refusedSignIn()},
	{"problem-404", 404, Problem{Status: 404, Title: "Page not found", Detail: "There is nothing at this address.", Help: "Check the address, or go to the start page.", Request: "req_01kkp3v8m2q7r4c9tdyz5x6w1n"}},
	{"problem-500", 500, Problem{Status: 500, Title: "Something failed here", Detail: "It is our fault, and it has been recorded.", Help: "Try again in a minute.", Request: "req_01kkp3v8m2q7r4c9tdyz5x6w1n"}},
}

func passedTest() LoginTestResult {
	return LoginTestResult{
		Who: ana, Diagnosis: dx, Connection: "Okta", Which: account.Draft, Protocol: account.OIDC, Kind: account.KindOkta, At: noon,
		Person: "Ana Ruiz", Outcome: account.Warn, Sentence: "Ana Ruiz would sign in and hold 2 roles.",
		Checks: GroupChecks([]account.Check{
			{Step: account.StepRequest, Code: "request_sent", Title: "Sign-in started at the right address", Verdict: account.Pass, Received: "https://acme.okta.com/oauth2/v1/authorize"},
			{Step: account.StepResponse, Code: "response_arrived", Title: "Response arrived", Verdict: account.Pass, Received: "after 6 s"},
			{Step: account.StepResponse, Code: "state", Title: "State matches", Verdict: account.Pass},
			{Step: account.StepSignature, Code: "signature", Title: "ID token is signed by a known key", Verdict: account.Pass, Received: "RS256, key 3kQ"},
			{Step: account.StepTimes, Code: "clock", Title: "Clocks agree", Verdict: account.Pass, Expected: "at most 180 s apart", Received: "2 s"},
			{Step: account.StepAudience, Code: "issuer", Title: "Issuer", Verdict: account.Pass, Expected: "https://acme.okta.com", Received: "https://acme.okta.com"},
			{Step: account.StepIdentity, Code: "email", Title: "E-mail address", Verdict: account.Pass, Received: "ana.ruiz@acme.example"},
			{Step: account.StepDomains, Code: "domain", Title: "Address lies in a proved domain", Verdict: account.Pass, Expected: "acme.example", Received: "acme.example"},
			{Step: account.StepGroups, Code: "groups_100", Title: "All groups arrived", Verdict: account.Warn, Expected: "fewer than 100 groups", Received: "exactly 100 groups: Okta cuts the list there without a word", Fix: map[account.IdPKind]string{
				account.KindOkta:    "Narrow the filter of the groups claim under Sign On > OpenID Connect ID Token, or give the connection an API token to read the rest.",
				account.KindEntra:   "Send only groups assigned to the application.",
				account.KindGeneric: "Send only the groups that your rules name."}},
			{Step: account.StepRules, Code: "rules", Title: "A rule matches", Verdict: account.Pass, Received: "2 of 3 rules"},
			{Step: account.StepRelying, Code: "relying", Title: "Every relying service is served", Verdict: account.Pass},
		}),
		Claims: []account.Claim{
			{Name: "sub", Values: []string{"00u1a2b3c4D5e6F7g8h9"}, Source: "ID token"},
			{Name: "email", Values: []string{"ana.ruiz@acme.example"}, Source: "ID token"},
			{Name: "groups", Values: []string{"everyone", "eng-admins", "team-build"}, Source: "ID token"},
			{Name: "locale", Source: "userinfo"},
		},
		Raw: "{\n  \"iss\": \"https://acme.okta.com\",\n  \"sub\": \"00u1a2b3c4D5e6F7g8h9\",\n  \"groups\": [\"everyone\", \"eng-admins\", \"team-build\"]\n}",
		Groups: GroupResult{State: account.GroupsIncomplete, Why: "Exactly 100 groups arrived, which is where Okta cuts the list.", Source: "the ID token", Values: []GroupValue{
			{Value: "everyone"}, {Value: "eng-admins", UsedBy: []string{"Engineering admins"}},
			{Value: "8f14e45f-ceea-467f-a8f5-1c2b7d9e0a11", Alias: "Build team", UsedBy: []string{"Build team", "Nightly jobs"}},
		}},
		Rules: []RuleResult{
			{Name: "Engineering admins", Active: true, Matched: true, Reason: "received eng-admins", Gives: []string{"Private Registry Admin in acme"}},
			{Name: "Build team", Matched: true, Reason: "received team-build", Gives: []string{"Private Registry Writer in acme / build"}},
			{Name: "Viewers", Active: true, Reason: "needs Viewers, received none like it", Gives: []string{"Private Registry Viewer in acme"}},
		},
		Roles: []RoleResult{
			{Label: "Private Registry Admin", Scope: "acme", Why: []string{"rule “Engineering admins”, because eng-admins was received"}, Change: "kept"},
			{Label: "Private Registry Writer", Scope: "acme / build", Why: []string{"draft rule “Build team”, because team-build was received"}, Change: "new"},
		},
		Relying: []RelyingResult{{Label: "Console", Verdict: account.Pass}, {Label: "Artifact registry", Verdict: account.Pass}},
		Again:   "con_1:draft", Confirm: &Confirm{Action: "/login-test/" + string(dx) + "/confirm", Allowed: true},
	}
}

func failedTest() LoginTestResult {
	return LoginTestResult{
		Who: ana, Diagnosis: dx, Connection: "Entra for contractors", Which: account.Draft, Protocol: account.SAML, Kind: account.KindEntra, At: noon,
		Outcome: account.Fail, Sentence: "Sign-in would fail: 1 of 9 checks.",
		Checks: GroupChecks([]account.Check{
			{Step: account.StepRequest, Title: "Request sent", Verdict: account.Pass},
			{Step: account.StepResponse, Title: "Response arrived", Verdict: account.Pass, Received: "after 11 s"},
			{Step: account.StepResponse, Title: "Answers our request", Verdict: account.Pass},
			{Step: account.StepSignature, Title: "Assertion is signed by a trusted certificate", Verdict: account.Pass, Received: "RSA-SHA256"},
			{Step: account.StepSignature, Title: "Certificate is in its dates", Verdict: account.Warn, Expected: "valid for at least 30 days", Received: "expires on 4 Apr 2026", Fix: map[account.IdPKind]string{
				account.KindEntra:   "Single sign-on > SAML Certificates > New Certificate, then make it active and refresh the metadata here.",
				account.KindGeneric: "Add the next certificate here before the provider changes over."}},
			{Step: account.StepTimes, Title: "Clocks agree", Verdict: account.Pass},
			{Step: account.StepAudience, Title: "Issuer", Verdict: account.Pass},
			{Step: account.StepAudience, Title: "Destination", Verdict: account.Pass},
			{Step: account.StepAudience, Code: "audience_mismatch", Title: "Audience", Verdict: account.Fail,
				Expected: "https://sso.acme.example/saml/con_01kkp3v8m2q7r4c9tdyz5x6w1n/metadata",
				Received: "spn:0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0", Fix: map[account.IdPKind]string{
					account.KindOkta:    "General > SAML Settings > Edit > Audience URI (SP Entity ID): paste the expected value.",
					account.KindEntra:   "Single sign-on > Basic SAML Configuration > Edit > Identifier (Entity ID): paste the expected value and make it the default.",
					account.KindGeneric: "Set the audience (entity id of the service provider) to the expected value."}},
		}),
		Claims: []account.Claim{{Name: "NameID", Values: []string{"ana.ruiz@contractors.example"}, Source: "assertion"}},
		Relying: []RelyingResult{
			{Label: "Console", Verdict: account.Pass},
			{Label: "Artifact registry", Verdict: account.Fail, Missing: []string{"groups"}}},
		Again: "con_2:draft", Confirm: &Confirm{Action: "/x", Why: "Artifact registry would not be served: groups are missing. Mend it and test again."},
	}
}

func refusedSignIn() LoginTestResult {
	v := failedTest()
	v.Real, v.Which, v.Confirm, v.Again = true, account.Live, nil, "con_2:live"
	v.Sentence = "Ana Ruiz was not let in: 1 of 9 checks failed."
	return v
}
