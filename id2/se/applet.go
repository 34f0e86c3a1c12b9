package se

import (
	"fmt"
	"sync"
)

const (
	// maxRetries is how often a command is repeated with a corrected Le, as
	// in the vendor's adapter (id2 §7).
	maxRetries = 2
	// maxFetches bounds the parts of one answer. The longest, business data of
	// MaxBusinessData bytes, has 17.
	maxFetches = 20
)

// Applet is a selected ID² applet (id2 §7). It is safe for concurrent use: one
// command, with all its blocks, runs at a time.
type Applet struct {
	mu      sync.Mutex
	session Session // guarded by mu; nil after Close
}

// Open opens a session with driver and selects the applet in it. The error wraps
// [ErrSession] or [ErrResponse], or is a [Status]; then the session is closed.
func Open(driver Driver) (*Applet, error) {
	session, err := driver.Open()
	if err != nil {
		return nil, fmt.Errorf("%w: open: %w", ErrSession, err)
	}
	if session == nil {
		return nil, fmt.Errorf("%w: open: no session", ErrSession)
	}
	a := &Applet{session: session}
	if _, err := a.Exchange(Command{INS: InsSelect, P1: 0x04, Data: []byte(AID)}); err != nil {
		session.Close() // the first error tells more
		return nil, err
	}
	return a, nil
}

// Close ends the session. Only the first call does anything.
func (a *Applet) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.session == nil {
		return nil
	}
	err := a.session.Close()
	a.session = nil
	if err != nil {
		return fmt.Errorf("%w: close: %w", ErrSession, err)
	}
	return nil
}

// Exchange sends one command and returns the data of its answer. It fetches what
// the card announces with 61xx and repeats the command, at most twice, if the
// card corrects its Le with 6Cxx. A status other than 9000 is returned as the
// error, a [Status]; other errors wrap [ErrCommand], [ErrSession],
// [ErrResponse] or [ErrClosed].
func (a *Applet) Exchange(c Command) ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return checked(a.exchange(c))
}

// checked turns a status other than success into an error.
func checked(r Response, err error) ([]byte, error) {
	if err == nil && r.Status != StatusOK {
		err = r.Status
	}
	if err != nil {
		return nil, err
	}
	return r.Data, nil
}

// exchange is Exchange with the mutex held and the status as it is.
func (a *Applet) exchange(c Command) (Response, error) {
	var data []byte
	for fetches, retries := 0, 0; ; {
		r, err := a.transmit(c)
		if err != nil {
			return Response{}, err
		}
		switch group := r.Status.Group(); {
		case group == StatusWrongLeXX && retries < maxRetries:
			retries++
			c.Le = expected(byte(r.Status))
		case group == StatusMoreXX && fetches < maxFetches:
			if c.INS == InsGetResponse && len(r.Data) == 0 {
				return Response{}, fmt.Errorf("%w: announced data is not there", ErrResponse)
			}
			fetches++
			data = append(data, r.Data...)
			c = Command{CLA: ClassISO, INS: InsGetResponse, Le: expected(byte(r.Status))}
		case group == StatusMoreXX:
			return Response{}, fmt.Errorf("%w: more than %d parts", ErrResponse, maxFetches)
		default:
			return Response{append(data, r.Data...), r.Status}, nil
		}
	}
}

// transmit sends one APDU and reads one answer.
func (a *Applet) transmit(c Command) (Response, error) {
	if a.session == nil {
		return Response{}, ErrClosed
	}
	command, err := c.Bytes()
	if err != nil {
		return Response{}, err
	}
	answer, err := a.session.Transmit(command)
	if err != nil {
		return Response{}, fmt.Errorf("%w: %w", ErrSession, err)
	}
	r, err := ParseResponse(answer)
	if err != nil {
		return Response{}, err
	}
	if c.Le > 0 && len(r.Data) > c.Le {
		return Response{}, fmt.Errorf("%w: %d bytes instead of %d", ErrResponse, len(r.Data), c.Le)
	}
	return r, nil
}

// chain is a command whose data may take several blocks.
type chain struct {
	class, ins byte
	p1         byte   // or-ed to the block number
	header     []byte // of the first block, beside its data
	data       []byte
	allLast    bool // every block says it is the last, as the vendor's adapter does
}

// run sends the blocks, none of another command between them, and returns the
// data of all answers. A status other than 9000 is the error.
func (a *Applet) run(c chain) ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return checked(a.blocks(c))
}

// blocks is run with the mutex held and the last status as it is.
func (a *Applet) blocks(c chain) (Response, error) {
	if len(c.data) > (MaxBlock+1)*(BlockSize-c.shrink(nil)) {
		return Response{}, fmt.Errorf("%w: %d bytes of data", ErrParameter, len(c.data))
	}
	var out []byte
	head, rest := c.header, c.data
	for block := byte(0); ; block++ {
		n := min(len(rest), BlockSize-c.shrink(head))
		command := Command{CLA: c.class, INS: c.ins, P1: c.p1 | block, P2: P2Last}
		command.Data = append(head[:len(head):len(head)], rest[:n]...)
		head, rest = nil, rest[n:]
		if len(rest) > 0 && !c.allLast {
			command.P2 = P2More
		}
		r, err := a.exchange(command)
		if err != nil {
			return Response{}, err
		}
		out = append(out, r.Data...)
		if r.Status != StatusOK || len(rest) == 0 {
			return Response{out, r.Status}, nil
		}
	}
}

// shrink returns how much less than BlockSize the data beside head may have: in
// class 84 a whole command has no more than MaxSecuredData bytes.
func (c chain) shrink(head []byte) int {
	if c.class != ClassSecured {
		return 0
	}
	return BlockSize - MaxSecuredData + len(head)
}
