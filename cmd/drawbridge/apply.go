package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/config"
	"github.com/drawbridge-id/drawbridge/egress"
	"github.com/drawbridge-id/drawbridge/estate"
	"github.com/drawbridge-id/drawbridge/federation"
	"github.com/drawbridge-id/drawbridge/federation/saml"
	"github.com/drawbridge-id/drawbridge/store"
)

// applyCmd brings the installation to what an estate file says, all or nothing.
type applyCmd struct {
	File   string `short:"f" required:"" type:"path" help:"Estate file; docs/estate.md describes every field."`
	DryRun bool   `name:"dry-run" help:"Print the difference and change nothing."`
	// AllowLoss is apart from running it: a mistake in the file must not strip half of the company.
	AllowLoss bool `name:"allow-loss" help:"Activate rules even if more people lose roles than the limit rules_loss_share allows."`
	JSON      bool `name:"json" help:"Print difference, connections and generated secrets as JSON."`
}

// applied is what apply answers with.
type applied struct {
	Changes     []store.Changed     `json:"changes"`
	Connections []appliedConnection `json:"connections"`
	Streams     []appliedStream     `json:"streams"`
	Secrets     map[string]string   `json:"secrets,omitempty"` // shown this once
}

// appliedConnection is what an administrator has to type into the identity provider.
type appliedConnection struct {
	Account  string               `json:"account"`
	Name     string               `json:"name"`
	ID       account.ConnectionID `json:"id"`
	EntityID string               `json:"entity_id,omitempty"`
	ACS      string               `json:"acs,omitempty"`
	Redirect string               `json:"redirect_uri,omitempty"`
	Logout   string               `json:"logout"`
	SCIM     string               `json:"scim"` // base URL
}

// appliedStream is what has to be typed into a transmitter of security events.
type appliedStream struct {
	Account string           `json:"account"`
	Name    string           `json:"name"`
	ID      account.StreamID `json:"id"`
	Push    string           `json:"push,omitempty"` // address, without a credential that is part of it
}

func (c applyCmd) Run(a *app) error {
	h, cfg, err := a.house()
	if err != nil {
		return err
	}
	defer h.Close()
	e, err := c.read(a, h.Ledger.Catalogue(), cfg)
	if err != nil {
		return problems(c.File, err)
	}
	diff, secrets, err := h.Ledger.Apply(a.ctx, operator(), e, store.ApplyOptions{DryRun: c.DryRun, Confirmed: c.AllowLoss})
	if err != nil {
		return err
	}
	out := applied{Changes: diff.Changes, Connections: []appliedConnection{}, Streams: []appliedStream{}, Secrets: map[string]string{}}
	for name, secret := range secrets {
		out.Secrets[name] = secret.Reveal()
	}
	for _, acct := range diff.Accounts {
		for _, conn := range acct.Connections {
			to := toCopy(acct.Account.Name, conn, h.Door.URLs(conn.ID))
			to.SCIM = fmt.Sprintf("%s/scim/%s/v2", cfg.PublicURL, conn.ID)
			out.Connections = append(out.Connections, to)
		}
		for _, s := range acct.Streams {
			to := appliedStream{Account: acct.Account.Name, Name: s.Name, ID: s.ID}
			if s.Method == account.StreamPush {
				to.Push = fmt.Sprintf("%s/events/%s", cfg.PublicURL, s.ID)
			}
			out.Streams = append(out.Streams, to)
		}
	}
	if c.JSON {
		return printJSON(a, out)
	}
	return c.print(a, h.Ledger, out, diff)
}

func toCopy(acct string, c account.Connection, urls federation.URLs) appliedConnection {
	out := appliedConnection{Account: acct, Name: c.Name, ID: c.ID}
	s := c.Live
	if s == nil {
		s = c.Draft
	}
	if s != nil && s.Protocol == account.SAML {
		out.EntityID, out.ACS, out.Logout = urls.EntityID, urls.ACS, urls.SLO
	} else {
		out.Redirect, out.Logout = urls.Callback, urls.BackchannelLogout
	}
	return out
}

func (c applyCmd) print(a *app, l *store.Ledger, out applied, diff store.Diff) error {
	for _, change := range out.Changes {
		fmt.Fprintln(a.out, change)
	}
	for _, acct := range diff.Accounts {
		plan, has := diff.Plans[acct.Account.Name]
		if !has {
			continue
		}
		fmt.Fprintf(a.out, "\nrules of %s: ", acct.Account.Name)
		if err := printPlan(a, l, acct.Account.ID, plan, false); err != nil {
			return err
		}
	}
	for name, secret := range out.Secrets {
		fmt.Fprintf(a.out, "\n%s: %s   (copy it now, only a fingerprint is kept)\n", name, secret)
	}
	if len(out.Connections)+len(out.Streams) > 0 {
		fmt.Fprintln(a.out, "\nto copy into the identity providers:")
		w := tabwriter.NewWriter(a.out, 2, 4, 2, ' ', 0)
		for _, conn := range out.Connections {
			fmt.Fprintf(w, "  %s/%s\t%s\n", conn.Account, conn.Name, conn.ID)
			for _, line := range [][2]string{{"entity id, metadata", conn.EntityID}, {"ACS URL", conn.ACS}, {"sign-in redirect URI", conn.Redirect}, {"logout URL", conn.Logout}, {"SCIM base URL", conn.SCIM}} {
				if line[1] != "" {
					fmt.Fprintf(w, "    %s\t%s\n", line[0], line[1])
				}
			}
		}
		for _, s := range out.Streams {
			if s.Push != "" {
				fmt.Fprintf(w, "  %s/%s\t%s\n    address for security events\t%s\n", s.Account, s.Name, s.ID, s.Push)
			}
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	outcome := fmt.Sprintf("%d changes made", len(out.Changes))
	switch {
	case c.DryRun:
		outcome = fmt.Sprintf("dry run: %d changes would be made", len(out.Changes))
	case diff.Empty():
		outcome = "nothing to change"
	}
	_, err := fmt.Fprintln(a.out, "\n"+outcome)
	return err
}

// problems lists what is wrong with a file as "file:line: sentence", so that editors can jump there.
func problems(file string, err error) error {
	found := estate.Problems(err)
	if len(found) == 0 {
		return err
	}
	lines := make([]string, len(found))
	for i, p := range found {
		lines[i] = fmt.Sprintf("%s:%d: %v", file, p.Line, p.Err)
	}
	return account.Errorf(account.Invalid, "The estate file needs mending; nothing was changed.\n%s", strings.Join(lines, "\n"))
}

// read parses and checks the whole file, with the metadata it names, before anything is changed.
func (c applyCmd) read(a *app, cat account.Catalogue, cfg config.Config) (estate.Estate, error) {
	data, err := os.ReadFile(c.File)
	if err != nil {
		return estate.Estate{}, account.Errorf(account.Invalid, "The estate file %s does not open.", c.File).Because(err)
	}
	beside := func(name string) ([]byte, error) {
		if !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(c.File), name)
		}
		return os.ReadFile(name)
	}
	e, err := estate.ParseWith(cat, data, beside, os.Getenv)
	if err != nil {
		return e, err
	}
	client := egress.New(egress.Options{Allow: cfg.Egress.Allow, Timeout: time.Duration(cfg.Egress.Timeout)})
	fetch := func(url string) ([]byte, error) { return saml.FetchMetadata(a.ctx, client, url) }
	return e, e.Resolve(fetch, func(xml []byte) (account.SAMLSettings, error) {
		p, err := saml.ReadMetadata(xml, "", "", time.Now())
		return p.Settings(), err
	})
}
