// Package directory has the words of provisioning: what a user and a group look like as an identity provider
// pushes them, how such a document is read, changed, searched and shown. It is pure: documents and operations in,
// documents out. Which protocol they came by is the door's business, and keeping them is the ledger's.
package directory

import (
	"reflect"
	"strings"
	"time"

	"golang.org/x/text/cases"

	"github.com/drawbridge-id/drawbridge/account"
)

// A Kind is what sort of resource a document describes.
type Kind string

// The kinds of resource.
const (
	User  Kind = "User"
	Group Kind = "Group"
)

// A Document holds the attributes of one resource in canonical spelling: strings, booleans, maps for complex
// attributes and lists for multi-valued ones. The attributes of an extension are in a map under its URN.
// Unassigned attributes are absent. What the ledger knows by itself (id, meta, groups, members) is not in it.
type Document map[string]any

// A Member is one entry of a group.
type Member struct {
	ID      string
	Kind    Kind   // empty while it is not known what the id names
	Display string // the name of what it names; never what a client said
}

// A Resource is a document as the ledger keeps it.
type Resource struct {
	Kind       Kind
	ID         string
	Connection account.ConnectionID
	Document   Document
	Version    int64 // counts changes; the entity tag is made of it
	Created    time.Time
	Modified   time.Time
	Members    []Member       // of a group, sorted by id; nil when they were not asked for
	Groups     []Member       // of a user: the groups that list it
	Person     account.UserID // of a user: who it is here; empty when nobody
}

// The codes of what a document or an operation can have wrong, in account.Error.Code. A door turns them into its
// own words.
const (
	CodeSyntax     = "invalid_syntax"
	CodeValue      = "invalid_value"
	CodePath       = "invalid_path"
	CodeTarget     = "no_target"
	CodeMutability = "mutability"
	CodeFilter     = "invalid_filter"
	CodeUniqueness = "uniqueness"
)

func wrong(code, format string, args ...any) *account.Error {
	return account.Errorf(account.Invalid, format, args...).Coded(code)
}

// Fold is how strings are compared that are not case-exact, beyond ASCII too.
func Fold(s string) string {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return cases.Fold().String(s)
		}
	}
	return strings.ToLower(s)
}

// Text reads a single-valued string of the core schema; empty when it is unassigned.
func (d Document) Text(name string) string {
	s, _ := d[name].(string)
	return s
}

// Active is whether a user may come in. One that says nothing may (RFC 7643 §4.1.1).
func (d Document) Active() bool {
	b, said := d["active"].(bool)
	return b || !said
}

// Name is the attribute that nobody else of the same kind may have: userName, or displayName of a group.
func (d Document) Name(k Kind) string {
	if k == Group {
		return d.Text("displayName")
	}
	return d.Text("userName")
}

// Email is the address that stands for a user: the primary one, else the one of type work, else the first, else a
// userName that is one. It is in normal form; empty when there is none.
func (d Document) Email() string {
	best, rank := "", 0
	list, _ := d["emails"].([]any)
	for _, e := range list {
		m, _ := e.(map[string]any)
		value, _ := m["value"].(string)
		email, err := account.NormalEmail(value)
		if err != nil {
			continue
		}
		r := 1
		if kind, _ := m["type"].(string); Fold(kind) == "work" {
			r = 2
		}
		if primary, _ := m["primary"].(bool); primary {
			r = 3
		}
		if r > rank {
			best, rank = email, r
		}
	}
	if rank == 0 {
		if email, err := account.NormalEmail(d.Text("userName")); err == nil {
			return email
		}
	}
	return best
}

// Title is what people call a user or group: displayName, else the name's parts, else the userName.
func (d Document) Title() string {
	if s := d.Text("displayName"); s != "" {
		return s
	}
	if name, ok := d["name"].(map[string]any); ok {
		if s, _ := name["formatted"].(string); s != "" {
			return s
		}
		given, _ := name["givenName"].(string)
		family, _ := name["familyName"].(string)
		if s := strings.TrimSpace(given + " " + family); s != "" {
			return s
		}
	}
	return d.Text("userName")
}

// Clone is a deep copy.
func (d Document) Clone() Document { return Document(clone(map[string]any(d)).(map[string]any)) }

func clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = clone(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = clone(e)
		}
		return out
	}
	return v
}

// Equal reports whether two documents say the same.
func (d Document) Equal(o Document) bool {
	return len(d) == 0 && len(o) == 0 || reflect.DeepEqual(map[string]any(d), map[string]any(o))
}
