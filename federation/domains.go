package federation

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// A Resolver looks up TXT records at one place in the world. A name without such a record is an error
// for which IsNotFound of *net.DNSError holds; any other error says nothing about the record.
type Resolver interface {
	LookupTXT(ctx context.Context, name string) ([]string, error)
	String() string // the server's address, for people
}

// Resolvers asks each of servers ("192.0.2.53:53") by itself; without servers the system's resolver. Give
// at least two that fail independently: a proof counts when all of them see it (NET-2).
func Resolvers(servers []string) []Resolver {
	if len(servers) == 0 {
		return []Resolver{resolver{net.DefaultResolver, "the system's resolver"}}
	}
	var out []Resolver
	for _, server := range servers {
		if _, _, err := net.SplitHostPort(server); err != nil {
			server = net.JoinHostPort(server, "53")
		}
		out = append(out, resolver{&net.Resolver{
			PreferGo: true,
			Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
				var dialer net.Dialer
				return dialer.DialContext(ctx, network, server)
			},
		}, server})
	}
	return out
}

type resolver struct {
	*net.Resolver
	name string
}

func (r resolver) String() string { return r.name }

// lookupTime bounds one lookup at one resolver.
const lookupTime = 5 * time.Second

// CheckDomains looks up the proofs that are due. A domain whose servers do not answer is tried again later
// and later, up to an hour, so that a broken zone costs nothing; silence takes no domain away.
func (d *Door) CheckDomains(ctx context.Context) error {
	due, err := d.ledger.DomainsDue(ctx)
	if err != nil {
		return err
	}
	due = slices.DeleteFunc(due, func(dom account.Domain) bool { return !d.dns.ready(dom.ID, d.now()) })
	return each(ctx, due, func(ctx context.Context, dom account.Domain) error {
		_, err := d.CheckDomain(ctx, system("domains"), dom)
		return err
	}, func(dom account.Domain, err error) {
		d.log.WarnContext(ctx, "domain not checked", "domain", dom.Name, "error", err)
	})
}

// CheckDomain looks up one proof now and stores what was found. It is what "Check now" does, too. When
// no resolver could answer for a domain that counts, nothing is stored and the error is
// account.Unavailable: our own lookup may be what is broken, and that takes nobody's domain away.
func (d *Door) CheckDomain(ctx context.Context, by account.Actor, dom account.Domain) (account.Domain, error) {
	found, answer, err := d.lookUp(ctx, dom)
	if err != nil && dom.Counts() {
		d.dns.failed(dom.ID, d.now())
		return dom, err
	}
	d.dns.answered(dom.ID)
	return d.ledger.RecordDomainCheck(ctx, by, dom.ID, found, answer)
}

// lookUp asks every resolver. Two of them have to agree where there are two (NET-2): to prove a domain, and
// to say that a proof is gone. One that still sees it is enough to keep what was proved.
func (d *Door) lookUp(ctx context.Context, dom account.Domain) (found bool, answer string, err error) {
	var said []string
	var saw, absent int
	for _, r := range d.resolvers {
		has, gone, words := ask(ctx, r, dom)
		said = append(said, words)
		saw, absent = saw+has, absent+gone
	}
	answer = strings.Join(said, "; ") + "."
	enough := min(2, len(d.resolvers))
	switch {
	case saw >= enough, saw > 0 && dom.Counts():
		return true, answer, nil
	case absent >= enough, absent > 0 && !dom.Counts():
		return false, answer, nil
	}
	return false, answer, account.Errorf(account.Unavailable, "%s could not be looked up: %s", dom.ChallengeName(), answer).Coded("dns_silent")
}

// ask is one lookup: has and gone are 0 or 1, both 0 when the resolver does not answer.
func ask(ctx context.Context, r Resolver, dom account.Domain) (has, gone int, words string) {
	ctx, stop := context.WithTimeout(ctx, lookupTime)
	defer stop()
	values, err := r.LookupTXT(ctx, dom.ChallengeName())
	var dns *net.DNSError
	switch {
	case err == nil && slices.Contains(values, dom.ChallengeValue()):
		return 1, 0, r.String() + " has the record"
	case err == nil:
		return 0, 1, fmt.Sprintf("%s has other records: %s", r, quoted(values))
	case errors.As(err, &dns) && dns.IsNotFound:
		return 0, 1, r.String() + " has no such record"
	}
	return 0, 0, r.String() + " does not answer"
}

// quoted shows at most three values, clipped: a zone belongs to a stranger.
func quoted(values []string) string {
	var out []string
	for i, v := range values {
		if i == 3 {
			out = append(out, fmt.Sprintf("and %d more", len(values)-3))
			break
		}
		out = append(out, fmt.Sprintf("%q", clip(v, 100)))
	}
	return strings.Join(out, ", ")
}

// A backOff remembers which domains nobody answered for. It is kept in memory: after a restart one more
// lookup does no harm.
type backOff struct {
	mu   sync.Mutex
	wait map[account.DomainID]pause
}

type pause struct {
	until time.Time
	step  time.Duration
}

const (
	firstPause = 2 * time.Minute
	lastPause  = time.Hour
)

func (b *backOff) ready(id account.DomainID, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !now.Before(b.wait[id].until)
}

func (b *backOff) failed(id account.DomainID, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.wait == nil {
		b.wait = map[account.DomainID]pause{}
	}
	step := min(max(firstPause, 2*b.wait[id].step), lastPause)
	b.wait[id] = pause{until: now.Add(step), step: step}
}

func (b *backOff) answered(id account.DomainID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.wait, id)
}
