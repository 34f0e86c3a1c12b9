// Package virtual is a card in software that runs the ID² applet (id2 §7), for
// tests and for trying things out. It refuses what a real applet refuses:
// malformed, oversized and out-of-order commands, unknown keys and algorithms,
// and reading keys.
//
// It protects keys no better than any program does, and secure messaging is not
// part of it: what a chip takes in a secure channel only, this card takes while
// it is not yet closed, see [Card.Finish].
//
// References of the form "id2 §7" name sections of the protocol note,
// protocols/id2.md.
package virtual

import (
	"errors"
	"io"
	"sync"

	"github.com/hallmark-id/hallmark/id2/se"
)

// Style is how a card hands out its answers (id2 §7).
type Style int

// The styles of answering.
const (
	Direct  Style = iota // data and status at once, up to 256 bytes
	T0                   // 61xx for all data, to be fetched by GET RESPONSE
	T0Exact              // as T0, and 6Cxx where Le is not what there is
)

// Config is what a card is made with.
type Config struct {
	Style   Style
	Vendor  se.Vendor
	Version [8]byte
	// ID is the ID² in the chip, 12 bytes in general. Without one the card
	// takes that of the first SecurityStorage.
	ID []byte
}

// ErrRemoved is what sessions return after [Card.Remove].
var ErrRemoved = errors.New("virtual: card removed")

// Card is a virtual secure element (id2 §7). It implements [se.Driver]. It is
// safe for concurrent use, but sessions share the applet's state as those of a
// chip would.
type Card struct {
	rand   io.Reader
	config Config

	mu sync.Mutex // guards everything below

	id       []byte
	keys     map[byte]*key
	business map[byte][]byte

	removed  bool
	locked   bool
	finished bool
	faults   map[byte][]se.Status // by instruction, in order

	selected  bool
	pending   []byte    // the answer that GET RESPONSE fetches
	after     se.Status // the status at its end
	chain     *chain    // the command whose next block is awaited
	rest      []byte    // of an AsymmetricCrypt result
	challenge []byte    // valid for the next command only
}

// New returns a card without keys. rand is a secure source, for challenges and
// signatures; key pairs come from the system's generator.
func New(rand io.Reader, config Config) *Card {
	return &Card{
		rand: rand, config: config,
		id:   append([]byte(nil), config.ID...),
		keys: map[byte]*key{}, business: map[byte][]byte{}, faults: map[byte][]se.Status{},
	}
}

// Open implements [se.Driver]: it resets the card.
func (c *Card) Open() (se.Session, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.removed {
		return nil, ErrRemoved
	}
	c.reset()
	return &session{card: c}, nil
}

// Reset is what a card does when power comes on: what was in progress is gone,
// and the applet must be selected.
func (c *Card) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reset()
}

func (c *Card) reset() {
	c.selected = false
	c.forget()
}

// forget drops what a command leaves behind for the next one.
func (c *Card) forget() {
	c.pending, c.chain, c.rest, c.challenge = nil, nil, nil, nil
}

// Remove takes the card out of the reader, for good.
func (c *Card) Remove() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.removed = true
}

// Lock locks the application: every command is answered with [se.StatusLocked]
// and SELECT with [se.StatusDeactivated].
func (c *Card) Lock() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.locked = true
}

// Finish ends personalisation: from now on SecurityStorage refuses to write keys,
// with [se.StatusSecurity].
func (c *Card) Finish() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.finished = true
}

// Fail makes the next command with this instruction byte answer with status, for
// what a card in order never says. Calls add up.
func (c *Card) Fail(ins byte, status se.Status) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults[ins] = append(c.faults[ins], status)
}

// Process answers a command APDU, whatever it is, with data and status.
func (c *Card) Process(command []byte) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	parsed, err := se.ParseCommand(command)
	if err != nil {
		c.forget()
		return se.Response{Status: se.StatusLength}.Bytes()
	}
	return c.answer(parsed).Bytes()
}

// answer runs a command and shapes its result in the card's style.
func (c *Card) answer(command se.Command) se.Response {
	if faults := c.faults[command.INS]; len(faults) > 0 {
		c.faults[command.INS] = faults[1:]
		c.forget()
		return se.Response{Status: faults[0]}
	}
	if command.CLA == se.ClassISO && command.INS == se.InsGetResponse {
		return c.getResponse(command)
	}
	if exact := c.fixedAnswer(command); c.config.Style == T0Exact && command.Le > 0 && exact > 0 && command.Le != exact {
		c.forget()
		return se.Response{Status: se.StatusWrongLeXX | se.Status(exact)}
	}
	c.pending = nil
	data, status := c.run(command)
	if len(data) == 0 {
		return se.Response{Status: status}
	}
	if c.config.Style == Direct && len(data) <= se.MaxResponseData || c.config.Style == T0Exact && command.Le == len(data) {
		return se.Response{Data: data, Status: status}
	}
	c.pending, c.after = data, status
	return se.Response{Status: c.more()}
}

// more returns the status that announces the pending data.
func (c *Card) more() se.Status {
	return se.StatusMoreXX | se.Status(min(len(c.pending), se.MaxResponseData)&0xFF)
}

// fixedAnswer returns how long the answer to a command without data is, 0 if
// that is not known beforehand.
func (c *Card) fixedAnswer(command se.Command) int {
	if len(command.Data) > 0 || !c.selected || c.locked {
		return 0
	}
	switch {
	case command.CLA == se.ClassApplet && command.INS == se.InsGetID && len(c.id) > 0:
		return 3 + len(c.id)
	case command.CLA == se.ClassApplet && command.INS == se.InsGetVendorInfo:
		return vendorInfoSize
	}
	return 0
}

// getResponse hands out pending data.
func (c *Card) getResponse(command se.Command) se.Response {
	switch {
	case command.P1 != 0 || command.P2 != 0:
		return se.Response{Status: se.StatusP1P2}
	case len(command.Data) > 0 || command.Le == 0:
		return se.Response{Status: se.StatusLength}
	case len(c.pending) == 0:
		return se.Response{Status: se.StatusConditions}
	case command.Le > len(c.pending):
		return se.Response{Status: se.StatusWrongLeXX | se.Status(len(c.pending)&0xFF)}
	}
	data := c.pending[:command.Le]
	c.pending = c.pending[command.Le:]
	if len(c.pending) > 0 {
		return se.Response{Data: data, Status: c.more()}
	}
	return se.Response{Data: data, Status: c.after}
}

// session is a connection to a card.
type session struct {
	card *Card

	mu     sync.Mutex
	closed bool // guarded by mu
}

// Transmit implements [se.Session].
func (s *session) Transmit(command []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, se.ErrClosed
	}
	s.card.mu.Lock()
	removed := s.card.removed
	s.card.mu.Unlock()
	if removed {
		return nil, ErrRemoved
	}
	return s.card.Process(command), nil
}

// Close implements [se.Session].
func (s *session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}
