package federation

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/federation/session"
)

// An Identity is the answer of GET /session: who is signed in, where, and what they hold for which
// reasons (H-07: the same subject for every relying service). Times are RFC 3339 UTC.
type Identity struct {
	User       IdentityUser       `json:"user"`
	Account    IdentityAccount    `json:"account,omitzero"` // absent: they work in none
	Org        IdentityOrg        `json:"org,omitzero"`
	Roles      []IdentityRole     `json:"roles"`
	Connection IdentityConnection `json:"connection,omitzero"` // absent: see method
	Method     account.Method     `json:"method,omitempty"`
	LoginTime  time.Time          `json:"login_time"`
	Expires    time.Time          `json:"expires"`
	Groups     IdentityGroups     `json:"groups"`

	// External users work in the org through its external groups alone: they have no place in the account, and no more than Roles.
	External       bool            `json:"external,omitempty"`
	ExternalGroups []IdentityGroup `json:"external_groups,omitempty"`
}

// An IdentityGroup is an external user group of the org.
type IdentityGroup struct {
	ID   account.GroupID `json:"id"`
	Name string          `json:"name"`
}

// IdentityUser is the person.
type IdentityUser struct {
	ID    account.UserID `json:"id"`
	Email string         `json:"email"`
	Name  string         `json:"name"`
}

// IdentityAccount is the account that the person works in.
type IdentityAccount struct {
	ID     account.AccountID `json:"id"`
	Number string            `json:"number"`
	Name   string            `json:"name"`
}

// IdentityOrg is the account's org.
type IdentityOrg struct {
	ID    account.OrgID   `json:"id"`
	Name  string          `json:"name"`
	Title string          `json:"title"`
	Type  account.OrgType `json:"type"`
}

// IdentityConnection is the connection that signed the person in.
type IdentityConnection struct {
	ID   account.ConnectionID `json:"id"`
	Name string               `json:"name"`
}

// An IdentityRole is one role held, with its reasons. A scope without an org is the account itself, one
// without a team the whole org; team is the team's name.
type IdentityRole struct {
	Scope   IdentityScope    `json:"scope"`
	Role    account.Role     `json:"role"`
	Label   string           `json:"label"`
	Sources []IdentitySource `json:"sources"`
}

// IdentityScope is where a role holds, by names.
type IdentityScope struct {
	Org  string `json:"org,omitempty"`
	Team string `json:"team,omitempty"`
}

// An IdentitySource is one reason for a role: by rule with the group that earned it, by hand, …
type IdentitySource struct {
	Kind       account.SourceKind   `json:"kind"`
	Rule       account.RuleID       `json:"rule,omitempty"`
	RuleName   string               `json:"rule_name,omitempty"`
	Group      string               `json:"group,omitempty"`
	Connection account.ConnectionID `json:"connection,omitempty"`
	By         string               `json:"by,omitempty"`
	At         time.Time            `json:"at"`
}

// IdentityGroups are the groups that the connection last said.
type IdentityGroups struct {
	State  account.GroupState `json:"state"`
	Values []string           `json:"values"`
	Why    string             `json:"why,omitempty"`
}

// Session answers who is signed in, as JSON: GET /session. 401 without a session.
func (d *Door) Session(w http.ResponseWriter, r *http.Request) error {
	noStore(w)
	p, err := session.FromRequest(d.ledger, r)
	if account.KindOf(err) == account.Unauthorized {
		return writeJSON(w, http.StatusUnauthorized, map[string]string{"error": "unauthorized", "detail": "Nobody is signed in. Sign in at " + d.public + "/signin."})
	}
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, identity(p, d.ledger.Catalogue()))
}

func identity(p account.Presence, cat account.Catalogue) Identity {
	return Identity{
		User:       IdentityUser{p.User.ID, p.User.Email, p.User.Name},
		Account:    IdentityAccount{p.Account.ID, p.Account.Number, p.Account.Name},
		Org:        IdentityOrg{p.Org.ID, p.Org.Name, p.Org.Title, p.Org.Type},
		Connection: IdentityConnection{p.Connection.ID, p.Connection.Name}, Method: p.Session.Method,
		LoginTime: p.Session.CreatedAt.UTC(), Expires: p.Session.ExpiresAt.UTC(),
		Groups: IdentityGroups{p.Groups.State, orEmpty(p.Groups.Values), p.Groups.Why},
		Roles:  identityRoles(p, cat),

		External: p.External, ExternalGroups: externalGroups(p),
	}
}

func externalGroups(p account.Presence) []IdentityGroup {
	out := []IdentityGroup{}
	for _, g := range p.ExternalGroups {
		out = append(out, IdentityGroup{g.ID, g.Name})
	}
	return out
}

func identityRoles(p account.Presence, cat account.Catalogue) []IdentityRole {
	out := []IdentityRole{}
	for _, h := range p.Roles {
		role := IdentityRole{Role: h.Role, Label: cat.Label(h.Role), Sources: []IdentitySource{}}
		if h.Scope.Org != "" {
			role.Scope.Org = p.Org.Name
		}
		if h.Scope.Team != "" {
			role.Scope.Team = p.Teams[h.Scope.Team].Name
		}
		for _, s := range h.Sources {
			role.Sources = append(role.Sources, IdentitySource{
				Kind: s.Kind, Rule: s.Rule, RuleName: p.Rules[s.Rule], Group: s.Group, Connection: s.Connection, By: s.By, At: s.At.UTC(),
			})
		}
		out = append(out, role)
	}
	return out
}

func orEmpty(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

// writeJSON answers with one document. What it is given always encodes.
func writeJSON(w http.ResponseWriter, status int, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // the client went away: nobody is left to be told
	return nil
}
