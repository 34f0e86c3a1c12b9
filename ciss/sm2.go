package ciss

import (
	"crypto/ecdsa"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"math/big"

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
	return sm2.SignASN1(random, key, s.digest(&key.PublicKey, message), nil)
}

// digest returns what an SM2 signature of a message is made over.
func (s *Settings) digest(key *ecdsa.PublicKey, message []byte) []byte {
	h := sm3.New()
	if s.Digest == DigestZA {
		h.Write(za(key, s.UserID))
	}
	h.Write(message)
	return h.Sum(nil)
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
