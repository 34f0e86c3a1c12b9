package registry

import (
	"context"

	"github.com/hallmark-id/hallmark/internal/audit"
)

// Node is a server process on the store.
type Node struct {
	ID      ID
	URL     string
	Version string
	Started Instant
	// Seen is when it last told that it lives, by the store's clock.
	Seen     Instant
	Draining bool
}

// NodeStore keeps the list of nodes.
type NodeStore interface {
	Nodes(ctx context.Context) ([]Node, error)
	// SetNodeDraining asks a node to drain, or to end that; ErrNotFound.
	SetNodeDraining(ctx context.Context, id ID, draining bool, e audit.Event) error
}

// Nodes lists the nodes, the oldest first. One that crashed stays in the list
// until it is forgotten, with an old Seen.
func (r *Registry) Nodes(ctx context.Context) ([]Node, error) { return r.store.Nodes(ctx) }

// SetNodeDraining asks a node to finish what it has and tell balancers that it
// takes no more, or to end that.
func (r *Registry) SetNodeDraining(ctx context.Context, id ID, draining bool, by audit.Actor) error {
	action := "node.drain"
	if !draining {
		action = "node.resume"
	}
	return r.store.SetNodeDraining(ctx, id, draining, by.Did(action, "node", id.String(), nil))
}

// ChangeKind is what kind of thing a Change names.
type ChangeKind int

// The kinds of changes.
const (
	DeviceChanged  ChangeKind = iota + 1 // Name is its id2
	ProductChanged                       // Name is its key
	ClientChanged                        // Name is its id
	ScanChanged                          // Name is its authId; nothing is cached of it
	TrustChanged                         // of an organisation's roots
	RelayChanged                         // of an organisation's upstream
)

// Change is something that another node changed.
type Change struct {
	ID   ID
	Kind ChangeKind
	Org  ID
	Name string
}

// Apply forgets what is remembered of things that were changed elsewhere.
func (r *Registry) Apply(c Change) {
	switch c.Kind {
	case DeviceChanged:
		r.devices.invalidate(deviceKey{c.Org, c.Name})
	case ProductChanged:
		r.products.invalidate(c.Name)
		r.devices.invalidateAll()
		r.relays.invalidate(c.Org)
	case ClientChanged:
		r.clients.invalidate(c.Name)
	case TrustChanged:
		r.trusts.invalidate(c.Org)
	case RelayChanged:
		r.relays.invalidate(c.Org)
	}
}

// ApplyAll forgets everything that is remembered.
func (r *Registry) ApplyAll() {
	r.products.invalidateAll()
	r.clients.invalidateAll()
	r.devices.invalidateAll()
	r.trusts.invalidateAll()
	r.relays.invalidateAll()
}

// SetBlind says whether changes made elsewhere may go unheard at the moment:
// then nothing remembered is used.
func (r *Registry) SetBlind(blind bool) { r.blind.Store(blind) }

// Blind reports what SetBlind said last.
func (r *Registry) Blind() bool { return r.blind.Load() }
