package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store"
)

// Invitation asks somebody into the account by mail.
type Invitation struct {
	ID          account.InvitationID `json:"id"`
	Email       string               `json:"email"`
	State       string               `json:"state" enum:"pending,accepted,revoked,expired"`
	AccountRole account.Role         `json:"account_role" enum:"admin,member"`
	Roles       []RoleAt             `json:"roles" doc:"What they hold in the org and its teams once they accept."`
	Message     string               `json:"message,omitempty" doc:"Plain text."`
	By          string               `json:"by"`
	CreatedAt   time.Time            `json:"created_at"`
	SentAt      time.Time            `json:"sent_at" doc:"The last letter."`
	ExpiresAt   time.Time            `json:"expires_at" doc:"When the last letter's link runs out."`
	EndedAt     *time.Time           `json:"ended_at,omitempty" doc:"Accepted or revoked."`
	AcceptedBy  account.UserID       `json:"accepted_by,omitempty"`
	AskedAt     *time.Time           `json:"asked_at,omitempty" doc:"When its addressee asked for a new link."`
}

func (a *API) invitation(i account.Invitation) Invitation {
	return Invitation{ID: i.ID, Email: i.Email, State: string(i.At(a.opt.Now())), AccountRole: i.Role, Roles: rolesAt(i.Roles), Message: i.Message, By: i.By,
		CreatedAt: i.CreatedAt, SentAt: i.SentAt, ExpiresAt: i.Until, EndedAt: when(i.EndedAt), AcceptedBy: i.User, AskedAt: when(i.AskedAt)}
}

// Invited is an invitation that has just gone out.
type Invited struct {
	Invitation
	Warnings []account.Warning `json:"warnings,omitempty"`
}

// Assigned says whom roles were given, which, and where.
type Assigned struct {
	User        account.UserID       `json:"user,omitempty" doc:"Absent: somebody who is only invited, and holds the roles once they accept."`
	Invitation  account.InvitationID `json:"invitation,omitempty" doc:"Of somebody who is only invited."`
	Email       string               `json:"email"`
	AccountRole account.Role         `json:"account_role"`
	Team        account.TeamID       `json:"team,omitempty" doc:"Absent: the whole org."`
	Roles       []account.Role       `json:"roles"`
	Message     string               `json:"message" doc:"The same in a sentence."`
	Warnings    []account.Warning    `json:"warnings,omitempty"`
}

// RolesIn are roles in one scope.
type RolesIn struct {
	Roles []account.Role `json:"roles" minItems:"1" maxItems:"100" doc:"owner, user_admin, or service:role."`
	Team  account.TeamID `json:"team,omitempty" maxLength:"64" doc:"Empty: the whole org."`
}

// MyInvitation is one that waits for the caller.
type MyInvitation struct {
	ID          account.InvitationID `json:"id"`
	Org         string               `json:"org" doc:"Exact name."`
	Title       string               `json:"title,omitempty"`
	By          string               `json:"by,omitempty" doc:"Address of the inviter; absent: the operator."`
	AccountRole account.Role         `json:"account_role"`
	Roles       []RoleAt             `json:"roles"`
	Message     string               `json:"message,omitempty" doc:"Plain text."`
	ExpiresAt   time.Time            `json:"expires_at"`
}

func myInvitation(w store.Welcome) MyInvitation {
	return MyInvitation{ID: w.ID, Org: w.Org.Name, Title: w.Org.Title, By: w.Inviter, AccountRole: w.Role, Roles: rolesAt(w.Roles), Message: w.Message, ExpiresAt: w.Until}
}

// Accepted is what came of accepting.
type Accepted struct {
	MyInvitation
	Left []RoleAt `json:"left,omitempty" doc:"Roles that were promised and can be given no more, because their service or team is gone."`
}

// MemberDomains says from which domains people may be invited.
type MemberDomains struct {
	VerifiedOnly bool `json:"members_from_verified_domains_only" doc:"Only from domains that the account has proved. Who is there stays."`
}

// An InvitationPath names an invitation of an org's account.
type InvitationPath struct {
	OrgPath
	Invitation account.InvitationID `path:"invitation" maxLength:"64"`
}

type invitationsPage struct {
	Invitations []Invitation         `json:"invitations"`
	Next        account.InvitationID `json:"next,omitempty"`
}

func (a *API) invitations(h huma.API) {
	describe := func(o huma.Operation, who string) huma.Operation { o.Description = who; return o }
	const admins = "Owners, org user admins and the operator may."
	huma.Register(h, describe(created("/orgs/{org}/invitations", "invite-person", "Step 1 of adding somebody: invite them to the account by mail"),
		admins+" Account admins are invited only by who may make them. 409: already_member, already_invited, subscription_required. 422: member_domain, bad_expiry."),
		func(ctx context.Context, in *struct {
			OrgPath
			Body struct {
				Email       string       `json:"email" maxLength:"320"`
				AccountRole account.Role `json:"account_role" enum:"admin,member" doc:"admin: will manage users. member: will not."`
				Message     string       `json:"message,omitempty" maxLength:"2000" doc:"Plain text for the letter."`
				ExpiresIn   string       `json:"expires_in,omitempty" maxLength:"20" doc:"1h to 30d, for instance 6h, 14d or 1mo. Absent: what the installation is set to."`
			}
		}) (*body[Invited], error) {
			acct, _, err := a.in(ctx, in.Org)
			if err != nil {
				return nil, problem(ctx, err)
			}
			length, err := account.ParseLength(in.Body.ExpiresIn)
			if err != nil {
				return nil, problem(ctx, err)
			}
			out, err := a.opt.Ledger.Invite(ctx, caller(ctx), acct.ID, store.Invite{Email: in.Body.Email, Role: in.Body.AccountRole, Message: in.Body.Message, Validity: length})
			return answer(ctx, Invited{a.invitation(out.Invitation), out.Warnings}, err)
		})
	huma.Register(h, describe(op(http.MethodGet, "/orgs/{org}/invitations", "list-invitations", "Invitations to the account, newest first"), admins),
		func(ctx context.Context, in *struct {
			OrgPath
			State  account.LinkState    `query:"state" enum:"pending,accepted,revoked,expired" doc:"Absent: all."`
			Before account.InvitationID `query:"before" maxLength:"64" doc:"Cursor: \"next\" of the page before."`
			Limit  int                  `query:"limit" default:"100" minimum:"1" maximum:"500"`
		}) (*body[invitationsPage], error) {
			acct, _, err := a.in(ctx, in.Org)
			if err != nil {
				return nil, problem(ctx, err)
			}
			all, err := a.opt.Ledger.Invitations(ctx, caller(ctx), acct.ID, in.State, in.Before, in.Limit)
			page := invitationsPage{Invitations: []Invitation{}}
			for _, i := range all {
				page.Invitations = append(page.Invitations, a.invitation(i))
			}
			if len(all) == in.Limit {
				page.Next = all[len(all)-1].ID
			}
			return answer(ctx, page, err)
		})
	huma.Register(h, describe(op(http.MethodGet, "/orgs/{org}/invitations/{invitation}", "get-invitation", "An invitation"), admins),
		func(ctx context.Context, in *InvitationPath) (*body[Invitation], error) {
			return invitationAnswer(ctx, a, in, a.opt.Ledger.Invitation)
		})
	huma.Register(h, describe(op(http.MethodPost, "/orgs/{org}/invitations/{invitation}/resend", "resend-invitation", "Send an invitation again, with a new link that is good for as long"),
		admins+" The link before is nothing any more. One that expired can be sent again; one that was accepted or revoked cannot (409)."),
		func(ctx context.Context, in *InvitationPath) (*body[Invitation], error) {
			return invitationAnswer(ctx, a, in, a.opt.Ledger.ResendInvitation)
		})
	huma.Register(h, describe(op(http.MethodPost, "/orgs/{org}/invitations/{invitation}/revoke", "revoke-invitation", "Take an invitation back: its link opens no more"), admins),
		func(ctx context.Context, in *InvitationPath) (*struct{}, error) {
			acct, _, err := a.in(ctx, in.Org)
			if err == nil {
				err = a.opt.Ledger.RevokeInvitation(ctx, caller(ctx), acct.ID, in.Invitation)
			}
			return nothing(ctx, err)
		})
	type rolesOf struct {
		InvitationPath
		Body RolesIn
	}
	huma.Register(h, describe(op(http.MethodPost, "/orgs/{org}/invitations/{invitation}/roles", "add-invited-roles", "Step 2 of adding somebody: roles that hold once they accept"),
		"Who may, and what is refused: as for grant-role."),
		func(ctx context.Context, in *rolesOf) (*body[Assigned], error) {
			acct, org, err := a.in(ctx, in.Org)
			if err != nil {
				return nil, problem(ctx, err)
			}
			out, err := a.opt.Ledger.AddInvitedRoles(ctx, caller(ctx), acct.ID, in.Invitation, account.Scope{Org: org.ID, Team: in.Body.Team}, in.Body.Roles)
			return a.assigned(ctx, out, err)
		})
	huma.Register(h, describe(op(http.MethodPost, "/orgs/{org}/invitations/{invitation}/roles/withdraw", "drop-invited-roles", "Take roles out of an invitation"), "Who may: as for grant-role."),
		func(ctx context.Context, in *rolesOf) (*struct{}, error) {
			acct, org, err := a.in(ctx, in.Org)
			if err == nil {
				err = a.opt.Ledger.DropInvitedRoles(ctx, caller(ctx), acct.ID, in.Invitation, account.Scope{Org: org.ID, Team: in.Body.Team}, in.Body.Roles)
			}
			return nothing(ctx, err)
		})
	huma.Register(h, describe(op(http.MethodPost, "/orgs/{org}/people/roles", "assign-roles", "Roles for somebody in the account or invited to it, by address"),
		"Who may, and what is refused: as for grant-role. 409 step_one_needed: they are neither, and have to be invited first."),
		func(ctx context.Context, in *struct {
			OrgPath
			Body struct {
				RolesIn
				Email string `json:"email" maxLength:"320"`
			}
		}) (*body[Assigned], error) {
			acct, org, err := a.in(ctx, in.Org)
			if err != nil {
				return nil, problem(ctx, err)
			}
			out, err := a.opt.Ledger.Assign(ctx, caller(ctx), acct.ID, in.Body.Email, account.Scope{Org: org.ID, Team: in.Body.Team}, in.Body.Roles)
			return a.assigned(ctx, out, err)
		})
	huma.Register(h, describe(op(http.MethodGet, "/orgs/{org}/member-domains", "get-member-domains", "From which domains people may be invited"), "People of the account may."),
		func(ctx context.Context, in *OrgPath) (*body[MemberDomains], error) {
			acct, _, err := a.in(ctx, in.Org)
			if err != nil {
				return nil, problem(ctx, err)
			}
			only, err := a.opt.Ledger.MembersFromVerifiedDomainsOnly(ctx, caller(ctx), acct.ID)
			return answer(ctx, MemberDomains{only}, err)
		})
	huma.Register(h, describe(op(http.MethodPut, "/orgs/{org}/member-domains", "set-member-domains", "Say from which domains people may be invited"), "Owners and the operator may."),
		func(ctx context.Context, in *struct {
			OrgPath
			Body MemberDomains
		}) (*body[MemberDomains], error) {
			acct, _, err := a.in(ctx, in.Org)
			if err != nil {
				return nil, problem(ctx, err)
			}
			return answer(ctx, in.Body, a.opt.Ledger.SetMembersFromVerifiedDomainsOnly(ctx, caller(ctx), acct.ID, in.Body.VerifiedOnly))
		})
	huma.Register(h, describe(inPerson(op(http.MethodGet, "/me/invitations", "list-my-invitations", "Invitations that wait for you")), "Whoever is signed in may; they are those to your own address."),
		func(ctx context.Context, _ *struct{}) (*body[myInvitations], error) {
			all, err := a.opt.Ledger.MyInvitations(ctx, caller(ctx))
			out := []MyInvitation{}
			for _, w := range all {
				out = append(out, myInvitation(w))
			}
			return answer(ctx, myInvitations{out}, err)
		})
	huma.Register(h, describe(inPerson(op(http.MethodPost, "/me/invitations/{invitation}/accept", "accept-invitation", "Accept an invitation")),
		"Whoever it went to may, with a sign-in of the last 30 minutes. Accepting twice is accepting once."),
		func(ctx context.Context, in *struct {
			Invitation account.InvitationID `path:"invitation" maxLength:"64"`
		}) (*body[Accepted], error) {
			if err := a.fresh(ctx); err != nil {
				return nil, problem(ctx, err)
			}
			w, err := a.opt.Ledger.AcceptMyInvitation(ctx, caller(ctx), in.Invitation)
			return answer(ctx, Accepted{myInvitation(w), rolesAt(w.Left)}, err)
		})
}

type myInvitations struct {
	Invitations []MyInvitation `json:"invitations"`
}

func invitationAnswer(ctx context.Context, a *API, in *InvitationPath, verb func(context.Context, account.Actor, account.AccountID, account.InvitationID) (account.Invitation, error)) (*body[Invitation], error) {
	acct, _, err := a.in(ctx, in.Org)
	if err != nil {
		return nil, problem(ctx, err)
	}
	i, err := verb(ctx, caller(ctx), acct.ID, in.Invitation)
	return answer(ctx, a.invitation(i), err)
}

// assigned puts given roles into the answer (D-18).
func (a *API) assigned(ctx context.Context, out store.Assigned, err error) (*body[Assigned], error) {
	if err != nil {
		return nil, problem(ctx, err)
	}
	return answer(ctx, Assigned{User: out.User.ID, Invitation: out.Invitation, Email: out.User.Email, AccountRole: out.AccountRole, Team: out.Scope.Team,
		Roles: out.Roles, Message: out.Words(a.opt.Ledger.Catalogue()), Warnings: out.Warnings}, nil)
}
