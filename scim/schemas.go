package scim

import (
	"encoding/json"
	"strings"

	"github.com/elimity-com/scim/optional"
	"github.com/elimity-com/scim/schema"

	"github.com/drawbridge-id/drawbridge/directory"
)

// kinds are the endpoints of resources (RFC 7644 §3.2).
var kinds = map[string]directory.Kind{"users": directory.User, "groups": directory.Group}

func endpoint(k directory.Kind) string { return string(k) + "s" }

// schemaDocument is a schema as RFC 7643 §7 writes it down: what is enforced and nothing else.
func schemaDocument(s *directory.Schema, base string) map[string]any {
	out := schema.Schema{ID: s.URN, Name: optional.NewString(s.Name), Description: optional.NewString(s.About)}
	for _, a := range s.Attributes {
		out.Attributes = append(out.Attributes, attribute(a))
	}
	raw, err := json.Marshal(out)
	if err != nil {
		panic("scim: a schema has no JSON: " + err.Error())
	}
	var doc map[string]any
	if err := json.Unmarshal(raw, &doc); err != nil {
		panic("scim: a schema does not read: " + err.Error())
	}
	dropNulls(doc)
	doc["meta"] = map[string]any{"resourceType": "Schema", "location": base + "/Schemas/" + s.URN}
	return doc
}

// dropNulls leaves out what has no value, which Entra does not read (SC-D14).
func dropNulls(v any) {
	switch v := v.(type) {
	case map[string]any:
		for key, e := range v {
			if e == nil {
				delete(v, key)
				continue
			}
			dropNulls(e)
		}
	case []any:
		for _, e := range v {
			dropNulls(e)
		}
	}
}

func attribute(a *directory.Attribute) schema.CoreAttribute {
	if a.Type != directory.Complex {
		return schema.SimpleCoreAttribute(simple(a))
	}
	p := schema.ComplexParams{Name: a.Name, Description: optional.NewString(a.About), MultiValued: a.Multi, Required: a.Required,
		Mutability: mutability(a), Returned: returned(a), Uniqueness: schema.AttributeUniquenessNone()}
	for _, s := range a.Sub {
		p.SubAttributes = append(p.SubAttributes, simple(s))
	}
	return schema.ComplexCoreAttribute(p)
}

func simple(a *directory.Attribute) schema.SimpleParams {
	about := optional.NewString(a.About)
	switch a.Type {
	case directory.Boolean:
		return schema.SimpleBooleanParams(schema.BooleanParams{Name: a.Name, Description: about, MultiValued: a.Multi, Required: a.Required, Mutability: mutability(a), Returned: returned(a)})
	case directory.DateTime:
		return schema.SimpleDateTimeParams(schema.DateTimeParams{Name: a.Name, Description: about, MultiValued: a.Multi, Required: a.Required, Mutability: mutability(a), Returned: returned(a)})
	case directory.Binary:
		return schema.SimpleBinaryParams(schema.BinaryParams{Name: a.Name, Description: about, MultiValued: a.Multi, Required: a.Required, Mutability: mutability(a), Returned: returned(a)})
	case directory.Integer, directory.Decimal:
		kind := schema.AttributeTypeDecimal()
		if a.Type == directory.Integer {
			kind = schema.AttributeTypeInteger()
		}
		return schema.SimpleNumberParams(schema.NumberParams{Name: a.Name, Description: about, MultiValued: a.Multi, Required: a.Required, Mutability: mutability(a), Returned: returned(a),
			Type: kind, Uniqueness: schema.AttributeUniquenessNone()})
	case directory.Reference:
		var to []schema.AttributeReferenceType
		for _, r := range a.Refers {
			to = append(to, schema.AttributeReferenceType(r))
		}
		return schema.SimpleReferenceParams(schema.ReferenceParams{Name: a.Name, Description: about, MultiValued: a.Multi, Required: a.Required, Mutability: mutability(a),
			Returned: returned(a), ReferenceTypes: to, Uniqueness: schema.AttributeUniquenessNone()})
	}
	unique := schema.AttributeUniquenessNone()
	if a.Unique {
		unique = schema.AttributeUniquenessServer()
	}
	return schema.SimpleStringParams(schema.StringParams{Name: a.Name, Description: about, MultiValued: a.Multi, Required: a.Required, CaseExact: a.Exact,
		Mutability: mutability(a), Returned: returned(a), Uniqueness: unique, CanonicalValues: a.Canonical})
}

func mutability(a *directory.Attribute) schema.AttributeMutability {
	switch a.Mutability {
	case directory.ReadOnly:
		return schema.AttributeMutabilityReadOnly()
	case directory.Immutable:
		return schema.AttributeMutabilityImmutable()
	case directory.WriteOnly:
		return schema.AttributeMutabilityWriteOnly()
	}
	return schema.AttributeMutabilityReadWrite()
}

func returned(a *directory.Attribute) schema.AttributeReturned {
	switch {
	case a.Always:
		return schema.AttributeReturnedAlways()
	case a.Mutability == directory.WriteOnly:
		return schema.AttributeReturnedNever()
	}
	return schema.AttributeReturnedDefault()
}

// schemaDocuments are the schemas in use. What every resource has besides (id, externalId) is listed with its kind, as Entra and
// Okta look for externalId there.
func (x *exchange) schemaDocuments() []any {
	var out []any
	for _, k := range []directory.Kind{directory.User, directory.Group} {
		s := *directory.SchemaOf(k)
		for _, a := range directory.Common() {
			if a.Name == "id" || a.Name == "externalId" {
				s.Attributes = append(s.Attributes[:len(s.Attributes):len(s.Attributes)], a)
			}
		}
		out = append(out, schemaDocument(&s, x.base))
		for _, ext := range x.pusher.Type(k).Extensions() {
			out = append(out, schemaDocument(ext, x.base))
		}
	}
	return out
}

// resourceTypes is RFC 7643 §6.
func (x *exchange) resourceTypes() []any {
	var out []any
	for _, k := range []directory.Kind{directory.User, directory.Group} {
		t := map[string]any{"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:ResourceType"}, "id": string(k), "name": string(k),
			"endpoint": "/" + endpoint(k), "schema": directory.SchemaOf(k).URN, "description": directory.SchemaOf(k).About,
			"meta": map[string]any{"resourceType": "ResourceType", "location": x.base + "/ResourceTypes/" + string(k)}}
		var ext []any
		for _, s := range x.pusher.Type(k).Extensions() {
			ext = append(ext, map[string]any{"schema": s.URN, "required": false})
		}
		if ext != nil {
			t["schemaExtensions"] = ext
		}
		out = append(out, t)
	}
	return out
}

// serviceProviderConfig is RFC 7643 §5 with the pagination of RFC 9865 §4.
func serviceProviderConfig(base string) map[string]any {
	no, yes := map[string]any{"supported": false}, map[string]any{"supported": true}
	return map[string]any{
		"schemas":        []string{"urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"},
		"patch":          yes,
		"bulk":           map[string]any{"supported": true, "maxOperations": mostBulk, "maxPayloadSize": Limit},
		"filter":         map[string]any{"supported": true, "maxResults": longestPage},
		"changePassword": no,
		"sort":           yes,
		"etag":           yes,
		"pagination": map[string]any{"cursor": true, "index": true, "defaultPaginationMethod": "index", "defaultPageSize": usualPage, "maxPageSize": longestPage,
			"cursorTimeout": int(cursorAge.Seconds())},
		"authenticationSchemes": []any{map[string]any{"type": "oauthbearertoken", "name": "Bearer token", "description": "A token of this connection, in the Authorization header.",
			"specUri": "https://www.rfc-editor.org/info/rfc6750", "primary": true},
			map[string]any{"type": "oauth2", "name": "OAuth client credentials", "description": "A client of this connection fetches tokens of an hour at " + strings.TrimSuffix(base, "/v2") + "/oauth/token.",
				"specUri": "https://www.rfc-editor.org/info/rfc6749"}},
		"meta": map[string]any{"resourceType": "ServiceProviderConfig", "location": base + "/ServiceProviderConfig"},
	}
}

// one finds a document by what it is called, without regard to letter case.
func one(all []any, id string) (any, bool) {
	for _, d := range all {
		if name, _ := d.(map[string]any)["id"].(string); strings.EqualFold(name, id) {
			return d, true
		}
	}
	return nil, false
}
