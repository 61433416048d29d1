// Command openapi writes the description of the JSON API, as the handlers make it: in OpenAPI 3.1 for people and programs, or with -client in 3.0
// and without what all operations have in common, for the generator of package client.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/drawbridge-id/drawbridge/web/api"
)

func main() {
	client := flag.Bool("client", false, "what the client is generated from")
	flag.Parse()
	doc := api.Document()
	write := doc.YAML
	if *client {
		bare(doc)
		write = doc.DowngradeYAML
	}
	text, err := write()
	if err == nil {
		_, err = os.Stdout.Write(text)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// bare leaves what makes one operation differ from another: package client has the rest by hand.
func bare(doc *huma.OpenAPI) {
	doc.Components.Parameters = nil
	for _, item := range doc.Paths {
		for _, o := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if o == nil {
				continue
			}
			var own []*huma.Param
			for _, p := range o.Parameters {
				if p.Ref == "" {
					plain(p.Schema)
					own = append(own, p)
				}
			}
			o.Parameters = own
			for code, r := range o.Responses {
				for kind := range r.Content {
					if kind != "application/json" {
						delete(r.Content, kind)
					}
				}
				if !strings.HasPrefix(code, "2") || len(r.Content) == 0 && code == "200" && len(o.Responses) > 1 && o.Responses["204"] != nil {
					delete(o.Responses, code)
				}
			}
		}
	}
	all := doc.Components.Schemas.Map()
	delete(all, "Problem")
	delete(all, "Rehearsed")
	for _, s := range all {
		plain(s)
	}
}

// plain makes a string of what is one of several: a client has to live with words that are new.
func plain(s *huma.Schema) {
	if s == nil {
		return
	}
	s.Enum = nil
	plain(s.Items)
	for _, p := range s.Properties {
		plain(p)
	}
}
