package ciss

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// IVMode says which initialisation vector SM4-CBC uses (ciss §4.4): one of the
// three names, or 32 hexadecimal digits for a fixed one.
type IVMode string

// The IV modes. A fixed IV is written as its hexadecimal digits.
const (
	IVZero   IVMode = "zero"   // 16 zero bytes
	IVKey    IVMode = "key"    // the SM4 key itself
	IVPrefix IVMode = "prefix" // random, in front of the ciphertext
)

// Variant is a reading of the vendor's Sm3WithSM4Base64 (ciss §7).
type Variant string

// The variants, Base64 of what each comment says.
const (
	SM3SM4CBC    Variant = "sm3-sm4cbc-nopad" // SM4-CBC of the SM3 digest, two blocks
	SM3SM4ECB    Variant = "sm3-sm4ecb-nopad" // SM4-ECB of the SM3 digest, two blocks
	SM3SM4CBCPad Variant = "sm3-sm4cbc-pkcs7" // SM4-CBC of the padded SM3 digest
	SM3SM4ECBPad Variant = "sm3-sm4ecb-pkcs7" // SM4-ECB of the padded SM3 digest
	HMACSM3      Variant = "hmac-sm3"         // HMAC-SM3
)

// MessageForm says which bytes the card signs for a login (ciss §5).
type MessageForm string

// The forms of the signed message.
const (
	MessageAuthID MessageForm = "auth-id"        // the bytes of the authId
	MessageBase64 MessageForm = "auth-id-base64" // the Base64 text of the authId
	MessageHex    MessageForm = "auth-id-hex"    // the bytes that the authId's hexadecimal digits stand for
)

// DigestForm says what the SM2 signature is made over (ciss §5).
type DigestForm string

// The digest forms.
const (
	DigestZA   DigestForm = "za"   // SM3(ZA ‖ M), as GM/T 0009 has it
	DigestBare DigestForm = "bare" // SM3(M), by cards that are fed a ready digest
)

// SignForm is an encoding of an SM2 signature (ciss §5).
type SignForm string

// The signature forms.
const (
	SignRaw   SignForm = "raw"   // r ‖ s, 64 bytes
	SignSKF   SignForm = "skf"   // r and s left-padded to 64 bytes each
	SignDER   SignForm = "der"   // SEQUENCE of two INTEGERs
	SignPKCS7 SignForm = "pkcs7" // signedData of GM/T 0010 or PKCS#7
)

// Usage says which key usage a signing certificate must have (ciss §5).
type Usage string

// The usages.
const (
	UsageSignature      Usage = "digital-signature" // digitalSignature
	UsageNonRepudiation Usage = "non-repudiation"   // digitalSignature or nonRepudiation
	UsageAny            Usage = "any"               // not looked at
)

// StatusMap gives the status codes of failures (ciss §3). Success is always 200
// and an unknown appId always 212.
type StatusMap struct {
	Message        int `json:"message"`        // the message cannot be opened, is stale or was seen before
	Authentication int `json:"authentication"` // the authId or the certificate is not accepted
	Internal       int `json:"internal"`       // the server failed
}

// Settings are the choices that the vendor's document leaves open, for one app
// (ciss §12). Begin with [DefaultSettings]: the zero value is not valid.
type Settings struct {
	IV        IVMode  `json:"iv"`
	Signature Variant `json:"signature"`
	// LoginLayer wraps the signature of loginVerify in SM4 once more, as the
	// brackets of the printed formula may be read (ciss §2.2).
	LoginLayer bool `json:"login_sm4_layer"`
	// UserID is the SM2 user id; the empty one is a value of its own, not the
	// default.
	UserID      string      `json:"sm2_user_id"`
	Message     MessageForm `json:"signed_message"`
	Digest      DigestForm  `json:"digest"`
	SignForms   []SignForm  `json:"sign_data"`
	CertUsage   Usage       `json:"key_usage"`
	Zone        string      `json:"zone"`           // of timestamps, as "+08:00"
	Window      int         `json:"window_seconds"` // how far a timestamp may be from the clock
	Status      StatusMap   `json:"status"`
	Order       []string    `json:"response_order"`         // of the members of a response
	SuccessDesc bool        `json:"result_desc_on_success"` // a success carries a resultDesc too
	// Requester has the answer to a scan say who asks to log in, and from where.
	Requester bool `json:"result_desc_requester"`
	Lenient   bool `json:"lenient"` // reads what ciss §2.5 lists
}

// DefaultUserID is the SM2 user id of GM/T 0009-2012.
const DefaultUserID = "1234567812345678"

// DefaultSettings returns the settings that fit the vendor's samples best.
func DefaultSettings() Settings {
	return Settings{
		IV: IVZero, Signature: SM3SM4CBC, UserID: DefaultUserID, Message: MessageAuthID, Digest: DigestZA,
		SignForms: []SignForm{SignRaw, SignSKF, SignDER}, CertUsage: UsageSignature, Zone: "+08:00", Window: 300,
		Status:      StatusMap{Message: StatusMessage, Authentication: StatusAuthentication, Internal: StatusInternal},
		Order:       []string{nameSignature, nameDesc, nameTime},
		SuccessDesc: true, Requester: true,
	}
}

// With returns the settings with those changed that a JSON object names. A
// setting that does not exist is an error.
func (s Settings) With(data []byte) (Settings, error) {
	s.SignForms, s.Order = slices.Clone(s.SignForms), slices.Clone(s.Order)
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return Settings{}, fmt.Errorf("ciss: settings: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Settings{}, errors.New("ciss: settings: something follows the JSON object")
	}
	return s, s.Validate()
}

// Validate reports the first setting that has no meaning.
func (s *Settings) Validate() error {
	checks := []struct {
		ok   bool
		text string
	}{
		{s.validIV(), "iv must be zero, key, prefix or 32 hexadecimal digits"},
		{slices.Contains(variants, s.Signature), "signature must be sm3-sm4cbc-nopad, sm3-sm4ecb-nopad, sm3-sm4cbc-pkcs7, sm3-sm4ecb-pkcs7 or hmac-sm3"},
		{len(s.UserID) <= maxUserID, "sm2_user_id has at most 128 bytes"},
		{s.Message == MessageAuthID || s.Message == MessageBase64 || s.Message == MessageHex, "signed_message must be auth-id, auth-id-base64 or auth-id-hex"},
		{s.Digest == DigestZA || s.Digest == DigestBare, "digest must be za or bare"},
		{s.validForms(), "sign_data must list at least one of raw, skf, der and pkcs7, each once"},
		{s.CertUsage == UsageSignature || s.CertUsage == UsageNonRepudiation || s.CertUsage == UsageAny, "key_usage must be digital-signature, non-repudiation or any"},
		{s.validZone(), "zone must be an offset such as +08:00"},
		{s.Window >= 1 && s.Window <= int(MaxWindow/time.Second), "window_seconds must be 1 to 3600"},
		{s.Status.valid(), "status codes must be 100 to 9999, and neither 200 nor 212"},
		{s.validOrder(), "response_order must list signature, resultDesc and timestamp, each once"},
	}
	for _, c := range checks {
		if !c.ok {
			return errors.New("ciss: settings: " + c.text)
		}
	}
	return nil
}

// MaxWindow is the longest that a timestamp may be from the clock.
const MaxWindow = time.Hour

const maxUserID = 128

var (
	variants  = []Variant{SM3SM4CBC, SM3SM4ECB, SM3SM4CBCPad, SM3SM4ECBPad, HMACSM3}
	signForms = []SignForm{SignRaw, SignSKF, SignDER, SignPKCS7}
)

func (s *Settings) validIV() bool {
	if s.IV == IVZero || s.IV == IVKey || s.IV == IVPrefix {
		return true
	}
	iv, err := hex.DecodeString(string(s.IV))
	return err == nil && len(iv) == blockSize
}

func (s *Settings) validForms() bool {
	for i, f := range s.SignForms {
		if !slices.Contains(signForms, f) || slices.Contains(s.SignForms[:i], f) {
			return false
		}
	}
	return len(s.SignForms) > 0
}

func (s *Settings) validOrder() bool {
	return len(s.Order) == 3 && slices.Contains(s.Order, nameSignature) && slices.Contains(s.Order, nameDesc) && slices.Contains(s.Order, nameTime)
}

func (s *Settings) validZone() bool {
	_, err := time.Parse("-07:00", s.Zone)
	return err == nil
}

func (m StatusMap) valid() bool {
	for _, code := range []int{m.Message, m.Authentication, m.Internal} {
		if code < 100 || code > 9999 || code == StatusOK || code == StatusUnknownApp {
			return false
		}
	}
	return true
}

// location returns the zone of timestamps; the settings must be valid.
func (s *Settings) location() *time.Location {
	t, err := time.Parse("-07:00", s.Zone)
	if err != nil {
		return time.UTC
	}
	_, offset := t.Zone()
	return time.FixedZone(s.Zone, offset)
}
