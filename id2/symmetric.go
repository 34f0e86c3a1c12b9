package id2

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"

	"github.com/emmansun/gmsm/sm4"
)

// cipher expands the symmetric key.
func (k *Key) cipher() (cipher.Block, error) {
	switch k.algorithm {
	case AES128, AES192, AES256:
		return aes.NewCipher(k.secret[:k.algorithm.KeySize()])
	case TDES112:
		var key [24]byte
		copy(key[:], k.secret[:16])
		copy(key[16:], k.secret[:8])
		return des.NewTripleDESCipher(key[:])
	case TDES168:
		return des.NewTripleDESCipher(k.secret[:24])
	case SM4:
		return sm4.NewCipher(k.secret[:16])
	}
	return nil, ErrAlgorithm
}

// signSymmetric returns ECB(key, PKCS7(digest of msg)), the "signature" of the
// symmetric algorithms (id2 §2.1).
func (k *Key) signSymmetric(h Hash, msg []byte) ([]byte, error) {
	if !k.algorithm.AllowedHash(h) {
		return nil, ErrHash
	}
	block, err := k.cipher()
	if err != nil {
		return nil, err
	}
	var digest [maxDigestSize]byte
	return encryptECB(block, digest[:h.sum(&digest, msg)]), nil
}

// encryptECB returns the ciphertext of plain with PKCS#7 padding.
func encryptECB(block cipher.Block, plain []byte) []byte {
	size := block.BlockSize()
	pad := size - len(plain)%size
	out := make([]byte, len(plain)+pad)
	for i := copy(out, plain); i < len(out); i++ {
		out[i] = byte(pad)
	}
	for i := 0; i < len(out); i += size {
		block.Encrypt(out[i:i+size], out[i:i+size])
	}
	return out
}

// decryptECB undoes encryptECB with the tolerance of the vendor's client (id2
// §2.2): a last byte of 0 strips nothing and passes.
func decryptECB(block cipher.Block, ciphertext []byte) ([]byte, error) {
	size := block.BlockSize()
	if len(ciphertext) == 0 || len(ciphertext)%size != 0 {
		return nil, ErrCiphertextLength
	}
	out := make([]byte, len(ciphertext))
	for i := 0; i < len(out); i += size {
		block.Decrypt(out[i:i+size], ciphertext[i:i+size])
	}
	pad := int(out[len(out)-1])
	if pad > size {
		return nil, ErrDecrypt
	}
	body := len(out) - pad
	for _, c := range out[body:] {
		if int(c) != pad {
			return nil, ErrDecrypt
		}
	}
	return out[:body], nil
}
