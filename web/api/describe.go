package api

import (
	"cmp"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/drawbridge-id/drawbridge/web"
)

// callersExtension is where the document says who may call an operation.
const callersExtension = "x-drawbridge-callers"

const about = `People, orgs, sign-in and provisioning of a Drawbridge installation.

Every answer has an X-Request-Id. Errors are RFC 9457 problems with a stable code. What exists and is not the caller's business is answered like what
does not exist. Lists are paged with cursors: send "next" of one page as "after" of the following one. A change can be made once by naming it with
an Idempotency-Key, only of what its caller has seen with If-Match, and rehearsed with dry_run=true.`

// describe completes the document with what holds for all operations, so that none of them can forget it.
func describe(h huma.API) {
	doc := h.OpenAPI()
	doc.Info.Description = about
	doc.Info.License = &huma.License{Name: "Apache 2.0", Identifier: "Apache-2.0"}
	doc.Servers = []*huma.Server{{URL: "/", Description: "The installation that serves this document."}}
	rehearsal := doc.Components.Schemas.Schema(reflect.TypeFor[Rehearsed](), true, "Rehearsed")
	problem := doc.Components.Schemas.Schema(reflect.TypeFor[web.Problem](), true, "Problem")
	doc.Components.Parameters = parameters()
	tags := map[string]bool{}
	for path, item := range doc.Paths {
		for method, o := range operations(item) {
			tag := tagOf(path)
			tags[tag] = true
			o.Tags = []string{tag}
			if callers := mayCall[o.OperationID]; callers != nil {
				if o.Extensions == nil {
					o.Extensions = map[string]any{}
				}
				o.Extensions[callersExtension] = callers
				o.Description = strings.TrimSpace(o.Description + "\n\n" + whoMay(callers, inSession(o)))
			}
			if slices.Contains(mayCall[o.OperationID], ByOperator) && !slices.Contains(securities(o), "operator") {
				o.Security = append(slices.Clone(doc.Security), map[string][]string{"operator": {}})
			}
			statuses := []int{http.StatusTooManyRequests, http.StatusServiceUnavailable}
			if method == http.MethodGet {
				o.Parameters = append(o.Parameters, ref("IfNoneMatch"))
			} else {
				statuses = append(statuses, http.StatusConflict, http.StatusPreconditionFailed, http.StatusRequestEntityTooLarge)
				o.Parameters = append(o.Parameters, ref("IdempotencyKey"), ref("IfMatch"))
				if !reachesOut(o) {
					o.Parameters = append(o.Parameters, ref("DryRun"))
					rehearsed(o, rehearsal)
				}
			}
			refusals(o, problem, statuses)
		}
	}
	for _, tag := range slices.Sorted(maps.Keys(tags)) {
		doc.Tags = append(doc.Tags, &huma.Tag{Name: tag, Description: cmp.Or(tagWords[tag], "About "+tag+".")})
	}
}

// refusals gives each answer of an operation that is none of its own the shape of a problem.
func refusals(o *huma.Operation, problem *huma.Schema, statuses []int) {
	for _, status := range statuses {
		if o.Responses[strconv.Itoa(status)] == nil {
			o.Responses[strconv.Itoa(status)] = &huma.Response{}
		}
	}
	for code, r := range o.Responses {
		status, err := strconv.Atoi(code)
		if err != nil || status < 400 {
			continue
		}
		r.Description = http.StatusText(status)
		r.Content = map[string]*huma.MediaType{"application/problem+json": {Schema: problem}}
	}
}

// rehearsed adds the answer to dry_run=true.
func rehearsed(o *huma.Operation, schema *huma.Schema) {
	ok := o.Responses["200"]
	if ok == nil {
		ok = &huma.Response{Description: "What the change would do (dry_run=true)."}
		o.Responses["200"] = ok
	}
	if ok.Content == nil {
		ok.Content = map[string]*huma.MediaType{}
	}
	ok.Content[rehearsalType] = &huma.MediaType{Schema: schema}
}

func ref(name string) *huma.Param { return &huma.Param{Ref: "#/components/parameters/" + name} }

func parameters() map[string]*huma.Param {
	text := func(most int) *huma.Schema { return &huma.Schema{Type: huma.TypeString, MaxLength: &most} }
	return map[string]*huma.Param{
		"IdempotencyKey": {Name: idempotencyKey, In: "header", Schema: text(255), Example: "8e03978e-40d5-43dd-bc93-6894a57f9324",
			Description: "Names the change, so that it is made once: for 24 hours the same request of the same caller is answered with what the first was answered."},
		"IfMatch": {Name: "If-Match", In: "header", Schema: text(1000),
			Description: "The ETag of what the change is made to, from GET of this address, or of the nearest one above that has a GET: when it has changed since, nothing happens (412)."},
		"IfNoneMatch": {Name: "If-None-Match", In: "header", Schema: text(1000), Description: "The ETag of an earlier answer: when nothing has changed, the answer is 304."},
		"DryRun": {Name: dryRun, In: "query", Schema: &huma.Schema{Type: huma.TypeBoolean},
			Description: "true: nothing is changed, and the answer says what would be, in the words of the audit log."},
	}
}

// operations are those of a path, by method.
func operations(p *huma.PathItem) map[string]*huma.Operation {
	all := map[string]*huma.Operation{http.MethodGet: p.Get, http.MethodPost: p.Post, http.MethodPut: p.Put, http.MethodPatch: p.Patch, http.MethodDelete: p.Delete}
	maps.DeleteFunc(all, func(_ string, o *huma.Operation) bool { return o == nil })
	return all
}

func securities(o *huma.Operation) (names []string) {
	for _, one := range o.Security {
		names = slices.AppendSeq(names, maps.Keys(one))
	}
	return names
}

// inSession reports whether only a browser's session will do.
func inSession(o *huma.Operation) bool { return slices.Equal(securities(o), []string{"session"}) }

// tagOf is the noun of a path: what comes after the org, or first.
func tagOf(path string) string {
	parts := strings.Split(strings.TrimPrefix(path, "/api/v1/"), "/")
	if parts[0] == "orgs" && len(parts) > 2 {
		return parts[2]
	}
	return parts[0]
}

var tagWords = map[string]string{
	"audit": "Who did what, and what was refused.", "connections": "Identity providers.", "domains": "E-mail domains.", "drift": "Where providers and this house disagree.",
	"feeds": "Announcements to others.", "groups": "Group values of providers.", "keys": "Personal keys.", "accounts": "Accounts.", "external-groups": "External user groups.", "invitations": "Who is asked in.", "me": "What is one's own.", "operator": "Running the installation.",
	"orgs": "Orgs.", "people": "People of an org, and their roles.", "receipts": "Removals, and when they were in force.", "rules": "Which groups earn which roles.",
	"services": "Services of the catalogue.", "streams": "Security events that come in.", "teams": "Teams of an org.",
}

var callerWords = map[Caller]string{
	ByAnybody: "anybody", ByPerson: "whoever is signed in", ByMember: "members of the account", ByTeamUserAdmin: "user admins of a team, within it", ByUserAdmin: "user admins of the org",
	ByAccountAdmin: "administrators of the account", ByOwner: "owners of the org", ByGroupMember: "members of its external groups", ByGroupAdmin: "admins of the group", ByAccountOwner: "the owner of the account", ByOperator: "the operator's tokens",
}

// whoMay says who may call an operation, in words.
func whoMay(callers []Caller, session bool) string {
	words := make([]string, len(callers))
	for i, c := range callers {
		words[i] = callerWords[c]
	}
	s := "Who may: " + strings.Join(words, ", ") + "."
	if session {
		s += " In a browser's session only: a key may not."
	}
	return s
}
