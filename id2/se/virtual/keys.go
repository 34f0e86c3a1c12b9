package virtual

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"math/big"

	"github.com/emmansun/gmsm/sm4"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/id2/se"
)

// key is a key in the card, never changed. Which of the fields after kind is set
// depends on it.
type key struct {
	kind  se.KeyType
	block cipher.Block
	rsa   *rsa.PrivateKey
	pair  id2.PrivateKey // SM2
}

// SetKey puts a key into the card, in place of one that is there. The error wraps
// [id2.ErrAlgorithm] for a key of another algorithm than 3DES, AES, SM4, RSA and
// SM2.
func (c *Card) SetKey(kid byte, private id2.PrivateKey) error {
	k, err := newKey(private)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keys[kid] = k
	return nil
}

func newKey(private id2.PrivateKey) (*key, error) {
	switch a := private.Algorithm(); a {
	case id2.TDES112, id2.TDES168:
		return newBlockKey(se.Key3DES, private.Bytes())
	case id2.AES128, id2.AES192, id2.AES256:
		return newBlockKey(se.KeyAES, private.Bytes())
	case id2.SM4:
		return newBlockKey(se.KeySM4, private.Bytes())
	case id2.SM2:
		return &key{kind: se.KeySM2, pair: private}, nil
	case id2.RSA1024, id2.RSA2048:
		parsed, err := x509.ParsePKCS8PrivateKey(private.Bytes())
		if err != nil {
			return nil, err
		}
		return &key{kind: se.KeyRSA, rsa: parsed.(*rsa.PrivateKey)}, nil
	default:
		return nil, fmt.Errorf("%w: %v in a card", id2.ErrAlgorithm, a)
	}
}

// newBlockKey expands a symmetric key.
func newBlockKey(kind se.KeyType, raw []byte) (*key, error) {
	var block cipher.Block
	var err error
	switch kind {
	case se.KeyAES:
		block, err = aes.NewCipher(raw)
	case se.KeySM4:
		block, err = sm4.NewCipher(raw)
	case se.Key3DES:
		if len(raw) == 16 {
			raw = append(raw[:16:16], raw[:8]...)
		}
		block, err = des.NewTripleDESCipher(raw)
	default:
		err = id2.ErrAlgorithm
	}
	if err != nil {
		return nil, err
	}
	return &key{kind: kind, block: block}, nil
}

// blockTags are the tags of the symmetric keys.
var blockTags = map[se.KeyType]se.Tag{se.Key3DES: se.Tag3DES, se.KeyAES: se.TagAES, se.KeySM4: se.TagSM4}

// importKey makes a key of what SecurityStorage brings.
func importKey(stored se.StoredKey) (*key, se.Status) {
	parts := map[se.Tag][]byte{}
	for _, f := range stored.Fields {
		if parts[f.Tag] != nil {
			return nil, se.StatusData
		}
		parts[f.Tag] = f.Value
	}
	var k *key
	var err error
	tag, symmetric := blockTags[stored.Type]
	switch {
	case symmetric && len(parts) == 1:
		k, err = newBlockKey(stored.Type, parts[tag])
	case symmetric:
		err = id2.ErrKey
	case stored.Type == se.KeySM2:
		k, err = importSM2(parts)
	case stored.Type == se.KeyRSA:
		k, err = importRSA(parts)
	default:
		return nil, se.StatusKeyType
	}
	return k, orStatus(err, se.StatusData)
}

// ecPrivateKey is the structure of RFC 5915.
type ecPrivateKey struct {
	Version int
	Scalar  []byte
	Curve   asn1.ObjectIdentifier `asn1:"explicit,tag:0"`
}

// importSM2 makes a pair of its private number. The point may be given, and must
// then be the right one.
func importSM2(parts map[se.Tag][]byte) (*key, error) {
	der, err := asn1.Marshal(ecPrivateKey{1, parts[se.TagSM2D], asn1.ObjectIdentifier{1, 2, 156, 10197, 1, 301}})
	if err != nil {
		return nil, err
	}
	private, err := id2.NewPrivateKey(id2.SM2, der)
	if err != nil {
		return nil, err
	}
	x, y := point(private)
	given := len(parts) - 1
	if given > 0 && (given != 2 || string(parts[se.TagSM2X]) != string(x) || string(parts[se.TagSM2Y]) != string(y)) {
		return nil, id2.ErrKey
	}
	return &key{kind: se.KeySM2, pair: private}, nil
}

// point returns the coordinates at the end of an SM2 key's SubjectPublicKeyInfo.
func point(private id2.PrivateKey) (x, y []byte) {
	public := private.Public()
	der := public.Bytes()
	return der[len(der)-64 : len(der)-32], der[len(der)-32:]
}

// importRSA makes a key of modulus and exponents, 1024 or 2048 bits.
func importRSA(parts map[se.Tag][]byte) (*key, error) {
	n := new(big.Int).SetBytes(parts[se.TagRSAN])
	e := new(big.Int).SetBytes(parts[se.TagRSAE])
	d := new(big.Int).SetBytes(parts[se.TagRSAD])
	if len(parts) != 3 || (n.BitLen() != 1024 && n.BitLen() != 2048) || e.BitLen() > 31 || d.Cmp(n) >= 0 {
		return nil, id2.ErrKey
	}
	if n.Bit(0) == 0 || e.Bit(0) == 0 || e.Cmp(big.NewInt(3)) < 0 {
		return nil, id2.ErrKey
	}
	// Without primes only a trial shows that the exponents belong together.
	two := big.NewInt(2)
	if trial := new(big.Int).Exp(new(big.Int).Exp(two, e, n), d, n); trial.Cmp(two) != 0 {
		return nil, id2.ErrKey
	}
	private := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: n, E: int(e.Int64())}, D: d}
	return &key{kind: se.KeyRSA, rsa: private}, nil
}
