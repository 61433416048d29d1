package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store"
)

type entitlementCmd struct {
	Grant         entitlementGrantCmd       `cmd:"" help:"Approve a person for a product, and mail them the invitation to activate it."`
	Certificate   entitlementCertificateCmd `cmd:"" help:"Issue the certificate of a purchase, and mail it as a PDF. Its number is printed once."`
	Codes         entitlementCodesCmd       `cmd:"" help:"Take in activation codes or serial numbers, one a line, from standard input. Digests of them are kept."`
	Batches       entitlementBatchesCmd     `cmd:"" help:"List the codes that were taken in, by batch, and how many are used."`
	List          entitlementListCmd        `cmd:"" help:"List what was granted and certified, newest first."`
	Revoke        entitlementRevokeCmd      `cmd:"" help:"Take back what has not been activated."`
	Resend        entitlementResendCmd      `cmd:"" help:"Mail an invitation again; the link before is nothing any more."`
	Subscriptions entitlementSubsCmd        `cmd:"" help:"List what an org holds and held."`
	Apply         entitlementApplyCmd       `cmd:"" help:"Put a product on an org directly."`
	End           entitlementEndCmd         `cmd:"" help:"End a subscription before its time."`
}

// An awardArg is what is given to somebody.
type awardArg struct {
	Product string `arg:"" help:"Id of the product in the catalogue."`
	Email   string `arg:"" help:"Who gets the letter."`
	Term    string `help:"How long the subscription runs, for instance 90d (default: the product's)."`
	Good    string `help:"How long it may wait to be activated, for instance 14d (default: 30d, a certificate 730d)."`
	Note    string `help:"Shown to the person: why they get it."`
}

func (c awardArg) award() (a store.Award, err error) {
	a = store.Award{Product: c.Product, Email: c.Email, Note: c.Note}
	if a.Term, err = account.ParseLength(c.Term); err != nil {
		return a, err
	}
	a.Valid, err = account.ParseLength(c.Good)
	return a, err
}

type entitlementGrantCmd struct{ awardArg }

func (c entitlementGrantCmd) Run(a *app) error {
	award, err := c.award()
	if err != nil {
		return err
	}
	return withLedger(a, func(l *store.Ledger) error {
		e, err := l.Approve(a.ctx, operator(), award)
		if err == nil {
			fmt.Fprintf(a.out, "%s: %s is invited to activate %s until %s\n", e.ID, e.Email, e.Label, e.Link.Until.Format(time.DateOnly))
		}
		return err
	})
}

type entitlementCertificateCmd struct {
	awardArg
	Holder string `help:"Company or person that the certificate names (default: the address)."`
}

func (c entitlementCertificateCmd) Run(a *app) error {
	award, err := c.award()
	if err != nil {
		return err
	}
	award.Holder = c.Holder
	return withLedger(a, func(l *store.Ledger) error {
		e, number, err := l.IssueCertificate(a.ctx, operator(), award)
		if err == nil {
			fmt.Fprintf(a.out, "%s: mailed to %s, to be registered before %s\n%s\n", e.ID, e.Email, e.Link.Until.Format(time.DateOnly), number.Reveal())
		}
		return err
	})
}

type entitlementCodesCmd struct {
	Product string `arg:"" help:"Id of the product in the catalogue."`
	Batch   string `required:"" help:"Name of the batch, for lists."`
	Term    string `help:"How long the subscription runs, for instance 1095d (default: the product's)."`
	File    string `type:"existingfile" help:"Read from a file instead."`
}

func (c entitlementCodesCmd) Run(a *app) error {
	term, err := account.ParseLength(c.Term)
	if err != nil {
		return err
	}
	in := io.Reader(os.Stdin)
	if c.File != "" {
		f, err := os.Open(c.File)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	var codes []string
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		if line := strings.TrimSpace(lines.Text()); line != "" {
			codes = append(codes, line)
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return withLedger(a, func(l *store.Ledger) error {
		n, err := l.ImportCodes(a.ctx, operator(), c.Product, c.Batch, term, codes)
		fmt.Fprintf(a.out, "%d of %d codes are new\n", n, len(codes))
		return err
	})
}

type entitlementBatchesCmd struct{}

func (entitlementBatchesCmd) Run(a *app) error {
	return withLedger(a, func(l *store.Ledger) error {
		all, err := l.CodeBatches(a.ctx, operator())
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
		fmt.Fprintln(w, "BATCH\tPRODUCT\tCODES\tUSED\tSINCE")
		for _, b := range all {
			fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\n", b.Batch, b.Product, b.Codes, b.Used, b.Since.Format(time.DateOnly))
		}
		return w.Flush()
	})
}

type entitlementListCmd struct {
	Email  string                `help:"Of one address."`
	Before account.EntitlementID `help:"From before this one."`
	Limit  int                   `default:"100" help:"At most so many."`
}

func (c entitlementListCmd) Run(a *app) error {
	return withLedger(a, func(l *store.Ledger) error {
		all, err := l.Entitlements(a.ctx, operator(), strings.ToLower(c.Email), c.Before, c.Limit)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
		fmt.Fprintln(w, "ENTITLEMENT\tBY\tPRODUCT\tFOR\tSTATE\tUNTIL\tACCOUNT")
		for _, e := range all {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", e.ID, e.Source, e.Product, e.Email, e.Link.At(time.Now()), e.Link.Until.Format(time.DateOnly), e.Account)
		}
		return w.Flush()
	})
}

type entitlementRevokeCmd struct {
	Entitlement account.EntitlementID `arg:"" help:"Its id."`
}

func (c entitlementRevokeCmd) Run(a *app) error {
	return withLedger(a, func(l *store.Ledger) error { return l.RevokeEntitlement(a.ctx, operator(), c.Entitlement) })
}

type entitlementResendCmd struct {
	Entitlement account.EntitlementID `arg:"" help:"Its id."`
}

func (c entitlementResendCmd) Run(a *app) error {
	return withLedger(a, func(l *store.Ledger) error { return l.ResendEntitlement(a.ctx, operator(), c.Entitlement) })
}

type entitlementSubsCmd struct {
	Org string `arg:"" help:"Exact name of the org."`
}

func (c entitlementSubsCmd) Run(a *app) error {
	return withLedger(a, func(l *store.Ledger) error {
		acct, _, err := findOrg(a, l, c.Org)
		if err != nil {
			return err
		}
		all, err := l.Subscriptions(a.ctx, operator(), acct.ID)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
		fmt.Fprintln(w, "SUBSCRIPTION\tPRODUCT\tSTATE\tPIECES\tFROM\tUNTIL\tBY")
		for _, s := range all {
			until := "no end"
			if !s.Until.IsZero() {
				until = s.Until.Format(time.DateOnly)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\t%s\n", s.ID, s.Product, s.State, s.Quantity, s.From.Format(time.DateOnly), until, s.Source)
		}
		return w.Flush()
	})
}

type entitlementApplyCmd struct {
	Org     string `arg:"" help:"Exact name of the org."`
	Product string `arg:"" help:"Id of the product in the catalogue."`
	Term    string `help:"How long it runs, for instance 90d (default: the product's)."`
}

func (c entitlementApplyCmd) Run(a *app) error {
	term, err := account.ParseLength(c.Term)
	if err != nil {
		return err
	}
	return withLedger(a, func(l *store.Ledger) error {
		acct, _, err := findOrg(a, l, c.Org)
		if err != nil {
			return err
		}
		s, err := l.ApplySubscription(a.ctx, operator(), acct.ID, c.Product, term)
		if err == nil {
			fmt.Fprintf(a.out, "%s: %s on %s\n", s.ID, s.Label, c.Org)
		}
		return err
	})
}

type entitlementEndCmd struct {
	Org          string                 `arg:"" help:"Exact name of the org."`
	Subscription account.SubscriptionID `arg:"" help:"Its id."`
}

func (c entitlementEndCmd) Run(a *app) error {
	return withLedger(a, func(l *store.Ledger) error {
		acct, _, err := findOrg(a, l, c.Org)
		if err != nil {
			return err
		}
		return l.EndSubscription(a.ctx, operator(), acct.ID, c.Subscription)
	})
}

// withLedger opens the ledger for one verb.
func withLedger(a *app, do func(*store.Ledger) error) error {
	l, _, err := a.ledger()
	if err != nil {
		return err
	}
	defer l.Close()
	return do(l)
}
