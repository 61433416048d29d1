package mail

import (
	"strings"
	"testing"

	"github.com/drawbridge-id/drawbridge/account"
)

func words(t *testing.T, own string) *Words {
	t.Helper()
	w, err := ReadWords([]byte(own))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// sample has every field that a shipped letter asks for.
var sample = map[string]string{"Product": "Drawbridge", "Home": "https://login.acme.example", "Org": "acme", "Connection": "okta", "Removed": "40", "People": "100",
	"Within": "10m", "Share": "30", "Feed": "siem", "URL": "https://siem.acme.example", "Status": "paused", "Reason": "401", "Group": "Project Alpha", "GroupID": "grp_1", "Subject": "Invitation to join Project Alpha", "Email": "ana@acme.example", "By": "bo@acme.example",
	"Token": "t0k3n", "Good": "30 minutes", "IP": "192.0.2.7", "At": "2 Jan 2026, 15:04 UTC", "Woken": "", "Factor": "phone", "What": "It changes.", "From": "olga@acme.example", "Text": "Hello.", "Kind": "Release notes", "Service": "Registry", "Unsubscribe": "/unsubscribe/t0k3n", "Ticket": "tkt_1", "Domain": "acme.example", "Contact": "it@acme.example",
	"Role": "Member", "Message": "Hello.", "Length": "6 hours", "Until": "14 Mar 2026, 09:12 UTC", "Invitation": "inv_1", "OrgName": "acme", "Account": "acme", "Item": "Enterprise suite", "Details": "All of it.", "Note": "Order 17.", "Term": "1 year", "Ref": "9KQ2M", "Holder": "Globex Corp", "Instructions": "Register it.", "Number": "1234567890", "Code": "1234 5678"}

func TestEveryShippedLetterHasWords(t *testing.T) {
	w := words(t, "")
	if len(w.Names()) == 0 {
		t.Fatal("there are no letters")
	}
	for _, name := range w.Names() {
		d, err := w.Write(name, sample)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, s := range []string{d.Subject, d.Text, d.HTML} {
			if s == "" || strings.Contains(s, "<no value>") {
				t.Errorf("%s: %q", name, s)
			}
		}
		if _, err := w.Write(name, map[string]string{}); err == nil {
			t.Errorf("%s is written without its data", name)
		}
	}
}

func TestDataIsTextAndNothingElse(t *testing.T) {
	d, err := words(t, "").Write("owner_removed", map[string]string{"Product": "Drawbridge", "Home": "https://login.acme.example", "Org": "acme\r\nBcc: eve@evil.example\u2028x",
		"By": `<script>alert(1)</script>`, "Email": "ana@acme.example"})
	if err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(d.Subject, "\r\n\u2028") || !strings.Contains(d.Subject, "acme Bcc: eve@evil.example x") {
		t.Errorf("subject %q", d.Subject)
	}
	if strings.Contains(d.HTML, "<script>") || !strings.Contains(d.HTML, "&lt;script&gt;") {
		t.Errorf("markup got through:\n%s", d.HTML)
	}
}

// REQ E-06
func TestAnOperatorsWordsReplaceOursFieldByField(t *testing.T) {
	w := words(t, "letters:\n  owner_removed:\n    subject: 'Adieu {{.Email}}'\n")
	d, err := w.Write("owner_removed", sample)
	if err != nil || d.Subject != "Adieu ana@acme.example" || !strings.Contains(d.Text, "removed ana@acme.example") {
		t.Errorf("%+v, %v", d, err)
	}
	for own, says := range map[string]string{
		"letters: {nothing: {subject: x}}":                `no letter "nothing"`,
		"letters: {owner_removed: {subject: '{{.Email'}}": "do not compile",
		"letters: {owner_removed: {sujet: x}}":            "sujet",
	} {
		if _, err := ReadWords([]byte(own)); account.KindOf(err) != account.Invalid || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", own, err)
		}
	}
}
