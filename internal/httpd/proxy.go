package httpd

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Remote is the address of a caller, the zero Addr when it cannot be told: the
// peer's, or what a trusted proxy says of it.
func Remote(r *http.Request, trusted []netip.Prefix) netip.Addr {
	peer := peerOf(r)
	if len(trusted) == 0 || !peer.IsValid() {
		return peer
	}
	return behindProxies(peer.Unmap(), r.Header.Values("X-Forwarded-For"), trusted)
}

func peerOf(r *http.Request) netip.Addr {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return peer.Addr()
}

// IsSecure reports whether a request came over TLS: here, or to a trusted proxy
// that says so.
func IsSecure(r *http.Request, trusted []netip.Prefix) bool {
	if r.TLS != nil {
		return true
	}
	peer := peerOf(r).Unmap()
	isTrusted := slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(peer) })
	return isTrusted && r.Header.Get("X-Forwarded-Proto") == "https"
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
