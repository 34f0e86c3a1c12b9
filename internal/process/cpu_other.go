//go:build !linux

package process

import (
	"errors"
	"time"
)

// CPU returns the processor time that a process has used so far, which is known
// on Linux only.
func CPU(int) (time.Duration, error) {
	return 0, errors.New("the CPU time of a process can be read on Linux only")
}
