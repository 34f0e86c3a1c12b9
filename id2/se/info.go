package se

import (
	"encoding/binary"
	"fmt"
)

// Challenge returns n random bytes of the card, 4 to 16, which the card takes as
// its challenge in the very next command only (id2 §7). The error wraps
// [ErrParameter] or is one of [Applet.Exchange].
func (a *Applet) Challenge(n int) ([]byte, error) {
	if n < 4 || n > 16 {
		return nil, fmt.Errorf("%w: challenge of %d bytes", ErrParameter, n)
	}
	data, err := a.Exchange(Command{CLA: ClassISO, INS: InsGetChallenge, Le: n})
	if err == nil && len(data) != n {
		return nil, fmt.Errorf("%w: challenge of %d bytes", ErrResponse, len(data))
	}
	return data, err
}

// ID returns the card's ID², as it is stored: 12 bytes in general, whose
// upper-case hex text is the id of the protocol (id2 §5, §7). The error is one of
// [Applet.Exchange].
func (a *Applet) ID() (Vendor, []byte, error) {
	data, err := a.Exchange(Command{CLA: ClassApplet, INS: InsGetID, Le: MaxResponseData})
	if err != nil {
		return 0, nil, err
	}
	if len(data) < 4 || int(data[2]) != len(data)-3 {
		return 0, nil, fmt.Errorf("%w: id in %d bytes", ErrResponse, len(data))
	}
	return Vendor(binary.BigEndian.Uint16(data)), data[3:], nil
}

// vendorInfoSize is the length of the answer to GetVendorInfo.
const vendorInfoSize = 20

// VendorInfo returns what the card tells about itself (id2 §7). The error is one
// of [Applet.Exchange].
func (a *Applet) VendorInfo() (VendorInfo, error) {
	data, err := a.Exchange(Command{CLA: ClassApplet, INS: InsGetVendorInfo, Le: MaxResponseData})
	if err != nil {
		return VendorInfo{}, err
	}
	if len(data) != vendorInfoSize {
		return VendorInfo{}, fmt.Errorf("%w: vendor information of %d bytes", ErrResponse, len(data))
	}
	return VendorInfo{
		Vendor:    Vendor(binary.BigEndian.Uint16(data)),
		Version:   [8]byte(data[2:10]),
		Config:    [4]byte(data[10:14]),
		Free:      binary.BigEndian.Uint16(data[14:16]),
		Extension: [4]byte(data[16:20]),
	}, nil
}
