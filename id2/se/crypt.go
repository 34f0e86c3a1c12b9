package se

import "fmt"

// SymmetricRequest is the input of [Applet.SymmetricCrypt] (id2 §7).
type SymmetricRequest struct {
	Mode      Mode
	Algorithm Symmetric
	KID       byte   // 00 is the ID² key
	IV        []byte // one cipher block for CBC and MACs, none for ECB
	Data      []byte // whole cipher blocks, but for a MAC
	MAC       []byte // to be verified in mode Verify, else none
}

// check returns an error that wraps ErrParameter for lengths that do not fit.
func (r SymmetricRequest) check() error {
	size := r.Algorithm.BlockSize()
	mac, macSize := r.Algorithm.MAC(), 0
	if r.Mode == Verify {
		macSize = size
	}
	switch {
	case size == 0 || r.Mode < Encrypt || r.Mode > Verify || mac != (r.Mode >= Sign):
		return fmt.Errorf("%w: mode %02X, algorithm %02X", ErrParameter, byte(r.Mode), byte(r.Algorithm))
	case len(r.IV) != r.Algorithm.IVSize() || len(r.MAC) != macSize:
		return fmt.Errorf("%w: IV of %d bytes, MAC of %d", ErrParameter, len(r.IV), len(r.MAC))
	case len(r.Data) == 0 || (!mac && len(r.Data)%size != 0):
		return fmt.Errorf("%w: %d bytes of data", ErrParameter, len(r.Data))
	}
	return nil
}

// SymmetricCrypt encrypts or decrypts, makes or verifies a MAC with a key of the
// card (id2 §7), and returns the result, nothing for Verify. The length that is
// sent counts IV and MAC; the note leaves that open.
//
// The error wraps [ErrParameter] or is one of [Applet.Exchange]; a MAC that is
// wrong is [StatusData].
func (a *Applet) SymmetricCrypt(r SymmetricRequest) ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	data := make([]byte, 0, len(r.IV)+len(r.Data)+len(r.MAC))
	data = append(append(append(data, r.IV...), r.Data...), r.MAC...)
	out, err := a.run(chain{
		class: ClassApplet, ins: InsSymmetricCrypt, data: data, allLast: true,
		header: cryptHead(r.Mode, byte(r.Algorithm), r.KID, len(data)),
	})
	if err != nil {
		return nil, err
	}
	want := len(r.Data)
	switch r.Mode {
	case Sign:
		want = r.Algorithm.BlockSize()
	case Verify:
		want = 0
	}
	if len(out) != want {
		return nil, fmt.Errorf("%w: result of %d bytes instead of %d", ErrResponse, len(out), want)
	}
	return out, nil
}

// cryptHead returns the header of a crypt command's first block.
func cryptHead(mode Mode, algorithm, kid byte, n int) []byte {
	return []byte{byte(mode), algorithm, kid, byte(n >> 8), byte(n)}
}

// AsymmetricCrypt encrypts, decrypts, signs or verifies with a key pair of the
// card (id2 §7), and returns the result, nothing for Verify. Signatures are made
// of the message, which the card digests; to verify, the signature follows the
// message in data.
//
// The error wraps [ErrParameter] or is one of [Applet.Exchange]; a signature
// that is wrong is [StatusData].
func (a *Applet) AsymmetricCrypt(mode Mode, algorithm Asymmetric, kid byte, data []byte) ([]byte, error) {
	if mode < Encrypt || mode > Verify || algorithm > ECDSA || len(data) == 0 {
		return nil, fmt.Errorf("%w: mode %02X, algorithm %02X, %d bytes", ErrParameter, byte(mode), byte(algorithm), len(data))
	}
	out, err := a.asymmetric(chain{
		class: ClassApplet, ins: InsAsymmetricCrypt, data: data,
		header: cryptHead(mode, byte(algorithm), kid, len(data)),
	})
	if err != nil {
		return nil, err
	}
	if mode == Verify && len(out) == 0 {
		return nil, nil
	}
	if len(out) < 2 || int(out[0])<<8|int(out[1]) != len(out)-2 {
		return nil, fmt.Errorf("%w: length of a result of %d bytes", ErrResponse, len(out))
	}
	return out[2:], nil
}

// asymmetric runs the command and reads what the card keeps of a long result.
func (a *Applet) asymmetric(c chain) ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	r, err := a.blocks(c)
	out := r.Data
	for parts := 0; err == nil && r.Status == StatusMoreData && parts < maxFetches; parts++ {
		r, err = a.exchange(Command{CLA: ClassApplet, INS: InsAsymmetricCrypt, P1: P1ReadRest, Le: MaxResponseData})
		out = append(out, r.Data...)
	}
	_, err = checked(r, err)
	return out, err
}

// Digest lets the card digest data (id2 §7). The error wraps [ErrParameter] or is
// one of [Applet.Exchange].
func (a *Applet) Digest(d Digest, data []byte) ([]byte, error) {
	if d.Size() == 0 {
		return nil, fmt.Errorf("%w: digest %02X", ErrParameter, byte(d))
	}
	out, err := a.run(chain{class: ClassApplet, ins: InsComputeDigest, header: []byte{byte(d)}, data: data})
	if err == nil && len(out) != d.Size() {
		return nil, fmt.Errorf("%w: digest of %d bytes", ErrResponse, len(out))
	}
	return out, err
}
