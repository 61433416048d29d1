package table

import (
	"strconv"
	"strings"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/directory"
)

// SearchPushed reads the page that a query asks for and counts all that it would find. Statements are made of the query's shape and
// never of what a client wrote: values are parameters. They are not kept prepared, since shapes are for strangers to choose. What a page
// skips is walked over in an index as counting does, so that a far page costs at most twice a near one.
func (tx *Tx) SearchPushed(a account.AccountID, c account.ConnectionID, q directory.Query) (rows []Pushed, places []directory.Place, total int, err error) {
	s := search{tx: tx}
	s.arg(a)
	s.arg(c)
	var from, counts []string
	for _, part := range q.Parts {
		s.kind = part.Kind
		rows := ` FROM scim_resources r WHERE r.account_id = $1 AND r.connection_id = $2 AND r.kind = ` + s.arg(part.Kind)
		if part.Where != nil {
			where, err := s.where(part.Where)
			if err != nil {
				return nil, nil, 0, err
			}
			rows += ` AND ` + where
		}
		from, counts = append(from, rows), append(counts, `(SELECT count(*)`+rows+`)`)
	}
	unprepared := &Tx{db: tx.db, ctx: tx.ctx, sql: tx.sql}
	total, _, err = one(unprepared, scanInt, `SELECT `+strings.Join(counts, " + "), s.args...)
	if err != nil || q.Count <= 0 || q.After == nil && q.Start >= total {
		return nil, nil, total, err
	}
	for i, part := range q.Parts {
		s.kind = part.Kind
		by := "NULL"
		if q.Sorted && part.SortBy != nil {
			by = s.key(*part.SortBy)
		}
		from[i] = `SELECT r.id AS id, ` + by + ` AS place` + from[i]
	}
	found := `SELECT id, place FROM (` + strings.Join(from, " UNION ALL ") + `) AS every`
	if q.After != nil {
		found += ` WHERE ` + s.behind(*q.After, q)
	}
	found += ` ORDER BY ` + order(q, "") + ` LIMIT ` + s.arg(q.Count)
	if q.After == nil {
		found += ` OFFSET ` + s.arg(q.Start)
	}
	type row struct {
		Pushed
		key any
	}
	// A cross join, so that SQLite begins with the page.
	all, err := list(unprepared, func(sc scanner) (r row, err error) {
		r.Pushed, err = scanPushed(withTail(sc, &r.key))
		return r, err
	}, `SELECT `+pushedColumns+`, page.place FROM (`+found+`) AS page CROSS JOIN scim_resources r
		 WHERE r.account_id = $1 AND r.connection_id = $2 AND r.id = page.id ORDER BY `+order(q, "page."), s.args...)
	for _, r := range all {
		if b, ok := r.key.([]byte); ok {
			r.key = append([]byte{}, b...) // SQLite has nil for a value that is empty
		}
		rows, places = append(rows, r.Pushed), append(places, directory.Place{ID: r.ID, Key: r.key})
	}
	return rows, places, total, err
}

// A search is a statement being made. Its first two parameters are the account and the connection.
type search struct {
	tx   *Tx
	kind directory.Kind
	args []any
}

func (s *search) arg(v any) string {
	s.args = append(s.args, v)
	return "$" + strconv.Itoa(len(s.args))
}

func unsearchable(ref directory.Ref, op directory.Op) error {
	return account.Errorf(account.Invalid, "%s cannot be searched by %s.", ref.Key(), op).Coded(directory.CodeFilter)
}

const (
	always = `1 = 1`
	never  = `1 = 0`
)

func (s *search) where(c *directory.Condition) (string, error) {
	switch c.Op {
	case directory.And, directory.Or, directory.Not, directory.Ne:
		return s.combined(c, s.where)
	case directory.Any:
		return s.element(c)
	}
	switch key := c.Ref.Key(); {
	case key == "id":
		if c.Op == directory.Eq {
			return "r.id = " + s.arg(c.Value), nil // by the index
		}
		return s.compare(s.bytes("r.id"), c), nil
	case key == "externalId":
		return "(length(r.external_key) > 0 AND " + s.compare("r.external_key", c) + ")", nil
	case key == "userName", key == "displayName" && s.kind == directory.Group:
		return s.prefix("r.name_key", c) + s.compare("r.name_key", c), nil
	case c.Ref.Attr.Name == "meta":
		return s.meta(c)
	case c.Ref.Attr.Name == "members", c.Ref.Attr.Name == "groups":
		return s.membership(c.Ref.Attr.Name, c)
	}
	keys := c.Ref.Leaves()
	paths := make([]string, len(keys))
	for i, ref := range keys {
		paths[i] = s.arg(ref.Key())
	}
	return `r.id IN (SELECT v.resource_id FROM scim_values v WHERE v.account_id = $1 AND v.connection_id = $2 AND v.path IN (` + strings.Join(paths, ", ") + `) AND ` +
		s.value("v", c) + `)`, nil
}

// combined is a condition made of others, which leaf spells.
func (s *search) combined(c *directory.Condition, leaf func(*directory.Condition) (string, error)) (string, error) {
	switch {
	case c.Op == directory.Ne:
		equal := *c
		equal.Op = directory.Eq
		w, err := leaf(&equal)
		return "NOT (" + w + ")", err
	case c.Op == directory.Not:
		w, err := leaf(c.Args[0])
		return "NOT (" + w + ")", err
	case len(c.Args) == 0 && c.Op == directory.And:
		return always, nil
	case len(c.Args) == 0:
		return never, nil
	}
	parts := make([]string, len(c.Args))
	for i, a := range c.Args {
		var err error
		if parts[i], err = leaf(a); err != nil {
			return "", err
		}
	}
	return "(" + strings.Join(parts, " "+strings.ToUpper(string(c.Op))+" ") + ")", nil
}

// value compares a row of scim_values, by the index where it can.
func (s *search) value(row string, c *directory.Condition) string {
	if c.Op == directory.Eq {
		return row + ".head = " + s.arg(headOf(c.Value)) + " AND " + s.compare(row+".value", c)
	}
	return s.prefix(row+".head", c) + s.compare(row+".value", c)
}

// prefix is the range of an index that a starts-with can be in.
func (s *search) prefix(column string, c *directory.Condition) string {
	if c.Op != directory.Sw || c.Value == "" {
		return ""
	}
	low := headOf(c.Value)
	out := column + " >= " + s.arg(low) + " AND "
	for high := append([]byte(nil), low...); len(high) > 0; high = high[:len(high)-1] {
		if last := len(high) - 1; high[last] < 0xff {
			high[last]++
			return out + column + " < " + s.arg(high) + " AND "
		}
	}
	return out
}

// compare is a comparison of bytes.
func (s *search) compare(column string, c *directory.Condition) string {
	if c.Value == "" && (c.Op == directory.Co || c.Op == directory.Sw || c.Op == directory.Ew) {
		return always // nothing is part of everything
	}
	switch c.Op {
	case directory.Eq:
		return column + " = " + s.arg([]byte(c.Value))
	case directory.Ne:
		return column + " <> " + s.arg([]byte(c.Value))
	case directory.Co:
		if s.tx.db.Dialect == Postgres {
			return "position(" + s.arg([]byte(c.Value)) + " IN " + column + ") > 0"
		}
		return "instr(" + column + ", " + s.arg([]byte(c.Value)) + ") > 0"
	case directory.Sw:
		n := s.arg(len(c.Value)) // SQLite has NULL for a part of nothing
		return "(length(" + column + ") >= " + n + " AND substr(" + column + ", 1, " + n + ") = " + s.arg([]byte(c.Value)) + ")"
	case directory.Ew:
		n := s.arg(len(c.Value))
		return "(length(" + column + ") >= " + n + " AND substr(" + column + ", length(" + column + ") - " + n + " + 1) = " + s.arg([]byte(c.Value)) + ")"
	case directory.Pr:
		return "length(" + column + ") > 0"
	}
	return column + " " + sign(c.Op) + " " + s.arg([]byte(c.Value))
}

func sign(op directory.Op) string {
	return map[directory.Op]string{directory.Eq: "=", directory.Gt: ">", directory.Ge: ">=", directory.Lt: "<", directory.Le: "<="}[op]
}

// bytes is a text column as bytes, which both databases compare alike.
func (s *search) bytes(column string) string {
	if s.tx.db.Dialect == Postgres {
		return "convert_to(" + column + ", 'UTF8')"
	}
	return "CAST(" + column + " AS BLOB)"
}

func (s *search) meta(c *directory.Condition) (string, error) {
	if c.Op == directory.Pr {
		return always, nil
	}
	switch c.Ref.Sub.Name {
	case "created":
		return "r.created_at " + sign(c.Op) + " " + s.arg(micros(c.Time.Truncate(time.Microsecond))), nil
	case "lastModified":
		return "r.modified_at " + sign(c.Op) + " " + s.arg(micros(c.Time.Truncate(time.Microsecond))), nil
	case "resourceType":
		literal := s.bytes(s.text(directory.Fold(string(s.kind))))
		return s.compare(literal, c), nil
	case "version":
		if c.Op == directory.Eq {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimPrefix(c.Value, `W/"`), `"`), 10, 64)
			if err != nil {
				return never, nil
			}
			return "r.version = " + s.arg(n), nil
		}
	}
	return "", unsearchable(c.Ref, c.Op)
}

// text is a parameter that is a text to PostgreSQL too, where nothing else says so.
func (s *search) text(v string) string {
	return "CAST(" + s.arg(v) + " AS TEXT)"
}

// membership searches groups by their members and users by their groups: by one row of scim_members that meets all of a condition.
func (s *search) membership(attr string, c *directory.Condition) (string, error) {
	mine, other := "group_id", "member_id"
	if attr == "groups" {
		mine, other = other, mine
	}
	meets, err := s.member(other, attr, c)
	return `r.id IN (SELECT m.` + mine + ` FROM scim_members m WHERE m.account_id = $1 AND m.connection_id = $2 AND ` + meets + `)`, err
}

func (s *search) member(other, attr string, c *directory.Condition) (string, error) {
	switch c.Op {
	case directory.And, directory.Or, directory.Not, directory.Ne:
		return s.combined(c, func(c *directory.Condition) (string, error) { return s.member(other, attr, c) })
	case directory.Any:
		return "", unsearchable(c.Ref, c.Op)
	}
	part := ""
	if c.Ref.Sub != nil {
		part = c.Ref.Sub.Name
	}
	switch {
	case c.Op == directory.Pr && (part == "" || part == "value" || part == "type"):
		return always, nil
	case part == "value" && c.Op == directory.Eq:
		return `m.` + other + ` = ` + s.arg(c.Value), nil // by the index
	case part == "value":
		return s.compare(s.bytes("m."+other), c), nil
	case part == "type" && attr == "members":
		return s.compare(s.bytes("lower(m.kind)"), c), nil
	case part == "type":
		return s.compare(s.bytes(s.text("direct")), c), nil
	case part == "display" && attr == "groups":
		return `EXISTS (SELECT 1 FROM scim_resources o WHERE o.account_id = $1 AND o.connection_id = $2 AND o.id = m.` + other + ` AND ` + s.compare("o.name_key", c) + `)`, nil
	}
	return "", unsearchable(c.Ref, c.Op)
}

// element asks for one value of a multi-valued attribute that meets a condition as a whole (RFC 7644 §3.4.2.2).
func (s *search) element(c *directory.Condition) (string, error) {
	if name := c.Ref.Attr.Name; name == "members" || name == "groups" {
		return s.membership(name, c.Args[0])
	}
	// One row of each element drives the search: one that an equality of the condition names, so that the index finds it, and
	// any otherwise.
	drive := ""
	if eq := equality(c.Args[0]); eq != nil {
		drive = `e.path = ` + s.arg(eq.Ref.Key()) + ` AND ` + s.value("e", eq)
	} else {
		leaves := c.Ref.Leaves()
		paths := make([]string, len(leaves))
		for i, ref := range leaves {
			paths[i] = s.arg(ref.Key())
		}
		drive = `e.path IN (` + strings.Join(paths, ", ") + `)`
	}
	meets, err := s.part(c.Args[0])
	return `r.id IN (SELECT e.resource_id FROM scim_values e WHERE e.account_id = $1 AND e.connection_id = $2 AND ` + drive + ` AND ` + meets + `)`, err
}

// equality is one that has to hold for the condition to hold; that of value before any other.
func equality(c *directory.Condition) *directory.Condition {
	switch c.Op {
	case directory.Eq:
		return c
	case directory.And:
		var best *directory.Condition
		for _, a := range c.Args {
			if eq := equality(a); eq != nil && (best == nil || eq.Ref.Leaf().Name == "value") {
				best = eq
			}
		}
		return best
	}
	return nil
}

// part asks a condition of the element that row e is part of.
func (s *search) part(c *directory.Condition) (string, error) {
	switch c.Op {
	case directory.And, directory.Or, directory.Not, directory.Ne:
		return s.combined(c, s.part)
	case directory.Any:
		return "", unsearchable(c.Ref, directory.Any)
	}
	return `EXISTS (SELECT 1 FROM scim_values v WHERE v.account_id = $1 AND v.connection_id = $2 AND v.resource_id = e.resource_id AND v.element = e.element AND v.path = ` +
		s.arg(c.Ref.Key()) + ` AND ` + s.value("v", c) + `)`, nil
}

// order is that of a query, of the columns place and id of a table.
func order(q directory.Query, table string) string {
	switch {
	case !q.Sorted:
		return table + "id"
	case q.Descending:
		return table + "place DESC NULLS FIRST, " + table + "id"
	}
	return table + "place ASC NULLS LAST, " + table + "id"
}

// behind asks for what stands behind a place. Ties are broken by id, so that pages do not overlap; who has no value stands last, and
// first when descending.
func (s *search) behind(p directory.Place, q directory.Query) string {
	id := s.arg(p.ID)
	switch {
	case !q.Sorted:
		return `id > ` + id
	case p.Key == nil && q.Descending:
		return `(place IS NOT NULL OR id > ` + id + `)`
	case p.Key == nil:
		return `(place IS NULL AND id > ` + id + `)`
	}
	key := s.arg(p.Key)
	if q.Descending {
		return `(place < ` + key + ` OR place = ` + key + ` AND id > ` + id + `)`
	}
	return `(place > ` + key + ` OR place = ` + key + ` AND id > ` + id + ` OR place IS NULL)`
}

// key is what a resource is sorted by; of a long value its beginning.
func (s *search) key(by directory.Ref) string {
	switch by.Key() {
	case "id":
		return s.bytes("r.id")
	case "externalId":
		return "CASE WHEN length(r.external_key) = 0 THEN NULL ELSE r.external_key END"
	case "meta.created":
		return "r.created_at"
	case "meta.lastModified":
		return "r.modified_at"
	case "meta.version":
		return "r.version"
	}
	leaf := by.Leaf()
	ref := by
	if leaf.Type == directory.Complex {
		// By the value (RFC 7644 §3.4.2.3); a complex attribute without one has no order.
		for _, sub := range leaf.Sub {
			if sub.Name == "value" {
				ref = ref.Within(sub)
			}
		}
	}
	switch {
	case by.Key() == "userName", by.Key() == "displayName" && s.kind == directory.Group:
		return "r.name_key"
	case ref.Leaf().Type == directory.Complex, ref.Attr.Name == "members", ref.Attr.Name == "groups", ref.Attr.Name == "meta", ref.Attr.Mutability == directory.WriteOnly:
		return "NULL"
	}
	return `(SELECT v.head FROM scim_values v WHERE v.account_id = r.account_id AND v.connection_id = r.connection_id AND v.resource_id = r.id AND v.path = ` +
		s.arg(ref.Key()) + ` ORDER BY v.prime DESC, v.element LIMIT 1)`
}
