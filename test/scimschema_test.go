package test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/directory"
	"github.com/drawbridge-id/drawbridge/test/world"
)

const badgeSchema = `{"id":"urn:acme.example:scim:2.0:Badge","name":"Badge","description":"What is printed on a badge.","attributes":[
	{"name":"number","type":"integer","multiValued":false,"description":"Its number.","required":false},
	{"name":"colour","type":"string","caseExact":false},
	{"name":"doors","type":"string","multiValued":true,"caseExact":true},
	{"name":"printed","type":"dateTime"},
	{"name":"desk","type":"complex","subAttributes":[{"name":"floor","type":"decimal"},{"name":"window","type":"boolean"}]}]}`

const badge = "urn:acme.example:scim:2.0:Badge"

// What an administrator maps in addition is declared as data: it is in the discovery documents at once, kept, changed, searched, sorted
// by and answered like anything else, and other connections know nothing of it.
func TestAConnectionHasSchemasOfItsOwn(t *testing.T) {
	world.Each(t, func(w *world.World) {
		acme, globex := w.Acme(), w.Globex()
		p, other := pusherOf(w, acme.Connection), pusherOf(w, globex.Connection)
		with := func(email string, number int, colour string) map[string]any {
			u := aUser(email, email)
			u[badge] = map[string]any{"number": number, "Colour": colour, "doors": []any{"north", "South"}, "desk": map[string]any{"floor": 2.5, "window": "True"}, "nosuch": 1}
			return u
		}
		before := p.send("POST", "/Users", with("early@acme.example", 1, "red")).is(201)
		if before.at(`["`+badge+`"]`) != nil || strings.Contains(before.raw, badge) {
			w.Errorf("an unknown schema is answered: %s", before.raw)
		}
		own, err := directory.ReadExtension(directory.User, []byte(badgeSchema))
		if err == nil {
			err = w.House.Ledger.SetSCIMSchemas(w.Context(), world.Operator, acme.Connection.ID, []directory.Extension{own})
		}
		if err != nil {
			w.Fatal(err)
		}
		if line := w.Audit("acme", "scim.schemas_changed"); !strings.Contains(fmt.Sprint(line.Detail), badge) {
			w.Errorf("the audit line is %+v", line)
		}
		doc := p.send("GET", "/Schemas/"+badge, nil).is(200)
		if doc.text("attributes.0.type") != "integer" || doc.text("attributes.4.subAttributes.0.type") != "decimal" || strings.Contains(doc.raw, "null") {
			w.Errorf("the document is %s", doc.raw)
		}
		if types := p.send("GET", "/ResourceTypes/User", nil).is(200); !strings.Contains(types.raw, badge) {
			w.Errorf("the resource type is %s", types.raw)
		}
		other.send("GET", "/Schemas/"+badge, nil).is(404)
		other.send("GET", "/Users?filter="+badge+":number pr", nil).is(400)

		amy := p.send("POST", "/Users", with("amy@acme.example", 20, "Blue")).is(201)
		ben := p.send("POST", "/Users", with("ben@acme.example", 3, "green")).is(201).text("id")
		if amy.at(`["`+badge+`"].number`) != 20.0 || amy.text(`["`+badge+`"].colour`) != "Blue" || amy.at(`["`+badge+`"].desk.window`) != true || !strings.Contains(fmt.Sprint(amy.at("schemas")), badge) || strings.Contains(amy.raw, "nosuch") {
			w.Errorf("answered %s", amy.raw)
		}
		id := amy.text("id")
		for filter, want := range map[string]string{
			badge + `:number gt 5`: id, badge + `:number eq 3`: ben, strings.ToUpper(badge) + `:COLOUR eq "blue"`: id, badge + `:desk.floor le 2.5 and userName sw "ben"`: ben,
			badge + `:doors eq "north" and ` + badge + `:number lt -1`: "", badge + `:doors eq "south"`: "", badge + `:desk.window eq true and ` + badge + `:colour co "UE"`: id,
		} {
			if found := ids(p.send("GET", "/Users?filter="+filter, nil).is(200)); strings.Join(found, " ") != want {
				w.Errorf("%s finds %v, want %s", filter, found, want)
			}
		}
		for _, filter := range []string{badge + `:number eq "3"`, badge + `:number co 3`, badge + `:colour eq 3`, badge + `:nosuch pr`} {
			p.send("GET", "/Users?filter="+filter, nil).is(400)
		}
		if sorted := ids(p.send("GET", "/Users?sortBy="+badge+":number&sortOrder=descending&filter="+badge+":number pr", nil).is(200)); strings.Join(sorted, " ") != id+" "+ben {
			w.Errorf("sorted by number: %v", sorted)
		}
		got := p.send("PATCH", "/Users/"+id, patch(op("replace", badge+":number", 21), op("add", badge+":doors", []any{"east", "north"}), op("remove", badge+":doors", []any{"South"}),
			op("Replace", "", map[string]any{badge + ":colour": "Teal", badge + ":desk.floor": 3}))).is(200)
		if got.at(`["`+badge+`"].number`) != 21.0 || fmt.Sprint(got.at(`["`+badge+`"].doors`)) != "[north east]" || got.text(`["`+badge+`"].colour`) != "Teal" || got.at(`["`+badge+`"].desk.floor`) != 3.0 {
			w.Errorf("after the PATCH: %s", got.raw)
		}
		p.send("PATCH", "/Users/"+id, patch(op("replace", badge+":number", "many"))).is(400)
		p.send("PATCH", "/Users/"+id, patch(op("replace", badge+":number", 1.5))).is(400)
		if only := p.send("GET", "/Users/"+id+"?attributes="+badge+":colour", nil).is(200); only.text(`["`+badge+`"].colour`) != "Teal" || only.at(`["`+badge+`"].number`) != nil {
			w.Errorf("asked for the colour alone: %s", only.raw)
		}
		// Taken away again, it is not shown.
		if err := w.House.Ledger.SetSCIMSchemas(w.Context(), world.Operator, acme.Connection.ID, nil); err != nil {
			w.Fatal(err)
		}
		if got := p.send("GET", "/Users/"+id, nil).is(200); strings.Contains(got.raw, "Badge") {
			w.Errorf("a schema that is gone shows: %s", got.raw)
		}
	})
}

// A schema that would promise what is not enforced is refused, with the way out.
func TestASchemaPromisesNothingThatIsNotEnforced(t *testing.T) {
	for _, text := range []string{
		`{`, `[]`, `{}`, `{"id":"badge","attributes":[{"name":"a","type":"string"}]}`, `{"id":"urn:a b","attributes":[{"name":"a","type":"string"}]}`,
		`{"id":"urn:ietf:params:scim:schemas:extension:ENTERPRISE:2.0:User","attributes":[{"name":"a","type":"string"}]}`, `{"id":"urn:x:y","attributes":[]}`,
		`{"id":"urn:x:y","attributes":[{"name":"a","type":"string"},{"name":"A","type":"string"}]}`, `{"id":"urn:x:y","attributes":[{"name":"a.b","type":"string"}]}`,
		`{"id":"urn:x:y","attributes":[{"name":"a","type":"text"}]}`, `{"id":"urn:x:y","attributes":[{"name":"a","type":"string","required":true}]}`,
		`{"id":"urn:x:y","attributes":[{"name":"a","type":"string","uniqueness":"server"}]}`, `{"id":"urn:x:y","attributes":[{"name":"a","type":"complex"}]}`,
		`{"id":"urn:x:y","attributes":[{"name":"a","type":"complex","subAttributes":[{"name":"b","type":"complex","subAttributes":[{"name":"c","type":"string"}]}]}]}`,
	} {
		if e, err := directory.ReadExtension(directory.User, []byte(text)); err == nil {
			t.Errorf("%s is taken as %+v", text, e)
		}
	}
}

// From the root, people and groups are searched together; what only one kind has counts as absent in the other.
func TestASearchFromTheRootSpansPeopleAndGroups(t *testing.T) {
	world.Each(t, func(w *world.World) {
		p := pusherOf(w, w.Acme().Connection)
		amy := p.send("POST", "/Users", aUser("amy@acme.example", "same")).is(201).text("id")
		ben := p.send("POST", "/Users", aUser("ben@acme.example", "b")).is(201).text("id")
		g := aGroup("Zebras", amy)
		g["externalId"] = "same"
		zebras := p.send("POST", "/Groups", g).is(201).text("id")
		p.send("POST", "/Groups", aGroup("Apes")).is(201)
		if all := p.send("GET", "/", nil).is(200); all.at("totalResults") != 4.0 {
			w.Errorf("from the root: %s", all.raw)
		}
		for filter, want := range map[string][]string{
			`externalId eq "same"`: {zebras, amy}, `userName eq "amy@acme.example"`: {amy}, `members.value eq "` + amy + `"`: {zebras}, `userName ne "amy@acme.example" and meta.resourceType eq "User"`: {ben},
			`members[value eq "` + amy + `" and type eq "User"] or userName sw "BEN"`: {zebras, ben}, `displayName eq "zebras" and not (userName pr)`: {zebras}, `members pr and userName pr`: {},
		} {
			found := p.send("GET", "/?filter="+filter, nil).is(200)
			if fmt.Sprint(ids(found)) != fmt.Sprint(want) || found.at("totalResults") != float64(len(want)) {
				w.Errorf("%s finds %v, want %v", filter, ids(found), want)
			}
		}
		p.send("GET", "/?filter=nosuch pr", nil).is(400)
		m := map[string]any{"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:SearchRequest"}, "sortBy": "displayName", "attributes": []string{"displayName", "userName"}, "count": 3, "cursor": ""}
		page := p.send("POST", "/.search", m).is(200)
		if page.text("Resources.0.displayName") != "Apes" || page.text("Resources.1.userName") == "" || page.at("Resources.0.members") != nil || page.text("nextCursor") == "" {
			w.Errorf("the first page is %s", page.raw)
		}
		m["cursor"] = page.text("nextCursor")
		if page = p.send("POST", "/.search", m).is(200); page.text("Resources.0.id") != zebras || page.at("nextCursor") != nil {
			w.Errorf("the last page is %s", page.raw)
		}
		p.send("DELETE", "/.search", nil).is(405)
	})
}

// Deleting what was seen skips nobody, however the search is sorted; a cursor is short and says nothing.
func TestACursorIsAPlaceAndNotANumber(t *testing.T) {
	world.Each(t, func(w *world.World) {
		p := pusherOf(w, w.Acme().Connection)
		for _, by := range []string{"", "title", "userName&sortOrder=descending", "meta.lastModified", "id"} {
			left := map[string]bool{}
			for i := range 9 {
				u := aUser(fmt.Sprintf("u%d@acme.example", (i*7)%9), fmt.Sprint(i))
				if i%3 > 0 {
					u["title"] = strings.Repeat("same", 100*i)
				}
				w.Clock.Turn(time.Second)
				left[p.send("POST", "/Users", u).is(201).text("id")] = true
			}
			path := "/Users?count=2&cursor="
			if by != "" {
				path = "/Users?count=2&sortBy=" + by + "&cursor="
			}
			next := ""
			for range 5 {
				page := p.send("GET", path+next, nil).is(200)
				for _, id := range ids(page) {
					if !left[id] {
						w.Errorf("%s: %s came twice", by, id)
					}
					delete(left, id)
					p.send("DELETE", "/Users/"+id, nil).is(204)
				}
				if next = page.text("nextCursor"); len(next) > 1000 {
					w.Errorf("%s: a cursor has %d characters", by, len(next))
				}
			}
			if len(left) > 0 || next != "" {
				w.Errorf("sorted by %q %d were skipped, and the last page says %q", by, len(left), next)
			}
		}
	})
}

// Groups inside of groups are kept and shown, and a circle of them harms nothing.
func TestGroupsListGroups(t *testing.T) {
	world.Each(t, func(w *world.World) {
		p := pusherOf(w, w.Acme().Connection)
		amy := p.send("POST", "/Users", aUser("amy@acme.example", "a")).is(201).text("id")
		inner := p.send("POST", "/Groups", aGroup("Inner", amy)).is(201).text("id")
		outer := p.send("POST", "/Groups", aGroup("Outer", inner)).is(201)
		if outer.text("members.0.type") != "Group" || outer.text("members.0.display") != "Inner" || !strings.HasSuffix(outer.text("members.0.$ref"), "/Groups/"+inner) {
			w.Errorf("the outer group is %s", outer.raw)
		}
		p.send("PATCH", "/Groups/"+inner, patch(op("add", "members", []any{map[string]any{"value": outer.text("id")}, map[string]any{"value": inner}}))).is(204)
		if got := p.send("GET", "/Groups/"+inner, nil).is(200); len(got.at("members").([]any)) != 2 || strings.Count(got.raw, inner) != 2 {
			w.Errorf("a group lists itself: %s", got.raw)
		}
		if found := ids(p.send("GET", `/Groups?filter=members[type eq "group" and value eq "`+inner+`"]`, nil).is(200)); len(found) != 1 || found[0] != outer.text("id") {
			w.Errorf("who lists the inner group: %v", found)
		}
		if found := ids(p.send("GET", `/Users?filter=groups[display eq "INNER" and type eq "direct"] and groups.value eq "`+inner+`"`, nil).is(200)); len(found) != 1 || found[0] != amy {
			w.Errorf("who is in the inner group: %v", found)
		}
		p.send("DELETE", "/Groups/"+inner, nil).is(204)
		if got := p.send("GET", "/Groups/"+outer.text("id"), nil).is(200); got.at("members") != nil {
			w.Errorf("a group that is gone is a member: %s", got.raw)
		}
	})
}

// What is too long is refused before it is read.
func TestLongRequestsAreRefused(t *testing.T) {
	world.Each(t, func(w *world.World) {
		p := pusherOf(w, w.Acme().Connection)
		p.send("GET", "/Users/"+strings.Repeat("a", 4000), nil).is(404)
		if a := p.send("GET", "/Users?x="+strings.Repeat("a", 14<<10), nil).is(414); a.text("status") != "414" {
			w.Errorf("refused with %s", a.raw)
		}
		r, err := http.NewRequestWithContext(w.Context(), "GET", p.base+"/Users", nil)
		if err != nil {
			w.Fatal(err)
		}
		r.Header.Set("X-Long", strings.Repeat("a", 64<<10))
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			w.Fatal(err)
		}
		if res.Body.Close(); res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			w.Errorf("a long header is answered with %s", res.Status)
		}
		u := aUser("amy@acme.example", "a")
		u["password"] = strings.Repeat("x", 2000)
		p.send("POST", "/Users", u).is(400)
		u["password"] = "correct horse"
		if a := p.send("POST", "/Users", u).is(201); strings.Contains(a.raw, "horse") {
			w.Errorf("answered a password: %s", a.raw)
		}
	})
}
