package store

import (
	"context"
	"encoding/base64"
	"io"
	"strings"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// How often DNS is asked, and how long a proved domain's record may be away (NET-2).
const (
	freshEvery   = time.Minute // a claim of the last hour: somebody waits
	failingEvery = time.Hour
	settledEvery = 24 * time.Hour
	graceDays    = 7
)

// provedByDNS is Domain.ProvedBy for what the record showed.
const provedByDNS = "dns"

// ClaimDomain starts showing that a domain is the account's, with a token of 128 random bits. Anybody may claim, only one account can hold
// (NET-2). Claiming again gives the claim that is there. Owners and the operator may.
func (l *Ledger) ClaimDomain(ctx context.Context, by account.Actor, a account.AccountID, name string) (account.Domain, error) {
	ascii, err := account.NormalDomain(name)
	if err != nil {
		return account.Domain{}, err
	}
	var d table.Domain
	err = l.change(ctx, by, a, "domain.claimed", owners, func(h *hand) (*note, error) {
		var found bool
		if d, found, err = h.DomainNamed(a, ascii); err != nil || found {
			return nil, err
		}
		d = table.Domain{CreatedAt: h.now, Domain: account.Domain{ID: account.NewID[account.DomainID](h.now, l.opt.Random), Account: a, Name: ascii,
			Token: l.random(16), State: account.DomainPending}}
		return &note{Target: string(d.ID), Detail: map[string]any{"domain": ascii}}, h.PutDomain(d)
	})
	return d.Domain, err
}

// random gives n random bytes in base64url.
func (l *Ledger) random(n int) string { return base64.RawURLEncoding.EncodeToString(l.bytes(n)) }

func (l *Ledger) bytes(n int) []byte {
	b := make([]byte, n)
	if _, err := io.ReadFull(l.opt.Random, b); err != nil {
		panic("store: no randomness: " + err.Error()) // crypto/rand never fails; without it nothing may go on
	}
	return b
}

// Domains lists an account's domains by name. Owners, user admins and the operator may.
func (l *Ledger) Domains(ctx context.Context, by account.Actor, a account.AccountID) (out []account.Domain, err error) {
	err = l.look(ctx, by, a, userAdmins, func(h *hand) error {
		rows, err := h.Domains(a)
		out = plainDomains(rows)
		return err
	})
	return out, err
}

func plainDomains(rows []table.Domain) []account.Domain {
	out := make([]account.Domain, len(rows))
	for i, r := range rows {
		out[i] = r.Domain
	}
	return out
}

// DomainsDue lists what has to be looked up again, at most 100, longest waiting first: claims of the last hour every minute, failing
// ones hourly, all others daily. Domains that the operator vouched for are left out.
func (l *Ledger) DomainsDue(ctx context.Context) (out []account.Domain, err error) {
	now := l.now()
	err = l.db.Read(ctx, func(tx *table.Tx) error {
		rows, err := tx.DomainsDue(now.Add(-time.Hour), now.Add(-freshEvery), now.Add(-failingEvery), now.Add(-settledEvery), 100)
		out = plainDomains(rows)
		return err
	})
	return out, err
}

// RecordDomainCheck stores what DNS said (found: the TXT value was there; answer: for people) and moves the state: pending → proved;
// proved → failing (warned, still counts) → lost after 7 days; failing and lost → proved when the record is back. A domain that
// another account holds is not proved: Conflict with code domain_held. A vouched domain stays as it is until its record is found.
func (l *Ledger) RecordDomainCheck(ctx context.Context, by account.Actor, id account.DomainID, found bool, answer string) (account.Domain, error) {
	held := account.Errorf(account.Conflict, "Another account holds this domain.").Coded("domain_held").
		Fix("Ask the operator, or wait until the other account has given it up.")
	refused := false
	d, err := l.changeDomain(ctx, by, id, "domain.checked", owners, func(h *hand, d *table.Domain) (*note, error) {
		refused = false
		before := d.State
		d.CheckedAt, d.LastAnswer = h.now, clip(answer, 500)
		if err := l.moveDomain(h, d, found); err != nil {
			return nil, err
		}
		refused = found && !d.Counts()
		if refused {
			d.LastAnswer = held.Message
		}
		if d.State == before {
			return nil, h.PutDomain(*d) // a look that changes nothing is not worth a line a day
		}
		return &note{Target: string(id), Reason: string(d.State), Detail: map[string]any{"domain": d.Name, "from": before, "to": d.State}}, h.PutDomain(*d)
	})
	if err == nil && refused {
		err = held
	}
	return d, err
}

func (l *Ledger) moveDomain(h *hand, d *table.Domain, found bool) error {
	vouched := d.ProvedBy != "" && d.ProvedBy != provedByDNS
	switch {
	case found:
		return l.prove(h, d, provedByDNS)
	case vouched:
	case d.State == account.DomainProved:
		d.State, d.FailingSince = account.DomainFailing, h.now
	case d.State == account.DomainFailing && h.now.Sub(d.FailingSince) >= graceDays*24*time.Hour:
		d.State, d.CutOver = account.DomainLost, false
	}
	return nil
}

// prove lets a domain count unless another account holds it.
func (l *Ledger) prove(h *hand, d *table.Domain, by string) error {
	other, taken, err := h.HeldDomain(d.Name)
	if err != nil || taken && other.ID != d.ID {
		return err
	}
	if !d.Counts() || d.ProvedBy != by {
		d.ProvedAt, d.ProvedBy = h.now, by
	}
	d.State, d.FailingSince = account.DomainProved, time.Time{}
	return nil
}

// VouchDomain lets the operator mark one proved. Conflict with code domain_held when another account holds it.
func (l *Ledger) VouchDomain(ctx context.Context, by account.Actor, id account.DomainID) error {
	_, err := l.changeDomain(ctx, by, id, "domain.vouched", operator, func(h *hand, d *table.Domain) (*note, error) {
		if d.State == account.DomainProved {
			return nil, nil
		}
		if err := l.prove(h, d, by.String()); err != nil {
			return nil, err
		}
		if !d.Counts() {
			return nil, account.Errorf(account.Conflict, "Another account holds %s.", d.Name).Coded("domain_held").Fix("Have that account give it up first.")
		}
		return &note{Target: string(id), Detail: map[string]any{"domain": d.Name}}, h.PutDomain(*d)
	})
	return err
}

// TieDomain says which connection of the account signs the domain's people in; empty unties it, which ends a cut-over. Owners and the operator may.
func (l *Ledger) TieDomain(ctx context.Context, by account.Actor, id account.DomainID, c account.ConnectionID) error {
	_, err := l.changeDomain(ctx, by, id, "domain.tied", owners, func(h *hand, d *table.Domain) (*note, error) {
		if d.Connection == c {
			return nil, nil
		}
		if c != "" {
			conn, found, err := h.Tx.Connection(c)
			if err != nil {
				return nil, err
			}
			if !found || conn.Account != h.Account.ID {
				return nil, noConnection()
			}
		}
		d.Connection = c
		d.CutOver = d.CutOver && c != ""
		return &note{Target: string(id), Detail: map[string]any{"domain": d.Name, "connection": c}}, h.PutDomain(*d)
	})
	return err
}

// CutOver sends the domain's people to its connection (K-21); before that, and after it is taken back, the native way works
// (K-19). It needs a domain that counts (K-08), a tied connection that is enabled and live, and a recovery e-mail or a waiver (I-07). Owners and the operator may.
func (l *Ledger) CutOver(ctx context.Context, by account.Actor, id account.DomainID, on bool) error {
	_, err := l.changeDomain(ctx, by, id, "domain.cut_over", owners, func(h *hand, d *table.Domain) (*note, error) {
		if d.CutOver == on {
			return nil, nil
		}
		n := &note{Target: string(id), Detail: map[string]any{"domain": d.Name, "on": on}}
		if on {
			if err := readyForCutOver(h, d); err != nil {
				return nil, err
			}
			way, err := h.recoverable()
			if err != nil {
				return nil, err
			}
			n.Detail["recovery"] = way
		}
		d.CutOver = on
		if err := h.endNative(d); err != nil {
			return nil, err
		}
		return n, h.PutDomain(*d)
	})
	return err
}

// endNative signs out whoever of a domain that has just been cut over signed in by themselves, but not who cuts over: they see what comes of it.
func (h *hand) endNative(d *table.Domain) error {
	if !d.CutOver {
		return nil
	}
	ended, err := h.EndLocalSessionsOf(d.Name, h.by.User)
	for _, u := range ended {
		h.Shut(table.OfUser(u))
	}
	h.Shut(table.OfAccount(d.Account))
	return err
}

func readyForCutOver(h *hand, d *table.Domain) error {
	if !d.Counts() {
		return account.Errorf(account.Conflict, "It has not been shown that %s is yours.", d.Name).Coded("domain_unproved").
			Fix("Set the TXT record %s to %s, and have it checked.", d.ChallengeName(), d.ChallengeValue())
	}
	c, found, err := h.Tx.Connection(d.Connection)
	if err != nil {
		return err
	}
	switch {
	case !found:
		return account.Errorf(account.Conflict, "No connection signs in the people of %s yet.", d.Name).Coded("domain_untied").Fix("Tie the domain to a connection.")
	case c.Live == nil:
		return account.Errorf(account.Conflict, "Connection %q has no live version.", c.Name).Coded("not_live").Fix("Pass its login test and promote it.")
	case !c.Enabled:
		return account.Errorf(account.Conflict, "Connection %q is switched off.", c.Name).Coded("connection_disabled").Fix("Enable it.")
	}
	return nil
}

// changeDomain is change for one domain, found by its id: domains of other accounts do not exist.
func (l *Ledger) changeDomain(ctx context.Context, by account.Actor, id account.DomainID, verb string, may need,
	do func(*hand, *table.Domain) (*note, error)) (account.Domain, error) {
	unseen := account.Errorf(account.NotFound, "No such domain.")
	var d table.Domain
	err := l.db.Read(ctx, func(tx *table.Tx) (err error) { d, _, err = tx.Domain(id); return err })
	if err != nil {
		return account.Domain{}, err
	}
	if d.ID == "" {
		return account.Domain{}, unseen
	}
	err = l.change(ctx, by, d.Account, verb, may, func(h *hand) (*note, error) {
		var found bool
		if d, found, err = h.Domain(id); err != nil {
			return nil, err
		}
		if !found {
			return nil, unseen
		}
		return do(h, &d)
	})
	if err != nil {
		return account.Domain{}, hide(err, unseen)
	}
	return d.Domain, nil
}

// clip cuts text from outside to a length that is worth keeping.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
