package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
)

type publishCmd struct {
	Kind    account.NotificationKind `required:"" help:"release_notes, security, end_of_life or maintenance."`
	Service string                   `default:"portal" help:"Id of the service in the catalogue; portal for the installation itself."`
	File    string                   `required:"" type:"existingfile" help:"The letter: its first line is the subject, the rest after a blank line the text."`
}

func (c publishCmd) Run(a *app) error {
	text, err := os.ReadFile(c.File)
	if err != nil {
		return err
	}
	subject, rest, _ := strings.Cut(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n")
	l, _, err := a.ledger()
	if err != nil {
		return err
	}
	defer l.Close()
	p, err := l.Publish(a.ctx, operator(), account.Wish{Service: c.Service, Kind: c.Kind}, strings.TrimSpace(subject), strings.TrimSpace(rest))
	if err != nil {
		return err
	}
	if err := l.SendPublications(a.ctx); err != nil {
		return err // the daemon goes on with it
	}
	all, err := l.Publications(a.ctx, operator(), 100)
	if err != nil {
		return err
	}
	for _, done := range all {
		if done.ID == p.ID {
			p = done
		}
	}
	_, err = fmt.Fprintf(a.out, "%s: %d letters are on their way\n", p.ID, p.Sent)
	return err
}
