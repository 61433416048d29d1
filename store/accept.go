package store

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/rules"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// A Welcome is what whoever holds an invitation's link is shown.
type Welcome struct {
	account.Invitation
	Org     account.Org
	Inviter string                    // address; empty: the operator
	Teams   map[account.TeamID]string // names of those that Roles name
	Status  account.LinkState         // at the moment
	Left    []account.RoleAt          // after accepting: roles that can be given no more, because service or team are gone
}

// LookAtInvitation shows what is behind a link and uses nothing up: mail scanners open links (E-07). The token is all that it takes. NotFound
// with code no_link for one that nobody knows, or knows no more because the invitation was sent again.
func (l *Ledger) LookAtInvitation(ctx context.Context, token account.Secret) (Welcome, error) {
	var out Welcome
	now := l.now()
	err := l.db.Read(ctx, func(tx *table.Tx) error {
		row, found, err := tx.InvitationByToken(digest(token.Reveal()))
		if err != nil {
			return err
		}
		if !found {
			return noLink()
		}
		out, err = l.welcome(tx, row.Invitation, now)
		return err
	})
	return out, err
}

func (l *Ledger) welcome(tx *table.Tx, i account.Invitation, now time.Time) (Welcome, error) {
	w := Welcome{Invitation: i, Status: i.At(now), Teams: map[account.TeamID]string{}}
	house, found, err := tx.House(i.Account)
	if err != nil || !found {
		return w, errors.Join(err, errIf(!found, noLink()))
	}
	w.Org = house.Org
	if i.Inviter != "" {
		u, _, err := tx.User(i.Inviter)
		if err != nil {
			return w, err
		}
		w.Inviter = u.Email
	}
	for _, r := range i.Roles {
		if r.Team == "" || w.Teams[r.Team] != "" {
			continue
		}
		t, _, err := tx.Team(i.Account, r.Team)
		if err != nil {
			return w, err
		}
		w.Teams[r.Team] = t.Name
	}
	return w, nil
}

func errIf(is bool, err error) error {
	if is {
		return err
	}
	return nil
}

// MyInvitations lists what waits for the person's own address, and can be accepted.
func (l *Ledger) MyInvitations(ctx context.Context, by account.Actor) (out []Welcome, err error) {
	err = l.lookPersonally(ctx, by, func(s *self) error {
		out = nil
		all, err := s.InvitationsTo(s.User.Email)
		if err != nil {
			return err
		}
		for _, row := range all {
			if row.At(s.now) != account.LinkPending {
				continue
			}
			w, err := l.welcome(s.Tx, row.Invitation, s.now)
			if err != nil {
				return err
			}
			out = append(out, w)
		}
		return nil
	})
	return out, err
}

// AcceptInvitation gives the person what the invitation behind a link says, in one transaction: a place in the account, the account role,
// and the roles in org and teams (D-11), with SourceInvitation. Only whoever has proved the address it went to may (Forbidden with code
// wrong_person). All limits are asked again: owners, their domain, the one user of an individual org, the members' domains (D-01..D-04, B-04,
// T-01); then nothing is given, and the link still opens. Roles of services and teams that are gone are left out, and named. Accepting twice
// is accepting once; of several browsers at once, one does it and all are told the same.
func (l *Ledger) AcceptInvitation(ctx context.Context, by account.Actor, token account.Secret) (Welcome, error) {
	return l.accept(ctx, by, func(tx *table.Tx) (table.Invitation, bool, error) {
		return tx.InvitationByToken(digest(token.Reveal()))
	})
}

// AcceptMyInvitation is AcceptInvitation for one of MyInvitations.
func (l *Ledger) AcceptMyInvitation(ctx context.Context, by account.Actor, id account.InvitationID) (Welcome, error) {
	return l.accept(ctx, by, func(tx *table.Tx) (table.Invitation, bool, error) {
		row, found, err := tx.InvitationByID(id)
		if err != nil || !found {
			return row, found, err
		}
		u, _, err := tx.User(by.User)
		return row, u.Email == row.Email, err // what is somebody else's does not exist
	})
}

func (l *Ledger) accept(ctx context.Context, by account.Actor, find func(*table.Tx) (table.Invitation, bool, error)) (Welcome, error) {
	var out Welcome
	err := l.personally(ctx, by, "invitation.accepted", func(s *self) (*note, error) {
		row, found, err := find(s.Tx)
		if err != nil {
			return nil, err
		}
		if !found {
			return nil, noLink()
		}
		h, found, err := s.enter(row.Account)
		if err != nil || !found {
			return nil, errors.Join(err, errIf(!found, noLink()))
		}
		if row, found, err = find(s.Tx); err != nil || !found { // as it is now that nobody else changes it
			return nil, errors.Join(err, errIf(!found, noLink()))
		}
		if s.User.Email != row.Email {
			return nil, account.Errorf(account.Forbidden, "This invitation is for %s, and you are signed in as %s.", row.Email, s.User.Email).Coded("wrong_person").
				Fix("Sign out, and in again as %s.", row.Email)
		}
		again := row.State == account.LinkAccepted && row.User == s.User.ID
		if err := openLink(row.Link, s.now); err != nil && !again {
			return nil, err
		}
		var left []account.RoleAt
		if !again {
			if left, err = h.welcomeIn(&row, s.User); err != nil {
				return nil, err
			}
		}
		out, err = l.welcome(s.Tx, row.Invitation, s.now)
		out.Left = left
		return nil, err // the audit line is the account's
	})
	if err != nil {
		return Welcome{}, err
	}
	return out, nil
}

// welcomeIn makes an accepted invitation true.
func (h *hand) welcomeIn(row *table.Invitation, u account.User) (left []account.RoleAt, err error) {
	a := h.Account.ID
	if err := h.memberDomain(u.Email); err != nil {
		return nil, err
	}
	first, err := h.PutTenancy(a, u.ID, h.now)
	if err != nil {
		return nil, err
	}
	if t, _, err := h.Tenancy(a, u.ID); err != nil {
		return nil, err
	} else if t.Status != account.TenancyActive {
		return nil, account.Errorf(account.Forbidden, "Your place in the account of %s is closed.", h.Org.Name).Coded("place_closed").Fix("Ask an owner to open it.")
	}
	before, err := h.Held(a, u.ID)
	if err != nil {
		return nil, err
	}
	var given rules.Change
	give := func(s account.Scope, r account.Role) error {
		source := rules.Sourced{Scope: s, Role: r, Source: account.Source{Kind: account.SourceInvitation, By: row.By, At: h.now}}
		given.Grant = append(given.Grant, source)
		_, err := h.AddSource(a, u.ID, source)
		return err
	}
	if err := give(account.Scope{}, row.Role); err != nil {
		return nil, err
	}
	for _, r := range row.Roles {
		s := account.Scope{Org: r.Org, Team: r.Team}
		if gone, err := h.isGone(s, r.Role); err != nil {
			return nil, err
		} else if gone {
			left = append(left, r)
			continue
		}
		if err := h.admits(u, given.After(before), s, r.Role); err != nil {
			return nil, err
		}
		if err := give(s, r.Role); err != nil {
			return nil, err
		}
	}
	row.State, row.EndedAt, row.User = account.LinkAccepted, h.now, u.ID
	h.Gain(table.OfUser(u.ID))
	if first {
		if err := h.announce(account.Announcement{What: account.WordAdded, User: u.ID, Email: u.Email}); err != nil {
			return nil, err
		}
	}
	n := invitationNote(*row)
	n.Detail["user"], n.Detail["by"], n.Detail["new"] = u.ID, row.By, first
	if len(row.Roles) > 0 {
		n.Detail["roles"] = row.Roles
	}
	if len(left) > 0 {
		n.Detail["left"] = left
	}
	return left, errors.Join(h.SaveInvitation(*row), h.announceMove(u.ID, before, given), h.audit("invitation.accepted", *n))
}

// isGone reports whether a role that was promised can be given no more.
func (h *hand) isGone(s account.Scope, r account.Role) (bool, error) {
	if h.l.Catalogue().CheckRole(s, r) != nil {
		return true, nil
	}
	if service := r.Service(); service != "" && !slices.Contains(h.Org.Services, service) {
		return true, nil
	}
	if s.Team == "" {
		return false, nil
	}
	_, found, err := h.Team(h.Account.ID, s.Team)
	return !found, err
}

// AskForInvitation tells the inviter by letter that whoever holds an expired link wants a new one; the owners, when the inviter has left.
// However often it is asked, one letter goes out for each sending. Conflict for a link that has not expired.
func (l *Ledger) AskForInvitation(ctx context.Context, by account.Actor, token account.Secret) error {
	now := l.now()
	return l.db.Write(ctx, func(tx *table.Tx) error {
		row, found, err := tx.InvitationByToken(digest(token.Reveal()))
		if err != nil {
			return err
		}
		if !found {
			return noLink()
		}
		house, found, err := tx.LockHouse(row.Account)
		if err != nil || !found {
			return errors.Join(err, errIf(!found, noLink()))
		}
		if row, found, err = tx.InvitationByToken(digest(token.Reveal())); err != nil || !found {
			return errors.Join(err, errIf(!found, noLink()))
		}
		switch row.At(now) {
		case account.LinkExpired:
		case account.LinkPending:
			return account.Errorf(account.Conflict, "This link still opens.").Coded("link_open").Fix("Accept the invitation.")
		default:
			return openLink(row.Link, now)
		}
		if !row.AskedAt.IsZero() {
			return nil
		}
		h := &hand{Tx: tx, House: house, l: l, by: by, now: now}
		row.AskedAt = now
		tx.Gain(table.OfAccount(row.Account))
		return errors.Join(h.SaveInvitation(row), h.askInviter(row.Invitation), h.audit("invitation.asked_for", *invitationNote(row)))
	})
}

func (h *hand) askInviter(i account.Invitation) error {
	data := map[string]string{"Org": called(h.Org), "Email": i.Email, "Invitation": string(i.ID), "OrgName": h.Org.Name, "Until": i.Until.Format("2 Jan 2006, 15:04 MST")}
	if i.Inviter != "" {
		t, found, err := h.Tenant(h.Account.ID, i.Inviter)
		if err != nil {
			return err
		}
		if found && t.User.State == account.UserActive && t.Tenancy.Status == account.TenancyActive {
			return h.write(t.User.Email, "invitation_expired_asked", data)
		}
	}
	return h.writeOwners("invitation_expired_asked", data)
}
