package store

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strconv"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// secretFields are the values of settings that are kept apart, by the name they are sealed under.
func secretFields(s *account.Settings) map[string]*account.Secret {
	fields := map[string]*account.Secret{}
	if s != nil && s.OIDC != nil {
		fields["client_secret"] = &s.OIDC.ClientSecret
		if s.OIDC.OktaGroups != nil {
			fields["okta_token"] = &s.OIDC.OktaGroups.Token
		}
	}
	return fields
}

// cloneSettings copies settings as deep as the ledger changes them.
func cloneSettings(s account.Settings) *account.Settings {
	if s.SAML != nil {
		saml := *s.SAML
		s.SAML = &saml
	}
	if s.OIDC != nil {
		oidc := *s.OIDC
		if oidc.OktaGroups != nil {
			groups := *oidc.OktaGroups
			oidc.OktaGroups = &groups
		}
		s.OIDC = &oidc
	}
	return &s
}

// openSecrets fills in the secrets of one version from its sealed rows.
func (l *Ledger) openSecrets(c *table.Connection, s *account.Settings, sealed map[string][]byte, prefix string) error {
	for name, field := range secretFields(s) {
		secret, err := l.opt.Keyring.open(sealed[prefix+name], string(c.Account), string(c.ID), prefix+name)
		if err != nil {
			return err
		}
		*field = secret
	}
	return nil
}

// putSecrets replaces the sealed rows of one version.
func (l *Ledger) putSecrets(h *hand, c *table.Connection, s *account.Settings, prefix string) error {
	if err := h.DropSecrets(c.Account, string(c.ID), prefix); err != nil {
		return err
	}
	for name, field := range secretFields(s) {
		if field.IsZero() {
			continue
		}
		if err := l.putSecret(h, c, prefix+name, *field); err != nil {
			return err
		}
	}
	return nil
}

func (l *Ledger) putSecret(h *hand, c *table.Connection, name string, value account.Secret) error {
	sealed, err := l.opt.Keyring.seal(value, string(c.Account), string(c.ID), name)
	if err != nil {
		return err
	}
	return h.PutSecret(table.Secret{Account: c.Account, Owner: string(c.ID), Name: name, Sealed: sealed}, h.now)
}

// openConnection reads a connection with the secrets of both its versions.
func (l *Ledger) openConnection(tx *table.Tx, id account.ConnectionID) (table.Connection, error) {
	c, found, err := tx.Connection(id)
	if err != nil {
		return c, err
	}
	if !found {
		return c, noConnection()
	}
	for prefix, s := range map[string]*account.Settings{"live/": c.Live, "draft/": c.Draft} {
		if len(secretFields(s)) == 0 {
			continue
		}
		sealed, err := tx.Secrets(c.Account, string(c.ID), prefix)
		if err == nil {
			err = l.openSecrets(&c, s, sealed, prefix)
		}
		if err != nil {
			return c, err
		}
	}
	return c, nil
}

func noConnection() *account.Error {
	return account.Errorf(account.NotFound, "No such connection.").Fix("Check the address; the connection page shows it.")
}

// Connection reads one with its secrets opened, for the doors. NotFound when there is none. The row is asked each time whether the
// connection is on and which versions count; those are kept in memory, and callers do not change them.
func (l *Ledger) Connection(ctx context.Context, id account.ConnectionID) (account.Connection, error) {
	var o table.Outline
	err := l.db.Look(ctx, func(tx *table.Tx) (err error) {
		var found bool
		if o, found, err = tx.Outline(id); err == nil && !found {
			err = noConnection()
		}
		return err
	})
	if err != nil {
		return account.Connection{}, err
	}
	if v, ok := l.versions.Get(versionsKey{id, o.LiveRevision, o.DraftEdition}); ok {
		return account.Connection{ID: id, Account: o.Account, Name: o.Name, Enabled: o.Enabled, Live: v.live, Draft: v.draft,
			LiveRevision: o.LiveRevision, GroupsSeen: o.GroupsSeen}, nil
	}
	var c table.Connection
	err = l.db.Read(ctx, func(tx *table.Tx) (err error) {
		c, err = l.openConnection(tx, id)
		if err == nil && tx.Committed() {
			l.versions.Add(versionsKey{id, c.LiveRevision, c.DraftEdition}, versions{c.Live, c.Draft})
		}
		return err
	})
	return c.Connection, err
}

// ConnectionFor finds the connection that signs in the people of an address's domain: the domain counts, and is tied to a
// connection that is enabled and live. found is false otherwise. Settings come without secrets. Known and unknown
// domains cost one statement alike.
func (l *Ledger) ConnectionFor(ctx context.Context, email string) (c account.Connection, d account.Domain, found bool, err error) {
	email, err = account.NormalEmail(email)
	if err != nil {
		return c, d, false, err
	}
	domain, err := account.NormalDomain(account.EmailDomain(email))
	if err != nil {
		domain = account.EmailDomain(email) // a name that nobody can hold is looked up like any other
	}
	err = l.db.Look(ctx, func(tx *table.Tx) error {
		row, dom, ok, err := tx.ConnectionOfDomain(domain)
		found = ok && row.Enabled && row.Live != nil
		if found {
			c, d = row.Connection, dom.Domain
		}
		return err
	})
	return c, d, found, err
}

// Connections lists those of an account by name, without secrets. Owners, user admins and the operator may.
func (l *Ledger) Connections(ctx context.Context, by account.Actor, a account.AccountID) ([]account.Connection, error) {
	var out []account.Connection
	err := l.look(ctx, by, a, userAdmins, func(h *hand) error {
		rows, err := h.Connections(a)
		out = make([]account.Connection, len(rows))
		for i, r := range rows {
			out[i] = r.Connection
		}
		return err
	})
	return out, err
}

// changeConnection is change for one connection, found by its id: connections of other accounts do not exist.
func (l *Ledger) changeConnection(ctx context.Context, by account.Actor, id account.ConnectionID, verb string, may need,
	do func(*hand, *table.Connection) (*note, error)) error {
	a, err := l.accountOfConnection(ctx, id)
	if err != nil {
		return err
	}
	err = l.change(ctx, by, a, verb, may, func(h *hand) (*note, error) {
		c, err := l.openConnection(h.Tx, id)
		if err != nil {
			return nil, err
		}
		return do(h, &c)
	})
	return hide(err, noConnection())
}

func (l *Ledger) accountOfConnection(ctx context.Context, id account.ConnectionID) (a account.AccountID, err error) {
	err = l.db.Look(ctx, func(tx *table.Tx) error {
		c, found, err := tx.Outline(id)
		if err == nil && !found {
			err = noConnection()
		}
		a = c.Account
		return err
	})
	return a, err
}

// hide replaces the NotFound of an account that was reached through one of its things by that of the thing, so that
// a stranger cannot tell whether the thing exists.
func hide(err error, as *account.Error) error {
	var e *account.Error
	if errors.As(err, &e) && e.Code == noAccount().Code {
		return as
	}
	return err
}

// SaveDraft validates and stores the draft of a connection; with an empty id it makes the connection, enabled but without
// a live version, and its first key pair. An empty name keeps the name. Secrets left empty stay what they were in the draft, or
// else in the live version, as long as they go to the same place (same issuer and client, same Okta org). Saving what is
// there already changes nothing and keeps a passed login test. Owners and the operator may.
func (l *Ledger) SaveDraft(ctx context.Context, by account.Actor, a account.AccountID, id account.ConnectionID, name string, s account.Settings) (account.Connection, error) {
	var fresh account.SPKey
	if id == "" {
		var err error
		if fresh, err = l.newKey(l.now()); err != nil { // outside of the transaction: it takes a tenth of a second
			return account.Connection{}, err
		}
		fresh.Active = true
	}
	var saved table.Connection
	err := l.change(ctx, by, a, "connection.draft_saved", configurers(id), func(h *hand) (*note, error) {
		var err error
		if saved, err = l.drafted(h, id, name); err != nil {
			return nil, err
		}
		draft := cloneSettings(s)
		for _, old := range []*account.Settings{saved.Draft, saved.Live} {
			keepSecrets(draft, old)
		}
		if err := draft.Check(); err != nil {
			return nil, err
		}
		if id != "" && saved.Draft != nil && reflect.DeepEqual(*saved.Draft, *draft) && (name == "" || name == saved.Name) {
			return nil, nil
		}
		if name != "" {
			saved.Name = name
		}
		saved.Draft, saved.DraftEdition = draft, rand.Text()
		saved.PassedEdition, saved.PassedTest = "", ""
		if err := h.PutConnection(saved); err != nil {
			return nil, err
		}
		if id == "" {
			if err := l.addSPKey(h, &saved, fresh); err != nil {
				return nil, err
			}
			if err := h.openTicket(saved.ID); err != nil {
				return nil, err
			}
		}
		return &note{Target: string(saved.ID), Detail: map[string]any{"name": saved.Name, "protocol": draft.Protocol, "relaxations": relaxations(draft)}},
			l.putSecrets(h, &saved, draft, "draft/")
	})
	return saved.Connection, err
}

// drafted is the connection that a draft goes to.
func (l *Ledger) drafted(h *hand, id account.ConnectionID, name string) (table.Connection, error) {
	if name != "" || id == "" {
		if err := account.CheckLabel("A connection's", name, "okta"); err != nil {
			return table.Connection{}, err
		}
		other, taken, err := h.ConnectionNamed(h.Account.ID, name)
		if err != nil {
			return table.Connection{}, err
		}
		if taken && other.ID != id {
			return table.Connection{}, account.Errorf(account.Conflict, "There is a connection called %q already.", name).Coded("name_taken").At("/name").Fix("Choose another name.")
		}
	}
	if id == "" {
		return table.Connection{CreatedAt: h.now, Connection: account.Connection{
			ID: account.NewID[account.ConnectionID](h.now, l.opt.Random), Account: h.Account.ID, Enabled: true}}, nil
	}
	c, err := l.openConnection(h.Tx, id)
	if err == nil && c.Account != h.Account.ID {
		err = noConnection()
	}
	return c, err
}

// keepSecrets fills empty secrets of s from old. A secret never follows a changed address: whoever may edit the
// connection could otherwise have it sent to a place of theirs.
func keepSecrets(s, old *account.Settings) {
	if s.OIDC == nil || old == nil || old.OIDC == nil || s.OIDC.Issuer != old.OIDC.Issuer {
		return
	}
	if s.OIDC.ClientSecret.IsZero() && s.OIDC.ClientID == old.OIDC.ClientID {
		s.OIDC.ClientSecret = old.OIDC.ClientSecret
	}
	mine, theirs := s.OIDC.OktaGroups, old.OIDC.OktaGroups
	if mine != nil && theirs != nil && mine.Token.IsZero() && mine.BaseURL == theirs.BaseURL {
		mine.Token = theirs.Token
	}
}

// relaxations names every check that settings turn down, for the audit log.
func relaxations(s *account.Settings) []string {
	on := map[string]bool{"relink_by_email": s.RelinkByEmail}
	if m := s.SAML; m != nil {
		maps.Copy(on, map[string]bool{"idp_initiated": m.AllowIdPInitiated, "sha1": m.AllowSHA1, "rsa1024": m.AllowRSA1024, "no_audience": m.AllowNoAudience,
			"cbc": m.AllowCBC, "ignored_in_response_to": len(m.IgnoreInResponseTo) > 0})
	}
	if o := s.OIDC; o != nil {
		on["skip_email_verified"] = o.SkipEmailVerified
	}
	names := []string{}
	for name, is := range on {
		if is {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Promote makes a tested draft live; what was live goes to the history. Conflict with code test_needed when no login test has
// passed for this very draft, and with sync_decision_needed when it would be live for the first time and nobody has decided how removals are
// told of; the operator may force, which is audited. The first time it only confirms the ticket of a connection that a person set up, and stays a
// draft until the operator finalises it, unless the catalogue says auto_finalise (T-16). Owners and the operator may.
func (l *Ledger) Promote(ctx context.Context, by account.Actor, id account.ConnectionID, force bool) (account.Connection, error) {
	var out account.Connection
	err := l.changeConnection(ctx, by, id, "connection.promoted", configurers(id), func(h *hand, c *table.Connection) (*note, error) {
		n, err := l.promote(h, c, force)
		out = c.Connection
		return n, err
	})
	return out, err
}

// promote is Promote under the lock. A connection that goes live for the first time may have to wait for the operator.
func (l *Ledger) promote(h *hand, c *table.Connection, force bool) (*note, error) {
	if c.Draft == nil {
		return nil, account.Errorf(account.Conflict, "Connection %q has no draft.", c.Name).Coded("no_draft").Fix("Save one first.")
	}
	if force {
		if err := operator(h); err != nil {
			return nil, err
		}
	}
	tested := c.PassedEdition != "" && c.PassedEdition == c.DraftEdition
	if !tested && !force {
		return nil, account.Errorf(account.Conflict, "The draft of connection %q has not passed a login test since it was last changed.", c.Name).Coded("test_needed").
			Fix("Run the login test, and promote once it passes for all services.")
	}
	if !force {
		if err := h.decided(c); err != nil {
			return nil, err
		}
		if waits, err := h.confirm(c); err != nil || waits {
			return nil, err
		}
	}
	next := c.Draft
	n := &note{Target: string(c.ID), Reason: string(c.PassedTest), Detail: map[string]any{"forced": !tested, "relaxations": relaxations(next)}}
	test := c.PassedTest
	c.Draft, c.DraftEdition, c.PassedEdition, c.PassedTest = nil, "", "", ""
	if err := l.goLive(h, c, next); err != nil {
		return nil, err
	}
	if tested {
		d, found, err := h.Tx.Diagnosis(test)
		if err != nil {
			return nil, err
		}
		if found && d.Groups.State != account.GroupsUnknown && d.Groups.State != "" {
			if err := h.SawGroups(c.Account, c.ID, h.now); err != nil {
				return nil, err
			}
		}
	}
	n.Detail["revision"] = c.LiveRevision
	return n, h.DropSecrets(c.Account, string(c.ID), "draft/")
}

// goLive replaces the live version and remembers the one it was.
func (l *Ledger) goLive(h *hand, c *table.Connection, next *account.Settings) error {
	if c.Live != nil {
		if err := h.PutHistory(c.Account, c.ID, c.LiveRevision, c.Live, h.now, h.by.String()); err != nil {
			return err
		}
		if err := l.putSecrets(h, c, c.Live, historyPrefix(c.LiveRevision)); err != nil {
			return err
		}
		if anotherProvider(c.Live, next) {
			n, err := h.RetireIdentities(c.Account, c.ID, c.LiveRevision)
			if err != nil {
				return err
			}
			if err := h.audit("connection.provider_changed", note{Target: string(c.ID), Detail: map[string]any{"subjects": n}}); err != nil {
				return err
			}
		}
		if groupsComeFromElsewhere(c.Live, next) {
			if err := h.ForgetGroups(c.Account, c.ID); err != nil {
				return err
			}
		}
	}
	c.Live, c.LiveRevision = next, c.LiveRevision+1
	if err := h.PutConnection(*c); err != nil {
		return err
	}
	return l.putSecrets(h, c, next, "live/")
}

// anotherProvider reports whether subjects mean other people from now on: only issuer and subject together name a person (OIDC-N2). The
// people are known again by their addresses. Entra's subjects are tenant and object in both protocols.
func anotherProvider(old, next *account.Settings) bool {
	switch {
	case old.Protocol != next.Protocol:
		return old.Kind != account.KindEntra || next.Kind != account.KindEntra
	case next.SAML != nil:
		return old.SAML.EntityID != next.SAML.EntityID
	}
	return old.OIDC.Issuer != next.OIDC.Issuer
}

// groupsComeFromElsewhere reports whether a missing claim may be a missing setting again: read as "in no group", it would take
// everybody's roles away (T-05).
func groupsComeFromElsewhere(old, next *account.Settings) bool {
	if old.Protocol != next.Protocol || !slices.Equal(old.Mapping.Groups, next.Mapping.Groups) {
		return true
	}
	if next.SAML != nil {
		return old.SAML.EntityID != next.SAML.EntityID
	}
	return old.OIDC.Issuer != next.OIDC.Issuer || old.OIDC.ClientID != next.OIDC.ClientID
}

func historyPrefix(revision int) string { return "history/" + strconv.Itoa(revision) + "/" }

// Restore brings back an earlier revision as live, under a new revision number. Owners and the operator may.
func (l *Ledger) Restore(ctx context.Context, by account.Actor, id account.ConnectionID, revision int) (account.Connection, error) {
	var out account.Connection
	err := l.changeConnection(ctx, by, id, "connection.restored", owners, func(h *hand, c *table.Connection) (*note, error) {
		old, found, err := h.History(c.Account, id, revision)
		if err != nil {
			return nil, err
		}
		if !found {
			return nil, account.Errorf(account.Conflict, "Connection %q has no revision %d to go back to.", c.Name, revision).Coded("no_revision").
				Fix("Its history lists those that it has.")
		}
		prefix := historyPrefix(revision)
		sealed, err := h.Secrets(c.Account, string(id), prefix)
		if err == nil {
			err = l.openSecrets(c, old, sealed, prefix)
		}
		if err == nil {
			err = l.goLive(h, c, old)
		}
		out = c.Connection
		return &note{Target: string(id), Detail: map[string]any{"from": revision, "revision": c.LiveRevision, "relaxations": relaxations(old)}}, err
	})
	return out, err
}

// A Revision is one earlier live version of a connection.
type Revision = table.Revision

// Revisions lists what Restore can bring back, newest first, at most n. Owners, user admins and the operator may.
func (l *Ledger) Revisions(ctx context.Context, by account.Actor, id account.ConnectionID, n int) (out []Revision, err error) {
	a, err := l.accountOfConnection(ctx, id)
	if err != nil {
		return nil, err
	}
	err = l.look(ctx, by, a, userAdmins, func(h *hand) error { out, err = h.Revisions(a, id, min(max(n, 1), 1000)); return err })
	return out, hide(err, noConnection())
}

// EnableConnection turns a connection on or off. Off ends its pending sign-ins and its sessions at once (SAML-M4, SES-6).
// Owners and the operator may.
func (l *Ledger) EnableConnection(ctx context.Context, by account.Actor, id account.ConnectionID, on bool) error {
	verb := "connection.enabled"
	if !on {
		verb = "connection.disabled"
	}
	return l.changeConnection(ctx, by, id, verb, owners, func(h *hand, c *table.Connection) (*note, error) {
		if c.Enabled == on {
			return nil, nil
		}
		c.Enabled = on
		if err := h.PutConnection(*c); err != nil {
			return nil, err
		}
		n := &note{Target: string(id)}
		if !on {
			flows, err := h.DropFlowsOf(c.Account, id)
			if err != nil {
				return nil, err
			}
			sessions, err := h.EndSessionsOfConnection(id)
			if err != nil {
				return nil, err
			}
			h.Shut(table.OfConnection(id), table.OfAccount(c.Account))
			n.Detail = map[string]any{"flows": flows, "sessions": sessions}
		}
		return n, h.announce(account.Announcement{What: verb, Connection: id})
	})
}
