package estate

import "github.com/drawbridge-id/drawbridge/account"

type webhookSection struct {
	Name   string   `yaml:"name"`
	URL    string   `yaml:"url"`
	Events []string `yaml:"events"`
}

// webhooks are feeds to the company's own receivers; their secrets are made when they are.
func (p *reading) webhooks(at string, list []webhookSection) []account.Feed {
	unique := p.unique("webhook")
	var out []account.Feed
	for i, s := range list {
		at := key(at, "webhooks", i)
		unique(key(at, "name"), s.Name)
		f := account.Feed{Kind: account.Webhook, Name: s.Name, URL: s.URL, Events: s.Events}
		p.pointed(at, f.Check())
		out = append(out, f)
	}
	return out
}
