package itls

import (
	"bytes"
	"encoding/binary"
	"io"
)

// Hello is what a device asks with (id2 §4.6).
type Hello struct {
	Random     [32]byte // of the device; nothing depends on it
	ProductKey string   // 1 to MaxProductKey bytes
	AuthCode   []byte   // OTP authentication code, raw (id2 §4.2)
}

// suites are those that the vendor's client offers. Nothing is chosen of them.
var suites = []byte{0xD0, 0x04, 0xD0, 0x03}

// Bytes returns the record that a device sends, as the vendor's client builds
// it. The error wraps [ErrMalformed] for a product key or code that is empty or
// too long.
func (h Hello) Bytes() ([]byte, error) {
	if len(h.ProductKey) == 0 || len(h.ProductKey) > MaxProductKey || len(h.AuthCode) == 0 || len(h.AuthCode) > maxAuthCode {
		return nil, malformed("product key of %d bytes, code of %d", len(h.ProductKey), len(h.AuthCode))
	}
	id := binary.LittleEndian.AppendUint32(nil, idVersion)
	id = append(id, bytes.Repeat([]byte{unknownIDLetter}, unknownIDLength)...)
	var list []byte
	list = appendExtension(list, extProductKey, []byte(h.ProductKey))
	list = appendExtension(list, extID, id)
	list = appendExtension(list, extAuthCode, h.AuthCode)
	list = appendExtension(list, extClientVersion, binary.LittleEndian.AppendUint32(nil, clientVersion))

	body := append([]byte(nil), h.Random[:]...)
	body = append(body, 0) // no session id
	body = appendVector(body, suites)
	body = append(body, 1, 0) // no compression
	return seal(handshakeHello, appendVector(body, list)), nil
}

// ReadHello reads one record and what a device asks in it. It takes no more from
// r than that record. The error wraps [ErrMalformed], is [ErrNotProvisioning] or
// [ErrProductKey], or is one of r.
func ReadHello(r io.Reader) (Hello, error) {
	kind, content, err := readRecord(r, MaxHello)
	if err != nil {
		return Hello{}, err
	}
	if kind != recordHandshake {
		return Hello{}, malformed("a record of type %d", kind)
	}
	f, err := handshake(content, handshakeHello)
	if err != nil {
		return Hello{}, err
	}
	var h Hello
	copy(h.Random[:], f.bytes(len(h.Random)))
	session, offered, compression := f.vector(1), f.vector(2), f.vector(1)
	list := f.vector(2)
	if !f.end() || len(session) > maxSessionID || len(offered) == 0 || len(offered)%2 != 0 || bytes.IndexByte(compression, 0) < 0 {
		return Hello{}, malformed("its parts do not fit")
	}
	if err := h.readExtensions(list); err != nil {
		return Hello{}, err
	}
	return h, nil
}

// readExtensions reads what the extensions of a hello say. Those that are not
// known are passed over.
func (h *Hello) readExtensions(list []byte) error {
	seen := make(map[int][]byte)
	for f := (fields{list, true}); len(f.rest) > 0; {
		kind, data := f.number(2), f.vector(2)
		if !f.ok {
			return malformed("an extension is cut off")
		}
		if _, twice := seen[kind]; twice {
			return malformed("extension %04x is there twice", kind)
		}
		seen[kind] = data
	}
	key, code, id := seen[extProductKey], seen[extAuthCode], seen[extID]
	switch {
	case len(id) < 4 || len(code) == 0:
		return malformed("an extension is missing")
	case !bytes.Equal(id[4:], bytes.Repeat([]byte{unknownIDLetter}, unknownIDLength)):
		return ErrNotProvisioning
	case len(code) > maxAuthCode:
		return malformed("a code of %d bytes", len(code))
	case len(key) == 0 || len(key) > MaxProductKey || bytes.ContainsFunc(key, notPrintable):
		return ErrProductKey
	}
	h.ProductKey, h.AuthCode = string(key), code
	return nil
}

// notPrintable tells what no product key has: all but printable ASCII.
func notPrintable(r rune) bool { return r <= ' ' || r > '~' }
