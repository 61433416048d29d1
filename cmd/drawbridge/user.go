package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store"
)

type userCmd struct {
	List    userListCmd    `cmd:"" help:"List people by name, those who are invited among them."`
	Add     inviteAddCmd   `cmd:"" help:"Invite somebody by mail, and choose their roles (the same as invite add)."`
	Roles   userRolesCmd   `cmd:"" help:"Give roles to somebody in the account or invited to it, or take them back."`
	Show    userShowCmd    `cmd:"" help:"Show somebody: state, roles with their reasons, keys."`
	Explain userExplainCmd `cmd:"" help:"Say why somebody holds what they hold, and what each rule makes of their groups."`
	Remove  userRemoveCmd  `cmd:"" help:"Take everything somebody holds in an org, or with --account their place too."`
	Disable userDisableCmd `cmd:"" help:"Shut somebody out until they are enabled: their sessions end, their keys are revoked."`
	Enable  userEnableCmd  `cmd:"" help:"Let somebody in again. What ended stays ended."`
}

// A personArg names somebody of an org, by address or id.
type personArg struct {
	Org  string `arg:"" help:"Exact name of the org."`
	User string `arg:"" help:"E-mail address, or id."`
}

// withPerson opens the ledger and finds somebody of an org.
func withPerson(a *app, arg personArg, do func(l *store.Ledger, acct account.Account, p store.Person) error) error {
	l, _, err := a.ledger()
	if err != nil {
		return err
	}
	defer l.Close()
	acct, _, err := findOrg(a, l, arg.Org)
	if err != nil {
		return err
	}
	var p store.Person
	if id, ok := account.ParseID[account.UserID](arg.User); ok {
		p, err = l.Person(a.ctx, operator(), acct.ID, id)
	} else {
		p, err = l.PersonByEmail(a.ctx, operator(), acct.ID, arg.User)
	}
	if err != nil {
		return err
	}
	return do(l, acct, p)
}

type userShowCmd struct{ personArg }

func (c userShowCmd) Run(a *app) error {
	return withPerson(a, c.personArg, func(l *store.Ledger, acct account.Account, p store.Person) error {
		if err := showPerson(a, l, acct, p); err != nil {
			return err
		}
		keys, err := l.Keys(a.ctx, operator(), acct.ID, p.User.ID)
		if err != nil || len(keys) == 0 {
			return err
		}
		fmt.Fprintln(a.out)
		return keyTable(a.out, keys)
	})
}

func showPerson(a *app, l *store.Ledger, acct account.Account, p store.Person) error {
	names, err := teamNames(a, l, acct.ID)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "person   %s  %s\nname     %s\nstate    %s\nplace    %s, %s\n\n", p.User.Email, p.User.ID, p.User.Name, p.User.State, p.Tenancy.Status, p.Tenancy.Role)
	w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "SCOPE\tROLE\tBECAUSE")
	for _, h := range p.Roles {
		scope := "account"
		if h.Scope.Team != "" {
			scope = "team " + names[h.Scope.Team]
		} else if h.Scope.Org != "" {
			scope = "org"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", scope, l.Catalogue().Label(h.Role), sourceWords(h.Sources))
	}
	return w.Flush()
}

type userExplainCmd struct{ personArg }

func (c userExplainCmd) Run(a *app) error {
	return withPerson(a, c.personArg, func(l *store.Ledger, acct account.Account, p store.Person) error {
		e, err := l.Explain(a.ctx, operator(), acct.ID, p.User.ID)
		if err != nil {
			return err
		}
		if err := showPerson(a, l, acct, e.Person); err != nil {
			return err
		}
		for _, c := range e.Connections {
			fmt.Fprintf(a.out, "\nBy %s (%s), whose groups are %s: %q\n", c.Name, c.By, stateWords(c.Groups), c.Groups.Values)
			for _, r := range c.Rules {
				mark := "-"
				if r.Matched {
					mark = "+"
				}
				fmt.Fprintf(a.out, "  %s %q: %s\n", mark, r.Name, r.Why)
			}
		}
		return nil
	})
}

func stateWords(g account.GroupSet) string {
	if g.State == "" {
		return "unheard of"
	}
	return string(g.State)
}

type userRemoveCmd struct {
	personArg
	Account bool `help:"From the account too, with every session and key of theirs in it."`
}

func (c userRemoveCmd) Run(a *app) error {
	return withPerson(a, c.personArg, func(l *store.Ledger, acct account.Account, p store.Person) error {
		verb := l.RemoveFromOrg
		if c.Account {
			verb = l.RemoveFromAccount
		}
		r, err := verb(a.ctx, operator(), acct.ID, p.User.ID)
		if err != nil {
			return err
		}
		showRemoval(a.out, r)
		if !c.Account && len(r.Active) > 0 {
			fmt.Fprintf(a.out, "To end that too: drawbridge user remove %s %s --account\n", c.Org, c.User)
		}
		return nil
	})
}

type userDisableCmd struct{ personArg }

func (c userDisableCmd) Run(a *app) error {
	return withPerson(a, c.personArg, func(l *store.Ledger, acct account.Account, p store.Person) error {
		r, err := l.Disable(a.ctx, operator(), acct.ID, p.User.ID)
		if err == nil {
			showRemoval(a.out, r)
		}
		return err
	})
}

type userEnableCmd struct{ personArg }

func (c userEnableCmd) Run(a *app) error {
	return withPerson(a, c.personArg, func(l *store.Ledger, acct account.Account, p store.Person) error {
		if err := l.Enable(a.ctx, operator(), acct.ID, p.User.ID); err != nil {
			return err
		}
		_, err := fmt.Fprintf(a.out, "%s may come in again\n", p.User.Email)
		return err
	})
}

func showRemoval(w io.Writer, r store.Removal) {
	if r.Receipt.ID == "" {
		fmt.Fprintln(w, "There was nothing left to end.")
	} else {
		fmt.Fprintf(w, "%s: %d sessions ended, %d keys revoked, in force everywhere after %s (%s)\n",
			r.Receipt.Email, r.Receipt.Sessions, r.Receipt.Keys, r.Receipt.Took().Round(time.Millisecond), r.Receipt.ID)
	}
	for _, n := range r.Notes() {
		fmt.Fprintln(w, n)
	}
}
