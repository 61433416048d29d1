package main

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// healthCmd asks /readyz of the daemon on this machine, for containers that have no shell.
type healthCmd struct{}

func (healthCmd) Run(a *app) error {
	cfg, err := a.config()
	if err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(cfg.Listen)
	if err != nil {
		return account.Errorf(account.Invalid, "listen: expected address:port, received %q.", cfg.Listen)
	}
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		host = "127.0.0.1"
	}
	scheme, client := "http", &http.Client{Timeout: 3 * time.Second}
	if cfg.TLS.Certificate != "" {
		// The certificate names the public host, and this asks our own listener over loopback.
		scheme, client.Transport = "https", &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	}
	resp, err := client.Get(scheme + "://" + net.JoinHostPort(host, port) + "/readyz")
	if err != nil {
		return account.Errorf(account.Unavailable, "The daemon does not answer.").Because(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if resp.StatusCode != http.StatusOK {
		return account.Errorf(account.Unavailable, "Not ready: %s", body)
	}
	_, err = a.out.Write(body)
	return err
}
