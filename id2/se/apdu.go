package se

import (
	"errors"
	"fmt"
)

// Limits of short APDUs (id2 §7).
const (
	MaxCommandData  = 255 // bytes of data in a command; MaxSecuredData in class x4
	MaxSecuredData  = 239 // leaves room for the MAC of secure messaging
	MaxResponseData = 256 // bytes of data in an answer, beside the status
)

// ErrCommand is returned for a command that is no short APDU.
var ErrCommand = errors.New("se: malformed command")

// Command is a command APDU (id2 §7).
type Command struct {
	CLA, INS, P1, P2 byte
	Data             []byte // at most MaxCommandData bytes
	// Le is how many bytes of answer are expected, 1 to 256; 0 leaves the
	// field out. On the wire 256 is 00.
	Le int
}

// Bytes returns the command as it is sent, with a short Lc and Le where they
// apply. The error wraps [ErrCommand].
func (c Command) Bytes() ([]byte, error) {
	if len(c.Data) > MaxCommandData || c.Le < 0 || c.Le > MaxResponseData {
		return nil, fmt.Errorf("%w: %d bytes of data, %d expected", ErrCommand, len(c.Data), c.Le)
	}
	out := make([]byte, 0, 6+len(c.Data))
	out = append(out, c.CLA, c.INS, c.P1, c.P2)
	if len(c.Data) > 0 {
		out = append(out, byte(len(c.Data)))
		out = append(out, c.Data...)
	}
	if c.Le > 0 {
		out = append(out, byte(c.Le))
	}
	return out, nil
}

// ParseCommand reads a command APDU with short lengths. Every accepted text is
// what [Command.Bytes] builds from the result. Data shares memory with b. The
// error wraps [ErrCommand].
func ParseCommand(b []byte) (Command, error) {
	if len(b) < 4 {
		return Command{}, fmt.Errorf("%w: %d bytes", ErrCommand, len(b))
	}
	c := Command{CLA: b[0], INS: b[1], P1: b[2], P2: b[3]}
	body := b[4:]
	if len(body) > 1 {
		n := int(body[0])
		if n == 0 || len(body) < 1+n || len(body) > 2+n {
			return Command{}, fmt.Errorf("%w: Lc %d of %d bytes", ErrCommand, n, len(body)-1)
		}
		c.Data, body = body[1:1+n], body[1+n:]
	}
	if len(body) == 1 {
		c.Le = expected(body[0])
	}
	return c, nil
}

// expected returns the number that a length byte stands for, 1 to 256.
func expected(b byte) int { return int(b-1) + 1 }

// Response is a card's answer (id2 §7).
type Response struct {
	Data   []byte // at most MaxResponseData bytes
	Status Status
}

// Bytes returns the answer as the card sends it. It checks nothing.
func (r Response) Bytes() []byte {
	out := make([]byte, 0, len(r.Data)+2)
	return append(append(out, r.Data...), byte(r.Status>>8), byte(r.Status))
}

// ParseResponse reads an answer of 2 to 258 bytes. Data shares memory with b. The
// error wraps [ErrResponse].
func ParseResponse(b []byte) (Response, error) {
	n := len(b) - 2
	if n < 0 || n > MaxResponseData {
		return Response{}, fmt.Errorf("%w: %d bytes", ErrResponse, len(b))
	}
	return Response{b[:n:n], Status(b[n])<<8 | Status(b[n+1])}, nil
}
