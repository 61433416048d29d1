package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store"
)

// AuditLine is one remembered decision.
type AuditLine struct {
	ID         account.AuditID      `json:"id"`
	At         time.Time            `json:"at"`
	Actor      string               `json:"actor" example:"user:usr_01kkp3v8m2q7r4c9tdyz5x6w1n" doc:"user:…, connection:…, stream:…, receiver:…, operator, operator:… (a token of theirs) or system:…."`
	Verb       string               `json:"verb" example:"role.granted"`
	Target     string               `json:"target,omitempty" doc:"Id of what was changed."`
	Outcome    string               `json:"outcome" enum:"done,refused"`
	Reason     string               `json:"reason,omitempty"`
	Connection account.ConnectionID `json:"connection,omitempty"`
	IP         string               `json:"ip,omitempty"`
	Request    string               `json:"request,omitempty" doc:"Id of the request, as its answer had it."`
	Detail     map[string]any       `json:"detail,omitempty"`
}

func auditLine(l account.AuditLine) AuditLine {
	at, _ := time.Parse(time.RFC3339Nano, l.At) // the ledger wrote it
	return AuditLine{l.ID, at, l.Actor, l.Verb, l.Target, l.Outcome, l.Reason, l.Connection, l.IP, l.Request, l.Detail}
}

type auditPage struct {
	Lines []AuditLine     `json:"lines"`
	Next  account.AuditID `json:"next,omitempty"`
}

// streamed marks a GET whose answer is as long as it likes, and has no ETag.
const streamed = "streamed"

func (a *API) audit(h huma.API) {
	huma.Register(h, op(http.MethodGet, "/orgs/{org}/audit", "list-audit", "The audit log, newest first"),
		func(ctx context.Context, in *struct {
			OrgPath
			Actor   string          `query:"actor" maxLength:"100" doc:"As a line has it."`
			Verb    string          `query:"verb" maxLength:"100" doc:"Or how it begins: \"key.\" picks all about keys."`
			Target  string          `query:"target" maxLength:"200"`
			Outcome string          `query:"outcome" enum:"done,refused"`
			Request string          `query:"request" maxLength:"64" doc:"Id of a request."`
			From    time.Time       `query:"from" doc:"Not before."`
			To      time.Time       `query:"to" doc:"Before."`
			After   account.AuditID `query:"after" maxLength:"64" doc:"Cursor: \"next\" of the page before. A page with few lines, or none, may be followed by others."`
			Limit   int             `query:"limit" default:"100" minimum:"1" maximum:"1000"`
		}) (*body[auditPage], error) {
			acct, _, err := a.in(ctx, in.Org)
			if err != nil {
				return nil, problem(ctx, err)
			}
			lines, next, err := a.opt.Ledger.AuditPage(ctx, caller(ctx), acct.ID, store.AuditQuery{Actor: in.Actor, Verb: in.Verb, Target: in.Target,
				Outcome: in.Outcome, Request: in.Request, From: in.From, Until: in.To}, in.After, in.Limit)
			page := auditPage{Lines: []AuditLine{}, Next: next}
			for _, l := range lines {
				page.Lines = append(page.Lines, auditLine(l))
			}
			return answer(ctx, page, err)
		})
	export := op(http.MethodGet, "/orgs/{org}/audit/export", "export-audit", "The whole audit log with its seals, as JSON lines")
	export.Description = "\"drawbridge audit verify FILE\" checks it without a server. A line that is cut off, or one that is no JSON object, says that the export failed."
	export.Metadata = map[string]any{streamed: true}
	export.Responses = map[string]*huma.Response{"200": {Description: "JSON lines: the public key; per block its lines and its seal; what is not sealed yet.",
		Content: map[string]*huma.MediaType{"application/jsonl": {Schema: &huma.Schema{Type: huma.TypeString}}}}}
	huma.Register(h, export, func(ctx context.Context, in *OrgPath) (*huma.StreamResponse, error) {
		acct, _, err := a.in(ctx, in.Org)
		if err == nil {
			// Before the first byte, so that who may not hears so.
			_, err = a.opt.Ledger.Audit(ctx, caller(ctx), acct.ID, "", 1)
		}
		if err != nil {
			return nil, problem(ctx, err)
		}
		return &huma.StreamResponse{Body: func(c huma.Context) {
			c.SetHeader("Content-Type", "application/jsonl")
			c.SetHeader("Content-Disposition", `attachment; filename="audit-`+in.Org+`.jsonl"`)
			if err := a.opt.Ledger.ExportAudit(c.Context(), caller(c.Context()), acct.ID, c.BodyWriter()); err != nil {
				panic(http.ErrAbortHandler) // half an export must not pass for a whole one
			}
		}}, nil
	})
}
