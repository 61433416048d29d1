package test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/drawbridge-id/drawbridge/test/pg"
	"github.com/drawbridge-id/drawbridge/test/world"
)

// A throng is a house into which a provider has pushed many people: p0000000@acme.example and so on. Only the first of them came through
// the door; the rows that it left were copied for the others, so that they are what the verbs write, whatever that is.
type throng struct {
	*pusher
	people int
	scu    string // id of the first pushed user
}

// throngsOf is how many people the largest throng has; BENCH_PEOPLE makes it smaller.
func throngsOf(b *testing.B) int {
	b.Helper()
	n, err := strconv.Atoi(os.Getenv("BENCH_PEOPLE"))
	if err != nil {
		n = 1_000_000
	}
	return n
}

// newThrong fills a house.
func newThrong(b *testing.B, database string, people int) *throng {
	b.Helper()
	w := world.New(b, database)
	w.Cfg.Scim.Rate, w.Cfg.Scim.Burst = 1e9, 1e9 // nobody is told to wait
	w.Stop()
	w.Start()
	c := &throng{pusher: pusherOf(w, w.Acme().Connection), people: people}
	c.scu = c.send("POST", "/Users", aPerson("p0000000")).is(201).text("id")
	usr := fmt.Sprint(w.Audit("acme", "scim.user_created").Detail["user"])
	w.Stop()
	began := time.Now()
	r := newCopier(b, database)
	r.same[tail(c.scu)], r.same[tail(usr)] = "", ""
	r.same["p0000000"] = "p"
	for _, table := range []string{"users", "tenancies", "role_sources", "scim_resources", "scim_values", "audit"} {
		r.multiply(table, people, c.scu, usr)
	}
	r.close()
	b.Logf("%d people are in %s after %v", people, strings.SplitN(database, ":", 2)[0], time.Since(began).Round(time.Millisecond))
	w.Start()
	return c
}

// tail is the part of an id that its copies do not share: ULIDs are Crockford's base 32, to which digits belong.
func tail(id string) string { return id[len(id)-7:] }

// id is that of the nth pushed user.
func (c *throng) id(n int) string {
	if n == 0 {
		return c.scu
	}
	return strings.TrimSuffix(c.scu, tail(c.scu)) + fmt.Sprintf("%07d", n)
}

// aPerson is a user as a provider spells one, with the parts that all of them fill.
func aPerson(name string) map[string]any {
	email := name + "@acme.example"
	return map[string]any{"schemas": []string{userSchema}, "userName": email, "externalId": "ext-" + name, "active": true, "displayName": "Somebody " + name,
		"name":   map[string]any{"givenName": "Somebody", "familyName": name},
		"emails": []any{map[string]any{"value": email, "type": "work", "primary": true}}}
}

// A copier multiplies rows of a database.
type copier struct {
	testing.TB
	db       *sql.DB
	postgres bool
	same     map[string]string // what a copy has in another way: this text becomes that one and the number
}

func newCopier(b testing.TB, database string) *copier {
	b.Helper()
	driver, source := "pgx", database
	path, file := strings.CutPrefix(database, "sqlite:")
	if file {
		// Nothing of it has to survive anything.
		driver, source = "sqlite", "file:"+path+"?_pragma=synchronous(OFF)&_pragma=cache_size(-400000)&_pragma=busy_timeout(5000)"
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		b.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	r := &copier{TB: b, db: db, postgres: !file, same: map[string]string{}}
	if file {
		r.exec("PRAGMA journal_mode = MEMORY")
	}
	return r
}

func (r *copier) close() {
	if r.postgres {
		r.exec("VACUUM ANALYZE")
	} else {
		r.exec("PRAGMA journal_mode = WAL")
	}
	if err := r.db.Close(); err != nil {
		r.Fatal(err)
	}
}

func (r *copier) exec(statement string, args ...any) {
	r.Helper()
	if _, err := r.db.Exec(statement, args...); err != nil {
		r.Fatalf("%v in %s", err, statement)
	}
}

// multiply makes copies 1 to n-1 of those rows of a table in which one of the ids occurs.
func (r *copier) multiply(table string, n int, ids ...string) {
	r.Helper()
	rows, err := r.db.Query("SELECT * FROM " + table)
	if err != nil {
		r.Fatal(err)
	}
	columns, err := rows.Columns()
	if err != nil {
		r.Fatal(err)
	}
	var found [][]any
	for rows.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			r.Fatal(err)
		}
		if mentions(values, ids) {
			found = append(found, values)
		}
	}
	if err := rows.Err(); err != nil {
		r.Fatal(err)
	}
	_ = rows.Close()
	if len(found) == 0 {
		r.Fatalf("%s has no row of the first of many", table)
	}
	for _, values := range found {
		r.copyRow(table, columns, values, n)
	}
}

func mentions(values []any, ids []string) bool {
	for _, v := range values {
		for _, id := range ids {
			if s, ok := v.(string); ok && strings.Contains(s, id) {
				return true
			}
		}
	}
	return false
}

func (r *copier) copyRow(table string, columns []string, values []any, n int) {
	r.Helper()
	number, series := `printf('%07d', n)`, `WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < %d)`
	if r.postgres {
		number, series = `lpad(n::text, 7, '0')`, `WITH s(n) AS (SELECT generate_series(1, %d))`
	}
	same := map[string]string{}
	for text, becomes := range r.same {
		same[text] = becomes
	}
	if table == "audit" { // its own id is of nobody else's making
		same[tail(values[1].(string))] = ""
	}
	out := make([]string, len(values))
	var args []any
	for i, v := range values {
		raw, isBytes := v.([]byte)
		text, isText := v.(string)
		if isBytes && utf8.Valid(raw) {
			text = string(raw)
		}
		args = append(args, v)
		expr := "$" + strconv.Itoa(len(args))
		if isText {
			expr = "CAST(" + expr + " AS TEXT)"
		}
		if isBytes {
			expr = map[bool]string{false: "CAST(" + expr + " AS BLOB)", true: "CAST(" + expr + " AS BYTEA)"}[r.postgres]
		}
		if _, isNumber := v.(int64); isNumber {
			expr = "CAST(" + expr + " AS BIGINT)"
		}
		for old, becomes := range same {
			if !strings.Contains(text, old) {
				continue
			}
			if isBytes {
				expr = map[bool]string{false: "CAST(" + expr + " AS TEXT)", true: "convert_from(" + expr + ", 'UTF8')"}[r.postgres]
			}
			expr = fmt.Sprintf("replace(%s, '%s', '%s' || %s)", expr, old, becomes, number)
			if isBytes {
				expr = map[bool]string{false: "CAST(" + expr + " AS BLOB)", true: "convert_to(" + expr + ", 'UTF8')"}[r.postgres]
			}
		}
		out[i] = expr
	}
	r.exec(fmt.Sprintf("INSERT INTO %s (%s) "+series+" SELECT %s FROM s", table, strings.Join(columns, ", "), n-1, strings.Join(out, ", ")), args...)
}

// databases runs a benchmark on SQLite, and on PostgreSQL where there is one.
func databases(b *testing.B, run func(b *testing.B, fresh func() string)) {
	b.Run("sqlite", func(b *testing.B) {
		run(b, func() string { return "sqlite:" + filepath.Join(b.TempDir(), "house.db") })
	})
	b.Run("postgres", func(b *testing.B) {
		if os.Getenv(pg.Env) == "" {
			b.Skip("no PostgreSQL")
		}
		run(b, func() string { return pg.URL(b) })
	})
}
