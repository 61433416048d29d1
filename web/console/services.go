package console

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/federation/session"
	"github.com/drawbridge-id/drawbridge/web/page"
)

// inOrg serves h when the session works in the org of the path. Who may go there is asked to choose it; to anybody else it does not exist.
func (c *Console) inOrg(w http.ResponseWriter, r *http.Request, h session.Handler) error {
	return c.signedIn(w, r, func(w http.ResponseWriter, r *http.Request, p account.Presence) error {
		name := r.PathValue("org")
		if p.Org.Name == name {
			return h(w, r, p)
		}
		if slices.ContainsFunc(p.Tenancies, func(t account.Place) bool { return t.Org.Name == name }) {
			return see(w, r, "/choose?"+url.Values{"next": {r.URL.RequestURI()}}.Encode())
		}
		return account.Errorf(account.NotFound, "There is no such organization.").Fix("Check its name, and that you belong to it.")
	})
}

// serviceCards are the services that an org has: of each where it opens, and what brought it.
func serviceCards(o account.Org, all []account.Subscription, cat account.Catalogue, now time.Time) (out []page.ServiceCard) {
	for _, id := range o.Services {
		service, _ := cat.Service(id)
		card := page.ServiceCard{ID: id, Label: cmp.Or(service.Label, id), Premium: service.Premium, Launch: service.LaunchURL}
		for _, s := range all {
			if !s.Live(now) || !s.Carries(id) {
				continue
			}
			product, _ := cat.Product(s.Product)
			card.Brought, card.Launch = s.Label, cmp.Or(card.Launch, product.LaunchURL)
		}
		out = append(out, card)
	}
	return out
}
