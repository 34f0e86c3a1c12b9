package virtual

import (
	"encoding/binary"
	"io"

	"github.com/hallmark-id/hallmark/id2/se"
)

// vendorInfoSize is the length of the answer to GetVendorInfo.
const vendorInfoSize = 20

// capabilities is the bit map of what the card can do: 3DES, AES, SM4; RSA, SM2; all
// digests.
var capabilities = [4]byte{0x07, 0x05, 0x3F, 0x00}

// command is the class an instruction is known in and what carries it out.
type command struct {
	class byte
	run   func(*Card, se.Command) ([]byte, se.Status)
}

var commands = map[byte]command{
	se.InsSelect:          {se.ClassISO, (*Card).selectApplet},
	se.InsGetChallenge:    {se.ClassISO, (*Card).getChallenge},
	se.InsGetID:           {se.ClassApplet, (*Card).getID},
	se.InsGetVendorInfo:   {se.ClassApplet, (*Card).getVendorInfo},
	se.InsSymmetricCrypt:  {se.ClassApplet, (*Card).chained},
	se.InsAsymmetricCrypt: {se.ClassApplet, (*Card).asymmetric},
	se.InsComputeDigest:   {se.ClassApplet, (*Card).chained},
	se.InsSecurityStorage: {se.ClassSecured, (*Card).chained},
	se.InsGenerateKeyPair: {se.ClassApplet, (*Card).generateKeyPair},
}

// run carries out any command but GET RESPONSE.
func (c *Card) run(cmd se.Command) ([]byte, se.Status) {
	known, ok := commands[cmd.INS]
	continues := c.chain != nil && c.chain.ins == cmd.INS && ok
	rest := c.rest
	if !continues {
		c.forget()
	}
	c.challenge = nil
	switch {
	case cmd.CLA != se.ClassISO && cmd.CLA != se.ClassApplet && cmd.CLA != se.ClassSecured:
		return nil, se.StatusClass
	case !ok:
		return nil, se.StatusInstruction
	case cmd.CLA != known.class:
		return nil, se.StatusClass
	case cmd.CLA == se.ClassSecured && len(cmd.Data) > se.MaxSecuredData:
		return nil, se.StatusLength
	case cmd.INS != se.InsSelect && c.locked:
		return nil, se.StatusLocked
	case cmd.INS != se.InsSelect && !c.selected:
		return nil, se.StatusState
	}
	if cmd.INS == se.InsAsymmetricCrypt {
		c.rest = rest // P1 40 asks for it
	}
	return known.run(c, cmd)
}

func (c *Card) selectApplet(cmd se.Command) ([]byte, se.Status) {
	c.selected = false
	switch {
	case cmd.P1 != 0x04 || cmd.P2 != 0:
		return nil, se.StatusP1P2
	case string(cmd.Data) != se.AID:
		return nil, se.StatusFileNotFound
	case c.locked:
		return nil, se.StatusDeactivated
	}
	c.selected = true
	return nil, se.StatusOK
}

func (c *Card) getChallenge(cmd se.Command) ([]byte, se.Status) {
	if cmd.P1 != 0 || cmd.P2 != 0 {
		return nil, se.StatusP1P2
	}
	if len(cmd.Data) > 0 || cmd.Le < 4 || cmd.Le > 16 {
		return nil, se.StatusLength
	}
	challenge := make([]byte, cmd.Le)
	if _, err := io.ReadFull(c.rand, challenge); err != nil {
		return nil, se.StatusUnknown
	}
	c.challenge = challenge
	return challenge, se.StatusOK
}

// plain refuses parameters and data of a command that has none.
func plain(cmd se.Command) se.Status {
	if cmd.P1 != 0 || cmd.P2 != 0 {
		return se.StatusP1P2
	}
	if len(cmd.Data) > 0 || cmd.Le == 0 {
		return se.StatusLength
	}
	return se.StatusOK
}

func (c *Card) getID(cmd se.Command) ([]byte, se.Status) {
	if status := plain(cmd); status != se.StatusOK {
		return nil, status
	}
	if len(c.id) == 0 {
		return nil, se.StatusRecordNotFound
	}
	out := binary.BigEndian.AppendUint16(nil, uint16(c.config.Vendor))
	return append(append(out, byte(len(c.id))), c.id...), se.StatusOK
}

func (c *Card) getVendorInfo(cmd se.Command) ([]byte, se.Status) {
	if status := plain(cmd); status != se.StatusOK {
		return nil, status
	}
	out := binary.BigEndian.AppendUint16(make([]byte, 0, vendorInfoSize), uint16(c.config.Vendor))
	out = append(append(out, c.config.Version[:]...), capabilities[:]...)
	out = binary.BigEndian.AppendUint16(out, uint16(c.free()))
	return append(out, 0, 0, 0, 0), se.StatusOK
}
