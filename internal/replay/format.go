package replay

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
)

// Layout of a segment, all integers little-endian:
//
//	header   64 bytes: magic 8, id 4, zero 4, identity 16, zero 28, checksum 4
//	records  32 bytes each: key 16, timestamp in ms 8, batch<<12|left 4, checksum 4
//
// Checksums are CRC-32C. That of a record continues from the header's, so a
// record in a stale block of another segment does not pass for one of this.
// Batches are numbered from 0 in each segment; left counts the records of the
// same batch that follow.
const (
	segmentMagic = "hmkrply1"
	headerSize   = 64
	recordSize   = 32
	leftBits     = 12
	// maxBatch is the most records in one batch, and so the most that one
	// fdatasync answers.
	maxBatch = 1 << leftBits
	// maxSegmentRecords bounds the option of that name. Batch numbers have
	// 20 bits, and a batch has at least one record.
	maxSegmentRecords = 1 << 19
	// maxSegmentBytes bounds what is read of one segment.
	maxSegmentBytes = headerSize + 4*maxSegmentRecords*recordSize
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errHeader = errors.New("bad segment header")

// entry is what a record says: a key, and its timestamp in milliseconds.
type entry struct {
	key Key
	at  int64
}

// header is the beginning of a segment.
type header struct {
	id   uint32
	self Identity
	seed uint32 // the header's checksum, from which those of records continue
}

// appendHeader appends the header of segment id in the file self.
func appendHeader(dst []byte, id uint32, self Identity) []byte {
	start := len(dst)
	dst = append(dst, segmentMagic...)
	dst = binary.LittleEndian.AppendUint32(dst, id)
	dst = append(dst, 0, 0, 0, 0)
	dst = append(dst, self[:]...)
	dst = append(dst, make([]byte, headerSize-4-(len(dst)-start))...)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// parseHeader reads the header at the start of a segment.
func parseHeader(data []byte) (header, error) {
	if len(data) < headerSize {
		return header{}, fmt.Errorf("%w: %d bytes", errHeader, len(data))
	}
	seed := crc32.Checksum(data[:headerSize-4], castagnoli)
	if string(data[:8]) != segmentMagic || seed != binary.LittleEndian.Uint32(data[headerSize-4:]) {
		return header{}, errHeader
	}
	return header{
		id:   binary.LittleEndian.Uint32(data[8:]),
		self: Identity(data[16:32]),
		seed: seed,
	}, nil
}

// appendBatch appends the records of one batch of at most maxBatch entries.
func appendBatch(dst []byte, seed, batch uint32, entries []entry) []byte {
	for i := range entries {
		left := uint32(len(entries) - 1 - i)
		start := len(dst)
		dst = append(dst, entries[i].key[:]...)
		dst = binary.LittleEndian.AppendUint64(dst, uint64(entries[i].at))
		dst = binary.LittleEndian.AppendUint32(dst, batch<<leftBits|left)
		dst = binary.LittleEndian.AppendUint32(dst, crc32.Update(seed, castagnoli, dst[start:]))
	}
	return dst
}

// place is where in which batch a record stands.
type place struct {
	batch uint32
	left  uint32
}

// precedes says whether a record at q may directly follow one at p.
func (p place) precedes(q place) bool {
	if p.left == 0 {
		return q.batch == p.batch+1
	}
	return q.batch == p.batch && q.left == p.left-1
}

// parseRecord reads one record and says whether its checksum holds.
func parseRecord(b []byte, seed uint32) (entry, place, bool) {
	if crc32.Update(seed, castagnoli, b[:recordSize-4]) != binary.LittleEndian.Uint32(b[recordSize-4:recordSize]) {
		return entry{}, place{}, false
	}
	word := binary.LittleEndian.Uint32(b[24:])
	return entry{key: Key(b[:16]), at: int64(binary.LittleEndian.Uint64(b[16:]))},
		place{batch: word >> leftBits, left: word & (maxBatch - 1)}, true
}

// noTime is older than every timestamp, and maxTime newer.
const (
	noTime  = math.MinInt64
	maxTime = math.MaxInt64
)
