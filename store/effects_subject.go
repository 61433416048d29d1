package store

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/directory"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// A whom is who an event is about, inside of the stream's account and nowhere else (SET-2, SET-5).
type whom struct {
	user     account.UserID
	sessions []table.NamedSession // that are named one by one, by their id or their device
	partial  bool                 // a session or a device was named, whether or not it is known here
	// connection and subject are the identity by which the person was named; empty: by something else.
	connection account.ConnectionID
	subject    string
	resource   table.Pushed // of SCIM; its ID is empty when there is none
	wide       string       // more than one person, in words
	group      string       // of wide: the group's id; empty: the whole account
	conflict   string       // its parts name different people, in words
	why        string       // nobody was found, in words
}

func (w whom) known() bool { return w.user != "" || len(w.sessions) > 0 || w.resource.ID != "" }

func nobodyMeant(format string, args ...any) (whom, error) {
	return whom{why: fmt.Sprintf(format, args...)}, nil
}

// resolve finds out whom a subject means (RFC 9493 §3, SSF 1.0 §3, RFC 9967 §2.1).
func (r *reception) resolve(s account.SubjectID) (whom, error) {
	v := s.Values
	switch s.Format {
	case account.SubjectAccount:
		return r.byAccount(v["uri"])
	case account.SubjectEmail:
		return r.byEmail(v["email"])
	case account.SubjectIssSub:
		return r.bySubject(v["iss"], v["sub"])
	case account.SubjectIDTokenClaims:
		if v["sub"] != "" {
			return r.bySubject(cmp.Or(v["iss"], r.stream.Issuer), v["sub"])
		}
		return r.byEmail(v["email"])
	case account.SubjectOpaque:
		return r.byName(v["id"])
	case account.SubjectPhone:
		return r.byPhone(v["phone_number"])
	case account.SubjectAliases:
		return r.byAliases(s.Identifiers)
	case account.SubjectJWTID:
		return r.byToken(v["iss"], v["jti"])
	case account.SubjectSAMLAssertion:
		return r.byToken(v["issuer"], v["assertion_id"])
	case account.SubjectComplex:
		return r.byMembers(s.Members)
	case account.SubjectSCIM:
		return r.byResource(v)
	case account.SubjectURI, account.SubjectDID:
		return r.byAccount(cmp.Or(v["uri"], v["url"]))
	}
	return nobodyMeant("Nobody is found by a subject of format %q.", clip(s.Format, 40))
}

// place takes somebody who has a place here; whoever the provider has deleted is nobody, for good.
func (r *reception) place(u account.UserID) (whom, error) {
	p, found, err := r.PlaceOf(r.Account.ID, u)
	switch {
	case err != nil:
		return whom{}, err
	case !found:
		return nobodyMeant("The person is not of this account.")
	case p.Purged:
		return nobodyMeant("The person was deleted at their provider.")
	}
	return whom{user: u}, nil
}

// byAccount takes our own account URI: acct:usr_…@host, or acct: with an address.
func (r *reception) byAccount(uri string) (whom, error) {
	name, is := strings.CutPrefix(uri, "acct:")
	if !is {
		return nobodyMeant("Nobody is found by that URI.")
	}
	local, _, _ := strings.Cut(name, "@")
	if u, ok := account.ParseID[account.UserID](local); ok {
		return r.place(u)
	}
	return r.byEmail(name)
}

// byEmail takes an address in the proved domains of the account, or of somebody whom a connection that the stream may speak for has named
// itself (SET-5, promise 4).
func (r *reception) byEmail(raw string) (whom, error) {
	email, err := account.NormalEmail(strings.TrimSpace(raw))
	if err != nil {
		return nobodyMeant("%q is no address.", clip(raw, 80))
	}
	if domain, err := account.NormalDomain(account.EmailDomain(email)); err == nil { // IDNA
		email = email[:strings.LastIndexByte(email, '@')+1] + domain
	}
	u, found, err := r.UserByEmail(email)
	if err != nil {
		return whom{}, err
	}
	if !found {
		return nobodyMeant("The person is not of this account.") // whether others know the address is theirs (RATE-2)
	}
	w, err := r.place(u.ID)
	if err != nil || w.user == "" {
		return w, err
	}
	counts, err := r.hasSay(email)
	if err != nil || counts {
		return w, err
	}
	named, err := r.IdentitiesOf(r.Account.ID, u.ID)
	if err != nil {
		return whom{}, err
	}
	for _, i := range named {
		if slices.Contains(r.stream.Names(), i.Connection) {
			return w, nil
		}
	}
	return nobodyMeant("The domain of the address is not proved for this account.")
}

// issuers are the connections that an issuer in a subject stands for.
func (r *reception) issuers(iss string) ([]account.ConnectionID, error) {
	var out []account.ConnectionID
	for _, id := range r.stream.Names() {
		c, found, err := r.Tx.Connection(id)
		if err != nil {
			return nil, err
		}
		own := id == r.stream.Connection && r.stream.Speaks(iss) // Google's events and ID tokens spell its name in two ways
		if found && c.Account == r.Account.ID && (own || issuerOf(c.Live) == iss) {
			out = append(out, id)
		}
	}
	return out, nil
}

func issuerOf(s *account.Settings) string {
	switch {
	case s == nil:
		return ""
	case s.OIDC != nil:
		return s.OIDC.Issuer
	case s.SAML != nil:
		return s.SAML.EntityID
	}
	return ""
}

// bySubject takes the subject that a connection's provider gave somebody.
func (r *reception) bySubject(iss, sub string) (whom, error) {
	if sub == "" || strings.HasPrefix(sub, table.Retired) {
		return nobodyMeant("The subject is empty.")
	}
	connections, err := r.issuers(iss)
	if err != nil {
		return whom{}, err
	}
	if len(connections) == 0 {
		return nobodyMeant("The stream may not speak of the people of issuer %q.", clip(iss, 120))
	}
	for _, c := range connections {
		k, found, err := r.KnownBySubject(r.Account.ID, c, sub)
		if err == nil && !found {
			k, found, err = r.KnownByPush(r.Account.ID, c, sub)
		}
		if err != nil {
			return whom{}, err
		}
		if !found {
			continue
		}
		w, err := r.place(k.ID)
		if w.user != "" {
			w.connection, w.subject = c, sub
		}
		return w, err
	}
	return nobodyMeant("The provider has signed nobody in with that subject.")
}

// byName takes an opaque name: a session of ours, a person of ours, a session of the provider, in that order.
func (r *reception) byName(id string) (whom, error) {
	if id == "" {
		return nobodyMeant("The subject is empty.")
	}
	if u, ok := account.ParseID[account.UserID](id); ok {
		return r.place(u)
	}
	return r.ofSessions(id, func(s table.NamedSession) bool { return string(s.ID) == id || r.theirs(s) && s.ProviderSession == id })
}

// theirs reports whether a session came through a connection that the stream may speak for. A security tool that belongs to none may name
// the sessions of all.
func (r *reception) theirs(s table.NamedSession) bool {
	names := r.stream.Names()
	return len(names) == 0 || slices.Contains(names, s.Connection)
}

// ofSessions takes the sessions that have a name, and the person they are of.
func (r *reception) ofSessions(name string, is func(table.NamedSession) bool) (whom, error) {
	all, err := r.SessionsNamed(r.Account.ID, name)
	if err != nil {
		return whom{}, err
	}
	all = slices.DeleteFunc(all, func(s table.NamedSession) bool { return !is(s) })
	w := whom{sessions: all, partial: true, user: onlyUser(all)}
	if len(all) == 0 {
		w.why = "No session has that name."
	} else {
		w.connection, w.subject = all[0].Connection, all[0].Subject
	}
	return w, nil
}

// onlyUser is whose all sessions are; empty when they are of several.
func onlyUser(all []table.NamedSession) (u account.UserID) {
	for i, s := range all {
		if i > 0 && s.User != u {
			return ""
		}
		u = s.User
	}
	return u
}

// byToken takes the session that was made from an ID token or an assertion.
func (r *reception) byToken(iss, id string) (whom, error) {
	connections, err := r.issuers(iss)
	if err != nil {
		return whom{}, err
	}
	if id == "" {
		return nobodyMeant("The subject is empty.")
	}
	return r.ofSessions(id, func(s table.NamedSession) bool { return s.TokenID == id && slices.Contains(connections, s.Connection) })
}

// byPhone takes a number that the account's providers have pushed. E.164, without what people write between digits.
func (r *reception) byPhone(raw string) (whom, error) {
	number := strings.Map(func(c rune) rune {
		if strings.ContainsRune(" .-()/", c) {
			return -1
		}
		return c
	}, strings.TrimPrefix(raw, "tel:"))
	var people []account.UserID
	for _, c := range r.stream.Names() {
		some, err := r.PushedPhone(r.Account.ID, c, number, raw)
		if err != nil {
			return whom{}, err
		}
		people = append(people, some...)
	}
	slices.Sort(people)
	switch people = slices.Compact(people); len(people) {
	case 0:
		return nobodyMeant("Nobody has that number.")
	case 1:
		return r.place(people[0])
	}
	return whom{conflict: "Several people have that number."}, nil
}

// byAliases takes the first that resolves. When others name somebody else, nobody is meant: somebody has to look at it (RFC 9493 §3.2.8).
func (r *reception) byAliases(all []account.SubjectID) (whom, error) {
	out := whom{why: "None of the aliases is somebody here."}
	for _, s := range all {
		w, err := r.resolve(s)
		switch {
		case err != nil:
			return w, err
		case w.conflict != "":
			return w, nil
		case !w.known():
		case !out.known():
			out = w
		case out.user != w.user:
			return whom{conflict: "The aliases name different people."}, nil
		}
	}
	return out, nil
}

// byMembers takes a complex subject: all members that are given have to agree (SSF 1.0 §3.2).
func (r *reception) byMembers(m map[string]account.SubjectID) (whom, error) {
	if t, given := m["tenant"]; given {
		if ours, err := r.isTenant(t); err != nil || !ours {
			w, _ := nobodyMeant("It is about another tenant.")
			return w, err
		}
	}
	if u, given := m["user"]; given {
		w, err := r.resolve(u)
		if err != nil || !w.known() || w.conflict != "" {
			return w, err
		}
		return r.narrow(w, m)
	}
	for _, name := range []string{"session", "device"} {
		if s, given := m[name]; given {
			return r.bySession(name, s)
		}
	}
	for _, name := range []string{"group", "org_unit", "tenant"} {
		if g, given := m[name]; given {
			w := whom{wide: "a " + strings.ReplaceAll(name, "org_unit", "unit")}
			if name != "tenant" {
				w.group = cmp.Or(g.Values["id"], g.Values["uri"], "?")
			}
			return w, nil
		}
	}
	return nobodyMeant("None of the members of the subject is known here.")
}

// isTenant reports whether a tenant is that of the stream.
func (r *reception) isTenant(t account.SubjectID) (bool, error) {
	id := cmp.Or(t.Values["id"], t.Values["uri"], t.Values["url"])
	ours := []string{string(r.Account.ID), r.Account.Number, r.Account.Name, string(r.Org.ID), r.Org.Name, string(r.stream.Connection), r.stream.Issuer}
	if id == "" {
		id = t.Values["iss"]
	}
	if r.stream.Connection != "" {
		c, _, err := r.Tx.Connection(r.stream.Connection)
		if err != nil {
			return false, err
		}
		ours = append(ours, issuerOf(c.Live), entraTenant(c.Live))
	}
	return id != "" && slices.Contains(ours, id), nil
}

// narrow bounds somebody's subject to the sessions that it names too. A session or device that is not known here narrows nothing: better
// all of a person's sessions end than none.
func (r *reception) narrow(w whom, m map[string]account.SubjectID) (whom, error) {
	for _, name := range []string{"session", "device"} {
		s, given := m[name]
		if !given {
			continue
		}
		at, err := r.bySession(name, s)
		if err != nil {
			return w, err
		}
		if len(at.sessions) == 0 {
			continue
		}
		mine := slices.DeleteFunc(at.sessions, func(s table.NamedSession) bool { return s.User != w.user })
		if len(mine) == 0 {
			return whom{conflict: "The " + name + " is not that of the person."}, nil
		}
		if w.partial { // both session and device: what both name
			mine = slices.DeleteFunc(mine, func(s table.NamedSession) bool {
				return !slices.ContainsFunc(w.sessions, func(o table.NamedSession) bool { return o.ID == s.ID })
			})
			if len(mine) == 0 {
				return whom{conflict: "The session is not on that device."}, nil
			}
		}
		w.sessions, w.partial = mine, true
	}
	return w, nil
}

func (r *reception) bySession(kind string, s account.SubjectID) (whom, error) {
	switch s.Format {
	case account.SubjectJWTID, account.SubjectSAMLAssertion:
		return r.resolve(s)
	}
	id := cmp.Or(s.Values["id"], s.Values["sub"], s.Values["uri"], s.Values["url"])
	if id == "" {
		return whom{partial: true, why: "The " + kind + " is not known here."}, nil
	}
	return r.ofSessions(id, func(n table.NamedSession) bool {
		if kind == "device" {
			return n.Device == id
		}
		return string(n.ID) == id || r.theirs(n) && n.ProviderSession == id
	})
}

// byResource takes a pushed resource of the stream's connection: as the transmitter calls it, by our own id, or by its externalId.
func (r *reception) byResource(v map[string]string) (whom, error) {
	c := r.stream.Connection
	if c == "" {
		return nobodyMeant("The stream belongs to no connection, so that it has no resources.")
	}
	kind, id, ok := resourceURI(v["uri"])
	if !ok {
		return nobodyMeant("%q is no user and no group.", clip(v["uri"], 120))
	}
	ours, found, err := r.ResourceCalled(r.Account.ID, c, v["uri"])
	if err == nil && !found && v["externalId"] != "" {
		ours, found, err = r.PushedExternal(r.Account.ID, c, string(kind), v["externalId"])
	}
	if err == nil && !found {
		ours, err = cmp.Or(v["id"], id), nil
	}
	if err != nil {
		return whom{}, err
	}
	row, found, err := r.Pushed(r.Account.ID, c, kind, ours, true)
	if err != nil || !found {
		return whom{why: "The connection has no such resource."}, err
	}
	w := whom{resource: row, user: row.Person}
	if w.user == "" {
		return w, nil
	}
	p, found, err := r.PlaceOf(r.Account.ID, w.user)
	if err == nil && (!found || p.Purged) {
		w.user = ""
	}
	return w, err
}

// resourceURI reads the relative URI of a resource (RFC 9967 §2.1).
func resourceURI(uri string) (directory.Kind, string, bool) {
	for kind, prefix := range map[directory.Kind]string{directory.User: "/Users/", directory.Group: "/Groups/"} {
		if id, is := strings.CutPrefix("/"+strings.TrimPrefix(uri, "/"), prefix); is && id != "" && !strings.Contains(id, "/") && len(uri) <= 512 {
			return kind, id, true
		}
	}
	return "", "", false
}

// awaitedNames are the names by which somebody who is not here yet is recognized when they appear.
func (r *reception) awaitedNames(s account.SubjectID) (names []string, err error) {
	v := s.Values
	switch s.Format {
	case account.SubjectEmail:
		if email, err := account.NormalEmail(v["email"]); err == nil {
			names = append(names, awaitedEmail(email))
		}
	case account.SubjectIssSub, account.SubjectIDTokenClaims:
		connections, err := r.issuers(cmp.Or(v["iss"], r.stream.Issuer))
		if err != nil {
			return nil, err
		}
		for _, c := range connections {
			if v["sub"] != "" {
				names = append(names, awaitedSubject(c, v["sub"]))
			}
		}
	case account.SubjectSCIM:
		if c := r.stream.Connection; c != "" && v["externalId"] != "" {
			names = append(names, awaitedExternal(c, v["externalId"]))
		}
	case account.SubjectAliases:
		for _, i := range s.Identifiers {
			more, e := r.awaitedNames(i)
			names, err = append(names, more...), errors.Join(err, e)
		}
	case account.SubjectComplex:
		if u, given := s.Members["user"]; given {
			return r.awaitedNames(u)
		}
	}
	return names, err
}

func awaitedEmail(email string) string { return "email " + email }

func awaitedSubject(c account.ConnectionID, sub string) string {
	return "subject " + string(c) + " " + sub
}

func awaitedExternal(c account.ConnectionID, external string) string {
	return "external " + string(c) + " " + external
}

// appeared are the names by which events may have waited for a pushed user.
func appeared(row table.Pushed) (names []string) {
	if row.Person == "" {
		return nil
	}
	if email := row.Document.Email(); email != "" {
		names = append(names, awaitedEmail(email))
	}
	if external := row.Document.Text("externalId"); external != "" {
		names = append(names, awaitedExternal(row.Connection, external))
	}
	if row.Meets != "" {
		names = append(names, awaitedSubject(row.Connection, row.Meets))
	}
	return names
}

// await lets an event that shuts somebody out wait for them: it may have overtaken their provisioning, and must not be lost by that.
func (t *turn) await() error {
	names, err := t.awaitedNames(*t.row.Subject)
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := t.Await(t.Account.ID, cleanText(n, 600), t.row.ID, t.now.Add(waitsFor)); err != nil {
			return err
		}
	}
	if len(names) > 0 {
		t.row.Detail += " It is tried again if they appear within a day."
	}
	return nil
}
