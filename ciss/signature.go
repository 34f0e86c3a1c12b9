package ciss

import (
	"crypto/cipher"
	"crypto/hmac"
	"encoding/base64"
)

// sm3Block is the size of SM3's blocks.
const sm3Block = 64

// sign returns Sm3WithSM4Base64 of a text in the app's variant (ciss §7).
func (c *Channel) sign(text []byte, k *kind) string {
	var mac []byte
	if c.settings.Signature == HMACSM3 {
		h := hmac.New(c.newHash, c.key[:])
		h.Write(text)
		mac = h.Sum(nil)
	} else {
		h := c.newHash()
		h.Write(text)
		mac = c.encryptDigest(h.Sum(nil))
	}
	signature := base64.StdEncoding.EncodeToString(mac)
	if k == loginKind && c.settings.LoginLayer {
		layered := c.cbc(pad([]byte(signature)))
		signature = base64.StdEncoding.EncodeToString(layered)
	}
	return signature
}

// encryptDigest encrypts an SM3 digest as the variant says.
func (c *Channel) encryptDigest(digest []byte) []byte {
	v := c.settings.Signature
	if v == SM3SM4CBCPad || v == SM3SM4ECBPad {
		digest = pad(digest)
	}
	if v == SM3SM4CBC || v == SM3SM4CBCPad {
		return c.cbc(digest)
	}
	for b := digest; len(b) > 0; b = b[blockSize:] {
		c.block.Encrypt(b[:blockSize], b[:blockSize])
	}
	return digest
}

// cbc encrypts whole blocks in place under the app's IV, which is zero when
// that of the envelope is random.
func (c *Channel) cbc(blocks []byte) []byte {
	cipher.NewCBCEncrypter(c.block, c.iv).CryptBlocks(blocks, blocks)
	return blocks
}

// pad appends PKCS#7 padding.
func pad(text []byte) []byte {
	n := blockSize - len(text)%blockSize
	for range n {
		text = append(text, byte(n))
	}
	return text
}

// digestBlocks returns how many blocks SM3 works through for n bytes.
func digestBlocks(n int) int { return (n+8)/sm3Block + 1 }

// burn works through n blocks of SM3 for nothing.
func (c *Channel) burn(n int) {
	if n > 0 {
		h := c.newHash()
		h.Write(make([]byte, n*sm3Block-9))
		h.Sum(nil)
	}
}
