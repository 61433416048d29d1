package main

import (
	"errors"
	"fmt"
	"net"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/cmd/drawbridge/house"
)

// serveCmd runs the daemon until it is told to stop.
type serveCmd struct{}

func (serveCmd) Run(a *app) (err error) {
	cfg, err := a.config()
	if err != nil {
		return err
	}
	public, err := listen(cfg.Listen)
	if err != nil {
		return err
	}
	var staff net.Listener
	if cfg.Operator.Listen != "" {
		if staff, err = listen(cfg.Operator.Listen); err != nil {
			return errors.Join(err, public.Close())
		}
	}
	h, err := house.New(a.ctx, cfg, house.Tools{Log: house.Logger(cfg, a.errOut)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	fmt.Fprintf(a.out, "drawbridge %s listens on %s for %s\n", house.Version(), public.Addr(), cfg.PublicURL)
	if staff != nil {
		fmt.Fprintf(a.out, "operators' listener on %s\n", staff.Addr())
	}
	fmt.Fprintf(a.out, "ready: %s\n", cfg.PublicURL)
	return h.Serve(a.ctx, public, staff)
}

func listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, account.Errorf(account.Unavailable, "Nothing can listen on %s.", address).Fix("Choose another address, or stop what listens there.").Because(err)
	}
	return l, nil
}
