package account

import "time"

// A Breaker keeps a source (a connection with its pushes and streams, or a stream that belongs to none) from removing more than a share of
// its people within a time. docs/decisions/breaker.md has the reasons.
type Breaker struct {
	Off    bool          // nothing is kept back
	Share  int           // percent of its people, 1 to 100
	Within time.Duration // one minute to seven days
	Least  int           // with fewer people than this, nothing is kept back
}

// DefaultBreaker is that of a source that says nothing of its own.
var DefaultBreaker = Breaker{Share: 30, Within: 10 * time.Minute, Least: 20}

// Check says what is wrong with it.
func (b Breaker) Check() error {
	var c checker
	if b.Share < 1 || b.Share > 100 {
		c.bad("/share", "The share is a percentage from 1 to 100.")
	}
	if b.Within < time.Minute || b.Within > 7*24*time.Hour {
		c.bad("/within", "The time is between a minute and seven days.")
	}
	if b.Least < 0 {
		c.bad("/least", "The number of people is not below 0.")
	}
	if len(c.problems) == 0 {
		return nil
	}
	return c.problems[0]
}

// A BreakerState is how a breaker stands.
type BreakerState struct {
	Breaker
	PausedAt   time.Time // removals are kept back since then; zero: they go through
	Removed    int       // paused: how many had been removed by then; else: within the time, up to now
	People     int       // of the source, when they were last counted; 0: never
	AllowLeft  int       // so many removals go through uncounted
	AllowUntil time.Time // all go through uncounted until then
}

// Paused reports whether removals are kept back.
func (b BreakerState) Paused() bool { return !b.PausedAt.IsZero() }
