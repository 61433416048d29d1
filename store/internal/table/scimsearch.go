package table

import (
	"strconv"
	"strings"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/directory"
)

// SearchPushed reads the page that a query asks for and counts all that it would find. Statements are made of the query's shape and
// never of what a client wrote: values are parameters. They are not kept prepared, since shapes are for strangers to choose.
func (tx *Tx) SearchPushed(a account.AccountID, c account.ConnectionID, k directory.Kind, q directory.Query) ([]Pushed, int, error) {
	s := search{tx: tx, kind: k}
	from := ` FROM scim_resources r WHERE r.account_id = ` + s.arg(a) + ` AND r.connection_id = ` + s.arg(c) + ` AND r.kind = ` + s.arg(k)
	if q.Where != nil {
		where, err := s.where(q.Where)
		if err != nil {
			return nil, 0, err
		}
		from += ` AND ` + where
	}
	unprepared := &Tx{db: tx.db, ctx: tx.ctx, sql: tx.sql}
	total, _, err := one(unprepared, scanInt, `SELECT count(*)`+from, s.args...)
	if err != nil || q.Count <= 0 || q.After == "" && q.Start >= total {
		return nil, total, err
	}
	if q.After != "" {
		from += ` AND r.id > ` + s.arg(q.After)
	}
	order, err := s.order(q)
	if err != nil {
		return nil, 0, err
	}
	page := `SELECT ` + pushedColumns + from + ` ORDER BY ` + order + ` LIMIT ` + s.arg(q.Count)
	if q.After == "" {
		page += ` OFFSET ` + s.arg(q.Start)
	}
	rows, err := list(unprepared, scanPushed, page, s.args...)
	return rows, total, err
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
	case directory.And, directory.Or:
		parts := make([]string, len(c.Args))
		for i, a := range c.Args {
			var err error
			if parts[i], err = s.where(a); err != nil {
				return "", err
			}
		}
		return "(" + strings.Join(parts, " "+strings.ToUpper(string(c.Op))+" ") + ")", nil
	case directory.Not:
		w, err := s.where(c.Args[0])
		return "NOT (" + w + ")", err
	case directory.Any:
		return s.element(c)
	case directory.Ne:
		equal := *c
		equal.Op = directory.Eq
		w, err := s.where(&equal)
		return "NOT (" + w + ")", err
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
		return s.membership(c)
	}
	keys := c.Ref.Leaves()
	paths := make([]string, len(keys))
	for i, ref := range keys {
		paths[i] = s.arg(ref.Key())
	}
	return `r.id IN (SELECT v.resource_id FROM scim_values v WHERE v.account_id = $1 AND v.connection_id = $2 AND v.path IN (` + strings.Join(paths, ", ") + `) AND ` +
		s.value("v", c) + `)`, nil
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

// membership searches groups by their members and users by their groups.
func (s *search) membership(c *directory.Condition) (string, error) {
	mine, other := "group_id", "member_id"
	if c.Ref.Attr.Name == "groups" {
		mine, other = other, mine
	}
	rows := `r.id IN (SELECT m.` + mine + ` FROM scim_members m WHERE m.account_id = $1 AND m.connection_id = $2`
	if c.Op == directory.Pr {
		return rows + `)`, nil
	}
	switch c.Ref.Sub.Name {
	case "value":
		if c.Op == directory.Eq {
			return rows + ` AND m.` + other + ` = ` + s.arg(c.Value) + `)`, nil
		}
		return rows + ` AND ` + s.compare(s.bytes("m."+other), c) + `)`, nil
	case "type":
		if c.Ref.Attr.Name == "members" {
			return rows + ` AND ` + s.compare(s.bytes("lower(m.kind)"), c) + `)`, nil
		}
	}
	return "", unsearchable(c.Ref, c.Op)
}

// element asks for one value of a multi-valued attribute that meets a condition as a whole (RFC 7644 §3.4.2.2).
func (s *search) element(c *directory.Condition) (string, error) {
	if name := c.Ref.Attr.Name; name == "members" || name == "groups" {
		if c.Args[0].Op != directory.Eq && c.Args[0].Op != directory.Pr {
			return "", unsearchable(c.Ref, directory.Any)
		}
		return s.membership(c.Args[0])
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
	case directory.And, directory.Or:
		parts := make([]string, len(c.Args))
		for i, a := range c.Args {
			var err error
			if parts[i], err = s.part(a); err != nil {
				return "", err
			}
		}
		return "(" + strings.Join(parts, " "+strings.ToUpper(string(c.Op))+" ") + ")", nil
	case directory.Not:
		w, err := s.part(c.Args[0])
		return "NOT (" + w + ")", err
	case directory.Any:
		return "", unsearchable(c.Ref, directory.Any)
	case directory.Ne:
		equal := *c
		equal.Op = directory.Eq
		w, err := s.part(&equal)
		return "NOT (" + w + ")", err
	}
	return `EXISTS (SELECT 1 FROM scim_values v WHERE v.account_id = $1 AND v.connection_id = $2 AND v.resource_id = e.resource_id AND v.element = e.element AND v.path = ` +
		s.arg(c.Ref.Key()) + ` AND ` + s.value("v", c) + `)`, nil
}

// order is what a page is sorted by; ties are broken by id, so that pages do not overlap.
func (s *search) order(q directory.Query) (string, error) {
	if q.SortBy == nil {
		return "r.id", nil
	}
	by := ""
	switch key := q.SortBy.Key(); key {
	case "id":
		by = "r.id"
	case "externalId":
		by = "CASE WHEN length(r.external_key) = 0 THEN NULL ELSE r.external_key END"
	case "meta.created":
		by = "r.created_at"
	case "meta.lastModified":
		by = "r.modified_at"
	case "meta.version":
		by = "r.version"
	default:
		leaf := q.SortBy.Leaf()
		ref := *q.SortBy
		if leaf.Type == directory.Complex {
			// By the value (RFC 7644 §3.4.2.3); a complex attribute without one has no order.
			for _, sub := range leaf.Sub {
				if sub.Name == "value" {
					ref = ref.Within(sub)
				}
			}
		}
		switch {
		case key == "userName", key == "displayName" && s.kind == directory.Group:
			by = "r.name_key"
		case ref.Leaf().Type == directory.Complex, ref.Attr.Name == "members", ref.Attr.Name == "groups", ref.Attr.Name == "meta", ref.Attr.Mutability == directory.WriteOnly:
			return "r.id", nil
		default:
			by = `(SELECT v.value FROM scim_values v WHERE v.account_id = r.account_id AND v.connection_id = r.connection_id AND v.resource_id = r.id AND v.path = ` +
				s.arg(ref.Key()) + ` ORDER BY v.prime DESC, v.element LIMIT 1)`
		}
	}
	if q.Descending {
		return by + " DESC NULLS FIRST, r.id", nil
	}
	return by + " ASC NULLS LAST, r.id", nil
}
