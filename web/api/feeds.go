package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/drawbridge-id/drawbridge/account"
)

// FeedSettings say where announcements of an account go.
type FeedSettings struct {
	Name   string           `json:"name" maxLength:"64"`
	Kind   account.FeedKind `json:"kind" enum:"webhook,ssf" doc:"webhook: Standard Webhooks. ssf: security event tokens."`
	URL    string           `json:"url,omitempty" maxLength:"2000" doc:"Where to push to. A stream without one is polled by its receiver."`
	Events []string         `json:"events,omitempty" maxItems:"50" doc:"Absent: all but those that have to be asked for by name."`
	Peer   string           `json:"peer,omitempty" maxLength:"1000" doc:"Issuer that the far side speaks as when it sends us events; nothing of its own is sent back to it."`
}

// Feed is where announcements go. Its secret is shown once.
type Feed struct {
	ID account.FeedID `json:"id"`
	FeedSettings
	Status   account.FeedStatus `json:"status" enum:"enabled,paused,disabled"`
	Reason   string             `json:"reason,omitempty" doc:"Why it is not enabled."`
	Since    time.Time          `json:"since"`
	Created  time.Time          `json:"created_at"`
	Rotated  *time.Time         `json:"secret_rotated_at,omitempty"`
	Audience string             `json:"audience,omitempty" doc:"Of a stream: aud of its tokens."`
}

func feed(f account.Feed) Feed {
	return Feed{f.ID, FeedSettings{f.Name, f.Kind, f.URL, f.Events, f.Peer}, f.Status, f.Reason, f.Since, f.CreatedAt, when(f.RotatedAt), f.Audience}
}

// AddedFeed is a new feed with its secret, the one time that it is shown.
type AddedFeed struct {
	Feed
	Secret string `json:"secret" doc:"Of a webhook; or the credential by which the receiver of a stream polls. It is not shown again."`
}

// FeedChange is what can be changed of a feed; what is absent stays.
type FeedChange struct {
	Name   *string             `json:"name,omitempty" maxLength:"64"`
	URL    *string             `json:"url,omitempty" maxLength:"2000"`
	Events *[]string           `json:"events,omitempty" maxItems:"50"`
	Peer   *string             `json:"peer,omitempty" maxLength:"1000"`
	Status *account.FeedStatus `json:"status,omitempty" enum:"enabled,paused,disabled" doc:"What is announced while it is paused is held for a while; what is announced while it is disabled is lost."`
}

func (c FeedChange) into(f *account.Feed) {
	put(&f.Name, c.Name)
	put(&f.URL, c.URL)
	put(&f.Events, c.Events)
	put(&f.Peer, c.Peer)
	put(&f.Status, c.Status)
}

func put[T any](to *T, v *T) {
	if v != nil {
		*to = *v
	}
}

// Delivery is one announcement on its way to a feed.
type Delivery struct {
	ID       account.EventID       `json:"id" doc:"webhook-id, or jti."`
	Type     string                `json:"type"`
	At       time.Time             `json:"at"`
	User     account.UserID        `json:"user,omitempty"`
	State    account.DeliveryState `json:"state" enum:"waiting,done,dead"`
	Due      *time.Time            `json:"due_at,omitempty" doc:"Waiting: the next try."`
	Attempts int                   `json:"attempts" doc:"That failed."`
	Answer   int                   `json:"answer,omitempty" doc:"HTTP status of the last try."`
	Error    string                `json:"error,omitempty"`
	Ended    *time.Time            `json:"ended_at,omitempty"`
}

func delivery(d account.Delivery) Delivery {
	out := Delivery{d.ID, d.Type, d.At, d.About.User, d.State, nil, d.Attempts, d.Answer, d.Error, when(d.EndedAt)}
	if d.State == account.DeliveryWaiting {
		out.Due = when(d.DueAt)
	}
	return out
}

// A page of deliveries; Next is the cursor of the following one, empty on the last.
type deliveriesPage struct {
	Deliveries []Delivery      `json:"deliveries"`
	Next       account.EventID `json:"next,omitempty"`
}

// A FeedPath names a feed of an org's account.
type FeedPath struct {
	OrgPath
	Feed account.FeedID `path:"feed" maxLength:"64"`
}

func (a *API) feeds(h huma.API) {
	huma.Register(h, op(http.MethodGet, "/orgs/{org}/feeds", "list-feeds", "Where announcements of the account go"),
		func(ctx context.Context, in *OrgPath) (*body[[]Feed], error) {
			acct, _, err := a.in(ctx, in.Org)
			if err != nil {
				return nil, problem(ctx, err)
			}
			all, err := a.opt.Ledger.Feeds(ctx, caller(ctx), acct.ID)
			out := make([]Feed, len(all))
			for i, f := range all {
				out[i] = feed(f)
			}
			return answer(ctx, out, err)
		})
	huma.Register(h, inPerson(created("/orgs/{org}/feeds", "add-feed", "Announce what happens to a webhook, or as a stream of security events; it needs a sign-in within the last half hour")),
		func(ctx context.Context, in *struct {
			OrgPath
			Body struct {
				FeedSettings
				Authorization string `json:"authorization,omitempty" maxLength:"4096" doc:"The Authorization header that a stream is pushed with. Written and never read."`
			}
		}) (*body[AddedFeed], error) {
			acct, _, err := a.in(ctx, in.Org)
			if err == nil {
				err = a.fresh(ctx)
			}
			if err != nil {
				return nil, problem(ctx, err)
			}
			s := in.Body.FeedSettings
			f, secret, err := a.opt.Ledger.AddFeed(ctx, caller(ctx), acct.ID, account.Feed{Name: s.Name, Kind: s.Kind, URL: s.URL, Events: s.Events, Peer: s.Peer},
				account.NewSecret(in.Body.Authorization))
			return answer(ctx, AddedFeed{feed(f), secret.Reveal()}, err)
		})
	huma.Register(h, op(http.MethodPatch, "/orgs/{org}/feeds/{feed}", "change-feed", "Change a feed, pause it, or let it flow again"),
		func(ctx context.Context, in *struct {
			FeedPath
			Body FeedChange
		}) (*body[Feed], error) {
			acct, _, err := a.in(ctx, in.Org)
			if err != nil {
				return nil, problem(ctx, err)
			}
			f, err := a.opt.Ledger.UpdateFeed(ctx, caller(ctx), acct.ID, in.Feed, in.Body.into)
			return answer(ctx, feed(f), err)
		})
	huma.Register(h, op(http.MethodDelete, "/orgs/{org}/feeds/{feed}", "remove-feed", "End a feed, and drop what is under way"),
		func(ctx context.Context, in *FeedPath) (*struct{}, error) {
			acct, _, err := a.in(ctx, in.Org)
			if err == nil {
				err = a.opt.Ledger.RemoveFeed(ctx, caller(ctx), acct.ID, in.Feed)
			}
			return nothing(ctx, err)
		})
	a.deliveries(h)
}

func (a *API) deliveries(h huma.API) {
	huma.Register(h, inPerson(op(http.MethodPost, "/orgs/{org}/feeds/{feed}/rotate", "rotate-feed-secret", "Make another secret of a webhook; the one before is good for a day more")),
		func(ctx context.Context, in *FeedPath) (*body[MintedSecret], error) {
			acct, _, err := a.in(ctx, in.Org)
			if err == nil {
				err = a.fresh(ctx)
			}
			if err != nil {
				return nil, problem(ctx, err)
			}
			secret, err := a.opt.Ledger.RotateFeedSecret(ctx, caller(ctx), acct.ID, in.Feed)
			return answer(ctx, MintedSecret{secret.Reveal()}, err)
		})
	huma.Register(h, op(http.MethodGet, "/orgs/{org}/feeds/{feed}/deliveries", "list-deliveries", "What goes and went to a feed, newest first"),
		func(ctx context.Context, in *struct {
			FeedPath
			State  account.DeliveryState `query:"state" enum:"waiting,done,dead"`
			Before account.EventID       `query:"before" maxLength:"64" doc:"Cursor: \"next\" of the page before."`
			Limit  int                   `query:"limit" default:"100" minimum:"1" maximum:"500"`
		}) (*body[deliveriesPage], error) {
			acct, _, err := a.in(ctx, in.Org)
			if err != nil {
				return nil, problem(ctx, err)
			}
			all, err := a.opt.Ledger.Deliveries(ctx, caller(ctx), acct.ID, in.Feed, in.State, in.Before, in.Limit)
			page := deliveriesPage{Deliveries: []Delivery{}}
			for _, d := range all {
				page.Deliveries = append(page.Deliveries, delivery(d))
			}
			if len(all) == in.Limit {
				page.Next = all[len(all)-1].ID
			}
			return answer(ctx, page, err)
		})
	huma.Register(h, op(http.MethodPost, "/orgs/{org}/feeds/{feed}/replay", "replay-deliveries", "Send again what was given up: one delivery, or all of a feed"),
		func(ctx context.Context, in *struct {
			FeedPath
			Body struct {
				Delivery account.EventID `json:"delivery,omitempty" maxLength:"64" doc:"Absent: all that were given up."`
			}
		}) (*body[Replayed], error) {
			acct, _, err := a.in(ctx, in.Org)
			if err != nil {
				return nil, problem(ctx, err)
			}
			n, err := a.opt.Ledger.Replay(ctx, caller(ctx), acct.ID, in.Feed, in.Body.Delivery)
			return answer(ctx, Replayed{n}, err)
		})
}

// MintedSecret is a secret, the one time that it is shown.
type MintedSecret struct {
	Secret string `json:"secret" doc:"It is not shown again."`
}

// Replayed says how many deliveries are under way again.
type Replayed struct {
	Deliveries int `json:"deliveries"`
}
