package table

import (
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// Wishes lists what somebody wishes for.
func (tx *Tx) Wishes(u account.UserID) ([]account.Wish, error) {
	return list(tx, func(s scanner) (w account.Wish, err error) { return w, s.Scan(&w.Service, &w.Kind) }, `
		SELECT service, kind FROM notification_wishes WHERE user_id = $1 AND wanted ORDER BY service, kind`, u)
}

// PutWish notes that somebody wishes for something, or not any more. The token of an earlier wish stays, because letters carry it.
func (tx *Tx) PutWish(u account.UserID, w account.Wish, wanted bool, token string, at time.Time) error {
	_, err := tx.exec(`
		INSERT INTO notification_wishes (user_id, service, kind, wanted, token, at) VALUES ($1, $2, $3, $4, $5, $6)
		    ON CONFLICT (user_id, service, kind) DO UPDATE SET wanted = excluded.wanted, at = excluded.at`,
		u, w.Service, w.Kind, wanted, token, micros(at))
	return err
}

// A Wisher is somebody who wishes for something.
type Wisher struct {
	User  account.User
	Wish  account.Wish
	Token string
}

// Wishers pages through who wishes for something, by user id.
func (tx *Tx) Wishers(w account.Wish, after account.UserID, n int) ([]Wisher, error) {
	return list(tx, func(s scanner) (r Wisher, err error) {
		r.Wish = w
		r.User, err = scanUser(withTail(s, &r.Token))
		return r, err
	}, `
		SELECT u.id, u.email, u.name, u.state, u.created_at, w.token
		  FROM notification_wishes w JOIN users u ON u.id = w.user_id
		 WHERE w.service = $1 AND w.kind = $2 AND w.wanted AND w.user_id > $3
		 ORDER BY w.user_id LIMIT $4`, w.Service, w.Kind, after, n)
}

// WishByToken finds the wish that a token ends.
func (tx *Tx) WishByToken(token string) (w Wisher, wanted, found bool, err error) {
	w, found, err = one(tx, func(s scanner) (r Wisher, err error) {
		r.User, err = scanUser(withTail(s, &r.Wish.Service, &r.Wish.Kind, &r.Token, &wanted))
		return r, err
	}, `
		SELECT u.id, u.email, u.name, u.state, u.created_at, w.service, w.kind, w.token, w.wanted
		  FROM notification_wishes w JOIN users u ON u.id = w.user_id WHERE w.token = $1`, token)
	return w, wanted, found, err
}

// NotificationsAsked reports whether somebody has been asked what they wish for.
func (tx *Tx) NotificationsAsked(u account.UserID) (bool, error) {
	_, found, err := one(tx, scanInt, `SELECT 1 FROM notification_asked WHERE user_id = $1`, u)
	return found, err
}

// PutNotificationsAsked notes that they have been.
func (tx *Tx) PutNotificationsAsked(u account.UserID, at time.Time) error {
	_, err := tx.exec(`INSERT INTO notification_asked (user_id, at) VALUES ($1, $2) ON CONFLICT (user_id) DO NOTHING`, u, micros(at))
	return err
}

// A Publication is a row, with how far it has got.
type Publication struct {
	account.Publication
	Cursor account.UserID
}

const publicationColumns = `id, service, kind, subject, body, at, by_actor, cursor_user, sent, done`

func scanPublication(s scanner) (p Publication, err error) {
	var at int64
	err = s.Scan(&p.ID, &p.Wish.Service, &p.Wish.Kind, &p.Subject, &p.Text, &at, &p.By, &p.Cursor, &p.Sent, &p.Done)
	p.At = instant(at)
	return p, err
}

// InsertPublication writes a new one.
func (tx *Tx) InsertPublication(p account.Publication) error {
	_, err := tx.exec(`INSERT INTO publications (id, service, kind, subject, body, at, by_actor) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		p.ID, p.Wish.Service, p.Wish.Kind, p.Subject, p.Text, micros(p.At), p.By)
	return err
}

// OpenPublications lists those whose letters have not all been written, oldest first.
func (tx *Tx) OpenPublications() ([]Publication, error) {
	return list(tx, scanPublication, `SELECT `+publicationColumns+` FROM publications WHERE NOT done ORDER BY id`)
}

// Publications lists all, newest first, at most n.
func (tx *Tx) Publications(n int) ([]Publication, error) {
	return list(tx, scanPublication, `SELECT `+publicationColumns+` FROM publications ORDER BY id DESC LIMIT $1`, n)
}

// MovePublication notes that letters have been written up to somebody; it is false when another process has gone on from the same place.
func (tx *Tx) MovePublication(id account.PublicationID, from, to account.UserID, sent int, done bool) (bool, error) {
	n, err := tx.exec(`
		UPDATE publications SET cursor_user = $3, sent = sent + $4, done = $5 WHERE id = $1 AND cursor_user = $2 AND NOT done`, id, from, to, sent, done)
	return n > 0, err
}
