// Package post is a mail server that keeps what it is given: a real one (RFC 5321), so that letters are tested as they are sent, and the
// demo can show them.
package post

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

// A Letter is one mail as it arrived.
type Letter struct {
	From, To string
	Header   mail.Header
	Subject  string
	Text     string
	HTML     string
	Files    map[string][]byte // attachments, by name
}

// An Office takes mail.
type Office struct {
	Addr string

	server *smtp.Server
	mu     sync.Mutex
	all    []Letter
	more   chan struct{} // closed at the next letter
	refuse func(to string) error
}

const largest = 1 << 20

// Open listens on loopback, until Close.
func Open() (*Office, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	o := &Office{Addr: l.Addr().String(), more: make(chan struct{})}
	o.server = smtp.NewServer(o)
	o.server.Domain, o.server.MaxMessageBytes, o.server.MaxRecipients = "post.example", largest, 10
	o.server.ReadTimeout, o.server.WriteTimeout = 10*time.Second, 10*time.Second
	go func() { _ = o.server.Serve(l) }()
	return o, nil
}

// Close stops it.
func (o *Office) Close() error { return o.server.Close() }

// URL is how config names it.
func (o *Office) URL() string { return "smtp+plain://" + o.Addr }

// Refuse makes the office answer with what why says, nil for whom it takes. Temporary and Gone are such answers.
func (o *Office) Refuse(why func(to string) error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.refuse = why
}

// What a mail server says when it does not take a letter: for now, and for good (RFC 5321 section 4.2.1).
var (
	Temporary = &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "Try again later"}
	Gone      = &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "No such mailbox"}
)

// To lists what has arrived for an address, oldest first; for everybody with "".
func (o *Office) To(address string) []Letter {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Collect(func(yield func(Letter) bool) {
		for _, l := range o.all {
			if (address == "" || l.To == address) && !yield(l) {
				return
			}
		}
	})
}

// Wait answers with the nth letter (from 1) to an address, once it is there.
func (o *Office) Wait(ctx context.Context, address string, n int) (Letter, error) {
	for {
		o.mu.Lock()
		more := o.more
		o.mu.Unlock()
		if all := o.To(address); len(all) >= n {
			return all[n-1], nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return Letter{}, ctx.Err()
		}
	}
}

// NewSession implements smtp.Backend.
func (o *Office) NewSession(*smtp.Conn) (smtp.Session, error) { return &session{office: o}, nil }

type session struct {
	office *Office
	from   string
	to     []string
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error { s.from = from; return nil }
func (s *session) Reset()                                      { s.from, s.to = "", nil }
func (*session) Logout() error                                 { return nil }

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.office.mu.Lock()
	refuse := s.office.refuse
	s.office.mu.Unlock()
	if refuse != nil {
		if err := refuse(to); err != nil {
			return err
		}
	}
	s.to = append(s.to, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	l, err := read(raw)
	if err != nil {
		return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 6, 0}, Message: err.Error()}
	}
	o := s.office
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, to := range s.to {
		l.From, l.To = s.from, to
		o.all = append(o.all, l)
	}
	close(o.more)
	o.more = make(chan struct{})
	return nil
}

// read takes a mail apart: text and HTML, and what goes with them, as we send them.
func read(raw []byte) (l Letter, err error) {
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return l, err
	}
	l.Header = m.Header
	if l.Subject, err = new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject")); err != nil {
		return l, err
	}
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		return l, err
	}
	return l, l.parts(m.Body, params["boundary"])
}

// parts reads what is between boundaries, one inside another (RFC 2046 section 5.1).
func (l *Letter) parts(r io.Reader, boundary string) error {
	for parts := multipart.NewReader(r, boundary); ; {
		p, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		kind, params, err := mime.ParseMediaType(p.Header.Get("Content-Type"))
		if err != nil {
			return err
		}
		if strings.HasPrefix(kind, "multipart/") {
			if err := l.parts(p, params["boundary"]); err != nil {
				return err
			}
			continue
		}
		var body io.Reader = p
		switch p.Header.Get("Content-Transfer-Encoding") {
		case "quoted-printable":
			body = quotedprintable.NewReader(p)
		case "base64":
			body = base64.NewDecoder(base64.StdEncoding, p)
		}
		text, err := io.ReadAll(body)
		if err != nil {
			return err
		}
		switch name := p.FileName(); {
		case name != "":
			if l.Files == nil {
				l.Files = map[string][]byte{}
			}
			l.Files[name] = text
		case kind == "text/plain":
			l.Text = string(text)
		case kind == "text/html":
			l.HTML = string(text)
		}
	}
}
