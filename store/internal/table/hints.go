package table

import (
	"context"
	"fmt"
	"strings"
)

// SQLite plans by what ANALYZE has counted. On a database that was never analyzed it supposes that any first column of an index leaves ten
// rows, and here the first one is the tenant: it then takes an index that finds all of a tenant's people for as good as one that finds a
// single row. What was counted once on a small database would be no better. So each index has counts here that a large tenant would have,
// which makes plans the same everywhere and at any size (https://sqlite.org/lang_analyze.html, "fixed results of ANALYZE").

const hintedRows = 1_000_000

// shares are how many different values the columns have that many rows of a tenant have in common. All others are taken to tell rows apart.
var shares = map[string]int{"account_id": 10, "connection_id": 2, "org_id": 1, "team_id": 5, "kind": 2, "role": 10, "state": 2, "status": 2,
	"verb": 10, "path": 20, "source": 3, "client_id": 2, "which": 2}

// tellsApart is how many values a column has that is none of those, and atLeast how many rows share all columns of an index that is not unique.
const (
	tellsApart = 100_000
	atLeast    = 4
)

// hint gives every index of an SQLite database its counts, unless it has them.
func (db *DB) hint(ctx context.Context) error {
	c, err := db.SQL().Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	complete := false
	// While nothing was ever analyzed there is no such table.
	err = c.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM sqlite_stat1) = (SELECT count(*) FROM sqlite_schema WHERE type = 'index')`).Scan(&complete)
	if err == nil && complete {
		return nil
	}
	rows, err := c.QueryContext(ctx, `
		SELECT t.name, i.name, i."unique", c.name
		  FROM sqlite_schema t, pragma_index_list(t.name) i, pragma_index_info(i.name) c
		 WHERE t.type = 'table' ORDER BY t.name, i.name, c.seqno`)
	if err != nil {
		return err
	}
	defer rows.Close()
	type index struct {
		table, name string
		unique      bool
		columns     []string
	}
	var all []*index
	for rows.Next() {
		var i index
		var column string
		if err := rows.Scan(&i.table, &i.name, &i.unique, &column); err != nil {
			return err
		}
		if n := len(all); n == 0 || all[n-1].name != i.name {
			all = append(all, &i)
		}
		last := all[len(all)-1]
		last.columns = append(last.columns, column)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	t, err := c.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer t.Rollback()
	for _, text := range []string{`ANALYZE meta`, `DELETE FROM sqlite_stat1`} { // the first one makes the table
		if _, err := t.ExecContext(ctx, text); err != nil {
			return err
		}
	}
	for _, i := range all {
		if _, err := t.ExecContext(ctx, `INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ($1, $2, $3)`, i.table, i.name, counts(i.columns, i.unique)); err != nil {
			return err
		}
	}
	if err := t.Commit(); err != nil {
		return err
	}
	_, err = c.ExecContext(ctx, `ANALYZE sqlite_schema`) // reads them
	return err
}

// counts are all rows, and how many share the first column, the first two, and so on.
func counts(columns []string, unique bool) string {
	out := []string{fmt.Sprint(hintedRows)}
	left := hintedRows
	for i, c := range columns {
		n, common := shares[c]
		if !common {
			n = tellsApart
		}
		left = max(left/n, atLeast)
		if unique && i == len(columns)-1 {
			left = 1
		}
		out = append(out, fmt.Sprint(left))
	}
	return strings.Join(out, " ")
}
