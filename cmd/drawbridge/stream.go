package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/events/set"
	"github.com/drawbridge-id/drawbridge/store"
)

type streamCmd struct {
	Add        streamAddCmd        `cmd:"" help:"Let a transmitter send security events about the people of an account."`
	List       streamListCmd       `cmd:"" help:"List an account's streams, and what came of their events."`
	Show       streamShowCmd       `cmd:"" help:"Show what a stream takes, and how it fares."`
	Remove     streamRemoveCmd     `cmd:"" help:"End a stream. What it sent stays in its log until it is old."`
	Credential streamCredentialCmd `cmd:"" help:"Make and revoke what the transmitter shows when it pushes."`
	Events     streamEventsCmd     `cmd:"" help:"Show what a stream sent, newest first, and what it did."`
	Replay     streamReplayCmd     `cmd:"" help:"Do once more what a dead letter, or an event that was held or about nobody, asks for."`
	Try        streamTryCmd        `cmd:"" help:"Say what a token would do, by its claims, and change nothing."`
}

// withStream opens the ledger for something about one stream, which is named as people type it: "org/name", or its id.
func withStream(a *app, arg string, do func(l *store.Ledger, s account.Stream, public string) error) error {
	l, cfg, err := a.ledger()
	if err != nil {
		return err
	}
	defer l.Close()
	s, err := findStream(a, l, arg)
	if err != nil {
		return err
	}
	return do(l, s, strings.TrimSuffix(cfg.PublicURL, "/"))
}

func findStream(a *app, l *store.Ledger, arg string) (account.Stream, error) {
	if id, ok := account.ParseID[account.StreamID](arg); ok {
		return l.Stream(a.ctx, operator(), id)
	}
	org, name, ok := strings.Cut(arg, "/")
	if !ok {
		return account.Stream{}, usageError{account.Errorf(account.Invalid, "Expected a stream as org/name or as an id, received %q.", arg)}
	}
	acct, _, err := findOrg(a, l, org)
	if err != nil {
		return account.Stream{}, err
	}
	all, err := l.Streams(a.ctx, operator(), acct.ID)
	if err != nil {
		return account.Stream{}, err
	}
	var names []string
	for _, s := range all {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	return account.Stream{}, account.Errorf(account.NotFound, "%s has no stream called %q.", org, name).Fix("It has: %s.", strings.Join(names, ", "))
}

type streamAddCmd struct {
	Org            string   `arg:"" help:"Exact name of the org."`
	Name           string   `arg:"" help:"What to call the stream."`
	Issuer         string   `required:"" help:"The iss of its tokens, byte for byte."`
	Audience       []string `required:"" help:"What its tokens have as aud; can be given several times, and one of them is enough."`
	Connection     string   `help:"Connection that it belongs to, by name: whose people it may name by their subjects."`
	SubjectIssuer  []string `help:"Another connection, by name, whose people it may name; can be given several times."`
	JWKSURL        string   `name:"jwks-url" help:"Where its keys are published."`
	Keys           string   `type:"existingfile" help:"A file with its keys as a JWK Set, instead of --jwks-url."`
	Algorithm      []string `help:"Signature algorithm to take; RS256 when none is given."`
	Alias          []string `help:"Another spelling of the issuer."`
	Poll           string   `help:"Fetch events from this address instead of having them pushed (RFC 8936)."`
	PollBearer     string   `env:"DRAWBRIDGE_POLL_BEARER" help:"Token to show there."`
	WideSubjects   bool     `help:"Let an event about a group or the whole account end sessions."`
	KeysFollow     bool     `name:"keys-follow-sessions" help:"Let what ends all sessions of a person revoke their keys too."`
	GTRKeys        string   `name:"gtr-keys" default:"keep" help:"What a global token revocation does to keys: keep, suspend until the next sign-in, or revoke."`
	CompromiseKeys string   `name:"compromised-keys" default:"flag" help:"What a reported compromise does to keys of the last 30 days: flag or revoke."`
	Disabled       bool     `help:"Add it switched off."`
}

func (c streamAddCmd) Run(a *app) error {
	l, cfg, err := a.ledger()
	if err != nil {
		return err
	}
	defer l.Close()
	acct, _, err := findOrg(a, l, c.Org)
	if err != nil {
		return err
	}
	s, err := c.stream(a, l, acct.ID)
	if err != nil {
		return err
	}
	if s, err = l.AddStream(a.ctx, operator(), acct.ID, s); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "id       %s\n", s.ID)
	if s.Method == account.StreamPush {
		fmt.Fprintf(a.out, "push to  %s/events/%s\n\nThe transmitter needs a credential: drawbridge stream credential mint %s/%s\n", strings.TrimSuffix(cfg.PublicURL, "/"), s.ID, c.Org, c.Name)
	}
	return nil
}

func (c streamAddCmd) stream(a *app, l *store.Ledger, acct account.AccountID) (account.Stream, error) {
	s := account.Stream{Name: c.Name, Enabled: !c.Disabled, Issuer: c.Issuer, Aliases: c.Alias, Audience: c.Audience, JWKSURL: c.JWKSURL, Algorithms: c.Algorithm,
		WideSubjects: c.WideSubjects, KeysFollowSessions: c.KeysFollow, GTRKeys: account.GTRKeys(c.GTRKeys), CompromisedKeys: account.CompromiseKeys(c.CompromiseKeys)}
	if c.Keys != "" {
		raw, err := os.ReadFile(c.Keys)
		if err != nil {
			return s, account.Errorf(account.Invalid, "The keys in %s do not open.", c.Keys).Because(err)
		}
		s.Keys = string(raw)
	}
	if c.Poll != "" {
		s.Method, s.Poll = account.StreamPoll, &account.Poll{Endpoint: c.Poll, Bearer: account.NewSecret(c.PollBearer)}
	}
	for i, name := range append([]string{c.Connection}, c.SubjectIssuer...) {
		if name == "" {
			continue
		}
		if !strings.Contains(name, "/") && !strings.HasPrefix(name, "con_") {
			name = c.Org + "/" + name
		}
		conn, err := findConnection(a, l, name)
		if err != nil {
			return s, err
		}
		if i == 0 {
			s.Connection = conn.ID
		} else {
			s.SubjectIssuers = append(s.SubjectIssuers, conn.ID)
		}
	}
	return s, nil
}

type streamListCmd struct {
	Org string `arg:"" help:"Exact name of the org."`
}

func (c streamListCmd) Run(a *app) error {
	l, acct, err := a.in(c.Org)
	if err != nil {
		return err
	}
	defer l.Close()
	all, err := l.Streams(a.ctx, operator(), acct.ID)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tID\tMETHOD\tON\tISSUER\tLAST EVENT\tDEAD LETTERS")
	for _, s := range all {
		st, err := l.StreamStatus(a.ctx, operator(), s.ID)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%t\t%s\t%s\t%d\n", s.Name, s.ID, s.Method, s.Enabled, s.Issuer, timeOrNever(st.LastEvent), st.Outcomes[account.EventDeadLetter])
	}
	return w.Flush()
}

type streamShowCmd struct {
	Stream string `arg:"" help:"Stream as org/name or id."`
}

func (c streamShowCmd) Run(a *app) error {
	return withStream(a, c.Stream, func(l *store.Ledger, s account.Stream, public string) error {
		st, err := l.StreamStatus(a.ctx, operator(), s.ID)
		if err != nil {
			return err
		}
		credentials, err := l.PushCredentials(a.ctx, operator(), s.ID)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
		line := func(name, format string, args ...any) { fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
		line("name", "%s", s.Name)
		line("id", "%s", s.ID)
		line("on", "%t", s.Enabled)
		line("issuer", "%s", s.Issuer)
		line("audience", "%s", strings.Join(s.Audience, ", "))
		line("algorithms", "%s", strings.Join(s.Algorithms, ", "))
		switch {
		case s.Method == account.StreamPush:
			line("push to", "%s/events/%s", public, s.ID)
		case s.Poll != nil:
			line("poll", "%s", s.Poll.Endpoint)
		}
		if s.Connection != "" {
			line("connection", "%s", s.Connection)
		}
		for _, p := range credentials {
			kind := "bearer"
			if p.Path {
				kind = "path"
			}
			line("credential", "%s %s, ends in %s, last used %s", p.ID, kind, p.Last4, timeOrNever(p.UsedAt))
		}
		line("transmitter says", "%s", strings.TrimSpace(st.Status+" "+st.Why))
		line("last event", "%s", timeOrNever(st.LastEvent))
		line("verified", "%s", timeOrNever(st.VerifiedAt))
		for _, o := range outcomes {
			if n := st.Outcomes[o]; n > 0 {
				line(string(o), "%d", n)
			}
		}
		if st.Lag.Events > 0 {
			line("lag", "%s, of 99 in 100 at most %s", st.Lag.Median.Round(time.Millisecond), st.Lag.P99.Round(time.Millisecond))
		}
		return w.Flush()
	})
}

// outcomes are all there are, in the order in which people care.
var outcomes = []account.EventOutcome{account.EventDeadLetter, account.EventRetrying, account.EventHeld, account.EventApplied, account.EventRecorded,
	account.EventNoSubject, account.EventSuperseded, account.EventIgnored}

type streamRemoveCmd struct {
	Stream string `arg:"" help:"Stream as org/name or id."`
}

func (c streamRemoveCmd) Run(a *app) error {
	return withStream(a, c.Stream, func(l *store.Ledger, s account.Stream, _ string) error {
		if err := l.RemoveStream(a.ctx, operator(), s.ID); err != nil {
			return err
		}
		fmt.Fprintln(a.out, "removed")
		return nil
	})
}

type streamCredentialCmd struct {
	Mint   streamMintCmd   `cmd:"" help:"Make a credential, shown this once. Two can be valid, so that one is replaced without a gap."`
	Revoke streamRevokeCmd `cmd:"" help:"Make a credential worthless at once."`
}

type streamMintCmd struct {
	Stream string `arg:"" help:"Stream as org/name or id."`
	Path   bool   `help:"Make it part of the address, for a transmitter that sends no Authorization header."`
}

func (c streamMintCmd) Run(a *app) error {
	return withStream(a, c.Stream, func(l *store.Ledger, s account.Stream, public string) error {
		p, secret, err := l.MintPushCredential(a.ctx, operator(), s.ID, c.Path)
		if err != nil {
			return err
		}
		fmt.Fprintf(a.out, "id             %s\n", p.ID)
		if c.Path {
			fmt.Fprintf(a.out, "push to        %s/events/%s/%s\n\nThe address is not shown again; whoever knows it can push.\n", public, s.ID, secret.Reveal())
			return nil
		}
		fmt.Fprintf(a.out, "push to        %s/events/%s\nAuthorization  Bearer %s\n\nThe credential is not shown again.\n", public, s.ID, secret.Reveal())
		return nil
	})
}

type streamRevokeCmd struct {
	Stream     string `arg:"" help:"Stream as org/name or id."`
	Credential string `arg:"" help:"The credential's id, as show tells it."`
}

func (c streamRevokeCmd) Run(a *app) error {
	return withStream(a, c.Stream, func(l *store.Ledger, s account.Stream, _ string) error {
		if err := l.RevokePushCredential(a.ctx, operator(), s.ID, account.PushID(c.Credential)); err != nil {
			return err
		}
		fmt.Fprintln(a.out, "revoked")
		return nil
	})
}

type streamEventsCmd struct {
	Stream  string `arg:"" help:"Stream as org/name or id."`
	Outcome string `help:"Only those with this outcome: applied, recorded, ignored, no_subject, held, superseded, retrying or dead_letter."`
	Number  int    `short:"n" default:"50" help:"At most so many."`
	Claims  bool   `help:"Show the claims of their tokens too."`
}

func (c streamEventsCmd) Run(a *app) error {
	return withStream(a, c.Stream, func(l *store.Ledger, s account.Stream, _ string) error {
		all, err := l.StreamEvents(a.ctx, operator(), s.ID, account.EventOutcome(c.Outcome), "", c.Number)
		if err != nil {
			return err
		}
		for _, e := range all {
			printEvent(a, e)
			if !c.Claims {
				continue
			}
			claims, err := l.EventClaims(a.ctx, operator(), s.ID, e.ID)
			if err != nil {
				return err
			}
			fmt.Fprintf(a.out, "    %s\n", claims)
		}
		return nil
	})
}

// printEvent shows one event in two lines.
func printEvent(a *app, e account.Event) {
	subject := ""
	if e.Subject != nil {
		subject = e.Subject.String()
	}
	fmt.Fprintf(a.out, "%s  %s  %s  %s  %s\n", timeOrNever(e.Received), e.ID, e.Outcome, e.Type, subject)
	if e.Detail != "" {
		fmt.Fprintf(a.out, "    %s\n", e.Detail)
	}
}

type streamReplayCmd struct {
	Stream string `arg:"" help:"Stream as org/name or id."`
	Event  string `arg:"" help:"The event's id, as events shows it."`
}

func (c streamReplayCmd) Run(a *app) error {
	return withStream(a, c.Stream, func(l *store.Ledger, s account.Stream, _ string) error {
		e, err := l.ReplayEvent(a.ctx, operator(), s.ID, account.EventID(c.Event))
		if err != nil {
			return err
		}
		printEvent(a, e)
		return nil
	})
}

type streamTryCmd struct {
	Stream string `arg:"" help:"Stream as org/name or id."`
	Claims string `arg:"" optional:"" type:"existingfile" help:"File with the claims as JSON; standard input when there is none."`
}

func (c streamTryCmd) read() ([]byte, error) {
	from := os.Stdin
	if c.Claims != "" {
		f, err := os.Open(c.Claims)
		if err != nil {
			return nil, account.Errorf(account.Invalid, "The claims in %s do not open.", c.Claims).Because(err)
		}
		defer f.Close()
		from = f
	}
	return io.ReadAll(io.LimitReader(from, set.MaxToken+1))
}

func (c streamTryCmd) Run(a *app) error {
	return withStream(a, c.Stream, func(l *store.Ledger, s account.Stream, _ string) error {
		raw, err := c.read()
		if err != nil {
			return err
		}
		in, err := set.Unsigned(raw, set.Of(s, nil, time.Now()))
		var refused *set.Error
		if errors.As(err, &refused) {
			return account.Errorf(account.Invalid, "The token would be refused with %s: %s", refused.Code, refused.Description).Because(err)
		}
		if err != nil {
			return err
		}
		events, err := l.DryRunEvent(a.ctx, operator(), s.ID, in)
		if err != nil {
			return err
		}
		for _, e := range events {
			printEvent(a, e)
		}
		fmt.Fprintln(a.out, "\nNothing was changed.")
		return nil
	})
}
