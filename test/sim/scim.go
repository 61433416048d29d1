package sim

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A Pusher provisions people and groups to a SCIM 2.0 service the way a provider of its dialect does: Okta as its catalogue applications
// do, Entra ID as it does without a flag on the tenant URL, every other dialect by the book. Before it creates somebody it looks whether
// they are there; when it is told to slow down (429) it waits as long as it was told. It needs no Sim and is safe for concurrent use.
type Pusher struct {
	Dialect Dialect
	BaseURL string       // …/v2, as the administrator typed it in
	Token   string       // bearer token
	Client  *http.Client // nil: http.DefaultClient

	mu  sync.Mutex
	ids map[string]string // of the service: "User" or "Group" and a name
}

// A Push is one request and what was answered.
type Push struct {
	Method, Path string // below BaseURL
	Body         []byte
	Status       int
	Answer       []byte
	Took         time.Duration
}

const (
	userSchema       = "urn:ietf:params:scim:schemas:core:2.0:User"
	enterpriseSchema = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	groupSchema      = "urn:ietf:params:scim:schemas:core:2.0:Group"
	entraGroupSchema = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"
	patchSchema      = "urn:ietf:params:scim:api:messages:2.0:PatchOp"

	membersAtOnce = 100 // in one request
	slowedDown    = 5   // how often a 429 is put up with
)

type object = map[string]any

// User creates somebody, or brings them up to date and active when they are there.
func (p *Pusher) User(ctx context.Context, u User) (Push, error) {
	id, err := p.find(ctx, "User", u.Email)
	switch {
	case err != nil:
		return Push{}, err
	case id == "":
		return p.create(ctx, "User", u.Email, p.profile(u))
	case p.Dialect == Entra:
		return p.patch(ctx, "User", id, object{"op": "Replace", "path": "displayName", "value": u.DisplayName}, object{"op": "Replace", "path": "active", "value": "True"})
	}
	body := p.profile(u)
	body["id"] = id
	return p.must(ctx, http.MethodPut, "/Users/"+id, body)
}

// profile is a user as the dialect spells one.
func (p *Pusher) profile(u User) object {
	body := object{"schemas": []string{userSchema}, "userName": or(u.UPN, u.Email), "externalId": u.ID, "displayName": u.DisplayName, "active": true,
		"name":   object{"givenName": u.GivenName, "familyName": u.FamilyName},
		"emails": []object{{"primary": true, "value": u.Email, "type": "work"}}}
	switch p.Dialect {
	case Okta:
		body["locale"], body["groups"], body["password"] = "en-US", []object{}, "1mz050nq"
	case Entra:
		body["schemas"] = []string{userSchema, enterpriseSchema}
		body["name"] = object{"formatted": u.DisplayName, "givenName": u.GivenName, "familyName": u.FamilyName}
		body["meta"], body["roles"] = object{"resourceType": "User"}, []object{}
	}
	return body
}

// SetActive says that somebody has left, or is back.
func (p *Pusher) SetActive(ctx context.Context, email string, active bool) (Push, error) {
	id, err := p.known(ctx, "User", email)
	if err != nil {
		return Push{}, err
	}
	switch p.Dialect {
	case Okta:
		return p.patch(ctx, "User", id, object{"op": "replace", "value": object{"active": active}})
	case Entra:
		return p.patch(ctx, "User", id, object{"op": "Replace", "path": "active", "value": map[bool]string{true: "True", false: "False"}[active]})
	}
	return p.patch(ctx, "User", id, object{"op": "replace", "path": "active", "value": active})
}

// Delete takes somebody away for good. Okta never does.
func (p *Pusher) Delete(ctx context.Context, email string) (Push, error) {
	id, err := p.known(ctx, "User", email)
	if err != nil {
		return Push{}, err
	}
	out, err := p.must(ctx, http.MethodDelete, "/Users/"+id, nil)
	if err == nil {
		p.mu.Lock()
		delete(p.ids, "User "+strings.ToLower(email))
		p.mu.Unlock()
	}
	return out, err
}

// Group creates a group without members, unless it is there.
func (p *Pusher) Group(ctx context.Context, g Group) error {
	if p.Dialect != Okta { // which remembers what it pushed, and matches no group by name
		if id, err := p.find(ctx, "Group", g.Name); err != nil || id != "" {
			return err
		}
	}
	body := object{"schemas": []string{groupSchema}, "displayName": g.Name}
	switch p.Dialect {
	case Okta:
		body["members"] = []object{}
	case Entra:
		body["schemas"], body["externalId"] = []string{groupSchema, entraGroupSchema}, g.ID
		body["meta"] = object{"resourceType": "Group"}
	default:
		body["externalId"] = g.ID
	}
	_, err := p.create(ctx, "Group", g.Name, body)
	return err
}

// Join puts people whom it has pushed into a group that it has pushed.
func (p *Pusher) Join(ctx context.Context, group string, emails ...string) error {
	id, err := p.known(ctx, "Group", group)
	if err != nil {
		return err
	}
	for len(emails) > 0 {
		n := min(len(emails), membersAtOnce)
		members, operations := []object{}, []object{}
		for _, email := range emails[:n] {
			member, err := p.known(ctx, "User", email)
			if err != nil {
				return err
			}
			switch p.Dialect {
			case Okta:
				members = append(members, object{"value": member, "display": email})
			case Entra:
				operations = append(operations, object{"op": "Add", "path": "members", "value": []object{{"$ref": nil, "value": member}}})
			default:
				members = append(members, object{"value": member})
			}
		}
		if len(members) > 0 {
			operations = append(operations, object{"op": "add", "path": "members", "value": members})
		}
		if p.Dialect == Okta { // a rename rides along
			if _, err := p.patch(ctx, "Group", id, object{"op": "replace", "value": object{"id": id, "displayName": group}}); err != nil {
				return err
			}
		}
		if _, err := p.patch(ctx, "Group", id, operations...); err != nil {
			return err
		}
		emails = emails[n:]
	}
	return nil
}

// Leave takes people out of a group.
func (p *Pusher) Leave(ctx context.Context, group string, emails ...string) error {
	id, err := p.known(ctx, "Group", group)
	if err != nil {
		return err
	}
	var operations []object
	for _, email := range emails {
		member, err := p.known(ctx, "User", email)
		if err != nil {
			return err
		}
		if p.Dialect == Entra {
			operations = append(operations, object{"op": "Remove", "path": "members", "value": []object{{"$ref": nil, "value": member}}})
		} else {
			operations = append(operations, object{"op": "remove", "path": fmt.Sprintf(`members[value eq "%s"]`, member)})
		}
	}
	_, err = p.patch(ctx, "Group", id, operations...)
	return err
}

// known is the service's id of something that was pushed; it is looked up when this Pusher did not push it.
func (p *Pusher) known(ctx context.Context, kind, name string) (string, error) {
	if id, ok := p.id(kind, name); ok {
		return id, nil
	}
	id, err := p.find(ctx, kind, name)
	if err == nil && id == "" {
		err = fmt.Errorf("sim: the SCIM service has no %s %q", kind, name)
	}
	return id, err
}

func (p *Pusher) id(kind, name string) (string, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	id, ok := p.ids[kind+" "+strings.ToLower(name)]
	return id, ok
}

func (p *Pusher) remember(kind, name, id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ids == nil {
		p.ids = map[string]string{}
	}
	p.ids[kind+" "+strings.ToLower(name)] = id
}

// find asks by name; "" when there is nobody.
func (p *Pusher) find(ctx context.Context, kind, name string) (string, error) {
	attribute := map[string]string{"User": "userName", "Group": "displayName"}[kind]
	query := "filter=" + strings.ReplaceAll(url.QueryEscape(attribute+` eq "`+name+`"`), "+", "%20")
	switch {
	case p.Dialect == Okta:
		query += "&startIndex=1&count=100"
	case kind == "Group":
		query = "excludedAttributes=members&" + query
	}
	got, err := p.must(ctx, http.MethodGet, "/"+kind+"s?"+query, nil)
	if err != nil {
		return "", err
	}
	var list struct{ Resources []struct{ ID string } }
	if err := json.Unmarshal(got.Answer, &list); err != nil {
		return "", fmt.Errorf("sim: %s %s is answered %q: %w", got.Method, got.Path, got.Answer, err)
	}
	if len(list.Resources) == 0 {
		return "", nil
	}
	p.remember(kind, name, list.Resources[0].ID)
	return list.Resources[0].ID, nil
}

func (p *Pusher) create(ctx context.Context, kind, name string, body object) (Push, error) {
	made, err := p.must(ctx, http.MethodPost, "/"+kind+"s", body)
	if err != nil {
		return made, err
	}
	var resource struct{ ID string }
	if err := json.Unmarshal(made.Answer, &resource); err != nil || resource.ID == "" {
		return made, fmt.Errorf("sim: a %s was created without an id: %q (%v)", kind, made.Answer, err)
	}
	p.remember(kind, name, resource.ID)
	return made, nil
}

func (p *Pusher) patch(ctx context.Context, kind, id string, operations ...object) (Push, error) {
	return p.must(ctx, http.MethodPatch, "/"+kind+"s/"+id, object{"schemas": []string{patchSchema}, "Operations": operations})
}

// must is Send, and takes an answer that is no success for an error.
func (p *Pusher) must(ctx context.Context, method, path string, body object) (Push, error) {
	out, err := p.Send(ctx, method, path, body)
	if err == nil && out.Status >= 300 {
		err = fmt.Errorf("sim: %s %s is answered %d: %s", method, path, out.Status, out.Answer)
	}
	return out, err
}

// Send makes one request; body nil sends none.
func (p *Pusher) Send(ctx context.Context, method, path string, body object) (Push, error) {
	out := Push{Method: method, Path: path}
	if body != nil {
		var err error
		if out.Body, err = json.Marshal(body); err != nil {
			return out, err
		}
	}
	for range slowedDown {
		wait, err := p.once(ctx, &out)
		if err != nil || wait == 0 {
			return out, err
		}
		select {
		case <-ctx.Done():
			return out, ctx.Err()
		case <-time.After(wait):
		}
	}
	return out, fmt.Errorf("sim: %s %s is still answered 429", method, path)
}

// once is one attempt; wait is how long the service asked for, if it did.
func (p *Pusher) once(ctx context.Context, out *Push) (wait time.Duration, err error) {
	r, err := http.NewRequestWithContext(ctx, out.Method, strings.TrimSuffix(p.BaseURL, "/")+out.Path, bytes.NewReader(out.Body))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Authorization", "Bearer "+p.Token)
	r.Header.Set("Accept", "application/scim+json")
	if out.Body != nil {
		r.Header.Set("Content-Type", "application/scim+json; charset=utf-8")
	}
	if p.Dialect == Okta {
		r.Header.Set("User-Agent", "Okta SCIM Client 1.0.0")
		r.Header.Set("Accept-Charset", "utf-8")
	}
	began := time.Now()
	res, err := cmp.Or(p.Client, http.DefaultClient).Do(r)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	out.Answer, err = io.ReadAll(io.LimitReader(res.Body, 16<<20))
	out.Status, out.Took = res.StatusCode, time.Since(began)
	if res.StatusCode != http.StatusTooManyRequests {
		return 0, err
	}
	seconds, bad := strconv.Atoi(res.Header.Get("Retry-After"))
	if bad != nil || seconds < 1 {
		seconds = 1
	}
	return time.Duration(min(seconds, 30)) * time.Second, err
}

// PutSCIM connects the tenant to a SCIM service, so that its page and the control API can say that somebody has left.
func (t *Tenant) PutSCIM(p *Pusher) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.scim = p
}

// Provisions reports whether the tenant is connected to a SCIM service.
func (t *Tenant) Provisions() bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.scim != nil
}

// SetActive tells the tenant's SCIM service that somebody has left, or is back.
func (t *Tenant) SetActive(ctx context.Context, email string, active bool) (Push, error) {
	t.mu.RLock()
	p := t.scim
	t.mu.RUnlock()
	if p == nil {
		return Push{}, fmt.Errorf("sim: tenant %q is connected to no SCIM service", t.name)
	}
	out, err := p.SetActive(ctx, email, active)
	note := fmt.Sprintf("active %t", active)
	if err != nil {
		note = err.Error()
	}
	t.record(Event{What: "scim.patch", Who: email, App: p.BaseURL, Note: note})
	return out, err
}
