// Command drawbridge is the daemon and everything an operator does around it. Each subcommand has a file
// of its own; house/routes.go is the one table of everything that can be knocked at.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/client"
	"github.com/drawbridge-id/drawbridge/cmd/drawbridge/house"
	"github.com/drawbridge-id/drawbridge/config"
	"github.com/drawbridge-id/drawbridge/store"
)

type commands struct {
	Config string `short:"c" env:"DRAWBRIDGE_CONFIG" type:"path" help:"Configuration file (default: drawbridge.yaml when it exists)."`

	Init      initCmd          `cmd:"" help:"Write a configuration and keys, prepare the database, print a link for the first owner."`
	Serve     serveCmd         `cmd:"" help:"Run the daemon."`
	Apply     applyCmd         `cmd:"" help:"Bring accounts, people, domains, connections and rules to what an estate file says."`
	LoginTest loginTestCmd     `cmd:"" help:"Sign in for real, create nothing, and see every check, the groups and the roles that would result."`
	Rules     rulesCmd         `cmd:"" help:"List, try, plan and activate membership rules."`
	Conn      connectionCmd    `cmd:"" name:"connection" help:"Show, switch and restore connections to identity providers."`
	Discover  discoverCmd      `cmd:"" help:"Read an OpenID provider's discovery document and say what it offers, or exactly what is wrong."`
	Domain    domainCmd        `cmd:"" help:"List, check and cut over e-mail domains."`
	Scim      scimCmd          `cmd:"" help:"Let an identity provider push people and groups, and see what it did."`
	Cred      credentialCmd    `cmd:"" name:"credential" help:"Draw a credential for an estate file to refer to, and store nothing."`
	Stream    streamCmd        `cmd:"" help:"Let a transmitter send security events, and see what they did."`
	Feed      feedCmd          `cmd:"" help:"Announce what happens to webhooks and as security events, and see what came of it."`
	Org       orgCmd           `cmd:"" help:"List orgs, show one with its people and their roles, name and convert it."`
	Team      teamCmd          `cmd:"" help:"List, create, describe and remove the teams of an org."`
	Account   accountCmd       `cmd:"" help:"List accounts, show one and what is left to set up, change account roles and the owner."`
	Entitled  entitlementCmd   `cmd:"" name:"entitlement" help:"Give people products to activate: invitations, certificates, codes; and see what orgs hold."`
	User      userCmd          `cmd:"" help:"List, add, show, take out and let in people of an org, and give them roles."`
	Invite    inviteCmd        `cmd:"" help:"Ask people into an account by mail."`
	Group     groupCmd         `cmd:"" help:"External user groups of an org: who is in them, and what they give."`
	Key       keyCmd           `cmd:"" help:"List and revoke personal keys."`
	Recovery  recoveryCmd      `cmd:"" help:"Show, set and waive the recovery e-mail of an org."`
	Ticket    ticketCmd        `cmd:"" help:"List and finalise the onboarding of connections."`
	AuditUse  auditUsersCmd    `cmd:"" name:"audit-users" help:"List the people of a domain who still sign in with a password, with what they hold, and tell them what changes."`
	Publish   publishCmd       `cmd:"" help:"Write to everybody who wishes for mail of this kind about a service."`
	Receipts  receiptsCmd      `cmd:"" help:"Show who was shut out, newest first, and how long it took."`
	Drift     driftCmd         `cmd:"" help:"Show, and mend, what the identity providers and this house do not agree about."`
	API       apiCmd           `cmd:"" name:"api" help:"Ask a running server, with a key, instead of the database."`
	Tokens    operatorTokenCmd `cmd:"" name:"operator-token" help:"Let a program do the operator's work over HTTP; it manages nobody's users."`
	Audit     auditCmd         `cmd:"" help:"Show the audit log of an account."`
	Print     configCmd        `cmd:"" name:"config" help:"Print every setting with its manual and its value."`
	Check     checkCmd         `cmd:"" help:"Look whether the database is whole: that whoever is shut out has no credential, and all that belongs together is there."`
	Reseal    resealCmd        `cmd:"" help:"Seal all secrets under a new key and forget the old ones."`
	Owner     firstOwnerCmd    `cmd:"" name:"first-owner" help:"Print a fresh link by which somebody names an account and becomes its owner."`
	Health    healthCmd        `cmd:"" help:"Ask a running daemon whether it is ready (for container health checks)."`
	Version   versionCmd       `cmd:"" help:"Print the version."`
}

// Exit codes: 0 done, 1 refused or a check failed, 2 usage, 3 network or store, 4 not signed in.
const (
	exitRefused = 1
	exitUsage   = 2
	exitNetwork = 3
	exitSession = 4
)

// app is what every subcommand gets.
type app struct {
	ctx     context.Context
	cfgPath string
	out     io.Writer
	errOut  io.Writer
	environ []string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

// run is main without the process around it.
func run(ctx context.Context, args, environ []string, out, errOut io.Writer) (code int) {
	var c commands
	exited := -1
	parser, err := kong.New(&c, kong.Name("drawbridge"), kong.Writers(out, errOut),
		kong.Description("Lets a company's people in through their own identity provider, and gives them what their groups earn."),
		kong.Exit(func(code int) { exited = code }), kong.Bind(new(remote)))
	if err != nil {
		fmt.Fprintln(errOut, err)
		return exitUsage
	}
	parsed, err := parser.Parse(args)
	if exited >= 0 {
		return exited
	}
	if err != nil {
		fmt.Fprintf(errOut, "drawbridge: %v\nRun \"drawbridge --help\" for the commands, or --help after one for its flags.\n", err)
		return exitUsage
	}
	err = parsed.Run(&app{ctx: ctx, cfgPath: c.Config, out: out, errOut: errOut, environ: environ})
	if err == nil {
		return 0
	}
	fmt.Fprintf(errOut, "drawbridge: %v\n", err)
	return exitCode(err)
}

func exitCode(err error) int {
	switch account.KindOf(err) {
	case account.Unavailable:
		return exitNetwork
	case account.Unauthorized:
		return exitSession
	}
	var problem *client.Problem
	switch {
	case errors.Is(err, client.ErrUnreachable):
		return exitNetwork
	case errors.As(err, &problem) && problem.Status == http.StatusUnauthorized:
		return exitSession
	}
	var usage usageError
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitRefused
}

// usageError is a wrong call of a command.
type usageError struct{ error }

// config reads the configuration; with no --config and no drawbridge.yaml the defaults and the environment hold.
func (a *app) config() (config.Config, error) {
	path := a.cfgPath
	if path == "" {
		if _, err := os.Stat("drawbridge.yaml"); err == nil {
			path = "drawbridge.yaml"
		}
	}
	return config.Load(path, a.environ)
}

// ledger opens the store as the configuration says, for commands that work on it directly.
func (a *app) ledger() (*store.Ledger, config.Config, error) {
	cfg, err := a.config()
	if err != nil {
		return nil, cfg, err
	}
	l, err := house.OpenLedger(a.ctx, cfg, house.Tools{Log: house.Logger(cfg, a.errOut)})
	return l, cfg, err
}

// house builds all rooms, for commands that need the sign-in door and not only the ledger.
func (a *app) house() (*house.House, config.Config, error) {
	cfg, err := a.config()
	if err != nil {
		return nil, cfg, err
	}
	h, err := house.New(a.ctx, cfg, house.Tools{Log: house.Logger(cfg, a.errOut)})
	return h, cfg, err
}

// operator is who works at this machine's console.
func operator() account.Actor { return account.Actor{Kind: account.ActorOperator} }
