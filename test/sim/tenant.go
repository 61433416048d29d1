package sim

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"
)

// A Tenant is one company's identity provider. All methods are safe for concurrent use; changes hold
// for the next message.
type Tenant struct {
	sim  *Sim
	name string

	mu     sync.RWMutex
	cfg    TenantConfig
	users  map[string]*User // by lower-case e-mail
	groups map[string]Group // by name
	keys   []*Key
	stray  map[string]*Key
	faults map[Fault]string
	last   map[string]SAMLMessage // last answer per application, for the replay fault
	log    []Event

	scim *Pusher // nil: nobody is provisioned

	oidc oidcState
	web  webState
}

func newTenant(s *Sim, c TenantConfig) (*Tenant, error) {
	if err := c.fill(); err != nil {
		return nil, err
	}
	t := &Tenant{sim: s, name: c.Name, cfg: c, users: map[string]*User{}, groups: map[string]Group{}, stray: map[string]*Key{},
		faults: map[Fault]string{}, last: map[string]SAMLMessage{}}
	t.cfg.SAML, t.cfg.OIDC = slices.Clone(c.SAML), slices.Clone(c.OIDC)
	maps.Copy(t.faults, c.Faults)
	for _, g := range c.Groups {
		t.groups[g.Name] = Group{ID: or(g.ID, stableGUID("group", c.Name, g.Name)), Name: g.Name}
	}
	for _, u := range c.Users {
		if err := t.PutUser(u); err != nil {
			return nil, err
		}
	}
	if _, err := t.samlKey(); err != nil {
		return nil, err
	}
	if _, err := t.signingKey(c.SigningAlg); err != nil {
		return nil, err
	}
	for _, a := range c.OIDC {
		if a.Alg == "" {
			continue
		}
		if _, err := t.signingKey(a.Alg); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// Name is the tenant's path segment.
func (t *Tenant) Name() string { return t.name }

// URL is the tenant's root, without a trailing slash.
func (t *Tenant) URL() string { return t.sim.BaseURL() + "/" + t.name }

// Config is a snapshot of the tenant's settings, users included.
func (t *Tenant) Config() TenantConfig {
	t.mu.RLock()
	c := t.cfg
	c.SAML, c.OIDC, c.Faults = slices.Clone(c.SAML), slices.Clone(c.OIDC), maps.Clone(t.faults)
	t.mu.RUnlock()
	c.Users, c.Groups = t.Users(), t.Groups()
	return c
}

// Users lists the directory by e-mail.
func (t *Tenant) Users() []User {
	t.mu.RLock()
	defer t.mu.RUnlock()
	out := make([]User, 0, len(t.users))
	for _, u := range t.users {
		out = append(out, *u)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Email < out[j].Email })
	return out
}

// User finds a user by e-mail, UPN or id.
func (t *Tenant) User(who string) (User, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if u, ok := t.users[strings.ToLower(who)]; ok {
		return *u, true
	}
	for _, u := range t.users {
		if who != "" && (u.ID == who || strings.EqualFold(u.UPN, who)) {
			return *u, true
		}
	}
	return User{}, false
}

// PutUser adds a user, or replaces the one with that e-mail.
func (t *Tenant) PutUser(u User) error {
	if !strings.Contains(u.Email, "@") {
		return fmt.Errorf("sim: tenant %q: %q is not an e-mail address", t.name, u.Email)
	}
	local, _, _ := strings.Cut(u.Email, "@")
	u.ID = or(u.ID, stableGUID("user", t.name, strings.ToLower(u.Email)))
	u.Login = or(u.Login, local)
	if u.UPN == "" {
		u.UPN = u.Email
		if u.Guest {
			// Entra spells a guest's name user_domain#EXT#@tenant.onmicrosoft.com.
			u.UPN = strings.Replace(u.Email, "@", "_", 1) + "#EXT#@" + t.name + ".onmicrosoft.com"
		}
	}
	if u.GivenName == "" && u.FamilyName == "" {
		first, last, _ := strings.Cut(local, ".")
		u.GivenName, u.FamilyName = title(first), or(title(last), "Example")
	}
	u.DisplayName = or(u.DisplayName, strings.TrimSpace(u.GivenName+" "+u.FamilyName))
	u.Groups = slices.Clone(u.Groups)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.users[strings.ToLower(u.Email)] = &u
	return nil
}

// RemoveUser takes a user out of the directory.
func (t *Tenant) RemoveUser(email string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.users, strings.ToLower(email))
}

// SetGroups replaces a user's groups (names).
func (t *Tenant) SetGroups(email string, groups ...string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	u, ok := t.users[strings.ToLower(email)]
	if !ok {
		return fmt.Errorf("sim: tenant %q has no user %q", t.name, email)
	}
	u.Groups = slices.Clone(groups)
	return nil
}

// Group finds a group by name or id. Any name is a group: one that was not configured gets an id
// derived from the tenant and the name.
func (t *Tenant) Group(nameOrID string) Group {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.group(nameOrID)
}

func (t *Tenant) group(nameOrID string) Group {
	if g, ok := t.groups[nameOrID]; ok {
		return g
	}
	for _, g := range t.groups {
		if g.ID == nameOrID {
			return g
		}
	}
	return Group{ID: stableGUID("group", t.name, nameOrID), Name: nameOrID}
}

// Groups lists every group that is configured or has a member, by name.
func (t *Tenant) Groups() []Group {
	t.mu.RLock()
	defer t.mu.RUnlock()
	all := maps.Clone(t.groups)
	for _, u := range t.users {
		for _, name := range u.Groups {
			g := t.group(name)
			all[g.Name] = g
		}
	}
	return slices.SortedFunc(maps.Values(all), func(a, b Group) int { return cmp.Compare(a.Name, b.Name) })
}

// memberships resolves a user's groups; the many-groups fault adds made-up ones.
func (t *Tenant) memberships(u User, f faultSet) []Group {
	out := make([]Group, 0, len(u.Groups))
	for _, name := range u.Groups {
		out = append(out, t.Group(name))
	}
	for i := range f.number(ManyGroups, 0) {
		name := fmt.Sprintf("extra-%05d", i)
		out = append(out, Group{ID: stableGUID("group", t.name, name), Name: name})
	}
	return out
}

// PutSAMLApp registers a service provider, or replaces the one with that entity id.
func (t *Tenant) PutSAMLApp(a SAMLApp) error {
	if err := a.check(); err != nil {
		return fmt.Errorf("sim: %w", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := slices.IndexFunc(t.cfg.SAML, func(b SAMLApp) bool { return b.EntityID == a.EntityID }); i >= 0 {
		t.cfg.SAML[i] = a
		return nil
	}
	t.cfg.SAML = append(t.cfg.SAML, a)
	return nil
}

// SAMLApp finds a service provider by entity id; an empty id means the first one registered.
func (t *Tenant) SAMLApp(entityID string) (SAMLApp, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, a := range t.cfg.SAML {
		if entityID == "" || a.EntityID == entityID {
			return a, true
		}
	}
	return SAMLApp{}, false
}

// PutOIDCApp registers a client, or replaces the one with that client id.
func (t *Tenant) PutOIDCApp(a OIDCApp) error {
	if err := a.check(); err != nil {
		return fmt.Errorf("sim: %w", err)
	}
	if a.Alg != "" {
		if _, err := t.signingKey(a.Alg); err != nil {
			return err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := slices.IndexFunc(t.cfg.OIDC, func(b OIDCApp) bool { return b.ClientID == a.ClientID }); i >= 0 {
		t.cfg.OIDC[i] = a
		return nil
	}
	t.cfg.OIDC = append(t.cfg.OIDC, a)
	return nil
}

// OIDCApp finds a client by id; an empty id means the first one registered.
func (t *Tenant) OIDCApp(clientID string) (OIDCApp, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, a := range t.cfg.OIDC {
		if clientID == "" || a.ClientID == clientID {
			return a, true
		}
	}
	return OIDCApp{}, false
}

// Auto signs the user with this e-mail in without showing a page, until set to "" again; "hint" believes
// login_hint (OIDC) or the request's Subject (SAML).
func (t *Tenant) Auto(email string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cfg.Auto = email
}

// An Event is one thing a tenant did or refused, newest last in the log.
type Event struct {
	At   time.Time `json:"at"`
	What string    `json:"what"` // "saml.response", "oidc.token", …
	Who  string    `json:"who,omitempty"`
	App  string    `json:"app,omitempty"`
	Note string    `json:"note,omitempty"` // why it was refused; which faults were on
}

const keptEvents = 200

func (t *Tenant) record(e Event) {
	e.At = t.sim.now()
	t.sim.log.Info(e.What, "tenant", t.name, "who", e.Who, "app", e.App, "note", e.Note)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.log = append(t.log, e)
	if len(t.log) > keptEvents {
		t.log = slices.Delete(t.log, 0, len(t.log)-keptEvents)
	}
}

// Log lists the latest events, oldest first.
func (t *Tenant) Log() []Event {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return slices.Clone(t.log)
}

func title(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
