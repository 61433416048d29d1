// Package house puts the rooms together: it opens the ledger, builds the doors and hangs them in the one
// route table. The command runs it; the stories of the test folder run the same house.
package house

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/config"
	"github.com/drawbridge-id/drawbridge/estate"
	"github.com/drawbridge-id/drawbridge/passwords"
	"github.com/drawbridge-id/drawbridge/scim"
	"github.com/drawbridge-id/drawbridge/store"
)

// Tools are what tests hand in: a clock, randomness, a logger. Zero values are the real ones.
type Tools struct {
	Now    func() time.Time
	Random io.Reader
	Log    *slog.Logger
}

func (t Tools) withDefaults() Tools {
	if t.Now == nil {
		t.Now = time.Now
	}
	if t.Random == nil {
		t.Random = rand.Reader
	}
	if t.Log == nil {
		t.Log = slog.New(slog.DiscardHandler)
	}
	return t
}

// Logger is the log as configured.
func Logger(c config.Config, to io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Log.Level)); err != nil {
		level = slog.LevelInfo
	}
	o := &slog.HandlerOptions{Level: level}
	if c.Log.Format == "text" {
		return slog.New(slog.NewTextHandler(to, o))
	}
	return slog.New(slog.NewJSONHandler(to, o))
}

// Version is the module version the binary was built from, or "devel".
func Version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}

// Commit is the revision the binary was built from; empty when the build did not know it.
func Commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}

// OpenLedger reads keyring and catalogue and opens the database; it migrates when needed.
func OpenLedger(ctx context.Context, c config.Config, t Tools) (*store.Ledger, error) {
	o, err := ledgerOptions(c, t.withDefaults())
	if err != nil {
		return nil, err
	}
	return store.Open(ctx, o)
}

func ledgerOptions(c config.Config, t Tools) (store.Options, error) {
	keyring, err := ReadKeyring(c.Keyring)
	if err != nil {
		return store.Options{}, err
	}
	catalogue, err := readCatalogue(c.Catalogue)
	if err != nil {
		return store.Options{}, err
	}
	breached, err := readBreached(c.Passwords.Breached)
	if err != nil {
		return store.Options{}, err
	}
	return store.Options{
		URL: c.Database, Keyring: keyring, Catalogue: catalogue, Now: t.Now, Random: t.Random, Log: t.Log,
		Sessions: store.SessionLimits{Idle: time.Duration(c.Sessions.Idle), Absolute: time.Duration(c.Sessions.Absolute)},
		FlowAge:  time.Duration(c.SignIn.FlowAge), Lease: time.Duration(c.Lease),
		SCIM: scim.Embedded(),
		Passwords: store.PasswordKeeping{Cost: passwords.Cost{Memory: uint32(c.Passwords.Memory), Passes: uint32(c.Passwords.Passes), Threads: 1},
			Parallel: c.Passwords.Parallel, Breached: breached},
	}, nil
}

// readBreached opens the list of passwords that nobody may choose. It stays open as long as the process runs.
func readBreached(name string) (*passwords.Breached, error) {
	switch name {
	case "":
		return nil, nil
	case "common":
		return passwords.Common(), nil
	}
	f, err := os.Open(name)
	var list *passwords.Breached
	if err == nil {
		var info fs.FileInfo
		if info, err = f.Stat(); err == nil {
			list, err = passwords.ReadBreached(f, info.Size())
		}
	}
	if err != nil {
		return nil, account.Errorf(account.Invalid, "passwords.breached: the list %s is not understood: %v", name, err)
	}
	return list, nil
}

func readCatalogue(path string) (account.Catalogue, error) {
	if path == "" {
		return estate.DefaultCatalogue(), nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return account.Catalogue{}, account.Errorf(account.Invalid, "The catalogue %s does not open.", path).Because(err)
	}
	return estate.ParseCatalogue(data)
}

// ReadKeyring reads the file with the sealing keys.
func ReadKeyring(path string) (*store.Keyring, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, account.Errorf(account.Invalid, "There is no keyring at %s.", path).
			Fix("Name the configuration that \"drawbridge init\" wrote with --config or DRAWBRIDGE_CONFIG, or put back the copy that belongs to this database: without it sealed secrets cannot be opened.")
	}
	if err != nil {
		return nil, account.Errorf(account.Invalid, "The keyring %s does not open.", path).Because(err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Mode().Perm()&0o007 != 0 {
		return nil, account.Errorf(account.Invalid, "The keyring %s can be read by everybody on this machine (mode %o).", path, info.Mode().Perm()).Fix("chmod 600 %s", path)
	}
	return store.ReadKeyring(f)
}

// WriteKeyring replaces the file in one step, so that a crash leaves the old one or the new one.
func WriteKeyring(path string, k *store.Keyring) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".keys-*")
	if err != nil {
		return account.Errorf(account.Invalid, "The keyring %s cannot be written.", path).Because(err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	if err := errors.Join(f.Chmod(0o600), k.Write(f), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
