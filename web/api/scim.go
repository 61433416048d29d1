package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/drawbridge-id/drawbridge/account"
)

// ConnectionDetail is a connection, and whether we hear of it when somebody leaves.
type ConnectionDetail struct {
	Connection
	Removals Detection `json:"removals"`
}

// Detection says whether we hear of it when somebody leaves.
type Detection struct {
	Detected    bool          `json:"detected"`
	Words       string        `json:"words" doc:"The same, in a sentence."`
	SCIMPath    string        `json:"scim_path" doc:"Where the provider pushes people, below the base URL."`
	SCIMTokens  int           `json:"scim_tokens" doc:"Valid ones."`
	SCIMUsed    *time.Time    `json:"scim_used_at,omitempty"`
	Streams     int           `json:"streams" doc:"Enabled streams of security events."`
	StreamHeard *time.Time    `json:"stream_heard_at,omitempty"`
	Decision    *SyncDecision `json:"decision,omitempty" doc:"What the company decided. Absent: nothing is recorded."`
	Breaker     Breaker       `json:"breaker"`
}

// SyncDecision is what a company decided about telling us of people who leave.
type SyncDecision struct {
	SyncDecided
	RecordedAt time.Time `json:"recorded_at"`
	RecordedBy string    `json:"recorded_by"`
}

// SyncDecided is what is recorded of it.
type SyncDecided struct {
	Decision       account.SyncChoice `json:"decision" enum:"scim,events,none" doc:"none: removals at the provider are not detected."`
	AcknowledgedBy string             `json:"acknowledged_by" maxLength:"200" doc:"Who, on the company's side, acknowledged in writing what follows from it."`
	Evidence       string             `json:"evidence" maxLength:"500" doc:"Where the acknowledgment is kept. An e-mail suffices: its Message-ID or a link to it."`
	Note           string             `json:"note,omitempty" maxLength:"2000"`
}

func detection(c account.ConnectionID, d account.Detection) Detection {
	out := Detection{Detected: d.Detected, Words: d.Words(), SCIMPath: "/scim/" + string(c) + "/v2", SCIMTokens: d.SCIMTokens, SCIMUsed: when(d.SCIMUsed),
		Streams: d.Streams, StreamHeard: when(d.StreamHeard), Breaker: breaker(d.Breaker)}
	if d.Decision != nil {
		shown := syncDecision(*d.Decision)
		out.Decision = &shown
	}
	return out
}

func syncDecision(d account.SyncDecision) SyncDecision {
	return SyncDecision{SyncDecided{d.Decision, d.AcknowledgedBy, d.Evidence, d.Note}, d.RecordedAt, d.RecordedBy}
}

// SCIMToken lets an identity provider push people. The token itself is shown once.
type SCIMToken struct {
	ID      account.SCIMTokenID `json:"id"`
	Last4   string              `json:"last4" doc:"Its last four characters, to compare."`
	Created time.Time           `json:"created_at"`
	By      string              `json:"created_by"`
	Expires time.Time           `json:"expires_at"`
	Used    *time.Time          `json:"used_at,omitempty" doc:"Renewed at most once a minute. Absent: never."`
}

func scimToken(t account.SCIMToken) SCIMToken {
	return SCIMToken{t.ID, t.Last4, t.CreatedAt, t.CreatedBy, t.ExpiresAt, when(t.UsedAt)}
}

// MintedSCIMToken is a new token, the one time that it is shown.
type MintedSCIMToken struct {
	SCIMToken
	Secret string `json:"secret" doc:"The token. It is not shown again."`
	Path   string `json:"path" doc:"Where the provider pushes, below the base URL."`
}

// SCIMOptions say how pushed people and groups meet those that sign in.
type SCIMOptions struct {
	Subject account.SCIMSubject  `json:"subject" enum:"externalId,userName" doc:"Which attribute of a pushed user is the subject that a sign-in brings."`
	Groups  account.PushedGroups `json:"groups" enum:"merge,replace,ignore" doc:"What pushed groups count for beside those of a sign-in."`
}

// SCIMRequest is a line of the request log.
type SCIMRequest struct {
	ID       account.SCIMRequestID `json:"id"`
	At       time.Time             `json:"at"`
	Method   string                `json:"method"`
	Path     string                `json:"path"`
	Status   int                   `json:"status"`
	SCIMType string                `json:"scim_type,omitempty"`
	Detail   string                `json:"detail,omitempty"`
	Changed  string                `json:"changed,omitempty" doc:"What it changed, in words."`
	Body     string                `json:"body,omitempty" doc:"Without passwords, and clipped."`
	Agent    string                `json:"agent,omitempty"`
	Token    account.SCIMTokenID   `json:"token,omitempty"`
	Took     float64               `json:"took_seconds"`
}

func scimRequest(r account.SCIMRequest) SCIMRequest {
	return SCIMRequest{r.ID, r.At, r.Method, r.Path, r.Status, r.SCIMType, r.Detail, r.Changed, r.Body, r.Agent, r.Token, r.Took.Seconds()}
}

// Rehearsal is how a logged request would be answered now.
type Rehearsal struct {
	Status  int      `json:"status"`
	Body    string   `json:"body,omitempty"`
	Changes []string `json:"changes" doc:"What it would change, in words."`
}

// Unmet is a pushed user in whom provisioning and sign-in do not meet, or a group that names members who are nobody yet.
type Unmet struct {
	Kind   string         `json:"kind" enum:"User,Group"`
	ID     string         `json:"id"`
	Name   string         `json:"name"`
	Person account.UserID `json:"user,omitempty" doc:"Who it is here. Absent: nobody."`
	Why    string         `json:"why" doc:"And what to do."`
}

// A page of the request log; Next is the cursor of the following one, empty on the last.
type scimRequestsPage struct {
	Requests []SCIMRequest         `json:"requests"`
	Next     account.SCIMRequestID `json:"next,omitempty"`
}

func (a *API) scim(h huma.API) {
	huma.Register(h, op(http.MethodGet, "/connections/{connection}", "get-connection", "A connection, and whether we hear of it when somebody leaves"),
		func(ctx context.Context, in *ConnectionPath) (*body[ConnectionDetail], error) {
			d, err := a.opt.Ledger.Detection(ctx, caller(ctx), in.Connection)
			if err != nil {
				return nil, problem(ctx, err)
			}
			c, err := a.opt.Ledger.Connection(ctx, in.Connection)
			return answer(ctx, ConnectionDetail{connection(c), detection(in.Connection, d)}, err)
		})
	huma.Register(h, op(http.MethodPut, "/connections/{connection}/sync-decision", "record-sync-decision", "Record what the company decided about telling us of people who leave"),
		func(ctx context.Context, in *struct {
			ConnectionPath
			Body SyncDecided
		}) (*body[SyncDecision], error) {
			b := in.Body
			d, err := a.opt.Ledger.RecordSyncDecision(ctx, caller(ctx), in.Connection,
				account.SyncDecision{Decision: b.Decision, AcknowledgedBy: b.AcknowledgedBy, Evidence: b.Evidence, Note: b.Note})
			return answer(ctx, syncDecision(d), err)
		})
	a.scimTokens(h)
	a.scimMeeting(h)
	huma.Register(h, op(http.MethodGet, "/connections/{connection}/scim/options", "get-scim-options", "How pushed people and groups meet those that sign in"),
		func(ctx context.Context, in *ConnectionPath) (*body[SCIMOptions], error) {
			o, err := a.opt.Ledger.SCIMOptions(ctx, caller(ctx), in.Connection)
			return answer(ctx, SCIMOptions(o), err)
		})
	huma.Register(h, op(http.MethodPut, "/connections/{connection}/scim/options", "set-scim-options", "Say how pushed people and groups meet those that sign in"),
		func(ctx context.Context, in *struct {
			ConnectionPath
			Body SCIMOptions
		}) (*body[SCIMOptions], error) {
			err := a.opt.Ledger.SetSCIMOptions(ctx, caller(ctx), in.Connection, account.SCIMOptions(in.Body))
			return answer(ctx, in.Body, err)
		})
	huma.Register(h, op(http.MethodGet, "/connections/{connection}/scim/requests", "list-scim-requests", "What the provider asked, newest first, and what came of it"),
		func(ctx context.Context, in *struct {
			ConnectionPath
			Before account.SCIMRequestID `query:"before" maxLength:"64" doc:"Cursor: \"next\" of the page before."`
			Limit  int                   `query:"limit" default:"100" minimum:"1" maximum:"500"`
		}) (*body[scimRequestsPage], error) {
			all, err := a.opt.Ledger.SCIMRequests(ctx, caller(ctx), in.Connection, in.Before, in.Limit)
			page := scimRequestsPage{Requests: []SCIMRequest{}}
			for _, r := range all {
				page.Requests = append(page.Requests, scimRequest(r))
			}
			if len(all) == in.Limit {
				page.Next = all[len(all)-1].ID
			}
			return answer(ctx, page, err)
		})
}

func (a *API) scimMeeting(h huma.API) {
	huma.Register(h, op(http.MethodGet, "/connections/{connection}/scim/unmet", "list-unmet", "Where provisioning and sign-in do not meet, and why; at most 1,000 of each kind"),
		func(ctx context.Context, in *ConnectionPath) (*body[[]Unmet], error) {
			all, err := a.opt.Ledger.Unmet(ctx, caller(ctx), in.Connection)
			out := make([]Unmet, len(all))
			for i, u := range all {
				out[i] = Unmet(u)
			}
			return answer(ctx, out, err)
		})
	huma.Register(h, op(http.MethodPost, "/connections/{connection}/scim/requests/{request}/replay", "replay-scim-request", "How a request of the log would be answered now; nothing is changed"),
		func(ctx context.Context, in *struct {
			ConnectionPath
			Request account.SCIMRequestID `path:"request" maxLength:"64"`
		}) (*body[Rehearsal], error) {
			status, text, changes, err := a.opt.Replay(ctx, caller(ctx), in.Connection, in.Request)
			out := Rehearsal{Status: status, Body: text, Changes: []string{}}
			for _, c := range changes {
				if c.Changed != "" {
					out.Changes = append(out.Changes, c.Changed)
				}
			}
			return answer(ctx, out, err)
		})
}

func (a *API) scimTokens(h huma.API) {
	huma.Register(h, inPerson(created("/connections/{connection}/scim/tokens", "mint-scim-token", "Make a token that lets the provider push people; it needs a sign-in within the last half hour")),
		func(ctx context.Context, in *struct {
			ConnectionPath
			Body struct {
				Days int `json:"days,omitempty" default:"365" minimum:"1" maximum:"1825" doc:"How long it is valid."`
			}
		}) (*body[MintedSCIMToken], error) {
			if _, err := a.opt.Ledger.Detection(ctx, caller(ctx), in.Connection); err != nil { // what is not theirs does not exist, however long ago they signed in
				return nil, problem(ctx, err)
			}
			if err := a.fresh(ctx); err != nil {
				return nil, problem(ctx, err)
			}
			t, secret, err := a.opt.Ledger.MintSCIMToken(ctx, caller(ctx), in.Connection, time.Duration(in.Body.Days)*day)
			return answer(ctx, MintedSCIMToken{scimToken(t), secret.Reveal(), "/scim/" + string(in.Connection) + "/v2"}, err)
		})
	huma.Register(h, op(http.MethodGet, "/connections/{connection}/scim/tokens", "list-scim-tokens", "The valid tokens of a connection, without the tokens themselves"),
		func(ctx context.Context, in *ConnectionPath) (*body[[]SCIMToken], error) {
			all, err := a.opt.Ledger.SCIMTokens(ctx, caller(ctx), in.Connection)
			out := make([]SCIMToken, len(all))
			for i, t := range all {
				out[i] = scimToken(t)
			}
			return answer(ctx, out, err)
		})
	huma.Register(h, op(http.MethodPost, "/connections/{connection}/scim/tokens/{token}/revoke", "revoke-scim-token", "Make a token worthless at once"),
		func(ctx context.Context, in *struct {
			ConnectionPath
			Token account.SCIMTokenID `path:"token" maxLength:"64"`
		}) (*struct{}, error) {
			return nothing(ctx, a.opt.Ledger.RevokeSCIMToken(ctx, caller(ctx), in.Connection, in.Token))
		})
}
