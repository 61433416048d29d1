package store_test

import (
	"github.com/drawbridge-id/drawbridge/scim"
	"github.com/drawbridge-id/drawbridge/store"
)

func init() { store.ReadSCIMWith(scim.Embedded()) }
