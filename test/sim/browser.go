package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"

	"golang.org/x/net/html"
)

// A Browser walks through sign-ins for tests and scripts: it keeps cookies, follows redirects and submits
// the forms that submit themselves in a real browser. It runs no scripts.
type Browser struct {
	Client *http.Client // has a cookie jar; its redirects are followed
	// Hops lists every address visited, the latest last.
	Hops []string
}

// A Page is where a walk ended.
type Page struct {
	URL    *url.URL
	Status int
	Header http.Header
	Body   []byte
	Form   *Form // the first form; nil if there is none
}

// A Form is an HTML form with the fields that are filled in, and its buttons.
type Form struct {
	Action  string // absolute
	Method  string // "GET" or "POST"
	Fields  url.Values
	Buttons []Button
}

// A Button is a submit button that carries a name.
type Button struct{ Name, Value string }

const maxHops = 20

// NewBrowser makes a browser without cookies. A nil transport is http.DefaultTransport.
func NewBrowser(transport http.RoundTripper) *Browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		panic(err) // cookiejar.New never fails
	}
	b := &Browser{}
	b.Client = &http.Client{Jar: jar, Transport: transport, CheckRedirect: func(req *http.Request, via []*http.Request) error {
		b.Hops = append(b.Hops, req.URL.String())
		if len(via) > maxHops {
			return errors.New("too many redirects")
		}
		return nil
	}}
	return b
}

// Open visits an address and walks on until somebody would have to act.
func (b *Browser) Open(ctx context.Context, address string) (*Page, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	return b.walk(req)
}

// Submit sends a form, with extra values over its own, and walks on.
func (b *Browser) Submit(ctx context.Context, f *Form, extra url.Values) (*Page, error) {
	req, err := f.request(ctx, extra)
	if err != nil {
		return nil, err
	}
	return b.walk(req)
}

// Choose clicks the user with this e-mail on the simulator's sign-in page and walks on.
func (b *Browser) Choose(ctx context.Context, p *Page, email string) (*Page, error) {
	if p.Form == nil || !p.Form.Fields.Has("flow") {
		return nil, fmt.Errorf("sim: %s is no sign-in page: %.300s", p.URL, p.Body)
	}
	return b.Submit(ctx, p.Form, url.Values{"user": {email}})
}

func (b *Browser) walk(req *http.Request) (*Page, error) {
	for range maxHops {
		b.Hops = append(b.Hops, req.URL.String())
		resp, err := b.Client.Do(req)
		if err != nil {
			return nil, err
		}
		page, err := readPage(resp)
		if err != nil {
			return nil, err
		}
		if page.Form == nil || !page.Form.submitsItself() {
			return page, nil
		}
		if req, err = page.Form.request(req.Context(), nil); err != nil {
			return nil, err
		}
	}
	return nil, errors.New("sim: the browser walks in circles")
}

// submitsItself: protocol messages travel in forms that a script submits.
func (f *Form) submitsItself() bool {
	for _, name := range []string{"SAMLRequest", "SAMLResponse", "code", "error"} {
		if f.Fields.Has(name) && f.Method == http.MethodPost {
			return true
		}
	}
	return false
}

func (f *Form) request(ctx context.Context, extra url.Values) (*http.Request, error) {
	values := url.Values{}
	for _, from := range []url.Values{f.Fields, extra} {
		for k, v := range from {
			values[k] = v
		}
	}
	if f.Method == http.MethodPost {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.Action, strings.NewReader(values.Encode()))
		if err == nil {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		return req, err
	}
	to, err := url.Parse(f.Action)
	if err != nil {
		return nil, err
	}
	to.RawQuery = values.Encode()
	return http.NewRequestWithContext(ctx, http.MethodGet, to.String(), nil)
}

func readPage(resp *http.Response) (*Page, error) {
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 8<<20))
	if err != nil {
		return nil, err
	}
	p := &Page{URL: resp.Request.URL, Status: resp.StatusCode, Header: resp.Header, Body: body}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		p.Form = firstForm(p.URL, body)
	}
	return p, nil
}

func firstForm(base *url.URL, body []byte) *Form {
	root, err := html.Parse(bytes.NewReader(body))
	if err != nil {
		return nil
	}
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && n.Data == "form" {
			return readForm(base, n)
		}
	}
	return nil
}

func readForm(base *url.URL, n *html.Node) *Form {
	action, err := base.Parse(attr(n, "action"))
	if err != nil {
		return nil
	}
	f := &Form{Action: action.String(), Method: strings.ToUpper(or(attr(n, "method"), "get")), Fields: url.Values{}}
	for c := range n.Descendants() {
		if c.Type != html.ElementNode || attr(c, "name") == "" {
			continue
		}
		switch c.Data {
		case "input":
			if t := attr(c, "type"); t != "checkbox" && t != "radio" && t != "submit" {
				f.Fields.Add(attr(c, "name"), attr(c, "value"))
			}
		case "button":
			f.Buttons = append(f.Buttons, Button{attr(c, "name"), attr(c, "value")})
		}
	}
	return f
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}
