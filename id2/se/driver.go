package se

import "errors"

// Driver reaches one secure element (id2 §7).
type Driver interface {
	// Open connects to the card: se_open_session of the vendor's interface.
	Open() (Session, error)
}

// Session is an open connection to a card (id2 §7). Its methods are not called
// from two goroutines at once.
type Session interface {
	// Transmit sends a command and returns the card's answer, with the two
	// bytes of status at its end: se_transmit. It keeps no reference to
	// command and does not change it. It blocks, so it must itself give up
	// on a card that does not answer, with an error that wraps
	// [ErrTimeout].
	Transmit(command []byte) ([]byte, error)
	// Close ends the connection: se_close_session.
	Close() error
}

var (
	// ErrSession is wrapped by every error that a driver caused: there is no
	// answer, and what the card did is not known.
	ErrSession = errors.New("se: session failed")
	// ErrTimeout is for drivers to wrap when a card does not answer in time.
	ErrTimeout = errors.New("se: card did not answer in time")
	// ErrClosed is returned for the use of an [Applet] after its Close.
	ErrClosed = errors.New("se: closed")
	// ErrParameter is returned for arguments that no card takes; nothing was
	// sent to the card.
	ErrParameter = errors.New("se: parameter out of range")
	// ErrResponse is returned for an answer that breaks the protocol: too
	// short, too long, lengths that do not fit, more announcements than any
	// card has data for.
	ErrResponse = errors.New("se: malformed answer of the card")
)
