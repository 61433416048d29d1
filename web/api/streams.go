package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/drawbridge-id/drawbridge/account"
)

// StreamSettings say whose security events a stream takes, and what they may do. Secrets are written and never read.
type StreamSettings struct {
	Name           string                 `json:"name" maxLength:"100"`
	Enabled        bool                   `json:"enabled"`
	Connection     account.ConnectionID   `json:"connection,omitempty" maxLength:"64" doc:"The identity provider that it belongs to. Absent: a security tool of none."`
	Issuer         string                 `json:"issuer" maxLength:"1000" doc:"The iss of its tokens, byte for byte."`
	Aliases        []string               `json:"aliases,omitempty" maxItems:"20" doc:"Other spellings of the issuer that are taken too."`
	Audience       []string               `json:"audience" maxItems:"20" doc:"One of them has to be an aud of each token."`
	JWKSURL        string                 `json:"jwks_url,omitempty" maxLength:"2000"`
	Keys           string                 `json:"keys,omitempty" maxLength:"50000" doc:"A JWK Set as JSON, instead of jwks_url."`
	Algorithms     []string               `json:"algorithms,omitempty" maxItems:"20" doc:"Absent: RS256."`
	Method         account.StreamMethod   `json:"method,omitempty" enum:"push,poll" default:"push"`
	Poll           *StreamPoll            `json:"poll,omitempty" doc:"Where to ask, with method poll."`
	Compat         account.StreamCompat   `json:"compat,omitzero" doc:"Habits of senders that are put up with."`
	SubjectIssuers []account.ConnectionID `json:"subject_issuers,omitempty" maxItems:"20" doc:"Other connections whose people it may name."`
	WideSubjects   bool                   `json:"wide_subjects,omitempty" doc:"Let an event about a group or the whole account end sessions."`
	KeysFollow     bool                   `json:"keys_follow_sessions,omitempty" doc:"Let what ends all sessions of a person revoke their keys too."`
	GTRKeys        account.GTRKeys        `json:"gtr_keys,omitempty" enum:"keep,suspend,revoke" default:"keep" doc:"What a global token revocation does to keys."`
	Compromised    account.CompromiseKeys `json:"compromised_keys,omitempty" enum:"flag,revoke" default:"flag" doc:"What a reported compromise does to keys of the last 30 days."`
}

// StreamPoll is where a poller asks.
type StreamPoll struct {
	Endpoint string `json:"endpoint" maxLength:"2000"`
	Bearer   string `json:"bearer,omitempty" maxLength:"10000" doc:"Written and never read. Absent: what it was, as long as the endpoint stays."`
}

// Stream is a stream of security events that come in.
type Stream struct {
	ID account.StreamID `json:"id"`
	StreamSettings
	Created  time.Time `json:"created_at"`
	PushPath string    `json:"push_path,omitempty" doc:"Where the transmitter pushes, below the base URL."`
}

func stream(s account.Stream) Stream {
	out := Stream{ID: s.ID, Created: s.CreatedAt, StreamSettings: StreamSettings{s.Name, s.Enabled, s.Connection, s.Issuer, s.Aliases, s.Audience, s.JWKSURL,
		s.Keys, s.Algorithms, s.Method, nil, s.Compat, s.SubjectIssuers, s.WideSubjects, s.KeysFollowSessions, s.GTRKeys, s.CompromisedKeys}}
	if s.Poll != nil {
		out.Poll = &StreamPoll{Endpoint: s.Poll.Endpoint}
	}
	if s.Method == account.StreamPush {
		out.PushPath = "/events/" + string(s.ID)
	}
	return out
}

// into changes a stream to what is said; what the API does not speak of stays.
func (in StreamSettings) into(s *account.Stream) {
	s.Name, s.Enabled, s.Connection, s.Issuer, s.Aliases, s.Audience = in.Name, in.Enabled, in.Connection, in.Issuer, in.Aliases, in.Audience
	s.JWKSURL, s.Keys, s.Algorithms, s.Method, s.Compat, s.SubjectIssuers = in.JWKSURL, in.Keys, in.Algorithms, in.Method, in.Compat, in.SubjectIssuers
	s.WideSubjects, s.KeysFollowSessions, s.GTRKeys, s.CompromisedKeys = in.WideSubjects, in.KeysFollow, in.GTRKeys, in.Compromised
	before := s.Poll
	s.Poll = nil
	if in.Poll != nil {
		s.Poll = &account.Poll{Endpoint: in.Poll.Endpoint, Bearer: account.NewSecret(in.Poll.Bearer)}
		if in.Poll.Bearer == "" && before != nil {
			s.Poll.Bearer = before.Bearer // the ledger drops it when the endpoint is another
		}
		// A transmitter's own credentials open its polls too. They are not sent to an address that it has not named itself.
		if s.Transmitter != nil && (before == nil || before.Endpoint != in.Poll.Endpoint) {
			t := *s.Transmitter
			t.Bearer, t.ClientSecret = account.Secret{}, account.Secret{}
			s.Transmitter = &t
		}
	}
}

// StreamDetail is a stream, and how it fares.
type StreamDetail struct {
	Stream
	Transmitter string                       `json:"transmitter_status,omitempty" doc:"As the transmitter says: enabled, paused or disabled."`
	Why         string                       `json:"transmitter_reason,omitempty"`
	LastEvent   *time.Time                   `json:"last_event_at,omitempty"`
	Verified    *time.Time                   `json:"verified_at,omitempty" doc:"When a verification that we had asked for came back."`
	Outcomes    map[account.EventOutcome]int `json:"outcomes" doc:"Events of the last 30 days."`
	LagMedian   float64                      `json:"lag_median_seconds"`
	LagP99      float64                      `json:"lag_p99_seconds"`
	Breaker     Breaker                      `json:"breaker" doc:"Of its connection, or its own when it belongs to none."`
}

// PushCredential is what a transmitter shows when it pushes. The credential itself is shown once.
type PushCredential struct {
	ID      account.PushID `json:"id"`
	Path    bool           `json:"path" doc:"It is part of the address, for senders that send no Authorization."`
	Last4   string         `json:"last4"`
	Created time.Time      `json:"created_at"`
	By      string         `json:"created_by"`
	Used    *time.Time     `json:"used_at,omitempty"`
}

func pushCredential(c account.PushCredential) PushCredential {
	return PushCredential{c.ID, c.Path, c.Last4, c.CreatedAt, c.CreatedBy, when(c.UsedAt)}
}

// MintedPushCredential is a new one, the one time that it is shown.
type MintedPushCredential struct {
	PushCredential
	Secret string `json:"secret" doc:"It is not shown again."`
}

// StreamEvent is one event that came, and what it did.
type StreamEvent struct {
	ID       account.EventID      `json:"id"`
	Type     string               `json:"type"`
	JTI      string               `json:"jti"`
	Txn      string               `json:"txn,omitempty"`
	At       time.Time            `json:"at" doc:"When it happened."`
	Received time.Time            `json:"received_at"`
	Subject  *account.SubjectID   `json:"subject,omitempty"`
	Body     json.RawMessage      `json:"body,omitempty"`
	User     account.UserID       `json:"user,omitempty" doc:"Whom it was about here."`
	Outcome  account.EventOutcome `json:"outcome" enum:"applied,recorded,ignored,no_subject,held,superseded,retrying,dead_letter"`
	Detail   string               `json:"detail,omitempty"`
	Sessions int                  `json:"sessions,omitempty" doc:"Ended."`
	Keys     int                  `json:"keys,omitempty" doc:"Revoked."`
	Attempts int                  `json:"attempts,omitempty" doc:"That failed."`
	RetryAt  *time.Time           `json:"retry_at,omitempty"`
}

func streamEvent(e account.Event) StreamEvent {
	return StreamEvent{e.ID, e.Type, e.JTI, e.Txn, e.At, e.Received, e.Subject, e.Body, e.User, e.Outcome, e.Detail, e.Sessions, e.Keys, e.Attempts, when(e.RetryAt)}
}

// A page of events; Next is the cursor of the following one, empty on the last.
type streamEventsPage struct {
	Events []StreamEvent   `json:"events"`
	Next   account.EventID `json:"next,omitempty"`
}

// A StreamPath names a stream.
type StreamPath struct {
	Stream account.StreamID `path:"stream" maxLength:"64"`
}

func (a *API) streams(h huma.API) {
	huma.Register(h, op(http.MethodGet, "/orgs/{org}/streams", "list-streams", "Streams of security events that come in"),
		func(ctx context.Context, in *OrgPath) (*body[[]Stream], error) {
			acct, _, err := a.in(ctx, in.Org)
			if err != nil {
				return nil, problem(ctx, err)
			}
			all, err := a.opt.Ledger.Streams(ctx, caller(ctx), acct.ID)
			out := make([]Stream, len(all))
			for i, s := range all {
				out[i] = stream(s)
			}
			return answer(ctx, out, err)
		})
	huma.Register(h, created("/orgs/{org}/streams", "add-stream", "Let a transmitter send security events about the people of the account"),
		func(ctx context.Context, in *struct {
			OrgPath
			Body StreamSettings
		}) (*body[Stream], error) {
			acct, _, err := a.in(ctx, in.Org)
			if err != nil {
				return nil, problem(ctx, err)
			}
			var s account.Stream
			in.Body.into(&s)
			s, err = a.opt.Ledger.AddStream(ctx, caller(ctx), acct.ID, s)
			return answer(ctx, stream(s), err)
		})
	huma.Register(h, op(http.MethodGet, "/streams/{stream}", "get-stream", "A stream, and how it fares"),
		func(ctx context.Context, in *StreamPath) (*body[StreamDetail], error) {
			d, err := a.streamDetail(ctx, in.Stream)
			return answer(ctx, d, err)
		})
	huma.Register(h, op(http.MethodPut, "/streams/{stream}", "save-stream", "Replace what a stream takes and may do"),
		func(ctx context.Context, in *struct {
			StreamPath
			Body StreamSettings
		}) (*body[Stream], error) {
			s, err := a.opt.Ledger.UpdateStream(ctx, caller(ctx), in.Stream, func(s *account.Stream) error { in.Body.into(s); return nil })
			return answer(ctx, stream(s), err)
		})
	huma.Register(h, op(http.MethodDelete, "/streams/{stream}", "remove-stream", "End a stream; what it sent stays in its log until it is old"),
		func(ctx context.Context, in *StreamPath) (*struct{}, error) {
			return nothing(ctx, a.opt.Ledger.RemoveStream(ctx, caller(ctx), in.Stream))
		})
	huma.Register(h, op(http.MethodPost, "/streams/{stream}/breaker/resume", "resume-stream-removals", "Let a stream that belongs to no connection remove people again"),
		func(ctx context.Context, in *struct {
			StreamPath
			Body Allowance
		}) (*body[Breaker], error) {
			b, err := a.opt.Ledger.ResumeRemovals(ctx, caller(ctx), string(in.Stream), in.Body.store())
			return answer(ctx, breaker(b), err)
		})
	a.streamCredentials(h)
	a.streamEvents(h)
}

func (a *API) streamDetail(ctx context.Context, id account.StreamID) (StreamDetail, error) {
	s, err := a.opt.Ledger.Stream(ctx, caller(ctx), id)
	if err != nil {
		return StreamDetail{}, err
	}
	status, err := a.opt.Ledger.StreamStatus(ctx, caller(ctx), id)
	if err != nil {
		return StreamDetail{}, err
	}
	source := string(s.Connection)
	if source == "" {
		source = string(id)
	}
	b, err := a.opt.Ledger.Breaker(ctx, caller(ctx), source)
	return StreamDetail{stream(s), status.Status, status.Why, when(status.LastEvent), when(status.VerifiedAt), status.Outcomes,
		status.Lag.Median.Seconds(), status.Lag.P99.Seconds(), breaker(b)}, err
}

func (a *API) streamCredentials(h huma.API) {
	huma.Register(h, inPerson(created("/streams/{stream}/credentials", "mint-push-credential", "Make what the transmitter shows when it pushes; it needs a sign-in within the last half hour")),
		func(ctx context.Context, in *struct {
			StreamPath
			Body struct {
				Path bool `json:"path,omitempty" doc:"As part of the address, for senders that send no Authorization."`
			}
		}) (*body[MintedPushCredential], error) {
			_, err := a.opt.Ledger.Stream(ctx, caller(ctx), in.Stream)
			if err == nil {
				err = a.fresh(ctx)
			}
			if err != nil {
				return nil, problem(ctx, err)
			}
			c, secret, err := a.opt.Ledger.MintPushCredential(ctx, caller(ctx), in.Stream, in.Body.Path)
			return answer(ctx, MintedPushCredential{pushCredential(c), secret.Reveal()}, err)
		})
	huma.Register(h, op(http.MethodGet, "/streams/{stream}/credentials", "list-push-credentials", "The credentials of a stream, without the credentials themselves"),
		func(ctx context.Context, in *StreamPath) (*body[[]PushCredential], error) {
			all, err := a.opt.Ledger.PushCredentials(ctx, caller(ctx), in.Stream)
			out := make([]PushCredential, len(all))
			for i, c := range all {
				out[i] = pushCredential(c)
			}
			return answer(ctx, out, err)
		})
	huma.Register(h, op(http.MethodPost, "/streams/{stream}/credentials/{credential}/revoke", "revoke-push-credential", "Make a credential worthless at once"),
		func(ctx context.Context, in *struct {
			StreamPath
			Credential account.PushID `path:"credential" maxLength:"64"`
		}) (*struct{}, error) {
			return nothing(ctx, a.opt.Ledger.RevokePushCredential(ctx, caller(ctx), in.Stream, in.Credential))
		})
}

func (a *API) streamEvents(h huma.API) {
	huma.Register(h, op(http.MethodGet, "/streams/{stream}/events", "list-stream-events", "What a stream sent, newest first, and what it did"),
		func(ctx context.Context, in *struct {
			StreamPath
			Outcome account.EventOutcome `query:"outcome" enum:"applied,recorded,ignored,no_subject,held,superseded,retrying,dead_letter" doc:"Of one outcome alone; dead_letter: those whose effect failed for good."`
			Before  account.EventID      `query:"before" maxLength:"64" doc:"Cursor: \"next\" of the page before."`
			Limit   int                  `query:"limit" default:"100" minimum:"1" maximum:"500"`
		}) (*body[streamEventsPage], error) {
			all, err := a.opt.Ledger.StreamEvents(ctx, caller(ctx), in.Stream, in.Outcome, in.Before, in.Limit)
			page := streamEventsPage{Events: []StreamEvent{}}
			for _, e := range all {
				page.Events = append(page.Events, streamEvent(e))
			}
			if len(all) == in.Limit {
				page.Next = all[len(all)-1].ID
			}
			return answer(ctx, page, err)
		})
	huma.Register(h, op(http.MethodPost, "/streams/{stream}/events/{event}/replay", "replay-event", "Do once more what a dead letter, or an event that was held or about nobody, asks for"),
		func(ctx context.Context, in *struct {
			StreamPath
			Event account.EventID `path:"event" maxLength:"64"`
		}) (*body[StreamEvent], error) {
			e, err := a.opt.Ledger.ReplayEvent(ctx, caller(ctx), in.Stream, in.Event)
			return answer(ctx, streamEvent(e), err)
		})
}
