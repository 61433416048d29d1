package store

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// An EntitlementRef is how somebody names an entitlement: by the token of its link, by the number of a certificate, or by its id when it
// was sent to their address. One of them is set.
type EntitlementRef struct {
	Token  account.Secret
	Number string
	ID     account.EntitlementID
}

// An Offer is what somebody may do with an entitlement.
type Offer struct {
	account.Entitlement
	Catalogue account.Product // as it is now
	Owned     []OfferPlace    // accounts that they own (G-05)
	Others    []OfferPlace    // accounts that they joined, owned by others (G-09)
}

// An OfferPlace is an account that an offer could go to.
type OfferPlace struct {
	account.Place
	Subscriptions []account.Subscription // active ones
	Owner         string                 // address of its owner; empty: it has none who is active
	Why           error                  // why it cannot be activated there; nil: it can. Of others: why only a transfer is possible, or not even that
}

// A Destination is where somebody activates something: in an account of theirs, or in a new one with that name.
type Destination struct {
	Account account.AccountID
	New     string
}

// PeekOffer says what a link is about to whoever opens it, signed in or not. Looking uses nothing up: mail scanners open links. Unknown tokens
// are NotFound; Conflict with code link_used, link_expired, link_revoked or transferred says why it can be used no more, beside the entitlement.
func (l *Ledger) PeekOffer(ctx context.Context, token account.Secret) (e account.Entitlement, p account.Product, err error) {
	var over error
	err = l.db.Read(ctx, func(tx *table.Tx) error {
		row, err := l.named(tx, EntitlementRef{Token: token}, nil)
		if err != nil {
			return err
		}
		e, over = row.Entitlement, l.usable(row)
		p, _ = l.Catalogue().Product(row.Product)
		return nil
	})
	return e, p, errors.Join(err, over)
}

// named finds the entitlement that somebody names. u is nil for a stranger, who may have a link alone.
func (l *Ledger) named(tx *table.Tx, ref EntitlementRef, u *account.User) (e table.Entitlement, err error) {
	var found bool
	switch {
	case !ref.Token.IsZero():
		e, found, err = tx.EntitlementByLink(digest(ref.Token.Reveal()))
		found = found && e.Source == account.FromPlatform
		if err == nil && found && u != nil && e.Email != u.Email {
			return e, account.Errorf(account.Forbidden, "This activation was sent to %s, and you are signed in as %s.", e.Email, u.Email).Coded("wrong_person").
				Fix("Sign out, and sign in as %s.", e.Email)
		}
	case ref.Number != "":
		e, found, err = tx.EntitlementByLink(digest(account.PlainCode(ref.Number)))
		found = found && e.Source == account.FromCertificate
		if err == nil && !found {
			return e, account.Errorf(account.NotFound, "Nobody here issued a certificate with that number.").Coded("no_certificate").At("/number").
				Fix("Copy the number from the certificate, all 20 letters and digits of it.")
		}
	case u != nil:
		e, found, err = tx.Entitlement(ref.ID)
		found = found && e.Source == account.FromPlatform && e.Email == u.Email
	}
	if err == nil && !found {
		err = noLink()
	}
	return e, err
}

// usable says why an entitlement cannot be activated; nil when it can.
func (l *Ledger) usable(e table.Entitlement) error {
	if err := over(e, l.now()); err != nil {
		return err
	}
	if _, known := l.Catalogue().Product(e.Product); !known {
		return account.Errorf(account.Conflict, "%s is not to be had any more.", e.Label).Coded("no_product").Fix("Ask whoever approved you for it.")
	}
	return nil
}

// MyEntitlements lists the invitations to activate something that were sent to the person, newest first, whatever came of them.
func (l *Ledger) MyEntitlements(ctx context.Context, by account.Actor) (out []account.Entitlement, err error) {
	err = l.lookPersonally(ctx, by, func(s *self) error {
		rows, err := s.EntitlementsOf(s.User.Email)
		for _, r := range rows {
			out = append(out, r.Entitlement)
		}
		return err
	})
	return out, err
}

// Offer says what the person may do with an entitlement. open are the accounts that their session may work in (account.Presence.Tenancies): a
// provider that speaks for somebody in one account decides nothing in another one (promise 4). Errors are those of PeekOffer, and Forbidden
// with code wrong_person for a link that was sent to somebody else.
func (l *Ledger) Offer(ctx context.Context, by account.Actor, ref EntitlementRef, open []account.Place) (o Offer, err error) {
	err = l.lookPersonally(ctx, by, func(s *self) error {
		e, err := l.named(s.Tx, ref, &s.User)
		if err != nil {
			return err
		}
		if err := l.usable(e); err != nil {
			return err
		}
		o.Entitlement = e.Entitlement
		o.Catalogue, _ = l.Catalogue().Product(e.Product)
		o.Owned, o.Others, err = s.places(o.Catalogue, e, open)
		return err
	})
	return o, err
}

// Places says to which accounts of theirs the person could take something. open is as for Offer.
func (l *Ledger) Places(ctx context.Context, by account.Actor, open []account.Place) (owned, others []OfferPlace, err error) {
	err = l.lookPersonally(ctx, by, func(s *self) error {
		owned, others, err = s.places(account.Product{}, table.Entitlement{}, open)
		return err
	})
	return owned, others, err
}

// places sorts the accounts of a person into owned ones and others.
func (s *self) places(p account.Product, e table.Entitlement, open []account.Place) (owned, others []OfferPlace, err error) {
	all, err := s.Places(s.User.ID)
	if err != nil {
		return nil, nil, err
	}
	for _, place := range all {
		if !slices.ContainsFunc(open, func(o account.Place) bool { return o.Account.ID == place.Account.ID }) {
			continue
		}
		o := OfferPlace{Place: place}
		held, err := s.Subscriptions(place.Account.ID)
		if err != nil {
			return nil, nil, err
		}
		o.Subscriptions = slices.DeleteFunc(held, func(h account.Subscription) bool { return !h.Live(s.now) })
		if place.Role == account.Owner {
			o.Owner, o.Why = s.User.Email, endless(place.Org, p, o.Subscriptions)
			owned = append(owned, o)
			continue
		}
		if o.Owner, err = s.ownerOf(place.Account.ID); err != nil {
			return nil, nil, err
		}
		o.Why = notTheirs(place.Account, o.Owner, e.Source)
		others = append(others, o)
	}
	return owned, others, nil
}

// ownerOf is the address of an account's owner; empty when none is active.
func (s *self) ownerOf(a account.AccountID) (string, error) {
	all, err := s.Holders(a, "", account.Owner)
	for _, o := range all {
		if o.State == account.UserActive {
			return o.Email, err
		}
	}
	return "", err
}

func notTheirs(a account.Account, owner string, source account.EntitlementSource) error {
	err := account.Errorf(account.Forbidden, "You do not own the account %s.", a.Name).Coded("not_owner")
	switch {
	case source != account.FromPlatform:
		return err.Fix("Ask its owner to register it: only platform invitations can be transferred.")
	case owner == "":
		return err.Fix("It has no owner at the moment to whom the activation could be transferred.")
	}
	return err.Fix("Transfer the activation to its owner, %s.", owner)
}

// endless says that a product cannot be activated where it already is for ever.
func endless(o account.Org, p account.Product, active []account.Subscription) error {
	if slices.ContainsFunc(active, func(s account.Subscription) bool { return s.Product == p.ID && s.Until.IsZero() }) {
		return account.Errorf(account.Conflict, "%s is active on %s already, without an end.", p.Label, o.Name).Coded("already_active").Fix("Choose another account.")
	}
	return nil
}

// arrive locks the account that somebody takes something to, which is theirs: one that they own, or a new one.
func (s *self) arrive(d Destination, p account.Product, source account.EntitlementSource, open []account.Place) (*hand, error) {
	if d.New != "" {
		return s.openAccount(d.New, account.WayEntitlement)
	}
	h, found, err := s.enter(d.Account)
	if err != nil {
		return nil, err
	}
	if !found || !slices.ContainsFunc(open, func(o account.Place) bool { return o.Account.ID == d.Account }) {
		return nil, noAccount()
	}
	t, _, found, err := s.l.tenancy(s.Tx, h.House, s.User.ID)
	switch {
	case err != nil:
		return nil, err
	case !found || t.Status != account.TenancyActive:
		return nil, noAccount()
	case t.Role != account.Owner:
		owner, err := s.ownerOf(d.Account)
		if err != nil {
			return nil, err
		}
		return nil, notTheirs(h.Account, owner, source)
	}
	return h, nil
}

// subscribe puts a product on the org: its services are enabled at once. What is there already of it is prolonged, unless it counts pieces
// (FromCodes). s says where it comes from.
func (h *hand) subscribe(p account.Product, s account.Subscription) (account.Subscription, error) {
	all, err := h.Subscriptions(h.Account.ID)
	if err != nil {
		return s, err
	}
	s.ID, s.Account, s.Product, s.Label, s.Services = account.NewID[account.SubscriptionID](h.now, h.l.opt.Random), h.Account.ID, p.ID, p.Label, p.Services
	s.State, s.From, s.By = account.SubscriptionActive, h.now, h.by.String()
	if s.Source != account.FromCodes {
		active := slices.DeleteFunc(all, func(o account.Subscription) bool { return o.State != account.SubscriptionActive || o.Product != p.ID })
		if err := endless(h.Org, p, active); err != nil {
			return s, err
		}
		for _, o := range active {
			if o.Until.After(s.From) {
				s.From = o.Until
			}
		}
	}
	if p.Term > 0 {
		s.Until = s.From.Add(p.Term)
	}
	if err := h.InsertSubscription(s); err != nil {
		return s, err
	}
	return s, h.carry()
}

// activate is subscribe for the owner of the org, who makes an individual org an enterprise org by it, with all its data (B-07).
func (h *hand) activate(p account.Product, s account.Subscription) (account.Subscription, error) {
	if err := h.convert(account.WayEntitlement); err != nil {
		return s, err
	}
	s, err := h.subscribe(p, s)
	if err != nil {
		return s, err
	}
	return s, h.audit("subscription.activated", *subscriptionNote(s))
}

func subscriptionNote(s account.Subscription) *note {
	detail := map[string]any{"product": s.Product, "services": s.Services, "source": s.Source, "way": account.WayEntitlement}
	if !s.Until.IsZero() {
		detail["until"] = s.Until.Format(time.RFC3339)
	}
	if s.Entitlement != "" {
		detail["entitlement"] = s.Entitlement
	}
	return &note{Target: string(s.ID), Detail: detail}
}

// An Activation is what came of one.
type Activation struct {
	Account       account.Account
	Org           account.Org
	New           bool // the account was made for it
	Subscriptions []account.Subscription
}

// Activate uses an invitation up: its product is active in the destination, once (G-03, G-04, G-06). Of an account that the person does not own
// it is Forbidden with code not_owner (G-08). open is as for Offer.
func (l *Ledger) Activate(ctx context.Context, by account.Actor, ref EntitlementRef, d Destination, open []account.Place) (out Activation, err error) {
	ref.Number = "" // a certificate is registered
	err = l.personally(ctx, by, "entitlement.activated", func(s *self) (*note, error) {
		e, err := l.named(s.Tx, ref, &s.User)
		if err != nil {
			return nil, err
		}
		out, err = s.useUp(e, d, open)
		return activated(e, out), err
	})
	return out, err
}

func activated(e table.Entitlement, out Activation) *note {
	return &note{Target: string(e.ID), Detail: map[string]any{"product": e.Product, "source": e.Source, "account": out.Account.ID, "new": out.New}}
}

// useUp activates what an entitlement is for. Of two that try, one does: whoever closes the link.
func (s *self) useUp(e table.Entitlement, d Destination, open []account.Place) (Activation, error) {
	if err := s.l.usable(e); err != nil {
		return Activation{}, err
	}
	p, _ := s.l.Catalogue().Product(e.Product)
	p.Term, p.Label = e.Term, e.Label
	h, err := s.arrive(d, p, e.Source, open)
	if err != nil {
		return Activation{}, err
	}
	ended, err := s.EndEntitlement(e.ID, account.LinkAccepted, h.Account.ID, s.by.String(), s.now)
	if err != nil {
		return Activation{}, err
	}
	if !ended {
		return Activation{}, s.lost(e.ID)
	}
	sub, err := h.activate(p, account.Subscription{Source: e.Source, Entitlement: e.ID, Quantity: 1})
	return Activation{h.Account, h.Org, d.New != "", []account.Subscription{sub}}, err
}

// lost says who was faster.
func (s *self) lost(id account.EntitlementID) error {
	e, _, err := s.Entitlement(id)
	if err != nil {
		return err
	}
	return over(e, s.now)
}

// longestMessage is how much somebody may write to the owner they transfer an activation to.
const longestMessage = 4000

// Transfer hands an invitation on to the owner of an account that the person has joined, who gets a letter with message ("" for the usual
// text). It cannot be undone: the person can activate it no more (G-08, G-10, G-11). Certificates are not transferred: Conflict with code
// certificate (G-12).
func (l *Ledger) Transfer(ctx context.Context, by account.Actor, ref EntitlementRef, to account.AccountID, message string, open []account.Place) (account.Entitlement, error) {
	var next table.Entitlement
	if len(message) > longestMessage {
		return next.Entitlement, account.Errorf(account.Invalid, "A message has at most %d bytes.", longestMessage).At("/message")
	}
	err := l.personally(ctx, by, "entitlement.transferred", func(s *self) (*note, error) {
		e, err := l.named(s.Tx, ref, &s.User)
		if err != nil {
			return nil, err
		}
		if e.Source == account.FromCertificate {
			return nil, account.Errorf(account.Conflict, "A certificate is not transferred.").Coded("certificate").Fix("Ask the owner of that account to register it.")
		}
		if err := l.usable(e); err != nil {
			return nil, err
		}
		i := slices.IndexFunc(open, func(o account.Place) bool { return o.Account.ID == to })
		mine, found, err := s.Tenancy(to, s.User.ID)
		if err != nil {
			return nil, err
		}
		if i < 0 || !found || mine.Status != account.TenancyActive {
			return nil, noAccount()
		}
		owner, err := s.ownerOf(to)
		if err != nil {
			return nil, err
		}
		switch owner {
		case "":
			return nil, account.Errorf(account.Conflict, "The account %s has no owner at the moment.", open[i].Account.Name).Coded("no_owner").Fix("Ask one of its administrators.")
		case s.User.Email:
			return nil, account.Errorf(account.Conflict, "You own the account %s yourself.", open[i].Account.Name).Coded("own_account").Fix("Activate it there.")
		}
		if ended, err := s.EndEntitlement(e.ID, account.LinkTransferred, to, by.String(), s.now); err != nil {
			return nil, err
		} else if !ended {
			return nil, s.lost(e.ID)
		}
		next = table.Entitlement{Entitlement: account.Entitlement{Source: e.Source, Product: e.Product, Label: e.Label, Term: e.Term, Email: owner,
			Holder: owner, Note: e.Note, Previous: e.ID, Account: to}}
		token := ""
		token, next.Link = l.newLink(e.Link.Validity, s.now)
		if err := l.give(s.Tx, &next, by, s.now); err != nil {
			return nil, err
		}
		if err := l.writeLetter(s.Tx, to, owner, "activation_transferred", map[string]string{"Token": token, "Item": e.Label, "From": s.User.Email,
			"Account": open[i].Account.Name, "Message": cmp.Or(message, DefaultTransferMessage(e.Label, open[i].Account.Name)), "Good": account.PlainLength(e.Link.Validity)}, s.now); err != nil {
			return nil, err
		}
		return &note{Target: string(e.ID), Detail: map[string]any{"product": e.Product, "account": to, "to": owner, "next": next.ID}}, nil
	})
	return next.Entitlement, err
}

// DefaultTransferMessage is what the owner reads when the sender writes nothing of their own.
func DefaultTransferMessage(product, acct string) string {
	return "I was invited to activate " + product + ", and would like to use it in the account " + acct + ", which you own. Please activate it there."
}

// CheckCertificate says what the number of a certificate stands for, before it is registered. NotFound with code no_certificate when nobody
// knows it; TooMany for who tries many of them.
func (l *Ledger) CheckCertificate(ctx context.Context, by account.Actor, number string, open []account.Place) (o Offer, err error) {
	if account.PlainCode(number) == "" {
		return o, account.Errorf(account.Invalid, "Expected the number of a certificate.").Coded("missing").At("/number").Fix("It stands on the certificate, and has 20 letters and digits.")
	}
	err = l.guessing(ctx, by, 1, func() (int, error) {
		o, err = l.Offer(ctx, by, EntitlementRef{Number: number}, open)
		return wrongNumber(err), err
	})
	return o, err
}

func wrongNumber(err error) int {
	if account.KindOf(err) == account.NotFound {
		return 1
	}
	return 0
}

// Register activates a certificate in the destination, with what the person says about themselves (G-19, G-16, G-17). A letter leads them to
// the services of the org (G-20).
func (l *Ledger) Register(ctx context.Context, by account.Actor, number string, r account.Registration, d Destination, open []account.Place) (out Activation, err error) {
	if account.PlainCode(number) == "" {
		err = account.Errorf(account.Invalid, "The number of the certificate is missing.").Coded("missing").At("/number").Fix("It stands on the certificate, and has 20 letters and digits.")
	}
	if err := errors.Join(err, r.Check()); err != nil {
		return out, err
	}
	details, err := json.Marshal(r)
	if err != nil {
		return out, err
	}
	err = l.guessing(ctx, by, 1, func() (int, error) {
		known := false
		err := l.personally(ctx, by, "entitlement.registered", func(s *self) (*note, error) {
			e, err := l.named(s.Tx, EntitlementRef{Number: number}, &s.User)
			if known = err == nil; err != nil {
				return nil, err
			}
			if out, err = s.useUp(e, d, open); err != nil {
				return nil, err
			}
			if err := s.InsertRegistration(out.Account.ID, out.Subscriptions[0].ID, string(details), by.String(), s.now); err != nil {
				return nil, err
			}
			return activated(e, out), l.writeLetter(s.Tx, out.Account.ID, s.User.Email, "registered", map[string]string{"Org": out.Org.Name, "Item": e.Label}, s.now)
		})
		if known {
			return 0, err
		}
		return wrongNumber(err), err
	})
	return out, err
}
