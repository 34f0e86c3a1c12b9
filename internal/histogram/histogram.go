// Package histogram counts durations and tells quantiles of them, right to a
// hundredth, in memory that does not grow.
package histogram

import (
	"math"
	"math/bits"
	"time"
)

// The classes of a histogram: steps for each doubling, so that a class is at most
// 1/steps wide, from one microsecond to half an hour.
const (
	stepBits  = 7
	steps     = 1 << stepBits
	doublings = 31 - stepBits
)

// Histogram counts durations in classes of microseconds. The zero value is
// empty.
type Histogram struct {
	counts [(doublings + 1) * steps]int64
	total  int64
	max    time.Duration
}

// Add counts a duration; a negative one counts as 0.
func (h *Histogram) Add(d time.Duration) {
	h.max = max(h.max, d)
	h.total++
	h.counts[class(uint64(max(d.Microseconds(), 0)))]++
}

// class is exact below steps; above, the highest bits of a value choose it.
func class(us uint64) int {
	us = min(us, 1<<31-1)
	if us < steps {
		return int(us)
	}
	shift := bits.Len64(us) - 1 - stepBits
	return (shift+1)*steps + int(us>>shift) - steps
}

// bound is the highest value of a class.
func bound(class int) float64 {
	if class < steps {
		return float64(class)
	}
	shift := class/steps - 1
	return float64((uint64(class%steps+steps+1) << shift) - 1)
}

// Quantile returns the duration in microseconds that a share of all stay below,
// 0 of none; 1 asks for the longest, which is exact.
func (h *Histogram) Quantile(share float64) float64 {
	longest := float64(h.max.Nanoseconds()) / 1000
	rank, seen := int64(math.Ceil(share*float64(h.total))), int64(0)
	for class, n := range h.counts {
		if seen += n; n > 0 && seen >= rank {
			return min(bound(class), longest)
		}
	}
	return longest
}
