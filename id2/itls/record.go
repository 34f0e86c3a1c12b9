package itls

import (
	"encoding/binary"
	"io"
)

// Parts of records as TLS 1.2 has them.
const (
	recordAlert      = 21
	recordHandshake  = 22
	versionHigh      = 3
	versionLow       = 3
	handshakeHello   = 1
	handshakeVerify  = 3 // HelloVerifyRequest
	recordHeader     = 5
	handshakeHeader  = 4
	alertFatal       = 2
	alertLength      = 2
	extensionHeader  = 4
	extProductKey    = 0x2000
	extID            = 0x2001
	extAuthCode      = 0x2002
	extClientVersion = 0x2020
	extProvisionData = 0x2011
	clientVersion    = 0x00010200
	idVersion        = 0x10001000
	unknownIDLength  = 24
	unknownIDLetter  = 'F'
	maxSessionID     = 32
)

// readRecord reads one record and returns its type and content. It reads no more
// than header and max bytes, whatever the header says.
func readRecord(r io.Reader, max int) (kind byte, content []byte, err error) {
	var header [recordHeader]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return 0, nil, err
	}
	n := int(binary.BigEndian.Uint16(header[3:]))
	switch kind = header[0]; {
	case kind != recordAlert && kind != recordHandshake || header[1] != versionHigh || header[2] != versionLow:
		return 0, nil, malformed("it begins with %x", header[:3])
	case n == 0 || n > max:
		return 0, nil, malformed("%d bytes", n)
	}
	content = make([]byte, n)
	if _, err := io.ReadFull(r, content); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, err
	}
	return kind, content, nil
}

// fields takes a message apart. After the first thing that is not there all that
// follows is empty, and ok is false.
type fields struct {
	rest []byte
	ok   bool
}

func (f *fields) bytes(n int) []byte {
	if !f.ok || n > len(f.rest) {
		f.ok, f.rest = false, nil
		return nil
	}
	b := f.rest[:n:n]
	f.rest = f.rest[n:]
	return b
}

// number reads a big-endian number of 1 to 3 bytes.
func (f *fields) number(size int) int {
	n := 0
	for _, b := range f.bytes(size) {
		n = n<<8 | int(b)
	}
	return n
}

// vector reads bytes behind their length.
func (f *fields) vector(size int) []byte { return f.bytes(f.number(size)) }

// end reports whether everything was there and nothing is left.
func (f *fields) end() bool { return f.ok && len(f.rest) == 0 }

// handshake reads the header of a handshake message of a type and its version,
// and returns what follows.
func handshake(content []byte, kind byte) (fields, error) {
	f := fields{content, true}
	got := f.bytes(1)
	body := f.vector(3)
	if !f.end() || got[0] != kind {
		return fields{}, malformed("it does not hold one handshake message of type %d", kind)
	}
	f = fields{body, true}
	if version := f.number(2); !f.ok || version != versionHigh<<8|versionLow {
		return fields{}, malformed("the message is not of version 3.3")
	}
	return f, nil
}

// seal puts header and version around the body of a handshake message.
func seal(kind byte, body []byte) []byte {
	n := len(body) + 2
	out := make([]byte, 0, recordHeader+handshakeHeader+n)
	out = append(out, recordHandshake, versionHigh, versionLow)
	out = binary.BigEndian.AppendUint16(out, uint16(handshakeHeader+n))
	out = append(out, kind, 0)
	out = binary.BigEndian.AppendUint16(out, uint16(n))
	out = append(out, versionHigh, versionLow)
	return append(out, body...)
}

// appendVector appends bytes behind their length of 16 bits.
func appendVector(out, data []byte) []byte {
	return append(binary.BigEndian.AppendUint16(out, uint16(len(data))), data...)
}

// appendExtension appends an extension.
func appendExtension(out []byte, kind uint16, data []byte) []byte {
	return appendVector(binary.BigEndian.AppendUint16(out, kind), data)
}
