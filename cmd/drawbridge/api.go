package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/client"
)

// apiCmd talks to a server as any program does. The key comes from the environment or a file, never from an argument.
type apiCmd struct {
	Server string `env:"DRAWBRIDGE_SERVER" placeholder:"URL" help:"Address of the server."`
	Org    string `env:"DRAWBRIDGE_ORG" help:"Exact name of the org (default: the key's)."`
	Key    string `name:"key-file" env:"DRAWBRIDGE_KEY_FILE" type:"path" help:"File with the key, readable by you alone (default: drawbridge/key in your configuration directory). DRAWBRIDGE_KEY has the key itself."`

	Whoami apiWhoamiCmd `cmd:"" help:"Say for whom the key speaks, and where."`
	User   struct {
		List apiUserListCmd `cmd:"" help:"List people by name."`
	} `cmd:"" help:"People of the org."`
	Team struct {
		List apiTeamListCmd `cmd:"" help:"List teams."`
	} `cmd:"" help:"Teams of the org."`
	Audit struct {
		Tail   apiAuditTailCmd   `cmd:"" help:"Show the newest lines of the audit log."`
		Export apiAuditExportCmd `cmd:"" help:"Write the whole audit log with its seals, for audit verify."`
	} `cmd:"" help:"The audit log."`
	Keys struct {
		List   apiKeyListCmd   `cmd:"" help:"List one's own keys."`
		Create apiKeyCreateCmd `cmd:"" help:"Make a key; the server asks for a browser's session, and says so."`
		Revoke apiKeyRevokeCmd `cmd:"" help:"Make a key worthless at once, for good."`
	} `cmd:"" name:"key" help:"Personal keys."`
}

// AfterApply hands the flags of the group to its commands.
func (c *apiCmd) AfterApply(a *remote) error {
	a.server, a.org, a.keyFile = c.Server, c.Org, c.Key
	return nil
}

// A remote is a server that a command talks to.
type remote struct{ server, org, keyFile string }

// at is the server, and the org that the command is about.
func (r *remote) at(a *app, needOrg bool) (*client.Client, string, error) {
	if r.server == "" {
		return nil, "", usageError{errors.New("which server? --server or DRAWBRIDGE_SERVER has its address")}
	}
	key, err := r.key(a)
	if err != nil {
		return nil, "", err
	}
	c := &client.Client{Server: r.server, Key: key}
	if r.org != "" || !needOrg {
		return c, r.org, nil
	}
	me, err := c.WhoAmI(a.ctx)
	if err != nil {
		return nil, "", err
	}
	if me.Org == nil {
		return nil, "", usageError{errors.New("which org? --org has its name")}
	}
	return c, *me.Org, nil
}

// key reads the key: from the environment, or from a file that nobody else can read.
func (r *remote) key(a *app) (string, error) {
	for _, one := range a.environ {
		if value, ok := strings.CutPrefix(one, "DRAWBRIDGE_KEY="); ok && value != "" {
			return strings.TrimSpace(value), nil
		}
	}
	path := r.keyFile
	if path == "" {
		dir, err := os.UserConfigDir()
		if err != nil {
			return "", account.Errorf(account.Unauthorized, "There is no key.").Fix("Set DRAWBRIDGE_KEY.").Because(err)
		}
		path = filepath.Join(dir, "drawbridge", "key")
	}
	about, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", account.Errorf(account.Unauthorized, "There is no key.").Fix("Set DRAWBRIDGE_KEY, or write the key to %s with mode 0600.", path)
	case err != nil:
		return "", err
	case about.Mode().Perm()&0o077 != 0:
		return "", account.Errorf(account.Forbidden, "Others can read the key in %s.", path).Fix("chmod 600 %s, and revoke the key if it is not only yours any more.", path)
	}
	text, err := os.ReadFile(path)
	return strings.TrimSpace(string(text)), err
}

type apiWhoamiCmd struct{}

func (apiWhoamiCmd) Run(a *app, r *remote) error {
	c, _, err := r.at(a, false)
	if err != nil {
		return err
	}
	me, err := c.WhoAmI(a.ctx)
	if err != nil {
		return err
	}
	for _, line := range []struct {
		name  string
		value *string
	}{{"user", me.User}, {"account", me.Account}, {"org", me.Org}, {"key", me.Key}, {"token", me.Token}} {
		if line.value != nil {
			fmt.Fprintf(a.out, "%-8s %s\n", line.name, *line.value)
		}
	}
	return nil
}

type apiUserListCmd struct {
	Query string `arg:"" optional:"" help:"Beginning of a name or an address."`
}

func (u apiUserListCmd) Run(a *app, r *remote) error {
	c, org, err := r.at(a, true)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "PERSON\tNAME\tID\tSTATE\tACCOUNT ROLE")
	params := client.ListPeopleParams{}
	if u.Query != "" {
		params.Q = &u.Query
	}
	for {
		page, err := c.ListPeople(a.ctx, org, params)
		if err != nil {
			return err
		}
		for _, p := range page.People {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", p.Email, or(p.Name, ""), or(p.ID, "invited"), p.State, p.AccountRole)
		}
		if or(page.Next, "") == "" {
			return w.Flush()
		}
		params.After = page.Next
	}
}

// or is what p points to, or else something else.
func or[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}

type apiTeamListCmd struct{}

func (apiTeamListCmd) Run(a *app, r *remote) error {
	c, org, err := r.at(a, true)
	if err != nil {
		return err
	}
	all, err := c.ListTeams(a.ctx, org)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "TEAM\tID\tDESCRIPTION")
	for _, t := range all.Teams {
		fmt.Fprintf(w, "%s\t%s\t%s\n", t.Name, t.ID, or(t.Description, ""))
	}
	return w.Flush()
}

type apiAuditTailCmd struct {
	N     int    `short:"n" default:"20" help:"How many lines, at most 1000."`
	Actor string `help:"Only what this actor did: user:usr_…"`
	Verb  string `help:"Only this, or what begins like it: key."`
}

func (t apiAuditTailCmd) Run(a *app, r *remote) error {
	c, org, err := r.at(a, true)
	if err != nil {
		return err
	}
	n := int64(min(max(t.N, 1), 1000))
	page, err := c.ListAudit(a.ctx, org, client.ListAuditParams{Limit: &n, Actor: &t.Actor, Verb: &t.Verb})
	if err != nil {
		return err
	}
	for _, l := range page.Lines {
		fmt.Fprintf(a.out, "%s  %-8s %-24s %s  by %s  %s\n", l.At.Format(time.RFC3339), l.Outcome, l.Verb, or(l.Target, ""), l.Actor, or(l.Reason, ""))
	}
	return nil
}

type apiAuditExportCmd struct{}

func (apiAuditExportCmd) Run(a *app, r *remote) error {
	c, org, err := r.at(a, true)
	if err != nil {
		return err
	}
	return c.ExportAuditTo(a.ctx, org, a.out)
}

type apiKeyListCmd struct{}

func (apiKeyListCmd) Run(a *app, r *remote) error {
	c, org, err := r.at(a, true)
	if err != nil {
		return err
	}
	all, err := c.ListKeys(a.ctx, org, client.ListKeysParams{})
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "KEY\tNAME\tENDS IN\tSTATE\tEXPIRES\tLAST USED")
	for _, k := range all {
		fmt.Fprintf(w, "%s\t%s\t…%s\t%s\t%s\t%s\n", k.ID, k.Name, k.Last4, k.State, timeOrNever(or(k.ExpiresAt, time.Time{})), timeOrNever(or(k.UsedAt, time.Time{})))
	}
	return w.Flush()
}

type apiKeyCreateCmd struct {
	Name string `arg:"" help:"What people call it, for instance where it is used."`
	Days int64  `help:"How long it lives, at most 730; 0: it does not end by itself."`
}

func (k apiKeyCreateCmd) Run(a *app, r *remote) error {
	c, org, err := r.at(a, true)
	if err != nil {
		return err
	}
	made, err := c.MintKey(a.ctx, org, client.MintKeyJSONRequestBody{Name: k.Name, Days: &k.Days})
	if err != nil {
		return err
	}
	fmt.Fprintf(a.errOut, "%s is not shown again.\n", made.ID)
	_, err = fmt.Fprintln(a.out, made.Secret)
	return err
}

type apiKeyRevokeCmd struct {
	Key string `arg:"" help:"The key's id, as list shows it."`
}

func (k apiKeyRevokeCmd) Run(a *app, r *remote) error {
	c, org, err := r.at(a, true)
	if err != nil {
		return err
	}
	gone, err := c.RevokeKey(a.ctx, org, k.Key)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.out, "%s (…%s) is %s\n", gone.Name, gone.Last4, cmp.Or(gone.State, "revoked"))
	return err
}
