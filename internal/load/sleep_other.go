//go:build !linux

package load

import "time"

// sleepExactly waits, as exactly as a timer of the runtime does.
func sleepExactly(d time.Duration) { time.Sleep(d) }
