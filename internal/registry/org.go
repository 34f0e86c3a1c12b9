package registry

import (
	"context"
	"errors"
	"fmt"

	"github.com/hallmark-id/hallmark/internal/audit"
)

// Org is an organisation (企业): it owns products, devices and API clients, and
// sees nothing of another's.
type Org struct {
	ID      ID
	Name    string
	Created Instant
}

// CreateOrg makes an organisation.
func (r *Registry) CreateOrg(ctx context.Context, name string, by audit.Actor) (Org, error) {
	if err := checkName(name); err != nil {
		return Org{}, err
	}
	id, err := NewID(r.random)
	if err != nil {
		return Org{}, err
	}
	o := Org{ID: id, Name: name, Created: At(r.now())}
	event := by.Did("org.create", "org", id.String(), map[string]any{"name": name})
	return o, r.store.CreateOrg(ctx, o, event.In(int64(id)))
}

// Orgs lists the organisations, the oldest first.
func (r *Registry) Orgs(ctx context.Context) ([]Org, error) { return r.store.Orgs(ctx) }

// Org finds an organisation by id or name; "" means the first one.
func (r *Registry) Org(ctx context.Context, name string) (Org, error) {
	orgs, err := r.store.Orgs(ctx)
	if err != nil {
		return Org{}, err
	}
	for _, o := range orgs {
		if name == "" || o.Name == name || o.ID.String() == name {
			return o, nil
		}
	}
	return Org{}, fmt.Errorf("organisation %q: %w", name, ErrNotFound)
}

// EnsureOrg makes the first organisation of a new store.
func (r *Registry) EnsureOrg(ctx context.Context) error {
	orgs, err := r.store.Orgs(ctx)
	if err != nil || len(orgs) > 0 {
		return err
	}
	_, err = r.CreateOrg(ctx, "default", audit.Actor{Name: "server"})
	if errors.Is(err, ErrExists) { // another node was faster
		return nil
	}
	return err
}

// AuditFilter chooses events; zero fields choose all.
type AuditFilter struct {
	Org ID
	// Subject is an exact subject, Action an action or a prefix ending in ".".
	Subject, Action string
	// Before and AfterSeq page through: the newest before an instant, or the
	// chained ones in order after a number.
	Before   Instant
	AfterSeq int64
	InOrder  bool // by number, chained ones only
	Limit    int
}

// AuditEvents lists the record, the newest first unless InOrder.
func (r *Registry) AuditEvents(ctx context.Context, f AuditFilter) ([]audit.Sealed, error) {
	if f.Limit <= 0 || f.Limit > MaxPage {
		f.Limit = MaxPage
	}
	return r.store.AuditEvents(ctx, f)
}

// VerifyAudit walks the whole chain and returns how many events it holds, and
// the number of the first one that does not follow (0 when all do).
func (r *Registry) VerifyAudit(ctx context.Context) (count, broken int64, err error) {
	chain := audit.NewChain(r.ring.Derive(AuditKeyPurpose), 0, nil)
	for {
		events, err := r.store.AuditEvents(ctx, AuditFilter{InOrder: true, AfterSeq: chain.Seq, Limit: MaxPage})
		if err != nil || len(events) == 0 {
			return chain.Seq, 0, err
		}
		for _, e := range events {
			if !chain.Follows(e) {
				return chain.Seq - 1, chain.Seq, nil
			}
		}
	}
}

// AuditKeyPurpose names the derived key of the audit chain.
const AuditKeyPurpose = "audit chain"

// NoteRefusals writes refusals worth knowing; they belong to no other change.
func (r *Registry) NoteRefusals(ctx context.Context, events []audit.Event) error {
	return r.store.AppendAudit(ctx, events)
}
