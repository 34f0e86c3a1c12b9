package registry_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// rowReader makes a file of n rows as it is read. Every bad-th row has a key
// that is no hexadecimal text; at calls are made as rows go out.
type rowReader struct {
	n, bad int
	at     func(row int)
	next   int
	buf    []byte
}

func (r *rowReader) Read(p []byte) (int, error) {
	if r.next == 0 {
		r.buf = append(r.buf, head...)
	}
	for len(r.buf) < len(p) && r.next < r.n {
		if r.at != nil {
			r.at(r.next)
		}
		k := key(r.next)
		if r.bad > 0 && r.next%r.bad == r.bad-1 {
			k = "x" + k[1:]
		}
		r.buf = append(append(append(append(r.buf, id(r.next)...), ','), k...), '\n')
		r.next++
	}
	if len(r.buf) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.buf)
	r.buf = r.buf[:copy(r.buf, r.buf[n:])]
	return n, nil
}

// Many rows take no more memory than few: what is in memory at once is some
// batches and the refusals that are named.
func TestImportOfManyRows(t *testing.T) {
	rows := 200_000
	if raceDetector { // which makes the database engine twenty times slower
		rows = 24_000
	}
	f := newFixture(t)
	p := f.product(id2.AES128, nil)
	file := newHeapReader(&rowReader{n: rows, bad: 2}, 512<<10)
	res, err := f.ImportDevices(t.Context(), f.org, p.Key, file, by)
	f.must(err)
	if res.Imported != int64(rows/2) || res.RefusedTotal != int64(rows/2) || res.Unchanged != 0 {
		t.Errorf("%d imported, %d refused", res.Imported, res.RefusedTotal)
	}
	if len(res.Refused) != 10_000 || res.Refused[9999].Line != 20_001 || res.Refused[9999].ID2 != id(19_999) {
		t.Errorf("%d refusals named, the last of line %+v", len(res.Refused), res.Refused[len(res.Refused)-1])
	}
	if file.peak == 0 || file.peak > 48<<20 {
		t.Errorf("the heap grew by %d MB", file.peak>>20)
	}
	live, err := f.LiveDevice(t.Context(), f.org, id(rows-2))
	if err != nil || fmt.Sprintf("%x", live.Key.Bytes()) != key(rows-2) {
		t.Errorf("the last good row: %v", err)
	}
	if got := f.count(p.Key); got != rows/2 {
		t.Errorf("%d devices stored", got)
	}
}

// An import that is broken off, by its caller or by its file, says what is in,
// and can be run again.
func TestImportBrokenOff(t *testing.T) {
	const rows = 6_000
	gone := errors.New("the line is dead")
	for name, file := range map[string]func(cancel func()) io.Reader{
		"caller gone": func(cancel func()) io.Reader {
			return &rowReader{n: rows, at: func(row int) {
				if row == rows*5/6 {
					cancel()
				}
			}}
		},
		"reader fails": func(func()) io.Reader {
			return io.MultiReader(&rowReader{n: rows / 2}, iotest.ErrReader(gone))
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			p := f.product(id2.AES128, nil)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			res, err := f.ImportDevices(ctx, f.org, p.Key, file(cancel), by)
			if !errors.Is(err, context.Canceled) && !errors.Is(err, gone) {
				t.Fatalf("error %v", err)
			}
			if got := f.count(p.Key); int64(got) != res.Imported || res.Imported > rows {
				t.Errorf("%d devices stored, %d said to be imported", got, res.Imported)
			}
			again, err := f.ImportDevices(t.Context(), f.org, p.Key, &rowReader{n: rows}, by)
			f.must(err)
			if again.Unchanged != res.Imported || again.Imported != rows-res.Imported || again.RefusedTotal != 0 {
				t.Errorf("again: %+v after %d", again, res.Imported)
			}
		})
	}
}

// A store that is closed ends the import with its error.
func TestImportIntoAClosedStore(t *testing.T) {
	f := newFixture(t)
	p := f.product(id2.AES128, nil)
	file := &rowReader{n: 20_000, at: func(row int) {
		if row == 10_000 {
			_ = f.store.Close()
		}
	}}
	if res, err := f.ImportDevices(t.Context(), f.org, p.Key, file, by); err == nil {
		t.Errorf("no error, %+v", res)
	}
}

// Each batch leaves one line in the audit record, which holds no key; a batch
// that added nothing leaves none.
func TestImportIsAudited(t *testing.T) {
	f := newFixture(t)
	p := f.product(id2.AES128, nil)
	file := head + id(1) + "," + key(0xabcdef) + "\n"
	for range 2 {
		_, err := f.ImportDevices(t.Context(), f.org, p.Key, strings.NewReader(file), audit.Actor{Name: "operator", Request: "R1"})
		f.must(err)
	}
	events, err := f.AuditEvents(t.Context(), registry.AuditFilter{Org: f.org, Action: "device."})
	f.must(err)
	if len(events) != 1 {
		t.Fatalf("%d events", len(events))
	}
	e := events[0]
	if e.Action != "device.import" || e.Subject != p.Key || e.Request != "R1" || strings.Contains(e.Detail, "abcdef") {
		t.Errorf("event %+v", e.Event)
	}
}

// BenchmarkImport measures rows per second into the real store; DESIGN §7 asks
// for 100,000.
func BenchmarkImport(b *testing.B) {
	for _, rerun := range []bool{false, true} {
		b.Run(map[bool]string{false: "new", true: "unchanged"}[rerun], func(b *testing.B) {
			f := newFixture(b)
			p := f.product(id2.AES128, nil)
			if rerun {
				_, err := f.ImportDevices(b.Context(), f.org, p.Key, &rowReader{n: b.N}, by)
				f.must(err)
				b.ResetTimer()
			}
			b.ReportAllocs()
			res, err := f.ImportDevices(b.Context(), f.org, p.Key, &rowReader{n: b.N}, by)
			f.must(err)
			if res.Imported+res.Unchanged != int64(b.N) {
				b.Fatalf("%+v", res)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
