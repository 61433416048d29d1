package federation

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
)

// evaluate says what a judged response would lead to, and changes nothing: the domain, the rules with the
// roles that would result, and each relying service. It is the one thinking behind the login test, its
// replay and the command line.
func (d *Door) evaluate(ctx context.Context, c account.Connection, which account.Which, j account.Judgement) (account.Diagnosis, error) {
	out := account.Diagnosis{
		Account: c.Account, Connection: c.ID, Which: which, Test: true, At: d.now(),
		Checks: slices.Clone(j.Checks), Claims: j.Claims, Raw: j.Raw, Skew: j.Skew,
	}
	if j.Login == nil {
		if j.Refusal != nil && !slices.ContainsFunc(out.Checks, func(k account.Check) bool { return k.Verdict == account.Fail }) {
			out.Checks = append(out.Checks, checkOf(j.Refusal)) // a refusal always shows as a failed check
		}
		return conclude(out), nil
	}
	login := *j.Login
	out.Email, out.Subject, out.Name, out.Groups = login.Email, login.Subject, login.Name, login.Groups
	domain, err := d.checkDomain(ctx, c, login.Email)
	if err != nil {
		return out, err
	}
	out.Checks = append(out.Checks, domain)
	preview, err := d.ledger.Preview(ctx, system("login-test"), login)
	if refused, ok := refusalIn(err); ok { // the person could not come in whatever the rules say
		out.Checks = append(out.Checks, checkOf(refused))
	} else if err != nil {
		return out, err
	} else {
		out.Preview = &preview
		out.Checks = append(out.Checks, checkRules(preview))
	}
	var relying []account.Check
	out.Relying, relying = judgeRelying(d.ledger.Catalogue(), login)
	out.Checks = append(out.Checks, relying...)
	return conclude(out), nil
}

func checkOf(r *account.Refusal) account.Check {
	return account.Check{Step: r.Step, Code: r.Code, Title: "The sign-in is accepted", Verdict: account.Fail, Expected: r.Expected, Received: r.Received, Fix: r.Hint}
}

// conclude sets the outcome by the first check that failed.
func conclude(d account.Diagnosis) account.Diagnosis {
	d.Outcome, d.Step, d.Code = account.OutcomePassed, "", ""
	for _, k := range d.Checks {
		if k.Verdict == account.Fail {
			d.Outcome, d.Step, d.Code = account.OutcomeRefused, k.Step, k.Code
			break
		}
	}
	return d
}

// checkDomain asks whether the connection may speak for an address: its whole domain is proved for the
// connection's account (SAML-T2, OIDC-X2).
func (d *Door) checkDomain(ctx context.Context, c account.Connection, email string) (account.Check, error) {
	check := account.Check{Step: account.StepDomains, Code: "domain", Title: "The address is in a verified domain", Verdict: account.Pass, Received: account.EmailDomain(email)}
	domains, err := d.ledger.Domains(ctx, system("login-test"), c.Account)
	if err != nil {
		return check, err
	}
	var names []string
	for _, dom := range domains {
		if dom.Counts() {
			names = append(names, dom.Name)
		}
	}
	check.Expected = "one of " + strings.Join(names, ", ")
	if len(names) == 0 {
		check.Expected = "a verified domain; none is verified yet"
	}
	if email == "" || !slices.Contains(names, account.EmailDomain(email)) {
		check.Code, check.Verdict = "domain_foreign", account.Fail
		if check.Received == "" {
			check.Received = "no address"
		}
		check.Fix = map[account.IdPKind]string{
			account.KindGeneric: "Send the person's address in a verified domain, or claim and prove its domain for this account.",
			account.KindOkta:    "Map the attribute email to user.email; guests of other domains cannot come in here.",
			account.KindEntra:   "Map the claim email to user.mail: the user principal name of a guest is in another domain.",
		}
	}
	return check, nil
}

// checkRules says whether the groups earn anything. Earning nothing is no refusal (L-14), but rarely meant.
func checkRules(p account.Preview) account.Check {
	check := account.Check{Step: account.StepRules, Code: "rules", Title: "Rules match", Verdict: account.Pass, Expected: "at least one rule that matches"}
	matched := 0
	for _, r := range p.Rules {
		if r.Matched {
			matched++
		}
	}
	check.Received = fmt.Sprintf("%d of %d rules match", matched, len(p.Rules))
	switch {
	case p.Skipped != "":
		check.Received = "rules skipped: " + p.Skipped
	case len(p.Rules) == 0:
		check.Code, check.Verdict, check.Received = "no_rules", account.Warn, "no rules yet"
		check.Fix = generic("Write rules for the groups shown below; until then nobody earns a role by signing in.")
	case matched == 0:
		check.Code, check.Verdict = "no_match", account.Warn
		check.Fix = map[account.IdPKind]string{
			account.KindGeneric: "Compare the group values received with those of the rules, letter by letter.",
			account.KindEntra:   "Entra sends object ids unless the group claim says otherwise: use the id in the rule, and give it an alias.",
		}
	}
	return check
}

// judgeRelying holds one login against what each relying service needs (T-20). A test passes when it
// passes for all of them (K-14).
func judgeRelying(cat account.Catalogue, login account.Login) (results []account.RelyingResult, checks []account.Check) {
	has := map[string]bool{
		"email": login.Email != "", "name": strings.TrimSpace(login.Name) != "",
		"groups": login.Groups.State == account.GroupsComplete || login.Groups.State == account.GroupsIncomplete,
	}
	for _, r := range cat.Relying {
		res := account.RelyingResult{ID: r.ID, Label: r.Label}
		for _, need := range r.Requires {
			if !has[need] {
				res.Missing = append(res.Missing, need)
			}
		}
		res.Pass = len(res.Missing) == 0
		results = append(results, res)
		checks = append(checks, relyingCheck(r, res))
	}
	return results, checks
}

func relyingCheck(r account.Relying, res account.RelyingResult) account.Check {
	check := account.Check{
		Step: account.StepRelying, Code: "relying", Title: "Usable for " + r.Label, Verdict: account.Pass,
		Expected: strings.Join(r.Requires, ", "), Received: "all of it",
	}
	if res.Pass {
		return check
	}
	missing := strings.Join(res.Missing, ", ")
	check.Code, check.Verdict, check.Received = "relying_missing", account.Fail, "no "+missing
	check.Fix = generic("Have the provider send " + missing + " for this application.")
	return check
}
