package main

import (
	"cmp"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store"
)

type inviteCmd struct {
	List   inviteListCmd   `cmd:"" help:"List invitations to an account, newest first."`
	Add    inviteAddCmd    `cmd:"" help:"Invite somebody by mail, and choose their roles."`
	Resend inviteResendCmd `cmd:"" help:"Send an invitation again, with a new link."`
	Revoke inviteRevokeCmd `cmd:"" help:"Take an invitation back: its link opens no more."`
}

type inviteListCmd struct {
	Org   string `arg:"" help:"Exact name of the org."`
	State string `enum:",pending,accepted,revoked,expired" default:"" help:"Only those that are pending, accepted, revoked or expired."`
}

func (c inviteListCmd) Run(a *app) error {
	l, acct, err := a.in(c.Org)
	if err != nil {
		return err
	}
	defer l.Close()
	w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "INVITATION\tADDRESS\tSTATE\tROLE\tUNTIL\tBY")
	const page = 500
	for before := account.InvitationID(""); ; {
		all, err := l.Invitations(a.ctx, operator(), acct.ID, account.LinkState(c.State), before, page)
		if err != nil {
			return err
		}
		for _, i := range all {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", i.ID, i.Email, i.At(time.Now()), i.Role, i.Until.Format(time.RFC3339), i.By)
			before = i.ID
		}
		if len(all) < page {
			return w.Flush()
		}
	}
}

type inviteAddCmd struct {
	Org         string   `arg:"" help:"Exact name of the org."`
	Email       string   `arg:"" help:"Address to invite."`
	AccountRole string   `enum:"admin,member" default:"member" help:"admin: will manage users. member: will not."`
	Message     string   `help:"Plain text for the letter."`
	Expires     string   `help:"How long the link is good for, 1h to 1mo."`
	Team        string   `help:"Name of the team that the roles hold in; without it, the whole org."`
	Role        []string `help:"Role that they hold once they accept: owner, user_admin, or service:role. May be repeated."`
}

func (c inviteAddCmd) Run(a *app) error {
	length, err := account.ParseLength(c.Expires)
	if err != nil {
		return usageError{err}
	}
	l, acct, err := a.in(c.Org)
	if err != nil {
		return err
	}
	defer l.Close()
	scope, err := scopeOf(a, l, acct.ID, c.Org, c.Team)
	if err != nil {
		return err
	}
	out, err := l.Invite(a.ctx, operator(), acct.ID, store.Invite{Email: c.Email, Role: account.Role(c.AccountRole), Message: c.Message, Validity: length})
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "%s is invited until %s (%s)\n", out.Email, out.Until.Format(time.RFC3339), out.ID)
	showWarnings(a, out.Warnings)
	if len(c.Role) == 0 {
		return nil
	}
	given, err := l.AddInvitedRoles(a.ctx, operator(), acct.ID, out.ID, scope, rolesNamed(c.Role))
	return showAssigned(a, l, given, err)
}

type inviteResendCmd struct {
	Org        string `arg:"" help:"Exact name of the org."`
	Invitation string `arg:"" help:"Id, or address of who is invited."`
}

func (c inviteResendCmd) Run(a *app) error {
	return withInvitation(a, c.Org, c.Invitation, func(l *store.Ledger, acct account.Account, id account.InvitationID) error {
		i, err := l.ResendInvitation(a.ctx, operator(), acct.ID, id)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(a.out, "%s is invited until %s\n", i.Email, i.Until.Format(time.RFC3339))
		return err
	})
}

type inviteRevokeCmd struct {
	Org        string `arg:"" help:"Exact name of the org."`
	Invitation string `arg:"" help:"Id, or address of who is invited."`
}

func (c inviteRevokeCmd) Run(a *app) error {
	return withInvitation(a, c.Org, c.Invitation, func(l *store.Ledger, acct account.Account, id account.InvitationID) error {
		if err := l.RevokeInvitation(a.ctx, operator(), acct.ID, id); err != nil {
			return err
		}
		_, err := fmt.Fprintf(a.out, "%s opens no more\n", id)
		return err
	})
}

// withInvitation opens the ledger and finds an invitation by its id, or by whom it went to.
func withInvitation(a *app, org, arg string, do func(*store.Ledger, account.Account, account.InvitationID) error) error {
	l, acct, err := a.in(org)
	if err != nil {
		return err
	}
	defer l.Close()
	if id, ok := account.ParseID[account.InvitationID](arg); ok {
		return do(l, acct, id)
	}
	i, err := l.WaitingInvitation(a.ctx, operator(), acct.ID, arg)
	if err != nil {
		return err
	}
	return do(l, acct, i.ID)
}

// scopeOf is an org, or a team of it by name.
func scopeOf(a *app, l *store.Ledger, acct account.AccountID, org, team string) (account.Scope, error) {
	_, o, err := findOrg(a, l, org)
	if err != nil || team == "" {
		return account.Scope{Org: o.ID}, err
	}
	names, err := teamNames(a, l, acct)
	if err != nil {
		return account.Scope{}, err
	}
	for id, name := range names {
		if name == team {
			return account.Scope{Org: o.ID, Team: id}, nil
		}
	}
	return account.Scope{}, account.Errorf(account.NotFound, "%s has no team called %q.", org, team)
}

func rolesNamed(names []string) []account.Role {
	roles := make([]account.Role, len(names))
	for i, n := range names {
		roles[i] = account.Role(n)
	}
	return roles
}

func showAssigned(a *app, l *store.Ledger, given store.Assigned, err error) error {
	if err != nil {
		return err
	}
	fmt.Fprintln(a.out, given.Words(l.Catalogue()))
	showWarnings(a, given.Warnings)
	return nil
}

func showWarnings(a *app, all []account.Warning) {
	for _, w := range all {
		fmt.Fprintln(a.errOut, strings.TrimSpace("warning: "+w.Message+" "+w.Fix))
	}
}

type userListCmd struct {
	Org  string `arg:"" help:"Exact name of the org."`
	Part string `name:"find" help:"Only those with this in their name or address."`
}

func (c userListCmd) Run(a *app) error {
	l, acct, err := a.in(c.Org)
	if err != nil {
		return err
	}
	defer l.Close()
	w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "PERSON\tNAME\tPLACE\tACCOUNT ROLE\tID")
	for after := ""; ; {
		page, err := l.FindPeople(a.ctx, operator(), acct.ID, store.PeopleQuery{Part: c.Part, After: after, Limit: 500})
		if err != nil {
			return err
		}
		for _, p := range page.People {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", p.User.Email, p.User.Name, p.Tenancy.Status, p.Tenancy.Role, cmp.Or(string(p.User.ID), string(p.Invitation)))
		}
		if after = page.Next; after != "" {
			continue
		}
		if err := w.Flush(); err != nil {
			return err
		}
		more := ""
		if page.More {
			more = "more than "
		}
		_, err = fmt.Fprintf(a.out, "%s%d people\n", more, page.Total)
		return err
	}
}

type userRolesCmd struct {
	Org     string   `arg:"" help:"Exact name of the org."`
	Email   string   `arg:"" help:"Address of somebody in the account, or invited to it."`
	Role    []string `arg:"" help:"owner, user_admin, or service:role."`
	Team    string   `help:"Name of the team that the roles hold in; without it, the whole org."`
	Account bool     `help:"Roles of the account: admin or member."`
	Take    bool     `help:"Take the roles back instead."`
}

func (c userRolesCmd) Run(a *app) error {
	l, acct, err := a.in(c.Org)
	if err != nil {
		return err
	}
	defer l.Close()
	scope, err := scopeOf(a, l, acct.ID, c.Org, c.Team)
	if err != nil {
		return err
	}
	if c.Account {
		scope.Org = ""
	}
	if !c.Take {
		given, err := l.Assign(a.ctx, operator(), acct.ID, c.Email, scope, rolesNamed(c.Role))
		return showAssigned(a, l, given, err)
	}
	p, err := l.PersonByEmail(a.ctx, operator(), acct.ID, c.Email)
	if err != nil {
		return err
	}
	if err := l.WithdrawAll(a.ctx, operator(), acct.ID, p.User.ID, scope, rolesNamed(c.Role)); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.out, "%s is no longer %s\n", p.User.Email, strings.Join(c.Role, ", "))
	return err
}
