package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/cmd/drawbridge/house"
	"github.com/drawbridge-id/drawbridge/config"
	"github.com/drawbridge-id/drawbridge/store"
)

// initCmd makes a folder ready to serve.
type initCmd struct {
	Dir       string `arg:"" optional:"" default:"." type:"path" help:"Folder for the configuration, the keys and the database."`
	PublicURL string `name:"public-url" help:"Address people will use, for instance https://login.acme.example."`
	Listen    string `help:"Address to listen on."`
	Database  string `help:"sqlite:PATH or postgres://… (default: a file in the folder)."`
}

func (c initCmd) Run(a *app) error {
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return account.Errorf(account.Invalid, "The folder %s cannot be made.", c.Dir).Because(err)
	}
	path := filepath.Join(c.Dir, "drawbridge.yaml")
	cfg := config.Default()
	cfg.Keyring = filepath.Join(c.Dir, "drawbridge.keys")
	cfg.Database = "sqlite:" + filepath.Join(c.Dir, "drawbridge.db")
	for to, from := range map[*string]string{&cfg.PublicURL: c.PublicURL, &cfg.Listen: c.Listen, &cfg.Database: c.Database} {
		if from != "" {
			*to = from
		}
	}
	if err := cfg.Check(); err != nil {
		return err
	}
	var text strings.Builder
	if err := config.Print(&text, cfg); err != nil {
		return err
	}
	// A password in the database URL is not printed, so it is not written either: the environment carries it.
	if err := writeNew(path, text.String()); err != nil {
		return err
	}
	if err := newKeyring(cfg.Keyring); err != nil {
		return err
	}
	l, err := house.OpenLedger(a.ctx, cfg, house.Tools{Log: house.Logger(cfg, a.errOut)})
	if err != nil {
		return err
	}
	defer l.Close()
	fmt.Fprintf(a.out, "wrote    %s\nwrote    %s   (keep a copy apart from the database)\nnext     drawbridge serve --config %s\n", path, cfg.Keyring, path)
	if err := inviteFirstOwner(a, l, cfg); err != nil {
		return err
	}
	if strings.Contains(cfg.Database, "://") {
		fmt.Fprintf(a.out, "note     a database password is not written to the file: set DRAWBRIDGE_DATABASE\n")
	}
	return nil
}

// writeNew refuses to overwrite: a second init must not lose what the first one made.
func writeNew(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return account.Errorf(account.Conflict, "%s exists already.", path).Fix("Use it with --config, or choose another folder.")
	}
	if err != nil {
		return account.Errorf(account.Invalid, "%s cannot be written.", path).Because(err)
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}

func newKeyring(path string) error {
	k, err := store.NewKeyring()
	if err != nil {
		return err
	}
	var text strings.Builder
	if err := k.Write(&text); err != nil {
		return err
	}
	return writeNew(path, text.String())
}
