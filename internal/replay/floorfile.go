package replay

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"path/filepath"
)

// Layout of the floor file, all integers little-endian:
//
//	magic 8, identity of this file 16, of the directory 16, floor in ms 8,
//	next segment id 4, number of segments 4,
//	for each segment: id 4, records 4, newest timestamp in ms 8,
//	CRC-32C of all that 4
const (
	floorMagic     = "hmkfloor"
	floorFixed     = 56
	floorPerItem   = 16
	maxFloorBytes  = 1 << 20
	floorName      = "floor"
	floorTemporary = "floor.new"
)

// unsealed stands for the number of records of the segment that is, or was at
// a crash, being appended to.
const unsealed = 1<<32 - 1

var errFloorFile = errors.New("bad floor file")

// segmentInfo is what the floor file says about one segment. records and
// newest of an unsealed segment are not known.
type segmentInfo struct {
	id      uint32
	records uint32
	newest  int64
}

// directory is what the floor file says. At most the last segment is unsealed.
type directory struct {
	floor    int64 // milliseconds
	next     uint32
	segments []segmentInfo
}

// floorFile is a directory and where it was written.
type floorFile struct {
	self, dir Identity
	directory
}

// append encodes f.
func (f *floorFile) append(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, floorMagic...)
	dst = append(dst, f.self[:]...)
	dst = append(dst, f.dir[:]...)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(f.floor))
	dst = binary.LittleEndian.AppendUint32(dst, f.next)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(f.segments)))
	for _, s := range f.segments {
		dst = binary.LittleEndian.AppendUint32(dst, s.id)
		dst = binary.LittleEndian.AppendUint32(dst, s.records)
		dst = binary.LittleEndian.AppendUint64(dst, uint64(s.newest))
	}
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// parseFloorFile decodes what append encoded.
func parseFloorFile(data []byte) (*floorFile, error) {
	if len(data) < floorFixed+4 || string(data[:8]) != floorMagic {
		return nil, errFloorFile
	}
	body := data[:len(data)-4]
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(data[len(body):]) {
		return nil, fmt.Errorf("%w: checksum", errFloorFile)
	}
	f := &floorFile{self: Identity(body[8:24]), dir: Identity(body[24:40])}
	f.floor = int64(binary.LittleEndian.Uint64(body[40:]))
	f.next = binary.LittleEndian.Uint32(body[48:])
	items := body[floorFixed:]
	if uint64(len(items)) != floorPerItem*uint64(binary.LittleEndian.Uint32(body[52:])) {
		return nil, fmt.Errorf("%w: length", errFloorFile)
	}
	f.segments = make([]segmentInfo, 0, len(items)/floorPerItem)
	for ; len(items) > 0; items = items[floorPerItem:] {
		f.segments = append(f.segments, segmentInfo{
			id:      binary.LittleEndian.Uint32(items),
			records: binary.LittleEndian.Uint32(items[4:]),
			newest:  int64(binary.LittleEndian.Uint64(items[8:])),
		})
	}
	return f, f.check()
}

// check says whether the segments are such as the journal writes: rising ids
// below next, all sealed but the last.
func (f *floorFile) check() error {
	for i, s := range f.segments {
		ordered := s.id < f.next && (i == 0 || s.id > f.segments[i-1].id)
		if !ordered || (s.records == unsealed && i != len(f.segments)-1) {
			return fmt.Errorf("%w: segment %d", errFloorFile, s.id)
		}
	}
	return nil
}

// writeDirectory makes d what the floor file in dir says. When it returns nil
// that is on disk; the entries of all files made in dir before are too.
//
// The order is: make and sync the new file, sync the directory so that the
// segments it lists are there before it is, rename, sync the directory again.
func writeDirectory(fsys FS, dir string, d directory) error {
	temporary := filepath.Join(dir, floorTemporary)
	f, err := fsys.Create(temporary)
	if err != nil {
		return err
	}
	if err := writeFloorFile(fsys, f, dir, d); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := fsys.SyncDir(dir); err != nil {
		return err
	}
	if err := fsys.Rename(temporary, filepath.Join(dir, floorName)); err != nil {
		return err
	}
	return fsys.SyncDir(dir)
}

// writeFloorFile writes and syncs the content of the new floor file.
func writeFloorFile(fsys FS, f File, dir string, d directory) error {
	content := floorFile{directory: d}
	var err error
	if content.self, err = fsys.Identity(filepath.Join(dir, floorTemporary)); err != nil {
		return err
	}
	if content.dir, err = fsys.Identity(dir); err != nil {
		return err
	}
	if _, err := f.Write(content.append(nil)); err != nil {
		return err
	}
	return f.Sync()
}
