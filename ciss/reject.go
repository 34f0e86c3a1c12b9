package ciss

// Why names a reason for which a signer is not accepted.
type Why string

// The reasons.
const (
	WhyCertificate Why = "certificate" // signCert is not a certificate
	WhyCurve       Why = "curve"       // its key is not on the SM2 curve
	WhyUntrusted   Why = "untrusted"   // no chain leads to a configured root
	WhyTime        Why = "time"        // it, or one above it, is not valid now
	WhyRevoked     Why = "revoked"     // it, or one above it, is revoked
	WhyStaleCRL    Why = "stale-crl"   // whether it is revoked cannot be told: the list has ended
	WhyUsage       Why = "usage"       // its key usage does not allow signatures
	WhySignData    Why = "sign-data"   // signData has no accepted form
	WhySignature   Why = "signature"   // signData is not the signature of the message by signCert
)

// Rejection tells that a signer is not accepted. It names no secret: what it
// says may be shown to the peer, who has shown that it holds the app's key.
type Rejection struct {
	Why Why
}

// Error says what is wrong.
func (r *Rejection) Error() string { return "ciss: the signer is not accepted: " + whyText[r.Why] }

var whyText = map[Why]string{
	WhyCertificate: "signCert is not one DER certificate in hexadecimal digits",
	WhyCurve:       "the certificate's key is not an SM2 key",
	WhyUntrusted:   "no chain leads from the certificate to a configured root",
	WhyTime:        "the certificate or one above it is expired or not yet valid",
	WhyRevoked:     "the certificate or one above it is revoked",
	WhyStaleCRL:    "the revocation list of the certificate's issuer has ended",
	WhyUsage:       "the certificate's key usage does not allow signatures",
	WhySignData:    "signData has no accepted form",
	WhySignature:   "signData is not a signature of the message by this certificate",
}
