package main

import (
	"crypto/rand"
	"fmt"

	"github.com/drawbridge-id/drawbridge/keys"
)

// credentialCmd draws what an estate file refers to. The ledger hears of it when that is applied.
type credentialCmd struct {
	Kind string `arg:"" enum:"scim,events" help:"What it is for: scim, by which a provider pushes people; events, by which a transmitter pushes security events."`
}

func (c credentialCmd) Run(a *app) error {
	kind := map[string]keys.Kind{"scim": keys.Directory, "events": keys.Push}[c.Kind]
	_, err := fmt.Fprintln(a.out, keys.Mint(kind, rand.Reader))
	return err
}
