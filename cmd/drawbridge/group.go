package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store"
)

type groupCmd struct {
	List        groupListCmd        `cmd:"" help:"List the external user groups of an org."`
	Show        groupShowCmd        `cmd:"" help:"Show a group: what it gives, who is in it, who is invited."`
	Create      groupCreateCmd      `cmd:"" help:"Make a group, with somebody of the org's account as its first admin."`
	Invite      groupInviteCmd      `cmd:"" help:"Invite people to a group by mail, all with one role."`
	Remove      groupRemoveCmd      `cmd:"" help:"Take somebody out of a group in an emergency; its admins are told by mail."`
	Permissions groupPermissionsCmd `cmd:"" help:"Show what a group gives, and change it."`
}

// A groupArg names an external group of an org.
type groupArg struct {
	Org   string `arg:"" help:"Exact name of the org."`
	Group string `arg:"" help:"Name of the group, or id."`
}

// withGroups opens the ledger and finds an org.
func withGroups(a *app, org string, do func(l *store.Ledger, acct account.Account) error) error {
	l, acct, err := a.in(org)
	if err != nil {
		return err
	}
	defer l.Close()
	return do(l, acct)
}

// withGroup finds one of its groups.
func withGroup(a *app, arg groupArg, do func(l *store.Ledger, acct account.Account, g store.GroupView) error) error {
	return withGroups(a, arg.Org, func(l *store.Ledger, acct account.Account) error {
		found := store.GroupView{}
		err := eachGroup(a, l, acct.ID, func(g store.GroupView) {
			if g.Name == arg.Group || string(g.ID) == arg.Group {
				found = g
			}
		})
		if err != nil {
			return err
		}
		if found.ID == "" {
			return account.Errorf(account.NotFound, "%s has no external user group %q.", arg.Org, arg.Group).Fix("See drawbridge group list %s.", arg.Org)
		}
		if found, err = l.Group(a.ctx, operator(), found.ID); err != nil {
			return err
		}
		return do(l, acct, found)
	})
}

func eachGroup(a *app, l *store.Ledger, id account.AccountID, do func(store.GroupView)) error {
	const page = 500
	for after := account.GroupID(""); ; {
		all, err := l.Groups(a.ctx, operator(), id, after, page)
		if err != nil {
			return err
		}
		for _, g := range all {
			do(g)
			after = g.ID
		}
		if len(all) < page {
			return nil
		}
	}
}

type groupListCmd struct {
	Org string `arg:"" help:"Exact name of the org."`
}

func (c groupListCmd) Run(a *app) error {
	return withGroups(a, c.Org, func(l *store.Ledger, acct account.Account) error {
		w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
		fmt.Fprintln(w, "GROUP\tUSERS\tPENDING\tSEATS\tID")
		err := eachGroup(a, l, acct.ID, func(g store.GroupView) {
			fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%s\n", g.Name, g.Members, g.Pending, g.Seats, g.ID)
		})
		if err != nil {
			return err
		}
		return w.Flush()
	})
}

type groupShowCmd struct{ groupArg }

func (c groupShowCmd) Run(a *app) error {
	return withGroup(a, c.groupArg, func(l *store.Ledger, acct account.Account, g store.GroupView) error {
		fmt.Fprintf(a.out, "group  %s  %s\nseats  %d users and %d pending invitations of %d\n", g.Name, g.ID, g.Members, g.Pending, g.Seats)
		if len(g.Connections) > 0 {
			fmt.Fprintf(a.out, "only   through %v\n", g.Connections)
		}
		fmt.Fprintln(a.out)
		if err := showGives(a, l, g); err != nil {
			return err
		}
		w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
		fmt.Fprintln(w, "\nPERSON\tROLE\tSTATE")
		const page = 500
		for after := account.UserID(""); ; {
			all, err := l.GroupMembers(a.ctx, operator(), g.ID, after, page)
			if err != nil {
				return err
			}
			for _, m := range all {
				fmt.Fprintf(w, "%s\t%s\t%s\n", m.User.Email, m.Role, m.User.State)
				after = m.User.ID
			}
			if len(all) < page {
				break
			}
		}
		for after := account.GroupInvitationID(""); ; {
			all, err := l.GroupInvitations(a.ctx, operator(), g.ID, after, page)
			if err != nil {
				return err
			}
			for _, i := range all {
				fmt.Fprintf(w, "%s\t%s\tinvited until %s\n", i.Email, i.Role, i.Until.Format(time.RFC3339))
				after = i.ID
			}
			if len(all) < page {
				return w.Flush()
			}
		}
	})
}

func showGives(a *app, l *store.Ledger, g store.GroupView) error {
	w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "SCOPE\tROLE\tUSE")
	for _, p := range g.Gives {
		scope, use := "org", "yes"
		if p.Team != "" {
			scope = "team " + g.Teams[p.Team].Name
		}
		if p.Denied != nil {
			use = p.Denied.Message
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", scope, p.Role, use)
	}
	return w.Flush()
}

type groupCreateCmd struct {
	Org         string `arg:"" help:"Exact name of the org."`
	Name        string `arg:"" help:"Name of the group."`
	Admin       string `required:"" help:"E-mail address of its first admin, who has a place in the org's account."`
	Description string `help:"What it is for."`
}

func (c groupCreateCmd) Run(a *app) error {
	return withPerson(a, personArg{c.Org, c.Admin}, func(l *store.Ledger, acct account.Account, p store.Person) error {
		g, err := l.CreateGroup(a.ctx, operator(), acct.ID, store.GroupSettings{Name: c.Name, Description: c.Description}, p.User.ID)
		if err == nil {
			_, err = fmt.Fprintf(a.out, "%s  %s\n", g.Name, g.ID)
		}
		return err
	})
}

type groupInviteCmd struct {
	groupArg
	Emails  []string `arg:"" help:"E-mail addresses."`
	Role    string   `enum:"admin,operator,member" default:"member" help:"What all of them will be: admin, operator or member."`
	Expires string   `default:"7d" help:"How long the invitation is good for: 1h to 30d."`
	Subject string   `help:"Subject of the letter; left out, the template's."`
	Message string   `help:"Plain text of the letter; left out, the template's."`
	Service string   `help:"For members: the sign-in page of a service that accepting leads on to."`
}

func (c groupInviteCmd) Run(a *app) error {
	length, err := account.ParseLength(c.Expires)
	if err != nil {
		return err
	}
	return withGroup(a, c.groupArg, func(l *store.Ledger, _ account.Account, g store.GroupView) error {
		all, err := l.InviteToGroup(a.ctx, operator(), g.ID, store.GroupInvite{Emails: c.Emails, Role: account.Role(c.Role), Validity: length,
			Subject: c.Subject, Message: c.Message, ServiceURL: c.Service, Seamless: c.Service != ""})
		for _, i := range all {
			fmt.Fprintf(a.out, "%s is invited as %s until %s\n", i.Email, i.Role, i.Until.Format(time.RFC3339))
		}
		return err
	})
}

type groupRemoveCmd struct {
	groupArg
	User   string `arg:"" help:"E-mail address, or id."`
	Reason string `help:"Why, for the audit log and the admins of the group."`
}

func (c groupRemoveCmd) Run(a *app) error {
	return withGroup(a, c.groupArg, func(l *store.Ledger, _ account.Account, g store.GroupView) error {
		const page = 500
		for after := account.UserID(""); ; {
			all, err := l.GroupMembers(a.ctx, operator(), g.ID, after, page)
			if err != nil {
				return err
			}
			for _, m := range all {
				after = m.User.ID
				if string(m.User.ID) != c.User && !strings.EqualFold(m.User.Email, c.User) {
					continue
				}
				r, err := l.ExpelFromGroup(a.ctx, operator(), g.ID, m.User.ID, c.Reason)
				if err == nil {
					showRemoval(a.out, store.Removal{Receipt: r})
				}
				return err
			}
			if len(all) < page {
				return account.Errorf(account.NotFound, "%s is not in the group %s.", c.User, g.Name)
			}
		}
	})
}

type groupPermissionsCmd struct {
	groupArg
	Add    []string `help:"Roles to give, as service:role."`
	Remove []string `help:"Roles to take back."`
	Team   string   `help:"Name of the team in which; left out, in the whole org."`
}

func (c groupPermissionsCmd) Run(a *app) error {
	return withGroup(a, c.groupArg, func(l *store.Ledger, acct account.Account, g store.GroupView) error {
		var team account.TeamID
		if c.Team != "" {
			names, err := teamNames(a, l, acct.ID)
			if err != nil {
				return err
			}
			for id, name := range names {
				if name == c.Team {
					team = id
				}
			}
			if team == "" {
				return account.Errorf(account.NotFound, "%s has no team %q.", c.Org, c.Team)
			}
		}
		for _, r := range c.Add {
			if err := l.Permit(a.ctx, operator(), g.ID, team, account.Role(r)); err != nil {
				return err
			}
		}
		for _, r := range c.Remove {
			if err := l.Forbid(a.ctx, operator(), g.ID, team, account.Role(r)); err != nil {
				return err
			}
		}
		g, err := l.Group(a.ctx, operator(), g.ID)
		if err != nil {
			return err
		}
		return showGives(a, l, g)
	})
}
