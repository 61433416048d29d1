package house

import (
	"os"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/config"
	"github.com/drawbridge-id/drawbridge/events/mail"
	"github.com/drawbridge-id/drawbridge/store"
)

// post is who sends letters; nil without a mail server: then they wait in the ledger.
func post(l *store.Ledger, c config.Config, t Tools) (*mail.Post, error) {
	if c.Mail.Server == "" && c.Mail.Letters == "" {
		return nil, nil // nothing to read
	}
	var own []byte
	if c.Mail.Letters != "" {
		var err error
		if own, err = os.ReadFile(c.Mail.Letters); err != nil {
			return nil, account.Errorf(account.Invalid, "The file of letters %s does not open.", c.Mail.Letters).Because(err)
		}
	}
	words, err := mail.ReadWords(own)
	if err != nil || c.Mail.Server == "" {
		return nil, err
	}
	return mail.New(mail.Options{Ledger: l, Server: c.Mail.Server, Username: c.Mail.Username, Password: account.NewSecret(c.Mail.Password), From: c.Mail.From,
		Words: words, Home: c.PublicURL, Product: c.Mail.Product, Log: t.Log})
}
