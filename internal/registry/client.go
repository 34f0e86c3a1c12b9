package registry

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hallmark-id/hallmark/ciss"
	"github.com/hallmark-id/hallmark/enos"
	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/openapi"
)

// Door names one of the protocols that API clients use.
type Door string

// The doors.
const (
	DoorID2  Door = "id2"
	DoorCISS Door = "ciss"
	DoorEnOS Door = "enos"
)

// Client is a credential of one door (API 客户端, AccessKey).
type Client struct {
	ID   string // access key id, app key or app id
	Org  ID
	Door Door
	Name string
	// Scopes name the actions it may call; empty means all of its door.
	Scopes   []string
	Disabled bool
	// Networks are the addresses it may call from; empty means any.
	Networks []netip.Prefix
	Created  Instant
	LastUsed Instant
}

// ClientRow is a client as a store keeps it, its secret sealed.
type ClientRow struct {
	Client
	Secret   []byte
	Settings string // of an app of the ciss door: JSON, "" for the defaults
}

// LiveClient is a client ready to check requests of its door.
type LiveClient struct {
	Client
	Credential *openapi.Credential // of the id2 door
	Channel    *ciss.Channel       // of the ciss door
	EnOS       *enos.Credential    // of the enos door
	// ActorName is what the audit record calls it.
	ActorName string
	touched   atomic.Int64 // the last use that was handed to the store
}

// Allows reports whether the client may call an action.
func (c *Client) Allows(action string) bool {
	return len(c.Scopes) == 0 || slices.Contains(c.Scopes, action)
}

// AllowsFrom reports whether the client may call from an address.
func (c *Client) AllowsFrom(addr netip.Addr) bool {
	if len(c.Networks) == 0 {
		return true
	}
	addr = addr.Unmap().WithZone("") // a prefix holds no address with a zone
	return slices.ContainsFunc(c.Networks, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// ClientSpec is what an operator says of a new client.
type ClientSpec struct {
	Door     Door
	Name     string
	Scopes   []string
	Networks []string
	// AppID and AppKey are the appId and the SM4 key that an app of the ciss door
	// has already; "" makes new ones. They go together.
	AppID, AppKey string
}

// doorScopes are the actions a client of each door may be limited to.
var doorScopes = map[Door][]string{
	DoorID2:  {"GetServerRandom", "Verify", "VerifyAndEncrypt", "GetServerAuthCodeAndEncryptData", "OtpGetId2"},
	DoorEnOS: {"Apply", "Renew", "Revoke", "Read", "Manage"},
	DoorCISS: {"Scan", "LoginVerify", "Verify"},
}

// CreateClient makes a client and returns its secret, which is shown only here.
func (r *Registry) CreateClient(ctx context.Context, org ID, s ClientSpec, by audit.Actor) (Client, string, error) {
	c, err := r.newClient(org, s)
	if err != nil {
		return Client{}, "", err
	}
	id, secret := s.AppID, s.AppKey
	if id == "" {
		if id, secret, err = newCredential(r.random, s.Door); err != nil {
			return Client{}, "", err
		}
	}
	c.ID = id
	sealed, err := r.ring.Seal([]byte(secret), clientBinding(id))
	if err != nil {
		return Client{}, "", err
	}
	event := by.Did("client.create", "client", id, map[string]any{"door": s.Door, "name": s.Name, "scopes": s.Scopes, "networks": s.Networks})
	if err := r.store.CreateClient(ctx, ClientRow{Client: c, Secret: sealed}, event.In(int64(org))); err != nil {
		return Client{}, "", err
	}
	return c, secret, nil
}

func (r *Registry) newClient(org ID, s ClientSpec) (Client, error) {
	known, ok := doorScopes[s.Door]
	if !ok {
		return Client{}, invalid("the door must be id2, enos or ciss")
	}
	if len(s.Name) > maxName || !isText(s.Name) {
		return Client{}, invalid("a name has at most %d bytes of text without control characters", maxName)
	}
	if err := s.checkApp(); err != nil {
		return Client{}, err
	}
	for _, scope := range s.Scopes {
		if !slices.Contains(known, scope) {
			return Client{}, invalid("%q is not a scope of the %s door; its scopes are: %s", scope, s.Door, strings.Join(known, ", "))
		}
	}
	c := Client{Org: org, Door: s.Door, Name: s.Name, Scopes: s.Scopes, Created: At(r.now())}
	for _, n := range s.Networks {
		p, err := netip.ParsePrefix(n)
		if err != nil {
			return Client{}, invalid("%q is not a network such as 10.0.0.0/8", n)
		}
		c.Networks = append(c.Networks, unmapped(p))
	}
	return c, nil
}

// checkApp judges the appId and the key that an app brings along. It never quotes
// the key.
func (s *ClientSpec) checkApp() error {
	if s.AppID == "" && s.AppKey == "" {
		return nil
	}
	if s.Door != DoorCISS || s.AppID == "" || s.AppKey == "" {
		return invalid("an app of the ciss door may bring its appId and its SM4 key, both together; no other client brings any")
	}
	key, err := ciss.ParseKey(s.AppKey)
	if err != nil {
		return invalid("the SM4 key has 32 hexadecimal digits or 16 ASCII characters")
	}
	if _, err := ciss.NewChannel(s.AppID, key, ciss.DefaultSettings(), nil); err != nil {
		return invalid("an appId has 1 to 64 letters, digits, hyphens and underscores")
	}
	return nil
}

// unmapped returns the network in the form that AllowsFrom compares: one of
// IPv4 addresses written as IPv6 would hold none.
func unmapped(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked()
}

func clientBinding(id string) string { return "clients/secret/" + id }

// newCredential makes the identifier and secret in the form that each door's
// clients expect.
func newCredential(random io.Reader, door Door) (id, secret string, err error) {
	switch door {
	case DoorID2:
		id, err1 := randomText(random, alphanumeric, 20)
		secret, err2 := randomText(random, alphanumeric, 30)
		return "LTAI" + id, secret, errors.Join(err1, err2)
	case DoorEnOS:
		id, err1 := newUUID(random)
		secret, err2 := newUUID(random)
		return id, secret, errors.Join(err1, err2)
	default:
		id, err1 := randomText(random, "0123456789abcdef", 16)
		var key [16]byte
		_, err2 := io.ReadFull(random, key[:])
		return id, hex.EncodeToString(key[:]), errors.Join(err1, err2)
	}
}

func newUUID(random io.Reader) (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", err
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]), nil
}

// Clients lists an organisation's API clients.
func (r *Registry) Clients(ctx context.Context, org ID) ([]Client, error) {
	return r.store.Clients(ctx, org)
}

// SetClientDisabled switches a client off or on; requests see it at once.
func (r *Registry) SetClientDisabled(ctx context.Context, org ID, id string, disabled bool, by audit.Actor) error {
	action := "client.enable"
	if disabled {
		action = "client.disable"
	}
	event := by.Did(action, "client", id, nil)
	err := r.store.SetClientDisabled(ctx, org, id, disabled, event.In(int64(org)))
	r.clients.invalidate(id)
	return err
}

// DeleteClient removes a client.
func (r *Registry) DeleteClient(ctx context.Context, org ID, id string, by audit.Actor) error {
	event := by.Did("client.delete", "client", id, nil)
	err := r.store.DeleteClient(ctx, org, id, event.In(int64(org)))
	r.clients.invalidate(id)
	return err
}

// LiveClient returns a client by its identifier through the cache, or ErrNotFound.
func (r *Registry) LiveClient(ctx context.Context, id string) (*LiveClient, error) {
	if !isName(id) {
		return nil, ErrNotFound
	}
	return r.clients.get(ctx, id)
}

func (r *Registry) loadClient(ctx context.Context, id string) (*LiveClient, error) {
	row, err := r.store.Client(ctx, strings.Clone(id))
	if err != nil {
		return nil, err
	}
	secret, err := r.ring.Open(row.Secret, clientBinding(row.ID))
	if err != nil {
		return nil, fmt.Errorf("client %s: %w", row.ID, err)
	}
	defer clear(secret)
	live := &LiveClient{Client: row.Client, ActorName: string(row.Door) + ":" + row.ID}
	switch row.Door {
	case DoorID2:
		live.Credential = openapi.NewCredential(row.ID, string(secret))
	case DoorCISS:
		if live.Channel, err = r.newChannel(&row, string(secret)); err != nil {
			return nil, fmt.Errorf("client %s: %w", row.ID, err)
		}
	case DoorEnOS:
		live.EnOS = enos.NewCredential(row.ID, string(secret))
	}
	live.touched.Store(int64(row.LastUsed))
	return live, nil
}

// touchEvery is how exact a client's last use is.
const touchEvery = 60_000 // milliseconds

// Touch notes that a client was used, in the background and at most once a
// minute. A note that fails is made good by the next one.
func (r *Registry) Touch(c *LiveClient, at time.Time) {
	now, last := int64(At(at)), c.touched.Load()
	if now-last < touchEvery || !c.touched.CompareAndSwap(last, now) {
		return
	}
	go func() { _ = r.store.MarkClientUsed(context.Background(), c.ID, Instant(now)) }()
}
