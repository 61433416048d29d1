package sim

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// A tenantView is what every page shows of a tenant.
type tenantView struct {
	Name, Title, Domain string
	Dialect             Dialect
	Users               []User
}

func (t *Tenant) view() tenantView {
	return tenantView{Name: t.name, Title: t.cfg.Title, Domain: t.cfg.Domain, Dialect: t.cfg.Dialect, Users: t.Users()}
}

type loginPage struct {
	Tenant                   tenantView
	Flow, App, Hint, Current string
}

type indexPage struct{ Tenants []State }

func (s *Sim) index(w http.ResponseWriter, _ *http.Request) {
	var page indexPage
	for _, t := range s.Tenants() {
		page.Tenants = append(page.Tenants, t.State())
	}
	s.render(w, http.StatusOK, "index", page)
}

type uiPage struct {
	Tenant tenantView
	State  State
	Faults []faultRow
	Groups []Group
	Log    []Event
	Note   string
	Starts []startLink

	Provisions bool
}

type startLink struct{ Name, URL string }

type faultRow struct {
	FaultInfo
	On    bool
	Value string
}

// serveUI shows a tenant's page and takes its forms. Each form names itself in the path and leads back.
func (t *Tenant) serveUI(w http.ResponseWriter, r *http.Request) {
	what := strings.Trim(strings.TrimPrefix(r.URL.Path, "/"+t.name+"/ui"), "/")
	if r.Method != http.MethodPost {
		if what != "" {
			http.NotFound(w, r)
			return
		}
		t.render(w, http.StatusOK, "ui", t.ui(r.URL.Query().Get("note")))
		return
	}
	note, err := t.act(r, what)
	if err != nil {
		t.fail(w, http.StatusBadRequest, "That did not work", err.Error())
		return
	}
	http.Redirect(w, r, "/"+t.name+"/ui?note="+queryEscape(note), http.StatusSeeOther)
}

func (t *Tenant) ui(note string) uiPage {
	page := uiPage{Tenant: t.view(), State: t.State(), Groups: t.Groups(), Log: t.Log(), Note: note, Provisions: t.Provisions()}
	slices.Reverse(page.Log)
	if len(page.Log) > 50 {
		page.Log = page.Log[:50]
	}
	for _, info := range Faults() {
		v, on := page.State.Config.Faults[info.Fault]
		page.Faults = append(page.Faults, faultRow{info, on, v})
	}
	for _, a := range page.State.Config.SAML {
		page.Starts = append(page.Starts, startLink{a.EntityID, t.StartURL(a.EntityID)})
	}
	return page
}

func (t *Tenant) act(r *http.Request, what string) (string, error) {
	if err := r.ParseForm(); err != nil {
		return "", err
	}
	email := r.PostForm.Get("email")
	switch what {
	case "groups":
		return email + " has new groups", t.SetGroups(email, lines(r.PostForm.Get("groups"))...)
	case "user":
		return email + " is in the directory", t.PutUser(User{Email: email, DisplayName: r.PostForm.Get("name"), Groups: lines(r.PostForm.Get("groups"))})
	case "active":
		active := r.PostForm.Get("active") == "yes"
		_, err := t.SetActive(r.Context(), email, active)
		return email + map[bool]string{true: " is active again, and the applications know", false: " is deactivated, and the applications know"}[active], err
	case "remove":
		t.RemoveUser(email)
		return email + " is gone", nil
	case "logout":
		results, err := t.SignOutEverywhere(r.Context(), email)
		return fmt.Sprintf("%s is signed out; %d applications were told", email, len(results)), err
	case "auto":
		t.Auto(r.PostForm.Get("user"))
		return "Automatic sign-in changed", nil
	case "faults":
		wanted := map[Fault]string{}
		for _, name := range r.PostForm["fault"] {
			wanted[Fault(name)] = strings.TrimSpace(r.PostForm.Get("value-" + name))
		}
		return fmt.Sprintf("%d faults are on", len(wanted)), t.setFaults(wanted)
	case "rotate":
		return "New keys sign from now on", t.Rotate(r.PostForm.Get("keep") != "")
	}
	return "", fmt.Errorf("no form is called %q", what)
}

// lines splits what a person types into a box: one value a line. Commas may be part of a name.
func lines(s string) []string {
	var out []string
	for line := range strings.Lines(s) {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}
