package ciss

import (
	"bytes"
	"encoding/hex"
	"errors"
	"slices"

	"github.com/emmansun/gmsm/sm2"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// ErrSignData tells that signData is not a signature in a form that the
// settings accept.
var ErrSignData = errors.New("ciss: signData is not a signature in an accepted form")

// Signature is a signature as a card made it.
type Signature struct {
	Form SignForm
	der  []byte // SEQUENCE of two INTEGERs
	p7   *signedData
}

// ParseSignature recognises the form of a signature by its shape (ciss §5) and
// refuses forms that are not among those given. The signature keeps data.
func ParseSignature(data []byte, forms []SignForm) (*Signature, error) {
	s, err := recognise(data)
	if err != nil || !slices.Contains(forms, s.Form) {
		return nil, ErrSignData
	}
	return s, nil
}

// parseSignData reads the hexadecimal digits of signData.
func parseSignData(text string, forms []SignForm) (*Signature, error) {
	data, err := hex.DecodeString(text)
	if err != nil {
		return nil, ErrSignData
	}
	return ParseSignature(data, forms)
}

func recognise(data []byte) (*Signature, error) {
	if len(data) == 2*fieldSize {
		return newSignature(SignRaw, data[:fieldSize], data[fieldSize:])
	}
	if len(data) == 4*fieldSize && zero(data[:fieldSize]) && zero(data[2*fieldSize:3*fieldSize]) {
		return newSignature(SignSKF, data[fieldSize:2*fieldSize], data[3*fieldSize:])
	}
	if isDER(data) {
		return &Signature{Form: SignDER, der: data}, nil
	}
	p7, err := parseSignedData(data)
	if err != nil {
		return nil, err
	}
	return &Signature{Form: SignPKCS7, der: p7.signature, p7: p7}, nil
}

// newSignature writes r and s as DER.
func newSignature(form SignForm, r, s []byte) (*Signature, error) {
	var b cryptobyte.Builder
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		addInteger(b, r)
		addInteger(b, s)
	})
	der, err := b.Bytes()
	return &Signature{Form: form, der: der}, err
}

// addInteger adds a number that is not negative.
func addInteger(b *cryptobyte.Builder, n []byte) {
	n = bytes.TrimLeft(n, "\x00")
	b.AddASN1(asn1.INTEGER, func(b *cryptobyte.Builder) {
		if len(n) == 0 || n[0] >= 0x80 {
			b.AddUint8(0)
		}
		b.AddBytes(n)
	})
}

// isDER reports whether data is a SEQUENCE of exactly two INTEGERs of at most 32
// bytes each.
func isDER(data []byte) bool {
	input := cryptobyte.String(data)
	var inner cryptobyte.String
	var r, s []byte
	return input.ReadASN1(&inner, asn1.SEQUENCE) && input.Empty() &&
		inner.ReadASN1Integer(&r) && inner.ReadASN1Integer(&s) && inner.Empty() &&
		len(r) <= fieldSize && len(s) <= fieldSize
}

func zero(data []byte) bool {
	for _, b := range data {
		if b != 0 {
			return false
		}
	}
	return true
}

// verify reports whether the signature is one of the key's over the message.
func (s *Signature) verify(settings *Settings, key *signerKey, message []byte) bool {
	if s.p7 != nil {
		var ok bool
		if message, ok = s.p7.signedBytes(message); !ok {
			return false
		}
	}
	return sm2.VerifyASN1(key.PublicKey, settings.digest(key, message), s.der)
}
