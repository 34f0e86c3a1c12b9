package httpd

import (
	"net/netip"
	"testing"
)

func TestBehindProxies(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for _, c := range []struct {
		name, peer string
		headers    []string
		want       string
	}{
		{"no proxy", "192.0.2.1", nil, "192.0.2.1"},
		{"a stranger who pretends", "192.0.2.1", []string{"198.51.100.7"}, "192.0.2.1"},
		{"one proxy", "10.0.0.1", []string{"198.51.100.7"}, "198.51.100.7"},
		{"two proxies", "10.0.0.1", []string{"198.51.100.7, 10.0.0.2"}, "198.51.100.7"},
		{"two headers", "10.0.0.1", []string{"198.51.100.7", "10.0.0.2"}, "198.51.100.7"},
		{"a client who pretends behind a proxy", "10.0.0.1", []string{"203.0.113.9, 198.51.100.7"}, "198.51.100.7"},
		{"a proxy of version 6", "fd00::1", []string{"2001:db8::5"}, "2001:db8::5"},
		{"a mapped address", "10.0.0.1", []string{"::ffff:198.51.100.7"}, "198.51.100.7"},
		{"nonsense", "10.0.0.1", []string{"nobody"}, "10.0.0.1"},
		{"a proxy that says nothing", "10.0.0.1", nil, "10.0.0.1"},
	} {
		if got := behindProxies(netip.MustParseAddr(c.peer), c.headers, trusted); got.String() != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
