// Package page draws what people see: one Go struct per page, one template each, one style sheet.
// Handlers fill a struct and call Render; wording, layout and escaping live here. Pages work without
// script, at 320 pixels, in light and dark, and load nothing from elsewhere.
package page

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/drawbridge-id/drawbridge/request"
)

// A Page is one of the page structs of this package.
type Page interface {
	// frame says how the page sits in the common frame.
	frame() frame
}

// frame is what layout.html draws around a page. Pages fill Title, Wide and Who; Render the rest.
type frame struct {
	Title   string // before " · Drawbridge"
	Wide    bool   // a working page; otherwise one narrow card
	Who     *Who   // nil: nobody is signed in, or it does not matter
	Body    template.HTML
	Request string // shown in the footer, unless
	OwnID   bool   // the page shows an id itself
}

// Who is the signed-in person, for the top bar and its sign-out button.
type Who struct {
	Email string
	Name  string // may be empty
	Org   string // title or name of the org they work in; may be empty
	Token string // the session's form token, sent back by every form of the page

	Contact    string    // path of the letter to the org's owners; empty: they work in no org
	BreakGlass time.Time // until when emergency access lasts, said on every page; zero: it is a session like others (I-06)
}

// Called is the name when there is one, otherwise the address.
func (w Who) Called() string {
	if w.Name != "" {
		return w.Name
	}
	return w.Email
}

//go:embed html
var files embed.FS

// A drawing is a template that is parsed when it is first drawn: all of them together would be a tenth of what the shortest
// command costs.
type drawing func() (*template.Template, error)

func drawingOf(file string) drawing {
	return sync.OnceValues(func() (*template.Template, error) { return parse(file) })
}

func (d drawing) execute(to *bytes.Buffer, data any) error {
	t, err := d()
	if err == nil {
		err = t.Execute(to, data)
	}
	if err != nil {
		return fmt.Errorf("page: %w", err)
	}
	return nil
}

var layout = drawingOf("layout.html")

// drawings finds the template of a page struct: SignIn is html/sign_in.html.
var drawings = func() map[reflect.Type]drawing {
	m := map[reflect.Type]drawing{}
	for _, p := range all {
		t := reflect.TypeOf(p)
		m[t] = drawingOf(fileName(t.Name()))
	}
	return m
}()

// all names every page, so that templates are parsed, checked and photographed.
var all = []Page{
	SignIn{}, Continue{}, AutoPost{}, Refused{}, AlreadyUsed{}, SignedOut{},
	GroupInvitation{}, ExternalGroups{}, ExternalGroup{},
	Invitation{}, Setup{}, AccountNew{}, Home{}, Choose{}, NoAccess{}, NoAccount{}, LoginTestStart{}, LoginTestLink{}, LoginTestWaiting{}, LoginTestDone{}, LoginTestResult{}, Problem{},
	Activate{}, Transfer{}, Transferred{}, Activated{}, Register{}, RegisterCertificate{}, RegisterAccount{}, ActivateCode{}, ReviewCodes{}, Subscriptions{}, Services{},
	Recover{}, RecoveryLink{}, Recovery{}, Contact{}, Notifications{}, Unsubscribe{}, Ticket{},
	Password{}, SignUp{}, Verify{}, VerifyLink{}, Verified{}, Welcome{}, Forgot{}, NewPassword{}, ConfirmPassword{}, AgreeTerms{},
	SecondFactor{}, Security{}, EnrolFactor{}, RecoveryCodes{},
}

func parse(name string) (*template.Template, error) {
	t, err := template.New(name).Funcs(funcs).ParseFS(files, "html/parts.html", "html/"+name)
	if err != nil {
		return nil, err
	}
	return t.Lookup(name), nil
}

// fileName turns SignIn into sign_in.html.
func fileName(typeName string) string {
	var b strings.Builder
	for i, r := range typeName {
		if i > 0 && r >= 'A' && r <= 'Z' {
			b.WriteByte('_')
		}
		b.WriteRune(r)
	}
	return strings.ToLower(b.String()) + ".html"
}

var funcs = template.FuncMap{
	"when":  when,
	"asset": asset,
	"kind":  KindName,
	"join":  strings.Join,
	"plural": func(n int, one, many string) string {
		if n == 1 {
			return "1 " + one
		}
		return fmt.Sprintf("%d %s", n, many)
	},
}

// when writes an instant as people read it, with its machine form.
func when(t time.Time) template.HTML {
	if t.IsZero() {
		return "never"
	}
	t = t.UTC()
	return template.HTML(`<time datetime="` + t.Format(time.RFC3339) + `">` + t.Format("2 Jan 2006, 15:04") + ` UTC</time>`)
}

// Render answers with a page. Nothing is written when the page cannot be drawn, so that the caller's
// error still becomes an answer.
func Render(w http.ResponseWriter, r *http.Request, status int, p Page) error {
	html, err := draw(p, request.ID(r.Context()))
	if err != nil {
		return err
	}
	if f, ok := p.(AutoPost); ok {
		request.AllowForm(w, f.Action)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", fmt.Sprint(len(html)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(html) // the client went away: nobody is left to be told
	}
	return nil
}

func draw(p Page, requestID string) ([]byte, error) {
	d, ok := drawings[reflect.TypeOf(p)]
	if !ok {
		return nil, fmt.Errorf("page: %T is not in the list of pages", p)
	}
	var body, out bytes.Buffer
	if err := d.execute(&body, p); err != nil {
		return nil, err
	}
	f := p.frame()
	f.Body, f.Request = template.HTML(body.String()), requestID //nolint:gosec // drawn by html/template
	if err := layout.execute(&out, f); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
