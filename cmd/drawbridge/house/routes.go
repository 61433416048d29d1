package house

import (
	"context"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/events/set"
	"github.com/drawbridge-id/drawbridge/issuer"
	"github.com/drawbridge-id/drawbridge/scim"
	"github.com/drawbridge-id/drawbridge/web"
	"github.com/drawbridge-id/drawbridge/web/api"
	"github.com/drawbridge-id/drawbridge/web/console"
	"github.com/drawbridge-id/drawbridge/web/page"
)

// What a message of an identity provider may hold, in bytes: a SAML response with 15,000 groups fits.
const (
	small   = 16 << 10
	message = 2 << 20
)

// Routes is the route table, for stories that walk all of it.
func (h *House) Routes() []web.Route { return h.routes() }

// routes is the whole outside of the house: where one knocks, how much one may carry, whether another site may send
// the browser there, what slows a stranger down, who answers.
func (h *House) routes() []web.Route {
	d := h.Door
	c := console.New(console.Options{Ledger: h.Ledger, Door: d, Now: h.now})
	apps := issuer.New(issuer.Options{Ledger: h.Ledger, Now: h.now})
	slow := web.SignInThrottle
	return []web.Route{
		{Pattern: page.AssetPattern, Handler: web.Plain(page.Assets)},
		{Pattern: "GET /healthz", Handler: web.Plain(web.Healthz)},
		{Pattern: "GET /readyz", Handler: web.Readyz(h.Ledger.Ready)},

		// the sign-in door
		{Pattern: "GET /signin", Handler: d.SignInPage},
		{Pattern: "POST /signin", Limit: small, Throttle: slow, Handler: d.FindConnection},
		{Pattern: "GET /login/{connection}", Throttle: slow, Handler: d.Login},
		{Pattern: "GET /session", Handler: d.Session},
		{Pattern: "GET /signout", Handler: d.SignOutPage},
		{Pattern: "POST /signout", Limit: small, Handler: d.SignOut},
		{Pattern: "GET /signed-out", Handler: d.SignedOutPage},

		// people who sign in by themselves
		{Pattern: "GET /signin/password", Handler: d.PasswordPage},
		{Pattern: "POST /signin/password", Limit: small, Throttle: slow, Handler: d.SignInByPassword},
		{Pattern: "GET /signin/confirm", Handler: d.ConfirmPage},
		{Pattern: "POST /signin/confirm", Limit: small, Throttle: slow, Handler: d.Confirm},
		{Pattern: "GET /signup", Handler: d.SignUpPage},
		{Pattern: "POST /signup", Limit: small, Throttle: slow, Handler: d.SignUp},
		{Pattern: "GET /verify", Handler: d.VerifyPage},
		{Pattern: "POST /verify", Limit: small, Throttle: slow, Handler: d.Verify},
		{Pattern: "POST /verify/resend", Limit: small, Throttle: slow, Handler: d.ResendVerification},
		{Pattern: "GET /verify/{token}", Throttle: slow, Handler: d.VerifyLinkPage},
		{Pattern: "POST /verify/{token}", Limit: small, Throttle: slow, Handler: d.VerifyByLink},
		{Pattern: "GET /welcome", Handler: d.WelcomePage},
		{Pattern: "POST /welcome", Limit: small, Handler: d.Welcome},
		{Pattern: "GET /password/forgot", Handler: d.ForgotPage},
		{Pattern: "POST /password/forgot", Limit: small, Throttle: slow, Handler: d.Forgot},
		{Pattern: "GET /password/reset/{token}", Throttle: slow, Handler: d.ResetPage},
		{Pattern: "POST /password/reset/{token}", Limit: small, Throttle: slow, Handler: d.Reset},
		{Pattern: "GET /second-factor", Handler: d.SecondFactorPage},
		{Pattern: "POST /second-factor", Limit: small, Throttle: slow, Handler: d.SecondFactor},
		{Pattern: "GET /account/security", Handler: d.SecurityPage},
		{Pattern: "POST /account/security/begin", Limit: small, Handler: d.EnrolFactor},
		{Pattern: "POST /account/security/confirm", Limit: small, Throttle: slow, Handler: d.ConfirmFactor},
		{Pattern: "POST /account/security/remove", Limit: small, Handler: d.RemoveFactor},
		{Pattern: "POST /account/security/codes", Limit: small, Handler: d.NewRecoveryCodes},
		{Pattern: "POST /account/security/later", Limit: small, Handler: d.LaterFactor},
		{Pattern: "GET /terms", Handler: d.TermsPage},
		{Pattern: "POST /terms", Limit: small, Handler: d.AgreeTerms},

		// SAML, per connection
		{Pattern: "GET /saml/{connection}/metadata", Handler: d.Metadata},
		{Pattern: "POST /saml/{connection}/acs", Limit: message, Exempt: true, Throttle: slow, Handler: d.ACS},
		{Pattern: "GET /saml/{connection}/slo", Throttle: slow, Handler: d.SLO},
		{Pattern: "POST /saml/{connection}/slo", Limit: message, Exempt: true, Throttle: slow, Handler: d.SLO},

		// OpenID Connect, per connection
		{Pattern: "GET /oidc/{connection}/initiate", Throttle: slow, Handler: d.Initiate},
		{Pattern: "POST /oidc/{connection}/initiate", Limit: small, Exempt: true, Throttle: slow, Handler: d.Initiate},
		{Pattern: "GET /oidc/{connection}/callback", Throttle: slow, Handler: d.Callback},
		{Pattern: "POST /oidc/{connection}/callback", Limit: message, Exempt: true, Throttle: slow, Handler: d.Callback},
		{Pattern: "POST /oidc/{connection}/backchannel-logout", Limit: 64 << 10, Exempt: true, Handler: d.BackchannelLogout}, // not slowed down: one provider may end a whole company's sessions

		// SCIM, per connection: one door for all methods, so that every refusal is in SCIM's words. Bodies are bounded there.
		{Pattern: "/scim/{connection}/v2/{rest...}", Limit: 8 * scim.Limit, Exempt: true, Handler: h.Scim.Serve},
		{Pattern: "POST /scim/{connection}/oauth/token", Limit: small, Exempt: true, Throttle: slow, Handler: h.Scim.Token},

		// security events in, per stream: one door for all methods, so that every refusal is in RFC 8935's words
		{Pattern: "/events/{stream}", Limit: set.MaxToken + 1, Exempt: true, Handler: h.Events.Push},
		{Pattern: "/events/{stream}/{credential}", Limit: set.MaxToken + 1, Exempt: true, Handler: h.Events.Push}, // from senders without an Authorization
		{Pattern: "/events/{stream}/global-token-revocation", Exempt: true, Handler: h.Events.Revoke},

		// security events out: a transmitter per account, whose receivers show a token
		{Pattern: "GET /.well-known/ssf-configuration/ssf/{account}", Handler: h.Feeds.Configuration},
		{Pattern: "GET /.well-known/risc-configuration/ssf/{account}", Handler: h.Feeds.Configuration}, // RISC 1.0
		{Pattern: "GET /.well-known/oauth-authorization-server/ssf/{account}", Handler: h.Feeds.AuthorizationServer},
		{Pattern: "GET /.well-known/oauth-protected-resource/ssf/{account}", Handler: h.Feeds.ProtectedResource},
		{Pattern: "GET /ssf/{account}/jwks", Handler: h.Feeds.Keys},
		{Pattern: "POST /ssf/{account}/token", Limit: small, Exempt: true, Throttle: slow, Handler: h.Feeds.Token},
		{Pattern: "POST /ssf/{account}/stream", Exempt: true, Handler: h.Feeds.CreateStream},
		{Pattern: "GET /ssf/{account}/stream", Handler: h.Feeds.Streams},
		{Pattern: "PATCH /ssf/{account}/stream", Exempt: true, Handler: h.Feeds.UpdateStream},
		{Pattern: "PUT /ssf/{account}/stream", Exempt: true, Handler: h.Feeds.ReplaceStream},
		{Pattern: "DELETE /ssf/{account}/stream", Exempt: true, Handler: h.Feeds.DeleteStream},
		{Pattern: "GET /ssf/{account}/status", Handler: h.Feeds.Status},
		{Pattern: "POST /ssf/{account}/status", Exempt: true, Handler: h.Feeds.SetStatus},
		{Pattern: "POST /ssf/{account}/subjects:add", Exempt: true, Handler: h.Feeds.AddSubject},
		{Pattern: "POST /ssf/{account}/subjects:remove", Exempt: true, Handler: h.Feeds.RemoveSubject},
		{Pattern: "POST /ssf/{account}/verify", Exempt: true, Handler: h.Feeds.Verify},
		{Pattern: "POST /ssf/{account}/poll/{stream}", Exempt: true, Handler: h.Feeds.Poll},

		// apps; who asks in vain is slowed down there
		{Pattern: "POST /keys/verify", Limit: issuer.Limit, Exempt: true, Handler: apps.VerifyKey},

		// pages
		{Pattern: "GET /{$}", Handler: c.Home},
		{Pattern: "GET /choose", Handler: c.ChoosePage},
		{Pattern: "POST /choose", Limit: small, Handler: c.Choose},
		{Pattern: "GET /no-access", Handler: c.NoAccess},
		{Pattern: "GET /account/new", Handler: c.NewAccount},
		{Pattern: "POST /account/new", Limit: small, Throttle: slow, Handler: c.OpenAccount},
		{Pattern: "GET /login-test", Handler: c.LoginTest},
		{Pattern: "POST /login-test", Limit: small, Handler: c.StartLoginTest},
		{Pattern: "GET /login-test/start/{connection}/{ticket}", Throttle: slow, Handler: d.OpenTest},
		{Pattern: "GET /login-test/{diagnosis}", Handler: c.LoginTestResult},
		{Pattern: "POST /login-test/{diagnosis}/confirm", Limit: small, Handler: c.ConfirmLoginTest},
		{Pattern: "GET /recover", Handler: c.RecoverPage},
		{Pattern: "GET /ticket/{token}", Throttle: slow, Handler: c.Ticket},
		{Pattern: "POST /ticket/{token}", Limit: small, Throttle: slow, Handler: c.AcceptTicket},
		{Pattern: "GET /o/{org}/contact", Handler: c.Contact},
		{Pattern: "POST /o/{org}/contact", Limit: small, Handler: c.SendContact},
		{Pattern: "GET /account/notifications", Handler: c.Notifications},
		{Pattern: "POST /account/notifications", Limit: small, Handler: c.SetNotifications},
		{Pattern: "GET /unsubscribe/{token}", Throttle: slow, Handler: c.UnsubscribePage},
		{Pattern: "POST /unsubscribe/{token}", Limit: small, Exempt: true, Throttle: slow, Handler: c.Unsubscribe}, // mail programs do (RFC 8058)
		{Pattern: "POST /recover", Limit: small, Throttle: slow, Handler: c.Recover},
		{Pattern: "GET /recovery/{token}", Throttle: slow, Handler: c.RecoveryLink},
		{Pattern: "POST /recovery/{token}", Limit: small, Throttle: slow, Handler: c.UseRecoveryLink},
		{Pattern: "GET /account/recovery", Handler: c.Recovery},
		{Pattern: "POST /account/recovery", Limit: small, Handler: c.SetRecovery},
		{Pattern: "GET /invitation/{token}", Throttle: slow, Handler: c.Invitation},
		{Pattern: "POST /invitation/{token}", Limit: small, Throttle: slow, Handler: c.AcceptInvitation},
		{Pattern: "POST /invitation/{token}/ask", Limit: small, Throttle: slow, Handler: c.AskForInvitation},
		{Pattern: "GET /group-invitation/{token}", Throttle: slow, Handler: c.GroupInvitation},
		{Pattern: "POST /group-invitation/{token}", Limit: small, Throttle: slow, Handler: c.AcceptGroupInvitation},
		{Pattern: "GET /groups", Handler: c.Groups},
		{Pattern: "GET /groups/{group}", Handler: c.Group},
		{Pattern: "POST /groups/{group}/invite", Limit: small, Handler: c.InviteToGroup},
		{Pattern: "POST /groups/{group}/invitations/{invitation}", Limit: small, Handler: c.ChangeGroupInvitation},
		{Pattern: "POST /groups/{group}/members/{user}", Limit: small, Handler: c.RemoveFromGroup},
		{Pattern: "GET /o/{org}/groups", Handler: c.OrgGroups},
		{Pattern: "GET /activate/{token}", Throttle: slow, Handler: c.Activation},
		{Pattern: "POST /activate/{token}", Limit: small, Throttle: slow, Handler: c.Activate},
		{Pattern: "GET /activate/{token}/transfer", Throttle: slow, Handler: c.TransferPage},
		{Pattern: "POST /activate/{token}/transfer", Limit: small, Throttle: slow, Handler: c.Transfer},
		{Pattern: "GET /register", Handler: c.Register},
		{Pattern: "GET /register/certificate", Handler: c.RegistrationForm},
		{Pattern: "POST /register/certificate", Limit: small, Throttle: slow, Handler: c.CheckRegistration},
		{Pattern: "POST /register/account", Limit: small, Throttle: slow, Handler: c.RegisterThere},
		{Pattern: "GET /activate-code", Handler: c.CodeForm},
		{Pattern: "POST /activate-code", Throttle: slow, Handler: c.ReviewCodes},
		{Pattern: "POST /activate-code/request", Throttle: slow, Handler: c.RequestCodes},
		{Pattern: "GET /services", Handler: c.MyServices},
		{Pattern: "GET /o/{org}/services", Handler: c.Services},
		{Pattern: "GET /o/{org}/subscriptions", Handler: c.Subscriptions},
		{Pattern: "GET /setup/{token}", Throttle: slow, Handler: c.Setup},
		{Pattern: "POST /setup/{token}", Limit: small, Throttle: slow, Handler: c.BecomeFirstOwner},

		// the JSON API; its own table of operations is in web/api
		{Pattern: "/api/v1/", Limit: 64 << 10, Handler: web.Plain(api.Handler(api.Options{Ledger: h.Ledger, Now: h.now, StartTest: h.startTest, Replay: h.replay}).ServeHTTP)},
	}
}

// startTest is the door's, in the API's words.
func (h *House) startTest(ctx context.Context, by account.Actor, c account.ConnectionID, which account.Which) (string, account.DiagnosisID, error) {
	test, err := h.Door.StartTest(ctx, by, c, which)
	return test.URL, test.Diagnosis, err
}

// replay is the SCIM door's, in the API's words.
func (h *House) replay(ctx context.Context, by account.Actor, c account.ConnectionID, id account.SCIMRequestID) (int, string, []account.SCIMRequest, error) {
	r, err := h.Scim.Replay(ctx, by, c, id)
	return r.Status, r.Body, r.Changes, err
}
