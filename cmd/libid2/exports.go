//go:build linux && cgo

package main

/*
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
*/
import "C"

import (
	"fmt"
	"math"
	"unsafe"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/id2/device"
)

// What the functions of id2_client.h hand in is used during the call only, and
// what they get is copied to where they want it.

// version is the generation of the vendor's client whose limits hold.
const version = 0x00030100

// Sizes in bytes. Those that begin with max are beyond what the packages take.
const (
	minAuthCodeBuffer = 256 // the smallest buffer for an authentication code (id2 §1.3)
	secretSize        = 64
	maxServerCode     = 4096
	maxTOTP           = 16
)

// process is the library of this process.
var process library

// call runs an operation and returns its number.
func call(operation func(*session) error) C.int {
	s, err := process.session()
	if err != nil {
		return C.int(device.Number(err))
	}
	if err = operation(s); err != nil {
		s.log.report(err)
	}
	return C.int(device.Number(err))
}

// errNull is for an argument that is not there.
var errNull = fmt.Errorf("%w: NULL", device.ErrBadParameters)

// output is a buffer for a result and where its length goes.
type output struct {
	data   *C.uint8_t
	length *C.uint32_t
	least  int // no shorter buffer is taken, however short the result
	need   int // what is asked for in place of such a buffer
	end    int // further bytes that must fit: a terminating zero
}

// deliver runs produce and copies what it returns. It looks at the arguments
// first, which is produce's to do, then at the buffer, then at everything else.
func (o output) deliver(produce func() ([]byte, error)) error {
	if o.data == nil || o.length == nil {
		return errNull
	}
	result, err := produce()
	defer clear(result)
	if number := device.Number(err); number == int(device.ErrBadParameters) || number == int(device.ErrExcessData) {
		return err
	}
	size := int(*o.length)
	if size < o.least {
		return o.short(max(o.need, o.least))
	}
	if err != nil {
		return err
	}
	if size < len(result)+o.end {
		return o.short(max(o.need, len(result)+o.end))
	}
	buffer := unsafe.Slice((*byte)(o.data), len(result)+o.end)
	clear(buffer[copy(buffer, result):])
	*o.length = C.uint32_t(len(result))
	return nil
}

func (o output) short(need int) error {
	err := fmt.Errorf("%w: %d bytes, %d are needed", device.ErrShortBuffer, *o.length, need)
	*o.length = C.uint32_t(need)
	return err
}

// view returns C's memory as a slice, of which it shows limit+1 bytes at most: so
// many are too many for all that takes it. data is not NULL.
func view(data *C.uint8_t, length C.uint32_t, limit int) []byte {
	return unsafe.Slice((*byte)(data), min(int64(length), int64(limit)+1))
}

// extra is view for data that may be left out, by NULL and 0.
func extra(data *C.uint8_t, length C.uint32_t) ([]byte, error) {
	switch {
	case data != nil:
		return view(data, length, id2.MaxExtraLength), nil
	case length > 0:
		return nil, errNull
	}
	return nil, nil
}

// text copies a string, of which it reads as much as view would.
func text(s *C.char, limit int) (string, error) {
	if s == nil {
		return "", errNull
	}
	return C.GoStringN(s, C.int(C.strnlen(s, C.size_t(limit)+1))), nil
}

//export hallmarkInit
func hallmarkInit(store, home, sealKeyFile, fingerprint, algorithm, logging *C.char) C.int {
	o := options{
		store: C.GoString(store), home: C.GoString(home), sealKeyFile: C.GoString(sealKeyFile),
		fingerprint: C.GoString(fingerprint), algorithm: C.GoString(algorithm), log: logging != nil,
	}
	driver, err := linkedDriver()
	if err != nil {
		o.log.report(err)
		return C.int(device.Number(err))
	}
	return C.int(device.Number(process.init(driver, o)))
}

//export hallmarkCleanup
func hallmarkCleanup() C.int { return C.int(device.Number(process.cleanup())) }

//export hallmarkVersion
func hallmarkVersion(v *C.uint32_t) C.int {
	return call(func(*session) error {
		if v == nil {
			return errNull
		}
		*v = version
		return nil
	})
}

//export hallmarkID
func hallmarkID(id *C.uint8_t, length *C.uint32_t) C.int {
	return call(func(s *session) error {
		return output{data: id, length: length, least: id2.MinIDLength, need: id2.MaxIDLength}.deliver(func() ([]byte, error) {
			text, err := s.client.ID()
			return []byte(text), err
		})
	})
}

//export hallmarkAuthCode
func hallmarkAuthCode(timestamp C.int, value *C.char, extraData *C.uint8_t, extraLength C.uint32_t, code *C.uint8_t, length *C.uint32_t) C.int {
	return call(func(s *session) error {
		return output{data: code, length: length, least: minAuthCodeBuffer, end: 1}.deliver(func() ([]byte, error) {
			v, err := text(value, id2.MaxValueLength)
			if err != nil {
				return nil, err
			}
			extra, err := extra(extraData, extraLength)
			if err != nil {
				return nil, err
			}
			sign := s.client.ChallengeAuthCode
			if timestamp != 0 {
				sign = s.client.TimestampAuthCode
			}
			code, err := sign(v, extra)
			return []byte(code), err
		})
	})
}

//export hallmarkDecrypt
func hallmarkDecrypt(in *C.uint8_t, inLength C.uint32_t, out *C.uint8_t, outLength *C.uint32_t) C.int {
	return call(func(s *session) error {
		if in == nil {
			return errNull
		}
		return output{data: out, length: outLength}.deliver(func() ([]byte, error) {
			return s.client.Decrypt(view(in, inLength, device.MaxDecryptLength))
		})
	})
}

//export hallmarkEncrypt
func hallmarkEncrypt(seed *C.char, in *C.uint8_t, inLength C.uint32_t, out *C.uint8_t, outLength *C.uint32_t) C.int {
	return call(func(s *session) error {
		if in == nil {
			return errNull
		}
		return output{data: out, length: outLength}.deliver(func() ([]byte, error) {
			t, err := text(seed, id2.MaxSeedLength)
			if err != nil {
				return nil, err
			}
			return s.client.Encrypt(t, view(in, inLength, id2.MaxSeedDataLength))
		})
	})
}

//export hallmarkDeviceChallenge
func hallmarkDeviceChallenge(random *C.uint8_t, length *C.uint32_t) C.int {
	return call(func(s *session) error {
		return output{data: random, length: length}.deliver(func() ([]byte, error) {
			n := min(int64(*length), id2.MaxDeviceChallengeLength)
			challenge, err := s.client.DeviceChallenge(int(n))
			return []byte(challenge), err
		})
	})
}

//export hallmarkVerifyServer
func hallmarkVerifyServer(code *C.uint8_t, codeLength C.uint32_t, challenge *C.uint8_t, challengeLength C.uint32_t, extraData *C.uint8_t, extraLength C.uint32_t) C.int {
	return call(func(s *session) error {
		if code == nil || challenge == nil {
			return errNull
		}
		extra, err := extra(extraData, extraLength)
		if err != nil {
			return err
		}
		return s.client.VerifyServerCode(string(view(code, codeLength, maxServerCode)),
			string(view(challenge, challengeLength, id2.MaxDeviceChallengeLength)), extra)
	})
}

//export hallmarkSecret
func hallmarkSecret(seed *C.char, secret *C.uint8_t, length *C.uint32_t) C.int {
	return call(func(s *session) error {
		return output{data: secret, length: length, least: secretSize}.deliver(func() ([]byte, error) {
			t, err := text(seed, id2.MaxSeedLength)
			if err != nil {
				return nil, err
			}
			secret, err := s.client.Secret(t)
			return []byte(secret), err
		})
	})
}

//export hallmarkDeriveKey
func hallmarkDeriveKey(seed *C.char, key *C.uint8_t, length C.uint32_t) C.int {
	return call(func(s *session) error {
		return output{data: key, length: &length}.deliver(func() ([]byte, error) {
			t, err := text(seed, id2.MaxSeedLength)
			if err != nil {
				return nil, err
			}
			return s.client.DeriveKey(t, int(min(length, id2.MaxDerivedKeyLength+1)))
		})
	})
}

//export hallmarkTOTP
func hallmarkTOTP(timestamp C.uint64_t, index, step, length C.uint32_t, password *C.uint8_t) C.int {
	return call(func(s *session) error {
		return output{data: password, length: &length}.deliver(func() ([]byte, error) {
			if timestamp > math.MaxInt64 || max(index, step, length) > math.MaxInt32 {
				return nil, fmt.Errorf("%w: no such time, index, step or length", device.ErrBadParameters)
			}
			text, err := s.client.TOTP(int64(timestamp), int(step), int(length), int(index))
			return []byte(text), err
		})
	})
}

//export hallmarkTOTPIndex
func hallmarkTOTPIndex(password *C.uint8_t, length C.uint32_t, index *C.uint32_t) C.int {
	return call(func(*session) error {
		if password == nil || index == nil {
			return errNull
		}
		i, err := id2.TOTPIndex(string(view(password, length, maxTOTP)))
		if err != nil {
			return fmt.Errorf("%w: %w", device.ErrBadParameters, err)
		}
		*index = C.uint32_t(i)
		return nil
	})
}
