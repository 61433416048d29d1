package table

import "time"

// A Target is what a change takes power from. Whatever any process remembers of it is worthless from then on.
type Target struct {
	Kind TargetKind
	ID   string
}

// TargetKind is a kind of noun that credentials depend on.
type TargetKind string

// The kinds of targets. Each stands for all sessions and keys that belong to it.
const (
	TargetUser       TargetKind = "user"
	TargetAccount    TargetKind = "account"
	TargetConnection TargetKind = "connection"
	TargetSession    TargetKind = "session" // by its id
	TargetKey        TargetKind = "key"     // by its id
)

// Shut says that the transaction takes power from targets. Write answers when nothing that was remembered of them is used any more.
func (tx *Tx) Shut(t ...Target) { tx.shut = append(tx.shut, t...) }

// Settled asks to be told after the transaction has been committed: when that was, and when what it shut was in force everywhere.
func (tx *Tx) Settled(f func(committed, everywhere time.Time)) { tx.settled = append(tx.settled, f) }
