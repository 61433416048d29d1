package store

import (
	"context"
	"encoding/base64"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
)

// maxCount is how far the people of a list are counted.
const maxCount = 1000

// A PeopleQuery asks for people of an account in the order of their names.
type PeopleQuery struct {
	Part  string // something their names or addresses have in them, whatever its case and accents; empty: everybody
	After string // PeoplePage.Next; empty: from the beginning
	Limit int    // up to 1,000
}

// A PeoplePage is part of an account's people, those who are only invited among them.
type PeoplePage struct {
	People []Person
	Next   string // empty: there are no more
	Total  int    // how many there are in all, up to 1,000
	More   bool   // and then there are more
}

// FindPeople lists people by name, and finds them by a part of it or of their address (D-17). A page costs the same wherever it lies: it is read
// from where the one before ended. Owners, user admins and the operator may.
func (l *Ledger) FindPeople(ctx context.Context, by account.Actor, a account.AccountID, q PeopleQuery) (PeoplePage, error) {
	key, id, err := readPeopleCursor(q.After)
	if err != nil {
		return PeoplePage{}, err
	}
	n, part := min(max(q.Limit, 1), 1000), account.Fold(q.Part)
	var out PeoplePage
	err = l.look(ctx, by, a, userAdmins, func(h *hand) error {
		out = PeoplePage{People: []Person{}}
		rows, err := h.ListPeople(a, key, id, part, n+1)
		if err != nil {
			return err
		}
		if len(rows) > n {
			rows = rows[:n]
			out.Next = peopleCursor(rows[n-1].Key, rows[n-1].ID())
		}
		var ids []account.UserID
		for _, r := range rows {
			if r.Invitation == "" {
				ids = append(ids, r.User.ID)
			}
		}
		held, err := h.HeldOf(a, ids)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if r.Invitation == "" {
				out.People = append(out.People, l.person(h.House, r.Tenant, held[r.User.ID]))
				continue
			}
			p := Person{User: r.User, Tenancy: r.Tenancy, Invitation: r.Invitation}
			p.Tenancy.Role = r.Role
			out.People = append(out.People, p)
		}
		out.Total, err = h.CountPeople(a, part, maxCount+1)
		if out.Total > maxCount {
			out.Total, out.More = maxCount, true
		}
		return err
	})
	return out, err
}

func peopleCursor(key, id string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(id + " " + key))
}

func readPeopleCursor(s string) (key, id string, err error) {
	if s == "" {
		return "", "", nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(s)
	id, key, found := strings.Cut(string(raw), " ")
	if err != nil || !found || strings.ContainsRune(string(raw), 0) || strings.ToValidUTF8(string(raw), "") != string(raw) {
		return "", "", account.Errorf(account.Invalid, "This is no cursor of a list of people.").At("/after").Fix("Use \"next\" of the page before.")
	}
	return key, id, nil
}
