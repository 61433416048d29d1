package pg_test

import (
	"database/sql"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/drawbridge-id/drawbridge/test/pg"
)

func open(t *testing.T, url string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func TestEachTestHasADatabaseOfItsOwn(t *testing.T) {
	one, two := open(t, pg.URL(t)), open(t, pg.URL(t))
	if _, err := one.Exec(`CREATE TABLE doors (id bigint PRIMARY KEY)`); err != nil {
		t.Fatal(err)
	}
	var n int
	err := two.QueryRow(`SELECT count(*) FROM doors`).Scan(&n)
	if err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Fatalf("a table of one database was seen in the other: count %d, error %v", n, err)
	}
}

func TestTheDatabaseIsGoneAfterwardsEvenIfConnectionsWereLeft(t *testing.T) {
	var url string
	t.Run("a test that leaves a connection behind", func(t *testing.T) {
		url = pg.URL(t)
		db, err := sql.Open("pgx", url)
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Ping(); err != nil { // and no Close
			t.Fatal(err)
		}
	})
	if url == "" {
		t.Skipf("skipped with its sub-test: %s is unset", pg.Env)
	}
	if err := open(t, url).Ping(); err == nil {
		t.Fatalf("%s still answers", url)
	}
}

// Without a server the tests say so and pass on a laptop, and fail where nothing may be skipped.
func TestWithoutAServer(t *testing.T) {
	for _, c := range []struct {
		ci              string
		skipped, failed bool
	}{{"", true, false}, {"true", false, true}} {
		t.Run("CI="+c.ci, func(t *testing.T) {
			t.Setenv(pg.Env, "")
			t.Setenv("CI", c.ci)
			r := &recorder{TB: t}
			done := make(chan struct{})
			go func() {
				defer close(done)
				pg.URL(r)
			}()
			<-done
			if r.skipped != c.skipped || r.failed != c.failed {
				t.Fatalf("skipped %v, failed %v; want %v, %v", r.skipped, r.failed, c.skipped, c.failed)
			}
			if !strings.Contains(r.said, pg.Env) {
				t.Fatalf("the message does not name %s: %q", pg.Env, r.said)
			}
		})
	}
}

// A recorder stands in for the test that calls URL, and keeps what happened to it.
type recorder struct {
	testing.TB
	skipped, failed bool
	said            string
}

func (r *recorder) Skipf(format string, args ...any) {
	r.skipped, r.said = true, fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.failed, r.said = true, fmt.Sprintf(format, args...)
	runtime.Goexit()
}
