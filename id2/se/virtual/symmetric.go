package virtual

import (
	"crypto/cipher"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"hash"

	"github.com/emmansun/gmsm/sm3"

	"github.com/hallmark-id/hallmark/id2/se"
)

// digest is ComputeDigest.
type digest struct{ hash hash.Hash }

var digests = map[se.Digest]func() hash.Hash{
	se.SHA1: sha1.New, se.SHA224: sha256.New224, se.SHA256: sha256.New,
	se.SHA384: sha512.New384, se.SHA512: sha512.New, se.SM3: sm3.New,
}

func newDigest(d se.Digest) (worker, se.Status) {
	makeHash := digests[d]
	if makeHash == nil {
		return nil, se.StatusAlgorithm
	}
	return digest{makeHash()}, se.StatusOK
}

func (d digest) add(data []byte) ([]byte, se.Status) {
	d.hash.Write(data)
	return nil, se.StatusOK
}

func (d digest) end() ([]byte, se.Status) { return d.hash.Sum(nil), se.StatusOK }

// symmetricTypes gives the key type of each algorithm that the card has.
var symmetricTypes = map[se.Symmetric]se.KeyType{
	se.DESCBC: se.Key3DES, se.DESECB: se.Key3DES, se.DESMAC1: se.Key3DES, se.DESMAC2: se.Key3DES,
	se.AESCBC: se.KeyAES, se.AESECB: se.KeyAES, se.AESMAC1: se.KeyAES, se.AESMAC2: se.KeyAES,
	se.SM4CBC: se.KeySM4, se.SM4ECB: se.KeySM4, se.SM4MAC1: se.KeySM4, se.SM4MAC2: se.KeySM4,
}

// newSymmetric returns the worker of a SymmetricCrypt over total bytes.
func newSymmetric(k *key, mode se.Mode, a se.Symmetric, total int) (worker, se.Status) {
	kind, known := symmetricTypes[a]
	switch {
	case mode < se.Encrypt || mode > se.Verify:
		return nil, se.StatusData
	case !known:
		return nil, se.StatusAlgorithm
	case a.MAC() && mode < se.Sign:
		return nil, se.StatusAlgorithm
	case !a.MAC() && mode >= se.Sign:
		return nil, se.StatusMACNotAvailable
	case k == nil:
		return nil, se.StatusKeyNotFound
	case k.kind != kind:
		return nil, se.StatusKeyType
	}
	size := a.BlockSize()
	if a.MAC() {
		return &mac{block: k.block, method2: a&1 == 1, verify: mode == se.Verify}, se.StatusOK
	}
	if total%size != 0 || total <= a.IVSize() {
		return nil, se.StatusLength
	}
	return &crypt{block: k.block, mode: mode, ivSize: a.IVSize()}, se.StatusOK
}

// crypt encrypts or decrypts in ECB or CBC.
type crypt struct {
	block  cipher.Block
	mode   se.Mode
	ivSize int              // 0 for ECB
	cbc    cipher.BlockMode // nil for ECB, and before the vector came
}

// add takes whole cipher blocks. In CBC the first data begins with the vector.
func (c *crypt) add(data []byte) ([]byte, se.Status) {
	size := c.block.BlockSize()
	if len(data)%size != 0 {
		return nil, se.StatusLength
	}
	if c.ivSize > 0 && c.cbc == nil {
		iv := data[:c.ivSize]
		data = data[c.ivSize:]
		if c.mode == se.Encrypt {
			c.cbc = cipher.NewCBCEncrypter(c.block, iv)
		} else {
			c.cbc = cipher.NewCBCDecrypter(c.block, iv)
		}
	}
	out := make([]byte, len(data))
	switch {
	case c.cbc != nil:
		c.cbc.CryptBlocks(out, data)
	case c.mode == se.Encrypt:
		for i := 0; i < len(data); i += size {
			c.block.Encrypt(out[i:], data[i:])
		}
	default:
		for i := 0; i < len(data); i += size {
			c.block.Decrypt(out[i:], data[i:])
		}
	}
	return out, se.StatusOK
}

func (c *crypt) end() ([]byte, se.Status) { return nil, se.StatusOK }

// mac makes or verifies a CBC-MAC over data that begins with the vector.
type mac struct {
	block   cipher.Block
	method2 bool // pad by 80 and zeros, not zeros alone
	verify  bool // the MAC is at the end of the data
	data    []byte
}

func (m *mac) add(data []byte) ([]byte, se.Status) {
	m.data = append(m.data, data...)
	return nil, se.StatusOK
}

func (m *mac) end() ([]byte, se.Status) {
	size := m.block.BlockSize()
	overhead := size // the vector
	if m.verify {
		overhead += size
	}
	if len(m.data) <= overhead {
		return nil, se.StatusLength
	}
	data, given := m.data, []byte(nil)
	if m.verify {
		data, given = data[:len(data)-size], data[len(data)-size:]
	}
	sum := cbcMAC(m.block, data[:size], pad(data[size:], size, m.method2))
	if !m.verify {
		return sum, se.StatusOK
	}
	if subtle.ConstantTimeCompare(sum, given) != 1 {
		return nil, se.StatusData
	}
	return nil, se.StatusOK
}

// cbcMAC returns the last block of the CBC encryption of whole blocks.
func cbcMAC(block cipher.Block, iv, data []byte) []byte {
	out := make([]byte, len(data))
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(out, data)
	return out[len(out)-block.BlockSize():]
}

// pad returns data, not empty, padded by a method of ISO 9797-1.
func pad(data []byte, size int, method2 bool) []byte {
	out := append([]byte(nil), data...)
	if method2 {
		out = append(out, 0x80)
	}
	return append(out, make([]byte, (size-len(out)%size)%size)...)
}
