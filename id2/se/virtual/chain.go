package virtual

import (
	"encoding/binary"

	"github.com/hallmark-id/hallmark/id2/se"
)

// worker takes the data of a chained command block by block. add returns what
// goes out with a block; end returns the result of the whole.
type worker interface {
	add(data []byte) ([]byte, se.Status)
	end() ([]byte, se.Status)
}

// chain is a command of which not all blocks have come.
type chain struct {
	ins    byte
	flags  byte // of P1
	next   byte // number of the next block
	left   int  // data bytes to come, -1 if only P2 tells the end
	worker worker
}

// chained takes one block of a crypt or digest command.
func (c *Card) chained(cmd se.Command) ([]byte, se.Status) {
	ch, data, status := c.block(cmd)
	c.chain = nil
	if status != se.StatusOK {
		return nil, status
	}
	if ch.left >= 0 && len(data) > ch.left {
		return nil, se.StatusLength
	}
	out, status := ch.worker.add(data)
	if status != se.StatusOK {
		return nil, status
	}
	if ch.left >= 0 {
		ch.left -= len(data)
	}
	if ch.left > 0 || (ch.left < 0 && cmd.P2 == se.P2More) {
		ch.next++
		c.chain = ch
		return out, se.StatusOK
	}
	if cmd.P2 != se.P2Last {
		return nil, se.StatusP1P2
	}
	final, status := ch.worker.end()
	return append(out, final...), status
}

// split returns the flags and the block number in P1. Only SecurityStorage has
// flags there.
func split(cmd se.Command) (flags, number byte) {
	if cmd.INS != se.InsSecurityStorage {
		return 0, cmd.P1
	}
	const mask = se.P1StorageRead | se.P1Business
	return cmd.P1 & mask, cmd.P1 &^ mask
}

// block checks the numbering and returns the chain that a block belongs to and
// the data in it.
func (c *Card) block(cmd se.Command) (*chain, []byte, se.Status) {
	flags, number := split(cmd)
	switch {
	case number > se.MaxBlock || cmd.P2 > se.P2Last:
		return nil, nil, se.StatusP1P2
	case number == 0:
		return c.begin(cmd)
	case c.chain == nil:
		return nil, nil, se.StatusConditions
	case number != c.chain.next || flags != c.chain.flags:
		return nil, nil, se.StatusP1P2
	case len(cmd.Data) == 0 || len(cmd.Data) > se.BlockSize:
		return nil, nil, se.StatusLength
	}
	return c.chain, cmd.Data, se.StatusOK
}

// begin reads the header of a first block.
func (c *Card) begin(cmd se.Command) (*chain, []byte, se.Status) {
	switch cmd.INS {
	case se.InsComputeDigest:
		return beginDigest(cmd)
	case se.InsSecurityStorage:
		return c.beginStorage(cmd)
	}
	return c.beginCrypt(cmd)
}

func beginDigest(cmd se.Command) (*chain, []byte, se.Status) {
	if len(cmd.Data) < 1 || len(cmd.Data) > 1+se.BlockSize {
		return nil, nil, se.StatusLength
	}
	worker, status := newDigest(se.Digest(cmd.Data[0]))
	return &chain{ins: cmd.INS, left: -1, worker: worker}, cmd.Data[1:], status
}

func (c *Card) beginStorage(cmd se.Command) (*chain, []byte, se.Status) {
	flags, _ := split(cmd)
	if flags == se.P1StorageRead {
		return nil, nil, se.StatusNotAllowed // keys stay in the card
	}
	if len(cmd.Data) == 0 {
		return nil, nil, se.StatusLength
	}
	worker := &store{card: c, flags: flags}
	return &chain{ins: cmd.INS, flags: flags, left: -1, worker: worker}, cmd.Data, se.StatusOK
}

func (c *Card) beginCrypt(cmd se.Command) (*chain, []byte, se.Status) {
	const head = 5 // mode alg kid len16
	if len(cmd.Data) <= head || len(cmd.Data) > head+se.BlockSize {
		return nil, nil, se.StatusLength
	}
	mode, algorithm, kid := se.Mode(cmd.Data[0]), cmd.Data[1], cmd.Data[2]
	ch := &chain{ins: cmd.INS, left: int(binary.BigEndian.Uint16(cmd.Data[3:]))}
	if ch.left == 0 || ch.left > se.MaxChain {
		return nil, nil, se.StatusLength
	}
	var status se.Status
	if cmd.INS == se.InsSymmetricCrypt {
		ch.worker, status = newSymmetric(c.keys[kid], mode, se.Symmetric(algorithm), ch.left)
	} else {
		ch.worker, status = newAsymmetric(c.rand, c.keys[kid], mode, se.Asymmetric(algorithm))
	}
	return ch, cmd.Data[head:], status
}
