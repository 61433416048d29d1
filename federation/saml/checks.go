package saml

import (
	"maps"

	"github.com/drawbridge-id/drawbridge/account"
)

// fix is what to do about a finding, per provider; KindGeneric is always there.
type fix map[account.IdPKind]string

// A look is one thing that is looked at: where in the flow, what it is called, and what helps when it
// is not well. Codes of findings that need another remedy than their look have an entry in remedies.
type look struct {
	step  account.Step
	title string
	fix   fix
}

// looks by the code of their passing check.
var looks = map[string]look{
	"response": {account.StepResponse, "Response arrived and reads well", fix{
		account.KindGeneric: "The message was cut, changed or built in a way that two readers could understand differently. Send it again from the provider, unchanged; if it keeps failing, give the raw message to the provider's support.",
		account.KindOkta:    "Check that the app is a SAML 2.0 app whose Single sign-on URL is the ACS URL shown here, and that the person is assigned to it.",
		account.KindEntra:   "Check that Reply URL is the ACS URL shown here, and that the person is under Users and groups (AADSTS50105).",
	}},
	"status": {account.StepResponse, "The provider reports success", fix{
		account.KindGeneric: "The provider itself refused the sign-in; its own log says why. Often the person is not assigned to the app, or it does not support the name id format asked for.",
		account.KindOkta:    "Look at Reports > System Log in Okta for this person and time; check that they are assigned to the app.",
		account.KindEntra:   "Look at Sign-in logs in Entra for this person and time; check Users and groups, and Conditional Access.",
		account.KindADFS:    "Look at the AD FS Admin event log. InvalidNameIDPolicy: clear the name id format of this connection, or add a rule that sends a Name ID. Responder: compare signature and encryption algorithms of the relying party trust.",
		account.KindGoogle:  "Turn the app on for the person's organizational unit; changes can take minutes.",
	}},
	"encryption": {account.StepResponse, "Assertion encryption", fix{
		account.KindGeneric: "Give the provider the encryption certificate of our metadata as it is now, choose AES-GCM with RSA-OAEP, and have the assertion signed by a certificate of this connection before it is encrypted.",
		account.KindOkta:    "General > SAML Settings > Advanced: Assertion Encryption, AES256-GCM, RSA-OAEP, and upload the encryption certificate of our metadata.",
		account.KindEntra:   "Token encryption: import the encryption certificate of our metadata and activate it. Entra encrypts with AES-256-CBC: allow CBC on this connection, or leave encryption off.",
		account.KindADFS:    "Relying party trust > Encryption: use the encryption certificate of our metadata. AD FS encrypts with AES-256-CBC: allow CBC on this connection.",
	}},
	"signature": {account.StepSignature, "Signature present", fix{
		account.KindGeneric: "Have the provider sign the assertion, or the response, or both.",
		account.KindOkta:    "General > SAML Settings > Advanced: Assertion Signature: Signed.",
		account.KindEntra:   "SAML certificates > signing option: Sign SAML assertion (or response and assertion).",
		account.KindADFS:    "Set-AdfsRelyingPartyTrust -SamlResponseSignature AssertionOnly (or MessageAndAssertion).",
		account.KindGoogle:  "Google signs the assertion when Signed response is off, and the response when it is on; either will do.",
	}},
	"certificate": {account.StepSignature, "Signed by a known certificate", fix{
		account.KindGeneric: "Refresh the provider's metadata here, or add its current signing certificate to this connection.",
		account.KindOkta:    "The signing certificate was rotated: refresh metadata here (Sign On > SAML Signing Certificates shows the active one).",
		account.KindEntra:   "Refresh metadata here; the new certificate must be active in SAML certificates. Fetch the metadata by the App Federation Metadata Url, which names the app.",
		account.KindADFS:    "Token-signing certificates roll over by themselves: refresh metadata here, and leave the metadata URL set.",
	}},
	"algorithm": {account.StepSignature, "Signature algorithm", fix{
		account.KindGeneric: "Choose RSA-SHA256 or ECDSA-SHA256 for the signature and SHA-256 for the digest.",
		account.KindOkta:    "General > SAML Settings > Advanced: Signature Algorithm RSA-SHA256, Digest Algorithm SHA256.",
		account.KindEntra:   "SAML certificates > Signing algorithm: SHA-256.",
		account.KindADFS:    "Relying party trust > Advanced: Secure hash algorithm SHA-256.",
	}},
	"certificate_dates": {account.StepSignature, "Certificate dates", fix{
		account.KindGeneric: "Make a new signing certificate at the provider and add it here before the old one is taken away; both are trusted meanwhile.",
		account.KindOkta:    "Sign On > SAML Signing Certificates > Generate new certificate; refresh metadata here, then set it active.",
		account.KindEntra:   "SAML certificates > New certificate; refresh metadata here, then make it active.",
	}},
	"clock": {account.StepTimes, "Clocks agree", fix{
		account.KindGeneric: "The provider's clock or ours is off: set both by NTP. The allowed difference is a setting of the connection (up to 5 minutes).",
	}},
	"validity": {account.StepTimes, "Within its validity", fix{
		account.KindGeneric: "Sign in again. If it happens each time, a clock is off, or the provider makes assertions that end too soon.",
		account.KindADFS:    "Set-AdfsRelyingPartyTrust -NotBeforeSkew 2 gives the margin that AD FS leaves out.",
	}},
	"confirmation": {account.StepTimes, "Bearer confirmation in time", fix{
		account.KindGeneric: "The assertion needs a bearer SubjectConfirmation with Recipient and NotOnOrAfter; use the provider's SAML 2.0 web browser single sign-on profile.",
	}},
	"session": {account.StepTimes, "Session lifetime", fix{
		account.KindGeneric: "The provider says that its session is over already (SessionNotOnOrAfter): sign in there again, and give its sessions a longer life.",
	}},
	"issuer": {account.StepAudience, "Issuer", fix{
		account.KindGeneric: "Set the provider's entity id of this connection to the received value, letter by letter, if this is the provider you meant.",
		account.KindOkta:    "The issuer is http://www.okta.com/ and the app's id: another app or another Okta org is answering. Sign On > View SAML setup instructions shows it.",
		account.KindEntra:   "The issuer is https://sts.windows.net/ with the tenant id and a slash at its end: another tenant is answering, or the slash is missing here.",
		account.KindADFS:    "The identifier is in AD FS Management > Edit Federation Service Properties; it often begins with http://.",
	}},
	"destination": {account.StepAudience, "Destination is our ACS URL", acsFix},
	"recipient":   {account.StepAudience, "Recipient is our ACS URL", acsFix},
	"audience": {account.StepAudience, "Audience is our entity id", fix{
		account.KindGeneric: "Set the audience (SP entity id) at the provider to the expected value, letter by letter.",
		account.KindOkta:    "General > SAML Settings: Audience URI (SP Entity ID).",
		account.KindEntra:   "Basic SAML configuration: Identifier (Entity ID), and make it the default one.",
		account.KindGoogle:  "Service provider details: Entity ID; case and a slash at the end count.",
		account.KindADFS:    "Relying party trust > Identifiers.",
	}},
	"in_response_to": {account.StepAudience, "Answers our request", fix{
		account.KindGeneric: "Start from our sign-in page and answer within 15 minutes, in the same browser; or allow sign-in that starts at the provider on this connection.",
		account.KindOkta:    "Start from our sign-in page, or allow sign-in that starts at the provider to use the Okta tile.",
		account.KindEntra:   "Start from our sign-in page, or allow sign-in that starts at the provider to use the My Apps tile.",
	}},
	"login": {account.StepIdentity, "Says that somebody signed in", fix{
		account.KindGeneric: "The assertion needs an AuthnStatement: use the provider's single sign-on profile, not an attribute query.",
	}},
	"subject": {account.StepIdentity, "Subject is stable", fix{
		account.KindGeneric: "Send a persistent Name ID, or choose an attribute that never changes as the subject of this connection.",
		account.KindOkta:    "General > SAML Settings: Application username and Name ID format; use the user id or the e-mail address.",
		account.KindEntra:   "Attributes & Claims: leave the objectidentifier and tenantid claims on, or use a persistent Name ID.",
		account.KindADFS:    "Add a claim rule that sends a Name ID, for instance from objectGUID or E-Mail-Address.",
	}},
	"email": {account.StepIdentity, "E-mail address", fix{
		account.KindGeneric: "Send the person's e-mail address as an attribute named email, with one value.",
		account.KindOkta:    "Attribute Statements: email = user.email.",
		account.KindEntra:   "Attributes & Claims: emailaddress = user.mail.",
		account.KindGoogle:  "Attribute mapping: Primary email to email.",
		account.KindADFS:    "Claim rule: E-Mail-Addresses to E-Mail Address.",
		account.KindPing:    "Attribute mapping: email = Email Address.",
	}},
	"groups": {account.StepGroups, "Group claim", fix{
		account.KindGeneric: "Send the person's groups as a multi-valued attribute named groups, or name the attribute in this connection's mapping.",
		account.KindOkta:    "Group Attribute Statements: name groups, filter Matches regex .* (or the groups that you need).",
		account.KindEntra:   "Attributes & Claims > Add a group claim. Above 150 groups Entra sends none: choose Groups assigned to the application.",
		account.KindGoogle:  "Group membership (optional): choose up to 75 groups and name the attribute groups.",
		account.KindADFS:    "Claim rule: Token-Groups - Unqualified Names to Group.",
	}},
	"internal": {account.StepResponse, "Judged to the end", fix{
		account.KindGeneric: "This is our defect: send the diagnosis id to the operator.",
	}},
}

var acsFix = fix{
	account.KindGeneric: "Set the ACS URL at the provider to the expected value: scheme, host, path and a slash at the end count. Behind a proxy, check our public URL.",
	account.KindOkta:    "General > SAML Settings: Single sign-on URL, with Use this for Recipient URL and Destination URL.",
	account.KindEntra:   "Basic SAML configuration: Reply URL (AADSTS50011).",
	account.KindGoogle:  "Service provider details: ACS URL.",
	account.KindADFS:    "Relying party trust > Endpoints: SAML Assertion Consumer, POST, as default.",
}

// findings say under which look a code of a fault is shown; others stand under "response".
var findings = map[string]string{
	"signature_malformed":  "signature",
	"unsigned":             "signature",
	"signer_unknown":       "certificate",
	"signature_invalid":    "certificate",
	"digest_mismatch":      "certificate",
	"algorithm_refused":    "algorithm",
	"sha1_refused":         "algorithm",
	"key_too_short":        "algorithm",
	"encryption_algorithm": "encryption",
	"decryption_failed":    "encryption",
	"encryption_required":  "encryption",
	"condition_unknown":    "validity",
	"no_certificate":       "certificate",
	// Of logout messages, which have no list of checks:
	"issuer_mismatch":      "issuer",
	"destination_mismatch": "destination",
	"time_unreadable":      "clock",
	"issued_in_future":     "clock",
	"expired":              "validity",
	"subject_invalid":      "subject",
	"internal":             "internal",
}

// remedies of findings whose look's own would mislead.
var remedies = map[string]fix{
	"digest_mismatch": {
		account.KindGeneric: "Something between the provider and us changed the message, or it was re-formatted before a replay. Send it again, unchanged.",
	},
	"signature_invalid": {
		account.KindGeneric: "Something between the provider and us changed the message, or it was re-formatted before a replay. Send it again, unchanged.",
	},
	"key_too_short": {
		account.KindGeneric: "Make a signing certificate with an RSA key of 2048 bits or more.",
	},
	"assertion_count": {
		account.KindGeneric: "Exactly one assertion is read. Have the provider send one; more than one is a known way of forging sign-ins.",
	},
	"email_invalid": {
		account.KindGeneric: "Send exactly one plain address, such as ana@acme.example.",
	},
	"groups_overage": {
		account.KindGeneric: "The person is in too many groups for the provider to send. Have it send only groups that matter to this app.",
		account.KindEntra:   "Attributes & Claims > group claim > Groups assigned to the application; or use SCIM provisioning for groups.",
	},
	"attributes_encrypted": {
		account.KindGeneric: "Encrypt the whole assertion instead of single attributes; an encrypted assertion is opened.",
	},
	"groups_cut": {
		account.KindGeneric: "The provider sends a limited number of groups. Choose fewer in its app settings, so that those that matter are among them.",
	},
}

// remedy gives a copy, because callers keep it.
func remedy(look, code string) fix {
	if f, ok := remedies[code]; ok {
		return maps.Clone(f)
	}
	return maps.Clone(looks[look].fix)
}
