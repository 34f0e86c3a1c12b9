package pcsc

// session is a card that is connected.
type session struct {
	conn     *conn
	card     uint32
	protocol uint32
	leave    uint32 // what becomes of the card at the end
}

// Transmit implements se.Session.
func (s *session) Transmit(command []byte) ([]byte, error) {
	if s.protocol == protocolT0 {
		command = tpdu(command)
	}
	return s.conn.transmit(s.card, s.protocol, command)
}

// Close implements se.Session: it lets go of the card. One that was removed, or
// whose daemon has gone, needs no letting go.
func (s *session) Close() error {
	defer s.conn.close()
	if s.conn.broken != nil {
		return nil
	}
	err := s.conn.disconnect(s.card, s.leave)
	switch code, _ := err.(Code); code {
	case RemovedCard, ResetCard, NoCard, InvalidHandle, ReaderUnavailable:
		return nil
	}
	return err
}

// tpdu is a command in the form of T=0 (ISO 7816-3): the fifth byte is always
// there, and behind data no length is sent, since the card announces what it
// has with 61xx.
func tpdu(command []byte) []byte {
	const header = 4
	switch {
	case len(command) < header:
		return command // no command at all: the card says so
	case len(command) == header:
		return append(command[:header:header], 0)
	}
	if n := header + 1 + int(command[header]); len(command) == n+1 && n > header+1 {
		return command[:n:n]
	}
	return command
}
