package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/directory"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// A Push is one request of an identity provider that may change something.
type Push struct {
	Pusher
	By      account.Actor       // ActorConnection with IP and request id
	Request account.SCIMRequest // what the request log says beside its outcome
	// Matches is asked with the version before the change; an error of it stops the change. nil: any will do.
	Matches func(version int64) error
	// Unmakes says that it takes back what the same request has made, which goes through when the token has ended meanwhile.
	Unmakes bool
}

// A Result is what came of it.
type Result struct {
	directory.Resource
	Notes []string // what an administrator should hear, such as that a pushed user meets nobody here
}

// needsLock means that a transaction may shut somebody out and has to begin again with the account locked: sign-ins under way must
// have ended before their sessions are looked for.
var errNeedsLock = errors.New("store: the account has to be locked")

// A provision is the transaction around one push.
type provision struct {
	*hand
	Push
	locked  bool
	notes   []string
	changed []string
}

func (p *provision) note(format string, args ...any) {
	p.notes = append(p.notes, fmt.Sprintf(format, args...))
}

// provision is the frame of every verb of a pusher: the change, what follows from it, its audit lines and its line in the request
// log are one transaction.
func (l *Ledger) provision(ctx context.Context, push Push, status int, do func(*provision) error) (*provision, error) {
	push.By.Kind, push.By.Connection = account.ActorConnection, push.Connection
	var p *provision
	attempt := func(locked bool) error {
		return l.db.Write(ctx, func(tx *table.Tx) error {
			p = &provision{hand: &hand{Tx: tx, l: l, by: push.By, now: l.now(), master: true}, Push: push, locked: locked}
			if err := p.enter(); err != nil {
				return err
			}
			if err := do(p); err != nil {
				return err
			}
			line := push.Request
			line.ID, line.Token, line.Status = account.NewID[account.SCIMRequestID](p.now, l.opt.Random), push.Token.ID, status
			line.Changed, line.Took = clip(strings.Join(p.changed, "; "), 1000), p.now.Sub(line.At)
			if len(p.notes) > 0 {
				line.Detail = clip(strings.Join(append([]string{}, p.notes...), " "), 1000)
			}
			if l.pushed != nil {
				l.pushed(line)
			}
			return tx.InsertSCIMRequest(push.Account, push.Connection, line)
		})
	}
	err := attempt(false)
	if errors.Is(err, errNeedsLock) {
		err = attempt(true)
	}
	return p, l.tripped(ctx, err)
}

func (p *provision) enter() error {
	var found bool
	var err error
	if p.locked {
		p.House, found, err = p.LockHouse(p.Push.Account)
	} else if err = p.ShareHouse(p.Push.Connection); err == nil {
		p.House, found, err = p.Tx.House(p.Push.Account)
	}
	if err == nil && !found {
		err = noConnection()
	}
	if err != nil || p.Unmakes || p.Token.ID == "" { // the house's own, such as a rehearsal
		return err
	}
	// Asked again under the lock: a request may be under way for long, and one of many operations for longer.
	valid, enabled, err := p.PusherStands(p.Pusher, p.now)
	switch {
	case err != nil:
		return err
	case !valid:
		return noPusher()
	case !enabled:
		return switchedOff(p.Pusher)
	}
	return nil
}

// House names the account of the push; the one of Push is its id.
func (p *provision) where() (account.AccountID, account.ConnectionID) {
	return p.Push.Account, p.Push.Connection
}

func noResource(k directory.Kind, id string) *account.Error {
	return account.Errorf(account.NotFound, "There is no %s %s.", k, clip(id, 60))
}

func taken(k directory.Kind, name string) *account.Error {
	what := "userName"
	if k == directory.Group {
		what = "displayName"
	}
	return account.Errorf(account.Conflict, "There is a %s with the %s %q already.", k, what, clip(name, 120)).Coded(directory.CodeUniqueness)
}

// free asks whether what has to be unique to a resource is nobody else's, and notes what should be.
func (p *provision) free(k directory.Kind, before, after directory.Document) error {
	a, c := p.where()
	if name := after.Name(k); directory.Fold(name) != directory.Fold(before.Name(k)) {
		if _, found, err := p.PushedNamed(a, c, k, name); err != nil || found {
			return errors.Join(err, errorIf(found, taken(k, name)))
		}
	}
	if external := after.Text("externalId"); external != "" && external != before.Text("externalId") {
		others, err := p.PushedExternally(a, c, k, external)
		if err != nil {
			return err
		}
		if len(others) > 0 {
			// RFC 7643 §3.1 leaves it to the client to keep them apart, and Okta's own import does not always.
			p.note("%s has the externalId %q too; no sign-in is taken for either of them by it.", others[0], clip(external, 120))
		}
	}
	return nil
}

// Provision makes a resource that a provider pushes. Conflict with code uniqueness when its name is taken in this connection. A
// pushed user meets a person: by the subject of their sign-ins, else by their address within the proved domains of the account, else
// one is made. Who has no address there is kept, and is nobody here.
func (l *Ledger) Provision(ctx context.Context, push Push, k directory.Kind, in directory.Reading) (Result, error) {
	var row table.Pushed
	p, err := l.provision(ctx, push, 201, func(p *provision) (err error) { row, err = p.create(k, in); return err })
	if err != nil {
		return Result{}, err
	}
	l.catchUp(ctx, push.Account, appeared(row)...)
	return l.shown(ctx, push, row, p)
}

func (p *provision) create(k directory.Kind, in directory.Reading) (table.Pushed, error) {
	a, c := p.where()
	p.notes = slices.Clone(in.Notes)
	if err := p.free(k, directory.Document{}, in.Document); err != nil {
		return table.Pushed{}, err
	}
	row := table.Pushed{Account: a, Resource: directory.Resource{Kind: k, Connection: c, Document: in.Document.Clone(), Version: 1, Created: p.now, Modified: p.now}}
	if k == directory.User {
		row.ID = string(account.NewID[account.SCIMUserID](p.now, p.l.opt.Random))
		row.Document["active"] = in.Document.Active()
	} else {
		row.ID = string(account.NewID[account.SCIMGroupID](p.now, p.l.opt.Random))
	}
	if err := p.settle(&row); err != nil {
		return row, err
	}
	if k == directory.User {
		if err := p.meet(&row); err != nil {
			return row, err
		}
	}
	if err := p.PutPushed(row, p.Type(k), true); err != nil {
		return row, err
	}
	p.changed = append(p.changed, fmt.Sprintf("%s %q was made", strings.ToLower(string(k)), row.Document.Name(k)))
	err := p.audit("scim."+strings.ToLower(string(k))+"_created", note{Target: row.ID, Detail: map[string]any{"name": row.Document.Name(k), "user": row.Person}})
	if err != nil {
		return row, err
	}
	if k == directory.Group {
		err = p.newGroup(&row, in.Members)
	} else {
		err = p.state(row)
	}
	if err != nil {
		return row, err
	}
	return row, p.awaited(row)
}

func errorIf(is bool, err error) error {
	if is {
		return err
	}
	return nil
}

func (p *provision) newGroup(row *table.Pushed, members []string) error {
	a, c := p.where()
	if err := p.GroupsPushed(a, c, p.Options, p.now); err != nil {
		return err
	}
	if err := p.SawIdPGroups(a, c, []string{row.Meets}, p.now, seenAgain); err != nil {
		return err
	}
	added, err := p.addMembers(*row, members)
	if err != nil {
		return err
	}
	return p.moved(added, row.Meets)
}

// settle works out what a sign-in brings for the resource: the subject of a user, the value of a group.
func (p *provision) settle(row *table.Pushed) error {
	settings, err := p.pusherSettings()
	if err != nil {
		return err
	}
	d := row.Document
	external := d.Text("externalId")
	tenant := entraTenant(settings)
	switch {
	case row.Kind == directory.Group && tenant != "" && external != "":
		row.Meets = external // Entra's claims carry object ids (T-10)
	case row.Kind == directory.Group:
		row.Meets = d.Text("displayName")
	case p.Options.Subject == account.SubjectUserName:
		row.Meets = d.Text("userName")
		if email, err := account.NormalEmail(row.Meets); err == nil {
			row.Meets = email
		}
	case tenant != "" && external != "":
		row.Meets = strings.ToLower(tenant + "/" + external)
	default:
		row.Meets = external
	}
	return nil
}

func (p *provision) pusherSettings() (*account.Settings, error) {
	_, c := p.where()
	row, found, err := p.Tx.Connection(c)
	if err != nil || !found {
		return nil, errors.Join(err, errorIf(!found, noConnection()))
	}
	if row.Live != nil {
		return row.Live, nil
	}
	return row.Draft, nil
}

// entraTenant is the directory id of an Entra connection; empty for any other.
func entraTenant(s *account.Settings) string {
	switch {
	case s == nil:
		return ""
	case s.OIDC != nil && s.OIDC.EntraTenant != "":
		return s.OIDC.EntraTenant
	case s.SAML != nil:
		if rest, ok := strings.CutPrefix(s.SAML.EntityID, "https://sts.windows.net/"); ok {
			return strings.Trim(rest, "/")
		}
	}
	return ""
}

// Amend changes a resource: change is given the document as it is and answers with what it should be and what happens to the members.
// It may be called more than once. What changes nothing leaves version and audit log alone. NotFound, Conflict with code uniqueness,
// or what Push.Matches says.
func (l *Ledger) Amend(ctx context.Context, push Push, k directory.Kind, id string, change func(directory.Document) (directory.Patched, []string, error)) (Result, error) {
	var row table.Pushed
	p, err := l.provision(ctx, push, 200, func(p *provision) error {
		a, c := p.where()
		var found bool
		var err error
		if row, found, err = p.Pushed(a, c, k, id, true); err != nil || !found {
			return errors.Join(err, errorIf(!found, noResource(k, id)))
		}
		if p.Matches != nil {
			if err := p.Matches(row.Version); err != nil {
				return err
			}
		}
		patched, notes, err := change(row.Document)
		if err != nil {
			return err
		}
		p.notes = slices.Clone(notes)
		if k == directory.User {
			if _, said := patched.Document["active"]; !said {
				patched.Document["active"] = row.Document.Active()
			}
			if !patched.Document.Active() && !p.locked {
				return errNeedsLock
			}
		}
		return p.amend(&row, patched)
	})
	if err != nil {
		return Result{}, err
	}
	return l.shown(ctx, push, row, p)
}

func (p *provision) amend(row *table.Pushed, patched directory.Patched) error {
	before := *row
	row.Document = patched.Document
	edited := !before.Document.Equal(row.Document)
	if err := p.free(row.Kind, before.Document, row.Document); err != nil {
		return err
	}
	if err := p.settle(row); err != nil {
		return err
	}
	if row.Kind == directory.User {
		if err := p.meet(row); err != nil {
			return err
		}
	}
	renamed := row.Meets != before.Meets
	added, removed, err := p.moveMembers(*row, patched.Members)
	if err != nil {
		return err
	}
	moved := len(added)+len(removed) > 0
	if edited || moved {
		row.Version, row.Modified = row.Version+1, later(p.now, row.Modified)
	}
	switch {
	case edited, renamed, row.Person != before.Person, row.Unmet != before.Unmet:
		err = p.PutPushed(*row, p.Type(row.Kind), false)
	case moved:
		err = p.TouchPushed(*row)
	}
	if err != nil {
		return err
	}
	if edited || moved {
		if err := p.tell(before, *row, len(added), len(removed)); err != nil {
			return err
		}
	}
	if row.Kind == directory.User {
		err = p.state(*row)
	} else {
		err = p.regroup(before, *row, append(added, removed...))
	}
	if err != nil || !edited {
		return err
	}
	return p.awaited(*row)
}

// later is now, and after what was there, so that lastModified moves with every change.
func later(now, before time.Time) time.Time {
	if now.After(before) {
		return now
	}
	return before.Add(time.Microsecond)
}

// tell writes what changed, by name and without values.
func (p *provision) tell(before, after table.Pushed, added, removed int) error {
	kind := strings.ToLower(string(after.Kind))
	detail := map[string]any{"name": after.Document.Name(after.Kind)}
	what := changedKeys(before.Document, after.Document)
	if len(what) > 0 {
		detail["changed"] = what
		p.changed = append(p.changed, fmt.Sprintf("%s %q: %s", kind, after.Document.Name(after.Kind), strings.Join(what, ", ")))
	}
	if added > 0 || removed > 0 {
		detail["added"], detail["removed"] = added, removed
		p.changed = append(p.changed, fmt.Sprintf("group %q: %d members added, %d removed", after.Document.Name(after.Kind), added, removed))
	}
	return p.audit("scim."+kind+"_changed", note{Target: after.ID, Detail: detail})
}

func changedKeys(before, after directory.Document) []string {
	var out []string
	for k, v := range after {
		if !(directory.Document{k: v}).Equal(directory.Document{k: before[k]}) {
			out = append(out, k)
		}
	}
	for k := range before {
		if _, still := after[k]; !still {
			out = append(out, k)
		}
	}
	slices.Sort(out)
	return out
}

// Deprovision removes a resource. A user's person is shut out; what they held by this connection goes, what somebody gave by hand
// stays with their suspended place (T-06). A group's members lose what its rules gave.
func (l *Ledger) Deprovision(ctx context.Context, push Push, k directory.Kind, id string) error {
	_, err := l.provision(ctx, push, 204, func(p *provision) error {
		if k == directory.User && !p.locked {
			return errNeedsLock
		}
		a, c := p.where()
		row, found, err := p.Pushed(a, c, k, id, true)
		if err != nil || !found {
			return errors.Join(err, errorIf(!found, noResource(k, id)))
		}
		if p.Matches != nil {
			if err := p.Matches(row.Version); err != nil {
				return err
			}
		}
		return p.remove(row)
	})
	return err
}

// remove takes a resource away. A user's account has to be locked.
func (p *provision) remove(row table.Pushed) error {
	a, c := p.where()
	var members []string
	if row.Kind == directory.Group {
		var err error
		if members, err = p.MemberIDs(row); err != nil {
			return err
		}
	}
	if err := p.TouchGroupsOf(row, p.now); err != nil {
		return err
	}
	if err := p.DeletePushed(row); err != nil {
		return err
	}
	kind := strings.ToLower(string(row.Kind))
	p.changed = append(p.changed, fmt.Sprintf("%s %q was removed", kind, row.Document.Name(row.Kind)))
	if err := p.audit("scim."+kind+"_deleted", note{Target: row.ID, Detail: map[string]any{"name": row.Document.Name(row.Kind), "user": row.Person}}); err != nil {
		return err
	}
	if row.Kind == directory.Group {
		return p.moved(members, row.Meets)
	}
	if row.Person == "" {
		return nil
	}
	if err := p.leaves(row.Person, "deleted"); err != nil {
		return err
	}
	return p.DropSourcesOf(a, row.Person, c)
}

// shown reads what belongs to a resource beside its document, as it is after the change.
func (l *Ledger) shown(ctx context.Context, push Push, row table.Pushed, p *provision) (Result, error) {
	out := Result{Resource: row.Resource, Notes: p.notes}
	if row.Kind != directory.User {
		return out, nil
	}
	err := l.db.Look(ctx, func(tx *table.Tx) (err error) {
		out.Groups, err = tx.GroupsOf(push.Account, push.Connection, row.ID)
		return err
	})
	return out, err
}

// Provisioned reads one resource of a connection; members reads the members of a group too. NotFound for everybody else's.
func (l *Ledger) Provisioned(ctx context.Context, p Pusher, k directory.Kind, id string, members bool) (directory.Resource, error) {
	var out directory.Resource
	err := l.db.Read(ctx, func(tx *table.Tx) error {
		row, found, err := tx.Pushed(p.Account, p.Connection, k, id, false)
		if err != nil || !found {
			return errors.Join(err, errorIf(!found, noResource(k, id)))
		}
		out, err = complete(tx, row, members)
		return err
	})
	return out, err
}

func complete(tx *table.Tx, row table.Pushed, members bool) (directory.Resource, error) {
	out := row.Resource
	var err error
	switch {
	case !members:
	case row.Kind == directory.User:
		out.Groups, err = tx.GroupsOf(row.Account, row.Connection, row.ID)
	default:
		out.Members, err = tx.Members(row.Account, row.Connection, row.ID)
	}
	return out, err
}

// FindProvisioned reads the page of a connection's resources that a query asks for, in one snapshot. Invalid with code invalid_filter for
// what cannot be searched.
func (l *Ledger) FindProvisioned(ctx context.Context, p Pusher, q directory.Query) (page directory.Page, err error) {
	beside := map[directory.Kind]bool{}
	for _, part := range q.Parts {
		beside[part.Kind] = part.Beside
	}
	err = l.db.Read(ctx, func(tx *table.Tx) error {
		rows, places, total, err := tx.SearchPushed(p.Account, p.Connection, q)
		if err != nil {
			return err
		}
		page = directory.Page{Resources: make([]directory.Resource, len(rows)), Places: places, Total: total}
		for i, row := range rows {
			if page.Resources[i], err = complete(tx, row, beside[row.Kind]); err != nil {
				return err
			}
		}
		return nil
	})
	return page, err
}
