package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store"
)

// ExternalGroup is an external user group of an org.
type ExternalGroup struct {
	ID          account.GroupID        `json:"id"`
	Org         string                 `json:"org"`
	Name        string                 `json:"name"`
	Description string                 `json:"description,omitempty"`
	Connections []account.ConnectionID `json:"connections" doc:"Only who signs in through one of these may join and use it. Empty: anybody."`
	Created     time.Time              `json:"created_at"`
	Role        account.Role           `json:"role,omitempty" enum:"admin,operator,member" doc:"The caller's own in the group. Absent: none, they manage the org that owns it."`
	Members     *int                   `json:"members,omitempty" doc:"Absent for members of the group."`
	Pending     *int                   `json:"pending,omitempty" doc:"Seats that invitations hold which have not run out."`
	Seats       int                    `json:"seats,omitempty" doc:"How many there may be of both."`
	Permissions []GroupPermission      `json:"permissions,omitempty"`
}

// GroupPermission is a role that every member of a group holds.
type GroupPermission struct {
	Team   account.TeamID `json:"team,omitempty" doc:"Absent: in the whole org."`
	Role   account.Role   `json:"role"`
	Label  string         `json:"label"`
	Denied *Denial        `json:"denied,omitempty" doc:"Why it is of no use at the moment."`
}

// Denial says why a role that a group gives is of no use.
type Denial struct {
	Code    string `json:"code" doc:"service_not_enabled, subscription_required or service_not_for_groups."`
	Message string `json:"message"`
	Fix     string `json:"fix,omitempty"`
}

func denial(e *account.Error) *Denial {
	if e == nil {
		return nil
	}
	return &Denial{e.Code, e.Message, e.Help}
}

// GroupMember is a confirmed user of a group.
type GroupMember struct {
	ID    account.UserID `json:"id"`
	Email string         `json:"email"`
	Name  string         `json:"name,omitempty"`
	State string         `json:"state" enum:"active,disabled"`
	Role  account.Role   `json:"role" enum:"admin,operator,member"`
	Since time.Time      `json:"since"`
	By    string         `json:"invited_by"`
}

// GroupInvitation is one addressee of an invitation that nobody has accepted yet.
type GroupInvitation struct {
	ID         account.GroupInvitationID `json:"id"`
	Email      string                    `json:"email"`
	Role       account.Role              `json:"role" enum:"admin,operator,member"`
	Subject    string                    `json:"subject"`
	Message    string                    `json:"message"`
	ServiceURL string                    `json:"service_url,omitempty"`
	By         string                    `json:"invited_by"`
	State      account.LinkState         `json:"state" enum:"pending,expired"`
	Created    time.Time                 `json:"created_at"`
	Expires    time.Time                 `json:"expires_at"`
}

// GroupSettings are what can be said of a group.
type GroupSettings struct {
	Name        string                 `json:"name" maxLength:"100"`
	Description string                 `json:"description,omitempty" maxLength:"1000"`
	Connections []account.ConnectionID `json:"connections,omitempty" maxItems:"20" doc:"Limits the group to people of these identity providers, by the ids of their connections. Absent: anybody, of any domain."`
}

// GroupInvite asks people into a group.
type GroupInvite struct {
	Emails     []string     `json:"emails" minItems:"1" maxItems:"100"`
	Role       account.Role `json:"role" enum:"admin,operator,member" doc:"All addressees get it."`
	Subject    string       `json:"subject,omitempty" maxLength:"200" doc:"Absent: the template's of the role."`
	Message    string       `json:"message,omitempty" maxLength:"4000" doc:"Plain text. Absent: the template's of the role."`
	Expires    string       `json:"expires_in,omitempty" maxLength:"20" example:"3h" doc:"1h to 30d. Absent: 7d."`
	Seamless   bool         `json:"seamless,omitempty" doc:"Accepting leads on to service_url; for members only."`
	ServiceURL string       `json:"service_url,omitempty" maxLength:"2000" doc:"Sign-in page of the service, at an origin of a relying service."`
}

// ExternalUser is somebody in external groups of an org, as those who manage the org watch them.
type ExternalUser struct {
	ID     account.UserID `json:"id"`
	Email  string         `json:"email"`
	Name   string         `json:"name,omitempty"`
	State  string         `json:"state" enum:"active,disabled"`
	Groups int            `json:"groups"`
	Keys   int            `json:"keys" doc:"Active ones, for this org."`
	Used   *time.Time     `json:"key_used_at,omitempty" doc:"When one of them was last used."`
}

// ExternalOrg is an org in which the caller is external.
type ExternalOrg struct {
	Org    string          `json:"org"`
	Title  string          `json:"title,omitempty"`
	Groups []ExternalGroup `json:"groups"`
	Roles  []Held          `json:"roles"`
	Denied []DeniedRole    `json:"denied"`
}

// DeniedRole is one that a group gives, and that is of no use at the moment.
type DeniedRole struct {
	Team account.TeamID `json:"team,omitempty"`
	Role account.Role   `json:"role"`
	Denial
}

func (a *API) group(v store.GroupView) ExternalGroup {
	out := ExternalGroup{ID: v.ID, Org: v.Org.Name, Name: v.Name, Description: v.Description, Connections: orNone(v.Connections), Created: v.CreatedAt, Role: v.Role, Seats: v.Seats}
	if v.Manages || v.Role.ManagesGroup() && v.Seats > 0 {
		out.Members, out.Pending = &v.Members, &v.Pending
	}
	for _, p := range v.Gives {
		out.Permissions = append(out.Permissions, GroupPermission{p.Team, p.Role, a.opt.Ledger.Catalogue().Label(p.Role), denial(p.Denied)})
	}
	return out
}

func orNone[T any](all []T) []T {
	if all == nil {
		return []T{}
	}
	return all
}

func (a *API) groupInvitation(i account.GroupInvitation) GroupInvitation {
	return GroupInvitation{ID: i.ID, Email: i.Email, Role: i.Role, Subject: i.Subject, Message: i.Message, ServiceURL: i.ServiceURL, By: i.By,
		State: i.Link.At(a.opt.Now()), Created: i.At, Expires: i.Until}
}

func groupMember(m account.GroupMember) GroupMember {
	return GroupMember{m.User.ID, m.User.Email, m.User.Name, string(m.User.State), m.Role, m.Since, m.By}
}

// GroupPath names an external group.
type GroupPath struct {
	Group account.GroupID `path:"group" maxLength:"64"`
}

type groupsPage struct {
	Groups []ExternalGroup `json:"groups"`
	Next   account.GroupID `json:"next,omitempty"`
}

type groupMembersPage struct {
	Members []GroupMember  `json:"members"`
	Next    account.UserID `json:"next,omitempty"`
}

type groupInvitationsPage struct {
	Invitations []GroupInvitation         `json:"invitations"`
	Next        account.GroupInvitationID `json:"next,omitempty"`
}

type externalUsersPage struct {
	Users []ExternalUser `json:"users"`
	Next  account.UserID `json:"next,omitempty"`
}

type groupPermit struct {
	GroupPath
	Body struct {
		Team account.TeamID `json:"team,omitempty" maxLength:"64" doc:"Absent: the whole org."`
		Role account.Role   `json:"role" maxLength:"200" doc:"service:role, of a service that groups may use."`
	}
}

// GroupPersonPath names somebody in an external group.
type GroupPersonPath struct {
	GroupPath
	User account.UserID `path:"user" maxLength:"64"`
}

type groupAsked struct {
	GroupPath
	Invitation account.GroupInvitationID `path:"invitation" maxLength:"64"`
}

const (
	forOrgManagers = "Owners and user admins of the org may."
	forGroupSeers  = "Admins and operators of the group may, and owners and user admins of the org that owns it."
	forGroupRoles  = "Admins of the group may, and operators as far as members are concerned; managing the org is not enough."
)

func may(o huma.Operation, who string) huma.Operation {
	o.Description = who
	return o
}

func (a *API) groups(h huma.API) {
	a.orgGroups(h)
	a.oneGroup(h)
	a.groupPeople(h)
	a.groupInvitations(h)
	a.externalSelf(h)
}

// orgGroups are what those see who manage an org.
func (a *API) orgGroups(h huma.API) {
	huma.Register(h, may(op(http.MethodGet, "/orgs/{org}/external-groups", "list-external-groups", "External user groups of an org, with their seats"), forOrgManagers),
		func(ctx context.Context, in *struct {
			OrgPath
			After account.GroupID `query:"after" maxLength:"64" doc:"Cursor: \"next\" of the page before."`
			Limit int             `query:"limit" default:"100" minimum:"1" maximum:"500"`
		}) (*body[groupsPage], error) {
			acct, _, err := a.in(ctx, in.Org)
			if err != nil {
				return nil, problem(ctx, err)
			}
			all, err := a.opt.Ledger.Groups(ctx, caller(ctx), acct.ID, in.After, in.Limit)
			page := groupsPage{Groups: []ExternalGroup{}}
			for _, v := range all {
				page.Groups = append(page.Groups, a.group(v))
			}
			if len(all) == in.Limit {
				page.Next = all[len(all)-1].ID
			}
			return answer(ctx, page, err)
		})
	huma.Register(h, may(created("/orgs/{org}/external-groups", "create-external-group", "Make a group; who makes it is its first admin"), forOrgManagers),
		func(ctx context.Context, in *struct {
			OrgPath
			Body GroupSettings
		}) (*body[ExternalGroup], error) {
			acct, _, err := a.in(ctx, in.Org)
			if err != nil {
				return nil, problem(ctx, err)
			}
			g, err := a.opt.Ledger.CreateGroup(ctx, caller(ctx), acct.ID, store.GroupSettings(in.Body), "")
			if err != nil {
				return nil, problem(ctx, err)
			}
			v, err := a.opt.Ledger.Group(ctx, caller(ctx), g.ID)
			return answer(ctx, a.group(v), err)
		})
	huma.Register(h, may(op(http.MethodGet, "/orgs/{org}/external-groups/roles", "list-external-roles", "Roles that external groups of an org can give"), forOrgManagers),
		func(ctx context.Context, in *OrgPath) (*body[[]account.Role], error) {
			acct, _, err := a.in(ctx, in.Org)
			if err != nil {
				return nil, problem(ctx, err)
			}
			roles, err := a.opt.Ledger.GroupRoles(ctx, caller(ctx), acct.ID)
			return answer(ctx, orNone(roles), err)
		})
	huma.Register(h, may(op(http.MethodGet, "/orgs/{org}/external-users", "list-external-users", "People in external groups of an org, with how many keys they have for it; the keys themselves are under keys?user="), forOrgManagers),
		func(ctx context.Context, in *struct {
			OrgPath
			After account.UserID `query:"after" maxLength:"64" doc:"Cursor: \"next\" of the page before."`
			Limit int            `query:"limit" default:"100" minimum:"1" maximum:"500"`
		}) (*body[externalUsersPage], error) {
			acct, _, err := a.in(ctx, in.Org)
			if err != nil {
				return nil, problem(ctx, err)
			}
			all, err := a.opt.Ledger.ExternalUsers(ctx, caller(ctx), acct.ID, in.After, in.Limit)
			page := externalUsersPage{Users: []ExternalUser{}}
			for _, u := range all {
				page.Users = append(page.Users, ExternalUser{u.User.ID, u.User.Email, u.User.Name, string(u.User.State), u.Groups, u.Keys, when(u.UsedAt)})
			}
			if len(all) == in.Limit {
				page.Next = all[len(all)-1].User.ID
			}
			return answer(ctx, page, err)
		})
}

func (a *API) oneGroup(h huma.API) {
	huma.Register(h, may(op(http.MethodGet, "/groups/{group}", "get-external-group", "A group, what it gives and how many seats are taken"), "Everybody in the group may, and owners and user admins of the org that owns it."),
		func(ctx context.Context, in *GroupPath) (*body[ExternalGroup], error) {
			v, err := a.opt.Ledger.Group(ctx, caller(ctx), in.Group)
			return answer(ctx, a.group(v), err)
		})
	huma.Register(h, may(op(http.MethodPut, "/groups/{group}", "save-external-group", "Change name, description and the identity providers that a group is limited to"), forOrgManagers),
		func(ctx context.Context, in *struct {
			GroupPath
			Body GroupSettings
		}) (*body[ExternalGroup], error) {
			v, err := a.opt.Ledger.SaveGroup(ctx, caller(ctx), in.Group, store.GroupSettings(in.Body))
			return answer(ctx, a.group(v), err)
		})
	huma.Register(h, may(op(http.MethodDelete, "/groups/{group}", "delete-external-group", "Delete a group; what its people held through it ends at once"), forOrgManagers),
		func(ctx context.Context, in *GroupPath) (*struct{}, error) {
			return nothing(ctx, a.opt.Ledger.DeleteGroup(ctx, caller(ctx), in.Group))
		})
	huma.Register(h, may(op(http.MethodPost, "/groups/{group}/permissions", "add-external-permission", "Give a role to everybody in a group"), forOrgManagers),
		func(ctx context.Context, in *groupPermit) (*struct{}, error) {
			return nothing(ctx, a.opt.Ledger.Permit(ctx, caller(ctx), in.Group, in.Body.Team, in.Body.Role))
		})
	huma.Register(h, may(op(http.MethodPost, "/groups/{group}/permissions/withdraw", "remove-external-permission", "Take a role back that a group gives; the next request goes without"), forOrgManagers),
		func(ctx context.Context, in *groupPermit) (*struct{}, error) {
			return nothing(ctx, a.opt.Ledger.Forbid(ctx, caller(ctx), in.Group, in.Body.Team, in.Body.Role))
		})
	huma.Register(h, may(op(http.MethodPost, "/groups/{group}/adopt", "adopt-external-group", "Become the admin of a group that has none left who may come in"), "Owners of the org may."),
		func(ctx context.Context, in *GroupPath) (*struct{}, error) {
			return nothing(ctx, a.opt.Ledger.AdoptGroup(ctx, caller(ctx), in.Group))
		})
}

func (a *API) groupPeople(h huma.API) {
	huma.Register(h, may(op(http.MethodGet, "/groups/{group}/members", "list-external-members", "Confirmed users of a group"), forGroupSeers),
		func(ctx context.Context, in *struct {
			GroupPath
			After account.UserID `query:"after" maxLength:"64" doc:"Cursor: \"next\" of the page before."`
			Limit int            `query:"limit" default:"100" minimum:"1" maximum:"500"`
		}) (*body[groupMembersPage], error) {
			all, err := a.opt.Ledger.GroupMembers(ctx, caller(ctx), in.Group, in.After, in.Limit)
			page := groupMembersPage{Members: []GroupMember{}}
			for _, m := range all {
				page.Members = append(page.Members, groupMember(m))
			}
			if len(all) == in.Limit {
				page.Next = all[len(all)-1].User.ID
			}
			return answer(ctx, page, err)
		})
	huma.Register(h, may(op(http.MethodPut, "/groups/{group}/members/{user}/role", "set-external-role", "Give somebody another role in a group"), forGroupRoles),
		func(ctx context.Context, in *struct {
			GroupPersonPath
			Body struct {
				Role account.Role `json:"role" enum:"admin,operator,member"`
			}
		}) (*body[GroupMember], error) {
			m, err := a.opt.Ledger.SetGroupRole(ctx, caller(ctx), in.Group, in.User, in.Body.Role)
			return answer(ctx, groupMember(m), err)
		})
	huma.Register(h, may(op(http.MethodDelete, "/groups/{group}/members/{user}", "remove-external-member", "Take somebody out of a group, or leave it"), forGroupRoles+" Everybody may leave, but the last admin."),
		func(ctx context.Context, in *GroupPersonPath) (*struct{}, error) {
			_, err := a.opt.Ledger.LeaveGroup(ctx, caller(ctx), in.Group, in.User)
			return nothing(ctx, err)
		})
	huma.Register(h, may(op(http.MethodPost, "/groups/{group}/members/{user}/expel", "expel-external-member", "Take somebody out of a group in an emergency; its admins are told by mail"), forOrgManagers),
		func(ctx context.Context, in *struct {
			GroupPersonPath
			Body struct {
				Reason string `json:"reason,omitempty" maxLength:"500"`
			}
		}) (*struct{}, error) {
			_, err := a.opt.Ledger.ExpelFromGroup(ctx, caller(ctx), in.Group, in.User, in.Body.Reason)
			return nothing(ctx, err)
		})
}

func (a *API) groupInvitations(h huma.API) {
	huma.Register(h, may(op(http.MethodGet, "/groups/{group}/invitations", "list-external-invitations", "Pending invitations to a group, those that ran out too"), forGroupSeers),
		func(ctx context.Context, in *struct {
			GroupPath
			After account.GroupInvitationID `query:"after" maxLength:"64" doc:"Cursor: \"next\" of the page before."`
			Limit int                       `query:"limit" default:"100" minimum:"1" maximum:"500"`
		}) (*body[groupInvitationsPage], error) {
			all, err := a.opt.Ledger.GroupInvitations(ctx, caller(ctx), in.Group, in.After, in.Limit)
			page := groupInvitationsPage{Invitations: []GroupInvitation{}}
			for _, i := range all {
				page.Invitations = append(page.Invitations, a.groupInvitation(i))
			}
			if len(all) == in.Limit {
				page.Next = all[len(all)-1].ID
			}
			return answer(ctx, page, err)
		})
	huma.Register(h, may(created("/groups/{group}/invitations", "invite-external-users", "Invite people to a group by mail, all with one role"), forGroupRoles),
		func(ctx context.Context, in *struct {
			GroupPath
			Body GroupInvite
		}) (*body[groupInvitationsPage], error) {
			length, err := account.ParseLength(in.Body.Expires)
			if err != nil {
				return nil, problem(ctx, err)
			}
			b := in.Body
			all, err := a.opt.Ledger.InviteToGroup(ctx, caller(ctx), in.Group, store.GroupInvite{Emails: b.Emails, Role: b.Role, Subject: b.Subject, Message: b.Message,
				Validity: length, ServiceURL: b.ServiceURL, Seamless: b.Seamless})
			page := groupInvitationsPage{Invitations: []GroupInvitation{}}
			for _, i := range all {
				page.Invitations = append(page.Invitations, a.groupInvitation(i))
			}
			return answer(ctx, page, err)
		})
	huma.Register(h, may(op(http.MethodPost, "/groups/{group}/invitations/{invitation}/resend", "resend-external-invitation", "Send an invitation again, good for as long as the first time"), forGroupRoles),
		func(ctx context.Context, in *groupAsked) (*body[GroupInvitation], error) {
			i, err := a.opt.Ledger.ResendGroupInvitation(ctx, caller(ctx), in.Group, in.Invitation)
			return answer(ctx, a.groupInvitation(i), err)
		})
	huma.Register(h, may(op(http.MethodPost, "/groups/{group}/invitations/{invitation}/revoke", "revoke-external-invitation", "Take an invitation back; its seat is free again"), forGroupRoles),
		func(ctx context.Context, in *groupAsked) (*struct{}, error) {
			return nothing(ctx, a.opt.Ledger.RevokeGroupInvitation(ctx, caller(ctx), in.Group, in.Invitation))
		})
	huma.Register(h, may(op(http.MethodGet, "/groups/{group}/templates", "get-external-templates", "The words that an invitation begins with, per role"), forGroupSeers),
		func(ctx context.Context, in *GroupPath) (*body[map[account.Role]GroupWords], error) {
			all, err := a.opt.Ledger.GroupTemplates(ctx, caller(ctx), in.Group)
			out := map[account.Role]GroupWords{}
			for r, w := range all {
				out[r] = GroupWords(w)
			}
			return answer(ctx, out, err)
		})
}

// GroupWords are the words that an invitation begins with.
type GroupWords struct {
	Subject string `json:"subject"`
	Message string `json:"message"`
}

type externalKey struct {
	Org string        `path:"org" maxLength:"64" doc:"Exact name of an org in which the caller is external."`
	Key account.KeyID `path:"key" maxLength:"64"`
}

// externalSelf is what an external user has of their own.
func (a *API) externalSelf(h huma.API) {
	huma.Register(h, inPerson(may(op(http.MethodGet, "/me/external-groups", "list-my-external-groups", "The external groups that one is in"), "Whoever is signed in may, for themselves.")),
		func(ctx context.Context, _ *struct{}) (*body[groupsPage], error) {
			all, err := a.opt.Ledger.MyGroups(ctx, caller(ctx))
			page := groupsPage{Groups: []ExternalGroup{}}
			for _, v := range all {
				page.Groups = append(page.Groups, a.group(v))
			}
			return answer(ctx, page, err)
		})
	huma.Register(h, inPerson(may(op(http.MethodGet, "/me/external-orgs", "list-my-external-orgs", "The orgs in which one is external, and what one holds there"), "Whoever is signed in may, for themselves.")),
		func(ctx context.Context, _ *struct{}) (*body[[]ExternalOrg], error) {
			all, err := a.opt.Ledger.ExternalOrgs(ctx, caller(ctx))
			out := []ExternalOrg{}
			for _, o := range all {
				e := ExternalOrg{Org: o.Org.Name, Title: o.Org.Title, Groups: []ExternalGroup{}, Roles: []Held{}, Denied: []DeniedRole{}}
				for _, v := range o.Groups {
					e.Groups = append(e.Groups, a.group(v))
				}
				for _, h := range o.Held {
					e.Roles = append(e.Roles, a.held(h))
				}
				for _, d := range o.Denied {
					e.Denied = append(e.Denied, DeniedRole{d.Scope.Team, d.Role, *denial(d.Why)})
				}
				out = append(out, e)
			}
			return answer(ctx, out, err)
		})
	huma.Register(h, inPerson(may(op(http.MethodGet, "/me/external-orgs/{org}/keys", "list-my-external-keys", "One's own keys for an org in which one is external"), "Whoever is or was external to the org may, for themselves.")),
		func(ctx context.Context, in *struct {
			Org string `path:"org" maxLength:"64"`
		}) (*body[[]Key], error) {
			all, err := a.opt.Ledger.ExternalKeys(ctx, caller(ctx), in.Org)
			out := make([]Key, len(all))
			for i, k := range all {
				out[i] = a.key(k)
			}
			return answer(ctx, out, err)
		})
	huma.Register(h, inPerson(may(created("/me/external-orgs/{org}/keys", "mint-external-key", "Make a personal key for an org in which one is external; it needs a sign-in within the last half hour"),
		"Whoever is external to the org may, with an org of their own behind the key.")),
		func(ctx context.Context, in *struct {
			Org  string `path:"org" maxLength:"64"`
			Body struct {
				Name string `json:"name" maxLength:"100" doc:"What people call it, for instance where it is used."`
				Home string `json:"user_org" maxLength:"64" doc:"Exact name of an org of one's own. The key ends with one's place there."`
				Days int    `json:"days,omitempty" minimum:"0" maximum:"730" doc:"How long it lives; 0: it does not end by itself."`
			}
		}) (*body[MintedKey], error) {
			if err := a.fresh(ctx); err != nil {
				return nil, problem(ctx, err)
			}
			k, secret, err := a.opt.Ledger.MintExternalKey(ctx, caller(ctx), in.Org, in.Body.Home, in.Body.Name, time.Duration(in.Body.Days)*day)
			return answer(ctx, MintedKey{a.key(k), secret.Reveal()}, err)
		})
	huma.Register(h, inPerson(may(op(http.MethodPost, "/me/external-orgs/{org}/keys/{key}/revoke", "revoke-external-key", "Make one's own key worthless at once, for good"), "Whoever made the key may.")),
		func(ctx context.Context, in *externalKey) (*body[Key], error) {
			k, err := a.opt.Ledger.RevokeExternalKey(ctx, caller(ctx), in.Org, in.Key)
			return answer(ctx, a.key(k), err)
		})
}
