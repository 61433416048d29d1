package store

import (
	"bytes"
	"strings"
	"testing"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/audit"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// THREAT AUD-2
func TestTheAuditLogTellsWhenItWasTamperedWith(t *testing.T) {
	each(t, func(h *house) {
		export := func() string {
			var b bytes.Buffer
			h.ok(h.ExportAudit(h.ctx(), theOperator, h.acme.ID, &b))
			return b.String()
		}
		verify := func(text string) (audit.Report, error) { return audit.Verify(strings.NewReader(text), "") }
		tamper := func(statement string) {
			h.ok(h.db.Write(h.ctx(), func(tx *table.Tx) error {
				res, err := tx.SQL().ExecContext(h.ctx(), statement, h.acme.ID)
				if err == nil {
					if n, _ := res.RowsAffected(); n == 0 {
						h.Errorf("%s changed nothing", statement)
					}
				}
				return err
			}))
		}
		u, err := h.AddPerson(h.ctx(), theOperator, h.acme.ID, "first@acme.example", "<b>", account.Member)
		h.ok(err)
		h.ok(h.SealAudit(h.ctx()))
		first, err := verify(export())
		h.ok(err)
		_, err = h.AddPerson(h.ctx(), theOperator, h.acme.ID, "second@acme.example", "", account.Member)
		h.ok(err)
		whole := export()
		r, err := verify(whole)
		h.ok(err)
		if r.Blocks != first.Blocks+1 || r.Lines <= first.Lines || r.Open != 0 || r.Account != h.acme.ID || r.Key != first.Key || !strings.Contains(whole, string(u.ID)) {
			h.Errorf("first %+v, then %+v", first, r)
		}
		h.ok(h.SealAudit(h.ctx())) // nothing is left to seal
		if again, err := verify(export()); err != nil || again.Blocks != r.Blocks || !bytes.Equal(again.Hash, r.Hash) {
			h.Errorf("%+v, %v", again, err)
		}
		h.refuses(h.ExportAudit(h.ctx(), account.Actor{Kind: account.ActorUser, User: u.ID}, h.acme.ID, &bytes.Buffer{}), account.Forbidden, "")

		tamper(`UPDATE audit SET actor = 'user:eve' WHERE account_id = $1 AND verb = 'person.added'`)
		if _, err := verify(export()); account.KindOf(err) != account.Invalid || !strings.Contains(err.Error(), "is not what was sealed") {
			h.Errorf("a changed line: %v", err)
		}
		tamper(`UPDATE audit SET actor = 'operator' WHERE account_id = $1 AND verb = 'person.added'`)
		if _, err := verify(export()); err != nil {
			h.Errorf("put back: %v", err)
		}
		tamper(`DELETE FROM audit WHERE account_id = $1 AND verb = 'person.added'`)
		if _, err := verify(export()); account.KindOf(err) != account.Invalid {
			h.Errorf("a removed line: %v", err)
		}
	})
}
