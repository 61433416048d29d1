package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/scim"
	"github.com/drawbridge-id/drawbridge/store"
)

type scimClientCmd struct {
	Mint   scimClientMintCmd   `cmd:"" help:"Make an OAuth client, whose secret is shown this once. Two can be valid, so that one is replaced without a gap."`
	List   scimClientListCmd   `cmd:"" help:"List the valid clients of a connection."`
	Revoke scimClientRevokeCmd `cmd:"" help:"Make a client and all tokens that it fetched worthless at once."`
}

type scimClientMintCmd struct {
	Connection string        `arg:"" help:"Connection as org/name or id."`
	Life       time.Duration `default:"8760h" help:"How long it is valid."`
}

func (c scimClientMintCmd) Run(a *app) error {
	return with(a, c.Connection, func(l *store.Ledger, conn account.Connection, public string) error {
		made, secret, err := l.MintSCIMClient(a.ctx, operator(), conn.ID, c.Life)
		if err != nil {
			return err
		}
		fmt.Fprintf(a.out, "base URL       %s/scim/%s/v2\ntoken URL      %s/scim/%s/oauth/token\nclient id      %s\nclient secret  %s\nexpires        %s\n\nThe secret is not shown again.\n",
			public, conn.ID, public, conn.ID, made.ID, secret.Reveal(), made.ExpiresAt.Format(time.RFC3339))
		return nil
	})
}

type scimClientListCmd struct {
	Connection string `arg:"" help:"Connection as org/name or id."`
}

func (c scimClientListCmd) Run(a *app) error {
	return with(a, c.Connection, func(l *store.Ledger, conn account.Connection, _ string) error {
		all, err := l.SCIMClients(a.ctx, operator(), conn.ID)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
		fmt.Fprintln(w, "CLIENT ID\tSECRET ENDS IN\tCREATED\tEXPIRES\tLAST FETCHED A TOKEN")
		for _, k := range all {
			used := "never"
			if !k.UsedAt.IsZero() {
				used = k.UsedAt.Format(time.RFC3339)
			}
			fmt.Fprintf(w, "%s\t…%s\t%s\t%s\t%s\n", k.ID, k.Last4, k.CreatedAt.Format(time.RFC3339), k.ExpiresAt.Format(time.RFC3339), used)
		}
		return w.Flush()
	})
}

type scimClientRevokeCmd struct {
	Connection string `arg:"" help:"Connection as org/name or id."`
	Client     string `arg:"" help:"The client's id, as list shows it."`
}

func (c scimClientRevokeCmd) Run(a *app) error {
	return with(a, c.Connection, func(l *store.Ledger, conn account.Connection, _ string) error {
		if err := l.RevokeSCIMClient(a.ctx, operator(), conn.ID, account.SCIMClientID(c.Client)); err != nil {
			return err
		}
		fmt.Fprintln(a.out, "revoked")
		return nil
	})
}

type scimUnmetCmd struct {
	Connection string `arg:"" help:"Connection as org/name or id."`
}

func (c scimUnmetCmd) Run(a *app) error {
	return with(a, c.Connection, func(l *store.Ledger, conn account.Connection, _ string) error {
		all, err := l.Unmet(a.ctx, operator(), conn.ID)
		if err != nil {
			return err
		}
		if len(all) == 0 {
			fmt.Fprintln(a.out, "Whoever is pushed meets their sign-in.")
		}
		for _, u := range all {
			who := "nobody here"
			if u.Person != "" {
				who = string(u.Person)
			}
			if u.Kind == "Group" {
				who = "members wait"
			}
			fmt.Fprintf(a.out, "%s  %s  %s\n    %s\n", u.ID, u.Name, who, u.Why)
		}
		return nil
	})
}

type scimReplayCmd struct {
	Connection string `arg:"" help:"Connection as org/name or id."`
	Request    string `arg:"" help:"The request's id, as log shows it."`
}

func (c scimReplayCmd) Run(a *app) error {
	return with(a, c.Connection, func(l *store.Ledger, conn account.Connection, public string) error {
		r, err := scim.New(scim.Options{Ledger: l, PublicURL: public, Now: time.Now}).Replay(a.ctx, operator(), conn.ID, account.SCIMRequestID(c.Request))
		if err != nil {
			return err
		}
		fmt.Fprintf(a.out, "%s %s\nwas answered  %d %s\nwould be now  %d\n", r.Request.Method, r.Request.Path, r.Request.Status, r.Request.SCIMType, r.Status)
		if r.Body != "" {
			fmt.Fprintf(a.out, "with          %s\n", r.Body)
		}
		said := false
		for _, line := range r.Changes {
			for _, words := range []string{line.Changed, line.Detail} {
				if words != "" {
					fmt.Fprintf(a.out, "it would      %s\n", strings.ReplaceAll(words, "; ", "\n              "))
					said = true
				}
			}
		}
		if !said {
			fmt.Fprintln(a.out, "it would change nothing")
		}
		fmt.Fprintln(a.out, "\nNothing was changed.")
		return nil
	})
}
