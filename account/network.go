package account

import "net/netip"

// Network is what one subscriber holds: an IPv4 address, or 64 bits of IPv6. Rates of strangers are counted by it.
func Network(ip netip.Addr) netip.Addr {
	if ip.Is6() && !ip.Is4In6() {
		if p, err := ip.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return ip
}
