package device

import (
	"errors"
	"fmt"

	"github.com/hallmark-id/hallmark/id2"
)

// Error is a result of the vendor's device client other than success, with its
// number there (id2 §6). Errors of this package wrap one; see [Number].
type Error int

// The errors of the vendor's device client. The number -6 is unused.
const (
	ErrGeneric        Error = -1
	ErrBadParameters  Error = -2
	ErrShortBuffer    Error = -3
	ErrExcessData     Error = -4
	ErrOutOfMemory    Error = -5
	ErrCommunication  Error = -7
	ErrNotSupported   Error = -8
	ErrNotImplemented Error = -9
	ErrTimeout        Error = -10
	ErrItemNotFound   Error = -11 // the carrier holds no identity
	ErrAccessConflict Error = -12
	ErrAuthentication Error = -13
)

var errorTexts = map[Error]string{
	ErrGeneric:        "failed",
	ErrBadParameters:  "bad parameter",
	ErrShortBuffer:    "buffer too short",
	ErrExcessData:     "too much data",
	ErrOutOfMemory:    "out of memory",
	ErrCommunication:  "communication failed",
	ErrNotSupported:   "not supported",
	ErrNotImplemented: "not implemented",
	ErrTimeout:        "timed out",
	ErrItemNotFound:   "no identity",
	ErrAccessConflict: "access conflict",
	ErrAuthentication: "authentication failed",
}

// Error returns a short text with the vendor's number.
func (e Error) Error() string {
	text, known := errorTexts[e]
	if !known {
		text = "unknown error"
	}
	return fmt.Sprintf("id2 device: %s (%d)", text, int(e))
}

// Number returns the vendor's number for the result err: 0 for nil, -1 for an
// error that wraps no [Error].
func Number(err error) int {
	if err == nil {
		return 0
	}
	var e Error
	if errors.As(err, &e) {
		return int(e)
	}
	return int(ErrGeneric)
}

// protocolNumbers are the errors of package id2 that have a number of the vendor's
// other than [ErrGeneric].
var protocolNumbers = []struct {
	err    error
	number Error
}{
	{id2.ErrCiphertextLength, ErrBadParameters},
	{id2.ErrCiphertextLong, ErrExcessData},
	{id2.ErrDerive, ErrBadParameters},
	{id2.ErrDeriveExcess, ErrExcessData},
	{id2.ErrTokenLength, ErrBadParameters},
	{id2.ErrTokenUse, ErrNotSupported},
	{id2.ErrAlgorithm, ErrNotSupported},
}

// fromProtocol gives errors of package id2 the number that the vendor's client
// has for them. Errors that have a number already stay as they are.
func fromProtocol(err error) error {
	var e Error
	if err == nil || errors.As(err, &e) {
		return err
	}
	for _, known := range protocolNumbers {
		if errors.Is(err, known.err) {
			return fmt.Errorf("%w: %w", known.number, err)
		}
	}
	return fmt.Errorf("%w: %w", ErrGeneric, err)
}
