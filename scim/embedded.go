package scim

import (
	"github.com/drawbridge-id/drawbridge/directory"
	"github.com/drawbridge-id/drawbridge/store"
)

// Embedded reads the messages that security events carry (RFC 9967 §2.4): a resource, or a PATCH, as a request would bring it.
func Embedded() store.SCIMReader {
	return store.SCIMReader{Resource: embeddedResource, Patch: readPatch}
}

// embeddedResource does without the schemas that transmitters leave out of events.
func embeddedResource(t directory.Type, m map[string]any) (directory.Reading, error) {
	if _, given := says(m, directory.SchemaOf(t.Kind).URN); given {
		return readResource(t, m)
	}
	return t.Read(m)
}
