package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/rules"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// seenAgain is how long a group value counts as just seen, so that a busy group does not cost a write at each sign-in.
const seenAgain = 12 * time.Hour

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
	NoRoles   bool                // L-14: signed in, holds nothing
	Several   bool                // more than one account to choose from
	Diagnosis account.DiagnosisID // of a refusal, and of what went well but was odd (no roles, groups unknown, warnings); else empty

	joined bool // the account had no place for them before
}

// SignIn turns a judged login into a session, in one transaction: flow and message are used up (a second copy is
// refused with code already_used), connection enabled, e-mail's domain counts for this account (promise 4), person found by
// (connection, subject) or created; an existing person with that address and another subject is refused
// (code subject_changed) unless RelinkByEmail and verified; disabled people are refused; group set settled (T-05) and
// remembered; rules evaluated, diff applied (owners untouched); account membership by rule or, when neither a rule nor anything
// else gives one, as a member by sign-in (L-14: may come in, holds nothing); session made; audit; a diagnosis where somebody may ask.
// A refusal is an *account.Refusal; RecordRefusal has then been done in a transaction of its own, and Diagnosis names the record.
func (l *Ledger) SignIn(ctx context.Context, e Entry) (Entrance, error) {
	s, err := l.newSignIn(e)
	if err != nil {
		return Entrance{}, err
	}
	var out Entrance
	err = l.db.Write(ctx, func(tx *table.Tx) (err error) {
		out, err = s.enter(tx)
		return err
	})
	var refusal *account.Refusal
	switch {
	case errors.As(err, &refusal):
		return l.refused(ctx, s.Entry, refusal)
	case err != nil:
		return Entrance{}, err
	}
	if s.cold {
		if err := l.warm(ctx, e.Login.Connection); err != nil {
			l.opt.Log.WarnContext(ctx, "rules and settings could not be kept in memory", "connection", e.Login.Connection, "error", err)
		}
	}
	for _, v := range s.unseen {
		l.groupsSeen.Add(groupKey{s.Login.Connection, v}, s.now)
	}
	if s.fresh {
		tried, err := l.retryAwaited(ctx, out.Session.Account, awaitedEmail(out.User.Email), awaitedSubject(e.Login.Connection, e.Login.Subject))
		if err != nil {
			return Entrance{}, err
		}
		if tried && !l.stands(ctx, s.session.Digest) { // nobody has been told of the session yet
			return l.refused(ctx, s.Entry, userDisabled())
		}
	}
	out.Session.Token = s.token
	return out, nil
}

// stands reports whether a session has not been ended.
func (l *Ledger) stands(ctx context.Context, digest []byte) (found bool) {
	err := l.db.Look(ctx, func(tx *table.Tx) (err error) { _, found, err = tx.SessionByDigest(digest); return err })
	return err == nil && found
}

// warm keeps the compiled rules and settings of a connection in memory for the next sign-in, as they are committed.
func (l *Ledger) warm(ctx context.Context, c account.ConnectionID) error {
	return l.db.Read(ctx, func(tx *table.Tx) error {
		gate, found, err := tx.Gate(c, "")
		if err != nil || !found || gate.LiveRevision == 0 {
			return err
		}
		if _, err := l.liveSettings(tx, c, gate.LiveRevision); err != nil {
			return err
		}
		_, err = l.activeRules(tx, gate.Account.ID, gate.Rules)
		return err
	})
}

func (l *Ledger) refused(ctx context.Context, e Entry, r *account.Refusal) (Entrance, error) {
	r.Connection = e.Login.Connection
	j := e.Judgement
	j.Login, j.Refusal = &e.Login, r
	if r.Code == codeUsed {
		j.Login = nil // its first copy remembers the message; what the second says about groups is no news
	}
	id, err := l.RecordRefusal(ctx, e.By, e.Login.Connection, e.Flow, j)
	if err != nil {
		l.opt.Log.ErrorContext(ctx, "a refused sign-in could not be recorded", "connection", e.Login.Connection, "code", r.Code, "error", err)
	}
	return Entrance{Diagnosis: id}, r
}

const codeUsed = "already_used"

// A signIn is everything that can be made before the transaction begins, so that it is short.
type signIn struct {
	Entry
	l          *Ledger
	now        time.Time
	token      account.Secret
	session    table.Session
	diagnosis  account.Diagnosis
	groupsText string
	cold       bool     // rules or settings were not in memory
	fresh      bool     // the connection names the person for the first time
	unseen     []string // group values that were not noted lately, sorted so that two sign-ins lock them in one order
}

func (l *Ledger) newSignIn(e Entry) (*signIn, error) {
	s := &signIn{Entry: e, l: l, now: l.now(), token: account.NewSecret(l.random(32))}
	s.By.Connection = e.Login.Connection
	switch {
	case e.Login.Connection == "" || e.Login.Subject == "" || strings.HasPrefix(e.Login.Subject, table.Retired) || len(e.Login.Subject) > 255 && e.Login.NameID == nil:
		return nil, account.Errorf(account.Invalid, "A login names its connection and a subject.")
	case e.Login.Replay == "" && !e.Taken:
		return nil, account.Errorf(account.Invalid, "A login says what makes its message count once.")
	case e.Flow.Test, e.Flow.ID != "" && e.Flow.Connection != e.Login.Connection:
		return nil, account.Errorf(account.Invalid, "The flow is a test, or that of another connection.")
	}
	s.session = table.Session{NameID: e.Login.NameID, Digest: digest(s.token.Reveal()), Session: account.Session{
		ID: account.NewID[account.SessionID](s.now, l.opt.Random), Connection: e.Login.Connection, Subject: e.Login.Subject,
		CreatedAt: s.now, SeenAt: s.now, ProviderSession: e.Login.ProviderSession}, TokenID: e.Login.TokenID}
	if !e.Login.IDToken.IsZero() {
		var err error
		if s.session.Sealed, err = l.opt.Keyring.seal(e.Login.IDToken, string(e.Login.Connection), string(s.session.ID), "id_token"); err != nil {
			return nil, err
		}
	}
	text, err := json.Marshal(e.Login.Groups.Values)
	if err != nil {
		return nil, err
	}
	if s.groupsText = string(text); len(e.Login.Groups.Values) == 0 {
		s.groupsText = "[]"
	}
	for _, v := range e.Login.Groups.Values {
		if at, ok := l.groupsSeen.Get(groupKey{e.Login.Connection, v}); !ok || s.now.Sub(at) >= seenAgain {
			s.unseen = append(s.unseen, v)
		}
	}
	s.unseen = sorted(s.unseen)
	s.diagnosis = s.compactDiagnosis()
	return s, nil
}

// compactDiagnosis is what is kept of a sign-in that went well: what was odd about it, and not what it carried.
func (s *signIn) compactDiagnosis() account.Diagnosis {
	j := s.Judgement
	j.Checks = slices.DeleteFunc(slices.Clone(j.Checks), func(c account.Check) bool { return c.Verdict == account.Pass })
	j.Claims, j.Raw, j.Refusal = nil, "", nil
	d := diagnose(account.NewID[account.DiagnosisID](s.now, s.l.opt.Random), s.Login.Connection, account.Live, j, &s.Login)
	d.At, d.Groups.Values = s.now, nil
	return d
}

func sorted(values []string) []string { return slices.Compact(slices.Sorted(slices.Values(values))) }

// refuse makes a refusal with one hint for every kind of provider.
func refuse(step account.Step, code, expected, received, fix string, args ...any) *account.Refusal {
	return account.Refuse(account.Check{Step: step, Code: code, Verdict: account.Fail, Expected: expected, Received: received,
		Fix: map[account.IdPKind]string{account.KindGeneric: fmt.Sprintf(fix, args...)}})
}

// enter is the transaction.
func (s *signIn) enter(tx *table.Tx) (Entrance, error) {
	if err := tx.ShareHouse(s.Login.Connection); err != nil {
		return Entrance{}, err
	}
	gate, settings, err := s.passGate(tx)
	if err != nil {
		return Entrance{}, err
	}
	if err := s.useUp(tx, gate.Account.ID); err != nil {
		return Entrance{}, err
	}
	person, created, err := s.person(tx, gate, settings)
	if err != nil {
		return Entrance{}, err
	}
	out := Entrance{User: person.User, Created: created}
	if err := s.roles(tx, gate, person, created, &out); err != nil {
		return Entrance{}, err
	}
	if err := s.openSession(tx, gate, settings, &out); err != nil {
		return Entrance{}, err
	}
	if !person.Reauth.IsZero() {
		if err := tx.Reauthenticated(gate.Account.ID, person.ID); err != nil {
			return Entrance{}, err
		}
	}
	s.fresh = person.Subject == ""
	// Places were counted before this sign-in may have added one.
	if person.Places > 1 || person.Places > 0 && person.Tenancy == "" {
		places, err := openPlaces(tx, person.User, gate.Account.ID, gate.Account.ID)
		if err != nil {
			return Entrance{}, err
		}
		out.Several = len(places) > 1
	}
	return out, nil
}

// useUp makes flow and message count once. Both are writes that a second copy waits for, so that of eight copies at once
// one goes on (SAML-R4).
func (s *signIn) useUp(tx *table.Tx, a account.AccountID) error {
	used := refuse(account.StepRequest, codeUsed, "a response that was not used before", "a second copy", "Start the sign-in again; do not reload the page that it ended on.")
	if s.Flow.ID != "" && !s.Taken {
		if taken, err := tx.TakeFlow(s.Flow.Connection, s.Flow.ID, s.now); err != nil || !taken {
			return errors.Join(err, refusalIf(!taken, used))
		}
	}
	if s.Login.Replay == "" {
		return nil
	}
	until := s.Login.ReplayUntil
	if latest := s.now.Add(s.l.opt.FlowAge); until.Before(latest) {
		until = latest
	}
	first, err := tx.UseMessage(a, s.Login.Connection, s.Login.Replay, until)
	return errors.Join(err, refusalIf(err == nil && !first, used))
}

func refusalIf(is bool, r *account.Refusal) error {
	if is {
		return r
	}
	return nil
}

// passGate asks what concerns the connection and the domain of the address.
func (s *signIn) passGate(tx *table.Tx) (table.Gate, *account.Settings, error) {
	gate, found, err := tx.Gate(s.Login.Connection, account.EmailDomain(s.Login.Email))
	switch {
	case err != nil:
		return gate, nil, err
	case !found || !gate.Enabled:
		return gate, nil, refuse(account.StepRequest, "connection_disabled", "a connection that is enabled", "one that is switched off", "An owner can enable the connection.")
	case gate.LiveRevision == 0:
		return gate, nil, refuse(account.StepRequest, "not_live", "a connection with a live version", "one that has a draft only", "Pass the login test and promote the draft.")
	}
	s.cold = !s.l.remembers(s.Login.Connection, gate)
	settings, err := s.l.liveSettings(tx, s.Login.Connection, gate.LiveRevision)
	if err != nil {
		return gate, nil, err
	}
	if s.Flow.ID == "" && (settings.SAML == nil || !settings.SAML.AllowIdPInitiated) {
		return gate, nil, refuse(account.StepRequest, "unsolicited", "an answer to a sign-in that was started here", "a response nobody asked for",
			"Start at the sign-in page, or allow sign-ins that start at the provider.")
	}
	if n, limit := len(s.Login.Groups.Values), s.l.Catalogue().Limits.GroupValues; limit > 0 && n > limit {
		return gate, nil, refuse(account.StepGroups, "too_many_groups", fmt.Sprintf("at most %d group values", limit), fmt.Sprintf("%d", n),
			"Have the provider send only the groups that are assigned to this application.")
	}
	return gate, settings, nil
}

func (l *Ledger) remembers(c account.ConnectionID, g table.Gate) bool {
	return l.settings.Contains(settingsKey{c, g.LiveRevision}) && l.rules.Contains(rulesKey{g.Account.ID, g.Rules})
}

// liveSettings are the live settings at a revision, without secrets. Callers do not change them.
func (l *Ledger) liveSettings(tx *table.Tx, c account.ConnectionID, revision int) (*account.Settings, error) {
	key := settingsKey{c, revision}
	if s, ok := l.settings.Get(key); ok {
		return s, nil
	}
	s, err := tx.LiveSettings(c)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return nil, noConnection()
	}
	if tx.Committed() { // as in activeRules
		l.settings.Add(key, s)
	}
	return s, nil
}

// mayName asks whether the account has a say over an address (promise 4).
func (s *signIn) mayName(tx *table.Tx, gate table.Gate, email string) error {
	domain := account.EmailDomain(email)
	if email != s.Login.Email { // the gate was read for the address in the message
		other, _, err := tx.Gate(s.Login.Connection, domain)
		if err != nil {
			return err
		}
		gate = other
	}
	if (account.Domain{State: gate.Domain}).Counts() {
		return nil
	}
	return refuse(account.StepDomains, "domain_not_verified", "an address in a domain that is proved for this account", domain,
		"Prove the domain %s under Domains, or have the provider send the person's address in a domain that is proved.", domain)
}

// person finds or makes the person. The subject decides; an address only introduces somebody whom the connection does not know yet.
func (s *signIn) person(tx *table.Tx, gate table.Gate, settings *account.Settings) (p table.Known, created bool, err error) {
	a, c := gate.Account.ID, s.Login.Connection
	p, found, err := tx.KnownBySubject(a, c, s.Login.Subject)
	if err == nil && !found {
		p, found, err = tx.KnownByPush(a, c, s.Login.Subject)
	}
	if err != nil {
		return p, false, err
	}
	email := s.Login.Email
	if email == "" && found {
		email = p.Email
	}
	if email == "" {
		return p, false, refuse(account.StepIdentity, "email_missing", "the person's e-mail address", "none", "Have the provider send it as a claim or attribute, and map it.")
	}
	if err := s.mayName(tx, gate, email); err != nil {
		return p, false, err
	}
	if s.Login.EmailVerified == account.VerifiedNo && !(settings.OIDC != nil && settings.OIDC.SkipEmailVerified) {
		return p, false, refuse(account.StepIdentity, "email_unverified", "an address that the provider has verified", email, "Verify the person's address in the provider.")
	}
	if found {
		if err := belongsElsewhere(tx, a, p); err != nil {
			return p, false, err
		}
	} else if p, found, err = s.introduce(tx, a, settings); err != nil {
		return p, false, err
	}
	if !found {
		p = table.Known{User: account.User{ID: account.NewID[account.UserID](s.now, s.l.opt.Random), Email: email, Name: s.Login.Name, State: account.UserActive, CreatedAt: s.now}}
		return p, true, tx.InsertUser(p.User)
	}
	switch {
	case p.User.State != account.UserActive:
		return p, false, userDisabled()
	case p.Tenancy == account.TenancySuspended:
		return p, false, tenancySuspended()
	case !p.Reauth.IsZero() && !s.provedSince(p.Reauth):
		return p, false, reauthRequired()
	}
	return p, false, s.follow(tx, gate, &p)
}

// placesBeside counts the places that a person has or had in other accounts than the one they are looked at from.
func placesBeside(p table.Known) int {
	if p.Tenancy != "" {
		return p.Places - 1
	}
	return p.Places
}

// belongsElsewhere refuses somebody whom a subject of account a leads to and who is another account's person by now: it holds the domain
// of their address, and they have a place outside of a. What a domain once let in does not outlive the domain (promise 4).
func belongsElsewhere(tx *table.Tx, a account.AccountID, p table.Known) error {
	if placesBeside(p) == 0 {
		return nil
	}
	domain := account.EmailDomain(p.Email)
	holder, held, err := tx.HeldDomain(domain)
	if err != nil || !held || holder.Account == a {
		return err
	}
	return refuse(account.StepDomains, "domain_not_verified", "a person whose address no other account has a say over", domain,
		"The person is known here by an address in %s, which another account has proved meanwhile. The operator can tell whose person it is.", domain)
}

func userDisabled() *account.Refusal {
	return refuse(account.StepIdentity, "user_disabled", "a person who is active", "one who is disabled", "An owner or user admin can enable the person.")
}

func tenancySuspended() *account.Refusal {
	return refuse(account.StepIdentity, "tenancy_suspended", "a person whose place in the account is active", "one whose place is suspended", "An owner can end the suspension.")
}

// CodeReauth is the code of the refusal of somebody who has to prove anew to their provider who they are. The door sends them there for it.
const CodeReauth = "reauthentication_required"

func reauthRequired() *account.Refusal {
	return refuse(account.StepIdentity, CodeReauth, "a person who has just proved to the provider who they are", "one who did so earlier",
		"The provider has reported that the person's credentials changed or may be in other hands. They have to sign out there, and in again.")
}

// provedSince reports whether the provider has asked for the person's credentials since an instant: it says so, or was asked to.
func (s *signIn) provedSince(t time.Time) bool {
	if s.Login.AuthenticatedAt.IsZero() {
		return s.Flow.Forced
	}
	return !s.Login.AuthenticatedAt.Before(t.Add(-sessionSkew))
}

func subjectChanged() *account.Refusal {
	return refuse(account.StepIdentity, "subject_changed", "the subject that this address came with before", "another subject",
		"If it is the same person with a new entry in the provider, allow relinking by e-mail for a while; the provider has to say that the address is verified.")
}

// introduce looks for somebody who has the address already: added by hand, or known through another connection. Somebody
// whom this very connection knows by another subject is refused, since the address may have been given to a new person (OIDC-N3).
func (s *signIn) introduce(tx *table.Tx, a account.AccountID, settings *account.Settings) (table.Known, bool, error) {
	p, found, err := tx.KnownByEmail(a, s.Login.Connection, s.Login.Email)
	if err != nil || !found || p.Subject == "" {
		return p, found, err
	}
	if p.Subject == s.Login.Subject { // their first sign-in twice at once, and the other one was committed between our two looks
		return p, true, belongsElsewhere(tx, a, p)
	}
	if !settings.RelinkByEmail || s.Login.EmailVerified != account.VerifiedYes {
		return p, false, subjectChanged()
	}
	if err := tx.DropIdentity(a, s.Login.Connection, p.Subject); err != nil {
		return p, false, err
	}
	if _, err := tx.EndSessionsOf(s.Login.Connection, p.Subject, ""); err != nil {
		return p, false, err
	}
	tx.Shut(table.OfUser(p.ID))
	p.Subject, p.Groups, p.State = "", "[]", ""
	return p, true, s.l.audit(tx, s.By, a, "user.relinked", note{Target: string(p.ID), Detail: map[string]any{"email": s.Login.Email}}, s.now)
}

// follow takes over a new address or name of somebody who is known (OIDC-N2). An address that somebody else has stays. So does all of
// somebody who has a place elsewhere and an address that this account has no say over; who is only here takes a new address along when
// the company gives up the domain of the old one.
func (s *signIn) follow(tx *table.Tx, gate table.Gate, p *table.Known) error {
	email, name := p.Email, p.Name
	if placesBeside(*p) > 0 {
		var refusal *account.Refusal
		if err := s.mayName(tx, gate, p.Email); errors.As(err, &refusal) {
			return nil
		} else if err != nil {
			return err
		}
	}
	if s.Login.Name != "" {
		name = s.Login.Name
	}
	if s.Login.Email != "" && s.Login.Email != email {
		_, taken, err := tx.UserByEmail(s.Login.Email)
		if err != nil {
			return err
		}
		if !taken {
			email = s.Login.Email
		}
	}
	if email == p.Email && name == p.Name {
		return nil
	}
	if email != p.Email { // the accounts that a session may go to hang on its domain
		tx.Shut(table.OfUser(p.ID))
		if err := s.l.audit(tx, s.By, gate.Account.ID, "user.email_changed", note{Target: string(p.ID), Detail: map[string]any{"from": p.Email, "to": email}}, s.now); err != nil {
			return err
		}
	}
	p.Email, p.Name = email, name
	return tx.SetUser(p.ID, email, name)
}

func isOwner(held []account.Held, org account.OrgID) bool {
	return account.HasRole(held, account.Scope{Org: org}, account.Owner) || account.HasRole(held, account.Scope{}, account.Owner)
}

// roles settles and remembers the groups, and applies what they earn.
func (s *signIn) roles(tx *table.Tx, gate table.Gate, p table.Known, created bool, out *Entrance) error {
	a, c := gate.Account.ID, s.Login.Connection
	groups := rules.Settle(s.Login.Groups, !gate.GroupsSeen.IsZero())
	if err := s.remember(tx, gate, p, groups); err != nil {
		return err
	}
	var held []account.Held
	var err error
	if !created {
		if held, err = tx.Held(a, p.ID); err != nil {
			return err
		}
	}
	set, err := s.l.activeRules(tx, a, gate.Rules)
	if err != nil {
		return err
	}
	if gate.Pushed != "" {
		pushed, found, err := tx.PushedGroups(a, c, p.ID)
		if err != nil {
			return err
		}
		if found {
			groups = rules.Merge(groups, pushed, gate.Pushed)
		}
	}
	out.Decision = set.index.Evaluate(c, groups)
	out.Change = rules.Diff(held, gate.Org.ID, isOwner(held, gate.Org.ID), out.Decision, c, s.now)
	if err := tx.ApplyChange(a, p.ID, out.Change); err != nil {
		return err
	}
	tx.Gain(table.OfUser(p.ID)) // whoever has another session sees there what this one brought
	if len(out.Change.Revoke) > 0 {
		tx.Shut(table.OfUser(p.ID))
	}
	after := out.Change.After(held)
	if role, _ := accountRole(after); role == "" {
		bare := rules.Sourced{Role: account.Member, Source: account.Source{Kind: account.SourceSignIn, Connection: c, By: s.By.String(), At: s.now}}
		if _, err := tx.AddSource(a, p.ID, bare); err != nil {
			return err
		}
	}
	out.joined = p.Tenancy == ""
	if out.joined {
		if _, err := tx.PutTenancy(a, p.ID, s.now); err != nil {
			return err
		}
		if err := s.l.announce(tx, gate.House, s.By, s.now, account.Announcement{What: account.WordAdded, User: p.ID, Email: p.Email}); err != nil {
			return err
		}
	}
	if err := s.l.announceMove(tx, gate.House, s.By, s.now, p.ID, held, out.Change); err != nil {
		return err
	}
	out.NoRoles = !slices.ContainsFunc(after, func(h account.Held) bool { return h.Scope.Org != "" })
	return nil
}

// remember notes the login, and the groups if anything was said about them. What was known before an unknown set is kept,
// since a dry run had better go by old groups than by none.
func (s *signIn) remember(tx *table.Tx, gate table.Gate, p table.Known, groups account.GroupSet) error {
	a, c := gate.Account.ID, s.Login.Connection
	text := s.groupsText
	if len(groups.Values) == 0 {
		text = "[]"
	}
	id := table.Identity{Account: a, Connection: c, Subject: s.Login.Subject, User: p.ID, At: s.now, Groups: groups, GroupsText: text}
	known := groups.State != account.GroupsUnknown
	var err error
	switch {
	case p.Subject == "":
		if err = tx.PutIdentity(id); err == nil {
			err = s.introduced(tx, a, p.ID)
		}
	case p.State == groups.State && p.Groups == text, !known && p.State != "":
		err = tx.TouchIdentity(id)
	default:
		err = tx.TouchIdentityGroups(id)
	}
	if err != nil {
		return err
	}
	if known && gate.GroupsSeen.IsZero() {
		if err := tx.SawGroups(a, c, s.now); err != nil {
			return err
		}
	}
	return tx.SawIdPGroups(a, c, s.unseen, s.now, seenAgain)
}

// openSession makes the session, the audit line and the diagnosis.
func (s *signIn) openSession(tx *table.Tx, gate table.Gate, settings *account.Settings, out *Entrance) error {
	until := s.now.Add(s.l.opt.Sessions.Absolute)
	for _, limit := range []time.Time{s.Login.SessionUntil, maxSession(s.now, settings.MaxSession)} {
		if !limit.IsZero() && limit.Before(until) {
			until = limit
		}
	}
	if !until.After(s.now) {
		return refuse(account.StepTimes, "session_over", "a session that lasts beyond now", s.Login.SessionUntil.Format(time.RFC3339),
			"Set the provider's clock, or have it allow longer sessions.")
	}
	row := s.session
	row.User, row.Account, row.ExpiresAt, row.IdleUntil = out.User.ID, gate.Account.ID, until, s.now.Add(s.l.opt.Sessions.Idle)
	if row.IdleUntil.After(until) {
		row.IdleUntil = until
	}
	if err := tx.InsertSession(row); err != nil {
		return err
	}
	out.Session = row.Session
	started := account.Announcement{What: account.WordSessionStarted, User: out.User.ID, Email: out.User.Email, Session: row.ID, Connection: s.Login.Connection}
	if err := s.l.announce(tx, gate.House, s.By, s.now, started); err != nil {
		return err
	}
	detail := map[string]any{"session": row.ID, "revision": gate.LiveRevision, "groups": s.Login.Groups.State}
	if s.isOdd(out) {
		d := s.diagnosis
		d.Account = gate.Account.ID
		if err := tx.InsertDiagnosis(d, ""); err != nil {
			return err
		}
		out.Diagnosis, detail["diagnosis"] = d.ID, d.ID
	}
	if out.Created {
		detail["created"] = true
	}
	if out.joined && len(out.Change.Grant) > 0 { // B-02: what made the access
		detail["way"] = account.WayRule
	}
	if out.Change.Skipped != "" {
		detail["skipped"] = out.Change.Skipped
	}
	if !out.Change.Empty() {
		detail["granted"], detail["revoked"] = roleLines(out.Change.Grant), roleLines(out.Change.Revoke)
	}
	return s.l.audit(tx, s.By, gate.Account.ID, "user.signed_in", note{Target: string(out.User.ID), Detail: detail}, s.now)
}

// isOdd reports whether somebody may ask about this sign-in, though it went well. The audit line tells enough of all others.
func (s *signIn) isOdd(out *Entrance) bool {
	return out.NoRoles || out.Change.Skipped != rules.NotSkipped || s.Login.Groups.State != account.GroupsComplete || len(s.diagnosis.Checks) > 0
}

func maxSession(now time.Time, d time.Duration) time.Time {
	if d <= 0 {
		return time.Time{}
	}
	return now.Add(d)
}

// roleLines names the first changed roles for the audit log.
func roleLines(changed []rules.Sourced) []string {
	const most = 50
	lines := []string{}
	for i, c := range changed {
		if i == most {
			return append(lines, fmt.Sprintf("and %d more", len(changed)-most))
		}
		where := "account"
		if c.Scope.Org != "" {
			where = "org"
		}
		if c.Scope.Team != "" {
			where = string(c.Scope.Team)
		}
		lines = append(lines, fmt.Sprintf("%s in %s by %s", c.Role, where, c.Source.Rule))
	}
	return lines
}

// LastGroups are the groups that a subject came with last, for providers that leave them out now and then; found is false when
// none were ever seen.
func (l *Ledger) LastGroups(ctx context.Context, c account.ConnectionID, subject string) (g account.GroupSet, at time.Time, found bool, err error) {
	err = l.db.Read(ctx, func(tx *table.Tx) (err error) {
		g, at, found, err = tx.LastGroups(c, subject)
		return err
	})
	return g, at, found, err
}
