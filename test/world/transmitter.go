package world

import (
	"net"
	"net/http"
	"time"

	"github.com/drawbridge-id/drawbridge/test/sim"
)

// Transmitter starts a transmitter of security events below a path of its own listener: "" or one that begins with a slash.
func (w *World) Transmitter(path string) *sim.Transmitter {
	w.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	_, port, _ := net.SplitHostPort(l.Addr().String())
	t := sim.NewTransmitter("http://localhost:"+port+path, w.Clock.Now)
	server := &http.Server{Handler: t, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(l) }()
	w.Cleanup(func() { _ = server.Close() })
	return t
}
