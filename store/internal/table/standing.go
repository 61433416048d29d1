package table

import "time"

// Standing counts sources of removals that are paused, and enabled streams that have been silent since an instant.
func (tx *Tx) Standing(since time.Time) (paused, silent int, err error) {
	if paused, _, err = one(tx, scanInt, `SELECT count(*) FROM breakers WHERE paused_at > 0 AND NOT off`); err != nil {
		return 0, 0, err
	}
	silent, _, err = one(tx, scanInt, `
		SELECT count(*) FROM streams
		 WHERE enabled AND created_at < $1 AND event_at < $1 AND checked_at < $1 AND verified_at < $1`, micros(since))
	return paused, silent, err
}
