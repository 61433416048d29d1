package store

import (
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// THREAT KEY-3
func TestNoFetchedTokenOutlivesItsClient(t *testing.T) {
	inTown(t, func(w *town) {
		c := w.connection.ID
		client, secret, err := w.MintSCIMClient(w.ctx(), theOperator, c, 90*time.Minute)
		w.ok(err)
		fetch := func() (account.Secret, time.Duration) {
			w.Helper()
			token, life, err := w.FetchSCIMToken(w.ctx(), account.Actor{}, c, client.ID, secret)
			w.ok(err)
			return token, life
		}
		stands := func(token account.Secret) error { return errOf(w.Pusher(w.ctx(), c, token)) }
		if _, life := fetch(); life != time.Hour {
			t.Errorf("lives %s", life)
		}
		w.clock.turn(time.Hour)
		token, life := fetch()
		if life != 30*time.Minute {
			t.Errorf("lives %s, and its client 30 minutes", life)
		}
		w.clock.turn(30*time.Minute - time.Second)
		w.ok(stands(token))
		w.clock.turn(time.Second)
		w.refuses(stands(token), account.Unauthorized, "")

		client, secret, err = w.MintSCIMClient(w.ctx(), theOperator, c, time.Hour)
		w.ok(err)
		token, _ = fetch()
		w.ok(stands(token))
		w.ok(w.RevokeSCIMClient(w.ctx(), theOperator, c, client.ID))
		w.refuses(stands(token), account.Unauthorized, "")
	})
}
