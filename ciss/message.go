package ciss

import "time"

// ScanStatus says what a scan message reports (scanStatus).
type ScanStatus string

// The scan statuses.
const (
	StatusScanned   ScanStatus = "81" // the code was scanned (已扫码)
	StatusCancelled ScanStatus = "84" // the user declined (扫码认证取消)
)

// Scan tells that a code was scanned (扫码通知, ciss §2.1).
type Scan struct {
	AuthID    string // [A-Za-z0-9-]{16,64}
	Status    ScanStatus
	Time      time.Time // in whole seconds on the wire
	Signature string    // set by OpenScan
}

// LoginVerify proves who scanned a code (扫码认证, ciss §2.2).
type LoginVerify struct {
	AuthID    string
	SignCert  string // hexadecimal digits of a certificate
	SignData  string // hexadecimal digits of a signature
	Time      time.Time
	Signature string // set by OpenLoginVerify
}

// Verify asks whether a signature is one of a certificate's (ciss §2.4).
type Verify struct {
	PhoneNumber string // 11 digits
	UserName    string // may be empty
	SignData    string // hexadecimal digits of a signature
	SrcData     string // Base64 of what was signed
	SignCert    string // hexadecimal digits of a certificate
	Time        time.Time
	Signature   string // set by OpenVerify
}

// Response is the sealed part of an answer (ciss §2.3).
type Response struct {
	Desc      string // resultDesc, empty when it was left out
	Time      time.Time
	Signature string // set by OpenResponse
}

// SealScan signs and seals a message; it returns the value of param.
func (c *Channel) SealScan(m Scan) (string, error) {
	return c.encode(scanKind, []member{{name: nameAuthID, value: m.AuthID}, {name: nameStatus, value: string(m.Status)}}, m.Time)
}

// OpenScan opens the value of param. The error is a [*Fault].
func (c *Channel) OpenScan(param string, now time.Time) (Scan, error) {
	m, at, err := c.decode(scanKind, param, now)
	if err != nil {
		return Scan{}, err
	}
	return Scan{AuthID: value(m, nameAuthID), Status: ScanStatus(value(m, nameStatus)), Time: at, Signature: value(m, nameSignature)}, nil
}

// SealLoginVerify signs and seals a message; it returns the value of param.
func (c *Channel) SealLoginVerify(m LoginVerify) (string, error) {
	return c.encode(loginKind, []member{{name: nameAuthID, value: m.AuthID}, {name: nameCert, value: m.SignCert},
		{name: nameSignData, value: m.SignData}}, m.Time)
}

// OpenLoginVerify opens the value of param. The error is a [*Fault].
func (c *Channel) OpenLoginVerify(param string, now time.Time) (LoginVerify, error) {
	m, at, err := c.decode(loginKind, param, now)
	if err != nil {
		return LoginVerify{}, err
	}
	return LoginVerify{AuthID: value(m, nameAuthID), SignCert: value(m, nameCert), SignData: value(m, nameSignData),
		Time: at, Signature: value(m, nameSignature)}, nil
}

// SealVerify signs and seals a message; it returns the value of param.
func (c *Channel) SealVerify(m Verify) (string, error) {
	return c.encode(verifyKind, []member{{name: namePhone, value: m.PhoneNumber}, {name: nameUser, value: m.UserName, null: m.UserName == ""},
		{name: nameSignData, value: m.SignData}, {name: nameSrcData, value: m.SrcData}, {name: nameCert, value: m.SignCert}}, m.Time)
}

// OpenVerify opens the value of param. The error is a [*Fault].
func (c *Channel) OpenVerify(param string, now time.Time) (Verify, error) {
	m, at, err := c.decode(verifyKind, param, now)
	if err != nil {
		return Verify{}, err
	}
	return Verify{PhoneNumber: value(m, namePhone), UserName: value(m, nameUser), SignData: value(m, nameSignData),
		SrcData: value(m, nameSrcData), SignCert: value(m, nameCert), Time: at, Signature: value(m, nameSignature)}, nil
}

// SealResponse signs and seals an answer; it returns the value of returnObj. An
// empty description is left out.
func (c *Channel) SealResponse(r Response) (string, error) {
	m := make([]member, 0, 3) // with the time and the signature
	if r.Desc != "" {
		m = append(m, member{name: nameDesc, value: r.Desc})
	}
	return c.encode(responseKind, m, r.Time, c.settings.Order...)
}

// OpenResponse opens the value of returnObj. The error is a [*Fault].
func (c *Channel) OpenResponse(returnObj string, now time.Time) (Response, error) {
	m, at, err := c.decode(responseKind, returnObj, now)
	if err != nil {
		return Response{}, err
	}
	return Response{Desc: value(m, nameDesc), Time: at, Signature: value(m, nameSignature)}, nil
}

// value returns the value of a member, empty for one that is null or absent.
func value(members []member, name string) string {
	if m := find(members, name); m != nil {
		return m.value
	}
	return ""
}
