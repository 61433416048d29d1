package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/drawbridge-id/drawbridge/account"
)

type teamCmd struct {
	List     teamListCmd     `cmd:"" help:"List the teams of an org."`
	Add      teamAddCmd      `cmd:"" help:"Create a team."`
	Describe teamDescribeCmd `cmd:"" help:"Change what a team says about itself."`
	People   teamPeopleCmd   `cmd:"" help:"Show who holds a role in a team."`
	Remove   teamRemoveCmd   `cmd:"" help:"Remove a team for good, with every role in it."`
}

type teamListCmd struct {
	Org string `arg:"" help:"Exact name of the org."`
}

func (c teamListCmd) Run(a *app) error {
	l, acct, err := a.in(c.Org)
	if err != nil {
		return err
	}
	defer l.Close()
	teams, err := l.Teams(a.ctx, operator(), acct.ID)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "TEAM\tID\tDESCRIPTION")
	for _, t := range teams {
		fmt.Fprintf(w, "%s\t%s\t%s\n", t.Name, t.ID, t.Description)
	}
	return w.Flush()
}

type teamAddCmd struct {
	Org         string `arg:"" help:"Exact name of the org."`
	Team        string `arg:"" help:"Name: lower-case letters, digits and hyphens."`
	Description string `help:"What the team is for."`
}

func (c teamAddCmd) Run(a *app) error {
	l, acct, err := a.in(c.Org)
	if err != nil {
		return err
	}
	defer l.Close()
	t, err := l.CreateTeam(a.ctx, operator(), acct.ID, c.Team, c.Description)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.out, "%s  %s\n", t.Name, t.ID)
	return err
}

type teamDescribeCmd struct {
	Org         string `arg:"" help:"Exact name of the org."`
	Team        string `arg:"" help:"Name or id."`
	Description string `arg:"" help:"What the team is for."`
}

func (c teamDescribeCmd) Run(a *app) error {
	l, acct, err := a.in(c.Org)
	if err != nil {
		return err
	}
	defer l.Close()
	t, err := l.DescribeTeam(a.ctx, operator(), acct.ID, c.Team, c.Description)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.out, "%s: %s\n", t.Name, t.Description)
	return err
}

type teamPeopleCmd struct {
	Org  string `arg:"" help:"Exact name of the org."`
	Team string `arg:"" help:"Name or id."`
}

func (c teamPeopleCmd) Run(a *app) error {
	l, acct, err := a.in(c.Org)
	if err != nil {
		return err
	}
	defer l.Close()
	w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "PERSON\tROLE\tBECAUSE")
	const page = 500
	for after := account.UserID(""); ; {
		people, err := l.TeamPeople(a.ctx, operator(), acct.ID, c.Team, after, page)
		if err != nil {
			return err
		}
		for _, p := range people {
			for _, h := range p.Roles {
				fmt.Fprintf(w, "%s\t%s\t%s\n", p.User.Email, l.Catalogue().Label(h.Role), sourceWords(h.Sources))
			}
			after = p.User.ID
		}
		if len(people) < page {
			return w.Flush()
		}
	}
}

type teamRemoveCmd struct {
	Org     string `arg:"" help:"Exact name of the org."`
	Team    string `arg:"" help:"Name or id."`
	Confirm string `help:"The team's name, typed once more." required:""`
}

func (c teamRemoveCmd) Run(a *app) error {
	l, acct, err := a.in(c.Org)
	if err != nil {
		return err
	}
	defer l.Close()
	r, err := l.DeleteTeam(a.ctx, operator(), acct.ID, c.Team, c.Confirm)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "%s is gone, with %d roles of %d people\n", r.Team.Name, r.Roles, r.People)
	for _, name := range r.Rules {
		fmt.Fprintf(a.out, "rule %q gives nothing in it any more\n", name)
	}
	if r.Invitations+r.Groups > 0 {
		fmt.Fprintf(a.out, "%d invitations and %d permissions of external user groups named it\n", r.Invitations, r.Groups)
	}
	return nil
}
