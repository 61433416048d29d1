// Package fresh gives each test a database that has the schema of this tree already: migrating one costs more than most tests, and a
// copy of a migrated one does not. Tests of migrations start from an empty one (test/pg).
package fresh

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver named "sqlite"

	"github.com/drawbridge-id/drawbridge/store/schema"
	"github.com/drawbridge-id/drawbridge/test/pg"
)

// SQLite gives the URL of a file of the test's own.
func SQLite(t testing.TB) string {
	t.Helper()
	bytes, err := file()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "house.db")
	if err := os.WriteFile(path, bytes, 0o600); err != nil {
		t.Fatal(err)
	}
	return "sqlite:" + path
}

// Postgres gives the URL of a database of the test's own; where there is no server, the test is skipped as pg.URL does.
func Postgres(t testing.TB) string {
	t.Helper()
	return pg.Copy(t, "migrated_"+edition(), func(url string) error { return migrate("pgx", url, goose.DialectPostgres) })
}

// file is a migrated SQLite file.
var file = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "drawbridge-fresh")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "house.db")
	if err := migrate("sqlite", path, goose.DialectSQLite3); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

func migrate(driver, url string, d goose.Dialect) error {
	db, err := sql.Open(driver, url)
	if err != nil {
		return err
	}
	defer db.Close()
	p, err := goose.NewProvider(d, db, schema.Files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	_, err = p.Up(context.Background())
	return err
}

// edition names what the migrations say.
var edition = sync.OnceValue(func() string {
	sum := sha256.New()
	names, _ := fs.Glob(schema.Files, "*.sql") // the pattern is well formed
	for _, name := range names {
		text, err := schema.Files.ReadFile(name)
		if err != nil {
			panic(err) // it is embedded
		}
		sum.Write(text)
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
})
