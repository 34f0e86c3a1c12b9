package registry

import (
	"context"

	"github.com/hallmark-id/hallmark/internal/audit"
)

// Reason is why a licence was taken.
type Reason string

// The reasons of DESIGN §4: one licence each.
const (
	ReasonActivate Reason = "activate" // the first success of a device that held none
	ReasonRenew    Reason = "renew"    // an expired device of a product that renews by itself
	// ReasonProvision is one-time provisioning.
	ReasonProvision Reason = "provision"
)

// ReasonFirstUse is why a device becomes active without taking a licence: it
// holds the one it was provisioned with.
const ReasonFirstUse Reason = "first_use"

// Licence is one licence taken from a product's quota.
type Licence struct {
	Product string
	Asset   ID
	ID2     string
	Reason  Reason
	Taken   Instant
	Until   Instant
}

// Activation binds a device to a product, makes it active and takes one
// licence, all or nothing. For ReasonFirstUse it takes none, and Until is that
// of the licence it holds.
type Activation struct {
	Org     ID
	Asset   ID
	ID2     string
	Version int64 // of the device as it was read; another one is ErrConflict
	Product string
	Reason  Reason
	At      Instant
	Until   Instant
}

// Activate takes a licence for a device that has just proven itself. It
// returns ErrQuota when the product has none left and ErrConflict when the
// device changed since it was read; nothing has happened then.
func (r *Registry) Activate(ctx context.Context, a Activation, by audit.Actor) error {
	event := by.Did("device."+string(a.Reason), "device", a.Asset.String(),
		map[string]any{"id2": a.ID2, "product": a.Product, "until": a.Until.String()})
	err := r.store.Activate(ctx, a, event.In(int64(a.Org)))
	r.devices.invalidate(deviceKey{a.Org, a.ID2})
	return err
}

// LicenceFilter chooses licences; zero fields choose all.
type LicenceFilter struct {
	Product string
	Asset   ID
	// EndsBefore keeps those that end before this moment.
	EndsBefore Instant
	Limit      int
}

// Licences lists licences, the newest first.
func (r *Registry) Licences(ctx context.Context, org ID, f LicenceFilter) ([]Licence, error) {
	if f.Limit <= 0 || f.Limit > MaxPage {
		f.Limit = MaxPage
	}
	return r.store.Licences(ctx, org, f)
}

// Usage is what a device's successes add up to since they were last written.
type Usage struct {
	Asset    ID
	LastSeen Instant
	Count    int64
	// Day is the UTC day (days since 1970) and DayCount the successes on it.
	Day, DayCount int64
}

// AddUsage writes counters behind the requests that made them.
func (r *Registry) AddUsage(ctx context.Context, batch []Usage) error {
	return r.store.AddUsage(ctx, batch)
}
