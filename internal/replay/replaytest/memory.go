// Package replaytest holds what every replay.Ledger must do, as tests that run
// against any of them, and a ledger in memory whose answers get lost.
package replaytest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/internal/replay"
)

// Loss is what happens to a call of [Memory.RecordCodes].
type Loss int

// The losses.
const (
	None    Loss = iota
	Refused      // the ledger refuses, and says so
	Before       // lost on the way there
	After        // done, and the answer is lost
	Late         // done some time after the caller was told that its answer is lost
)

// ErrRefused is what a refusing ledger says.
var ErrRefused = errors.New("replaytest: refused")

// Device is what a ledger knows of a device.
type Device struct {
	Version int64
	State   registry.State
}

// Memory is a replay.Ledger in memory. It is safe for concurrent use.
type Memory struct {
	// Lose tells what happens to each recording; nil loses nothing. It is called
	// by one at a time.
	Lose func() Loss

	mu      sync.Mutex // guards what follows
	now     int64
	devices map[int64]Device
	rows    map[replay.Key][16]byte
	late    []func()
	sizes   []int
}

var _ replay.Ledger = (*Memory)(nil)

// NewMemory returns an empty ledger with a clock that stands still.
func NewMemory(now time.Time) *Memory {
	return &Memory{now: now.UnixMilli(), devices: make(map[int64]Device), rows: make(map[replay.Key][16]byte)}
}

// RecordCodes implements replay.Ledger.
func (m *Memory) RecordCodes(_ context.Context, attempts []replay.Attempt) ([]bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sizes = append(m.sizes, len(attempts))
	if !slices.IsSortedFunc(attempts, func(a, b replay.Attempt) int { return slices.Compare(a.Key[:], b.Key[:]) }) {
		panic("replaytest: the attempts are not in the order of their keys")
	}
	loss := None
	if m.Lose != nil {
		loss = m.Lose()
	}
	switch loss {
	case Refused:
		return nil, ErrRefused
	case Before:
		return nil, replay.ErrUnresolved
	case After:
		m.record(attempts)
		return nil, replay.ErrUnresolved
	case Late:
		copied := slices.Clone(attempts)
		m.late = append(m.late, func() { m.record(copied) })
		return nil, replay.ErrUnresolved
	}
	return m.record(attempts), nil
}

func (m *Memory) record(attempts []replay.Attempt) []bool {
	kept := make([]bool, len(attempts))
	for i, a := range attempts {
		if m.judge(a) == replay.VerdictOpen {
			m.rows[a.Key] = a.ID
			kept[i] = true
		}
	}
	return kept
}

func (m *Memory) judge(a replay.Attempt) replay.Verdict {
	id, held := m.rows[a.Key]
	d, known := m.devices[a.Asset]
	switch {
	case held && id == a.ID:
		return replay.VerdictMine
	case held:
		return replay.VerdictSpent
	case m.now >= a.Until || a.At >= m.now+replay.SharedSkew.Milliseconds():
		return replay.VerdictStale
	case !known || d.Version != a.Version || d.State == registry.Suspended || d.State == registry.Discarded:
		return replay.VerdictChanged
	}
	return replay.VerdictOpen
}

// JudgeCodes implements replay.Ledger.
func (m *Memory) JudgeCodes(_ context.Context, attempts []replay.Attempt) ([]replay.Verdict, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	verdicts := make([]replay.Verdict, len(attempts))
	for i, a := range attempts {
		verdicts[i] = m.judge(a)
	}
	return verdicts, nil
}

// Settle lets everything arrive that is still under way.
func (m *Memory) Settle() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range m.late {
		f()
	}
	m.late = nil
}

// Sizes returns how many attempts each recording had.
func (m *Memory) Sizes() []int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.sizes)
}

// Now is the ledger's time.
func (m *Memory) Now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return time.UnixMilli(m.now)
}

// Advance moves the ledger's clock.
func (m *Memory) Advance(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now += d.Milliseconds()
}

// SetDevice makes a device what it says.
func (m *Memory) SetDevice(asset int64, d Device) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.devices[asset] = d
}

// RemoveDevice forgets a device.
func (m *Memory) RemoveDevice(asset int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.devices, asset)
}

// Keys returns the keys that are kept.
func (m *Memory) Keys() map[replay.Key]bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	keys := make(map[replay.Key]bool, len(m.rows))
	for k := range m.rows {
		keys[k] = true
	}
	return keys
}
