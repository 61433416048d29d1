package inbound

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/egress"
	"github.com/drawbridge-id/drawbridge/strict"
)

// FetchResources fetches what SCIM events only named (RFC 9967 §2.4, notice): the resource below the transmitter's SCIM base, with the token
// that its stream API takes. The person keeps their state until that has worked.
func (d *Door) FetchResources(ctx context.Context) error {
	events, err := d.o.Ledger.Fetches(ctx, 100)
	if err != nil {
		return err
	}
	for _, e := range events {
		resource, err := d.fetchResource(ctx, e)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if _, err := d.o.Ledger.Fetched(ctx, e, resource, err); err != nil {
			d.o.Log.WarnContext(ctx, "a fetched resource could not take effect", "stream", e.Stream, "event", e.ID, "error", err)
		}
	}
	return nil
}

func (d *Door) fetchResource(ctx context.Context, e account.Event) (map[string]any, error) {
	s, err := d.o.Ledger.OpenStream(ctx, e.Stream)
	if err != nil {
		return nil, err
	}
	if s.Transmitter == nil || s.Transmitter.SCIM == "" {
		return nil, account.Errorf(account.Conflict, "Nothing says where the resource can be fetched.").Fix("Set the SCIM base URL of the stream's transmitter, then replay the event.")
	}
	address, err := resourceAddress(s.Transmitter.SCIM, e.Fetch)
	if err != nil {
		return nil, err
	}
	for try := 0; ; try++ {
		resp, err := d.send(ctx, s, http.MethodGet, address, nil)
		if err != nil {
			return nil, passing(err)
		}
		if resp.StatusCode == http.StatusUnauthorized && try == 0 && d.forgetToken(s) {
			_ = resp.Body.Close()
			continue
		}
		raw, err := egress.Read(resp, maxDocument)
		if err != nil || resp.StatusCode != http.StatusOK {
			return nil, passing(errors.Join(err, fmt.Errorf("%s answers with status %d", address, resp.StatusCode)))
		}
		return strict.Object(raw, 32)
	}
}

// resourceAddress is where a resource is, which an event names by a path below the SCIM base (RFC 9967 §2.1). No spelling of it leads out of
// there: it is decoded once, has no segment that means another, no slash that was encoded, and is encoded anew.
func resourceAddress(base, uri string) (string, error) {
	bad := account.Errorf(account.Invalid, "%q is no address of a resource.", strict.Clip(uri, 200))
	path, err := url.PathUnescape(strings.TrimPrefix(uri, "/"))
	if err != nil || strings.ContainsAny(uri, "?#\\") || strings.Count(path, "/") != strings.Count(strings.TrimPrefix(uri, "/"), "/") {
		return "", bad
	}
	segments := strings.Split(path, "/")
	for i, s := range segments {
		if s == "" || strings.Trim(s, ".") == "" || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == '\\' || r == '%' || r == 0x7f }) {
			return "", bad
		}
		segments[i] = url.PathEscape(s)
	}
	return strings.TrimSuffix(base, "/") + "/" + strings.Join(segments, "/"), nil
}

// passing takes the kind off an error: the ledger tries again what has none.
func passing(err error) error { return errors.New(err.Error()) }
