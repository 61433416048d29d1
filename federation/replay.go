package federation

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/federation/saml"
)

// maxSaved bounds a saved response, in bytes.
const maxSaved = 4 << 20

// Replay judges a saved response again, with today's settings and rules: a SAML response (XML, base64, or
// the form as a browser sent it) or an exported diagnosis (JSON). Nothing is stored and nothing created.
//
// A SAML response is judged as of the moment it was issued and as the answer to whatever it says it answers,
// since both have passed; a check says so. From a diagnosis the facts are taken as they were found, because
// it holds no signature any more; domain, rules and relying services are evaluated anew.
func (d *Door) Replay(ctx context.Context, by account.Actor, id account.ConnectionID, which account.Which, saved []byte) (account.Diagnosis, error) {
	c, err := d.administered(ctx, by, id)
	if err != nil {
		return account.Diagnosis{}, err
	}
	s := c.Version(which)
	if s == nil {
		return account.Diagnosis{}, account.Errorf(account.NotFound, "The connection %q has no %s settings.", c.Name, which)
	}
	if len(saved) > maxSaved {
		return account.Diagnosis{}, account.Errorf(account.TooLarge, "A saved response has at most 4 MiB.")
	}
	var j account.Judgement
	if text := bytes.TrimSpace(saved); bytes.HasPrefix(text, []byte("{")) {
		j, err = recalled(c, text)
	} else {
		j, err = d.judgeSaved(ctx, c, *s, text)
	}
	if err != nil {
		return account.Diagnosis{}, err
	}
	out, err := d.evaluate(ctx, c, which, j)
	out.AskedBy = by.String()
	return out, err
}

// recalled makes a judgement of an exported diagnosis.
func recalled(c account.Connection, text []byte) (account.Judgement, error) {
	var old account.Diagnosis
	if err := json.Unmarshal(text, &old); err != nil {
		return account.Judgement{}, account.Errorf(account.Invalid, "The file is no exported diagnosis.").Because(err)
	}
	j := account.Judgement{Claims: old.Claims, Raw: old.Raw, Skew: old.Skew}
	for _, k := range old.Checks {
		if slices.Contains([]account.Step{account.StepDomains, account.StepRules, account.StepRelying}, k.Step) {
			continue // these are evaluated anew
		}
		j.Checks = append(j.Checks, k)
		if k.Verdict == account.Fail && j.Refusal == nil {
			j.Refusal = account.Refuse(k)
		}
	}
	if j.Refusal == nil && old.Subject == "" {
		return j, account.Errorf(account.Invalid, "The diagnosis names no subject, so there is nothing to evaluate.").
			Fix("Export one of a login test that read a response.")
	}
	if j.Refusal == nil {
		j.Login = &account.Login{Connection: c.ID, Subject: old.Subject, Email: old.Email, Name: old.Name, Groups: old.Groups}
	}
	return j, nil
}

// judgeSaved judges a saved SAML response at its own time.
func (d *Door) judgeSaved(ctx context.Context, c account.Connection, s account.Settings, text []byte) (account.Judgement, error) {
	if s.SAML == nil {
		return account.Judgement{}, account.Errorf(account.Invalid, "A saved SAML response needs a SAML connection.").
			Fix("For OpenID Connect replay an exported diagnosis; a code can be used only once.")
	}
	keys, err := d.ledger.SPKeys(ctx, c.ID)
	if err != nil {
		return account.Judgement{}, err
	}
	u, response := d.URLs(c.ID), savedResponse(text)
	answers, err := saml.Peek(response)
	if err != nil {
		answers = "" // malformed: Judge says how
	}
	sp := saml.SP{EntityID: u.EntityID, ACS: u.ACS, SLO: u.SLO, Keys: keys}
	judge := func(at time.Time) account.Judgement {
		return saml.Judge(sp, c, s, response, saml.Expect{Now: at, RequestID: answers, Kind: s.Kind})
	}
	// The first look measures how far the message lies from now; the second is made at that time.
	now := d.now()
	issued := now.Add(judge(now).Skew)
	j := judge(issued)
	j.Checks = append([]account.Check{{
		Step: account.StepRequest, Code: "replayed", Title: "Judged as of the time it was issued", Verdict: account.Pass,
		Received: issued.UTC().Format(time.RFC3339),
	}}, j.Checks...)
	return j, nil
}

// savedResponse brings a saved response into the form in which the POST binding carries it.
func savedResponse(text []byte) string {
	if bytes.HasPrefix(text, []byte("<")) || bytes.HasPrefix(text, []byte("\xef\xbb\xbf<")) {
		return base64.StdEncoding.EncodeToString(text)
	}
	s := string(text)
	if strings.Contains(s, "SAMLResponse=") {
		if form, err := url.ParseQuery(s); err == nil {
			return form.Get("SAMLResponse")
		}
	}
	if strings.Contains(s, "%") {
		if plain, err := url.QueryUnescape(s); err == nil {
			return plain
		}
	}
	return s
}
