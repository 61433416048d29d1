package saml

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"io"
	"net/url"
	"strings"
	"sync"

	"github.com/drawbridge-id/drawbridge/account"
)

// An Outgoing is a message on its way through the browser (SP §4.1.3.3): a redirect when URL is set, else a form that
// posts Fields to Action by itself.
type Outgoing struct {
	URL    string
	Action string
	Fields [][2]string
}

// maxInflated bounds what a deflated message may become (SAML-D4).
const maxInflated = 64 << 10

// deflaters are kept: a flate writer is 800 kB.
var deflaters = sync.Pool{New: func() any {
	w, err := flate.NewWriter(io.Discard, flate.DefaultCompression)
	if err != nil {
		panic(err) // the level is a constant
	}
	return w
}}

// deflate is the DEFLATE encoding of SB §3.4.4.1, base64.
func deflate(message []byte) string {
	var b bytes.Buffer
	w := deflaters.Get().(*flate.Writer)
	defer deflaters.Put(w)
	w.Reset(&b)
	// Writes into a bytes.Buffer do not fail.
	_, _ = w.Write(message)
	_ = w.Close()
	return base64.StdEncoding.EncodeToString(b.Bytes())
}

func inflate(text string) ([]byte, *fault) {
	packed, err := base64.StdEncoding.DecodeString(squeeze(text))
	if err != nil {
		return nil, malformed("base64", "something else")
	}
	message, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), maxInflated+1))
	switch {
	case err != nil:
		return nil, malformed("DEFLATE compression", "something else")
	case len(message) > maxInflated:
		return nil, malformed("at most 64 kB", "more")
	}
	return message, nil
}

// send puts a message on its way. field is SAMLRequest or SAMLResponse; redirect is preferred. With
// sign set the redirect carries a signature over the very octets of its query (SB §3.4.4.1), the form
// one inside the message.
func (sp SP) send(redirect, post, field string, message []byte, relayState string, sign bool, extra url.Values) (Outgoing, error) {
	if redirect == "" && post == "" {
		return Outgoing{}, account.Errorf(account.Conflict, "The identity provider's settings name no address for this message.").Coded("no_endpoint")
	}
	if len(relayState) > 80 {
		return Outgoing{}, account.Errorf(account.Invalid, "RelayState holds at most 80 bytes.") // SB §3.1.1, SB §3.4.3, SB §3.5.3
	}
	var s signer
	if sign {
		var err error
		if s, err = sp.signer(); err != nil {
			return Outgoing{}, err
		}
	}
	if redirect == "" {
		return s.form(post, field, message, relayState, extra)
	}
	// SB §3.4.4: the encoded message, then RelayState, then the signature.
	query := field + "=" + url.QueryEscape(deflate(message))
	if relayState != "" {
		query += "&RelayState=" + url.QueryEscape(relayState)
	}
	if s.key != nil {
		query += "&SigAlg=" + url.QueryEscape(s.method)
		value, err := s.sign([]byte(query))
		if err != nil {
			return Outgoing{}, err
		}
		query += "&Signature=" + url.QueryEscape(base64.StdEncoding.EncodeToString(value))
	}
	return Outgoing{URL: extend(redirect, join(query, extra.Encode()))}, nil
}

func (s signer) form(action, field string, message []byte, relayState string, extra url.Values) (Outgoing, error) {
	if s.key != nil {
		var err error
		if message, err = s.seal(message); err != nil {
			return Outgoing{}, err
		}
	}
	o := Outgoing{Action: extend(action, extra.Encode()), Fields: [][2]string{{field, base64.StdEncoding.EncodeToString(message)}}}
	if relayState != "" {
		o.Fields = append(o.Fields, [2]string{"RelayState", relayState})
	}
	return o, nil
}

func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "&" + b
}

// extend adds to the query of a provider's URL, which may have one of its own.
func extend(to, query string) string {
	to, _, _ = strings.Cut(to, "#")
	switch {
	case query == "":
		return to
	case !strings.Contains(to, "?"):
		return to + "?" + query
	case strings.HasSuffix(to, "?"), strings.HasSuffix(to, "&"):
		return to + query
	}
	return to + "&" + query
}
