package main

import "github.com/drawbridge-id/drawbridge/config"

// configCmd prints the configuration as a commented YAML file.
type configCmd struct {
	Default bool `help:"Print the defaults instead of what is set."`
}

func (c configCmd) Run(a *app) error {
	cfg := config.Default()
	if !c.Default {
		var err error
		if cfg, err = a.config(); err != nil {
			return err
		}
	}
	return config.Print(a.out, cfg)
}
