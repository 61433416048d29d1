package store

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// A Term is a document that people agree to, and when somebody did.
type Term struct {
	account.Document
	AcceptedAt time.Time // of this version; zero: not yet
	Before     string    // the version that they agreed to last, if it was another one
}

// missingTerms is an error at /terms for each document of the catalogue that is not among those agreed to.
func (l *Ledger) missingTerms(accepted []account.Acceptance) error {
	var wrong []error
	for _, d := range l.Catalogue().Terms {
		if !slices.ContainsFunc(accepted, func(a account.Acceptance) bool { return a.Of(d) }) {
			wrong = append(wrong, account.Errorf(account.Invalid, "Agree to the %s first.", d.Label).Coded("terms_required").At("/terms").Fix("Read it at %s.", d.URL))
		}
	}
	return errors.Join(wrong...)
}

// terms is what somebody agreed to of what the catalogue asks for now.
func (l *Ledger) terms(tx *table.Tx, u account.UserID) ([]Term, error) {
	documents := l.Catalogue().Terms
	if len(documents) == 0 {
		return nil, nil
	}
	accepted, err := tx.Accepted(u)
	if err != nil {
		return nil, err
	}
	var all []Term
	for _, d := range documents {
		t := Term{Document: d}
		for _, a := range accepted {
			switch {
			case a.Document != d.ID:
			case a.Version == d.Version:
				t.AcceptedAt = a.At
			case t.Before == "":
				t.Before = a.Version
			}
		}
		all = append(all, t)
	}
	return all, nil
}

// termsDue reports whether somebody has to agree to something.
func (l *Ledger) termsDue(tx *table.Tx, u account.UserID) (bool, error) {
	all, err := l.terms(tx, u)
	return slices.ContainsFunc(all, func(t Term) bool { return t.AcceptedAt.IsZero() }), err
}

// Terms lists what the catalogue asks people to agree to, and what the person has (H-10).
func (l *Ledger) Terms(ctx context.Context, by account.Actor) (all []Term, err error) {
	err = l.lookPersonally(ctx, by, func(s *self) error { all, err = l.terms(s.Tx, s.User.ID); return err })
	return all, err
}

// AcceptTerms notes that the person agrees to versions of documents, as they are now: an older or unknown one is Conflict with code
// terms_changed. Agreeing twice changes nothing.
func (l *Ledger) AcceptTerms(ctx context.Context, by account.Actor, accepted ...account.Acceptance) error {
	documents := l.Catalogue().Terms
	for _, a := range accepted {
		if !slices.ContainsFunc(documents, a.Of) {
			return account.Errorf(account.Conflict, "There is no version %s of %s to agree to.", a.Version, a.Document).Coded("terms_changed").Fix("Read the current one first.")
		}
	}
	return l.personally(ctx, by, "terms.accepted", func(s *self) (*note, error) {
		news := false
		for _, a := range accepted {
			first, err := s.Accept(s.User.ID, a, s.now)
			if err != nil {
				return nil, err
			}
			news = news || first
		}
		if !news {
			return nil, nil
		}
		return &note{Target: string(s.User.ID), Detail: map[string]any{"accepted": accepted}}, nil
	})
}

// An Own is what somebody has here of their own.
type Own struct {
	Password        bool
	PasswordChanged time.Time
	News            bool // wants mail about what is new here
	Welcomed        bool // was asked
	Terms           []Term
}

// Own is that of the person.
func (l *Ledger) Own(ctx context.Context, by account.Actor) (o Own, err error) {
	err = l.lookPersonally(ctx, by, func(s *self) error {
		i, found, err := s.LocalIdentity(s.User.ID)
		if err != nil {
			return err
		}
		o = Own{Password: found, PasswordChanged: i.ChangedAt, News: i.News, Welcomed: !i.Welcomed.IsZero()}
		o.Terms, err = l.terms(s.Tx, s.User.ID)
		return err
	})
	return o, err
}
