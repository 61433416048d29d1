package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store"
)

type accountCmd struct {
	List     accountListCmd     `cmd:"" help:"List the accounts of this installation."`
	Show     accountShowCmd     `cmd:"" help:"Show an account: owner, people, company information, what is left to set up."`
	Role     accountRoleCmd     `cmd:"" help:"Make somebody of an account an administrator or a member of it."`
	Transfer accountTransferCmd `cmd:"" help:"Make an administrator of the account who owns its org the owner of the account."`
}

type accountListCmd struct {
	Like string `arg:"" optional:"" help:"A part of the name of the account or of its org."`
}

func (c accountListCmd) Run(a *app) error {
	l, _, err := a.ledger()
	if err != nil {
		return err
	}
	defer l.Close()
	return listPlaces(a, l, c.Like)
}

// listPlaces prints accounts with their orgs.
func listPlaces(a *app, l *store.Ledger, like string) error {
	w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "ACCOUNT\tNUMBER\tORG\tTYPE\tTITLE")
	const page = 500
	for after := ""; ; {
		all, err := l.Accounts(a.ctx, operator(), like, after, page)
		if err != nil {
			return err
		}
		for _, p := range all {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", p.Account.Name, p.Account.Number, p.Org.Name, p.Org.Type, p.Org.Title)
			after = p.Account.Name
		}
		if len(all) < page {
			return w.Flush()
		}
	}
}

type accountShowCmd struct {
	Org string `arg:"" help:"Exact name of the account's org."`
}

func (c accountShowCmd) Run(a *app) error {
	l, acct, err := a.in(c.Org)
	if err != nil {
		return err
	}
	defer l.Close()
	p, err := l.AccountProfile(a.ctx, operator(), acct.ID)
	if err != nil {
		return err
	}
	tasks, err := l.Checklist(a.ctx, operator(), acct.ID)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "account  %s (%s)\nnumber   %s\norg      %s (%s)\nowner    %s\n", p.Account.Name, p.Account.ID, p.Account.Number, p.Org.Name, p.Org.Type, p.Owner.Email)
	for _, line := range [][2]string{{"about", p.Description}, {"company", p.Company.Name}, {"country", p.Company.Country}, {"website", p.Company.Website}} {
		if line[1] != "" {
			fmt.Fprintf(a.out, "%-8s %s\n", line[0], line[1])
		}
	}
	fmt.Fprintln(a.out)
	for _, t := range tasks {
		fmt.Fprintln(a.out, taskWords(t))
	}
	fmt.Fprintln(a.out)
	w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "PERSON\tROLE\tPLACE\tBECAUSE")
	const page = 500
	for after := account.UserID(""); ; {
		people, err := l.Tenants(a.ctx, operator(), acct.ID, after, page)
		if err != nil {
			return err
		}
		for _, t := range people {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", t.User.Email, l.Catalogue().Label(t.Tenancy.Role), t.Tenancy.Status, sourceWords(t.Tenancy.Sources))
			after = t.User.ID
		}
		if len(people) < page {
			return w.Flush()
		}
	}
}

func taskWords(t account.Task) string {
	mark, tail := "-", ""
	if t.Done {
		mark = "+"
	} else if t.Recommended {
		tail = ", highly recommended"
	}
	what := map[account.TaskID]string{account.TaskRecovery: "a recovery e-mail", account.TaskAdmins: fmt.Sprintf("further administrators of the account (%d)", t.Count),
		account.TaskCompany: "company information", account.TaskTenancies: fmt.Sprintf("nobody suspended (%d)", t.Count)}[t.ID]
	return "  " + mark + " " + what + tail
}

type accountRoleCmd struct {
	personArg
	Role string `arg:"" enum:"admin,member" help:"admin or member."`
}

func (c accountRoleCmd) Run(a *app) error {
	return withPerson(a, c.personArg, func(l *store.Ledger, acct account.Account, p store.Person) error {
		if err := l.SetAccountRole(a.ctx, operator(), acct.ID, p.User.ID, account.Role(c.Role)); err != nil {
			return err
		}
		_, err := fmt.Fprintf(a.out, "%s is %s of account %s\n", p.User.Email, l.Catalogue().Label(account.Role(c.Role)), acct.Name)
		return err
	})
}

type accountTransferCmd struct{ personArg }

func (c accountTransferCmd) Run(a *app) error {
	return withPerson(a, c.personArg, func(l *store.Ledger, acct account.Account, p store.Person) error {
		if err := l.TransferOwnership(a.ctx, operator(), acct.ID, p.User.ID); err != nil {
			return err
		}
		_, err := fmt.Fprintf(a.out, "%s owns account %s\n", p.User.Email, acct.Name)
		return err
	})
}
