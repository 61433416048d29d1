package table

import (
	"context"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/schema"
)

// Migrate brings the database to the schema of this release. On a database that is up to date it costs two
// short queries. Several replicas may start at once: one migrates, the others wait.
func (db *DB) Migrate(ctx context.Context) error { return db.migrate(ctx, schema.Files) }

func (db *DB) migrate(ctx context.Context, files fs.FS) error {
	dialect := goose.DialectSQLite3
	options := []goose.ProviderOption{goose.WithDisableGlobalRegistry(true)}
	if db.Dialect == Postgres {
		dialect = goose.DialectPostgres
		// A table and not an advisory lock, which some engines that speak PostgreSQL's protocol lack.
		locker, err := lock.NewPostgresTableLocker(lock.WithTableLockTimeout(100*time.Millisecond, 600))
		if err != nil {
			return err
		}
		options = append(options, goose.WithLocker(locker))
	}
	p, err := goose.NewProvider(dialect, db.SQL(), files, options...)
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	if err != nil && db.Dialect == SQLite {
		// Another process that opened the file at the same moment may have been faster: then nothing is pending any more.
		_, err = p.Up(ctx)
	}
	if err == nil && db.Dialect == SQLite {
		err = db.hint(ctx)
	}
	if err != nil {
		return account.Errorf(account.Unavailable, "The database could not be brought to this release's schema.").
			Fix("The database is as it was before the failed step; the cause is in the log.").Because(err)
	}
	return nil
}
