package account

import (
	"sync"

	"github.com/hallmark-id/hallmark/internal/registry"
)

// unknownNames locks names that are no accounts' as accounts are locked, so that
// the lock does not tell which names there are.
type unknownNames struct {
	mu    sync.Mutex
	names map[string]unknownName
}

type unknownName struct {
	attempts    int64
	lockedUntil registry.Instant
}

// maxUnknown bounds the names remembered; past it the record begins anew.
const maxUnknown = 10_000

// attempt counts an attempt and reports whether it is looked at.
func (u *unknownNames) attempt(name string, now registry.Instant) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	n := u.names[name]
	if now < n.lockedUntil {
		return false
	}
	if u.names == nil || len(u.names) >= maxUnknown {
		u.names = make(map[string]unknownName)
	}
	n.attempts++
	n.lockedUntil = now + registry.Instant(lockFor(n.attempts).Milliseconds())
	u.names[name] = n
	return true
}
