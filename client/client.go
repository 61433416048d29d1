// Package client calls the JSON API of a Drawbridge server, with a personal key or a token of the operator. Its methods, one per operation, are
// generated from the API's description (docs/api/openapi.yaml); what they have in common is here.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// A Client talks to one server. It is safe for concurrent use.
type Client struct {
	Server string       // "https://drawbridge.example"
	Key    string       // "dbp_…" or "dbo_…"; empty: nobody is named
	HTTP   *http.Client // nil: one with a time-out of 30 seconds, which follows no redirects
}

var ordinary = &http.Client{Timeout: 30 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// A Problem is how the server says no (RFC 9457).
type Problem struct {
	Title     string         `json:"title"`
	Status    int            `json:"status"`
	Detail    string         `json:"detail"`
	Code      string         `json:"code"` // stable, for programs
	Help      string         `json:"help"`
	Errors    []ProblemField `json:"errors"`
	Missing   []string       `json:"missing"`
	RequestID string         `json:"request_id"`
}

// A ProblemField is one field at fault.
type ProblemField struct {
	Pointer string `json:"pointer"` // RFC 6901
	Message string `json:"message"`
	Fix     string `json:"fix"`
}

// Error is the sentence, what would help, and the request's id.
func (p *Problem) Error() string {
	s := strings.TrimSpace(p.Detail + " " + p.Help)
	if s == "" {
		s = p.Title
	}
	for _, f := range p.Errors {
		s += fmt.Sprintf("\n  %s: %s", f.Pointer, strings.TrimSpace(f.Message+" "+f.Fix))
	}
	if p.RequestID != "" {
		s += " (" + p.RequestID + ")"
	}
	return s
}

// ErrUnreachable is in the chain of an error when no server answered, or what answered was none.
var ErrUnreachable = errors.New("the server does not answer")

// An Option changes one call.
type Option func(*http.Request)

// Once names a change, so that the server makes it once however often it is sent.
func Once(key string) Option { return header("Idempotency-Key", key) }

// IfMatch makes a change only while what it is made to has the ETag.
func IfMatch(tag string) Option { return header("If-Match", tag) }

func header(name, value string) Option { return func(r *http.Request) { r.Header.Set(name, value) } }

// largest is how much of an answer is read.
const largest = 64 << 20

// do sends one call. in is nil or becomes the body, out is nil or is filled from the answer.
func (c *Client) do(ctx context.Context, method, path string, query url.Values, in, out any, with []Option) error {
	res, err := c.send(ctx, method, path, query, in, with)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if out == nil || res.StatusCode == http.StatusNoContent {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, largest)).Decode(out); err != nil {
		return fmt.Errorf("%w as expected: %w", ErrUnreachable, err)
	}
	return nil
}

// send gives an answer of 2xx; its body is to be closed.
func (c *Client) send(ctx context.Context, method, path string, query url.Values, in any, with []Option) (*http.Response, error) {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	target := strings.TrimSuffix(c.Server, "/") + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/json")
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.Key != "" {
		r.Header.Set("Authorization", "Bearer "+c.Key)
	}
	for _, o := range with {
		o(r)
	}
	client := c.HTTP
	if client == nil {
		client = ordinary
	}
	res, err := client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	if res.StatusCode/100 == 2 {
		return res, nil
	}
	defer res.Body.Close()
	p := &Problem{}
	text, _ := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err := json.Unmarshal(text, p); err != nil || p.Code == "" {
		return nil, fmt.Errorf("%w as one: %s", ErrUnreachable, res.Status)
	}
	return nil, p
}

// ExportAuditTo writes the whole audit log of an org, as JSON lines that "drawbridge audit verify" checks.
func (c *Client) ExportAuditTo(ctx context.Context, org string, w io.Writer) error {
	res, err := c.send(ctx, http.MethodGet, "/api/v1/orgs/"+url.PathEscape(org)+"/audit/export", nil, nil, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, err = io.Copy(w, res.Body)
	return err
}

// text spells a parameter.
func text(v any) string {
	if at, ok := v.(time.Time); ok {
		return at.Format(time.RFC3339Nano)
	}
	return fmt.Sprint(v)
}
