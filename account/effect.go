package account

import "slices"

// Actions lists what a bundle of roles lets somebody do, by the catalogue: each action once, in its order. Built-in roles add none; a role
// that the catalogue does not know does not either.
func (c Catalogue) Actions(roles ...Role) []string {
	actions := []string{}
	for _, s := range c.Services {
		for _, sr := range s.Roles {
			if !slices.Contains(roles, Role(s.ID+":"+sr.ID)) {
				continue
			}
			for _, a := range sr.Actions {
				if !slices.Contains(actions, a) {
					actions = append(actions, a)
				}
			}
		}
	}
	return actions
}

// A KeyService is a service of an org as somebody who makes a personal key is shown it.
type KeyService struct {
	Service Service
	Allowed bool
	Reason  string // why it is not; empty when it is
}

// KeyServices lists the services that are enabled on an org, in the catalogue's order, and which of them a personal key of somebody who
// holds these roles may include: of a service with a key role, only whoever holds that or the administrator's role of the service, in the
// org or in a team of it (D-14).
func (c Catalogue) KeyServices(org Org, held []Held) []KeyService {
	var out []KeyService
	for _, s := range c.Services {
		if !slices.Contains(org.Services, s.ID) {
			continue
		}
		k := KeyService{Service: s, Allowed: s.KeyRole == "" || s.keyed(org, held)}
		if !k.Allowed {
			k.Reason = "It takes the role " + c.Label(Role(s.ID+":"+s.KeyRole)) + ", which you do not hold. Ask a user admin of the org."
		}
		out = append(out, k)
	}
	return out
}

func (s Service) keyed(org Org, held []Held) bool {
	return slices.ContainsFunc(held, func(h Held) bool {
		return h.Scope.Org == org.ID && h.Role.Service() == s.ID && slices.ContainsFunc(s.Roles, func(sr ServiceRole) bool {
			return h.Role == Role(s.ID+":"+sr.ID) && (sr.ID == s.KeyRole || sr.Admin)
		})
	})
}
