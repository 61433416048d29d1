// Command tools checks an OpenAPI document: that it is one (by the specification's own schema, with pb33f's validator), and that it has what ours
// promise, for which no linter has rules. It is a module of its own, so that what builds and checks is no requirement of the product.
package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi/datamodel/high/base"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
)

func main() {
	var wrong []string
	for _, path := range os.Args[1:] {
		found, err := lint(path)
		if err != nil {
			found = append(found, err.Error())
		}
		for _, f := range found {
			wrong = append(wrong, path+": "+f)
		}
	}
	for _, w := range wrong {
		fmt.Println(w)
	}
	if len(wrong) > 0 || len(os.Args) < 2 {
		os.Exit(1)
	}
}

func lint(path string) (wrong []string, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	doc, err := libopenapi.NewDocument(text)
	if err != nil {
		return nil, err
	}
	v, errs := validator.NewValidator(doc)
	if len(errs) > 0 {
		return nil, errs[0]
	}
	if ok, failures := v.ValidateDocument(); !ok {
		for _, f := range failures {
			wrong = append(wrong, f.Error())
			for _, s := range f.SchemaValidationErrors {
				wrong = append(wrong, fmt.Sprintf("  %s: %s", s.FieldPath, s.Reason))
			}
		}
	}
	model, err := doc.BuildV3Model()
	if err != nil {
		return nil, err
	}
	return append(wrong, rules(&model.Model)...), nil
}

var (
	kebab = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	snake = regexp.MustCompile(`^[a-z0-9]+(_[a-z0-9]+)*$`)
	param = regexp.MustCompile(`\{(\w+)\}`)
)

// rules are what holds for every operation of ours.
func rules(doc *v3.Document) (wrong []string) {
	say := func(where, format string, args ...any) {
		wrong = append(wrong, where+": "+fmt.Sprintf(format, args...))
	}
	if doc.Info == nil || doc.Info.Description == "" || doc.Info.License == nil || len(doc.Servers) == 0 {
		say("info", "a description, a licence and a server are missing")
	}
	known := map[string]bool{}
	for _, t := range doc.Tags {
		known[t.Name] = t.Description != ""
	}
	ids, shapes := map[string]string{}, map[string]string{}
	for path, item := range doc.Paths.PathItems.FromOldest() {
		shape := param.ReplaceAllString(path, "{}")
		if other, twice := shapes[shape]; twice {
			say(path, "cannot be told from %s", other)
		}
		shapes[shape] = path
		for segment := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
			if !param.MatchString(segment) && !kebab.MatchString(segment) {
				say(path, "%q is not in lower case with hyphens", segment)
			}
		}
		for method, o := range item.GetOperations().FromOldest() {
			at := strings.ToUpper(method) + " " + path
			if first, twice := ids[o.OperationId]; twice || !kebab.MatchString(o.OperationId) {
				say(at, "operationId %q is not one of its own, in lower case with hyphens (%s)", o.OperationId, first)
			}
			ids[o.OperationId] = at
			if o.Summary == "" || strings.HasSuffix(o.Summary, ".") || len(o.Summary) > 120 {
				say(at, "the summary %q is not a short phrase", o.Summary)
			}
			if !strings.Contains(o.Description, "Who may: ") {
				say(at, "the description does not say who may")
			}
			if len(o.Tags) != 1 || !known[o.Tags[0]] {
				say(at, "has no tag that is described: %v", o.Tags)
			}
			answers(o, func(format string, args ...any) { say(at, format, args...) })
			parameters(path, item, o, func(format string, args ...any) { say(at, format, args...) })
		}
	}
	for name, s := range doc.Components.Schemas.FromOldest() {
		properties(name, s, say)
	}
	return wrong
}

// answers: one that is good, and problems in their one shape.
func answers(o *v3.Operation, say func(string, ...any)) {
	good := false
	for code, r := range o.Responses.Codes.FromOldest() {
		good = good || strings.HasPrefix(code, "2")
		if r.Description == "" {
			say("answer %s has no description", code)
		}
		if !strings.HasPrefix(code, "4") && !strings.HasPrefix(code, "5") {
			continue
		}
		if r.Content == nil || r.Content.GetOrZero("application/problem+json") == nil {
			say("answer %s is no problem", code)
		}
	}
	if !good {
		say("has no good answer")
	}
	anybody := slices.Contains(strings.Fields(o.Description), "anybody.")
	for _, code := range []string{"401", "403", "404", "422", "429", "503"} {
		if o.Responses.Codes.GetOrZero(code) == nil && !anybody {
			say("does not say that it may be answered with %s", code)
		}
	}
}

// parameters: those of the path are there, queries are in snake case.
func parameters(path string, item *v3.PathItem, o *v3.Operation, say func(string, ...any)) {
	have := map[string]bool{}
	for _, p := range slices.Concat(item.Parameters, o.Parameters) {
		have[p.In+" "+p.Name] = true
		if p.In == "query" && !snake.MatchString(p.Name) {
			say("the query %q is not in snake case", p.Name)
		}
	}
	for _, name := range param.FindAllStringSubmatch(path, -1) {
		if !have["path "+name[1]] {
			say("{%s} is not described", name[1])
		}
	}
}

// properties are in snake case. Where a standard spells them otherwise, its spelling counts.
func properties(name string, proxy *base.SchemaProxy, say func(string, string, ...any)) {
	s := proxy.Schema()
	if s == nil || s.Properties == nil {
		return
	}
	for p := range s.Properties.FromOldest() {
		if !snake.MatchString(p) && !strings.HasPrefix(p, "urn:") {
			say(name, "the property %q is not in snake case", p)
		}
	}
}
