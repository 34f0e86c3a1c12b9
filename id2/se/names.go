package se

import "strings"

// AID is the name that the applet is selected by: A0 00 00 00 41 and "liYun.ID2"
// (id2 §7).
const AID = "\xA0\x00\x00\x00\x41liYun.ID2"

// Instruction bytes of the applet (id2 §7).
const (
	InsSelect          = 0xA4
	InsGetChallenge    = 0x84
	InsGetID           = 0xF8
	InsGetVendorInfo   = 0xFC
	InsSymmetricCrypt  = 0xF6
	InsAsymmetricCrypt = 0xF4
	InsComputeDigest   = 0xF0
	InsSecurityStorage = 0xE2
	InsGenerateKeyPair = 0xF2
	InsGetResponse     = 0xC0
)

// Class bytes of the applet (id2 §7).
const (
	ClassISO     = 0x00
	ClassApplet  = 0x80
	ClassSecured = 0x84
)

// Sizes of chained commands (id2 §7).
const (
	BlockSize     = 0xF0                       // data bytes of each block
	MaxBlock      = 20                         // highest block number
	MaxChain      = (MaxBlock + 1) * BlockSize // data bytes of a chain, less in class 84
	cryptHeader   = 5                          // mode alg kid len16
	P1ReadRest    = 0x40                       // AsymmetricCrypt: the rest of the result
	P1StorageRead = 0x80                       // SecurityStorage: read
	P1Business    = 0x40                       // SecurityStorage: business data
	P2More        = 0x00                       // more blocks follow
	P2Last        = 0x01                       // last block
)

// Mode is what a crypt command does (id2 §7).
type Mode byte

// The modes.
const (
	Encrypt Mode = 0x51
	Decrypt Mode = 0x52
	Sign    Mode = 0x53 // or make a MAC
	Verify  Mode = 0x54
)

// Symmetric is an algorithm of SymmetricCrypt (id2 §7). None pads but the MACs,
// which do it by method 1 or 2 of ISO 9797-1.
type Symmetric byte

// The symmetric algorithms.
const (
	DESCBC  Symmetric = 0x00
	DESECB  Symmetric = 0x01
	AESCBC  Symmetric = 0x02
	AESECB  Symmetric = 0x03
	DESMAC1 Symmetric = 0x04
	DESMAC2 Symmetric = 0x05
	AESMAC1 Symmetric = 0x06
	AESMAC2 Symmetric = 0x07
	SM4CBC  Symmetric = 0x10
	SM4ECB  Symmetric = 0x11
	SM7CBC  Symmetric = 0x12
	SM7ECB  Symmetric = 0x13
	SM4MAC1 Symmetric = 0x14
	SM4MAC2 Symmetric = 0x15
	SM7MAC1 Symmetric = 0x16
	SM7MAC2 Symmetric = 0x17
	SM1CBC  Symmetric = 0x18 // 18 to 1B only in the vendor's adapter
	SM1ECB  Symmetric = 0x19
	SM1MAC1 Symmetric = 0x1A
	SM1MAC2 Symmetric = 0x1B
)

// BlockSize returns the cipher's block length in bytes, 0 for a value that is no
// algorithm.
func (a Symmetric) BlockSize() int {
	switch a {
	case DESCBC, DESECB, DESMAC1, DESMAC2:
		return 8
	}
	if a <= AESMAC2 || (a >= SM4CBC && a <= SM1MAC2) {
		return 16
	}
	return 0
}

// MAC reports whether a is a MAC.
func (a Symmetric) MAC() bool {
	switch a {
	case DESMAC1, DESMAC2, AESMAC1, AESMAC2, SM4MAC1, SM4MAC2, SM7MAC1, SM7MAC2, SM1MAC1, SM1MAC2:
		return true
	}
	return false
}

// IVSize returns the length of the initial vector, 0 for ECB.
func (a Symmetric) IVSize() int {
	switch a {
	case DESECB, AESECB, SM4ECB, SM7ECB, SM1ECB:
		return 0
	}
	return a.BlockSize()
}

// Asymmetric is an algorithm of AsymmetricCrypt (id2 §7).
type Asymmetric byte

// The asymmetric algorithms. SM2 ciphertext is C1 ‖ C3 ‖ C2, its signatures are
// R ‖ S.
const (
	RSARaw    Asymmetric = 0x00
	RSASHA1   Asymmetric = 0x01 // with PKCS#1 v1.5, as the next three
	RSASHA256 Asymmetric = 0x02
	RSASHA384 Asymmetric = 0x03
	RSASHA512 Asymmetric = 0x04
	SM2SM3    Asymmetric = 0x05
	ECDSA     Asymmetric = 0x06
)

// Digest is an algorithm of ComputeDigest (id2 §7).
type Digest byte

// The digests.
const (
	SHA1   Digest = 0x00
	SHA224 Digest = 0x01
	SHA256 Digest = 0x02
	SHA384 Digest = 0x03
	SHA512 Digest = 0x04
	SM3    Digest = 0x05
)

var digestSizes = [...]int{SHA1: 20, SHA224: 28, SHA256: 32, SHA384: 48, SHA512: 64, SM3: 32}

// Size returns the digest's length in bytes, 0 for a value that is no digest.
func (d Digest) Size() int {
	if int(d) >= len(digestSizes) {
		return 0
	}
	return digestSizes[d]
}

// KeyType is the kind of a stored key (id2 §7).
type KeyType byte

// The kinds of stored keys. KeyBusiness takes their place in front of business
// data, which is this package's choice: the note leaves that form open.
const (
	Key3DES     KeyType = 0x00
	KeyAES      KeyType = 0x01
	KeyRSA      KeyType = 0x02
	KeyRSACRT   KeyType = 0x03
	KeySM2      KeyType = 0x04
	KeySM4      KeyType = 0x05
	KeySSF33    KeyType = 0x06
	KeySM7      KeyType = 0x07
	KeySM9      KeyType = 0x08
	KeySM1      KeyType = 0x09
	KeyECC      KeyType = 0x0A
	KeyBusiness KeyType = 0xFF
)

// Tag names a part of a stored key (id2 §7).
type Tag byte

// The tags. TagBusiness marks business data, this package's choice as
// [KeyBusiness] is.
const (
	Tag3DES     Tag = 0x40
	TagAES      Tag = 0x41
	TagSM4      Tag = 0x42
	TagSM1      Tag = 0x46
	TagSM2X     Tag = 0x60
	TagSM2Y     Tag = 0x61
	TagSM2D     Tag = 0x62
	TagRSAD     Tag = 0x64
	TagRSAE     Tag = 0x65
	TagRSAN     Tag = 0x6E
	TagBusiness Tag = 0xFF
)

// Vendor is the number of a chip's maker (id2 §7).
type Vendor uint16

// The makers that have a number.
const (
	Gemalto   Vendor = 0x8080
	Watchdata Vendor = 0x8081
	GD        Vendor = 0x8082
	Huada     Vendor = 0x8180
	Nationz   Vendor = 0x8181
	NXP       Vendor = 0x8182
	Tongfang  Vendor = 0x8183
	Synochip  Vendor = 0x8184
	Infineon  Vendor = 0x8185
	ST        Vendor = 0x8186
)

// capabilities names the bits of a card's configuration, lowest first.
var capabilities = [...][]string{
	{"3DES", "AES", "SM4", "SM7"},
	{"RSA", "RSA-CRT", "SM2", "SM9", "ECC"},
	{"SHA-1", "SHA-224", "SHA-256", "SHA-384", "SHA-512", "SM3"},
}

// VendorInfo is what a card tells about itself (id2 §7).
type VendorInfo struct {
	Vendor    Vendor
	Version   [8]byte
	Config    [4]byte // bit map, see Capabilities
	Free      uint16  // memory left, in the card's unit
	Extension [4]byte
}

// Capabilities lists the ciphers and digests that the configuration names.
func (v VendorInfo) Capabilities() []string {
	var names []string
	for i, group := range capabilities {
		for bit, name := range group {
			if v.Config[i]&(1<<bit) != 0 {
				names = append(names, name)
			}
		}
	}
	return names
}

// String lists the capabilities with commas between.
func (v VendorInfo) String() string { return strings.Join(v.Capabilities(), ",") }
