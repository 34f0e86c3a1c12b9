package registry

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/hallmark-id/hallmark/internal/audit"
)

// Upstream is the ID² service that is asked for an organisation's devices whose
// keys are not held here, and the organisation's own access key for it.
type Upstream struct {
	Endpoint    string // base URL
	AccessKeyID string
	Secret      string
	CA          string // authorities to trust, PEM; "" for the system's
	Timeout     time.Duration
	// InsecureHTTP allows plain HTTP to an address that others can reach.
	InsecureHTTP bool
}

// String keeps the secret out of logs.
func (u Upstream) String() string { return u.AccessKeyID + " at " + u.Endpoint }

// GoString keeps the secret out of %#v.
func (u Upstream) GoString() string { return u.String() }

// UpstreamRow is an upstream as a store keeps it: the secret sealed.
type UpstreamRow struct {
	Org ID
	Upstream
	Sealed  []byte
	Changed Instant
}

// Relay says what of an organisation is relayed, and where to.
type Relay struct {
	Upstream *Upstream       // nil while there is none
	Products map[string]bool // those whose switch is on
}

// Relayed is a device that the upstream has answered for.
type Relayed struct {
	Org         ID
	ID2         string
	Product     string // "" until it has authenticated
	First, Last Instant
	Count       int64 // authentications that succeeded
	Held        bool  // its key is held here by now; lists only
	// Event is written when the device is new.
	Event audit.Event
}

// RelayedFilter chooses relayed devices; zero fields choose all.
type RelayedFilter struct {
	Product string
	After   string // the last id2 of the page before
	// Held includes devices whose key is held here by now.
	Held  bool
	Limit int
}

// RelayedCount tells how many devices depend on the upstream: ids that it has
// answered for and whose key is not held here.
type RelayedCount struct {
	Day, Week, Month int64 // seen within 24 hours, 7 and 30 days
	All              int64
	Held             int64 // whose key is held here by now; not in the others
}

// RelayStore keeps upstreams and what was relayed to them.
type RelayStore interface {
	Upstream(ctx context.Context, org ID) (UpstreamRow, error)
	// SetUpstream takes the place of the one that is there.
	SetUpstream(ctx context.Context, u UpstreamRow, e audit.Event) error
	RemoveUpstream(ctx context.Context, org ID, e audit.Event) error
	// AddRelayed adds to the counters of devices and writes the events of those
	// that are new.
	AddRelayed(ctx context.Context, batch []Relayed) error
	// RelayedDevices returns a page in the order of ids.
	RelayedDevices(ctx context.Context, org ID, f RelayedFilter) ([]Relayed, error)
	// CountRelayed counts those of an organisation, or of all for 0.
	CountRelayed(ctx context.Context, org ID, now Instant) (RelayedCount, error)
}

// Bounds of what an operator may set.
const (
	DefaultRelayTimeout = 2500 * time.Millisecond // below the 3 s of the vendor's Node client (openapi-rpc §0.11)
	minRelayTimeout     = 100 * time.Millisecond
	maxRelayTimeout     = 30 * time.Second
	maxAccessKey        = 256
	maxRelayCA          = 32 << 10
)

// SetUpstream sets where an organisation's unknown devices are asked for. It
// relays nothing until a product's switch is on.
func (r *Registry) SetUpstream(ctx context.Context, org ID, u Upstream, by audit.Actor) (UpstreamRow, error) {
	if u.Timeout == 0 {
		u.Timeout = DefaultRelayTimeout
	}
	if err := u.check(); err != nil {
		return UpstreamRow{}, err
	}
	sealed, err := r.ring.Seal([]byte(u.Secret), upstreamBinding(org))
	if err != nil {
		return UpstreamRow{}, err
	}
	u.Secret = ""
	row := UpstreamRow{Org: org, Upstream: u, Sealed: sealed, Changed: At(r.now())}
	event := by.Did("relay.set", "relay", org.String(), map[string]any{"endpoint": u.Endpoint, "access_key_id": u.AccessKeyID,
		"timeout_ms": u.Timeout.Milliseconds(), "insecure_http": u.InsecureHTTP, "own_authority": u.CA != ""})
	err = r.store.SetUpstream(ctx, row, event.In(int64(org)))
	r.relays.invalidate(org)
	return row, err
}

func upstreamBinding(org ID) string { return "relay_upstreams/secret/" + org.String() }

func (u *Upstream) check() error {
	if err := u.checkEndpoint(); err != nil {
		return err
	}
	switch {
	case !isAccessKey(u.AccessKeyID) || !isAccessKey(u.Secret):
		return invalid("an access key id and its secret are needed, of 1 to %d printable characters each and no space", maxAccessKey)
	case u.Timeout < minRelayTimeout || u.Timeout > maxRelayTimeout:
		return invalid("the timeout must be %v to %v", minRelayTimeout, maxRelayTimeout)
	case u.CA != "" && (len(u.CA) > maxRelayCA || !x509.NewCertPool().AppendCertsFromPEM([]byte(u.CA))):
		return invalid("the authority's file holds no certificate in PEM, or more than %d bytes", maxRelayCA)
	}
	return nil
}

func (u *Upstream) checkEndpoint() error {
	at, err := url.Parse(u.Endpoint)
	if err != nil || at.Host == "" || at.Hostname() == "" || at.User != nil || at.RawQuery != "" || at.Fragment != "" || at.Path != "" && at.Path != "/" {
		return invalid("the endpoint must be a URL without a path, such as https://id2.cn-shanghai.aliyuncs.com")
	}
	switch {
	case at.Scheme == "https":
	case at.Scheme != "http":
		return invalid("the endpoint must begin with https://")
	case !u.InsecureHTTP && !isLoopbackHost(at.Hostname()):
		return invalid("auth codes and data would go to %s in plain HTTP: give an https:// endpoint, or allow it with insecure_http", at.Host)
	}
	u.Endpoint = at.Scheme + "://" + at.Host
	return nil
}

func isLoopbackHost(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// isAccessKey bounds what goes into a signed request.
func isAccessKey(s string) bool {
	return s != "" && len(s) <= maxAccessKey && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// RemoveUpstream ends an organisation's relay and forgets the access key. The
// switches of products stay as they are.
func (r *Registry) RemoveUpstream(ctx context.Context, org ID, by audit.Actor) error {
	err := r.store.RemoveUpstream(ctx, org, by.Did("relay.off", "relay", org.String(), nil).In(int64(org)))
	r.relays.invalidate(org)
	return describeUpstream(err)
}

// Upstream returns an organisation's upstream without its secret.
func (r *Registry) Upstream(ctx context.Context, org ID) (UpstreamRow, error) {
	row, err := r.store.Upstream(ctx, org)
	return row, describeUpstream(err)
}

func describeUpstream(err error) error {
	if errors.Is(err, ErrNotFound) {
		return fmt.Errorf("the organisation has no upstream: %w", err)
	}
	return err
}

// Relay returns what of an organisation is relayed, through the cache.
func (r *Registry) Relay(ctx context.Context, org ID) (*Relay, error) {
	return r.relays.get(ctx, org)
}

func (r *Registry) loadRelay(ctx context.Context, org ID) (*Relay, error) {
	row, err := r.store.Upstream(ctx, org)
	if errors.Is(err, ErrNotFound) {
		return &Relay{}, nil // kept, unlike an error: most organisations have none
	}
	if err != nil {
		return nil, err
	}
	secret, err := r.ring.Open(row.Sealed, upstreamBinding(org))
	if err != nil {
		return nil, fmt.Errorf("access key of the upstream: %w", err)
	}
	row.Secret = string(secret)
	clear(secret)
	products, err := r.store.Products(ctx, org)
	if err != nil {
		return nil, err
	}
	live := &Relay{Upstream: &row.Upstream, Products: make(map[string]bool)}
	for _, p := range products {
		if p.Relay {
			live.Products[p.Key] = true
		}
	}
	return live, nil
}

// AddRelayed writes what was relayed behind the requests.
func (r *Registry) AddRelayed(ctx context.Context, batch []Relayed) error {
	return r.store.AddRelayed(ctx, batch)
}

// RelayedDevices lists the devices that an organisation's upstream has answered
// for, in the order of their ids.
func (r *Registry) RelayedDevices(ctx context.Context, org ID, f RelayedFilter) ([]Relayed, error) {
	if f.Limit <= 0 || f.Limit > MaxPage {
		f.Limit = MaxPage
	}
	return r.store.RelayedDevices(ctx, org, f)
}

// CountRelayed tells how many devices of an organisation, or of all for 0,
// depend on an upstream.
func (r *Registry) CountRelayed(ctx context.Context, org ID) (RelayedCount, error) {
	return r.store.CountRelayed(ctx, org, At(r.now()))
}
