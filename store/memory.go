package store

import (
	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/rules"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// memory keeps what is costly to make from rows. Each entry is found by a revision that the transaction
// has just read, so nothing of it can be out of date, and all of it may be forgotten at any time.
type memory struct {
	indexes  *lru.Cache[indexKey, *rules.Index]
	settings *lru.Cache[settingsKey, *account.Settings]
}

type indexKey struct {
	account  account.AccountID
	revision int64
}

type settingsKey struct {
	connection account.ConnectionID
	revision   int
}

func newMemory() memory {
	indexes, _ := lru.New[indexKey, *rules.Index](256) // an error means a size below 1
	settings, _ := lru.New[settingsKey, *account.Settings](1024)
	return memory{indexes, settings}
}

// activeIndex is the compiled index of an account's active rules at a revision.
func (m memory) activeIndex(tx *table.Tx, a account.AccountID, revision int64) (*rules.Index, error) {
	key := indexKey{a, revision}
	if ix, ok := m.indexes.Get(key); ok {
		return ix, nil
	}
	all, err := tx.Rules(a)
	if err != nil {
		return nil, err
	}
	ix := rules.CompileActive(all)
	m.indexes.Add(key, ix)
	return ix, nil
}
