package store

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/audit"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// Audit lists an account's audit lines, newest first, from before a line ("" from the newest), at most n (up to 1,000). Owners, user
// admins and the operator may; the lines of the installation itself (account "") are the operator's.
func (l *Ledger) Audit(ctx context.Context, by account.Actor, a account.AccountID, before account.AuditID, n int) (out []account.AuditLine, err error) {
	n = min(max(n, 1), 1000)
	if a == "" {
		if !by.AtConsole() {
			return nil, noAccount()
		}
		err = l.db.Read(ctx, func(tx *table.Tx) error { out, err = tx.Audit("", before, n); return err })
		return out, err
	}
	err = l.look(ctx, by, a, userAdmins, func(h *hand) error { out, err = h.Tx.Audit(a, before, n); return err })
	return out, err
}

// An AuditQuery picks lines of an audit log; empty fields pick all.
type AuditQuery struct {
	Actor   string // as a line has it: "user:usr_…", "operator"
	Verb    string // or how it begins: "key."
	Target  string
	Outcome string // done or refused
	Request string // id of a request
	From    time.Time
	Until   time.Time // before then
}

// AuditPage is Audit with a query and a cursor: next is where to go on, and empty at the end of the log. A page may hold fewer lines than asked
// for, or none, and be followed by others: one call looks through 20,000 lines.
func (l *Ledger) AuditPage(ctx context.Context, by account.Actor, a account.AccountID, q AuditQuery, before account.AuditID, n int) (out []account.AuditLine, next account.AuditID, err error) {
	f := table.AuditFilter{Actor: q.Actor, Verb: q.Verb, Target: q.Target, Outcome: q.Outcome, Request: q.Request}
	if !q.From.IsZero() {
		f.From = account.NewID[account.AuditID](q.From, zeros{})
	}
	if !q.Until.IsZero() {
		f.Until = account.NewID[account.AuditID](q.Until, zeros{})
	}
	err = l.look(ctx, by, a, userAdmins, func(h *hand) error {
		out, next, err = h.Tx.AuditPage(a, f, before, min(max(n, 1), 1000))
		return err
	})
	return out, next, err
}

const (
	sealAtOnce = 2000 // lines of a block
	// Where the sealing key is kept, sealed itself: under the installation, which owns it.
	auditOwner, auditKey = "audit", "seal_key"
)

// SealAudit seals what is not sealed yet of every account's audit log (AUD-2). It is a job of the house.
func (l *Ledger) SealAudit(ctx context.Context) error {
	key, err := l.auditKey(ctx)
	if err != nil {
		return err
	}
	for {
		var open []account.AccountID
		err := l.db.Look(ctx, func(tx *table.Tx) (err error) { open, err = tx.AccountsToSeal(100); return err })
		if err != nil || len(open) == 0 {
			return err
		}
		for _, a := range open {
			if err := l.sealAccount(ctx, a, key); err != nil {
				return err
			}
		}
	}
}

// sealAccount seals until less than a whole block is left. Of two that seal at once one finds the number taken, and begins again.
func (l *Ledger) sealAccount(ctx context.Context, a account.AccountID, key ed25519.PrivateKey) error {
	for {
		var seal audit.Seal
		err := l.db.Write(ctx, func(tx *table.Tx) error {
			last, _, err := tx.LastSeal(a)
			if err != nil {
				return err
			}
			lines, err := tx.CloseAuditBlock(a, last.Block+1, sealAtOnce)
			if seal = (audit.Seal{}); err != nil || len(lines) == 0 {
				return err
			}
			slices.SortFunc(lines, func(a, b account.AuditLine) int { return strings.Compare(string(a.ID), string(b.ID)) })
			block := audit.Begin(a, last.Block+1, last.Hash)
			for _, line := range lines {
				text, err := json.Marshal(line)
				if err != nil {
					return err
				}
				block.Add(text)
			}
			seal = block.Close(l.now(), key)
			return tx.InsertSeal(seal)
		})
		if err != nil {
			return err
		}
		if seal.Block > 0 {
			// The log of the process is a second place to find the newest seal, out of reach of whoever changes the database.
			hash, _ := seal.Hash.MarshalText()
			l.opt.Log.InfoContext(ctx, "audit log sealed", "account", a, "block", seal.Block, "lines", seal.Lines, "hash", string(hash))
		}
		if seal.Lines < sealAtOnce {
			return nil
		}
	}
}

// auditKey reads the sealing key; the first call makes it.
func (l *Ledger) auditKey(ctx context.Context) (ed25519.PrivateKey, error) {
	fresh := make([]byte, ed25519.SeedSize)
	if _, err := io.ReadFull(l.opt.Random, fresh); err != nil {
		return nil, err
	}
	var seed string
	err := l.db.Write(ctx, func(tx *table.Tx) error {
		kept, err := tx.Secrets("", auditOwner, auditKey)
		if err != nil {
			return err
		}
		if sealed, ok := kept[auditKey]; ok {
			opened, err := l.opt.Keyring.open(sealed, "", auditOwner, auditKey)
			seed = opened.Reveal()
			return err
		}
		seed = string(fresh)
		sealed, err := l.opt.Keyring.seal(account.NewSecret(seed), "", auditOwner, auditKey)
		if err != nil {
			return err
		}
		return tx.PutSecret(table.Secret{Owner: auditOwner, Name: auditKey, Sealed: sealed}, l.now())
	})
	if err != nil {
		return nil, err
	}
	return ed25519.NewKeyFromSeed([]byte(seed)), nil
}

// ExportAudit writes the whole audit log of an account as JSON lines that audit.Verify checks anywhere. What is not sealed yet is sealed
// first. Owners, user admins and the operator may; the log of the installation itself (account "") is the operator's.
func (l *Ledger) ExportAudit(ctx context.Context, by account.Actor, a account.AccountID, w io.Writer) error {
	if _, err := l.Audit(ctx, by, a, "", 1); err != nil {
		return err
	}
	key, err := l.auditKey(ctx)
	if err != nil {
		return err
	}
	if err := l.sealAccount(ctx, a, key); err != nil {
		return err
	}
	if err := (audit.Record{Key: audit.Hex(key.Public().(ed25519.PublicKey))}).Write(w); err != nil {
		return err
	}
	for after := int64(0); ; {
		var seals []audit.Seal
		if err := l.db.Look(ctx, func(tx *table.Tx) (err error) { seals, err = tx.Seals(a, after, 100); return err }); err != nil {
			return err
		}
		for _, s := range seals {
			after = s.Block
			if err := l.exportBlock(ctx, a, s.Block, w); err != nil {
				return err
			}
			if err := (audit.Record{Seal: &s}).Write(w); err != nil {
				return err
			}
		}
		if len(seals) == 0 {
			return l.exportBlock(ctx, a, 0, w)
		}
	}
}

func (l *Ledger) exportBlock(ctx context.Context, a account.AccountID, block int64, w io.Writer) error {
	for after := account.AuditID(""); ; {
		var lines []account.AuditLine
		if err := l.db.Look(ctx, func(tx *table.Tx) (err error) { lines, err = tx.AuditBlock(a, block, after, 1000); return err }); err != nil {
			return err
		}
		for _, line := range lines {
			text, err := json.Marshal(line)
			if err == nil {
				err = (audit.Record{Block: block, Line: text}).Write(w)
			}
			if err != nil {
				return err
			}
			after = line.ID
		}
		if len(lines) < 1000 {
			return nil
		}
	}
}
