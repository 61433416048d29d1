package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/drawbridge-id/drawbridge/egress"
	"github.com/drawbridge-id/drawbridge/federation/oidc"
)

// discoverCmd looks at an issuer as the daemon would, before it is written into an estate file (K-11).
type discoverCmd struct {
	Issuer string `arg:"" help:"Issuer URL as the provider says it, for instance https://acme.okta.com."`
	JSON   bool   `name:"json" help:"Print what was found as JSON."`
}

func (c discoverCmd) Run(a *app) error {
	cfg, err := a.config()
	if err != nil {
		return err
	}
	rp := oidc.New(oidc.Options{Client: egress.New(egress.Options{Allow: cfg.Egress.Allow, Timeout: time.Duration(cfg.Egress.Timeout)}), Now: time.Now})
	found, err := rp.Discover(a.ctx, c.Issuer)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(a, found)
	}
	w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	for _, row := range [][2]string{
		{"issuer", found.Issuer}, {"authorization", found.AuthorizationEndpoint}, {"token", found.TokenEndpoint}, {"userinfo", found.UserinfoEndpoint},
		{"keys", found.JWKSURL}, {"end session", found.EndSessionEndpoint}, {"client authentication", strings.Join(found.AuthMethods, ", ")},
		{"ID token algorithms", strings.Join(found.Algorithms, ", ")}, {"scopes", strings.Join(found.Scopes, ", ")}, {"claims", strings.Join(found.Claims, ", ")},
		{"names itself in answers", fmt.Sprint(found.IssParameter)}, {"back-channel logout", fmt.Sprint(found.BackchannelLogout)}, {"key ids", strings.Join(found.KeyIDs, ", ")},
	} {
		if row[1] != "" {
			fmt.Fprintf(w, "%s\t%s\n", row[0], row[1])
		}
	}
	return w.Flush()
}
