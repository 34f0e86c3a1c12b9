package enos

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Int is a whole number that clients send as a JSON number or as text.
type Int int64

// NewInt returns a number for an optional member.
func NewInt(n int64) *Int { i := Int(n); return &i }

// UnmarshalJSON reads a number, or the text of one.
func (i *Int) UnmarshalJSON(raw []byte) error {
	text := string(raw)
	if strings.HasPrefix(text, `"`) {
		if err := json.Unmarshal(raw, &text); err != nil {
			return err
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return errInt
	}
	*i = Int(n)
	return nil
}

var errInt = errors.New("not a whole number")

// Digits is a timestamp as it was sent: clients send a JSON number or text, and
// its hash is over these digits (enos §3.1).
type Digits string

// UnmarshalJSON keeps the digits of a number or of text.
func (d *Digits) UnmarshalJSON(raw []byte) error {
	text := string(raw)
	if strings.HasPrefix(text, `"`) {
		if err := json.Unmarshal(raw, &text); err != nil {
			return err
		}
	}
	if _, err := ParseTimestamp(text); err != nil {
		return err
	}
	*d = Digits(text)
	return nil
}

// TokenRequest is the body of token/get and token/refresh (enos §3.1).
type TokenRequest struct {
	AppKey      string `json:"appKey"`
	Encryption  string `json:"encryption"`
	Timestamp   Digits `json:"timestamp"`
	AccessToken string `json:"accessToken,omitempty"` // of a refresh
}

// Decode reads a JSON object into a request of this package. Members that it does
// not know are passed over: shipped firmware sends some (enos §1.1). The error is
// an *Error that names the member at fault where it can.
func Decode(body []byte, into any) error {
	if len(body) > MaxBody {
		return InvalidArgument("body", "longer than 64 KiB")
	}
	if !utf8.Valid(body) {
		return InvalidArgument("body", "not UTF-8")
	}
	if first := bytes.TrimLeft(body, " \t\r\n"); len(first) == 0 || first[0] != '{' {
		return InvalidArgument("body", "a JSON object is needed")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	if err := d.Decode(into); err != nil {
		return decodeError(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return InvalidArgument("body", "something follows the JSON object")
	}
	return nil
}

func decodeError(err error) error {
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &kind) && kind.Field != "":
		return InvalidArgument(kind.Field, fmt.Sprintf("a %s is of the wrong type", kind.Value))
	case errors.Is(err, errInt):
		return InvalidArgument("body", "certSn, validDay and reason must be whole numbers")
	case errors.Is(err, ErrTimestamp):
		return InvalidArgument("timestamp", "milliseconds since 1970 are needed")
	}
	return InvalidArgument("body", "not JSON")
}
