package estate

import (
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// The shape of the file. docs/estate.md has a row for each field, which a test compares with these tags.

type file struct {
	Catalogue *catalogueSection `yaml:"catalogue"`
	Accounts  []accountSection  `yaml:"accounts"`
}

type catalogueSection struct {
	File     string            `yaml:"file"`
	Services []account.Service `yaml:"services"`
	Relying  []account.Relying `yaml:"relying_services"`
	Products []account.Product `yaml:"products"`

	Terms  []account.Document `yaml:"terms"`
	Limits *account.Limits    `yaml:"limits"`
}

type accountSection struct {
	Name        string              `yaml:"name"`
	Org         string              `yaml:"org"`
	Title       string              `yaml:"title"`
	Type        string              `yaml:"type"`
	Services    []string            `yaml:"services"`
	Owners      []string            `yaml:"owners"`
	People      []personSection     `yaml:"people"`
	Teams       []teamSection       `yaml:"teams"`
	Domains     []domainSection     `yaml:"domains"`
	Connections []connectionSection `yaml:"connections"`
	Groups      []groupSection      `yaml:"groups"`
	Rules       []ruleSection       `yaml:"rules"`
	Streams     []streamSection     `yaml:"streams"`
	Webhooks    []webhookSection    `yaml:"webhooks"`
}

type personSection struct {
	Email       string              `yaml:"email"`
	Name        string              `yaml:"name"`
	AccountRole string              `yaml:"account_role"`
	Roles       roleList            `yaml:"roles"`
	Teams       map[string]roleList `yaml:"teams"`
}

type teamSection struct {
	Name        string `yaml:"name"`
	Description string `yaml:"description"`
}

type domainSection struct {
	Name       string `yaml:"name"`
	Connection string `yaml:"connection"`
	Proved     bool   `yaml:"proved"`
	CutOver    bool   `yaml:"cut_over"`
}

type connectionSection struct {
	Name          string               `yaml:"name"`
	Kind          string               `yaml:"kind"`
	State         string               `yaml:"state"`
	Enabled       *bool                `yaml:"enabled"`
	MaxSession    time.Duration        `yaml:"max_session"`
	RelinkByEmail bool                 `yaml:"relink_by_email"`
	Mapping       mappingSection       `yaml:"mapping"`
	SPKeys        []spKeySection       `yaml:"sp_keys"`
	SAML          *samlSection         `yaml:"saml"`
	OIDC          *oidcSection         `yaml:"oidc"`
	SCIM          *scimSection         `yaml:"scim"`
	Breaker       *breakerSection      `yaml:"breaker"`
	SyncDecision  *syncDecisionSection `yaml:"sync_decision"`
}

type mappingSection struct {
	Subject     []string `yaml:"subject"`
	Email       []string `yaml:"email"`
	Name        []string `yaml:"name"`
	Groups      []string `yaml:"groups"`
	Delimiter   string   `yaml:"delimiter"`
	StripPrefix string   `yaml:"strip_prefix"`
}

type spKeySection struct {
	Certificate string `yaml:"certificate"`
	PrivateKey  string `yaml:"private_key"`
}

type samlSection struct {
	Metadata           string         `yaml:"metadata"`
	MetadataKeyPin     string         `yaml:"metadata_key_pin"`
	EntityID           string         `yaml:"entity_id"`
	SSORedirect        string         `yaml:"sso_redirect"`
	SSOPost            string         `yaml:"sso_post"`
	SLORedirect        string         `yaml:"slo_redirect"`
	SLOPost            string         `yaml:"slo_post"`
	Certificates       []string       `yaml:"certificates"`
	NameIDFormat       string         `yaml:"name_id_format"`
	SignRequests       bool           `yaml:"sign_requests"`
	ForceAuthn         bool           `yaml:"force_authn"`
	AuthnContext       []string       `yaml:"authn_context"`
	Skew               *time.Duration `yaml:"skew"`
	IdPInitiated       bool           `yaml:"idp_initiated"`
	AllowSHA1          bool           `yaml:"allow_sha1"`
	AllowRSA1024       bool           `yaml:"allow_rsa1024"`
	AllowNoAudience    bool           `yaml:"allow_no_audience"`
	AllowCBC           bool           `yaml:"allow_cbc"`
	RequireEncrypted   bool           `yaml:"require_encrypted"`
	StrictDates        bool           `yaml:"strict_dates"`
	IgnoreInResponseTo []string       `yaml:"ignore_in_response_to"`
}

type oidcSection struct {
	Issuer                string             `yaml:"issuer"`
	ClientID              string             `yaml:"client_id"`
	ClientSecret          string             `yaml:"client_secret"`
	AuthMethod            string             `yaml:"auth_method"`
	Scopes                []string           `yaml:"scopes"`
	ResponseMode          string             `yaml:"response_mode"`
	Algorithms            []string           `yaml:"algorithms"`
	EntraTenant           string             `yaml:"entra_tenant"`
	GoogleDomain          string             `yaml:"google_domain"`
	ACRValues             []string           `yaml:"acr_values"`
	MaxAge                time.Duration      `yaml:"max_age"`
	Userinfo              string             `yaml:"userinfo"`
	AcceptUnverifiedEmail bool               `yaml:"accept_unverified_email"`
	Graph                 *graphSection      `yaml:"graph"`
	OktaGroups            *oktaGroupsSection `yaml:"okta_groups"`
}

type graphSection struct {
	BaseURL   string `yaml:"base_url"`
	TokenURL  string `yaml:"token_url"`
	OnFailure string `yaml:"on_failure"`
}

type oktaGroupsSection struct {
	BaseURL string `yaml:"base_url"`
	Token   string `yaml:"token"`
}

type groupSection struct {
	Connection  string `yaml:"connection"`
	Value       string `yaml:"value"`
	Alias       string `yaml:"alias"`
	AccountRole string `yaml:"account_role"`
}

type ruleSection struct {
	Name        string              `yaml:"name"`
	Connection  string              `yaml:"connection"`
	Groups      []string            `yaml:"groups"`
	AccountRole string              `yaml:"account_role"`
	Org         roleList            `yaml:"org"`
	Teams       map[string]roleList `yaml:"teams"`
	State       string              `yaml:"state"`
}

// roleList is a list of roles. In YAML, [registry:writer] is a list of one text, but inside of braces the
// library reads registry:writer as a field with a value; that is put together again.
type roleList []account.Role

// UnmarshalYAML reads texts, and single fields as the text they were meant to be.
func (l *roleList) UnmarshalYAML(decode func(any) error) error {
	var items []any
	if err := decode(&items); err != nil {
		return err
	}
	*l = nil
	for _, item := range items {
		role, err := roleOf(item)
		if err != nil {
			return err
		}
		*l = append(*l, role)
	}
	return nil
}

func roleOf(item any) (account.Role, error) {
	switch v := item.(type) {
	case string:
		return account.Role(v), nil
	case map[string]any:
		for service, role := range v {
			if text, ok := role.(string); ok && len(v) == 1 {
				return account.Role(service + ":" + text), nil
			}
		}
	}
	return "", account.Errorf(account.Invalid, "A role is a text such as registry:writer, found %v.", item)
}

func byTeam(in map[string]roleList) map[string][]account.Role {
	if in == nil {
		return nil
	}
	out := make(map[string][]account.Role, len(in))
	for team, roles := range in {
		out[team] = roles
	}
	return out
}
