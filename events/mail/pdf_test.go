package mail

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/ledongthuc/pdf"
)

// REQ G-13~
func TestACertificateIsReadableAsPaper(t *testing.T) {
	data := map[string]string{}
	for k, v := range sample {
		data[k] = v
	}
	data["Number"], data["Holder"], data["Note"] = "AB12C-9KQ2M-00000-ZZZZ9", "Süß & Söhne GmbH", ""
	d, err := words(t, "").Write("certificate", data)
	if err != nil {
		t.Fatal(err)
	}
	if d.Sheet.File != "entitlement-9KQ2M.pdf" || strings.Contains(d.Text, data["Number"]) {
		t.Errorf("%+v", d)
	}
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	drawn, err := d.Sheet.draw(at)
	if err != nil {
		t.Fatal(err)
	}
	again, err := d.Sheet.draw(at)
	if err != nil || !bytes.Equal(drawn, again) {
		t.Error("a letter that is sent twice has two certificates")
	}
	text := readPDF(t, drawn)
	for _, says := range []string{"Entitlement certificate", data["Number"], "Enterprise suite", data["Holder"], "Register it.", "1 year", "https://login.acme.example/register"} {
		if !strings.Contains(text, strings.Join(strings.Fields(says), "")) {
			t.Errorf("it does not say %q:\n%s", says, text)
		}
	}
	if strings.Contains(text, "Note") {
		t.Error("an empty fact stands there")
	}
}

// readPDF gives the text of a PDF without blanks, which readers put where they like.
func readPDF(t *testing.T, drawn []byte) string {
	t.Helper()
	r, err := pdf.NewReader(bytes.NewReader(drawn), int64(len(drawn)))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := r.GetPlainText()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(plain); err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(b.String()), "")
}
