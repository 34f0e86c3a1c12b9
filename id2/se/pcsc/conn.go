package pcsc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/hallmark-id/hallmark/id2/se"
)

// Commands of the daemon's protocol (winscard_msg.h of pcsc-lite). A message is
// its length without this header, the command, and a structure of 32-bit numbers
// in the machine's own order; the answer is the same structure, filled in.
const (
	cmdEstablish    = 0x01
	cmdConnect      = 0x04
	cmdDisconnect   = 0x06
	cmdTransmit     = 0x09
	cmdVersion      = 0x11
	cmdReadersState = 0x12
)

// Numbers of PC/SC.
const (
	scopeSystem    = 2
	shareExclusive = 1
	shareShared    = 2
	protocolT0     = 1
	protocolT1     = 2
	leaveCard      = 0
	resetCard      = 1
	statePresent   = 0x0004
	pciLength      = 16 // of SCARD_IO_REQUEST on machines of 64 bits; not looked at

	versionMajor = 4
	minMinor     = 2
	maxMinor     = 5
)

// Sizes of the daemon's structures.
const (
	maxReaders  = 16
	nameSize    = 128
	atrSize     = 33
	readerState = nameSize + 3*4 + atrSize + 3 + 2*4 // 3 bytes of padding
)

var order = binary.NativeEndian

// conn is a connection to the daemon. After the first error of the connection
// itself nothing more can be said on it.
type conn struct {
	socket  net.Conn
	timeout time.Duration
	broken  error
}

// dial connects and agrees on a version.
func dial(socket string, timeout time.Duration) (*conn, error) {
	s, err := net.DialTimeout("unix", socket, timeout)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoDaemon, err)
	}
	c := &conn{socket: s, timeout: timeout}
	if err := c.agree(); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *conn) close() { _ = c.socket.Close() }

// agree tells the daemon the version that is spoken. A daemon of another one says
// which; what is used here is the same in all that are accepted.
func (c *conn) agree() error {
	minor := uint32(4)
	for range 2 {
		answer, err := c.ask(cmdVersion, versionMajor, minor, 0)
		if err != nil {
			return err
		}
		if answer[2] == 0 {
			return nil
		}
		if answer[0] != versionMajor || answer[1] < minMinor || answer[1] > maxMinor {
			return fmt.Errorf("%w: version %d.%d", ErrProtocol, answer[0], answer[1])
		}
		minor = answer[1]
	}
	return fmt.Errorf("%w: it does not take its own version", ErrProtocol)
}

// establish makes a context, which the daemon releases with the connection.
func (c *conn) establish() (context uint32, err error) {
	answer, err := c.ask(cmdEstablish, scopeSystem, 0, 0)
	if err != nil {
		return 0, err
	}
	return answer[1], result(answer[2])
}

// readers asks for all readers.
func (c *conn) readers() ([]Reader, error) {
	states := make([]byte, maxReaders*readerState)
	if err := c.exchange(cmdReadersState, nil, states); err != nil {
		return nil, err
	}
	var all []Reader
	for ; len(states) > 0; states = states[readerState:] {
		name, _, ok := bytes.Cut(states[:nameSize], []byte{0})
		if !ok {
			return nil, fmt.Errorf("%w: a reader's name does not end", ErrProtocol)
		}
		if len(name) == 0 {
			continue
		}
		r := Reader{Name: string(name), Card: order.Uint32(states[nameSize+4:])&statePresent != 0}
		atr := states[nameSize+12:]
		if n := order.Uint32(atr[atrSize+3:]); r.Card && n <= atrSize {
			r.ATR = bytes.Clone(atr[:n])
		}
		all = append(all, r)
	}
	return all, nil
}

// connect powers the card of a reader.
func (c *conn) connect(context uint32, reader string, share uint32) (card, protocol uint32, err error) {
	if len(reader) >= nameSize {
		return 0, 0, UnknownReader
	}
	body := make([]byte, 4+nameSize+5*4)
	order.PutUint32(body, context)
	copy(body[4:], reader)
	numbers := body[4+nameSize:] // share, preferred, card, active, result
	order.PutUint32(numbers, share)
	order.PutUint32(numbers[4:], protocolT0|protocolT1)
	if err := c.exchange(cmdConnect, body, body); err != nil {
		return 0, 0, err
	}
	return order.Uint32(numbers[8:]), order.Uint32(numbers[12:]), result(order.Uint32(numbers[16:]))
}

// disconnect lets go of a card.
func (c *conn) disconnect(card, disposition uint32) error {
	answer, err := c.ask(cmdDisconnect, card, disposition, 0)
	if err != nil {
		return err
	}
	return result(answer[2])
}

// transmit sends an APDU and returns the card's answer.
func (c *conn) transmit(card, protocol uint32, command []byte) ([]byte, error) {
	const receive = se.MaxResponseData + 2
	head := numbers(card, protocol, pciLength, uint32(len(command)), protocol, pciLength, receive, 0)
	answer := make([]byte, len(head))
	if err := c.exchange(cmdTransmit, head, answer, command...); err != nil {
		return nil, err
	}
	if err := result(order.Uint32(answer[28:])); err != nil {
		return nil, err
	}
	n := order.Uint32(answer[24:])
	if n > receive {
		return nil, c.fail(fmt.Errorf("%w: an answer of %d bytes", ErrProtocol, n))
	}
	out := make([]byte, n)
	if _, err := io.ReadFull(c.socket, out); err != nil {
		return nil, c.fail(err)
	}
	return out, nil
}

// ask sends numbers and returns as many.
func (c *conn) ask(command uint32, values ...uint32) ([]uint32, error) {
	body := numbers(values...)
	if err := c.exchange(command, body, body); err != nil {
		return nil, err
	}
	for i := range values {
		values[i] = order.Uint32(body[4*i:])
	}
	return values, nil
}

func numbers(values ...uint32) []byte {
	var out []byte
	for _, v := range values {
		out = order.AppendUint32(out, v)
	}
	return out
}

// exchange sends a message, with data behind it, and fills answer.
func (c *conn) exchange(command uint32, body, answer []byte, data ...byte) error {
	if c.broken != nil {
		return c.broken
	}
	if err := c.socket.SetDeadline(time.Now().Add(c.timeout)); err != nil {
		return c.fail(err)
	}
	message := append(numbers(uint32(len(body)), command), body...)
	if _, err := c.socket.Write(append(message, data...)); err != nil {
		return c.fail(err)
	}
	if _, err := io.ReadFull(c.socket, answer); err != nil {
		return c.fail(err)
	}
	return nil
}

// fail ends the connection: what the daemon may still send belongs to no
// question.
func (c *conn) fail(err error) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = fmt.Errorf("%w: %w", se.ErrTimeout, err)
	case !errors.Is(err, ErrProtocol):
		err = fmt.Errorf("%w: %w", ErrNoDaemon, err)
	}
	c.broken = err
	c.close()
	return err
}

// result returns the error that a number of the daemon stands for.
func result(n uint32) error {
	if n == 0 {
		return nil
	}
	return Code(n)
}
