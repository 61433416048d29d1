package egress

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
)

// block is a special-purpose range and what people call it.
type block struct {
	prefix netip.Prefix
	what   string
}

// special follows the IANA special-purpose registries (RFC 6890 and its successors). For IPv6
// everything outside of 2000::/3 is refused beside these, so a range that is missing here fails shut.
var special = []block{
	{netip.MustParsePrefix("0.0.0.0/8"), "an unspecified address"},
	{netip.MustParsePrefix("10.0.0.0/8"), "a private address"},
	{netip.MustParsePrefix("100.64.0.0/10"), "a shared carrier address"},
	{netip.MustParsePrefix("127.0.0.0/8"), "a loopback address"},
	{netip.MustParsePrefix("169.254.0.0/16"), "a link-local address"},
	{netip.MustParsePrefix("172.16.0.0/12"), "a private address"},
	{netip.MustParsePrefix("192.0.0.0/24"), "a protocol assignment"},
	{netip.MustParsePrefix("192.0.2.0/24"), "a documentation address"},
	{netip.MustParsePrefix("192.88.99.0/24"), "a 6to4 relay address"},
	{netip.MustParsePrefix("192.168.0.0/16"), "a private address"},
	{netip.MustParsePrefix("198.18.0.0/15"), "a benchmarking address"},
	{netip.MustParsePrefix("198.51.100.0/24"), "a documentation address"},
	{netip.MustParsePrefix("203.0.113.0/24"), "a documentation address"},
	{netip.MustParsePrefix("224.0.0.0/4"), "a multicast address"},
	{netip.MustParsePrefix("240.0.0.0/4"), "a reserved address"},

	{netip.MustParsePrefix("::/128"), "an unspecified address"},
	{netip.MustParsePrefix("::1/128"), "a loopback address"},
	{netip.MustParsePrefix("::ffff:0:0/96"), "an IPv4 address dressed as IPv6"},
	{netip.MustParsePrefix("64:ff9b::/96"), "an IPv4 address dressed as IPv6 (NAT64)"},
	{netip.MustParsePrefix("64:ff9b:1::/48"), "an IPv4 address dressed as IPv6 (NAT64)"},
	{netip.MustParsePrefix("2002::/16"), "an IPv4 address dressed as IPv6 (6to4)"},
	{netip.MustParsePrefix("2001::/23"), "a protocol assignment"}, // Teredo, ORCHID, benchmarking
	{netip.MustParsePrefix("2001:db8::/32"), "a documentation address"},
	{netip.MustParsePrefix("3fff::/20"), "a documentation address"},
	{netip.MustParsePrefix("fc00::/7"), "a private address"},
	{netip.MustParsePrefix("fe80::/10"), "a link-local address"},
	{netip.MustParsePrefix("fec0::/10"), "a site-local address"},
	{netip.MustParsePrefix("ff00::/8"), "a multicast address"},
}

// metadata are the addresses at which clouds hand credentials to whoever asks. Listing a host name
// does not open them; listing the address itself does.
var metadata = map[netip.Addr]bool{
	netip.MustParseAddr("169.254.169.254"): true, // AWS, Azure, Google, OpenStack and others
	netip.MustParseAddr("169.254.170.2"):   true, // AWS, container credentials
	netip.MustParseAddr("169.254.170.23"):  true, // AWS, pod identity
	netip.MustParseAddr("100.100.100.200"): true, // Alibaba
	netip.MustParseAddr("192.0.0.192"):     true, // Oracle
	netip.MustParseAddr("168.63.129.16"):   true, // Azure wire server, inside public space
	netip.MustParseAddr("fd00:ec2::254"):   true, // AWS over IPv6
	netip.MustParseAddr("fd00:ec2::23"):    true, // AWS, pod identity over IPv6
	netip.MustParseAddr("fd20:ce::254"):    true, // Google over IPv6
}

var global6 = netip.MustParsePrefix("2000::/3")

// Special says why an address is not one of a public host, as a noun for people ("a loopback
// address"); ok is false for public unicast addresses.
func Special(ip netip.Addr) (what string, ok bool) {
	switch {
	case !ip.IsValid():
		return "no address", true
	case ip.Zone() != "":
		return "an address of one network interface", true
	case metadata[ip]:
		return "the cloud's metadata service", true
	}
	for _, b := range special {
		if b.prefix.Contains(ip) {
			return b.what, true
		}
	}
	if ip.Is6() && !global6.Contains(ip) {
		return "outside of public address space", true
	}
	return "", false
}

// allowList is Options.Allow, read.
type allowList struct {
	hosts map[string]bool
	nets  []netip.Prefix
}

func (a allowList) empty() bool { return len(a.hosts) == 0 && len(a.nets) == 0 }

func (a allowList) covers(ip netip.Addr) bool {
	ip = ip.WithZone("")
	for _, p := range a.nets {
		if p.Contains(ip) || p.Contains(ip.Unmap()) {
			return true
		}
	}
	return false
}

// CheckAllow says which entry of an allow list cannot be read: expected is a host name, an IP address
// or a CIDR block, without scheme, port or path.
func CheckAllow(entries []string) error {
	_, err := parseAllow(entries)
	return err
}

func parseAllow(entries []string) (allowList, error) {
	a := allowList{hosts: map[string]bool{}}
	var first error
	for i, e := range entries {
		if err := a.add(strings.TrimSpace(e)); err != nil && first == nil {
			first = account.Errorf(account.Invalid, "Expected a host name, an IP address or a CIDR block, received %q.", clip(e)).
				At(fmt.Sprintf("/egress/allow/%d", i)).Because(err)
		}
	}
	return a, first
}

func (a *allowList) add(e string) error {
	bare := strings.TrimSuffix(strings.TrimPrefix(e, "["), "]")
	if ip, err := netip.ParseAddr(bare); err == nil {
		ip = ip.Unmap().WithZone("")
		a.nets = append(a.nets, netip.PrefixFrom(ip, ip.BitLen()))
		return nil
	}
	if strings.Contains(e, "/") {
		p, err := netip.ParsePrefix(e)
		if err != nil {
			return err
		}
		a.nets = append(a.nets, p.Masked())
		return nil
	}
	if e == "" || strings.ContainsAny(e, ":*?@# ") {
		return fmt.Errorf("no host name: %q", clip(e))
	}
	a.hosts[hostKey(e)] = true
	return nil
}

func hostKey(host string) string { return strings.ToLower(strings.TrimSuffix(host, ".")) }

func clip(s string) string {
	if len(s) <= 200 {
		return s
	}
	return strings.ToValidUTF8(s[:200], "") + "…"
}
