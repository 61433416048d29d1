package store

import (
	"context"
	"errors"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// A removal says who goes, and what made it happen.
type removal struct {
	User   account.UserID
	Source account.RemovalSource
	Why    string // what was said: inactive, deleted, account-disabled…
	Txn    string // correlates it with an event; may be empty
	Seal   string // who alone lets them in again by itself; empty: somebody by hand
}

// shutOut closes a person's place in the account and ends everything by which they act in it; whose address is in a domain of the
// account is disabled everywhere, and everything of theirs ends everywhere. Roles stay, the owner's seat among them (T-06), and
// count for nothing meanwhile. The receipt's ID is empty when there was nothing left to end: identity providers repeat themselves.
// The account has to be locked, so that a sign-in under way has ended before its session is looked for. What a provider asks for may be one
// removal too many: Unavailable with code removals_paused, for Ledger.tripped to write down.
func (h *hand) shutOut(r removal) (account.Receipt, error) {
	a := h.Account.ID
	user, found, err := h.User(r.User)
	if err != nil || !found {
		return account.Receipt{}, err
	}
	if r.Source == account.FromSCIM || r.Source == account.FromEvent {
		if err := h.mayRemove(r.User); err != nil {
			return account.Receipt{}, err
		}
	}
	out := h.receiptFor(user, r)
	if out.Suspended, err = h.Suspend(a, r.User, r.Seal); err != nil {
		return out, err
	}
	if out.Suspended {
		if err := h.lived(r.User); err != nil {
			return out, err
		}
	}
	own, err := h.hasSay(user.Email)
	if err != nil {
		return out, err
	}
	if own {
		if _, err := h.l.handsOf(h.Tx, h.by, r.User, h.now); err != nil { // sign-ins under way elsewhere have ended, too
			return out, err
		}
		if out.Disabled, err = h.Disable(r.User, r.Seal); err != nil {
			return out, err
		}
	}
	if err := h.endAll(&out, own); err != nil {
		return out, err
	}
	if !out.Suspended && !out.Disabled && out.Sessions == 0 && out.Keys == 0 {
		return account.Receipt{}, nil
	}
	if err := h.handOut(out); err != nil {
		return out, err
	}
	if err := errors.Join(h.announceRemoval(account.WordDeactivated, out), h.announceElsewhere(out)); err != nil {
		return out, err
	}
	if out.Suspended || out.Disabled {
		in := a
		if out.Disabled {
			in = ""
		}
		if err := h.orphans(user, in); err != nil {
			return out, err
		}
	}
	return out, h.audit("user.deactivated", note{Target: string(r.User), Reason: r.Why, Detail: map[string]any{
		"sessions": out.Sessions, "keys": out.Keys, "disabled": out.Disabled, "receipt": out.ID}})
}

// endAll ends every credential of a person, of every kind there is: in the account, or everywhere. It is the one place that does, so
// that no kind is forgotten.
func (h *hand) endAll(r *account.Receipt, everywhere bool) error {
	a := h.Account.ID
	sessions, err := h.EndSessionsIn(a, r.User)
	if err != nil {
		return err
	}
	if everywhere {
		a = ""
		more, err := h.EndSessionsOfUser(r.User)
		if err != nil {
			return err
		}
		sessions += more
		if err := h.DropLocal(r.User); err != nil { // whoever comes back proves their mailbox again
			return err
		}
	}
	keys, err := h.RevokeKeys(a, r.User, r.Why, h.now)
	if err != nil {
		return err
	}
	r.Sessions, r.Keys = int(sessions), int(keys)
	h.Shut(table.OfUser(r.User))
	return errors.Join(h.burnInvitations(*r, everywhere), h.burnGroupInvitations(*r, everywhere))
}

// letIn undoes what shutOut did under a seal, and nothing that anybody else did. It is false when there was nothing to undo. What ended
// stays ended.
func (h *hand) letIn(u account.UserID, seal string) (bool, error) {
	resumed, err := h.Resume(h.Account.ID, u, seal)
	if err != nil {
		return false, err
	}
	enabled, err := h.Enable(u, seal)
	if err != nil || !resumed && !enabled {
		return false, err
	}
	h.Gain(table.OfUser(u))
	if err := h.lived(u); err != nil {
		return false, err
	}
	if err := h.announce(account.Announcement{What: account.WordReactivated, User: u, Everywhere: enabled}); err != nil {
		return false, err
	}
	return true, h.audit("user.reactivated", note{Target: string(u)})
}

// hasSay reports whether the account has a say over an address: it holds the domain (promise 4).
func (h *hand) hasSay(email string) (bool, error) {
	d, found, err := h.HeldDomain(account.EmailDomain(email))
	return found && d.Account == h.Account.ID && d.Counts(), err
}

// receiptFor begins the receipt of a removal.
func (h *hand) receiptFor(u account.User, r removal) account.Receipt {
	received := h.by.Received
	if received.IsZero() || received.After(h.now) {
		received = h.now
	}
	return account.Receipt{ID: account.NewID[account.ReceiptID](h.now, h.l.opt.Random), Account: h.Account.ID, User: u.ID, Email: u.Email,
		Source: r.Source, By: h.by.String(), Why: r.Why, Txn: r.Txn, Received: received}
}

// handOut writes a receipt, and its last two times once they are known.
func (h *hand) handOut(r account.Receipt) error {
	l := h.l
	h.Settled(func(committed, everywhere time.Time) {
		r.Committed, r.Everywhere = committed, everywhere
		l.stamps.add(r)
		if l.opt.Removed != nil {
			l.opt.Removed(r)
		}
	})
	return h.InsertReceipt(r)
}

// flushStamps writes the last two times of receipts: the answer does not wait for that.
func (l *Ledger) flushStamps(ctx context.Context) error {
	return l.stamps.flush(ctx, l.db, func(tx *table.Tx, r account.Receipt) error {
		return tx.StampReceipt(r.Account, r.ID, r.Committed, r.Everywhere)
	})
}

// Receipts lists the removals of an account, newest first, from before one ("" from the newest), at most n (up to 1,000); of one person
// when u is not "". Owners, user admins and the operator may.
func (l *Ledger) Receipts(ctx context.Context, by account.Actor, a account.AccountID, u account.UserID, before account.ReceiptID, n int) (out []account.Receipt, err error) {
	if err := l.flushStamps(ctx); err != nil {
		return nil, err
	}
	err = l.look(ctx, by, a, userAdmins, func(h *hand) error { out, err = h.Tx.Receipts(a, u, before, min(max(n, 1), 1000)); return err })
	return out, err
}
