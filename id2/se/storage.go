package se

import (
	"encoding/binary"
	"fmt"
)

const (
	maxStoredID = 48
	// MaxBusinessData is the longest business data in bytes that
	// [Applet.StoreData] takes.
	MaxBusinessData = 4096
)

// Field is a part of a stored key (id2 §7).
type Field struct {
	Tag   Tag
	Value []byte
}

// StoredKey is a key to be put into a card (id2 §7).
type StoredKey struct {
	Type   KeyType
	KID    byte // 00 is the ID² key
	Fields []Field
}

// StorageData returns the data of a SecurityStorage command (id2 §7): id, type and
// number of the key, and its parts. The error wraps [ErrParameter].
func StorageData(id []byte, key StoredKey) ([]byte, error) {
	if len(id) == 0 || len(id) > maxStoredID {
		return nil, fmt.Errorf("%w: id of %d bytes", ErrParameter, len(id))
	}
	data := append([]byte{byte(len(id))}, id...)
	data = append(data, byte(key.Type), key.KID)
	for _, f := range key.Fields {
		if len(f.Value) == 0 || len(f.Value) > MaxBusinessData {
			return nil, fmt.Errorf("%w: part %02X of %d bytes", ErrParameter, byte(f.Tag), len(f.Value))
		}
		data = append(data, byte(f.Tag))
		data = binary.BigEndian.AppendUint16(data, uint16(len(f.Value)))
		data = append(data, f.Value...)
	}
	return data, nil
}

// ParseStorageData reads what [StorageData] builds. The parts share memory with
// data. The error wraps [ErrParameter].
func ParseStorageData(data []byte) (id []byte, key StoredKey, err error) {
	if len(data) == 0 {
		return nil, StoredKey{}, fmt.Errorf("%w: nothing to store", ErrParameter)
	}
	n := int(data[0])
	if n == 0 || n > maxStoredID || len(data) < n+3 {
		return nil, StoredKey{}, fmt.Errorf("%w: id of %d bytes in %d", ErrParameter, n, len(data))
	}
	key = StoredKey{Type: KeyType(data[n+1]), KID: data[n+2]}
	key.Fields, err = parseFields(data[n+3:])
	return data[1 : n+1], key, err
}

// parseFields reads parts of a tag, a length of two bytes, and a value.
func parseFields(b []byte) ([]Field, error) {
	var fields []Field
	for len(b) > 0 {
		if len(b) < 3 {
			return nil, fmt.Errorf("%w: part cut short", ErrParameter)
		}
		n := int(binary.BigEndian.Uint16(b[1:]))
		if n == 0 || n > MaxBusinessData || len(b) < 3+n {
			return nil, fmt.Errorf("%w: part of %d bytes in %d", ErrParameter, n, len(b))
		}
		fields = append(fields, Field{Tag(b[0]), b[3 : 3+n]})
		b = b[3+n:]
	}
	return fields, nil
}

// StoreKey puts a key into the card, and the id with the first one (id2 §7). The
// command is of class 84, so cards want it in the driver's secure channel. Keys
// cannot be read again.
//
// The error wraps [ErrParameter] or is one of [Applet.Exchange]:
// [StatusIDWritten] for another id than the card's, [StatusKeyExists].
func (a *Applet) StoreKey(id []byte, key StoredKey) error {
	_, err := a.storage(0, id, key)
	return err
}

// StoreData puts 1 to [MaxBusinessData] bytes of business data into the card
// under a number (id2 §7). The error is one of [Applet.StoreKey].
func (a *Applet) StoreData(id []byte, number byte, data []byte) error {
	fields := []Field{{TagBusiness, data}}
	_, err := a.storage(P1Business, id, StoredKey{KeyBusiness, number, fields})
	return err
}

// ReadData returns business data (id2 §7). The error is one of
// [Applet.StoreKey]; [StatusRecordNotFound] if there is none.
func (a *Applet) ReadData(id []byte, number byte) ([]byte, error) {
	out, err := a.storage(P1Business|P1StorageRead, id, StoredKey{Type: KeyBusiness, KID: number})
	if err != nil {
		return nil, err
	}
	fields, err := parseFields(out)
	if err != nil || len(fields) != 1 || fields[0].Tag != TagBusiness {
		return nil, fmt.Errorf("%w: business data", ErrResponse)
	}
	return fields[0].Value, nil
}

func (a *Applet) storage(p1 byte, id []byte, key StoredKey) ([]byte, error) {
	data, err := StorageData(id, key)
	if err != nil {
		return nil, err
	}
	return a.run(chain{class: ClassSecured, ins: InsSecurityStorage, p1: p1, data: data})
}

// PublicKey is the public part of a generated pair (id2 §7): N and E of an RSA
// key, X and Y of a point.
type PublicKey struct{ N, E, X, Y []byte }

// GenerateKeyPair lets the card make a key pair under a number and returns the
// public part (id2 §7). bits is 1024 or 2048 for RSA, 256 for SM2.
//
// The error is one of [Applet.Exchange]; [StatusKeyExists] if the number is
// taken.
func (a *Applet) GenerateKeyPair(t KeyType, kid byte, bits uint16) (PublicKey, error) {
	return a.keyPair(0x00, t, kid, bits)
}

// PublicKey returns the public part of a pair that [Applet.GenerateKeyPair] made,
// by P1 01 of its command: so this package reads the note, which leaves open what
// the two values of P1 mean.
func (a *Applet) PublicKey(t KeyType, kid byte, bits uint16) (PublicKey, error) {
	return a.keyPair(0x01, t, kid, bits)
}

func (a *Applet) keyPair(p1 byte, t KeyType, kid byte, bits uint16) (PublicKey, error) {
	data := binary.BigEndian.AppendUint16([]byte{byte(t), kid}, bits)
	out, err := a.Exchange(Command{CLA: ClassApplet, INS: InsGenerateKeyPair, P1: p1, Data: data})
	if err != nil {
		return PublicKey{}, err
	}
	return parsePublicKey(out)
}

// parsePublicKey reads the answer to GenerateKeyPair: tag, length, value. Lengths
// from 256 are written as in BER, 82 and two bytes; a length of one byte may
// follow an 81.
func parsePublicKey(b []byte) (PublicKey, error) {
	var key PublicKey
	parts := map[Tag]*[]byte{TagRSAN: &key.N, TagRSAE: &key.E, TagSM2X: &key.X, TagSM2Y: &key.Y}
	for len(b) > 0 {
		value, n := parsePart(b)
		part := parts[Tag(b[0])]
		if n == 0 || part == nil || *part != nil {
			return PublicKey{}, fmt.Errorf("%w: public key", ErrResponse)
		}
		*part, b = value, b[n:]
	}
	rsa, point := key.N != nil && key.E != nil, key.X != nil && key.Y != nil
	if rsa == point || (key.N != nil) != (key.E != nil) || (key.X != nil) != (key.Y != nil) {
		return PublicKey{}, fmt.Errorf("%w: parts of a public key", ErrResponse)
	}
	return key, nil
}

// parsePart returns the value at the start of b and how many bytes it takes with
// tag and length, 0 if there is no such part.
func parsePart(b []byte) (value []byte, n int) {
	if len(b) < 4 {
		// The shortest part that is followed by none: tag, length, value of 1.
		if len(b) == 3 && b[1] == 1 {
			return b[2:], 3
		}
		return nil, 0
	}
	length, head := int(b[1]), 2
	switch b[1] {
	case 0x81:
		length, head = int(b[2]), 3
	case 0x82:
		length, head = int(b[2])<<8|int(b[3]), 4
	}
	if length == 0 || len(b) < head+length {
		return nil, 0
	}
	return b[head : head+length], head + length
}
