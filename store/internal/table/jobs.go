package table

import "time"

// A Job is one piece of recurring work of the installation. Whoever holds its lease does it.
type Job struct {
	Name       string
	DueAt      time.Time
	LeaseUntil time.Time
	Attempts   int // failures since the last success
	LastError  string
	DoneAt     time.Time // the last success; zero: never
}

// EnsureJob makes a job that is due at an instant, unless it is there.
func (tx *Tx) EnsureJob(name string, due time.Time) error {
	_, err := tx.exec(`
		INSERT INTO jobs (name, due_at) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING`, name, micros(due))
	return err
}

// Job reads one.
func (tx *Tx) Job(name string) (Job, bool, error) {
	return one(tx, func(s scanner) (j Job, err error) {
		var due, lease, done int64
		err = s.Scan(&j.Name, &due, &lease, &j.Attempts, &j.LastError, &done)
		j.DueAt, j.LeaseUntil, j.DoneAt = instant(due), instant(lease), instant(done)
		return j, err
	}, `SELECT name, due_at, lease_until, attempts, last_error, done_at FROM jobs WHERE name = $1`, name)
}

// ClaimJob takes the lease of a job that is due and that nobody holds; of several replicas one is told true.
func (tx *Tx) ClaimJob(name string, at, until time.Time) (bool, error) {
	n, err := tx.exec(`
		UPDATE jobs SET lease_until = $3 WHERE name = $1 AND due_at <= $2 AND lease_until <= $2`, name, micros(at), micros(until))
	return n > 0, err
}

// ExtendJob prolongs a lease that is still held; held is the lease as it was last written.
func (tx *Tx) ExtendJob(name string, held, until time.Time) (bool, error) {
	n, err := tx.exec(`UPDATE jobs SET lease_until = $3 WHERE name = $1 AND lease_until = $2`, name, micros(held), micros(until))
	return n > 0, err
}

// FinishJob gives the lease back and says when the job is due again. A lease that somebody else has by now is left alone.
func (tx *Tx) FinishJob(j Job, held time.Time) error {
	_, err := tx.exec(`
		UPDATE jobs SET lease_until = 0, due_at = $3, attempts = $4, last_error = $5, done_at = $6 WHERE name = $1 AND lease_until = $2`,
		j.Name, micros(held), micros(j.DueAt), j.Attempts, j.LastError, micros(j.DoneAt))
	return err
}
