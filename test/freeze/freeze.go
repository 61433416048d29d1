// Package freeze is a network between a client and a server that can stop: bytes are neither delivered nor refused, and connections stay
// as they are, as when a cable is pulled or a machine hangs.
package freeze

import (
	"net"
	"net/url"
	"sync"
	"testing"
)

// A Proxy forwards TCP connections to one server.
type Proxy struct {
	Addr   string // host:port to connect to
	target string

	mu     sync.Mutex
	open   chan struct{} // closed while bytes pass
	conns  map[net.Conn]bool
	closed bool
}

// New starts one in front of host:port. It ends with the test.
func New(t testing.TB, target string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Addr: l.Addr().String(), target: target, open: make(chan struct{}), conns: map[net.Conn]bool{}}
	close(p.open)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(c)
		}
	}()
	t.Cleanup(func() {
		l.Close()
		p.mu.Lock()
		p.closed = true
		for c := range p.conns {
			c.Close()
		}
		p.mu.Unlock()
		p.Thaw()
	})
	return p
}

// InFrontOf starts one in front of the server that a URL names, and gives the URL through it.
func InFrontOf(t testing.TB, server string) (*Proxy, string) {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	p := New(t, u.Host)
	u.Host = p.Addr
	return p, u.String()
}

// Freeze stops all bytes, both ways. What is on the way arrives after Thaw.
func (p *Proxy) Freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.open:
		p.open = make(chan struct{})
	default:
	}
}

// Thaw lets bytes pass again.
func (p *Proxy) Thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.open:
	default:
		close(p.open)
	}
}

func (p *Proxy) gate() chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open
}

// keep notes a connection, or closes it when the test is over.
func (p *Proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		c.Close()
		return false
	}
	p.conns[c] = true
	return true
}

func (p *Proxy) serve(client net.Conn) {
	if !p.keep(client) {
		return
	}
	server, err := net.Dial("tcp", p.target)
	if err != nil || !p.keep(server) {
		client.Close()
		return
	}
	go p.pour(server, client)
	p.pour(client, server)
}

func (p *Proxy) pour(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		<-p.gate()
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
