package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"

	"github.com/drawbridge-id/drawbridge/account"
)

// bounded is an answer's body that gives an error, not a short read, once it is longer than max: a
// cut document must never look like a whole one.
type bounded struct {
	body      io.ReadCloser
	left, max int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, tooLarge(b.max)
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.body.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return n - 1, tooLarge(b.max)
	}
	return n, err
}

func (b *bounded) Close() error { return b.body.Close() }

func tooLarge(limit int64) error {
	return account.Errorf(account.TooLarge, "The answer is longer than %d bytes.", limit).Coded("answer_too_large")
}

// Read reads a whole answer of at most limit bytes and closes it. A longer one is an account.Error of
// kind TooLarge, whatever part of it arrived.
func Read(resp *http.Response, limit int64) ([]byte, error) {
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(body)) > limit {
		return nil, tooLarge(limit)
	}
	return body, nil
}

// Explain turns what a client of this package returned into one error for people: what was refused,
// or what went wrong at name resolution, connecting, TLS or in time. It never quotes the answer's
// body. Code is one of address_refused, https_required, redirect_refused, url_userinfo, url_host,
// answer_too_large, timeout, name_not_found, name_lookup_failed, tls_authority, tls_name, tls_date,
// tls_failed, connect_failed; nil for nil.
func Explain(target string, err error) *account.Error {
	if err == nil {
		return nil
	}
	var own *account.Error
	if errors.As(err, &own) {
		return own
	}
	host := clip(target)
	if u, perr := url.Parse(target); perr == nil && u.Host != "" {
		host = clip(u.Host)
	}
	unavailable := func(code, format string, args ...any) *account.Error {
		return account.Errorf(account.Unavailable, format, args...).Coded(code).Because(err)
	}
	var (
		dns       *net.DNSError
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
		alert     tls.AlertError
		verify    *tls.CertificateVerificationError
		op        *net.OpError
		timeout   net.Error
	)
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return unavailable("name_not_found", "The name %s does not exist in DNS.", host).Fix("Check the spelling of the URL.")
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return unavailable("timeout", "%s did not answer in time.", host).Fix("Check that it is up and reachable from here, then try again.")
	case errors.As(err, &dns):
		return unavailable("name_lookup_failed", "The name %s could not be looked up.", host).Fix("Check DNS from this machine, then try again.")
	case errors.As(err, &authority):
		return unavailable("tls_authority", "The TLS certificate of %s is signed by an authority that this machine does not trust.", host).
			Fix("Serve the full certificate chain, or have the operator add the authority.")
	case errors.As(err, &name):
		return unavailable("tls_name", "The TLS certificate of %s is for another name.", host)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return unavailable("tls_date", "The TLS certificate of %s is outside of its dates.", host)
	case errors.As(err, &record), errors.As(err, &alert), errors.As(err, &verify), errors.Is(err, http.ErrSchemeMismatch),
		errors.As(err, &op) && (op.Op == "remote error" || op.Op == "local error"): // how crypto/tls dresses alerts
		return unavailable("tls_failed", "No TLS connection with %s could be made.", host).Fix("It has to speak TLS 1.2 or newer on that port.")
	case errors.As(err, &op):
		return unavailable("connect_failed", "No connection to %s could be made.", host).Fix("Check host and port, and any firewall in between.")
	}
	return unavailable("fetch_failed", "%s could not be fetched.", host)
}
