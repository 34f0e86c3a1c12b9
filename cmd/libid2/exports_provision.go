//go:build linux && cgo

package main

/*
#include <stdbool.h>
#include <stdint.h>
*/
import "C"

import (
	"fmt"
	"math"
	"time"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/id2/device"
	"github.com/hallmark-id/hallmark/id2/itls"
)

// Sizes in bytes, beyond what the packages take.
const (
	maxToken     = 512
	maxKeyDigits = 64
)

//export hallmarkProvisioned
func hallmarkProvisioned(is *C.bool) C.int {
	return call(func(s *session) error {
		if is == nil {
			return errNull
		}
		provisioned, err := s.client.Provisioned()
		if err == nil {
			*is = C.bool(provisioned)
		}
		return err
	})
}

//export hallmarkOTPAuthCode
func hallmarkOTPAuthCode(token *C.uint8_t, tokenLength C.uint32_t, code *C.uint8_t, length *C.uint32_t) C.int {
	return call(func(s *session) error {
		if token == nil {
			return errNull
		}
		return output{data: code, length: length}.deliver(func() ([]byte, error) {
			fingerprint, err := s.fingerprint()
			if err != nil {
				return nil, err
			}
			return s.client.OTPAuthCode(string(view(token, tokenLength, maxToken)), fingerprint)
		})
	})
}

//export hallmarkLoadOTPData
func hallmarkLoadOTPData(data *C.uint8_t, length C.uint32_t) C.int {
	return call(func(s *session) error {
		if data == nil {
			return errNull
		}
		return s.client.LoadOTPData(view(data, length, device.MaxOTPDataLength))
	})
}

//export hallmarkSetKey
func hallmarkSetKey(id *C.char, keyType C.int, digits *C.char) C.int {
	return call(func(s *session) error {
		idText, err := text(id, id2.MaxIDLength)
		if err != nil {
			return err
		}
		keyText, err := text(digits, maxKeyDigits)
		if err != nil {
			return err
		}
		identity, err := identity(idText, int(keyType), keyText)
		if err != nil {
			return err
		}
		return s.set(identity)
	})
}

//export hallmarkProvision
func hallmarkProvision(host *C.char, port C.uint32_t, productKey, productSecret *C.char, milliseconds C.uint32_t) C.int {
	return call(func(s *session) error {
		hostText, err := text(host, maxHostName)
		if err != nil {
			return err
		}
		key, err := text(productKey, itls.MaxProductKey)
		if err != nil {
			return err
		}
		token, err := text(productSecret, maxToken)
		if err != nil {
			return err
		}
		if hostText == "" || len(hostText) > maxHostName || key == "" || len(key) > itls.MaxProductKey || port == 0 || port > math.MaxUint16 {
			return fmt.Errorf("%w: host, port or product key that cannot be", device.ErrBadParameters)
		}
		return s.provision(itlsServer{hostText, uint16(port), key}, token, time.Duration(milliseconds)*time.Millisecond)
	})
}
