package api

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/federation/session"
)

// MyAccount is an account that the caller has a place in.
type MyAccount struct {
	Account account.AccountID     `json:"account"`
	Name    string                `json:"name"`
	Number  string                `json:"number" doc:"That account and org share."`
	Org     string                `json:"org" doc:"Exact name of the org."`
	Title   string                `json:"title,omitempty" doc:"What people call the org."`
	Type    account.OrgType       `json:"type" enum:"individual,enterprise"`
	Role    account.Role          `json:"role" enum:"owner,admin,member" doc:"In the account."`
	Owner   bool                  `json:"owner" doc:"Whether it is theirs."`
	Status  account.TenancyStatus `json:"status" enum:"active,suspended"`
	Current bool                  `json:"current" doc:"Whether the session works in it."`
	Open    bool                  `json:"open" doc:"Whether the session may work in it; others want another way to sign in."`
}

type myAccountsPage struct {
	Accounts []MyAccount `json:"accounts"`
	Next     string      `json:"next,omitempty"`
}

// Opened is an account that its caller has just made.
type Opened struct {
	Account account.AccountID `json:"account"`
	Name    string            `json:"name"`
	Number  string            `json:"number"`
	Org     Org               `json:"org"`
}

// AccountProfile is what an account says about itself.
type AccountProfile struct {
	Account     account.AccountID `json:"account"`
	Name        string            `json:"name"`
	Number      string            `json:"number"`
	Org         string            `json:"org" doc:"Exact name of the org that is linked to it."`
	Type        account.OrgType   `json:"type" enum:"individual,enterprise"`
	Owner       string            `json:"owner,omitempty" doc:"E-mail address of whoever owns the account."`
	Description string            `json:"description"`
	Company     Company           `json:"company"`
}

// Company is who stands behind an account.
type Company struct {
	Name    string `json:"name,omitempty" maxLength:"200"`
	Address string `json:"address,omitempty" maxLength:"500"`
	Country string `json:"country,omitempty" maxLength:"2" doc:"Two capital letters, as ISO 3166-1 has it."`
	Website string `json:"website,omitempty" maxLength:"300"`
	Phone   string `json:"phone,omitempty" maxLength:"50"`
}

// Billing says where invoices go. Card numbers are refused wherever they stand.
type Billing struct {
	Name      string `json:"name" maxLength:"200"`
	Email     string `json:"email" maxLength:"320"`
	Address   string `json:"address,omitempty" maxLength:"500"`
	Country   string `json:"country,omitempty" maxLength:"2" doc:"Two capital letters, as ISO 3166-1 has it."`
	TaxID     string `json:"tax_id,omitempty" maxLength:"50"`
	Reference string `json:"reference,omitempty" maxLength:"100" doc:"Of the customer, printed on invoices."`
}

// Task is one task of the account console.
type Task struct {
	ID          account.TaskID `json:"id" enum:"recovery_email,account_admins,company_information,tenancy_status"`
	Done        bool           `json:"done"`
	Recommended bool           `json:"recommended" doc:"Highly so."`
	Count       int            `json:"count" doc:"Administrators beside the owner; people whose place is suspended."`
}

type checklist struct {
	Tasks []Task `json:"tasks"`
}

// AccountPerson is somebody's place in an account.
type AccountPerson struct {
	ID      account.UserID        `json:"id"`
	Email   string                `json:"email"`
	Name    string                `json:"name,omitempty"`
	State   account.UserState     `json:"state" enum:"active,disabled"`
	Place   account.TenancyStatus `json:"place" enum:"active,suspended"`
	Since   time.Time             `json:"since"`
	Role    account.Role          `json:"role" enum:"owner,admin,member"`
	Sources []Source              `json:"sources"`
}

type accountPeoplePage struct {
	People []AccountPerson `json:"people"`
	Next   account.UserID  `json:"next,omitempty"`
}

// An AccountPath names an account by its id.
type AccountPath struct {
	Account string `path:"account" maxLength:"64" doc:"Id of the account."`
}

// id is the account's; one that cannot be read exists for nobody.
func (p AccountPath) id() account.AccountID {
	id, _ := account.ParseID[account.AccountID](p.Account)
	return id
}

// A Browser is the session that a request came with. It is exported because huma passes over what an input embeds under a lower-case name.
type Browser struct{ token account.Secret }

// Resolve implements huma.Resolver.
func (b *Browser) Resolve(c huma.Context) []error {
	r, _ := humago.Unwrap(c)
	b.token = session.Token(r)
	return nil
}

func (a *API) accounts(h huma.API) {
	list := inPerson(op(http.MethodGet, "/me/accounts", "list-my-accounts", "The accounts that the caller has a place in, by name"))
	list.Description = "Everybody who is signed in may ask about themselves."
	huma.Register(h, list, func(ctx context.Context, in *struct {
		Browser
		Q     string `query:"q" maxLength:"100" doc:"A part of the name of the account or of its org."`
		After string `query:"after" maxLength:"200" doc:"Cursor: \"next\" of the page before."`
		Limit int    `query:"limit" default:"100" minimum:"1" maximum:"500"`
	}) (*body[myAccountsPage], error) {
		all, err := a.opt.Ledger.MyAccounts(ctx, caller(ctx), in.Q, in.After, in.Limit)
		if err != nil {
			return nil, problem(ctx, err)
		}
		p, err := a.opt.Ledger.Presence(ctx, in.token)
		page := myAccountsPage{Accounts: []MyAccount{}}
		for _, o := range all {
			open := slices.ContainsFunc(p.Tenancies, func(t account.Place) bool { return t.Account.ID == o.Account.ID })
			page.Accounts = append(page.Accounts, MyAccount{o.Account.ID, o.Account.Name, o.Account.Number, o.Org.Name, o.Org.Title, o.Org.Type,
				o.Role, o.Role == account.Owner, o.Status, o.Account.ID == p.Account.ID, open})
		}
		if len(all) == in.Limit {
			page.Next = all[len(all)-1].Account.Name
		}
		return answer(ctx, page, err)
	})
	open := inPerson(created("/me/accounts", "open-account", "Open an account, with an individual org"))
	open.Description = "Everybody who is signed in may, up to the limit of accounts that somebody may own. They own both; the session stays where it is."
	huma.Register(h, open, func(ctx context.Context, in *struct {
		Body struct {
			Name string `json:"name" maxLength:"200" doc:"Of the account, without spaces; the org's name is made from it."`
		}
	}) (*body[Opened], error) {
		acct, org, err := a.opt.Ledger.OpenAccount(ctx, caller(ctx), in.Body.Name)
		return answer(ctx, Opened{acct.ID, acct.Name, acct.Number, orgView(org)}, err)
	})
	move := inPerson(op(http.MethodPost, "/me/account", "switch-account", "Work in another account"))
	move.Description = "Everybody who is signed in with a browser may, among the accounts that are open to their session. The answer carries the session's new cookie; the old one is worthless from then on."
	move.DefaultStatus = http.StatusNoContent
	huma.Register(h, move, func(ctx context.Context, in *struct {
		Browser
		Body struct {
			Account string `json:"account" maxLength:"64"`
		}
	}) (*switched, error) {
		if err := a.personal(ctx); err != nil {
			return nil, problem(ctx, err)
		}
		s, err := a.opt.Ledger.Choose(ctx, caller(ctx), in.token, AccountPath{in.Body.Account}.id())
		if err != nil {
			return nil, problem(ctx, err)
		}
		return &switched{*session.CookieOf(s, a.opt.Now())}, nil
	})
	a.accountConsole(h)
}

// switched is a 204 with the session's new cookie.
type switched struct {
	Cookie http.Cookie `header:"Set-Cookie"`
}

// personal lets who came with a browser.
func (a *API) personal(ctx context.Context) error {
	if v, _ := ctx.Value(visitorKey{}).(visitor); v.key != "" || v.user == "" {
		return account.Errorf(account.Forbidden, "A key works in its own org alone.").Coded("session_needed").Fix("Sign in with a browser.")
	}
	return nil
}

func (a *API) accountConsole(h huma.API) {
	get := op(http.MethodGet, "/accounts/{account}", "get-account", "An account: owner, org, company information")
	get.Description = "Everybody with a place in the account may."
	huma.Register(h, get, func(ctx context.Context, in *AccountPath) (*body[AccountProfile], error) {
		return a.accountProfile(ctx, in.id())
	})
	save := op(http.MethodPut, "/accounts/{account}", "save-account", "Replace description and company information of an account")
	save.Description = "The owner and the administrators of the account may."
	huma.Register(h, save, func(ctx context.Context, in *struct {
		AccountPath
		Body struct {
			Description string  `json:"description,omitempty" maxLength:"1000"`
			Company     Company `json:"company,omitempty"`
		}
	}) (*body[AccountProfile], error) {
		if err := a.opt.Ledger.SaveAccountProfile(ctx, caller(ctx), in.id(), in.Body.Description, account.Company(in.Body.Company)); err != nil {
			return nil, problem(ctx, err)
		}
		return a.accountProfile(ctx, in.id())
	})
	tasks := op(http.MethodGet, "/accounts/{account}/checklist", "get-checklist", "What is left to set up in an account")
	tasks.Description = "The owner and the administrators of the account may."
	huma.Register(h, tasks, func(ctx context.Context, in *AccountPath) (*body[checklist], error) {
		all, err := a.opt.Ledger.Checklist(ctx, caller(ctx), in.id())
		out := checklist{Tasks: []Task{}}
		for _, t := range all {
			out.Tasks = append(out.Tasks, Task(t))
		}
		return answer(ctx, out, err)
	})
	billing := op(http.MethodGet, "/accounts/{account}/billing", "get-billing", "Where an account's invoices go")
	billing.Description = "The owner of the account may. Empty fields: nothing was said."
	huma.Register(h, billing, func(ctx context.Context, in *AccountPath) (*body[Billing], error) {
		b, _, err := a.opt.Ledger.Billing(ctx, caller(ctx), in.id())
		return answer(ctx, Billing(b), err)
	})
	saveBilling := op(http.MethodPut, "/accounts/{account}/billing", "save-billing", "Say where an account's invoices go")
	saveBilling.Description = "The owner of the account may. No card data is kept: what looks like a card number is refused."
	huma.Register(h, saveBilling, func(ctx context.Context, in *struct {
		AccountPath
		Body Billing
	}) (*body[Billing], error) {
		err := a.opt.Ledger.SaveBilling(ctx, caller(ctx), in.id(), account.Billing(in.Body))
		return answer(ctx, in.Body, err)
	})
	people := op(http.MethodGet, "/accounts/{account}/people", "list-account-people", "The people of an account with their place in it")
	people.Description = "The owner and the administrators of the account may. What somebody holds in the org is shown there, to who manages its users."
	huma.Register(h, people, func(ctx context.Context, in *struct {
		AccountPath
		After account.UserID `query:"after" maxLength:"64" doc:"Cursor: \"next\" of the page before."`
		Limit int            `query:"limit" default:"100" minimum:"1" maximum:"500"`
	}) (*body[accountPeoplePage], error) {
		all, err := a.opt.Ledger.Tenants(ctx, caller(ctx), in.id(), in.After, in.Limit)
		page := accountPeoplePage{People: []AccountPerson{}}
		for _, t := range all {
			p := AccountPerson{t.User.ID, t.User.Email, t.User.Name, t.User.State, t.Tenancy.Status, t.Tenancy.Since, t.Tenancy.Role, []Source{}}
			for _, s := range t.Tenancy.Sources {
				p.Sources = append(p.Sources, Source{s.Kind, s.Rule, s.Group, s.Connection, s.By, s.At})
			}
			page.People = append(page.People, p)
		}
		if len(all) == in.Limit {
			page.Next = all[len(all)-1].User.ID
		}
		return answer(ctx, page, err)
	})
	role := op(http.MethodPut, "/accounts/{account}/people/{user}/role", "set-account-role", "Make somebody of an account an administrator or a member of it")
	role.Description = "The owner and the administrators of the account may. An account has one owner: ownership moves when it is transferred."
	huma.Register(h, role, func(ctx context.Context, in *struct {
		AccountPath
		User account.UserID `path:"user" maxLength:"64"`
		Body struct {
			Role account.Role `json:"role" enum:"owner,admin,member"`
		}
	}) (*struct{}, error) {
		return nothing(ctx, a.opt.Ledger.SetAccountRole(ctx, caller(ctx), in.id(), in.User, in.Body.Role))
	})
	transfer := inPerson(op(http.MethodPost, "/accounts/{account}/owner", "transfer-account", "Transfer the ownership of an account"))
	transfer.Description = "The owner of the account may, having signed in within the last 30 minutes; to an administrator of the account who owns its org. Who owned it stays as an administrator."
	huma.Register(h, transfer, func(ctx context.Context, in *struct {
		AccountPath
		Body struct {
			User account.UserID `json:"user" maxLength:"64"`
		}
	}) (*struct{}, error) {
		if _, err := a.opt.Ledger.AccountProfile(ctx, caller(ctx), in.id()); err != nil {
			return nil, problem(ctx, err)
		}
		err := a.fresh(ctx)
		if err == nil {
			err = a.opt.Ledger.TransferOwnership(ctx, caller(ctx), in.id(), in.Body.User)
		}
		return nothing(ctx, err)
	})
}

func (a *API) accountProfile(ctx context.Context, id account.AccountID) (*body[AccountProfile], error) {
	p, err := a.opt.Ledger.AccountProfile(ctx, caller(ctx), id)
	return answer(ctx, AccountProfile{p.Account.ID, p.Account.Name, p.Account.Number, p.Org.Name, p.Org.Type, p.Owner.Email, p.Description, Company(p.Company)}, err)
}
