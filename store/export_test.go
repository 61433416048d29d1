package store

// scimReader is how tests read SCIM messages inside of events: package scim has it, and imports this one.
var scimReader SCIMReader

// ReadSCIMWith sets it.
func ReadSCIMWith(r SCIMReader) { scimReader = r }
