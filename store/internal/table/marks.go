package table

import (
	"hash/maphash"
	"sync/atomic"
)

// stripes is how many counters the targets of one kind share. Two that share one are forgotten together, which costs a read.
const stripes = 4096

// A Mark is one of the counters that a remembered thing hangs on.
type Mark uint16

var markSeed = maphash.MakeSeed()

// MarkOf is the counter of a target.
func MarkOf(t Target) Mark {
	return Mark(t.Kind.number()*stripes + int(maphash.String(markSeed, t.ID)%stripes))
}

// Marks say whether what somebody read from the database, and remembers, is still so. There is no index of who remembers what: each
// change counts up the generation and leaves it at the marks of its targets; whoever reads notes the generation from before the read, and
// what was read stands while none of its marks is newer. A read that raced a change is worthless by itself.
type Marks struct {
	generation atomic.Uint64
	floor      atomic.Uint64 // of everything
	last       [targetKinds * stripes]atomic.Uint64
}

// Generation is to be asked before the read begins.
func (m *Marks) Generation() uint64 { return m.generation.Load() }

// Stand reports whether what was read in a generation, and hangs on marks, is still so.
func (m *Marks) Stand(since uint64, marks []Mark) bool {
	for _, k := range marks {
		if m.last[k].Load() > since {
			return false
		}
	}
	return m.floor.Load() <= since
}

// Hit makes worthless what is remembered of targets. It has to be called after the change has been committed.
func (m *Marks) Hit(targets ...Target) {
	if len(targets) == 0 {
		return
	}
	g := m.generation.Add(1)
	for _, t := range targets {
		if t.Kind.number() < 0 { // TargetAll, or a kind that only a later release knows
			raise(&m.floor, g)
			continue
		}
		raise(&m.last[MarkOf(t)], g)
	}
}

// Forget makes everything worthless that is remembered.
func (m *Marks) Forget() { m.Hit(Target{Kind: TargetAll}) }

// raise never lowers: of two changes at once the later generation may arrive first.
func raise(c *atomic.Uint64, to uint64) {
	for {
		have := c.Load()
		if have >= to || c.CompareAndSwap(have, to) {
			return
		}
	}
}
