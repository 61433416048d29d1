package main

import (
	"crypto/sha256"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store"
)

type connectionCmd struct {
	List      connectionListCmd      `cmd:"" help:"List the connections of an org."`
	Show      connectionShowCmd      `cmd:"" help:"Show one: addresses to copy into the identity provider, versions, certificates, keys."`
	Promote   connectionPromoteCmd   `cmd:"" help:"Make the tested draft live."`
	Restore   connectionRestoreCmd   `cmd:"" help:"Bring back an earlier live version."`
	Enable    connectionEnableCmd    `cmd:"" help:"Let a connection sign people in again."`
	Disable   connectionDisableCmd   `cmd:"" help:"Stop a connection at once, sessions made through it included."`
	Approve   connectionApproveCmd   `cmd:"" help:"Accept changed provider metadata that waits for approval."`
	Resume    connectionResumeCmd    `cmd:"" help:"Let a connection remove people again, after too many went in a short time."`
	Decide    connectionDecideCmd    `cmd:"" help:"Record what the company decided about telling of people who leave."`
	RotateKey connectionRotateKeyCmd `cmd:"" name:"rotate-key" help:"Replace our key pair for the connection: publish a new one, activate it, drop the old one."`
}

// with opens the ledger and finds the connection, for the commands that do one thing to one connection.
func with(a *app, arg string, do func(*store.Ledger, account.Connection, string) error) error {
	l, cfg, err := a.ledger()
	if err != nil {
		return err
	}
	defer l.Close()
	c, err := findConnection(a, l, arg)
	if err != nil {
		return err
	}
	return do(l, c, cfg.PublicURL)
}

type connectionListCmd struct {
	Org string `arg:"" help:"Exact name of the org."`
}

func (c connectionListCmd) Run(a *app) error {
	l, acct, err := a.in(c.Org)
	if err != nil {
		return err
	}
	defer l.Close()
	all, err := l.Connections(a.ctx, operator(), acct.ID)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tENABLED\tLIVE\tDRAFT\tID")
	for _, c := range all {
		fmt.Fprintf(w, "%s\t%t\t%s\t%s\t%s\n", c.Name, c.Enabled, versionWords(c.Live), versionWords(c.Draft), c.ID)
	}
	return w.Flush()
}

func versionWords(s *account.Settings) string {
	if s == nil {
		return "-"
	}
	return string(s.Protocol) + " " + string(s.Kind)
}

type connectionShowCmd struct {
	Connection string `arg:"" help:"Connection as org/name or id."`
}

func (c connectionShowCmd) Run(a *app) error {
	return with(a, c.Connection, func(l *store.Ledger, c account.Connection, public string) error {
		fmt.Fprintf(a.out, "connection  %s  %s  enabled %t  live revision %d\n", c.ID, c.Name, c.Enabled, c.LiveRevision)
		for _, which := range []account.Which{account.Live, account.Draft} {
			s := c.Version(which)
			if s == nil {
				continue
			}
			fmt.Fprintf(a.out, "\n%s: %s, %s\n", which, s.Protocol, s.Kind)
			if s.SAML != nil {
				showSAML(a, public, c, *s.SAML)
			}
			if s.OIDC != nil {
				fmt.Fprintf(a.out, "  sign-in redirect URI   %s/oidc/%s/callback\n  back-channel logout    %s/oidc/%s/backchannel-logout\n  issuer                 %s\n  client id              %s\n",
					public, c.ID, public, c.ID, s.OIDC.Issuer, s.OIDC.ClientID)
			}
		}
		if err := showRemovals(a, l, public, c.ID); err != nil {
			return err
		}
		keys, err := l.SPKeys(a.ctx, c.ID)
		if err != nil {
			return err
		}
		fmt.Fprintln(a.out, "\nour keys:")
		for _, k := range keys {
			fmt.Fprintf(a.out, "  %s  active %t  since %s\n", k.ID, k.Active, k.CreatedAt.UTC().Format(time.RFC3339))
		}
		earlier, err := l.Revisions(a.ctx, operator(), c.ID, 10)
		if err != nil || len(earlier) == 0 {
			return err
		}
		fmt.Fprintln(a.out, "\nearlier live versions (connection restore --revision N):")
		for _, r := range earlier {
			fmt.Fprintf(a.out, "  %d  until %s, replaced by %s\n", r.Revision, r.ReplacedAt.UTC().Format(time.RFC3339), r.ReplacedBy)
		}
		return nil
	})
}

// showRemovals says whether we hear of it when somebody leaves (M-01).
func showRemovals(a *app, l *store.Ledger, public string, c account.ConnectionID) error {
	d, err := l.Detection(a.ctx, operator(), c)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "\nremovals: %s\n  SCIM base URL          %s/scim/%s/v2, %d tokens, last used %s\n  event streams          %d, last heard %s\n",
		d.Words(), public, c, d.SCIMTokens, timeOrNever(d.SCIMUsed), d.Streams, timeOrNever(d.StreamHeard))
	if d.Decision != nil {
		fmt.Fprintf(a.out, "  decision               %s, acknowledged by %s (%s)\n", d.Decision.Decision, d.Decision.AcknowledgedBy, d.Decision.Evidence)
	}
	if b := d.Breaker; b.Paused() {
		fmt.Fprintf(a.out, "  PAUSED                 since %s: %d of %d people removed within %s; \"connection resume\" lets it go on\n",
			b.PausedAt.UTC().Format(time.RFC3339), b.Removed, b.People, b.Within)
	}
	return nil
}

func timeOrNever(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format(time.RFC3339)
}

func showSAML(a *app, public string, c account.Connection, s account.SAMLSettings) {
	base := public + "/saml/" + string(c.ID)
	fmt.Fprintf(a.out, "  entity id / metadata   %s/metadata\n  ACS URL                %s/acs\n  single logout URL      %s/slo\n  provider entity id     %s\n",
		base, base, base, s.EntityID)
	good, bad := s.Keys()
	for _, crt := range good {
		fmt.Fprintf(a.out, "  certificate            sha256 %x, until %s\n", sha256.Sum256(crt.Raw), crt.NotAfter.UTC().Format(time.DateOnly))
	}
	for _, err := range bad {
		fmt.Fprintf(a.out, "  certificate            %v\n", err)
	}
}

type connectionPromoteCmd struct {
	Connection string `arg:"" help:"Connection as org/name or id."`
	Force      bool   `help:"Make it live without a passed login test; the audit log says so."`
}

func (c connectionPromoteCmd) Run(a *app) error {
	return with(a, c.Connection, func(l *store.Ledger, conn account.Connection, _ string) error {
		now, err := l.Promote(a.ctx, operator(), conn.ID, c.Force)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(a.out, "%s is live at revision %d; \"connection restore --revision %d\" goes back\n", now.Name, now.LiveRevision, now.LiveRevision-1)
		return err
	})
}

type connectionRestoreCmd struct {
	Connection string `arg:"" help:"Connection as org/name or id."`
	Revision   int    `required:"" help:"Live revision to bring back."`
}

func (c connectionRestoreCmd) Run(a *app) error {
	return with(a, c.Connection, func(l *store.Ledger, conn account.Connection, _ string) error {
		now, err := l.Restore(a.ctx, operator(), conn.ID, c.Revision)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(a.out, "revision %d is live again, as revision %d\n", c.Revision, now.LiveRevision)
		return err
	})
}

type connectionEnableCmd struct {
	Connection string `arg:"" help:"Connection as org/name or id."`
}

func (c connectionEnableCmd) Run(a *app) error { return setEnabled(a, c.Connection, true) }

type connectionDisableCmd struct {
	Connection string `arg:"" help:"Connection as org/name or id."`
}

func (c connectionDisableCmd) Run(a *app) error { return setEnabled(a, c.Connection, false) }

func setEnabled(a *app, arg string, on bool) error {
	return with(a, arg, func(l *store.Ledger, conn account.Connection, _ string) error {
		if err := l.EnableConnection(a.ctx, operator(), conn.ID, on); err != nil {
			return err
		}
		_, err := fmt.Fprintf(a.out, "%s enabled: %t\n", conn.Name, on)
		return err
	})
}

type connectionApproveCmd struct {
	Connection string `arg:"" help:"Connection as org/name or id."`
}

func (c connectionApproveCmd) Run(a *app) error {
	return with(a, c.Connection, func(l *store.Ledger, conn account.Connection, _ string) error {
		if err := l.ApproveRefresh(a.ctx, operator(), conn.ID); err != nil {
			return err
		}
		_, err := fmt.Fprintf(a.out, "the changed metadata of %s is in force\n", conn.Name)
		return err
	})
}

type connectionRotateKeyCmd struct {
	Connection string `arg:"" help:"Connection as org/name or id."`
	Activate   string `help:"Second step: the new key's id, once the identity provider has read the metadata again."`
	Drop       string `help:"Third step: the old key's id."`
}

func (c connectionRotateKeyCmd) Run(a *app) error {
	return with(a, c.Connection, func(l *store.Ledger, conn account.Connection, _ string) error {
		switch {
		case c.Activate != "":
			if err := l.ActivateSPKey(a.ctx, operator(), conn.ID, c.Activate); err != nil {
				return err
			}
			_, err := fmt.Fprintf(a.out, "%s signs from now on; what was encrypted for the old key still opens\n", c.Activate)
			return err
		case c.Drop != "":
			if err := l.DropSPKey(a.ctx, operator(), conn.ID, c.Drop); err != nil {
				return err
			}
			_, err := fmt.Fprintf(a.out, "%s is gone\n", c.Drop)
			return err
		}
		key, err := l.RotateSPKey(a.ctx, operator(), conn.ID, account.SPKey{})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(a.out, "%s is published beside the old key. Let the identity provider read the metadata again, then run with --activate=%s\n", key, key)
		return err
	})
}

type connectionResumeCmd struct {
	Connection string        `arg:"" help:"Connection as org/name or id."`
	Removals   int           `help:"Let so many removals through uncounted."`
	For        time.Duration `help:"Or all of them for so long, at most 24h. With neither, counting begins anew."`
}

func (c connectionResumeCmd) Run(a *app) error {
	return with(a, c.Connection, func(l *store.Ledger, conn account.Connection, _ string) error {
		if _, err := l.ResumeRemovals(a.ctx, operator(), string(conn.ID), store.Allowance{Removals: c.Removals, For: c.For}); err != nil {
			return err
		}
		_, err := fmt.Fprintf(a.out, "%s removes people again, as the provider sends them\n", conn.Name)
		return err
	})
}

type connectionDecideCmd struct {
	Connection     string `arg:"" help:"Connection as org/name or id."`
	Decision       string `arg:"" help:"scim, events, or none: removals at the provider are not detected."`
	AcknowledgedBy string `required:"" help:"Who, on the company's side, acknowledged in writing what follows from it."`
	Evidence       string `required:"" help:"Where the acknowledgment is kept; an e-mail's Message-ID suffices."`
	Note           string `help:"Anything else."`
}

func (c connectionDecideCmd) Run(a *app) error {
	return with(a, c.Connection, func(l *store.Ledger, conn account.Connection, _ string) error {
		d, err := l.RecordSyncDecision(a.ctx, operator(), conn.ID,
			account.SyncDecision{Decision: account.SyncChoice(c.Decision), AcknowledgedBy: c.AcknowledgedBy, Evidence: c.Evidence, Note: c.Note})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(a.out, "%s: %s, recorded %s\n", conn.Name, d.Decision, d.RecordedAt.Format(time.RFC3339))
		return err
	})
}
