package estate

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
)

// Parse reads an estate file and checks all of it against the catalogue that it brings, or else the
// shipped one: errors.Join of *Problem, each with its line. read gives the content of a file that a
// "file:NAME" value names, getenv the value of an environment variable for "env:NAME". SAML metadata is
// not looked into yet; Resolve does that.
func Parse(data []byte, read func(name string) ([]byte, error), getenv func(string) string) (Estate, error) {
	return ParseWith(DefaultCatalogue(), data, read, getenv)
}

// ParseWith is Parse for an installation that has a catalogue of its own.
func ParseWith(cat account.Catalogue, data []byte, read func(name string) ([]byte, error), getenv func(string) string) (Estate, error) {
	var f file
	doc, err := decode(data, &f)
	if err != nil {
		return Estate{}, err
	}
	p := &reading{document: doc, read: read, getenv: getenv, cat: cat}
	e := p.estate(f)
	if len(doc.problems) > 0 {
		return Estate{}, errors.Join(doc.problems...)
	}
	return e, nil
}

// A reading turns sections into values, noting what is wrong on the way.
type reading struct {
	*document
	read   func(string) ([]byte, error)
	getenv func(string) string
	cat    account.Catalogue
}

func (p *reading) estate(f file) Estate {
	e := Estate{doc: p.document}
	if f.Catalogue != nil {
		e.Catalogue = p.catalogue("$.catalogue", *f.Catalogue)
		if e.Catalogue != nil {
			p.cat = *e.Catalogue
		}
	}
	accounts, orgs, domains := p.unique("account"), p.unique("org"), p.unique("domain")
	for i, s := range f.Accounts {
		at := key("$", "accounts", i)
		a := p.account(at, s)
		accounts(key(at, "name"), a.Name)
		orgs(key(at, "org"), a.Org)
		for j, d := range a.Domains {
			domains(key(at, "domains", j, "name"), d.Name)
		}
		e.Accounts = append(e.Accounts, a)
	}
	return e
}

// unique makes a function that reports a name that was there before.
func (p *reading) unique(what string) func(at, name string) {
	first := map[string]int{}
	return func(at, name string) {
		if name == "" {
			return
		}
		if line, twice := first[name]; twice {
			p.bad(at, "The %s %q is there already, on line %d.", what, name, line)
			return
		}
		first[name] = p.line(at)
	}
}

func (p *reading) catalogue(at string, s catalogueSection) *account.Catalogue {
	base := p.cat
	if s.File != "" {
		data, err := p.read(s.File)
		if err != nil {
			p.bad(key(at, "file"), "The file %q cannot be read.", s.File).Because(err)
			return nil
		}
		if base, err = ParseCatalogue(data); err != nil {
			for _, problem := range Problems(err) {
				p.bad(key(at, "file"), "%s: %v", s.File, problem)
			}
			return nil
		}
	}
	file := catalogueFile{Services: s.Services, Relying: s.Relying, Products: s.Products, Terms: s.Terms, Limits: base.Limits}
	if s.Limits != nil {
		file.Limits = overLimits(base.Limits, *s.Limits)
	}
	cat := file.over(base)
	checkCatalogue(p.document, at, cat)
	return &cat
}

// overLimits takes the limits that were given; zero means left out.
func overLimits(base, given account.Limits) account.Limits {
	pick := func(to *int, n int) {
		if n != 0 {
			*to = n
		}
	}
	pick(&base.OrgsPerAccount, given.OrgsPerAccount)
	pick(&base.OwnersPerAccount, given.OwnersPerAccount)
	pick(&base.OwnersPerOrg, given.OwnersPerOrg)
	pick(&base.UsersIndividual, given.UsersIndividual)
	pick(&base.RulesPerAccount, given.RulesPerAccount)
	pick(&base.KeysPerUser, given.KeysPerUser)
	pick(&base.GroupValues, given.GroupValues)
	if given.RulesLossShare != 0 {
		base.RulesLossShare = given.RulesLossShare
	}
	if given.DiagnosisAge != 0 {
		base.DiagnosisAge = given.DiagnosisAge
	}
	return base
}

func (p *reading) account(at string, s accountSection) Account {
	a := Account{Name: s.Name, Org: s.Org, Title: s.Title, Services: s.Services}
	p.must(key(at, "name"), account.CheckAccountName(s.Name))
	if a.Org == "" {
		a.Org = account.Slug(s.Name)
	}
	if s.Name != "" || s.Org != "" {
		p.must(key(at, "org"), account.CheckOrgName(a.Org))
	}
	switch a.Type = account.OrgType(s.Type); a.Type {
	case "":
		a.Type = account.Enterprise
	case account.Individual, account.Enterprise:
	default:
		p.bad(key(at, "type"), "%q is no type of org.", s.Type).Fix("Use individual or enterprise.")
	}
	p.services(at, a)
	a.Owners = p.owners(at, a, s)
	a.Teams = p.teams(at, a, s.Teams)
	a.People = p.people(at, a, s.People)
	a.Connections = p.connections(at, s.Connections)
	a.Domains = p.domains(at, a, s.Domains)
	a.Groups = p.groups(at, a, s.Groups)
	a.Rules = p.rules(at, a, s.Rules)
	a.Streams = p.streams(at, a, s.Streams)
	a.Webhooks = p.webhooks(at, s.Webhooks)
	return a
}

// must records err, if there is one, at a path.
func (p *reading) must(at string, err error) {
	if err != nil {
		p.add(at, err)
	}
}

func (p *reading) services(at string, a Account) {
	unique := p.unique("service")
	for i, id := range a.Services {
		at := key(at, "services", i)
		unique(at, id)
		s, ok := p.cat.Service(id)
		switch {
		case !ok:
			p.bad(at, "The catalogue has no service %q.", id).Fix("It has: %s.", strings.Join(serviceIDs(p.cat), ", "))
		case s.Premium && a.Type == account.Individual:
			p.bad(at, "%s is for enterprise orgs only.", s.Label)
		}
	}
}

func serviceIDs(cat account.Catalogue) []string {
	out := make([]string, len(cat.Services))
	for i, s := range cat.Services {
		out[i] = s.ID
	}
	return out
}

func (p *reading) owners(at string, a Account, s accountSection) []string {
	most := p.cat.Limits.OwnersPerOrg
	if a.Type == account.Individual {
		most = min(most, p.cat.Limits.UsersIndividual)
	}
	switch {
	case len(s.Owners) == 0:
		p.bad(at, "Account %q needs an owner.", a.Name).Fix("List one address under owners; the first one owns the account.")
	case len(s.Owners) > most:
		p.bad(key(at, "owners"), "This org has at most %d owners, here are %d.", most, len(s.Owners))
	}
	unique := p.unique("owner")
	var out []string
	for i, text := range s.Owners {
		at := key(at, "owners", i)
		email, err := account.NormalEmail(text)
		if err != nil {
			p.add(at, err)
			continue
		}
		unique(at, email)
		if len(out) > 0 && account.EmailDomain(out[0]) != account.EmailDomain(email) {
			p.bad(at, "All owners of an org share one e-mail domain; this one is of %s, the first of %s.", account.EmailDomain(email), account.EmailDomain(out[0]))
		}
		out = append(out, email)
	}
	return out
}

func (p *reading) teams(at string, a Account, list []teamSection) []Team {
	if len(list) > 0 && a.Type == account.Individual {
		p.bad(key(at, "teams"), "An individual org has no teams.").Fix("Set type to enterprise.")
	}
	unique := p.unique("team")
	var out []Team
	for i, s := range list {
		at := key(at, "teams", i)
		p.must(key(at, "name"), account.CheckTeamName(s.Name))
		unique(key(at, "name"), s.Name)
		out = append(out, Team(s))
	}
	return out
}

func (p *reading) people(at string, a Account, list []personSection) []Person {
	unique := p.unique("person")
	var out []Person
	for i, s := range list {
		at := key(at, "people", i)
		email, err := account.NormalEmail(s.Email)
		p.must(key(at, "email"), err)
		unique(key(at, "email"), email)
		one := Person{Email: email, Name: s.Name, Roles: s.Roles, Teams: byTeam(s.Teams), AccountRole: p.accountRole(key(at, "account_role"), s.AccountRole)}
		if slices.Contains(a.Owners, email) {
			p.bad(key(at, "email"), "%s is an owner already; owners hold everything.", email).Fix("List the person once.")
		}
		if a.Type == account.Individual && (len(s.Roles) > 0 || len(s.Teams) > 0) {
			p.bad(at, "An individual org has one user, its owner; %s can hold no roles there.", email).Fix("Set type to enterprise, or leave the roles out.")
		}
		p.roles(key(at, "roles"), a, account.Scope{Org: "org"}, s.Roles)
		p.teamRoles(key(at, "teams"), a, one.Teams)
		out = append(out, one)
	}
	return out
}

func (p *reading) accountRole(at, text string) account.Role {
	switch r := account.Role(text); r {
	case "":
		return account.Member
	case account.Admin, account.Member:
		return r
	case account.Owner:
		p.bad(at, "Owners stand under owners.").Fix("Use admin or member here.")
	default:
		p.bad(at, "%q is no account role.", text).Fix("Use admin or member.")
	}
	return account.Member
}

// roles checks that each can be held in scope, in this org.
func (p *reading) roles(at string, a Account, scope account.Scope, list []account.Role) {
	for i, r := range list {
		at := key(at, i)
		if r == account.Owner {
			p.bad(at, "Owners stand under owners.")
			continue
		}
		if err := p.cat.CheckRole(scope, r); err != nil {
			p.add(at, err)
			continue
		}
		if s := r.Service(); s != "" && !slices.Contains(a.Services, s) {
			p.bad(at, "The service %s is not enabled on %s, so nobody can hold %s there.", s, a.Org, r).Fix("Add %s to its services.", s)
		}
	}
}

func (p *reading) teamRoles(at string, a Account, teams map[string][]account.Role) {
	for _, name := range slices.Sorted(maps.Keys(teams)) {
		if !slices.ContainsFunc(a.Teams, func(t Team) bool { return t.Name == name }) {
			p.bad(key(at, name), "There is no team %q.", name).Fix("Add it under teams.")
			continue
		}
		p.roles(key(at, name), a, account.Scope{Org: "org", Team: "team"}, teams[name])
	}
}

func (p *reading) domains(at string, a Account, list []domainSection) []Domain {
	var out []Domain
	for i, s := range list {
		at := key(at, "domains", i)
		name, err := account.NormalDomain(s.Name)
		p.must(key(at, "name"), err)
		p.connectionNamed(key(at, "connection"), a, s.Connection)
		if s.CutOver && (s.Connection == "" || !s.Proved) {
			p.bad(key(at, "cut_over"), "People of %s can be sent to a connection only once the domain is proved and tied to one.", s.Name).
				Fix("Set proved and connection too.")
		}
		out = append(out, Domain{Name: name, Connection: s.Connection, Proved: s.Proved, CutOver: s.CutOver})
	}
	return out
}

// connectionNamed reports a name that no connection of the account has. The empty name passes.
func (p *reading) connectionNamed(at string, a Account, name string) {
	if name != "" && !slices.ContainsFunc(a.Connections, func(c Connection) bool { return c.Name == name }) {
		p.bad(at, "There is no connection %q.", name).Fix("Add it under connections, or correct the name.")
	}
}

func (p *reading) groups(at string, a Account, list []groupSection) []Group {
	unique := p.unique("group")
	var out []Group
	for i, s := range list {
		at := key(at, "groups", i)
		g := Group{Connection: p.connectionOr(key(at, "connection"), a, s.Connection), Value: s.Value, Alias: s.Alias,
			AccountRole: p.accountRole(key(at, "account_role"), s.AccountRole)}
		if s.Value == "" {
			p.bad(key(at, "value"), "A group needs its value, exactly as the provider sends it.")
		} else {
			unique(key(at, "value"), g.Connection+" "+g.Value)
		}
		out = append(out, g)
	}
	return out
}

// connectionOr is the named connection, or the only one there is.
func (p *reading) connectionOr(at string, a Account, name string) string {
	switch {
	case name == "" && len(a.Connections) == 1:
		return a.Connections[0].Name
	case name == "":
		p.bad(at, "The account has %d connections; this needs the name of one.", len(a.Connections))
	default:
		p.connectionNamed(at, a, name)
	}
	return name
}

func (p *reading) rules(at string, a Account, list []ruleSection) []Rule {
	if n := p.cat.Limits.RulesPerAccount; len(list) > n {
		p.bad(key(at, "rules"), "An account has at most %d rules, here are %d.", n, len(list))
	}
	teams := map[account.TeamID]account.Team{}
	for _, t := range a.Teams {
		teams[account.TeamID(t.Name)] = account.Team{ID: account.TeamID(t.Name), Name: t.Name}
	}
	org := account.Org{Name: a.Org, Type: a.Type, Services: a.Services}
	unique := p.unique("rule")
	var out []Rule
	for i, s := range list {
		at := key(at, "rules", i)
		unique(key(at, "name"), s.Name)
		r := Rule{Name: s.Name, Connection: p.connectionOr(key(at, "connection"), a, s.Connection), Groups: s.Groups,
			AccountRole: account.Role(s.AccountRole), Org: s.Org, Teams: byTeam(s.Teams), Active: s.State == "active"}
		if s.State != "" && s.State != "active" && s.State != "draft" {
			p.bad(key(at, "state"), "A rule is draft or active, not %q.", s.State)
		}
		for _, name := range slices.Sorted(maps.Keys(s.Teams)) {
			if _, ok := teams[account.TeamID(name)]; !ok {
				p.bad(key(at, "teams", name), "There is no team %q.", name).Fix("Add it under teams.")
			}
		}
		d := r.Definition(account.ConnectionID(r.Connection), func(name string) account.TeamID { return account.TeamID(name) })
		p.definition(at, a, d.Check(p.cat, org, teams))
		out = append(out, r)
	}
	return out
}

// definition places the problems of a rule: its pointers are those of rules.Definition, the file has
// its roles under org and teams. Unknown teams and connections have been reported by name before.
func (p *reading) definition(at string, a Account, err error) {
	for _, e := range flatten(err) {
		where := at
		var known *account.Error
		if errors.As(e, &known) {
			switch known.Pointer {
			case "/connection":
				continue
			case "/targets":
				if known.Kind == account.NotFound {
					continue
				}
			case "/name", "/groups", "/account_role":
				where = key(at, strings.TrimPrefix(known.Pointer, "/"))
			}
		}
		p.add(where, e)
	}
}

func flatten(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var out []error
		for _, e := range joined.Unwrap() {
			out = append(out, flatten(e)...)
		}
		return out
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

func (p *reading) connections(at string, list []connectionSection) []Connection {
	unique := p.unique("connection")
	var out []Connection
	for i, s := range list {
		at := key(at, "connections", i)
		if strings.TrimSpace(s.Name) == "" {
			p.bad(at, "A connection needs a name, so that domains and rules can name it.")
		}
		unique(key(at, "name"), s.Name)
		out = append(out, p.connection(at, s))
	}
	return out
}

func (p *reading) connection(at string, s connectionSection) Connection {
	c := Connection{Name: s.Name, Enabled: s.Enabled == nil || *s.Enabled, Which: account.Live, path: at}
	switch s.State {
	case "", "live":
	case "draft":
		c.Which = account.Draft
	default:
		p.bad(key(at, "state"), "A connection is draft or live, not %q.", s.State)
	}
	c.SCIM = p.scim(key(at, "scim"), s.SCIM)
	c.Breaker = p.breaker(key(at, "breaker"), s.Breaker)
	c.SyncDecision = p.syncDecision(key(at, "sync_decision"), s.SyncDecision)
	c.Settings = account.Settings{Kind: account.IdPKind(s.Kind), Mapping: account.Mapping(s.Mapping),
		MaxSession: s.MaxSession, RelinkByEmail: s.RelinkByEmail}
	if s.Kind == "" {
		c.Settings.Kind = account.KindGeneric
	}
	for i, k := range s.SPKeys {
		c.SPKeys = append(c.SPKeys, p.spKey(key(at, "sp_keys", i), k, i == 0))
	}
	switch {
	case (s.SAML == nil) == (s.OIDC == nil):
		p.bad(at, "Connection %q has either a saml or an oidc section.", s.Name)
		return c
	case s.SAML != nil:
		c.Settings.Protocol, c.Settings.SAML = account.SAML, p.saml(key(at, "saml"), &c, *s.SAML)
	default:
		c.Settings.Protocol, c.Settings.OIDC = account.OIDC, p.oidc(key(at, "oidc"), *s.OIDC)
	}
	if c.unresolved() {
		return c // checked by Resolve, once it is whole
	}
	for _, e := range flatten(c.Settings.Check()) {
		where := at
		var known *account.Error
		if errors.As(e, &known) {
			where = key(at) + strings.ReplaceAll(known.Pointer, "/", ".")
		}
		p.add(where, e)
	}
	return c
}

func (p *reading) saml(at string, c *Connection, s samlSection) *account.SAMLSettings {
	out := &account.SAMLSettings{
		EntityID: s.EntityID, SSORedirect: s.SSORedirect, SSOPost: s.SSOPost, SLORedirect: s.SLORedirect, SLOPost: s.SLOPost,
		NameIDFormat: s.NameIDFormat, SignRequests: s.SignRequests, ForceAuthn: s.ForceAuthn, AuthnContext: s.AuthnContext,
		AllowIdPInitiated: s.IdPInitiated, AllowSHA1: s.AllowSHA1, AllowRSA1024: s.AllowRSA1024, AllowNoAudience: s.AllowNoAudience,
		AllowCBC: s.AllowCBC, RequireEncrypted: s.RequireEncrypted, StrictDates: s.StrictDates,
		IgnoreInResponseTo: s.IgnoreInResponseTo, MetadataKeyPin: s.MetadataKeyPin,
	}
	if s.Skew != nil {
		if out.Skew = *s.Skew; out.Skew <= 0 {
			out.Skew = -1 // said to be none; the zero value means the default
		}
	}
	for i, text := range s.Certificates {
		at := key(at, "certificates", i)
		cert, err := account.ParseCertificate(p.value(at, text))
		if err != nil {
			p.add(at, err)
			continue
		}
		out.Certificates = append(out.Certificates, account.PEM(cert))
	}
	switch m := strings.TrimSpace(s.Metadata); {
	case m == "":
	case strings.HasPrefix(m, "https://"), strings.HasPrefix(m, "http://"):
		c.MetadataURL, out.MetadataURL = m, m
	case strings.HasPrefix(m, "<"):
		c.Metadata = []byte(m)
	default:
		if text := p.value(key(at, "metadata"), m); text == m {
			p.bad(key(at, "metadata"), "Metadata is the XML itself, file:NAME, or an https address.")
		} else {
			c.Metadata = []byte(text)
		}
	}
	return out
}

func (p *reading) oidc(at string, s oidcSection) *account.OIDCSettings {
	out := &account.OIDCSettings{
		Issuer: s.Issuer, ClientID: s.ClientID, ClientSecret: p.secret(key(at, "client_secret"), s.ClientSecret),
		AuthMethod: s.AuthMethod, Scopes: s.Scopes, ResponseMode: s.ResponseMode, Algorithms: s.Algorithms,
		EntraTenant: s.EntraTenant, GoogleDomain: s.GoogleDomain, ACRValues: s.ACRValues, MaxAge: s.MaxAge,
		Userinfo: s.Userinfo, SkipEmailVerified: s.AcceptUnverifiedEmail,
	}
	if s.Graph != nil {
		out.Graph = (*account.GraphSettings)(s.Graph)
	}
	if s.OktaGroups != nil {
		out.OktaGroups = &account.OktaGroups{BaseURL: s.OktaGroups.BaseURL, Token: p.secret(key(at, "okta_groups", "token"), s.OktaGroups.Token)}
	}
	return out
}

func (p *reading) spKey(at string, s spKeySection, active bool) account.SPKey {
	k := account.SPKey{Active: active}
	cert, err := account.ParseCertificate(p.value(key(at, "certificate"), s.Certificate))
	p.must(key(at, "certificate"), err)
	private := p.secret(key(at, "private_key"), s.PrivateKey)
	block, _ := pem.Decode([]byte(private.Reveal()))
	var parsed any
	if block != nil {
		parsed, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	if block == nil || err != nil {
		p.bad(key(at, "private_key"), "Expected a private key as PEM, PKCS #8 (BEGIN PRIVATE KEY).").
			Fix("Convert it with: openssl pkcs8 -topk8 -nodes -in old.pem -out new.pem")
		return k
	}
	if cert == nil {
		return k
	}
	if !matches(parsed, cert) {
		p.bad(at, "The private key does not belong to the certificate.")
	}
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	k.ID, k.Certificate, k.Private = hex.EncodeToString(sum[:8]), account.PEM(cert), private
	k.CreatedAt = cert.NotBefore
	return k
}

func matches(private any, cert *x509.Certificate) bool {
	signer, ok := private.(interface{ Public() crypto.PublicKey })
	if !ok {
		return false
	}
	public, ok := signer.Public().(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(cert.PublicKey)
}

// value is text itself, or what it points to: "file:NAME" or "env:NAME".
func (p *reading) value(at, text string) string {
	if name, ok := strings.CutPrefix(text, "file:"); ok {
		data, err := p.read(name)
		if err != nil {
			p.bad(at, "The file %q cannot be read.", name).Because(err)
		}
		return string(data)
	}
	if name, ok := strings.CutPrefix(text, "env:"); ok {
		value := p.getenv(name)
		if value == "" {
			p.bad(at, "The environment variable %s is not set.", name)
		}
		return value
	}
	return text
}

// secret is value without the newline that editors put at the end of a file.
func (p *reading) secret(at, text string) account.Secret {
	return account.NewSecret(strings.TrimRight(p.value(at, text), "\r\n"))
}
