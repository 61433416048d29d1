package store

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

const (
	groupInviteExpiry = 7 * 24 * time.Hour // when nothing else is asked for
	addresseesAtOnce  = 100
)

// A GroupInvite is an invitation to a group, for some addressees at once: they all get its role (F-17).
type GroupInvite struct {
	Emails     []string
	Role       account.Role
	Subject    string        // empty: as the template of the role says (F-24)
	Message    string        // plain text; empty: likewise
	Validity   time.Duration // 1 h to 30 days; 0: a week (F-16)
	ServiceURL string        // see account.GroupInvitation
	Seamless   bool          // accepting leads on to ServiceURL; it says so that leaving the address out is noticed
}

// check makes an invite whole, apart from what needs the ledger.
func (in *GroupInvite) check(cat account.Catalogue) error {
	if err := account.CheckGroupRole(in.Role); err != nil {
		return err
	}
	var err error
	if in.Validity, err = linkLength(in.Validity, groupInviteExpiry, account.LeastLinkLength, account.MostLinkLength); err != nil {
		return err
	}
	if err := in.checkRedirection(cat); err != nil {
		return err
	}
	for i, e := range in.Emails {
		if in.Emails[i], err = account.NormalEmail(e); err != nil {
			return account.Errorf(account.Invalid, "Expected e-mail addresses, received %q among them.", clip(e, 80)).At("/emails")
		}
	}
	slices.Sort(in.Emails)
	in.Emails = slices.Compact(in.Emails)
	switch {
	case len(in.Emails) == 0, len(in.Emails) > addresseesAtOnce:
		return account.Errorf(account.Invalid, "An invitation has 1 to %d addressees.", addresseesAtOnce).At("/emails")
	case len(in.Subject) > 200 || strings.ContainsFunc(in.Subject, func(r rune) bool { return r < ' ' || r == 0x7F }):
		return account.Errorf(account.Invalid, "A subject has one line of at most 200 bytes.").At("/subject")
	case len(in.Message) > 4000:
		return account.Errorf(account.Invalid, "A message has at most 4,000 bytes.").At("/message")
	}
	return nil
}

// checkRedirection: admins and operators have to see the page where they manage before anything else (F-23).
func (in *GroupInvite) checkRedirection(cat account.Catalogue) error {
	in.ServiceURL = strings.TrimSpace(in.ServiceURL)
	switch {
	case in.ServiceURL == "" && !in.Seamless:
		return nil
	case in.Role != account.Member:
		return account.Errorf(account.Invalid, "Who is invited as %s comes to the page of the group first, where they manage its people, so there is no seamless redirection and no service address.", in.Role).
			Coded("no_redirection").At("/service_url").Fix("Leave both out, or invite as member.")
	case in.ServiceURL == "":
		return account.Errorf(account.Invalid, "Seamless redirection needs the address of the service's sign-in page.").Coded("no_redirection").At("/service_url").Fix("Give the address, or turn the redirection off.")
	case !in.Seamless:
		return account.Errorf(account.Invalid, "An address of a service is used by seamless redirection, which is off.").Coded("no_redirection").At("/seamless").Fix("Turn it on, or leave the address out.")
	}
	u, err := url.Parse(in.ServiceURL)
	if err != nil || len(in.ServiceURL) > 2000 || u.User != nil || !slices.Contains(cat.Origins(), u.Scheme+"://"+u.Host) {
		return account.Errorf(account.Invalid, "%q is at no origin that a relying service of this installation has.", clip(in.ServiceURL, 200)).Coded("unknown_origin").At("/service_url").
			Fix("Use an address at one of: %s.", strings.Join(cat.Origins(), ", "))
	}
	return nil
}

// InviteToGroup asks people into a group by mail, and says who. Admins of the group may ask anybody, operators members (F-14, F-18, F-19). All or
// none are invited. Conflict with code already_in_group, already_invited, and group_full when the group has no seats left: seats are held by its
// people and by invitations that have not run out (F-05).
func (l *Ledger) InviteToGroup(ctx context.Context, by account.Actor, g account.GroupID, in GroupInvite) (out []account.GroupInvitation, err error) {
	if err := in.check(l.Catalogue()); err != nil {
		return nil, err
	}
	err = l.inGroup(ctx, by, g, "external_member.invited", managesRole(in.Role), func(h *groupHand) (*note, error) {
		out = nil
		if err := h.seatsFor(len(in.Emails)); err != nil {
			return nil, err
		}
		words := h.template(in.Role)
		i := account.GroupInvitation{Account: h.Account.ID, Group: g, Role: in.Role, Subject: in.Subject, Message: in.Message, ServiceURL: in.ServiceURL, At: h.now}
		if i.Subject == "" {
			i.Subject = words.Subject
		}
		if strings.TrimSpace(i.Message) == "" {
			i.Message = words.Message
		}
		if i.By, err = h.actorWords(); err != nil {
			return nil, err
		}
		for _, email := range in.Emails {
			i.ID, i.Email = account.NewID[account.GroupInvitationID](h.now, l.opt.Random), email
			if err := h.invitable(email); err != nil {
				return nil, err
			}
			token, k := l.newLink(in.Validity, h.now)
			i.Link = k.Link
			if err := h.InsertGroupInvitation(i, k); err != nil {
				return nil, err
			}
			if err := h.sendGroupInvitation(i, token); err != nil {
				return nil, err
			}
			out = append(out, i)
		}
		h.Gain(table.OfGroup(g))
		return &note{Target: string(g), Detail: map[string]any{"emails": in.Emails, "role": in.Role, "valid": in.Validity.String()}}, nil
	})
	return out, err
}

// seatsFor asks whether the group has room for some more.
func (h *groupHand) seatsFor(more int) error {
	s, err := h.Seats(h.Group.ID, h.now)
	if err != nil {
		return err
	}
	if limit := h.seatLimit(); s.Members+s.Pending+more > limit {
		return account.Errorf(account.Conflict, "%s has %d seats: %d are taken, and pending invitations hold %d.", h.Group.Name, limit, s.Members, s.Pending).Coded("group_full").
			Fix("Take back invitations that nobody answers, remove somebody, or make another group.")
	}
	return nil
}

// invitable asks whether an address is neither in the group nor invited. What has run out makes room.
func (h *groupHand) invitable(email string) error {
	if u, found, err := h.UserByEmail(email); err != nil {
		return err
	} else if found {
		if _, in, err := h.GroupMember(h.Account.ID, h.Group.ID, u.ID); err != nil {
			return err
		} else if in {
			return account.Errorf(account.Conflict, "%s is in the group already.", email).Coded("already_in_group").At("/emails").Fix("Change their role in it instead.")
		}
	}
	i, found, err := h.PendingGroupInvitation(h.Account.ID, h.Group.ID, email)
	switch {
	case err != nil || !found:
		return err
	case i.Link.At(h.now) == account.LinkExpired:
		_, err := h.CloseGroupInvitation(h.Account.ID, i.ID, account.LinkRevoked, "")
		return err
	}
	return account.Errorf(account.Conflict, "%s is invited to the group already.", email).Coded("already_invited").At("/emails").Fix("Send that invitation again, or take it back first.")
}

// GroupWords are the words that an invitation of a role begins with.
type GroupWords struct{ Subject, Message string }

// GroupTemplates are the words per role (F-24): one for who manages the group's people and one for who uses its resources. Admins and operators of the group may, and who manages
// the org.
func (l *Ledger) GroupTemplates(ctx context.Context, by account.Actor, g account.GroupID) (out map[account.Role]GroupWords, err error) {
	err = l.lookInGroup(ctx, by, g, groupSeers, func(h *groupHand) error {
		out = map[account.Role]GroupWords{}
		for _, r := range []account.Role{account.Admin, account.Operator, account.Member} {
			out[r] = h.template(r)
		}
		return nil
	})
	return out, err
}

func (h *groupHand) template(r account.Role) GroupWords {
	org := h.Org.Title
	if org == "" {
		org = h.Org.Name
	}
	w := GroupWords{Subject: "Invitation to join " + h.Group.Name + " of " + org}
	if r == account.Member {
		w.Message = org + " gives you access to what it shares with " + h.Group.Name + ". Accept the invitation, and you are led on to it."
		return w
	}
	manages := "its members"
	if r == account.Admin {
		manages = "its admins, operators and members"
	}
	w.Message = org + " asks you to look after " + manages + " in the group " + h.Group.Name +
		". Accept the invitation, then manage the group in its portal. Resources are where you sign in as usual: pick " + org + " under External User In."
	return w
}

func (h *groupHand) sendGroupInvitation(i account.GroupInvitation, token string) error {
	name := "group_invitation_member"
	if i.Role.ManagesGroup() {
		name = "group_invitation_manager"
	}
	return h.write(i.Email, name, map[string]string{"Group": h.Group.Name, "Org": h.Org.Name, "Role": string(i.Role), "By": i.By, "Subject": i.Subject, "Message": i.Message,
		"Until": i.Until.UTC().Format("2 January 2006, 15:04 UTC"), "Token": token})
}

// GroupInvitations lists what is pending of a group, run out or not, oldest first, behind one, at most n (up to 1,000) (F-25). Its admins and
// operators may, and who manages the org.
func (l *Ledger) GroupInvitations(ctx context.Context, by account.Actor, g account.GroupID, after account.GroupInvitationID, n int) (out []account.GroupInvitation, err error) {
	err = l.lookInGroup(ctx, by, g, groupSeers, func(h *groupHand) error {
		rows, err := h.Tx.GroupInvitations(h.Account.ID, g, after, min(max(n, 1), 1000))
		for _, r := range rows {
			out = append(out, r.GroupInvitation)
		}
		return err
	})
	return out, err
}

// ResendGroupInvitation sends an invitation again, with another link that is good for as long as the first one was (F-26); the one before is
// worthless. Who may invite to its role may.
func (l *Ledger) ResendGroupInvitation(ctx context.Context, by account.Actor, g account.GroupID, id account.GroupInvitationID) (i account.GroupInvitation, err error) {
	err = l.inGroup(ctx, by, g, "external_member.invited_again", groupSeers, func(h *groupHand) (*note, error) {
		if i, err = h.pendingInvitation(id); err != nil {
			return nil, err
		}
		if i.Link.At(h.now) == account.LinkExpired { // it holds no seat any more
			if err := h.seatsFor(1); err != nil {
				return nil, err
			}
		}
		token, k := l.newLink(i.Validity, h.now)
		i.Link = k.Link
		if err := h.SetGroupLink(h.Account.ID, id, k); err != nil {
			return nil, err
		}
		h.Gain(table.OfGroup(g))
		return &note{Target: string(id), Detail: map[string]any{"email": i.Email, "role": i.Role}}, h.sendGroupInvitation(i, token)
	})
	return i, err
}

// RevokeGroupInvitation takes one back; its seat is free again. Who may invite to its role may.
func (l *Ledger) RevokeGroupInvitation(ctx context.Context, by account.Actor, g account.GroupID, id account.GroupInvitationID) error {
	return l.inGroup(ctx, by, g, "external_member.invitation_revoked", groupSeers, func(h *groupHand) (*note, error) {
		i, err := h.pendingInvitation(id)
		if err != nil {
			return nil, err
		}
		h.Gain(table.OfGroup(g))
		_, err = h.CloseGroupInvitation(h.Account.ID, id, account.LinkRevoked, "")
		return &note{Target: string(id), Detail: map[string]any{"email": i.Email, "role": i.Role}}, err
	})
}

// pendingInvitation reads one that the actor manages.
func (h *groupHand) pendingInvitation(id account.GroupInvitationID) (account.GroupInvitation, error) {
	i, found, err := h.GroupInvitation(h.Account.ID, h.Group.ID, id)
	switch {
	case err != nil:
		return i.GroupInvitation, err
	case !found || i.State != account.LinkPending:
		return i.GroupInvitation, account.Errorf(account.NotFound, "No such pending invitation to the group %s.", h.Group.Name).Fix("Its list of pending invitations has their ids.")
	}
	return i.GroupInvitation, managesRole(i.Role)(h)
}

// A GroupAsking is an invitation as the page behind its link shows it.
type GroupAsking struct {
	account.GroupInvitation
	Name string // of the group
	Org  account.Org
}

// GroupAsking reads the invitation that a link belongs to, whatever became of it; looking uses nothing up. NotFound for a token that nobody knows.
func (l *Ledger) GroupAsking(ctx context.Context, token account.Secret) (out GroupAsking, err error) {
	err = l.db.Read(ctx, func(tx *table.Tx) error { out, err = groupAsking(tx, token); return err })
	return out, err
}

func groupAsking(tx *table.Tx, token account.Secret) (out GroupAsking, err error) {
	i, found, err := tx.GroupInvitationByToken(digest(token.Reveal()))
	if err != nil {
		return out, err
	}
	if !found || token.IsZero() {
		return out, noLink()
	}
	house, _, err := tx.House(i.Account)
	if err != nil {
		return out, err
	}
	g, _, err := tx.Group(i.Group)
	return GroupAsking{i.GroupInvitation, g.Name, house.Org}, err
}

// AcceptGroupInvitation puts the actor into the group that a link asks them into. via is the connection that they are signed in through, "" for
// none. Conflict with code link_used, link_expired or link_revoked; Forbidden when the invitation is for another address (other_identity), when
// the group is limited to identity providers and they did not come through one (idp_required, F-10), and when the org has shut them out
// (place_suspended). Accepting what they accepted already changes nothing.
func (l *Ledger) AcceptGroupInvitation(ctx context.Context, by account.Actor, token account.Secret, via account.ConnectionID) (out GroupAsking, err error) {
	err = l.personally(ctx, by, "", func(s *self) (*note, error) {
		if out, err = groupAsking(s.Tx, token); err != nil {
			return nil, err
		}
		h, _, err := s.enter(out.Account)
		if err != nil {
			return nil, err
		}
		if out, err = groupAsking(s.Tx, token); err != nil { // as it is now that the account is locked
			return nil, err
		}
		if out.State == account.LinkAccepted && out.User == s.User.ID {
			return nil, nil
		}
		if err := h.mayJoin(out.GroupInvitation, s.User, via); err != nil {
			return nil, err
		}
		before, err := h.externalHeld(s.User.ID)
		if err != nil {
			return nil, err
		}
		a := h.Account.ID
		if _, err := h.CloseGroupInvitation(a, out.ID, account.LinkAccepted, s.User.ID); err != nil {
			return nil, err
		}
		out.State, out.User = account.LinkAccepted, s.User.ID
		if err := h.PutGroupMember(a, out.Group, s.User.ID, out.Role, out.By, h.now); err != nil {
			return nil, err
		}
		after, err := h.externalHeld(s.User.ID)
		if err != nil {
			return nil, err
		}
		if err := h.announceExternal(s.User, before, after, account.Receipt{}); err != nil {
			return nil, err
		}
		h.Gain(table.OfUser(s.User.ID))
		return nil, h.audit("external_member.joined", note{Target: string(s.User.ID), Detail: map[string]any{"group": out.Group, "email": s.User.Email, "role": out.Role, "invitation": out.ID}})
	})
	return out, err
}

func (h *hand) mayJoin(i account.GroupInvitation, u account.User, via account.ConnectionID) error {
	if i.Email != u.Email {
		return account.Errorf(account.Forbidden, "This invitation is for another address than %s.", u.Email).Coded("other_identity").Fix("Sign out, and sign in with the address that it was sent to.")
	}
	if err := openLink(i.Link, h.now); err != nil {
		return err
	}
	g, found, err := h.Group(i.Group)
	if err != nil || !found {
		return orNoGroup(err)
	}
	if !g.Takes(via) {
		var names []string
		for _, c := range g.Connections {
			if conn, found, err := h.Outline(c); err != nil {
				return err
			} else if found {
				names = append(names, conn.Name)
			}
		}
		return account.Errorf(account.Forbidden, "%s takes only people who sign in through certain identity providers: %s.", g.Name, strings.Join(names, ", ")).Coded("idp_required").
			Fix("Sign in through one of them, then accept again.")
	}
	t, found, err := h.Tenancy(h.Account.ID, u.ID)
	if err == nil && found && t.Status != account.TenancyActive {
		err = account.Errorf(account.Forbidden, "%s has shut you out.", h.Org.Name).Coded("place_suspended").Fix("Ask one of its owners.")
	}
	return err
}

// burnGroupInvitations takes back what is pending for somebody who is removed or shut out: in this account, or everywhere.
func (h *hand) burnGroupInvitations(r account.Receipt, everywhere bool) error {
	in := h.Account.ID
	if everywhere {
		in = ""
	}
	burnt, err := h.RevokeGroupInvitationsTo(in, r.Email)
	for _, i := range burnt {
		if err == nil {
			err = h.l.audit(h.Tx, h.by, i.Account, "external_member.invitation_revoked", note{Target: string(i.ID), Reason: r.Why, Detail: map[string]any{"email": i.Email, "group": i.Group}}, h.now)
		}
	}
	return err
}
