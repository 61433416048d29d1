package store

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

func TestARehearsalSaysWhatWouldBeDoneAndDoesNothing(t *testing.T) {
	each(t, func(h *house) {
		lines, err := h.Rehearse(h.ctx(), func(ctx context.Context) error {
			if _, err := h.CreateTeam(ctx, theOperator, h.acme.ID, "blue", ""); err != nil {
				return err
			}
			if _, err := h.CreateTeam(ctx, theOperator, h.acme.ID, "blue", ""); account.KindOf(err) != account.Conflict {
				t.Errorf("the second of a name: %v", err)
			}
			if all, err := h.Teams(ctx, theOperator, h.acme.ID); err != nil || len(all) != 1 {
				t.Errorf("within there are %v, %v", all, err)
			}
			return h.EnableService(ctx, theOperator, h.acme.ID, "studio", true)
		})
		h.ok(err)
		if len(lines) != 2 || lines[0].Verb != "team.created" || lines[1].Verb != "service.enabled" || lines[1].Target != "studio" || lines[0].At == "" {
			t.Errorf("it would say %+v", lines)
		}
		if all, err := h.Teams(h.ctx(), theOperator, h.acme.ID); err != nil || len(all) != 0 {
			t.Errorf("afterwards there are %v, %v", all, err)
		}
		for _, line := range h.auditOf() {
			if line.Verb == "team.created" || line.Target == "studio" {
				t.Errorf("the log says %+v", line)
			}
		}
	})
}

func TestChangesTogetherAreAllMadeOrNone(t *testing.T) {
	each(t, func(h *house) {
		no := errors.New("no")
		var kept context.Context
		try := func(end error) error {
			return h.Together(h.ctx(), h.acme.ID, func(ctx context.Context) error {
				kept = ctx
				if _, err := h.CreateTeam(ctx, theOperator, h.acme.ID, "blue", ""); err != nil {
					return err
				}
				return end
			})
		}
		if err := try(no); !errors.Is(err, no) {
			t.Fatal(err)
		}
		// The context of a transaction that is over is like any other.
		if all, err := h.Teams(kept, theOperator, h.acme.ID); err != nil || len(all) != 0 {
			t.Errorf("after a failure there are %v, %v", all, err)
		}
		h.ok(try(nil))
		if all, err := h.Teams(kept, theOperator, h.acme.ID); err != nil || len(all) != 1 {
			t.Errorf("there are %v, %v", all, err)
		}
	})
}

// auditOf is acme's log, newest first.
func (h *house) auditOf() []account.AuditLine {
	h.Helper()
	lines, err := h.Audit(h.ctx(), theOperator, h.acme.ID, "", 1000)
	h.ok(err)
	return lines
}

func TestACallIsMadeOnceAndAnsweredTheSameForADay(t *testing.T) {
	each(t, func(h *house) {
		call := func(request string) *Call { return &Call{Caller: "user:usr_1", Key: "one", Request: []byte(request)} }
		begin := func(request string, want string) *Answer {
			t.Helper()
			a, err := h.BeginCall(h.ctx(), call(request))
			var known *account.Error
			switch {
			case want == "" && err != nil:
				t.Errorf("%s: %v", request, err)
			case want != "" && (!errors.As(err, &known) || known.Code != want):
				t.Errorf("%s: %v, want %s", request, err, want)
			}
			return a
		}
		first := call("POST /teams blue")
		if a, err := h.BeginCall(h.ctx(), first); a != nil || err != nil {
			t.Fatal(a, err)
		}
		begin("POST /teams blue", "idempotency_running")
		begin("POST /teams red", "idempotency_key_reused")
		h.clock.turn(longestCall)
		begin("POST /teams blue", "idempotency_unknown") // whoever began it is dead
		h.ok(h.EndCall(h.ctx(), first, &Answer{Status: 201, Header: map[string][]string{"Etag": {`"1"`}}, Body: []byte("it is a secret")}))
		again := h.reopen() // after a restart
		for _, l := range []*Ledger{h.Ledger, again} {
			a, err := l.BeginCall(h.ctx(), call("POST /teams blue"))
			if err != nil || a == nil || a.Status != 201 || string(a.Body) != "it is a secret" || a.Header["Etag"][0] != `"1"` {
				t.Errorf("%+v, %v", a, err)
			}
		}
		// It is sealed in the database, and sealed anew with everything else.
		if a, err := h.BeginCall(h.ctx(), &Call{Caller: "user:usr_2", Key: "one", Request: []byte("another's")}); a != nil || err != nil {
			t.Errorf("the answer of another: %+v, %v", a, err)
		}
		h.clock.turn(callAge)
		if a := begin("POST /teams red", ""); a != nil {
			t.Errorf("after a day: %+v", a)
		}
	})
}

func TestAFailureThatLeavesOpenWhatCameOfACallIsNotRepeated(t *testing.T) {
	each(t, func(h *house) {
		c := &Call{Caller: "user:usr_1", Key: "one", Request: []byte("x")}
		if _, err := h.BeginCall(h.ctx(), c); err != nil {
			t.Fatal(err)
		}
		h.ok(h.EndCall(h.ctx(), c, nil))
		_, err := h.BeginCall(h.ctx(), &Call{Caller: "user:usr_1", Key: "one", Request: []byte("x")})
		if account.KindOf(err) != account.Conflict || !strings.Contains(err.Error(), "new key") {
			t.Error(err)
		}
	})
}

// REQ A-15
func TestAnOperatorsTokenIsShownOnceAndEnds(t *testing.T) {
	each(t, func(h *house) {
		made, secret, err := h.MintOperatorToken(h.ctx(), theOperator, "billing", 24*time.Hour)
		h.ok(err)
		verify := func(want account.ErrorKind) account.OperatorToken {
			t.Helper()
			got, err := h.VerifyOperatorToken(h.ctx(), secret)
			if account.KindOf(err) != want {
				t.Errorf("%v, want %q", err, want)
			}
			return got
		}
		if got := verify(""); got.ID != made.ID || !strings.HasPrefix(secret.Reveal(), "dbo_") {
			t.Errorf("%+v", got)
		}
		token := account.Actor{Kind: account.ActorOperator, Token: made.ID}
		for what, err := range map[string]error{
			"a life of two years": failure(h.mintOperatorToken(theOperator, 2*365*24*time.Hour)),
			"a token for a token": failure(h.mintOperatorToken(token, time.Hour)),
			"a list for a token":  failure(h.OperatorTokens(h.ctx(), token)),
			"revoking by a token": failure(h.RevokeOperatorToken(h.ctx(), token, made.ID)),
		} {
			if kind := account.KindOf(err); kind != account.Forbidden && kind != account.Invalid {
				t.Errorf("%s: %v", what, err)
			}
		}
		all, err := h.OperatorTokens(h.ctx(), theOperator)
		if err != nil || len(all) != 1 || all[0].UsedAt.IsZero() || all[0].Name != "billing" {
			t.Errorf("%+v, %v", all, err)
		}
		h.clock.turn(24 * time.Hour)
		verify(account.Unauthorized)
		_, secret, err = h.MintOperatorToken(h.ctx(), theOperator, "again", 0)
		h.ok(err)
		live := verify("")
		if _, err := h.RevokeOperatorToken(h.ctx(), theOperator, live.ID); err != nil {
			t.Error(err)
		}
		verify(account.Unauthorized)
	})
}

func (h *house) mintOperatorToken(by account.Actor, life time.Duration) (account.OperatorToken, error) {
	t, _, err := h.MintOperatorToken(h.ctx(), by, "x", life)
	return t, err
}

// REQ A-15
func TestAnOperatorsTokenManagesNobodysUsers(t *testing.T) {
	each(t, func(h *house) {
		made, _, err := h.MintOperatorToken(h.ctx(), theOperator, "billing", 0)
		h.ok(err)
		by := account.Actor{Kind: account.ActorOperator, Token: made.ID}
		amy, err := h.AddPerson(h.ctx(), theOperator, h.acme.ID, "amy@acme.example", "", account.Member)
		h.ok(err)
		whole := account.Scope{Org: h.org.ID}
		for what, err := range map[string]error{
			"adding":   failure(h.AddPerson(h.ctx(), by, h.acme.ID, "ben@acme.example", "", account.Member)),
			"reading":  failure(h.People(h.ctx(), by, h.acme.ID, "", 10)),
			"granting": h.Grant(h.ctx(), by, h.acme.ID, amy.ID, whole, "registry:reader"),
			"owning":   h.Grant(h.ctx(), by, h.acme.ID, amy.ID, whole, account.Owner),
			"removing": failure(h.RemoveFromAccount(h.ctx(), by, h.acme.ID, amy.ID)),
			"teams":    failure(h.CreateTeam(h.ctx(), by, h.acme.ID, "blue", "")),
			"the log":  failure(h.Audit(h.ctx(), by, h.acme.ID, "", 1)),
		} {
			if account.KindOf(err) != account.Forbidden {
				t.Errorf("%s: %v", what, err)
			}
		}
		refused := 0
		for _, line := range h.auditOf() {
			if line.Outcome == "refused" && line.Actor == "operator:"+string(made.ID) {
				refused++
			}
		}
		if refused != 7 {
			t.Errorf("%d refusals are in acme's log", refused)
		}
		if err := h.SetUserState(h.ctx(), by, amy.ID, account.UserDisabled); account.KindOf(err) != account.NotFound && account.KindOf(err) != account.Forbidden {
			t.Errorf("disabling: %v", err)
		}
		h.ok(h.EnableService(h.ctx(), by, h.acme.ID, "studio", true))
		if _, _, err := h.CreateAccount(h.ctx(), by, "globex", "globex", "", account.Enterprise); err != nil {
			t.Error(err)
		}
	})
}

func failure[T any](_ T, err error) error { return err }
