package httpd

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// callerAddress is the address of the caller, the zero Addr when it cannot be
// told: the peer's, or what a trusted proxy says of it.
func callerAddress(r *http.Request, trusted []netip.Prefix) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	if len(trusted) == 0 {
		return ap.Addr()
	}
	return behindProxies(ap.Addr().Unmap(), r.Header.Values("X-Forwarded-For"), trusted)
}

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
