package store

import (
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/rules"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// memory keeps what is costly to make from rows. Each entry is found by a revision that the transaction
// has just read, so nothing of it can be out of date; all of it may be forgotten at any time.
type memory struct {
	rules      *lru.Cache[rulesKey, ruleSet]
	settings   *lru.Cache[settingsKey, *account.Settings]
	versions   *lru.Cache[versionsKey, versions]
	groupsSeen *lru.Cache[groupKey, time.Time] // when a group value was last noted by this process
	unverified *lru.Cache[account.ConnectionID, *rate.Limiter]
	bell       *bell
}

type rulesKey struct {
	account  account.AccountID
	revision int64
}

// A ruleSet is the active rules of an account.
type ruleSet struct {
	index *rules.Index
	names map[account.RuleID]string
}

type settingsKey struct {
	connection account.ConnectionID
	revision   int
}

// A versionsKey names the state of both versions of a connection: each promotion has its revision, and each change of a draft or its
// secrets its edition.
type versionsKey struct {
	connection account.ConnectionID
	revision   int
	edition    string
}

// versions have their secrets opened.
type versions struct{ live, draft *account.Settings }

type groupKey struct {
	connection account.ConnectionID
	value      string
}

func newMemory() memory {
	var m memory
	m.rules, _ = lru.New[rulesKey, ruleSet](256) // an error means a size below 1
	m.settings, _ = lru.New[settingsKey, *account.Settings](1024)
	m.versions, _ = lru.New[versionsKey, versions](1024)
	m.groupsSeen, _ = lru.New[groupKey, time.Time](16384)
	m.unverified, _ = lru.New[account.ConnectionID, *rate.Limiter](16384)
	m.bell = new(bell)
	return m
}

// activeRules are an account's active rules at a revision. They are remembered only when tx has read what is committed: a revision
// that is rolled back is given out again, for other rules.
func (m memory) activeRules(tx *table.Tx, a account.AccountID, revision int64) (ruleSet, error) {
	key := rulesKey{a, revision}
	if set, ok := m.rules.Get(key); ok {
		return set, nil
	}
	all, err := tx.Rules(a)
	if err != nil {
		return ruleSet{}, err
	}
	set := ruleSet{index: rules.CompileActive(all), names: map[account.RuleID]string{}}
	for _, r := range all {
		if r.Active != nil {
			set.names[r.ID] = r.Active.Name
		}
	}
	if tx.Committed() {
		m.rules.Add(key, set)
	}
	return set, nil
}
