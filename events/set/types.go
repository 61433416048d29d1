package set

import (
	"slices"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
)

// The prefixes of event types.
const (
	caep  = "https://schemas.openid.net/secevent/caep/event-type/"
	risc  = "https://schemas.openid.net/secevent/risc/event-type/"
	oauth = "https://schemas.openid.net/secevent/oauth/event-type/"
	ssf   = "https://schemas.openid.net/secevent/ssf/event-type/"
	okta  = "https://schemas.okta.com/secevent/okta/event-type/"
	scim  = "urn:ietf:params:scim:event:"
)

// Event types of the Continuous Access Evaluation Profile 1.0.
const (
	SessionRevoked         = caep + "session-revoked"
	TokenClaimsChange      = caep + "token-claims-change"
	CredentialChange       = caep + "credential-change"
	AssuranceLevelChange   = caep + "assurance-level-change"
	DeviceComplianceChange = caep + "device-compliance-change"
	SessionEstablished     = caep + "session-established"
	SessionPresented       = caep + "session-presented"
	RiskLevelChange        = caep + "risk-level-change"
)

// Event types of the Risk Incident Sharing and Coordination profile 1.0.
const (
	CredentialChangeRequired   = risc + "account-credential-change-required"
	AccountPurged              = risc + "account-purged"
	AccountDisabled            = risc + "account-disabled"
	AccountEnabled             = risc + "account-enabled"
	IdentifierChanged          = risc + "identifier-changed"
	IdentifierRecycled         = risc + "identifier-recycled"
	CredentialCompromise       = risc + "credential-compromise"
	OptIn                      = risc + "opt-in"
	OptOutInitiated            = risc + "opt-out-initiated"
	OptOutCancelled            = risc + "opt-out-cancelled"
	OptOutEffective            = risc + "opt-out-effective"
	RecoveryActivated          = risc + "recovery-activated"
	RecoveryInformationChanged = risc + "recovery-information-changed"
	SessionsRevoked            = risc + "sessions-revoked" // deprecated; Google sends it
)

// Event types about OAuth tokens, and Okta's own.
const (
	TokenRevoked         = oauth + "token-revoked"
	TokensRevoked        = oauth + "tokens-revoked"
	OktaUserRiskChange   = okta + "user-risk-change"
	OktaDeviceRiskChange = okta + "device-risk-change"
)

// Event types of SCIM (RFC 9967 §2).
const (
	SCIMFeedAdd      = scim + "feed:add"
	SCIMFeedRemove   = scim + "feed:remove"
	SCIMCreateFull   = scim + "prov:create:full"
	SCIMCreateNotice = scim + "prov:create:notice"
	SCIMPatchFull    = scim + "prov:patch:full"
	SCIMPatchNotice  = scim + "prov:patch:notice"
	SCIMPutFull      = scim + "prov:put:full"
	SCIMPutNotice    = scim + "prov:put:notice"
	SCIMDelete       = scim + "prov:delete"
	SCIMActivate     = scim + "prov:activate"
	SCIMDeactivate   = scim + "prov:deactivate"
	SCIMAsyncResp    = scim + "misc:asyncresp"
)

// Event types about the stream itself (SSF 1.0 §8.1.4, §8.1.5), with the spellings of before.
const (
	Verification        = ssf + "verification"
	StreamUpdated       = ssf + "stream-updated"
	LegacyVerification  = risc + "verification"
	LegacyStreamUpdated = caep + "stream-updated"
)

// all are the types that have a meaning here.
var all = []string{
	SessionRevoked, TokenClaimsChange, CredentialChange, AssuranceLevelChange, DeviceComplianceChange, SessionEstablished, SessionPresented,
	RiskLevelChange, CredentialChangeRequired, AccountPurged, AccountDisabled, AccountEnabled, IdentifierChanged, IdentifierRecycled,
	CredentialCompromise, OptIn, OptOutInitiated, OptOutCancelled, OptOutEffective, RecoveryActivated, RecoveryInformationChanged,
	SessionsRevoked, TokenRevoked, TokensRevoked, OktaUserRiskChange, OktaDeviceRiskChange, SCIMFeedAdd, SCIMFeedRemove, SCIMCreateFull,
	SCIMCreateNotice, SCIMPatchFull, SCIMPatchNotice, SCIMPutFull, SCIMPutNotice, SCIMDelete, SCIMActivate, SCIMDeactivate, SCIMAsyncResp,
	Verification, StreamUpdated, LegacyVerification, LegacyStreamUpdated,
}

// Known reports whether an event type has a meaning here. Others are taken and ignored.
func Known(uri string) bool { return slices.Contains(all, uri) }

// Types lists the event types that a receiver asks a transmitter for: those with a meaning here that are not of the stream itself.
func Types() []string {
	return slices.DeleteFunc(slices.Clone(all), aboutStream)
}

// aboutStream is whether the event is about the stream that brings it.
func aboutStream(uri string) bool {
	return slices.Contains([]string{Verification, StreamUpdated, LegacyVerification, LegacyStreamUpdated}, uri)
}

// checkPayload says what is wrong with an event's payload. What is missing in an event that ends access is left to the
// stronger reading of whoever applies it; what is of the wrong type is refused.
func checkPayload(e account.SETEvent, txn string) error {
	p := payload(e.Body)
	ok := p.number("event_timestamp")
	switch e.Type {
	case TokenClaimsChange:
		_, is := p["claims"].(map[string]any)
		ok = ok && is
	case CredentialChange:
		ok = ok && p.text("credential_type") && p.text("change_type")
	case CredentialCompromise:
		ok = ok && p.text("credential_type")
	case AssuranceLevelChange:
		ok = ok && p.has("namespace") && p.has("current_level") && p.text("previous_level") && p.text("change_direction")
	case DeviceComplianceChange:
		ok = ok && p.oneOf("current_status", "compliant", "not-compliant") && p.text("previous_status")
	case RiskLevelChange:
		ok = ok && p.has("principal") && p.oneOf("current_level", "LOW", "MEDIUM", "HIGH") && p.text("previous_level") && p.text("risk_reason")
	case OktaUserRiskChange, OktaDeviceRiskChange:
		ok = ok && p.has("current_level")
	case IdentifierChanged:
		ok = ok && p.text("new-value")
	case AccountDisabled:
		ok = ok && p.text("reason")
	case Verification, LegacyVerification:
		ok = ok && p.text("state")
	case StreamUpdated, LegacyStreamUpdated:
		ok = ok && p.oneOf("status", "enabled", "paused", "disabled") && p.text("reason")
	case SCIMCreateFull, SCIMPatchFull, SCIMPutFull:
		ok = ok && p.full() && p.text("version")
	case SCIMCreateNotice, SCIMPatchNotice, SCIMPutNotice:
		ok = ok && p.notice() && p.text("version")
	case SCIMAsyncResp:
		ok = ok && p.has("method") && p.has("status") && txn != ""
	}
	if !ok {
		return refuse(InvalidRequest, "The payload is not as its event type defines it.")
	}
	return nil
}

type payload map[string]any

// has is whether a member is a text that is not empty.
func (p payload) has(name string) bool { s, _ := p[name].(string); return s != "" }

// text is whether a member is a text, null or not there.
func (p payload) text(name string) bool {
	_, is := p[name].(string)
	return is || p[name] == nil
}

func (p payload) number(name string) bool {
	_, is := moment(p[name])
	return is || p[name] == nil
}

// oneOf is whether a member is one of some words, in any letter case.
func (p payload) oneOf(name string, words ...string) bool {
	s, _ := p[name].(string)
	return slices.ContainsFunc(words, func(w string) bool { return strings.EqualFold(w, s) })
}

// full and notice: RFC 9967 §2.4, data and attributes exclude each other.
func (p payload) full() bool {
	_, is := p["data"].(map[string]any)
	_, other := p["attributes"]
	return is && !other
}

func (p payload) notice() bool {
	list, is := p["attributes"].([]any)
	_, other := p["data"]
	return is && !other && !slices.ContainsFunc(list, func(v any) bool { _, text := v.(string); return !text })
}
