package store

import (
	"context"
	"errors"
	"slices"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/rules"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

const maxRaw = 256 << 10 // bytes of a decoded message that are kept for the administrator

// diagnose makes what is remembered of a judged sign-in. login is what the message said, as far as it was read.
func diagnose(id account.DiagnosisID, c account.ConnectionID, w account.Which, j account.Judgement, login *account.Login) account.Diagnosis {
	d := account.Diagnosis{ID: id, Connection: c, Which: w, Checks: j.Checks, Claims: j.Claims, Raw: clip(j.Raw, maxRaw), Skew: j.Skew,
		Outcome: account.OutcomePassed}
	if w == "" {
		d.Which = account.Live
	}
	if login != nil {
		d.Email, d.Name, d.Subject, d.Groups = login.Email, login.Name, login.Subject, login.Groups
	}
	if r := j.Refusal; r != nil {
		d.Outcome, d.Step, d.Code = account.OutcomeRefused, r.Step, r.Code
		if !slices.ContainsFunc(d.Checks, func(c account.Check) bool { return c.Verdict == account.Fail && c.Code == r.Code }) {
			d.Checks = append(slices.Clip(d.Checks), account.Check{Step: r.Step, Code: r.Code, Title: "Sign-in refused", Verdict: account.Fail,
				Expected: r.Expected, Received: r.Received, Fix: r.Hint})
		}
	}
	return d
}

// RecordRefusal remembers a refused attempt for the administrator (kept limits.diagnosis_age) with its audit line, and
// takes the flow away when it names one that can no longer succeed. The message of a refused login is used up too.
func (l *Ledger) RecordRefusal(ctx context.Context, by account.Actor, c account.ConnectionID, f account.Flow, j account.Judgement) (account.DiagnosisID, error) {
	if j.Refusal == nil {
		return "", account.Errorf(account.Invalid, "Only a refusal is recorded as one.")
	}
	now := l.now()
	j = l.bounded(c, j, now)
	d := diagnose(account.NewID[account.DiagnosisID](now, l.opt.Random), c, f.Which, j, j.Login)
	d.At = now
	err := l.db.Write(ctx, func(tx *table.Tx) error {
		conn, found, err := tx.Outline(c)
		if err != nil {
			return err
		}
		if !found {
			return noConnection()
		}
		d.Account = conn.Account
		if f.ID != "" {
			if _, err := tx.TakeFlow(c, f.ID, now); err != nil {
				return err
			}
		}
		if j.Login != nil && j.Login.Replay != "" {
			if _, err := tx.UseMessage(conn.Account, c, j.Login.Replay, j.Login.ReplayUntil); err != nil {
				return err
			}
		}
		if err := tx.InsertDiagnosis(d, ""); err != nil {
			return err
		}
		by.Connection = c
		line := l.line(by, conn.Account, "user.signed_in", note{Target: string(d.ID), Reason: d.Code, Detail: map[string]any{"step": d.Step, "email": d.Email}}, now)
		line.Outcome = "refused"
		return tx.InsertAudit(line, now)
	})
	return d.ID, err
}

// FinishTest stores the outcome of a login test (nothing else is created, but the group values are remembered as seen) and, when it
// passed for all relying services and the draft has not changed since the test was started, marks the draft as tested. Pass the
// evaluated rules as d.Preview. A test that has its outcome already is NotFound.
func (l *Ledger) FinishTest(ctx context.Context, by account.Actor, f account.Flow, d account.Diagnosis) error {
	if !f.Test || f.Diagnosis == "" {
		return account.Errorf(account.Invalid, "This sign-in is no login test.")
	}
	if d.Outcome != account.OutcomePassed && d.Outcome != account.OutcomeRefused {
		return account.Errorf(account.Invalid, "A finished login test has passed or was refused.")
	}
	now := l.now()
	d.ID, d.Connection, d.Which, d.Test, d.AskedBy, d.At, d.Raw = f.Diagnosis, f.Connection, f.Which, true, f.TestBy, now, clip(d.Raw, maxRaw)
	passed := d.Outcome == account.OutcomePassed && !slices.ContainsFunc(d.Relying, func(r account.RelyingResult) bool { return !r.Pass })
	return l.db.Write(ctx, func(tx *table.Tx) error {
		c, found, err := tx.Outline(f.Connection)
		if err != nil {
			return err
		}
		if !found {
			return noConnection()
		}
		d.Account = c.Account
		edition, found, err := tx.FinishDiagnosis(d)
		if err != nil {
			return err
		}
		if !found {
			return account.Errorf(account.NotFound, "This login test is not known, or has been finished.").Coded("no_test").Fix("Start it again.")
		}
		if _, err := tx.TakeFlow(f.Connection, f.ID, now); err != nil {
			return err
		}
		marked := false
		if passed && f.Which == account.Draft {
			if marked, err = tx.MarkPassed(c.Account, f.Connection, edition, d.ID); err != nil {
				return err
			}
		}
		if passed && f.Which == account.Live && d.Groups.State != account.GroupsUnknown && d.Groups.State != "" {
			if err := tx.SawGroups(c.Account, f.Connection, now); err != nil {
				return err
			}
		}
		if err := tx.SawIdPGroups(c.Account, f.Connection, sorted(d.Groups.Values), now, seenAgain); err != nil {
			return err
		}
		by.Connection = f.Connection
		return l.audit(tx, by, c.Account, "connection.tested", note{Target: string(f.Connection), Reason: d.Code,
			Detail: map[string]any{"diagnosis": d.ID, "version": d.Which, "passed": passed, "marked": marked}}, now)
	})
}

// Diagnosis reads one; only for owners and user admins of its account and the operator.
func (l *Ledger) Diagnosis(ctx context.Context, by account.Actor, id account.DiagnosisID) (account.Diagnosis, error) {
	unseen := account.Errorf(account.NotFound, "No such diagnosis.").Fix("Check the id; diagnoses are kept for a limited time.")
	var d account.Diagnosis
	err := l.db.Read(ctx, func(tx *table.Tx) error {
		row, found, err := tx.Diagnosis(id)
		if err == nil && !found {
			err = unseen
		}
		d = row
		return err
	})
	if err == nil {
		err = hide(l.look(ctx, by, d.Account, userAdmins, func(*hand) error { return nil }), unseen)
	}
	if err != nil {
		return account.Diagnosis{}, err
	}
	return d, nil
}

// Diagnoses lists the newest of a connection, at most n (up to 1,000). Owners, user admins and the operator may.
func (l *Ledger) Diagnoses(ctx context.Context, by account.Actor, c account.ConnectionID, n int) (out []account.Diagnosis, err error) {
	a, err := l.accountOfConnection(ctx, c)
	if err != nil {
		return nil, err
	}
	err = l.look(ctx, by, a, userAdmins, func(h *hand) error { out, err = h.Diagnoses(a, c, min(max(n, 1), 1000)); return err })
	return out, hide(err, noConnection())
}

// Preview evaluates a login against active and draft rules without changing anything: the rest of a login test. The connection itself
// may, and the owners and user admins of its account, and the operator. Somebody who is known and would be turned away gives the
// *account.Refusal of SignIn.
func (l *Ledger) Preview(ctx context.Context, by account.Actor, login account.Login) (account.Preview, error) {
	a, err := l.accountOfConnection(ctx, login.Connection)
	if err != nil {
		return account.Preview{}, err
	}
	if by.Kind == account.ActorConnection && by.Connection == login.Connection {
		by = account.Actor{Kind: account.ActorSystem, Job: "login-test"}
	}
	var p account.Preview
	err = l.look(ctx, by, a, userAdmins, func(h *hand) (err error) {
		p, err = preview(h, login)
		return err
	})
	return p, hide(err, noConnection())
}

func preview(h *hand, login account.Login) (account.Preview, error) {
	gate, found, err := h.Gate(login.Connection, "")
	if err != nil || !found {
		return account.Preview{}, errors.Join(err, noneIf(!found))
	}
	known, found, err := h.KnownBySubject(h.Account.ID, login.Connection, login.Subject)
	if err == nil && !found && login.Email != "" {
		known, found, err = h.KnownByEmail(h.Account.ID, login.Connection, login.Email)
	}
	if err != nil {
		return account.Preview{}, err
	}
	if found {
		if err := turnedAway(h, known, login); err != nil {
			return account.Preview{}, err
		}
	}
	p := account.Preview{Existing: found && known.Tenancy != ""}
	if p.Existing {
		if p.Before, err = h.Held(h.Account.ID, known.ID); err != nil {
			return p, err
		}
	}
	all, err := h.Tx.Rules(h.Account.ID)
	if err != nil {
		return p, err
	}
	groups := rules.Settle(login.Groups, !gate.GroupsSeen.IsZero())
	active, drafts := rules.CompileActive(all), rules.CompileDraft(all)
	decision := active.Evaluate(login.Connection, groups)
	change := rules.Diff(p.Before, h.Org.ID, isOwner(p.Before, h.Org.ID), decision, login.Connection, h.now)
	p.AccountRole, p.Roles, p.Skipped = decision.AccountRole, change.After(p.Before), string(change.Skipped)
	p.WithDrafts = rules.Swap(rules.PersonView{Owner: isOwner(p.Before, h.Org.ID), Held: p.Before,
		Seen: []rules.Seen{{Connection: login.Connection, Groups: groups, At: h.now}}}, h.Org.ID, drafts, h.now).After(p.Before)
	p.Rules = ruleResults(all, h.Org.ID, append(drafts.Explain(login.Connection, groups), active.Explain(login.Connection, groups)...))
	return p, nil
}

// turnedAway is why a sign-in would refuse somebody who is known, whatever the rules say: the refusals of (*signIn).person.
func turnedAway(h *hand, p table.Known, login account.Login) error {
	switch {
	case p.User.State != account.UserActive:
		return userDisabled()
	case p.Tenancy == account.TenancySuspended:
		return tenancySuspended()
	case p.Subject == "" || login.Subject == "": // somebody asks about an address, not about a message
		return nil
	case p.Subject == login.Subject:
		return belongsElsewhere(h.Tx, h.Account.ID, p)
	}
	c, _, err := h.Tx.Connection(login.Connection)
	if err != nil {
		return err
	}
	for _, s := range []*account.Settings{c.Live, c.Draft} {
		if s != nil && s.RelinkByEmail && login.EmailVerified == account.VerifiedYes {
			return nil
		}
	}
	return subjectChanged()
}

func noneIf(missing bool) error {
	if missing {
		return noConnection()
	}
	return nil
}

// ruleResults keeps the first explanation of each rule: that of its draft, and for one that goes away that of its active version.
func ruleResults(all []rules.Rule, org account.OrgID, explained []rules.Explanation) []account.RuleResult {
	results := []account.RuleResult{}
	for _, r := range all {
		i := slices.IndexFunc(explained, func(e rules.Explanation) bool { return e.Rule == r.ID })
		if i < 0 {
			continue // reads another connection
		}
		e := explained[i]
		res := account.RuleResult{Rule: r.ID, Name: e.Name, State: string(r.State()), Matched: e.Matched, Group: e.Group, Reason: e.Why}
		for _, g := range e.Grants {
			held := account.Held{Scope: g.Scope(org), Role: g.Role, Sources: []account.Source{{Kind: account.SourceRule, Rule: g.Rule, Group: g.Group}}}
			if !account.HasRole(res.Gives, held.Scope, held.Role) {
				res.Gives = append(res.Gives, held)
			}
		}
		results = append(results, res)
	}
	return results
}
