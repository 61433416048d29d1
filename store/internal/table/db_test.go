package table

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/test/pg"
)

// Concurrent writers share a commit, and one that fails takes nobody with it.
func TestGroupCommitKeepsEachChangeItsOwn(t *testing.T) {
	ctx := t.Context()
	db, err := Open(ctx, "sqlite:"+t.TempDir()+"/a.db", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Write(ctx, func(tx *Tx) error { _, err := tx.exec(`CREATE TABLE n (v BIGINT PRIMARY KEY)`); return err }); err != nil {
		t.Fatal(err)
	}
	refused := errors.New("odd numbers are refused")
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			err := db.Write(ctx, func(tx *Tx) error {
				if _, err := tx.exec(`INSERT INTO n (v) VALUES ($1)`, i); err != nil {
					return err
				}
				if i%2 == 1 {
					return refused
				}
				if i%50 == 0 {
					panic("a defect in one change")
				}
				return nil
			})
			switch {
			case i%2 == 1 && !errors.Is(err, refused), i%2 == 0 && i%50 == 0 && err == nil, i%2 == 0 && i%50 != 0 && err != nil:
				t.Errorf("write %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	err = db.Read(ctx, func(tx *Tx) error {
		n, _, err := one(tx, func(s scanner) (n int, err error) { return n, s.Scan(&n) }, `SELECT count(*) FROM n`)
		if n != 96 {
			return fmt.Errorf("%d rows, want 96", n)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A reader sees committed rows only and cannot write.
func TestReadersCannotWrite(t *testing.T) {
	db, err := Open(context.Background(), "sqlite:"+t.TempDir()+"/a.db", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Read(t.Context(), func(tx *Tx) error { _, err := tx.exec(`CREATE TABLE n (v BIGINT)`); return err }); err == nil {
		t.Fatal("a read transaction wrote")
	}
}

// More readers than connections, each with a statement nobody has prepared yet, all get their turn.
func TestReadersDoNotWaitForEachOther(t *testing.T) {
	db, err := Open(t.Context(), "sqlite:"+t.TempDir()+"/a.db", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			err := db.Read(ctx, func(tx *Tx) error {
				for j := range 5 {
					if _, _, err := one(tx, func(s scanner) (n int, err error) { return n, s.Scan(&n) }, fmt.Sprintf(`SELECT %d`, 5*i+j)); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// A look is one statement, which needs no transaction to see one snapshot; two would see two.
func TestALookIsOneStatementThatReads(t *testing.T) {
	looks := func(t *testing.T, url string) {
		db, err := Open(t.Context(), url, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		err = db.Look(t.Context(), func(tx *Tx) error {
			if text, found, err := one(tx, scanText, `SELECT 'seen'`); text != "seen" || !found || err != nil {
				t.Errorf("the first statement: %q %v %v", text, found, err)
			}
			if _, _, err := one(tx, scanText, `SELECT 'again'`); err == nil {
				t.Error("a second statement ran")
			}
			_, err := tx.exec(`CREATE TABLE n (v BIGINT)`)
			return err
		})
		if err == nil {
			t.Error("a look changed something")
		}
	}
	t.Run("sqlite", func(t *testing.T) { looks(t, "sqlite:"+t.TempDir()+"/a.db") })
	t.Run("postgres", func(t *testing.T) { looks(t, pg.URL(t)) })
}
