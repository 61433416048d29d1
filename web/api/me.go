package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/drawbridge-id/drawbridge/account"
)

// Me is who makes a request, and by what.
type Me struct {
	User    account.UserID          `json:"user,omitempty" doc:"Absent: a token of the operator."`
	Account account.AccountID       `json:"account,omitempty" doc:"In which everything is done. Absent: in none."`
	Org     string                  `json:"org,omitempty" doc:"Exact name of the org of the account."`
	Key     account.KeyID           `json:"key,omitempty" doc:"The personal key that speaks for them. Absent: a browser's session."`
	Token   account.OperatorTokenID `json:"token,omitempty" doc:"The token of the operator."`
}

func (a *API) me(h huma.API) {
	huma.Register(h, op(http.MethodGet, "/me", "who-am-i", "Who makes this request, and where"),
		func(ctx context.Context, _ *struct{}) (*body[Me], error) {
			v, _ := ctx.Value(visitorKey{}).(visitor)
			me := Me{User: v.user, Key: v.key, Token: v.token}
			if v.account == "" || v.account == account.Nowhere {
				return answer(ctx, me, nil)
			}
			acct, org, err := a.opt.Ledger.Account(ctx, caller(ctx), v.account)
			me.Account, me.Org = acct.ID, org.Name
			return answer(ctx, me, err)
		})
}
