package id2

import "strconv"

// Code is the result code of the ID² service (id2 §6), a number in the reply's
// Code member.
type Code int

// The result codes.
const (
	CodeOK                     Code = 200
	CodeParameter              Code = 500
	CodeSystem                 Code = 700
	CodeAlreadyActivated       Code = 12
	CodeChipNotFound           Code = 13
	CodeCrypto                 Code = 14
	CodeBurnLicenceMissing     Code = 15
	CodeQuota                  Code = 16
	CodeIDNotFound             Code = 18
	CodeAuthCode               Code = 21
	CodeNotActivated           Code = 32
	CodeTimestampExpired       Code = 33
	CodeTimestampRepeated      Code = 34
	CodeChallenge              Code = 35
	CodeData                   Code = 36
	CodeAPIVersion             Code = 37
	CodeServerExtra            Code = 38
	CodeDeviceExtra            Code = 39
	CodeDeviceChallenge        Code = 40
	CodeUsageLicence           Code = 41
	CodeNotSupported           Code = 42
	CodeIDState                Code = 43
	CodeNotBurned              Code = 44
	CodeSuspended              Code = 45
	CodeDiscarded              Code = 46
	CodePermission             Code = 47
	CodeVendorCode             Code = 48
	CodeProductCode            Code = 49
	CodeExpired                Code = 50
	CodeProductNotFound        Code = 51
	CodeVendorNotRegistered    Code = 52
	CodeDownloadLimited        Code = 53
	CodeBusy                   Code = 54
	CodeOTPDisabled            Code = 55
	CodeFingerprint            Code = 56
	CodeFingerprintDuplicate   Code = 57
	CodeAccessPolicyNotGranted Code = 63
)

// codeTable lists every code once, in the order of the protocol note.
var codeTable = []struct {
	code          Code
	name, message string
}{
	{CodeOK, "CodeOK", "success"},
	{CodeParameter, "CodeParameter", "a parameter is missing or malformed"},
	{CodeSystem, "CodeSystem", "internal error"},
	{CodeAlreadyActivated, "CodeAlreadyActivated", "the device is already activated under another product"},
	{CodeChipNotFound, "CodeChipNotFound", "the chip is not known"},
	{CodeCrypto, "CodeCrypto", "signing, verifying or encrypting failed"},
	{CodeBurnLicenceMissing, "CodeBurnLicenceMissing", "no licence to write ids into chips"},
	{CodeQuota, "CodeQuota", "the product's quota is used up"},
	{CodeIDNotFound, "CodeIDNotFound", "the id is not known"},
	{CodeAuthCode, "CodeAuthCode", "the authentication code is malformed or does not verify"},
	{CodeNotActivated, "CodeNotActivated", "the device is not activated"},
	{CodeTimestampExpired, "CodeTimestampExpired", "the timestamp is too far from the server's time"},
	{CodeTimestampRepeated, "CodeTimestampRepeated", "the authentication code was used before"},
	{CodeChallenge, "CodeChallenge", "the challenge was not issued for this id, has expired or was used before"},
	{CodeData, "CodeData", "the data cannot be encrypted for this device"},
	{CodeAPIVersion, "CodeAPIVersion", "the API version is missing or not served"},
	{CodeServerExtra, "CodeServerExtra", "the server extra is too long"},
	{CodeDeviceExtra, "CodeDeviceExtra", "the device extra is too long"},
	{CodeDeviceChallenge, "CodeDeviceChallenge", "the device challenge is empty, too long or contains '~'"},
	{CodeUsageLicence, "CodeUsageLicence", "the usage licence code is not valid"},
	{CodeNotSupported, "CodeNotSupported", "the device or product does not support this operation"},
	{CodeIDState, "CodeIDState", "the id's state does not admit this operation"},
	{CodeNotBurned, "CodeNotBurned", "the id was not written into a chip"},
	{CodeSuspended, "CodeSuspended", "the device is suspended"},
	{CodeDiscarded, "CodeDiscarded", "the device is discarded"},
	{CodePermission, "CodePermission", "the caller has no permission"},
	{CodeVendorCode, "CodeVendorCode", "the vendor code is not valid"},
	{CodeProductCode, "CodeProductCode", "the product code is not valid"},
	{CodeExpired, "CodeExpired", "the device's licence has expired"},
	{CodeProductNotFound, "CodeProductNotFound", "the product is not known"},
	{CodeVendorNotRegistered, "CodeVendorNotRegistered", "the vendor is not registered"},
	{CodeDownloadLimited, "CodeDownloadLimited", "no more ids may be downloaded"},
	{CodeBusy, "CodeBusy", "the server is busy; try again"},
	{CodeOTPDisabled, "CodeOTPDisabled", "the product does not admit OTP provisioning"},
	{CodeFingerprint, "CodeFingerprint", "the device fingerprint is not valid"},
	{CodeFingerprintDuplicate, "CodeFingerprintDuplicate", "the device fingerprint is already provisioned"},
	{CodeAccessPolicyNotGranted, "CodeAccessPolicyNotGranted", "the caller lacks the access policy AliyunIOTIDFullAccess"},
}

// Codes returns every result code in the order of the protocol note.
func Codes() []Code {
	all := make([]Code, len(codeTable))
	for i, row := range codeTable {
		all[i] = row.code
	}
	return all
}

// String returns the constant's name in this package, or the number of a code
// that has none.
func (c Code) String() string {
	for _, row := range codeTable {
		if row.code == c {
			return row.name
		}
	}
	return "Code(" + strconv.Itoa(int(c)) + ")"
}

// Message returns what the code means, in English, or "unknown result code".
func (c Code) Message() string {
	for _, row := range codeTable {
		if row.code == c {
			return row.message
		}
	}
	return "unknown result code"
}
