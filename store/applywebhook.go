package store

import (
	"fmt"
	"slices"

	"github.com/drawbridge-id/drawbridge/account"
)

// webhooks brings the webhooks of the account to what the file says. The secret of a new one is handed out, this once.
func (a *applyingAccount) webhooks() error {
	if len(a.want.Webhooks) == 0 {
		return nil
	}
	have, err := a.Ledger.Feeds(a.ctx, a.by, a.id)
	if err != nil {
		return err
	}
	for _, want := range a.want.Webhooks {
		if err := a.webhook(have, want); err != nil {
			return fmt.Errorf("webhook %q: %w", want.Name, err)
		}
	}
	return nil
}

func (a *applyingAccount) webhook(have []account.Feed, want account.Feed) error {
	i := slices.IndexFunc(have, func(f account.Feed) bool { return f.Name == want.Name })
	if i < 0 {
		_, secret, err := a.AddFeed(a.ctx, a.by, a.id, want, account.Secret{})
		if err == nil && !a.o.DryRun {
			a.secrets["secret of webhook "+a.want.Name+"/"+want.Name] = secret
		}
		return err
	}
	is := have[i]
	switch {
	case is.Kind != account.Webhook:
		return account.Errorf(account.Conflict, "There is a stream of that name already.").Coded("name_taken")
	case is.URL == want.URL && slices.Equal(is.Events, want.Events):
		return nil
	}
	_, err := a.UpdateFeed(a.ctx, a.by, a.id, is.ID, func(f *account.Feed) { f.URL, f.Events = want.URL, want.Events })
	return err
}
