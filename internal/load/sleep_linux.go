package load

import (
	"syscall"
	"time"
)

// sleepExactly waits. A timer of Go's runtime is up to a millisecond late when
// the process has nothing else to do, which would be told as the server's
// latency; this is late by less than a tenth of that.
func sleepExactly(d time.Duration) {
	t := syscall.NsecToTimespec(d.Nanoseconds())
	_ = syscall.Nanosleep(&t, nil) // cut short by a signal, the caller looks at its clock
}
