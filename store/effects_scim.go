package store

import (
	"cmp"
	"slices"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/directory"
)

// A SCIMReader reads the SCIM messages that events carry. Package scim has one; the ledger does not speak that language.
type SCIMReader struct {
	Resource func(directory.Type, map[string]any) (directory.Reading, error)
	Patch    func(directory.Type, map[string]any) ([]directory.Operation, []string, error)
}

func noConnectionOfStream() *account.Error {
	return account.Errorf(account.Invalid, "The stream belongs to no connection, so that nothing can be provisioned through it.").Fix("Say which connection it belongs to, then replay the event.")
}

// push is the frame in which pushed resources change, within the transaction of the token.
func (t *turn) push() (*provision, error) {
	c := t.stream.Connection
	if c == "" || t.l.opt.SCIM.Resource == nil {
		return nil, noConnectionOfStream()
	}
	o, found, err := t.Outline(c)
	if err != nil || !found {
		return nil, cmp.Or[error](err, noConnectionOfStream())
	}
	options, found, err := t.SCIMOptions(t.Account.ID, c)
	if err != nil {
		return nil, err
	}
	if !found {
		options = account.DefaultSCIMOptions
	}
	own, err := t.Extensions(t.Account.ID, c)
	if err != nil {
		return nil, err
	}
	pusher := Pusher{Account: t.Account.ID, Connection: c, Name: o.Name, Enabled: o.Enabled, Options: options, Own: own}
	return &provision{hand: t.hand, Push: Push{Pusher: pusher, By: t.by}, locked: true}, nil
}

// scimDeactivate is account-disabled for a pushed user (RFC 9967 §2.4).
func (t *turn) scimDeactivate() error { return t.setActive(false) }

// scimActivate is account-enabled for a pushed user (RFC 9967 §2.4).
func (t *turn) scimActivate() error { return t.setActive(true) }

func (t *turn) setActive(active bool) error {
	row := t.whom.resource
	if row.Kind != directory.User {
		t.say("Only users are active or not.")
		return nil
	}
	document := row.Document.Clone()
	document["active"] = active
	return t.amendResource(directory.Patched{Document: document})
}

// amendResource changes the pushed resource that is meant, and what follows from it. What is older than the newest thing said about whether
// they may be here is superseded.
func (t *turn) amendResource(to directory.Patched) error {
	p, err := t.push()
	if err != nil {
		return err
	}
	row := t.whom.resource
	now, before := to.Document.Active(), row.Document.Active()
	if row.Kind == directory.User && t.whom.user != "" {
		place, news, err := t.lifecycle(!now)
		if err != nil || !news {
			return err
		}
		if !now {
			err = t.shut(p.seal())
		} else if !before || t.row.Type == prov+"activate" { // what says nothing new about it lets nobody in whom another source shut out
			err = t.lift(place)
		}
		if err != nil {
			return err
		}
	}
	version := row.Version
	if err := p.amend(&row, to); err != nil {
		return err
	}
	t.row.User = cmp.Or(t.row.User, row.Person)
	t.whom.resource = row
	if row.Version != version {
		t.row.Outcome = account.EventApplied
	}
	t.explain(p)
	return nil
}

// explain takes over what the provisioning says.
func (t *turn) explain(p *provision) {
	for _, line := range slices.Concat(p.changed, p.notes) {
		t.say("%s.", strings.TrimSuffix(line, "."))
	}
	t.row.Detail = cleanText(t.row.Detail, 900)
}

// scimDelete is account-purged for a pushed user, and takes a group away (RFC 9967 §2.4).
func (t *turn) scimDelete() error {
	p, err := t.push()
	if err != nil {
		return err
	}
	user := t.whom.user != ""
	if user {
		if _, news, err := t.lifecycle(true); err != nil || !news {
			return err
		}
		if err := t.shut(p.seal()); err != nil {
			return err
		}
	}
	if err := p.remove(t.whom.resource); err != nil {
		return err
	}
	t.did("The resource was removed.")
	t.explain(p)
	if !user {
		return nil
	}
	return t.forget()
}

// scimPut makes a resource, or replaces it (RFC 9967 §2.4).
func (t *turn) scimPut() error {
	kind, _, ok := resourceURI(t.row.Subject.Values["uri"])
	if !ok {
		t.row.Outcome = account.EventNoSubject
		return nil
	}
	p, err := t.push()
	if err != nil {
		return err
	}
	data, _ := t.body["data"].(map[string]any)
	in, err := t.l.opt.SCIM.Resource(p.Type(kind), data)
	if err != nil {
		return err
	}
	if external := t.row.Subject.Values["externalId"]; external != "" && in.Document.Text("externalId") == "" {
		in.Document["externalId"] = external
	}
	if in.Members, err = t.ours(in.Members); err != nil {
		return err
	}
	if err := t.findPut(kind, in.Document); err != nil {
		return err
	}
	if t.whom.resource.ID != "" {
		to := directory.Patched{Document: in.Document}
		if kind == directory.Group {
			to.Members = []directory.MemberStep{{Op: directory.MembersSet, IDs: in.Members}}
		}
		err = t.amendResource(to)
	} else {
		err = t.makeResource(p, kind, in)
	}
	if err != nil {
		return err
	}
	return t.NameResource(t.Account.ID, t.stream.Connection, t.row.Subject.Values["uri"], t.whom.resource.ID)
}

// findPut looks for a resource that the document is of by its names: it was pushed before, and not by this stream.
func (t *turn) findPut(kind directory.Kind, d directory.Document) error {
	if t.whom.resource.ID != "" {
		return nil
	}
	a, c := t.Account.ID, t.stream.Connection
	var id string
	var found bool
	var err error
	if external := d.Text("externalId"); external != "" {
		id, found, err = t.PushedExternal(a, c, string(kind), external)
	}
	if err == nil && !found {
		id, found, err = t.PushedNamed(a, c, kind, d.Name(kind))
	}
	if err != nil || !found {
		return err
	}
	t.whom.resource, _, err = t.Pushed(a, c, kind, id, true)
	t.whom.user = t.whom.resource.Person
	return err
}

func (t *turn) makeResource(p *provision, kind directory.Kind, in directory.Reading) (err error) {
	if t.whom.resource, err = p.create(kind, in); err != nil {
		return err
	}
	t.row.User = t.whom.resource.Person
	t.appeared = append(t.appeared, appeared(t.whom.resource)...)
	t.row.Outcome = account.EventApplied
	t.explain(p)
	return nil
}

// scimPatch applies a PATCH to a resource (RFC 9967 §2.4).
func (t *turn) scimPatch() error {
	data, _ := t.body["data"].(map[string]any)
	p, err := t.push()
	if err != nil {
		return err
	}
	row := t.whom.resource
	operations, notes, err := t.l.opt.SCIM.Patch(p.Type(row.Kind), data)
	if err != nil {
		return err
	}
	to, err := p.Type(row.Kind).Apply(row.Document, operations)
	if err != nil {
		return err
	}
	if _, said := to.Document["active"]; !said && row.Kind == directory.User {
		to.Document["active"] = row.Document.Active()
	}
	for i, step := range to.Members {
		if to.Members[i].IDs, err = t.ours(step.IDs); err != nil {
			return err
		}
	}
	for _, n := range notes {
		t.say("%s", n)
	}
	return t.amendResource(to)
}

// ours replaces what the transmitter calls members by their ids here. What it calls by a name that is not known stays as it is.
func (t *turn) ours(ids []string) ([]string, error) {
	out := slices.Clone(ids)
	for i, id := range ids {
		for _, prefix := range []string{"/Users/", "/Groups/"} {
			here, found, err := t.ResourceCalled(t.Account.ID, t.stream.Connection, prefix+id)
			if err != nil {
				return nil, err
			}
			if found {
				out[i] = here
			}
		}
	}
	return out, nil
}

// scimNotice notes that a resource has to be fetched: the event does not say what it is now (RFC 9967 §2.4). Until then all stays as it is.
func (t *turn) scimNotice() error {
	uri := t.row.Subject.Values["uri"]
	if _, _, ok := resourceURI(uri); !ok {
		t.row.Outcome = account.EventNoSubject
		return nil
	}
	t.row.Fetch = cleanText(uri, 512)
	t.did("%s has to be fetched.", t.row.Fetch)
	return nil
}
