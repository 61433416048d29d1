package estate

import (
	"errors"
	"slices"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/keys"
)

// A Stream of security events about people of the account, with names where an account.Stream has ids.
type Stream struct {
	Settings       account.Stream
	Connection     string           // empty: of no identity provider
	SubjectIssuers []string         // connections
	Credentials    []PushCredential // all that are to be good, at most two; nil leaves them alone
	Breaker        *account.Breaker // of a stream that belongs to no connection; nil: left alone
}

// A PushCredential was drawn before the file was written, and is given to the transmitter by whoever wrote it.
type PushCredential struct {
	Credential account.Secret // well spelled
	Path       bool           // part of the address, for senders that send no Authorization header
}

type streamSection struct {
	Name            string                  `yaml:"name"`
	Connection      string                  `yaml:"connection"`
	Enabled         *bool                   `yaml:"enabled"`
	Issuer          string                  `yaml:"issuer"`
	Aliases         []string                `yaml:"aliases"`
	Audience        []string                `yaml:"audience"`
	JWKSURL         string                  `yaml:"jwks_url"`
	Keys            string                  `yaml:"keys"`
	Algorithms      []string                `yaml:"algorithms"`
	Method          string                  `yaml:"method"`
	Credentials     []pushCredentialSection `yaml:"credentials"`
	Poll            *pollSection            `yaml:"poll"`
	Transmitter     *transmitterSection     `yaml:"transmitter"`
	Compat          compatSection           `yaml:"compat"`
	SubjectIssuers  []string                `yaml:"subject_issuers"`
	WideSubjects    bool                    `yaml:"wide_subjects"`
	KeysFollow      bool                    `yaml:"keys_follow_sessions"`
	GTRKeys         string                  `yaml:"gtr_keys"`
	CompromisedKeys string                  `yaml:"compromised_keys"`
	Breaker         *breakerSection         `yaml:"breaker"`
}

type pushCredentialSection struct {
	Credential string `yaml:"credential"`
	Path       bool   `yaml:"path"`
}

type pollSection struct {
	Endpoint string `yaml:"endpoint"`
	Bearer   string `yaml:"bearer"`
}

type transmitterSection struct {
	Configuration string   `yaml:"configuration"`
	Stream        string   `yaml:"stream"`
	TokenURL      string   `yaml:"token_url"`
	ClientID      string   `yaml:"client_id"`
	ClientSecret  string   `yaml:"client_secret"`
	Bearer        string   `yaml:"bearer"`
	Scopes        []string `yaml:"scopes"`
}

type compatSection struct {
	SubjectInEvent bool `yaml:"subject_in_event"`
	SubjectType    bool `yaml:"subject_type"`
	NoBearer       bool `yaml:"no_bearer"`
	LaxPayload     bool `yaml:"lax_payload"`
}

func (p *reading) streams(at string, a Account, list []streamSection) []Stream {
	unique := p.unique("stream")
	var out []Stream
	for i, s := range list {
		at := key(at, "streams", i)
		unique(key(at, "name"), s.Name)
		out = append(out, p.stream(at, a, s))
	}
	return out
}

func (p *reading) stream(at string, a Account, s streamSection) Stream {
	out := Stream{Connection: s.Connection, SubjectIssuers: s.SubjectIssuers}
	p.connectionNamed(key(at, "connection"), a, s.Connection)
	for i, name := range s.SubjectIssuers {
		p.connectionNamed(key(at, "subject_issuers", i), a, name)
	}
	out.Settings = account.Stream{
		Name: s.Name, Enabled: s.Enabled == nil || *s.Enabled, Issuer: s.Issuer, Aliases: s.Aliases, Audience: s.Audience,
		JWKSURL: s.JWKSURL, Keys: strings.TrimSpace(p.value(key(at, "keys"), s.Keys)), Algorithms: s.Algorithms, Method: account.StreamMethod(s.Method),
		Compat: account.StreamCompat(s.Compat), WideSubjects: s.WideSubjects, KeysFollowSessions: s.KeysFollow,
		GTRKeys: account.GTRKeys(s.GTRKeys), CompromisedKeys: account.CompromiseKeys(s.CompromisedKeys),
	}
	if s.Poll != nil {
		out.Settings.Poll = &account.Poll{Endpoint: s.Poll.Endpoint, Bearer: p.secret(key(at, "poll", "bearer"), s.Poll.Bearer)}
	}
	if t := s.Transmitter; t != nil {
		at := key(at, "transmitter")
		out.Settings.Transmitter = &account.Transmitter{Configuration: t.Configuration, Stream: t.Stream, TokenURL: t.TokenURL, ClientID: t.ClientID, Scopes: t.Scopes,
			ClientSecret: p.secret(key(at, "client_secret"), t.ClientSecret), Bearer: p.secret(key(at, "bearer"), t.Bearer)}
	}
	out.Settings = out.Settings.WithDefaults()
	p.pointed(at, out.Settings.Check())
	out.Credentials = p.pushCredentials(at, out.Settings, s.Credentials)
	if out.Breaker = p.breaker(key(at, "breaker"), s.Breaker); out.Breaker != nil && s.Connection != "" {
		p.bad(key(at, "breaker"), "The stream removes people for connection %q, whose breaker counts them.", s.Connection).Fix("Set it there.")
	}
	return out
}

// pointed places a problem of a value at the field that its pointer names.
func (p *reading) pointed(at string, err error) {
	if err == nil {
		return
	}
	var known *account.Error
	if errors.As(err, &known) {
		at += strings.ReplaceAll(known.Pointer, "/", ".")
	}
	p.add(at, err)
}

func (p *reading) pushCredentials(at string, s account.Stream, list []pushCredentialSection) []PushCredential {
	switch {
	case len(list) > tokensAtOnce:
		p.bad(key(at, "credentials"), "A stream has at most two credentials at a time, here are %d.", len(list)).
			Fix("List the one in use and the one that follows it.")
	case len(list) > 0 && s.Method != account.StreamPush:
		p.bad(key(at, "credentials"), "A stream that is polled takes no pushes, and needs no credential for them.")
	}
	var out []PushCredential
	for i, c := range list {
		at := key(at, "credentials", i, "credential")
		one := PushCredential{Credential: p.credential(at, c.Credential, keys.Push), Path: c.Path}
		if slices.ContainsFunc(out, func(other PushCredential) bool { return other.Credential == one.Credential && !one.Credential.IsZero() }) {
			p.bad(at, "This credential is listed twice.") // and not which one: problems are printed
		}
		out = append(out, one)
	}
	return out
}
