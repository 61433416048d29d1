package inbound

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/egress"
	"github.com/drawbridge-id/drawbridge/events/set"
	"github.com/drawbridge-id/drawbridge/published"
	"github.com/drawbridge-id/drawbridge/strict"
)

// The delivery methods (SSF 1.0 §6.1), and their names of before.
const (
	methodPush  = "urn:ietf:rfc:8935"
	methodPoll  = "urn:ietf:rfc:8936"
	legacyDoors = "https://schemas.openid.net/secevent/risc/delivery-method/"
	maxDocument = 512 << 10 // bytes of any document of a transmitter
)

// A Transmitter is what a transmitter says about itself (SSF 1.0 §7.1).
type Transmitter struct {
	Configuration string // URL of this document
	SpecVersion   string // for instance "1_0"; empty: before that was said
	Issuer        string
	JWKSURL       string
	Methods       []string // delivery methods, as it spells them
	Streams       string   // configuration_endpoint; empty: streams are made by hand
	Status        string
	AddSubject    string
	RemoveSubject string
	Verification  string
	Schemes       []string // spec_urn of its authorization schemes
	Subjects      string   // default_subjects: ALL, NONE or empty
	Critical      []string // critical_subject_members
	KeyIDs        []string // of its keys; filled by Discover
}

// Discover reads a transmitter's document and keys now, by its issuer: .well-known/ssf-configuration goes between host and path, or
// risc-configuration where there is no such document (SSF 1.0 §7.2). Errors are *account.Error for people.
func (d *Door) Discover(ctx context.Context, issuer string) (Transmitter, error) {
	t, err := d.discover(ctx, issuer, "")
	if err != nil {
		return t, err
	}
	keys, err := d.fetchKeys(ctx, t.JWKSURL)
	if err != nil {
		return t, err
	}
	for _, k := range keys {
		t.KeyIDs = append(t.KeyIDs, k.KeyID)
	}
	return t, nil
}

// discover reads the document at a known address, or at the ones that the issuer leads to.
func (d *Door) discover(ctx context.Context, issuer, at string) (Transmitter, error) {
	addresses := []string{at}
	if at == "" {
		var err error
		if addresses, err = wellKnown(issuer); err != nil {
			return Transmitter{}, err
		}
	}
	var first error
	for _, address := range addresses {
		body, err := published.Get(ctx, d.o.Fetch, address, maxDocument, "transmitter")
		if err == nil {
			return readTransmitter(body, address, issuer)
		}
		if first == nil {
			first = err
		}
	}
	return Transmitter{}, first
}

// wellKnown are the addresses of an issuer's document.
func wellKnown(issuer string) ([]string, error) {
	u, err := url.Parse(issuer)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, account.Errorf(account.Invalid, "Expected the issuer as an https URL, received %q.", strict.Clip(issuer, 200)).
			Coded("issuer_url").At("/issuer").Fix("Copy the issuer from the transmitter's documentation, for instance https://acme.okta.com.")
	}
	base, path := u.Scheme+"://"+u.Host+"/.well-known/", strings.TrimSuffix(u.EscapedPath(), "/")
	return []string{base + "ssf-configuration" + path, base + "risc-configuration" + path}, nil
}

// readTransmitter checks a document against the issuer that it was asked for (SSF 1.0 §7.2.4).
func readTransmitter(body []byte, address, issuer string) (Transmitter, error) {
	o, err := strict.Object(body, 16)
	if err != nil {
		return Transmitter{}, account.Errorf(account.Invalid, "%s answers with something that is no transmitter document.", strict.Clip(address, 200)).
			Coded("transmitter_document").Because(err)
	}
	text := func(name string) string { s, _ := o[name].(string); return s }
	t := Transmitter{
		Configuration: address, SpecVersion: text("spec_version"), Issuer: text("issuer"), JWKSURL: text("jwks_uri"), Streams: text("configuration_endpoint"),
		Status: text("status_endpoint"), AddSubject: text("add_subject_endpoint"), RemoveSubject: text("remove_subject_endpoint"),
		Verification: text("verification_endpoint"), Subjects: text("default_subjects"),
	}
	if t.Issuer != issuer {
		return t, account.Errorf(account.Invalid, "Expected the issuer %q, but its document says %q.", strict.Clip(issuer, 200), strict.Clip(t.Issuer, 200)).
			Coded("issuer_mismatch").At("/issuer").Fix("If that transmitter is the one you mean, use the second spelling.")
	}
	t.Methods, _ = strict.Texts(o["delivery_methods_supported"])
	t.Critical, _ = strict.Texts(o["critical_subject_members"])
	schemes, _ := o["authorization_schemes"].([]any)
	for _, v := range schemes {
		if scheme, ok := v.(map[string]any); ok {
			if urn, ok := scheme["spec_urn"].(string); ok {
				t.Schemes = append(t.Schemes, urn)
			}
		}
	}
	for name, address := range map[string]string{"jwks_uri": t.JWKSURL, "configuration_endpoint": t.Streams, "status_endpoint": t.Status,
		"add_subject_endpoint": t.AddSubject, "remove_subject_endpoint": t.RemoveSubject, "verification_endpoint": t.Verification} {
		if err := checkEndpoint(name, address, issuer); err != nil {
			return t, err
		}
	}
	return t, nil
}

// checkEndpoint allows https, and http only beside an http issuer, which egress reaches only when the operator lists it.
func checkEndpoint(name, address, issuer string) error {
	if address == "" && name != "jwks_uri" {
		return nil
	}
	u, err := url.Parse(address)
	if err == nil && u.Host != "" && u.User == nil && u.Fragment == "" && (u.Scheme == "https" || u.Scheme == "http" && strings.HasPrefix(issuer, "http://")) {
		return nil
	}
	return account.Errorf(account.Invalid, "The transmitter's document names %q as %s, which is no https URL.", strict.Clip(address, 200), name).Coded("endpoint_refused")
}

// Connect makes the stream at its transmitter (SSF 1.0 §8.1.1.1): with a credential of its own for pushed tokens, or to be polled. What the
// transmitter says about it (audience, where to poll) becomes part of the stream's settings. Conflict when it has one already.
func (d *Door) Connect(ctx context.Context, by account.Actor, id account.StreamID) (account.Stream, error) {
	s, t, err := d.far(ctx, by, id)
	if err != nil {
		return s, err
	}
	if s.Transmitter.Stream != "" {
		return s, account.Errorf(account.Conflict, "The transmitter has this stream already.").Coded("stream_exists").Fix("Disconnect it first.")
	}
	if t.Streams == "" {
		return s, account.Errorf(account.Conflict, "The transmitter has no address where streams are made.").Coded("no_stream_api").
			Fix("Create the stream at the transmitter by hand, and enter what it says here.")
	}
	delivery := map[string]any{"method": d.spell(t, methodPoll)}
	var minted account.PushCredential
	if s.Method == account.StreamPush {
		var secret account.Secret
		if minted, secret, err = d.o.Ledger.MintPushCredential(ctx, by, id, s.Compat.NoBearer); err != nil {
			return s, err
		}
		delivery = map[string]any{"method": d.spell(t, methodPush), "endpoint_url": d.Address(id)}
		if s.Compat.NoBearer {
			delivery["endpoint_url"] = d.Address(id) + "/" + secret.Reveal()
		} else {
			delivery["authorization_header"] = "Bearer " + secret.Reveal()
		}
	}
	answer, err := d.call(ctx, s, http.MethodPost, t.Streams, map[string]any{"delivery": delivery, "events_requested": set.Types(), "description": s.Name}, http.StatusCreated, http.StatusOK)
	if err == nil {
		s, err = d.adopt(ctx, by, id, answer)
	}
	if err != nil && minted.ID != "" {
		_ = d.o.Ledger.RevokePushCredential(context.WithoutCancel(ctx), by, id, minted.ID) // nobody has it; the first error is the one to hear
	}
	return s, err
}

// spell writes a delivery method as the transmitter does: those of before SSF 1.0 know URLs of the RISC profile only.
func (d *Door) spell(t Transmitter, method string) string {
	old := legacyDoors + map[string]string{methodPush: "push", methodPoll: "poll"}[method]
	if slices.Contains(t.Methods, old) && !slices.Contains(t.Methods, method) {
		return old
	}
	return method
}

// adopt writes down what a transmitter says about the stream that it has made.
func (d *Door) adopt(ctx context.Context, by account.Actor, id account.StreamID, answer map[string]any) (account.Stream, error) {
	name, _ := answer["stream_id"].(string)
	if name == "" {
		return account.Stream{}, account.Errorf(account.Unavailable, "The transmitter made a stream and did not say which.").Coded("transmitter_answer")
	}
	aud, _ := strict.Texts(answer["aud"])
	delivery, _ := answer["delivery"].(map[string]any)
	return d.o.Ledger.UpdateStream(ctx, by, id, func(s *account.Stream) error {
		t := *s.Transmitter
		t.Stream = name
		s.Transmitter = &t
		if len(aud) > 0 {
			s.Audience = aud
		}
		if at, _ := delivery["endpoint_url"].(string); s.Method == account.StreamPoll && at != "" {
			if err := checkEndpoint("endpoint_url", at, s.Issuer); err != nil {
				return err
			}
			poll := account.Poll{Endpoint: at}
			if s.Poll != nil && s.Poll.Endpoint == at {
				poll.Bearer = s.Poll.Bearer
			}
			s.Poll = &poll
		}
		return nil
	})
}

// Disconnect takes the stream away at its transmitter (SSF 1.0 §8.1.1.5). One that is not there any more is fine.
func (d *Door) Disconnect(ctx context.Context, by account.Actor, id account.StreamID) error {
	s, t, err := d.far(ctx, by, id)
	if err != nil || s.Transmitter.Stream == "" {
		return err
	}
	address := withStream(t.Streams, s.Transmitter.Stream)
	if _, err := d.call(ctx, s, http.MethodDelete, address, nil, http.StatusNoContent, http.StatusOK, http.StatusNotFound); err != nil {
		return err
	}
	_, err = d.o.Ledger.UpdateStream(ctx, by, id, func(s *account.Stream) error {
		t := *s.Transmitter
		t.Stream = ""
		s.Transmitter = &t
		return nil
	})
	return err
}

// Verify asks the transmitter for a verification event with a state of ours (SSF 1.0 §8.1.4.2). StreamStatus says when it came back.
func (d *Door) Verify(ctx context.Context, by account.Actor, id account.StreamID) error {
	s, t, err := d.connected(ctx, by, id)
	if err != nil {
		return err
	}
	if t.Verification == "" {
		return account.Errorf(account.Conflict, "The transmitter cannot be asked for a verification.").Coded("no_verification")
	}
	state, err := d.o.Ledger.AskVerification(ctx, by, id)
	if err != nil {
		return err
	}
	_, err = d.call(ctx, s, http.MethodPost, t.Verification, map[string]any{"stream_id": s.Transmitter.Stream, "state": state}, http.StatusNoContent, http.StatusOK, http.StatusAccepted)
	return err
}

// FarStatus is how a transmitter says that a stream fares: enabled, paused or disabled, with its reason (SSF 1.0 §8.1.2.1).
func (d *Door) FarStatus(ctx context.Context, by account.Actor, id account.StreamID) (status, reason string, err error) {
	s, t, err := d.connected(ctx, by, id)
	if err != nil {
		return "", "", err
	}
	return d.status(ctx, s, http.MethodGet, withStream(t.Status, s.Transmitter.Stream), nil)
}

// SetFarStatus has a transmitter send (enabled), keep (paused) or drop (disabled) what is for us (SSF 1.0 §8.1.2.2).
func (d *Door) SetFarStatus(ctx context.Context, by account.Actor, id account.StreamID, status, reason string) (now, why string, err error) {
	s, t, err := d.connected(ctx, by, id)
	if err != nil {
		return "", "", err
	}
	body := map[string]any{"stream_id": s.Transmitter.Stream, "status": status}
	if reason != "" {
		body["reason"] = reason
	}
	return d.status(ctx, s, http.MethodPost, t.Status, body)
}

func (d *Door) status(ctx context.Context, s account.Stream, method, address string, body map[string]any) (status, reason string, err error) {
	answer, err := d.call(ctx, s, method, address, body, http.StatusOK, http.StatusAccepted)
	status, _ = answer["status"].(string)
	reason, _ = answer["reason"].(string)
	return strict.Clip(status, 40), strict.Clip(reason, 200), err
}

// WatchSubject has a transmitter send events about somebody, or with watch false no longer (SSF 1.0 §8.1.3). Many send events about everybody
// unasked.
func (d *Door) WatchSubject(ctx context.Context, by account.Actor, id account.StreamID, subject account.SubjectID, watch bool) error {
	s, t, err := d.connected(ctx, by, id)
	if err != nil {
		return err
	}
	address, body := t.RemoveSubject, map[string]any{"stream_id": s.Transmitter.Stream, "subject": set.SubjectClaims(subject)}
	if watch {
		address = t.AddSubject
		body["verified"] = true
	}
	_, err = d.call(ctx, s, http.MethodPost, address, body, http.StatusOK, http.StatusNoContent)
	return err
}

// far opens a stream with the document of its transmitter. Owners and the operator may: the transmitter is told what they want.
func (d *Door) far(ctx context.Context, by account.Actor, id account.StreamID) (account.Stream, Transmitter, error) {
	if _, err := d.o.Ledger.PushCredentials(ctx, by, id); err != nil { // whoever may see these may manage the stream
		return account.Stream{}, Transmitter{}, err
	}
	s, err := d.o.Ledger.OpenStream(ctx, id)
	if err != nil {
		return s, Transmitter{}, err
	}
	if s.Transmitter == nil {
		return s, Transmitter{}, account.Errorf(account.Conflict, "Nothing is known of the transmitter's stream API.").Coded("no_transmitter").
			Fix("Enter its client id and secret, or a token of it.")
	}
	t, err := d.discover(ctx, s.Issuer, s.Transmitter.Configuration)
	return s, t, err
}

// connected is far for a stream that its transmitter has.
func (d *Door) connected(ctx context.Context, by account.Actor, id account.StreamID) (account.Stream, Transmitter, error) {
	s, t, err := d.far(ctx, by, id)
	if err == nil && s.Transmitter.Stream == "" {
		err = account.Errorf(account.Conflict, "The transmitter does not have this stream yet.").Coded("not_connected").Fix("Connect it first.")
	}
	return s, t, err
}

func withStream(address, stream string) string {
	sep := "?"
	if strings.Contains(address, "?") {
		sep = "&"
	}
	return address + sep + "stream_id=" + url.QueryEscape(stream)
}

// call speaks to a stream API and answers with the object that it answers with; wanted are the statuses that are no failure.
func (d *Door) call(ctx context.Context, s account.Stream, method, address string, body map[string]any, wanted ...int) (map[string]any, error) {
	if address == "" {
		return nil, account.Errorf(account.Conflict, "The transmitter's document names no address for this.").Coded("no_stream_api")
	}
	for try := 0; ; try++ {
		resp, err := d.send(ctx, s, method, address, body)
		if err != nil {
			return nil, err
		}
		if resp.StatusCode == http.StatusUnauthorized && try == 0 && d.forgetToken(s) {
			_ = resp.Body.Close()
			continue
		}
		raw, err := egress.Read(resp, maxDocument)
		if err != nil {
			return nil, egress.Explain(address, err)
		}
		if !slices.Contains(wanted, resp.StatusCode) {
			return nil, refusedThere(resp.StatusCode, address)
		}
		answer, _ := strict.Object(raw, 16) // empty is fine; who needs a member looks for it
		return answer, nil
	}
}

func (d *Door) send(ctx context.Context, s account.Stream, method, address string, body map[string]any) (*http.Response, error) {
	var content io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(raw)
	}
	r, err := http.NewRequestWithContext(ctx, method, address, content)
	if err != nil {
		return nil, account.Errorf(account.Invalid, "%q is no address of a stream API.", strict.Clip(address, 200)).Because(err)
	}
	r.Header.Set("Accept", "application/json")
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if err := d.authorize(ctx, s, account.Secret{}, r); err != nil {
		return nil, err
	}
	resp, err := d.o.Fetch.Do(r)
	if err != nil {
		return nil, egress.Explain(address, err)
	}
	return resp, nil
}

// refusedThere says what a transmitter's refusal means for whoever sits here.
func refusedThere(status int, address string) error {
	text := http.StatusText(status)
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return account.Errorf(account.Conflict, "The transmitter does not let us in: %d %s.", status, text).Coded("transmitter_refused").
			Fix("Check the client's scopes there; ssf.manage is the usual one.")
	case http.StatusNotFound:
		return account.Errorf(account.Conflict, "The transmitter does not know this stream any more.").Coded("stream_gone").Fix("Disconnect it, then connect it again.")
	case http.StatusConflict:
		return account.Errorf(account.Conflict, "The transmitter allows no other stream for this client.").Coded("stream_exists").
			Fix("Delete the old stream there, or enter its stream id here.")
	case http.StatusTooManyRequests:
		return account.Errorf(account.TooMany, "The transmitter was asked too often.").Coded("transmitter_busy").Fix("Try again in a minute.")
	}
	return account.Errorf(account.Unavailable, "%s answers with status %d %s.", strict.Clip(address, 200), status, text).Coded("transmitter_status")
}
