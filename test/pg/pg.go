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
	server := os.Getenv(Env)
	if server == "" {
		absent(t)
	}
	u, err := url.Parse(server)
	if err != nil {
		t.Fatalf("%s is not a URL: %v", Env, err)
	}
	name := databaseName(t.Name())
	run(t, server, `CREATE DATABASE "`+name+`"`)
	t.Cleanup(func() {
		// FORCE: a test that forgets to close its pool must not fail here, where the reason
		// cannot be seen. Leaked connections are the business of the test of the pool.
		run(t, server, `DROP DATABASE IF EXISTS "`+name+`" WITH (FORCE)`)
	})
	u.Path = "/" + name
	return u.String()
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
