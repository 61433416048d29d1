package store

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// selling is the house with something to sell.
func (h *house) selling() *house {
	cat := catalogue
	cat.Products = []account.Product{
		{ID: "suite", Label: "Studio suite", Services: []string{"registry", "studio"}, Term: 30 * 24 * time.Hour, Premium: true},
		{ID: "forever", Label: "Registry", Services: []string{"registry"}},
	}
	h.catalogue.Store(&cat)
	return h
}

// somebody is a person with an address and no place anywhere.
func (h *house) somebody(email string) account.User {
	h.Helper()
	u := account.User{ID: account.NewID[account.UserID](h.clock.now(), h.opt.Random), Email: email, State: account.UserActive, CreatedAt: h.clock.now()}
	h.ok(h.db.Write(h.ctx(), func(tx *table.Tx) error { return tx.InsertUser(u) }))
	return u
}

// letter is the data of the newest one to somebody.
func (h *house) letter(to, name string) map[string]string {
	h.Helper()
	due, err := h.ClaimLetters(h.ctx(), 100)
	h.ok(err)
	slices.Reverse(due)
	for _, l := range due {
		if l.To == to && l.Name == name {
			return l.Data
		}
	}
	h.Fatalf("no letter %s to %s", name, to)
	return nil
}

// places are the accounts that somebody's own session may work in.
func (h *house) places(u account.User) (out []account.Place) {
	h.Helper()
	h.ok(h.db.Read(h.ctx(), func(tx *table.Tx) (err error) { out, err = tx.Places(u.ID); return err }))
	return out
}

func (h *house) services(a account.AccountID) []string {
	h.Helper()
	_, org, err := h.Account(h.ctx(), theOperator, a)
	h.ok(err)
	return org.Services
}

// REQ G-02, B-02~
func TestAnApprovalIsForOnePersonOnce(t *testing.T) {
	each(t, func(h *house) {
		h.selling()
		amy, ben := h.somebody("amy@globex.example"), h.somebody("ben@globex.example")
		e, err := h.Approve(h.ctx(), theOperator, Award{Product: "suite", Email: "Amy@globex.example"})
		h.ok(err)
		token := account.NewSecret(h.letter("amy@globex.example", "activation")["Token"])

		seen, p, err := h.PeekOffer(h.ctx(), token)
		h.ok(err)
		if seen.ID != e.ID || p.ID != "suite" {
			h.Errorf("%+v %+v", seen, p)
		}
		_, _, err = h.PeekOffer(h.ctx(), account.NewSecret("nothing"))
		h.refuses(err, account.NotFound, "no_link")
		ref := EntitlementRef{Token: token}
		_, err = h.Offer(h.ctx(), asUser(ben), ref, nil)
		h.refuses(err, account.Forbidden, "wrong_person")
		_, err = h.Activate(h.ctx(), asUser(ben), EntitlementRef{ID: e.ID}, Destination{New: "ben"}, nil)
		h.refuses(err, account.NotFound, "no_link")
		_, err = h.Activate(h.ctx(), asUser(amy), ref, Destination{Account: h.acme.ID}, nil)
		h.refuses(err, account.NotFound, "no_account")

		out, err := h.Activate(h.ctx(), asUser(amy), ref, Destination{New: "globex"}, nil)
		h.ok(err)
		if !out.New || out.Org.Type != account.Enterprise || !slices.Equal(out.Org.Services, []string{"registry", "studio"}) {
			h.Errorf("%+v", out)
		}
		subs, err := h.Subscriptions(h.ctx(), asUser(amy), out.Account.ID)
		h.ok(err)
		if len(subs) != 1 || subs[0].Entitlement != e.ID || !subs[0].Live(h.clock.now()) || subs[0].Until.Sub(subs[0].From) != 30*24*time.Hour {
			h.Errorf("%+v", subs)
		}
		_, err = h.Activate(h.ctx(), asUser(amy), ref, Destination{New: "again"}, h.places(amy))
		h.refuses(err, account.Conflict, "link_used")
		mine, err := h.MyEntitlements(h.ctx(), asUser(amy))
		h.ok(err)
		if len(mine) != 1 || mine[0].Account != out.Account.ID || mine[0].Link.State != account.LinkAccepted {
			h.Errorf("%+v", mine)
		}

		for what, err := range map[string]error{
			"a person approves": func() error {
				_, err := h.Approve(h.ctx(), asUser(amy), Award{Product: "suite", Email: "amy@globex.example"})
				return err
			}(),
			"a person imports": func() error {
				_, err := h.ImportCodes(h.ctx(), asUser(amy), "suite", "b", 0, []string{"A1"})
				return err
			}(),
			"a person lists": func() error { _, err := h.Entitlements(h.ctx(), asUser(amy), "", "", 10); return err }(),
			"an owner subscribes": func() error {
				_, err := h.ApplySubscription(h.ctx(), asUser(amy), out.Account.ID, "forever", 0)
				return err
			}(),
			"an owner ends theirs": h.EndSubscription(h.ctx(), asUser(amy), out.Account.ID, subs[0].ID),
		} {
			if account.KindOf(err) != account.Forbidden {
				h.Errorf("%s: %v", what, err)
			}
		}
		_, err = h.Approve(h.ctx(), theOperator, Award{Product: "nothing", Email: "amy@globex.example"})
		if e := h.refuses(err, account.Invalid, "no_product"); !strings.Contains(e.Help, "suite, forever") {
			h.Errorf("%+v", e)
		}
	})
}

// REQ G-05, G-09, B-06, B-07
func TestAnActivationGoesToAnOwnedAccountAndConvertsIt(t *testing.T) {
	each(t, func(h *house) {
		h.selling()
		amy := h.person("amy@acme.example", account.Member)
		one, org, err := h.OpenAccount(h.ctx(), asUser(amy), "amys")
		h.ok(err)
		if org.Type != account.Individual {
			h.Fatalf("%+v", org)
		}
		// Only the owner's activation makes it an enterprise org.
		_, err = h.ApplySubscription(h.ctx(), theOperator, one.ID, "suite", 0)
		h.refuses(err, account.Conflict, "individual_org")
		h.refuses(h.EnableService(h.ctx(), theOperator, one.ID, "studio", true), account.Conflict, "individual_org")

		_, err = h.Approve(h.ctx(), theOperator, Award{Product: "suite", Email: amy.Email})
		h.ok(err)
		ref := EntitlementRef{Token: account.NewSecret(h.letter(amy.Email, "activation")["Token"])}
		o, err := h.Offer(h.ctx(), asUser(amy), ref, h.places(amy))
		h.ok(err)
		if len(o.Owned) != 1 || o.Owned[0].Account.ID != one.ID || o.Owned[0].Why != nil {
			h.Errorf("owned: %+v", o.Owned)
		}
		if len(o.Others) != 1 || o.Others[0].Account.ID != h.acme.ID {
			h.Errorf("others: %+v", o.Others)
		}
		h.refuses(o.Others[0].Why, account.Forbidden, "not_owner")
		// A session that may not work in an account decides nothing in it.
		_, err = h.Activate(h.ctx(), asUser(amy), ref, Destination{Account: one.ID}, nil)
		h.refuses(err, account.NotFound, "no_account")

		out, err := h.Activate(h.ctx(), asUser(amy), ref, Destination{Account: one.ID}, h.places(amy))
		h.ok(err)
		if out.Org.Type != account.Enterprise || out.Org.ID != org.ID || out.Org.Number != org.Number || out.New {
			h.Errorf("%+v", out)
		}
		lines, err := h.Audit(h.ctx(), theOperator, one.ID, "", 10)
		h.ok(err)
		for _, verb := range []string{"org.converted", "subscription.activated"} {
			i := slices.IndexFunc(lines, func(l account.AuditLine) bool { return l.Verb == verb })
			if i < 0 || lines[i].Detail["way"] != string(account.WayEntitlement) {
				h.Errorf("the audit log does not say which way %s came: %+v", verb, lines)
			}
		}
	})
}

// REQ G-08~, G-10~, G-11~, G-12~
func TestATransferIsForGood(t *testing.T) {
	each(t, func(h *house) {
		h.selling()
		olga, amy := h.accountOwnerOf("olga@acme.example"), h.person("amy@acme.example", account.Member)
		e, err := h.Approve(h.ctx(), theOperator, Award{Product: "suite", Email: amy.Email})
		h.ok(err)
		ref := EntitlementRef{Token: account.NewSecret(h.letter(amy.Email, "activation")["Token"])}
		_, err = h.Activate(h.ctx(), asUser(amy), ref, Destination{Account: h.acme.ID}, h.places(amy))
		h.refuses(err, account.Forbidden, "not_owner")
		_, err = h.Transfer(h.ctx(), asUser(olga), ref, h.acme.ID, "", h.places(olga))
		h.refuses(err, account.Forbidden, "wrong_person")

		next, err := h.Transfer(h.ctx(), asUser(amy), ref, h.acme.ID, "", h.places(amy))
		h.ok(err)
		if next.Previous != e.ID || next.Email != olga.Email {
			h.Errorf("%+v", next)
		}
		_, _, err = h.PeekOffer(h.ctx(), ref.Token)
		h.refuses(err, account.Conflict, "transferred")
		_, err = h.Activate(h.ctx(), asUser(amy), ref, Destination{New: "mine"}, nil)
		h.refuses(err, account.Conflict, "transferred")
		_, err = h.Transfer(h.ctx(), asUser(amy), ref, h.acme.ID, "", h.places(amy))
		h.refuses(err, account.Conflict, "transferred")
		h.refuses(h.RevokeEntitlement(h.ctx(), theOperator, e.ID), account.Conflict, "transferred")

		letter := h.letter(olga.Email, "activation_transferred")
		if letter["Message"] != DefaultTransferMessage("Studio suite", "acme") || letter["From"] != amy.Email {
			h.Errorf("%v", letter)
		}
		// Sent again, it is a new link, and the one before is nothing.
		h.ok(h.ResendEntitlement(h.ctx(), theOperator, next.ID))
		_, _, err = h.PeekOffer(h.ctx(), account.NewSecret(letter["Token"]))
		h.refuses(err, account.NotFound, "no_link")
		ref = EntitlementRef{Token: account.NewSecret(h.letter(olga.Email, "activation")["Token"])}
		_, err = h.Activate(h.ctx(), asUser(olga), ref, Destination{Account: h.acme.ID}, h.places(olga))
		h.ok(err)
		if got := h.services(h.acme.ID); !slices.Equal(got, []string{"registry", "studio"}) {
			h.Errorf("acme has %v", got)
		}
	})
}

// REQ G-10~: of a transfer and an activation at once, and of two activations, one wins.
func TestOneOfManyUsesAnActivation(t *testing.T) {
	each(t, func(h *house) {
		h.selling()
		olga, amy := h.accountOwnerOf("olga@acme.example"), h.person("amy@acme.example", account.Member)
		other := h.reopen()
		other.catalogue.Store(h.catalogue.Load())
		for round := range 4 {
			_, err := h.Approve(h.ctx(), theOperator, Award{Product: "suite", Email: amy.Email})
			h.ok(err)
			ref := EntitlementRef{Token: account.NewSecret(h.letter(amy.Email, "activation")["Token"])}
			open := h.places(amy)
			errs := racing(
				func() error { _, err := h.Transfer(h.ctx(), asUser(amy), ref, h.acme.ID, "", open); return err },
				func() error {
					_, err := other.Activate(h.ctx(), asUser(amy), ref, Destination{New: "a" + string(rune('0'+round))}, open)
					return err
				},
				func() error {
					_, err := h.Activate(h.ctx(), asUser(amy), ref, Destination{New: "b" + string(rune('0'+round))}, open)
					return err
				},
			)
			won := 0
			for _, err := range errs {
				if err == nil {
					won++
				} else if account.KindOf(err) != account.Conflict {
					h.Errorf("round %d: %v", round, err)
				}
			}
			if won != 1 {
				h.Errorf("round %d: %d of them won: %v", round, won, errs)
			}
		}
		all, err := h.Entitlements(h.ctx(), theOperator, "", "", 100)
		h.ok(err)
		transferred, activated := 0, 0
		for _, e := range all {
			switch e.Link.State {
			case account.LinkTransferred:
				transferred++
			case account.LinkAccepted:
				activated++
			}
		}
		places := len(h.places(amy)) - 1
		if transferred+activated != 4 || activated != places {
			h.Errorf("%d were transferred, %d activated, and Amy has %d accounts of her own", transferred, activated, places)
		}
		_ = olga
	})
}

// racing runs all of them, and answers with what came of each.
func racing(do ...func() error) []error {
	errs := make([]error, len(do))
	var wg sync.WaitGroup
	for i, f := range do {
		wg.Go(func() { errs[i] = f() })
	}
	wg.Wait()
	return errs
}

// REQ G-23, G-24
func TestCodesAreUsedOnce(t *testing.T) {
	each(t, func(h *house) {
		h.selling()
		amy, ben := h.somebody("amy@globex.example"), h.somebody("ben@initech.example")
		n, err := h.ImportCodes(h.ctx(), theOperator, "suite", "spring", 0, []string{"GPU-1", "gpu-2", "gpu 3", "GPU1"})
		h.ok(err)
		if n != 3 {
			h.Errorf("%d are new", n)
		}
		verdicts, err := h.CheckCodes(h.ctx(), asUser(amy), "gpu-1, B2,,C3, GPU 1, ü")
		h.ok(err)
		var states []account.CodeState
		for _, v := range verdicts {
			states = append(states, v.State)
		}
		if !slices.Equal(states, []account.CodeState{account.CodeGood, account.CodeUnknown, account.CodeUnknown, account.CodeRepeated, account.CodeMalformed}) {
			h.Errorf("%+v", verdicts)
		}
		us := account.Business{Company: "Globex", Address: "1 Main St", Country: "Germany"}
		_, err = h.ActivateCodes(h.ctx(), asUser(amy), "gpu-1, B2", us, Destination{New: "globex"}, nil)
		if e := h.refuses(err, account.Conflict, "bad_codes"); !strings.Contains(e.Message, "B2 (unknown)") || strings.Contains(e.Message, "gpu-1") {
			h.Errorf("%+v", e)
		}
		_, err = h.ActivateCodes(h.ctx(), asUser(amy), "gpu-1", account.Business{Company: "Globex"}, Destination{New: "globex"}, nil)
		h.refuses(err, account.Invalid, "missing")

		// Two people with the same code at once.
		other := h.reopen()
		other.catalogue.Store(h.catalogue.Load())
		errs := racing(
			func() error {
				_, err := h.ActivateCodes(h.ctx(), asUser(amy), "gpu-1, gpu-2", us, Destination{New: "globex"}, nil)
				return err
			},
			func() error {
				_, err := other.ActivateCodes(h.ctx(), asUser(ben), "gpu-2, gpu-3", us, Destination{New: "initech"}, nil)
				return err
			},
		)
		if (errs[0] == nil) == (errs[1] == nil) {
			h.Fatalf("one of them wins: %v", errs)
		}
		winner, product := amy, "gpu-3"
		if errs[1] == nil {
			winner, product = ben, "gpu-1"
		}
		home := h.places(winner)[0]
		subs, err := h.Subscriptions(h.ctx(), asUser(winner), home.Account.ID)
		h.ok(err)
		if len(subs) != 1 || subs[0].Quantity != 2 || subs[0].Source != account.FromCodes {
			h.Errorf("%+v", subs)
		}
		verdicts, err = h.CheckCodes(h.ctx(), asUser(amy), "gpu-2,"+product)
		h.ok(err)
		if verdicts[0].State != account.CodeUsed || verdicts[1].State != account.CodeGood {
			h.Errorf("%+v", verdicts)
		}
		batches, err := h.CodeBatches(h.ctx(), theOperator)
		h.ok(err)
		if len(batches) != 1 || batches[0].Codes != 3 || batches[0].Used != 2 {
			h.Errorf("%+v", batches)
		}
	})
}

func TestGuessingCodesGetsSlow(t *testing.T) {
	each(t, func(h *house) {
		h.selling()
		eve := h.somebody("eve@evil.example")
		_, err := h.CheckCodes(h.ctx(), asUser(eve), strings.Repeat("X1,", 0)+strings.Join(guesses(29), ","))
		h.ok(err)
		_, err = h.CheckCertificate(h.ctx(), asUser(eve), "AAAAA-AAAAA-AAAAA-AAAAA", nil)
		h.refuses(err, account.NotFound, "no_certificate")
		_, err = h.CheckCodes(h.ctx(), asUser(eve), "Y1")
		h.refuses(err, account.TooMany, "too_many_guesses")
		_, err = h.CheckCertificate(h.ctx(), asUser(eve), "AAAAA-AAAAA-AAAAA-AAAAB", nil)
		h.refuses(err, account.TooMany, "too_many_guesses")
		h.clock.turn(guessesBy.every)
		_, err = h.CheckCodes(h.ctx(), asUser(eve), "Y1")
		h.ok(err)
		_, err = h.CheckCodes(h.ctx(), asUser(eve), "Y2")
		h.refuses(err, account.TooMany, "too_many_guesses")
	})
}

func guesses(n int) (out []string) {
	for i := range n {
		out = append(out, "X"+strings.Repeat("1", i+1))
	}
	return out
}

// REQ G-12~, G-19~
func TestACertificateIsRegisteredByItsNumber(t *testing.T) {
	each(t, func(h *house) {
		h.selling()
		amy := h.somebody("amy@globex.example")
		e, number, err := h.IssueCertificate(h.ctx(), theOperator, Award{Product: "suite", Email: "buyer@globex.example", Holder: "Globex Corp"})
		h.ok(err)
		if got := h.letter("buyer@globex.example", "certificate")["Number"]; got != number.Reveal() || len(account.PlainCode(got)) != 20 || !strings.HasSuffix(got, e.Tail) {
			h.Errorf("the number is %q", got)
		}
		o, err := h.CheckCertificate(h.ctx(), asUser(amy), strings.ToLower(strings.ReplaceAll(number.Reveal(), "-", " ")), nil)
		h.ok(err)
		if o.ID != e.ID || o.Holder != "Globex Corp" {
			h.Errorf("%+v", o)
		}
		// Its number is no link, and a certificate goes to nobody else.
		_, _, err = h.PeekOffer(h.ctx(), number)
		h.refuses(err, account.NotFound, "no_link")
		_, err = h.Activate(h.ctx(), asUser(amy), EntitlementRef{ID: e.ID}, Destination{New: "globex"}, nil)
		h.refuses(err, account.NotFound, "no_link")
		_, err = h.Transfer(h.ctx(), asUser(amy), EntitlementRef{Number: number.Reveal()}, h.acme.ID, "", nil)
		h.refuses(err, account.Conflict, "certificate")
		h.refuses(h.ResendEntitlement(h.ctx(), theOperator, e.ID), account.Conflict, "certificate")

		me := account.Registration{FirstName: "Amy", LastName: "Adams", Email: amy.Email, Country: "Germany", Address: "1 Main St", Phone: "+49 30 1", JobRole: "Engineer"}
		bad := me
		bad.Phone, bad.JobRole = " ", ""
		_, err = h.Register(h.ctx(), asUser(amy), number.Reveal(), bad, Destination{New: "globex"}, nil)
		for _, says := range []string{"phone number is missing", "job role is missing"} {
			if account.KindOf(err) != account.Invalid || !strings.Contains(err.Error(), says) {
				h.Errorf("%v", err)
			}
		}
		out, err := h.Register(h.ctx(), asUser(amy), number.Reveal(), me, Destination{New: "globex"}, nil)
		h.ok(err)
		if letter := h.letter(amy.Email, "registered"); letter["Org"] != out.Org.Name {
			h.Errorf("%v", letter)
		}
		_, err = h.CheckCertificate(h.ctx(), asUser(amy), number.Reveal(), nil)
		h.refuses(err, account.Conflict, "link_used")
	})
}

// REQ A-11~
func TestWhatASubscriptionBroughtGoesWithIt(t *testing.T) {
	each(t, func(h *house) {
		h.selling()
		olga := h.accountOwnerOf("olga@acme.example")
		ana := h.person("ana@acme.example", account.Member)
		until, err := h.ApplySubscription(h.ctx(), theOperator, h.acme.ID, "suite", 0)
		h.ok(err)
		h.ok(h.Grant(h.ctx(), asUser(olga), h.acme.ID, ana.ID, h.whole(), "studio:viewer"))
		h.ok(h.Grant(h.ctx(), asUser(olga), h.acme.ID, ana.ID, h.whole(), "registry:reader"))
		holds := func(service string, want bool) {
			h.Helper()
			h.ok(h.look(h.ctx(), theOperator, h.acme.ID, operator, func(hd *hand) error {
				got, err := hd.subscribed(service)
				if err != nil || got != want {
					h.Errorf("subscribed(%q) is %v, %v", service, got, err)
				}
				return nil
			}))
		}
		holds("studio", true)
		h.clock.turn(until.Until.Sub(h.clock.now()) - time.Microsecond)
		h.ok(h.ExpireSubscriptions(h.ctx()))
		holds("studio", true)
		h.clock.turn(time.Microsecond)
		holds("studio", false) // whether or not the job has run
		h.ok(h.ExpireSubscriptions(h.ctx()))
		// The registry was enabled by hand before, and stays.
		if got := h.services(h.acme.ID); !slices.Equal(got, []string{"registry"}) {
			h.Errorf("acme has %v", got)
		}
		holds("registry", true)
		holds("", true) // the operator enabled something
		h.letter(olga.Email, "subscription_expired")
		e := h.refuses(h.Grant(h.ctx(), asUser(olga), h.acme.ID, ana.ID, h.whole(), "studio:admin"), account.Conflict, "subscription_required")
		if !strings.Contains(e.Message, "Studio suite") {
			h.Errorf("%+v", e)
		}
		h.ok(h.db.Read(h.ctx(), func(tx *table.Tx) error {
			house, _, err := tx.House(h.acme.ID)
			h.ok(err)
			held, err := tx.Held(h.acme.ID, ana.ID)
			h.ok(err)
			counts, denied, err := h.count(tx, house, held)
			h.ok(err)
			if len(denied) != 1 || denied[0].Role != "studio:viewer" || denied[0].Why.Code != "subscription_required" || account.HasRole(counts, h.whole(), "studio:viewer") {
				h.Errorf("%+v counts, %+v is denied", counts, denied)
			}
			return nil
		}))
		h.ok(h.EnableService(h.ctx(), theOperator, h.acme.ID, "registry", false))
		holds("", false)
		again, err := h.ApplySubscription(h.ctx(), theOperator, h.acme.ID, "suite", 0)
		h.ok(err)
		holds("", true)
		next, err := h.ApplySubscription(h.ctx(), theOperator, h.acme.ID, "suite", 0)
		h.ok(err)
		if !next.From.Equal(again.Until) || next.Live(h.clock.now()) {
			h.Errorf("renewed before its end, it begins at %s and not at %s", next.From, again.Until)
		}
		h.ok(h.EndSubscription(h.ctx(), theOperator, h.acme.ID, again.ID))
		if got := h.services(h.acme.ID); len(got) != 0 {
			h.Errorf("acme has %v", got)
		}
		_, err = h.ApplySubscription(h.ctx(), theOperator, h.acme.ID, "forever", 0)
		h.ok(err)
		_, err = h.ApplySubscription(h.ctx(), theOperator, h.acme.ID, "forever", 0)
		h.refuses(err, account.Conflict, "already_active")
	})
}

// REQ T-19~
func TestAnOrgThatTheOperatorMadeCountsAsSubscribed(t *testing.T) {
	each(t, func(h *house) {
		h.selling()
		amy := h.somebody("amy@globex.example")
		own, _, err := h.OpenAccount(h.ctx(), asUser(amy), "amys")
		h.ok(err)
		for _, c := range []struct {
			a    account.AccountID
			want bool
		}{{h.acme.ID, true}, {own.ID, false}} {
			h.ok(h.look(h.ctx(), theOperator, c.a, operator, func(hd *hand) error {
				got, err := hd.subscribed("")
				if err != nil || got != c.want {
					h.Errorf("%s: %v, %v", hd.Org.Name, got, err)
				}
				return nil
			}))
		}
	})
}

// THREAT SES-3: whoever is disabled activates nothing until they are enabled again.
func TestADisabledPersonActivatesNothing(t *testing.T) {
	each(t, func(h *house) {
		h.selling()
		amy := h.somebody("amy@globex.example")
		_, err := h.Approve(h.ctx(), theOperator, Award{Product: "suite", Email: amy.Email})
		h.ok(err)
		ref := EntitlementRef{Token: account.NewSecret(h.letter(amy.Email, "activation")["Token"])}
		h.ok(h.db.Write(h.ctx(), func(tx *table.Tx) error { _, err := tx.Disable(amy.ID, ""); return err }))
		_, err = h.Activate(h.ctx(), asUser(amy), ref, Destination{New: "globex"}, nil)
		h.refuses(err, account.Unauthorized, "")
	})
}
