package replay

import (
	"context"
	"errors"
	"time"
)

// Code is an authentication code that is about to count.
type Code struct {
	// Key is a keyed hash of what makes two codes the same.
	Key Key
	// Timestamp tells a timestamp code from a challenge's.
	Timestamp bool
	// At is the timestamp, or when the challenge was issued.
	At time.Time
	// Counter and Tick are the challenge's identity and age within its epoch, and
	// Now the epoch's age, in ticks.
	Counter, Tick, Now uint32
	// Asset and Version are the device as it was judged.
	Asset, Version int64
}

// ErrChanged says that the device is not any more as it was judged. Nothing was
// spent: judge it again.
var ErrChanged = errors.New("replay: the device has changed")

// Local is the guard of a process that is alone on its store.
type Local struct {
	journal *Journal
	window  *Window
}

// NewLocal returns the guard over a journal, for challenges that live for
// lifetime ticks.
func NewLocal(journal *Journal, lifetime uint32) *Local {
	return &Local{journal: journal, window: NewWindow(lifetime)}
}

// Spend makes a code count and returns nil if it never did before. Otherwise it
// returns the errors of Journal.Spend and Window.Spend.
func (l *Local) Spend(ctx context.Context, c Code) error {
	if c.Timestamp {
		return l.journal.Spend(ctx, c.Key, c.At)
	}
	return l.window.Spend(c.Counter, c.Tick, c.Now)
}

// Judge returns what Spend would, of what the code itself decides, and spends
// nothing.
func (l *Local) Judge(_ context.Context, c Code) error {
	if c.Timestamp {
		return l.journal.Judge(c.Key, c.At)
	}
	return l.window.Judge(c.Counter, c.Tick, c.Now)
}
