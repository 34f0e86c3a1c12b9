package replay

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// sampleSegment returns a segment whose batches have the given sizes.
func sampleSegment(batches ...int) []byte {
	data := appendHeader(nil, 7, Identity{1, 2, 3})
	seed := binary.LittleEndian.Uint32(data[headerSize-4:])
	n := 0
	for i, size := range batches {
		entries := make([]entry, size)
		for k := range entries {
			n++
			entries[k] = entry{key: keyOf(n), at: int64(1000 + n)}
		}
		data = appendBatch(data, seed, uint32(i), entries)
	}
	return data
}

// slot returns the bytes of the n-th record of a segment, from 0.
func slot(data []byte, n int) []byte {
	return data[headerSize+n*recordSize:][:recordSize]
}

func TestReadSegment(t *testing.T) {
	zero := make([]byte, recordSize)
	tests := []struct {
		name    string
		batches []int
		harm    func(data []byte) []byte
		verdict verdict
		records int
	}{
		{"header only", nil, nil, whole, 0},
		{"one batch", []int{3}, nil, whole, 3},
		{"many batches", []int{1, 5, 2, 1}, nil, whole, 9},
		{"first batch short", []int{3}, func(d []byte) []byte { return d[:headerSize+2*recordSize] }, torn, 0},
		{"last batch without its end", []int{1, 3}, func(d []byte) []byte { return d[:len(d)-recordSize] }, torn, 1},
		{"last batch short by a byte", []int{1, 3}, func(d []byte) []byte { return d[:len(d)-1] }, torn, 1},
		{"last batch only a byte", []int{1, 3}, func(d []byte) []byte { return d[:headerSize+recordSize+1] }, torn, 1},
		{"last batch without its beginning", []int{1, 3}, func(d []byte) []byte { clear(slot(d, 1)); return d }, torn, 1},
		{"last batch without its middle", []int{1, 3}, func(d []byte) []byte { clear(slot(d, 2)); return d }, torn, 1},
		{"last batch all zero", []int{1, 3}, func(d []byte) []byte { clear(d[headerSize+recordSize:]); return d }, torn, 1},
		{"rubbish as long as the largest batch", []int{1}, func(d []byte) []byte { return append(d, bytes.Repeat(zero, maxBatch)...) }, torn, 1},
		{"rubbish longer than the largest batch", []int{1}, func(d []byte) []byte { return append(append(d, bytes.Repeat(zero, maxBatch)...), 0) }, damaged, 1},
		{"bytes beyond the end of a bad batch", []int{1, 3}, func(d []byte) []byte { clear(slot(d, 2)); return append(d, 0) }, damaged, 1},
		{"bytes after a good batch", []int{1, 3}, func(d []byte) []byte { return append(d, 0) }, torn, 4},
		{"last but one batch bad", []int{1, 3, 1}, func(d []byte) []byte { clear(slot(d, 2)); return d }, damaged, 1},
		{"last but one batch all bad", []int{1, 3, 1}, func(d []byte) []byte { clear(d[headerSize+recordSize : len(d)-recordSize]); return d }, damaged, 1},
		{"end of last but one batch bad", []int{1, 3, 2}, func(d []byte) []byte { clear(slot(d, 3)); return d }, damaged, 1},
		{"first record bad", []int{1, 1}, func(d []byte) []byte { clear(slot(d, 0)); return d }, damaged, 0},
		{"batch missing", []int{1, 1, 1}, func(d []byte) []byte { return slices.Delete(d, headerSize+recordSize, headerSize+2*recordSize) }, damaged, 1},
		{"record missing in a batch", []int{1, 3}, func(d []byte) []byte { return slices.Delete(d, headerSize+2*recordSize, headerSize+3*recordSize) }, damaged, 1},
		{"batch twice", []int{1, 1}, func(d []byte) []byte { return append(d, slot(d, 1)...) }, damaged, 2},
		{"records exchanged", []int{1, 3}, func(d []byte) []byte {
			first := slices.Clone(slot(d, 1))
			copy(slot(d, 1), slot(d, 2))
			copy(slot(d, 2), first)
			return d
		}, damaged, 1},
		{"records of another segment", []int{2}, func(d []byte) []byte {
			other := appendHeader(nil, 8, Identity{1, 2, 3})
			seed := binary.LittleEndian.Uint32(other[headerSize-4:])
			return appendBatch(d, seed, 1, []entry{{}, {}})
		}, torn, 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			data := sampleSegment(test.batches...)
			if test.harm != nil {
				data = test.harm(data)
			}
			c, err := readSegment(data)
			if err != nil {
				t.Fatal(err)
			}
			newest := int64(noTime)
			if test.records > 0 {
				newest = int64(1000 + test.records)
			}
			if c.verdict != test.verdict || len(c.entries) != test.records || c.newest != newest {
				t.Errorf("verdict %d with %d records, newest %d; want %d, %d, %d",
					c.verdict, len(c.entries), c.newest, test.verdict, test.records, newest)
			}
			for i, e := range c.entries {
				if want := (entry{key: keyOf(i + 1), at: int64(1001 + i)}); e != want {
					t.Errorf("record %d is %v, want %v", i, e, want)
				}
			}
		})
	}
}

// TestSegmentLayout fixes the bytes on disk.
func TestSegmentLayout(t *testing.T) {
	data := appendHeader(nil, 0x01020304, Identity{0xaa, 0xbb})
	seed := binary.LittleEndian.Uint32(data[headerSize-4:])
	data = appendBatch(data, seed, 5, []entry{{key: Key{1, 2, 3}, at: 0x0102030405}, {at: -1}})
	parts := []string{
		"686d6b72706c7931", "04030201", "00000000", "aabb0000000000000000000000000000",
		"00000000000000000000000000000000000000000000000000000000", "413042ad",
		"01020300000000000000000000000000", "0504030201000000", "01500000", "fc5e8c73",
		"00000000000000000000000000000000", "ffffffffffffffff", "00500000", "b83a083f",
	}
	if got, want := fmt.Sprintf("%x", data), strings.Join(parts, ""); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	// The checksums again, bit by bit.
	for at, covered := range map[int][]byte{
		60: data[:60],
		92: slices.Concat(data[:60], data[64:92]),
	} {
		if got, want := binary.LittleEndian.Uint32(data[at:]), slowChecksum(covered); got != want {
			t.Errorf("checksum at %d is %x, want %x", at, got, want)
		}
	}
}

// slowChecksum is CRC-32C after its definition.
func slowChecksum(data []byte) uint32 {
	sum := ^uint32(0)
	for _, b := range data {
		sum ^= uint32(b)
		for range 8 {
			sum = sum>>1 ^ 0x82f63b78*(sum&1)
		}
	}
	return ^sum
}

func TestFloorFile(t *testing.T) {
	files := []floorFile{
		{},
		{self: Identity{1}, dir: Identity{2}, directory: directory{floor: 1_800_000_000_000, next: 4, segments: []segmentInfo{
			{id: 1, records: 5, newest: 3}, {id: 3, records: unsealed, newest: noTime},
		}}},
	}
	for _, f := range files {
		data := f.append(nil)
		got, err := parseFloorFile(data)
		if err != nil {
			t.Fatal(err)
		}
		if len(got.segments) == 0 {
			got.segments = nil
		}
		if !reflect.DeepEqual(*got, f) {
			t.Errorf("got %+v, want %+v", *got, f)
		}
		for n := range data {
			if _, err := parseFloorFile(data[:n]); err == nil {
				t.Errorf("accepted the first %d bytes", n)
			}
		}
	}
	for _, segments := range [][]segmentInfo{
		{{id: 4}},
		{{id: 2}, {id: 2}},
		{{id: 3}, {id: 2}},
		{{id: 1, records: unsealed}, {id: 2}},
	} {
		f := floorFile{directory: directory{next: 4, segments: segments}}
		if _, err := parseFloorFile(f.append(nil)); err == nil {
			t.Errorf("accepted %+v", segments)
		}
	}
}

func TestSegmentNames(t *testing.T) {
	for _, id := range []uint32{0, 1, 1 << 31, 1<<32 - 1} {
		if got, ok := segmentID(segmentName(id)); !ok || got != id {
			t.Errorf("segmentID(%q) = %d, %v", segmentName(id), got, ok)
		}
	}
	for _, name := range []string{"", "1.seg", "0000000001.seg~", "-000000001.seg", "4294967296.seg", "floor", "0000000001.SEG"} {
		if id, ok := segmentID(name); ok {
			t.Errorf("segmentID(%q) = %d", name, id)
		}
	}
}

// FuzzSegmentReader reads any bytes as a segment and as a floor file.
func FuzzSegmentReader(f *testing.F) {
	for _, batches := range [][]int{{}, {1}, {3}, {1, 5, 2}, {40, 1, 1, 9}} {
		data := sampleSegment(batches...)
		f.Add(data)
		f.Add(data[:len(data)-1])
		f.Add(append(slices.Clone(data), make([]byte, 2*recordSize)...))
		if len(batches) > 0 {
			clear(slot(data, 0))
			f.Add(data)
		}
	}
	f.Add((&floorFile{}).append(nil))
	f.Add((&floorFile{directory: directory{next: 3, segments: []segmentInfo{{id: 1, records: 9}, {id: 2, records: unsealed}}}}).append(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		checkFloorFile(t, data)
		checkSegment(t, data)
		// With a good header and checksums the fuzzer gets further.
		if len(data) > headerSize {
			data = append(appendHeader(nil, 1, Identity{}), data[headerSize:]...)
			checkSegment(t, data)
			seed := binary.LittleEndian.Uint32(data[headerSize-4:])
			for i := 0; headerSize+(i+1)*recordSize <= len(data); i++ {
				if b := slot(data, i); b[recordSize-1]&1 == 0 {
					binary.LittleEndian.PutUint32(b[recordSize-4:], crc32.Update(seed, castagnoli, b[:recordSize-4]))
				}
			}
			checkSegment(t, data)
		}
	})
}

// checkFloorFile makes sure that a floor file that is accepted is one that the
// journal writes.
func checkFloorFile(t *testing.T, data []byte) {
	f, err := parseFloorFile(data)
	if err == nil && !bytes.Equal(f.append(nil), data) {
		t.Errorf("accepted a floor file with another encoding: %x", data)
	}
}

// checkSegment makes sure that the verdict on a segment is consistent.
func checkSegment(t *testing.T, data []byte) {
	c, err := readSegment(data)
	if err != nil {
		return
	}
	if cap(c.entries) > len(data)/recordSize {
		t.Errorf("room for %d records in %d bytes", cap(c.entries), len(data))
	}
	size := c.size()
	if (c.verdict == whole) != (size == int64(len(data))) || size > int64(len(data)) {
		t.Errorf("verdict %d, but %d of %d bytes are good", c.verdict, size, len(data))
	}
	if c.verdict == torn && int64(len(data))-size > maxBatch*recordSize {
		t.Errorf("a torn batch of %d bytes", int64(len(data))-size)
	}
	again, err := readSegment(data[:size])
	if err != nil || again.verdict != whole || !slices.Equal(again.entries, c.entries) || again.newest != c.newest {
		t.Errorf("cut to %d bytes: %+v, %v", size, again, err)
	}
	if found := salvage(data); len(found) < len(c.entries) || !slices.Equal(found[:len(c.entries)], c.entries) {
		t.Errorf("%d records are good, but %d others are salvaged", len(c.entries), len(found))
	}
}
