// Package pcsc reaches secure elements in card readers through PC/SC: it speaks
// to the daemon of pcsc-lite (Debian: pcscd) over its socket, in the messages
// that libpcsclite sends, versions 4.2 to 4.5. It needs neither cgo nor a
// library on the machine, and keeps every answer of the daemon within bounds.
//
// [Readers] lists what is there; a [Driver] is an [se.Driver] for one reader.
// Where there is no pcscd (macOS and Windows have daemons of their own) nothing is
// found, and the error says so.
package pcsc

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/hallmark-id/hallmark/id2/se"
)

// DefaultSocket is where Debian's pcscd listens. The environment variable
// PCSCLITE_CSOCK_NAME names another place, as it does for libpcsclite.
const DefaultSocket = "/run/pcscd/pcscd.comm"

// DefaultTimeout is how long a card may take for a command.
const DefaultTimeout = 30 * time.Second

var (
	// ErrNoDaemon is wrapped by the error when nothing listens on the socket.
	ErrNoDaemon = errors.New("pcsc: the PC/SC daemon does not answer")
	// ErrNoReader is wrapped by the error when no reader, or not exactly one, is
	// meant.
	ErrNoReader = errors.New("pcsc: no such reader")
	// ErrProtocol is wrapped by the error for a daemon that answers nonsense, or in
	// another version.
	ErrProtocol = errors.New("pcsc: the PC/SC daemon answers in an unknown way")
)

// Driver reaches the card in one reader. It implements [se.Driver]. The zero
// Driver is for the only reader, or the only card, there is.
type Driver struct {
	// Reader is the reader's name or a part of it. Of several readers it is the one
	// that has a card.
	Reader string
	// Shared lets other programs use the card between commands. When one resets it,
	// the session ends with [ResetCard]; when one selects another applet, the card
	// refuses. Without it the card is taken for the session alone.
	Shared bool
	// Socket is the daemon's, [DefaultSocket] if empty.
	Socket string
	// Timeout bounds each step, [DefaultTimeout] if zero.
	Timeout time.Duration
}

// Reader is a card reader.
type Reader struct {
	Name string
	Card bool   // is in it
	ATR  []byte // what the card said when power came on, up to 33 bytes
}

// Readers lists the readers that the daemon of a driver knows, 16 at most. The
// error wraps [ErrNoDaemon] or [ErrProtocol].
func (d Driver) Readers() ([]Reader, error) {
	c, err := d.dial()
	if err != nil {
		return nil, err
	}
	defer c.close()
	return c.readers()
}

// Open implements [se.Driver]: it connects to the card. The error wraps
// [ErrNoDaemon], [ErrNoReader], [ErrProtocol] or [se.ErrTimeout], or is a
// [Code]: [NoCard], [SharingViolation] and others.
func (d Driver) Open() (se.Session, error) {
	c, err := d.dial()
	if err != nil {
		return nil, err
	}
	s, err := d.open(c)
	if err != nil {
		c.close()
		return nil, err
	}
	return s, nil
}

func (d Driver) dial() (*conn, error) {
	socket := cmp.Or(d.Socket, os.Getenv("PCSCLITE_CSOCK_NAME"), DefaultSocket)
	return dial(socket, cmp.Or(d.Timeout, DefaultTimeout))
}

func (d Driver) open(c *conn) (*session, error) {
	readers, err := c.readers()
	if err != nil {
		return nil, err
	}
	name, err := d.choose(readers)
	if err != nil {
		return nil, err
	}
	context, err := c.establish()
	if err != nil {
		return nil, err
	}
	mode, leave := uint32(shareExclusive), uint32(resetCard)
	if d.Shared {
		mode, leave = shareShared, leaveCard
	}
	s := &session{conn: c, leave: leave}
	s.card, s.protocol, err = c.connect(context, name, mode)
	return s, err
}

// choose returns the name of the reader that is meant.
func (d Driver) choose(readers []Reader) (string, error) {
	var names, match, ready []string
	for _, r := range readers {
		names = append(names, r.Name)
		if r.Name == d.Reader {
			return r.Name, nil
		}
		if !strings.Contains(r.Name, d.Reader) {
			continue
		}
		match = append(match, r.Name)
		if r.Card {
			ready = append(ready, r.Name)
		}
	}
	switch {
	case len(names) == 0:
		return "", fmt.Errorf("%w: there is none at all", ErrNoReader)
	case len(match) == 0:
		return "", fmt.Errorf("%w as %q; there are %q", ErrNoReader, d.Reader, names)
	case len(match) == 1:
		return match[0], nil
	case len(ready) == 1:
		return ready[0], nil
	case len(ready) == 0:
		return "", fmt.Errorf("%w in any of %q", NoCard, match)
	}
	return "", fmt.Errorf("%w: %q could be any of %q", ErrNoReader, d.Reader, ready)
}
