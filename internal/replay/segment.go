package replay

// verdict is what reading a segment found.
type verdict int

const (
	// whole: every byte belongs to a complete batch.
	whole verdict = iota
	// torn: after some complete batches, the remains of one that was being
	// written when the process or the machine stopped.
	torn
	// damaged: something no interrupted write explains.
	damaged
)

// contents is what a segment was found to hold.
type contents struct {
	header
	verdict verdict
	// entries are the records of the complete batches before the first bad
	// record.
	entries []entry
	// newest is the newest timestamp among entries, or noTime.
	newest int64
}

// size is the length of the file when it is cut after the last entry.
func (c *contents) size() int64 {
	return headerSize + int64(len(c.entries))*recordSize
}

// readSegment reads a whole segment. It fails when the header is bad; for all
// else it gives its verdict. See the package comment for the reasoning.
func readSegment(data []byte) (*contents, error) {
	h, err := parseHeader(data)
	if err != nil {
		return nil, err
	}
	c := &contents{header: h, newest: noTime}
	records := data[headerSize:]
	c.entries = make([]entry, 0, len(records)/recordSize)
	// last is the place of the last good record; before the first batch it
	// is as after a batch numbered -1.
	last := place{batch: 1<<32 - 1}
	complete := 0
	for len(records) >= recordSize {
		e, p, ok := parseRecord(records, h.seed)
		if !ok || !last.precedes(p) {
			break
		}
		c.entries = append(c.entries, e)
		last = p
		records = records[recordSize:]
		if p.left == 0 {
			complete = len(c.entries)
		}
	}
	if len(records) > 0 || complete < len(c.entries) {
		c.verdict = judgeTail(records, h.seed, last, len(c.entries)-complete)
	}
	c.entries = c.entries[:complete]
	for i := range c.entries {
		c.newest = max(c.newest, c.entries[i].at)
	}
	return c, nil
}

// judgeTail looks at the bytes from the first bad record on. last is the place
// of the record before it, and begun the number of good records before it that
// belong to the same, incomplete batch.
func judgeTail(tail []byte, seed uint32, last place, begun int) verdict {
	// The bad record is one of this batch, which has room for so many
	// records from here: known once a record of it was seen.
	batch, room, known := last.batch, int(last.left), true
	if begun == 0 {
		batch, room, known = last.batch+1, maxBatch, false
	}
	slots := (len(tail) + recordSize - 1) / recordSize
	for i := 0; (i+1)*recordSize <= len(tail); i++ {
		_, p, ok := parseRecord(tail[i*recordSize:], seed)
		if !ok {
			continue
		}
		end := i + 1 + int(p.left)
		if p.batch != batch || (known && end != room) {
			return damaged
		}
		room, known = end, true
	}
	if slots > room {
		return damaged
	}
	return torn
}

// salvage returns every record of a damaged segment whose checksum holds.
func salvage(data []byte) []entry {
	h, err := parseHeader(data)
	if err != nil {
		return nil
	}
	var entries []entry
	for records := data[headerSize:]; len(records) >= recordSize; records = records[recordSize:] {
		if e, _, ok := parseRecord(records, h.seed); ok {
			entries = append(entries, e)
		}
	}
	return entries
}
