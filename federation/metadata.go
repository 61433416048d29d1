package federation

import (
	"context"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/federation/saml"
)

// RefreshMetadata reads the metadata of every connection whose last look is older than
// Limits.MetadataAge.
func (d *Door) RefreshMetadata(ctx context.Context) error {
	due, err := d.ledger.MetadataDue(ctx, d.limits.MetadataAge)
	if err != nil {
		return err
	}
	return each(ctx, due, func(ctx context.Context, c account.Connection) error {
		_, err := d.Refresh(ctx, system("metadata"), c)
		return err
	}, func(c account.Connection, err error) {
		d.log.WarnContext(ctx, "metadata not refreshed", "connection", c.ID, "error", err)
	})
}

// Refresh reads the metadata of one live SAML connection now and stores what came of it: new certificates
// take effect at once, what could be an attack waits for an administrator (SAML-M2). A document that
// cannot be read changes nothing; the ledger keeps the reason.
func (d *Door) Refresh(ctx context.Context, by account.Actor, c account.Connection) (account.Refresh, error) {
	out := account.Refresh{Connection: c.ID}
	if c.Live == nil || c.Live.SAML == nil || c.Live.SAML.MetadataURL == "" {
		return out, account.Errorf(account.Conflict, "The connection %q has no metadata URL.", c.Name)
	}
	old := *c.Live.SAML
	p, err := d.readMetadata(ctx, old)
	if err != nil {
		out.Err = err
		tell(d.metrics.Refreshed, "failed")
		return out, d.ledger.RecordRefresh(ctx, by, out)
	}
	updated, changes, approve := saml.Refresh(old, p)
	out.Hash, out.Changes, out.NeedsApproval = p.Hash, changes, approve
	outcome := "unchanged"
	if len(changes) > 0 {
		out.Settings, outcome = &updated, "updated"
		if approve {
			outcome = "waiting"
		}
	}
	tell(d.metrics.Refreshed, outcome)
	return out, d.ledger.RecordRefresh(ctx, by, out)
}

func (d *Door) readMetadata(ctx context.Context, s account.SAMLSettings) (saml.Provider, error) {
	xml, err := saml.FetchMetadata(ctx, d.fetch, s.MetadataURL)
	if err != nil {
		return saml.Provider{}, err
	}
	// An aggregate holds many providers: the known one is looked for first, and when it is gone the only one
	// there is read, so that an administrator sees what its new name would be.
	p, err := saml.ReadMetadata(xml, s.EntityID, s.MetadataKeyPin, d.now())
	if err != nil {
		if other, again := saml.ReadMetadata(xml, "", s.MetadataKeyPin, d.now()); again == nil {
			return other, nil
		}
	}
	return p, err
}
