package table

import (
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

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
	TargetGroup      TargetKind = "group"   // an external user group: of its members, what the group lets them
	TargetAll        TargetKind = "all"     // whatever is remembered; it has no id
)

const targetKinds = 6

// number is the place of a kind among those that have marks of their own, -1 for others.
func (k TargetKind) number() int {
	switch k {
	case TargetUser:
		return 0
	case TargetAccount:
		return 1
	case TargetConnection:
		return 2
	case TargetSession:
		return 3
	case TargetKey:
		return 4
	case TargetGroup:
		return 5
	}
	return -1
}

// OfUser is all that a person may.
func OfUser(id account.UserID) Target { return Target{TargetUser, string(id)} }

// OfAccount is all that anybody may in an account, and by its connections and domains.
func OfAccount(id account.AccountID) Target { return Target{TargetAccount, string(id)} }

// OfConnection is every session that came through a connection.
func OfConnection(id account.ConnectionID) Target { return Target{TargetConnection, string(id)} }

// OfSession is one session.
func OfSession(id account.SessionID) Target { return Target{TargetSession, string(id)} }

// OfKey is one key.
func OfKey(id account.KeyID) Target { return Target{TargetKey, string(id)} }

// OfGroup is all that an external user group lets its members.
func OfGroup(id account.GroupID) Target { return Target{TargetGroup, string(id)} }

// Shut says that the transaction takes power from targets. Write answers when nothing that was remembered of them is used any more, by
// any process.
func (tx *Tx) Shut(t ...Target) { tx.shut = append(tx.shut, t...) }

// Gain says that the transaction changes targets and takes nothing from them. This process reads them anew at once; others go by what
// they remember for a few seconds more.
func (tx *Tx) Gain(t ...Target) { tx.gained = append(tx.gained, t...) }

// Said is how many targets Shut and Gain have named so far.
func (tx *Tx) Said() int { return len(tx.shut) + len(tx.gained) }

// Settled asks to be told after the transaction has been committed: when that was, and when what it shut was in force everywhere.
func (tx *Tx) Settled(f func(committed, everywhere time.Time)) { tx.settled = append(tx.settled, f) }
