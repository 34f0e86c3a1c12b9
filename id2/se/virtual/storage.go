package virtual

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/binary"
	"math/big"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/id2/se"
)

const (
	capacity = 8192 // bytes of business data
	maxKeys  = 16
)

// free returns how many bytes of business data still fit.
func (c *Card) free() int {
	used := 0
	for _, data := range c.business {
		used += len(data)
	}
	return capacity - used
}

// store is the worker of SecurityStorage.
type store struct {
	card  *Card
	flags byte
	data  []byte
}

func (s *store) add(data []byte) ([]byte, se.Status) {
	s.data = append(s.data, data...)
	return nil, se.StatusOK
}

func (s *store) end() ([]byte, se.Status) {
	id, entry, err := se.ParseStorageData(s.data)
	if err != nil {
		return nil, se.StatusData
	}
	if len(s.card.id) > 0 && !bytes.Equal(id, s.card.id) {
		return nil, se.StatusIDWritten
	}
	switch s.flags {
	case se.P1Business:
		return nil, s.card.writeBusiness(entry)
	case se.P1Business | se.P1StorageRead:
		return s.card.readBusiness(entry)
	}
	return nil, s.card.writeKey(id, entry)
}

// writeKey stores a key, and the id if the card has none.
func (c *Card) writeKey(id []byte, entry se.StoredKey) se.Status {
	switch {
	case c.finished:
		return se.StatusSecurity
	case c.keys[entry.KID] != nil:
		return se.StatusKeyExists
	case len(c.keys) >= maxKeys:
		return se.StatusNoSpace
	}
	k, status := importKey(entry)
	if status != se.StatusOK {
		return status
	}
	c.keys[entry.KID] = k
	c.id = append([]byte(nil), id...)
	return se.StatusOK
}

func (c *Card) writeBusiness(entry se.StoredKey) se.Status {
	if entry.Type != se.KeyBusiness || len(entry.Fields) != 1 || entry.Fields[0].Tag != se.TagBusiness {
		return se.StatusData
	}
	value := entry.Fields[0].Value
	if len(value) > c.free()+len(c.business[entry.KID]) {
		return se.StatusNoSpace
	}
	c.business[entry.KID] = append([]byte(nil), value...)
	return se.StatusOK
}

func (c *Card) readBusiness(entry se.StoredKey) ([]byte, se.Status) {
	if entry.Type != se.KeyBusiness || len(entry.Fields) != 0 {
		return nil, se.StatusData
	}
	value := c.business[entry.KID]
	if value == nil {
		return nil, se.StatusRecordNotFound
	}
	out := binary.BigEndian.AppendUint16([]byte{byte(se.TagBusiness)}, uint16(len(value)))
	return append(out, value...), se.StatusOK
}

// generateKeyPair makes a pair (P1 00) or gives the public part of one (P1 01).
func (c *Card) generateKeyPair(cmd se.Command) ([]byte, se.Status) {
	if cmd.P1 > 1 || cmd.P2 != 0 {
		return nil, se.StatusP1P2
	}
	if len(cmd.Data) != 4 {
		return nil, se.StatusLength
	}
	kind, kid, bits := se.KeyType(cmd.Data[0]), cmd.Data[1], binary.BigEndian.Uint16(cmd.Data[2:])
	algorithm, status := pairAlgorithm(kind, bits)
	if status != se.StatusOK {
		return nil, status
	}
	k := c.keys[kid]
	switch {
	case cmd.P1 == 1 && k == nil:
		return nil, se.StatusKeyNotFound
	case cmd.P1 == 1 && (k.kind != kind || k.rsa != nil && k.rsa.N.BitLen() != int(bits)):
		return nil, se.StatusKeyType
	case cmd.P1 == 1:
		return publicParts(k), se.StatusOK
	case k != nil:
		return nil, se.StatusKeyExists
	case len(c.keys) >= maxKeys:
		return nil, se.StatusNoSpace
	}
	private, err := id2.GeneratePrivateKey(rand.Reader, algorithm)
	if err != nil {
		return nil, se.StatusUnknown
	}
	if k, err = newKey(private); err != nil {
		return nil, se.StatusUnknown
	}
	c.keys[kid] = k
	return publicParts(k), se.StatusOK
}

// pairAlgorithm returns the algorithm of a pair that the card can make.
func pairAlgorithm(kind se.KeyType, bits uint16) (id2.Algorithm, se.Status) {
	switch {
	case kind != se.KeyRSA && kind != se.KeySM2:
		return 0, se.StatusKeyType
	case kind == se.KeyRSA && bits == 1024:
		return id2.RSA1024, se.StatusOK
	case kind == se.KeyRSA && bits == 2048:
		return id2.RSA2048, se.StatusOK
	case kind == se.KeySM2 && bits == 256:
		return id2.SM2, se.StatusOK
	}
	return 0, se.StatusData
}

// publicParts returns 6E N 65 E, or 60 X 61 Y, with lengths.
func publicParts(k *key) []byte {
	if k.rsa == nil {
		x, y := point(k.pair)
		return appendPart(appendPart(nil, se.TagSM2X, x), se.TagSM2Y, y)
	}
	e := big.NewInt(int64(k.rsa.E)).FillBytes(make([]byte, 4))
	return appendPart(appendPart(nil, se.TagRSAN, modulus(k.rsa)), se.TagRSAE, e)
}

func modulus(key *rsa.PrivateKey) []byte { return key.N.FillBytes(make([]byte, key.Size())) }

// appendPart appends tag, length and value. A length above 255 is written 82 and
// two bytes.
func appendPart(dst []byte, tag se.Tag, value []byte) []byte {
	dst = append(dst, byte(tag))
	if len(value) > 255 {
		dst = append(dst, 0x82, byte(len(value)>>8))
	}
	return append(append(dst, byte(len(value))), value...)
}
