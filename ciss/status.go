package ciss

// Status codes of an answer (ciss §3). The vendor documents 200 and 212 with
// their meanings; it shows 209 and 921 without. What they and 500 mean here is
// this project's choice, and a setting.
const (
	StatusOK             = 200 // success
	StatusMessage        = 209 // something is wrong with the message
	StatusUnknownApp     = 212 // access information does not exist (接入信息不存在)
	StatusInternal       = 500 // the server failed
	StatusAuthentication = 921 // something is wrong with the authentication
)

// UnknownAppText is the returnObj of status 212, the only one in clear text.
const UnknownAppText = "接入信息不存在"

// Paths of the interface, below the platform's base URL.
const (
	PathScan        = "/skfinterface/auth/scan"
	PathLoginVerify = "/skfinterface/third/verifySign/loginVerify"
	PathVerify      = "/skfinterface/third/verifySign/verify"
)

// Sizes, in bytes.
const (
	MaxBody = 16 << 10 // of a request or an answer
	MaxCert = 4 << 10  // of a certificate in DER
)
