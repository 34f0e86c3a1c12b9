package openapi

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"

	"github.com/emmansun/gmsm/sm3"
)

// Verify recomputes the signature of a request that has passed CheckSystem and
// compares it in constant time (openapi-rpc §1.2, §2.3). The refusal of a wrong
// signature shows what the server signed; that holds no secret.
func (q *Request) Verify(c *Credential) *Error {
	if c.accessKeyID != q.AccessKeyID {
		return ErrAccessKeyNotFound
	}
	switch m := q.SignatureMethod; {
	case m == ACS3RSASHA256 && c.public != nil:
		return q.verifyRSA(c)
	case !c.canMAC(m):
		return ErrSignatureMethod
	case q.Style == StyleV3:
		return q.verifyV3(c)
	}
	return q.verifyV1(c)
}

// verifyV1 checks the Base64 of an HMAC over the string to sign.
func (q *Request) verifyV1(c *Credential) *Error {
	q.canon = appendStringToSign(q.canon[:0], q.Method, q.params)
	sum := c.appendMAC(q.sum[:0], q.SignatureMethod, q.canon)
	want := base64.StdEncoding.AppendEncode(q.text[:0], sum)
	if subtle.ConstantTimeCompare(want, []byte(q.signature)) == 1 {
		return nil
	}
	return SignatureMismatchV1(echo(q.canon))
}

// verifyV3 checks the hexadecimal of an HMAC over the V3 string to sign.
func (q *Request) verifyV3(c *Credential) *Error {
	start, err := q.buildV3()
	if err != nil {
		return err
	}
	sum := c.appendMAC(q.sum[:0], q.SignatureMethod, q.canon[start:])
	want := hex.AppendEncode(q.text[:0], sum)
	if subtle.ConstantTimeCompare(want, []byte(q.signature)) == 1 {
		return nil
	}
	return q.mismatchV3(start)
}

// verifyRSA checks a PKCS#1 v1.5 signature over the V3 string to sign.
func (q *Request) verifyRSA(c *Credential) *Error {
	start, err := q.buildV3()
	if err != nil {
		return err
	}
	sig, bad := hex.DecodeString(q.signature)
	digest := sha256.Sum256(q.canon[start:])
	if bad == nil && rsa.VerifyPKCS1v15(c.public, crypto.SHA256, digest[:], sig) == nil {
		return nil
	}
	return q.mismatchV3(start)
}

// buildV3 checks the hash of the body and puts the canonical request, followed
// by the string to sign, into q.canon; it returns where the latter starts.
func (q *Request) buildV3() (start int, err *Error) {
	bodyHash := appendHexHash(q.text[:0], q.SignatureMethod, q.body)
	for _, name := range [...]string{"X-Acs-Content-Sha256", "X-Acs-Content-Sm3"} {
		// Some SDKs put an SM3 hash under the SHA-256 name (openapi-rpc §2.1).
		if h := headerValue(q.header, name); h != "" && h != string(bodyHash) {
			return 0, ErrContentHash
		}
	}
	q.canon = appendCanonicalRequest(q.canon[:0], &signedParts{
		method: q.Method, params: q.params, header: q.header, host: q.host,
		signedHeaders: q.signedHeaders, bodyHash: bodyHash,
	})
	start = len(q.canon)
	q.canon = appendStringToSignV3(q.canon, q.SignatureMethod, q.canon)
	return start, nil
}

// mismatchV3 builds the refusal from the two strings that buildV3 left.
func (q *Request) mismatchV3(start int) *Error {
	return SignatureMismatchV3(string(q.canon[start:]), echo(q.canon[:start]))
}

// appendStringToSignV3 appends the algorithm and the hash of a canonical request.
func appendStringToSignV3(dst []byte, m SignatureMethod, canonical []byte) []byte {
	dst = append(dst, m.String()...)
	dst = append(dst, '\n')
	return appendHexHash(dst, m, canonical)
}

// appendHexHash appends the hash that goes with a V3 method in lower-case
// hexadecimal: SM3 for SM3, else SHA-256.
func appendHexHash(dst []byte, m SignatureMethod, data []byte) []byte {
	var sum [32]byte
	if m == ACS3HMACSM3 {
		sum = sm3.Sum(data)
	} else {
		sum = sha256.Sum256(data)
	}
	return hex.AppendEncode(dst, sum[:])
}

// echo returns a canonical string for an error message, or a remark in place of
// one so long that a stranger could use it to make the server talk.
func echo(canonical []byte) string {
	if len(canonical) > maxEcho {
		return "(too long to show)"
	}
	return string(canonical)
}
