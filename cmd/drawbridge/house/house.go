package house

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/config"
	"github.com/drawbridge-id/drawbridge/egress"
	"github.com/drawbridge-id/drawbridge/events/inbound"
	"github.com/drawbridge-id/drawbridge/events/mail"
	"github.com/drawbridge-id/drawbridge/events/outbound"
	"github.com/drawbridge-id/drawbridge/federation"
	"github.com/drawbridge-id/drawbridge/federation/oidc"
	"github.com/drawbridge-id/drawbridge/scim"
	"github.com/drawbridge-id/drawbridge/store"
	"github.com/drawbridge-id/drawbridge/web"
)

// A House is everything behind the two listeners.
type House struct {
	Ledger *store.Ledger
	Door   *federation.Door
	Scim   *scim.Door
	Events *inbound.Door
	Feeds  *outbound.Door
	Public http.Handler // what the world may knock at
	Staff  http.Handler // metrics and profiles

	Metrics *web.Metrics

	post *mail.Post // nil: letters wait
	cfg  config.Config
	log  *slog.Logger
	now  func() time.Time
}

// New opens the ledger and builds the rooms. Close it after Serve.
func New(ctx context.Context, cfg config.Config, t Tools) (*House, error) {
	t = t.withDefaults()
	metrics := web.NewMetrics(web.Build{Version: Version(), Commit: Commit()})
	ledger, err := openMeasured(ctx, cfg, t, metrics)
	if err != nil {
		return nil, err
	}
	h := &House{Ledger: ledger, Metrics: metrics, cfg: cfg, log: t.Log, now: t.Now}
	if err := h.furnish(t); err != nil {
		return nil, errors.Join(err, ledger.Close())
	}
	return h, nil
}

func (h *House) furnish(t Tools) error {
	public, err := url.Parse(h.cfg.PublicURL)
	if err != nil {
		return account.Errorf(account.Invalid, "public_url: %v", err)
	}
	proxies := make([]netip.Prefix, len(h.cfg.TrustedProxies))
	for i, p := range h.cfg.TrustedProxies {
		if proxies[i], err = config.Network(p); err != nil {
			return account.Errorf(account.Invalid, "trusted_proxies: %v", err)
		}
	}
	if h.post, err = post(h.Ledger, h.cfg, t); err != nil {
		return err
	}
	metrics := h.Metrics
	fetch := egress.New(egress.Options{Allow: h.cfg.Egress.Allow, Timeout: time.Duration(h.cfg.Egress.Timeout), Log: t.Log})
	h.Door = h.door(t, fetch, metrics)
	h.Scim = scim.New(scim.Options{Ledger: h.Ledger, PublicURL: h.cfg.PublicURL, Now: t.Now, Rate: h.cfg.Scim.Rate, Burst: float64(h.cfg.Scim.Burst),
		Answered: metrics.SCIM()})
	h.Events = h.events(t, fetch, metrics)
	h.Feeds = h.feeds(t, metrics)
	coat := web.New(web.Options{
		PublicURL: public, Proxies: proxies, Log: t.Log, Metrics: metrics, Now: t.Now,
		SignIn: web.Rate{PerMinute: 60 * h.cfg.SignIn.Rate, Burst: h.cfg.SignIn.Burst},
	})
	mux := http.NewServeMux()
	coat.Mount(mux, h.routes()...)
	h.Public = scim.Tidy(coat.Wrap(mux))
	h.Staff = web.Operators(metrics, h.Ledger.Ready)
	return nil
}

func (h *House) door(t Tools, fetch *http.Client, metrics *web.Metrics) *federation.Door {
	return federation.New(federation.Options{
		Ledger: h.Ledger, Fetch: fetch, PublicURL: h.cfg.PublicURL,
		RP:        oidc.New(oidc.Options{Client: fetch, Now: t.Now, Log: t.Log}),
		Resolvers: federation.Resolvers(h.cfg.DNS.Resolvers),
		Now:       t.Now, Random: t.Random, Log: t.Log,
		Metrics: federation.Metrics{SignedIn: metrics.SignIn, Refused: metrics.Refusal},
		Limits:  federation.Limits{MetadataAge: time.Duration(h.cfg.Metadata.Refresh), Parallel: h.cfg.SignIn.Parallel},
	})
}

// Close closes the ledger.
func (h *House) Close() error { return h.Ledger.Close() }

// Serve answers on both listeners and works off jobs until ctx ends; then requests under way may finish
// for as long as the configuration allows. staff may be nil. It closes the listeners.
func (h *House) Serve(ctx context.Context, public, staff net.Listener) error {
	if h.cfg.TLS.Certificate != "" {
		pair, err := tls.LoadX509KeyPair(h.cfg.TLS.Certificate, h.cfg.TLS.Key)
		if err != nil {
			return account.Errorf(account.Invalid, "tls: the certificate and key do not load.").Because(err)
		}
		public = tls.NewListener(public, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}})
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return h.answer(ctx, h.Public, public) })
	if staff != nil {
		group.Go(func() error { return h.answer(ctx, h.Staff, staff) })
	}
	if h.post != nil {
		group.Go(func() error { h.post.Work(ctx); return nil })
	}
	group.Go(func() error { return h.Feeds.Run(ctx) })
	group.Go(func() error { return h.Ledger.Work(ctx, slices.Concat(h.Door.Tasks(), h.Events.Tasks())...) })
	return group.Wait()
}

func (h *House) answer(ctx context.Context, handler http.Handler, l net.Listener) error {
	server := web.Server(handler, web.Timeouts{}, h.log)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return account.Errorf(account.Unavailable, "The listener on %s ended.", l.Addr()).Because(err)
	case <-ctx.Done():
	}
	// The parent is over; what is under way gets a deadline of its own.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Duration(h.cfg.Shutdown))
	defer cancel()
	if err := server.Shutdown(last); err != nil {
		_ = server.Close()
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
