package table

import (
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// A Link is how a one-time link is kept, in the row of what it is for: only the digest of its token, which is found by it.
type Link struct {
	account.Link
	Digest []byte // SHA-256
}

// linkColumns go with linkInto and Link.values. A table that keeps links has these columns, the digest being UNIQUE:
//
//	link_digest BYTEA NOT NULL, link_state TEXT NOT NULL, link_validity BIGINT NOT NULL (microseconds), link_until BIGINT NOT NULL
const linkColumns = `link_digest, link_state, link_validity, link_until`

// linkInto scans linkColumns, the last ones of a row, into k, and whatever stands before them where it belongs.
func linkInto(s scanner, k *Link, before ...any) error {
	var validity, until int64
	err := s.Scan(append(before, &k.Digest, &k.State, &validity, &until)...)
	k.Validity, k.Until = time.Duration(validity)*time.Microsecond, instant(until)
	return err
}

// values are linkColumns to write, after what stands before them.
func (k Link) values(before ...any) []any {
	return append(before, k.Digest, k.State, k.Validity.Microseconds(), micros(k.Until))
}

// NewLink is a pending link with the digest of its token.
func NewLink(digest []byte, validity time.Duration, now time.Time) Link {
	return Link{Link: account.Link{State: account.LinkPending, Validity: validity, Until: now.Add(validity)}, Digest: digest}
}
