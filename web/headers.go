package web

import (
	"net/http"
	"net/url"
)

// policy allows our own style sheet and script and nothing else (SES-3). request.AllowForm widens
// form-action where a form leads to an identity provider.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// securityHeaders are on every answer; a handler may replace what it knows better, as Cache-Control
// on a file whose name carries its hash.
func securityHeaders(public *url.URL) http.Header {
	h := http.Header{}
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY") // for browsers that predate frame-ancestors
	// Paths carry ids of flows and shares, so other sites learn our origin at most. A stricter policy
	// would make browsers send "Origin: null" with our own forms and blind the cross-origin check.
	h.Set("Referrer-Policy", "strict-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	if public.Scheme == "https" {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
	return h
}
