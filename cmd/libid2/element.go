//go:build linux && cgo

package main

/*
#include "driver.h"
*/
import "C"

import (
	"fmt"
	"unsafe"

	"github.com/hallmark-id/hallmark/id2/device"
	"github.com/hallmark-id/hallmark/id2/se"
)

// cDriver is the driver that the program is linked with.
type cDriver struct{}

// linkedDriver returns the program's driver, nil if it has none. A driver with
// some of its functions missing is an error, not the store.
func linkedDriver() (se.Driver, error) {
	switch C.hallmark_driver_functions() {
	case 0:
		return nil, nil
	case 3:
		return cDriver{}, nil
	}
	return nil, fmt.Errorf("%w: the driver of the secure element lacks some of se_open_session, se_transmit, se_close_session", device.ErrNotImplemented)
}

// Open implements [se.Driver].
func (cDriver) Open() (se.Session, error) {
	if err := result(C.hallmark_driver_open()); err != nil {
		return nil, err
	}
	return cSession{}, nil
}

// cSession is the driver's one session: the library opens no second one.
type cSession struct{}

// answerSize is the buffer that drivers are given, more than the longest answer.
const answerSize = 512

// Transmit implements [se.Session].
func (cSession) Transmit(command []byte) ([]byte, error) {
	answer := make([]byte, answerSize)
	length := C.uint32_t(len(answer))
	err := result(C.hallmark_driver_transmit((*C.uint8_t)(unsafe.SliceData(command)), C.uint32_t(len(command)),
		(*C.uint8_t)(unsafe.SliceData(answer)), &length))
	if err != nil {
		return nil, err
	}
	if int(length) > len(answer) {
		return nil, fmt.Errorf("%w: the driver says that it wrote %d bytes into %d", device.ErrCommunication, length, len(answer))
	}
	return answer[:length], nil
}

// Close implements [se.Session].
func (cSession) Close() error { return result(C.hallmark_driver_close()) }

// result is what a function of the driver returned, as an error with its number.
func result(number C.irot_result_t) error {
	if number == C.IROT_SUCCESS {
		return nil
	}
	return fmt.Errorf("driver of the secure element: %w", device.Error(number))
}
