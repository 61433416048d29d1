package store

import (
	"strings"

	"github.com/drawbridge-id/drawbridge/directory"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// Bounds of whom a group may wait for.
const (
	mostPending    = 20_000
	longestPending = 512 // bytes of a name, which an index holds
)

// moveMembers carries the steps out. What one adds and a later one removes is in both lists, which does no harm.
func (p *provision) moveMembers(g table.Pushed, steps []directory.MemberStep) (added, removed []string, err error) {
	for _, s := range steps {
		var in, out []string
		switch s.Op {
		case directory.MembersAdd:
			in, err = p.addMembers(g, s.IDs)
		case directory.MembersRemove:
			out, err = p.removeMembers(g, s.IDs)
		case directory.MembersSet:
			in, out, err = p.setMembers(g, s.IDs)
		}
		if err != nil {
			return nil, nil, err
		}
		added, removed = append(added, in...), append(removed, out...)
	}
	return added, removed, nil
}

// resolve tells the ids of resources from what names nobody yet (RFC 7643 §4.2). Providers that push a group before its members know no
// id of ours; what they write then is their own name of the person.
func (p *provision) resolve(names []string) (ids, nobody []string, err error) {
	a, c := p.where()
	known, err := p.Existing(a, c, names)
	if err != nil {
		return nil, nil, err
	}
	var called []string
	for _, name := range names {
		if known[name] {
			ids = append(ids, name)
			continue
		}
		id, found, err := p.Called(a, c, name)
		if err != nil {
			return nil, nil, err
		}
		if found {
			called = append(called, id)
		} else {
			nobody = append(nobody, name)
		}
	}
	_, err = p.Existing(a, c, called)
	return append(ids, called...), nobody, err
}

func (p *provision) addMembers(g table.Pushed, names []string) ([]string, error) {
	ids, nobody, err := p.resolve(names)
	if err != nil {
		return nil, err
	}
	added, err := p.AddMembers(g, ids)
	if err != nil {
		return nil, err
	}
	return added, p.await(g, nobody)
}

// await keeps members that are nobody yet until they are pushed. The account has to be locked, so that none of them is pushed meanwhile.
func (p *provision) await(g table.Pushed, nobody []string) error {
	if len(nobody) == 0 {
		return nil
	}
	if !p.locked {
		return errNeedsLock
	}
	waiting, err := p.PendingOf(g)
	if err != nil {
		return err
	}
	var kept []string
	for _, name := range nobody {
		if len(name) <= longestPending && len(waiting)+len(kept) < mostPending {
			kept = append(kept, name)
		}
	}
	p.note("Group %q names %d members that are nobody of this connection yet; each joins it when pushed: %s.", g.Document.Name(g.Kind), len(nobody), few(nobody))
	if n := len(nobody) - len(kept); n > 0 {
		p.note("%d of them were left out: a group waits for at most %d members, by names of at most %d bytes.", n, mostPending, longestPending)
	}
	return p.AddPending(g, kept, p.now)
}

// few names the first of many.
func few(names []string) string {
	const most = 5
	if len(names) > most {
		return clip(strings.Join(names[:most], ", "), 300) + ", …"
	}
	return clip(strings.Join(names, ", "), 300)
}

func (p *provision) removeMembers(g table.Pushed, names []string) ([]string, error) {
	removed, err := p.RemoveMembers(g, names)
	if err != nil || len(removed) == len(names) {
		return removed, err
	}
	if err := p.DropPending(g, names); err != nil {
		return nil, err
	}
	ids, _, err := p.resolve(names)
	if err != nil {
		return nil, err
	}
	more, err := p.RemoveMembers(g, ids)
	return append(removed, more...), err
}

func (p *provision) setMembers(g table.Pushed, names []string) (added, removed []string, err error) {
	have, err := p.MemberIDs(g)
	if err != nil {
		return nil, nil, err
	}
	is := make(map[string]bool, len(have))
	for _, id := range have {
		is[id] = true
	}
	var wanted, unsure []string
	for _, name := range names {
		if is[name] {
			wanted = append(wanted, name)
		} else {
			unsure = append(unsure, name)
		}
	}
	ids, nobody, err := p.resolve(unsure)
	if err != nil {
		return nil, nil, err
	}
	for _, id := range append(wanted, ids...) {
		delete(is, id)
	}
	var gone []string
	for _, id := range have {
		if is[id] {
			gone = append(gone, id)
		}
	}
	if removed, err = p.RemoveMembers(g, gone); err != nil {
		return nil, nil, err
	}
	if added, err = p.AddMembers(g, ids); err != nil {
		return nil, nil, err
	}
	waiting, err := p.PendingOf(g)
	if err != nil {
		return nil, nil, err
	}
	if err := p.DropPending(g, waiting); err != nil {
		return nil, nil, err
	}
	return added, removed, p.await(g, nobody)
}

// awaited makes a resource a member of the groups that named it before it was there.
func (p *provision) awaited(row table.Pushed) error {
	groups, err := p.TakePending(row)
	if err != nil {
		return err
	}
	a, c := p.where()
	for _, id := range sorted(groups) {
		g, found, err := p.Pushed(a, c, directory.Group, id, true)
		if err != nil {
			return err
		}
		if !found {
			continue
		}
		added, err := p.AddMembers(g, []string{row.ID})
		if err != nil {
			return err
		}
		if len(added) == 0 {
			continue
		}
		before := g
		g.Version, g.Modified = g.Version+1, later(p.now, g.Modified)
		if err := p.TouchPushed(g); err != nil {
			return err
		}
		if err := p.tell(before, g, len(added), 0); err != nil {
			return err
		}
		if err := p.moved(added, g.Meets); err != nil {
			return err
		}
	}
	return nil
}
