package console

import (
	"cmp"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/federation"
	"github.com/drawbridge-id/drawbridge/federation/session"
	"github.com/drawbridge-id/drawbridge/request"
	"github.com/drawbridge-id/drawbridge/store"
	"github.com/drawbridge-id/drawbridge/web/page"
)

// rowsOfAGroup is how many people and invitations of a group its page shows at once.
const rowsOfAGroup = 100

// GroupInvitation is GET /group-invitation/{token}?portal=: what is behind the link, to whoever opens it. Looking uses nothing up. Who accepted it
// already goes on to where it leads, so that either link of a letter works after the other (F-28).
func (c *Console) GroupInvitation(w http.ResponseWriter, r *http.Request) error {
	asking, err := c.ledger.GroupAsking(r.Context(), account.NewSecret(r.PathValue("token")))
	if err != nil {
		return err
	}
	p, err := session.FromRequest(c.ledger, r)
	if err != nil && account.KindOf(err) != account.Unauthorized {
		return err
	}
	portal := r.URL.Query().Get("portal") != ""
	if asking.State == account.LinkAccepted && p.User.ID != "" && asking.User == p.User.ID {
		return c.leadOn(w, r, p, asking, portal)
	}
	w.Header().Set("Cache-Control", "no-store")
	return page.Render(w, r, http.StatusOK, c.groupInvitation(r, asking, p, portal))
}

func (c *Console) groupInvitation(r *http.Request, asking store.GroupAsking, p account.Presence, portal bool) page.GroupInvitation {
	path := "/group-invitation/" + r.PathValue("token")
	next := path
	if portal {
		next += "?portal=1"
	}
	out := page.GroupInvitation{Path: path, Org: org(asking.Org), Group: asking.Name, Inviter: asking.By, Email: asking.Email, Role: asking.Role, Message: asking.Message,
		Until: asking.Until, State: asking.Link.At(c.now()), Portal: portal,
		SignIn: "/signin?" + url.Values{"next": {next}, "login_hint": {asking.Email}}.Encode(),
		SignUp: "/signup?" + url.Values{"next": {next}, "email": {asking.Email}}.Encode()}
	if p.User.ID != "" {
		top := who(r, p)
		out.Who, out.Wrong = &top, p.User.Email != asking.Email
	}
	return out
}

// AcceptGroupInvitation is POST /group-invitation/{token}: the signed-in person accepts, and goes on to where the invitation leads.
func (c *Console) AcceptGroupInvitation(w http.ResponseWriter, r *http.Request) error {
	return c.posted(w, r, func(w http.ResponseWriter, r *http.Request, p account.Presence) error {
		token, portal := account.NewSecret(r.PathValue("token")), r.PostForm.Get("portal") != ""
		asking, err := c.ledger.AcceptGroupInvitation(r.Context(), actor(r, p), token, p.Session.Connection)
		var refused *account.Error
		if errors.As(err, &refused) && (refused.Kind == account.Conflict || refused.Kind == account.Forbidden) && refused.Code != "" {
			asking, err := c.ledger.GroupAsking(r.Context(), token)
			if err != nil {
				return err
			}
			out := c.groupInvitation(r, asking, p, portal)
			out.Refusal, out.Fix = refused.Message, refused.Help
			status := http.StatusConflict
			if refused.Kind == account.Forbidden {
				status = http.StatusForbidden
			}
			return page.Render(w, r, status, out)
		}
		if err != nil {
			return err
		}
		request.Note(r.Context(), slog.String("verb", "external_member.joined"), slog.String("org", asking.Org.Name))
		return c.leadOn(w, r, p, asking, portal)
	})
}

// leadOn sends somebody who accepted where the invitation leads: members to the service if it says so (F-23); a user admin of the org that owns
// the group to its list in the org (F-21); other admins and operators to the portal by its link (F-22), and everybody else to the choice of orgs,
// where this one is under External User In (F-27).
func (c *Console) leadOn(w http.ResponseWriter, r *http.Request, p account.Presence, asking store.GroupAsking, portal bool) error {
	if asking.ServiceURL != "" {
		return see(w, r, cmp.Or(federation.Next(c.ledger.Catalogue(), asking.ServiceURL), "/choose"))
	}
	if !asking.Role.ManagesGroup() {
		return see(w, r, "/choose")
	}
	// Whoever manages the org works there: their session goes to it, if it may.
	home := actor(r, p)
	home.Account = asking.Account
	if _, err := c.ledger.Groups(r.Context(), home, asking.Account, "", 1); err == nil {
		if p.Account.ID != asking.Account {
			moved, err := c.ledger.Choose(r.Context(), actor(r, p), session.Token(r), asking.Account)
			if err != nil {
				return see(w, r, "/groups/"+string(asking.Group))
			}
			session.Set(w, moved, c.now())
		}
		return see(w, r, "/o/"+url.PathEscape(asking.Org.Name)+"/groups")
	}
	if portal {
		return see(w, r, "/groups/"+string(asking.Group))
	}
	return see(w, r, "/choose")
}

// Groups is GET /groups: the external groups that the person is in.
func (c *Console) Groups(w http.ResponseWriter, r *http.Request) error {
	return c.signedIn(w, r, func(w http.ResponseWriter, r *http.Request, p account.Presence) error {
		all, err := c.ledger.MyGroups(r.Context(), actor(r, p))
		if err != nil {
			return err
		}
		return page.Render(w, r, http.StatusOK, page.ExternalGroups{Who: who(r, p), Groups: groupRows(all)})
	})
}

// OrgGroups is GET /o/{org}/groups?after=: the external groups of an org, for those who manage it.
func (c *Console) OrgGroups(w http.ResponseWriter, r *http.Request) error {
	return c.signedIn(w, r, func(w http.ResponseWriter, r *http.Request, p account.Presence) error {
		acct, o, err := c.ledger.OrgByName(r.Context(), actor(r, p), r.PathValue("org"))
		if err != nil {
			return err
		}
		all, err := c.ledger.Groups(r.Context(), actor(r, p), acct.ID, account.GroupID(r.URL.Query().Get("after")), rowsOfAGroup)
		if err != nil {
			return err
		}
		mine, err := c.ledger.MyGroups(r.Context(), actor(r, p))
		if err != nil {
			return err
		}
		roles := map[account.GroupID]account.Role{}
		for _, g := range mine {
			roles[g.ID] = g.Role
		}
		for i := range all {
			all[i].Role = roles[all[i].ID]
		}
		owner := org(o)
		out := page.ExternalGroups{Who: who(r, p), Org: &owner, Groups: groupRows(all)}
		if len(all) == rowsOfAGroup {
			out.Next = "/o/" + url.PathEscape(o.Name) + "/groups?after=" + url.QueryEscape(string(all[len(all)-1].ID))
		}
		return page.Render(w, r, http.StatusOK, out)
	})
}

func groupRows(all []store.GroupView) (rows []page.GroupRow) {
	for _, g := range all {
		rows = append(rows, page.GroupRow{ID: g.ID, Name: g.Name, Org: org(g.Org), Role: g.Role, Taken: g.Members, Pending: g.Pending, Seats: g.Seats})
	}
	return rows
}

// Group is GET /groups/{group}?users=&invitations=&said=: the page of one group, with no control of what the person may not do (F-29).
func (c *Console) Group(w http.ResponseWriter, r *http.Request) error {
	return c.signedIn(w, r, func(w http.ResponseWriter, r *http.Request, p account.Presence) error {
		out, err := c.group(r, p)
		if err != nil {
			return err
		}
		out.Said = groupSaid[r.URL.Query().Get("said")]
		return page.Render(w, r, http.StatusOK, out)
	})
}

var groupSaid = map[string]string{
	"invited": "The invitations are on their way. Whoever finds none should look in the spam folder.",
	"resent":  "The invitation is on its way again.",
	"revoked": "The invitation was taken back.",
	"removed": "They are out of the group.",
}

var groupHelp = map[account.Role]string{
	account.Admin:    "Invites and removes admins, operators and members.",
	account.Operator: "Invites and removes members.",
	account.Member:   "Uses what the group gives.",
}

func (c *Console) group(r *http.Request, p account.Presence) (out page.ExternalGroup, err error) {
	id, by := account.GroupID(r.PathValue("group")), actor(r, p)
	v, err := c.ledger.Group(r.Context(), by, id)
	if err != nil {
		return out, err
	}
	out = page.ExternalGroup{Who: who(r, p), Path: "/groups/" + string(v.ID), Name: v.Name, Description: v.Description, Org: org(v.Org), Role: v.Role, Manages: v.Manages,
		Sees: v.Manages || v.Role.ManagesGroup(), Invites: v.Role.ManagesGroup(), Taken: v.Members, Pending: v.Pending, Seats: v.Seats}
	c.groupGives(&out, v)
	if !out.Sees {
		return out, nil
	}
	if err := c.groupTables(r, by, v, &out); err != nil || !out.Invites {
		return out, err
	}
	words, err := c.ledger.GroupTemplates(r.Context(), by, id)
	for _, role := range []account.Role{account.Member, account.Operator, account.Admin} {
		if v.Role.ManagesMember(role) {
			out.Roles = append(out.Roles, page.GroupRole{Role: role, Help: groupHelp[role], Selected: role == account.Member})
		}
	}
	out.Form = page.GroupForm{Subject: words[account.Member].Subject, Message: words[account.Member].Message, Expires: "7d"}
	return out, err
}

func (c *Console) groupGives(out *page.ExternalGroup, v store.GroupView) {
	cat, at := c.ledger.Catalogue(), map[string]int{}
	for _, g := range v.Gives {
		team := v.Teams[g.Team].Name
		label := cat.Label(g.Role)
		if g.Denied != nil {
			out.Denied = append(out.Denied, label+" is of no use now. "+g.Denied.Message)
			continue
		}
		i, known := at[team]
		if !known {
			i = len(out.Scopes)
			at[team], out.Scopes = i, append(out.Scopes, page.Scope{Team: team})
		}
		out.Scopes[i].Roles = append(out.Scopes[i].Roles, page.Role{Label: label, Role: string(g.Role)})
	}
}

func (c *Console) groupTables(r *http.Request, by account.Actor, v store.GroupView, out *page.ExternalGroup) error {
	q := r.URL.Query()
	pending, err := c.ledger.GroupInvitations(r.Context(), by, v.ID, account.GroupInvitationID(q.Get("invitations")), rowsOfAGroup)
	if err != nil {
		return err
	}
	for _, i := range pending {
		out.Invitations = append(out.Invitations, page.GroupAsked{ID: i.ID, Email: i.Email, Role: i.Role, Until: i.Until,
			Expired: i.Link.At(c.now()) == account.LinkExpired, Mine: v.Role.ManagesMember(i.Role)})
	}
	if len(pending) == rowsOfAGroup {
		out.MorePending = out.Path + "?invitations=" + url.QueryEscape(string(pending[len(pending)-1].ID))
	}
	people, err := c.ledger.GroupMembers(r.Context(), by, v.ID, account.UserID(q.Get("users")), rowsOfAGroup)
	for _, m := range people {
		out.Members = append(out.Members, page.GroupMember{ID: m.User.ID, Email: m.User.Email, Name: m.User.Name, Role: m.Role, Since: m.Since,
			Shut: m.User.State != account.UserActive, Mine: v.Role.ManagesMember(m.Role)})
	}
	if len(people) == rowsOfAGroup {
		out.MoreMembers = out.Path + "?users=" + url.QueryEscape(string(people[len(people)-1].User.ID))
	}
	return err
}

// InviteToGroup is POST /groups/{group}/invite. Words that are those of another role's template follow the role that was chosen (F-24).
func (c *Console) InviteToGroup(w http.ResponseWriter, r *http.Request) error {
	return c.posted(w, r, func(w http.ResponseWriter, r *http.Request, p account.Presence) error {
		f, by, id := r.PostForm, actor(r, p), account.GroupID(r.PathValue("group"))
		in := store.GroupInvite{Emails: strings.FieldsFunc(f.Get("emails"), func(r rune) bool { return r == '\n' || r == '\r' || r == ',' || r == ' ' }),
			Role: account.Role(f.Get("role")), Subject: strings.TrimSpace(f.Get("subject")), Message: strings.TrimSpace(strings.ReplaceAll(f.Get("message"), "\r\n", "\n")),
			ServiceURL: f.Get("service_url"), Seamless: f.Get("seamless") != ""}
		words, err := c.ledger.GroupTemplates(r.Context(), by, id)
		if err != nil {
			return err
		}
		for _, t := range words {
			if in.Subject == t.Subject {
				in.Subject = ""
			}
			if in.Message == t.Message {
				in.Message = ""
			}
		}
		if in.Validity, err = account.ParseLength(strings.TrimSpace(f.Get("expires"))); err == nil {
			_, err = c.ledger.InviteToGroup(r.Context(), by, id, in)
		}
		var wrong *account.Error
		if !errors.As(err, &wrong) || wrong.Kind != account.Invalid && wrong.Kind != account.Conflict {
			if err != nil {
				return err
			}
			request.Note(r.Context(), slog.String("verb", "external_member.invited"))
			return see(w, r, "/groups/"+string(id)+"?said=invited")
		}
		out, err := c.group(r, p)
		if err != nil {
			return err
		}
		out.Form = page.GroupForm{Emails: f.Get("emails"), Subject: f.Get("subject"), Message: f.Get("message"), Expires: f.Get("expires"), ServiceURL: f.Get("service_url"), Seamless: in.Seamless}
		for i := range out.Roles {
			out.Roles[i].Selected = out.Roles[i].Role == in.Role
		}
		field := map[string]string{"/expires_in": "expires", "/service_url": "service_url", "/seamless": "service_url"}[wrong.Pointer]
		out.Error = &page.FieldError{Field: cmp.Or(field, "emails"), Message: wrong.Message, Fix: wrong.Help}
		return page.Render(w, r, http.StatusUnprocessableEntity, out)
	})
}

// ChangeGroupInvitation is POST /groups/{group}/invitations/{invitation} with do: resend or revoke.
func (c *Console) ChangeGroupInvitation(w http.ResponseWriter, r *http.Request) error {
	return c.posted(w, r, func(w http.ResponseWriter, r *http.Request, p account.Presence) error {
		g, i, said := account.GroupID(r.PathValue("group")), account.GroupInvitationID(r.PathValue("invitation")), "resent"
		var err error
		if r.PostForm.Get("do") == "revoke" {
			said, err = "revoked", c.ledger.RevokeGroupInvitation(r.Context(), actor(r, p), g, i)
		} else {
			_, err = c.ledger.ResendGroupInvitation(r.Context(), actor(r, p), g, i)
		}
		if err != nil {
			return err
		}
		return see(w, r, "/groups/"+string(g)+"?said="+said)
	})
}

// RemoveFromGroup is POST /groups/{group}/members/{user}. Who leaves it themselves goes to what is left.
func (c *Console) RemoveFromGroup(w http.ResponseWriter, r *http.Request) error {
	return c.posted(w, r, func(w http.ResponseWriter, r *http.Request, p account.Presence) error {
		g, u := account.GroupID(r.PathValue("group")), account.UserID(r.PathValue("user"))
		if _, err := c.ledger.LeaveGroup(r.Context(), actor(r, p), g, u); err != nil {
			return err
		}
		if u == p.User.ID {
			return see(w, r, "/groups")
		}
		return see(w, r, "/groups/"+string(g)+"?said=removed")
	})
}
