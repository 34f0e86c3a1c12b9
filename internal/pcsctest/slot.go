package pcsctest

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
)

// The answers to reset of cards that speak one protocol only.
var (
	T0 = []byte{0x3B, 0x00}
	T1 = []byte{0x3B, 0x80, 0x01, 0x81}
)

// Card is what can be put into a reader: a virtual card of package
// id2/se/virtual, or one that a test makes up.
type Card interface {
	// Reset is called when power comes on.
	Reset()
	// Process answers a command with data and status.
	Process(command []byte) []byte
}

// Inserted is a card in a slot.
type Inserted struct {
	conn net.Conn
	done chan struct{}
}

// Insert puts a card into a slot, 0 or 1. The daemon notices a moment later.
func (d *Daemon) Insert(slot int, card Card, atr []byte) *Inserted {
	d.t.Helper()
	in := &Inserted{done: make(chan struct{})}
	d.Await("a place for the card", func() bool {
		var err error
		in.conn, err = net.Dial("tcp", fmt.Sprint("127.0.0.1:", d.port+slot))
		return err == nil
	})
	go func() {
		defer close(in.done)
		in.serve(card, atr)
	}()
	d.t.Cleanup(in.Remove)
	return in
}

// Remove takes the card out.
func (in *Inserted) Remove() {
	_ = in.conn.Close()
	<-in.done
}

// Messages of one byte are the reader's own.
const (
	powerOn = 1
	reset   = 2
	getATR  = 4
)

// serve answers the reader: messages of any kind behind a length of 16 bits.
func (in *Inserted) serve(card Card, atr []byte) {
	for {
		message, err := read(in.conn)
		if err != nil {
			return
		}
		answer := atr
		switch {
		case len(message) != 1:
			answer = card.Process(message)
		case message[0] == powerOn, message[0] == reset:
			card.Reset()
			continue
		case message[0] != getATR:
			continue
		}
		if _, err := in.conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)); err != nil {
			return
		}
	}
}

func read(r io.Reader) ([]byte, error) {
	var size [2]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	message := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err := io.ReadFull(r, message)
	return message, err
}
