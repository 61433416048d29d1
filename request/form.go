package request

import (
	"net/http"
	"net/url"
	"strings"
)

// AllowForm lets the form on this answer lead to target, the absolute URL of an identity provider.
// Browsers hold Content-Security-Policy's form-action against the target of a form and, Chromium at
// least, against every redirect that follows; where a provider sends people on (to another host of
// its own, to the provider that it trusts in turn) cannot be known here. So the policy is widened to
// the target's scheme, on pages that hold nothing but this form. A target that is no http or https URL
// widens nothing. Call it before the header is written; without a policy on w it does nothing.
func AllowForm(w http.ResponseWriter, target string) {
	u, err := url.Parse(target)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return
	}
	const policy, directive = "Content-Security-Policy", "form-action 'self'"
	h := w.Header()
	h.Set(policy, strings.Replace(h.Get(policy), directive, directive+" "+u.Scheme+":", 1))
}
