package outbound

import (
	"context"
	"crypto"
	"crypto/x509"
	"net/http"
	"slices"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/events/set"
	"github.com/drawbridge-id/drawbridge/store"
)

// eventTypes are the types of the signals.
var eventTypes = map[string]string{
	account.SignalSessionRevoked:     set.SessionRevoked,
	account.SignalSessionEstablished: set.SessionEstablished,
	account.SignalTokenClaimsChange:  set.TokenClaimsChange,
	account.SignalCredentialChange:   set.CredentialChange,
	account.SignalAccountDisabled:    set.AccountDisabled,
	account.SignalAccountEnabled:     set.AccountEnabled,
	account.SignalAccountPurged:      set.AccountPurged,
	account.SignalVerification:       set.Verification,
	account.SignalStreamUpdated:      set.StreamUpdated,
}

// typesOf spells signals as event types; none stands for all that need not be asked for by name.
func typesOf(f account.Feed) []string {
	out := []string{}
	for _, s := range account.Signals {
		if f.Wants(s) {
			out = append(out, eventTypes[s])
		}
	}
	return out
}

// signalsOf are the signals among event types; what we do not send is left out.
func signalsOf(types []string) (out []string) {
	for _, s := range account.Signals {
		if slices.Contains(types, eventTypes[s]) {
			out = append(out, s)
		}
	}
	return out
}

// tokenRequest is one push of a security event token (RFC 8935 §2.1).
func (d *Door) tokenRequest(ctx context.Context, p store.Parcel, one account.Delivery) (*http.Request, error) {
	token, err := d.token(p, one)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.Feed.URL, strings.NewReader(token))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/secevent+jwt")
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", agent)
	if !p.Authorization.IsZero() {
		r.Header.Set("Authorization", p.Authorization.Reveal())
	}
	return r, nil
}

// token is one announcement as a security event token. Made again it is the same, as long as the same key signs.
func (d *Door) token(p store.Parcel, one account.Delivery) (string, error) {
	private, err := x509.ParsePKCS8PrivateKey([]byte(p.Key.Private.Reveal()))
	if err != nil {
		return "", err
	}
	a := one.About
	return set.Sign(private.(crypto.Signer), p.Key.ID, set.Claims{
		Issuer: d.issuer(p.Feed.Account), Audience: []string{p.Feed.Audience}, JTI: string(one.ID), IssuedAt: a.At, Txn: a.Txn,
		Subject: subjectOf(one.Type, a), Type: eventTypes[one.Type], Payload: payloadOf(one.Type, a), SubjectInEvent: p.Feed.Compat,
	})
}

// subjectOf is whom an event is about: an address, which every receiver of the CAEP interoperability profile knows, with the session when it is
// about a single one; of an event about the stream itself, the stream (SSF §8.1.4.1).
func subjectOf(signal string, a account.Announcement) account.SubjectID {
	user := account.SubjectID{Format: account.SubjectEmail, Values: map[string]string{"email": a.Email}}
	switch {
	case signal == account.SignalVerification, signal == account.SignalStreamUpdated:
		return opaque(string(a.Feed))
	case a.Session != "":
		return account.SubjectID{Format: account.SubjectComplex, Members: map[string]account.SubjectID{"user": user, "session": opaque(string(a.Session))}}
	}
	return user
}

func opaque(id string) account.SubjectID {
	return account.SubjectID{Format: account.SubjectOpaque, Values: map[string]string{"id": id}}
}

// payloadOf is what an event says (CAEP §2, CAEP §3, RISC §2, SSF §8.1).
func payloadOf(signal string, a account.Announcement) map[string]any {
	switch signal {
	case account.SignalVerification:
		if a.State == "" {
			return nil
		}
		return map[string]any{"state": a.State}
	case account.SignalStreamUpdated:
		out := map[string]any{"status": a.Status}
		if a.Reason != "" {
			out["reason"] = a.Reason
		}
		return out
	}
	out := map[string]any{"event_timestamp": a.At.Unix(), "initiating_entity": a.Initiator, "reason_admin": map[string]any{"en": reasonOf(a)}}
	switch signal {
	case account.SignalTokenClaimsChange:
		roles := []string{}
		for _, r := range a.Holds {
			where := ""
			if r.Team != "" {
				where = "@" + string(r.Team)
			}
			roles = append(roles, string(r.Role)+where)
		}
		out["claims"] = map[string]any{"roles": roles}
	case account.SignalCredentialChange:
		out["credential_type"], out["change_type"] = "api-key", "create"
		if a.What == account.WordKeyRevoked {
			out["change_type"] = "revoke"
		}
		if a.KeyName != "" {
			out["friendly_name"] = a.KeyName
		}
	}
	return out
}

// reasonOf is why, for the administrator at the other end; never empty.
func reasonOf(a account.Announcement) string {
	if a.Reason != "" {
		return a.Reason
	}
	return strings.ReplaceAll(a.What, ".", " ")
}
