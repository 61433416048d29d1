package store

import (
	"fmt"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/estate"
	"github.com/drawbridge-id/drawbridge/keys"
)

// streams brings the streams of security events to what the file says.
func (a *applyingAccount) streams() error {
	for _, want := range a.want.Streams {
		if err := a.stream(want); err != nil {
			return fmt.Errorf("stream %q: %w", want.Settings.Name, err)
		}
	}
	return nil
}

func (a *applyingAccount) stream(want estate.Stream) error {
	s := want.Settings
	s.Connection = a.connections[want.Connection].ID
	for _, name := range want.SubjectIssuers {
		s.SubjectIssuers = append(s.SubjectIssuers, a.connections[name].ID)
	}
	have, found, err := a.tx.StreamNamed(a.id, s.Name)
	if err != nil {
		return err
	}
	if !found {
		have, err = a.AddStream(a.ctx, a.by, a.id, s)
	} else {
		_, err = a.UpdateStream(a.ctx, a.by, have.ID, func(is *account.Stream) error {
			*is = keepAgreed(s, *is)
			return nil
		})
	}
	if err == nil && want.Breaker != nil {
		_, err = a.SetBreaker(a.ctx, a.by, string(have.ID), *want.Breaker)
	}
	if err != nil {
		return err
	}
	return a.pushCredentials(have.ID, want.Credentials)
}

// keepAgreed leaves alone what the file does not say because it was agreed with the transmitter.
func keepAgreed(want, have account.Stream) account.Stream {
	want = cloneStream(want)
	if want.Poll == nil {
		want.Poll = have.Poll
	}
	switch {
	case want.Transmitter == nil:
		want.Transmitter = have.Transmitter
	case have.Transmitter != nil && want.Transmitter.Stream == "":
		want.Transmitter.Stream = have.Transmitter.Stream
	}
	return want
}

// pushCredentials makes the credentials of the file those of the stream; the others are worthless from then on.
func (a *applyingAccount) pushCredentials(s account.StreamID, want []estate.PushCredential) error {
	if len(want) == 0 {
		return nil
	}
	kept := map[account.PushID]bool{}
	for _, w := range want {
		id, err := a.takePushCredential(s, w)
		if err != nil {
			return err
		}
		kept[id] = true
	}
	have, err := a.PushCredentials(a.ctx, a.by, s)
	if err != nil {
		return err
	}
	for _, c := range have {
		if !kept[c.ID] {
			if err := a.RevokePushCredential(a.ctx, a.by, s, c.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// takePushCredential is MintPushCredential for one that was drawn elsewhere.
func (a *applyingAccount) takePushCredential(id account.StreamID, want estate.PushCredential) (c account.PushID, err error) {
	raw := want.Credential.Reveal()
	err = a.changeStream(a.ctx, a.by, id, "stream.credential_minted", operator, func(h *hand, s *account.Stream) (*note, error) {
		have, found, err := h.PushCredentialByDigest(digest(raw))
		switch {
		case err != nil:
			return nil, err
		case found && (have.Stream != id || have.Path != want.Path):
			return nil, account.Errorf(account.Conflict, "The credential …%s is in use already, for another stream or in another way.", have.Last4).Coded("token_taken").
				Fix("Draw one for each stream, so that it is known which one speaks.")
		case found:
			c = have.ID
			return nil, nil
		}
		c = account.NewID[account.PushID](h.now, a.opt.Random)
		return &note{Target: string(c), Detail: map[string]any{"stream": id, "path": want.Path}}, h.InsertPushCredential(s.Account,
			account.PushCredential{ID: c, Stream: id, Path: want.Path, Last4: keys.Last4(raw), CreatedAt: h.now, CreatedBy: a.by.String()}, digest(raw))
	})
	return c, err
}
