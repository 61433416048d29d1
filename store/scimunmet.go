package store

import (
	"context"
	"fmt"
	"slices"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// Unmet lists the pushed users of a connection in which provisioning and sign-in do not meet, with the reason and what to do, and the
// groups that name members who are nobody yet; at most 1,000 of each. Owners, user admins and the operator may.
func (l *Ledger) Unmet(ctx context.Context, by account.Actor, c account.ConnectionID) (out []account.Unmet, err error) {
	a, err := l.accountOfConnection(ctx, c)
	if err != nil {
		return nil, err
	}
	err = l.look(ctx, by, a, userAdmins, func(h *hand) error { out, err = h.Tx.Unmet(a, c, 1000); return err })
	return out, hide(err, noConnection())
}

// unmet notes why a pushed user is nobody here, in the request log and beside the user.
func (p *provision) unmet(row *table.Pushed, format string, args ...any) {
	row.Unmet = fmt.Sprintf(format, args...)
	p.note("%s", row.Unmet)
}

// compare notes when the person that a pushed user stands for signs in with another subject than the push brings: then only the address
// ties them, until it changes.
func (p *provision) compare(row *table.Pushed) error {
	a, c := p.where()
	subjects, err := p.SubjectsOf(a, c, row.Person)
	if err != nil || len(subjects) == 0 || slices.Contains(subjects, row.Meets) {
		row.Unmet = ""
		return err
	}
	if why := apart(row.Meets, subjects[0], p.Options); why != row.Unmet {
		p.unmet(row, "%s", why)
	}
	return nil
}

// apart says how a pushed subject and that of a sign-in differ, and what to do.
func apart(pushed, signedIn string, o account.SCIMOptions) string {
	if pushed == "" {
		return fmt.Sprintf("The person signs in as %q and is pushed without %s, so that only the address ties them. Map %s to what the sign-in brings as its subject.", signedIn, o.Subject, o.Subject)
	}
	return fmt.Sprintf("The person signs in as %q and is pushed as %q, so that only the address ties them. Map %s to what the sign-in brings as its subject, or choose the other attribute with drawbridge scim options.",
		signedIn, pushed, o.Subject)
}

// introduced compares the first sign-in of a subject with what was pushed for that person.
func (s *signIn) introduced(tx *table.Tx, a account.AccountID, u account.UserID) error {
	c := s.Login.Connection
	row, found, err := tx.PushedFor(a, c, u)
	if err != nil || !found {
		return err
	}
	why := ""
	if row.Meets != s.Login.Subject {
		o, said, err := tx.SCIMOptions(a, c)
		if err != nil {
			return err
		}
		if !said {
			o = account.DefaultSCIMOptions
		}
		why = apart(row.Meets, s.Login.Subject, o)
	}
	if why == row.Unmet {
		return nil
	}
	return tx.SetUnmet(row, clip(why, 1000))
}
