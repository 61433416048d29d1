package store

import (
	"context"
	"io"
	"strings"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// How long an activation may wait, unless the operator says otherwise.
const (
	activationValid  = 30 * 24 * time.Hour
	certificateValid = 2 * 365 * 24 * time.Hour
	longestOffer     = 5 * 365 * 24 * time.Hour
)

// An Award is what an operator gives to somebody.
type Award struct {
	Product string        // id in the catalogue
	Email   string        // who gets the letter
	Holder  string        // of a certificate: the company or person that it names; empty: the address
	Term    time.Duration // of the subscription; 0: the product's
	Valid   time.Duration // how long it may wait to be activated; 0: 30 days, a certificate 2 years
	Note    string        // shown to the person: why they get it, a purchase order; may be empty
}

// Approve lets a person activate a product, and sends them the invitation (G-02, B-02). It is theirs alone. The operator may.
func (l *Ledger) Approve(ctx context.Context, by account.Actor, a Award) (account.Entitlement, error) {
	e, p, err := l.award(a, activationValid)
	if err != nil {
		return account.Entitlement{}, err
	}
	e.Source = account.FromPlatform
	err = l.install(ctx, by, "entitlement.approved", func(tx *table.Tx, now time.Time) (*note, error) {
		token := ""
		token, e.Link = l.newLink(e.Entitlement.Link.Validity, now)
		if err := l.give(tx, &e, by, now); err != nil {
			return nil, err
		}
		return awarded(e), l.offer(tx, e, p, token, now)
	})
	return e.Entitlement, err
}

// IssueCertificate makes the certificate of a purchase and sends it as a PDF (G-13). It is good for whoever registers its number, which is
// kept as a digest only. The operator may.
func (l *Ledger) IssueCertificate(ctx context.Context, by account.Actor, a Award) (account.Entitlement, account.Secret, error) {
	e, p, err := l.award(a, certificateValid)
	if err != nil {
		return account.Entitlement{}, account.Secret{}, err
	}
	e.Source = account.FromCertificate
	number := l.certificateNumber()
	err = l.install(ctx, by, "entitlement.certified", func(tx *table.Tx, now time.Time) (*note, error) {
		e.Link = table.NewLink(digest(account.PlainCode(number)), e.Entitlement.Link.Validity, now)
		e.Tail = number[len(number)-5:]
		if err := l.give(tx, &e, by, now); err != nil {
			return nil, err
		}
		return awarded(e), l.writeLetter(tx, "", e.Email, "certificate", map[string]string{"Number": number, "Ref": e.Tail, "Item": p.Label, "Details": p.Details,
			"Holder": e.Holder, "Term": account.PlainTerm(e.Term), "Until": e.Link.Until.Format("2 January 2006"), "Note": e.Note, "Instructions": p.Instructions}, now)
	})
	return e.Entitlement, account.NewSecret(number), err
}

// award reads what an operator gives.
func (l *Ledger) award(a Award, ordinary time.Duration) (e table.Entitlement, p account.Product, err error) {
	if p, err = l.product(a.Product); err != nil {
		return e, p, err
	}
	if e.Email, err = account.NormalEmail(a.Email); err != nil {
		return e, p, err
	}
	if e.Entitlement.Link.Validity, err = linkLength(a.Valid, ordinary, account.LeastLinkLength, longestOffer); err != nil {
		return e, p, err
	}
	if a.Term < 0 || a.Term > 100*365*24*time.Hour {
		return e, p, account.Errorf(account.Invalid, "A subscription has a term of up to 100 years.").At("/term")
	}
	for at, s := range map[string]string{"/holder": a.Holder, "/note": a.Note} {
		if len(s) > 500 || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\n' }) {
			return e, p, account.Errorf(account.Invalid, "Expected at most 500 bytes of text.").At(at)
		}
	}
	e.Product, e.Label, e.Holder, e.Note, e.Term = p.ID, p.Label, a.Holder, a.Note, p.Term
	if a.Term > 0 {
		e.Term = a.Term
	}
	if e.Holder == "" {
		e.Holder = e.Email
	}
	return e, p, nil
}

func (l *Ledger) product(id string) (account.Product, error) {
	p, known := l.Catalogue().Product(id)
	if known {
		return p, nil
	}
	var all []string
	for _, p := range l.Catalogue().Products {
		all = append(all, p.ID)
	}
	err := account.Errorf(account.Invalid, "The catalogue has no product %q.", clip(id, 60)).Coded("no_product").At("/product").Fix("Add it to the catalogue.")
	if len(all) > 0 {
		err = err.Fix("It has: %s.", strings.Join(all, ", "))
	}
	return p, err
}

// give writes a new entitlement.
func (l *Ledger) give(tx *table.Tx, e *table.Entitlement, by account.Actor, now time.Time) error {
	e.ID, e.CreatedAt, e.By, e.Entitlement.Link = account.NewID[account.EntitlementID](now, l.opt.Random), now, by.String(), e.Link.Link
	return tx.InsertEntitlement(*e)
}

// offer sends the letter of an invitation.
func (l *Ledger) offer(tx *table.Tx, e table.Entitlement, p account.Product, token string, now time.Time) error {
	return l.writeLetter(tx, "", e.Email, "activation", map[string]string{"Token": token, "Item": e.Label, "Details": p.Details, "Term": account.PlainTerm(e.Term),
		"Note": e.Note, "Good": account.PlainLength(e.Link.Validity)}, now)
}

func awarded(e table.Entitlement) *note {
	return &note{Target: string(e.ID), Detail: map[string]any{"product": e.Product, "email": e.Email, "source": e.Source, "way": account.WayEntitlement}}
}

// certificateNumber draws 100 bits, in letters and digits that nobody confuses.
func (l *Ledger) certificateNumber() string {
	const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	drawn := make([]byte, 20)
	if _, err := io.ReadFull(l.opt.Random, drawn); err != nil {
		panic("store: no randomness: " + err.Error()) // as in random
	}
	var b strings.Builder
	for i, c := range drawn {
		if i%5 == 0 && i > 0 {
			b.WriteByte('-')
		}
		b.WriteByte(alphabet[c%32])
	}
	return b.String()
}

// install is the frame of the operator's verbs that belong to no account.
func (l *Ledger) install(ctx context.Context, by account.Actor, verb string, do func(*table.Tx, time.Time) (*note, error)) error {
	if by.Kind != account.ActorOperator && by.Kind != account.ActorSystem {
		return account.Errorf(account.Forbidden, "Only the operator of this installation may do this.").Fix("Ask the operator.")
	}
	now := l.now()
	return l.db.Write(ctx, func(tx *table.Tx) error {
		n, err := do(tx, now)
		if err != nil || n == nil {
			return err
		}
		return l.audit(tx, by, "", verb, *n, now)
	})
}

// Entitlements lists what was given, newest first, from before one ("" from the newest), at most n (up to 1,000); to one address when email is
// not "". The operator may.
func (l *Ledger) Entitlements(ctx context.Context, by account.Actor, email string, before account.EntitlementID, n int) (out []account.Entitlement, err error) {
	if by.Kind != account.ActorOperator {
		return nil, account.Errorf(account.Forbidden, "Only the operator of this installation may do this.").Fix("Ask the operator.")
	}
	err = l.db.Look(ctx, func(tx *table.Tx) error {
		rows, err := tx.Entitlements(email, before, min(max(n, 1), 1000))
		for _, r := range rows {
			out = append(out, r.Entitlement)
		}
		return err
	})
	return out, err
}

// RevokeEntitlement takes back what has not been activated. The operator may.
func (l *Ledger) RevokeEntitlement(ctx context.Context, by account.Actor, id account.EntitlementID) error {
	return l.install(ctx, by, "entitlement.revoked", func(tx *table.Tx, now time.Time) (*note, error) {
		e, err := pending(tx, id)
		if err != nil {
			return nil, err
		}
		if ended, err := tx.EndEntitlement(id, account.LinkRevoked, e.Account, by.String(), now); err != nil {
			return nil, err
		} else if !ended {
			return nil, openLink(account.Link{State: account.LinkAccepted}, now)
		}
		return awarded(e), nil
	})
}

// ResendEntitlement sends an invitation again, good for as long as the first time; the link before is nothing any more. The operator may.
func (l *Ledger) ResendEntitlement(ctx context.Context, by account.Actor, id account.EntitlementID) error {
	return l.install(ctx, by, "entitlement.resent", func(tx *table.Tx, now time.Time) (*note, error) {
		e, err := pending(tx, id)
		if err != nil {
			return nil, err
		}
		if e.Source == account.FromCertificate {
			return nil, account.Errorf(account.Conflict, "The number of a certificate is kept nowhere, so that it cannot be sent again.").Coded("certificate").Fix("Revoke it, and issue another one.")
		}
		token := ""
		token, e.Link = l.newLink(e.Link.Validity, now)
		if renewed, err := tx.RenewEntitlement(id, e.Link); err != nil {
			return nil, err
		} else if !renewed {
			return nil, openLink(account.Link{State: account.LinkAccepted}, now)
		}
		p, _ := l.Catalogue().Product(e.Product)
		return awarded(e), l.offer(tx, e, p, token, now)
	})
}

// pending reads an entitlement that nobody has used, transferred or taken back, whether or not its link has run out.
func pending(tx *table.Tx, id account.EntitlementID) (table.Entitlement, error) {
	e, found, err := tx.Entitlement(id)
	switch {
	case err != nil:
		return e, err
	case !found:
		return e, noEntitlement()
	case e.Link.State != account.LinkPending:
		return e, over(e, time.Time{})
	}
	return e, nil
}

func noEntitlement() *account.Error {
	return account.Errorf(account.NotFound, "There is no such entitlement.").Coded("no_entitlement").Fix("Use the newest letter.")
}

// over says why an entitlement can be activated no more; nil while it can.
func over(e table.Entitlement, now time.Time) error {
	switch {
	case e.Link.State == account.LinkTransferred:
		return account.Errorf(account.Conflict, "This activation was transferred on %s, for good.", e.EndedAt.Format("2 January 2006")).Coded("transferred").
			Fix("The owner of the other account activates it.")
	case e.Link.State == account.LinkAccepted:
		return account.Errorf(account.Conflict, "This has been activated already, on %s.", e.EndedAt.Format("2 January 2006")).Coded("link_used").
			Fix("Sign in, and look at the subscriptions of your org.")
	case e.Source == account.FromCertificate && e.Link.At(now) == account.LinkExpired:
		return account.Errorf(account.Conflict, "This certificate was to be registered before %s.", e.Link.Until.Format("2 January 2006")).Coded("link_expired").
			Fix("Ask whoever issued it.")
	}
	return openLink(e.Link.Link, now)
}

// ApplySubscription puts a product on an org directly, as the operator may for what was agreed on elsewhere. Conflict with code individual_org
// for a premium one on an individual org: such an org becomes an enterprise org only by an activation of its owner's (B-06, B-07).
func (l *Ledger) ApplySubscription(ctx context.Context, by account.Actor, a account.AccountID, product string, term time.Duration) (s account.Subscription, err error) {
	p, err := l.product(product)
	if err != nil {
		return s, err
	}
	if term > 0 {
		p.Term = term
	}
	err = l.change(ctx, by, a, "subscription.applied", operator, func(h *hand) (*note, error) {
		if h.Org.Type == account.Individual && p.Premium {
			return nil, account.Errorf(account.Conflict, "%s is for enterprise orgs, and %s is an individual org.", p.Label, h.Org.Name).Coded("individual_org").
				Fix("Approve its owner for the product instead: the org is converted when they activate it.")
		}
		if s, err = h.subscribe(p, account.Subscription{Source: account.FromOperator, Quantity: 1}); err != nil {
			return nil, err
		}
		return subscriptionNote(s), nil
	})
	return s, err
}

// EndSubscription ends one before its time. What it carried is off at once. The operator may.
func (l *Ledger) EndSubscription(ctx context.Context, by account.Actor, a account.AccountID, id account.SubscriptionID) error {
	return l.change(ctx, by, a, "subscription.ended", operator, func(h *hand) (*note, error) {
		ended, err := h.Tx.EndSubscription(a, id, h.now)
		if err != nil {
			return nil, err
		}
		if !ended {
			return nil, account.Errorf(account.NotFound, "%s has no such subscription that is active.", h.Org.Name)
		}
		return &note{Target: string(id)}, h.carry()
	})
}
