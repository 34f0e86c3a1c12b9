package ciss

import (
	"crypto/ecdsa"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"math/big"
	"slices"
	"sync/atomic"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/sm3"
)

// SignedMessage returns the bytes that a card signs to log in with an authId
// (ciss §5).
func (s *Settings) SignedMessage(authID string) ([]byte, error) {
	switch s.Message {
	case MessageBase64:
		return []byte(base64.StdEncoding.EncodeToString([]byte(authID))), nil
	case MessageHex:
		message, err := hex.DecodeString(authID)
		if err != nil {
			return nil, errors.New("ciss: the authId is not of hexadecimal digits, as the setting signed_message asks for")
		}
		return message, nil
	default:
		return []byte(authID), nil
	}
}

// Sign signs a message as a card would under the settings. The signature is in
// DER, whatever forms the settings accept.
func (s *Settings) Sign(random io.Reader, key *sm2.PrivateKey, message []byte) ([]byte, error) {
	return sm2.SignASN1(random, key, s.digest(&signerKey{PublicKey: &key.PublicKey}, message), nil)
}

// digest returns what an SM2 signature of a message is made over.
func (s *Settings) digest(key *signerKey, message []byte) []byte {
	var before []byte
	if s.Digest == DigestZA {
		before = key.za(s.UserID)
	}
	sum := sm3.Sum(slices.Concat(before, message))
	return sum[:]
}

// signerKey is a public key that remembers its ZA, of one user id at a time: the
// apps that a card signs for have the same as a rule.
type signerKey struct {
	*ecdsa.PublicKey
	last atomic.Pointer[userZA]
}

type userZA struct {
	userID string
	za     []byte
}

func (k *signerKey) za(userID string) []byte {
	last := k.last.Load()
	if last == nil || last.userID != userID {
		last = &userZA{userID, za(k.PublicKey, userID)}
		k.last.Store(last)
	}
	return last.za
}

// za returns ZA of GM/T 0003.2 (ciss §9), for the empty user id too, which
// gmsm replaces by the default one.
func za(key *ecdsa.PublicKey, userID string) []byte {
	h := sm3.New()
	bits := len(userID) * 8
	h.Write([]byte{byte(bits >> 8), byte(bits)})
	h.Write([]byte(userID))
	h.Write(curveBytes)
	// Fails only for keys that are not on the SM2 curve.
	if point, err := sm2.PublicKeyToECDH(key); err == nil {
		h.Write(point.Bytes()[1:])
	}
	return h.Sum(nil)
}

// curveBytes are a, b, xG and yG of the SM2 curve.
var curveBytes = func() []byte {
	p := sm2.P256().Params()
	a := new(big.Int).Sub(p.P, big.NewInt(3))
	return append(pointBytes(a, p.B), pointBytes(p.Gx, p.Gy)...)
}()

const fieldSize = 32

// pointBytes returns two field elements one after the other.
func pointBytes(x, y *big.Int) []byte {
	out := make([]byte, 2*fieldSize)
	x.FillBytes(out[:fieldSize])
	y.FillBytes(out[fieldSize:])
	return out
}
