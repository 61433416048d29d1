package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/drawbridge-id/drawbridge/account"
)

type orgCmd struct {
	List    orgListCmd    `cmd:"" help:"List the orgs of this installation."`
	Show    orgShowCmd    `cmd:"" help:"Show type, number, services, and everybody's roles with their reasons."`
	Title   orgTitleCmd   `cmd:"" help:"Change what people call an org."`
	Convert orgConvertCmd `cmd:"" help:"Make an individual org an enterprise org, which keeps all that it has."`
}

type orgListCmd struct {
	Like string `arg:"" optional:"" help:"A part of the name of the org or of its account."`
}

func (c orgListCmd) Run(a *app) error { return accountListCmd(c).Run(a) }

type orgTitleCmd struct {
	Org   string `arg:"" help:"Exact name of the org."`
	Title string `arg:"" help:"What people call it; empty: its exact name."`
}

func (c orgTitleCmd) Run(a *app) error {
	l, acct, err := a.in(c.Org)
	if err != nil {
		return err
	}
	defer l.Close()
	if err := l.SetOrgTitle(a.ctx, operator(), acct.ID, c.Title); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.out, "%s is called %q\n", c.Org, c.Title)
	return err
}

type orgConvertCmd struct {
	Org string `arg:"" help:"Exact name of the org."`
}

func (c orgConvertCmd) Run(a *app) error {
	l, acct, err := a.in(c.Org)
	if err != nil {
		return err
	}
	defer l.Close()
	if err := l.ConvertOrg(a.ctx, operator(), acct.ID); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.out, "%s is an enterprise org\n", c.Org)
	return err
}

type orgShowCmd struct {
	Org string `arg:"" help:"Exact name of the org."`
}

func (c orgShowCmd) Run(a *app) error {
	l, _, err := a.ledger()
	if err != nil {
		return err
	}
	defer l.Close()
	acct, org, err := findOrg(a, l, c.Org)
	if err != nil {
		return err
	}
	names, err := teamNames(a, l, acct.ID)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "org       %s (%s)\naccount   %s\nnumber    %s\nservices  %s\n\n",
		org.Name, org.Type, acct.Name, org.Number, strings.Join(org.Services, ", "))
	w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "PERSON\tSCOPE\tROLE\tBECAUSE")
	const page = 500
	for after := account.UserID(""); ; {
		people, err := l.People(a.ctx, operator(), acct.ID, after, page)
		if err != nil {
			return err
		}
		for _, p := range people {
			for _, h := range p.Roles {
				scope := "account"
				if h.Scope.Team != "" {
					scope = "team " + names[h.Scope.Team]
				} else if h.Scope.Org != "" {
					scope = "org"
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", p.User.Email, scope, l.Catalogue().Label(h.Role), sourceWords(h.Sources))
			}
			after = p.User.ID
		}
		if len(people) < page {
			return w.Flush()
		}
	}
}

func sourceWords(sources []account.Source) string {
	var words []string
	for _, s := range sources {
		if s.Kind == account.SourceRule {
			words = append(words, fmt.Sprintf("%s, group %q", s.Rule, s.Group))
		} else if s.Kind == account.SourceMember {
			words = append(words, "account member")
		} else {
			words = append(words, string(s.Kind)+" by "+s.By)
		}
	}
	return strings.Join(words, "; ")
}
