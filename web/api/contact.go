package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store"
)

// LetterTemplate is a letter to the owners to begin with; all of it may be edited.
type LetterTemplate struct {
	ID      string `json:"id"`
	Label   string `json:"label"`
	Subject string `json:"subject"`
	Text    string `json:"text"`
}

// NotificationSection is a service that somebody may have mail about.
type NotificationSection struct {
	Service string                     `json:"service"`
	Label   string                     `json:"label"`
	Orgs    []string                   `json:"orgs" doc:"Through which you see it."`
	Wanted  []account.NotificationKind `json:"kinds" doc:"What you get: release_notes, security, end_of_life, maintenance."`
}

// Notifications are somebody's choices of mail.
type Notifications struct {
	Sections []NotificationSection `json:"sections"`
	Asked    bool                  `json:"asked" doc:"You have chosen, or put it off."`
}

func notifications(n store.Notifications) Notifications {
	out := Notifications{Sections: []NotificationSection{}, Asked: n.Asked}
	for _, s := range n.Sections {
		section := NotificationSection{s.Service, s.Label, s.Orgs, s.Wanted}
		if section.Orgs == nil {
			section.Orgs = []string{}
		}
		if section.Wanted == nil {
			section.Wanted = []account.NotificationKind{}
		}
		out.Sections = append(out.Sections, section)
	}
	return out
}

type letterPosted struct {
	Owners int `json:"owners" doc:"To how many it goes."`
}

func (a *API) contact(h huma.API) {
	get := op(http.MethodGet, "/orgs/{org}/contact", "list-letter-templates", "Letters to the org's owners to begin with")
	get.Description = "For everybody of the account; no word of it is about somebody."
	huma.Register(h, get, func(ctx context.Context, in *struct {
		OrgPath
		Team string `query:"team" maxLength:"64" doc:"The team that access is asked for; empty: the whole org."`
	}) (*body[[]LetterTemplate], error) {
		acct, org, err := a.in(ctx, in.Org)
		if err != nil {
			return nil, problem(ctx, err)
		}
		if in.Team != "" {
			if err := a.teamNamed(ctx, acct.ID, in.Team); err != nil {
				return nil, problem(ctx, err)
			}
		}
		out := []LetterTemplate{}
		for _, t := range account.ContactTemplates(org, in.Team) {
			out = append(out, LetterTemplate(t))
		}
		return answer(ctx, out, nil)
	})
	send := inPerson(op(http.MethodPost, "/orgs/{org}/contact", "contact-owners", "Write to the org's owners; they reply to your address"))
	send.Description = "For everybody of the account, a few times an hour."
	huma.Register(h, send, func(ctx context.Context, in *struct {
		OrgPath
		Body struct {
			Subject string `json:"subject" maxLength:"150"`
			Text    string `json:"text" maxLength:"10000"`
		}
	}) (*body[letterPosted], error) {
		out := &body[letterPosted]{}
		acct, _, err := a.in(ctx, in.Org)
		if err == nil {
			out.Body.Owners, err = a.opt.Ledger.ContactOwners(ctx, caller(ctx), acct.ID, in.Body.Subject, in.Body.Text)
		}
		if err != nil {
			return nil, problem(ctx, err)
		}
		return out, nil
	})
	list := inPerson(op(http.MethodGet, "/me/notifications", "get-notifications", "What you may have mail about, and what you chose"))
	list.Description = "For everybody about themselves. A section per service that you hold a role in."
	huma.Register(h, list, func(ctx context.Context, _ *struct{}) (*body[Notifications], error) {
		n, err := a.opt.Ledger.Notifications(ctx, caller(ctx))
		return answer(ctx, notifications(n), err)
	})
	choose := inPerson(op(http.MethodPut, "/me/notifications", "set-notifications", "Choose what you have mail about"))
	choose.Description = "For everybody about themselves. Sections that are left out get nothing."
	huma.Register(h, choose, func(ctx context.Context, in *struct {
		Body struct {
			Sections []struct {
				Service string                     `json:"service" maxLength:"64"`
				Kinds   []account.NotificationKind `json:"kinds" maxItems:"10"`
			} `json:"sections" maxItems:"200"`
		}
	}) (*body[Notifications], error) {
		var wishes []account.Wish
		for _, s := range in.Body.Sections {
			for _, k := range s.Kinds {
				wishes = append(wishes, account.Wish{Service: s.Service, Kind: k})
			}
		}
		n, err := a.opt.Ledger.SetNotifications(ctx, caller(ctx), wishes)
		return answer(ctx, notifications(n), err)
	})
}

// teamNamed asks for a team that exists.
func (a *API) teamNamed(ctx context.Context, acct account.AccountID, name string) error {
	all, err := a.opt.Ledger.Teams(ctx, caller(ctx), acct)
	if err != nil {
		return err
	}
	for _, t := range all {
		if t.Name == name {
			return nil
		}
	}
	return account.Errorf(account.NotFound, "There is no team called %q.", name).Fix("The list of teams has their names.")
}
