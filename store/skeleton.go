package store

// This file is the agreed interface of the ledger while it is being built. Each group moves to the file named
// above it as it gets its body; when the last has moved, this file is gone.

import (
	"context"
	"errors"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/rules"
)

var errUnbuilt = errors.New("store: not built yet")

// --- seal.go

// Reseal seals everything anew under the primary key, in batches, resumable. It returns how many rows it rewrote.
func (l *Ledger) Reseal(ctx context.Context, by account.Actor) (int, error) { return 0, errUnbuilt }

// --- flows.go --------------------------------------------------------------------------------------

// StartFlow remembers a started sign-in. The caller fills Connection, Which, RequestID, Nonce, Verifier, Issuer,
// Next, LoginHint, Test, TestBy and Browser ("" makes a fresh one); the answer has ID, Handle, Browser and times too.
// A disabled connection or one without that version is refused. In a test a pending diagnosis is made as well.
func (l *Ledger) StartFlow(ctx context.Context, f account.Flow) (account.Flow, error) {
	return f, errUnbuilt
}

// Flow reads a pending flow without taking it: by handle, or when handle is "" by request id (SAML, RelayState lost).
// The connection must be the one of the URL, and browser the value of the browser's flow cookie; otherwise NotFound.
func (l *Ledger) Flow(ctx context.Context, c account.ConnectionID, handle, requestID, browser string) (account.Flow, error) {
	return account.Flow{}, errUnbuilt
}

// TakeFlow is Flow and uses it up, in one atomic write: of eight simultaneous takers one succeeds (OIDC-F7).
func (l *Ledger) TakeFlow(ctx context.Context, c account.ConnectionID, handle, browser string) (account.Flow, error) {
	return account.Flow{}, errUnbuilt
}

// --- signin.go -------------------------------------------------------------------------------------

// An Entry is what SignIn needs to know.
type Entry struct {
	By        account.Actor // ActorConnection with IP and request id
	Login     account.Login
	Flow      account.Flow // zero: unsolicited; otherwise taken in the same transaction unless Taken
	Taken     bool         // OIDC: TakeFlow was called before
	Judgement account.Judgement
}

// An Entrance is what came of it.
type Entrance struct {
	Session   account.Session // Token is set, this once
	User      account.User
	Created   bool
	Decision  rules.Decision
	Change    rules.Change
	NoRoles   bool // L-14: signed in, holds nothing
	Several   bool // more than one account to choose from
	Diagnosis account.DiagnosisID
}

// SignIn turns a judged login into a session, in one transaction: flow and message are used up (a second copy is
// refused with code "already_used"), connection enabled, e-mail's domain counts for this account (promise 4), person found by
// (connection, subject) or created; an existing person with that address and another subject is refused
// (code "subject_changed") unless RelinkByEmail and verified; disabled people are refused; group set settled (T-05) and
// remembered; rules evaluated, diff applied (owners untouched); account membership by rule or, when a rule or an
// existing tenancy gives none, member (L-14: may sign in, holds nothing); session made; audit; diagnosis.
// A refusal is an *account.Refusal; RecordRefusal has then been done in a transaction of its own.
func (l *Ledger) SignIn(ctx context.Context, e Entry) (Entrance, error) {
	return Entrance{}, errUnbuilt
}

// RecordRefusal remembers a refused attempt for the administrator (kept limits.diagnosis_age) with its audit line, and
// takes the flow away when it names one that can no longer succeed.
func (l *Ledger) RecordRefusal(ctx context.Context, by account.Actor, c account.ConnectionID, f account.Flow, j account.Judgement) (account.DiagnosisID, error) {
	return "", errUnbuilt
}

// --- sessions.go -----------------------------------------------------------------------------------

// Presence is who the cookie's token belongs to and what they hold now. Unauthorized when there is no such live session,
// the person is disabled, the tenancy is not active, or the connection has been switched off. Seen at most once a minute.
func (l *Ledger) Presence(ctx context.Context, token account.Secret) (account.Presence, error) {
	return account.Presence{}, errUnbuilt
}

// Choose moves a session to another account of the same person and gives it a new token (SES-2).
func (l *Ledger) Choose(ctx context.Context, by account.Actor, token account.Secret, to account.AccountID) (account.Session, error) {
	return account.Session{}, errUnbuilt
}

// Leaving is what the sign-in door needs to say goodbye at the provider.
type Leaving struct {
	Session account.Session
	NameID  *account.NameID
	IDToken account.Secret
}

// SignOut ends one session. Ending it twice changes nothing.
func (l *Ledger) SignOut(ctx context.Context, by account.Actor, token account.Secret) (Leaving, error) {
	return Leaving{}, errUnbuilt
}

// EndSessions ends the sessions that a provider names: by provider session, or all of a subject when it is "".
// message is remembered so that the same logout token counts once; it says how many ended.
func (l *Ledger) EndSessions(ctx context.Context, by account.Actor, c account.ConnectionID, subject, providerSession, message string, until time.Time) (int, error) {
	return 0, errUnbuilt
}

// --- diagnoses.go ----------------------------------------------------------------------------------

// FinishTest stores the outcome of a login test (nothing else is created) and, when it passed for all relying services,
// marks the draft as tested. Pass the evaluated rules as explanations.
func (l *Ledger) FinishTest(ctx context.Context, by account.Actor, f account.Flow, d account.Diagnosis) error {
	return errUnbuilt
}

// Diagnosis reads one; only for owners and user admins of its account and the operator.
func (l *Ledger) Diagnosis(ctx context.Context, by account.Actor, id account.DiagnosisID) (account.Diagnosis, error) {
	return account.Diagnosis{}, errUnbuilt
}

// Diagnoses lists the newest of a connection, at most n.
func (l *Ledger) Diagnoses(ctx context.Context, by account.Actor, c account.ConnectionID, n int) ([]account.Diagnosis, error) {
	return nil, errUnbuilt
}

// Preview evaluates a login against active and draft rules without changing anything: the rest of a login test.
func (l *Ledger) Preview(ctx context.Context, by account.Actor, login account.Login) (account.Preview, error) {
	return account.Preview{}, errUnbuilt
}

// --- connections.go --------------------------------------------------------------------------------

// Connection reads one with its secrets opened, for the doors. NotFound when there is none.
func (l *Ledger) Connection(ctx context.Context, id account.ConnectionID) (account.Connection, error) {
	return account.Connection{}, errUnbuilt
}

// SPKeys are our key pairs for a connection, the active one first; made at the first connection version.
func (l *Ledger) SPKeys(ctx context.Context, id account.ConnectionID) ([]account.SPKey, error) {
	return nil, errUnbuilt
}

// ConnectionFor finds the connection that signs in the people of an address's domain: the domain counts, is tied to a connection
// that is enabled and live. found is false otherwise; unknown domains take the same steps as known ones.
func (l *Ledger) ConnectionFor(ctx context.Context, email string) (c account.Connection, d account.Domain, found bool, err error) {
	return c, d, false, errUnbuilt
}

// Connections lists those of an account, without secrets.
func (l *Ledger) Connections(ctx context.Context, by account.Actor, a account.AccountID) ([]account.Connection, error) {
	return nil, errUnbuilt
}

// SaveDraft validates and stores the draft of a connection (new when id is ""), Promote makes a tested draft live (Conflict with code
// "test_needed" otherwise; the operator may force, audited), Restore brings back an earlier revision as live.
func (l *Ledger) SaveDraft(ctx context.Context, by account.Actor, a account.AccountID, id account.ConnectionID, name string, s account.Settings) (account.Connection, error) {
	return account.Connection{}, errUnbuilt
}
func (l *Ledger) Promote(ctx context.Context, by account.Actor, id account.ConnectionID, force bool) (account.Connection, error) {
	return account.Connection{}, errUnbuilt
}
func (l *Ledger) Restore(ctx context.Context, by account.Actor, id account.ConnectionID, revision int) (account.Connection, error) {
	return account.Connection{}, errUnbuilt
}
func (l *Ledger) EnableConnection(ctx context.Context, by account.Actor, id account.ConnectionID, on bool) error {
	return errUnbuilt
}

// RotateSPKey adds a second key pair (still the old one signs), ActivateSPKey switches, DropSPKey removes one that is not active.
func (l *Ledger) RotateSPKey(ctx context.Context, by account.Actor, id account.ConnectionID, k account.SPKey) error {
	return errUnbuilt
}
func (l *Ledger) ActivateSPKey(ctx context.Context, by account.Actor, id account.ConnectionID, key string) error {
	return errUnbuilt
}
func (l *Ledger) DropSPKey(ctx context.Context, by account.Actor, id account.ConnectionID, key string) error {
	return errUnbuilt
}

// MetadataDue lists live SAML connections with a metadata URL whose last check is older than age; RecordRefresh stores what came of a check:
// updated settings are applied to live (audited) unless they need approval, in which case they wait; ApproveRefresh applies them.
func (l *Ledger) MetadataDue(ctx context.Context, age time.Duration) ([]account.Connection, error) {
	return nil, errUnbuilt
}
func (l *Ledger) RecordRefresh(ctx context.Context, by account.Actor, r account.Refresh) error {
	return errUnbuilt
}
func (l *Ledger) ApproveRefresh(ctx context.Context, by account.Actor, id account.ConnectionID) error {
	return errUnbuilt
}

// --- domains.go ------------------------------------------------------------------------------------

func (l *Ledger) ClaimDomain(ctx context.Context, by account.Actor, a account.AccountID, name string) (account.Domain, error) {
	return account.Domain{}, errUnbuilt
}
func (l *Ledger) Domains(ctx context.Context, by account.Actor, a account.AccountID) ([]account.Domain, error) {
	return nil, errUnbuilt
}

// DomainsDue lists what has to be looked up again; RecordDomainCheck stores what DNS said (found: the TXT value was there; answer: for people) and moves
// the state: pending → proved; proved → failing (warned) → lost after 7 days; failing → proved.
func (l *Ledger) DomainsDue(ctx context.Context) ([]account.Domain, error) { return nil, errUnbuilt }
func (l *Ledger) RecordDomainCheck(ctx context.Context, by account.Actor, id account.DomainID, found bool, answer string) (account.Domain, error) {
	return account.Domain{}, errUnbuilt
}

// VouchDomain lets the operator mark one proved. TieDomain says which connection signs its people in. CutOver sends them there (K-21).
func (l *Ledger) VouchDomain(ctx context.Context, by account.Actor, id account.DomainID) error {
	return errUnbuilt
}
func (l *Ledger) TieDomain(ctx context.Context, by account.Actor, id account.DomainID, c account.ConnectionID) error {
	return errUnbuilt
}
func (l *Ledger) CutOver(ctx context.Context, by account.Actor, id account.DomainID, on bool) error {
	return errUnbuilt
}

// --- accounts.go, people.go ------------------------------------------------------------------------

// CreateAccount makes an account and its org, one number for both.
func (l *Ledger) CreateAccount(ctx context.Context, by account.Actor, name, orgName, title string, t account.OrgType) (account.Account, account.Org, error) {
	return account.Account{}, account.Org{}, errUnbuilt
}
func (l *Ledger) Account(ctx context.Context, by account.Actor, id account.AccountID) (account.Account, account.Org, error) {
	return account.Account{}, account.Org{}, errUnbuilt
}
func (l *Ledger) OrgByName(ctx context.Context, by account.Actor, name string) (account.Account, account.Org, error) {
	return account.Account{}, account.Org{}, errUnbuilt
}
func (l *Ledger) EnableService(ctx context.Context, by account.Actor, a account.AccountID, service string, on bool) error {
	return errUnbuilt
}
func (l *Ledger) CreateTeam(ctx context.Context, by account.Actor, a account.AccountID, name, description string) (account.Team, error) {
	return account.Team{}, errUnbuilt
}
func (l *Ledger) Teams(ctx context.Context, by account.Actor, a account.AccountID) ([]account.Team, error) {
	return nil, errUnbuilt
}

// AddPerson puts a person with a proved address into an account (operator and estate file; invitations are another story).
func (l *Ledger) AddPerson(ctx context.Context, by account.Actor, a account.AccountID, email, name string, r account.Role) (account.User, error) {
	return account.User{}, errUnbuilt
}

// Grant gives a role by hand; Withdraw takes the manual source away (others stay). Permission: org owners everywhere (owner only by owners, D-02),
// org user_admins everywhere but owner, team user_admins in their team, another team is NotFound (C-05), nobody grants more than they hold (ADM-2).
// Limits and rules inside the transaction: D-01 (409), D-03 (422 naming both domains), B-04 ("individual_org"), B-09, C-05 to C-07; the last owner stays.
func (l *Ledger) Grant(ctx context.Context, by account.Actor, a account.AccountID, u account.UserID, s account.Scope, r account.Role) error {
	return errUnbuilt
}
func (l *Ledger) Withdraw(ctx context.Context, by account.Actor, a account.AccountID, u account.UserID, s account.Scope, r account.Role) error {
	return errUnbuilt
}

// A Person is one row of the users list.
type Person struct {
	User    account.User
	Tenancy account.Tenancy
	Roles   []account.Held
}

// People lists an account's people, keyset-paged by user id: after "" starts, at most n.
func (l *Ledger) People(ctx context.Context, by account.Actor, a account.AccountID, after account.UserID, n int) ([]Person, error) {
	return nil, errUnbuilt
}
func (l *Ledger) Person(ctx context.Context, by account.Actor, a account.AccountID, u account.UserID) (Person, error) {
	return Person{}, errUnbuilt
}
func (l *Ledger) PersonByEmail(ctx context.Context, by account.Actor, a account.AccountID, email string) (Person, error) {
	return Person{}, errUnbuilt
}

// May answers whether a person may use role for something of team (or of the org as a whole when team is ""), now (C-06, C-07).
func (l *Ledger) May(ctx context.Context, a account.AccountID, u account.UserID, team account.TeamID, r account.Role) (bool, error) {
	return false, errUnbuilt
}

// SetUserState disables or enables a person everywhere; disabling ends their sessions in the same transaction.
func (l *Ledger) SetUserState(ctx context.Context, by account.Actor, u account.UserID, s account.UserState) error {
	return errUnbuilt
}

// --- audit.go --------------------------------------------------------------------------------------

func (l *Ledger) Audit(ctx context.Context, by account.Actor, a account.AccountID, before account.AuditID, n int) ([]account.AuditLine, error) {
	return nil, errUnbuilt
}

// --- jobs.go (River, if its SQLite driver holds; otherwise our own table with leases) ----------------

// Work runs the jobs of the house until ctx ends: purging what has expired, resuming rule activation, and the periodic tasks handed in.
func (l *Ledger) Work(ctx context.Context, tasks ...Task) error { return errUnbuilt }

// A Task is periodic work that needs the outside world (metadata refresh, DNS re-check); on several replicas one runs it at a time.
type Task struct {
	Name  string
	Every time.Duration
	Run   func(context.Context) error
}

// --- rules.go, apply.go ----------------------------------------------------------------------------

func (l *Ledger) Rules(ctx context.Context, by account.Actor, a account.AccountID) ([]rules.Rule, error) {
	return nil, errUnbuilt
}
func (l *Ledger) SaveRule(ctx context.Context, by account.Actor, a account.AccountID, id account.RuleID, d rules.Definition) (rules.Rule, error) {
	return rules.Rule{}, errUnbuilt
}
func (l *Ledger) DeleteRule(ctx context.Context, by account.Actor, a account.AccountID, id account.RuleID) error {
	return errUnbuilt
}

// PlanRules is the dry run of the drafts over everybody with the groups last seen (L-20, T-03).
func (l *Ledger) PlanRules(ctx context.Context, by account.Actor, a account.AccountID) (rules.Plan, error) {
	return rules.Plan{}, errUnbuilt
}

// ActivateRules makes the drafts active and applies them. confirmed answers the guard against large losses.
func (l *Ledger) ActivateRules(ctx context.Context, by account.Actor, a account.AccountID, confirmed bool) (rules.Plan, error) {
	return rules.Plan{}, errUnbuilt
}
func (l *Ledger) AddIdPGroup(ctx context.Context, by account.Actor, g account.IdPGroup) error {
	return errUnbuilt
}
func (l *Ledger) IdPGroups(ctx context.Context, by account.Actor, a account.AccountID) ([]account.IdPGroup, error) {
	return nil, errUnbuilt
}
