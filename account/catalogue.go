package account

import (
	"slices"
	"strings"
	"time"
)

// A Catalogue is the installation's data: which services exist, which roles they have, how many of
// each thing there may be. It comes from a YAML file with a shipped default.
type Catalogue struct {
	Services []Service `yaml:"services"`
	Relying  []Relying `yaml:"relying_services"`
	Products []Product `yaml:"products"` // what an org can hold a subscription of
	Limits   Limits    `yaml:"limits"`

	Terms []Document `yaml:"terms"` // what people agree to before they are let in (H-10); empty: nothing
}

// A Service is something an org can have enabled and people can hold roles in.
type Service struct {
	ID                string        `yaml:"id"`    // [a-z0-9_]+
	Label             string        `yaml:"label"` // for people
	Roles             []ServiceRole `yaml:"roles"`
	DefaultForMembers bool          `yaml:"default_for_members"` // whoever has a place in the account holds its first role that is not an administrator's
	OnSignUp          bool          `yaml:"on_sign_up"`          // enabled on orgs that people open by themselves (B-03)
	Groups            bool          `yaml:"groups"`              // usable in external user groups
	Premium           bool          `yaml:"premium"`             // enabled on enterprise orgs only
	LaunchURL         string        `yaml:"launch_url"`          // where it opens (G-07); empty: where its product does
	KeyRole           string        `yaml:"key_role"`            // the role that somebody needs before a personal key of theirs may include the service; empty: none (D-14)
}

// A ServiceRole is one role of a service; its Role is "service:id".
type ServiceRole struct {
	ID      string   `yaml:"id"`
	Label   string   `yaml:"label"`
	Help    string   `yaml:"help"`
	Docs    string   `yaml:"docs"`    // URL of the product's own documentation of the role
	Actions []string `yaml:"actions"` // what the role lets somebody do, in the product's words (D-12)
	Admin   bool     `yaml:"admin"`   // the role org owners hold on the enabled service (L-15)
}

// A Relying service is one place where a federated identity is used. A login test is judged for
// each of them (K-14, T-20).
type Relying struct {
	ID       string   `yaml:"id"`
	Label    string   `yaml:"label"`
	Requires []string `yaml:"requires"` // of: email, name, groups
	Origins  []string `yaml:"origins"`  // origins a sign-in may return to, beside our own paths
}

// Limits are the numbers of the house; zero never means unlimited.
type Limits struct {
	OrgsPerAccount   int           `yaml:"orgs_per_account"`
	OwnersPerAccount int           `yaml:"owners_per_account"`
	OwnersPerOrg     int           `yaml:"owners_per_org"`
	UsersIndividual  int           `yaml:"users_of_individual_org"`
	RulesPerAccount  int           `yaml:"rules_per_account"`
	AccountsPerOwner int           `yaml:"accounts_per_owner"`     // that somebody may own and open one more; 0: 10
	KeysPerUser      int           `yaml:"keys_per_user"`          // personal keys of one person in one org (T-12)
	GroupValues      int           `yaml:"group_values_per_login"` // more are refused with a clear message
	RulesLossShare   float64       `yaml:"rules_loss_share"`       // activation that takes roles from a larger share of people needs a confirmation
	Password         PasswordRule  `yaml:"password"`
	DiagnosisAge     time.Duration `yaml:"diagnosis_age"`
	FinaliseTarget   time.Duration `yaml:"federation_finalise_target"`    // how soon the operator finalises what a customer has confirmed (K-17)
	AutoFinalise     bool          `yaml:"auto_finalise"`                 // a confirmed connection goes live at once, when its domains are shown to be the customer's (T-16)
	InviteExpiry     time.Duration `yaml:"account_invite_expiry_default"` // 0: 6 hours
	GroupsPerOrg     int           `yaml:"external_groups_per_org"`
	UsersPerGroup    int           `yaml:"external_users_per_group"` // confirmed ones, and seats that invitations hold
}

// Origins lists where people may be led from here: the origins of all relying services.
func (c Catalogue) Origins() (all []string) {
	for _, r := range c.Relying {
		all = append(all, r.Origins...)
	}
	return all
}

// Service finds a service by id.
func (c Catalogue) Service(id string) (Service, bool) {
	i := slices.IndexFunc(c.Services, func(s Service) bool { return s.ID == id })
	if i < 0 {
		return Service{}, false
	}
	return c.Services[i], true
}

// Product finds a product by id.
func (c Catalogue) Product(id string) (Product, bool) {
	i := slices.IndexFunc(c.Products, func(p Product) bool { return p.ID == id })
	if i < 0 {
		return Product{}, false
	}
	return c.Products[i], true
}

// Role finds the catalogue entry of a "service:role".
func (c Catalogue) Role(r Role) (Service, ServiceRole, bool) {
	service, id, _ := strings.Cut(string(r), ":")
	s, ok := c.Service(service)
	if !ok {
		return Service{}, ServiceRole{}, false
	}
	i := slices.IndexFunc(s.Roles, func(sr ServiceRole) bool { return sr.ID == id })
	if i < 0 {
		return Service{}, ServiceRole{}, false
	}
	return s, s.Roles[i], true
}

// Default is the role of a service that whoever has a place in the account holds, when the org has the service; empty when there is none.
func (s Service) Default() Role {
	if !s.DefaultForMembers {
		return ""
	}
	for _, r := range s.Roles {
		if !r.Admin {
			return Role(s.ID + ":" + r.ID)
		}
	}
	return ""
}

// OnSignUp lists the services that an org has which somebody opens by themselves.
func (c Catalogue) OnSignUp() []string {
	var ids []string
	for _, s := range c.Services {
		if s.OnSignUp {
			ids = append(ids, s.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

// CheckRole says whether role can be held in scope (built in or in the catalogue), naming what exists.
func (c Catalogue) CheckRole(scope Scope, r Role) error {
	switch {
	case scope.Org == "":
		if r.rank() > 0 {
			return nil
		}
		return Errorf(Invalid, "%q is no account role.", r).Fix("Use owner, admin or member.")
	case r == UserAdmin, r == Owner && scope.Team == "":
		return nil
	case r == Owner:
		return Errorf(Invalid, "Owner is a role of the whole org, not of a team.")
	}
	if _, _, ok := c.Role(r); ok {
		return nil
	}
	var known []string
	for _, s := range c.Services {
		for _, sr := range s.Roles {
			known = append(known, s.ID+":"+sr.ID)
		}
	}
	return Errorf(Invalid, "The catalogue has no role %q.", r).Fix("It has: %s.", strings.Join(known, ", "))
}

// Label is what people call a role.
func (c Catalogue) Label(r Role) string {
	switch r {
	case Owner:
		return "Owner"
	case Admin:
		return "Administrator"
	case Member:
		return "Member"
	case UserAdmin:
		return "User admin"
	}
	if s, sr, ok := c.Role(r); ok {
		return s.Label + " " + sr.Label
	}
	return string(r)
}
