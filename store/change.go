package store

import (
	"context"
	"maps"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// A hand is a change, or a look, under way in one account: the transaction, who it is for, and what they
// hold there. It lives as long as its transaction.
type hand struct {
	*table.Tx
	table.House
	l      *Ledger
	by     account.Actor
	now    time.Time
	master bool           // the operator at the console, or a job of the house
	held   []account.Held // by ActorUser, with what follows from it (L-15)
}

// A note is what the audit log says about a change beside who, when and where. Detail never holds secrets.
type note struct {
	Target string // id of what was changed
	Reason string
	Detail map[string]any
}

// A need says why an actor may not; nil when they may.
type need func(*hand) error

// change is the frame of every verb of an account. It locks the account (so that limits can be counted, and
// rights cannot be withdrawn meanwhile), asks need, makes the change and writes the audit line verb in the same
// transaction. A nil note says that nothing had to be changed, and leaves no line. Do may run more than once.
// An attempt without the right is audited in a transaction of its own.
func (l *Ledger) change(ctx context.Context, by account.Actor, a account.AccountID, verb string, may need, do func(*hand) (*note, error)) error {
	now := l.now()
	err := l.db.Write(ctx, func(tx *table.Tx) error {
		house, found, err := tx.LockHouse(a)
		if err != nil {
			return err
		}
		h, err := l.hand(tx, by, house, found, now)
		if err != nil {
			return err
		}
		return h.make(verb, table.OfAccount(a), func() error { return may(h) }, func() (*note, error) { return do(h) })
	})
	if account.KindOf(err) == account.Forbidden {
		l.recordRefused(ctx, by, a, verb, now)
	}
	return err
}

// make is what the frames of changes share, once the hand is there: may they, the change, what it takes from the memory of others (all of rest,
// when do has not said), and the audit line.
func (h *hand) make(verb string, rest table.Target, may func() error, do func() (*note, error)) error {
	if err := inEmergency(h.by, verb); err != nil {
		return err
	}
	if err := may(); err != nil {
		return err
	}
	said := h.Said()
	n, err := do()
	if err != nil || n == nil {
		return err
	}
	if h.Said() == said {
		h.Shut(rest)
	}
	return h.audit(verb, *n)
}

// look is change for verbs that only read.
func (l *Ledger) look(ctx context.Context, by account.Actor, a account.AccountID, may need, do func(*hand) error) error {
	err := l.db.Read(ctx, func(tx *table.Tx) error {
		house, found, err := tx.House(a)
		if err != nil {
			return err
		}
		h, err := l.hand(tx, by, house, found, l.now())
		if err != nil {
			return err
		}
		if err := may(h); err != nil {
			return err
		}
		return do(h)
	})
	if by.Token != "" && account.KindOf(err) == account.Forbidden {
		l.recordRefused(ctx, by, a, "account.looked_into", l.now()) // whose it is sees what an operator's token tries
	}
	return err
}

// hand finds out what by holds. An account that does not exist and one that is not the actor's business
// look alike (ADM-1).
func (l *Ledger) hand(tx *table.Tx, by account.Actor, house table.House, found bool, now time.Time) (*hand, error) {
	h := &hand{Tx: tx, House: house, l: l, by: by, now: now}
	switch {
	case !found:
		return nil, noAccount()
	case by.Kind == account.ActorOperator, by.Kind == account.ActorSystem:
		h.master = by.Token == ""
		return h, nil
	case by.Kind != account.ActorUser, by.Account != "" && by.Account != house.Account.ID:
		return nil, noAccount()
	}
	u, found, err := tx.User(by.User)
	if err != nil {
		return nil, err
	}
	if !found || u.State != account.UserActive {
		return nil, noAccount()
	}
	t, held, found, err := l.tenancy(tx, house, by.User)
	if err != nil {
		return nil, err
	}
	if !found || t.Status != account.TenancyActive {
		return nil, noAccount()
	}
	h.held = held
	return h, nil
}

// tenancy reads a person's place in an account and all that they hold there. found is false when they never
// had one or it has no source any more.
func (l *Ledger) tenancy(tx *table.Tx, house table.House, u account.UserID) (account.Tenancy, []account.Held, bool, error) {
	t, found, err := tx.Tenancy(house.Account.ID, u)
	if err != nil || !found {
		return t, nil, false, err
	}
	held, err := tx.Held(house.Account.ID, u)
	if err != nil {
		return t, nil, false, err
	}
	t.Role, t.Sources = accountRole(held)
	return t, l.resolved(house.Org, held), t.Role != "", nil
}

// accountRole is the strongest account role among held; empty when there is none.
func accountRole(held []account.Held) (r account.Role, sources []account.Source) {
	for _, h := range held {
		if h.Scope.Org == "" && h.Role.Stronger(r) {
			r, sources = h.Role, h.Sources
		}
	}
	return r, sources
}

// resolved is all that somebody holds who holds this: what follows from it is worked out and not stored, so that no rule or revocation can take
// it away.
func (l *Ledger) resolved(org account.Org, held []account.Held) []account.Held {
	return l.withMembersRoles(org, l.withOwnersRoles(org, held))
}

// withMembersRoles adds what follows from a place in the account: the default role of each enabled service that has one. Who is external has
// no such place. In an individual org its one user holds them, and no other tenant of the account (B-04).
func (l *Ledger) withMembersRoles(org account.Org, held []account.Held) []account.Held {
	role, sources := accountRole(held)
	if role == "" || org.Type == account.Individual && !account.InOrg(held) {
		return held
	}
	whole := account.Scope{Org: org.ID}
	why := account.Source{Kind: account.SourceMember, At: sources[0].At}
	before := len(held)
	for _, id := range org.Services {
		service, _ := l.Catalogue().Service(id)
		if r := service.Default(); r != "" && !account.HasRole(held, whole, r) {
			held = append(held, account.Held{Scope: whole, Role: r, Sources: []account.Source{why}})
		}
	}
	if len(held) > before {
		account.SortHeld(held)
	}
	return held
}

// withOwnersRoles adds what an org owner holds by being one: admin on every enabled service (L-15). It is
// worked out and not stored, so that no rule or revocation can take it away.
func (l *Ledger) withOwnersRoles(org account.Org, held []account.Held) []account.Held {
	whole := account.Scope{Org: org.ID}
	var sources []account.Source
	for _, h := range held {
		if h.Scope == whole && h.Role == account.Owner {
			sources = h.Sources
		}
	}
	if sources == nil {
		return held
	}
	for _, id := range org.Services {
		service, _ := l.Catalogue().Service(id)
		for _, sr := range service.Roles {
			r := account.Role(id + ":" + sr.ID)
			if sr.Admin && !account.HasRole(held, whole, r) {
				held = append(held, account.Held{Scope: whole, Role: r, Sources: sources})
			}
		}
	}
	account.SortHeld(held)
	return held
}

func noAccount() *account.Error {
	return account.Errorf(account.NotFound, "No such account.").Coded("no_account").Fix("Check the identifier, and that you are a member of it.")
}

// audit writes one line about something that was done.
func (h *hand) audit(verb string, n note) error {
	return h.l.audit(h.Tx, h.by, h.Account.ID, verb, n, h.now)
}

func (l *Ledger) audit(tx *table.Tx, by account.Actor, a account.AccountID, verb string, n note, now time.Time) error {
	line := l.line(by, a, verb, n, now)
	if l.heard != nil {
		l.heard(line)
	}
	return tx.InsertAudit(line, now)
}

func (l *Ledger) line(by account.Actor, a account.AccountID, verb string, n note, now time.Time) account.AuditLine {
	if by.BreakGlass {
		n.Detail = maps.Clone(n.Detail)
		if n.Detail == nil {
			n.Detail = map[string]any{}
		}
		n.Detail["break_glass"] = true
	}
	return account.AuditLine{
		ID: account.NewID[account.AuditID](now, l.opt.Random), Account: a, Actor: by.String(), Verb: verb,
		Target: n.Target, Outcome: "done", Reason: n.Reason, Connection: by.Connection, IP: by.IP, Request: by.Request, Detail: n.Detail,
	}
}

// recordRefused leaves a line about an attempt without the right. Failing to write it does not change the answer.
func (l *Ledger) recordRefused(ctx context.Context, by account.Actor, a account.AccountID, verb string, now time.Time) {
	line := l.line(by, a, verb, note{Reason: string(account.Forbidden)}, now)
	line.Outcome = "refused"
	if err := l.db.Write(ctx, func(tx *table.Tx) error { return tx.InsertAudit(line, now) }); err != nil {
		l.opt.Log.ErrorContext(ctx, "a refused attempt could not be audited", "verb", verb, "actor", line.Actor, "error", err)
	}
}

// holds reports whether the actor holds a built-in role in the whole org.
func (h *hand) holds(r account.Role) bool {
	return account.HasRole(h.held, account.Scope{Org: h.Org.ID}, r)
}

// owners lets org owners and the operator.
func owners(h *hand) error {
	if h.master || h.holds(account.Owner) {
		return nil
	}
	return account.Errorf(account.Forbidden, "Only an owner of %s may do this.", h.Org.Name).Fix("Ask one of its owners.").Lacks("role:" + string(account.Owner))
}

// userAdmins lets org owners, org user admins and the operator (D-07, L-03).
func userAdmins(h *hand) error {
	if h.master || h.holds(account.Owner) || h.holds(account.UserAdmin) {
		return nil
	}
	return account.Errorf(account.Forbidden, "Only an owner or a user admin of %s may do this.", h.Org.Name).Fix("Ask one of its owners.").
		Lacks("role:" + string(account.UserAdmin))
}

// members lets everybody who has a place in the account, and the operator.
func members(h *hand) error {
	if h.by.Token != "" {
		return account.Errorf(account.Forbidden, "Only the people of %s may do this.", h.Org.Name).Fix("Ask one of its owners: the operator has no right to manage its users.")
	}
	return nil
}

// anyone lets everybody who has a place in the account, and the operator by a token too.
func anyone(*hand) error { return nil }

// operator lets nobody but whoever runs this installation, at its console, and its jobs.
func operator(h *hand) error {
	if h.master {
		return nil
	}
	return account.Errorf(account.Forbidden, "Only the operator of this installation may do this.").Fix("Ask the operator.")
}

// operators lets whoever runs this installation by a token too: for what is not the customer's own, as their users are.
func operators(h *hand) error {
	if h.by.Kind == account.ActorOperator {
		return nil
	}
	return operator(h)
}
