package store

import (
	"context"
	"slices"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

const touchEvery = time.Minute

func nobody() *account.Error {
	return account.Errorf(account.Unauthorized, "Nobody is signed in.").Fix("Sign in.")
}

// Presence is who the cookie's token belongs to and what they hold now. Unauthorized when there is no such live session,
// the person is disabled, the tenancy is not active, or the connection has been switched off. Seen at most once a minute.
func (l *Ledger) Presence(ctx context.Context, token account.Secret) (account.Presence, error) {
	if token.IsZero() {
		return account.Presence{}, nobody()
	}
	now := l.now()
	var p account.Presence
	var session table.Session
	err := l.db.Read(ctx, func(tx *table.Tx) error {
		v, found, err := tx.Visit(digest(token.Reveal()), now)
		if err != nil {
			return err
		}
		if !found {
			return nobody()
		}
		session = v.Session
		p, err = l.presence(tx, v)
		return err
	})
	if err != nil {
		return account.Presence{}, err
	}
	if now.Sub(session.SeenAt) >= touchEvery {
		idle := now.Add(l.opt.Sessions.Idle)
		if idle.After(session.ExpiresAt) {
			idle = session.ExpiresAt
		}
		if err := l.db.Write(ctx, func(tx *table.Tx) error { return tx.TouchSession(session.Digest, now, idle) }); err != nil {
			return account.Presence{}, err
		}
		p.Session.SeenAt, p.Session.IdleUntil = now, idle
	}
	return p, nil
}

func (l *Ledger) presence(tx *table.Tx, v table.Visit) (account.Presence, error) {
	a := v.House.Account.ID
	p := account.Presence{Session: v.Session.Session, User: v.User, Account: v.House.Account, Org: v.House.Org, Tenancy: v.Tenancy,
		Connection: v.Connection, Groups: v.Groups, Teams: map[account.TeamID]account.Team{}, Rules: map[account.RuleID]string{}}
	held, err := tx.Held(a, v.User.ID)
	if err != nil {
		return p, err
	}
	if p.Tenancy.Role, p.Tenancy.Sources = accountRole(held); p.Tenancy.Role == "" {
		return p, nobody()
	}
	p.Roles = l.withOwnersRoles(p.Org, held)
	if p.Tenancies, err = openPlaces(tx, v.User, v.Connection.Account, a); err != nil {
		return p, err
	}
	set, err := l.activeRules(tx, a, v.Rules)
	if err != nil {
		return p, err
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
		v, found, err := tx.Visit(old, now)
		if err != nil {
			return err
		}
		if !found {
			return nobody()
		}
		places, err := openPlaces(tx, v.User, v.Connection.Account, v.Session.Account)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(places, func(p account.Place) bool { return p.Account.ID == to }) {
			return noAccount()
		}
		moved, err := tx.MoveSession(old, digest(fresh.Reveal()), to)
		if err != nil {
			return err
		}
		if !moved {
			return nobody()
		}
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
		by.Kind, by.User, by.Connection = account.ActorUser, row.User, row.Connection
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
	var ended int64
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
		if ended, err = tx.EndSessionsOf(c, subject, providerSession); err != nil {
			return err
		}
		by.Connection = c
		return l.audit(tx, by, conn.Account, "sessions.ended", note{Target: string(c), Detail: map[string]any{"subject": subject, "sessions": ended}}, now)
	})
	return int(ended), err
}
