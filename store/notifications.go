package store

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// A NotificationSection is one service that somebody may have mail about: one they hold a role in, of a subscription of their orgs (P-06, P-07).
type NotificationSection struct {
	Service string // id, or account.Portal
	Label   string
	Orgs    []string // exact names of the orgs through which they see it; none for the portal
	Wanted  []account.NotificationKind
}

// Notifications are somebody's choices of mail.
type Notifications struct {
	Sections []NotificationSection // the portal first
	Asked    bool                  // they were asked, and have answered or put it off (P-03)
}

// Notifications lists what the acting person may have mail about, and what they chose.
func (l *Ledger) Notifications(ctx context.Context, by account.Actor) (out Notifications, err error) {
	err = l.lookPersonally(ctx, by, func(s *self) error { out, err = s.notifications(); return err })
	return out, err
}

func (s *self) notifications() (out Notifications, err error) {
	if out.Asked, err = s.NotificationsAsked(s.User.ID); err != nil {
		return out, err
	}
	wishes, err := s.Wishes(s.User.ID)
	if err != nil {
		return out, err
	}
	if out.Sections, err = s.l.sectionsOf(s.Tx, s.User.ID); err != nil {
		return out, err
	}
	for i := range out.Sections {
		for _, k := range account.NotificationKinds {
			if slices.Contains(wishes, account.Wish{Service: out.Sections[i].Service, Kind: k}) {
				out.Sections[i].Wanted = append(out.Sections[i].Wanted, k)
			}
		}
	}
	return out, nil
}

// sectionsOf are the services that somebody sees: those that are enabled on an org of theirs and that they hold a role in. Owners see all of
// their org's.
func (l *Ledger) sectionsOf(tx *table.Tx, u account.UserID) ([]NotificationSection, error) {
	out := []NotificationSection{{Service: account.Portal, Label: "This portal"}}
	places, err := tx.Places(u)
	if err != nil {
		return nil, err
	}
	seen := map[string][]string{}
	for _, p := range places {
		held, err := tx.Held(p.Account.ID, u)
		if err != nil {
			return nil, err
		}
		for _, id := range p.Org.Services {
			if sees(held, p.Org, id) {
				seen[id] = append(seen[id], p.Org.Name)
			}
		}
	}
	for _, s := range l.Catalogue().Services { // in the catalogue's order
		if orgs := seen[s.ID]; orgs != nil {
			out = append(out, NotificationSection{Service: s.ID, Label: s.Label, Orgs: orgs})
		}
	}
	return out, nil
}

// sees reports whether held says anything about a service of an org.
func sees(held []account.Held, org account.Org, service string) bool {
	return slices.ContainsFunc(held, func(h account.Held) bool {
		return h.Scope.Org == org.ID && (h.Role.Service() == service || h.Role == account.Owner && h.Scope.Team == "")
	})
}

// SetNotifications makes wishes the acting person's choices, of what they see; choices about what they do not see at the moment stay as they
// are. What they wish for and may not see is refused (NotFound). It counts as an answer to the question (P-03).
func (l *Ledger) SetNotifications(ctx context.Context, by account.Actor, wishes []account.Wish) (out Notifications, err error) {
	err = l.personally(ctx, by, "notifications.chosen", func(s *self) (*note, error) {
		before, err := s.notifications()
		if err != nil {
			return nil, err
		}
		for _, w := range wishes {
			if w.Kind.Label() == "" {
				return nil, account.Errorf(account.Invalid, "%q is no kind of notification.", w.Kind).At("/kinds").Fix("Use release_notes, security, end_of_life or maintenance.")
			}
			if !slices.ContainsFunc(before.Sections, func(n NotificationSection) bool { return n.Service == w.Service }) {
				return nil, account.Errorf(account.NotFound, "You see no service %q.", w.Service).At("/service").Fix("Choose among those of your roles.")
			}
		}
		changed := 0
		for _, n := range before.Sections {
			for _, k := range account.NotificationKinds {
				w := account.Wish{Service: n.Service, Kind: k}
				want := slices.Contains(wishes, w)
				if want == slices.Contains(n.Wanted, k) {
					continue
				}
				changed++
				if err := s.PutWish(s.User.ID, w, want, l.random(18), s.now); err != nil {
					return nil, err
				}
			}
		}
		if err := s.PutNotificationsAsked(s.User.ID, s.now); err != nil {
			return nil, err
		}
		if out, err = s.notifications(); err != nil || changed == 0 {
			return nil, err
		}
		s.Gain(table.OfUser(s.User.ID))
		return &note{Target: string(s.User.ID), Detail: map[string]any{"wishes": len(wishes), "changed": changed}}, nil
	})
	return out, err
}

// PutOffNotifications notes that the acting person was asked and does not want to choose now; nobody asks again (P-03).
func (l *Ledger) PutOffNotifications(ctx context.Context, by account.Actor) error {
	return l.personally(ctx, by, "notifications.put_off", func(s *self) (*note, error) {
		return nil, s.PutNotificationsAsked(s.User.ID, s.now)
	})
}

// Unsubscribing says what a link in a letter ends, for the page behind it; wanted is false when that has been done. NotFound for a token that
// nobody knows. Whoever holds the letter may: it does nothing else.
func (l *Ledger) Unsubscribing(ctx context.Context, token string) (w account.Wish, label string, wanted bool, err error) {
	err = l.db.Read(ctx, func(tx *table.Tx) error {
		row, is, found, err := tx.WishByToken(token)
		if err == nil && !found {
			err = noLink()
		}
		w, wanted = row.Wish, is
		return err
	})
	return w, l.serviceLabel(w.Service), wanted, err
}

func (l *Ledger) serviceLabel(id string) string {
	if s, ok := l.Catalogue().Service(id); ok {
		return s.Label
	}
	return "this portal"
}

// Unsubscribe ends the wish of a letter's token (RFC 8058); doing it twice changes nothing.
func (l *Ledger) Unsubscribe(ctx context.Context, by account.Actor, token string) error {
	now := l.now()
	return l.db.Write(ctx, func(tx *table.Tx) error {
		w, wanted, found, err := tx.WishByToken(token)
		if err != nil {
			return err
		}
		if !found {
			return noLink()
		}
		if !wanted {
			return nil
		}
		if err := tx.PutWish(w.User.ID, w.Wish, false, token, now); err != nil {
			return err
		}
		by.Kind, by.Job = account.ActorSystem, "unsubscribe"
		return l.audit(tx, by, "", "notifications.unsubscribed", note{Target: string(w.User.ID), Detail: map[string]any{"service": w.Wish.Service, "kind": w.Wish.Kind}}, now)
	})
}

// Publish writes to everybody who wishes for this kind of mail about this service and may see it, each once (P-01). It answers once the
// publication is on record; SendPublications writes the letters. Only the operator may.
func (l *Ledger) Publish(ctx context.Context, by account.Actor, w account.Wish, subject, text string) (account.Publication, error) {
	if by.Kind != account.ActorOperator {
		return account.Publication{}, account.Errorf(account.Forbidden, "Only the operator of this installation publishes.")
	}
	if w.Kind.Label() == "" {
		return account.Publication{}, account.Errorf(account.Invalid, "%q is no kind of notification.", w.Kind).At("/kind").Fix("Use release_notes, security, end_of_life or maintenance.")
	}
	if _, known := l.Catalogue().Service(w.Service); !known && w.Service != account.Portal {
		return account.Publication{}, account.Errorf(account.Invalid, "The catalogue has no service %q.", w.Service).At("/service").Fix("Use the id of one, or %q for the installation itself.", account.Portal)
	}
	if err := account.CheckLetter(subject, text); err != nil {
		return account.Publication{}, err
	}
	now := l.now()
	p := account.Publication{ID: account.NewID[account.PublicationID](now, l.opt.Random), Wish: w, Subject: subject, Text: text, At: now, By: by.String()}
	return p, l.db.Write(ctx, func(tx *table.Tx) error {
		if err := tx.InsertPublication(p); err != nil {
			return err
		}
		return l.audit(tx, by, "", "publication.published", note{Target: string(p.ID), Detail: map[string]any{"service": w.Service, "kind": w.Kind, "subject": subject}}, now)
	})
}

// Publications lists what was published, newest first, at most n (up to 1,000). Only the operator may.
func (l *Ledger) Publications(ctx context.Context, by account.Actor, n int) (out []account.Publication, err error) {
	if by.Kind != account.ActorOperator {
		return nil, account.Errorf(account.Forbidden, "Only the operator of this installation may do this.")
	}
	err = l.db.Read(ctx, func(tx *table.Tx) error {
		rows, err := tx.Publications(min(max(n, 1), 1000))
		for _, r := range rows {
			out = append(out, r.Publication)
		}
		return err
	})
	return out, err
}

// SendPublications writes the letters of what was published, until all are written or ctx ends. Each batch is a transaction with the place up
// to which letters have been written, so that whoever goes on begins there: nobody is left out and nobody is written to twice.
func (l *Ledger) SendPublications(ctx context.Context) error {
	var open []table.Publication
	err := l.db.Read(ctx, func(tx *table.Tx) (err error) { open, err = tx.OpenPublications(); return err })
	for _, p := range open {
		err = errors.Join(err, l.sendPublication(ctx, p))
	}
	return err
}

const lettersPerBatch = 200

func (l *Ledger) sendPublication(ctx context.Context, p table.Publication) error {
	for done := false; !done; {
		var moved bool
		next := p
		err := l.db.Write(ctx, func(tx *table.Tx) error {
			next = p
			people, err := tx.Wishers(p.Wish, p.Cursor, lettersPerBatch)
			if err != nil {
				return err
			}
			sent := 0
			for _, w := range people {
				next.Cursor = w.User.ID
				may, err := l.mayHear(tx, w)
				if err != nil {
					return err
				}
				if !may {
					continue
				}
				sent++
				if err := l.writeLetter(tx, "", w.User.Email, "publication", l.publicationData(p, w), l.now()); err != nil {
					return err
				}
			}
			next.Done = len(people) < lettersPerBatch
			moved, err = tx.MovePublication(p.ID, p.Cursor, next.Cursor, sent, next.Done)
			if err == nil && !moved {
				return errElsewhere // takes this batch's letters back: they have been written
			}
			return err
		})
		if errors.Is(err, errElsewhere) {
			return nil
		}
		if err != nil {
			return err
		}
		p, done = next, next.Done
	}
	return nil
}

// errElsewhere says that another process goes on with the same work.
var errElsewhere = errors.New("store: another process goes on with this")

// mayHear reports whether somebody who wishes for mail about a service is here, and still sees it (P-07).
func (l *Ledger) mayHear(tx *table.Tx, w table.Wisher) (bool, error) {
	if w.User.State != account.UserActive {
		return false, nil
	}
	sections, err := l.sectionsOf(tx, w.User.ID)
	return slices.ContainsFunc(sections, func(n NotificationSection) bool { return n.Service == w.Wish.Service }), err
}

func (l *Ledger) publicationData(p table.Publication, w table.Wisher) map[string]string {
	return map[string]string{"Subject": p.Subject, "Text": strings.ReplaceAll(p.Text, "\r\n", "\n"), "Kind": p.Wish.Kind.Label(), "Service": l.serviceLabel(p.Wish.Service),
		account.LetterUnsubscribe: "/unsubscribe/" + w.Token}
}
