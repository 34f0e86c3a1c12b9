package scanlogin

import (
	"context"
	"crypto/sha256"

	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// Step is one compare-and-set: a session goes from one of some states, before it
// expires, to another. The zero value of a field that says so asks for nothing.
type Step struct {
	AuthID string
	Now    registry.Instant // it must not have expired then
	From   []State
	To     State
	// Org is the organisation it must belong to, 0 for any.
	Org registry.ID
	// App is the app that must have scanned it, unless its state is Created; ""
	// for any.
	App string
	// What is written: SetApp, Certificate and Account unless zero, Refusal always.
	SetApp, Certificate string
	Account             registry.ID
	Refusal             Refusal
	// Extend is added to its expiry; ExpiresAt, unless 0, takes its place.
	Extend    int64 // milliseconds
	ExpiresAt registry.Instant
}

// Store keeps scan sessions; the errors are those of registry.Store.
type Store interface {
	CreateScan(ctx context.Context, row Row) error
	Scan(ctx context.Context, authID string) (Row, error)
	// AdvanceScan does a step and writes its audit event (nil for none) in the
	// same transaction. It returns registry.ErrNotFound when no session stands as
	// the step wants it; then nothing has changed. Of many that do the same
	// step from the same state one succeeds.
	AdvanceScan(ctx context.Context, step Step, e *audit.Event) error
	// SweepScans forgets the sessions that expired before a moment.
	SweepScans(ctx context.Context, before registry.Instant) error
}

// hashSecret is how a poll secret is kept.
func hashSecret(secret string) [sha256.Size]byte { return sha256.Sum256([]byte(secret)) }
