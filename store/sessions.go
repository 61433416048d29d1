package store

import (
	"context"
	"crypto/sha256"
	"slices"
	"sync/atomic"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

const touchEvery = time.Minute

func nobody() *account.Error {
	return account.Errorf(account.Unauthorized, "Nobody is signed in.").Fix("Sign in.")
}

// A visit is what is remembered of a session. Seen moves with its use.
type visit struct {
	account.Presence
	digest []byte
	seen   atomic.Pointer[seen]
}

type seen struct{ at, idle time.Time }

// Presence is who the cookie's token belongs to and what they hold now. Unauthorized when there is no such live session,
// the person is disabled, the tenancy is not active, or the connection has been switched off; Unavailable when that cannot be known at
// the moment. Seen at most once a minute. Callers do not change what it holds: it may come from memory, where others find it.
func (l *Ledger) Presence(ctx context.Context, token account.Secret) (account.Presence, error) {
	if token.IsZero() {
		return account.Presence{}, nobody()
	}
	now := l.now()
	d := sha256.Sum256([]byte(token.Reveal()))
	e, ok := recall(l, &l.visits, d)
	if ok {
		s := e.value.seen.Load()
		ok = now.Before(s.idle) && now.Before(e.value.Session.ExpiresAt)
	}
	if !ok {
		var err error
		if e, err = learn(ctx, l, &l.visits, d, func(tx *table.Tx) (*visit, []table.Target, error) { return l.visit(tx, d[:], now) }); err != nil {
			return account.Presence{}, err
		}
	}
	return l.greet(ctx, e.value, now)
}

// visit reads a live session, and all that its presence hangs on.
func (l *Ledger) visit(tx *table.Tx, digest []byte, now time.Time) (*visit, []table.Target, error) {
	row, err := liveVisit(tx, digest, now)
	if err != nil {
		return nil, nil, err
	}
	p, err := l.presence(tx, row)
	if err != nil {
		return nil, nil, err
	}
	v := &visit{Presence: p, digest: digest}
	v.seen.Store(&seen{p.Session.SeenAt, p.Session.IdleUntil})
	on := []table.Target{table.OfUser(p.User.ID), table.OfSession(p.Session.ID), table.OfAccount(p.Account.ID),
		table.OfConnection(p.Connection.ID), table.OfAccount(p.Connection.Account)}
	for _, place := range p.Tenancies {
		on = append(on, table.OfAccount(place.Account.ID))
	}
	for _, g := range p.ExternalGroups {
		on = append(on, table.OfGroup(g.ID))
	}
	return v, on, nil
}

// liveVisit reads a live session, wherever it works. Unauthorized when there is none.
func liveVisit(tx *table.Tx, digest []byte, now time.Time) (table.Visit, error) {
	v, found, err := tx.Visit(digest, now)
	if err == nil && !found {
		v, found, err = tx.VisitNowhere(digest, now)
	}
	if err == nil && !found {
		v, found, err = tx.VisitExternal(digest, now)
	}
	if err == nil && !found {
		err = nobody()
	}
	return v, err
}

// greet gives the presence of a visit, and notes that the session was used.
func (l *Ledger) greet(ctx context.Context, v *visit, now time.Time) (account.Presence, error) {
	p, before := v.Presence, v.seen.Load()
	if now.Sub(before.at) >= touchEvery {
		next := &seen{now, now.Add(l.opt.Sessions.Idle)}
		if next.idle.After(p.Session.ExpiresAt) {
			next.idle = p.Session.ExpiresAt
		}
		if v.seen.CompareAndSwap(before, next) { // of many requests at once, one writes
			if err := l.db.Write(ctx, func(tx *table.Tx) error { return tx.TouchSession(v.digest, next.at, next.idle) }); err != nil {
				v.seen.CompareAndSwap(next, before)
				return account.Presence{}, err
			}
		}
		before = v.seen.Load()
	}
	p.Session.SeenAt, p.Session.IdleUntil = before.at, before.idle
	return p, nil
}

func (l *Ledger) presence(tx *table.Tx, v table.Visit) (account.Presence, error) {
	a := v.House.Account.ID
	p := account.Presence{Session: v.Session.Session, User: v.User, Account: v.House.Account, Org: v.House.Org, Tenancy: v.Tenancy,
		Connection: v.Connection, Groups: v.Groups, Teams: map[account.TeamID]account.Team{}, Rules: map[account.RuleID]string{}}
	var err error
	if p.TermsDue, err = l.termsDue(tx, v.User.ID); err != nil {
		return p, err
	}
	if p.Tenancies, err = placesOf(tx, v); err != nil {
		return p, err
	}
	if p.ExternalIn, err = externalPlaces(tx, v); err != nil || a == "" {
		return p, err
	}
	held, err := tx.Held(a, v.User.ID)
	if err != nil {
		return p, err
	}
	e, err := l.external(tx, v.House, v.User.ID, through(v.Session.Connection))
	if err != nil {
		return p, err
	}
	p.ExternalGroups = e.In
	switch p.Tenancy.Role, p.Tenancy.Sources = accountRole(held); {
	case p.Tenancy.Role != "":
		p.Roles = e.and(l.resolved(p.Org, held))
	case len(e.In) > 0:
		p.External, p.Tenancy, p.Roles = true, account.Tenancy{}, e.Held
	default:
		return p, nobody()
	}
	if p.Roles, p.Denied, err = l.count(tx, v.House, p.Roles); err != nil {
		return p, err
	}
	set := ruleSet{}
	if !p.External { // nothing of what they hold is by rules
		if set, err = l.activeRules(tx, a, v.Rules); err != nil {
			return p, err
		}
	}
	needTeams := false
	for _, h := range p.Roles {
		needTeams = needTeams || h.Scope.Team != ""
		for _, s := range h.Sources {
			if name, ok := set.names[s.Rule]; ok {
				p.Rules[s.Rule] = name
			}
		}
	}
	if !needTeams {
		return p, nil
	}
	teams, err := tx.Teams(a)
	for _, t := range teams {
		p.Teams[t.ID] = t
	}
	return p, err
}

// placesOf lists the accounts that a live session may work in. Who signed in by themselves may go wherever they have a place: no account's
// word stands behind their session, and cutting over a domain ends those of its people.
func placesOf(tx *table.Tx, v table.Visit) ([]account.Place, error) {
	if v.Session.Local() {
		return tx.Places(v.User.ID)
	}
	return openPlaces(tx, v.User, v.Connection.Account, v.Session.Account)
}

// openPlaces lists the accounts that a session of u may work in: the one it works in now, the one whose connection made it (home; empty
// for who came in by the first owner's link), and others that let the person in by their address, as long as home has a say over it. An
// account whose own connection has named the person is entered through that connection alone: otherwise whoever comes to hold a
// domain would come into every account that its former holder's people have (promise 4).
func openPlaces(tx *table.Tx, u account.User, home, now account.AccountID) ([]account.Place, error) {
	places, err := tx.Places(u.ID)
	if err != nil || len(places) == 0 {
		return nil, err
	}
	speaks := false
	if len(places) > 1 && home != "" {
		d, _, err := tx.DomainNamed(home, account.EmailDomain(u.Email))
		if err != nil {
			return nil, err
		}
		speaks = d.Counts()
	}
	var open []account.Place
	for _, p := range places {
		if p.Account.ID != home && p.Account.ID != now {
			if !speaks {
				continue
			}
			if known, err := tx.NamedBy(p.Account.ID, u.ID); err != nil {
				return nil, err
			} else if known {
				continue
			}
		}
		open = append(open, p)
	}
	return open, nil
}

// Choose moves a session to another account of the same person and gives it a new token (SES-2); the old one is worthless from then
// on. NotFound when the person has no active place there, or none that this session may go to.
func (l *Ledger) Choose(ctx context.Context, by account.Actor, token account.Secret, to account.AccountID) (account.Session, error) {
	now, fresh := l.now(), account.NewSecret(l.random(32))
	old := digest(token.Reveal())
	var out account.Session
	err := l.db.Write(ctx, func(tx *table.Tx) error {
		v, err := liveVisit(tx, old, now)
		if err != nil {
			return err
		}
		places, err := placesOf(tx, v)
		if err != nil {
			return err
		}
		external, err := externalPlaces(tx, v)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(append(places, external...), func(p account.Place) bool { return p.Account.ID == to }) {
			return noAccount()
		}
		moved, err := tx.MoveSession(old, digest(fresh.Reveal()), to)
		if err != nil {
			return err
		}
		if !moved {
			return nobody()
		}
		tx.Shut(table.OfSession(v.Session.ID))
		out = v.Session.Session
		out.Account, out.Token = to, fresh
		by.Kind, by.User = account.ActorUser, v.User.ID
		return l.audit(tx, by, to, "session.account_chosen", note{Target: string(out.ID), Detail: map[string]any{"from": v.Session.Account}}, now)
	})
	if err != nil {
		return account.Session{}, err
	}
	return out, nil
}

// Leaving is what the sign-in door needs to say goodbye at the provider.
type Leaving struct {
	Session account.Session
	NameID  *account.NameID
	IDToken account.Secret
}

// SignOut ends one session. Ending it twice changes nothing: the answer is then empty.
func (l *Ledger) SignOut(ctx context.Context, by account.Actor, token account.Secret) (Leaving, error) {
	if token.IsZero() {
		return Leaving{}, nil
	}
	now := l.now()
	var row table.Session
	err := l.db.Write(ctx, func(tx *table.Tx) error {
		var found bool
		var err error
		if row, found, err = tx.EndSession(digest(token.Reveal())); err != nil || !found {
			return err
		}
		tx.Shut(table.OfSession(row.ID))
		by.Kind, by.User, by.Connection = account.ActorUser, row.User, row.Connection
		house, _, err := tx.House(row.Account)
		if err != nil {
			return err
		}
		if err := l.announce(tx, house, by, now, account.Announcement{What: account.WordSessionEnded, User: row.User, Session: row.ID, Reason: "signed out"}); err != nil {
			return err
		}
		return l.audit(tx, by, row.Account, "user.signed_out", note{Target: string(row.User), Detail: map[string]any{"session": row.ID}}, now)
	})
	if err != nil || row.ID == "" {
		return Leaving{}, err
	}
	out := Leaving{Session: row.Session, NameID: row.NameID}
	if out.IDToken, err = l.opt.Keyring.open(row.Sealed, string(row.Connection), string(row.ID), "id_token"); err != nil {
		// The session is over; saying goodbye at the provider goes on without the hint.
		l.opt.Log.WarnContext(ctx, "the id token of an ended session does not open", "session", row.ID, "error", err)
	}
	return out, nil
}

// EndSessions ends the sessions that a provider names: by provider session, or all of a subject when it is "".
// message is remembered until an instant, so that the same logout message counts once: Conflict with code already_used. It says how
// many sessions ended; none is no error, because providers repeat themselves.
func (l *Ledger) EndSessions(ctx context.Context, by account.Actor, c account.ConnectionID, subject, providerSession, message string, until time.Time) (int, error) {
	if subject == "" && providerSession == "" {
		return 0, account.Errorf(account.Invalid, "A logout names a subject or a session.")
	}
	now := l.now()
	var ended []account.SessionID
	err := l.db.Write(ctx, func(tx *table.Tx) error {
		conn, found, err := tx.Outline(c)
		if err != nil {
			return err
		}
		if !found {
			return noConnection()
		}
		if message != "" {
			first, err := tx.UseMessage(conn.Account, c, "logout "+message, until)
			if err != nil {
				return err
			}
			if !first {
				return account.Errorf(account.Conflict, "This logout message was used before.").Coded(codeUsed)
			}
		}
		by.Connection = c
		if err := l.announceLogout(tx, by, conn.Account, now, c, subject, providerSession); err != nil {
			return err
		}
		if err := l.receiptsOfLogout(tx, by, conn.Account, now, c, subject, providerSession); err != nil {
			return err
		}
		if ended, err = tx.EndSessionsOf(c, subject, providerSession); err != nil {
			return err
		}
		for _, id := range ended {
			tx.Shut(table.OfSession(id))
		}
		return l.audit(tx, by, conn.Account, "sessions.ended", note{Target: string(c), Detail: map[string]any{"subject": subject, "sessions": len(ended)}}, now)
	})
	return len(ended), err
}

// receiptsOfLogout leaves a receipt for everybody whose sessions a provider's logout ends. The account is locked: sign-ins under way have
// ended before their sessions are looked for.
func (l *Ledger) receiptsOfLogout(tx *table.Tx, by account.Actor, a account.AccountID, now time.Time, c account.ConnectionID, subject, providerSession string) error {
	house, _, err := tx.LockHouse(a)
	if err != nil {
		return err
	}
	meant, err := tx.SessionsMeant(c, subject, providerSession)
	if err != nil {
		return err
	}
	ended := map[account.UserID]int{}
	for _, s := range meant {
		ended[s.User]++
	}
	h := &hand{Tx: tx, House: house, l: l, by: by, now: now, master: true}
	for u, n := range ended {
		user, found, err := tx.User(u)
		if err != nil {
			return err
		}
		if !found {
			continue
		}
		r := h.receiptFor(user, removal{User: u, Source: account.FromLogout, Why: "signed out at the provider"})
		r.Sessions = n
		if err := h.handOut(r); err != nil {
			return err
		}
	}
	return nil
}
