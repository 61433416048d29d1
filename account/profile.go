package account

import (
	"net/mail"
	"net/url"
	"strings"
	"unicode/utf8"
)

// A Profile is what people of an account see of it.
type Profile struct {
	Account     Account
	Org         Org
	Owner       User // of the account; its ID is empty when nobody is
	Description string
	Company     Company
}

// A Company is who stands behind an account. All of it may be empty.
type Company struct {
	Name    string `json:"name"`
	Address string `json:"address,omitempty"` // lines, as on a letter
	Country string `json:"country,omitempty"` // ISO 3166-1 alpha-2, for instance "DE"
	Website string `json:"website,omitempty"` // an http or https address
	Phone   string `json:"phone,omitempty"`
}

// Billing says where invoices for what is paid by use go. Means of payment are never part of it.
type Billing struct {
	Name      string `json:"name"`
	Email     string `json:"email"`
	Address   string `json:"address,omitempty"`
	Country   string `json:"country,omitempty"` // ISO 3166-1 alpha-2
	TaxID     string `json:"tax_id,omitempty"`
	Reference string `json:"reference,omitempty"` // of the customer, printed on invoices: a purchase order
}

// A Task is one thing that somebody who runs an account is asked to see to.
type Task struct {
	ID          TaskID
	Done        bool
	Recommended bool // highly so
	Count       int  // what has been done of it: admins, suspended people
}

// TaskID names a task.
type TaskID string

// The tasks of the account console.
const (
	TaskRecovery  TaskID = "recovery_email"      // a recovery address has been verified
	TaskAdmins    TaskID = "account_admins"      // somebody beside the owner administers the account; Count says how many
	TaskCompany   TaskID = "company_information" // it has been given
	TaskTenancies TaskID = "tenancy_status"      // nobody's place is suspended; Count says how many are
)

// CheckDescription says whether an account can be described so.
func CheckDescription(s string) error {
	return checkText("/description", "A description", s, 1000, true)
}

// CheckTitle says whether people can call an org so.
func CheckTitle(s string) error { return checkText("/title", "A title", s, 200, false) }

// Check says what of it cannot be kept, with a pointer.
func (c Company) Check() error {
	for _, f := range []struct {
		at, what, s string
		longest     int
		lines       bool
	}{
		{"/company/name", "A company's name", c.Name, 200, false}, {"/company/address", "An address", c.Address, 500, true}, {"/company/phone", "A phone number", c.Phone, 50, false},
	} {
		if err := checkText(f.at, f.what, f.s, f.longest, f.lines); err != nil {
			return err
		}
	}
	if c.Name == "" && c != (Company{}) {
		return Errorf(Invalid, "Company information has a name at least.").At("/company/name")
	}
	if c.Website != "" {
		u, err := url.Parse(c.Website)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || len(c.Website) > 300 {
			return Errorf(Invalid, "%q is no address of a website.", clip(c.Website, 80)).At("/company/website").Fix("For instance https://www.acme.example.")
		}
	}
	return checkCountry("/company/country", c.Country)
}

// Check says what of it cannot be kept, with a pointer.
func (b Billing) Check() error {
	for _, f := range []struct {
		at, what, s string
		longest     int
		lines       bool
	}{
		{"/name", "A name", b.Name, 200, false}, {"/email", "An address", b.Email, 320, false}, {"/address", "An address", b.Address, 500, true},
		{"/tax_id", "A tax number", b.TaxID, 50, false}, {"/reference", "A reference", b.Reference, 100, false}, {"/country", "A country", b.Country, 2, false},
	} {
		if err := checkText(f.at, f.what, f.s, f.longest, f.lines); err != nil {
			return err
		}
	}
	if b.Name == "" {
		return Errorf(Invalid, "Invoices need somebody whom they are for.").At("/name")
	}
	if _, err := NormalEmail(b.Email); err != nil {
		return err
	}
	if _, err := mail.ParseAddress(b.Email); err != nil {
		return Errorf(Invalid, "Expected one e-mail address such as invoices@acme.example, received %q.", clip(b.Email, 80)).At("/email")
	}
	return checkCountry("/country", b.Country)
}

func checkCountry(at, c string) error {
	if c == "" || len(c) == 2 && strings.Trim(c, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == "" {
		return nil
	}
	return Errorf(Invalid, "A country is two capital letters, %q is not.", clip(c, 20)).At(at).Fix("For instance DE, as ISO 3166-1 has it.")
}

// checkText bounds a text in bytes, and keeps control characters out of it; lines says whether it may have several. A number that can be
// that of a payment card is refused with code card_number, wherever it stands: such numbers are to be in no database of ours.
func checkText(at, what, s string, longest int, lines bool) error {
	control := func(r rune) bool { return isControl(r) && !(lines && (r == '\n' || r == '\t')) }
	if len(s) > longest || !utf8.ValidString(s) || strings.ContainsFunc(s, control) {
		return Errorf(Invalid, "%s has at most %d bytes, and no control characters.", what, longest).At(at)
	}
	if HasCardNumber(s) {
		return Errorf(Invalid, "This looks like the number of a payment card. No card data is kept here.").Coded("card_number").At(at).
			Fix("Leave it out. Means of payment are agreed on elsewhere.")
	}
	return nil
}

// HasCardNumber reports whether a text holds what can be the number of a payment card: groups of digits that together have the length
// and the first digits of one (ISO/IEC 7812-1) and whose check digit is right (Annex B of it, the Luhn formula). Digits are those of
// ASCII, full width, and Arabic; a blank, a hyphen or a dot may stand between groups.
func HasCardNumber(s string) bool {
	var groups []string // that stand together
	var group strings.Builder
	gap := 0 // separators since the last digit
	for _, r := range s + "\n" {
		if d, ok := digit(r); ok {
			group.WriteByte(d)
			gap = 0
			continue
		}
		if group.Len() > 0 {
			groups = append(groups, group.String())
			group.Reset()
		}
		if gap++; gap == 1 && strings.ContainsRune(" -.\u00a0\u2010\u2011\u2013\u202f", r) {
			continue
		}
		if cardAmong(groups) {
			return true
		}
		groups = nil
	}
	return false
}

func cardAmong(groups []string) bool {
	for i := range groups {
		number := ""
		for _, g := range groups[i:] {
			if number += g; len(number) > 19 {
				break
			}
			if isCard(number) {
				return true
			}
		}
	}
	return false
}

func isCard(n string) bool {
	switch first := n[0]; len(n) {
	case 15:
		if !strings.HasPrefix(n, "34") && !strings.HasPrefix(n, "37") {
			return false
		}
	case 16:
		if first < '2' || first > '6' {
			return false
		}
	case 13, 17, 18, 19:
		if first < '4' || first > '6' {
			return false
		}
	default: // 14 digits are also those of French companies, which have the same check digit
		return false
	}
	sum := 0
	for i := range len(n) {
		d := int(n[len(n)-1-i] - '0')
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

func digit(r rune) (byte, bool) {
	for _, zero := range []rune{'0', '\uff10', '\u0660', '\u06f0'} {
		if r >= zero && r <= zero+9 {
			return byte('0' + r - zero), true
		}
	}
	return 0, false
}
