// Package schema holds the numbered migrations. They run forward only, and any release works before
// and after its own migration.
package schema

import "embed"

// Files are the migrations, in the order of their numbers.
//
//go:embed *.sql
var Files embed.FS
