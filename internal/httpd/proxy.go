package httpd

import (
	"net/netip"
	"slices"
	"strings"
)

// behindProxies follows X-Forwarded-For from its end, which the nearest proxy
// wrote, for as long as the one who says so is trusted. What lies before that
// anybody may have written.
func behindProxies(peer netip.Addr, headers []string, trusted []netip.Prefix) netip.Addr {
	isTrusted := func(p netip.Prefix) bool { return p.Contains(peer) }
	hops := strings.Split(strings.Join(headers, ","), ",")
	for _, hop := range slices.Backward(hops) {
		if !slices.ContainsFunc(trusted, isTrusted) {
			break
		}
		next, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			break
		}
		peer = next.Unmap()
	}
	return peer
}
