package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/drawbridge-id/drawbridge/account"
)

// Factor is a second factor that somebody shows beside their password.
type Factor struct {
	ID      account.FactorID   `json:"id"`
	Kind    account.FactorKind `json:"kind" enum:"totp"`
	Name    string             `json:"name"`
	Created time.Time          `json:"created"`
	Used    *time.Time         `json:"used,omitempty" doc:"Absent: never."`
}

type factorList struct {
	Factors []Factor `json:"factors"`
	Codes   int      `json:"recovery_codes" doc:"How many recovery codes are left."`
}

type enrolled struct {
	ID     account.FactorID `json:"id"`
	Secret string           `json:"secret" doc:"For the app, in base32; shown this once."`
}

type recoveryCodes struct {
	Codes []string `json:"recovery_codes" doc:"Each works once, in place of a second factor; shown this once. Empty when others hold already."`
}

func codesOf(secrets []account.Secret) recoveryCodes {
	out := recoveryCodes{Codes: []string{}}
	for _, s := range secrets {
		out.Codes = append(out.Codes, s.Reveal())
	}
	return out
}

// A FactorPath names one. It is exported as OrgPath is.
type FactorPath struct {
	Factor account.FactorID `path:"factor" maxLength:"64"`
}

func (a *API) factors(h huma.API) {
	huma.Register(h, inPerson(op(http.MethodGet, "/me/factors", "list-factors", "Your second factors")),
		func(ctx context.Context, _ *struct{}) (*body[factorList], error) {
			all, codes, err := a.opt.Ledger.Factors(ctx, caller(ctx))
			out := factorList{Factors: []Factor{}, Codes: codes}
			for _, f := range all {
				out.Factors = append(out.Factors, Factor{ID: f.ID, Kind: f.Kind, Name: f.Name, Created: f.CreatedAt, Used: when(f.UsedAt)})
			}
			return answer(ctx, out, err)
		})
	huma.Register(h, inPerson(created("/me/factors", "enrol-totp", "Begin to set up an app as second factor; it counts once its first code was confirmed")),
		func(ctx context.Context, in *struct {
			Body struct {
				Name string `json:"name" maxLength:"100" doc:"What you call it."`
			}
		}) (*body[enrolled], error) {
			if err := a.fresh(ctx); err != nil {
				return nil, problem(ctx, err)
			}
			f, secret, err := a.opt.Ledger.EnrolTOTP(ctx, caller(ctx), in.Body.Name)
			return answer(ctx, enrolled{f.ID, secret.Reveal()}, err)
		})
	huma.Register(h, inPerson(op(http.MethodPost, "/me/factors/{factor}/confirm", "confirm-factor", "Show the first code of an app")),
		func(ctx context.Context, in *struct {
			FactorPath
			Body struct {
				Code string `json:"code" maxLength:"20"`
			}
		}) (*body[recoveryCodes], error) {
			if err := a.fresh(ctx); err != nil {
				return nil, problem(ctx, err)
			}
			codes, err := a.opt.Ledger.ConfirmFactor(ctx, caller(ctx), in.Factor, in.Body.Code)
			return answer(ctx, codesOf(codes), err)
		})
	huma.Register(h, inPerson(op(http.MethodDelete, "/me/factors/{factor}", "remove-factor", "Take a second factor away")),
		func(ctx context.Context, in *FactorPath) (*struct{}, error) {
			err := a.fresh(ctx)
			if err == nil {
				err = a.opt.Ledger.RemoveFactor(ctx, caller(ctx), in.Factor)
			}
			return nothing(ctx, err)
		})
	huma.Register(h, inPerson(op(http.MethodPost, "/me/recovery-codes", "make-recovery-codes", "Ten new recovery codes in place of those before")),
		func(ctx context.Context, _ *struct{}) (*body[recoveryCodes], error) {
			if err := a.fresh(ctx); err != nil {
				return nil, problem(ctx, err)
			}
			codes, err := a.opt.Ledger.NewRecoveryCodes(ctx, caller(ctx))
			return answer(ctx, codesOf(codes), err)
		})
}
