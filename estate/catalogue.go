package estate

import (
	_ "embed"
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
)

//go:embed defaults/catalogue.yaml
var defaultCatalogue []byte

// DefaultCatalogue is the catalogue that ships with the product.
func DefaultCatalogue() account.Catalogue {
	cat, err := parseCatalogue(defaultCatalogue, account.Catalogue{})
	if err != nil {
		panic("estate: the shipped catalogue does not parse: " + err.Error()) // a test reads it too
	}
	return cat
}

// ParseCatalogue reads a catalogue file. Limits that it leaves out, and a list that it leaves out, are
// those of the shipped catalogue; a list that it gives replaces the shipped one.
func ParseCatalogue(data []byte) (account.Catalogue, error) {
	base := DefaultCatalogue()
	return parseCatalogue(data, base)
}

// catalogueFile is the shape of a catalogue in a file of its own and in an estate.
type catalogueFile struct {
	Services []account.Service `yaml:"services"`
	Relying  []account.Relying `yaml:"relying_services"`
	Products []account.Product `yaml:"products"`
	Limits   account.Limits    `yaml:"limits"`

	Terms []account.Document `yaml:"terms"`
}

func parseCatalogue(data []byte, base account.Catalogue) (account.Catalogue, error) {
	file := catalogueFile{Limits: base.Limits}
	doc, err := decode(data, &file)
	if err != nil {
		return account.Catalogue{}, err
	}
	cat := file.over(base)
	checkCatalogue(doc, "$", cat)
	return cat, errors.Join(doc.problems...)
}

func (f catalogueFile) over(base account.Catalogue) account.Catalogue {
	base.Limits = f.Limits
	if f.Services != nil {
		base.Services = f.Services
	}
	switch {
	case f.Products != nil:
		base.Products = f.Products
	case f.Services != nil: // what is left of the products without those of services that are gone
		base.Products = slices.DeleteFunc(slices.Clone(base.Products), func(p account.Product) bool {
			return slices.ContainsFunc(p.Services, func(id string) bool { _, known := base.Service(id); return !known })
		})
	}
	if f.Relying != nil {
		base.Relying = f.Relying
	}
	if f.Terms != nil {
		base.Terms = f.Terms
	}
	return base
}

func checkPasswords(d *document, at string, r account.PasswordRule) {
	if whole := r.Whole(); whole.MinLength < 1 || whole.MinLength > 128 || whole.Passphrase < 0 || whole.Passphrase > 0 && whole.Passphrase < whole.MinLength {
		d.bad(at, "min_length is 1 to 128, and a passphrase is no shorter.")
	}
	for i, c := range r.Require {
		if !slices.Contains(account.PasswordClasses, c) {
			d.bad(key(at, "require", i), "%q is no class of characters: it is upper, lower, digit or special.", c)
		}
	}
}

// opens says whether a service can open there: an https address, or a path of this installation.
func opens(d *document, at, address string) {
	if address == "" {
		return
	}
	u, err := url.Parse(address)
	ours := err == nil && u.Scheme == "" && u.Host == "" && strings.HasPrefix(address, "/") && !strings.HasPrefix(address, "//")
	if err != nil || !ours && (u.Scheme != "https" || u.Host == "" || u.User != nil) {
		d.bad(at, "%q is neither an https address nor a path of this installation.", address)
	}
}

var word = regexp.MustCompile(`^[a-z0-9_]+$`)

func checkCatalogue(d *document, at string, cat account.Catalogue) {
	seen := map[string]bool{}
	id := func(at, what, id string) {
		switch {
		case !word.MatchString(id):
			d.bad(at, "%s id is lower-case letters, digits and _, %q is not.", what, id)
		case seen[what+id]:
			d.bad(at, "%s %q is there twice.", what, id)
		}
		seen[what+id] = true
	}
	for i, s := range cat.Services {
		at := key(at, "services", i)
		id(key(at, "id"), "A service", s.ID)
		if s.Label == "" {
			d.bad(at, "Service %s needs a label for people.", s.ID)
		}
		if s.OnSignUp && s.Premium {
			d.bad(at, "Service %s is premium, which orgs have that people open by themselves never are.", s.ID)
		}
		for j, r := range s.Roles {
			id(key(at, "roles", j, "id"), "A role of "+s.ID+", its", r.ID)
			opens(d, key(at, "roles", j, "docs"), r.Docs)
		}
		if _, _, known := cat.Role(account.Role(s.ID + ":" + s.KeyRole)); s.KeyRole != "" && !known {
			d.bad(key(at, "key_role"), "Service %s has no role %q.", s.ID, s.KeyRole)
		}
		opens(d, key(at, "launch_url"), s.LaunchURL)
	}
	if e := cat.Limits.InviteExpiry; e != 0 && (e < account.LeastLinkLength || e > account.MostLinkLength) {
		d.bad(key(at, "limits", "account_invite_expiry_default"), "Invitations are good for %s to %s.", account.PlainLength(account.LeastLinkLength), account.PlainLength(account.MostLinkLength))
	}
	for i, t := range cat.Terms {
		at := key(at, "terms", i)
		id(key(at, "id"), "A document", t.ID)
		if t.Label == "" || t.Version == "" {
			d.bad(at, "Document %s needs a label for people and a version.", t.ID)
		}
		if u, err := url.Parse(t.URL); err != nil || u.Scheme != "https" || u.Host == "" {
			d.bad(key(at, "url"), "%q is no https address at which people can read %s.", t.URL, t.ID)
		}
	}
	checkPasswords(d, key(at, "limits", "password"), cat.Limits.Password)
	for i, p := range cat.Products {
		at := key(at, "products", i)
		id(key(at, "id"), "A product", p.ID)
		if p.Label == "" || len(p.Services) == 0 {
			d.bad(at, "Product %s needs a label for people, and at least one service.", p.ID)
		}
		if p.Term < 0 {
			d.bad(key(at, "term"), "The term of %s is a length of time such as 8760h, or left out when it has no end.", p.ID)
		}
		opens(d, key(at, "launch_url"), p.LaunchURL)
		for j, s := range p.Services {
			switch known, ok := cat.Service(s); {
			case !ok:
				d.bad(key(at, "services", j), "The catalogue has no service %q.", s)
			case known.Premium && !p.Premium:
				d.bad(key(at, "premium"), "Product %s carries %s, which is premium, and is not premium itself.", p.ID, s)
			}
		}
	}
	for i, r := range cat.Relying {
		at := key(at, "relying_services", i)
		id(key(at, "id"), "A relying service", r.ID)
		for j, need := range r.Requires {
			if !slices.Contains([]string{"email", "name", "groups"}, need) {
				d.bad(key(at, "requires", j), "A relying service can require email, name and groups, not %q.", need)
			}
		}
		for j, o := range r.Origins {
			if u, err := url.Parse(o); err != nil || u.Host == "" || u.Scheme+"://"+u.Host != o {
				d.bad(key(at, "origins", j), "%q is no origin such as https://hub.acme.example.", o)
			}
		}
	}
	l := cat.Limits
	if l.KeysPerUser < 0 { // 0, as a catalogue has it that was stored before there were keys, stands for the default
		d.bad(key(at, "limits", "keys_per_user"), "The limit keys_per_user is a positive number; nothing is unlimited.")
	}
	if l.AccountsPerOwner < 0 {
		d.bad(key(at, "limits", "accounts_per_owner"), "The limit accounts_per_owner is a positive number; nothing is unlimited.")
	}
	for _, limit := range []struct {
		name string
		n    int64
	}{
		{"orgs_per_account", int64(l.OrgsPerAccount)}, {"owners_per_account", int64(l.OwnersPerAccount)},
		{"owners_per_org", int64(l.OwnersPerOrg)}, {"users_of_individual_org", int64(l.UsersIndividual)},
		{"rules_per_account", int64(l.RulesPerAccount)}, {"group_values_per_login", int64(l.GroupValues)},
		{"diagnosis_age", int64(l.DiagnosisAge)},
	} {
		if limit.n <= 0 {
			d.bad(key(at, "limits", limit.name), "The limit %s is a positive number; nothing is unlimited.", limit.name)
		}
	}
	if l.RulesLossShare <= 0 || l.RulesLossShare > 1 {
		d.bad(key(at, "limits", "rules_loss_share"), "rules_loss_share is a share above 0, up to 1.")
	}
}
