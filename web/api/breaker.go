package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store"
)

// BreakerSettings say how many of its people a connection may remove in a short time before its removals are paused.
type BreakerSettings struct {
	Off    bool `json:"off,omitempty" doc:"Nothing is kept back."`
	Share  int  `json:"share" minimum:"1" maximum:"100" doc:"Percent of its people."`
	Within int  `json:"within_minutes" minimum:"1" maximum:"10080"`
	Least  int  `json:"least" minimum:"0" doc:"With fewer people than this, nothing is kept back."`
}

// Breaker is how a connection stands.
type Breaker struct {
	BreakerSettings
	Paused     *time.Time `json:"paused_at,omitempty" doc:"Removals are kept back since then. Absent: they go through."`
	Removed    int        `json:"removed" doc:"Paused: how many had been removed by then. Else: lately."`
	People     int        `json:"people,omitempty" doc:"How many people it had, when they were last counted."`
	AllowLeft  int        `json:"allow_removals,omitempty" doc:"So many go through uncounted."`
	AllowUntil *time.Time `json:"allow_until,omitempty" doc:"All go through uncounted until then."`
}

func breaker(b account.BreakerState) Breaker {
	return Breaker{BreakerSettings{b.Off, b.Share, int(b.Within / time.Minute), b.Least}, when(b.PausedAt), b.Removed, b.People, b.AllowLeft, when(b.AllowUntil)}
}

// An Allowance is what goes through after a pause.
type Allowance struct {
	Removals int `json:"removals,omitempty" minimum:"0" doc:"So many removals go through uncounted."`
	Minutes  int `json:"minutes,omitempty" minimum:"0" maximum:"1440" doc:"Or: all of them do for so long. With neither, counting begins anew."`
}

func (o Allowance) store() store.Allowance {
	return store.Allowance{Removals: o.Removals, For: time.Duration(o.Minutes) * time.Minute}
}

func (a *API) breaker(h huma.API) {
	huma.Register(h, op(http.MethodGet, "/connections/{connection}/breaker", "get-breaker", "Whether removals of a connection are paused, and what pauses them"),
		func(ctx context.Context, in *ConnectionPath) (*body[Breaker], error) {
			b, err := a.opt.Ledger.Breaker(ctx, caller(ctx), string(in.Connection))
			return answer(ctx, breaker(b), err)
		})
	huma.Register(h, op(http.MethodPut, "/connections/{connection}/breaker", "set-breaker", "Say how many people a connection may remove in a short time"),
		func(ctx context.Context, in *struct {
			ConnectionPath
			Body BreakerSettings
		}) (*body[Breaker], error) {
			s := in.Body
			b, err := a.opt.Ledger.SetBreaker(ctx, caller(ctx), string(in.Connection),
				account.Breaker{Off: s.Off, Share: s.Share, Within: time.Duration(s.Within) * time.Minute, Least: s.Least})
			return answer(ctx, breaker(b), err)
		})
	huma.Register(h, op(http.MethodPost, "/connections/{connection}/breaker/resume", "resume-removals", "Let a connection remove people again"),
		func(ctx context.Context, in *struct {
			ConnectionPath
			Body Allowance
		}) (*body[Breaker], error) {
			b, err := a.opt.Ledger.ResumeRemovals(ctx, caller(ctx), string(in.Connection), in.Body.store())
			return answer(ctx, breaker(b), err)
		})
}
