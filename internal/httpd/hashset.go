package httpd

// hashSet is a set of random 64-bit hashes. A map would serve, but this is asked
// by every request and most often about memory that is in no cache: it looks in
// one place, where a map looks in three.
type hashSet struct {
	slots []uint64 // a power of two of them, at most half taken; 0 is a free one
	n     int
}

const minSlots = 64

func (s *hashSet) len() int { return s.n }

// find returns the slot of a hash, or the free one where it belongs.
func (s *hashSet) find(h uint64) *uint64 {
	mask := uint64(len(s.slots) - 1)
	i := h >> 16 & mask // the lowest bits chose the shard
	for s.slots[i] != 0 && s.slots[i] != h {
		i = (i + 1) & mask
	}
	return &s.slots[i]
}

// has reports whether a hash is in the set.
func (s *hashSet) has(h uint64) bool {
	return s.n > 0 && *s.find(max(h, 1)) != 0
}

// add adds a hash and reports whether it was new.
func (s *hashSet) add(h uint64) bool {
	h = max(h, 1) // 0 marks a free slot
	if 2*s.n >= len(s.slots) {
		s.grow()
	}
	slot := s.find(h)
	if *slot != 0 {
		return false
	}
	*slot = h
	s.n++
	return true
}

func (s *hashSet) grow() {
	old := s.slots
	s.slots = make([]uint64, max(2*len(old), minSlots))
	for _, h := range old {
		if h != 0 {
			*s.find(h) = h
		}
	}
}

// clear empties the set. Its memory is kept when the set was filled well, since
// it will be again.
func (s *hashSet) clear() {
	if s.n < len(s.slots)/8 {
		s.slots = nil
	}
	clear(s.slots)
	s.n = 0
}
