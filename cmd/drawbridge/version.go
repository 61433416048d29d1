package main

import (
	"fmt"
	"runtime"

	"github.com/drawbridge-id/drawbridge/cmd/drawbridge/house"
)

type versionCmd struct{}

func (versionCmd) Run(a *app) error {
	_, err := fmt.Fprintf(a.out, "drawbridge %s %s/%s %s\n", house.Version(), runtime.GOOS, runtime.GOARCH, runtime.Version())
	return err
}
