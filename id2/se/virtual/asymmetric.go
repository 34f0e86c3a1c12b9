package virtual

import (
	"crypto"
	"crypto/rsa"
	"encoding/binary"
	"io"
	"math/big"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/id2/se"
)

// sm2SignatureSize is the length of R ‖ S.
const sm2SignatureSize = 64

// asymmetric is AsymmetricCrypt: a block, or what is left of a result.
func (c *Card) asymmetric(cmd se.Command) ([]byte, se.Status) {
	out := c.rest
	c.rest = nil
	status := se.StatusOK
	if cmd.P1 == se.P1ReadRest {
		switch {
		case cmd.P2 != 0:
			return nil, se.StatusP1P2
		case len(cmd.Data) > 0 || cmd.Le == 0:
			return nil, se.StatusLength
		case len(out) == 0:
			return nil, se.StatusConditions
		}
	} else {
		out, status = c.chained(cmd)
	}
	if status == se.StatusOK && len(out) > se.MaxResponseData {
		c.rest = out[se.MaxResponseData:]
		return out[:se.MaxResponseData], se.StatusMoreData
	}
	return out, status
}

// operation makes a result of the whole data. Where it has none, as when it
// verifies, it returns nil.
type operation func(data []byte) ([]byte, se.Status)

// collect is the worker that runs an operation when all data is there.
type collect struct {
	data []byte
	run  operation
}

func (w *collect) add(data []byte) ([]byte, se.Status) {
	w.data = append(w.data, data...)
	return nil, se.StatusOK
}

func (w *collect) end() ([]byte, se.Status) {
	out, status := w.run(w.data)
	if status != se.StatusOK || out == nil {
		return nil, status
	}
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(out))), out...), se.StatusOK
}

// rsaDigests are the digests of the RSA signatures.
var rsaDigests = map[se.Asymmetric]crypto.Hash{
	se.RSASHA1: crypto.SHA1, se.RSASHA256: crypto.SHA256, se.RSASHA384: crypto.SHA384, se.RSASHA512: crypto.SHA512,
}

// newAsymmetric returns the worker of an AsymmetricCrypt.
func newAsymmetric(rand io.Reader, k *key, mode se.Mode, a se.Asymmetric) (worker, se.Status) {
	switch {
	case mode < se.Encrypt || mode > se.Verify:
		return nil, se.StatusData
	case a > se.SM2SM3:
		return nil, se.StatusAlgorithm
	case k == nil:
		return nil, se.StatusKeyNotFound
	case (a == se.SM2SM3) != (k.kind == se.KeySM2), a != se.SM2SM3 && k.rsa == nil:
		return nil, se.StatusKeyType
	}
	var run operation
	if a == se.SM2SM3 {
		run = sm2Operation(rand, &k.pair, mode)
	} else {
		run = rsaOperation(k.rsa, mode, rsaDigests[a])
	}
	if run == nil {
		return nil, se.StatusAlgorithm
	}
	return &collect{run: run}, se.StatusOK
}

// rsaOperation returns nil for a mode that the algorithm does not have. digest 0
// is raw RSA.
func rsaOperation(key *rsa.PrivateKey, mode se.Mode, digest crypto.Hash) operation {
	switch {
	case digest == 0 && mode == se.Encrypt:
		return func(data []byte) ([]byte, se.Status) { return rsaRaw(&key.PublicKey, big.NewInt(int64(key.E)), data) }
	case digest == 0 && mode != se.Verify:
		return func(data []byte) ([]byte, se.Status) { return rsaRaw(&key.PublicKey, key.D, data) }
	case digest != 0 && mode == se.Sign:
		return func(data []byte) ([]byte, se.Status) {
			signature, err := rsa.SignPKCS1v15(nil, key, digest, sum(digest, data))
			return signature, orStatus(err, se.StatusConditions)
		}
	case digest != 0 && mode == se.Verify:
		return func(data []byte) ([]byte, se.Status) {
			n := len(data) - key.Size()
			if n < 0 {
				return nil, se.StatusLength
			}
			err := rsa.VerifyPKCS1v15(&key.PublicKey, digest, sum(digest, data[:n]), data[n:])
			return nil, orStatus(err, se.StatusData)
		}
	}
	return nil
}

// rsaRaw raises data, as long as the modulus, to exponent.
func rsaRaw(key *rsa.PublicKey, exponent *big.Int, data []byte) ([]byte, se.Status) {
	m := new(big.Int).SetBytes(data)
	if len(data) != key.Size() {
		return nil, se.StatusLength
	}
	if m.Cmp(key.N) >= 0 {
		return nil, se.StatusData
	}
	return m.Exp(m, exponent, key.N).FillBytes(make([]byte, key.Size())), se.StatusOK
}

func sum(digest crypto.Hash, data []byte) []byte {
	h := digest.New()
	h.Write(data)
	return h.Sum(nil)
}

// orStatus returns status if err is an error.
func orStatus(err error, status se.Status) se.Status {
	if err == nil {
		return se.StatusOK
	}
	return status
}

func sm2Operation(rand io.Reader, pair *id2.PrivateKey, mode se.Mode) operation {
	public := pair.Public()
	switch mode {
	case se.Encrypt:
		return func(data []byte) ([]byte, se.Status) {
			out, err := public.Encrypt(rand, data)
			return out, orStatus(err, se.StatusLength)
		}
	case se.Decrypt:
		return func(data []byte) ([]byte, se.Status) {
			out, err := pair.Decrypt(data)
			return out, orStatus(err, se.StatusData)
		}
	case se.Sign:
		return func(data []byte) ([]byte, se.Status) {
			out, err := pair.Sign(rand, id2.SM3, data)
			return out, orStatus(err, se.StatusUnknown)
		}
	}
	return func(data []byte) ([]byte, se.Status) {
		n := len(data) - sm2SignatureSize
		if n < 0 {
			return nil, se.StatusLength
		}
		if !public.Verify(id2.SM3, data[:n], data[n:]) {
			return nil, se.StatusData
		}
		return nil, se.StatusOK
	}
}
