package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/drawbridge-id/drawbridge/account"
)

// Recovery is how the owner of an account gets back in without its identity provider.
type Recovery struct {
	Status      account.RecoveryState `json:"status" enum:"not_set,pending,verified"`
	Email       string                `json:"email,omitempty" doc:"Verified, and counts."`
	VerifiedAt  *time.Time            `json:"verified_at,omitempty"`
	Pending     string                `json:"pending,omitempty" doc:"Waits to be verified; until then the verified one counts."`
	RehearsedAt *time.Time            `json:"rehearsed_at,omitempty" doc:"When a letter last came through and its link was pressed."`
	UsedAt      *time.Time            `json:"used_at,omitempty" doc:"The last emergency access."`
	Waiver      *Waiver               `json:"waiver,omitempty" doc:"Absent: nobody has decided to do without."`
	Warnings    []Warning             `json:"warnings,omitempty"`
}

// Waiver says who decided to do without a recovery e-mail, and why.
type Waiver struct {
	At     time.Time `json:"at"`
	By     string    `json:"by"`
	Reason string    `json:"reason"`
}

// Warning is something to think about in an answer that succeeded.
type Warning struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Fix     string `json:"fix,omitempty"`
}

func recoveryOf(r account.Recovery) Recovery {
	out := Recovery{Status: r.State(), Email: r.Email, VerifiedAt: when(r.VerifiedAt), Pending: r.Pending, RehearsedAt: when(r.RehearsedAt), UsedAt: when(r.UsedAt)}
	if w := r.Waived; w != nil {
		out.Waiver = &Waiver{w.At, w.By, w.Why}
	}
	return out
}

type emailBody struct {
	OrgPath
	Body struct {
		Email string `json:"email" maxLength:"320"`
	}
}

func (a *API) recovery(h huma.API) {
	get := op(http.MethodGet, "/orgs/{org}/recovery", "get-recovery", "How the owner gets back in without the identity provider")
	get.Description = "For owners and account administrators."
	huma.Register(h, get, func(ctx context.Context, in *OrgPath) (*body[Recovery], error) {
		acct, _, err := a.in(ctx, in.Org)
		if err != nil {
			return nil, problem(ctx, err)
		}
		r, err := a.opt.Ledger.Recovery(ctx, caller(ctx), acct.ID)
		return answer(ctx, recoveryOf(r), err)
	})
	set := inPerson(op(http.MethodPut, "/orgs/{org}/recovery", "set-recovery", "Set the recovery e-mail; a letter goes there, and it counts once its link was pressed"))
	set.Description = "For owners who signed in within the last half hour. Setting the one that waits sends the letter again. All owners are told."
	huma.Register(h, set, func(ctx context.Context, in *emailBody) (*body[Recovery], error) {
		var r account.Recovery
		err := a.ofOwner(ctx, in.Org, func(acct account.AccountID) (err error) {
			r, err = a.opt.Ledger.SetRecovery(ctx, caller(ctx), acct, in.Body.Email)
			return err
		})
		out := recoveryOf(r)
		if err == nil {
			out.Warnings, err = a.recoveryWarnings(ctx, in.Org, in.Body.Email)
		}
		return answer(ctx, out, err)
	})
	remove := inPerson(op(http.MethodDelete, "/orgs/{org}/recovery", "remove-recovery", "Remove the recovery e-mail"))
	remove.Description = "For owners who signed in within the last half hour. Refused while rules are active or a domain is cut over, unless doing without is waived. All owners are told."
	huma.Register(h, remove, func(ctx context.Context, in *OrgPath) (*struct{}, error) {
		return nothing(ctx, a.ofOwner(ctx, in.Org, func(acct account.AccountID) error { return a.opt.Ledger.RemoveRecovery(ctx, caller(ctx), acct) }))
	})
	rehearse := inPerson(op(http.MethodPost, "/orgs/{org}/recovery/rehearsals", "rehearse-recovery", "Send a link that shows that emergency access works, and lets nobody in"))
	rehearse.Description = "For owners."
	rehearse.DefaultStatus = http.StatusAccepted
	huma.Register(h, rehearse, func(ctx context.Context, in *OrgPath) (*struct{}, error) {
		return nothing(ctx, a.ofOwner(ctx, in.Org, func(acct account.AccountID) error { return a.opt.Ledger.RehearseRecovery(ctx, caller(ctx), acct) }))
	})
	waive := inPerson(op(http.MethodPut, "/orgs/{org}/recovery/waiver", "waive-recovery", "Record that the account does without a recovery e-mail, and why"))
	waive.Description = "For owners who signed in within the last half hour. Without a verified recovery e-mail or this, rules are not activated and no domain is cut over. All owners are told."
	huma.Register(h, waive, func(ctx context.Context, in *struct {
		OrgPath
		Body struct {
			Reason string `json:"reason" minLength:"10" maxLength:"500"`
		}
	}) (*body[Recovery], error) {
		var r account.Recovery
		err := a.ofOwner(ctx, in.Org, func(acct account.AccountID) (err error) {
			r, err = a.opt.Ledger.WaiveRecovery(ctx, caller(ctx), acct, in.Body.Reason)
			return err
		})
		return answer(ctx, recoveryOf(r), err)
	})
	retract := inPerson(op(http.MethodDelete, "/orgs/{org}/recovery/waiver", "retract-recovery-waiver", "End a waiver; what was activated meanwhile stays"))
	retract.Description = "For owners."
	huma.Register(h, retract, func(ctx context.Context, in *OrgPath) (*struct{}, error) {
		return nothing(ctx, a.ofOwner(ctx, in.Org, func(acct account.AccountID) error { return a.opt.Ledger.RetractWaiver(ctx, caller(ctx), acct) }))
	})
	address := inPerson(op(http.MethodPost, "/orgs/{org}/recovery/address", "set-owner-address", "In emergency access: send a link by which the owner has another address"))
	address.Description = "For an owner who is in by emergency access, because the mailbox of their address is gone."
	address.DefaultStatus = http.StatusAccepted
	huma.Register(h, address, func(ctx context.Context, in *emailBody) (*struct{}, error) {
		return nothing(ctx, a.ofOwner(ctx, in.Org, func(acct account.AccountID) error {
			return a.opt.Ledger.AskAddress(ctx, caller(ctx), acct, in.Body.Email)
		}))
	})
}

// ofOwner finds the org and asks for a recent sign-in, before something that decides how an owner gets in.
func (a *API) ofOwner(ctx context.Context, org string, do func(account.AccountID) error) error {
	acct, _, err := a.in(ctx, org)
	if err != nil {
		return err
	}
	if v, _ := ctx.Value(visitorKey{}).(visitor); !v.emergency { // which has no other way to sign in again
		if err := a.fresh(ctx); err != nil {
			return err
		}
	}
	return do(acct.ID)
}

// recoveryWarnings says what is unwise about a recovery e-mail: one in a domain of the account is lost together with its directory.
func (a *API) recoveryWarnings(ctx context.Context, org, email string) ([]Warning, error) {
	acct, _, err := a.in(ctx, org)
	if err != nil {
		return nil, err
	}
	domains, err := a.opt.Ledger.Domains(ctx, caller(ctx), acct.ID)
	normal, _ := account.NormalEmail(email)
	for _, d := range domains {
		if d.Name == account.EmailDomain(normal) {
			return []Warning{{"same_domain", "The address is in " + d.Name + ", whose people sign in through the identity provider; their mail may fail together with it.",
				"Choose an address elsewhere that several of you read."}}, err
		}
	}
	return nil, err
}
