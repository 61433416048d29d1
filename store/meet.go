package store

import (
	"fmt"
	"slices"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/rules"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// meet finds or makes the person that a pushed user stands for, and follows their name and address. The subject of their sign-ins
// decides; an address only counts in a domain that is proved for this account (promise 4, SCIM-2).
func (p *provision) meet(row *table.Pushed) error {
	a, c := p.where()
	email, name := row.Document.Email(), row.Document.Title()
	if row.Person != "" {
		if err := p.compare(row); err != nil {
			return err
		}
		return p.followPush(row.Person, email, name)
	}
	row.Unmet = ""
	u, err := p.personFor(row, email)
	if err != nil || u == "" {
		return err
	}
	if other, found, err := p.PushedFor(a, c, u); err != nil || found && other.ID != row.ID {
		if err == nil {
			p.unmet(row, "%s stands for the person with the address %s already; this one is nobody here.", other.ID, email)
		}
		return err
	}
	row.Person = u
	if err := p.compare(row); err != nil {
		return err
	}
	p.Gain(table.OfUser(u))
	first, err := p.PutTenancy(a, u, p.now)
	if err == nil && first {
		err = p.announce(account.Announcement{What: account.WordAdded, User: u, Email: email})
	}
	if err != nil {
		return err
	}
	_, err = p.AddSource(a, u, rules.Sourced{Role: account.Member, Source: account.Source{Kind: account.SourceSCIM, Connection: c, By: p.by.String(), At: p.now}})
	return err
}

// personFor is the person, made if need be; empty when nobody can be.
func (p *provision) personFor(row *table.Pushed, email string) (account.UserID, error) {
	a, c := p.where()
	if row.Meets != "" {
		known, found, err := p.KnownBySubject(a, c, row.Meets)
		if err != nil || found {
			return known.User.ID, err
		}
	}
	if email == "" {
		p.unmet(row, "There is no e-mail address, so that this is nobody here.")
		return "", nil
	}
	counts, err := p.hasSay(email)
	if err != nil {
		return "", err
	}
	if !counts {
		p.unmet(row, "The domain of %s is not proved for this account, so that this is nobody here. Prove it under Domains.", email)
		return "", nil
	}
	u, found, err := p.UserByEmail(email)
	if err != nil || found {
		return u.ID, err
	}
	u = account.User{ID: account.NewID[account.UserID](p.now, p.l.opt.Random), Email: email, Name: row.Document.Title(), State: account.UserActive, CreatedAt: p.now}
	return u.ID, p.InsertUser(u)
}

// followPush takes over a new address or name, as a sign-in does.
func (p *provision) followPush(id account.UserID, email, name string) error {
	u, found, err := p.User(id)
	if err != nil || !found {
		return err
	}
	mayOld, err := p.hasSay(u.Email)
	if err != nil || !mayOld {
		return err
	}
	next := u
	if name != "" {
		next.Name = name
	}
	if email != "" && email != u.Email {
		mayNew, err := p.hasSay(email)
		if err != nil {
			return err
		}
		_, taken, err := p.UserByEmail(email)
		if err != nil {
			return err
		}
		switch {
		case !mayNew: // whether others know such an address is theirs (RATE-2)
			p.note("The domain of %s is not proved for this account; the person keeps their address.", email)
		case taken:
			p.note("The address %s is somebody else's here; the person keeps theirs.", email)
		default:
			next.Email = email
			p.Shut(table.OfUser(id)) // the accounts that a session may go to hang on its domain
			if err := p.audit("user.email_changed", note{Target: string(id), Detail: map[string]any{"from": u.Email, "to": email}}); err != nil {
				return err
			}
		}
	}
	if next == u {
		return nil
	}
	p.Gain(table.OfUser(id))
	return p.SetUser(id, next.Email, next.Name)
}

// state makes the person come in or stay out as the document says.
func (p *provision) state(row table.Pushed) error {
	if row.Person == "" {
		return nil
	}
	if !row.Document.Active() {
		return p.leaves(row.Person, "inactive")
	}
	a, c := p.where()
	back, err := p.letIn(row.Person, p.seal())
	if err != nil || !back {
		return err
	}
	if _, err := p.AddSource(a, row.Person, rules.Sourced{Role: account.Member, Source: account.Source{Kind: account.SourceSCIM, Connection: c, By: p.by.String(), At: p.now}}); err != nil {
		return err
	}
	p.changed = append(p.changed, "the person may come in again")
	return p.reconsider(row.Person)
}

// leaves shuts the person behind a pushed user out.
func (p *provision) leaves(u account.UserID, why string) error {
	if !p.locked {
		return errNeedsLock
	}
	r, err := p.shutOut(removal{User: u, Source: account.FromSCIM, Why: why, Seal: p.seal()})
	if err == nil && r.ID != "" {
		p.changed = append(p.changed, fmt.Sprintf("%s was shut out, %d sessions ended, %d keys revoked", r.Email, r.Sessions, r.Keys))
	}
	return err
}

// seal names the connection that shuts somebody out, so that it alone lets them in again.
func (p *provision) seal() string {
	_, c := p.where()
	return account.Actor{Kind: account.ActorConnection, Connection: c}.String()
}

// regroup follows a changed group: whom it gained or lost, and everybody in it when its value for rules is another one.
func (p *provision) regroup(before, after table.Pushed, moved []string) error {
	a, c := p.where()
	if before.Meets == after.Meets {
		return p.moved(moved, after.Meets)
	}
	if err := p.SawIdPGroups(a, c, []string{after.Meets}, p.now, seenAgain); err != nil {
		return err
	}
	members, err := p.MemberIDs(after)
	if err != nil {
		return err
	}
	return p.moved(append(moved, members...), before.Meets, after.Meets)
}

// moved evaluates the active rules anew for the people behind pushed users whose membership in groups with these values changed.
func (p *provision) moved(ids []string, values ...string) error {
	if len(ids) == 0 || p.Options.Groups == account.GroupsIgnore {
		return nil
	}
	a, c := p.where()
	set, err := p.RuleSet(a)
	if err != nil {
		return err
	}
	active, err := p.l.activeRules(p.Tx, a, set.Revision)
	if err != nil || !active.index.Reads(c, values...) {
		return err
	}
	slices.Sort(ids)
	people, err := p.PeopleOf(a, c, slices.Compact(ids))
	if err != nil {
		return err
	}
	for _, u := range people {
		if err := p.reconsider(u); err != nil {
			return err
		}
	}
	return nil
}

// manyPeople of one change are an account as well: one line of the revocation log instead of thousands.
const manyPeople = 100

// reconsider gives a person what their groups earn now: those that were pushed, joined with those of their last sign-in.
func (p *provision) reconsider(u account.UserID) error {
	a, c := p.where()
	if pushes, err := p.PushesGroups(a, c); err != nil || !pushes {
		return err
	}
	if _, here, err := p.Tenancy(a, u); err != nil || !here { // removed by hand
		return err
	}
	pushed, _, err := p.PushedGroups(a, c, u)
	if err != nil {
		return err
	}
	claims, err := p.LastClaims(a, c, u)
	if err != nil {
		return err
	}
	set, err := p.RuleSet(a)
	if err != nil {
		return err
	}
	active, err := p.l.activeRules(p.Tx, a, set.Revision)
	if err != nil {
		return err
	}
	held, err := p.Held(a, u)
	if err != nil {
		return err
	}
	decision := active.index.Evaluate(c, rules.Merge(claims, pushed, p.Options.Groups))
	change := rules.Diff(held, p.Org.ID, isOwner(held, p.Org.ID), decision, c, p.now)
	switch {
	case len(change.Revoke) > 0 && p.Said() < manyPeople:
		p.Shut(table.OfUser(u))
	case len(change.Revoke) > 0:
		p.Shut(table.OfAccount(a))
	case !change.Empty():
		p.Gain(table.OfUser(u))
	}
	return p.move(u, held, change)
}
