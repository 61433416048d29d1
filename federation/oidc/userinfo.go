package oidc

import (
	"context"
	"fmt"
	"mime"
	"net/http"
	"slices"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/egress"
	"github.com/drawbridge-id/drawbridge/strict"
)

// askUserinfo fills j.info when the connection wants it (OC §5.3). A provider that does not answer costs the
// claims and not the sign-in; one that answers about somebody else costs the sign-in (OIDC-U2).
func (j *judge) askUserinfo(ctx context.Context, access string) error {
	if !j.wantsUserinfo() || j.p.UserinfoEndpoint == "" || access == "" {
		return nil
	}
	info, err := j.fetchUserinfo(ctx, access)
	if err != nil {
		j.infoLost = true
		j.warn(check(account.StepIdentity, "userinfo", "The userinfo endpoint answers", j.p.UserinfoEndpoint, err.Message, fixes(or(err.Help, "Send the claims in the ID token, or look at the provider's log."))))
		return nil
	}
	if sub, isText := info["sub"].(string); !isText || sub != text(j.claims, "sub") { // OC §5.3.4, and §5.3.2 before it
		return j.fail(check(account.StepIdentity, "userinfo_subject", "Userinfo is about the same person", text(j.claims, "sub"), clip(fmt.Sprint(info["sub"]), 100), fixes("Start again from the sign-in page; if it stays, the provider's userinfo endpoint is wrong.")))
	}
	j.info = info
	j.view.userinfo(info)
	j.listClaims(info, "userinfo")
	j.pass(account.StepIdentity, "userinfo", "Userinfo", fmt.Sprintf("%d claims", len(info)))
	return nil
}

// wantsUserinfo is whether a claim that we look for is missing from the ID token.
func (j *judge) wantsUserinfo() bool {
	if j.o.Userinfo == "always" || j.o.Userinfo == "never" {
		return j.o.Userinfo == "always"
	}
	missing := func(names []string) bool {
		v, _, _ := j.find(names)
		return v == nil
	}
	if missing(j.emailNames()) || j.name() == "" || len(j.s.Mapping.Subject) > 0 && missing(j.s.Mapping.Subject) {
		return true
	}
	names := j.groupNames()
	// Entra's userinfo never holds groups, and a marker says that they are not to be had in any claim.
	return len(names) > 0 && j.s.Kind != account.KindEntra && !j.overage(names) &&
		!slices.ContainsFunc(names, func(n string) bool { _, ok := lookup(j.claims, n); return ok })
}

// fetchUserinfo asks once (OC §5.3.1) and takes JSON or a JWT.
func (j *judge) fetchUserinfo(ctx context.Context, access string) (object, *account.Error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, j.p.UserinfoEndpoint, nil)
	if err != nil {
		return nil, asError(err)
	}
	req.Header.Set("Authorization", "Bearer "+access) // RFC 6750 §2.1
	req.Header.Set("Accept", "application/json, application/jwt")
	resp, err := j.rp.client.Do(req)
	if err != nil {
		return nil, egress.Explain(j.p.UserinfoEndpoint, err)
	}
	body, err := egress.Read(resp, maxUserinfo)
	if err != nil {
		return nil, egress.Explain(j.p.UserinfoEndpoint, err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, account.Errorf(account.Unavailable, "Userinfo answers with status %d.", resp.StatusCode).Coded("userinfo_status")
	}
	if t, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); t == "application/jwt" {
		return j.signedUserinfo(ctx, string(body))
	}
	info, err := readObject(body)
	if err != nil {
		return nil, account.Errorf(account.Invalid, "Userinfo answers with something that is no JSON object.").Coded("userinfo_document").Because(err)
	}
	return info, nil
}

// signedUserinfo verifies an answer that is a JWT as strictly as an ID token (OC §5.3.2): our algorithms, the
// provider's keys, iss and aud.
func (j *judge) signedUserinfo(ctx context.Context, raw string) (object, *account.Error) {
	refuse := func(why string, err error) (object, *account.Error) {
		return nil, account.Errorf(account.Invalid, "Userinfo answers with a JWT that does not hold: %s.", why).Coded("userinfo_jwt").Because(err)
	}
	header, err := tokenHeader(raw)
	if err != nil {
		return refuse("it is not a signed one", err)
	}
	allowed := allowedAlgorithms(j.o, &provider{}) // announced for ID tokens says nothing about userinfo
	if _, crit := header["crit"]; crit || !slices.Contains(allowed, text(header, "alg")) {
		return refuse("its algorithm is not accepted", nil)
	}
	pin := j.rp.pin(j.p, allowed, 0)
	if _, err := pin.VerifySignature(ctx, raw); err != nil {
		return refuse("its signature does not verify", err)
	}
	info, err := readObject(pin.payload)
	if err != nil {
		return refuse("its claims cannot be read", err)
	}
	aud, _ := strict.Texts(info["aud"])
	_, events := info["events"]
	if text(info, "iss") != j.o.Issuer || !slices.Contains(aud, j.o.ClientID) || events {
		return refuse("it is from somebody else or for somebody else", nil)
	}
	if exp, has := info["exp"]; has {
		if t, ok := strict.NumericDate(exp); !ok || !t.After(j.now) {
			return refuse("it has expired", nil)
		}
	}
	return info, nil
}
