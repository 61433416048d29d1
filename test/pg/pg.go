// Package pg gives each test a PostgreSQL database of its own, in a server that somebody else
// started: test/postgres.sh does so for make test.
package pg

import (
	"context"
	"crypto/rand"
	"database/sql"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver named "pgx"
)

// Env names the environment variable that holds the URL of a server on which the tests may create
// and drop databases: postgres://user:password@host:port/database. test/postgres.sh sets it.
const Env = "DRAWBRIDGE_TEST_POSTGRES"

// patience bounds each of the two statements sent to the server, so that a server that hangs
// fails one test and not the whole run.
const patience = 30 * time.Second

// URL creates an empty database and returns its URL, in the form that Env has. The database is
// dropped when the test ends, with whatever connections are left to it. Where Env is unset, the
// test is skipped with the reason, or fails when CI=true.
func URL(t testing.TB) string {
	t.Helper()
	return create(t, "")
}

// Copy is URL for a database that begins as fill has made the one called original: whoever needs it first makes it, and it stays as
// long as the server. The name says all that fill hangs on.
func Copy(t testing.TB, original string, fill func(url string) error) string {
	t.Helper()
	if err := template(t, original, fill); err != nil {
		t.Fatalf("the database %s could not be made: %v", original, err)
	}
	return create(t, ` TEMPLATE "`+original+`"`)
}

func create(t testing.TB, like string) string {
	t.Helper()
	server := at(t, "")
	name := databaseName(t.Name())
	run(t, server, `CREATE DATABASE "`+name+`"`+like)
	t.Cleanup(func() {
		// FORCE: a test that forgets to close its pool must not fail here, where the reason
		// cannot be seen. Leaked connections are the business of the test of the pool.
		run(t, server, `DROP DATABASE IF EXISTS "`+name+`" WITH (FORCE)`)
	})
	return at(t, name)
}

// at is the URL of a database of the server; of the one in Env without a name.
func at(t testing.TB, name string) string {
	t.Helper()
	server := os.Getenv(Env)
	if server == "" {
		absent(t)
	}
	u, err := url.Parse(server)
	if err != nil {
		t.Fatalf("%s is not a URL: %v", Env, err)
	}
	if name != "" {
		u.Path = "/" + name
	}
	return u.String()
}

// template makes a database once per server, whichever process comes first. It is filled under another name, so that one
// that was left half filled is never copied.
func template(t testing.TB, name string, fill func(url string) error) error {
	t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	db, err := sql.Open("pgx", at(t, ""))
	if err != nil {
		return err
	}
	defer db.Close()
	c, err := db.Conn(ctx) // holds the lock until it is closed
	if err != nil {
		return err
	}
	defer c.Close()
	var there bool
	exists := `SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)`
	if err := c.QueryRowContext(ctx, exists, name).Scan(&there); err != nil || there {
		return err
	}
	if _, err := c.ExecContext(ctx, `SELECT pg_advisory_lock(hashtext($1))`, name); err != nil {
		return err
	}
	if err := c.QueryRowContext(ctx, exists, name).Scan(&there); err != nil || there {
		return err
	}
	draft := databaseName("template")
	if _, err := c.ExecContext(ctx, `CREATE DATABASE "`+draft+`"`); err != nil {
		return err
	}
	if err := fill(at(t, draft)); err != nil {
		return err
	}
	_, err = c.ExecContext(ctx, `ALTER DATABASE "`+draft+`" RENAME TO "`+name+`"`)
	return err
}

func absent(t testing.TB) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("PostgreSQL is not available: %s is unset. A test may not be skipped when CI=true.", Env)
	}
	t.Skipf("PostgreSQL is not available: %s is unset. `make test` starts one, or run: test/postgres.sh go test ./...", Env)
}

// run sends one statement. CREATE and DROP DATABASE refuse to run inside a transaction or beside
// another statement, so each has its own connection.
func run(t testing.TB, server, statement string) {
	t.Helper()
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	db, err := sql.Open("pgx", server)
	if err != nil {
		t.Fatalf("%s: %v", Env, err)
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// databaseName makes a name that PostgreSQL takes (at most 63 bytes), that says which test it
// belongs to, and that two runs of one test do not share.
func databaseName(test string) string {
	spelled := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + ('a' - 'A')
		}
		return '_'
	}, test)
	if len(spelled) > 40 {
		spelled = spelled[:40]
	}
	return "t_" + spelled + "_" + strings.ToLower(rand.Text()[:12])
}
