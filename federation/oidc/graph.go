package oidc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/egress"
)

// Bounds of reading a directory during a sign-in: a person waits for it.
const (
	directoryTime  = 20 * time.Second
	directoryPages = 200
	directoryMax   = 50_000 // groups of one person
	directoryWait  = 5 * time.Second
	// graphCap is where Graph's getMember… actions end; at it the paged list is read instead.
	graphCap     = 2046
	graphTooMany = "Directory_ResultSizeLimitExceeded"
)

// directoryPass is an access token of ours for a directory, kept while it is good.
type directoryPass struct {
	token account.Secret
	until time.Time
}

// groupsByGraph reads all groups from Microsoft Graph, with the connection's own credentials at an address that
// the connection's settings say (OIDC-G2). What happens when that fails is a setting.
func (j *judge) groupsByGraph(ctx context.Context) (account.GroupSet, error) {
	const why = "Entra left the groups out because there are too many."
	if j.o.Graph == nil {
		return j.noGroups(why+" The connection has no access to Graph.", false), nil
	}
	oid := text(j.claims, "oid")
	if oid == "" {
		return j.graphFailed(account.Errorf(account.Invalid, "The token has no oid claim to ask for."))
	}
	ctx, cancel := context.WithTimeout(ctx, directoryTime)
	defer cancel()
	ids, err := j.readGraph(ctx, oid)
	if err != nil {
		return j.graphFailed(asError(err))
	}
	read := readGroups(ids, "", "")
	set := account.GroupSet{State: account.GroupsComplete, Values: read.values, Source: "graph"}
	j.pass(account.StepGroups, "overage", "Too many groups for the token", fmt.Sprintf("%d read from Graph", len(set.Values)))
	j.reportGroups(set)
	return set, nil
}

// graphFailed follows GraphSettings.OnFailure. Neither choice that lets the person in takes a role away.
func (j *judge) graphFailed(e *account.Error) (account.GroupSet, error) {
	c := check(account.StepGroups, "graph", "Groups are read from Graph", "the complete list", e.Message,
		fixes(or(e.Help, "Look at the provider's log. To do without, send only the groups that this application needs."),
			account.KindEntra, or(e.Help, "API permissions > Microsoft Graph > Application permissions > GroupMember.Read.All, then Grant admin consent.")))
	if j.o.Graph.OnFailure == "refuse" {
		return account.GroupSet{}, j.because(e, c)
	}
	j.warn(c)
	set := account.GroupSet{State: account.GroupsUnknown, Why: "Entra left the groups out and Graph did not give them: " + e.Message}
	if j.o.Graph.OnFailure == "last" {
		set.Source, set.Why = "last", set.Why+" The groups last known stay in force."
	}
	j.reportGroups(set)
	return set, nil
}

func (j *judge) graphBase() string {
	if j.o.Graph.BaseURL != "" {
		return strings.TrimSuffix(j.o.Graph.BaseURL, "/")
	}
	u, err := url.Parse(j.o.Issuer)
	if err == nil { // sovereign clouds, by the issuer
		switch strings.ToLower(u.Hostname()) {
		case "login.microsoftonline.us":
			return "https://graph.microsoft.us/v1.0"
		case "login.partner.microsoftonline.cn":
			return "https://microsoftgraph.chinacloudapi.cn/v1.0"
		}
	}
	return "https://graph.microsoft.com/v1.0"
}

// readGraph lists the ids of all groups that a person is in, directly or not. The action answers everything at
// once up to its cap; beyond it, and where it is not to be had, the paged list is read to the end.
func (j *judge) readGraph(ctx context.Context, oid string) ([]any, error) {
	base := j.graphBase()
	person := base + "/users/" + url.PathEscape(oid)
	ids, err := j.graphPages(ctx, base, http.MethodPost, person+"/getMemberObjects", `{"securityEnabledOnly":false}`)
	if err == nil && len(ids) < graphCap {
		return ids, nil
	}
	var status *statusError
	if err != nil && !(errors.As(err, &status) && (status.word == graphTooMany || slices.Contains([]int{400, 404, 405, 501}, status.code))) {
		return nil, err
	}
	return j.graphPages(ctx, base, http.MethodGet, person+"/transitiveMemberOf?$select=id&$top=999", "")
}

// graphPages reads a list to its end. A next page is followed only below the base that we chose: the
// directory's answer must not send our token elsewhere.
func (j *judge) graphPages(ctx context.Context, base, method, target, body string) ([]any, error) {
	var ids []any
	for page := 0; target != ""; page++ {
		if page == directoryPages || len(ids) > directoryMax {
			return nil, account.Errorf(account.Invalid, "Graph lists more groups than can be read during a sign-in.")
		}
		answer, err := j.graphCall(ctx, method, target, body)
		if err != nil {
			return nil, err
		}
		values, isList := answer["value"].([]any)
		if !isList {
			return nil, account.Errorf(account.Invalid, "Graph answers without a list of groups.")
		}
		ids = append(ids, groupIDs(values)...)
		target = text(answer, "@odata.nextLink")
		method, body = http.MethodGet, ""
		if target != "" && !below(base, target) {
			return nil, account.Errorf(account.Invalid, "Graph's next page is at %q, outside of %s.", clip(target, 200), clip(base, 200))
		}
	}
	return ids, nil
}

// groupIDs takes ids out of a page: texts, or objects of which those that are no groups (roles,
// administrative units) are left out.
func groupIDs(values []any) (ids []any) {
	for _, v := range values {
		o, isObject := v.(object)
		if !isObject {
			ids = append(ids, v)
			continue
		}
		if kind := text(o, "@odata.type"); kind == "" || kind == "#microsoft.graph.group" {
			ids = append(ids, o["id"])
		}
	}
	return ids
}

// below is whether target lies under base: same scheme and host, path within.
func below(base, target string) bool {
	b, err1 := url.Parse(base)
	t, err2 := url.Parse(target)
	return err1 == nil && err2 == nil && t.User == nil && b.Scheme == t.Scheme && strings.EqualFold(b.Host, t.Host) &&
		strings.HasPrefix(t.Path, b.Path+"/") && !strings.Contains(t.Path, "/../") && !strings.HasSuffix(t.Path, "/..")
}

// graphCall asks with our app's token, and once more with a new one when the kept token is refused: consent may
// have been granted since it was made, and a token carries its permissions.
func (j *judge) graphCall(ctx context.Context, method, target, body string) (object, error) {
	token, kept, err := j.graphToken(ctx, false)
	if err != nil {
		return nil, err
	}
	answer, _, err := j.rp.directory(ctx, method, target, "Bearer "+token.Reveal(), body)
	var status *statusError
	denied := func() bool {
		return errors.As(err, &status) && status.word != graphTooMany && (status.code == http.StatusUnauthorized || status.code == http.StatusForbidden)
	}
	if kept && denied() {
		if token, _, err = j.graphToken(ctx, true); err != nil {
			return nil, err
		}
		answer, _, err = j.rp.directory(ctx, method, target, "Bearer "+token.Reveal(), body)
	}
	if denied() {
		return nil, account.Errorf(account.Forbidden, "Graph refuses to list groups (status %d): the application lacks the permission or its consent.", status.code).
			Fix("API permissions > Microsoft Graph > Application permissions: add GroupMember.Read.All and User.ReadBasic.All, then Grant admin consent.").Because(err)
	}
	if err != nil {
		return nil, err
	}
	o, isObject := answer.(object)
	if !isObject {
		return nil, account.Errorf(account.Invalid, "Graph answers with something that is no JSON object.")
	}
	return o, nil
}

// graphToken gets an access token for ourselves (RFC 6749 §4.4) or takes the kept one.
func (j *judge) graphToken(ctx context.Context, fresh bool) (token account.Secret, kept bool, err error) {
	base, _ := url.Parse(j.graphBase())
	scope := base.Scheme + "://" + base.Host + "/.default"
	conf := oauth2.Config{ClientID: j.o.ClientID}
	conf.Endpoint.TokenURL = j.o.Graph.TokenURL
	if conf.Endpoint.TokenURL == "" {
		// The version 1 endpoint knows no scopes.
		conf.Endpoint.TokenURL = strings.Replace(j.p.TokenEndpoint, "/oauth2/token", "/oauth2/v2.0/token", 1)
	}
	name := strings.Join([]string{conf.Endpoint.TokenURL, j.o.ClientID, scope, string(j.c.ID)}, "\x00")
	if pass, ok := j.rp.apps.Get(name); ok && !fresh && j.now.Before(pass.until) {
		return pass.token, true, nil
	}
	params, err := authenticate(&conf, j.rp.method(j.p, j.o, j.cb.Key), j.o, j.cb.Key, j.p, j.now)
	if err != nil {
		return account.Secret{}, false, err
	}
	cc := clientcredentials.Config{ClientID: conf.ClientID, ClientSecret: conf.ClientSecret, TokenURL: conf.Endpoint.TokenURL, Scopes: []string{scope},
		EndpointParams: params, AuthStyle: conf.Endpoint.AuthStyle}
	t, err := cc.Token(context.WithValue(ctx, oauth2.HTTPClient, j.rp.tokenClient()))
	if err != nil {
		return account.Secret{}, false, tokenRefused(conf.Endpoint.TokenURL, err, j.o.ClientSecret.Reveal())
	}
	seconds, _ := strconv.ParseFloat(fmt.Sprint(t.Extra("expires_in")), 64) // a number, or a text with one
	life := time.Duration(min(max(seconds, 0), 3600)) * time.Second
	pass := directoryPass{token: account.NewSecret(t.AccessToken), until: j.now.Add(life - time.Minute)}
	j.rp.apps.Add(name, pass)
	return pass.token, false, nil
}

// tokenRefused says why there is no token for Graph without keeping the answer's body.
func tokenRefused(target string, err error, secrets ...string) error {
	var re *oauth2.RetrieveError
	if !errors.As(err, &re) {
		return egress.Explain(target, err)
	}
	return account.Errorf(account.Unavailable, "The provider gives no token for Graph: %s.",
		strings.TrimSuffix(clip(hide(re.ErrorCode, secrets), 60)+": "+clip(hide(re.ErrorDescription, secrets), 200), ": "))
}

// statusError is a directory's answer that is not 200, with the word that names the error.
type statusError struct {
	code int
	word string
}

func newStatusError(code int, body []byte) *statusError {
	e := &statusError{code: code}
	if o, err := readObject(body); err == nil {
		inner, _ := o["error"].(object)
		e.word = clip(text(inner, "code"), 60)
	}
	return e
}

func (e *statusError) Error() string { return fmt.Sprintf("status %d", e.code) }

// directory makes one call to a directory's API and reads its JSON. When told to wait (429, 503 with
// Retry-After) it does, at most twice and for seconds only.
func (rp *RP) directory(ctx context.Context, method, target, authorization, body string) (any, http.Header, error) {
	for attempt := 0; ; attempt++ {
		req, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(body))
		if err != nil {
			return nil, nil, account.Errorf(account.Invalid, "%q is no URL that can be asked.", clip(target, 200)).Because(err)
		}
		req.Header.Set("Authorization", authorization)
		req.Header.Set("Accept", "application/json")
		if body != "" {
			req.Header.Set("Content-Type", "application/json")
		}
		resp, err := rp.client.Do(req)
		if err != nil {
			return nil, nil, egress.Explain(target, err)
		}
		wait, asked := retryAfter(resp)
		if asked && attempt < 2 && wait <= directoryWait {
			_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 4096))
			_ = resp.Body.Close()
			if err := rp.pause(ctx, wait); err != nil {
				return nil, nil, egress.Explain(target, err)
			}
			continue
		}
		data, err := egress.Read(resp, maxToken)
		switch {
		case resp.StatusCode == http.StatusTooManyRequests:
			return nil, nil, account.Errorf(account.TooMany, "The directory asks us to come back later (status 429).").Because(newStatusError(resp.StatusCode, data))
		case resp.StatusCode != http.StatusOK:
			return nil, nil, account.Errorf(account.Unavailable, "The directory answers with status %d.", resp.StatusCode).Because(newStatusError(resp.StatusCode, data))
		case err != nil:
			return nil, nil, egress.Explain(target, err)
		}
		answer, err := readAny(data)
		if err != nil {
			return nil, nil, account.Errorf(account.Invalid, "The directory answers with something that is no JSON.").Because(err)
		}
		return answer, resp.Header, nil
	}
}

// retryAfter reads how long a busy server wants us to wait (RFC 9110 §10.2.3, seconds only).
func retryAfter(resp *http.Response) (time.Duration, bool) {
	if resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode != http.StatusServiceUnavailable {
		return 0, false
	}
	n, err := strconv.Atoi(resp.Header.Get("Retry-After"))
	if err != nil || n < 0 {
		return 0, false
	}
	return time.Duration(n) * time.Second, true
}

// readAny reads one JSON value with the bounds of readObject.
func readAny(data []byte) (any, error) {
	data = bytes.TrimSpace(data)
	if !json.Valid(data) {
		return nil, errors.New("not JSON")
	}
	o, err := readObject(append(append([]byte(`{"v":`), data...), '}'))
	if err != nil {
		return nil, err
	}
	return o["v"], nil
}
