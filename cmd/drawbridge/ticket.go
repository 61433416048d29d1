package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store"
)

type ticketCmd struct {
	List     ticketListCmd     `cmd:"" help:"List onboardings of connections with their age against the target, newest first."`
	Show     ticketShowCmd     `cmd:"" help:"Show one."`
	Finalise ticketFinaliseCmd `cmd:"" help:"Let the connection that the customer confirmed go live."`
}

type ticketListCmd struct {
	Org string `help:"Only those of this org, by its exact name."`
}

func (c ticketListCmd) Run(a *app) error {
	l, _, err := a.ledger()
	if err != nil {
		return err
	}
	defer l.Close()
	var acct account.AccountID
	if c.Org != "" {
		found, _, err := findOrg(a, l, c.Org)
		if err != nil {
			return err
		}
		acct = found.ID
	}
	all, err := l.Tickets(a.ctx, operator(), acct, "", 1000)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "TICKET\tCONNECTION\tSTATE\tAGE\tTARGET")
	for _, t := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", t.ID, t.Connection, t.State, age(t), l.FinaliseTarget())
	}
	return w.Flush()
}

// age is how long a ticket has waited for the operator, or took.
func age(t account.Ticket) string {
	if t.ConfirmedAt.IsZero() {
		return "-"
	}
	return t.Age(time.Now()).Round(time.Minute).String()
}

type ticketShowCmd struct {
	Ticket account.TicketID `arg:"" help:"Its id."`
}

func (c ticketShowCmd) Run(a *app) error {
	l, _, err := a.ledger()
	if err != nil {
		return err
	}
	defer l.Close()
	t, err := l.Ticket(a.ctx, operator(), c.Ticket)
	if err != nil {
		return err
	}
	late := ""
	if t.Age(time.Now()) > l.FinaliseTarget() {
		late = ", later than " + l.FinaliseTarget().String()
	}
	_, err = fmt.Fprintf(a.out, "ticket      %s\nconnection  %s\nstate       %s\nassignee    %s\nage         %s%s\n", t.ID, t.Connection, t.State, t.Assignee, age(t), late)
	return err
}

type ticketFinaliseCmd struct {
	Ticket account.TicketID `arg:"" help:"Its id."`
}

func (c ticketFinaliseCmd) Run(a *app) error {
	l, _, err := a.ledger()
	if err != nil {
		return err
	}
	defer l.Close()
	t, err := l.FinaliseTicket(a.ctx, operator(), c.Ticket)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.out, "%s is %s: connection %s is live, and its people have been told\n", t.ID, t.State, t.Connection)
	return err
}

type auditUsersCmd struct {
	Domain  string `arg:"" help:"The e-mail domain."`
	Format  string `enum:"jsonl,csv" default:"jsonl" help:"jsonl or csv."`
	Tell    string `help:"Write to them what changes: a file with the message." type:"existingfile"`
	Contact string `help:"With --tell: the address that they ask."`
}

func (c auditUsersCmd) Run(a *app) error {
	l, _, err := a.ledger()
	if err != nil {
		return err
	}
	defer l.Close()
	if c.Tell != "" {
		text, err := os.ReadFile(c.Tell)
		if err != nil {
			return err
		}
		n, err := l.TellNativeUsers(a.ctx, operator(), c.Domain, string(text), c.Contact)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(a.out, "%d people of %s are told\n", n, c.Domain)
		return err
	}
	write := jsonLines(a.out)
	if c.Format == "csv" {
		out := csv.NewWriter(a.out)
		defer out.Flush()
		if err := out.Write([]string{"user", "email", "name", "state", "orgs", "roles", "keys", "entitlements"}); err != nil {
			return err
		}
		write = func(u store.NativeUser) error { return out.Write(nativeRow(u)) }
	}
	const page = 500
	for after := account.UserID(""); ; {
		users, err := l.NativeUsers(a.ctx, operator(), c.Domain, after, page)
		if err != nil {
			return err
		}
		for _, u := range users {
			after = u.User
			if err := write(u); err != nil {
				return err
			}
		}
		if len(users) < page {
			return nil
		}
	}
}

func jsonLines(to io.Writer) func(store.NativeUser) error {
	out := json.NewEncoder(to)
	return func(u store.NativeUser) error { return out.Encode(u) }
}

// nativeRow is a line of the CSV. Cells that a spreadsheet would take for a formula are quoted.
func nativeRow(u store.NativeUser) []string {
	var orgs, roles, entitled []string
	keys := 0
	for _, o := range u.Orgs {
		orgs, keys = append(orgs, o.Org), keys+o.Keys
		for _, r := range o.Roles {
			roles = append(roles, o.Org+" "+string(r))
		}
	}
	for _, e := range u.Entitlements {
		entitled = append(entitled, e.Product+" ("+e.State+")")
	}
	row := []string{string(u.User), u.Email, u.Name, string(u.State), strings.Join(orgs, "; "), strings.Join(roles, "; "), strconv.Itoa(keys), strings.Join(entitled, "; ")}
	for i, cell := range row {
		if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
			row[i] = "'" + cell
		}
	}
	return row
}
