// Package mail sends the letters of the house: it takes them from the ledger, puts them into words and hands them to an SMTP server
// (RFC 5321), at least once.
package mail

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store"
)

// Options say where letters are handed in.
type Options struct {
	Ledger   *store.Ledger
	Server   string // smtp://host:port with STARTTLS, smtps://host:port with TLS from the start, smtp+plain://host:port without (loopback only)
	Username string // empty: no login
	Password account.Secret
	From     string // address, with or without a name
	Words    *Words
	Home     string // public URL, for the words
	Product  string // what the house calls itself
	Log      *slog.Logger
	Sent     func(outcome string) // sent, again, dead; may be nil
}

const (
	lettersAtOnce = 20
	sendTimeout   = 30 * time.Second
	lookEvery     = 30 * time.Second
)

// A Post sends letters.
type Post struct {
	opt    Options
	client []mail.Option
	host   string
}

// New reads the address of the server.
func New(o Options) (*Post, error) {
	u, err := url.Parse(o.Server)
	if err != nil || u.Hostname() == "" || u.Path != "" || u.User != nil {
		return nil, account.Errorf(account.Invalid, "Expected a mail server such as smtp://mail.acme.example:587, received %q.", o.Server)
	}
	p := &Post{opt: o, host: u.Hostname(), client: []mail.Option{mail.WithTimeout(sendTimeout)}}
	port := 587
	switch u.Scheme {
	case "smtp":
		p.client = append(p.client, mail.WithTLSPolicy(mail.TLSMandatory))
	case "smtps":
		port = 465
		p.client = append(p.client, mail.WithSSL())
	case "smtp+plain":
		if ip := net.ParseIP(u.Hostname()); ip == nil || !ip.IsLoopback() {
			return nil, account.Errorf(account.Invalid, "Mail without TLS goes to a loopback address only, and %s is none.", u.Hostname()).Fix("Use smtp:// or smtps://.")
		}
		port = 25
		p.client = append(p.client, mail.WithTLSPolicy(mail.NoTLS))
	default:
		return nil, account.Errorf(account.Invalid, "%q is no kind of mail server.", u.Scheme).Fix("Use smtp:// or smtps://.")
	}
	if s := u.Port(); s != "" {
		if port, err = strconv.Atoi(s); err != nil {
			return nil, account.Errorf(account.Invalid, "%q is no port.", s)
		}
	}
	p.client = append(p.client, mail.WithPort(port))
	if o.Username != "" {
		p.client = append(p.client, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(o.Username), mail.WithPassword(o.Password.Reveal()))
	}
	if err := mail.NewMsg().From(o.From); err != nil {
		return nil, account.Errorf(account.Invalid, "Expected the address that letters come from, received %q.", o.From)
	}
	return p, nil
}

// Work sends letters as they are written, until ctx ends.
func (p *Post) Work(ctx context.Context) {
	for ctx.Err() == nil {
		next := p.opt.Ledger.LettersPosted()
		sent, err := p.round(ctx)
		if err != nil && ctx.Err() == nil {
			p.opt.Log.ErrorContext(ctx, "letters could not be taken from the ledger", "error", err)
		}
		if err == nil && sent == lettersAtOnce {
			continue
		}
		select {
		case <-ctx.Done():
		case <-next:
		case <-time.After(lookEvery):
		}
	}
}

func (p *Post) round(ctx context.Context) (int, error) {
	due, err := p.opt.Ledger.ClaimLetters(ctx, lettersAtOnce)
	for _, l := range due {
		failure, final := p.send(ctx, l)
		if failure != nil {
			p.opt.Log.WarnContext(ctx, "a letter was not taken", "letter", l.ID, "name", l.Name, "final", final, "error", failure)
		}
		if p.opt.Sent != nil {
			p.opt.Sent(outcome(failure, final))
		}
		// What the server has taken is noted even when the house is closing.
		err = errors.Join(err, p.opt.Ledger.LetterSent(context.WithoutCancel(ctx), l, failure, final))
	}
	return len(due), err
}

func outcome(failure error, final bool) string {
	switch {
	case failure == nil:
		return "sent"
	case final:
		return "dead"
	}
	return "again"
}

// send hands one letter in. final is true when trying again cannot help: the server refuses it for good, or it has no words.
func (p *Post) send(ctx context.Context, l account.Letter) (failure error, final bool) {
	data := map[string]string{"Home": p.opt.Home, "Product": p.opt.Product}
	for k, v := range l.Data {
		data[k] = v
	}
	draft, err := p.opt.Words.Write(l.Name, data)
	if err != nil {
		return err, true
	}
	m := mail.NewMsg()
	if err := errors.Join(m.From(cmp.Or(draft.From, p.opt.From)), m.To(l.To)); err != nil {
		return err, true
	}
	m.Subject(draft.Subject)
	m.SetDateWithValue(l.At)
	m.SetMessageIDWithValue(string(l.ID) + "@" + p.domain())
	m.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: nobody's autoresponder answers it
	if to := l.Data[account.LetterReplyTo]; to != "" {
		if err := m.ReplyTo(to); err != nil {
			return err, true
		}
	}
	if path := l.Data[account.LetterUnsubscribe]; path != "" { // RFC 8058 section 3.1
		m.SetGenHeader(mail.HeaderListUnsubscribe, "<"+strings.TrimSuffix(p.opt.Home, "/")+path+">")
		m.SetGenHeader(mail.HeaderListUnsubscribePost, "List-Unsubscribe=One-Click")
	}
	m.SetBodyString(mail.TypeTextPlain, draft.Text)
	m.AddAlternativeString(mail.TypeTextHTML, draft.HTML)
	if s := draft.Sheet; s != nil {
		drawn, err := s.draw(l.At)
		if err != nil {
			return err, true
		}
		if err := m.AttachReader(s.File, bytes.NewReader(drawn), mail.WithFileContentType("application/pdf")); err != nil {
			return err, true
		}
	}
	client, err := mail.NewClient(p.host, p.client...)
	if err != nil {
		return err, false
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	err = client.DialAndSendWithContext(ctx, m)
	var refused *mail.SendError
	if errors.As(err, &refused) {
		return err, refused.ErrorCode() >= 500 && refused.ErrorCode() < 600
	}
	return err, false
}

// domain is what the identifiers of our letters end in.
func (p *Post) domain() string {
	if u, err := url.Parse(p.opt.Home); err == nil && u.Hostname() != "" {
		return u.Hostname()
	}
	return "localhost"
}
