package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store"
)

// Entitlement is a right to activate a product once.
type Entitlement struct {
	ID        account.EntitlementID     `json:"id"`
	Source    account.EntitlementSource `json:"source" enum:"invitation,certificate"`
	Product   string                    `json:"product"`
	Label     string                    `json:"label"`
	Details   string                    `json:"details,omitempty"`
	Term      string                    `json:"term" doc:"How long the subscription runs, for people."`
	Email     string                    `json:"email" doc:"Whom it was sent to."`
	Holder    string                    `json:"holder,omitempty" doc:"Whom a certificate names."`
	Note      string                    `json:"note,omitempty"`
	State     account.LinkState         `json:"state" enum:"pending,accepted,expired,revoked,transferred"`
	Account   account.AccountID         `json:"account,omitempty" doc:"Where it was activated, or is to be after a transfer."`
	CreatedAt time.Time                 `json:"created_at"`
	ExpiresAt time.Time                 `json:"expires_at"`
	EndedAt   *time.Time                `json:"ended_at,omitempty"`
}

// Offer is an entitlement with the accounts that it can go to.
type Offer struct {
	Entitlement
	Eligible []OfferAccount `json:"eligible" doc:"Accounts that you own."`
	Others   []OfferAccount `json:"others" doc:"Accounts that you joined, owned by others: an invitation can be transferred to their owner."`
}

// OfferAccount is an account that something could go to.
type OfferAccount struct {
	Account       account.AccountID `json:"account"`
	Name          string            `json:"name"`
	Org           string            `json:"org" doc:"Exact name."`
	Type          account.OrgType   `json:"type" enum:"individual,enterprise"`
	Owner         string            `json:"owner,omitempty" doc:"Address of the owner of the account."`
	Subscriptions []Subscription    `json:"subscriptions" doc:"Active ones."`
	Why           string            `json:"why,omitempty" doc:"Why it cannot be activated there. Absent: it can."`
}

// Subscription is what an org may use of a product.
type Subscription struct {
	ID       account.SubscriptionID    `json:"id"`
	Product  string                    `json:"product"`
	Label    string                    `json:"label"`
	Services []string                  `json:"services"`
	State    string                    `json:"state" enum:"active,pending,expired" doc:"pending: it begins when the one before it ends."`
	From     time.Time                 `json:"from"`
	Until    *time.Time                `json:"until,omitempty" doc:"Absent: no end."`
	Quantity int                       `json:"quantity" doc:"How many codes it came from; otherwise 1."`
	Source   account.EntitlementSource `json:"source" enum:"invitation,certificate,codes,operator"`
}

// Activated is what came of an activation.
type Activated struct {
	Account       account.AccountID `json:"account"`
	Org           string            `json:"org" doc:"Exact name."`
	New           bool              `json:"new" doc:"The account was made for it."`
	Subscriptions []Subscription    `json:"subscriptions"`
}

// Destination says where something is to become active: exactly one of its fields is given.
type Destination struct {
	Account    account.AccountID `json:"account,omitempty" maxLength:"64" doc:"An account that you own."`
	NewAccount string            `json:"new_account,omitempty" maxLength:"64" doc:"Name of an account to be made for it."`
}

func (d Destination) there() (store.Destination, error) {
	if (d.Account == "") == (d.NewAccount == "") {
		return store.Destination{}, account.Errorf(account.Invalid, "Expected either account or new_account.").At("/account")
	}
	return store.Destination{Account: d.Account, New: d.NewAccount}, nil
}

// CodeVerdict is what is known of one code.
type CodeVerdict struct {
	Code    string            `json:"code" doc:"As it was sent."`
	Verdict account.CodeState `json:"verdict" enum:"good,unknown,used,repeated,malformed"`
	Product string            `json:"product,omitempty"`
	Message string            `json:"message"`
}

func (a *API) subscription(s account.Subscription) Subscription {
	out := Subscription{ID: s.ID, Product: s.Product, Label: s.Label, Services: s.Services, State: string(s.State), From: s.From, Until: when(s.Until), Quantity: s.Quantity, Source: s.Source}
	switch now := a.opt.Now(); {
	case s.State == account.SubscriptionActive && now.Before(s.From):
		out.State = "pending"
	case !s.Live(now):
		out.State = "expired"
	}
	return out
}

func (a *API) subscriptions(all []account.Subscription) []Subscription {
	out := make([]Subscription, len(all))
	for i, s := range all {
		out[i] = a.subscription(s)
	}
	return out
}

func (a *API) entitlement(e account.Entitlement) Entitlement {
	out := Entitlement{ID: e.ID, Source: e.Source, Product: e.Product, Label: e.Label, Term: account.PlainTerm(e.Term), Email: e.Email, Note: e.Note,
		State: e.Link.At(a.opt.Now()), Account: e.Account, CreatedAt: e.CreatedAt, ExpiresAt: e.Link.Until, EndedAt: when(e.EndedAt)}
	if e.Source == account.FromCertificate {
		out.Holder = e.Holder
	}
	p, _ := a.opt.Ledger.Catalogue().Product(e.Product)
	out.Details = p.Details
	return out
}

func (a *API) offer(o store.Offer) Offer {
	return Offer{Entitlement: a.entitlement(o.Entitlement), Eligible: a.offerAccounts(o.Owned), Others: a.offerAccounts(o.Others)}
}

func (a *API) offerAccounts(all []store.OfferPlace) []OfferAccount {
	out := make([]OfferAccount, len(all))
	for i, o := range all {
		out[i] = OfferAccount{Account: o.Account.ID, Name: o.Account.Name, Org: o.Org.Name, Type: o.Org.Type, Owner: o.Owner, Subscriptions: a.subscriptions(o.Subscriptions)}
		if o.Why != nil {
			out[i].Why = o.Why.Error()
		}
	}
	return out
}

func (a *API) activated(done store.Activation) Activated {
	return Activated{Account: done.Account.ID, Org: done.Org.Name, New: done.New, Subscriptions: a.subscriptions(done.Subscriptions)}
}

// reach are the accounts that the caller's session may work in.
func reach(ctx context.Context) []account.Place {
	v, _ := ctx.Value(visitorKey{}).(visitor)
	return v.places
}

// An EntitlementPath names an invitation that was sent to the caller.
type EntitlementPath struct {
	Entitlement account.EntitlementID `path:"entitlement" maxLength:"64"`
}

func (p EntitlementPath) ref() store.EntitlementRef { return store.EntitlementRef{ID: p.Entitlement} }

func (a *API) entitlements(h huma.API) {
	mine := func(o huma.Operation, what string) huma.Operation { o.Description = what; return inPerson(o) }
	const themselves = "Whoever is signed in may, for themselves."

	huma.Register(h, op(http.MethodGet, "/orgs/{org}/subscriptions", "list-subscriptions", "What an org holds and held, newest first"),
		func(ctx context.Context, in *OrgPath) (*body[subscriptionsPage], error) {
			acct, _, err := a.in(ctx, in.Org)
			if err != nil {
				return nil, problem(ctx, err)
			}
			all, err := a.opt.Ledger.Subscriptions(ctx, caller(ctx), acct.ID)
			return answer(ctx, subscriptionsPage{Subscriptions: a.subscriptions(all)}, err)
		})
	huma.Register(h, mine(op(http.MethodGet, "/me/entitlements", "list-my-entitlements", "Invitations to activate a product that were sent to you, newest first"), themselves),
		func(ctx context.Context, _ *struct{}) (*body[entitlementsPage], error) {
			all, err := a.opt.Ledger.MyEntitlements(ctx, caller(ctx))
			out := make([]Entitlement, len(all))
			for i, e := range all {
				out[i] = a.entitlement(e)
			}
			return answer(ctx, entitlementsPage{Entitlements: out}, err)
		})
	huma.Register(h, mine(op(http.MethodGet, "/me/entitlements/{entitlement}", "get-my-entitlement", "What can be done with an invitation to activate a product"),
		themselves+" 409: link_used, link_expired, link_revoked, transferred."),
		func(ctx context.Context, in *EntitlementPath) (*body[Offer], error) {
			o, err := a.opt.Ledger.Offer(ctx, caller(ctx), in.ref(), reach(ctx))
			return answer(ctx, a.offer(o), err)
		})
	huma.Register(h, mine(op(http.MethodPost, "/me/entitlements/{entitlement}/activate", "activate-entitlement", "Activate a product in an account that you own, or in a new one"),
		themselves+" An individual org becomes an enterprise org by it. 403 not_owner: an account of somebody else. 409: link_used, link_expired, transferred, already_active, name_taken."),
		func(ctx context.Context, in *struct {
			EntitlementPath
			Body Destination
		}) (*body[Activated], error) {
			d, err := in.Body.there()
			if err != nil {
				return nil, problem(ctx, err)
			}
			done, err := a.opt.Ledger.Activate(ctx, caller(ctx), in.ref(), d, reach(ctx))
			return answer(ctx, a.activated(done), err)
		})
	huma.Register(h, mine(op(http.MethodPost, "/me/entitlements/{entitlement}/transfer", "transfer-entitlement", "Hand an invitation on to the owner of an account that you joined, for good"),
		themselves+" It cannot be undone. 409: link_used, transferred, no_owner, own_account."),
		func(ctx context.Context, in *struct {
			EntitlementPath
			Body struct {
				Account account.AccountID `json:"account" maxLength:"64"`
				Message string            `json:"message,omitempty" maxLength:"4000" doc:"Plain text for the letter. Absent: the usual one."`
			}
		}) (*struct{}, error) {
			_, err := a.opt.Ledger.Transfer(ctx, caller(ctx), in.ref(), in.Body.Account, in.Body.Message, reach(ctx))
			return nothing(ctx, err)
		})
	huma.Register(h, mine(op(http.MethodPost, "/me/certificates/check", "check-certificate", "What the number of a certificate stands for, and where it can be registered"),
		themselves+" Nothing is used up. 404: no_certificate. 429 too_many_guesses."),
		func(ctx context.Context, in *struct {
			Body struct {
				Number string `json:"number" maxLength:"200"`
			}
		}) (*body[Offer], error) {
			o, err := a.opt.Ledger.CheckCertificate(ctx, caller(ctx), in.Body.Number, reach(ctx))
			return answer(ctx, a.offer(o), err)
		})
	huma.Register(h, mine(op(http.MethodPost, "/me/certificates/register", "register-certificate", "Register a certificate in an account that you own, or in a new one"),
		themselves+" Each missing field is named by its pointer. 403 not_owner: its owner registers it."),
		func(ctx context.Context, in *struct {
			Body struct {
				Destination
				Number     string               `json:"number" maxLength:"200"`
				Registrant account.Registration `json:"registrant"`
			}
		}) (*body[Activated], error) {
			d, err := in.Body.there()
			if err != nil {
				return nil, problem(ctx, err)
			}
			done, err := a.opt.Ledger.Register(ctx, caller(ctx), in.Body.Number, in.Body.Registrant, d, reach(ctx))
			return answer(ctx, a.activated(done), err)
		})
	huma.Register(h, mine(op(http.MethodPost, "/me/codes/check", "check-codes", "A verdict on each activation code or serial number"), themselves+" Nothing is used up. 429 too_many_guesses."),
		func(ctx context.Context, in *struct {
			Body struct {
				Codes string `json:"codes" maxLength:"10000" doc:"With commas in between, at most 100."`
			}
		}) (*body[verdictsPage], error) {
			all, err := a.opt.Ledger.CheckCodes(ctx, caller(ctx), in.Body.Codes)
			out := make([]CodeVerdict, len(all))
			for i, v := range all {
				out[i] = CodeVerdict{v.Typed, v.State, v.Product, v.Words()}
			}
			return answer(ctx, verdictsPage{Codes: out}, err)
		})
	huma.Register(h, mine(op(http.MethodPost, "/me/codes/activate", "activate-codes", "Use activation codes up, all or none"), themselves+" 409 bad_codes names those that cannot be used."),
		func(ctx context.Context, in *struct {
			Body struct {
				Destination
				Codes    string           `json:"codes" maxLength:"10000" doc:"With commas in between, at most 100."`
				Business account.Business `json:"business"`
			}
		}) (*body[Activated], error) {
			d, err := in.Body.there()
			if err != nil {
				return nil, problem(ctx, err)
			}
			done, err := a.opt.Ledger.ActivateCodes(ctx, caller(ctx), in.Body.Codes, in.Body.Business, d, reach(ctx))
			return answer(ctx, a.activated(done), err)
		})
}

type subscriptionsPage struct {
	Subscriptions []Subscription `json:"subscriptions"`
}

type entitlementsPage struct {
	Entitlements []Entitlement `json:"entitlements"`
}

type verdictsPage struct {
	Codes []CodeVerdict `json:"codes"`
}
