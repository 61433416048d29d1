package account

import (
	"errors"
	"strings"
	"testing"
)

// REQ A-10
func TestNoCardNumberIsKept(t *testing.T) {
	for text, card := range map[string]bool{
		"4111111111111111": true, "4111 1111 1111 1111": true, "4111-1111-1111-1111": true, "card: 5500.0000.0000.0004, exp 12/29": true,
		"3782 822463 10005": true, "6011111111111117": true, "４１１１１１１１１１１１１１１１": true, "no. 17, 4111 1111 1111 1111": true,
		"4222222222222": true, "2223003122003222": true,
		"": false, "4111111111111112": false, "+49 30 901820-1234": false, "DE89 3704 0044 0532 0130 00": false,
		"DE123456789": false, "PO 2026-000123": false, "36252187900034": false, "1234567812345670": false, "4111 1111  1111 1111": false,
	} {
		if HasCardNumber(text) != card {
			t.Errorf("%q: %v", text, !card)
		}
	}
	for _, b := range []Billing{{Name: "4111 1111 1111 1111", Email: "a@acme.example"}, {Name: "Acme", Email: "a@acme.example", Reference: "4111111111111111"},
		{Name: "Acme", Email: "a@acme.example", Address: "1 Road\n4111 1111 1111 1111"}, {Name: "Acme", Email: "4111111111111111@acme.example"}} {
		var e *Error
		if err := b.Check(); !errors.As(err, &e) || e.Code != "card_number" || e.Pointer == "" || strings.Contains(e.Error(), "4111") {
			t.Errorf("%+v: %v", b, err)
		}
	}
}

func FuzzCardNumbers(f *testing.F) {
	f.Add("4111 1111 1111 1111")
	f.Add("４１１１ 1")
	f.Fuzz(func(t *testing.T, s string) {
		if HasCardNumber(s) && len(s) < 13 {
			t.Errorf("%q", s)
		}
		if !HasCardNumber(s + "\n4111 1111 1111 1111") {
			t.Errorf("%q hides a number that follows", s)
		}
	})
}

func TestAProfileIsPlainText(t *testing.T) {
	good := Company{Name: "Acme Ltd", Address: "1 Road\nLondon", Country: "GB", Website: "https://www.acme.example", Phone: "+44 20 7946 0000"}
	if err := errors.Join(good.Check(), Company{}.Check(), Billing{Name: "Acme", Email: "invoices@acme.example", Country: "GB", TaxID: "GB123456789"}.Check()); err != nil {
		t.Error(err)
	}
	for at, c := range map[string]Company{
		"/company/name": {Country: "GB"}, "/company/country": {Name: "Acme", Country: "gb"}, "/company/website": {Name: "Acme", Website: "javascript:alert(1)"},
		"/company/phone": {Name: "Acme", Phone: "1\n2"}, "/company/address": {Name: "Acme", Address: strings.Repeat("x", 501)},
	} {
		var e *Error
		if err := c.Check(); !errors.As(err, &e) || e.Pointer != at {
			t.Errorf("%s: %v", at, err)
		}
	}
	for at, b := range map[string]Billing{"/name": {Email: "a@acme.example"}, "/email": {Name: "Acme", Email: "a,b@acme.example"}, "/country": {Name: "Acme", Email: "a@acme.example", Country: "DEU"}} {
		var e *Error
		if err := b.Check(); !errors.As(err, &e) || e.Pointer != at {
			t.Errorf("%s: %v", at, err)
		}
	}
}

// REQ A-04
func TestAnAccountNameHasNoBlanksOfAnyKind(t *testing.T) {
	for name, fix := range map[string]string{"Acme Labs": `"Acme-Labs"`, "acme\u2003labs": `"acme-labs"`, " acme ": `"acme"`, "": `"acme"`} {
		var e *Error
		if err := CheckAccountName(name); !errors.As(err, &e) || e.Kind != Invalid || e.Pointer != "/name" || !strings.Contains(e.Help, fix) {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"ac\u200bme", "ac\x00me", "\xff", strings.Repeat("x", 65)} {
		if KindOf(CheckAccountName(name)) != Invalid {
			t.Errorf("%q is a name", name)
		}
	}
	for _, name := range []string{"acme", "Acme-Labs", "société", "公司"} {
		if err := CheckAccountName(name); err != nil {
			t.Error(err)
		}
	}
}
