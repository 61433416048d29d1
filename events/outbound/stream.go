package outbound

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/events/set"
	"github.com/drawbridge-id/drawbridge/request"
	"github.com/drawbridge-id/drawbridge/store"
)

// The delivery methods (SSF §6.1), and how they were spelled before.
const (
	methodPush       = "urn:ietf:rfc:8935"
	methodPoll       = "urn:ietf:rfc:8936"
	methodLegacyPush = "https://schemas.openid.net/secevent/risc/delivery-method/push"
	methodLegacyPoll = "https://schemas.openid.net/secevent/risc/delivery-method/poll"
)

// A configuration is a stream as its receiver sees it (SSF §8.1.1). What only we set is read too, so that an attempt to change it is seen.
type configuration struct {
	StreamID    string    `json:"stream_id,omitempty"`
	Issuer      string    `json:"iss,omitempty"`
	Audience    audience  `json:"aud,omitempty"`
	Supported   []string  `json:"events_supported,omitempty"`
	Requested   *[]string `json:"events_requested,omitempty"`
	Delivered   []string  `json:"events_delivered,omitempty"`
	Delivery    *delivery `json:"delivery,omitempty"`
	Interval    *int      `json:"min_verification_interval,omitempty"`
	Description *string   `json:"description,omitempty"`
}

type delivery struct {
	Method        string  `json:"method"`
	Endpoint      string  `json:"endpoint_url,omitempty"`
	Authorization *string `json:"authorization_header,omitempty"` // taken, never shown
}

// An audience is one text or several.
type audience []string

func (a *audience) UnmarshalJSON(raw []byte) error {
	if bytes.HasPrefix(raw, []byte("[")) {
		return json.Unmarshal(raw, (*[]string)(a))
	}
	var one string
	err := json.Unmarshal(raw, &one)
	*a = audience{one}
	return err
}

// MarshalJSON writes one as a text.
func (a audience) MarshalJSON() ([]byte, error) {
	if len(a) == 1 {
		return json.Marshal(a[0])
	}
	return json.Marshal([]string(a))
}

func invalid(format string, args ...any) *account.Error {
	return account.Errorf(account.Invalid, format, args...).Coded("invalid_request")
}

const streamBody = 64 << 10

// read reads the JSON object of a request.
func read(w http.ResponseWriter, r *http.Request, into any) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, streamBody))
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")) {
		return invalid("Expected a JSON object.")
	}
	if err := json.Unmarshal(body, into); err != nil {
		return invalid("The JSON object does not read.").Because(err)
	}
	return nil
}

// problems keeps errors of fields a plain 400: that is what receivers look for.
func plainly(err error) error {
	var e *account.Error
	if errors.As(err, &e) && e.Kind == account.Invalid && e.Pointer != "" {
		return account.Errorf(account.Invalid, "%s", e.Message).Fix("%s", e.Help).Coded("invalid_request")
	}
	return err
}

// show is a stream as it is.
func (d *Door) show(f account.Feed) configuration {
	events := []string{}
	for _, s := range account.Signals {
		events = append(events, eventTypes[s])
	}
	interval := int(store.VerificationInterval.Seconds())
	c := configuration{StreamID: string(f.ID), Issuer: d.issuer(f.Account), Audience: audience{f.Audience}, Supported: events, Delivered: typesOf(f),
		Interval: &interval, Delivery: &delivery{Method: f.Spelling, Endpoint: f.URL}}
	if len(f.Requested) > 0 {
		c.Requested = &f.Requested
	}
	if f.Description != "" {
		c.Description = &f.Description
	}
	if !f.Push() {
		c.Delivery.Endpoint = d.issuer(f.Account) + "/poll/" + string(f.ID)
	}
	if f.Spelling == "" {
		c.Delivery.Method = methodPoll
		if f.Push() {
			c.Delivery.Method = methodPush
		}
	}
	return c
}

// apply takes over what a receiver sets. whole says that what it leaves out goes away.
func (c configuration) apply(f *account.Feed, whole bool) error {
	if c.Delivery != nil || whole {
		how := delivery{Method: methodPoll} // SSF §8.1.1.1: without a method, it is fetched
		if c.Delivery != nil {
			how = *c.Delivery
		}
		switch how.Method {
		case methodPush, methodLegacyPush:
			if how.Endpoint == "" {
				return invalid("A stream that is pushed needs an endpoint_url.")
			}
			f.URL = how.Endpoint
		case methodPoll, methodLegacyPoll:
			f.URL = "" // the address is ours
		default:
			return invalid("Expected the delivery method %s or %s.", methodPush, methodPoll)
		}
		f.Spelling = ""
		if how.Method != methodPush && how.Method != methodPoll {
			f.Spelling = how.Method
		}
	}
	if c.Requested != nil || whole {
		f.Requested, f.Events = nil, nil
		if c.Requested != nil {
			for _, e := range *c.Requested {
				if len(e) > 500 {
					return invalid("An event type has at most 500 characters.")
				}
			}
			f.Requested, f.Events = *c.Requested, signalsOf(*c.Requested)
			if len(f.Requested) > 0 && len(f.Events) == 0 {
				return invalid("None of the events asked for is sent here.")
			}
		}
	}
	if c.Description != nil || whole {
		f.Description = ""
		if c.Description != nil {
			f.Description = *c.Description
		}
	}
	return nil
}

func (c configuration) authorization(whole bool) *account.Secret {
	switch {
	case c.Delivery != nil && c.Delivery.Authorization != nil:
		s := account.NewSecret(*c.Delivery.Authorization)
		return &s
	case whole, c.Delivery != nil:
		return new(account.Secret)
	}
	return nil
}

// foreign says which member that only we set would be changed.
func (c configuration) foreign(is configuration) error {
	same := func(name string, said, is []string) error {
		if said == nil || slices.Equal(said, is) {
			return nil
		}
		return invalid("%s is not a receiver's to change.", name)
	}
	var interval error
	if c.Interval != nil && *c.Interval != *is.Interval {
		interval = invalid("min_verification_interval is not a receiver's to change.")
	}
	var issuer error
	if c.Issuer != "" && c.Issuer != is.Issuer {
		issuer = invalid("iss is not a receiver's to change.")
	}
	for _, err := range []error{issuer, same("aud", c.Audience, is.Audience), same("events_supported", c.Supported, is.Supported),
		same("events_delivered", c.Delivered, is.Delivered), interval} {
		if err != nil {
			return err
		}
	}
	return nil
}

func actor(r *http.Request) account.Actor { return request.As(r.Context(), account.Actor{}) }

// CreateStream makes the one stream of a receiver (SSF §8.1.1.1).
func (d *Door) CreateStream(w http.ResponseWriter, r *http.Request) error {
	g, err := d.receiver(w, r, true)
	if err != nil {
		return err
	}
	var c configuration
	if err := read(w, r, &c); err != nil {
		return err
	}
	var f account.Feed
	if err := c.apply(&f, true); err != nil {
		return err
	}
	f, err = d.o.Ledger.OpenFeed(r.Context(), actor(r), g, f, *c.authorization(true))
	if err != nil {
		return plainly(err)
	}
	return write(w, http.StatusCreated, d.show(f))
}

// Streams reads the stream that is named, or lists the receiver's (SSF §8.1.1.2).
func (d *Door) Streams(w http.ResponseWriter, r *http.Request) error {
	g, err := d.receiver(w, r, false)
	if err != nil {
		return err
	}
	id, named := r.URL.Query()["stream_id"]
	f, err := d.o.Ledger.FeedOf(r.Context(), g)
	switch {
	case !named && account.KindOf(err) == account.NotFound:
		return write(w, http.StatusOK, []any{})
	case err != nil:
		return err
	case !named:
		return write(w, http.StatusOK, []any{d.show(f)})
	case id[0] != string(f.ID):
		return noStream()
	}
	return write(w, http.StatusOK, d.show(f))
}

func noStream() *account.Error { return account.Errorf(account.NotFound, "No such stream.") }

// UpdateStream changes what is named (PATCH, SSF §8.1.1.3).
func (d *Door) UpdateStream(w http.ResponseWriter, r *http.Request) error {
	return d.change(w, r, false)
}

// ReplaceStream changes everything that is a receiver's to set (PUT, SSF §8.1.1.4).
func (d *Door) ReplaceStream(w http.ResponseWriter, r *http.Request) error {
	return d.change(w, r, true)
}

func (d *Door) change(w http.ResponseWriter, r *http.Request, whole bool) error {
	g, err := d.receiver(w, r, true)
	if err != nil {
		return err
	}
	var c configuration
	if err := read(w, r, &c); err != nil {
		return err
	}
	if c.StreamID == "" {
		return invalid("stream_id is missing.")
	}
	f, err := d.o.Ledger.ChangeFeed(r.Context(), actor(r), g, account.FeedID(c.StreamID), c.authorization(whole), func(f *account.Feed) error {
		if err := c.foreign(d.show(*f)); err != nil {
			return err
		}
		return c.apply(f, whole)
	})
	if err != nil {
		return plainly(err)
	}
	return write(w, http.StatusOK, d.show(f))
}

// DeleteStream ends the stream (SSF §8.1.1.5).
func (d *Door) DeleteStream(w http.ResponseWriter, r *http.Request) error {
	g, err := d.receiver(w, r, true)
	if err != nil {
		return err
	}
	id := r.URL.Query().Get("stream_id")
	if id == "" {
		return invalid("stream_id is missing.")
	}
	if err := d.o.Ledger.CloseFeed(r.Context(), actor(r), g, account.FeedID(id)); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

type status struct {
	StreamID string             `json:"stream_id"`
	Status   account.FeedStatus `json:"status"`
	Reason   string             `json:"reason,omitempty"`
}

// Status reads whether the stream flows (SSF §8.1.2.1).
func (d *Door) Status(w http.ResponseWriter, r *http.Request) error {
	g, err := d.receiver(w, r, false)
	if err != nil {
		return err
	}
	id := r.URL.Query().Get("stream_id")
	if id == "" {
		return invalid("stream_id is missing.")
	}
	f, err := d.o.Ledger.FeedOf(r.Context(), g)
	if err == nil && string(f.ID) != id {
		err = noStream()
	}
	if err != nil {
		return err
	}
	return write(w, http.StatusOK, status{id, f.Status, f.Reason})
}

// SetStatus pauses, disables or enables the stream (SSF §8.1.2.2).
func (d *Door) SetStatus(w http.ResponseWriter, r *http.Request) error {
	g, err := d.receiver(w, r, true)
	if err != nil {
		return err
	}
	var s status
	if err := read(w, r, &s); err != nil {
		return err
	}
	if s.StreamID == "" {
		return invalid("stream_id is missing.")
	}
	f, err := d.o.Ledger.SetFeedStatus(r.Context(), actor(r), g, account.FeedID(s.StreamID), s.Status, s.Reason)
	if err != nil {
		return plainly(err)
	}
	return write(w, http.StatusOK, status{s.StreamID, f.Status, f.Reason})
}

// AddSubject and RemoveSubject say whom a receiver wants to hear of (SSF §8.1.3). A stream is about everybody of the account to begin with.
func (d *Door) AddSubject(w http.ResponseWriter, r *http.Request) error {
	return d.subject(w, r, true, http.StatusOK)
}

// RemoveSubject is the opposite of AddSubject.
func (d *Door) RemoveSubject(w http.ResponseWriter, r *http.Request) error {
	return d.subject(w, r, false, http.StatusNoContent)
}

func (d *Door) subject(w http.ResponseWriter, r *http.Request, want bool, done int) error {
	g, err := d.receiver(w, r, true)
	if err != nil {
		return err
	}
	var asked struct {
		StreamID string `json:"stream_id"`
		Subject  any    `json:"subject"`
		Verified *bool  `json:"verified"`
	}
	if err := read(w, r, &asked); err != nil {
		return err
	}
	if asked.StreamID == "" {
		return invalid("stream_id is missing.")
	}
	s, err := set.Subject(asked.Subject)
	if err != nil {
		return invalid("The subject does not read.").Because(err)
	}
	email, user := whom(s)
	if err := d.o.Ledger.WantSubject(r.Context(), actor(r), g, account.FeedID(asked.StreamID), email, user, want); err != nil {
		return err
	}
	w.WriteHeader(done)
	return nil
}

// whom is the person that a subject names by what we call them; nobody otherwise.
func whom(s account.SubjectID) (email string, u account.UserID) {
	switch s.Format {
	case account.SubjectComplex:
		if user, ok := s.Members["user"]; ok {
			return whom(user)
		}
	case account.SubjectEmail:
		if email, err := account.NormalEmail(s.Values["email"]); err == nil {
			return email, ""
		}
	case account.SubjectOpaque:
		u, _ = account.ParseID[account.UserID](s.Values["id"])
	}
	return "", u
}

// Verify sends a verification event through the stream (SSF §8.1.4.2).
func (d *Door) Verify(w http.ResponseWriter, r *http.Request) error {
	g, err := d.receiver(w, r, false)
	if err != nil {
		return err
	}
	var asked struct {
		StreamID string  `json:"stream_id"`
		State    *string `json:"state"`
	}
	if err := read(w, r, &asked); err != nil {
		return err
	}
	state := ""
	if asked.State != nil {
		state = *asked.State
	}
	if asked.StreamID == "" || len(state) > 1000 {
		return invalid("stream_id is missing, or state has more than 1,000 characters.")
	}
	if err := d.o.Ledger.VerifyFeed(r.Context(), actor(r), g, account.FeedID(asked.StreamID), state); err != nil {
		if account.KindOf(err) == account.TooMany {
			w.Header().Set("Retry-After", strconv.Itoa(int(store.VerificationInterval.Seconds())))
		}
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// plainText keeps what a receiver says about a token on one line.
func plainText(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(clip(s, 300), ""))
}
