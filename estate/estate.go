// Package estate reads the file that sets up an installation: accounts with their orgs, people, domains,
// connections and rules. Bytes come in, values in the words of the house go out, checked as a whole, so
// that a file is either good or every problem of it is known with its line before anything is changed.
// docs/estate.md describes the file field by field.
package estate

import (
	"bytes"
	"errors"
	"slices"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/rules"
)

// An Estate is what a file asks for. Things refer to each other by name, because those that do not
// exist yet have no id. What a file leaves out is left alone.
type Estate struct {
	Catalogue *account.Catalogue // nil: the installation keeps the one it has
	Accounts  []Account

	doc *document // for Resolve to point at lines
}

// An Account with its org and all that belongs to them.
type Account struct {
	Name        string
	Org         string // exact name
	Title       string
	Type        account.OrgType
	Services    []string // to be enabled; nil leaves them alone
	Owners      []string // normal addresses; the first owns the account, all own the org
	People      []Person
	Teams       []Team
	Domains     []Domain
	Connections []Connection
	Groups      []Group
	Rules       []Rule
	Streams     []Stream
	Webhooks    []account.Feed // name, address and events of each
}

// A Team of the org.
type Team struct {
	Name        string
	Description string
}

// A Person whose address is known to be theirs, with roles given by hand.
type Person struct {
	Email       string // normal form
	Name        string
	AccountRole account.Role // Admin or Member
	Roles       []account.Role
	Teams       map[string][]account.Role // by team name
}

// A Domain of the account.
type Domain struct {
	Name       string // lower-case A-label form
	Connection string // empty: none
	Proved     bool   // the operator vouches for it
	CutOver    bool
}

// A Connection in one version: live, or draft.
type Connection struct {
	Name     string
	Enabled  bool
	Which    account.Which
	Settings account.Settings
	SPKeys   []account.SPKey // ours to use; empty: the ledger makes one
	SCIM     *SCIM           // nil: left alone; likewise the next two

	Breaker      *account.Breaker
	SyncDecision *account.SyncDecision

	// Metadata of a SAML provider that Resolve still has to read, as a document or by address; both are
	// empty afterwards and Settings are complete.
	Metadata    []byte
	MetadataURL string

	path string
}

// A Group of an identity provider that is added to the account as a tenant.
type Group struct {
	Connection  string
	Value       string
	Alias       string
	AccountRole account.Role
}

// A Rule, with names where a rules.Definition has ids.
type Rule struct {
	Name        string
	Connection  string
	Groups      []string
	AccountRole account.Role
	Org         []account.Role            // in the whole org
	Teams       map[string][]account.Role // by team name
	Active      bool                      // otherwise saved as a draft
}

// Definition is the rule with ids; team finds a team's id by its name.
func (r Rule) Definition(c account.ConnectionID, team func(name string) account.TeamID) rules.Definition {
	d := rules.Definition{Name: r.Name, Connection: c, Groups: r.Groups, AccountRole: r.AccountRole}
	if len(r.Org) > 0 {
		d.Targets = append(d.Targets, rules.Target{Roles: r.Org})
	}
	for name, roles := range r.Teams {
		d.Targets = append(d.Targets, rules.Target{Team: team(name), Roles: roles})
	}
	return d.Normal()
}

// Unresolved names the connections whose metadata Resolve still has to read.
func (e Estate) Unresolved() []string {
	var out []string
	for _, a := range e.Accounts {
		for _, c := range a.Connections {
			if c.unresolved() {
				out = append(out, a.Name+"/"+c.Name)
			}
		}
	}
	return out
}

func (c Connection) unresolved() bool { return len(c.Metadata) > 0 || c.MetadataURL != "" }

// Resolve completes the SAML connections that give metadata: fetch gets a document by its https address,
// read turns one into settings. What the file itself says about a provider wins over its metadata;
// certificates are added up. Problems are joined, as those of Parse.
func (e *Estate) Resolve(fetch func(url string) ([]byte, error), read func(metadata []byte) (account.SAMLSettings, error)) error {
	d := e.doc
	if d == nil {
		d = &document{}
	}
	before := len(d.problems)
	for i := range e.Accounts {
		for j := range e.Accounts[i].Connections {
			c := &e.Accounts[i].Connections[j]
			if c.unresolved() {
				c.resolve(d, fetch, read)
			}
		}
	}
	return errors.Join(d.problems[before:]...)
}

func (c *Connection) resolve(d *document, fetch func(string) ([]byte, error), read func([]byte) (account.SAMLSettings, error)) {
	at := key(c.path, "saml", "metadata")
	xml := c.Metadata
	if c.MetadataURL != "" {
		var err error
		if xml, err = fetch(c.MetadataURL); err != nil {
			d.add(at, account.Errorf(account.Unavailable, "The metadata of %s could not be fetched from %s.", c.Name, c.MetadataURL).
				Because(err).Fix("Save it to a file and give file:NAME, if it is not to be had from here."))
			return
		}
	}
	from, err := read(bytes.TrimSpace(xml))
	if err != nil {
		d.add(at, err)
		return
	}
	said := *c.Settings.SAML
	c.Settings.SAML = merge(said, from)
	c.Metadata, c.MetadataURL = nil, ""
	if err := c.Settings.Check(); err != nil {
		d.add(c.path, err)
	}
}

// merge prefers what the file says and adds up certificates.
func merge(said, from account.SAMLSettings) *account.SAMLSettings {
	fill := func(to *string, with string) {
		if *to == "" {
			*to = with
		}
	}
	fill(&said.EntityID, from.EntityID)
	fill(&said.SSORedirect, from.SSORedirect)
	fill(&said.SSOPost, from.SSOPost)
	fill(&said.SLORedirect, from.SLORedirect)
	fill(&said.SLOPost, from.SLOPost)
	said.SignRequests = said.SignRequests || from.SignRequests
	for _, cert := range from.Certificates {
		if !slices.Contains(said.Certificates, cert) {
			said.Certificates = append(said.Certificates, cert)
		}
	}
	return &said
}
