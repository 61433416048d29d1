package main

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store"
)

type feedCmd struct {
	Add        feedAddCmd        `cmd:"" help:"Announce what happens in an account to a webhook, or as a stream of security events."`
	List       feedListCmd       `cmd:"" help:"List an account's feeds and whether they flow."`
	Pause      feedPauseCmd      `cmd:"" help:"Hold what is announced, for a week at most."`
	Resume     feedResumeCmd     `cmd:"" help:"Let a paused or disabled feed flow again."`
	Remove     feedRemoveCmd     `cmd:"" help:"End a feed, and drop what is under way."`
	Rotate     feedRotateCmd     `cmd:"" help:"Make another secret, shown this once. The one before is good for a day more."`
	Deliveries feedDeliveriesCmd `cmd:"" help:"Show what goes and went to a feed, newest first."`
	Replay     feedReplayCmd     `cmd:"" help:"Send again what was given up."`
	Receiver   feedReceiverCmd   `cmd:"" help:"Let somebody make and manage a stream for themselves (OpenID Shared Signals)."`
	RotateKey  feedRotateKeyCmd  `cmd:"" name:"rotate-key" help:"Sign security events with the next key, and publish another one."`
}

// withFeeds opens the ledger for something about the feeds of an org.
func withFeeds(a *app, org string, do func(*store.Ledger, account.Account, string) error) error {
	l, cfg, err := a.ledger()
	if err != nil {
		return err
	}
	defer l.Close()
	acct, _, err := findOrg(a, l, org)
	if err != nil {
		return err
	}
	return do(l, acct, strings.TrimSuffix(cfg.PublicURL, "/"))
}

// findFeed reads one by its name or id.
func findFeed(a *app, l *store.Ledger, acct account.AccountID, arg string) (account.Feed, error) {
	all, err := l.Feeds(a.ctx, operator(), acct)
	if err != nil {
		return account.Feed{}, err
	}
	var names []string
	for _, f := range all {
		if f.Name == arg || string(f.ID) == arg {
			return f, nil
		}
		names = append(names, f.Name)
	}
	return account.Feed{}, account.Errorf(account.NotFound, "There is no feed called %q.", arg).Fix("There are: %s.", strings.Join(names, ", "))
}

type feedAddCmd struct {
	Org           string   `arg:"" help:"Exact name of the org."`
	Name          string   `arg:"" help:"What to call the feed."`
	URL           string   `arg:"" optional:"" name:"url" help:"Where to push to. A stream without one is polled by its receiver."`
	SSF           bool     `name:"ssf" help:"Send security event tokens (OpenID Shared Signals) instead of webhooks."`
	Event         []string `help:"Announce only this; can be given several times. Webhooks: user.deactivated, session.ended…; streams: session-revoked, account-disabled…"`
	Audience      string   `help:"With --ssf: the aud of the tokens; by default the id of the receiver."`
	Authorization string   `env:"DRAWBRIDGE_FEED_AUTHORIZATION" help:"With --ssf: the Authorization header that the receiver expects, for instance \"Bearer …\"."`
	Compat        bool     `help:"With --ssf: repeat the subject inside of the event, for receivers from before SSF 1.0."`
	Peer          string   `help:"Issuer that the far side sends us events as. What it causes is not announced back to it."`
}

func (c feedAddCmd) Run(a *app) error {
	return withFeeds(a, c.Org, func(l *store.Ledger, acct account.Account, public string) error {
		f := account.Feed{Name: c.Name, Kind: account.Webhook, URL: c.URL, Events: c.Event, Audience: c.Audience, Compat: c.Compat, Peer: c.Peer}
		if c.SSF {
			f.Kind = account.SSF
		}
		f, secret, err := l.AddFeed(a.ctx, operator(), acct.ID, f, account.NewSecret(c.Authorization))
		if err != nil {
			return err
		}
		fmt.Fprintf(a.out, "id          %s\n", f.ID)
		if f.Kind == account.Webhook {
			fmt.Fprintf(a.out, "secret      %s\n\nThe secret is not shown again. Check every delivery with it (standardwebhooks.com).\n", secret.Reveal())
			return nil
		}
		printReceiver(a, public, acct.ID, f.Receiver, secret)
		fmt.Fprintf(a.out, "audience    %s\nstream id   %s\n", f.Audience, f.ID)
		if !f.Push() {
			fmt.Fprintf(a.out, "poll        %s/ssf/%s/poll/%s\n", public, acct.ID, f.ID)
		}
		fmt.Fprintln(a.out, "\nThe credential is not shown again.")
		return nil
	})
}

func printReceiver(a *app, public string, acct account.AccountID, r account.ReceiverID, secret account.Secret) {
	issuer := public + "/ssf/" + string(acct)
	fmt.Fprintf(a.out, "issuer      %s\ndocument    %s/.well-known/ssf-configuration/ssf/%s\ntoken URL   %s/token\nclient id   %s\ncredential  %s\n",
		issuer, public, acct, issuer, r, secret.Reveal())
}

type feedListCmd struct {
	Org string `arg:"" help:"Exact name of the org."`
}

func (c feedListCmd) Run(a *app) error {
	return withFeeds(a, c.Org, func(l *store.Ledger, acct account.Account, _ string) error {
		all, err := l.Feeds(a.ctx, operator(), acct.ID)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
		fmt.Fprintln(w, "NAME\tID\tKIND\tSTATUS\tTO\tANNOUNCES")
		for _, f := range all {
			to, events := f.URL, strings.Join(f.Events, " ")
			if !f.Push() {
				to = "polled"
			}
			if events == "" {
				events = "all"
			}
			status := string(f.Status)
			if f.Reason != "" {
				status += ": " + f.Reason
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", f.Name, f.ID, f.Kind, status, to, events)
		}
		return w.Flush()
	})
}

type feedPauseCmd struct {
	Org    string `arg:"" help:"Exact name of the org."`
	Feed   string `arg:"" help:"Name or id of the feed."`
	Reason string `help:"Why; a stream's receiver is told."`
}

func (c feedPauseCmd) Run(a *app) error {
	return setFeedStatus(a, c.Org, c.Feed, account.FeedPaused, c.Reason)
}

type feedResumeCmd struct {
	Org  string `arg:"" help:"Exact name of the org."`
	Feed string `arg:"" help:"Name or id of the feed."`
}

func (c feedResumeCmd) Run(a *app) error {
	return setFeedStatus(a, c.Org, c.Feed, account.FeedEnabled, "")
}

func setFeedStatus(a *app, org, name string, s account.FeedStatus, reason string) error {
	return withFeeds(a, org, func(l *store.Ledger, acct account.Account, _ string) error {
		f, err := findFeed(a, l, acct.ID, name)
		if err != nil {
			return err
		}
		f, err = l.UpdateFeed(a.ctx, operator(), acct.ID, f.ID, func(f *account.Feed) { f.Status, f.Reason = s, reason })
		if err == nil {
			fmt.Fprintln(a.out, f.Status)
		}
		return err
	})
}

type feedRemoveCmd struct {
	Org  string `arg:"" help:"Exact name of the org."`
	Feed string `arg:"" help:"Name or id of the feed."`
}

func (c feedRemoveCmd) Run(a *app) error {
	return withFeeds(a, c.Org, func(l *store.Ledger, acct account.Account, _ string) error {
		f, err := findFeed(a, l, acct.ID, c.Feed)
		if err != nil {
			return err
		}
		if err := l.RemoveFeed(a.ctx, operator(), acct.ID, f.ID); err != nil {
			return err
		}
		fmt.Fprintln(a.out, "removed")
		return nil
	})
}

type feedRotateCmd struct {
	Org  string `arg:"" help:"Exact name of the org."`
	Feed string `arg:"" help:"Name or id of the feed."`
}

func (c feedRotateCmd) Run(a *app) error {
	return withFeeds(a, c.Org, func(l *store.Ledger, acct account.Account, _ string) error {
		f, err := findFeed(a, l, acct.ID, c.Feed)
		if err != nil {
			return err
		}
		secret, err := l.RotateFeedSecret(a.ctx, operator(), acct.ID, f.ID)
		if err != nil {
			return err
		}
		fmt.Fprintf(a.out, "secret  %s\n\nIt is not shown again. The one before is good for a day more.\n", secret.Reveal())
		return nil
	})
}

type feedDeliveriesCmd struct {
	Org    string `arg:"" help:"Exact name of the org."`
	Feed   string `arg:"" help:"Name or id of the feed."`
	State  string `enum:"all,waiting,done,dead" default:"all" help:"Only those: waiting, done or dead (given up)."`
	Number int    `short:"n" default:"50" help:"At most so many."`
}

func (c feedDeliveriesCmd) Run(a *app) error {
	return withFeeds(a, c.Org, func(l *store.Ledger, acct account.Account, _ string) error {
		f, err := findFeed(a, l, acct.ID, c.Feed)
		if err != nil {
			return err
		}
		state := account.DeliveryState(c.State)
		if c.State == "all" {
			state = ""
		}
		all, err := l.Deliveries(a.ctx, operator(), acct.ID, f.ID, state, "", c.Number)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
		fmt.Fprintln(w, "AT\tID\tTYPE\tABOUT\tSTATE\tFAILED\tWHY")
		for _, d := range all {
			about := d.About.Email
			if about == "" {
				about = d.Subject
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%s\n", d.About.At.Format(time.RFC3339), d.ID, d.Type, about, d.State, d.Attempts, d.Error)
		}
		return w.Flush()
	})
}

type feedReplayCmd struct {
	Org      string `arg:"" help:"Exact name of the org."`
	Feed     string `arg:"" help:"Name or id of the feed."`
	Delivery string `arg:"" optional:"" help:"Id of one delivery; by default all that were given up."`
}

func (c feedReplayCmd) Run(a *app) error {
	return withFeeds(a, c.Org, func(l *store.Ledger, acct account.Account, _ string) error {
		f, err := findFeed(a, l, acct.ID, c.Feed)
		if err != nil {
			return err
		}
		n, err := l.Replay(a.ctx, operator(), acct.ID, f.ID, account.EventID(c.Delivery))
		if err == nil {
			fmt.Fprintf(a.out, "%d will be sent again\n", n)
		}
		return err
	})
}

type feedReceiverCmd struct {
	Add    receiverAddCmd    `cmd:"" help:"Make a credential, shown this once."`
	List   receiverListCmd   `cmd:"" help:"List receivers."`
	Rotate receiverRotateCmd `cmd:"" help:"Make another credential, shown this once. The one before is good for a day more."`
	Remove receiverRemoveCmd `cmd:"" help:"End a receiver and its stream at once."`
}

type receiverAddCmd struct {
	Org      string `arg:"" help:"Exact name of the org."`
	Name     string `arg:"" help:"What to call the receiver."`
	Audience string `help:"The aud of its tokens; by default its id."`
	Compat   bool   `help:"Repeat the subject inside of the event and send a verification event at once, for receivers from before SSF 1.0."`
}

func (c receiverAddCmd) Run(a *app) error {
	return withFeeds(a, c.Org, func(l *store.Ledger, acct account.Account, public string) error {
		r, secret, err := l.AddReceiver(a.ctx, operator(), acct.ID, account.Receiver{Name: c.Name, Audience: c.Audience, Compat: c.Compat})
		if err != nil {
			return err
		}
		printReceiver(a, public, acct.ID, r.ID, secret)
		fmt.Fprintln(a.out, "\nThe credential is the client secret of the OAuth client credentials grant, and a bearer token by itself. It is not shown again.")
		return nil
	})
}

type receiverListCmd struct {
	Org string `arg:"" help:"Exact name of the org."`
}

func (c receiverListCmd) Run(a *app) error {
	return withFeeds(a, c.Org, func(l *store.Ledger, acct account.Account, _ string) error {
		all, err := l.Receivers(a.ctx, operator(), acct.ID)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
		fmt.Fprintln(w, "NAME\tID\tENDS IN\tAUDIENCE\tLAST USED")
		for _, r := range all {
			used := "never"
			if !r.UsedAt.IsZero() {
				used = r.UsedAt.Format(time.RFC3339)
			}
			fmt.Fprintf(w, "%s\t%s\t…%s\t%s\t%s\n", r.Name, r.ID, r.Last4, r.Audience, used)
		}
		return w.Flush()
	})
}

// findReceiver reads one by its name or id.
func findReceiver(a *app, l *store.Ledger, acct account.AccountID, arg string) (account.Receiver, error) {
	all, err := l.Receivers(a.ctx, operator(), acct)
	if err != nil {
		return account.Receiver{}, err
	}
	i := slices.IndexFunc(all, func(r account.Receiver) bool { return r.Name == arg || string(r.ID) == arg })
	if i < 0 {
		return account.Receiver{}, account.Errorf(account.NotFound, "There is no receiver called %q.", arg).Fix("List them with drawbridge feed receiver list.")
	}
	return all[i], nil
}

type receiverRotateCmd struct {
	Org      string `arg:"" help:"Exact name of the org."`
	Receiver string `arg:"" help:"Name or id of the receiver."`
}

func (c receiverRotateCmd) Run(a *app) error {
	return withFeeds(a, c.Org, func(l *store.Ledger, acct account.Account, _ string) error {
		r, err := findReceiver(a, l, acct.ID, c.Receiver)
		if err != nil {
			return err
		}
		secret, err := l.RotateReceiver(a.ctx, operator(), acct.ID, r.ID)
		if err == nil {
			fmt.Fprintf(a.out, "credential  %s\n\nIt is not shown again. The one before is good for a day more.\n", secret.Reveal())
		}
		return err
	})
}

type receiverRemoveCmd struct {
	Org      string `arg:"" help:"Exact name of the org."`
	Receiver string `arg:"" help:"Name or id of the receiver."`
}

func (c receiverRemoveCmd) Run(a *app) error {
	return withFeeds(a, c.Org, func(l *store.Ledger, acct account.Account, _ string) error {
		r, err := findReceiver(a, l, acct.ID, c.Receiver)
		if err != nil {
			return err
		}
		if err := l.RemoveReceiver(a.ctx, operator(), acct.ID, r.ID); err != nil {
			return err
		}
		fmt.Fprintln(a.out, "removed")
		return nil
	})
}

type feedRotateKeyCmd struct {
	Org string `arg:"" help:"Exact name of the org."`
	Now bool   `help:"Though receivers may not know the next key yet: the present one is lost."`
}

func (c feedRotateKeyCmd) Run(a *app) error {
	return withFeeds(a, c.Org, func(l *store.Ledger, acct account.Account, _ string) error {
		if err := l.RotateSigningKey(a.ctx, operator(), acct.ID, c.Now); err != nil {
			return err
		}
		keys, err := l.SigningKeys(a.ctx, acct.ID)
		for _, k := range keys {
			fmt.Fprintf(a.out, "%-8s  %s  since %s\n", k.State, k.ID, k.Since.Format(time.RFC3339))
		}
		return err
	})
}
