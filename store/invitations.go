package store

import (
	"context"
	"slices"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

const (
	maxPending  = 1000        // invitations of one account that wait at a time
	resendPause = time.Minute // between two letters of one invitation
)

// An Invite is step 1 of adding somebody to an account.
type Invite struct {
	Email    string
	Role     account.Role  // Admin or Member
	Message  string        // plain text; may be empty
	Validity time.Duration // 0: what the catalogue says
}

// An Invited is an invitation, and what should make the inviter think.
type Invited struct {
	account.Invitation
	Warnings []account.Warning
}

// Invite asks somebody into an account by mail; until they accept they are among its people as invited (D-08, A-08). Owners, user admins and
// the operator may; account admins are invited only by whoever may make them.
//
// Refused with Conflict: somebody who is in the account (code already_member, they keep what they hold) or invited already
// (already_invited), an account without subscription (subscription_required, A-11), a thousand invitations that wait; with Invalid: an
// expiry out of range (bad_expiry, T-11), an address of another domain where the org wants none (member_domain, T-01).
func (l *Ledger) Invite(ctx context.Context, by account.Actor, a account.AccountID, in Invite) (Invited, error) {
	email, err := account.NormalEmail(in.Email)
	if err != nil {
		return Invited{}, err
	}
	if in.Role != account.Admin && in.Role != account.Member {
		return Invited{}, account.Errorf(account.Invalid, "People are invited as admin or member, not as %q.", in.Role).At("/account_role").
			Fix("Use admin for who will manage users, and member for who will not.")
	}
	if err := account.CheckMessage(in.Message); err != nil {
		return Invited{}, err
	}
	usual := l.Catalogue().Limits.InviteExpiry
	if usual == 0 {
		usual = account.InviteExpiry
	}
	validity, err := linkLength(in.Validity, usual, account.LeastLinkLength, account.MostLinkLength)
	if err != nil {
		return Invited{}, err
	}
	var out Invited
	err = l.change(ctx, by, a, "invitation.sent", grantable(account.Scope{}, in.Role), func(h *hand) (*note, error) {
		out = Invited{}
		if err := h.invitable(email); err != nil {
			return nil, err
		}
		if out.Warnings, err = h.strangeDomain(email); err != nil {
			return nil, err
		}
		row := table.Invitation{Invitation: account.Invitation{ID: account.NewID[account.InvitationID](h.now, l.opt.Random), Account: a, Email: email,
			Role: in.Role, Message: in.Message, By: by.String(), Inviter: by.User, CreatedAt: h.now}}
		if err := h.sendInvitation(&row, validity); err != nil {
			return nil, err
		}
		out.Invitation = row.Invitation
		h.Gain(table.OfAccount(a))
		return invitationNote(row), h.InsertInvitation(row)
	})
	return out, err
}

// invitable asks whether an address may be invited.
func (h *hand) invitable(email string) error {
	if ok, err := h.subscribed(""); err != nil {
		return err
	} else if !ok {
		return account.Errorf(account.Conflict, "Account %s has no subscription, and further people take one.", h.Account.Name).Coded("subscription_required").
			Fix("Activate a subscription first.")
	}
	if err := h.memberDomain(email); err != nil {
		return err
	}
	if u, found, err := h.UserByEmail(email); err != nil {
		return err
	} else if found {
		if err := h.notHere(u); err != nil {
			return err
		}
	}
	if old, found, err := h.PendingInvitation(h.Account.ID, email); err != nil {
		return err
	} else if found {
		return account.Errorf(account.Conflict, "%s is invited already (%s).", email, old.ID).Coded("already_invited").At("/email").Fix("Send that invitation again, or revoke it first.")
	}
	n, err := h.CountPending(h.Account.ID, maxPending)
	if err == nil && n >= maxPending {
		err = account.Errorf(account.Conflict, "%d invitations of this account wait already.", maxPending).Coded("invitation_limit").Fix("Revoke those that nobody will accept.")
	}
	return err
}

// notHere refuses somebody who has a place in the account.
func (h *hand) notHere(u account.User) error {
	t, found, err := h.Tenant(h.Account.ID, u.ID)
	switch {
	case err != nil || !found:
		return err
	case t.Tenancy.Status != account.TenancyActive:
		return account.Errorf(account.Conflict, "%s is in the account, and shut out.", u.Email).Coded("already_member").At("/email").Fix("Enable them instead.")
	}
	return account.Errorf(account.Conflict, "%s is in the account already, and keeps what they hold.", u.Email).Coded("already_member").At("/email").
		Fix("Give roles to them directly.")
}

// memberDomain refuses an address of a domain that is not proved, where the org wants no others (T-01).
func (h *hand) memberDomain(email string) error {
	only, err := h.MembersVerifiedOnly(h.Account.ID)
	if err != nil || !only {
		return err
	}
	own, err := h.hasSay(email)
	if err == nil && !own {
		err = account.Errorf(account.Invalid, "People of %s come from its own domains, and %s is none of them.", h.Org.Name, account.EmailDomain(email)).
			Coded("member_domain").At("/email").Fix("Invite them to an external user group instead, or prove the domain.")
	}
	return err
}

// strangeDomain warns about an address of another domain than the inviter's (D-15); the operator's is that of the owners.
func (h *hand) strangeDomain(email string) ([]account.Warning, error) {
	domains := map[string]bool{}
	if h.by.Kind == account.ActorUser {
		u, _, err := h.User(h.by.User)
		if err != nil {
			return nil, err
		}
		domains[account.EmailDomain(u.Email)] = true
	} else {
		all, err := h.Holders(h.Account.ID, h.Org.ID, account.Owner)
		if err != nil {
			return nil, err
		}
		for _, o := range all {
			domains[account.EmailDomain(o.Email)] = true
		}
	}
	if len(domains) == 0 || domains[account.EmailDomain(email)] {
		return nil, nil
	}
	return []account.Warning{{Code: "other_domain", Message: account.EmailDomain(email) + " is another domain than yours.",
		Fix: "If they work elsewhere, invite them to an external user group instead."}}, nil
}

// sendInvitation gives an invitation a new link, which kills the one before, and writes the letter with it.
func (h *hand) sendInvitation(i *table.Invitation, validity time.Duration) error {
	token, link := h.l.newLink(validity, h.now)
	i.SetLink(link)
	i.SentAt, i.AskedAt = h.now, time.Time{}
	by, err := h.callsItself()
	if err != nil {
		return err
	}
	return h.write(i.Email, "invitation", map[string]string{"Org": called(h.Org), "By": by, "Email": i.Email, "Role": h.l.Catalogue().Label(i.Role),
		"Message": i.Message, "Length": account.PlainLength(validity), "Until": i.Until.Format("2 Jan 2006, 15:04 MST"), "Token": token})
}

// called is what people call an org.
func called(o account.Org) string {
	if o.Title != "" {
		return o.Title
	}
	return o.Name
}

// callsItself is what letters call the actor.
func (h *hand) callsItself() (string, error) {
	switch h.by.Kind {
	case account.ActorUser:
		u, _, err := h.User(h.by.User)
		return u.Email, err
	case account.ActorOperator:
		return "The operator of this installation", nil
	}
	return h.by.String(), nil
}

func invitationNote(i table.Invitation) *note {
	return &note{Target: string(i.ID), Detail: map[string]any{"email": i.Email, "role": i.Role, "until": i.Until.Format(time.RFC3339)}}
}

// Invitations lists those of an account, newest first, from before one ("" from the newest), at most n (up to 1,000); in one state when state
// is not "". Owners, user admins and the operator may.
func (l *Ledger) Invitations(ctx context.Context, by account.Actor, a account.AccountID, state account.LinkState, before account.InvitationID, n int) (out []account.Invitation, err error) {
	err = l.look(ctx, by, a, userAdmins, func(h *hand) error {
		rows, err := h.Tx.Invitations(a, state, h.now, before, min(max(n, 1), 1000))
		for _, r := range rows {
			out = append(out, r.Invitation)
		}
		return err
	})
	return out, err
}

// Invitation reads one. Who may: as for Invitations.
func (l *Ledger) Invitation(ctx context.Context, by account.Actor, a account.AccountID, id account.InvitationID) (out account.Invitation, err error) {
	err = l.look(ctx, by, a, userAdmins, func(h *hand) error {
		row, err := h.invitation(id)
		out = row.Invitation
		return err
	})
	return out, err
}

// WaitingInvitation finds the one that waits for an address, expired or not. Who may: as for Invitations.
func (l *Ledger) WaitingInvitation(ctx context.Context, by account.Actor, a account.AccountID, email string) (out account.Invitation, err error) {
	if email, err = account.NormalEmail(email); err != nil {
		return out, err
	}
	err = l.look(ctx, by, a, userAdmins, func(h *hand) error {
		row, found, err := h.PendingInvitation(a, email)
		if err == nil && !found {
			err = account.Errorf(account.NotFound, "No invitation of %s waits.", email).Coded("no_invitation")
		}
		out = row.Invitation
		return err
	})
	return out, err
}

func (h *hand) invitation(id account.InvitationID) (table.Invitation, error) {
	row, found, err := h.Tx.Invitation(h.Account.ID, id)
	if err == nil && !found {
		err = account.Errorf(account.NotFound, "%s has no such invitation.", h.Org.Name).Coded("no_invitation")
	}
	return row, err
}

// ResendInvitation sends it again with a new link that is good for as long as the first; the one before is nothing any more. It may have
// expired. Who may: as for Invite. Conflict once it is accepted or revoked, and within a minute of the last letter (TooMany).
func (l *Ledger) ResendInvitation(ctx context.Context, by account.Actor, a account.AccountID, id account.InvitationID) (account.Invitation, error) {
	return l.changeInvitation(ctx, by, a, "invitation.resent", id, func(h *hand, row *table.Invitation) (*note, error) {
		switch {
		case row.State != account.LinkPending:
			return nil, invitationOver(row.Invitation)
		case h.now.Sub(row.SentAt) < resendPause:
			return nil, account.Errorf(account.TooMany, "The last letter went out less than a minute ago.").Fix("Give it a minute to arrive.")
		}
		if err := h.memberDomain(row.Email); err != nil {
			return nil, err
		}
		return invitationNote(*row), h.sendInvitation(row, row.Validity)
	})
}

// RevokeInvitation takes it back: its link opens no more. Doing so twice changes nothing. Who may: as for Invite. Conflict once it is accepted.
func (l *Ledger) RevokeInvitation(ctx context.Context, by account.Actor, a account.AccountID, id account.InvitationID) error {
	_, err := l.changeInvitation(ctx, by, a, "invitation.revoked", id, func(h *hand, row *table.Invitation) (*note, error) {
		switch row.State {
		case account.LinkRevoked:
			return nil, nil
		case account.LinkAccepted:
			return nil, invitationOver(row.Invitation)
		}
		row.State, row.EndedAt = account.LinkRevoked, h.now
		return invitationNote(*row), nil
	})
	return err
}

// changeInvitation is the frame of verbs about one that is there. A nil note says that nothing changed.
func (l *Ledger) changeInvitation(ctx context.Context, by account.Actor, a account.AccountID, verb string, id account.InvitationID,
	do func(*hand, *table.Invitation) (*note, error)) (out account.Invitation, err error) {
	err = l.change(ctx, by, a, verb, userAdmins, func(h *hand) (*note, error) {
		row, err := h.invitation(id)
		if err != nil {
			return nil, err
		}
		if err := grantable(account.Scope{}, row.Role)(h); err != nil {
			return nil, err
		}
		if h.promisesOwner(row.Invitation) {
			if err := owners(h); err != nil {
				return nil, err
			}
		}
		n, err := do(h, &row)
		if err != nil {
			return nil, err
		}
		out = row.Invitation
		if n == nil {
			return nil, nil
		}
		h.Gain(table.OfAccount(a))
		return n, h.SaveInvitation(row)
	})
	return out, err
}

func (h *hand) promisesOwner(i account.Invitation) bool {
	return slices.Contains(i.Roles, account.RoleAt{Role: account.Owner, Org: h.Org.ID})
}

func invitationOver(i account.Invitation) error {
	word := "has been taken back"
	if i.State == account.LinkAccepted {
		word = "has been accepted"
	}
	return account.Errorf(account.Conflict, "The invitation of %s %s.", i.Email, word).Coded("invitation_over").Fix("Give roles to people of the account directly, and invite who left anew.")
}

// burnInvitations takes back what waits for somebody who is removed or shut out: in this account, or everywhere.
func (h *hand) burnInvitations(r account.Receipt, everywhere bool) error {
	in := h.Account.ID
	if everywhere {
		in = ""
	}
	burnt, err := h.BurnInvitations(r.Email, in, h.now)
	if err != nil {
		return err
	}
	for _, row := range burnt {
		n := invitationNote(row)
		n.Reason = r.Why
		if err := h.l.audit(h.Tx, h.by, row.Account, "invitation.revoked", *n, h.now); err != nil {
			return err
		}
	}
	return nil
}

// SetMembersFromVerifiedDomainsOnly says whether people may be invited from domains that the account has not proved. Who is there stays.
// Owners and the operator may.
func (l *Ledger) SetMembersFromVerifiedDomainsOnly(ctx context.Context, by account.Actor, a account.AccountID, only bool) error {
	return l.change(ctx, by, a, "org.member_domains_set", owners, func(h *hand) (*note, error) {
		was, err := h.MembersVerifiedOnly(a)
		if err != nil || was == only {
			return nil, err
		}
		h.Gain(table.OfAccount(a))
		return &note{Target: string(h.Org.ID), Detail: map[string]any{"verified_only": only}}, h.SetMembersVerifiedOnly(a, only)
	})
}

// MembersFromVerifiedDomainsOnly reports it. The account's people and the operator may.
func (l *Ledger) MembersFromVerifiedDomainsOnly(ctx context.Context, by account.Actor, a account.AccountID) (only bool, err error) {
	err = l.look(ctx, by, a, members, func(h *hand) error { only, err = h.MembersVerifiedOnly(a); return err })
	return only, err
}
