package store

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// importedAtOnce is how many codes one transaction takes in, and mostImported how many one import.
const (
	importedAtOnce = 1000
	mostImported   = 100_000
)

// ImportCodes takes in activation codes or serial numbers of a product, of which digests alone are kept. term is the subscription's (0: the
// product's). What is there already is passed over. The answer says how many are new; batch names them in lists. The operator may.
func (l *Ledger) ImportCodes(ctx context.Context, by account.Actor, product, batch string, term time.Duration, codes []string) (int, error) {
	p, err := l.product(product)
	if err != nil {
		return 0, err
	}
	if term > 0 {
		p.Term = term
	}
	if batch == "" || len(batch) > 100 {
		return 0, account.Errorf(account.Invalid, "A batch of codes has a name of at most 100 bytes.").At("/batch")
	}
	if len(codes) == 0 || len(codes) > mostImported {
		return 0, account.Errorf(account.Invalid, "Expected 1 to %d codes, received %d.", mostImported, len(codes)).At("/codes")
	}
	plain := make([]string, len(codes))
	for i, c := range codes {
		if plain[i] = account.PlainCode(c); plain[i] == "" {
			return 0, account.Errorf(account.Invalid, "Line %d is no code.", i+1).At("/codes").Fix("A code has 2 to 64 letters, digits and hyphens.")
		}
	}
	added := 0
	for some := range slices.Chunk(plain, importedAtOnce) {
		n := 0
		err := l.install(ctx, by, "codes.imported", func(tx *table.Tx, now time.Time) (*note, error) {
			n = 0
			for _, c := range some {
				fresh, err := tx.InsertCode(table.ActivationCode{Digest: digest(c), Tail: tail(c), Product: p.ID, Label: p.Label, Term: p.Term, Batch: batch, CreatedAt: now})
				if err != nil {
					return nil, err
				}
				if fresh {
					n++
				}
			}
			return &note{Target: batch, Detail: map[string]any{"product": p.ID, "new": n, "known": len(some) - n}}, nil
		})
		if err != nil {
			return added, err
		}
		added += n
	}
	return added, nil
}

// tail is the end of a code, for people who compare: never more than half of it.
func tail(code string) string { return code[len(code)-min(4, len(code)/2):] }

// A CodeBatch counts codes that were imported together.
type CodeBatch = table.CodeBatch

// CodeBatches lists what was imported, newest first. The operator may.
func (l *Ledger) CodeBatches(ctx context.Context, by account.Actor) (out []CodeBatch, err error) {
	if by.Kind != account.ActorOperator {
		return nil, account.Errorf(account.Forbidden, "Only the operator of this installation may do this.").Fix("Ask the operator.")
	}
	err = l.db.Look(ctx, func(tx *table.Tx) error { out, err = tx.CodeBatches(); return err })
	return out, err
}

// CheckCodes reads codes as somebody typed them and says of each whether it can be used, for review (G-23, G-24). It uses nothing up. TooMany for
// who has tried too many that nobody knows.
func (l *Ledger) CheckCodes(ctx context.Context, by account.Actor, typed string) (out []account.CodeVerdict, err error) {
	codes, err := account.ParseCodes(typed)
	if err != nil {
		return nil, err
	}
	err = l.guessing(ctx, by, len(codes), func() (wrong int, err error) {
		err = l.lookPersonally(ctx, by, func(s *self) error { out, _, err = judgeCodes(s.Tx, codes); return err })
		for _, v := range out {
			if v.State == account.CodeUnknown {
				wrong++
			}
		}
		return wrong, err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// judgeCodes gives each code its verdict, and the rows of the good ones.
func judgeCodes(tx *table.Tx, codes []account.Code) (out []account.CodeVerdict, good []table.ActivationCode, err error) {
	seen := map[string]bool{}
	for _, c := range codes {
		v := account.CodeVerdict{Code: c}
		switch {
		case c.Plain == "":
			v.State = account.CodeMalformed
		case seen[c.Plain]:
			v.State = account.CodeRepeated
		default:
			seen[c.Plain] = true
			row, found, err := tx.Code(digest(c.Plain))
			if err != nil {
				return nil, nil, err
			}
			switch {
			case !found:
				v.State = account.CodeUnknown
			case row.Account != "":
				v.State = account.CodeUsed
			default:
				v.State, v.Product, v.Label = account.CodeGood, row.Product, row.Label
				good = append(good, row)
			}
		}
		out = append(out, v)
	}
	return out, good, nil
}

// ActivateCodes uses codes up, all of them or none: each product of theirs becomes a subscription in the destination, of as many pieces as there
// are codes of it, with what is said about the company. Conflict with code bad_codes names those that cannot be used, as another browser may
// have used one since they were checked. open is as for Offer.
func (l *Ledger) ActivateCodes(ctx context.Context, by account.Actor, typed string, b account.Business, d Destination, open []account.Place) (out Activation, err error) {
	codes, err := account.ParseCodes(typed)
	if err := errors.Join(err, b.Check()); err != nil {
		return out, err
	}
	details, err := json.Marshal(b)
	if err != nil {
		return out, err
	}
	err = l.guessing(ctx, by, len(codes), func() (wrong int, err error) {
		err = l.personally(ctx, by, "codes.activated", func(s *self) (*note, error) {
			wrong = 0
			verdicts, good, err := judgeCodes(s.Tx, codes)
			if err != nil {
				return nil, err
			}
			for _, v := range verdicts {
				if v.State == account.CodeUnknown {
					wrong++
				}
			}
			if err := refusedCodes(verdicts); err != nil {
				return nil, err
			}
			out, err = s.useCodes(good, string(details), d, open)
			return &note{Target: string(out.Account.ID), Detail: map[string]any{"codes": len(good), "new": out.New}}, err
		})
		return wrong, err
	})
	return out, err
}

// refusedCodes says which codes cannot be used; nil when all can.
func refusedCodes(verdicts []account.CodeVerdict) error {
	var bad []string
	for _, v := range verdicts {
		if v.State != account.CodeGood {
			bad = append(bad, v.Typed+" ("+string(v.State)+")")
		}
	}
	if len(bad) == 0 {
		return nil
	}
	return account.Errorf(account.Conflict, "Some of the codes cannot be used: %s.", strings.Join(bad, ", ")).Coded("bad_codes").At("/codes").Fix("Leave them out, or correct them.")
}

// useCodes makes a subscription of each product that the codes are for.
func (s *self) useCodes(good []table.ActivationCode, details string, d Destination, open []account.Place) (out Activation, err error) {
	h, err := s.arrive(d, account.Product{}, account.FromCodes, open)
	if err != nil {
		return out, err
	}
	type kind struct {
		product string
		term    time.Duration
	}
	var order []kind
	by := map[kind][]table.ActivationCode{}
	for _, c := range good {
		k := kind{c.Product, c.Term}
		if by[k] == nil {
			order = append(order, k)
		}
		by[k] = append(by[k], c)
	}
	for _, k := range order {
		p, known := s.l.Catalogue().Product(k.product)
		if !known {
			return out, account.Errorf(account.Conflict, "%s is not to be had any more.", by[k][0].Label).Coded("no_product").Fix("Ask whoever sold it.")
		}
		p.Term = k.term
		sub, err := h.activate(p, account.Subscription{Source: account.FromCodes, Quantity: len(by[k])})
		if err != nil {
			return out, err
		}
		for _, c := range by[k] {
			used, err := s.UseCode(c.Digest, h.Account.ID, sub.ID, s.now)
			if err != nil {
				return out, err
			}
			if !used {
				return out, account.Errorf(account.Conflict, "The code that ends in %s was used meanwhile.", c.Tail).Coded("bad_codes").At("/codes").Fix("Leave it out.")
			}
		}
		if err := s.InsertRegistration(h.Account.ID, sub.ID, details, s.by.String(), s.now); err != nil {
			return out, err
		}
		out.Subscriptions = append(out.Subscriptions, sub)
	}
	out.Account, out.Org, out.New = h.Account, h.Org, d.New != ""
	return out, nil
}
