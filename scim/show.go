package scim

import (
	"strconv"
	"strings"
	"time"

	"github.com/drawbridge-id/drawbridge/directory"
)

// tag is the entity tag of a version (RFC 7644 §3.14).
func tag(version int64) string { return `W/"` + strconv.FormatInt(version, 10) + `"` }

func location(base string, k directory.Kind, id string) string {
	return base + "/" + endpoint(k) + "/" + id
}

// show is a resource as it is answered: what a view shows of its document and of what the ledger knows beside it.
func show(t directory.Type, r directory.Resource, base string, v directory.View) map[string]any {
	out := map[string]any(r.Document.Clone())
	for name := range out {
		// What was pushed under a schema that the connection has no more.
		if _, own := t.Extension(name); strings.ContainsRune(name, ':') && !own {
			delete(out, name)
		}
	}
	out["schemas"] = texts(t.Schemas(r.Document))
	out["id"] = r.ID
	out["meta"] = map[string]any{"resourceType": string(r.Kind), "created": stamp(r.Created), "lastModified": stamp(r.Modified),
		"location": location(base, r.Kind, r.ID), "version": tag(r.Version)}
	if len(r.Groups) > 0 {
		list := make([]any, len(r.Groups))
		for i, g := range r.Groups {
			list[i] = map[string]any{"value": g.ID, "$ref": location(base, g.Kind, g.ID), "display": g.Display, "type": "direct"}
		}
		out["groups"] = list
	}
	if len(r.Members) > 0 {
		list := make([]any, len(r.Members))
		for i, m := range r.Members {
			list[i] = map[string]any{"value": m.ID, "$ref": location(base, m.Kind, m.ID), "display": m.Display, "type": string(m.Kind)}
		}
		out["members"] = list
	}
	return v.Apply(out)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

func texts(in []string) []any {
	out := make([]any, len(in))
	for i, s := range in {
		out[i] = s
	}
	return out
}
