package directory

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/drawbridge-id/drawbridge/account"
)

var people = Type{Kind: User}

func doc(t testing.TB, text string) Document {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	r, err := people.Read(m)
	if err != nil {
		t.Fatal(err)
	}
	return r.Document
}

func codeOf(err error) string {
	var e *account.Error
	errors.As(err, &e)
	if e == nil {
		return ""
	}
	return e.Code
}

const sofia = `{"userName":"sofia","active":"False","name":{"givenName":"Sofia"},"emails":[{"value":"s@acme.example","type":"work","primary":"True"},{"value":"h@x.example","type":"home"}],
	"title":null,"nosuch":1,"id":"theirs","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":"boss","department":"R&D"}}`

func TestADocumentIsReadAsProvidersMeanIt(t *testing.T) {
	d := doc(t, sofia)
	if d.Active() || d.Email() != "s@acme.example" || d.Title() != "Sofia" || len(people.Schemas(d)) != 2 || d["id"] != nil || d["title"] != nil {
		t.Errorf("read %v", d)
	}
	ext := d[EnterpriseURN].(map[string]any)
	if ext["manager"].(map[string]any)["value"] != "boss" {
		t.Errorf("the manager is %v", ext["manager"])
	}
	for text, code := range map[string]string{
		`{}`: CodeValue, `{"userName":" "}`: CodeValue, `{"userName":"a","active":"perhaps"}`: CodeValue, `{"userName":"a","emails":{}}`: CodeValue, `{"userName":"a","name":"A"}`: CodeValue,
		`{"userName":"a","emails":[{"value":"a","primary":true},{"value":"b","primary":true}]}`: CodeValue, `{"userName":"a","USERNAME":"b"}`: CodeSyntax,
	} {
		var m map[string]any
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			t.Fatal(err)
		}
		if _, err := people.Read(m); codeOf(err) != code {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func target(t testing.TB, name string, where *Condition) *Target {
	t.Helper()
	ref, ok := people.Named(name)
	if !ok {
		t.Fatalf("no attribute %s", name)
	}
	return &Target{Ref: ref, Where: where}
}

func typed(t testing.TB, kind string) *Condition {
	t.Helper()
	ref, _ := people.Named("emails.type")
	c, err := Compare(ref, Eq, kind)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAPatchTakesWholeOrNotAtAll(t *testing.T) {
	set := func(op PatchOp, tg *Target, v any) Operation {
		return Operation{Op: op, Target: tg, Value: v, Given: true}
	}
	for _, c := range []struct {
		name string
		ops  []Operation
		want string // code, or a path of the result below
		is   any
	}{
		{"add makes the element that the filter describes", []Operation{set(OpAdd, target(t, "emails.value", typed(t, "Other")), "o@x.example")}, "", `[{"primary":true,"type":"work","value":"s@acme.example"},{"type":"home","value":"h@x.example"},{"type":"Other","value":"o@x.example"}]`},
		{"replace of nothing has no target", []Operation{set(OpReplace, target(t, "emails.value", typed(t, "fax")), "x")}, CodeTarget, nil},
		{"a new primary takes the place of the old", []Operation{set(OpReplace, target(t, "emails.primary", typed(t, "home")), "True")}, "", `[{"primary":false,"type":"work","value":"s@acme.example"},{"primary":true,"type":"home","value":"h@x.example"}]`},
		{"what is there is not added twice", []Operation{set(OpAdd, target(t, "emails", nil), []any{map[string]any{"value": "h@x.example", "type": "home"}})}, "", `[{"primary":true,"type":"work","value":"s@acme.example"},{"type":"home","value":"h@x.example"}]`},
		{"a value list removes those only", []Operation{set(OpRemove, target(t, "emails", nil), []any{map[string]any{"value": "h@x.example"}})}, "", `[{"primary":true,"type":"work","value":"s@acme.example"}]`},
		{"an empty list clears", []Operation{set(OpReplace, target(t, "emails", nil), []any{})}, "", `null`},
		{"removing by filter", []Operation{{Op: OpRemove, Target: target(t, "emails", typed(t, "WORK"))}}, "", `[{"type":"home","value":"h@x.example"}]`},
		{"a required attribute stays", []Operation{{Op: OpRemove, Target: target(t, "userName", nil)}}, CodeMutability, nil},
		{"ours to write", []Operation{set(OpReplace, target(t, "groups", nil), []any{})}, CodeMutability, nil},
		{"an operation that fails undoes those before", []Operation{{Op: OpRemove, Target: target(t, "emails", nil)}, set(OpReplace, target(t, "active", nil), "maybe")}, CodeValue, nil},
		{"a remove names its target", []Operation{{Op: OpRemove}}, CodeTarget, nil},
	} {
		d := doc(t, sofia)
		before := d.Clone()
		p, err := people.Apply(d, c.ops)
		if codeOf(err) != c.want {
			t.Errorf("%s: %v", c.name, err)
		}
		if !d.Equal(before) {
			t.Errorf("%s: the document itself was changed", c.name)
		}
		if c.want == "" {
			if got, _ := json.Marshal(p.Document["emails"]); string(got) != c.is {
				t.Errorf("%s: %s", c.name, got)
			}
		}
	}
}

func TestAViewLeavesWhatIsAskedFor(t *testing.T) {
	ref := func(s string) Ref { r, _ := people.Named(s); return r }
	shown := func(v View) string {
		d := map[string]any(doc(t, sofia))
		d["id"], d["schemas"] = "1", []any{"u"}
		raw, _ := json.Marshal(v.Apply(d))
		return string(raw)
	}
	if got := shown(View{Only: []Ref{ref("NAME.givenname"), ref("emails.value"), ref(EnterpriseURN + ":department")}}); got !=
		`{"emails":[{"value":"s@acme.example"},{"value":"h@x.example"}],"id":"1","name":{"givenName":"Sofia"},"schemas":["u"],"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"R\u0026D"}}` {
		t.Error(got)
	}
	if got := shown(View{Without: []Ref{ref("emails"), ref("id"), ref("name"), ref(EnterpriseURN), ref("active")}}); got != `{"id":"1","schemas":["u"],"userName":"sofia"}` {
		t.Error(got)
	}
}
