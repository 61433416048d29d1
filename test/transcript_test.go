package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/test/world"
)

// A step of a transcript: what a provider sends, and what it expects. test/transcripts/README.md has the format.
type step struct {
	Name    string
	Request struct {
		Method, Path string
		Headers      map[string]string
		Body         json.RawMessage
	}
	Expect struct {
		Status  []int
		Headers map[string]string
		JSON    []assertion
	}
	Capture map[string]string
}

type assertion struct {
	Path, Op string
	Value    any
}

// A pusher is an identity provider with a token.
type pusher struct {
	*world.World
	base  string
	token string
	vars  map[string]string
}

func pusherOf(w *world.World, c account.Connection) *pusher {
	w.Helper()
	_, token, err := w.House.Ledger.MintSCIMToken(w.Context(), world.Operator, c.ID, 24*time.Hour)
	if err != nil {
		w.Fatal(err)
	}
	return &pusher{World: w, base: w.URL + "/scim/" + string(c.ID) + "/v2", token: token.Reveal(), vars: map[string]string{"run": "r4t8wq2z"}}
}

// A pushed is the answer to a push.
type pushed struct {
	t      testing.TB
	status int
	header http.Header
	body   any
	raw    string
}

// send sends one request; body is JSON, a string as it is, or nothing.
func (p *pusher) send(method, path string, body any, headers ...string) pushed {
	p.Helper()
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(b)
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			p.Fatal(err)
		}
		reader = bytes.NewReader(raw)
	}
	r, err := http.NewRequestWithContext(p.Context(), method, p.base+strings.NewReplacer(" ", "%20", `"`, "%22").Replace(path), reader)
	if err != nil {
		p.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+p.token)
	if reader != nil {
		r.Header.Set("Content-Type", "application/scim+json; charset=utf-8")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		p.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		p.Fatal(err)
	}
	out := pushed{t: p, status: res.StatusCode, header: res.Header, raw: string(raw)}
	if len(raw) > 0 {
		if ct := res.Header.Get("Content-Type"); ct != "application/scim+json" {
			p.Errorf("%s %s answers with %s", method, path, ct)
		}
		if err := json.Unmarshal(raw, &out.body); err != nil {
			p.Fatalf("%s %s answers with %s", method, path, raw)
		}
	}
	return out
}

func (a pushed) is(status ...int) pushed {
	a.t.Helper()
	for _, s := range status {
		if a.status == s {
			return a
		}
	}
	a.t.Fatalf("answered %d, want %v: %s", a.status, status, a.raw)
	return a
}

// at finds a value by a transcript's path; nil when it is absent.
func (a pushed) at(path string) any { return lookUp(a.body, path) }

func (a pushed) text(path string) string { s, _ := a.at(path).(string); return s }

var pathPart = regexp.MustCompile(`^\["([^"]+)"\]|^\[([^\]=]+)=([^\]]*)\]|^([^.\[]+)`)

func lookUp(v any, path string) any {
	for path = strings.TrimPrefix(path, "."); path != ""; path = strings.TrimPrefix(path, ".") {
		m := pathPart.FindStringSubmatch(path)
		if m == nil {
			return nil
		}
		path = path[len(m[0]):]
		switch list, _ := v.([]any); {
		case m[2] != "":
			v = nil
			for _, e := range list {
				if o, ok := e.(map[string]any); ok && fmt.Sprint(o[m[2]]) == m[3] {
					v = e
					break
				}
			}
		case m[4] != "" && list != nil:
			i, err := strconv.Atoi(m[4])
			if err != nil || i >= len(list) {
				return nil
			}
			v = list[i]
		default:
			o, _ := v.(map[string]any)
			v = o[m[1]+m[4]]
		}
	}
	return v
}

func (p *pusher) fill(s string) string {
	for name, value := range p.vars {
		s = strings.ReplaceAll(s, "{{"+name+"}}", value)
	}
	return s
}

func (p *pusher) run(s step) {
	p.Helper()
	var body any
	if len(s.Request.Body) > 0 {
		body = p.fill(string(s.Request.Body))
	}
	var headers []string
	for name, value := range s.Request.Headers {
		headers = append(headers, name, p.fill(value))
	}
	a := p.send(s.Request.Method, p.fill(s.Request.Path), body, headers...)
	ok := false
	for _, status := range s.Expect.Status {
		ok = ok || status == a.status
	}
	if !ok {
		p.Fatalf("%s: answered %d, want %v: %s", s.Name, a.status, s.Expect.Status, a.raw)
	}
	for name := range s.Expect.Headers {
		if a.header.Get(name) == "" {
			p.Errorf("%s: there is no %s", s.Name, name)
		}
	}
	if a.status != http.StatusNoContent {
		for _, want := range s.Expect.JSON {
			if problem := want.check(p, a.at(p.fill(want.Path))); problem != "" {
				p.Errorf("%s: %s %s in %s", s.Name, p.fill(want.Path), problem, a.raw)
			}
		}
	}
	for name, path := range s.Capture {
		p.vars[name] = fmt.Sprint(a.at(p.fill(path)))
	}
}

// check says what is wrong with a value.
func (want assertion) check(p *pusher, got any) string {
	value := want.Value
	if s, ok := value.(string); ok {
		value = p.fill(s)
	}
	length := 0
	contains := false
	switch g := got.(type) {
	case []any:
		length = len(g)
		for _, e := range g {
			contains = contains || fmt.Sprint(e) == fmt.Sprint(value)
		}
	case string:
		length, contains = len(g), strings.Contains(g, fmt.Sprint(value))
	}
	ok := false
	switch want.Op {
	case "equals":
		ok = fmt.Sprint(got) == fmt.Sprint(value)
	case "not_equals":
		ok = fmt.Sprint(got) != fmt.Sprint(value)
	case "exists":
		ok = got != nil
	case "absent":
		ok = got == nil
	case "contains":
		ok = contains
	case "length":
		ok = fmt.Sprint(length) == fmt.Sprint(value)
	case "type":
		_, ok = got.(float64)
	case "matches":
		ok = regexp.MustCompile(fmt.Sprint(value)).MatchString(fmt.Sprint(got))
	}
	if ok {
		return ""
	}
	return fmt.Sprintf("is %v, want %s %v", got, want.Op, value)
}

// Requests as Okta, Entra ID, JumpCloud, OneLogin, Ping and Google send them, and pieces of the protocol that none of them
// walks, with the answers that they expect. INTEROP M11, M12, M13, M14, M15, M16, M17, M18, M19
func TestWhatProvidersSendIsAnsweredAsTheyExpect(t *testing.T) {
	files, err := filepath.Glob("transcripts/*.json")
	if err != nil || len(files) < 10 {
		t.Fatalf("found %d transcripts, %v", len(files), err)
	}
	world.Each(t, func(w *world.World) {
		p := pusherOf(w, w.Acme().Connection)
		for _, file := range files {
			raw, err := os.ReadFile(file)
			if err != nil {
				w.Fatal(err)
			}
			var steps []step
			if err := json.Unmarshal(raw, &steps); err != nil {
				w.Fatalf("%s: %v", file, err)
			}
			name := strings.TrimSuffix(filepath.Base(file), ".json")
			p.vars = map[string]string{"run": "r" + strings.ReplaceAll(name, "-", "")}
			w.TB.(*testing.T).Run(name, func(t *testing.T) {
				q := *p
				again := *w
				again.TB = t
				q.World = &again
				for _, s := range steps {
					q.run(s)
				}
			})
		}
	})
}
