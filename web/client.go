package web

import (
	"net/http"
	"net/netip"
	"strings"
)

// clientIP is where a request comes from. The peer's own word is the only one that counts, unless it
// is one of proxies: then the last address of X-Forwarded-For that is no listed proxy itself is the
// client, because everything left of it was written by strangers (SES-4). An entry that is no
// address ends the search at the proxy that passed it on.
func clientIP(r *http.Request, proxies []netip.Prefix) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{} // a Unix socket
	}
	return forwarded(peer.Addr().Unmap().WithZone(""), r.Header.Values("X-Forwarded-For"), proxies)
}

func forwarded(peer netip.Addr, lines []string, proxies []netip.Prefix) netip.Addr {
	ip := peer
	for i := len(lines) - 1; i >= 0; i-- {
		rest := lines[i]
		for more := true; more; {
			if !listed(ip, proxies) {
				return ip
			}
			var entry string
			if at := strings.LastIndexByte(rest, ','); at >= 0 {
				rest, entry = rest[:at], rest[at+1:]
			} else {
				more, entry = false, rest
			}
			next, ok := parseForwarded(strings.TrimSpace(entry))
			if !ok {
				return ip
			}
			ip = next
		}
	}
	return ip
}

// parseForwarded reads an address as proxies write it: bare, with a port, IPv6 with brackets.
func parseForwarded(s string) (netip.Addr, bool) {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone(""), true
	}
	ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	return ip.Unmap().WithZone(""), err == nil
}

func listed(ip netip.Addr, proxies []netip.Prefix) bool {
	for _, p := range proxies {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}
