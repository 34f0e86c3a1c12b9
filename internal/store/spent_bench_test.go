package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/internal/replay"
	"github.com/hallmark-id/hallmark/internal/replay/replaytest"
)

// counting is a ledger that counts its statements and their rows.
type counting struct {
	*Ledger
	statements, rows atomic.Int64
}

func (c *counting) RecordCodes(ctx context.Context, attempts []replay.Attempt) ([]bool, error) {
	c.statements.Add(1)
	c.rows.Add(int64(len(attempts)))
	return c.Ledger.RecordCodes(ctx, attempts)
}

// cpu is the processor time this process has used; the database's is its own.
func cpu(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

const benchDevices = 1000

// benchCode is the nth code, spread over devices and keys.
func benchCode(n int, at time.Time) replay.Code {
	c := replay.Code{Timestamp: true, At: at, Asset: testAsset + int64(n%benchDevices), Version: 1}
	binary.BigEndian.PutUint64(c.Key[:], uint64(n)*0x9E3779B97F4A7C15)
	binary.BigEndian.PutUint64(c.Key[8:], uint64(n))
	return c
}

func benchLedger(b *testing.B) *counting {
	c := newCluster(b, 1)
	for n := range benchDevices {
		c.setDevice(testAsset+int64(n), replaytest.Device{Version: 1, State: registry.Active})
	}
	c.exec(`ANALYZE`)
	return &counting{Ledger: c.ledgers[0]}
}

// inFlight runs f for each of b.N numbers on so many goroutines and reports the
// processor time per call and rows per statement.
func (c *counting) inFlight(b *testing.B, goroutines int, f func(n int) error) {
	var next atomic.Int64
	var all sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	before := cpu(b)
	for range goroutines {
		all.Go(func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				if err := f(int(n)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
	b.ReportMetric(float64(c.rows.Load())/float64(max(1, c.statements.Load())), "rows/statement")
}

// BenchmarkSharedSpend spends codes, so many at the same time.
func BenchmarkSharedSpend(b *testing.B) {
	for _, goroutines := range []int{64, 256, 1024} {
		b.Run(fmt.Sprint(goroutines), func(b *testing.B) {
			c := benchLedger(b)
			guard := replaytest.Guards(b, []replay.Ledger{c})[0]
			at := time.Now()
			c.inFlight(b, goroutines, func(n int) error { return guard.Spend(context.Background(), benchCode(n, at)) })
		})
	}
}

// BenchmarkLedgerRecord is the ledger's part in a full batch, and one by one.
func BenchmarkLedgerRecord(b *testing.B) {
	for _, size := range []int{1, 64, 256} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			c := benchLedger(b)
			at := time.Now().UnixMilli()
			attempts := make([]replay.Attempt, size)
			var id uint64
			b.ReportAllocs()
			b.ResetTimer()
			before := cpu(b)
			for n := 0; n < b.N; n += size {
				for i := range attempts {
					id++
					a := &attempts[i]
					*a = replay.Attempt{At: at, Until: at + 600_000, Asset: testAsset + int64(id%benchDevices), Version: 1}
					binary.BigEndian.PutUint64(a.Key[:], uint64(i)<<32) // in order
					binary.BigEndian.PutUint64(a.Key[8:], id)
					binary.BigEndian.PutUint64(a.ID[:], id)
				}
				if _, err := c.RecordCodes(context.Background(), attempts); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
		})
	}
}
