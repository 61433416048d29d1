package inbound

import (
	"context"
	"errors"
	"fmt"
	"net/http"
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
	path := "/" + strings.TrimPrefix(e.Fetch, "/")
	if strings.ContainsAny(path, "?#\\") || strings.Contains(path, "..") || strings.Contains(path, "//") {
		return nil, account.Errorf(account.Invalid, "%q is no address of a resource.", strict.Clip(e.Fetch, 200))
	}
	address := strings.TrimSuffix(s.Transmitter.SCIM, "/") + path
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

// passing takes the kind off an error: the ledger tries again what has none.
func passing(err error) error { return errors.New(err.Error()) }
