package request

import (
	"net/http"
	"net/url"
	"strings"
)

// AllowForm lets a form on this answer lead to the origins of targets (absolute URLs), beside our
// own: a browser obeys Content-Security-Policy's form-action for the target of a form and for every
// redirect that follows it. Targets that are no http or https URLs are ignored. Call it before the
// header is written; without a policy on w it does nothing.
func AllowForm(w http.ResponseWriter, targets ...string) {
	var origins strings.Builder
	for _, t := range targets {
		if o := origin(t); o != "" {
			origins.WriteString(" " + o)
		}
	}
	const policy, directive = "Content-Security-Policy", "form-action 'self'"
	h := w.Header()
	h.Set(policy, strings.Replace(h.Get(policy), directive, directive+origins.String(), 1))
}

// origin is the scheme, host and port of an absolute http or https URL in the letters that a policy
// may hold; empty for anything else.
func origin(target string) string {
	u, err := url.Parse(target)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return ""
	}
	if strings.ContainsFunc(u.Host, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(".-:[]", r))
	}) {
		return ""
	}
	return u.Scheme + "://" + u.Host
}
