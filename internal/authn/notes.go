package authn

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// notes records refusals worth knowing: those that concern a device that
// exists. One device and code are noted at most once a minute and the queue is
// bounded, so that a flood of bad codes is not a flood of writes; metrics count
// them all.
type notes struct {
	registry *registry.Registry
	now      func() time.Time
	log      *slog.Logger

	mu      sync.Mutex // guards what follows
	minute  int64
	seen    map[noteKey]bool
	pending []audit.Event
	dropped int
}

type noteKey struct {
	asset registry.ID
	code  id2.Code
}

const (
	maxPendingNotes = 1000
	noteEvery       = time.Second
)

func newNotes(r *registry.Registry, now func() time.Time, log *slog.Logger) *notes {
	return &notes{registry: r, now: now, log: log, seen: make(map[noteKey]bool)}
}

// noteworthy are the refusals that hint at a copied key, a replay or a
// misused device.
var noteworthy = map[id2.Code]bool{
	id2.CodeAuthCode: true, id2.CodeTimestampRepeated: true, id2.CodeChallenge: true,
	id2.CodeAlreadyActivated: true, id2.CodeSuspended: true, id2.CodeDiscarded: true,
	id2.CodeExpired: true, id2.CodeQuota: true,
}

// Noteworthy reports whether refusals with a code belong in the audit record.
func Noteworthy(code id2.Code) bool { return noteworthy[code] }

func (s *Service) noteRefusal(v *verification, err error) {
	var r *Refusal
	if v.device.Asset == 0 || !errors.As(err, &r) || !noteworthy[r.Code] {
		return
	}
	event := v.By.Did("device.refused", "device", v.device.Asset.String(), map[string]any{"id2": v.ID2, "code": int(r.Code), "reason": r.Reason})
	event.At = v.now.UnixMilli()
	s.notes.add(noteKey{v.device.Asset, r.Code}, event.In(int64(v.Org)))
}

// Note records a refusal of another service that concerns a device, within the
// same bounds as authentication's own.
func (s *Service) Note(asset registry.ID, code id2.Code, e audit.Event) {
	s.notes.add(noteKey{asset, code}, e)
}

func (n *notes) add(key noteKey, e audit.Event) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if minute := e.At / 60_000; minute != n.minute {
		n.minute = minute
		clear(n.seen)
	}
	if n.seen[key] {
		return
	}
	if len(n.pending) >= maxPendingNotes {
		n.dropped++
		return
	}
	n.seen[key] = true
	n.pending = append(n.pending, e)
}

func (n *notes) run(ctx context.Context) { behind(ctx, noteEvery, n.flush) }

func (n *notes) flush(ctx context.Context) {
	n.mu.Lock()
	events, dropped := n.pending, n.dropped
	n.pending, n.dropped = nil, 0
	n.mu.Unlock()
	if err := n.registry.NoteRefusals(ctx, events); err != nil {
		n.log.Error("refusals could not be written to the audit record", "events", len(events), "error", err)
	}
	if dropped > 0 {
		n.log.Warn("more refusals than the audit record takes in a second", "not_recorded", dropped)
	}
}
