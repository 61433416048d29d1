package console

import (
	"cmp"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/federation/session"
	"github.com/drawbridge-id/drawbridge/request"
	"github.com/drawbridge-id/drawbridge/store"
	"github.com/drawbridge-id/drawbridge/web/page"
)

// Activation is GET /activate/{token}?all=: what is behind the link, to whoever opens it, and where it can become active. Looking uses nothing up.
func (c *Console) Activation(w http.ResponseWriter, r *http.Request) error {
	p, err := session.FromRequest(c.ledger, r)
	if err != nil && account.KindOf(err) != account.Unauthorized {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	out, err := c.activation(r, p)
	if err != nil {
		return err
	}
	return page.Render(w, r, http.StatusOK, out)
}

// activation draws it for whoever is there; p is zero for nobody.
func (c *Console) activation(r *http.Request, p account.Presence) (out page.Activate, err error) {
	token, path := account.NewSecret(r.PathValue("token")), activationPath(r)
	e, product, err := c.ledger.PeekOffer(r.Context(), token)
	if err != nil && e.ID == "" {
		return out, err
	}
	out = page.Activate{Path: path, Offer: offerView(e, product), State: e.Link.At(c.now()), EndedAt: e.EndedAt,
		SignIn: "/signin?" + url.Values{"next": {path}, "login_hint": {e.Email}}.Encode(),
		SignUp: "/signup?" + url.Values{"next": {path}, "email": {e.Email}}.Encode()}
	if p.User.ID != "" {
		top := who(r, p)
		out.Who, out.Wrong = &top, p.User.Email != e.Email
	}
	if out.State != account.LinkPending || out.Who == nil || out.Wrong {
		return out, nil
	}
	o, err := c.ledger.Offer(r.Context(), actor(r, p), store.EntitlementRef{Token: token}, p.Tenancies)
	if err != nil {
		return out, err
	}
	out.Places = offerPlaces("Activate Product", o.Owned, o.Others)
	for i := range out.Places.Others {
		if o := &out.Places.Others[i]; o.OwnerEmail != "" {
			o.Transfer = path + "/transfer?" + url.Values{"account": {string(o.Account)}}.Encode()
		}
	}
	out.Places.All = r.URL.Query().Get("all") != "" || len(out.Places.Owned) == 0
	if len(out.Places.Others) > 0 {
		out.Places.More = path + "?all=1"
	}
	return out, nil
}

func offerView(e account.Entitlement, p account.Product) page.OfferView {
	out := page.OfferView{Label: e.Label, Details: p.Details, Term: account.PlainTerm(e.Term), Note: e.Note, Email: e.Email, Until: e.Link.Until}
	if e.Source == account.FromCertificate {
		out.Holder = e.Holder
	}
	return out
}

func offerPlaces(verb string, owned, others []store.OfferPlace) page.OfferPlaces {
	out := page.OfferPlaces{Verb: verb}
	for _, o := range owned {
		out.Owned = append(out.Owned, offerPlace(o))
	}
	for _, o := range others {
		out.Others = append(out.Others, offerPlace(o))
	}
	return out
}

func offerPlace(o store.OfferPlace) page.OfferPlace {
	out := page.OfferPlace{Account: o.Account.ID, Name: o.Account.Name, Org: org(o.Org), Owner: o.Role == account.Owner, OwnerEmail: o.Owner}
	for _, s := range o.Subscriptions {
		out.Subscriptions = append(out.Subscriptions, s.Label)
	}
	var why *account.Error
	if errors.As(o.Why, &why) {
		out.Why = why.Message + " " + why.Help
	}
	return out
}

// Activate is POST /activate/{token} with account, or with new and name: the product becomes active there, and the browser goes to see it.
func (c *Console) Activate(w http.ResponseWriter, r *http.Request) error {
	return c.posted(w, r, func(w http.ResponseWriter, r *http.Request, p account.Presence) error {
		d, err := destination(r)
		var done store.Activation
		if err == nil {
			done, err = c.ledger.Activate(r.Context(), actor(r, p), store.EntitlementRef{Token: account.NewSecret(r.PathValue("token"))}, d, p.Tenancies)
		}
		wrong, say := refusedField(err)
		if say {
			out, err := c.activation(r, p)
			if err != nil {
				return err
			}
			out.Error, out.Places.New = wrong, d.New
			return page.Render(w, r, http.StatusUnprocessableEntity, out)
		}
		if err != nil {
			return err
		}
		return c.arrived(w, r, p, done)
	})
}

// destination reads where somebody wants to activate something.
func destination(r *http.Request) (d store.Destination, err error) {
	if r.PostForm.Get("new") != "" {
		if d.New = strings.TrimSpace(r.PostForm.Get("name")); d.New == "" {
			return d, account.Errorf(account.Invalid, "The new account needs a name.").At("/name").Fix("Give a short one, for instance “acme”.")
		}
		return d, nil
	}
	id, ok := account.ParseID[account.AccountID](r.PostForm.Get("account"))
	if !ok {
		return d, account.Errorf(account.Invalid, "Choose an account, or name a new one.").At("/name")
	}
	d.Account = id
	return d, nil
}

// refusedField puts what somebody can mend on the page they come from.
func refusedField(err error) (*page.FieldError, bool) {
	var e *account.Error
	if !errors.As(err, &e) {
		return nil, false
	}
	switch {
	case e.Pointer == "/name", e.Pointer == "/org", e.Code == "account_limit", e.Code == "already_active", e.Code == "not_owner":
		return &page.FieldError{Field: "name", Message: strings.TrimSpace(e.Message + " " + e.Help)}, true // one place shows both
	case e.Pointer == "/message":
		return &page.FieldError{Field: "message", Message: e.Message, Fix: e.Help}, true
	}
	return nil, false
}

// arrived takes the browser to the subscriptions of the org that something has become active in.
func (c *Console) arrived(w http.ResponseWriter, r *http.Request, p account.Presence, done store.Activation) error {
	request.Note(r.Context(), slog.String("verb", "subscription.activated"), slog.String("org", done.Org.Name))
	if p.Account.ID != done.Account.ID {
		moved, err := c.ledger.Choose(r.Context(), actor(r, p), session.Token(r), done.Account.ID)
		if account.KindOf(err) == account.NotFound { // this session may not go there: another way in leads there
			return page.Render(w, r, http.StatusOK, page.Activated{Who: who(r, p), Label: done.Subscriptions[0].Label, Org: org(done.Org)})
		}
		if err != nil {
			return err
		}
		session.Set(w, moved, c.now())
	}
	return see(w, r, "/o/"+done.Org.Name+"/subscriptions?activated=1")
}

// TransferPage is GET /activate/{token}/transfer?account=: the question whether to hand the activation on for good.
func (c *Console) TransferPage(w http.ResponseWriter, r *http.Request) error {
	return c.signedIn(w, r, func(w http.ResponseWriter, r *http.Request, p account.Presence) error {
		out, err := c.transfer(r, p, r.URL.Query().Get("account"))
		if err != nil {
			return err
		}
		return page.Render(w, r, http.StatusOK, out)
	})
}

func (c *Console) transfer(r *http.Request, p account.Presence, to string) (out page.Transfer, err error) {
	o, err := c.ledger.Offer(r.Context(), actor(r, p), store.EntitlementRef{Token: account.NewSecret(r.PathValue("token"))}, p.Tenancies)
	if err != nil {
		return out, err
	}
	for _, place := range o.Others {
		if string(place.Account.ID) == to && place.Owner != "" {
			return page.Transfer{Who: who(r, p), Path: activationPath(r) + "/transfer", Back: activationPath(r) + "?all=1", Offer: offerView(o.Entitlement, o.Catalogue),
				Account: place.Account.ID, Name: place.Account.Name, Owner: place.Owner, Message: store.DefaultTransferMessage(o.Label, place.Account.Name)}, nil
		}
	}
	return out, account.Errorf(account.NotFound, "You have joined no such account.").Fix("Go back, and choose one of the list.")
}

// Transfer is POST /activate/{token}/transfer with account and message: the activation is handed on, for good.
func (c *Console) Transfer(w http.ResponseWriter, r *http.Request) error {
	return c.posted(w, r, func(w http.ResponseWriter, r *http.Request, p account.Presence) error {
		asked, err := c.transfer(r, p, r.PostForm.Get("account"))
		if err != nil {
			return err
		}
		message := strings.TrimSpace(strings.ReplaceAll(r.PostForm.Get("message"), "\r\n", "\n"))
		next, err := c.ledger.Transfer(r.Context(), actor(r, p), store.EntitlementRef{Token: account.NewSecret(r.PathValue("token"))}, asked.Account, message, p.Tenancies)
		if wrong, say := refusedField(err); say {
			asked.Error, asked.Message = wrong, message
			return page.Render(w, r, http.StatusUnprocessableEntity, asked)
		}
		if err != nil {
			return err
		}
		request.Note(r.Context(), slog.String("verb", "entitlement.transferred"))
		return page.Render(w, r, http.StatusOK, page.Transferred{Who: asked.Who, Offer: asked.Offer, Name: asked.Name, Owner: next.Email})
	})
}

func activationPath(r *http.Request) string {
	return "/activate/" + url.PathEscape(r.PathValue("token"))
}

// Register is GET /register: the two doors to the registration of a certificate (G-14). Who is signed in is through already.
func (c *Console) Register(w http.ResponseWriter, r *http.Request) error {
	if _, err := session.FromRequest(c.ledger, r); err == nil {
		return see(w, r, "/register/certificate")
	} else if account.KindOf(err) != account.Unauthorized {
		return err
	}
	next := url.Values{"next": {"/register/certificate"}}.Encode()
	return page.Render(w, r, http.StatusOK, page.Register{SignIn: "/signin?" + next, SignUp: "/signup?" + next})
}

// registrationFields are the inputs of the form, in order, with their JSON pointers.
var registrationFields = []page.FormField{
	{Name: "number", Label: "Certificate number", Type: "text", Hint: "20 letters and digits, as the certificate shows it."},
	{Name: "first_name", Label: "First name", Type: "text", Complete: "given-name"},
	{Name: "last_name", Label: "Last name", Type: "text", Complete: "family-name"},
	{Name: "email", Label: "E-mail address", Type: "email", Complete: "email"},
	{Name: "country", Label: "Country", Type: "text", Complete: "country-name"},
	{Name: "address", Label: "Address", Type: "lines", Complete: "street-address"},
	{Name: "phone", Label: "Phone", Type: "tel", Complete: "tel"},
	{Name: "job_role", Label: "Job role", Type: "text", Complete: "organization-title"},
	{Name: "company", Label: "Company", Type: "text", Complete: "organization", Optional: true},
}

// codeFields are those of the form for codes.
var codeFields = []page.FormField{
	{Name: "company", Label: "Company", Type: "text", Complete: "organization"},
	{Name: "address", Label: "Address of the headquarters", Type: "lines", Complete: "street-address"},
	{Name: "country", Label: "Country of the headquarters", Type: "text", Complete: "country-name"},
	{Name: "codes", Label: "Serial numbers or activation codes", Type: "lines", Hint: "One or more, with commas in between."},
}

// filled puts what was typed, and what is wrong with it, into the fields of a form.
func filled(fields []page.FormField, value func(string) string, err error) (out []page.FormField, wrong []page.FieldError) {
	problems := map[string]*page.FieldError{}
	collect(err, problems)
	for _, f := range fields {
		f.Value, f.Error = value(f.Name), problems[f.Name]
		if f.Error != nil {
			wrong = append(wrong, *f.Error)
		}
		out = append(out, f)
	}
	return out, wrong
}

// collect finds every error with a pointer in a tree of them.
func collect(err error, into map[string]*page.FieldError) {
	switch e := err.(type) { //nolint:errorlint // the tree is walked by hand
	case *account.Error:
		if name := strings.TrimPrefix(e.Pointer, "/"); name != "" && into[name] == nil {
			into[name] = &page.FieldError{Field: name, Message: e.Message, Fix: e.Help}
		}
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			collect(inner, into)
		}
	}
}

func kept(fields []page.FormField, value func(string) string) (out []page.Field) {
	for _, f := range fields {
		out = append(out, page.Field{Name: f.Name, Value: value(f.Name)})
	}
	return out
}

// RegistrationForm is GET /register/certificate?number=: the form (G-19).
func (c *Console) RegistrationForm(w http.ResponseWriter, r *http.Request) error {
	return c.signedIn(w, r, func(w http.ResponseWriter, r *http.Request, p account.Presence) error {
		first, last, _ := strings.Cut(p.User.Name, " ")
		known := map[string]string{"number": r.URL.Query().Get("number"), "email": p.User.Email, "first_name": first, "last_name": last}
		fields, _ := filled(registrationFields, func(name string) string { return known[name] }, nil)
		return page.Render(w, r, http.StatusOK, page.RegisterCertificate{Who: who(r, p), Fields: fields})
	})
}

// CheckRegistration is POST /register/certificate with all fields: what the certificate is for, and the choice of an account.
func (c *Console) CheckRegistration(w http.ResponseWriter, r *http.Request) error {
	return c.posted(w, r, func(w http.ResponseWriter, r *http.Request, p account.Presence) error {
		number, reg := registration(r)
		o, err := c.ledger.CheckCertificate(r.Context(), actor(r, p), number, p.Tenancies)
		return c.register(w, r, p, o, errors.Join(err, reg.Check()), nil, "")
	})
}

// register shows the options, or the form again when something is wrong with it.
func (c *Console) register(w http.ResponseWriter, r *http.Request, p account.Presence, o store.Offer, err error, wrong *page.FieldError, name string) error {
	fields, errs := filled(registrationFields, r.PostForm.Get, pointed(err, "/number"))
	if len(errs) > 0 {
		return page.Render(w, r, http.StatusUnprocessableEntity, page.RegisterCertificate{Who: who(r, p), Fields: fields, Errors: errs})
	}
	if err != nil {
		return err
	}
	out := page.RegisterAccount{Who: who(r, p), Offer: offerView(o.Entitlement, o.Catalogue), Places: offerPlaces("Activate", o.Owned, o.Others),
		Kept: kept(registrationFields, r.PostForm.Get), Error: wrong}
	out.Places.New = name
	for i := range out.Places.Others {
		out.Places.Others[i].Ask = askOwner(out.Places.Others[i], p.Account.ID)
	}
	status := http.StatusOK
	if wrong != nil {
		status = http.StatusUnprocessableEntity
	}
	return page.Render(w, r, status, out)
}

// pointed gives a conflict about what was typed the field that it is about.
func pointed(err error, at string) error {
	var e *account.Error
	if errors.As(err, &e) && e.Pointer == "" && (e.Kind == account.Conflict || e.Kind == account.TooMany) {
		return e.At(at)
	}
	return err
}

// askOwner is where the owner of an account is asked to register a certificate (G-18).
func askOwner(o page.OfferPlace, here account.AccountID) string {
	ask := "/o/" + o.Org.Name + "/contact?template=product_request"
	if o.Account == here {
		return ask
	}
	return "/choose?" + url.Values{"next": {ask}}.Encode()
}

func registration(r *http.Request) (number string, reg account.Registration) {
	field := func(name string) string {
		return strings.TrimSpace(strings.ReplaceAll(r.PostForm.Get(name), "\r\n", "\n"))
	}
	return field("number"), account.Registration{FirstName: field("first_name"), LastName: field("last_name"), Email: field("email"), Country: field("country"),
		Address: field("address"), Phone: field("phone"), JobRole: field("job_role"), Company: field("company")}
}

// RegisterThere is POST /register/account with all fields of the form before, and the account: the certificate is used up.
func (c *Console) RegisterThere(w http.ResponseWriter, r *http.Request) error {
	return c.posted(w, r, func(w http.ResponseWriter, r *http.Request, p account.Presence) error {
		number, reg := registration(r)
		d, err := destination(r)
		var done store.Activation
		if err == nil {
			done, err = c.ledger.Register(r.Context(), actor(r, p), number, reg, d, p.Tenancies)
		}
		if wrong, say := refusedField(err); say {
			o, err := c.ledger.CheckCertificate(r.Context(), actor(r, p), number, p.Tenancies)
			return c.register(w, r, p, o, err, wrong, d.New)
		}
		if err != nil {
			return c.register(w, r, p, store.Offer{}, err, nil, "")
		}
		return c.arrived(w, r, p, done)
	})
}

// CodeForm is GET /activate-code: the form for codes that came with hardware (G-22).
func (c *Console) CodeForm(w http.ResponseWriter, r *http.Request) error {
	return c.signedIn(w, r, func(w http.ResponseWriter, r *http.Request, p account.Presence) error {
		fields, _ := filled(codeFields, func(string) string { return "" }, nil)
		return page.Render(w, r, http.StatusOK, page.ActivateCode{Who: who(r, p), Fields: fields})
	})
}

// ReviewCodes is POST /activate-code with all fields: each code with its verdict (G-24). With edit, the form is shown again.
func (c *Console) ReviewCodes(w http.ResponseWriter, r *http.Request) error {
	return c.posted(w, r, func(w http.ResponseWriter, r *http.Request, p account.Presence) error {
		if r.PostForm.Get("edit") != "" {
			fields, _ := filled(codeFields, r.PostForm.Get, nil)
			return page.Render(w, r, http.StatusOK, page.ActivateCode{Who: who(r, p), Fields: fields})
		}
		return c.review(w, r, p, nil, "")
	})
}

// review checks the codes of a form, and shows what came of it.
func (c *Console) review(w http.ResponseWriter, r *http.Request, p account.Presence, wrong *page.FieldError, name string) error {
	verdicts, err := c.ledger.CheckCodes(r.Context(), actor(r, p), r.PostForm.Get("codes"))
	err = errors.Join(pointed(err, "/codes"), business(r).Check())
	fields, errs := filled(codeFields, r.PostForm.Get, err)
	if len(errs) > 0 {
		return page.Render(w, r, http.StatusUnprocessableEntity, page.ActivateCode{Who: who(r, p), Fields: fields, Errors: errs})
	}
	if err != nil {
		return err
	}
	owned, others, err := c.ledger.Places(r.Context(), actor(r, p), p.Tenancies)
	if err != nil {
		return err
	}
	out := page.ReviewCodes{Who: who(r, p), Kept: kept(codeFields, r.PostForm.Get), Places: offerPlaces("Request Activation", owned, others), Error: wrong}
	out.Places.New = name
	for _, v := range verdicts {
		row := page.CodeRow{Code: v.Typed, Good: v.State == account.CodeGood, Verdict: v.Words()}
		if !row.Good {
			out.Bad++
		}
		out.Codes = append(out.Codes, row)
	}
	status := http.StatusOK
	if wrong != nil {
		status = http.StatusUnprocessableEntity
	}
	return page.Render(w, r, status, out)
}

func business(r *http.Request) account.Business {
	field := func(name string) string {
		return strings.TrimSpace(strings.ReplaceAll(r.PostForm.Get(name), "\r\n", "\n"))
	}
	return account.Business{Company: field("company"), Address: field("address"), Country: field("country")}
}

// RequestCodes is POST /activate-code/request with all fields of the form before, and the account: the codes are used up, all or none.
func (c *Console) RequestCodes(w http.ResponseWriter, r *http.Request) error {
	return c.posted(w, r, func(w http.ResponseWriter, r *http.Request, p account.Presence) error {
		d, err := destination(r)
		var done store.Activation
		if err == nil {
			done, err = c.ledger.ActivateCodes(r.Context(), actor(r, p), r.PostForm.Get("codes"), business(r), d, p.Tenancies)
		}
		var e *account.Error
		wrong, say := refusedField(err)
		if !say && errors.As(err, &e) && e.Pointer == "/codes" && e.Kind == account.Conflict {
			wrong, say = &page.FieldError{Field: "main", Message: e.Message, Fix: e.Help}, true
		}
		if say {
			return c.review(w, r, p, wrong, d.New)
		}
		if err != nil {
			return err
		}
		return c.arrived(w, r, p, done)
	})
}

// Subscriptions is GET /o/{org}/subscriptions: what the org holds and held, and its services (G-07, G-25).
func (c *Console) Subscriptions(w http.ResponseWriter, r *http.Request) error {
	return c.inOrg(w, r, func(w http.ResponseWriter, r *http.Request, p account.Presence) error {
		all, err := c.ledger.Subscriptions(r.Context(), actor(r, p), p.Account.ID)
		if err != nil {
			return err
		}
		cat := c.ledger.Catalogue()
		out := page.Subscriptions{Who: who(r, p), Org: org(p.Org), Services: serviceCards(p.Org, all, cat, c.now()), Activated: r.URL.Query().Get("activated") != "",
			Owner: account.HasRole(p.Roles, account.Scope{Org: p.Org.ID}, account.Owner)}
		for _, s := range all {
			row := subscriptionRow(s, cat)
			switch {
			case s.Live(c.now()):
				row.State, out.Active = "Active", append(out.Active, row)
			case s.State == account.SubscriptionActive && c.now().Before(s.From):
				row.State, out.Active = "Begins when the one before ends", append(out.Active, row)
			default:
				row.State, out.Past = "Ended", append(out.Past, row)
			}
		}
		return page.Render(w, r, http.StatusOK, out)
	})
}

func subscriptionRow(s account.Subscription, cat account.Catalogue) page.SubscriptionRow {
	row := page.SubscriptionRow{Label: s.Label, From: s.From, Until: s.Until, Quantity: s.Quantity, Source: map[account.EntitlementSource]string{
		account.FromPlatform: "an invitation", account.FromCertificate: "a certificate", account.FromCodes: "activation codes", account.FromOperator: "the operator"}[s.Source]}
	for _, id := range s.Services {
		known, _ := cat.Service(id)
		row.Services = append(row.Services, cmp.Or(known.Label, id))
	}
	return row
}

// Services is GET /o/{org}/services: a card for each active service (G-20).
func (c *Console) Services(w http.ResponseWriter, r *http.Request) error {
	return c.inOrg(w, r, func(w http.ResponseWriter, r *http.Request, p account.Presence) error {
		all, err := c.ledger.Subscriptions(r.Context(), actor(r, p), p.Account.ID)
		if err != nil {
			return err
		}
		return page.Render(w, r, http.StatusOK, page.Services{Who: who(r, p), Org: org(p.Org), Services: serviceCards(p.Org, all, c.ledger.Catalogue(), c.now())})
	})
}

// MyServices is GET /services: those of the org that the session works in.
func (c *Console) MyServices(w http.ResponseWriter, r *http.Request) error {
	return c.signedIn(w, r, func(w http.ResponseWriter, r *http.Request, p account.Presence) error {
		if p.Org.Name == "" {
			return see(w, r, "/choose?next=%2Fservices")
		}
		return see(w, r, "/o/"+p.Org.Name+"/services")
	})
}
