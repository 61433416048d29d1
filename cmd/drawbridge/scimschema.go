package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/directory"
	"github.com/drawbridge-id/drawbridge/store"
)

type scimSchemaCmd struct {
	Add    scimSchemaAddCmd    `cmd:"" help:"Declare a schema, or replace the one of the same id."`
	List   scimSchemaListCmd   `cmd:"" help:"List the schemas that a connection declares."`
	Remove scimSchemaRemoveCmd `cmd:"" help:"Take a schema away; what was pushed under it is shown no more."`
}

type scimSchemaAddCmd struct {
	Connection string `arg:"" help:"Connection as org/name or id."`
	File       string `arg:"" type:"existingfile" help:"The schema as JSON, as RFC 7643 section 7 writes it: id, name, attributes."`
	Of         string `default:"User" enum:"User,Group" help:"The kind of resource that it extends: User or Group."`
}

func (c scimSchemaAddCmd) Run(a *app) error {
	document, err := os.ReadFile(c.File)
	if err != nil {
		return err
	}
	fresh, err := directory.ReadExtension(directory.Kind(c.Of), document)
	if err != nil {
		return err
	}
	return with(a, c.Connection, func(l *store.Ledger, conn account.Connection, _ string) error {
		have, err := l.SCIMSchemas(a.ctx, operator(), conn.ID)
		if err != nil {
			return err
		}
		have = slices.DeleteFunc(have, func(e directory.Extension) bool { return strings.EqualFold(e.Schema.URN, fresh.Schema.URN) })
		if err := l.SetSCIMSchemas(a.ctx, operator(), conn.ID, append(have, fresh)); err != nil {
			return err
		}
		fmt.Fprintf(a.out, "%s now has %d attributes of %s\n", fresh.Of, len(fresh.Schema.Attributes), fresh.Schema.URN)
		return nil
	})
}

type scimSchemaListCmd struct {
	Connection string `arg:"" help:"Connection as org/name or id."`
}

func (c scimSchemaListCmd) Run(a *app) error {
	return with(a, c.Connection, func(l *store.Ledger, conn account.Connection, _ string) error {
		all, err := l.SCIMSchemas(a.ctx, operator(), conn.ID)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tOF\tATTRIBUTES")
		for _, e := range all {
			var names []string
			for _, attr := range e.Schema.Attributes {
				names = append(names, attr.Name)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\n", e.Schema.URN, e.Of, strings.Join(names, ", "))
		}
		return w.Flush()
	})
}

type scimSchemaRemoveCmd struct {
	Connection string `arg:"" help:"Connection as org/name or id."`
	ID         string `arg:"" help:"The schema's id, as list shows it."`
}

func (c scimSchemaRemoveCmd) Run(a *app) error {
	return with(a, c.Connection, func(l *store.Ledger, conn account.Connection, _ string) error {
		have, err := l.SCIMSchemas(a.ctx, operator(), conn.ID)
		if err != nil {
			return err
		}
		rest := slices.DeleteFunc(slices.Clone(have), func(e directory.Extension) bool { return strings.EqualFold(e.Schema.URN, c.ID) })
		if len(rest) == len(have) {
			return account.Errorf(account.NotFound, "The connection has no schema %q.", c.ID).Fix("drawbridge scim schema list shows them.")
		}
		if err := l.SetSCIMSchemas(a.ctx, operator(), conn.ID, rest); err != nil {
			return err
		}
		fmt.Fprintln(a.out, "removed")
		return nil
	})
}
