// Package itls speaks the one exchange of the vendor's iTLS protocol by which a
// device of SDK 3.1.0 provisions itself (id2 §4.6): the device opens a
// connection and sends one record, its hello; the server answers with one, the
// provision data or an alert; and both close. Nothing of TLS is in it but the
// shape of the records: what is secret is sealed within the authentication code
// and the provision data.
//
// References of the form "id2 §4.6" name sections of the protocol note,
// protocols/id2.md.
package itls

import (
	"errors"
	"fmt"
	"io"

	"github.com/hallmark-id/hallmark/id2"
)

// Port is where devices look for the server, at the host <ProductKey>.<host>
// (id2 §4.6).
const Port = 1883

// Limits of the exchange, in bytes. A hello of the vendor's client has some 220,
// an answer at most 117.
const (
	MaxHello         = 1024 // of a hello's record, beside its header
	MaxProductKey    = 64
	MaxProvisionData = 256
)

var (
	// ErrMalformed is wrapped by the error for bytes that are no record of this
	// exchange.
	ErrMalformed = errors.New("itls: malformed record")
	// ErrNotProvisioning is returned for the hello of a device that has an id
	// already and wants a whole iTLS session.
	ErrNotProvisioning = errors.New("itls: only provisioning is served")
	// ErrProductKey is returned for a hello whose product key is missing, too long
	// or not printable ASCII.
	ErrProductKey = errors.New("itls: no product key, or none that can be one")
)

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// Exchange provisions a device over a fresh connection: it sends the hello and
// returns the provision data. The caller bounds its time, by the connection's
// deadline, and closes the connection. The error is an [Alert] if the server
// refused, wraps [ErrMalformed], or is one of the connection.
func Exchange(conn io.ReadWriter, h Hello) ([]byte, error) {
	record, err := h.Bytes()
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(record); err != nil {
		return nil, err
	}
	return ReadAnswer(conn)
}

// maxAuthCode bounds the OTP authentication code in a hello.
const maxAuthCode = id2.MaxOTPAuthCodeLength
