package replay

import "errors"

// Key names a code: a keyed hash made by the caller over what the code says,
// never over its text. Keys must be uniformly distributed.
type Key [16]byte

// Errors that callers tell apart. Those of [Journal] may be wrapped.
var (
	// ErrSpent says that the code was accepted before.
	ErrSpent = errors.New("replay: code already spent")
	// ErrStale says that a timestamp is at or below the floor, or not within
	// the skew of the clock: the journal cannot vouch for such a code.
	ErrStale = errors.New("replay: timestamp outside the guarded range")
	// ErrFull says that as many live records as allowed are held. Nothing was
	// written; the code may be tried again later.
	ErrFull = errors.New("replay: journal is full")
	// ErrBroken says that the journal could not write. Whether the code was
	// recorded is unknown, and the process must end.
	ErrBroken = errors.New("replay: journal is broken")
	// ErrClosed says that the journal was closed. Nothing was written.
	ErrClosed = errors.New("replay: journal is closed")
	// ErrLocked says that another process holds the lock.
	ErrLocked = errors.New("replay: locked by another process")
)
