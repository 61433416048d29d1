package scim

import (
	"encoding/json"
	"strings"
	"testing"
)

// Whatever a bulk request holds, a reference that was resolved is stored nowhere.
func FuzzBulk(f *testing.F) {
	f.Add([]byte(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"failOnErrors":2,"Operations":[{"method":"post","path":"/Users","bulkId":"a","data":{"x":["bulkId:a",{"value":"bulkId:b"}]}},
		{"method":"DELETE","path":"/Groups/bulkId:a"}]}`))
	f.Add([]byte(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[7,{"METHOD":"PUT","path":"//Users/..","data":[]}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := object(body)
		if err != nil {
			return
		}
		b := &bulk{exchange: &exchange{}, named: map[string]*operation{}}
		if b.read(m) != nil {
			return
		}
		for i, o := range b.operations {
			if o.bad != nil || b.unresolved(o, true) != nil && i%2 == 0 {
				continue
			}
			known := true
			for _, ref := range o.refs {
				if known = known && b.named[ref] != nil; known {
					b.named[ref].id = "made"
				}
			}
			if !known {
				continue
			}
			raw, err := json.Marshal(b.filled(o.data))
			if err != nil {
				t.Fatal(err)
			}
			if s := string(raw); strings.Contains(s, `:"bulkId:`) || strings.Contains(b.fillPath(o.path), "/bulkId:") {
				t.Errorf("%s is left in %s", s, body)
			}
		}
	})
}
