package store

import (
	"encoding/json"
	"slices"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/rules"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// changeClaims merges changed claims into what is remembered of the person's sign-ins, and gives them at once what the rules say
// (CAEP 1.0 §3.2). Groups are the only claims that are remembered.
func (t *turn) changeClaims() error {
	claims, _ := t.body["claims"].(map[string]any)
	ids, err := t.identities()
	if err != nil {
		return err
	}
	for _, i := range ids {
		values, said, err := t.claimedGroups(i.Connection, claims)
		if err != nil {
			return err
		}
		if !said {
			continue
		}
		if err := t.newGroups(i, values); err != nil {
			return err
		}
	}
	if t.row.Outcome == account.EventRecorded {
		t.say("None of the claims is one that roles depend on.")
	}
	return nil
}

// identities are those that the claims are of: the one that was named, or else the person's at the stream's own connection.
func (t *turn) identities() ([]table.Identity, error) {
	a, u := t.Account.ID, t.whom.user
	if u == "" {
		return nil, nil
	}
	all, err := t.IdentitiesOf(a, u)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(i table.Identity) bool {
		if t.whom.connection != "" {
			return i.Connection != t.whom.connection || i.Subject != t.whom.subject
		}
		return i.Connection != t.stream.Connection
	}), nil
}

// claimedGroups finds the groups among the claims, under the names that the connection's groups come by.
func (t *turn) claimedGroups(c account.ConnectionID, claims map[string]any) (values []string, said bool, err error) {
	row, found, err := t.Tx.Connection(c)
	if err != nil || !found {
		return nil, false, err
	}
	names := []string{"groups"}
	if row.Live != nil && len(row.Live.Mapping.Groups) > 0 {
		names = row.Live.Mapping.Groups
	}
	for _, name := range names {
		v, given := claims[name]
		if !given {
			continue
		}
		switch v := v.(type) {
		case nil:
			return nil, true, nil
		case string:
			return []string{v}, true, nil
		case []any:
			for _, e := range v {
				s, ok := e.(string)
				if !ok {
					return nil, false, badSET("The groups are strings.")
				}
				values = append(values, s)
			}
			return values, true, nil
		}
		return nil, false, badSET("The groups are a list of strings.")
	}
	return nil, false, nil
}

// newGroups remembers groups as a sign-in would and applies what they earn. Whoever loses their last role in the org is signed out. A stream
// that does not belong to the connection may take groups away, and give none (SET-6): what earns roles is the provider's own word.
func (t *turn) newGroups(i table.Identity, values []string) error {
	if limit := t.l.Catalogue().Limits.GroupValues; limit > 0 && len(values) > limit {
		return account.Errorf(account.Invalid, "%d groups are more than the %d that a person can have.", len(values), limit)
	}
	if t.row.At.Before(i.At) { // a sign-in or another event has said something newer since: an old token gives nothing back
		t.row.Outcome, t.row.Detail = account.EventSuperseded, "Their groups have been heard of since."
		return nil
	}
	if i.Connection != t.stream.Connection {
		had, _, _, err := t.LastGroups(i.Connection, i.Subject)
		if err != nil {
			return err
		}
		if !within(values, had.Values) {
			return t.hold("Only a stream of the connection itself gives its people groups that they did not have.")
		}
	}
	text, err := json.Marshal(values)
	if err != nil {
		return err
	}
	i.At, i.Groups, i.GroupsText = t.row.At, account.GroupSet{State: account.GroupsComplete, Values: values, Source: "event"}, string(text)
	if len(values) == 0 {
		i.GroupsText = "[]"
	}
	if err := t.SetIdentityGroups(i); err != nil {
		return err
	}
	if err := t.SawGroups(i.Account, i.Connection, t.now); err != nil {
		return err
	}
	before, err := t.Held(i.Account, i.User)
	if err != nil {
		return err
	}
	if err := t.earn(i, before); err != nil {
		return err
	}
	after, err := t.Held(i.Account, i.User)
	if err != nil {
		return err
	}
	t.did("The groups are now %d.", len(values))
	if inOrg(before) && !inOrg(after) {
		return t.endSessions()
	}
	return nil
}

// within reports whether all values are among others.
func within(values, others []string) bool {
	return !slices.ContainsFunc(values, func(v string) bool { return !slices.Contains(others, v) })
}

func inOrg(held []account.Held) bool {
	return slices.ContainsFunc(held, func(h account.Held) bool { return h.Scope.Org != "" })
}

// earn evaluates the active rules on what is remembered of the person at a connection.
func (t *turn) earn(i table.Identity, held []account.Held) error {
	groups := i.Groups
	options, found, err := t.SCIMOptions(i.Account, i.Connection)
	if err != nil {
		return err
	}
	if pushes, err := t.PushesGroups(i.Account, i.Connection); err != nil {
		return err
	} else if pushes && found {
		pushed, has, err := t.PushedGroups(i.Account, i.Connection, i.User)
		if err != nil {
			return err
		}
		if has {
			groups = rules.Merge(groups, pushed, options.Groups)
		}
	}
	set, err := t.RuleSet(i.Account)
	if err != nil {
		return err
	}
	active, err := t.l.activeRules(t.Tx, i.Account, set.Revision)
	if err != nil {
		return err
	}
	change := rules.Diff(held, t.Org.ID, isOwner(held, t.Org.ID), active.index.Evaluate(i.Connection, groups), i.Connection, t.now)
	t.Shut(table.OfUser(i.User))
	return t.move(i.User, held, change)
}

// mayMove reports whether the stream gives an address to somebody: it belongs to a connection of the account, which holds the domain, and the
// domain is not tied to another connection (promise 4).
func (t *turn) mayMove(email string) (bool, error) {
	d, held, err := t.domainOf(email)
	return held && (d.Connection == "" || d.Connection == t.stream.Connection), err
}

// mayTake reports whether the stream takes an address from somebody: as mayMove, or it may name the people of the connection that the domain
// is tied to.
func (t *turn) mayTake(email string) (bool, error) {
	d, held, err := t.domainOf(email)
	return held && (d.Connection == "" || slices.Contains(t.stream.Names(), d.Connection)), err
}

// domainOf is the domain of an address; held reports whether the account holds it and the stream belongs to a connection of the account.
func (t *turn) domainOf(email string) (d table.Domain, held bool, err error) {
	if t.stream.Connection == "" {
		return d, false, nil
	}
	d, held, err = t.HeldDomain(account.EmailDomain(email))
	return d, held && d.Account == t.Account.ID && d.Counts(), err
}

func (t *turn) hold(format string, args ...any) error {
	t.row.Outcome = account.EventHeld
	t.say(format, args...)
	return nil
}

// subjectEmail is the address that the event is about; empty when it is about a phone number or something else.
func (t *turn) subjectEmail() string {
	email, err := account.NormalEmail(t.row.Subject.Values["email"])
	if err != nil {
		return ""
	}
	return email
}

// changeIdentifier follows a new address (RISC 1.0 §2.5), within the proved domains of the account.
func (t *turn) changeIdentifier() error {
	raw := t.text("new-value")
	if t.subjectEmail() == "" || raw == "" || t.whom.user == "" {
		t.say("Only addresses are kept here.")
		return nil
	}
	email, err := account.NormalEmail(raw)
	if err != nil {
		return t.hold("%q is no address.", clip(raw, 80))
	}
	u, found, err := t.User(t.whom.user)
	if err != nil || !found {
		return err
	}
	if u.Email == email {
		return nil
	}
	for _, address := range []string{u.Email, email} {
		may, err := t.mayMove(address)
		if err != nil {
			return err
		}
		if !may {
			return t.hold("The stream does not speak for the domain of %s.", address)
		}
	}
	if _, taken, err := t.UserByEmail(email); err != nil || taken {
		if err == nil {
			err = t.hold("The address %s is somebody else's here.", email)
		}
		return err
	}
	t.did("The address is now %s.", email)
	return t.setEmail(u, email)
}

func (t *turn) setEmail(u account.User, email string) error {
	t.Shut(table.OfUser(u.ID))
	if err := t.SetUser(u.ID, email, u.Name); err != nil {
		return err
	}
	return t.hand.audit("user.email_changed", note{Target: string(u.ID), Detail: map[string]any{"from": u.Email, "to": email}})
}

// recycleIdentifier takes an address from somebody, because it is given to a new person (RISC 1.0 §2.6): it leads nobody to the old one any
// more. In its place comes one that cannot exist (RFC 2606 §2).
func (t *turn) recycleIdentifier() error {
	if t.subjectEmail() == "" || t.whom.user == "" {
		return t.endSessions()
	}
	u, found, err := t.User(t.whom.user)
	if err != nil || !found {
		return err
	}
	may, err := t.mayTake(u.Email)
	if err != nil {
		return err
	}
	if !may {
		return t.hold("The stream does not speak for the domain of %s.", u.Email)
	}
	if err := t.endSessions(); err != nil {
		return err
	}
	t.did("The address %s is no longer theirs.", u.Email)
	return t.setEmail(u, string(u.ID)+"@recycled.invalid")
}
