package oidc

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/strict"
)

// identify turns verified claims into a Login: userinfo for what is missing, then subject, e-mail, groups.
func (j *judge) identify(ctx context.Context, t tokens) (*account.Login, error) {
	if err := j.checkSub(); err != nil {
		return nil, err
	}
	if err := j.askUserinfo(ctx, t.access); err != nil {
		return nil, err
	}
	login := &account.Login{Connection: j.c.ID, Name: j.name(), IDToken: account.NewSecret(t.id), ReplayUntil: j.expires}
	digest := sha256.Sum256([]byte(t.id))
	login.Replay = "id_token:" + strict.RawURL.EncodeToString(digest[:])
	for _, step := range []func(*account.Login) error{j.subject, j.email} {
		if err := step(login); err != nil {
			return nil, err
		}
	}
	login.AuthenticatedAt, _ = strict.NumericDate(j.claims["auth_time"])
	login.ProviderSession = sessionOf(j.claims)
	if id := text(j.claims, "jti"); len(id) <= 512 {
		login.TokenID = id
	}
	login.Methods, _ = strict.Texts(j.claims["amr"])
	if acr := text(j.claims, "acr"); acr != "" {
		login.Methods = append(login.Methods, acr)
		j.compareACR(acr)
	}
	var err error
	login.Groups, err = j.groups(ctx)
	if err != nil {
		return nil, err
	}
	return login, nil
}

// control is what no identifier or group name holds; PostgreSQL keeps no text with a NUL.
func control(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 }

// compareACR only warns: acr_values is a wish of ours, not a demand (OC §3.1.2.1).
func (j *judge) compareACR(acr string) {
	if len(j.o.ACRValues) > 0 && !slices.Contains(j.o.ACRValues, acr) {
		j.warn(check(account.StepIdentity, "acr", "The person authenticated as asked", strings.Join(j.o.ACRValues, " or "), clip(acr, 100), fixes("Demand the method in your provider's sign-in policy for this application.")))
	}
}

// sessionOf is sid (OB §2.1). AD FS uses the name for the person's Windows security
// identifier, which is no session.
func sessionOf(claims object) string {
	sid := text(claims, "sid")
	if strings.HasPrefix(sid, "S-1-") || len(sid) > 255 || strings.ContainsFunc(sid, control) {
		return ""
	}
	return sid
}

func (j *judge) checkSub() error {
	sub, isText := j.claims["sub"].(string)
	if isText && sub != "" && utf8.RuneCountInString(sub) <= 255 { // OC §2
		return nil
	}
	return j.fail(check(account.StepIdentity, "subject", "The token says who it is about", "sub, a text of 1 to 255 characters", clip(fmt.Sprint(j.claims["sub"]), 80), fixes("The provider has to send sub.")))
}

// find looks a value up: each name in order, in the ID token first, then in userinfo. null counts as absent.
func (j *judge) find(names []string) (v any, name, source string) {
	for _, n := range names {
		if v, ok := lookup(j.claims, n); ok && v != nil {
			return v, n, "id_token"
		}
		if v, ok := lookup(j.info, n); ok && v != nil {
			return v, n, "userinfo"
		}
	}
	return nil, "", ""
}

// The built-in mapping, where a connection has none of its own: the standard claims (OC §5.1).
func (j *judge) emailNames() []string {
	if len(j.s.Mapping.Email) > 0 {
		return j.s.Mapping.Email
	}
	switch j.s.Kind {
	case account.KindEntra: // email is optional there; the UPN is in a domain that the tenant has proved
		return []string{"email", "preferred_username", "upn"}
	case account.KindADFS:
		return []string{"email", "upn"}
	}
	return []string{"email"}
}

func (j *judge) groupNames() []string {
	if len(j.s.Mapping.Groups) > 0 {
		return j.s.Mapping.Groups
	}
	switch j.s.Kind {
	case account.KindGoogle: // sends none
		return nil
	case account.KindADFS:
		return []string{"groups", "group"}
	case account.KindPing:
		return []string{"groups", "p1.memberOfGroupNames"}
	}
	return []string{"groups"}
}

func (j *judge) name() string {
	names := j.s.Mapping.Name
	if len(names) == 0 {
		names = []string{"name"}
	}
	if v, _, _ := j.find(names); v != nil {
		if s, isText := v.(string); isText {
			return clip(s, 200)
		}
	}
	given, _, _ := j.find([]string{"given_name"})
	family, _, _ := j.find([]string{"family_name"})
	first, _ := given.(string)
	last, _ := family.(string)
	return clip(strings.TrimSpace(first+" "+last), 200)
}

// subject composes the stable key of a person (OC §5.7, §8; docs/decisions/subjects.md): sub, for Entra tid/oid, or what the
// mapping names.
func (j *judge) subject(login *account.Login) error {
	subject, err := subjectOf(j.s, j.o, j.claims, func(names []string) any { v, _, _ := j.find(names); return v })
	if err != nil {
		return j.because(err, check(account.StepIdentity, "subject", "The person has a stable subject", strings.Join(j.s.Mapping.Subject, " or "), err.Error(),
			fixes("Map the subject to a claim that the provider sends for everybody and never changes.",
				account.KindEntra, "The token needs oid: ask for the scope profile.")))
	}
	login.Subject = subject
	j.pass(account.StepIdentity, "subject", "Subject", clip(subject, 120))
	return nil
}

func subjectOf(s account.Settings, o account.OIDCSettings, claims object, find func([]string) any) (string, error) {
	subject := text(claims, "sub")
	switch {
	case len(s.Mapping.Subject) > 0:
		switch v := find(s.Mapping.Subject).(type) {
		case string:
			subject = v
		case json.Number:
			subject = v.String()
		default:
			return "", fmt.Errorf("no text or number at %s", strings.Join(s.Mapping.Subject, ", "))
		}
	case s.Kind == account.KindEntra:
		// Lower case, as Entra writes them: SAML, SCIM and OpenID Connect have to spell one person one way.
		oid := strings.ToLower(text(claims, "oid"))
		if oid == "" || strings.Contains(oid, "/") {
			return "", fmt.Errorf("no oid claim")
		}
		subject = strings.ToLower(o.EntraTenant) + "/" + oid
	}
	if subject == "" || utf8.RuneCountInString(subject) > 255 {
		return "", fmt.Errorf("a subject of %d characters", utf8.RuneCountInString(subject))
	}
	if strings.ContainsFunc(subject, control) {
		return "", errors.New("a subject with control characters")
	}
	return subject, nil
}

// email reads the address and what the provider says about it (OIDC-N3).
func (j *judge) email(login *account.Login) error {
	names := j.emailNames()
	address, name, source := "", "", ""
	for _, n := range names {
		v, _, from := j.find([]string{n})
		if v == nil {
			continue
		}
		raw, isText := v.(string)
		normal, err := account.NormalEmail(strings.TrimSpace(raw))
		if isText && err == nil {
			address, name, source = normal, n, from
			break
		}
		if n != "upn" && n != "preferred_username" { // user names need not be addresses
			return j.fail(check(account.StepIdentity, "email_form", "The e-mail address is one address", "one text such as ana@acme.example", clip(fmt.Sprint(v), 100), fixes("Send one address, as a text, in the claim "+n+".")))
		}
	}
	if address == "" {
		j.warn(check(account.StepIdentity, "email_missing", "The provider sends an e-mail address", strings.Join(names, " or "), "none",
			fixes("Ask for the scope email and send the claim email, or map the e-mail to another claim.",
				account.KindEntra, "Token configuration > Add optional claim > ID > email.",
				account.KindOkta, "Check that the scope email is granted and the person's profile has an e-mail.")))
		return nil
	}
	login.Email = address
	login.EmailVerified = j.verified(name, address)
	if login.EmailVerified == account.VerifiedNo && !j.o.SkipEmailVerified {
		return j.fail(check(account.StepIdentity, "email_unverified", "The provider has verified the e-mail address", "email_verified true, or not sent", "email_verified false",
			fixes("Have the person verify the address at the provider. If the provider's word does not matter to you, the connection can skip this check.")))
	}
	j.pass(account.StepIdentity, "email", "E-mail", fmt.Sprintf("%s, from %s in the %s, verified: %s", address, name, strings.ReplaceAll(source, "_", " "), or(string(login.EmailVerified), "not said")))
	return nil
}

// verified reads email_verified as a boolean or a text (OIDC-U1), and Entra's xms_edov in its four forms. A "no"
// from either source wins; a "yes" counts only for the claim that it is about.
func (j *judge) verified(name, address string) account.Verified {
	yes := false
	for _, o := range []object{j.claims, j.info} {
		said, ok := looseBool(o["email_verified"])
		if ok && !said {
			return account.VerifiedNo
		}
		about, err := account.NormalEmail(text(o, "email"))
		if err != nil || about != address || (name != "email" && name != "/email") {
			continue
		}
		yes = yes || ok && said
		if j.s.Kind == account.KindEntra {
			edov, ok := looseBool(o["xms_edov"])
			yes = yes || ok && edov
		}
	}
	if yes {
		return account.VerifiedYes
	}
	return account.VerifiedUnsaid
}

// looseBool reads true, 1, "1", "true" and their opposites, in any letter case.
func looseBool(v any) (value, ok bool) {
	switch v := v.(type) {
	case bool:
		return v, true
	case json.Number:
		return v.String() == "1", v.String() == "1" || v.String() == "0"
	case string:
		switch strings.ToLower(v) {
		case "true", "1":
			return true, true
		case "false", "0":
			return false, true
		}
	}
	return false, false
}
