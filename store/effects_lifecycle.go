package store

import (
	"slices"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// lifecycle asks whether an event about somebody's being here is news: one that happened before another that was heard already is not, and
// of two at the same time the stricter counts. Somebody who appeared here more than a day after an event is not meant by it: their
// provisioning knew of it.
func (t *turn) lifecycle(stricter bool) (table.Place, bool, error) {
	p, found, err := t.PlaceOf(t.Account.ID, t.whom.user)
	if err != nil || !found {
		return p, false, err
	}
	at := t.row.At
	old := at.Before(p.LifecycleAt) || !stricter && at.Equal(p.LifecycleAt) && p.Status != account.TenancyActive ||
		!t.late && p.LifecycleAt.IsZero() && !at.Add(waitsFor).After(p.Since)
	if old {
		t.row.Outcome, t.row.Detail = account.EventSuperseded, "Something newer has been said about them before."
		return p, false, nil
	}
	return p, true, t.Lifecycle(t.Account.ID, t.whom.user, at, t.seal())
}

// lived notes that somebody's being here was changed just now, so that an event of before does not change it back. Events have times of their
// own, which lifecycle notes.
func (h *hand) lived(u account.UserID) error {
	if h.by.Stream != "" {
		return nil
	}
	return h.Lifecycle(h.Account.ID, u, h.now, h.by.String())
}

// seal is what this stream's suspensions are under.
func (t *turn) seal() string {
	return account.Actor{Kind: account.ActorStream, Stream: t.stream.ID}.String()
}

// disable shuts somebody out (RISC 1.0 §2.3). Asking twice changes nothing.
func (t *turn) disable() error {
	if _, news, err := t.lifecycle(true); err != nil || !news {
		return err
	}
	return t.shut(t.seal())
}

func (t *turn) shut(seal string) error {
	why := shortType(t.row.Type)
	if reason := t.text("reason"); reason != "" {
		why += " (" + cleanText(reason, 60) + ")"
	}
	r, err := t.shutOut(removal{User: t.whom.user, Source: account.FromEvent, Why: why, Txn: t.row.Txn, Seal: seal})
	if err != nil {
		return err
	}
	if r.ID == "" {
		t.say("They were shut out already.")
		return nil
	}
	t.row.Sessions, t.row.Keys = r.Sessions, r.Keys
	t.did("%s was shut out: %d sessions ended, %d keys revoked.", r.Email, r.Sessions, r.Keys)
	return nil
}

// enable lets in again whom events or provisioning of this account shut out, and nobody else (RISC 1.0 §2.4, SET-6). What ended stays ended.
func (t *turn) enable() error {
	p, news, err := t.lifecycle(false)
	if err != nil || !news {
		return err
	}
	return t.lift(p)
}

func (t *turn) lift(p table.Place) error {
	var seals []string
	if p.Status == account.TenancySuspended {
		seals = append(seals, p.SuspendedBy)
	}
	if p.State == account.UserDisabled && !slices.Contains(seals, p.DisabledBy) {
		seals = append(seals, p.DisabledBy)
	}
	for _, seal := range seals {
		may, err := t.mayLift(seal)
		if err != nil {
			return err
		}
		if !may {
			continue
		}
		back, err := t.letIn(t.whom.user, seal)
		if err != nil {
			return err
		}
		if back {
			t.row.Outcome = account.EventApplied
		}
	}
	switch {
	case t.row.Outcome == account.EventApplied:
		t.say("They may come in again.")
	case p.Status != account.TenancyActive || p.State != account.UserActive:
		t.say("They were shut out by hand, or by a provider that this stream does not speak for, and stay so until somebody lets them in.")
	}
	return nil
}

// mayLift reports whether the stream may lift what is under a seal: its own, and what another stream or a connection of the account set. A
// security tool that belongs to no provider lifts nothing that a provider set. Nobody lifts what another company set, or what was set by hand.
func (t *turn) mayLift(seal string) (bool, error) {
	if id, is := strings.CutPrefix(seal, "connection:"); is {
		o, found, err := t.Outline(account.ConnectionID(id))
		return found && o.Account == t.Account.ID && t.stream.Connection != "", err
	}
	if id, is := strings.CutPrefix(seal, "stream:"); is {
		s, found, err := t.Stream(account.StreamID(id))
		return found && s.Account == t.Account.ID && (s.Connection == "" || t.stream.Connection != ""), err
	}
	return false, nil
}

// purge shuts somebody out for good: the provider has deleted them, and no later event brings them back (RISC 1.0 §2.2). Their seat and what
// was given by hand stay for the record (T-06); what they had through the provider goes.
func (t *turn) purge() error {
	if _, news, err := t.lifecycle(true); err != nil || !news {
		return err
	}
	if err := t.shut(t.seal()); err != nil {
		return err
	}
	return t.forget()
}

func (t *turn) forget() error {
	a, u := t.Account.ID, t.whom.user
	for _, c := range t.stream.Names() {
		if err := t.DropSourcesOf(a, u, c); err != nil {
			return err
		}
	}
	t.did("The provider has deleted them.")
	t.Shut(table.OfUser(u))
	if err := t.MarkPurged(a, u, t.now); err != nil {
		return err
	}
	if err := t.announce(account.Announcement{What: account.WordPurged, User: u}); err != nil {
		return err
	}
	return t.hand.audit("user.purged", note{Target: string(u), Detail: map[string]any{"stream": t.stream.ID}})
}
