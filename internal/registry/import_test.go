package registry_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// importCase is one file for an AES-128 product that holds the device 1 with
// the device key "one".
type importCase struct {
	name                string
	file                string
	imported, unchanged int64
	refused             []registry.Refusal // the reason is a part of the real one
}

func refusal(line int, id, reason string) registry.Refusal {
	return registry.Refusal{Line: line, ID2: id, Reason: reason}
}

var head = "id2,key_hex\n"

var importCases = []importCase{
	{name: "two rows", file: head + id(2) + "," + key(2) + "\n" + id(3) + "," + key(3) + "\n", imported: 2},
	{name: "no line end at the end", file: head + id(2) + "," + key(2), imported: 1},
	{name: "only a header", file: head},
	{name: "byte order mark", file: "\ufeff" + head + id(2) + "," + key(2) + "\n", imported: 1},
	{name: "byte order mark and quotes", file: "\ufeff\"id2\",\"key_hex\"\r\n\"" + id(2) + "\",\"" + key(2) + "\"\r\n", imported: 1},
	{name: "CRLF", file: "id2,key_hex\r\n" + id(2) + "," + key(2) + "\r\n" + id(3) + "," + key(3) + "\r\n", imported: 2},
	{name: "spaces, upper case, empty lines", file: " id2 , key_hex \n\n  " + id(2) + " , " + strings.ToUpper(key(0xabc)) + "\t\n\n", imported: 1},
	{name: "columns in another order", file: "name,key_hex,device_key,id2\npump 2," + key(2) + ",two," + id(2) + "\n", imported: 1},
	{name: "there already", file: head + id(1) + "," + key(1) + "\n" + id(2) + "," + key(2) + "\n", imported: 1, unchanged: 1},
	{name: "another key", file: head + id(1) + "," + key(9) + "\n", refused: []registry.Refusal{refusal(2, id(1), "another key")}},
	{name: "short key", file: head + id(2) + "," + key(2)[1:] + "\n" + id(3) + "," + key(3), imported: 1,
		refused: []registry.Refusal{refusal(2, id(2), "a key of aes128 has 32 hexadecimal digits, not 31")}},
	{name: "long key", file: head + id(2) + "," + key(2) + "00\n", refused: []registry.Refusal{refusal(2, id(2), "not 34")}},
	{name: "no key", file: head + id(2) + ",\n", refused: []registry.Refusal{refusal(2, id(2), "need key_hex")}},
	{name: "not hexadecimal", file: head + id(2) + "," + key(2)[:31] + "g\n", refused: []registry.Refusal{refusal(2, id(2), "not hexadecimal")}},
	{name: "bad ids", file: head + "," + key(2) + "\n" + id(2)[1:] + "," + key(2) + "\n" + id(2)[1:] + "~," + key(2) + "\n" + strings.Repeat("A", 49) + "," + key(2) + "\n",
		refused: []registry.Refusal{refusal(2, "", "id2:"), refusal(3, id(2)[1:], "id2:"), refusal(4, id(2)[1:]+"~", "id2:"), refusal(5, strings.Repeat("A", 49), "id2:")}},
	{name: "one id twice, one key", file: head + id(2) + "," + key(2) + "\n" + id(2) + "," + key(2) + "\n", imported: 1, unchanged: 1},
	{name: "one id twice, two keys", file: head + id(2) + "," + key(2) + "\n" + id(2) + "," + key(3) + "\n", imported: 1,
		refused: []registry.Refusal{refusal(3, id(2), "another key")}},
	{name: "a bad row, then a good one of its id", file: head + id(2) + ",xx\n" + id(2) + "," + key(2) + "\n", imported: 1,
		refused: []registry.Refusal{refusal(2, id(2), "key_hex")}},
	{name: "device key taken", file: "id2,key_hex,device_key\n" + id(2) + "," + key(2) + ",one\n" + id(3) + "," + key(3) + ",\n" + id(4) + "," + key(4) + ",\n", imported: 2,
		refused: []registry.Refusal{refusal(2, id(2), "device_key: already belongs")}},
	{name: "device key twice", file: "id2,key_hex,device_key\n" + id(2) + "," + key(2) + ",x\n" + id(3) + "," + key(3) + ",x\n", imported: 1,
		refused: []registry.Refusal{refusal(3, id(3), "device_key: already belongs")}},
	{name: "twin of a row that loses", file: "id2,key_hex,device_key\n" + id(2) + "," + key(2) + ",one\n" + id(2) + "," + key(2) + ",two\n", imported: 1,
		refused: []registry.Refusal{refusal(2, id(2), "device_key: already belongs")}},
	{name: "long names", file: "id2,key_hex,name\n" + id(2) + "," + key(2) + "," + strings.Repeat("n", 128) + "\n" + id(3) + "," + key(3) + "," + strings.Repeat("n", 129) + "\n",
		imported: 1, refused: []registry.Refusal{refusal(3, id(3), "at most 128 bytes")}},
	{name: "fields missing and too many", file: head + id(2) + "\n" + id(3) + "," + key(3) + ",x\n" + id(4) + "," + key(4) + "\n", imported: 1,
		refused: []registry.Refusal{refusal(2, id(2), "wrong number of fields"), refusal(3, id(3), "wrong number of fields")}},
	{name: "a stray quote", file: head + id(2) + ",\"" + key(2) + "\"x\n" + id(3) + "," + key(3) + "\n", imported: 1,
		refused: []registry.Refusal{refusal(2, "", "not well-formed CSV")}},
	{name: "a quote never closed", file: head + id(2) + "," + key(2) + "\n" + id(3) + ",\"" + key(3) + "\n" + id(4) + "," + key(4) + "\n", imported: 1,
		refused: []registry.Refusal{refusal(3, "", "not well-formed CSV")}},
	{name: "NUL and bytes that are no text", file: "id2,key_hex,name\n" + id(2) + "," + key(2) + ",a\x00b\n" + id(3) + "," + key(3) + ",\xff\xfe\n",
		refused: []registry.Refusal{refusal(2, id(2), "control characters"), refusal(3, id(3), "of text")}},
}

func TestImport(t *testing.T) {
	f := newFixture(t)
	for _, c := range importCases {
		t.Run(c.name, func(t *testing.T) {
			org, err := f.CreateOrg(t.Context(), c.name, by)
			f.must(err)
			f.org = org.ID
			p := f.product(id2.AES128, nil)
			f.imports(p, "id2,key_hex,device_key\n"+id(1)+","+key(1)+",one\n")
			res, err := f.ImportDevices(t.Context(), f.org, p.Key, strings.NewReader(c.file), by)
			f.must(err)
			checkImport(t, &c, res)
			if got := f.count(p.Key); got != 1+int(c.imported) {
				t.Errorf("%d devices are stored", got)
			}
			again, err := f.ImportDevices(t.Context(), f.org, p.Key, strings.NewReader(c.file), by)
			f.must(err)
			if again.Imported != 0 || again.Unchanged < res.Imported || again.Unchanged+again.RefusedTotal != res.Imported+res.Unchanged+res.RefusedTotal {
				t.Errorf("again: %+v", again)
			}
		})
	}
}

// imports imports a file that is all good.
func (f *fixture) imports(p registry.Product, file string) {
	f.t.Helper()
	res, err := f.ImportDevices(context.Background(), f.org, p.Key, strings.NewReader(file), by)
	f.must(err)
	if res.RefusedTotal != 0 {
		f.t.Fatalf("import: %+v", res)
	}
}

func checkImport(t *testing.T, c *importCase, res registry.ImportResult) {
	t.Helper()
	if res.Imported != c.imported || res.Unchanged != c.unchanged || res.RefusedTotal != int64(len(c.refused)) || len(res.Refused) != len(c.refused) {
		t.Fatalf("%+v", res)
	}
	for i, want := range c.refused {
		got := res.Refused[i]
		if got.Line != want.Line || got.ID2 != want.ID2 || !strings.Contains(got.Reason, want.Reason) {
			t.Errorf("refused %+v, want %+v", got, want)
		}
		for n := range 10 {
			if strings.Contains(got.Reason, key(n)[:31]) {
				t.Errorf("the reason shows a key: %s", got.Reason)
			}
		}
	}
}

func TestImportRefusesHeaders(t *testing.T) {
	f := newFixture(t)
	p := f.product(id2.AES128, nil)
	for name, file := range map[string]string{
		"nothing":              "",
		"only a mark":          "\ufeff",
		"empty lines":          "\n\n\r\n",
		"unknown column":       "id2,key_hex,colour\n",
		"no id2":               "key_hex,name\n",
		"no key":               "id2,name\n",
		"twice":                "id2,key_hex,id2\n",
		"capitals":             "ID2,KEY_HEX\n",
		"no header":            id(1) + "," + key(1) + "\n",
		"no header, key first": key(1) + "," + id(1) + "\n",
		"a stray quote":        "id2,\"key_hex\n",
	} {
		_, err := f.ImportDevices(t.Context(), f.org, p.Key, strings.NewReader(file), by)
		var invalid *registry.InvalidError
		if !errors.As(err, &invalid) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), key(1)) {
			t.Errorf("%s: the error shows a key: %v", name, err)
		}
	}
	if f.count(p.Key) != 0 {
		t.Error("devices were stored")
	}
}

func TestImportPublicKeys(t *testing.T) {
	f := newFixture(t)
	for _, a := range id2.Algorithms() {
		if a.Symmetric() {
			continue
		}
		p := f.product(a, nil)
		var file strings.Builder
		file.WriteString("id2,public_key_pem\n")
		n := int(a) * 100
		for i := range 3 {
			fmt.Fprintf(&file, "%s,\"%s\"\n", id(n+i), f.pem(a))
		}
		private, err := id2.GeneratePrivateKey(f.random, a)
		f.must(err)
		text, err := private.MarshalPEM()
		f.must(err)
		fmt.Fprintf(&file, "%s,\"%s\"\n", id(n+3), text)
		res, err := f.ImportDevices(t.Context(), f.org, p.Key, strings.NewReader(file.String()), by)
		f.must(err)
		if res.Imported != 3 || res.RefusedTotal != 1 {
			t.Fatalf("%v: %+v", a, res)
		}
		got := res.Refused[0]
		lines := strings.Count(file.String()[:strings.Index(file.String(), id(n+3))], "\n") + 1
		if got.Line != lines || got.ID2 != id(n+3) {
			t.Errorf("%v: refused %+v, on line %d", a, got, lines)
		}
		for _, line := range strings.Split(string(text), "\n") {
			if len(line) > 10 && strings.Contains(got.Reason, line) {
				t.Errorf("%v: the reason shows the private key", a)
			}
		}
	}
}

// pem is a new public key.
func (f *fixture) pem(a id2.Algorithm) string {
	f.t.Helper()
	k, err := id2.GeneratePrivateKey(f.random, a)
	f.must(err)
	public := k.Public()
	return publicPEM(public.Bytes())
}

// Products keep their devices: an id2 that is there under another product is
// refused, and another organisation may have the same one.
func TestImportAcrossProducts(t *testing.T) {
	f := newFixture(t)
	p, q := f.product(id2.AES128, nil), f.product(id2.AES128, nil)
	file := head + id(1) + "," + key(1) + "\n"
	f.imports(p, file)
	res, err := f.ImportDevices(t.Context(), f.org, q.Key, strings.NewReader(file), by)
	f.must(err)
	want := registry.ImportResult{RefusedTotal: 1, Refused: []registry.Refusal{{Line: 2, ID2: id(1), Reason: "id2: already there under another product"}}}
	if diff := cmp.Diff(want, res); diff != "" {
		t.Error(diff)
	}
	other, err := f.CreateOrg(t.Context(), "another", by)
	f.must(err)
	if _, err := f.ImportDevices(t.Context(), other.ID, p.Key, strings.NewReader(file), by); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("import into another organisation's product: %v", err)
	}
}

// endless is a file that never ends; it counts what is read of it.
type endless struct {
	head, rows string
	read       int64
	limit      int64
	at         int
}

func (e *endless) Read(p []byte) (int, error) {
	if e.limit > 0 && e.read >= e.limit {
		return 0, io.EOF
	}
	n := copy(p, e.head)
	e.head = e.head[n:]
	for n < len(p) {
		m := copy(p[n:], e.rows[e.at:])
		e.at = (e.at + m) % len(e.rows)
		n += m
	}
	e.read += int64(n)
	return n, nil
}

// allocatedBy measures the most that the heap grows while f runs, as far as
// allocation in all tells: an upper bound.
func allocatedBy(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// A quote that is never closed, or a line that never ends, is found out after
// a megabyte and not after the 100 megabytes that follow.
func TestImportOfEndlessRecords(t *testing.T) {
	f := newFixture(t)
	p := f.product(id2.AES128, nil)
	good := id(1) + "," + key(1) + "\n"
	for name, file := range map[string]*endless{
		"quote in a row":    {head: head + good + id(2) + ",\"", rows: "no end\n"},
		"row without end":   {head: head + good, rows: "no end"},
		"quote in a header": {head: "id2,\"", rows: "no end\n"},
		"header of commas":  {rows: "id2,"},
	} {
		file.limit = 100 << 20
		allocated := allocatedBy(func() {
			_, err := f.ImportDevices(t.Context(), f.org, p.Key, file, by)
			if err == nil || !strings.Contains(err.Error(), "longer than") {
				t.Errorf("%s: %v", name, err)
			}
		})
		if file.read > 2<<20 || allocated > 64<<20 {
			t.Errorf("%s: %d bytes read, %d allocated", name, file.read, allocated)
		}
	}
	if got := f.count(p.Key); got > 1 {
		t.Errorf("%d devices", got)
	}
}

// Rows that are long, but not too long, come in smaller batches: memory is
// bounded by bytes, not by the number of rows.
func TestImportOfLongRows(t *testing.T) {
	f := newFixture(t)
	p := f.product(id2.AES128, nil)
	rows := id(1) + "," + key(1) + "," + strings.Repeat("n", 700_000) + "\n"
	file := newHeapReader(&endless{head: "id2,key_hex,name\n", rows: rows, limit: int64(len(rows)) * 300}, 8<<20)
	res, err := f.ImportDevices(t.Context(), f.org, p.Key, file, by)
	f.must(err)
	if res.RefusedTotal < 300 {
		t.Errorf("%d rows refused", res.RefusedTotal)
	}
	if file.peak == 0 || file.peak > 64<<20 {
		t.Errorf("the heap grew by %d MB", file.peak>>20)
	}
}

// heapReader notes how far the live heap has grown, each time that many more
// bytes were read through it.
type heapReader struct {
	io.Reader
	every       int
	left        int
	start, peak uint64
}

func newHeapReader(r io.Reader, every int) *heapReader {
	return &heapReader{Reader: r, every: every, left: every, start: liveHeap()}
}

func (h *heapReader) Read(p []byte) (int, error) {
	n, err := h.Reader.Read(p)
	if h.left -= n; h.left <= 0 {
		h.left = h.every
		if live := liveHeap(); live > h.start {
			h.peak = max(h.peak, live-h.start)
		}
	}
	return n, err
}

func liveHeap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
